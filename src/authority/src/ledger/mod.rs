//! The ledger: what was issued, revoked and refused, in order, appended to and never changed.
//!
//! Number, time and body of each entry are the input of a leaf of a Merkle tree (docs/ledger.md), whose hash stands
//! beside them. Triggers refuse changes; who can write the file can still forge it, which the signed heads of the tree show.

mod audit;
mod entry;
mod proof;

pub(crate) use audit::Audit;
pub(crate) use entry::Body;

use crate::{
    error::Error,
    register::{Register, demands_of},
    words::{hex, hex_octets},
};
use countersign_common::{Digest32, LedgerEntry, Octets, Time};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::{path::Path, time::Duration};

/// Marks the file as a ledger of Countersign ("CSGN").
const APPLICATION_ID: i32 = 0x4353_474e;
/// The version of the tables.
const VERSION: i32 = 3;
/// How long to wait for another command that writes.
const BUSY: Duration = Duration::from_secs(10);

const COLUMNS: &str = "SELECT seq, time, kind, subject, leaf, body FROM entries";

const SCHEMA: &str = "
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        leaf BLOB NOT NULL CHECK (length(leaf) = 32),
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX entries_by_subject ON entries (kind, subject);
    CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'the ledger is appended to, never changed'); END;
    CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'the ledger is appended to, never changed'); END;
    CREATE TRIGGER entries_follow_each_other BEFORE INSERT ON entries
        WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entries)
        BEGIN SELECT RAISE(ABORT, 'entries are numbered in order'); END;
    CREATE TABLE tree_heads (
        number INTEGER PRIMARY KEY,
        object BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER tree_heads_are_not_changed BEFORE UPDATE ON tree_heads
        BEGIN SELECT RAISE(ABORT, 'what was signed is never changed'); END;
    CREATE TRIGGER tree_heads_are_not_deleted BEFORE DELETE ON tree_heads
        BEGIN SELECT RAISE(ABORT, 'what was signed is never changed'); END;
    CREATE TRIGGER tree_heads_follow_each_other BEFORE INSERT ON tree_heads
        WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM tree_heads)
        BEGIN SELECT RAISE(ABORT, 'tree heads are numbered in order'); END;
    CREATE TABLE customers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        salt BLOB NOT NULL CHECK (length(salt) = 32)
    ) STRICT;
    CREATE TRIGGER salts_are_not_changed BEFORE UPDATE OF id, salt ON customers
        BEGIN SELECT RAISE(ABORT, 'the salt of a customer is constant'); END;
    CREATE TRIGGER customers_are_not_deleted BEFORE DELETE ON customers
        BEGIN SELECT RAISE(ABORT, 'the salt of a customer is constant'); END;
";

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
    connection: Connection,
}

