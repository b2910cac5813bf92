//! Keys of the authority on PIV cards, without anybody's PKCS#11 module.

use crate::{
    ceremony::script,
    hardware::{CARD_PIN, accepted, card_with_key, with_card},
    support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said, plain_token},
};
use countersign_testkit::{Algorithm, Card, CardOptions, LoggedCommand, Output, Stack, TestAuthority};
use serde_json::Value;

/// VERIFY with a PIN.
fn shows_pin(command: &LoggedCommand) -> bool {
    command.instruction == 0x20 && command.data_length == 8
}

/// GENERAL AUTHENTICATE with the key of a slot, its last link.
fn signs(command: &LoggedCommand, slot: u8) -> bool {
    command.instruction == 0x87 && command.p2 == slot && command.class & 0x10 == 0
}

fn renew(desk: &Desk, stack: &Stack, pin: &str, role: &str, place: &str) -> Output {
    with_card(desk, stack, pin, &["renew", role, "--key", place]).output()
}

fn issue(desk: &Desk, stack: &Stack, pin: &str, out: &str) -> Output {
    with_card(desk, stack, pin, &plain_token(&["--out", out])).output()
}

/// A desk whose token signer's key is in slot 9C of a card, and what the card keeps.
fn signing_card(stack: &Stack) -> (Desk, Card, tempfile::TempDir) {
    let (desk, state) = (Desk::founded("p256"), tempfile::tempdir().expect("a folder"));
    let card = stack.insert(0, CardOptions::new().state(state.path()));
    renew(&desk, stack, CARD_PIN, "token-signer", "piv:slot=9c;key=new").expect_code(0);
    (desk, card, state)
}

/// Refused with these words, and nothing left behind.
#[track_caller]
fn refused(desk: &Desk, output: impl FnOnce() -> Output, code: i32, words: &[&str]) {
    let before = desk.snapshot();
    let output = output().expect_code(code);
    expect_said(&output, words);
    expect_said(&output, &["next:"]);
    assert!(!output.to_string().contains(CARD_PIN), "{output}");
    assert_eq!(desk.snapshot(), before, "no token, no entry");
}

#[test]
fn a_card_makes_the_token_signer_s_key() {
    let (desk, stack) = (Desk::new(), Stack::start(1).expect("a stack"));
    let card = stack.insert(0, CardOptions::new().strict());
    let init = ["init", "--organization", "Example Works", "--key", "token-signer=piv:slot=9c;key=new"];
    let with_ledger = |args: &[&str]| {
        with_card(&desk, &stack, CARD_PIN, args).args(["--ledger-passphrase-fd", "5"]).file(5, LEDGER_PASSPHRASE)
    };
    let founded = with_ledger(&init).output().expect_code(0);
    expect_said(&founded, &["Founded the authority", "CS-7128"]);
    let reference = String::from_utf8(desk.read("authority/keys/token-signer.key.toml")).expect("text");
    assert!(reference.starts_with("uri = \"piv:slot=9c;card="), "{reference}");
    assert!(!reference.contains(CARD_PIN) && !founded.to_string().contains(CARD_PIN), "{founded}");
    // Issuing needs the PIN, and no passphrase.
    let issue = desk.command(&plain_token(&["--out", "1.pem", "--key-pin-fd", "4"])).stack(&stack).file(4, CARD_PIN);
    issue.output().expect_code(0);
    accepted(&desk, "1.pem", true);
    let log = card.log();
    for (at, _) in log.iter().enumerate().filter(|(_, command)| signs(command, 0x9c)) {
        assert!(shows_pin(&log[at - 1]), "9C wants the PIN before each signature: {}", card.log_text());
    }
    assert_eq!(log.iter().filter(|command| signs(command, 0x9c)).count(), 2, "a proof and a token");
    // The slot is taken now, also for somebody who founds another authority.
    let other = with_ledger(&[&["--home", "other"], &init[..]].concat()).output().expect_code(3);
    expect_said(&other, &["CS-7038", "slot 9C has a key already", "Activation Token Signer", "key=new"]);
    assert!(!desk.path("other").exists());
    // A card has no such keys, and no two roles have one key.
    let renew = |role, more: &[&str]| with_card(&desk, &stack, CARD_PIN, &[&["renew", role], more].concat()).output();
    let new = ["--key", "piv:slot=9a;key=new", "--algorithm", "ed25519"];
    refused(&desk, || renew("list-signer", &new), 3, &["CS-7039", "Ed25519"]);
    refused(
        &desk,
        || renew("list-signer", &["--key", "piv:slot=9c"]),
        2,
        &["CS-7001", "the token signer has that key"],
    );
}

