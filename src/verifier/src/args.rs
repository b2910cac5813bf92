//! What may be typed: data only. What it means is decided in [`crate::plan`].

use clap::{Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use clap_complete::Shell;
use std::path::PathBuf;

const EXAMPLES: &str = "\
A first visit to a machine, with a token and a smart card:
  sudo countersign-verifier anchors set /media/stick/anchors.pem
  sudo countersign-verifier install /media/stick/token.pem
  sudo countersign-verifier activate
  countersign-verifier check control-room

The same from a script, with the PIN on descriptor 3:
  countersign-verifier activate --product control-room --pin-fd 3 3<pin-file

When something does not work:
  countersign-verifier doctor

Exit codes:
  0  activated, or done
  1  refused, or not activated
  2  the command line cannot be understood, or does not say enough
  3  could not tell: what is needed to decide is not there
  4  card, reader or PIN
  5  files, store or system";

/// Activates the software on this machine with a token and a smart card, without any network
#[derive(Debug, Parser)]
#[command(name = "countersign-verifier", bin_name = "countersign-verifier", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// Folder of the store [default: the system's, /var/lib/countersign]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Print one JSON object, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// DANGEROUS: take another machine's recorded files for this machine, for tests and demonstrations
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dangerous_machine_root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the card readers and what is in them
    Readers,
    Certs(Certs),
    /// Set or show the administrator's trust anchors
    #[command(subcommand)]
    Anchors(Anchors),
    Install(Install),
    Lists(Lists),
    /// List the tokens that are installed
    Tokens,
    Remove(Remove),
    Activate(Box<Activate>),
    Status(Status),
    Check(Check),
    Verify(Verify),
    Path(Path),
    Machine(Machine),
    Clock(Clock),
    /// Look for what could keep this machine from being activated; every finding names its mend
    #[command(after_help = "Exit codes: 0 nothing found, 1 findings.")]
    Doctor,
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  countersign-verifier completions bash > \
        /usr/share/bash-completion/completions/countersign-verifier")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write the manual pages into a folder
    #[command(after_help = "Example:\n  countersign-verifier man /usr/local/share/man/man1")]
    Man {
        /// The folder, which must exist
        dir: PathBuf,
    },
}

/// Show the certificates on a card and whether they could activate, and if not, why
#[derive(Args, Debug)]
#[command(after_help = "No PIN is asked for.\n\nExamples:\n  countersign-verifier certs\n  \
    countersign-verifier certs --token /media/stick/token.pem")]
