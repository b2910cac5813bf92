//! The entries of a list (RFC 5280 5.3).

use super::{
    reader::{ENUMERATED, Extension, GENERALIZED_TIME, INTEGER, Reader, SEQUENCE, UTC_TIME, Value, is_minimal, only},
    scope::directory_names,
};
use crate::{error::PathErrorKind, time::Time};
use core::fmt;
use der::{Tag, asn1::AnyRef, asn1::ObjectIdentifier};

/// The largest entry that is read, in octets.
pub(super) const MAX_ENTRY_SIZE: usize = 16 * 1024;

/// Why a certificate was revoked (RFC 5280 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RevocationReason {
    /// No particular reason; also where the entry states none.
    Unspecified = 0,
    /// The holder's private key was compromised.
    KeyCompromise = 1,
    /// The private key of a CA was compromised.
    CaCompromise = 2,
    /// The holder's name or other information changed.
    AffiliationChanged = 3,
    /// Another certificate took its place.
    Superseded = 4,
    /// It is no longer needed for what it was issued for.
    CessationOfOperation = 5,
    /// Suspended, to be revoked or released later.
    CertificateHold = 6,
    /// Released from hold, or expired: only in delta lists.
    RemoveFromCrl = 8,
    /// A privilege that the certificate states was withdrawn.
    PrivilegeWithdrawn = 9,
    /// The private key of an attribute authority was compromised.
    AaCompromise = 10,
}

impl RevocationReason {
    const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// The standard's name, such as `keyCompromise`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// Whether what was signed before the revocation date may stand: nobody else ever had the key.
    pub const fn spares_what_was_before(self) -> bool {
        matches!(self, Self::AffiliationChanged | Self::CessationOfOperation | Self::Superseded)
    }

    /// How grave it is: of what several lists say of one certificate the gravest counts.
    const fn gravity(self) -> u8 {
        match self {
            Self::RemoveFromCrl => 0,
            Self::CertificateHold => 1,
            reason if reason.spares_what_was_before() => 2,
            _ => 3,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a list says of a certificate that is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Why, [`RevocationReason::Unspecified`] where nothing is stated.
    pub reason: RevocationReason,
    /// When the issuer revoked it.
    pub date: Time,
    /// Since when the key is thought to be compromised (RFC 5280 5.3.2), where that is stated.
    pub invalidity_date: Option<Time>,
}

impl Revoked {
    /// The graver of two, and of two alike the earlier one.
    pub(super) fn graver(self, other: Option<Self>) -> Self {
        let weight = |revoked: &Self| (revoked.reason.gravity(), core::cmp::Reverse(revoked.date), revoked.reason);
        other.filter(|other| weight(other) > weight(&self)).unwrap_or(self)
    }
}

/// What an entry may say depends on its list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    pub(super) delta: bool,
    pub(super) indirect: bool,
}

/// An entry, its dates not yet read.
pub(super) struct Entry<'a> {
    /// Content octets of the serial number.
    pub(super) serial: &'a [u8],
    date: Value<'a>,
    reason: RevocationReason,
    invalidity_date: Option<Value<'a>>,
    /// Content of the GeneralNames of the certificate issuer, where this entry names one.
    pub(super) issuer: Option<&'a [u8]>,
}

const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 0x18];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 0x1d];
/// Everything before the code itself in the only extension that most entries have.
const REASON_ALONE: &[u8] = &[0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01];

impl<'a> Entry<'a> {
    /// Reads the content of an entry's SEQUENCE.
    ///
    /// ```text
    /// SEQUENCE { userCertificate CertificateSerialNumber, revocationDate Time, crlEntryExtensions Extensions OPTIONAL }
    /// ```
    #[inline]
    pub(super) fn read(content: &'a [u8], kind: Kind) -> Result<Self, PathErrorKind> {
        const ENTRY: PathErrorKind = PathErrorKind::MalformedList("revokedCertificates");
        if content.len() > MAX_ENTRY_SIZE {
            return Err(PathErrorKind::MalformedList("entry larger than 16 KiB"));
        }
        let mut parts = Reader::new(content);
        let serial = parts.tagged(INTEGER).ok_or(ENTRY)?.content;
        let date = parts.next().ok_or(ENTRY)?;
        let length = if date.tag == UTC_TIME { 13 } else { 15 };
        if !is_minimal(serial) || !matches!(date.tag, UTC_TIME | GENERALIZED_TIME) || date.content.len() != length {
            return Err(ENTRY);
        }
        let mut entry =
            Self { serial, date, reason: RevocationReason::Unspecified, invalidity_date: None, issuer: None };
        if !parts.is_empty() {
            let extensions = parts.tagged(SEQUENCE).ok_or(ENTRY)?.content;
            if !parts.is_empty() {
                return Err(ENTRY);
            }
            match extensions.split_last() {
                Some((code, rest)) if rest == REASON_ALONE => entry.reason = reason(*code, kind)?,
                _ => entry.read_extensions(extensions, kind)?,
            }
        }
        Ok(entry)
    }

