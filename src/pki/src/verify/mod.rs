//! Every signature verification of Countersign, behind one interface with two providers.
//!
//! RustCrypto verifies by default, AWS-LC where the feature `aws-lc-rs` is on. What is accepted does not depend on it:
//! the rules for keys and for the form of signatures stand here, and the same tests hold both providers to them.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod ed25519;
#[cfg(any(not(feature = "aws-lc-rs"), test))]
mod p256_table;
#[cfg(any(not(feature = "aws-lc-rs"), test))]
mod rustcrypto;

#[cfg(feature = "aws-lc-rs")]
use aws_lc as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustcrypto as provider;

use crate::{
    algorithm::{ID_ED25519, SignatureAlgorithm},
    allowed::KeyKind,
};
use der::{Decode, asn1::ObjectIdentifier};
use rsa::pkcs1::RsaPublicKeyRef;
use spki::SubjectPublicKeyInfoRef;

/// The provider that this build verifies with: `RustCrypto` or `AWS-LC`.
pub const PROVIDER: &str = if cfg!(feature = "aws-lc-rs") { "AWS-LC" } else { "RustCrypto" };

/// A public key, ready to verify with.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kind: KeyKind,
    key: provider::Key,
}

/// Why a key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The signature does not verify.
    Invalid,
    /// The key is not of an allowed kind: Ed25519, P-256, P-384, or RSA of 2048 to 4096 bits with an odd exponent of
    /// at least 65537.
    KeyNotAllowed,
    /// The algorithm signs the message itself, and only its digest was given.
    NeedsMessage,
    /// The algorithm does not go with this kind of key.
    WrongKind,
}

const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `04`: an uncompressed point (SEC 1 2.3.3), the form that RFC 5480 2.2 requires to be supported.
const UNCOMPRESSED: u8 = 0x04;

