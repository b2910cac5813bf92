//! `status`: every product that this machine knows of, and what waits to be used.

use super::{
    anchors, check, exit_of,
    tokens::{view as token_view, window},
};
use crate::{
    advice,
    context::{Context, Objects, token_name},
    error::{Error, Exit},
    output::{Page, Report},
    plan::Status,
};
use countersign::{Reason, Verdict, assess};
use countersign_common::VerifiedToken;
use countersign_report as report;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn run(plan: &Status, context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = Objects::installed(&snapshot)?;
    let tokens: Vec<VerifiedToken<'_>> = objects.tokens(&trust).into_iter().flatten().collect();
    let mut products: BTreeSet<String> = context.store.products()?.into_iter().collect();
    products.extend(tokens.iter().map(|token| token.body().product.id.clone()));
    if let Some(product) = &plan.product {
        products = BTreeSet::from([product.clone()]);
    }
    let verdicts: Vec<(String, Verdict)> = products
        .into_iter()
        .map(|product| {
            let verdict = assess(context.store, &plan.facts.of(&product), context.anchors, context.machine);
            (product, verdict)
        })
        .collect();
    let now = countersign::now();
    // A token waits where no activation under it holds.
    let waits = |token: &&VerifiedToken<'_>| {
        let used = |(product, verdict): &(String, Verdict)| {
            *product == token.body().product.id
                && verdict.state.is_activated()
                && verdict.evidence.token.as_ref().is_some_and(|used| used.id == token.body().id)
        };
        let wanted = plan.product.as_ref().is_none_or(|product| *product == token.body().product.id);
        wanted && !verdicts.iter().any(used)
    };
    let waiting: Vec<&VerifiedToken<'_>> = tokens.iter().filter(waits).collect();
    let floor = context.store.newest_time_seen()?;
    let exit = if verdicts.is_empty() {
        Exit::Refused
    } else {
        verdicts.iter().fold(Exit::Done, |exit, (_, verdict)| exit.worse(exit_of(verdict.state)))
    };
    let file = anchors::file(context);
    let source = context.anchors.source();
    Ok(Report::new(
        context.format,
        exit,
        || {
            let mut page = Page::default();
            if verdicts.is_empty() {
                let reason = Reason::NotActivated;
                page = page.line(&format!("nothing is activated [{}]", reason.code())).next(advice::of(reason.code()));
            }
            for (product, verdict) in &verdicts {
                page = page
                    .line(&check::headline(product, verdict))
                    .lines(&report::verdict_lines(verdict))
                    .next(advice::of(verdict.reason.code()));
            }
            for token in &waiting {
                page = page.line(&format!("waiting: token {}, window {}", token_name(token), window(token, now)));
            }
            let clock = now.map_or_else(|| "none".to_owned(), |now| format!("{now} (UTC)"));
            let floor = floor.map_or_else(|| "none yet".to_owned(), |floor| format!("{floor} (UTC)"));
            let anchors = file.as_ref().map_or_else(
                || check::source_words(source).to_owned(),
                |file| format!("{}: {}", check::source_words(source), file.words()),
            );
            page.line("this machine").lines(&[
                ("clock", clock),
                ("latest time seen", floor),
                ("trust anchors", anchors),
                ("store", context.store.root().display().to_string()),
            ])
        },
        || {
            json!({
                "products": verdicts.iter().map(|(product, verdict)| json!({
                    "product": product,
                    "verdict": report::verdict(verdict),
                    "next": advice::of(verdict.reason.code()),
                })).collect::<Value>(),
                "waiting": waiting.iter().map(|token| token_view(&Ok((*token).clone()), &trust, now)).collect::<Value>(),
                "clock": now.map(|now| now.to_string()),
                "latest_time_seen": floor.map(|floor| floor.to_string()),
                "anchors": {
                    "source": check::source_name(source),
                    "file": file.as_ref().map_or(Value::Null, anchors::AnchorFile::view),
                },
                "store": context.store.root().to_string_lossy(),
            })
        },
    ))
}
