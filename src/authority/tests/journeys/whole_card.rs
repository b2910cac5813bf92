//! The whole life of a card: identity, new secrets, several cards in a row, a blocked PIN, loss, and cards of others. The
//! cards are virtual and nobody here wrote them; other people's tools look at them afterwards.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said};
use countersign_testkit::{Algorithm, Card, CardOptions, Output, Run, SoftHsm, Stack, TestAuthority};

const ADA: &str = "CN=Ada Lovelace,O=Example Works";
const PIN: &str = "123456";
const NEW_PIN: &str = "864201";
const PUK: &str = "12345678";
const DEFAULT_KEY: &str = "010203040506070801020304050607080102030405060708";

/// `card enroll --new-secrets` for Ada, with a new PIN.
fn renewing(desk: &Desk, stack: &Stack, new_pin: &str, more: &[&str]) -> Run {
    let secrets = ["--new-secrets", "--passphrase-fd", "3", "--pin-fd", "4", "--new-pin-fd", "5", "--puk-fd", "6"];
    desk.command(&["card", "enroll", "--subject", ADA])
        .args(more)
        .args(secrets)
        .file(3, PASSPHRASE)
        .file(4, PIN)
        .file(5, new_pin)
        .file(6, PUK)
        .stack(stack)
}

fn card_command(desk: &Desk, stack: &Stack, args: &[&str]) -> Run {
    desk.command(&["card"]).args(args).args(["--passphrase-fd", "3"]).file(3, PASSPHRASE).stack(stack)
}

#[track_caller]
fn expect_no_secret(output: &Output) {
    let said = output.to_string();
    for secret in [NEW_PIN, PUK, PIN, DEFAULT_KEY] {
        assert!(!said.contains(secret), "{secret} is shown\n{output}");
    }
}

fn pin_is(card: &Card, pin: &str) -> bool {
    card.yubico(&["-a", "verify-pin", "-P", pin]).output().code == Some(0)
}

