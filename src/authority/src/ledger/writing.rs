//! The ledger while it is written to.

use super::{
    ABOUT, ALIKE, Body, COLUMNS, CustomerRow, Engine, Entry, RARE, Then, Value, customer_in, engine::Transaction,
    entry_of, latest_in, register_of, row::in_tree, salt_of,
};
use crate::{
    error::Error,
    register::{Register, demands_of},
    words::hex_octets,
};
use countersign_common::{Digest32, Time};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

/// How many entries go to the engine at once, and how many customers are asked for: a server may be far away.
const AT_ONCE: usize = 64;

/// The ledger while it is written to. Dropped without [`Writing::commit`], nothing has happened.
pub(crate) struct Writing<'a> {
    engine: &'a Engine,
    transaction: Transaction<'a>,
    /// The number of the next entry, once it is known: nobody else gives numbers meanwhile.
    next: Cell<Option<i64>>,
    /// Entries that the engine has not got yet. It has them before it is asked for any.
    pending: RefCell<Vec<Pending>>,
    /// Customers as they stand: nobody else changes them meanwhile.
    customers: RefCell<BTreeMap<String, Option<CustomerRow>>>,
}

/// The row of an entry.
struct Pending {
    sequence: i64,
    time: String,
    kind: &'static str,
    subject: String,
    leaf: Digest32,
    body: String,
    token: Option<Vec<u8>>,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(engine: &'a Engine) -> Result<Self, Error> {
        let transaction = Transaction::writing(engine)?;
        Ok(Self {
            engine,
            transaction,
            next: Cell::default(),
            pending: RefCell::default(),
            customers: RefCell::default(),
        })
    }

    /// The engine, with all entries.
    fn entries(&self) -> Result<&Engine, Error> {
        let mut pending = self.pending.borrow_mut();
        // They stay where this fails: then nothing can be committed.
        self.write(&pending)?;
        pending.clear();
        Ok(self.engine)
    }

