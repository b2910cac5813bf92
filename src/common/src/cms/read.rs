//! Reading a signed object.

use super::{MAX_CERTIFICATES, unsigned};
use crate::{asn1::sha256, oid, reason::Reason};
use countersign_pki::{
    AlgorithmError, Certificate, HashAlgorithm, PathError, SignatureAlgorithm, SignatureError, Time, allowed_at,
};
use der::{
    Decode, Reader, SliceReader, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};
use sha2::{Digest as _, Sha256};
use std::sync::OnceLock;

/// A signed object whose parts agree with each other: the digest is that of the content and the signing-certificate
/// attribute names the signer's certificate. Whether the signature verifies, and whether the signer may sign, is
/// for the rules to find out.
#[derive(Clone, Debug)]
pub struct SignedObject<'a> {
    der: &'a [u8],
    content_type: ObjectIdentifier,
    content: &'a [u8],
    signer: Certificate<'a>,
    others: Vec<Certificate<'a>>,
    signed_attributes: &'a [u8],
    signing_time: Time,
    algorithm: SignatureAlgorithm,
    signature: &'a [u8],
    /// The value of the one unsigned attribute.
    unsigned: Option<&'a [u8]>,
    approvals: Option<&'a [u8]>,
    digest: OnceLock<[u8; 32]>,
}

/// What the format has signed objects for.
const CONTENT_TYPES: [ObjectIdentifier; 7] = [
    oid::CONTENT_ANCHORS,
    oid::CONTENT_APPROVAL,
    oid::CONTENT_CHALLENGE,
    oid::CONTENT_MANIFEST,
    oid::CONTENT_TOKEN,
    oid::CONTENT_TOKEN_LIST,
    oid::CONTENT_TREE_HEAD,
];

pub(super) const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
pub(super) const CONTEXT_1: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };

impl<'a> SignedObject<'a> {
    /// Reads the DER of a ContentInfo with SignedData (RFC 5652 3 and 5) and holds it to the profile.
    pub fn from_der(der: &'a [u8]) -> Result<Self, Reason> {
        let mut outer = members(der, Tag::Sequence, "ContentInfo")?;
        if outer.take::<ObjectIdentifier>("contentType")? != oid::SIGNED_DATA {
            return Err(Reason::Cms("contentType"));
        }
        let explicit = outer.value(CONTEXT_0, "content")?;
        outer.finish("ContentInfo")?;
        let mut data = members(explicit, Tag::Sequence, "SignedData")?;
        data.version(3, "SignedData.version")?;
        let digest_algorithms = data.value(Tag::Set, "digestAlgorithms")?;
        let mut content_info = data.members(Tag::Sequence, "encapContentInfo")?;
        let content_type = content_info.take("eContentType")?;
        let mut explicit = content_info.members(CONTEXT_0, "eContent")?;
        let content = explicit.value(Tag::OctetString, "eContent")?;
        explicit.finish("eContent")?;
        content_info.finish("encapContentInfo")?;
        if !CONTENT_TYPES.contains(&content_type) {
            return Err(Reason::UnknownObject(content_type));
        }
        let certificates = data.value(CONTEXT_0, "certificates")?;
        let signer_infos = data.value(Tag::Set, "signerInfos")?;
        data.finish("SignedData")?;

        let (first, more) = split(signer_infos, "signerInfos")?;
        if !more.is_empty() {
            return Err(Reason::NeedsNewerVerifier("several signatures: of several holders, or by several algorithms"));
        }
        let mut info = members(first, Tag::Sequence, "SignerInfo")?;
        info.version(1, "SignerInfo.version")?;
        let identifier = info.tlv("sid")?;
        let digest_algorithm = info.tlv("digestAlgorithm")?;
        let hash = HashAlgorithm::from_identifier(digest_algorithm).ok_or(Reason::AlgorithmNotAllowed)?;
        if digest_algorithms != digest_algorithm {
            return Err(Reason::Cms("digestAlgorithms"));
        }
        let signed_attributes = info.tlv("signedAttrs")?;
        let attributes = SignedAttributes::read(signed_attributes, content_type == oid::CONTENT_TOKEN)?;
        let algorithm = SignatureAlgorithm::from_signer_info(info.tlv("signatureAlgorithm")?, hash)
            .filter(|algorithm| algorithm.hash() == hash)
            // A record names the PIV slot that signed it, and SP 800-78 has no Ed25519 in any slot.
            .filter(|algorithm| content_type != oid::CONTENT_CHALLENGE || *algorithm != SignatureAlgorithm::Ed25519)
            .ok_or(Reason::AlgorithmNotAllowed)?;
        let signature = info.value(Tag::OctetString, "signature")?;
        let unsigned = match content_type {
            oid::CONTENT_CHALLENGE => {
                Some(unsigned::value(info.value(CONTEXT_1, "unsignedAttrs")?, oid::ATTRIBUTE_TOKEN)?)
            }
            oid::CONTENT_TOKEN if !info.is_finished() => {
                Some(unsigned::value(info.value(CONTEXT_1, "unsignedAttrs")?, oid::ATTRIBUTE_INCLUSION_PROOF)?)
            }
            _ => None,
        };
        info.finish("SignerInfo")?;

        if attributes.content_type != content_type {
            return Err(Reason::Cms("content-type attribute"));
        }
        if attributes.message_digest != hash.digest(content).as_ref() {
            return Err(Reason::DigestMismatch);
        }
        let role = if content_type == oid::CONTENT_CHALLENGE { Reason::Holder } else { Reason::Signer };
        let mut others = read_certificates(certificates, role)?;
        let place = others
            .iter()
            .position(|certificate| certificate.digest() == attributes.signing_certificate)
            .ok_or(Reason::Cms("signing-certificate-v2 names a certificate that is not there"))?;
        let signer = others.remove(place);
        check_identifier(identifier, &signer)?;
        // A proof comes and goes, the token stays the same.
        let digest = match unsigned {
            Some(_) if content_type == oid::CONTENT_TOKEN => OnceLock::from(sha256(&unsigned::replaced(der, &[])?)),
            _ => OnceLock::new(),
        };
        Ok(Self {
            der,
            content_type,
            content,
            signer,
            others,
            signed_attributes,
            signing_time: attributes.signing_time,
            algorithm,
            signature,
            unsigned,
            approvals: attributes.approvals,
            digest,
        })
    }

