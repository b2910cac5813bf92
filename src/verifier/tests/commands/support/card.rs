//! A PIV card in memory, readers for it, and somebody at the terminal.

use super::pki::Identity;
use countersign_card::{ExtendedLength, OnEnd, Reader, ReaderState, Transport, TransportError};
use countersign_verifier::{Cards, Connection, Person};
use std::{cell::RefCell, collections::VecDeque, io, rc::Rc, time::Duration};
use zeroize::Zeroizing;

/// What a card has, and what happened to it.
pub(crate) struct Card {
    pub(crate) present: bool,
    pub(crate) piv: bool,
    pub(crate) signature: Option<Rc<Identity>>,
    pub(crate) authentication: Option<Rc<Identity>>,
    /// Signs instead of the key that the certificates name.
    pub(crate) other_key: Option<Rc<Identity>>,
    pub(crate) pin: String,
    pub(crate) tries: u8,
    /// Happens at the command of this name, before the card sees it.
    pub(crate) fault: Option<(&'static str, TransportError)>,
    /// How many looks at the readers it takes until the card is in.
    pub(crate) late: u32,
    pub(crate) no_service: bool,
    /// Names of the commands, links of a chain once.
    pub(crate) log: Vec<&'static str>,
    /// Whether somebody has the card for himself.
    pub(crate) taken: bool,
    verified: bool,
    chained: Vec<u8>,
}

/// A handle that tests and the commands share.
#[derive(Clone)]
pub(crate) struct Slotted(pub(crate) Rc<RefCell<Card>>);

pub(crate) const READER: &str = "Test Reader 00 00";

impl Slotted {
    pub(crate) fn holding(identity: Identity) -> Self {
        Self(Rc::new(RefCell::new(Card {
            present: true,
            piv: true,
            signature: Some(Rc::new(identity)),
            authentication: None,
            other_key: None,
            pin: "123456".to_owned(),
            tries: 3,
            fault: None,
            late: 0,
            no_service: false,
            log: Vec::new(),
            taken: false,
            verified: false,
            chained: Vec::new(),
        })))
    }

    pub(crate) fn with(self, change: impl FnOnce(&mut Card)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    pub(crate) fn log(&self) -> Vec<&'static str> {
        self.0.borrow().log.clone()
    }

    pub(crate) fn tries(&self) -> u8 {
        self.0.borrow().tries
    }
}

impl Cards for Slotted {
    fn readers(&self) -> Result<Vec<Reader>, TransportError> {
        let card = self.0.borrow();
        if card.no_service {
            return Err(TransportError::NoService);
        }
        let state = if card.present {
            ReaderState::Card { atr: vec![0x3b, 0x80], exclusive: false }
        } else {
            ReaderState::Empty
        };
        Ok(vec![Reader { name: READER.to_owned(), state }])
    }

    fn wait(&self, reader: Option<&str>, timeout: Duration) -> Result<Reader, TransportError> {
        if let Some(name) = reader.filter(|name| !READER.contains(name)) {
            return Err(TransportError::ReaderUnknown { name: name.to_owned() });
        }
        {
            let mut card = self.0.borrow_mut();
            if !card.present && card.late > 0 && !timeout.is_zero() {
                card.present = true;
            }
            if !card.no_service && !card.present {
                return Err(TransportError::NoCard);
            }
        }
        Ok(self.readers()?.remove(0))
    }

    fn connect(&self, reader: &str) -> Result<Connection, TransportError> {
        assert_eq!(reader, READER);
        Ok(Connection(Box::new(self.clone())))
    }
}

impl Transport for Slotted {
    fn transmit(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        self.0.borrow_mut().answer(command)
    }

    fn control(&mut self, _: u32, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::Pcsc { code: 1, text: "no such feature".to_owned() })
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        let mut card = self.0.borrow_mut();
        if !card.present {
            return Err(TransportError::CardRemoved);
        }
        card.taken = true;
        Ok(())
    }

    fn end(&mut self, on_end: OnEnd) -> Result<(), TransportError> {
        let mut card = self.0.borrow_mut();
        card.taken = false;
        if on_end == OnEnd::ResetCard {
            card.verified = false;
        }
        Ok(())
    }

    fn extended_length(&self) -> ExtendedLength {
        ExtendedLength::Impossible
    }
}

