//! The command from outside: what it writes, what it refuses, and what other programs make of it.

mod auditing;
mod batch;
mod bundling;
mod card;
mod founding;
mod hardware;
mod inspecting;
mod issuing;
mod media;
mod piv_keys;
mod profiles;
mod proving;
mod receipts;
mod reporting;
mod revoking;
mod rotating;
mod support;
mod two_person;
