//! Which readers there are, and what is in them.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, Scope, State};

use crate::pcsc_transport::fault;
use crate::transport::TransportError;

/// How often a wait looks whether it was cancelled and whether readers came or went.
const GLANCE: Duration = Duration::from_millis(200);

/// A card reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The name that PC/SC gives it.
    pub name: String,
    /// What is in it.
    pub state: ReaderState,
}

/// What is in a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReaderState {
    /// A card.
    Card {
        /// Its answer to reset.
        atr: Vec<u8>,
        /// Another program has it for itself.
        exclusive: bool,
    },
    /// No card.
    Empty,
    /// A card that does not answer to power.
    Mute,
}

/// All readers, in the order in which PC/SC names them; none is not an error.
///
/// # Errors
/// [`TransportError::NoService`].
pub fn readers() -> Result<Vec<Reader>, TransportError> {
    list(&establish()?)
}

/// Waits until a card is in a reader, or in the named one, and returns that reader.
///
/// # Errors
/// [`TransportError::NoReader`], [`TransportError::ReaderUnknown`] or [`TransportError::NoCard`] when `timeout` is
/// over, [`TransportError::Cancelled`] soon after `cancel` becomes true, and [`TransportError::Ambiguous`] if there
/// are several.
pub fn wait_for_card(reader: Option<&str>, timeout: Duration, cancel: &AtomicBool) -> Result<Reader, TransportError> {
    let context = establish()?;
    let started = Instant::now();
    loop {
        let readers = list(&context)?;
        let missing = match choose(&readers, reader) {
            Err(error @ (TransportError::NoReader | TransportError::NoCard | TransportError::ReaderUnknown { .. })) => {
                error
            }
            outcome => return outcome.cloned(),
        };
        if cancel.load(Ordering::Relaxed) {
            return Err(TransportError::Cancelled);
        }
        let Some(left) = timeout.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
            return Err(missing);
        };
        let mut watched = watch(&readers, |reader| match reader.state {
            ReaderState::Empty => State::EMPTY,
            _ => State::PRESENT,
        });
        // A time-out, or a reader that has just gone, only means to look again.
        if watched.is_empty() || context.get_status_change(left.min(GLANCE), &mut watched).is_err() {
            thread::sleep(left.min(GLANCE / 10));
        }
    }
}

/// Waits until the card has left a reader, or the reader itself has gone. Returns whether it has, when `timeout` is over.
///
/// # Errors
/// [`TransportError::Cancelled`] soon after `cancel` becomes true.
pub fn wait_for_removal(reader: &str, timeout: Duration, cancel: &AtomicBool) -> Result<bool, TransportError> {
    let context = establish()?;
    let started = Instant::now();
    loop {
        let readers = list(&context)?;
        let here: Vec<_> = readers.into_iter().filter(|one| one.name == reader).collect();
        if here.iter().all(|reader| reader.state == ReaderState::Empty) {
            return Ok(true);
        }
        if cancel.load(Ordering::Relaxed) {
            return Err(TransportError::Cancelled);
        }
        let Some(left) = timeout.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
            return Ok(false);
        };
        let mut watched = watch(&here, |_| State::PRESENT);
        if context.get_status_change(left.min(GLANCE), &mut watched).is_err() {
            thread::sleep(left.min(GLANCE / 10));
        }
    }
}

pub(crate) fn establish() -> Result<Context, TransportError> {
    Context::establish(Scope::User).map_err(fault)
}

pub(crate) fn list(context: &Context) -> Result<Vec<Reader>, TransportError> {
    let names = match context.list_readers_owned() {
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        names => names.map_err(fault)?,
    };
    let empty = |name: CString| Reader { name: name.to_string_lossy().into_owned(), state: ReaderState::Empty };
    let mut readers: Vec<_> = names.into_iter().map(empty).collect();
    let mut watched = watch(&readers, |_| State::UNAWARE);
    if watched.is_empty() {
        return Ok(readers);
    }
    match context.get_status_change(Duration::ZERO, &mut watched) {
        // A reader was pulled between two calls: whoever waits sees it next time.
        Err(pcsc::Error::UnknownReader | pcsc::Error::ReaderUnavailable) => return Ok(Vec::new()),
        Ok(()) | Err(pcsc::Error::Timeout) => {}
        Err(error) => return Err(fault(error)),
    }
    for (reader, seen) in readers.iter_mut().zip(&watched) {
        let state = seen.event_state();
        if state.contains(State::MUTE) {
            reader.state = ReaderState::Mute;
        } else if state.contains(State::PRESENT) {
            let exclusive = state.contains(State::EXCLUSIVE);
            reader.state = ReaderState::Card { atr: seen.atr().to_vec(), exclusive };
        }
    }
    Ok(readers)
}

