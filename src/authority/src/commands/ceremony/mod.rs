//! `ceremony`: a script is rehearsed with throwaway keys and then, if that was asked for, performed with the real ones.

mod hold;
mod sign;

pub(super) use sign::sign;

use super::{Answer, Context, init};
use crate::{
    args::CeremonyRun,
    ceremony::{Kind, Script, Transcript, TranscriptCertificate},
    certificate_lint, clock,
    custody::Written,
    error::Error,
    files::{NewFile, NewFolder},
    home::Home,
    key_uri::KeyPlace,
    keys::{Custodian, StoredKey},
    ledger::{Body, Ledger, Writing},
    lint::Finding,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{Certificate, Time};
use hold::{Certified, Performance, Plan, Rehearsal, What};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn run(arguments: &CeremonyRun, context: &mut Context<'_>) -> Result<Answer, Error> {
    let script = Script::read(&arguments.script)?;
    let now = clock::now()?;
    let founding = script.kind == Kind::Found;
    if arguments.perform && !founding {
        context.attempt("ceremony run", script.title.clone());
    }
    let path = &context.global.home;
    let home = if founding { None } else { Some(Home::open(path)?) };
    if founding && path.symlink_metadata().is_ok() {
        return Err(Error::AuthorityExists(path.clone()));
    }
    let organization = match (&home, &script.organization) {
        (Some(home), Some(stated)) if home.organization() != stated => {
            let fault = format!("the script is for {stated}, and {} is of {}", path.display(), home.organization());
            return Err(Error::Usage(fault));
        }
        (Some(home), _) => home.organization().to_owned(),
        (None, stated) => stated.clone().unwrap_or_default(),
    };
    let file = arguments.transcript.as_deref().map(NewFile::reserve).transpose()?;
    let plan = Plan { kind: script.kind, steps: &script.steps, organization: &organization, home: home.as_ref(), now };

    context.note("Rehearsing with throwaway keys …");
    let rehearsed = plan.make(&mut Rehearsal)?;
    let warnings = unwise(&plan)?;
    let mut held = Held {
        transcript: Transcript {
            script: &script,
            organization: &organization,
            performed: arguments.perform,
            begun: now,
            steps: rehearsed
                .iter()
                .map(|made| format!("{}: rehearsed with throwaway keys, linted, nothing found", made.what.name()))
                .collect(),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            certificates: Vec::new(),
            ledger: Vec::new(),
        },
        entry: None,
    };
    if arguments.perform {
        let folder = if founding { Some(NewFolder::reserve(path)?) } else { None };
        ask_for_secrets(&plan, context)?;
        context.note("Performing with the real keys …");
        let made = plan.make(&mut Performance(&mut context.keyring))?;
        held.distrust(&rehearsed, &made)?;
        match folder {
            Some(folder) => found(folder, &plan, made, &mut held, context)?,
            None => renew(&plan, made, &mut held, context)?,
        }
    } else {
        held.transcript.certificates = rehearsed.iter().map(|made| listed(made, None)).collect::<Result<_, _>>()?;
    }
    let text = held.transcript.text()?;
    if let Some(file) = file {
        file.finish(text.as_bytes())?;
    }
    Ok(answer(arguments, &held, &text, warnings))
}

/// What happened so far.
struct Held<'a> {
    transcript: Transcript<'a>,
    /// The number of the ceremony's own entry.
    entry: Option<i64>,
}

