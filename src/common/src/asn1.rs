//! The few ASN.1 types that the bodies share, and the canonical reading of a body.

use crate::reason::Reason;
use core::fmt;
use countersign_pki::Time;
use der::{
    Decode, DecodeValue, Encode, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use sha2::{Digest as _, Sha256};

/// An OCTET STRING of a fixed length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets<const N: usize>(pub [u8; N]);

/// SHA-256 of something, or an HMAC with it.
pub type Digest32 = Octets<32>;

/// SHA-256 of some octets.
pub fn sha256(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

impl<const N: usize> FixedTag for Octets<N> {
    const TAG: Tag = Tag::OctetString;
}

impl<'a, const N: usize> DecodeValue<'a> for Octets<N> {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let octets = <&'a OctetStringRef>::decode_value(reader, header)?;
        octets.as_bytes().try_into().map(Self).map_err(|_| reader.error(Tag::OctetString.length_error()))
    }
}

impl<const N: usize> EncodeValue for Octets<N> {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(N)
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.0)
    }
}

/// Lower-case hexadecimal.
impl<const N: usize> fmt::Display for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A GeneralizedTime in UTC with whole seconds, as DER and RFC 5280 4.1.2.5.2 have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GeneralizedTime(pub Time);

impl FixedTag for GeneralizedTime {
    const TAG: Tag = Tag::GeneralizedTime;
}

impl<'a> DecodeValue<'a> for GeneralizedTime {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let text = reader.read_slice(header.length())?;
        let value = AnyRef::new(Tag::GeneralizedTime, text)?;
        Time::from_asn1(value).map(Self).ok_or_else(|| reader.error(Tag::GeneralizedTime.value_error()))
    }
}

impl EncodeValue for GeneralizedTime {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(15_usize)
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        let [year, month, day, hour, minute, second] = self.0.civil();
        writer.write(format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z").as_bytes())
    }
}

/// An extension of a body, with the meaning of RFC 5280 4.1.2.9: unknown and critical is refused.
#[derive(Clone, Debug, PartialEq, Eq, der::Sequence)]
pub struct Extension {
    /// Which extension.
    pub id: ObjectIdentifier,
    /// Whether whoever does not know it must refuse the whole.
    #[asn1(default = "Default::default")]
    pub critical: bool,
    /// DER of the value.
    pub value: der::asn1::OctetString,
}

/// Reads a body whose first member is its version number, and only what encodes back to the same octets. `what` names
/// it.
pub(crate) fn read_body<'a, T: Decode<'a, Error = der::Error> + Encode>(
    der: &'a [u8],
    version: u8,
    what: &'static str,
) -> Result<T, Reason> {
    let not_der = |at| Reason::NotDer { what, at };
    let at = |error: der::Error| not_der(error.position().and_then(|at| usize::try_from(at).ok()).unwrap_or(0));
    let outer = AnyRef::from_der(der).map_err(at)?;
    if der::Tagged::tag(&outer) != Tag::Sequence {
        return Err(not_der(0));
    }
    let mut members = der::SliceReader::new(outer.value()).map_err(at)?;
    match u64::decode(&mut members).map_err(at)? {
        found if found > u64::from(version) => return Err(Reason::NewerVersion { version: found }),
        found if found < u64::from(version) => return Err(not_der(0)),
        _ => {}
    }
    let body = T::from_der(der).map_err(at)?;
    // Explicit defaults and other second spellings parse, but do not come out the same.
    let again = body.to_der().map_err(at)?;
    if again == der {
        return Ok(body);
    }
    // Two lengths differ in the octets that state them.
    Err(not_der(again.iter().zip(der).position(|(one, other)| one != other).unwrap_or(0)))
}
