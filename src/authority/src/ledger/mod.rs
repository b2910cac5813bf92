//! The ledger: what was issued, revoked and refused, in order, appended to and never changed.
//!
//! Number, time and body of each entry are the input of a leaf of a Merkle tree (docs/ledger.md), whose hash stands
//! beside them. Triggers refuse changes; who can write the tables can still forge it, which the signed heads of the tree show.

mod audit;
mod engine;
mod entry;
mod proof;
mod row;
mod writing;

pub(crate) use audit::Audit;
pub use engine::LedgerFault;
pub(crate) use engine::{Place, ServerUrl};
pub(crate) use entry::Body;
pub(crate) use writing::Writing;

use crate::{error::Error, register::Register};
use countersign_common::{Digest32, Octets};
use engine::{Engine, Then, Value};
use row::entry_of;
use std::path::Path;

const COLUMNS: &str = "SELECT seq, time, kind, subject, leaf, body, token FROM entries";
/// Entries whose subject begins as the first parameter does, which has an index: that is enough to tell most apart.
const ALIKE: &str = "substr(subject, 1, 8) = substr(CAST($1 AS TEXT), 1, 8)";
/// Of those, the ones about the first parameter. SQLite would put it in the place of a bare subject, and not see the index any more.
const ABOUT: &str = "subject || '' = $1";
/// Entries other than those of tokens, which are by far the most: the others have an index by their kind.
const RARE: &str = "kind <> 'token-issued'";

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) sequence: i64,
    pub(crate) time: String,
    pub(crate) leaf: Digest32,
    pub(crate) body: Body,
}

/// What the ledger knows of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomerRow {
    pub(crate) name: String,
    pub(crate) salt: Digest32,
}

/// The ledger, open.
pub(crate) struct Ledger {
    engine: Engine,
}

impl Ledger {
    /// Makes an empty ledger where there is none. On a server it is there for others with the first entry.
    pub(crate) fn create(place: &Place) -> Result<Self, Error> {
        Ok(Self { engine: Engine::create(place)? })
    }

    /// Opens the ledger of an authority.
    pub(crate) fn open(place: &Place) -> Result<Self, Error> {
        Ok(Self { engine: Engine::open(place)? })
    }

