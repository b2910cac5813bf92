//! Reading and replacing files of the store: bounded, no links followed, all or nothing.

use rustix::{
    fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat},
    io::Errno,
};
use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    os::unix::fs::FileExt as _,
    path::Path,
    thread,
    time::Duration,
};

/// How often a lock is tried for, and how long it is waited in between: three seconds in all.
const LOCK_TRIES: u32 = 60;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// The most entries of a folder that is linked or removed as a whole.
const MAX_ENTRIES: usize = 1024;
/// How deep folders in such a folder may lie.
const MAX_DEPTH: usize = 1;

const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
/// Whoever can open a lock can hold it, so that nobody but the owner may.
const LOCK_MODE: Mode = Mode::from_raw_mode(0o600);

/// What can go wrong with one file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FileError {
    /// A symbolic link, a pipe, a device or a folder where a file is expected.
    NotRegular,
    /// Larger than the limit given, or more of them.
    TooLarge,
    /// The file system cannot link files or exchange folders.
    Unsupported,
    /// The system refused.
    Io(Errno),
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        // O_NOFOLLOW answers ELOOP for a file and O_DIRECTORY ENOTDIR for a folder that is a symbolic link.
        match error {
            Errno::LOOP | Errno::NOTDIR => Self::NotRegular,
            error => Self::Io(error),
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// A regular file that is open for reading, with what was known of it then.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    pub(crate) status: Stat,
    pub(crate) size: u64,
}

impl OpenFile {
    /// Fills a buffer from an offset on; an error where the file ends before the buffer does.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileError> {
        Ok(self.file.read_exact_at(buffer, offset)?)
    }

    /// The whole file from an offset on.
    pub(crate) fn read_from(&self, offset: u64) -> Result<Vec<u8>, FileError> {
        let length = usize::try_from(self.size.saturating_sub(offset)).map_err(|_| FileError::TooLarge)?;
        let mut content = vec![0; length];
        self.read_at(offset, &mut content)?;
        Ok(content)
    }
}

