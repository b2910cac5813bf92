//! The keys of a command, with the secrets that open them: each is asked for once, and not before it is needed.

use super::{
    FileKey, SigningKey,
    cards::{Cards, Held},
    file,
    hsm::{self, Hsm, Token},
    pkcs11::{MadePair, Pkcs11Key},
};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
    files,
    key_uri::{KeyPlace, OwnKey, Pkcs11Uri},
    keys::piv_search::Wanted,
    lint::Finding,
    prompt::{Secret, Source},
};
use countersign_card::LastTry;
use countersign_common::Certificate;
use cryptoki::context::Pkcs11;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// The largest reference to a key that is read, in octets.
const MAX_REFERENCE: usize = 4 * 1024;

/// Who has the secrets that open a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Custodian {
    /// Whoever issues: every key but one.
    Issuer,
    /// Whoever signs for the ledger, and does not issue.
    LedgerKeeper,
    /// An officer who approves tokens, while the key is made.
    Officer,
}

/// What is kept of a key in the authority's folder.
pub(crate) enum StoredKey {
    /// The key itself, encrypted, as PEM.
    Encrypted(Zeroizing<String>),
    /// Where it is, as TOML.
    Reference(String),
}

impl StoredKey {
    /// The URI of a key in hardware.
    pub(crate) fn uri(&self) -> Result<Option<String>, Error> {
        let Self::Reference(text) = self else { return Ok(None) };
        let reference: Reference = toml::from_str(text).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Some(reference.uri))
    }
}

/// Where a key is that is not in a file, and how it signs.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// A PKCS#11 URI, or that of a PIV card.
    uri: String,
    /// How it signs, where it is an RSA key.
    #[serde(default)]
    rsa_padding: RsaPadding,
}

impl Reference {
    /// Reads where a key is and how it signs.
    fn read(path: &Path) -> Result<(KeyPlace, RsaPadding), Error> {
        let text = files::read_text(path, MAX_REFERENCE)?;
        let reference: Self = toml::from_str(&text).map_err(|error| Error::damaged(path, error.message()))?;
        match reference.uri.parse().map_err(|fault: String| Error::damaged(path, fault))? {
            KeyPlace::File => Err(Error::damaged(path, "a reference to a file")),
            KeyPlace::Piv(uri) if uri.new => Err(Error::damaged(path, "a reference to a key that is to be made")),
            place => Ok((place, reference.rsa_padding)),
        }
    }

    fn write(uri: &impl core::fmt::Display, rsa_padding: RsaPadding) -> Result<StoredKey, Error> {
        let reference = Self { uri: uri.to_string(), rsa_padding };
        toml::to_string(&reference).map(StoredKey::Reference).map_err(|error| Error::Usage(error.to_string()))
    }
}

/// A key that is in use.
pub(crate) struct InUse {
    /// The file that says where it is, unless it is in a file itself.
    pub(crate) reference: Option<PathBuf>,
    /// DER of its SubjectPublicKeyInfo.
    pub(crate) spki: Vec<u8>,
}

/// Refuses what is no reference to a key.
pub(crate) fn check_reference(path: &Path) -> Result<(), Error> {
    Reference::read(path).map(drop)
}

/// The passphrase of one custodian's key files.
struct Passphrase {
    source: Source,
    /// What it opens, for the question.
    opens: &'static str,
    known: Option<Secret>,
}

impl Passphrase {
    fn read(&mut self) -> Result<&str, Error> {
        if self.known.is_none() {
            self.known = Some(self.source.read(&format!("Passphrase of {}: ", self.opens))?);
        }
        Ok(self.known.as_deref().map_or("", String::as_str))
    }
}

/// Where an officer's passphrase comes from unless a descriptor is named.
const OFFICER: Source = Source { descriptor: None, option: "--officer-passphrase-fd" };
/// Where a card's management key comes from unless a descriptor is named.
const MANAGEMENT: Source = Source { descriptor: None, option: "--key-management-fd" };

/// Opens keys and makes them. Keys that were made in hardware and not kept are removed from it at the end.
pub(crate) struct Keyring {
    issuer: Passphrase,
    ledger_keeper: Passphrase,
    officer: Passphrase,
    pin_source: Source,
    cards: Cards,
    /// The keys in hardware that were opened, by whom.
    held: Vec<Held>,
    /// Where keys are that are not in the authority's folder.
    offline: Option<PathBuf>,
    // In this order: keys go before the sessions, sessions before the modules.
    made: Vec<MadePair>,
    hsms: Vec<(Custodian, Arc<Hsm>)>,
    modules: Vec<(PathBuf, Pkcs11)>,
}

impl Keyring {
    /// With nothing asked yet: where the two passphrases come from, and the PINs.
    pub(crate) const fn new(issuer: Source, ledger_keeper: Source, pin_source: Source) -> Self {
        Self {
            issuer: Passphrase { source: issuer, opens: "the authority's keys", known: None },
            ledger_keeper: Passphrase { source: ledger_keeper, opens: "the ledger signer's key", known: None },
            officer: Passphrase { source: OFFICER, opens: "the officer's key", known: None },
            pin_source,
            cards: Cards::new(pin_source, MANAGEMENT, LastTry::Keep),
            held: Vec::new(),
            offline: None,
            made: Vec::new(),
            hsms: Vec::new(),
            modules: Vec::new(),
        }
    }

