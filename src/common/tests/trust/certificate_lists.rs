//! Certificate revocation lists: what a revoked signer or holder takes with him, reason by reason, and what stands.

use crate::Site;
use countersign_common::{
    Certificate, ListKind, ListUsed, Lists, Octets, RevocationList, SignedObject, Slot, VerifiedToken,
    VerifiedTokenList,
};
use countersign_testpki::{
    Identity,
    crls::{List, expired_certificates, reason},
    objects::{ACTIVATED, time},
    trust::{LISTED, empty_list, token_list},
};
use der::{
    Decode,
    asn1::{Any, Uint},
};
use sha2::{Digest, Sha256};

const UNSPECIFIED: u8 = 0;
const KEY_COMPROMISE: u8 = 1;
const CA_COMPROMISE: u8 = 2;
const AFFILIATION_CHANGED: u8 = 3;
const SUPERSEDED: u8 = 4;
const CESSATION_OF_OPERATION: u8 = 5;
const CERTIFICATE_HOLD: u8 = 6;
const PRIVILEGE_WITHDRAWN: u8 = 9;
const AA_COMPROMISE: u8 = 10;

/// A list of a root that revokes one certificate; without a reason where none is given.
fn revoking(root: &Identity, revoked: &Identity, date: &str, code: Option<u8>) -> Vec<u8> {
    let extensions: Vec<_> = code.map(reason).into_iter().collect();
    List::new(root).number(5).entry(&revoked.serial, date, &extensions).sign(&root.key)
}

fn certificate_lists(list: &[u8]) -> Lists<'_> {
    Lists::new(Vec::new(), vec![RevocationList::from_der(list).unwrap()])
}

impl Site {
    /// The code of the verdict on the example record, with a certificate list.
    fn with_list(&self, record: &[u8], list: &[u8]) -> &'static str {
        self.judge(record, &certificate_lists(list)).reason.code()
    }

    /// The same with a token list beside it.
    fn with_lists(&self, record: &[u8], list: &[u8], token_list: &[u8]) -> &'static str {
        let anchors = self.anchors();
        let certificates = vec![RevocationList::from_der(list).unwrap()];
        let object = SignedObject::from_der(token_list).unwrap();
        let tokens = vec![VerifiedTokenList::verify(object, &anchors, &certificates).unwrap()];
        self.judge(record, &Lists::new(tokens, certificates)).reason.code()
    }
}

#[test]
fn what_a_revoked_holder_takes_along_depends_on_the_reason() {
    let site = Site::new();
    let (root, holder) = (&site.cast.holder_root, &site.cast.holder);
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    // The record is of 2026-06-15T09:30:00Z.
    let (before, after) = ("2026-06-15T09:29:59Z", "2026-06-15T09:30:01Z");
    for (code, date, expected) in [
        (Some(SUPERSEDED), before, "CS-2035"),
        (Some(SUPERSEDED), ACTIVATED, "CS-2035"),
        (Some(SUPERSEDED), after, "CS-0001"),
        (Some(AFFILIATION_CHANGED), after, "CS-0001"),
        (Some(AFFILIATION_CHANGED), before, "CS-2035"),
        (Some(CESSATION_OF_OPERATION), after, "CS-0001"),
        (Some(CESSATION_OF_OPERATION), before, "CS-2035"),
        (Some(KEY_COMPROMISE), after, "CS-2035"),
        (Some(CA_COMPROMISE), after, "CS-2035"),
        (Some(AA_COMPROMISE), after, "CS-2035"),
        (Some(PRIVILEGE_WITHDRAWN), after, "CS-2035"),
        (Some(UNSPECIFIED), after, "CS-2035"),
        (None, after, "CS-2035"),
        (Some(CERTIFICATE_HOLD), after, "CS-2036"),
    ] {
        let list = revoking(root, holder, date, code);
        assert_eq!(site.with_list(&record, &list), expected, "reason {code:?} since {date}");
    }
    let other = revoking(root, &site.cast.token_signer, before, Some(KEY_COMPROMISE));
    assert_eq!(site.with_list(&record, &other), "CS-0001", "somebody else was revoked");
    // The verdict names the list that it rests on.
    let verdict = site.judge(&record, &certificate_lists(&other));
    let [told] = &verdict.evidence.lists[..] else { panic!("one list: {:?}", verdict.evidence.lists) };
    assert_eq!((told.kind, told.number.as_str()), (ListKind::CertificateList, "5"));
    let read = RevocationList::from_der(&other).unwrap();
    assert_eq!(told.this_update, read.this_update());
    assert_eq!(told.issuer, countersign_common::display_name(read.issuer()));
}

