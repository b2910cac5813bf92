//! What can go wrong with a key on a PIV card, apart from the card itself, whose codes are those of its crate.

use core::fmt;
use countersign_card::Slot;

/// Why a key on a card is not used.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PivError {
    /// Several cards may be meant.
    Ambiguous {
        /// Each, with what is on it.
        found: Vec<String>,
    },
    /// No PIV card has keys of this kind, or this program does not sign with them.
    KeyKind(String),
    /// No card in a reader has the key.
    Missing {
        /// What is in each reader.
        found: Vec<String>,
    },
    /// The slot in which a key was to be made has one.
    SlotTaken {
        /// Which slot.
        slot: Slot,
        /// Of whom its certificate is, where there is one.
        subject: Option<String>,
    },
}

impl PivError {
    /// Every code with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7028", "no card in a reader has the key"),
        ("CS-7029", "several cards may be meant"),
        ("CS-7038", "slot for a new key has one"),
        ("CS-7039", "key of a kind that PIV cards do not sign with"),
    ];

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "CS-7028",
            Self::Ambiguous { .. } => "CS-7029",
            Self::SlotTaken { .. } => "CS-7038",
            Self::KeyKind(_) => "CS-7039",
        }
    }

    /// What to do next.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::Ambiguous { .. } => "take the others out, or add ;reader=NAME to the URI",
            Self::KeyKind(_) => "choose P-256, P-384 or RSA of 2048 to 4096 bits",
            Self::Missing { .. } => "put in the card with the key, and repeat the command: nothing was written",
            Self::SlotTaken { .. } => {
                "to use that key leave ;key=new out of the URI; to make another one empty the slot with the card's own \
                 software, or take another card"
            }
        }
    }
}

impl fmt::Display for PivError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { found } => write!(f, "several cards may be meant: {}", found.join("; ")),
            Self::KeyKind(kind) => write!(f, "PIV cards do not sign with a key of this kind: {kind}"),
            Self::Missing { found } => write!(f, "no card in a reader has the key; there: {}", found.join("; ")),
            Self::SlotTaken { slot, subject: Some(subject) } => {
                write!(f, "slot {slot} has a key already, with the certificate of {subject}")
            }
            Self::SlotTaken { slot, subject: None } => write!(f, "slot {slot} has a key already"),
        }
    }
}
