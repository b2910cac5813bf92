//! One command, one answer: chaining, GET RESPONSE, corrected lengths, time limit and trace.

use std::time::Instant;

use crate::apdu::{Apdu, Command, StatusWord};
use crate::error::Error;
use crate::trace::{Recorder, TraceEvent};
use crate::transport::{Transport, TransportError};

/// The longest answer taken from a card, in bytes. SP 800-73 part 1, table 10 has certificates of some 2 KiB; cards
/// with long chains of attributes go to 4.
pub(crate) const MAX_REPLY: usize = 16 * 1024;

pub(crate) struct Channel<T> {
    pub(crate) transport: T,
    /// The most data bytes of an extended APDU; `None` for short ones only.
    pub(crate) extended: Option<usize>,
    pub(crate) recorder: Option<Recorder>,
}

pub(crate) struct Reply {
    pub(crate) data: Vec<u8>,
    pub(crate) status: StatusWord,
}

impl<T: Transport> Channel<T> {
    /// Sends a command and returns its whole answer, whatever its status word.
    pub(crate) fn exchange(&mut self, command: &Command) -> Result<Reply, Error> {
        let mut apdus = 0;
        let outcome = self.run(command, &mut apdus);
        if let Some(recorder) = &mut self.recorder {
            recorder(&TraceEvent {
                command: command.name(),
                text: format!("{command:?}"),
                apdus,
                status: outcome.as_ref().ok().map(|reply| reply.status),
                reply_length: outcome.as_ref().map_or(0, |reply| reply.data.len()),
            });
        }
        outcome
    }

    fn run(&mut self, command: &Command, apdus: &mut u32) -> Result<Reply, Error> {
        let started = Instant::now();
        let mut send = |apdu: &Apdu| {
            let spent = TransportError::CardUnresponsive { limit: command.limit() };
            let left = command.limit().checked_sub(started.elapsed()).ok_or(spent)?;
            *apdus += 1;
            let mut data = self.transport.transmit(&apdu.bytes, left)?;
            let Some(&[high, low]) = data.last_chunk() else {
                return Err(Error::MalformedReply { command: command.name(), what: "status word missing" });
            };
            data.truncate(data.len() - 2);
            Ok((data, u16::from_be_bytes([high, low])))
        };
        // Sends once more with the expected length that the card asks for: it has executed nothing yet.
        let mut send_corrected = |apdu: &Apdu| match send(apdu)? {
            (data, word @ 0x6C00..=0x6CFF) => match apdu.expecting(word as u8) {
                Some(corrected) => send(&corrected),
                None => Ok((data, word)),
            },
            answer => Ok(answer),
        };

        let mut answer = (Vec::new(), StatusWord::SUCCESS.0);
        for apdu in command.apdus(self.extended) {
            // A card may refuse a chain at any link.
            if answer.1 != StatusWord::SUCCESS.0 {
                break;
            }
            answer = send_corrected(&apdu)?;
        }
        let (mut data, mut word) = answer;
        let mut first = true;
        while let 0x6100..=0x61FF = word {
            let (part, next) = send_corrected(&Apdu::get_response(word as u8))?;
            if part.is_empty() && (next & 0xFF00) == 0x6100 && !first {
                return Err(Error::MalformedReply { command: command.name(), what: "more data announced, none sent" });
            }
            first = false;
            data.extend(part);
            word = next;
            if data.len() > MAX_REPLY {
                break;
            }
        }
        if data.len() > MAX_REPLY {
            return Err(Error::ReplyTooLarge { command: command.name(), limit: MAX_REPLY });
        }
        Ok(Reply { data, status: StatusWord(word) })
    }
}
