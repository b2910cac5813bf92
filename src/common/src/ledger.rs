//! The authority's ledger as others see it: an entry, and the signed head of the tree over all entries
//! (docs/ledger.md).

use crate::{
    anchors::Anchors,
    asn1::{Digest32, Extension, GeneralizedTime, Octets, read_body, sha256},
    cms::SignedObject,
    limits::{critical_extension, extensions_within_limits},
    lists::Lists,
    merkle::leaf_hash,
    oid,
    reason::Reason,
    signer::verify_signer,
    token::FORMAT_VERSION,
};
use countersign_pki::{Budget, Time};
use der::{Encode, Sequence};

/// An entry of the ledger, as the tree has it. Its DER is the input of a leaf.
///
/// ```text
/// LedgerEntry ::= SEQUENCE {
///   version  INTEGER { v1(1) },
///   number   INTEGER (1..9223372036854775807),   -- the leaf's index is one less
///   time     GeneralizedTime,
///   token    [0] OCTET STRING (SIZE(32)) OPTIONAL,
///   body     OCTET STRING (SIZE(32)) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct LedgerEntry {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// The place in the ledger, counted from 1.
    pub number: u64,
    /// When it was entered.
    pub time: GeneralizedTime,
    /// The digest of the token that this entry issues ([`SignedObject::digest`]); absent from all others.
    #[asn1(context_specific = "0", optional = "true")]
    pub token: Option<Digest32>,
    /// SHA-256 of what it says, which is JSON: so a proof tells others no more than it has to.
    pub body: Digest32,
}

impl LedgerEntry {
    /// The entry at a place, counted from 1, with the digest of the token that it issues.
    pub fn new(number: u64, time: Time, token: Option<Digest32>, body: &str) -> Self {
        let body = Octets(sha256(body.as_bytes()));
        Self { version: FORMAT_VERSION, number, time: GeneralizedTime(time), token, body }
    }

    /// The hash of its leaf (RFC 9162 2.1.1).
    pub fn leaf_hash(&self) -> der::Result<Digest32> {
        // At most 103 octets: 3 for the version, 11 for the number, 17 for the time, 36 and 34 for the digests, 2 around.
        Ok(leaf_hash(self.encode_to_slice(&mut [0; 128])?))
    }
}

/// The head of the tree over all entries of a ledger at a time; the content of a signed object.
///
/// ```text
/// TreeHead ::= SEQUENCE {
///   version     INTEGER { v1(1) },
///   log         OCTET STRING (SIZE(32)),         -- hash of the first leaf
///   size        INTEGER (1..9223372036854775807),
///   time        GeneralizedTime,
///   root        OCTET STRING (SIZE(32)),
///   extensions  [0] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct TreeHead {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// Which ledger: the hash of its first leaf, the founding.
    pub log: Digest32,
    /// How many entries there were.
    pub size: u64,
    /// When it was signed; the signing time says the same.
    pub time: GeneralizedTime,
    /// The root of the tree over them.
    pub root: Digest32,
    /// Later additions.
    #[asn1(context_specific = "0", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

impl TreeHead {
    /// Reads the DER of a body and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let head: Self = read_body(der, FORMAT_VERSION, "tree head")?;
        let checks = [
            ("size", (1..=i64::MAX as u64).contains(&head.size)),
            ("extensions", extensions_within_limits(head.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(head), |(field, _)| Err(Reason::LedgerField(field)))
    }

    /// Reads the head in a signed object. Who signed it is for [`Self::verify`].
    pub fn from_object(object: &SignedObject<'_>) -> Result<Self, Reason> {
        if object.content_type() != oid::CONTENT_TREE_HEAD {
            return Err(Reason::WrongObject { expected: "a tree head" });
        }
        let head = Self::from_der(object.content())?;
        if head.time.0 == object.signing_time() { Ok(head) } else { Err(Reason::LedgerField("time")) }
    }

    /// The head in a signed object that a ledger signer under the anchors signed, whom no list revokes.
    pub fn verify(object: &SignedObject<'_>, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<Self, Reason> {
        Self::verify_within(object, anchors, lists, &mut Budget::default())
    }

    pub(crate) fn verify_within(
        object: &SignedObject<'_>,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
        budget: &mut Budget,
    ) -> Result<Self, Reason> {
        let head = Self::from_object(object)?;
        verify_signer(object, oid::EKU_LEDGER_SIGNING, anchors, lists.certificate_lists(), budget)?;
        object.verify_signature(object.signing_time())?;
        critical_extension(head.extensions.as_deref())?;
        Ok(head)
    }
}
