//! Revocation lists: what is read, what is refused, and that an index changes no answer.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    Certificate, MAX_LIST_SIZE, PathErrorKind, RevocationList, RevocationReason, Revoked, Source, SourceError, Time,
    compare_numbers,
};
use countersign_testpki::{
    Identity, Key, List, Request,
    certificates::{DIGITAL_SIGNATURE, basic_constraints, ca, extension, key_usage, subject_key_identifier},
    crls::{
        certificate_issuer, delta, distribution_points, entries, entry, expired_certificates, full_name, indirect,
        invalidity_date, issuing_point, nth_serial, number, only_attributes, only_cas, only_reasons, only_users,
        reason, reason_flags, relative_name, uri,
    },
    der::{bits, boolean, edit, generalized_time, integer, members, octets, sequence, tlv, utc_time},
};
use sha2::Digest as _;
use std::{
    cmp::Ordering,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

const DATE: &str = "2026-02-01T00:00:00Z";

fn issuer() -> Identity {
    Request::new("Issuer", Key::p256("list test issuer"), ca(None)).self_signed()
}

fn list() -> List {
    List::new(&issuer())
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn signed(list: &List) -> Vec<u8> {
    list.sign(&issuer().key)
}

fn refusal(list: &List) -> PathErrorKind {
    RevocationList::from_der(&signed(list)).unwrap_err()
}

/// The content octets of a serial number.
fn serial(number: u64) -> Vec<u8> {
    integer(number)[2..].to_vec()
}

fn revoked(reason: RevocationReason) -> Revoked {
    Revoked { reason, date: time(DATE), invalidity_date: None }
}

/// An extension as critical as it must not be.
fn criticality_turned(extension: &[u8]) -> Vec<u8> {
    edit(extension, |parts| match parts.len() {
        2 => parts.insert(1, boolean(true)),
        _ => drop(parts.remove(1)),
    })
}

#[test]
fn everything_of_the_header_is_read() {
    let mut made = list().number(0x80);
    made = made.extension(issuing_point(&[full_name(&[uri("http://example.org/a.crl")]), only_users()]));
    let der = signed(&made);
    let read = RevocationList::from_der(&der).unwrap();
    assert_eq!(read.issuer(), issuer().name);
    assert_eq!(read.number(), [0x80]);
    assert_eq!(read.this_update(), time("2026-01-01T00:00:00Z"));
    assert_eq!(read.next_update(), time("2026-12-31T23:59:59Z"));
    assert!(!read.is_delta());
    assert_eq!(read.signed_by(&Certificate::from_der(&issuer().certificate).unwrap()), Ok(()));

    let scope = |list: &List| RevocationList::from_der(&signed(list)).unwrap().scope();
    assert_eq!(scope(&made), scope(&made.clone().number(9)));
    assert_ne!(scope(&made), scope(&list()));
    assert_ne!(scope(&list()), scope(&list().number(3).extension(delta(1))));
    let other = Request::new("Other", Key::p256("list test issuer"), ca(None)).self_signed();
    assert_ne!(scope(&list()), scope(&List::new(&other)));
}

#[test]
fn numbers_compare_as_numbers() {
    assert_eq!(compare_numbers(&[0xff], &[1, 0]), Ordering::Less);
    assert_eq!(compare_numbers(&[2, 0], &[1, 0xff]), Ordering::Greater);
    assert_eq!(compare_numbers(&[7], &[7]), Ordering::Equal);
    let mut made = list();
    made.extensions[0] = extension("2.5.29.20", false, &tlv(0x02, &[&[0], &[0xff; 20]]));
    assert_eq!(RevocationList::from_der(&signed(&made)).unwrap().number(), [0xff; 20]);
    made.extensions[0] = number(0);
    assert_eq!(RevocationList::from_der(&signed(&made)).unwrap().number(), [0]);
}

#[test]
fn every_reason_is_read_and_found() {
    use RevocationReason::*;
    let reasons = [
        (0, Unspecified, "unspecified"),
        (1, KeyCompromise, "keyCompromise"),
        (2, CaCompromise, "cACompromise"),
        (3, AffiliationChanged, "affiliationChanged"),
        (4, Superseded, "superseded"),
        (5, CessationOfOperation, "cessationOfOperation"),
        (6, CertificateHold, "certificateHold"),
        (8, RemoveFromCrl, "removeFromCRL"),
        (9, PrivilegeWithdrawn, "privilegeWithdrawn"),
        (10, AaCompromise, "aACompromise"),
    ];
    let mut made = list().number(9).extension(delta(3)).entry(&integer(99), DATE, &[]);
    for (code, _, _) in reasons {
        made = made.entry(&integer(code.into()), DATE, &[reason(code)]);
    }
    made = made.entry(&integer(200), DATE, &[invalidity_date("2025-05-05T00:00:00Z"), reason(1)]);
    let der = signed(&made);
    let read = RevocationList::from_der(&der).unwrap();
    assert!(read.is_delta());
    let find = |number| read.find(&issuer().name, &serial(number)).unwrap();
    for (code, expected, name) in reasons {
        assert_eq!(find(code.into()), Some(revoked(expected)));
        assert_eq!(expected.name(), name);
        assert_eq!(expected.spares_what_was_before(), matches!(code, 3..=5));
    }
    assert_eq!(find(99), Some(revoked(Unspecified)));
    let invalid = Some(time("2025-05-05T00:00:00Z"));
    assert_eq!(find(200), Some(Revoked { invalidity_date: invalid, ..revoked(KeyCompromise) }));
    assert_eq!(find(7), None);
    let other = Request::new("Other", Key::p256("list test issuer"), ca(None)).self_signed();
    assert_eq!(read.find(&other.name, &serial(1)), Ok(None));
}

#[test]
fn a_serial_number_is_listed_once_for_an_issuer() {
    let name = countersign_testpki::certificates::distinguished_name("One");
    let twice = list().entry(&integer(5), DATE, &[reason(1)]).entry(&integer(6), DATE, &[]);
    let twice = twice.entry(&integer(5), DATE, &[reason(4)]);
    let point = issuing_point(&[indirect()]);
    let named = twice.clone().extension(point.clone()).entry(&integer(7), DATE, &[certificate_issuer(&name)]);
    for made in [twice, named] {
        let der = signed(&made);
        let read = RevocationList::from_der(&der).unwrap();
        let refused = PathErrorKind::MalformedList("a serial number is listed twice");
        // The first lookup walks over the entries, the next ones ask the index.
        for _ in 0..3 {
            assert_eq!(read.find(&issuer().name, &[5]), Err(refused.clone()));
            assert_eq!(read.find(&issuer().name, &[6]), Ok(Some(revoked(RevocationReason::Unspecified))));
            assert_eq!(read.find(&issuer().name, &[9]), Ok(None));
        }
        assert_eq!(read.index(), Err(refused));
    }
    let of_two = list().extension(point).entry(&integer(5), DATE, &[]);
    let der = signed(&of_two.entry(&integer(5), DATE, &[certificate_issuer(&name)]));
    assert!(RevocationList::from_der(&der).unwrap().index().is_ok());
}

#[test]
fn indirect_lists_carry_the_certificate_issuer_on() {
    let names = ["One", "Two"].map(countersign_testpki::certificates::distinguished_name);
    let made = list()
        .extension(issuing_point(&[indirect()]))
        .entry(&integer(1), DATE, &[])
        .entry(&integer(1), DATE, &[certificate_issuer(&names[0]), reason(1)])
        .entry(&integer(2), DATE, &[reason(4)])
        .entry(&integer(1), DATE, &[reason(5), certificate_issuer(&names[1])])
        .entry(&integer(3), DATE, &[]);
    let der = signed(&made);
    let read = RevocationList::from_der(&der).unwrap();
    let index = read.index().unwrap();
    let opened = RevocationList::open(&der, &index).unwrap();
    for list in [read, opened] {
        let reason = |name: &[u8], number| list.find(name, &[number]).unwrap().map(|revoked| revoked.reason);
        assert_eq!(reason(&issuer().name, 1), Some(RevocationReason::Unspecified));
        assert_eq!(reason(&names[0], 1), Some(RevocationReason::KeyCompromise));
        assert_eq!(reason(&names[1], 1), Some(RevocationReason::CessationOfOperation));
        assert_eq!([reason(&issuer().name, 2), reason(&names[1], 2)], [None, None]);
        assert_eq!(reason(&names[0], 2), Some(RevocationReason::Superseded));
        assert_eq!([reason(&issuer().name, 3), reason(&names[0], 3)], [None, None]);
        assert_eq!(reason(&names[1], 3), Some(RevocationReason::Unspecified));
    }
}

#[test]
fn what_the_profile_forbids_is_malformed() {
    let changed = |change: &dyn Fn(&mut List)| {
        let mut made = list().entry(&integer(1), DATE, &[]);
        change(&mut made);
        made
    };
    let later = "2027-01-01T00:00:00Z";
    let extra = |extension: Vec<u8>| changed(&|list| list.extensions.push(extension.clone()));
    let entry_with = |extensions: &[Vec<u8>]| list().entry(&integer(1), DATE, extensions);
    let indirect_entry = |extensions: &[Vec<u8>]| entry_with(extensions).extension(issuing_point(&[indirect()]));
    let name = issuer().name;
    let point = |fields: &[Vec<u8>]| extra(issuing_point(fields));
    let second = |id: &str, value: &[u8]| changed(&|list| list.extensions[0] = extension(id, false, value));
    for (made, part) in [
        (changed(&|list| list.version.clear()), "version is not 2"),
        (changed(&|list| list.version = integer(2)), "version is not 2"),
        (
            changed(&|list| list.inner_algorithm = Key::p384("x").algorithm().identifier()),
            "signature algorithms differ",
        ),
        (changed(&|list| list.issuer = sequence(&[])), "issuer"),
        (changed(&|list| list.issuer = sequence(&[&integer(1)])), "issuer"),
        (changed(&|list| list.this_update = integer(1)), "thisUpdate"),
        (changed(&|list| list.next_update.clear()), "nextUpdate"),
        (changed(&|list| list.this_update = utc_time(later)), "nextUpdate before thisUpdate"),
        (changed(&|list| (list.entries, list.empty_entries) = (Vec::new(), true)), "revokedCertificates"),
        (changed(&|list| list.entries = integer(1)), "revokedCertificates"),
        (changed(&|list| list.entries = sequence(&[&integer(1)])), "revokedCertificates"),
        (changed(&|list| list.entries = entry(&tlv(2, &[&[0, 1]]), DATE, &[])), "revokedCertificates"),
        (
            changed(&|list| list.entries = sequence(&[&integer(1), &tlv(0x17, &[b"2601010000Z"])])),
            "revokedCertificates",
        ),
        (
            changed(&|list| list.entries = sequence(&[&integer(1), &utc_time(DATE), &sequence(&[])])),
            "crlEntryExtensions",
        ),
        (changed(&|list| list.entries = sequence(&[&integer(1), &utc_time(DATE), &integer(1)])), "revokedCertificates"),
        (changed(&|list| list.extensions.clear()), "crlExtensions"),
        (changed(&|list| list.trailing = vec![5, 0]), "octets after the signature"),
        (changed(&|list| drop(list.extensions.remove(0))), "cRLNumber is missing"),
        (changed(&|list| list.extensions[0] = criticality_turned(&number(1))), "cRLNumber is critical"),
        (second("2.5.29.20", &tlv(2, &[&[0x80]])), "cRLNumber"),
        (second("2.5.29.20", &tlv(2, &[&[1; 21]])), "cRLNumber"),
        (changed(&|list| drop(list.extensions.remove(1))), "authorityKeyIdentifier is missing"),
        (
            changed(&|list| list.extensions[1] = criticality_turned(&list.extensions[1])),
            "authorityKeyIdentifier is critical",
        ),
        (changed(&|list| list.extensions[1] = extension("2.5.29.35", false, &sequence(&[]))), "authorityKeyIdentifier"),
        (extra(number(1)), "extension twice, or more than 64"),
        (extra(criticality_turned(&delta(1))), "deltaCRLIndicator is not critical"),
        (extra(extension("2.5.29.27", true, &octets(&[1]))), "deltaCRLIndicator"),
        (extra(delta(1)).extension(extension("2.5.29.46", false, &distribution_value())), "freshestCRL"),
        (extra(extension("2.5.29.46", true, &distribution_value())), "freshestCRL is critical"),
        (extra(extension("2.5.29.46", false, &sequence(&[]))), "freshestCRL"),
        (extra(criticality_turned(&issuing_point(&[indirect()]))), "issuingDistributionPoint is not critical"),
        (point(&[]), "issuingDistributionPoint"),
        (point(&[only_users(), only_cas()]), "issuingDistributionPoint"),
        (point(&[only_users(), only_attributes()]), "issuingDistributionPoint"),
        (point(&[tlv(0x81, &[&[0]])]), "issuingDistributionPoint"),
        (point(&[only_reasons(&[1]), only_reasons(&[2])]), "issuingDistributionPoint"),
        (point(&[tlv(0x83, &[&[0, 0x40]])]), "issuingDistributionPoint"),
        (point(&[tlv(0x83, &[&[8, 0x01, 0]])]), "issuingDistributionPoint"),
        (point(&[full_name(&[])]), "issuingDistributionPoint"),
        (point(&[full_name(&[tlv(0x89, &[b"x"])])]), "issuingDistributionPoint"),
        (point(&[full_name(&[tlv(0xa4, &[&integer(1)])])]), "issuingDistributionPoint"),
        (point(&[tlv(0xa0, &[&integer(1)])]), "issuingDistributionPoint"),
        (extra(extension("2.5.29.60", false, &utc_time(DATE))), "expiredCertsOnCRL"),
        (entry_with(&[reason(7)]), "reasonCode"),
        (entry_with(&[reason(8)]), "reasonCode"),
        (entry_with(&[reason(11), invalidity_date(DATE)]), "reasonCode"),
        (entry_with(&[extension("2.5.29.21", false, &integer(1))]), "reasonCode"),
        (entry_with(&[reason(1), reason(1)]), "crlEntryExtensions"),
        (entry_with(&[extension("2.5.29.24", false, &utc_time(DATE))]), "invalidityDate"),
        (entry_with(&[certificate_issuer(&name)]), "certificateIssuer"),
        (indirect_entry(&[criticality_turned(&certificate_issuer(&name))]), "certificateIssuer"),
        (indirect_entry(&[extension("2.5.29.29", true, &sequence(&[&uri("x")]))]), "certificateIssuer"),
        (entry_with(&[extension("1.2.3", false, &[]), extension("1.2.3", false, &[])]), "crlEntryExtensions"),
        (entry_with(&[extension("1.2.3", false, &[0; 17_000])]), "entry larger than 16 KiB"),
        (extra(extension("1.2.3", false, &[0; 70_000])), "crlExtensions"),
    ] {
        let refused = refusal(&made);
        assert_eq!(refused, PathErrorKind::MalformedList(part));
        assert_eq!(refused.code(), "CS-2030");
    }
    assert_eq!(
        RevocationList::from_der(&vec![0; MAX_LIST_SIZE + 1]).unwrap_err(),
        PathErrorKind::MalformedList("larger than 64 MiB")
    );
    let unused_bits = edit(&signed(&list()), |parts| parts[2] = bits(&[0x80], 1));
    assert_eq!(RevocationList::from_der(&unused_bits).unwrap_err(), PathErrorKind::MalformedList("signatureValue"));
}

fn distribution_value() -> Vec<u8> {
    members(&distribution_points(&[&[relative_name("delta")]]))[1][2..].to_vec()
}

#[test]
fn what_is_unusual_but_right_is_read() {
    for made in [
        list(),
        list().extension(extension("2.5.29.46", false, &distribution_value())),
        list().extension(expired_certificates("2020-01-01T00:00:00Z")),
        list().extension(extension("2.5.29.18", false, &sequence(&[&uri("x")]))),
        list().extension(extension("1.2.3", false, &[])),
        list().extension(issuing_point(&[relative_name("part"), only_reasons(&[1, 8])])),
        list().entry(&tlv(2, &[&[0xff, 0x7f]]), DATE, &[]),
        list().entry(&integer(1), DATE, &[extension("1.2.3", false, &[]), extension("1.2.4", false, &[])]),
        List { next_update: generalized_time("2050-01-01T00:00:00Z"), ..list() },
    ] {
        RevocationList::from_der(&signed(&made)).unwrap();
    }
    assert_eq!(reason_flags(0x83, &[1, 8]), [0x83, 3, 7, 0x40, 0x80]);
}

#[test]
fn an_unknown_critical_extension_refuses_the_list() {
    let unknown = extension("1.2.3.4", true, &[]);
    for made in [
        list().extension(unknown.clone()),
        list().entry(&integer(1), DATE, &[]).entry(&integer(2), DATE, &[reason(1), unknown.clone()]),
    ] {
        let refused = refusal(&made);
        assert_eq!(refused, PathErrorKind::UnknownListExtension("1.2.3.4".parse().unwrap()));
        assert_eq!(refused.code(), "CS-2031");
    }
}

#[test]
fn signers_are_held_to_name_key_and_usage() {
    let der = signed(&list());
    let read = RevocationList::from_der(&der).unwrap();
    let named = |name, key: Key, extensions| {
        Request { identifiers: false, ..Request::new(name, key, extensions) }.self_signed()
    };
    let key = || Key::p256("list test issuer");
    let judge = |signer: &Identity| read.signed_by(&Certificate::from_der(&signer.certificate).unwrap());
    let refused = PathErrorKind::ListSignerRefused;
    assert_eq!(refused("").code(), "CS-2034");
    assert_eq!(judge(&named("Other", key(), ca(None))), Err(refused("issued by another name")));
    let usage = vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)];
    assert_eq!(judge(&named("Issuer", key(), usage)), Err(refused("the key usage lacks cRLSign")));
    let other = Key::p256("another");
    let identified = [ca(None), vec![subject_key_identifier(&other)]].concat();
    assert_eq!(judge(&named("Issuer", other, identified)), Err(refused("names another key")));
    // More keys than a list remembers, twice.
    for label in ["1", "2", "3", "4", "5", "1", "5"] {
        assert_eq!(judge(&named("Issuer", Key::p256(label), ca(None))), Err(PathErrorKind::BadSignature));
    }
    assert_eq!(judge(&named("Issuer", key(), vec![basic_constraints(None)])), Ok(()));
    assert_eq!(judge(&named("Issuer", Key::p384("x"), ca(None))), Err(PathErrorKind::AlgorithmNotAllowed));
    assert_eq!(judge(&named("Issuer", Key::p521(), ca(None))), Err(PathErrorKind::KeyNotAllowed));
}

