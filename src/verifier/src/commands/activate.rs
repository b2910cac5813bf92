//! `activate`: a token, a machine and a card become a record.
//!
//! Everything that needs no card is decided before the card is touched, and nothing is kept before the record that
//! came of it has been verified as a product will verify it.

use super::{check, machine};
use crate::{
    context::{Context, Issuers, Objects, clock, facts, token_name},
    error::{Error, Exit},
    files,
    output::{Page, Report},
    plan::Activate,
    session::{self, Job, PinSource},
    ui,
};
use countersign::{MachineFacts, Time, Trust, Verdict};
use countersign_card::{Options, Pin, Reader, TransportError};
use countersign_common::{Facts, Reason, SignedObject, VerifiedRecord, VerifiedToken, encode_object, validate};
use countersign_report as report;
use countersign_report::visible;
use serde_json::json;
use std::{io::Write as _, path::Path, time::Duration};

/// How long a person has to find the card and to insert it.
const GUIDED_WAIT: Duration = Duration::from_secs(120);

/// What tokens and records are judged by.
struct Scene<'a> {
    plan: &'a Activate,
    machine: &'a MachineFacts,
    trust: &'a Trust<'a>,
    newest_time_seen: Option<Time>,
}

impl Scene<'_> {
    /// The facts now, for the product that a token is for.
    fn facts<'f>(&'f self, token: &'f VerifiedToken<'_>) -> Facts<'f> {
        let product = self.plan.facts.of(&token.body().product.id);
        facts(countersign::now(), self.newest_time_seen, product, self.machine, self.trust)
    }
}

pub(super) fn run(plan: &Activate, context: &mut Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let machine = context.machine.facts();
    let scene = Scene { plan, machine: &machine, trust: &trust, newest_time_seen: context.floor()? };
    let objects = Objects::installed(&snapshot)?;
    let guided = plan.pin_fd.is_none() && context.person.is_there();

    let mut pending = Vec::new();
    let mut done = None;
    for token in meant(plan, objects.tokens(&trust))? {
        match activated_already(&scene, &token, context)? {
            Some(verdict) if !plan.again => done = done.or(Some(already(&token, &verdict, context))),
            _ => pending.push(token),
        }
    }
    let token = match (choose(pending, &scene, guided, context), done) {
        // Nothing is left to do, or nothing that could be done here and now.
        (Err(Error::Reason(_)), Some(done)) => return Ok(done),
        (chosen, _) => chosen?,
    };
    let root = context.store.root();
    // The time floor lies in the one, the record in the other.
    writable(root)?;
    writable(&root.join("records").join(&token.body().product.id))?;
    // Held for a moment only: a person may take their time with the PIN.
    drop(context.store.lock()?);
    let issuers = Issuers::read(plan.issuers.as_deref(), &snapshot)?;
    let issuers = issuers.parse()?;
    let pin = match plan.pin_fd {
        Some(number) => PinSource::Given(Pin::new(&ui::pin_from_descriptor(number)?)?),
        None if guided => PinSource::Person,
        None => return Err(Error::NoTerminal("the PIN")),
    };
    let options = options(plan)?;
    if guided {
        let terms = shown(&token, &machine);
        context.person.tell(&terms).map_err(|_| Error::Cancelled)?;
    }

    let reader = find_card(plan, guided, context)?;
    let connection = context.cards.connect(&reader.name)?;
    let job = Job {
        token: &token,
        trust: &trust,
        issuers: &issuers,
        slot: plan.slot,
        machine: &machine,
        work_order: plan.work_order.clone(),
        last_try: plan.last_try,
        pin,
    };
    let record = session::sign(&job, connection, options, context.person)?;

    let (verdict, activated) = judged(&record, &scene, &token)?;
    let locked = context.store.lock().map_err(Error::RecordNotKept)?;
    locked.advance_time(activated.max(token.issued()))?;
    let (product, id) = (&token.body().product.id, &token.body().id);
    locked.keep_record(product, id, encode_object(&record).as_bytes()).map_err(Error::RecordNotKept)?;
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            Page::fact(&check::headline(&token.body().product.id, &verdict))
                .lines(&[vec![("reader", reader.name.clone())], report::verdict_lines(&verdict)].concat())
                .next(&verdict.renewal_due.map_or_else(
                    || "nothing: the product can be started".to_owned(),
                    |due| format!("nothing: the product can be started; renew from {due} on"),
                ))
        },
        || {
            json!({
                "product": token.body().product.id,
                "outcome": "activated",
                "written": true,
                "reader": reader.name,
                "verdict": report::verdict(&verdict),
            })
        },
    ))
}

/// The installed tokens that the command line could mean.
fn meant<'a>(plan: &Activate, tokens: Vec<Result<VerifiedToken<'a>, Reason>>) -> Result<Vec<VerifiedToken<'a>>, Error> {
    let mut refusal: Option<Reason> = None;
    let mut meant = Vec::new();
    for token in tokens {
        match token {
            Ok(token) => {
                let body = token.body();
                let id = plan.token.as_ref().is_none_or(|id| id.means(&body.id.to_string()));
                if id && plan.product.as_ref().is_none_or(|product| *product == body.product.id) {
                    meant.push(token);
                }
            }
            Err(reason) => refusal = Some(reason),
        }
    }
    match (meant.is_empty(), refusal, &plan.token) {
        (false, _, _) => Ok(meant),
        // A token that does not verify may be the one that is meant.
        (true, Some(reason), _) => Err(reason.into()),
        (true, None, Some(id)) => Err(Error::TokenNotInstalled(id.text().to_owned())),
        (true, None, None) => Err(Error::NoToken(plan.product.clone())),
    }
}

