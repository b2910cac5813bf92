//! How a card's key signs: the algorithms that go with its kind.

use crate::error::Error;
use countersign_card::Algorithm;
use countersign_common::{HashAlgorithm, KeyKind, SignatureAlgorithm};

/// The algorithm of the card and that of the signature for a kind of key: P-256 with SHA-256, P-384 with SHA-384, RSA
/// as PKCS#1 v1.5 with SHA-256, which every PIV card that has the key can do.
pub(crate) fn algorithms(key: KeyKind) -> Result<(Algorithm, SignatureAlgorithm), Error> {
    let rsa = SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256);
    match key {
        KeyKind::P256 => Ok((Algorithm::P256, SignatureAlgorithm::EcdsaP256Sha256)),
        KeyKind::P384 => Ok((Algorithm::P384, SignatureAlgorithm::EcdsaP384Sha384)),
        KeyKind::Rsa(2048) => Ok((Algorithm::Rsa2048, rsa)),
        KeyKind::Rsa(3072) => Ok((Algorithm::Rsa3072, rsa)),
        KeyKind::Rsa(4096) => Ok((Algorithm::Rsa4096, rsa)),
        KeyKind::Ed25519 | KeyKind::Rsa(_) => Err(Error::KeyUnsupported(key)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_a_piv_card_can_have() {
        for (bits, algorithm) in [(2048, Algorithm::Rsa2048), (3072, Algorithm::Rsa3072), (4096, Algorithm::Rsa4096)] {
            assert_eq!(algorithms(KeyKind::Rsa(bits)).unwrap().0, algorithm);
        }
        for key in [KeyKind::Ed25519, KeyKind::Rsa(2049)] {
            assert_eq!(algorithms(key).unwrap_err().code(), "CS-8018");
        }
    }
}
