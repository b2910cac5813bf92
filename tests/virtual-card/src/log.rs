//! The record of what a client sent. It has no place for data, so no PIN can get into it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// A file of lines such as `00 20 00 80 lc=8 sw=9000`; lines that start with `#` tell of power and resets.
pub(crate) struct Log(Option<File>);

impl Log {
    /// Appends to the file; without one nothing is kept.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| OpenOptions::new().append(true).create(true).open(path)).transpose()?;
        Ok(Self(file))
    }

    /// `outcome` is a status word in hexadecimal, `left` or `stalled`.
    pub(crate) fn command(&mut self, command: &[u8], outcome: &str) -> io::Result<()> {
        let header = command.iter().take(4).map(|byte| format!("{byte:02X} ")).collect::<String>();
        self.line(&format!("{header}lc={} sw={outcome}\n", data_length(command)))
    }

    pub(crate) fn event(&mut self, event: &str) -> io::Result<()> {
        self.line(&format!("# {event}\n"))
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        // One write a line, so that a reader never sees half of one.
        self.0.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }
}

/// Length of the data field (Lc) of ISO/IEC 7816-4, short or extended.
fn data_length(command: &[u8]) -> usize {
    match command.get(4..) {
        Some([0, high, low, _, ..]) => usize::from(u16::from_be_bytes([*high, *low])),
        Some([length, _, ..]) if *length != 0 => usize::from(*length),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths() {
        let header = [0, 0x87, 0, 0];
        let length = |body: &[u8]| data_length(&[&header, body].concat());
        assert_eq!(length(&[]), 0);
        assert_eq!(length(&[0x10]), 0, "Le alone");
        assert_eq!(length(&[2, 1, 1]), 2);
        assert_eq!(length(&[2, 1, 1, 0]), 2);
        assert_eq!(length(&[0, 1, 0]), 0, "extended Le alone");
        assert_eq!(length(&[&[0, 1, 0][..], &[7; 256]].concat()), 256);
    }
}
