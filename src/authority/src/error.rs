//! What can go wrong, each with a stable code and the fact.

use crate::{keys::HsmError, lint::Finding};
use core::fmt;
use countersign_common::{Reason, Time};
use std::path::{Path, PathBuf};

/// Why a command was not carried out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The arguments contradict each other or cannot be read.
    Usage(String),
    /// The folder is not an authority.
    NoAuthority(PathBuf),
    /// There is something where the authority was to be founded.
    AuthorityExists(PathBuf),
    /// The authority was founded by a later release.
    AuthorityNewer {
        /// The version of its layout.
        format: u32,
    },
    /// The authority was founded by an earlier release.
    AuthorityOlder {
        /// The version of its layout.
        format: u32,
    },
    /// A file of the authority is not what it should be.
    AuthorityDamaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// There is a file where one was to be made.
    FileExists(PathBuf),
    /// A file cannot be read or written.
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        fault: std::io::Error,
    },
    /// A file is larger than anything that would be read.
    FileTooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in octets.
        limit: usize,
    },
    /// Profiles cannot be read, contradict themselves, or name files that are not what they should be.
    Profile(Vec<Finding>),
    /// The limits of the authority cannot be read.
    Limits(Vec<Finding>),
    /// A description of a machine cannot be read.
    MachineFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A file of certificates cannot be used.
    CertificateFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A file of revocation lists cannot be used.
    ListFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A secret is needed and there is neither a terminal nor a descriptor.
    NoTerminal(&'static str),
    /// A secret cannot be read from its descriptor.
    Descriptor {
        /// The descriptor's number.
        number: i32,
        /// What the system said.
        fault: std::io::Error,
    },
    /// The passphrase does not open the key.
    WrongPassphrase,
    /// The passphrase is too short to protect anything.
    WeakPassphrase,
    /// The passphrase was typed differently the second time.
    PassphrasesDiffer,
    /// A key file is not what it should be.
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A key and its certificate do not belong together, or a signature that it made does not verify.
    KeyMismatch,
    /// The system has no random numbers.
    Random,
    /// The system's clock cannot be right.
    Clock,
    /// Something could not be encoded: a fault of this program.
    Encoding(der::Error),
    /// The ledger cannot be read or written.
    Ledger(rusqlite::Error),
    /// The ledger is not what it should be.
    LedgerDamaged(String),
    /// The ledger was changed; says where and how.
    LedgerAltered(String),
    /// The ledger is not the one that a tree head was signed over.
    NotTheSignedTree {
        /// Which head.
        head: String,
        /// How they differ.
        fault: String,
    },
    /// A tree head that the ledger keeps is refused.
    KeptHead {
        /// Its number.
        number: usize,
        /// Why.
        reason: Reason,
    },
    /// No head that was signed covers an entry.
    NotSignedYet {
        /// The entry's number.
        entry: u64,
        /// How many entries the last head covers.
        size: u64,
    },
    /// A key was to be opened by the secret that opens the keys of somebody else.
    SecretsSame,
    /// The ledger has no such entry.
    NoEntry(String),
    /// Several things begin so.
    Ambiguous(String),
    /// No root of this authority issued the certificate.
    NotIssuedHere(String),
    /// It is revoked already.
    RevokedAlready(String),
    /// It is not on hold.
    NotOnHold(String),
    /// The key in use was revoked.
    SignerRevoked(&'static str),
    /// The clock is behind the last list.
    ClockBehindList {
        /// The clock.
        now: Time,
        /// When the last list was issued.
        issued: Time,
    },
    /// The customer is not known yet, and the name was not given.
    CustomerName(String),
    /// The token to supersede is for another customer or product.
    OtherToken(&'static str),
    /// The lint refuses what was to be signed.
    Lint(Vec<Finding>),
    /// What was signed does not verify.
    Verification(Reason),
    /// What was signed does not say what it was meant to say.
    NotWhatWasMeant,
    /// The record names a token that this ledger does not have.
    UnknownToken {
        /// Which file.
        path: PathBuf,
        /// The token's id.
        id: String,
    },
    /// The objects of an anchors update are not signatures over one body.
    UpdatesDiffer(PathBuf),
    /// The person has signed the update, or approved the request, already.
    SignedAlready(String),
    /// The ledger does not know of the request.
    NotRequestedHere(String),
    /// The token of the request was issued already, or one that follows it.
    IssuedAlready(String),
    /// Officers have to approve the token first.
    NeedsApprovals(u8),
    /// A file of a request cannot be used.
    RequestFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The certificate of somebody who approved was revoked.
    ApproverRevoked(String),
    /// The ledger has something else by now than the request says.
    RequestOvertaken(&'static str),
    /// The update would leave the authority without its own token root.
    OwnRootMissing,
    /// The file is not one of our objects.
    Object {
        /// Which file.
        path: PathBuf,
        /// Why it is refused.
        reason: Reason,
    },
    /// The file holds a private key.
    PrivateKey(PathBuf),
    /// The card or the way to it.
    Card(countersign_card::Error),
    /// A key in hardware or the way to it.
    Hsm(HsmError),
    /// The slot has a certificate already.
    SlotOccupied {
        /// Its subject.
        subject: String,
    },
    /// The card did not prove that it has the key.
    NoPossession,
    /// The card gave back another certificate than the one that was written.
    CardReadBack,
}

/// What a failure means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A rule refused it.
    Refused = 1,
    /// The arguments are at fault.
    Usage = 2,
    /// It could not be done.
    CouldNot = 3,
}

impl Error {
    /// Every code of this crate with what it says, for docs/codes.md. Findings of the lint are
    /// [`Finding::CODES`], keys in hardware [`HsmError::CODES`]; objects and cards keep the codes of their own crates.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7001", "arguments contradict each other or cannot be read"),
        ("CS-7002", "not an authority's folder"),
        ("CS-7003", "there is something where the authority was to be founded"),
        ("CS-7004", "authority founded by a later release"),
        ("CS-7005", "file of the authority damaged"),
        ("CS-7006", "file exists already"),
        ("CS-7007", "file cannot be read or written"),
        ("CS-7008", "file too large to be read"),
        ("CS-7009", "profile cannot be read, or contradicts itself"),
        ("CS-7010", "description of a machine cannot be read"),
        ("CS-7011", "certificate file cannot be used"),
        ("CS-7012", "private key where an object was expected"),
        ("CS-7013", "file of revocation lists cannot be used"),
        ("CS-7014", "authority founded by an earlier release"),
        ("CS-7015", "limits of the authority cannot be read"),
        ("CS-7020", "secret needed and no terminal"),
        ("CS-7021", "descriptor of a secret cannot be read"),
        ("CS-7022", "wrong passphrase"),
        ("CS-7023", "passphrase too short"),
        ("CS-7024", "passphrases differ"),
        ("CS-7025", "key file damaged"),
        ("CS-7026", "key and certificate do not belong together"),
        ("CS-7027", "key opened by the secret of somebody else's keys"),
        ("CS-7030", "no random numbers"),
        ("CS-7031", "clock cannot be right"),
        ("CS-7032", "cannot be encoded"),
        ("CS-7040", "ledger cannot be read or written"),
        ("CS-7041", "ledger damaged"),
        ("CS-7042", "no such entry in the ledger"),
        ("CS-7043", "name of a new customer missing"),
        ("CS-7044", "token to supersede is another's"),
        ("CS-7045", "several things begin so"),
        ("CS-7046", "no root of this authority issued the certificate"),
        ("CS-7047", "revoked already"),
        ("CS-7048", "nothing on hold"),
        ("CS-7050", "refused by the lint"),
        ("CS-7051", "what was signed does not verify"),
        ("CS-7052", "what was signed is not what was meant"),
        ("CS-7053", "key in use revoked"),
        ("CS-7054", "clock behind the last list"),
        ("CS-7055", "ledger altered"),
        ("CS-7056", "ledger is not the one that a tree head was signed over"),
        ("CS-7057", "no signed tree head covers the entry"),
        ("CS-7060", "slot of the card occupied"),
        ("CS-7061", "card did not prove possession of the key"),
        ("CS-7062", "card gave back another certificate"),
        ("CS-7070", "record under a token that the ledger does not have"),
        ("CS-7071", "signatures over different anchors updates"),
        ("CS-7072", "signed by this person already"),
        ("CS-7073", "anchors update without the authority's own root"),
        ("CS-7074", "token was not requested here"),
        ("CS-7075", "token of the request issued already"),
        ("CS-7076", "token needs approvals"),
        ("CS-7077", "token request cannot be used"),
        ("CS-7078", "approver revoked"),
        ("CS-7079", "token request overtaken by the ledger"),
    ];

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "CS-7001",
            Self::NoAuthority(_) => "CS-7002",
            Self::AuthorityExists(_) => "CS-7003",
            Self::AuthorityNewer { .. } => "CS-7004",
            Self::AuthorityDamaged { .. } => "CS-7005",
            Self::FileExists(_) => "CS-7006",
            Self::File { .. } => "CS-7007",
            Self::FileTooLarge { .. } => "CS-7008",
            Self::Profile(_) => "CS-7009",
            Self::MachineFile { .. } => "CS-7010",
            Self::CertificateFile { .. } => "CS-7011",
            Self::PrivateKey(_) => "CS-7012",
            Self::ListFile { .. } => "CS-7013",
            Self::AuthorityOlder { .. } => "CS-7014",
            Self::Limits(_) => "CS-7015",
            Self::NoTerminal(_) => "CS-7020",
            Self::Descriptor { .. } => "CS-7021",
            Self::WrongPassphrase => "CS-7022",
            Self::WeakPassphrase => "CS-7023",
            Self::PassphrasesDiffer => "CS-7024",
            Self::KeyFile { .. } => "CS-7025",
            Self::KeyMismatch => "CS-7026",
            Self::SecretsSame => "CS-7027",
            Self::Random => "CS-7030",
            Self::Clock => "CS-7031",
            Self::Encoding(_) => "CS-7032",
            Self::Ledger(_) => "CS-7040",
            Self::LedgerDamaged(_) => "CS-7041",
            Self::NoEntry(_) => "CS-7042",
            Self::CustomerName(_) => "CS-7043",
            Self::OtherToken(_) => "CS-7044",
            Self::Ambiguous(_) => "CS-7045",
            Self::NotIssuedHere(_) => "CS-7046",
            Self::RevokedAlready(_) => "CS-7047",
            Self::NotOnHold(_) => "CS-7048",
            Self::Lint(_) => "CS-7050",
            Self::Verification(_) => "CS-7051",
            Self::NotWhatWasMeant => "CS-7052",
            Self::SignerRevoked(_) => "CS-7053",
            Self::ClockBehindList { .. } => "CS-7054",
            Self::LedgerAltered(_) => "CS-7055",
            Self::NotTheSignedTree { .. } => "CS-7056",
            Self::NotSignedYet { .. } => "CS-7057",
            Self::KeptHead { reason, .. } | Self::Object { reason, .. } => reason.code(),
            Self::Card(error) => error.code(),
            Self::Hsm(error) => error.code(),
            Self::SlotOccupied { .. } => "CS-7060",
            Self::NoPossession => "CS-7061",
            Self::CardReadBack => "CS-7062",
            Self::UnknownToken { .. } => "CS-7070",
            Self::UpdatesDiffer(_) => "CS-7071",
            Self::SignedAlready(_) => "CS-7072",
            Self::OwnRootMissing => "CS-7073",
            Self::NotRequestedHere(_) => "CS-7074",
            Self::IssuedAlready(_) => "CS-7075",
            Self::NeedsApprovals(_) => "CS-7076",
            Self::RequestFile { .. } => "CS-7077",
            Self::ApproverRevoked(_) => "CS-7078",
            Self::RequestOvertaken(_) => "CS-7079",
        }
    }

    /// What it means for the exit code.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_) | Self::Profile(_) | Self::CustomerName(_) => Outcome::Usage,
            Self::AuthorityExists(_)
            | Self::FileExists(_)
            | Self::KeptHead { .. }
            | Self::LedgerAltered(_)
            | Self::Lint(_)
            | Self::Verification(_)
            | Self::NotWhatWasMeant
            | Self::Object { .. }
            | Self::OtherToken(_)
            | Self::NotIssuedHere(_)
            | Self::NotOnHold(_)
            | Self::NotSignedYet { .. }
            | Self::NotTheSignedTree { .. }
            | Self::OwnRootMissing
            | Self::NotRequestedHere(_)
            | Self::IssuedAlready(_)
            | Self::NeedsApprovals(_)
            | Self::RequestFile { .. }
            | Self::ApproverRevoked(_)
            | Self::RequestOvertaken(_)
            | Self::SecretsSame
            | Self::PrivateKey(_)
            | Self::RevokedAlready(_)
            | Self::SignedAlready(_)
            | Self::SignerRevoked(_)
            | Self::UnknownToken { .. }
            | Self::UpdatesDiffer(_)
            | Self::SlotOccupied { .. }
            | Self::WeakPassphrase => Outcome::Refused,
            _ => Outcome::CouldNot,
        }
    }

    /// All that it consists of, where it is made of findings.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Limits(findings) | Self::Lint(findings) | Self::Profile(findings) => findings,
            _ => &[],
        }
    }

    pub(crate) fn file(path: &Path, fault: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), fault }
    }

    pub(crate) fn damaged(path: &Path, fault: impl fmt::Display) -> Self {
        Self::AuthorityDamaged { path: path.to_owned(), fault: fault.to_string() }
    }
}

