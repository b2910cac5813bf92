//! A smart card without hardware: Nitrokey's PIV applet, dialled into a vpcd reader on this machine.
//!
//! Tests plug it in and pull it out, watch what a client sends, and have it fail at a chosen command.

mod applet;
mod args;
mod card;
mod faults;
mod lenient;
mod log;
mod platform;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("virtual-card: {message}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match card::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("virtual-card: {error}");
            ExitCode::FAILURE
        }
    }
}
