//! The extensions of a certificate (RFC 5280 4.2).

use crate::{
    asn1::{all, context, count, members, next, object_identifier, optional, sequence},
    general_name::GeneralName,
    name_constraints::NameConstraints,
    oid,
};
use der::{Decode, Reader, SliceReader, Tag, asn1::AnyRef, asn1::ObjectIdentifier};

pub use x509_cert::ext::pkix::KeyUsage;

/// The most extensions that a certificate may have.
const MAX_EXTENSIONS: usize = 64;

/// An extension as received (RFC 5280 4.2).
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    /// extnID.
    pub id: ObjectIdentifier,
    /// Whether it is marked critical.
    pub critical: bool,
    /// The DER that extnValue holds.
    pub value: &'a [u8],
}

/// The extensions that a path is judged by, each read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions<'a> {
    pub(crate) all: Vec<Extension<'a>>,
    pub(crate) basic_constraints: Option<BasicConstraints>,
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) extended_key_usages: Option<Vec<ObjectIdentifier>>,
    pub(crate) subject_key_identifier: Option<&'a [u8]>,
    pub(crate) authority_key_identifier: Option<AuthorityKeyIdentifier<'a>>,
    pub(crate) subject_alt_names: Option<Vec<GeneralName<'a>>>,
    pub(crate) name_constraints: Option<NameConstraints<'a>>,
    pub(crate) policies: Option<Vec<ObjectIdentifier>>,
    pub(crate) policy_mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    pub(crate) policy_constraints: Option<PolicyConstraints>,
    pub(crate) inhibit_any_policy: Option<u32>,
}

/// RFC 5280 4.2.1.9.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u32>,
}

/// RFC 5280 4.2.1.1.
#[derive(Clone, Debug)]
pub(crate) struct AuthorityKeyIdentifier<'a> {
    pub(crate) key_identifier: Option<&'a [u8]>,
    pub(crate) issuer: Option<Vec<GeneralName<'a>>>,
    pub(crate) serial: Option<&'a [u8]>,
}

/// RFC 5280 4.2.1.11.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyConstraints {
    pub(crate) require_explicit_policy: Option<u32>,
    pub(crate) inhibit_policy_mapping: Option<u32>,
}

impl<'a> Extensions<'a> {
    /// Reads the SEQUENCE that holds them; names what is malformed.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, &'static str> {
        let mut list = sequence(der).ok_or("extensions")?;
        let mut read = Self::default();
        while !list.is_finished() {
            let extension = next(&mut list).and_then(read_extension).ok_or("extensions")?;
            if read.all.iter().any(|earlier| earlier.id == extension.id) {
                return Err("extension twice");
            }
            if read.all.len() == MAX_EXTENSIONS {
                return Err("extensions");
            }
            read.all.push(extension);
            let value = extension.value;
            match extension.id {
                oid::BASIC_CONSTRAINTS => {
                    read.basic_constraints = Some(basic_constraints(value).ok_or("basicConstraints")?)
                }
                oid::KEY_USAGE => read.key_usage = Some(KeyUsage::from_der(value).map_err(|_| "keyUsage")?),
                oid::EXTENDED_KEY_USAGE => {
                    let usages = identifiers(value).filter(|usages| !usages.is_empty());
                    read.extended_key_usages = Some(usages.ok_or("extKeyUsage")?);
                }
                oid::SUBJECT_KEY_IDENTIFIER => {
                    read.subject_key_identifier = Some(octet_string(value).ok_or("subjectKeyIdentifier")?)
                }
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    let identifier = authority_key_identifier(value);
                    read.authority_key_identifier = Some(identifier.ok_or("authorityKeyIdentifier")?)
                }
                oid::SUBJECT_ALT_NAME => {
                    read.subject_alt_names = Some(GeneralName::read_all(value).ok_or("subjectAltName")?)
                }
                oid::NAME_CONSTRAINTS => {
                    read.name_constraints = Some(NameConstraints::read(value).ok_or("nameConstraints")?)
                }
                oid::CERTIFICATE_POLICIES => {
                    read.policies = Some(certificate_policies(value).ok_or("certificatePolicies")?)
                }
                oid::POLICY_MAPPINGS => read.policy_mappings = policy_mappings(value).ok_or("policyMappings")?,
                oid::POLICY_CONSTRAINTS => {
                    read.policy_constraints = Some(policy_constraints(value).ok_or("policyConstraints")?)
                }
                oid::INHIBIT_ANY_POLICY => {
                    let skip = AnyRef::from_der(value).ok().filter(|value| der::Tagged::tag(value) == Tag::Integer);
                    let skip = skip.and_then(|value| count(value.value()));
                    read.inhibit_any_policy = Some(skip.ok_or("inhibitAnyPolicy")?)
                }
                _ => {}
            }
        }
        if read.all.is_empty() { Err("extensions") } else { Ok(read) }
    }
}

