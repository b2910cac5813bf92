//! Tokens, records, lists, bundles and verdicts as JSON and as text, tokens in sentences too, for the programs that show
//! them.
//!
//! JSON of tokens and records is that of docs/token-format.md, section 12; of verdicts and commands, that of
//! docs/json.md.

mod json;
mod ledger;
mod lists;
mod text;
mod words;

pub use json::{certificate, challenge, machine, object, reason, token, verdict};
pub use ledger::{tree_head, tree_head_lines};
pub use lists::{
    anchors_update, anchors_update_lines, bundle, bundle_lines, certificate_list, certificate_list_lines,
    demands_lines, token_list, token_list_lines,
};
pub use text::{
    Line, approver_lines, certificate_lines, interval, object_lines, render, token_lines, verdict_lines, visible,
};
pub use words::{sentences, token_words};
