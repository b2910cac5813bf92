//! Making a signed object, with a signer outside: a file key, a card or an HSM.

use super::read::{CONTEXT_0, CONTEXT_1};
use crate::{asn1::GeneralizedTime, oid};
use countersign_pki::{Certificate, SignatureAlgorithm, Time};
use der::{
    Decode, Encode, Reader, SliceReader, Tag,
    asn1::{AnyRef, ObjectIdentifier},
};

/// An object that lacks nothing but its signature.
#[derive(Clone, Debug)]
pub struct SigningRequest<'a> {
    content_type: ObjectIdentifier,
    content: &'a [u8],
    signer: &'a Certificate<'a>,
    algorithm: SignatureAlgorithm,
    /// The signed attributes as SET OF.
    signed_attributes: Vec<u8>,
}

impl<'a> SigningRequest<'a> {
    /// Prepares an object of one of the content types of [`oid`] with a body in DER.
    pub fn new(
        content_type: ObjectIdentifier,
        content: &'a [u8],
        signer: &'a Certificate<'a>,
        algorithm: SignatureAlgorithm,
        signing_time: Time,
    ) -> der::Result<Self> {
        let digest = algorithm.hash().digest(content);
        let certificate = tlv(Tag::OctetString, &[&signer.digest()])?;
        let certificates = sequence(&[&sequence(&[&certificate])?])?;
        let attributes = [
            attribute(oid::CONTENT_TYPE, &content_type.to_der()?)?,
            attribute(oid::SIGNING_TIME, &encode_signing_time(signing_time)?)?,
            attribute(oid::MESSAGE_DIGEST, &tlv(Tag::OctetString, &[digest.as_ref()])?)?,
            attribute(oid::SIGNING_CERTIFICATE_V2, &sequence(&[&certificates])?)?,
        ];
        Ok(Self { content_type, content, signer, algorithm, signed_attributes: set_of(attributes.to_vec())? })
    }

    /// The same token with its approvals, each the DER of a signed object.
    pub fn approved(mut self, approvals: &[&[u8]]) -> der::Result<Self> {
        let mut attributes = vec![attribute(oid::ATTRIBUTE_APPROVALS, &sequence(approvals)?)?];
        let mut rest = SliceReader::new(AnyRef::from_der(&self.signed_attributes)?.value())?;
        while !rest.is_finished() {
            attributes.push(rest.tlv_bytes()?.to_vec());
        }
        self.signed_attributes = set_of(attributes)?;
        Ok(self)
    }

    /// The message that the signature is over (RFC 5652 5.4). What a signer is given for it is
    /// [`SignatureAlgorithm::signer_input`].
    pub fn message(&self) -> &[u8] {
        &self.signed_attributes
    }

    /// The algorithm to sign with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// DER of the whole object. `issuers` are the certificates between the signer's and the anchor, neither
    /// included; `token` is the token of a record.
    pub fn finish(self, signature: &[u8], issuers: &[&[u8]], token: Option<&[u8]>) -> der::Result<Vec<u8>> {
        let digest_algorithm = self.algorithm.hash().identifier();
        let mut signed_attributes = self.signed_attributes;
        if let Some(tag) = signed_attributes.first_mut() {
            *tag = 0xa0;
        }
        let serial = tlv(Tag::Integer, &[self.signer.serial()])?;
        let unsigned = match token {
            Some(token) => tlv(CONTEXT_1, &[&attribute(oid::ATTRIBUTE_TOKEN, token)?])?,
            None => Vec::new(),
        };
        let signer_info = sequence(&[
            &tlv(Tag::Integer, &[&[1]])?,
            &sequence(&[self.signer.issuer(), &serial])?,
            digest_algorithm,
            &signed_attributes,
            &self.algorithm.identifier(),
            &tlv(Tag::OctetString, &[signature])?,
            &unsigned,
        ])?;
        let content = tlv(CONTEXT_0, &[&tlv(Tag::OctetString, &[self.content])?])?;
        let certificates: Vec<Vec<u8>> =
            core::iter::once(self.signer.der()).chain(issuers.iter().copied()).map(<[u8]>::to_vec).collect();
        let mut certificates = set_of(certificates)?;
        if let Some(tag) = certificates.first_mut() {
            *tag = 0xa0;
        }
        let signed_data = sequence(&[
            &tlv(Tag::Integer, &[&[3]])?,
            &tlv(Tag::Set, &[digest_algorithm])?,
            &sequence(&[&self.content_type.to_der()?, &content])?,
            &certificates,
            &tlv(Tag::Set, &[&signer_info])?,
        ])?;
        sequence(&[&oid::SIGNED_DATA.to_der()?, &tlv(CONTEXT_0, &[&signed_data])?])
    }
}

/// UTCTime through 2049 and GeneralizedTime from 2050 on (RFC 5652 11.3).
fn encode_signing_time(time: Time) -> der::Result<Vec<u8>> {
    let generalized = GeneralizedTime(time).to_der()?;
    if (1950..2050).contains(&time.civil()[0]) {
        // The same digits without the century.
        tlv(Tag::UtcTime, &[generalized.get(4..).unwrap_or_default()])
    } else {
        Ok(generalized)
    }
}

pub(super) fn attribute(id: ObjectIdentifier, value: &[u8]) -> der::Result<Vec<u8>> {
    sequence(&[&id.to_der()?, &tlv(Tag::Set, &[value])?])
}

pub(crate) fn sequence(members: &[&[u8]]) -> der::Result<Vec<u8>> {
    tlv(Tag::Sequence, members)
}

/// A SET OF in DER: its members ordered by their octets, each once.
fn set_of(mut members: Vec<Vec<u8>>) -> der::Result<Vec<u8>> {
    members.sort();
    members.dedup();
    tlv(Tag::Set, &members.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

pub(super) fn tlv(tag: Tag, members: &[&[u8]]) -> der::Result<Vec<u8>> {
    AnyRef::new(tag, &members.concat())?.to_der()
}
