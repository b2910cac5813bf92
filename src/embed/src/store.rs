//! The store: one folder with what was brought to this machine and what came of it.
//!
//! ```text
//! anchors.pem                    the administrator's trust anchors, where the product's owner chose to use them
//! tokens/ID.pem                  the tokens installed, each by its id
//! records/PRODUCT/ID.pem         the activation records, each by its token's id
//! newest-time                    the time floor: the latest time that this machine has seen
//! ```
//!
//! Nothing in it is a secret and nothing is believed: every reader verifies. Names come from verified objects and are
//! identifiers or hexadecimal, so that they cannot lead out of the folder; symbolic links are refused.

use crate::file::{self, FileError};
use core::fmt;
use countersign_common::{MAX_FILE_SIZE, Octets, Time, is_identifier};
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// The most records that a product may have in a store: one for each token that ever activated it.
pub const MAX_RECORDS: usize = 64;
/// The most tokens in a store.
pub const MAX_TOKENS: usize = 256;
/// The floor is one line with a time.
const MAX_FLOOR_SIZE: usize = 64;

const ANCHORS: &str = "anchors.pem";
const TOKENS: &str = "tokens";
const RECORDS: &str = "records";
const FLOOR: &str = "newest-time";

/// A store on this machine.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Why a store cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A symbolic link, pipe, device or folder stands where a file is expected, or no folder where one is.
    NotRegular(PathBuf),
    /// A file is larger, or there are more of them, than a store may have.
    TooLarge(PathBuf),
    /// The system refused: rights, space, hardware.
    Io(PathBuf, io::Error),
    /// The time floor is damaged.
    FloorDamaged(PathBuf),
    /// There are records, and the time floor is gone.
    FloorMissing,
    /// A product identifier that is none.
    BadProduct,
}

impl StoreError {
    /// The stable code, listed in docs/codes.md.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRegular(_) => "CS-6003",
            Self::TooLarge(_) => "CS-6004",
            Self::Io(..) => "CS-6005",
            Self::FloorDamaged(_) => "CS-6006",
            Self::FloorMissing => "CS-6007",
            Self::BadProduct => "CS-6008",
        }
    }

    /// Every code of this crate with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-6003", "symbolic link or other irregular file in the store"),
        ("CS-6004", "file in the store too large, or too many of them"),
        ("CS-6005", "the system refused access to the store, or it is full"),
        ("CS-6006", "time floor damaged"),
        ("CS-6007", "time floor missing although there are records"),
        ("CS-6008", "product identifier malformed"),
    ];
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular(path) => write!(f, "{} is not a regular file or folder", path.display()),
            Self::TooLarge(path) => write!(f, "{} is too large, or holds too many files", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::FloorDamaged(path) => write!(f, "the time floor {} is damaged", path.display()),
            Self::FloorMissing => f.write_str("the time floor is missing although there are records"),
            Self::BadProduct => f.write_str("not a product identifier: letters, digits, '.', '_' and '-', at most 64"),
        }
    }
}

impl std::error::Error for StoreError {}

impl Store {
    /// The system's store, /var/lib/countersign.
    pub fn system() -> Self {
        Self::at("/var/lib/countersign")
    }

