//! What is installed, as it was at one moment.
//!
//! A change exchanges the whole folder in one step and removes the last one afterwards. A snapshot therefore opens every
//! file at once and then makes sure that the folder is still the one in force; from then on the files are held, and
//! what happens to their names is of no concern.

use crate::{
    file::{self, FileError, OpenFile},
    store::{
        ANCHORS, ANCHORS_UPDATES, CERTIFICATES, INDEX_SUFFIX, INSTALLED, LIST_SUFFIX, LISTS, MAX_CERTIFICATES,
        MAX_INDEX_SIZE, MAX_LIST_SIZE, MAX_LISTS, MAX_TOKENS, Store, StoreError, TOKENS,
    },
};
use countersign_common::MAX_FILE_SIZE;
use rustix::fs::{Mode, Stat};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// How often a snapshot is begun again because a change went in meanwhile.
const TRIES: usize = 16;

/// What is installed, as it was at one moment. It stays readable after the store has changed.
#[derive(Debug)]
pub struct Snapshot {
    anchors: Part<Option<StoredFile>>,
    anchors_updates: Part<Option<StoredFile>>,
    certificates: Part<Vec<StoredFile>>,
    tokens: Part<Vec<StoredFile>>,
    lists: Part<Vec<StoredList>>,
}

/// A part that could be opened, or what could not: only whoever asks for that part has to know.
type Part<T> = Result<T, (PathBuf, FileError)>;

/// A revocation list.
#[derive(Debug)]
pub struct StoredList {
    /// Its name: 1 to 80 small letters, digits and '-'.
    pub name: String,
    /// The list, at most [`MAX_LIST_SIZE`] octets.
    pub list: StoredFile,
    /// Its index, at most [`MAX_INDEX_SIZE`] octets. `None` also where the list is not the file that the index was kept
    /// with: see [`Change::keep_list`](crate::Change::keep_list).
    pub index: Option<StoredFile>,
}

/// A file of a snapshot, open for reading at any place.
#[derive(Debug)]
pub struct StoredFile {
    path: PathBuf,
    file: OpenFile,
    /// Where the content begins.
    start: u64,
}

impl StoredFile {
    /// The size in octets.
    pub fn size(&self) -> u64 {
        self.file.size.saturating_sub(self.start)
    }

    /// Fills a buffer from an offset on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] where the system refuses, or the file ends before the buffer does.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        // An offset past every file is past this one.
        let offset = self.start.saturating_add(offset);
        self.file.read_at(offset, buffer).map_err(|error| StoreError::of(self.path.clone(), error))
    }

    /// The whole of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] where it has more than `limit` octets, [`StoreError::Io`] where the system refuses.
    pub fn read(&self, limit: usize) -> Result<Vec<u8>, StoreError> {
        let content =
            if self.size() > limit as u64 { Err(FileError::TooLarge) } else { self.file.read_from(self.start) };
        content.map_err(|error| StoreError::of(self.path.clone(), error))
    }
}

impl Snapshot {
    /// The administrator's anchors file.
    pub fn anchors(&self) -> Result<Option<Vec<u8>>, StoreError> {
        whole(&self.anchors)
    }

    /// The updates of the trust anchors.
    pub fn anchors_updates(&self) -> Result<Option<Vec<u8>>, StoreError> {
        whole(&self.anchors_updates)
    }

    /// The certificates between holders and their anchors, as PEM, in the order of their digests, at most
    /// [`MAX_CERTIFICATES`].
    pub fn certificates(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        part(&self.certificates)?.iter().map(|certificate| certificate.read(MAX_FILE_SIZE)).collect()
    }

    /// The tokens, in the order of their ids, at most [`MAX_TOKENS`].
    pub fn tokens(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        part(&self.tokens)?.iter().map(|token| token.read(MAX_FILE_SIZE)).collect()
    }

    /// The revocation lists, in the order of their names, at most [`MAX_LISTS`].
    pub fn lists(&self) -> Result<&[StoredList], StoreError> {
        part(&self.lists).map(Vec::as_slice)
    }

    pub(crate) fn open(store: &Store) -> Result<Self, StoreError> {
        let Some(root) = store.open_root()? else {
            return Ok(Self::empty());
        };
        let path = store.root().join(INSTALLED);
        let installed = || file::open_folder(&root, INSTALLED).map_err(|error| store.error(INSTALLED, error));
        let mut folder = installed()?;
        for _ in 0..TRIES {
            let Some(opened) = folder else {
                return Ok(Self::empty());
            };
            let snapshot = Self::read(&path, &opened);
            // As long as it is in force nothing in it changes, and nothing of it was removed yet.
            folder = installed()?;
            if let Some(current) = &folder
                && file::same(&opened, current).map_err(|error| store.error(INSTALLED, error))?
            {
                return Ok(snapshot);
            }
        }
        Err(StoreError::Busy(store.root().to_owned()))
    }

    fn empty() -> Self {
        Self {
            anchors: Ok(None),
            anchors_updates: Ok(None),
            certificates: Ok(Vec::new()),
            tokens: Ok(Vec::new()),
            lists: Ok(Vec::new()),
        }
    }

