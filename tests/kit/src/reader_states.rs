//! What a PC/SC daemon knows about its readers, asked over its socket.
//!
//! libpcsclite reads `PCSCLITE_CSOCK_NAME` once per process, so a process that looks after several daemons cannot use
//! it, and starting a helper for each look costs more than the look. Two messages of the daemon's protocol are
//! enough: version and reader states. They have been the same from pcsc-lite 1.8.24 (protocol 4.4) to 2.x, which
//! still takes 4.4. All numbers are in the machine's byte order.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

const COMMAND_VERSION: u32 = 0x11;
const COMMAND_READER_STATES: u32 = 0x12;
const PROTOCOL: (u32, u32) = (4, 4);
/// major, minor, result
const VERSION_SIZE: usize = 12;

/// `PCSCLITE_MAX_READERS_CONTEXTS`: the daemon sends all its places, used or not.
const PLACES: usize = 16;
/// name [128], event counter u32, state u32, sharing i32, ATR [33], padding [3], ATR length u32; some builds pad to 184.
const PLACE_SIZE: usize = 180;
const NAME: std::ops::Range<usize> = 0..128;
const EVENTS: usize = 128;
const STATE: usize = 132;
const ATR: usize = 140;
const ATR_LENGTH: usize = 176;
/// `SCARD_PRESENT`
const PRESENT: u32 = 0x0004;

const TIMEOUT: Duration = Duration::from_secs(5);

/// One reader of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderState {
    /// The reader's name.
    pub name: String,
    /// Grows with each card put in or taken out.
    pub events: u32,
    /// Whether a card is in it.
    pub present: bool,
    /// The card's answer to reset; empty without a card or while the card has not answered.
    pub atr: Vec<u8>,
}

/// Asks the daemon that listens on this socket for its readers.
pub fn reader_states(socket: &Path) -> io::Result<Vec<ReaderState>> {
    let mut daemon = UnixStream::connect(socket)?;
    daemon.set_read_timeout(Some(TIMEOUT))?;
    daemon.set_write_timeout(Some(TIMEOUT))?;

    let version = [PROTOCOL.0, PROTOCOL.1, 0];
    daemon.write_all(&message(COMMAND_VERSION, &version))?;
    let mut answer = [0; VERSION_SIZE];
    daemon.read_exact(&mut answer)?;
    let result = number(&answer, 8);
    if result != 0 {
        let (major, minor) = (number(&answer, 0), number(&answer, 4));
        return Err(io::Error::other(format!(
            "the PC/SC daemon speaks protocol {major}.{minor} and refused 4.4 with {result:#010x}"
        )));
    }

    daemon.write_all(&message(COMMAND_READER_STATES, &[]))?;
    // The end of this connection tells how long a place is in this build of the daemon.
    daemon.shutdown(Shutdown::Write)?;
    let mut places = Vec::new();
    daemon.read_to_end(&mut places)?;
    let size = places.len() / PLACES;
    if size < PLACE_SIZE || places.len() % PLACES != 0 {
        let length = places.len();
        return Err(io::Error::other(format!("{length} bytes are not the states of {PLACES} readers")));
    }
    Ok(places.chunks_exact(size).filter_map(parse).collect())
}

fn message(command: u32, body: &[u32]) -> Vec<u8> {
    let size = size_of_val(body) as u32;
    [size, command].iter().chain(body).flat_map(|number| number.to_ne_bytes()).collect()
}

/// `None` for a place without a reader.
fn parse(place: &[u8]) -> Option<ReaderState> {
    let name = place[NAME].split(|byte| *byte == 0).next()?;
    let length = (number(place, ATR_LENGTH) as usize).min(33);
    (!name.is_empty()).then(|| ReaderState {
        name: String::from_utf8_lossy(name).into_owned(),
        events: number(place, EVENTS),
        present: number(place, STATE) & PRESENT != 0,
        atr: place[ATR..ATR + length].to_vec(),
    })
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..at + 4].try_into();
    u32::from_ne_bytes(bytes.expect("four bytes"))
}
