//! The store: what is kept is found, as a whole or not at all, whatever happens meanwhile.
#![allow(clippy::unwrap_used)]

mod contents;
mod indexes;
mod interruptions;
mod support;
