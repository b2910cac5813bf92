//! The format as docs/token-format.md states it: worked examples, hostile vectors, every changed bit, and a second
//! implementation. `UPDATE=1 cargo test -p countersign-common --test format` writes fixtures/format and the listings
//! in the document anew; all keys are computed, so nothing changes unless the format does.

#![allow(clippy::unwrap_used)]

mod every_byte;
mod examples;
mod holders;
mod python;
mod support;
mod vectors;
