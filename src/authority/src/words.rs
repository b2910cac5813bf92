//! The spelling of terms, the same in flags and in profiles.

use clap::ValueEnum;
use core::str::FromStr;
use countersign_common::{
    ComponentKind, Digest32, Octets, Time,
    token::{AltNameForm, AltNamePattern, AttributePattern, ComponentRule, Criterion, MAX_INTERVAL, TpmRule},
    token_list::TokenRevocation,
};
use der::{
    Decode,
    asn1::{Any, ObjectIdentifier},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// A number of seconds, typed as `365d`, `12h` or `1y 6months`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub u32);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = humantime::parse_duration(text)
            .map_err(|_| format!("{text:?} is no duration; expected one such as 30d, 12h or 1y"))?;
        u32::try_from(duration.as_secs())
            .ok()
            .filter(|seconds| (1..=MAX_INTERVAL).contains(seconds) && duration.subsec_nanos() == 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not between one second and a century"))
    }
}

/// Why something is revoked, in the spelling of RFC 5280 5.3.1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
#[value(rename_all = "camelCase")]
pub enum RevocationWord {
    /// Nothing is said.
    Unspecified,
    /// Somebody else has the key, or may have. Certificates only.
    KeyCompromise,
    /// The holder or customer has changed.
    AffiliationChanged,
    /// Another one took its place.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// Suspended; may be lifted.
    CertificateHold,
    /// The holder or customer lost the right to it.
    PrivilegeWithdrawn,
}

impl RevocationWord {
    /// The name of RFC 5280 5.3.1.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    /// The number of CRLReason (RFC 5280 5.3.1).
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// Whether what was signed or activated before the date stands.
    pub(crate) fn spares_what_was_before(self) -> bool {
        self.of_token().is_some_and(|reason| reason.reason().spares_what_was_before())
    }

    /// The reason as a token list has it; a token has no key that could be compromised.
    pub(crate) const fn of_token(self) -> Option<TokenRevocation> {
        Some(match self {
            Self::Unspecified => TokenRevocation::Unspecified,
            Self::KeyCompromise => return None,
            Self::AffiliationChanged => TokenRevocation::AffiliationChanged,
            Self::Superseded => TokenRevocation::Superseded,
            Self::CessationOfOperation => TokenRevocation::CessationOfOperation,
            Self::CertificateHold => TokenRevocation::CertificateHold,
            Self::PrivilegeWithdrawn => TokenRevocation::PrivilegeWithdrawn,
        })
    }
}

/// An anchor and the end of its overlap, `SHA256=DATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// The beginning of the SHA-256 of its certificate.
    pub anchor: String,
    /// The last second at which machines may be activated under it.
    pub end: Time,
}

impl FromStr for Retirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (anchor, end) = text.split_once('=').ok_or("expected SHA256=DATE")?;
        Ok(Self { anchor: anchor.to_ascii_lowercase(), end: last_second(end)? })
    }
}

/// Where holders' certificates must lead: `own`, `sha256:HEX` of a public key, or a file with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The authority's own holder root.
    Own,
    /// SHA-256 of the SubjectPublicKeyInfo.
    KeyDigest(Digest32),
    /// A file with one certificate.
    File(PathBuf),
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("sha256:") {
            Some(digest) => hex(digest).map(Self::KeyDigest),
            None if text == "own" => Ok(Self::Own),
            None if text.is_empty() => Err("expected own, sha256:HEX or a file".to_owned()),
            None => Ok(Self::File(text.into())),
        }
    }
}

/// What a holder's certificate must meet, as `KIND:VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriterionText(pub Criterion);

impl FromStr for CriterionText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected policy:OID, eku:OID, subject:CN=PATTERN, email:PATTERN, upn:PATTERN, \
                                dns:PATTERN, uri:PATTERN or certificate:SHA256";
        let (kind, value) = text.split_once(':').ok_or(EXPECTED)?;
        if value.is_empty() || value.len() > 256 {
            return Err(format!("{kind} needs a value of 1 to 256 octets"));
        }
        let name = |form| Criterion::SubjectAltName(AltNamePattern { form, pattern: value.to_owned() });
        Ok(Self(match kind {
            "policy" => Criterion::Policy(identifier(value)?),
            "eku" => Criterion::ExtendedKeyUsage(identifier(value)?),
            "subject" => {
                let (attribute, pattern) = value
                    .split_once('=')
                    .filter(|(_, pattern)| !pattern.is_empty())
                    .ok_or("expected subject:CN=PATTERN")?;
                Criterion::Subject(AttributePattern {
                    attribute: attribute_type(attribute)?,
                    pattern: pattern.to_owned(),
                })
            }
            "email" => name(AltNameForm::Rfc822Name),
            "upn" => name(AltNameForm::UserPrincipalName),
            "dns" => name(AltNameForm::DnsName),
            "uri" => name(AltNameForm::Uri),
            "certificate" => Criterion::Certificate(hex(value)?),
            _ => return Err(EXPECTED.to_owned()),
        }))
    }
}

/// Attribute types of RFC 4519 and RFC 4514 by name, others by number.
fn attribute_type(text: &str) -> Result<ObjectIdentifier, String> {
    let number = match text.to_ascii_uppercase().as_str() {
        "CN" => "2.5.4.3",
        "SERIALNUMBER" => "2.5.4.5",
        "C" => "2.5.4.6",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "UID" => "0.9.2342.19200300.100.1.1",
        _ => text,
    };
    identifier(number).map_err(|_| format!("{text:?} is neither CN, O, OU, C, L, ST, serialNumber, UID nor an OID"))
}