    /// The octets of the whole object.
    pub fn der(&self) -> &'a [u8] {
        self.der
    }

    /// SHA-256 of the whole object, of a token without its proof; else computed at the first call.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.der).into())
    }

    /// One of the content types of [`oid`].
    pub fn content_type(&self) -> ObjectIdentifier {
        self.content_type
    }

    /// DER of the body.
    pub fn content(&self) -> &'a [u8] {
        self.content
    }

    /// The signer's certificate.
    pub fn signer(&self) -> &Certificate<'a> {
        &self.signer
    }

    /// The other certificates, in the order of their DER.
    pub fn other_certificates(&self) -> &[Certificate<'a>] {
        &self.others
    }

    /// The signing-time attribute: the signer's word.
    pub fn signing_time(&self) -> Time {
        self.signing_time
    }

    /// How it is signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// DER of the token inside a record; no other object has one.
    pub fn unsigned_token(&self) -> Option<&'a [u8]> {
        self.unsigned.filter(|_| self.content_type == oid::CONTENT_CHALLENGE)
    }

    /// DER of the [`InclusionProof`](crate::InclusionProof) that a token carries.
    pub fn inclusion_proof(&self) -> Option<&'a [u8]> {
        self.unsigned.filter(|_| self.content_type == oid::CONTENT_TOKEN)
    }

    /// DER of the approvals that a token carries, a SEQUENCE of signed objects.
    pub(crate) fn approvals(&self) -> Option<&'a [u8]> {
        self.approvals
    }

    /// DER of this token with an inclusion proof, in place of the one that it has.
    ///
    /// # Errors
    ///
    /// [`Reason::WrongObject`] where this is no token.
    pub fn with_inclusion_proof(&self, proof: &[u8]) -> Result<Vec<u8>, Reason> {
        if self.content_type != oid::CONTENT_TOKEN {
            return Err(Reason::WrongObject { expected: "an activation token" });
        }
        unsigned::replaced(self.der, &unsigned::attributes(oid::ATTRIBUTE_INCLUSION_PROOF, proof)?)
    }

    /// Verifies the signature with the signer's key, over the octets received (RFC 5652 5.4), by an algorithm that may
    /// be used at a time: the one that the object is judged at.
    pub fn verify_signature(&self, at: Time) -> Result<(), Reason> {
        verify_attributes(&self.signer, self.algorithm, self.signed_attributes, self.signature, at)
    }
}