impl Ledger {
    /// Makes an empty ledger in a file that does not exist, readable by its owner only.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        crate::files::write_new(path, 0o600, b"")?;
        let connection = connect(path)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        Ok(Self { connection })
    }

    /// Opens the ledger of an authority.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connection = connect(path)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        if number("application_id")? != APPLICATION_ID {
            return Err(Error::LedgerDamaged(format!("{} is not a ledger", path.display())));
        }
        match number("user_version")? {
            VERSION => Ok(Self { connection }),
            version if version > VERSION => Err(Error::AuthorityNewer { format: version.unsigned_abs() }),
            version if version > 0 => Err(Error::AuthorityOlder { format: version.unsigned_abs() }),
            _ => Err(Error::LedgerDamaged("its tables are not complete".to_owned())),
        }
    }

    /// Begins to write; nobody else can until the outcome is committed or dropped.
    pub(crate) fn begin(&mut self) -> Result<Writing<'_>, Error> {
        Ok(Writing(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }

    /// Writes all of it into a new file, as it is at one moment, whoever writes meanwhile.
    pub(crate) fn copy_to(&self, path: &Path) -> Result<(), Error> {
        let name = path.to_str().ok_or_else(|| Error::file(path, std::io::ErrorKind::InvalidFilename.into()))?;
        self.connection.execute("VACUUM INTO ?1", [name])?;
        Ok(())
    }

    /// Closes the ledger, so that all of it is in its one file.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// All entries, the first one first.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let mut query = self.connection.prepare(&format!("{COLUMNS} ORDER BY seq"))?;
        let rows = query.query_map([], row_of)?;
        rows.map(|row| entry_of(row?)).collect()
    }

    /// What all entries come to.
    pub(crate) fn register(&self) -> Result<Register, Error> {
        register_of(&self.connection)
    }

    /// What is known of a customer.
    pub(crate) fn customer(&self, id: &str) -> Result<Option<CustomerRow>, Error> {
        customer_in(&self.connection, id)
    }

    /// The latest entry of a token.
    pub(crate) fn latest_token(&self, id: &str) -> Result<Option<Entry>, Error> {
        latest_in(&self.connection, "token-issued", id)
    }

    /// The last row of a batch that is done; 0 where none is.
    pub(crate) fn last_row(&self, batch: &str) -> Result<u64, Error> {
        Ok(match latest_in(&self.connection, "batch-issued", batch)?.map(|entry| entry.body) {
            Some(Body::BatchIssued { last, .. }) => last,
            _ => 0,
        })
    }

    /// The entry of a number.
    pub(crate) fn entry(&self, sequence: i64) -> Result<Option<Entry>, Error> {
        let row = self.connection.query_row(&format!("{COLUMNS} WHERE seq = ?1"), [sequence], row_of).optional()?;
        row.map(entry_of).transpose()
    }

    /// Goes through all entries, the first one first, one at a time: their bodies together may not fit into memory.
    pub(crate) fn each(&self, take: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
        each_in(&self.connection, take)
    }

    /// DER of the signed heads of the tree, the first one first.
    pub(crate) fn tree_heads(&self) -> Result<Vec<Vec<u8>>, Error> {
        let mut query = self.connection.prepare("SELECT number, object FROM tree_heads ORDER BY number")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let in_order = |(expected, row): (i64, rusqlite::Result<(i64, Vec<u8>)>)| match row? {
            (number, object) if number == expected => Ok(object),
            _ => Err(Error::LedgerAltered(format!("tree head {expected}: is missing"))),
        };
        (1..).zip(rows).map(in_order).collect()
    }

    /// The certificates that followed the founding one in a role, the first one first.
    pub(crate) fn renewals(&self, role: &str) -> Result<usize, Error> {
        let mut count = 0;
        let mut query = self.connection.prepare(&format!("{COLUMNS} WHERE kind = 'certificate-renewed'"))?;
        for row in query.query_map([], row_of)? {
            let entry = entry_of(row?)?;
            count += usize::from(matches!(entry.body, Body::CertificateRenewed { role: of, .. } if of == role));
        }
        Ok(count)
    }

    /// The latest entry with a number, or whose subject begins with a text.
    pub(crate) fn find(&self, id: &str) -> Result<Entry, Error> {
        let sequence = id.parse::<i64>().ok().filter(|_| id.len() < 10);
        let by_sequence = match sequence {
            Some(sequence) => self.entry(sequence)?,
            None => None,
        };
        let entry = match by_sequence {
            Some(entry) => Some(entry),
            None => self
                .connection
                .query_row(
                    &format!(
                        "{COLUMNS} WHERE kind NOT IN ('authority-founded', 'certificate-reinstated', \
                         'certificate-revoked', 'refused', 'token-approved', 'token-reinstated', 'token-requested', \
                         'token-revoked') \
                         AND substr(subject, 1, length(?1)) = ?1 ORDER BY seq DESC LIMIT 1"
                    ),
                    [id.to_ascii_lowercase()],
                    row_of,
                )
                .optional()?
                .map(entry_of)
                .transpose()?,
        };
        entry.filter(|_| !id.is_empty()).ok_or_else(|| Error::NoEntry(id.to_owned()))
    }
}

/// The ledger while it is written to. Dropped without [`Writing::commit`], nothing has happened.
pub(crate) struct Writing<'a>(Transaction<'a>);

