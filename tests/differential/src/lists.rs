//! Revocation lists of a chain, and what may be odd about them.

use crate::{
    generator::{Draft, key},
    random::Random,
};
use countersign_testpki::{
    Identity, List,
    certificates::extension,
    crls::{
        delta, distribution_points, full_name, issuing_point, only_attributes, only_cas, only_reasons, only_users,
        reason, uri,
    },
    der::sequence,
};
use std::collections::BTreeSet;

pub const ODDITIES: &[&str] = &[
    "a certificate revoked",
    "a certificate revoked",
    "a certificate on hold",
    "a list missing",
    "a list of another key",
    "a list out of date",
    "a list for CAs only",
    "a list for users only",
    "a list for attribute certificates",
    "a delta list",
    "freshest list named",
    "freshest list named",
    "a delta list that revokes",
    "a delta list that releases",
    "distribution points that match",
    "distribution points that do not match",
    "a list of some reasons",
    "lists of all reasons",
    "an older list that revokes",
];

/// A list for each issuer of the chain. Oddities fall on one of them.
pub fn make_lists(random: &mut Random, oddities: &BTreeSet<&'static str>, chain: &mut [Draft]) -> Vec<Vec<u8>> {
    let odd = random.below(chain.len());
    let has = |oddity: &str| oddities.contains(oddity);
    let point = |name: &str| full_name(&[uri(&format!("http://example.com/{name}.crl"))]);
    let mut lists = Vec::new();
    for (place, draft) in chain.iter_mut().enumerate() {
        let odd = odd == place;
        if odd && (has("distribution points that match") || has("distribution points that do not match")) {
            draft.extensions.push(distribution_points(&[&[point("one")]]));
        }
        if odd && has("freshest list named") {
            let value = sequence(&[&sequence(&[&point("newest")])]);
            draft.extensions.push(extension("2.5.29.46", false, &value));
        }
        let serial = draft.sign().serial;
        let signer_key = if odd && has("a list of another key") { "p256 nobody" } else { &draft.issuer_key };
        let signer =
            Identity { key: key(signer_key), name: draft.issuer.clone(), serial: Vec::new(), certificate: Vec::new() };
        let mut list = List::new(&signer);
        let older = list
            .clone()
            .entry(&serial, "2026-02-01T00:00:00Z", &[])
            .dates("2025-12-01T00:00:00Z", "2026-12-31T00:00:00Z");
        list = list.number(5);
        if odd {
            if has("a list missing") {
                continue;
            }
            if has("a certificate revoked") {
                let extensions: &[Vec<u8>] = if random.percent(50) { &[] } else { &[reason(1)] };
                list = list.entry(&serial, "2026-03-01T00:00:00Z", extensions);
            }
            if has("a certificate on hold") || has("a delta list that releases") {
                list = list.entry(&serial, "2026-03-01T00:00:00Z", &[reason(6)]);
            }
            if has("a list out of date") {
                let (from, to) = random.pick(&[
                    ("2026-01-01T00:00:00Z", "2026-05-31T23:59:59Z"),
                    ("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"),
                    ("2026-06-01T00:00:00Z", "2026-12-01T00:00:00Z"),
                    ("2026-06-01T00:00:01Z", "2026-12-01T00:00:00Z"),
                ]);
                list = list.dates(from, to);
            }
            let mut scope = Vec::new();
            if has("distribution points that match") {
                scope.push(point("one"));
            } else if has("distribution points that do not match") {
                scope.push(point("two"));
            }
            if has("a list for CAs only") {
                scope.push(only_cas());
            } else if has("a list for users only") {
                scope.push(only_users());
            }
            if has("a list of some reasons") || has("lists of all reasons") {
                let mut other = scope.clone();
                scope.push(only_reasons(&[1, 2]));
                other.push(only_reasons(&[3, 4, 5, 6, 7, 8]));
                if has("lists of all reasons") {
                    lists.push(list.clone().number(6).extension(issuing_point(&other)).sign(&signer.key));
                }
            }
            if has("a list for attribute certificates") {
                scope.push(only_attributes());
            }
            if !scope.is_empty() {
                list = list.extension(issuing_point(&scope));
            }
            for (oddity, entry) in [
                ("a delta list", None),
                ("a delta list that revokes", Some(reason(1))),
                ("a delta list that releases", Some(reason(8))),
            ] {
                if has(oddity) {
                    let mut newer = List::new(&signer).number(7).extension(delta(5));
                    if let Some(entry) = entry {
                        newer = newer.entry(&serial, "2026-04-01T00:00:00Z", &[entry]);
                    }
                    lists.push(newer.sign(&signer.key));
                }
            }
            if has("an older list that revokes") {
                lists.push(older.sign(&signer.key));
            }
        }
        lists.push(list.sign(&signer.key));
    }
    random.shuffle(&mut lists);
    lists
}
