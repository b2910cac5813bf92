//! Selecting, reading, giving back and taking again.

use countersign_card::{
    Algorithm, ApplicationProperties, Chuid, Error, LastTry, OnEnd, Options, Pin, PinPolicy, PinStatus, Piv, Slot,
    StatusWord,
};

use crate::script::{
    PIN_STATUS, READ_9A, READ_9C, SELECT, SELECTED, Script, VERIFY_123456, answer, certificate, certificate_object,
    code, hex, recording,
};

#[test]
fn an_activation_is_five_commands() {
    let (options, events) = recording();
    let certificate = certificate(600, 7);
    let object = certificate_object(&certificate);
    let signature = [&hex("3006020101020101")[..]].concat();
    let script = Script::selected()
        .on(READ_9C, &(crate::script::show(&object[..256]) + "6100"))
        .on("00C0000000", &(crate::script::show(&object[256..512]) + "6169"))
        .on("00C0000069", &answer(&object[512..]))
        .on(PIN_STATUS, "63C3")
        .on(VERIFY_123456, "9000")
        .on(&format!("0087119C26 7C24 8200 8120 {} 00", "AB".repeat(32)), "7C0A 8208 3006020101020101 9000")
        .end(OnEnd::ResetCard);
    let mut piv = Piv::select(script, options).expect("selected");
    assert_eq!(piv.certificate(Slot::Signature), Ok(Some(certificate)));
    piv.verify_pin(&Pin::new("123456").expect("a PIN"), LastTry::Keep).expect("verified");
    assert_eq!(piv.sign(Slot::Signature, Algorithm::P256, &[0xAB; 32]), Ok(signature));

    let heard: Vec<_> = events.lock().expect("no panic").iter().map(ToString::to_string).collect();
    let digest = ["AB"; 32].join(" ");
    assert_eq!(
        heard,
        [
            "SELECT: 00 A4 04 00 [A0 00 00 03 08 00 00 10 00] -> 9000, 19 bytes, 1 APDUs".to_owned(),
            "GET DATA: 00 CB 3F FF [5C 03 5F C1 0A] -> 9000, 613 bytes, 3 APDUs".to_owned(),
            "VERIFY: 00 20 00 80 -> 63C3, 0 bytes, 1 APDUs".to_owned(),
            "VERIFY: 00 20 00 80 [8 bytes withheld] -> 9000, 0 bytes, 1 APDUs".to_owned(),
            format!("GENERAL AUTHENTICATE: 00 87 11 9C [7C 24 82 00 81 20 {digest}] -> 9000, 12 bytes, 1 APDUs"),
        ]
    );
}

#[test]
fn properties_are_read() {
    let select = "6116 4F06000010000100 7907 4F05A000000308 5003 504956 9000";
    let piv = Script::empty().begin(Ok(())).on(SELECT, select).open();
    let properties = ApplicationProperties { label: Some("PIV".to_owned()), extended_length: None };
    assert_eq!(piv.properties(), &properties);
}

#[test]
fn other_cards_are_not_piv() {
    for word in ["6A82", "6A81", "6D00", "6E00", "6999", "6283"] {
        let script = Script::empty().begin(Ok(())).on(SELECT, word).end(OnEnd::LeaveCard);
        let status = StatusWord(u16::from_str_radix(word, 16).expect("a word"));
        assert_eq!(Piv::select(script, Options::default()).err(), Some(Error::NotPiv { status }));
    }
    for garbled in ["9000", "6F00 9000", "6103 4F 9000", "6100 9000", "61024F00 610299 9000"] {
        let script = Script::empty().begin(Ok(())).on(SELECT, garbled).end(OnEnd::LeaveCard);
        let error = Piv::select(script, Options::default()).err().expect("refused");
        assert_eq!(error.code(), "CS-5030", "{garbled}");
    }
}

#[test]
fn a_missing_object_has_several_words() {
    for word in ["6A80", "6A82", "6A88", "53009000", "5309 70007101 00FE00 72009000"] {
        let mut piv = Script::selected().on(READ_9A, word).on(READ_9C, word).open();
        assert_eq!(piv.certificate(Slot::Authentication), Ok(None), "{word}");
        assert_eq!(piv.certificate(Slot::Signature), Ok(None), "{word}");
    }
    let mut piv = Script::selected().on(READ_9A, "6982").on(READ_9A, "6F00").open();
    assert_eq!(piv.certificate(Slot::Authentication), Err(Error::PinRequired));
    let refused = Error::Refused { command: "GET DATA", status: StatusWord(0x6F00) };
    assert_eq!(piv.certificate(Slot::Authentication), Err(refused));
}