impl Writing<'_> {
    /// What is known of a customer.
    pub(crate) fn customer(&self, id: &str) -> Result<Option<CustomerRow>, Error> {
        customer_in(&self.0, id)
    }

    /// The latest entry of a token.
    pub(crate) fn latest_token(&self, id: &str) -> Result<Option<Entry>, Error> {
        latest_in(&self.0, "token-issued", id)
    }

    /// How many approvals were said to be needed when a token was asked for; nothing where it was not. The body is given
    /// by its SHA-256.
    pub(crate) fn requested(&self, id: &str, wanted: &str) -> Result<Option<u8>, Error> {
        let mut query = self.0.prepare(&format!("{COLUMNS} WHERE kind = 'token-requested' AND subject = ?1"))?;
        for row in query.query_map([id], row_of)? {
            if let Body::TokenRequested { body, needed, .. } = entry_of(row?)?.body
                && body == wanted
            {
                return Ok(Some(needed));
            }
        }
        Ok(None)
    }

    /// How many approvals the anchors in force demand.
    pub(crate) fn approvals_demanded(&self) -> Result<u8, Error> {
        let last = format!("{COLUMNS} WHERE kind = 'anchors-adopted' ORDER BY seq DESC LIMIT 1");
        let entry = self.0.query_row(&last, [], row_of).optional()?.map(entry_of).transpose()?;
        let Some(Body::AnchorsAdopted { objects, .. }) = entry.map(|entry| entry.body) else { return Ok(0) };
        let damaged = || Error::LedgerDamaged("the last anchors update cannot be read".to_owned());
        let der = objects.last().and_then(|object| hex_octets(object)).ok_or_else(damaged)?;
        Ok(demands_of(&der)?.approvals)
    }

    /// Whether a certificate stands revoked or on hold, by its SHA-256.
    pub(crate) fn is_revoked(&self, certificate: &str) -> Result<bool, Error> {
        let last = self.0.query_row(
            "SELECT kind FROM entries WHERE kind IN ('certificate-reinstated', 'certificate-revoked') \
             AND subject = ?1 ORDER BY seq DESC LIMIT 1",
            [certificate],
            |row| row.get::<_, String>(0),
        );
        Ok(last.optional()?.is_some_and(|kind| kind == "certificate-revoked"))
    }

    /// Whether a record came back before, by its SHA-256.
    pub(crate) fn has_record(&self, record: &str) -> Result<bool, Error> {
        let mut query =
            self.0.prepare_cached("SELECT 1 FROM entries WHERE kind = 'record-received' AND subject = ?1")?;
        Ok(query.exists([record])?)
    }

    /// Whether a record was refused before for the same reason, by its SHA-256.
    pub(crate) fn has_refused(&self, record: &str, code: &str) -> Result<bool, Error> {
        let mut query = self.0.prepare_cached(&format!("{COLUMNS} WHERE kind = 'refused' AND subject = ?1"))?;
        for row in query.query_map([record], row_of)? {
            if matches!(entry_of(row?)?.body, Body::Refused { code: of, .. } if of == code) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The number of the newest token list.
    pub(crate) fn newest_token_list(&self) -> Result<Option<u64>, Error> {
        let row = self
            .0
            .query_row(&format!("{COLUMNS} WHERE kind = 'token-list-issued' ORDER BY seq DESC LIMIT 1"), [], row_of)
            .optional()?;
        Ok(match row.map(entry_of).transpose()?.map(|entry| entry.body) {
            Some(Body::TokenListIssued { number, .. }) => Some(number),
            _ => None,
        })
    }

    /// What all entries come to.
    pub(crate) fn register(&self) -> Result<Register, Error> {
        register_of(&self.0)
    }

    /// Keeps a customer; the salt of a known one must be the same.
    pub(crate) fn keep_customer(&self, id: &str, row: &CustomerRow) -> Result<(), Error> {
        self.0.execute(
            "INSERT INTO customers (id, name, salt) VALUES (?1, ?2, ?3) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            params![id, row.name, row.salt.0],
        )?;
        Ok(())
    }

    /// Appends an entry.
    pub(crate) fn append(&self, time: Time, body: &Body) -> Result<i64, Error> {
        let text = serde_json::to_string(body).map_err(|error| Error::LedgerDamaged(error.to_string()))?;
        let next =
            self.0.prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM entries")?.query_row([], |row| row.get(0));
        let sequence = next?;
        let leaf = in_tree(sequence, time, body, &text)?.leaf_hash()?;
        self.0
            .prepare_cached(
                "INSERT INTO entries (seq, time, kind, subject, leaf, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![sequence, time.to_string(), body.kind(), body.subject(), leaf.0, text.as_bytes()])?;
        Ok(sequence)
    }

    /// Keeps a signed head of the tree, and gives its number.
    pub(crate) fn keep_tree_head(&self, object: &[u8]) -> Result<i64, Error> {
        self.0.execute(
            "INSERT INTO tree_heads (number, object) \
             VALUES ((SELECT coalesce(max(number), 0) + 1 FROM tree_heads), ?1)",
            [object],
        )?;
        Ok(self.0.last_insert_rowid())
    }

    /// Makes it durable: once this returns, a power cut does not undo it.
    pub(crate) fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit()?)
    }
}

