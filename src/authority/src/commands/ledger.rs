//! `ledger`: what was issued.

use super::{Answer, Context};
use crate::{
    error::Error,
    files::NewFile,
    home::Home,
    ledger::{Body, Entry, Ledger},
    register::founding_certificates,
    words::hex_octets,
};
use countersign_common::{Certificate, SignedObject, encode_certificate, encode_object};
use countersign_report as report;
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn list(context: &Context<'_>) -> Result<Answer, Error> {
    // Of each entry only what is shown of it: tokens are most of a large ledger.
    let (mut text, mut entries) = (String::new(), Vec::new());
    open(context)?.each(&mut |entry| {
        if context.global.json {
            entries.push(brief(&entry));
        } else {
            text += &(summary(&entry) + "\n");
        }
        Ok(())
    })?;
    Ok(Answer { text, json: json!({ "entries": entries }), warnings: Vec::new() })
}

pub(super) fn show(id: &str, export: Option<&Path>, context: &Context<'_>) -> Result<Answer, Error> {
    let entry = open(context)?.find(id)?;
    let damaged = || Error::LedgerDamaged(format!("entry {}: what was issued cannot be read", entry.sequence));
    let mut document = brief(&entry);
    let mut text = format!("{}\n", summary(&entry));
    let octets = |text: &str| hex_octets(text).ok_or_else(damaged);
    let mut export_as = Vec::new();
    let mut show_certificate = |name: &str, der: Vec<u8>, text: &mut String, document: &mut Value| {
        let certificate = Certificate::from_der(&der).map_err(|_| damaged())?;
        *text += &report::render(&report::certificate_lines(&certificate));
        document[name] = report::certificate(&certificate);
        export_as.extend_from_slice(encode_certificate(&der).as_bytes());
        Ok::<_, Error>(())
    };
    let show_object = |name: &str, der: Vec<u8>, text: &mut String, document: &mut Value| {
        let object = SignedObject::from_der(&der).map_err(|_| damaged())?;
        *text += &report::render(&report::object_lines(&object));
        document[name] = report::object(&object);
        Ok::<_, Error>(encode_object(&der))
    };
    match &entry.body {
        founding @ Body::AuthorityFounded { .. } => {
            for (role, certificate) in founding_certificates(founding) {
                text += &format!("\n{}\n", role.name());
                show_certificate(&role.slug().replace('-', "_"), octets(certificate)?, &mut text, &mut document)?;
            }
        }
        Body::CeremonyHeld { transcript, .. } => {
            export_as = transcript.clone().into_bytes();
            for line in transcript.lines() {
                text += &format!("{}\n", report::visible(line));
            }
        }
        Body::CertificateRenewed { certificate, .. }
        | Body::CertificateRevoked { certificate, .. }
        | Body::CrossCertified { certificate, .. }
        | Body::HolderEnrolled { certificate, .. }
        | Body::OfficerEnrolled { certificate, .. } => {
            show_certificate("certificate", octets(certificate)?, &mut text, &mut document)?;
        }
        Body::TokenApproved { approval: der, .. } => {
            export_as = show_object("approval", octets(der)?, &mut text, &mut document)?.into_bytes();
        }
        Body::TokenIssued { token: der, .. } => {
            export_as = show_object("token", der.clone(), &mut text, &mut document)?.into_bytes();
        }
        Body::AnchorsUpdateIssued { object: der, .. } => {
            export_as = show_object("anchors_update", octets(der)?, &mut text, &mut document)?.into_bytes();
        }
        Body::TokenListIssued { list: der, .. } => {
            export_as = show_object("token_list", octets(der)?, &mut text, &mut document)?.into_bytes();
        }
        Body::AnchorsAdopted { objects, .. } => {
            for der in objects {
                let pem = show_object("anchors_update", octets(der)?, &mut text, &mut document)?;
                export_as.extend_from_slice(pem.as_bytes());
            }
        }
        Body::CertificateListIssued { list, .. } => {
            export_as = octets(list)?;
            text += &report::render(&report::certificate_list_lines(&export_as).ok_or_else(damaged)?);
            document["certificate_list"] = report::certificate_list(&export_as).ok_or_else(damaged)?;
        }
        Body::BatchIssued { .. }
        | Body::BundleMade { .. }
        | Body::CertificateReinstated { .. }
        | Body::RecordReceived { .. }
        | Body::Refused { .. }
        | Body::TokenReinstated { .. }
        | Body::TokenRequested { .. }
        | Body::TokenRevoked { .. } => {}
    }
    text += &report::render(&[("leaf", entry.leaf.to_string())]);
    if let Some(path) = export {
        if export_as.is_empty() {
            return Err(Error::Usage(format!("the entry {} holds nothing that could be written", entry.sequence)));
        }
        NewFile::reserve(path)?.finish(&export_as)?;
        document["file"] = json!(path);
        text += &format!("\nWritten to {}.\n", path.display());
    }
    Ok(Answer { text, json: json!({ "entry": document }), warnings: Vec::new() })
}

