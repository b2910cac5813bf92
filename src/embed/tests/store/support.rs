//! Stores in temporary folders, and this program as a process of its own.

use countersign::{Change, Store};
use countersign_common::Octets;
use std::{env, ffi::OsString, path::PathBuf, process::Command};

/// Names the store to a child process.
const CHILD: &str = "COUNTERSIGN_TEST_STORE";

pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("store"));
    (folder, store)
}

pub(crate) const ID: Octets<16> = Octets([1; 16]);

pub(crate) fn id(number: usize) -> Octets<16> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Octets(id)
}

/// Puts a change in force.
pub(crate) fn change(store: &Store, edit: impl FnOnce(&mut Change<'_>)) {
    let mut locked = store.lock().unwrap();
    let mut change = locked.change().unwrap();
    edit(&mut change);
    change.commit().unwrap();
}

/// The store, where this is the child process of a test.
pub(crate) fn child() -> Option<Store> {
    env::var_os(CHILD).map(Store::at)
}

/// This program again, for the part of a test that is the child's.
pub(crate) fn command(test: &str, store: &Store) -> Command {
    wrapped(&[], env::current_exe().unwrap(), test, store)
}

/// As [`command`], behind the words of another command; `program` is this one or a copy.
pub(crate) fn wrapped(words: &[&str], program: PathBuf, test: &str, store: &Store) -> Command {
    let mut all: Vec<OsString> = words.iter().map(OsString::from).collect();
    all.push(program.into());
    all.extend(["--exact", test, "--nocapture", "--test-threads=1"].map(OsString::from));
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]).env(CHILD, store.root());
    command
}

/// Runs a child to its end, which must be a good one.
pub(crate) fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Files and folders of the store, by their paths in it.
pub(crate) fn names(store: &Store) -> Vec<String> {
    fn walk(folder: PathBuf, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(entry.path(), &format!("{name}/"), found);
            }
            found.push(name);
        }
    }
    let mut found = Vec::new();
    walk(store.root().to_owned(), "", &mut found);
    found.sort();
    found
}
