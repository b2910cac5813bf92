//! `issue --batch`: a token for each row of a file.
//!
//! One thread reads rows, as many as there are processors make tokens of them, and this one writes: a group of tokens in
//! one transaction, with an entry that tells how far the batch is. What goes wrong with a row is a result, and the next
//! row is read; what goes wrong with the authority ends the batch, and the same command goes on from there.

mod cells;
mod folder;
mod rows;
mod stream;
mod work;

pub(super) use stream::run as stream;

use super::{Answer, Context};
use crate::{
    args::Issue,
    clock::{self, Stopwatch},
    error::{Error, Outcome},
    home::Home,
    keys::Signer,
    ledger::{Body, Ledger, Writing},
    role::Role,
    words::to_hex,
};
use cells::Columns;
use countersign_common::{Time, encode_object};
use countersign_report::visible;
use folder::{Folder, RowResult};
use rows::{Row, Rows};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::Path,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};
use work::{Common, Made, Outcome as RowOutcome, Signed, Standing, Worker};

/// How many rows go to a worker at once.
const CHUNK: usize = 16;
/// How many rows are entered at once at most.
const GROUP: usize = 256;
/// After how long rows are entered, however few they are, and how often a person is told how far it is.
const WHILE: Duration = Duration::from_secs(1);
/// How many refused rows are told of; the others are in results.csv.
const TOLD: usize = 20;

pub(super) fn run(file: &Path, arguments: Issue, context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let dry_run = arguments.dry_run;
    let Some(out) = arguments.out.clone().or_else(|| dry_run.then(Default::default)) else {
        return Err(Error::Usage("--batch needs the folder for the tokens: --out FOLDER".to_owned()));
    };
    let home = Home::open(&context.global.home)?;
    let common = Common::read(&home, arguments)?;
    let (input, count) = look_through(file)?;
    if !dry_run {
        context.attempt("issue", input.as_str());
    }
    let mut ledger = home.ledger()?;
    let standing = Standing::read(&common, &ledger.begin()?)?;
    if dry_run {
        let (mut told, mut customers) = (Told::new(count, 0), BTreeMap::new());
        let rows = Rows::open(file)?.zip(1..);
        let mut worker = Worker::new(&common, standing, None);
        let results = |chunk: Vec<Made>, _: bool| {
            let results: Result<Vec<_>, _> =
                chunk.into_iter().map(|made| worker.confirm_dry(made, &mut customers)).collect();
            told.add(&results?, context);
            Ok(())
        };
        in_threads(rows, (&common, standing), None, results)?;
        return Ok(told.answer(json!({ "dry_run": true }), "Would issue"));
    }

    let folder = Folder::open(&out, &input, &common.fingerprint(), count)?;
    let done = ledger.last_row(folder.batch())?;
    let mut told = Told::new(count, done);
    folder.repair(&ledger, done, &mut |result| told.count(result))?;
    if done > 0 {
        context.note(&format!("Going on after row {done} of {count} …"));
    }
    let signer = home.signer(Role::TokenSigner, &mut context.keyring)?.for_many();
    let rows = Rows::open(file)?.zip(1..).skip(usize::try_from(done).unwrap_or(usize::MAX));
    let mut writer = Writer { folder: &folder, common: &common, signer: &signer, waiting: Vec::new(), since: None };
    in_threads(rows, (&common, standing), Some(&signer), |chunk, is_last| {
        if let Some(results) = writer.take(chunk, is_last, &mut ledger)? {
            told.add(&results, context);
        }
        Ok(())
    })?;
    folder.sync()?;
    let about = json!({ "batch": folder.batch(), "folder": out, "results": folder.results_file() });
    Ok(told.answer(about, &format!("Issued in {}", out.display())))
}

/// SHA-256 of the file, and how many rows it has. A column that is none is refused here.
fn look_through(path: &Path) -> Result<(String, u64), Error> {
    let mut rows = Rows::open(path)?;
    let columns = Columns::new();
    if let Some(fault) = rows.columns().iter().find_map(|column| columns.fault(column)) {
        return Err(rows::fault(path, &fault));
    }
    let count = rows.try_fold(0, |count: u64, row| row.map(|_| count + 1))?;
    let failed = |fault| Error::file(path, fault);
    let (mut file, mut digest, mut octets) = (File::open(path).map_err(failed)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut octets).map_err(failed)? {
            0 => return Ok((to_hex(&digest.finalize()), count)),
            read => digest.update(&octets[..read]),
        }
    }
}

/// A number of rows with the place of the first one among all chunks.
type Chunk<T> = (usize, Vec<T>);

