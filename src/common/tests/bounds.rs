//! Where each bound of a record's times lies, to the second, and which of several refusals is told.

#![allow(clippy::unwrap_used)]

use countersign_common::{
    Anchors, CLOCK_TOLERANCE, Facts, MachineFacts, NO_LISTS, Product, Reason, RevocationList, Time, Verdict, decimal,
    list_may_follow, validate,
};
use countersign_testpki::{
    Cast, Key, List, Request,
    certificates::ca,
    objects::{ISSUED, example_machine, machine, other_machine, signing_time_attribute, time},
};

const VALIDITY: u32 = 10_000;
const RENEWAL: u32 = 1_000;
/// When the entitlement ends, in seconds after the activation.
const ENTITLED: u64 = 5_000;

fn issued() -> Time {
    ISSUED.parse().unwrap()
}

/// A record whose challenge and signature are so many seconds after the token.
fn record(cast: &Cast, challenged: i64, signed: i64) -> Vec<u8> {
    let after = |seconds: i64| Time::from_unix(issued().unix() + seconds).to_string();
    cast.record(
        |token| {
            token.window.not_before = time("2026-01-01T00:00:00Z");
            (token.terms.validity, token.terms.renew_after) = (Some(VALIDITY), Some(RENEWAL));
            let mut entitlements = token.entitlements.take().unwrap();
            entitlements.truncate(1);
            entitlements[0].not_after = Some(time(&after(challenged + ENTITLED as i64)));
            token.entitlements = Some(entitlements);
        },
        |challenge| challenge.time = time(&after(challenged)),
        |cms| cms.attributes[1] = signing_time_attribute(&after(signed)),
    )
}

fn judge(cast: &Cast, record: &[u8], now: Option<Time>, seen: Option<Time>, machine: &MachineFacts) -> Verdict {
    let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
    let terms = cast.token_body().product;
    let product = Product { id: terms.id.leak(), edition: None, version: terms.from };
    let facts = Facts { now, newest_time_seen: seen, product, machine, anchors: &anchors, lists: &NO_LISTS };
    validate(record, &facts)
}

#[test]
fn an_activation_ends_with_its_last_second() {
    let cast = Cast::new();
    let (record, machine) = (record(&cast, 0, 0), machine(&example_machine()));
    let at = |seconds| judge(&cast, &record, Some(issued().plus(seconds)), None, &machine);
    for (seconds, code) in [
        (u64::from(RENEWAL) - 1, "CS-0001"),
        (RENEWAL.into(), "CS-0002"),
        (VALIDITY.into(), "CS-0002"),
        (u64::from(VALIDITY) + 1, "CS-3207"),
    ] {
        assert_eq!(at(seconds).reason.code(), code, "{seconds}");
    }
    assert_eq!([ENTITLED, ENTITLED + 1].map(|seconds| at(seconds).entitlements.len()), [1, 0]);
}

#[test]
fn clocks_may_disagree_by_the_tolerance() {
    let cast = Cast::new();
    let machine = machine(&example_machine());
    let code = |challenged, signed, seen: u64| {
        let record = record(&cast, challenged, signed);
        judge(&cast, &record, Some(issued().plus(600)), Some(issued().plus(seen)), &machine).reason.code()
    };
    let tolerance = CLOCK_TOLERANCE as i64;
    assert_eq!([600, 601].map(|seen| code(0, 0, seen + CLOCK_TOLERANCE)), ["CS-0001", "CS-3202"]);
    assert_eq!([tolerance, tolerance + 1].map(|signed| code(0, signed, 0)), ["CS-0001", "CS-3203"]);
    assert_eq!([tolerance, tolerance + 1].map(|challenged| code(challenged, 0, 0)), ["CS-0001", "CS-3203"]);
    assert_eq!([-tolerance, -tolerance - 1].map(|both| code(both, both, 0)), ["CS-0001", "CS-3204"]);
}

#[test]
fn a_certain_no_is_told_before_what_cannot_be_told() {
    let cast = Cast::new();
    let record = record(&cast, 0, 0);
    let code = |facts: &MachineFacts| judge(&cast, &record, None, None, facts).reason.code();
    assert_eq!([code(&machine(&example_machine())), code(&machine(&other_machine()))], ["CS-3201", "CS-4001"]);
}

#[test]
fn a_certificate_list_follows_one_of_a_lower_number_and_no_later_date() {
    let issuer = Request::new("Issuer", Key::p256("bounds issuer"), ca(None)).self_signed();
    let list = |number, day| {
        let update = format!("2026-03-{day:02}T00:00:00Z");
        List::new(&issuer).number(number).dates(&update, "2026-12-31T23:59:59Z").sign(&issuer.key)
    };
    let old = list(300, 10);
    let follows = |new: &[u8]| {
        let [new, old] = [new, &old].map(|der| RevocationList::from_der(der).unwrap());
        list_may_follow(&new, &old).map_err(|reason| reason.code())
    };
    assert_eq!(follows(&old), Ok(()));
    for (number, day, outcome) in [
        (301, 10, Ok(())),
        (301, 11, Ok(())),
        (301, 9, Err("CS-3306")),
        (300, 10, Ok(())),
        (300, 11, Err("CS-3306")),
        (299, 11, Err("CS-3306")),
        (299, 10, Err("CS-3305")),
        (299, 9, Err("CS-3305")),
        (44, 9, Err("CS-3305")),
        (70_000, 11, Ok(())),
    ] {
        assert_eq!(follows(&list(number, day)), outcome, "{number} {day}");
    }
    let earlier = list(299, 10);
    let [new, old] = [&earlier, &old].map(|der| RevocationList::from_der(der).unwrap());
    assert!(
        matches!(list_may_follow(&new, &old), Err(Reason::ListRollback { number: 299, newest: 300, .. })),
        "the numbers are told"
    );
}

#[test]
fn the_number_of_a_list_for_a_person() {
    for (number, text) in [
        (&[][..], "0"),
        (&[0, 0], "0"),
        (&[0x01, 0x2c], "300"),
        (&[0, 0xff], "255"),
        (&[0xff; 16], "340282366920938463463374607431768211455"),
        (&[1; 17], "0x0101010101010101010101010101010101"),
    ] {
        assert_eq!(decimal(number), text);
    }
}
