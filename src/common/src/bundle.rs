//! The bundle: the one file on the technician's stick (docs/token-format.md, section 16).

use crate::{
    anchors::Anchors,
    armor::MAX_OBJECT_SIZE,
    asn1::{Digest32, Extension, GeneralizedTime, Octets, read_body},
    cms::SignedObject,
    limits::{critical_extension, extensions_within_limits},
    lists::Lists,
    oid,
    reason::Reason,
    signer::verify_signer,
    token::FORMAT_VERSION,
};
use countersign_pki::{Budget, MAX_LIST_SIZE, Time, is_misleading};
use der::{Decode, Encode, Enumerated, Reader, Sequence, SliceReader, Tag, Tagged, asn1::AnyRef};
use sha2::{Digest as _, Sha256};

/// The largest bundle, in octets.
pub const MAX_BUNDLE_SIZE: usize = 128 * 1024 * 1024;
/// The most parts of a bundle.
pub const MAX_PARTS: usize = 1_024;

/// What a bundle says of its parts; signed by a list signer.
///
/// ```text
/// Manifest ::= SEQUENCE {
///   version     INTEGER { v1(1) },
///   id          OCTET STRING (SIZE(16)),
///   created     GeneralizedTime,
///   label       UTF8String (SIZE(1..256)),
///   parts       SEQUENCE SIZE(1..1024) OF PartEntry,
///   extensions  [0] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Manifest {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// Random.
    pub id: Octets<16>,
    /// When it was put together.
    pub created: GeneralizedTime,
    /// For people, such as the site that it is for.
    pub label: String,
    /// The parts, in the order in which they stand in the bundle.
    pub parts: Vec<PartEntry>,
    /// Later additions.
    #[asn1(context_specific = "0", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// A part of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct PartEntry {
    /// What it is.
    pub kind: PartKind,
    /// SHA-256 of its octets.
    pub digest: Digest32,
}

/// What a part of a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumerated)]
#[repr(u8)]
pub enum PartKind {
    /// An anchors update with one of its signatures.
    AnchorsUpdate = 0,
    /// A certificate between holders and their anchor.
    Certificate = 1,
    /// A certificate revocation list.
    CertificateList = 2,
    /// A token list.
    TokenList = 3,
    /// An activation token.
    Token = 4,
}

impl PartKind {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnchorsUpdate => "anchors update",
            Self::Certificate => "certificate",
            Self::CertificateList => "certificate revocation list",
            Self::TokenList => "token list",
            Self::Token => "token",
        }
    }
}

/// A bundle that was taken apart: every part is what the manifest says. Who signed the manifest is for
/// [`Self::verify`].
///
/// ```text
/// Bundle ::= SEQUENCE {
///   manifest  ContentInfo,
///   parts     SEQUENCE OF OCTET STRING }
/// ```
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    object: SignedObject<'a>,
    manifest: Manifest,
    parts: Vec<&'a [u8]>,
}

impl<'a> Bundle<'a> {
    /// Takes a bundle apart.
    pub fn from_der(der: &'a [u8]) -> Result<Self, Reason> {
        if der.len() > MAX_BUNDLE_SIZE {
            return Err(Reason::TooLarge { limit: MAX_BUNDLE_SIZE });
        }
        let mut outer = sequence(AnyRef::from_der(der).map_err(|error| not_der(&error))?)?;
        let object = outer.tlv_bytes().map_err(|error| not_der(&error))?;
        let parts = AnyRef::decode(&mut outer).map_err(|error| not_der(&error))?;
        outer.finish().map_err(|error| not_der(&error))?;
        if object.len() > MAX_OBJECT_SIZE {
            return Err(Reason::TooLarge { limit: MAX_OBJECT_SIZE });
        }
        let object = SignedObject::from_der(object)?;
        if object.content_type() != oid::CONTENT_MANIFEST {
            return Err(Reason::WrongObject { expected: "a bundle" });
        }
        let manifest = Manifest::from_der(object.content())?;
        let mut rest = sequence(parts)?;
        let mut parts = Vec::with_capacity(manifest.parts.len());
        for (index, entry) in manifest.parts.iter().enumerate() {
            let part = AnyRef::decode(&mut rest).map_err(|error| not_der(&error))?;
            let limit = if entry.kind == PartKind::CertificateList { MAX_LIST_SIZE } else { MAX_OBJECT_SIZE };
            if part.value().len() > limit {
                return Err(Reason::TooLarge { limit });
            }
            if part.tag() != Tag::OctetString || Sha256::digest(part.value())[..] != entry.digest.0 {
                return Err(Reason::BundlePart { number: index + 1, kind: entry.kind });
            }
            parts.push(part.value());
        }
        rest.finish().map_err(|error| not_der(&error))?;
        Ok(Self { object, manifest, parts })
    }

    /// Verifies that the authority made this bundle: the path of the manifest's signer and the signature.
    pub fn verify(&self, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<(), Reason> {
        let budget = &mut Budget::default();
        verify_signer(&self.object, oid::EKU_LIST_SIGNING, anchors, lists.certificate_lists(), budget)?;
        self.object.verify_signature(self.object.signing_time())?;
        critical_extension(self.manifest.extensions.as_deref())
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The signed object around the manifest.
    pub fn object(&self) -> &SignedObject<'a> {
        &self.object
    }

    /// The parts of a kind, in their order.
    pub fn parts(&self, kind: PartKind) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.manifest.parts.iter().zip(&self.parts).filter(move |(entry, _)| entry.kind == kind).map(|(_, part)| *part)
    }

    /// When it was put together, by its signer's word.
    pub fn created(&self) -> Time {
        self.object.signing_time()
    }

    /// DER of a bundle from the signed manifest and the parts in its order.
    pub fn encode(manifest: &[u8], parts: &[&[u8]]) -> der::Result<Vec<u8>> {
        let mut members = Vec::new();
        for part in parts {
            AnyRef::new(Tag::OctetString, part)?.encode_to_vec(&mut members)?;
        }
        let mut body = manifest.to_vec();
        AnyRef::new(Tag::Sequence, &members)?.encode_to_vec(&mut body)?;
        AnyRef::new(Tag::Sequence, &body)?.to_der()
    }
}

impl Manifest {
    /// Reads the DER of a manifest and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let manifest: Self = read_body(der, FORMAT_VERSION, "manifest")?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Holds a manifest to the limits of the format.
    pub fn check(&self) -> Result<(), Reason> {
        let label = &self.label;
        let checks = [
            ("label", (1..=256).contains(&label.len()) && !label.contains(is_misleading)),
            ("parts", (1..=MAX_PARTS).contains(&self.parts.len())),
            ("parts.kind", self.parts.is_sorted_by_key(|part| part.kind)),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(field, _)| Err(Reason::ManifestField(field)))
    }
}

fn sequence(value: AnyRef<'_>) -> Result<SliceReader<'_>, Reason> {
    if value.tag() != Tag::Sequence {
        return Err(Reason::NotDer { what: "bundle", at: 0 });
    }
    SliceReader::new(value.value()).map_err(|error| not_der(&error))
}

fn not_der(error: &der::Error) -> Reason {
    let at = error.position().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    Reason::NotDer { what: "bundle", at }
}
