//! What a list covers: distribution points of certificates (RFC 5280 4.2.1.13) and of lists (5.2.5).

use super::reader::{BIT_STRING, Reader, SEQUENCE, Value, only};
use crate::name::{attributes, names_match};

/// A set of revocation reasons: bits 1 to 8 of ReasonFlags (RFC 5280 4.2.1.13).
pub(super) type Reasons = u16;
/// Every reason there is.
pub(super) const ALL_REASONS: Reasons = 0x1fe;

/// Tag of a directoryName in GeneralName, `[4] EXPLICIT Name`.
const DIRECTORY_NAME: u8 = 0xa4;

/// Which certificates a list tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Only {
    Any,
    Attribute,
    Ca,
    User,
}

/// The issuing distribution point of a list (RFC 5280 5.2.5).
#[derive(Clone, Debug)]
pub(super) struct IssuingDistributionPoint {
    /// DER of the names, GeneralName each; none where the field is absent.
    names: Vec<Vec<u8>>,
    only: Only,
    reasons: Reasons,
    pub(super) indirect: bool,
}

impl IssuingDistributionPoint {
    /// Reads the extension's value; `issuer` is the DER of the list issuer's name.
    pub(super) fn read(value: &[u8], issuer: &[u8]) -> Option<Self> {
        let mut parts = Reader::new(only(value, SEQUENCE)?);
        // An empty one says nothing and must not be issued.
        if parts.is_empty() {
            return None;
        }
        let names = match parts.optional(0xa0) {
            Some(point) => point_names(point.content, issuer)?,
            None => Vec::new(),
        };
        let (user, ca) = (flag(&mut parts, 0x81)?, flag(&mut parts, 0x82)?);
        let reasons = match parts.optional(0x83) {
            Some(flags) => reason_flags(flags)?,
            None => ALL_REASONS,
        };
        let (indirect, attribute) = (flag(&mut parts, 0x84)?, flag(&mut parts, 0x85)?);
        let kind = match (user, ca, attribute) {
            (false, false, false) => Only::Any,
            (true, false, false) => Only::User,
            (false, true, false) => Only::Ca,
            (false, false, true) => Only::Attribute,
            _ => return None,
        };
        parts.is_empty().then_some(Self { names, only: kind, reasons, indirect })
    }
}

/// A BOOLEAN under an implicit tag, whose default FALSE is not written.
fn flag(parts: &mut Reader<'_>, tag: u8) -> Option<bool> {
    match parts.optional(tag) {
        Some(value) => (value.content == [0xff]).then_some(true),
        None => Some(false),
    }
}

/// A distribution point of a certificate, or the one that RFC 5280 6.3.3 has us assume.
#[derive(Clone, Debug)]
pub(super) struct DistributionPoint {
    names: Vec<Vec<u8>>,
    reasons: Reasons,
    issuers: Vec<Vec<u8>>,
}

impl DistributionPoint {
    /// Reads the value of cRLDistributionPoints or freshestCRL; `issuer` is the DER of the issuer's name.
    pub(super) fn list(value: &[u8], issuer: &[u8]) -> Option<Vec<Self>> {
        let mut points = Reader::new(only(value, SEQUENCE)?);
        let mut read = Vec::new();
        while !points.is_empty() {
            read.push(Self::read(points.tagged(SEQUENCE)?.content, issuer)?);
        }
        (!read.is_empty()).then_some(read)
    }

    fn read(content: &[u8], issuer: &[u8]) -> Option<Self> {
        let mut parts = Reader::new(content);
        let point = parts.optional(0xa0);
        let reasons = match parts.optional(0x81) {
            Some(flags) => reason_flags(flags)?,
            None => ALL_REASONS,
        };
        let issuers = match parts.optional(0xa2) {
            Some(names) => general_names(names.content)?,
            None => Vec::new(),
        };
        // A relative name stands under the issuer of the list, which is another one where cRLIssuer says so.
        let mut others = issuers.iter().filter_map(|name| directory_name(name));
        let names = match point {
            Some(point) => point_names(point.content, others.next().unwrap_or(issuer))?,
            None if issuers.is_empty() => return None,
            None => Vec::new(),
        };
        parts.is_empty().then_some(Self { names, reasons, issuers })
    }

    /// The point to assume for lists that no distribution point names: the certificate's issuer by its name and
    /// its alternative names, whose extension's value may be given.
    pub(super) fn assumed(issuer: &[u8], alternative_names: Option<&[u8]>) -> Self {
        let mut names = vec![encode(DIRECTORY_NAME, issuer)];
        names.extend(alternative_names.and_then(|value| general_names(only(value, SEQUENCE)?)).unwrap_or_default());
        Self { names, reasons: ALL_REASONS, issuers: Vec::new() }
    }

