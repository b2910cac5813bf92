//! Smart cards of the people who activate.

use crate::words::{Interval, RevocationWord};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Commands about cards.
#[derive(Debug, Subcommand)]
pub enum CardCommand {
    /// Make keys on a card, or on one card after another, have the card prove that it has them, and certify them.
    Enroll(Box<Enroll>),
    /// Show what is on a card, whatever PKI it is from, and which tokens admit it.
    Show(CardShow),
    /// Change the PIN of a card.
    #[command(after_help = "Example:\n  countersign-authority card change-pin\n\n\
        Needs the PIN, and no authority: the rules of new PINs are those of limits.toml where there is one.")]
    ChangePin(ChangePin),
    /// Set a new PIN with the PUK, after too many wrong ones.
    #[command(after_help = "Example:\n  countersign-authority card unblock\n\n\
        The PUK of a card that was enrolled with --new-secrets follows from the authority's secret; of another card it is \
        asked for. Where the PUK is blocked too, reset the card with the tool of its maker and enrol it anew.")]
    Unblock(Unblock),
    /// Revoke what is on a card that was lost or stolen, and say what is to be done.
    #[command(after_help = "Examples:\n  \
        countersign-authority card lost \"CN=Ada Lovelace,O=Example Works\"\n  \
        countersign-authority card lost 81c0 --reason certificateHold\n\n\
        All certificates of the person, or the one with this SHA-256, are revoked. After keyCompromise what was activated \
        with the card falls, but for the records that were received before.")]
    Lost(CardLost),
    /// Write the management key of a card that was enrolled with --new-secrets into a file, for other tools.
    #[command(after_help = "Example:\n  countersign-authority card management-key --out card.key\n\n\
        Whoever has it can replace the keys and certificates on this card. Remove the file after use.")]
    ManagementKey(CardManagementKey),
}

/// Arguments of `card enroll`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    countersign-authority card enroll --subject \"CN=Ada Lovelace,O=Example Works\" --email ada@example.com\n  \
    countersign-authority card enroll --subject \"CN=Ada Lovelace,O=Example Works\" --new-secrets --slot 9c --slot 9a\n  \
    countersign-authority card enroll --batch technicians.csv --new-secrets\n\n\
    The file of --batch has a row for each person, under the columns subject and email. What became of each is in a file \
    beside it; the same command goes on where it stopped. docs/cards.md tells the whole life of a card.")]
pub struct Enroll {
    /// Whom the certificate names; CN is needed.
    #[arg(long, value_name = "NAME", required_unless_present = "batch", conflicts_with = "batch")]
    pub subject: Option<String>,
    /// An e-mail address for the certificate.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "batch")]
    pub email: Option<String>,
    /// Enrol a card for each row of this CSV file, one after another.
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// Where it is written what became of each row of the batch [default: the file with .results.csv].
    #[arg(long, value_name = "FILE", requires = "batch")]
    pub results: Option<PathBuf>,
    /// How long to wait for each card of a batch.
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "batch")]
    pub wait: Interval,
    /// The slots in which keys are made; may be repeated [default: 9c].
    #[arg(long, value_enum)]
    pub slot: Vec<CardSlot>,
    /// Kind of the keys.
    #[arg(long, value_enum, default_value = "p256")]
    pub algorithm: CardAlgorithm,
    /// How long the certificates are valid.
    #[arg(long, value_name = "DURATION", default_value = "3y")]
    pub validity: Interval,
    /// The reader, by name or part of it; needed where several hold a card.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Replace the keys and certificates that the slots hold, for good.
    #[arg(long)]
    pub replace: bool,
    /// Revoke the person's other certificates as superseded, once the card is done.
    #[arg(long)]
    pub supersede: bool,
    /// Give the card a new identity (CHUID); without it one that is there is kept.
    #[arg(long)]
    pub new_chuid: bool,
    /// Say what would be done with the card in the reader, and change nothing.
    #[arg(long, conflicts_with = "batch")]
    pub dry_run: bool,

    /// Replace the PIN, the PUK and the management key that the card was delivered with. The holder chooses the PIN; the
    /// others follow from a secret of the authority.
    #[arg(long, help_heading = "Secrets")]
    pub new_secrets: bool,
    /// Read the PIN as one line from this descriptor instead of the terminal; in a batch all cards have it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Secrets")]
    pub pin_fd: Option<i32>,
    /// Read the new PIN as one line from this descriptor; in a batch a line for each card that is put in.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Secrets")]
    pub new_pin_fd: Option<i32>,
    /// Read the PUK that the card has as one line from this descriptor; in a batch all cards have it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Secrets")]
    pub puk_fd: Option<i32>,
    /// Read a new PUK as one line from this descriptor, instead of the one that follows from the authority's secret; in a
    /// batch a line for each card that is put in.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Secrets")]
    pub new_puk_fd: Option<i32>,
    /// Read the card's management key, in hexadecimal, as one line from this descriptor. Without it the key that
    /// cards are delivered with is tried, then the one that follows from the authority's secret, then it is asked for.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..), help_heading = "Secrets")]
    pub management_key_fd: Option<i32>,
    /// Spend the last try of the PIN.
    #[arg(long, help_heading = "Secrets")]
    pub use_last_try: bool,

    /// Certify only keys that the card attests to have made itself; the certificate says so by a policy.
    #[arg(long, help_heading = "Attestation")]
    pub require_attestation: bool,
    /// A file with the root of the card maker's attestations, and CAs below it; may be repeated.
    #[arg(long, value_name = "FILE", requires = "require_attestation", help_heading = "Attestation")]
    pub attestation_root: Vec<PathBuf>,
}

