//! What can be typed: data only. The plan decides what it means.

mod approval;
mod backup;
mod card;
mod ceremony;
mod key;
mod ledger;
mod profile;
mod report;
mod revocation;
mod rotation;

pub use approval::{OfficerCommand, OfficerEnroll, RequestApprove, RequestCommand, RequestIssue};
pub use backup::{Backup, Restore};
pub use card::{
    CardAlgorithm, CardCommand, CardLost, CardManagementKey, CardShow, CardSlot, ChangePin, Enroll, Unblock,
};
pub use ceremony::{CeremonyCommand, CeremonyRun, CeremonySign};
pub use key::{NewKey, OwnSigner};
pub use ledger::LedgerCommand;
pub use profile::ProfileCommand;
pub use report::{Report, ReportFormat, Step};
pub use revocation::{Bundle, Crl, LiftKind, ReceiptsCommand, RevokeCertificate, RevokeCommand, RevokeToken};
pub use rotation::{AnchorsCommand, AnchorsSign, AnchorsUpdate, Need, Renew, RoleName};

use crate::key_uri::KeyPlace;
use crate::words::{Anchor, Component, CriterionText, Entitlement, Interval, Machine, Tpm};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use core::str::FromStr;
use countersign_common::{Time, token::ProductVersion};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Found an authority, issue and revoke activation tokens, enrol smart cards, keep the ledger.
#[derive(Debug, Parser)]
#[command(
    name = "countersign-authority",
    version,
    disable_help_subcommand = true,
    after_help = "Example:\n  \
        countersign-authority init --organization \"Example Works\"\n  \
        countersign-authority card enroll --subject \"CN=Ada Lovelace,O=Example Works\"\n  \
        countersign-authority issue --customer acme --customer-name \"Acme Power\" --product control-room \\\n      \
        --activate-within 30d --validity 365d --out acme.token.pem\n\n\
        Exit codes: 0 done, 1 refused by a rule, 2 wrong usage, 3 could not be done."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
    /// The authority's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = "authority")]
    pub home: PathBuf,
    /// Print results, and errors too, as JSON on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the passphrase of the keys as one line from this descriptor instead of the terminal.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub passphrase_fd: Option<i32>,
    /// Read the PIN of hardware that holds keys from this descriptor, a line for each token in the order of use.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub key_pin_fd: Option<i32>,
    /// Read the passphrase of the ledger signer as one line from this descriptor instead of the terminal.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub ledger_passphrase_fd: Option<i32>,
    /// Read the management key of a card that makes a key, in hexadecimal, from this descriptor. Without it the key that
    /// cards are delivered with is tried, then asked for.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub key_management_fd: Option<i32>,
    /// Spend the last PIN try of a card that holds a key of the authority or of an officer.
    #[arg(long, global = true)]
    pub key_last_try: bool,
    /// The folder, on a medium that lies in a safe otherwise, where the keys of the roots are; new ones go there.
    #[arg(long, global = true, value_name = "DIR")]
    pub offline_keys: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Found an authority: a root for tokens, a root for holders, signers of tokens, lists, anchors and ledger.
    Init(Init),
    /// Make a new key and certificate for a role; the one before stays valid.
    Renew(Renew),
    /// Write everything but what lies in a safe or in hardware into one file.
    Backup(Backup),
    /// Make an authority's folder from a backup, once all of it was checked.
    Restore(Restore),
    /// Key ceremonies: scripted, rehearsed first, with a transcript to sign and file.
    Ceremony {
        /// What to do.
        #[command(subcommand)]
        command: CeremonyCommand,
    },
    /// Issue an activation token, or one for each row of a file.
    Issue(Box<IssueTokens>),
    /// Tokens that officers have to approve before they are issued.
    Request {
        /// What to do.
        #[command(subcommand)]
        command: RequestCommand,
    },
    /// Officers who approve tokens.
    Officer {
        /// What to do.
        #[command(subcommand)]
        command: OfficerCommand,
    },
    /// The terms of tokens in files, and the limits of what may be issued.
    Profile {
        /// What to do.
        #[command(subcommand)]
        command: ProfileCommand,
    },
    /// Revoke a token or a certificate, or lift what is on hold. The next lists say so.
    Revoke {
        /// What to do.
        #[command(subcommand)]
        command: RevokeCommand,
    },
    /// Records that came back from the field: they stand even if their holder is revoked later, and show over-use.
    Receipts {
        /// What to do.
        #[command(subcommand)]
        command: ReceiptsCommand,
    },
    /// Issue the revocation lists: one of certificates for each root, and one of tokens.
    Crl(Crl),
    /// Make the one file for the technician's stick: tokens, lists, certificates, anchors updates.
    Bundle(Bundle),
    /// Updates of the token anchors: how a new root reaches the machines.
    Anchors {
        /// What to do.
        #[command(subcommand)]
        command: AnchorsCommand,
    },
    /// Show a token, record, list, bundle, anchors update or certificates, without verifying them.
    Inspect(Inspect),
    /// Smart cards of the people who activate.
    Card {
        /// What to do.
        #[command(subcommand)]
        command: CardCommand,
    },
    /// What was issued and revoked, and whether the ledger is still what it was.
    Ledger {
        /// What to do.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// What the ledger comes to: activations, seats, what ends, refusals and findings, as text, JSON, tables or a page.
    Report(Box<Report>),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  countersign-authority completions bash > /etc/bash_completion.d/countersign-authority"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    #[command(after_help = "Example:\n  countersign-authority man /usr/local/share/man/man1")]
    Man {
        /// The folder, which must exist.
        folder: PathBuf,
    },
}

