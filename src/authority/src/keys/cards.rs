//! The PIV cards of a command.

use super::{
    Custodian, PivError,
    piv::{PivCard, PivKey},
    piv_search::{Candidate, SlotKey, Wanted},
};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
    key_uri::PivUri,
    prompt::Source,
};
use countersign_card::{LastTry, ManagementKey, Slot};
use countersign_common::Certificate;
use std::sync::Arc;

/// The cards that were shown their PINs, each with its one custodian, and the keys that were made on them.
pub(super) struct Cards {
    pins: Source,
    management: Source,
    last_try: LastTry,
    made: Vec<Made>,
    open: Vec<(Custodian, Arc<PivCard>)>,
    /// Whether one has the management key that everybody knows.
    pub(super) default_management_key: bool,
}

/// A key that was made just now, whose certificate is not on the card yet.
struct Made {
    card: Arc<PivCard>,
    slot: Slot,
    spki: Vec<u8>,
    management_key: ManagementKey,
}

/// A key with its custodian, by DER of its SubjectPublicKeyInfo.
pub(super) type Held = (Custodian, Vec<u8>);

impl Cards {
    pub(super) const fn new(pins: Source, management: Source, last_try: LastTry) -> Self {
        Self { pins, management, last_try, made: Vec::new(), open: Vec::new(), default_management_key: false }
    }

    /// Other programs may use the cards until the next signature.
    pub(super) fn give_back(&self) {
        self.open.iter().for_each(|(_, card)| card.give_back());
    }

    /// The card that a URI means, if nobody else has keys on it: one PIN would open them all.
    pub(super) fn find(&self, uri: &PivUri, wanted: Wanted<'_>, others: &[Vec<u8>]) -> Result<Candidate, Error> {
        let open: Vec<_> = self.open.iter().map(|(_, card)| Arc::clone(card)).collect();
        let card = Candidate::find(uri, wanted, &open)?;
        if card.keys().iter().any(|key| others.contains(&key.spki)) { Err(Error::SecretsSame) } else { Ok(card) }
    }

    /// Whether somebody else's open card has a key.
    pub(super) fn has_for_another(&self, custodian: Custodian, spki: &[u8]) -> bool {
        let others = self.open.iter().filter(|(whose, _)| *whose != custodian);
        others.flat_map(|(_, card)| card.keys()).any(|key| key.spki == spki)
    }

    /// Shows the card its PIN, unless that was done before.
    fn log_in(&mut self, card: Candidate, custodian: Custodian) -> Result<Arc<PivCard>, Error> {
        if let Candidate::Open(card) = card {
            let mut own = self.open.iter().filter(|(whose, _)| *whose == custodian);
            return if own.any(|(_, known)| Arc::ptr_eq(known, &card)) { Ok(card) } else { Err(Error::SecretsSame) };
        }
        self.give_back();
        let source = self.pins;
        let card = card.log_in(self.last_try, |question| source.read(question))?;
        self.open.push((custodian, Arc::clone(&card)));
        Ok(card)
    }

    /// Opens the key of a certificate.
    pub(super) fn key(
        &mut self,
        uri: &PivUri,
        spki: &[u8],
        padding: RsaPadding,
        custodian: Custodian,
        held: &[Held],
    ) -> Result<PivKey, Error> {
        let card = self.find(uri, Wanted::Key(spki), &of_others(held, custodian))?;
        let card = self.log_in(card, custodian)?;
        PivKey::new(card, uri.slot, spki.to_vec(), padding)
    }

    /// Takes the key that is in the slot, or makes one. By what it is found afterwards comes with it.
    pub(super) fn make(
        &mut self,
        uri: &PivUri,
        algorithm: KeyAlgorithm,
        padding: RsaPadding,
        custodian: Custodian,
        held: &[Held],
    ) -> Result<(PivKey, PivUri), Error> {
        let wanted = if uri.new { Wanted::AnyCard } else { Wanted::AnyKey };
        let found = self.find(uri, wanted, &of_others(held, custodian))?;
        let key = found.keys().into_iter().find(|key| key.slot == uri.slot);
        if uri.new {
            if let Some(SlotKey { slot, subject, .. }) = key {
                return Err(PivError::SlotTaken { slot, subject }.into());
            }
            if algorithm == KeyAlgorithm::Ed25519 {
                return Err(PivError::KeyKind("Ed25519".to_owned()).into());
            }
        }
        let card = self.log_in(found, custodian)?;
        let spki = match key {
            Some(key) => key.spki,
            None => self.generate(&card, uri.slot, algorithm)?,
        };
        let named = PivUri { slot: uri.slot, card: card.number, reader: None, new: false };
        let key = PivKey::new(card, uri.slot, spki, padding)?;
        key.prove()?;
        Ok((key, named))
    }

    fn generate(&mut self, card: &Arc<PivCard>, slot: Slot, algorithm: KeyAlgorithm) -> Result<Vec<u8>, Error> {
        card.check_free(slot)?;
        let known = match self.management.descriptor {
            Some(_) => None,
            None => card.default_management_key()?,
        };
        let management_key = match known {
            Some(key) => key,
            None => {
                if self.management.descriptor.is_none() {
                    self.give_back();
                }
                let typed = self.management.read("Management key of the card, in hexadecimal: ")?;
                ManagementKey::from_hex(typed.trim())?
            }
        };
        self.default_management_key |= management_key.is_default();
        let spki = card.generate(slot, algorithm, &management_key)?;
        self.made.push(Made { card: Arc::clone(card), slot, spki: spki.clone(), management_key });
        Ok(spki)
    }

    /// Puts certificates into the slots of the keys that were made: by them the keys are found again.
    pub(super) fn certify(&mut self, certificates: &[&[u8]]) -> Result<(), Error> {
        for made in self.made.drain(..) {
            let of_key = |der: &&&[u8]| Certificate::from_der(der).is_ok_and(|parsed| parsed.spki() == made.spki);
            let certificate = certificates.iter().find(of_key).ok_or(Error::KeyMismatch)?;
            made.card.put_certificate(made.slot, certificate, &made.management_key)?;
        }
        Ok(())
    }
}

fn of_others(held: &[Held], custodian: Custodian) -> Vec<Vec<u8>> {
    held.iter().filter(|(whose, _)| *whose != custodian).map(|(_, spki)| spki.clone()).collect()
}
