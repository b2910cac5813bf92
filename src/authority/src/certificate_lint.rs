//! The lint of certificates: whether one is exactly what its role wants, read from its octets (RFC 5280 4).
//!
//! It is written apart from what makes certificates, and shares none of its tables: what the one gets wrong, the other
//! is to notice.

use crate::{
    certs::{Lifetime, Role},
    error::Error,
    lint::Finding,
};
use countersign_common::{Certificate, PublicKey, SignatureAlgorithm, oid};
use countersign_pki::{GeneralName, KeyKind, attributes, oid as pkix};
use der::{Decode, Encode, Reader, SliceReader, asn1::ObjectIdentifier};
use sha2::{Digest as _, Sha256};
use x509_cert::{
    certificate::Version,
    ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier},
    name::Name,
    time::Time as X509Time,
};

/// The code of everything that refuses a certificate.
const CODE: &str = "CS-7091";
/// A serial number of fewer octets cannot have 64 bits that nobody could foretell.
const FEWEST_SERIAL_OCTETS: usize = 9;
/// RFC 5280 4.1.2.2.
const MOST_SERIAL_OCTETS: usize = 20;
/// A year of 365.25 days, in seconds, as `1y` on the command line.
const YEAR: i64 = 31_557_600;

/// digitalSignature, nonRepudiation, keyCertSign and cRLSign as the bits of KeyUsage (RFC 5280 4.2.1.3).
const DIGITAL_SIGNATURE: u16 = 1 << 0;
const NON_REPUDIATION: u16 = 1 << 1;
const CERTIFICATES_AND_LISTS: u16 = 1 << 5 | 1 << 6;

/// What a certificate is meant to be.
pub(crate) struct Expected<'a> {
    pub(crate) role: &'a Role,
    pub(crate) subject: &'a Name,
    pub(crate) lifetime: Lifetime,
    /// The subject's key.
    pub(crate) spki: &'a [u8],
    /// None where the subject certifies itself.
    pub(crate) issuer: Option<&'a Certificate<'a>>,
}

/// What a role's certificate has.
struct Profile {
    usages: u16,
    extended: Option<ObjectIdentifier>,
    /// pathLenConstraint of a CA.
    depth: Option<u32>,
    /// Whether its key signs itself.
    self_signed: bool,
}

fn profile(role: &Role) -> Profile {
    let ca = |depth, self_signed| Profile { usages: CERTIFICATES_AND_LISTS, extended: None, depth, self_signed };
    let signer = |usage| Profile { usages: DIGITAL_SIGNATURE, extended: Some(usage), depth: None, self_signed: false };
    match role {
        Role::TokenRoot | Role::HolderRoot => ca(Some(1), true),
        Role::CrossRoot => ca(Some(0), false),
        Role::TokenSigner => signer(oid::EKU_TOKEN_SIGNING),
        Role::ListSigner => signer(oid::EKU_LIST_SIGNING),
        Role::AnchorsSigner => signer(oid::EKU_ANCHORS_SIGNING),
        Role::LedgerSigner => signer(oid::EKU_LEDGER_SIGNING),
        Role::Approver => signer(oid::EKU_TOKEN_APPROVAL),
        Role::Holder { .. } => {
            Profile { usages: DIGITAL_SIGNATURE | NON_REPUDIATION, extended: None, depth: None, self_signed: false }
        }
    }
}

/// Refuses a certificate that is not exactly what is expected; `signer` is the key that is to have signed it.
pub(crate) fn check(
    der: &[u8],
    expected: &Expected<'_>,
    signer: &[u8],
    algorithm: SignatureAlgorithm,
) -> Result<(), Error> {
    let mut faults = Faults(Vec::new());
    if faults.read(der, expected, signer, algorithm).is_none() {
        faults.0.push("it cannot be read as a certificate (RFC 5280 4.1)".to_owned());
    }
    let advice = "nothing was signed with it; please report this with the arguments that were used";
    let findings: Vec<_> = faults.0.into_iter().map(|fault| Finding::error(CODE, fault, advice)).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::CertificateLint(findings)) }
}

