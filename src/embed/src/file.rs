//! Reading and replacing files of the store: bounded, no symbolic links, all or nothing.

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// What can go wrong with one file.
#[derive(Debug)]
pub(crate) enum FileError {
    /// A symbolic link, a pipe, a device or a folder where a file is expected.
    NotRegular,
    /// Larger than the limit given.
    TooLarge,
    /// The system refused.
    Io(io::Error),
}

impl From<rustix::io::Errno> for FileError {
    fn from(error: rustix::io::Errno) -> Self {
        // O_NOFOLLOW answers ELOOP for a file and O_DIRECTORY ENOTDIR for a folder that is a symbolic link.
        match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => Self::NotRegular,
            error => Self::Io(error.into()),
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a folder by its path; the last component must not be a symbolic link. `None` where it does not exist.
pub(crate) fn open_root(path: &Path) -> Result<Option<OwnedFd>, FileError> {
    found(rustix::fs::open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
}

/// Opens a folder inside another; it must not be a symbolic link. `None` where it does not exist.
pub(crate) fn open_folder(parent: impl AsFd, name: &str) -> Result<Option<OwnedFd>, FileError> {
    found(rustix::fs::openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
}

/// Creates a folder inside another where there is none, and opens it.
pub(crate) fn create_folder(parent: impl AsFd, name: &str) -> Result<OwnedFd, FileError> {
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => rustix::fs::fsync(&parent)?,
        Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open_folder(parent, name)?.ok_or_else(|| FileError::Io(io::ErrorKind::NotFound.into()))
}

/// Reads a regular file of at most `limit` octets. `None` where it does not exist.
pub(crate) fn read(folder: impl AsFd, name: &str, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
    // NONBLOCK, so that a pipe laid in the way cannot hang whoever opens it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Some(file) = found(rustix::fs::openat(folder, name, flags, Mode::empty()))? else {
        return Ok(None);
    };
    let status = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular);
    }
    let size = usize::try_from(status.st_size).unwrap_or(usize::MAX);
    if size > limit {
        return Err(FileError::TooLarge);
    }
    let mut content = Vec::with_capacity(size + 1);
    File::from(file).take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit { Err(FileError::TooLarge) } else { Ok(Some(content)) }
}

/// Puts a file in place of whatever stands under its name: written beside it, made durable, then renamed, so that
/// after a power cut there is the old one or the new one.
pub(crate) fn replace(folder: impl AsFd, name: &str, content: &[u8]) -> Result<(), FileError> {
    let temporary = format!(".{name}.{}.new", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, &temporary, flags, Mode::from_raw_mode(0o644))?;
    let mut file = File::from(file);
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&folder, &temporary, &folder, name)?));
    if let Err(error) = renamed {
        // The error that matters is the first one.
        let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
        return Err(error.into());
    }
    rustix::fs::fsync(&folder)?;
    Ok(())
}

/// Removes a file; whether there was one.
pub(crate) fn remove(folder: impl AsFd, name: &str) -> Result<bool, FileError> {
    match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) => {
            rustix::fs::fsync(&folder)?;
            Ok(true)
        }
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Names in a folder that end in a suffix and do not begin with a dot, sorted; an error past `limit` of them.
pub(crate) fn names(folder: impl AsFd, suffix: &str, limit: usize) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.ends_with(suffix) && !name.starts_with('.') {
            if names.len() == limit {
                return Err(FileError::TooLarge);
            }
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn found(opened: rustix::io::Result<OwnedFd>) -> Result<Option<OwnedFd>, FileError> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
