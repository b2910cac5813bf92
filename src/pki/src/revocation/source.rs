//! Where a list and its index are read from, without reading them whole.

use crate::error::PathErrorKind;
use core::fmt;

/// Octets that can be read at any place: a file, or memory.
///
/// The same place must always give the same octets while a [`super::RevocationList`] borrows the source.
pub trait Source: fmt::Debug + Send + Sync {
    /// How many octets there are.
    fn size(&self) -> u64;

    /// Fills `into` with the octets from `offset` on.
    ///
    /// # Errors
    ///
    /// Where they cannot all be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError>;
}

/// Octets that could not be read from a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceError;

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the octets could not be read")
    }
}

impl std::error::Error for SourceError {}

impl From<SourceError> for PathErrorKind {
    fn from(_: SourceError) -> Self {
        Self::ListUnreadable
    }
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        let start = usize::try_from(offset).map_err(|_| SourceError)?;
        let end = start.checked_add(into.len()).ok_or(SourceError)?;
        into.copy_from_slice(self.get(start..end).ok_or(SourceError)?);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        self.as_slice().read_at(offset, into)
    }
}

/// Reads so many octets.
pub(super) fn read(source: &dyn Source, offset: usize, length: usize) -> Result<Vec<u8>, SourceError> {
    let mut octets = vec![0; length];
    source.read_at(offset as u64, &mut octets)?;
    Ok(octets)
}