/// Verifies a signature over signed attributes, given as they stand in an object.
pub(crate) fn verify_attributes(
    signer: &Certificate<'_>,
    algorithm: SignatureAlgorithm,
    attributes: &[u8],
    signature: &[u8],
    at: Time,
) -> Result<(), Reason> {
    let key = signer.public_key().map_err(|_| Reason::AlgorithmNotAllowed)?;
    // What is signed is the SET OF, whose tag differs from the one in the object.
    let mut signed = attributes.to_vec();
    if let Some(tag) = signed.first_mut() {
        *tag = 0x31;
    }
    key.verify(algorithm, &signed, signature).map_err(|error| match error {
        SignatureError::Invalid => Reason::BadSignature,
        _ => Reason::AlgorithmNotAllowed,
    })?;
    allowed_at(key.kind(), algorithm, at).map_err(|error| match error {
        AlgorithmError::NotAllowed => Reason::AlgorithmNotAllowed,
        AlgorithmError::RefusedFrom(since) => Reason::AlgorithmRefused { since, at },
    })
}

struct SignedAttributes<'a> {
    content_type: ObjectIdentifier,
    message_digest: &'a [u8],
    signing_time: Time,
    signing_certificate: [u8; 32],
    /// DER of the value.
    approvals: Option<&'a [u8]>,
}

impl<'a> SignedAttributes<'a> {
    /// Exactly four attributes with one value each, in the order of their DER (X.690 11.6); where `approvable`, perhaps
    /// the approvals as well.
    fn read(tlv: &'a [u8], approvable: bool) -> Result<Self, Reason> {
        let value = AnyRef::from_der(tlv).map_err(|_| Reason::Cms("signedAttrs"))?;
        if value.tag() != CONTEXT_0 {
            return Err(Reason::Cms("signedAttrs"));
        }
        check_set_order(value.value(), "signedAttrs")?;
        let mut attributes = Members::new(value.value(), "signedAttrs")?;
        let (mut content_type, mut message_digest, mut signing_time, mut signing_certificate) =
            (None, None, None, None);
        let mut approvals = None;
        while !attributes.is_finished() {
            let mut attribute = attributes.members(Tag::Sequence, "signedAttrs")?;
            let id: ObjectIdentifier = attribute.take("signedAttrs")?;
            let mut values = attribute.members(Tag::Set, "signedAttrs")?;
            attribute.finish("signedAttrs")?;
            let repeated = match id {
                oid::CONTENT_TYPE => content_type.replace(values.take("content-type attribute")?).is_some(),
                oid::MESSAGE_DIGEST => {
                    message_digest.replace(values.value(Tag::OctetString, "message-digest attribute")?).is_some()
                }
                oid::SIGNING_TIME => {
                    signing_time.replace(read_signing_time(values.tlv("signing-time attribute")?)?).is_some()
                }
                oid::SIGNING_CERTIFICATE_V2 => {
                    signing_certificate.replace(read_signing_certificate(values.tlv(SIGNING_CERTIFICATE)?)?).is_some()
                }
                oid::ATTRIBUTE_APPROVALS if approvable => {
                    approvals.replace(values.tlv("approvals attribute")?).is_some()
                }
                _ => return Err(Reason::Cms("a signed attribute that the profile does not have")),
            };
            values.finish("signedAttrs")?;
            if repeated {
                return Err(Reason::Cms("signed attribute twice"));
            }
        }
        match (content_type, message_digest, signing_time, signing_certificate) {
            (Some(content_type), Some(message_digest), Some(signing_time), Some(signing_certificate)) => {
                Ok(Self { content_type, message_digest, signing_time, signing_certificate, approvals })
            }
            _ => Err(Reason::Cms("signed attribute missing")),
        }
    }
}

const SIGNING_CERTIFICATE: &str = "signing-certificate-v2 attribute";

/// UTCTime through 2049 and GeneralizedTime from 2050 on (RFC 5652 11.3).
fn read_signing_time(tlv: &[u8]) -> Result<Time, Reason> {
    let wrong = Reason::Cms("signing-time attribute");
    let value = AnyRef::from_der(tlv).map_err(|_| wrong.clone())?;
    let time = Time::from_asn1(value).ok_or(wrong.clone())?;
    let utc = (1950..2050).contains(&time.civil()[0]);
    if utc == (value.tag() == Tag::UtcTime) { Ok(time) } else { Err(wrong) }
}

/// SigningCertificateV2 (RFC 5035 3) with one ESSCertIDv2 by SHA-256, its default, and neither issuerSerial nor
/// policies.
fn read_signing_certificate(tlv: &[u8]) -> Result<[u8; 32], Reason> {
    let mut attribute = members(tlv, Tag::Sequence, SIGNING_CERTIFICATE)?;
    let mut certificates = attribute.members(Tag::Sequence, SIGNING_CERTIFICATE)?;
    let mut certificate = certificates.members(Tag::Sequence, SIGNING_CERTIFICATE)?;
    let digest = certificate.value(Tag::OctetString, SIGNING_CERTIFICATE)?;
    certificate.finish(SIGNING_CERTIFICATE)?;
    certificates.finish(SIGNING_CERTIFICATE)?;
    attribute.finish(SIGNING_CERTIFICATE)?;
    digest.try_into().map_err(|_| Reason::Cms(SIGNING_CERTIFICATE))
}

