//! Name constraints, policies and the profile: each rule by a certificate that breaks it and nothing else.

#![allow(clippy::unwrap_used)]

use countersign_pki::{Budget, Certificate, PathErrorKind, PathRules, PolicyRules, ValidatedPath, oid, validate_path};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        BASIC_CONSTRAINTS, CERT_SIGN, DIGITAL_SIGNATURE, NAME_CONSTRAINTS, POLICY, basic_constraints, ca,
        directory_name, distinguished_name, extension, inhibit_any_policy, key_identifier, key_usage, name_constraints,
        policies, policy_constraints, policy_mappings, subject_alt_names, text_name,
    },
    der::{explicit, integer, octets, oid as oid_der, sequence, set, tlv, utf8},
};
use der::asn1::ObjectIdentifier;

const OTHER_POLICY: &str = "1.3.6.1.4.1.32473.7.2";

fn root(more: Vec<Vec<u8>>) -> Identity {
    Request::new("Root", Key::p256("constraints root"), [ca(None), more].concat()).self_signed()
}

fn issuer(root: &Identity, more: Vec<Vec<u8>>) -> Identity {
    Request::new("Issuer", Key::p256("constraints issuer"), [ca(None), more].concat()).issued_by(root)
}

fn request<'a>(more: Vec<Vec<u8>>) -> Request<'a> {
    Request::new("Leaf", Key::p256("constraints leaf"), [vec![key_usage(DIGITAL_SIGNATURE)], more].concat())
}

fn judge(
    leaf: &Identity,
    untrusted: &[&Identity],
    anchor: &Identity,
    policies: PolicyRules,
) -> Result<ValidatedPath, PathErrorKind> {
    let leaf = Certificate::from_der(&leaf.certificate).map_err(|error| error.kind)?;
    let parse =
        |identity: &&Identity| Certificate::from_der(&identity.certificate).map_err(|error| error.kind).map(drop);
    untrusted.iter().try_for_each(parse)?;
    let untrusted: Vec<_> =
        untrusted.iter().map(|identity| Certificate::from_der(&identity.certificate).unwrap()).collect();
    let anchors = [Certificate::from_der(&anchor.certificate).map_err(|error| error.kind)?];
    let rules = PathRules { policies, ..PathRules::at("2026-06-01T00:00:00Z".parse().unwrap()) };
    validate_path(&leaf, &untrusted, &anchors, &rules, &mut Budget::default()).map_err(|error| error.kind)
}

fn plain(leaf: &Identity, untrusted: &[&Identity], anchor: &Identity) -> Result<(), PathErrorKind> {
    judge(leaf, untrusted, anchor, PolicyRules::default()).map(drop)
}

fn address(octets: &[u8]) -> Vec<u8> {
    tlv(0x87, &[octets])
}

#[test]
fn every_form_of_name_is_constrained() {
    use PathErrorKind::{NameExcluded, NameNotComparable, NameNotPermitted};
    let root = root(vec![]);
    let other = |text: &str| tlv(0xa0, &[&oid_der("1.3.6.1.4.1.311.20.2.3"), &explicit(0, &utf8(text))]);
    let x400 = || tlv(0xa3, &[&sequence(&[])]);
    let party = || tlv(0xa5, &[&explicit(1, &utf8("a"))]);
    let registered = || tlv(0x88, &[&oid_der("1.2.3")[2..]]);
    for (form, inside, outside) in [
        ("rfc822Name", text_name(1, "a@example.org"), text_name(1, "a@example.com")),
        ("dNSName", text_name(2, "example.org"), text_name(2, "example.com")),
        ("uniformResourceIdentifier", text_name(6, "http://example.org"), text_name(6, "http://example.com")),
        ("iPAddress", address(&[192, 0, 2, 1]), address(&[198, 51, 100, 1])),
    ] {
        let base = match form {
            "iPAddress" => address(&[192, 0, 2, 0, 255, 255, 255, 0]),
            "rfc822Name" => text_name(1, "example.org"),
            "dNSName" => text_name(2, "example.org"),
            _ => text_name(6, "example.org"),
        };
        let permitting = issuer(&root, vec![name_constraints(core::slice::from_ref(&base), &[])]);
        let excluding = issuer(&root, vec![name_constraints(&[], core::slice::from_ref(&base))]);
        for (name, by, expected) in [
            (&inside, &permitting, Ok(())),
            (&outside, &permitting, Err(NameNotPermitted(form))),
            (&inside, &excluding, Err(NameExcluded(form))),
            (&outside, &excluding, Ok(())),
        ] {
            let leaf = request(vec![subject_alt_names(false, core::slice::from_ref(name))]).issued_by(by);
            assert_eq!(plain(&leaf, &[by], &root), expected, "{form}");
        }
        // Names of other forms are not concerned.
        assert_eq!(plain(&request(vec![]).issued_by(&permitting), &[&permitting], &root), Ok(()));
    }
    for (form, name) in
        [("otherName", other("a")), ("x400Address", x400()), ("ediPartyName", party()), ("registeredID", registered())]
    {
        for constraints in
            [name_constraints(core::slice::from_ref(&name), &[]), name_constraints(&[], core::slice::from_ref(&name))]
        {
            let by = issuer(&root, vec![constraints]);
            let leaf = request(vec![subject_alt_names(false, core::slice::from_ref(&name))]).issued_by(&by);
            assert_eq!(plain(&leaf, &[&by], &root), Err(NameNotComparable(form)));
            assert_eq!(plain(&request(vec![]).issued_by(&by), &[&by], &root), Ok(()));
        }
    }
}

