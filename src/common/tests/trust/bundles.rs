//! Bundles: whole or not at all.

use crate::{Site, code};
use countersign_common::{
    MAX_OBJECT_SIZE, NO_LISTS, Reason,
    bundle::{Bundle, MAX_BUNDLE_SIZE, PartKind},
};
use countersign_testpki::{
    der::{sequence, tlv},
    trust::{LISTED, bundle, empty_list, list_signer, manifest, token_list},
};

fn example(site: &Site) -> (Vec<u8>, [Vec<u8>; 3]) {
    let parts = [
        site.cast.holder_root.certificate.clone(),
        token_list(&site.list_signer, &empty_list(7, LISTED)),
        site.cast.token(|_| {}),
    ];
    let [certificate, list, token] = &parts;
    let kinds: [(PartKind, &[u8]); 3] =
        [(PartKind::Certificate, certificate), (PartKind::TokenList, list), (PartKind::Token, token)];
    (bundle(&site.list_signer, &kinds), parts)
}

fn open(site: &Site, der: &[u8]) -> &'static str {
    let anchors = site.anchors();
    code(Bundle::from_der(der).and_then(|bundle| bundle.verify(&anchors, &NO_LISTS)))
}

#[test]
fn a_bundle_gives_back_its_parts() {
    let site = Site::new();
    let (der, [certificate, list, token]) = example(&site);
    let bundle = Bundle::from_der(&der).unwrap();
    bundle.verify(&site.anchors(), &NO_LISTS).unwrap();
    assert_eq!(bundle.parts(PartKind::Certificate).collect::<Vec<_>>(), [certificate]);
    assert_eq!(bundle.parts(PartKind::TokenList).collect::<Vec<_>>(), [list]);
    assert_eq!(bundle.parts(PartKind::Token).collect::<Vec<_>>(), [token]);
    assert_eq!(bundle.parts(PartKind::CertificateList).count(), 0);
    assert_eq!(bundle.manifest().label, "Press hall 7");
}

#[test]
fn a_bundle_cut_at_any_byte_is_refused() {
    let site = Site::new();
    let (der, _) = example(&site);
    for length in 0..der.len() {
        assert!(Bundle::from_der(&der[..length]).is_err(), "{length} octets");
    }
    assert!(Bundle::from_der(&[&der[..], &[0]].concat()).is_err());
}

#[test]
fn a_bundle_with_any_octet_changed_is_refused() {
    let site = Site::new();
    let (der, _) = example(&site);
    let mut changed = der.clone();
    for place in 0..der.len() {
        changed[place] ^= 1;
        assert_ne!(open(&site, &changed), "CS-0001", "octet {place}");
        changed[place] = der[place];
    }
}

#[test]
fn a_bundle_with_any_part_exchanged_is_refused() {
    let site = Site::new();
    let (der, parts) = example(&site);
    let manifest = {
        let bundle = Bundle::from_der(&der).unwrap();
        bundle.object().der().to_vec()
    };
    let again = |parts: &[&[u8]]| open(&site, &Bundle::encode(&manifest, parts).unwrap());
    let [certificate, list, token] = [&parts[0][..], &parts[1], &parts[2]];
    assert_eq!(again(&[certificate, list, token]), "CS-0001");
    // Each of these is as good as the one in its place: only the manifest tells them apart.
    let other_token = site.cast.token(|token| token.revision = 2);
    let other_list = token_list(&site.list_signer, &empty_list(6, "2026-05-01T00:00:00Z"));
    assert_eq!(again(&[certificate, list, &other_token]), "CS-1207");
    assert_eq!(again(&[certificate, &other_list, token]), "CS-1207");
    assert_eq!(again(&[&site.cast.holder.certificate, list, token]), "CS-1207");
    assert_eq!(again(&[certificate, token, list]), "CS-1207");
    assert_eq!(again(&[certificate, list]), "CS-1003");
    assert_eq!(again(&[certificate, list, token, token]), "CS-1003");
}

