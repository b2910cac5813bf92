//! `init`.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said};
use std::{fs, os::unix::fs::PermissionsExt};

const ALGORITHMS: [&str; 5] = ["ed25519", "p256", "p384", "rsa-2048", "rsa-3072"];

#[test]
fn openssl_accepts_keys_and_certificates() {
    for algorithm in ALGORITHMS {
        let desk = Desk::founded(algorithm);
        desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/anchors.pem", "authority/token-signer.pem"])
            .expect_code(0);
        for root in ["anchors", "holder-roots"] {
            let file = format!("authority/{root}.pem");
            desk.openssl(&["verify", "-x509_strict", "-CAfile", &file, &file]).expect_code(0);
        }
        desk.openssl(&["verify", "-CAfile", "authority/holder-roots.pem", "authority/token-signer.pem"])
            .expect_failure();
        for (key, certificate) in [
            ("token-root", "anchors"),
            ("holder-root", "holder-roots"),
            ("token-signer", "token-signer"),
            ("list-signer", "list-signer"),
            ("anchors-signer", "anchors-signer"),
            ("ledger-signer", "ledger-signer"),
        ] {
            let key = format!("authority/keys/{key}.key.pem");
            let certificate = format!("authority/{certificate}.pem");
            let own = if certificate.contains("ledger") {
                [LEDGER_PASSPHRASE, PASSPHRASE]
            } else {
                [PASSPHRASE, LEDGER_PASSPHRASE]
            };
            let [password, other] = own.map(|passphrase| format!("pass:{passphrase}"));
            let public = desk.openssl(&["pkey", "-in", &key, "-passin", &password, "-pubout"]).expect_code(0);
            let certified = desk.openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]).expect_code(0);
            assert_eq!(public.stdout_text(), certified.stdout_text());
            desk.openssl(&["pkey", "-in", &key, "-passin", &other]).expect_failure();
        }
    }
}

#[test]
fn certificates_say_what_they_are_for() {
    let desk = Desk::founded("p256");
    let text = |file: &str| desk.openssl(&["x509", "-in", file, "-noout", "-text"]).expect_code(0).stdout_text();
    let root = text("authority/anchors.pem");
    for words in ["CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign", "O = Example Works, CN = Activation Token Root"] {
        assert!(root.contains(words), "{words}: {root}");
    }
    let signer = text("authority/token-signer.pem");
    for words in ["Key Usage: critical\n                Digital Signature\n", "1.3.6.1.4.1.32473.2026.3.1"] {
        assert!(signer.contains(words), "{words}: {signer}");
    }
    assert!(!signer.contains("CA:TRUE"));
    for (role, usage) in [("list-signer", "3.2"), ("anchors-signer", "3.3"), ("ledger-signer", "3.4")] {
        let signer = text(&format!("authority/{role}.pem"));
        assert!(
            signer.contains(&format!("1.3.6.1.4.1.32473.2026.{usage}\n")) && !signer.contains("2026.3.1"),
            "{signer}"
        );
    }
}

