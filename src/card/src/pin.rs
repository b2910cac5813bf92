//! The PIN: its form, and what a card says about it.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Error;

/// A PIN of the PIV application: six to eight decimal digits (SP 800-73 part 2, 2.4.3). Erased from memory when
/// dropped, and never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Pin([u8; 8]);

impl Pin {
    /// Checks the form without asking a card, since some cards count a PIN of letters as a wrong one.
    ///
    /// # Errors
    /// [`Error::PinMalformed`] unless `digits` is six to eight ASCII digits.
    pub fn new(digits: &str) -> Result<Self, Error> {
        if !(6..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Error::PinMalformed);
        }
        let mut padded = [0xFF; 8];
        padded[..digits.len()].copy_from_slice(digits.as_bytes());
        Ok(Self(padded))
    }

    /// The digits, padded with FF to eight bytes.
    pub(crate) fn padded(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(withheld)")
    }
}

/// The PUK, which sets a new PIN: six to eight decimal digits, eight of them by SP 800-73 part 2, 2.4.3. Erased from memory
/// when dropped, and never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Puk([u8; 8]);

impl Puk {
    /// Checks the form without asking a card.
    ///
    /// # Errors
    /// [`Error::PukMalformed`] unless `digits` is six to eight ASCII digits.
    pub fn new(digits: &str) -> Result<Self, Error> {
        Pin::new(digits).map(|pin| Self(pin.0)).map_err(|_| Error::PukMalformed)
    }

    /// The digits, padded with FF to eight bytes.
    pub(crate) fn padded(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for Puk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Puk(withheld)")
    }
}

/// Whether a wrong PIN may block the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastTry {
    /// The last try is kept: with one left, the PIN is not sent.
    Keep,
    /// The last try may be spent.
    Spend,
}

/// What the card says about its PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinStatus {
    /// Too many wrong PINs; only the PUK or the issuer can help.
    Blocked,
    /// Not verified yet; so many wrong PINs are left.
    TriesLeft(u8),
    /// Verified since the card was selected.
    Verified,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_six_to_eight_digits_are_a_pin() {
        assert_eq!(Pin::new("123456").map(|pin| *pin.padded()), Ok(*b"123456\xFF\xFF"));
        assert_eq!(Pin::new("12345678").map(|pin| *pin.padded()), Ok(*b"12345678"));
        for malformed in
            ["", "12345", "123456789", "12345a", "abcdef", "123 56", "12345\u{663}", "\u{664}\u{665}\u{666}"]
        {
            assert_eq!(Pin::new(malformed).map(|_| ()), Err(Error::PinMalformed), "{malformed:?}");
        }
    }

    #[test]
    fn a_pin_is_not_printed() {
        assert_eq!(format!("{:?}", Pin::new("123456")), "Ok(Pin(withheld))");
        assert_eq!(format!("{:?}", Puk::new("12345678")), "Ok(Puk(withheld))");
        assert_eq!(Puk::new("1234567a").map(|_| ()), Err(Error::PukMalformed));
    }
}
