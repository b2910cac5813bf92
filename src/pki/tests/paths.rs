//! Certification paths: each rule by a path that breaks it and nothing else.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    Budget, Certificate, PathError, PathErrorKind, PathRules, Time, ValidatedPath, oid, validate_path,
};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        CERT_SIGN, DIGITAL_SIGNATURE, EKU_CLIENT_AUTH, EKU_TOKEN_SIGNING, KEY_ENCIPHERMENT, POLICY,
        authority_key_identifier, basic_constraints, ca, extended_key_usage, extension, key_usage, policies,
    },
    der::{oid as object_identifier, sequence},
};

fn now() -> Time {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn root() -> Identity {
    Request::new("Root", Key::p256("path test root"), ca(None)).self_signed()
}

fn leaf<'a>(extensions: Vec<Vec<u8>>) -> Request<'a> {
    Request::new("Leaf", Key::p256("path test leaf"), extensions)
}

fn signer() -> Vec<Vec<u8>> {
    vec![key_usage(DIGITAL_SIGNATURE)]
}

fn judge(
    leaf: &Identity,
    untrusted: &[&Identity],
    anchor: &Identity,
    rules: &PathRules,
) -> Result<ValidatedPath, PathError> {
    let leaf = Certificate::from_der(&leaf.certificate)?;
    let untrusted: Vec<_> =
        untrusted.iter().map(|identity| Certificate::from_der(&identity.certificate)).collect::<Result<_, _>>()?;
    let anchors = [Certificate::from_der(&anchor.certificate)?];
    validate_path(&leaf, &untrusted, &anchors, rules, &mut Budget::default())
}

fn refusal(leaf: &Identity, untrusted: &[&Identity], anchor: &Identity, rules: &PathRules) -> PathErrorKind {
    judge(leaf, untrusted, anchor, rules).unwrap_err().kind
}

#[test]
fn intermediates_in_any_order_duplicated_and_unrelated() {
    let root = root();
    let upper = Request::new("Upper", Key::p256("path test upper"), ca(None)).issued_by(&root);
    let lower = Request::new("Lower", Key::p384("path test lower"), ca(Some(0))).issued_by(&upper);
    let stranger = Request::new("Stranger", Key::p256("path test stranger"), ca(None)).self_signed();
    let leaf = leaf(signer()).issued_by(&lower);
    for (untrusted, expected) in [
        (vec![&upper, &lower], vec![1, 0]),
        (vec![&lower, &upper], vec![0, 1]),
        (vec![&stranger, &lower, &lower, &upper, &upper], vec![1, 3]),
    ] {
        let path = judge(&leaf, &untrusted, &root, &PathRules::at(now())).unwrap();
        assert_eq!((path.anchor(), path.intermediates()), (0, &expected[..]));
    }
    let [leaf_read, upper_read, lower_read, stranger_read, root_read] =
        [&leaf, &upper, &lower, &stranger, &root].map(|identity| Certificate::from_der(&identity.certificate).unwrap());
    let (untrusted, anchors) = ([upper_read, lower_read], [stranger_read, root_read]);
    let path = validate_path(&leaf_read, &untrusted, &anchors, &PathRules::at(now()), &mut Budget::default()).unwrap();
    assert_eq!((path.anchor(), path.intermediates()), (1, &[1, 0][..]));
    assert_eq!(refusal(&leaf, &[&lower], &root, &PathRules::at(now())), PathErrorKind::NoPath);
    assert_eq!(refusal(&leaf, &[&upper, &lower], &stranger, &PathRules::at(now())), PathErrorKind::NoPath);
}

#[test]
fn every_key_and_signature_algorithm_that_is_allowed() {
    for (key, issuer) in
        [(Key::p256("a"), Key::p384("b")), (Key::p384("a"), Key::rsa_2048()), (Key::rsa_2048(), Key::p256("b"))]
    {
        let root = Request::new("Root", issuer, ca(None)).self_signed();
        let leaf = Request::new("Leaf", key, signer()).issued_by(&root);
        judge(&leaf, &[], &root, &PathRules::at(now())).unwrap();
    }
    let root = Request::new("Root", Key::rsa_1024(), ca(None)).self_signed();
    let leaf = leaf(signer()).issued_by(&root);
    assert_eq!(refusal(&leaf, &[], &root, &PathRules::at(now())), PathErrorKind::KeyNotAllowed);
}

#[test]
fn what_an_algorithm_signed_is_refused_from_its_date_on() {
    let root = Request::new("Root", Key::rsa_2048(), ca(None)).self_signed();
    let leaf = leaf(signer()).issued_by(&root);
    let [last, since] = ["2030-12-31T23:59:59Z", "2031-01-01T00:00:00Z"].map(|time| time.parse::<Time>().unwrap());
    judge(&leaf, &[], &root, &PathRules::at(last)).unwrap();
    let refused = PathErrorKind::AlgorithmRefused { since, at: since };
    assert_eq!(refusal(&leaf, &[], &root, &PathRules::at(since)), refused);
}

/// It is told even where nobody is found who could have signed.
#[test]
fn an_algorithm_that_nobody_may_sign_with() {
    let (root, other) = (root(), Request::new("Other", Key::p256("path test other"), ca(None)).self_signed());
    let algorithm = sequence(&[&object_identifier("1.2.840.10045.4.1")]);
    let leaf = Request { algorithm, ..leaf(signer()) }.issued_by(&root);
    for anchor in [&root, &other] {
        assert_eq!(refusal(&leaf, &[], anchor, &PathRules::at(now())), PathErrorKind::AlgorithmNotAllowed);
    }
}

#[test]
fn the_key_of_a_leaf_that_signs_is_judged_with_its_path() {
    let root = root();
    let signing = PathRules { signing: true, ..PathRules::at(now()) };
    for key in [Key::rsa_1024(), Key::p521(), Key::rsa_public(2_048, 3), Key::p256_compressed("path test leaf")] {
        let leaf = Request::new("Leaf", key, signer()).issued_by(&root);
        assert_eq!(refusal(&leaf, &[], &root, &signing), PathErrorKind::KeyNotAllowed);
        assert!(judge(&leaf, &[], &root, &PathRules::at(now())).is_ok());
    }
}

#[test]
fn only_what_its_own_key_signed_is_self_signed() {
    let root = root();
    let verify = |identity: &Identity| Certificate::from_der(&identity.certificate).unwrap().verify_self_signed();
    assert!(verify(&root).is_ok());
    let key = || Key::p256("path test other");
    let cross = Request::new("Other", key(), ca(None)).issued_by(&root);
    let impostor = Request::new("Root", key(), ca(None)).issued_by(&root);
    let below = Request::new("Below", Key::p256("path test root"), ca(None)).issued_by(&root);
    for identity in [cross, impostor, below] {
        assert_eq!(verify(&identity).unwrap_err().kind, PathErrorKind::BadSignature);
    }
    let weak = Request::new("Weak", Key::rsa_1024(), ca(None)).self_signed();
    assert_eq!(verify(&weak).unwrap_err().kind, PathErrorKind::KeyNotAllowed);
}

#[test]
fn a_signature_by_another_key_of_the_same_name() {
    let root = root();
    let impostor = Request::new("Root", Key::p256("path test impostor"), ca(None)).self_signed();
    // Who makes a certificate look like the root's names the root's key as well.
    let forged = leaf([signer(), vec![authority_key_identifier(&root.key)]].concat()).issued_by(&impostor);
    assert_eq!(refusal(&forged, &[], &root, &PathRules::at(now())), PathErrorKind::BadSignature);
    assert_eq!(refusal(&forged, &[&impostor], &root, &PathRules::at(now())), PathErrorKind::BadSignature);
    let honest = leaf(signer()).issued_by(&impostor);
    assert_eq!(refusal(&honest, &[&impostor], &root, &PathRules::at(now())), PathErrorKind::NoPath);
}

#[test]
fn validity_is_judged_at_the_time_given_and_includes_both_ends() {
    let root = root();
    let upper = Request::new("Upper", Key::p256("path test upper"), ca(None));
    let upper =
        Request { not_before: "2026-02-01T00:00:00Z", not_after: "2026-02-28T23:59:59Z", ..upper }.issued_by(&root);
    let leaf = leaf(signer()).issued_by(&upper);
    for (at, expected) in [
        ("2026-01-31T23:59:59Z", Some("CS-2008")),
        ("2026-02-01T00:00:00Z", None),
        ("2026-02-28T23:59:59Z", None),
        ("2026-03-01T00:00:00Z", Some("CS-2009")),
    ] {
        let judged = judge(&leaf, &[&upper], &root, &PathRules::at(at.parse().unwrap()));
        assert_eq!(judged.err().map(|error| error.kind.code()), expected, "{at}");
    }
}

#[test]
fn only_a_ca_issues() {
    let root = root();
    for (extensions, expected) in [
        (vec![key_usage(CERT_SIGN)], PathErrorKind::IssuerNotCa),
        (vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)], PathErrorKind::IssuerMayNotCertify),
    ] {
        let issuer = Request::new("Issuer", Key::p256("path test issuer"), extensions).issued_by(&root);
        let leaf = leaf(signer()).issued_by(&issuer);
        assert_eq!(refusal(&leaf, &[&issuer], &root, &PathRules::at(now())), expected);
    }
    let root =
        Request::new("Root", Key::p256("path test root"), vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)]);
    let root = root.self_signed();
    let leaf = leaf(signer()).issued_by(&root);
    assert_eq!(refusal(&leaf, &[], &root, &PathRules::at(now())), PathErrorKind::IssuerMayNotCertify);
}

