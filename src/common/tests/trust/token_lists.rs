//! Token lists: what they revoke, how recent they must be, and the attacks on them by name.

use crate::{Site, code};
use countersign_common::{
    Challenge, Extension, GeneralizedTime, ListKind, ListUsed, NO_LISTS, Octets, Reason, SignedObject, VerifiedToken,
    VerifiedTokenList,
    token::ListTerms,
    token_list::{MAX_NUMBER_STEP, TokenList, TokenRevocation},
};
use countersign_testpki::{
    objects::{ACTIVATED, time},
    trust::{LISTED, empty_list, list_signer, revoked, token_list},
};
use der::{
    Decode, Encode,
    asn1::{Any, OctetString, Uint},
};
use sha2::{Digest, Sha256};

fn digest(der: &[u8]) -> Octets<32> {
    Octets(Sha256::digest(der).into())
}

impl Site {
    fn verify_list(&self, der: &[u8]) -> &'static str {
        let anchors = self.anchors();
        code(SignedObject::from_der(der).and_then(|object| VerifiedTokenList::verify(object, &anchors, &[]).map(drop)))
    }

    fn list(&self, change: impl FnOnce(&mut TokenList)) -> Vec<u8> {
        let mut body = empty_list(7, LISTED);
        change(&mut body);
        token_list(&self.list_signer, &body)
    }

    /// A record whose challenge names the list with a number and a date.
    fn record_with_list(&self, number: u64, date: &str) -> Vec<u8> {
        self.cast.record(|_| {}, |challenge| challenge.lists = Some(vec![self.used(number, date)]), |_| {})
    }

    fn used(&self, number: u64, date: &str) -> ListUsed {
        ListUsed {
            kind: ListKind::TokenList,
            issuer: Any::from_der(&self.list_signer.name).unwrap(),
            number: Uint::new(&number.to_be_bytes()).unwrap(),
            this_update: time(date),
        }
    }

    /// Whether `new` may follow `old`.
    fn follows(&self, old: &[u8], new: &[u8]) -> &'static str {
        let [old, new] = [old, new].map(|der| self.lists(&[der.to_vec()]).token_lists()[0].body().clone().to_der());
        let [old, new] =
            [old, new].map(|body| token_list(&self.list_signer, &TokenList::from_der(&body.unwrap()).unwrap()));
        let lists = [old, new];
        let lists = self.lists(&lists);
        let [old, new] = lists.token_lists() else { panic!("two lists") };
        code(new.may_follow(old))
    }
}

#[test]
fn a_token_is_revoked_by_id_and_version() {
    let site = Site::new();
    let id = site.cast.token_body().id;
    let record = site.cast.record(|token| token.revision = 3, |_| {}, |_| {});
    for (through, expected) in [(2, "CS-0001"), (3, "CS-3301"), (9, "CS-3301")] {
        let list = site.list(|list| {
            let mut entry = revoked(id, TokenRevocation::PrivilegeWithdrawn, "2026-06-01T00:00:00Z");
            entry.revision = through;
            list.revoked = Some(vec![entry]);
        });
        assert_eq!(site.judge(&record, &site.lists(&[list])).reason.code(), expected, "versions to {through}");
    }
    let other =
        site.list(|list| list.revoked = Some(vec![revoked(Octets([9; 16]), TokenRevocation::Unspecified, LISTED)]));
    assert_eq!(site.judge(&record, &site.lists(&[other])).reason.code(), "CS-0001");
}

#[test]
fn what_a_later_revocation_does_depends_on_its_reason() {
    let site = Site::new();
    let id = site.cast.token_body().id;
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let (before, after) = ("2026-06-15T09:29:59Z", "2026-06-15T09:30:01Z");
    use TokenRevocation::{
        AffiliationChanged, CertificateHold, CessationOfOperation, PrivilegeWithdrawn, Superseded, Unspecified,
    };
    for (reason, date, expected) in [
        (Superseded, before, "CS-3301"),
        (Superseded, ACTIVATED, "CS-3301"),
        (Superseded, after, "CS-0001"),
        (AffiliationChanged, after, "CS-0001"),
        (CessationOfOperation, after, "CS-0001"),
        (CessationOfOperation, before, "CS-3301"),
        (Unspecified, after, "CS-3301"),
        (PrivilegeWithdrawn, after, "CS-3301"),
        (CertificateHold, after, "CS-3302"),
    ] {
        let list = site.list(|list| list.revoked = Some(vec![revoked(id, reason, date)]));
        let verdict = site.judge(&record, &site.lists(&[list]));
        assert_eq!(verdict.reason.code(), expected, "{reason:?} since {date}");
    }
}

