//! The rows of a batch, one at a time: CSV as spreadsheets write it (RFC 4180), or JSON Lines.
//!
//! A row may be at fault; then it is told so, and the next one is read. However long a row is, no more of it is kept
//! than [`MAX_ROW`] octets.

use super::cells::{Cell, Cells};
use crate::error::Error;
use csv_core::ReadRecordResult;
use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

/// The longest row, in octets.
const MAX_ROW: usize = 64 * 1024;
/// The most cells of a row.
const MAX_CELLS: usize = 512;
/// What many programs put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A row, or why it cannot be read.
pub(super) type Row = Result<Cells, String>;

/// The rows of a file or of standard input.
pub(super) struct Rows {
    path: PathBuf,
    input: BufReader<File>,
    format: Format,
    /// Of a record of CSV, what its cells say and where each of them ends.
    record: (Vec<u8>, Vec<usize>),
}

enum Format {
    Csv { reader: Box<csv_core::Reader>, columns: Vec<String> },
    JsonLines,
}

impl Rows {
    /// Opens a file and reads the names of the columns, where it has them at its head.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|fault| Error::file(path, fault))?;
        let is_csv = match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => true,
            Some("jsonl" | "ndjson") => false,
            _ => return Err(fault(path, "expected a name that ends in .csv or .jsonl")),
        };
        let record = (vec![0; MAX_ROW], vec![0; MAX_CELLS]);
        let mut rows = Self { path: path.to_owned(), input: BufReader::new(file), format: Format::JsonLines, record };
        let begins = rows.input.fill_buf().map_err(|fault| Error::file(path, fault))?;
        if begins.starts_with(BYTE_ORDER_MARK) {
            rows.input.consume(BYTE_ORDER_MARK.len());
        }
        if is_csv {
            let mut reader = Box::new(csv_core::Reader::new());
            let columns = match rows.record(&mut reader)? {
                Some(Ok(columns)) => columns,
                Some(Err(why)) => return Err(fault(path, &format!("the names of the columns: {why}"))),
                None => return Err(fault(path, "it has no row with the names of the columns")),
            };
            rows.format = Format::Csv { reader, columns };
        }
        Ok(rows)
    }

    /// Lines of JSON on standard input, each as soon as it is there.
    pub(super) fn of_standard_input() -> Result<Self, Error> {
        let path = PathBuf::from("standard input");
        let file = std::io::stdin().as_fd().try_clone_to_owned().map_err(|fault| Error::file(&path, fault))?;
        Ok(Self { path, input: BufReader::new(file.into()), format: Format::JsonLines, record: Default::default() })
    }

    /// The names of the columns; none where each row has its own.
    pub(super) fn columns(&self) -> &[String] {
        match &self.format {
            Format::Csv { columns, .. } => columns,
            Format::JsonLines => &[],
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        match core::mem::replace(&mut self.format, Format::JsonLines) {
            Format::JsonLines => Ok(self.line()?.map(|line| line.and_then(|line| Cells::from_json(&line)))),
            Format::Csv { mut reader, columns } => {
                let record = self.record(&mut reader)?;
                let row = record.map(|record| record.and_then(|record| named(&columns, record)));
                self.format = Format::Csv { reader, columns };
                Ok(row)
            }
        }
    }

    /// The cells of the next record of CSV that is not empty.
    fn record(&mut self, reader: &mut csv_core::Reader) -> Result<Option<Result<Vec<String>, String>>, Error> {
        let (octets, ends) = &mut self.record;
        let (mut written, mut ended, mut too_long) = (0, 0, false);
        loop {
            let input = self.input.fill_buf().map_err(|fault| Error::file(&self.path, fault))?;
            let (result, consumed, wrote, end) = reader.read_record(input, &mut octets[written..], &mut ends[ended..]);
            self.input.consume(consumed);
            (written, ended) = (written + wrote, ended + end);
            match result {
                ReadRecordResult::InputEmpty => {}
                // The rest of it is read over what is there.
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    (written, ended, too_long) = (0, 0, true);
                }
                ReadRecordResult::Record if too_long => {
                    return Ok(Some(Err(format!("longer than {MAX_ROW} octets, or more than {MAX_CELLS} cells"))));
                }
                ReadRecordResult::Record => return Ok(Some(texts(octets, &ends[..ended]))),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// The next line that is not empty.
    fn line(&mut self) -> Result<Option<Result<String, String>>, Error> {
        let (mut line, mut length) = (Vec::new(), 0_usize);
        loop {
            let input = self.input.fill_buf().map_err(|fault| Error::file(&self.path, fault))?;
            let end = input.iter().position(|octet| *octet == b'\n');
            let part = &input[..end.unwrap_or(input.len())];
            length = length.saturating_add(part.len());
            if length <= MAX_ROW {
                line.extend_from_slice(part);
            }
            let (is_over, consumed) = (input.is_empty(), part.len() + usize::from(end.is_some()));
            self.input.consume(consumed);
            if !is_over && end.is_none() {
                continue;
            }
            if length > MAX_ROW {
                return Ok(Some(Err(format!("longer than {MAX_ROW} octets"))));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(String::from_utf8(line).map_err(|_| "not UTF-8 text".to_owned())));
            }
            if is_over {
                return Ok(None);
            }
            (line, length) = (Vec::new(), 0);
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

/// The cells of a record; `ends` are where each of them ends.
fn texts(octets: &[u8], ends: &[usize]) -> Result<Vec<String>, String> {
    let mut start = 0;
    let mut cells = Vec::with_capacity(ends.len());
    for end in ends {
        let cell = octets.get(start..*end).and_then(|cell| str::from_utf8(cell).ok()).ok_or("not UTF-8 text")?;
        cells.push(cell.to_owned());
        start = *end;
    }
    Ok(cells)
}

/// The cells of a row, each with the name of its column.
fn named(columns: &[String], cells: Vec<String>) -> Row {
    if cells.len() != columns.len() {
        return Err(format!("{} cells where there are {} columns", cells.len(), columns.len()));
    }
    let cells = columns.iter().zip(cells).map(|(column, text)| Cell { column: column.clone(), text });
    Ok(Cells(cells.collect()))
}

/// Why the file cannot be used as a whole.
pub(super) fn fault(path: &Path, fault: &str) -> Error {
    Error::BatchFile { path: path.to_owned(), fault: fault.to_owned() }
}
