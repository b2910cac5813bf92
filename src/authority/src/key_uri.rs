//! Where a key is: in a file of the authority, or in hardware that a PKCS#11 URI (RFC 7512) or a card's URI names.

pub use crate::piv_uri::PivUri;

use crate::piv_uri;
use core::{fmt, str::FromStr};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::path::PathBuf;

/// The longest URI that is read, in octets.
pub(crate) const LONGEST: usize = 1024;

/// Where a key is, or is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file in the authority's folder, encrypted by the passphrase.
    File,
    /// A token of PKCS#11, such as an HSM.
    Pkcs11(Pkcs11Uri),
    /// A PIV card.
    Piv(PivUri),
}

impl KeyPlace {
    /// Whether it names a key, and not only where one is to be made.
    pub const fn names_key(&self) -> bool {
        match self {
            Self::File => false,
            Self::Pkcs11(uri) => uri.names_key(),
            Self::Piv(_) => true,
        }
    }
}

impl FromStr for KeyPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "file" => Ok(Self::File),
            _ if text.starts_with(SCHEME) => text.parse().map(Self::Pkcs11),
            _ if text.starts_with(piv_uri::SCHEME) => text.parse().map(Self::Piv),
            _ => Err(
                "expected file, or a URI such as \"piv:slot=9c\" or \"pkcs11:token=Authority?module-path=/usr/lib/…\""
                    .to_owned(),
            ),
        }
    }
}

/// A key of an officer's own, which no authority's folder keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnKey {
    /// An encrypted key file.
    File(PathBuf),
    /// On a PIV card.
    Piv(PivUri),
    /// In a token of PKCS#11.
    Pkcs11(Pkcs11Uri),
}

impl FromStr for OwnKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            _ if text.starts_with(SCHEME) => text.parse().map(Self::Pkcs11),
            _ if text.starts_with(piv_uri::SCHEME) => match text.parse::<PivUri>()? {
                uri if uri.new => Err("a key that is there is meant: leave out key=new".to_owned()),
                uri => Ok(Self::Piv(uri)),
            },
            _ => Ok(Self::File(text.into())),
        }
    }
}

const SCHEME: &str = "pkcs11:";

/// A PKCS#11 URI (RFC 7512): by what the token is known, which key in it is meant, and the module that leads to it.
///
/// A PIN cannot stand in it: `pin-value` and `pin-source` are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// The token's label.
    pub token: Option<String>,
    /// Who made the token.
    pub manufacturer: Option<String>,
    /// The token's model.
    pub model: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The key's label (CKA_LABEL).
    pub object: Option<String>,
    /// The key's identifier (CKA_ID).
    pub id: Option<Vec<u8>>,
    /// The module's file.
    pub module: PathBuf,
}

impl Pkcs11Uri {
    /// Whether it names a key, and not only the token.
    pub const fn names_key(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }
}

impl FromStr for Pkcs11Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= LONGEST);
        let rest = rest.ok_or_else(|| format!("expected at most {LONGEST} octets beginning with {SCHEME}"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let mut module = None;
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => once(&mut uri.token, name, utf8(value)?)?,
                "manufacturer" => once(&mut uri.manufacturer, name, utf8(value)?)?,
                "model" => once(&mut uri.model, name, utf8(value)?)?,
                "serial" => once(&mut uri.serial, name, utf8(value)?)?,
                "object" => once(&mut uri.object, name, utf8(value)?)?,
                "id" => once(&mut uri.id, name, value)?,
                "type" if value == b"private" => {}
                "type" => return Err("type is not private: a key that signs is meant".to_owned()),
                _ => {
                    return Err(format!(
                        "{name} is not understood: name the token by token, serial, model or manufacturer, the key by \
                         object or id"
                    ));
                }
            }
        }
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => once(&mut module, name, utf8(value)?)?,
                "pin-value" | "pin-source" => {
                    return Err(format!("{name} is refused: a PIN is typed, or comes by --key-pin-fd"));
                }
                _ => return Err(format!("{name} is not understood: expected module-path")),
            }
        }
        // A module is code that runs with the rights of this program: never whichever the loader happens to find.
        uri.module = module.map(PathBuf::from).filter(|path| path.is_absolute()).ok_or(
            "expected ?module-path= and the absolute path of the module, such as /usr/lib/softhsm/libsofthsm2.so",
        )?;
        if uri.token.is_none() && uri.serial.is_none() {
            return Err("expected the token's label or serial number, as in pkcs11:token=Authority".to_owned());
        }
        Ok(uri)
    }
}

