//! Threats that no other test is named after; docs/threat-model.md has them all.

use crate::Site;
use countersign_common::{Facts, NO_LISTS, Time, token::Grant, token_list::TokenRevocation, validate};
use countersign_testpki::{
    Request,
    certificates::signer_extensions,
    objects::{ACTIVATED, CONTENT_TOKEN, Cms, ISSUED},
    trust::{LISTED, empty_list, revoked, token_list},
};
use der::Encode;

#[test]
fn a_holder_anchor_makes_no_token_and_a_token_anchor_no_holder() {
    let site = Site::new();
    let cast = &site.cast;
    // Somebody with the holder root's key certifies a token signer of his own.
    let signer = Request::new("Token Signer", countersign_testpki::Key::p256("thief"), signer_extensions());
    let signer = signer.issued_by(&cast.holder_root);
    let token = Cms::new(CONTENT_TOKEN, cast.token_body().to_der().unwrap(), &signer, ISSUED).build();
    let record = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
    assert_eq!(site.judge(&record, &NO_LISTS).reason.code(), "CS-2006");
    // A token that names the token root as holder anchor, so that its signer might activate.
    let anchor = Grant::certificate_anchor(&cast.token_root.certificate).unwrap();
    let token = cast.token(|token| token.grants[0].anchor = anchor);
    let record = cast.record_cms(&cast.challenge(&token), &token, &cast.token_signer).build();
    assert_eq!(site.judge(&record, &NO_LISTS).reason.code(), "CS-3002");
}

/// A clock that is set back gains nothing beyond the tolerance, since the machine remembers the latest time.
#[test]
fn an_older_clock_never_turns_a_refusal_into_a_pass() {
    let site = Site::new();
    let anchors = site.anchors();
    let id = site.cast.token_body().id;
    let on_hold = {
        let mut body = empty_list(7, LISTED);
        body.revoked = Some(vec![revoked(id, TokenRevocation::CertificateHold, LISTED)]);
        [token_list(&site.list_signer, &body)]
    };
    let lists = [site.lists(&[]), site.lists(&on_hold)];
    let records = [
        site.cast.record(|_| {}, |_| {}, |_| {}),
        site.cast.record(|token| token.terms.validity = None, |_| {}, |_| {}),
        site.cast.record(|token| token.product.id = "another".to_owned(), |_| {}, |_| {}),
        site.cast.record(|_| {}, |_| {}, |cms| cms.broken_signature = true),
    ];
    let activated: Time = ACTIVATED.parse().unwrap();
    let validity = 31_536_000;
    let moments: Vec<Time> =
        [0, 1, 299, 300, 301, 86_400, validity - 301, validity, validity + 1, validity + 300, 2 * validity]
            .into_iter()
            .flat_map(|offset| [activated.plus(offset), activated.minus(offset)])
            .collect();
    let (mut refused, mut passed) = (0, 0);
    for record in &records {
        for lists in &lists {
            let judge = |now: Time, seen: Time| {
                let facts = Facts { now: Some(now), newest_time_seen: Some(seen), ..site.facts(&anchors, lists) };
                validate(record, &facts).state.is_activated()
            };
            for seen in &moments {
                // What the machine was told when its clock was right, and what it is told once that is set back.
                if judge(*seen, *seen) {
                    passed += 1;
                    continue;
                }
                for earlier in moments.iter().filter(|earlier| earlier.plus(300) < *seen) {
                    assert!(!judge(*earlier, *seen), "refused at {seen}, and passed at {earlier}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100 && passed > 10, "{refused} refused, {passed} passed");
}

/// The nonce tells two activations apart; it does not keep an old record from being put back.
#[test]
fn a_record_that_is_restored_counts_until_it_expires_or_a_list_takes_it_back() {
    let site = Site::new();
    let anchors = site.anchors();
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let at = |now: &str, lists: &countersign_common::Lists<'_>| {
        let facts = Facts { now: Some(now.parse().unwrap()), ..site.facts(&anchors, lists) };
        validate(&record, &facts).reason.code()
    };
    assert_eq!(at("2026-07-01T00:00:00Z", &NO_LISTS), "CS-0001", "nothing tells a restored record from a kept one");
    assert_eq!(at("2027-06-16T00:00:00Z", &NO_LISTS), "CS-3207");
    let mut body = empty_list(7, LISTED);
    body.revoked = Some(vec![revoked(site.cast.token_body().id, TokenRevocation::PrivilegeWithdrawn, LISTED)]);
    let list = [token_list(&site.list_signer, &body)];
    assert_eq!(at("2026-07-01T00:00:00Z", &site.lists(&list)), "CS-3301");
}
