//! `revoke`: enters into the ledger what the next lists will say.

use super::{Answer, Context};
use crate::{
    args::{LiftKind, RevokeCertificate, RevokeToken},
    clock,
    error::Error,
    files,
    home::Home,
    ledger::Body,
    plan,
    register::Register,
    role::Role,
    words::{RevocationWord, digest, to_hex},
};
use countersign_common::{Certificate, MAX_FILE_SIZE, Reason, SignedObject, Time, Token, decode_object, oid};
use countersign_pki::{Budget, PathRules, validate_path};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn token(arguments: &RevokeToken, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("revoke token", &arguments.token);
    let home = Home::open(&context.global.home)?;
    let now = clock::now()?;
    let date = date(arguments.date, now)?;
    if arguments.reason.of_token().is_none() {
        let fault = "a token has no key: keyCompromise is a reason for the certificate of its signer";
        return Err(Error::Usage(fault.to_owned()));
    }
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let register = writing.register()?;
    let (id, version) = identify(&arguments.token)?;
    let versions = register.token(&id)?;
    let latest = versions.last().ok_or_else(|| Error::NoEntry(id.clone()))?;
    let wanted = arguments.revision.or(version).unwrap_or(latest.revision);
    let version = versions.iter().find(|version| version.revision == wanted);
    let version = version.ok_or_else(|| Error::NoEntry(format!("{} version {wanted}", latest.id)))?;
    if let Some(before) = register.revoked_tokens.get(&version.id) {
        let held = before.reason == RevocationWord::CertificateHold;
        let changes = held && arguments.reason != RevocationWord::CertificateHold;
        if wanted < before.revision || (wanted == before.revision && !changes) {
            return Err(Error::RevokedAlready(format!("the token {} version {wanted}", version.id)));
        }
    }
    let sequence = writing.append(
        now,
        &Body::TokenRevoked {
            id: version.id.clone(),
            revision: wanted,
            reason: arguments.reason,
            date: date.to_string(),
            digest: arguments.digest.then(|| version.digest.clone()),
        },
    )?;
    let what = format!("the token {} version {wanted} and all before it", version.id);
    let document = json!({ "token": version.id, "revision": wanted });
    writing.commit()?;
    Ok(answer(&what, arguments.reason, date, sequence, document, ""))
}

pub(super) fn certificate(arguments: &RevokeCertificate, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("revoke certificate", &arguments.certificate);
    let home = Home::open(&context.global.home)?;
    let now = clock::now()?;
    let date = date(arguments.date, now)?;
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let register = writing.register()?;
    let der = find(&register, &arguments.certificate)?;
    let parsed = Certificate::from_der(&der).map_err(|_| Error::KeyMismatch)?;
    let subject = parsed.subject_text();
    let issuer = issuer(&register, &parsed)?;
    let digest = digest(&der);
    let is_token_signer = register.of_role(Role::TokenSigner).any(|known| known.digest == digest);
    if arguments.standing && !(is_token_signer && arguments.reason == RevocationWord::KeyCompromise) {
        let fault = "--standing is for a token signer whose key is compromised";
        return Err(Error::Usage(fault.to_owned()));
    }
    if let Some(before) = register.revoked_certificates.get(&digest) {
        let held = before.reason == RevocationWord::CertificateHold;
        let changes = held && arguments.reason != RevocationWord::CertificateHold;
        // What was forgotten can be made up for.
        let keeps = arguments.standing && !before.standing && before.reason == RevocationWord::KeyCompromise;
        if !changes && !keeps {
            return Err(Error::RevokedAlready(format!("the certificate of {subject}")));
        }
    }
    let sequence = writing.append(
        now,
        &Body::CertificateRevoked {
            digest: digest.clone(),
            issuer,
            certificate: to_hex(&der),
            reason: arguments.reason,
            date: date.to_string(),
            standing: arguments.standing,
        },
    )?;
    writing.commit()?;
    let of_signer = register.tokens.iter().filter(|token| token.signer == digest).count();
    let also = match (is_token_signer, arguments.standing) {
        (true, true) => format!("The {of_signer} tokens that the ledger has of it stand.\n"),
        (true, false) if arguments.reason == RevocationWord::KeyCompromise => {
            format!("The {of_signer} tokens that the ledger has of it fall; revoke it with --standing to keep them.\n")
        }
        _ => String::new(),
    };
    let document = json!({ "certificate": digest, "subject": subject, "standing": arguments.standing });
    Ok(answer(&format!("the certificate of {subject}"), arguments.reason, date, sequence, document, &also))
}

