//! Verification by AWS-LC: a C library, several times faster.

use super::KeyParts;
use crate::algorithm::{HashAlgorithm, SignatureAlgorithm};
use aws_lc_rs::{
    digest::{self, Digest},
    signature::{self, ParsedPublicKey, RsaParameters, UnparsedPublicKey},
};
use der::Encode;

/// A key of a kind and form that was found to be allowed.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// Bound to the one algorithm that goes with it.
    Curve(ParsedPublicKey),
    /// The RSAPublicKey. The library wants hash and padding before it reads a key.
    Rsa(Box<[u8]>),
}

impl Key {
    /// Nothing where the point is not on its curve.
    pub(super) fn new(parts: KeyParts<'_>) -> Option<Self> {
        let curve = |algorithm, point| ParsedPublicKey::new(algorithm, point).ok().map(Self::Curve);
        match parts {
            KeyParts::Ed25519(point) => {
                // The library itself finds out with the first signature only, and calls that one invalid.
                ed25519_dalek::VerifyingKey::from_bytes(point).ok()?;
                curve(&signature::ED25519, point.as_slice())
            }
            KeyParts::P256(point) => curve(&signature::ECDSA_P256_SHA256_ASN1, point),
            KeyParts::P384(point) => curve(&signature::ECDSA_P384_SHA384_ASN1, point),
            KeyParts::Rsa(key) => {
                let octets = key.to_der().ok()?;
                let read = ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &octets);
                read.is_ok().then(|| Self::Rsa(octets.into()))
            }
        }
    }

    /// Its own tables are for the generator only.
    pub(super) fn for_many(self) -> Self {
        self
    }

    /// RFC 8032 5.1.7 without the cofactor.
    pub(super) fn verify_ed25519(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        matches!(self, Self::Curve(key) if key.verify_sig(message, signature).is_ok())
    }

    /// For a digest as long as the algorithm's.
    pub(super) fn verify_digest(&self, algorithm: SignatureAlgorithm, digest: &[u8], signature: &[u8]) -> bool {
        let hash = match algorithm.hash() {
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
        };
        let Ok(digest) = Digest::import_less_safe(digest, hash) else {
            return false;
        };
        match (self, rsa(algorithm)) {
            (Self::Curve(key), None) => key.verify_digest_sig(&digest, signature).is_ok(),
            (Self::Rsa(key), Some(rsa)) => UnparsedPublicKey::new(rsa, key).verify_digest(&digest, signature).is_ok(),
            _ => false,
        }
    }
}

fn rsa(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256) => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha384) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha512) => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256) => Some(&signature::RSA_PSS_2048_8192_SHA256),
        SignatureAlgorithm::RsaPss(HashAlgorithm::Sha384) => Some(&signature::RSA_PSS_2048_8192_SHA384),
        SignatureAlgorithm::RsaPss(HashAlgorithm::Sha512) => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
