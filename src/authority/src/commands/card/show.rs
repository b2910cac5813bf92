//! `card show`: what is on a card, whoever issued it, and how to admit it. Nothing is written to it.

use super::{guid_text, open};
use crate::{
    args::CardShow,
    clock,
    commands::{Answer, Context},
    error::Error,
    files,
    home::Home,
    plan,
    register::Register,
    words::digest,
};
use countersign_card::{Error as CardError, PinStatus, Slot};
use countersign_common::{
    Anchors, Certificate, MAX_FILE_SIZE, NO_LISTS, Reason, SignedObject, Slot as TokenSlot, Time, VerifiedToken,
    decode_object,
};
use countersign_pki::{Budget, PathRules, validate_path};
use countersign_report::{Line, certificate, certificate_lines, render, visible};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The authority, as far as there is one.
struct Office {
    register: Register,
    anchors: Vec<Vec<u8>>,
}

pub(super) fn run(arguments: &CardShow, context: &mut Context<'_>) -> Result<Answer, Error> {
    let office = match Home::open(&context.global.home) {
        Ok(home) => Some(Office { register: home.ledger()?.register()?, anchors: home.anchors()? }),
        // Whose cards other people's are, nobody has to be an authority to see.
        Err(Error::NoAuthority(_)) if arguments.token.is_empty() => None,
        Err(error) => return Err(error),
    };
    let tokens = arguments.token.iter().map(|path| Ok((path, object(path)?))).collect::<Result<Vec<_>, Error>>()?;
    let mut issuers = Vec::new();
    for path in &arguments.issuer {
        issuers.push((path, plan::certificate(path)?));
    }
    let now = clock::now()?;

    let mut piv = open(arguments.reader.as_deref(), context)?;
    let guid = match piv.chuid() {
        Err(error @ CardError::MalformedObject { .. }) => Err(error.to_string()),
        chuid => Ok(chuid?.map(|chuid| (guid_text(&chuid.guid), chuid.expiration))),
    };
    let pin = piv.pin_status()?;
    let mut held = Vec::new();
    for slot in [Slot::Signature, Slot::Authentication] {
        match piv.certificate(slot) {
            Err(error @ CardError::Transport(_)) => return Err(error.into()),
            found => held.push((slot, found)),
        }
    }
    drop(piv);

    let mut lines: Vec<Line> = Vec::new();
    match &guid {
        Ok(Some((guid, until))) => {
            let until = until.as_deref().map_or(String::new(), |until| format!(", good until {until}"));
            lines.push(("card", format!("{guid}{until}")));
        }
        Ok(None) => lines.push(("card", "without an identity".to_owned())),
        Err(fault) => lines.push(("card", fault.clone())),
    }
    lines.push(("PIN", pin_words(pin)));
    let mut text = render(&lines);
    let (mut slots, mut grant) = (Vec::new(), None);
    for (slot, found) in &held {
        let mut document = json!({ "slot": slot.to_string(), "certificate": null });
        let der = match found {
            Ok(Some(der)) => der,
            Ok(None) => {
                text += &format!("\nSlot {slot}: empty\n");
                slots.push(document);
                continue;
            }
            Err(error) => {
                text += &format!("\nSlot {slot}: {}\n", visible(&error.to_string()));
                document["fault"] = json!(error.code());
                slots.push(document);
                continue;
            }
        };
        let Ok(parsed) = Certificate::from_der(der) else {
            text += &format!("\nSlot {slot}: no certificate that can be read\n");
            slots.push(document);
            continue;
        };
        let mut lines = certificate_lines(&parsed);
        let policies: Vec<_> = parsed.policies().iter().map(ToString::to_string).collect();
        if !policies.is_empty() {
            lines.push(("policies", policies.join(", ")));
        }
        let standing = office.as_ref().map(|office| standing(&office.register, der));
        lines.extend(standing.map(|standing| ("here", standing.to_owned())));
        text += &format!("\nSlot {slot}\n{}", render(&lines));
        let parsed_issuers = issuers.iter().filter_map(|(_, der)| Certificate::from_der(der).ok()).collect::<Vec<_>>();
        let mut judged = Vec::<Value>::new();
        for (path, der) in &tokens {
            let anchors = office.as_ref().map_or(&[][..], |office| &office.anchors);
            let outcome = admits(der, anchors, &parsed, &parsed_issuers, *slot, now);
            let words = match &outcome {
                Ok(grant) => format!("admitted by grant {grant}"),
                Err(reason) => format!("not admitted: {reason} [{}]", reason.code()),
            };
            text += &format!("  {}: {}\n", visible(&path.display().to_string()), visible(&words));
            let code = outcome.as_ref().err().map(Reason::code);
            judged.push(json!({ "token": path, "grant": outcome.as_ref().ok(), "code": code }));
        }
        document["certificate"] = certificate(&parsed);
        document["standing"] = json!(standing);
        document["tokens"] = judged.into();
        if grant.is_none() {
            grant = snippet(&parsed, *slot, &issuers, now);
        }
        slots.push(document);
    }
    if arguments.grant {
        let fault = "none of the --issuer certificates issued one that the card has in slot 9C or 9A";
        text = grant.clone().ok_or_else(|| Error::Usage(fault.to_owned()))?;
    }
    let (guid, until) = guid.ok().flatten().unzip();
    let card = json!({ "guid": guid, "good_until": until.flatten(), "slots": slots, "grant": grant });
    Ok(Answer { text, json: json!({ "card": card }), warnings: Vec::new() })
}