impl Held<'_> {
    /// Each certificate has to be the one that was rehearsed. That it verifies and passes the lint was seen when it was made.
    fn distrust(&mut self, rehearsed: &[Certified], made: &[Certified]) -> Result<(), Error> {
        if rehearsed.len() != made.len() {
            return Err(Error::NotWhatWasMeant);
        }
        for (tried, made) in rehearsed.iter().zip(made) {
            if tried.what != made.what {
                return Err(Error::NotWhatWasMeant);
            }
            certificate_lint::as_rehearsed(&tried.der, &made.der)?;
            let name = made.what.name();
            self.transcript.steps.push(format!(
                "{name}: signed with the real key, linted again, verified under its issuer, and as rehearsed but for \
                 serial number, keys and signature"
            ));
        }
        Ok(())
    }

    /// Enters the ceremony itself, after all that it made: with this the transcript cannot be exchanged any more.
    fn enter(&mut self, writing: &Writing<'_>, now: Time) -> Result<(), Error> {
        let tree = writing.register()?.tree;
        let size = tree.size();
        self.transcript.ledger = vec![
            ("entries", format!("1 to {size}")),
            ("root", format!("{} of the tree over them", tree.root())),
            ("this transcript", format!("its SHA-256 is entry {}", size + 1)),
        ];
        let text = self.transcript.text()?;
        let Script { kind, title, digest: script, participants, .. } = self.transcript.script;
        let body = Body::CeremonyHeld {
            ceremony: kind.slug().to_owned(),
            title: title.clone(),
            participants: participants.iter().map(|person| format!("{}, {}", person.name, person.part)).collect(),
            script: script.clone(),
            digest: digest(text.as_bytes()),
            transcript: text,
        };
        self.entry = Some(writing.append(now, &body)?);
        Ok(())
    }
}

/// A certificate as the transcript has it.
fn listed(made: &Certified, entry: Option<i64>) -> Result<TranscriptCertificate, Error> {
    let key = match &made.stored {
        Some(StoredKey::Encrypted(_)) => Some("in an encrypted file".to_owned()),
        Some(stored @ StoredKey::Reference(_)) => stored.uri()?,
        None => None,
    };
    Ok(TranscriptCertificate { what: made.what.name(), der: made.der.clone(), key, entry })
}

/// What is unwise about the script.
fn unwise(plan: &Plan<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for step in plan.steps {
        findings.extend(certificate_lint::longevity(&step.role.certified_as(), plan.lifetime(step)?));
    }
    Ok(findings)
}

/// Has all secrets typed that are chosen anew or opened, before the first key is made.
fn ask_for_secrets(plan: &Plan<'_>, context: &mut Context<'_>) -> Result<(), Error> {
    let in_files =
        |custodian| plan.steps.iter().any(|step| step.place == KeyPlace::File && step.role.custodian() == custodian);
    let keyring = &mut context.keyring;
    if let Some(home) = plan.home {
        for step in plan.steps {
            home.check_custody(step.role.custodian(), &step.place, keyring)?;
        }
        if in_files(Custodian::Issuer) {
            home.open_passphrase(keyring)?;
        }
    } else if in_files(Custodian::Issuer) {
        keyring.choose_passphrase(Custodian::Issuer)?;
    }
    if in_files(Custodian::LedgerKeeper) {
        keyring.choose_passphrase(Custodian::LedgerKeeper)?;
    }
    Ok(())
}

/// Founds the authority: the folder appears whole, with its ledger, or not at all.
fn found(
    folder: NewFolder,
    plan: &Plan<'_>,
    made: Vec<Certified>,
    held: &mut Held<'_>,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    held.transcript.certificates = made.iter().map(|made| listed(made, Some(1))).collect::<Result<_, _>>()?;
    let mut parts = Vec::new();
    for made in made {
        match (made.what, made.signer, made.stored) {
            (What::Role(role, 1), Some(signer), Some(stored)) => parts.push((role, signer, stored)),
            _ => return Err(Error::NotWhatWasMeant),
        }
    }
    let mut further = |writing: &Writing<'_>| held.enter(writing, plan.now);
    init::establish(folder, plan.organization, None, &parts, plan.now, context, &mut further)
}