impl Card {
    fn answer(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let &[class, instruction, p1, p2, ref rest @ ..] = command else { panic!("a short command") };
        let data = match rest {
            [] | [_] => &[][..],
            [length, data @ ..] => &data[..usize::from(*length)],
        };
        let name = match (instruction, data.is_empty()) {
            (0xa4, _) => "SELECT",
            (0xcb, _) => "GET DATA",
            (0x20, true) => "PIN STATUS",
            (0x20, false) => "VERIFY",
            (0x87, _) => "GENERAL AUTHENTICATE",
            _ => "another command",
        };
        if self.chained.is_empty() {
            self.log.push(name);
        }
        assert!(self.taken, "{name} to a card that was not taken");
        if self.fault.as_ref().is_some_and(|(at, _)| *at == name) {
            return Err(self.fault.take().unwrap().1);
        }
        if !self.present {
            return Err(TransportError::CardRemoved);
        }
        self.chained.extend(data);
        if class == 0x10 {
            return Ok(vec![0x90, 0]);
        }
        let data = std::mem::take(&mut self.chained);
        Ok(match name {
            "SELECT" if self.piv => {
                self.verified = false;
                hex("6111 4F06000010000100 7907 4F05A000000308 9000")
            }
            "SELECT" => hex("6A82"),
            "GET DATA" => self.certificate(&data),
            "PIN STATUS" if self.tries == 0 => hex("6983"),
            "PIN STATUS" => vec![0x63, 0xc0 | self.tries],
            "VERIFY" => self.verify(&data),
            "GENERAL AUTHENTICATE" => self.sign(p1, p2, &data),
            _ => hex("6D00"),
        })
    }

    fn certificate(&self, query: &[u8]) -> Vec<u8> {
        let identity = match query {
            [.., 0x0a] => &self.signature,
            [.., 0x05] => &self.authentication,
            _ => &None,
        };
        let Some(identity) = identity else { return hex("6A82") };
        let content = [tlv(0x70, &identity.certificate), hex("7101 00 FE00")].concat();
        [tlv(0x53, &content), hex("9000")].concat()
    }

    fn verify(&mut self, pin: &[u8]) -> Vec<u8> {
        if self.tries == 0 {
            return hex("6983");
        }
        let mut right = self.pin.clone().into_bytes();
        right.resize(8, 0xff);
        if pin == right {
            self.tries = 3;
            self.verified = true;
            return hex("9000");
        }
        self.tries -= 1;
        if self.tries == 0 { hex("6983") } else { vec![0x63, 0xc0 | self.tries] }
    }

    fn sign(&mut self, algorithm: u8, slot: u8, template: &[u8]) -> Vec<u8> {
        let identity = if slot == 0x9c { &self.signature } else { &self.authentication };
        let Some(identity) = self.other_key.as_ref().or(identity.as_ref()) else { return hex("6A88") };
        if !self.verified {
            return hex("6982");
        }
        let digest = match algorithm {
            0x11 => &template[template.len() - 32..],
            0x14 => &template[template.len() - 48..],
            _ => {
                // A card signs whatever block it is given; this one looks whether it is RFC 8017's.
                let block = &template[template.len() - 256..];
                assert_eq!(block[..3], [0, 1, 0xff]);
                assert_eq!(block[256 - 52..256 - 49], [0, 0x30, 0x31]);
                &block[256 - 32..]
            }
        };
        let signature = tlv(0x82, &identity.key.sign(digest));
        [tlv(0x7c, &signature), hex("9000")].concat()
    }
}

/// Somebody who answers what a test wants.
pub(crate) struct Answers {
    pub(crate) there: bool,
    pub(crate) answers: VecDeque<String>,
    pub(crate) heard: String,
    /// Happens while the PIN is typed.
    pub(crate) meanwhile: Option<Box<dyn FnOnce()>>,
}

impl Answers {
    pub(crate) fn nobody() -> Self {
        Self { there: false, answers: VecDeque::new(), heard: String::new(), meanwhile: None }
    }

    pub(crate) fn with(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Self { there: true, answers, heard: String::new(), meanwhile: None }
    }
}

impl Person for Answers {
    fn is_there(&self) -> bool {
        self.there
    }

    fn tell(&mut self, text: &str) -> io::Result<()> {
        assert!(self.there, "nobody to tell: {text}");
        self.heard.push_str(text);
        Ok(())
    }

    fn ask(&mut self, question: &str) -> io::Result<String> {
        self.tell(question)?;
        self.tell("\n")?;
        self.answers.pop_front().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn ask_secret(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        self.ask(question).map(Zeroizing::new)
    }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    [&[tag, 0x82, (length >> 8) as u8, length as u8][..], value].concat()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
