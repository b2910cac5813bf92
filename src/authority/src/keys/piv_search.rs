//! Finding a card: by its key, wherever it is inserted.

use super::{
    PivError,
    piv::{PivCard, Session, number},
};
use crate::{error::Error, key_uri::PivUri, prompt::Secret, words::to_hex};
use countersign_card::{
    Chuid, Error as CardError, LastTry, Options, PcscTransport, Pin, PinStatus, Piv, Reader, ReaderState, Slot,
    TransportError, readers,
};
use countersign_pki::display_name;
use der::{Decode as _, Encode as _};
use std::sync::Arc;

/// A key that a card says it has.
#[derive(Clone)]
pub(super) struct SlotKey {
    pub(super) slot: Slot,
    /// DER of its SubjectPublicKeyInfo.
    pub(super) spki: Vec<u8>,
    /// Whom its certificate names.
    pub(super) subject: Option<String>,
}

/// Which card is looked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The one with the key of this SubjectPublicKeyInfo.
    Key(&'a [u8]),
    /// The only one with a key in the slot.
    AnyKey,
    /// The only one at all.
    AnyCard,
}

/// A card in a reader that was looked at and given back. Nobody has shown it a PIN.
pub(super) struct Found {
    piv: Piv<PcscTransport>,
    reader: String,
    chuid: Option<Chuid>,
    keys: Vec<SlotKey>,
}

impl Found {
    fn look(reader: &str, slot: Slot) -> Result<Self, CardError> {
        let mut piv = Piv::select(PcscTransport::connect(Some(reader))?, Options::default())?;
        let chuid = piv.chuid()?;
        let other = if slot == Slot::Signature { Slot::Authentication } else { Slot::Signature };
        // By the certificate that is read last the card is known again.
        let mut keys = Vec::new();
        for slot in [other, slot] {
            match key_in(&mut piv, slot) {
                Ok(key) => keys.extend(key),
                // What is in the other slot decides nothing here.
                Err(CardError::MalformedObject { .. } | CardError::CertificateCompression { .. }) if slot == other => {}
                Err(error) => return Err(error),
            }
        }
        piv.release()?;
        Ok(Self { piv, reader: reader.to_owned(), chuid, keys })
    }

    /// Shows the card the PIN, for which `ask` is called while the card is free.
    fn log_in(mut self, last_try: LastTry, ask: impl FnOnce(&str) -> Result<Secret, Error>) -> Result<PivCard, Error> {
        self.piv.resume()?;
        let tries = match self.piv.pin_status()? {
            PinStatus::Blocked => return Err(CardError::PinBlocked.into()),
            PinStatus::TriesLeft(1) if last_try == LastTry::Keep => return Err(CardError::LastTryKept.into()),
            PinStatus::TriesLeft(1) => ", the last try".to_owned(),
            PinStatus::TriesLeft(tries) => format!(", {tries} tries left"),
            PinStatus::Verified => String::new(),
        };
        self.piv.release()?;
        let pin = Pin::new(&ask(&format!("PIN of the card in {}{tries}: ", self.reader))?)?;
        let (piv, chuid, keys) = (self.piv, self.chuid, self.keys);
        let session = Session { piv, chuid, keys, pin, last_try, is_held: false, is_verified: false };
        PivCard::new(session, self.reader)
    }
}

/// What the card says of the key in a slot: by the certificate, or where there is none by its metadata.
fn key_in(piv: &mut Piv<PcscTransport>, slot: Slot) -> Result<Option<SlotKey>, CardError> {
    if let Some(der) = piv.certificate(slot)? {
        let malformed = |_| CardError::MalformedObject { object: "certificate", what: "not a certificate of X.509" };
        // Whoever issued it, and for whatever: only whose key it is counts, and that is proved by signing.
        let certificate = x509_cert::Certificate::from_der(&der).map_err(malformed)?;
        let body = certificate.tbs_certificate();
        let spki = body.subject_public_key_info().to_der().map_err(malformed)?;
        let subject = display_name(&body.subject().to_der().map_err(malformed)?);
        return Ok(Some(SlotKey { slot, spki, subject: Some(subject) }));
    }
    let public = piv.slot_key(slot)?.and_then(|key| key.public);
    Ok(public.map(|public| SlotKey { slot, spki: public.spki_der().to_vec(), subject: None }))
}

/// A card, known from before in this command or not.
pub(super) enum Candidate {
    Found(Box<Found>),
    Open(Arc<PivCard>),
}

