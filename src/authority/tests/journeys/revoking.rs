//! `revoke` and `crl`.

use crate::support::{Desk, Holder, PASSPHRASE, expect_said, plain_token};
use countersign_common::{
    Anchors, Certificate, SignedObject, VerifiedTokenList, decode_certificates, decode_object,
    token_list::{TokenList, TokenRevocation},
};
use countersign_testkit::Output;
use sha2::{Digest as _, Sha256};
use std::fs;

/// A token list in a file, verified under the authority's anchors.
fn token_list(desk: &Desk, file: &str) -> TokenList {
    let anchors = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates");
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice)).expect("anchors");
    let file = desk.read(file);
    let der = decode_object(&file).expect("an object");
    let object = SignedObject::from_der(&der).expect("a signed object");
    VerifiedTokenList::verify(object, &anchors, &[]).expect("a list that verifies").body().clone()
}

/// What OpenSSL makes of a list of certificates, its signature verified.
fn openssl_list(desk: &Desk, file: &str, root: &str) -> String {
    let args = ["crl", "-in", file, "-inform", "DER", "-CAfile", root, "-noout", "-text"];
    let output = desk.openssl(&args).expect_code(0);
    assert!(output.stderr_text().contains("verify OK"), "{output}");
    output.stdout_text()
}

/// OpenSSL's judgement of a certificate by a list.
fn openssl_check(desk: &Desk, list: &str, certificate: &str) -> Output {
    let root = "authority/anchors.pem";
    desk.openssl(&["verify", "-crl_check", "-CAfile", root, "-CRLfile", list, certificate])
}

