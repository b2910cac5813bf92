//! Whom a token admits before a card is asked to sign.

use countersign_common::{Anchors, Certificate, NO_LISTS, Reason, SignedObject, Slot, Time, VerifiedToken};
use countersign_testpki::{Cast, Key, Request, certificates::holder_extensions, objects::ACTIVATED};

/// What the example token says of a holder with this key.
fn admitted(key: Key, at: &str) -> Result<(), Reason> {
    let cast = Cast::new();
    let token = cast.token(|_| {});
    let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
    let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS).unwrap();
    let holder = Request::new("Alex Example", key, holder_extensions()).issued_by(&cast.holder_root);
    let holder = Certificate::from_der(&holder.certificate).unwrap();
    token.admit(&holder, &[], Slot::Signature, at.parse().unwrap(), &anchors, &NO_LISTS).map(|_| ())
}

#[test]
fn a_key_that_may_not_sign_a_record_is_refused_before_a_pin_is_asked_for() {
    assert_eq!(admitted(Key::ed25519("holder"), ACTIVATED), Err(Reason::AlgorithmNotAllowed));
    assert_eq!(admitted(Key::p384("holder"), ACTIVATED), Ok(()));
    assert_eq!(admitted(Key::rsa_2048(), "2030-12-31T23:59:59Z"), Ok(()));
    let since: Time = "2031-01-01".parse().unwrap();
    assert_eq!(admitted(Key::rsa_2048(), "2031-01-01"), Err(Reason::AlgorithmRefused { since, at: since }));
    assert_eq!(admitted(Key::p384("holder"), "2031-01-01"), Ok(()));
}
