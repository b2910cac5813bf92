//! Keys that sign: in a file or in hardware, behind one trait.

mod cards;
mod file;
mod hsm;
mod hsm_error;
mod keyring;
mod piv;
mod piv_error;
mod piv_search;
mod pkcs11;
mod pss;
mod throwaway;

pub(crate) use file::{FileKey, check_file};
pub use hsm_error::HsmError;
pub(crate) use keyring::{Custodian, InUse, Keyring, StoredKey, check_reference};
pub use piv_error::PivError;
pub(crate) use throwaway::ThrowawayKey;

use crate::error::Error;
use countersign_common::{Certificate, PublicKey, SignatureAlgorithm};

/// A private key, for several threads. Hashing is done outside, where the algorithm signs a digest.
pub(crate) trait SigningKey: Send + Sync {
    /// DER of the SubjectPublicKeyInfo.
    fn spki(&self) -> &[u8];

    /// How it signs.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs what [`SignatureAlgorithm::signer_input`] makes of a message. An ECDSA signature is an ECDSA-Sig-Value
    /// in DER.
    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, Error>;
}

/// Signs a message and distrusts the outcome: a signature that does not verify never leaves.
pub(crate) fn sign(key: &dyn SigningKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let public = PublicKey::from_spki(key.spki()).map_err(|_| Error::KeyMismatch)?;
    sign_and_verify(key, &public, message)
}

fn sign_and_verify(key: &dyn SigningKey, public: &PublicKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = key.sign_input(&key.algorithm().signer_input(message))?;
    public.verify(key.algorithm(), message, &signature).map_err(|_| Error::KeyMismatch)?;
    Ok(signature)
}

/// A key with the certificate that speaks for it.
pub(crate) struct Signer {
    certificate: Vec<u8>,
    /// DER of certificates across that go with everything it signs.
    across: Vec<Vec<u8>>,
    key: Box<dyn SigningKey>,
    /// The public half, ready.
    public: PublicKey,
}

impl Signer {
    /// Puts the two together if they belong together.
    pub(crate) fn new(certificate: Vec<u8>, key: Box<dyn SigningKey>) -> Result<Self, Error> {
        let parsed = Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?;
        if parsed.spki() != key.spki() {
            return Err(Error::KeyMismatch);
        }
        let public = PublicKey::from_spki(key.spki()).map_err(|_| Error::KeyMismatch)?;
        Ok(Self { certificate, across: Vec::new(), key, public })
    }

    /// The same, for many signatures.
    pub(crate) fn for_many(self) -> Self {
        Self { public: self.public.for_many(), ..self }
    }

    /// The same, with certificates of its root by other roots, so that what it signs leads to those as well.
    pub(crate) fn with_across(self, across: Vec<Vec<u8>>) -> Self {
        Self { across, ..self }
    }

    /// DER of the certificates across.
    pub(crate) fn across(&self) -> &[Vec<u8>] {
        &self.across
    }

    /// DER of the certificate.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The key.
    pub(crate) fn key(&self) -> &dyn SigningKey {
        &*self.key
    }

    /// How it signs.
    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        sign_and_verify(self.key(), &self.public, message)
    }
}