fn read_certificates(set: &[u8], role: fn(PathError) -> Reason) -> Result<Vec<Certificate<'_>>, Reason> {
    check_set_order(set, "certificates")?;
    let mut certificates = Vec::new();
    let mut rest = Members::new(set, "certificates")?;
    while !rest.is_finished() {
        if certificates.len() == MAX_CERTIFICATES {
            return Err(Reason::Cms("more than 8 certificates"));
        }
        certificates.push(Certificate::from_der(rest.tlv("certificates")?).map_err(role)?);
    }
    Ok(certificates)
}

/// IssuerAndSerialNumber (RFC 5652 10.2.4) of exactly the signer's certificate.
fn check_identifier(identifier: &[u8], signer: &Certificate<'_>) -> Result<(), Reason> {
    let mut parts = members(identifier, Tag::Sequence, "sid")?;
    let issuer = parts.tlv("sid")?;
    let serial = parts.value(Tag::Integer, "sid")?;
    parts.finish("sid")?;
    if issuer == signer.issuer() && serial == signer.serial() { Ok(()) } else { Err(Reason::Cms("sid")) }
}

/// DER orders the members of a SET OF by their octets (X.690 11.6), and twice the same has no meaning here.
pub(crate) fn check_set_order(set: &[u8], part: &'static str) -> Result<(), Reason> {
    let mut last: Option<&[u8]> = None;
    let mut rest = Members::new(set, part)?;
    while !rest.is_finished() {
        let next = rest.tlv(part)?;
        if last.is_some_and(|last| last >= next) {
            return Err(Reason::Cms(part));
        }
        last = Some(next);
    }
    Ok(())
}

fn split<'a>(set: &'a [u8], part: &'static str) -> Result<(&'a [u8], &'a [u8]), Reason> {
    let first = Members::new(set, part)?.tlv(part)?;
    Ok((first, set.get(first.len()..).unwrap_or_default()))
}

/// The members of one TLV that must have a given tag and nothing after it.
pub(crate) fn members<'a>(tlv: &'a [u8], tag: Tag, part: &'static str) -> Result<Members<'a>, Reason> {
    let value = AnyRef::from_der(tlv).map_err(|error| not_der(part, &error))?;
    if value.tag() == tag { Members::new(value.value(), part) } else { Err(Reason::Cms(part)) }
}

fn not_der(what: &'static str, error: &der::Error) -> Reason {
    let at = error.position().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    Reason::NotDer { what, at }
}

/// A reader that names the part in its errors.
pub(crate) struct Members<'a>(SliceReader<'a>);

impl<'a> Members<'a> {
    pub(crate) fn new(octets: &'a [u8], part: &'static str) -> Result<Self, Reason> {
        SliceReader::new(octets).map(Self).map_err(|error| not_der(part, &error))
    }

    pub(crate) fn take<T: Decode<'a, Error = der::Error>>(&mut self, part: &'static str) -> Result<T, Reason> {
        T::decode(&mut self.0).map_err(|_| Reason::Cms(part))
    }

    pub(crate) fn tlv(&mut self, part: &'static str) -> Result<&'a [u8], Reason> {
        self.0.tlv_bytes().map_err(|_| Reason::Cms(part))
    }

    pub(crate) fn value(&mut self, tag: Tag, part: &'static str) -> Result<&'a [u8], Reason> {
        let value: AnyRef<'a> = self.take(part)?;
        if value.tag() == tag { Ok(value.value()) } else { Err(Reason::Cms(part)) }
    }

    pub(crate) fn members(&mut self, tag: Tag, part: &'static str) -> Result<Self, Reason> {
        Self::new(self.value(tag, part)?, part)
    }

    pub(crate) fn version(&mut self, expected: u8, part: &'static str) -> Result<(), Reason> {
        if self.value(Tag::Integer, part)? == [expected] { Ok(()) } else { Err(Reason::Cms(part)) }
    }

    /// Whether a member with a given tag comes next.
    pub(crate) fn next_is(&self, tag: Tag) -> bool {
        Tag::decode(&mut self.0.clone()).is_ok_and(|next| next == tag)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    pub(crate) fn finish(self, part: &'static str) -> Result<(), Reason> {
        if self.0.is_finished() { Ok(()) } else { Err(Reason::Cms(part)) }
    }
}
