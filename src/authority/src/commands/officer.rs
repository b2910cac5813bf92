//! `officer enroll`: the key of somebody who approves tokens, certified by the token root.

use super::{Answer, Context, init};
use crate::{
    args::OfficerEnroll,
    certificate_lint, certs, clock,
    error::Error,
    files::{self, NewFile},
    home::Home,
    key_uri::KeyPlace,
    keys::{Custodian, Signer, StoredKey},
    ledger::Body,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{Certificate, encode_certificate};
use serde_json::json;

pub(super) fn enroll(arguments: &OfficerEnroll, context: &mut Context<'_>) -> Result<Answer, Error> {
    let new = &arguments.key;
    init::check_padding(new.rsa_padding, core::iter::once(&new.key))?;
    let in_file = new.key == KeyPlace::File;
    if in_file != arguments.out_key.is_some() {
        let fault = if in_file { "say where the key goes with --out-key" } else { "--out-key is for a key in a file" };
        return Err(Error::Usage(fault.to_owned()));
    }
    let subject = certs::parse_name(&arguments.subject)?;
    context.attempt("officer enroll", &arguments.subject);
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    home.lifetime_under(Role::TokenRoot, arguments.validity, clock::now()?)?;
    let file = NewFile::reserve(&arguments.out)?;
    if let Some(path) = arguments.out_key.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(Error::FileExists(path.clone()));
    }
    home.check_custody(Custodian::Officer, &new.key, &mut context.keyring)?;
    let root = home.signer(Role::TokenRoot, &mut context.keyring)?;
    context.keyring.officer_passphrase_from(arguments.officer_passphrase_fd);
    if in_file {
        context.keyring.choose_passphrase(Custodian::Officer)?;
    }

    context.note("Making the key …");
    let label = format!("{} approver {subject}", home.organization());
    let (key, stored) = context.keyring.make(&new.key, Custodian::Officer, &label, new.algorithm, new.rsa_padding)?;
    // Typing took its time.
    let now = clock::now()?;
    let lifetime = home.lifetime_under(Role::TokenRoot, arguments.validity, now)?;
    let certificate = certs::issue(certs::Role::Approver, &subject, lifetime, key.spki(), &root)?;
    init::verify_signer(&certs::Role::Approver, &certificate, root.certificate(), now)?;
    let signer = Signer::new(certificate, key)?;
    home.check_unused(None, signer.key().spki())?;
    let certificate = signer.certificate();

    // Never a certificate outside without its entry. The key goes first: without it the entry is of no use.
    let writing = ledger.begin()?;
    context.keyring.certify(&[certificate])?;
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
    let mut answer = answer(arguments, certificate, stored.uri()?, sequence)?;
    answer.warnings = context.keyring.warnings();
    answer.warnings.extend(certificate_lint::longevity(&certs::Role::Approver, lifetime));
    Ok(answer)
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
