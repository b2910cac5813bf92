//! A command that answers line by line on pipes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;

use crate::{
    run::{Output, Run, collect},
    wait::poll_until,
};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A command with its standard input and output on pipes. It is killed when dropped.
#[derive(Debug)]
pub struct Dialogue {
    command: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Receiver<Vec<u8>>,
    limit: Duration,
    /// The command may open them at any time.
    _files: Vec<(u32, NamedTempFile)>,
}

impl Dialogue {
    pub(crate) fn start(run: &Run) -> Self {
        assert!(!run.has_input(), "the pipe is the input: use say(), and file() for a descriptor");
        let (described, files) = (run.to_string(), run.temporary_files());
        let mut command = run.command(&files, &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{described}\ncannot be started: {error}"));
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        let stderr = collect(child.stderr.take());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // What does not end with a line end is no answer.
            let mut output = BufReader::new(output);
            let mut line = String::new();
            while output.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self { command: described, child, input, lines, stderr, limit: run.time_limit(), _files: files }
    }

    /// Gives it a line. That it may have ended is seen by what it answers.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// The next line of its output, without the line end; nothing when its output has ended.
    ///
    /// # Panics
    /// If a minute passes without one.
    #[must_use]
    pub fn hear(&mut self) -> Option<String> {
        match self.lines.recv_timeout(ANSWER) {
            Ok(line) => Some(line.trim_end().to_owned()),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{}\nsays nothing", self.command),
        }
    }

    /// Kills it at once, and returns what it had said and nobody had heard.
    #[must_use]
    pub fn kill(mut self) -> Vec<String> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// Ends its input, and waits for its end. The output are the lines that nobody has heard.
    #[must_use]
    pub fn finish(mut self) -> Output {
        self.input = None;
        let status = poll_until(self.limit, || self.child.try_wait().expect("a child to wait for"));
        let mut output = Output::new(self.command.clone(), status.and_then(|status| status.code()), status.is_none());
        let _ = self.child.kill();
        output.stdout = std::iter::from_fn(|| self.hear()).flat_map(|line| (line + "\n").into_bytes()).collect();
        output.stderr = self.stderr.recv_timeout(LAST_OUTPUT).unwrap_or_default();
        output
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