/// Lists that differ in all that an index depends on.
fn various() -> Vec<(Identity, Vec<u8>)> {
    let names = ["One", "Two"].map(countersign_testpki::certificates::distinguished_name);
    let keys = [Key::p256("a"), Key::p384("a"), Key::rsa_2048(), Key::ed25519("a")];
    let mut made = Vec::new();
    for (key, count) in keys.into_iter().zip([0, 1, 1024, 5000]) {
        let issuer = Request::new("Issuer", key, ca(None)).self_signed();
        let mut list = List::new(&issuer);
        list.entries = entries(count);
        if count == 1024 {
            list = list.extension(issuing_point(&[indirect()]));
            for number in 0..count {
                let name = &names[number as usize % 2];
                list = list.entry(&nth_serial(number), DATE, &[certificate_issuer(name), reason(1)]);
            }
        }
        let der = list.sign(&issuer.key);
        made.push((issuer, der));
    }
    made
}

#[test]
fn an_index_never_changes_an_answer() {
    let names = ["Issuer", "One", "Two"].map(countersign_testpki::certificates::distinguished_name);
    for (issuer, der) in various() {
        let borrowed = RevocationList::from_der(&der).unwrap();
        let index = borrowed.index().unwrap();
        let slices = (der.as_slice(), index.as_slice());
        let opened = RevocationList::open(&slices.0, &slices.1).unwrap();
        assert_eq!(opened.index().unwrap(), index);
        assert_eq!(opened.digest(), borrowed.digest());
        assert_eq!(opened.scope(), borrowed.scope());
        assert_eq!(opened.number(), borrowed.number());
        let signer = Certificate::from_der(&issuer.certificate).unwrap();
        assert_eq!([opened.signed_by(&signer), borrowed.signed_by(&signer)], [Ok(()), Ok(())]);
        let mut found = 0;
        for number in 0..5100 {
            let serial = &nth_serial(number)[2..];
            for name in &names {
                let answer = borrowed.find(name, serial).unwrap();
                assert_eq!(opened.find(name, serial).unwrap(), answer);
                found += usize::from(answer.is_some());
                // The first lookup does without an index.
                if number % 1000 < 2 {
                    assert_eq!(RevocationList::from_der(&der).unwrap().find(name, serial).unwrap(), answer);
                }
            }
        }
        assert!([0, 1, 2048, 5000].contains(&found), "{found}");
    }
}

