//! `ledger prove`: a token shows to anybody that it is in the ledger, and one that is not in it shows nothing.

use crate::support::{Desk, expect_said, plain_token};
use countersign_common::{
    Anchors, Demands, NO_LISTS, SignedObject, VerifiedToken, bundle::Bundle, bundle::PartKind, decode_certificates,
    decode_object,
};
use serde_json::Value;

fn sign(desk: &Desk, out: &str) {
    desk.with_passphrase(&["ledger", "sign", "--out", out]).expect_code(0);
}

/// The code for a token under the founding anchor that demands a proof.
fn judged(desk: &Desk, der: &[u8]) -> String {
    let anchors = decode_certificates(&desk.read("authority/anchors.pem")).expect("anchors");
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice)).expect("anchors");
    let anchors = anchors.demanding(Demands { inclusion_proof: true, approvals: 0 });
    let object = SignedObject::from_der(der).expect("a token");
    VerifiedToken::verify(object, &anchors, &NO_LISTS).map_or_else(|reason| reason.code(), |_| "CS-0001").to_owned()
}

fn file(desk: &Desk, name: &str) -> Vec<u8> {
    decode_object(&desk.read(name)).expect("an object").into_owned()
}

#[test]
fn a_proof_needs_a_signed_head_and_then_the_token_alone() {
    Desk::founded_each("p256").into_iter().for_each(a_proof_needs_a_signed_head_and_then_the_token_alone_on);
}