#[test]
fn a_whole_card_and_what_other_tools_find_on_it() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let before = card.yubico(&["-a", "status"]).output().expect_code(0).stdout_text();

    // A plan first, and nothing but reading.
    let more = ["--slot", "9c", "--slot", "9a", "--new-chuid", "--email", "ada@example.com"];
    let plan =
        card_command(&desk, &stack, &[&["enroll", "--subject", ADA, "--dry-run", "--new-secrets"], &more[..]].concat());
    let plan = plan.output().expect_code(0);
    expect_said(&plan, &["nothing was changed", "new one", "slot 9C", "slot 9A", "its PUK and its PIN"]);
    assert!(card.log().iter().all(|command| ![0xdb, 0x24, 0x47, 0xff].contains(&command.instruction)));
    assert!(!desk.path("authority/keys/cards.key.pem").exists());

    for (pin, code) in [("123123", "CS-7063"), ("12345a", "CS-5027")] {
        let refused = renewing(&desk, &stack, pin, &more).output().expect_failure();
        expect_said(&refused, &[code]);
    }
    assert!(card.log().iter().all(|command| ![0xdb, 0x24, 0x47, 0xff].contains(&command.instruction)));
    let output = renewing(&desk, &stack, NEW_PIN, &more).output().expect_code(0);
    expect_said(&output, &["slot 9C holds", "Slot 9A", "PIN, PUK and management key are new"]);
    assert!(!output.to_string().contains("CS-7128") && !output.to_string().contains("CS-7137"), "{output}");
    expect_no_secret(&output);
    assert_eq!(desk.entries(), 3);

    // yubico-piv-tool: another identity, two certificates, the new PIN and not the old one, not the old management key.
    let status = card.yubico(&["-a", "status"]).output().expect_code(0).stdout_text();
    let chuid = |status: &str| status.lines().find(|line| line.starts_with("CHUID")).map(str::to_owned);
    let kept = chuid(&status);
    assert!(kept.is_some() && kept != chuid(&before), "{status}");
    assert_eq!(status.matches("Lovelace").count(), 2, "{status}");
    assert!(pin_is(&card, NEW_PIN) && !pin_is(&card, PIN));
    let generate =
        |key: &str| card.yubico(&["-a", "generate", "-s", "9e", "-A", "ECCP256", &format!("-k{key}")]).output();
    generate(DEFAULT_KEY).expect_failure();
    let out = ["management-key", "--out", "card.key"];
    expect_no_secret(&card_command(&desk, &stack, &out).output().expect_code(0));
    expect_said(&card_command(&desk, &stack, &out).output().expect_code(1), &["CS-7006"]);
    generate(&String::from_utf8(desk.read("card.key")).expect("text")).expect_code(0);

    // OpenSC reads the same, and signs with both keys what OpenSSL verifies.
    let tool = |name: &str, args: &[&str]| Run::new(name).args(args).stack(&stack).directory(desk.path(".")).output();
    let dump = tool("pkcs15-tool", &["--dump"]).expect_code(0).stdout_text();
    assert!(dump.contains("SIGN") && dump.contains("X.509"), "{dump}");
    desk.write("message", "signed by another tool");
    for (id, slot) in [("01", "9a"), ("02", "9c")] {
        let pin = ["--login", "--pin", NEW_PIN, "--sign", "--id", id, "-m", "ECDSA-SHA256"];
        let files = ["--signature-format", "openssl", "-i", "message", "-o", "signature"];
        tool("pkcs11-tool", &[&["--module", "opensc-pkcs11.so"][..], &pin, &files].concat()).expect_code(0);
        let pem = card.yubico(&["-a", "read-certificate", "-s", slot]).output().expect_code(0).stdout_text();
        desk.write("holder.pem", pem);
        let public = desk.openssl(&["x509", "-in", "holder.pem", "-noout", "-pubkey"]).expect_code(0).stdout_text();
        desk.write("holder.pub", public);
        desk.openssl(&["dgst", "-sha256", "-verify", "holder.pub", "-signature", "signature", "message"])
            .expect_code(0);
        desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/holder-roots.pem", "holder.pem"]).expect_code(0);
    }

    // Enrolled once more: the office knows its own card by the management key, and keeps its identity.
    expect_said(&renewing(&desk, &stack, NEW_PIN, &more).output().expect_code(1), &["CS-7060", "--replace"]);
    let again = renewing(&desk, &stack, "975310", &["--replace", "--supersede", "--new-chuid"]).file(4, NEW_PIN);
    expect_said(&again.output().expect_code(0), &["Its identity stays", "superseded (entry"]);
    assert!(pin_is(&card, "975310"));
    let status = card.yubico(&["-a", "status"]).output().expect_code(0).stdout_text();
    assert!(status.contains(&kept.expect("an identity")), "{status}");
}

#[test]
fn a_card_pulled_half_way_is_enrolled_by_the_same_command() {
    // CHUID, management key, PUK, PIN, key, proof, certificate.
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    for (instruction, nth) in [(0xdb, 1), (0xff, 1), (0x24, 1), (0x24, 2), (0x47, 1), (0x87, 7), (0xdb, 2)] {
        let state = stack.folder().join(format!("state-{instruction}-{nth}"));
        let mut card = stack.insert(0, CardOptions::new().state(&state).leave_on(instruction, nth));
        let left = renewing(&desk, &stack, NEW_PIN, &["--new-chuid"]).output().expect_code(3);
        expect_said(&left, &["CS-5006"]);
        card.wait_until_left();
        drop(card);
        let card = stack.insert(0, CardOptions::new().state(&state));
        let done = renewing(&desk, &stack, NEW_PIN, &["--new-chuid"]).output().expect_code(0);
        expect_said(&done, &["slot 9C holds", "are new"]);
        assert!(pin_is(&card, NEW_PIN), "{instruction:x} {nth}");
        card.yubico(&["-a", "read-certificate", "-s", "9c"]).output().expect_code(0);
        card.remove();
    }
}