    /// A store in a folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The records for a product, at most [`MAX_RECORDS`].
    pub fn records(&self, product: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        match self.open_folder(RECORDS)? {
            Some(records) => {
                let folder = file::open_folder(records, product).map_err(|error| self.error(RECORDS, error))?;
                self.read_all(RECORDS, folder, MAX_RECORDS)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The products that have a folder of records, at most [`MAX_TOKENS`].
    pub fn products(&self) -> Result<Vec<String>, StoreError> {
        match self.open_folder(RECORDS)? {
            Some(folder) => file::names(folder, "", MAX_TOKENS).map_err(|error| self.error(RECORDS, error)),
            None => Ok(Vec::new()),
        }
    }

    /// The tokens installed, at most [`MAX_TOKENS`].
    pub fn tokens(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let folder = self.open_folder(TOKENS)?;
        self.read_all(TOKENS, folder, MAX_TOKENS)
    }

    /// The administrator's anchors file.
    pub fn anchors(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_file(ANCHORS, MAX_FILE_SIZE)
    }

    /// The time floor: the latest time that this machine has seen.
    pub fn newest_time_seen(&self) -> Result<Option<Time>, StoreError> {
        let Some(line) = self.read_file(FLOOR, MAX_FLOOR_SIZE)? else {
            return Ok(None);
        };
        let time =
            str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n')).and_then(|line| line.parse().ok());
        time.map(Some).ok_or_else(|| StoreError::FloorDamaged(self.root.join(FLOOR)))
    }

    /// Raises the time floor; a time that is not later changes nothing.
    pub fn advance_time(&self, time: Time) -> Result<(), StoreError> {
        if self.newest_time_seen()?.is_some_and(|seen| seen >= time) {
            return Ok(());
        }
        self.replace(&[], FLOOR, format!("{time}\n").as_bytes())
    }

    /// Puts the administrator's anchors file in place.
    pub fn keep_anchors(&self, pem: &[u8]) -> Result<(), StoreError> {
        self.replace(&[], ANCHORS, pem)
    }

    /// Puts a token in place of an earlier version of it.
    pub fn keep_token(&self, id: &Octets<16>, pem: &[u8]) -> Result<(), StoreError> {
        self.replace(&[TOKENS], &format!("{id}.pem"), pem)
    }

    /// Puts a record in place of an earlier one for the same product and token.
    pub fn keep_record(&self, product: &str, token: &Octets<16>, pem: &[u8]) -> Result<(), StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        self.replace(&[RECORDS, product], &format!("{token}.pem"), pem)
    }

    /// Removes a token; whether there was one.
    pub fn remove_token(&self, id: &Octets<16>) -> Result<bool, StoreError> {
        self.remove(self.open_folder(TOKENS)?, &format!("{id}.pem"))
    }

    /// Removes a record; whether there was one.
    pub fn remove_record(&self, product: &str, token: &Octets<16>) -> Result<bool, StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        let folder = match self.open_folder(RECORDS)? {
            Some(records) => file::open_folder(records, product).map_err(|error| self.error(RECORDS, error))?,
            None => None,
        };
        self.remove(folder, &format!("{token}.pem"))
    }

    fn open_folder(&self, name: &str) -> Result<Option<OwnedFd>, StoreError> {
        match self.open_root()? {
            Some(root) => file::open_folder(root, name).map_err(|error| self.error(name, error)),
            None => Ok(None),
        }
    }

    fn open_root(&self) -> Result<Option<OwnedFd>, StoreError> {
        file::open_root(&self.root).map_err(|error| self.error("", error))
    }

    fn read_file(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.open_root()? {
            Some(root) => file::read(root, name, limit).map_err(|error| self.error(name, error)),
            None => Ok(None),
        }
    }

    fn read_all(&self, part: &str, folder: Option<OwnedFd>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(folder) = folder else {
            return Ok(Vec::new());
        };
        let names = file::names(&folder, ".pem", limit).map_err(|error| self.error(part, error))?;
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            // A file that went away between the two looks is none.
            files.extend(file::read(&folder, &name, MAX_FILE_SIZE).map_err(|error| self.error(&name, error))?);
        }
        Ok(files)
    }

    fn replace(&self, folders: &[&str], name: &str, content: &[u8]) -> Result<(), StoreError> {
        std::fs::create_dir_all(&self.root).map_err(|error| self.error("", FileError::Io(error)))?;
        let mut folder = self.open_root()?.ok_or_else(|| self.error("", FileError::NotRegular))?;
        for part in folders {
            folder = file::create_folder(&folder, part).map_err(|error| self.error(part, error))?;
        }
        file::replace(folder, name, content).map_err(|error| self.error(name, error))
    }

    fn remove(&self, folder: Option<OwnedFd>, name: &str) -> Result<bool, StoreError> {
        folder.map_or(Ok(false), |folder| file::remove(folder, name).map_err(|error| self.error(name, error)))
    }

