//! An authority in a folder of its own, and the command that works with it.

use countersign_testkit::{Output, Run};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// The command, built beside this test as an example.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test's file");
    let built = test.parent().and_then(Path::parent).expect("the folder of builds").join("examples/authority");
    assert!(built.is_file(), "no {}: run the tests with cargo test, which builds examples", built.display());
    built
}

/// A folder to work in; the authority in it is called `authority`.
pub(crate) struct Desk {
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With an authority, all its keys of one kind.
    pub(crate) fn founded(algorithm: &str) -> Self {
        let desk = Self::new();
        desk.with_passphrase(&["init", "--organization", "Example Works", "--algorithm", algorithm]).expect_code(0);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// The command in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Run {
        Run::new(program()).args(args).directory(self.folder.path())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output()
    }

    /// With the right passphrase in descriptor 3.
    pub(crate) fn with_passphrase(&self, args: &[&str]) -> Output {
        self.command(args).args(["--passphrase-fd", "3"]).pipe(3, format!("{PASSPHRASE}\n")).output()
    }

    pub(crate) fn openssl(&self, args: &[&str]) -> Output {
        Run::new("openssl").args(args).directory(self.folder.path()).output()
    }

    /// Everything in the folder with its content, but for the ledger's working files.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.to_string_lossy().ends_with("-shm") {
                    files.insert(path.clone(), fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    /// How many entries the ledger has.
    pub(crate) fn entries(&self) -> usize {
        self.run(&["ledger", "list"]).expect_code(0).stdout_text().lines().count()
    }
}

/// The arguments of a token without anything special.
pub(crate) fn plain_token<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let plain = ["issue", "--customer", "acme", "--customer-name", "Acme Power", "--product", "control-room"];
    [&plain[..], &["--activate-within", "30d"], more].concat()
}

#[track_caller]
pub(crate) fn expect_said(output: &Output, words: &[&str]) {
    let said = output.stderr_text() + &output.stdout_text();
    for word in words {
        assert!(said.contains(word), "expected {word:?}\n{output}");
    }
    assert!(!said.contains(PASSPHRASE), "the passphrase is shown\n{output}");
}

impl Desk {
    /// As [`Desk::snapshot`], for a folder with a link that leads nowhere.
    pub(crate) fn snapshot_without_link(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let link = self.path("link.pem");
        fs::remove_file(&link).expect("the link, not replaced by a file");
        let snapshot = self.snapshot();
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        snapshot
    }
}
