//! Damage to certificates.

use crate::random::Random;
use countersign_testpki::{
    Key,
    der::{bits, edit, header, members, sequence},
};
use std::collections::BTreeSet;

/// Damages one certificate: a bit, or a member of its body, most often signed again by its issuer's key.
pub fn mutate(random: &mut Random, der: &[u8], issuer: &Key, features: &mut BTreeSet<&'static str>) -> Vec<u8> {
    features.insert("mutated");
    let parts = members(der);
    let (mut body, again) = (parts[0].clone(), random.percent(85));
    match random.below(4) {
        0 => {
            // The order of two members.
            features.insert("members exchanged");
            let count = members(&body).len();
            let (one, other) = (random.below(count), random.below(count));
            body = edit(&body, |members| members.swap(one, other));
        }
        1 => {
            features.insert("member doubled or left out");
            let place = random.below(members(&body).len());
            let doubled = random.percent(50);
            body = edit(&body, |members| {
                let member = members.remove(place);
                if doubled {
                    members.insert(place, member.clone());
                    members.insert(place, member);
                }
            });
        }
        2 => {
            // A bit of the extensions, where most rules are.
            let last = members(&body).pop().map_or(1, |last| last.len());
            flip(random, &mut body, last);
        }
        _ => {
            let (start, length) = header(&body);
            flip(random, &mut body, start + length);
        }
    }
    if !again {
        features.insert("signature of another body");
        return sequence(&[&body, &parts[1], &parts[2]]);
    }
    let signature = issuer.sign(issuer.algorithm(), &body);
    sequence(&[&body, &parts[1], &bits(&signature, 0)])
}

/// Flips a bit of the last so many octets.
fn flip(random: &mut Random, octets: &mut [u8], last: usize) {
    let place = octets.len() - 1 - random.below(last);
    octets[place] ^= 1 << random.below(8);
}

/// Exchanges the signatures of two certificates.
pub fn exchange(certificates: &mut [Vec<u8>], one: usize, other: usize) {
    let signature = |der: &[u8]| members(der)[2].clone();
    let both = [signature(&certificates[one]), signature(&certificates[other])];
    for (place, new) in [(one, &both[1]), (other, &both[0])] {
        certificates[place] = edit(&certificates[place], |parts| parts[2] = new.clone());
    }
}
