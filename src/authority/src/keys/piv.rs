//! Keys on PIV cards, over PC/SC: the card is shown the PIN, and signs blocks that are made outside.
//!
//! A card is held only while it works: the keyring has it given back before a person is asked for anything. Taken again,
//! it must be the same card. With 9C the PIN is shown before each signature, with 9A once while the card is held.

use super::{PivError, SigningKey, piv_search::SlotKey, pss};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
    random,
};
use countersign_card::{Algorithm, Chuid, Error as CardError, LastTry, ManagementKey, PcscTransport, Pin, Piv, Slot};
use countersign_common::{HashAlgorithm, PublicKey, SignatureAlgorithm};
use countersign_pki::KeyKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The management key with which most cards are delivered.
const DEFAULT_MANAGEMENT_KEY: &str = "010203040506070801020304050607080102030405060708";

/// A card that was shown its PIN. It is reset when this is dropped.
pub(super) struct PivCard {
    // One signature at a time, whichever thread asks for it.
    session: Mutex<Session>,
    pub(super) reader: String,
    /// The number in its CHUID, where it has one.
    pub(super) number: Option<[u8; 16]>,
}

/// What goes on with the card.
pub(super) struct Session {
    pub(super) piv: Piv<PcscTransport>,
    pub(super) chuid: Option<Chuid>,
    pub(super) keys: Vec<SlotKey>,
    pub(super) pin: Pin,
    pub(super) last_try: LastTry,
    /// Whether it is held for this program alone.
    pub(super) is_held: bool,
    /// Whether it has seen the PIN since it is held.
    pub(super) is_verified: bool,
}

impl Session {
    /// Takes the card, if it is not held; another one in its place is refused.
    fn take(&mut self) -> Result<(), CardError> {
        if self.is_held {
            return Ok(());
        }
        self.piv.resume()?;
        self.is_held = true;
        // A card without certificates is known by its number alone.
        if self.piv.chuid()? == self.chuid { Ok(()) } else { Err(CardError::CardExchanged) }
    }

    fn show_pin(&mut self) -> Result<(), CardError> {
        self.take()?;
        self.piv.verify_pin(&self.pin, self.last_try)?;
        self.is_verified = true;
        Ok(())
    }

    fn sign(&mut self, slot: Slot, algorithm: Algorithm, block: &[u8]) -> Result<Vec<u8>, CardError> {
        self.take()?;
        if slot == Slot::Authentication && self.is_verified {
            match self.piv.sign(slot, algorithm, block) {
                // There are cards that want it each time there as well. They have not signed yet.
                Err(CardError::PinRequired) => {}
                signed => return signed,
            }
        }
        self.show_pin()?;
        self.piv.sign(slot, algorithm, block)
    }

    fn give_back(&mut self) {
        // Where the card is gone, so is what it was shown.
        let _ = self.piv.release();
        self.is_held = false;
        self.is_verified = false;
    }
}

impl PivCard {
    /// Shows the card the PIN for the first time.
    pub(super) fn new(mut session: Session, reader: String) -> Result<Self, Error> {
        session.show_pin()?;
        let number = session.chuid.as_ref().and_then(number);
        Ok(Self { session: Mutex::new(session), reader, number })
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done with the card; after a fault it is given back.
    fn with<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, CardError>) -> Result<T, Error> {
        let mut session = self.session();
        let done = work(&mut session);
        if done.is_err() {
            session.give_back();
        }
        Ok(done?)
    }

    /// Other programs may use it, until the next signature.
    pub(super) fn give_back(&self) {
        self.session().give_back();
    }

    /// The keys that it was seen to have.
    pub(super) fn keys(&self) -> Vec<SlotKey> {
        self.session().keys.clone()
    }

