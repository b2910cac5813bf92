//! What can go wrong in a command, with stable codes and the exit code that follows from it.

use core::fmt;
use countersign::StoreError;
use countersign_common::{KeyKind, Reason};
use std::{io, path::PathBuf};

/// How a command ended: the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Activated, or done.
    Done = 0,
    /// Refused, or not activated.
    Refused = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// Neither yes nor no: what is needed to decide is not there.
    CannotTell = 3,
    /// The card, the reader or the PIN.
    Card = 4,
    /// Files, the store or the system.
    System = 5,
}

impl Exit {
    /// Of two outcomes the one that a caller has to know about.
    pub(crate) fn worse(self, other: Self) -> Self {
        let order = |exit| match exit {
            Self::Done => 0,
            Self::Refused => 1,
            Self::CannotTell => 2,
            Self::Usage => 3,
            Self::Card => 4,
            Self::System => 5,
        };
        if order(other) > order(self) { other } else { self }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `anchors set`, although the anchors are compiled in.
    AnchorsCompiled,
    /// The person said no, or left the prompt.
    Cancelled,
    /// The card or the reader.
    Card(countersign_card::Error),
    /// A file named on the command line.
    File(PathBuf, FileFault),
    /// PIV has no algorithm for a key of this kind.
    KeyUnsupported(KeyKind),
    /// No list of that name is in the store.
    ListNotInstalled(String),
    /// No clock request waits for its time stamp.
    NoClockRequest,
    /// There is nobody to ask.
    NoTerminal(&'static str),
    /// No token is installed that could be meant.
    NoToken(Option<String>),
    /// A certificate that cannot be a trust anchor.
    NotAnAnchor(String),
    /// The record that the card signed could not be kept; the time floor may have been raised.
    RecordNotKept(StoreError),
    /// The same version of a token, with another content.
    OtherContent {
        /// The token's id.
        id: String,
        /// The version.
        revision: u32,
    },
    /// A lower version of a token than the one installed.
    OlderRevision {
        /// The token's id.
        id: String,
        /// The version that was to be installed.
        revision: u32,
        /// The version that is installed.
        installed: u32,
    },
    /// The PIN cannot be read from its descriptor.
    PinDescriptor(u32, io::Error),
    /// The system has no random numbers.
    Random,
    /// A rule of the format or of the token.
    Reason(Reason),
    /// Several lists could be meant.
    SeveralLists(Vec<String>),
    /// Several tokens could be meant.
    SeveralTokens(Vec<String>),
    /// The card signed with another key than that of its certificate.
    SignatureNotOfCertificate,
    /// The store.
    Store(StoreError),
    /// The store cannot be written to, found out before the card was used.
    StoreNotWritable(PathBuf, io::Error),
    /// No token of that id is in the store.
    TokenNotInstalled(String),
    /// Another error, after which the store is as it was.
    Unwritten(Box<Error>),
    /// The command line cannot be understood.
    Usage(String),
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum FileFault {
    /// A folder stands there.
    Folder,
    /// There is none.
    Missing,
    /// The system refuses to let it be read.
    NoRights,
    /// It is larger than the limit, in octets.
    TooLarge(usize),
    /// It cannot be read for another reason.
    Unreadable(io::Error),
    /// It cannot be written.
    Unwritable(io::Error),
}

impl Error {
    /// Every code of the verifier's own with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-8001", "command line cannot be understood"),
        ("CS-8002", "no such file"),
        ("CS-8003", "a folder where a file is expected"),
        ("CS-8004", "file larger than any that is read"),
        ("CS-8005", "no right to read the file"),
        ("CS-8006", "file cannot be read"),
        ("CS-8007", "file cannot be written"),
        ("CS-8008", "trust anchors are compiled in"),
        ("CS-8009", "lower version of the token than the one installed"),
        ("CS-8010", "same version of the token with another content"),
        ("CS-8011", "no token installed"),
        ("CS-8012", "several tokens fit"),
        ("CS-8013", "no token of that id installed"),
        ("CS-8014", "nobody to ask: not on a terminal"),
        ("CS-8015", "PIN cannot be read from its descriptor"),
        ("CS-8016", "cancelled"),
        ("CS-8017", "no random numbers"),
        ("CS-8018", "a kind of key that PIV cards cannot sign with"),
        ("CS-8019", "the card signed with another key than its certificate's"),
        ("CS-8020", "certificate that cannot be a trust anchor"),
        ("CS-8022", "store cannot be written to"),
        ("CS-8023", "no clock request waits"),
        ("CS-8024", "no list of that name installed"),
        ("CS-8025", "several lists could be meant"),
        ("CS-8030", "others than administrators may write where the trust anchors lie"),
        ("CS-8031", "others may write to the store"),
        ("CS-8032", "machine component cannot be read"),
        ("CS-8033", "few machine components"),
        ("CS-8034", "store does not exist yet"),
        ("CS-8036", "anchors updates that begin at other anchors"),
        ("CS-8037", "overlap of a trust anchor ended or about to end"),
        ("CS-8038", "revocation list that does not count under these anchors"),
        ("CS-8039", "large revocation list without an index"),
        ("CS-8040", "revocation list past its next update"),
    ];

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AnchorsCompiled => "CS-8008",
            Self::Cancelled => "CS-8016",
            Self::Card(error) => error.code(),
            Self::File(_, fault) => match fault {
                FileFault::Missing => "CS-8002",
                FileFault::Folder => "CS-8003",
                FileFault::TooLarge(_) => "CS-8004",
                FileFault::NoRights => "CS-8005",
                FileFault::Unreadable(_) => "CS-8006",
                FileFault::Unwritable(_) => "CS-8007",
            },
            Self::KeyUnsupported(_) => "CS-8018",
            Self::ListNotInstalled(_) => "CS-8024",
            Self::NoClockRequest => "CS-8023",
            Self::NoTerminal(_) => "CS-8014",
            Self::NoToken(_) => "CS-8011",
            Self::NotAnAnchor(_) => "CS-8020",
            Self::OlderRevision { .. } => "CS-8009",
            Self::OtherContent { .. } => "CS-8010",
            Self::PinDescriptor(..) => "CS-8015",
            Self::Random => "CS-8017",
            Self::Reason(reason) => reason.code(),
            Self::SeveralLists(_) => "CS-8025",
            Self::SeveralTokens(_) => "CS-8012",
            Self::SignatureNotOfCertificate => "CS-8019",
            Self::RecordNotKept(error) | Self::Store(error) => error.code(),
            Self::StoreNotWritable(..) => "CS-8022",
            Self::TokenNotInstalled(_) => "CS-8013",
            Self::Unwritten(error) => error.code(),
            Self::Usage(_) => "CS-8001",
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::SeveralLists(_)
            | Self::SeveralTokens(_)
            | Self::NoTerminal(_)
            | Self::Store(StoreError::BadProduct) => Exit::Usage,
            Self::Card(_) | Self::KeyUnsupported(_) | Self::PinDescriptor(..) | Self::SignatureNotOfCertificate => {
                Exit::Card
            }
            Self::Reason(Reason::StoreUnreadable(_))
            | Self::File(..)
            | Self::Random
            | Self::RecordNotKept(_)
            | Self::Store(_)
            | Self::StoreNotWritable(..) => Exit::System,
            Self::Reason(reason) if reason.cannot_tell() => Exit::CannotTell,
            Self::Unwritten(error) => error.exit(),
            Self::AnchorsCompiled
            | Self::Cancelled
            | Self::ListNotInstalled(_)
            | Self::NoClockRequest
            | Self::NoToken(_)
            | Self::NotAnAnchor(_)
            | Self::OlderRevision { .. }
            | Self::OtherContent { .. }
            | Self::Reason(_)
            | Self::TokenNotInstalled(_) => Exit::Refused,
        }
    }

