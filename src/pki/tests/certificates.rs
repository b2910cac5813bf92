//! What is read of a certificate, and what makes it none.

#![allow(clippy::unwrap_used)]

use countersign_pki::{Certificate, MAX_CERTIFICATE_SIZE, PathErrorKind};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        BASIC_CONSTRAINTS, CERT_SIGN, DIGITAL_SIGNATURE, POLICY, basic_constraints, ca, extension, key_usage, policies,
    },
    der::{bits, boolean, edit, integer, members, octets, oid, sequence, tlv},
};
use der::asn1::ObjectIdentifier;
use sha2::{Digest as _, Sha256};

fn made(extensions: Vec<Vec<u8>>) -> Vec<u8> {
    Request::new("Read", Key::p256("read"), extensions).self_signed().certificate
}

/// A certificate with the fields of its tbsCertificate changed; nothing here verifies a signature.
fn changed(der: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    edit(der, |parts| parts[0] = edit(&parts[0], change))
}

/// What is said of a certificate that is none; nothing of one that is.
fn fault(der: &[u8]) -> Option<&'static str> {
    match Certificate::from_der(der).err()?.kind {
        PathErrorKind::Malformed(part) => Some(part),
        other => panic!("{other}"),
    }
}

#[test]
fn every_part_is_read() {
    let der = made([ca(Some(3)), vec![policies(&[POLICY]), extension("1.3.6.1.4.1.32473.9", false, &[5, 0])]].concat());
    let read = Certificate::from_der(&der).unwrap();
    let tbs = members(&members(&der)[0]);
    assert_eq!(read.der(), der);
    assert_eq!(read.digest()[..], Sha256::digest(&der)[..]);
    assert_eq!(read.serial(), &tbs[1][2..]);
    assert_eq!((read.issuer(), read.subject(), read.spki()), (&tbs[3][..], &tbs[5][..], &tbs[6][..]));
    assert_eq!(read.subject_text(), "CN=Read,O=Example Organisation");
    assert_eq!(read.not_before().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(read.not_after().to_string(), "2035-12-31T23:59:59Z");
    assert_eq!(read.policies(), [ObjectIdentifier::new_unwrap(POLICY)]);
    assert_eq!((read.is_ca(), read.path_length(), read.is_self_issued()), (true, Some(3), true));
    let unknown = read.extension(ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.9")).unwrap();
    assert_eq!((unknown.critical, unknown.value), (false, &[5, 0][..]));
    assert_eq!(read.extension(ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.8")).map(|found| found.id), None);
    assert!(Certificate::from_der(&made(Vec::new())).unwrap().policies().is_empty());
}

#[test]
fn a_certificate_has_at_most_16_kib() {
    let filled = |length: usize| made(vec![extension("1.3.6.1.4.1.32473.9", false, &octets(&vec![7; length]))]);
    let room = MAX_CERTIFICATE_SIZE - filled(15_000).len() + 15_000;
    // The length of an ECDSA signature varies with the message by an octet or two.
    let sizes: Vec<_> = (room - 4..room + 5).map(filled).collect();
    let largest = sizes.iter().filter(|der| der.len() == MAX_CERTIFICATE_SIZE).collect::<Vec<_>>();
    assert!(!largest.is_empty());
    largest.iter().for_each(|der| assert_eq!(fault(der), None));
    let larger = sizes.iter().filter(|der| der.len() > MAX_CERTIFICATE_SIZE).collect::<Vec<_>>();
    assert!(!larger.is_empty());
    larger.iter().for_each(|der| assert_eq!(fault(der), Some("larger than 16 KiB")));
}

#[test]
fn a_serial_number_is_positive_minimal_and_of_20_octets_at_most() {
    let der = made(Vec::new());
    let with = |serial: Vec<u8>| fault(&changed(&der, |tbs| tbs[1] = serial));
    for serial in [&[1][..], &[0x7f], &[0, 0x80], &[0x7f; 20], &[0, 0xff, 1]] {
        assert_eq!(with(tlv(2, &[serial])), None, "{serial:02x?}");
    }
    for serial in [&[0][..], &[], &[0x80], &[0xff], &[0, 0], &[0, 0x7f], &[0x7f; 21]] {
        assert_eq!(with(tlv(2, &[serial])), Some("serialNumber"), "{serial:02x?}");
    }
    assert_eq!(with(octets(&[1])), Some("serialNumber"));
}

#[test]
fn issuer_and_subject_are_names() {
    let der = made(Vec::new());
    for name in [3, 5] {
        for wrong in [octets(&[1]), sequence(&[&integer(1)])] {
            assert_eq!(fault(&changed(&der, |tbs| tbs[name] = wrong)), Some("name"));
        }
    }
}

#[test]
fn unique_identifiers_stand_before_the_extensions_and_those_at_the_end() {
    let der = made(ca(None));
    let identifier = |number: u8| tlv(0x80 | number, &[&bits(&[1], 0)[2..]]);
    let with = |places: &[(usize, Vec<u8>)]| {
        fault(&changed(&der, |tbs| places.iter().for_each(|(place, field)| tbs.insert(*place, field.clone()))))
    };
    assert_eq!(with(&[(7, identifier(1))]), None);
    assert_eq!(with(&[(7, identifier(1)), (8, identifier(2))]), None);
    assert_eq!(with(&[(8, identifier(1))]), Some("tbsCertificate"));
    assert_eq!(with(&[(7, identifier(4))]), Some("tbsCertificate"));
    assert_eq!(with(&[(7, members(&members(&der)[0])[7].clone())]), Some("tbsCertificate"));
}

#[test]
fn the_fields_of_extensions_are_what_they_should_be() {
    let constraints = |value: &[u8]| fault(&made(vec![extension(BASIC_CONSTRAINTS, true, value)]));
    assert_eq!(constraints(&sequence(&[&boolean(true), &integer(1)])), None);
    assert!(constraints(&sequence(&[&boolean(true), &octets(&[1])])).is_some());

    let authority =
        |fields: &[Vec<u8>]| fault(&made(vec![extension("2.5.29.35", false, &sequence(&[&fields.concat()]))]));
    let issuer = tlv(0xa1, &[&tlv(0xa4, &[&countersign_testpki::certificates::distinguished_name("Issuer")])]);
    let serial = tlv(0x82, &[&[7]]);
    assert_eq!(authority(&[tlv(0x80, &[&[1]]), issuer.clone(), serial.clone()]), None);
    assert_eq!(authority(&[issuer.clone(), serial.clone()]), None);
    assert!(authority(&[serial, issuer]).is_some());

    let policy = |fields: &[Vec<u8>]| {
        let information = sequence(&[&[vec![oid(POLICY)], fields.to_vec()].concat().concat()]);
        fault(&made(vec![extension("2.5.29.32", false, &sequence(&[&information]))]))
    };
    assert_eq!(policy(&[]), None);
    assert_eq!(policy(&[sequence(&[&sequence(&[&oid("1.3.6.1.5.5.7.2.1"), &octets(&[1])])])]), None);
    assert!(policy(&[octets(&[1])]).is_some());
    assert!(policy(&[sequence(&[]), sequence(&[])]).is_some());
}

#[test]
fn a_step_of_a_path_is_verified_by_itself() {
    let root = Request::new("Root", Key::p256("root"), ca(None)).self_signed();
    let issued = |change: fn(&mut Request<'_>), issuer: &Identity| {
        let mut request = Request::new("Device", Key::p256("device"), vec![key_usage(DIGITAL_SIGNATURE)]);
        // What RFC 5280 asks for and such a step does not.
        request.identifiers = false;
        change(&mut request);
        request.issued_by(issuer).certificate
    };
    let step = |der: &[u8], issuer: &Identity, at: &str| {
        let issuer = Certificate::from_der(&issuer.certificate).unwrap();
        let at = at.parse().unwrap();
        Certificate::from_der(der).unwrap().verify_step(&issuer, at).map_err(|error| error.kind.code())
    };
    let (first, last) = ("2026-01-01T00:00:00Z", "2035-12-31T23:59:59Z");
    let good = issued(|_| {}, &root);
    assert_eq!([step(&good, &root, first), step(&good, &root, last)], [Ok(()), Ok(())]);
    assert_eq!(step(&good, &root, "2025-12-31T23:59:59Z"), Err("CS-2008"));
    assert_eq!(step(&good, &root, "2036-01-01T00:00:00Z"), Err("CS-2009"));
    let critical = issued(|request| request.extensions.push(extension("1.3.6.1.4.1.32473.9", true, &[5, 0])), &root);
    assert_eq!(step(&critical, &root, first), Err("CS-2002"));

    let same_name = Request::new("Root", Key::p256("another root"), ca(None)).self_signed();
    assert_eq!(step(&good, &same_name, first), Err("CS-2007"));
    let same_key = Request::new("Other", Key::p256("root"), ca(None)).self_signed();
    assert_eq!(step(&good, &same_key, first), Err("CS-2010"));
    for extensions in [vec![key_usage(CERT_SIGN)], vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)]] {
        let no_ca = Request::new("Root", Key::p256("root"), extensions).self_signed();
        assert_eq!(step(&good, &no_ca, first), Err("CS-2010"));
    }
    let silent = Request::new("Root", Key::p256("root"), vec![basic_constraints(None)]).self_signed();
    assert_eq!(step(&good, &silent, first), Ok(()), "no key usage forbids nothing");
}