/// The fact in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(fault) => f.write_str(fault),
            Self::NoAuthority(path) => write!(f, "{} is not an authority's folder", path.display()),
            Self::AuthorityExists(path) => write!(f, "{} exists already", path.display()),
            Self::AuthorityNewer { format } => write!(f, "the authority has the layout {format} of a later release"),
            Self::AuthorityOlder { format } => write!(f, "the authority has the layout {format} of an earlier release"),
            Self::AuthorityDamaged { path, fault } => write!(f, "{} is damaged: {fault}", path.display()),
            Self::FileExists(path) => write!(f, "{} exists already", path.display()),
            Self::File { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::FileTooLarge { path, limit } => write!(f, "{} is larger than {limit} octets", path.display()),
            Self::MachineFile { path, fault } => write!(f, "{} does not describe a machine: {fault}", path.display()),
            Self::CertificateFile { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::ListFile { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::NoTerminal(_) => f.write_str("a secret is needed, and there is no terminal to ask at"),
            Self::Descriptor { number, fault } => write!(f, "descriptor {number} cannot be read: {fault}"),
            Self::WrongPassphrase => f.write_str("wrong passphrase"),
            Self::WeakPassphrase => f.write_str("the passphrase has fewer than 8 characters"),
            Self::PassphrasesDiffer => f.write_str("the two passphrases differ"),
            Self::KeyFile { path, fault } => write!(f, "{} is damaged: {fault}", path.display()),
            Self::KeyMismatch => f.write_str("a key and its certificate do not belong together"),
            Self::Random => f.write_str("the system has no random numbers"),
            Self::Clock => f.write_str("the system's clock cannot be right"),
            Self::Encoding(fault) => write!(f, "cannot be encoded: {fault}"),
            Self::Ledger(fault) => write!(f, "the ledger failed: {fault}"),
            Self::LedgerDamaged(fault) => write!(f, "the ledger is damaged: {fault}"),
            Self::LedgerAltered(fault) => write!(f, "the ledger was altered: {fault}"),
            Self::NotTheSignedTree { head, fault } => write!(f, "the ledger is not the one of {head}: {fault}"),
            Self::NotSignedYet { entry, size } => {
                write!(f, "entry {entry} of the ledger: the last head that was signed covers {size} entries")
            }
            Self::KeptHead { number, reason } => write!(f, "tree head {number} of the ledger: {reason}"),
            Self::SecretsSame => {
                f.write_str("one secret would open keys of two: the ledger signer and each officer have their own")
            }
            Self::NoEntry(id) => write!(f, "the ledger has no entry {id}"),
            Self::Ambiguous(id) => write!(f, "several things begin with {id}"),
            Self::NotIssuedHere(subject) => write!(f, "no root of this authority issued the certificate of {subject}"),
            Self::RevokedAlready(what) => write!(f, "{what} is revoked already"),
            Self::NotOnHold(what) => write!(f, "{what} is not on hold"),
            Self::SignerRevoked(role) => write!(f, "the {} in use is revoked", role.replace('-', " ")),
            Self::ClockBehindList { now, issued } => {
                write!(f, "it is {now}, and the last list was issued {issued}: numbers and dates must rise together")
            }
            Self::CustomerName(id) => write!(f, "the customer {id} is new, and has no name yet"),
            Self::OtherToken(what) => write!(f, "the token to supersede has another {what}"),
            Self::Lint(_) | Self::Limits(_) | Self::Profile(_) => {
                let errors: Vec<_> = self.findings().iter().filter(|finding| finding.is_error()).collect();
                let what = if matches!(self, Self::Lint(_)) { "not signed: " } else { "" };
                match errors.as_slice() {
                    [finding] => write!(f, "{what}{finding}"),
                    [finding, more @ ..] => write!(f, "{what}{finding} ({} more)", more.len()),
                    [] => f.write_str("not signed"),
                }
            }
            Self::Verification(reason) => write!(f, "what was signed does not verify: {reason}"),
            Self::NotWhatWasMeant => f.write_str("what was signed is not what was meant"),
            Self::UnknownToken { path, id } => {
                write!(f, "{} is under the token {id}, which this ledger does not have", path.display())
            }
            Self::UpdatesDiffer(path) => write!(f, "{} holds signatures over different updates", path.display()),
            Self::SignedAlready(subject) => write!(f, "{subject} has signed this already"),
            Self::NotRequestedHere(id) => write!(f, "the ledger has no request for the token {id} as it stands there"),
            Self::IssuedAlready(id) => write!(f, "the token {id} of this request was issued already"),
            Self::NeedsApprovals(1) => f.write_str("the token needs the approval of 1 person"),
            Self::NeedsApprovals(needed) => write!(f, "the token needs the approval of {needed} persons"),
            Self::RequestFile { path, fault } => {
                write!(f, "{} is no request that can be used: {fault}", path.display())
            }
            Self::ApproverRevoked(subject) => write!(f, "{subject} approved the token, and is revoked"),
            Self::RequestOvertaken(what) => {
                write!(f, "the {what} in the request is not the one that the ledger has now")
            }
            Self::OwnRootMissing => f.write_str("the update leaves out this authority's own token root"),
            Self::Object { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::PrivateKey(path) => write!(f, "{} holds a private key", path.display()),
            Self::Card(error) => error.fmt(f),
            Self::Hsm(error) => error.fmt(f),
            Self::SlotOccupied { subject } => write!(f, "slot 9C holds a certificate already: {subject}"),
            Self::NoPossession => f.write_str("the card did not prove that it has the key it announced"),
            Self::CardReadBack => f.write_str("the card gave back another certificate than the one written"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error)
    }
}

impl From<countersign_card::Error> for Error {
    fn from(error: countersign_card::Error) -> Self {
        Self::Card(error)
    }
}

impl From<HsmError> for Error {
    fn from(error: HsmError) -> Self {
        Self::Hsm(error)
    }
}

impl From<cryptoki::error::Error> for Error {
    fn from(fault: cryptoki::error::Error) -> Self {
        Self::Hsm(fault.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table_once_and_in_order() {
        assert!(Error::CODES.is_sorted_by(|one, other| one.0 < other.0));
        for error in [Error::Usage(String::new()), Error::WrongPassphrase, Error::CardReadBack, Error::Random] {
            assert!(Error::CODES.iter().any(|(code, _)| *code == error.code()), "{error}");
        }
    }
}
