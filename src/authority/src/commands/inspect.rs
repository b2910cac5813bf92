//! `inspect`: shows what a file says, without any claim that it is true.

use super::Answer;
use crate::{args::Inspect, error::Error, files};
use countersign_common::{Certificate, MAX_FILE_SIZE, Reason, SignedObject, decode_certificates, decode_object};
use countersign_report as report;
use serde_json::{Value, json};

const NOT_VERIFIED: &str = "Not verified: this is what the file says, not whether it is true.";

pub(super) fn run(arguments: &Inspect) -> Result<Answer, Error> {
    let path = &arguments.file;
    let file = files::read(path, MAX_FILE_SIZE)?;
    let refused = |reason| Error::Object { path: path.clone(), reason };
    if is_private_key(&file) {
        return Err(Error::PrivateKey(path.clone()));
    }
    let (what, lines, document) = if is_certificates(&file) {
        certificates(&file).map_err(refused)?
    } else {
        let der = decode_object(&file).map_err(refused)?;
        let object = SignedObject::from_der(&der).map_err(refused)?;
        let document = report::object(&object);
        let what = if object.unsigned_token().is_some() { "Activation record" } else { "Activation token" };
        (what.to_owned(), report::render(&report::object_lines(&object)), document)
    };
    Ok(Answer {
        text: format!("{what}\n{lines}\n{NOT_VERIFIED}\n"),
        json: json!({ "object": document, "verified": false }),
        warnings: Vec::new(),
    })
}

/// PEM with a label that ends so: encrypted or not, and whatever its kind.
fn is_private_key(file: &[u8]) -> bool {
    first_line(file).is_some_and(|line| line.ends_with("PRIVATE KEY-----"))
}

/// By the label, or because DER that is no CMS object reads as a certificate.
fn is_certificates(file: &[u8]) -> bool {
    match file.first() {
        Some(0x30) => Certificate::from_der(file).is_ok(),
        _ => first_line(file).is_some_and(|line| line == "-----BEGIN CERTIFICATE-----"),
    }
}

fn first_line(file: &[u8]) -> Option<&str> {
    file.split(|octet| *octet == b'\n').next().and_then(|line| str::from_utf8(line).ok()).map(str::trim_end)
}

fn certificates(file: &[u8]) -> Result<(String, String, Value), Reason> {
    let certificates = decode_certificates(file)?;
    let parsed = certificates.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
    let parsed = parsed.map_err(Reason::Signer)?;
    let text: Vec<_> =
        parsed.iter().map(|certificate| report::render(&report::certificate_lines(certificate))).collect();
    let what = if parsed.len() == 1 { "Certificate".to_owned() } else { format!("{} certificates", parsed.len()) };
    let list: Value = parsed.iter().map(report::certificate).collect();
    Ok((what, text.join("\n"), json!({ "type": "certificates", "certificates": list })))
}
