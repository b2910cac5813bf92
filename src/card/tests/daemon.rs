//! The crate against a real PC/SC daemon and a PIV card that was not written here.
//!
//! A process finds its daemon by the environment it was started with. So each test starts the daemon, and then itself
//! once more as a child that does the work.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use std::{env, fs};

use countersign_card::{
    Algorithm, Error, ExtendedLength, LastTry, ManagementAlgorithm, ManagementKey, Options, PcscTransport, Pin,
    PinStatus, Piv, Puk, ReaderState, Slot, Transport, TransportError, readers, wait_for_card, wait_for_removal,
};
use countersign_testkit::{CardOptions, Run, Stack, TestAuthority, poll_until};

const CHILD: &str = "COUNTERSIGN_CARD_TEST_FOLDER";
const NO_WAIT: Duration = Duration::ZERO;
const GENERAL_AUTHENTICATE: u8 = 0x87;
const GET_DATA: u8 = 0xCB;

/// The folder that parent and child share; `None` in the parent.
fn child() -> Option<PathBuf> {
    env::var_os(CHILD).map(PathBuf::from)
}

fn run_child(test: &str, stack: &Stack) {
    let child = Run::new(env::current_exe().expect("this program")).args(["--exact", test, "--nocapture"]);
    let output = child.env(CHILD, stack.folder()).stack(stack).output().expect_code(0);
    assert!(output.stdout_text().contains("1 passed"), "the child ran no test: {output}");
}

fn piv() -> Piv<PcscTransport> {
    Piv::select(PcscTransport::connect(None).expect("connected"), Options::default()).expect("selected")
}

fn pin() -> Pin {
    Pin::new("123456").expect("a PIN")
}

fn authenticated() -> Piv<PcscTransport> {
    let mut piv = piv();
    let key = ManagementKey::from_hex(&"0102030405060708".repeat(3)).expect("a key");
    assert_eq!(piv.authenticate_management(&key, *b"a challenge sent"), Ok(ManagementAlgorithm::TripleDes));
    piv
}

/// Generates a key, has it certified, stores the certificate and reads it again.
fn enrol(folder: &Path, slot: Slot, algorithm: Algorithm) {
    let mut piv = authenticated();
    let public = piv.generate_key(slot, algorithm).expect("a key");
    fs::write(folder.join("spki.der"), public.spki_der()).expect("a file");
    let pem = openssl(folder, "pkey -pubin -inform DER -in spki.der").expect_code(0).stdout_text();
    let certificate =
        TestAuthority::new("/CN=Test CA").certify(&pem, "/CN=Holder", "keyUsage=critical,digitalSignature");
    fs::write(folder.join("holder.pem"), certificate).expect("a file");
    openssl(folder, "x509 -in holder.pem -outform DER -out holder.der").expect_code(0);
    let certificate = fs::read(folder.join("holder.der")).expect("a certificate");
    piv.put_certificate(slot, &certificate).expect("stored");
    assert_eq!(piv.certificate(slot), Ok(Some(certificate)));
}

fn openssl(folder: &Path, arguments: &str) -> countersign_testkit::Output {
    Run::new("openssl").args(arguments.split(' ')).directory(folder).output()
}

/// PKCS #1 v1.5 padding of a SHA-256 digest (RFC 8017, 9.2).
fn padded(digest: &[u8], length: usize) -> Vec<u8> {
    let info = b"\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let filler = vec![0xFF; length - 3 - info.len() - digest.len()];
    [&[0, 1][..], &filler, &[0], info, digest].concat()
}

