//! Signs and verifies so many times on all cores: beside it stands what a token costs in a batch.
//!
//! usage: signing p256|rsa-2048|rsa-3072 COUNT [fsync FOLDER]
//!
//! Prints the seconds that it took. With `fsync` each pair is followed by one append to a file that is made durable, by
//! one thread: what one token alone cannot do without.

use countersign_common::PublicKey;
use countersign_testpki::Key;
use rsa::{Pkcs1v15Sign, rand_core};
use sha2::{Digest as _, Sha256};
use signature::hazmat::PrehashSigner as _;
use std::{convert::Infallible, fs::OpenOptions, io::Write as _, path::Path, thread, time::Instant};

/// The system's generator, as the authority has it: RSA is blinded with it.
struct SystemRandom;

impl rand_core::TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(getrandom::u32().expect("random numbers"))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(getrandom::u64().expect("random numbers"))
    }

    #[expect(clippy::disallowed_methods, reason = "what it measures draws from the same")]
    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        getrandom::fill(octets).expect("random numbers");
        Ok(())
    }
}

impl rand_core::TryCryptoRng for SystemRandom {}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [algorithm, count, rest @ ..] = &arguments[..] else { panic!("signing ALGORITHM COUNT [fsync FOLDER]") };
    let key = match &algorithm[..] {
        "p256" => Key::p256("benchmark"),
        "rsa-2048" => Key::rsa_of_size("benchmark", 2_048),
        "rsa-3072" => Key::rsa_of_size("benchmark", 3_072),
        other => panic!("{other}: p256, rsa-2048 or rsa-3072"),
    };
    let count: usize = count.parse().expect("a number");
    let public = PublicKey::from_spki(&key.spki()).expect("a key");
    let started = Instant::now();
    match rest {
        [] => {
            let threads = thread::available_parallelism().map_or(1, usize::from);
            thread::scope(|scope| {
                for thread in 0..threads {
                    let (key, public) = (&key, &public);
                    scope.spawn(move || (thread..count).step_by(threads).for_each(|number| both(key, public, number)));
                }
            });
        }
        [mode, folder] if mode == "fsync" => {
            let mut file =
                OpenOptions::new().create(true).append(true).open(Path::new(folder).join("appended")).expect("a file");
            for number in 0..count {
                both(&key, &public, number);
                file.write_all(&[0; 4_096]).and_then(|()| file.sync_data()).expect("a durable write");
            }
        }
        _ => panic!("signing ALGORITHM COUNT [fsync FOLDER]"),
    }
    println!("{}", started.elapsed().as_secs_f64());
}

fn both(key: &Key, public: &PublicKey, number: usize) {
    let message = number.to_be_bytes();
    let digest = Sha256::digest(message);
    let signature = match key {
        Key::P256(key) => {
            let signature: p256::ecdsa::DerSignature = key.sign_prehash(&digest).expect("a signature");
            signature.as_bytes().to_vec()
        }
        Key::Rsa(key) => {
            key.sign_with_rng(&mut SystemRandom, Pkcs1v15Sign::new::<Sha256>(), &digest).expect("a signature")
        }
        _ => unreachable!("main makes no other"),
    };
    public.verify(key.algorithm(), &message, &signature).expect("a signature that verifies");
}
