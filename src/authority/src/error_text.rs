//! Errors in words.

use crate::{error::Error, reports::MAX_STEPS};
use core::fmt;

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
            Self::BatchFile { path, fault } => write!(f, "the rows in {} cannot be used: {fault}", path.display()),
            Self::BatchFolder { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::BatchRow(fault) => write!(f, "the row cannot be read: {fault}"),
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
            Self::PassphrasesDiffer => f.write_str("the two entries differ"),
            Self::KeyFile { path, fault } => write!(f, "{} is damaged: {fault}", path.display()),
            Self::KeyMismatch => f.write_str("a key and its certificate do not belong together"),
            Self::Random => f.write_str("the system has no random numbers"),
            Self::Clock => f.write_str("the system's clock cannot be right"),
            Self::TooManySteps { step, from, to } => {
                write!(f, "from {from} to {to} there are more than {MAX_STEPS} steps of a {step}")
            }
            Self::Encoding(fault) => write!(f, "cannot be encoded: {fault}"),
            Self::Ledger(fault) => write!(f, "the ledger failed: {fault}"),
            Self::LedgerUrl(fault) => write!(f, "the URL of the ledger is refused: {fault}"),
            Self::LedgerServer(fault) => write!(f, "no way to the server with the ledger: {fault}"),
            Self::LedgerUnfit(fault) => write!(f, "no ledger can be kept in that database: {fault}"),
            Self::LedgerExists(url) => write!(f, "{url} has a ledger already"),
            Self::OtherLedger(fault) => write!(f, "the ledger is not that of this folder: {fault}"),
            Self::FolderBehind { path } => write!(
                f,
                "{} is missing or out of date: the ledger has what was renewed or adopted in another folder",
                path.display()
            ),
            Self::LedgerOutcome(fault) => {
                write!(f, "the connection to the ledger broke while the entry was made durable: {fault}")
            }
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
            Self::CeremonyScript(_) | Self::CertificateLint(_) | Self::Lint(_) | Self::Limits(_) | Self::Profile(_) => {
                let errors: Vec<_> = self.findings().iter().filter(|finding| finding.is_error()).collect();
                let what = match self {
                    Self::CertificateLint(_) | Self::Lint(_) => "not signed: ",
                    _ => "",
                };
                match errors.as_slice() {
                    [finding] => write!(f, "{what}{finding}"),
                    [finding, more @ ..] => write!(f, "{what}{finding} ({} more)", more.len()),
                    [] => f.write_str("not signed"),
                }
            }
            Self::NotAsRehearsed(member) => {
                write!(f, "a certificate is not the one that was rehearsed: another {member}")
            }
            Self::Transcript { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::BackupFile { path, fault } => write!(f, "{} cannot be restored: {fault}", path.display()),
            Self::BackupOlder { head, size } => {
                write!(f, "the backup has {size} entries of the ledger, and the head was signed over {head}")
            }
            Self::KeyAway { key, offline: None } => write!(f, "the key {key} is not in the authority's folder"),
            Self::KeyAway { key, offline: Some(folder) } => {
                write!(f, "the key {key} is neither in the authority's folder nor in {}", folder.display())
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
            Self::Piv(error) => error.fmt(f),
            Self::Attestation { slot, fault } => {
                write!(f, "the attestation of the key in slot {slot} is refused: {fault}")
            }
            Self::CardTaken { subject } => write!(f, "the card was enrolled for {subject} already"),
            Self::WeakPin { what, fault } => write!(f, "the new {what} {fault}"),
            Self::SlotOccupied { slot, subject } => {
                write!(f, "slot {slot} holds a certificate already: {subject}")
            }
            Self::NoPossession => f.write_str("the card did not prove that it has the key it announced"),
            Self::CardReadBack => f.write_str("the card gave back another certificate than the one written"),
        }
    }
}
