//! What proves to others that an entry is in the ledger (RFC 9162 2.1.3).

use super::{COLUMNS, Ledger, entry_of, in_tree, row_of};
use crate::error::Error;
use countersign_common::{Digest32, LedgerEntry, Octets, merkle::ProofBuilder};

impl Ledger {
    /// Entries as the tree has them, each with its path to the root over the first `size` entries. All are made in one
    /// pass over the leaves.
    pub(crate) fn paths(&self, numbers: &[u64], size: u64) -> Result<Vec<(LedgerEntry, Vec<Digest32>)>, Error> {
        let missing = |number: u64| Error::LedgerAltered(format!("entry {number}: is missing"));
        // One state of the ledger, whoever writes meanwhile.
        let reading = self.connection.unchecked_transaction()?;
        // Entries count from 1, leaves from 0.
        let builder = |number: &u64| ProofBuilder::inclusion(number.wrapping_sub(1), size);
        let builders = numbers.iter().map(|number| builder(number).ok_or_else(|| missing(*number)));
        let mut builders = builders.collect::<Result<Vec<_>, _>>()?;
        let last = i64::try_from(size).map_err(|_| missing(size))?;
        let mut query = reading.prepare("SELECT leaf FROM entries WHERE seq BETWEEN 1 AND ?1 ORDER BY seq")?;
        let mut rows = query.query([last])?;
        while let Some(row) = rows.next()? {
            let leaf: [u8; 32] = row.get(0)?;
            builders.iter_mut().for_each(|builder| builder.append(Octets(leaf)));
        }
        let mut paths = Vec::new();
        for (number, builder) in numbers.iter().zip(builders) {
            let row = reading.query_row(&format!("{COLUMNS} WHERE seq = ?1"), [number.cast_signed()], row_of)?;
            let text = String::from_utf8(row.5.clone()).map_err(|_| missing(*number))?;
            let entry = entry_of(row)?;
            let time = entry.time.parse().map_err(|_| missing(*number))?;
            let path = builder.finish().ok_or_else(|| missing(size))?;
            paths.push((in_tree(entry.sequence, time, &entry.body, &text)?, path));
        }
        Ok(paths)
    }

    /// The number of the entry that issued a token, by its id and digest.
    pub(crate) fn issued_as(&self, id: &str, digest: &str) -> Result<u64, Error> {
        let mut query = self.connection.prepare(&format!("{COLUMNS} WHERE kind = 'token-issued' AND subject = ?1"))?;
        for row in query.query_map([id], row_of)? {
            let entry = entry_of(row?)?;
            if entry.body.issues() == Some(digest) {
                return u64::try_from(entry.sequence).map_err(|_| Error::NoEntry(id.to_owned()));
            }
        }
        Err(Error::NoEntry(format!("of this token, {id}")))
    }
}