/// Has workers make tokens of the rows, and gives what they made to `take` in the order of the rows; the last time with
/// nothing and `true`. However many rows there are, only so many are under way at once.
fn in_threads(
    rows: impl Iterator<Item = (Result<Row, Error>, u64)> + Send,
    (common, standing): (&Common<'_>, Standing),
    signer: Option<&Signer>,
    mut take: impl FnMut(Vec<Made>, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let ahead = GROUP / CHUNK + 4 * workers;
    let (permit, permits) = mpsc::sync_channel::<()>(ahead);
    let (to_workers, from_reader) = mpsc::sync_channel::<Chunk<(u64, Row)>>(2 * workers);
    let from_reader = Mutex::new(from_reader);
    let (to_writer, made) = mpsc::channel::<Result<Chunk<Made>, Error>>();
    thread::scope(|scope| {
        let failed = to_writer.clone();
        scope.spawn(move || {
            if let Err(error) = read(rows, &permit, &to_workers) {
                // Where nobody listens any more, the batch has ended.
                let _ = failed.send(Err(error));
            }
        });
        for _ in 0..workers {
            let (to_writer, from_reader) = (to_writer.clone(), &from_reader);
            scope.spawn(move || {
                let (mut worker, mut is_over) = (Worker::new(common, standing, signer), false);
                loop {
                    let next = from_reader.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((place, chunk)) = next else { return };
                    // The reader waits until what it has read is taken, also when the batch has ended.
                    if is_over {
                        continue;
                    }
                    let made = chunk.into_iter().map(|(number, row)| worker.make(number, row)).collect();
                    let made: Result<_, Error> = made;
                    is_over = made.is_err();
                    is_over |= to_writer.send(made.map(|made| (place, made))).is_err();
                }
            });
        }
        drop(to_writer);
        let outcome = in_order(&made, &permits, &mut take);
        // Whoever waits to send or for a permit goes home.
        drop((made, permits));
        outcome
    })
}

fn read(
    rows: impl Iterator<Item = (Result<Row, Error>, u64)>,
    permit: &SyncSender<()>,
    to_workers: &SyncSender<Chunk<(u64, Row)>>,
) -> Result<(), Error> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut place = 0;
    for (row, number) in rows {
        chunk.push((number, row?));
        if chunk.len() == CHUNK {
            if permit.send(()).is_err() || to_workers.send((place, core::mem::take(&mut chunk))).is_err() {
                return Ok(());
            }
            place += 1;
        }
    }
    if !chunk.is_empty() && permit.send(()).is_ok() {
        let _ = to_workers.send((place, chunk));
    }
    Ok(())
}

fn in_order(
    made: &Receiver<Result<Chunk<Made>, Error>>,
    permits: &Receiver<()>,
    take: &mut impl FnMut(Vec<Made>, bool) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for chunk in made {
        let (place, chunk) = chunk?;
        early.insert(place, chunk);
        while let Some(chunk) = early.remove(&next) {
            next += 1;
            take(chunk, false)?;
            let _ = permits.try_recv();
        }
    }
    take(Vec::new(), true)
}

/// Enters what was made, and writes it.
struct Writer<'a> {
    folder: &'a Folder,
    common: &'a Common<'a>,
    signer: &'a Signer,
    waiting: Vec<Made>,
    /// Since when the first of them waits.
    since: Option<Stopwatch>,
}

impl Writer<'_> {
    /// Takes more, and enters a group when it is time. Returns the results of that.
    fn take(&mut self, chunk: Vec<Made>, is_last: bool, ledger: &mut Ledger) -> Result<Option<Vec<RowResult>>, Error> {
        self.waiting.extend(chunk);
        let since = *self.since.get_or_insert_with(Stopwatch::start);
        if self.waiting.is_empty() || !is_last && self.waiting.len() < GROUP && since.elapsed() < WHILE {
            return Ok(None);
        }
        self.since = None;
        let group = core::mem::take(&mut self.waiting);
        self.enter(group, ledger).map(Some)
    }

    /// Entries and results in one transaction, the tokens after it.
    fn enter(&self, group: Vec<Made>, ledger: &mut Ledger) -> Result<Vec<RowResult>, Error> {
        let writing = ledger.begin()?;
        let mut worker = Worker::new(self.common, Standing::read(self.common, &writing)?, Some(self.signer));
        let now = clock::now()?;
        writing.read_customers(&group.iter().filter_map(Made::customer).collect())?;
        let (mut results, mut tokens) = (Vec::with_capacity(group.len()), Vec::new());
        let (first, last) = (group.first().map_or(0, |made| made.number), group.last().map_or(0, |made| made.number));
        for made in group {
            let made = worker.confirm(made, &writing)?;
            let (result, token) = enter(made, &writing, now, Some(self.folder))?;
            results.push(result);
            tokens.extend(token);
        }
        let (issued, all) = (tokens.len() as u64, results.len() as u64);
        writing.append(
            now,
            &Body::BatchIssued {
                batch: self.folder.batch().to_owned(),
                input: self.folder.input().to_owned(),
                first,
                last,
                issued,
                refused: all - issued,
                officer: self.common.limits.officer().to_owned(),
            },
        )?;
        self.folder.write_results(&results, false)?;
        writing.commit()?;
        let files = results.iter().filter(|result| result.entry.is_some()).map(|result| &result.file);
        for (file, token) in files.zip(tokens) {
            self.folder.write_token(file, encode_object(&token).as_bytes())?;
        }
        Ok(results)
    }
}

