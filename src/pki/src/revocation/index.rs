//! Where the entries of a list stand, sorted so that one is found without walking over the others.

use super::{
    entry::{Entry, Kind},
    list::walk,
    reader::{Reader, SEQUENCE},
    source::{Source, read},
};
use crate::error::PathErrorKind;
use core::ops::Range;
use sha2::{Digest as _, Sha256};

/// The entries of a list, 8 octets each, and 4 for each that names a certificate issuer.
#[derive(Debug)]
pub(super) struct Index {
    /// [`place`]s in ascending order.
    places: Vec<u64>,
    /// Offsets of the entries that name a certificate issuer, ascending.
    issuers: Vec<u32>,
}

/// The key of a serial number and the offset of its entry in the list, in the order in which they are sorted.
fn place(key: u32, offset: u32) -> u64 {
    u64::from(key) << 32 | u64::from(offset)
}

/// A number that spreads serial numbers, given by their content octets, over 32 bits. Not a secret: an issuer that
/// wants its own list to be slow can have a lookup walk over all its entries.
pub(super) fn key(serial: &[u8]) -> u32 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (chunks, rest) = serial.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(into, octet)| *into = *octet);
    let mixed = chunks.iter().chain([&last]).fold(serial.len() as u64, |mixed, chunk| {
        let mixed = (mixed ^ u64::from_be_bytes(*chunk)).wrapping_mul(ODD);
        mixed ^ mixed >> 32
    });
    (mixed.wrapping_mul(ODD) >> 32) as u32
}

impl Index {
    /// Indexes the entries of a list that was walked before and has so many.
    pub(super) fn build(der: &[u8], entries: Range<usize>, kind: Kind, count: usize) -> Result<Self, PathErrorKind> {
        let mut places = Vec::with_capacity(count);
        let mut issuers = Vec::new();
        walk(der, entries, kind, |offset, entry| {
            places.push(place(key(entry.serial), offset));
            if entry.issuer.is_some() {
                issuers.push(offset);
            }
        })?;
        places.sort_unstable();
        Ok(Self { places, issuers })
    }

    /// Refuses a list of which this is the index where it has a serial number twice for one issuer.
    pub(super) fn check_unique(&self, der: &[u8], kind: Kind) -> Result<(), PathErrorKind> {
        let groups = self.places.chunk_by(|one, other| one >> 32 == other >> 32);
        groups.filter(|alike| alike.len() > 1).try_for_each(|alike| self.check_unique_among(der, alike, kind))
    }

    /// The same, given all places with one key.
    fn check_unique_among(&self, der: &[u8], alike: &[u64], kind: Kind) -> Result<(), PathErrorKind> {
        let entry = |offset: u32| {
            let content = Reader::new(der.get(offset as usize..)?).tagged(SEQUENCE)?.content;
            Entry::read(content, kind).ok()
        };
        let named = |offset: u32| issuer_before(&self.issuers, offset).and_then(entry).and_then(|entry| entry.issuer);
        let identity = |place: &u64| Some((entry(*place as u32)?.serial, named(*place as u32)));
        let mut identities: Vec<_> = alike.iter().map(identity).collect();
        identities.sort_unstable();
        match identities.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            true => Err(TWICE),
            false => Ok(()),
        }
    }

    /// Calls `each` with the offset of every entry whose serial number has this key.
    fn probe(&self, key: u32, mut each: impl FnMut(u32) -> Result<(), PathErrorKind>) -> Result<(), PathErrorKind> {
        let first = self.places.partition_point(|found| *found < place(key, 0));
        let places = self.places.get(first..).unwrap_or_default();
        places.iter().take_while(|found| (**found >> 32) as u32 == key).try_for_each(|found| each(*found as u32))
    }
}

/// The offset of the entry that names the certificate issuer of the entry at `offset`.
fn issuer_before(issuers: &[u32], offset: u32) -> Option<u32> {
    issuers.partition_point(|named| *named <= offset).checked_sub(1).and_then(|at| issuers.get(at)).copied()
}

const MAGIC: &[u8; 8] = b"CSCRLIX\x01";
/// Entries in a page of a stored index.
const PAGE: usize = 1024;
/// Octets for each page in the directory: its first place and the start of its SHA-256.
const DIRECTORY_ENTRY: usize = 16;
/// Octets before the directory.
const HEAD: usize = 8 + 4 + 32 + 32 + 1 + 64 + 4 + 4 + 32;

