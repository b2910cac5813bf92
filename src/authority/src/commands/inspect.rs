//! `inspect`: shows what a file says, without any claim that it is true.

use super::Answer;
use crate::{args::Inspect, error::Error, files, pem::certificate_list};
use countersign_common::{
    Certificate, MAX_FILE_SIZE, Reason, SignedObject,
    bundle::{Bundle, MAX_BUNDLE_SIZE},
    decode_certificates, decode_objects, oid,
};
use countersign_report as report;
use serde_json::{Value, json};
use std::path::Path;

const NOT_VERIFIED: &str = "Not verified: this is what the file says, not whether it is true.";

/// What it is, the lines about it, and the same for programs.
type View = (String, String, Value);

pub(super) fn run(arguments: &Inspect) -> Result<Answer, Error> {
    let path = &arguments.file;
    let file = read(path)?;
    let refused = |reason| Error::Object { path: path.clone(), reason };
    if first_line(&file).is_some_and(|line| line.ends_with("PRIVATE KEY-----")) {
        return Err(Error::PrivateKey(path.clone()));
    }
    let (what, lines, document) = match kind(&file) {
        Kind::Bundle => bundle(&file).map_err(refused)?,
        Kind::Certificates => certificates(&file).map_err(refused)?,
        Kind::CertificateList => list(path, &file)?,
        Kind::Objects => objects(&file).map_err(refused)?,
    };
    Ok(Answer {
        text: format!("{what}\n{lines}\n{NOT_VERIFIED}\n"),
        json: json!({ "object": document, "verified": false }),
        warnings: Vec::new(),
    })
}

/// Only what is in DER may be as large as a bundle.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    match files::read(path, MAX_FILE_SIZE) {
        Err(Error::FileTooLarge { .. }) if files::begins_with(path, 0x30)? => files::read(path, MAX_BUNDLE_SIZE),
        outcome => outcome,
    }
}

enum Kind {
    Bundle,
    Certificates,
    CertificateList,
    Objects,
}

/// By the label, or by what the DER begins with: an object by its type, a bundle by an object, a list by its version.
fn kind(file: &[u8]) -> Kind {
    if file.first() != Some(&0x30) {
        return match first_line(file) {
            Some("-----BEGIN CERTIFICATE-----") => Kind::Certificates,
            Some("-----BEGIN X509 CRL-----") => Kind::CertificateList,
            _ => Kind::Objects,
        };
    }
    match (tag_inside(file), content(file).and_then(tag_inside)) {
        (Some(0x30), Some(0x06)) => Kind::Bundle,
        _ if Certificate::from_der(file).is_ok() => Kind::Certificates,
        (Some(0x30), Some(0x02 | 0x30)) if report::certificate_list(file).is_some() => Kind::CertificateList,
        _ => Kind::Objects,
    }
}

/// The octets after the tag and the length of a TLV.
fn content(der: &[u8]) -> Option<&[u8]> {
    let length = *der.get(1)?;
    let more = if length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    der.get(2 + more..)
}

/// The first tag inside a TLV.
fn tag_inside(der: &[u8]) -> Option<u8> {
    content(der)?.first().copied()
}

fn first_line(file: &[u8]) -> Option<&str> {
    file.split(|octet| *octet == b'\n').next().and_then(|line| str::from_utf8(line).ok()).map(str::trim_end)
}

fn objects(file: &[u8]) -> Result<View, Reason> {
    let ders = decode_objects(file)?;
    let objects = ders.iter().map(|der| SignedObject::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    if objects.len() > 1 && objects.iter().any(|object| object.content_type() != oid::CONTENT_ANCHORS) {
        return Err(Reason::NotPem("expected one CMS block"));
    }
    let what = match objects.first().map(SignedObject::content_type) {
        Some(oid::CONTENT_ANCHORS) if objects.len() > 1 => format!("Anchors update, {} signatures", objects.len()),
        Some(oid::CONTENT_ANCHORS) => "Anchors update".to_owned(),
        Some(oid::CONTENT_CHALLENGE) => "Activation record".to_owned(),
        Some(oid::CONTENT_TOKEN_LIST) => "Token list".to_owned(),
        Some(oid::CONTENT_TOKEN) => "Activation token".to_owned(),
        Some(oid::CONTENT_TREE_HEAD) => "Tree head".to_owned(),
        _ => "Object".to_owned(),
    };
    let text: Vec<_> = objects.iter().map(|object| report::render(&report::object_lines(object))).collect();
    let document = match objects.as_slice() {
        [object] => report::object(object),
        objects => {
            let signatures: Value = objects.iter().map(report::object).collect();
            json!({ "type": "anchors-update", "signatures": signatures })
        }
    };
    Ok((what, text.join("\n"), document))
}

fn bundle(file: &[u8]) -> Result<View, Reason> {
    let bundle = Bundle::from_der(file)?;
    Ok(("Bundle".to_owned(), report::render(&report::bundle_lines(&bundle)), report::bundle(&bundle)))
}

fn list(path: &Path, file: &[u8]) -> Result<View, Error> {
    let refused = |fault: &str| Error::ListFile { path: path.to_owned(), fault: fault.to_owned() };
    let der = certificate_list(file).map_err(refused)?;
    match (report::certificate_list_lines(&der), report::certificate_list(&der)) {
        (Some(lines), Some(document)) => {
            Ok(("Certificate revocation list".to_owned(), report::render(&lines), document))
        }
        _ => Err(refused("not a certificate revocation list")),
    }
}

fn certificates(file: &[u8]) -> Result<View, Reason> {
    let certificates = decode_certificates(file)?;
    let parsed = certificates.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
    let parsed = parsed.map_err(Reason::Signer)?;
    let text: Vec<_> =
        parsed.iter().map(|certificate| report::render(&report::certificate_lines(certificate))).collect();
    let what = if parsed.len() == 1 { "Certificate".to_owned() } else { format!("{} certificates", parsed.len()) };
    let list: Value = parsed.iter().map(report::certificate).collect();
    Ok((what, text.join("\n"), json!({ "type": "certificates", "certificates": list })))
}
