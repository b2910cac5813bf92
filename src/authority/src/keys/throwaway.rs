//! Keys for rehearsals: made in memory, used to try a certificate out, and never kept.

use super::{FileKey, SigningKey};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
};
use countersign_common::{HashAlgorithm, SignatureAlgorithm};
use std::sync::{Arc, Mutex, PoisonError};

/// Those that were made so far, up to two of each kind. More are not needed for a whole rehearsal, and RSA takes seconds.
static MADE: Mutex<Vec<Numbered>> = Mutex::new(Vec::new());

/// Of a kind, the first or the second.
type Numbered = ((KeyAlgorithm, u8), Arc<FileKey>);

/// A key that nobody relies on, which signs as a real one would.
pub(crate) struct ThrowawayKey {
    key: Arc<FileKey>,
    padding: RsaPadding,
}

impl ThrowawayKey {
    /// One of a kind; the same one each time.
    pub(crate) fn new(kind: KeyAlgorithm, padding: RsaPadding) -> Result<Self, Error> {
        Self::numbered(kind, 1, padding)
    }

    /// Another one of that kind; the same one each time.
    pub(crate) fn another(kind: KeyAlgorithm, padding: RsaPadding) -> Result<Self, Error> {
        Self::numbered(kind, 2, padding)
    }

    fn numbered(kind: KeyAlgorithm, number: u8, padding: RsaPadding) -> Result<Self, Error> {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|(of, _)| *of == (kind, number)).map(|(_, key)| Arc::clone(key));
        let key = match known {
            Some(key) => key,
            None => {
                let key = Arc::new(FileKey::generate(kind)?);
                made.push(((kind, number), Arc::clone(&key)));
                key
            }
        };
        Ok(Self { key, padding })
    }

    /// One that signs by this algorithm. How long an RSA key is does not show in what is signed with it.
    pub(crate) fn signing_by(algorithm: SignatureAlgorithm) -> Result<Self, Error> {
        let (kind, padding) = match algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => (KeyAlgorithm::P256, RsaPadding::Pkcs1),
            SignatureAlgorithm::EcdsaP384Sha384 => (KeyAlgorithm::P384, RsaPadding::Pkcs1),
            SignatureAlgorithm::Ed25519 => (KeyAlgorithm::Ed25519, RsaPadding::Pkcs1),
            SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256) => (KeyAlgorithm::Rsa2048, RsaPadding::Pkcs1),
            SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256) => (KeyAlgorithm::Rsa2048, RsaPadding::Pss),
            _ => return Err(Error::KeyMismatch),
        };
        Self::new(kind, padding)
    }
}

impl SigningKey for ThrowawayKey {
    fn spki(&self) -> &[u8] {
        self.key.spki()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match (self.key.algorithm(), self.padding) {
            (SignatureAlgorithm::RsaPkcs1(hash), RsaPadding::Pss) => SignatureAlgorithm::RsaPss(hash),
            (algorithm, _) => algorithm,
        }
    }

    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        match self.algorithm() {
            SignatureAlgorithm::RsaPss(_) => self.key.sign_by_pss(input),
            _ => self.key.sign_input(input),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::keys::sign;

    #[test]
    fn every_algorithm_of_a_real_key_has_one() {
        for algorithm in [
            SignatureAlgorithm::EcdsaP256Sha256,
            SignatureAlgorithm::EcdsaP384Sha384,
            SignatureAlgorithm::Ed25519,
            SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
            SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256),
        ] {
            let key = ThrowawayKey::signing_by(algorithm).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            sign(&key, b"message").unwrap();
            assert_eq!(ThrowawayKey::signing_by(algorithm).unwrap().spki(), key.spki(), "made once");
        }
        assert!(ThrowawayKey::signing_by(SignatureAlgorithm::RsaPss(HashAlgorithm::Sha512)).is_err());
    }
}
