//! General names (RFC 5280 4.2.1.6), borrowed.

use crate::{
    asn1::{all, context, next, object_identifier, sequence},
    name::attributes,
};
use der::{
    Decode, Reader,
    asn1::{AnyRef, ObjectIdentifier},
};

/// A general name of any form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// `[0]` otherName: its type, and its value as the type defines it.
    OtherName {
        /// The type, such as 1.3.6.1.4.1.311.20.2.3 for a user principal name.
        kind: ObjectIdentifier,
        /// The value.
        value: AnyRef<'a>,
    },
    /// `[1]` rfc822Name: an e-mail address.
    Rfc822Name(&'a str),
    /// `[2]` dNSName.
    DnsName(&'a str),
    /// `[3]` x400Address: content octets.
    X400Address(&'a [u8]),
    /// `[4]` directoryName: DER of the name.
    DirectoryName(&'a [u8]),
    /// `[5]` ediPartyName: content octets.
    EdiPartyName(&'a [u8]),
    /// `[6]` uniformResourceIdentifier.
    Uri(&'a str),
    /// `[7]` iPAddress: octets in network order.
    IpAddress(&'a [u8]),
    /// `[8]` registeredID.
    RegisteredId(ObjectIdentifier),
}

impl<'a> GeneralName<'a> {
    /// Reads one name. The characters of a text and the length of an address are not judged here.
    pub(crate) fn read(value: AnyRef<'a>) -> Option<Self> {
        let octets = value.value();
        let text = || str::from_utf8(octets).ok();
        Some(match context(&value)? {
            (0, true) => {
                let mut parts = der::SliceReader::new(octets).ok()?;
                let kind = object_identifier(&mut parts)?;
                let explicit = next(&mut parts)?;
                parts.finish().ok()?;
                if context(&explicit)? != (0, true) {
                    return None;
                }
                Self::OtherName { kind, value: AnyRef::from_der(explicit.value()).ok()? }
            }
            (1, false) => Self::Rfc822Name(text()?),
            (2, false) => Self::DnsName(text()?),
            (3, true) => Self::X400Address(octets),
            (4, true) => {
                attributes(octets)?;
                Self::DirectoryName(octets)
            }
            (5, true) => Self::EdiPartyName(octets),
            (6, false) => Self::Uri(text()?),
            (7, false) => Self::IpAddress(octets),
            (8, false) => Self::RegisteredId(ObjectIdentifier::from_bytes(octets).ok()?),
            _ => return None,
        })
    }

    /// Reads GeneralNames, `SEQUENCE SIZE (1..MAX) OF GeneralName`; the empty sequence is not judged here.
    pub(crate) fn read_all(der: &'a [u8]) -> Option<Vec<Self>> {
        all(sequence(der)?)?.into_iter().map(Self::read).collect()
    }

    /// The form's name in RFC 5280.
    pub const fn form(&self) -> &'static str {
        match self {
            Self::OtherName { .. } => "otherName",
            Self::Rfc822Name(_) => "rfc822Name",
            Self::DnsName(_) => "dNSName",
            Self::X400Address(_) => "x400Address",
            Self::DirectoryName(_) => "directoryName",
            Self::EdiPartyName(_) => "ediPartyName",
            Self::Uri(_) => "uniformResourceIdentifier",
            Self::IpAddress(_) => "iPAddress",
            Self::RegisteredId(_) => "registeredID",
        }
    }
}
