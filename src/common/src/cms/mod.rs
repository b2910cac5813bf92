//! The CMS profile of tokens and records (RFC 5652, RFC 5035; docs/token-format.md, section 3).
//!
//! One signer, one spelling: SignedData version 3 with the content inside, the signer's certificate and those that
//! lead to the anchor, and signed attributes content-type, message-digest, signing-time and signing-certificate-v2,
//! no more. The general types of CMS would give these parts without the octets that were signed, so they are read
//! here as a profile of their own.

mod read;
mod write;

pub use read::SignedObject;
pub use write::SigningRequest;

/// The most certificates in an object.
const MAX_CERTIFICATES: usize = 8;