#[test]
fn another_token_under_a_revoked_id_and_version_contradicts_the_list() {
    let site = Site::new();
    let token = site.cast.token(|_| {});
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    for (issued, expected) in [(digest(&token), "CS-3301"), (digest(b"another"), "CS-3306")] {
        let list = site.list(|list| {
            let mut entry = revoked(site.cast.token_body().id, TokenRevocation::Unspecified, LISTED);
            (entry.revision, entry.digest) = (1, Some(issued));
            list.revoked = Some(vec![entry]);
        });
        assert_eq!(site.judge(&record, &site.lists(&[list])).reason.code(), expected);
    }
}

#[test]
fn a_revoked_token_activates_no_machine() {
    let site = Site::new();
    let (anchors, token) = (site.anchors(), site.cast.token(|_| {}));
    let list = site.list(|list| {
        list.revoked = Some(vec![revoked(site.cast.token_body().id, TokenRevocation::Superseded, LISTED)]);
    });
    let objects = [list];
    let lists = site.lists(&objects);
    let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &lists).unwrap();
    assert_eq!(code(token.check_activation(&site.facts(&anchors, &lists))), "CS-3301");
    assert_eq!(code(token.check_activation(&site.facts(&anchors, &NO_LISTS))), "CS-0001");
}

/// Freeze: an old list is shown for ever, so that nobody learns of what was revoked since.
#[test]
fn freeze_is_refused_by_the_terms_of_the_token() {
    let site = Site::new();
    let anchors = site.anchors();
    let day = 86_400;
    for (oldest_number, max_age, expected) in [
        (Some(7), None, "CS-0001"),
        (Some(8), None, "CS-3304"),
        (None, Some(15 * day), "CS-0001"),
        (None, Some(14 * day), "CS-3304"),
        (Some(7), Some(14 * day), "CS-3304"),
    ] {
        let terms = ListTerms { oldest_number, max_age };
        let token = site.cast.token(|token| token.lists = Some(terms.clone()));
        let objects = [site.list(|_| {})];
        let lists = site.lists(&objects);
        let verified = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &lists).unwrap();
        assert_eq!(code(verified.check_activation(&site.facts(&anchors, &lists))), expected, "{terms:?}");
        assert_eq!(code(verified.check_activation(&site.facts(&anchors, &NO_LISTS))), "CS-3303");
        let named = |challenge: &mut Challenge| challenge.lists = Some(vec![site.used(7, LISTED)]);
        let record = site.cast.record(|token| token.lists = Some(terms.clone()), named, |_| {});
        assert_eq!(site.judge(&record, &NO_LISTS).reason.code(), expected, "a record: {terms:?}");
        let record = site.cast.record(|token| token.lists = Some(terms.clone()), |_| {}, |_| {});
        assert_eq!(site.judge(&record, &lists).reason.code(), "CS-3303", "a record that names no list");
    }
}

#[test]
fn a_certificate_list_does_not_stand_in_for_a_token_list() {
    let site = Site::new();
    let named = |challenge: &mut Challenge| {
        challenge.lists = Some(vec![ListUsed { kind: ListKind::CertificateList, ..site.used(7, LISTED) }]);
    };
    let terms = ListTerms { oldest_number: Some(7), max_age: None };
    let record = site.cast.record(|token| token.lists = Some(terms), named, |_| {});
    assert_eq!(site.judge(&record, &NO_LISTS).reason.code(), "CS-3303");
}

/// Rollback: an earlier list in place of the one that the machine has, or had when it was activated.
#[test]
fn rollback_is_refused() {
    let site = Site::new();
    let list = |number, date: &str| token_list(&site.list_signer, &empty_list(number, date));
    assert_eq!(site.follows(&list(7, LISTED), &list(6, "2026-05-01T00:00:00Z")), "CS-3305");
    assert_eq!(site.follows(&list(7, LISTED), &list(7, LISTED)), "CS-0001");
    assert_eq!(site.follows(&list(7, LISTED), &list(8, "2026-06-02T00:00:00Z")), "CS-0001");
    let record = site.record_with_list(7, LISTED);
    let earlier = [list(6, "2026-05-01T00:00:00Z")];
    assert_eq!(site.judge(&record, &site.lists(&earlier)).reason.code(), "CS-3305");
    let same = [list(7, LISTED)];
    assert_eq!(site.judge(&record, &site.lists(&same)).reason.code(), "CS-0001");
    assert_eq!(site.judge(&record, &site.lists(&[])).reason.code(), "CS-3303", "the list was taken away");
    assert_eq!(site.judge(&record, &NO_LISTS).reason.code(), "CS-0001", "judged by itself");
}

