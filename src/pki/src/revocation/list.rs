//! A certificate revocation list, parsed once.

use super::{
    entry::{Entry, Kind, MAX_ENTRY_SIZE, Revoked},
    header::{Header, MAX_HEADER_SIZE},
    index::{FOREIGN, Index, Places, Remembered, Stored, TWICE, key, write},
    reader::{Reader, SEQUENCE, header, only},
    scope::directory_names,
    source::{Source, read},
};
use crate::{
    algorithm::SignatureAlgorithm,
    allowed::{AlgorithmError, allowed_at},
    certificate::Certificate,
    error::PathErrorKind,
    name::names_match,
    time::Time,
};
use core::{cmp::Ordering, ops::Range};
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

/// The largest revocation list that is read, in octets.
pub const MAX_LIST_SIZE: usize = 64 * 1024 * 1024;

/// An X.509 version 2 certificate revocation list (RFC 5280 5), parsed once from DER that it borrows.
///
/// Memory: the parts outside the entries are copied, at most 128 KiB and five times that for what is read out of
/// them. The first lookup walks over the entries; the second, or the first in an indirect list, makes an index of 8
/// octets for each entry, and 4 more for each that names a certificate issuer; the smallest entry has 17 octets. What
/// was computed is shared by the clones of a list.
#[derive(Clone, Debug)]
pub struct RevocationList<'a> {
    octets: Octets<'a>,
    header: Arc<Header>,
    memo: Arc<Memo>,
}

#[derive(Clone, Debug)]
enum Octets<'a> {
    Borrowed { der: &'a [u8], entries: usize },
    Opened { list: &'a dyn Source, index: Arc<Stored<'a>> },
}

/// How many keys a list remembers the outcome for.
const REMEMBERED_KEYS: usize = 4;

/// What is computed at most once. Nothing in it borrows.
#[derive(Debug, Default)]
struct Memo {
    digest: OnceLock<[u8; 32]>,
    /// Digest of tbsCertList by the hash of the signature algorithm.
    signed: OnceLock<Vec<u8>>,
    /// Set by the first lookup.
    asked: OnceLock<()>,
    index: OnceLock<Result<Index, PathErrorKind>>,
    verified: [OnceLock<Verified>; REMEMBERED_KEYS],
}

#[derive(Debug)]
struct Verified {
    /// DER of the key's SubjectPublicKeyInfo.
    spki: Vec<u8>,
    outcome: Result<(), PathErrorKind>,
}

