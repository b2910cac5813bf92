//! What a token asks of product, holder and time, each bound on its own.

use crate::{Site, code};
use countersign_common::{
    Certificate, Facts, NO_LISTS, Octets, Product, Reason, SignedObject, Slot, Time, VerifiedToken,
    token::{Criterion, Grant, ProductVersion, Token},
};
use countersign_testpki::{
    Request,
    certificates::{
        DIGITAL_SIGNATURE, EKU_ANCHORS_SIGNING, EKU_LEDGER_SIGNING, EKU_LIST_SIGNING, EKU_TOKEN_APPROVAL,
        EKU_TOKEN_SIGNING, ca, extended_key_usage, key_usage, policies,
    },
    keys::Key,
    objects::{ACTIVATED, time},
};
use der::Encode;

/// Calls with a token that was changed.
fn with<T>(site: &Site, change: impl FnOnce(&mut Token), then: impl FnOnce(&VerifiedToken<'_>) -> T) -> T {
    let (token, anchors) = (site.cast.token(change), site.anchors());
    then(&VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS).unwrap())
}

/// What is said to somebody with this product and version at a time.
fn activation(
    site: &Site,
    change: impl FnOnce(&mut Token),
    version: Option<ProductVersion>,
    now: &str,
) -> &'static str {
    let anchors = site.anchors();
    with(site, change, |token| {
        let product = Product { id: "control-room", edition: Some("standard"), version };
        let facts = Facts { now: Some(now.parse().unwrap()), product, ..site.facts(&anchors, &NO_LISTS) };
        code(token.check_activation(&facts))
    })
}

#[test]
fn each_bound_of_the_versions_counts_alone() {
    let site = Site::new();
    let version = |text: &str| Some(text.parse().unwrap());
    let from = |token: &mut Token| (token.product.from, token.product.below) = (version("2.1"), None);
    let below = |token: &mut Token| (token.product.from, token.product.below) = (None, version("2.1"));
    let neither = |token: &mut Token| (token.product.from, token.product.below) = (None, None);
    for (change, at_bound, before, unstated) in [
        (&from as &dyn Fn(&mut Token), "CS-0001", "CS-3103", "CS-3104"),
        (&below, "CS-3103", "CS-0001", "CS-3104"),
        (&neither, "CS-0001", "CS-0001", "CS-0001"),
    ] {
        let said = |version| activation(&site, change, version, ACTIVATED);
        assert_eq!([said(version("2.1")), said(version("2.0.9")), said(None)], [at_bound, before, unstated]);
    }
}

#[test]
fn a_window_is_open_from_its_first_second_to_its_last() {
    let site = Site::new();
    let said = |now: &str| activation(&site, |_| {}, Some("2.4.1".parse().unwrap()), now);
    // The token was issued a day after its window opened, so that one is made that opens later.
    let later = |now: &str| {
        let change = |token: &mut Token| token.window.not_before = time("2026-03-01T00:00:00Z");
        activation(&site, change, Some("2.4.1".parse().unwrap()), now)
    };
    assert_eq!([later("2026-02-28T23:59:59Z"), later("2026-03-01T00:00:00Z")], ["CS-3205", "CS-0001"]);
    assert_eq!([said("2026-12-31T23:59:59Z"), said("2027-01-01T00:00:00Z")], ["CS-0001", "CS-3206"]);
}

#[test]
fn of_the_grants_refusals_the_one_that_tells_most_is_told() {
    let site = Site::new();
    let cast = &site.cast;
    let stranger = Request::new("Stranger Root", Key::p256("stranger root"), ca(None)).self_signed();
    let criterion = |number| {
        let anchor = Grant::certificate_anchor(&cast.holder_root.certificate).unwrap();
        let digest = Criterion::Certificate(Octets([1; 32]));
        Grant { number, anchor, criteria: Some(vec![digest]), ..cast.token_body().grants[0].clone() }
    };
    let elsewhere = |number| {
        let anchor = Grant::certificate_anchor(&stranger.certificate).unwrap();
        Grant { number, anchor, criteria: None, ..cast.token_body().grants[0].clone() }
    };
    let holder = Certificate::from_der(&cast.holder.certificate).unwrap();
    let at: Time = ACTIVATED.parse().unwrap();
    let anchors = site.anchors();
    let refusal = |grants: Vec<Grant>| {
        with(
            &site,
            |token| token.grants = grants,
            |token| {
                token.admit(&holder, &[], Slot::Signature, at, &anchors, &NO_LISTS).map(|admission| admission.grant)
            },
        )
    };
    assert_eq!(refusal(cast.token_body().grants), Ok(1));
    assert_eq!(refusal(vec![elsewhere(1)]).unwrap_err().code(), "CS-2006");
    for grants in [vec![elsewhere(1), criterion(2)], vec![criterion(1), elsewhere(2)]] {
        assert_eq!(refusal(grants).unwrap_err().code(), "CS-3004");
    }
    // Of two that tell as much, the last.
    assert!(matches!(refusal(vec![criterion(1), criterion(2)]), Err(Reason::Criterion { grant: 2, .. })));
}

