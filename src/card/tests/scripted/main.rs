//! The PIV session against scripted cards: every command is compared byte by byte, every status word and fault played.

mod admin;
mod attestation;
mod chaining;
mod credentials;
mod faults;
mod hostile;
mod metadata;
mod pin;
mod pin_pad;
mod script;
mod session;
mod sign;
