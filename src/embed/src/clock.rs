//! The one place that reads the clock.

use countersign_common::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock; nothing where it lies before 1970, which no running clock says.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Option<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(Time::from_unix)
}
