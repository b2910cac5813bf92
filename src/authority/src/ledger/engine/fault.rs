//! What an engine says when something does not work.

use crate::error::Error;
use core::fmt;

/// What the engine under the ledger said.
#[derive(Debug)]
#[non_exhaustive]
pub enum LedgerFault {
    /// SQLite.
    File(rusqlite::Error),
    /// The user of the database was granted nothing.
    Rights,
    /// PostgreSQL, or the connection to it.
    Server(postgres::Error),
}

impl fmt::Display for LedgerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(fault) => fault.fmt(f),
            Self::Rights => f.write_str("this user of the database has no rights in the schema countersign"),
            Self::Server(fault) => match fault.as_db_error() {
                Some(said) if *said.code() == postgres::error::SqlState::LOCK_NOT_AVAILABLE => {
                    f.write_str("another command is writing, and does not end")
                }
                // Details may quote rows; the message does not.
                Some(said) => write!(f, "{} (SQLSTATE {})", said.message(), said.code().code()),
                None => match std::error::Error::source(fault) {
                    Some(cause) => write!(f, "{fault}: {cause}"),
                    None => fault.fmt(f),
                },
            },
        }
    }
}

impl From<rusqlite::Error> for LedgerFault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::File(fault)
    }
}

impl From<postgres::Error> for LedgerFault {
    fn from(fault: postgres::Error) -> Self {
        Self::Server(fault)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Ledger(fault.into())
    }
}

impl From<postgres::Error> for Error {
    fn from(fault: postgres::Error) -> Self {
        Self::Ledger(fault.into())
    }
}
