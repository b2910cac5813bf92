//! Why a verdict is what it is: one reason, with its facts.

use crate::{asn1::Digest32, bundle::PartKind, challenge::Slot, machine::ComponentKind, oid, token::ProductVersion};
use countersign_pki::{PathError, RevocationReason, Time};
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
    /// A member of a tree head or a proof from the ledger is outside the limits of the format.
    LedgerField(&'static str),
    /// A member of an approval is outside the limits of the format.
    ApprovalField(&'static str),
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

    /// The anchors demand a proof that the token is in the ledger, and it carries none.
    NoInclusionProof,
    /// The proof that a token carries does not show that it is in the ledger.
    NotInLedger(&'static str),

    /// An approval that counts is refused.
    Approval {
        /// The subject of whoever signed it.
        approver: String,
        /// Why.
        reason: Box<Reason>,
    },
    /// The approval is of another token.
    ApprovalOfAnother,
    /// Fewer persons than necessary have approved the token.
    TooFewApprovals {
        /// How many must.
        needed: u8,
        /// How many have.
        found: usize,
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

/// Names an extended key usage of ours in an error about roles.
pub(crate) fn role_of(usage: ObjectIdentifier) -> Option<&'static str> {
    match usage {
        oid::EKU_TOKEN_SIGNING => Some("a token signer as holder"),
        oid::EKU_LIST_SIGNING => Some("a list signer as holder"),
        oid::EKU_ANCHORS_SIGNING => Some("an anchors signer as holder"),
        oid::EKU_LEDGER_SIGNING => Some("a ledger signer as holder"),
        oid::EKU_TOKEN_APPROVAL => Some("an approver of tokens as holder"),
        oid::EKU_PIV_CARD_AUTH => Some("a card authentication key, which needs no PIN, as holder"),
        _ => None,
    }
}
