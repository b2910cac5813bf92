//! The way to a card: what a session needs from a reader, and how it can fail.

use std::fmt;
use std::time::Duration;

use crate::holders::Process;

/// A connection to one card.
///
/// Implemented by [`PcscTransport`](crate::PcscTransport) for real readers and by scripted doubles in tests.
pub trait Transport {
    /// Sends one command APDU and returns the response APDU (data and the two status bytes), within `limit`.
    fn transmit(&mut self, command: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError>;

    /// Sends a control code to the reader itself (PC/SC part 10) and returns its answer, within `limit`.
    fn control(&mut self, code: u32, data: &[u8], limit: Duration) -> Result<Vec<u8>, TransportError>;

    /// Takes the card for this session alone. If the card was reset or exchanged meanwhile, connects to it again
    /// first: nothing that an earlier session did on the card can be relied upon afterwards.
    fn begin(&mut self) -> Result<(), TransportError>;

    /// Gives the card back to other programs. Does nothing when it was not taken.
    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError>;

    /// What is known of extended-length APDUs on the way to this card. Asked after each [`begin`](Self::begin).
    fn extended_length(&self) -> ExtendedLength;
}

/// What happens to the card when a session gives it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEnd {
    /// The card keeps its state.
    LeaveCard,
    /// The card is reset, so that no other program inherits a verified PIN.
    ResetCard,
}

/// Whether APDUs of more than 255 data bytes can be sent (ISO/IEC 7816-4, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedLength {
    /// The protocol or the reader cannot carry them.
    Impossible,
    /// The card's ATR says that it takes them (ISO/IEC 7816-4, 12.1.1.9, card capabilities).
    Offered,
    /// The way is open, but the ATR does not offer them.
    Unstated,
}

/// Why a reader, or the way to it, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportError {
    /// Several readers, or several cards, fit: one must be named.
    Ambiguous {
        /// Names of the readers that fit.
        readers: Vec<String>,
    },
    /// The caller cancelled the wait.
    Cancelled,
    /// The card does not answer to power: inserted the wrong way round, dirty or broken.
    CardMute,
    /// The card was taken out while it was in use.
    CardRemoved,
    /// Another program reset the card, and with it all that this session had reached.
    CardReset,
    /// The card did not answer in time. The connection is of no further use.
    CardUnresponsive {
        /// The limit that ran out.
        limit: Duration,
    },
    /// No card in any reader, or none in the named one.
    NoCard,
    /// No reader is connected.
    NoReader,
    /// The PC/SC service is not running or not accessible.
    NoService,
    /// Any other PC/SC fault.
    Pcsc {
        /// The PC/SC error code, `SCARD_...`; zero where the fault has none.
        code: u32,
        /// What the PC/SC library says about it.
        text: String,
    },
    /// No reader has that name, wholly or in part.
    ReaderUnknown {
        /// The name that was asked for.
        name: String,
    },
    /// Another program has the card for itself.
    SharingViolation {
        /// Processes seen to use PC/SC, which may be the holders; empty where that cannot be told.
        holders: Vec<Process>,
    },
}

impl TransportError {
    /// The stable code; see [`Error::CODES`](crate::Error::CODES).
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoService => "CS-5001",
            Self::NoReader => "CS-5002",
            Self::ReaderUnknown { .. } => "CS-5003",
            Self::Ambiguous { .. } => "CS-5004",
            Self::NoCard => "CS-5005",
            Self::CardRemoved => "CS-5006",
            Self::CardReset => "CS-5007",
            Self::SharingViolation { .. } => "CS-5008",
            Self::CardUnresponsive { .. } => "CS-5009",
            Self::Cancelled => "CS-5010",
            Self::CardMute => "CS-5011",
            Self::Pcsc { .. } => "CS-5012",
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { readers } => write!(f, "several card readers fit: {}", readers.join(", ")),
            Self::Cancelled => f.write_str("the wait for a card was cancelled"),
            Self::CardMute => f.write_str("the card does not answer to power"),
            Self::CardRemoved => f.write_str("the card was removed while in use"),
            Self::CardReset => f.write_str("the card was reset by another program"),
            Self::CardUnresponsive { limit } => {
                write!(f, "the card did not answer within {} seconds", limit.as_secs())
            }
            Self::NoCard => f.write_str("no smart card in the reader"),
            Self::NoReader => f.write_str("no card reader connected"),
            Self::NoService => f.write_str("the PC/SC service is not running or not accessible"),
            Self::Pcsc { code, text } => write!(f, "PC/SC fault {code:08X}: {text}"),
            Self::ReaderUnknown { name } => write!(f, "no card reader named {name:?}"),
            Self::SharingViolation { holders } if holders.is_empty() => {
                f.write_str("the card is in use by another program")
            }
            Self::SharingViolation { holders } => {
                let names: Vec<_> = holders.iter().map(ToString::to_string).collect();
                write!(f, "the card is in use by another program, perhaps {}", names.join(", "))
            }
        }
    }
}

impl std::error::Error for TransportError {}
