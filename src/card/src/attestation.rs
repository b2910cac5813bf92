//! What a YubiKey says of its keys: a certificate for each slot, signed by the key in slot F9.
//!
//! Not in SP 800-73. Tried against scripted cards only, not on hardware.

use crate::apdu::{self, Command, StatusWord};
use crate::error::Error;
use crate::key::Slot;
use crate::objects::{CertificateFault, parse_certificate};
use crate::piv::{Piv, data_query, object_in};
use crate::tlv;
use crate::transport::Transport;

/// Tag of the certificate in slot F9.
const ATTESTATION_CERTIFICATE: [u8; 3] = [0x5F, 0xFF, 0x01];
const OBJECT: &str = "certificate in slot F9";

impl<T: Transport> Piv<T> {
    /// Has the card make a certificate, in DER, that says of the key in a slot that it was made there. Nothing about it
    /// is verified here. One command; it needs neither PIN nor management key.
    ///
    /// # Errors
    /// [`Error::CannotAttest`] if the card has no such command, or nothing to say about this key.
    pub fn attest(&mut self, slot: Slot) -> Result<Vec<u8>, Error> {
        let command = Command::with_reply(apdu::ATTEST, slot.key_reference(), 0, []);
        let reply = self.read(&command)?;
        match reply.status {
            StatusWord::SUCCESS => {}
            status if status.is_unknown_command() => return Err(Error::CannotAttest { slot, status }),
            StatusWord::INCORRECT_DATA
            | StatusWord::NOT_FOUND
            | StatusWord::REFERENCE_DATA_NOT_FOUND
            | StatusWord::CONDITIONS_OF_USE_NOT_SATISFIED => {
                return Err(Error::CannotAttest { slot, status: reply.status });
            }
            status => return Err(Error::Refused { command: command.name(), status }),
        }
        tlv::only(&reply.data, 0x30)
            .map_err(|_| Error::MalformedReply { command: command.name(), what: "not one DER SEQUENCE" })?;
        Ok(reply.data)
    }

    /// The certificate, in DER, of the key with which the card attests; `None` if there is none. One command.
    pub fn attestation_certificate(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let reply = self.read(&data_query(&ATTESTATION_CERTIFICATE))?;
        let Some(data) = object_in(&reply)? else {
            return Ok(None);
        };
        parse_certificate(data).map_err(|fault| {
            let what = match fault {
                CertificateFault::Malformed(what) => what,
                CertificateFault::Compression => "the compressed certificate cannot be expanded",
            };
            Error::MalformedObject { object: OBJECT, what }
        })
    }
}
