//! A key on a PIV card (SP 800-73), which signs over PC/SC without a module of anybody's.

use crate::{
    key_uri::{ENCODED, LONGEST, attributes, once, utf8},
    words::{hex_octets, to_hex},
};
use core::{fmt, str::FromStr};
use countersign_card::Slot;
use percent_encoding::percent_encode;

pub(crate) const SCHEME: &str = "piv:";

/// A slot of a PIV card, and by what the card is known: its number (the GUID of its CHUID), the reader it is in.
///
/// It looks like a PKCS#11 URI (RFC 7512) without a module. A PIN cannot stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PivUri {
    /// Which of the card's keys.
    pub slot: Slot,
    /// The card identification number in the card's CHUID.
    pub card: Option<[u8; 16]>,
    /// The reader's name, or part of it.
    pub reader: Option<String>,
    /// Whether the card makes the key.
    pub new: bool,
}

impl FromStr for PivUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= LONGEST);
        let rest = rest.ok_or_else(|| format!("expected at most {LONGEST} octets beginning with {SCHEME}"))?;
        let (mut slot, mut card, mut reader, mut new) = (None, None, None, None);
        for (name, value) in attributes(rest, ';')? {
            let value = utf8(value)?;
            match name {
                "slot" => once(&mut slot, name, self::slot(&value)?)?,
                "card" => once(&mut card, name, number(&value)?)?,
                "reader" if value.is_empty() => return Err("reader has no name".to_owned()),
                "reader" => once(&mut reader, name, value)?,
                "key" if value == "new" => once(&mut new, name, ())?,
                "key" => return Err("key can only be new: without it the key that is there is taken".to_owned()),
                _ if name.contains("pin") => {
                    return Err(format!("{name} is refused: a PIN is typed, or comes by --key-pin-fd"));
                }
                _ => return Err(format!("{name} is not understood: expected slot, card, reader or key")),
            }
        }
        let slot = slot.ok_or("expected the slot, as in piv:slot=9c")?;
        Ok(Self { slot, card, reader, new: new.is_some() })
    }
}

/// The two slots whose keys sign.
fn slot(text: &str) -> Result<Slot, String> {
    match text.to_ascii_lowercase().as_str() {
        "9a" => Ok(Slot::Authentication),
        "9c" => Ok(Slot::Signature),
        "9d" => Err("slot 9D is for decryption, and signs nothing: expected 9c or 9a".to_owned()),
        "9e" => Err("slot 9E signs without a PIN: expected 9c or 9a".to_owned()),
        _ => Err(format!("{text:?} is no slot whose key signs: expected 9c or 9a")),
    }
}

fn number(text: &str) -> Result<[u8; 16], String> {
    let octets = hex_octets(text).and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| format!("{text:?} is no number of a card: expected 32 hexadecimal digits"))
}

/// The URI in its one spelling.
impl fmt::Display for PivUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}slot={}", self.slot.to_string().to_ascii_lowercase())?;
        if let Some(card) = &self.card {
            write!(f, ";card={}", to_hex(card))?;
        }
        if let Some(reader) = &self.reader {
            write!(f, ";reader={}", percent_encode(reader.as_bytes(), ENCODED))?;
        }
        if self.new { f.write_str(";key=new") } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key_uri::{KeyPlace, OwnKey};

    #[test]
    fn a_uri_is_read_and_written_again() {
        let text = "piv:slot=9c;card=000102030405060708090a0b0c0d0e0f;reader=Acme%20CCID%3B%2000%2000;key=new";
        let uri: PivUri = text.parse().unwrap();
        assert_eq!((uri.slot, uri.new), (Slot::Signature, true));
        assert_eq!(uri.card.map(|card| card[15]), Some(15));
        assert_eq!(uri.reader.as_deref(), Some("Acme CCID; 00 00"));
        assert_eq!(uri.to_string(), text);
        let short: PivUri = "piv:slot=9A".parse().unwrap();
        assert_eq!(short, PivUri { slot: Slot::Authentication, card: None, reader: None, new: false });
        assert_eq!(short.to_string(), "piv:slot=9a");
        assert_eq!("piv:slot=9a".parse(), Ok(KeyPlace::Piv(short.clone())));
        assert_eq!("piv:slot=9a".parse(), Ok(OwnKey::Piv(short)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (text, words) in [
            ("piv:", "slot=9c"),
            ("piv:9c", "no ="),
            ("piv:slot=9d", "decryption"),
            ("piv:slot=9E", "without a PIN"),
            ("piv:slot=82", "9c or 9a"),
            ("piv:slot=", "9c or 9a"),
            ("piv:slot=9c;slot=9c", "twice"),
            ("piv:slot=9c;pin=123456", "PIN"),
            ("piv:slot=9c;pin-value=123456", "PIN"),
            ("piv:slot=9c;serial=1", "serial is not understood"),
            ("piv:slot=9c;reader=", "no name"),
            ("piv:slot=9c;reader=%4", "percent"),
            ("piv:slot=9c;reader=%ff", "UTF-8"),
            ("piv:slot=9c;card=0001", "32 hexadecimal"),
            ("piv:slot=9c;card=zz0102030405060708090a0b0c0d0e0f", "32 hexadecimal"),
            ("piv:slot=9c;key=old", "new"),
            ("piv:slot=9c;", "no ="),
            ("piv:slot=9c?module-path=/m", "9c or 9a"),
            ("PIV:slot=9c", "file"),
        ] {
            let refused = text.parse::<KeyPlace>().unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
        let long = format!("piv:slot=9c;reader={}", "a".repeat(LONGEST));
        assert!(long.parse::<KeyPlace>().unwrap_err().contains("1024"));
    }
}
