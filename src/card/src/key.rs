//! The keys of a card that may sign: where they are, and of which kind.

use std::fmt;

/// A key of the card that may sign. The other PIV keys are for doors and for decryption; they are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// 9A, PIV authentication: the PIN once a session.
    Authentication,
    /// 9C, digital signature: the PIN immediately before every signature.
    Signature,
}

impl Slot {
    /// The key reference (SP 800-73 part 1, table 5).
    pub(crate) fn key_reference(self) -> u8 {
        match self {
            Self::Authentication => 0x9A,
            Self::Signature => 0x9C,
        }
    }

    /// Tag of its certificate object (SP 800-73 part 1, table 3).
    pub(crate) fn certificate_tag(self) -> [u8; 3] {
        match self {
            Self::Authentication => [0x5F, 0xC1, 0x05],
            Self::Signature => [0x5F, 0xC1, 0x0A],
        }
    }

    pub(crate) fn certificate_name(self) -> &'static str {
        match self {
            Self::Authentication => "certificate in slot 9A",
            Self::Signature => "certificate in slot 9C",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.key_reference())
    }
}

/// Kind and size of a key (SP 800-78, table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, 2048 bits (07).
    Rsa2048,
    /// RSA, 3072 bits (05).
    Rsa3072,
    /// RSA, 4096 bits (16); not in the standard, offered by newer cards.
    Rsa4096,
    /// ECDSA on P-256 (11).
    P256,
    /// ECDSA on P-384 (14).
    P384,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::P256, Self::P384];

    /// The algorithm identifier.
    pub(crate) fn identifier(self) -> u8 {
        match self {
            Self::Rsa2048 => 0x07,
            Self::Rsa3072 => 0x05,
            Self::Rsa4096 => 0x16,
            Self::P256 => 0x11,
            Self::P384 => 0x14,
        }
    }

    /// Bytes that [`Piv::sign`](crate::Piv::sign) takes: the padded block for RSA, the digest for ECDSA.
    pub fn input_length(self) -> usize {
        match self {
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    /// What [`Piv::sign`](crate::Piv::sign) takes for a digest: for ECDSA the digest itself, which must be as long as
    /// the curve; for RSA the EMSA-PKCS1-v1_5 encoding (RFC 8017 9.2) of a SHA-256 digest, as long as the modulus.
    pub fn prepare(self, digest: &[u8]) -> Vec<u8> {
        match self {
            Self::P256 | Self::P384 => digest.to_vec(),
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => {
                let filler = self.input_length().saturating_sub(3 + SHA256_DIGEST_INFO.len() + digest.len());
                [&[0x00, 0x01][..], &vec![0xFF; filler], &[0x00], &SHA256_DIGEST_INFO, digest].concat()
            }
        }
    }
}

/// DER of the DigestInfo of SHA-256 up to the digest (RFC 8017 9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
            Self::Rsa4096 => "RSA-4096",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_block_is_as_long_as_the_modulus_and_says_which_hash() {
        for (algorithm, length) in [(Algorithm::Rsa2048, 256), (Algorithm::Rsa3072, 384), (Algorithm::Rsa4096, 512)] {
            let block = algorithm.prepare(&[7; 32]);
            assert_eq!(block.len(), length);
            let (padding, info) = block.split_at(length - 51);
            assert_eq!((padding[0], padding[1], padding[padding.len() - 1]), (0, 1, 0));
            assert!(padding[2..padding.len() - 1].iter().all(|byte| *byte == 0xFF));
            assert_eq!(usize::from(info[1]) + 2, info.len());
            assert!(info.ends_with(&[7; 32]));
        }
        assert_eq!(Algorithm::P384.prepare(&[7; 48]), [7; 48]);
    }
}