#[test]
fn path_length_counts_cas_that_are_not_self_issued() {
    let root = Request::new("Root", Key::p256("path test root"), ca(Some(1))).self_signed();
    let first = Request::new("First", Key::p256("path test first"), ca(None)).issued_by(&root);
    let second = Request::new("Second", Key::p256("path test second"), ca(None)).issued_by(&first);
    let rekeyed = Request::new("First", Key::p256("path test first again"), ca(None)).issued_by(&first);
    let below = |issuer: &Identity| leaf(signer()).issued_by(issuer);
    let rules = PathRules::at(now());
    assert!(judge(&below(&first), &[&first], &root, &rules).is_ok());
    assert_eq!(refusal(&below(&second), &[&first, &second], &root, &rules), PathErrorKind::PathTooLong);
    assert!(judge(&below(&rekeyed), &[&first, &rekeyed], &root, &rules).is_ok());
}

#[test]
fn usages_of_leaf_and_cas() {
    let root = root();
    let usage: der::asn1::ObjectIdentifier = EKU_TOKEN_SIGNING.parse().unwrap();
    let rules = PathRules { extended_key_usage: Some(usage), signing: true, ..PathRules::at(now()) };
    let with = |usages: &[&str], key: u8| vec![key_usage(key), extended_key_usage(usages)];
    let good = leaf(with(&[EKU_CLIENT_AUTH, EKU_TOKEN_SIGNING], DIGITAL_SIGNATURE)).issued_by(&root);
    assert!(judge(&good, &[], &root, &rules).is_ok());
    for (extensions, expected) in [
        (signer(), PathErrorKind::ExtendedKeyUsageMissing(usage)),
        (with(&[EKU_CLIENT_AUTH], DIGITAL_SIGNATURE), PathErrorKind::ExtendedKeyUsageMissing(usage)),
        // anyExtendedKeyUsage does not stand for ours.
        (with(&["2.5.29.37.0"], DIGITAL_SIGNATURE), PathErrorKind::ExtendedKeyUsageMissing(usage)),
        (with(&[EKU_TOKEN_SIGNING], KEY_ENCIPHERMENT), PathErrorKind::KeyUsageMissing),
    ] {
        assert_eq!(refusal(&leaf(extensions).issued_by(&root), &[], &root, &rules), expected);
    }
    let limited = [ca(None), vec![extended_key_usage(&[EKU_CLIENT_AUTH])]].concat();
    let limited = Request::new("Limited", Key::p256("path test limited"), limited).issued_by(&root);
    let leaf = leaf(with(&[EKU_TOKEN_SIGNING], DIGITAL_SIGNATURE)).issued_by(&limited);
    assert_eq!(refusal(&leaf, &[&limited], &root, &rules), PathErrorKind::ExtendedKeyUsageMissing(usage));
}

