//! Answers of time-stamping authorities (RFC 3161), judged as ones to a request of this machine.

use countersign_common::{
    Anchors, COURIER_TIME, ClockRequest, Facts, MachineFacts, NO_LISTS, Product, SignedObject, Time, VerifiedToken,
    mend, token::ClockRepair,
};
use countersign_testpki::{
    Cast, Identity, Key, Request,
    certificates::{DIGITAL_SIGNATURE, ca, extension, key_usage},
    der::{oid, sequence},
    objects::{Cms, example_machine, machine},
};
use der::{Decode, asn1::Any};
use std::sync::LazyLock;

const NOW: &str = "2026-06-20T12:00:00Z";
const FLOOR: &str = "2126-11-24T09:30:00Z";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

/// A machine whose clock ran ahead, its token, and the authority that the token trusts.
struct Site {
    cast: Cast,
    stamper: Identity,
    token: Vec<u8>,
    machine: MachineFacts,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let cast = Cast::new();
    let root = Request::new("Stamp Root", Key::p256("countersign fuzz stamp root"), ca(None)).self_signed();
    let usage = extension("2.5.29.37", true, &sequence(&[&oid(TIME_STAMPING)]));
    let extensions = vec![key_usage(DIGITAL_SIGNATURE), usage];
    let stamper = Request::new("Stamper", Key::p256("countersign fuzz stamper"), extensions).issued_by(&root);
    let anchor = Any::from_der(&root.certificate).expect("a certificate");
    let repair = ClockRepair { timestamp_anchors: Some(vec![anchor]), two_holders: false };
    let token = cast.token(|token| token.terms.clock_repair = Some(repair));
    Site { cast, stamper, token, machine: machine(&example_machine()) }
});
static ANCHORS: LazyLock<Anchors<'static>> =
    LazyLock::new(|| Anchors::new([SITE.cast.token_root.certificate.as_slice()]).expect("a root"));
static TOKEN: LazyLock<VerifiedToken<'static>> = LazyLock::new(|| {
    let object = SignedObject::from_der(&SITE.token).expect("a token");
    VerifiedToken::verify(object, &ANCHORS, &NO_LISTS).expect("a good token")
});
/// The request of this machine.
pub static REQUEST: LazyLock<ClockRequest> =
    LazyLock::new(|| ClockRequest::new(&TOKEN, [0xa7; 32], &facts()).expect("a clock to mend"));

fn facts() -> Facts<'static> {
    Facts {
        now: Some(now()),
        newest_time_seen: Some(FLOOR.parse().expect("a time")),
        product: Product::new("control-room"),
        machine: &SITE.machine,
        anchors: &ANCHORS,
        lists: &NO_LISTS,
    }
}

fn now() -> Time {
    NOW.parse().expect("a time")
}

/// A TimeStampToken with this TSTInfo, signed by the authority.
pub fn stamped(info: &[u8]) -> Vec<u8> {
    Cms::new(TST_INFO, info.to_vec(), &SITE.stamper, NOW).build()
}

/// A stamp that mends is one over this request, of about now.
pub fn mend_by(response: &[u8]) {
    if let Ok(stamp) = mend(response, &REQUEST, &TOKEN, &facts()) {
        assert!(stamp.time <= now().plus(300) && now() <= stamp.time.plus(COURIER_TIME), "not of about now");
        let query = REQUEST.query().expect("a query");
        // The imprint in its OCTET STRING, then the nonce in its INTEGER, stand in the query and in the answer.
        let imprint = query.windows(2).position(|start| start == [0x04, 0x20]).expect("an imprint");
        let nonce = &query[imprint + 34..][..10];
        for part in [&query[imprint..][..34], nonce] {
            assert!(response.windows(part.len()).any(|window| window == part), "a stamp of something else");
        }
        let other = ClockRequest { nonce: countersign_common::Octets([0x5a; 32]), ..REQUEST.clone() };
        assert!(mend(response, &other, &TOKEN, &facts()).is_err(), "a stamp for two requests");
    }
}
