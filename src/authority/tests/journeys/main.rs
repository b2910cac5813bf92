//! The command from outside: what it writes, what it refuses, and what other programs make of it.

mod auditing;
mod backup;
mod batch;
mod bundling;
mod card;
mod ceremony;
mod founding;
mod hardware;
mod inspecting;
mod issuing;
mod media;
mod offline;
mod piv_keys;
mod profiles;
mod proving;
mod receipts;
mod reporting;
mod revoking;
mod rollover;
mod rotating;
mod servers;
mod support;
mod surviving;
mod tls;
mod two_person;
mod whole_card;
