//! `card management-key`: what other tools need to manage a card.

use super::{guid_text, open, secrets::own_key};
use crate::{
    args::CardManagementKey,
    cards::CardKey,
    commands::{Answer, Context},
    error::Error,
    files,
    home::Home,
};
use countersign_card::Error as CardError;
use serde_json::json;

pub(super) fn export(arguments: &CardManagementKey, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    if arguments.out.symlink_metadata().is_ok() {
        return Err(Error::FileExists(arguments.out.clone()));
    }
    let mut piv = open(arguments.reader.as_deref(), context)?;
    let no_key = || Error::Usage("no card was enrolled here with --new-secrets".to_owned());
    let chuid = piv.chuid()?.ok_or_else(no_key)?;
    piv.release()?;
    let card_key = CardKey::open(&home, &mut context.keyring)?.ok_or_else(no_key)?;
    piv.resume()?;
    if piv.chuid()?.as_ref() != Some(&chuid) {
        return Err(CardError::CardExchanged.into());
    }
    let key = own_key(&mut piv, &card_key, &chuid.guid)?.ok_or(CardError::ManagementKeyWrong)?;
    files::write_new(&arguments.out, 0o600, key.to_hex().as_bytes())?;
    let text = format!(
        "Wrote the management key of the card {} to {}. Remove the file after use.\n",
        guid_text(&chuid.guid),
        arguments.out.display()
    );
    let json = json!({ "card": { "guid": guid_text(&chuid.guid) }, "file": arguments.out });
    Ok(Answer { text, json, warnings: Vec::new() })
}