/// Counts the octets that are read.
#[derive(Debug)]
struct Counted<'a>(&'a [u8], AtomicUsize);

impl Source for Counted<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        self.1.fetch_add(into.len(), SeqCst);
        self.0.read_at(offset, into)
    }
}

#[test]
fn what_an_index_leads_to_is_all_that_is_read() {
    let issuer = issuer();
    let mut made = list();
    made.entries = entries(50_000);
    let der = signed(&made);
    let index = RevocationList::from_der(&der).unwrap().index().unwrap();
    let counted = Counted(&der, AtomicUsize::new(0));
    let opened = RevocationList::open(&counted, &index).unwrap();
    let signer = Certificate::from_der(&issuer.certificate).unwrap();
    assert_eq!(opened.signed_by(&signer), Ok(()));
    assert!(opened.find(&issuer.name, &nth_serial(7)[2..]).unwrap().is_some());
    let read = counted.1.into_inner();
    assert!(der.len() > 1_000_000 && read < 200_000, "{read} of {}", der.len());
}

#[test]
fn a_damaged_or_foreign_index_is_never_an_answer() {
    let lists = various();
    let indices: Vec<_> =
        lists.iter().map(|(_, der)| RevocationList::from_der(der).unwrap().index().unwrap()).collect();
    for (number, (_, der)) in lists.iter().enumerate() {
        for (other, index) in indices.iter().enumerate() {
            assert_eq!(RevocationList::open(der, index).is_ok(), number == other);
        }
    }
    // Same size, other number: only what stands around the entries tells them apart.
    let signer = Request::new("Issuer", Key::ed25519("list test issuer"), ca(None)).self_signed();
    let [one, other] = [1, 2].map(|number| List::new(&signer).number(number).sign(&signer.key));
    let index = RevocationList::from_der(&one).unwrap().index().unwrap();
    assert_eq!(one.len(), other.len());
    assert_eq!(RevocationList::open(&other, &index).unwrap_err().code(), "CS-2032");

    let (issuer, der) = &lists[2];
    let expected = RevocationList::from_der(der).unwrap();
    let index = &indices[2];
    let wanted = &nth_serial(7)[2..];
    let answer = expected.find(&issuer.name, wanted).unwrap();
    assert!(answer.is_some());
    let judge = |der: &Vec<u8>, index: &Vec<u8>| match RevocationList::open(der, index) {
        Ok(list) => list.find(&issuer.name, wanted),
        Err(error) => Err(error),
    };
    let mut errors = 0;
    for at in (0..index.len()).step_by(3) {
        let mut damaged = index.clone();
        damaged[at] ^= 1 << (at % 8);
        match judge(der, &damaged) {
            Ok(found) => assert_eq!(found, answer, "{at}"),
            Err(error) => {
                assert_eq!(error.code(), "CS-2032", "{at}");
                errors += 1;
            }
        }
        assert!(judge(der, &index[..at].to_vec()).is_err(), "{at}");
    }
    assert!(errors > 0);
    // The entry that is looked for, damaged in the list.
    let place = der.windows(wanted.len()).position(|window| window == wanted).unwrap();
    for at in place - 4..place + wanted.len() {
        let mut damaged = der.clone();
        damaged[at] ^= 0x20;
        assert_eq!(judge(&damaged, index).unwrap_err().code(), "CS-2032", "{at}");
    }
}

