//! Dates past 2038 and about 2050, where 32 bits and UTCTime end, through the rules of tokens and records.

#![allow(clippy::unwrap_used)]

use countersign_common::{
    Anchors, Certificate, Facts, NO_LISTS, Product, SignedObject, SigningRequest, State, Time, VerifiedRecord, oid,
    token::Window, validate,
};
use countersign_testpki::{
    Cast, Cms, Identity, Key, Request,
    certificates::{ca, holder_extensions, signer_extensions},
    der::{generalized_time, sequence, tlv},
    objects::{ATTRIBUTE_TOKEN, CONTENT_CHALLENGE, CONTENT_TOKEN, attribute, example_machine, machine, time},
};
use der::Encode;

/// A cast whose certificates are valid from 2026 to the last second of year 9999.
fn lasting() -> Cast {
    let lasting = |name, key, extensions| Request {
        not_after: "9999-12-31T23:59:59Z",
        ..Request::new(name, Key::p256(key), extensions)
    };
    let token_root = lasting("Token Root", "time token root", ca(None)).self_signed();
    let token_signer = lasting("Token Signer", "time token signer", signer_extensions()).issued_by(&token_root);
    let holder_root = lasting("Holder Root", "time holder root", ca(None)).self_signed();
    let holder = lasting("Alex Example", "time holder", holder_extensions()).issued_by(&holder_root);
    Cast { token_root, token_signer, holder_root, holder }
}

/// A token issued, with a window that opens, then, and a record activated and signed at a time.
fn record(cast: &Cast, issued: &str, activated: &str, validity: u32) -> Vec<u8> {
    let mut body = cast.token_body();
    body.window = Window { not_before: time(issued), not_after: time("9999-12-31T23:59:59Z") };
    body.terms.validity = Some(validity);
    body.terms.renew_after = None;
    let token = Cms::new(CONTENT_TOKEN, body.to_der().unwrap(), &cast.token_signer, issued).build();
    let mut challenge = cast.challenge(&token);
    challenge.time = time(activated);
    let mut cms = Cms::new(CONTENT_CHALLENGE, challenge.to_der().unwrap(), &cast.holder, activated);
    cms.unsigned = vec![attribute(ATTRIBUTE_TOKEN, &[token])];
    cms.build()
}

fn judge(cast: &Cast, record: &[u8], now: Time) -> (State, &'static str) {
    let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
    let facts = Facts {
        now: Some(now),
        newest_time_seen: None,
        product: product(cast),
        machine: &machine(&example_machine()),
        anchors: &anchors,
        lists: &NO_LISTS,
    };
    let verdict = validate(record, &facts);
    (verdict.state, verdict.reason.code())
}

fn product(cast: &Cast) -> Product<'static> {
    let terms = cast.token_body().product;
    Product { id: terms.id.leak(), edition: None, version: terms.from }
}

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

#[test]
fn records_of_later_years_hold_from_their_time_to_their_end() {
    const YEAR: u32 = 31_536_000;
    let cast = lasting();
    for (issued, activated) in [
        ("2038-01-19T03:14:07Z", "2038-01-19T03:14:08Z"),
        ("2038-12-01T00:00:00Z", "2039-03-01T12:00:00Z"),
        ("2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z"),
        ("2050-01-01T00:00:00Z", "2051-03-01T12:00:00Z"),
        ("2099-01-01T00:00:00Z", "2100-02-28T23:59:59Z"),
        ("2106-02-07T06:28:15Z", "2106-02-07T06:28:16Z"),
    ] {
        let record = record(&cast, issued, activated, YEAR);
        let activated = at(activated);
        for (now, expected) in [
            (at("2026-11-24T09:30:00Z"), (State::CannotTell, "CS-3202")),
            (activated.minus(301), (State::CannotTell, "CS-3202")),
            (activated.minus(300), (State::Licensed, "CS-0001")),
            (activated, (State::Licensed, "CS-0001")),
            (activated.plus(YEAR.into()), (State::Licensed, "CS-0001")),
            (activated.plus(u64::from(YEAR) + 1), (State::Unlicensed, "CS-3207")),
            (at("9999-12-31T23:59:59Z"), (State::Unlicensed, "CS-3207")),
        ] {
            assert_eq!(judge(&cast, &record, now), expected, "activated {activated}, judged {now}");
        }
    }
}

#[test]
fn a_validity_of_a_century_ends_where_it_should() {
    let cast = lasting();
    let record = record(&cast, "2039-01-01T00:00:00Z", "2039-03-01T12:00:00Z", 3_155_760_000);
    assert_eq!(judge(&cast, &record, at("2139-03-02T12:00:00Z")).1, "CS-0001");
    assert_eq!(judge(&cast, &record, at("2139-03-02T12:00:01Z")).1, "CS-3207");
    // No date is later than year 9999, and an end beyond it is there.
    let last = self::record(&cast, "2039-01-01T00:00:00Z", "9999-12-31T12:00:00Z", 3_155_760_000);
    assert_eq!(judge(&cast, &last, Time::from_unix(i64::MAX)).1, "CS-0001");
}

