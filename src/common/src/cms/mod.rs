//! The CMS profile of the signed objects (RFC 5652, RFC 5035; docs/token-format.md, section 3).
//!
//! One signer, one spelling: SignedData version 3 with the content inside, the signer's certificate and those that
//! lead to the anchor, and signed attributes content-type, message-digest, signing-time and signing-certificate-v2,
//! no more. The general types of CMS would give these parts without the octets that were signed, so they are read
//! here as a profile of their own.

mod read;
mod unsigned;
mod write;

pub use read::SignedObject;
pub(crate) use read::{Members, check_set_order, members, verify_attributes};
pub use write::SigningRequest;
pub(crate) use write::sequence;

/// The most certificates in an object: a limit of the format, far below that of a path.
const MAX_CERTIFICATES: usize = 8;
