//! The card: keys, certificates, PIN, faults.

use std::{fs, path::Path, time::Duration};

use countersign_testkit::{Algorithm, Card, CardOptions, LoggedCommand, Outcome, Output, Run, Stack, TestAuthority};

const PIN: &str = "123456";
const DATA: &str = "what is signed\n";

/// VERIFY and GENERAL AUTHENTICATE of SP 800-73.
const VERIFY: u8 = 0x20;
const AUTHENTICATE: u8 = 0x87;

fn sign(stack: &Stack, card: &Card, algorithm: Algorithm, slot: &str) -> Output {
    let file = |name: &str| stack.folder().join(name).display().to_string();
    fs::write(file("data"), DATA).expect("a file");
    card.yubico(&["-a", "verify-pin", "-P", PIN, "--sign", "-s", slot])
        .args(["-A", algorithm.yubico_name(), "-H", "SHA256", "-i", &file("data"), "-o", &file("signature")])
        .limit(Duration::from_secs(3))
        .output()
}

fn verify(folder: &Path, public_key: &str) {
    fs::write(folder.join("key.pem"), public_key).expect("a file");
    Run::new("openssl")
        .args(["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "data"])
        .directory(folder)
        .output()
        .expect_code(0);
}

fn count(card: &Card, instruction: u8) -> usize {
    card.log().iter().filter(|command| command.instruction == instruction).count()
}

#[test]
fn generates_certifies_and_signs() {
    let authority = TestAuthority::new("/CN=Test CA");
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    for (slot, algorithm) in [("9c", Algorithm::P256), ("9a", Algorithm::Rsa2048)] {
        let public_key = card.generate_key(slot, algorithm);
        let extensions = "keyUsage=critical,digitalSignature";
        let certificate = authority.certify(&public_key, "/CN=Holder", extensions);
        card.import_certificate(slot, &certificate);
        let read = card.yubico(&["-a", "read-certificate", "-s", slot]).output().expect_code(0);
        assert_eq!(read.stdout_text().trim(), certificate.trim());
        sign(&stack, &card, algorithm, slot).expect_code(0);
        verify(stack.folder(), &public_key);
    }
}

#[test]
fn opensc_signs_too() {
    let authority = TestAuthority::new("/CN=Test CA");
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let public_key = card.generate_key("9c", Algorithm::P256);
    card.import_certificate("9c", &authority.certify(&public_key, "/CN=Holder", ""));
    fs::write(stack.folder().join("data"), DATA).expect("a file");
    Run::new("pkcs11-tool")
        .args(["--module", "opensc-pkcs11.so", "--login", "--pin", PIN, "--sign", "--id", "02"])
        .args(["-m", "ECDSA-SHA256", "--signature-format=openssl", "-i", "data", "-o", "signature"])
        .directory(stack.folder())
        .stack(&stack)
        .output()
        .expect_code(0);
    verify(stack.folder(), &public_key);
}

#[test]
fn two_new_cards_have_different_keys() {
    let stack = Stack::start(2).expect("a stack");
    let cards = [0, 1].map(|reader| stack.insert(reader, CardOptions::new()));
    let keys = cards.each_ref().map(|card| card.generate_key("9e", Algorithm::P256));
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn keys_and_certificates_outlive_the_process() {
    let authority = TestAuthority::new("/CN=Test CA");
    let stack = Stack::start(2).expect("a stack");
    let state = stack.folder().join("card");
    let card = stack.insert(0, CardOptions::new().state(&state));
    let public_key = card.generate_key("9c", Algorithm::P256);
    let certificate = authority.certify(&public_key, "/CN=Holder", "");
    card.import_certificate("9c", &certificate);
    card.remove();

    let card = stack.insert(1, CardOptions::new().state(&state));
    let read = card.yubico(&["-a", "read-certificate", "-s", "9c"]).output().expect_code(0);
    assert_eq!(read.stdout_text().trim(), certificate.trim());
    sign(&stack, &card, Algorithm::P256, "9c").expect_code(0);
    verify(stack.folder(), &public_key);
}

#[test]
fn a_reset_forgets_the_pin() {
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let key = card.generate_key("9a", Algorithm::P256);
    sign(&stack, &card, Algorithm::P256, "9a").expect_code(0);
    verify(stack.folder(), &key);
    assert!(card.resets() > 0, "{}", card.log_text());

    // 9A needs the PIN once a session; the tool's session ended with a reset.
    let select = "00:A4:04:00:09:A0:00:00:03:08:00:00:10:00:00";
    let digest = ":00".repeat(32);
    let authenticate = format!("00:87:11:9A:26:7C:24:82:00:81:20{digest}:00");
    Run::new("opensc-tool")
        .args(["-r", stack.reader_name(0), "-s", select, "-s", &authenticate])
        .stack(&stack)
        .output()
        .expect_code(0);
    let refused = card.log().into_iter().rfind(|command| command.instruction == AUTHENTICATE);
    assert_eq!(refused.expect("a command").outcome, Outcome::Status(0x6982));
}

#[test]
fn wrong_pins_count_down_and_block() {
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    for _ in 0..4 {
        card.yubico(&["-a", "verify-pin", "-P", "654321"]).output().expect_failure();
    }
    let answers: Vec<_> = card
        .log()
        .into_iter()
        .filter(|command| command.instruction == VERIFY && command.data_length > 0)
        .map(|command| command.outcome)
        .collect();
    let expected = [0x63C2, 0x63C1, 0x6983, 0x6983].map(Outcome::Status);
    assert_eq!(answers, expected);
    assert!(!card.log_text().contains("36353433"), "no PIN in the log");
}

#[test]
fn a_strict_card_does_not_bend_to_the_tool() {
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(0, CardOptions::new().strict());
    card.yubico(&["-a", "status"]).output().expect_failure();
    // OpenSC knows how to follow 61xx.
    let pin = ["--module", "opensc-pkcs11.so", "--login", "--pin", PIN, "-O"];
    Run::new("pkcs11-tool").args(pin).stack(&stack).output().expect_code(0);
    let verify = LoggedCommand {
        class: 0,
        instruction: VERIFY,
        p1: 0,
        p2: 0x80,
        data_length: 8,
        outcome: Outcome::Status(0x9000),
    };
    assert!(card.log().contains(&verify), "{}", card.log_text());
}

#[test]
fn leaves_during_a_signature() {
    let stack = Stack::start(2).expect("a stack");
    let state = stack.folder().join("card");
    let card = stack.insert(0, CardOptions::new().state(&state));
    let key = card.generate_key("9c", Algorithm::P256);
    card.remove();

    let mut card = stack.insert(0, CardOptions::new().state(&state).leave_on(AUTHENTICATE, 1));
    sign(&stack, &card, Algorithm::P256, "9c").expect_failure();
    card.wait_until_left();
    assert_eq!(card.log().last().expect("a command").outcome, Outcome::Left);
    drop(card);

    let card = stack.insert(0, CardOptions::new().state(&state));
    sign(&stack, &card, Algorithm::P256, "9c").expect_code(0);
    verify(stack.folder(), &key);
}

#[test]
fn stalls_during_a_signature() {
    let stack = Stack::start(2).expect("a stack");
    let state = stack.folder().join("card");
    let card = stack.insert(0, CardOptions::new().state(&state));
    let key = card.generate_key("9c", Algorithm::P256);
    card.remove();

    let card = stack.insert(0, CardOptions::new().state(&state).stall_on(AUTHENTICATE, 1));
    assert!(sign(&stack, &card, Algorithm::P256, "9c").timed_out);
    assert_eq!(card.log().last().expect("a command").outcome, Outcome::Stalled);
    // Taking the card out is what frees the reader.
    card.remove();
    let card = stack.insert(0, CardOptions::new().state(&state));
    sign(&stack, &card, Algorithm::P256, "9c").expect_code(0);
    verify(stack.folder(), &key);
}

#[test]
fn answers_and_resets_on_order() {
    let stack = Stack::start(2).expect("a stack");
    let state = stack.folder().join("card");
    let options = || CardOptions::new().state(&state);
    let card = stack.insert(0, options());
    let key = card.generate_key("9c", Algorithm::P256);
    card.remove();

    let card = stack.insert(0, options().answer_on(AUTHENTICATE, 1, 0x6F00));
    sign(&stack, &card, Algorithm::P256, "9c").expect_failure();
    assert_eq!(card.log().last().expect("a command").outcome, Outcome::Status(0x6F00));
    sign(&stack, &card, Algorithm::P256, "9c").expect_code(0);
    verify(stack.folder(), &key);
    card.remove();

    let card = stack.insert(0, options().reset_on(AUTHENTICATE, 1));
    sign(&stack, &card, Algorithm::P256, "9c").expect_failure();
    assert_eq!(count(&card, AUTHENTICATE), 1, "{}", card.log_text());
}
