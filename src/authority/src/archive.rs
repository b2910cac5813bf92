//! A backup: a tar archive (POSIX ustar) whose first file says what the others are (docs/ceremony.md, Backup).
//!
//! What is read may come from anybody: names, sizes and kinds are held to the manifest, and the manifest to what an
//! authority's folder can hold, before anything is written.

use crate::{error::Error, files, words::to_hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tar::{Archive, Builder, EntryType, Header};

/// The version of the manifest.
const FORMAT: u32 = 1;
/// The name of the first file.
const MANIFEST: &str = "MANIFEST.json";
/// The name of the ledger's file.
pub(crate) const LEDGER: &str = "ledger.sqlite";
/// The largest manifest, in octets.
const MAX_MANIFEST: u64 = 1024 * 1024;
/// The most files.
const MAX_FILES: usize = 4096;
/// The largest file but the ledger, in octets.
pub(crate) const MAX_FILE: u64 = 1024 * 1024;
/// The longest name, in octets: what fits into a header.
const MAX_NAME: usize = 100;

/// What a backup holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    /// The release that wrote it.
    pub(crate) program: String,
    pub(crate) organization: String,
    pub(crate) created: String,
    pub(crate) ledger: LedgerState,
    pub(crate) files: Vec<FileEntry>,
}

/// The tree over the ledger in a backup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerState {
    pub(crate) log: String,
    pub(crate) size: u64,
    pub(crate) root: String,
}

/// A file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEntry {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn new(organization: &str, created: String, ledger: LedgerState, files: Vec<FileEntry>) -> Self {
        let program = format!("countersign-authority {}", env!("CARGO_PKG_VERSION"));
        Self { format: FORMAT, program, organization: organization.to_owned(), created, ledger, files }
    }

    /// What a folder of an authority cannot hold, or not twice.
    fn fault(&self, archive_size: u64) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("its manifest has the version {}, and this release knows {FORMAT}", self.format));
        }
        if self.files.len() > MAX_FILES {
            return Some(format!("it has more than {MAX_FILES} files"));
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            let name = &file.path;
            let limit = if name == LEDGER { archive_size } else { MAX_FILE };
            if !is_name(name) {
                return Some(format!("{name:?} is no file of an authority"));
            }
            if file.size > limit.min(archive_size) {
                return Some(format!("{name} is larger than {limit} octets"));
            }
            if !names.insert(name) {
                return Some(format!("{name} stands there twice"));
            }
        }
        (!names.contains(&LEDGER.to_owned())).then(|| "it has no ledger".to_owned())
    }
}

/// Whether a file of an authority can be called so: in the folder itself or in `keys`, and never out of it.
pub(crate) fn is_name(name: &str) -> bool {
    let last = name.strip_prefix("keys/").unwrap_or(name);
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-');
    let ending = last.ends_with(".pem") || last.ends_with(".toml") || name == LEDGER;
    name.len() <= MAX_NAME && !last.starts_with('.') && last.bytes().all(plain) && ending
}

/// Size and SHA-256 of a file.
pub(crate) fn measure(path: &Path, name: &str) -> Result<FileEntry, Error> {
    let read = || {
        let mut digest = Sha256::new();
        let size = io::copy(&mut File::open(path)?, &mut Digesting { digest: &mut digest, inner: io::sink() })?;
        Ok(FileEntry { path: name.to_owned(), size, sha256: to_hex(&digest.finalize()) })
    };
    read().map_err(|fault| Error::file(path, fault))
}

/// Writes the archive: the manifest, then each of its files from where it is.
pub(crate) fn write(to: &mut File, manifest: &Manifest, sources: &[PathBuf], seconds: u64) -> io::Result<()> {
    let mut builder = Builder::new(io::BufWriter::new(to));
    let mut append = |name: &str, size: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        header.set_size(size);
        header.set_cksum();
        builder.append(&header, content)
    };
    let text = serde_json::to_vec_pretty(manifest)?;
    append(MANIFEST, u64::try_from(text.len()).unwrap_or(u64::MAX), &mut text.as_slice())?;
    for (file, source) in manifest.files.iter().zip(sources) {
        append(&file.path, file.size, &mut File::open(source)?.take(file.size))?;
    }
    builder.into_inner()?.flush()
}

