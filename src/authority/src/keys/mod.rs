//! Keys that sign a digest: in a file today, on a card or an HSM behind the same trait.

mod file;

pub(crate) use file::FileKey;

use crate::error::Error;
use countersign_common::{Certificate, PublicKey, SignatureAlgorithm};

/// A private key that signs digests. Hashing is done outside.
pub(crate) trait SigningKey {
    /// DER of the SubjectPublicKeyInfo.
    fn spki(&self) -> &[u8];

    /// How it signs; the digest must be of this algorithm's hash.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs a digest. An ECDSA signature is an ECDSA-Sig-Value in DER.
    fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>, Error>;
}

/// Signs a digest and distrusts the outcome: a signature that does not verify never leaves.
pub(crate) fn sign(key: &dyn SigningKey, digest: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = key.sign_digest(digest)?;
    PublicKey::from_spki(key.spki())
        .and_then(|public| public.verify(key.algorithm(), digest, &signature))
        .map_err(|_| Error::KeyMismatch)?;
    Ok(signature)
}

/// A key with the certificate that speaks for it.
pub(crate) struct Signer {
    certificate: Vec<u8>,
    key: Box<dyn SigningKey>,
}

impl Signer {
    /// Puts the two together if they belong together.
    pub(crate) fn new(certificate: Vec<u8>, key: Box<dyn SigningKey>) -> Result<Self, Error> {
        let parsed = Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?;
        if parsed.spki() != key.spki() {
            return Err(Error::KeyMismatch);
        }
        Ok(Self { certificate, key })
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

    /// Signs a digest.
    pub(crate) fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, Error> {
        sign(self.key(), digest)
    }
}
