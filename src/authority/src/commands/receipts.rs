//! `receipts`: enters the records that came back from the field, and tells what they come to.

use super::{Answer, Context, refusal::Attempt};
use crate::{
    clock,
    error::{Error, Outcome},
    files,
    home::Home,
    ledger::{Body, Ledger},
    receipts::{CustomerCount, Facts, Receipt, ReceiptFinding, Report, TokenCount},
    words::digest,
};
use countersign_common::{Anchors, MAX_FILE_SIZE, NO_LISTS, SignedObject, VerifiedRecord, decode_objects};
use countersign_report::visible;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// How many records are entered at once, and how often a person is told how far it is, in files.
const GROUP: usize = 500;

pub(super) fn import(paths: &[PathBuf], context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let home = Home::open(&context.global.home)?;
    let anchors = home.anchors()?;
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice))
        .map_err(|error| Error::damaged(&home.path().join("anchors.pem"), error))?;
    let mut ledger = home.ledger()?;
    let tokens = ledger.register()?.tokens.into_iter().map(|token| token.digest).collect();
    let mut import = Import { tokens, anchors, files: BTreeMap::new(), refused: Vec::new(), new: 0, known: 0 };
    let files = import.gather(paths);
    let mut read = Vec::new();
    for (index, file) in files.iter().enumerate() {
        import.read(file, &mut read);
        if read.len() >= GROUP {
            import.enter(&mut ledger, &mut read)?;
        }
        if (index + 1).is_multiple_of(GROUP) {
            context.note(&format!("{} of {} files …", index + 1, files.len()));
        }
    }
    import.enter(&mut ledger, &mut read)?;

    let facts = facts(&ledger)?;
    let report = facts.report();
    let Import { new, known, refused, files: of, .. } = import;
    let mut text = format!("Imported {new} new records; {known} were known already, {} refused.\n", refused.len());
    for refusal in &refused {
        text += &refusal.text();
    }
    text += &report_text(&facts, &report, &of);
    let mut json = report_json(&facts, &report, &of);
    json["imported"] = json!({ "files": files.len(), "new": new, "known": known });
    json["refused"] = refused.iter().map(Refusal::json).collect();
    let code = refused.iter().map(|refusal| refusal.error.outcome() as u8).max().unwrap_or_default();
    Ok((Answer { text, json, warnings: Vec::new() }, code.max(exit_code(&report))))
}

pub(super) fn check(context: &Context<'_>) -> Result<(Answer, u8), Error> {
    let facts = facts(&Home::open(&context.global.home)?.ledger()?)?;
    let report = facts.report();
    let text = report_text(&facts, &report, &BTreeMap::new());
    let json = report_json(&facts, &report, &BTreeMap::new());
    Ok((Answer { text, json, warnings: Vec::new() }, exit_code(&report)))
}

pub(super) fn list(context: &Context<'_>) -> Result<Answer, Error> {
    let facts = facts(&Home::open(&context.global.home)?.ledger()?)?;
    let line = |receipt: &Receipt| {
        let (version, short) = (facts.version(receipt), receipt.digest.get(..16).unwrap_or_default());
        visible(&format!(
            "{:>5}  {}  {short}  {} for {}, token {} version {}, activated {} by {}",
            receipt.sequence,
            receipt.entered,
            version.product,
            version.customer,
            version.id,
            version.revision,
            receipt.activated,
            receipt.subject
        )) + "\n"
    };
    let text = facts.receipts.iter().map(line).collect();
    let document = |receipt: &Receipt| {
        let version = facts.version(receipt);
        json!({
            "sha256": receipt.digest,
            "ledger_entry": receipt.sequence,
            "received": receipt.entered,
            "token": version.id,
            "revision": version.revision,
            "customer": version.customer,
            "product": version.product,
            "holder": receipt.holder,
            "subject": receipt.subject,
            "activated": receipt.activated.to_string(),
        })
    };
    let json = json!({ "receipts": facts.receipts.iter().map(document).collect::<Value>() });
    Ok(Answer { text, json, warnings: Vec::new() })
}

fn facts(ledger: &Ledger) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    ledger.each(&mut |entry| facts.add(entry))?;
    Ok(facts)
}

