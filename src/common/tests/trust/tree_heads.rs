//! Heads of the ledger's tree: by the ledger signer alone.

use crate::{Site, code};
use countersign_common::{Extension, NO_LISTS, Octets, SignedObject, TreeHead};
use countersign_testpki::{
    Identity,
    objects::{Cms, time},
    trust::{CONTENT_TOKEN_LIST, CONTENT_TREE_HEAD, anchors_signer, ledger_signer, tree_head},
};
use der::{Encode, asn1::ObjectIdentifier};

const SIGNED: &str = "2026-06-03T00:00:00Z";

fn head() -> TreeHead {
    let (log, root) = (Octets([1; 32]), Octets([2; 32]));
    TreeHead { version: 1, log, size: 7, time: time(SIGNED), root, extensions: None }
}

fn sign(head: &TreeHead, signer: &Identity, content_type: &str) -> Vec<u8> {
    Cms::new(content_type, head.to_der().unwrap(), signer, SIGNED).build()
}

fn verify(site: &Site, der: &[u8]) -> &'static str {
    let anchors = site.anchors();
    code(SignedObject::from_der(der).and_then(|object| TreeHead::verify(&object, &anchors, &NO_LISTS)))
}

#[test]
fn a_head_is_signed_by_the_ledger_signer_and_nobody_else() {
    let site = Site::new();
    let signer = ledger_signer("Ledger Signer", &site.cast.token_root);
    let der = tree_head(&signer, &head());
    let anchors = site.anchors();
    assert_eq!(TreeHead::verify(&SignedObject::from_der(&der).unwrap(), &anchors, &NO_LISTS), Ok(head()));
    assert_eq!(verify(&site, &sign(&head(), &signer, CONTENT_TOKEN_LIST)), "CS-1005");
    let stranger = ledger_signer("Ledger Signer", &site.cast.holder_root);
    let officer = anchors_signer("Officer", &site.cast.token_root);
    for other in [&stranger, &officer, &site.list_signer, &site.cast.token_signer] {
        assert_ne!(verify(&site, &tree_head(other, &head())), "CS-0001");
    }
}

#[test]
fn a_head_outside_its_limits_is_refused() {
    let site = Site::new();
    let signer = ledger_signer("Ledger Signer", &site.cast.token_root);
    let changed = |change: fn(&mut TreeHead)| {
        let mut head = head();
        change(&mut head);
        verify(&site, &sign(&head, &signer, CONTENT_TREE_HEAD))
    };
    assert_eq!(changed(|head| head.size = 0), "CS-1208");
    assert_eq!(changed(|head| head.size = 1 << 63), "CS-1208");
    assert_eq!(changed(|head| head.extensions = Some(Vec::new())), "CS-1208");
    assert_eq!(changed(|head| head.time = time("2026-06-03T00:00:01Z")), "CS-1208");
    assert_eq!(changed(|head| head.version = 2), "CS-1006");
    assert_eq!(changed(|head| head.version = 0), "CS-1003");
    let extension = |critical| {
        let id = ObjectIdentifier::new_unwrap("1.2.3");
        Some(vec![Extension { id, critical, value: der::asn1::OctetString::new([5, 0]).unwrap() }])
    };
    for (critical, expected) in [(true, "CS-1008"), (false, "CS-0001")] {
        let head = TreeHead { extensions: extension(critical), ..head() };
        assert_eq!(verify(&site, &sign(&head, &signer, CONTENT_TREE_HEAD)), expected);
    }
}

#[test]
fn a_head_with_any_octet_changed_is_refused() {
    let site = Site::new();
    let der = tree_head(&ledger_signer("Ledger Signer", &site.cast.token_root), &head());
    let mut changed = der.clone();
    for place in 0..der.len() {
        changed[place] ^= 1;
        assert_ne!(verify(&site, &changed), "CS-0001", "octet {place}");
        changed[place] = der[place];
    }
}