/// Mix and match: lists, or a list and a token, that cannot both come from the authority.
#[test]
fn mix_and_match_is_refused() {
    let site = Site::new();
    let list = |number, date: &str| token_list(&site.list_signer, &empty_list(number, date));
    let second_body = site.list(|list| list.standing = Some(vec![digest(b"a token")]));
    assert_eq!(site.follows(&list(7, LISTED), &second_body), "CS-3306");
    assert_eq!(site.follows(&list(7, LISTED), &list(8, "2026-05-01T00:00:00Z")), "CS-3306");
    assert_eq!(site.follows(&list(7, LISTED), &list(6, "2026-06-02T00:00:00Z")), "CS-3306");
    for (number, date) in [(8, "2026-05-01T00:00:00Z"), (6, "2026-06-02T00:00:00Z"), (7, "2026-06-02T00:00:00Z")] {
        let lists = [list(number, date)];
        let verdict = site.judge(&site.record_with_list(7, LISTED), &site.lists(&lists));
        assert_eq!(verdict.reason.code(), "CS-3306", "{number} of {date}");
    }
}

/// Fast-forward: a number so high that no later list could follow.
#[test]
fn fast_forward_is_refused() {
    let site = Site::new();
    let list = |number| token_list(&site.list_signer, &empty_list(number, LISTED));
    let limit = 7 + MAX_NUMBER_STEP;
    assert_eq!(site.follows(&list(7), &token_list(&site.list_signer, &empty_list(limit, LISTED))), "CS-0001");
    assert_eq!(site.follows(&list(7), &list(limit + 1)), "CS-3307");
    // A list from the future would put the machine's clock in the wrong.
    let future = [token_list(&site.list_signer, &empty_list(7, "2027-01-01T00:00:00Z"))];
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    assert_eq!(site.judge(&record, &site.lists(&future)).reason.code(), "CS-3202");
}

/// The documented way to begin the numbers anew: a list by another signer that names the one before.
#[test]
fn a_floor_is_reset_when_the_list_signer_changes() {
    let site = Site::new();
    let successor = list_signer("Second List Signer", &site.cast.token_root);
    let mut body = empty_list(1, "2026-06-10T00:00:00Z");
    body.replaces = Some(vec![Any::from_der(&site.list_signer.name).unwrap()]);
    let objects = [site.list(|_| {}), token_list(&successor, &body)];
    let lists = site.lists(&objects);
    assert_eq!(lists.token_lists().len(), 1);
    let record = site.record_with_list(7, LISTED);
    assert_eq!(site.judge(&record, &lists).reason.code(), "CS-0001");
    // Not by a list from before the one that was used, and not without being named.
    let later = site.record_with_list(7, "2026-06-11T00:00:00Z");
    assert_eq!(site.judge(&later, &lists).reason.code(), "CS-3303");
    let unnamed = [token_list(&successor, &empty_list(1, "2026-06-10T00:00:00Z"))];
    assert_eq!(site.judge(&record, &site.lists(&unnamed)).reason.code(), "CS-3303");
}

#[test]
fn only_a_list_signer_makes_token_lists() {
    let site = Site::new();
    let body = empty_list(7, LISTED);
    assert_eq!(site.verify_list(&token_list(&site.list_signer, &body)), "CS-0001");
    assert_eq!(site.verify_list(&token_list(&site.cast.token_signer, &body)), "CS-2014");
    assert_eq!(site.verify_list(&token_list(&site.cast.holder, &body)), "CS-2014");
    let foreign = list_signer("Foreign List Signer", &site.cast.holder_root);
    assert_eq!(site.verify_list(&token_list(&foreign, &body)), "CS-2006");
    assert_eq!(site.verify_list(&site.cast.token(|_| {})), "CS-1005");
}