/// An entry as the tree has it, from its body and the text of that.
fn in_tree(sequence: i64, time: Time, body: &Body, text: &str) -> Result<LedgerEntry, Error> {
    let damaged = |what| Error::LedgerDamaged(format!("entry {sequence}: {what}"));
    let number = u64::try_from(sequence).map_err(|_| damaged("no number"))?;
    let token = body.issues().map(|digest| hex(digest).map_err(|_| damaged("its token has no digest")));
    Ok(LedgerEntry::new(number, time, token.transpose()?, text))
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite refuses symbolic links anywhere in the path with NOFOLLOW; the folder's own may be one.
    let whole = path
        .parent()
        .and_then(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.canonicalize().ok())
        .and_then(|folder| Some(folder.join(path.file_name()?)))
        .unwrap_or_else(|| path.to_owned());
    let connection = Connection::open_with_flags(whole, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

type Row = (i64, String, String, String, Vec<u8>, Vec<u8>);

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

/// Reads an entry, and believes none whose columns do not follow from its body.
fn entry_of((sequence, time, kind, subject, leaf, octets): Row) -> Result<Entry, Error> {
    let damaged = |what| Error::LedgerDamaged(format!("entry {sequence}: {what}"));
    let text = str::from_utf8(&octets).map_err(|_| damaged("the body is not text"))?;
    let entered = time.parse::<Time>().ok().filter(|parsed| parsed.to_string() == time);
    let entered = entered.ok_or_else(|| damaged("the time cannot be read"))?;
    let body: Body = serde_json::from_str(text).map_err(|_| damaged("the body cannot be read"))?;
    let expected = in_tree(sequence, entered, &body, text)?.leaf_hash()?;
    if leaf != expected.0 {
        return Err(damaged("the hash is not that of number, time and body"));
    }
    if kind != body.kind() || subject != body.subject() {
        return Err(damaged("kind or subject are not those of the body"));
    }
    Ok(Entry { sequence, time, leaf: expected, body })
}

fn register_of(connection: &Connection) -> Result<Register, Error> {
    let mut register = Register::default();
    each_in(connection, &mut |entry| register.add(entry))?;
    Ok(register)
}

fn each_in(connection: &Connection, take: &mut dyn FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
    let mut query = connection.prepare(&format!("{COLUMNS} ORDER BY seq"))?;
    for row in query.query_map([], row_of)? {
        take(entry_of(row?)?)?;
    }
    Ok(())
}

/// The latest entry of a kind about something.
fn latest_in(connection: &Connection, kind: &str, subject: &str) -> Result<Option<Entry>, Error> {
    let latest = format!("{COLUMNS} WHERE kind = ?1 AND subject = ?2 ORDER BY seq DESC LIMIT 1");
    let row = connection.prepare_cached(&latest)?.query_row([kind, subject], row_of).optional()?;
    row.map(entry_of).transpose()
}

fn customer_in(connection: &Connection, id: &str) -> Result<Option<CustomerRow>, Error> {
    let row = connection
        .prepare_cached("SELECT name, salt FROM customers WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()?;
    Ok(row.map(|(name, salt)| CustomerRow { name, salt: Octets(salt) }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token(id: &str, revision: u32) -> Body {
        Body::TokenIssued {
            id: id.to_owned(),
            revision,
            customer: "acme".to_owned(),
            customer_name: "Acme".to_owned(),
            salt: "07".repeat(32),
            product: "control-room".to_owned(),
            signer: "11".to_owned(),
            digest: "00".repeat(32),
            token: "3000".to_owned(),
        }
    }

    fn time() -> Time {
        "2026-11-24".parse().unwrap()
    }

    #[test]
    fn entries_are_kept_in_order_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let mut ledger = Ledger::create(&path).unwrap();
        let writing = ledger.begin().unwrap();
        for (id, revision) in [("aa01", 1), ("aa02", 1), ("aa01", 2)] {
            writing.append(time(), &token(id, revision)).unwrap();
        }
        writing.commit().unwrap();
        ledger.begin().unwrap().append(time(), &token("bb", 1)).unwrap();
        ledger.close().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "all is in one file");

        let mut ledger = Ledger::open(&path).unwrap();
        let entries = ledger.entries().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        let octets = serde_json::to_vec(&entries[0].body).unwrap();
        assert!(octets.starts_with(br#"{"kind":"token-issued","id":"aa01","revision":1,"#));
        assert_eq!(ledger.find("2").unwrap(), entries[1]);
        assert_eq!(ledger.find("AA01").unwrap(), entries[2]);
        for id in ["", "bb", "4", "%", "a_"] {
            assert_eq!(ledger.find(id).unwrap_err().code(), "CS-7042", "{id}");
        }
        assert_eq!(ledger.begin().unwrap().latest_token("aa01").unwrap().unwrap(), entries[2]);
    }

    #[test]
    fn nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let mut ledger = Ledger::create(&path).unwrap();
        let row = CustomerRow { name: "Acme".to_owned(), salt: Octets([7; 32]) };
        let writing = ledger.begin().unwrap();
        writing.append(time(), &token("aa", 1)).unwrap();
        writing.keep_customer("acme", &row).unwrap();
        writing.keep_customer("acme", &CustomerRow { name: "Acme Power".to_owned(), salt: Octets([8; 32]) }).unwrap();
        assert_eq!(writing.keep_tree_head(b"\x30\x00").unwrap(), 1);
        writing.commit().unwrap();
        let known = ledger.begin().unwrap().customer("acme").unwrap().unwrap();
        assert_eq!((known.name.as_str(), known.salt), ("Acme Power", row.salt));
        for statement in [
            "UPDATE entries SET time = '2020-01-01T00:00:00Z'",
            "DELETE FROM entries",
            "INSERT INTO entries SELECT seq + 5, time, kind, subject, leaf, body FROM entries",
            "UPDATE customers SET salt = zeroblob(32)",
            "DELETE FROM customers",
            "UPDATE tree_heads SET object = x'00'",
            "DELETE FROM tree_heads",
            "INSERT INTO tree_heads VALUES (3, x'3000')",
        ] {
            let refused = ledger.connection.execute(statement, []).unwrap_err().to_string();
            assert!(["never changed", "in order", "is constant"].iter().any(|why| refused.contains(why)), "{refused}");
        }
        ledger
            .connection
            .execute_batch(
                "DROP TRIGGER entries_are_not_changed;
                 UPDATE entries SET body = replace(CAST(body AS TEXT), 'acme', 'evil') || ''
                 WHERE typeof(body) = 'blob' AND 0; UPDATE entries SET subject = 'ab'",
            )
            .unwrap();
        assert_eq!(ledger.entries().unwrap_err().code(), "CS-7041");
    }

    #[test]
    fn other_files_are_not_ledgers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let code = || Ledger::open(&path).err().map(|error| error.code());
        assert_eq!(code(), Some("CS-7040"));
        assert!(!path.exists());
        std::fs::write(&path, "text").unwrap();
        assert_eq!(code(), Some("CS-7040"));
        std::fs::write(&path, "").unwrap();
        assert_eq!(code(), Some("CS-7041"));
        // Of a release whose entries had other leaves, and of one that is not there yet.
        std::fs::remove_file(&path).unwrap();
        let ledger = Ledger::create(&path).unwrap();
        for (version, expected) in [(VERSION - 1, "CS-7014"), (VERSION + 1, "CS-7004")] {
            ledger.connection.pragma_update(None, "user_version", version).unwrap();
            assert_eq!(code(), Some(expected));
        }
    }
}
