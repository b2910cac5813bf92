//! Profiles: the terms of tokens in files.

use clap::Subcommand;
use std::path::PathBuf;

/// Commands about profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Say what `issue` would make of profiles, and explain every fault with its line.
    #[command(after_help = "Example:\n  countersign-authority profile check profiles/*.toml\n\n\
        Nothing is signed or written. The authority's limits.toml is checked too, with profiles or alone. What a \
        profile leaves to flags, such as the customer, is no fault.\n\n\
        Exit codes: 0 all are good, 1 a rule or limit refuses what one says, 2 one cannot be read or contradicts itself, \
        3 limits.toml cannot be read.")]
    Check {
        /// The profiles.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of profiles or limits, with which editors complete and check what is typed.
    #[command(after_help = "Example:\n  countersign-authority profile schema --out profile.schema.json\n\n\
        An editor that knows the Taplo language server takes it from the first line of a profile:\n  \
        #:schema ./profile.schema.json")]
    Schema {
        /// The schema of limits.toml instead of that of profiles.
        #[arg(long)]
        limits: bool,
        /// Where the schema goes; the file must not exist [default: standard output].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}
