//! A public key infrastructure for tests: keys that anybody can compute, certificates, tokens and records, each with a
//! handle on every member, so that what must be refused can be made as well.
//!
//! ```
//! use countersign_common::{NO_LISTS, Anchors, SignedObject, VerifiedToken};
//! let cast = countersign_testpki::Cast::new();
//! let token = cast.token(|body| body.revision = 7);
//! let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
//! let token = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS).unwrap();
//! assert_eq!(token.body().revision, 7);
//! ```

#![allow(clippy::unwrap_used, reason = "what cannot be made is a fault of the test, to be told at once")]

pub mod certificates;
pub mod crls;
pub mod der;
pub mod keys;
#[cfg(feature = "objects")]
pub mod objects;
#[cfg(feature = "objects")]
pub mod trust;

pub use certificates::{Identity, Request};
pub use crls::List;
pub use keys::Key;
#[cfg(feature = "objects")]
pub use objects::{Cast, Cms};

/// Lower-case hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets that hexadecimal digits stand for.
pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
