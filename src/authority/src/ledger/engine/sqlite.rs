//! A ledger in one file.

use super::{BUSY_SECONDS, Engine, Row, Then, VERSION, Value};
use crate::error::Error;
use rusqlite::{
    Connection, OpenFlags, ToSql,
    config::DbConfig,
    params_from_iter,
    types::{ToSqlOutput, ValueRef},
};
use std::{path::Path, time::Duration};

/// Marks the file as a ledger of Countersign ("CSGN").
const APPLICATION_ID: i32 = 0x4353_474e;

/// Several tokens fit into one page, in octets.
const PAGE_SIZE: u32 = 8_192;
/// How long a write-ahead log may be that is left beside the file, in octets. It is read whenever the ledger is opened.
const LOG_LEFT: u64 = 256 * 1024;

/// How much of the file is kept while its tables are checked, in KiB: the index over a million entries fits.
const CACHE_TO_CHECK: i64 = 32 * 1024;

const SCHEMA: &str = "
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        leaf BLOB NOT NULL CHECK (length(leaf) = 32),
        body BLOB NOT NULL,
        token BLOB CHECK ((token IS NULL) = (kind <> 'token-issued'))
    ) STRICT;
    CREATE INDEX entries_by_kind ON entries (kind) WHERE kind <> 'token-issued';
    CREATE INDEX entries_by_subject ON entries (substr(subject, 1, 8));
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
    /// Whether a short write-ahead log may stay beside the file: to write it back takes longer than to commit.
    leaves_log: bool,
}

impl Sqlite {
    /// Makes an empty ledger in a file that does not exist, readable by its owner only.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        crate::files::write_new(path, 0o600, b"")?;
        let connection = open_file(path)?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        set_up(&connection)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        Ok(Self { connection, leaves_log: true })
    }

    pub(in crate::ledger) fn open(path: &Path) -> Result<Self, Error> {
        let connection = open_file(path)?;
        set_up(&connection)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        if number("application_id")? != APPLICATION_ID {
            return Err(Error::LedgerDamaged(format!("{} is not a ledger", path.display())));
        }
        Engine::check_version(number("user_version")?)?;
        Ok(Self { connection, leaves_log: true })
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
        // Each row is looked up in each index.
        self.connection.pragma_update(None, "cache_size", -CACHE_TO_CHECK)?;
        let sound: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound == "ok" { Ok(()) } else { Err(Error::LedgerAltered(format!("the file: {sound}"))) }
    }

    pub(super) fn close(mut self) {
        self.leaves_log = false;
    }
}

impl Drop for Sqlite {
    /// Whoever closes it last writes the log back and deletes it (SQLite does), unless it may stay.
    fn drop(&mut self) {
        let length = || std::fs::metadata(format!("{}-wal", self.connection.path()?)).ok().map(|log| log.len());
        if self.leaves_log && length().is_some_and(|length| length <= LOG_LEFT) {
            // Where it cannot be set, the log is written back.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

fn open_file(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // SQLite refuses symbolic links anywhere in the path with NOFOLLOW; the folder's own may be one.
    let whole = path
        .parent()
        .and_then(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.canonicalize().ok())
        .and_then(|folder| Some(folder.join(path.file_name()?)))
        .unwrap_or_else(|| path.to_owned());
    Ok(Connection::open_with_flags(whole, flags)?)
}

/// What is committed is on the disk, in the file or in its write-ahead log.
fn set_up(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Nothing => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Octets(octets) => ValueRef::Blob(octets),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}