#[test]
fn whoever_has_a_part_in_the_token_authority_activates_nothing() {
    let site = Site::new();
    let cast = &site.cast;
    for (usage, role) in [
        (EKU_TOKEN_SIGNING, "a token signer as holder"),
        (EKU_LIST_SIGNING, "a list signer as holder"),
        (EKU_ANCHORS_SIGNING, "an anchors signer as holder"),
        (EKU_LEDGER_SIGNING, "a ledger signer as holder"),
        (EKU_TOKEN_APPROVAL, "an approver of tokens as holder"),
        ("2.16.840.1.101.3.6.8", "a card authentication key, which needs no PIN, as holder"),
    ] {
        let extensions = vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[usage])];
        let holder = Request::new("Alex Example", Key::p256("another holder"), extensions).issued_by(&cast.holder_root);
        let token = cast.token(|_| {});
        let record = cast.record_cms(&cast.challenge(&token), &token, &holder).build();
        assert_eq!(site.judge(&record, &NO_LISTS).reason, Reason::RoleMixed(role));
    }
}

#[test]
fn a_policy_of_the_issuer_proves_the_slot() {
    let site = Site::new();
    let cast = &site.cast;
    let (attested, in_9c) = ("1.3.6.1.4.1.32473.2026.4.1", "1.3.6.1.4.1.32473.2026.4.2");
    for (asserted, slot, proven) in [
        (&[][..], Slot::Signature, false),
        (&[attested], Slot::Signature, false),
        (&[attested, in_9c], Slot::Signature, true),
        (&[attested, in_9c], Slot::Authentication, false),
        (&["2.5.29.32.0"], Slot::Signature, false),
    ] {
        let mut extensions = vec![key_usage(DIGITAL_SIGNATURE)];
        if !asserted.is_empty() {
            extensions.push(policies(asserted));
        }
        let holder = Request::new("Alex Example", Key::p256("another holder"), extensions).issued_by(&cast.holder_root);
        let holder = Certificate::from_der(&holder.certificate).unwrap();
        let anchors = site.anchors();
        let admit = |token: &VerifiedToken<'_>| {
            token.admit(&holder, &[], slot, ACTIVATED.parse().unwrap(), &anchors, &NO_LISTS)
        };
        let change = |token: &mut Token| {
            token.grants[0].criteria = None;
            token.grants[0].authentication_slot = true;
        };
        assert_eq!(with(&site, change, admit).unwrap().slot_proven, proven, "{asserted:?} {slot}");
    }
}

#[test]
fn evidence_names_signer_and_anchor() {
    let site = Site::new();
    let evidence = with(&site, |_| {}, |token| token.evidence());
    assert_eq!(evidence.signer, "CN=Example Token Signer,O=Example Organisation");
    assert_eq!(evidence.anchor, "CN=Example Token Root,O=Example Organisation");
}

#[test]
fn an_identifier_may_have_an_arc_with_zeros_inside() {
    let site = Site::new();
    // 2^21: 81 80 80 00.
    let policy = Criterion::Policy("1.2.2097152".parse().unwrap());
    with(&site, |token| token.grants[0].criteria = Some(vec![policy]), |_| {});
}

#[test]
fn a_certificate_that_cannot_be_read_is_the_holders_in_a_record_and_the_signers_in_a_token() {
    let site = Site::new();
    let cast = &site.cast;
    let body = cast.token_body().to_der().unwrap();
    let mut token = cast.token_cms(body);
    token.certificates.push(vec![0x30, 0]);
    assert!(matches!(SignedObject::from_der(&token.build()), Err(Reason::Signer(_))));
    let token = cast.token(|_| {});
    let mut record = cast.record_cms(&cast.challenge(&token), &token, &cast.holder);
    record.certificates.push(vec![0x30, 0]);
    assert!(matches!(SignedObject::from_der(&record.build()), Err(Reason::Holder(_))));
}
