//! Certification paths, revocation and signature verification after RFC 5280, pure and bounded.
//!
//! Nothing here reads a clock, a file or a network, draws a random number or logs: the time to judge at, the
//! certificates, the lists and the trust anchors come in as values, and the same values always give the same answer.
//! Neither the order of the certificates nor that some come twice changes it.
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
//! # What is processed
//!
//! All of RFC 5280 6.1: signatures, validity, names and key identifiers, basic constraints, key usage, name
//! constraints of every form, policies with their mappings and constraints ([`PolicyRules`] are the inputs,
//! [`PolicySet`] the outcome, in the anchor's domain), unknown critical extensions, and the profile of section 4, whose
//! breach is an error of its own ([`PathErrorKind::Profile`]). Policies are kept in the bounded form of RFC 9618. An
//! extended key usage can be asked for. Lists are asked where [`PathRules::revocation`] gives some (6.3).
//!
//! NIST PKITS, 249 cases with its policy inputs, comes out as expected but for two, which are valid and signed by DSA:
//! that algorithm is not allowed here.
//!
//! # What it costs
//!
//! A search pays signatures and steps from a [`Budget`]. Signatures come last and once for each certificate and key;
//! what led nowhere is remembered, so that a ladder or mesh of CAs costs about as much as it has certificates, found
//! or not. Up to [`MAX_UNTRUSTED`] certificates are taken, and paths of up to [`MAX_PATH_LENGTH`].
//!
//! [`explain_path`] also lists the ways that were tried in vain, each with the rule that ended it.
//!
//! # What is not processed
//!
//! Distribution points are not fetched, OCSP is not spoken, and host names are not matched. Non-ASCII letters of names
//! are compared as they stand (RFC 5280 7.1 would fold their case). A `*` in a dNSName counts as any labels where a
//! constraint excludes.

mod algorithm;
mod allowed;
mod asn1;
mod certificate;
mod error;
mod extensions;
mod general_name;
mod graph;
mod name;
mod name_constraints;
mod path;
mod policy;
mod profile;
mod revocation;
mod search;
mod signers;
mod state;
mod time;
mod verify;

pub use algorithm::{Digest, HashAlgorithm, SignatureAlgorithm};
pub use allowed::{AlgorithmError, KeyKind, allowed_at};
pub use certificate::{Certificate, MAX_CERTIFICATE_SIZE};
pub use error::{PathError, PathErrorKind};
pub use extensions::{Extension, KeyUsage};
pub use general_name::GeneralName;
pub use name::{Attribute, attributes, display_name, is_misleading, names_match};
pub use path::{
    Attempt, Budget, MAX_ATTEMPTS, MAX_PATH_LENGTH, MAX_UNTRUSTED, PathRules, Place, ValidatedPath, explain_path,
    validate_path,
};
pub use policy::{PolicyRules, PolicySet};
pub use revocation::{
    MAX_LIST_SIZE, RevocationList, RevocationReason, RevocationRules, Revoked, Source, SourceError, compare_numbers,
};
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
    /// id-ce-issuerAltName (RFC 5280 4.2.1.7).
    pub const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
    /// id-ce-subjectDirectoryAttributes (RFC 5280 4.2.1.8).
    pub const SUBJECT_DIRECTORY_ATTRIBUTES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.9");
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
    /// id-ce-cRLDistributionPoints (RFC 5280 4.2.1.13).
    pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
    /// id-ce-freshestCRL (RFC 5280 4.2.1.15).
    pub const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");
    /// id-pe-authorityInfoAccess (RFC 5280 4.2.2.1).
    pub const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
    /// id-pe-subjectInfoAccess (RFC 5280 4.2.2.2).
    pub const SUBJECT_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.11");
    /// emailAddress, an attribute of names (RFC 2985 5.2.1).
    pub const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");
    /// id-ce-inhibitAnyPolicy (RFC 5280 4.2.1.14).
    pub const INHIBIT_ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.54");
}