#[test]
fn a_ceremony_makes_a_key_on_a_card() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let card = stack.insert(0, CardOptions::new().strict());
    desk.write("renew.toml", script("renew", "[keys.token-signer]\nkey = \"piv:slot=9c;key=new\"\n"));
    let rehearsal = ["ceremony", "run", "renew.toml"];
    desk.command(&rehearsal).stack(&stack).output().expect_code(0);
    assert!(card.log().is_empty(), "a rehearsal touches no card: {}", card.log_text());
    let perform = [&rehearsal[..], &["--perform", "--transcript", "renewal.txt"]].concat();
    let held = with_card(&desk, &stack, CARD_PIN, &perform).output().expect_code(0);
    expect_said(&held, &["piv:slot=9c;card="]);
    assert!(!held.to_string().contains(CARD_PIN), "{held}");
    issue(&desk, &stack, CARD_PIN, "1.pem").expect_code(0);
    accepted(&desk, "1.pem", true);
    desk.run(&["ledger", "verify"]).expect_code(0);
}

#[test]
fn with_9a_the_pin_is_shown_once() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let state = tempfile::tempdir().expect("a folder");
    let options = || CardOptions::new().strict().state(state.path());
    // Without the management key, and on a card without room, nothing is left behind.
    let make = |management_key: &str| {
        let args = ["renew", "token-root", "--key", "piv:slot=9a;key=new", "--key-management-fd", "5"];
        with_card(&desk, &stack, CARD_PIN, &args).file(5, management_key).output()
    };
    let known = "010203040506070801020304050607080102030405060708";
    let card = stack.insert(0, options().answer_on(0xdb, 1, 0x6a84));
    refused(&desk, || make(&"11".repeat(24)), 3, &["CS-5040", "management key"]);
    refused(&desk, || make("11"), 3, &["CS-5042"]);
    refused(&desk, || make(known), 3, &["CS-5032"]);
    card.remove();
    let card = stack.insert(0, options());
    make(known).expect_code(0);
    let log = card.log();
    let (shown, signed) = (log.iter().filter(|command| shows_pin(command)), log.iter().filter(|c| signs(c, 0x9a)));
    assert_eq!((shown.count(), signed.count()), (1, 2), "{}", card.log_text());
    desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/token-root-2.pem", "authority/token-root-2.pem"])
        .expect_code(0);
    card.remove();
    // A card that wants it once more gets it.
    let card = stack.insert(0, options().answer_on(0x87, 1, 0x6982));
    renew(&desk, &stack, CARD_PIN, "token-root", "piv:slot=9a").expect_code(0);
    assert_eq!(card.log().iter().filter(|command| shows_pin(command)).count(), 2, "{}", card.log_text());
}

#[test]
fn a_key_that_is_there_is_taken() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let (card, _) = card_with_key(&stack, CardOptions::new(), "9a", Algorithm::P384);
    renew(&desk, &stack, CARD_PIN, "token-signer", "piv:slot=9A").expect_code(0);
    issue(&desk, &stack, CARD_PIN, "1.pem").expect_code(0);
    accepted(&desk, "1.pem", true);
    // No certificate in the other slot: nobody knows whose key that would be.
    let key = card.generate_key("9c", Algorithm::P256);
    let take = || renew(&desk, &stack, CARD_PIN, "list-signer", "piv:slot=9c");
    refused(&desk, take, 3, &["CS-5021", "slot 9C", "certificate"]);
    // One of another key: whoever put it there would have his own key certified.
    let authority = TestAuthority::new("/CN=Elsewhere");
    let other = Desk::founded("p256");
    let foreign = other.openssl(&["x509", "-in", "authority/token-signer.pem", "-noout", "-pubkey"]).expect_code(0);
    card.import_certificate("9c", &authority.certify(&foreign.stdout_text(), "/CN=Mallory", ""));
    refused(&desk, take, 3, &["CS-7061"]);
    card.import_certificate("9c", &authority.certify(&key, "/CN=Right", ""));
    take().expect_code(0);
    with_card(&desk, &stack, CARD_PIN, &["crl", "--out", "."]).output().expect_code(0);
}