fn pin_words(pin: PinStatus) -> String {
    match pin {
        PinStatus::Blocked => "blocked; countersign-authority card unblock sets a new one".to_owned(),
        PinStatus::TriesLeft(1) => "1 try left".to_owned(),
        PinStatus::TriesLeft(tries) => format!("{tries} tries left"),
        PinStatus::Verified => "verified".to_owned(),
    }
}

/// What the ledger says of a certificate.
fn standing(register: &Register, der: &[u8]) -> &'static str {
    let digest = digest(der);
    if register.revoked_certificates.contains_key(&digest) {
        "issued by this authority, and revoked"
    } else if register.is_in_force(&digest) {
        "issued by this authority, and in force"
    } else {
        "of another PKI"
    }
}

/// DER of the object in a file.
fn object(path: &Path) -> Result<Vec<u8>, Error> {
    let file = files::read(path, MAX_FILE_SIZE)?;
    let der = decode_object(&file).map_err(|reason| Error::Object { path: path.to_owned(), reason })?;
    Ok(der.into_owned())
}

/// The number of the grant of a token that admits the certificate in a slot.
fn admits(
    token: &[u8],
    anchors: &[Vec<u8>],
    holder: &Certificate<'_>,
    issuers: &[Certificate<'_>],
    slot: Slot,
    now: Time,
) -> Result<u16, Reason> {
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice)).map_err(Reason::Signer)?;
    let token = VerifiedToken::verify(SignedObject::from_der(token)?, &anchors, &NO_LISTS)?;
    let slot = match slot {
        Slot::Signature => TokenSlot::Signature,
        Slot::Authentication => TokenSlot::Authentication,
    };
    token.admit(holder, issuers, slot, now, &anchors, &NO_LISTS).map(|admission| admission.grant)
}

/// The grant of a profile that admits cards like this one: those of the CA that issued it, with the policies that it has.
fn snippet(holder: &Certificate<'_>, slot: Slot, issuers: &[(&PathBuf, Vec<u8>)], now: Time) -> Option<String> {
    let (path, _) = issuers.iter().find(|(_, der)| {
        let Ok(anchor) = Certificate::from_der(der) else { return false };
        let rules = PathRules { signing: true, ..PathRules::at(now) };
        validate_path(holder, &[], &[anchor], &rules, &mut Budget::default()).is_ok()
    })?;
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let policies: Vec<_> = holder.policies().iter().map(|policy| quoted(&format!("policy:{policy}"))).collect();
    let file = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let mut text = format!("# Cards like that of {}\n[[grants]]\n", visible(&holder.subject_text()));
    text += &format!("anchor = {}\ndirect-issuer = true\n", quoted(&file));
    text += &format!("criteria = [{}]\n", policies.join(", "));
    if slot == Slot::Authentication {
        text += "authentication-slot = true\n";
    }
    text += "# To admit fewer people, add one of these to the criteria:\n";
    text += &format!("#   \"certificate:{}\"\n", digest(holder.der()));
    for name in holder.subject_alt_names() {
        if let countersign_pki::GeneralName::Rfc822Name(address) = name {
            text += &format!("#   {}\n", quoted(&format!("email:{}", visible(address))));
        }
    }
    Some(text)
}