#[test]
fn subjects_mail_addresses_and_bounds() {
    let plain_root = root(vec![]);
    let mail = |text: &str| set(&[&sequence(&[&oid_der("1.2.840.113549.1.9.1"), &tlv(0x16, &[text.as_bytes()])])]);
    let subject = sequence(&[&mail("a@example.com")]);
    let by = issuer(&plain_root, vec![name_constraints(&[text_name(1, "example.org")], &[])]);
    let leaf = Request { subject, ..request(vec![]) }.issued_by(&by);
    assert_eq!(plain(&leaf, &[&by], &plain_root), Err(PathErrorKind::NameNotPermitted("rfc822Name")));

    // An anchor's constraints count as well (RFC 5937), for its CAs and for the leaf.
    let other = directory_name(&sequence(&[&set(&[&sequence(&[&oid_der("2.5.4.10"), &utf8("Other")])])]));
    let constrained = root(vec![name_constraints(&[other], &[])]);
    let refused = Err(PathErrorKind::NameNotPermitted("directoryName"));
    assert_eq!(plain(&request(vec![]).issued_by(&constrained), &[], &constrained), refused);

    // A minimum has no meaning in RFC 5280: what it bounds cannot be told.
    let bounded = sequence(&[&directory_name(&distinguished_name("Leaf")), &tlv(0x80, &[&[1]])]);
    let value = sequence(&[&tlv(0xa0, &[&bounded])]);
    let by = issuer(&plain_root, vec![extension(NAME_CONSTRAINTS, true, &value)]);
    let leaf = request(vec![]).issued_by(&by);
    assert_eq!(plain(&leaf, &[&by], &plain_root), Err(PathErrorKind::NameNotComparable("directoryName")));

    // A self-issued CA is exempt, a leaf is not.
    let own = issuer(&plain_root, vec![name_constraints(&[directory_name(&distinguished_name("Leaf"))], &[])]);
    let renewed = Request::new("Issuer", Key::p256("constraints issuer 2"), ca(None)).issued_by(&own);
    assert_eq!(plain(&request(vec![]).issued_by(&renewed), &[&own, &renewed], &plain_root), Ok(()));
    assert_eq!(plain(&renewed, &[&own], &plain_root), Err(PathErrorKind::NameNotPermitted("directoryName")));
}

#[test]
fn many_constraints_and_names_end_within_the_budget() {
    let names: Vec<Vec<u8>> = (0..900).map(|number| text_name(2, &format!("{number}.example"))).collect();
    let root = root(vec![]);
    let by = issuer(&root, vec![name_constraints(&[], &names)]);
    let others: Vec<Vec<u8>> = (0..1_100).map(|number| text_name(2, &format!("{number}.test"))).collect();
    let leaf = request(vec![subject_alt_names(false, &others)]).issued_by(&by);
    assert_eq!(plain(&leaf, &[&by], &root), Ok(()));
    let mut budget = Budget { steps: 1_000, ..Budget::default() };
    let parsed = [&by.certificate, &root.certificate].map(|der| Certificate::from_der(der).unwrap());
    let rules = PathRules::at("2026-06-01T00:00:00Z".parse().unwrap());
    let leaf = Certificate::from_der(&leaf.certificate).unwrap();
    let error = validate_path(&leaf, &parsed[..1], &parsed[1..], &rules, &mut budget).unwrap_err();
    assert_eq!(error.kind, PathErrorKind::BudgetExhausted);
}