/// A source that fails from some read on.
#[derive(Debug)]
struct Failing<'a>(&'a [u8], std::sync::atomic::AtomicUsize);

impl Source for Failing<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        use std::sync::atomic::Ordering::Relaxed;
        self.1.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).map_err(|_| SourceError)?;
        self.0.read_at(offset, into)
    }
}

#[test]
fn a_source_that_fails_is_an_error() {
    let (issuer, der) = &various()[3];
    let index = RevocationList::from_der(der).unwrap().index().unwrap();
    let signer = Certificate::from_der(&issuer.certificate).unwrap();
    let run = |reads: usize| {
        let list = Failing(der, reads.into());
        let index = Failing(&index, reads.into());
        let opened = RevocationList::open(&list, &index)?;
        opened.find(&issuer.name, &nth_serial(3)[2..])?;
        opened.signed_by(&signer)
    };
    for reads in 0..4 {
        assert_eq!(run(reads).unwrap_err().code(), "CS-2033");
    }
    assert_eq!(run(4), Ok(()));
}

#[test]
fn cut_and_damaged_lists_are_refused_or_read_but_never_panic() {
    let names = countersign_testpki::certificates::distinguished_name("One");
    let made = list()
        .extension(issuing_point(&[relative_name("part"), only_reasons(&[1, 2]), indirect()]))
        .extension(extension("2.5.29.46", false, &distribution_value()).clone())
        .entry(&integer(1), DATE, &[reason(1)])
        .entry(&integer(2), DATE, &[certificate_issuer(&names), invalidity_date(DATE), reason(4)]);
    let der = signed(&made);
    let signer = issuer();
    let signer = Certificate::from_der(&signer.certificate).unwrap();
    RevocationList::from_der(&der).unwrap().signed_by(&signer).unwrap();
    for length in 0..der.len() {
        assert!(RevocationList::from_der(&der[..length]).is_err());
    }
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut damaged = der.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(list) = RevocationList::from_der(&damaged) {
                for serial in 0..3 {
                    let _ = list.find(&names, &[serial]);
                }
                if let Ok(index) = list.index() {
                    RevocationList::open(&damaged, &index).unwrap();
                }
                if bit == at % 8 {
                    assert!(list.signed_by(&signer).is_err(), "{at} {bit}");
                }
            }
        }
    }
}

