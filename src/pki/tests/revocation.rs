//! What lists say of the certificates of a path: each rule of RFC 5280 6.3.3, both outcomes.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    Budget, Certificate, PathErrorKind, PathRules, RevocationList, RevocationReason, RevocationRules, Time,
    validate_path,
};
use countersign_testpki::{
    Identity, Key, List, Request,
    certificates::{
        CERT_SIGN, DIGITAL_SIGNATURE, EKU_TOKEN_SIGNING, POLICY, basic_constraints, ca, distinguished_name,
        extended_key_usage, extension, key_usage, policies,
    },
    crls::{
        certificate_issuer, delta, directory_name, distribution_points, expired_certificates, full_name, indirect,
        issuing_point, name_under, only_attributes, only_cas, only_reasons, only_users, point_issuer, point_reasons,
        reason, relative_name, uri,
    },
    der::sequence,
};
use std::slice;

const DATE: &str = "2026-03-01T00:00:00Z";
const NOW: &str = "2026-06-01T00:00:00Z";
const CRL_SIGN: u8 = 0x02;

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// A root, a CA below it and a leaf.
struct World {
    root: Identity,
    ca: Identity,
    leaf: Identity,
    others: Vec<Identity>,
    /// A list of the root, so that the CA's status is known.
    root_list: Vec<u8>,
}

fn root() -> Identity {
    Request::new("Root", Key::p256("revocation root"), ca(None)).self_signed()
}

fn authority(name: &str, label: &str, issuer: &Identity) -> Identity {
    Request::new(name, Key::p256(label), ca(None)).issued_by(issuer)
}

fn list_signer(name: &str, label: &str, more: &[Vec<u8>], issuer: &Identity) -> Identity {
    Request::new(name, Key::p256(label), [&[key_usage(CRL_SIGN)], more].concat()).issued_by(issuer)
}

fn leaf_request<'a>(more: &[Vec<u8>]) -> Request<'a> {
    Request::new("Leaf", Key::p256("revocation leaf"), [&[key_usage(DIGITAL_SIGNATURE)], more].concat())
}

/// A world whose leaf has these extensions besides its key usage.
fn world(more: &[Vec<u8>]) -> World {
    let root = root();
    let ca = authority("CA", "revocation ca", &root);
    let leaf = leaf_request(more).issued_by(&ca);
    let root_list = List::new(&root).sign(&root.key);
    World { root, ca, leaf, others: Vec::new(), root_list }
}

