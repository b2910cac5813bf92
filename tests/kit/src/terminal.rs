//! A command on a terminal, driven by what it shows.
//!
//! `setsid --ctty` makes the terminal the command's controlling one. Without that a command that opens `/dev/tty` to
//! ask for a PIN would ask on the terminal of whoever runs the tests.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use crate::{
    run::{Output, Run, collect},
    tools::tool,
    wait::poll_until,
};

/// A test runner in the background ignores these, and what it starts would inherit that.
const SIGNALS: &str = "--default-signal=INT,QUIT";
/// How long a prompt may take to appear.
const PROMPT: Duration = Duration::from_secs(30);
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A command that runs on a terminal of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Terminal {
    command: String,
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
    stdout: Option<Receiver<Vec<u8>>>,
    limit: Duration,
    /// Up to where the shown text has been looked at.
    seen: usize,
}

#[derive(Debug, Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shown {
    bytes: Vec<u8>,
    ended: bool,
}

impl Terminal {
    pub(crate) fn start(run: Run, stdout_apart: bool) -> Self {
        assert!(!run.has_input(), "the terminal is the input: use send_line(), and file() for a descriptor");
        let controller =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&controller).expect("a terminal's permissions");
        unlockpt(&controller).expect("a terminal to open");
        let name = ptsname(&controller, Vec::new()).expect("a terminal's name");
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open(std::ffi::OsStr::from_bytes(name.to_bytes()))
            .expect("the terminal's other side");
        let copy = || Stdio::from(device.try_clone().expect("a copy of a descriptor"));

        let described = run.to_string();
        let files = run.temporary_files();
        let (setsid, env) = (tool("setsid"), tool("env"));
        let prefix = [setsid.as_os_str(), "--ctty".as_ref(), env.as_os_str(), SIGNALS.as_ref()];
        let mut command = run.command(&files, &prefix);
        command.stdin(copy()).stderr(copy());
        command.stdout(if stdout_apart { Stdio::piped() } else { copy() });
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{described}\ncannot be started: {error}"));
        let stdout = stdout_apart.then(|| collect(child.stdout.take()));
        // Reading ends when nobody has the other side open any more: neither these nor the command.
        drop(command);
        drop(device);

        let screen = Arc::new(Screen::default());
        let keyboard = File::from(controller);
        let output = keyboard.try_clone().expect("a copy of a descriptor");
        thread::spawn({
            let screen = Arc::clone(&screen);
            // The command may open its files at any time before it ends.
            move || show(output, &screen, files)
        });
        let limit = run.time_limit();
        Self { command: described, child, keyboard, screen, stdout, limit, seen: 0 }
    }

    /// Waits until the command shows this text, after what was waited for before.
    ///
    /// # Panics
    /// If it ends or half a minute passes without that, with everything that it showed.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PROMPT;
        let mut shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = find(&shown.bytes[self.seen..], text.as_bytes());
            if let Some(at) = found {
                self.seen += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if shown.ended || left.is_zero() {
                let why = if shown.ended { "ended" } else { "waits" };
                let all = readable(&shown.bytes);
                panic!("{}\n{why} without showing {text:?}\n--- terminal\n{all}", self.command);
            }
            shown = self.screen.changed.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Like [`expect`](Self::expect), and waits until typing is not shown: a command may throw away what was typed before
    /// it got that far.
    ///
    /// # Panics
    /// As [`expect`](Self::expect), or if typing stays visible.
    #[track_caller]
    pub fn expect_secret(&mut self, text: &str) {
        self.expect(text);
        let hidden = poll_until(PROMPT, || {
            let modes = tcgetattr(&self.keyboard).ok()?.local_modes;
            (!modes.contains(LocalModes::ECHO)).then_some(())
        });
        assert!(hidden.is_some(), "{}\nasks for {text:?} and shows what is typed", self.command);
    }

    /// Types a line and the enter key.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn send_line(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    /// Types these bytes: `\x03` interrupts, `\x04` ends the input.
    ///
    /// # Panics
    /// If the terminal is gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).expect("a terminal to type on");
    }

    /// What was shown so far, with the line ends of a file.
    #[must_use]
    pub fn shown(&self) -> String {
        readable(&self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner).bytes)
    }

    /// Waits for the command's end, or kills it when its time is up.
    #[must_use]
    pub fn finish(mut self) -> Output {
        let status = poll_until(self.limit, || self.child.try_wait().expect("a child to wait for"));
        if status.is_none() {
            self.end();
        }
        let shown = self.screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.screen.changed.wait_timeout_while(shown, LAST_OUTPUT, |shown| !shown.ended);
        drop(waiting);
        let code = status.and_then(|status| status.code());
        let mut output = Output::new(self.command.clone(), code, status.is_none());
        if let Some(stdout) = &self.stdout {
            output.stdout = stdout.recv_timeout(LAST_OUTPUT).unwrap_or_default();
        }
        output.terminal = self.shown();
        output
    }

    fn end(&mut self) {
        // It may have ended already; both calls are about a child that is still ours to reap.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.end();
    }
}

/// Copies what the command shows, until it has closed its side (which a terminal reports as an error).
fn show<T>(mut output: File, screen: &Screen, kept: T) {
    let mut buffer = [0; 4096];
    loop {
        let count = output.read(&mut buffer).unwrap_or(0);
        let mut shown = screen.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.bytes.extend_from_slice(&buffer[..count]);
        shown.ended = count == 0;
        screen.changed.notify_all();
        if shown.ended {
            break;
        }
    }
    drop(kept);
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len().max(1)).position(|window| window == part)
}
