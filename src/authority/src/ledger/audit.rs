//! Whether the ledger is still what was written: every row, one at a time, and the tree over them (docs/ledger.md).

use super::{
    COLUMNS, Engine, Ledger, Then,
    engine::{Sqlite, Transaction},
    row::seen,
};
use crate::{error::Error, words::to_hex};
use countersign_common::{Digest32, merkle::Accumulator};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    thread::{self, ScopedJoinHandle},
};

/// After how many entries there is word of how far it came.
const STEP: u64 = 100_000;

/// Name and salt of each customer, by the id.
type Customers = BTreeMap<String, (String, String)>;

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
        let _reading = Transaction::reading(&self.engine)?;
        // A file is read a second time for that, meanwhile.
        let apart = self.engine.tables_apart();
        thread::scope(|scope| {
            let tables = apart.map(|file| scope.spawn(move || Sqlite::open(&file)?.check_tables()));
            let audit = self.audit_rows(sizes, progress)?;
            match tables.map(ScopedJoinHandle::join) {
                Some(Ok(checked)) => checked?,
                Some(Err(_)) => return Err(Error::LedgerDamaged("its tables could not be checked".to_owned())),
                None => self.engine.check_tables()?,
            }
            Ok(audit)
        })
    }

    fn audit_rows(&self, sizes: &BTreeSet<u64>, progress: &mut dyn FnMut(u64)) -> Result<Audit, Error> {
        let (mut tree, mut log) = (Accumulator::default(), None);
        let (mut earlier, mut customers) = (BTreeMap::new(), Customers::new());
        self.engine.rows(&format!("{COLUMNS} ORDER BY seq"), &[], &mut |row| {
            let (number, next) = (row.number(0)?, tree.size() + 1);
            match u64::try_from(number) {
                Ok(number) if number == next => {}
                Ok(number) if number > next => return Err(altered(next, "is missing")),
                _ => return Err(altered(number, "stands before the first")),
            }
            let entry = seen(row).map_err(|error| match error {
                Error::LedgerDamaged(fault) => Error::LedgerAltered(fault),
                error => error,
            })?;
            if entry.is_founding != (number == 1) {
                return Err(altered(number, "a ledger begins with the founding of the authority, and has no other"));
            }
            if let Some(customer) = entry.customer {
                note_customer(&mut customers, customer).map_err(|fault| altered(number, &fault))?;
            }
            log.get_or_insert(entry.leaf);
            tree.append(entry.leaf);
            if sizes.contains(&tree.size()) {
                earlier.insert(tree.size(), tree.root());
            }
            if tree.size() % STEP == 0 {
                progress(tree.size());
            }
            Ok(Then::Next)
        })?;
        let log = log.ok_or_else(|| altered(1, "is missing"))?;
        check_customers(&self.engine, customers)?;
        Ok(Audit { log, size: tree.size(), root: tree.root(), earlier })
    }
}

fn altered(number: impl std::fmt::Display, fault: &str) -> Error {
    Error::LedgerAltered(format!("entry {number}: {fault}"))
}

/// Takes down what a token says of its customer: id, name and salt. Most say what the one before said.
fn note_customer(known: &mut Customers, [id, name, salt]: [Cow<'_, str>; 3]) -> Result<(), String> {
    match known.get_mut(&*id) {
        None => drop(known.insert(id.into_owned(), (name.into_owned(), salt.into_owned()))),
        Some((_, before)) if *before != *salt => {
            return Err(format!("the customer {id} has another salt than before"));
        }
        Some((before, _)) if *before != *name => *before = name.into_owned(),
        Some(_) => {}
    }
    Ok(())
}

/// The customers are those that tokens were issued to, with the name in the last one and the salt in all of them.
fn check_customers(engine: &Engine, mut expected: Customers) -> Result<(), Error> {
    let altered = |id: &str, fault: &str| Err(Error::LedgerAltered(format!("customer {id}: {fault}")));
    engine.rows("SELECT id, name, salt FROM customers ORDER BY id", &[], &mut |row| {
        let id = row.text(0)?;
        match expected.remove(id) {
            None => altered(id, "no token was issued to such a customer, or its entry is missing"),
            Some((name, _)) if name != row.text(1)? => altered(id, "the name is not that in the last token"),
            Some((_, salt)) if salt != to_hex(row.octets(2)?) => altered(id, "the salt is not that in the tokens"),
            Some(_) => Ok(Then::Next),
        }
    })?;
    expected.first_key_value().map_or(Ok(()), |(id, _)| altered(id, "is missing").map(drop))
}
