//! What a key verifies, by each algorithm, and which keys are refused.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    HashAlgorithm::{Sha256, Sha384, Sha512},
    PublicKey, SignatureAlgorithm, SignatureError,
};
use countersign_testpki::{
    Key,
    der::{edit, octets},
    keys::ed25519_order_one,
};
use sha2::Digest as _;

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

#[test]
fn a_key_is_described_as_the_standards_prescribe() {
    let refused = |spki: &[u8]| PublicKey::from_spki(spki).err();
    let not_allowed = Some(SignatureError::KeyNotAllowed);
    // Ed25519 has no parameters (RFC 8410 3), RSA has NULL (RFC 3279 2.3.1), a point is not compressed.
    let with_parameters = |spki: &[u8], parameters: &[u8]| {
        edit(spki, |parts| {
            parts[0] = edit(&parts[0], |algorithm| {
                algorithm.truncate(1);
                algorithm.push(parameters.to_vec());
            })
        })
    };
    let null = [5, 0];
    let ed25519 = Key::ed25519("signatures").spki();
    assert_eq!(refused(&ed25519), None);
    assert_eq!(refused(&with_parameters(&ed25519, &null)), not_allowed);
    let rsa = Key::rsa_2048().spki();
    assert_eq!(refused(&with_parameters(&rsa, &null)), None);
    assert_eq!(refused(&with_parameters(&rsa, &octets(&[1]))), not_allowed);
    assert_eq!(refused(&Key::p256_compressed("signatures").spki()), not_allowed);
    // An even modulus has a factor that everybody knows.
    let even = edit(&rsa, |parts| {
        let last = parts[1].len() - 6;
        parts[1][last] &= 0xfe;
    });
    assert_eq!(refused(&even), not_allowed);
}

/// R = k·B with k = 0 is of small order, and S = h·a makes the equation hold, as only the holder can.
#[test]
fn a_signature_with_a_point_of_small_order_is_refused_though_the_equation_holds() {
    let seed = [7; 32];
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let point = ed25519_order_one();
    let message = b"message";
    let hash =
        sha2::Sha512::new().chain_update(point).chain_update(key.verifying_key().as_bytes()).chain_update(message);
    let h = curve25519_dalek::Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let s = h * key.to_scalar();
    let signature = [point, s.to_bytes()].concat();
    let equation = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&key.verifying_key(), message, &equation).is_ok());
    let public = PublicKey::from_spki(&Key::ed25519_public(key.verifying_key().as_bytes()).spki()).unwrap();
    let told = public.verify(SignatureAlgorithm::Ed25519, message, &signature);
    assert_eq!(told, Err(SignatureError::Invalid));
}

#[test]
fn signers_get_what_they_sign_and_algorithms_their_names() {
    for (_, algorithms) in keys() {
        for algorithm in algorithms {
            let input = algorithm.signer_input(b"message");
            match algorithm {
                SignatureAlgorithm::Ed25519 => assert_eq!(input, b"message"),
                _ => assert_eq!(input, algorithm.hash().digest(b"message").as_ref()),
            }
        }
    }
    assert_eq!(SignatureAlgorithm::RsaPss(Sha384).name(), "rsa-pss-sha384");
    assert_eq!(SignatureAlgorithm::Ed25519.name(), "ed25519");
    let digest = Sha256.digest(b"");
    assert!(format!("{digest:?}").starts_with("e3b0c44298fc1c14"));
}
