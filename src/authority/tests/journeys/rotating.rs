//! `renew` and `anchors`.

use crate::support::{Desk, expect_said, plain_token};
use countersign_common::{Anchors, NO_LISTS, Reason, SignedObject, VerifiedToken, decode_certificates, decode_object};

fn certificate(desk: &Desk, file: &str) -> Vec<u8> {
    decode_certificates(&desk.read(file)).expect("certificates").remove(0)
}

/// The signatures in a file of updates.
fn objects(desk: &Desk, file: &str) -> Vec<Vec<u8>> {
    let text = String::from_utf8(desk.read(file)).expect("text");
    let blocks = text.split_inclusive("-----END CMS-----\n");
    blocks.map(|block| decode_object(block.as_bytes()).expect("an object").into_owned()).collect()
}

/// Whether a machine that was built with one root accepts a token, after a row of updates.
fn accepts(desk: &Desk, root: &[u8], updates: &[Vec<u8>], token: &str) -> Result<(), Reason> {
    let file = desk.read(token);
    let der = decode_object(&file).expect("a token");
    let anchors = Anchors::new([root]).expect("an anchor").follow(updates)?;
    VerifiedToken::verify(SignedObject::from_der(&der)?, &anchors, &NO_LISTS).map(|_| ())
}

fn sha256(desk: &Desk, file: &str) -> String {
    let fingerprint = desk.openssl(&["x509", "-in", file, "-noout", "-fingerprint", "-sha256"]).expect_code(0);
    fingerprint.stdout_text().trim_end().rsplit('=').next().expect("digits").replace(':', "").to_lowercase()
}

#[test]
fn every_role_is_renewed_and_the_one_before_stays() {
    Desk::founded_each("p256").into_iter().for_each(every_role_is_renewed_and_the_one_before_stays_on);
}

fn every_role_is_renewed_and_the_one_before_stays_on(desk: Desk) {
    for role in ["token-signer", "list-signer", "anchors-signer", "ledger-signer"] {
        let before = certificate(&desk, &format!("authority/{role}.pem"));
        let output = desk.with_passphrase(&["renew", role]).expect_code(0);
        expect_said(&output, &["Renewed", " 2,O=Example Works"]);
        let file = format!("authority/{role}-2.pem");
        desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/anchors.pem", &file]).expect_code(0);
        assert_eq!(certificate(&desk, &format!("authority/{role}.pem")), before);
    }
    for (role, all) in [("token-root", "anchors.pem"), ("holder-root", "holder-roots.pem")] {
        desk.with_passphrase(&["renew", role, "--validity", "10y"]).expect_code(0);
        let all = decode_certificates(&desk.read(&format!("authority/{all}"))).expect("certificates");
        let two = ["", "-2"].map(|end| certificate(&desk, &format!("authority/{role}{end}.pem")));
        assert_eq!(all, two);
    }
    // The new root certifies from now on.
    desk.with_passphrase(&["renew", "token-signer"]).expect_code(0);
    let verify = |root: &str| desk.openssl(&["verify", "-CAfile", root, "authority/token-signer-3.pem"]);
    verify("authority/token-root-2.pem").expect_code(0);
    verify("authority/token-root.pem").expect_failure();
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    // Both roots sign the list of what they issued.
    desk.with_passphrase(&["crl"]).expect_code(0);
    for (list, root) in [("token-root.1.crl", "token-root.pem"), ("token-root-2.1.crl", "token-root-2.pem")] {
        let root = format!("authority/{root}");
        let output = desk.openssl(&["crl", "-inform", "DER", "-in", list, "-CAfile", &root, "-noout"]).expect_code(0);
        expect_said(&output, &["verify OK"]);
    }
    expect_said(&desk.run(&["ledger", "list"]).expect_code(0), &["key renewed", "holder-root"]);
}

#[test]
fn a_renewal_that_fails_changes_nothing() {
    let desk = Desk::founded("p256");
    let before = desk.snapshot();
    let wrong = desk.command(&["renew", "token-signer", "--passphrase-fd", "3"]).pipe(3, "correct house battery\n");
    expect_said(&wrong.output().expect_code(3), &["CS-7022"]);
    let long = desk.with_passphrase(&["renew", "token-signer", "--validity", "30y"]).expect_code(2);
    expect_said(&long, &["CS-7001", "renew token-root"]);
    desk.run(&["renew", "cook"]).expect_code(2);
    assert_eq!(desk.snapshot(), before);
    // What a renewal left behind that was cut off is no hindrance, and is trusted no longer.
    let other = Desk::founded("p256");
    let left_behind = other.read("authority/token-root.pem");
    desk.write("authority/token-root-2.pem", &left_behind);
    desk.write("authority/keys/token-root-2.key.pem", "half");
    desk.write("authority/anchors.pem", [desk.read("authority/anchors.pem"), left_behind].concat());
    desk.with_passphrase(&["renew", "token-root"]).expect_code(0);
    let anchors = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates");
    assert_eq!(anchors, ["", "-2"].map(|end| certificate(&desk, &format!("authority/token-root{end}.pem"))));
    desk.with_passphrase(&["renew", "token-signer"]).expect_code(0);
}