    fn read(path: &Path, folder: &OwnedFd) -> Self {
        Self {
            anchors: open_file(path, folder, ANCHORS, MAX_FILE_SIZE),
            anchors_updates: open_file(path, folder, ANCHORS_UPDATES, MAX_FILE_SIZE),
            certificates: open_all(&path.join(CERTIFICATES), folder, MAX_CERTIFICATES),
            tokens: open_all(&path.join(TOKENS), folder, MAX_TOKENS),
            lists: open_lists(path, folder),
        }
    }
}

/// The state of a list's file that an index is kept with: where it differs the index is of another list.
///
/// A link that is made or removed changes the time of the last change of status, and every change of the store makes and
/// removes links; so that time is no part of the state. What it would tell beyond the rest is who set the time of
/// modification back, which only the owner of the file can do, and the owner can as well exchange the index. So both
/// files must have one owner and be writable for nobody else. Nor is the device: its number may be another after every
/// start of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    inode: u64,
    size: u64,
    /// Of the last modification, in seconds and nanoseconds.
    modified: (i64, u64),
}

impl FileState {
    /// Octets of a state: inode, size, seconds and nanoseconds, each as 64 bits, the high octet first.
    pub(crate) const SIZE: usize = 32;

    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // The types differ between systems.
    pub(crate) fn of(status: &Stat) -> Self {
        Self {
            inode: status.st_ino as u64,
            size: status.st_size as u64,
            modified: (status.st_mtime as i64, status.st_mtime_nsec as u64),
        }
    }

    pub(crate) fn to_octets(self) -> [u8; Self::SIZE] {
        let (seconds, nanoseconds) = self.modified;
        let mut octets = [0; Self::SIZE];
        let fields =
            [self.inode.to_be_bytes(), self.size.to_be_bytes(), seconds.to_be_bytes(), nanoseconds.to_be_bytes()];
        octets.iter_mut().zip(fields.as_flattened()).for_each(|(octet, value)| *octet = *value);
        octets
    }
}

fn part<T>(part: &Part<T>) -> Result<&T, StoreError> {
    part.as_ref().map_err(|(path, error)| StoreError::of(path.clone(), *error))
}

fn whole(file: &Part<Option<StoredFile>>) -> Result<Option<Vec<u8>>, StoreError> {
    part(file)?.as_ref().map(|file| file.read(MAX_FILE_SIZE)).transpose()
}

fn open_file(path: &Path, folder: &OwnedFd, name: &str, limit: usize) -> Part<Option<StoredFile>> {
    let path = path.join(name);
    match file::open(folder, name, limit) {
        Ok(file) => Ok(file.map(|file| StoredFile { path, file, start: 0 })),
        Err(error) => Err((path, error)),
    }
}

/// The folder and its names that end in a suffix.
fn open_names(path: &Path, folder: &OwnedFd, suffix: &str, limit: usize) -> Part<Option<(OwnedFd, Vec<String>)>> {
    let name = path.file_name().unwrap_or_default();
    let read = file::open_folder(folder, name).and_then(|opened| {
        opened.map(|opened| file::names(&opened, suffix, limit).map(|names| (opened, names))).transpose()
    });
    read.map_err(|error| (path.to_owned(), error))
}

/// Every file of a folder that holds PEM.
fn open_all(path: &Path, folder: &OwnedFd, limit: usize) -> Part<Vec<StoredFile>> {
    let Some((folder, names)) = open_names(path, folder, ".pem", limit)? else {
        return Ok(Vec::new());
    };
    names.iter().filter_map(|name| open_file(path, &folder, name, MAX_FILE_SIZE).transpose()).collect()
}

fn open_lists(path: &Path, folder: &OwnedFd) -> Part<Vec<StoredList>> {
    let path = path.join(LISTS);
    let Some((folder, names)) = open_names(&path, folder, LIST_SUFFIX, MAX_LISTS)? else {
        return Ok(Vec::new());
    };
    let mut lists = Vec::with_capacity(names.len());
    for name in names {
        let Some(list) = open_file(&path, &folder, &name, MAX_LIST_SIZE)? else { continue };
        let name = name.strip_suffix(LIST_SUFFIX).unwrap_or(&name).to_owned();
        let index_name = format!("{name}{INDEX_SUFFIX}");
        let index = match open_file(&path, &folder, &index_name, MAX_INDEX_SIZE + FileState::SIZE)? {
            Some(index) => kept_with(index, &list)?,
            None => None,
        };
        lists.push(StoredList { name, list, index });
    }
    Ok(lists)
}

/// The content of an index, where it was kept with this list in its present state.
fn kept_with(index: StoredFile, list: &StoredFile) -> Part<Option<StoredFile>> {
    let mut state = [0; FileState::SIZE];
    if index.size() < state.len() as u64 {
        return Ok(None);
    }
    if let Err(error) = index.file.read_at(0, &mut state) {
        return Err((index.path, error));
    }
    let alone = |status: &Stat| !Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    let (list, of_index) = (&list.file.status, &index.file.status);
    let same =
        FileState::of(list).to_octets() == state && list.st_uid == of_index.st_uid && alone(list) && alone(of_index);
    Ok(same.then(|| StoredFile { start: state.len() as u64, ..index }))
}
