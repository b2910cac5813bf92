//! Every signature verification of Countersign, with one provider: RustCrypto.

use crate::algorithm::{HashAlgorithm, SignatureAlgorithm};
use core::fmt;
use der::{Decode, asn1::ObjectIdentifier, asn1::UintRef};
use rsa::BoxedUint;
use sha2::{Sha256, Sha384, Sha512};
use signature::hazmat::PrehashVerifier;
use spki::SubjectPublicKeyInfoRef;

/// A public key, ready to verify with.
#[derive(Clone, Debug)]
pub enum PublicKey {
    /// An ECDSA key on P-256.
    P256(Box<p256::ecdsa::VerifyingKey>),
    /// An ECDSA key on P-384.
    P384(Box<p384::ecdsa::VerifyingKey>),
    /// An RSA key.
    Rsa(Box<rsa::PublicKey>),
}

/// What sort of key it is, and for RSA its modulus length in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with a modulus of so many bits.
    Rsa(u32),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
        }
    }
}

/// Why a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The signature does not verify.
    Invalid,
    /// The key is not of an allowed kind: P-256, P-384, or RSA of 2048 to 4096 bits with an odd exponent of at
    /// least 65537.
    KeyNotAllowed,
    /// The algorithm does not go with this kind of key.
    WrongKind,
}

const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `04`: an uncompressed point (SEC 1 2.3.3), the form that RFC 5480 2.2 requires to be supported.
const UNCOMPRESSED: u8 = 0x04;

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480, RFC 3279 2.3.1).
    pub fn from_spki(spki: &[u8]) -> Result<Self, SignatureError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| SignatureError::KeyNotAllowed)?;
        let bits = spki.subject_public_key.as_bytes().ok_or(SignatureError::KeyNotAllowed)?;
        let parameters = spki.algorithm.parameters.ok_or(SignatureError::KeyNotAllowed)?;
        match spki.algorithm.oid {
            ID_EC_PUBLIC_KEY if bits.first() == Some(&UNCOMPRESSED) => {
                let curve: ObjectIdentifier = parameters.decode_as().map_err(|_| SignatureError::KeyNotAllowed)?;
                match curve {
                    SECP256R1 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bits).map(|key| Self::P256(Box::new(key))),
                    SECP384R1 => p384::ecdsa::VerifyingKey::from_sec1_bytes(bits).map(|key| Self::P384(Box::new(key))),
                    _ => return Err(SignatureError::KeyNotAllowed),
                }
                .map_err(|_| SignatureError::KeyNotAllowed)
            }
            RSA_ENCRYPTION if parameters.is_null() => rsa_key(bits),
            _ => Err(SignatureError::KeyNotAllowed),
        }
    }

    /// What sort of key this is.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::P256(_) => KeyKind::P256,
            Self::P384(_) => KeyKind::P384,
            Self::Rsa(key) => KeyKind::Rsa(rsa::traits::PublicKeyParts::n(&**key).bit_width()),
        }
    }

    /// Verifies a signature over a digest, which must be of the algorithm's hash. An ECDSA signature is the DER
    /// of an ECDSA-Sig-Value (RFC 3279 2.2.3), an RSA signature is as long as the modulus.
    pub fn verify(&self, algorithm: SignatureAlgorithm, digest: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        if digest.len() != algorithm.hash().output_size() {
            return Err(SignatureError::Invalid);
        }
        let verified = match (self, algorithm) {
            (Self::P256(key), SignatureAlgorithm::EcdsaP256Sha256) => p256::ecdsa::DerSignature::try_from(signature)
                .and_then(|signature| key.verify_prehash(digest, &signature))
                .is_ok(),
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
            _ => return Err(SignatureError::WrongKind),
        };
        if verified { Ok(()) } else { Err(SignatureError::Invalid) }
    }
}

/// Reads an RSAPublicKey (RFC 8017 A.1.1) and holds it to the floor and ceiling of docs/token-format.md.
fn rsa_key(bits: &[u8]) -> Result<PublicKey, SignatureError> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(bits).map_err(|_| SignatureError::KeyNotAllowed)?;
    let exponent = key.public_exponent.as_bytes();
    let value = exponent.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    if exponent.len() > 4 || value < 65_537 || value % 2 == 0 {
        return Err(SignatureError::KeyNotAllowed);
    }
    let modulus = boxed(key.modulus);
    if !(2048..=4096).contains(&modulus.bit_width()) {
        return Err(SignatureError::KeyNotAllowed);
    }
    rsa::PublicKey::new(modulus, boxed(key.public_exponent))
        .map(|key| PublicKey::Rsa(Box::new(key)))
        .map_err(|_| SignatureError::KeyNotAllowed)
}

fn boxed(value: UintRef<'_>) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(value.as_bytes())
}
