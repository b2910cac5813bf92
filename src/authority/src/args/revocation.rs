//! Revoking, receipts, lists and bundles.

use crate::words::{Interval, RevocationWord};
use clap::{Args, Subcommand, ValueEnum};
use countersign_common::Time;
use std::path::PathBuf;

/// Commands that revoke.
#[derive(Debug, Subcommand)]
pub enum RevokeCommand {
    /// A token, by its id or a file.
    #[command(after_help = "Example:\n  countersign-authority revoke token 4f2a --reason privilegeWithdrawn\n\n\
        Affected are this version and all before it. After affiliationChanged, superseded and cessationOfOperation \
        machines that were activated before the date stay activated.")]
    Token(RevokeToken),
    /// A certificate that a root here issued: a holder's or a signer's.
    #[command(after_help = "Examples:\n  \
        countersign-authority revoke certificate ada.pem --reason keyCompromise\n  \
        countersign-authority revoke certificate 81c0 --reason keyCompromise --standing\n\n\
        After keyCompromise no date is a defence, since the thief writes it: all that the key signed falls, but for \
        the records received before and, with --standing, the tokens that the ledger has.")]
    Certificate(RevokeCertificate),
    /// Lift what was revoked with certificateHold.
    #[command(after_help = "Example:\n  countersign-authority revoke lift certificate 81c0")]
    Lift {
        /// What kind of thing.
        kind: LiftKind,
        /// The beginning of the token's id or of the certificate's SHA-256, or a file with the token or certificate.
        id: String,
    },
}

/// What can be on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LiftKind {
    /// A certificate.
    Certificate,
    /// A token.
    Token,
}

/// Arguments of `revoke token`.
#[derive(Args, Debug)]
pub struct RevokeToken {
    /// The token's id or the beginning of it, or a file with the token.
    #[arg(value_name = "ID|FILE")]
    pub token: String,
    /// The last version that is revoked [default: the file's, or the latest].
    #[arg(long, value_name = "N")]
    pub revision: Option<u32>,
    /// Why.
    #[arg(long)]
    pub reason: RevocationWord,
    /// Since when [default: now].
    #[arg(long, value_name = "TIME")]
    pub date: Option<Time>,
    /// Name the SHA-256 of the token in the list, so that a forged one of the same id is told from it.
    #[arg(long)]
    pub digest: bool,
}

/// Arguments of `revoke certificate`.
#[derive(Args, Debug)]
pub struct RevokeCertificate {
    /// A file with the certificate, or the beginning of its SHA-256.
    #[arg(value_name = "FILE|SHA256")]
    pub certificate: String,
    /// Why.
    #[arg(long)]
    pub reason: RevocationWord,
    /// Since when it is not to be relied on [default: now].
    #[arg(long, value_name = "TIME")]
    pub date: Option<Time>,
    /// The tokens that the ledger has of this token signer stand nevertheless.
    #[arg(long)]
    pub standing: bool,
}

/// Commands about the records that came back from the field.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// Verify records that came back, enter the new ones, and tell what all of them come to.
    #[command(after_help = "Example:\n  countersign-authority receipts import returned\n\n\
        Do this with every visit: what came back before a card is stolen stays valid when the card is revoked. A file \
        that is refused keeps none of the others back. Exit code 0: all are in, and nothing is wrong; 1: a record was \
        refused, or there is a finding; 3: a file could not be read.")]
    Import {
        /// Files with records, PEM or DER, and folders of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// One line for each record that came back.
    #[command(after_help = "Example:\n  countersign-authority receipts list --json")]
    List,
    /// Tell what the records that came back come to: machines against seats, copies, late activations.
    #[command(after_help = "Example:\n  countersign-authority receipts check\n\n\
        Exit code 0: nothing is wrong; 1: there is a finding.")]
    Check,
}

/// Arguments of `crl`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  countersign-authority crl --out lists\n\n\
    The lists are numbered and dated, and go to the machines in a bundle. Issue them after each revocation, and \
    before the last ones run out.")]
pub struct Crl {
    /// The folder for the lists, which must exist.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// By when the next lists will be issued.
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub validity: Interval,
    /// Beside each complete list of certificates, write what changed since the one before.
    #[arg(long)]
    pub delta: bool,
    /// The token list stands for those of earlier list signers as well, from now on.
    #[arg(long)]
    pub replaces_old_signer: bool,
}

/// Arguments of `bundle`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    countersign-authority bundle --all-tokens-of acme --label \"Acme, north plant\" --out north-plant.bundle\n\n\
    The lists in it are the current ones; they are issued anew where they have run out or something was revoked since.")]
pub struct Bundle {
    /// Where it goes; the file must not exist.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A token, by a file or by the beginning of its id (then the latest version); may be repeated.
    #[arg(long, value_name = "ID|FILE")]
    pub token: Vec<String>,
    /// The latest version of every token of a customer that is not revoked.
    #[arg(long, value_name = "CUSTOMER")]
    pub all_tokens_of: Option<String>,
    /// Give each token the proof that it is in the ledger, as the anchors in force may demand anyway.
    #[arg(long)]
    pub with_proofs: bool,
    /// A file with somebody else's certificate revocation list; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// A file with certificates between holders and their anchor; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub certificate: Vec<PathBuf>,
    /// A file with an anchors update [default: those adopted].
    #[arg(long, value_name = "FILE")]
    pub anchors: Option<PathBuf>,
    /// For people, such as the site that it is for [default: the organization].
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Without the authority's own lists.
    #[arg(long)]
    pub no_lists: bool,
}
