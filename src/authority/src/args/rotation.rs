//! New keys, and how a new root reaches the machines.

use super::{NewKey, OwnSigner};
use crate::words::{Interval, Retirement};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A key of the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Signs tokens.
    TokenSigner,
    /// Signs token lists and bundles.
    ListSigner,
    /// Signs updates of the token anchors.
    AnchorsSigner,
    /// Signs heads of the ledger's tree; gets a new passphrase.
    LedgerSigner,
    /// Certifies the signers: the trust anchor of the product.
    TokenRoot,
    /// Certifies the holders.
    HolderRoot,
}

/// Arguments of `renew`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  countersign-authority renew token-signer\n\n\
    With a key that a PIV card makes, and one that is on it already (docs/keys.md):\n  \
    countersign-authority renew token-signer --key 'piv:slot=9c;key=new'\n  \
    countersign-authority renew list-signer --key piv:slot=9a\n\n\
    What the old key signed stays valid. After token-root, renew the signers, which the new root certifies, and bring \
    it to the machines with anchors update.")]
pub struct Renew {
    /// Which key.
    #[arg(value_name = "ROLE")]
    pub role: RoleName,
    /// The new key.
    #[command(flatten)]
    pub key: NewKey,
    /// How long the new certificate is valid [default: 3y; 15y for the anchors signer, 20y for roots].
    #[arg(long, value_name = "DURATION")]
    pub validity: Option<Interval>,
}

/// Commands about anchors updates.
#[derive(Debug, Subcommand)]
pub enum AnchorsCommand {
    /// Make the next update, signed by the authority's own anchors signer.
    #[command(after_help = "Example, after renew token-root, with both roots trusted for a year:\n  \
        countersign-authority anchors update --retire 5c1e=2028-01-31 --out anchors-1.pem\n\n\
        An update names all anchors from now on; the authority's own roots and those of the last update are in it \
        unless removed.")]
    Update(AnchorsUpdate),
    /// Add another officer's signature to an update. No authority's folder is needed for that.
    #[command(after_help = "Example:\n  countersign-authority anchors sign anchors-1.pem \\\n      \
        --key officer-2.key.pem --certificate officer-2.pem\n\n\
        A key in hardware is named as by init: --key 'pkcs11:token=Officer;object=anchors?module-path=/usr/lib/…'")]
    Sign(AnchorsSign),
    /// Show an update, and whether enough have signed it.
    #[command(after_help = "Example:\n  countersign-authority anchors show anchors-1.pem")]
    Show {
        /// The update.
        file: PathBuf,
    },
    /// Work under an update from now on: anchors.pem becomes what it says.
    #[command(after_help = "Example:\n  countersign-authority anchors adopt anchors-1.pem")]
    Adopt {
        /// The update.
        file: PathBuf,
    },
}

/// Arguments of `anchors update`.
#[derive(Args, Debug)]
pub struct AnchorsUpdate {
    /// A file with a CA certificate that becomes an anchor; may be repeated.
    #[arg(long, value_name = "CERT")]
    pub add: Vec<PathBuf>,
    /// The last day of an anchor, by the beginning of its SHA-256: machines that were activated under it before stay
    /// activated; may be repeated.
    #[arg(long, value_name = "SHA256=DATE")]
    pub retire: Vec<Retirement>,
    /// An anchor that is trusted no longer, with all that was signed under it; may be repeated.
    #[arg(long, value_name = "SHA256")]
    pub remove: Vec<String>,
    /// A file with the certificate of somebody who may sign updates from now on; may be repeated, and replaces the
    /// whole list [default: as in the last update, at first the own anchors signer].
    #[arg(long, value_name = "CERT")]
    pub signer: Vec<PathBuf>,
    /// How many of them must sign [default: as in the last update, at first 1].
    #[arg(long, value_name = "N")]
    pub threshold: Option<u8>,
    /// Whether tokens need the proof that they are in the ledger, on machines that follow the update [default: as in the
    /// last update, at first optional]. Where it is required, what was activated without one falls.
    #[arg(long, value_enum, value_name = "WHETHER")]
    pub inclusion_proof: Option<Need>,
    /// How many persons must have approved a token, on machines that follow the update [default: as in the last update, at
    /// first 0]. What was activated with fewer falls.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=8))]
    pub approvals: Option<u8>,
    /// Where it goes; the file must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Whether something is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Need {
    /// It may be missing.
    Optional,
    /// Without it nothing is activated.
    Required,
}

/// Arguments of `anchors sign`.
#[derive(Args, Debug)]
pub struct AnchorsSign {
    /// The update; the signature is added to it.
    pub file: PathBuf,
    /// Who signs it.
    #[command(flatten)]
    pub signer: OwnSigner,
}
