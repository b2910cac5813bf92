//! `bundle`.

use crate::support::{Desk, expect_said, plain_token};
use countersign_common::{
    Anchors, NO_LISTS,
    bundle::{Bundle, PartKind},
    decode_certificates, decode_object,
};

/// How many parts of each kind a bundle has: updates, certificates, lists of certificates, lists of tokens, tokens.
fn parts(desk: &Desk, file: &str) -> [usize; 5] {
    let anchors = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates");
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice)).expect("anchors");
    let der = desk.read(file);
    let bundle = Bundle::from_der(&der).expect("a bundle");
    bundle.verify(&anchors, &NO_LISTS).expect("a bundle by this authority");
    [PartKind::AnchorsUpdate, PartKind::Certificate, PartKind::CertificateList, PartKind::TokenList, PartKind::Token]
        .map(|kind| bundle.parts(kind).count())
}

#[test]
fn everything_that_a_site_needs_goes_into_one_file() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    other.with_passphrase(&["crl"]).expect_code(0);
    desk.write("their.crl", other.read("holder-root.1.crl"));
    desk.write("their-ca.pem", other.read("authority/holder-root.pem"));
    let pem = ["crl", "-inform", "DER", "-in", "their.crl", "-out", "their-crl.pem"];
    desk.openssl(&pem).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "one.pem"])).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "two.pem"])).expect_code(0);
    desk.with_passphrase(&["anchors", "update", "--out", "update.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "update.pem"]).expect_code(0);

    let all = ["bundle", "--all-tokens-of", "acme", "--label", "Acme, north plant", "--certificate", "their-ca.pem"];
    let more = ["--crl", "their.crl", "--crl", "their-crl.pem", "--token", "one.pem", "--out", "1.bundle"];
    let made = desk.with_passphrase(&[&all[..], &more].concat()).expect_code(0);
    expect_said(&made, &["Acme, north plant", "octets", "Acme Power", "issued just now", "issuing them anew"]);
    // The same list as PEM, and the same token by file and by customer, are there once.
    assert_eq!(parts(&desk, "1.bundle"), [1, 1, 3, 1, 2]);
    let entries = desk.entries();
    let again = desk.with_passphrase(&["bundle", "--token", "one.pem", "--out", "2.bundle"]).expect_code(0);
    assert!(!again.stdout_text().contains("just now"), "{again}");
    assert_eq!(parts(&desk, "2.bundle"), [1, 0, 2, 1, 1]);
    assert_eq!(desk.entries(), entries + 1);
    let bare = ["bundle", "--token", "one.pem", "--no-lists", "--out", "3.bundle", "--json"];
    let bare = desk.with_passphrase(&bare).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&bare.stdout).expect("JSON");
    assert_eq!(document["bundle"]["lists_issued"], false);
    assert_eq!(parts(&desk, "3.bundle"), [1, 0, 0, 0, 1]);

    // What was revoked since is in the next one.
    let revoke = ["revoke", "certificate", "authority/token-signer.pem", "--reason", "superseded"];
    desk.run(&revoke).expect_code(0);
    let fresh = desk.with_passphrase(&["bundle", "--out", "4.bundle"]).expect_code(0);
    expect_said(&fresh, &["issued just now", "number 2, 1 revoked"]);

    let shown = desk.run(&["inspect", "1.bundle"]).expect_code(0);
    expect_said(&shown, &["Bundle", "Acme, north plant", "certificate revocation list", "Not verified"]);
    let json = desk.run(&["inspect", "1.bundle", "--json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(
        (&document["object"]["type"], document["object"]["parts"].as_array().map(Vec::len)),
        (&"bundle".into(), Some(8))
    );
    expect_said(&desk.run(&["inspect", "their.crl"]).expect_code(0), &["Certificate revocation list", "Holder Root"]);
    expect_said(&desk.run(&["inspect", "their-crl.pem"]).expect_code(0), &["Certificate revocation list"]);
    expect_said(&desk.run(&["inspect", "update.pem"]).expect_code(0), &["Anchors update", "Activation Token Root"]);
    desk.run(&["ledger", "show", "5", "--export", "list"]).expect_code(0);
}

#[test]
fn a_revoked_token_is_left_out_or_told() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "one.pem"])).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "two.pem"])).expect_code(0);
    let list = desk.run(&["ledger", "list", "--json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let id = document["entries"][1]["id"].as_str().expect("an id").to_owned();
    desk.run(&["revoke", "token", &id, "--reason", "privilegeWithdrawn"]).expect_code(0);
    desk.with_passphrase(&["bundle", "--all-tokens-of", "acme", "--out", "1.bundle"]).expect_code(0);
    assert_eq!(parts(&desk, "1.bundle"), [0, 0, 2, 1, 1]);
    let told = desk.with_passphrase(&["bundle", "--token", &id[..12], "--out", "2.bundle"]).expect_code(0);
    expect_said(&told, &["CS-7131", &id]);
    let shown = desk.run(&["inspect", "2.bundle"]).expect_code(0);
    expect_said(&shown, &[&id, "1 revoked"]);
}

#[test]
fn what_does_not_belong_into_a_bundle_is_refused() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    other.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    desk.write("foreign.pem", other.read("token.pem"));
    desk.write("text", "hello\n");
    desk.write("taken.bundle", "mine");
    let der = decode_object(&desk.read("foreign.pem")).expect("a token").into_owned();
    desk.write("no-list.crl", der);
    let before = desk.entries();
    for (more, code, words) in [
        (&["--token", "foreign.pem"][..], 1, "no path"),
        (&["--token", "0000"], 3, "CS-7042"),
        (&["--all-tokens-of", "nobody"], 3, "CS-7042"),
        (&["--crl", "text"], 3, "CS-7013"),
        (&["--crl", "authority/anchors.pem"], 3, "CS-7013"),
        (&["--crl", "no-list.crl"], 3, "CS-7013"),
        (&["--certificate", "text"], 3, "CS-7011"),
        (&["--anchors", "foreign.pem"], 1, "CS-1"),
        (&["--token", "none.pem"], 3, "CS-7042"),
        (&["--no-lists"], 2, "nothing"),
    ] {
        // Refused before a passphrase is asked for.
        let refused = desk.run(&[&["bundle", "--out", "new.bundle"][..], more].concat()).expect_code(code);
        expect_said(&refused, &[words]);
    }
    expect_said(&desk.run(&["bundle", "--out", "taken.bundle"]).expect_code(1), &["CS-7006"]);
    assert_eq!(desk.entries(), before);
    assert!(!desk.path("new.bundle").exists());
}
