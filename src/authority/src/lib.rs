//! The signing authority: the command `countersign-authority`.
//!
//! What was typed ([`args`]) becomes a checked plan, and the plan is carried out by a command each. Secrets come
//! from the terminal or a descriptor; results go to standard output, everything else to standard error.
//!
//! Nothing is signed before the lint has passed, and nothing leaves before what was signed has been read again,
//! verified under the authority's own anchor and entered into the ledger.

mod advice;
mod archive;
pub mod args;
mod cards;
mod ceremony;
mod certificate_lint;
mod certs;
mod clock;
mod cms;
mod commands;
mod custody;
mod document;
mod error;
mod error_code;
mod error_text;
mod files;
mod home;
pub mod key_uri;
mod keys;
mod ledger;
mod limits;
mod lint;
mod lists;
mod officer;
mod pem;
mod piv_uri;
mod plan;
mod profile;
mod prompt;
mod random;
mod receipts;
mod register;
mod reports;
mod request;
mod role;
pub mod words;

pub use document::Place;
pub use error::{Error, Outcome};
pub use keys::{HsmError, PivError};
pub use ledger::LedgerFault;
pub use lint::Finding;
pub use receipts::ReceiptFinding;

use args::Cli;
use clap::Parser;
use commands::Answer;
use countersign_report::visible;
use serde_json::{Value, json};
use std::{ffi::OsString, io::Write, process::ExitCode};

/// The program.
pub fn main() -> ExitCode {
    let (mut output, mut notes) = (std::io::stdout().lock(), std::io::stderr().lock());
    ExitCode::from(run(std::env::args_os(), &mut output, &mut notes))
}

/// Carries out a command line, the program's name first. Results go to `output`, everything else to `notes`. Returns
/// the exit code: 0 done, 1 refused by a rule, 2 wrong usage, 3 could not be done.
pub fn run(arguments: impl IntoIterator<Item = OsString>, output: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let form = if arguments.iter().any(|argument| argument == "--json") { Form::Json } else { Form::Text };
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let text = error.render().to_string();
            return if form != Form::Text {
                let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
                fail(&Error::Usage(message), form, output, notes)
            } else {
                print(notes, &text);
                Outcome::Usage as u8
            };
        }
        // --help and --version.
        Err(text) => return if print(output, &text.render().to_string()) { 0 } else { Outcome::CouldNot as u8 },
    };
    let form = match &cli.command {
        _ if !cli.global.json => Form::Text,
        args::Command::Issue(issue) if issue.stream => Form::JsonLines,
        _ => Form::Json,
    };
    match commands::run(cli, output, notes) {
        Ok((answer, code)) => succeed(answer, code, form, output, notes),
        Err(error) => fail(&error, form, output, notes),
    }
}

/// How a command says what it has to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    /// Each document on a line.
    JsonLines,
}

impl Form {
    fn print(self, writer: &mut dyn Write, document: &Value) -> bool {
        let text = if self == Self::JsonLines { document.to_string() } else { format!("{document:#}") };
        print(writer, &(text + "\n"))
    }
}

fn succeed(answer: Answer, code: u8, form: Form, output: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    if answer.json.is_null() {
        return code;
    }
    let written = if form != Form::Text {
        let mut document = answer.json;
        document["warnings"] = answer.warnings.iter().map(finding).collect();
        form.print(output, &document)
    } else {
        for warning in &answer.warnings {
            print(notes, &told(warning));
        }
        print(output, &answer.text)
    };
    if written { code } else { Outcome::CouldNot as u8 }
}

fn fail(error: &Error, form: Form, output: &mut dyn Write, notes: &mut dyn Write) -> u8 {
    let findings = error.findings();
    if form != Form::Text {
        let mut document = json!({ "code": error.code(), "message": error.to_string(), "next": error.advice() });
        if !findings.is_empty() {
            document["findings"] = findings.iter().map(finding).collect();
        }
        form.print(output, &json!({ "error": document }));
    } else {
        let mut text: String = findings.iter().map(told).collect();
        if findings.is_empty() {
            text += &format!("error: {} [{}]\nnext: {}\n", visible(&error.to_string()), error.code(), error.advice());
        } else {
            text += &format!("Nothing was signed or written [{}].\n", error.code());
        }
        print(notes, &text);
    }
    error.outcome() as u8
}

/// A finding for people.
fn told(finding: &Finding) -> String {
    let severity = if finding.is_error() { "error" } else { "warning" };
    format!("{severity}: {} [{}]\n  next: {}\n", visible(&finding.to_string()), finding.code, finding.advice)
}

/// A finding for programs.
fn finding(finding: &Finding) -> Value {
    let mut document = json!({
        "code": finding.code,
        "severity": if finding.is_error() { "error" } else { "warning" },
        "message": finding.fact,
        "next": finding.advice,
    });
    if let Some(place) = &finding.place {
        document["file"] = json!(place.file);
        if let Some((line, column)) = place.position {
            document["line"] = line.into();
            document["column"] = column.into();
        }
    }
    document
}

/// Whether all of a text could be written.
fn print(writer: &mut dyn Write, text: &str) -> bool {
    writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).is_ok()
}
