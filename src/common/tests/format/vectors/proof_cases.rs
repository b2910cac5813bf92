//! Tokens that carry the proof that they are in the ledger, under anchors that demand one and under others.

use super::Case;
use countersign_common::{Octets, sha256};
use countersign_testpki::{
    Cast,
    objects::{ATTRIBUTE_TOKEN, attribute},
    trust::{ProofParts, anchors_signer, ledger_signer, with_proof},
};

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let signer = ledger_signer("Example Ledger Signer", &cast.token_root);
    let token = cast.token(|_| {});
    let digest = Octets(sha256(&token));
    let proven = |change: fn(&mut ProofParts)| {
        let mut parts = ProofParts::new(digest);
        change(&mut parts);
        with_proof(&token, &parts.signed_by(&signer))
    };
    let good = proven(|_| {});
    let lent = with_proof(&token, &ProofParts::new(Octets([1; 32])).signed_by(&signer));
    let officer = anchors_signer("Example Anchors Signer", &cast.token_root);
    let by_officer = with_proof(&token, &ProofParts::new(digest).signed_by(&officer));
    let mut other_attribute = cast.token_cms(der::Encode::to_der(&cast.token_body()).unwrap());
    other_attribute.unsigned = vec![attribute(ATTRIBUTE_TOKEN, std::slice::from_ref(&token))];
    let record = |named: &[u8], carried: &[u8]| cast.record_cms(&cast.challenge(named), carried, &cast.holder).build();
    let demanding = |case: Case| case.with(|case| case.demand = Some("inclusion-proof"));
    vec![
        Case::token("proof-not-demanded", "CS-0001", "nothing: a proof that nobody asks for", good.clone()),
        demanding(Case::token("proof-demanded", "CS-0001", "nothing: the proof that is demanded", good.clone())),
        demanding(Case::token("proof-missing", "CS-3011", "no proof where one is demanded", token.clone())),
        demanding(Case::token("proof-of-another-token", "CS-3012", "the proof of another token", lent.clone())),
        Case::token("proof-of-another-token-not-demanded", "CS-0001", "nothing: such a proof is not looked at", lent),
        demanding(Case::token(
            "proof-path-changed",
            "CS-3012",
            "a path that leads to another root",
            proven(|parts| parts.path[0].0[0] ^= 1),
        )),
        demanding(Case::token(
            "proof-path-short",
            "CS-3012",
            "a path that does not reach the root",
            proven(|parts| parts.path.truncate(2)),
        )),
        demanding(Case::token(
            "proof-entry-number",
            "CS-3012",
            "an entry at another place",
            proven(|parts| parts.entry.number = 2),
        )),
        demanding(Case::token(
            "proof-head-by-anchors-signer",
            "CS-2014",
            "a tree head signed by an anchors signer",
            by_officer,
        )),
        Case::token(
            "proof-number-zero",
            "CS-1208",
            "an entry without a number",
            proven(|parts| parts.entry.number = 0),
        ),
        Case::token(
            "proof-path-long",
            "CS-1208",
            "a path of 64 nodes",
            proven(|parts| parts.path = vec![Octets([0; 32]); 64]),
        ),
        Case::token(
            "token-with-unsigned-token",
            "CS-1101",
            "an unsigned attribute that a token does not have",
            other_attribute.build(),
        ),
        Case::record(
            "record-of-proven-token",
            "CS-0001",
            "nothing: the digest of a token leaves out its proof",
            record(&token, &good),
        ),
        Case::record(
            "record-naming-proven-token",
            "CS-1203",
            "a challenge with the digest of token and proof together",
            record(&good, &good),
        ),
        demanding(Case::record(
            "record-of-token-without-proof",
            "CS-3011",
            "a record of a token without the proof that is demanded",
            record(&token, &token),
        )),
    ]
}
