//! One command a file.

mod activate;
mod anchors;
mod certs;
mod check;
mod clock;
mod completions;
mod doctor;
mod install;
mod lists;
mod machine;
mod man;
mod path;
mod readers;
mod remove;
mod status;
mod tokens;
mod verify;

use crate::{
    context::Context,
    error::{Error, Exit},
    output::Report,
    plan::Command,
};
use countersign::State;

/// Does what was planned.
pub(crate) fn run(command: Command, context: &mut Context<'_>) -> Result<Report, Error> {
    match command {
        Command::Activate(plan) => activate::run(&plan, context).map_err(Error::unwritten),
        Command::AnchorsSet(file) => anchors::set(&file, context).map_err(Error::unwritten),
        Command::AnchorsShow => anchors::show(context),
        Command::Certs(plan) => certs::run(&plan, context),
        Command::Check(plan) => Ok(check::run(&plan, context)),
        Command::Clock => clock::show(context),
        Command::ClockMend(response) => clock::mend(&response, context),
        Command::ClockRequest(plan) => clock::request(&plan, context),
        Command::Completions(shell) => Ok(completions::run(shell, context.format)),
        Command::Doctor => Ok(doctor::run(context)),
        Command::Install(plan) => install::run(&plan, context).map_err(Error::unwritten),
        Command::Lists => lists::show(context),
        Command::ListsRemove(plan) => lists::remove(&plan, context).map_err(Error::unwritten),
        Command::Machine(token) => machine::run(token.as_ref(), context),
        Command::Man(folder) => man::run(&folder, context.format),
        Command::Path(plan) => path::run(&plan, context),
        Command::Readers => readers::run(context),
        Command::Remove(plan) => remove::run(&plan, context),
        Command::Status(plan) => status::run(&plan, context),
        Command::Tokens => tokens::run(context),
        Command::Verify(plan) => verify::run(&plan, context),
    }
}

/// The exit code of a verdict.
fn exit_of(state: State) -> Exit {
    match state {
        State::CannotTell => Exit::CannotTell,
        state if state.is_activated() => Exit::Done,
        _ => Exit::Refused,
    }
}
