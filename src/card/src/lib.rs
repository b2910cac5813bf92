//! PIV smart cards (SP 800-73) over PC/SC.
//!
//! A session runs in the order in which a person meets it:
//!
//! ```no_run
//! use countersign_card::{Algorithm, LastTry, Options, PcscTransport, Pin, Piv, Slot};
//!
//! # fn main() -> Result<(), countersign_card::Error> {
//! # let digest = [0; 32];
//! let transport = PcscTransport::connect(None)?;
//! let mut piv = Piv::select(transport, Options::default())?;
//! let certificate = piv.certificate(Slot::Signature)?;
//! let status = piv.pin_status()?;
//!
//! piv.release()?; // other programs may use the card while a person types
//! let pin = Pin::new("123456")?;
//! piv.resume()?; // refuses another card than the one whose certificate was read
//!
//! piv.verify_pin(&pin, LastTry::Keep)?;
//! let signature = piv.sign(Slot::Signature, Algorithm::P256, &digest)?;
//! # Ok(())
//! # }
//! ```
//!
//! What the crate promises:
//! - No command that spends something (VERIFY, GENERAL AUTHENTICATE, GENERATE, PUT DATA) is ever sent a second time
//!   by itself. Reading commands are repeated once after another program has reset the card.
//! - No secret reaches a log: a trace shows the data of commands known to be harmless and withholds all other data.
//! - Whatever a card answers leads to a value or a typed [`Error`] with a stable code, never to a panic, and every
//!   length is bounded.
//! - A card that stops answering costs the time limit of one command, not the process.
//!
//! PIN pads were tried against scripted readers only, not on hardware.

mod admin;
mod apdu;
mod atr;
mod attestation;
mod channel;
mod credentials;
mod error;
mod holders;
mod key;
mod management_key;
mod metadata;
mod objects;
mod pcsc_transport;
mod pin;
mod pinpad;
mod piv;
mod public_key;
mod readers;
mod signature;
mod tlv;
mod trace;
mod transport;

pub use apdu::StatusWord;
pub use error::Error;
pub use holders::Process;
pub use key::{Algorithm, Slot};
pub use management_key::{ManagementAlgorithm, ManagementKey};
pub use metadata::SlotKey;
pub use objects::{ApplicationProperties, Chuid, PinPolicy};
pub use pcsc_transport::PcscTransport;
pub use pin::{LastTry, Pin, PinStatus, Puk};
pub use piv::{Options, Piv};
pub use public_key::PublicKey;
pub use readers::{Reader, ReaderState, readers, wait_for_card, wait_for_removal};
pub use trace::{Recorder, TraceEvent};
pub use transport::{ExtendedLength, OnEnd, Transport, TransportError};
