//! `card`: the life of a card, from enrolment to its end.

mod batch;
mod certify;
mod enroll;
mod lost;
mod management;
mod pin;
mod secrets;
mod show;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod soft_card;
mod survey;

use super::{Answer, Context};
use crate::{args::CardCommand, error::Error, words::to_hex};
use countersign_card::{Error as CardError, Options, PcscTransport, Piv};

pub(super) fn run(command: CardCommand, context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let answer = match command {
        CardCommand::Enroll(arguments) => match &arguments.batch {
            Some(file) => return batch::run(file, &arguments, context),
            None => enroll::run(&arguments, context),
        },
        CardCommand::Show(arguments) => show::run(&arguments, context),
        CardCommand::ChangePin(arguments) => pin::change(&arguments, context),
        CardCommand::Unblock(arguments) => pin::unblock(&arguments, context),
        CardCommand::Lost(arguments) => lost::run(&arguments, context),
        CardCommand::ManagementKey(arguments) => management::export(&arguments, context),
    };
    Ok((answer?, 0))
}

/// Takes the card in a reader.
fn open(reader: Option<&str>, context: &mut Context<'_>) -> Result<Piv<PcscTransport>, Error> {
    let transport = PcscTransport::connect(reader).map_err(CardError::from)?;
    context.note(&format!("Reader: {}", transport.reader()));
    Ok(Piv::select(transport, Options::default())?)
}

/// A GUID as RFC 9562 writes it.
fn guid_text(guid: &[u8; 16]) -> String {
    let hex = to_hex(guid);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
