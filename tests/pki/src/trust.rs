//! Token lists, anchors updates and bundles for tests, and those who sign them.

use crate::{
    certificates::{
        DIGITAL_SIGNATURE, EKU_ANCHORS_SIGNING, EKU_LEDGER_SIGNING, EKU_LIST_SIGNING, EKU_TOKEN_APPROVAL, Identity,
        Request, extended_key_usage, key_usage,
    },
    der::sequence,
    keys::Key,
    objects::{Cms, attribute, seed, time},
};
use countersign_common::{
    Approval, Digest32, InclusionProof, LedgerEntry, Octets, SignedObject, TreeHead,
    anchors_update::{AnchorEntry, AnchorsUpdate},
    bundle::{Bundle, Manifest, PartEntry, PartKind},
    merkle::{Accumulator, ProofBuilder},
    token_list::{RevokedToken, TokenList, TokenRevocation},
};
use der::{Encode, asn1::OctetStringRef};
use sha2::{Digest, Sha256};

/// Content type of a token list.
pub const CONTENT_TOKEN_LIST: &str = "1.3.6.1.4.1.32473.2026.1.3";
/// Content type of an anchors update.
pub const CONTENT_ANCHORS: &str = "1.3.6.1.4.1.32473.2026.1.4";
/// Content type of a manifest.
pub const CONTENT_MANIFEST: &str = "1.3.6.1.4.1.32473.2026.1.5";
/// Content type of a tree head.
pub const CONTENT_TREE_HEAD: &str = "1.3.6.1.4.1.32473.2026.1.6";
/// Content type of an approval.
pub const CONTENT_APPROVAL: &str = "1.3.6.1.4.1.32473.2026.1.7";
/// The signed attribute of a token that holds its approvals.
pub const ATTRIBUTE_APPROVALS: &str = "1.3.6.1.4.1.32473.2026.2.3";
/// When the example token was approved.
pub const APPROVED: &str = "2026-02-02T07:00:00Z";
/// The date of the example token list.
pub const LISTED: &str = "2026-06-01T00:00:00Z";

/// Who signs token lists and bundles, certified by a root.
pub fn list_signer(name: &str, root: &Identity) -> Identity {
    signer(name, EKU_LIST_SIGNING, root)
}

/// Who signs anchors updates, certified by a root.
pub fn anchors_signer(name: &str, root: &Identity) -> Identity {
    signer(name, EKU_ANCHORS_SIGNING, root)
}

/// Who signs heads of the ledger's tree, certified by a root.
pub fn ledger_signer(name: &str, root: &Identity) -> Identity {
    signer(name, EKU_LEDGER_SIGNING, root)
}

/// Who approves tokens, certified by a root.
pub fn approver(name: &str, root: &Identity) -> Identity {
    signer(name, EKU_TOKEN_APPROVAL, root)
}

fn signer(name: &str, usage: &str, root: &Identity) -> Identity {
    let extensions = vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[usage])];
    Request::new(name, Key::p256(name), extensions).issued_by(root)
}

/// A token list with nothing on it.
pub fn empty_list(number: u64, this_update: &str) -> TokenList {
    TokenList {
        version: 1,
        number,
        this_update: time(this_update),
        next_update: time("2035-01-01T00:00:00Z"),
        revoked: None,
        standing: None,
        received: None,
        replaces: None,
        extensions: None,
    }
}

/// An entry about all versions of a token.
pub fn revoked(id: Octets<16>, reason: TokenRevocation, date: &str) -> RevokedToken {
    RevokedToken { id, revision: u32::MAX, date: time(date), reason, digest: None }
}

/// A signed token list, dated as it says.
pub fn token_list(signer: &Identity, body: &TokenList) -> Vec<u8> {
    Cms::new(CONTENT_TOKEN_LIST, body.to_der().unwrap(), signer, &body.this_update.0.to_string()).build()
}

/// A signed head of the ledger's tree, dated as it says.
pub fn tree_head(signer: &Identity, body: &TreeHead) -> Vec<u8> {
    Cms::new(CONTENT_TREE_HEAD, body.to_der().unwrap(), signer, &body.time.0.to_string()).build()
}

/// A signed approval of a token by its body.
pub fn approval(signer: &Identity, token_body: &[u8]) -> Vec<u8> {
    Cms::new(CONTENT_APPROVAL, Approval::of(token_body).to_der().unwrap(), signer, APPROVED).build()
}

