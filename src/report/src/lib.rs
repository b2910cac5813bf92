//! Tokens, records and verdicts as JSON and as text, for the programs that show them.
//!
//! Members of JSON objects bear the names of docs/token-format.md in snake case; identifiers and digests are
//! lower-case hexadecimal, times RFC 3339 in UTC, intervals seconds. Members that are absent in the object are absent
//! here. docs/json.md lists them.

mod json;
mod text;

pub use json::{certificate, challenge, machine, object, reason, token, verdict};
pub use text::{Line, certificate_lines, interval, object_lines, render, token_lines, verdict_lines};
