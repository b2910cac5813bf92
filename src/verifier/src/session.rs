//! The part of an activation that needs the card: from its certificate to the record that it signed.
//!
//! Scripted, this takes SELECT, one GET DATA, the PIN status, VERIFY and GENERAL AUTHENTICATE. With a person at the
//! terminal the card is free for other programs while they type, and afterwards it must be the same card.

use crate::{cards::Connection, context::clock, error::Error, random, signing, ui::Person};
use countersign::Trust;
use countersign_card::{Error as CardError, LastTry, Options, Pin, PinStatus, Piv};
use countersign_common::{Admission, Certificate, MachineFacts, Reason, SigningRequest, Slot, VerifiedToken, oid};
use countersign_report::visible;
use der::Encode as _;
use zeroize::Zeroizing;

/// What is to be signed, and how.
pub(crate) struct Job<'a> {
    pub(crate) token: &'a VerifiedToken<'a>,
    pub(crate) trust: &'a Trust<'a>,
    pub(crate) issuers: &'a [Certificate<'a>],
    /// 9C, and 9A where only that one is admitted, unless one is named.
    pub(crate) slot: Option<Slot>,
    pub(crate) machine: &'a MachineFacts,
    pub(crate) work_order: Option<String>,
    pub(crate) last_try: LastTry,
    pub(crate) pin: PinSource,
}

/// Where the PIN comes from.
pub(crate) enum PinSource {
    /// It was given.
    Given(Pin),
    /// The person is asked.
    Person,
}

/// A PIV slot as the card crate names it.
pub(crate) fn card_slot(slot: Slot) -> countersign_card::Slot {
    match slot {
        Slot::Authentication => countersign_card::Slot::Authentication,
        Slot::Signature => countersign_card::Slot::Signature,
    }
}

/// Has the card sign. What comes back is DER of a record that nobody has verified yet.
pub(crate) fn sign(
    job: &Job<'_>,
    connection: Connection,
    options: Options,
    person: &mut dyn Person,
) -> Result<Vec<u8>, Error> {
    let mut piv = Piv::select(connection, options)?;
    let (slot, der, admission) = holder(job, &mut piv)?;
    let holder = Certificate::from_der(&der).map_err(Reason::Holder)?;
    let (card_algorithm, algorithm) = signing::algorithms(holder.public_key().map_err(Reason::Holder)?.kind())?;
    match &job.pin {
        PinSource::Given(pin) => {
            ready_for_pin(&mut piv, job.last_try)?;
            piv.verify_pin(pin, job.last_try)?;
        }
        PinSource::Person => verify_asked(job, &mut piv, &holder, person)?,
    }
    // The time of signing, not that of the first look: a person may have typed for a while.
    let time = clock()?;
    let (nonce, lists, order) = (random::nonce()?, &job.trust.lists, job.work_order.clone());
    let challenge = job.token.challenge(&admission, time, nonce, job.machine, lists, order);
    // Only what is larger than any file that is read has no encoding.
    let not_der = |_| Reason::NotDer { what: "activation record", at: 0 };
    let challenge = challenge.to_der().map_err(not_der)?;
    let request = SigningRequest::new(oid::CONTENT_CHALLENGE, &challenge, &holder, algorithm, time);
    let request = request.map_err(not_der)?;
    let prepared = card_algorithm.prepare(&algorithm.signer_input(request.message()));
    let signature = piv.sign(card_slot(slot), card_algorithm, &prepared)?;
    drop(piv);
    let issuers: Vec<&[u8]> =
        admission.issuers.iter().filter_map(|place| job.issuers.get(*place)).map(Certificate::der).collect();
    Ok(request.finish(&signature, &issuers, Some(job.token.object().der())).map_err(not_der)?)
}

/// The slot and the certificate to sign with, and the grant that admits it.
fn holder(job: &Job<'_>, piv: &mut Piv<Connection>) -> Result<(Slot, Vec<u8>, Admission), Error> {
    let first = job.slot.unwrap_or(Slot::Signature);
    let refusal = match candidate(job, piv, first) {
        Ok((der, admission)) => return Ok((first, der, admission)),
        Err(error @ Error::Card(CardError::Transport(_))) => return Err(error),
        Err(error) => error,
    };
    // 9A only where a grant allows it, and only after 9C was found not to do.
    let allowed = job.token.body().grants.iter().any(|grant| grant.authentication_slot);
    if job.slot.is_some() || !allowed {
        return Err(refusal);
    }
    match candidate(job, piv, Slot::Authentication) {
        Ok((der, admission)) => Ok((Slot::Authentication, der, admission)),
        Err(error @ Error::Card(CardError::Transport(_))) => Err(error),
        Err(_) => Err(refusal),
    }
}

/// The certificate in a slot, where the token admits it.
fn candidate(job: &Job<'_>, piv: &mut Piv<Connection>, slot: Slot) -> Result<(Vec<u8>, Admission), Error> {
    let der = piv.certificate(card_slot(slot))?.ok_or(CardError::NoCertificate { slot: card_slot(slot) })?;
    let holder = Certificate::from_der(&der).map_err(Reason::Holder)?;
    let admission = job.token.admit(&holder, job.issuers, slot, clock()?, &job.trust.anchors, &job.trust.lists)?;
    Ok((der, admission))
}

/// Asks the card about its PIN, and refuses what must not be tried.
fn ready_for_pin(piv: &mut Piv<Connection>, last_try: LastTry) -> Result<PinStatus, Error> {
    match piv.pin_status()? {
        PinStatus::Blocked => Err(CardError::PinBlocked.into()),
        PinStatus::TriesLeft(1) if last_try == LastTry::Keep => Err(CardError::LastTryKept.into()),
        status => Ok(status),
    }
}

/// Tells the tries left, asks, and shows the card the PIN; again after a wrong one, as long as tries may be spent.
fn verify_asked(
    job: &Job<'_>,
    piv: &mut Piv<Connection>,
    holder: &Certificate<'_>,
    person: &mut dyn Person,
) -> Result<(), Error> {
    let cancelled = |_| Error::Cancelled;
    person.tell(&format!("The card of {} will sign.\n", visible(&holder.subject_text()))).map_err(cancelled)?;
    loop {
        let status = ready_for_pin(piv, job.last_try)?;
        piv.release()?;
        let pin = ask(status, person)?;
        piv.resume()?;
        match piv.verify_pin(&pin, job.last_try) {
            Err(CardError::WrongPin { tries_left }) if tries_left > 1 || job.last_try == LastTry::Spend => {
                person.tell("Wrong PIN.\n").map_err(cancelled)?;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Asks until what was typed has the form of a PIN: nothing else is ever shown to the card.
fn ask(status: PinStatus, person: &mut dyn Person) -> Result<Pin, Error> {
    let tries = match status {
        PinStatus::TriesLeft(1) => "the last try: a wrong PIN blocks the card".to_owned(),
        PinStatus::TriesLeft(tries) => format!("{tries} tries left"),
        _ => "no wrong one counted".to_owned(),
    };
    loop {
        let typed: Zeroizing<String> =
            person.ask_secret(&format!("PIN ({tries}; nothing to leave): ")).map_err(|_| Error::Cancelled)?;
        if typed.is_empty() {
            return Err(Error::Cancelled);
        }
        match Pin::new(&typed) {
            Ok(pin) => return Ok(pin),
            Err(error) => person.tell(&format!("{error}; nothing was sent.\n")).map_err(|_| Error::Cancelled)?,
        }
    }
}
