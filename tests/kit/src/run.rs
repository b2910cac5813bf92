//! Running commands and looking at what they did.

use std::{
    ffi::{OsStr, OsString},
    fmt::{self, Write as _},
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;

use crate::{dialogue::Dialogue, soft_hsm::SoftHsm, stack::Stack, terminal::Terminal, tools::tool, wait::poll_until};

const DEFAULT_LIMIT: Duration = Duration::from_secs(120);
/// For output that is still on its way when the command has ended.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A command to run: what to give it, and how long it may take.
#[derive(Clone, Debug)]
#[must_use = "nothing runs until output(), on_terminal() or on_pipes()"]
pub struct Run {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
    stdin: Option<Vec<u8>>,
    pipe: Option<(u32, Vec<u8>)>,
    files: Vec<(u32, Vec<u8>)>,
    limit: Duration,
}

impl Run {
    /// A program by path, or an installed tool by name.
    ///
    /// # Panics
    /// If the tool is not installed.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref();
        let program = match program.to_str() {
            Some(name) if !name.contains('/') => tool(name),
            _ => program.to_path_buf(),
        };
        Self {
            program,
            args: Vec::new(),
            env: Vec::new(),
            directory: None,
            stdin: None,
            pipe: None,
            files: Vec::new(),
            limit: DEFAULT_LIMIT,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Takes an environment variable away.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), None));
        self
    }

    /// Runs it by another program, whose last arguments are a command: `strace`, `faketime`.
    ///
    /// # Panics
    /// If that is not installed.
    pub fn under(mut self, program: &str, args: &[&str]) -> Self {
        let inner = std::mem::replace(&mut self.program, tool(program));
        let line = args.iter().map(OsString::from).chain([inner.into()]);
        self.args = line.chain(std::mem::take(&mut self.args)).collect();
        self
    }

    /// Has every call for random numbers fail, as on a system that has none yet.
    pub fn without_random_numbers(self) -> Self {
        self.under("strace", &["-f", "-qq", "-o", "/dev/null", "-e", "inject=getrandom:error=EIO"])
    }

    /// Takes from root the right to pass over the permissions of files; others do not have it anyway.
    pub fn without_root_rights(self) -> Self {
        if rustix::process::geteuid().is_root() {
            self.under("setpriv", &["--bounding-set", "-dac_override,-dac_read_search"])
        } else {
            self
        }
    }

    /// Has it use this PC/SC daemon.
    pub fn stack(self, stack: &Stack) -> Self {
        self.env("PCSCLITE_CSOCK_NAME", stack.socket())
    }

    /// Has it use this SoftHSM2.
    pub fn soft_hsm(self, hsm: &SoftHsm) -> Self {
        self.env("SOFTHSM2_CONF", hsm.configuration())
    }

    /// Runs it in this folder.
    pub fn directory(mut self, folder: impl Into<PathBuf>) -> Self {
        self.directory = Some(folder.into());
        self
    }

    /// Gives it this on standard input, which is empty otherwise.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// Lets it inherit a pipe with this content as a descriptor from 3 to 9: how a PIN is handed over. One pipe only, and
    /// not together with [`stdin`](Self::stdin).
    pub fn pipe(mut self, descriptor: u32, bytes: impl AsRef<[u8]>) -> Self {
        assert_descriptor(descriptor);
        self.pipe = Some((descriptor, bytes.as_ref().to_vec()));
        self
    }

    /// Lets it inherit an open file with this content as a descriptor from 3 to 9; any number of them.
    pub fn file(mut self, descriptor: u32, bytes: impl AsRef<[u8]>) -> Self {
        assert_descriptor(descriptor);
        self.files.push((descriptor, bytes.as_ref().to_vec()));
        self
    }

    /// How long it may take; two minutes if not said.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, or kills it when its time is up.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn output(self) -> Output {
        assert!(
            self.pipe.is_none() || self.stdin.is_none(),
            "a pipe and standard input at once: use file() for one of them"
        );
        let described = self.to_string();
        let files = self.temporary_files();
        let mut command = self.command(&files, &[]);
        let input = self.pipe.map(|(_, bytes)| bytes).or(self.stdin);
        command
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{described}\ncannot be started: {error}"));
        if let (Some(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
            // A command that ends without reading its input is not a failure of the runner.
            thread::spawn(move || stdin.write_all(&bytes));
        }
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let status = poll_until(self.limit, || child.try_wait().expect("a child to wait for"));
        if status.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        Output {
            command: described,
            code: status.and_then(|status| status.code()),
            timed_out: status.is_none(),
            stdout: stdout.recv_timeout(LAST_OUTPUT).unwrap_or_default(),
            stderr: stderr.recv_timeout(LAST_OUTPUT).unwrap_or_default(),
            terminal: String::new(),
        }
    }

    /// Starts it on a terminal of its own, which is its input, output and error, and what it finds as `/dev/tty`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn on_terminal(self) -> Terminal {
        Terminal::start(self, false)
    }

    /// Starts it with its input and output on pipes, to talk to line by line.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn on_pipes(self) -> Dialogue {
        Dialogue::start(&self)
    }

    /// Like [`on_terminal`](Self::on_terminal), with standard output collected apart: for a command that talks on the
    /// terminal and writes its result to standard output.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn on_terminal_with_stdout(self) -> Terminal {
        Terminal::start(self, true)
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.limit
    }

    pub(crate) fn has_input(&self) -> bool {
        self.stdin.is_some() || self.pipe.is_some()
    }

    pub(crate) fn temporary_files(&self) -> Vec<(u32, NamedTempFile)> {
        let file = |bytes: &[u8]| {
            let mut file = NamedTempFile::new().expect("a temporary file");
            file.write_all(bytes).expect("writing a temporary file");
            file
        };
        self.files.iter().map(|(descriptor, bytes)| (*descriptor, file(bytes))).collect()
    }

    /// The command, behind `prefix` and a shell that opens the descriptors if there are any.
    pub(crate) fn command(&self, files: &[(u32, NamedTempFile)], prefix: &[&OsStr]) -> Command {
        let mut line: Vec<OsString> = prefix.iter().map(|word| word.into()).collect();
        if self.pipe.is_some() || !files.is_empty() {
            let mut script = String::new();
            if let Some((descriptor, _)) = self.pipe {
                let _ = write!(script, "exec {descriptor}<&0 0</dev/null; ");
            }
            for (descriptor, _) in files {
                let _ = write!(script, "exec {descriptor}<\"$1\"; shift; ");
            }
            script.push_str("exec \"$@\"");
            line.extend(["sh".into(), "-c".into(), script.into(), "sh".into()]);
            line.extend(files.iter().map(|(_, file)| file.path().into()));
        }
        line.push(self.program.clone().into());
        line.extend(self.args.iter().cloned());

        let mut command = Command::new(&line[0]);
        command.args(&line[1..]);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = &self.directory {
            command.current_dir(folder);
        }
        command
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}", self.program.display())?;
        for arg in &self.args {
            let arg = arg.to_string_lossy();
            let plain = !arg.is_empty() && !arg.contains(|c: char| c.is_whitespace() || c == '\'');
            if plain { write!(f, " {arg}")? } else { write!(f, " {arg:?}")? }
        }
        Ok(())
    }
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Output {
    command: String,
    /// The exit code; `None` if a signal ended it or its time was up.
    pub code: Option<i32>,
    /// Whether it was killed because its time was up.
    pub timed_out: bool,
    /// Standard output; empty if that was the terminal.
    pub stdout: Vec<u8>,
    /// Standard error; empty if that was the terminal.
    pub stderr: Vec<u8>,
    /// What the terminal showed, if there was one.
    pub terminal: String,
}

