//! Officers who approve tokens, and the requests that they approve.

use super::{Issue, NewKey, OwnSigner};
use crate::words::Interval;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Commands about officers.
#[derive(Debug, Subcommand)]
pub enum OfficerCommand {
    /// Make the key of an officer who approves tokens, and certify it.
    Enroll(OfficerEnroll),
}

/// Arguments of `officer enroll`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  countersign-authority officer enroll --subject \"CN=Ada Lovelace,O=Example Works\" \\\n      \
    --out ada.pem --out-key ada.key.pem\n\n\
    The passphrase of the officer's key is the officer's own, and not that of the authority's keys."
)]
pub struct OfficerEnroll {
    /// Whom the certificate names; CN is needed.
    #[arg(long, value_name = "NAME")]
    pub subject: String,
    /// The key.
    #[command(flatten)]
    pub key: NewKey,
    /// How long the certificate is valid.
    #[arg(long, value_name = "DURATION", default_value = "3y")]
    pub validity: Interval,
    /// Where the certificate goes; the file must not exist.
    #[arg(long, value_name = "CERT")]
    pub out: PathBuf,
    /// Where the encrypted key goes, unless it is in hardware; the file must not exist.
    #[arg(long, value_name = "KEYFILE")]
    pub out_key: Option<PathBuf>,
    /// Read the passphrase of the officer's key as one line from this descriptor instead of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub officer_passphrase_fd: Option<i32>,
}

/// Commands about requests for tokens.
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Ask for a token that officers have to approve. Nothing is signed, and no secret is needed.
    #[command(after_help = "Example:\n  \
        countersign-authority request make --customer acme --customer-name \"Acme Power\" --product control-room \\\n      \
        --activate-within 30d --validity 365d --out acme.request.pem")]
    Make(Box<Issue>),
    /// Say in plain words what a request asks for, and who has approved it. No authority's folder is needed for that.
    #[command(after_help = "Example:\n  countersign-authority request show acme.request.pem")]
    Show {
        /// The request.
        file: PathBuf,
    },
    /// Approve a request as an officer. No authority's folder is needed for that.
    #[command(after_help = "Example:\n  countersign-authority request approve acme.request.pem \\\n      \
        --certificate ada.pem --key ada.key.pem")]
    Approve(RequestApprove),
    /// Issue the token of a request that enough officers have approved.
    #[command(after_help = "Example:\n  countersign-authority request issue acme.request.pem --out acme.token.pem\n\n\
        Officers may each approve a copy of the request: name all of them.")]
    Issue(RequestIssue),
}

/// Arguments of `request approve`.
#[derive(Args, Debug)]
pub struct RequestApprove {
    /// The request; the approval is added to it.
    pub file: PathBuf,
    /// Who approves it.
    #[command(flatten)]
    pub signer: OwnSigner,
}

/// Arguments of `request issue`.
#[derive(Args, Debug)]
pub struct RequestIssue {
    /// The request, or copies of it with different approvals.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the token goes; the file must not exist [default: PRODUCT-ID.token.pem].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Allow terms that the verifiers of this release refuse.
    #[arg(long)]
    pub for_newer_verifier: bool,
}