fn digest(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

fn issue(desk: &Desk, file: &str) -> String {
    desk.with_passphrase(&plain_token(&["--out", file])).expect_code(0);
    let der = desk.read(file);
    let der = decode_object(&der).expect("a token");
    let object = SignedObject::from_der(&der).expect("a token");
    countersign_common::Token::from_der(object.content()).expect("a token").id.to_string()
}

#[test]
fn openssl_reads_the_lists_and_finds_what_is_revoked() {
    for algorithm in ["p256", "p384", "rsa-2048"] {
        let desk = Desk::founded(algorithm);
        Holder::of(&desk, "ada");
        fs::create_dir(desk.path("lists")).expect("a folder");
        let signer = "authority/token-signer.pem";
        let revoke = ["revoke", "certificate", signer, "--reason", "superseded", "--date", "2026-01-01"];
        expect_said(&desk.run(&revoke).expect_code(0), &["Activation Token Signer", "2026-01-01T00:00:00Z"]);
        desk.run(&["revoke", "certificate", "ada.pem", "--reason", "keyCompromise"]).expect_code(0);
        let issued = desk.with_passphrase(&["crl", "--out", "lists"]).expect_code(0);
        expect_said(&issued, &["token-root.1.crl", "holder-root.1.crl", "token-list.1.pem", "1 revoked"]);

        let text = openssl_list(&desk, "lists/token-root.1.crl", "authority/anchors.pem");
        for words in [
            "Version 2",
            "X509v3 CRL Number: \n                1\n",
            "X509v3 Authority Key Identifier",
            "Superseded",
            "Revocation Date: Jan  1 00:00:00 2026",
            "Invalidity Date",
            "2.5.29.60",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let text = openssl_list(&desk, "lists/holder-root.1.crl", "authority/holder-roots.pem");
        assert!(text.contains("Key Compromise") && !text.contains("Superseded"), "{text}");
        assert!(!text.contains("Invalidity Date"), "no other date is known: {text}");
        openssl_check(&desk, "lists/token-root.1.crl", "authority/list-signer.pem").expect_code(0);
        let refused = openssl_check(&desk, "lists/token-root.1.crl", signer).expect_failure();
        expect_said(&refused, &["revoked"]);

        let verify = ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-out", "body"];
        let list = ["-in", "lists/token-list.1.pem", "-CAfile", "authority/anchors.pem"];
        desk.openssl(&[&verify[..], &list].concat()).expect_code(0);
        assert_eq!(TokenList::from_der(&desk.read("body")).expect("the body").number, 1);
    }
}

#[test]
fn tokens_are_revoked_held_and_lifted() {
    Desk::founded_each("p256").into_iter().for_each(tokens_are_revoked_held_and_lifted_on);
}

fn tokens_are_revoked_held_and_lifted_on(desk: Desk) {
    let id = issue(&desk, "token.pem");
    let der = desk.read("token.pem");
    let der = decode_object(&der).expect("a token").into_owned();
    let hold = ["revoke", "token", &id[..10], "--reason", "certificateHold", "--digest"];
    expect_said(&desk.run(&hold).expect_code(0), &[&id, "certificateHold", "countersign-authority crl"]);
    desk.with_passphrase(&["crl"]).expect_code(0);
    let list = token_list(&desk, "token-list.1.pem");
    let revoked = &list.revoked.expect("a revoked token")[0];
    assert_eq!((revoked.id.to_string(), revoked.revision), (id.clone(), 1));
    assert_eq!(revoked.reason, TokenRevocation::CertificateHold);
    assert_eq!(revoked.digest.expect("a digest").0, digest(&der));

    expect_said(&desk.run(&hold).expect_code(1), &["CS-7047", "revoked already"]);
    desk.run(&["revoke", "lift", "token", "token.pem"]).expect_code(0);
    expect_said(&desk.run(&["revoke", "lift", "token", &id]).expect_code(1), &["CS-7048", "not on hold"]);
    desk.with_passphrase(&["crl"]).expect_code(0);
    let list = token_list(&desk, "token-list.2.pem");
    assert_eq!((list.number, list.revoked), (2, None));

    let date = ["--date", "2026-06-01", "--json"];
    let output = desk.run(&[&["revoke", "token", &id, "--reason", "superseded"][..], &date].concat()).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["revoked"]["date"], "2026-06-01T00:00:00Z");
    // What is revoked for good cannot be lifted, nor revoked otherwise.
    desk.run(&["revoke", "lift", "token", &id]).expect_code(1);
    desk.run(&hold).expect_code(1);
    let listed = desk.run(&["ledger", "list"]).expect_code(0);
    expect_said(&listed, &["hold lifted", "superseded", "certificateHold", "list issued"]);
    // The id still finds the token.
    desk.run(&["ledger", "show", &id, "--export", "again.pem"]).expect_code(0);
    assert_eq!(desk.read("again.pem"), desk.read("token.pem"));
}

#[test]
fn what_cannot_be_revoked_is_refused() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    let id = issue(&desk, "token.pem");
    desk.write("foreign.pem", other.read("authority/token-signer.pem"));
    let (token, certificate) = (["revoke", "token"], ["revoke", "certificate"]);
    let (signer, list_signer) = ("authority/token-signer.pem", "authority/list-signer.pem");
    let before = desk.entries();
    for (start, more, code, words) in [
        (token, &[id.as_str(), "--reason", "keyCompromise"][..], 2, "CS-7001"),
        (token, &[&id, "--reason", "superseded", "--date", "2999-01-01"], 2, "yet to come"),
        (token, &[&id, "--reason", "superseded", "--revision", "2"], 3, "CS-7042"),
        (token, &["00000000", "--reason", "superseded"], 3, "CS-7042"),
        (token, &["", "--reason", "superseded"], 3, "CS-7042"),
        (token, &["foreign.pem", "--reason", "superseded"], 1, "CS-1"),
        (token, &[&id, "--reason", "boredom"], 2, "possible values"),
        (certificate, &["foreign.pem", "--reason", "superseded"], 1, "CS-7046"),
        (certificate, &["authority/anchors.pem", "--reason", "keyCompromise"], 1, "CS-7046"),
        (certificate, &["token.pem", "--reason", "superseded"], 3, "CS-7011"),
        (certificate, &["none.pem", "--reason", "superseded"], 3, "CS-7042"),
        (certificate, &[signer, "--reason", "superseded", "--standing"], 2, "--standing"),
        (certificate, &[list_signer, "--reason", "keyCompromise", "--standing"], 2, "--standing"),
    ] {
        let refused = desk.run(&[&start[..], more].concat()).expect_code(code);
        expect_said(&refused, &[words]);
    }
    expect_said(&desk.run(&["revoke", "lift", "certificate", signer]).expect_code(1), &["CS-7048"]);
    assert_eq!(desk.entries(), before);
}

