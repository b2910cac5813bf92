//! `card enroll --batch`: a card for each row of a file, one after another.
//!
//! What became of a row is written down before the next card is asked for. The same command goes on with the rows that are
//! not done; a card that was finished just before the run ended is recognised by what it holds.

use super::{
    certify::Desk,
    enroll::settle_others,
    guid_text,
    secrets::{Asking, Delivered},
    survey::{Person, Survey, Terms},
};
use crate::{
    args::Enroll,
    cards::CardKey,
    clock,
    commands::{Answer, Context, refusal::Attempt},
    error::Error,
    files,
    home::Home,
    keys::Signer,
    ledger::Ledger,
    limits::Limits,
    lint::Finding,
    role::Role,
};
use countersign_card::{Error as CardError, Options, PcscTransport, Piv, wait_for_card, wait_for_removal};
use countersign_report::visible;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

/// The largest file of people, in octets, and the most of them: a person puts each card in.
const MAX_FILE: usize = 1024 * 1024;
const MAX_ROWS: usize = 10_000;
const COLUMNS: [&str; 5] = ["subject", "result", "card", "entry", "fault"];
const ENROLLED: &str = "enrolled";

pub(super) fn run(file: &Path, arguments: &Enroll, context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let people = people(file)?;
    let home = Home::open(&context.global.home)?;
    let terms = Terms::new(arguments, Limits::read(home.path())?.cards(), home.path())?;
    home.lifetime_under(Role::HolderRoot, arguments.validity, clock::now()?)?;
    let results = arguments.results.clone().unwrap_or_else(|| file.with_extension("results.csv"));
    let mut results = Results::open(&results, people.iter().map(Person::subject).collect())?;
    let waiting: Vec<_> = people.iter().filter(|person| !results.done.contains_key(&person.subject())).collect();
    let before = people.len() - waiting.len();
    if before > 0 {
        context.note(&format!("{before} of {} were enrolled before.", people.len()));
    }
    let card_key = if terms.new_secrets && !waiting.is_empty() {
        Some(CardKey::open_or_make(&home, &mut context.keyring)?)
    } else {
        None
    };
    let issuer = home.signer(Role::HolderRoot, &mut context.keyring)?;
    let mut run = Run {
        ledger: home.ledger()?,
        home: &home,
        issuer: &issuer,
        terms: &terms,
        card_key,
        delivered: Delivered::new(arguments),
        warnings: Vec::new(),
    };
    let mut failed = 0_u32;
    for (number, person) in (before + 1..).zip(waiting) {
        let subject = person.subject();
        context.note(&format!("Put in the card for {} ({number} of {}) …", visible(&subject), people.len()));
        let wait = Duration::from_secs(arguments.wait.0.into());
        let reader =
            wait_for_card(arguments.reader.as_deref(), wait, &AtomicBool::new(false)).map_err(CardError::from)?;
        let outcome = run.one(&reader.name, person, &results, context);
        match &outcome {
            Ok(Finished { guid, entry, current }) => {
                context.note(&format!("Done. This is the card of {}: {guid}", visible(&subject)));
                // Before the row counts as done: the same command would not come back to it.
                let (superseded, told) = settle_others(person, current, arguments.supersede, context)?;
                superseded.iter().for_each(|answer| context.note(answer.text.trim_end()));
                run.warnings.extend(told);
                results.add([&subject, ENROLLED, guid, &entry.map_or(String::new(), |entry| entry.to_string()), ""])?;
            }
            Err(error) => {
                failed += 1;
                if error.is_refusal() {
                    Attempt { command: "card enroll", about: subject.clone() }.enter(error, home.path())?;
                }
                let (code, fault) = (error.code(), error.to_string());
                context.note(&format!("Not enrolled: {} [{code}]\nnext: {}", visible(&fault), error.advice()));
                results.add([&subject, code, "", "", &fault])?;
            }
        }
        if let Err(error) = outcome
            && !is_about_one_card(&error)
        {
            return Err(error);
        }
        context.note("Take the card out.");
        if !wait_for_removal(&reader.name, wait, &AtomicBool::new(false)).map_err(CardError::from)? {
            context.note("The card is still in the reader: the run ends here; the same command goes on.");
            break;
        }
    }
    let done = results.done.len();
    let open = people.len() - done;
    let text = format!(
        "Enrolled {done} of {} cards, {} of them now; {open} are left.\nWhat became of each is in {}.\n",
        people.len(),
        done - before,
        results.path.display()
    );
    let json = json!({ "batch": {
        "people": people.len(), "enrolled": done, "now": done - before, "failed": failed, "left": open,
        "results": results.path,
    } });
    run.warnings.dedup();
    Ok((Answer { text, json, warnings: run.warnings }, u8::from(open > 0)))
}

