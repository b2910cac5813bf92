//! The search for a certification path, among certificates that the input describes or brings.
//!
//! Input: three octets of rules and times. Then, in the first form, certificates to make, each described by
//! [`Recipe::draw`], so that their signatures hold and a search goes as deep as it can; in the second form the DER of
//! certificates, one after another. The first one is the leaf.
//!
//! Where the rules say so, an octet of policy rules and revocation lists to make ([`lists::Recipe`]) come before the
//! certificates; or all that follows is one list, for [`lists::run`].

use crate::{draw::Draw, lists, objects::objects_in};
use core::cell::RefCell;
use countersign_common::{Certificate, PathErrorKind};
use countersign_pki::{
    Budget, MAX_ATTEMPTS, MAX_PATH_LENGTH, PathError, PathRules, Place, PolicyRules, RevocationList, RevocationRules,
    ValidatedPath, explain_path, names_match, validate_path,
};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        BASIC_CONSTRAINTS, CERT_SIGN, DIGITAL_SIGNATURE, EKU_CLIENT_AUTH, EKU_TOKEN_SIGNING, NAME_CONSTRAINTS, POLICY,
        alternative_names, basic_constraints, distinguished_name, extended_key_usage, extension, key_usage, policies,
    },
    der::{boolean, explicit, integer, oid, sequence, tlv},
};
use std::{collections::HashMap, sync::LazyLock};

/// The most certificates that an input describes.
const MOST: usize = 24;
/// What the octet of rules says of the input's form, beside what it asks for.
const POLICIES: u8 = 0x08;
const LISTS: u8 = 0x10;
const LIST_ALONE: u8 = 0xc0;
/// Times at which the certificates of [`VALIDITIES`] are valid, just so, or not.
const TIMES: [&str; 5] = [
    "2026-06-15T09:30:00Z",
    "2025-12-31T23:59:59Z",
    "2026-01-01T00:00:00Z",
    "2035-12-31T23:59:59Z",
    "2036-01-01T00:00:00Z",
];
const VALIDITIES: [(&str, &str); 4] = [
    ("2026-01-01T00:00:00Z", "2035-12-31T23:59:59Z"),
    ("1950-01-01T00:00:00Z", "2049-12-31T23:59:59Z"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ("2030-01-01T00:00:00Z", "2035-12-31T23:59:59Z"),
];
const NAMES: [&str; 8] = ["Root", "Root 2", "CA 1", "CA 2", "CA 3", "ca  2", "Leaf", ""];

/// Searches for a path and looks at what was found.
pub fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let (rules, time, form) = (draw.octet(), draw.octet(), draw.octet());
    if rules & LIST_ALONE == LIST_ALONE {
        return lists::run(&mut draw);
    }
    let asked = if rules & POLICIES == 0 { PolicyRules::default() } else { policy_rules(draw.octet()) };
    // The lists name certificates, which come behind them.
    let count = if rules & LISTS == 0 { 0 } else { draw.octet() };
    let about_lists = draw.octets(usize::from(count));
    let (made, anchors) = if form & 1 == 0 {
        let recipes: Vec<_> = core::iter::from_fn(|| Recipe::draw(&mut draw)).take(MOST).collect();
        let anchors: Vec<_> = recipes.iter().map(|recipe| recipe.is_anchor).collect();
        (recipes.iter().map(Recipe::certificate).collect(), anchors)
    } else {
        let objects = objects_in(draw.rest());
        let anchors = (0..objects.len()).map(|at| form >> (1 + at % 7) & 1 == 1).collect();
        (objects, anchors)
    };
    let parsed: Vec<_> = made.iter().map(|der| Certificate::from_der(der)).collect();
    let Some(Ok(leaf)) = parsed.first() else { return };
    let known: Vec<_> = parsed.iter().map(|certificate| certificate.clone().ok()).collect();
    let recipes = lists::Recipe::draw(&mut Draw::new(about_lists), &known);
    let lists: Vec<_> = recipes.iter().map(lists::Recipe::list).collect();
    let lists: Vec<_> = lists.iter().filter_map(|der| RevocationList::from_der(der).ok()).collect();
    let (mut trusted, mut untrusted) = (Vec::new(), Vec::new());
    for (certificate, is_anchor) in parsed.iter().zip(anchors).skip(1) {
        if let Ok(certificate) = certificate {
            if is_anchor { &mut trusted } else { &mut untrusted }.push(certificate.clone());
        }
    }
    let look_at_cost = rules & 4 == 4;
    let at = TIMES[usize::from(time) % TIMES.len()].parse().expect("a time");
    let revocation = RevocationRules {
        lists: &lists,
        required: rules & 0x20 != 0,
        current_at: (time & 0x40 != 0).then_some(at),
        dated: time & 0x80 == 0,
    };
    let rules = PathRules {
        policies: asked,
        revocation: (rules & LISTS != 0).then_some(revocation),
        extended_key_usage: (rules & 1 == 1).then(|| EKU_TOKEN_SIGNING.parse().expect("an identifier")),
        signing: rules & 2 == 2,
        ..PathRules::at(at)
    };
    search(leaf, untrusted, &trusted, &rules, look_at_cost);
}

