//! `man`: the manual pages.

use crate::{
    args::Arguments,
    error::{Error, Exit, FileFault},
    files,
    output::{Format, Page, Report},
};
use clap::CommandFactory as _;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn run(folder: &Path, format: Format) -> Result<Report, Error> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    write(&command, folder, &mut written)?;
    Ok(Report::new(
        format,
        Exit::Done,
        || written.iter().fold(Page::default(), |page, file| page.line(&file.display().to_string())),
        || json!({ "files": written.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>() }),
    ))
}

/// A page for a command, and one for each of its own.
fn write(command: &clap::Command, folder: &Path, written: &mut Vec<PathBuf>) -> Result<(), Error> {
    let page = clap_mangen::Man::new(command.clone());
    let mut content = Vec::new();
    let file = folder.join(page.get_filename());
    page.render(&mut content).map_err(|error| Error::File(file.clone(), FileFault::Unwritable(error)))?;
    files::replace(&file, &content)?;
    written.push(file);
    command.get_subcommands().try_for_each(|inner| write(inner, folder, written))
}