/// Adds the new keys to the authority: all of them are in use with the commit, or none is.
fn renew(plan: &Plan<'_>, made: Vec<Certified>, held: &mut Held<'_>, context: &mut Context<'_>) -> Result<(), Error> {
    let home = plan.home.ok_or(Error::NotWhatWasMeant)?;
    let mut ledger: Ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let register = writing.register()?;
    // Typing took its time.
    let now = clock::now()?;
    let offline = context.keyring.offline().map(Path::to_owned);
    let (mut written, mut across) = (Written::default(), Vec::new());
    for made in &made {
        let entry = match (made.what, &made.stored) {
            (What::Role(role, place), Some(stored)) => {
                if register.of_role(role).count() + 1 != place {
                    let file = format!("{}.pem", role.file_name(place));
                    return Err(Error::FileExists(home.path().join(file)));
                }
                let spki = Certificate::from_der(&made.der).map_err(|_| Error::KeyMismatch)?.spki().to_vec();
                home.check_unused(Some(role), &spki)?;
                home.add(role, place, &made.der, stored, offline.as_deref(), &mut written)?;
                writing.append(
                    now,
                    &Body::CertificateRenewed {
                        role: role.slug().to_owned(),
                        digest: digest(&made.der),
                        certificate: to_hex(&made.der),
                    },
                )?
            }
            (What::Across { role, .. }, None) => {
                across.push((role, &made.der));
                writing.append(
                    now,
                    &Body::CrossCertified {
                        role: role.slug().to_owned(),
                        digest: digest(&made.der),
                        certificate: to_hex(&made.der),
                    },
                )?
            }
            _ => return Err(Error::NotWhatWasMeant),
        };
        held.transcript.certificates.push(listed(made, Some(entry))?);
    }
    for role in [Role::TokenRoot, Role::HolderRoot] {
        let new = across.iter().filter(|(of, _)| *of == role).map(|(_, der)| (*der).clone());
        let mut all = home.across(role)?;
        all.retain(|der| register.certificate(&digest(der)).is_ok());
        let before = all.len();
        all.extend(new);
        if all.len() > before {
            home.replace_across(role, &all, &mut written)?;
        }
    }
    held.enter(&writing, now)?;
    let certificates: Vec<_> = made.iter().map(|made| &made.der[..]).collect();
    context.keyring.certify(&certificates)?;
    // A key that nobody refers to does less harm than an entry without its key.
    context.keyring.keep();
    written.keep();
    writing.commit()
}

fn answer(arguments: &CeremonyRun, held: &Held<'_>, text: &str, warnings: Vec<Finding>) -> Answer {
    let transcript = &held.transcript;
    let next = match (&held.entry, transcript.script.kind) {
        (None, _) => "hold it: the same command with --perform, where its keys are, and --transcript FILE".to_owned(),
        (Some(_), kind) => {
            let more = match kind {
                Kind::Found => "build anchors.pem into the product, and ",
                Kind::Renew | Kind::RollOver => "",
            };
            format!(
                "{more}have the transcript signed by hand, or by countersign-authority ceremony sign; sign the ledger \
                 too: countersign-authority ledger sign"
            )
        }
    };
    let entry = held.entry.map(|entry| format!("entry {entry} of the ledger")).unwrap_or_default();
    let said = match (&arguments.transcript, held.entry) {
        (Some(path), Some(_)) => format!("Held the ceremony ({entry}); its transcript is {}.\n", path.display()),
        (Some(path), None) => format!("Rehearsed the ceremony; the transcript of that is {}.\n", path.display()),
        (None, _) => "Rehearsed the ceremony; nothing was written.\n".to_owned(),
    };
    let certificates: Value = transcript
        .certificates
        .iter()
        .map(|made| json!({ "what": made.what, "sha256": digest(&made.der), "ledger_entry": made.entry }))
        .collect();
    let json = json!({
        "ceremony": {
            "kind": transcript.script.kind.slug(),
            "performed": transcript.performed,
            "script": transcript.script.digest,
            "transcript": arguments.transcript,
            "transcript_sha256": digest(text.as_bytes()),
            "ledger_entry": held.entry,
            "certificates": certificates,
        }
    });
    Answer { text: format!("{text}\n{said}next: {next}\n"), json, warnings }
}
