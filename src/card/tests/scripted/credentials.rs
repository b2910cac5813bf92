//! New PIN, PUK and management key, and the identity of a card.

use countersign_card::{
    Error, LastTry, ManagementAlgorithm, ManagementKey, OnEnd, Pin, PinStatus, Piv, Puk, StatusWord,
};

use crate::script::{PIN_STATUS, Script, code, recording};

const CHANGE_PIN: &str = "0024008010 313233343536FFFF 383634323031FFFF";
const CHANGE_PUK: &str = "0024008110 3132333435363738 3930373136323834";
const RESET_PIN: &str = "002C008010 3132333435363738 383634323031FFFF";

fn pins() -> (Pin, Pin) {
    (Pin::new("123456").expect("a PIN"), Pin::new("864201").expect("a PIN"))
}

fn puks() -> (Puk, Puk) {
    (Puk::new("12345678").expect("a PUK"), Puk::new("90716284").expect("a PUK"))
}

#[test]
fn a_pin_is_changed() {
    let (old, new) = pins();
    let change = |piv: &mut Piv<Script>| piv.change_pin(&old, &new, LastTry::Keep);
    let mut piv = Script::selected().on(PIN_STATUS, "63C3").on(CHANGE_PIN, "9000").open_with(OnEnd::ResetCard);
    assert_eq!(change(&mut piv), Ok(()));
    for (word, error) in [
        ("63C2", Error::WrongPin { tries_left: 2 }),
        ("63C0", Error::PinBlocked),
        ("6983", Error::PinBlocked),
        ("6A80", Error::NewPinRefused),
        ("6985", Error::NewPinRefused),
        ("6F00", Error::Refused { command: "CHANGE REFERENCE DATA", status: StatusWord(0x6F00) }),
    ] {
        let mut piv = Script::selected().on(PIN_STATUS, "63C3").on(CHANGE_PIN, word).open();
        assert_eq!(change(&mut piv), Err(error), "{word}");
    }
    // A card that does not count aloud is asked.
    for (count, error) in [
        ("63C2", Error::WrongPin { tries_left: 2 }),
        ("6983", Error::PinBlocked),
        ("9000", Error::Refused { command: "CHANGE REFERENCE DATA", status: StatusWord(0x6300) }),
    ] {
        let mut piv = Script::selected().on(PIN_STATUS, "63C3").on(CHANGE_PIN, "6300").on(PIN_STATUS, count).open();
        assert_eq!(change(&mut piv), Err(error), "{count}");
    }
    let mut piv = Script::selected().on(PIN_STATUS, "63C1").open();
    assert_eq!(change(&mut piv), Err(Error::LastTryKept), "not sent");
}

#[test]
fn a_puk_is_changed_and_sets_a_new_pin() {
    let ((old, new), (_, pin)) = (puks(), pins());
    let mut piv = Script::selected().on(CHANGE_PUK, "9000").on(RESET_PIN, "9000").open_with(OnEnd::ResetCard);
    assert_eq!(piv.change_puk(&old, &new), Ok(()));
    assert_eq!(piv.reset_pin(&old, &pin), Ok(()));
    for (word, expected) in [
        ("63C2", "CS-5035"),
        ("6300", "CS-5035"),
        ("63C0", "CS-5036"),
        ("6983", "CS-5036"),
        ("6A80", "CS-5038"),
        ("6F00", "CS-5032"),
    ] {
        assert_eq!(code(Script::selected().on(CHANGE_PUK, word).open().change_puk(&old, &new)), expected, "{word}");
        assert_eq!(code(Script::selected().on(RESET_PIN, word).open().reset_pin(&old, &pin)), expected, "{word}");
    }
    let wrong = |tries_left| Error::WrongPuk { tries_left }.to_string();
    assert_eq!(
        [wrong(None), wrong(Some(1)), wrong(Some(2))],
        ["wrong PUK", "wrong PUK; 1 try is left", "wrong PUK; 2 tries are left"]
    );
    assert_eq!(Puk::new("123").map(|_| ()).map_err(|error| error.code()), Err("CS-5037"));
}

#[test]
fn the_pin_is_unknown_after_a_reset_of_its_counter() {
    let ((puk, _), (_, pin)) = (puks(), pins());
    let mut piv = Script::selected()
        .on(PIN_STATUS, "6983")
        .on(RESET_PIN, "9000")
        .on(PIN_STATUS, "63C3")
        .open_with(OnEnd::ResetCard);
    assert_eq!(piv.pin_status(), Ok(PinStatus::Blocked));
    assert_eq!(piv.reset_pin(&puk, &pin), Ok(()));
    assert_eq!(piv.pin_status(), Ok(PinStatus::TriesLeft(3)));
}

#[test]
fn a_management_key_is_replaced_by_one_of_its_kind() {
    let key = |digits: &str| ManagementKey::from_hex(digits).expect("a key");
    let new = "A1".repeat(24);
    let command = format!("00FFFFFF1B 039B18 {new}");
    let set = |word: &str| {
        let mut piv = Script::selected().on(&command, word).open();
        piv.set_management_key(ManagementAlgorithm::TripleDes, &key(&new))
    };
    assert_eq!(set("9000"), Ok(()));
    assert_eq!(code(set("6982")), "CS-5044");
    assert_eq!(code(set("6D00")), "CS-5046");
    assert_eq!(code(set("6A80")), "CS-5032");
    let mut piv = Script::selected().open();
    let short = piv.set_management_key(ManagementAlgorithm::Aes256, &key(&new));
    assert_eq!(code(short), "CS-5043", "not sent");
    assert_eq!(code(ManagementKey::from_bytes(&[0; 23])), "CS-5042");
}

#[test]
fn a_card_gets_an_identity() {
    let guid = [0xA5; 16];
    let command = "00DB3FFF42 5C035FC102 533B 3019D4E739DA739CED39CE739D836858210842108421C84210C3EB 3410A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5 35083230323931323331 3E00 FE00";
    assert_eq!(Script::selected().on(command, "9000").open().put_chuid(&guid, "20291231"), Ok(()));
    assert_eq!(code(Script::selected().on(command, "6982").open().put_chuid(&guid, "20291231")), "CS-5044");
    assert_eq!(code(Script::selected().open().put_chuid(&guid, "2029")), "CS-5034");
}

#[test]
fn no_secret_is_traced() {
    let (options, events) = recording();
    let script = Script::selected()
        .on(PIN_STATUS, "63C3")
        .on(CHANGE_PIN, "9000")
        .on(CHANGE_PUK, "9000")
        .on(RESET_PIN, "9000")
        .on(&format!("00FFFFFF1B 039B18 {}", "A1".repeat(24)), "9000")
        .end(OnEnd::ResetCard);
    let ((old, new), (old_puk, new_puk)) = (pins(), puks());
    let mut piv = Piv::select(script, options).expect("selected");
    piv.change_pin(&old, &new, LastTry::Keep).expect("changed");
    piv.change_puk(&old_puk, &new_puk).expect("changed");
    piv.reset_pin(&old_puk, &new).expect("reset");
    let key = ManagementKey::from_bytes(&[0xA1; 24]).expect("a key");
    piv.set_management_key(ManagementAlgorithm::TripleDes, &key).expect("set");
    let heard: Vec<_> = events.lock().expect("no panic").iter().skip(2).map(|event| event.text.clone()).collect();
    assert_eq!(
        heard,
        [
            "00 24 00 80 [16 bytes withheld]",
            "00 24 00 81 [16 bytes withheld]",
            "00 2C 00 80 [16 bytes withheld]",
            "00 FF FF FF [27 bytes withheld]"
        ]
    );
}
