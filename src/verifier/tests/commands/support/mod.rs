//! A machine with a store, for running commands on.

pub(crate) mod card;
pub(crate) mod pki;

use card::{Answers, Slotted};
use countersign::{Anchors, Machine as _, MachineFacts, RecordedMachine, Store};
use countersign_common::encode_object;
use countersign_verifier::{Exit, World};
use pki::{Cast, Identity};
use serde_json::Value;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// A folder with a recorded machine, a store and whatever files a test makes.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) cast: Cast,
    pub(crate) card: Slotted,
    pub(crate) person: Answers,
    pub(crate) compiled: Option<&'static str>,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) exit: Exit,
    pub(crate) output: String,
    pub(crate) notes: String,
}

impl Site {
    /// Anchors are set and nothing is installed.
    pub(crate) fn new() -> Self {
        Self::with(Cast::new(), Cast::new().holder)
    }

    pub(crate) fn with(cast: Cast, holder: Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder, cast, card: Slotted::holding(holder), person: Answers::nobody(), compiled: None };
        site.machine_file("etc/machine-id", "5b3f0c1f8d6a4f0e9f0b6c2d1e3a4b5c\n");
        site.machine_file("sys/block/nvme0n1/device/serial", "S3Z8NB0K123456\n");
        site.file("anchors.pem", site.cast.token_root.pem().as_bytes());
        let mut locked = site.store().lock().unwrap();
        let mut change = locked.change().unwrap();
        change.keep_anchors(site.cast.token_root.pem().as_bytes()).unwrap();
        change.commit().unwrap();
        site
    }

    /// A control-room token is installed.
    pub(crate) fn ready() -> Self {
        let site = Self::new();
        site.install(&site.cast.token(|_| {}));
        site
    }

    pub(crate) fn install(&self, token: &[u8]) {
        let file = self.file("to-install.pem", encode_object(token).as_bytes());
        let said = Self::run_apart(self, &["install", file.to_str().unwrap()]);
        assert_eq!(said.exit, Exit::Done, "{}", said.output);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn machine_file(&self, name: &str, content: &str) {
        self.file(&format!("machine/{name}"), content.as_bytes());
    }

    pub(crate) fn machine(&self) -> MachineFacts {
        RecordedMachine(self.path("machine")).facts()
    }

    pub(crate) fn store(&self) -> Store {
        Store::at(self.path("store"))
    }

    /// Every file of the store with its content: what must not change when something fails.
    pub(crate) fn stored(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, found)
                } else {
                    found.push((path.clone(), std::fs::read(path).unwrap()))
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("store"), &mut found);
        found.sort();
        found
    }

    /// Runs a command line on this site's store and machine.
    pub(crate) fn run(&mut self, words: &[&str]) -> Said {
        let mut person = std::mem::replace(&mut self.person, Answers::nobody());
        let said = self.run_with(words, &mut person);
        self.person = person;
        said
    }

    fn run_apart(&self, words: &[&str]) -> Said {
        self.run_with(words, &mut Answers::nobody())
    }

    fn run_with(&self, words: &[&str], person: &mut Answers) -> Said {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let mut arguments: Vec<OsString> = vec!["countersign-verifier".into()];
        arguments.extend(words.iter().map(OsString::from));
        arguments.extend(["--store".into(), self.path("store").into()]);
        arguments.extend(["--dangerous-machine-root".into(), self.path("machine").into()]);
        let anchors = match self.compiled {
            Some(pem) => Anchors::compiled(pem.as_bytes()),
            None => Anchors::administrator_store(),
        };
        let world = World { output: &mut output, notes: &mut notes, person, cards: &self.card, anchors };
        let exit = countersign_verifier::run(arguments, world);
        let text = |octets| String::from_utf8(octets).unwrap();
        let said = Said { exit, output: text(output), notes: text(notes) };
        let all = format!("{}{}", said.output, said.notes);
        assert!(!all.replace('\n', "").contains(char::is_control), "{all:?}");
        said
    }

    /// Runs a command line with `--json`, holds the answer to the schema and returns it.
    pub(crate) fn json(&mut self, words: &[&str]) -> (Exit, Value) {
        let said = self.run(&[words, &["--json"]].concat());
        let value = serde_json::from_str(&said.output).unwrap_or_else(|error| panic!("{error}: {}", said.output));
        crate::schema::check(words[0], &value);
        (said.exit, value)
    }

    /// The code of a failure, as JSON has it.
    pub(crate) fn code(&mut self, words: &[&str]) -> (Exit, String) {
        let (exit, value) = self.json(words);
        let code = value["error"]["code"].as_str().unwrap_or_else(|| panic!("{words:?} did not fail: {value}"));
        (exit, code.to_owned())
    }

    /// A file that holds the PIN, opened as a descriptor for `--pin-fd`.
    pub(crate) fn pin_fd(&self, pin: &str) -> (std::fs::File, String) {
        let file = std::fs::File::open(self.file("pin", format!("{pin}\n").as_bytes())).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file).to_string();
        (file, number)
    }
}