/// Signs with a key on the card; OpenSSL has the last word on the signature.
fn sign_and_verify(folder: &Path, slot: Slot, algorithm: Algorithm, options: Options) {
    enrol(folder, slot, algorithm);
    let transport = PcscTransport::connect(None).expect("connected");
    let mut piv = Piv::select(transport, options).expect("selected");
    let rsa = matches!(algorithm, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096);
    let digest = vec![0xD1; if rsa { 32 } else { algorithm.input_length() }];
    let prepared = if rsa { padded(&digest, algorithm.input_length()) } else { digest.clone() };

    assert_eq!(piv.sign(slot, algorithm, &prepared), Err(Error::PinRequired));
    piv.verify_pin(&pin(), LastTry::Keep).expect("verified");
    let signature = piv.sign(slot, algorithm, &prepared).expect("signed");
    let again = piv.sign(slot, algorithm, &prepared);
    assert_eq!(again.is_ok(), slot == Slot::Authentication, "9C asks for the PIN every time");

    fs::write(folder.join("digest"), &digest).expect("a file");
    fs::write(folder.join("signature"), &signature).expect("a file");
    let verify = "pkeyutl -verify -certin -inkey holder.pem -in digest -sigfile signature";
    let hash = if digest.len() == 48 { "sha384" } else { "sha256" };
    openssl(folder, &format!("{verify} -pkeyopt digest:{hash}")).expect_code(0);

    if algorithm == Algorithm::P384 {
        let outcome = piv.sign(slot, Algorithm::P256, &[1; 32]);
        assert!(matches!(outcome, Err(Error::KeyRefused { .. })), "{outcome:?}");
    }
}

fn signing(test: &str, slot: Slot, algorithm: Algorithm) {
    if let Some(folder) = child() {
        return sign_and_verify(&folder, slot, algorithm, Options::default());
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().strict());
    run_child(test, &stack);
}

#[test]
fn p256_in_9c() {
    signing("p256_in_9c", Slot::Signature, Algorithm::P256);
}

#[test]
fn p384_in_9a() {
    signing("p384_in_9a", Slot::Authentication, Algorithm::P384);
}

#[test]
fn rsa_2048_in_9c() {
    signing("rsa_2048_in_9c", Slot::Signature, Algorithm::Rsa2048);
}

#[test]
fn rsa_3072_in_9a() {
    signing("rsa_3072_in_9a", Slot::Authentication, Algorithm::Rsa3072);
}

