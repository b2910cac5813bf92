//! The PIN: states, tries, and when it is not sent at all.

use countersign_card::{Error, LastTry, OnEnd, Pin, PinStatus, StatusWord, TransportError};

use crate::script::{PIN_STATUS, Script, VERIFY_123456};

fn pin() -> Pin {
    Pin::new("123456").expect("a PIN")
}

#[test]
fn status_is_asked_for_without_spending_a_try() {
    let cases = [
        ("9000", Ok(PinStatus::Verified)),
        ("63CF", Ok(PinStatus::TriesLeft(15))),
        ("63C5", Ok(PinStatus::TriesLeft(5))),
        ("63C3", Ok(PinStatus::TriesLeft(3))),
        ("63C1", Ok(PinStatus::TriesLeft(1))),
        ("63C0", Ok(PinStatus::Blocked)),
        ("6983", Ok(PinStatus::Blocked)),
        ("6300", Err(Error::Refused { command: "VERIFY", status: StatusWord(0x6300) })),
        ("6A80", Err(Error::Refused { command: "VERIFY", status: StatusWord(0x6A80) })),
        ("6A86", Err(Error::Refused { command: "VERIFY", status: StatusWord(0x6A86) })),
        ("6C08", Err(Error::Refused { command: "VERIFY", status: StatusWord(0x6C08) })),
    ];
    for (word, outcome) in cases {
        assert_eq!(Script::selected().on(PIN_STATUS, word).open().pin_status(), outcome, "{word}");
    }
}

#[test]
fn answers_to_a_pin() {
    let cases = [
        ("63C4", Error::WrongPin { tries_left: 4 }),
        ("63C2", Error::WrongPin { tries_left: 2 }),
        ("63C0", Error::PinBlocked),
        ("6983", Error::PinBlocked),
        ("6A80", Error::Refused { command: "VERIFY", status: StatusWord(0x6A80) }),
        ("6982", Error::Refused { command: "VERIFY", status: StatusWord(0x6982) }),
        ("6700", Error::Refused { command: "VERIFY", status: StatusWord(0x6700) }),
    ];
    for (word, error) in cases {
        let mut piv = Script::selected().on(PIN_STATUS, "63C5").on(VERIFY_123456, word).open();
        assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(error), "{word}");
    }
}

#[test]
fn tries_known_are_not_asked_for_again() {
    let mut piv = Script::selected()
        .on(PIN_STATUS, "63C3")
        .on(VERIFY_123456, "63C2")
        .on(VERIFY_123456, "9000")
        .on(VERIFY_123456, "9000")
        .open_with(OnEnd::ResetCard);
    assert_eq!(piv.pin_status(), Ok(PinStatus::TriesLeft(3)));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::WrongPin { tries_left: 2 }));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Ok(()));
    // Before each signature with 9C.
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Ok(()));
}

#[test]
fn the_last_try_is_kept_unless_it_may_be_spent() {
    let mut piv = Script::selected().on(PIN_STATUS, "63C2").on(VERIFY_123456, "63C1").on(VERIFY_123456, "6983").open();
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::WrongPin { tries_left: 1 }));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::LastTryKept));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::LastTryKept));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Spend), Err(Error::PinBlocked));
    assert_eq!(piv.verify_pin(&pin(), LastTry::Spend), Err(Error::PinBlocked), "known to be blocked: not sent");
}

#[test]
fn a_pin_is_never_sent_twice_by_itself() {
    for error in [TransportError::CardReset, TransportError::CardRemoved, TransportError::NoService] {
        let mut piv = Script::selected()
            .on(PIN_STATUS, "63C3")
            .fault(VERIFY_123456, error.clone())
            // Whether the card has counted it is not known: the tries are asked for again.
            .on(PIN_STATUS, "63C1")
            // Nor whether it was right.
            .open_with(OnEnd::ResetCard);
        assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::Transport(error)));
        assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Err(Error::LastTryKept));
    }
}

#[test]
fn the_pin_of_the_whole_card_is_used_where_the_application_has_none() {
    const DISCOVERY: &str = "00CB3FFF03 5C017E 00";
    for (word, policy) in [("6A88", "2000"), ("6984", "6020"), ("6A88", "3020")] {
        let mut piv = Script::selected()
            .on(PIN_STATUS, word)
            .on(DISCOVERY, &format!("7E12 4F0BA000000308000010000100 5F2F02{policy} 9000"))
            .on("00200000", "63C3")
            .on("0020000008 313233343536FFFF", "9000")
            .open_with(OnEnd::ResetCard);
        assert_eq!(piv.verify_pin(&pin(), LastTry::Keep), Ok(()));
    }
    for (word, reply) in [
        ("6A88", "6A82"),
        ("6984", "7E12 4F0BA000000308000010000100 5F2F026010 9000"),
        ("6A88", "7E12 4F0BA000000308000010000100 5F2F024000 9000"),
    ] {
        let mut piv = Script::selected().on(PIN_STATUS, word).on(DISCOVERY, reply).open();
        let status = StatusWord(u16::from_str_radix(word, 16).expect("a word"));
        assert_eq!(piv.pin_status(), Err(Error::Refused { command: "VERIFY", status }));
    }
}