/// A slot in which a key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CardSlot {
    /// Digital signature: the PIN before every signature.
    #[value(name = "9c")]
    Signature,
    /// PIV authentication: the PIN once a session.
    #[value(name = "9a")]
    Authentication,
}

/// A kind of key that is made on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CardAlgorithm {
    /// ECDSA on P-256.
    P256,
    /// RSA, 2048 bits.
    #[value(name = "rsa-2048")]
    Rsa2048,
}

/// Arguments of `card show`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    countersign-authority card show --token acme.token.pem\n  \
    countersign-authority card show --issuer acme-issuing-ca.pem --grant > acme-people.toml\n\n\
    Nothing is asked for and nothing is written: neither PIN nor management key. With --grant only the part of a profile \
    that admits cards like this one is printed; --issuer is needed for it, since cards do not carry their CA.")]
pub struct CardShow {
    /// The reader, by name or part of it; needed where several hold a card.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Tokens of which it is told whether they admit the card; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub token: Vec<PathBuf>,
    /// Files with the CA certificates above the one on the card; may be repeated. The first one that issued it is the
    /// anchor of the grant.
    #[arg(long, value_name = "FILE")]
    pub issuer: Vec<PathBuf>,
    /// Print the grant of a profile that admits this card's kind.
    #[arg(long, requires = "issuer")]
    pub grant: bool,
}

/// Arguments of `card change-pin`.
#[derive(Args, Debug)]
pub struct ChangePin {
    /// The reader, by name or part of it; needed where several hold a card.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Read the PIN as one line from this descriptor instead of the terminal.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub pin_fd: Option<i32>,
    /// Read the new PIN as one line from this descriptor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub new_pin_fd: Option<i32>,
    /// Spend the last try of the PIN.
    #[arg(long)]
    pub use_last_try: bool,
}

/// Arguments of `card unblock`.
#[derive(Args, Debug)]
pub struct Unblock {
    /// The reader, by name or part of it; needed where several hold a card.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Read the PUK as one line from this descriptor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub puk_fd: Option<i32>,
    /// Read the new PIN as one line from this descriptor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub new_pin_fd: Option<i32>,
}

/// Arguments of `card lost`.
#[derive(Args, Debug)]
pub struct CardLost {
    /// The person, as the certificate names them, or the beginning of a certificate's SHA-256.
    #[arg(value_name = "SUBJECT|SHA256")]
    pub card: String,
    /// Why: certificateHold for a card that may turn up again.
    #[arg(long, default_value = "keyCompromise")]
    pub reason: RevocationWord,
}

/// Arguments of `card management-key`.
#[derive(Args, Debug)]
pub struct CardManagementKey {
    /// The reader, by name or part of it; needed where several hold a card.
    #[arg(long, value_name = "NAME")]
    pub reader: Option<String>,
    /// Where it goes, in hexadecimal; the file must not exist, and only its owner can read it.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