#[test]
fn a_pin_is_changed_blocked_and_set_again() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    renewing(&desk, &stack, NEW_PIN, &[]).output().expect_code(0);
    let change = |old: &str, new: &str| {
        let args = ["card", "change-pin", "--pin-fd", "4", "--new-pin-fd", "5"];
        desk.command(&args).file(4, old).file(5, new).stack(&stack).output()
    };
    let changed = change(NEW_PIN, "753159").expect_code(0);
    expect_said(&changed, &["Changed the PIN"]);
    expect_no_secret(&changed);
    expect_said(&change("753159", "111111").expect_code(1), &["CS-7063"]);
    expect_said(&change(NEW_PIN, "975310").expect_code(3), &["CS-5024", "2 tries"]);
    for _ in 0..2 {
        assert!(!pin_is(&card, "000000"));
    }
    expect_said(&change("753159", "975310").expect_code(3), &["CS-5025", "card unblock"]);

    // The PUK follows from the secret of the authority; nobody types it.
    let unblock = |more: &[&str]| card_command(&desk, &stack, &[&["unblock", "--new-pin-fd", "5"], more].concat());
    let set = unblock(&[]).file(5, "975310").output().expect_code(0);
    expect_said(&set, &["Set a new PIN"]);
    assert!(pin_is(&card, "975310"));
    let wrong = unblock(&["--puk-fd", "6"]).file(5, "864201").file(6, "00000000").output().expect_code(3);
    expect_said(&wrong, &["CS-5035", "next:"]);

    // A card of somebody else has a PUK of its own.
    card.remove();
    let other = stack.insert(0, CardOptions::new());
    let set = unblock(&["--puk-fd", "6"]).file(5, NEW_PIN).file(6, PUK).output().expect_code(0);
    expect_said(&set, &["Set a new PIN"]);
    assert!(pin_is(&other, NEW_PIN));
    let asked = unblock(&[]).file(5, NEW_PIN).output().expect_code(3);
    expect_said(&asked, &["CS-7020", "--puk-fd"]);
    for _ in 0..3 {
        unblock(&["--puk-fd", "6"]).file(5, NEW_PIN).file(6, "00000000").output().expect_code(3);
    }
    let blocked = unblock(&["--puk-fd", "6"]).file(5, NEW_PIN).file(6, PUK).output().expect_code(3);
    expect_said(&blocked, &["CS-5036", "next:"]);
    expect_said(&card_command(&desk, &stack, &["management-key", "--out", "k"]).output().expect_code(3), &["CS-5040"]);
}

