//! Why a verdict is what it is: one reason, with its facts, a stable code, a rank and a remedy.

use crate::{asn1::Digest32, challenge::Slot, machine::ComponentKind, oid, token::ProductVersion};
use core::fmt;
use countersign_pki::{PathError, PathErrorKind, Time};
use der::asn1::ObjectIdentifier;

/// The rule that decided, with the facts that it decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    // What is wrong with the file.
    /// Larger than an object may be.
    TooLarge {
        /// The limit in octets.
        limit: usize,
    },
    /// Not PEM in the one form that is read.
    NotPem(&'static str),
    /// Not DER, or not in its canonical form.
    NotDer {
        /// Which object.
        what: &'static str,
        /// Offset in the object, in octets.
        at: usize,
    },
    /// A CMS object of another content type than ours.
    UnknownObject(ObjectIdentifier),
    /// One of our objects, but not the one that is needed here.
    WrongObject {
        /// What is needed.
        expected: &'static str,
    },
    /// Made for a later version of the format.
    NewerVersion {
        /// The version that it states.
        version: u64,
    },
    /// It states a term that this release cannot enforce.
    NeedsNewerVerifier(&'static str),
    /// A critical extension that this release does not know.
    UnknownCriticalExtension(ObjectIdentifier),
    /// Against the CMS profile of the format; names the member.
    Cms(&'static str),
    /// The signature algorithm is not on the list, or does not go with the signer's key.
    AlgorithmNotAllowed,
    /// The content is not what was signed.
    DigestMismatch,
    /// The signature does not verify.
    BadSignature,
    /// Certificates are there that the path to the anchor does not need.
    UnneededCertificate,
    /// Signed by an algorithm, or with a size of key, that is refused from a date on.
    AlgorithmRefused {
        /// The first second from which it is refused.
        since: Time,
        /// The time that the object is judged at.
        at: Time,
    },
    /// A member of the token is outside the limits of the format.
    TokenField(&'static str),
    /// A member of the challenge is outside the limits of the format.
    ChallengeField(&'static str),
    /// The record holds another token than the one that its challenge names.
    AnotherToken,

    // Who signed.
    /// The product has no trust anchors.
    NoAnchors,
    /// The token signer's certificate is refused.
    Signer(PathError),
    /// The holder's certificate is refused.
    Holder(PathError),
    /// A certificate is used in a role that is not its own.
    RoleMixed(&'static str),
    /// No grant of the token names the number that the challenge does.
    NoSuchGrant {
        /// The number.
        grant: u16,
    },
    /// The holder's certificate fails a criterion of the grant.
    Criterion {
        /// Number of the grant.
        grant: u16,
        /// The criterion in words.
        criterion: String,
    },
    /// The grant's anchor is known by a key digest, and no certificate with that key is there.
    AnchorNotPresent {
        /// SHA-256 of the SubjectPublicKeyInfo.
        key_digest: Digest32,
    },
    /// The grant asks that the anchor itself issued the holder's certificate.
    NotDirectlyIssued {
        /// Number of the grant.
        grant: u16,
    },
    /// The grant does not admit the key in this slot.
    SlotNotAllowed {
        /// Number of the grant.
        grant: u16,
        /// The slot.
        slot: Slot,
    },

    // What it is for.
    /// It activates another product.
    OtherProduct {
        /// The product that it is for.
        token: String,
    },
    /// It activates another edition.
    OtherEdition {
        /// The edition that it is for.
        token: String,
    },
    /// It does not cover this version of the product.
    VersionNotCovered {
        /// The product's version.
        version: ProductVersion,
    },
    /// The token covers some versions only, and the product did not say which it is.
    VersionNotStated,

    // When.
    /// The machine has no clock.
    NoClock,
    /// The machine's clock lies behind a time that has certainly passed.
    ClockBehind {
        /// The clock.
        now: Time,
        /// The latest time known to have passed.
        floor: Time,
    },
    /// Challenge and signature state times that do not agree.
    TimesDisagree {
        /// The challenge's.
        challenge: Time,
        /// The signature's.
        signature: Time,
    },
    /// The activation is dated before the token was issued.
    BeforeToken {
        /// The challenge's time.
        activated: Time,
        /// The token's signing time.
        issued: Time,
    },
    /// The window for activating has not opened.
    WindowNotOpen {
        /// Its first second.
        not_before: Time,
        /// The time of activating.
        at: Time,
    },
    /// The window for activating has closed.
    WindowClosed {
        /// Its last second.
        not_after: Time,
        /// The time of activating.
        at: Time,
    },
    /// The activation has run out.
    Expired {
        /// Its last second.
        valid_until: Time,
        /// Now.
        now: Time,
    },

    // Where.
    /// The record was made on another machine.
    OtherMachine {
        /// The components that differ.
        differing: Vec<ComponentKind>,
    },
    /// The token lists machines, and this is none of them.
    MachineNotListed {
        /// How many it lists.
        listed: usize,
    },
    /// The machine offers too few components to tell.
    TooFewComponents {
        /// How many must match.
        required: usize,
        /// The components that are missing on either side.
        missing: Vec<ComponentKind>,
    },
    /// The token does not allow virtual machines and containers.
    VirtualMachine {
        /// What was recognised.
        virtualization: String,
    },

    // What is on this machine; told by whoever reads the store.
    /// The store has no record for the product.
    NotActivated,
    /// The store, or something in it, cannot be read.
    StoreUnreadable(String),

    // Good.
    /// Everything holds.
    Licensed,
    /// Everything holds, and a renewal is due.
    RenewalDue {
        /// Since when.
        since: Time,
    },
}

/// What to do next. The wording is the program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Activate this machine with a token and a card.
    Activate,
    /// Ask the authority for another token.
    AskAuthority,
    /// Get the file again: it is damaged or not what it should be.
    GetFileAgain,
    /// Grant the rights that reading the machine or the store needs.
    GrantAccess,
    /// Nothing needs to be done.
    Nothing,
    /// Activate again before the activation runs out.
    Renew,
    /// Set the machine's clock.
    SetClock,
    /// Install a later release of the verifier.
    UpgradeVerifier,
    /// Use the card of a person whom the token admits.
    UseAnotherCard,
}

impl Reason {
    /// The stable code, listed in docs/codes.md. The reason for a refused certificate keeps the code of the rule
    /// about certificates.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Licensed => "CS-0001",
            Self::RenewalDue { .. } => "CS-0002",
            Self::TooLarge { .. } => "CS-1001",
            Self::NotPem(_) => "CS-1002",
            Self::NotDer { .. } => "CS-1003",
            Self::UnknownObject(_) => "CS-1004",
            Self::WrongObject { .. } => "CS-1005",
            Self::NewerVersion { .. } => "CS-1006",
            Self::NeedsNewerVerifier(_) => "CS-1007",
            Self::UnknownCriticalExtension(_) => "CS-1008",
            Self::Cms(_) => "CS-1101",
            Self::AlgorithmNotAllowed => "CS-1102",
            Self::DigestMismatch => "CS-1103",
            Self::BadSignature => "CS-1104",
            Self::UnneededCertificate => "CS-1105",
            Self::AlgorithmRefused { .. } => "CS-1106",
            Self::TokenField(_) => "CS-1201",
            Self::ChallengeField(_) => "CS-1202",
            Self::AnotherToken => "CS-1203",
            Self::Signer(error) | Self::Holder(error) => error.kind.code(),
            Self::NoAnchors => "CS-3001",
            Self::RoleMixed(_) => "CS-3002",
            Self::NoSuchGrant { .. } => "CS-3003",
            Self::Criterion { .. } => "CS-3004",
            Self::AnchorNotPresent { .. } => "CS-3005",
            Self::NotDirectlyIssued { .. } => "CS-3006",
            Self::SlotNotAllowed { .. } => "CS-3007",
            Self::OtherProduct { .. } => "CS-3101",
            Self::OtherEdition { .. } => "CS-3102",
            Self::VersionNotCovered { .. } => "CS-3103",
            Self::VersionNotStated => "CS-3104",
            Self::NoClock => "CS-3201",
            Self::ClockBehind { .. } => "CS-3202",
            Self::TimesDisagree { .. } => "CS-3203",
            Self::BeforeToken { .. } => "CS-3204",
            Self::WindowNotOpen { .. } => "CS-3205",
            Self::WindowClosed { .. } => "CS-3206",
            Self::Expired { .. } => "CS-3207",
            Self::OtherMachine { .. } => "CS-4001",
            Self::MachineNotListed { .. } => "CS-4002",
            Self::TooFewComponents { .. } => "CS-4003",
            Self::VirtualMachine { .. } => "CS-4004",
            Self::NotActivated => "CS-6001",
            Self::StoreUnreadable(_) => "CS-6002",
        }
    }

    /// Every code of this crate with what it says, for docs/codes.md. Those about certificates are
    /// [`PathErrorKind::CODES`].
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-0001", "activated"),
        ("CS-0002", "activated, renewal due"),
        ("CS-1001", "file too large"),
        ("CS-1002", "not PEM in the one form that is read"),
        ("CS-1003", "not DER, or not canonical"),
        ("CS-1004", "not an object of Countersign"),
        ("CS-1005", "another object than the one needed"),
        ("CS-1006", "made for a later version of the format"),
        ("CS-1007", "states a term that needs a newer verifier"),
        ("CS-1008", "unknown critical extension in token or challenge"),
        ("CS-1101", "against the CMS profile"),
        ("CS-1102", "signature algorithm of the object not allowed"),
        ("CS-1103", "content is not what was signed"),
        ("CS-1104", "signature of the object does not verify"),
        ("CS-1105", "certificates that the path does not need"),
        ("CS-1106", "object signed by an algorithm that is refused from a date on"),
        ("CS-1201", "member of the token outside its limits"),
        ("CS-1202", "member of the challenge outside its limits"),
        ("CS-1203", "record holds another token than its challenge names"),
        ("CS-3001", "no trust anchors"),
        ("CS-3002", "certificate used in a role that is not its own"),
        ("CS-3003", "no such grant in the token"),
        ("CS-3004", "holder fails a criterion of the grant"),
        ("CS-3005", "certificate of the grant's anchor not present"),
        ("CS-3006", "holder not issued by the anchor itself"),
        ("CS-3007", "slot not allowed by the grant"),
        ("CS-3101", "for another product"),
        ("CS-3102", "for another edition"),
        ("CS-3103", "product version not covered"),
        ("CS-3104", "product version not stated"),
        ("CS-3201", "no clock"),
        ("CS-3202", "clock behind a time that has passed"),
        ("CS-3203", "challenge and signature times disagree"),
        ("CS-3204", "activation dated before the token"),
        ("CS-3205", "activation window not open yet"),
        ("CS-3206", "activation window closed"),
        ("CS-3207", "activation expired"),
        ("CS-4001", "record of another machine"),
        ("CS-4002", "machine not listed in the token"),
        ("CS-4003", "too few machine components to tell"),
        ("CS-4004", "virtual machine not allowed"),
        ("CS-6001", "not activated: no record in the store"),
        ("CS-6002", "store unreadable"),
    ];

    /// How much this reason tells when several records, tokens or grants were tried: the highest is reported. The
    /// further an attempt came, the more its failure says.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Licensed => 100,
            Self::RenewalDue { .. } => 99,
            // Everything but the calendar or the place was right.
            Self::Expired { .. } => 80,
            Self::TooFewComponents { .. } | Self::NoClock | Self::ClockBehind { .. } => 75,
            Self::OtherMachine { .. } | Self::MachineNotListed { .. } | Self::VirtualMachine { .. } => 70,
            Self::VersionNotCovered { .. } | Self::VersionNotStated | Self::OtherEdition { .. } => 65,
            Self::TimesDisagree { .. }
            | Self::BeforeToken { .. }
            | Self::WindowNotOpen { .. }
            | Self::WindowClosed { .. } => 60,
            // The right anchor, but not the right person.
            Self::Criterion { .. } | Self::NotDirectlyIssued { .. } | Self::SlotNotAllowed { .. } => 55,
            Self::RoleMixed(_) => 50,
            Self::Holder(error) | Self::Signer(error) => match error.kind {
                PathErrorKind::NoPath => 30,
                _ => 45,
            },
            Self::NoSuchGrant { .. } | Self::AnchorNotPresent { .. } | Self::AnotherToken => 40,
            Self::NeedsNewerVerifier(_) | Self::NewerVersion { .. } | Self::UnknownCriticalExtension(_) => 35,
            Self::StoreUnreadable(_) | Self::NoAnchors => 25,
            Self::OtherProduct { .. } => 10,
            Self::NotActivated => 0,
            _ => 20,
        }
    }

    /// What to do next.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Licensed => Remedy::Nothing,
            Self::RenewalDue { .. } => Remedy::Renew,
            Self::TooLarge { .. }
            | Self::NotPem(_)
            | Self::NotDer { .. }
            | Self::UnknownObject(_)
            | Self::WrongObject { .. }
            | Self::Cms(_)
            | Self::AlgorithmNotAllowed
            | Self::DigestMismatch
            | Self::BadSignature
            | Self::UnneededCertificate
            | Self::TokenField(_)
            | Self::ChallengeField(_)
            | Self::AnotherToken => Remedy::GetFileAgain,
            Self::NewerVersion { .. } | Self::NeedsNewerVerifier(_) | Self::UnknownCriticalExtension(_) => {
                Remedy::UpgradeVerifier
            }
            Self::Signer(_)
            | Self::AlgorithmRefused { .. }
            | Self::NoAnchors
            | Self::OtherEdition { .. }
            | Self::VersionNotCovered { .. }
            | Self::VersionNotStated
            | Self::WindowClosed { .. }
            | Self::WindowNotOpen { .. }
            | Self::MachineNotListed { .. }
            | Self::VirtualMachine { .. } => Remedy::AskAuthority,
            Self::Holder(_)
            | Self::RoleMixed(_)
            | Self::NoSuchGrant { .. }
            | Self::Criterion { .. }
            | Self::AnchorNotPresent { .. }
            | Self::NotDirectlyIssued { .. }
            | Self::SlotNotAllowed { .. } => Remedy::UseAnotherCard,
            Self::NoClock | Self::ClockBehind { .. } | Self::TimesDisagree { .. } | Self::BeforeToken { .. } => {
                Remedy::SetClock
            }
            Self::OtherProduct { .. } | Self::Expired { .. } | Self::OtherMachine { .. } | Self::NotActivated => {
                Remedy::Activate
            }
            Self::TooFewComponents { .. } | Self::StoreUnreadable(_) => Remedy::GrantAccess,
        }
    }

    /// Whether this reason means "neither yes nor no".
    pub const fn cannot_tell(&self) -> bool {
        matches!(
            self,
            Self::NoClock
                | Self::ClockBehind { .. }
                | Self::TooFewComponents { .. }
                | Self::StoreUnreadable(_)
                | Self::VersionNotStated
        )
    }
}

