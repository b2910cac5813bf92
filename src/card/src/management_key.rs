//! The card management key (9B) and its block ciphers (SP 800-78, table 6; SP 800-73 part 1, table 5).

use std::fmt;

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use des::TdesEde3;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Error;

/// The key that most PIV cards leave the factory with.
const DEFAULT_KEY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// The card management key: 16, 24 or 32 bytes. Erased from memory when dropped, and never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ManagementKey(Vec<u8>);

impl ManagementKey {
    /// Reads 32, 48 or 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::ManagementKeyMalformed`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self, Error> {
        if ![32, 48, 64].contains(&hex.len()) {
            return Err(Error::ManagementKeyMalformed);
        }
        let mut key = Zeroizing::new(Vec::with_capacity(hex.len() / 2));
        for pair in hex.as_bytes().chunks(2) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(Error::ManagementKeyMalformed);
            key.push((digit(0)? << 4 | digit(1)?) as u8);
        }
        Ok(Self(std::mem::take(&mut *key)))
    }

    /// A key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// [`Error::ManagementKeyMalformed`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if [16, 24, 32].contains(&bytes.len()) { Ok(Self(bytes.to_vec())) } else { Err(Error::ManagementKeyMalformed) }
    }

    /// The key in hexadecimal, for another program that manages the card.
    pub fn to_hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for byte in &self.0 {
            for half in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(half.into(), 16));
            }
        }
        text
    }

    /// Whether this is the well-known key with which most cards are delivered, and which protects nothing.
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_KEY
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> usize {
        self.0.len()
    }

    /// Encrypts one block with the key as a key of `algorithm`.
    pub(crate) fn encrypt(&self, algorithm: ManagementAlgorithm, block: &[u8]) -> Option<Vec<u8>> {
        match algorithm {
            ManagementAlgorithm::Aes128 => encrypt::<Aes128>(&self.0, block),
            ManagementAlgorithm::Aes192 => encrypt::<Aes192>(&self.0, block),
            ManagementAlgorithm::Aes256 => encrypt::<Aes256>(&self.0, block),
            ManagementAlgorithm::TripleDes => encrypt::<TdesEde3>(&self.0, block),
        }
    }

    /// Decrypts one block with the key as a key of `algorithm`.
    pub(crate) fn decrypt(&self, algorithm: ManagementAlgorithm, block: &[u8]) -> Option<Vec<u8>> {
        match algorithm {
            ManagementAlgorithm::Aes128 => decrypt::<Aes128>(&self.0, block),
            ManagementAlgorithm::Aes192 => decrypt::<Aes192>(&self.0, block),
            ManagementAlgorithm::Aes256 => decrypt::<Aes256>(&self.0, block),
            ManagementAlgorithm::TripleDes => decrypt::<TdesEde3>(&self.0, block),
        }
    }
}

impl fmt::Debug for ManagementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManagementKey(withheld)")
    }
}

fn encrypt<C: BlockCipherEncrypt + KeyInit + BlockSizeUser>(key: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let mut block = Array::<u8, C::BlockSize>::try_from(block).ok()?;
    C::new_from_slice(key).ok()?.encrypt_block(&mut block);
    Some(block.to_vec())
}

fn decrypt<C: BlockCipherDecrypt + KeyInit + BlockSizeUser>(key: &[u8], block: &[u8]) -> Option<Vec<u8>> {
    let mut block = Array::<u8, C::BlockSize>::try_from(block).ok()?;
    C::new_from_slice(key).ok()?.decrypt_block(&mut block);
    Some(block.to_vec())
}

/// What kind of key the card has for its management, in the order of the identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagementAlgorithm {
    /// Triple DES with three keys (03).
    TripleDes,
    /// AES-128 (08).
    Aes128,
    /// AES-192 (0A).
    Aes192,
    /// AES-256 (0C).
    Aes256,
}

impl ManagementAlgorithm {
    pub(crate) const ALL: [Self; 4] = [Self::TripleDes, Self::Aes128, Self::Aes192, Self::Aes256];

    /// The algorithm identifier (SP 800-78, table 6).
    pub(crate) fn identifier(self) -> u8 {
        match self {
            Self::TripleDes => 0x03,
            Self::Aes128 => 0x08,
            Self::Aes192 => 0x0A,
            Self::Aes256 => 0x0C,
        }
    }

    /// Length of its keys in bytes.
    pub fn key_length(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Length of its blocks in bytes.
    pub(crate) fn block_length(self) -> usize {
        match self {
            Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_hexadecimal() {
        let key = ManagementKey::from_hex("010203040506070801020304050607080102030405060708").expect("a key");
        assert!(key.is_default());
        assert_eq!(format!("{key:?}"), "ManagementKey(withheld)");
        assert!(!ManagementKey::from_hex(&"Ab".repeat(16)).expect("a key").is_default());
        assert_eq!(*ManagementKey::from_hex(&"0Af9".repeat(8)).expect("a key").to_hex(), "0af9".repeat(8));
        for malformed in ["", "01", "0102030405060708010203040506070801020304050607", &"0g".repeat(24), &"é".repeat(24)]
        {
            assert_eq!(ManagementKey::from_hex(malformed).map(|_| ()), Err(Error::ManagementKeyMalformed));
        }
    }

    #[test]
    fn ciphers_agree_with_the_standards() {
        // FIPS 197, appendix C: key 000102..., block 001122...ff.
        let block: Vec<u8> = (0..16).map(|n| n * 0x11).collect();
        let cases = [
            (ManagementAlgorithm::Aes128, [0x69, 0xC4, 0xE0, 0xD8]),
            (ManagementAlgorithm::Aes192, [0xDD, 0xA9, 0x7C, 0xA4]),
            (ManagementAlgorithm::Aes256, [0x8E, 0xA2, 0xB7, 0xCA]),
        ];
        for (algorithm, start) in cases {
            let key = ManagementKey((0..algorithm.key_length() as u8).collect());
            let encrypted = key.encrypt(algorithm, &block).expect("fits");
            assert_eq!(encrypted[..4], start);
            assert_eq!(key.decrypt(algorithm, &encrypted), Some(block.clone()));
        }
        // One DES with three equal keys: key 0123456789ABCDEF, "Now is t" (NBS SP 500-20's sample text).
        let key = ManagementKey::from_hex(&"0123456789ABCDEF".repeat(3)).expect("a key");
        let encrypted = key.encrypt(ManagementAlgorithm::TripleDes, b"Now is t").expect("fits");
        assert_eq!(encrypted, [0x3F, 0xA4, 0x0E, 0x8A, 0x98, 0x4D, 0x48, 0x15]);
        assert_eq!(key.encrypt(ManagementAlgorithm::Aes128, &block), None, "length");
    }
}
