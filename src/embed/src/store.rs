//! The store: one folder with what was brought to this machine and what came of it.
//!
//! ```text
//! installed/                     what was brought, replaced as a whole:
//!   anchors.pem                  the administrator's trust anchors, where the product's owner chose to use them
//!   anchors-updates.pem          updates of the trust anchors
//!   tokens/ID.pem                the tokens, each by its id
//!   certificates/SHA256.pem      certificates between holders and their anchors, each by its digest
//!   lists/NAME.list              revocation lists
//!   lists/NAME.index             an index of the list beside it, where one was made
//! records/PRODUCT/ID.pem         the activation records, each by its token's id
//! newest-time                    the time floor: the latest time that this machine has seen
//! clock-request                  the clock request that waits for its time stamp
//! lock                           held by the command that changes the store
//! installed.new/                 the next `installed`, or the last one, while a command exchanges them
//! ```
//!
//! Nothing in it is a secret and nothing is believed: every reader verifies. Names come from verified objects and are
//! identifiers or hexadecimal, so that they cannot lead out of the folder; symbolic links are refused.
//!
//! Reading takes no lock and no right to write: [`Store::snapshot`]. Writing goes through [`Store::lock`].

use crate::{
    change::LockedStore,
    file::{self, FileError},
    snapshot::Snapshot,
};
use core::fmt;
use countersign_common::{MAX_FILE_SIZE, Time, is_identifier};
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// The most products that have records in a store.
pub const MAX_PRODUCTS: usize = 256;
/// The most records that a product may have in a store: one for each token that ever activated it.
pub const MAX_RECORDS: usize = 64;
/// The most tokens in a store.
pub const MAX_TOKENS: usize = 256;
/// The most certificates between holders and their anchors in a store.
pub const MAX_CERTIFICATES: usize = 256;
/// The most revocation lists in a store.
pub const MAX_LISTS: usize = 64;
/// The largest revocation list, in octets: 64 MiB.
pub const MAX_LIST_SIZE: usize = 64 * 1024 * 1024;
/// The largest index of a revocation list, in octets: 32 MiB.
pub const MAX_INDEX_SIZE: usize = 32 * 1024 * 1024;
/// A clock request names a machine's components, a few hundred octets.
pub(crate) const MAX_CLOCK_REQUEST_SIZE: usize = 16 * 1024;
/// The floor is one line with a time.
const MAX_FLOOR_SIZE: usize = 64;

pub(crate) const ANCHORS: &str = "anchors.pem";
pub(crate) const ANCHORS_UPDATES: &str = "anchors-updates.pem";
pub(crate) const CERTIFICATES: &str = "certificates";
pub(crate) const CLOCK_REQUEST: &str = "clock-request";
pub(crate) const FLOOR: &str = "newest-time";
pub(crate) const INDEX_SUFFIX: &str = ".index";
pub(crate) const INSTALLED: &str = "installed";
pub(crate) const LISTS: &str = "lists";
pub(crate) const LIST_SUFFIX: &str = ".list";
pub(crate) const RECORDS: &str = "records";
pub(crate) const TOKENS: &str = "tokens";

