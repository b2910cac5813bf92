//! Everything of a list but its entries (RFC 5280 5.1 and 5.2).

use super::{
    entry::{Kind, time, unknown_critical},
    reader::{BIT_STRING, Extension, GENERALIZED_TIME, INTEGER, Reader, SEQUENCE, header, magnitude, only},
    scope::{DistributionPoint, IssuingDistributionPoint, whole_octets},
};
use crate::{algorithm::SignatureAlgorithm, error::PathErrorKind, name::attributes, time::Time};
use core::ops::Range;

/// The most octets before the entries, and the most behind them.
pub(super) const MAX_HEADER_SIZE: usize = 64 * 1024;
/// RFC 5280 5.2.3: at most 20 octets.
const MAX_NUMBER_SIZE: usize = 20;
/// The most extensions that a list may have.
const MAX_EXTENSIONS: usize = 64;

/// Where the parts of a list stand, counted from its first octet.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) tbs: Range<usize>,
    pub(super) entries: Range<usize>,
}

/// What stands before the entries.
#[derive(Debug)]
struct Head<'a> {
    layout: Layout,
    algorithm: &'a [u8],
    issuer: &'a [u8],
    this_update: Time,
    next_update: Time,
}

/// What a list says of itself.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) layout: Layout,
    pub(super) issuer: Box<[u8]>,
    pub(super) this_update: Time,
    pub(super) next_update: Time,
    pub(super) number: Box<[u8]>,
    /// Number of the list that a delta list builds on.
    pub(super) base: Option<Box<[u8]>>,
    /// Value of the authority key identifier, and the key identifier in it.
    pub(super) authority_key: Box<[u8]>,
    pub(super) key_identifier: Box<[u8]>,
    pub(super) scope: Option<IssuingDistributionPoint>,
    /// Value of the issuing distribution point.
    pub(super) scope_value: Option<Box<[u8]>>,
    /// Certificates that expired at this time or later stay on the list.
    pub(super) expired_since: Option<Time>,
    pub(super) algorithm: Option<SignatureAlgorithm>,
    pub(super) signature: Box<[u8]>,
}

impl Header {
    /// Reads a list of `size` octets from its first octets, of which `head` has [`MAX_HEADER_SIZE`] or all, and from
    /// what stands behind the entries, which `tail` is asked for.
    pub(super) fn read<T: AsRef<[u8]>>(
        head: &[u8],
        size: usize,
        tail: impl FnOnce(Range<usize>) -> Result<T, PathErrorKind>,
    ) -> Result<Self, PathErrorKind> {
        let head =
            read_head(head.get(..MAX_HEADER_SIZE).unwrap_or(head), size).map_err(PathErrorKind::MalformedList)?;
        let range = head.layout.entries.end..size;
        if range.len() > MAX_HEADER_SIZE {
            return Err(PathErrorKind::MalformedList("crlExtensions"));
        }
        let tail = tail(range)?;
        Self::read_tail(head, tail.as_ref())
    }

    fn read_tail(head: Head<'_>, tail: &[u8]) -> Result<Self, PathErrorKind> {
        let malformed = PathErrorKind::MalformedList;
        let mut parts = Reader::new(tail);
        let extensions = parts.tagged(0xa0).and_then(|value| only(value.content, SEQUENCE));
        // Version 2 must have a number and a key identifier, so that there always are extensions.
        let extensions = extensions.ok_or(malformed("crlExtensions"))?;
        if head.layout.entries.end + parts.position() != head.layout.tbs.end {
            return Err(malformed("tbsCertList"));
        }
        let algorithm = parts.tagged(SEQUENCE).ok_or(malformed("signatureAlgorithm"))?.whole;
        if algorithm != head.algorithm {
            return Err(malformed("signature algorithms differ"));
        }
        let signature = parts.tagged(BIT_STRING).and_then(whole_octets).ok_or(malformed("signatureValue"))?;
        if !parts.is_empty() {
            return Err(malformed("octets after the signature"));
        }
        let read = Extensions::read(extensions, head.issuer)?;
        if read.base.is_some() && read.freshest {
            return Err(malformed("freshestCRL"));
        }
        Ok(Self {
            layout: head.layout,
            issuer: head.issuer.into(),
            this_update: head.this_update,
            next_update: head.next_update,
            number: read.number.ok_or(malformed("cRLNumber is missing"))?.into(),
            base: read.base.map(Into::into),
            authority_key: read.authority_key.ok_or(malformed("authorityKeyIdentifier is missing"))?.into(),
            key_identifier: read.key_identifier.into(),
            scope: read.scope,
            scope_value: read.scope_value.map(Into::into),
            expired_since: read.expired_since,
            algorithm: SignatureAlgorithm::from_identifier(algorithm),
            signature: signature.into(),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        Kind { delta: self.base.is_some(), indirect: self.scope.as_ref().is_some_and(|scope| scope.indirect) }
    }
}

fn read_head(octets: &[u8], size: usize) -> Result<Head<'_>, &'static str> {
    const LIST: &str = "not a DER CertificateList";
    const TBS: &str = "tbsCertList";
    let (tag, tbs, length) = header(octets).ok_or(LIST)?;
    if tag != SEQUENCE || tbs.checked_add(length) != Some(size) {
        return Err(LIST);
    }
    let (tag, start, length) = header(octets.get(tbs..).ok_or(LIST)?).ok_or(TBS)?;
    let body = tbs + start;
    let end = body.checked_add(length).filter(|end| tag == SEQUENCE && *end < size).ok_or(TBS)?;
    let mut parts = Reader::new(octets.get(body..).ok_or(TBS)?);
    if parts.tagged(INTEGER).ok_or("version is not 2")?.content != [1] {
        return Err("version is not 2");
    }
    let algorithm = parts.tagged(SEQUENCE).ok_or("signature")?.whole;
    let issuer = parts.tagged(SEQUENCE).ok_or("issuer")?.whole;
    if attributes(issuer).is_none_or(|attributes| attributes.is_empty()) {
        return Err("issuer");
    }
    let this_update = parts.next().and_then(time).ok_or("thisUpdate")?;
    let next_update = parts.next().and_then(time).ok_or("nextUpdate")?;
    if this_update > next_update {
        return Err("nextUpdate before thisUpdate");
    }
    let behind = body + parts.position();
    let (tag, start, length) = octets.get(behind..).and_then(header).ok_or("revokedCertificates")?;
    let entries = match tag {
        // RFC 5280 5.1.2.6: absent where nothing is revoked.
        SEQUENCE if length == 0 => return Err("revokedCertificates"),
        SEQUENCE => behind + start..(behind + start).checked_add(length).ok_or("revokedCertificates")?,
        _ => behind..behind,
    };
    if entries.end > end {
        return Err("revokedCertificates");
    }
    Ok(Head { layout: Layout { tbs: tbs..end, entries }, algorithm, issuer, this_update, next_update })
}

const ISSUER_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x12];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 0x2e];
/// ITU-T X.509 9.5.2.8.
const EXPIRED_CERTS_ON_CRL: &[u8] = &[0x55, 0x1d, 0x3c];

