//! Verifies one P-256 signature so many times: what callgrind counts between two runs is the price of the bare
//! verifications.
//!
//! usage: verifications COUNT

use countersign_common::{PublicKey, SignatureAlgorithm};
use countersign_testpki::Key;

fn main() {
    let count: u32 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1);
    let key = Key::p256("benchmark");
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let signature = key.sign(algorithm, b"message");
    let public = PublicKey::from_spki(&key.spki()).expect("a key");
    for _ in 0..count {
        public.verify(algorithm, b"message", &signature).expect("a signature");
    }
}
