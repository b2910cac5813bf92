//! `inspect`.

use crate::support::{Desk, Holder, expect_said, plain_token};
use countersign_common::{decode_certificates, encode_object};
use countersign_testkit::{Output, TestAuthority};
use der::{EncodePem, pem::LineEnding};
use spki::SubjectPublicKeyInfoOwned;

fn inspect(desk: &Desk, file: &str) -> Output {
    desk.run(&["inspect", file])
}

#[test]
fn tokens_and_certificates_are_shown_as_unverified() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    expect_said(&inspect(&desk, "token.pem").expect_code(0), &["Activation token", "Acme Power", "Not verified"]);
    desk.openssl(&["cms", "-cmsout", "-inform", "PEM", "-in", "token.pem", "-outform", "DER", "-out", "token.der"])
        .expect_code(0);
    expect_said(&inspect(&desk, "token.der").expect_code(0), &["Acme Power"]);
    let root = "authority/anchors.pem";
    expect_said(&inspect(&desk, root).expect_code(0), &["Certificate", "Activation Token Root", "Not verified"]);
    desk.openssl(&["x509", "-in", root, "-outform", "DER", "-out", "root.der"]).expect_code(0);
    expect_said(&inspect(&desk, "root.der").expect_code(0), &["Activation Token Root"]);

    let json = desk.run(&["inspect", "token.pem", "--json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&document["verified"], &document["object"]["type"]), (&false.into(), &"activation-token".into()));
}

/// A record under the token in token.pem, by a holder whom another authority certified.
fn record(desk: &Desk) -> Vec<u8> {
    let holders = TestAuthority::new("/CN=Their CA");
    desk.write("ca.pem", holders.certificate());
    desk.with_passphrase(&plain_token(&["--holder-anchor", "ca.pem", "--out", "token.pem"])).expect_code(0);
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key");
    let public = SubjectPublicKeyInfoOwned::from_key(key.verifying_key()).expect("a public key");
    let public = public.to_pem(LineEnding::LF).expect("PEM");
    let certificate = holders.certify(&public, "/CN=Their Holder", "keyUsage=critical,digitalSignature");
    let certificate = decode_certificates(certificate.as_bytes()).expect("a certificate").remove(0);
    Holder { certificate, key }.record(desk, "token.pem", "m")
}

#[test]
fn a_record_is_shown_with_its_token() {
    let desk = Desk::founded("p256");
    let record = record(&desk);
    desk.write("record.pem", encode_object(&record));
    let shown = inspect(&desk, "record.pem").expect_code(0);
    expect_said(&shown, &["Activation record", "Their Holder", "Acme Power", "Not verified"]);
    let json = desk.run(&["inspect", "record.pem", "--json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["object"]["type"], "activation-record");
    assert_eq!(document["object"]["token"]["body"]["customer"]["id"], "acme");
}

#[test]
fn other_files_are_refused_with_a_code() {
    let desk = Desk::founded("p256");
    desk.write("empty", "");
    desk.write("text", "hello\n");
    desk.write("large", vec![b'-'; 2 * 1024 * 1024]);
    desk.write("der", [0x30, 0x03, 0x02, 0x01, 0x05]);
    desk.write("deep", [0x30, 0x80].repeat(10_000));
    desk.openssl(&[
        "cms",
        "-sign",
        "-signer",
        "authority/token-signer.pem",
        "-inkey",
        "authority/keys/token-signer.key.pem",
    ])
    .expect_failure();
    let certificate = String::from_utf8(desk.read("authority/anchors.pem")).expect("text");
    desk.write("comment", format!("evil\n{certificate}"));
    desk.write("broken", certificate.replace('M', "N"));
    for (file, code, words) in [
        ("empty", 1, "CS-1002"),
        ("text", 1, "CS-1002"),
        ("large", 3, "CS-7008"),
        ("der", 1, "CS-1"),
        ("deep", 1, "CS-1"),
        ("comment", 1, "CS-1002"),
        ("broken", 1, "CS-"),
        ("authority/keys/token-root.key.pem", 1, "CS-7012"),
        ("authority/ledger.sqlite", 1, "CS-1002"),
        ("authority", 3, "CS-7007"),
        ("none", 3, "CS-7007"),
        ("/dev/zero", 3, "CS-7008"),
    ] {
        let refused = inspect(&desk, file).expect_code(code);
        expect_said(&refused, &[words, "next:"]);
        assert_eq!(refused.stdout_text(), "", "{refused}");
    }
}

#[test]
fn every_damage_ends_in_an_answer() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    desk.openssl(&["cms", "-cmsout", "-inform", "PEM", "-in", "token.pem", "-outform", "DER", "-out", "token.der"])
        .expect_code(0);
    let token = desk.read("token.der");
    for place in 0..token.len() {
        let mut changed = token.clone();
        changed[place] ^= 0x40;
        desk.write("changed", &changed);
        let path = desk.path("changed").into_os_string();
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let code = countersign_authority::run(["x".into(), "inspect".into(), path], &mut output, &mut notes);
        assert!(code == 0 || (code == 1 && notes.starts_with(b"error: ")), "octet {place}");
    }
}
