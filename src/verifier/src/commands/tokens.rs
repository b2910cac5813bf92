//! `tokens`: what is installed, and whether it can be used now.

use super::check::source_name;
use crate::{
    advice,
    context::{Context, Objects},
    error::{Error, Exit},
    output::{Page, Report},
};
use countersign::Trust;
use countersign_common::{Reason, Time, VerifiedToken};
use countersign_report as report;
use serde_json::{Value, json};

pub(super) fn run(context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = Objects::installed(&snapshot)?;
    let tokens = objects.tokens(&trust);
    let now = countersign::now();
    let exit = if tokens.iter().all(Result::is_ok) { Exit::Done } else { Exit::Refused };
    Ok(Report::new(
        context.format,
        exit,
        || page(&tokens, &trust, now),
        || {
            json!({
                "anchors": { "source": source_name(context.anchors.source()) },
                "tokens": tokens.iter().map(|token| view(token, &trust, now)).collect::<Value>(),
            })
        },
    ))
}

/// Why a token that is good would activate nothing any more: a list says so.
pub(super) fn revocation(token: &VerifiedToken<'_>, trust: &Trust<'_>, now: Option<Time>) -> Option<Reason> {
    trust.lists.check_token(token, now?).err()
}

fn page(tokens: &[Result<VerifiedToken<'_>, Reason>], trust: &Trust<'_>, now: Option<Time>) -> Page {
    if tokens.is_empty() {
        return Page::fact("no token is installed").next(advice::of("CS-8011"));
    }
    tokens.iter().fold(Page::default(), |page, token| match token {
        Ok(token) => {
            let body = token.body();
            let window = match window(token, now) {
                "open" => format!("may be activated until {}", body.window.not_after.0),
                "closed" => format!("window closed {}", body.window.not_after.0),
                "not-yet" => format!("window opens {}", body.window.not_before.0),
                _ => "no clock to tell whether its window is open".to_owned(),
            };
            let page = page.line(&format!(
                "{}: {} version {}, for {} ({}), {window}",
                body.id, body.product.id, body.revision, body.customer.name, body.customer.id
            ));
            match revocation(token, trust, now) {
                Some(reason) => page.line(&format!("  {reason} [{}]", reason.code())).next(advice::of(reason.code())),
                None => page,
            }
        }
        Err(reason) => page
            .line(&format!("a token in the store is refused: {reason} [{}]", reason.code()))
            .next(advice::of(reason.code())),
    })
}

/// `open`, `closed`, `not-yet`, or `unknown` without a clock.
pub(super) fn window(token: &VerifiedToken<'_>, now: Option<Time>) -> &'static str {
    let window = token.body().window;
    match now {
        None => "unknown",
        Some(now) if now < window.not_before.0 => "not-yet",
        Some(now) if now > window.not_after.0 => "closed",
        Some(_) => "open",
    }
}

pub(super) fn view(token: &Result<VerifiedToken<'_>, Reason>, trust: &Trust<'_>, now: Option<Time>) -> Value {
    match token {
        Ok(token) => json!({
            "valid": true,
            "window": window(token, now),
            "revoked": revocation(token, trust, now).as_ref().map_or(Value::Null, report::reason),
            "sha256": token.evidence().digest.to_string(),
            "issued": token.issued().to_string(),
            "body": report::token(token.body()),
        }),
        Err(reason) => json!({ "valid": false, "reason": report::reason(reason) }),
    }
}
