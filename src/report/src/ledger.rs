//! What the ledger hands out: the head of its tree.

use crate::{
    json::{members, unreadable},
    text::Line,
};
use countersign_common::{InclusionProof, SignedObject, TreeHead};
use serde_json::{Value, json};

/// A head of the ledger's tree as it stands.
pub fn tree_head_lines(head: &TreeHead) -> Vec<Line> {
    vec![
        ("ledger", head.log.to_string()),
        ("size", head.size.to_string()),
        ("root", head.root.to_string()),
        ("dated", head.time.0.to_string()),
    ]
}

/// A head of the ledger's tree as it stands.
pub fn tree_head(head: &TreeHead) -> Value {
    json!({
        "version": head.version,
        "log": head.log.to_string(),
        "size": head.size,
        "time": head.time.0.to_string(),
        "root": head.root.to_string(),
    })
}

/// The proof that a token carries, as it stands.
pub(crate) fn proof_lines(der: &[u8]) -> Vec<Line> {
    let words = InclusionProof::from_der(der).and_then(|proof| {
        let object = SignedObject::from_der(proof.head.as_bytes())?;
        let head = TreeHead::from_object(&object)?;
        Ok(format!("entry {} of {}, by the head of {}", proof.entry.number, head.size, head.time.0))
    });
    vec![("in ledger", words.unwrap_or_else(|reason| format!("unreadable: {reason} [{}]", reason.code())))]
}

/// The proof that a token carries, as it stands.
pub(crate) fn proof(der: &[u8]) -> Value {
    let view = |proof: InclusionProof<'_>| {
        let head = SignedObject::from_der(proof.head.as_bytes())?;
        Ok(json!({
            "version": proof.version,
            "entry": members([
                ("version", proof.entry.version.into()),
                ("number", proof.entry.number.into()),
                ("time", proof.entry.time.0.to_string().into()),
                ("token", proof.entry.token.map(|token| token.to_string()).into()),
                ("body", proof.entry.body.to_string().into()),
            ]),
            "path": proof.path.iter().map(ToString::to_string).collect::<Value>(),
            "head": crate::object(&head),
        }))
    };
    InclusionProof::from_der(der).and_then(view).unwrap_or_else(unreadable)
}
