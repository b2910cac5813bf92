//! The keys of the roots on a medium in a safe.

use crate::support::{Desk, expect_said, plain_token};
use std::{fs, os::unix::fs::PermissionsExt};

/// Founded with the roots' keys in the folder `safe`, which is there for it.
fn with_safe() -> Desk {
    let desk = Desk::new();
    fs::create_dir(desk.path("safe")).expect("a folder");
    let init = ["--offline-keys", "safe", "init", "--organization", "Example Works"];
    desk.with_passphrase(&init).expect_code(0);
    desk
}

/// The medium is taken away, and brought back.
fn away(desk: &Desk) {
    fs::rename(desk.path("safe"), desk.path("in the safe")).expect("a folder");
}

fn back(desk: &Desk) {
    fs::rename(desk.path("in the safe"), desk.path("safe")).expect("a folder");
}

#[test]
fn everyday_work_needs_no_root() {
    let desk = with_safe();
    for root in ["token-root", "holder-root"] {
        assert!(!desk.path(&format!("authority/keys/{root}.key.pem")).exists());
        let file = fs::metadata(desk.path(&format!("safe/{root}.key.pem"))).expect("a key");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    // While the medium is there the roots sign lists that last.
    fs::create_dir(desk.path("lists")).expect("a folder");
    let offline = |args: &[&str]| desk.with_passphrase(&[&["--offline-keys", "safe"], args].concat());
    offline(&["crl", "--out", "lists", "--validity", "1y"]).expect_code(0);
    away(&desk);

    desk.with_passphrase(&plain_token(&["--out", "1.token.pem"])).expect_code(0);
    let lists = desk.with_passphrase(&["crl", "--out", "lists"]).expect_code(0);
    expect_said(&lists, &["token-list.2.pem", "token-root.1.crl  stays in force until", "key is not here"]);
    desk.with_passphrase(&["bundle", "--out", "1.bundle", "--token", "1.token.pem"]).expect_code(0);
    // A token that is revoked is no matter for the roots: the bundle still has the lists of both, and a new one of tokens.
    desk.run(&["revoke", "token", "1.token.pem", "--reason", "superseded"]).expect_code(0);
    let made = desk.with_passphrase(&["bundle", "--out", "2.bundle"]).expect_code(0);
    expect_said(&made, &["issued just now"]);
    let shown = desk.run(&["--json", "inspect", "2.bundle"]).expect_code(0).stdout_text();
    assert_eq!(shown.matches("\"certificate revocation list\"").count(), 2, "{shown}");
    desk.with_passphrase(&[
        "request",
        "make",
        "--customer",
        "acme",
        "--product",
        "control-room",
        "--activate-within",
        "1d",
        "--out",
        "r.pem",
    ])
    .expect_code(0);
}

#[test]
fn what_needs_a_root_says_which_and_changes_nothing() {
    let desk = with_safe();
    away(&desk);
    let before = desk.snapshot();
    for args in [
        &["renew", "token-signer"][..],
        &["renew", "holder-root"],
        &["officer", "enroll", "--subject", "CN=Ada", "--out", "ada.pem", "--out-key", "ada.key.pem"],
        // Lists that were never issued cannot stay in force.
        &["crl", "--out", "."],
        &["bundle", "--out", "b"],
    ] {
        let root = if args[1] == "holder-root" { "holder-root" } else { "token-root" };
        let key = format!("the key {root} is not in the authority's folder");
        let bring = format!("bring the medium with {root}.key.pem");
        expect_said(&desk.with_passphrase(args).expect_code(3), &["CS-7096", &key, &bring, "--offline-keys DIR"]);
        let elsewhere = desk.with_passphrase(&[&["--offline-keys", "empty"], args].concat()).expect_code(3);
        expect_said(&elsewhere, &["CS-7096", "nor in empty"]);
    }
    assert_eq!(desk.snapshot(), before);

    // With the medium back, all of it is done; the new key of a root goes onto it.
    back(&desk);
    let offline = |args: &[&str]| desk.with_passphrase(&[&["--offline-keys", "safe"], args].concat());
    offline(&["renew", "token-signer"]).expect_code(0);
    offline(&["renew", "holder-root"]).expect_code(0);
    assert!(desk.path("safe/holder-root-2.key.pem").exists());
    assert!(!desk.path("authority/keys/holder-root-2.key.pem").exists());
    offline(&["crl", "--out", "."]).expect_code(0);
    away(&desk);
    desk.with_passphrase(&plain_token(&["--out", "1.token.pem"])).expect_code(0);

    // A certificate that was revoked is for its root's list: without the root nothing may pretend to say so.
    let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
    let renewed = list.lines().find(|line| line.contains("key renewed") && line.contains("token-signer"));
    let digest = renewed.expect("a renewal").split_whitespace().nth(4).expect("a digest").to_owned();
    desk.run(&["revoke", "certificate", &digest, "--reason", "superseded"]).expect_code(0);
    let refused = desk.with_passphrase(&["crl", "--out", "."]).expect_code(3);
    expect_said(&refused, &["CS-7096", "token-root"]);
}

#[test]
fn a_founding_that_fails_leaves_nothing_on_the_medium() {
    let desk = Desk::new();
    fs::create_dir(desk.path("safe")).expect("a folder");
    desk.write("safe/holder-root.key.pem", "of another authority");
    let init = ["--offline-keys", "safe", "init", "--organization", "Example Works"];
    let before = desk.snapshot();
    expect_said(&desk.with_passphrase(&init).expect_code(1), &["CS-7006", "holder-root.key.pem"]);
    assert_eq!(desk.snapshot(), before);
}
