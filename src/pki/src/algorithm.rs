//! The signature algorithms that are allowed, in one table.

use core::fmt;
use der::{
    Decode, Encode,
    asn1::{Any, ObjectIdentifier},
    referenced::OwnedToRef as _,
};
use rsa::pkcs1::{RsaPssParams, RsaPssParamsRef};
use sha2::{Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierRef;

/// A hash function of FIPS 180-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The value of a hash function, 32 to 64 octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    octets: [u8; 64],
    length: usize,
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl HashAlgorithm {
    /// Hashes a message.
    pub fn digest(self, message: &[u8]) -> Digest {
        fn keep<D: sha2::Digest>(message: &[u8]) -> Digest {
            let value = D::digest(message);
            let mut octets = [0; 64];
            octets[..value.len()].copy_from_slice(&value);
            Digest { octets, length: value.len() }
        }
        match self {
            Self::Sha256 => keep::<Sha256>(message),
            Self::Sha384 => keep::<Sha384>(message),
            Self::Sha512 => keep::<Sha512>(message),
        }
    }

    /// Length of the digest in octets.
    pub const fn output_size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// DER of the AlgorithmIdentifier with absent parameters, as RFC 5754 2 prescribes for CMS.
    pub const fn identifier(self) -> &'static [u8] {
        match self {
            Self::Sha256 => &[0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
            Self::Sha384 => &[0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
            Self::Sha512 => &[0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        }
    }

    /// Reads the DER of an AlgorithmIdentifier that must have absent parameters.
    pub fn from_identifier(der: &[u8]) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|hash| hash.identifier() == der)
    }
}

/// A signature algorithm that a certificate or a signed object may use. ECDSA goes with the hash as long as
/// the curve: P-256 with SHA-256, P-384 with SHA-384.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 by a P-256 key (RFC 5758 3.2).
    EcdsaP256Sha256,
    /// ecdsa-with-SHA384 by a P-384 key (RFC 5758 3.2).
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8032, RFC 8410 3): it signs the message itself, not a digest of it.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2).
    RsaPkcs1(HashAlgorithm),
    /// RSASSA-PSS (RFC 8017 8.1), MGF1 with the same hash, salt as long as the hash, trailer 0xbc.
    RsaPss(HashAlgorithm),
}

pub(crate) const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ID_RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const ID_MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
/// rsaEncryption with NULL parameters (RFC 3279 2.3.1).
const RSA_ENCRYPTION: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// DER of the AlgorithmIdentifiers whose parameters are fixed.
const FIXED: [(SignatureAlgorithm, &[u8]); 6] = [
    (SignatureAlgorithm::EcdsaP256Sha256, &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]),
    (SignatureAlgorithm::EcdsaP384Sha384, &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]),
    (SignatureAlgorithm::Ed25519, &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70]),
    (
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00],
    ),
    (
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha384),
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c, 0x05, 0x00],
    ),
    (
        SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha512),
        &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00],
    ),
];

impl SignatureAlgorithm {
    /// Reads the DER of an AlgorithmIdentifier, parameters included. Nothing comes back for an algorithm, or
    /// parameters of a known one, that are not allowed.
    pub fn from_identifier(der: &[u8]) -> Option<Self> {
        if let Some((algorithm, _)) = FIXED.iter().find(|(_, fixed)| *fixed == der) {
            return Some(*algorithm);
        }
        let identifier = AlgorithmIdentifierRef::from_der(der).ok()?;
        if identifier.oid != ID_RSASSA_PSS {
            return None;
        }
        let encoded = identifier.parameters?.to_der().ok()?;
        let parameters = RsaPssParams::<Any>::from_der(&encoded).ok()?;
        // A default that is spelled out parses, but does not come out the same.
        if parameters.to_der().ok()? != encoded {
            return None;
        }
        let hash = hash_in_pss(&parameters.hash.owned_to_ref())?;
        let mask = &parameters.mask_gen;
        let same_hash = mask.oid == ID_MGF1
            && mask.parameters.as_ref().and_then(|hash| hash_in_pss(&hash.owned_to_ref())) == Some(hash);
        let salt = usize::from(parameters.salt_len) == hash.output_size();
        (same_hash && salt).then_some(Self::RsaPss(hash))
    }

    /// As [`Self::from_identifier`], for the `signatureAlgorithm` of a CMS SignerInfo, where rsaEncryption with
    /// the digest algorithm beside it means PKCS#1 v1.5 with that hash (RFC 3370 3.2).
    pub fn from_signer_info(der: &[u8], digest: HashAlgorithm) -> Option<Self> {
        if der == RSA_ENCRYPTION { Some(Self::RsaPkcs1(digest)) } else { Self::from_identifier(der) }
    }

