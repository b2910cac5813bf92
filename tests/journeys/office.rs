//! An office with an authority and a card, and the sites where machines are activated.

use countersign_testkit::{Card, CardOptions, Output, Run, Stack};
use std::path::{Path, PathBuf};

pub(crate) const AUTHORITY: &str = env!("CARGO_BIN_EXE_countersign-authority");
pub(crate) const VERIFIER: &str = env!("CARGO_BIN_EXE_countersign-verifier");
/// The PIN of a new virtual card.
pub(crate) const PIN: &str = "123456";
pub(crate) const PRODUCT: &str = "control-room";
const PASSPHRASE: &str = "correct horse battery staple\n";
const LEDGER_PASSPHRASE: &str = "another one for the ledger\n";

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A security officer's place of work.
pub(crate) struct Office {
    folder: tempfile::TempDir,
}

impl Office {
    /// Founds an authority.
    pub(crate) fn found(algorithm: &str) -> Self {
        let office = Self { folder: tempfile::tempdir().unwrap() };
        let founded = office.authority(&["init", "--organization", "Example Works", "--algorithm", algorithm]);
        founded.expect_code(0);
        office
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    /// A file in the authority's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// A file that the officer hands out.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Run {
        let home = self.home();
        let global = ["--home", home.to_str().unwrap(), "--passphrase-fd", "3", "--ledger-passphrase-fd", "5"];
        let run = Run::new(AUTHORITY).args(global).args(args).directory(self.folder.path());
        run.file(3, PASSPHRASE).file(5, LEDGER_PASSPHRASE)
    }

    pub(crate) fn authority(&self, args: &[&str]) -> Output {
        self.run(args).output()
    }

    /// A command that reads a card.
    pub(crate) fn authority_with_cards(&self, stack: &Stack, args: &[&str]) -> Output {
        self.run(args).stack(stack).output()
    }

    /// Enrols the card in the stack's first reader.
    pub(crate) fn enroll(&self, stack: &Stack, extra: &[&str]) -> Output {
        let args = ["card", "enroll", "--subject", "CN=Robin Example,O=Example Works", "--pin-fd", "4"];
        self.run(&args)
            .args(extra)
            .args(["--reader", stack.reader_name(0)])
            .stack(stack)
            .file(4, format!("{PIN}\n"))
            .output()
    }

    /// Issues a token for [`PRODUCT`] and returns its file.
    pub(crate) fn issue(&self, name: &str, extra: &[&str]) -> PathBuf {
        let out = self.out(name);
        let args = [
            "issue",
            "--customer",
            "acme",
            "--customer-name",
            "Acme Power",
            "--product",
            PRODUCT,
            "--activate-within",
            "30d",
            "--validity",
            "365d",
            "--entitlement",
            "points=5000",
            "--out",
            out.to_str().unwrap(),
        ];
        self.run(&args).args(extra).output().expect_code(0);
        out
    }
}

/// A machine with its store.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    machine: PathBuf,
}

impl Site {
    /// One of the recorded machines.
    pub(crate) fn new(machine: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), machine: repository("fixtures/machines").join(machine) }
    }

    /// A machine that has the office's anchors and a token installed.
    pub(crate) fn with_token(machine: &str, office: &Office, token: &Path) -> Self {
        let site = Self::new(machine);
        site.verifier(&["anchors", "set", office.file("anchors.pem").to_str().unwrap()]).output().expect_code(0);
        site.verifier(&["install", token.to_str().unwrap()]).output().expect_code(0);
        site
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn verifier(&self, args: &[&str]) -> Run {
        let store = self.store();
        Run::new(VERIFIER)
            .args(["--store", store.to_str().unwrap(), "--dangerous-machine-root", self.machine.to_str().unwrap()])
            .args(args)
    }

    /// Activates by flags alone.
    pub(crate) fn activate(&self, stack: &Stack, pin: &str, extra: &[&str]) -> Output {
        let args = ["activate", "--pin-fd", "4"];
        self.verifier(&args).args(extra).stack(stack).file(4, format!("{pin}\n")).output()
    }

    /// The one record in the store.
    pub(crate) fn record(&self) -> PathBuf {
        let records = self.store().join("records").join(PRODUCT);
        let mut files = std::fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path());
        let record = files.next().unwrap();
        assert_eq!(files.next(), None);
        record
    }

    /// Every file of the store with its content.
    pub(crate) fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            let Ok(entries) = std::fs::read_dir(folder) else { return };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    walk(&path, files)
                } else {
                    files.push((path.clone(), std::fs::read(&path).unwrap()))
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.store(), &mut files);
        files.sort();
        files
    }
}

/// A stack with a strict card that the office enrolled; the card stays in the first reader.
pub(crate) fn enrolled_card(office: &Office, options: CardOptions, extra: &[&str]) -> (Stack, Card, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let stack = Stack::start(1).unwrap();
    let fresh = stack.insert(0, CardOptions::new().strict().state(state.path()));
    office.enroll(&stack, extra).expect_code(0);
    fresh.remove();
    let card = stack.insert(0, options.strict().state(state.path()));
    (stack, card, state)
}

/// The JSON that a command printed.
pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}