/// An import under way.
struct Import<'a> {
    anchors: Anchors<'a>,
    /// SHA-256 of the tokens that the ledger has.
    tokens: BTreeSet<String>,
    /// The file of each record that was verified, by its digest.
    files: BTreeMap<String, PathBuf>,
    refused: Vec<Refusal>,
    new: usize,
    known: usize,
}

/// A file, or a record in one, that was not entered.
struct Refusal {
    file: PathBuf,
    /// Which record of the file, counted from 1; nothing where none could be read.
    record: Option<usize>,
    error: Error,
}

impl Import<'_> {
    /// The files that were named and those in the folders, each folder in the order of the names. Links in folders are
    /// not followed: what lies elsewhere was not meant, and a folder may lead into itself.
    fn gather(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting: Vec<_> = paths.iter().rev().map(|path| (path.clone(), path.is_dir())).collect();
        while let Some((path, is_folder)) = waiting.pop() {
            if !is_folder {
                found.push(path);
                continue;
            }
            match entries(&path) {
                Ok(inside) => {
                    for (path, kind) in inside.into_iter().rev() {
                        if kind.is_file() || kind.is_dir() {
                            waiting.push((path, kind.is_dir()));
                        } else {
                            let fault = std::io::Error::other("neither a file nor a folder");
                            self.refuse(&path, None, Error::file(&path, fault));
                        }
                    }
                }
                Err(fault) => self.refuse(&path, None, Error::file(&path, fault)),
            }
        }
        found
    }

    /// Verifies the records of a file, each by itself, whatever lists say: those who decide about that read the ledger.
    /// What is to be entered of them goes to `read`.
    fn read(&mut self, file: &Path, read: &mut Vec<Body>) {
        let refused = |reason| Error::Object { path: file.to_owned(), reason };
        let octets = match files::read(file, MAX_FILE_SIZE) {
            Ok(octets) => octets,
            Err(error) => return self.refuse(file, None, error),
        };
        let records = match decode_objects(&octets).map_err(refused) {
            Ok(records) => records,
            Err(error) => {
                read.push(refusal(&octets, &error));
                return self.refuse(file, None, error);
            }
        };
        for (place, der) in (1..).zip(&records) {
            let record =
                SignedObject::from_der(der).and_then(|object| VerifiedRecord::verify(object, &self.anchors, &NO_LISTS));
            match record.map_err(refused).and_then(|record| self.entry(file, &record)) {
                Ok(entry) => read.push(entry),
                Err(error) => {
                    read.push(refusal(der, &error));
                    self.refuse(file, Some(place), error);
                }
            }
        }
    }

    /// What is entered of a record. Its token has to be one of the ledger.
    fn entry(&mut self, file: &Path, record: &VerifiedRecord<'_>) -> Result<Body, Error> {
        let (token, holder) = (record.token().evidence(), record.holder());
        if !self.tokens.contains(&token.digest.to_string()) {
            return Err(Error::UnknownToken { path: file.to_owned(), id: token.id.to_string() });
        }
        let digest = record.digest().to_string();
        self.files.entry(digest.clone()).or_insert_with(|| file.to_owned());
        let components = record.challenge().machine.iter().map(|component| {
            let digests = component.digests.iter().map(ToString::to_string).collect();
            (component.kind.name().to_owned(), digests)
        });
        Ok(Body::RecordReceived {
            digest,
            token: token.id.to_string(),
            revision: token.revision,
            holder: holder.certificate.to_string(),
            subject: holder.subject,
            activated: record.activated().to_string(),
            machine: components.collect(),
        })
    }

    /// Enters the new ones of a group of records, and those that were refused, all or none of them.
    fn enter(&mut self, ledger: &mut Ledger, read: &mut Vec<Body>) -> Result<(), Error> {
        let now = clock::now()?;
        let writing = ledger.begin()?;
        for entry in read.drain(..) {
            if let Body::Refused { about, code, .. } = &entry {
                if !writing.has_refused(about, code)? {
                    writing.append(now, &entry)?;
                }
            } else if writing.has_record(entry.subject())? {
                self.known += 1;
            } else {
                writing.append(now, &entry)?;
                self.new += 1;
            }
        }
        writing.commit()
    }

    fn refuse(&mut self, file: &Path, record: Option<usize>, error: Error) {
        self.refused.push(Refusal { file: file.to_owned(), record, error });
    }
}