/// Name and decoded value of each attribute; nothing where the part is empty.
pub(crate) fn attributes(part: &str, separator: char) -> Result<Vec<(&str, Vec<u8>)>, String> {
    part.split(separator)
        .filter(|_| !part.is_empty())
        .map(|attribute| {
            let (name, value) = attribute.split_once('=').ok_or_else(|| format!("{attribute:?} has no ="))?;
            Ok((name, decode(value).ok_or_else(|| format!("the value of {name} is not percent-encoded"))?))
        })
        .collect()
}

/// Each `%` has to be followed by two hexadecimal digits (RFC 3986 2.1).
fn decode(value: &str) -> Option<Vec<u8>> {
    let mut parts = value.split('%').skip(1);
    let sound = parts.all(|part| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
    sound.then(|| percent_decode_str(value).collect())
}

pub(crate) fn utf8(value: Vec<u8>) -> Result<String, String> {
    String::from_utf8(value).map_err(|_| "a value is not UTF-8".to_owned())
}

pub(crate) fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} stands there twice")),
    }
}

/// What need not be encoded in a value, in the path and in the query alike (RFC 7512 2.3).
pub(crate) const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The URI in its one spelling.
impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |value: &[u8]| percent_encode(value, ENCODED).to_string();
        let text = |name, value: &Option<String>| value.as_ref().map(|value| (name, encoded(value.as_bytes())));
        let id = self.id.as_ref().map(|id| id.iter().map(|octet| format!("%{octet:02x}")).collect());
        let attributes = [
            text("token", &self.token),
            text("manufacturer", &self.manufacturer),
            text("model", &self.model),
            text("serial", &self.serial),
            text("object", &self.object),
            id.map(|id: String| ("id", id)),
        ];
        f.write_str(SCHEME)?;
        for (place, (name, value)) in attributes.into_iter().flatten().enumerate() {
            write!(f, "{}{name}={value}", if place == 0 { "" } else { ";" })?;
        }
        write!(f, "?module-path={}", encoded(self.module.as_os_str().as_encoded_bytes()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_read_and_written_again() {
        let text = "pkcs11:token=The%20Authority;serial=0a-1;object=token%3Bsigner;id=%01%ff?module-path=/usr/lib/m.so";
        let uri: Pkcs11Uri = text.parse().unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Authority"));
        assert_eq!(uri.serial.as_deref(), Some("0a-1"));
        assert_eq!(uri.object.as_deref(), Some("token;signer"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 0xff][..]));
        assert_eq!(uri.module, PathBuf::from("/usr/lib/m.so"));
        assert!(uri.names_key());
        assert_eq!(uri.to_string(), text);
        let other: Pkcs11Uri =
            "pkcs11:model=a&b;type=private;manufacturer=x;serial=%C3%A9?module-path=/m".parse().unwrap();
        assert!(!other.names_key());
        assert_eq!(other.to_string().parse(), Ok(other));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (text, words) in [
            ("pkcs11:token=a?module-path=/m&pin-value=1234", "PIN"),
            ("pkcs11:token=a?pin-source=file:/pin&module-path=/m", "PIN"),
            ("pkcs11:token=a?module-path=libsofthsm2.so", "absolute"),
            ("pkcs11:token=a", "module-path"),
            ("pkcs11:object=a?module-path=/m", "label or serial"),
            ("pkcs11:?module-path=/m", "label or serial"),
            ("pkcs11:token=a;token=b?module-path=/m", "twice"),
            ("pkcs11:token=a?module-path=/m&module-path=/m", "twice"),
            ("pkcs11:token=a;type=public?module-path=/m", "private"),
            ("pkcs11:token=a;slot-id=1?module-path=/m", "slot-id"),
            ("pkcs11:token=a?module-name=m", "module-name"),
            ("pkcs11:token?module-path=/m", "no ="),
            ("pkcs11:token=a;?module-path=/m", "no ="),
            ("pkcs11:token=%4?module-path=/m", "percent"),
            ("pkcs11:token=%+1?module-path=/m", "percent"),
            ("pkcs11:token=%ff?module-path=/m", "UTF-8"),
            ("token=a", "pkcs11:"),
            ("key.pem", "file"),
        ] {
            let refused = text.parse::<KeyPlace>().unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
        let long = format!("pkcs11:token={}?module-path=/m", "a".repeat(LONGEST));
        assert!(long.parse::<KeyPlace>().unwrap_err().contains("1024"));
        assert_eq!("file".parse(), Ok(KeyPlace::File));
    }
}