#[test]
fn extensions_that_cannot_be_processed() {
    let root = root();
    let unknown: der::asn1::ObjectIdentifier = "1.3.6.1.4.1.32473.9".parse().unwrap();
    let with = |id: &str, critical| [signer(), vec![extension(id, critical, &[5, 0])]].concat();
    let rules = PathRules::at(now());
    let refused = leaf(with("1.3.6.1.4.1.32473.9", true)).issued_by(&root);
    assert_eq!(refusal(&refused, &[], &root, &rules), PathErrorKind::UnknownCriticalExtension(unknown));
    assert!(judge(&leaf(with("1.3.6.1.4.1.32473.9", false)).issued_by(&root), &[], &root, &rules).is_ok());
}

#[test]
fn a_critical_extension_that_cannot_be_read() {
    let root = root();
    let point = [0x30, 0x0a, 0x30, 0x08, 0xa0, 0x06, 0xa0, 0x04, 0x86, 0x02, b'a', b':'];
    let name = [0x30, 0x03, 0x82, 0x01, b'a'];
    for (id, good) in [("2.5.29.31", &point[..]), ("2.5.29.18", &name)] {
        for (value, critical, valid) in [(good, true, true), (&[3, 2, 1, 6], true, false), (&[3, 2, 1, 6], false, true)]
        {
            let extensions = [signer(), vec![extension(id, critical, value)]].concat();
            let judged = judge(&leaf(extensions).issued_by(&root), &[], &root, &PathRules::at(now()));
            let expected =
                if valid { None } else { Some(PathErrorKind::UnknownCriticalExtension(id.parse().unwrap())) };
            assert_eq!(judged.err().map(|error| error.kind), expected, "{id} {value:?} {critical}");
        }
    }
}