#[test]
fn an_entry_has_at_most_16_kib_and_what_stands_behind_the_entries_64() {
    let whole = |list: &List| RevocationList::from_der(&signed(list)).err();
    // The content of an entry: serial number, date, extensions with what fills them.
    let filled = |room: usize| extension("1.3.6.1.4.1.32473.9", false, &tlv(0x04, &[&vec![0; room]]));
    let content = |room| members(&entry(&integer(5), DATE, &[filled(room)])).concat().len();
    let room = 16_000 + 16 * 1024 - content(16_000);
    assert_eq!(content(room), 16 * 1024);
    assert_eq!(whole(&list().entry(&integer(5), DATE, &[filled(room)])), None);
    let refused = Some(PathErrorKind::MalformedList("entry larger than 16 KiB"));
    assert_eq!(whole(&list().entry(&integer(5), DATE, &[filled(room + 1)])), refused);

    let behind = |der: &[u8]| {
        let parts = members(der);
        members(&parts[0]).last().unwrap().len() + parts[1].len() + parts[2].len()
    };
    // A signature whose length does not vary.
    let with = |room: usize| list().extension(filled(room)).sign(&Key::rsa_2048());
    let room = 65_000 + 64 * 1024 - behind(&with(65_000));
    assert_eq!(behind(&with(room)), 64 * 1024);
    assert_eq!(RevocationList::from_der(&with(room)).err(), None);
    let refused = RevocationList::from_der(&with(room + 1)).err();
    assert_eq!(refused, Some(PathErrorKind::MalformedList("crlExtensions")));
}

