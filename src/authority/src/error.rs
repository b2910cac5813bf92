//! What can go wrong, and what it means for the exit code.

use crate::{
    keys::{HsmError, PivError},
    ledger::LedgerFault,
    lint::Finding,
};
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
    /// A file with the rows of a batch cannot be used.
    BatchFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The folder is not one in which this batch can be issued.
    BatchFolder {
        /// Which folder, or file in it.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// A row of a batch cannot be read.
    BatchRow(String),
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
    /// A report over so much time in so short steps that nobody could read it.
    TooManySteps {
        /// How long the steps are, such as `day`.
        step: &'static str,
        /// When the first one begins.
        from: Time,
        /// When the last one ends.
        to: Time,
    },
    /// Something could not be encoded: a fault of this program.
    Encoding(der::Error),
    /// The ledger cannot be read or written.
    Ledger(LedgerFault),
    /// The URL of the ledger is refused; says why, without the URL.
    LedgerUrl(String),
    /// There is no way to the server with the ledger.
    LedgerServer(LedgerFault),
    /// A database in which no ledger can be kept; says why.
    LedgerUnfit(&'static str),
    /// The database has a ledger already; says which database.
    LedgerExists(String),
    /// The ledger is another authority's than the folder; says how that shows.
    OtherLedger(String),
    /// The ledger has what was renewed or adopted in another folder, and this one does not.
    FolderBehind {
        /// The file that is missing or out of date.
        path: PathBuf,
    },
    /// The connection broke while the ledger made something durable: whether it is there is not known.
    LedgerOutcome(LedgerFault),
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
    /// The lint refuses a certificate that was to be signed.
    CertificateLint(Vec<Finding>),
    /// The script of a ceremony cannot be read, or contradicts itself.
    CeremonyScript(Vec<Finding>),
    /// A certificate is not the one that was rehearsed: the member in which it differs.
    NotAsRehearsed(&'static str),
    /// A file is not the transcript of a ceremony that was performed.
    Transcript {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A backup cannot be used.
    BackupFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The ledger in a backup is shorter than a head that was signed over it later.
    BackupOlder {
        /// How many entries the head covers.
        head: u64,
        /// How many there are.
        size: u64,
    },
    /// The key of a root lies elsewhere.
    KeyAway {
        /// The name of its files, such as `token-root-2`.
        key: String,
        /// Where it was looked for beside the authority's folder.
        offline: Option<PathBuf>,
    },
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
    /// A key on a PIV card, apart from the card itself.
    Piv(PivError),
    /// The card was enrolled for somebody else already.
    CardTaken {
        /// For whom.
        subject: String,
    },
    /// What the card says of its key is not good enough, or not true.
    Attestation {
        /// The slot.
        slot: String,
        /// What is wrong.
        fault: String,
    },
    /// A new PIN or PUK is one that anybody would try.
    WeakPin {
        /// Which of the two.
        what: &'static str,
        /// Why it is refused.
        fault: &'static str,
    },
    /// The slot has a certificate already.
    SlotOccupied {
        /// The slot.
        slot: String,
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
    /// What it means for the exit code.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_)
            | Self::BatchFile { .. }
            | Self::BatchRow(_)
            | Self::CeremonyScript(_)
            | Self::LedgerUrl(_)
            | Self::Profile(_)
            | Self::CustomerName(_)
            | Self::TooManySteps { .. } => Outcome::Usage,
            Self::AuthorityExists(_)
            | Self::BatchFolder { .. }
            | Self::FileExists(_)
            | Self::KeptHead { .. }
            | Self::LedgerAltered(_)
            | Self::LedgerExists(_)
            | Self::OtherLedger(_)
            | Self::Lint(_)
            | Self::CertificateLint(_)
            | Self::BackupFile { .. }
            | Self::BackupOlder { .. }
            | Self::NotAsRehearsed(_)
            | Self::Transcript { .. }
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
            | Self::Attestation { .. }
            | Self::CardTaken { .. }
            | Self::SlotOccupied { .. }
            | Self::WeakPin { .. }
            | Self::WeakPassphrase => Outcome::Refused,
            _ => Outcome::CouldNot,
        }
    }

    /// Whether a rule refused what was asked for. That a file is in the way is no rule, and another's ledger is no place
    /// to enter it.
    pub(crate) fn is_refusal(&self) -> bool {
        let no_rule = matches!(self, Self::BatchFolder { .. } | Self::FileExists(_) | Self::OtherLedger(_));
        self.outcome() == Outcome::Refused && !no_rule
    }

    /// All that it consists of, where it is made of findings.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::CeremonyScript(findings)
            | Self::CertificateLint(findings)
            | Self::Limits(findings)
            | Self::Lint(findings)
            | Self::Profile(findings) => findings,
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

impl std::error::Error for Error {}

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

impl From<PivError> for Error {
    fn from(error: PivError) -> Self {
        Self::Piv(error)
    }
}

impl From<cryptoki::error::Error> for Error {
    fn from(fault: cryptoki::error::Error) -> Self {
        Self::Hsm(fault.into())
    }
}