/// Opens a folder by its path; the last component must not be a symbolic link. `None` where it does not exist.
pub(crate) fn open_root(path: &Path) -> Result<Option<OwnedFd>, FileError> {
    found(rustix::fs::open(path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
}

/// Creates a folder by its path, durably, and what is missing on the way to it.
pub(crate) fn create_root(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = rustix::fs::open(parent, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::fs::fsync(parent)?)
}

/// Opens a folder inside another; it must not be a symbolic link. `None` where it does not exist.
pub(crate) fn open_folder(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<Option<OwnedFd>, FileError> {
    found(rustix::fs::openat(parent, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
}

/// Creates a folder inside another where there is none, and opens it.
pub(crate) fn create_folder(parent: impl AsFd, name: impl rustix::path::Arg + Copy) -> Result<OwnedFd, FileError> {
    let created = match rustix::fs::mkdirat(&parent, name, FOLDER_MODE) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let folder = open_folder(&parent, name)?.ok_or(FileError::Io(Errno::NOENT))?;
    if created {
        // Every product may read, whatever the mask of whoever made the change.
        rustix::fs::fchmod(&folder, FOLDER_MODE)?;
        rustix::fs::fsync(&parent)?;
    }
    Ok(folder)
}

/// Opens a regular file of at most `limit` octets. `None` where it does not exist.
pub(crate) fn open(folder: impl AsFd, name: &str, limit: usize) -> Result<Option<OpenFile>, FileError> {
    // NONBLOCK, so that a pipe laid in the way cannot hang whoever opens it.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Some(file) = found(rustix::fs::openat(folder, name, flags, Mode::empty()))? else {
        return Ok(None);
    };
    let status = regular(&file)?;
    let size = u64::try_from(status.st_size).unwrap_or(u64::MAX);
    if size > limit as u64 {
        return Err(FileError::TooLarge);
    }
    Ok(Some(OpenFile { file: File::from(file), status, size }))
}

/// Reads a regular file of at most `limit` octets. `None` where it does not exist.
pub(crate) fn read(folder: impl AsFd, name: &str, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
    open(folder, name, limit)?.map(|file| file.read_from(0)).transpose()
}

/// Writes a file beside the one whose place it takes in [`put`], and makes it durable.
pub(crate) fn write_new(folder: impl AsFd, name: &str, parts: &[&[u8]]) -> Result<File, FileError> {
    let temporary = temporary(name);
    // One that a power cut left behind.
    remove(&folder, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&folder, &temporary, flags, FILE_MODE)?);
    let written = rustix::fs::fchmod(&file, FILE_MODE)
        .map_err(io::Error::from)
        .and_then(|()| parts.iter().try_for_each(|part| file.write_all(part)))
        .and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(file),
        Err(error) => {
            discard_new(folder, name);
            Err(error.into())
        }
    }
}

/// Puts what [`write_new`] wrote in place of whatever stands under the name.
pub(crate) fn put(folder: impl AsFd, name: &str) -> Result<(), FileError> {
    let renamed = rustix::fs::renameat(&folder, temporary(name), &folder, name);
    if renamed.is_err() {
        discard_new(folder, name);
    }
    Ok(renamed?)
}

/// Takes back what [`write_new`] wrote. The error that matters is the one that led here.
pub(crate) fn discard_new(folder: impl AsFd, name: &str) {
    let _ = remove(folder, &temporary(name));
}

/// Puts a file in place of whatever stands under its name: written beside it, made durable, then renamed, so that
/// there is the old one or the new one. Which of them after a power cut, [`sync`] of the folder settles.
pub(crate) fn replace(folder: impl AsFd, name: &str, content: &[u8]) -> Result<(), FileError> {
    write_new(&folder, name, &[content])?;
    put(&folder, name)
}

/// Removes a file; whether there was one.
pub(crate) fn remove(folder: impl AsFd, name: &str) -> Result<bool, FileError> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: impl AsFd) -> Result<(), FileError> {
    Ok(rustix::fs::fsync(folder)?)
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

/// Takes an exclusive lock on a file, which is created where there is none; `None` where somebody else holds it and
/// does not let go of it. The lock ends with the descriptor, so also with the process, however that ends.
pub(crate) fn lock(folder: impl AsFd, name: &str) -> Result<Option<OwnedFd>, FileError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, LOCK_MODE)?;
    regular(&file)?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Fills an empty folder with links to all that is in another, folders in it likewise; not with hidden files.
pub(crate) fn link_all(from: &OwnedFd, to: &OwnedFd) -> Result<(), FileError> {
    link_to_depth(from, to, MAX_DEPTH)
}

/// Exchanges two folders inside another in one step, durably.
pub(crate) fn exchange(parent: impl AsFd, one: &str, other: &str) -> Result<(), FileError> {
    rustix::fs::renameat_with(&parent, one, &parent, other, RenameFlags::EXCHANGE).map_err(|error| match error {
        // An old system, a file system that cannot, a layer of a container's image.
        Errno::NOSYS | Errno::INVAL | Errno::XDEV => FileError::Unsupported,
        error => error.into(),
    })?;
    sync(parent)
}

/// Removes whatever stands under a name, a folder with all that is in it; nothing is no error.
pub(crate) fn remove_all(parent: impl AsFd, name: &str) -> Result<(), FileError> {
    let name = CString::new(name).map_err(|_| FileError::Io(Errno::INVAL))?;
    remove_to_depth(parent.as_fd(), &name, MAX_DEPTH + 1)
}

/// Makes a folder and the folders in it durable.
pub(crate) fn sync_all(folder: &OwnedFd) -> Result<(), FileError> {
    for name in entries(folder)? {
        if is_folder(folder, &name)?
            && let Some(inner) = open_folder(folder, name.as_c_str())?
        {
            sync(inner)?;
        }
    }
    sync(folder)
}

/// Whether two descriptors are of the same file or folder.
pub(crate) fn same(one: impl AsFd, other: impl AsFd) -> Result<bool, FileError> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn link_to_depth(from: &OwnedFd, to: &OwnedFd, depth: usize) -> Result<(), FileError> {
    for name in entries(from)?.iter().filter(|name| !name.to_bytes().starts_with(b".")) {
        if is_folder(from, name)? {
            let depth = depth.checked_sub(1).ok_or(FileError::NotRegular)?;
            let inner = open_folder(from, name.as_c_str())?.ok_or(FileError::Io(Errno::NOENT))?;
            link_to_depth(&inner, &create_folder(to, name.as_c_str())?, depth)?;
        } else {
            let linked = rustix::fs::linkat(from, name.as_c_str(), to, name.as_c_str(), AtFlags::empty());
            linked.map_err(|error| match error {
                // Also the answer for a file of another user, where the system protects those.
                Errno::PERM | Errno::OPNOTSUPP => FileError::Unsupported,
                error => error.into(),
            })?;
        }
    }
    Ok(())
}

fn remove_to_depth(parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<(), FileError> {
    match open_folder(parent, name) {
        Ok(None) => Ok(()),
        Ok(Some(folder)) => {
            for inner in entries(&folder)? {
                let depth = depth.checked_sub(1).ok_or(FileError::NotRegular)?;
                remove_to_depth(folder.as_fd(), &inner, depth)?;
            }
            Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
        }
        Err(FileError::NotRegular) => Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?),
        Err(error) => Err(error),
    }
}

fn entries(folder: &OwnedFd) -> Result<Vec<CString>, FileError> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            if names.len() == MAX_ENTRIES {
                return Err(FileError::TooLarge);
            }
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn is_folder(parent: &OwnedFd, name: &CStr) -> Result<bool, FileError> {
    let status = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

/// Hidden, so that it is never read; not more than one command writes at a time.
fn temporary(name: &str) -> String {
    format!(".{name}.new")
}

fn regular(file: &OwnedFd) -> Result<Stat, FileError> {
    let status = rustix::fs::fstat(file)?;
    if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile {
        Ok(status)
    } else {
        Err(FileError::NotRegular)
    }
}

fn found(opened: rustix::io::Result<OwnedFd>) -> Result<Option<OwnedFd>, FileError> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_cannot_exchange_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = open_root(folder.path()).unwrap().unwrap();
        let one = create_folder(&root, "one").unwrap();
        create_folder(&one, "two").unwrap();
        // The system's answer for a folder and one inside it is that of a file system without the operation.
        let refused = exchange(&root, "one", "one/two").unwrap_err();
        assert_eq!(crate::StoreError::of(folder.path().to_owned(), refused).code(), "CS-6010");
        assert!(matches!(exchange(&root, "one", "none"), Err(FileError::Io(Errno::NOENT))));
    }

    #[test]
    fn folders_are_linked_and_removed_to_a_depth() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("from/a")).unwrap();
        std::fs::write(folder.path().join("from/a/.hidden"), "x").unwrap();
        std::fs::write(folder.path().join("from/a/seen"), "x").unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("from/a/link")).unwrap();
        let root = open_root(folder.path()).unwrap().unwrap();
        let from = open_folder(&root, "from").unwrap().unwrap();
        let to = create_folder(&root, "to").unwrap();
        link_all(&from, &to).unwrap();
        let a = open_folder(&to, "a").unwrap().unwrap();
        assert_eq!(names(&a, "", 9).unwrap(), ["link", "seen"]);
        remove_all(&root, "to").unwrap();
        remove_all(&root, "to").unwrap();
        assert!(folder.path().join("from/a/.hidden").exists());
        std::fs::create_dir_all(folder.path().join("from/a/b/c")).unwrap();
        let to = create_folder(&root, "to").unwrap();
        assert!(matches!(link_all(&from, &to), Err(FileError::NotRegular)));
        assert!(matches!(remove_all(&root, "from"), Err(FileError::NotRegular)));
    }
}