#[test]
fn what_entries_and_extensions_may_not_say() {
    let with =
        |extensions: &[Vec<u8>]| RevocationList::from_der(&signed(&list().entry(&integer(5), DATE, extensions))).err();
    let malformed = |part| Some(PathErrorKind::MalformedList(part));
    let date = || invalidity_date("2025-05-05T00:00:00Z");
    assert_eq!(with(&[date(), reason(1)]), None);
    assert_eq!(with(&[date(), date()]), malformed("crlEntryExtensions"));
    assert_eq!(with(&[reason(1), reason(1)]), malformed("crlEntryExtensions"));
    let stated = |value: &[u8]| with(&[extension("2.5.29.24", false, value)]);
    let right = generalized_time("2025-05-05T00:00:00Z");
    assert_eq!(stated(&right), None);
    assert_eq!(stated(&[&right[..], &[5, 0]].concat()), malformed("invalidityDate"));
    assert_eq!(stated(&tlv(0x18, &[b"20250505000000.5Z"])), malformed("invalidityDate"));
    // DER writes TRUE as ff, and FALSE, where it is the default, not at all.
    for critical in [0, 1] {
        let one = edit(&date(), |parts| parts.insert(1, tlv(0x01, &[&[critical]])));
        assert_eq!(with(&[one]), malformed("crlEntryExtensions"), "{critical}");
    }
    let point = |name: &[Vec<u8>]| {
        let made = list().extension(issuing_point(&[indirect()])).entry(&integer(5), DATE, name);
        RevocationList::from_der(&signed(&made)).err()
    };
    let name = || certificate_issuer(&issuer().name);
    assert_eq!(point(&[name()]), None);
    assert_eq!(point(&[name(), name()]), malformed("crlEntryExtensions"));
    assert_eq!(point(&[criticality_turned(&name())]), malformed("certificateIssuer"));
    let email = extension("2.5.29.29", true, &sequence(&[&tlv(0x81, &[b"a@example.org"])]));
    assert_eq!(point(&[email]), malformed("certificateIssuer"));
}