#[test]
fn a_card_is_found_by_its_key() {
    let stack = Stack::start(2).expect("a stack");
    let (desk, card, state) = signing_card(&stack);
    card.remove();
    let issue = || issue(&desk, &stack, CARD_PIN, "token.pem");
    refused(&desk, issue, 3, &["CS-5005", "put the card in"]);
    // Another card is not shown the PIN.
    let (other, _) = card_with_key(&stack, CardOptions::new(), "9c", Algorithm::P256);
    let reader = stack.reader_name(0);
    refused(&desk, issue, 3, &["CS-7028", reader, "slot 9C with the key of CN=Signer", "put in the card"]);
    assert!(!other.log().iter().any(shows_pin), "{}", other.log_text());
    // In whatever reader it is.
    let card = stack.insert(1, CardOptions::new().strict().state(state.path()));
    issue().expect_code(0);
    accepted(&desk, "token.pem", true);
    // Which one is meant is not guessed where a key is taken.
    let take = |place: &str| renew(&desk, &stack, CARD_PIN, "list-signer", place);
    refused(&desk, || take("piv:slot=9c"), 3, &["CS-7029", stack.reader_name(1), "reader="]);
    refused(&desk, || take("piv:slot=9c;reader=Acme"), 3, &["CS-5003", "Acme"]);
    let number = format!("piv:slot=9c;card={}", "ab".repeat(16));
    refused(&desk, || take(&number), 3, &["CS-7028"]);
    let place = format!("piv:slot=9c;reader={}", reader.replace(' ', "%20"));
    take(&place).expect_code(0);
    // A list signer on one card, and a token signer on the other: each is asked for its PIN in its turn.
    let both = format!("{CARD_PIN}\n{CARD_PIN}\n");
    with_card(&desk, &stack, &both, &["bundle", "--out", "bundle.pem"]).output().expect_code(0);
    drop((card, other));
}

#[test]
fn a_card_without_its_certificate_is_known_by_its_number() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, _state) = signing_card(&stack);
    let delete = || card.yubico(&["-a", "delete-certificate", "-s", "9c"]).output().expect_code(0);
    delete();
    issue(&desk, &stack, CARD_PIN, "token.pem").expect_code(0);
    accepted(&desk, "token.pem", true);
    // With another key in the slot the card signs, and nobody takes it for the one that was meant.
    let key = card.generate_key("9c", Algorithm::P256);
    let again = || issue(&desk, &stack, CARD_PIN, "again.pem");
    refused(&desk, again, 3, &["CS-7026"]);
    card.import_certificate("9c", &TestAuthority::new("/CN=Elsewhere").certify(&key, "/CN=New", ""));
    refused(&desk, again, 3, &["CS-7028", "CN=New"]);
}

#[test]
fn an_officer_signs_an_anchors_update_with_a_card() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let card = stack.insert(0, CardOptions::new().strict());
    // The second officer has an authority of his own.
    let other = Desk::new();
    let init = ["init", "--organization", "Other Works", "--key", "anchors-signer=piv:slot=9c;key=new"];
    let founding = with_card(&other, &stack, CARD_PIN, &init).args(["--ledger-passphrase-fd", "5"]);
    founding.file(5, LEDGER_PASSPHRASE).output().expect_code(0);
    desk.write("officer.pem", other.read("authority/anchors-signer.pem"));
    let signers = ["--signer", "authority/anchors-signer.pem", "--signer", "officer.pem"];
    desk.with_passphrase(&[&["anchors", "update", "--out", "first.pem"][..], &signers].concat()).expect_code(0);
    desk.run(&["anchors", "adopt", "first.pem"]).expect_code(0);
    desk.with_passphrase(&["anchors", "update", "--threshold", "2", "--out", "second.pem"]).expect_code(0);
    let sign = |place: &str, pin: &str| {
        let key = ["--key", place, "--certificate", "officer.pem", "--key-pin-fd", "4"];
        desk.command(&[&["anchors", "sign", "second.pem"][..], &key].concat()).stack(&stack).file(4, pin).output()
    };
    refused(&desk, || sign("piv:slot=9a", CARD_PIN), 3, &["CS-7028"]);
    refused(&desk, || sign("piv:slot=9c", "654321"), 3, &["CS-5024"]);
    sign("piv:slot=9c", CARD_PIN).expect_code(0);
    expect_said(&desk.run(&["anchors", "show", "second.pem"]).expect_code(0), &["Enough have signed"]);
    drop(card);
}

