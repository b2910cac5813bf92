//! Backups, and what comes back of them.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `backup`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  countersign-authority backup --out monday.backup\n\n\
    Keys in files go in as they are, encrypted; those on a medium in a safe and those in hardware do not. The ledger is \
    as it is at one moment, also while tokens are issued.")]
pub struct Backup {
    /// Where it goes, a tar archive; the file must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `restore`.
#[derive(Args, Debug)]
#[command(after_help = "Example, held against the head that the auditor has:\n  \
    countersign-authority --home restored restore monday.backup --head head-2026-11.pem\n\n\
    The folder named by --home must not exist; it appears when everything has been checked. Two copies of an authority \
    must never both issue.")]
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// A head that was kept elsewhere: the ledger in the backup must continue it.
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// Restore a ledger that is shorter than the head: what was entered since is lost.
    #[arg(long, requires = "head")]
    pub accept_older: bool,
    /// Ask for the passphrases, and open every key in a file.
    #[arg(long)]
    pub open_keys: bool,
}
