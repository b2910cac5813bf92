//! `clock`: the clock, the latest time seen and what it came from; and the mend of a clock that ran ahead.

use super::machine::find;
use crate::{
    advice,
    context::{self, Context, Objects, clock, own_product, token_name},
    error::{Error, Exit},
    files,
    output::{Page, Report},
    plan::ClockRequest as RequestPlan,
    random,
};
use countersign::{MachineFacts, Reason, Time, Trust};
use countersign_common::{CLOCK_TOLERANCE, ClockRequest, Facts, VerifiedTimestamp, VerifiedToken, display_name};
use countersign_report::{self as report, Line};
use der::Encode as _;
use serde_json::{Value, json};
use std::path::Path;

/// What a time that has passed is known from.
struct Passed {
    time: Time,
    from: String,
}

impl Passed {
    fn line(&self) -> Line {
        ("dated later", format!("{}, {}", self.from, self.time))
    }
}

/// `clock`: nothing is written, and an unreadable clock is an answer, too.
pub(super) fn show(context: &Context<'_>) -> Result<Report, Error> {
    let now = countersign::now();
    let floor = context.floor()?;
    let passed = passed(context)?;
    let request = pending(context)?;
    let newest = passed.iter().map(|passed| passed.time).chain(floor).max();
    let reason = match (now, newest) {
        (None, _) => Some(Reason::NoClock),
        (Some(now), Some(floor)) if now.plus(CLOCK_TOLERANCE) < floor => Some(Reason::ClockBehind { now, floor }),
        _ => None,
    };
    let later = later(&passed, now);
    let source = floor.map(|floor| {
        let object = passed.iter().find(|passed| passed.time == floor);
        object.map_or_else(|| "this machine's clock, at an earlier look".to_owned(), |passed| passed.from.clone())
    });
    let exit = if reason.is_some() { Exit::CannotTell } else { Exit::Done };
    let next = reason.as_ref().map_or("", next);
    Ok(Report::new(
        context.format,
        exit,
        || {
            let fact = match &reason {
                None => "the clock is not behind any time that has passed".to_owned(),
                Some(reason) => format!("{reason} [{}]", reason.code()),
            };
            let mut lines = vec![
                ("clock (UTC)", now.map_or_else(|| "none".to_owned(), |now| now.to_string())),
                ("latest time seen", floor.map_or_else(|| "none yet".to_owned(), |floor| floor.to_string())),
            ];
            lines.extend(source.iter().map(|source| ("set by", source.clone())));
            lines.extend(later.iter().map(|it| it.line()));
            lines.extend(request.iter().map(|request| ("request waiting", format!("made {}", request.time.0))));
            Page::fact(&fact).lines(&lines).next(next)
        },
        || {
            json!({ "clock": {
                "now": text(now),
                "floor": text(floor),
                "set_by": source,
                "dated_later": views(&later),
                "request": request.as_ref().map(view),
                "reason": reason.as_ref().map_or(Value::Null, report::reason),
                "next": next,
            } })
        },
    ))
}

/// `clock request`.
pub(super) fn request(plan: &RequestPlan, context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = Objects::installed(&snapshot)?;
    let token = match &plan.token {
        Some(id) => find(objects.tokens(&trust), id)?,
        None => only(objects.tokens(&trust))?,
    };
    let machine = context.machine.facts();
    let facts = facts(&token, &machine, &trust, clock()?, context)?;
    let fresh = ClockRequest::new(&token, random::nonce()?, &facts)?;
    // A courier may be on the way with the one that waits: its answer must stay good.
    let waiting = pending(context)?.filter(|waiting| {
        (waiting.token_digest, waiting.floor, &waiting.machine) == (fresh.token_digest, fresh.floor, &fresh.machine)
    });
    let again = waiting.is_some();
    let request = waiting.unwrap_or(fresh);
    let not_der = |_| Reason::NotDer { what: "clock request", at: 0 };
    let query = request.query().map_err(not_der)?;
    if !again {
        context.store.lock()?.keep_clock_request(&request.to_der().map_err(not_der)?)?;
    }
    files::replace(&plan.out, &query)?;
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            let file = plan.out.display();
            let page = Page::fact(&format!("{file}: a query for a time-stamping authority"));
            let page = if again { page.line("the request that waits was written again") } else { page };
            page.lines(&[
                ("token", token_name(&token)),
                ("clock (UTC)", request.time.0.to_string()),
                ("latest time seen", request.floor.0.to_string()),
            ])
            .next("have it stamped by an authority that the token trusts, and bring the answer: `clock mend FILE`")
        },
        || json!({ "clock": { "request": view(&request), "again": again, "out": plan.out.display().to_string() } }),
    ))
}

/// `clock mend`.
pub(super) fn mend(response: &Path, context: &Context<'_>) -> Result<Report, Error> {
    let response = files::read(response)?;
    let request = pending(context)?.ok_or(Error::NoClockRequest)?;
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = Objects::installed(&snapshot)?;
    let mut tokens = objects.tokens(&trust).into_iter().flatten();
    let token = tokens
        .find(|token| token.object().digest() == request.token_digest.0)
        .ok_or(Reason::ClockRequestVoid("its token is not installed any more"))?;
    let machine = context.machine.facts();
    let facts = facts(&token, &machine, &trust, clock()?, context)?;
    let timestamp = countersign_common::mend(&response, &request, &token, &facts)?;
    let locked = context.store.lock()?;
    locked.set_time(timestamp.time)?;
    // Whatever becomes of it, the request is void: it names a floor that is no more.
    locked.remove_clock_request()?;
    drop(locked);
    let passed = passed(context)?;
    let later = later(&passed, facts.now);
    Ok(Report::new(
        context.format,
        Exit::Done,
        || mended_page(&timestamp, &request, &later),
        || {
            json!({ "clock": {
                "floor": timestamp.time.to_string(),
                "earlier_floor": request.floor.0.to_string(),
                "accuracy": timestamp.accuracy,
                "authority": timestamp.authority,
                "anchor": timestamp.anchor,
                "dated_later": views(&later),
            } })
        },
    ))
}

