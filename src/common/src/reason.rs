//! Why a verdict is what it is: one reason, with its facts, a stable code, a rank and a remedy.

use crate::{asn1::Digest32, bundle::PartKind, challenge::Slot, machine::ComponentKind, oid, token::ProductVersion};
use countersign_pki::{PathError, PathErrorKind, RevocationReason, Time};
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
    /// A member of the token list is outside the limits of the format.
    ListField(&'static str),
    /// A member of the anchors update is outside the limits of the format.
    AnchorsField(&'static str),
    /// A member of the bundle's manifest is outside the limits of the format.
    ManifestField(&'static str),
    /// A part of the bundle is not the one that the manifest names.
    BundlePart {
        /// Its number, counted from 1.
        number: usize,
        /// What the manifest says it is.
        kind: PartKind,
    },
    /// The record holds another token than the one that its challenge names.
    AnotherToken,

    // Who signed.
    /// The product has no trust anchors.
    NoAnchors,
    /// The certificate of a signer of the authority is refused.
    Signer(PathError),
    /// The holder's certificate is refused.
    Holder(PathError),
    /// A certificate revocation list is refused.
    List(PathError),
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

    /// The anchors update is not later than the one in force.
    AnchorsNotNewer {
        /// Its number.
        number: u64,
        /// The number in force.
        current: u64,
    },
    /// Too few keys have signed the anchors update.
    AnchorsThreshold {
        /// How many must.
        needed: usize,
        /// How many have.
        found: usize,
        /// Those of whom they are counted.
        whom: &'static str,
    },
    /// The overlap has ended in which machines could be activated under the token's anchor.
    AnchorRetired {
        /// The anchor's subject.
        anchor: String,
        /// The overlap's last second.
        end: Time,
        /// The time of activating.
        at: Time,
    },

    // What the revocation lists say.
    /// The token is revoked.
    TokenRevoked {
        /// Why.
        reason: RevocationReason,
        /// Since when.
        date: Time,
    },
    /// The token is suspended.
    TokenOnHold {
        /// Since when.
        date: Time,
    },
    /// A list that is needed is not there.
    ListMissing {
        /// Its issuer; empty where any token list would do.
        issuer: String,
    },
    /// The newest token list is older than the token's terms accept.
    ListStale {
        /// Its number.
        number: u64,
        /// Its date.
        this_update: Time,
        /// The lowest number accepted.
        oldest_number: Option<u64>,
        /// The greatest age accepted, in seconds.
        max_age: Option<u32>,
    },
    /// The list is earlier than one that was here before.
    ListRollback {
        /// Its issuer.
        issuer: String,
        /// Its number.
        number: u64,
        /// The number that was here.
        newest: u64,
    },
    /// Two lists, or a list and a token, cannot both be the authority's.
    ListsContradict {
        /// The issuer of the list.
        issuer: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The number of the list is too far above the one before.
    ListAhead {
        /// Its issuer.
        issuer: String,
        /// Its number.
        number: u64,
        /// The number that was here.
        newest: u64,
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

    // How a clock is mended.
    /// The token does not permit mending the clock by a time stamp.
    ClockRepairNotPermitted,
    /// The clock does not lie behind the time floor.
    NothingToMend {
        /// The clock.
        now: Time,
    },
    /// The clock request is not one of this machine as it stands; says why.
    ClockRequestVoid(&'static str),
    /// The time-stamping authority refused to stamp.
    StampRefused {
        /// PKIStatus of its answer (RFC 3161 2.4.2).
        status: u8,
    },
    /// Not an answer of a time-stamping authority, or against its profile; names the member.
    Timestamp(&'static str),
    /// The time stamp is of another request; names the member that differs.
    StampOfAnother(&'static str),
    /// The certificate of a time-stamping authority is refused.
    TimeStamper(PathError),
    /// The certificate is not for time stamping alone, or does not say so critically (RFC 3161 2.3).
    StamperUsage {
        /// Its subject.
        subject: String,
    },
    /// The stamped time lies before a time that has certainly passed.
    StampedTooEarly {
        /// The stamped time.
        stamped: Time,
        /// The time that has passed.
        passed: Time,
    },
    /// The clock lies before the stamped time, or too long after it.
    ClockNotNearStamp {
        /// The clock.
        now: Time,
        /// The stamped time.
        stamped: Time,
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
    /// Install the newest bundle of the authority.
    InstallLists,
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
            Self::ListField(_) => "CS-1204",
            Self::AnchorsField(_) => "CS-1205",
            Self::ManifestField(_) => "CS-1206",
            Self::BundlePart { .. } => "CS-1207",
            Self::Signer(error) | Self::Holder(error) | Self::List(error) | Self::TimeStamper(error) => {
                error.kind.code()
            }
            Self::NoAnchors => "CS-3001",
            Self::RoleMixed(_) => "CS-3002",
            Self::NoSuchGrant { .. } => "CS-3003",
            Self::Criterion { .. } => "CS-3004",
            Self::AnchorNotPresent { .. } => "CS-3005",
            Self::NotDirectlyIssued { .. } => "CS-3006",
            Self::SlotNotAllowed { .. } => "CS-3007",
            Self::AnchorsNotNewer { .. } => "CS-3008",
            Self::AnchorsThreshold { .. } => "CS-3009",
            Self::AnchorRetired { .. } => "CS-3010",
            Self::TokenRevoked { .. } => "CS-3301",
            Self::TokenOnHold { .. } => "CS-3302",
            Self::ListMissing { .. } => "CS-3303",
            Self::ListStale { .. } => "CS-3304",
            Self::ListRollback { .. } => "CS-3305",
            Self::ListsContradict { .. } => "CS-3306",
            Self::ListAhead { .. } => "CS-3307",
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
            Self::ClockRepairNotPermitted => "CS-3501",
            Self::NothingToMend { .. } => "CS-3502",
            Self::ClockRequestVoid(_) => "CS-3503",
            Self::StampRefused { .. } => "CS-3504",
            Self::Timestamp(_) => "CS-3505",
            Self::StampOfAnother(_) => "CS-3506",
            Self::StamperUsage { .. } => "CS-3507",
            Self::StampedTooEarly { .. } => "CS-3508",
            Self::ClockNotNearStamp { .. } => "CS-3509",
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
        ("CS-1204", "member of the token list outside its limits"),
        ("CS-1205", "member of the anchors update outside its limits"),
        ("CS-1206", "member of the bundle's manifest outside its limits"),
        ("CS-1207", "part of the bundle is not what the manifest says"),
        ("CS-3001", "no trust anchors"),
        ("CS-3002", "certificate used in a role that is not its own"),
        ("CS-3003", "no such grant in the token"),
        ("CS-3004", "holder fails a criterion of the grant"),
        ("CS-3005", "certificate of the grant's anchor not present"),
        ("CS-3006", "holder not issued by the anchor itself"),
        ("CS-3007", "slot not allowed by the grant"),
        ("CS-3008", "anchors update not later than the one in force"),
        ("CS-3009", "too few have signed the anchors update"),
        ("CS-3010", "the overlap of the token's anchor has ended"),
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
        ("CS-3301", "token revoked"),
        ("CS-3302", "token suspended"),
        ("CS-3303", "revocation list missing"),
        ("CS-3304", "revocation list older than the token accepts"),
        ("CS-3305", "revocation list earlier than one that was here"),
        ("CS-3306", "revocation lists contradict each other or the token"),
        ("CS-3307", "number of the revocation list too far ahead"),
        ("CS-3501", "clock repair by time stamp not permitted by the token"),
        ("CS-3502", "clock not behind: nothing to mend"),
        ("CS-3503", "clock request void"),
        ("CS-3504", "time-stamping authority refused to stamp"),
        ("CS-3505", "time stamp malformed or against the profile"),
        ("CS-3506", "time stamp of another request"),
        ("CS-3507", "certificate not for time stamping alone"),
        ("CS-3508", "stamped before a time that has passed"),
        ("CS-3509", "clock before the stamped time, or too long after it"),
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
            // Everything else was right, and somebody took it back.
            Self::TokenRevoked { .. } | Self::TokenOnHold { .. } | Self::ListsContradict { .. } => 85,
            Self::ListMissing { .. } | Self::ListStale { .. } | Self::ListRollback { .. } | Self::ListAhead { .. } => {
                78
            }
            // Everything but the calendar or the place was right.
            Self::Expired { .. } => 80,
            Self::TooFewComponents { .. } | Self::NoClock | Self::ClockBehind { .. } => 75,
            Self::OtherMachine { .. } | Self::MachineNotListed { .. } | Self::VirtualMachine { .. } => 70,
            Self::VersionNotCovered { .. } | Self::VersionNotStated | Self::OtherEdition { .. } => 65,
            Self::TimesDisagree { .. }
            | Self::BeforeToken { .. }
            | Self::WindowNotOpen { .. }
            | Self::AnchorRetired { .. }
            | Self::WindowClosed { .. } => 60,
            // The right anchor, but not the right person.
            Self::Criterion { .. } | Self::NotDirectlyIssued { .. } | Self::SlotNotAllowed { .. } => 55,
            Self::RoleMixed(_) => 50,
            Self::Holder(error) | Self::Signer(error) | Self::List(error) | Self::TimeStamper(error) => {
                match error.kind {
                    PathErrorKind::NoPath => 30,
                    _ => 45,
                }
            }
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
            Self::Licensed | Self::NothingToMend { .. } => Remedy::Nothing,
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
            | Self::List(_)
            | Self::ListField(_)
            | Self::AnchorsField(_)
            | Self::ManifestField(_)
            | Self::BundlePart { .. }
            | Self::AnchorsThreshold { .. }
            | Self::StampRefused { .. }
            | Self::Timestamp(_)
            | Self::StampOfAnother(_)
            | Self::TimeStamper(_)
            | Self::StamperUsage { .. }
            | Self::StampedTooEarly { .. }
            | Self::AnotherToken => Remedy::GetFileAgain,
            Self::NewerVersion { .. } | Self::NeedsNewerVerifier(_) | Self::UnknownCriticalExtension(_) => {
                Remedy::UpgradeVerifier
            }
            Self::Signer(_)
            | Self::AlgorithmRefused { .. }
            | Self::ClockRepairNotPermitted
            | Self::ClockRequestVoid(_)
            | Self::NoAnchors
            | Self::AnchorRetired { .. }
            | Self::TokenRevoked { .. }
            | Self::TokenOnHold { .. }
            | Self::ListsContradict { .. }
            | Self::ListAhead { .. }
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
            Self::NoClock
            | Self::ClockBehind { .. }
            | Self::TimesDisagree { .. }
            | Self::BeforeToken { .. }
            | Self::ClockNotNearStamp { .. } => Remedy::SetClock,
            Self::AnchorsNotNewer { .. }
            | Self::ListMissing { .. }
            | Self::ListStale { .. }
            | Self::ListRollback { .. } => Remedy::InstallLists,
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
                | Self::ListMissing { .. }
                | Self::StoreUnreadable(_)
                | Self::VersionNotStated
        )
    }
}

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
