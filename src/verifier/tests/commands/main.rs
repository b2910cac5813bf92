//! The commands, with a store and a machine in a temporary folder, a card in memory and nobody's real terminal.

#![allow(clippy::unwrap_used)]

mod activate;
mod card;
mod clock;
mod faults;
mod install;
mod lists;
mod path;
mod schema;
mod state;
mod store;
mod support;
mod verify;