    fn error(&self, name: &str, error: FileError) -> StoreError {
        let path = self.root.join(name);
        match error {
            FileError::NotRegular => StoreError::NotRegular(path),
            FileError::TooLarge => StoreError::TooLarge(path),
            FileError::Io(error) => StoreError::Io(path, error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("store"));
        (folder, store)
    }

    #[test]
    fn what_is_kept_is_found_and_nothing_else_is() {
        let (_folder, store) = store();
        assert!(store.records("p").unwrap().is_empty());
        assert!(store.tokens().unwrap().is_empty());
        assert_eq!(store.newest_time_seen().unwrap(), None);
        let id = Octets([1; 16]);
        store.keep_record("p", &id, b"one").unwrap();
        store.keep_record("p", &id, b"two").unwrap();
        store.keep_token(&id, b"token").unwrap();
        assert_eq!(store.records("p").unwrap(), [b"two"]);
        assert!(store.records("q").unwrap().is_empty());
        assert_eq!(store.products().unwrap(), ["p"]);
        assert_eq!(store.tokens().unwrap(), [b"token"]);
        assert!(store.remove_record("p", &id).unwrap());
        assert!(!store.remove_record("p", &id).unwrap());
        assert!(store.remove_token(&id).unwrap());
    }

    #[test]
    fn the_floor_only_rises_and_fails_closed() {
        let (_folder, store) = store();
        let at = Time::from_unix;
        store.advance_time(at(2_000)).unwrap();
        store.advance_time(at(1_000)).unwrap();
        assert_eq!(store.newest_time_seen().unwrap(), Some(at(2_000)));
        for damaged in ["", "yesterday\n", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n\n"] {
            std::fs::write(store.root().join(FLOOR), damaged).unwrap();
            assert!(matches!(store.newest_time_seen(), Err(StoreError::FloorDamaged(_))), "{damaged:?}");
            assert!(store.advance_time(at(3_000)).is_err());
        }
        std::fs::write(store.root().join(FLOOR), vec![b' '; 65]).unwrap();
        assert!(matches!(store.newest_time_seen(), Err(StoreError::TooLarge(_))));
    }

    #[test]
    fn links_pipes_and_names_that_lead_out_are_refused() {
        let (folder, store) = store();
        let id = Octets([1; 16]);
        store.keep_record("p", &id, b"one").unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("x.pem"), b"x").unwrap();
        std::os::unix::fs::symlink(elsewhere.join("x.pem"), store.root().join("records/p/link.pem")).unwrap();
        assert!(matches!(store.records("p"), Err(StoreError::NotRegular(_))));
        std::os::unix::fs::symlink(&elsewhere, store.root().join("records/q")).unwrap();
        assert!(matches!(store.records("q"), Err(StoreError::NotRegular(_))));
        assert!(matches!(store.keep_record("q", &id, b"two"), Err(StoreError::NotRegular(_))));
        let linked = Store::at(folder.path().join("linked"));
        std::os::unix::fs::symlink(store.root(), linked.root()).unwrap();
        assert!(matches!(linked.tokens(), Err(StoreError::NotRegular(_))));
        std::fs::create_dir_all(store.root().join("records/r")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            store.root().join("records/r/pipe.pem"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(matches!(store.records("r"), Err(StoreError::NotRegular(_))));
        for name in ["", "..", ".", "a/b", "a\0b", "-a", &"a".repeat(65)] {
            assert!(matches!(store.records(name), Err(StoreError::BadProduct)), "{name:?}");
            assert!(matches!(store.keep_record(name, &id, b""), Err(StoreError::BadProduct)), "{name:?}");
        }
    }

    #[test]
    fn too_many_or_too_large_is_refused_and_nothing_is_left_behind() {
        let (_folder, store) = store();
        for number in 0..=MAX_RECORDS {
            let mut id = [0; 16];
            id[0] = u8::try_from(number).unwrap();
            store.keep_record("p", &Octets(id), b"one").unwrap();
        }
        assert!(matches!(store.records("p"), Err(StoreError::TooLarge(_))));
        store.keep_record("q", &Octets([0; 16]), &vec![b'x'; MAX_FILE_SIZE + 1]).unwrap();
        assert!(matches!(store.records("q"), Err(StoreError::TooLarge(_))));
        let left: Vec<_> = std::fs::read_dir(store.root().join("records/q")).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
