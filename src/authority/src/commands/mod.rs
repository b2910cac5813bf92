//! The work, one command a file.

mod anchors;
mod backup;
mod batch;
mod bundle;
mod card;
mod ceremony;
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
mod refusal;
mod renew;
mod report;
mod request;
mod restore;
mod revoke;
mod tree;

use crate::{
    args::{
        AnchorsCommand, CeremonyCommand, Cli, Command, Global, LedgerCommand, OfficerCommand, ProfileCommand,
        ReceiptsCommand, RequestCommand, RevokeCommand,
    },
    error::Error,
    keys::Keyring,
    lint::Finding,
    prompt::Source,
};
use countersign_card::LastTry;
use refusal::Attempt;
use serde_json::Value;
use std::io::Write;

/// What a command has to say when it is done.
pub(crate) struct Answer {
    /// For people, on standard output.
    pub(crate) text: String,
    /// For programs, on standard output instead; null where all has been said.
    pub(crate) json: Value,
    /// What is unwise but was done.
    pub(crate) warnings: Vec<Finding>,
}

/// What every command is given.
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) keyring: Keyring,
    attempt: Option<Attempt>,
    /// For a command that answers before its end.
    output: &'a mut dyn Write,
    notes: &'a mut dyn Write,
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: &'a Global, output: &'a mut dyn Write, notes: &'a mut dyn Write) -> Self {
        let passphrase = Source { descriptor: global.passphrase_fd, option: "--passphrase-fd" };
        let ledger = Source { descriptor: global.ledger_passphrase_fd, option: "--ledger-passphrase-fd" };
        let pins = Source { descriptor: global.key_pin_fd, option: "--key-pin-fd" };
        let last_try = if global.key_last_try { LastTry::Spend } else { LastTry::Keep };
        let mut keyring = Keyring::new(passphrase, ledger, pins).with_cards(global.key_management_fd, last_try);
        keyring.offline_in(global.offline_keys.clone());
        Self { global, keyring, attempt: None, output, notes }
    }

    /// From here on a refusal of the command is an entry of the ledger; `about` is a customer, a token, a person or a role.
    fn attempt(&mut self, command: &'static str, about: impl Into<String>) {
        self.attempt = Some(Attempt { command, about: about.into() });
    }

    /// Tells a person how it is going.
    fn note(&mut self, text: &str) {
        // Nobody is left to hear of a fault.
        let _ = writeln!(self.notes, "{text}");
    }
}

/// Carries out a command, and enters into the ledger that it was refused. Returns its answer and the exit code, which is not
/// 0 where part of the work was refused or something was found.
pub(crate) fn run(cli: Cli, output: &mut dyn Write, notes: &mut dyn Write) -> Result<(Answer, u8), Error> {
    let mut context = Context::new(&cli.global, output, notes);
    let done = carry_out(cli.command, &mut context);
    if let (Err(error), Some(attempt)) = (&done, context.attempt.take())
        && error.is_refusal()
        && let Err(fault) = attempt.enter(error, &cli.global.home)
    {
        context.note(&format!("That it was refused could not be entered into the ledger: {fault}"));
    }
    done
}

fn carry_out(command: Command, context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let answer = match command {
        Command::Init(arguments) => init::run(arguments, context),
        Command::Renew(arguments) => renew::run(&arguments, context),
        Command::Backup(arguments) => backup::run(&arguments, context),
        Command::Restore(arguments) => restore::run(&arguments, context),
        Command::Ceremony { command: CeremonyCommand::Run(arguments) } => ceremony::run(&arguments, context),
        Command::Ceremony { command: CeremonyCommand::Sign(arguments) } => ceremony::sign(&arguments, context),
        Command::Revoke { command } => match command {
            RevokeCommand::Token(arguments) => revoke::token(&arguments, context),
            RevokeCommand::Certificate(arguments) => revoke::certificate(&arguments, context),
            RevokeCommand::Lift { kind, id } => revoke::lift(kind, &id, context),
        },
        Command::Receipts { command: ReceiptsCommand::Import { paths } } => {
            return receipts::import(&paths, context);
        }
        Command::Receipts { command: ReceiptsCommand::Check } => return receipts::check(context),
        Command::Receipts { command: ReceiptsCommand::List } => receipts::list(context),
        Command::Crl(arguments) => crl::run(&arguments, context),
        Command::Bundle(arguments) => bundle::run(&arguments, context),
        Command::Anchors { command } => match command {
            AnchorsCommand::Update(arguments) => anchors::update(&arguments, context),
            AnchorsCommand::Sign(arguments) => anchors::sign(&arguments, context),
            AnchorsCommand::Show { file } => anchors::show(&file, context),
            AnchorsCommand::Adopt { file } => anchors::adopt(&file, context),
        },
        Command::Issue(arguments) => match arguments.batch {
            Some(file) => return batch::run(&file, arguments.terms, context),
            None if arguments.stream => return batch::stream(arguments.terms, context),
            None => issue::run(arguments.terms, context),
        },
        Command::Request { command } => match command {
            RequestCommand::Make(arguments) => request::make(*arguments, context),
            RequestCommand::Show { file } => request::show(&file),
            RequestCommand::Approve(arguments) => request::approve(&arguments, context),
            RequestCommand::Issue(arguments) => request::issue(&arguments, context),
        },
        Command::Officer { command: OfficerCommand::Enroll(arguments) } => officer::enroll(&arguments, context),
        Command::Profile { command: ProfileCommand::Check { files } } => profile::check(&files, context),
        Command::Profile { command: ProfileCommand::Schema { limits, out } } => profile::schema(limits, out.as_deref()),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Card { command } => return card::run(command, context),
        Command::Ledger { command: LedgerCommand::List } => ledger::list(context),
        Command::Ledger { command: LedgerCommand::Show { id, export } } => {
            ledger::show(&id, export.as_deref(), context)
        }
        Command::Ledger { command: LedgerCommand::Prove { token, out } } => prove::run(&token, &out, context),
        Command::Ledger { command: LedgerCommand::Sign { out } } => tree::sign(&out, context),
        Command::Ledger { command: LedgerCommand::Verify { head } } => tree::verify(head.as_deref(), context),
        Command::Report(arguments) => report::run(&arguments, context),
        Command::Completions { shell } => Ok(manual::completions(shell)),
        Command::Man { folder } => manual::pages(&folder),
    };
    Ok((answer?, 0))
}