#[test]
fn the_folder_is_its_owners_alone() {
    let desk = Desk::founded("p256");
    let mode = |name: &str| fs::metadata(desk.path(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode("authority"), 0o700);
    assert_eq!(mode("authority/keys"), 0o700);
    for key in ["token-root", "holder-root", "token-signer", "list-signer", "anchors-signer", "ledger-signer"] {
        assert_eq!(mode(&format!("authority/keys/{key}.key.pem")), 0o600);
    }
    assert_eq!(mode("authority/ledger.sqlite"), 0o600);
    assert_eq!(fs::read_dir(desk.path(".")).expect("a folder").count(), 1, "nothing else is left");
}

#[test]
fn an_existing_folder_is_refused_and_unchanged() {
    let desk = Desk::founded("p256");
    let before = desk.snapshot();
    let refused = desk.with_passphrase(&["init", "--organization", "Another"]).expect_code(1);
    expect_said(&refused, &["CS-7003", "exists already", "next:"]);
    assert_eq!(desk.snapshot(), before);

    let desk = Desk::new();
    fs::create_dir(desk.path("authority")).expect("a folder");
    desk.with_passphrase(&["init", "--organization", "Another"]).expect_code(1);
    assert!(desk.snapshot().is_empty(), "an empty folder is not taken either");
}

#[test]
fn what_cannot_be_founded_leaves_nothing() {
    let desk = Desk::new();
    let short = desk.command(&["init", "--organization", "A", "--passphrase-fd", "3"]).pipe(3, "short\n").output();
    expect_said(&short.expect_code(1), &["CS-7023", "8 characters"]);
    let closed = desk.run(&["init", "--organization", "A", "--passphrase-fd", "7"]).expect_code(3);
    expect_said(&closed, &["CS-7021", "descriptor 7"]);
    // The ledger signer's is another one, and as long.
    let both = |ledger: &str| {
        let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
        let init = desk.command(&["init", "--organization", "A"]).args(descriptors);
        init.file(3, PASSPHRASE).file(4, ledger).output().expect_code(1)
    };
    expect_said(&both(PASSPHRASE), &["CS-7027", "ledger signer", "next:"]);
    expect_said(&both("short"), &["CS-7023"]);
    let control = desk.with_passphrase(&["init", "--organization", "A\u{1b}[2J"]).expect_code(2);
    expect_said(&control, &["CS-7001", "printable"]);
    assert!(!control.stderr_text().contains('\u{1b}'));
    let long = "x".repeat(65);
    desk.with_passphrase(&["init", "--organization", &long]).expect_code(2);
    desk.with_passphrase(&["init", "--organization", "A", "--signer-validity", "30y"]).expect_code(2);
    let nowhere = desk.with_passphrase(&["--home", "no/where", "init", "--organization", "A"]).expect_code(3);
    expect_said(&nowhere, &["CS-7007", "next:"]);
    assert_eq!(fs::read_dir(desk.path(".")).expect("a folder").count(), 0);
}

#[test]
fn without_clock_or_random_numbers_nothing_is_founded() {
    let desk = Desk::new();
    let init = || {
        let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
        let init = desk.command(&["init", "--organization", "A"]).args(descriptors);
        init.file(3, PASSPHRASE).file(4, LEDGER_PASSPHRASE)
    };
    let early = init().under("faketime", &["2025-12-31 00:00:00"]).output().expect_code(3);
    expect_said(&early, &["CS-7031", "next:"]);
    let predictable = init().without_random_numbers().output().expect_code(3);
    expect_said(&predictable, &["CS-7030", "next:"]);
    assert_eq!(fs::read_dir(desk.path(".")).expect("a folder").count(), 0);
}

#[test]
fn a_passphrase_is_typed_twice_and_not_shown() {
    let desk = Desk::new();
    let mut terminal = desk.command(&["init", "--organization", "A"]).on_terminal();
    terminal.expect_secret("Passphrase");
    terminal.send_line(PASSPHRASE);
    terminal.expect_secret("Once more");
    terminal.send_line("another one");
    let output = terminal.finish().expect_code(3);
    assert!(output.terminal.contains("CS-7024") && !output.terminal.contains(PASSPHRASE), "{output}");

    let mut terminal = desk.command(&["init", "--organization", "A"]).on_terminal_with_stdout();
    terminal.expect_secret("Passphrase");
    terminal.send_line(PASSPHRASE);
    terminal.expect_secret("Once more");
    terminal.send_line(PASSPHRASE);
    terminal.expect_secret("ledger signer");
    terminal.send_line(LEDGER_PASSPHRASE);
    terminal.expect_secret("Once more");
    terminal.send_line(LEDGER_PASSPHRASE);
    let output = terminal.finish().expect_code(0);
    assert!(output.stdout_text().contains("Founded the authority of A"), "{output}");
    desk.with_passphrase(&crate::support::plain_token(&[])).expect_code(0);
}