impl Candidate {
    /// The card that a URI means. Cards in `open` are not connected to again.
    pub(super) fn find(uri: &PivUri, wanted: Wanted<'_>, open: &[Arc<PivCard>]) -> Result<Self, Error> {
        let (mut fitting, mut seen, mut faults, mut is_empty) = (Vec::new(), Vec::new(), Vec::new(), false);
        for reader in with_cards(readers().map_err(CardError::from)?, uri.reader.as_deref())? {
            let known = open.iter().find(|card| card.reader == reader);
            let looked = match known {
                Some(card) => Ok(Self::Open(Arc::clone(card))),
                None => Found::look(&reader, uri.slot).map(|found| Self::Found(Box::new(found))),
            };
            match looked {
                Ok(card) => {
                    seen.push(format!("{reader}: {}", card.words(uri.slot)));
                    is_empty |= matches!(wanted, Wanted::AnyKey) && card.key(uri.slot).is_none();
                    if card.fits(uri, wanted) {
                        fitting.push(card);
                    }
                }
                Err(error) => {
                    seen.push(format!("{reader}: {error}"));
                    faults.push(error);
                }
            }
        }
        // A copy of a card would be as good; which one is not asked then.
        let by_key =
            |card: &Self| card.key(uri.slot).is_some_and(|key| matches!(wanted, Wanted::Key(spki) if key.spki == spki));
        if let Some(at) = fitting.iter().position(by_key) {
            return Ok(fitting.swap_remove(at));
        }
        match (fitting.pop(), fitting.is_empty()) {
            (Some(card), true) => Ok(card),
            (Some(_), false) => Err(PivError::Ambiguous { found: seen }.into()),
            // With one card there is one reason.
            (None, _) if seen.len() == 1 => match faults.pop() {
                Some(fault) => Err(fault.into()),
                None if is_empty => Err(CardError::NoCertificate { slot: uri.slot }.into()),
                None => Err(PivError::Missing { found: seen }.into()),
            },
            (None, _) => Err(PivError::Missing { found: seen }.into()),
        }
    }

    fn fits(&self, uri: &PivUri, wanted: Wanted<'_>) -> bool {
        let is_named = uri.card.is_none() || uri.card == self.number();
        match (wanted, self.key(uri.slot)) {
            // The key decides. Only where the card does not tell of its key does its number, and what it signs.
            (Wanted::Key(spki), Some(key)) => key.spki == spki,
            (Wanted::Key(_), None) => uri.card.is_some() && is_named,
            (Wanted::AnyKey, key) => is_named && key.is_some(),
            (Wanted::AnyCard, _) => is_named,
        }
    }

    /// What is told of it where it is not, or not certainly, the one that was meant.
    fn words(&self, slot: Slot) -> String {
        let card = self.number().map_or_else(|| "a card".to_owned(), |number| format!("card {}", to_hex(&number)));
        match self.key(slot) {
            Some(SlotKey { subject: Some(subject), .. }) => format!("{card}, slot {slot} with the key of {subject}"),
            Some(_) => format!("{card}, slot {slot} with a key without certificate"),
            None => format!("{card}, no certificate in slot {slot}"),
        }
    }

    /// The number in its CHUID, where it has one.
    pub(super) fn number(&self) -> Option<[u8; 16]> {
        match self {
            Self::Found(found) => found.chuid.as_ref().and_then(number),
            Self::Open(card) => card.number,
        }
    }

    /// The keys in its two slots that sign.
    pub(super) fn keys(&self) -> Vec<SlotKey> {
        match self {
            Self::Found(found) => found.keys.clone(),
            Self::Open(card) => card.keys(),
        }
    }

    fn key(&self, slot: Slot) -> Option<SlotKey> {
        self.keys().into_iter().find(|key| key.slot == slot)
    }

    /// Shows it the PIN, unless that was done before.
    pub(super) fn log_in(
        self,
        last_try: LastTry,
        ask: impl FnOnce(&str) -> Result<Secret, Error>,
    ) -> Result<Arc<PivCard>, Error> {
        match self {
            Self::Found(found) => found.log_in(last_try, ask).map(Arc::new),
            Self::Open(card) => Ok(card),
        }
    }
}

/// The names of the readers that hold a card: all, the one of a name, or those whose names contain it.
fn with_cards(readers: Vec<Reader>, name: Option<&str>) -> Result<Vec<String>, Error> {
    let fault = |error: TransportError| Err(CardError::from(error).into());
    if readers.is_empty() {
        return fault(TransportError::NoReader);
    }
    let is_exact = readers.iter().any(|reader| Some(reader.name.as_str()) == name);
    let is_meant = |reader: &Reader| {
        name.is_none_or(|name| if is_exact { reader.name == name } else { reader.name.contains(name) })
    };
    let meant: Vec<_> = readers.into_iter().filter(is_meant).collect();
    match (name, meant.is_empty()) {
        (Some(name), true) => return fault(TransportError::ReaderUnknown { name: name.to_owned() }),
        _ if meant.iter().all(|reader| reader.state == ReaderState::Empty) => return fault(TransportError::NoCard),
        _ => {}
    }
    Ok(meant.into_iter().filter(|reader| reader.state != ReaderState::Empty).map(|reader| reader.name).collect())
}
