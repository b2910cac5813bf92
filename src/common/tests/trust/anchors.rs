//! Root and key rotation by anchors updates.

use crate::{Site, code};
use countersign_common::{
    Anchors, Extension, NO_LISTS, SignedObject, VerifiedRecord, VerifiedToken,
    anchors_update::{AnchorsUpdate, MAX_ANCHORS_SIGNERS},
};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{ca, signer_extensions},
    objects::{CONTENT_TOKEN, Cms, ISSUED},
    trust::{anchors_signatures, anchors_signer, anchors_update},
};
use der::Encode;

/// Two roots and three officers, certified for anchors updates by the old root.
struct Office {
    site: Site,
    new_root: Identity,
    officers: [Identity; 3],
}

impl Office {
    fn new() -> Self {
        let site = Site::new();
        let new_root = Request::new("Second Token Root", Key::p256("second token root"), ca(None)).self_signed();
        let officers =
            ["Officer One", "Officer Two", "Officer Three"].map(|name| anchors_signer(name, &site.cast.token_root));
        Self { site, new_root, officers }
    }

    fn roots(&self) -> [(&[u8], Option<&str>); 2] {
        [(&self.site.cast.token_root.certificate, None), (&self.new_root.certificate, None)]
    }

    /// The first update: both roots, any two of the three officers.
    fn first(&self) -> Vec<Vec<u8>> {
        let [one, two, three] = &self.officers;
        anchors_update(1, &self.roots(), &[one, two, three], 2, &[one, two])
    }

    fn follow(&self, updates: &[Vec<u8>]) -> &'static str {
        code(self.site.anchors().follow(updates))
    }

    /// A token by a signer whom the new root certified.
    fn new_token(&self) -> Vec<u8> {
        let signer = Request::new("Second Token Signer", Key::p256("second token signer"), signer_extensions())
            .issued_by(&self.new_root);
        Cms::new(CONTENT_TOKEN, self.site.cast.token_body().to_der().unwrap(), &signer, ISSUED).build()
    }
}

#[test]
fn tokens_by_old_and_new_signers_are_valid_while_the_overlap_lasts() {
    let office = Office::new();
    let (old, new) = (office.site.cast.token(|_| {}), office.new_token());
    let verify = |token: &[u8], anchors: &Anchors<'_>| {
        code(VerifiedToken::verify(SignedObject::from_der(token).unwrap(), anchors, &NO_LISTS))
    };
    let before = office.site.anchors();
    assert_eq!([verify(&old, &before), verify(&new, &before)], ["CS-0001", "CS-2006"]);
    let updates = office.first();
    let both = office.site.anchors().follow(&updates).unwrap();
    assert_eq!([verify(&old, &both), verify(&new, &both)], ["CS-0001", "CS-0001"]);
    assert_eq!(both.number(), 1);
    let [one, two, three] = &office.officers;
    let second = anchors_update(2, &office.roots()[1..], &[one, two, three], 2, &[two, three]);
    let row = [updates.clone(), second].concat();
    let after = office.site.anchors().follow(&row).unwrap();
    assert_eq!([verify(&old, &after), verify(&new, &after)], ["CS-2006", "CS-0001"]);
}

#[test]
fn the_end_of_an_overlap_ends_activations_and_not_what_was_activated() {
    let office = Office::new();
    let [one, two, three] = &office.officers;
    let record = office.site.cast.record(|_| {}, |_| {}, |_| {});
    for (end, expected) in [("2026-06-15T09:30:00Z", "CS-0001"), ("2026-06-15T09:29:59Z", "CS-3010")] {
        let mut roots = office.roots();
        roots[0].1 = Some(end);
        let updates = anchors_update(1, &roots, &[one, two, three], 1, &[one]);
        let anchors = office.site.anchors().follow(&updates).unwrap();
        let object = SignedObject::from_der(&record).unwrap();
        assert_eq!(code(VerifiedRecord::verify(object, &anchors, &NO_LISTS)), expected, "overlap to {end}");
        let token = office.site.cast.token(|_| {});
        let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS).unwrap();
        assert_eq!(code(token.check_activation(&office.site.facts(&anchors, &NO_LISTS))), expected);
    }
}

#[test]
fn a_threshold_counts_distinct_keys_of_old_and_new_signers() {
    let office = Office::new();
    let [one, two, three] = &office.officers;
    let first = office.first();
    let second = |number, signers: &[&Identity], threshold, by: &[&Identity]| {
        let next = anchors_update(number, &office.roots(), signers, threshold, by);
        office.follow(&[first.clone(), next].concat())
    };
    assert_eq!(second(2, &[one, two], 2, &[one, two]), "CS-0001");
    assert_eq!(second(2, &[one, two], 1, &[one]), "CS-3009", "one of two by the predecessor");
    assert_eq!(second(2, &[one, two], 2, &[one, one]), "CS-3009", "twice the same key");
    let fourth = anchors_signer("Officer Four", &office.site.cast.token_root);
    assert_eq!(second(2, &[&fourth], 1, &[one, two]), "CS-3009", "not by itself");
    assert_eq!(second(2, &[&fourth], 1, &[one, two, &fourth]), "CS-0001");
    assert_eq!(second(2, &[&fourth, three], 2, &[one, &fourth]), "CS-3009");
    assert_eq!(second(2, &[&fourth, three], 2, &[one, three, &fourth]), "CS-0001");
    // A key that neither names counts for nothing, even if a root certified it.
    assert_eq!(second(2, &[one, two], 1, &[one, &fourth]), "CS-3009");
}