#[test]
fn several_cards_in_a_row() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    desk.write(
        "people.csv",
        "subject,email\n\"CN=Ada,O=Example Works\",ada@example.com\n\"CN=Bob,O=Example Works\",\nCN=Cleo,\n",
    );
    let command = |new_pins: &str| {
        let secrets = ["--new-secrets", "--passphrase-fd", "3", "--pin-fd", "4", "--new-pin-fd", "5", "--puk-fd", "6"];
        let command = desk.command(&["card", "enroll", "--batch", "people.csv", "--wait", "60s"]).args(secrets);
        command.file(3, PASSPHRASE).file(4, PIN).file(5, new_pins).file(6, PUK).stack(&stack)
    };
    let states = ["ada", "bob", "cleo"].map(|name| stack.folder().join(name));
    let insert = |whose: usize| stack.insert(0, CardOptions::new().state(&states[whose]));

    let mut terminal = command("864201\n753159\n").on_terminal();
    terminal.expect("Put in the card for CN=Ada,O=Example Works (1 of 3)");
    let card = insert(0);
    terminal.expect("This is the card of CN=Ada,O=Example Works");
    terminal.expect("Take the card out");
    card.remove();
    terminal.expect("Put in the card for CN=Bob");
    // Ada's card once more.
    let card = insert(0);
    terminal.expect("CS-7108");
    terminal.expect("Take the card out");
    card.remove();
    terminal.expect("Put in the card for CN=Cleo (3 of 3)");
    let card = insert(2);
    terminal.expect("This is the card of CN=Cleo");
    assert!(pin_is(&card, "753159"), "the second line");
    card.remove();
    let output = terminal.finish().expect_code(1);
    assert!(output.terminal.contains("Enrolled 2 of 3 cards") && output.terminal.contains("1 are left"), "{output}");
    assert!(!output.terminal.contains("864201") && !output.terminal.contains(PIN), "{output}");
    let results = String::from_utf8(desk.read("people.results.csv")).expect("text");
    for row in ["\"CN=Ada,O=Example Works\",enrolled,", "\"CN=Bob,O=Example Works\",CS-7108,", "CN=Cleo,enrolled,"] {
        assert!(results.contains(row), "{row}: {results}");
    }
    assert_eq!(desk.entries(), 3);

    // The same command goes on with whom it missed; a line that was cut off is none.
    desk.write("people.results.csv", results + "\"CN=Bo");
    let mut terminal = command("975310\n").on_terminal();
    terminal.expect("2 of 3 were enrolled before");
    terminal.expect("Put in the card for CN=Bob,O=Example Works (3 of 3)");
    let card = insert(1);
    terminal.expect("Take the card out");
    card.remove();
    terminal.finish().expect_code(0);
    assert_eq!(desk.entries(), 4);
    let card = insert(1);
    assert!(pin_is(&card, "975310"));

    // Where the run ended before it wrote that a card was finished, the card itself tells.
    let results = String::from_utf8(desk.read("people.results.csv")).expect("text");
    let without: String =
        results.lines().filter(|line| !line.contains("Bob")).map(|line| format!("{line}\n")).collect();
    desk.write("people.results.csv", without);
    let mut terminal = command("").on_terminal();
    terminal.expect("The card was finished before");
    terminal.expect("Take the card out");
    card.remove();
    terminal.finish().expect_code(0);
    assert_eq!(desk.entries(), 4);
    // Cleo gets another card, in a batch of one.
    desk.write("next.csv", "subject\nCN=Cleo\n");
    let args = ["card", "enroll", "--batch", "next.csv", "--supersede", "--passphrase-fd", "3", "--pin-fd", "4"];
    let mut terminal = desk.command(&args).file(3, PASSPHRASE).file(4, PIN).stack(&stack).on_terminal();
    terminal.expect("Put in the card for CN=Cleo (1 of 1)");
    let card = stack.insert(0, CardOptions::new());
    terminal.expect("superseded (entry");
    terminal.expect("Take the card out");
    card.remove();
    terminal.finish().expect_code(0);
    let all = command("").output().expect_code(0);
    expect_said(&all, &["3 of 3 were enrolled before", "Enrolled 3 of 3"]);
}

#[test]
fn a_batch_that_cannot_be_used_is_refused_before_a_card_is_asked_for() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let run = || {
        let args = ["card", "enroll", "--batch", "people.csv", "--wait", "1s", "--pin-fd", "4", "--passphrase-fd", "3"];
        desk.command(&args).file(3, PASSPHRASE).file(4, PIN).stack(&stack).output()
    };
    for (text, fault) in [
        ("", "no column subject"),
        ("name\nCN=Ada\n", "\"name\" is not known"),
        ("subject,email\nCN=Ada\n", "fields"),
        ("subject\nAda\n", "row 1"),
        ("subject,email\nCN=Ada,nobody\n", "row 1"),
        ("subject\nCN=Ada\nCN=Ada\n", "rows 1 and 2 are the same person"),
        ("subject\n", "no rows"),
        ("subject\n\u{0}\u{1}\n", "row 1"),
    ] {
        desk.write("people.csv", text);
        expect_said(&run().expect_code(2), &["CS-7016", fault]);
    }
    desk.write("people.csv", "subject\nCN=Ada\n");
    for results in ["something else\n", "subject,result,card,entry,fault\nCN=Eve,enrolled,,,\n"] {
        desk.write("people.results.csv", results);
        expect_said(&run().expect_code(2), &["CS-7016", "--results"]);
    }
    std::fs::remove_file(desk.path("people.results.csv")).expect("a file");
    expect_said(&run().expect_code(3), &["CS-5005"]);
    assert_eq!(desk.entries(), 1);
    // A PIN that is wrong for one card is not tried on the next.
    let card = stack.insert(0, CardOptions::new());
    let args = ["card", "enroll", "--batch", "people.csv", "--pin-fd", "4", "--passphrase-fd", "3"];
    let wrong = desk.command(&args).file(3, PASSPHRASE).file(4, "654321").stack(&stack).output().expect_code(3);
    expect_said(&wrong, &["CS-5024"]);
    drop(card);
}

