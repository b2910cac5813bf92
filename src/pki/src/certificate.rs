//! A certificate, parsed once and borrowed.

use crate::{
    algorithm::SignatureAlgorithm,
    allowed::{AlgorithmError, allowed_at},
    error::{PathError, PathErrorKind},
    extensions::{Extension, Extensions, KeyUsage},
    general_name::GeneralName,
    name::{attributes, display_name},
    oid, revocation,
    time::Time,
    verify::{PublicKey, SignatureError},
};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, asn1::AnyRef, asn1::BitStringRef, asn1::ObjectIdentifier};
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;

/// The largest certificate that is read, in octets.
pub const MAX_CERTIFICATE_SIZE: usize = 16 * 1024;
/// RFC 5280 4.1.2.2: at most 20 octets.
const MAX_SERIAL_SIZE: usize = 20;

/// An X.509 version 3 certificate (RFC 5280 4.1), parsed once from DER that it borrows.
///
/// Signatures are verified over the octets received; nothing is encoded again.
#[derive(Clone, Debug)]
pub struct Certificate<'a> {
    der: &'a [u8],
    tbs: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    not_before: Time,
    not_after: Time,
    signature_algorithm: Option<SignatureAlgorithm>,
    signature: &'a [u8],
    extensions: Extensions<'a>,
    digest: OnceLock<[u8; 32]>,
    public_key: OnceLock<Result<PublicKey, SignatureError>>,
}

impl<'a> Certificate<'a> {
    /// Parses a certificate. Version 3 only; extensions at most once each; a serial number that is positive and
    /// at most 20 octets; the inner and the outer signature algorithm alike (RFC 5280 4.1.1.2).
    ///
    /// An algorithm that is not allowed is no error yet: it becomes one when a signature is to be verified.
    pub fn from_der(der: &'a [u8]) -> Result<Self, PathError> {
        Self::parse(der).map_err(|part| PathErrorKind::Malformed(part).about(String::new()))
    }

    fn parse(der: &'a [u8]) -> Result<Self, &'static str> {
        if der.len() > MAX_CERTIFICATE_SIZE {
            return Err("larger than 16 KiB");
        }
        const OUTER: &str = "not a DER Certificate";
        let outer = AnyRef::from_der(der).map_err(|_| OUTER)?;
        if der::Tagged::tag(&outer) != Tag::Sequence {
            return Err(OUTER);
        }
        let mut parts = SliceReader::new(outer.value()).map_err(|_| OUTER)?;
        let tbs = parts.tlv_bytes().map_err(|_| OUTER)?;
        let outer_algorithm = parts.tlv_bytes().map_err(|_| OUTER)?;
        let signature = BitStringRef::decode(&mut parts).map_err(|_| "signatureValue")?;
        parts.finish().map_err(|_| "octets after the signature")?;

        let body = AnyRef::from_der(tbs).map_err(|_| "tbsCertificate")?;
        if der::Tagged::tag(&body) != Tag::Sequence {
            return Err("tbsCertificate");
        }
        let mut tbs_parts = SliceReader::new(body.value()).map_err(|_| "tbsCertificate")?;
        // version [0] EXPLICIT, v3(2)
        if tbs_parts.tlv_bytes().map_err(|_| "version")? != [0xa0, 0x03, 0x02, 0x01, 0x02] {
            return Err("version is not 3");
        }
        let serial = AnyRef::decode(&mut tbs_parts).map_err(|_| "serialNumber")?;
        let serial = positive_integer(serial).ok_or("serialNumber")?;
        let algorithm = tbs_parts.tlv_bytes().map_err(|_| "signature")?;
        if algorithm != outer_algorithm {
            return Err("signature algorithms differ");
        }
        let issuer = tbs_parts.tlv_bytes().map_err(|_| "issuer")?;
        let validity = AnyRef::decode(&mut tbs_parts).map_err(|_| "validity")?;
        let (not_before, not_after) = read_validity(validity).ok_or("validity")?;
        let subject = tbs_parts.tlv_bytes().map_err(|_| "subject")?;
        if attributes(issuer).is_none() || attributes(subject).is_none() {
            return Err("name");
        }
        let spki = tbs_parts.tlv_bytes().map_err(|_| "subjectPublicKeyInfo")?;
        let mut extensions = Extensions::default();
        while !tbs_parts.is_finished() {
            let field = AnyRef::decode(&mut tbs_parts).map_err(|_| "tbsCertificate")?;
            match der::Tagged::tag(&field) {
                // issuerUniqueID [1] and subjectUniqueID [2] say nothing that a path needs.
                Tag::ContextSpecific { number: TagNumber(1 | 2), .. } if extensions.all.is_empty() => {}
                Tag::ContextSpecific { number: TagNumber(3), constructed: true } if tbs_parts.is_finished() => {
                    extensions = Extensions::read(field.value())?;
                }
                _ => return Err("tbsCertificate"),
            }
        }
        Ok(Self {
            der,
            tbs,
            serial,
            issuer,
            subject,
            spki,
            not_before,
            not_after,
            signature_algorithm: SignatureAlgorithm::from_identifier(algorithm),
            // What is not whole octets is nobody's signature: no algorithm here makes it.
            signature: signature.as_bytes().unwrap_or_default(),
            extensions,
            digest: OnceLock::new(),
            public_key: OnceLock::new(),
        })
    }

    /// The octets received.
    pub fn der(&self) -> &'a [u8] {
        self.der
    }

