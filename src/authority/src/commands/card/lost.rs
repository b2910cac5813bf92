//! `card lost`: what was certified for a person is revoked, and what follows from it is told.

use crate::{
    args::CardLost,
    certs,
    commands::{Answer, Context, revoke},
    error::Error,
    home::Home,
    register::{KnownCertificate, Register},
    words::RevocationWord,
};
use countersign_common::Certificate;
use serde_json::{Value, json};

pub(super) fn run(arguments: &CardLost, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("card lost", &arguments.card);
    let register = Home::open(&context.global.home)?.ledger()?.register()?;
    let found = find(&register, &arguments.card, arguments.reason)?;
    let (mut text, mut revoked) = (String::new(), Vec::<Value>::new());
    for known in &found {
        // The advice at its end comes once, below.
        let answer = revoke::by_digest(&known.digest, arguments.reason, context)?;
        text.extend(answer.text.lines().filter(|line| !line.starts_with("next:")).map(|line| format!("{line}\n")));
        revoked.push(answer.json["revoked"].clone());
    }
    let received: usize = found.iter().map(|known| register.received_of(&known.digest)).sum();
    text += &match arguments.reason {
        RevocationWord::CertificateHold => {
            let lift: Vec<_> = found.iter().map(|known| &known.digest[..16]).collect();
            format!(
                "What was activated with the card is suspended where the lists arrive, until the hold is lifted.\n\
                 If the card turns up: countersign-authority revoke lift certificate {}\n",
                lift.join(", and ")
            )
        }
        reason if reason.spares_what_was_before() => {
            "What was activated with the card before today stays activated.\n".to_owned()
        }
        _ => format!(
            "The {received} records that were received from it stand; other machines that it activated fall where the \
             lists arrive, and have to be activated again.\n"
        ),
    };
    text += "next: carry the lists to every machine that the card can activate: countersign-authority bundle\n\
             next: give the person another card: countersign-authority card enroll --subject …\n";
    let json = json!({ "lost": { "revoked": revoked, "received_records": received } });
    Ok(Answer { text, json, warnings: Vec::new() })
}

/// What is in force, or on hold and now to go for good, of the person, or of the certificate with this SHA-256.
fn find<'r>(register: &'r Register, text: &str, reason: RevocationWord) -> Result<Vec<&'r KnownCertificate>, Error> {
    let is_open = |known: &KnownCertificate| match register.revoked_certificates.get(&known.digest) {
        Some(revoked) => revoked.reason == RevocationWord::CertificateHold && reason != revoked.reason,
        None => true,
    };
    let named = match certs::parse_name(text) {
        Ok(name) => {
            let name = der::Encode::to_der(&name)?;
            let names = |known: &&KnownCertificate| {
                Certificate::from_der(&known.der).is_ok_and(|parsed| parsed.subject() == name)
            };
            register.holders().filter(names).collect()
        }
        Err(_) => {
            let known = register.certificate(text)?;
            register.holders().filter(|holder| holder.digest == known.digest).collect::<Vec<_>>()
        }
    };
    let open: Vec<_> = named.iter().copied().filter(|known| is_open(known)).collect();
    match (named.is_empty(), open.is_empty()) {
        (true, _) => Err(Error::NoEntry(format!("of a card of {text}"))),
        (_, true) => Err(Error::RevokedAlready(format!("every certificate of {text}"))),
        _ => Ok(open),
    }
}
