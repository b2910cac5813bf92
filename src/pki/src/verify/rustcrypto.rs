//! Verification by RustCrypto: all in Rust.

use super::{KeyParts, p256_table::Verifier};
use crate::algorithm::{HashAlgorithm, SignatureAlgorithm};
use rsa::BoxedUint;
use sha2::{Sha256, Sha384, Sha512};
use signature::hazmat::PrehashVerifier;
use std::sync::Arc;

/// A key of a kind and form that was found to be allowed.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
    P256Tables(Arc<Verifier>),
    P384(Box<p384::ecdsa::VerifyingKey>),
    Rsa(Box<rsa::PublicKey>),
}

impl Key {
    /// Nothing where the point is not on its curve.
    pub(super) fn new(parts: KeyParts<'_>) -> Option<Self> {
        match parts {
            KeyParts::Ed25519(point) => {
                ed25519_dalek::VerifyingKey::from_bytes(point).ok().map(|key| Self::Ed25519(Box::new(key)))
            }
            KeyParts::P256(point) => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(|key| Self::P256(Box::new(key)))
            }
            KeyParts::P384(point) => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(|key| Self::P384(Box::new(key)))
            }
            KeyParts::Rsa(key) => {
                let number = |value: der::asn1::UintRef<'_>| BoxedUint::from_be_slice_vartime(value.as_bytes());
                let key = rsa::PublicKey::new(number(key.modulus), number(key.public_exponent));
                key.ok().map(|key| Self::Rsa(Box::new(key)))
            }
        }
    }

    pub(super) fn for_many(self) -> Self {
        match self {
            Self::P256(key) => Self::P256Tables(Arc::new(Verifier::new(&key))),
            other => other,
        }
    }

    /// RFC 8032 5.1.7 without the cofactor.
    pub(super) fn verify_ed25519(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        matches!(self, Self::Ed25519(key) if key.verify_strict(message, &signature).is_ok())
    }

    /// For a digest as long as the algorithm's.
    pub(super) fn verify_digest(&self, algorithm: SignatureAlgorithm, digest: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::P256(key), SignatureAlgorithm::EcdsaP256Sha256) => p256::ecdsa::DerSignature::try_from(signature)
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .is_ok(),
            (Self::P256Tables(verifier), SignatureAlgorithm::EcdsaP256Sha256) => {
                match (digest.try_into(), p256::ecdsa::Signature::from_der(signature)) {
                    (Ok(digest), Ok(signature)) => verifier.verify(digest, &signature),
                    _ => false,
                }
            }
            (Self::P384(key), SignatureAlgorithm::EcdsaP384Sha384) => p384::ecdsa::DerSignature::try_from(signature)
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .is_ok(),
            (Self::Rsa(key), SignatureAlgorithm::RsaPkcs1(hash)) => match hash {
                HashAlgorithm::Sha256 => key.pkcs1v15_verify_prehash::<Sha256>(digest, signature),
                HashAlgorithm::Sha384 => key.pkcs1v15_verify_prehash::<Sha384>(digest, signature),
                HashAlgorithm::Sha512 => key.pkcs1v15_verify_prehash::<Sha512>(digest, signature),
            }
            .is_ok(),
            (Self::Rsa(key), SignatureAlgorithm::RsaPss(hash)) => match hash {
                HashAlgorithm::Sha256 => key.pss_verify_prehash::<Sha256>(digest, signature),
                HashAlgorithm::Sha384 => key.pss_verify_prehash::<Sha384>(digest, signature),
                HashAlgorithm::Sha512 => key.pss_verify_prehash::<Sha512>(digest, signature),
            }
            .is_ok(),
            _ => false,
        }
    }
}
