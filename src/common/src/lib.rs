//! The activation token format of Countersign and the rules that judge it: pure, and fit to be embedded anywhere.
//!
//! Octets and [`Facts`] go in, a [`Verdict`] comes out. Nothing here reads a clock, a file, a card or a network, draws
//! a random number or logs. docs/token-format.md is the normative description.
//!
//! ```
//! use countersign_common::{Anchors, Facts, MachineFacts, NO_LISTS, Product, Verdict, validate};
//!
//! fn judge(record: &[u8], anchor: &[u8], machine: &MachineFacts, now: countersign_common::Time) -> Verdict {
//!     let anchors = match Anchors::new([anchor]) {
//!         Ok(anchors) => anchors,
//!         Err(error) => return Verdict::new(countersign_common::Reason::Signer(error)),
//!     };
//!     let product = Product::new("control-room");
//!     validate(record, &Facts { now: Some(now), newest_time_seen: None, product, machine, anchors: &anchors, lists: &NO_LISTS })
//! }
//! # assert!(!judge(b"", b"", &MachineFacts::default(), countersign_common::Time::from_unix(0)).state.is_activated());
//! ```

mod anchors;
pub mod anchors_update;
mod approval;
mod armor;
mod asn1;
pub mod bundle;
mod challenge;
mod clock_repair;
mod cms;
mod holder;
mod inclusion;
mod ledger;
mod limits;
mod lists;
mod machine;
pub mod merkle;
pub mod oid;
mod reason;
mod reason_code;
mod reason_text;
mod remedy;
mod rules;
mod signer;
mod timestamp;
pub mod token;
pub mod token_list;
mod verdict;
mod verified_token;

pub use anchors::{Anchors, Demands};
pub use approval::{Approval, Approved, MAX_APPROVALS};
pub use armor::{
    MAX_FILE_SIZE, MAX_OBJECT_SIZE, MAX_TOKEN_SIZE, decode_certificate_list, decode_certificates, decode_object,
    decode_objects, encode_certificate, encode_object,
};
pub use asn1::{Digest32, Extension, GeneralizedTime, Octets, sha256};
pub use challenge::{Challenge, ListKind, ListUsed, Slot};
pub use clock_repair::{COURIER_TIME, ClockRequest, mend};
pub use cms::{SignedObject, SigningRequest};
pub use countersign_pki::{
    Certificate, HashAlgorithm, KeyKind, MAX_LIST_SIZE, PathError, PathErrorKind, PublicKey, RevocationList,
    RevocationReason, SignatureAlgorithm, Source, SourceError, Time, display_name, is_misleading, names_match,
};
pub use holder::Admission;
pub use inclusion::{InclusionProof, LedgerPlace};
pub use ledger::{LedgerEntry, TreeHead};
pub use limits::is_identifier;
pub use lists::{Lists, NO_LISTS, VerifiedTokenList, decimal, list_may_follow};
pub use machine::{
    ComparisonOutcome, ComponentFact, ComponentKind, ComponentMatch, MAX_DIGESTS, MachineComparison, MachineComponent,
    MachineFacts,
};
pub use reason::Reason;
pub use remedy::Remedy;
pub use rules::{CLOCK_TOLERANCE, VerifiedRecord, validate};
pub use timestamp::{MAX_TIMESTAMP_SIZE, VerifiedTimestamp};
pub use token::Token;
pub use verdict::{Evidence, Facts, HolderEvidence, ListEvidence, Product, State, TokenEvidence, Verdict};
pub use verified_token::VerifiedToken;