#[test]
fn signing_time_is_utc_time_through_2049_and_generalized_time_afterwards() {
    let cast = lasting();
    let signing_time = |value: Vec<u8>| {
        let mut cms = cast.token_cms(cast.token_body().to_der().unwrap());
        cms.attributes[1] = attribute("1.2.840.113549.1.9.5", &[value]);
        let der = cms.build();
        SignedObject::from_der(&der).map(|object| object.signing_time()).map_err(|reason| reason.code())
    };
    let utc = |text: &str| signing_time(tlv(0x17, &[text.as_bytes()]));
    let generalized = |text: &str| signing_time(tlv(0x18, &[text.as_bytes()]));
    for (text, expected) in [
        ("380119031408Z", "2038-01-19T03:14:08Z"),
        ("491231235959Z", "2049-12-31T23:59:59Z"),
        ("500101000000Z", "1950-01-01T00:00:00Z"),
        ("991231235959Z", "1999-12-31T23:59:59Z"),
    ] {
        assert_eq!(utc(text), Ok(at(expected)));
    }
    assert_eq!(generalized("20500101000000Z"), Ok(at("2050-01-01T00:00:00Z")));
    assert_eq!(generalized("19491231235959Z"), Ok(at("1949-12-31T23:59:59Z")));
    for text in ["20491231235959Z", "20260615093000Z", "19500101000000Z"] {
        assert_eq!(generalized(text), Err("CS-1101"), "{text}");
    }
    for text in
        ["260615093000+0000", "260615093000-0500", "2606150930Z", "260615093000", "260615093060Z", "260631093000Z"]
    {
        assert_eq!(utc(text), Err("CS-1101"), "{text}");
    }
    for text in ["20510615093000+0000", "20510615093000.5Z", "205106150930Z", "20510615093000", "20510229093000Z"] {
        assert_eq!(generalized(text), Err("CS-1101"), "{text}");
    }
}

#[test]
fn what_is_signed_here_follows_the_same_boundary() {
    let cast = lasting();
    let signer = Certificate::from_der(&cast.token_signer.certificate).unwrap();
    for (text, tag) in [("2049-12-31T23:59:59Z", 0x17), ("2050-01-01T00:00:00Z", 0x18)] {
        let algorithm = cast.token_signer.key.algorithm();
        let request = SigningRequest::new(oid::CONTENT_TOKEN, b"\x30\x00", &signer, algorithm, at(text)).unwrap();
        let value = &generalized_time(text)[2..];
        let value = if tag == 0x17 { &value[2..] } else { value };
        let expected = tlv(tag, &[value]);
        let object = request.finish(b"x", &[], None).unwrap();
        assert!(object.windows(expected.len()).any(|window| window == expected), "{text}");
    }
}

#[test]
fn certificates_state_their_dates_in_either_form_and_in_utc_only() {
    let cast = lasting();
    let dated = |not_before: Vec<u8>, not_after: Vec<u8>| {
        let validity = sequence(&[&not_before, &not_after]);
        let holder = Key::p256("time holder");
        Request { validity, ..Request::new("Alex Example", holder, holder_extensions()) }.issued_by(&cast.holder_root)
    };
    let utc = |text: &str| tlv(0x17, &[text.as_bytes()]);
    let generalized = |text: &str| tlv(0x18, &[text.as_bytes()]);
    let last = || generalized("20500101000000Z");
    let good = dated(utc("491231235959Z"), last());
    let certificate = Certificate::from_der(&good.certificate).unwrap();
    assert_eq!(certificate.not_before(), at("2049-12-31T23:59:59Z"));
    assert_eq!(certificate.not_after(), at("2050-01-01T00:00:00Z"));
    // By the rules: valid in that second and the next, and in no other.
    for (activated, expected) in [
        ("2049-12-31T23:59:58Z", "CS-2008"),
        ("2049-12-31T23:59:59Z", ""),
        ("2050-01-01T00:00:00Z", ""),
        ("2050-01-01T00:00:01Z", "CS-2009"),
    ] {
        let Cast { token_root, token_signer, holder_root, .. } = lasting();
        let holder = Identity { certificate: good.certificate.clone(), ..dated(utc("491231235959Z"), last()) };
        let cast = Cast { token_root, token_signer, holder_root, holder };
        let record = record(&cast, "2049-01-01T00:00:00Z", activated, 60);
        let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
        let verified = VerifiedRecord::verify(SignedObject::from_der(&record).unwrap(), &anchors, &NO_LISTS);
        assert_eq!(verified.err().map_or("", |reason| reason.code()), expected, "{activated}");
    }
    for not_before in [
        utc("260101000000+0000"),
        utc("260101000000+0100"),
        utc("2601010000Z"),
        utc("260101000000"),
        utc("20260101000000Z"),
        generalized("20260101000000+0000"),
        generalized("20260101000000.0Z"),
        generalized("20260101000000"),
        generalized("260101000000Z"),
        tlv(0x0c, &[b"20260101000000Z"]),
    ] {
        let refused = Certificate::from_der(&dated(not_before.clone(), last()).certificate).map(|_| ());
        assert_eq!(refused.unwrap_err().kind.code(), "CS-2001", "{not_before:?}");
    }
}
