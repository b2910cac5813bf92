//! PIN entry at the reader itself (PC/SC part 10, 2.5 and 2.6). Tried against scripted readers only.

use std::time::Duration;

use crate::apdu::{COMMAND_LIMIT, StatusWord, VERIFY};
use crate::error::Error;
use crate::pin::LastTry;
use crate::piv::Piv;
use crate::tlv::Fault;
use crate::trace::TraceEvent;
use crate::transport::{Transport, TransportError};

/// Feature number of a PIN pad that verifies (PC/SC part 10, table 1).
const FEATURE_VERIFY_PIN_DIRECT: u8 = 0x06;
/// Feature number of the reader's properties.
pub(crate) const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;
/// How long a reader waits for a person, in seconds.
const ENTRY_SECONDS: u8 = 60;

/// CM_IOCTL_GET_FEATURE_REQUEST: which features the reader has.
pub(crate) fn feature_request() -> u32 {
    pcsc::ctl_code(3400) as u32
}

/// The control code of a feature in the answer to [`feature_request`]: tag, length 4, code in network order.
pub(crate) fn feature_code(features: &[u8], feature: u8) -> Result<Option<u32>, Fault> {
    if !features.len().is_multiple_of(6) {
        return Err("features are not entries of six bytes");
    }
    for entry in features.chunks(6) {
        let &[tag, 4, a, b, c, d] = entry else {
            return Err("a feature is not four bytes");
        };
        if tag == feature {
            return Ok(Some(u32::from_be_bytes([a, b, c, d])));
        }
    }
    Ok(None)
}

impl<T: Transport> Piv<T> {
    /// Whether the reader has a PIN pad. No command to the card.
    pub fn has_pin_pad(&mut self) -> Result<bool, Error> {
        Ok(self.pin_pad()?.is_some())
    }

    /// Has a person enter the PIN at the reader, where no program sees it. The card is held meanwhile, up to a minute.
    /// Apart from that, as [`verify_pin`](Self::verify_pin).
    ///
    /// # Errors
    /// Those of [`verify_pin`](Self::verify_pin), and [`Error::NoPinPad`], [`Error::PinPadCancelled`],
    /// [`Error::PinPadTimeout`].
    pub fn verify_pin_on_pad(&mut self, last_try: LastTry) -> Result<(), Error> {
        let code = self.pin_pad()?.ok_or(Error::NoPinPad)?;
        self.guard_tries(last_try)?;
        self.pin_status = None;
        let limit = Duration::from_secs(ENTRY_SECONDS.into()) + COMMAND_LIMIT;
        let reply = self.channel.transport.control(code, &verify_structure(self.pin_reference), limit);
        let status = reply.as_ref().ok().and_then(|reply| <[u8; 2]>::try_from(&reply[..]).ok());
        let status = status.map(|word| StatusWord(u16::from_be_bytes(word)));
        if let Some(recorder) = &mut self.channel.recorder {
            let text = "at the PIN pad".to_owned();
            recorder(&TraceEvent { command: "VERIFY", text, apdus: 1, status, reply_length: 0 });
        }
        if let Err(error) = reply {
            // Whether the card has seen the PIN is not known.
            self.unlocked = true;
            return Err(error.into());
        }
        match status.ok_or(Error::MalformedReply { command: "VERIFY", what: "not a status word" })? {
            StatusWord(0x6400) => Err(Error::PinPadTimeout),
            StatusWord(0x6401) => Err(Error::PinPadCancelled),
            // The reader itself found the PIN too short or too long.
            StatusWord(0x6403) => Err(Error::PinMalformed),
            status => self.settle_verify(status),
        }
    }

    fn pin_pad(&mut self) -> Result<Option<u32>, Error> {
        // A reader without features refuses the question itself.
        let features = match self.channel.transport.control(feature_request(), &[], COMMAND_LIMIT) {
            Err(TransportError::Pcsc { .. }) => return Ok(None),
            features => features?,
        };
        let malformed = |what| Error::MalformedReply { command: "GET FEATURE REQUEST", what };
        feature_code(&features, FEATURE_VERIFY_PIN_DIRECT).map_err(malformed)
    }
}

/// PIN_VERIFY_STRUCTURE (PC/SC part 10, 2.5.2) for a PIV PIN: six to eight ASCII digits, padded with FF.
fn verify_structure(pin_reference: u8) -> Vec<u8> {
    let apdu = [0x00, VERIFY, 0x00, pin_reference, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    #[rustfmt::skip]
    let mut structure = vec![
        ENTRY_SECONDS, // bTimerOut
        ENTRY_SECONDS, // bTimerOut2, after the first key
        0x82,          // bmFormatString: bytes, no offset, left-justified, ASCII
        0x08,          // bmPINBlockString: eight bytes, no length field
        0x00,          // bmPINLengthFormat: no length field
        8, 6,          // wPINMaxExtraDigit, little-endian: at least six, at most eight
        0x02,          // bEntryValidationCondition: the person presses the key that confirms
        0x01,          // bNumberMessage: one message
        0x09, 0x04,    // wLangId: English
        0x00,          // bMsgIndex
        0, 0, 0,       // bTeoPrologue: T=1 only
    ];
    structure.extend((apdu.len() as u32).to_le_bytes());
    structure.extend(apdu);
    structure
}
