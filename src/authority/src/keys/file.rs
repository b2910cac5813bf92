//! Keys in files: PKCS#8 (RFC 5958) encrypted by PBES2 (RFC 8018), which `openssl pkey` reads.

use super::SigningKey;
use crate::{
    args::KeyAlgorithm,
    error::Error,
    files,
    random::{self, SystemRandom},
};
use countersign_common::{HashAlgorithm, SignatureAlgorithm};
use der::{
    Encode as _,
    asn1::{ObjectIdentifier, OctetStringRef},
};
use ed25519_dalek::pkcs8::KeypairBytes;
use p256::elliptic_curve::Generate;
use pkcs8::{
    DecodePrivateKey, EncodePrivateKey, EncodePublicKey, EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef,
    SecretDocument, pkcs5::pbes2,
};
use sha2::Sha256;
use signature::{Signer, hazmat::PrehashSigner};
use spki::AlgorithmIdentifierRef;
use std::path::Path;
use zeroize::Zeroizing;

/// Rounds of PBKDF2 with HMAC-SHA256.
const ITERATIONS: u32 = 600_000;
/// The largest key file that is read, in octets: RSA-4096 needs 3.5 KiB.
const MAX_KEY_FILE: usize = 16 * 1024;
/// id-Ed25519 (RFC 8410 3).
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// id-alg-hkdf-with-sha256 (RFC 8619 2).
const HKDF: AlgorithmIdentifierRef<'static> =
    AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.28"), parameters: None };
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// A private key in memory, from a file or on the way into one. The libraries erase it when it is dropped.
pub(crate) struct FileKey {
    key: Key,
    spki: Vec<u8>,
}

enum Key {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Rsa(Box<rsa::PrivateKey>),
}

impl FileKey {
    /// Makes a new key. RSA takes seconds.
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let rsa = |bits| {
            let key = rsa::PrivateKey::new(&mut SystemRandom, bits).map_err(|_| Error::Random)?;
            Ok::<_, Error>(Key::Rsa(Box::new(key)))
        };
        let key = match algorithm {
            KeyAlgorithm::Ed25519 => {
                let seed = Zeroizing::new(random::octets::<32>()?);
                Key::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
            KeyAlgorithm::P256 => {
                let key = p256::ecdsa::SigningKey::try_generate_from_rng(&mut SystemRandom);
                Key::P256(Box::new(key.map_err(|_| Error::Random)?))
            }
            KeyAlgorithm::P384 => {
                let key = p384::ecdsa::SigningKey::try_generate_from_rng(&mut SystemRandom);
                Key::P384(Box::new(key.map_err(|_| Error::Random)?))
            }
            KeyAlgorithm::Rsa2048 => rsa(2048)?,
            KeyAlgorithm::Rsa3072 => rsa(3072)?,
            KeyAlgorithm::Rsa4096 => rsa(4096)?,
        };
        Self::with_public_half(key).ok_or(Error::KeyMismatch)
    }

    /// Encrypts the key, as PEM.
    pub(crate) fn encrypt(&self, passphrase: &str) -> Result<Zeroizing<String>, Error> {
        let document = match &self.key {
            // Without the public half, which OpenSSL 3.0 does not expect there.
            Key::Ed25519(key) => KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_der(),
            Key::P256(key) => key.to_pkcs8_der(),
            Key::P384(key) => key.to_pkcs8_der(),
            Key::Rsa(key) => key.to_pkcs8_der(),
        };
        seal(document.map_err(|_| Error::KeyMismatch)?.as_bytes(), passphrase)
    }

    /// Opens a key file.
    pub(crate) fn open(path: &Path, passphrase: &str) -> Result<Self, Error> {
        let fault = |fault| Error::KeyFile { path: path.to_owned(), fault };
        Self::from_plain(unseal(path, passphrase)?.as_bytes()).ok_or_else(|| fault("not a key of an allowed kind"))
    }

    fn from_plain(plain: &[u8]) -> Option<Self> {
        let info = PrivateKeyInfoRef::try_from(plain).ok()?;
        let key = match info.algorithm.oid {
            ED25519 => ed25519_dalek::SigningKey::from_pkcs8_der(plain).ok().map(|key| Key::Ed25519(Box::new(key))),
            rsa::pkcs1::ALGORITHM_OID => rsa::PrivateKey::from_pkcs8_der(plain).ok().map(|key| Key::Rsa(Box::new(key))),
            _ => p256::ecdsa::SigningKey::from_pkcs8_der(plain)
                .map(|key| Key::P256(Box::new(key)))
                .or_else(|_| p384::ecdsa::SigningKey::from_pkcs8_der(plain).map(|key| Key::P384(Box::new(key))))
                .ok(),
        };
        key.and_then(Self::with_public_half)
    }

    /// Signs a SHA-256 digest by PSS, which real keys in files do not: for rehearsals of keys in hardware.
    pub(super) fn sign_by_pss(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.key {
            Key::Rsa(key) => {
                key.sign_with_rng(&mut SystemRandom, rsa::Pss::<Sha256>::new(), input).map_err(|_| Error::KeyMismatch)
            }
            _ => Err(Error::KeyMismatch),
        }
    }

