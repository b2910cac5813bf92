//! A large ledger for `make bench`, and what reading and hashing it costs without any check.
//!
//! `ledger grow FILE N` appends to a ledger that has issued a token until it has N entries, each a token of its own with
//! the size of the first one's, past the command's signatures but through the ledger's triggers. `ledger raw FILE` reads
//! every row and hashes what the tree is made of: each token, each body, each leaf's input and each node.

use countersign_common::{
    Digest32, LedgerEntry, Octets, Time,
    merkle::{Accumulator, leaf_hash},
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
        ["grow", file, size] => grow(file, size),
        ["raw", file] => raw(file),
        _ => Err("usage: ledger grow FILE N | ledger raw FILE".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn grow(file: &str, size: &str) -> Outcome {
    let mut connection = Connection::open(file)?;
    let last =
        "SELECT seq, time, body, subject, token FROM entries WHERE kind = 'token-issued' ORDER BY seq DESC LIMIT 1";
    let (begin, time, body, id, mut token): (i64, String, Vec<u8>, String, Vec<u8>) =
        connection.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let (body, time): (_, Time) = (String::from_utf8(body)?, time.parse()?);
    let digest = body.split_once("\"digest\":\"").and_then(|(_, rest)| rest.get(..64)).ok_or("no digest")?.to_owned();
    let mut number = begin.unsigned_abs();
    let size: u64 = size.parse()?;
    while number < size {
        let writing = connection.transaction()?;
        let insert = "INSERT INTO entries (seq, time, kind, subject, leaf, body, token) VALUES (?1, ?2, 'token-issued', ?3, ?4, ?5, ?6)";
        let mut insert = writing.prepare(insert)?;
        for _ in 0..GROUP.min(size - number) {
            number += 1;
            let end = token.len().checked_sub(8).ok_or("no token")?;
            token[end..].copy_from_slice(&number.to_be_bytes());
            let digest_of_token = Octets(Sha256::digest(&token).into());
            let own = digest_of_token.to_string();
            let body = body.replace(&id, &own[..id.len()]).replace(&digest, &own);
            // Several in a second, as in a batch.
            let time = time.plus(number / 100);
            let leaf: Digest32 = LedgerEntry::new(number, time, Some(digest_of_token), &body).leaf_hash()?;
            insert.execute(params![
                number.cast_signed(),
                time.to_string(),
                &own[..id.len()],
                leaf.0,
                body.as_bytes(),
                token
            ])?;
        }
        drop(insert);
        writing.commit()?;
    }
    connection.close().map_err(|(_, error)| error.into())
}

fn raw(file: &str) -> Outcome {
    let connection = Connection::open(file)?;
    let mut query =
        connection.prepare("SELECT seq, time, kind, subject, leaf, body, token FROM entries ORDER BY seq")?;
    let mut rows = query.query([])?;
    let mut tree = Accumulator::default();
    let mut input = [0; INPUT];
    while let Some(row) = rows.next()? {
        for column in 0..5 {
            black_box(row.get_ref(column)?);
        }
        if let Some(token) = row.get_ref(6)?.as_blob_or_null()? {
            black_box(Sha256::digest(token));
        }
        let body = Sha256::digest(row.get_ref(5)?.as_blob()?);
        input[INPUT - 32..].copy_from_slice(&body);
        tree.append(leaf_hash(&input));
    }
    println!("{} entries, {}", tree.size(), tree.root());
    Ok(())
}
