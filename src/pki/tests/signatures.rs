//! What a key verifies, by each algorithm, and which keys are refused.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    HashAlgorithm::{Sha256, Sha384, Sha512},
    PublicKey, SignatureAlgorithm, SignatureError,
};
use countersign_testpki::{Key, keys::ed25519_order_one};

fn keys() -> Vec<(Key, Vec<SignatureAlgorithm>)> {
    let hashes = [Sha256, Sha384, Sha512].into_iter();
    let rsa = hashes.clone().map(SignatureAlgorithm::RsaPkcs1).chain(hashes.map(SignatureAlgorithm::RsaPss));
    vec![
        (Key::ed25519("signatures"), vec![SignatureAlgorithm::Ed25519]),
        (Key::p256("signatures"), vec![SignatureAlgorithm::EcdsaP256Sha256]),
        (Key::p384("signatures"), vec![SignatureAlgorithm::EcdsaP384Sha384]),
        (Key::rsa_2048(), rsa.collect()),
    ]
}

#[test]
fn each_key_verifies_its_own_algorithms_and_no_other() {
    let every: Vec<_> = keys().into_iter().flat_map(|(_, algorithms)| algorithms).collect();
    for (key, algorithms) in keys() {
        let public = PublicKey::from_spki(&key.spki()).unwrap();
        for algorithm in &every {
            let signature = key.sign(*algorithm, b"message");
            let digest = algorithm.hash().digest(b"message");
            let of_message = public.verify(*algorithm, b"message", &signature);
            let of_digest = public.verify_digest(*algorithm, digest.as_ref(), &signature);
            if !algorithms.contains(algorithm) {
                assert_eq!([of_message, of_digest], [Err(SignatureError::WrongKind); 2]);
                continue;
            }
            assert_eq!(of_message, Ok(()), "{algorithm:?}");
            assert_eq!(public.verify(*algorithm, b"massage", &signature), Err(SignatureError::Invalid));
            if *algorithm == SignatureAlgorithm::Ed25519 {
                assert_eq!(of_digest, Err(SignatureError::NeedsMessage));
            } else {
                assert_eq!(of_digest, Ok(()), "{algorithm:?}");
                assert_eq!(public.verify_digest(*algorithm, &[1; 20], &signature), Err(SignatureError::Invalid));
            }
        }
    }
}

#[test]
fn rsa_keys_are_read_from_2048_to_4096_bits_with_an_odd_exponent_of_65537_or_more() {
    for (bits, exponent, allowed) in [
        (2_047, 65_537, false),
        (2_048, 65_537, true),
        (2_049, 65_537, true),
        (4_096, 0xffff_ffff, true),
        (4_096, 0x1_0000_0001, false),
        (4_097, 65_537, false),
        (2_048, 65_535, false),
        (2_048, 65_538, false),
    ] {
        let key = PublicKey::from_spki(&Key::rsa_public(bits, exponent).spki());
        assert_eq!(key.is_ok(), allowed, "{bits} bits, exponent {exponent}");
    }
}

/// With a key of small order, whoever knows no private key can sign anything.
#[test]
fn an_ed25519_key_or_signature_of_small_order_is_refused() {
    let point = ed25519_order_one();
    assert_eq!(PublicKey::from_spki(&Key::ed25519_public(&point).spki()).err(), Some(SignatureError::KeyNotAllowed));
    let public = PublicKey::from_spki(&Key::ed25519("signatures").spki()).unwrap();
    let signature = [point, [0; 32]].concat();
    let told = public.verify(SignatureAlgorithm::Ed25519, b"message", &signature);
    assert_eq!(told, Err(SignatureError::Invalid));
}
