//! `officer enroll`: the key of somebody who approves tokens, certified by the token root.

use super::{Answer, Context, init};
use crate::{
    args::OfficerEnroll,
    certs::{self, Lifetime},
    clock,
    error::Error,
    files::{self, NewFile},
    home::{Home, Role},
    key_uri::KeyPlace,
    keys::{Custodian, Signer, StoredKey},
    ledger::Body,
    words::{digest, to_hex},
};
use countersign_common::{CLOCK_TOLERANCE, Certificate, Time, encode_certificate};
use serde_json::json;

pub(super) fn enroll(arguments: &OfficerEnroll, context: &mut Context<'_>) -> Result<Answer, Error> {
    init::check_padding(arguments.rsa_padding, core::iter::once(&arguments.key))?;
    let in_file = arguments.key == KeyPlace::File;
    if in_file != arguments.out_key.is_some() {
        let fault = if in_file { "say where the key goes with --out-key" } else { "--out-key is for a key in a file" };
        return Err(Error::Usage(fault.to_owned()));
    }
    let subject = certs::parse_name(&arguments.subject)?;
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    lifetime(&home, arguments, clock::now()?)?;
    let file = NewFile::reserve(&arguments.out)?;
    if let Some(path) = arguments.out_key.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(Error::FileExists(path.clone()));
    }
    home.check_custody(Custodian::Officer, &arguments.key, &mut context.keyring)?;
    let root = home.signer(Role::TokenRoot, &mut context.keyring)?;
    context.keyring.officer_passphrase_from(arguments.officer_passphrase_fd);
    if in_file {
        context.keyring.choose_passphrase(Custodian::Officer)?;
    }

    context.note("Making the key …");
    let label = format!("{} approver {subject}", home.organization());
    let (key, stored) =
        context.keyring.make(&arguments.key, Custodian::Officer, &label, arguments.algorithm, arguments.rsa_padding)?;
    // Typing took its time.
    let now = clock::now()?;
    let lifetime = lifetime(&home, arguments, now)?;
    let certificate = certs::issue(certs::Role::Approver, &subject, lifetime, key.spki(), &root)?;
    init::verify_signer(&certs::Role::Approver, &certificate, root.certificate(), now)?;
    let signer = Signer::new(certificate, key)?;
    let certificate = signer.certificate();

    // Never a certificate outside without its entry. The key goes first: without it the entry is of no use.
    let writing = ledger.begin()?;
    if let (Some(path), StoredKey::Encrypted(text)) = (&arguments.out_key, &stored) {
        files::write_new(path, 0o600, text.as_bytes())?;
    }
    let sequence = writing.append(
        now,
        &Body::OfficerEnrolled {
            subject: subject.to_string(),
            digest: digest(certificate),
            certificate: to_hex(certificate),
        },
    )?;
    context.keyring.keep();
    writing.commit()?;
    file.finish(encode_certificate(certificate).as_bytes())?;
    answer(arguments, certificate, stored.uri()?, sequence)
}

/// Begins a little before now, since the clock of the officer's machine may lag behind the authority's, and ends with
/// the root at the latest.
fn lifetime(home: &Home, arguments: &OfficerEnroll, now: Time) -> Result<Lifetime, Error> {
    let root = home.certificate(Role::TokenRoot)?;
    let root = Certificate::from_der(&root).map_err(|_| Error::KeyMismatch)?;
    let not_after = now.plus(arguments.validity.0.into());
    if not_after > root.not_after() {
        let fault = format!("the token root ends {}: shorten --validity", root.not_after());
        return Err(Error::Usage(fault));
    }
    Ok(Lifetime { not_before: now.minus(CLOCK_TOLERANCE), not_after })
}

fn answer(arguments: &OfficerEnroll, certificate: &[u8], uri: Option<String>, sequence: i64) -> Result<Answer, Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
    let key = match (&arguments.out_key, &uri) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(uri)) => uri.clone(),
        (None, None) => String::new(),
    };
    let text = format!(
        "Enrolled the officer (entry {sequence} of the ledger):\n{}  key     {key}\n\
         next: give {} and the key to the officer, who approves with: countersign-authority request approve\n",
        countersign_report::render(&countersign_report::certificate_lines(&parsed)),
        arguments.out.display(),
    );
    let json = json!({
        "officer": {
            "file": arguments.out,
            "key_file": arguments.out_key,
            "key_uri": uri,
            "ledger_entry": sequence,
            "certificate": countersign_report::certificate(&parsed),
        }
    });
    Ok(Answer { text, json, warnings: Vec::new() })
}
