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
    key_uri::{KeyPlace, Pkcs11Uri},
    prompt::{Secret, Source},
};
use countersign_common::Certificate;
use cryptoki::context::Pkcs11;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    rc::Rc,
};
use zeroize::Zeroizing;

/// The largest reference to a key that is read, in octets.
const MAX_REFERENCE: usize = 4 * 1024;

/// What is kept of a key in the authority's folder.
pub(crate) enum StoredKey {
    /// The key itself, encrypted, as PEM.
    Encrypted(Zeroizing<String>),
    /// Where it is, as TOML.
    Reference(String),
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

/// Opens keys and makes them. Keys that were made in hardware and not kept are removed from it at the end.
pub(crate) struct Keyring {
    passphrase_source: Source,
    pin_source: Source,
    passphrase: Option<Secret>,
    // In this order: keys go before the sessions, sessions before the modules.
    made: Vec<MadePair>,
    hsms: Vec<Rc<Hsm>>,
    modules: Vec<(PathBuf, Pkcs11)>,
}

impl Keyring {
    /// With nothing asked yet.
    pub(crate) const fn new(passphrase_source: Source, pin_source: Source) -> Self {
        Self {
            passphrase_source,
            pin_source,
            passphrase: None,
            made: Vec::new(),
            hsms: Vec::new(),
            modules: Vec::new(),
        }
    }

    /// Has a new passphrase chosen for the key files that will be made.
    pub(crate) fn choose_passphrase(&mut self) -> Result<(), Error> {
        self.passphrase = Some(self.passphrase_source.read_new_passphrase("Passphrase for the authority's keys: ")?);
        Ok(())
    }

    fn passphrase(&mut self) -> Result<&str, Error> {
        if self.passphrase.is_none() {
            self.passphrase = Some(self.passphrase_source.read("Passphrase of the authority's keys: ")?);
        }
        Ok(self.passphrase.as_deref().map_or("", String::as_str))
    }

    /// Makes a key, or takes the one that the place names. What is to be kept in the folder comes with it. In hardware
    /// it is called `label`.
    pub(crate) fn make(
        &mut self,
        place: &KeyPlace,
        label: &str,
        algorithm: KeyAlgorithm,
        padding: RsaPadding,
    ) -> Result<(Box<dyn SigningKey>, StoredKey), Error> {
        let uri = match place {
            KeyPlace::File => {
                let key = FileKey::generate(algorithm)?;
                let encrypted = key.encrypt(self.passphrase()?)?;
                return Ok((Box::new(key), StoredKey::Encrypted(encrypted)));
            }
            KeyPlace::Pkcs11(uri) => uri,
        };
        let hsm = self.hsm(uri)?;
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

    /// The keys that were made stay: what refers to them has been written.
    pub(crate) fn keep(&mut self) {
        self.made.iter_mut().for_each(MadePair::keep);
    }

    /// Opens a key file.
    pub(crate) fn open_file(&mut self, path: &Path) -> Result<Box<dyn SigningKey>, Error> {
        Ok(Box::new(FileKey::open(path, self.passphrase()?)?))
    }

    /// Opens the key that a reference in the folder leads to; `certificate` is the DER of its certificate.
    pub(crate) fn open_reference(&mut self, path: &Path, certificate: &[u8]) -> Result<Box<dyn SigningKey>, Error> {
        let damaged = |fault: &str| Error::damaged(path, fault);
        let text = files::read_text(path, MAX_REFERENCE)?;
        let reference: Reference = toml::from_str(&text).map_err(|error| damaged(error.message()))?;
        let uri: Pkcs11Uri = reference.uri.parse().map_err(|fault: String| damaged(&fault))?;
        let certificate = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        let hsm = self.hsm(&uri)?;
        Ok(Box::new(Pkcs11Key::open(hsm, &uri, certificate.spki(), reference.rsa_padding)?))
    }

    /// The token that a URI means, logged in.
    fn hsm(&mut self, uri: &Pkcs11Uri) -> Result<Rc<Hsm>, Error> {
        let module = match self.modules.iter().find(|(path, _)| *path == uri.module) {
            Some((_, module)) => module.clone(),
            None => {
                let module = hsm::load(&uri.module)?;
                self.modules.push((uri.module.clone(), module.clone()));
                module
            }
        };
        let token = Token::find(&module, uri)?;
        if let Some(known) = self.hsms.iter().find(|hsm| hsm.is(&token)) {
            return Ok(Rc::clone(known));
        }
        let source = self.pin_source;
        let hsm = Rc::new(token.log_in(&module, |question| source.read(question))?);
        self.hsms.push(Rc::clone(&hsm));
        Ok(hsm)
    }
}
