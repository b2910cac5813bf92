//! The challenge: what a machine asks a card to sign (docs/token-format.md, section 5).

use crate::{
    asn1::{Digest32, Extension, GeneralizedTime, read_body},
    limits::{critical_extension, extensions_within_limits},
    machine::{MachineComponent, check_components},
    reason::Reason,
    token::FORMAT_VERSION,
};
use countersign_pki::{attributes, is_misleading};
use der::{
    Encode, Enumerated, Sequence,
    asn1::{Any, Uint},
};

/// What a machine asks a card to sign; the content of an activation record.
///
/// ```text
/// ActivationChallenge ::= SEQUENCE {
///   version         INTEGER { v1(1) },
///   tokenDigest     OCTET STRING (SIZE(32)),
///   grant           INTEGER (1..65535),
///   slot            ENUMERATED { authentication(0), signature(1) },
///   time            GeneralizedTime,
///   nonce           OCTET STRING (SIZE(32)),
///   machine         SEQUENCE SIZE(1..16) OF MachineComponent,
///   virtualization  [0] UTF8String (SIZE(1..64)) OPTIONAL,
///   lists           [1] SEQUENCE SIZE(1..64) OF ListUsed OPTIONAL,
///   workOrder       [2] UTF8String (SIZE(1..64)) OPTIONAL,
///   extensions      [3] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Challenge {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// SHA-256 of the token's DER, the whole ContentInfo.
    pub token_digest: Digest32,
    /// Number of the grant under which the holder signs.
    pub grant: u16,
    /// Which PIV key signs: the verifier's claim.
    pub slot: Slot,
    /// The machine's clock.
    pub time: GeneralizedTime,
    /// Random: tells two activations apart.
    pub nonce: Digest32,
    /// Digests of this machine's components under the token's salt, ascending by kind.
    pub machine: Vec<MachineComponent>,
    /// What virtualises the machine, where that was recognised.
    #[asn1(context_specific = "0", optional = "true")]
    pub virtualization: Option<String>,
    /// The revocation lists that were used.
    #[asn1(context_specific = "1", optional = "true")]
    pub lists: Option<Vec<ListUsed>>,
    /// The technician's work order.
    #[asn1(context_specific = "2", optional = "true")]
    pub work_order: Option<String>,
    /// Later additions.
    #[asn1(context_specific = "3", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// A PIV key that may sign (SP 800-73-4 part 1, table 4b).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum Slot {
    /// 9A, PIV authentication: one PIN entry a session.
    Authentication = 0,
    /// 9C, digital signature: the PIN before every signature.
    Signature = 1,
}

/// `9A` or `9C`.
impl core::fmt::Display for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Authentication => "9A",
            Self::Signature => "9C",
        })
    }
}

/// A revocation list that was used.
///
/// ```text
/// ListUsed ::= SEQUENCE {
///   kind        ENUMERATED { certificateList(0), tokenList(1) },
///   issuer      Name,
///   number      INTEGER (0..MAX),          -- at most 20 octets
///   thisUpdate  GeneralizedTime }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ListUsed {
    /// What sort of list it is.
    pub kind: ListKind,
    /// The issuer's Name; of a token list the subject of its signer.
    pub issuer: Any,
    /// Its number.
    pub number: Uint,
    /// When it was issued.
    pub this_update: GeneralizedTime,
}

/// A sort of revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum ListKind {
    /// A certificate revocation list (RFC 5280 5).
    CertificateList = 0,
    /// A token list (docs/token-format.md, section 14).
    TokenList = 1,
}

impl ListUsed {
    /// DER of the issuer's Name.
    pub(crate) fn issuer_der(&self) -> Vec<u8> {
        // What was read from DER goes back into it.
        self.issuer.to_der().unwrap_or_default()
    }

    fn is_within_limits(&self) -> bool {
        self.number.as_bytes().len() <= 20 && attributes(&self.issuer_der()).is_some_and(|name| !name.is_empty())
    }
}

impl Challenge {
    /// Reads the DER of a challenge and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let challenge: Self = read_body(der, FORMAT_VERSION, "challenge")?;
        challenge.check()?;
        Ok(challenge)
    }

    fn check(&self) -> Result<(), Reason> {
        let text = |text: &Option<String>| {
            text.as_deref().is_none_or(|text| (1..=64).contains(&text.len()) && !text.contains(is_misleading))
        };
        let checks = [
            ("grant", self.grant > 0),
            ("machine", !self.machine.is_empty() && check_components(&self.machine)),
            ("virtualization", text(&self.virtualization)),
            ("workOrder", text(&self.work_order)),
            (
                "lists",
                self.lists.as_deref().is_none_or(|lists| {
                    (1..=64).contains(&lists.len()) && lists.iter().all(ListUsed::is_within_limits)
                }),
            ),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map_or(Ok(()), |(field, _)| Err(Reason::ChallengeField(field)))
    }

    /// Refuses what this release cannot enforce, as [`crate::Token::check_enforceable`] does.
    pub(crate) fn check_enforceable(&self) -> Result<(), Reason> {
        critical_extension(self.extensions.as_deref())
    }
}
