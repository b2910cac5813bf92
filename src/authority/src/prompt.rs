//! Secrets: typed at the terminal without echo, or read from a descriptor that the caller opened. Never from an
//! argument, an environment variable or a file named by path.

use crate::error::Error;
use std::{fs::File, io::Read};
use zeroize::Zeroizing;

/// A text that is erased from memory when dropped, and that nothing prints.
pub(crate) type Secret = Zeroizing<String>;

/// The longest secret, in octets.
const LONGEST: usize = 1024;
/// The fewest characters of a passphrase.
const FEWEST: usize = 8;

/// Where a secret comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// The descriptor; the terminal where there is none.
    pub(crate) descriptor: Option<i32>,
    /// The option that names the descriptor, for advice.
    pub(crate) option: &'static str,
}

impl Source {
    /// Asks for a secret, or reads one line.
    pub(crate) fn read(self, question: &str) -> Result<Secret, Error> {
        match self.descriptor {
            Some(number) => read_line(number),
            None => ask(question, self.option),
        }
    }

    /// Asks for a new passphrase, twice at the terminal.
    pub(crate) fn read_new_passphrase(self, question: &str) -> Result<Secret, Error> {
        let passphrase = self.read(question)?;
        if passphrase.chars().count() < FEWEST {
            return Err(Error::WeakPassphrase);
        }
        if self.descriptor.is_none() && *ask("Once more: ", self.option)? != *passphrase {
            return Err(Error::PassphrasesDiffer);
        }
        Ok(passphrase)
    }
}

/// Where several secrets come from, a line each. A file is opened once: to open it again is to begin again.
pub(crate) struct Lines {
    source: Source,
    file: Option<File>,
}

impl Lines {
    pub(crate) const fn new(descriptor: Option<i32>, option: &'static str) -> Self {
        Self { source: Source { descriptor, option }, file: None }
    }

    /// Asks for something new that a person has to remember, twice at the terminal, and checks it.
    pub(crate) fn read_new<T>(&mut self, question: &str, check: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
        let Some(number) = self.source.descriptor else {
            let secret = ask(question, self.source.option)?;
            let checked = check(&secret)?;
            return if *ask("Once more: ", self.source.option)? == *secret {
                Ok(checked)
            } else {
                Err(Error::PassphrasesDiffer)
            };
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(number)?),
        };
        check(&next_line(file, number)?)
    }
}

fn ask(question: &str, option: &'static str) -> Result<Secret, Error> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|_| Error::NoTerminal(option))
}

fn read_line(number: i32) -> Result<Secret, Error> {
    next_line(&mut open(number)?, number)
}

/// Opening by number needs no unsafe code, and works for a pipe, a file that is already deleted and a terminal.
fn open(number: i32) -> Result<File, Error> {
    File::open(format!("/dev/fd/{number}")).map_err(|fault| Error::Descriptor { number, fault })
}

/// The next line, octet by octet: a pipe may hold further secrets for others behind it.
fn next_line(file: &mut File, number: i32) -> Result<Secret, Error> {
    let fault = |fault| Error::Descriptor { number, fault };
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut octet = Zeroizing::new([0]);
    while file.read(&mut *octet).map_err(fault)? == 1 && octet[0] != b'\n' {
        if line.len() == LONGEST {
            return Err(fault(std::io::Error::other("the line is longer than 1024 octets")));
        }
        line.push(octet[0]);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.is_empty() {
        return Err(fault(std::io::Error::other("the line is empty")));
    }
    core::str::from_utf8(&line)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| fault(std::io::Error::other("the line is not UTF-8 text")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{io::Write, os::fd::AsRawFd};

    #[test]
    fn lines_come_one_by_one_from_a_pipe() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all("first word\r\nsecond é\nshort\n\n".as_bytes()).unwrap();
        drop(writer);
        let source = Source { descriptor: Some(reader.as_raw_fd()), option: "--passphrase-fd" };
        assert_eq!(*source.read("").unwrap(), "first word");
        assert_eq!(*source.read_new_passphrase("").unwrap(), "second é");
        assert!(matches!(source.read_new_passphrase(""), Err(Error::WeakPassphrase)));
        assert!(matches!(source.read(""), Err(Error::Descriptor { .. })), "an empty line");
        let closed = Source { descriptor: Some(9_999), option: "--passphrase-fd" };
        assert!(matches!(closed.read(""), Err(Error::Descriptor { number: 9_999, .. })));
    }

    #[test]
    fn several_lines_come_from_a_file_one_after_another() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"first\nsecond\n").unwrap();
        let mut lines = Lines::new(Some(file.as_raw_fd()), "--new-pin-fd");
        let mut next = || lines.read_new("", |line| Ok(line.to_owned()));
        assert_eq!([next().unwrap(), next().unwrap()], ["first", "second"]);
        assert_eq!(next().unwrap_err().code(), "CS-7021");
    }

    #[test]
    fn a_line_has_a_limit() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[b'x'; LONGEST + 1]).unwrap();
        let source = Source { descriptor: Some(reader.as_raw_fd()), option: "--passphrase-fd" };
        assert!(matches!(source.read(""), Err(Error::Descriptor { .. })));
    }
}