#[test]
fn serial_numbers_and_lengths_are_as_short_as_can_be() {
    let with = |serial: &[u8]| RevocationList::from_der(&signed(&list().entry(&tlv(2, &[serial]), DATE, &[]))).err();
    for serial in [&[5][..], &[0, 0x80], &[0xff], &[0xff, 0x7f], &[0x80]] {
        assert_eq!(with(serial), None, "{serial:02x?}");
    }
    for serial in [&[][..], &[0, 5], &[0xff, 0x80], &[0xff, 0xff]] {
        assert_eq!(with(serial), Some(PathErrorKind::MalformedList("revokedCertificates")), "{serial:02x?}");
    }
    // The whole list with a length of three octets where two do.
    let der = list().sign(&Key::rsa_2048());
    let padded = [&[0x30, 0x83, 0][..], &der[2..]].concat();
    assert_eq!(der[1], 0x82);
    let refused = RevocationList::from_der(&padded).err();
    assert_eq!(refused, Some(PathErrorKind::MalformedList("not a DER CertificateList")));
}

#[test]
fn what_cannot_be_read_is_said() {
    assert_eq!(SourceError.to_string(), "the octets could not be read");
    assert_eq!(PathErrorKind::from(SourceError), PathErrorKind::ListUnreadable);
}