fn open(context: &Context<'_>) -> Result<Ledger, Error> {
    Home::open(&context.global.home)?.ledger()
}

/// One line for a person.
fn summary(entry: &Entry) -> String {
    let short = |digest: &String| digest.get(..16).unwrap_or_default().to_owned();
    let (kind, what) = match &entry.body {
        Body::AnchorsAdopted { number, .. } => ("anchors adopted", format!("update {number}")),
        Body::AnchorsUpdateIssued { number, .. } => ("anchors update", number.to_string()),
        Body::AuthorityFounded { organization, .. } => ("authority founded", organization.clone()),
        Body::BatchIssued { batch, first, last, issued, refused, officer, .. } => (
            "batch issued",
            format!("{batch} rows {first} to {last}: {issued} issued, {refused} refused, by {officer}"),
        ),
        Body::BundleMade { id, label, parts, .. } => ("bundle made", format!("{id} {label}, {parts} parts")),
        Body::CeremonyHeld { ceremony, title, .. } => ("ceremony held", format!("{ceremony}: {title}")),
        Body::CertificateListIssued { issuer, number, base, .. } => {
            let base = base.map(|base| format!(", changes since {base}")).unwrap_or_default();
            ("list issued", format!("{number} of certificates by {}{base}", short(issuer)))
        }
        Body::CertificateReinstated { digest } => ("hold lifted", format!("certificate {}", short(digest))),
        Body::CertificateRenewed { role, digest, .. } => ("key renewed", format!("{} {role}", short(digest))),
        Body::CertificateRevoked { digest, certificate, reason, date, standing, .. } => {
            let subject = hex_octets(certificate)
                .and_then(|der| Certificate::from_der(&der).ok().map(|certificate| certificate.subject_text()));
            let standing = if *standing { ", its tokens stand" } else { "" };
            let subject = subject.unwrap_or_default();
            ("revoked", format!("certificate {} {subject} since {date}: {}{standing}", short(digest), reason.name()))
        }
        Body::CrossCertified { role, digest, .. } => ("cross-certified", format!("{} {role}", short(digest))),
        Body::HolderEnrolled { subject, digest, .. } => ("holder enrolled", format!("{} {subject}", short(digest))),
        Body::OfficerEnrolled { subject, digest, .. } => ("officer enrolled", format!("{} {subject}", short(digest))),
        Body::RecordReceived { digest, token, activated, subject, .. } => {
            ("record received", format!("{} token {token}, activated {activated} by {subject}", short(digest)))
        }
        Body::Refused { command, code, about, officer } => {
            ("refused", format!("{command} [{code}]: {about}, asked for by {officer}"))
        }
        Body::TokenApproved { id, revision, approver, .. } => {
            ("token approved", format!("{id} version {revision}, by {approver}"))
        }
        Body::TokenIssued { id, revision, customer, product, .. } => {
            ("token issued", format!("{id} version {revision}, {product} for {customer}"))
        }
        Body::TokenListIssued { number, .. } => ("list issued", format!("{number} of tokens")),
        Body::TokenReinstated { id } => ("hold lifted", format!("token {id}")),
        Body::TokenRequested { id, revision, customer, product, needed, officer, .. } => (
            "token requested",
            format!("{id} version {revision}, {product} for {customer}, by {officer}; approvals needed: {needed}"),
        ),
        Body::TokenRevoked { id, revision, reason, date, .. } => {
            ("revoked", format!("token {id} version {revision} and before since {date}: {}", reason.name()))
        }
    };
    report::visible(&format!("{:>5}  {}  {kind:<17}  {what}", entry.sequence, entry.time))
}

