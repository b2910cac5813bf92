//! `verify`: tokens, records and certificates, by the anchors given alone.

use crate::support::{
    Site,
    pki::{Identity, at},
};
use countersign_common::{Octets, SignedObject, encode_certificate, encode_object};
use countersign_testpki::{
    Cast,
    trust::{ProofParts, approval, approve, approver, with_proof},
};
use countersign_verifier::Exit;
use serde_json::Value;

/// Verifies one object with more words on the command line.
fn verify(site: &mut Site, file: &std::path::Path, words: &[&str]) -> (Exit, Value) {
    let anchors = site.path("anchors.pem");
    let before = site.stored();
    let line = [&["verify", file.to_str().unwrap(), "--anchors", anchors.to_str().unwrap()], words].concat();
    let (exit, said) = site.json(&line);
    assert_eq!(site.stored(), before);
    (exit, said["objects"][0].clone())
}

fn remark(object: &Value, about: &str) -> String {
    let remarks = object["remarks"].as_array().unwrap();
    let remark = remarks.iter().find(|remark| remark["about"] == about);
    remark.map(|remark| remark["says"].as_str().unwrap().to_owned()).unwrap_or_default()
}

fn refused(site: &mut Site, file: &std::path::Path, words: &[&str]) -> (Exit, String) {
    let (exit, object) = verify(site, file, words);
    assert_eq!(object["valid"], false);
    (exit, object["reason"]["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_token() {
    let mut site = Site::new();
    let token = site.cast.token(|token| token.window.not_after = at("2030-01-01"));
    for content in [encode_object(&token).into_bytes(), token.clone()] {
        let file = site.file("token", &content);
        let (exit, said) = verify(&mut site, &file, &["--at", "2026-11-24"]);
        assert_eq!((exit, &said["type"], &said["valid"]), (Exit::Done, &"token".into(), &true.into()));
        assert_eq!(remark(&said, "window"), "open");
        assert_eq!(said["object"]["body"]["product"]["id"], "control-room");
    }
    let file = site.file("token", &token);
    assert_eq!(remark(&verify(&mut site, &file, &["--at", "2031-01-01"]).1, "window"), "closed");
    assert_eq!(remark(&verify(&mut site, &file, &["--at", "2019-01-01"]).1, "window"), "not open yet");
    assert_eq!(refused(&mut site, &file, &["--product", "other"]), (Exit::Refused, "CS-3101".to_owned()));
    assert_eq!(verify(&mut site, &file, &["--machine-check", "--at", "2026-11-24"]).0, Exit::Done);
    site.machine_file("etc/machine-id", "\n");
    let found = refused(&mut site, &file, &["--machine-check", "--at", "2026-11-24"]);
    assert_eq!(found, (Exit::CannotTell, "CS-4003".to_owned()));
}

#[test]
fn a_token_that_proves_to_be_in_the_ledger() {
    let mut site = Site::new();
    let token = site.cast.token(|token| token.window.not_after = at("2030-01-01"));
    let digest = Octets(SignedObject::from_der(&token).unwrap().digest());
    let signer = site.cast.ledger_signer("Test Ledger Signer");
    let proven = with_proof(&token, &ProofParts::new(digest).signed_by(&signer));
    let lent = with_proof(&token, &ProofParts::new(Octets([1; 32])).signed_by(&signer));
    let required = ["--at", "2026-11-24", "--require-inclusion-proof"];
    let file = site.file("token", &proven);
    for words in [&required[..2], &required] {
        let said = verify(&mut site, &file, words).1;
        assert_eq!(said["valid"], true);
        assert_eq!(remark(&said, "ledger"), "proven: entry 3 of 5, signed 2026-03-01T00:00:00Z");
        assert_eq!(said["object"]["inclusion_proof"]["head"]["body"]["size"], 5);
    }
    let text = site.run(&["verify", file.to_str().unwrap(), "--anchors", site.path("anchors.pem").to_str().unwrap()]);
    assert!(text.output.contains("in ledger") && text.output.contains("entry 3 of 5"), "{}", text.output);
    for (object, code) in [(&lent, "CS-3012"), (&token, "CS-3011")] {
        let file = site.file("token", object);
        assert_eq!(refused(&mut site, &file, &required), (Exit::Refused, code.to_owned()));
        let said = verify(&mut site, &file, &required[..2]).1;
        assert_eq!(said["valid"], true);
        assert_eq!(remark(&said, "ledger").contains("not proven"), code == "CS-3012");
    }
}

#[test]
fn a_token_that_several_officers_approved() {
    let mut site = Site::new();
    let cast = Cast::new();
    let anchors = encode_certificate(&cast.token_root.certificate);
    site.file("anchors.pem", anchors.as_bytes());
    let bare = cast.token(|_| {});
    let body = SignedObject::from_der(&bare).unwrap().content().to_vec();
    let approved = |names: &[&str]| {
        let mut token = cast.token_cms(body.clone());
        let approvals: Vec<_> = names.iter().map(|name| approval(&approver(name, &cast.token_root), &body)).collect();
        approve(&mut token, &approvals);
        token.build()
    };
    let two = approved(&["Approver One", "Approver Two"]);
    let required = ["--at", "2026-06-01", "--require-approvals", "2"];
    let file = site.file("token", &two);
    for words in [&required[..2], &required] {
        let said = verify(&mut site, &file, words).1;
        assert_eq!(said["valid"], true);
        assert_eq!(said["object"]["approvals"][1]["signer_subject"], "CN=Approver Two,O=Example Organisation");
        assert_eq!(said["object"]["approvals"][1]["type"], "approval");
    }
    let path = site.path("anchors.pem");
    let text = site.run(&["verify", file.to_str().unwrap(), "--anchors", path.to_str().unwrap()]).output;
    assert!(text.contains("approved by") && text.contains("CN=Approver Two"), "{text}");
    for object in [&bare, &approved(&["Approver One"]), &approved(&["Approver One", "Approver One"])] {
        let file = site.file("token", object);
        assert_eq!(refused(&mut site, &file, &required), (Exit::Refused, "CS-3013".to_owned()));
        assert_eq!(verify(&mut site, &file, &required[..2]).1["valid"], true);
    }
}

#[test]
fn a_record() {
    let mut site = Site::new();
    let token = site.cast.token(|_| {});
    let record = site.cast.record(&token, &site.machine(), "2026-01-01T00:00:00Z".parse().unwrap());
    let file = site.file("record.pem", encode_object(&record).as_bytes());
    let (exit, said) = verify(&mut site, &file, &["--at", "2026-06-01"]);
    assert_eq!((exit, &said["type"]), (Exit::Done, &"record".into()));
    assert_eq!(remark(&said, "holder"), "CN=Alex Example under CN=Test Holder Root");
    assert_eq!(refused(&mut site, &file, &["--at", "2028-01-01"]), (Exit::Refused, "CS-3207".to_owned()));
    assert_eq!(refused(&mut site, &file, &["--at", "2025-01-01"]), (Exit::CannotTell, "CS-3202".to_owned()));
    assert_eq!(verify(&mut site, &file, &["--at", "2026-06-01", "--machine-check"]).0, Exit::Done);
    site.machine_file("etc/machine-id", "00112233445566778899aabbccddeeff\n");
    let found = refused(&mut site, &file, &["--at", "2026-06-01", "--machine-check"]);
    assert_eq!(found, (Exit::Refused, "CS-4001".to_owned()));
    let text = site.run(&[
        "verify",
        file.to_str().unwrap(),
        "--anchors",
        site.path("anchors.pem").to_str().unwrap(),
        "--at",
        "2026-06-01",
    ]);
    assert!(text.output.contains("a valid record, judged at 2026-06-01T00:00:00Z (UTC)"), "{}", text.output);
}

#[test]
fn every_changed_byte_of_a_record_is_refused() {
    let mut site = Site::new();
    let token = site.cast.token(|_| {});
    let record = site.cast.record(&token, &site.machine(), "2026-01-01T00:00:00Z".parse().unwrap());
    // A few; the crate that judges goes through all of them.
    for place in (0..record.len()).step_by(101) {
        let mut changed = record.clone();
        changed[place] ^= 1;
        let file = site.file("record", &changed);
        let anchors = site.path("anchors.pem");
        let said = site.run(&["verify", file.to_str().unwrap(), "--anchors", anchors.to_str().unwrap()]);
        assert_eq!(said.exit, Exit::Refused, "octet {place}: {}", said.output);
    }
}

#[test]
fn certificates() {
    let mut site = Site::new();
    let root = site.file("root.pem", site.cast.token_root.pem().as_bytes());
    let (exit, said) = verify(&mut site, &root, &[]);
    assert_eq!((exit, &said["type"]), (Exit::Done, &"certificate".into()));
    assert_eq!(remark(&said, "role"), "certificate authority");
    let signer = site.file("signer.pem", site.cast.token_signer.pem().as_bytes());
    let (_, said) = verify(&mut site, &signer, &[]);
    assert_eq!(
        (remark(&said, "role"), remark(&said, "anchor")),
        ("signs activation tokens".to_owned(), "CN=Test Token Root".to_owned())
    );
    let holder = site.file("holder.der", &site.cast.holder.certificate);
    assert_eq!(refused(&mut site, &holder, &[]), (Exit::Refused, "CS-2006".to_owned()));
    assert_eq!(refused(&mut site, &signer, &["--at", "2019-01-01"]).1, "CS-2008");
    let broken = site.file("broken.pem", encode_certificate(&[0x30, 0]).as_bytes());
    assert_eq!(refused(&mut site, &broken, &[]).1, "CS-2001");
    let intermediate = Identity::ca("Intermediate", &site.cast.token_root);
    let leaf = Identity::issued("Leaf", crate::support::pki::Key::p256("leaf"), &intermediate, None);
    let chain = site.file("chain.pem", format!("{}{}", leaf.pem(), intermediate.pem()).as_bytes());
    assert_eq!(verify(&mut site, &chain, &[]).0, Exit::Done);
}
