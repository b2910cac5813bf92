//! Where the rows are: in a file of SQLite, or on a server of PostgreSQL.
//!
//! Both are given the same statements, parameters as `$1`, `$2` in their order, and give back rows that borrow from
//! them. What differs is here: tables and triggers, how to be the only one who writes, and what a fault means.

mod catalog;
mod fault;
mod passwords;
mod server;
mod sqlite;
mod tls;
mod url;

pub use fault::LedgerFault;
pub(crate) use url::ServerUrl;

pub(super) use sqlite::Sqlite;

use self::server::Server;
use crate::error::Error;
use std::path::{Path, PathBuf};

/// The version of the tables.
pub(super) const VERSION: i32 = 4;
/// How many seconds to wait for another command that writes.
const BUSY_SECONDS: u64 = 10;

/// Where a ledger is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Server(ServerUrl),
}

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Nothing,
    Number(i64),
    Octets(&'a [u8]),
    Text(&'a str),
}

/// Whether to give the next row as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Next,
    Stop,
}

/// A row, as long as the next one is not asked for. Columns count from 0.
pub(super) enum Row<'a> {
    Server(&'a postgres::Row),
    Sqlite(&'a rusqlite::Row<'a>),
}

impl Row<'_> {
    pub(super) fn number(&self, column: usize) -> Result<i64, Error> {
        Ok(match self {
            Self::Server(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.get_ref(column)?.as_i64().map_err(rusqlite::Error::from)?,
        })
    }

    pub(super) fn text(&self, column: usize) -> Result<&str, Error> {
        Ok(match self {
            Self::Server(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?,
        })
    }

    pub(super) fn octets(&self, column: usize) -> Result<&[u8], Error> {
        Ok(match self {
            Self::Server(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?,
        })
    }

    /// Octets that may be absent.
    pub(super) fn octets_if_any(&self, column: usize) -> Result<Option<&[u8]>, Error> {
        Ok(match self {
            Self::Server(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.get_ref(column)?.as_blob_or_null().map_err(rusqlite::Error::from)?,
        })
    }
}

/// The tables of a ledger, open.
pub(super) enum Engine {
    Server(Box<Server>),
    Sqlite(Sqlite),
}

impl Engine {
    /// Makes the tables where there are none. On a server nothing is there for others before the first
    /// [`Engine::commit`].
    pub(super) fn create(place: &Place) -> Result<Self, Error> {
        Ok(match place {
            Place::File(path) => Self::Sqlite(Sqlite::create(path)?),
            Place::Server(url) => Self::Server(Box::new(Server::create(url)?)),
        })
    }

    /// Opens tables of this release.
    pub(super) fn open(place: &Place) -> Result<Self, Error> {
        Ok(match place {
            Place::File(path) => Self::Sqlite(Sqlite::open(path)?),
            Place::Server(url) => Self::Server(Box::new(Server::open(url)?)),
        })
    }

    /// Whether tables of a version are those of this release.
    fn check_version(version: i32) -> Result<(), Error> {
        match version {
            VERSION => Ok(()),
            version if version > VERSION => Err(Error::AuthorityNewer { format: version.unsigned_abs() }),
            version if version > 0 => Err(Error::AuthorityOlder { format: version.unsigned_abs() }),
            _ => Err(Error::LedgerDamaged("its tables are not complete".to_owned())),
        }
    }

    /// Gives the rows of a query, one at a time, until there are no more or one says stop. No other statement may be run
    /// meanwhile.
    pub(super) fn rows(
        &self,
        query: &str,
        values: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Result<Then, Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.rows(query, values, take),
            Self::Sqlite(engine) => engine.rows(query, values, take),
        }
    }

    /// Reads the first row of a query, where there is one.
    pub(super) fn row<T>(
        &self,
        query: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let (mut read, mut found) = (Some(read), None);
        self.rows(query, values, &mut |row| {
            if let Some(read) = read.take() {
                found = Some(read(row)?);
            }
            Ok(Then::Stop)
        })?;
        Ok(found)
    }

    /// Runs a statement that gives no rows.
    pub(super) fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.execute(statement, values),
            Self::Sqlite(engine) => engine.execute(statement, values),
        }
    }

    /// Begins to write: nobody else can, until it is committed or rolled back.
    pub(super) fn begin_writing(&self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.begin_writing(),
            Self::Sqlite(engine) => engine.begin("BEGIN IMMEDIATE"),
        }
    }

    /// Begins to read: one state of the ledger, whoever writes meanwhile.
    pub(super) fn begin_reading(&self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.begin_reading(),
            Self::Sqlite(engine) => engine.begin("BEGIN"),
        }
    }

    /// Makes durable what was written.
    pub(super) fn commit(&self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.commit(),
            Self::Sqlite(engine) => engine.commit(),
        }
    }

    /// Undoes what was not committed. A fault is not told: where this cannot be done, it is done by closing.
    pub(super) fn roll_back(&self) {
        match self {
            Self::Server(engine) => engine.roll_back(),
            Self::Sqlite(engine) => engine.roll_back(),
        }
    }

    /// The file whose tables another thread can check as well as this one.
    pub(super) fn tables_apart(&self) -> Option<PathBuf> {
        match self {
            Self::Server(_) => None,
            Self::Sqlite(engine) => engine.connection.path().map(PathBuf::from),
        }
    }

    /// Refuses tables, triggers and indexes that are not those that a new ledger has, and indexes that do not say what the
    /// tables say, as far as the engine can tell.
    pub(super) fn check_tables(&self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.check_tables(),
            Self::Sqlite(engine) => engine.check_tables(),
        }
    }

    /// Writes all of it into a new file, as it is at one moment.
    pub(super) fn copy_to(&self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Server(_) => Err(Error::LedgerDamaged("a ledger on a server is not copied into a file".to_owned())),
            Self::Sqlite(engine) => engine.copy_to(path),
        }
    }

    /// Takes a ledger away that was made a moment ago, and is nobody's yet; a file stays.
    pub(super) fn discard(self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.discard(),
            Self::Sqlite(engine) => {
                engine.close();
                Ok(())
            }
        }
    }

    /// Closes it; a ledger in a file is all in its one file then.
    pub(super) fn close(self) -> Result<(), Error> {
        match self {
            Self::Server(engine) => engine.close(),
            Self::Sqlite(engine) => {
                engine.close();
                Ok(())
            }
        }
    }
}

/// What the audit says of tables that somebody changed.
fn other_tables() -> Error {
    Error::LedgerAltered("its tables and triggers are not those it was made with".to_owned())
}

/// A transaction, which is rolled back unless it is committed.
pub(super) struct Transaction<'a>(Option<&'a Engine>);

impl<'a> Transaction<'a> {
    pub(super) fn writing(engine: &'a Engine) -> Result<Self, Error> {
        engine.begin_writing()?;
        Ok(Self(Some(engine)))
    }

    pub(super) fn reading(engine: &'a Engine) -> Result<Self, Error> {
        engine.begin_reading()?;
        Ok(Self(Some(engine)))
    }

    pub(super) fn commit(mut self) -> Result<(), Error> {
        match self.0 {
            Some(engine) => {
                engine.commit()?;
                self.0 = None;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.0 {
            engine.roll_back();
        }
    }
}
