//! Why a certificate or a path is refused.

use crate::time::Time;
use core::fmt;
use der::asn1::ObjectIdentifier;

/// Why a certificate or a path is refused, and which certificate decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// The rule that decided.
    pub kind: PathErrorKind,
    /// Subject of the certificate that the rule was applied to, as text; empty where none could be read.
    pub subject: String,
}

/// The rule that refused a certificate or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathErrorKind {
    /// Not the DER of an X.509 certificate, or against the profile of RFC 5280; names the part.
    Malformed(&'static str),
    /// A critical extension that this release does not know (RFC 5280 4.2).
    UnknownCriticalExtension(ObjectIdentifier),
    /// An extension that would restrict the path and that this release does not enforce yet.
    ExtensionNotEnforced(ObjectIdentifier),
    /// The signature algorithm is not on the list, or does not go with the issuer's key.
    AlgorithmNotAllowed,
    /// The key is not of an allowed kind or size.
    KeyNotAllowed,
    /// No trust anchor was reached.
    NoPath,
    /// The issuer's signature does not verify.
    BadSignature,
    /// The time to judge at lies before notBefore.
    NotYetValid {
        /// Start of the validity.
        not_before: Time,
        /// The time judged at.
        at: Time,
    },
    /// The time to judge at lies after notAfter.
    Expired {
        /// End of the validity.
        not_after: Time,
        /// The time judged at.
        at: Time,
    },
    /// An issuer is not a CA by its basic constraints (RFC 5280 4.2.1.9), or is of an earlier version than 3.
    IssuerNotCa,
    /// An issuer's key usage lacks keyCertSign (RFC 5280 4.2.1.3).
    IssuerMayNotCertify,
    /// More certificates follow than a CA's pathLenConstraint permits (RFC 5280 4.2.1.9).
    PathTooLong,
    /// The holder of the leaf may not use its key so (RFC 5280 4.2.1.3).
    KeyUsageMissing,
    /// The leaf, or a CA that limits it, lacks the extended key usage asked for (RFC 5280 4.2.1.12).
    ExtendedKeyUsageMissing(ObjectIdentifier),
    /// The search used up its [`crate::Budget`].
    BudgetExhausted,
    /// The issuer signed by an algorithm, or with a size of key, that is refused from a date on
    /// ([`crate::allowed_at`]).
    AlgorithmRefused {
        /// The first second from which it is refused.
        since: Time,
        /// The time judged at.
        at: Time,
    },
}

impl PathErrorKind {
    /// The stable code, listed in docs/codes.md.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "CS-2001",
            Self::UnknownCriticalExtension(_) => "CS-2002",
            Self::ExtensionNotEnforced(_) => "CS-2003",
            Self::AlgorithmNotAllowed => "CS-2004",
            Self::KeyNotAllowed => "CS-2005",
            Self::NoPath => "CS-2006",
            Self::BadSignature => "CS-2007",
            Self::NotYetValid { .. } => "CS-2008",
            Self::Expired { .. } => "CS-2009",
            Self::IssuerNotCa => "CS-2010",
            Self::IssuerMayNotCertify => "CS-2011",
            Self::PathTooLong => "CS-2012",
            Self::KeyUsageMissing => "CS-2013",
            Self::ExtendedKeyUsageMissing(_) => "CS-2014",
            Self::BudgetExhausted => "CS-2015",
            Self::AlgorithmRefused { .. } => "CS-2040",
        }
    }

    /// Every code of this crate with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-2001", "certificate malformed or against the profile of RFC 5280"),
        ("CS-2002", "unknown critical extension"),
        ("CS-2003", "extension that this release does not enforce yet"),
        ("CS-2004", "signature algorithm not allowed"),
        ("CS-2005", "key not allowed"),
        ("CS-2006", "no path to a trust anchor"),
        ("CS-2007", "certificate signature does not verify"),
        ("CS-2008", "certificate not yet valid"),
        ("CS-2009", "certificate expired"),
        ("CS-2010", "issuer is not a CA"),
        ("CS-2011", "issuer may not sign certificates"),
        ("CS-2012", "path longer than a CA permits"),
        ("CS-2013", "key usage missing"),
        ("CS-2014", "extended key usage missing"),
        ("CS-2015", "path search exceeded its budget"),
        ("CS-2040", "certificate signed by an algorithm that is refused from a date on"),
    ];

    /// How much a reader learns from this reason: of several failed attempts the highest is told.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::NoPath => 0,
            Self::BadSignature => 1,
            Self::BudgetExhausted => 3,
            _ => 2,
        }
    }

    pub(crate) fn about(self, subject: String) -> PathError {
        PathError { kind: self, subject }
    }
}

impl fmt::Display for PathErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(part) => write!(f, "malformed certificate: {part}"),
            Self::UnknownCriticalExtension(oid) => write!(f, "unknown critical extension {oid}"),
            Self::ExtensionNotEnforced(oid) => {
                write!(f, "extension {oid} restricts the path and is not enforced by this release")
            }
            Self::AlgorithmNotAllowed => f.write_str("signature algorithm not allowed"),
            Self::KeyNotAllowed => f.write_str("key of a kind or size that is not allowed"),
            Self::NoPath => f.write_str("no path to a trust anchor"),
            Self::BadSignature => f.write_str("the issuer's signature does not verify"),
            Self::NotYetValid { not_before, at } => write!(f, "valid from {not_before}, judged at {at}"),
            Self::Expired { not_after, at } => write!(f, "expired {not_after}, judged at {at}"),
            Self::IssuerNotCa => f.write_str("issuer is not a CA"),
            Self::IssuerMayNotCertify => f.write_str("issuer's key usage lacks keyCertSign"),
            Self::PathTooLong => f.write_str("path longer than a CA's pathLenConstraint permits"),
            Self::KeyUsageMissing => f.write_str("key usage does not permit signing"),
            Self::ExtendedKeyUsageMissing(oid) => write!(f, "extended key usage {oid} missing"),
            Self::BudgetExhausted => f.write_str("path search exceeded its budget"),
            Self::AlgorithmRefused { since, at } => {
                write!(f, "signed by an algorithm or a size of key that is refused from {since}, judged at {at}")
            }
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subject.is_empty() { self.kind.fmt(f) } else { write!(f, "{}: {}", self.subject, self.kind) }
    }
}

impl std::error::Error for PathError {}
