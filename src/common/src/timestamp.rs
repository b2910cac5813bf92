//! Time-stamp tokens of others (RFC 3161), read as far as mending a clock needs.
//!
//! Stricter than RFC 3161 where leniency buys nothing: DER only, the algorithms of docs/token-format.md, no
//! certificate named by SHA-1. As lenient as it in what authorities do differently: certificates in any order and more
//! than needed, further attributes, parameters of a hash absent or NULL.

use crate::{
    clock_repair::ClockRequest,
    cms::{Members, check_set_order, members, verify_attributes},
    lists::Lists,
    oid,
    reason::Reason,
};
use countersign_pki::{
    Budget, Certificate, HashAlgorithm, PathError, PathRules, SignatureAlgorithm, Time, names_match, validate_path,
};
use der::{
    Decode, Encode, Tag, TagNumber,
    asn1::{AnyRef, ObjectIdentifier},
};

/// The largest answer of a time-stamping authority that is read, in octets. Most have less than 10,000.
pub const MAX_TIMESTAMP_SIZE: usize = 128 * 1024;
/// The most certificates in an answer.
const MAX_CERTIFICATES: usize = 16;

const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
const CONTEXT_1: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
/// directoryName, a CHOICE and therefore explicit (RFC 5280 4.2.1.6).
const DIRECTORY_NAME: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(4) };

/// A time stamp over a request of this machine, by an authority that the token trusts. Nothing but the rules makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedTimestamp {
    /// The stamped time (genTime), a fraction of a second cut off.
    pub time: Time,
    /// By how much the authority's clock may be wrong, in microseconds, where it says so.
    pub accuracy: Option<u64>,
    /// Subject of the authority's certificate, for a person to read.
    pub authority: String,
    /// Subject of the anchor above it.
    pub anchor: String,
}

/// Verifies an answer, a TimeStampResp or the TimeStampToken alone, to a request, under the anchors given in DER.
pub(crate) fn verify_timestamp(
    response: &[u8],
    request: &ClockRequest,
    anchors: &[Vec<u8>],
    lists: &Lists<'_>,
) -> Result<VerifiedTimestamp, Reason> {
    if response.len() > MAX_TIMESTAMP_SIZE {
        return Err(Reason::TooLarge { limit: MAX_TIMESTAMP_SIZE });
    }
    let token = Token::read(token_in(response).map_err(in_timestamp)?).map_err(in_timestamp)?;
    let info = StampInfo::read(token.content).map_err(in_timestamp)?;
    let imprint = request.imprint().map_err(|_| Reason::ClockRequestVoid("it cannot be encoded"))?;
    if info.hash != HashAlgorithm::Sha256 || info.imprint != imprint {
        return Err(Reason::StampOfAnother("imprint"));
    }
    if info.nonce != Some(&request.query_nonce()) {
        return Err(Reason::StampOfAnother("nonce"));
    }
    let certificate = &token.signer;
    check_usage(certificate)?;
    if info.authority.is_some_and(|name| !names_match(name, certificate.subject())) {
        return Err(Reason::Timestamp("the authority's name is not that of its certificate"));
    }
    let anchors: Vec<_> = anchors
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<_, _>>()
        .map_err(|_| Reason::TokenField("terms.clockRepair"))?;
    let rules = PathRules {
        extended_key_usage: Some(oid::EKU_TIME_STAMPING),
        signing: true,
        revocation: lists.revocation(),
        ..PathRules::at(info.time)
    };
    let budget = &mut Budget::default();
    let path = validate_path(certificate, &token.others, &anchors, &rules, budget).map_err(Reason::TimeStamper)?;
    budget.spend_signature().map_err(|kind| Reason::TimeStamper(PathError { kind, subject: String::new() }))?;
    verify_attributes(certificate, token.algorithm, token.signed_attributes, token.signature, info.time)?;
    // After the signature: what the authority did not say asks for nothing.
    info.check_extensions()?;
    Ok(VerifiedTimestamp {
        time: info.time,
        accuracy: info.accuracy,
        authority: certificate.subject_text(),
        anchor: anchors.get(path.anchor()).map(Certificate::subject_text).unwrap_or_default(),
    })
}

/// Members of a time stamp are told as such, not as members of an object of ours.
fn in_timestamp(reason: Reason) -> Reason {
    match reason {
        Reason::Cms(part) | Reason::NotDer { what: part, .. } => Reason::Timestamp(part),
        other => other,
    }
}

