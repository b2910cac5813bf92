//! `card enroll`, on a card that nobody here wrote behind the real PC/SC daemon.

use crate::support::{Desk, PASSPHRASE, expect_said};
use countersign_testkit::{Card, CardOptions, Output, Run, Stack};

const PIN: &str = "123456";
const SUBJECT: &str = "CN=Ada Lovelace,O=Example Works";

fn enroll(desk: &Desk, stack: &Stack, pin: &str, more: &[&str]) -> Run {
    desk.command(&["card", "enroll", "--subject", SUBJECT])
        .args(more)
        .args(["--passphrase-fd", "3", "--pin-fd", "4"])
        .file(3, PASSPHRASE)
        .file(4, pin)
        .stack(stack)
}

fn expect_enrolled(desk: &Desk, card: &Card, output: &Output) {
    expect_said(output, &["Enrolled the card", "Ada Lovelace", "CS-7128"]);
    assert!(!output.to_string().contains(PIN), "{output}");
    let certificate = card.yubico(&["-a", "read-certificate", "-s", "9c"]).output().expect_code(0).stdout_text();
    desk.write("holder.pem", &certificate);
    desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/holder-roots.pem", "holder.pem"]).expect_code(0);
    desk.openssl(&["verify", "-CAfile", "authority/anchors.pem", "holder.pem"]).expect_failure();
}

#[test]
fn a_new_card_gets_a_key_and_a_certificate() {
    for algorithm in ["p256", "rsa-2048"] {
        let desk = Desk::founded("p256");
        let stack = Stack::start(1).expect("a stack");
        let card = stack.insert(0, CardOptions::new());
        let more = ["--algorithm", algorithm, "--email", "ada@example.com"];
        let output = enroll(&desk, &stack, PIN, &more).output().expect_code(0);
        expect_enrolled(&desk, &card, &output);
        let text = desk.openssl(&["x509", "-in", "holder.pem", "-noout", "-text"]).expect_code(0).stdout_text();
        for words in ["critical\n                Digital Signature, Non Repudiation\n", "email:ada@example.com"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("Extended Key Usage") && !text.contains("Basic Constraints"), "{text}");
        expect_said(&desk.run(&["ledger", "list"]).expect_code(0), &["holder enrolled", "Ada Lovelace"]);

        // The slot is taken now.
        let entries = desk.entries();
        let refused = enroll(&desk, &stack, PIN, &[]).output().expect_code(1);
        expect_said(&refused, &["CS-7060", "Ada Lovelace", "--replace"]);
        let kept = card.yubico(&["-a", "read-certificate", "-s", "9c"]).output().expect_code(0).stdout_text();
        assert_eq!(kept.as_bytes(), desk.read("holder.pem"));
        assert_eq!(desk.entries(), entries);
        let output = enroll(&desk, &stack, PIN, &["--replace"]).output().expect_code(0);
        let before = desk.read("holder.pem");
        expect_enrolled(&desk, &card, &output);
        assert_ne!(desk.read("holder.pem"), before);
    }
}

#[test]
fn a_strict_card_is_enrolled_too() {
    let desk = Desk::founded("rsa-2048");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new().strict());
    expect_said(&enroll(&desk, &stack, PIN, &[]).output().expect_code(0), &["Enrolled the card", "P-256"]);
    let again = ["--replace", "--algorithm", "rsa-2048"];
    expect_said(&enroll(&desk, &stack, PIN, &again).output().expect_code(0), &["Enrolled the card", "RSA-2048"]);
    assert_eq!(desk.entries(), 3);
    drop(card);
}

#[test]
fn a_wrong_pin_costs_one_try_and_changes_nothing() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let refused = enroll(&desk, &stack, "654321", &[]).output().expect_code(3);
    expect_said(&refused, &["CS-5024", "next:"]);
    let refused = enroll(&desk, &stack, "12345", &[]).output().expect_code(3);
    expect_said(&refused, &["CS-5027"]);
    // GENERATE ASYMMETRIC KEY PAIR was never sent.
    assert!(card.log().iter().all(|command| command.instruction != 0x47), "{}", card.log_text());
    assert_eq!(desk.entries(), 1);
}

#[test]
fn another_management_key_is_asked_for() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let refused =
        enroll(&desk, &stack, PIN, &["--management-key-fd", "5"]).file(5, "11".repeat(24)).output().expect_code(3);
    expect_said(&refused, &["CS-5040", "management key"]);
    let refused = enroll(&desk, &stack, PIN, &["--management-key-fd", "5"]).file(5, "11").output().expect_code(3);
    expect_said(&refused, &["CS-5042"]);
    let known = "010203040506070801020304050607080102030405060708";
    enroll(&desk, &stack, PIN, &["--management-key-fd", "5"]).file(5, known).output().expect_code(0);
    drop(card);
}

#[test]
fn secrets_are_typed_with_the_card_free() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let mut terminal = desk.command(&["card", "enroll", "--subject", SUBJECT]).stack(&stack).on_terminal();
    terminal.expect("PIN tries left");
    terminal.expect_secret("PIN of the card");
    // Another program can use the card meanwhile.
    card.yubico(&["-a", "status"]).output().expect_code(0);
    terminal.send_line(PIN);
    terminal.expect_secret("Passphrase");
    card.yubico(&["-a", "status"]).output().expect_code(0);
    terminal.send_line(PASSPHRASE);
    terminal.expect("Enrolled the card");
    let output = terminal.finish().expect_code(0);
    assert!(!output.terminal.contains(PIN) && !output.terminal.contains(PASSPHRASE), "{output}");
}

#[test]
fn without_a_card_nothing_is_asked_and_nothing_done() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    expect_said(&enroll(&desk, &stack, PIN, &[]).output().expect_code(3), &["CS-5005", "put the card in"]);
    let nobody = enroll(&desk, &stack, PIN, &[]).env("PCSCLITE_CSOCK_NAME", "/nonexistent").output().expect_code(3);
    expect_said(&nobody, &["CS-5001", "pcscd"]);
    for more in [&["--email", "ada"][..], &["--validity", "90y"], &["--algorithm", "p384"]] {
        enroll(&desk, &stack, PIN, more).output().expect_code(2);
    }
    assert_eq!(desk.entries(), 1);
}

#[test]
fn a_card_that_refuses_half_way_leaves_no_certificate_without_an_entry() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    // PUT DATA: no room.
    let card = stack.insert(0, CardOptions::new().answer_on(0xdb, 1, 0x6a84));
    let refused = enroll(&desk, &stack, PIN, &[]).output().expect_code(3);
    expect_said(&refused, &["CS-5032", "next:"]);
    assert_eq!(desk.entries(), 2, "what was signed stands in the ledger");
    drop(card);
}

#[test]
fn a_card_that_keeps_nothing_is_found_out() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    // PUT DATA comes in several links; each is said to be done.
    let options = (1..=8).fold(CardOptions::new(), |options, nth| options.answer_on(0xdb, nth, 0x9000));
    let card = stack.insert(0, options);
    let refused = enroll(&desk, &stack, PIN, &[]).output().expect_code(3);
    expect_said(&refused, &["CS-7062", "next:"]);
    assert_eq!(desk.entries(), 2, "what was signed stands in the ledger");
    drop(card);
}
