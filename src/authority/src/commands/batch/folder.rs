//! The folder of a batch: what it is the batch of, a result for each row, and the tokens.
//!
//! The ledger is what counts. Results are on the disk before the entries they tell of, and cut back to those when a batch
//! goes on; tokens are written after their entries, and made again from those where they are missing.

use crate::{
    error::Error,
    files::{self, NewFile},
    ledger::{Body, Ledger},
    random,
    words::to_hex,
};
use countersign_common::encode_object;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The version of the folder's layout.
const FORMAT: u32 = 1;
/// The largest batch.toml that is read, in octets.
const MAX_STATE: usize = 4 * 1024;
/// How many rows have their tokens in one folder.
const ROWS_IN_FOLDER: u64 = 1_000;

/// What batch.toml says.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    /// The batch's id.
    batch: String,
    /// SHA-256 of the file with the rows.
    input: String,
    /// SHA-256 of the terms that all rows have in common.
    terms: String,
}

/// What came of a row, as results.csv has it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct RowResult {
    /// Counted from 1.
    pub(super) row: u64,
    pub(super) reference: String,
    pub(super) outcome: String,
    pub(super) token: String,
    pub(super) version: Option<u32>,
    pub(super) sha256: String,
    /// Below the folder.
    pub(super) file: String,
    pub(super) entry: Option<i64>,
    pub(super) code: String,
    pub(super) message: String,
}

impl RowResult {
    pub(super) const ISSUED: &str = "issued";
    pub(super) const REFUSED: &str = "refused";
}

/// The folder, which nobody else works on meanwhile.
pub(super) struct Folder {
    path: PathBuf,
    state: State,
    /// Holds the lock.
    _lock: File,
    results: File,
    /// How many rows there are, which decides where tokens go.
    rows: u64,
}

impl Folder {
    /// Makes the folder, or goes on with it where it is of this batch.
    pub(super) fn open(path: &Path, input: &str, terms: &str, rows: u64) -> Result<Self, Error> {
        match fs::create_dir(path) {
            Err(fault) if fault.kind() != ErrorKind::AlreadyExists => return Err(Error::file(path, fault)),
            _ => {}
        }
        let wrong = |fault: &str| Error::BatchFolder { path: path.to_owned(), fault: fault.to_owned() };
        let file = path.join("batch.toml");
        if !file.exists() {
            let mut there = fs::read_dir(path).map_err(|fault| Error::file(path, fault))?.flatten();
            // What a command left that was killed here is of no use, and does no harm.
            if there.any(|entry| !entry.file_name().to_string_lossy().starts_with(files::TEMPORARY)) {
                return Err(wrong("there is something in it, and no batch.toml"));
            }
            let batch = to_hex(&random::octets::<16>()?);
            let state = State { format: FORMAT, batch, input: input.to_owned(), terms: terms.to_owned() };
            let text = toml::to_string(&state).map_err(|error| wrong(&error.to_string()))?;
            NewFile::reserve(&file)?.finish(text.as_bytes())?;
        }
        let lock = File::open(&file).map_err(|fault| Error::file(&file, fault))?;
        lock.try_lock().map_err(|_| wrong("another command is working on it"))?;
        let text = files::read_text(&file, MAX_STATE)?;
        let state: State = toml::from_str(&text).map_err(|error| wrong(&format!("batch.toml: {}", error.message())))?;
        if state.format != FORMAT {
            return Err(wrong("batch.toml is of another release"));
        }
        if state.input != input {
            return Err(wrong("it belongs to a file with other rows"));
        }
        if state.terms != terms {
            return Err(wrong("it was begun with other terms: another profile or other flags"));
        }
        let results = path.join("results.csv");
        let open = OpenOptions::new().create(true).read(true).append(true).open(&results);
        Ok(Self {
            path: path.to_owned(),
            state,
            _lock: lock,
            results: open.map_err(|fault| Error::file(&results, fault))?,
            rows,
        })
    }

    /// The batch's id.
    pub(super) fn batch(&self) -> &str {
        &self.state.batch
    }

    /// SHA-256 of the file with the rows.
    pub(super) fn input(&self) -> &str {
        &self.state.input
    }

    /// Where the results are.
    pub(super) fn results_file(&self) -> PathBuf {
        self.path.join("results.csv")
    }

