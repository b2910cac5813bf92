//! `card change-pin` and `card unblock`: a new PIN, with the old one or with the PUK.

use super::{guid_text, open, secrets::own_key};
use crate::{
    args::{ChangePin, Unblock},
    cards::{CardKey, PinRules},
    commands::{Answer, Context},
    error::Error,
    home::Home,
    limits::Limits,
    prompt::{Lines, Source},
};
use countersign_card::{Chuid, Error as CardError, LastTry, Pin, PinStatus, Piv, Puk, Transport};
use serde_json::json;

pub(super) fn change(arguments: &ChangePin, context: &mut Context<'_>) -> Result<Answer, Error> {
    let rules = rules(context)?;
    let last_try = if arguments.use_last_try { LastTry::Spend } else { LastTry::Keep };
    let mut piv = open(arguments.reader.as_deref(), context)?;
    let chuid = known_by(&mut piv)?;
    match piv.pin_status()? {
        PinStatus::Blocked => return Err(CardError::PinBlocked.into()),
        PinStatus::TriesLeft(1) if last_try == LastTry::Keep => return Err(CardError::LastTryKept.into()),
        PinStatus::TriesLeft(tries) => context.note(&format!("PIN tries left: {tries}")),
        PinStatus::Verified => {}
    }
    piv.release()?;
    let old = Pin::new(&Source { descriptor: arguments.pin_fd, option: "--pin-fd" }.read("PIN of the card: ")?)?;
    let new = new_pin(arguments.new_pin_fd, rules)?;
    resume(&mut piv, chuid.as_ref())?;
    piv.change_pin(&old, &new, last_try)?;
    Ok(answer(chuid.as_ref(), "Changed the PIN"))
}

pub(super) fn unblock(arguments: &Unblock, context: &mut Context<'_>) -> Result<Answer, Error> {
    let rules = rules(context)?;
    let mut piv = open(arguments.reader.as_deref(), context)?;
    let chuid = known_by(&mut piv)?;
    let derived = match (&chuid, arguments.puk_fd) {
        (Some(chuid), None) => derived_puk(&mut piv, chuid, context)?,
        _ => None,
    };
    piv.release()?;
    let puk = match derived {
        Some(puk) => puk,
        None => Puk::new(&Source { descriptor: arguments.puk_fd, option: "--puk-fd" }.read("PUK of the card: ")?)?,
    };
    let new = new_pin(arguments.new_pin_fd, rules)?;
    resume(&mut piv, chuid.as_ref())?;
    piv.reset_pin(&puk, &new)?;
    Ok(answer(chuid.as_ref(), "Set a new PIN, and its tries to their full number,"))
}

/// The rules of new PINs, where the folder of the authority has some.
fn rules(context: &Context<'_>) -> Result<PinRules, Error> {
    Ok(Limits::read(&context.global.home)?.cards().pins())
}

fn new_pin(descriptor: Option<i32>, rules: PinRules) -> Result<Pin, Error> {
    Lines::new(descriptor, "--new-pin-fd")
        .read_new("New PIN, for the holder to choose: ", |digits| rules.new_pin(digits))
}

/// The PUK that follows from the authority's secret, if the card has the management key that does: no try is spent to
/// find out.
fn derived_puk<T: Transport>(piv: &mut Piv<T>, chuid: &Chuid, context: &mut Context<'_>) -> Result<Option<Puk>, Error> {
    let home = match Home::open(&context.global.home) {
        Err(Error::NoAuthority(_)) => return Ok(None),
        home => home?,
    };
    piv.release()?;
    let Some(card_key) = CardKey::open(&home, &mut context.keyring)? else { return Ok(None) };
    resume(piv, Some(chuid))?;
    match own_key(piv, &card_key, &chuid.guid)? {
        Some(_) => card_key.puk(&chuid.guid).map(Some),
        None => Ok(None),
    }
}

/// By what the card is known while a person types; a damaged identity is none.
fn known_by<T: Transport>(piv: &mut Piv<T>) -> Result<Option<Chuid>, Error> {
    match piv.chuid() {
        Err(CardError::MalformedObject { .. }) => Ok(None),
        chuid => Ok(chuid?),
    }
}

fn resume<T: Transport>(piv: &mut Piv<T>, chuid: Option<&Chuid>) -> Result<(), Error> {
    piv.resume()?;
    if known_by(piv)?.as_ref() == chuid { Ok(()) } else { Err(CardError::CardExchanged.into()) }
}

fn answer(chuid: Option<&Chuid>, what: &str) -> Answer {
    let guid = chuid.map(|chuid| guid_text(&chuid.guid));
    let text = format!("{what} of the card {}.\n", guid.as_deref().unwrap_or("in the reader"));
    Answer { text, json: json!({ "card": { "guid": guid } }), warnings: Vec::new() }
}
