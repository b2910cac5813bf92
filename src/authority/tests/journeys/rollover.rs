//! From one root to the next, with certificates across.

use crate::support::{Desk, PASSPHRASE, expect_said, plain_token};
use countersign_common::{
    Anchors, Certificate, Lists, NO_LISTS, Reason, SignedObject, Slot, TreeHead, VerifiedToken, VerifiedTokenList,
    bundle::{Bundle, PartKind},
    decode_certificates, decode_object,
};

const SCRIPT: &str = "ceremony = \"roll-over\"\ntitle = \"New roots\"\n\
    participants = [{ name = \"Ada\", part = \"officer\" }, { name = \"Robin\", part = \"witness\" }]\n\
    [keys.token-root]\nalgorithm = \"p384\"\n[keys.token-signer]\n[keys.list-signer]\n[keys.ledger-signer]\n";
const HOLDERS: &str = "[keys.holder-root]\n";

fn roll_over(desk: &Desk, script: &str, transcript: &str) {
    desk.write("rollover.toml", script);
    desk.run(&["ceremony", "run", "rollover.toml"]).expect_code(0);
    let run = ["ceremony", "run", "rollover.toml", "--perform", "--transcript", transcript];
    let held = desk.with_passphrase(&run).expect_code(0);
    expect_said(&held, &["token root 2 by token root: signed with the real key"]);
}

fn der(desk: &Desk, file: &str) -> Vec<u8> {
    decode_certificates(&desk.read(file)).expect("certificates").remove(0)
}

#[track_caller]
fn verify_token(desk: &Desk, file: &str, roots: &[&str]) -> Result<(), Reason> {
    let roots: Vec<_> = roots.iter().map(|root| der(desk, &format!("authority/{root}.pem"))).collect();
    let anchors = Anchors::new(roots.iter().map(Vec::as_slice)).expect("anchors");
    let text = desk.read(file);
    let object = decode_object(&text).expect("a token");
    VerifiedToken::verify(SignedObject::from_der(&object).expect("an object"), &anchors, &NO_LISTS).map(drop)
}

fn openssl_verifies(desk: &Desk, file: &str, root: &str) -> bool {
    let verify = ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-in", file, "-out", "body"];
    desk.openssl(&[&verify[..], &["-CAfile", &format!("authority/{root}.pem")]].concat()).code == Some(0)
}

#[test]
fn what_is_signed_after_it_is_accepted_under_the_old_root_and_the_new() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "before.token.pem"])).expect_code(0);
    roll_over(&desk, &format!("{SCRIPT}{HOLDERS}"), "rollover.txt");
    desk.run(&["ledger", "verify"]).expect_code(0);
    let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
    assert_eq!(list.matches("  cross-certified  ").count(), 4, "{list}");
    for (across, root) in [(0, "token-root"), (1, "token-root-2")] {
        let all = decode_certificates(&desk.read("authority/token-roots-across.pem")).expect("certificates");
        desk.write("across.pem", countersign_common::encode_certificate(&all[across]));
        desk.openssl(&["verify", "-x509_strict", "-CAfile", &format!("authority/{root}.pem"), "across.pem"])
            .expect_code(0);
    }
    let chain = [
        "verify",
        "-x509_strict",
        "-CAfile",
        "authority/token-root.pem",
        "-untrusted",
        "authority/token-roots-across.pem",
    ];
    desk.openssl(&[&chain[..], &["authority/token-signer-2.pem"]].concat()).expect_code(0);

    desk.with_passphrase(&plain_token(&["--out", "after.token.pem"])).expect_code(0);
    for roots in
        [&["token-root"][..], &["token-root-2"], &["token-root", "token-root-2"], &["token-root-2", "token-root"]]
    {
        verify_token(&desk, "after.token.pem", roots).unwrap_or_else(|reason| panic!("{roots:?}: {reason}"));
    }
    assert!(openssl_verifies(&desk, "after.token.pem", "token-root"));
    assert!(openssl_verifies(&desk, "after.token.pem", "token-root-2"));
    // What was signed before is as it was: of the old root alone.
    verify_token(&desk, "before.token.pem", &["token-root"]).expect("a token");
    verify_token(&desk, "before.token.pem", &["token-root-2"]).expect_err("no certificate across in it");
    assert!(!openssl_verifies(&desk, "before.token.pem", "token-root-2"));

    // Lists, bundles, heads and proofs go the same way.
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    desk.with_passphrase(&["crl", "--out", "."]).expect_code(0);
    desk.with_passphrase(&["bundle", "--with-proofs", "--token", "after.token.pem", "--out", "a.bundle"])
        .expect_code(0);
    let bundle = desk.read("a.bundle");
    let bundle = Bundle::from_der(&bundle).expect("a bundle");
    for root in ["token-root", "token-root-2"] {
        let root = der(&desk, &format!("authority/{root}.pem"));
        let anchors = Anchors::new([root.as_slice()]).expect("anchors");
        bundle.verify(&anchors, &NO_LISTS).expect("a manifest");
        let list = desk.read("token-list.1.pem");
        let list = decode_object(&list).expect("a list");
        VerifiedTokenList::verify(SignedObject::from_der(&list).expect("an object"), &anchors, &[]).expect("a list");
        let head = desk.read("head.pem");
        let head = decode_object(&head).expect("a head");
        TreeHead::verify(&SignedObject::from_der(&head).expect("an object"), &anchors, &NO_LISTS).expect("a head");
        let demands = countersign_common::Demands { inclusion_proof: true, approvals: 0 };
        let token = bundle.parts(PartKind::Token).next().expect("a token");
        let token = SignedObject::from_der(token).expect("an object");
        VerifiedToken::verify(token, &anchors.demanding(demands), &NO_LISTS).expect("a token with its proof");
    }

    // The next one: from every root that is still valid to the newest.
    desk.write("rollover.toml", SCRIPT.replace("p384", "p256"));
    let run = ["ceremony", "run", "rollover.toml", "--perform", "--transcript", "third.txt"];
    expect_said(
        &desk.with_passphrase(&run).expect_code(0),
        &["token root 3 by token root 2", "token root 3 by token root:"],
    );
    desk.with_passphrase(&plain_token(&["--out", "third.token.pem"])).expect_code(0);
    for roots in [&["token-root"][..], &["token-root-2"], &["token-root-3"], &["token-root", "token-root-2"]] {
        verify_token(&desk, "third.token.pem", roots).unwrap_or_else(|reason| panic!("{roots:?}: {reason}"));
    }
    // It comes back from a backup as well.
    desk.run(&["backup", "--out", "a.backup"]).expect_code(0);
    desk.run(&["--home", "restored", "restore", "a.backup"]).expect_code(0);
}