/// A store on this machine.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Why a store cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// A list's name that is none.
    BadListName,
    /// A product identifier that is none.
    BadProduct,
    /// Another command is changing the store, and does not end.
    Busy(PathBuf),
    /// The time floor is damaged.
    FloorDamaged(PathBuf),
    /// There are records, and the time floor is gone.
    FloorMissing,
    /// The system refused: rights, space, hardware.
    Io(PathBuf, io::Error),
    /// A symbolic link, pipe, device or folder stands where a file is expected, or no folder where one is.
    NotRegular(PathBuf),
    /// A file is larger, or there are more of them, than a store may have.
    TooLarge(PathBuf),
    /// The file system has no hard links or cannot exchange two folders, or the files belong to another user.
    Unsupported(PathBuf),
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
            Self::Busy(_) => "CS-6009",
            Self::Unsupported(_) => "CS-6010",
            Self::BadListName => "CS-6011",
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
        ("CS-6009", "another command is changing the store"),
        ("CS-6010", "file system of the store cannot link its files or exchange folders"),
        ("CS-6011", "name of a revocation list malformed"),
    ];

    pub(crate) fn of(path: PathBuf, error: FileError) -> Self {
        match error {
            FileError::NotRegular => Self::NotRegular(path),
            FileError::TooLarge => Self::TooLarge(path),
            FileError::Unsupported => Self::Unsupported(path),
            FileError::Io(error) => Self::Io(path, error.into()),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadListName => f.write_str("not a list's name: small letters, digits and '-', at most 80"),
            Self::BadProduct => f.write_str("not a product identifier: letters, digits, '.', '_' and '-', at most 64"),
            Self::Busy(path) => write!(f, "another command is changing the store {}", path.display()),
            Self::FloorDamaged(path) => write!(f, "the time floor {} is damaged", path.display()),
            Self::FloorMissing => f.write_str("the time floor is missing although there are records"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotRegular(path) => write!(f, "{} is not a regular file or folder", path.display()),
            Self::TooLarge(path) => write!(f, "{} is too large, or holds too many files", path.display()),
            Self::Unsupported(path) => write!(
                f,
                "{}: the file system cannot link the files in it or exchange it, or they belong to another user",
                path.display()
            ),
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

    /// Where the administrator's anchors file lies, for telling who may write there.
    pub fn anchors_path(&self) -> PathBuf {
        self.root.join(INSTALLED).join(ANCHORS)
    }

    /// What is installed at this moment: one state, whatever other commands do meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] where the store changes faster than it can be read, else what is wrong with its folders.
    /// What is wrong with one file is told by whoever asks for that part.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::open(self)
    }

    /// Locks the store against other commands that change it, and creates it where there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] where another command holds the lock for more than three seconds.
    pub fn lock(&self) -> Result<LockedStore, StoreError> {
        LockedStore::new(self)
    }

    /// The records for a product, at most [`MAX_RECORDS`].
    pub fn records(&self, product: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        let folder = match self.open_records()? {
            Some(records) => file::open_folder(records, product).map_err(|error| self.error(RECORDS, error))?,
            None => None,
        };
        let Some(folder) = folder else {
            return Ok(Vec::new());
        };
        let names = file::names(&folder, ".pem", MAX_RECORDS).map_err(|error| self.error(RECORDS, error))?;
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            // A file that went away between the two looks is none.
            files.extend(file::read(&folder, &name, MAX_FILE_SIZE).map_err(|error| self.error(&name, error))?);
        }
        Ok(files)
    }

    /// The products that have a folder of records, at most [`MAX_PRODUCTS`].
    pub fn products(&self) -> Result<Vec<String>, StoreError> {
        match self.open_records()? {
            Some(folder) => file::names(folder, "", MAX_PRODUCTS).map_err(|error| self.error(RECORDS, error)),
            None => Ok(Vec::new()),
        }
    }

    /// DER of the clock request that waits for its time stamp.
    pub fn clock_request(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_file(CLOCK_REQUEST, MAX_CLOCK_REQUEST_SIZE)
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

    pub(crate) fn open_root(&self) -> Result<Option<OwnedFd>, StoreError> {
        file::open_root(&self.root).map_err(|error| self.error("", error))
    }

    pub(crate) fn error(&self, name: &str, error: FileError) -> StoreError {
        StoreError::of(self.root.join(name), error)
    }

    fn read_file(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.open_root()? {
            Some(root) => file::read(root, name, limit).map_err(|error| self.error(name, error)),
            None => Ok(None),
        }
    }

    fn open_records(&self) -> Result<Option<OwnedFd>, StoreError> {
        match self.open_root()? {
            Some(root) => file::open_folder(root, RECORDS).map_err(|error| self.error(RECORDS, error)),
            None => Ok(None),
        }
    }
}