/// The reader meant: the one of that name, else the only one whose name contains it; without a name, the only one
/// with a card.
pub(crate) fn choose<'a>(readers: &'a [Reader], name: Option<&str>) -> Result<&'a Reader, TransportError> {
    let candidates: Vec<&Reader> = match name {
        Some(name) => {
            let exact: Vec<_> = readers.iter().filter(|reader| reader.name == name).collect();
            let partly = || readers.iter().filter(|reader| reader.name.contains(name)).collect();
            if exact.is_empty() { partly() } else { exact }
        }
        None if readers.is_empty() => return Err(TransportError::NoReader),
        None => readers.iter().filter(|reader| reader.state != ReaderState::Empty).collect(),
    };
    match (&candidates[..], name) {
        ([], Some(name)) => Err(TransportError::ReaderUnknown { name: name.to_owned() }),
        ([], None) => Err(TransportError::NoCard),
        ([reader], _) => match reader.state {
            ReaderState::Card { .. } => Ok(reader),
            ReaderState::Empty => Err(TransportError::NoCard),
            ReaderState::Mute => Err(TransportError::CardMute),
        },
        (several, _) => {
            Err(TransportError::Ambiguous { readers: several.iter().map(|reader| reader.name.clone()).collect() })
        }
    }
}

fn watch(readers: &[Reader], known: impl Fn(&Reader) -> State) -> Vec<pcsc::ReaderState> {
    readers
        .iter()
        .filter_map(|reader| Some(pcsc::ReaderState::new(CString::new(reader.name.as_str()).ok()?, known(reader))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str, state: ReaderState) -> Reader {
        Reader { name: name.to_owned(), state }
    }

    fn card() -> ReaderState {
        ReaderState::Card { atr: vec![0x3B], exclusive: false }
    }

    #[test]
    fn the_reader_meant_is_found_or_the_reason_is_told() {
        let name = |outcome: Result<&Reader, TransportError>| outcome.map(|reader| reader.name.clone());
        let code = |outcome: Result<&Reader, TransportError>| outcome.expect_err("a refusal").code();
        assert_eq!(code(choose(&[], None)), "CS-5002");
        let unknown = TransportError::ReaderUnknown { name: "Acme".to_owned() };
        assert_eq!(choose(&[], Some("Acme")), Err(unknown));

        let one = [reader("Acme 00 00", ReaderState::Empty)];
        assert_eq!(choose(&one, None), Err(TransportError::NoCard));
        assert_eq!(choose(&one, Some("Acme")), Err(TransportError::NoCard));
        assert_eq!(choose(&[reader("Acme", ReaderState::Mute)], None), Err(TransportError::CardMute));

        let two = [reader("Acme 00", card()), reader("Acme 00 01", card())];
        let both = vec!["Acme 00".to_owned(), "Acme 00 01".to_owned()];
        assert_eq!(choose(&two, None), Err(TransportError::Ambiguous { readers: both.clone() }));
        assert_eq!(choose(&two, Some("Acme")), Err(TransportError::Ambiguous { readers: both }));
        assert_eq!(code(choose(&two, Some("Acme"))), "CS-5004");
        assert_eq!(name(choose(&two, Some("Acme 00"))), Ok("Acme 00".to_owned()), "the whole name counts first");
        assert_eq!(name(choose(&two, Some("01"))), Ok("Acme 00 01".to_owned()));

        let one_full = [reader("Acme", ReaderState::Empty), reader("Other", card())];
        assert_eq!(name(choose(&one_full, None)), Ok("Other".to_owned()));
    }
}