#[test]
fn without_service_or_readers() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(0).expect("a stack"));
    let take = || with_card(&desk, &stack, CARD_PIN, &["renew", "token-signer", "--key", "piv:slot=9c"]);
    refused(&desk, || take().output(), 3, &["CS-5002"]);
    refused(&desk, || take().env("PCSCLITE_CSOCK_NAME", "/nonexistent").output(), 3, &["CS-5001", "pcscd"]);
    for (place, words) in [("piv:slot=9e", "without a PIN"), ("piv:slot=9c;pin=1", "a PIN is typed")] {
        expect_said(&desk.run(&["renew", "token-signer", "--key", place]).expect_code(2), &[words]);
    }
    let all = desk.run(&["--home", "b", "init", "--organization", "A", "--key", "piv:slot=9c;key=new"]);
    expect_said(&all.expect_code(2), &["ROLE=URI"]);
    let new = ["anchors", "sign", "x.pem", "--certificate", "x.pem", "--key", "piv:slot=9c;key=new"];
    expect_said(&desk.run(&new).expect_code(2), &["leave out key=new"]);
}

#[test]
fn wrong_pins_are_counted_and_the_last_try_is_kept() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, _state) = signing_card(&stack);
    let try_pin = |pin: &str| issue(&desk, &stack, pin, "token.pem");
    let shown = || card.log().iter().filter(|command| shows_pin(command)).count();
    let before = shown();
    refused(&desk, || try_pin("12345"), 3, &["CS-5027"]);
    assert_eq!(shown(), before, "nothing was sent");
    refused(&desk, || try_pin("654321"), 3, &["CS-5024", "2 tries are left"]);
    refused(&desk, || try_pin("654321"), 3, &["CS-5024", "1 try is left"]);
    let sent = shown();
    refused(&desk, || try_pin(CARD_PIN), 3, &["CS-5026", "--key-last-try"]);
    assert_eq!(shown(), sent, "the right one neither");
    let spend = |pin: &str| {
        let args = plain_token(&["--out", "token.pem", "--key-last-try"]);
        with_card(&desk, &stack, pin, &args).output()
    };
    spend(CARD_PIN).expect_code(0);
    // It has all its tries again.
    std::fs::remove_file(desk.path("token.pem")).expect("a file");
    for words in ["2 tries are left", "1 try is left"] {
        refused(&desk, || try_pin("654321"), 3, &["CS-5024", words]);
    }
    refused(&desk, || spend("654321"), 3, &["CS-5025", "PUK"]);
    refused(&desk, || try_pin(CARD_PIN), 3, &["CS-5025"]);
}

#[test]
fn a_card_that_leaves_or_is_exchanged() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, state) = signing_card(&stack);
    card.remove();
    let mut card = stack.insert(0, CardOptions::new().state(state.path()).leave_on(0x87, 1));
    refused(&desk, || issue(&desk, &stack, CARD_PIN, "token.pem"), 3, &["CS-5006", "leave it there"]);
    card.wait_until_left();
    // One that hangs costs the time limit of a command.
    let card = stack.insert(0, CardOptions::new().state(state.path()).stall_on(0x87, 1));
    refused(&desk, || issue(&desk, &stack, CARD_PIN, "token.pem"), 3, &["CS-5009"]);
    card.remove();
    // While the PIN is typed other programs have the card; the same has to be there afterwards.
    let card = stack.insert(0, CardOptions::new().state(state.path()));
    let before = desk.snapshot();
    let typing = || {
        let mut terminal = desk.command(&plain_token(&["--out", "token.pem"])).stack(&stack).on_terminal();
        terminal.expect_secret("3 tries left");
        terminal
    };
    let mut terminal = typing();
    card.yubico(&["-a", "status"]).output().expect_code(0);
    card.remove();
    let (other, _) = card_with_key(&stack, CardOptions::new(), "9c", Algorithm::P256);
    terminal.send_line(CARD_PIN);
    let output = terminal.finish().expect_code(3);
    assert!(output.terminal.contains("CS-5031") && !output.terminal.contains(CARD_PIN), "{output}");
    assert!(!other.log().iter().any(shows_pin), "{}", other.log_text());
    assert_eq!(desk.snapshot(), before, "no token, no entry");
    other.remove();
    // Taken out and put in again it is the same.
    let card = stack.insert(0, CardOptions::new().state(state.path()));
    let mut terminal = typing();
    card.remove();
    let card = stack.insert(0, CardOptions::new().state(state.path()));
    terminal.send_line(CARD_PIN);
    terminal.finish().expect_code(0);
    accepted(&desk, "token.pem", true);
    // What it was shown it does not keep for others. The daemon takes its power, too, once nobody has used it for a while.
    let log = card.log_text();
    assert!(log.trim_end().trim_end_matches("# power-off").trim_end().ends_with("# reset"), "{log}");
}

