//! Key ceremonies.

use super::OwnSigner;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands about key ceremonies.
#[derive(Debug, Subcommand)]
pub enum CeremonyCommand {
    /// Hold the ceremony of a script: as a rehearsal with throwaway keys, unless --perform is stated.
    #[command(after_help = "Example, the rehearsal and then the ceremony itself:\n  \
        countersign-authority ceremony run founding.toml\n  \
        countersign-authority --offline-keys /media/safe ceremony run founding.toml --perform \\\n      \
        --transcript founding.txt\n\n\
        A rehearsal asks for no secret, touches no key and writes nothing but the transcript, if one is asked for. \
        docs/ceremony.md has the script.")]
    Run(CeremonyRun),
    /// Sign a transcript, with the key of an officer or of the ledger signer.
    #[command(
        after_help = "Example:\n  countersign-authority ceremony sign founding.txt --certificate ada.pem \\\n      \
        --key ada.key.pem --out founding.ada.pem\n\n\
        openssl cms -verify -binary -purpose any -inform PEM -in founding.ada.pem -CAfile authority/anchors.pem \
        prints the transcript again, if it is the one that was signed."
    )]
    Sign(CeremonySign),
}

/// Arguments of `ceremony run`.
#[derive(Args, Debug)]
pub struct CeremonyRun {
    /// The script.
    pub script: PathBuf,
    /// Use the real keys, once the rehearsal has passed.
    #[arg(long, requires = "transcript")]
    pub perform: bool,
    /// Where the transcript goes; the file must not exist.
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
}

/// Arguments of `ceremony sign`.
#[derive(Args, Debug)]
pub struct CeremonySign {
    /// The transcript.
    pub transcript: PathBuf,
    /// Who signs it.
    #[command(flatten)]
    pub signer: OwnSigner,
    /// Where the signed transcript goes; the file must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