#[test]
fn what_another_program_writes_is_read_and_the_other_way_round() {
    if let Some(folder) = child() {
        let mut piv = piv();
        let certificate = piv.certificate(Slot::Authentication).expect("read").expect("one");
        assert_eq!(certificate, fs::read(folder.join("theirs.der")).expect("a file"));
        drop(piv);
        enrol(&folder, Slot::Signature, Algorithm::P384);
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let card = stack.insert(0, CardOptions::new());
    let public_key = card.generate_key("9a", countersign_testkit::Algorithm::P256);
    let certificate = TestAuthority::new("/CN=Test CA").certify(&public_key, "/CN=Theirs", "");
    card.import_certificate("9a", &certificate);
    fs::write(stack.folder().join("theirs.pem"), certificate).expect("a file");
    openssl(stack.folder(), "x509 -in theirs.pem -outform DER -out theirs.der").expect_code(0);
    run_child("what_another_program_writes_is_read_and_the_other_way_round", &stack);
    let read = card.yubico(&["-a", "read-certificate", "-s", "9c"]).output().expect_code(0).stdout_text();
    assert_eq!(read.trim(), fs::read_to_string(stack.folder().join("holder.pem")).expect("a file").trim());
}

#[test]
fn an_activation_is_five_commands() {
    if let Some(folder) = child() {
        enrol(&folder, Slot::Signature, Algorithm::P256);
        let mut piv = piv();
        piv.certificate(Slot::Signature).expect("read");
        piv.verify_pin(&pin(), LastTry::Keep).expect("verified");
        piv.sign(Slot::Signature, Algorithm::P256, &[1; 32]).expect("signed");
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let card = stack.insert(0, CardOptions::new().strict());
    run_child("an_activation_is_five_commands", &stack);
    let log = card.log();
    let start = log.iter().rposition(|command| command.instruction == 0xA4).expect("a SELECT");
    let sent: Vec<u8> = log[start..].iter().map(|command| command.instruction).filter(|&ins| ins != 0xC0).collect();
    assert_eq!(sent, [0xA4, GET_DATA, 0x20, 0x20, GENERAL_AUTHENTICATE], "{}", card.log_text());
}

#[test]
fn a_card_gets_new_credentials_and_an_identity() {
    let (guid, new_key) = ([0x3A; 16], "A1".repeat(24));
    if child().is_some() {
        let mut card = authenticated();
        card.put_chuid(&guid, "20291231").expect("written");
        let chuid = card.chuid().expect("read").expect("one");
        assert_eq!((chuid.guid, chuid.expiration.as_deref()), (guid, Some("20291231")));
        let key = ManagementKey::from_hex(&new_key).expect("a key");
        card.set_management_key(ManagementAlgorithm::TripleDes, &key).expect("set");
        let puk = |digits| Puk::new(digits).expect("a PUK");
        let other = Pin::new("864201").expect("a PIN");
        let wrong = card.change_puk(&puk("00000000"), &puk("90716284"));
        assert_eq!(wrong.map_err(|error| error.code()), Err("CS-5035"));
        card.change_puk(&puk("12345678"), &puk("90716284")).expect("changed");
        assert_eq!(card.change_pin(&other, &pin(), LastTry::Keep), Err(Error::WrongPin { tries_left: 2 }));
        card.change_pin(&pin(), &other, LastTry::Keep).expect("changed");
        drop(card);
        // Block the PIN, and set another one with the PUK.
        let mut card = piv();
        for _ in 0..2 {
            card.verify_pin(&pin(), LastTry::Keep).expect_err("wrong by now");
        }
        assert_eq!(card.verify_pin(&pin(), LastTry::Spend), Err(Error::PinBlocked));
        assert_eq!(card.change_pin(&other, &pin(), LastTry::Spend), Err(Error::PinBlocked));
        card.reset_pin(&puk("90716284"), &Pin::new("753159").expect("a PIN")).expect("set");
        let stale = card.reset_pin(&puk("12345678"), &other);
        assert_eq!(stale.map_err(|error| error.code()), Err("CS-5035"));
        assert_eq!(card.attest(Slot::Signature).map_err(|error| error.code()), Err("CS-5039"));
        assert_eq!(card.attestation_certificate(), Ok(None));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let card = stack.insert(0, CardOptions::new());
    run_child("a_card_gets_new_credentials_and_an_identity", &stack);
    let verify = |pin: &str| card.yubico(&["-a", "verify-pin", "-P", pin]).output();
    verify("753159").expect_code(0);
    verify("123456").expect_failure();
    card.yubico(&["-a", "generate", "-s", "9c", "-A", "ECCP256"]).output().expect_failure();
    card.yubico(&["-a", "generate", "-s", "9c", "-A", "ECCP256", &format!("-k{new_key}")]).output().expect_code(0);
    let status = card.yubico(&["-a", "status"]).output().expect_code(0).stdout_text();
    assert!(status.contains(&"3a".repeat(16)), "{status}");
}

#[test]
fn a_card_is_waited_for_until_it_leaves() {
    let never = AtomicBool::new(false);
    if child().is_some() {
        let reader = wait_for_card(None, NO_WAIT, &never).expect("a card").name;
        assert_eq!(wait_for_removal(&reader, NO_WAIT, &never), Ok(false));
        let cancelled = wait_for_removal(&reader, Duration::from_secs(60), &AtomicBool::new(true));
        assert_eq!(cancelled, Err(TransportError::Cancelled));
        // The card leaves at this command.
        piv().pin_status().expect_err("gone");
        assert_eq!(wait_for_removal(&reader, Duration::from_secs(60), &never), Ok(true));
        assert_eq!(wait_for_removal("no such reader", NO_WAIT, &never), Ok(true));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let card = stack.insert(0, CardOptions::new().leave_on(0x20, 1));
    run_child("a_card_is_waited_for_until_it_leaves", &stack);
    drop(card);
}

#[test]
fn tries_are_counted_and_the_last_is_kept() {
    if child().is_some() {
        let mut piv = piv();
        let wrong = Pin::new("000000").expect("a PIN");
        assert_eq!(piv.pin_status(), Ok(PinStatus::TriesLeft(3)));
        assert_eq!(piv.verify_pin(&wrong, LastTry::Keep), Err(Error::WrongPin { tries_left: 2 }));
        assert_eq!(piv.verify_pin(&wrong, LastTry::Keep), Err(Error::WrongPin { tries_left: 1 }));
        assert_eq!(piv.verify_pin(&wrong, LastTry::Keep), Err(Error::LastTryKept));
        assert_eq!(piv.verify_pin(&wrong, LastTry::Spend), Err(Error::PinBlocked));
        assert_eq!(piv.pin_status(), Ok(PinStatus::Blocked));
        assert_eq!(piv.verify_pin(&pin(), LastTry::Spend), Err(Error::PinBlocked));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().strict());
    run_child("tries_are_counted_and_the_last_is_kept", &stack);
}

#[test]
fn a_fresh_card_says_what_it_has() {
    if child().is_some() {
        let listed = readers().expect("a list");
        assert!(listed.iter().any(|reader| matches!(reader.state, ReaderState::Card { exclusive: false, .. })));
        let mut transport = PcscTransport::connect(Some("00 00")).expect("connected by a part of the name");
        transport.begin().expect("taken");
        assert_eq!(transport.extended_length(), ExtendedLength::Unstated);
        let mut piv = Piv::select(transport, Options::default()).expect("selected");
        assert_eq!(piv.certificate(Slot::Signature), Ok(None));
        assert_eq!(piv.certificate(Slot::Authentication), Ok(None));
        assert!(piv.chuid().expect("read").is_some());
        let policy = piv.pin_policy().expect("read").expect("one");
        assert!(policy.application_pin && !policy.global_pin);
        assert_eq!(piv.has_pin_pad(), Ok(false));
        assert_eq!(piv.put_certificate(Slot::Signature, &[0x30, 0]), Err(Error::ManagementKeyRequired));
        let outcome = piv.generate_key(Slot::Signature, Algorithm::P256);
        assert_eq!(outcome, Err(Error::ManagementKeyRequired));
        let key = ManagementKey::from_hex(&"0F".repeat(24)).expect("a key");
        assert_eq!(piv.authenticate_management(&key, *b"a challenge sent"), Err(Error::ManagementKeyWrong));
        let key = ManagementKey::from_hex(&"0F".repeat(16)).expect("a key");
        assert_eq!(piv.authenticate_management(&key, *b"a challenge sent"), Err(Error::ManagementAlgorithmUnknown));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().strict());
    run_child("a_fresh_card_says_what_it_has", &stack);
}

#[test]
fn a_card_that_leaves_is_missed() {
    if child().is_some() {
        let mut piv = piv();
        let outcome = piv.certificate(Slot::Signature);
        assert_eq!(outcome, Err(Error::Transport(TransportError::CardRemoved)));
        assert_eq!(piv.resume(), Err(Error::Transport(TransportError::CardRemoved)));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().leave_on(GET_DATA, 1));
    run_child("a_card_that_leaves_is_missed", &stack);
}

#[test]
fn a_service_that_stops_is_missed() {
    const TEST: &str = "a_service_that_stops_is_missed";
    if let Some(folder) = child() {
        let mut piv = piv();
        fs::write(folder.join("selected"), []).expect("a file");
        poll_until(Duration::from_secs(60), || folder.join("stopped").exists().then_some(())).expect("the parent");
        let outcome = piv.certificate(Slot::Signature);
        assert_eq!(outcome, Err(Error::Transport(TransportError::NoService)));
        return;
    }
    let mut stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new());
    let folder = stack.folder().to_path_buf();
    let run = Run::new(env::current_exe().expect("this program")).args(["--exact", TEST, "--nocapture"]);
    let run = run.env(CHILD, &folder).stack(&stack);
    std::thread::scope(|scope| {
        let child = scope.spawn(|| {
            let output = run.output().expect_code(0);
            assert!(output.stdout_text().contains("1 passed"), "the child ran no test: {output}");
        });
        let selected = folder.join("selected");
        poll_until(Duration::from_secs(60), || selected.exists().then_some(())).expect("the child");
        stack.stop();
        fs::write(folder.join("stopped"), []).expect("a file");
        child.join().expect("the child's assertions hold");
    });
}

#[test]
fn another_program_resets_the_card_while_it_is_free() {
    if let Some(folder) = child() {
        enrol(&folder, Slot::Signature, Algorithm::P256);
        let mut mine = piv();
        mine.certificate(Slot::Signature).expect("read");
        mine.release().expect("released");
        let mut other = piv();
        other.verify_pin(&pin(), LastTry::Keep).expect("verified");
        drop(other);
        mine.resume().expect("the same card");
        assert_eq!(mine.pin_status(), Ok(PinStatus::TriesLeft(3)), "the other's PIN does not count");
        mine.verify_pin(&pin(), LastTry::Keep).expect("verified");
        mine.release().expect("released");
        mine.resume().expect("the same card");
        assert_eq!(mine.pin_status(), Ok(PinStatus::TriesLeft(3)), "nor does a PIN from before");
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().strict());
    run_child("another_program_resets_the_card_while_it_is_free", &stack);
}

#[test]
fn an_exchanged_card_is_noticed_and_the_same_one_known_again() {
    if let Some(folder) = child() {
        let wait = |name: &str| {
            poll_until(Duration::from_secs(60), || folder.join(name).exists().then_some(())).expect("the parent")
        };
        enrol(&folder, Slot::Signature, Algorithm::P256);
        fs::write(folder.join("enrolled"), []).expect("a file");
        wait("again");
        let mut piv = piv();
        piv.certificate(Slot::Signature).expect("read");
        piv.release().expect("released");
        fs::write(folder.join("read"), []).expect("a file");
        wait("same");
        piv.resume().expect("the same card, put in again");
        piv.release().expect("released");
        fs::write(folder.join("resumed"), []).expect("a file");
        wait("other");
        assert_eq!(piv.resume(), Err(Error::CardExchanged));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let folder = stack.folder().to_path_buf();
    let state = folder.join("state");
    let wait = |name: &str| {
        poll_until(Duration::from_secs(60), || folder.join(name).exists().then_some(())).expect("the child")
    };
    let told = |name: &str| fs::write(folder.join(name), []).expect("a file");
    std::thread::scope(|scope| {
        let card = stack.insert(0, CardOptions::new().state(&state));
        let child = scope.spawn(|| run_child("an_exchanged_card_is_noticed_and_the_same_one_known_again", &stack));
        wait("enrolled");
        card.remove();
        let card = stack.insert(0, CardOptions::new().state(&state));
        told("again");
        wait("read");
        card.remove();
        let card = stack.insert(0, CardOptions::new().state(&state));
        told("same");
        wait("resumed");
        card.remove();
        let _other = stack.insert(0, CardOptions::new());
        told("other");
        child.join().expect("the child's assertions hold");
    });
}

#[test]
fn a_card_that_hangs_does_not_keep_the_process() {
    if let Some(folder) = child() {
        enrol(&folder, Slot::Signature, Algorithm::P256);
        let mut piv = piv();
        piv.verify_pin(&pin(), LastTry::Keep).expect("verified");
        let outcome = piv.sign(Slot::Signature, Algorithm::P256, &[1; 32]);
        assert!(matches!(outcome, Err(Error::Transport(TransportError::CardUnresponsive { .. }))), "{outcome:?}");
        let again = piv.pin_status();
        assert!(matches!(again, Err(Error::Transport(TransportError::CardUnresponsive { .. }))), "{again:?}");
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    // The first two authenticate for the management key. The card hangs for good: that the child ends is what is shown.
    let _card = stack.insert(0, CardOptions::new().strict().stall_on(GENERAL_AUTHENTICATE, 3));
    run_child("a_card_that_hangs_does_not_keep_the_process", &stack);
}

#[test]
fn a_card_in_use_is_reported() {
    if child().is_some() {
        let mut second = PcscTransport::connect(None).expect("sharing is allowed");
        let held = piv();
        // The parent has the PC/SC library loaded, too.
        let outcome = second.begin();
        assert!(
            matches!(&outcome, Err(TransportError::SharingViolation { holders }) if !holders.is_empty()),
            "{outcome:?}"
        );
        let third = PcscTransport::connect(None).map(|_| ());
        assert!(matches!(third, Err(TransportError::SharingViolation { .. })), "{third:?}");
        drop((held, second));

        let context = pcsc::Context::establish(pcsc::Scope::User).expect("a context");
        let name = context.list_readers_owned().expect("readers").remove(0);
        // Whoever was left waiting above goes away by itself.
        let connect = || context.connect(&name, pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY).ok();
        let _exclusive = poll_until(Duration::from_secs(10), connect).expect("connected");
        let outcome = PcscTransport::connect(None).map(|_| ());
        assert!(matches!(outcome, Err(TransportError::SharingViolation { .. })), "{outcome:?}");
        let listed = readers().expect("a list");
        assert!(listed.iter().any(|reader| matches!(reader.state, ReaderState::Card { exclusive: true, .. })));
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    let _card = stack.insert(0, CardOptions::new().strict());
    run_child("a_card_in_use_is_reported", &stack);
}

#[test]
fn no_service_no_reader_no_card_or_too_many() {
    if let Some(folder) = child() {
        let connected = || PcscTransport::connect(None).map(|_| ());
        let expected = fs::read_to_string(folder.join("expected")).expect("a file");
        let started = Instant::now();
        let waited = wait_for_card(None, Duration::from_millis(500), &AtomicBool::new(false)).map(|_| ());
        match expected.as_str() {
            "no service" => {
                assert_eq!(readers(), Err(TransportError::NoService));
                assert_eq!(connected(), Err(TransportError::NoService));
                assert_eq!(waited, Err(TransportError::NoService));
            }
            "no reader" => {
                assert_eq!(readers(), Ok(Vec::new()));
                assert_eq!(connected(), Err(TransportError::NoReader));
                assert_eq!(waited, Err(TransportError::NoReader));
                assert!(started.elapsed() >= Duration::from_millis(500));
            }
            "no card" => {
                assert_eq!(connected(), Err(TransportError::NoCard));
                assert_eq!(waited, Err(TransportError::NoCard));
                assert!(started.elapsed() >= Duration::from_millis(500));
                let cancelled = wait_for_card(None, Duration::from_secs(60), &AtomicBool::new(true));
                assert_eq!(cancelled.map_err(|error| error.code()), Err("CS-5010"));
                let unknown = TransportError::ReaderUnknown { name: "nowhere".to_owned() };
                assert_eq!(PcscTransport::connect(Some("nowhere")).map(|_| ()), Err(unknown.clone()));
                assert_eq!(wait_for_card(Some("nowhere"), NO_WAIT, &AtomicBool::new(false)), Err(unknown));
            }
            _ => {
                assert!(matches!(connected(), Err(TransportError::Ambiguous { readers }) if readers.len() == 2));
                assert!(matches!(waited, Err(TransportError::Ambiguous { readers }) if readers.len() == 2));
            }
        }
        return;
    }
    let run = |stack: &Stack, expected: &str| {
        fs::write(stack.folder().join("expected"), expected).expect("a file");
        run_child("no_service_no_reader_no_card_or_too_many", stack);
    };
    run(&Stack::start(0).expect("a PC/SC daemon"), "no reader");
    let mut stack = Stack::start(2).expect("a PC/SC daemon");
    run(&stack, "no card");
    let cards = [stack.insert(0, CardOptions::new()), stack.insert(1, CardOptions::new())];
    run(&stack, "several cards");
    drop(cards);
    stack.stop();
    run(&stack, "no service");
}

#[test]
fn a_card_that_is_put_in_ends_the_wait() {
    if let Some(folder) = child() {
        fs::write(folder.join("waiting"), []).expect("a file");
        let found = wait_for_card(None, Duration::from_secs(60), &AtomicBool::new(false)).expect("a card");
        PcscTransport::connect(Some(&found.name)).expect("connected");
        return;
    }
    let stack = Stack::start(1).expect("a PC/SC daemon");
    std::thread::scope(|scope| {
        let child = scope.spawn(|| run_child("a_card_that_is_put_in_ends_the_wait", &stack));
        let waiting = stack.folder().join("waiting");
        poll_until(Duration::from_secs(60), || waiting.exists().then_some(())).expect("the child");
        let _card = stack.insert(0, CardOptions::new());
        child.join().expect("the child's assertions hold");
    });
}