#[test]
fn policies_are_told_in_the_domain_of_the_anchor() {
    let policy = |text: &str| text.parse::<ObjectIdentifier>().unwrap();
    let root = root(vec![]);
    let mapping = issuer(&root, vec![policies(&[POLICY]), policy_mappings(&[(POLICY, OTHER_POLICY)])]);
    let leaf = |by: &Identity, stated: &str| request(vec![policies(&[stated])]).issued_by(by);
    let mapped = leaf(&mapping, OTHER_POLICY);
    let rules = PolicyRules { explicit: true, ..PolicyRules::default() };
    let set = judge(&mapped, &[&mapping], &root, rules.clone()).unwrap().policies().clone();
    assert_eq!(set.named(), [policy(POLICY)]);
    assert!(set.contains(policy(POLICY)) && !set.contains(policy(OTHER_POLICY)) && !set.any());
    let missing = Err(PathErrorKind::PolicyMissing);
    for (rules, leaf, expected) in [
        (PolicyRules { initial: vec![policy(POLICY)], ..rules.clone() }, &mapped, Ok(())),
        (PolicyRules { initial: vec![policy(OTHER_POLICY)], ..rules.clone() }, &mapped, missing.clone()),
        (PolicyRules { inhibit_mapping: true, ..rules.clone() }, &mapped, missing.clone()),
        (rules.clone(), &leaf(&mapping, POLICY), missing.clone()),
    ] {
        assert_eq!(judge(leaf, &[&mapping], &root, rules).map(drop), expected);
    }
    let any = oid::ANY_POLICY.to_string();
    let generous = issuer(&root, vec![policies(&[&any])]);
    let below = leaf(&generous, &any);
    let set = judge(&below, &[&generous], &root, PolicyRules::default()).unwrap().policies().clone();
    assert!(set.any() && set.named().is_empty() && !set.contains(oid::ANY_POLICY));
    let inhibited = PolicyRules { inhibit_any: true, ..rules };
    assert_eq!(judge(&below, &[&generous], &root, inhibited).map(drop), missing);
}

#[test]
fn a_ca_requires_and_inhibits() {
    let root = root(vec![]);
    let any = oid::ANY_POLICY.to_string();
    for (more, stated, expected) in [
        (vec![policy_constraints(Some(0), None)], Some(POLICY), Ok(())),
        (vec![policy_constraints(Some(0), None)], None, Err(PathErrorKind::PolicyMissing)),
        (vec![policy_constraints(Some(2), None)], None, Ok(())),
        (vec![policy_constraints(Some(0), None), inhibit_any_policy(1)], Some(any.as_str()), Ok(())),
        (
            vec![policy_constraints(Some(0), None), inhibit_any_policy(0)],
            Some(any.as_str()),
            Err(PathErrorKind::PolicyMissing),
        ),
    ] {
        let by = issuer(&root, [vec![policies(&[POLICY])], more].concat());
        let leaf = request(stated.map(|policy| policies(&[policy])).into_iter().collect()).issued_by(&by);
        assert_eq!(plain(&leaf, &[&by], &root), expected, "{stated:?}");
    }
    // A leaf can require a policy itself, and of nobody but itself.
    for (skip, expected) in [(0, Err(PathErrorKind::PolicyMissing)), (1, Ok(()))] {
        let leaf = Request::new("Last", Key::p256("constraints issuer 2"), ca(None));
        let extensions = [leaf.extensions, vec![policy_constraints(Some(skip), None)]].concat();
        let leaf = Request::new("Last", Key::p256("constraints issuer 2"), extensions).issued_by(&root);
        assert_eq!(plain(&leaf, &[], &root), expected, "{skip}");
    }
}

