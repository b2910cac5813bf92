//! The one place where the time comes from.

use crate::error::Error;
use countersign_common::Time;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// 2026-01-01: this program did not exist before.
const EARLIEST: i64 = 1_767_225_600;

/// Now, by the system's clock. A clock that lies before this program was written is an error: what is issued by it
/// could not be told from a forgery dated back.
#[expect(clippy::disallowed_methods, reason = "the authority's one place for the clock")]
pub(crate) fn now() -> Result<Time, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Error::Clock)?;
    let seconds = i64::try_from(since.as_secs()).map_err(|_| Error::Clock)?;
    if seconds < EARLIEST { Err(Error::Clock) } else { Ok(Time::from_unix(seconds)) }
}

/// How long something takes, whatever happens to the clock.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