/// A kind and size of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyAlgorithm {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA, 2048 bits.
    #[value(name = "rsa-2048")]
    Rsa2048,
    /// RSA, 3072 bits.
    #[value(name = "rsa-3072")]
    Rsa3072,
    /// RSA, 4096 bits.
    #[value(name = "rsa-4096")]
    Rsa4096,
}

impl KeyAlgorithm {
    /// The name on the command line, such as `rsa-2048`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

/// How an RSA key signs.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RsaPadding {
    /// PKCS#1 v1.5 (RFC 8017 8.2).
    #[default]
    Pkcs1,
    /// PSS (RFC 8017 8.1).
    Pss,
}

/// Where the keys are, `[ROLE=]PLACE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKey {
    /// Whose key; all that have no place of their own where no role is stated.
    pub role: Option<RoleName>,
    /// Where it is.
    pub place: KeyPlace,
}

impl FromStr for RoleKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A URI has no role's name before its first equals sign.
        let split = text.split_once('=').and_then(|(role, place)| Some((RoleName::from_str(role, false).ok()?, place)));
        let (role, place) = split.map_or((None, text), |(role, place)| (Some(role), place));
        let place: KeyPlace = place.parse()?;
        if role.is_none() && place.names_key() {
            return Err("a URI that names a key needs the role it is for: ROLE=URI".to_owned());
        }
        Ok(Self { role, place })
    }
}

/// Arguments of `init`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    countersign-authority --home /secure/authority init --organization \"Example Works\"\n\n\
    With the keys in an HSM that has a token called Authority:\n  \
    countersign-authority init --organization \"Example Works\" \\\n      \
    --key \"pkcs11:token=Authority?module-path=/usr/lib/softhsm/libsofthsm2.so\"\n\n\
    With the token signer's key on a PIV card, which makes it:\n  \
    countersign-authority init --organization \"Example Works\" --key \"token-signer=piv:slot=9c;key=new\"\n\n\
    Afterwards anchors.pem goes into the product; the folder stays with the security officer, with a backup. \
    The ledger signer gets a passphrase of its own, for somebody who does not issue.")]
pub struct Init {
    /// Name of the organization, as it will stand in every certificate.
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// Kind of the two roots' keys.
    #[arg(long, value_enum, default_value = "p256")]
    pub algorithm: KeyAlgorithm,
    /// Kind of the token signer's key; as the roots' unless stated.
    #[arg(long, value_enum)]
    pub signer_algorithm: Option<KeyAlgorithm>,
    /// Where the keys are made: `file`, or a token of PKCS#11 by its URI (RFC 7512), or a PIV card; repeat it with ROLE=
    /// for single ones. Without ROLE nothing is said of the ledger signer's key, which needs a secret of its own. A URI with
    /// object or id, or piv:slot=9c, takes a key that is there; piv:slot=9c;key=new has a card make one.
    #[arg(long, value_name = "[ROLE=]PLACE")]
    pub key: Vec<RoleKey>,
    /// How RSA keys in hardware sign.
    #[arg(long, value_enum, default_value = "pkcs1")]
    pub rsa_padding: RsaPadding,
    /// Keep the ledger in this database of PostgreSQL, where several folders share it: `postgresql://USER@/DATABASE`,
    /// without a password. Unless stated it is a file in the folder.
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    /// How long the roots are valid.
    #[arg(long, value_name = "DURATION", default_value = "20y")]
    pub root_validity: Interval,
    /// How long the token signer is valid.
    #[arg(long, value_name = "DURATION", default_value = "3y")]
    pub signer_validity: Interval,
    /// How long the list signer is valid.
    #[arg(long, value_name = "DURATION", default_value = "3y")]
    pub list_signer_validity: Interval,
    /// How long the anchors signer is valid: it is needed rarely, and has to outlast the tokens.
    #[arg(long, value_name = "DURATION", default_value = "15y")]
    pub anchors_signer_validity: Interval,
    /// How long the ledger signer is valid.
    #[arg(long, value_name = "DURATION", default_value = "3y")]
    pub ledger_signer_validity: Interval,
}