    /// SHA-256 of the octets received, computed at the first call.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.der).into())
    }

    /// The serial number's content octets, big-endian, positive.
    pub fn serial(&self) -> &'a [u8] {
        self.serial
    }

    /// DER of the issuer's name.
    pub fn issuer(&self) -> &'a [u8] {
        self.issuer
    }

    /// DER of the subject's name.
    pub fn subject(&self) -> &'a [u8] {
        self.subject
    }

    /// The subject's name for a person to read, free of control characters.
    pub fn subject_text(&self) -> String {
        display_name(self.subject)
    }

    /// DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> &'a [u8] {
        self.spki
    }

    /// First second of the validity.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// Last second of the validity.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// The subject's public key, prepared at the first call.
    pub fn public_key(&self) -> Result<&PublicKey, PathError> {
        let key = self.public_key.get_or_init(|| PublicKey::from_spki(self.spki));
        key.as_ref().map_err(|_| self.error(PathErrorKind::KeyNotAllowed))
    }

    /// The key usage extension (RFC 5280 4.2.1.3), where there is one.
    pub fn key_usage(&self) -> Option<&KeyUsage> {
        self.extensions.key_usage.as_ref()
    }

    /// The extended key usages (RFC 5280 4.2.1.12), where the extension is there.
    pub fn extended_key_usages(&self) -> Option<&[ObjectIdentifier]> {
        self.extensions.extended_key_usages.as_deref()
    }

    /// The policies that the certificate asserts (RFC 5280 4.2.1.4). Which of them a path makes valid only
    /// [`ValidatedPath::policies`](crate::ValidatedPath::policies) tells.
    pub fn policies(&self) -> &[ObjectIdentifier] {
        self.extensions.policies.as_deref().unwrap_or_default()
    }

    /// The subject alternative names (RFC 5280 4.2.1.6), none where the extension is absent.
    pub fn subject_alt_names(&self) -> &[GeneralName<'a>] {
        self.extensions.subject_alt_names.as_deref().unwrap_or_default()
    }

    /// An extension as received, where the certificate has it.
    pub fn extension(&self, id: ObjectIdentifier) -> Option<Extension<'a>> {
        self.extensions.all.iter().find(|extension| extension.id == id).copied()
    }

    pub(crate) fn extensions(&self) -> &Extensions<'a> {
        &self.extensions
    }

    /// Whether basic constraints say that this is a CA.
    pub fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// pathLenConstraint, how many CA certificates may follow (RFC 5280 4.2.1.9).
    pub fn path_length(&self) -> Option<u32> {
        self.extensions.basic_constraints.and_then(|constraints| constraints.path_length)
    }

    /// Whether issuer and subject are the same name (RFC 5280 3.2).
    pub fn is_self_issued(&self) -> bool {
        crate::name::names_match(self.issuer, self.subject)
    }

    /// The subject key identifier (RFC 5280 4.2.1.2), where there is one.
    pub(crate) fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.extensions.subject_key_identifier
    }

    /// The value of an extension, where there is one.
    pub(crate) fn extension_value(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        self.extension(id).map(|extension| extension.value)
    }

    /// Whether the certificate is signed by an algorithm that is allowed at all.
    pub(crate) fn has_allowed_algorithm(&self) -> bool {
        self.signature_algorithm.is_some()
    }

    /// The first critical extension that is not processed, or holds what cannot be (RFC 5280 4.2). Those for information
    /// only count as processed where they can be read, the distribution points are left to the check of revocation.
    pub(crate) fn unknown_critical_extension(&self) -> Option<ObjectIdentifier> {
        const PROCESSED: [ObjectIdentifier; 11] = [
            oid::AUTHORITY_KEY_IDENTIFIER,
            oid::BASIC_CONSTRAINTS,
            oid::CERTIFICATE_POLICIES,
            oid::EXTENDED_KEY_USAGE,
            oid::INHIBIT_ANY_POLICY,
            oid::KEY_USAGE,
            oid::NAME_CONSTRAINTS,
            oid::POLICY_CONSTRAINTS,
            oid::POLICY_MAPPINGS,
            oid::SUBJECT_ALT_NAME,
            oid::SUBJECT_KEY_IDENTIFIER,
        ];
        let is_processed = |extension: &Extension<'_>| match extension.id {
            oid::CRL_DISTRIBUTION_POINTS => revocation::are_distribution_points(extension.value, self.issuer),
            oid::ISSUER_ALT_NAME => GeneralName::read_all(extension.value).is_some_and(|names| !names.is_empty()),
            id => PROCESSED.contains(&id),
        };
        let unknown = |extension: &&Extension<'_>| extension.critical && !is_processed(extension);
        self.extensions.all.iter().find(unknown).map(|extension| extension.id)
    }

    /// Verifies that this certificate is issued and signed by itself: whoever made it has the key that it names.
    pub fn verify_self_signed(&self) -> Result<(), PathError> {
        if !self.is_self_issued() {
            return Err(self.error(PathErrorKind::BadSignature));
        }
        self.verify_signature(self.public_key()?).map_err(|kind| self.error(kind))
    }

    /// Verifies one step of a path, from this certificate to the one above it: names, the issuer's key and its right to
    /// certify, this one's dates and critical extensions. The rest of RFC 5280's profile is not asked for, neither are length
    /// constraints: this is for the attestations of devices, many of which have no key identifiers. Everything else
    /// goes by [`validate_path`](crate::validate_path).
    pub fn verify_step(&self, issuer: &Certificate<'_>, at: Time) -> Result<(), PathError> {
        let certifies = issuer.is_ca() && issuer.key_usage().is_none_or(KeyUsage::key_cert_sign);
        let unknown = self.unknown_critical_extension().map(PathErrorKind::UnknownCriticalExtension);
        let refusal = match unknown {
            Some(refusal) => Some(refusal),
            None if !crate::name::names_match(self.issuer, issuer.subject) || !certifies => {
                Some(PathErrorKind::IssuerNotCa)
            }
            None if at < self.not_before => Some(PathErrorKind::NotYetValid { not_before: self.not_before, at }),
            None if at > self.not_after => Some(PathErrorKind::Expired { not_after: self.not_after, at }),
            None => None,
        };
        let key = issuer.public_key()?;
        let verified = || self.check_algorithm_at(key, at).and_then(|()| self.verify_signature(key));
        refusal.map_or_else(verified, Err).map_err(|kind| self.error(kind))
    }

    /// Verifies this certificate's signature with an issuer's key.
    pub(crate) fn verify_signature(&self, issuer: &PublicKey) -> Result<(), PathErrorKind> {
        let algorithm = self.signature_algorithm.ok_or(PathErrorKind::AlgorithmNotAllowed)?;
        issuer.verify(algorithm, self.tbs, self.signature).map_err(|error| match error {
            SignatureError::Invalid => PathErrorKind::BadSignature,
            SignatureError::KeyNotAllowed => PathErrorKind::KeyNotAllowed,
            SignatureError::NeedsMessage | SignatureError::WrongKind => PathErrorKind::AlgorithmNotAllowed,
        })
    }

    /// Whether the algorithm that an issuer's key signed this certificate with may be used at a time.
    pub(crate) fn check_algorithm_at(&self, issuer: &PublicKey, at: Time) -> Result<(), PathErrorKind> {
        let algorithm = self.signature_algorithm.ok_or(PathErrorKind::AlgorithmNotAllowed)?;
        allowed_at(issuer.kind(), algorithm, at).map_err(|error| match error {
            AlgorithmError::NotAllowed => PathErrorKind::AlgorithmNotAllowed,
            AlgorithmError::RefusedFrom(since) => PathErrorKind::AlgorithmRefused { since, at },
        })
    }

    pub(crate) fn error(&self, kind: PathErrorKind) -> PathError {
        kind.about(self.subject_text())
    }
}

/// The content octets of a DER INTEGER that is positive and no longer than a serial number may be.
fn positive_integer(value: AnyRef<'_>) -> Option<&[u8]> {
    let octets = value.value();
    let minimal = match octets {
        [0] | [] => false,
        [0, second, ..] => *second >= 0x80,
        [first, ..] => *first < 0x80,
    };
    (der::Tagged::tag(&value) == Tag::Integer && minimal && octets.len() <= MAX_SERIAL_SIZE).then_some(octets)
}

fn read_validity(validity: AnyRef<'_>) -> Option<(Time, Time)> {
    if der::Tagged::tag(&validity) != Tag::Sequence {
        return None;
    }
    let mut parts = SliceReader::new(validity.value()).ok()?;
    let mut next = || AnyRef::decode(&mut parts).ok().and_then(Time::from_asn1);
    let dates = (next()?, next()?);
    parts.finish().ok()?;
    Some(dates)
}
