//! Certification paths and signature verification after RFC 5280, pure and bounded.
//!
//! Nothing here reads a clock, a file or a network, draws a random number or logs: the time to judge at, the
//! certificates and the trust anchors come in as values, and the same values always give the same answer.
//! Every search for a path has a [`Budget`].
//!
//! ```
//! use countersign_pki::{Budget, Certificate, PathError, PathRules, Time, validate_path};
//!
//! fn trusted(leaf: &[u8], untrusted: &[Vec<u8>], anchor: &[u8], now: Time) -> Result<(), PathError> {
//!     let leaf = Certificate::from_der(leaf)?;
//!     let untrusted: Vec<_> = untrusted.iter().map(|c| Certificate::from_der(c)).collect::<Result<_, _>>()?;
//!     let anchors = [Certificate::from_der(anchor)?];
//!     validate_path(&leaf, &untrusted, &anchors, &PathRules::at(now), &mut Budget::default())?;
//!     Ok(())
//! }
//! ```
//!
//! What this release does not process it refuses: name constraints, policy constraints, policy mappings and
//! inhibitAnyPolicy ([`PathErrorKind::ExtensionNotEnforced`]). Revocation lists are not read yet.

mod algorithm;
mod allowed;
mod certificate;
mod error;
mod name;
mod path;
mod time;
mod verify;

pub use algorithm::{Digest, HashAlgorithm, SignatureAlgorithm};
pub use allowed::{AlgorithmError, KeyKind, allowed_at};
pub use certificate::{Certificate, KeyUsage, MAX_CERTIFICATE_SIZE};
pub use error::{PathError, PathErrorKind};
pub use name::{Attribute, attributes, display_name, is_misleading, names_match};
pub use path::{Budget, MAX_PATH_LENGTH, PathRules, ValidatedPath, validate_path};
pub use time::{ParseTimeError, Time};
pub use verify::{PROVIDER, PublicKey, SignatureError};

/// Object identifiers of the standards that this crate names.
pub mod oid {
    use der::asn1::ObjectIdentifier;

    /// id-ce-subjectKeyIdentifier (RFC 5280 4.2.1.2).
    pub const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
    /// id-ce-keyUsage (RFC 5280 4.2.1.3).
    pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
    /// id-ce-subjectAltName (RFC 5280 4.2.1.6).
    pub const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
    /// id-ce-basicConstraints (RFC 5280 4.2.1.9).
    pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
    /// id-ce-nameConstraints (RFC 5280 4.2.1.10).
    pub const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
    /// id-ce-certificatePolicies (RFC 5280 4.2.1.4).
    pub const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
    /// anyPolicy (RFC 5280 4.2.1.4).
    pub const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
    /// id-ce-policyMappings (RFC 5280 4.2.1.5).
    pub const POLICY_MAPPINGS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.33");
    /// id-ce-authorityKeyIdentifier (RFC 5280 4.2.1.1).
    pub const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
    /// id-ce-policyConstraints (RFC 5280 4.2.1.11).
    pub const POLICY_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.36");
    /// id-ce-extKeyUsage (RFC 5280 4.2.1.12).
    pub const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
    /// id-ce-inhibitAnyPolicy (RFC 5280 4.2.1.14).
    pub const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
}