/// What a stored index remembers of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Octets of the list.
    pub(super) size: usize,
    /// SHA-256 of the list.
    pub(super) list: [u8; 32],
    /// SHA-256 of the list without its entries.
    pub(super) frame: [u8; 32],
    /// What the list's signature is over: the digest of tbsCertList, and how many octets of it count; none where the
    /// signature is over the octets themselves.
    signed: [u8; 64],
    signed_length: u8,
}

impl Remembered {
    pub(super) fn new(size: usize, list: [u8; 32], frame: [u8; 32], digest: &[u8]) -> Self {
        let mut signed = [0; 64];
        signed.iter_mut().zip(digest).for_each(|(into, octet)| *into = *octet);
        Self { size, list, frame, signed, signed_length: digest.len() as u8 }
    }

    pub(super) fn signed(&self) -> Option<&[u8]> {
        self.signed.get(..self.signed_length.into())
    }
}

/// An index stored by [`write`], read page by page. Layout, integers big-endian:
///
/// ```text
/// magic and version (8) | size of the list (4) | SHA-256 of the list (32) | SHA-256 of the list without entries (32)
/// | length of the signed digest (1) | the digest, zeros behind it (64) | entries (4) | named issuers (4)
/// | SHA-256 of the named issuers (32) | for each page: first place (8), start of the page's SHA-256 (8)
/// | SHA-256 of everything so far (32) | pages of 1,024 places: key (4), offset (4) | named issuers: offset (4)
/// ```
#[derive(Debug)]
pub(super) struct Stored<'a> {
    source: &'a dyn Source,
    pub(super) remembered: Remembered,
    directory: Vec<(u64, [u8; 8])>,
    count: usize,
    /// Where the first page stands.
    pages: usize,
    issuers: Vec<u32>,
}

/// The octets of an index that can be stored.
pub(super) fn write(index: &Index, remembered: &Remembered) -> Vec<u8> {
    let pages = index.places.len().div_ceil(PAGE);
    let tail: Vec<u8> = index.issuers.iter().flat_map(|offset| offset.to_be_bytes()).collect();
    let size = HEAD + pages * DIRECTORY_ENTRY + 32 + index.places.len() * 8 + tail.len();
    let mut octets = Vec::with_capacity(size);
    octets.extend_from_slice(MAGIC);
    octets.extend((remembered.size as u32).to_be_bytes());
    octets.extend(remembered.list);
    octets.extend(remembered.frame);
    octets.push(remembered.signed_length);
    octets.extend(remembered.signed);
    octets.extend((index.places.len() as u32).to_be_bytes());
    octets.extend((index.issuers.len() as u32).to_be_bytes());
    octets.extend(Sha256::digest(&tail));
    let page = |places: &[u64]| places.iter().flat_map(|place| place.to_be_bytes()).collect::<Vec<u8>>();
    for places in index.places.chunks(PAGE) {
        octets.extend(places.first().copied().unwrap_or_default().to_be_bytes());
        octets.extend(start_of_digest(&page(places)));
    }
    let digest = Sha256::digest(&octets);
    octets.extend(digest);
    index.places.chunks(PAGE).for_each(|places| octets.extend(page(places)));
    octets.extend(tail);
    octets
}

fn start_of_digest(octets: &[u8]) -> [u8; 8] {
    let mut start = [0; 8];
    start.iter_mut().zip(Sha256::digest(octets)).for_each(|(into, octet)| *into = octet);
    start
}

const DAMAGED: PathErrorKind = PathErrorKind::IndexRefused("damaged");