#[test]
fn a_compromised_signer_falls_but_for_the_tokens_of_the_ledger() {
    let desk = Desk::founded("p256");
    issue(&desk, "old.pem");
    let signer = "authority/token-signer.pem";
    let fell = desk.run(&["revoke", "certificate", signer, "--reason", "keyCompromise"]).expect_code(0);
    expect_said(&fell, &["1 tokens", "fall", "--standing"]);
    // What was forgotten is made up for.
    let revoke = ["revoke", "certificate", signer, "--reason", "keyCompromise", "--standing"];
    expect_said(&desk.run(&revoke).expect_code(0), &["1 tokens", "stand"]);
    desk.run(&revoke).expect_code(1);
    let refused = desk.run(&plain_token(&["--out", "new.pem"])).expect_code(1);
    expect_said(&refused, &["CS-7053", "countersign-authority renew token-signer"]);

    let renewed = desk.with_passphrase(&["renew", "token-signer", "--algorithm", "p384"]).expect_code(0);
    expect_said(&renewed, &["Activation Token Signer 2", "P-384"]);
    issue(&desk, "new.pem");
    desk.with_passphrase(&["crl"]).expect_code(0);
    let standing = token_list(&desk, "token-list.1.pem").standing.expect("a standing token");
    let old = desk.read("old.pem");
    let old = decode_object(&old).expect("a token");
    assert_eq!(standing.iter().map(|digest| digest.0).collect::<Vec<_>>(), [digest(&old)]);
    openssl_check(&desk, "token-root.1.crl", signer).expect_failure();
    openssl_check(&desk, "token-root.1.crl", "authority/token-signer-2.pem").expect_code(0);
    let verify = ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-out", "body"];
    for token in ["old.pem", "new.pem"] {
        desk.openssl(&[&verify[..], &["-in", token, "-CAfile", "authority/anchors.pem"]].concat()).expect_code(0);
    }
}

#[test]
fn a_delta_list_tells_what_changed() {
    let desk = Desk::founded("p256");
    for name in ["ada", "bob", "eve"] {
        Holder::of(&desk, name);
    }
    desk.run(&["revoke", "certificate", "ada.pem", "--reason", "certificateHold"]).expect_code(0);
    desk.run(&["revoke", "certificate", "bob.pem", "--reason", "superseded"]).expect_code(0);
    // Nothing is there to differ from.
    desk.with_passphrase(&["crl", "--delta"]).expect_code(0);
    assert!(!desk.path("holder-root.1.delta.crl").exists());
    desk.run(&["revoke", "lift", "certificate", "ada.pem"]).expect_code(0);
    desk.run(&["revoke", "certificate", "eve.pem", "--reason", "privilegeWithdrawn"]).expect_code(0);
    desk.with_passphrase(&["crl", "--delta"]).expect_code(0);
    let delta = openssl_list(&desk, "holder-root.2.delta.crl", "authority/holder-roots.pem");
    for words in ["X509v3 Delta CRL Indicator: critical", "Remove From CRL", "Privilege Withdrawn"] {
        assert!(delta.contains(words), "{words}: {delta}");
    }
    assert!(!delta.contains("Superseded"), "{delta}");
    let complete = openssl_list(&desk, "holder-root.2.crl", "authority/holder-roots.pem");
    assert!(complete.contains("Superseded") && !complete.contains("Certificate Hold"), "{complete}");
    let number = "X509v3 CRL Number: \n                2\n";
    assert!(delta.contains(number) && complete.contains(number));
    expect_said(&desk.run(&["inspect", "holder-root.2.delta.crl"]).expect_code(0), &["changes since", "removeFromCRL"]);
}