/// A path that is found is one. The outcome is the same in whatever order the certificates come or, where this is looked
/// at instead, for exactly what it costs.
fn search(
    leaf: &Certificate<'_>,
    mut untrusted: Vec<Certificate<'_>>,
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    look_at_cost: bool,
) {
    let (outcome, cost) = validate(leaf, &untrusted, anchors, rules, Budget::default());
    if let Ok(path) = &outcome {
        check(path, leaf, &untrusted, anchors, rules);
    }
    explain(leaf, &untrusted, anchors, rules, &outcome);
    look_at_lists(leaf, &untrusted, anchors, rules, &outcome);
    if look_at_cost {
        let (again, cost) = validate(leaf, &untrusted, anchors, rules, cost);
        assert_eq!(again, outcome, "with a budget of exactly what was spent");
        // What that cost: lists remember who signed them, so that it may be less than the first time.
        if !is_exhausted(&outcome) && cost.signatures > 0 {
            let less = Budget { signatures: cost.signatures - 1, ..cost };
            let (cut_short, _) = validate(leaf, &untrusted, anchors, rules, less);
            assert!(is_exhausted(&cut_short), "a signature too few was enough");
        }
    } else {
        untrusted.reverse();
        let (turned, _) = validate(leaf, &untrusted, anchors, rules, Budget::default());
        if !is_exhausted(&outcome) && !is_exhausted(&turned) {
            assert_eq!(turned.is_ok(), outcome.is_ok(), "the order of the certificates matters");
        }
    }
}

/// An explanation tells the same, and of places that are there.
fn explain(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    outcome: &Result<ValidatedPath, PathError>,
) {
    let (explained, attempts) = explain_path(leaf, untrusted, anchors, rules, &mut Budget::default());
    assert_eq!(explained, *outcome, "explained differently");
    assert!(attempts.len() <= MAX_ATTEMPTS);
    for attempt in &attempts {
        assert!(
            !attempt.certificates.is_empty()
                && attempt.certificates.iter().all(|place| match place {
                    Place::Anchor(at) => *at < anchors.len(),
                    Place::Leaf => true,
                    Place::Untrusted(at) => *at < untrusted.len(),
                })
        );
    }
}

/// The order of the lists changes nothing, and without lists or what else is asked no valid path is refused.
fn look_at_lists(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    outcome: &Result<ValidatedPath, PathError>,
) {
    let Some(revocation) = rules.revocation else { return };
    let validated = |revocation| {
        let rules = PathRules { revocation, ..rules.clone() };
        let (outcome, _) = validate(leaf, untrusted, anchors, &rules, Budget::default());
        (!is_exhausted(&outcome)).then_some(outcome.is_ok())
    };
    let turned: Vec<_> = revocation.lists.iter().rev().cloned().collect();
    let turned = validated(Some(RevocationRules { lists: &turned, ..revocation }));
    if !is_exhausted(outcome) && turned.is_some() {
        assert_eq!(turned, Some(outcome.is_ok()), "the order of the lists matters");
    }
    if outcome.is_ok() {
        assert_ne!(validated(None), Some(false), "lists made a refused path pass");
        let lenient = RevocationRules { required: false, ..revocation };
        assert_ne!(validated(Some(lenient)), Some(false), "what is required made a refused path pass");
    }
}