/// The key as each provider takes it, once it was found to be of an allowed kind and form.
enum KeyParts<'a> {
    /// The encoded point (RFC 8032 5.1.2).
    Ed25519(&'a [u8; 32]),
    /// An uncompressed point (SEC 1 2.3.3).
    P256(&'a [u8]),
    /// An uncompressed point (SEC 1 2.3.3).
    P384(&'a [u8]),
    /// RFC 8017 A.1.1.
    Rsa(RsaPublicKeyRef<'a>),
}

impl PublicKey {
    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 3279 2.3.1, RFC 5480, RFC 8410 4).
    pub fn from_spki(spki: &[u8]) -> Result<Self, SignatureError> {
        Self::read(spki).ok_or(SignatureError::KeyNotAllowed)
    }

    fn read(spki: &[u8]) -> Option<Self> {
        let (kind, parts) = key_parts(spki)?;
        Some(Self { kind, key: provider::Key::new(parts)? })
    }

    /// The same key, for whoever has many signatures by it to verify. P-256 in RustCrypto takes 1.2 MiB and the
    /// time of some sixty verifications once, and each takes less than a quarter of its time from then on; for everything else it is the key
    /// as it was. The answers are the same.
    #[must_use]
    pub fn for_many(self) -> Self {
        Self { key: self.key.for_many(), ..self }
    }

    /// What sort of key this is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Verifies a signature over a message. An ECDSA signature is the DER of an ECDSA-Sig-Value (RFC 3279 2.2.3), an
    /// RSA signature is as long as the modulus, an Ed25519 signature has 64 octets (RFC 8032 5.1.6).
    ///
    /// Whether the algorithm may still be used is another question, which depends on the time: [`crate::allowed_at`].
    pub fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if algorithm != SignatureAlgorithm::Ed25519 {
            return self.verify_digest(algorithm, algorithm.hash().digest(message).as_ref(), signature);
        }
        if !self.kind.signs_with(algorithm) {
            return Err(SignatureError::WrongKind);
        }
        let verified = match <&[u8; 64]>::try_from(signature) {
            Ok(signature) => ed25519::has_sound_point(signature) && self.key.verify_ed25519(message, signature),
            Err(_) => false,
        };
        if verified { Ok(()) } else { Err(SignatureError::Invalid) }
    }

    /// As [`Self::verify`], for callers that hold nothing but the digest of the message by the algorithm's hash, such
    /// as that of a large list. Ed25519 signs the message itself and cannot be verified so.
    pub fn verify_digest(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if !self.kind.signs_with(algorithm) {
            return Err(SignatureError::WrongKind);
        }
        if algorithm == SignatureAlgorithm::Ed25519 {
            return Err(SignatureError::NeedsMessage);
        }
        let fits = digest.len() == algorithm.hash().output_size();
        if fits && self.key.verify_digest(algorithm, digest, signature) { Ok(()) } else { Err(SignatureError::Invalid) }
    }
}

/// The rules for keys (docs/token-format.md, section 6.3). Whether a point lies on its curve is for the provider to
/// find out.
fn key_parts(spki: &[u8]) -> Option<(KeyKind, KeyParts<'_>)> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    let bits = spki.subject_public_key.as_bytes()?;
    let parameters = spki.algorithm.parameters;
    let (kind, parts) = match spki.algorithm.oid {
        ID_ED25519 if parameters.is_none() => {
            let point = <&[u8; 32]>::try_from(bits).ok().filter(|point| ed25519::is_sound(point))?;
            (KeyKind::Ed25519, KeyParts::Ed25519(point))
        }
        ID_EC_PUBLIC_KEY if bits.first() == Some(&UNCOMPRESSED) => match parameters?.decode_as().ok()? {
            SECP256R1 => (KeyKind::P256, KeyParts::P256(bits)),
            SECP384R1 => (KeyKind::P384, KeyParts::P384(bits)),
            _ => return None,
        },
        RSA_ENCRYPTION if parameters?.is_null() => {
            let key = RsaPublicKeyRef::from_der(bits).ok()?;
            (KeyKind::Rsa(modulus_bits(&key)?), KeyParts::Rsa(key))
        }
        _ => return None,
    };
    kind.is_allowed().then_some((kind, parts))
}

/// The length of the modulus of a key whose modulus is odd, and its exponent odd, at least 65,537 and of at most four
/// octets.
fn modulus_bits(key: &RsaPublicKeyRef<'_>) -> Option<u32> {
    let (modulus, exponent) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
    let value = exponent.iter().fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    let odd = modulus.last()? % 2 == 1 && value % 2 == 1;
    if !odd || exponent.len() > 4 || value < 65_537 {
        return None;
    }
    u32::try_from(modulus.len()).ok()?.checked_mul(8)?.checked_sub(modulus.first()?.leading_zeros())
}

#[cfg(all(test, feature = "aws-lc-rs"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use countersign_testpki::Key;

    /// The octets with each one changed, one lost and one added.
    fn damaged(octets: &[u8]) -> Vec<Vec<u8>> {
        let change = |at: usize, bit: u8| {
            let mut changed = octets.to_vec();
            changed[at] ^= bit;
            changed
        };
        let changed = (0..octets.len()).flat_map(|at| [1, 0x80].map(|bit| change(at, bit)));
        changed.chain([octets[1..].to_vec(), [octets, &[0]].concat(), [&[0], octets].concat()]).collect()
    }

    #[test]
    fn both_providers_say_the_same_of_damaged_keys_and_signatures() {
        for key in [Key::ed25519("verify"), Key::p256("verify"), Key::p384("verify"), Key::rsa_2048()] {
            let both = |spki: &[u8]| {
                let parts = || key_parts(spki).map(|(_, parts)| parts);
                (parts().and_then(rustcrypto::Key::new), parts().and_then(aws_lc::Key::new))
            };
            let spki = key.spki();
            let damaged_keys = damaged(&spki);
            for spki in &damaged_keys {
                let (one, other) = both(spki);
                assert_eq!(one.is_some(), other.is_some(), "{spki:02x?}");
            }
            let (Some(one), Some(other)) = both(&spki) else { panic!("a key that both read") };
            let (one, other) = (one.for_many(), other.for_many());
            let algorithm = SignatureAlgorithm::from_identifier(&key.algorithm().identifier()).unwrap();
            let signature = key.sign(key.algorithm(), b"message");
            let digest = algorithm.hash().digest(b"message");
            for signature in damaged(&signature).iter().chain([&signature]) {
                let verified = if let Ok(signature) = <&[u8; 64]>::try_from(&signature[..]) {
                    [one.verify_ed25519(b"message", signature), other.verify_ed25519(b"message", signature)]
                } else {
                    [
                        one.verify_digest(algorithm, digest.as_ref(), signature),
                        other.verify_digest(algorithm, digest.as_ref(), signature),
                    ]
                };
                assert_eq!(verified[0], verified[1], "{algorithm:?} {signature:02x?}");
            }
        }
    }
}
