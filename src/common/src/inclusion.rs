//! The proof that a token is in the authority's ledger (docs/token-format.md, section 17).

use crate::{
    anchors::Anchors,
    asn1::{Digest32, read_body},
    cms::SignedObject,
    ledger::{LedgerEntry, TreeHead},
    lists::Lists,
    merkle::verify_inclusion,
    reason::Reason,
    token::FORMAT_VERSION,
};
use countersign_pki::{Budget, Time};
use der::{Sequence, asn1::OctetStringRef};

/// The most nodes of a path: a ledger has fewer than 2^63 entries.
const MAX_PATH: usize = 63;

/// The proof that a token is in the ledger: its entry, the way from there to the root of the tree, and that root,
/// signed. A token carries it beside its signature, and it can be made anew over a later head.
///
/// ```text
/// InclusionProof ::= SEQUENCE {
///   version  INTEGER { v1(1) },
///   entry    LedgerEntry,
///   path     SEQUENCE SIZE(0..63) OF OCTET STRING (SIZE(32)),  -- RFC 9162 2.1.3
///   head     OCTET STRING }                                    -- DER of the signed TreeHead
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct InclusionProof<'a> {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// The entry that issues the token.
    pub entry: LedgerEntry,
    /// The neighbours on the way from its leaf to the root, the nearest first.
    pub path: Vec<Digest32>,
    /// DER of the signed head of the tree.
    pub head: &'a OctetStringRef,
}

/// Where a token was found to be in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerPlace {
    /// Which ledger: the hash of its first leaf.
    pub log: Digest32,
    /// The number of the entry that issues it.
    pub entry: u64,
    /// How many entries there were when the head was signed.
    pub size: u64,
    /// When that was.
    pub signed: Time,
}

impl<'a> InclusionProof<'a> {
    /// Reads the DER of a proof and holds it to the limits of the format.
    pub fn from_der(der: &'a [u8]) -> Result<Self, Reason> {
        let proof: Self = read_body(der, FORMAT_VERSION, "inclusion proof")?;
        let checks = [
            ("entry.version", proof.entry.version == FORMAT_VERSION),
            ("entry.number", (1..=i64::MAX as u64).contains(&proof.entry.number)),
            ("path", proof.path.len() <= MAX_PATH),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(proof), |(field, _)| Err(Reason::LedgerField(field)))
    }

    /// Verifies that the token with this digest is in a ledger whose head a ledger signer under the anchors signed.
    pub fn verify(
        &self,
        token: &Digest32,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
        budget: &mut Budget,
    ) -> Result<LedgerPlace, Reason> {
        if self.entry.token.as_ref() != Some(token) {
            return Err(Reason::NotInLedger("the entry in its proof does not issue this token"));
        }
        let object = SignedObject::from_der(self.head.as_bytes())?;
        let head = TreeHead::verify_within(&object, anchors, lists, budget)?;
        let leaf = self.entry.leaf_hash().map_err(|_| Reason::LedgerField("entry"))?;
        let number = self.entry.number;
        if !verify_inclusion(&leaf, number - 1, head.size, &self.path, &head.root) {
            return Err(Reason::NotInLedger("the proof does not lead to the signed root"));
        }
        Ok(LedgerPlace { log: head.log, entry: number, size: head.size, signed: head.time.0 })
    }
}
