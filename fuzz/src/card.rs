//! A session with a card that answers whatever it likes.
//!
//! Input: eight octets that say what the session does, then the card's replies, each with its length in front
//! ([`Replies::next`]). A card that has used up its replies begins again, and so never stops talking.

use crate::draw::Draw;
use core::{cell::RefCell, time::Duration};
use countersign_card::{
    Algorithm, Error, ExtendedLength, LastTry, ManagementKey, OnEnd, Options, Pin, Piv, Slot, TraceEvent, Transport,
    TransportError,
};
use std::{
    rc::Rc,
    sync::{Arc, Mutex},
};

const PIN: &str = "73519284";
const MANAGEMENT_KEY: &str = "c9a1f3055be27d4486103a9d7c5ef28be3940b17a6d25c80";
/// The most APDUs of one command: an answer of 16 KiB in parts of one octet, each asked for twice, and a chain.
const MOST_APDUS: u32 = 2 * (16 * 1024 + 64);
/// The most commands of one call: four that look for the management key, each repeated after a reset with two before it.
const MOST_COMMANDS: usize = 16;
/// The longest certificate that is expanded.
const MOST_EXPANDED: usize = 64 * 1024;

/// Runs a session.
pub fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let setting = draw.octet();
    let calls = draw.octets(7);
    let replies = Rc::new(RefCell::new(Replies::new(draw.rest())));
    let extended = [ExtendedLength::Impossible, ExtendedLength::Offered, ExtendedLength::Unstated];
    let transport = Hostile {
        replies: Rc::clone(&replies),
        extended: extended[usize::from(setting >> 1) % 3],
        pins_sent: Rc::default(),
        pin_accepted: false,
    };
    let pins_sent = Rc::clone(&transport.pins_sent);
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let recorder = move |event: &TraceEvent| heard.lock().expect("one thread").push(event.clone());
    let options = Options { force_short: setting & 1 == 1, recorder: Some(Box::new(recorder)) };
    let check = |outcome: Result<(), Error>| {
        let heard = core::mem::take(&mut *events.lock().expect("one thread"));
        assert!(heard.len() <= MOST_COMMANDS, "{} commands in one call", heard.len());
        for event in heard {
            assert!(event.apdus <= MOST_APDUS, "{} APDUs in one command", event.apdus);
            assert!(event.reply_length <= 16 * 1024, "an answer of {} octets", event.reply_length);
            conceals(&event.text);
        }
        if let Err(error) = outcome {
            conceals(&format!("{error} {error:?} {}", error.code()));
        }
        assert!(pins_sent.take() <= 1, "the PIN was sent twice");
    };
    let mut piv = match Piv::select(transport, options) {
        Ok(piv) => piv,
        Err(error) => return check(Err(error)),
    };
    check(Ok(()));
    for step in calls {
        check(call(&mut piv, *step));
    }
    drop(piv);
    check(Ok(()));
}

/// One call, by the number of a step.
fn call(piv: &mut Piv<Hostile>, step: u8) -> Result<(), Error> {
    let slot = if step & 0x10 == 0 { Slot::Signature } else { Slot::Authentication };
    let last_try = if step & 0x20 == 0 { LastTry::Keep } else { LastTry::Spend };
    let algorithms = [Algorithm::P256, Algorithm::P384, Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::Rsa4096];
    let algorithm = algorithms[usize::from(step >> 5) % algorithms.len()];
    match step & 0xf {
        0 | 1 => {
            if let Some(certificate) = piv.certificate(slot)? {
                assert!((1..=MOST_EXPANDED).contains(&certificate.len()));
            }
        }
        2 => drop(piv.chuid()?),
        3 => drop(piv.pin_policy()?),
        4 => drop(piv.pin_status()?),
        5 | 6 => {
            let pin = Pin::new(PIN)?;
            conceals(&format!("{pin:?}"));
            piv.verify_pin(&pin, last_try)?;
        }
        7 => drop(piv.has_pin_pad()?),
        8 => piv.verify_pin_on_pad(last_try)?,
        9 | 10 => {
            let signature = piv.sign(slot, algorithm, &vec![0x5a; algorithm.input_length()])?;
            assert!(signature.len() <= algorithm.input_length().max(2 * 48 + 9));
        }
        11 => {
            let key = ManagementKey::from_hex(MANAGEMENT_KEY)?;
            conceals(&format!("{key:?}"));
            piv.authenticate_management(&key, [0xa5; 16])?;
        }
        12 => assert_eq!(piv.generate_key(slot, algorithm)?.algorithm(), algorithm),
        13 => piv.put_certificate(slot, &[0x30; 700])?,
        14 => piv.release()?,
        _ => piv.resume()?,
    }
    Ok(())
}

