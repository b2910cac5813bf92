//! An update of the trust anchors: signed by those whom its predecessor names and by those whom it names itself
//! (docs/token-format.md, section 15).

use crate::{
    anchors::Demands,
    approval::MAX_APPROVALS,
    asn1::{Digest32, Extension, GeneralizedTime, read_body},
    limits::{ascending, critical_extension, extensions_within_limits},
    reason::Reason,
    token::FORMAT_VERSION,
};
use der::{Sequence, asn1::OctetStringRef};

/// The most signatures over one update, and the most keys that may make them.
pub const MAX_ANCHORS_SIGNERS: usize = 16;

/// The body of an anchors update. It stands for all anchors before it: what it does not name is trusted no longer.
///
/// ```text
/// AnchorsUpdate ::= SEQUENCE {
///   version     INTEGER { v1(1) },
///   number      INTEGER (1..9223372036854775807),
///   issued      GeneralizedTime,
///   anchors     SEQUENCE SIZE(1..32) OF AnchorEntry,
///   signers     SEQUENCE SIZE(1..16) OF OCTET STRING (SIZE(32)),
///   threshold   INTEGER (1..16),
///   extensions  [0] SEQUENCE SIZE(1..16) OF Extension OPTIONAL,
///   demands     [1] Demands OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct AnchorsUpdate<'a> {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// Rises with every update.
    pub number: u64,
    /// When it was issued.
    pub issued: GeneralizedTime,
    /// The anchors from now on.
    pub anchors: Vec<AnchorEntry<'a>>,
    /// SHA-256 of the SubjectPublicKeyInfo of each key that may sign updates from now on, ascending.
    pub signers: Vec<Digest32>,
    /// How many of them must.
    pub threshold: u8,
    /// Later additions.
    #[asn1(context_specific = "0", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
    /// What a token needs beyond its signature from now on. Present only where it demands something.
    #[asn1(context_specific = "1", optional = "true")]
    pub demands: Option<Demands>,
}

/// A trust anchor, and until when machines may be activated under it.
///
/// ```text
/// AnchorEntry ::= SEQUENCE {
///   certificate  OCTET STRING,                  -- DER of the certificate
///   notAfter     [0] GeneralizedTime OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct AnchorEntry<'a> {
    /// DER of the certificate.
    pub certificate: &'a OctetStringRef,
    /// The last second of the overlap in which old and new are both trusted: what was activated before stands, later
    /// activations need a token under another anchor. Without end where absent.
    #[asn1(context_specific = "0", optional = "true")]
    pub not_after: Option<GeneralizedTime>,
}

impl<'a> AnchorsUpdate<'a> {
    /// Reads the DER of a body and holds it to the limits of the format.
    pub fn from_der(der: &'a [u8]) -> Result<Self, Reason> {
        let update: Self = read_body(der, FORMAT_VERSION, "anchors update")?;
        update.check()?;
        Ok(update)
    }

    /// Holds a body to the limits of the format.
    pub fn check(&self) -> Result<(), Reason> {
        let threshold = usize::from(self.threshold);
        let checks = [
            ("number", (1..=i64::MAX as u64).contains(&self.number)),
            ("anchors", (1..=32).contains(&self.anchors.len())),
            ("signers", (1..=MAX_ANCHORS_SIGNERS).contains(&self.signers.len()) && ascending(self.signers.iter())),
            ("threshold", (1..=self.signers.len()).contains(&threshold)),
            (
                "demands",
                self.demands.is_none_or(|demands| demands != Demands::default() && demands.approvals <= MAX_APPROVALS),
            ),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(field, _)| Err(Reason::AnchorsField(field)))
    }

    /// Refuses a critical extension, of which version 1 has none.
    pub(crate) fn check_enforceable(&self) -> Result<(), Reason> {
        critical_extension(self.extensions.as_deref())
    }
}
