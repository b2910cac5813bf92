//! Files: read within a limit, written new, never over another one.

use crate::error::Error;
use std::{
    fs::{File, OpenOptions, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, TempDir};

/// Reads a whole file that must not be larger than a limit.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    let at_most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(at_most).read_to_end(&mut octets))
        .map_err(|fault| Error::file(path, fault))?;
    if octets.len() > limit { Err(Error::FileTooLarge { path: path.to_owned(), limit }) } else { Ok(octets) }
}

/// Whether a file begins with an octet.
pub(crate) fn begins_with(path: &Path, octet: u8) -> Result<bool, Error> {
    let mut first = [0];
    let read = File::open(path).and_then(|mut file| file.read(&mut first)).map_err(|fault| Error::file(path, fault))?;
    Ok(read == 1 && first[0] == octet)
}

/// Reads a text file that must not be larger than a limit.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<String, Error> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Error::file(path, std::io::Error::new(ErrorKind::InvalidData, "not UTF-8 text")))
}

/// Writes a file that does not exist yet, with its mode from the first moment, down to the disk.
pub(crate) fn write_new(path: &Path, mode: u32, octets: &[u8]) -> Result<(), Error> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(octets)?;
        file.sync_all()
    };
    write().map_err(|fault| match fault.kind() {
        ErrorKind::AlreadyExists => Error::FileExists(path.to_owned()),
        _ => Error::file(path, fault),
    })
}

/// Replaces a file as a whole, or makes it: a power cut leaves the one or the other. Only for what can be made again.
pub(crate) fn replace(path: &Path, octets: &[u8]) -> Result<(), Error> {
    let folder = parent(path);
    let mut temporary = tempfile::Builder::new()
        .prefix(".countersign-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(&folder)
        .map_err(|fault| Error::file(&folder, fault))?;
    temporary
        .write_all(octets)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|fault| Error::file(path, fault))?;
    temporary.persist(path).map_err(|failure| Error::file(path, failure.error))?;
    sync_folder(&folder)
}

/// A place for a file that will appear whole or not at all. Reserving shows early that the folder is there and can
/// be written to; the name is taken at the end.
pub(crate) struct NewFile {
    path: PathBuf,
    folder: PathBuf,
    temporary: NamedTempFile,
}

impl NewFile {
    /// Makes an empty temporary file beside the one that is to be.
    pub(crate) fn reserve(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::FileExists(path.to_owned()));
        }
        let folder = parent(path);
        let temporary = tempfile::Builder::new()
            .prefix(".countersign-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&folder)
            .map_err(|fault| Error::file(&folder, fault))?;
        Ok(Self { path: path.to_owned(), folder, temporary })
    }

    /// Writes the content, down to the disk, and gives the file its name.
    pub(crate) fn finish(mut self, octets: &[u8]) -> Result<(), Error> {
        self.temporary.write_all(octets).map_err(|fault| Error::file(&self.path, fault))?;
        self.complete()
    }

    /// For content that is too large to be held at once.
    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Gives the file its name, once all of the content has been written to it.
    pub(crate) fn complete(self) -> Result<(), Error> {
        self.temporary.as_file().sync_all().map_err(|fault| Error::file(&self.path, fault))?;
        self.temporary.persist_noclobber(&self.path).map_err(|failure| match failure.error.kind() {
            ErrorKind::AlreadyExists => Error::FileExists(self.path.clone()),
            _ => Error::file(&self.path, failure.error),
        })?;
        sync_folder(&self.folder)
    }
}

/// A folder that will appear whole or not at all.
pub(crate) struct NewFolder {
    path: PathBuf,
    temporary: TempDir,
}

impl NewFolder {
    /// Makes an empty temporary folder, open to its owner only, beside the one that is to be.
    pub(crate) fn reserve(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::AuthorityExists(path.to_owned()));
        }
        let folder = parent(path);
        let temporary = tempfile::Builder::new()
            .prefix(".countersign-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&folder)
            .map_err(|fault| Error::file(&folder, fault))?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    /// Where the content goes meanwhile.
    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> Result<(), Error> {
        sync_folder(self.temporary.path())?;
        rename_new(self.temporary.path(), &self.path).map_err(|fault| match fault.kind() {
            ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => Error::AuthorityExists(self.path.clone()),
            _ => Error::file(&self.path, fault),
        })?;
        // It is not temporary any more.
        let _ = self.temporary.keep();
        sync_folder(&parent(&self.path))
    }
}

/// Renames to a name that nothing has yet.
fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot promise it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            outcome => return outcome.map_err(Into::into),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|fault| Error::file(path, fault))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        NewFile::reserve(&path).unwrap().finish(b"one").unwrap();
        assert!(matches!(NewFile::reserve(&path), Err(Error::FileExists(_))));
        assert!(matches!(write_new(&path, 0o600, b"two"), Err(Error::FileExists(_))));
        // Another process is faster between reserving and finishing.
        let late = folder.path().join("b");
        let reserved = NewFile::reserve(&late).unwrap();
        std::fs::write(&late, "theirs").unwrap();
        assert!(matches!(reserved.finish(b"ours"), Err(Error::FileExists(_))));
        let reserved = NewFolder::reserve(&folder.path().join("c")).unwrap();
        std::fs::create_dir(folder.path().join("c")).unwrap();
        assert!(matches!(reserved.finish(), Err(Error::AuthorityExists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read(&late).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "a, b and c");
        drop(NewFile::reserve(&folder.path().join("d")).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn files_are_read_within_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [0xff; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert!(matches!(read(&path, 9), Err(Error::FileTooLarge { limit: 9, .. })));
        assert!(matches!(read_text(&path, 10), Err(Error::File { .. })));
        assert!(matches!(read(folder.path(), 10), Err(Error::File { .. })));
        assert!(matches!(read(Path::new("/dev/zero"), 10), Err(Error::FileTooLarge { .. })));
    }
}
