//! Files that a person names: read with a bound, and each way in which that fails told apart.

use crate::error::{Error, FileFault};
use countersign_common::MAX_FILE_SIZE;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    path::Path,
};

/// Reads a file of at most [`MAX_FILE_SIZE`] octets: a regular one, or a pipe as a shell makes them.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_up_to(path, MAX_FILE_SIZE)
}

/// As [`read`], with another limit in octets.
pub(crate) fn read_up_to(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let fail = |fault| Error::File(path.to_owned(), fault);
    let unreadable = |error: io::Error| fail(fault(error));
    // Without NONBLOCK a pipe that nobody writes to, laid on a stick, would hang whoever opens it. Once it is open,
    // reading waits for a writer there is, as in a shell's `<(command)`, and finds the end where there is none.
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::fs::fcntl_setfl(&file, OFlags::empty()).map(|()| File::from(file)))
        .map_err(|error| unreadable(error.into()))?;
    let status = file.metadata().map_err(unreadable)?;
    if status.is_dir() {
        return Err(fail(FileFault::Folder));
    }
    if status.is_file() && status.len() > limit as u64 {
        return Err(fail(FileFault::TooLarge(limit)));
    }
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() > limit { Err(fail(FileFault::TooLarge(limit))) } else { Ok(content) }
}

/// Opens a file for adding to its end, and creates it where there is none.
pub(crate) fn append(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|error| Error::File(path.to_owned(), FileFault::Unwritable(error)))
}

/// Writes a file in one piece: what stood under the name stays until all of it is there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let written = std::fs::write(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|error| {
        // The error that matters is the first one.
        let _ = std::fs::remove_file(&temporary);
        Error::File(path.to_owned(), FileFault::Unwritable(error))
    })
}

fn fault(error: io::Error) -> FileFault {
    match error.kind() {
        io::ErrorKind::NotFound => FileFault::Missing,
        io::ErrorKind::IsADirectory => FileFault::Folder,
        io::ErrorKind::PermissionDenied => FileFault::NoRights,
        _ => FileFault::Unreadable(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_nobody_writes_to_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(&pipe).unwrap(), b"");
        // A shell's `<(command)`: the other side writes in its own time.
        let (reader, mut writer) = io::pipe().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&reader);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            io::Write::write_all(&mut writer, b"late").unwrap();
        });
        assert_eq!(read(Path::new(&format!("/dev/fd/{number}"))).unwrap(), b"late");
        thread.join().unwrap();
    }

    #[test]
    fn each_fault_has_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("large"), vec![b'x'; MAX_FILE_SIZE + 1]).unwrap();
        std::fs::write(at("fits"), vec![b'x'; MAX_FILE_SIZE]).unwrap();
        let code = |name: &str| read(&at(name)).unwrap_err().code();
        assert_eq!(code("missing"), "CS-8002");
        assert_eq!(code(""), "CS-8003");
        assert_eq!(code("large"), "CS-8004");
        assert_eq!(code("fits/under"), "CS-8006");
        assert_eq!(read(&at("fits")).unwrap().len(), MAX_FILE_SIZE);
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().code(), "CS-8004");
        assert_eq!(append(&at("no/folder")).unwrap_err().code(), "CS-8007");
        assert_eq!(replace(&at("no/folder"), b"").unwrap_err().code(), "CS-8007");
        replace(&at("new"), b"x").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