    /// From which descriptor the management key of a card comes, and whether the last try of its PIN may be spent.
    pub(crate) fn with_cards(mut self, management_descriptor: Option<i32>, last_try: LastTry) -> Self {
        let management = Source { descriptor: management_descriptor, ..MANAGEMENT };
        self.cards = Cards::new(self.pin_source, management, last_try);
        self
    }

    /// What is unwise about the hardware that was used.
    pub(crate) fn warnings(&self) -> Vec<Finding> {
        self.cards.default_management_key.then(Finding::default_management_key).into_iter().collect()
    }

    /// The passphrase, which a person may have to type: no card is held meanwhile.
    fn passphrase(&mut self, custodian: Custodian) -> Result<&str, Error> {
        if self.passphrase_of(custodian).known.is_none() {
            self.cards.give_back();
        }
        self.passphrase_of(custodian).read()
    }

    const fn passphrase_of(&mut self, custodian: Custodian) -> &mut Passphrase {
        match custodian {
            Custodian::Issuer => &mut self.issuer,
            Custodian::LedgerKeeper => &mut self.ledger_keeper,
            Custodian::Officer => &mut self.officer,
        }
    }

    /// Names the folder of the keys that lie in a safe otherwise.
    pub(crate) fn offline_in(&mut self, folder: Option<PathBuf>) {
        self.offline = folder;
    }

    /// That folder.
    pub(crate) fn offline(&self) -> Option<&Path> {
        self.offline.as_deref()
    }

    /// From which descriptor the passphrase of an officer comes.
    pub(crate) const fn officer_passphrase_from(&mut self, descriptor: Option<i32>) {
        self.officer.source.descriptor = descriptor;
    }

    /// Has a new passphrase chosen for the key files that will be made. No two custodians may have the same.
    pub(crate) fn choose_passphrase(&mut self, custodian: Custodian) -> Result<(), Error> {
        self.cards.give_back();
        let passphrase = self.passphrase_of(custodian);
        let question = format!("Passphrase for {}: ", passphrase.opens);
        passphrase.known = Some(passphrase.source.read_new_passphrase(&question)?);
        let chosen = passphrase.known.clone();
        let all = [&self.issuer.known, &self.ledger_keeper.known, &self.officer.known];
        if all.into_iter().filter(|known| **known == chosen).count() > 1 { Err(Error::SecretsSame) } else { Ok(()) }
    }

    /// Makes a key, or takes the one that the place names. What is to be kept in the folder comes with it. In hardware
    /// it is called `label`.
    pub(crate) fn make(
        &mut self,
        place: &KeyPlace,
        custodian: Custodian,
        label: &str,
        algorithm: KeyAlgorithm,
        padding: RsaPadding,
    ) -> Result<(Box<dyn SigningKey>, StoredKey), Error> {
        let uri = match place {
            KeyPlace::File => {
                let key = FileKey::generate(algorithm)?;
                let encrypted = key.encrypt(self.passphrase(custodian)?)?;
                return Ok((Box::new(key), StoredKey::Encrypted(encrypted)));
            }
            KeyPlace::Piv(uri) => {
                let (key, uri) = self.cards.make(uri, algorithm, padding, custodian, &self.held)?;
                self.hold(custodian, &key)?;
                return Ok((Box::new(key), Reference::write(&uri, padding)?));
            }
            KeyPlace::Pkcs11(uri) => uri,
        };
        let hsm = self.hsm(uri, custodian)?;
        let (key, uri) = if uri.names_key() {
            (Pkcs11Key::existing(hsm, uri, padding)?, uri.clone())
        } else {
            let (pair, uri) = MadePair::make(hsm, &uri.module, label, algorithm)?;
            let key = pair.key(padding);
            self.made.push(pair);
            (key?, uri)
        };
        self.hold(custodian, &key)?;
        Ok((Box::new(key), Reference::write(&uri, padding)?))
    }

    /// Refuses a token or card where a key of another custodian is or may be: its PIN would open both.
    pub(crate) fn check_alone(&mut self, place: &KeyPlace, others: &[InUse]) -> Result<(), Error> {
        let mut references = Vec::new();
        for path in others.iter().filter_map(|other| other.reference.as_ref()) {
            references.push(Reference::read(path)?.0);
        }
        let spkis: Vec<_> = others.iter().map(|other| other.spki.clone()).collect();
        let is_shared = match place {
            KeyPlace::File => false,
            KeyPlace::Pkcs11(uri) => {
                let module = self.module(&uri.module)?;
                let token = Token::find(&module, uri)?;
                let is_there = |other: &KeyPlace| match other {
                    KeyPlace::Pkcs11(other) => other.module == uri.module && token.fits(other),
                    _ => false,
                };
                references.iter().any(is_there) || token.public_keys(&module)?.iter().any(|key| spkis.contains(key))
            }
            KeyPlace::Piv(uri) => {
                let wanted = if uri.new { Wanted::AnyCard } else { Wanted::AnyKey };
                let number = self.cards.find(uri, wanted, &spkis)?.number();
                let is_there = |other: &KeyPlace| match other {
                    KeyPlace::Piv(other) => other.card.is_some() && other.card == number,
                    _ => false,
                };
                references.iter().any(is_there)
            }
        };
        if is_shared { Err(Error::SecretsSame) } else { Ok(()) }
    }

