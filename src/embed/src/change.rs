//! Changing the store: under a lock, and what is installed as a whole or not at all.
//!
//! A change builds the next `installed` beside the one in force, with links to the files that stay, makes all of it
//! durable and exchanges the two folders in one step. Whenever the power fails, either the one or the other is whole and in
//! force; the rest of the other is removed by the next change.

use crate::{
    file::{self, FileError},
    snapshot::FileState,
    store::{
        ANCHORS, ANCHORS_UPDATES, CERTIFICATES, CLOCK_REQUEST, FLOOR, INDEX_SUFFIX, INSTALLED, LIST_SUFFIX, LISTS,
        MAX_CERTIFICATES, MAX_CLOCK_REQUEST_SIZE, MAX_INDEX_SIZE, MAX_LIST_SIZE, MAX_LISTS, MAX_PRODUCTS, MAX_RECORDS,
        MAX_TOKENS, RECORDS, Store, StoreError, TOKENS,
    },
};
use countersign_common::{Digest32, MAX_FILE_SIZE, Octets, Time, is_identifier};
use rustix::fs::{Timespec, Timestamps};
use std::os::fd::OwnedFd;

const LOCK: &str = "lock";
/// The next `installed` while it is built, and the last one while it is removed.
const STAGING: &str = "installed.new";
/// The longest name of a list.
const MAX_LIST_NAME: usize = 80;

/// A store that no other command changes as long as this value is held.
///
/// Time floor and records are files of their own: each method puts one in place of the last, durably and at once. What
/// is installed changes by a [`Change`].
#[derive(Debug)]
pub struct LockedStore {
    store: Store,
    root: OwnedFd,
    _lock: OwnedFd,
}

/// A change of what is installed, which [`Change::commit`] puts in force as a whole.
///
/// Dropped without it nothing has changed. A method that fails leaves the change as it was before the call.
#[derive(Debug)]
pub struct Change<'a> {
    locked: &'a LockedStore,
    /// The next `installed`.
    folder: OwnedFd,
}

impl LockedStore {
    pub(crate) fn new(store: &Store) -> Result<Self, StoreError> {
        let root = match store.open_root()? {
            Some(root) => root,
            None => {
                file::create_root(store.root()).map_err(|error| store.error("", error))?;
                store.open_root()?.ok_or_else(|| store.error("", FileError::NotRegular))?
            }
        };
        let lock = file::lock(&root, LOCK).map_err(|error| store.error(LOCK, error))?;
        let lock = lock.ok_or_else(|| StoreError::Busy(store.root().to_owned()))?;
        Ok(Self { store: store.clone(), root, _lock: lock })
    }

    /// Raises the time floor; a time that is not later changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::FloorDamaged`] where the floor cannot be understood: it is not replaced then.
    pub fn advance_time(&self, time: Time) -> Result<(), StoreError> {
        if self.store.newest_time_seen()?.is_some_and(|seen| seen >= time) {
            return Ok(());
        }
        self.set_time(time)
    }

    /// Sets the time floor to whatever time, an earlier one, too, and in place of a damaged one: the mend of a clock
    /// that ran ahead. The caller answers for that being allowed.
    pub fn set_time(&self, time: Time) -> Result<(), StoreError> {
        let line = format!("{time}\n");
        let set = file::replace(&self.root, FLOOR, line.as_bytes()).and_then(|()| file::sync(&self.root));
        set.map_err(|error| self.store.error(FLOOR, error))
    }

    /// Keeps a clock request, as DER, in place of any other.
    pub fn keep_clock_request(&self, der: &[u8]) -> Result<(), StoreError> {
        let keep = || {
            bounded(der, MAX_CLOCK_REQUEST_SIZE)?;
            file::replace(&self.root, CLOCK_REQUEST, der)?;
            file::sync(&self.root)
        };
        keep().map_err(|error| self.store.error(CLOCK_REQUEST, error))
    }

    /// Removes the clock request; whether there was one.
    pub fn remove_clock_request(&self) -> Result<bool, StoreError> {
        let removed = file::remove(&self.root, CLOCK_REQUEST).and_then(|was| file::sync(&self.root).map(|()| was));
        removed.map_err(|error| self.store.error(CLOCK_REQUEST, error))
    }

