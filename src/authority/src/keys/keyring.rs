//! The keys of a command, with the secrets that open them: each is asked for once, and not before it is needed.

use super::{
    FileKey, SigningKey,
    hsm::{self, Hsm, Token},
    pkcs11::{MadePair, Pkcs11Key},
};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
    files,
    key_uri::{KeyPlace, OwnKey, Pkcs11Uri},
    prompt::{Secret, Source},
};
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
    /// A PKCS#11 URI.
    uri: String,
    /// How it signs, where it is an RSA key.
    #[serde(default)]
    rsa_padding: RsaPadding,
}

impl Reference {
    /// Reads where a key is and how it signs.
    fn read(path: &Path) -> Result<(Pkcs11Uri, RsaPadding), Error> {
        let text = files::read_text(path, MAX_REFERENCE)?;
        let reference: Self = toml::from_str(&text).map_err(|error| Error::damaged(path, error.message()))?;
        let uri = reference.uri.parse().map_err(|fault: String| Error::damaged(path, fault))?;
        Ok((uri, reference.rsa_padding))
    }
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

/// Opens keys and makes them. Keys that were made in hardware and not kept are removed from it at the end.
pub(crate) struct Keyring {
    issuer: Passphrase,
    ledger_keeper: Passphrase,
    officer: Passphrase,
    pin_source: Source,
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
            made: Vec::new(),
            hsms: Vec::new(),
            modules: Vec::new(),
        }
    }

    const fn passphrase_of(&mut self, custodian: Custodian) -> &mut Passphrase {
        match custodian {
            Custodian::Issuer => &mut self.issuer,
            Custodian::LedgerKeeper => &mut self.ledger_keeper,
            Custodian::Officer => &mut self.officer,
        }
    }

    /// From which descriptor the passphrase of an officer comes.
    pub(crate) const fn officer_passphrase_from(&mut self, descriptor: Option<i32>) {
        self.officer.source.descriptor = descriptor;
    }

    /// Has a new passphrase chosen for the key files that will be made. No two custodians may have the same.
    pub(crate) fn choose_passphrase(&mut self, custodian: Custodian) -> Result<(), Error> {
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
                let encrypted = key.encrypt(self.passphrase_of(custodian).read()?)?;
                return Ok((Box::new(key), StoredKey::Encrypted(encrypted)));
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
        let reference = Reference { uri: uri.to_string(), rsa_padding: padding };
        let reference = toml::to_string(&reference).map_err(|error| Error::Usage(error.to_string()))?;
        Ok((Box::new(key), StoredKey::Reference(reference)))
    }

    /// Refuses a token where the references to keys of the other custodian may mean it: its PIN would open both.
    pub(crate) fn check_alone(&mut self, place: &KeyPlace, others: &[PathBuf]) -> Result<(), Error> {
        let KeyPlace::Pkcs11(uri) = place else { return Ok(()) };
        let token = Token::find(&self.module(&uri.module)?, uri)?;
        for path in others {
            let (other, _) = Reference::read(path)?;
            if other.module == uri.module && token.fits(&other) {
                return Err(Error::SecretsSame);
            }
        }
        Ok(())
    }

    /// The keys that were made stay: what refers to them has been written.
    pub(crate) fn keep(&mut self) {
        self.made.iter_mut().for_each(MadePair::keep);
    }

    /// Opens a key file.
    pub(crate) fn open_file(&mut self, path: &Path, custodian: Custodian) -> Result<Box<dyn SigningKey>, Error> {
        Ok(Box::new(FileKey::open(path, self.passphrase_of(custodian).read()?)?))
    }

    /// Opens the key that a reference in the folder leads to; `certificate` is the DER of its certificate.
    pub(crate) fn open_reference(
        &mut self,
        path: &Path,
        custodian: Custodian,
        certificate: &[u8],
    ) -> Result<Box<dyn SigningKey>, Error> {
        let (uri, padding) = Reference::read(path)?;
        let certificate = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        let hsm = self.hsm(&uri, custodian)?;
        Ok(Box::new(Pkcs11Key::open(hsm, &uri, certificate.spki(), padding)?))
    }

    /// Opens a key that no folder keeps, whose certificate is given in DER.
    pub(crate) fn open_own(
        &mut self,
        key: &OwnKey,
        certificate: &[u8],
        padding: RsaPadding,
    ) -> Result<Box<dyn SigningKey>, Error> {
        let uri = match key {
            OwnKey::File(path) => {
                let passphrase = self.issuer.source.read("Passphrase of your key: ")?;
                return Ok(Box::new(FileKey::open(path, &passphrase)?));
            }
            OwnKey::Pkcs11(uri) => uri,
        };
        let certificate = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        let hsm = self.hsm(uri, Custodian::Issuer)?;
        Ok(Box::new(Pkcs11Key::open(hsm, uri, certificate.spki(), padding)?))
    }

    fn module(&mut self, path: &Path) -> Result<Pkcs11, Error> {
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