/// Reads an archive into an empty folder. Everything is as its manifest says, or it is refused.
pub(crate) fn read(path: &Path, folder: &Path) -> Result<Manifest, Error> {
    let refused = |fault: String| Error::BackupFile { path: path.to_owned(), fault };
    let file = File::open(path).map_err(|fault| Error::file(path, fault))?;
    let archive_size = file.metadata().map_err(|fault| Error::file(path, fault))?.len();
    let mut archive = Archive::new(io::BufReader::new(file));
    let broken = |fault: io::Error| refused(format!("it cannot be read as an archive: {fault}"));
    // Long names, links and other extensions stay what they are, and are refused.
    let mut entries = archive.entries().map_err(broken)?.raw(true);
    let mut next = |name: &str, limit: u64| {
        let entry = entries.next().ok_or_else(|| refused(format!("{name} is missing")))?.map_err(broken)?;
        let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if found != name || kind != EntryType::Regular {
            return Err(refused(format!("{found:?} stands where {name} is due, as a file")));
        }
        if entry.size() > limit {
            return Err(refused(format!("{name} is larger than {limit} octets")));
        }
        Ok(entry)
    };
    let mut text = Vec::new();
    next(MANIFEST, MAX_MANIFEST)?.take(MAX_MANIFEST).read_to_end(&mut text).map_err(broken)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|fault| refused(format!("its manifest cannot be read: {fault}")))?;
    if let Some(fault) = manifest.fault(archive_size) {
        return Err(refused(fault));
    }
    make_private(&folder.join("keys"))?;
    for file in &manifest.files {
        let mut entry = next(&file.path, file.size)?;
        let found = copy(&mut entry, &folder.join(&file.path), file)?;
        if found != *file {
            return Err(refused(format!("{} is not the file that the manifest names", file.path)));
        }
    }
    if entries.next().is_some() {
        return Err(refused("it holds more than its manifest names".to_owned()));
    }
    files::sync_folder(&folder.join("keys"))?;
    files::sync_folder(folder)?;
    Ok(manifest)
}

fn make_private(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(|fault| Error::file(folder, fault))
}

/// Writes one file, new, and tells what it came to.
fn copy(content: &mut dyn Read, to: &Path, file: &FileEntry) -> Result<FileEntry, Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let secret = file.path == LEDGER || file.path.starts_with("keys/");
    let mut write = || {
        let mode = if secret { 0o600 } else { 0o644 };
        let mut written = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(to)?;
        let mut digest = Sha256::new();
        let size = io::copy(&mut content.take(file.size), &mut Digesting { digest: &mut digest, inner: &mut written })?;
        written.sync_all()?;
        Ok(FileEntry { path: file.path.clone(), size, sha256: to_hex(&digest.finalize()) })
    };
    write().map_err(|fault| Error::file(to, fault))
}

/// Digests what is written through it.
struct Digesting<'a, W> {
    digest: &'a mut Sha256,
    inner: W,
}

