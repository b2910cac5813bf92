//! A virtual PIV card in a virtual reader.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    card_log::{self, LoggedCommand},
    reader_states::{ReaderState, reader_states},
    run::Run,
    tools::virtual_card,
    wait::poll_until,
};

/// The daemon looks at its readers about twice a second.
const SEEN: Duration = Duration::from_secs(20);

/// How a card behaves. All defaults: fresh keys, no faults, lenient.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CardOptions {
    state: Option<PathBuf>,
    flags: Vec<String>,
}

impl CardOptions {
    /// A new card that yubico-piv-tool can use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answer exactly as the applet does. yubico-piv-tool 2.2.0 cannot use such a card; prepare it leniently with the
    /// same [`state`](Self::state), then insert it strictly.
    pub fn strict(self) -> Self {
        self.flag("--strict".into())
    }

    /// Keep keys, certificates and PIN in this folder, made if it is missing. A copy of the folder, taken while the
    /// card is out, is a second card with the same keys.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// Leave the reader at the `nth` command (from 1) with this instruction, before answering it.
    pub fn leave_on(self, instruction: u8, nth: u32) -> Self {
        self.flag(format!("--leave-on={instruction:02X}:{nth}"))
    }

    /// Never answer that command.
    pub fn stall_on(self, instruction: u8, nth: u32) -> Self {
        self.flag(format!("--stall-on={instruction:02X}:{nth}"))
    }

    /// Forget PIN and selection before executing that command.
    pub fn reset_on(self, instruction: u8, nth: u32) -> Self {
        self.flag(format!("--reset-on={instruction:02X}:{nth}"))
    }

    /// Answer that command with this status word, without executing it.
    pub fn answer_on(self, instruction: u8, nth: u32, status: u16) -> Self {
        self.flag(format!("--answer-on={instruction:02X}:{nth}={status:04X}"))
    }

    fn flag(mut self, flag: String) -> Self {
        let (name, value) = flag.split_once('=').unwrap_or((&flag, ""));
        self.flags.push(name.into());
        if !value.is_empty() {
            self.flags.push(value.into());
        }
        self
    }
}

/// A kind of key that the card makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits; takes up to a second.
    Rsa2048,
}

impl Algorithm {
    /// The name that yubico-piv-tool gives it.
    #[must_use]
    pub fn yubico_name(self) -> &'static str {
        match self {
            Self::P256 => "ECCP256",
            Self::P384 => "ECCP384",
            Self::Rsa2048 => "RSA2048",
        }
    }
}

/// A card in a reader. It leaves when dropped.
#[derive(Debug)]
pub struct Card {
    process: Child,
    socket: PathBuf,
    reader: String,
    folder: TempDir,
    /// The reader's event counter when the card had come up.
    inserted: u32,
}