#[test]
fn a_policy_counts_when_the_whole_path_asserts_it() {
    let root = root();
    let any = oid::ANY_POLICY.to_string();
    let policy: der::asn1::ObjectIdentifier = POLICY.parse().unwrap();
    let leaf_with = |issuer: &Identity| leaf([signer(), vec![policies(&[POLICY])]].concat()).issued_by(issuer);
    let issuer = |asserted: Option<&str>| {
        let extensions = [ca(None), asserted.map(|policy| policies(&[policy])).into_iter().collect()].concat();
        Request::new("Issuer", Key::p256("path test issuer"), extensions).issued_by(&root)
    };
    for (asserted, expected) in [(Some(POLICY), vec![policy]), (Some(any.as_str()), vec![policy]), (None, vec![])] {
        let issuer = issuer(asserted);
        let path = judge(&leaf_with(&issuer), &[&issuer], &root, &PathRules::at(now())).unwrap();
        assert_eq!(path.policies().named(), expected, "{asserted:?}");
    }
    let only_any = leaf([signer(), vec![policies(&[&any])]].concat()).issued_by(&root);
    let path = judge(&only_any, &[], &root, &PathRules::at(now())).unwrap();
    assert!(path.policies().any() && path.policies().named().is_empty());
}

#[test]
fn certificates_against_the_profile() {
    let root = root();
    let twice = leaf([signer(), signer()].concat()).issued_by(&root);
    let empty = leaf(vec![extended_key_usage(&[])]).issued_by(&root);
    for (identity, part) in [(twice, "extension twice"), (empty, "extKeyUsage")] {
        let error = Certificate::from_der(&identity.certificate).unwrap_err();
        assert_eq!(error.kind, PathErrorKind::Malformed(part));
    }
    let good = leaf(signer()).issued_by(&root).certificate;
    for (damaged, part) in [
        ([&good[..], &[0]].concat(), "not a DER Certificate"),
        (good[..good.len() - 1].to_vec(), "not a DER Certificate"),
        (vec![0x30; 20_000], "larger than 16 KiB"),
        (Vec::new(), "not a DER Certificate"),
    ] {
        assert_eq!(Certificate::from_der(&damaged).unwrap_err().kind, PathErrorKind::Malformed(part));
    }
}

#[test]
fn no_bit_of_a_certificate_can_be_changed() {
    let root = root();
    let leaf = leaf(signer()).issued_by(&root);
    let anchors = [Certificate::from_der(&root.certificate).unwrap()];
    for place in 0..8 * leaf.certificate.len() {
        let mut changed = leaf.certificate.clone();
        changed[place / 8] ^= 1 << (place % 8);
        let judged = Certificate::from_der(&changed)
            .and_then(|leaf| validate_path(&leaf, &[], &anchors, &PathRules::at(now()), &mut Budget::default()));
        assert!(judged.is_err(), "bit {place}");
    }
}
