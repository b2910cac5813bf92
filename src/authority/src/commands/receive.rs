//! `receive`: notes the records that came back from the field.

use super::{Answer, Context};
use crate::{args::Receive, clock, error::Error, files, home::Home, ledger::Body, lint::Finding, words::to_hex};
use countersign_common::{Anchors, MAX_FILE_SIZE, NO_LISTS, Reason, SignedObject, Time, VerifiedRecord, decode_object};
use serde_json::json;
use std::path::Path;

/// How often a person is told how far it is, in records.
const PROGRESS: usize = 500;

pub(super) fn run(arguments: &Receive, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let anchors = home.anchors()?;
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice))
        .map_err(|error| Error::damaged(&home.path().join("anchors.pem"), error))?;
    // All are verified before the first is entered.
    let mut records = Vec::new();
    for (index, path) in arguments.records.iter().enumerate() {
        records.push(Record::read(path, &anchors)?);
        if (index + 1).is_multiple_of(PROGRESS) {
            context.note(&format!("Verified {} of {} …", index + 1, arguments.records.len()));
        }
    }

    let now = clock::now()?;
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let mut register = writing.register()?;
    let mut warnings = Vec::new();
    let (mut text, mut documents, mut new) = (String::new(), Vec::new(), 0);
    for (record, path) in records.iter().zip(&arguments.records) {
        if !register.tokens.iter().any(|token| token.digest == record.token_digest) {
            return Err(Error::UnknownToken { path: path.clone(), id: record.token.clone() });
        }
        let known = register.received.contains_key(&record.digest);
        if !known {
            let body = record.entry();
            let sequence = writing.append(now, &body)?;
            register.note_received(record.digest.clone(), record.holder.clone(), sequence);
            new += 1;
            if register.revoked_certificates.contains_key(&record.holder) {
                warnings.push(Finding::received_late(path, &record.subject));
            }
        }
        text += &format!(
            "  {}  {}, activated {} by {}{}\n",
            path.display(),
            record.token,
            record.activated,
            record.subject,
            if known { " (known already)" } else { "" }
        );
        documents.push(json!({
            "file": path,
            "sha256": record.digest,
            "token": record.token,
            "revision": record.revision,
            "holder": record.subject,
            "activated": record.activated.to_string(),
            "known": known,
        }));
    }
    writing.commit()?;
    let text = format!("Received {new} new of {} records:\n{}", records.len(), shown(&text));
    Ok(Answer { text, json: json!({ "received": documents }), warnings })
}

/// Line by line, without anything that controls or misleads.
fn shown(lines: &str) -> String {
    lines.lines().map(|line| countersign_report::visible(line) + "\n").collect()
}

/// What is kept of a verified record.
struct Record {
    digest: String,
    token: String,
    revision: u32,
    token_digest: String,
    holder: String,
    subject: String,
    activated: Time,
}

impl Record {
    /// Verifies a record by itself, whatever lists say: those who decide about that read the ledger.
    fn read(path: &Path, anchors: &Anchors<'_>) -> Result<Self, Error> {
        let refused = |reason: Reason| Error::Object { path: path.to_owned(), reason };
        let file = files::read(path, MAX_FILE_SIZE)?;
        let der = decode_object(&file).map_err(refused)?;
        let object = SignedObject::from_der(&der).map_err(refused)?;
        let record = VerifiedRecord::verify(object, anchors, &NO_LISTS).map_err(refused)?;
        let body = record.token().body();
        Ok(Self {
            digest: to_hex(&record.object().digest()),
            token: body.id.to_string(),
            revision: body.revision,
            token_digest: to_hex(&record.token().object().digest()),
            holder: to_hex(&record.object().signer().digest()),
            subject: record.object().signer().subject_text(),
            activated: record.activated(),
        })
    }

    fn entry(&self) -> Body {
        Body::RecordReceived {
            digest: self.digest.clone(),
            token: self.token.clone(),
            revision: self.revision,
            holder: self.holder.clone(),
            subject: self.subject.clone(),
            activated: self.activated.to_string(),
        }
    }
}