#[test]
fn only_a_list_signer_makes_bundles() {
    let site = Site::new();
    let token = site.cast.token(|_| {});
    let by = |signer| open(&site, &bundle(signer, &[(PartKind::Token, &token)]));
    assert_eq!(by(&site.list_signer), "CS-0001");
    assert_eq!(by(&site.cast.token_signer), "CS-2014");
    assert_eq!(by(&site.cast.holder), "CS-2014");
    assert_eq!(by(&list_signer("Foreign", &site.cast.holder_root)), "CS-2006");
    assert_eq!(code(Bundle::from_der(&token)), "CS-1101", "no bundle at all");
}

#[test]
fn manifests_outside_their_limits_are_refused() {
    let site = Site::new();
    let token = site.cast.token(|_| {});
    let list = token_list(&site.list_signer, &empty_list(7, LISTED));
    assert_eq!(open(&site, &bundle(&site.list_signer, &[])), "CS-1206");
    let disorder: [(PartKind, &[u8]); 2] = [(PartKind::Token, &token), (PartKind::TokenList, &list)];
    assert_eq!(open(&site, &bundle(&site.list_signer, &disorder)), "CS-1206");
    let many = vec![(PartKind::Token, &token[..]); 1_025];
    assert_eq!(open(&site, &bundle(&site.list_signer, &many)), "CS-1206");
    let large = vec![0; 1024 * 1024 + 1];
    assert_eq!(open(&site, &bundle(&site.list_signer, &[(PartKind::Token, &large)])), "CS-1001");
}

#[test]
fn each_limit_is_the_largest_size_that_is_read() {
    let site = Site::new();
    let refusal = |der: &[u8]| Bundle::from_der(der).map(drop).unwrap_err();
    assert_ne!(refusal(&vec![0; MAX_BUNDLE_SIZE]).code(), "CS-1001");
    for more in [1, 2] {
        assert_eq!(refusal(&vec![0; MAX_BUNDLE_SIZE + more]), Reason::TooLarge { limit: MAX_BUNDLE_SIZE });
    }
    // A manifest that is one long string: tag and length take five octets.
    let with_manifest = |size: usize| refusal(&sequence(&[&tlv(4, &[&vec![0; size - 5]]), &sequence(&[])]));
    assert_ne!(with_manifest(MAX_OBJECT_SIZE).code(), "CS-1001");
    for more in [1, 2] {
        assert_eq!(with_manifest(MAX_OBJECT_SIZE + more), Reason::TooLarge { limit: MAX_OBJECT_SIZE });
    }
    let with_part = |size: usize| {
        let part = vec![0; size];
        Bundle::from_der(&bundle(&site.list_signer, &[(PartKind::Token, &part)])).map(drop)
    };
    assert_eq!(with_part(MAX_OBJECT_SIZE), Ok(()));
    assert_eq!(with_part(MAX_OBJECT_SIZE + 1), Err(Reason::TooLarge { limit: MAX_OBJECT_SIZE }));
}

#[test]
fn the_part_that_is_another_is_told_by_its_place() {
    let site = Site::new();
    let (der, [certificate, _, token]) = example(&site);
    let changed = |part: &[u8]| {
        let place = der.windows(part.len()).position(|octets| octets == part).unwrap();
        let mut changed = der.clone();
        *changed.get_mut(place + 9).unwrap() ^= 1;
        Bundle::from_der(&changed).map(drop)
    };
    assert_eq!(changed(&certificate), Err(Reason::BundlePart { number: 1, kind: PartKind::Certificate }));
    assert_eq!(changed(&token), Err(Reason::BundlePart { number: 3, kind: PartKind::Token }));
}

#[test]
fn a_label_is_a_short_line() {
    let labelled = |label: &str| {
        let mut manifest = manifest(&[(PartKind::Token, b"token")]);
        manifest.label = label.to_owned();
        manifest.check()
    };
    for label in ["x", &"x".repeat(256)] {
        assert_eq!(labelled(label), Ok(()));
    }
    for label in ["", &"x".repeat(257), "two\nlines", "\u{202e}backwards"] {
        assert_eq!(labelled(label), Err(Reason::ManifestField("label")), "{label:?}");
    }
}