/// The first two bits and the third are policies, of which some may be acceptable; then the three flags.
fn policy_rules(octet: u8) -> PolicyRules {
    let known = [POLICY, "2.5.29.32.1", "2.5.29.32.0"];
    let wanted = known.iter().enumerate().filter(|(at, _)| octet >> at & 1 == 1);
    PolicyRules {
        initial: wanted.map(|(_, id)| id.parse().expect("an identifier")).collect(),
        explicit: octet & 8 != 0,
        inhibit_mapping: octet & 0x10 != 0,
        inhibit_any: octet & 0x20 != 0,
    }
}

fn is_exhausted(outcome: &Result<ValidatedPath, PathError>) -> bool {
    matches!(outcome, Err(error) if matches!(error.kind, PathErrorKind::BudgetExhausted))
}

/// The outcome, and what was spent.
fn validate(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    mut budget: Budget,
) -> (Result<ValidatedPath, PathError>, Budget) {
    let given = budget.clone();
    let outcome = validate_path(leaf, untrusted, anchors, rules, &mut budget);
    assert!(budget.signatures <= given.signatures && budget.steps <= given.steps, "the budget grew");
    let spent = Budget { signatures: given.signatures - budget.signatures, steps: given.steps - budget.steps };
    (outcome, spent)
}

/// What any path has to be, whatever it was searched with: issued link by link, by CAs, all valid at the time.
fn check(
    path: &ValidatedPath,
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
) {
    let issuers: Vec<_> = path.intermediates().iter().map(|at| &untrusted[*at]).collect();
    assert!(issuers.len() < MAX_PATH_LENGTH);
    let below: Vec<_> = core::iter::once(leaf).chain(issuers.iter().copied()).collect();
    let above = issuers.iter().copied().chain([&anchors[path.anchor()]]);
    for (issued, issuer) in below.iter().zip(above) {
        assert!(names_match(issued.issuer(), issuer.subject()), "a link by another name");
        assert!((issued.not_before()..=issued.not_after()).contains(&rules.time), "not valid at the time");
    }
    assert!(issuers.iter().all(|issuer| issuer.is_ca()), "issued by no CA");
    assert!(!rules.policies.explicit || !path.policies().is_empty(), "no policy, and one was asked for");
    let count = rules.revocation.map_or(0, |revocation| revocation.lists.len());
    assert!(path.lists().iter().all(|list| *list < count) && path.lists().is_sorted());
    let usage = rules.extended_key_usage;
    assert!(usage.is_none_or(|usage| leaf.extended_key_usages().is_some_and(|stated| stated.contains(&usage))));
    for (at, issuer) in issuers.iter().enumerate() {
        assert!(!issuers[..at].iter().any(|other| other.der() == issuer.der()), "a certificate twice");
    }
}

/// How to make a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Recipe {
    is_anchor: bool,
    subject: u8,
    issuer: u8,
    validity: u8,
    path_length: u8,
    extensions: u16,
    /// The value of one more extension, of any form.
    value: Vec<u8>,
}

thread_local! {
    /// What was made before: most certificates of an input were in the one that it is a variant of.
    static MADE: RefCell<HashMap<Recipe, Vec<u8>>> = RefCell::default();
}