/// The TimeStampToken in an answer (RFC 3161 2.4.2), or the answer itself where it is one.
fn token_in(response: &[u8]) -> Result<&[u8], Reason> {
    let mut outer = members(response, Tag::Sequence, "TimeStampResp")?;
    if outer.next_is(Tag::ObjectIdentifier) {
        return Ok(response);
    }
    let mut status = outer.members(Tag::Sequence, "status")?;
    match status.value(Tag::Integer, "status")? {
        // granted and grantedWithMods.
        [0 | 1] => {}
        [status] => return Err(Reason::StampRefused { status: *status }),
        _ => return Err(Reason::Timestamp("status")),
    }
    let token = outer.tlv("timeStampToken")?;
    outer.finish("TimeStampResp")?;
    Ok(token)
}

/// The certificate must be good for time stamping and for nothing else, and say so critically (RFC 3161 2.3).
fn check_usage(certificate: &Certificate<'_>) -> Result<(), Reason> {
    const EXTENDED_KEY_USAGE: ObjectIdentifier = countersign_pki::oid::EXTENDED_KEY_USAGE;
    let refused = || Reason::StamperUsage { subject: certificate.subject_text() };
    let parsed = x509_cert::Certificate::from_der(certificate.der()).map_err(|_| refused())?;
    let extensions = parsed.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    let critical = extensions.iter().any(|extension| extension.extn_id == EXTENDED_KEY_USAGE && extension.critical);
    let alone = certificate.extended_key_usages() == Some(&[oid::EKU_TIME_STAMPING]);
    if critical && alone { Ok(()) } else { Err(refused()) }
}

/// The TimeStampToken: CMS SignedData with a TSTInfo.
struct Token<'a> {
    content: &'a [u8],
    signer: Certificate<'a>,
    others: Vec<Certificate<'a>>,
    signed_attributes: &'a [u8],
    algorithm: SignatureAlgorithm,
    signature: &'a [u8],
}

impl<'a> Token<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Reason> {
        let mut outer = members(der, Tag::Sequence, "ContentInfo")?;
        if outer.take::<ObjectIdentifier>("contentType")? != oid::SIGNED_DATA {
            return Err(Reason::Cms("contentType"));
        }
        let explicit = outer.value(CONTEXT_0, "content")?;
        outer.finish("ContentInfo")?;
        let mut data = members(explicit, Tag::Sequence, "SignedData")?;
        data.version(3, "SignedData.version")?;
        data.value(Tag::Set, "digestAlgorithms")?;
        let mut content_info = data.members(Tag::Sequence, "encapContentInfo")?;
        if content_info.take::<ObjectIdentifier>("eContentType")? != oid::TST_INFO {
            return Err(Reason::Cms("eContentType"));
        }
        let mut explicit = content_info.members(CONTEXT_0, "eContent")?;
        let content = explicit.value(Tag::OctetString, "eContent")?;
        explicit.finish("eContent")?;
        content_info.finish("encapContentInfo")?;
        let certificates = data.value(CONTEXT_0, "certificates")?;
        if data.next_is(CONTEXT_1) {
            data.tlv("crls")?;
        }
        let mut infos = data.members(Tag::Set, "signerInfos")?;
        data.finish("SignedData")?;
        let mut info = infos.members(Tag::Sequence, "SignerInfo")?;
        infos.finish("more than one SignerInfo")?;

        info.version(1, "SignerInfo.version")?;
        let identifier = info.tlv("sid")?;
        let hash = read_hash(info.tlv("digestAlgorithm")?)?;
        let signed_attributes = info.tlv("signedAttrs")?;
        let attributes = Attributes::read(signed_attributes)?;
        let algorithm = SignatureAlgorithm::from_signer_info(info.tlv("signatureAlgorithm")?, hash)
            .filter(|algorithm| algorithm.hash() == hash)
            .ok_or(Reason::AlgorithmNotAllowed)?;
        let signature = info.value(Tag::OctetString, "signature")?;
        if info.next_is(CONTEXT_1) {
            info.tlv("unsignedAttrs")?;
        }
        info.finish("SignerInfo")?;

        if attributes.message_digest != hash.digest(content).as_ref() {
            return Err(Reason::DigestMismatch);
        }
        let (signer, others) = read_certificates(certificates, &attributes)?;
        let mut identifier = members(identifier, Tag::Sequence, "sid")?;
        let named = (identifier.tlv("sid")?, identifier.value(Tag::Integer, "sid")?);
        identifier.finish("sid")?;
        if named != (signer.issuer(), signer.serial()) {
            return Err(Reason::Cms("sid"));
        }
        Ok(Self { content, signer, others, signed_attributes, algorithm, signature })
    }
}