/// Neither PIN nor management key stand in a text, in digits or in hexadecimal.
fn conceals(text: &str) {
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let hexadecimal: String = PIN.bytes().map(|digit| format!("{digit:02X}")).collect();
    for secret in [PIN, &hexadecimal, MANAGEMENT_KEY, &MANAGEMENT_KEY.to_uppercase()] {
        assert!(!text.contains(secret), "a secret shows");
    }
}

/// A card, and a reader with a PIN pad, that say what the input says.
struct Hostile {
    replies: Rc<RefCell<Replies>>,
    extended: ExtendedLength,
    /// PINs sent since somebody looked.
    pins_sent: Rc<core::cell::Cell<usize>>,
    /// Whether the card took the PIN and was not reset since.
    pin_accepted: bool,
}

impl Transport for Hostile {
    fn transmit(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        assert!((4..=65_544).contains(&command.len()));
        let is_verify = command[1] == 0x20 && command.len() > 5;
        let carries_pin = command.windows(PIN.len()).any(|window| window == PIN.as_bytes());
        assert_eq!(is_verify, carries_pin, "the PIN goes into VERIFY, and into nothing else");
        let reply = self.replies.borrow_mut().next();
        // A card that was reset, or is gone, has forgotten the PIN.
        self.pin_accepted &= !matches!(reply, Err(TransportError::CardReset | TransportError::CardRemoved));
        let reply = reply?;
        if is_verify {
            self.pins_sent.set(self.pins_sent.get() + 1);
            self.pin_accepted |= reply == [0x90, 0x00];
        }
        Ok(reply)
    }

    fn control(&mut self, _: u32, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        self.replies.borrow_mut().next()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError> {
        assert!(!self.pin_accepted || on_end == OnEnd::ResetCard, "another program would inherit the PIN");
        self.pin_accepted = false;
        Ok(())
    }

    fn extended_length(&self) -> ExtendedLength {
        self.extended
    }
}

struct Replies {
    all: Vec<Result<Vec<u8>, TransportError>>,
    at: usize,
}

impl Replies {
    fn new(octets: &[u8]) -> Self {
        let mut draw = Draw::new(octets);
        let mut all = Vec::new();
        while !draw.is_empty() {
            all.push(match draw.octet() {
                0xf0 => Err(TransportError::CardReset),
                0xf1 => Err(TransportError::CardRemoved),
                0xf2 => Err(TransportError::CardUnresponsive { limit: Duration::from_secs(10) }),
                0xff => {
                    let length = draw.short();
                    Ok(draw.octets(length.into()).to_vec())
                }
                length => Ok(draw.octets(length.into()).to_vec()),
            });
        }
        Self { all, at: 0 }
    }

    /// The next reply: octets after one of length, or after FF and two of length; F0 to F2 are faults.
    fn next(&mut self) -> Result<Vec<u8>, TransportError> {
        let reply = self.all.get(self.at % self.all.len().max(1)).cloned();
        self.at += 1;
        reply.unwrap_or(Err(TransportError::CardRemoved))
    }
}