/// An object identifier in dots.
pub(crate) fn identifier(text: &str) -> Result<ObjectIdentifier, String> {
    ObjectIdentifier::new(text).map_err(|_| format!("{text:?} is not an object identifier such as 2.16.840.1"))
}

/// An object identifier in dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidText(pub ObjectIdentifier);

impl FromStr for OidText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        identifier(text).map(Self).map_err(|fault| format!("{fault}; expected numbers and dots"))
    }
}

/// One value in DER, typed in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerText(pub Vec<u8>);

impl FromStr for DerText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let octets = hex_octets(text).filter(|octets| Any::from_der(octets).is_ok());
        octets.map(Self).ok_or_else(|| format!("{text:?} is something else; expected DER in hexadecimal, such as 0500"))
    }
}

/// So many octets in hexadecimal.
pub(crate) fn hex<const N: usize>(text: &str) -> Result<Octets<N>, String> {
    let wrong = || format!("expected {} hexadecimal digits", 2 * N);
    if text.len() != 2 * N {
        return Err(wrong());
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
        *octet = octet_of(pair).ok_or_else(wrong)?;
    }
    Ok(Octets(octets))
}

/// Octets in hexadecimal.
pub(crate) fn hex_octets(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(octet_of).collect()
}

/// The octet of two hexadecimal digits.
fn octet_of([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

/// SHA-256 of something in lower-case hexadecimal.
pub(crate) fn digest(octets: &[u8]) -> String {
    to_hex(&Sha256::digest(octets))
}

/// A component that counts, `KIND` or `KIND:mandatory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component(pub ComponentRule);

impl FromStr for Component {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, mandatory) = match text.split_once(':') {
            Some((kind, "mandatory")) => (kind, true),
            Some(_) => return Err("expected KIND or KIND:mandatory".to_owned()),
            None => (text, false),
        };
        Ok(Self(ComponentRule { kind: ComponentKind::from_str(kind)?, mandatory }))
    }
}

/// A machine, `FILE` or `LABEL=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// For people.
    pub label: String,
    /// Its description.
    pub file: PathBuf,
}

impl FromStr for Machine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((label, file)) = text.split_once('=').filter(|(label, file)| !label.is_empty() && !file.is_empty())
        {
            return Ok(Self { label: label.to_owned(), file: file.into() });
        }
        let file = PathBuf::from(text);
        let label = file.file_stem().and_then(|stem| stem.to_str()).ok_or("expected FILE or LABEL=FILE")?;
        Ok(Self { label: label.to_owned(), file })
    }
}

/// Whether a TPM takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tpm(pub TpmRule);

impl FromStr for Tpm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(TpmRule::None)),
            "preferred" => Ok(Self(TpmRule::Preferred)),
            "required" => Ok(Self(TpmRule::Required)),
            _ => Err("expected none, preferred or required".to_owned()),
        }
    }
}

/// Something that the product may do, `NAME=VALUE` or `NAME=VALUE@DATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its own last second.
    pub until: Option<Time>,
}

impl FromStr for Entitlement {
    type Err = String;

    /// What stands behind the last `@` is a date if it reads as one, and otherwise part of the value.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE or NAME=VALUE@DATE")?;
        let dated = value.rsplit_once('@').and_then(|(value, date)| Some((value, last_second(date).ok()?)));
        let (value, until) = dated.map_or((value, None), |(value, until)| (value, Some(until)));
        Ok(Self { name: name.to_owned(), value: value.to_owned(), until })
    }
}

/// The end of something: a time as it stands, a date as its last second.
pub(crate) fn last_second(text: &str) -> Result<Time, String> {
    let time = Time::from_str(text).map_err(|error| error.to_string())?;
    Ok(if text.len() == 10 { time.plus(86_399) } else { time })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        assert_eq!("365d".parse(), Ok(Interval(31_536_000)));
        assert_eq!("1h 30m".parse(), Ok(Interval(5_400)));
        for text in ["", "5", "0s", "101y", "1ms", "-1d", "1e9y"] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    #[test]
    fn anchors_and_criteria() {
        assert_eq!("own".parse(), Ok(Anchor::Own));
        assert_eq!("ca.pem".parse(), Ok(Anchor::File("ca.pem".into())));
        assert_eq!(format!("sha256:{}", "aB".repeat(32)).parse(), Ok(Anchor::KeyDigest(Octets([0xab; 32]))));
        assert!("sha256:ab".parse::<Anchor>().is_err());
        for text in
            ["policy:2.16.840.1", "eku:1.3.6.1", "subject:cn=Ada *", "subject:2.5.4.3=A=B", "email:*@example.com"]
        {
            text.parse::<CriterionText>().unwrap();
        }
        for text in ["policy", "policy:x", "subject:Ada", "subject:XX=Ada", "email:", "colour:red", "certificate:00"] {
            assert!(text.parse::<CriterionText>().is_err(), "{text}");
        }
    }

    #[test]
    fn entitlements_and_machines() {
        let read = |text: &str| text.parse::<Entitlement>().unwrap();
        assert_eq!(read("a=b@2027-01-01").until.unwrap().to_string(), "2027-01-01T23:59:59Z");
        assert_eq!(read("mail=x@example.com").value, "x@example.com");
        assert_eq!(read("formula=a=b").value, "a=b");
        assert!("a".parse::<Entitlement>().is_err());
        assert_eq!("Press 7=a/b.json".parse::<Machine>().unwrap().label, "Press 7");
        assert_eq!("a/press-7.json".parse::<Machine>().unwrap().label, "press-7");
        assert!("/".parse::<Machine>().is_err());
    }
}
