//! Whether the ledger is still what was written: every row, one at a time, and the tree over them (docs/ledger.md).

use super::{Body, COLUMNS, Ledger, SCHEMA, entry_of, row_of};
use crate::{error::Error, words::to_hex};
use countersign_common::{Digest32, merkle::Accumulator};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// After how many entries there is word of how far it came.
const STEP: u64 = 100_000;

/// The tree over a ledger whose rows are sound.
pub(crate) struct Audit {
    /// The hash of the first leaf, which names the ledger.
    pub(crate) log: Digest32,
    /// How many entries there are.
    pub(crate) size: u64,
    /// The root of the tree over them.
    pub(crate) root: Digest32,
    /// The roots at the sizes asked for, as far as the ledger goes.
    pub(crate) earlier: BTreeMap<u64, Digest32>,
}

impl Ledger {
    /// Goes through all rows in the order of their numbers and refuses the first one that is not as it was written. The
    /// memory needed grows with the customers, not with the entries.
    pub(crate) fn audit(&self, sizes: &BTreeSet<u64>, progress: &mut dyn FnMut(u64)) -> Result<Audit, Error> {
        // One state of the ledger, whoever writes meanwhile.
        let reading = self.connection.unchecked_transaction()?;
        let (mut tree, mut log) = (Accumulator::default(), None);
        let (mut earlier, mut customers) = (BTreeMap::new(), BTreeMap::new());
        let mut query = reading.prepare(&format!("{COLUMNS} ORDER BY seq"))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let row = row_of(row)?;
            let (number, next) = (row.0, tree.size() + 1);
            match u64::try_from(number) {
                Ok(number) if number == next => {}
                Ok(number) if number > next => return Err(altered(next, "is missing")),
                _ => return Err(altered(number, "stands before the first")),
            }
            let entry = entry_of(row).map_err(|error| match error {
                Error::LedgerDamaged(fault) => Error::LedgerAltered(fault),
                error => error,
            })?;
            if matches!(entry.body, Body::AuthorityFounded { .. }) != (number == 1) {
                return Err(altered(number, "a ledger begins with the founding of the authority, and has no other"));
            }
            if let Body::TokenIssued { customer, customer_name, salt, .. } = entry.body {
                let said = (customer_name, salt);
                match customers.entry(customer) {
                    Entry::Vacant(new) => drop(new.insert(said)),
                    Entry::Occupied(known) if known.get().1 != said.1 => {
                        let fault = format!("the customer {} has another salt than before", known.key());
                        return Err(altered(number, &fault));
                    }
                    Entry::Occupied(mut known) => drop(known.insert(said)),
                }
            }
            log.get_or_insert(entry.leaf);
            tree.append(entry.leaf);
            if sizes.contains(&tree.size()) {
                earlier.insert(tree.size(), tree.root());
            }
            if tree.size() % STEP == 0 {
                progress(tree.size());
            }
        }
        let log = log.ok_or_else(|| altered(1, "is missing"))?;
        check_customers(&reading, customers)?;
        check_tables(&reading)?;
        Ok(Audit { log, size: tree.size(), root: tree.root(), earlier })
    }
}

fn altered(number: impl std::fmt::Display, fault: &str) -> Error {
    Error::LedgerAltered(format!("entry {number}: {fault}"))
}

/// The customers are those that tokens were issued to, with the name in the last one and the salt in all of them.
fn check_customers(connection: &Connection, mut expected: BTreeMap<String, (String, String)>) -> Result<(), Error> {
    let altered = |id: &str, fault: &str| Err(Error::LedgerAltered(format!("customer {id}: {fault}")));
    let mut query = connection.prepare("SELECT id, name, salt FROM customers ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        match expected.remove(&id) {
            None => return altered(&id, "no token was issued to such a customer, or its entry is missing"),
            Some((name, _)) if name != row.get::<_, String>(1)? => {
                return altered(&id, "the name is not that in the last token");
            }
            Some((_, salt)) if salt != to_hex(&row.get::<_, [u8; 32]>(2)?) => {
                return altered(&id, "the salt is not that in the tokens");
            }
            Some(_) => {}
        }
    }
    expected.first_key_value().map_or(Ok(()), |(id, _)| altered(id, "is missing"))
}

/// Tables, triggers and indexes are those that a new ledger has, and the indexes say what the tables say.
fn check_tables(connection: &Connection) -> Result<(), Error> {
    let schema = |connection: &Connection| {
        let mut query = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.collect::<Result<Vec<_>, _>>()
    };
    let new = Connection::open_in_memory()?;
    new.execute_batch(SCHEMA)?;
    if schema(connection)? != schema(&new)? {
        return Err(Error::LedgerAltered("its tables and triggers are not those it was made with".to_owned()));
    }
    let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound == "ok" { Ok(()) } else { Err(Error::LedgerAltered(format!("the file: {sound}"))) }
}
