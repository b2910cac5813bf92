//! What can go wrong with a PIV card, with stable codes.

use std::fmt;

use crate::apdu::StatusWord;
use crate::key::{Algorithm, Slot};
use crate::management_key::ManagementAlgorithm;
use crate::transport::TransportError;

/// Why an operation on a card failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The card says nothing about where the key in a slot was made.
    CannotAttest {
        /// The slot asked about.
        slot: Slot,
        /// The card's answer.
        status: StatusWord,
    },
    /// The certificate is compressed, and what comes out is not one, or is too large.
    CertificateCompression {
        /// The slot that was read.
        slot: Slot,
    },
    /// Another card than the one whose certificate was read before.
    CardExchanged,
    /// The value to sign or to store has a length that cannot be right; nothing was sent.
    InputLength {
        /// Bytes given.
        length: usize,
        /// Bytes that would fit: exactly so many to sign, at most so many to store.
        expected: usize,
    },
    /// The card cannot use a key in this slot with this algorithm: no key, a key of another kind, or not supported.
    KeyRefused {
        /// The slot asked for.
        slot: Slot,
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// The card's answer.
        status: StatusWord,
    },
    /// One try is left, and it was to be kept; the PIN was not sent.
    LastTryKept,
    /// A data object is not what SP 800-73 says it is.
    MalformedObject {
        /// Which object.
        object: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The answer to a command is not what SP 800-73 says it is.
    MalformedReply {
        /// Which command.
        command: &'static str,
        /// What is wrong with its answer.
        what: &'static str,
    },
    /// The card did not prove that it knows the management key.
    ManagementCardUnproven,
    /// The kind of the card's management key could not be found out.
    ManagementAlgorithmUnknown,
    /// The card's management key cannot be changed by the command that is known here.
    ManagementKeyFixed {
        /// The card's answer.
        status: StatusWord,
    },
    /// The key given has another length than the card's management key.
    ManagementKeyLength {
        /// What the card has.
        algorithm: ManagementAlgorithm,
        /// Length of the key given, in bytes.
        length: usize,
    },
    /// A management key is 32, 48 or 64 hexadecimal digits.
    ManagementKeyMalformed,
    /// The card asks for its management key first.
    ManagementKeyRequired,
    /// The management key is not the card's.
    ManagementKeyWrong,
    /// The card does not take the new PIN or PUK: its own rules forbid it.
    NewPinRefused,
    /// No certificate in a slot where one is needed. [`Piv::certificate`](crate::Piv::certificate) says `None`
    /// instead; this is for callers that cannot go on without.
    NoCertificate {
        /// The slot that was read.
        slot: Slot,
    },
    /// The reader has no PIN pad that this crate can use.
    NoPinPad,
    /// The card has no PIV application.
    NotPiv {
        /// The card's answer to SELECT.
        status: StatusWord,
    },
    /// The PIN is blocked.
    PinBlocked,
    /// A PIN is six to eight digits; nothing was sent.
    PinMalformed,
    /// The person at the PIN pad pressed cancel.
    PinPadCancelled,
    /// Nobody entered a PIN at the PIN pad in time.
    PinPadTimeout,
    /// The card asks for the PIN first.
    PinRequired,
    /// The PUK is blocked.
    PukBlocked,
    /// A PUK is six to eight digits; nothing was sent.
    PukMalformed,
    /// The card refused a command for any other reason.
    Refused {
        /// Which command.
        command: &'static str,
        /// The card's answer.
        status: StatusWord,
    },
    /// The card sent more than this crate takes.
    ReplyTooLarge {
        /// Which command.
        command: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The reader, or the way to it, failed.
    Transport(TransportError),
    /// The PIN is wrong.
    WrongPin {
        /// Tries that are left.
        tries_left: u8,
    },
    /// The PUK is wrong.
    WrongPuk {
        /// Tries that are left, where the card tells.
        tries_left: Option<u8>,
    },
}

impl Error {
    /// Every code that this crate reports, with its meaning in one line, in order.
    pub const CODES: &[(&str, &str)] = &[
        ("CS-5001", "the PC/SC service is not running or not accessible"),
        ("CS-5002", "no card reader connected"),
        ("CS-5003", "no card reader of that name"),
        ("CS-5004", "several readers or several cards fit"),
        ("CS-5005", "no card in the reader"),
        ("CS-5006", "the card was removed while in use"),
        ("CS-5007", "the card was reset by another program"),
        ("CS-5008", "the card is in use by another program"),
        ("CS-5009", "the card did not answer in time"),
        ("CS-5010", "the wait for a card was cancelled"),
        ("CS-5011", "the card does not answer to power"),
        ("CS-5012", "other PC/SC fault"),
        ("CS-5020", "the card has no PIV application"),
        ("CS-5021", "no certificate in the slot"),
        ("CS-5022", "a data object on the card is malformed"),
        ("CS-5023", "the compressed certificate cannot be expanded"),
        ("CS-5024", "wrong PIN"),
        ("CS-5025", "the PIN is blocked"),
        ("CS-5026", "one PIN try is left and was kept"),
        ("CS-5027", "a PIN is six to eight digits"),
        ("CS-5028", "the card asks for the PIN first"),
        ("CS-5029", "the card has no key for this slot and algorithm"),
        ("CS-5030", "the card's answer is malformed"),
        ("CS-5031", "the card was exchanged for another one"),
        ("CS-5032", "the card refused the command"),
        ("CS-5033", "the card sent too much"),
        ("CS-5034", "the value to sign or to store has the wrong length"),
        ("CS-5035", "wrong PUK"),
        ("CS-5036", "the PUK is blocked"),
        ("CS-5037", "a PUK is six to eight digits"),
        ("CS-5038", "the card does not take the new PIN or PUK"),
        ("CS-5039", "the card cannot attest the key"),
        ("CS-5040", "wrong management key"),
        ("CS-5041", "the kind of management key could not be found out"),
        ("CS-5042", "a management key is 32, 48 or 64 hexadecimal digits"),
        ("CS-5043", "the management key has the wrong length for this card"),
        ("CS-5044", "the card asks for the management key first"),
        ("CS-5045", "the card did not prove that it knows the management key"),
        ("CS-5046", "the card's management key cannot be changed"),
        ("CS-5050", "the reader has no usable PIN pad"),
        ("CS-5051", "PIN entry was cancelled at the reader"),
        ("CS-5052", "nobody entered the PIN at the reader in time"),
    ];

    /// The stable code, one of [`CODES`](Self::CODES).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.code(),
            Self::NotPiv { .. } => "CS-5020",
            Self::NoCertificate { .. } => "CS-5021",
            Self::MalformedObject { .. } => "CS-5022",
            Self::CertificateCompression { .. } => "CS-5023",
            Self::WrongPin { .. } => "CS-5024",
            Self::PinBlocked => "CS-5025",
            Self::LastTryKept => "CS-5026",
            Self::PinMalformed => "CS-5027",
            Self::PinRequired => "CS-5028",
            Self::KeyRefused { .. } => "CS-5029",
            Self::MalformedReply { .. } => "CS-5030",
            Self::CardExchanged => "CS-5031",
            Self::Refused { .. } => "CS-5032",
            Self::ReplyTooLarge { .. } => "CS-5033",
            Self::InputLength { .. } => "CS-5034",
            Self::WrongPuk { .. } => "CS-5035",
            Self::PukBlocked => "CS-5036",
            Self::PukMalformed => "CS-5037",
            Self::NewPinRefused => "CS-5038",
            Self::CannotAttest { .. } => "CS-5039",
            Self::ManagementKeyWrong => "CS-5040",
            Self::ManagementAlgorithmUnknown => "CS-5041",
            Self::ManagementKeyMalformed => "CS-5042",
            Self::ManagementKeyLength { .. } => "CS-5043",
            Self::ManagementKeyRequired => "CS-5044",
            Self::ManagementCardUnproven => "CS-5045",
            Self::ManagementKeyFixed { .. } => "CS-5046",
            Self::NoPinPad => "CS-5050",
            Self::PinPadCancelled => "CS-5051",
            Self::PinPadTimeout => "CS-5052",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAttest { slot, status } => {
                write!(f, "the card cannot attest where the key in slot {slot} was made ({status})")
            }
            Self::CertificateCompression { slot } => {
                write!(f, "the compressed certificate in slot {slot} cannot be expanded")
            }
            Self::CardExchanged => f.write_str("this is another card than before"),
            Self::InputLength { length, expected } => {
                write!(f, "the value has {length} bytes where {expected} fit")
            }
            Self::KeyRefused { slot, algorithm, status } => {
                write!(f, "the card has no usable {algorithm} key in slot {slot} ({status})")
            }
            Self::LastTryKept => f.write_str("one PIN try is left; the PIN was not sent"),
            Self::MalformedObject { object, what } => write!(f, "the {object} on the card is malformed: {what}"),
            Self::MalformedReply { command, what } => write!(f, "the card's answer to {command} is malformed: {what}"),
            Self::ManagementCardUnproven => f.write_str("the card did not prove that it knows the management key"),
            Self::ManagementAlgorithmUnknown => {
                f.write_str("the card does not tell what kind of management key it has")
            }
            Self::ManagementKeyFixed { status } => {
                write!(f, "the card's management key cannot be changed ({status})")
            }
            Self::ManagementKeyLength { algorithm, length } => {
                write!(f, "the card's management key has {} bytes, not {length}", algorithm.key_length())
            }
            Self::ManagementKeyMalformed => f.write_str("a management key is 32, 48 or 64 hexadecimal digits"),
            Self::ManagementKeyRequired => f.write_str("the card asks for its management key first"),
            Self::ManagementKeyWrong => f.write_str("wrong management key"),
            Self::NewPinRefused => f.write_str("the card does not take the new PIN or PUK"),
            Self::NoCertificate { slot } => write!(f, "no certificate in slot {slot}"),
            Self::NoPinPad => f.write_str("the reader has no usable PIN pad"),
            Self::NotPiv { status } => write!(f, "the card has no PIV application ({status})"),
            Self::PinBlocked => f.write_str("the PIN is blocked"),
            Self::PinMalformed => f.write_str("a PIN is six to eight digits"),
            Self::PinPadCancelled => f.write_str("PIN entry was cancelled at the reader"),
            Self::PinPadTimeout => f.write_str("nobody entered the PIN at the reader in time"),
            Self::PinRequired => f.write_str("the card asks for the PIN first"),
            Self::PukBlocked => f.write_str("the PUK is blocked"),
            Self::PukMalformed => f.write_str("a PUK is six to eight digits"),
            Self::Refused { command, status } => write!(f, "the card refused {command} ({status})"),
            Self::ReplyTooLarge { command, limit } => {
                write!(f, "the card's answer to {command} is longer than {limit} bytes")
            }
            Self::Transport(error) => error.fmt(f),
            Self::WrongPin { tries_left: 1 } => f.write_str("wrong PIN; 1 try is left"),
            Self::WrongPin { tries_left } => write!(f, "wrong PIN; {tries_left} tries are left"),
            Self::WrongPuk { tries_left: None } => f.write_str("wrong PUK"),
            Self::WrongPuk { tries_left: Some(1) } => f.write_str("wrong PUK; 1 try is left"),
            Self::WrongPuk { tries_left: Some(tries) } => write!(f, "wrong PUK; {tries} tries are left"),
        }
    }
}

impl std::error::Error for Error {}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}