    fn with_public_half(key: Key) -> Option<Self> {
        let document = match &key {
            Key::Ed25519(key) => key.verifying_key().to_public_key_der(),
            Key::P256(key) => key.verifying_key().to_public_key_der(),
            Key::P384(key) => key.verifying_key().to_public_key_der(),
            Key::Rsa(key) => key.as_public_key().to_public_key_der(),
        };
        document.ok().map(|document| Self { key, spki: document.into_vec() })
    }
}

/// Refuses what is no encrypted key.
pub(crate) fn check_file(path: &Path) -> Result<(), Error> {
    sealed(path).map(drop)
}

/// The DER of what is encrypted in a file.
fn sealed(path: &Path) -> Result<SecretDocument, Error> {
    let fault = |fault| Error::KeyFile { path: path.to_owned(), fault };
    let text = Zeroizing::new(files::read_text(path, MAX_KEY_FILE)?);
    let (label, document) = SecretDocument::from_pem(&text).map_err(|_| fault("not a PEM file"))?;
    if label != LABEL {
        return Err(fault("not an encrypted private key"));
    }
    EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| fault("not PKCS#8 encrypted by PBES2"))?;
    Ok(document)
}

/// Encrypts the DER of a private key: PBKDF2 with HMAC-SHA256 and AES-256-CBC, as PEM.
fn seal(plain: &[u8], passphrase: &str) -> Result<Zeroizing<String>, Error> {
    let (salt, vector) = (random::octets::<16>()?, random::octets::<16>()?);
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, vector);
    let pem = || {
        let encrypted = PrivateKeyInfoRef::try_from(plain)?.encrypt_with_params(parameters?, passphrase)?;
        Ok::<_, pkcs8::Error>(encrypted.to_pem(LABEL, LineEnding::LF)?)
    };
    pem().map_err(|_| Error::KeyMismatch)
}

/// The DER of the private key in a file.
fn unseal(path: &Path, passphrase: &str) -> Result<SecretDocument, Error> {
    let document = sealed(path)?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| Error::WrongPassphrase)?;
    // CBC has no other way to tell a wrong passphrase than by what comes out.
    let plain = encrypted.decrypt(passphrase).map_err(|_| Error::WrongPassphrase)?;
    PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(|_| Error::WrongPassphrase)?;
    Ok(plain)
}

/// Encrypts a secret from which others follow, in the form of a private key for HKDF (RFC 8619).
pub(super) fn seal_secret(secret: &[u8; 32], passphrase: &str) -> Result<Zeroizing<String>, Error> {
    let info = PrivateKeyInfoRef::new(HKDF, OctetStringRef::new(secret)?);
    seal(Zeroizing::new(info.to_der()?).as_slice(), passphrase)
}

/// Opens what [`seal_secret`] has made.
pub(super) fn open_secret(path: &Path, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let plain = unseal(path, passphrase)?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok().filter(|info| info.algorithm == HKDF);
    let secret = info.and_then(|info| info.private_key.as_bytes().try_into().ok());
    let fault = || Error::KeyFile { path: path.to_owned(), fault: "not a secret of 32 octets" };
    secret.map(Zeroizing::new).ok_or_else(fault)
}

impl SigningKey for FileKey {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match &self.key {
            Key::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Key::P256(_) => SignatureAlgorithm::EcdsaP256Sha256,
            Key::P384(_) => SignatureAlgorithm::EcdsaP384Sha384,
            Key::Rsa(_) => SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
        }
    }

    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.key {
            Key::Ed25519(key) => Some(key.sign(input).to_bytes().to_vec()),
            Key::P256(key) => PrehashSigner::<p256::ecdsa::DerSignature>::sign_prehash(&**key, input)
                .map(|signature| signature.as_bytes().to_vec())
                .ok(),
            Key::P384(key) => PrehashSigner::<p384::ecdsa::DerSignature>::sign_prehash(&**key, input)
                .map(|signature| signature.as_bytes().to_vec())
                .ok(),
            Key::Rsa(key) => key.sign_with_rng(&mut SystemRandom, rsa::Pkcs1v15Sign::new::<Sha256>(), input).ok(),
        }
        .ok_or(Error::KeyMismatch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_opens_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Rsa2048] {
            let key = FileKey::generate(algorithm).unwrap();
            let path = folder.path().join(algorithm.name());
            files::write_new(&path, 0o600, key.encrypt("correct horse").unwrap().as_bytes()).unwrap();
            let again = FileKey::open(&path, "correct horse").unwrap();
            assert_eq!(again.spki(), key.spki());
            super::super::sign(&again, b"message").unwrap();
            assert_eq!(FileKey::open(&path, "correct house").err().map(|error| error.code()), Some("CS-7022"));
        }
    }

    #[test]
    fn what_is_not_a_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for text in ["", "text", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(FileKey::open(&path, "passphrase").err().map(|error| error.code()), Some("CS-7025"), "{text}");
        }
        std::fs::write(&path, vec![b'x'; MAX_KEY_FILE + 1]).unwrap();
        assert_eq!(FileKey::open(&path, "passphrase").err().map(|error| error.code()), Some("CS-7008"));
    }
}