#[test]
fn a_card_holds_keys_of_one_custodian() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, _state) = signing_card(&stack);
    let ledger = |place: &str| renew(&desk, &stack, CARD_PIN, "ledger-signer", place);
    refused(&desk, || ledger("piv:slot=9a;key=new"), 1, &["CS-7027", "ledger signer"]);
    let officer = || {
        let enroll = ["officer", "enroll", "--subject", "CN=Ada", "--out", "ada.pem", "--key", "piv:slot=9a;key=new"];
        with_card(&desk, &stack, CARD_PIN, &enroll).output()
    };
    refused(&desk, officer, 1, &["CS-7027"]);
    // Nor by way of a module that shows the same card.
    let key = card.generate_key("9a", Algorithm::P256);
    card.import_certificate("9a", &TestAuthority::new("/CN=Elsewhere").certify(&key, "/CN=Ledger", ""));
    let uri = crate::hardware::opensc_uri(&stack, "9a");
    refused(&desk, || ledger(&uri), 1, &["CS-7027"]);
    refused(&desk, || ledger("piv:slot=9a"), 1, &["CS-7027"]);
    // Both at once, by either way.
    let second = uri.replace("id=%01", "id=%02");
    for (first, second) in [("piv:slot=9a", "piv:slot=9c"), ("piv:slot=9a", &second), (&uri, "piv:slot=9c")] {
        let keys = [format!("list-signer={first}"), format!("ledger-signer={second}")];
        let init = ["--home", "other", "init", "--organization", "A", "--key", &keys[0], "--key", &keys[1]];
        let both = with_card(&desk, &stack, &format!("{CARD_PIN}\n{CARD_PIN}\n"), &init);
        refused(&desk, || both.output(), 1, &["CS-7027"]);
        assert!(!desk.path("other").exists());
    }
    // By its number, where it does not tell of the other's key any more.
    card.yubico(&["-a", "delete-certificate", "-s", "9c"]).output().expect_code(0);
    refused(&desk, || ledger("piv:slot=9a"), 1, &["CS-7027"]);
    // A card of its own is another matter.
    drop(card);
    let card = stack.insert(0, CardOptions::new());
    ledger("piv:slot=9c;key=new").expect_code(0);
    let head = desk.command(&["ledger", "sign", "--out", "head.pem", "--key-pin-fd", "4"]).stack(&stack);
    head.file(4, CARD_PIN).output().expect_code(0);
    drop(card);
}