#[test]
fn the_first_update_is_signed_under_the_anchors_in_force() {
    let office = Office::new();
    let [one, ..] = &office.officers;
    let update = |signer: &Identity| office.follow(&anchors_update(1, &office.roots(), &[signer], 1, &[signer]));
    assert_eq!(update(one), "CS-0001");
    assert_eq!(update(&anchors_signer("Stranger", &office.new_root)), "CS-2006");
    assert_eq!(update(&anchors_signer("Holder", &office.site.cast.holder_root)), "CS-2006");
    assert_eq!(update(&office.site.cast.token_signer), "CS-2014");
    assert_eq!(update(&office.site.list_signer), "CS-2014");
}

#[test]
fn numbers_only_rise() {
    let office = Office::new();
    let [one, two, three] = &office.officers;
    let first = office.first();
    for number in [0, 1] {
        let next = anchors_update(number, &office.roots(), &[one, two, three], 2, &[one, two]);
        let expected = if number == 0 { "CS-1205" } else { "CS-3008" };
        // The same number again with the same body is the same update, signed more than once.
        let next =
            if number == 1 { anchors_update(1, &office.roots()[1..], &[one, two], 2, &[one, two]) } else { next };
        assert_eq!(office.follow(&[first.clone(), next].concat()), expected);
    }
}

#[test]
fn damaged_and_foreign_updates_are_refused() {
    let office = Office::new();
    let [one, two, _] = &office.officers;
    let body = office.site.cast.token_body().to_der().unwrap();
    assert_eq!(office.follow(&[office.site.cast.token(|_| {})]), "CS-1005");
    assert_eq!(office.follow(&anchors_signatures(&body, &[one])), "CS-1003");
    let mut broken = office.first();
    let last = broken[1].len() - 1;
    broken[1][last] ^= 1;
    assert_eq!(office.follow(&broken), "CS-1104");
    assert_eq!(office.follow(&anchors_update(1, &[], &[one], 1, &[one])), "CS-1205");
    assert_eq!(office.follow(&anchors_update(1, &office.roots(), &[one, two], 3, &[one])), "CS-1205");
    assert_eq!(office.follow(&anchors_update(1, &office.roots(), &[], 0, &[one])), "CS-1205");
    assert_eq!(office.follow(&anchors_update(1, &[(b"no certificate", None)], &[one], 1, &[one])), "CS-2001");
    let seventeen: Vec<&Identity> = std::iter::repeat_n(one, 17).collect();
    assert_eq!(office.follow(&anchors_update(1, &office.roots(), &[one], 1, &seventeen)), "CS-1205");
}

#[test]
fn as_many_officers_as_the_format_has_room_for_may_sign() {
    let site = Site::new();
    let root = &site.cast.token_root;
    let officers: Vec<_> =
        (0..MAX_ANCHORS_SIGNERS).map(|number| anchors_signer(&format!("Officer {number}"), root)).collect();
    let signers: Vec<_> = officers.iter().collect();
    let mut updates = anchors_update(1, &[(&root.certificate, None)], &signers, 16, &signers);
    assert_eq!(code(site.anchors().follow(&updates)), "CS-0001");
    updates.push(updates[0].clone());
    assert_eq!(code(site.anchors().follow(&updates)), "CS-1205");
}

#[test]
fn an_update_is_held_to_its_limits() {
    let office = Office::new();
    let [one, two, _] = &office.officers;
    let objects = anchors_update(1, &office.roots(), &[one, two], 1, &[one]);
    let object = SignedObject::from_der(&objects[0]).unwrap();
    let changed = |change: &dyn Fn(&mut AnchorsUpdate<'_>)| {
        let mut body = AnchorsUpdate::from_der(object.content()).unwrap();
        change(&mut body);
        office.follow(&anchors_signatures(&body.to_der().unwrap(), &[one]))
    };
    assert_eq!(changed(&|_| {}), "CS-0001");
    assert_eq!(changed(&|body| body.signers.reverse()), "CS-1205");
    assert_eq!(changed(&|body| body.signers[1] = body.signers[0]), "CS-1205");
    assert_eq!(changed(&|body| body.threshold = 3), "CS-1205");
    let extension = |critical| Extension {
        id: "1.3.6.1.4.1.32473.7.3".parse().unwrap(),
        critical,
        value: der::asn1::OctetString::new([5, 0]).unwrap(),
    };
    assert_eq!(changed(&|body| body.extensions = Some(vec![extension(false)])), "CS-0001");
    assert_eq!(changed(&|body| body.extensions = Some(vec![extension(true)])), "CS-1008");
}
