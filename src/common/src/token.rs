//! The body of an activation token: what the authority grants (docs/token-format.md, section 4).
//!
//! These types are the ASN.1 of the format. [`Token::check`] holds a body to the limits of the format; the authority
//! calls it before signing, the verifier after reading.

use crate::{
    asn1::{BodyError, Digest32, Extension, GeneralizedTime, Octets, read_body},
    machine::{ComponentKind, MachineComponent, check_components},
    reason::Reason,
};
use countersign_pki::is_misleading;
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
    /// The oldest revocation lists it accepts. Not enforced by this release, hence refused.
    #[asn1(context_specific = "2", optional = "true")]
    pub lists: Option<ListTerms>,
    /// Later additions.
    #[asn1(context_specific = "3", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

/// For whom a token was issued.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Customer {
    /// The authority's identifier, 1 to 64 characters of [`is_identifier`].
    pub id: String,
    /// For people, 1 to 256 octets.
    pub name: String,
}

/// The product that a token activates.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ProductTerms {
    /// The product's identifier, 1 to 64 characters of [`is_identifier`].
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
    /// How a clock that ran ahead may be mended. Not enforced by this release, hence refused.
    #[asn1(context_specific = "4", optional = "true")]
    pub clock_repair: Option<ClockRepair>,
}

/// How a clock that ran ahead may be mended.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ClockRepair {
    /// Trust anchors of time-stamping authorities (RFC 3161), as certificates.
    #[asn1(context_specific = "0", optional = "true")]
    pub timestamp_anchors: Option<Vec<Any>>,
    /// Whether two holders together may.
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
    /// Its name, 1 to 64 characters of [`is_identifier`], unique and ascending within the token.
    pub name: String,
    /// What the product makes of it, up to 1,024 octets.
    pub value: String,
    /// Its own last second.
    #[asn1(context_specific = "0", optional = "true")]
    pub not_after: Option<GeneralizedTime>,
}

/// The oldest revocation lists that a token accepts.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ListTerms {
    /// The lowest list number.
    #[asn1(context_specific = "0", optional = "true")]
    pub oldest_number: Option<u64>,
    /// The greatest age at the time of activation, in seconds.
    #[asn1(context_specific = "1", optional = "true")]
    pub max_age: Option<Seconds>,
}

/// Whether a text may stand as an identifier: ASCII letters and digits, `.`, `_` and `-`, not beginning with `.` or
/// `-`, 1 to 64 of them. Such a text is safe as a file name.
pub fn is_identifier(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

impl Token {
    /// Reads the DER of a body and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let token: Self = read_body(der, FORMAT_VERSION).map_err(|error| match error {
            BodyError::NotDer(at) => Reason::NotDer { what: "token body", at },
            BodyError::Newer(version) => Reason::NewerVersion { version },
        })?;
        token.check()?;
        Ok(token)
    }

    /// Holds a body to the limits of the format. Terms that this release cannot enforce are another matter:
    /// [`Self::check_enforceable`].
    pub fn check(&self) -> Result<(), Reason> {
        self.violation().map_or(Ok(()), |field| Err(Reason::TokenField(field)))
    }

    /// The first member that is outside the limits of the format.
    fn violation(&self) -> Option<&'static str> {
        let text = |text: &str, longest| !text.is_empty() && text.len() <= longest && !text.contains(is_misleading);
        let interval = |interval: Option<u32>| interval.is_none_or(|seconds| (1..=MAX_INTERVAL).contains(&seconds));
        let product = &self.product;
        let range_is_empty = matches!((product.from, product.below), (Some(from), Some(below)) if from >= below);
        let entitlements = self.entitlements.as_deref();
        let checks = [
            ("version", self.version == FORMAT_VERSION),
            ("revision", self.revision > 0),
            ("customer.id", is_identifier(&self.customer.id)),
            ("customer.name", text(&self.customer.name, 256)),
            ("product.id", is_identifier(&product.id)),
            ("product.edition", product.edition.as_deref().is_none_or(is_identifier)),
            ("product.below", !range_is_empty),
            ("window", self.window.not_before <= self.window.not_after),
            ("grants", (1..=16).contains(&self.grants.len())),
            (
                "grants.number",
                ascending(self.grants.iter().map(|grant| grant.number))
                    && self.grants[..].first().is_none_or(|grant| grant.number > 0),
            ),
            ("grants.criteria", self.grants.iter().all(Grant::criteria_within_limits)),
            ("grants.persons", self.grants.iter().all(|grant| (1..=8).contains(&grant.persons))),
            ("terms.validity", interval(self.terms.validity)),
            (
                "terms.renewAfter",
                interval(self.terms.renew_after)
                    && self
                        .terms
                        .renew_after
                        .is_none_or(|after| self.terms.validity.is_none_or(|validity| after < validity)),
            ),
            ("terms.grace", interval(self.terms.grace)),
            ("terms.notification", interval(self.terms.notification)),
            (
                "entitlements",
                entitlements.is_none_or(|list| {
                    (1..=256).contains(&list.len())
                        && ascending(list.iter().map(|entitlement| entitlement.name.as_str()))
                }),
            ),
            (
                "entitlements.name",
                entitlements.is_none_or(|list| list.iter().all(|entitlement| is_identifier(&entitlement.name))),
            ),
            (
                "entitlements.value",
                entitlements.is_none_or(|list| list.iter().all(|entitlement| entitlement.value.len() <= 1_024)),
            ),
            ("seats", self.seats != Some(0)),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map(|(field, _)| *field).or_else(|| self.binding.violation())
    }

    /// Refuses what this release cannot enforce: never ignored, so that nobody is licensed on terms that nobody
    /// keeps.
    pub fn check_enforceable(&self) -> Result<(), Reason> {
        let needs = |needed, term| if needed { Err(Reason::NeedsNewerVerifier(term)) } else { Ok(()) };
        needs(self.grants.iter().any(|grant| grant.persons > 1), "several holders")?;
        needs(self.grants.iter().any(|grant| grant.key_protection != KeyProtection::Any), "key attestation")?;
        needs(self.terms.grace.is_some(), "grace")?;
        needs(self.terms.notification.is_some(), "notification")?;
        needs(self.terms.clock_repair.is_some(), "clock repair")?;
        needs(self.binding.tpm != TpmRule::None, "TPM binding")?;
        needs(self.lists.is_some(), "revocation lists")?;
        for grant in &self.grants {
            grant.anchor(&mut Vec::new())?;
        }
        critical_extension(self.extensions.as_deref())
    }
}

