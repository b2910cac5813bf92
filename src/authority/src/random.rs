//! The one place where random numbers come from: the system.

use crate::error::Error;
use rsa::rand_core::{TryCryptoRng, TryRng};

/// So many random octets.
#[expect(clippy::disallowed_methods, reason = "the authority's one place for randomness")]
pub(crate) fn octets<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|_| Error::Random)?;
    Ok(octets)
}

/// The system's generator, for libraries that make keys and blind signatures.
pub(crate) struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = getrandom::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        getrandom::u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        getrandom::u64()
    }

    #[expect(clippy::disallowed_methods, reason = "the authority's one place for randomness")]
    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Self::Error> {
        getrandom::fill(octets)
    }
}

impl TryCryptoRng for SystemRandom {}
