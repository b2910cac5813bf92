//! What the rules are given and what they return.

use crate::{
    anchors::Anchors,
    asn1::{Digest32, Octets},
    challenge::{ListKind, Slot},
    lists::Lists,
    machine::{MachineComparison, MachineFacts},
    reason::Reason,
    token::{Customer, Entitlement, ProductVersion},
};
use countersign_pki::Time;

/// What the rules are given. The same facts give the same verdict, on any machine, in any year.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The clock; nothing where the machine has none.
    pub now: Option<Time>,
    /// The latest time that this machine is known to have seen; nothing on a fresh one.
    pub newest_time_seen: Option<Time>,
    /// The product that asks.
    pub product: Product<'a>,
    /// The machine.
    pub machine: &'a MachineFacts,
    /// The roots of the token authority.
    pub anchors: &'a Anchors<'a>,
    /// The revocation lists that the machine has; [`crate::NO_LISTS`] where an object is judged by itself.
    pub lists: &'a Lists<'a>,
}

/// The product that asks whether it is activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// Its edition. Where stated, a token for another edition does not activate it.
    pub edition: Option<&'a str>,
    /// Its version. Has to be stated where the token covers some versions only.
    pub version: Option<ProductVersion>,
}

impl<'a> Product<'a> {
    /// A product that states neither edition nor version.
    pub const fn new(id: &'a str) -> Self {
        Self { id, edition: None, version: None }
    }
}

/// The state of a product on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Activated.
    Licensed,
    /// Activated; activate again before it runs out.
    RenewalDue,
    /// Not activated.
    Unlicensed,
    /// Neither yes nor no: what is needed to decide is not there.
    CannotTell,
}

impl State {
    /// Whether the product is activated.
    pub const fn is_activated(self) -> bool {
        matches!(self, Self::Licensed | Self::RenewalDue)
    }

    /// The name used in JSON, such as `renewal-due`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Licensed => "licensed",
            Self::RenewalDue => "renewal-due",
            Self::Unlicensed => "unlicensed",
            Self::CannotTell => "cannot-tell",
        }
    }
}

/// What the rules return: the state, the rule that decided, and what it was decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// The rule that decided.
    pub reason: Reason,
    /// What was verified on the way. Only what verified stands here.
    pub evidence: Evidence,
    /// When the machine was activated.
    pub activated: Option<Time>,
    /// From when on a renewal is due.
    pub renewal_due: Option<Time>,
    /// Last second of the activation; nothing where it has no end.
    pub valid_until: Option<Time>,
    /// What the product may do now; empty unless activated.
    pub entitlements: Vec<Entitlement>,
}

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The token.
    pub token: Option<TokenEvidence>,
    /// The holder who signed.
    pub holder: Option<HolderEvidence>,
    /// How this machine compares with the recorded one.
    pub machine: Option<MachineComparison>,
    /// What virtualises this machine, where that was recognised.
    pub virtualization: Option<String>,
    /// The machine's token lists, and its certificate revocation lists that spoke of the holder's path.
    pub lists: Vec<ListEvidence>,
    /// Number of the anchors update in force; 0 where there is none.
    pub anchors_update: u64,
}

/// A revocation list that was taken into account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEvidence {
    /// What sort of list it is.
    pub kind: ListKind,
    /// The issuer's name.
    pub issuer: String,
    /// Its number, in decimal; beyond 128 bits in hexadecimal with `0x`.
    pub number: String,
    /// When it was issued.
    pub this_update: Time,
}

/// A token that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEvidence {
    /// The id.
    pub id: Octets<16>,
    /// The token version.
    pub revision: u32,
    /// SHA-256 of the whole object.
    pub digest: Digest32,
    /// The signer's word for when it was issued.
    pub issued: Time,
    /// For whom.
    pub customer: Customer,
    /// For which product.
    pub product: String,
    /// For which edition.
    pub edition: Option<String>,
    /// The signer's subject.
    pub signer: String,
    /// The anchor's subject.
    pub anchor: String,
}

/// A holder who was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderEvidence {
    /// The subject.
    pub subject: String,
    /// SHA-256 of the certificate.
    pub certificate: Digest32,
    /// The anchor's subject.
    pub anchor: String,
    /// Number of the grant.
    pub grant: u16,
    /// The slot that the record names: the verifier's claim, unless it is proven.
    pub claimed_slot: Slot,
    /// Whether a certificate policy proves the slot: the issuer has verified an attestation of the card.
    pub slot_proven: bool,
    /// The technician's work order.
    pub work_order: Option<String>,
}

impl Verdict {
    /// A verdict for a reason alone.
    pub fn new(reason: Reason) -> Self {
        let state = match &reason {
            Reason::Licensed => State::Licensed,
            Reason::RenewalDue { .. } => State::RenewalDue,
            reason if reason.cannot_tell() => State::CannotTell,
            _ => State::Unlicensed,
        };
        Self {
            state,
            reason,
            evidence: Evidence::default(),
            activated: None,
            renewal_due: None,
            valid_until: None,
            entitlements: Vec::new(),
        }
    }
}