    /// DER of the AlgorithmIdentifier that stands for this algorithm in certificates and in CMS.
    pub fn identifier(self) -> Vec<u8> {
        if let Some((_, fixed)) = FIXED.iter().find(|(algorithm, _)| *algorithm == self) {
            return fixed.to_vec();
        }
        let parameters = match self {
            Self::RsaPss(HashAlgorithm::Sha384) => RsaPssParamsRef::new::<Sha384>(48),
            Self::RsaPss(HashAlgorithm::Sha512) => RsaPssParamsRef::new::<Sha512>(64),
            _ => RsaPssParamsRef::new::<Sha256>(32),
        };
        let identifier = spki::AlgorithmIdentifier { oid: ID_RSASSA_PSS, parameters: Some(parameters) };
        identifier.to_der().unwrap_or_default()
    }

    /// The hash of the digest that is signed. Ed25519 hashes for itself; beside it, a CMS object uses SHA-512
    /// (RFC 8419 3.1).
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::EcdsaP256Sha256 => HashAlgorithm::Sha256,
            Self::EcdsaP384Sha384 => HashAlgorithm::Sha384,
            Self::Ed25519 => HashAlgorithm::Sha512,
            Self::RsaPkcs1(hash) | Self::RsaPss(hash) => hash,
        }
    }

    /// What a signer is given for a message: a card, an HSM and a file key alike get its digest and never see the
    /// message, except by Ed25519, which signs the message itself.
    pub fn signer_input(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519 => message.to_vec(),
            _ => self.hash().digest(message).as_ref().to_vec(),
        }
    }

    /// The field's short name, such as `ecdsa-p256-sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::Ed25519 => "ed25519",
            Self::RsaPkcs1(HashAlgorithm::Sha256) => "rsa-pkcs1-sha256",
            Self::RsaPkcs1(HashAlgorithm::Sha384) => "rsa-pkcs1-sha384",
            Self::RsaPkcs1(HashAlgorithm::Sha512) => "rsa-pkcs1-sha512",
            Self::RsaPss(HashAlgorithm::Sha256) => "rsa-pss-sha256",
            Self::RsaPss(HashAlgorithm::Sha384) => "rsa-pss-sha384",
            Self::RsaPss(HashAlgorithm::Sha512) => "rsa-pss-sha512",
        }
    }
}

/// A hash inside PSS parameters, whose own parameters may be NULL or absent (RFC 4055 2.1).
fn hash_in_pss(identifier: &AlgorithmIdentifierRef<'_>) -> Option<HashAlgorithm> {
    if identifier.parameters.is_some_and(|parameters| !parameters.is_null()) {
        return None;
    }
    let bare = AlgorithmIdentifierRef { oid: identifier.oid, parameters: None };
    HashAlgorithm::from_identifier(&bare.to_der().ok()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use HashAlgorithm::{Sha256, Sha384, Sha512};

    #[test]
    fn every_identifier_reads_back() {
        use SignatureAlgorithm::{EcdsaP256Sha256, EcdsaP384Sha384, Ed25519};
        let all = [EcdsaP256Sha256, EcdsaP384Sha384, Ed25519]
            .into_iter()
            .chain([Sha256, Sha384, Sha512].map(SignatureAlgorithm::RsaPkcs1))
            .chain([Sha256, Sha384, Sha512].map(SignatureAlgorithm::RsaPss));
        for algorithm in all {
            assert_eq!(SignatureAlgorithm::from_identifier(&algorithm.identifier()), Some(algorithm));
        }
        let of_pss = SignatureAlgorithm::RsaPss(Sha384).identifier();
        assert_eq!(SignatureAlgorithm::from_signer_info(&of_pss, Sha384), Some(SignatureAlgorithm::RsaPss(Sha384)));
        assert_eq!(
            SignatureAlgorithm::from_signer_info(RSA_ENCRYPTION, Sha512),
            Some(SignatureAlgorithm::RsaPkcs1(Sha512))
        );
        assert_eq!(SignatureAlgorithm::from_identifier(RSA_ENCRYPTION), None);
    }

    #[test]
    fn pss_with_another_salt_or_mask_is_not_allowed() {
        let good = SignatureAlgorithm::RsaPss(Sha256).identifier();
        let mut salt = good.clone();
        *salt.last_mut().unwrap() = 20;
        assert_eq!(SignatureAlgorithm::from_identifier(&salt), None);
        let sha256 = &Sha256.identifier()[4..];
        let at = good.windows(9).rposition(|window| window == sha256).unwrap();
        let mut mask = good.clone();
        mask[at + 8] = 2;
        assert_eq!(SignatureAlgorithm::from_identifier(&mask), None);
    }
}