#[test]
fn a_new_root_reaches_the_machines_with_two_of_three_signatures_and_an_overlap() {
    Desk::founded_each("p256")
        .into_iter()
        .for_each(a_new_root_reaches_the_machines_with_two_of_three_signatures_and_an_overlap_on);
}

fn a_new_root_reaches_the_machines_with_two_of_three_signatures_and_an_overlap_on(desk: Desk) {
    // Two officers elsewhere, each with a key of their own.
    for (officer, place) in [("second", "2"), ("third", "3")] {
        let init = ["--home", officer, "init", "--organization", "Example Works", "--algorithm"];
        desk.with_passphrase(&[&init[..], &[if place == "2" { "p384" } else { "p256" }]].concat()).expect_code(0);
    }
    let old_root = certificate(&desk, "authority/token-root.pem");
    desk.with_passphrase(&plain_token(&["--out", "old.pem"])).expect_code(0);

    // The first update is by the one whom the root certified, and names all three.
    let officers = ["authority/anchors-signer.pem", "second/anchors-signer.pem", "third/anchors-signer.pem"];
    let signers: Vec<_> = officers.iter().flat_map(|file| ["--signer", file]).collect();
    let first = [&["anchors", "update", "--out", "1.pem", "--threshold", "1"][..], &signers].concat();
    expect_said(&desk.with_passphrase(&first).expect_code(0), &["1 of 3 keys", "Enough have signed"]);
    let adopted = desk.run(&["anchors", "adopt", "1.pem"]).expect_code(0);
    expect_said(&adopted, &["Adopted the update 1"]);
    expect_said(&desk.run(&["anchors", "adopt", "1.pem"]).expect_code(1), &["CS-", "1"]);

    // A new root beside the old one, and two signatures from now on.
    desk.with_passphrase(&["renew", "token-root"]).expect_code(0);
    desk.with_passphrase(&["renew", "token-signer"]).expect_code(0);
    desk.with_passphrase(&["renew", "list-signer"]).expect_code(0);
    let retire = format!("{}=2099-12-31", &sha256(&desk, "authority/token-root.pem")[..16]);
    let second = ["anchors", "update", "--out", "2.pem", "--threshold", "2", "--retire", &retire];
    let made = desk.with_passphrase(&second).expect_code(0);
    expect_said(&made, &["until 2099-12-31T23:59:59Z", "2 of 3 keys", "Not in force"]);
    expect_said(&desk.run(&["anchors", "adopt", "2.pem"]).expect_code(1), &["2.pem"]);
    let sign = |officer: &str, file: &str| {
        let (key, certificate) =
            (format!("{officer}/keys/anchors-signer.key.pem"), format!("{officer}/anchors-signer.pem"));
        desk.with_passphrase(&["anchors", "sign", file, "--key", &key, "--certificate", &certificate])
    };
    expect_said(&sign("authority", "2.pem").expect_code(1), &["CS-7072", "Activation Anchors Signer"]);
    sign("third", "2.pem").expect_code(0);
    assert_eq!(objects(&desk, "2.pem").len(), 2);
    expect_said(&desk.run(&["anchors", "show", "2.pem"]).expect_code(0), &["Enough have signed"]);
    expect_said(&desk.run(&["inspect", "2.pem"]).expect_code(0), &["Anchors update, 2 signatures", "Not verified"]);
    desk.run(&["anchors", "adopt", "2.pem"]).expect_code(0);

    // A machine with the old root alone follows, and accepts tokens by both.
    desk.with_passphrase(&plain_token(&["--out", "new.pem"])).expect_code(0);
    let mut updates = objects(&desk, "1.pem");
    accepts(&desk, &old_root, &updates, "old.pem").expect("the old token");
    accepts(&desk, &old_root, &updates, "new.pem").expect_err("a token under a root that it does not know");
    updates.extend(objects(&desk, "2.pem"));
    for token in ["old.pem", "new.pem"] {
        accepts(&desk, &old_root, &updates, token).expect("a token");
    }

    // The old root goes: one officer is not enough, and the thief of one key neither.
    let old = sha256(&desk, "authority/token-root.pem");
    desk.with_passphrase(&["anchors", "update", "--out", "3.pem", "--remove", &old]).expect_code(0);
    let alone = [&updates[..], &objects(&desk, "3.pem")].concat();
    let refused = accepts(&desk, &old_root, &alone, "new.pem").expect_err("one signature");
    assert!(matches!(refused, Reason::AnchorsThreshold { needed: 2, found: 1, .. }), "{refused}");
    sign("second", "3.pem").expect_code(0);
    desk.run(&["anchors", "adopt", "3.pem"]).expect_code(0);
    updates.extend(objects(&desk, "3.pem"));
    accepts(&desk, &old_root, &updates, "new.pem").expect("the new token");
    accepts(&desk, &old_root, &updates, "old.pem").expect_err("its root is gone");
    assert_eq!(decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates").len(), 1);
    // The authority itself works under the new anchors.
    desk.with_passphrase(&plain_token(&["--out", "newest.pem"])).expect_code(0);
    expect_said(&desk.run(&["ledger", "list"]).expect_code(0), &["anchors adopted    update 3"]);
    desk.run(&["ledger", "show", "2"]).expect_code(0);
}

#[test]
fn updates_that_do_not_fit_are_refused() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    desk.write("other.pem", other.read("authority/token-root.pem"));
    desk.write("officer.pem", other.read("authority/anchors-signer.pem"));
    desk.write("officer.key.pem", other.read("authority/keys/anchors-signer.key.pem"));
    let own = sha256(&desk, "authority/token-root.pem");
    let update = ["anchors", "update", "--out", "update.pem"];
    for (more, code, words) in [
        (&["--remove", own.as_str()][..], 1, "CS-7073"),
        (&["--remove", "00"], 2, "CS-7001"),
        (&["--add", "other.pem", "--remove", ""], 3, "CS-7045"),
        (&["--threshold", "2"], 2, "threshold"),
        (&["--retire", "ab"], 2, "SHA256=DATE"),
        (&["--add", "none.pem"], 3, "CS-7007"),
    ] {
        // Refused before a passphrase is asked for.
        let refused = desk.run(&[&update[..], more].concat()).expect_code(code);
        expect_said(&refused, &[words]);
    }
    assert_eq!(desk.entries(), 1);
    desk.with_passphrase(&[&update[..], &["--add", "other.pem"]].concat()).expect_code(0);
    desk.with_passphrase(&["anchors", "update", "--out", "next.pem"]).expect_code(0);
    desk.write("both.pem", [desk.read("update.pem"), desk.read("next.pem")].concat());
    expect_said(&desk.run(&["anchors", "adopt", "both.pem"]).expect_code(1), &["CS-7071"]);
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    expect_said(&desk.run(&["anchors", "show", "token.pem"]).expect_code(1), &["CS-1"]);
    // A certificate for something else, and one that the first update cannot be signed with.
    let sign = |certificate: &str, key: &str| {
        desk.with_passphrase(&["anchors", "sign", "update.pem", "--key", key, "--certificate", certificate])
    };
    let signer_key = "authority/keys/token-signer.key.pem";
    expect_said(&sign("authority/token-signer.pem", signer_key).expect_code(3), &["CS-7011", "anchors updates"]);
    expect_said(&sign("officer.pem", signer_key).expect_code(3), &["CS-7026"]);
    sign("officer.pem", "officer.key.pem").expect_code(0);
    expect_said(&desk.run(&["anchors", "adopt", "update.pem"]).expect_code(1), &["no path"]);
}

#[test]
fn the_number_of_an_update_that_was_never_adopted_is_not_used_again() {
    let desk = Desk::founded("p256");
    for number in ["1", "2"] {
        let made = desk.with_passphrase(&["anchors", "update", "--out", &format!("{number}.pem")]).expect_code(0);
        assert!(made.stdout_text().lines().any(|line| line.split_whitespace().eq(["number", number])), "{made}");
    }
    desk.run(&["anchors", "adopt", "2.pem"]).expect_code(0);
    expect_said(&desk.run(&["anchors", "adopt", "1.pem"]).expect_code(1), &["CS-"]);
    expect_said(&desk.run(&["anchors", "show", "1.pem"]).expect_code(0), &["Not to be adopted"]);
}
