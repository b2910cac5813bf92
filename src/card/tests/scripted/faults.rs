//! Faults of reader and service in the middle of a session.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_card::{
    Algorithm, Error, ManagementAlgorithm, OnEnd, Options, PinStatus, Piv, Slot, StatusWord, TransportError,
};

use crate::script::{PIN_STATUS, READ_9C, SELECT, SELECTED, Script, answer, certificate, certificate_object};

#[test]
fn reading_goes_on_after_a_reset() {
    let object = answer(&certificate_object(&certificate(100, 7)));
    let mut piv = Script::selected()
        .fault(READ_9C, TransportError::CardReset)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .on(READ_9C, &object)
        // From now on the card is known by its certificate.
        .fault(PIN_STATUS, TransportError::CardReset)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .on(READ_9C, &object)
        .on(PIN_STATUS, "63C3")
        .open();
    assert!(piv.certificate(Slot::Signature).is_ok());
    assert_eq!(piv.pin_status(), Ok(PinStatus::TriesLeft(3)));
}

#[test]
fn a_reset_may_hide_another_card() {
    let mut piv = Script::selected()
        .on(READ_9C, &answer(&certificate_object(&certificate(100, 7))))
        .fault(PIN_STATUS, TransportError::CardReset)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .on(READ_9C, &answer(&certificate_object(&certificate(100, 8))))
        .open();
    assert!(piv.certificate(Slot::Signature).is_ok());
    assert_eq!(piv.pin_status(), Err(Error::CardExchanged));
}

#[test]
fn a_card_that_is_reset_again_and_again_is_given_up() {
    let mut piv = Script::selected()
        .fault(PIN_STATUS, TransportError::CardReset)
        .begin(Ok(()))
        .on(SELECT, SELECTED)
        .fault(PIN_STATUS, TransportError::CardReset)
        .open();
    assert_eq!(piv.pin_status(), Err(Error::Transport(TransportError::CardReset)));

    let script = Script::empty()
        .begin(Ok(()))
        .fault(SELECT, TransportError::CardReset)
        .begin(Ok(()))
        .fault(SELECT, TransportError::CardReset)
        .end(OnEnd::LeaveCard);
    let error = Piv::select(script, Options::default()).err();
    assert_eq!(error, Some(Error::Transport(TransportError::CardReset)));
}

#[test]
fn every_fault_is_passed_on() {
    for error in every_transport_error() {
        if error == TransportError::CardReset {
            continue;
        }
        let script = Script::empty().begin(Err(error.clone())).end(OnEnd::LeaveCard);
        assert_eq!(Piv::select(script, Options::default()).err(), Some(Error::Transport(error.clone())));
        let mut piv = Script::selected().fault(READ_9C, error.clone()).open();
        assert_eq!(piv.certificate(Slot::Signature), Err(Error::Transport(error)));
    }
}

#[test]
fn every_error_has_a_code_of_its_own() {
    let errors: Vec<_> =
        every_transport_error().into_iter().map(Error::Transport).chain(every_error_of_the_card()).collect();
    let codes: BTreeSet<_> = errors.iter().map(Error::code).collect();
    assert_eq!(codes.len(), errors.len(), "no code twice");
    assert!(codes.iter().copied().eq(Error::CODES.iter().map(|(code, _)| *code)), "all of them, in order");
    assert!(codes.iter().all(|code| code.starts_with("CS-50")));
    for error in errors {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{text}");
    }
}

fn every_error_of_the_card() -> Vec<Error> {
    let (slot, algorithm, status) = (Slot::Signature, Algorithm::P256, StatusWord(0x6A80));
    vec![
        Error::CannotAttest { slot, status },
        Error::ManagementKeyFixed { status },
        Error::NewPinRefused,
        Error::PukBlocked,
        Error::PukMalformed,
        Error::WrongPuk { tries_left: Some(2) },
        Error::CardExchanged,
        Error::CertificateCompression { slot },
        Error::InputLength { length: 1, expected: 32 },
        Error::KeyRefused { slot, algorithm, status },
        Error::LastTryKept,
        Error::MalformedObject { object: "CHUID", what: "tag missing" },
        Error::MalformedReply { command: "SELECT", what: "tag missing" },
        Error::ManagementAlgorithmUnknown,
        Error::ManagementCardUnproven,
        Error::ManagementKeyLength { algorithm: ManagementAlgorithm::Aes128, length: 24 },
        Error::ManagementKeyMalformed,
        Error::ManagementKeyRequired,
        Error::ManagementKeyWrong,
        Error::NoCertificate { slot },
        Error::NoPinPad,
        Error::NotPiv { status },
        Error::PinBlocked,
        Error::PinMalformed,
        Error::PinPadCancelled,
        Error::PinPadTimeout,
        Error::PinRequired,
        Error::Refused { command: "SELECT", status },
        Error::ReplyTooLarge { command: "SELECT", limit: 1 },
        Error::WrongPin { tries_left: 1 },
    ]
}

fn every_transport_error() -> Vec<TransportError> {
    vec![
        TransportError::Ambiguous { readers: vec!["A".to_owned(), "B".to_owned()] },
        TransportError::Cancelled,
        TransportError::CardMute,
        TransportError::CardRemoved,
        TransportError::CardReset,
        TransportError::CardUnresponsive { limit: Duration::from_secs(10) },
        TransportError::NoCard,
        TransportError::NoReader,
        TransportError::NoService,
        TransportError::Pcsc { code: 0x8010_0001, text: "internal".to_owned() },
        TransportError::ReaderUnknown { name: "A".to_owned() },
        TransportError::SharingViolation { holders: Vec::new() },
    ]
}