#[test]
fn a_record_that_was_received_stands_though_its_holder_was_compromised() {
    let site = Site::new();
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let digest = Octets(Sha256::digest(&record).into());
    let mut body = empty_list(7, LISTED);
    body.received = Some(vec![digest]);
    let received = token_list(&site.list_signer, &body);
    let revoked = |code| revoking(&site.cast.holder_root, &site.cast.holder, LISTED, Some(code));
    assert_eq!(site.with_lists(&record, &revoked(KEY_COMPROMISE), &received), "CS-0001");
    assert_eq!(site.with_lists(&record, &revoked(CERTIFICATE_HOLD), &received), "CS-2036", "a hold suspends it too");
    let another = site.cast.record(|_| {}, |challenge| challenge.nonce = Octets([1; 32]), |_| {});
    assert_eq!(site.with_lists(&another, &revoked(KEY_COMPROMISE), &received), "CS-2035");
}

#[test]
fn a_compromised_token_signer_takes_all_that_it_signed_but_for_tokens_named_as_standing() {
    let site = Site::new();
    let (record, token) = (site.cast.record(|_| {}, |_| {}, |_| {}), site.cast.token(|_| {}));
    // Long after the token's date: a date is no defence, since the thief writes it.
    let revoked = |code| revoking(&site.cast.token_root, &site.cast.token_signer, "2026-09-01T00:00:00Z", Some(code));
    assert_eq!(site.with_list(&record, &revoked(KEY_COMPROMISE)), "CS-2035");
    assert_eq!(site.with_list(&record, &revoked(SUPERSEDED)), "CS-0001", "merely given up, and later");
    let mut body = empty_list(7, LISTED);
    body.standing = Some(vec![Octets(Sha256::digest(&token).into())]);
    let standing = token_list(&site.list_signer, &body);
    assert_eq!(site.with_lists(&record, &revoked(KEY_COMPROMISE), &standing), "CS-0001");
    assert_eq!(site.with_lists(&record, &revoked(CERTIFICATE_HOLD), &standing), "CS-2036");
    let backdated = site.cast.record(|token| token.revision = 2, |_| {}, |_| {});
    assert_eq!(site.with_lists(&backdated, &revoked(KEY_COMPROMISE), &standing), "CS-2035");
}

#[test]
fn a_revoked_list_signer_makes_no_more_lists() {
    let site = Site::new();
    let object = token_list(&site.list_signer, &empty_list(7, LISTED));
    let revoked = revoking(&site.cast.token_root, &site.list_signer, LISTED, Some(KEY_COMPROMISE));
    let certificates = [RevocationList::from_der(&revoked).unwrap()];
    let anchors = site.anchors();
    let verify = |lists: &[RevocationList<'_>]| {
        crate::code(VerifiedTokenList::verify(SignedObject::from_der(&object).unwrap(), &anchors, lists))
    };
    assert_eq!((verify(&[]), verify(&certificates)), ("CS-0001", "CS-2035"));
}