#[test]
fn the_frame_of_a_list() {
    let refusal = |der: &[u8]| RevocationList::from_der(der).err();
    let same_day = list().dates("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    assert_eq!(refusal(&signed(&same_day)), None);
    let named = extension("2.5.29.18", true, &sequence(&[&uri("https://example.org")]));
    assert_eq!(refusal(&signed(&list().extension(named))), None);
    let der = signed(&list());
    let read = RevocationList::from_der(&der).unwrap();
    assert_eq!(read.digest()[..], sha2::Sha256::digest(&der)[..]);
    let body = Some(PathErrorKind::MalformedList("tbsCertList"));
    assert_eq!(refusal(&edit(&der, |parts| parts.truncate(1))), body);
    assert_eq!(refusal(&edit(&der, |parts| parts[0][0] = 0x31)), body);
    // Too short for anything that an index begins with.
    let index = read.index().unwrap();
    for length in [0, 7, 8, 100, 150] {
        let cut = &index[..length];
        assert_eq!(
            RevocationList::open(&&der[..], &cut).err(),
            Some(PathErrorKind::IndexRefused("damaged")),
            "{length}"
        );
    }
}

/// An index that fits itself but counts more than its list can hold.
#[test]
fn an_index_counts_no_more_than_its_list_can_hold() {
    let forged = |size: u32, count: u32, issuers: u32| {
        let digest = |octets: &[u8]| sha2::Sha256::digest(octets).to_vec();
        let tail = vec![0; issuers as usize * 4];
        let page = vec![0; count as usize * 8];
        let mut head = [b"CSCRLIX\x01", &size.to_be_bytes()[..], &[0; 32 + 32 + 1 + 64], &count.to_be_bytes()].concat();
        head.extend([&issuers.to_be_bytes()[..], &digest(&tail)].concat());
        head.extend([&[0; 8][..], &digest(&page)[..8]].concat());
        let checked = digest(&head);
        [head, checked, page, tail].concat()
    };
    let der = signed(&list());
    let refusal = |index: Vec<u8>| RevocationList::open(&&der[..], &&index[..]).err();
    let damaged = Some(PathErrorKind::IndexRefused("damaged"));
    for (size, count, issuers, fits) in
        [(160, 10, 0, true), (160, 10, 10, true), (175, 11, 0, false), (160, 12, 0, false), (16_000, 10, 11, false)]
    {
        let refused = refusal(forged(size, count, issuers));
        assert!(matches!(refused, Some(PathErrorKind::IndexRefused(_))));
        // What fits is then found not to go with this list.
        assert_eq!(refused != damaged, fits, "{size} octets, {count} entries, {issuers} issuers: {refused:?}");
    }
}
