//! The verifier: activates a machine with a token and a smart card.
//!
//! The logic of the command `countersign-verifier`:
//!
//! ```text
//! args ─▶ plan ─▶ commands ─▶ report ─▶ standard output
//!                   │  ▲
//!                   ▼  │
//!          store, card (session), person (ui)
//! ```
//!
//! A command computes a report and prints nothing; whom it asks, and the cards that it uses, come in through
//! [`World`], so that tests take their place.

pub mod advice;
mod args;
mod brought;
mod cards;
mod commands;
mod context;
mod error;
mod files;
mod output;
mod plan;
mod random;
mod rights;
mod session;
mod signers;
mod signing;
mod ui;

pub use cards::{Cards, Connection, PcscCards};
pub use error::{Error, Exit, FileFault};
pub use ui::{Person, Terminal};

use args::Arguments;
use clap::Parser as _;
use context::Context;
use countersign::Anchors;
use output::{Body, Format, Page, Report};
use plan::Plan;
use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

/// The trust anchors of this build: those compiled in, where the owner named them while building, else the
/// administrator's. There is no falling back from one to the other.
const COMPILED_ANCHORS: Option<&str> = option_env!("COUNTERSIGN_ANCHORS_PEM");

/// All that a command meets outside.
pub struct World<'w> {
    /// For results.
    pub output: &'w mut dyn Write,
    /// For everything else.
    pub notes: &'w mut dyn Write,
    /// Who can be asked.
    pub person: &'w mut dyn Person,
    /// Where cards come from.
    pub cards: &'w dyn Cards,
    /// Where trust anchors come from.
    pub anchors: Anchors,
}

/// The command, as the process's arguments have it.
pub fn main() -> ExitCode {
    let anchors = match COMPILED_ANCHORS {
        Some(pem) => Anchors::compiled(pem.as_bytes()),
        None => Anchors::administrator_store(),
    };
    let (output, notes) = (&mut io::stdout().lock(), &mut io::stderr().lock());
    let world = World { output, notes, person: &mut Terminal, cards: &PcscCards, anchors };
    ExitCode::from(run(std::env::args_os(), world) as u8)
}

/// Does what a command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: World<'_>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let World { output, notes, person, cards, anchors } = world;
    let mut format = format_of(&arguments);
    let planned = match Arguments::try_parse_from(&arguments) {
        Ok(typed) => Plan::new(typed),
        Err(error) if !error.use_stderr() => return text(output, &error.to_string(), Exit::Done),
        // Clap says it better than a line of ours could, in several lines.
        Err(error) if format == Format::Text => {
            let usage = Error::Usage(String::new());
            let next = advice::of(usage.code());
            return text(notes, &format!("{error}\n[{}]\nnext: {next}\n", usage.code()), usage.exit());
        }
        Err(error) => Err(Error::Usage(error.to_string().trim_end().to_owned())),
    };
    let done = planned.and_then(|plan| {
        format = plan.format;
        if let Some(root) = &plan.recorded {
            let warning = format!(
                "warning: --dangerous-machine-root: this machine is taken to be the one recorded in {}",
                root.display()
            );
            // Standard error may be closed; the warning is then for nobody.
            let _ = writeln!(notes, "{}", countersign_report::visible(&warning));
        }
        let mut context =
            Context { store: &plan.store, machine: &*plan.machine, anchors: &anchors, cards, person, format };
        commands::run(plan.command, &mut context)
    });
    match done {
        Ok(Report { exit, body: Body::Text(page) }) => show(&page, output, notes, exit),
        Ok(Report { exit, body: Body::Json(value) }) => text(output, &format!("{value}\n"), exit),
        Err(error) if format == Format::Json => {
            text(output, &format!("{}\n", output::failure_json(&error)), error.exit())
        }
        Err(error) => {
            let page = output::error_page(&error);
            text(notes, &format!("{}{}", page.text, page.notes), error.exit())
        }
    }
}

/// The form that an error is told in before the command line was understood.
fn format_of(arguments: &[OsString]) -> Format {
    let options = arguments.iter().take_while(|argument| *argument != "--");
    if options.into_iter().any(|argument| argument == "--json") { Format::Json } else { Format::Text }
}

fn show(page: &Page, output: &mut dyn Write, notes: &mut dyn Write, exit: Exit) -> Exit {
    let exit = text(output, &page.text, exit);
    // Advice that nobody can read changes nothing.
    let _ = notes.write_all(page.notes.as_bytes());
    exit
}

/// Writes a result; one that could not be written was not delivered, whatever it says.
fn text(output: &mut dyn Write, text: &str, exit: Exit) -> Exit {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => exit,
        Err(_) => exit.worse(Exit::System),
    }
}
