//! Files: read within a limit, written new, never over another one.

use crate::error::Error;
use std::{
    fs::{File, OpenOptions, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
};
use tempfile::{NamedTempFile, TempDir};
use zeroize::Zeroizing;

/// How the names of temporary files and folders begin.
pub(crate) const TEMPORARY: &str = ".countersign-";

/// Reads a whole file that must not be larger than a limit.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    read_open(&File::open(path).map_err(|fault| Error::file(path, fault))?, path, limit)
}

fn read_open(file: &File, path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    let at_most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(at_most).read_to_end(&mut octets).map_err(|fault| Error::file(path, fault))?;
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

/// Reads a file with a secret in it, which nobody but its owner may read.
pub(crate) fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let open = || File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = open().map_err(|fault| Error::file(path, fault))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let fault = "others than its owner may read it: chmod 600";
        return Err(Error::file(path, std::io::Error::new(ErrorKind::PermissionDenied, fault)));
    }
    read_open(&file, path, limit).map(Zeroizing::new)
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
        .prefix(TEMPORARY)
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
    temporary: Temporary,
}

/// What the content is written to.
enum Temporary {
    /// Nobody sees it, and it is gone with the process.
    Unnamed(File),
    /// Beside the one that is to be, where the file system has no files without a name.
    Named(NamedTempFile),
}

impl NewFile {
    /// Makes an empty temporary file in the folder of the one that is to be.
    pub(crate) fn reserve(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::FileExists(path.to_owned()));
        }
        let folder = parent(path);
        let temporary = match unnamed(&folder) {
            Some(file) => Temporary::Unnamed(file),
            None => Temporary::Named(
                tempfile::Builder::new()
                    .prefix(TEMPORARY)
                    .permissions(Permissions::from_mode(0o644))
                    .tempfile_in(&folder)
                    .map_err(|fault| Error::file(&folder, fault))?,
            ),
        };
        Ok(Self { path: path.to_owned(), folder, temporary })
    }

    /// Writes the content, down to the disk, and gives the file its name.
    pub(crate) fn finish(mut self, octets: &[u8]) -> Result<(), Error> {
        self.file().write_all(octets).map_err(|fault| Error::file(&self.path, fault))?;
        self.complete()
    }

    /// Writes the content down to the disk while `commit` makes something else durable that it can be made from again,
    /// and gives the file its name after that. Where that fails, there is no file. A power cut within the next seconds may
    /// take the name, and with it the file.
    pub(crate) fn finish_after<T>(
        mut self,
        octets: &[u8],
        commit: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Temporary::Unnamed(file) = &mut self.temporary else {
            let outcome = commit()?;
            self.finish(octets)?;
            return Ok(outcome);
        };
        file.write_all(octets).map_err(|fault| Error::file(&self.path, fault))?;
        let (outcome, synced) = thread::scope(|scope| {
            let synced = scope.spawn(|| file.sync_all());
            (commit(), synced.join())
        });
        let outcome = outcome?;
        synced.unwrap_or_else(|_| Err(ErrorKind::Other.into())).map_err(|fault| Error::file(&self.path, fault))?;
        self.give_name()?;
        Ok(outcome)
    }

    /// For content that is too large to be held at once.
    pub(crate) fn file(&mut self) -> &mut File {
        match &mut self.temporary {
            Temporary::Unnamed(file) => file,
            Temporary::Named(temporary) => temporary.as_file_mut(),
        }
    }

    /// Gives the file its name, once all of the content has been written to it.
    pub(crate) fn complete(mut self) -> Result<(), Error> {
        self.file().sync_all().map_err(|fault| Error::file(&self.path, fault))?;
        let folder = self.folder.clone();
        self.give_name()?;
        sync_folder(&folder)
    }

    fn give_name(self) -> Result<(), Error> {
        let named = match self.temporary {
            Temporary::Unnamed(file) => link(&file, &self.path),
            Temporary::Named(temporary) => {
                temporary.persist_noclobber(&self.path).map(drop).map_err(|failure| failure.error)
            }
        };
        named.map_err(|fault| match fault.kind() {
            ErrorKind::AlreadyExists => Error::FileExists(self.path.clone()),
            _ => Error::file(&self.path, fault),
        })
    }
}

/// An empty file without a name in a folder, where there can be one that gets a name later.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o644)).ok()?);
    by_number(&file).exists().then_some(file)
}

/// Gives a file without a name one that nothing has yet.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, by_number(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// Where the kernel shows an open file (open(2), O_TMPFILE).
#[cfg(target_os = "linux")]
fn by_number(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
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
            .prefix(TEMPORARY)
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

    /// As on a file system that has no files without a name.
    fn named(path: &Path) -> NewFile {
        let folder = parent(path);
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&folder).unwrap();
        NewFile { path: path.to_owned(), folder, temporary: Temporary::Named(temporary) }
    }

    #[test]
    fn a_file_has_its_name_only_after_what_it_is_made_from_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for reserve in [&named as &dyn Fn(&Path) -> NewFile, &|path| NewFile::reserve(path).unwrap()] {
            let failed = reserve(&path).finish_after(b"one", || Err::<(), _>(Error::Clock));
            assert!(matches!(failed, Err(Error::Clock)));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            let outcome = reserve(&path).finish_after(b"one", || {
                assert!(!path.exists());
                Ok(7)
            });
            assert_eq!((outcome.unwrap(), std::fs::read(&path).unwrap()), (7, b"one".to_vec()));
            std::fs::remove_file(&path).unwrap();
            // Another process takes the name meanwhile.
            let late = reserve(&path).finish_after(b"ours", || {
                std::fs::write(&path, "theirs").unwrap();
                Ok(())
            });
            assert!(matches!(late, Err(Error::FileExists(_))));
            assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
            std::fs::remove_file(&path).unwrap();
        }
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
