//! The body of an activation token: what the authority grants (docs/token-format.md, section 4).
//!
//! These types are the ASN.1 of the format; their limits are in `limits.rs`.

use crate::{
    asn1::{Digest32, Extension, GeneralizedTime, Octets},
    machine::{ComponentKind, MachineComponent},
    reason::Reason,
};
use der::{
    Choice, Decode, Encode, Enumerated, Sequence, Tag, Tagged,
    asn1::{Any, ObjectIdentifier},
};

/// The version of token and challenge bodies that this release reads and writes.
pub const FORMAT_VERSION: u8 = 1;
/// A century, the longest interval that a term may state, in seconds.
pub const MAX_INTERVAL: u32 = 3_155_760_000;
/// The most machines that a token may list.
pub const MAX_LISTED_MACHINES: usize = 4_096;

/// A number of seconds.
pub type Seconds = u32;

/// What the authority grants.
///
/// ```text
/// ActivationToken ::= SEQUENCE {
///   version       INTEGER { v1(1) },
///   id            OCTET STRING (SIZE(16)),
///   revision      INTEGER (1..4294967295),
///   customer      Customer,
///   product       ProductTerms,
///   window        Window,
///   grants        SEQUENCE SIZE(1..16) OF Grant,
///   terms         ActivationTerms,
///   binding       MachineBinding,
///   entitlements  [0] SEQUENCE SIZE(1..256) OF Entitlement OPTIONAL,
///   seats         [1] INTEGER (1..4294967295) OPTIONAL,
///   lists         [2] ListTerms OPTIONAL,
///   extensions    [3] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Token {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// What all versions of this token share; random.
    pub id: Octets<16>,
    /// The token version: a higher one supersedes a lower one of the same id.
    pub revision: u32,
    /// For whom.
    pub customer: Customer,
    /// Which product.
    pub product: ProductTerms,
    /// When it may be activated.
    pub window: Window,
    /// Who may activate.
    pub grants: Vec<Grant>,
    /// For how long an activation holds.
    pub terms: ActivationTerms,
    /// On which machines.
    pub binding: MachineBinding,
    /// What the product may do.
    #[asn1(context_specific = "0", optional = "true")]
    pub entitlements: Option<Vec<Entitlement>>,
    /// How many machines were paid for: counted from receipts, not enforced offline.
    #[asn1(context_specific = "1", optional = "true")]
    pub seats: Option<u32>,
    /// How recent the token lists must be with which a machine is activated.
    #[asn1(context_specific = "2", optional = "true")]
    pub lists: Option<ListTerms>,
    /// Later additions.
    #[asn1(context_specific = "3", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// For whom a token was issued.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Customer {
    /// The authority's identifier, 1 to 64 characters of [`crate::is_identifier`].
    pub id: String,
    /// For people, 1 to 256 octets.
    pub name: String,
}

/// The product that a token activates.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ProductTerms {
    /// The product's identifier, 1 to 64 characters of [`crate::is_identifier`].
    pub id: String,
    /// The edition, an identifier too.
    #[asn1(context_specific = "0", optional = "true")]
    pub edition: Option<String>,
    /// The lowest product version that it covers.
    #[asn1(context_specific = "1", optional = "true")]
    pub from: Option<ProductVersion>,
    /// The lowest product version that it no longer covers.
    #[asn1(context_specific = "2", optional = "true")]
    pub below: Option<ProductVersion>,
}

/// A product's version, compared member by member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Sequence)]
pub struct ProductVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

/// `1.2.3`; missing numbers are zero.
impl core::str::FromStr for ProductVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a version such as 2, 2.4 or 2.4.1";
        let mut numbers = [0; 3];
        let parts: Vec<_> = text.split('.').collect();
        if parts.len() > numbers.len() {
            return Err(EXPECTED);
        }
        for (number, part) in numbers.iter_mut().zip(&parts) {
            *number = part.parse().map_err(|_| EXPECTED)?;
        }
        let [major, minor, patch] = numbers;
        Ok(Self { major, minor, patch })
    }
}

impl core::fmt::Display for ProductVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The interval, both ends included, in which a machine may be activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct Window {
    /// Its first second.
    pub not_before: GeneralizedTime,
    /// Its last second.
    pub not_after: GeneralizedTime,
}