/// What is unwise about how long a certificate would be valid.
pub(crate) fn longevity(role: &Role, lifetime: Lifetime) -> Option<Finding> {
    let (years, who) = match role {
        Role::TokenRoot | Role::HolderRoot | Role::CrossRoot => (25, "a root"),
        // It has to outlast the tokens.
        Role::AnchorsSigner => (15, "the anchors signer"),
        Role::TokenSigner => (3, "the token signer"),
        Role::ListSigner => (3, "the list signer"),
        Role::LedgerSigner => (3, "the ledger signer"),
        Role::Approver => (3, "an officer who approves"),
        Role::Holder { .. } => (5, "a holder"),
    };
    let lasts = lifetime.not_after.unix() - lifetime.not_before.unix();
    // Whole days more than the years may be the tolerance at the beginning.
    (lasts > years * YEAR + 86_400).then(|| Finding::long_lived(who, lifetime.not_after, years))
}

/// The octets of a certificate that are signed (TBSCertificate).
pub(crate) fn signed_part(der: &[u8]) -> Option<&[u8]> {
    parts(der).map(|[signed, ..]| signed)
}

/// Refuses a certificate that is not the one that was rehearsed. They may differ in the serial number, in the subject's
/// key, which has to be of the same kind, in the two key identifiers, and in the signature; in nothing else.
pub(crate) fn as_rehearsed(rehearsed: &[u8], real: &[u8]) -> Result<(), Error> {
    match differing(rehearsed, real) {
        Some(None) => Ok(()),
        Some(Some(member)) => Err(Error::NotAsRehearsed(member)),
        None => Err(Error::NotAsRehearsed("form")),
    }
}

/// The first member in which they must not differ and do; nothing at all where one of them cannot be read.
fn differing(rehearsed: &[u8], real: &[u8]) -> Option<Option<&'static str>> {
    const NAMES: [&str; 8] =
        ["version", "serial number", "algorithm", "issuer", "validity", "subject", "key", "extensions"];
    let [first, first_algorithm, _] = parts(rehearsed)?;
    let [second, second_algorithm, _] = parts(real)?;
    let (first, second) = (members(first)?, members(second)?);
    if first_algorithm != second_algorithm {
        return Some(Some("algorithm"));
    }
    if first.len() != NAMES.len() || second.len() != NAMES.len() {
        return Some(Some("number of members"));
    }
    let kind = |spki| PublicKey::from_spki(spki).map(|key| key.kind()).ok();
    for ((name, one), other) in NAMES.into_iter().zip(first).zip(second) {
        let same = match name {
            "serial number" => true,
            "key" => kind(one)? == kind(other)?,
            "extensions" => same_extensions(one, other)?,
            _ => one == other,
        };
        if !same {
            return Some(Some(name));
        }
    }
    Some(None)
}

/// Whether the extensions are the same one by one, but for the values of the key identifiers.
fn same_extensions(one: &[u8], other: &[u8]) -> Option<bool> {
    let (one, other) = (members(one)?, members(other)?);
    let ([one], [other]) = (one.as_slice(), other.as_slice()) else { return None };
    let (one, other) = (members(one)?, members(other)?);
    let identifiers = [pkix::SUBJECT_KEY_IDENTIFIER, pkix::AUTHORITY_KEY_IDENTIFIER];
    let same = |one: &[u8], other: &[u8]| {
        let (one_members, other_members) = (members(one)?, members(other)?);
        let (id, other_id) = (one_members.first()?, other_members.first()?);
        let free = identifiers.iter().any(|identifier| identifier.to_der().is_ok_and(|der| der == *id));
        Some(one == other || (free && id == other_id && one_members.len() == other_members.len()))
    };
    let mut all = one.len() == other.len();
    for (one, other) in one.into_iter().zip(other) {
        all &= same(one, other)?;
    }
    Some(all)
}

/// DER of the members of a constructed value.
fn members(der: &[u8]) -> Option<Vec<&[u8]>> {
    let mut reader = SliceReader::new(der::asn1::AnyRef::from_der(der).ok()?.value()).ok()?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(reader.tlv_bytes().ok()?);
    }
    Some(members)
}

