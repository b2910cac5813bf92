//! The person at the terminal. What is asked goes to the controlling terminal, never to standard output, so that
//! results can be piped while somebody types.

use crate::error::Error;
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd as _,
};
use zeroize::Zeroizing;

/// Somebody who can be told and asked, or nobody.
pub trait Person {
    /// Whether there is somebody.
    fn is_there(&self) -> bool;

    /// Shows a text, which ends with a line break.
    fn tell(&mut self, text: &str) -> io::Result<()>;

    /// Asks for a line.
    fn ask(&mut self, question: &str) -> io::Result<String>;

    /// Asks for a line that is not shown while it is typed.
    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// The longest line that a person types.
const MAX_LINE: u64 = 1024;
/// The longest PIN that is read from a descriptor, line break included. A PIN is shorter; what is longer is refused by
/// its form.
const MAX_PIN_LINE: u64 = 64;

/// The controlling terminal. Somebody is there when standard input and standard error are terminals: a program that
/// redirects one of them is not asked.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

impl Person for Terminal {
    fn is_there(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal() && terminal().is_ok()
    }

    fn tell(&mut self, text: &str) -> io::Result<()> {
        terminal()?.write_all(text.as_bytes())
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        let mut terminal = terminal()?;
        terminal.write_all(question.as_bytes())?;
        let mut line = String::new();
        BufReader::new(terminal.take(MAX_LINE)).read_line(&mut line)?;
        if line.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(line.trim().to_owned()) }
    }

    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        rpassword::prompt_password(question).map(Zeroizing::new)
    }
}

fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// A PIN as text from an open descriptor: its first line.
pub(crate) fn pin_from_descriptor(number: u32) -> Result<Zeroizing<String>, Error> {
    let fail = |error| Error::PinDescriptor(number, error);
    // Under /dev/fd a descriptor opens again without a call that the compiler cannot check. A socket does not, so that
    // it can be standard input only.
    let file = match number {
        0 => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        number => File::open(format!("/dev/fd/{number}")),
    };
    let file = file.map_err(fail)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(MAX_PIN_LINE as usize));
    let mut octet = Zeroizing::new([0]);
    let mut input = file.take(MAX_PIN_LINE);
    // One octet at a time, so that what follows the line stays for others and no buffer keeps a copy.
    while input.read(&mut octet[..]).map_err(fail)? == 1 && octet[0] != b'\n' {
        octets.push(octet[0]);
    }
    if octets.last() == Some(&b'\r') {
        octets.pop();
    }
    let text = str::from_utf8(&octets).map_err(|_| fail(io::ErrorKind::InvalidData.into()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Asks a question to which the answer is yes or no; nothing means no.
pub(crate) fn confirm(person: &mut dyn Person, question: &str) -> Result<(), Error> {
    let answer = person.ask(&format!("{question} [y/N] ")).map_err(|_| Error::Cancelled)?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") { Ok(()) } else { Err(Error::Cancelled) }
}

/// Has the person choose one of several, by its number.
pub(crate) fn choose(person: &mut dyn Person, question: &str, options: &[String]) -> Result<usize, Error> {
    let list: String =
        options.iter().enumerate().map(|(index, option)| format!("  {}  {option}\n", index + 1)).collect();
    person.tell(&format!("{question}\n{list}")).map_err(|_| Error::Cancelled)?;
    loop {
        let answer = person.ask(&format!("number, 1 to {}, or nothing to leave: ", options.len()));
        let answer = answer.map_err(|_| Error::Cancelled)?;
        if answer.is_empty() {
            return Err(Error::Cancelled);
        }
        match answer.parse::<usize>() {
            Ok(number) if (1..=options.len()).contains(&number) => return Ok(number - 1),
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{io::Seek as _, os::fd::AsRawFd as _};

    fn pin(content: &[u8]) -> Result<String, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        pin_from_descriptor(u32::try_from(file.as_raw_fd()).unwrap()).map(|pin| pin.to_string())
    }

    #[test]
    fn a_pin_is_the_first_line() {
        for (content, expected) in [
            (&b"123456"[..], "123456"),
            (b"123456\n", "123456"),
            (b"123456\r\n", "123456"),
            (b"123456\nmore", "123456"),
            (b" 123456 \n", " 123456 "),
            (b"", ""),
        ] {
            assert_eq!(pin(content).unwrap(), expected);
        }
        assert!(pin(&[b'1'; 100]).unwrap().len() > 8);
        assert_eq!(pin(&[0xff, b'\n']).unwrap_err().code(), "CS-8015");
        assert_eq!(pin_from_descriptor(1_000_000).unwrap_err().code(), "CS-8015");
    }
}
