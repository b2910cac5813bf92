//! Journeys across both programs on the real PC/SC daemon, with a PIV card that was not written here.

// A test that cannot go on ends.
#![allow(clippy::unwrap_used)]

mod card_faults;
mod courier;
mod main_job;
mod objects;
mod office;
mod oracles;
mod pins;
mod whose_card;