#[test]
fn an_object_that_is_not_one_is_told_from_a_missing_one() {
    let mut piv = Script::selected()
        .on(READ_9A, "5303 700130 9000")
        // Said to be compressed, and is not.
        .on(READ_9A, "5308 7003 300100 710101 9000")
        .on("00CB3FFF05 5C035FC102 00", "3019 9000")
        .on("00CB3FFF03 5C017E 00", "7E04 5F2F0160 9000")
        .open();
    assert_eq!(code(piv.certificate(Slot::Authentication)), "CS-5022");
    assert_eq!(code(piv.certificate(Slot::Authentication)), "CS-5023");
    assert_eq!(code(piv.chuid()), "CS-5022");
    assert_eq!(code(piv.pin_policy()), "CS-5022");
}

#[test]
fn chuid_and_discovery_are_read() {
    let chuid = "533B 3019 D4E739DA739CED39CE739D836858210842108421C84210C3EB 3410 000102030405060708090A0B0C0D0E0F \
                 3508 3230333030313031 3E00 FE00 9000";
    let mut piv = Script::selected()
        .on("00CB3FFF05 5C035FC102 00", chuid)
        .on("00CB3FFF05 5C035FC102 00", "6A82")
        .on("00CB3FFF03 5C017E 00", "7E12 4F0BA000000308000010000100 5F2F024000 9000")
        .on("00CB3FFF03 5C017E 00", "6A80")
        .open();
    let guid = std::array::from_fn(|at| at as u8);
    assert_eq!(piv.chuid(), Ok(Some(Chuid { guid, expiration: Some("20300101".to_owned()) })));
    assert_eq!(piv.chuid(), Ok(None));
    let policy = PinPolicy { application_pin: true, global_pin: false, global_pin_preferred: false };
    assert_eq!(piv.pin_policy(), Ok(Some(policy)));
    assert_eq!(piv.pin_policy(), Ok(None));
}

#[test]
fn the_card_is_free_while_a_person_types() {
    let object = answer(&certificate_object(&certificate(100, 7)));
    let mut piv = Script::selected()
        .on(READ_9C, &object)
        .on(PIN_STATUS, "63C3")
        .end(OnEnd::LeaveCard)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .on(READ_9C, &object)
        .on(PIN_STATUS, "63C2")
        .on(VERIFY_123456, "9000")
        .open_with(OnEnd::ResetCard);
    piv.certificate(Slot::Signature).expect("read");
    assert_eq!(piv.pin_status(), Ok(PinStatus::TriesLeft(3)));
    piv.release().expect("released");
    piv.resume().expect("the same card");
    // Another program may have spent tries: they are asked for again.
    piv.verify_pin(&Pin::new("123456").expect("a PIN"), LastTry::Keep).expect("verified");
}

#[test]
fn a_card_that_was_shown_the_pin_is_reset_on_release() {
    let mut piv = Script::selected()
        .on(PIN_STATUS, "63C3")
        .on(VERIFY_123456, "9000")
        .end(OnEnd::ResetCard)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .open();
    piv.verify_pin(&Pin::new("123456").expect("a PIN"), LastTry::Keep).expect("verified");
    piv.release().expect("released");
    piv.resume().expect("any card, since none is known yet");
}

/// SP 800-73 part 2, 3.1.1: a card on which PIV is selected already keeps its security status when PIV is selected again.
#[test]
fn selecting_again_does_not_make_the_card_forget_the_pin() {
    let mut piv = Script::selected()
        .on(PIN_STATUS, "63C3")
        .on(VERIFY_123456, "9000")
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .open_with(OnEnd::ResetCard);
    piv.verify_pin(&Pin::new("123456").expect("a PIN"), LastTry::Keep).expect("verified");
    piv.resume().expect("any card, since none is known yet");
}

#[test]
fn another_card_is_noticed() {
    let known = answer(&certificate_object(&certificate(100, 7)));
    let other = answer(&certificate_object(&certificate(100, 8)));
    for found in [other.as_str(), "6A82", "53009000", "6F00", "53019000"] {
        let mut piv = Script::selected()
            .on(READ_9A, "6A82")
            .on(READ_9C, &known)
            .end(OnEnd::LeaveCard)
            .begin(Ok(()))
            .on(SELECT, SELECTED)
            .on(READ_9C, found)
            .open();
        piv.certificate(Slot::Authentication).expect("none");
        piv.certificate(Slot::Signature).expect("one");
        piv.release().expect("released");
        assert_eq!(piv.resume(), Err(Error::CardExchanged), "{found}");
    }
}