#[test]
fn members_outside_their_limits_are_refused() {
    let site = Site::new();
    let (low, high) = (digest(b"2"), digest(b"1"));
    let (low, high) = if low < high { (low, high) } else { (high, low) };
    let entry = |id| revoked(Octets([id; 16]), TokenRevocation::Superseded, LISTED);
    type Case = (&'static str, Box<dyn Fn(&mut TokenList)>);
    let cases: Vec<Case> = vec![
        ("number", Box::new(|list| list.number = 0)),
        ("number", Box::new(|list| list.number = 1 << 63)),
        ("nextUpdate", Box::new(|list| list.next_update = time("2026-01-01T00:00:00Z"))),
        ("revoked", Box::new(|list| list.revoked = Some(Vec::new()))),
        ("revoked", Box::new(move |list| list.revoked = Some(vec![entry(2), entry(1)]))),
        ("revoked", Box::new(move |list| list.revoked = Some(vec![entry(1), entry(1)]))),
        ("standing", Box::new(move |list| list.standing = Some(vec![high, low]))),
        ("received", Box::new(move |list| list.received = Some(vec![low, low]))),
        ("received", Box::new(|list| list.received = Some(Vec::new()))),
        ("replaces", Box::new(|list| list.replaces = Some(vec![Any::null()]))),
        ("extensions", Box::new(|list| list.extensions = Some(Vec::new()))),
    ];
    for (field, change) in cases {
        let der = site.list(change);
        let anchors = site.anchors();
        let refusal = VerifiedTokenList::verify(SignedObject::from_der(&der).unwrap(), &anchors, &[]).unwrap_err();
        assert_eq!(refusal, Reason::ListField(field));
        assert_eq!(refusal.code(), "CS-1204");
    }
    let newer = site.list(|list| list.version = 2);
    assert_eq!(site.verify_list(&newer), "CS-1006");
}

#[test]
fn a_challenge_names_the_lists_of_the_machine() {
    let site = Site::new();
    let (anchors, token) = (site.anchors(), site.cast.token(|_| {}));
    let objects = [site.list(|_| {})];
    let lists = site.lists(&objects);
    let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &lists).unwrap();
    let holder = countersign_common::Certificate::from_der(&site.cast.holder.certificate).unwrap();
    let at = ACTIVATED.parse().unwrap();
    let slot = countersign_common::Slot::Signature;
    let admission = token.admit(&holder, &[], slot, at, &anchors, &lists).unwrap();
    let challenge = token.challenge(&admission, at, [1; 32], &site.machine, &lists, None);
    assert_eq!(challenge.lists, Some(vec![site.used(7, LISTED)]));
    assert_eq!(Challenge::from_der(&challenge.to_der().unwrap()).unwrap(), challenge);
    assert_eq!(challenge.lists.unwrap()[0].this_update, GeneralizedTime(LISTED.parse().unwrap()));
}

#[test]
fn a_token_list_is_held_to_its_limits() {
    let site = Site::new();
    let verify = |change: fn(&mut TokenList)| {
        let list = site.list(change);
        code(VerifiedTokenList::verify(SignedObject::from_der(&list).unwrap(), &site.anchors(), &[]))
    };
    assert_eq!(verify(|_| {}), "CS-0001");
    assert_eq!(
        verify(|list| {
            let mut entry = revoked(Octets([9; 16]), TokenRevocation::Unspecified, LISTED);
            entry.revision = 0;
            list.revoked = Some(vec![entry]);
        }),
        "CS-1204"
    );
    fn names(list: &mut TokenList, der: &[u8]) {
        list.replaces = Some(vec![Any::from_der(der).unwrap()]);
    }
    // No name: an empty one, and one of another tag.
    assert_eq!(verify(|list| names(list, &[0x30, 0])), "CS-1204");
    assert_eq!(verify(|list| names(list, &[0x31, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x0c, 0])), "CS-1204");
    fn extended(list: &mut TokenList, critical: bool) {
        let id = "1.3.6.1.4.1.32473.7.3".parse().unwrap();
        list.extensions = Some(vec![Extension { id, critical, value: OctetString::new([5, 0]).unwrap() }]);
    }
    assert_eq!(verify(|list| extended(list, false)), "CS-0001");
    assert_eq!(verify(|list| extended(list, true)), "CS-1008");
}

#[test]
fn a_verdict_tells_of_the_lists_that_were_used() {
    let site = Site::new();
    let record = site.cast.record(|_| {}, |_| {}, |_| {});
    let list = site.list(|list| list.number = 7);
    let told = site.judge(&record, &site.lists(&[list])).evidence.lists;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind, told[0].number.as_str()), (ListKind::TokenList, "7"));
    assert_eq!(told[0].issuer, "CN=Example List Signer,O=Example Organisation");
    assert_eq!(told[0].this_update.to_string(), LISTED);
    assert!(site.judge(&record, &NO_LISTS).evidence.lists.is_empty());
}
