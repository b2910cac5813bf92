//! The work, one command a file.

mod anchors;
mod bundle;
mod card;
mod crl;
mod init;
mod inspect;
mod issue;
mod ledger;
mod manual;
mod officer;
mod own;
mod profile;
mod prove;
mod receipts;
mod renew;
mod request;
mod revoke;
mod tree;

use crate::{
    args::{
        AnchorsCommand, CardCommand, Cli, Command, Global, LedgerCommand, OfficerCommand, ProfileCommand,
        ReceiptsCommand, RequestCommand, RevokeCommand,
    },
    error::Error,
    keys::Keyring,
    lint::Finding,
    prompt::Source,
};
use serde_json::Value;
use std::io::Write;

/// What a command has to say when it is done.
pub(crate) struct Answer {
    /// For people, on standard output.
    pub(crate) text: String,
    /// For programs, on standard output instead.
    pub(crate) json: Value,
    /// What is unwise but was done.
    pub(crate) warnings: Vec<Finding>,
}

/// What every command is given.
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) keyring: Keyring,
    notes: &'a mut dyn Write,
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: &'a Global, notes: &'a mut dyn Write) -> Self {
        let passphrase = Source { descriptor: global.passphrase_fd, option: "--passphrase-fd" };
        let ledger = Source { descriptor: global.ledger_passphrase_fd, option: "--ledger-passphrase-fd" };
        let pins = Source { descriptor: global.key_pin_fd, option: "--key-pin-fd" };
        Self { global, keyring: Keyring::new(passphrase, ledger, pins), notes }
    }

    /// Tells a person how it is going.
    fn note(&mut self, text: &str) {
        // Nobody is left to hear of a fault.
        let _ = writeln!(self.notes, "{text}");
    }
}

/// Carries out a command. Returns its answer and the exit code, which is not 0 where part of the work was refused or
/// something was found.
pub(crate) fn run(cli: Cli, notes: &mut dyn Write) -> Result<(Answer, u8), Error> {
    let mut context = Context::new(&cli.global, notes);
    let answer = match cli.command {
        Command::Init(arguments) => init::run(arguments, &mut context),
        Command::Renew(arguments) => renew::run(&arguments, &mut context),
        Command::Revoke { command } => match command {
            RevokeCommand::Token(arguments) => revoke::token(&arguments, &context),
            RevokeCommand::Certificate(arguments) => revoke::certificate(&arguments, &context),
            RevokeCommand::Lift { kind, id } => revoke::lift(kind, &id, &context),
        },
        Command::Receipts { command: ReceiptsCommand::Import { paths } } => {
            return receipts::import(&paths, &mut context);
        }
        Command::Receipts { command: ReceiptsCommand::Check } => return receipts::check(&context),
        Command::Receipts { command: ReceiptsCommand::List } => receipts::list(&context),
        Command::Crl(arguments) => crl::run(&arguments, &mut context),
        Command::Bundle(arguments) => bundle::run(&arguments, &mut context),
        Command::Anchors { command } => match command {
            AnchorsCommand::Update(arguments) => anchors::update(&arguments, &mut context),
            AnchorsCommand::Sign(arguments) => anchors::sign(&arguments, &mut context),
            AnchorsCommand::Show { file } => anchors::show(&file, &context),
            AnchorsCommand::Adopt { file } => anchors::adopt(&file, &context),
        },
        Command::Issue(arguments) => issue::run(*arguments, &mut context),
        Command::Request { command } => match command {
            RequestCommand::Make(arguments) => request::make(*arguments, &context),
            RequestCommand::Show { file } => request::show(&file),
            RequestCommand::Approve(arguments) => request::approve(&arguments, &mut context),
            RequestCommand::Issue(arguments) => request::issue(&arguments, &mut context),
        },
        Command::Officer { command: OfficerCommand::Enroll(arguments) } => officer::enroll(&arguments, &mut context),
        Command::Profile { command: ProfileCommand::Check { files } } => profile::check(&files, &context),
        Command::Profile { command: ProfileCommand::Schema { out } } => profile::schema(out.as_deref()),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Card { command: CardCommand::Enroll(arguments) } => card::enroll(&arguments, &mut context),
        Command::Ledger { command: LedgerCommand::List } => ledger::list(&context),
        Command::Ledger { command: LedgerCommand::Show { id, export } } => {
            ledger::show(&id, export.as_deref(), &context)
        }
        Command::Ledger { command: LedgerCommand::Prove { token, out } } => prove::run(&token, &out, &mut context),
        Command::Ledger { command: LedgerCommand::Sign { out } } => tree::sign(&out, &mut context),
        Command::Ledger { command: LedgerCommand::Verify { head } } => tree::verify(head.as_deref(), &mut context),
        Command::Completions { shell } => Ok(manual::completions(shell)),
        Command::Man { folder } => manual::pages(&folder),
    };
    Ok((answer?, 0))
}