/// What is entered of a record, or of a file of records, that is refused; given are its octets.
fn refusal(octets: &[u8], error: &Error) -> Body {
    Attempt { command: "receipts import", about: digest(octets) }.refused(error)
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> std::io::Result<Vec<(PathBuf, fs::FileType)>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
    let mut entries = fs::read_dir(folder)?.map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}

impl Refusal {
    fn text(&self) -> String {
        let place = self.record.map(|record| format!(" (record {record} of the file)")).unwrap_or_default();
        let error = &self.error;
        format!("refused: {}{place} [{}]\n  next: {}\n", visible(&error.to_string()), error.code(), error.advice())
    }

    fn json(&self) -> Value {
        json!({
            "file": self.file,
            "record": self.record,
            "code": self.error.code(),
            "message": self.error.to_string(),
            "next": self.error.advice(),
        })
    }
}

fn exit_code(report: &Report) -> u8 {
    if report.findings.is_empty() { 0 } else { Outcome::Refused as u8 }
}

/// The report for a person. `files` are those of the records at hand, by digest.
fn report_text(facts: &Facts, report: &Report, files: &BTreeMap<String, PathBuf>) -> String {
    let seats = |seats: Option<u64>| seats.map_or("any number of".to_owned(), |seats| seats.to_string());
    let mut text = String::new();
    for customer in &report.customers {
        let CustomerCount { id, name, machines, tokens } = customer;
        let (taken, granted) = (customer.taken(), seats(customer.seats()));
        text += &(visible(&format!("{name} ({id}): {machines} machines, {taken} of {granted} seats taken")) + "\n");
        for token in tokens {
            let (machines, granted) = (token.machines, seats(token.seats.map(u64::from)));
            let (id, product, records) = (&token.id, &token.product, token.records);
            text += &format!("  {id}  {product}: {machines} of {granted} seats taken, {records} records\n");
        }
    }
    for finding in &report.findings {
        text += &format!("finding: {} [{}]\n", visible(&finding.fact), finding.code);
        for receipt in facts.proof(finding) {
            let Receipt { digest, sequence, activated, subject, .. } = receipt;
            let file = files.get(digest).map(|file| format!(", {}", file.display())).unwrap_or_default();
            let line = format!("  {digest}  activated {activated} by {subject}, entry {sequence}{file}");
            text += &(visible(&line) + "\n");
        }
        text += &format!("  next: {}\n", finding.advice);
    }
    if report.findings.is_empty() {
        text += "Nothing was found that cannot be right.\n";
    }
    text
}

/// The same for a program.
fn report_json(facts: &Facts, report: &Report, files: &BTreeMap<String, PathBuf>) -> Value {
    let token = |token: &TokenCount| {
        json!({
            "token": token.id,
            "product": token.product,
            "seats": token.seats,
            "machines": token.machines,
            "records": token.records,
        })
    };
    let customer = |customer: &CustomerCount| {
        json!({
            "customer": customer.id,
            "name": customer.name,
            "machines": customer.machines,
            "seats": customer.seats(),
            "seats_taken": customer.taken(),
            "tokens": customer.tokens.iter().map(token).collect::<Value>(),
        })
    };
    let record = |receipt: &Receipt| {
        json!({
            "sha256": receipt.digest,
            "file": files.get(&receipt.digest),
            "ledger_entry": receipt.sequence,
            "activated": receipt.activated.to_string(),
            "subject": receipt.subject,
        })
    };
    let finding = |finding: &ReceiptFinding| {
        json!({
            "code": finding.code,
            "message": finding.fact,
            "next": finding.advice,
            "token": finding.token,
            "records": facts.proof(finding).map(record).collect::<Value>(),
        })
    };
    json!({
        "customers": report.customers.iter().map(customer).collect::<Value>(),
        "findings": report.findings.iter().map(finding).collect::<Value>(),
    })
}