    fn read_extensions(&mut self, extensions: &'a [u8], kind: Kind) -> Result<(), PathErrorKind> {
        const EXTENSIONS: PathErrorKind = PathErrorKind::MalformedList("crlEntryExtensions");
        if extensions.is_empty() {
            return Err(EXTENSIONS);
        }
        let mut stated_reason = None;
        let mut others: Vec<&[u8]> = Vec::new();
        let mut parts = Reader::new(extensions);
        while !parts.is_empty() {
            let extension = parts.tagged(SEQUENCE).and_then(|one| Extension::read(one.content)).ok_or(EXTENSIONS)?;
            match extension.id {
                REASON_CODE if stated_reason.is_none() => {
                    let [code] = only(extension.value, ENUMERATED).unwrap_or_default() else {
                        return Err(PathErrorKind::MalformedList("reasonCode"));
                    };
                    stated_reason = Some(reason(*code, kind)?);
                }
                INVALIDITY_DATE if self.invalidity_date.is_none() => {
                    let mut date = Reader::new(extension.value);
                    let value =
                        date.tagged(GENERALIZED_TIME).filter(|value| date.is_empty() && value.content.len() == 15);
                    self.invalidity_date = Some(value.ok_or(PathErrorKind::MalformedList("invalidityDate"))?);
                }
                CERTIFICATE_ISSUER if self.issuer.is_none() => {
                    let names = only(extension.value, SEQUENCE).filter(|names| {
                        kind.indirect
                            && extension.critical
                            && directory_names(names).is_some_and(|names| !names.is_empty())
                    });
                    self.issuer = Some(names.ok_or(PathErrorKind::MalformedList("certificateIssuer"))?);
                }
                REASON_CODE | INVALIDITY_DATE | CERTIFICATE_ISSUER => return Err(EXTENSIONS),
                unknown if extension.critical => return Err(unknown_critical(unknown)),
                unknown if others.contains(&unknown) || others.len() == 64 => return Err(EXTENSIONS),
                unknown => others.push(unknown),
            }
        }
        self.reason = stated_reason.unwrap_or(RevocationReason::Unspecified);
        Ok(())
    }

    /// What the entry says, its dates read.
    pub(super) fn revoked(&self) -> Result<Revoked, PathErrorKind> {
        let date = time(self.date).ok_or(PathErrorKind::MalformedList("revocationDate"))?;
        let invalidity_date = self
            .invalidity_date
            .map(|date| time(date).ok_or(PathErrorKind::MalformedList("invalidityDate")))
            .transpose()?;
        Ok(Revoked { reason: self.reason, date, invalidity_date })
    }
}

fn reason(code: u8, kind: Kind) -> Result<RevocationReason, PathErrorKind> {
    RevocationReason::from_code(code)
        .filter(|reason| kind.delta || *reason != RevocationReason::RemoveFromCrl)
        .ok_or(PathErrorKind::MalformedList("reasonCode"))
}

/// An unknown critical extension, by the content octets of its identifier.
pub(super) fn unknown_critical(id: &[u8]) -> PathErrorKind {
    match ObjectIdentifier::from_bytes(id) {
        Ok(id) => PathErrorKind::UnknownListExtension(id),
        Err(_) => PathErrorKind::MalformedList("extnID"),
    }
}

/// A UTCTime or GeneralizedTime in the form of RFC 5280 5.1.2.4.
pub(super) fn time(value: Value<'_>) -> Option<Time> {
    if !matches!(value.tag, UTC_TIME | GENERALIZED_TIME) {
        return None;
    }
    let tag = if value.tag == UTC_TIME { Tag::UtcTime } else { Tag::GeneralizedTime };
    AnyRef::new(tag, value.content).ok().and_then(Time::from_asn1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_two_the_graver_counts_and_of_two_alike_the_earlier() {
        use RevocationReason::{CertificateHold, KeyCompromise, RemoveFromCrl, Superseded, Unspecified};
        let revoked = |reason, date: &str| Revoked { reason, date: date.parse().unwrap(), invalidity_date: None };
        let (early, late) = ("2026-01-01", "2026-02-01");
        let ascending = [RemoveFromCrl, CertificateHold, Superseded, KeyCompromise];
        for (place, graver) in ascending.into_iter().enumerate() {
            for lesser in &ascending[..place] {
                let (one, other) = (revoked(graver, late), revoked(*lesser, early));
                assert_eq!(one.graver(Some(other)), one);
                assert_eq!(other.graver(Some(one)), one);
            }
        }
        let (one, other) = (revoked(KeyCompromise, early), revoked(Unspecified, late));
        assert_eq!(one.graver(Some(other)), one);
        assert_eq!(other.graver(Some(one)), one);
        let (one, other) = (revoked(KeyCompromise, early), revoked(Unspecified, early));
        assert_eq!(other.graver(Some(one)), one, "the same whichever comes first");
        assert_eq!(one.graver(Some(other)), one);
        let dated = Revoked { invalidity_date: Some(one.date), ..one };
        assert_eq!(one.graver(Some(dated)), one, "of two alike in all that counts the first");
        assert_eq!(one.graver(None), one);
        assert_eq!(KeyCompromise.to_string(), "keyCompromise");
    }
}
