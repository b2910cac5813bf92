//! `tokens`: what is installed, and whether it can be used now.

use super::check::source_name;
use crate::{
    advice,
    context::{Context, Objects, parse_anchors},
    error::{Error, Exit},
    output::{Page, Report},
};
use countersign_common::{Reason, Time, VerifiedToken};
use countersign_report as report;
use serde_json::{Value, json};

pub(super) fn run(context: &Context<'_>) -> Result<Report, Error> {
    let roots = context.roots()?;
    let anchors = parse_anchors(&roots)?;
    let objects = Objects::installed(context.store)?;
    let tokens = objects.tokens(&anchors);
    let now = countersign::now();
    let exit = if tokens.iter().all(Result::is_ok) { Exit::Done } else { Exit::Refused };
    Ok(Report::new(
        context.format,
        exit,
        || page(&tokens, now),
        || {
            json!({
                "anchors": { "source": source_name(context.anchors.source()) },
                "tokens": tokens.iter().map(|token| view(token, now)).collect::<Value>(),
            })
        },
    ))
}

fn page(tokens: &[Result<VerifiedToken<'_>, Reason>], now: Option<Time>) -> Page {
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
            page.line(&format!(
                "{}: {} version {}, for {} ({}), {window}",
                body.id, body.product.id, body.revision, body.customer.name, body.customer.id
            ))
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

pub(super) fn view(token: &Result<VerifiedToken<'_>, Reason>, now: Option<Time>) -> Value {
    match token {
        Ok(token) => json!({
            "valid": true,
            "window": window(token, now),
            "sha256": token.evidence().digest.to_string(),
            "issued": token.issued().to_string(),
            "body": report::token(token.body()),
        }),
        Err(reason) => json!({ "valid": false, "reason": report::reason(reason) }),
    }
}