impl<W: Write> Write for Digesting<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(octets)?;
        self.digest.update(octets.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(path: &str, content: &[u8]) -> FileEntry {
        FileEntry {
            path: path.to_owned(),
            size: u64::try_from(content.len()).unwrap(),
            sha256: to_hex(&Sha256::digest(content)),
        }
    }

    fn manifest(files: Vec<FileEntry>) -> Manifest {
        let ledger = LedgerState { log: String::new(), size: 1, root: String::new() };
        Manifest::new("Example Works", String::new(), ledger, files)
    }

    /// An archive of such entries: name, kind, content.
    fn archive(entries: &[(&str, EntryType, Vec<u8>)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_ustar();
            // By hand: the library refuses to write such names.
            let field = &mut header.as_mut_bytes()[..100];
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(u64::try_from(content.len()).unwrap());
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[track_caller]
    fn refused(octets: &[u8], words: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (path, into) = (folder.path().join("a.backup"), folder.path().join("into"));
        std::fs::write(&path, octets).unwrap();
        std::fs::create_dir(&into).unwrap();
        let error = read(&path, &into).expect_err(words);
        assert_eq!(error.code(), "CS-7097", "{words}: {error}");
        assert!(error.to_string().contains(words) && !error.advice().is_empty(), "{words}: {error}");
        let outside: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(outside.len(), 2, "{words}: nothing is written beside the folder");
    }

    #[test]
    fn an_archive_is_what_its_manifest_says_or_refused() {
        let (ledger, pem) = (b"ledger".to_vec(), b"pem".to_vec());
        let good = manifest(vec![entry("anchors.pem", &pem), entry(LEDGER, &ledger)]);
        let head = |manifest: &Manifest| (MANIFEST, EntryType::Regular, serde_json::to_vec(manifest).unwrap());
        let regular = |name, content: &[u8]| (name, EntryType::Regular, content.to_vec());
        let all = [head(&good), regular("anchors.pem", &pem), regular(LEDGER, &ledger)];
        let folder = tempfile::tempdir().unwrap();
        let (path, into) = (folder.path().join("a.backup"), folder.path().join("into"));
        std::fs::write(&path, archive(&all)).unwrap();
        std::fs::create_dir(&into).unwrap();
        assert_eq!(read(&path, &into).unwrap(), good);
        assert_eq!(std::fs::read(into.join(LEDGER)).unwrap(), ledger);

        refused(b"", "MANIFEST.json is missing");
        refused(&[b'x'; 2048], "cannot be read as an archive");
        refused(&archive(&all)[..700], "cannot be read");
        refused(&archive(&all[1..]), "stands where MANIFEST.json is due");
        refused(&archive(&[regular(MANIFEST, b"{}")]), "manifest cannot be read");
        refused(&archive(&[regular(MANIFEST, &vec![b' '; 1024 * 1024 + 1])]), "larger than 1048576 octets");
        refused(&archive(&all[..2]), "ledger.sqlite is missing");
        let more = [&all[..], &[regular("token-root.pem", &pem)]].concat();
        refused(&archive(&more), "more than its manifest names");
        let other = [all[0].clone(), regular("anchors.pem", b"pen"), all[2].clone()];
        refused(&archive(&other), "anchors.pem is not the file");
        let short = [all[0].clone(), regular("anchors.pem", b"pe"), all[2].clone()];
        refused(&archive(&short), "anchors.pem is not the file");
        let long = [all[0].clone(), regular("anchors.pem", b"pem and more"), all[2].clone()];
        refused(&archive(&long), "anchors.pem is larger");
        for kind in
            [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::GNULongName, EntryType::XHeader]
        {
            refused(&archive(&[all[0].clone(), ("anchors.pem", kind, pem.clone())]), "stands where anchors.pem is due");
        }

        for name in [
            "../anchors.pem",
            "/anchors.pem",
            "keys/../anchors.pem",
            "keys/a/b.pem",
            "other/a.pem",
            ".a.pem",
            "keys/.a.pem",
            "a.sh",
            "keys/ledger.sqlite",
            "",
            "keys/",
            "a b.pem",
            "a\u{0}.pem",
        ] {
            assert!(!is_name(name), "{name}");
            let manifest = manifest(vec![entry(name, &pem), entry(LEDGER, &ledger)]);
            refused(&archive(&[head(&manifest)]), "is no file of an authority");
        }
        for name in ["anchors.pem", "keys/token-root.key.pem", "keys/list-signer-2.key.toml", "limits.toml", LEDGER] {
            assert!(is_name(name), "{name}");
        }
        for (files, words) in [
            (vec![entry("a.pem", &pem)], "no ledger"),
            (vec![entry(LEDGER, &ledger), entry("a.pem", &pem), entry("a.pem", &pem)], "stands there twice"),
            (vec![entry(LEDGER, &ledger), FileEntry { size: u64::MAX, ..entry("a.pem", &pem) }], "is larger than"),
            (vec![FileEntry { size: 1 << 40, ..entry(LEDGER, &ledger) }], "is larger than"),
            (vec![entry("a.pem", &pem); MAX_FILES + 1], "more than 4096 files"),
        ] {
            refused(&archive(&[head(&manifest(files))]), words);
        }
        let newer = Manifest { format: 2, ..good };
        refused(&archive(&[head(&newer)]), "has the version 2");
    }
}