/// A numbered clause that says which holders may activate.
///
/// ```text
/// Grant ::= SEQUENCE {
///   number              INTEGER (1..65535),
///   anchor              HolderAnchor,
///   directIssuer        BOOLEAN DEFAULT FALSE,
///   criteria            [0] SEQUENCE SIZE(1..16) OF Criterion OPTIONAL,
///   authenticationSlot  [1] BOOLEAN DEFAULT FALSE,
///   keyProtection       [2] KeyProtection DEFAULT any,
///   persons             [3] INTEGER (1..8) DEFAULT 1 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Grant {
    /// The number that a challenge names, unique and ascending within the token.
    pub number: u16,
    /// The holder trust anchor; see [`Grant::anchor`].
    pub anchor: Any,
    /// Whether the anchor itself must have issued the holder's certificate; otherwise any CA below it may.
    #[asn1(default = "Default::default")]
    pub direct_issuer: bool,
    /// What the holder's certificate must meet, all of them.
    #[asn1(context_specific = "0", optional = "true")]
    pub criteria: Option<Vec<Criterion>>,
    /// Whether the key in PIV slot 9A will do as well as the one in 9C.
    #[asn1(context_specific = "1", default = "Default::default")]
    pub authentication_slot: bool,
    /// What must be known of the key. Anything but `any` is not enforced by this release, hence refused.
    #[asn1(context_specific = "2", default = "Default::default")]
    pub key_protection: KeyProtection,
    /// How many distinct persons must sign. More than one is not enforced by this release, hence refused.
    #[asn1(context_specific = "3", default = "one")]
    pub persons: u8,
}

fn one() -> u8 {
    1
}

/// The trust anchor that a holder's certificate must chain to.
///
/// ```text
/// HolderAnchor ::= CHOICE {
///   certificate  Certificate,                      -- RFC 5914, as are [1] and [2]
///   tbsCert      [1] EXPLICIT TBSCertificate,      -- refused by version 1
///   taInfo       [2] EXPLICIT TrustAnchorInfo,     -- refused by version 1
///   keyDigest    [3] EXPLICIT OCTET STRING (SIZE(32)) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderAnchor<'a> {
    /// DER of the anchor's certificate.
    Certificate(&'a [u8]),
    /// SHA-256 of the DER of the anchor's SubjectPublicKeyInfo; the certificate comes with the holder's.
    KeyDigest(Digest32),
}

impl Grant {
    /// The trust anchor, where it is of a kind that this release reads. A certificate's DER is written to `buffer`.
    pub fn anchor<'a>(&self, buffer: &'a mut Vec<u8>) -> Result<HolderAnchor<'a>, Reason> {
        const FIELD: &str = "grants.anchor";
        match self.anchor.tag() {
            Tag::Sequence => {
                *buffer = self.anchor.to_der().map_err(|_| Reason::TokenField(FIELD))?;
                Ok(HolderAnchor::Certificate(buffer))
            }
            Tag::ContextSpecific { constructed: true, number } => match number.value() {
                1 | 2 => Err(Reason::NeedsNewerVerifier("a holder anchor without a certificate")),
                3 => Octets::from_der(self.anchor.value())
                    .map(HolderAnchor::KeyDigest)
                    .map_err(|_| Reason::TokenField(FIELD)),
                _ => Err(Reason::TokenField(FIELD)),
            },
            _ => Err(Reason::TokenField(FIELD)),
        }
    }

    /// An anchor by certificate, for building a token.
    pub fn certificate_anchor(der: &[u8]) -> der::Result<Any> {
        Any::from_der(der)
    }

    /// An anchor by key digest, for building a token.
    pub fn key_digest_anchor(digest: Digest32) -> der::Result<Any> {
        let tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(3) };
        Any::new(tag, digest.to_der()?)
    }
}

/// What a holder's certificate must meet.
///
/// ```text
/// Criterion ::= CHOICE {
///   policy            [0] OBJECT IDENTIFIER,
///   extendedKeyUsage  [1] OBJECT IDENTIFIER,
///   subject           [2] AttributePattern,
///   subjectAltName    [3] AltNamePattern,
///   certificate       [4] OCTET STRING (SIZE(32)) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Criterion {
    /// A certificate policy that the whole path asserts (RFC 5280 4.2.1.4).
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Policy(ObjectIdentifier),
    /// An extended key usage that the certificate states (RFC 5280 4.2.1.12).
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT")]
    ExtendedKeyUsage(ObjectIdentifier),
    /// An attribute of the subject that matches a pattern.
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", constructed = "true")]
    Subject(AttributePattern),
    /// A subject alternative name that matches a pattern.
    #[asn1(context_specific = "3", tag_mode = "IMPLICIT", constructed = "true")]
    SubjectAltName(AltNamePattern),
    /// SHA-256 of the certificate's DER.
    #[asn1(context_specific = "4", tag_mode = "IMPLICIT")]
    Certificate(Digest32),
}

/// A pattern for an attribute of a distinguished name, compared by characters as they stand. `*` stands for any
/// run of characters, an empty one too.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct AttributePattern {
    /// The attribute's type, such as 2.5.4.3 for the common name.
    pub attribute: ObjectIdentifier,
    /// 1 to 256 octets.
    pub pattern: String,
}

/// A pattern for a subject alternative name, compared without regard to ASCII case; `*` as above.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct AltNamePattern {
    /// The form of the name.
    pub form: AltNameForm,
    /// 1 to 256 octets.
    pub pattern: String,
}

/// A form of subject alternative name, with the number that GeneralName gives it (RFC 5280 4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum AltNameForm {
    /// otherName of the type user principal name (1.3.6.1.4.1.311.20.2.3).
    UserPrincipalName = 0,
    /// rfc822Name, an e-mail address.
    Rfc822Name = 1,
    /// dNSName.
    DnsName = 2,
    /// uniformResourceIdentifier.
    Uri = 6,
}

