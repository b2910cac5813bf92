//! A card in memory, for what the virtual card cannot do: attest its keys, lie about them, and leave at any command, before
//! or after it has done what the command says.

use crate::{
    args::KeyAlgorithm,
    cards::maker::{Maker, Statement},
    keys::{FileKey, SigningKey as _},
};
use countersign_card::{ExtendedLength, OnEnd, Options, Piv, Transport, TransportError};
use des::{
    TdesEde3,
    cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

const SUCCESS: [u8; 2] = [0x90, 0x00];

/// What a card keeps when it is taken out.
pub(super) struct Memory {
    pub(super) pin: [u8; 8],
    pub(super) puk: [u8; 8],
    pub(super) management_key: Vec<u8>,
    /// Data objects by their tag.
    pub(super) objects: BTreeMap<Vec<u8>, Vec<u8>>,
    keys: BTreeMap<u8, FileKey>,
    tries: u8,
    /// Who made it, where it attests.
    pub(super) maker: Option<Maker>,
    /// The PIN policy that it attests.
    pub(super) pin_policy: u8,
    /// Signs with another key than the one that it announced.
    pub(super) forges: bool,
}

impl Memory {
    /// As delivered.
    pub(super) fn new() -> Rc<RefCell<Self>> {
        let default = [1, 2, 3, 4, 5, 6, 7, 8].repeat(3);
        Rc::new(RefCell::new(Self {
            pin: *b"123456\xff\xff",
            puk: *b"12345678",
            management_key: default,
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            tries: 3,
            maker: None,
            pin_policy: 3,
            forges: false,
        }))
    }

    /// By somebody whose cards attest.
    pub(super) fn attesting(maker: Maker) -> Rc<RefCell<Self>> {
        let memory = Self::new();
        let certificate = object(0x53, &[object(0x70, &maker.device.certificate), vec![0x71, 1, 0, 0xfe, 0]].concat());
        memory.borrow_mut().objects.insert(vec![0x5f, 0xff, 0x01], certificate);
        memory.borrow_mut().maker = Some(maker);
        memory
    }
}

/// When a card leaves the reader.
#[derive(Clone, Copy)]
pub(super) struct Leaves {
    /// At which command, counted from 0.
    pub(super) at: usize,
    /// Whether it has done by then what the command says.
    pub(super) after: bool,
}

/// A card in a reader.
pub(super) struct SoftCard {
    memory: Rc<RefCell<Memory>>,
    leaves: Option<Leaves>,
    commands: usize,
    /// What came of a chained command so far.
    chained: Vec<u8>,
    verified: bool,
    managed: bool,
}

/// Puts it in.
pub(super) fn insert(memory: &Rc<RefCell<Memory>>, leaves: Option<Leaves>) -> Piv<SoftCard> {
    let memory = Rc::clone(memory);
    let (chained, verified, managed) = (Vec::new(), false, false);
    let card = SoftCard { memory, leaves, commands: 0, chained, verified, managed };
    Piv::select(card, Options::default()).unwrap()
}

impl Transport for SoftCard {
    fn transmit(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        let leaves = self.leaves.filter(|leaves| leaves.at <= self.commands);
        self.commands += 1;
        if leaves.is_some_and(|leaves| !leaves.after) {
            return Err(TransportError::CardRemoved);
        }
        let reply = self.answer(command);
        if leaves.is_some() { Err(TransportError::CardRemoved) } else { Ok(reply) }
    }

    fn control(&mut self, _: u32, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        Ok(Vec::new())
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: OnEnd) -> Result<(), TransportError> {
        Ok(())
    }

    fn extended_length(&self) -> ExtendedLength {
        ExtendedLength::Impossible
    }
}

impl SoftCard {
    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        let length = command.get(4).map_or(0, |length| usize::from(*length));
        self.chained.extend(command.get(5..5 + length).unwrap_or_default());
        if command[0] & 0x10 != 0 {
            return SUCCESS.to_vec();
        }
        let data = std::mem::take(&mut self.chained);
        let done = match command[1] {
            // The slot stands in P1, unlike with all other commands here.
            0xf9 => self.attest(command[2]).ok_or(0x6d00),
            instruction => self.execute(instruction, command[2], command[3], &data),
        };
        match done {
            Ok(reply) => [reply, SUCCESS.to_vec()].concat(),
            Err(word) => word.to_be_bytes().to_vec(),
        }
    }

    fn execute(&mut self, instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, u16> {
        let memory = Rc::clone(&self.memory);
        let mut memory = memory.borrow_mut();
        match instruction {
            0xa4 => Ok(b"\x61\x11\x4f\x06\x00\x00\x10\x00\x01\x00\x79\x07\x4f\x05\xa0\x00\x00\x03\x08".to_vec()),
            0xcb => memory.objects.get(&data[2..]).cloned().ok_or(0x6a82),
            0x20 if data.is_empty() => Err(0x63c0 | u16::from(memory.tries)),
            0x20 => {
                self.verified = memory.pin == data;
                memory.tries = if self.verified { 3 } else { memory.tries - 1 };
                if self.verified { Ok(Vec::new()) } else { Err(0x63c0 | u16::from(memory.tries)) }
            }
            0x24 => {
                let kept = if p2 == 0x81 { &mut memory.puk } else { &mut memory.pin };
                if kept != &data[..8] {
                    return Err(0x63c2);
                }
                kept.copy_from_slice(&data[8..]);
                Ok(Vec::new())
            }
            // Triple DES only.
            0x87 if p2 == 0x9b && p1 != 0x03 => Err(0x6a86),
            0x87 if p2 == 0x9b => self.manage(&memory, data),
            0x87 => {
                if !std::mem::take(&mut self.verified) {
                    return Err(0x6982);
                }
                let other = FileKey::generate(KeyAlgorithm::P256).unwrap();
                let key = memory.keys.get(&p2).filter(|_| !memory.forges).unwrap_or(&other);
                let signature = key.sign_input(&data[data.len() - 32..]).unwrap();
                Ok(object(0x7c, &object(0x82, &signature)))
            }
            0xdb | 0x47 | 0xff if !self.managed => Err(0x6982),
            0xdb => {
                memory.objects.insert(data[2..5].to_vec(), data[5..].to_vec());
                Ok(Vec::new())
            }
            0x47 => {
                let key = FileKey::generate(KeyAlgorithm::P256).unwrap();
                let point = key.spki()[key.spki().len() - 65..].to_vec();
                memory.keys.insert(p2, key);
                Ok([&[0x7f, 0x49, 67, 0x86, 65], &point[..]].concat())
            }
            0xff => {
                memory.management_key = data[3..].to_vec();
                Ok(Vec::new())
            }
            _ => Err(0x6d00),
        }
    }

    fn manage(&mut self, memory: &Memory, data: &[u8]) -> Result<Vec<u8>, u16> {
        let cipher = TdesEde3::new_from_slice(&memory.management_key).unwrap();
        let witness = [0x5c; 8];
        let mut expected = Array::try_from(&witness[..]).unwrap();
        if data == [0x7c, 2, 0x80, 0] {
            return Ok(object(0x7c, &object(0x80, &witness)));
        }
        cipher.decrypt_block(&mut expected);
        if data[4..12] != expected[..] {
            return Err(0x6982);
        }
        self.managed = true;
        let mut proof = Array::try_from(&data[14..22]).unwrap();
        cipher.encrypt_block(&mut proof);
        Ok(object(0x7c, &object(0x82, &proof)))
    }

    fn attest(&self, slot: u8) -> Option<Vec<u8>> {
        let memory = self.memory.borrow();
        let statement = Statement::new(&format!("{slot:02X}"), memory.pin_policy);
        Some(memory.maker.as_ref()?.attest(memory.keys.get(&slot)?.spki(), &statement))
    }
}

fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        length @ 0..=127 => vec![length as u8],
        length @ 128..=255 => vec![0x81, length as u8],
        length => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [&[tag][..], &length, value].concat()
}
