//! `remove`: a token, and what was activated with it.

use crate::{
    context::Context,
    error::{Error, Exit},
    output::{Page, Report},
    plan::Remove,
    ui,
};
use countersign::LockedStore;
use countersign_common::{Octets, SignedObject, Token, decode_object};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn run(plan: &Remove, context: &mut Context<'_>) -> Result<Report, Error> {
    let id = id(plan, context)?;
    let mut records = Vec::new();
    for product in context.store.products()? {
        if plan.record && ids_of_records(&product, context)?.contains(&id.0) {
            records.push(product);
        }
    }
    if plan.ask {
        if !context.person.is_there() {
            return Err(Error::NoTerminal("a confirmation").unwritten());
        }
        let what = if plan.token { format!("the token {id}") } else { format!("what token {id} activated") };
        let products =
            if records.is_empty() { String::new() } else { format!(" and the activation of {}", records.join(", ")) };
        ui::confirm(context.person, &format!("Remove {what}{products}?")).map_err(Error::unwritten)?;
    }
    let mut locked = context.store.lock()?;
    // Records first: where that fails the token is still there to say what they belong to.
    let mut removed = Vec::new();
    // A record that can no longer be read has a name still, which a whole id tells.
    let candidates = if plan.record && plan.id.whole().is_some() { context.store.products()? } else { records };
    for product in candidates {
        if locked.remove_record(&product, &id)? {
            removed.push(product);
        }
    }
    let token = plan.token && remove_token(&mut locked, &id)?;
    if !token && removed.is_empty() {
        return Err(Error::TokenNotInstalled(id.to_string()).unwritten());
    }
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            let page = if token { Page::fact(&format!("token {id} is removed")) } else { Page::default() };
            removed.iter().fold(page, |page, product| {
                page.line(&format!("{product}: the record of token {id} is removed"))
                    .next(&format!("see what is left: `countersign-verifier check {product}`"))
            })
        },
        || json!({ "removed": { "id": id.to_string(), "token": token, "records": removed } }),
    ))
}

/// The id that is meant: a whole one as it stands, else the only one in the store that begins so.
fn id(plan: &Remove, context: &Context<'_>) -> Result<Octets<16>, Error> {
    if let Some(id) = plan.id.whole() {
        return Ok(Octets(id));
    }
    let mut found: BTreeSet<[u8; 16]> = BTreeSet::new();
    let mut names = Vec::new();
    for file in context.store.snapshot()?.tokens()? {
        // Not verified: also what no longer verifies can be removed, and an id is all that is read.
        if let Some(token) = body(&file) {
            names.push(format!("{} ({})", token.id, token.product.id));
            found.insert(token.id.0);
        }
    }
    for product in context.store.products()? {
        found.extend(ids_of_records(&product, context)?);
    }
    found.retain(|id| plan.id.means(&Octets(*id).to_string()));
    let mut meant = found.iter();
    match (meant.next(), meant.next()) {
        (Some(id), None) => Ok(Octets(*id)),
        (Some(_), Some(_)) => Err(Error::SeveralTokens(names)),
        (None, _) => Err(Error::TokenNotInstalled(plan.id.text().to_owned())),
    }
}

/// Whether there was one.
fn remove_token(locked: &mut LockedStore, id: &Octets<16>) -> Result<bool, Error> {
    let mut change = locked.change()?;
    let removed = change.remove_token(id)?;
    if removed {
        change.commit()?;
    }
    Ok(removed)
}

fn body(file: &[u8]) -> Option<Token> {
    let der = decode_object(file).ok()?;
    Token::from_der(SignedObject::from_der(&der).ok()?.content()).ok()
}

fn ids_of_records(product: &str, context: &Context<'_>) -> Result<BTreeSet<[u8; 16]>, Error> {
    let token_id = |file: &Vec<u8>| {
        let der = decode_object(file).ok()?;
        let record = SignedObject::from_der(&der).ok()?;
        let token = SignedObject::from_der(record.unsigned_token()?).ok()?;
        Token::from_der(token.content()).ok().map(|token| token.id.0)
    };
    Ok(context.store.records(product)?.iter().filter_map(token_id).collect())
}