/// Whether the next card may fare better. A secret that all cards are delivered with is tried on one card only.
fn is_about_one_card(error: &Error) -> bool {
    match error {
        Error::Card(error) => {
            !matches!(
                error,
                CardError::WrongPin { .. }
                    | CardError::WrongPuk { .. }
                    | CardError::ManagementKeyWrong
                    | CardError::ManagementKeyMalformed
                    | CardError::PinMalformed
                    | CardError::PukMalformed
            ) && error.code() != "CS-5001"
        }
        Error::SlotOccupied { .. }
        | Error::NoPossession
        | Error::CardReadBack
        | Error::Attestation { .. }
        | Error::CardTaken { .. }
        | Error::WeakPin { .. }
        | Error::PassphrasesDiffer => true,
        _ => false,
    }
}

/// What all cards of a run share.
struct Run<'a> {
    home: &'a Home,
    issuer: &'a Signer,
    ledger: Ledger,
    terms: &'a Terms,
    card_key: Option<CardKey>,
    delivered: Delivered,
    warnings: Vec<Finding>,
}

/// A card that is done.
struct Finished {
    guid: String,
    /// Its last entry of the ledger, where it has one of now.
    entry: Option<i64>,
    /// DER of the certificates on it.
    current: Vec<Vec<u8>>,
}

impl Run<'_> {
    /// Does the card in a reader.
    fn one(
        &mut self,
        reader: &str,
        person: &Person,
        results: &Results,
        context: &mut Context<'_>,
    ) -> Result<Finished, Error> {
        let transport = PcscTransport::connect(Some(reader)).map_err(CardError::from)?;
        let mut piv = Piv::select(transport, Options::default())?;
        if let Ok(Some(chuid)) = piv.chuid()
            && let Some(subject) = results.whose(&guid_text(&chuid.guid))
        {
            return Err(Error::CardTaken { subject: subject.to_owned() });
        }
        let survey = Survey::take(&mut piv, self.terms, person, &self.ledger.register()?)?;
        if let (true, Some(chuid)) = (survey.missing.is_empty(), &survey.chuid) {
            context.note("The card was finished before.");
            let current = survey.done.iter().map(|(_, der)| der.clone()).collect();
            return Ok(Finished { guid: guid_text(&chuid.guid), entry: None, current });
        }
        let (delivered, card_key) = (&mut self.delivered, &mut self.card_key);
        let secrets =
            Asking { piv: &mut piv, survey: &survey, terms: self.terms, delivered, home: self.home, card_key, context }
                .secrets()?;
        let card_key = self.card_key.as_ref();
        let desk = Desk { issuer: self.issuer, card_key, terms: self.terms };
        let note = &mut |text: &str| context.note(text);
        let done = desk.personalize(&mut piv, person, &survey, &secrets, &mut self.ledger, note)?;
        self.warnings.extend(secrets.findings);
        let entry = done.certified.last().map(|one| one.entry);
        Ok(Finished { guid: guid_text(&done.guid), entry, current: done.current(&survey) })
    }
}

