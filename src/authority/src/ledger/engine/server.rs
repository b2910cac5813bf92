//! A ledger on a server of PostgreSQL, in the schema `countersign` of a database.

use super::{BUSY_SECONDS, Engine, LedgerFault, Row, ServerUrl, Then, Value, catalog, url::Way};
use crate::error::Error;
use postgres::{Client, NoTls, Statement, error::Severity, fallible_iterator::FallibleIterator, types::ToSql};
use std::{
    cell::{Cell, RefCell, RefMut},
    collections::HashMap,
};

/// The advisory lock of whoever writes ("CSGN").
const WRITER: i64 = 0x4353_474e;
/// The oldest server whose triggers and catalog are as expected here.
const OLDEST: i32 = 130_000;

/// A ledger on a server, with a connection of its own.
pub(in crate::ledger) struct Server {
    client: RefCell<Client>,
    statements: RefCell<HashMap<String, Statement>>,
    /// Whether a transaction is open in which the tables were made.
    creating: Cell<bool>,
    /// Whether a statement of this transaction failed: PostgreSQL rolls back then, whatever it is told to do.
    failed: Cell<bool>,
}

impl Server {
    /// Makes the tables. Others see them with the first commit.
    pub(super) fn create(url: &ServerUrl) -> Result<Self, Error> {
        let server = Self::connect(url)?;
        if server.mark()?.is_some() {
            return Err(Error::LedgerExists(url.to_string()));
        }
        server.batch("BEGIN")?;
        server.batch(&catalog::creation())?;
        server.creating.set(true);
        Ok(server)
    }

    pub(super) fn open(url: &ServerUrl) -> Result<Self, Error> {
        let server = Self::connect(url)?;
        let mark = server.mark()?;
        let version = mark.as_deref().and_then(|mark| mark.strip_prefix(catalog::MARK)?.parse().ok());
        match version {
            Some(version) => Engine::check_version(version)?,
            None => return Err(Error::LedgerDamaged(format!("{url} has no ledger"))),
        }
        // The server passes over schemas without rights as if they were not there.
        let usable = "SELECT 1::int8 WHERE has_schema_privilege('countersign', 'USAGE')";
        match server.row(usable, |row| row.number(0))? {
            Some(_) => Ok(server),
            None => Err(Error::Ledger(LedgerFault::Rights)),
        }
    }

    fn connect(url: &ServerUrl) -> Result<Self, Error> {
        let Way { configuration, tls } = url.way()?;
        let client = match tls {
            None => configuration.connect(NoTls),
            Some(files) => configuration.connect(files.connector()?),
        };
        let client = client.map_err(|fault| Error::LedgerServer(fault.into()))?;
        let server = Self {
            client: RefCell::new(client),
            statements: RefCell::default(),
            creating: Cell::new(false),
            failed: Cell::new(false),
        };
        // Nothing is found but in the ledger's schema, nothing is hidden, and what is committed is on the disk.
        server.batch(&format!(
            "SET search_path = countersign, pg_temp; SET row_security = off; SET synchronous_commit = on; \
             SET standard_conforming_strings = on; SET lock_timeout = '{BUSY_SECONDS}s'; \
             SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'"
        ))?;
        let settings = "SELECT current_setting('server_version_num')::int8, current_setting('server_encoding'), \
                        current_setting('fsync'), current_setting('full_page_writes')";
        let unfit = server.row(settings, |row| {
            Ok(if row.number(0)? < OLDEST.into() {
                Some("the server is older than PostgreSQL 13")
            } else if row.text(1)? != "UTF8" {
                Some("the database does not keep text as UTF-8")
            } else if row.text(2)? != "on" || row.text(3)? != "on" {
                Some("the server is set not to write down to the disk (fsync, full_page_writes)")
            } else {
                None
            })
        })?;
        match unfit.flatten() {
            Some(fault) => Err(Error::LedgerUnfit(fault)),
            None => Ok(server),
        }
    }

    /// What the schema says that it is; nothing where there is no such schema.
    fn mark(&self) -> Result<Option<String>, Error> {
        let query = "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_catalog.pg_namespace \
                     WHERE nspname = 'countersign'";
        self.row(query, |row| row.text(0).map(str::to_owned))
    }

