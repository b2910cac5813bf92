//! What newer cards tell of the key in a slot (GET METADATA; Yubico's extension, not in SP 800-73).

use crate::apdu::{self, Command, StatusWord};
use crate::error::Error;
use crate::key::{Algorithm, Slot};
use crate::piv::Piv;
use crate::public_key::PublicKey;
use crate::tlv::Fields;
use crate::transport::Transport;

/// A key that a card says it has in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotKey {
    /// Its public half, if it is of a kind that this crate knows.
    pub public: Option<PublicKey>,
}

impl<T: Transport> Piv<T> {
    /// The key in a slot as the card's metadata have it, whatever certificate is beside it; `None` if there is no key, or
    /// the card has no metadata, as most cards. One command.
    pub fn slot_key(&mut self, slot: Slot) -> Result<Option<SlotKey>, Error> {
        let command = Command::with_reply(apdu::GET_METADATA, 0, slot.key_reference(), []);
        let reply = self.read(&command)?;
        // There are cards that answer with success and nothing else.
        if reply.status != StatusWord::SUCCESS || reply.data.is_empty() {
            return Ok(None);
        }
        let malformed = |what| Error::MalformedReply { command: command.name(), what };
        let fields = Fields::parse(&reply.data).map_err(malformed)?;
        let algorithm = Algorithm::ALL.into_iter().find(|known| fields.optional(0x01) == Some(&[known.identifier()]));
        let public = match (algorithm, fields.optional(0x04)) {
            (Some(algorithm), Some(key)) => Some(PublicKey::parse_fields(key, algorithm).map_err(malformed)?),
            _ => None,
        };
        Ok(Some(SlotKey { public }))
    }
}
