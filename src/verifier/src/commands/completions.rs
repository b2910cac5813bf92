//! `completions`: for a shell.

use crate::{
    args::Arguments,
    error::Exit,
    output::{Body, Format, Page, Report},
};
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

pub(super) fn run(shell: Shell, format: Format) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "countersign-verifier", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let body = match format {
        Format::Json => Body::Json(json!({ "shell": shell.to_string(), "script": script })),
        Format::Text => Body::Text(Page { text: script, notes: String::new() }),
    };
    Report { exit: Exit::Done, body }
}
