//! `completions` and `man`.

use super::Answer;
use crate::{args::Cli, error::Error};
use clap::CommandFactory;
use serde_json::json;
use std::path::Path;

pub(super) fn completions(shell: clap_complete::Shell) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "countersign-authority", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let json = json!({ "shell": shell.to_string(), "script": text });
    Answer { text, json, warnings: Vec::new() }
}

pub(super) fn pages(folder: &Path) -> Result<Answer, Error> {
    let mut command = Cli::command();
    command.build();
    clap_mangen::generate_to(command, folder).map_err(|fault| Error::file(folder, fault))?;
    let text = format!("Wrote the manual pages into {}.\n", folder.display());
    Ok(Answer { text, json: json!({ "folder": folder }), warnings: Vec::new() })
}