/// Enters a token, and its customer where that is new or has another name, or that it was refused. Returns the result, with
/// the name of a file where the token goes into a folder, and DER of the token.
fn enter(
    made: Made,
    writing: &Writing<'_>,
    now: Time,
    folder: Option<&Folder>,
) -> Result<(RowResult, Option<Vec<u8>>), Error> {
    let mut result = RowResult { row: made.number, reference: made.reference, ..RowResult::default() };
    match made.outcome {
        RowOutcome::Signed(signed) => {
            let Signed { entry, customer: row, .. } = *signed;
            let Body::TokenIssued { customer, .. } = &entry else { return Err(Error::NotWhatWasMeant) };
            if writing.customer(customer)?.as_ref() != Some(&row) {
                writing.keep_customer(customer, &row)?;
            }
            result.entry = Some(writing.append(now, &entry)?);
            result.outcome = RowResult::ISSUED.to_owned();
            let Body::TokenIssued { id, revision, product, digest, token, .. } = entry else {
                return Err(Error::NotWhatWasMeant);
            };
            result.file = folder.map(|folder| folder.file(result.row, &id, &product)).unwrap_or_default();
            (result.token, result.version, result.sha256) = (id, Some(revision), digest);
            Ok((result, Some(token)))
        }
        RowOutcome::Refused { code, message, entry } => {
            if let Some(entry) = entry {
                writing.append(now, &entry)?;
            }
            result.outcome = RowResult::REFUSED.to_owned();
            (result.code, result.message) = (code.to_owned(), message);
            Ok((result, None))
        }
        RowOutcome::Checked(..) | RowOutcome::Again(_) => Err(Error::NotWhatWasMeant),
    }
}

/// How far it is, and what a person hears of it.
struct Told {
    rows: u64,
    before: u64,
    done: u64,
    issued: u64,
    by_code: BTreeMap<String, u64>,
    refused: Vec<RowResult>,
    since: Stopwatch,
    last: Stopwatch,
}

impl Told {
    fn new(rows: u64, before: u64) -> Self {
        let since = Stopwatch::start();
        let (by_code, refused) = (BTreeMap::new(), Vec::new());
        Self { rows, before, done: 0, issued: 0, by_code, refused, since, last: since }
    }

    fn count(&mut self, result: &RowResult) {
        self.done += 1;
        if result.outcome == RowResult::REFUSED {
            *self.by_code.entry(result.code.clone()).or_default() += 1;
            if self.refused.len() < TOLD {
                self.refused.push(result.clone());
            }
        } else {
            self.issued += 1;
        }
    }

    fn add(&mut self, results: &[RowResult], context: &mut Context<'_>) {
        results.iter().for_each(|result| self.count(result));
        if self.last.elapsed() < WHILE {
            return;
        }
        self.last = Stopwatch::start();
        let seconds = self.since.elapsed().as_secs_f64();
        let rate = (self.done - self.before) as f64 / seconds;
        let left = (self.rows - self.done) as f64 / rate;
        let refused = self.done - self.issued;
        context.note(&format!(
            "{} of {} rows, {rate:.0} a second, {left:.0} s left, {refused} refused …",
            self.done, self.rows
        ));
    }

    fn answer(self, about: serde_json::Value, headline: &str) -> (Answer, u8) {
        let refused = self.done - self.issued;
        let mut text = format!("{headline}: {} of {} rows, {refused} refused.\n", self.issued, self.rows);
        for RowResult { row, reference, code, message, .. } in &self.refused {
            let name = if reference.is_empty() { String::new() } else { format!(" ({reference})") };
            text += &(visible(&format!("row {row}{name}: {message} [{code}]")) + "\n");
        }
        if refused > self.refused.len() as u64 {
            text += &format!("… and {} more\n", refused - self.refused.len() as u64);
        }
        let mut document = about;
        document["rows"] = json!(self.rows);
        document["issued"] = json!(self.issued);
        document["refused"] = json!(refused);
        document["refused_by_code"] = json!(self.by_code);
        if let Some(results) = document["results"].as_str() {
            text += &format!("A result for each row is in {results}.\n");
        }
        if refused > 0 {
            text +=
                "next: correct the rows that were refused, in a file of their own, and issue that as another batch\n";
        }
        let code = if refused > 0 { Outcome::Refused as u8 } else { 0 };
        (Answer { text, json: json!({ "batch": document }), warnings: Vec::new() }, code)
    }
}