impl Output {
    pub(crate) fn new(command: String, code: Option<i32>, timed_out: bool) -> Self {
        Self { command, code, timed_out, stdout: Vec::new(), stderr: Vec::new(), terminal: String::new() }
    }

    /// Asserts the exit code.
    ///
    /// # Panics
    /// If it is another, with everything that the command said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Asserts that it ended with a code other than zero, by itself.
    ///
    /// # Panics
    /// If it succeeded, was ended by a signal or took too long.
    #[track_caller]
    pub fn expect_failure(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "expected a failure\n{self}");
        self
    }

    /// Standard output as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.command)?;
        match self.code {
            Some(code) => writeln!(f, "exit code {code}")?,
            None if self.timed_out => writeln!(f, "killed: its time was up")?,
            None => writeln!(f, "ended by a signal")?,
        }
        let parts =
            [("stdout", self.stdout_text()), ("stderr", self.stderr_text()), ("terminal", self.terminal.clone())];
        for (name, text) in parts.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(f, "--- {name}\n{text}")?;
        }
        Ok(())
    }
}

/// Reads to the end on a thread of its own, so that neither stream can fill up while the other is waited for.
pub(crate) fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // An error ends the output as its end does; what came before it counts.
            let _ = stream.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// A shell can name only one digit.
fn assert_descriptor(descriptor: u32) {
    assert!((3..=9).contains(&descriptor), "descriptors 3 to 9 can be inherited, not {descriptor}");
}