/// Arguments of `issue`.
#[derive(Args, Debug)]
#[command(after_help = "Example, on one listed machine and for one year:\n  \
    countersign-verifier machine --json > press-7.json        (on that machine)\n  \
    countersign-authority issue --customer acme --customer-name \"Acme Power\" --product control-room \\\n      \
    --activate-within 30d --validity 365d --renew-after 330d --machine press-7.json \\\n      \
    --entitlement points=5000 --out press-7.token.pem\n\n\
    A token for each row of a file, with the terms of a profile where a row is silent (docs/fleets.md):\n  \
    countersign-authority issue --profile fleet.toml --batch spring.csv --out spring\n\n\
    A token for each order of a program that goes on asking, a line of JSON each way:\n  \
    countersign-authority issue --profile fleet.toml --stream < orders.fifo > answers.fifo\n\n\
    Everything can stand in a profile as well (docs/profile.md); flags go before it. The authority's limits.toml \
    says what may be issued at all; --dry-run tells whether it may.")]
pub struct IssueTokens {
    /// Issue a token for each row of this file, .csv or .jsonl; its columns are named as the flags are. --out is the
    /// folder then. The same command goes on with a batch that was cut off.
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// Issue a token for each line of JSON on standard input as soon as it comes, and answer with a line of JSON, the token
    /// in it, on standard output once its entry in the ledger is durable.
    #[arg(long, conflicts_with_all = ["batch", "dry_run", "out"])]
    pub stream: bool,
    /// The terms.
    #[command(flatten)]
    pub terms: Issue,
}

/// The terms of a token.
#[derive(Args, Debug, Default)]
pub struct Issue {
    /// Take the terms from this TOML file; flags override it.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Where the token or the request for it goes; the file must not exist
    /// [default: PRODUCT-ID.token.pem, or PRODUCT-ID.request.pem].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Say in plain words what the token would allow, and show its members; sign and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Allow terms that the verifiers of this release refuse.
    #[arg(long)]
    pub for_newer_verifier: bool,
    /// A new version of this token, for the same customer and product.
    #[arg(long, value_name = "TOKEN_ID")]
    pub supersedes: Option<String>,

    /// The customer's identifier.
    #[arg(long, value_name = "ID", help_heading = "For whom and what")]
    pub customer: Option<String>,
    /// The customer's name; needed once.
    #[arg(long, value_name = "NAME", help_heading = "For whom and what")]
    pub customer_name: Option<String>,
    /// The product's identifier.
    #[arg(long, value_name = "ID", help_heading = "For whom and what")]
    pub product: Option<String>,
    /// The product's edition.
    #[arg(long, value_name = "ID", help_heading = "For whom and what")]
    pub edition: Option<String>,
    /// The lowest version of the product that it covers.
    #[arg(long, value_name = "VERSION", help_heading = "For whom and what")]
    pub product_from: Option<ProductVersion>,
    /// The lowest version that it no longer covers.
    #[arg(long, value_name = "VERSION", help_heading = "For whom and what")]
    pub product_below: Option<ProductVersion>,
    /// What the product may do; may be repeated.
    #[arg(long, value_name = "NAME=VALUE[@DATE]", help_heading = "For whom and what")]
    pub entitlement: Vec<Entitlement>,
    /// How many machines were paid for: counted from receipts, not enforced offline.
    #[arg(long, value_name = "N", help_heading = "For whom and what")]
    pub seats: Option<u32>,

