//! Why a certificate or a path is refused.

use crate::{revocation::RevocationReason, time::Time, verify::SignatureError};
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
    /// Not the DER of an X.509 version 3 certificate; names the part.
    Malformed(&'static str),
    /// A critical extension that this release does not know (RFC 5280 4.2).
    UnknownCriticalExtension(ObjectIdentifier),
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
    /// Against the profile of RFC 5280 section 4; names the rule and its section.
    Profile(&'static str),
    /// A name of this form lies within no subtree that a CA permits (RFC 5280 4.2.1.10).
    NameNotPermitted(&'static str),
    /// A name of this form lies within a subtree that a CA excludes (RFC 5280 4.2.1.10).
    NameExcluded(&'static str),
    /// A CA constrains names of this form in a way that cannot be compared with the name that the certificate has.
    NameNotComparable(&'static str),
    /// The path is valid for no acceptable policy where one is required (RFC 5280 6.1.3 f and 6.1.5 g).
    PolicyMissing,
    /// The issuer signed by an algorithm, or with a size of key, that is refused from a date on
    /// ([`crate::allowed_at`]).
    AlgorithmRefused {
        /// The first second from which it is refused.
        since: Time,
        /// The time judged at.
        at: Time,
    },
    /// Not the DER of a certificate revocation list, or against the profile of RFC 5280 5; names the part.
    MalformedList(&'static str),
    /// A critical extension of a list or an entry that this release does not know (RFC 5280 5.2 and 5.3).
    UnknownListExtension(ObjectIdentifier),
    /// The stored index of a list is damaged or goes with another list.
    IndexRefused(&'static str),
    /// A list or its index could not be read.
    ListUnreadable,
    /// Somebody may not have signed a list; says why.
    ListSignerRefused(&'static str),
    /// The certificate is revoked.
    Revoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        date: Time,
    },
    /// The certificate is suspended.
    OnHold {
        /// Since when.
        date: Time,
    },
    /// No list tells whether the certificate is revoked; says why.
    StatusUnknown(&'static str),
}

impl PathErrorKind {
    /// The stable code, listed in docs/codes.md.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "CS-2001",
            Self::UnknownCriticalExtension(_) => "CS-2002",
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
            Self::Profile(_) => "CS-2016",
            Self::NameNotPermitted(_) => "CS-2017",
            Self::NameExcluded(_) => "CS-2018",
            Self::NameNotComparable(_) => "CS-2019",
            Self::PolicyMissing => "CS-2020",
            Self::AlgorithmRefused { .. } => "CS-2040",
            Self::MalformedList(_) => "CS-2030",
            Self::UnknownListExtension(_) => "CS-2031",
            Self::IndexRefused(_) => "CS-2032",
            Self::ListUnreadable => "CS-2033",
            Self::ListSignerRefused(_) => "CS-2034",
            Self::Revoked { .. } => "CS-2035",
            Self::OnHold { .. } => "CS-2036",
            Self::StatusUnknown(_) => "CS-2037",
        }
    }

    /// Every code of this crate with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-2001", "certificate malformed"),
        ("CS-2002", "unknown critical extension"),
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
        ("CS-2016", "certificate against the profile of RFC 5280"),
        ("CS-2017", "name not permitted by a CA"),
        ("CS-2018", "name excluded by a CA"),
        ("CS-2019", "name that cannot be compared with a CA's constraint"),
        ("CS-2020", "path valid for no policy where one is required"),
        ("CS-2030", "revocation list malformed or against the profile of RFC 5280"),
        ("CS-2031", "unknown critical extension in a revocation list"),
        ("CS-2032", "index of a revocation list damaged or of another list"),
        ("CS-2033", "revocation list could not be read"),
        ("CS-2034", "revocation list not signed by this one"),
        ("CS-2035", "certificate revoked"),
        ("CS-2036", "certificate on hold"),
        ("CS-2037", "revocation status unknown"),
        ("CS-2040", "certificate signed by an algorithm that is refused from a date on"),
    ];

    /// How much a reader learns from this reason: of several failed attempts the highest is told.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::NoPath => 0,
            Self::BadSignature => 1,
            // Asked last, of a path that fulfils every other rule.
            Self::Revoked { .. } | Self::OnHold { .. } | Self::StatusUnknown(_) => 3,
            Self::BudgetExhausted => 4,
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
            Self::Profile(rule) => write!(f, "against the profile of RFC 5280: {rule}"),
            Self::NameNotPermitted(form) => write!(f, "{form} within no subtree that a CA permits"),
            Self::NameExcluded(form) => write!(f, "{form} within a subtree that a CA excludes"),
            Self::NameNotComparable(form) => {
                write!(f, "a CA constrains names of the form {form} in a way that cannot be compared")
            }
            Self::PolicyMissing => f.write_str("the path is valid for no acceptable policy, and one is required"),
            Self::AlgorithmRefused { since, at } => {
                write!(f, "signed by an algorithm or a size of key that is refused from {since}, judged at {at}")
            }
            Self::MalformedList(part) => write!(f, "malformed revocation list: {part}"),
            Self::UnknownListExtension(oid) => write!(f, "unknown critical extension {oid} in a revocation list"),
            Self::IndexRefused(why) => write!(f, "index of a revocation list refused: {why}"),
            Self::ListUnreadable => f.write_str("a revocation list could not be read"),
            Self::ListSignerRefused(why) => write!(f, "revocation list refused: {why}"),
            Self::Revoked { reason, date } => write!(f, "revoked {date}, {reason}"),
            Self::OnHold { date } => write!(f, "on hold since {date}"),
            Self::StatusUnknown(why) => write!(f, "revocation status unknown: {why}"),
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subject.is_empty() { self.kind.fmt(f) } else { write!(f, "{}: {}", self.subject, self.kind) }
    }
}

impl std::error::Error for PathError {}

impl From<SignatureError> for PathErrorKind {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Invalid => Self::BadSignature,
            SignatureError::KeyNotAllowed => Self::KeyNotAllowed,
            SignatureError::NeedsMessage | SignatureError::WrongKind => Self::AlgorithmNotAllowed,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use PathErrorKind::{BadSignature, BudgetExhausted, IssuerNotCa, NoPath, OnHold, PathTooLong, Revoked};

    #[test]
    fn what_a_reader_learns_most_from_is_told() {
        let date = "2026-01-01".parse().unwrap();
        let revoked = Revoked { reason: crate::RevocationReason::Superseded, date };
        let ranks = [vec![NoPath], vec![BadSignature], vec![IssuerNotCa, PathTooLong], vec![revoked, OnHold { date }]];
        let ranks: Vec<Vec<u8>> = ranks
            .iter()
            .chain([&vec![BudgetExhausted]])
            .map(|kinds| kinds.iter().map(PathErrorKind::rank).collect())
            .collect();
        for pair in ranks.windows(2) {
            assert!(pair[0].iter().all(|lower| pair[1].iter().all(|higher| lower < higher)), "{ranks:?}");
        }
        assert!(ranks.iter().all(|alike| alike.iter().all(|rank| *rank == alike[0])));
    }

    #[test]
    fn an_error_names_the_certificate_and_the_rule() {
        assert_eq!(NoPath.to_string(), "no path to a trust anchor");
        assert_eq!(NoPath.about(String::new()).to_string(), "no path to a trust anchor");
        assert_eq!(PathTooLong.about("CN=A".to_owned()).to_string(), format!("CN=A: {PathTooLong}"));
    }
}