/// The one to activate with: of those that may be used here and now the only one, or the one that the person chooses.
fn choose<'a>(
    meant: Vec<VerifiedToken<'a>>,
    scene: &Scene<'_>,
    guided: bool,
    context: &mut Context<'_>,
) -> Result<VerifiedToken<'a>, Error> {
    let mut fit = Vec::new();
    let mut refusal: Option<Reason> = None;
    for token in meant {
        match token.check_activation(&scene.facts(&token)) {
            Ok(()) => fit.push(token),
            Err(reason) if refusal.as_ref().is_none_or(|refusal| reason.rank() > refusal.rank()) => {
                refusal = Some(reason);
            }
            Err(_) => {}
        }
    }
    if fit.len() > 1 && guided {
        let names: Vec<String> = fit.iter().map(|token| visible(&token_name(token))).collect();
        let chosen = ui::choose(context.person, "Several tokens can be used:", &names)?;
        return Ok(fit.swap_remove(chosen));
    }
    match (fit.pop(), fit.is_empty()) {
        (Some(token), true) => Ok(token),
        (Some(last), false) => Err(Error::SeveralTokens(fit.iter().chain([&last]).map(token_name).collect())),
        (None, _) => Err(refusal.unwrap_or(Reason::NotActivated).into()),
    }
}

/// The verdict on the record that is there already, where it was made under the same version of the token, holds, and
/// needs no renewal: signing again would spend a signature for nothing.
fn activated_already(
    scene: &Scene<'_>,
    token: &VerifiedToken<'_>,
    context: &Context<'_>,
) -> Result<Option<Verdict>, Error> {
    let facts = scene.facts(token);
    let digest = token.evidence().digest;
    let records = context.store.records(&token.body().product.id)?;
    let verdicts = records.iter().map(|record| validate(record, &facts));
    let holds = |verdict: &Verdict| {
        verdict.reason == Reason::Licensed
            && verdict.evidence.token.as_ref().is_some_and(|token| token.digest == digest)
    };
    Ok(verdicts.into_iter().find(holds))
}

fn already(token: &VerifiedToken<'_>, verdict: &Verdict, context: &Context<'_>) -> Report {
    let product = &token.body().product.id;
    Report::new(
        context.format,
        Exit::Done,
        || {
            Page::fact(&check::headline(product, verdict))
                .line("it was activated with this token before; the card was not used and nothing was written")
                .lines(&report::verdict_lines(verdict))
                .next("nothing; to sign a new record nevertheless, --again")
        },
        || {
            json!({
                "product": product,
                "outcome": "already-activated",
                "written": false,
                "verdict": report::verdict(verdict),
            })
        },
    )
}

/// Finds out before the card is used whether the record could be kept.
fn writable(folder: &Path) -> Result<(), Error> {
    let whole = std::path::absolute(folder).map_err(|error| Error::StoreNotWritable(folder.to_owned(), error))?;
    let there = whole.ancestors().find(|part| part.exists()).unwrap_or(&whole);
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(there, access).map_err(|error| Error::StoreNotWritable(there.to_owned(), error.into()))
}

fn options(plan: &Activate) -> Result<Options, Error> {
    let Some(path) = &plan.trace else {
        return Ok(Options::default());
    };
    let mut file = files::append(path)?;
    let recorder = move |event: &countersign_card::TraceEvent| {
        // A trace that cannot be written is no reason to fail with the card half-way.
        let _ = writeln!(file, "{event}");
    };
    Ok(Options { recorder: Some(Box::new(recorder)), ..Options::default() })
}

fn find_card(plan: &Activate, guided: bool, context: &mut Context<'_>) -> Result<Reader, Error> {
    let wanted = plan.reader.as_deref();
    let wait = plan.wait.unwrap_or(if guided { GUIDED_WAIT } else { Duration::ZERO });
    match context.cards.wait(wanted, Duration::ZERO) {
        Err(error @ (TransportError::NoCard | TransportError::NoReader | TransportError::ReaderUnknown { .. }))
            if !wait.is_zero() =>
        {
            if guided {
                let what = if error == TransportError::NoCard { "Insert your card" } else { "Connect the card reader" };
                let text = format!("{what}; waiting {} seconds, Ctrl-C leaves.\n", wait.as_secs());
                context.person.tell(&text).map_err(|_| Error::Cancelled)?;
            }
            Ok(context.cards.wait(wanted, wait)?)
        }
        outcome => Ok(outcome?),
    }
}

/// What the person sees before the PIN is asked for.
fn shown(token: &VerifiedToken<'_>, machine: &MachineFacts) -> String {
    let time = clock().map_or_else(|_| "none".to_owned(), |now| format!("{now} (UTC)"));
    Page::fact("This is what your card will sign for.")
        .lines(&report::token_lines(token.body()))
        .line("This machine")
        .lines(&machine::lines(machine))
        .lines(&[("clock", time)])
        .line("If the clock is wrong, leave and set it first: the activation is dated by it.")
        .text
}

/// Judges the new record as a product will.
fn judged(record: &[u8], scene: &Scene<'_>, token: &VerifiedToken<'_>) -> Result<(Verdict, Time), Error> {
    let record = VerifiedRecord::verify(SignedObject::from_der(record)?, &scene.trust.anchors, &scene.trust.lists);
    let record = record.map_err(|reason| match reason {
        // The token verified before, so it is the card's signature.
        Reason::BadSignature => Error::SignatureNotOfCertificate,
        reason => reason.into(),
    })?;
    let verdict = record.assess(&scene.facts(token));
    if verdict.state.is_activated() { Ok((verdict, record.activated())) } else { Err(verdict.reason.into()) }
}
