//! Stamps that no authority would make, and stamps of other times: made by hand with an authority of this house.

use crate::{FLOOR, Site, code, time};
use countersign_common::{
    ClockRequest, Facts, Lists, MAX_TIMESTAMP_SIZE, RevocationList, SignedObject, Time, VerifiedTokenList, mend,
    token_list::{RevokedToken, TokenList, TokenRevocation},
};
use countersign_testpki::{
    Cms, Identity, Key, List, Request,
    certificates::{EKU_LIST_SIGNING, ca, extended_key_usage, extension, key_usage},
    crls::reason,
    der::{boolean, explicit, integer, octets, oid, sequence, set, tlv, utf8},
    objects::{attribute, time as at},
};
use der::Encode;
use sha2::{Digest, Sha256};

const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const TOKEN_LIST: &str = "1.3.6.1.4.1.32473.2026.1.3";
const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
/// Within the validity of every certificate here.
const STAMPED: &str = "20300601120000Z";
const NOW: &str = "2030-06-01T12:00:00Z";

fn root() -> Identity {
    Request::new("Stamp Root", Key::p256("stamp root"), ca(None)).self_signed()
}

/// The extension as RFC 3161 wants it: critical, this usage alone.
fn stamping() -> Vec<u8> {
    extension("2.5.29.37", true, &sequence(&[&oid(TIME_STAMPING)]))
}

fn stamper(extensions: Vec<Vec<u8>>) -> Request<'static> {
    Request::new("Stamper", Key::p256("stamper"), extensions)
}

/// The members of a TSTInfo that follow the profile.
fn info(request: &ClockRequest, generalized: &str) -> Vec<Vec<u8>> {
    let imprint = Sha256::digest(request.to_der().unwrap());
    let mut nonce = request.nonce.0[..8].to_vec();
    nonce[0] = nonce[0] & 0x3f | 0x40;
    vec![
        integer(1),
        oid("1.3.6.1.4.1.32473.9.1"),
        sequence(&[&sequence(&[&oid(SHA256), &[5, 0]]), &octets(&imprint)]),
        integer(7),
        tlv(0x18, &[generalized.as_bytes()]),
        tlv(0x02, &[&nonce]),
    ]
}

