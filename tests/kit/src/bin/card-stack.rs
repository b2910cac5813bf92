//! Runs a command beside a private PC/SC daemon with a fresh virtual PIV card in its reader.
//!
//! ```text
//! card-stack COMMAND [ARGUMENT...]
//! ```
//!
//! The command finds the daemon by PCSCLITE_CSOCK_NAME and the reader's name in COUNTERSIGN_READER. The card's PIN is
//! 123456, its management key the factory's.

use countersign_testkit::{CardOptions, Stack};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: card-stack COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    let stack = match Stack::start(1) {
        Ok(stack) => stack,
        Err(error) => {
            eprintln!("card-stack: {error}");
            return ExitCode::FAILURE;
        }
    };
    let card = stack.insert(0, CardOptions::new().strict());
    let mut command = Command::new(&program);
    command.args(arguments).env("COUNTERSIGN_READER", stack.reader_name(0));
    let status = stack.env(&mut command).status();
    drop(card);
    match status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("card-stack: {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