/// What must be known of a holder's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum KeyProtection {
    /// Nothing: the slot is the verifier's claim.
    #[default]
    Any = 0,
    /// An attestation that the key was made in hardware and cannot leave it.
    Attested = 1,
}

/// For how long an activation holds, in seconds from the challenge's time.
///
/// ```text
/// ActivationTerms ::= SEQUENCE {
///   validity      [0] INTEGER (1..3155760000) OPTIONAL,   -- absent: without end
///   renewAfter    [1] INTEGER (1..3155760000) OPTIONAL,
///   grace         [2] INTEGER (1..3155760000) OPTIONAL,
///   notification  [3] INTEGER (1..3155760000) OPTIONAL,
///   clockRepair   [4] ClockRepair OPTIONAL }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Sequence)]
pub struct ActivationTerms {
    /// How long; without end where absent.
    #[asn1(context_specific = "0", optional = "true")]
    pub validity: Option<Seconds>,
    /// After how long a renewal is due, less than the validity.
    #[asn1(context_specific = "1", optional = "true")]
    pub renew_after: Option<Seconds>,
    /// Grace after the validity ran out. Not enforced by this release, hence refused.
    #[asn1(context_specific = "2", optional = "true")]
    pub grace: Option<Seconds>,
    /// Notification after the grace. Not enforced by this release, hence refused.
    #[asn1(context_specific = "3", optional = "true")]
    pub notification: Option<Seconds>,
    /// How a clock that ran ahead may be mended.
    #[asn1(context_specific = "4", optional = "true")]
    pub clock_repair: Option<ClockRepair>,
}

/// How a clock that ran ahead may be mended.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ClockRepair {
    /// Trust anchors of time-stamping authorities (RFC 3161), as certificates.
    #[asn1(context_specific = "0", optional = "true")]
    pub timestamp_anchors: Option<Vec<Any>>,
    /// Whether two holders together may. Not enforced by this release, hence refused.
    #[asn1(context_specific = "1", default = "Default::default")]
    pub two_holders: bool,
}

/// On which machines a token may be activated, and how a machine is recognised afterwards.
///
/// ```text
/// MachineBinding ::= SEQUENCE {
///   salt             OCTET STRING (SIZE(32)),
///   required         INTEGER (1..16),
///   components       SEQUENCE SIZE(1..16) OF ComponentRule,
///   machines         [0] SEQUENCE SIZE(1..4096) OF ListedMachine OPTIONAL,  -- absent: any
///   tpm              [1] TpmRule DEFAULT none,
///   virtualMachines  [2] BOOLEAN DEFAULT TRUE }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct MachineBinding {
    /// The key of the component digests, the same in all tokens of a customer.
    pub salt: Digest32,
    /// How many of the components must match.
    pub required: u8,
    /// The components that count, ascending by kind.
    pub components: Vec<ComponentRule>,
    /// The machines; any machine where absent.
    #[asn1(context_specific = "0", optional = "true")]
    pub machines: Option<Vec<ListedMachine>>,
    /// Whether a TPM takes part. Anything but `none` is not enforced by this release, hence refused.
    #[asn1(context_specific = "1", default = "Default::default")]
    pub tpm: TpmRule,
    /// Whether virtual machines and containers may be activated.
    #[asn1(context_specific = "2", default = "yes")]
    pub virtual_machines: bool,
}

fn yes() -> bool {
    true
}

/// A component that counts towards recognising a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Sequence)]
pub struct ComponentRule {
    /// Which component.
    pub kind: ComponentKind,
    /// Whether it must match, however many others do.
    #[asn1(default = "Default::default")]
    pub mandatory: bool,
}

/// A machine on which a token may be activated.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ListedMachine {
    /// For people, 1 to 64 octets.
    pub label: String,
    /// Digests of its components under the token's salt, ascending by kind.
    pub components: Vec<MachineComponent>,
}

/// Whether a TPM 2.0 takes part in the binding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum TpmRule {
    /// It does not.
    #[default]
    None = 0,
    /// Where there is one.
    Preferred = 1,
    /// Nothing goes without one.
    Required = 2,
}

/// Something that the product may do.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Entitlement {
    /// Its name, 1 to 64 characters of [`crate::is_identifier`], unique and ascending within the token.
    pub name: String,
    /// What the product makes of it, up to 1,024 octets.
    pub value: String,
    /// Its own last second.
    #[asn1(context_specific = "0", optional = "true")]
    pub not_after: Option<GeneralizedTime>,
}

/// How recent a token list must be with which a machine is activated. At least one member is there.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ListTerms {
    /// The lowest list number.
    #[asn1(context_specific = "0", optional = "true")]
    pub oldest_number: Option<u64>,
    /// The greatest age at the time of activation, in seconds.
    #[asn1(context_specific = "1", optional = "true")]
    pub max_age: Option<Seconds>,
}