#[test]
fn officers_approve_with_their_cards() {
    let stack = Stack::start(2).expect("a stack");
    let desk = Desk::founded("p256");
    desk.with_passphrase(&["anchors", "update", "--approvals", "2", "--out", "anchors-1.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "anchors-1.pem"]).expect_code(0);
    let plain = plain_token(&["--out", "r.pem"]);
    let cards = [0, 1].map(|reader| stack.insert(reader, CardOptions::new().strict()));
    for (reader, name) in [(0, "ada"), (1, "grace")] {
        let place = format!("piv:slot=9c;key=new;reader={}", stack.reader_name(reader).replace(' ', "%20"));
        let (subject, out) = (format!("CN={name}"), format!("{name}.pem"));
        let enroll = ["officer", "enroll", "--subject", &subject, "--out", &out, "--key", &place];
        let enrolled = with_card(&desk, &stack, CARD_PIN, &enroll).output().expect_code(0);
        expect_said(&enrolled, &["Enrolled the officer", "piv:slot=9c;card=", "CS-7128"]);
    }
    desk.run(&[&["request", "make"], &plain[1..]].concat()).expect_code(0);
    for name in ["ada", "grace"] {
        let (certificate, approve) = (format!("{name}.pem"), ["--home", "nowhere", "request", "approve", "r.pem"]);
        let args = [&approve[..], &["--certificate", &certificate, "--key", "piv:slot=9c"]].concat();
        let run = desk.command(&args).stack(&stack).args(["--key-pin-fd", "4"]).file(4, CARD_PIN);
        expect_said(&run.output().expect_code(0), &["Approved r.pem", name]);
    }
    let issued = desk.command(&["request", "issue", "r.pem", "--out", "token.pem", "--passphrase-fd", "3"]);
    issued.file(3, PASSPHRASE).output().expect_code(0);
    accepted(&desk, "token.pem", true);
    drop(cards);
}

/// However the card is reached, and wherever it breaks off.
#[test]
fn a_batch_goes_on_after_its_card_was_gone() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, state) = signing_card(&stack);
    desk.write("rows.csv", (1..=9).fold("reference\n".to_owned(), |rows, row| format!("{rows}row-{row}\n")));
    let uri = crate::hardware::opensc_uri(&stack, "9c");
    card.remove();
    let batch = |out: &str| {
        let plain = plain_token(&["--batch", "rows.csv", "--out", out]);
        with_card(&desk, &stack, CARD_PIN, &plain).output()
    };
    for (out, code) in [("native", "CS-5006"), ("opensc", "CS-7088")] {
        let options = || CardOptions::new().state(state.path());
        if out == "opensc" {
            let card = stack.insert(0, options());
            renew(&desk, &stack, CARD_PIN, "token-signer", &uri).expect_code(0);
            card.remove();
        }
        let entries = desk.entries();
        let mut card = stack.insert(0, options().leave_on(0x87, 5));
        expect_said(&batch(out).expect_code(3), &[code, "next:"]);
        card.wait_until_left();
        let card = stack.insert(0, options());
        expect_said(&batch(out).expect_code(0), &["9"]);
        let results = String::from_utf8(desk.read(&format!("{out}/results.csv"))).expect("text");
        assert_eq!(results.lines().filter(|line| line.contains(",issued,")).count(), 9, "{results}");
        let tokens: Vec<_> =
            results.lines().skip(1).filter_map(|line| line.split(',').find(|cell| cell.ends_with(".pem"))).collect();
        for token in &tokens {
            accepted(&desk, &format!("{out}/{token}"), false);
        }
        // Each once, and what tells how far it is.
        let listed = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
        let of_batch = listed.lines().skip(entries).filter(|line| line.contains("token issued")).count();
        assert_eq!((tokens.len(), of_batch), (9, 9), "{listed}");
        card.remove();
    }
}

/// One order after the other, each with the PIN in 9C; the one whose card is gone is neither answered nor entered.
#[test]
fn a_stream_of_orders_ends_with_its_card() {
    let stack = Stack::start(1).expect("a stack");
    let (desk, card, state) = signing_card(&stack);
    card.remove();
    let entries = desk.entries();
    let mut card = stack.insert(0, CardOptions::new().state(state.path()).leave_on(0x87, 4));
    let mut stream = with_card(&desk, &stack, CARD_PIN, &plain_token(&["--stream", "--json"])).on_pipes();
    for number in 1..=3 {
        stream.say(&format!("{{\"reference\": \"{number}\"}}"));
        let answer: Value = serde_json::from_str(&stream.hear().expect("an answer")).expect("JSON");
        assert_eq!(answer["outcome"], "issued", "{answer}");
        desk.write(&format!("{number}.pem"), answer["pem"].as_str().expect("a token"));
        accepted(&desk, &format!("{number}.pem"), true);
    }
    stream.say("{}");
    let error: Value = serde_json::from_str(&stream.hear().expect("an error")).expect("JSON");
    assert_eq!(error["error"]["code"], "CS-5006", "{error}");
    card.wait_until_left();
    let _ = stream.finish().expect_code(3);
    assert_eq!(desk.entries(), entries + 3);
    desk.run(&["ledger", "verify"]).expect_code(0);
}