/// `SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }`
fn read_extension(value: AnyRef<'_>) -> Option<Extension<'_>> {
    let mut parts = members(value, Tag::Sequence)?;
    let id = object_identifier(&mut parts)?;
    let critical = default_false(&mut parts)?;
    let value = next(&mut parts).filter(|value| der::Tagged::tag(value) == Tag::OctetString)?;
    parts.finish().ok()?;
    Some(Extension { id, critical, value: value.value() })
}

/// A BOOLEAN DEFAULT FALSE, which DER never spells out as false (X.690 11.5).
fn default_false(parts: &mut SliceReader<'_>) -> Option<bool> {
    if parts.is_finished() || Tag::peek(parts).ok()? != Tag::Boolean {
        return Some(false);
    }
    (next(parts)?.value() == [0xff]).then_some(true)
}

/// `SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL }`
fn basic_constraints(der: &[u8]) -> Option<BasicConstraints> {
    let mut parts = sequence(der)?;
    let ca = default_false(&mut parts)?;
    let path_length = match all(parts)?.as_slice() {
        [] => None,
        [length] if der::Tagged::tag(length) == Tag::Integer => Some(count(length.value())?),
        _ => return None,
    };
    Some(BasicConstraints { ca, path_length })
}

fn octet_string(der: &[u8]) -> Option<&[u8]> {
    let value = AnyRef::from_der(der).ok()?;
    (der::Tagged::tag(&value) == Tag::OctetString).then(|| value.value())
}

/// `SEQUENCE OF OBJECT IDENTIFIER`
fn identifiers(der: &[u8]) -> Option<Vec<ObjectIdentifier>> {
    all(sequence(der)?)?.into_iter().map(|value| value.decode_as().ok()).collect()
}

/// `SEQUENCE { [0] keyIdentifier, [1] authorityCertIssuer, [2] authorityCertSerialNumber }`, each OPTIONAL
fn authority_key_identifier(der: &[u8]) -> Option<AuthorityKeyIdentifier<'_>> {
    let mut read = AuthorityKeyIdentifier { key_identifier: None, issuer: None, serial: None };
    let mut last = None;
    for value in all(sequence(der)?)? {
        let (number, constructed) = context(&value)?;
        if last.is_some_and(|last| number <= last) {
            return None;
        }
        last = Some(number);
        match (number, constructed) {
            (0, false) => read.key_identifier = Some(value.value()),
            (1, true) => {
                let names = all(SliceReader::new(value.value()).ok()?)?;
                read.issuer = Some(names.into_iter().map(GeneralName::read).collect::<Option<_>>()?);
            }
            (2, false) => read.serial = Some(value.value()),
            _ => return None,
        }
    }
    Some(read)
}

/// `SEQUENCE OF SEQUENCE { policyIdentifier OBJECT IDENTIFIER, policyQualifiers SEQUENCE OF ANY OPTIONAL }`. What the
/// qualifiers say is for people.
fn certificate_policies(der: &[u8]) -> Option<Vec<ObjectIdentifier>> {
    let read = |value| {
        let mut parts = members(value, Tag::Sequence)?;
        let policy = object_identifier(&mut parts)?;
        match all(parts)?.as_slice() {
            [] => Some(policy),
            [qualifiers] => members(*qualifiers, Tag::Sequence).map(|_| policy),
            _ => None,
        }
    };
    all(sequence(der)?)?.into_iter().map(read).collect()
}

/// `SEQUENCE OF SEQUENCE { issuerDomainPolicy, subjectDomainPolicy }`
fn policy_mappings(der: &[u8]) -> Option<Vec<(ObjectIdentifier, ObjectIdentifier)>> {
    let read = |value| {
        let mut parts = members(value, Tag::Sequence)?;
        let pair = (object_identifier(&mut parts)?, object_identifier(&mut parts)?);
        parts.finish().ok()?;
        Some(pair)
    };
    all(sequence(der)?)?.into_iter().map(read).collect()
}

/// `SEQUENCE { [0] requireExplicitPolicy, [1] inhibitPolicyMapping }`, each OPTIONAL
fn policy_constraints(der: &[u8]) -> Option<PolicyConstraints> {
    let mut parts = sequence(der)?;
    let mut read = |number| match optional(&mut parts, number, false) {
        Some(value) => count(value.value()).map(Some),
        None => Some(None),
    };
    let (require_explicit_policy, inhibit_policy_mapping) = (read(0)?, read(1)?);
    parts.finish().ok()?;
    Some(PolicyConstraints { require_explicit_policy, inhibit_policy_mapping })
}