/// The signer's certificate by its digest, and all others. Those that cannot be read lead nowhere.
fn read_certificates<'a>(
    set: &'a [u8],
    attributes: &Attributes<'_>,
) -> Result<(Certificate<'a>, Vec<Certificate<'a>>), Reason> {
    let (mut signer, mut others, mut count) = (None, Vec::new(), 0);
    let mut rest = Members::new(set, "certificates")?;
    while !rest.is_finished() {
        let der = rest.tlv("certificates")?;
        count += 1;
        if count > MAX_CERTIFICATES {
            return Err(Reason::Cms("more than 16 certificates"));
        }
        if attributes.certificate_hash.digest(der).as_ref() == attributes.certificate_digest {
            signer = Some(Certificate::from_der(der).map_err(Reason::TimeStamper)?);
        } else {
            others.extend(Certificate::from_der(der));
        }
    }
    signer.map(|signer| (signer, others)).ok_or(Reason::Cms("the authority's certificate is not there"))
}

/// The signed attributes that count. Authorities add others, which say nothing about the time.
struct Attributes<'a> {
    message_digest: &'a [u8],
    certificate_hash: HashAlgorithm,
    certificate_digest: &'a [u8],
}

impl<'a> Attributes<'a> {
    fn read(tlv: &'a [u8]) -> Result<Self, Reason> {
        let mut attributes = members(tlv, CONTEXT_0, "signedAttrs")?;
        let mut found: Vec<(ObjectIdentifier, &'a [u8])> = Vec::new();
        let value = AnyRef::from_der(tlv).map_err(|_| Reason::Cms("signedAttrs"))?;
        check_set_order(value.value(), "signedAttrs")?;
        while !attributes.is_finished() {
            let mut attribute = attributes.members(Tag::Sequence, "signedAttrs")?;
            let id = attribute.take("signedAttrs")?;
            let mut values = attribute.members(Tag::Set, "signedAttrs")?;
            attribute.finish("signedAttrs")?;
            let value = values.tlv("signedAttrs")?;
            if !KNOWN.contains(&id) {
                continue;
            }
            values.finish("signedAttrs")?;
            if found.iter().any(|(other, _)| *other == id) {
                return Err(Reason::Cms("signed attribute twice"));
            }
            found.push((id, value));
        }
        let find = |id| found.iter().find(|(other, _)| *other == id).map(|(_, value)| *value);
        let content_type = find(oid::CONTENT_TYPE).and_then(|value| ObjectIdentifier::from_der(value).ok());
        if content_type != Some(oid::TST_INFO) {
            return Err(Reason::Cms("content-type attribute"));
        }
        let message_digest = find(oid::MESSAGE_DIGEST).and_then(|value| AnyRef::from_der(value).ok());
        let message_digest = message_digest.filter(|value| der::Tagged::tag(value) == Tag::OctetString);
        let (certificate_hash, certificate_digest) = match find(oid::SIGNING_CERTIFICATE_V2) {
            Some(value) => read_signing_certificate(value)?,
            // SigningCertificate (RFC 2634 5.4) knows SHA-1 only.
            None => return Err(Reason::Cms("the authority's certificate is named by SHA-1, or not at all")),
        };
        Ok(Self {
            message_digest: message_digest.ok_or(Reason::Cms("message-digest attribute"))?.value(),
            certificate_hash,
            certificate_digest,
        })
    }
}

/// The attributes that are read. Signing-time is the same authority's word as genTime and adds nothing.
const KNOWN: [ObjectIdentifier; 3] = [oid::CONTENT_TYPE, oid::MESSAGE_DIGEST, oid::SIGNING_CERTIFICATE_V2];

/// The first ESSCertIDv2, which is the signer's (RFC 5035 3).
fn read_signing_certificate(tlv: &[u8]) -> Result<(HashAlgorithm, &[u8]), Reason> {
    const PART: &str = "signing-certificate-v2 attribute";
    let mut attribute = members(tlv, Tag::Sequence, PART)?;
    let mut certificates = attribute.members(Tag::Sequence, PART)?;
    let mut first = certificates.members(Tag::Sequence, PART)?;
    let hash = if first.next_is(Tag::Sequence) { read_hash(first.tlv(PART)?)? } else { HashAlgorithm::Sha256 };
    Ok((hash, first.value(Tag::OctetString, PART)?))
}

/// A hash with parameters absent or NULL, as RFC 5754 2 asks of readers.
fn read_hash(tlv: &[u8]) -> Result<HashAlgorithm, Reason> {
    let mut identifier = members(tlv, Tag::Sequence, "digestAlgorithm")?;
    let id: ObjectIdentifier = identifier.take("digestAlgorithm")?;
    if identifier.next_is(Tag::Null) {
        identifier.take::<der::asn1::Null>("digestAlgorithm")?;
    }
    identifier.finish("digestAlgorithm")?;
    let bare = x509_cert::spki::AlgorithmIdentifierRef { oid: id, parameters: None }.to_der().unwrap_or_default();
    HashAlgorithm::from_identifier(&bare).ok_or(Reason::AlgorithmNotAllowed)
}

/// What the authority says (TSTInfo, RFC 3161 2.4.2).
struct StampInfo<'a> {
    hash: HashAlgorithm,
    imprint: &'a [u8],
    time: Time,
    accuracy: Option<u64>,
    /// Content octets of the INTEGER.
    nonce: Option<&'a [u8]>,
    /// DER of the authority's Name, where it states one of this form.
    authority: Option<&'a [u8]>,
    /// The extensions, one after the other.
    extensions: &'a [u8],
}