impl Card {
    /// `last` is the reader's event counter when the card before this one had come up, 0 if there was none.
    pub(crate) fn insert(socket: &Path, reader: &str, port: u16, last: u32, options: CardOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-card-").tempdir().expect("a temporary folder");
        let empty = wait_for(socket, reader, |state| is_empty(state, last));
        assert!(empty.is_some(), "there is a card in {reader}");

        let errors = fs::File::create(folder.path().join(ERRORS)).expect("a file for messages");
        let mut command = Command::new(virtual_card());
        command
            .args(["--port", &port.to_string(), "--log"])
            .arg(folder.path().join(LOG))
            .args(&options.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        if let Some(state) = &options.state {
            command.arg("--state").arg(state);
        }
        let process = command.spawn().expect("the virtual card starts");
        let mut card = Self { process, socket: socket.into(), reader: reader.into(), folder, inserted: 0 };
        let ready = |state: &ReaderState| state.present && !state.atr.is_empty();
        let Some(state) = wait_for(socket, reader, ready) else {
            let ended = card.process.try_wait().ok().flatten();
            panic!("no card came up in {reader} (ended: {ended:?}): {}", card.messages());
        };
        card.inserted = state.events;
        card
    }

    pub(crate) fn inserted(&self) -> u32 {
        self.inserted
    }

    /// Name of the reader that it is in.
    #[must_use]
    pub fn reader_name(&self) -> &str {
        &self.reader
    }

    /// The commands that reached it so far.
    #[must_use]
    pub fn log(&self) -> Vec<LoggedCommand> {
        card_log::commands(&self.log_text())
    }

    /// How often it was reset or lost power so far.
    #[must_use]
    pub fn resets(&self) -> usize {
        card_log::resets(&self.log_text())
    }

    /// The log as the card wrote it, one command a line, with remarks on power and resets.
    #[must_use]
    pub fn log_text(&self) -> String {
        // The file appears a moment after the process.
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    /// What it wrote to its standard error: a panic of the applet, for example.
    #[must_use]
    pub fn messages(&self) -> String {
        fs::read_to_string(self.folder.path().join(ERRORS)).unwrap_or_default()
    }

    /// Takes it out and returns when the daemon has seen that.
    ///
    /// # Panics
    /// If the daemon does not see it.
    pub fn remove(mut self) {
        self.end();
        let gone = wait_for(&self.socket, &self.reader, |state| is_empty(state, self.inserted));
        assert!(gone.is_some(), "the card is still in {}", self.reader);
    }

    /// Waits until it has left by itself, as after [`CardOptions::leave_on`], and the daemon has seen that.
    ///
    /// # Panics
    /// If it stays.
    pub fn wait_until_left(&mut self) -> ExitStatus {
        let status = poll_until(SEEN, || self.process.try_wait().ok().flatten());
        let status = status.unwrap_or_else(|| panic!("the card stays in {}", self.reader));
        let gone = wait_for(&self.socket, &self.reader, |state| is_empty(state, self.inserted));
        assert!(gone.is_some(), "the card is still in {}", self.reader);
        status
    }

    /// Whether its process has ended, as it does when it left or when its daemon went.
    #[must_use]
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Has it make a key in a slot such as `9c`, by yubico-piv-tool with the factory's management key. Returns the
    /// public key in PEM (SubjectPublicKeyInfo).
    ///
    /// # Panics
    /// If that fails; it does on a strict card.
    #[must_use]
    pub fn generate_key(&self, slot: &str, algorithm: Algorithm) -> String {
        let output = self.yubico(&["-a", "generate", "-s", slot, "-A", algorithm.yubico_name()]);
        output.output().expect_code(0).stdout_text()
    }

    /// Stores a certificate in PEM in a slot, by yubico-piv-tool.
    ///
    /// # Panics
    /// If that fails; it does on a strict card.
    pub fn import_certificate(&self, slot: &str, certificate: &str) {
        self.yubico(&["-a", "import-certificate", "-s", slot]).stdin(certificate).output().expect_code(0);
    }

    /// A run of yubico-piv-tool on this card.
    pub fn yubico(&self, args: &[&str]) -> Run {
        Run::new("yubico-piv-tool").args(["-r", &self.reader]).args(args).env("PCSCLITE_CSOCK_NAME", &self.socket)
    }

    fn end(&mut self) {
        // It may have left already; both calls are about a child that is still ours to reap.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.end();
    }
}

const LOG: &str = "commands.log";
const ERRORS: &str = "messages.log";

/// Whether the daemon has noticed that the card left which had come up with event number `inserted`.
///
/// The state alone does not tell. When a client's disconnection finds the card gone, pcscd 1.9.9 says "no card", but
/// its thread that watches the reader does not know yet. A card put in at that moment is not noticed, ever.
fn is_empty(state: &ReaderState, inserted: u32) -> bool {
    !state.present && (inserted == 0 || state.events > inserted)
}

fn wait_for(socket: &Path, reader: &str, condition: impl Fn(&ReaderState) -> bool) -> Option<ReaderState> {
    poll_until(SEEN, || {
        let states = reader_states(socket).ok()?;
        states.into_iter().find(|state| state.name == reader && condition(state))
    })
}