#[test]
fn the_secret_of_the_cards_has_a_passphrase_where_all_keys_are_in_an_hsm() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token("Authority"));
    let stack = Stack::start(1).expect("a stack");
    let run = |args: &[&str]| desk.command(args).soft_hsm(&hsm).args(["--key-pin-fd", "7"]).file(7, SoftHsm::PIN);
    let init = ["init", "--organization", "Example Works", "--key", &SoftHsm::uri("Authority", "")];
    run(&init).args(["--ledger-passphrase-fd", "8"]).file(8, LEDGER_PASSPHRASE).output().expect_code(0);
    let card = stack.insert(0, CardOptions::new());
    let secrets = ["--new-secrets", "--passphrase-fd", "3", "--pin-fd", "4", "--new-pin-fd", "5", "--puk-fd", "6"];
    let enroll = run(&[&["card", "enroll", "--subject", ADA], &secrets[..]].concat()).stack(&stack);
    let enroll = enroll.file(3, PASSPHRASE).file(4, PIN).file(5, NEW_PIN).file(6, PUK);
    expect_said(&enroll.output().expect_code(0), &["slot 9C holds", "are new"]);
    let unblock = |passphrase: &str| {
        let unblock = run(&["card", "unblock", "--passphrase-fd", "3", "--new-pin-fd", "5"]);
        unblock.file(3, passphrase).file(5, "975310").stack(&stack).output()
    };
    expect_said(&unblock("another one").expect_code(3), &["CS-7022"]);
    unblock(PASSPHRASE).expect_code(0);
    assert!(pin_is(&card, "975310"));
}

#[test]
fn a_lost_card_and_the_next_one() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let enroll = |more: &[&str]| {
        let args = ["card", "enroll", "--subject", ADA, "--passphrase-fd", "3", "--pin-fd", "4"];
        desk.command(&args).args(more).file(3, PASSPHRASE).file(4, PIN).stack(&stack).output()
    };
    let first = stack.insert(0, CardOptions::new());
    enroll(&["--slot", "9c", "--slot", "9a"]).expect_code(0);
    first.remove();
    let lost = |args: &[&str]| desk.command(&["card", "lost"]).args(args).output();
    let hold = lost(&[ADA, "--reason", "certificateHold"]).expect_code(0);
    expect_said(&hold, &["certificateHold (entry 4", "certificateHold (entry 5", "revoke lift certificate"]);
    let gone = lost(&[ADA]).expect_code(0);
    expect_said(&gone, &["keyCompromise (entry 6", "The 0 records that were received", "countersign-authority bundle"]);
    expect_said(&lost(&[ADA]).expect_code(1), &["CS-7047"]);
    expect_said(&lost(&["CN=Nobody"]).expect_code(3), &["CS-7042"]);
    expect_said(&lost(&["ffff"]).expect_code(3), &["CS-7042"]);

    // The next card; then one more in its place, which supersedes it.
    let second = stack.insert(0, CardOptions::new());
    let output = enroll(&[]).expect_code(0);
    expect_said(&output, &["CS-7137"]);
    assert!(!output.to_string().contains("CS-7138"), "{output}");
    second.remove();
    let third = stack.insert(0, CardOptions::new());
    expect_said(&enroll(&[]).expect_code(0), &["CS-7138", "1 other certificate"]);
    let output = enroll(&["--replace", "--supersede"]).expect_code(0);
    expect_said(&output, &["superseded (entry", "countersign-authority crl"]);
    assert_eq!(output.to_string().matches("Revoked the certificate").count(), 2, "{output}");
    drop(third);
}

