//! The activation token format of Countersign and the rules that judge it: pure, and fit to be embedded anywhere.
//!
//! Octets and [`Facts`] go in, a [`Verdict`] comes out. Nothing here reads a clock, a file, a card or a network, draws
//! a random number or logs. docs/token-format.md is the normative description.
//!
//! ```
//! use countersign_common::{Anchors, Facts, MachineFacts, Product, Verdict, validate};
//!
//! fn judge(record: &[u8], anchor: &[u8], machine: &MachineFacts, now: countersign_common::Time) -> Verdict {
//!     let anchors = match Anchors::new([anchor]) {
//!         Ok(anchors) => anchors,
//!         Err(error) => return Verdict::new(countersign_common::Reason::Signer(error)),
//!     };
//!     let product = Product::new("control-room");
//!     validate(record, &Facts { now: Some(now), newest_time_seen: None, product, machine, anchors: &anchors })
//! }
//! # assert!(!judge(b"", b"", &MachineFacts::default(), countersign_common::Time::from_unix(0)).state.is_activated());
//! ```

mod anchors;
mod armor;
mod asn1;
mod challenge;
mod cms;
mod holder;
mod limits;
mod machine;
pub mod oid;
mod reason;
mod rules;
pub mod token;
mod verdict;

pub use anchors::Anchors;
pub use armor::{
    MAX_FILE_SIZE, MAX_OBJECT_SIZE, MAX_TOKEN_SIZE, decode_certificates, decode_object, encode_certificate,
    encode_object,
};
pub use asn1::{Digest32, Extension, GeneralizedTime, Octets};
pub use challenge::{Challenge, ListUsed, Slot};
pub use cms::{SignedObject, SigningRequest};
pub use countersign_pki::{
    Certificate, HashAlgorithm, KeyKind, PathError, PathErrorKind, PublicKey, SignatureAlgorithm, Time, is_misleading,
};
pub use holder::Admission;
pub use limits::is_identifier;
pub use machine::{
    ComparisonOutcome, ComponentFact, ComponentKind, ComponentMatch, MAX_DIGESTS, MachineComparison, MachineComponent,
    MachineFacts,
};
pub use reason::{Reason, Remedy};
pub use rules::{CLOCK_TOLERANCE, VerifiedRecord, VerifiedToken, validate};
pub use token::Token;
pub use verdict::{Evidence, Facts, HolderEvidence, Product, State, TokenEvidence, Verdict};
