//! What is on a card before it is changed, and what is to be done with it.

use super::guid_text;
use crate::{
    args::{CardAlgorithm, CardSlot, Enroll},
    cards::{CardRules, PinRules, Roots},
    certs,
    error::Error,
    register::Register,
    words::{Interval, digest},
};
use countersign_card::{Algorithm, Chuid, Error as CardError, LastTry, PinStatus, Piv, Slot, Transport};
use countersign_common::{Certificate, HashAlgorithm, SignatureAlgorithm};
use std::path::{Path, PathBuf};
use x509_cert::name::Name;

/// Whom a card is for.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) email: Option<String>,
}

impl Person {
    /// Reads a subject and an address as they are typed.
    pub(super) fn parse(subject: &str, email: Option<&str>) -> Result<Self, Error> {
        let name = certs::parse_name(subject)?;
        email.map(check_email).transpose()?;
        Ok(Self { name, email: email.map(str::to_owned) })
    }

    /// The subject as certificates are shown.
    pub(super) fn subject(&self) -> String {
        self.name.to_string()
    }

    /// Whether a certificate names this person.
    pub(super) fn is_named_by(&self, certificate: &Certificate<'_>) -> bool {
        der::Encode::to_der(&self.name).is_ok_and(|name| name == certificate.subject())
    }
}

/// RFC 5280 4.2.1.6 has a mailbox without anything around it; more than this only the mail itself can tell.
fn check_email(email: &str) -> Result<(), Error> {
    let plain = email.len() <= 254 && email.bytes().all(|octet| octet.is_ascii_graphic());
    match email.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => Ok(()),
        _ => Err(Error::Usage(format!("{email:?} is not an e-mail address such as ada@example.com"))),
    }
}

/// What is to be done with every card.
pub(super) struct Terms {
    pub(super) slots: Vec<Slot>,
    pub(super) algorithm: Algorithm,
    pub(super) signs_with: SignatureAlgorithm,
    pub(super) validity: Interval,
    pub(super) replace: bool,
    pub(super) new_chuid: bool,
    pub(super) new_secrets: bool,
    pub(super) last_try: LastTry,
    pub(super) pins: PinRules,
    /// To which roots the attestations must lead, where there must be some.
    pub(super) roots: Option<Roots>,
}

impl Terms {
    /// What was typed, and what the limits of the authority in a folder demand besides.
    pub(super) fn new(arguments: &Enroll, rules: &CardRules, home: &Path) -> Result<Self, Error> {
        let new_secrets = arguments.new_secrets || rules.new_secrets;
        if !new_secrets && [arguments.new_pin_fd, arguments.puk_fd, arguments.new_puk_fd].iter().any(Option::is_some) {
            return Err(Error::Usage("a new PIN or PUK goes with --new-secrets".to_owned()));
        }
        let attested = arguments.require_attestation || rules.attested;
        let roots = if attested {
            let beside: Vec<PathBuf> = rules.attestation_roots.iter().map(|path| home.join(path)).collect();
            let paths = if arguments.attestation_root.is_empty() { &beside } else { &arguments.attestation_root };
            Some(Roots::read(paths.iter().map(PathBuf::as_path))?)
        } else {
            None
        };
        let mut slots = Vec::new();
        for slot in &arguments.slot {
            let slot = match slot {
                CardSlot::Signature => Slot::Signature,
                CardSlot::Authentication => Slot::Authentication,
            };
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        if slots.is_empty() {
            slots.push(Slot::Signature);
        }
        let (algorithm, signs_with) = match arguments.algorithm {
            CardAlgorithm::P256 => (Algorithm::P256, SignatureAlgorithm::EcdsaP256Sha256),
            CardAlgorithm::Rsa2048 => (Algorithm::Rsa2048, SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256)),
        };
        Ok(Self {
            slots,
            algorithm,
            signs_with,
            validity: arguments.validity,
            replace: arguments.replace,
            new_chuid: arguments.new_chuid,
            new_secrets,
            last_try: if arguments.use_last_try { LastTry::Spend } else { LastTry::Keep },
            pins: rules.pins(),
            roots,
        })
    }
}

/// What is on a card.
#[derive(Debug)]
pub(super) struct Survey {
    /// By what the card is known; nothing where it has no identity, or one without a number.
    pub(super) chuid: Option<Chuid>,
    /// Where keys are to be made.
    pub(super) missing: Vec<Slot>,
    /// Where this person has a certificate of this authority already, in DER: a card that was pulled half-way.
    pub(super) done: Vec<(Slot, Vec<u8>)>,
    /// What the card says of its PIN.
    pub(super) pin: PinStatus,
}

