//! PIN entry at a scripted reader.

use countersign_card::{Error, LastTry, OnEnd, StatusWord, TransportError};

use crate::script::{PIN_STATUS, Script, code};

const VERIFY_DIRECT: u32 = 0x4233_0006;
const FEATURES: &str = "0604 42330006 1204 42330012";
const STRUCTURE: &str = "3C3C 82 08 00 0806 02 01 0904 00 000000 0D000000 0020008008 FFFFFFFFFFFFFFFF";

fn request() -> u32 {
    if cfg!(windows) { 0x31_0000 | 3400 << 2 } else { 0x4200_0000 + 3400 }
}

#[test]
fn the_reader_takes_the_pin() {
    let mut piv = Script::selected()
        .control(request(), "", Ok(FEATURES))
        .control(request(), "", Ok(FEATURES))
        .on(PIN_STATUS, "63C3")
        .control(VERIFY_DIRECT, STRUCTURE, Ok("9000"))
        .open_with(OnEnd::ResetCard);
    assert_eq!(piv.has_pin_pad(), Ok(true));
    assert_eq!(piv.verify_pin_on_pad(LastTry::Keep), Ok(()));
}

#[test]
fn answers_of_card_and_reader() {
    let cases = [
        ("63C2", Error::WrongPin { tries_left: 2 }, "CS-5024"),
        ("6983", Error::PinBlocked, "CS-5025"),
        ("6400", Error::PinPadTimeout, "CS-5052"),
        ("6401", Error::PinPadCancelled, "CS-5051"),
        ("6403", Error::PinMalformed, "CS-5027"),
        ("6B80", Error::Refused { command: "VERIFY", status: StatusWord(0x6B80) }, "CS-5032"),
        ("90", Error::MalformedReply { command: "VERIFY", what: "not a status word" }, "CS-5030"),
        ("009000", Error::MalformedReply { command: "VERIFY", what: "not a status word" }, "CS-5030"),
    ];
    for (reply, error, code) in cases {
        let mut piv = Script::selected()
            .control(request(), "", Ok(FEATURES))
            .on(PIN_STATUS, "63C3")
            .control(VERIFY_DIRECT, STRUCTURE, Ok(reply))
            .open();
        let outcome = piv.verify_pin_on_pad(LastTry::Keep);
        assert_eq!(outcome.as_ref().map_err(Error::code), Err(code), "{reply}");
        assert_eq!(outcome, Err(error), "{reply}");
    }
}

#[test]
fn a_fault_while_a_person_types_leaves_nothing_unlocked() {
    let mut piv = Script::selected()
        .control(request(), "", Ok(FEATURES))
        .on(PIN_STATUS, "63C3")
        .control(VERIFY_DIRECT, STRUCTURE, Err(TransportError::CardRemoved))
        .open_with(OnEnd::ResetCard);
    assert_eq!(piv.verify_pin_on_pad(LastTry::Keep), Err(Error::Transport(TransportError::CardRemoved)));
}

#[test]
fn the_last_try_is_kept() {
    let mut piv = Script::selected().control(request(), "", Ok(FEATURES)).on(PIN_STATUS, "63C1").open();
    assert_eq!(piv.verify_pin_on_pad(LastTry::Keep), Err(Error::LastTryKept));
}

#[test]
fn readers_without_a_pin_pad() {
    let refused = TransportError::Pcsc { code: 0x8010_001F, text: "unsupported".to_owned() };
    for features in [Ok(""), Ok("1204 42330012"), Err(refused)] {
        let mut piv = Script::selected().control(request(), "", features).open();
        assert_eq!(code(piv.verify_pin_on_pad(LastTry::Keep)), "CS-5050");
    }
    for garbled in ["06", "0604", "0603 42330006", "0604 42330006 12"] {
        let mut piv = Script::selected().control(request(), "", Ok(garbled)).open();
        assert_eq!(piv.has_pin_pad().map_err(|error| error.code()), Err("CS-5030"), "{garbled}");
    }
    let mut piv = Script::selected().control(request(), "", Err(TransportError::CardRemoved)).open();
    assert_eq!(piv.has_pin_pad(), Err(Error::Transport(TransportError::CardRemoved)));
}
