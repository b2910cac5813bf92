//! A card that follows a script: it panics on any other command, and on a script that was not played to its end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_card::{Error, ExtendedLength, OnEnd, Options, Piv, TraceEvent, Transport, TransportError};

pub(crate) const SELECT: &str = "00A4040009 A00000030800001000 00";
pub(crate) const SELECTED: &str = "6111 4F06000010000100 7907 4F05A000000308 9000";
pub(crate) const READ_9A: &str = "00CB3FFF05 5C035FC105 00";
pub(crate) const READ_9C: &str = "00CB3FFF05 5C035FC10A 00";
pub(crate) const PIN_STATUS: &str = "00200080";
pub(crate) const VERIFY_123456: &str = "0020008008 313233343536FFFF";

type Reply = Box<dyn FnOnce(&[u8]) -> Result<Vec<u8>, TransportError>>;

enum Step {
    Begin(Result<(), TransportError>),
    Control {
        code: u32,
        data: Vec<u8>,
        reply: Result<Vec<u8>, TransportError>,
    },
    End(OnEnd),
    /// The command, or only how it begins.
    Transmit {
        command: Vec<u8>,
        whole: bool,
        reply: Reply,
    },
}

pub(crate) struct Script {
    steps: VecDeque<Step>,
    extended: ExtendedLength,
}

impl Script {
    /// A card that is taken and selected.
    pub(crate) fn selected() -> Self {
        Self::empty().begin(Ok(())).on(SELECT, SELECTED)
    }

    pub(crate) fn empty() -> Self {
        Self { steps: VecDeque::new(), extended: ExtendedLength::Unstated }
    }

    pub(crate) fn extended(mut self, extended: ExtendedLength) -> Self {
        self.extended = extended;
        self
    }

    pub(crate) fn begin(self, outcome: Result<(), TransportError>) -> Self {
        self.step(Step::Begin(outcome))
    }

    pub(crate) fn end(self, on_end: OnEnd) -> Self {
        self.step(Step::End(on_end))
    }

    pub(crate) fn on(self, command: &str, reply: &str) -> Self {
        let reply = hex(reply);
        self.compute(command, true, move |_| Ok(reply))
    }

    pub(crate) fn fault(self, command: &str, error: TransportError) -> Self {
        self.compute(command, true, move |_| Err(error))
    }

    /// A reply that depends on the command, of which only the beginning is known if `whole` is false.
    pub(crate) fn compute(
        self,
        command: &str,
        whole: bool,
        reply: impl FnOnce(&[u8]) -> Result<Vec<u8>, TransportError> + 'static,
    ) -> Self {
        self.step(Step::Transmit { command: hex(command), whole, reply: Box::new(reply) })
    }

    pub(crate) fn control(self, code: u32, data: &str, reply: Result<&str, TransportError>) -> Self {
        self.step(Step::Control { code, data: hex(data), reply: reply.map(hex) })
    }

    /// The session on this card; it ends by giving the card back untouched.
    pub(crate) fn open(self) -> Piv<Self> {
        self.open_with(OnEnd::LeaveCard)
    }

    /// The session on this card, with how it ends.
    pub(crate) fn open_with(self, on_end: OnEnd) -> Piv<Self> {
        Piv::select(self.end(on_end), Options::default()).expect("the card is selected")
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push_back(step);
        self
    }

    fn next(&mut self, what: &str) -> Step {
        self.steps.pop_front().unwrap_or_else(|| panic!("{what} after the end of the script"))
    }
}

impl Transport for Script {
    fn transmit(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        match self.next("a command") {
            Step::Transmit { command: expected, whole, reply } => {
                let compared = if whole { command } else { &command[..expected.len().min(command.len())] };
                assert_eq!(show(compared), show(&expected));
                reply(command)
            }
            _ => panic!("unexpected command {}", show(command)),
        }
    }

    fn control(&mut self, sent: u32, sent_data: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        match self.next("a control") {
            Step::Control { code, data, reply } => {
                assert_eq!((sent, show(sent_data)), (code, show(&data)));
                reply
            }
            _ => panic!("unexpected control {sent:X}"),
        }
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        match self.next("begin") {
            Step::Begin(outcome) => outcome,
            _ => panic!("unexpected begin"),
        }
    }

    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError> {
        if std::thread::panicking() {
            return Ok(());
        }
        match self.next("end") {
            Step::End(expected) => assert_eq!(on_end, expected),
            _ => panic!("unexpected end"),
        }
        Ok(())
    }

    fn extended_length(&self) -> ExtendedLength {
        self.extended
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.steps.is_empty(), "{} steps of the script were not played", self.steps.len());
        }
    }
}

/// A recorder and what it has heard.
pub(crate) fn recording() -> (Options, Arc<Mutex<Vec<TraceEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let recorder = move |event: &TraceEvent| heard.lock().expect("no panic").push(event.clone());
    (Options { recorder: Some(Box::new(recorder)), ..Options::default() }, events)
}

/// The code of what must have been refused.
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.expect_err("a refusal").code()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A stand-in for a certificate: a SEQUENCE of `length` bytes in all.
pub(crate) fn certificate(length: usize, filler: u8) -> Vec<u8> {
    let content = length - 4;
    [&[0x30, 0x82, (content >> 8) as u8, content as u8][..], &vec![filler; content]].concat()
}

/// The certificate object that holds it.
pub(crate) fn certificate_object(certificate: &[u8]) -> Vec<u8> {
    let (length, outer) = (certificate.len(), certificate.len() + 9);
    let header = [0x53, 0x82, (outer >> 8) as u8, outer as u8, 0x70, 0x82, (length >> 8) as u8, length as u8];
    [&header[..], certificate, &[0x71, 1, 0, 0xFE, 0]].concat()
}

/// An answer in one piece.
pub(crate) fn answer(data: &[u8]) -> String {
    show(data) + "9000"
}
