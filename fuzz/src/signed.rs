//! Records whose bodies come from the input and whose signatures hold: behind them lie the rules that no forger reaches.
//!
//! The input of this form: one octet of flags (1: the holder's root is brought, 2: the card's clock is the challenge's),
//! two with the length of a token body, the token body, and a challenge. Where the challenge has [`DIGEST`], the digest
//! of the token is put in.

use crate::{draw::Draw, verdict::WORLD};
use countersign_common::{Challenge, Facts, VerifiedRecord};
use countersign_testpki::objects::{ATTRIBUTE_TOKEN, CONTENT_CHALLENGE, CONTENT_TOKEN, Cms, ISSUED, SIGNED, attribute};
use sha2::{Digest, Sha256};

/// Stands in a challenge where the token's digest belongs.
pub const DIGEST: [u8; 32] = [0xd1; 32];

/// A record by the holder of the examples, under a token by their token signer.
pub fn record(input: &[u8]) -> Vec<u8> {
    let mut draw = Draw::new(input);
    let (flags, length) = (draw.octet(), draw.short());
    let (token, mut challenge) = (draw.octets(length.into()), draw.rest().to_vec());
    let cast = &WORLD.cast;
    let token = Cms::new(CONTENT_TOKEN, token.to_vec(), &cast.token_signer, ISSUED).build();
    if let Some(at) = challenge.windows(DIGEST.len()).position(|window| window == DIGEST) {
        challenge.splice(at..at + DIGEST.len(), Sha256::digest(&token));
    }
    let stated = Challenge::from_der(&challenge).map(|challenge| challenge.time.0.to_string());
    let signed = stated.ok().filter(|_| flags & 2 == 2).unwrap_or(SIGNED.to_owned());
    let mut cms = Cms::new(CONTENT_CHALLENGE, challenge, &cast.holder, &signed);
    cms.unsigned = vec![attribute(ATTRIBUTE_TOKEN, &[token])];
    if flags & 1 == 1 {
        cms.certificates.push(cast.holder_root.certificate.clone());
    }
    cms.build()
}

/// What an activated product can rely on, told once more from the two bodies.
pub fn check(record: &VerifiedRecord<'_>, facts: &Facts<'_>) {
    let (token, challenge): (_, &Challenge) = (record.token().body(), record.challenge());
    let (at, now) = (challenge.time.0, facts.now.expect("a clock"));
    assert_eq!(token.product.id, facts.product.id);
    assert!(token.window.not_before.0 <= at && at <= token.window.not_after.0, "outside of the window");
    assert!(at.unix().abs_diff(record.object().signing_time().unix()) <= 300, "another time was signed");
    assert!(token.terms.validity.is_none_or(|validity| now <= at.plus(validity.into())), "ran out");
    assert!(facts.newest_time_seen.is_none_or(|seen| now.plus(300) >= seen) && now.plus(300) >= at, "set back");
    assert!(token.grants.iter().any(|grant| grant.number == challenge.grant && grant.persons == 1));
    assert!(token.terms.grace.is_none() && token.terms.notification.is_none(), "terms that nobody keeps");
    let extensions = token.extensions.iter().chain(&challenge.extensions).flatten();
    assert!(extensions.clone().all(|extension| !extension.critical), "an unknown critical extension");
    let recorded = |kind| challenge.machine.iter().find(|component| component.kind == kind);
    let present = facts.machine.digests(&token.binding);
    let matching = token.binding.components.iter().filter(|rule| {
        let present = present.iter().find(|component| component.kind == rule.kind);
        let in_common = recorded(rule.kind)
            .zip(present)
            .is_some_and(|(recorded, present)| recorded.digests.iter().any(|digest| present.digests.contains(digest)));
        assert!(in_common || !rule.mandatory, "a mandatory component does not match");
        in_common
    });
    assert!(matching.count() >= usize::from(token.binding.required), "too little of the machine matches");
    if !token.binding.virtual_machines {
        assert!(facts.machine.virtualization.is_none() && challenge.virtualization.is_none());
    }
}
