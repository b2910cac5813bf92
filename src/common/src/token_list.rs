//! The token list: which tokens are revoked, and what stands although its signer was revoked (docs/token-format.md,
//! section 14).

use crate::{
    asn1::{Digest32, Extension, GeneralizedTime, Octets, read_body},
    limits::{ascending, critical_extension, extensions_within_limits},
    reason::Reason,
    token::FORMAT_VERSION,
};
use countersign_pki::{RevocationReason, Time, attributes};
use der::{Enumerated, Sequence, Tagged, asn1::Any};

/// By how much the number of a list may exceed that of the list it follows. A thief of a signing key who counts to the
/// end, so that nothing may follow, is stopped here; docs/guide.md tells how numbers begin anew.
pub const MAX_NUMBER_STEP: u64 = 65_536;

/// The body of a token list.
///
/// ```text
/// TokenList ::= SEQUENCE {
///   version     INTEGER { v1(1) },
///   number      INTEGER (1..9223372036854775807),
///   thisUpdate  GeneralizedTime,
///   nextUpdate  GeneralizedTime,
///   revoked     [0] SEQUENCE SIZE(1..MAX) OF RevokedToken OPTIONAL,
///   standing    [1] SEQUENCE SIZE(1..MAX) OF OCTET STRING (SIZE(32)) OPTIONAL,
///   received    [2] SEQUENCE SIZE(1..MAX) OF OCTET STRING (SIZE(32)) OPTIONAL,
///   replaces    [3] SEQUENCE SIZE(1..16) OF Name OPTIONAL,
///   extensions  [4] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct TokenList {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// Rises with every list; a later signer goes on counting.
    pub number: u64,
    /// When it was issued.
    pub this_update: GeneralizedTime,
    /// By when the next one will be issued. Whether a list is too old, the token's terms say, not this.
    pub next_update: GeneralizedTime,
    /// The revoked tokens, ascending by id.
    #[asn1(context_specific = "0", optional = "true")]
    pub revoked: Option<Vec<RevokedToken>>,
    /// SHA-256 of tokens that stand although their signer was revoked, ascending.
    #[asn1(context_specific = "1", optional = "true")]
    pub standing: Option<Vec<Digest32>>,
    /// SHA-256 of records that stand although their holder was revoked: the authority received them in time.
    #[asn1(context_specific = "2", optional = "true")]
    pub received: Option<Vec<Digest32>>,
    /// Names of list signers whose lists this one stands for from now on.
    #[asn1(context_specific = "3", optional = "true")]
    pub replaces: Option<Vec<Any>>,
    /// Later additions.
    #[asn1(context_specific = "4", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// A revoked token.
///
/// ```text
/// RevokedToken ::= SEQUENCE {
///   id        OCTET STRING (SIZE(16)),
///   revision  INTEGER (1..4294967295),                   -- this version and all before it
///   date      GeneralizedTime,
///   reason    ENUMERATED { unspecified(0), affiliationChanged(3), superseded(4), cessationOfOperation(5),
///                          certificateHold(6), privilegeWithdrawn(9) },
///   digest    [0] OCTET STRING (SIZE(32)) OPTIONAL }     -- of the version stated
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct RevokedToken {
    /// The id, which all versions of a token share.
    pub id: Octets<16>,
    /// The last version that is revoked.
    pub revision: u32,
    /// Since when.
    pub date: GeneralizedTime,
    /// Why.
    pub reason: TokenRevocation,
    /// SHA-256 of the token that was issued under this id and version: whoever holds another one has a forgery.
    #[asn1(context_specific = "0", optional = "true")]
    pub digest: Option<Digest32>,
}

/// Why a token was revoked, with the numbers of RFC 5280 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum TokenRevocation {
    /// Nothing is said.
    Unspecified = 0,
    /// The customer has changed.
    AffiliationChanged = 3,
    /// Another token took its place.
    Superseded = 4,
    /// It is no longer needed.
    CessationOfOperation = 5,
    /// Suspended.
    CertificateHold = 6,
    /// The customer lost the right to it.
    PrivilegeWithdrawn = 9,
}

impl TokenRevocation {
    /// The reason as certificates have it.
    pub const fn reason(self) -> RevocationReason {
        match self {
            Self::Unspecified => RevocationReason::Unspecified,
            Self::AffiliationChanged => RevocationReason::AffiliationChanged,
            Self::Superseded => RevocationReason::Superseded,
            Self::CessationOfOperation => RevocationReason::CessationOfOperation,
            Self::CertificateHold => RevocationReason::CertificateHold,
            Self::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
        }
    }
}

impl TokenList {
    /// Reads the DER of a body and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let list: Self = read_body(der, FORMAT_VERSION, "token list")?;
        list.check()?;
        Ok(list)
    }

    /// Holds a body to the limits of the format.
    pub fn check(&self) -> Result<(), Reason> {
        let digests = |list: &Option<Vec<Digest32>>| {
            list.as_deref().is_none_or(|list| !list.is_empty() && ascending(list.iter()))
        };
        let names =
            |names: &Vec<Any>| (1..=16).contains(&names.len()) && names.iter().all(|name| encoded(name).is_some());
        let revoked = |list: &Vec<RevokedToken>| {
            !list.is_empty()
                && ascending(list.iter().map(|token| token.id))
                && list.iter().all(|token| token.revision > 0)
        };
        let checks = [
            ("number", (1..=i64::MAX as u64).contains(&self.number)),
            ("nextUpdate", self.this_update <= self.next_update),
            ("revoked", self.revoked.as_ref().is_none_or(revoked)),
            ("standing", digests(&self.standing)),
            ("received", digests(&self.received)),
            ("replaces", self.replaces.as_ref().is_none_or(names)),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(field, _)| Err(Reason::ListField(field)))
    }

    /// Refuses a critical extension, of which version 1 has none.
    pub(crate) fn check_enforceable(&self) -> Result<(), Reason> {
        critical_extension(self.extensions.as_deref())
    }

    /// The entry about a token, by its id.
    pub fn revoked(&self, id: &Octets<16>) -> Option<&RevokedToken> {
        let list = self.revoked.as_deref().unwrap_or_default();
        list.binary_search_by(|token| token.id.cmp(id)).ok().and_then(|place| list.get(place))
    }

    /// Whether the token with a digest stands although its signer was revoked.
    pub fn stands(&self, token: &Digest32) -> bool {
        self.standing.as_deref().is_some_and(|list| list.binary_search(token).is_ok())
    }

    /// Whether the record with a digest was received in time.
    pub fn received(&self, record: &Digest32) -> bool {
        self.received.as_deref().is_some_and(|list| list.binary_search(record).is_ok())
    }

    /// DER of the names whose lists this one stands for.
    pub fn replaced(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.replaces.iter().flatten().filter_map(encoded)
    }
}

/// DER of a Name; nothing where it is none.
fn encoded(name: &Any) -> Option<Vec<u8>> {
    let der = der::Encode::to_der(name).ok()?;
    (name.tag() == der::Tag::Sequence && attributes(&der).is_some_and(|list| !list.is_empty())).then_some(der)
}

impl RevokedToken {
    /// Whether this entry speaks of a version of a token.
    pub fn covers(&self, revision: u32) -> bool {
        revision <= self.revision
    }

    /// Whether what was activated at a time falls. Where the token was merely given up, what was dated before stands
    /// (docs/token-format.md, section 14.2).
    pub fn falls(&self, activated: Time) -> bool {
        !self.reason.reason().spares_what_was_before() || activated >= self.date.0
    }
}