fn mended_page(timestamp: &VerifiedTimestamp, request: &ClockRequest, later: &[&Passed]) -> Page {
    let mut lines = vec![
        ("latest time seen", format!("{}, as stamped; it was {}", timestamp.time, request.floor.0)),
        ("stamped by", timestamp.authority.clone()),
        ("anchor", timestamp.anchor.clone()),
    ];
    if let Some(accuracy) = timestamp.accuracy {
        let (seconds, rest) = (accuracy / 1_000_000, accuracy % 1_000_000);
        lines.push(("accuracy", format!("{seconds}.{rest:06} seconds")));
    }
    lines.extend(later.iter().map(|it| it.line()));
    let page = Page::fact("the latest time seen is mended").lines(&lines);
    if later.is_empty() { page } else { page.next(ACTIVATE_AGAIN) }
}

const ACTIVATE_AGAIN: &str = "an activation that was dated by the wrong clock stays refused: \
     `countersign-verifier remove TOKEN_ID --record`, then activate again";

/// What can be done about the clock; which of it, the lines above tell.
fn next(reason: &Reason) -> &'static str {
    match reason {
        Reason::ClockBehind { .. } => {
            "if the clock is wrong, set it (UTC), for example `sudo date --utc --set '2026-11-24 09:30'`; if it is right, \
             `sudo countersign-verifier clock request --out FILE` and have that stamped"
        }
        reason => advice::of(reason.code()),
    }
}

/// The one token that permits a mend.
fn only<'a>(tokens: Vec<Result<VerifiedToken<'a>, Reason>>) -> Result<VerifiedToken<'a>, Error> {
    if tokens.is_empty() {
        return Err(Error::NoToken(None));
    }
    let permits = |token: &VerifiedToken<'_>| token.body().terms.clock_repair.is_some();
    let mut permitting: Vec<_> = tokens.into_iter().flatten().filter(permits).collect();
    let token = permitting.pop().ok_or(Reason::ClockRepairNotPermitted)?;
    if permitting.is_empty() {
        return Ok(token);
    }
    permitting.push(token);
    Err(Error::SeveralTokens(permitting.iter().map(token_name).collect()))
}

fn facts<'f>(
    token: &'f VerifiedToken<'_>,
    machine: &'f MachineFacts,
    trust: &'f Trust<'f>,
    now: Time,
    context: &Context<'_>,
) -> Result<Facts<'f>, Error> {
    Ok(context::facts(Some(now), context.floor()?, own_product(token), machine, trust))
}

/// The request that waits; one that cannot be read is none, and asking again replaces it.
fn pending(context: &Context<'_>) -> Result<Option<ClockRequest>, Error> {
    Ok(context.store.clock_request()?.and_then(|der| ClockRequest::from_der(&der).ok()))
}

/// The dates of what verifies in the store: nothing where there are no trust anchors.
fn passed(context: &Context<'_>) -> Result<Vec<Passed>, Error> {
    let snapshot = context.store.snapshot()?;
    let files = match context.trust(&snapshot) {
        Err(Error::Reason(Reason::NoAnchors)) => return Ok(Vec::new()),
        files => files?,
    };
    let trust = files.trust()?;
    let mut passed = Vec::new();
    for product in context.store.products()? {
        let objects = Objects::new(context.store.records(&product)?.iter().map(Vec::as_slice));
        let records = objects.records(&trust).into_iter().flatten();
        passed.extend(records.map(|it| Passed { time: it.activated(), from: format!("the activation of {product}") }));
    }
    let objects = Objects::installed(&snapshot)?;
    let tokens = objects.tokens(&trust).into_iter().flatten();
    passed.extend(tokens.map(|it| Passed { time: it.issued(), from: format!("the token {}", it.body().id) }));
    passed.extend(trust.lists.token_lists().iter().map(|list| {
        let (issuer, number) = (display_name(list.issuer()), list.body().number);
        Passed { time: list.body().this_update.0, from: format!("the token list {number} of {issuer}") }
    }));
    Ok(passed)
}

/// Those dated after the clock. A time stamp does not move what bears a signature.
fn later(passed: &[Passed], now: Option<Time>) -> Vec<&Passed> {
    passed.iter().filter(|it| now.is_some_and(|now| now.plus(CLOCK_TOLERANCE) < it.time)).collect()
}

fn views(passed: &[&Passed]) -> Value {
    passed.iter().map(|it| json!({ "time": it.time.to_string(), "from": it.from })).collect()
}

fn text(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |time| json!(time.to_string()))
}

fn view(request: &ClockRequest) -> Value {
    json!({
        "time": request.time.0.to_string(),
        "floor": request.floor.0.to_string(),
        "token_sha256": request.token_digest.to_string(),
        "nonce": request.nonce.to_string(),
    })
}