    /// Puts a record in place of an earlier one for the same product and token.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] for a record that is too large, or one too many for the product.
    pub fn keep_record(&self, product: &str, token: &Octets<16>, pem: &[u8]) -> Result<(), StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        let name = format!("{token}.pem");
        let keep = || {
            let records = file::create_folder(&self.root, RECORDS)?;
            room(&records, product, "", MAX_PRODUCTS)?;
            let folder = file::create_folder(&records, product)?;
            room(&folder, &name, ".pem", MAX_RECORDS)?;
            bounded(pem, MAX_FILE_SIZE)?;
            file::replace(&folder, &name, pem)?;
            file::sync(folder)
        };
        keep().map_err(|error| self.store.error(&format!("{RECORDS}/{product}/{name}"), error))
    }

    /// Removes a record; whether there was one.
    pub fn remove_record(&self, product: &str, token: &Octets<16>) -> Result<bool, StoreError> {
        if !is_identifier(product) {
            return Err(StoreError::BadProduct);
        }
        let name = format!("{token}.pem");
        let remove = || {
            let Some(records) = file::open_folder(&self.root, RECORDS)? else { return Ok(false) };
            let Some(folder) = file::open_folder(records, product)? else { return Ok(false) };
            let removed = file::remove(&folder, &name)?;
            if removed {
                file::sync(folder)?;
            }
            Ok(removed)
        };
        remove().map_err(|error| self.store.error(&format!("{RECORDS}/{product}/{name}"), error))
    }

    /// Begins a change of what is installed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`] where the file system has no hard links, or the files belong to another user.
    pub fn change(&mut self) -> Result<Change<'_>, StoreError> {
        let begin = || {
            file::remove_all(&self.root, STAGING)?;
            file::create_folder(&self.root, STAGING)
        };
        let folder = begin().map_err(|error| self.store.error(STAGING, error))?;
        let change = Change { locked: self, folder };
        // One folder always stands there, so that there is one way to put another in its place.
        let installed = file::create_folder(&self.root, INSTALLED);
        let linked = installed.and_then(|installed| file::link_all(&installed, &change.folder));
        linked.map_err(|error| self.store.error(INSTALLED, error))?;
        Ok(change)
    }
}

impl Change<'_> {
    /// Puts a token in place of an earlier version of it.
    pub fn keep_token(&mut self, id: &Octets<16>, pem: &[u8]) -> Result<(), StoreError> {
        let name = format!("{id}.pem");
        let keep = || {
            let folder = file::create_folder(&self.folder, TOKENS)?;
            room(&folder, &name, ".pem", MAX_TOKENS)?;
            bounded(pem, MAX_FILE_SIZE)?;
            file::replace(&folder, &name, pem)
        };
        keep().map_err(|error| self.error(&format!("{TOKENS}/{name}"), error))
    }

    /// Removes a token; whether there was one.
    pub fn remove_token(&mut self, id: &Octets<16>) -> Result<bool, StoreError> {
        self.remove(TOKENS, &format!("{id}.pem"))
    }

    /// Puts the administrator's anchors file in place.
    pub fn keep_anchors(&mut self, pem: &[u8]) -> Result<(), StoreError> {
        self.keep(ANCHORS, pem)
    }

    /// Puts the updates of the trust anchors in place.
    pub fn keep_anchors_updates(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.keep(ANCHORS_UPDATES, octets)
    }

    /// Removes the updates of the trust anchors; whether there were any.
    pub fn remove_anchors_updates(&mut self) -> Result<bool, StoreError> {
        let removed = file::remove(&self.folder, ANCHORS_UPDATES);
        removed.map_err(|error| self.error(ANCHORS_UPDATES, error))
    }

    /// Keeps a certificate between holders and their anchor, by its SHA-256.
    pub fn keep_certificate(&mut self, digest: &Digest32, pem: &[u8]) -> Result<(), StoreError> {
        let name = format!("{digest}.pem");
        let keep = || {
            let folder = file::create_folder(&self.folder, CERTIFICATES)?;
            room(&folder, &name, ".pem", MAX_CERTIFICATES)?;
            bounded(pem, MAX_FILE_SIZE)?;
            file::replace(&folder, &name, pem)
        };
        keep().map_err(|error| self.error(&format!("{CERTIFICATES}/{name}"), error))
    }

    /// Removes a certificate between holders and their anchor; whether there was one.
    pub fn remove_certificate(&mut self, digest: &Digest32) -> Result<bool, StoreError> {
        self.remove(CERTIFICATES, &format!("{digest}.pem"))
    }

    /// Puts a list, and the index that was made of it, in place of an earlier one; without an index there is none.
    ///
    /// The index remembers inode, size and time of modification of the list's file. Where the file is later another one, was written
    /// to, or can be written to by others, a snapshot shows the list without its index. Copied by other means than this
    /// crate's, as from a backup, a list has lost its index, too: keep it again.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadListName`] for a name that is not 1 to 80 of a-z, 0-9 and '-'; [`StoreError::TooLarge`] for what
    /// is larger than [`MAX_LIST_SIZE`] or [`MAX_INDEX_SIZE`], and for one list too many.
    pub fn keep_list(&mut self, name: &str, octets: &[u8], index: Option<&[u8]>) -> Result<(), StoreError> {
        let (list_name, index_name) = list_names(name)?;
        let keep = || {
            let folder = file::create_folder(&self.folder, LISTS)?;
            room(&folder, &list_name, LIST_SUFFIX, MAX_LISTS)?;
            bounded(octets, MAX_LIST_SIZE)?;
            bounded(index.unwrap_or_default(), MAX_INDEX_SIZE)?;
            let list = file::write_new(&folder, &list_name, &[octets])?;
            let indexed = index.map_or(Ok(()), |index| {
                let state = state_to_remember(&list)?;
                file::write_new(&folder, &index_name, &[&state.to_octets(), index]).map(drop)
            });
            if let Err(error) = indexed {
                file::discard_new(&folder, &list_name);
                return Err(error);
            }
            // Where the second step fails the earlier index stays, and is none of the new list.
            file::put(&folder, &list_name)?;
            match index {
                Some(_) => file::put(&folder, &index_name),
                None => file::remove(&folder, &index_name).map(drop),
            }
        };
        keep().map_err(|error| self.error(&format!("{LISTS}/{list_name}"), error))
    }

    /// Removes a list and its index; whether there was one.
    pub fn remove_list(&mut self, name: &str) -> Result<bool, StoreError> {
        let (list_name, index_name) = list_names(name)?;
        self.remove(LISTS, &index_name)?;
        self.remove(LISTS, &list_name)
    }

    /// Puts the change in force: all of it, and durably.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsupported`] where the file system cannot exchange two folders: nothing has changed then.
    /// [`StoreError::Io`] where the system fails; the change is then in force as a whole or not at all, and only where the
    /// last of all writes failed it may be in force and not outlive a power cut.
    pub fn commit(self) -> Result<(), StoreError> {
        file::sync_all(&self.folder).map_err(|error| self.error("", error))?;
        file::exchange(&self.locked.root, STAGING, INSTALLED).map_err(|error| self.error("", error))
    }

    fn keep(&self, name: &str, octets: &[u8]) -> Result<(), StoreError> {
        let kept = bounded(octets, MAX_FILE_SIZE).and_then(|()| file::replace(&self.folder, name, octets));
        kept.map_err(|error| self.error(name, error))
    }

    fn remove(&self, folder: &str, name: &str) -> Result<bool, StoreError> {
        let removed = file::open_folder(&self.folder, folder)
            .and_then(|folder| folder.map_or(Ok(false), |folder| file::remove(folder, name)));
        removed.map_err(|error| self.error(&format!("{folder}/{name}"), error))
    }

    fn error(&self, name: &str, error: FileError) -> StoreError {
        self.locked.store.error(&format!("{INSTALLED}/{name}"), error)
    }
}