impl Survey {
    /// Looks at the slots that are meant, and refuses those that hold something else, unless it is to be replaced.
    pub(super) fn take<T: Transport>(
        piv: &mut Piv<T>,
        terms: &Terms,
        person: &Person,
        register: &Register,
    ) -> Result<Self, Error> {
        let (mut missing, mut done) = (Vec::new(), Vec::new());
        for slot in terms.slots.iter().copied() {
            let subject = match piv.certificate(slot) {
                Ok(None) => {
                    missing.push(slot);
                    continue;
                }
                Ok(Some(der)) => match Certificate::from_der(&der) {
                    Ok(parsed)
                        if !terms.replace && person.is_named_by(&parsed) && register.is_in_force(&digest(&der)) =>
                    {
                        done.push((slot, der));
                        continue;
                    }
                    parsed => parsed.map_or_else(|error| error.to_string(), |parsed| parsed.subject_text()),
                },
                // What cannot be read is not free.
                Err(error @ (CardError::MalformedObject { .. } | CardError::CertificateCompression { .. })) => {
                    error.to_string()
                }
                Err(error) => return Err(error.into()),
            };
            if !terms.replace {
                return Err(Error::SlotOccupied { slot: slot.to_string(), subject });
            }
            missing.push(slot);
        }
        let chuid = identity(piv, terms.new_chuid)?;
        let pin = piv.pin_status()?;
        match pin {
            PinStatus::Blocked => Err(CardError::PinBlocked.into()),
            PinStatus::TriesLeft(1) if terms.last_try == LastTry::Keep => Err(CardError::LastTryKept.into()),
            _ => Ok(Self { chuid, missing, done, pin }),
        }
    }

    /// Refuses a card on which there is nothing to do.
    pub(super) fn check_something_missing(&self) -> Result<(), Error> {
        match self.done.first() {
            Some((slot, der)) if self.missing.is_empty() => {
                let subject =
                    Certificate::from_der(der).map_or_else(|error| error.to_string(), |one| one.subject_text());
                Err(Error::SlotOccupied { slot: slot.to_string(), subject })
            }
            _ => Ok(()),
        }
    }

    /// Takes the card again after a person has typed; another one in its place is refused. A new card has no certificate to
    /// be known by, so its identity is compared as well.
    pub(super) fn resume<T: Transport>(&self, piv: &mut Piv<T>, new_chuid: bool) -> Result<(), Error> {
        piv.resume()?;
        if identity(piv, new_chuid)? == self.chuid { Ok(()) } else { Err(CardError::CardExchanged.into()) }
    }

    /// In words, what will be done.
    pub(super) fn plan(&self, terms: &Terms, person: &Person) -> Vec<String> {
        let mut steps = Vec::new();
        match &self.chuid {
            Some(chuid) if !terms.new_chuid => steps.push(format!("keep its identity {}", guid_text(&chuid.guid))),
            Some(_) => steps.push("replace its identity by a new one".to_owned()),
            None => steps.push("give it an identity".to_owned()),
        }
        if terms.new_secrets {
            steps.push("replace its management key, its PUK and its PIN, in this order".to_owned());
        } else {
            steps.push("keep its PIN, its PUK and its management key".to_owned());
        }
        for (slot, _) in &self.done {
            steps.push(format!("keep what slot {slot} has: it is the person's already"));
        }
        let attested = if terms.roots.is_some() { ", have it attested" } else { "" };
        for slot in &self.missing {
            let (algorithm, subject) = (terms.algorithm, person.subject());
            steps
                .push(format!("make a key of kind {algorithm} in slot {slot}{attested}, and certify it for {subject}"));
        }
        steps
    }
}

/// What the card is known by. A number of zeros tells nothing apart; what cannot be read is nothing if it will be replaced.
fn identity<T: Transport>(piv: &mut Piv<T>, replaced: bool) -> Result<Option<Chuid>, Error> {
    match piv.chuid() {
        Err(CardError::MalformedObject { .. }) if replaced => Ok(None),
        chuid => Ok(chuid?.filter(|chuid| chuid.guid != [0; 16])),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert!(check_email("ada@example.com").is_ok());
        for email in ["", "ada", "@example.com", "ada@", "a@b@c", "ada lovelace@example.com", "ada@exämple.com"] {
            assert_eq!(check_email(email).unwrap_err().code(), "CS-7001", "{email}");
        }
    }
}