    /// The first time at which a machine may be activated [default: now].
    #[arg(long, value_name = "TIME", help_heading = "When")]
    pub activate_from: Option<Time>,
    /// The last time at which a machine may be activated; a date means the end of that day.
    #[arg(long, value_name = "TIME", conflicts_with = "activate_within", help_heading = "When")]
    pub activate_until: Option<String>,
    /// For how long machines may be activated, such as 30d.
    #[arg(long, value_name = "DURATION", help_heading = "When")]
    pub activate_within: Option<Interval>,
    /// For how long an activation holds [default: without end].
    #[arg(long, value_name = "DURATION", help_heading = "When")]
    pub validity: Option<Interval>,
    /// After how long a renewal is due.
    #[arg(long, value_name = "DURATION", help_heading = "When")]
    pub renew_after: Option<Interval>,
    /// Grace after the validity. Needs a newer verifier.
    #[arg(long, value_name = "DURATION", help_heading = "When")]
    pub grace: Option<Interval>,
    /// Notification after the grace. Needs a newer verifier.
    #[arg(long, value_name = "DURATION", help_heading = "When")]
    pub notification: Option<Interval>,

    /// Roots of time-stamping authorities (RFC 3161) whose time stamps may mend a clock that ran ahead; a file with one
    /// certificate; may be repeated.
    #[arg(long, value_name = "FILE", help_heading = "When")]
    pub clock_repair_anchor: Vec<PathBuf>,

    /// Who may activate: `own` (whom this authority enrolled), a file with a CA certificate, or sha256:HEX of a
    /// CA's public key; may be repeated, one grant each [default: own].
    #[arg(long, value_name = "ANCHOR", help_heading = "Who")]
    pub holder_anchor: Vec<Anchor>,
    /// What the holder's certificate must meet, in every grant: policy:OID, eku:OID, subject:CN=PATTERN,
    /// email:PATTERN, upn:PATTERN, dns:PATTERN, uri:PATTERN or certificate:SHA256; may be repeated.
    #[arg(long, value_name = "KIND:VALUE", help_heading = "Who")]
    pub criterion: Vec<CriterionText>,
    /// The anchor itself must have issued the holder's certificate.
    #[arg(long, help_heading = "Who")]
    pub direct_issuer: bool,
    /// The key in PIV slot 9A will do as well as the one in 9C.
    #[arg(long, help_heading = "Who")]
    pub authentication_slot: bool,
    /// How many distinct persons must sign. More than one needs a newer verifier.
    #[arg(long, value_name = "N", help_heading = "Who")]
    pub persons: Option<u8>,
    /// The key must be attested to have been made in hardware. Needs a newer verifier.
    #[arg(long, help_heading = "Who")]
    pub attested: bool,

    /// How many components must match for a machine to be the same [default: 2].
    #[arg(long, value_name = "K", help_heading = "Where")]
    pub require: Option<u8>,
    /// A component that counts, such as machine-id or machine-id:mandatory; may be repeated
    /// [default: dmi-uuid, board-serial, disk-serial, machine-id, network-address].
    #[arg(long, value_name = "KIND", help_heading = "Where")]
    pub component: Vec<Component>,
    /// A machine that may be activated, as written by `countersign-verifier machine --json`; may be repeated
    /// [default: any machine].
    #[arg(long, value_name = "[LABEL=]FILE", help_heading = "Where")]
    pub machine: Vec<Machine>,
    /// Whether virtual machines and containers may be activated [default: true].
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, help_heading = "Where")]
    pub virtual_machines: Option<bool>,
    /// Whether a TPM 2.0 takes part: none, preferred or required. Anything but none needs a newer verifier.
    #[arg(long, value_name = "RULE", help_heading = "Where")]
    pub tpm: Option<Tpm>,
    /// The lowest number of a token list with which a machine may be activated.
    #[arg(long, value_name = "NUMBER", help_heading = "Where")]
    pub oldest_list: Option<u64>,
    /// The greatest age of the token list with which a machine is activated.
    #[arg(long, value_name = "DURATION", help_heading = "Where")]
    pub list_max_age: Option<Interval>,
}

/// Arguments of `inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  countersign-authority inspect north-plant.bundle\n\n\
    Nothing is verified: this shows what a file says, not whether it is true.")]
pub struct Inspect {
    /// The file, PEM or DER.
    pub file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