impl Drop for Change<'_> {
    /// Removes the folder that is not in force: the last one after a commit, else the next one.
    fn drop(&mut self) {
        // What is left over is removed by the next change.
        let _ = file::remove_all(&self.locked.root, STAGING);
    }
}

/// Whether a file may be kept without there being too many, which would make all of them unreadable.
fn room(folder: &OwnedFd, name: &str, suffix: &str, limit: usize) -> Result<(), FileError> {
    let names = file::names(folder, suffix, limit)?;
    let fits = names.len() < limit || names.iter().any(|kept| kept == name);
    if fits { Ok(()) } else { Err(FileError::TooLarge) }
}

fn bounded(content: &[u8], limit: usize) -> Result<(), FileError> {
    if content.len() > limit { Err(FileError::TooLarge) } else { Ok(()) }
}

/// The names of a list's file and of its index.
fn list_names(name: &str) -> Result<(String, String), StoreError> {
    let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    if name.is_empty() || name.len() > MAX_LIST_NAME || !name.bytes().all(fits) {
        return Err(StoreError::BadListName);
    }
    Ok((format!("{name}{LIST_SUFFIX}"), format!("{name}{INDEX_SUFFIX}")))
}

/// Makes a new list's file one that no later write can leave looking the same.
///
/// The clock that dates modifications ticks slowly, so that one soon after another may bear the same time. Dated back by
/// a second, every later write shows.
fn state_to_remember(list: &std::fs::File) -> Result<FileState, FileError> {
    let status = rustix::fs::fstat(list)?;
    let modified = Timespec { tv_sec: status.st_mtime - 1, tv_nsec: status.st_mtime_nsec as _ };
    rustix::fs::futimens(list, &Timestamps { last_access: modified, last_modification: modified })?;
    rustix::fs::fsync(list)?;
    Ok(FileState::of(&rustix::fs::fstat(list)?))
}