    fn row<T>(&self, query: &str, read: impl Fn(&Row<'_>) -> Result<T, Error>) -> Result<Option<T>, Error> {
        let mut found = None;
        self.rows(query, &[], &mut |row| {
            found = Some(read(row)?);
            Ok(Then::Stop)
        })?;
        Ok(found)
    }

    pub(super) fn rows(
        &self,
        query: &str,
        values: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Result<Then, Error>,
    ) -> Result<(), Error> {
        let mut client = self.client()?;
        let statement = self.statement(&mut client, query)?;
        let mut rows =
            client.query_raw(&statement, values.iter().map(Value::as_parameter)).map_err(|error| self.failed(error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(error))? {
            if take(&Row::Server(&row))? == Then::Stop {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<(), Error> {
        let mut client = self.client()?;
        let statement = self.statement(&mut client, statement)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(Value::as_parameter).collect();
        client.execute(&statement, &values).map_err(|error| self.failed(error))?;
        Ok(())
    }

    pub(super) fn begin_writing(&self) -> Result<(), Error> {
        if self.creating.get() {
            return Ok(());
        }
        self.failed.set(false);
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        // Each statement after this one sees what the writer before has committed. The lock ends with the transaction.
        self.batch(&format!("SELECT pg_catalog.pg_advisory_xact_lock({WRITER})")).inspect_err(|_| self.roll_back())
    }

    pub(super) fn begin_reading(&self) -> Result<(), Error> {
        self.failed.set(false);
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ")
    }

    pub(super) fn commit(&self) -> Result<(), Error> {
        if self.failed.get() {
            return Err(Error::LedgerDamaged("a statement failed, and nothing was written".to_owned()));
        }
        self.creating.set(false);
        self.client()?.batch_execute("COMMIT").map_err(|fault| match fault.as_db_error() {
            // The server says that it did not. Where it ends the connection as well, it may have.
            Some(said) if said.parsed_severity() == Some(Severity::Error) => fault.into(),
            _ => Error::LedgerOutcome(fault.into()),
        })
    }

    pub(super) fn roll_back(&self) {
        self.creating.set(false);
        self.failed.set(false);
        if let Ok(mut client) = self.client() {
            // Where this cannot be said any more, the server does it because the connection ends.
            let _ = client.batch_execute("ROLLBACK");
        }
    }

    pub(super) fn check_tables(&self) -> Result<(), Error> {
        let found = self.describe(catalog::SCHEMA, &[catalog::SCHEMA])?;
        // A new ledger beside it, in a schema that nobody else sees and that is gone when this transaction ends.
        self.batch(&catalog::definition("pg_temp"))?;
        let query = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE oid = pg_catalog.pg_my_temp_schema()";
        let new = self.row(query, |row| row.text(0).map(str::to_owned))?.ok_or_else(super::other_tables)?;
        let expected = self.describe(&new, &[&new, "pg_temp"])?;
        if found == expected { Ok(()) } else { Err(super::other_tables()) }
    }

    /// Everything that makes up a schema, as the catalog has it, without the names that the schema goes by.
    fn describe(&self, schema: &str, names: &[&str]) -> Result<Vec<String>, Error> {
        let mut lines = Vec::new();
        self.rows(catalog::DESCRIPTION, &[Value::Text(schema)], &mut |row| {
            let line = row.text(0)?.to_owned();
            lines.push(names.iter().fold(line, |line, name| line.replace(&format!("{name}."), "")));
            Ok(Then::Next)
        })?;
        lines.sort();
        Ok(lines)
    }

    pub(super) fn discard(self) -> Result<(), Error> {
        self.batch("DROP SCHEMA countersign CASCADE")?;
        self.close()
    }

    pub(super) fn close(self) -> Result<(), Error> {
        Ok(self.client.into_inner().close()?)
    }

    /// Runs statements without parameters.
    pub(in crate::ledger) fn batch(&self, statements: &str) -> Result<(), Error> {
        self.client()?.batch_execute(statements).map_err(|error| self.failed(error))
    }

    fn client(&self) -> Result<RefMut<'_, Client>, Error> {
        let busy = |_| Error::LedgerDamaged("it was asked for something while it gave rows".to_owned());
        self.client.try_borrow_mut().map_err(busy)
    }

    fn statement(&self, client: &mut Client, text: &str) -> Result<Statement, Error> {
        let mut statements = self.statements.borrow_mut();
        if let Some(statement) = statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = client.prepare(text).map_err(|error| self.failed(error))?;
        statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    fn failed(&self, error: postgres::Error) -> Error {
        self.failed.set(true);
        error.into()
    }
}

impl Value<'_> {
    fn as_parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Nothing => &None::<&[u8]>,
            Self::Number(number) => number,
            Self::Octets(octets) => octets,
            Self::Text(text) => text,
        }
    }
}