    /// Remembers whose key in hardware it is, and refuses one that is on somebody else's card as well.
    fn hold(&mut self, custodian: Custodian, key: &dyn SigningKey) -> Result<(), Error> {
        if self.cards.has_for_another(custodian, key.spki()) {
            return Err(Error::SecretsSame);
        }
        self.held.push((custodian, key.spki().to_vec()));
        Ok(())
    }

    /// Gives the keys that were made on cards their certificates, which are given in DER: by them they are found again.
    pub(crate) fn certify(&mut self, certificates: &[&[u8]]) -> Result<(), Error> {
        self.cards.certify(certificates)
    }

    /// The keys that were made stay: what refers to them has been written.
    pub(crate) fn keep(&mut self) {
        self.made.iter_mut().for_each(MadePair::keep);
    }

    /// Opens a key file.
    pub(crate) fn open_file(&mut self, path: &Path, custodian: Custodian) -> Result<Box<dyn SigningKey>, Error> {
        Ok(Box::new(FileKey::open(path, self.passphrase(custodian)?)?))
    }

    /// Encrypts a secret from which others follow under a custodian's passphrase.
    pub(crate) fn seal_secret(&mut self, secret: &[u8; 32], custodian: Custodian) -> Result<Zeroizing<String>, Error> {
        file::seal_secret(secret, self.passphrase(custodian)?)
    }

    /// Opens a file with a secret from which others follow.
    pub(crate) fn open_secret(&mut self, path: &Path, custodian: Custodian) -> Result<Zeroizing<[u8; 32]>, Error> {
        file::open_secret(path, self.passphrase(custodian)?)
    }

    /// Opens the key that a reference in the folder leads to; `certificate` is the DER of its certificate.
    pub(crate) fn open_reference(
        &mut self,
        path: &Path,
        custodian: Custodian,
        certificate: &[u8],
    ) -> Result<Box<dyn SigningKey>, Error> {
        let (place, padding) = Reference::read(path)?;
        let certificate = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        match place {
            KeyPlace::File => Err(Error::damaged(path, "a reference to a file")),
            KeyPlace::Piv(uri) => {
                let key = self.cards.key(&uri, certificate.spki(), padding, custodian, &self.held)?;
                self.hold(custodian, &key)?;
                Ok(Box::new(key))
            }
            KeyPlace::Pkcs11(uri) => {
                let hsm = self.hsm(&uri, custodian)?;
                let key = Pkcs11Key::open(hsm, &uri, certificate.spki(), padding)?;
                self.hold(custodian, &key)?;
                Ok(Box::new(key))
            }
        }
    }

    /// Opens a key that no folder keeps, whose certificate is given in DER.
    pub(crate) fn open_own(
        &mut self,
        key: &OwnKey,
        certificate: &[u8],
        padding: RsaPadding,
    ) -> Result<Box<dyn SigningKey>, Error> {
        let certificate = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        match key {
            OwnKey::File(path) => {
                let passphrase = self.issuer.source.read("Passphrase of your key: ")?;
                Ok(Box::new(FileKey::open(path, &passphrase)?))
            }
            OwnKey::Piv(uri) => {
                let key = self.cards.key(uri, certificate.spki(), padding, Custodian::Issuer, &self.held)?;
                Ok(Box::new(key))
            }
            OwnKey::Pkcs11(uri) => {
                let hsm = self.hsm(uri, Custodian::Issuer)?;
                Ok(Box::new(Pkcs11Key::open(hsm, uri, certificate.spki(), padding)?))
            }
        }
    }

    fn module(&mut self, path: &Path) -> Result<Pkcs11, Error> {
        // It may look at all cards itself, and a person may have to type.
        self.cards.give_back();
        if let Some((_, module)) = self.modules.iter().find(|(known, _)| known == path) {
            return Ok(module.clone());
        }
        let module = hsm::load(path)?;
        self.modules.push((path.to_owned(), module.clone()));
        Ok(module)
    }

    /// The token that a URI means, logged in. Its PIN opens all keys in it, so that it has one custodian.
    fn hsm(&mut self, uri: &Pkcs11Uri, custodian: Custodian) -> Result<Arc<Hsm>, Error> {
        let module = self.module(&uri.module)?;
        let token = Token::find(&module, uri)?;
        if let Some((whose, known)) = self.hsms.iter().find(|(_, hsm)| hsm.is(&token)) {
            return if *whose == custodian { Ok(Arc::clone(known)) } else { Err(Error::SecretsSame) };
        }
        let source = self.pin_source;
        let hsm = Arc::new(token.log_in(&module, |question| source.read(question))?);
        self.hsms.push((custodian, Arc::clone(&hsm)));
        Ok(hsm)
    }
}
