//! A large ledger for `make bench`, and what reading and hashing it costs without any check.
//!
//! `ledger grow PLACE N` appends to a ledger that has issued a token until it has N entries, each a token of its own with
//! the size of the first one's, past the command's signatures but through the ledger's triggers. `ledger raw PLACE` reads
//! every row and hashes what the tree is made of: each token, each body, each leaf's input and each node. PLACE is a
//! ledger's file, or the URL of its database.

use countersign_common::{
    Digest32, LedgerEntry, Octets, Time,
    merkle::{Accumulator, leaf_hash},
};
use postgres::{
    Client, NoTls, binary_copy::BinaryCopyInWriter, fallible_iterator::FallibleIterator as _, types::ToSql, types::Type,
};
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use std::{env, error::Error, hint::black_box, process::ExitCode};

/// How many entries are in one transaction.
const GROUP: u64 = 20_000;
/// The size of a leaf's input, where the entry issues a token and has a number of three octets.
const INPUT: usize = 97;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["grow", place, size] => grow(place, size),
        ["raw", place] => raw(place),
        _ => Err("usage: ledger grow PLACE N | ledger raw PLACE".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn is_server(place: &str) -> bool {
    place.starts_with("postgresql://")
}

const LAST: &str =
    "SELECT seq, time, body, subject, token FROM entries WHERE kind = 'token-issued' ORDER BY seq DESC LIMIT 1";
const ALL: &str = "SELECT seq, time, kind, subject, leaf, body, token FROM entries ORDER BY seq";
/// Where a ledger is on a server.
const SCHEMA: &str = "SET search_path = countersign";

/// The row of a token, after which others are made.
struct Model {
    number: u64,
    time: Time,
    body: String,
    id: String,
    digest: String,
    token: Vec<u8>,
}

/// One of them.
struct Made {
    number: i64,
    time: String,
    subject: String,
    leaf: Digest32,
    body: String,
    token: Vec<u8>,
}

impl Model {
    fn new(number: i64, time: &str, body: Vec<u8>, id: String, token: Vec<u8>) -> Result<Self, Box<dyn Error>> {
        let body = String::from_utf8(body)?;
        let digest =
            body.split_once("\"digest\":\"").and_then(|(_, rest)| rest.get(..64)).ok_or("no digest")?.to_owned();
        Ok(Self { number: number.unsigned_abs(), time: time.parse()?, body, id, digest, token })
    }

    fn next(&mut self) -> Result<Made, Box<dyn Error>> {
        self.number += 1;
        let end = self.token.len().checked_sub(8).ok_or("no token")?;
        self.token[end..].copy_from_slice(&self.number.to_be_bytes());
        let digest = Octets(Sha256::digest(&self.token).into());
        let own = digest.to_string();
        let subject = own[..self.id.len()].to_owned();
        let body = self.body.replace(&self.id, &subject).replace(&self.digest, &own);
        // Several in a second, as in a batch.
        let time = self.time.plus(self.number / 100);
        let leaf = LedgerEntry::new(self.number, time, Some(digest), &body).leaf_hash()?;
        let (number, time) = (self.number.cast_signed(), time.to_string());
        Ok(Made { number, time, subject, leaf, body, token: self.token.clone() })
    }
}

fn grow(place: &str, size: &str) -> Outcome {
    let size: u64 = size.parse()?;
    if is_server(place) {
        let mut client = Client::connect(place, NoTls)?;
        client.batch_execute(SCHEMA)?;
        let row = client.query_one(LAST, &[])?;
        let mut model = Model::new(row.get(0), row.get(1), row.get(2), row.get(3), row.get(4))?;
        while model.number < size {
            let into = "COPY entries (seq, time, kind, subject, leaf, body, token) FROM STDIN BINARY";
            let types = [Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::BYTEA, Type::BYTEA, Type::BYTEA];
            let mut writer = BinaryCopyInWriter::new(client.copy_in(into)?, &types);
            for _ in 0..GROUP.min(size - model.number) {
                let Made { number, time, subject, leaf, body, token } = model.next()?;
                let (leaf, body) = (&leaf.0[..], body.as_bytes());
                let values: [&(dyn ToSql + Sync); 7] =
                    [&number, &time, &"token-issued", &subject, &leaf, &body, &token];
                writer.write(&values)?;
            }
            writer.finish()?;
        }
        return client.batch_execute("ANALYZE entries").map_err(Into::into);
    }
    let mut connection = Connection::open(place)?;
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (number, time, body, id, token) = connection.query_row(LAST, [], row)?;
    let mut model = Model::new(number, &time, body, id, token)?;
    while model.number < size {
        let writing = connection.transaction()?;
        let insert = "INSERT INTO entries (seq, time, kind, subject, leaf, body, token) \
                      VALUES (?1, ?2, 'token-issued', ?3, ?4, ?5, ?6)";
        let mut insert = writing.prepare(insert)?;
        for _ in 0..GROUP.min(size - model.number) {
            let Made { number, time, subject, leaf, body, token } = model.next()?;
            insert.execute(params![number, time, subject, leaf.0, body.as_bytes(), token])?;
        }
        drop(insert);
        writing.commit()?;
    }
    connection.close().map_err(|(_, error)| error.into())
}

/// What the tree is made of, hashed.
struct Hashes {
    tree: Accumulator,
    input: [u8; INPUT],
}

impl Hashes {
    fn take(&mut self, body: &[u8], token: Option<&[u8]>) {
        if let Some(token) = token {
            black_box(Sha256::digest(token));
        }
        self.input[INPUT - 32..].copy_from_slice(&Sha256::digest(body));
        self.tree.append(leaf_hash(&self.input));
    }
}

fn raw(place: &str) -> Outcome {
    let mut hashes = Hashes { tree: Accumulator::default(), input: [0; INPUT] };
    if is_server(place) {
        let mut client = Client::connect(place, NoTls)?;
        client.batch_execute(SCHEMA)?;
        let mut rows = client.query_raw(ALL, [0_i64; 0])?;
        while let Some(row) = rows.next()? {
            let seen: (i64, &str, &str, &str, &[u8]) = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
            black_box(seen);
            hashes.take(row.get(5), row.get(6));
        }
    } else {
        let connection = Connection::open(place)?;
        let mut query = connection.prepare(ALL)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..5 {
                black_box(row.get_ref(column)?);
            }
            hashes.take(row.get_ref(5)?.as_blob()?, row.get_ref(6)?.as_blob_or_null()?);
        }
    }
    println!("{} entries, {}", hashes.tree.size(), hashes.tree.root());
    Ok(())
}