/// The people in a file, each once.
fn people(path: &Path) -> Result<Vec<Person>, Error> {
    let fault = |fault: String| Error::BatchFile { path: path.to_owned(), fault };
    let file = files::read(path, MAX_FILE)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file.as_slice());
    let columns = reader.headers().map_err(|error| fault(error.to_string()))?.clone();
    let column = |name| columns.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let (subject, email) = (column("subject"), column("email"));
    let unknown = columns.iter().enumerate().find(|(place, _)| ![subject, email].contains(&Some(*place)));
    if let Some((_, name)) = unknown {
        return Err(fault(format!("the column {name:?} is not known: there are subject and email")));
    }
    let subject = subject.ok_or_else(|| fault("it has no column subject".to_owned()))?;
    let (mut people, mut known) = (Vec::new(), BTreeMap::new());
    for (record, number) in reader.records().zip(1_usize..) {
        let record = record.map_err(|error| fault(error.to_string()))?;
        let address = email.and_then(|place| record.get(place)).filter(|address| !address.is_empty());
        let person = Person::parse(record.get(subject).unwrap_or_default(), address)
            .map_err(|error| fault(format!("row {number}: {error}")))?;
        if let Some(other) = known.insert(person.subject(), number) {
            return Err(fault(format!("rows {other} and {number} are the same person")));
        }
        if number > MAX_ROWS {
            return Err(fault(format!("it has more than {MAX_ROWS} rows")));
        }
        people.push(person);
    }
    if people.is_empty() { Err(fault("it has no rows".to_owned())) } else { Ok(people) }
}

/// What became of the rows.
struct Results {
    path: PathBuf,
    file: File,
    /// The GUID of the card of each person who has one.
    done: BTreeMap<String, String>,
}

impl Results {
    /// Goes on with a file, or begins one. A last line that was cut off is taken away.
    fn open(path: &Path, people: BTreeSet<String>) -> Result<Self, Error> {
        let fault = |fault: String| Error::BatchFile { path: path.to_owned(), fault };
        let failed = |fault| Error::file(path, fault);
        let mut done = BTreeMap::new();
        let header = COLUMNS.join(",") + "\n";
        let text = match files::read(path, 4 * MAX_FILE) {
            Ok(text) => text,
            Err(Error::File { fault, .. }) if fault.kind() == ErrorKind::NotFound => {
                files::write_new(path, 0o644, header.as_bytes())?;
                header.clone().into_bytes()
            }
            Err(error) => return Err(error),
        };
        if !text.starts_with(header.as_bytes()) {
            return Err(fault("it is not the results of such a batch: name another file with --results".to_owned()));
        }
        let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |place| place + 1);
        let mut reader = csv::Reader::from_reader(&text[..whole]);
        for record in reader.records() {
            let record = record.map_err(|error| fault(error.to_string()))?;
            let [subject, result, card] = [0, 1, 2].map(|place| record.get(place).unwrap_or_default());
            if !people.contains(subject) {
                return Err(fault(format!(
                    "it has {subject:?}, who is not in the batch: name another file with --results"
                )));
            }
            if result == ENROLLED {
                done.insert(subject.to_owned(), card.to_owned());
            }
        }
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, done })
    }

    /// Who has a card.
    fn whose(&self, guid: &str) -> Option<&str> {
        self.done.iter().find(|(_, card)| *card == guid).map(|(subject, _)| subject.as_str())
    }

    /// Writes what became of a row, down to the disk.
    fn add(&mut self, row: [&str; 5]) -> Result<(), Error> {
        let [subject, result, card, ..] = row;
        let failed = |fault| Error::file(&self.path, fault);
        let mut writer = csv::Writer::from_writer(&self.file);
        writer.write_record(row).map_err(|error| failed(error.into()))?;
        writer.flush().map_err(failed)?;
        drop(writer);
        self.file.sync_all().map_err(failed)?;
        if result == ENROLLED {
            self.done.insert(subject.to_owned(), card.to_owned());
        }
        Ok(())
    }
}