pub(crate) struct Certs {
    /// The reader, by its name or a part of it; needed where several have a card
    #[arg(long, value_name = "NAME")]
    pub(crate) reader: Option<String>,
    /// Certificates between the holder's and the root that the token names (PEM), for organisations with their own PKI
    #[arg(long, value_name = "FILE")]
    pub(crate) issuers: Option<PathBuf>,
    /// Judge by this token instead of those installed
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Anchors {
    /// Put the administrator's trust anchors in place of any that are there
    #[command(after_help = "Whoever can write this file decides which tokens count. A verifier that was built with \
        anchors of its own refuses.\n\nExample:\n  sudo countersign-verifier anchors set anchors.pem")]
    Set {
        /// The roots of the token authority (PEM)
        file: PathBuf,
    },
    /// Show the trust anchors, where they come from, and who may change them
    Show,
}

/// Verify what the courier brings and install it: bundles, tokens, revocation lists, anchors updates, certificates
#[derive(Args, Debug)]
#[command(
    after_help = "What a file holds is told by its content. All files are verified before any is kept, and all are kept or \
    none. A lower version of a token and an earlier list than the one installed are refused; installing the same again \
    changes nothing.\n\nExamples:\n  sudo countersign-verifier install /media/stick/north-plant.bundle\n  \
    countersign-verifier install --dry-run /media/stick/*"
)]
pub(crate) struct Install {
    /// Bundles, tokens, token lists, certificate revocation lists, anchors updates, certificates (PEM or DER)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Verify, say what would happen, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Show the revocation lists of this machine
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Lists {
    #[command(subcommand)]
    pub(crate) command: Option<ListsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ListsCommand {
    /// Remove a list, whatever it revokes
    #[command(
        after_help = "For an administrator, where a list stands in the way for good. What it revokes is no longer revoked on \
        this machine, what was activated with it is refused until it is back, and an earlier list could take its place. \
        The right way to lift a revocation is a later list of the authority.\n\nExample:\n  \
        sudo countersign-verifier lists remove tokens-4be0c5"
    )]
    Remove {
        /// The list's name, as `lists` shows it; its beginning is enough where that tells it from the others
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Remove a token and what was activated with it
#[derive(Args, Debug)]
#[command(after_help = "Without a record the product is no longer activated.\n\nExamples:\n  \
    sudo countersign-verifier remove 3f9a\n  sudo countersign-verifier remove 3f9a --record --yes")]
pub(crate) struct Remove {
    /// The token's id; its beginning is enough where that tells it from the others
    #[arg(value_name = "TOKEN_ID")]
    pub(crate) id: String,
    /// Remove the activation records only
    #[arg(long, conflicts_with = "token")]
    pub(crate) record: bool,
    /// Remove the token only
    #[arg(long)]
    pub(crate) token: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Activate this machine with a token that is installed and a smart card
#[derive(Args, Debug)]
#[command(
    after_help = "On a terminal, with nothing more said, it guides: it finds the token, waits for the card, shows what \
    will be signed and how many tries the PIN has left, and only then asks for the PIN. A wrong PIN costs a try; the last \
    try is spent only with --use-last-try.\n\nA machine that is activated already, and not due for renewal, is left as it \
    is and needs no card.\n\nExamples:\n  sudo countersign-verifier activate\n  \
    countersign-verifier activate --product control-room --reader Acme --pin-fd 3 3<pin-file\n  \
    countersign-verifier activate --pin-fd 0 --wait 120 --work-order WO-1047 < pin-file"
)]
pub(crate) struct Activate {
    /// The product, where tokens for several are installed
    #[arg(long, value_name = "PRODUCT")]
    pub(crate) product: Option<String>,
    /// The token, by its id or the beginning of it, where several are installed
    #[arg(long, value_name = "ID")]
    pub(crate) token: Option<String>,
    /// The reader, by its name or a part of it; needed where several have a card
    #[arg(long, value_name = "NAME")]
    pub(crate) reader: Option<String>,
    /// The card's key [default: 9c, and 9a where only that one is admitted]
    #[arg(long, value_name = "SLOT", ignore_case = true)]
    pub(crate) slot: Option<SlotName>,
    /// Read the PIN from this open descriptor, its first line; nobody is asked
    #[arg(long, value_name = "N")]
    pub(crate) pin_fd: Option<u32>,
    /// Spend the last try too: a wrong PIN then blocks the card
    #[arg(long)]
    pub(crate) use_last_try: bool,
    /// Your work order, signed into the record
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) work_order: Option<String>,
    /// Certificates between the holder's and the root that the token names (PEM), for organisations with their own PKI
    #[arg(long, value_name = "FILE")]
    pub(crate) issuers: Option<PathBuf>,
    /// Wait for a card [default: 120 seconds when guided, else not at all; without a number: 60]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60",
        value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub(crate) wait: Option<u32>,
    /// Add the commands sent to the card to this file, one a line; the PIN is never among them
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// The version of the product, for tokens that cover some versions only
    #[arg(long, value_name = "VERSION")]
    pub(crate) product_version: Option<String>,
    /// The edition of the product; a token for another one is refused
    #[arg(long, value_name = "EDITION")]
    pub(crate) edition: Option<String>,
    /// Activate even where the machine is activated already
    #[arg(long)]
    pub(crate) again: bool,
}

/// A slot of a PIV card.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SlotName {
    /// PIV authentication
    #[value(name = "9a")]
    Authentication,
    /// Digital signature
    #[value(name = "9c")]
    Signature,
}

/// Show all products with their activations, and the tokens that wait for being used
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// This product only
    #[arg(long, value_name = "PRODUCT")]
    pub(crate) product: Option<String>,
    /// The version of the product, for tokens that cover some versions only
    #[arg(long, value_name = "VERSION")]
    pub(crate) product_version: Option<String>,
    /// The edition of the product
    #[arg(long, value_name = "EDITION")]
    pub(crate) edition: Option<String>,
}

/// Tell in one line whether a product is activated on this machine
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 activated, 1 not activated, 3 could not tell.\n\nExample:\n  \
    countersign-verifier check control-room && start-control-room")]
pub(crate) struct Check {
    /// The product's identifier
    pub(crate) product: String,
    /// The version of the product, for tokens that cover some versions only
    #[arg(long, value_name = "VERSION")]
    pub(crate) product_version: Option<String>,
    /// The edition of the product
    #[arg(long, value_name = "EDITION")]
    pub(crate) edition: Option<String>,
}

/// Verify a token, a record, a list, a bundle or certificates in a file, without touching this machine's store
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 valid, 1 refused, 3 could not tell.\n\nExamples:\n  \
    countersign-verifier verify record.pem --anchors anchors.pem\n  \
    countersign-verifier verify token.pem --anchors anchors.pem --at 2027-01-01")]