/// A time stamp by an authority, over members that may not follow it.
fn stamp(members: &[Vec<u8>], stamper: &Identity, change: impl FnOnce(&mut Cms<'_>)) -> Vec<u8> {
    let content = sequence(&[&members.concat()]);
    let mut cms = Cms::new(TST_INFO, content, stamper, NOW);
    change(&mut cms);
    let token = cms.build();
    sequence(&[&sequence(&[&integer(0)]), &token])
}

struct Case {
    site: Site,
    request: ClockRequest,
    root: Identity,
    stamper: Identity,
}

impl Case {
    fn new() -> Self {
        let root = root();
        let site = Site::new(&[&root.certificate]);
        let stamper = stamper(vec![key_usage(0x80), stamping()]).issued_by(&root);
        Self { request: site.request(), site, root, stamper }
    }

    /// The code for a stamp whose members were changed.
    fn members(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> &'static str {
        let mut members = info(&self.request, STAMPED);
        change(&mut members);
        self.judge(&stamp(&members, &self.stamper, |_| {}))
    }

    /// The code for a stamp whose CMS was changed.
    fn cms(&self, change: impl FnOnce(&mut Cms<'_>)) -> &'static str {
        self.judge(&stamp(&info(&self.request, STAMPED), &self.stamper, change))
    }

    /// The code for a stamp by somebody else.
    fn by(&self, stamper: &Identity) -> &'static str {
        self.judge(&stamp(&info(&self.request, STAMPED), stamper, |_| {}))
    }

    fn judge(&self, response: &[u8]) -> &'static str {
        code(self.site.mend(response, &self.request, NOW))
    }
}

#[test]
fn the_certificate_is_for_time_stamping_alone() {
    let case = Case::new();
    assert_eq!(case.by(&case.stamper), "");
    let usages = |usages: &[&str]| {
        let usages: Vec<u8> = usages.iter().flat_map(|usage| oid(usage)).collect();
        extension("2.5.29.37", true, &sequence(&[&usages]))
    };
    let issued = |extensions| stamper(extensions).issued_by(&case.root);
    assert_eq!(case.by(&issued(vec![key_usage(0x80), extended_key_usage(&[TIME_STAMPING])])), "CS-3507");
    assert_eq!(case.by(&issued(vec![key_usage(0x80), usages(&[TIME_STAMPING, "1.3.6.1.5.5.7.3.3"])])), "CS-3507");
    assert_eq!(case.by(&issued(vec![key_usage(0x80), usages(&["1.3.6.1.5.5.7.3.3"])])), "CS-3507");
    assert_eq!(case.by(&issued(vec![key_usage(0x80)])), "CS-3507");
    assert_eq!(case.by(&issued(vec![key_usage(0x20), stamping()])), "CS-2013");
    assert_eq!(case.by(&issued(vec![key_usage(0x40), stamping()])), "");
    let dated = |not_before, not_after| {
        Request { not_before, not_after, ..stamper(vec![key_usage(0x80), stamping()]) }.issued_by(&case.root)
    };
    assert_eq!(case.by(&dated("2026-01-01T00:00:00Z", "2030-06-01T11:59:59Z")), "CS-2009");
    assert_eq!(case.by(&dated("2030-06-01T12:00:01Z", "2032-01-01T00:00:00Z")), "CS-2008");
    assert_eq!(case.by(&dated("2030-06-01T12:00:00Z", "2030-06-01T12:00:00Z")), "");
    // A CA that states usages has to state this one.
    let other_usage = [ca(None), vec![usages(&["1.3.6.1.5.5.7.3.3"])]].concat();
    for (extensions, code) in [(ca(None), ""), (other_usage, "CS-2014")] {
        let between = Request::new("Between", Key::p256("stamp between"), extensions).issued_by(&case.root);
        let stamper = stamper(vec![key_usage(0x80), stamping()]).issued_by(&between);
        let response =
            stamp(&info(&case.request, STAMPED), &stamper, |cms| cms.certificates.push(between.certificate.clone()));
        assert_eq!(case.judge(&response), code);
    }
    // By somebody whom the token does not name.
    let stranger = Request::new("Another Root", Key::p256("another root"), ca(None)).self_signed();
    assert_eq!(case.by(&stamper(vec![key_usage(0x80), stamping()]).issued_by(&stranger)), "CS-2006");
    // An anchor that is no certificate is a fault of the token.
    let broken = Site::new(&[&sequence(&[&integer(1)])]);
    let request = broken.request();
    let response = stamp(&info(&request, STAMPED), &case.stamper, |_| {});
    assert_eq!(code(broken.mend(&response, &request, NOW)), "CS-1201");
}

#[test]
fn the_stamped_time_is_read_exactly() {
    let case = Case::new();
    let read = |text: &str, now: &str| {
        let members = info(&case.request, text);
        case.site.mend(&stamp(&members, &case.stamper, |_| {}), &case.request, now).map(|timestamp| timestamp.time)
    };
    let exact: Time = time(NOW);
    for text in ["20300601120000Z", "20300601120000.5Z", "20300601120000.999999999Z", "20300601120000.05Z"] {
        assert_eq!(read(text, NOW), Ok(exact), "{text}");
    }
    for text in [
        "20300601120000",
        "20300601120000.Z",
        "20300601120000.0Z",
        "20300601120000.50Z",
        "20300601120000,5Z",
        "20300601120000.5",
        "20300601120000+0000",
        "20300601120000.5+0100",
        "203006011200Z",
        "20300601240000Z",
        "20300631120000Z",
        "20300601120060Z",
        "300601120000Z",
    ] {
        assert_eq!(code(read(text, NOW)), "CS-3505", "{text}");
    }
    assert_eq!(case.members(|members| members[4] = tlv(0x17, &[b"300601120000Z"])), "CS-3505");
}

#[test]
fn the_lists_of_the_machine_have_their_say() {
    let case = Case::new();
    let answer = stamp(&info(&case.request, STAMPED), &case.stamper, |_| {});
    let cast = &case.site.cast;
    let signer = vec![key_usage(0x80), extended_key_usage(&[EKU_LIST_SIGNING])];
    let signer = Request::new("List Signer", Key::p256("stamp list signer"), signer).issued_by(&cast.token_root);
    let judge = |dated: &str, revoked: Option<RevokedToken>| {
        let body = TokenList {
            version: 1,
            number: 1,
            this_update: at(dated),
            next_update: at(dated),
            revoked: revoked.map(|token| vec![token]),
            standing: None,
            received: None,
            replaces: None,
            extensions: None,
        };
        let der = Cms::new(TOKEN_LIST, body.to_der().unwrap(), &signer, dated).build();
        case.site.at(NOW, |token, facts| {
            let list = SignedObject::from_der(&der).unwrap();
            let list = VerifiedTokenList::verify(list, facts.anchors, &[]).unwrap();
            let lists = Lists::new(vec![list], Vec::new());
            code(mend(&answer, &case.request, token, &Facts { lists: &lists, ..facts.clone() }))
        })
    };
    let crl =
        List::new(&case.root).entry(&case.stamper.serial, "2030-01-01T00:00:00Z", &[reason(1)]).sign(&case.root.key);
    let revoked = case.site.at(NOW, |token, facts| {
        let lists = Lists::new(Vec::new(), vec![RevocationList::from_der(&crl).unwrap()]);
        code(mend(&answer, &case.request, token, &Facts { lists: &lists, ..facts.clone() }))
    });
    assert_eq!(revoked, "CS-2035");
    assert_eq!(judge("2030-06-01T12:05:00Z", None), "");
    assert_eq!(judge("2030-06-01T12:05:01Z", None), "CS-3508");
    let entry = |reason| RevokedToken {
        id: cast.token_body().id,
        revision: 9,
        date: at("2030-01-01T00:00:00Z"),
        reason,
        digest: None,
    };
    let dated = "2030-02-01T00:00:00Z";
    assert_eq!(judge(dated, Some(entry(TokenRevocation::PrivilegeWithdrawn))), "CS-3301");
    assert_eq!(judge(dated, Some(entry(TokenRevocation::CertificateHold))), "CS-3302");
}

#[test]
fn times_past_2038_and_2050_are_stamped_as_well() {
    let validity = |request: Request<'static>| Request { not_after: "9999-12-31T23:59:59Z", ..request };
    let root = validity(Request::new("Stamp Root", Key::p256("stamp root"), ca(None))).self_signed();
    let stamper = validity(stamper(vec![key_usage(0x80), stamping()])).issued_by(&root);
    let site = Site::new(&[&root.certificate]);
    let request = site.request();
    for (text, at) in [
        ("20380119031408Z", "2038-01-19T03:14:08Z"),
        ("20491231235959Z", "2049-12-31T23:59:59Z"),
        ("20500101000000Z", "2050-01-01T00:00:00Z"),
        ("21000228235959.25Z", "2100-02-28T23:59:59Z"),
    ] {
        // The signing-time of the authority follows its own rule and is not looked at.
        let response = stamp(&info(&request, text), &stamper, |cms| {
            cms.attributes[1] = countersign_testpki::objects::signing_time_attribute(at);
        });
        assert_eq!(site.mend(&response, &request, at).map(|timestamp| timestamp.time), Ok(time(at)));
        assert!(time(at) < time(FLOOR));
    }
}

#[test]
fn members_of_the_stamp_are_held_to_the_profile() {
    let case = Case::new();
    let accuracy = |parts: &[&[u8]]| sequence(parts);
    let extensions = |critical: bool| {
        let critical = if critical { boolean(true) } else { Vec::new() };
        tlv(0xa1, &[&sequence(&[&oid("1.3.6.1.4.1.32473.7.9"), &critical, &octets(&[5, 0])])])
    };
    let name = |name: &[u8]| explicit(0, &explicit(4, name));
    assert_eq!(case.members(|_| {}), "");
    assert_eq!(
        case.members(|m| m.insert(5, accuracy(&[&integer(1), &tlv(0x80, &[&[3, 0xe7]]), &tlv(0x81, &[&[1]])]))),
        ""
    );
    assert_eq!(case.members(|m| m.insert(5, accuracy(&[&tlv(0x80, &[&[0]])]))), "CS-3505");
    assert_eq!(case.members(|m| m.insert(5, accuracy(&[&tlv(0x82, &[&[1]])]))), "CS-3505");
    assert_eq!(case.members(|m| m.insert(5, boolean(true))), "");
    assert_eq!(case.members(|m| m.push(name(&case.stamper.name))), "");
    assert_eq!(case.members(|m| m.push(name(&case.root.name))), "CS-3505");
    assert_eq!(case.members(|m| m.push(explicit(0, &tlv(0x82, &[b"stamp.example.org"])))), "");
    assert_eq!(case.members(|m| m.push(extensions(false))), "");
    assert_eq!(case.members(|m| m.push(extensions(true))), "CS-1008");
    assert_eq!(case.members(|m| m.push(integer(1))), "CS-3505");
    assert_eq!(case.members(|m| m[0] = integer(2)), "CS-3505");
    assert_eq!(case.members(|m| drop(m.remove(5))), "CS-3506");
    assert_eq!(case.members(|m| m[2] = sequence(&[&sequence(&[&oid("1.3.14.3.2.26")]), &octets(&[0; 20])])), "CS-1102");
    let imprint = Sha256::digest(case.request.to_der().unwrap());
    let stamped = |hash: &str, octets_of: &[u8]| {
        case.members(|m| m[2] = sequence(&[&sequence(&[&oid(hash)]), &octets(octets_of)]))
    };
    assert_eq!(stamped("2.16.840.1.101.3.4.2.2", &[0; 48]), "CS-3506");
    assert_eq!(stamped("2.16.840.1.101.3.4.2.2", &imprint), "CS-3506");
    assert_eq!(stamped(SHA256, &[0; 32]), "CS-3506");
    assert_eq!(stamped(SHA256, &imprint), "");
}

#[test]
fn the_accuracy_is_told_in_microseconds() {
    let case = Case::new();
    let told = |parts: &[&[u8]]| {
        let mut members = info(&case.request, STAMPED);
        members.insert(5, sequence(parts));
        let response = stamp(&members, &case.stamper, |_| {});
        case.site.mend(&response, &case.request, NOW).unwrap().accuracy
    };
    let (milliseconds, microseconds) = (tlv(0x80, &[&[1, 0xf4]]), tlv(0x81, &[&[3, 0xe7]]));
    assert_eq!(told(&[&integer(2), &milliseconds, &microseconds]), Some(2_500_999));
    assert_eq!(told(&[&milliseconds]), Some(500_000));
    assert_eq!(told(&[&microseconds]), Some(999));
    assert_eq!(told(&[&integer(3)]), Some(3_000_000));
    assert_eq!(told(&[]), Some(0));
}

#[test]
fn a_stamp_mends_for_30_days() {
    let case = Case::new();
    let response = stamp(&info(&case.request, "20260601000000Z"), &case.stamper, |_| {});
    let at = |now| code(case.site.mend(&response, &case.request, now));
    assert_eq!([at("2026-07-01T00:00:00Z"), at("2026-07-01T00:00:01Z")], ["", "CS-3509"]);
}

#[test]
fn a_stamp_has_a_largest_size() {
    let case = Case::new();
    assert_ne!(case.judge(&vec![0x30; MAX_TIMESTAMP_SIZE]), "CS-1001");
    for more in [1, 2] {
        assert_eq!(case.judge(&vec![0x30; MAX_TIMESTAMP_SIZE + more]), "CS-1001");
    }
}

#[test]
fn the_cms_around_it_is_held_to_the_profile() {
    let case = Case::new();
    let many = |count: usize| (0..count).map(|n| sequence(&[&integer(n as u64)])).collect::<Vec<_>>();
    assert_eq!(case.cms(|cms| cms.version = 1), "CS-3505");
    assert_eq!(case.cms(|cms| cms.info_version = 3), "CS-3505");
    assert_eq!(case.cms(|cms| cms.content_type = "1.2.840.113549.1.7.1"), "CS-3505");
    assert_eq!(case.cms(|cms| cms.more_signers = vec![cms.signer_info()]), "CS-3505");
    assert_eq!(case.cms(|cms| cms.broken_signature = true), "CS-1104");
    assert_eq!(case.cms(|cms| cms.content.push(0)), "CS-1103");
    assert_eq!(case.cms(|cms| cms.certificates = vec![case.root.certificate.clone()]), "CS-3505");
    assert_eq!(case.cms(|cms| cms.certificates.extend(many(15))), "");
    assert_eq!(case.cms(|cms| cms.certificates.extend(many(16))), "CS-3505");
    assert_eq!(case.cms(|cms| cms.issuer_and_serial = sequence(&[&case.root.name, &integer(1)])), "CS-3505");
    assert_eq!(case.cms(|cms| cms.issuer_and_serial = tlv(0x80, &[&[1; 20]])), "CS-3505");
    assert_eq!(case.cms(|cms| cms.crls = tlv(0xa1, &[&sequence(&[])])), "");
    assert_eq!(case.cms(|cms| cms.unsigned = vec![attribute("1.3.6.1.4.1.32473.7.8", &[utf8("x")])]), "");
    assert_eq!(case.cms(|cms| cms.digest_algorithm = sequence(&[&oid(SHA256), &[5, 0]])), "");
    assert_eq!(case.cms(|cms| cms.digest_algorithm = sequence(&[&oid("1.3.14.3.2.26")])), "CS-1102");
    assert_eq!(case.cms(|cms| cms.signature_algorithm = sequence(&[&oid("1.2.840.10045.4.1")])), "CS-1102");
    assert_eq!(case.cms(|cms| drop(cms.attributes.remove(0))), "CS-3505");
    assert_eq!(case.cms(|cms| drop(cms.attributes.remove(1))), "", "signing-time is optional");
    assert_eq!(case.cms(|cms| drop(cms.attributes.remove(2))), "CS-3505");
    assert_eq!(case.cms(|cms| drop(cms.attributes.remove(3))), "CS-3505");
    assert_eq!(
        case.cms(|cms| cms.attributes[0] = attribute("1.2.840.113549.1.9.3", &[oid("1.2.840.113549.1.7.1")])),
        "CS-3505"
    );
    let again = attribute("1.2.840.113549.1.9.3", &[oid(TST_INFO), oid(TIME_STAMPING)]);
    assert_eq!(case.cms(|cms| cms.attributes.push(again)), "CS-3505");
    assert_eq!(case.cms(|cms| cms.attributes.push(attribute("1.3.6.1.4.1.32473.7.8", &[utf8("x")]))), "");
    assert_eq!(
        case.cms(|cms| (cms.sorted, cms.attributes) = (false, cms.attributes.iter().rev().cloned().collect())),
        "CS-3505"
    );
    // Lengths without end are BER.
    let good = stamp(&info(&case.request, STAMPED), &case.stamper, |_| {});
    let inner = &good[countersign_testpki::der::header(&good).0..];
    assert_eq!(case.judge(&[&[0x30, 0x80], inner, &[0, 0]].concat()), "CS-3505");
    for garbage in [&b""[..], b"x", &[0x30, 0], &set(&[]), &sequence(&[&sequence(&[&integer(300)])])] {
        assert_eq!(case.judge(garbage), "CS-3505", "{garbage:?}");
    }
    for status in [2, 3, 4, 5] {
        assert_eq!(case.judge(&sequence(&[&sequence(&[&integer(status)])])), "CS-3504");
    }
    assert_eq!(case.judge(&sequence(&[&sequence(&[&integer(0)])])), "CS-3505");
}