/// The fact in one line, in English.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Licensed => f.write_str("activated"),
            Self::RenewalDue { since } => write!(f, "activated; a renewal is due since {since}"),
            Self::TooLarge { limit } => write!(f, "larger than {limit} octets"),
            Self::NotPem(fault) => write!(f, "not a PEM file that can be read: {fault}"),
            Self::NotDer { what, at } => write!(f, "{what}: not canonical DER at octet {at}"),
            Self::UnknownObject(oid) => write!(f, "a CMS object of content type {oid}, not one of Countersign"),
            Self::WrongObject { expected } => write!(f, "expected {expected}"),
            Self::NewerVersion { version } => write!(f, "made for version {version} of the format"),
            Self::NeedsNewerVerifier(term) => write!(f, "states a term that needs a newer verifier: {term}"),
            Self::UnknownCriticalExtension(oid) => write!(f, "unknown critical extension {oid}"),
            Self::Cms(member) => write!(f, "against the CMS profile: {member}"),
            Self::AlgorithmNotAllowed => f.write_str("signature algorithm not allowed"),
            Self::DigestMismatch => f.write_str("the content is not what was signed"),
            Self::BadSignature => f.write_str("the signature does not verify"),
            Self::UnneededCertificate => f.write_str("holds certificates that the path does not need"),
            Self::AlgorithmRefused { since, at } => {
                write!(f, "signed by an algorithm or a size of key that is refused from {since}, judged at {at}")
            }
            Self::TokenField(field) => write!(f, "token member {field} is outside its limits"),
            Self::ChallengeField(field) => write!(f, "challenge member {field} is outside its limits"),
            Self::AnotherToken => f.write_str("the record holds another token than its challenge names"),
            Self::NoAnchors => f.write_str("there are no trust anchors"),
            Self::Signer(error) => write!(f, "token signer refused: {error}"),
            Self::Holder(error) => write!(f, "holder refused: {error}"),
            Self::RoleMixed(role) => write!(f, "certificate in a role that is not its own: {role}"),
            Self::NoSuchGrant { grant } => write!(f, "the token has no grant {grant}"),
            Self::Criterion { grant, criterion } => write!(f, "grant {grant} asks for {criterion}"),
            Self::AnchorNotPresent { key_digest } => {
                write!(f, "no certificate with the holder anchor's key {key_digest} is present")
            }
            Self::NotDirectlyIssued { grant } => {
                write!(f, "grant {grant} asks that its anchor itself issued the holder's certificate")
            }
            Self::SlotNotAllowed { grant, slot } => write!(f, "grant {grant} does not admit the key in slot {slot}"),
            Self::OtherProduct { token } => write!(f, "it activates the product {token}"),
            Self::OtherEdition { token } => write!(f, "it activates the edition {token}"),
            Self::VersionNotCovered { version } => write!(f, "it does not cover version {version}"),
            Self::VersionNotStated => {
                f.write_str("it covers some versions only, and the product did not state its version")
            }
            Self::NoClock => f.write_str("the machine has no clock"),
            Self::ClockBehind { now, floor } => write!(f, "the clock says {now}, but {floor} has passed"),
            Self::TimesDisagree { challenge, signature } => {
                write!(f, "challenge time {challenge} and signing time {signature} do not agree")
            }
            Self::BeforeToken { activated, issued } => {
                write!(f, "activated {activated}, before the token was issued {issued}")
            }
            Self::WindowNotOpen { not_before, at } => write!(f, "can be activated from {not_before}, not {at}"),
            Self::WindowClosed { not_after, at } => write!(f, "could be activated until {not_after}, not {at}"),
            Self::Expired { valid_until, now } => write!(f, "activation ran out {valid_until}, it is {now}"),
            Self::OtherMachine { differing } => {
                write!(f, "the record is of another machine; these components differ: {}", list(differing))
            }
            Self::MachineNotListed { listed } => write!(f, "this machine is none of the {listed} that the token lists"),
            Self::TooFewComponents { required, missing } => {
                write!(f, "{required} machine components must match, and these are missing: {}", list(missing))
            }
            Self::VirtualMachine { virtualization } => {
                write!(f, "virtual machines are not allowed, and this one is: {virtualization}")
            }
            Self::NotActivated => f.write_str("not activated: the store has no record for this product"),
            Self::StoreUnreadable(fault) => write!(f, "the store cannot be read: {fault}"),
        }
    }
}

fn list(kinds: &[ComponentKind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl std::error::Error for Reason {}

/// Names an extended key usage of ours in an error about roles.
pub(crate) fn role_of(usage: ObjectIdentifier) -> Option<&'static str> {
    match usage {
        oid::EKU_TOKEN_SIGNING => Some("a token signer as holder"),
        oid::EKU_LIST_SIGNING => Some("a list signer as holder"),
        oid::EKU_ANCHORS_SIGNING => Some("an anchors signer as holder"),
        oid::EKU_PIV_CARD_AUTH => Some("a card authentication key, which needs no PIN, as holder"),
        _ => None,
    }
}