#[derive(Default)]
struct Extensions<'a> {
    number: Option<&'a [u8]>,
    base: Option<&'a [u8]>,
    authority_key: Option<&'a [u8]>,
    key_identifier: &'a [u8],
    scope: Option<IssuingDistributionPoint>,
    scope_value: Option<&'a [u8]>,
    freshest: bool,
    expired_since: Option<Time>,
}

impl<'a> Extensions<'a> {
    fn read(content: &'a [u8], issuer: &[u8]) -> Result<Self, PathErrorKind> {
        let malformed = PathErrorKind::MalformedList;
        let mut read = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        let mut parts = Reader::new(content);
        while !parts.is_empty() {
            let extension = parts.tagged(SEQUENCE).and_then(|one| Extension::read(one.content));
            let Extension { id, critical, value } = extension.ok_or(malformed("crlExtensions"))?;
            if seen.contains(&id) || seen.len() == MAX_EXTENSIONS {
                return Err(malformed("extension twice, or more than 64"));
            }
            seen.push(id);
            // As critical as RFC 5280 5.2 says, so that nobody else reads the list without what we read in it.
            let as_prescribed = |prescribed: bool, part| {
                if critical == prescribed { Ok(()) } else { Err(malformed(part)) }
            };
            match id {
                CRL_NUMBER => {
                    as_prescribed(false, "cRLNumber is critical")?;
                    read.number = Some(number(value).ok_or(malformed("cRLNumber"))?);
                }
                DELTA_CRL_INDICATOR => {
                    as_prescribed(true, "deltaCRLIndicator is not critical")?;
                    read.base = Some(number(value).ok_or(malformed("deltaCRLIndicator"))?);
                }
                ISSUING_DISTRIBUTION_POINT => {
                    const POINT: &str = "issuingDistributionPoint";
                    as_prescribed(true, "issuingDistributionPoint is not critical")?;
                    read.scope = Some(IssuingDistributionPoint::read(value, issuer).ok_or(malformed(POINT))?);
                    read.scope_value = Some(value);
                }
                AUTHORITY_KEY_IDENTIFIER => {
                    as_prescribed(false, "authorityKeyIdentifier is critical")?;
                    let identifier = only(value, SEQUENCE).and_then(|content| Reader::new(content).tagged(0x80));
                    read.key_identifier = identifier.ok_or(malformed("authorityKeyIdentifier"))?.content;
                    read.authority_key = Some(value);
                }
                FRESHEST_CRL => {
                    as_prescribed(false, "freshestCRL is critical")?;
                    DistributionPoint::list(value, issuer).ok_or(malformed("freshestCRL"))?;
                    read.freshest = true;
                }
                EXPIRED_CERTS_ON_CRL => {
                    const EXPIRED: &str = "expiredCertsOnCRL";
                    let mut date = Reader::new(value);
                    let since = date.tagged(GENERALIZED_TIME).filter(|_| date.is_empty()).and_then(time);
                    read.expired_since = Some(since.ok_or(malformed(EXPIRED))?);
                }
                // Only names, which nothing depends on.
                ISSUER_ALT_NAME => {}
                unknown if critical => return Err(unknown_critical(unknown)),
                _ => {}
            }
        }
        Ok(read)
    }
}

fn number(value: &[u8]) -> Option<&[u8]> {
    only(value, INTEGER).and_then(magnitude).filter(|number| number.len() <= MAX_NUMBER_SIZE)
}
