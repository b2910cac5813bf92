//! What proves to others that an entry is in the ledger (RFC 9162 2.1.3).

use super::{ABOUT, ALIKE, COLUMNS, Ledger, Then, Value, engine::Transaction, entry_of, row::leaf_of};
use crate::error::Error;
use countersign_common::{Digest32, LedgerEntry, Octets, merkle::ProofBuilder};

impl Ledger {
    /// Entries as the tree has them, each with its path to the root over the first `size` entries. All are made in one
    /// pass over the leaves.
    pub(crate) fn paths(&self, numbers: &[u64], size: u64) -> Result<Vec<(LedgerEntry, Vec<Digest32>)>, Error> {
        let missing = |number: u64| Error::LedgerAltered(format!("entry {number}: is missing"));
        // One state of the ledger, whoever writes meanwhile.
        let _reading = Transaction::reading(&self.engine)?;
        // Entries count from 1, leaves from 0.
        let builder = |number: &u64| ProofBuilder::inclusion(number.wrapping_sub(1), size);
        let builders = numbers.iter().map(|number| builder(number).ok_or_else(|| missing(*number)));
        let mut builders = builders.collect::<Result<Vec<_>, _>>()?;
        let last = i64::try_from(size).map_err(|_| missing(size))?;
        let leaves = "SELECT leaf, seq FROM entries WHERE seq BETWEEN 1 AND $1 ORDER BY seq";
        self.engine.rows(leaves, &[Value::Number(last)], &mut |row| {
            let leaf = row.octets(0)?.try_into();
            let leaf = Octets(leaf.map_err(|_| missing(row.number(1).unwrap_or(0).unsigned_abs()))?);
            builders.iter_mut().for_each(|builder| builder.append(leaf));
            Ok(Then::Next)
        })?;
        let query = format!("{COLUMNS} WHERE seq = $1");
        let mut paths = Vec::new();
        for (number, builder) in numbers.iter().zip(builders) {
            let path = builder.finish().ok_or_else(|| missing(size))?;
            let found = self.engine.row(&query, &[Value::Number(number.cast_signed())], leaf_of)?;
            paths.push((found.ok_or_else(|| missing(*number))?, path));
        }
        Ok(paths)
    }

    /// The number of the entry that issued a token, by its id and digest.
    pub(crate) fn issued_as(&self, id: &str, digest: &str) -> Result<u64, Error> {
        let query = format!("{COLUMNS} WHERE {ALIKE} AND {ABOUT} AND kind = 'token-issued' ORDER BY seq");
        let mut found = None;
        self.engine.rows(&query, &[Value::Text(id)], &mut |row| {
            let entry = entry_of(row)?;
            if entry.body.issues() == Some(digest) {
                found = u64::try_from(entry.sequence).ok();
            }
            Ok(if found.is_some() { Then::Stop } else { Then::Next })
        })?;
        found.ok_or_else(|| Error::NoEntry(format!("of this token, {id}")))
    }
}