#[test]
fn limits_demand_new_secrets_and_attested_keys() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    desk.write("authority/limits.toml", "[cards]\nnew-secrets = true\npin-length = 8\n");
    let refused = renewing(&desk, &stack, NEW_PIN, &[]).output().expect_code(1);
    expect_said(&refused, &["CS-7063", "fewer digits"]);
    desk.write("authority/limits.toml", "[cards]\nattested = true\nattestation-roots = [\"maker.pem\"]\n");
    expect_said(&renewing(&desk, &stack, NEW_PIN, &[]).output().expect_code(3), &["CS-7007", "maker.pem"]);
    std::fs::copy(desk.path("authority/holder-root.pem"), desk.path("authority/maker.pem")).expect("a root");
    let refused = renewing(&desk, &stack, NEW_PIN, &[]).output().expect_code(3);
    expect_said(&refused, &["CS-5039", "cannot attest"]);
    assert!(pin_is(&card, PIN), "nothing was changed");
    assert!(card.log().iter().all(|command| ![0xdb, 0x24, 0x47, 0xff].contains(&command.instruction)));
    assert_eq!(desk.entries(), 1);
    let without = card_command(&desk, &stack, &["enroll", "--subject", ADA, "--require-attestation"]);
    std::fs::remove_file(desk.path("authority/limits.toml")).expect("a file");
    expect_said(&without.output().expect_code(2), &["--attestation-root"]);
}

#[test]
fn a_card_of_another_pki_is_shown_and_not_written_to() {
    let desk = Desk::founded("p256");
    let stack = Stack::start(1).expect("a stack");
    let card = stack.insert(0, CardOptions::new());
    let empty = card_command(&desk, &stack, &["show"]).output().expect_code(0);
    expect_said(&empty, &["3 tries left", "Slot 9C: empty", "Slot 9A: empty"]);
    let ca = TestAuthority::new("/CN=Their CA");
    let extensions = "keyUsage=critical,digitalSignature\ncertificatePolicies=1.3.6.1.4.1.32473.7.1\n\
                      subjectAltName=email:robin@example.org";
    let public = card.generate_key("9c", Algorithm::P256);
    card.import_certificate("9c", &ca.certify(&public, "/CN=Robin", extensions));
    let written = card.log().len();
    desk.write("their-ca.pem", ca.certificate());
    desk.with_passphrase(&crate::support::plain_token(&["--out", "own.pem"])).expect_code(0);

    let shown = card_command(&desk, &stack, &["show", "--token", "own.pem", "--issuer", "their-ca.pem"]);
    let shown = shown.output().expect_code(0);
    expect_said(&shown, &["Robin", "of another PKI", "own.pem: not admitted", "[CS-"]);
    let grant = ["show", "--issuer", "their-ca.pem", "--grant"];
    let grant = card_command(&desk, &stack, &grant).output().expect_code(0).stdout_text();
    assert!(grant.contains("anchor = \"their-ca.pem\"") && grant.contains("policy:1.3.6.1.4.1.32473.7.1"), "{grant}");
    assert!(grant.contains("email:robin@example.org"), "{grant}");
    desk.write("theirs.toml", format!("product.id = \"control-room\"\nwindow.within = \"30d\"\n{grant}"));
    let issue = ["issue", "--profile", "theirs.toml", "--customer", "acme", "--out", "theirs.pem"];
    desk.with_passphrase(&issue).expect_code(0);
    let shown = card_command(&desk, &stack, &["show", "--token", "theirs.pem", "--token", "own.pem"]);
    expect_said(&shown.output().expect_code(0), &["theirs.pem: admitted by grant 1", "own.pem: not admitted"]);
    let other = card_command(&desk, &stack, &["show", "--issuer", "authority/holder-root.pem", "--grant"]);
    expect_said(&other.output().expect_code(2), &["CS-7001", "--issuer"]);
    // SELECT, GET DATA, a VERIFY without a PIN, and nothing else.
    let log = card.log();
    assert!(log[written..].iter().all(|command| [0xa4, 0xcb, 0x20, 0xc0].contains(&command.instruction)));
    // Nobody has to be an authority to look.
    let nobody = Run::new(Desk::program()).args(["--home", "nowhere", "card", "show"]).stack(&stack).output();
    expect_said(&nobody.expect_code(0), &["Robin"]);
}