impl<'a> Stored<'a> {
    /// Reads everything but the pages.
    pub(super) fn open(source: &'a dyn Source) -> Result<Self, PathErrorKind> {
        let total = usize::try_from(source.size()).map_err(|_| DAMAGED)?;
        if total < HEAD {
            return Err(DAMAGED);
        }
        let head = read(source, 0, HEAD)?;
        let mut fields = Fields(&head);
        if fields.take::<8>()? != *MAGIC {
            return Err(PathErrorKind::IndexRefused("not an index of this release"));
        }
        let size = fields.number()?;
        let (list, frame) = (fields.take()?, fields.take()?);
        let [signed_length] = fields.take()?;
        let remembered = Remembered { size, list, frame, signed: fields.take()?, signed_length };
        let (count, issuers) = (fields.number()?, fields.number()?);
        let digest_of_issuers: [u8; 32] = fields.take()?;

        let directory_size = count.div_ceil(PAGE) * DIRECTORY_ENTRY;
        let pages = HEAD + directory_size + 32;
        let behind = pages + count * 8;
        // An entry has 17 octets or more, so that the numbers are bounded by the size of the list.
        if count > size / 16 || issuers > count || behind + issuers * 4 != total {
            return Err(DAMAGED);
        }
        let directory = read(source, HEAD, directory_size + 32)?;
        let (directory, digest) = directory.split_at_checked(directory_size).ok_or(DAMAGED)?;
        if *digest != *Sha256::new().chain_update(&head).chain_update(directory).finalize() {
            return Err(DAMAGED);
        }
        let mut fields = Fields(directory);
        let directory = (0..count.div_ceil(PAGE))
            .map(|_| Ok((u64::from_be_bytes(fields.take()?), fields.take()?)))
            .collect::<Result<_, PathErrorKind>>()?;
        let tail = read(source, behind, issuers * 4)?;
        if digest_of_issuers[..] != *Sha256::digest(&tail) {
            return Err(DAMAGED);
        }
        let issuers = tail.as_chunks().0.iter().map(|offset| u32::from_be_bytes(*offset)).collect();
        Ok(Self { source, remembered, directory, count, pages, issuers })
    }

    /// The octets of the index.
    pub(super) fn octets(&self) -> Result<Vec<u8>, PathErrorKind> {
        Ok(read(self.source, 0, self.pages + self.count * 8 + self.issuers.len() * 4)?)
    }

    fn probe(&self, key: u32, mut each: impl FnMut(u32) -> Result<(), PathErrorKind>) -> Result<(), PathErrorKind> {
        // The last page that begins before the first place that could be meant, and those behind it.
        let first = self.directory.partition_point(|(start, _)| *start < place(key, 0)).saturating_sub(1);
        for (number, (start, digest)) in self.directory.iter().enumerate().skip(first) {
            if *start > place(key, u32::MAX) {
                break;
            }
            let places = PAGE.min(self.count - number * PAGE);
            let page = read(self.source, self.pages + number * PAGE * 8, places * 8)?;
            if start_of_digest(&page) != *digest {
                return Err(DAMAGED);
            }
            let (places, _) = page.as_chunks();
            let places = places.iter().map(|octets| u64::from_be_bytes(*octets));
            for found in places.filter(|found| (found >> 32) as u32 == key) {
                each(found as u32)?;
            }
        }
        Ok(())
    }
}

/// The fields of the head, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PathErrorKind> {
        let (field, rest) = self.0.split_first_chunk().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<usize, PathErrorKind> {
        Ok(u32::from_be_bytes(self.take()?) as usize)
    }
}

/// Where a lookup finds the entries that it could mean.
pub(super) enum Places<'i, 'a> {
    /// The entries themselves, and where they begin in the list: not of an indirect list.
    Unsorted(&'a [u8], usize),
    Built(&'i Index),
    Stored(&'i Stored<'a>),
}

impl Places<'_, '_> {
    /// Calls `each` with the offset of every entry that has this serial number, and perhaps of some others with the
    /// same [`key`].
    pub(super) fn probe(
        &self,
        serial: &[u8],
        mut each: impl FnMut(u32) -> Result<(), PathErrorKind>,
    ) -> Result<(), PathErrorKind> {
        match self {
            Self::Unsorted(entries, start) => {
                let mut parts = Reader::new(entries);
                while let Some(entry) = parts.next() {
                    if Reader::new(entry.content).next().is_some_and(|found| found.content == serial) {
                        each((start + parts.position() - entry.whole.len()) as u32)?;
                    }
                }
                Ok(())
            }
            Self::Built(index) => index.probe(key(serial), each),
            Self::Stored(stored) => stored.probe(key(serial), each),
        }
    }

    /// The offset of the entry that names the certificate issuer of the entry at `offset`.
    pub(super) fn issuer_before(&self, offset: u32) -> Option<u32> {
        match self {
            Self::Unsorted(..) => None,
            Self::Built(index) => issuer_before(&index.issuers, offset),
            Self::Stored(stored) => issuer_before(&stored.issuers, offset),
        }
    }
}

/// The list says something else at the place that the index names.
pub(super) const FOREIGN: PathErrorKind = PathErrorKind::IndexRefused("does not go with the list");

pub(super) const TWICE: PathErrorKind = PathErrorKind::MalformedList("a serial number is listed twice");