/// DER of the three members of a certificate.
fn parts(der: &[u8]) -> Option<[&[u8]; 3]> {
    let mut outer = SliceReader::new(der).ok()?;
    let whole = der::asn1::AnyRef::decode(&mut outer).ok()?;
    let mut inner = SliceReader::new(whole.value()).ok()?;
    let members = [inner.tlv_bytes().ok()?, inner.tlv_bytes().ok()?, inner.tlv_bytes().ok()?];
    (outer.is_finished() && inner.is_finished()).then_some(members)
}

struct Faults(Vec<String>);

impl Faults {
    /// Notes a fault unless all is well.
    fn unless(&mut self, fine: bool, fault: impl Into<String>) {
        if !fine {
            self.0.push(fault.into());
        }
    }

    /// Notes every fault; nothing where it cannot even be read.
    fn read(
        &mut self,
        der: &[u8],
        expected: &Expected<'_>,
        signer: &[u8],
        algorithm: SignatureAlgorithm,
    ) -> Option<()> {
        let [signed, outer, signature] = parts(der)?;
        let read = x509_cert::Certificate::from_der(der).ok()?;
        let tbs = read.tbs_certificate();
        self.unless(tbs.version() == Version::V3, "it is not of version 3 (4.1.2.1)");
        let parsed = Certificate::from_der(der).ok()?;
        self.unless(read.to_der().is_ok_and(|again| again == der), "it is not DER");
        self.unless(
            tbs.issuer_unique_id().is_none() && tbs.subject_unique_id().is_none(),
            "it has unique identifiers (4.1.2.8)",
        );
        self.serial(parsed.serial());

        // How it is signed: stated twice alike, as the issuer's key signs, and truly so.
        let inner = tbs.signature().to_der().ok()?;
        self.unless(inner == outer, "the two signature algorithms differ (4.1.1.2)");
        self.unless(outer == algorithm.identifier(), "it is signed by another algorithm than the issuer's key signs");
        let octets = der::asn1::BitStringRef::from_der(signature).ok().and_then(|bits| bits.as_bytes());
        let verifies = octets.is_some_and(|octets| {
            PublicKey::from_spki(signer).and_then(|key| key.verify(algorithm, signed, octets)).is_ok()
        });
        self.unless(verifies, "the signature does not verify");

        self.names(&parsed, expected);
        self.validity(&read, expected);
        self.key(&parsed, expected);
        self.extensions(&parsed, expected);
        Some(())
    }

    fn serial(&mut self, serial: &[u8]) {
        let positive = serial.first().is_some_and(|first| *first < 0x80) && serial.iter().any(|octet| *octet != 0);
        self.unless(positive, "the serial number is not positive (4.1.2.2)");
        self.unless(serial.len() <= MOST_SERIAL_OCTETS, "the serial number has more than 20 octets (4.1.2.2)");
        self.unless(serial.len() >= FEWEST_SERIAL_OCTETS, "the serial number has not 64 bits of chance");
    }

    fn names(&mut self, parsed: &Certificate<'_>, expected: &Expected<'_>) {
        let wanted = expected.subject.to_der().unwrap_or_default();
        self.unless(parsed.subject() == wanted, "the subject is not the one that was meant (4.1.2.6)");
        for (what, name) in [("issuer", parsed.issuer()), ("subject", parsed.subject())] {
            let attributes = attributes(name).unwrap_or_default();
            self.unless(!attributes.is_empty(), format!("the {what} is empty (4.1.2.4, 4.1.2.6)"));
            let said = attributes.iter().all(|attribute| attribute.text().is_some_and(|text| !text.trim().is_empty()));
            self.unless(said, format!("a part of the {what} says nothing"));
        }
        match expected.issuer {
            None => self.unless(parsed.is_self_issued(), "a root that somebody else issues"),
            Some(issuer) => {
                self.unless(parsed.issuer() == issuer.subject(), "the issuer is not the subject of the issuer's own");
                self.unless(issuer.is_ca(), "the issuer is no CA");
            }
        }
    }