/// Puts approvals into a token that is not signed yet.
pub fn approve(token: &mut Cms<'_>, approvals: &[Vec<u8>]) {
    let objects: Vec<_> = approvals.iter().map(Vec::as_slice).collect();
    token.attributes.push(attribute(ATTRIBUTE_APPROVALS, &[sequence(&objects)]));
}

/// What an inclusion proof is made of.
#[derive(Clone, Debug)]
pub struct ProofParts {
    /// The entry that issues the token.
    pub entry: LedgerEntry,
    /// From its leaf to the root.
    pub path: Vec<Digest32>,
    /// The head of the tree.
    pub head: TreeHead,
}

impl ProofParts {
    /// That a token with this digest is the third of five entries.
    pub fn new(token: Digest32) -> Self {
        let at = time("2026-02-02T08:00:00Z");
        let entry = |number, token| LedgerEntry::new(number, at.0, token, &format!("{{\"entry\":{number}}}"));
        let issued = entry(3, Some(token));
        let mut tree = Accumulator::default();
        let mut path = ProofBuilder::inclusion(2, 5).unwrap();
        let leaves: Vec<_> =
            (1..=5).map(|number| if number == 3 { issued } else { entry(number, None) }.leaf_hash().unwrap()).collect();
        for leaf in &leaves {
            tree.append(*leaf);
            path.append(*leaf);
        }
        let dated = time("2026-03-01T00:00:00Z");
        let head = TreeHead { version: 1, log: leaves[0], size: 5, time: dated, root: tree.root(), extensions: None };
        Self { entry: issued, path: path.finish().unwrap(), head }
    }

    /// DER of the proof, with the head signed.
    pub fn signed_by(&self, signer: &Identity) -> Vec<u8> {
        let head = tree_head(signer, &self.head);
        let head = OctetStringRef::new(&head).unwrap();
        let path = self.path.clone();
        InclusionProof { version: 1, entry: self.entry, path, head }.to_der().unwrap()
    }
}

/// A token with a proof in it.
pub fn with_proof(token: &[u8], proof: &[u8]) -> Vec<u8> {
    SignedObject::from_der(token).unwrap().with_inclusion_proof(proof).unwrap()
}

/// An anchors update that names certificates, those who may sign the next one, and how many must.
pub fn anchors_update(
    number: u64,
    anchors: &[(&[u8], Option<&str>)],
    signers: &[&Identity],
    threshold: u8,
    signed_by: &[&Identity],
) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> = signers.iter().map(|signer| Octets(Sha256::digest(signer.key.spki()).into())).collect();
    keys.sort_unstable();
    let body = AnchorsUpdate {
        version: 1,
        number,
        issued: time("2026-05-01T00:00:00Z"),
        anchors: anchors
            .iter()
            .map(|(der, end)| AnchorEntry { certificate: OctetStringRef::new(der).unwrap(), not_after: end.map(time) })
            .collect(),
        signers: keys,
        threshold,
        extensions: None,
        demands: None,
    };
    anchors_signatures(&body.to_der().unwrap(), signed_by)
}

/// One signed object over the body of an anchors update for each signer.
pub fn anchors_signatures(body: &[u8], signed_by: &[&Identity]) -> Vec<Vec<u8>> {
    let sign = |signer: &&Identity| Cms::new(CONTENT_ANCHORS, body.to_vec(), signer, "2026-05-01T00:00:00Z").build();
    signed_by.iter().map(sign).collect()
}

/// A manifest that names parts.
pub fn manifest(parts: &[(PartKind, &[u8])]) -> Manifest {
    Manifest {
        version: 1,
        id: Octets(seed("countersign test bundle")[..16].try_into().unwrap()),
        created: time("2026-06-02T00:00:00Z"),
        label: "Press hall 7".to_owned(),
        parts: parts
            .iter()
            .map(|(kind, part)| PartEntry { kind: *kind, digest: Octets(Sha256::digest(part).into()) })
            .collect(),
        extensions: None,
    }
}

/// A bundle of parts, ordered by kind, signed by a list signer.
pub fn bundle(signer: &Identity, parts: &[(PartKind, &[u8])]) -> Vec<u8> {
    let body = manifest(parts).to_der().unwrap();
    let manifest = Cms::new(CONTENT_MANIFEST, body, signer, "2026-06-02T00:00:00Z").build();
    Bundle::encode(&manifest, &parts.iter().map(|(_, part)| *part).collect::<Vec<_>>()).unwrap()
}