impl Recipe {
    /// Subject and issuer (key in the upper half, name in the lower), kind, two octets of extensions, the length of a
    /// value, and the value.
    fn draw(draw: &mut Draw<'_>) -> Option<Self> {
        if draw.is_empty() {
            return None;
        }
        let (subject, issuer, kind, extensions, length) =
            (draw.octet(), draw.octet(), draw.octet(), draw.short(), draw.octet());
        Some(Self {
            is_anchor: kind & 1 == 1,
            subject,
            issuer,
            validity: kind >> 1 & 3,
            path_length: kind >> 3 & 3,
            extensions,
            value: draw.octets(length.into()).to_vec(),
        })
    }

    fn certificate(&self) -> Vec<u8> {
        MADE.with_borrow_mut(|made| {
            if made.len() > 4_096 {
                made.clear();
            }
            made.entry(self.clone()).or_insert_with(|| self.make()).clone()
        })
    }

    fn make(&self) -> Vec<u8> {
        let name = |party: u8| NAMES[usize::from(party & 7)];
        let (not_before, not_after) = VALIDITIES[usize::from(self.validity)];
        let request =
            Request { not_before, not_after, ..Request::new(name(self.subject), key(self.subject), self.extensions()) };
        let issuer = Identity {
            key: key(self.issuer),
            name: distinguished_name(name(self.issuer)),
            serial: Vec::new(),
            certificate: Vec::new(),
        };
        request.issued_by(&issuer).certificate
    }

    /// One for each bit. That some contradict each other is meant so.
    fn extensions(&self) -> Vec<Vec<u8>> {
        let constraint = |value: &[u8]| sequence(&[&explicit(0, &sequence(&[value]))]);
        let directory = explicit(4, &distinguished_name(NAMES[6]));
        let dns = tlv(0x82, &[b"example.org"]);
        let all = [
            basic_constraints(None),
            basic_constraints(Some(self.path_length.into())),
            key_usage(CERT_SIGN),
            key_usage(DIGITAL_SIGNATURE),
            extended_key_usage(&[EKU_TOKEN_SIGNING]),
            extended_key_usage(&[EKU_CLIENT_AUTH]),
            policies(&[POLICY]),
            policies(&["2.5.29.32.0"]),
            alternative_names("Alex@example.org", "alex.example.org", "https://example.org/alex", "alex@example.org"),
            extension(NAME_CONSTRAINTS, true, &constraint(&directory)),
            extension(NAME_CONSTRAINTS, true, &constraint(&dns)),
            extension("2.5.29.36", true, &sequence(&[&tlv(0x80, &[&[self.path_length]])])),
            extension("2.5.29.54", true, &integer(self.path_length.into())),
            extension("2.5.29.33", true, &sequence(&[&sequence(&[&oid(POLICY), &oid("2.5.29.32.1")])])),
            extension("1.3.6.1.4.1.32473.7.3", true, &boolean(true)),
            extension(ANY_VALUE[usize::from(self.path_length)], false, &self.value),
        ];
        let wanted = |at: usize| self.extensions >> at & 1 == 1;
        all.into_iter().enumerate().filter(|(at, _)| wanted(*at)).map(|(_, extension)| extension).collect()
    }
}

/// Extensions whose value an input brings.
const ANY_VALUE: [&str; 4] = [NAME_CONSTRAINTS, "2.5.29.17", "2.5.29.32", BASIC_CONSTRAINTS];

/// Seven keys on P-256 and one on P-384.
static KEYS: LazyLock<[Key; 8]> = LazyLock::new(|| {
    core::array::from_fn(|number| match number {
        7 => Key::p384("countersign fuzz key 7"),
        number => Key::p256(&format!("countersign fuzz key {number}")),
    })
});

/// DER of the name of a party.
pub(crate) fn name(party: u8) -> Vec<u8> {
    distinguished_name(NAMES[usize::from(party & 7)])
}

/// The key of a party.
pub(crate) fn key(party: u8) -> Key {
    match &KEYS[usize::from(party >> 4 & 7)] {
        Key::P256(key) => Key::P256(key.clone()),
        Key::P384(key) => Key::P384(key.clone()),
        _ => unreachable!("no other kind is among them"),
    }
}
