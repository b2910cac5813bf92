//! The main job: from founding an authority to a product that runs, and nowhere else.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card, json};
use countersign_testkit::{CardOptions, Outcome};

/// INS of the commands that a scripted activation sends, in order.
const SELECT: u8 = 0xa4;
const GET_DATA: u8 = 0xcb;
const VERIFY: u8 = 0x20;
const GENERAL_AUTHENTICATE: u8 = 0x87;
const GET_RESPONSE: u8 = 0xc0;

#[test]
fn a_card_activates_a_machine_and_no_other() {
    let office = Office::found("p256");
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let token = office.issue("token.pem", &[]);
    let site = Site::with_token("press-7", &office, &token);

    let before = site.verifier(&["--json", "check", PRODUCT]).output().expect_code(1);
    assert_eq!(json(&before)["reason"]["code"], "CS-6001");
    site.activate(&stack, PIN, &["--work-order", "WO-1047"]).expect_code(0);
    let after = site.verifier(&["--json", "check", PRODUCT]).output().expect_code(0);
    let verdict = json(&after);
    assert_eq!(verdict["state"], "licensed");
    assert_eq!(verdict["reason"]["code"], "CS-0001");
    assert_eq!(verdict["holder"]["slot"]["name"], "9C");
    assert_eq!(verdict["holder"]["slot"]["basis"], "claimed");
    assert_eq!(verdict["holder"]["work_order"], "WO-1047");
    assert_eq!(verdict["entitlements"][0]["name"], "points");
    assert!(verdict["holder"]["subject"].as_str().unwrap().contains("Robin Example"));

    // Exactly what the flow needs; pieces of an answer count with their command.
    let sent: Vec<_> =
        card.log().iter().map(|command| command.instruction).filter(|ins| *ins != GET_RESPONSE).collect();
    assert_eq!(sent, [SELECT, GET_DATA, VERIFY, VERIFY, GENERAL_AUTHENTICATE], "{}", card.log_text());
    assert!(card.log().iter().all(|command| matches!(command.outcome, Outcome::Status(_))));

    // Activating again under the same token spends nothing, not even a command.
    let store = site.snapshot();
    site.activate(&stack, PIN, &[]).expect_code(0);
    assert_eq!(site.snapshot(), store);
    let again: Vec<_> =
        card.log().iter().map(|command| command.instruction).filter(|ins| *ins != GET_RESPONSE).collect();
    assert_eq!(again, sent);

    // The record in another machine's store.
    let other = Site::with_token("press-8", &office, &token);
    copy_records(&site, &other);
    let copied = other.verifier(&["--json", "check", PRODUCT]).output().expect_code(1);
    let verdict = json(&copied);
    assert_eq!(verdict["reason"]["code"], "CS-4001");
    for component in ["machine-id", "disk-serial", "network-address", "dmi-uuid", "board-serial"] {
        assert!(verdict["reason"]["message"].as_str().unwrap().contains(component), "{component}");
    }

    // And in a container that has nothing to be recognised by.
    let container = Site::with_token("container", &office, &token);
    copy_records(&site, &container);
    let copied = container.verifier(&["--json", "check", PRODUCT]).output().expect_code(3);
    assert_eq!(json(&copied)["reason"]["code"], "CS-4003");
    let refused = container.activate(&stack, PIN, &[]).expect_code(3);
    assert!(refused.stderr_text().contains("CS-4003"), "{refused}");
}

#[test]
fn every_kind_of_key_activates() {
    for (roots, card_key) in [("rsa-2048", "rsa-2048"), ("p384", "p256"), ("p256", "rsa-2048")] {
        let office = Office::found(roots);
        let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &["--algorithm", card_key]);
        let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
        site.activate(&stack, PIN, &[]).expect_code(0);
        let verdict = json(&site.verifier(&["--json", "check", PRODUCT]).output().expect_code(0));
        assert_eq!(verdict["state"], "licensed", "{roots} {card_key}");
    }
}

#[test]
fn a_technician_is_guided_at_the_terminal() {
    let office = Office::found("p256");
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let mut terminal = site.verifier(&["activate"]).stack(&stack).on_terminal();
    terminal.expect_secret("PIN");
    let shown = terminal.shown();
    for told in [PRODUCT, "Acme Power", "Robin Example", "machine-id", "3 tries", "365 days"] {
        assert!(shown.contains(told), "{told} should be shown before the PIN is asked for:\n{shown}");
    }
    // While a person types nobody holds the card: another program can use it.
    countersign_testkit::Run::new("opensc-tool")
        .args(["--reader", stack.reader_name(0), "--atr"])
        .stack(&stack)
        .output()
        .expect_code(0);
    terminal.send_line(PIN);
    terminal.finish().expect_code(0);
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
    let last = card.log().iter().rev().map(|command| command.instruction).find(|ins| *ins != GET_RESPONSE);
    assert_eq!(last, Some(GENERAL_AUTHENTICATE));
}

#[test]
fn only_listed_machines_are_activated() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let listed = Site::new("press-7");
    let machine = office.out("press-7.json");
    let described = listed.verifier(&["--json", "machine"]).output().expect_code(0);
    std::fs::write(&machine, &described.stdout).unwrap();
    let token = office.issue("token.pem", &["--machine", machine.to_str().unwrap(), "--virtual-machines", "false"]);
    let site = Site::with_token("press-7", &office, &token);
    site.activate(&stack, PIN, &[]).expect_code(0);
    let other = Site::with_token("press-8", &office, &token);
    let refused = other.activate(&stack, PIN, &[]).expect_code(1);
    assert!(refused.stderr_text().contains("CS-4002"), "{refused}");
}

#[test]
fn a_newer_version_of_a_token_supersedes_and_an_older_one_is_refused() {
    let office = Office::found("p256");
    let first = office.issue("first.pem", &[]);
    let inspected = json(&office.authority(&["--json", "inspect", first.to_str().unwrap()]).expect_code(0));
    let id = inspected["object"]["body"]["id"].as_str().unwrap().to_owned();
    let second = office.issue("second.pem", &["--supersedes", &id]);
    let inspected = json(&office.authority(&["--json", "inspect", second.to_str().unwrap()]).expect_code(0));
    assert_eq!((&inspected["object"]["body"]["id"], &inspected["object"]["body"]["revision"]), (&id.into(), &2.into()));
    let site = Site::with_token("press-7", &office, &second);
    let store = site.snapshot();
    site.verifier(&["install", first.to_str().unwrap()]).output().expect_code(1);
    assert_eq!(site.snapshot(), store);
}

fn copy_records(from: &Site, to: &Site) {
    let record = from.record();
    let folder = to.store().join("records").join(PRODUCT);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&record, folder.join(record.file_name().unwrap())).unwrap();
    std::fs::copy(from.store().join("newest-time"), to.store().join("newest-time")).unwrap();
}