fn rules<'r>(lists: &'r [RevocationList<'r>]) -> RevocationRules<'r> {
    RevocationRules { lists, required: true, current_at: Some(time(NOW)), dated: false }
}

impl World {
    /// Judges the leaf in every order of the lists: the root's, which comes along, is number 0.
    fn judge_with(
        &self,
        lists: &[Vec<u8>],
        change: impl Fn(&mut PathRules<'_>, &mut Budget),
    ) -> Result<Vec<usize>, PathErrorKind> {
        let leaf = Certificate::from_der(&self.leaf.certificate).unwrap();
        let untrusted: Vec<_> = core::iter::once(&self.ca)
            .chain(&self.others)
            .map(|one| Certificate::from_der(&one.certificate).unwrap())
            .collect();
        let anchors = [Certificate::from_der(&self.root.certificate).unwrap()];
        let given: Vec<&Vec<u8>> = core::iter::once(&self.root_list).chain(lists).collect();
        let mut orders = vec![(0..given.len()).collect::<Vec<_>>(), (0..given.len()).rev().collect()];
        orders.push((0..given.len()).map(|index| (index + 1) % given.len()).collect());
        let mut outcomes = orders.into_iter().map(|order| {
            let lists: Vec<_> = order.iter().map(|index| RevocationList::from_der(given[*index]).unwrap()).collect();
            let mut rules = PathRules { revocation: Some(rules(&lists)), ..PathRules::at(time(NOW)) };
            let mut budget = Budget::default();
            change(&mut rules, &mut budget);
            let path = validate_path(&leaf, &untrusted, &anchors, &rules, &mut budget).map_err(|error| error.kind)?;
            let mut said: Vec<usize> = path.lists().iter().map(|index| order[*index]).collect();
            said.sort_unstable();
            Ok(said)
        });
        let first = outcomes.next().unwrap();
        outcomes.for_each(|other| assert_eq!(other, first, "the order of the lists changed the answer"));
        first
    }

    fn judge(&self, lists: &[Vec<u8>]) -> Result<Vec<usize>, PathErrorKind> {
        self.judge_with(lists, |_, _| {})
    }

    /// The CA's list.
    fn list(&self) -> List {
        List::new(&self.ca)
    }

    /// The CA's list with the leaf on it.
    fn list_with_leaf(&self, code: u8) -> List {
        self.list().entry(&self.leaf.serial, DATE, &[reason(code)])
    }

    fn signed(&self, list: &List) -> Vec<u8> {
        list.sign(&self.ca.key)
    }
}

fn revoked(reason: RevocationReason) -> Result<Vec<usize>, PathErrorKind> {
    Err(PathErrorKind::Revoked { reason, date: time(DATE) })
}

const COMPROMISED: RevocationReason = RevocationReason::KeyCompromise;

fn unknown(why: &'static str) -> Result<Vec<usize>, PathErrorKind> {
    Err(PathErrorKind::StatusUnknown(why))
}

const NO_LIST: &str = "no list covers the certificate";
const NOT_CURRENT: &str = "no list is in force at the time";
const NO_SIGNER: &str = "no list is signed by one who may";
const EXPIRED: &str = "the certificate expired before the list, which does not keep expired ones";
const SOME_REASONS: &str = "the lists cover only some reasons";

#[test]
fn revoked_on_hold_not_revoked_and_unknown() {
    let world = world(&[]);
    assert_eq!(world.judge(&[world.signed(&world.list())]), Ok(vec![0, 1]));
    assert_eq!(world.judge(&[world.signed(&world.list_with_leaf(1))]), revoked(COMPROMISED));
    let hold = world.judge(&[world.signed(&world.list_with_leaf(6))]);
    assert_eq!(hold, Err(PathErrorKind::OnHold { date: time(DATE) }));
    assert_eq!(world.judge(&[]), unknown(NO_LIST));
    assert_eq!(
        [revoked(COMPROMISED), hold, unknown(NO_LIST)].map(|outcome| outcome.unwrap_err().code()),
        ["CS-2035", "CS-2036", "CS-2037"]
    );
    // Where no status is required, only what is known to be revoked is refused.
    let lenient =
        |lists: &[Vec<u8>]| world.judge_with(lists, |rules, _| rules.revocation.as_mut().unwrap().required = false);
    assert_eq!(lenient(&[]), Ok(vec![0]));
    assert_eq!(lenient(&[world.signed(&world.list_with_leaf(1))]), revoked(COMPROMISED));
    assert_eq!(world.judge_with(&[], |rules, _| rules.revocation = None), Ok(vec![]));
}

#[test]
fn a_revoked_ca_refuses_what_is_below() {
    let mut world = world(&[]);
    world.root_list = List::new(&world.root).entry(&world.ca.serial, DATE, &[reason(2)]).sign(&world.root.key);
    let lists = [world.signed(&world.list())];
    assert_eq!(world.judge(&lists), revoked(RevocationReason::CaCompromise));
    // Told, too, where another certificate of the CA fails earlier.
    let expired = Request::new("CA", Key::p256("revocation ca"), ca(None));
    world.others.push(Request { not_after: "2026-02-01T00:00:00Z", ..expired }.issued_by(&world.root));
    assert_eq!(world.judge(&lists), revoked(RevocationReason::CaCompromise));
}

#[test]
fn dates_of_revocation_count_for_the_reasons_that_spare() {
    let world = world(&[]);
    let judge = |code, at: &str| {
        world.judge_with(&[world.signed(&world.list_with_leaf(code))], |rules, _| {
            rules.time = time(at);
            rules.revocation.as_mut().unwrap().dated = true;
        })
    };
    for code in [0, 1, 2, 3, 4, 5, 6, 9, 10] {
        let spares = matches!(code, 3..=5);
        assert_eq!(judge(code, "2026-02-28T23:59:59Z").is_ok(), spares, "{code}");
        assert!(judge(code, DATE).is_err(), "{code}");
        assert!(judge(code, NOW).is_err(), "{code}");
    }
    let undated = world.judge_with(&[world.signed(&world.list_with_leaf(4))], |rules, _| {
        rules.time = time("2026-02-01T00:00:00Z");
    });
    assert_eq!(undated, revoked(RevocationReason::Superseded));
}

#[test]
fn a_list_counts_while_it_is_in_force() {
    let world = world(&[]);
    let at = |at: Option<&str>| {
        let list = world.list().dates("2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z");
        world.judge_with(&[world.signed(&list)], |rules, _| {
            rules.revocation.as_mut().unwrap().current_at = at.map(time);
        })
    };
    for good in ["2026-02-01T00:00:00Z", NOW, "2026-07-01T00:00:00Z"] {
        assert_eq!(at(Some(good)), Ok(vec![0, 1]));
    }
    for bad in ["2026-01-31T23:59:59Z", "2026-07-01T00:00:01Z"] {
        assert_eq!(at(Some(bad)), unknown(NOT_CURRENT));
    }
    assert_eq!(at(None), Ok(vec![0, 1]));
}

#[test]
fn the_newest_usable_list_of_a_scope_is_asked() {
    let world = world(&[]);
    let held = world.signed(&world.list_with_leaf(6).number(1));
    let released = world.signed(&world.list().number(2));
    assert_eq!(world.judge(&[held.clone(), released.clone()]), Ok(vec![0, 2]));
    // Not the number of a list that is not in force, or that the CA did not sign.
    let future = world.list().number(3).dates("2026-09-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(world.judge(&[world.signed(&future), released.clone()]), Ok(vec![0, 2]));
    let forged = world.list().number(300).sign(&world.root.key);
    let hold = Err(PathErrorKind::OnHold { date: time(DATE) });
    assert_eq!(world.judge(&[forged, held.clone()]), hold);
    // Of two with the same number both are.
    let twin = world.signed(&world.list().number(1).dates("2026-01-02T00:00:00Z", "2026-12-01T00:00:00Z"));
    assert_eq!(world.judge(&[held, twin]), hold);
}

#[test]
fn an_expired_certificate_is_told_about_only_by_lists_that_keep_it() {
    let root = root();
    let ca = authority("CA", "revocation ca", &root);
    let request = Request { not_after: "2026-03-31T00:00:00Z", ..leaf_request(&[]) };
    let root_list = List::new(&root).sign(&root.key);
    let world = World { leaf: request.issued_by(&ca), root, ca, others: Vec::new(), root_list };
    let judge = |list: List| {
        world.judge_with(&[world.signed(&list)], |rules, _| {
            rules.time = time("2026-03-15T00:00:00Z");
            rules.revocation.as_mut().unwrap().current_at = None;
        })
    };
    let after = |list: List| list.dates("2026-05-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(judge(after(world.list())), unknown(EXPIRED));
    let since = |date| after(world.list()).extension(expired_certificates(date));
    assert_eq!(judge(since("2026-03-31T00:00:00Z")), Ok(vec![0, 1]));
    assert_eq!(judge(since("2026-03-31T00:00:01Z")), unknown(EXPIRED));
    assert_eq!(judge(world.list().dates("2026-03-31T00:00:00Z", "2026-12-01T00:00:00Z")), Ok(vec![0, 1]));
    assert_eq!(judge(after(world.list_with_leaf(1))), revoked(COMPROMISED));
    // Taken off a delta list since it expired, not since it was released.
    let lists = [
        world.signed(&world.list_with_leaf(1)),
        world.signed(&after(world.list_with_leaf(8)).number(2).extension(delta(1))),
    ];
    let judged = world.judge_with(&lists, |rules, _| {
        rules.time = time("2026-03-15T00:00:00Z");
        rules.revocation.as_mut().unwrap().current_at = None;
    });
    assert_eq!(judged, revoked(COMPROMISED));
}

#[test]
fn scopes_are_held_to() {
    let world = world(&[]);
    let judge = |fields: &[Vec<u8>]| world.judge(&[world.signed(&world.list().extension(issuing_point(fields)))]);
    assert_eq!(judge(&[only_users()]), Ok(vec![0, 1]));
    assert_eq!(judge(&[only_cas()]), unknown(NO_LIST));
    assert_eq!(judge(&[only_attributes()]), unknown(NO_LIST));
    assert_eq!(judge(&[indirect()]), Ok(vec![0, 1]));
    // The assumed distribution point is the issuer's name.
    assert_eq!(judge(&[full_name(&[directory_name(&world.ca.name)])]), Ok(vec![0, 1]));
    assert_eq!(judge(&[full_name(&[uri("http://example.org/a.crl")])]), unknown(NO_LIST));

    let mut of_root = List::new(&world.root).extension(issuing_point(&[only_users()]));
    let with_root = |root_list: Vec<u8>, world: &World| {
        let lists = [world.signed(&world.list()), root_list];
        World { root_list: lists[0].clone(), ..self::world(&[]) }.judge(&lists[1..])
    };
    assert_eq!(with_root(of_root.sign(&world.root.key), &world), unknown(NO_LIST));
    of_root.extensions[2] = issuing_point(&[only_cas()]);
    assert_eq!(with_root(of_root.sign(&world.root.key), &world), Ok(vec![0, 1]));
}

#[test]
fn distribution_points_match_by_any_name_full_or_relative() {
    let a = || uri("http://example.org/a.crl");
    let b = || uri("http://example.org/b.crl");
    let ca_name = distinguished_name("CA");
    let relative = name_under(&ca_name, "part 1");
    let judge = |point: &[Vec<u8>], issuing: &[Vec<u8>]| {
        let world = world(&[distribution_points(&[point])]);
        world.judge(&[world.signed(&world.list().extension(issuing_point(issuing)))])
    };
    let good = Ok(vec![0, 1]);
    assert_eq!(judge(&[full_name(&[a(), b()])], &[full_name(&[b()])]), good);
    assert_eq!(judge(&[full_name(&[a()])], &[full_name(&[b()])]), unknown(NO_LIST));
    assert_eq!(judge(&[relative_name("part 1")], &[relative_name("PART 1")]), good);
    assert_eq!(judge(&[relative_name("part 1")], &[relative_name("part 2")]), unknown(NO_LIST));
    assert_eq!(judge(&[relative_name("part 1")], &[full_name(&[directory_name(&relative)])]), good);
    assert_eq!(judge(&[full_name(&[a(), directory_name(&relative)])], &[relative_name("part 1")]), good);
    let long = "part ".repeat(40);
    let far = name_under(&ca_name, &long);
    assert_eq!(judge(&[relative_name(&long)], &[full_name(&[directory_name(&far)])]), good);
    // A list without a name covers whatever point there is.
    assert_eq!(judge(&[full_name(&[a()])], &[only_users()]), good);
    let world = world(&[distribution_points(&[&[full_name(&[a()])]])]);
    assert_eq!(world.judge(&[world.signed(&world.list())]), good);

    let world = self::world(&[extension("2.5.29.18", false, &sequence(&[&b()]))]);
    let named = world.list().extension(issuing_point(&[full_name(&[b()])]));
    assert_eq!(world.judge(&[world.signed(&named)]), good);
}

#[test]
fn distribution_points_that_cannot_be_read_are_refused() {
    for point in [&[][..], &[point_reasons(&[1])], &[uri("x")], &[full_name(&[])]] {
        let world = world(&[distribution_points(&[point])]);
        let refused = Err(PathErrorKind::Malformed("cRLDistributionPoints"));
        assert_eq!(world.judge(&[world.signed(&world.list())]), refused);
    }
}

#[test]
fn reasons_add_up() {
    let plain = world(&[]);
    let some = |flags: &[u8], list: List| plain.signed(&list.extension(issuing_point(&[only_reasons(flags)])));
    let compromise = || some(&[1, 2, 8], plain.list());
    let rest = || some(&[3, 4, 5, 6, 7], plain.list());
    assert_eq!(plain.judge(&[compromise(), rest()]), Ok(vec![0, 1, 2]));
    assert_eq!(plain.judge(&[compromise()]), unknown(SOME_REASONS));
    assert_eq!(plain.judge(&[rest(), some(&[1, 2], plain.list())]), unknown(SOME_REASONS));
    assert_eq!(
        plain.judge(&[compromise(), some(&[3, 4, 5, 6, 7], plain.list_with_leaf(4))]),
        revoked(RevocationReason::Superseded)
    );

    // Points may have reasons of their own; the CA's lists without a point's name cover all of them anyhow.
    let (a, b) = (full_name(&[uri("a")]), full_name(&[uri("b")]));
    let world = world(&[distribution_points(&[
        &[a.clone(), point_reasons(&[1, 2])],
        &[b.clone(), point_reasons(&[3, 4, 5, 6, 7, 8])],
    ])]);
    let of = |point: &Vec<u8>| world.signed(&world.list().extension(issuing_point(slice::from_ref(point))));
    assert_eq!(world.judge(&[of(&a), of(&b)]), Ok(vec![0, 1, 2]));
    assert_eq!(world.judge(&[of(&a)]), unknown(SOME_REASONS));
}

#[test]
fn a_delta_list_goes_with_the_list_that_it_builds_on() {
    let world = world(&[]);
    let change = |number, base, list: List| world.signed(&list.number(number).extension(delta(base)));
    let complete = |number, list: List| world.signed(&list.number(number));
    let (clean, listed, held) = (world.list(), world.list_with_leaf(1), world.list_with_leaf(6));
    let removed = world.list_with_leaf(8);
    for (lists, expected) in [
        (vec![complete(5, clean.clone()), change(7, 4, clean.clone())], Ok(vec![0, 1, 2])),
        (vec![complete(5, clean.clone()), change(7, 5, listed.clone())], revoked(COMPROMISED)),
        (vec![complete(5, held.clone()), change(7, 4, removed.clone())], Ok(vec![0, 1, 2])),
        (vec![complete(5, listed.clone()), change(7, 4, clean.clone())], revoked(COMPROMISED)),
        // Of two the newer.
        (vec![complete(5, clean.clone()), change(7, 4, held.clone()), change(8, 4, clean.clone())], Ok(vec![0, 1, 3])),
        // Too old, or builds on what is not there.
        (vec![complete(7, clean.clone()), change(7, 4, listed.clone())], Ok(vec![0, 1])),
        (vec![complete(5, clean.clone()), change(7, 6, listed.clone())], Ok(vec![0, 1])),
        (vec![change(7, 4, clean.clone())], unknown(NO_LIST)),
    ] {
        assert_eq!(world.judge(&lists), expected);
    }
    // Another scope, another key, another date.
    let scoped = listed.clone().extension(issuing_point(&[only_users()]));
    assert_eq!(world.judge(&[complete(5, clean.clone()), change(7, 4, scoped)]), Ok(vec![0, 1]));
    let forged = listed.clone().number(7).extension(delta(4)).sign(&world.root.key);
    assert_eq!(world.judge(&[complete(5, clean.clone()), forged]), Ok(vec![0, 1]));
    let future = listed.dates("2026-09-01T00:00:00Z", "2026-12-01T00:00:00Z");
    assert_eq!(world.judge(&[complete(5, clean), change(7, 4, future)]), Ok(vec![0, 1]));
}

#[test]
fn another_key_of_the_ca_may_sign_the_list() {
    let mut world = world(&[]);
    let signer = list_signer("CA", "revocation list key", &[], &world.root);
    let list = |world: &World| List { issuer: world.ca.name.clone(), ..List::new(&signer) }.sign(&signer.key);
    // Without its certificate the list is nobody's.
    assert_eq!(world.judge(&[list(&world)]), unknown(NO_SIGNER));
    let again = list_signer("CA", "revocation list key", &[], &world.root);
    world.others = vec![again];
    assert_eq!(world.judge(&[list(&world)]), Ok(vec![0, 1]));
    let listed = List::new(&signer).entry(&world.leaf.serial, DATE, &[reason(1)]);
    assert_eq!(world.judge(&[listed.sign(&signer.key)]), revoked(COMPROMISED));

    // Its own certificate revoked, without cRLSign, or under another root.
    world.root_list = List::new(&world.root).entry(&world.others[0].serial, DATE, &[reason(1)]).sign(&world.root.key);
    assert_eq!(world.judge(&[list(&world)]), unknown(NO_SIGNER));
    world.root_list = List::new(&world.root).sign(&world.root.key);
    let key = Key::p256("revocation list key");
    world.others = vec![Request::new("CA", key, vec![key_usage(DIGITAL_SIGNATURE)]).issued_by(&world.root)];
    assert_eq!(world.judge(&[list(&world)]), unknown(NO_SIGNER));
    let stranger = Request::new("Root", Key::p256("another root"), ca(None)).self_signed();
    world.others = vec![list_signer("CA", "revocation list key", &[], &stranger)];
    assert_eq!(world.judge(&[list(&world)]), unknown(NO_SIGNER));
}

#[test]
fn a_ca_without_crl_sign_signs_no_list() {
    let root = root();
    let key = Key::p256("revocation ca");
    let extensions = vec![basic_constraints(None), key_usage(CERT_SIGN & !CRL_SIGN)];
    let ca = Request::new("CA", key, extensions).issued_by(&root);
    let root_list = List::new(&root).sign(&root.key);
    let world = World { leaf: leaf_request(&[]).issued_by(&ca), root, ca, others: Vec::new(), root_list };
    assert_eq!(world.judge(&[world.signed(&world.list())]), unknown(NO_SIGNER));
}

#[test]
fn lists_that_depend_on_each_other_prove_nothing() {
    let mut world = world(&[]);
    // Two list signers of the CA's name, certified by the CA: each signs the list that tells about the other.
    let (one, two) =
        (list_signer("CA", "revocation one", &[], &world.ca), list_signer("CA", "revocation two", &[], &world.ca));
    let lists = [List::new(&one).sign(&one.key), List::new(&two).sign(&two.key)];
    world.others = vec![one, two];
    assert_eq!(world.judge(&lists), unknown(NO_SIGNER));
    // Nobody vouches for himself either.
    assert_eq!(world.judge(&lists[..1]), unknown(NO_SIGNER));
    // A list by the CA's own key ends the circle.
    assert_eq!(world.judge(&[lists[0].clone(), world.signed(&world.list())]), Ok(vec![0, 1, 2]));
}

#[test]
fn an_indirect_list_needs_to_be_named_and_to_name() {
    let point = || full_name(&[uri("indirect")]);
    let issuer_name = distinguished_name("List issuer");
    let mut world = world(&[distribution_points(&[&[point(), point_issuer(&issuer_name)]])]);
    let signer = list_signer("List issuer", "revocation indirect", &[], &world.root);
    let list = |fields: &[Vec<u8>]| List::new(&signer).extension(issuing_point(fields));
    world.others = vec![list_signer("List issuer", "revocation indirect", &[], &world.root)];
    assert_eq!(world.judge(&[list(&[point(), indirect()]).sign(&signer.key)]), Ok(vec![0, 1]));
    let ca_named = [certificate_issuer(&world.ca.name), reason(1)];
    let listed = list(&[point(), indirect()]).entry(&world.leaf.serial, DATE, &ca_named);
    assert_eq!(world.judge(&[listed.sign(&signer.key)]), revoked(COMPROMISED));
    // An entry without a name is about the list issuer's own certificates.
    let own = list(&[point(), indirect()]).entry(&world.leaf.serial, DATE, &[reason(1)]);
    assert_eq!(world.judge(&[own.sign(&signer.key)]), Ok(vec![0, 1]));
    assert_eq!(world.judge(&[list(&[point()]).sign(&signer.key)]), unknown(NO_LIST));
    assert_eq!(world.judge(&[list(&[full_name(&[uri("other")]), indirect()]).sign(&signer.key)]), unknown(NO_LIST));
    // Without the point's own name, the list's is looked for among the issuers.
    world.leaf = leaf_request(&[distribution_points(&[&[point_issuer(&issuer_name)]])]).issued_by(&world.ca);
    let named = list(&[full_name(&[directory_name(&issuer_name)]), indirect()]);
    assert_eq!(world.judge(&[named.sign(&signer.key)]), Ok(vec![0, 1]));
    // Nobody named this issuer.
    world.leaf = leaf_request(&[]).issued_by(&world.ca);
    assert_eq!(world.judge(&[list(&[indirect()]).sign(&signer.key)]), unknown(NO_LIST));
}

#[test]
fn an_issuer_of_indirect_lists_may_tell_about_itself_where_its_ca_says_so() {
    let issuer_name = distinguished_name("List issuer");
    let points = || [distribution_points(&[&[point_issuer(&issuer_name)]])];
    let mut world = world(&points());
    let signer = list_signer("List issuer", "revocation self", &points(), &world.ca);
    let list = List::new(&signer).extension(issuing_point(&[indirect()]));
    world.others = vec![list_signer("List issuer", "revocation self", &points(), &world.ca)];
    assert_eq!(world.judge(&[list.sign(&signer.key)]), Ok(vec![0, 1]));
    let itself = list.entry(&signer.serial, DATE, &[certificate_issuer(&world.ca.name), reason(1)]);
    assert_eq!(world.judge(&[itself.sign(&signer.key)]), unknown(NO_SIGNER));
}

#[test]
fn signatures_on_lists_are_paid_for_once() {
    let world = world(&[]);
    let list = world.signed(&world.list());
    // Two of the path and two of the lists.
    let with = |signatures| world.judge_with(slice::from_ref(&list), |_, budget| budget.signatures = signatures);
    assert_eq!(with(4), Ok(vec![0, 1]));
    assert_eq!(with(3), Err(PathErrorKind::BudgetExhausted));

    let certificates =
        [&world.root, &world.ca, &world.leaf].map(|one| Certificate::from_der(&one.certificate).unwrap());
    let [root, ca, leaf] = certificates;
    let lists = [&world.root_list, &list].map(|der| RevocationList::from_der(der).unwrap());
    let rules = PathRules { revocation: Some(rules(&lists)), ..PathRules::at(time(NOW)) };
    for left in [6, 8] {
        let mut budget = Budget { signatures: 10, ..Budget::default() };
        validate_path(&leaf, slice::from_ref(&ca), slice::from_ref(&root), &rules, &mut budget).unwrap();
        assert_eq!(budget.signatures, left);
    }
}

#[test]
fn what_is_asked_of_the_leaf_is_not_asked_of_who_signs_lists() {
    let mut world = world(&[]);
    let extensions = [ca(None), vec![policies(&[POLICY])]].concat();
    world.ca = Request::new("CA", Key::p256("revocation ca"), extensions).issued_by(&world.root);
    world.leaf = leaf_request(&[policies(&[POLICY]), extended_key_usage(&[EKU_TOKEN_SIGNING])]).issued_by(&world.ca);
    let signer = || list_signer("CA", "revocation list key", &[], &world.root);
    let list = List { issuer: world.ca.name.clone(), ..List::new(&signer()) }.sign(&signer().key);
    world.others = vec![signer()];
    let judged = world.judge_with(slice::from_ref(&list), |rules, _| {
        rules.signing = true;
        rules.extended_key_usage = Some(EKU_TOKEN_SIGNING.parse().unwrap());
        rules.policies.explicit = true;
    });
    assert_eq!(judged, Ok(vec![0, 1]));
}

#[test]
fn lists_depend_on_four_signers_at_most() {
    let point = |number: usize| full_name(&[uri(&format!("http://example.org/{number}.crl"))]);
    for (count, known) in [(4, true), (5, false)] {
        // The list of each point is signed by one whose certificate names the next point; the CA itself signs the last.
        let mut world = world(&[distribution_points(&[&[point(0)]])]);
        let mut lists = Vec::new();
        for number in 0..count {
            let named = [distribution_points(&[&[point(number + 1)]])];
            let signer = list_signer("CA", &format!("revocation key {number}"), &named, &world.ca);
            let list = List { issuer: world.ca.name.clone(), ..List::new(&signer) };
            lists.push(list.extension(issuing_point(&[point(number)])).sign(&signer.key));
            world.others.push(signer);
        }
        lists.push(world.signed(&world.list().extension(issuing_point(&[point(count)]))));
        let expected = if known { Ok(vec![0, 1]) } else { unknown(NO_SIGNER) };
        assert_eq!(world.judge(&lists), expected, "{count}");
    }
}

#[test]
fn a_list_whose_algorithm_is_no_longer_allowed_does_not_count() {
    let world = world(&[]);
    let far = "2035-12-31T23:00:00Z";
    let list = |list: List| list.dates("2026-01-01T00:00:00Z", far);
    let key = Key::rsa_2048();
    let extensions = vec![key_usage(CRL_SIGN)];
    let signer = Request::new("CA", key, extensions).issued_by(&world.root);
    let der = list(List { issuer: world.ca.name.clone(), ..List::new(&signer) }).sign(&signer.key);
    let root_list = list(List::new(&world.root)).sign(&world.root.key);
    let world = World { others: vec![signer], root_list, ..world };
    let at = |at| {
        world.judge_with(slice::from_ref(&der), |rules, _| {
            rules.time = time(at);
            rules.revocation.as_mut().unwrap().current_at = Some(time(at));
        })
    };
    assert_eq!(at("2030-12-31T23:59:59Z"), Ok(vec![0, 1]));
    assert_eq!(at("2031-01-01T00:00:00Z"), unknown(NO_SIGNER));
}

#[test]
fn a_damaged_index_refuses_instead_of_passing() {
    let world = world(&[]);
    let der = world.signed(&world.list_with_leaf(1));
    let mut index = RevocationList::from_der(&der).unwrap().index().unwrap();
    *index.last_mut().unwrap() ^= 1;
    let certificates =
        [&world.root, &world.ca, &world.leaf].map(|one| Certificate::from_der(&one.certificate).unwrap());
    let [root, ca, leaf] = certificates;
    let lists = [RevocationList::from_der(&world.root_list).unwrap(), RevocationList::open(&der, &index).unwrap()];
    let mut rules = PathRules { revocation: Some(rules(&lists)), ..PathRules::at(time(NOW)) };
    rules.revocation.as_mut().unwrap().required = false;
    let refused = validate_path(&leaf, &[ca], &[root], &rules, &mut Budget::default()).unwrap_err();
    assert_eq!(refused.kind.code(), "CS-2032");
}
