//! A ledger in one file.

use super::{BUSY_SECONDS, Engine, Row, Then, VERSION, Value};
use crate::error::Error;
use rusqlite::{
    Connection, OpenFlags, ToSql, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use std::{path::Path, time::Duration};

/// Marks the file as a ledger of Countersign ("CSGN").
const APPLICATION_ID: i32 = 0x4353_474e;

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

/// A ledger's file, open.
pub(in crate::ledger) struct Sqlite {
    pub(in crate::ledger) connection: Connection,
}

impl Sqlite {
    /// Makes an empty ledger in a file that does not exist, readable by its owner only.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        crate::files::write_new(path, 0o600, b"")?;
        let connection = connect(path)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        Ok(Self { connection })
    }

    pub(in crate::ledger) fn open(path: &Path) -> Result<Self, Error> {
        let connection = connect(path)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        if number("application_id")? != APPLICATION_ID {
            return Err(Error::LedgerDamaged(format!("{} is not a ledger", path.display())));
        }
        Engine::check_version(number("user_version")?)?;
        Ok(Self { connection })
    }

    pub(super) fn rows(
        &self,
        query: &str,
        values: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Result<Then, Error>,
    ) -> Result<(), Error> {
        let mut query = self.connection.prepare_cached(query)?;
        let mut rows = query.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if take(&Row::Sqlite(row))? == Then::Stop {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<(), Error> {
        self.connection.prepare_cached(statement)?.execute(params_from_iter(values))?;
        Ok(())
    }

    pub(super) fn begin(&self, statement: &str) -> Result<(), Error> {
        Ok(self.connection.execute_batch(statement)?)
    }

    pub(super) fn commit(&self) -> Result<(), Error> {
        // Where the tables were made outside a transaction there is none.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    pub(super) fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Closing the connection does it as well.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    pub(super) fn copy_to(&self, path: &Path) -> Result<(), Error> {
        let name = path.to_str().ok_or_else(|| Error::file(path, std::io::ErrorKind::InvalidFilename.into()))?;
        self.connection.execute("VACUUM INTO ?1", [name])?;
        Ok(())
    }

    pub(in crate::ledger) fn check_tables(&self) -> Result<(), Error> {
        let schema = |connection: &Connection| {
            let mut query =
                connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let new = Connection::open_in_memory()?;
        new.execute_batch(SCHEMA)?;
        if schema(&self.connection)? != schema(&new)? {
            return Err(super::other_tables());
        }
        let sound: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound == "ok" { Ok(()) } else { Err(Error::LedgerAltered(format!("the file: {sound}"))) }
    }

    pub(super) fn close(self) -> Result<(), Error> {
        self.connection.close().map_err(|(_, error)| error.into())
    }
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
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Octets(octets) => ValueRef::Blob(octets),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