/// Calls `each` with every entry of a list and its offset.
pub(super) fn walk(
    der: &[u8],
    entries: Range<usize>,
    kind: Kind,
    mut each: impl FnMut(u32, &Entry<'_>),
) -> Result<(), PathErrorKind> {
    const ENTRIES: PathErrorKind = PathErrorKind::MalformedList("revokedCertificates");
    let start = entries.start;
    let mut parts = Reader::new(der.get(entries).ok_or(ENTRIES)?);
    while !parts.is_empty() {
        let offset = start + parts.position();
        let content = parts.tagged(SEQUENCE).ok_or(ENTRIES)?.content;
        // No list is larger than 64 MiB.
        each(offset as u32, &Entry::read(content, kind)?);
    }
    Ok(())
}

/// Compares two CRL numbers, or numbers without leading zeros in general, given as big-endian octets.
pub fn compare_numbers(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl<'a> RevocationList<'a> {
    /// Parses a list, walking once over its entries.
    ///
    /// What RFC 5280 5 requires of a list is required here: version 2; inner and outer signature algorithm alike;
    /// nextUpdate present and not before thisUpdate; a CRL number and an authority key identifier; every extension
    /// as critical as prescribed; removeFromCRL only in delta lists, certificateIssuer only in indirect ones. An
    /// unknown critical extension, of the list or of any entry, refuses the list. That a serial number identifies one
    /// entry of an issuer (RFC 5280 5.1.2.6) is required by [`Self::index`], and by [`Self::find`] of the one it looks
    /// for.
    ///
    /// # Errors
    ///
    /// [`PathErrorKind::MalformedList`], [`PathErrorKind::UnknownListExtension`].
    pub fn from_der(der: &'a [u8]) -> Result<Self, PathErrorKind> {
        check_size(der.len() as u64)?;
        const TAIL: PathErrorKind = PathErrorKind::MalformedList("crlExtensions");
        let header = Header::read(der, der.len(), |range| der.get(range).ok_or(TAIL))?;
        let mut entries = 0;
        walk(der, header.layout.entries.clone(), header.kind(), |_, _| entries += 1)?;
        Ok(Self { octets: Octets::Borrowed { der, entries }, header: Arc::new(header), memo: Arc::default() })
    }

    /// Opens a list by an index that [`Self::index`] made when the list was installed. Little more than the header
    /// is read, and later what a lookup needs.
    ///
    /// The index stands in for hashing the list and for walking over it, so keep it where only those write who may
    /// write the list. Damage, of either, and an index of another list are errors, at the latest when a lookup comes
    /// to the place. The signature is still verified, over the digest that the index remembers; an Ed25519 signature
    /// is over the list itself, which is then read.
    ///
    /// # Errors
    ///
    /// [`PathErrorKind::IndexRefused`], [`PathErrorKind::ListUnreadable`], and those of [`Self::from_der`] as far as
    /// they are not about entries.
    pub fn open(list: &'a dyn Source, index: &'a dyn Source) -> Result<Self, PathErrorKind> {
        let size = check_size(list.size())?;
        let stored = Stored::open(index)?;
        if stored.remembered.size != size {
            return Err(FOREIGN);
        }
        let head = read(list, 0, size.min(MAX_HEADER_SIZE))?;
        let mut tail = Vec::new();
        let header = Header::read(&head, size, |range| {
            tail = read(list, range.start, range.len())?;
            Ok(&tail)
        })?;
        let before = head.get(..header.layout.entries.start).ok_or(FOREIGN)?;
        if frame_digest(before, &tail) != stored.remembered.frame {
            return Err(FOREIGN);
        }
        let memo =
            Memo { signed: OnceLock::from(stored.remembered.signed().ok_or(FOREIGN)?.to_vec()), ..Memo::default() };
        let octets = Octets::Opened { list, index: Arc::new(stored) };
        Ok(Self { octets, header: Arc::new(header), memo: Arc::new(memo) })
    }

    /// An index to store beside the list, for [`Self::open`]: some 8 octets for each entry.
    ///
    /// # Errors
    ///
    /// [`PathErrorKind::MalformedList`] where a serial number is listed twice; [`PathErrorKind::ListUnreadable`] for a
    /// list that was itself opened and can no longer be read.
    pub fn index(&self) -> Result<Vec<u8>, PathErrorKind> {
        let (der, index) = match &self.octets {
            Octets::Borrowed { der, entries } => (*der, self.built_index(der, *entries)?),
            Octets::Opened { index, .. } => return index.octets(),
        };
        index.check_unique(der, self.header.kind())?;
        let entries = &self.header.layout.entries;
        let before = der.get(..entries.start).unwrap_or_default();
        let behind = der.get(entries.end..).unwrap_or_default();
        let signed = self.signed_digest()?.unwrap_or_default();
        let remembered = Remembered::new(der.len(), self.digest(), frame_digest(before, behind), signed);
        Ok(write(index, &remembered))
    }

    /// SHA-256 of the octets received, computed at the first call; of a list that was opened, as its index remembers.
    pub fn digest(&self) -> [u8; 32] {
        *self.memo.digest.get_or_init(|| match &self.octets {
            Octets::Borrowed { der, .. } => Sha256::digest(der).into(),
            Octets::Opened { index, .. } => index.remembered.list,
        })
    }

    /// DER of the name of who issued the list.
    pub fn issuer(&self) -> &[u8] {
        &self.header.issuer
    }

    /// The CRL number (RFC 5280 5.2.3): big-endian, no leading zero, at most 20 octets. [`compare_numbers`] tells
    /// which of two lists of the same [`Self::scope`] is newer.
    pub fn number(&self) -> &[u8] {
        &self.header.number
    }

    /// When the list was issued.
    pub fn this_update(&self) -> Time {
        self.header.this_update
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Time {
        self.header.next_update
    }

    /// Whether this is a delta list, which only says what changed (RFC 5280 5.2.4).
    pub fn is_delta(&self) -> bool {
        self.header.base.is_some()
    }

    /// What tells a list apart from those that it cannot replace: SHA-256 over the DER of its issuer's name, of its
    /// issuing distribution point, and whether it is a delta list.
    pub fn scope(&self) -> [u8; 32] {
        let issuer = self.issuer();
        Sha256::new()
            .chain_update((issuer.len() as u32).to_be_bytes())
            .chain_update(issuer)
            .chain_update([self.is_delta().into()])
            .chain_update(self.header.scope_value.as_deref().unwrap_or_default())
            .finalize()
            .into()
    }

    /// What the list says of the certificate with this issuer (DER of the name) and serial number (content octets):
    /// nothing where it is not on the list. A delta list may say [`super::RevocationReason::RemoveFromCrl`].
    ///
    /// # Errors
    ///
    /// [`PathErrorKind::IndexRefused`] and [`PathErrorKind::ListUnreadable`] for a list that was opened;
    /// [`PathErrorKind::MalformedList`] where the certificate is listed twice, or the entry's dates are none.
    pub fn find(&self, issuer: &[u8], serial: &[u8]) -> Result<Option<Revoked>, PathErrorKind> {
        let kind = self.header.kind();
        if !kind.indirect && !names_match(issuer, self.issuer()) {
            return Ok(None);
        }
        let places = self.places(kind)?;
        let mut found = None;
        places.probe(serial, |offset| {
            let octets = self.entry_at(offset)?;
            let entry = read_entry(&octets, kind)?;
            // The entry decides, never the index alone.
            if key(entry.serial) != key(serial) {
                return Err(FOREIGN);
            }
            let same = entry.serial == serial
                && (!kind.indirect || self.is_issued_by(issuer, places.issuer_before(offset))?);
            if same && found.replace(entry.revoked()?).is_some() {
                return Err(TWICE);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Where to look. Making an index costs many walks over the entries, so that a list that is asked once does without.
    fn places(&self, kind: Kind) -> Result<Places<'_, 'a>, PathErrorKind> {
        match &self.octets {
            Octets::Borrowed { der, entries } => {
                let first = self.memo.asked.set(()).is_ok() && self.memo.index.get().is_none();
                if first && !kind.indirect {
                    let range = self.header.layout.entries.clone();
                    let start = range.start;
                    return Ok(Places::Unsorted(der.get(range).unwrap_or_default(), start));
                }
                Ok(Places::Built(self.built_index(der, *entries)?))
            }
            Octets::Opened { index, .. } => Ok(Places::Stored(index)),
        }
    }

    /// Whether an entry of an indirect list is about a certificate of this issuer, given the offset of the entry that
    /// names one (RFC 5280 5.3.3).
    fn is_issued_by(&self, issuer: &[u8], named_at: Option<u32>) -> Result<bool, PathErrorKind> {
        let Some(offset) = named_at else {
            return Ok(names_match(issuer, self.issuer()));
        };
        let octets = self.entry_at(offset)?;
        let names = read_entry(&octets, self.header.kind())?.issuer.and_then(directory_names).ok_or(FOREIGN)?;
        Ok(names.into_iter().any(|name| names_match(issuer, name)))
    }

    /// The octets of the entry at an offset.
    fn entry_at(&self, offset: u32) -> Result<Cow<'a, [u8]>, PathErrorKind> {
        /// Enough for nearly every entry.
        const USUAL: usize = 64;
        let start = offset as usize;
        let entries = &self.header.layout.entries;
        let available = entries.end.checked_sub(start).filter(|_| start >= entries.start).ok_or(FOREIGN)?;
        let length = |octets: &[u8]| {
            let (_, start, length) = header(octets)?;
            start.checked_add(length).filter(|whole| *whole <= available && length <= MAX_ENTRY_SIZE)
        };
        match &self.octets {
            Octets::Borrowed { der, .. } => {
                let rest = der.get(start..).ok_or(FOREIGN)?;
                length(rest).and_then(|length| rest.get(..length)).map(Cow::Borrowed).ok_or(FOREIGN)
            }
            Octets::Opened { list, .. } => {
                let mut octets = read(*list, start, available.min(USUAL))?;
                let length = length(&octets).ok_or(FOREIGN)?;
                if length > octets.len() {
                    octets = read(*list, start, length)?;
                }
                octets.truncate(length);
                Ok(Cow::Owned(octets))
            }
        }
    }

    fn built_index(&self, der: &[u8], entries: usize) -> Result<&Index, PathErrorKind> {
        let range = self.header.layout.entries.clone();
        let index = self.memo.index.get_or_init(|| Index::build(der, range, self.header.kind(), entries));
        index.as_ref().map_err(Clone::clone)
    }

    /// Verifies that the holder of a certificate signed the list and may do so: its name, its key usage cRLSign,
    /// where it has one, the key identifier and the signature. Whether the certificate is to be trusted is another
    /// question. The outcome is remembered for the first four keys.
    ///
    /// # Errors
    ///
    /// [`PathErrorKind::ListSignerRefused`], and for the signature [`PathErrorKind::BadSignature`],
    /// [`PathErrorKind::AlgorithmNotAllowed`], [`PathErrorKind::KeyNotAllowed`].
    pub fn signed_by(&self, signer: &Certificate<'_>) -> Result<(), PathErrorKind> {
        self.check_signer(signer)?;
        self.verify_signature(signer)
    }

    /// Everything that [`Self::signed_by`] verifies but the signature.
    pub(super) fn check_signer(&self, signer: &Certificate<'_>) -> Result<(), PathErrorKind> {
        if !names_match(self.issuer(), signer.subject()) {
            return Err(PathErrorKind::ListSignerRefused("issued by another name"));
        }
        if signer.subject_key_identifier().is_some_and(|own| *own != *self.header.key_identifier) {
            return Err(PathErrorKind::ListSignerRefused("names another key"));
        }
        if signer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
            return Err(PathErrorKind::ListSignerRefused("the key usage lacks cRLSign"));
        }
        Ok(())
    }

    /// Whether [`Self::verify_signature`] would have to compute anything.
    pub(super) fn is_verified(&self, signer: &Certificate<'_>) -> bool {
        self.memo.verified.iter().filter_map(OnceLock::get).any(|known| known.spki == signer.spki())
    }

    pub(super) fn verify_signature(&self, signer: &Certificate<'_>) -> Result<(), PathErrorKind> {
        let verify = || Verified { spki: signer.spki().to_vec(), outcome: self.compute_signature(signer) };
        for place in &self.memo.verified {
            let known = place.get_or_init(verify);
            if known.spki == signer.spki() {
                return known.outcome.clone();
            }
        }
        self.compute_signature(signer)
    }

    fn compute_signature(&self, signer: &Certificate<'_>) -> Result<(), PathErrorKind> {
        let key = signer.public_key().map_err(|error| error.kind)?;
        let algorithm = self.header.algorithm.ok_or(PathErrorKind::AlgorithmNotAllowed)?;
        let signature = &self.header.signature;
        match self.signed_digest()? {
            Some(digest) => key.verify_digest(algorithm, digest, signature),
            None => key.verify(algorithm, &self.tbs()?, signature),
        }
        .map_err(PathErrorKind::from)
    }

    /// Whether the algorithm of the list's signature may be used with a signer's key at a time.
    pub(super) fn check_algorithm_at(&self, signer: &Certificate<'_>, at: Time) -> Result<(), PathErrorKind> {
        let key = signer.public_key().map_err(|error| error.kind)?;
        let algorithm = self.header.algorithm.ok_or(PathErrorKind::AlgorithmNotAllowed)?;
        allowed_at(key.kind(), algorithm, at).map_err(|error| match error {
            AlgorithmError::NotAllowed => PathErrorKind::AlgorithmNotAllowed,
            AlgorithmError::RefusedFrom(since) => PathErrorKind::AlgorithmRefused { since, at },
        })
    }

    /// The digest that is signed, computed once; nothing where the signature is over the octets themselves.
    fn signed_digest(&self) -> Result<Option<&[u8]>, PathErrorKind> {
        let Some(algorithm) = self.header.algorithm.filter(|algorithm| *algorithm != SignatureAlgorithm::Ed25519)
        else {
            return Ok(None);
        };
        if let Some(digest) = self.memo.signed.get() {
            return Ok(Some(digest));
        }
        let digest = algorithm.hash().digest(&self.tbs()?).as_ref().to_vec();
        Ok(Some(self.memo.signed.get_or_init(|| digest)))
    }

    /// The octets that are signed, tbsCertList.
    fn tbs(&self) -> Result<Cow<'a, [u8]>, PathErrorKind> {
        let range = self.header.layout.tbs.clone();
        Ok(match &self.octets {
            Octets::Borrowed { der, .. } => Cow::Borrowed(der.get(range).unwrap_or_default()),
            Octets::Opened { list, .. } => Cow::Owned(read(*list, range.start, range.len())?),
        })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }
}

fn check_size(size: u64) -> Result<usize, PathErrorKind> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_LIST_SIZE);
    size.ok_or(PathErrorKind::MalformedList("larger than 64 MiB"))
}

/// SHA-256 of what stands before and behind the entries.
fn frame_digest(before: &[u8], behind: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(before).chain_update(behind).finalize().into()
}

/// An entry that an index led to.
fn read_entry(octets: &[u8], kind: Kind) -> Result<Entry<'_>, PathErrorKind> {
    let content = only(octets, SEQUENCE).ok_or(FOREIGN)?;
    Entry::read(content, kind).map_err(|_| FOREIGN)
}
