//! The ledger, and what proves it to others.

use clap::Subcommand;
use std::path::PathBuf;

/// Commands about the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// One line for each thing that was issued or revoked.
    #[command(after_help = "Example:\n  countersign-authority ledger list --json")]
    List,
    /// One entry in full.
    #[command(after_help = "Example:\n  countersign-authority ledger show 4f2a --export again.token.pem")]
    Show {
        /// The number of the entry, or the beginning of a token's id or of the SHA-256 of a certificate or list; the
        /// latest such thing that fits.
        id: String,
        /// Write the token, certificate or list again into this file, which must not exist.
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
    },
    /// Write a token with the proof that it is in the ledger, which anybody can check without the ledger.
    #[command(after_help = "Example:\n  countersign-authority ledger prove 4f2a --out control-room.token.pem\n\n\
        The last head that was signed must cover the token: ledger sign. Product owners may demand the proof, so that \
        a token that was signed behind the ledger's back activates nothing.")]
    Prove {
        /// The token: its file, the number of its entry, or the beginning of its id.
        token: String,
        /// Where it goes; the file must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Sign the head of the ledger's tree, so that others can tell later whether the ledger was changed.
    #[command(after_help = "Example:\n  countersign-authority ledger sign --out head-2026-11.pem\n\n\
        Give the head to somebody who cannot write to this folder. The ledger signer has a passphrase of its own.")]
    Sign {
        /// Where the head goes; the file must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check every entry, the tree over all of them, and every head that was signed.
    #[command(after_help = "Example, with a head that somebody else kept:\n  \
        countersign-authority ledger verify --head head-2026-11.pem")]
    Verify {
        /// A head that was kept elsewhere: this ledger must continue it.
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
    },
}
