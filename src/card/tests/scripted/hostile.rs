//! Cards that answer anything at all: whatever they say, the session returns, and never panics.

use std::time::Duration;

use countersign_card::{
    Algorithm, ExtendedLength, LastTry, ManagementKey, OnEnd, Options, Pin, Piv, Slot, Transport, TransportError,
};

use crate::script::{SELECTED, certificate, certificate_object, hex};

/// A small generator with a fixed seed (xorshift64*), so that a failure can be played again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

struct Noise {
    random: Random,
    /// Answers that are right for some command, to be damaged.
    seeds: Vec<Vec<u8>>,
}

impl Noise {
    fn reply(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut reply = match random.below(4) {
            0 => {
                let length = random.below(40);
                random.bytes(length)
            }
            1 => self.seeds[random.below(self.seeds.len())].clone(),
            _ => {
                let mut seed = self.seeds[random.below(self.seeds.len())].clone();
                for _ in 0..=random.below(3) {
                    let at = random.below(seed.len());
                    // Lengths and tags stand at the front.
                    let at = if random.below(2) == 0 { at } else { at % 12 };
                    match random.below(3) {
                        0 => seed[at] = random.next() as u8,
                        1 => seed.truncate(at.max(1)),
                        _ => seed.insert(at, random.next() as u8),
                    }
                }
                seed
            }
        };
        match random.below(8) {
            0 => reply.extend([0x61, random.next() as u8]),
            1 => reply.extend([0x6C, random.next() as u8]),
            2 => reply.extend([0x63, 0xC0 | random.below(16) as u8]),
            3 => {}
            _ => reply.extend([0x90, 0x00]),
        }
        reply
    }
}

impl Transport for Noise {
    fn transmit(&mut self, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        if self.random.below(50) == 0 { Err(TransportError::CardReset) } else { Ok(self.reply()) }
    }

    fn control(&mut self, _: u32, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
        Ok(self.reply())
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn end(&mut self, _: OnEnd) -> Result<(), TransportError> {
        Ok(())
    }

    fn extended_length(&self) -> ExtendedLength {
        ExtendedLength::Unstated
    }
}

#[test]
fn nothing_that_a_card_says_causes_a_panic() {
    let selected = hex(SELECTED);
    let seeds = vec![
        selected[..selected.len() - 2].to_vec(),
        certificate_object(&certificate(300, 7)),
        hex("7C0A 8208 3006020101020101"),
        hex("7C0A 8008 0001020304050607"),
        hex("7E12 4F0BA000000308000010000100 5F2F026020"),
        hex("010103"),
        hex("0604 42330006"),
        hex(&format!("7F49438641 04{}", "A1".repeat(64))),
        hex(&format!("7F4982010981820100{}8203010001", "C5".repeat(256))),
        hex(&format!("6108 4F06000010000100 7F6608020208000202{}", "1000")),
        hex(
            "533B 3019 D4E739DA739CED39CE739D836858210842108421C84210C3EB 3410 000102030405060708090A0B0C0D0E0F 3508 3230333030313031 3E00 FE00",
        ),
        // A compressed certificate of sorts.
        hex("530F 7008 1F8B080000000000 710101 FE00"),
    ];
    let pin = Pin::new("123456").expect("a PIN");
    let key = ManagementKey::from_hex(&"0102030405060708".repeat(3)).expect("a key");
    let mut sessions = 0;
    for seed in 1..=20_000 {
        let noise = Noise { random: Random(seed), seeds: seeds.clone() };
        let Ok(mut piv) = Piv::select(noise, Options::default()) else {
            continue;
        };
        sessions += 1;
        // Only that they return counts here.
        let _ = piv.certificate(Slot::Signature);
        let _ = piv.chuid();
        let _ = piv.pin_policy();
        let _ = piv.pin_status();
        let _ = piv.verify_pin(&pin, LastTry::Keep);
        let _ = piv.verify_pin_on_pad(LastTry::Spend);
        let _ = piv.sign(Slot::Signature, Algorithm::P256, &[0; 32]);
        let _ = piv.sign(Slot::Authentication, Algorithm::Rsa2048, &[0; 256]);
        let _ = piv.authenticate_management(&key, [7; 16]);
        let _ = piv.generate_key(Slot::Signature, Algorithm::P256);
        let _ = piv.generate_key(Slot::Signature, Algorithm::Rsa2048);
        let _ = piv.put_certificate(Slot::Signature, &[0; 600]);
        let _ = piv.release();
        let _ = piv.resume();
    }
    assert!(sessions > 500, "only {sessions} sessions began");
}