    /// Whether this point says that the holder of a name issues its lists.
    pub(super) fn names_issuer(&self, name: &[u8]) -> bool {
        self.issuers.iter().filter_map(|issuer| directory_name(issuer)).any(|issuer| names_match(issuer, name))
    }

    /// For which reasons a list tells about a certificate with this point (RFC 5280 6.3.3 b and d): none where it
    /// is of another issuer or scope.
    pub(super) fn covered_by(
        &self,
        list_issuer: &[u8],
        scope: Option<&IssuingDistributionPoint>,
        certificate_issuer: &[u8],
        is_ca: bool,
    ) -> Reasons {
        let issuer_fits = if self.issuers.is_empty() {
            names_match(list_issuer, certificate_issuer)
        } else {
            scope.is_some_and(|scope| scope.indirect) && self.names_issuer(list_issuer)
        };
        let Some(scope) = scope else {
            return if issuer_fits { self.reasons } else { 0 };
        };
        let names = if self.names.is_empty() { &self.issuers } else { &self.names };
        let names_fit = scope.names.is_empty()
            || scope.names.iter().any(|one| names.iter().any(|other| general_names_match(one, other)));
        let kind_fits = match scope.only {
            Only::Any => true,
            Only::Attribute => false,
            Only::Ca => is_ca,
            Only::User => !is_ca,
        };
        if issuer_fits && names_fit && kind_fits { self.reasons & scope.reasons } else { 0 }
    }
}

/// The names of a DistributionPointName, a relative one completed.
fn point_names(content: &[u8], issuer: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut choice = Reader::new(content);
    let value = choice.next()?;
    if !choice.is_empty() {
        return None;
    }
    match value.tag {
        0xa0 => general_names(value.content),
        0xa1 => {
            let set = encode(0x31, value.content);
            let name = encode(SEQUENCE, &[only(issuer, SEQUENCE)?, &set].concat());
            attributes(&name)?;
            Some(vec![encode(DIRECTORY_NAME, &name)])
        }
        _ => None,
    }
}

/// DER of each of the names, given the content of a GeneralNames; at least one.
fn general_names(content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parts = Reader::new(content);
    let mut names = Vec::new();
    while !parts.is_empty() {
        let name = parts.next()?;
        let known = matches!(name.tag, 0xa0 | 0x81 | 0x82 | 0xa3 | DIRECTORY_NAME | 0xa5 | 0x86 | 0x87 | 0x88);
        if !known || name.tag == DIRECTORY_NAME && attributes(name.content).is_none() {
            return None;
        }
        names.push(name.whole.to_vec());
    }
    (!names.is_empty()).then_some(names)
}

/// The directory names, DER of a Name each, in the content of a GeneralNames.
pub(super) fn directory_names(content: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Reader::new(content);
    let mut names = Vec::new();
    while !parts.is_empty() {
        let name = parts.next()?;
        if name.tag == DIRECTORY_NAME {
            attributes(name.content)?;
            names.push(name.content);
        }
    }
    Some(names)
}

fn directory_name(general_name: &[u8]) -> Option<&[u8]> {
    only(general_name, DIRECTORY_NAME)
}

fn general_names_match(one: &[u8], other: &[u8]) -> bool {
    match (directory_name(one), directory_name(other)) {
        (Some(one), Some(other)) => names_match(one, other),
        _ => one == other,
    }
}

/// ReasonFlags under an implicit tag: a named bit list, without trailing zeros.
fn reason_flags(flags: Value<'_>) -> Option<Reasons> {
    let (unused, octets) = flags.content.split_first()?;
    let mut bits = [0; 2];
    bits.get_mut(..octets.len())?.copy_from_slice(octets);
    let bits = u16::from_be_bytes(bits);
    let length = (8 * octets.len()).checked_sub((*unused).into())?;
    let shortest = length == 16 - bits.trailing_zeros() as usize;
    // Bit 0 is the most significant one.
    (*unused < 8 && shortest)
        .then(|| (0..9).filter(|bit| bits & 0x8000 >> bit != 0).fold(0, |set, bit| set | 1 << bit) & ALL_REASONS)
}

/// A value with its header.
fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = length.iter().position(|octet| *octet != 0).map_or(&[0][..], |first| &length[first..]);
    let mut value = vec![tag];
    if content.len() >= 0x80 {
        value.push(0x80 | length.len() as u8);
    }
    value.extend_from_slice(length);
    value.extend_from_slice(content);
    value
}

/// The content octets of a BIT STRING without unused bits.
pub(super) fn whole_octets(value: Value<'_>) -> Option<&[u8]> {
    value.content.split_first().filter(|(unused, _)| value.tag == BIT_STRING && **unused == 0).map(|(_, octets)| octets)
}
