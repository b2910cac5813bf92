//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_millis(4);

/// Asks every few milliseconds until there is an answer; `None` when the time is up.
pub fn poll_until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}