    /// This error, with the word that the store is as it was.
    pub(crate) fn unwritten(self) -> Self {
        match self {
            Self::RecordNotKept(_) | Self::Unwritten(_) | Self::Usage(_) => self,
            error => Self::Unwritten(Box::new(error)),
        }
    }
}

/// The fact in one line, without control over the characters: whoever shows it makes them visible.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnchorsCompiled => f.write_str("the trust anchors are compiled into this verifier"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::NoClockRequest => f.write_str("no clock request waits for a time stamp"),
            Self::Card(error) => error.fmt(f),
            Self::File(path, fault) => write!(f, "{}: {fault}", path.display()),
            Self::KeyUnsupported(kind) => write!(f, "PIV cards cannot sign with a key of the kind {kind}"),
            Self::NoTerminal(wanted) => write!(f, "not on a terminal, so nobody can be asked for {wanted}"),
            Self::NoToken(None) => f.write_str("no token is installed"),
            Self::NoToken(Some(product)) => write!(f, "no token is installed for the product {product}"),
            Self::NotAnAnchor(subject) => write!(f, "not a CA certificate, so no trust anchor: {subject}"),
            Self::OlderRevision { id, revision, installed } => {
                write!(f, "token {id} is version {revision}, and version {installed} is installed")
            }
            Self::OtherContent { id, revision } => {
                write!(f, "token {id} version {revision} is installed with another content")
            }
            Self::PinDescriptor(number, error) => write!(f, "the PIN cannot be read from descriptor {number}: {error}"),
            Self::Random => f.write_str("the system has no random numbers"),
            Self::Reason(reason) => reason.fmt(f),
            Self::RecordNotKept(error) => write!(f, "signed, but the record could not be kept: {error}"),
            Self::ListNotInstalled(name) => write!(f, "no list {name} is in the store"),
            Self::SeveralLists(lists) => write!(f, "several lists could be meant: {}", lists.join("; ")),
            Self::SeveralTokens(tokens) => write!(f, "several tokens fit: {}", tokens.join("; ")),
            Self::SignatureNotOfCertificate => {
                f.write_str("the card signed with another key than that of its certificate")
            }
            Self::Store(error) => error.fmt(f),
            Self::StoreNotWritable(path, error) => write!(f, "nothing can be written to {}: {error}", path.display()),
            Self::TokenNotInstalled(id) => write!(f, "no token {id} is in the store"),
            Self::Unwritten(error) => error.fmt(f),
            Self::Usage(message) => f.write_str(message),
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder => f.write_str("is a folder"),
            Self::Missing => f.write_str("no such file"),
            Self::NoRights => f.write_str("no right to read it"),
            Self::TooLarge(limit) => write!(f, "larger than {limit} octets"),
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::Unwritable(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<countersign_card::Error> for Error {
    fn from(error: countersign_card::Error) -> Self {
        Self::Card(error)
    }
}

impl From<countersign_card::TransportError> for Error {
    fn from(error: countersign_card::TransportError) -> Self {
        Self::Card(error.into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_is_told() {
        assert_eq!(Exit::Done.worse(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::System.worse(Exit::CannotTell), Exit::System);
        assert_eq!(Exit::Refused.worse(Exit::CannotTell), Exit::CannotTell);
    }

    #[test]
    fn exit_codes_tell_no_from_cannot_tell_and_from_failure() {
        for (error, exit) in [
            (Error::Reason(Reason::BadSignature), Exit::Refused),
            (Error::Reason(Reason::NoClock), Exit::CannotTell),
            (Error::Reason(Reason::StoreUnreadable(String::new())), Exit::System),
            (Error::Card(countersign_card::Error::PinBlocked).unwritten(), Exit::Card),
            (Error::Store(StoreError::FloorMissing), Exit::System),
            (Error::Usage(String::new()), Exit::Usage),
        ] {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }
}