    /// The management key that cards are delivered with, if it opens this one. It has no counter of tries.
    pub(super) fn default_management_key(&self) -> Result<Option<ManagementKey>, Error> {
        let key = ManagementKey::from_hex(DEFAULT_MANAGEMENT_KEY)?;
        let challenge = random::octets()?;
        self.with(|session| {
            session.take()?;
            match session.piv.authenticate_management(&key, challenge) {
                Ok(_) => Ok(Some(key)),
                Err(
                    CardError::ManagementKeyWrong
                    | CardError::ManagementKeyLength { .. }
                    | CardError::ManagementAlgorithmUnknown,
                ) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Refuses a slot with a key in it, as far as the card tells.
    pub(super) fn check_free(&self, slot: Slot) -> Result<(), Error> {
        let seen = self.keys().into_iter().find(|key| key.slot == slot).map(|key| key.subject);
        let subject = match seen {
            Some(subject) => subject,
            None => {
                let occupied = self.with(|session| {
                    session.take()?;
                    // What cannot be read is not free.
                    Ok(session.piv.slot_key(slot)?.is_some() || session.piv.certificate(slot)?.is_some())
                })?;
                if !occupied {
                    return Ok(());
                }
                None
            }
        };
        Err(PivError::SlotTaken { slot, subject }.into())
    }

    /// Has the card make a key. Returns DER of its SubjectPublicKeyInfo.
    pub(super) fn generate(&self, slot: Slot, algorithm: KeyAlgorithm, key: &ManagementKey) -> Result<Vec<u8>, Error> {
        let algorithm = match algorithm {
            KeyAlgorithm::P256 => Algorithm::P256,
            KeyAlgorithm::P384 => Algorithm::P384,
            KeyAlgorithm::Rsa2048 => Algorithm::Rsa2048,
            KeyAlgorithm::Rsa3072 => Algorithm::Rsa3072,
            KeyAlgorithm::Rsa4096 => Algorithm::Rsa4096,
            KeyAlgorithm::Ed25519 => return Err(PivError::KeyKind("Ed25519".to_owned()).into()),
        };
        let challenge = random::octets()?;
        self.with(|session| {
            session.take()?;
            session.piv.authenticate_management(key, challenge)?;
            let spki = session.piv.generate_key(slot, algorithm)?.spki_der().to_vec();
            session.keys.push(SlotKey { slot, spki: spki.clone(), subject: None });
            Ok(spki)
        })
    }

    /// Puts the certificate of a key into its slot, and reads it back.
    pub(super) fn put_certificate(&self, slot: Slot, certificate: &[u8], key: &ManagementKey) -> Result<(), Error> {
        let challenge = random::octets()?;
        let read = self.with(|session| {
            session.take()?;
            session.piv.authenticate_management(key, challenge)?;
            session.piv.put_certificate(slot, certificate)?;
            session.piv.certificate(slot)
        })?;
        if read.as_deref() == Some(certificate) { Ok(()) } else { Err(Error::CardReadBack) }
    }
}

/// The number in a CHUID; cards that have none of their own have zeros.
pub(super) fn number(chuid: &Chuid) -> Option<[u8; 16]> {
    Some(chuid.guid).filter(|guid| *guid != [0; 16])
}

/// A private key on a card, with its public half.
pub(super) struct PivKey {
    card: Arc<PivCard>,
    slot: Slot,
    spki: Vec<u8>,
    on_card: Algorithm,
    algorithm: SignatureAlgorithm,
}

impl PivKey {
    /// The key in a slot whose public half is known.
    pub(super) fn new(card: Arc<PivCard>, slot: Slot, spki: Vec<u8>, padding: RsaPadding) -> Result<Self, Error> {
        let strange = |kind: String| Error::from(PivError::KeyKind(kind));
        let kind = PublicKey::from_spki(&spki).map_err(|_| strange("unknown".to_owned()))?.kind();
        let (on_card, algorithm) = match (kind, padding) {
            (KeyKind::P256, _) => (Algorithm::P256, SignatureAlgorithm::EcdsaP256Sha256),
            (KeyKind::P384, _) => (Algorithm::P384, SignatureAlgorithm::EcdsaP384Sha384),
            (KeyKind::Rsa(bits @ (2048 | 3072 | 4096)), padding) => {
                let on_card = match bits {
                    2048 => Algorithm::Rsa2048,
                    3072 => Algorithm::Rsa3072,
                    _ => Algorithm::Rsa4096,
                };
                match padding {
                    RsaPadding::Pkcs1 => (on_card, SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256)),
                    RsaPadding::Pss => (on_card, SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256)),
                }
            }
            (kind, _) => return Err(strange(kind.to_string())),
        };
        Ok(Self { card, slot, spki, on_card, algorithm })
    }

    /// Refuses a card that does not sign with the key that it announced: a certificate can be put on any card.
    pub(super) fn prove(&self) -> Result<(), Error> {
        // What is signed begins so, so that the proof is good for nothing else.
        let message = [b"countersign key on a card", &random::octets::<32>()?[..], &self.spki].concat();
        super::sign(self, &message).map(drop).map_err(|error| match error {
            Error::KeyMismatch => Error::NoPossession,
            error => error,
        })
    }
}

impl SigningKey for PivKey {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let block = match self.algorithm {
            SignatureAlgorithm::RsaPss(_) => {
                pss::encode(input, random::octets()?, self.on_card.input_length()).ok_or(Error::KeyMismatch)?
            }
            _ => self.on_card.prepare(input),
        };
        self.card.with(|session| session.sign(self.slot, self.on_card, &block))
    }
}