#[test]
fn a_revoked_certificate_across_leads_nowhere() {
    let desk = Desk::founded("p256");
    roll_over(&desk, SCRIPT, "rollover.txt");
    desk.with_passphrase(&plain_token(&["--out", "a.token.pem"])).expect_code(0);
    let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
    let digest = list.lines().find(|line| line.contains("cross-certified")).expect("a certificate across");
    let digest = digest.split_whitespace().nth(3).expect("a digest").to_owned();
    // For this reason what was dated before stands: the date is before everything here.
    let revoke = ["revoke", "certificate", &digest, "--reason", "cessationOfOperation", "--date", "2026-01-01"];
    desk.run(&revoke).expect_code(0);
    desk.with_passphrase(&["crl", "--out", "."]).expect_code(0);
    let list = desk.read("token-root.1.crl");
    let lists = Lists::new(Vec::new(), vec![countersign_common::RevocationList::from_der(&list).expect("a list")]);
    let text = desk.read("a.token.pem");
    let object = decode_object(&text).expect("a token");
    let verify = |roots: &[&str]| {
        let roots: Vec<_> = roots.iter().map(|root| der(&desk, &format!("authority/{root}.pem"))).collect();
        let anchors = Anchors::new(roots.iter().map(Vec::as_slice)).expect("anchors");
        VerifiedToken::verify(SignedObject::from_der(&object).expect("an object"), &anchors, &lists).map(drop)
    };
    assert_eq!(verify(&["token-root"]).expect_err("revoked").code(), "CS-2035");
    verify(&["token-root-2"]).expect("the new root needs none");
    verify(&["token-root", "token-root-2"]).expect("nor does a machine that knows both");
}

#[test]
fn cards_activate_across_the_holder_roots() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "before.token.pem"])).expect_code(0);
    roll_over(&desk, &format!("{SCRIPT}{HOLDERS}"), "rollover.txt");
    desk.with_passphrase(&plain_token(&["--out", "after.token.pem"])).expect_code(0);
    // What the bundle brings to the machine.
    desk.with_passphrase(&["bundle", "--no-lists", "--token", "after.token.pem", "--out", "a.bundle"]).expect_code(0);
    let bundle = desk.read("a.bundle");
    let bundle = Bundle::from_der(&bundle).expect("a bundle");
    let brought: Vec<_> = bundle.parts(PartKind::Certificate).collect();
    assert_eq!(brought.len(), 2);
    let brought: Vec<_> = brought.iter().map(|der| Certificate::from_der(der).expect("a certificate")).collect();

    let anchor = der(&desk, "authority/token-root.pem");
    for (root, name) in [("holder-root", "old"), ("holder-root-2", "new")] {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/CN={name}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject];
        desk.openssl(&[&["req", "-new", "-keyout", &key, "-out", &request][..], &curve].concat()).expect_code(0);
        desk.write("extensions", "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n");
        let (root, root_key) = (format!("authority/{root}.pem"), format!("authority/keys/{root}.key.pem"));
        let password = format!("pass:{PASSPHRASE}");
        let sign = ["x509", "-req", "-in", &request, "-CA", &root, "-CAkey", &root_key, "-passin", &password];
        let rest = ["-extfile", "extensions", "-days", "30", "-out", &certificate];
        desk.openssl(&[&sign[..], &rest].concat()).expect_code(0);
        let holder = der(&desk, &certificate);
        let holder = Certificate::from_der(&holder).expect("a certificate");
        for token in ["before.token.pem", "after.token.pem"] {
            let text = desk.read(token);
            let object = decode_object(&text).expect("a token");
            let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
            let object = SignedObject::from_der(&object).expect("an object");
            let verified = VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token");
            let time = holder.not_before().max(verified.issued());
            let admit = |issuers: &[Certificate<'_>]| {
                verified.admit(&holder, issuers, Slot::Signature, time, &anchors, &NO_LISTS).map(drop)
            };
            admit(&brought).unwrap_or_else(|reason| panic!("{name} under {token}: {reason}"));
            let same = (name == "old") == token.starts_with("before");
            assert_eq!(admit(&[]).is_ok(), same, "{name} under {token} without certificates across");
        }
    }
}