fn a_proof_needs_a_signed_head_and_then_the_token_alone_on(desk: Desk) {
    for out in ["1.pem", "2.pem", "3.pem"] {
        desk.with_passphrase(&plain_token(&["--out", out])).expect_code(0);
    }
    let before = desk.snapshot();
    let refused = desk.run(&["ledger", "prove", "2.pem", "--out", "proven.pem"]).expect_code(1);
    expect_said(&refused, &["CS-7057", "entry 3", "covers 0 entries", "ledger sign"]);
    assert_eq!(desk.snapshot(), before);
    sign(&desk, "head.pem");
    desk.with_passphrase(&plain_token(&["--out", "4.pem"])).expect_code(0);
    let done = desk.run(&["ledger", "prove", "2.pem", "--out", "proven.pem"]).expect_code(0);
    expect_said(&done, &["Wrote proven.pem", "entry 3 of 4"]);
    assert_eq!(
        [judged(&desk, &file(&desk, "2.pem")), judged(&desk, &file(&desk, "proven.pem"))],
        ["CS-3011", "CS-0001"]
    );
    // The head does not cover the fourth.
    expect_said(&desk.run(&["ledger", "prove", "5", "--out", "no.pem"]).expect_code(1), &["CS-7057", "entry 5"]);
    // By its number, by its id and by the file that has a proof already: the same.
    let json = desk.run(&["--json", "ledger", "prove", "3", "--out", "again.pem"]).expect_code(0).stdout_text();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let id = json["token"]["object"]["body"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(json["token"]["object"]["inclusion_proof"]["entry"]["number"], 3);
    assert_eq!(json["token"]["object"]["inclusion_proof"]["path"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["token"]["object"]["inclusion_proof"]["head"]["body"]["size"], 4);
    for (token, out) in [(id.as_str(), "by-id.pem"), ("proven.pem", "by-file.pem")] {
        desk.run(&["ledger", "prove", token, "--out", out]).expect_code(0);
        assert_eq!(desk.read(out), desk.read("proven.pem"));
    }
    assert_eq!(desk.read("again.pem"), desk.read("proven.pem"));
    // Others read it as they did.
    let path = ["-CAfile", "authority/anchors.pem", "-binary", "-out", "body.der"];
    let verify = ["cms", "-verify", "-purpose", "any", "-inform", "PEM", "-in", "proven.pem"];
    desk.openssl(&[&verify[..], &path].concat()).expect_code(0);
    expect_said(&desk.run(&["inspect", "proven.pem"]).expect_code(0), &["in ledger", "entry 3 of 4"]);
    // A later head proves it, too.
    sign(&desk, "head-2.pem");
    let done = desk.run(&["ledger", "prove", "proven.pem", "--out", "later.pem"]).expect_code(0);
    expect_said(&done, &["entry 3 of 5"]);
    assert_eq!(judged(&desk, &file(&desk, "later.pem")), "CS-0001");
    expect_said(&desk.run(&["ledger", "prove", "1", "--out", "no.pem"]).expect_code(3), &["CS-7042"]);
    expect_said(&desk.run(&["ledger", "prove", "head.pem", "--out", "no.pem"]).expect_code(1), &["CS-1"]);
}

#[test]
fn a_token_issued_behind_the_ledgers_back_gets_no_proof() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    // An officer who holds the key signs, and puts the ledger back.
    let kept = desk.ledger();
    desk.with_passphrase(&plain_token(&["--out", "behind.pem"])).expect_code(0);
    desk.replace_ledger(&kept);
    sign(&desk, "head.pem");
    expect_said(&desk.run(&["ledger", "prove", "behind.pem", "--out", "no.pem"]).expect_code(3), &["CS-7042"]);
    // Nor with the proof of another token.
    desk.run(&["ledger", "prove", "1.pem", "--out", "proven.pem"]).expect_code(0);
    let (behind, proven) = (file(&desk, "behind.pem"), file(&desk, "proven.pem"));
    let proof = SignedObject::from_der(&proven).expect("a token").inclusion_proof().expect("a proof");
    let lent = SignedObject::from_der(&behind).expect("a token").with_inclusion_proof(proof).expect("a token");
    assert_eq!([judged(&desk, &behind), judged(&desk, &lent)], ["CS-3011", "CS-3012"]);
    assert_eq!(judged(&desk, &proven), "CS-0001");
}

#[test]
fn anchors_that_demand_proofs_are_asked_for_by_an_update_and_bundles_bring_them() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "2.pem"])).expect_code(0);
    let update = ["anchors", "update", "--inclusion-proof", "required", "--out", "anchors-1.pem"];
    expect_said(&desk.with_passphrase(&update).expect_code(0), &["tokens need", "in the ledger"]);
    desk.run(&["anchors", "adopt", "anchors-1.pem"]).expect_code(0);
    let bundle = |out: &str| ["bundle", "--all-tokens-of", "acme", "--no-lists", "--out", out].map(str::to_owned);
    let run = |out: &str| desk.with_passphrase(&bundle(out).each_ref().map(String::as_str));
    expect_said(&run("no.bundle").expect_code(1), &["CS-7057"]);
    sign(&desk, "head.pem");
    run("site.bundle").expect_code(0);
    let der = desk.read("site.bundle");
    let bundled = Bundle::from_der(&der).expect("a bundle");
    let tokens: Vec<_> = bundled.parts(PartKind::Token).collect();
    assert_eq!(tokens.iter().map(|der| judged(&desk, der)).collect::<Vec<_>>(), ["CS-0001"; 2]);
    // The next update demands the same unless it says otherwise.
    expect_said(
        &desk.with_passphrase(&["anchors", "update", "--out", "anchors-2.pem"]).expect_code(0),
        &["tokens need"],
    );
    let update = ["--json", "anchors", "update", "--inclusion-proof", "optional", "--out", "anchors-3.pem"];
    let json = desk.with_passphrase(&update).expect_code(0).stdout_text();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["anchors_update"]["signatures"][0]["body"]["demands"].is_null());
}

#[test]
fn a_bundle_takes_proofs_along_where_it_is_asked_to() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    sign(&desk, "head.pem");
    for (more, expected) in [(&["--with-proofs"][..], "CS-0001"), (&[], "CS-3011")] {
        let out = format!("{expected}.bundle");
        let bundle = ["bundle", "--token", "1.pem", "--no-lists", "--out", &out];
        desk.with_passphrase(&[&bundle[..], more].concat()).expect_code(0);
        let der = desk.read(&out);
        let bundled = Bundle::from_der(&der).expect("a bundle");
        assert_eq!(judged(&desk, bundled.parts(PartKind::Token).next().expect("a token")), expected);
    }
}
