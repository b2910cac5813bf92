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
}

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
