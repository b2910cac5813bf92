//! `report`: what the ledger comes to, as text, JSON, tables or a page.

use super::{Answer, Context};
use crate::{
    args::{Report, ReportFormat},
    clock,
    error::Error,
    files::{self, NewFile, NewFolder},
    home::Home,
    reports::{Collector, Figures, Scope, page, sheets, text},
    words::last_second,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// After how many entries a person is told how far it is.
const STEP: u64 = 100_000;

pub(super) fn run(arguments: &Report, context: &mut Context<'_>) -> Result<Answer, Error> {
    let scope = scope(arguments)?;
    let target = Target::reserve(arguments)?;
    let ledger = Home::open(&context.global.home)?.ledger()?;
    for customer in &scope.customers {
        if ledger.customer(customer)?.is_none() {
            return Err(Error::NoEntry(customer.clone()));
        }
    }
    // Heads before entries: what is entered meanwhile is not covered by a head that is newer than it.
    let heads = ledger.tree_heads()?;
    let mut collector = Collector::new(scope);
    ledger.each(&mut |entry| {
        collector.add(entry)?;
        if collector.size().is_multiple_of(STEP) {
            context.note(&format!("{} entries …", collector.size()));
        }
        Ok(())
    })?;
    let figures = collector.figures(&heads)?;
    // All of it once more, in a form that takes several times the room: only where somebody asks for that.
    let document = if context.global.json || arguments.format == ReportFormat::Json {
        serde_json::to_value(&figures).map_err(|fault| Error::LedgerDamaged(fault.to_string()))?
    } else {
        Value::Null
    };
    target.write(arguments.format, &figures, document)
}

/// What is asked for.
fn scope(arguments: &Report) -> Result<Scope, Error> {
    let now = clock::now()?;
    let read = |text: &String| last_second(text).map_err(|fault| Error::Usage(format!("--until {text}: {fault}")));
    let until = arguments.until.as_ref().map(read).transpose()?;
    let end = until.unwrap_or(now);
    if let Some(since) = arguments.since.filter(|since| *since > end) {
        return Err(Error::Usage(format!("--since {since} lies after {end}")));
    }
    let customers = arguments.customer.iter().cloned().collect();
    Ok(Scope { customers, since: arguments.since, until, now: end, step: arguments.by, ahead: arguments.ahead.0 })
}

/// Where the report goes; it is made sure early that it can.
enum Target {
    File(NewFile, PathBuf),
    Folder(NewFolder, PathBuf),
    Output,
}

impl Target {
    fn reserve(arguments: &Report) -> Result<Self, Error> {
        match (arguments.format, &arguments.out) {
            (ReportFormat::Text | ReportFormat::Json, None) => Ok(Self::Output),
            (ReportFormat::Csv, Some(path)) => {
                let folder = NewFolder::reserve(path).map_err(not_new)?;
                Ok(Self::Folder(folder, path.clone()))
            }
            (_, Some(path)) => Ok(Self::File(NewFile::reserve(path)?, path.clone())),
            (ReportFormat::Csv, None) => Err(Error::Usage("--format csv needs --out FOLDER".to_owned())),
            (ReportFormat::Html, None) => Err(Error::Usage("--format html needs --out FILE".to_owned())),
        }
    }

    fn write(self, format: ReportFormat, figures: &Figures, document: Value) -> Result<Answer, Error> {
        let json = |file: Option<&Path>, document| json!({ "report": document, "file": file });
        let answer = |text, json| Answer { text, json, warnings: Vec::new() };
        match self {
            Self::Output => {
                let json = json(None, document);
                let text = match format {
                    ReportFormat::Json => format!("{json:#}\n"),
                    _ => text(figures),
                };
                Ok(answer(text, json))
            }
            Self::File(file, path) => {
                let json = json(Some(&path), document);
                let content = match format {
                    ReportFormat::Json => format!("{json:#}\n"),
                    ReportFormat::Html => page(figures),
                    _ => text(figures),
                };
                file.finish(content.as_bytes())?;
                Ok(answer(format!("Written to {}.\n", path.display()), json))
            }
            Self::Folder(folder, path) => {
                let sheets = sheets(figures).map_err(|fault| Error::file(&path, fault))?;
                for (name, content) in &sheets {
                    files::write_new(&folder.path().join(name), 0o600, content)?;
                }
                folder.finish().map_err(not_new)?;
                let text = format!("Written to {}: {} tables.\n", path.display(), sheets.len());
                Ok(answer(text, json(Some(&path), document)))
            }
        }
    }
}

/// The words for a folder that is to be an authority's do not fit.
fn not_new(error: Error) -> Error {
    match error {
        Error::AuthorityExists(path) => Error::FileExists(path),
        error => error,
    }
}