impl Grant {
    fn criteria_within_limits(&self) -> bool {
        let pattern = |pattern: &str| (1..=256).contains(&pattern.len());
        self.criteria.as_deref().is_none_or(|criteria| {
            (1..=16).contains(&criteria.len())
                && criteria.iter().all(|criterion| match criterion {
                    Criterion::Subject(subject) => is_der(&subject.attribute) && pattern(&subject.pattern),
                    Criterion::SubjectAltName(name) => pattern(&name.pattern),
                    Criterion::Policy(id) | Criterion::ExtendedKeyUsage(id) => is_der(id),
                    Criterion::Certificate(_) => true,
                })
        })
    }
}

impl MachineBinding {
    fn violation(&self) -> Option<&'static str> {
        let kinds = self.components.len();
        if !(1..=16).contains(&kinds) || !ascending(self.components.iter().map(|rule| rule.kind)) {
            return Some("binding.components");
        }
        if !(1..=kinds).contains(&usize::from(self.required)) {
            return Some("binding.required");
        }
        let listed = |machine: &ListedMachine| {
            (1..=64).contains(&machine.label.len())
                && !machine.label.contains(is_misleading)
                && !machine.components.is_empty()
                && check_components(&machine.components)
        };
        let machines = self.machines.as_deref();
        let within =
            machines.is_none_or(|list| (1..=MAX_LISTED_MACHINES).contains(&list.len()) && list.iter().all(listed));
        if within { None } else { Some("binding.machines") }
    }
}

/// Whether each item is greater than the one before.
pub(crate) fn ascending<T: PartialOrd>(items: impl Iterator<Item = T>) -> bool {
    let mut last = None;
    for item in items {
        if last.as_ref().is_some_and(|last| *last >= item) {
            return false;
        }
        last = Some(item);
    }
    true
}

/// Whether no arc of an object identifier is padded in front (X.690 8.19.2), which its type lets pass.
fn is_der(id: &ObjectIdentifier) -> bool {
    let mut begins = true;
    id.as_bytes().iter().all(|octet| {
        let padded = begins && *octet == 0x80;
        begins = *octet < 0x80;
        !padded
    })
}

pub(crate) fn extensions_within_limits(extensions: Option<&[Extension]>) -> bool {
    extensions.is_none_or(|list| {
        (1..=16).contains(&list.len())
            && ascending(list.iter().map(|extension| extension.id))
            && list.iter().all(|extension| is_der(&extension.id))
    })
}

/// Version 1 knows no extension, so a critical one is refused and any other ignored.
pub(crate) fn critical_extension(extensions: Option<&[Extension]>) -> Result<(), Reason> {
    let critical = extensions.unwrap_or_default().iter().find(|extension| extension.critical);
    critical.map_or(Ok(()), |extension| Err(Reason::UnknownCriticalExtension(extension.id)))
}
