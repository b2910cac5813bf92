//! Certificate revocation lists (RFC 5280 5) and what they say of a certificate (6.3).

mod entry;
mod header;
mod index;
mod list;
mod reader;
mod scope;
mod source;
mod status;

pub use entry::{RevocationReason, Revoked};
pub use list::{MAX_LIST_SIZE, RevocationList, compare_numbers};
pub use source::{Source, SourceError};
pub use status::RevocationRules;
pub(crate) use status::{SignerPaths, check};

/// Whether octets are the value of cRLDistributionPoints; `issuer` is the DER of the issuer's name.
pub(crate) fn are_distribution_points(value: &[u8], issuer: &[u8]) -> bool {
    scope::DistributionPoint::list(value, issuer).is_some()
}
