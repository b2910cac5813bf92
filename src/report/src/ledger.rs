//! What the ledger hands out: the head of its tree.

use crate::text::Line;
use countersign_common::TreeHead;
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
