//! Mending a clock that ran ahead: with the answers of a real time-stamping authority, `openssl ts`, and with stamps
//! made here for what no authority would make.

#![allow(clippy::unwrap_used)]

mod authority;
mod hostile;
mod openssl;

use countersign_common::{
    Anchors, ClockRequest, Facts, MachineFacts, NO_LISTS, Product, Reason, SignedObject, Time, VerifiedTimestamp,
    VerifiedToken, mend, token::ClockRepair,
};
use countersign_testpki::{
    Cast,
    objects::{example_machine, machine},
};
use der::{Decode, asn1::Any};

/// The floor of a machine whose clock stood a century ahead.
const FLOOR: &str = "2126-11-24T09:30:00Z";

/// A token that permits mending by the stamps of some anchors, and the machine whose clock ran ahead.
struct Site {
    cast: Cast,
    token: Vec<u8>,
    machine: MachineFacts,
}

impl Site {
    /// Anchors in DER.
    fn new(anchors: &[&[u8]]) -> Self {
        let cast = Cast::new();
        let anchors = anchors.iter().map(|der| Any::from_der(der).unwrap()).collect();
        let repair = ClockRepair { timestamp_anchors: Some(anchors), two_holders: false };
        let token = cast.token(|token| token.terms.clock_repair = Some(repair));
        Self { cast, token, machine: machine(&example_machine()) }
    }

    /// Calls with the verified token and the facts of the machine at a time.
    fn at<T>(&self, now: &str, then: impl FnOnce(&VerifiedToken<'_>, &Facts<'_>) -> T) -> T {
        let anchors = Anchors::new([self.cast.token_root.certificate.as_slice()]).unwrap();
        let token = SignedObject::from_der(&self.token).unwrap();
        let token = VerifiedToken::verify(token, &anchors, &NO_LISTS).unwrap();
        let facts = Facts {
            now: Some(time(now)),
            newest_time_seen: Some(time(FLOOR)),
            product: Product::new("control-room"),
            machine: &self.machine,
            anchors: &anchors,
            lists: &NO_LISTS,
        };
        then(&token, &facts)
    }

    /// The request of this machine, always the same.
    fn request(&self) -> ClockRequest {
        self.at("2026-06-01T00:00:00Z", |token, facts| ClockRequest::new(token, [0xa7; 32], facts)).unwrap()
    }

    fn mend(&self, response: &[u8], request: &ClockRequest, now: &str) -> Result<VerifiedTimestamp, Reason> {
        self.at(now, |token, facts| mend(response, request, token, facts))
    }
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// The code of a refusal; nothing where there is none.
fn code<T>(result: Result<T, Reason>) -> &'static str {
    result.err().map_or("", |reason| reason.code())
}
