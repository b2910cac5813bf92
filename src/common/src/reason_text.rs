//! Reasons in words.

use crate::{machine::ComponentKind, reason::Reason};
use core::fmt;

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
            Self::ListField(field) => write!(f, "token list member {field} is outside its limits"),
            Self::AnchorsField(field) => write!(f, "anchors update member {field} is outside its limits"),
            Self::ManifestField(field) => write!(f, "manifest member {field} is outside its limits"),
            Self::LedgerField(field) => write!(f, "ledger member {field} is outside its limits"),
            Self::ApprovalField(field) => write!(f, "approval: {field} is outside the limits"),
            Self::BundlePart { number, kind } => {
                write!(f, "part {number} of the bundle is not the {} that the manifest names", kind.name())
            }
            Self::AnotherToken => f.write_str("the record holds another token than its challenge names"),
            Self::NoAnchors => f.write_str("there are no trust anchors"),
            Self::Signer(error) => write!(f, "signer refused: {error}"),
            Self::Holder(error) => write!(f, "holder refused: {error}"),
            Self::List(error) => error.fmt(f),
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
            Self::AnchorsNotNewer { number, current } => {
                write!(f, "anchors update {number} is not later than {current}, which is in force")
            }
            Self::AnchorsThreshold { needed, found, whom } => {
                write!(f, "{found} of those {whom} have signed the anchors update, {needed} must")
            }
            Self::NoInclusionProof => {
                f.write_str("the anchors demand a proof that the token is in the ledger, and it carries none")
            }
            Self::NotInLedger(fault) => write!(f, "the token is not shown to be in the ledger: {fault}"),
            Self::Approval { approver, reason } => write!(f, "the approval by {approver} is refused: {reason}"),
            Self::ApprovalOfAnother => f.write_str("it approves another token than this one"),
            Self::TooFewApprovals { needed, found } => {
                write!(f, "approvals of {needed} persons are needed, and it has those of {found}")
            }
            Self::AnchorRetired { anchor, end, at } => {
                write!(f, "under {anchor} machines could be activated until {end}, not {at}")
            }
            Self::TokenRevoked { reason, date } => write!(f, "the token is revoked since {date}: {}", reason.name()),
            Self::TokenOnHold { date } => write!(f, "the token is suspended since {date}"),
            Self::ListMissing { issuer } if issuer.is_empty() => {
                f.write_str("the token asks for a token list, and there is none")
            }
            Self::ListMissing { issuer } => {
                write!(f, "this machine was activated with a revocation list of {issuer}, which is not there any more")
            }
            Self::ListStale { number, this_update, oldest_number, max_age } => {
                write!(f, "the newest token list, number {number} of {this_update}, is too old: the token accepts ")?;
                match (oldest_number, max_age) {
                    (Some(oldest), Some(age)) => write!(f, "number {oldest} and later, up to {age} seconds old"),
                    (Some(oldest), None) => write!(f, "number {oldest} and later"),
                    (None, age) => write!(f, "lists up to {} seconds old", age.unwrap_or_default()),
                }
            }
            Self::ListRollback { issuer, number, newest } => {
                write!(f, "revocation list {number} of {issuer} is earlier than {newest}, which was here before")
            }
            Self::ListsContradict { issuer, what } => write!(f, "revocation lists of {issuer} contradict: {what}"),
            Self::ListAhead { issuer, number, newest } => {
                write!(f, "revocation list {number} of {issuer} is too far above {newest}, which is here")
            }
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
            Self::ClockRepairNotPermitted => f.write_str("the token does not permit mending the clock by a time stamp"),
            Self::NothingToMend { now } => write!(f, "the clock says {now} and is not behind: nothing to mend"),
            Self::ClockRequestVoid(why) => write!(f, "the clock request is void: {why}"),
            Self::StampRefused { status } => write!(f, "the time-stamping authority refused to stamp, status {status}"),
            Self::Timestamp(member) => write!(f, "not a time stamp that can be read: {member}"),
            Self::StampOfAnother(member) => write!(f, "the time stamp is of another request: its {member} differs"),
            Self::TimeStamper(error) => write!(f, "time-stamping authority refused: {error}"),
            Self::StamperUsage { subject } => {
                write!(f, "{subject}: certificate not critically for time stamping and nothing else")
            }
            Self::StampedTooEarly { stamped, passed } => write!(f, "stamped {stamped}, but {passed} had passed"),
            Self::ClockNotNearStamp { now, stamped } => {
                write!(f, "the clock says {now}; it must be right, within 30 days after the stamp of {stamped}")
            }
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