impl<'a> StampInfo<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Reason> {
        let mut info = members(der, Tag::Sequence, "TSTInfo")?;
        info.version(1, "TSTInfo.version")?;
        info.take::<ObjectIdentifier>("policy")?;
        let mut imprint = info.members(Tag::Sequence, "messageImprint")?;
        let hash = read_hash(imprint.tlv("messageImprint")?)?;
        let hashed = imprint.value(Tag::OctetString, "messageImprint")?;
        imprint.finish("messageImprint")?;
        info.value(Tag::Integer, "serialNumber")?;
        let time = read_time(info.value(Tag::GeneralizedTime, "genTime")?)?;
        let accuracy = info.next_is(Tag::Sequence).then(|| info.members(Tag::Sequence, "accuracy")).transpose()?;
        let accuracy = accuracy.map(read_accuracy).transpose()?;
        if info.next_is(Tag::Boolean) {
            info.take::<bool>("ordering")?;
        }
        let nonce = info.next_is(Tag::Integer).then(|| info.value(Tag::Integer, "nonce")).transpose()?;
        let mut authority = None;
        if info.next_is(CONTEXT_0) {
            let mut name = info.members(CONTEXT_0, "tsa")?;
            // The certificate tells who it is; the name is a hint, compared where it is of the subject's form.
            if name.next_is(DIRECTORY_NAME) {
                authority = Some(name.value(DIRECTORY_NAME, "tsa")?);
            }
        }
        let extensions = if info.next_is(CONTEXT_1) { info.value(CONTEXT_1, "extensions")? } else { &[] };
        info.finish("TSTInfo")?;
        Ok(Self { hash, imprint: hashed, time, accuracy, nonce, authority, extensions })
    }

    /// None of the extensions is known, so none may be critical.
    fn check_extensions(&self) -> Result<(), Reason> {
        let read = || {
            let mut extensions = Members::new(self.extensions, "extensions")?;
            while !extensions.is_finished() {
                let mut extension = extensions.members(Tag::Sequence, "extensions")?;
                let id = extension.take("extensions")?;
                if extension.next_is(Tag::Boolean) && extension.take("extensions")? {
                    return Err(Reason::UnknownCriticalExtension(id));
                }
            }
            Ok(())
        };
        read().map_err(in_timestamp)
    }
}

/// `YYYYMMDDhhmmss`, a fraction without zeros at its end where there is one, `Z` (RFC 3161 2.4.2).
fn read_time(text: &[u8]) -> Result<Time, Reason> {
    let read = || {
        let (seconds, rest) = text.split_at_checked(14)?;
        let exact = match rest {
            b"Z" => true,
            [b'.', digits @ .., b'Z'] => {
                digits.iter().all(u8::is_ascii_digit) && digits.last().is_some_and(|last| *last != b'0')
            }
            _ => false,
        };
        let whole = [seconds, b"Z"].concat();
        let value = AnyRef::new(Tag::GeneralizedTime, &whole).ok()?;
        Time::from_asn1(value).filter(|_| exact)
    };
    read().ok_or(Reason::Cms("genTime"))
}

/// Accuracy in microseconds: seconds, and thousandths and millionths from 1 to 999.
fn read_accuracy(mut members: Members<'_>) -> Result<u64, Reason> {
    const PART: &str = "accuracy";
    let seconds = if members.next_is(Tag::Integer) { u64::from(members.take::<u32>(PART)?) } else { 0 };
    let mut part = |number| {
        let tag = Tag::ContextSpecific { constructed: false, number: TagNumber(number) };
        if !members.next_is(tag) {
            return Ok(0);
        }
        match members.value(tag, PART)? {
            [value @ 1..=0x7f] => Ok(u64::from(*value)),
            [high @ 0..=3, low] => Ok(u64::from(*high) << 8 | u64::from(*low)),
            _ => Err(Reason::Cms(PART)),
        }
    };
    let (milliseconds, microseconds) = (part(0)?, part(1)?);
    members.finish(PART)?;
    Ok(seconds * 1_000_000 + milliseconds * 1_000 + microseconds)
}
