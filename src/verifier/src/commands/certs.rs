//! `certs`: the certificates on a card, and for each token whether they could activate with it.

use crate::{
    advice,
    context::{Context, Issuers, Objects, clock, facts, own_product, token_name},
    error::{Error, Exit},
    output::{Page, Report, error_json},
    plan::Certs,
    session::card_slot,
};
use countersign::Trust;
use countersign_card::{Error as CardError, Options, Piv};
use countersign_common::{Certificate, Reason, Slot, Time, VerifiedToken};
use countersign_report as report;
use serde_json::{Value, json};
use std::time::Duration;

/// What a slot holds.
struct Held {
    slot: Slot,
    certificate: Result<Option<Vec<u8>>, CardError>,
}

/// What a token says about the certificate in a slot.
struct Judgement {
    token: String,
    name: String,
    /// Number of the grant that admits it, or why none does.
    admitted: Result<u16, Reason>,
    /// Why the token could not be used here and now, whoever holds the card.
    unusable: Option<Reason>,
}

impl Judgement {
    fn could_activate(&self) -> bool {
        self.admitted.is_ok() && self.unusable.is_none()
    }
}

pub(super) fn run(plan: &Certs, context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = match &plan.token {
        Some(file) => Objects::file(file)?,
        None => Objects::installed(&snapshot)?,
    };
    let mut tokens = Vec::new();
    for token in objects.tokens(&trust) {
        match token {
            Ok(token) => tokens.push(token),
            // A token that was named has to be one; those in the store are `tokens`' matter.
            Err(reason) if plan.token.is_some() => return Err(reason.into()),
            Err(_) => {}
        }
    }
    let issuers = Issuers::read(plan.issuers.as_deref(), &snapshot)?;
    let issuers = issuers.parse()?;
    let now = clock()?;

    let reader = context.cards.wait(plan.reader.as_deref(), Duration::ZERO)?;
    let mut piv = Piv::select(context.cards.connect(&reader.name)?, Options::default())?;
    let mut held = Vec::new();
    for slot in [Slot::Signature, Slot::Authentication] {
        match piv.certificate(card_slot(slot)) {
            // Without the card there is nothing to tell about the next slot either.
            Err(error @ CardError::Transport(_)) => return Err(error.into()),
            certificate => held.push(Held { slot, certificate }),
        }
    }
    drop(piv);

    let unusable: Vec<Option<Reason>> = tokens.iter().map(|token| unusable(token, context, &trust, now)).collect();
    let mut seen = Vec::new();
    for held in &held {
        let Ok(Some(der)) = &held.certificate else {
            seen.push((held, None, Vec::new()));
            continue;
        };
        let parsed = Certificate::from_der(der);
        let judgements = tokens.iter().zip(&unusable).map(|(token, unusable)| Judgement {
            token: token.body().id.to_string(),
            name: token_name(token),
            admitted: match &parsed {
                Ok(holder) => token
                    .admit(holder, &issuers, held.slot, now, &trust.anchors, &trust.lists)
                    .map(|admission| admission.grant),
                Err(error) => Err(Reason::Holder(error.clone())),
            },
            unusable: unusable.clone(),
        });
        seen.push((held, Some(parsed.clone()), judgements.collect()));
    }
    let could = seen.iter().any(|(_, _, judgements)| judgements.iter().any(Judgement::could_activate));
    let exit = if could || tokens.is_empty() { Exit::Done } else { Exit::Refused };
    Ok(Report::new(
        context.format,
        exit,
        || {
            let mut page = Page::fact(&format!("reader {}", reader.name));
            for (held, certificate, judgements) in &seen {
                page = described(page, held, certificate.as_ref(), judgements);
            }
            if tokens.is_empty() {
                page = page.line("no token is installed to judge them by").next(advice::of("CS-8011"));
            }
            if seen.iter().all(|(_, certificate, _)| certificate.is_none()) {
                page = page.next("enrol the card with countersign-authority card enroll, or use another one");
            }
            page
        },
        || {
            json!({
                "reader": reader.name,
                "could_activate": could,
                "slots": seen.iter().map(|(held, certificate, judgements)| {
                    view(held, certificate.as_ref(), judgements)
                }).collect::<Value>(),
            })
        },
    ))
}

/// Why a token could not be used on this machine now. The version of the product is for `activate` to state.
fn unusable(token: &VerifiedToken<'_>, context: &Context<'_>, trust: &Trust<'_>, now: Time) -> Option<Reason> {
    let machine = context.machine.facts();
    let product = own_product(token);
    let newest_time_seen = context.store.newest_time_seen().ok().flatten();
    token.check_activation(&facts(Some(now), newest_time_seen, product, &machine, trust)).err()
}

type Parsed<'a> = Result<Certificate<'a>, countersign_common::PathError>;

fn described(mut page: Page, held: &Held, certificate: Option<&Parsed<'_>>, judgements: &[Judgement]) -> Page {
    let slot = held.slot;
    match (&held.certificate, certificate) {
        (Err(error), _) => {
            page.line(&format!("slot {slot}: {error} [{}]", error.code())).next(advice::of(error.code()))
        }
        (_, None) => page.line(&format!("slot {slot}: no certificate")),
        (_, Some(Err(error))) => {
            page.line(&format!("slot {slot}: {error} [{}]", error.kind.code())).next(advice::of(error.kind.code()))
        }
        (_, Some(Ok(certificate))) => {
            page = page.line(&format!("slot {slot}")).lines(&report::certificate_lines(certificate));
            for judgement in judgements {
                let (words, next) = match (&judgement.admitted, &judgement.unusable) {
                    (Ok(grant), None) => (format!("could activate, by grant {grant}"), ""),
                    (Ok(grant), Some(reason)) => (
                        format!("admitted by grant {grant}, but not here and now: {reason} [{}]", reason.code()),
                        advice::of(reason.code()),
                    ),
                    (Err(reason), _) => {
                        (format!("could not activate: {reason} [{}]", reason.code()), advice::of(reason.code()))
                    }
                };
                page = page.line(&format!("  token {}: {words}", judgement.name)).next(next);
            }
            page
        }
    }
}

fn view(held: &Held, certificate: Option<&Parsed<'_>>, judgements: &[Judgement]) -> Value {
    let mut view = json!({ "slot": held.slot.to_string() });
    match (&held.certificate, certificate) {
        (Err(error), _) => view["error"] = error_json(&Error::Card(error.clone())),
        (_, Some(Err(error))) => view["error"] = error_json(&Error::Reason(Reason::Holder(error.clone()))),
        (_, Some(Ok(certificate))) => view["certificate"] = report::certificate(certificate),
        (_, None) => {}
    }
    view["tokens"] = judgements
        .iter()
        .map(|judgement| {
            let reason = judgement.admitted.as_ref().err().or(judgement.unusable.as_ref());
            json!({
                "id": judgement.token,
                "could_activate": judgement.could_activate(),
                "grant": judgement.admitted.as_ref().ok(),
                "reason": reason.map_or(Value::Null, report::reason),
            })
        })
        .collect();
    view
}