/// An entry for a program, without the octets of what was issued.
fn brief(entry: &Entry) -> Value {
    let mut document = match &entry.body {
        Body::AnchorsAdopted { number, digest, .. } | Body::AnchorsUpdateIssued { number, digest, .. } => {
            json!({ "number": number, "sha256": digest })
        }
        Body::AuthorityFounded { organization, .. } => json!({ "organization": organization }),
        Body::BatchIssued { batch, input, first, last, issued, refused, officer } => json!({
            "batch": batch, "input": input, "first": first, "last": last, "issued": issued, "refused": refused,
            "officer": officer,
        }),
        Body::BundleMade { id, label, parts, digest } => {
            json!({ "id": id, "label": label, "parts": parts, "sha256": digest })
        }
        Body::CeremonyHeld { ceremony, title, participants, script, digest, .. } => json!({
            "ceremony": ceremony, "title": title, "participants": participants, "script": script,
            "sha256": digest,
        }),
        Body::CertificateListIssued { issuer, number, base, next_update, digest, .. } => json!({
            "issuer": issuer, "number": number, "base": base, "next_update": next_update, "sha256": digest,
        }),
        Body::CertificateReinstated { digest } => json!({ "sha256": digest }),
        Body::CertificateRenewed { role, digest, .. } | Body::CrossCertified { role, digest, .. } => {
            json!({ "role": role, "sha256": digest })
        }
        Body::CertificateRevoked { digest, issuer, reason, date, standing, .. } => json!({
            "sha256": digest, "issuer": issuer, "reason": reason, "date": date, "standing": standing,
        }),
        Body::HolderEnrolled { subject, digest, .. } | Body::OfficerEnrolled { subject, digest, .. } => {
            json!({ "subject": subject, "sha256": digest })
        }
        Body::RecordReceived { digest, token, revision, holder, subject, activated, machine } => json!({
            "sha256": digest, "token": token, "revision": revision, "holder": holder, "subject": subject,
            "activated": activated, "machine": machine,
        }),
        Body::Refused { command, code, about, officer } => json!({
            "command": command, "code": code, "about": about, "officer": officer,
        }),
        Body::TokenApproved { id, revision, approver, certificate, .. } => json!({
            "id": id, "revision": revision, "approver": approver, "certificate": certificate,
        }),
        Body::TokenRequested { id, revision, customer, product, needed, body, officer } => json!({
            "id": id, "revision": revision, "customer": customer, "product": product, "needed": needed,
            "body": body, "officer": officer,
        }),
        Body::TokenIssued { id, revision, customer, product, signer, digest, .. } => json!({
            "id": id, "revision": revision, "customer": customer, "product": product, "signer": signer,
            "sha256": digest,
        }),
        Body::TokenListIssued { signer, number, next_update, digest, .. } => json!({
            "signer": signer, "number": number, "next_update": next_update, "sha256": digest,
        }),
        Body::TokenReinstated { id } => json!({ "id": id }),
        Body::TokenRevoked { id, revision, reason, date, digest } => json!({
            "id": id, "revision": revision, "reason": reason, "date": date, "digest": digest,
        }),
    };
    document["sequence"] = json!(entry.sequence);
    document["time"] = json!(entry.time);
    document["kind"] = json!(entry.body.kind());
    document["leaf"] = json!(entry.leaf.to_string());
    document
}