#[test]
fn many_policies_cost_steps() {
    let root = root(vec![]);
    let many: Vec<String> = (0..300).map(|number| format!("1.3.6.1.4.1.32473.7.{number}")).collect();
    let many = policies(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let by = issuer(&root, vec![many.clone()]);
    let leaf = request(vec![many]).issued_by(&by);
    let certificates = [&leaf, &by, &root].map(|identity| Certificate::from_der(&identity.certificate).unwrap());
    let [leaf, by, root] = certificates;
    let rules = PathRules::at("2026-06-01T00:00:00Z".parse().unwrap());
    let mut budget = Budget::default();
    validate_path(&leaf, &[by], &[root], &rules, &mut budget).unwrap();
    // A step for each certificate, one for the CA's 300 policies, and two for the leaf's beside those of the CA.
    assert_eq!(Budget::default().steps - budget.steps, 2 + 1 + 2);
}

#[test]
fn the_profile_is_held() {
    let root = root(vec![]);
    let bare = |extensions: Vec<Vec<u8>>| Request::new("Issuer", Key::p256("constraints issuer"), extensions);
    let identifier =
        |critical| extension("2.5.29.14", critical, &octets(&key_identifier(&Key::p256("constraints leaf"))));
    let authority = |critical, more: &[u8]| {
        let value = sequence(&[&tlv(0x80, &[&key_identifier(&root.key)]), more]);
        extension("2.5.29.35", critical, &value)
    };
    let empty = |id: &str, critical| extension(id, critical, &sequence(&[]));
    let with = |more: Vec<u8>| request(vec![more]);
    let alternative = |names: &[Vec<u8>]| with(subject_alt_names(false, names));
    let nameless = |critical, names: &[Vec<u8>]| Request {
        subject: sequence(&[]),
        ..request(vec![subject_alt_names(critical, names)])
    };
    let dns = || [text_name(2, "example.org")];
    let constrained = name_constraints(&dns(), &[]);
    for (section, request) in [
        ("4.2.1.1", Request { identifiers: false, ..request(vec![]) }),
        ("4.2.1.1", with(authority(true, &[]))),
        ("4.2.1.1", with(authority(false, &tlv(0x82, &[&root.serial[2..]])))),
        ("4.2.1.2", with(identifier(true))),
        ("4.2.1.2", Request { identifiers: false, ..bare([ca(None), vec![authority(false, &[])]].concat()) }),
        ("4.1.2.6", Request { subject: sequence(&[]), ..bare(ca(None)) }),
        ("4.1.2.6", nameless(false, &dns())),
        ("4.2.1.10", with(constrained.clone())),
        ("4.2.1.10", bare([ca(None), vec![name_constraints(&[], &[])]].concat())),
        ("4.2.1.10", bare([ca(None), vec![extension(NAME_CONSTRAINTS, false, &sequence(&[]))]].concat())),
        ("4.2.1.11", bare([ca(None), vec![empty("2.5.29.36", true)]].concat())),
        ("4.2.1.14", bare([ca(None), vec![extension("2.5.29.54", false, &integer(0))]].concat())),
        ("4.2.1.5", bare([ca(None), vec![empty("2.5.29.33", true)]].concat())),
        ("4.2.1.5", bare([ca(None), vec![policy_mappings(&[(POLICY, "2.5.29.32.0")])]].concat())),
        ("4.2.1.5", bare([ca(None), vec![policy_mappings(&[("2.5.29.32.0", POLICY)])]].concat())),
        ("4.2.1.4", with(policies(&[POLICY, POLICY]))),
        ("4.2.1.4", with(policies(&[]))),
        ("4.2.1.9", with(extension(BASIC_CONSTRAINTS, true, &sequence(&[&integer(0)])))),
        ("4.2.1.9", bare(vec![key_usage(CERT_SIGN)])),
        ("4.2.1.9", bare(vec![basic_constraints(Some(0)), key_usage(DIGITAL_SIGNATURE)])),
        ("4.2.1.3", bare(vec![extension("2.5.29.15", true, &[3, 1, 0])])),
        ("4.2.1.6", alternative(&[])),
        ("4.2.1.6", alternative(&[text_name(1, "nobody")])),
        ("4.2.1.6", alternative(&[text_name(2, "a b")])),
        ("4.2.1.6", alternative(&[text_name(2, "a.*.b")])),
        ("4.2.1.6", alternative(&[text_name(6, "/relative")])),
        ("4.2.1.6", alternative(&[address(&[1, 2, 3])])),
        ("4.2.1.8", with(extension("2.5.29.9", true, &sequence(&[])))),
        ("4.2.1.15", with(extension("2.5.29.46", true, &sequence(&[])))),
        ("4.2.2.1", with(extension("1.3.6.1.5.5.7.1.1", true, &sequence(&[])))),
        ("4.2.2.2", with(extension("1.3.6.1.5.5.7.1.11", true, &sequence(&[])))),
    ] {
        match plain(&request.issued_by(&root), &[], &root) {
            Err(PathErrorKind::Profile(rule)) => assert!(rule.ends_with(&format!("({section})")), "{section}: {rule}"),
            other => panic!("{section}: {other:?}"),
        }
    }
    let issuer_name = extension("2.5.29.18", true, &sequence(&[&text_name(2, "ca.example.org")]));
    for good in [nameless(true, &dns()), alternative(&[text_name(2, "*.example.org")]), with(issuer_name)] {
        assert_eq!(plain(&good.issued_by(&root), &[], &root), Ok(()));
    }
    // An anchor is trusted as it stands.
    let anchor = Request { identifiers: false, ..bare(vec![key_usage(CERT_SIGN)]) }.self_signed();
    assert_eq!(plain(&request(vec![]).issued_by(&anchor), &[], &anchor), Ok(()));
    let nobody = Request { subject: sequence(&[]), ..bare(ca(None)) }.self_signed();
    let below = request(vec![]).issued_by(&nobody);
    assert!(
        matches!(plain(&below, &[], &nobody), Err(PathErrorKind::Profile(rule)) if rule.contains("issuer is empty"))
    );
}