pub(crate) struct Verify {
    /// A token, a record, a revocation list, an anchors update, a bundle, or certificates (PEM or DER)
    pub(crate) file: PathBuf,
    /// The roots of the token authority (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) anchors: PathBuf,
    /// Judge at this time, such as 2026-11-24T09:30:00Z or 2026-11-24 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Refuse what is not for this product
    #[arg(long, value_name = "PRODUCT")]
    pub(crate) product: Option<String>,
    /// Refuse tokens without the proof that they are in the authority's ledger, as the product's anchors may
    #[arg(long)]
    pub(crate) require_inclusion_proof: bool,
    /// Refuse tokens that fewer persons have approved, as the product's anchors may
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=8))]
    pub(crate) require_approvals: u8,
    /// Refuse what is not for this machine
    #[arg(long)]
    pub(crate) machine_check: bool,
}

/// Validate a certificate path from files (RFC 5280), and say what was checked and which rule decided
#[derive(Args, Debug)]
#[command(
    after_help = "Neither the store nor this machine plays a part. Exit codes: 0 valid, 1 refused.\n\nExamples:\n  \
    countersign-verifier path leaf.pem --untrusted issuing.pem --anchors root.pem\n  \
    countersign-verifier path leaf.pem --untrusted issuing.pem --anchors root.pem --crl issuing.crl --require-revocation"
)]
pub(crate) struct Path {
    /// The certificate; further ones in the same file are untrusted ones (PEM or DER)
    pub(crate) leaf: PathBuf,
    /// Certificates that may lie on the way, in any order (PEM or DER)
    #[arg(long, value_name = "FILE")]
    pub(crate) untrusted: Vec<PathBuf>,
    /// Trust anchors (PEM or DER)
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) anchors: Vec<PathBuf>,
    /// Certificate revocation lists (PEM or DER)
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,
    /// Judge at this time, such as 2026-11-24T09:30:00Z or 2026-11-24 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// The leaf must be for this extended key usage, and every CA that states any
    #[arg(long, value_name = "OID")]
    pub(crate) eku: Option<String>,
    /// The leaf must be for signing: digitalSignature or contentCommitment
    #[arg(long)]
    pub(crate) signing: bool,
    /// An acceptable policy (user-initial-policy-set) [default: any]
    #[arg(long, value_name = "OID")]
    pub(crate) policy: Vec<String>,
    /// The path must be valid for an acceptable policy (initial-explicit-policy)
    #[arg(long)]
    pub(crate) explicit_policy: bool,
    /// Ignore policy mappings (initial-policy-mapping-inhibit)
    #[arg(long)]
    pub(crate) inhibit_mapping: bool,
    /// Ignore anyPolicy (initial-any-policy-inhibit)
    #[arg(long)]
    pub(crate) inhibit_any_policy: bool,
    /// Refuse a certificate of which no list says that it is not revoked
    #[arg(long)]
    pub(crate) require_revocation: bool,
    /// Use only lists in force at the time, from thisUpdate to nextUpdate
    #[arg(long)]
    pub(crate) current_lists: bool,
}

/// Show what this machine is recognised by
#[derive(Args, Debug)]
#[command(after_help = "With --json the output serves the authority to list this machine in a token.\n\n\
    Exit codes with --token: 0 satisfied, 1 not satisfied, 3 could not tell.\n\nExamples:\n  \
    sudo countersign-verifier machine --json > machine.json\n  countersign-verifier machine --token token.pem")]
pub(crate) struct Machine {
    /// Tell whether this machine satisfies a token, given by its file, its id or the beginning of its id
    #[arg(long, value_name = "FILE|ID")]
    pub(crate) token: Option<String>,
}

/// Show the clock and the latest time seen, and mend a clock that ran ahead
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "A machine whose clock once stood in the future is refused when the clock is right again. Where the token \
    permits it, the stamp of a time-stamping authority over a request of this machine mends that.\n\nExit codes: 0 the \
    clock is right, or done; 1 refused; 3 the clock lies behind a time that has passed, or there is none.\n\nExamples:\n  \
    countersign-verifier clock\n  sudo countersign-verifier clock request --out clock.tsq\n  \
    sudo countersign-verifier clock mend clock.tsr"
)]
pub(crate) struct Clock {
    #[command(subcommand)]
    pub(crate) command: Option<ClockCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Write a query for a time-stamping authority; set the clock right first
    #[command(
        after_help = "The query (RFC 3161) is answered by any time-stamping authority, over HTTP for example:\n  \
        curl -H 'Content-Type: application/timestamp-query' --data-binary @clock.tsq URL > clock.tsr\n\nOne request \
        waits at a time; asked again for the same token and floor, the same query is written.\n\nExample:\n  \
        sudo countersign-verifier clock request --out clock.tsq"
    )]
    Request {
        /// The token that permits it, by its id or the beginning of it; needed where several do
        #[arg(long, value_name = "ID")]
        token: Option<String>,
        /// Write the query to this file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Verify the answer of a time-stamping authority, and set the latest time seen to the stamped one
    #[command(after_help = "The clock has to be right, within 30 days after the stamp.\n\nExample:\n  \
        sudo countersign-verifier clock mend clock.tsr")]
    Mend {
        /// The authority's answer
        response: PathBuf,
    },
}
