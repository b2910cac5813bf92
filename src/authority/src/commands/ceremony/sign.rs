//! `ceremony sign`: a participant's signature under a transcript, which any tool for CMS verifies.

use super::super::{Answer, Context, own};
use crate::{
    args::CeremonySign,
    ceremony::{HEADING, MADE},
    clock,
    error::Error,
    files::{self, NewFile},
    keys::Signer,
    plan,
    words::digest,
};
use countersign_common::{Certificate, SigningRequest};
use countersign_report::visible;
use der::asn1::ObjectIdentifier;
use pkcs8::SecretDocument;
use serde_json::json;

/// The largest transcript, in octets.
const MAX_TRANSCRIPT: usize = 1024 * 1024;
/// id-data (RFC 5652 4): octets that mean what they mean to the reader.
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");

pub(crate) fn sign(arguments: &CeremonySign, context: &mut Context<'_>) -> Result<Answer, Error> {
    let path = &arguments.transcript;
    let refused = |fault| Error::Transcript { path: path.clone(), fault };
    let octets = files::read(path, MAX_TRANSCRIPT)?;
    let text = str::from_utf8(&octets).map_err(|_| refused("it is not text"))?;
    let mut lines = text.lines();
    if lines.next() != Some(HEADING) {
        return Err(refused("it does not begin as a transcript does"));
    }
    // Where the lines of the script stand, each has a bar before it.
    if lines.nth(2) != Some(MADE) {
        return Err(refused("it is of a rehearsal, which nobody needs to vouch for"));
    }
    let file = NewFile::reserve(&arguments.out)?;
    let certificate = plan::certificate(&arguments.signer.certificate)?;
    let parsed = Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?;
    context.note(&format!("Signing {} as {} …", path.display(), visible(&parsed.subject_text())));
    let signer: Signer = own::signer(&arguments.signer, &certificate, context)?;
    let request = SigningRequest::new(DATA, &octets, &parsed, signer.algorithm(), clock::now()?)?;
    let signature = signer.sign(request.message())?;
    let object = request.finish(&signature, &[], None)?;
    let pem = SecretDocument::try_from(object)?.to_pem("CMS", der::pem::LineEnding::LF)?;
    file.finish(pem.as_bytes())?;
    let text = format!(
        "Signed the transcript with SHA-256 {} as {}: {}.\n",
        digest(&octets),
        visible(&parsed.subject_text()),
        arguments.out.display()
    );
    let json = json!({
        "signed": {
            "file": arguments.out,
            "transcript": path,
            "sha256": digest(&octets),
            "signer": parsed.subject_text(),
        }
    });
    Ok(Answer { text, json, warnings: Vec::new() })
}