    /// Cuts the results back to the rows that the ledger has, and makes the tokens of those that have none. `take` is
    /// told each result.
    pub(super) fn repair(&self, ledger: &Ledger, last: u64, take: &mut dyn FnMut(&RowResult)) -> Result<(), Error> {
        let path = self.results_file();
        let damaged = |fault: String| Error::BatchFolder { path: path.clone(), fault };
        let file = File::open(&path).map_err(|fault| Error::file(&path, fault))?;
        let mut reader = csv::Reader::from_reader(file);
        let (mut kept, mut done) = (0, 0);
        let mut record = csv::StringRecord::new();
        let headers = reader.headers().map_err(|fault| damaged(fault.to_string()))?.clone();
        if !headers.is_empty() && done < last {
            while done < last && reader.read_record(&mut record).map_err(|fault| damaged(fault.to_string()))? {
                let result: RowResult =
                    record.deserialize(Some(&headers)).map_err(|fault| damaged(fault.to_string()))?;
                done += 1;
                if result.row != done {
                    return Err(damaged(format!("row {done} is missing")));
                }
                kept = reader.position().byte();
                self.remake(ledger, &result)?;
                take(&result);
            }
        }
        if done < last {
            return Err(damaged(format!("the ledger has {last} rows of the batch, and there are {done} results")));
        }
        self.results.set_len(kept).map_err(|fault| Error::file(&path, fault))?;
        if kept == 0 { self.write_results(&[], true) } else { Ok(()) }
    }

    /// Writes the token of a row again, from its entry, unless it is there.
    fn remake(&self, ledger: &Ledger, result: &RowResult) -> Result<(), Error> {
        let Some(sequence) = result.entry else { return Ok(()) };
        let path = self.path.join(&result.file);
        let changed = || Error::BatchFolder {
            path: self.results_file(),
            fault: format!("row {} does not say what the ledger does", result.row),
        };
        let Some(Body::TokenIssued { id, product, digest, token, .. }) =
            ledger.entry(sequence)?.map(|entry| entry.body)
        else {
            return Err(changed());
        };
        if digest != result.sha256 || self.file(result.row, &id, &product) != result.file {
            return Err(changed());
        }
        let text = encode_object(&token);
        if fs::read(&path).is_ok_and(|octets| octets == text.as_bytes()) {
            return Ok(());
        }
        self.write_token(&result.file, text.as_bytes())
    }

    /// Below the folder, the name of the token's file of a row.
    pub(super) fn file(&self, row: u64, id: &str, product: &str) -> String {
        let short = id.get(..8).unwrap_or_default();
        let name = format!("{row:06}-{product}-{short}.token.pem");
        if self.rows <= ROWS_IN_FOLDER {
            return name;
        }
        let first = (row - 1) / ROWS_IN_FOLDER * ROWS_IN_FOLDER + 1;
        format!("{first:06}-{:06}/{name}", first + ROWS_IN_FOLDER - 1)
    }

    /// Writes the token of a row.
    pub(super) fn write_token(&self, file: &str, octets: &[u8]) -> Result<(), Error> {
        let path = self.path.join(file);
        match fs::write(&path, octets) {
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(&self.path);
                fs::create_dir(folder)
                    .and_then(|()| fs::write(&path, octets))
                    .map_err(|fault| Error::file(&path, fault))
            }
            written => written.map_err(|fault| Error::file(&path, fault)),
        }
    }

    /// Appends results, down to the disk.
    pub(super) fn write_results(&self, results: &[RowResult], with_names: bool) -> Result<(), Error> {
        let path = self.results_file();
        let wrong = |fault: String| Error::BatchFolder { path: path.clone(), fault };
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        if with_names {
            let names =
                ["row", "reference", "outcome", "token", "version", "sha256", "file", "entry", "code", "message"];
            writer.write_record(names).map_err(|fault| wrong(fault.to_string()))?;
        }
        for result in results {
            writer.serialize(result).map_err(|fault| wrong(fault.to_string()))?;
        }
        let octets = writer.into_inner().map_err(|fault| wrong(fault.to_string()))?;
        let write = (&self.results).write_all(&octets).and_then(|()| self.results.sync_data());
        write.map_err(|fault| Error::file(&path, fault))
    }

    /// Everything down to the disk.
    pub(super) fn sync(&self) -> Result<(), Error> {
        rustix::fs::syncfs(&self.results).map_err(|fault| Error::file(&self.path, fault.into()))
    }
}
