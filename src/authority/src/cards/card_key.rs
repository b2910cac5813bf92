//! The secret from which the management key and the PUK of each card follow.
//!
//! An office that kept a key for each card would need a list of secrets beside the ledger, and would lose it. So there is
//! one secret, `keys/cards.key.pem`, encrypted under the passphrase of the other keys, and what a card has follows from it
//! and the card's GUID: HKDF-Expand of RFC 5869 with SHA-256, `countersign card management key` or `countersign card PUK`,
//! an octet and the GUID as the info. Whoever has it can replace keys on cards and set PINs, and cannot certify anything.

use crate::{
    error::Error,
    files,
    home::Home,
    keys::{Custodian, Keyring},
    random,
};
use countersign_card::{ManagementAlgorithm, ManagementKey, Puk};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::path::PathBuf;
use zeroize::Zeroizing;

use super::pins;

const FILE: &str = "keys/cards.key.pem";

/// The secret of an authority's cards.
pub(crate) struct CardKey(Zeroizing<[u8; 32]>);

impl CardKey {
    /// Opens it, if this authority has one.
    pub(crate) fn open(home: &Home, keyring: &mut Keyring) -> Result<Option<Self>, Error> {
        let file = Self::file(home);
        if !file.exists() {
            return Ok(None);
        }
        let secret = keyring.open_secret(&file, Custodian::Issuer)?;
        Ok(Some(Self(secret)))
    }

    /// Opens it, or makes it.
    pub(crate) fn open_or_make(home: &Home, keyring: &mut Keyring) -> Result<Self, Error> {
        if let Some(known) = Self::open(home, keyring)? {
            return Ok(known);
        }
        home.open_passphrase(keyring)?;
        let key = Self(Zeroizing::new(random::octets()?));
        let text = keyring.seal_secret(&key.0, Custodian::Issuer)?;
        let file = Self::file(home);
        files::write_new(&file, 0o600, text.as_bytes())?;
        files::sync_folder(&home.path().join("keys"))?;
        Ok(key)
    }

    /// One for tests.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        Self(Zeroizing::new([7; 32]))
    }

    fn file(home: &Home) -> PathBuf {
        home.path().join(FILE)
    }

    /// The management key of a card, for the kind of key that the card has.
    pub(crate) fn management_key(&self, guid: &[u8; 16], kind: ManagementAlgorithm) -> Result<ManagementKey, Error> {
        let octets = self.expand("countersign card management key", 0, guid)?;
        Ok(ManagementKey::from_bytes(&octets[..kind.key_length().min(octets.len())])?)
    }

    /// The PUK of a card: the first one, counted by an octet of the info, that nobody would guess.
    pub(crate) fn puk(&self, guid: &[u8; 16]) -> Result<Puk, Error> {
        for number in 0..=u8::MAX {
            let octets = self.expand("countersign card PUK", number, guid)?;
            let value = octets[..16].iter().fold(0_u128, |value, octet| value << 8 | u128::from(*octet));
            let digits = Zeroizing::new(format!("{:08}", value % 100_000_000));
            if pins::weakness(&digits).is_none() {
                return Ok(Puk::new(&digits)?);
            }
        }
        Err(Error::Random)
    }

    /// HKDF-Expand (RFC 5869 2.3), one block.
    fn expand(&self, purpose: &str, number: u8, guid: &[u8; 16]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).map_err(|_| Error::KeyMismatch)?;
        for part in [purpose.as_bytes(), &[number], guid, &[1]] {
            mac.update(part);
        }
        Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `openssl kdf -keylen 24 -kdfopt digest:SHA256 -kdfopt mode:EXPAND_ONLY -kdfopt hexkey:… -kdfopt hexinfo:… HKDF`
    #[test]
    fn it_is_the_kdf_of_the_standard() {
        let key = CardKey(Zeroizing::new([0x0b; 32]));
        let guid = [0x5a; 16];
        let hex = |purpose: &str, number: u8| {
            let info = [purpose.as_bytes(), &[number], &guid].concat();
            let option = |name: &str, octets: &[u8]| format!("{name}:{}", crate::words::to_hex(octets));
            let (secret, info) = (option("hexkey", &*key.0), option("hexinfo", &info));
            let options = ["digest:SHA256", "mode:EXPAND_ONLY", &secret, &info];
            let mut run = countersign_testkit::Run::new("openssl").args(["kdf", "-keylen", "32"]);
            for option in options {
                run = run.args(["-kdfopt", option]);
            }
            let text = run.args(["HKDF"]).output().expect_code(0).stdout_text();
            crate::words::hex_octets(&text.trim().replace(':', "")).unwrap()
        };
        let management = "countersign card management key";
        assert_eq!(key.expand(management, 0, &guid).unwrap()[..], hex(management, 0));
        assert_eq!(key.expand("countersign card PUK", 3, &guid).unwrap()[..], hex("countersign card PUK", 3));
    }

    #[test]
    fn each_card_has_its_own() {
        let key = CardKey(Zeroizing::new([7; 32]));
        assert_ne!(key.expand("a", 0, &[1; 16]).unwrap(), key.expand("a", 0, &[2; 16]).unwrap());
        for kind in [ManagementAlgorithm::TripleDes, ManagementAlgorithm::Aes128, ManagementAlgorithm::Aes256] {
            key.management_key(&[1; 16], kind).unwrap();
        }
        key.puk(&[1; 16]).unwrap();
    }
}