#[test]
fn a_holder_who_merely_expired_keeps_his_records_and_expired_certificates_stay_on_lists() {
    let site = Site::new();
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let (root, holder) = (&site.cast.holder_root, &site.cast.holder);
    // The holder's certificate ends with 2035; the verdict is of 2036, the activation has a validity of a year.
    let list = |extensions: Vec<Vec<u8>>| {
        let list = List::new(root).number(9).dates("2036-06-01T00:00:00Z", "2036-12-01T00:00:00Z");
        let list = extensions.into_iter().fold(list, List::extension);
        list.entry(&holder.serial, "2026-06-01T00:00:00Z", &[reason(KEY_COMPROMISE)]).sign(&root.key)
    };
    let anchors = site.anchors();
    let forever =
        site.cast.record(|token| (token.terms.validity, token.terms.renew_after) = (None, None), |_| {}, |_| {});
    let later = |record: &[u8], lists: &Lists<'_>| {
        let facts = countersign_common::Facts {
            now: Some("2036-07-01T00:00:00Z".parse().unwrap()),
            ..site.facts(&anchors, lists)
        };
        countersign_common::validate(record, &facts).reason.code()
    };
    assert_eq!(later(&forever, &countersign_common::NO_LISTS), "CS-0001");
    assert_eq!(later(&record, &countersign_common::NO_LISTS), "CS-3207");
    assert_eq!(
        later(&forever, &certificate_lists(&list(vec![expired_certificates("2026-01-01T00:00:00Z")]))),
        "CS-2035"
    );
    assert_eq!(later(&forever, &certificate_lists(&list(Vec::new()))), "CS-2035", "an entry speaks for itself");
}

#[test]
fn the_challenge_names_the_lists_that_spoke_of_the_holder() {
    let site = Site::new();
    let (anchors, token) = (site.anchors(), site.cast.token(|_| {}));
    let list = List::new(&site.cast.holder_root).number(5).sign(&site.cast.holder_root.key);
    let foreign = List::new(&site.cast.token_root).number(6).sign(&site.cast.token_root.key);
    let parsed = [&foreign, &list].map(|list| RevocationList::from_der(list).unwrap());
    let lists = Lists::new(Vec::new(), parsed.to_vec());
    let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &lists).unwrap();
    let holder = Certificate::from_der(&site.cast.holder.certificate).unwrap();
    let at = ACTIVATED.parse().unwrap();
    let admission = token.admit(&holder, &[], Slot::Signature, at, &anchors, &lists).unwrap();
    let challenge = token.challenge(&admission, at, [1; 32], &site.machine, &lists, None);
    let used = ListUsed {
        kind: ListKind::CertificateList,
        issuer: Any::from_der(&site.cast.holder_root.name).unwrap(),
        number: Uint::new(&[5]).unwrap(),
        this_update: time("2026-01-01T00:00:00Z"),
    };
    assert_eq!(challenge.lists, Some(vec![used.clone()]));
    // On the machine an earlier list in its place is a rollback, and none at all is missed.
    let record = site.cast.record(|_| {}, |challenge| challenge.lists = Some(vec![used.clone()]), |_| {});
    let earlier = List::new(&site.cast.holder_root).number(4).dates("2025-12-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let earlier = earlier.sign(&site.cast.holder_root.key);
    assert_eq!(site.with_list(&record, &list), "CS-0001");
    assert_eq!(site.with_list(&record, &earlier), "CS-3305");
    assert_eq!(site.with_list(&record, &foreign), "CS-3303");
}

#[test]
fn a_list_by_another_authority_revokes_nobody() {
    let site = Site::new();
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let (ours, theirs) = (&site.cast.holder_root, &site.cast.token_root);
    // The right name, another key: it does not verify, and whose status it tells is not known.
    let mut forged = List::new(ours).entry(&site.cast.holder.serial, LISTED, &[reason(KEY_COMPROMISE)]);
    forged.extensions[1] = countersign_testpki::certificates::authority_key_identifier(&theirs.key);
    assert_eq!(site.with_list(&record, &forged.sign(&theirs.key)), "CS-0001");
}
