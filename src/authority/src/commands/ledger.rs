//! `ledger`: what was issued.

use super::{Answer, Context};
use crate::{
    error::Error,
    files::NewFile,
    home::Home,
    ledger::{Body, Entry, Ledger},
    words::hex_octets,
};
use countersign_common::{Certificate, SignedObject, encode_certificate, encode_object};
use countersign_report as report;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn list(context: &Context<'_>) -> Result<Answer, Error> {
    let entries = open(context)?.entries()?;
    let text = entries.iter().map(|entry| summary(entry) + "\n").collect();
    let document: Value = entries.iter().map(brief).collect();
    Ok(Answer { text, json: json!({ "entries": document }), warnings: Vec::new() })
}

pub(super) fn show(id: &str, export: Option<&Path>, context: &Context<'_>) -> Result<Answer, Error> {
    let entry = open(context)?.find(id)?;
    let damaged = || Error::LedgerDamaged(format!("entry {}: what was issued cannot be read", entry.sequence));
    let mut document = brief(&entry);
    let mut text = format!("{}\n", summary(&entry));
    let mut pem = String::new();
    match &entry.body {
        Body::AuthorityFounded { token_root, holder_root, token_signer, .. } => {
            for (name, certificate) in
                [("token_root", token_root), ("holder_root", holder_root), ("token_signer", token_signer)]
            {
                let der = hex_octets(certificate).ok_or_else(damaged)?;
                let certificate = Certificate::from_der(&der).map_err(|_| damaged())?;
                text += &format!("\n{}\n{}", name.replace('_', " "), render_certificate(&certificate));
                document[name] = report::certificate(&certificate);
                pem += &encode_certificate(&der);
            }
        }
        Body::TokenIssued { token, .. } => {
            let der = hex_octets(token).ok_or_else(damaged)?;
            let object = SignedObject::from_der(&der).map_err(|_| damaged())?;
            text += &report::render(&report::object_lines(&object));
            document["token"] = report::object(&object);
            pem = encode_object(&der);
        }
        Body::HolderEnrolled { certificate, .. } => {
            let der = hex_octets(certificate).ok_or_else(damaged)?;
            let certificate = Certificate::from_der(&der).map_err(|_| damaged())?;
            text += &render_certificate(&certificate);
            document["certificate"] = report::certificate(&certificate);
            pem = encode_certificate(&der);
        }
    }
    text += &report::render(&[("leaf", entry.leaf.to_string())]);
    if let Some(path) = export {
        NewFile::reserve(path)?.finish(pem.as_bytes())?;
        document["file"] = json!(path);
        text += &format!("\nWritten to {}.\n", path.display());
    }
    Ok(Answer { text, json: json!({ "entry": document }), warnings: Vec::new() })
}

fn open(context: &Context<'_>) -> Result<Ledger, Error> {
    let home = Home::open(&context.global.home)?;
    Ledger::open(&Home::ledger_file(home.path()))
}

fn render_certificate(certificate: &Certificate<'_>) -> String {
    report::render(&report::certificate_lines(certificate))
}

/// One line for a person.
fn summary(entry: &Entry) -> String {
    let what = match &entry.body {
        Body::AuthorityFounded { organization, .. } => format!("authority founded  {organization}"),
        Body::TokenIssued { id, revision, customer, product, .. } => {
            format!("token issued       {id} version {revision}, {product} for {customer}")
        }
        Body::HolderEnrolled { subject, digest, .. } => {
            format!("holder enrolled    {} {subject}", digest.get(..16).unwrap_or_default())
        }
    };
    let line = format!("{:>5}  {}  {what}", entry.sequence, entry.time);
    line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// An entry for a program, without the octets of what was issued.
fn brief(entry: &Entry) -> Value {
    let mut document = match &entry.body {
        Body::AuthorityFounded { organization, .. } => json!({ "organization": organization }),
        Body::TokenIssued { id, revision, customer, product, digest, .. } => json!({
            "id": id, "revision": revision, "customer": customer, "product": product, "sha256": digest,
        }),
        Body::HolderEnrolled { subject, digest, .. } => json!({ "subject": subject, "sha256": digest }),
    };
    document["sequence"] = json!(entry.sequence);
    document["time"] = json!(entry.time);
    document["kind"] = json!(entry.body.kind());
    document["leaf"] = json!(entry.leaf.to_string());
    document
}