    fn validity(&mut self, read: &x509_cert::Certificate, expected: &Expected<'_>) {
        let validity = read.tbs_certificate().validity();
        for (what, time) in [("notBefore", &validity.not_before), ("notAfter", &validity.not_after)] {
            let early = time.to_date_time().year() < 2050;
            let fits = matches!(time, X509Time::UtcTime(_)) == early;
            self.unless(fits, format!("{what} is not UTCTime through 2049 and GeneralizedTime from then on (4.1.2.5)"));
        }
        let seconds = |time: &X509Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        let (not_before, not_after) = (seconds(&validity.not_before), seconds(&validity.not_after));
        let meant = (expected.lifetime.not_before.unix(), expected.lifetime.not_after.unix());
        self.unless((not_before, not_after) == meant, "it is not valid for the time that was meant");
        self.unless(not_before < not_after, "it ends before it begins");
        let outlives = expected.issuer.is_some_and(|issuer| not_after > issuer.not_after().unix());
        self.unless(!outlives, "it would outlive its issuer");
    }

    fn key(&mut self, parsed: &Certificate<'_>, expected: &Expected<'_>) {
        self.unless(parsed.spki() == expected.spki, "the key is not the one that was meant");
        match parsed.public_key() {
            Err(_) => self.unless(false, "the key is of no kind that is allowed"),
            Ok(key) => {
                let card = matches!(expected.role, Role::Holder { .. });
                self.unless(!card || key.kind() != KeyKind::Ed25519, "no card signs with an Ed25519 key");
            }
        }
        let of_issuer = expected.issuer.is_some_and(|issuer| issuer.spki() == parsed.spki());
        self.unless(!of_issuer, "the key is its issuer's");
    }

    /// Those of the role, each as critical as it is to be, and no others.
    fn extensions(&mut self, parsed: &Certificate<'_>, expected: &Expected<'_>) {
        let profile = profile(expected.role);
        let mut wanted = vec![(pkix::KEY_USAGE, true), (pkix::SUBJECT_KEY_IDENTIFIER, false)];
        wanted.extend(profile.depth.map(|_| (pkix::BASIC_CONSTRAINTS, true)));
        wanted.extend(profile.extended.map(|_| (pkix::EXTENDED_KEY_USAGE, false)));
        wanted.extend((!profile.self_signed).then_some((pkix::AUTHORITY_KEY_IDENTIFIER, false)));
        let (address, policies) = match expected.role {
            Role::Holder { email, policies } => (email.as_deref(), &policies[..]),
            _ => (None, &[][..]),
        };
        wanted.extend((!policies.is_empty()).then_some((pkix::CERTIFICATE_POLICIES, false)));
        wanted.extend(address.map(|_| (pkix::SUBJECT_ALT_NAME, false)));
        for (id, critical) in &wanted {
            match parsed.extension(*id) {
                None => self.0.push(format!("the extension {} is missing", extension_name(*id))),
                Some(extension) => {
                    let not = if *critical { "not " } else { "" };
                    let fault = format!("the extension {} is {not}critical", extension_name(*id));
                    self.unless(extension.critical == *critical, fault);
                }
            }
        }
        for id in ids(parsed) {
            let known = wanted.iter().any(|(wanted, _)| *wanted == id);
            self.unless(known, format!("the extension {} is not of this role", extension_name(id)));
        }

        let usages = parsed.key_usage().map_or(0, |usage| usage.0.bits());
        self.unless(usages == profile.usages, "keyUsage is not what the role needs (4.2.1.3)");
        let extended = parsed.extended_key_usages().unwrap_or_default();
        let same = extended == profile.extended.as_slice();
        self.unless(same, "extKeyUsage is not the one of the role (4.2.1.12)");
        self.unless(parsed.is_ca() == profile.depth.is_some(), "basicConstraints is not what the role needs (4.2.1.9)");
        self.unless(parsed.path_length() == profile.depth, "pathLenConstraint is not what the role needs (4.2.1.9)");
        self.unless(parsed.policies() == policies, "certificatePolicies is not what was proved (4.2.1.4)");
        let mails = parsed.subject_alt_names();
        let same = match (address, mails) {
            (None, []) => true,
            (Some(address), [GeneralName::Rfc822Name(mail)]) => *mail == address,
            _ => false,
        };
        self.unless(same, "subjectAltName is not the e-mail address (4.2.1.6)");
        self.identifiers(parsed, expected, profile.self_signed);
    }

