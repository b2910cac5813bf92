//! The one place that draws random numbers.

use crate::error::Error;

/// A nonce.
#[allow(clippy::disallowed_methods)]
pub(crate) fn nonce() -> Result<[u8; 32], Error> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|_| Error::Random)?;
    Ok(nonce)
}
