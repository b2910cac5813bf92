//! `card enroll`: one card.

use super::{
    certify::{Desk, Done},
    guid_text, open,
    secrets::{Asking, Delivered},
    survey::{Person, Survey, Terms},
};
use crate::{
    args::Enroll,
    cards::CardKey,
    clock,
    commands::{Answer, Context, revoke},
    error::Error,
    home::Home,
    limits::Limits,
    lint::Finding,
    role::Role,
    words::RevocationWord,
};
use countersign_common::Certificate;
use serde_json::json;

pub(super) fn run(arguments: &Enroll, context: &mut Context<'_>) -> Result<Answer, Error> {
    let subject = arguments.subject.as_deref().unwrap_or_default();
    let person = Person::parse(subject, arguments.email.as_deref())?;
    context.attempt("card enroll", subject);
    let home = Home::open(&context.global.home)?;
    let terms = Terms::new(arguments, Limits::read(home.path())?.cards(), home.path())?;
    let mut ledger = home.ledger()?;
    home.lifetime_under(Role::HolderRoot, arguments.validity, clock::now()?)?;

    let mut piv = open(arguments.reader.as_deref(), context)?;
    let survey = Survey::take(&mut piv, &terms, &person, &ledger.register()?)?;
    survey.check_something_missing()?;
    if arguments.dry_run {
        return Ok(would(&survey, &terms, &person));
    }
    let mut card_key = None;
    if terms.new_secrets {
        piv.release()?;
        card_key = Some(CardKey::open_or_make(&home, &mut context.keyring)?);
        survey.resume(&mut piv, terms.new_chuid)?;
    }
    let mut delivered = Delivered::new(arguments);
    let secrets = Asking {
        piv: &mut piv,
        survey: &survey,
        terms: &terms,
        delivered: &mut delivered,
        home: &home,
        card_key: &mut card_key,
        context,
    }
    .secrets()?;
    // The root's key too, before the card is changed; nothing is held while a person types.
    piv.release()?;
    let issuer = home.signer(Role::HolderRoot, &mut context.keyring)?;
    survey.resume(&mut piv, terms.new_chuid)?;
    let desk = Desk { issuer: &issuer, card_key: card_key.as_ref(), terms: &terms };
    let done = desk.personalize(&mut piv, &person, &survey, &secrets, &mut ledger, &mut |text| context.note(text))?;
    drop(piv);
    let mut answer = answer(&done, &terms, secrets.findings)?;
    let (superseded, told) = settle_others(&person, &done.current(&survey), arguments.supersede, context)?;
    answer.text.extend(superseded.iter().map(|one| one.text.as_str()));
    if arguments.supersede {
        answer.json["superseded"] = superseded.iter().map(|one| one.json["revoked"].clone()).collect();
    }
    answer.warnings.extend(told);
    Ok(answer)
}

fn would(survey: &Survey, terms: &Terms, person: &Person) -> Answer {
    let steps = survey.plan(terms, person);
    let lines: String = steps.iter().map(|step| format!("  - {}\n", countersign_report::visible(step))).collect();
    let text = format!("Would do this with the card (nothing was changed):\n{lines}");
    Answer { text, json: json!({ "would": steps }), warnings: Vec::new() }
}

fn answer(done: &Done, terms: &Terms, warnings: Vec<Finding>) -> Result<Answer, Error> {
    let (mut text, mut slots) = (String::new(), Vec::new());
    for one in &done.certified {
        let parsed = Certificate::from_der(&one.certificate).map_err(|_| Error::CardReadBack)?;
        text += &if slots.is_empty() {
            format!("Enrolled the card (entry {} of the ledger); slot {} holds\n", one.entry, one.slot)
        } else {
            format!("Slot {} (entry {} of the ledger) holds\n", one.slot, one.entry)
        };
        text += &countersign_report::render(&countersign_report::certificate_lines(&parsed));
        if let Some(attested) = &one.attested {
            text += &format!("  attested    {}\n", countersign_report::visible(&attested.words()));
        }
        slots.push(json!({
            "slot": one.slot.to_string(),
            "ledger_entry": one.entry,
            "certificate": countersign_report::certificate(&parsed),
            "pem": countersign_common::encode_certificate(&one.certificate),
            "attested": one.attested.as_ref().map(|attested| json!({ "device": attested.device })),
        }));
    }
    text += &format!("The card is {}.\n", guid_text(&done.guid));
    if terms.new_secrets {
        text += "Its PIN, PUK and management key are new.\n";
    }
    let card = json!({ "guid": guid_text(&done.guid), "new_secrets": terms.new_secrets, "slots": slots });
    Ok(Answer { text, json: json!({ "card": card }), warnings })
}

/// What else the person has that is in force is revoked as superseded, or told. `current` are the certificates on the card.
pub(super) fn settle_others(
    person: &Person,
    current: &[Vec<u8>],
    supersede: bool,
    context: &mut Context<'_>,
) -> Result<(Vec<Answer>, Option<Finding>), Error> {
    let register = Home::open(&context.global.home)?.ledger()?.register()?;
    let of_person = |der: &[u8]| Certificate::from_der(der).is_ok_and(|parsed| person.is_named_by(&parsed));
    let others = register.holders_in_force().filter(|known| of_person(&known.der) && !current.contains(&known.der));
    let others: Vec<_> = others.map(|known| known.digest.clone()).collect();
    if !supersede {
        let told = (!others.is_empty()).then(|| Finding::other_certificates(&person.subject(), others.len()));
        return Ok((Vec::new(), told));
    }
    let revoke = |digest: String| revoke::by_digest(&digest, RevocationWord::Superseded, context);
    Ok((others.into_iter().map(revoke).collect::<Result<_, _>>()?, None))
}
