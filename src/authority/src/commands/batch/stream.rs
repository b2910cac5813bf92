//! `issue --stream`: a token for each line of standard input as soon as it comes, and a line of answer with it.
//!
//! Each row is an issue of its own, durable in the ledger before it is answered, by a process that has opened key and ledger
//! already. The answer is the only copy that leaves; the ledger keeps the other one.

use super::{
    enter,
    folder::RowResult,
    rows::Rows,
    work::{Common, Made, Standing, Worker},
};
use crate::{
    args::Issue,
    clock,
    commands::{Answer, Context},
    error::{Error, Outcome},
    home::Home,
    role::Role,
};
use countersign_common::encode_object;
use serde_json::{Value, json};
use std::path::Path;

pub(in crate::commands) fn run(arguments: Issue, context: &mut Context<'_>) -> Result<(Answer, u8), Error> {
    let home = Home::open(&context.global.home)?;
    let common = Common::read(&home, arguments)?;
    context.attempt("issue", "rows of standard input");
    let mut ledger = home.ledger()?;
    let standing = Standing::read(&common, &ledger.begin()?)?;
    let signer = home.signer(Role::TokenSigner, &mut context.keyring)?.for_many();
    let mut worker = Worker::new(&common, standing, Some(&signer));
    let (mut issued, mut refused) = (0_u64, 0_u64);
    for (row, number) in Rows::of_standard_input()?.zip(1..) {
        let row = row?;
        let reference = row.as_ref().map(|cells| cells.reference().to_owned()).unwrap_or_default();
        // Nobody else writes to the ledger until this row is done.
        let writing = ledger.begin()?;
        worker.standing = Standing::read(&common, &writing)?;
        let made = Made { number, reference, outcome: worker.make_now(row, &writing)? };
        let (result, token) = enter(made, &writing, clock::now()?, None)?;
        writing.commit()?;
        *if token.is_some() { &mut issued } else { &mut refused } += 1;
        let line = format!("{}\n", answer(&result, token.as_deref()));
        let written = context.output.write_all(line.as_bytes()).and_then(|()| context.output.flush());
        written.map_err(|fault| Error::file(Path::new("standard output"), fault))?;
    }
    context.note(&format!("Issued {issued}, refused {refused}."));
    let code = if refused > 0 { Outcome::Refused as u8 } else { 0 };
    Ok((Answer { text: String::new(), json: Value::Null, warnings: Vec::new() }, code))
}

/// What results.csv says of a row, and the token.
fn answer(result: &RowResult, token: Option<&[u8]>) -> Value {
    let RowResult { row, reference, outcome, token: id, version, sha256, file: _, entry, code, message } = result;
    match token {
        Some(token) => json!({
            "row": row, "reference": reference, "outcome": outcome, "token": id, "version": version, "sha256": sha256,
            "entry": entry, "pem": encode_object(token),
        }),
        None => json!({ "row": row, "reference": reference, "outcome": outcome, "code": code, "message": message }),
    }
}
