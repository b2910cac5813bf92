//! Fuzz targets: one module each, with the properties that hold for every input (docs/fuzzing.md). A property that
//! fails panics, which the fuzzer reports.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a target tells of a fault")]

pub mod card;
pub mod certificates;
pub mod clock;
pub mod draw;
pub mod lists;
pub mod machine;
pub mod objects;
pub mod signed;
pub mod verdict;
