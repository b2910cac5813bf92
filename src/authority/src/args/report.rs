//! What the ledger comes to, for people and programs.

use crate::words::Interval;
use clap::{Args, ValueEnum};
use countersign_common::Time;
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `report`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    countersign-authority report\n  \
    countersign-authority report --format html --out 2026-11.html\n  \
    countersign-authority report --customer acme --since 2026-10-01 --until 2026-12-31 --format csv --out acme-q4\n\n\
    Seats, expiries and findings are as they stand at --until; what --since leaves out are tokens, activations, refusals, \
    requests and revocations before it. The page needs no network and no scripts (docs/reports.md).")]
pub struct Report {
    /// Only this customer; may be repeated. What is of no customer, such as enrolments, is left out then.
    #[arg(long, value_name = "ID")]
    pub customer: Vec<String>,
    /// What happened from then on [default: the founding of the authority].
    #[arg(long, value_name = "TIME")]
    pub since: Option<Time>,
    /// As the ledger stood then; a date means the end of that day [default: now].
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// How long the steps of what is shown over time are [default: as the time asks for].
    #[arg(long, value_name = "STEP")]
    pub by: Option<Step>,
    /// How far ahead expiries are told.
    #[arg(long, value_name = "DURATION", default_value = "1y")]
    pub ahead: Interval,
    /// In what form.
    #[arg(long, value_enum, default_value = "text")]
    pub format: ReportFormat,
    /// Where it goes: a file, for csv a folder, which must not exist [default: standard output, for text and json].
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// A folder with a file for each table.
    Csv,
    /// One page for a browser, with plots.
    Html,
}

/// The length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// From midnight to midnight, UTC.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month of the calendar.
    Month,
    /// Three of them.
    Quarter,
    /// Twelve of them.
    Year,
}