    /// Begins to write; nobody else can until the outcome is committed or dropped.
    pub(crate) fn begin(&mut self) -> Result<Writing<'_>, Error> {
        Writing::begin(&self.engine)
    }

    /// Writes all of it into a new file, as it is at one moment, whoever writes meanwhile. One on a server is not copied.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), Error> {
        self.engine.copy_to(path)
    }

    /// Takes the ledger away again whose authority could not be founded after all; a file goes with its folder.
    pub(crate) fn discard(place: &Place) -> Result<(), Error> {
        match place {
            Place::File(_) => Ok(()),
            Place::Server(_) => Engine::open(place)?.discard(),
        }
    }

    /// Closes the ledger, so that one in a file is all in that file.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.engine.close()
    }

    /// What all entries come to.
    pub(crate) fn register(&self) -> Result<Register, Error> {
        register_of(&self.engine)
    }

    /// What is known of a customer.
    pub(crate) fn customer(&self, id: &str) -> Result<Option<CustomerRow>, Error> {
        customer_in(&self.engine, id)
    }

    /// The latest entry of a token.
    pub(crate) fn latest_token(&self, id: &str) -> Result<Option<Entry>, Error> {
        latest_in(&self.engine, "token-issued", id)
    }

    /// The last row of a batch that is done; 0 where none is.
    pub(crate) fn last_row(&self, batch: &str) -> Result<u64, Error> {
        Ok(match latest_in(&self.engine, "batch-issued", batch)?.map(|entry| entry.body) {
            Some(Body::BatchIssued { last, .. }) => last,
            _ => 0,
        })
    }

    /// The entry of a number.
    pub(crate) fn entry(&self, sequence: i64) -> Result<Option<Entry>, Error> {
        self.engine.row(&format!("{COLUMNS} WHERE seq = $1"), &[Value::Number(sequence)], entry_of)
    }

    /// Goes through all entries, the first one first, one at a time: their bodies together may not fit into memory. The
    /// ledger is not to be asked for anything else meanwhile.
    pub(crate) fn each(&self, take: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
        each_in(&self.engine, take)
    }

    /// DER of the signed heads of the tree, the first one first.
    pub(crate) fn tree_heads(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut heads = Vec::new();
        let mut expected = 1;
        self.engine.rows("SELECT number, object FROM tree_heads ORDER BY number", &[], &mut |row| {
            if row.number(0)? != expected {
                return Err(Error::LedgerAltered(format!("tree head {expected}: is missing")));
            }
            expected += 1;
            heads.push(row.octets(1)?.to_vec());
            Ok(Then::Next)
        })?;
        Ok(heads)
    }

    /// The certificates that followed the founding ones, as role and DER in hexadecimal, the first one first.
    pub(crate) fn renewals(&self) -> Result<Vec<(String, String)>, Error> {
        let mut renewals = Vec::new();
        let query = format!("{COLUMNS} WHERE {RARE} AND kind = 'certificate-renewed' ORDER BY seq");
        self.engine.rows(&query, &[], &mut |row| {
            if let Body::CertificateRenewed { role, certificate, .. } = entry_of(row)?.body {
                renewals.push((role, certificate));
            }
            Ok(Then::Next)
        })?;
        Ok(renewals)
    }

    /// The latest entry with a number, or whose subject begins with a text.
    pub(crate) fn find(&self, id: &str) -> Result<Entry, Error> {
        let sequence = id.parse::<i64>().ok().filter(|_| id.len() < 10);
        let by_sequence = match sequence {
            Some(sequence) => self.entry(sequence)?,
            None => None,
        };
        let alike = if id.chars().count() < 8 { String::new() } else { format!("AND {ALIKE}") };
        let query = format!(
            "{COLUMNS} WHERE kind NOT IN ('authority-founded', 'certificate-reinstated', 'certificate-revoked', \
             'refused', 'token-approved', 'token-reinstated', 'token-requested', 'token-revoked') \
             {alike} AND substr(subject, 1, length(CAST($1 AS TEXT))) = $1 ORDER BY seq DESC LIMIT 1"
        );
        let entry = match by_sequence {
            Some(entry) => Some(entry),
            None => self.engine.row(&query, &[Value::Text(&id.to_ascii_lowercase())], entry_of)?,
        };
        entry.filter(|_| !id.is_empty()).ok_or_else(|| Error::NoEntry(id.to_owned()))
    }
}

fn register_of(engine: &Engine) -> Result<Register, Error> {
    let mut register = Register::default();
    each_in(engine, &mut |entry| register.add(entry))?;
    Ok(register)
}

fn each_in(engine: &Engine, take: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
    engine.rows(&format!("{COLUMNS} ORDER BY seq"), &[], &mut |row| {
        take(entry_of(row)?)?;
        Ok(Then::Next)
    })
}

/// The latest entry of a kind about something.
fn latest_in(engine: &Engine, kind: &str, subject: &str) -> Result<Option<Entry>, Error> {
    let query = format!("{COLUMNS} WHERE {ALIKE} AND {ABOUT} AND kind = $2 ORDER BY seq DESC LIMIT 1");
    engine.row(&query, &[Value::Text(subject), Value::Text(kind)], entry_of)
}

fn customer_in(engine: &Engine, id: &str) -> Result<Option<CustomerRow>, Error> {
    engine.row("SELECT name, salt FROM customers WHERE id = $1", &[Value::Text(id)], |row| {
        Ok(CustomerRow { name: row.text(0)?.to_owned(), salt: salt_of(id, row.octets(1)?)? })
    })
}

fn salt_of(id: &str, octets: &[u8]) -> Result<Digest32, Error> {
    let salt = octets.try_into().map_err(|_| Error::LedgerDamaged(format!("customer {id}: the salt is not 32 octets")));
    Ok(Octets(salt?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