/// Revokes a certificate by its whole SHA-256, from now on.
pub(super) fn by_digest(digest: &str, reason: RevocationWord, context: &mut Context<'_>) -> Result<Answer, Error> {
    let arguments = RevokeCertificate { certificate: digest.to_owned(), reason, date: None, standing: false };
    certificate(&arguments, context)
}

pub(super) fn lift(kind: LiftKind, id: &str, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("revoke lift", id);
    let home = Home::open(&context.global.home)?;
    let now = clock::now()?;
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let register = writing.register()?;
    let (what, body, reason) = match kind {
        LiftKind::Token => {
            let (id, _) = identify(id)?;
            let versions = register.token(&id)?;
            let id = versions.last().ok_or_else(|| Error::NoEntry(id.clone()))?.id.clone();
            let reason = register.revoked_tokens.get(&id).map(|revoked| revoked.reason);
            (format!("the token {id}"), Body::TokenReinstated { id }, reason)
        }
        LiftKind::Certificate => {
            let der = find(&register, id)?;
            let parsed = Certificate::from_der(&der).map_err(|_| Error::KeyMismatch)?;
            let digest = digest(&der);
            let reason = register.revoked_certificates.get(&digest).map(|revoked| revoked.reason);
            (format!("the certificate of {}", parsed.subject_text()), Body::CertificateReinstated { digest }, reason)
        }
    };
    if reason != Some(RevocationWord::CertificateHold) {
        return Err(Error::NotOnHold(what));
    }
    let sequence = writing.append(now, &body)?;
    writing.commit()?;
    let text = format!(
        "Lifted {} (entry {sequence} of the ledger).\nnext: issue the lists: countersign-authority crl\n",
        countersign_report::visible(&what)
    );
    Ok(Answer { text, json: json!({ "lifted": { "what": what, "ledger_entry": sequence } }), warnings: Vec::new() })
}

/// Since when: nothing is revoked for a time to come, which a list could not say.
fn date(date: Option<Time>, now: Time) -> Result<Time, Error> {
    match date {
        Some(date) if date > now => {
            Err(Error::Usage(format!("--date {date} is yet to come: revoke it then, or from now on")))
        }
        date => Ok(date.unwrap_or(now)),
    }
}

/// A token by a file, with its version, or by the beginning of its id.
fn identify(text: &str) -> Result<(String, Option<u32>), Error> {
    let path = Path::new(text);
    if !path.is_file() {
        return Ok((text.to_owned(), None));
    }
    let refused = |reason| Error::Object { path: path.to_owned(), reason };
    let file = files::read(path, MAX_FILE_SIZE)?;
    let der = decode_object(&file).map_err(refused)?;
    let object = SignedObject::from_der(&der).map_err(refused)?;
    if object.content_type() != oid::CONTENT_TOKEN {
        return Err(refused(Reason::WrongObject { expected: "an activation token" }));
    }
    let token = Token::from_der(object.content()).map_err(refused)?;
    Ok((token.id.to_string(), Some(token.revision)))
}

/// DER of a certificate by a file, or by the beginning of its SHA-256.
fn find(register: &Register, text: &str) -> Result<Vec<u8>, Error> {
    let path = Path::new(text);
    if path.is_file() { plan::certificate(path) } else { Ok(register.certificate(text)?.der.clone()) }
}

/// SHA-256 of the certificate of the root that issued a certificate.
fn issuer(register: &Register, certificate: &Certificate<'_>) -> Result<String, Error> {
    let refused = || Error::NotIssuedHere(certificate.subject_text());
    for root in register.roots() {
        if root.der == certificate.der() {
            return Err(refused());
        }
        let anchor = [Certificate::from_der(&root.der).map_err(|_| Error::KeyMismatch)?];
        let rules = PathRules::at(certificate.not_before());
        if validate_path(certificate, &[], &anchor, &rules, &mut Budget::default()).is_ok() {
            return Ok(root.digest.clone());
        }
    }
    Err(refused())
}

fn answer(what: &str, reason: RevocationWord, date: Time, sequence: i64, document: Value, also: &str) -> Answer {
    let text = format!(
        "Revoked {} since {date}: {} (entry {sequence} of the ledger).\n{also}\
         next: issue the lists: countersign-authority crl\n",
        countersign_report::visible(what),
        reason.name()
    );
    let mut revoked = document;
    revoked["reason"] = json!(reason.name());
    revoked["date"] = json!(date.to_string());
    revoked["ledger_entry"] = json!(sequence);
    Answer { text, json: json!({ "revoked": revoked }), warnings: Vec::new() }
}
