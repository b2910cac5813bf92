//! Journeys across both programs on the real PC/SC daemon, with a PIV card that was not written here.

mod card_faults;
mod main_job;
mod objects;
mod office;
mod oracles;
mod pins;