#[test]
fn records_that_came_back_in_time_are_named_in_the_list() {
    Desk::founded_each("p256").into_iter().for_each(records_that_came_back_in_time_are_named_in_the_list_on);
}

fn records_that_came_back_in_time_are_named_in_the_list_on(desk: Desk) {
    issue(&desk, "token.pem");
    let ada = Holder::of(&desk, "ada");
    let early = ada.write_record(&desk, "token.pem", "m1", "early.pem");
    ada.write_record(&desk, "token.pem", "m2", "late.pem");
    let import = |file: &str| desk.run(&["receipts", "import", file]);
    expect_said(&import("early.pem").expect_code(0), &["Imported 1 new records", "Nothing was found"]);
    desk.run(&["revoke", "certificate", "ada.pem", "--reason", "keyCompromise"]).expect_code(0);
    expect_said(&import("late.pem").expect_code(1), &["CS-713", "CN=ada", "keyCompromise", "late.pem"]);
    desk.with_passphrase(&["crl"]).expect_code(0);
    let received = token_list(&desk, "token-list.1.pem").received.expect("a received record");
    assert_eq!(received.iter().map(|record| record.0).collect::<Vec<_>>(), [digest(&early)]);
    expect_said(&desk.run(&["ledger", "list"]).expect_code(0), &["record received"]);
}

#[test]
fn a_list_that_could_not_be_written_keeps_its_number() {
    let desk = Desk::founded("p256");
    let nowhere = desk.run(&["crl", "--out", "no/where"]).expect_code(3);
    expect_said(&nowhere, &["CS-7007"]);
    desk.write("token-list.1.pem", "mine");
    expect_said(&desk.run(&["crl"]).expect_code(1), &["CS-7006"]);
    assert_eq!(desk.entries(), 1, "refused before anything was signed");
    fs::remove_file(desk.path("token-list.1.pem")).expect("a file");

    // Another program takes the name while the passphrase is typed.
    let mut terminal = desk.command(&["crl"]).on_terminal();
    terminal.expect_secret("Passphrase");
    desk.write("token-root.1.crl", "mine");
    terminal.send_line(PASSPHRASE);
    let output = terminal.finish().expect_code(1);
    assert!(output.terminal.contains("CS-7006"), "{output}");
    assert_eq!(desk.read("token-root.1.crl"), b"mine");
    assert_eq!(desk.entries(), 4, "what was signed stands in the ledger");
    desk.run(&["ledger", "show", "2", "--export", "again.crl"]).expect_code(0);
    openssl_list(&desk, "again.crl", "authority/anchors.pem");

    desk.with_passphrase(&["crl"]).expect_code(0);
    let text = openssl_list(&desk, "token-root.2.crl", "authority/anchors.pem");
    assert!(text.contains("X509v3 CRL Number: \n                2\n"), "{text}");
    assert_eq!(token_list(&desk, "token-list.2.pem").number, 2);
}

#[test]
fn a_later_list_signer_goes_on_counting() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&["crl"]).expect_code(0);
    desk.run(&["revoke", "certificate", "authority/list-signer.pem", "--reason", "keyCompromise"]).expect_code(0);
    expect_said(&desk.with_passphrase(&["crl"]).expect_code(1), &["CS-7053", "renew list-signer"]);
    desk.with_passphrase(&["renew", "list-signer"]).expect_code(0);
    desk.with_passphrase(&["crl"]).expect_code(0);
    let list = token_list(&desk, "token-list.2.pem");
    assert_eq!((list.number, list.replaces), (2, None));
    desk.with_passphrase(&["crl", "--replaces-old-signer"]).expect_code(0);
    desk.with_passphrase(&["crl"]).expect_code(0);
    let old = decode_certificates(&desk.read("authority/list-signer.pem")).expect("a certificate").remove(0);
    let old = Certificate::from_der(&old).expect("a certificate");
    for number in [3, 4] {
        let list = token_list(&desk, &format!("token-list.{number}.pem"));
        assert_eq!(list.number, number);
        assert_eq!(list.replaced().collect::<Vec<_>>(), [old.subject().to_vec()], "once and from then on");
    }
}
