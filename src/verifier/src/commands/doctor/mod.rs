//! `doctor`: everything that could keep this machine from being activated, each finding with its mend.

mod trust;

use super::readers::{self, Kind};
use crate::{
    advice,
    context::Context,
    error::{Error, Exit},
    output::{Page, Report},
    rights,
};
use countersign::{ComponentFact, Reason};
use countersign_card::{ReaderState, TransportError};
use countersign_common::CLOCK_TOLERANCE;
use serde_json::{Value, json};

/// One thing that was looked at.
struct Item {
    about: &'static str,
    says: String,
    /// The code of a finding; nothing where all is well.
    code: Option<&'static str>,
}

#[derive(Default)]
struct Examination(Vec<Item>);

impl Examination {
    fn good(&mut self, about: &'static str, says: impl Into<String>) {
        self.0.push(Item { about, says: says.into(), code: None });
    }

    fn finding(&mut self, about: &'static str, says: impl Into<String>, code: &'static str) {
        self.0.push(Item { about, says: says.into(), code: Some(code) });
    }

    fn failed(&mut self, about: &'static str, error: &Error) {
        self.finding(about, error.to_string(), error.code());
    }

    fn findings(&self) -> usize {
        self.0.iter().filter(|item| item.code.is_some()).count()
    }
}

pub(super) fn run(context: &Context<'_>) -> Report {
    let mut found = Examination::default();
    store(&mut found, context);
    clock(&mut found, context);
    trust::examine(&mut found, context);
    machine(&mut found, context);
    cards(&mut found, context);
    let findings = found.findings();
    let exit = if findings == 0 { Exit::Done } else { Exit::Refused };
    Report::new(
        context.format,
        exit,
        || page(&found, findings),
        || {
            json!({
                "findings": findings,
                "items": found.0.iter().map(|item| json!({
                    "about": item.about,
                    "says": item.says,
                    "well": item.code.is_none(),
                    "code": item.code,
                    "next": item.code.map(advice::of),
                })).collect::<Value>(),
            })
        },
    )
}

fn page(found: &Examination, findings: usize) -> Page {
    let headline = match findings {
        0 => "nothing was found that keeps this machine from being activated".to_owned(),
        1 => "1 finding".to_owned(),
        several => format!("{several} findings"),
    };
    found.0.iter().fold(Page::fact(&headline), |mut page, item| {
        let (mark, code) = match item.code {
            None => ("ok", String::new()),
            Some(code) => ("!!", format!(" [{code}]")),
        };
        page = page.line(&format!("  {mark}  {}: {}{code}", item.about, item.says));
        // The mend stands under its finding, since there may be several.
        if let Some(code) = item.code {
            page.text.push_str("      next: ");
            page.text.push_str(&advice::of(code).replace('\n', "\n        "));
            page.text.push('\n');
        }
        page
    })
}

fn store(found: &mut Examination, context: &Context<'_>) {
    const ABOUT: &str = "store";
    let root = context.store.root();
    match rights::writers(root) {
        Err(error) => found.finding(ABOUT, format!("{}: {error}", root.display()), "CS-6005"),
        Ok(None) => found.finding(ABOUT, format!("{} does not exist yet", root.display()), "CS-8034"),
        Ok(Some(writers)) => {
            let owner = rights::user_name(writers.owner);
            match &writers.everyone {
                Some(place) => {
                    let says = format!("everyone may write to {}, so also remove what is in it", place.display());
                    found.finding(ABOUT, says, "CS-8031");
                }
                None => found.good(ABOUT, format!("{}, owner {owner}", root.display())),
            }
            if rustix::fs::access(root, rustix::fs::Access::WRITE_OK).is_err() {
                found.good(ABOUT, format!("this user can check, but not install or activate: that takes {owner}"));
            }
        }
    }
    let read = |found: &mut Examination| -> Result<(), Error> {
        let products = context.store.products()?;
        let mut records = 0;
        for product in &products {
            records += context.store.records(product)?.len();
        }
        found.good("records", format!("{records} in all, for products: {}", words(&products)));
        Ok(())
    };
    if let Err(error) = read(found) {
        found.failed("records", &error);
    }
}

fn words(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn clock(found: &mut Examination, context: &Context<'_>) {
    const ABOUT: &str = "clock";
    let now = countersign::now();
    match (now, context.floor()) {
        (_, Err(error)) => found.failed("time floor", &error),
        (None, _) => found.finding(ABOUT, "the machine has none", Reason::NoClock.code()),
        (Some(now), Ok(Some(floor))) if now.plus(CLOCK_TOLERANCE) < floor => {
            let reason = Reason::ClockBehind { now, floor };
            found.finding(ABOUT, reason.to_string(), reason.code());
        }
        (Some(now), Ok(Some(floor))) => found.good(ABOUT, format!("{now} (UTC), latest time seen {floor}")),
        (Some(now), Ok(None)) => found.good(ABOUT, format!("{now} (UTC), nothing seen yet")),
    }
}

fn machine(found: &mut Examination, context: &Context<'_>) {
    /// With fewer, one exchanged part and one that cannot be read leave nothing to recognise a machine by.
    const ENOUGH: usize = 2;
    const ABOUT: &str = "machine";
    let facts = context.machine.facts();
    let mut there = Vec::new();
    for (kind, fact) in &facts.components {
        match fact {
            ComponentFact::Values(_) => there.push(kind.name()),
            ComponentFact::Absent => {}
            ComponentFact::Unreadable(why) => found.finding(ABOUT, format!("{kind} cannot be read: {why}"), "CS-8032"),
        }
    }
    let virtualization =
        facts.virtualization.as_ref().map(|name| format!("; virtual machine: {name}")).unwrap_or_default();
    let says = format!("recognised by {} components ({}){virtualization}", there.len(), there.join(", "));
    if there.len() < ENOUGH { found.finding(ABOUT, says, "CS-8033") } else { found.good(ABOUT, says) }
}

fn cards(found: &mut Examination, context: &Context<'_>) {
    let readers = match context.cards.readers() {
        Ok(readers) => readers,
        Err(error) => return found.failed("PC/SC service", &error.into()),
    };
    found.good("PC/SC service", "answers");
    if readers.is_empty() {
        return found.failed("readers", &TransportError::NoReader.into());
    }
    let mut cards = 0;
    for reader in &readers {
        let name = &reader.name;
        match (&reader.state, readers::kind(reader, context)) {
            (ReaderState::Empty, _) => found.good("reader", format!("{name}, empty")),
            (ReaderState::Mute, _) => found.failed("reader", &TransportError::CardMute.into()),
            (_, Some(Kind::Piv)) => {
                cards += 1;
                found.good("reader", format!("{name}, a PIV card"));
            }
            (_, Some(Kind::Other)) => {
                found.finding("reader", format!("{name}, a card that is not PIV"), "CS-5020");
            }
            (_, Some(Kind::Unknown(error))) => found.failed("reader", &Error::Card(error)),
            (_, None) => found.good("reader", format!("{name}, state not known")),
        }
    }
    if cards == 0 && readers.iter().all(|reader| reader.state == ReaderState::Empty) {
        found.failed("card", &TransportError::NoCard.into());
    }
}