    fn identifiers(&mut self, parsed: &Certificate<'_>, expected: &Expected<'_>, self_signed: bool) {
        let own = subject_identifier(parsed);
        self.unless(own == key_identifier(parsed.spki()), "subjectKeyIdentifier is not the key's (4.2.1.2)");
        if self_signed {
            return;
        }
        let authority = parsed.extension(pkix::AUTHORITY_KEY_IDENTIFIER);
        let authority = authority.and_then(|extension| AuthorityKeyIdentifier::from_der(extension.value).ok());
        let (named, more) = authority.map_or((None, false), |identifier| {
            let more = identifier.authority_cert_issuer.is_some() || identifier.authority_cert_serial_number.is_some();
            (identifier.key_identifier.map(|octets| octets.as_bytes().to_vec()), more)
        });
        let of_issuer = expected.issuer.and_then(subject_identifier);
        self.unless(named.is_some() && named == of_issuer, "authorityKeyIdentifier is not the issuer's (4.2.1.1)");
        self.unless(!more, "authorityKeyIdentifier says more than the key (4.2.1.1)");
    }
}

/// The extensions that stand there.
fn ids(parsed: &Certificate<'_>) -> Vec<ObjectIdentifier> {
    let read = x509_cert::Certificate::from_der(parsed.der()).ok();
    let all = read.as_ref().and_then(|read| read.tbs_certificate().extensions());
    all.map(|all| all.iter().map(|extension| extension.extn_id).collect()).unwrap_or_default()
}

fn subject_identifier(certificate: &Certificate<'_>) -> Option<Vec<u8>> {
    let extension = certificate.extension(pkix::SUBJECT_KEY_IDENTIFIER)?;
    Some(SubjectKeyIdentifier::from_der(extension.value).ok()?.0.as_bytes().to_vec())
}

/// RFC 7093 2, method 1, of a SubjectPublicKeyInfo.
fn key_identifier(spki: &[u8]) -> Option<Vec<u8>> {
    let read = spki::SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    Sha256::digest(read.subject_public_key.raw_bytes()).get(..20).map(<[u8]>::to_vec)
}

