//! Test support: a private PC/SC stack with virtual PIV cards, a server of PostgreSQL, runners for commands, a browser, a
//! validator for JSON Schema.
//!
//! ```no_run
//! use countersign_testkit::{Algorithm, CardOptions, Run, Stack};
//!
//! let stack = Stack::start(2).expect("a PC/SC daemon");
//! let card = stack.insert(0, CardOptions::new());
//! let public_key = card.generate_key("9c", Algorithm::P256);
//! let listing = Run::new("opensc-tool").arg("-l").stack(&stack).output().expect_code(0);
//! assert!(listing.stdout_text().contains(stack.reader_name(0)));
//! # drop(public_key);
//! ```
//!
//! Everything here is for tests and demonstrations: on failure it panics and says what to do. Nothing waits for a
//! fixed time; each wait polls with a deadline.

mod authority;
mod browser;
mod card;
mod card_log;
mod daemon;
mod dialogue;
mod json_schema;
mod postgres;
mod reader_states;
mod run;
mod soft_hsm;
mod stack;
mod terminal;
mod tools;
mod wait;

pub use authority::TestAuthority;
pub use browser::{View, Visit, visit};
pub use card::{Algorithm, Card, CardOptions};
pub use card_log::{LoggedCommand, Outcome};
pub use dialogue::Dialogue;
pub use json_schema::Schema;
pub use postgres::{Postgres, ServerTls};
pub use reader_states::{ReaderState, reader_states};
pub use run::{Output, Run};
pub use soft_hsm::SoftHsm;
pub use stack::Stack;
pub use terminal::Terminal;
pub use tools::{opensc_module, tool, virtual_card};
pub use wait::poll_until;