    fn write(&self, pending: &[Pending]) -> Result<(), Error> {
        for some in pending.chunks(AT_ONCE) {
            let row = |row: usize| format!("({})", placeholders(row * 7, 7));
            let rows: Vec<_> = (0..some.len()).map(row).collect();
            let statement =
                format!("INSERT INTO entries (seq, time, kind, subject, leaf, body, token) VALUES {}", rows.join(", "));
            let values = some.iter().flat_map(|entry| {
                [
                    Value::Number(entry.sequence),
                    Value::Text(&entry.time),
                    Value::Text(entry.kind),
                    Value::Text(&entry.subject),
                    Value::Octets(&entry.leaf.0),
                    Value::Octets(entry.body.as_bytes()),
                    entry.token.as_deref().map_or(Value::Nothing, Value::Octets),
                ]
            });
            self.engine.execute(&statement, &values.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// What is known of a customer.
    pub(crate) fn customer(&self, id: &str) -> Result<Option<CustomerRow>, Error> {
        if let Some(known) = self.customers.borrow().get(id) {
            return Ok(known.clone());
        }
        customer_in(self.engine, id)
    }

    /// Reads what is known of several customers, for [`Writing::customer`] to give.
    pub(crate) fn read_customers(&self, ids: &BTreeSet<&str>) -> Result<(), Error> {
        let query = format!("SELECT id, name, salt FROM customers WHERE id IN ({})", placeholders(0, AT_ONCE));
        let mut customers = self.customers.borrow_mut();
        customers.extend(ids.iter().map(|id| ((*id).to_owned(), None)));
        let all: Vec<_> = ids.iter().map(|id| Value::Text(id)).collect();
        for some in all.chunks(AT_ONCE) {
            // The statement stays the same: one customer may be asked for several times.
            let values: Vec<_> = some.iter().cycle().take(AT_ONCE).copied().collect();
            self.engine.rows(&query, &values, &mut |row| {
                let id = row.text(0)?;
                let known = CustomerRow { name: row.text(1)?.to_owned(), salt: salt_of(id, row.octets(2)?)? };
                customers.insert(id.to_owned(), Some(known));
                Ok(Then::Next)
            })?;
        }
        Ok(())
    }

    /// The latest entry of a token.
    pub(crate) fn latest_token(&self, id: &str) -> Result<Option<Entry>, Error> {
        latest_in(self.entries()?, "token-issued", id)
    }

    /// How many approvals were said to be needed when a token was asked for; nothing where it was not. The body is given
    /// by its SHA-256.
    pub(crate) fn requested(&self, id: &str, wanted: &str) -> Result<Option<u8>, Error> {
        let query = format!("{COLUMNS} WHERE {ALIKE} AND {ABOUT} AND kind = 'token-requested' ORDER BY seq");
        let mut found = None;
        self.entries()?.rows(&query, &[Value::Text(id)], &mut |row| match entry_of(row)?.body {
            Body::TokenRequested { body, needed, .. } if body == wanted => {
                found = Some(needed);
                Ok(Then::Stop)
            }
            _ => Ok(Then::Next),
        })?;
        Ok(found)
    }

    /// How many approvals the anchors in force demand.
    pub(crate) fn approvals_demanded(&self) -> Result<u8, Error> {
        let last = format!("{COLUMNS} WHERE {RARE} AND kind = 'anchors-adopted' ORDER BY seq DESC LIMIT 1");
        let entry = self.entries()?.row(&last, &[], entry_of)?;
        let Some(Body::AnchorsAdopted { objects, .. }) = entry.map(|entry| entry.body) else { return Ok(0) };
        let damaged = || Error::LedgerDamaged("the last anchors update cannot be read".to_owned());
        let der = objects.last().and_then(|object| hex_octets(object)).ok_or_else(damaged)?;
        Ok(demands_of(&der)?.approvals)
    }

    /// Whether a certificate stands revoked or on hold, by its SHA-256.
    pub(crate) fn is_revoked(&self, certificate: &str) -> Result<bool, Error> {
        let last = format!(
            "SELECT kind FROM entries WHERE {ALIKE} AND {ABOUT} AND kind IN ('certificate-reinstated', 'certificate-revoked') \
             ORDER BY seq DESC LIMIT 1"
        );
        let revoked =
            self.entries()?.row(&last, &[Value::Text(certificate)], |row| Ok(row.text(0)? == "certificate-revoked"));
        Ok(revoked?.unwrap_or(false))
    }

    /// Whether a record came back before, by its SHA-256.
    pub(crate) fn has_record(&self, record: &str) -> Result<bool, Error> {
        let query = format!("SELECT seq FROM entries WHERE {ALIKE} AND {ABOUT} AND kind = 'record-received' LIMIT 1");
        Ok(self.entries()?.row(&query, &[Value::Text(record)], |row| row.number(0))?.is_some())
    }

    /// Whether a record was refused before for the same reason, by its SHA-256.
    pub(crate) fn has_refused(&self, record: &str, code: &str) -> Result<bool, Error> {
        let query = format!("{COLUMNS} WHERE {ALIKE} AND {ABOUT} AND kind = 'refused'");
        let mut found = false;
        self.entries()?.rows(&query, &[Value::Text(record)], &mut |row| {
            found = matches!(entry_of(row)?.body, Body::Refused { code: of, .. } if of == code);
            Ok(if found { Then::Stop } else { Then::Next })
        })?;
        Ok(found)
    }

    /// The number of the newest token list.
    pub(crate) fn newest_token_list(&self) -> Result<Option<u64>, Error> {
        let last = format!("{COLUMNS} WHERE {RARE} AND kind = 'token-list-issued' ORDER BY seq DESC LIMIT 1");
        Ok(match self.entries()?.row(&last, &[], entry_of)?.map(|entry| entry.body) {
            Some(Body::TokenListIssued { number, .. }) => Some(number),
            _ => None,
        })
    }

    /// What all entries come to.
    pub(crate) fn register(&self) -> Result<Register, Error> {
        register_of(self.entries()?)
    }

    /// Keeps a customer; the salt of a known one must be the same.
    pub(crate) fn keep_customer(&self, id: &str, row: &CustomerRow) -> Result<(), Error> {
        self.engine.execute(
            "INSERT INTO customers (id, name, salt) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            &[Value::Text(id), Value::Text(&row.name), Value::Octets(&row.salt.0)],
        )?;
        // As the ledger has it now, whatever was said of the salt.
        self.customers.borrow_mut().remove(id);
        Ok(())
    }

    /// Appends an entry. What the engine has to say of it may be said later, when it is committed at the latest.
    pub(crate) fn append(&self, time: Time, body: &Body) -> Result<i64, Error> {
        let text = serde_json::to_string(body).map_err(|error| Error::LedgerDamaged(error.to_string()))?;
        let sequence = match self.next.take() {
            Some(next) => next,
            None => self.after_last("SELECT coalesce(max(seq), 0) FROM entries")?,
        };
        let leaf = in_tree(sequence, time, body.issues(), &text)?.leaf_hash()?;
        self.pending.borrow_mut().push(Pending {
            sequence,
            time: time.to_string(),
            kind: body.kind(),
            subject: body.subject().to_owned(),
            leaf,
            body: text,
            token: body.token().map(<[u8]>::to_vec),
        });
        self.next.set(sequence.checked_add(1));
        if self.pending.borrow().len() >= AT_ONCE {
            self.entries()?;
        }
        Ok(sequence)
    }

    /// Keeps a signed head of the tree, and gives its number.
    pub(crate) fn keep_tree_head(&self, object: &[u8]) -> Result<i64, Error> {
        let number = self.after_last("SELECT coalesce(max(number), 0) FROM tree_heads")?;
        let values = [Value::Number(number), Value::Octets(object)];
        self.engine.execute("INSERT INTO tree_heads (number, object) VALUES ($1, $2)", &values)?;
        Ok(number)
    }

    fn after_last(&self, query: &str) -> Result<i64, Error> {
        let last = self.engine.row(query, &[], |row| row.number(0))?.unwrap_or(0);
        last.checked_add(1).ok_or_else(|| Error::LedgerDamaged("there are no more numbers".to_owned()))
    }

    /// Makes it durable: once this returns, a power cut does not undo it.
    pub(crate) fn commit(self) -> Result<(), Error> {
        self.entries()?;
        self.transaction.commit()
    }
}

/// `$1, $2` and so on: so many, behind the first ones.
fn placeholders(first: usize, count: usize) -> String {
    (first + 1..=first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}