fn extension_name(id: ObjectIdentifier) -> String {
    let name = match id {
        pkix::AUTHORITY_KEY_IDENTIFIER => "authorityKeyIdentifier",
        pkix::BASIC_CONSTRAINTS => "basicConstraints",
        pkix::CERTIFICATE_POLICIES => "certificatePolicies",
        pkix::EXTENDED_KEY_USAGE => "extKeyUsage",
        pkix::KEY_USAGE => "keyUsage",
        pkix::SUBJECT_ALT_NAME => "subjectAltName",
        pkix::SUBJECT_KEY_IDENTIFIER => "subjectKeyIdentifier",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        certs,
        keys::{Signer, SigningKey as _, ThrowawayKey, sign},
    };
    use countersign_common::Time;
    use der::{Tag, asn1::AnyRef};

    const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::EcdsaP256Sha256;

    fn key() -> ThrowawayKey {
        ThrowawayKey::signing_by(ALGORITHM).unwrap()
    }

    fn subject_key() -> ThrowawayKey {
        ThrowawayKey::signing_by(SignatureAlgorithm::EcdsaP384Sha384).unwrap()
    }

    fn lifetime(years: u64) -> Lifetime {
        let not_before: Time = "2026-11-24".parse().unwrap();
        Lifetime { not_before, not_after: not_before.plus(years * 31_557_600) }
    }

    fn name(text: &str) -> Name {
        certs::parse_name(text).unwrap()
    }

    fn root() -> Signer {
        let der = certs::root(Role::TokenRoot, &name("CN=Root,O=Test"), lifetime(40), &key()).unwrap();
        Signer::new(der, Box::new(key())).unwrap()
    }

    fn tlv(tag: Tag, content: &[u8]) -> Vec<u8> {
        AnyRef::new(tag, content).unwrap().to_der().unwrap()
    }

    fn members(der: &[u8]) -> Vec<Vec<u8>> {
        super::members(der).unwrap().into_iter().map(<[u8]>::to_vec).collect()
    }

    /// The members of a TBSCertificate that has all but the unique identifiers.
    const VERSION: usize = 0;
    const SERIAL: usize = 1;
    const SIGNATURE: usize = 2;
    const ISSUER: usize = 3;
    const VALIDITY: usize = 4;
    const SUBJECT: usize = 5;
    const SPKI: usize = 6;
    const EXTENSIONS: usize = 7;

    /// The certificate with another TBSCertificate, signed again.
    fn altered(der: &[u8], alter: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let [signed, outer, _] = parts(der).unwrap();
        let mut all = members(signed);
        alter(&mut all);
        let signed = tlv(Tag::Sequence, &all.concat());
        let signature = der::asn1::BitString::from_bytes(&sign(&key(), &signed).unwrap()).unwrap().to_der().unwrap();
        tlv(Tag::Sequence, &[&signed, outer, &signature].concat())
    }

    /// The same with other extensions.
    fn with_extensions(der: &[u8], alter: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        altered(der, |all| {
            let mut extensions = members(AnyRef::from_der(&all[EXTENSIONS]).unwrap().value());
            alter(&mut extensions);
            let list = tlv(Tag::Sequence, &extensions.concat());
            let tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(3) };
            all[EXTENSIONS] = tlv(tag, &list);
        })
    }

    /// A SEQUENCE of these.
    fn extension(id: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
        let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
        tlv(Tag::Sequence, &[&id.to_der().unwrap(), critical, &tlv(Tag::OctetString, value)].concat())
    }

    #[track_caller]
    fn refused(der: &[u8], expected: &Expected<'_>, words: &str) {
        let error = check(der, expected, key().spki(), ALGORITHM).expect_err(words);
        assert_eq!(error.code(), "CS-7091", "{words}");
        let said: Vec<_> = error.findings().iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|fault| fault.contains(words)), "{words}: {said:?}");
        assert!(error.to_string().starts_with("not signed: ") && !error.advice().is_empty());
    }

    #[test]
    fn every_fault_of_a_signer_is_found() {
        let root = root();
        let issuer = Certificate::from_der(root.certificate()).unwrap();
        let (subject, lifetime, spki) = (name("CN=Signer,O=Test"), lifetime(3), subject_key().spki().to_vec());
        let good = certs::issue(Role::TokenSigner, &subject, lifetime, &spki, &root).unwrap();
        let expected =
            Expected { role: &Role::TokenSigner, subject: &subject, lifetime, spki: &spki, issuer: Some(&issuer) };
        check(&good, &expected, key().spki(), ALGORITHM).unwrap();
        check(&altered(&good, |_| ()), &expected, key().spki(), ALGORITHM).unwrap();

        let set = |member: usize, der: Vec<u8>| altered(&good, |all| all[member] = der);
        for (der, words) in [
            (b"\x30\x00".to_vec(), "cannot be read"),
            ([&good[..], b"\x00"].concat(), "cannot be read"),
            (altered(&good, |all| drop(all.remove(VERSION))), "version 3"),
            (set(SERIAL, tlv(Tag::Integer, &[1; 21])), "cannot be read"),
            (set(SERIAL, tlv(Tag::Integer, &[0x41; 8])), "64 bits"),
            (set(SERIAL, tlv(Tag::Integer, &[0x81; 16])), "cannot be read"),
            (set(SIGNATURE, SignatureAlgorithm::Ed25519.identifier()), "cannot be read"),
            (set(ISSUER, name("CN=Other,O=Test").to_der().unwrap()), "the issuer is not the subject"),
            (set(SUBJECT, name("CN=Other,O=Test").to_der().unwrap()), "not the one that was meant"),
            (set(SUBJECT, tlv(Tag::Sequence, b"")), "the subject is empty"),
            (set(SPKI, key().spki().to_vec()), "the key is its issuer's"),
            (set(VALIDITY, validity(b"261124000000Z", b"261123000000Z")), "ends before it begins"),
            (set(VALIDITY, validity(b"261124000000Z", b"20281124000000Z")), "notAfter is not UTCTime"),
            (set(VALIDITY, validity(b"261124000000Z", b"20671124000000Z")), "outlive its issuer"),
            (set(VALIDITY, validity(b"261124000000Z", b"281124000000Z")), "the time that was meant"),
        ] {
            refused(&der, &expected, words);
        }

        let none = with_extensions(&good, |all| all.truncate(1));
        for words in ["subjectKeyIdentifier is missing", "extKeyUsage is missing", "authorityKeyIdentifier is missing"]
        {
            refused(&none, &expected, words);
        }
        let ca = extension(pkix::BASIC_CONSTRAINTS, true, &[0x30, 0x03, 0x01, 0x01, 0xff]);
        let signs_certificates = extension(pkix::KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06]);
        let usage = |value: &[u8]| extension(pkix::EXTENDED_KEY_USAGE, false, value);
        let other = usage(&tlv(Tag::Sequence, &oid::EKU_LIST_SIGNING.to_der().unwrap()));
        let unknown = extension(ObjectIdentifier::new_unwrap("1.2.3.4"), false, &[0x05, 0x00]);
        let stranger = extension(pkix::SUBJECT_KEY_IDENTIFIER, false, &tlv(Tag::OctetString, &[7; 20]));
        let not_critical = extension(pkix::KEY_USAGE, false, &[0x03, 0x02, 0x07, 0x80]);
        let of_other =
            extension(pkix::AUTHORITY_KEY_IDENTIFIER, false, &[&[0x30, 22, 0x80, 20][..], &[7; 20]].concat());
        for (id, replacement, words) in [
            (None, ca, "basicConstraints"),
            (Some(pkix::KEY_USAGE), signs_certificates, "keyUsage is not what the role needs"),
            (Some(pkix::KEY_USAGE), not_critical, "keyUsage is not critical"),
            (Some(pkix::EXTENDED_KEY_USAGE), other, "extKeyUsage is not the one of the role"),
            (None, unknown, "1.2.3.4 is not of this role"),
            (Some(pkix::SUBJECT_KEY_IDENTIFIER), stranger, "subjectKeyIdentifier is not the key's"),
            (Some(pkix::AUTHORITY_KEY_IDENTIFIER), of_other, "authorityKeyIdentifier is not the issuer's"),
        ] {
            let der = with_extensions(&good, |all| {
                let encoded = id.map(|id| id.to_der().unwrap());
                all.retain(|one| encoded.as_ref().is_none_or(|id| !one.windows(id.len()).any(|part| part == *id)));
                all.push(replacement);
            });
            refused(&der, &expected, words);
        }

        // By another key, and by another algorithm than was meant.
        let error = check(&good, &expected, subject_key().spki(), ALGORITHM).unwrap_err();
        assert!(error.findings().iter().any(|finding| finding.to_string().contains("signature does not verify")));
        let error = check(&good, &expected, key().spki(), SignatureAlgorithm::Ed25519).unwrap_err();
        assert!(error.findings().iter().any(|finding| finding.to_string().contains("another algorithm")));
    }

    fn validity(not_before: &[u8], not_after: &[u8]) -> Vec<u8> {
        let time = |text: &[u8]| tlv(if text.len() == 13 { Tag::UtcTime } else { Tag::GeneralizedTime }, text);
        tlv(Tag::Sequence, &[time(not_before), time(not_after)].concat())
    }

    #[test]
    fn what_cannot_be_right_is_not_signed_by_any_key() {
        let root = root();
        let subject = name("CN=Signer,O=Test");
        // It would outlive its root; its key is the root's; a card has no such key.
        let own = root.key().spki().to_vec();
        let ed25519 = ThrowawayKey::signing_by(SignatureAlgorithm::Ed25519).unwrap();
        for (role, lifetime, spki) in [
            (Role::TokenSigner, lifetime(41), subject_key().spki()),
            (Role::TokenSigner, lifetime(3), &own[..]),
            (Role::Holder { email: None, policies: Vec::new() }, lifetime(3), ed25519.spki()),
        ] {
            let error = certs::issue(role, &subject, lifetime, spki, &root).unwrap_err();
            assert_eq!(error.code(), "CS-7091");
        }
        let backwards = Lifetime { not_before: lifetime(1).not_after, not_after: lifetime(1).not_before };
        let error = certs::root(Role::HolderRoot, &subject, backwards, &key()).unwrap_err();
        assert_eq!(error.code(), "CS-7091");
    }

    #[test]
    fn all_roles_pass_and_a_rehearsal_differs_in_the_signature_alone() {
        let root = root();
        let issuer = Certificate::from_der(root.certificate()).unwrap();
        let (subject, spki) = (name("CN=Somebody,O=Test"), subject_key().spki().to_vec());
        for role in [
            Role::CrossRoot,
            Role::TokenSigner,
            Role::ListSigner,
            Role::AnchorsSigner,
            Role::LedgerSigner,
            Role::Approver,
            Role::Holder { email: None, policies: Vec::new() },
            Role::Holder { email: Some("ada@example.com".to_owned()), policies: Vec::new() },
            Role::Holder { email: None, policies: vec![oid::POLICY_ATTESTED] },
        ] {
            let der = certs::issue(role.clone(), &subject, lifetime(3), &spki, &root).unwrap();
            let tried = certs::rehearse(role, &subject, lifetime(3), &spki, &issuer).unwrap();
            as_rehearsed(&tried, &der).unwrap();
        }
    }

    #[test]
    fn a_certificate_that_was_not_rehearsed_so_is_noticed() {
        let root = root();
        let (subject, spki) = (name("CN=Signer,O=Test"), subject_key().spki().to_vec());
        let role = || Role::TokenSigner;
        let good = certs::issue(role(), &subject, lifetime(3), &spki, &root).unwrap();
        // Another key of the same kind is what a rehearsal is about.
        let other = ThrowawayKey::another(crate::args::KeyAlgorithm::P384, crate::args::RsaPadding::Pkcs1).unwrap();
        let real = certs::issue(role(), &subject, lifetime(3), other.spki(), &root).unwrap();
        as_rehearsed(&good, &real).unwrap();

        let p256 = ThrowawayKey::another(crate::args::KeyAlgorithm::P256, crate::args::RsaPadding::Pkcs1).unwrap();
        let issue =
            |role, subject, years, spki: &[u8]| certs::issue(role, subject, lifetime(years), spki, &root).unwrap();
        let critical = with_extensions(&good, |all| {
            let id = pkix::SUBJECT_KEY_IDENTIFIER.to_der().unwrap();
            for one in all.iter_mut().filter(|one| one.windows(id.len()).any(|part| part == id)) {
                *one = extension(pkix::SUBJECT_KEY_IDENTIFIER, true, &tlv(Tag::OctetString, &[7; 20]));
            }
        });
        for (real, member) in [
            (issue(role(), &name("CN=Other,O=Test"), 3, &spki), "subject"),
            (issue(role(), &subject, 2, &spki), "validity"),
            (issue(role(), &subject, 3, p256.spki()), "key"),
            (issue(Role::ListSigner, &subject, 3, &spki), "extensions"),
            (issue(Role::Holder { email: None, policies: Vec::new() }, &subject, 3, &spki), "extensions"),
            (critical, "extensions"),
            (altered(&good, |all| all[ISSUER] = name("CN=Other,O=Test").to_der().unwrap()), "issuer"),
            (altered(&good, |all| drop(all.remove(VERSION))), "number of members"),
            (b"\x30\x00".to_vec(), "form"),
        ] {
            let error = as_rehearsed(&good, &real).unwrap_err();
            assert_eq!(error.code(), "CS-7094", "{member}");
            assert!(error.to_string().contains(member) && !error.advice().is_empty(), "{member}: {error}");
        }
    }

    #[test]
    fn what_lives_long_is_told() {
        for (role, years, told) in [
            (Role::TokenSigner, 3, false),
            (Role::TokenSigner, 4, true),
            (Role::AnchorsSigner, 15, false),
            (Role::TokenRoot, 20, false),
            (Role::TokenRoot, 26, true),
            (Role::Approver, 4, true),
        ] {
            let finding = longevity(&role, lifetime(years));
            assert_eq!(finding.as_ref().map(|finding| finding.code), told.then_some("CS-7092"), "{role:?} {years}");
            assert!(finding.is_none_or(|finding| !finding.is_error()));
        }
    }
}
