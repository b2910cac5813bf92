//! Which PINs and PUKs are good enough.

use crate::error::Error;
use countersign_card::{Pin, Puk};

/// PINs and PUKs that cards are delivered with (SP 800-73 leaves it open; these are the makers').
const DELIVERED: [&str; 5] = ["123456", "12345678", "000000", "00000000", "11111111"];

/// What a new PIN has to be like. The card counts tries, so what matters is that nobody guesses it in a few.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PinRules {
    /// The fewest digits, 6 to 8.
    pub(crate) length: u8,
}

impl Default for PinRules {
    fn default() -> Self {
        Self { length: 6 }
    }
}

impl PinRules {
    /// A new PIN, if it is good enough.
    pub(crate) fn new_pin(self, digits: &str) -> Result<Pin, Error> {
        let pin = Pin::new(digits)?;
        if digits.len() < usize::from(self.length) {
            return Err(Error::WeakPin { what: "PIN", fault: "has fewer digits than the limits of the authority say" });
        }
        match weakness(digits) {
            Some(fault) => Err(Error::WeakPin { what: "PIN", fault }),
            None => Ok(pin),
        }
    }

    /// A new PUK of eight digits, if it is good enough and does not hold the PIN.
    pub(crate) fn new_puk(self, digits: &str, pin: &str) -> Result<Puk, Error> {
        let puk = Puk::new(digits)?;
        let fault = match weakness(digits) {
            _ if digits.len() != 8 => Some("has not eight digits"),
            _ if digits.contains(pin) => Some("holds the PIN"),
            weakness => weakness,
        };
        fault.map_or(Ok(puk), |fault| Err(Error::WeakPin { what: "PUK", fault }))
    }
}

/// Why digits are among the first that anybody would try.
pub(crate) fn weakness(digits: &str) -> Option<&'static str> {
    let octets = digits.as_bytes();
    let steps = || octets.windows(2).map(|pair| (pair[1] + 10 - pair[0]) % 10);
    let repeats = |length: usize| octets.iter().zip(octets.iter().skip(length)).all(|(one, other)| one == other);
    if DELIVERED.contains(&digits) {
        Some("is one that cards are delivered with")
    } else if steps().all(|step| step == 1) || steps().all(|step| step == 9) {
        Some("counts up or down")
    } else if (1..=octets.len() / 2).any(repeats) {
        Some("repeats itself")
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_would_try_is_refused() {
        let rules = PinRules::default();
        for digits in [
            "123456", "12345678", "000000", "777777", "234567", "890123", "654321", "109876", "121212", "123123",
            "1231231", "12341234", "99999999",
        ] {
            assert_eq!(rules.new_pin(digits).unwrap_err().code(), "CS-7063", "{digits}");
        }
        for digits in ["864201", "135792", "112233", "12345679", "4711470", "470815"] {
            assert!(rules.new_pin(digits).is_ok(), "{digits}");
        }
        assert_eq!(rules.new_pin("86420").unwrap_err().code(), "CS-5027");
        assert_eq!(rules.new_pin("86420a").unwrap_err().code(), "CS-5027");
        assert_eq!(PinRules { length: 8 }.new_pin("864201").unwrap_err().code(), "CS-7063");
    }

    #[test]
    fn a_puk_is_longer_than_the_pin_and_something_else() {
        let rules = PinRules::default();
        assert!(rules.new_puk("90716284", "864201").is_ok());
        for digits in ["907162", "9071628", "12345678", "98642013", "86420175", "00000000"] {
            assert_eq!(rules.new_puk(digits, "864201").unwrap_err().code(), "CS-7063", "{digits}");
        }
        assert_eq!(rules.new_puk("9071628x", "864201").unwrap_err().code(), "CS-5037");
    }
}
