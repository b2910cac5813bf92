//! Management key, key generation and certificates.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use countersign_card::{
    Algorithm, Error, ManagementAlgorithm, ManagementKey, OnEnd, Piv, Slot, StatusWord, TransportError,
};

use crate::script::{Script, certificate, certificate_object, code, hex, recording, show};

const DEFAULT_KEY: &str = "010203040506070801020304050607080102030405060708";
const CHALLENGE: [u8; 16] = *b"a challenge sent";
const METADATA: &str = "00F7009B00";

fn key(hex: &str) -> ManagementKey {
    ManagementKey::from_hex(hex).expect("a key")
}

/// What a card does that has this key: checks the answer to its witness and proves that it has the key as well.
fn prove<C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + 'static>(
    key: &str,
    witness: &str,
) -> impl FnOnce(&[u8]) -> Result<Vec<u8>, TransportError> + 'static {
    let cipher = C::new_from_slice(&hex(key)).expect("length");
    let mut expected = Array::<u8, C::BlockSize>::try_from(&hex(witness)[..]).expect("one block");
    cipher.decrypt_block(&mut expected);
    move |command| {
        let size = expected.len();
        assert_eq!(command[5..7], [0x7C, 2 * size as u8 + 4]);
        assert_eq!(command[7..9], [0x80, size as u8]);
        if command[9..9 + size] != expected[..] {
            return Ok(hex("6982"));
        }
        assert_eq!(command[9 + size..11 + size], [0x81, size as u8]);
        let mut challenge = Array::<u8, C::BlockSize>::try_from(&command[11 + size..11 + 2 * size]).expect("one block");
        cipher.encrypt_block(&mut challenge);
        Ok([&[0x7C, size as u8 + 2, 0x82, size as u8], &challenge[..], &[0x90, 0x00]].concat())
    }
}

#[test]
fn each_kind_of_key_by_metadata_and_without() {
    fn case<C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + 'static>(
        algorithm: ManagementAlgorithm,
        identifier: &str,
        hex: &str,
        size: usize,
        refused: &[&str],
    ) {
        let witness = "5C".repeat(size);
        let named = format!("0101{identifier} 02020001 9000");
        for metadata in [named.as_str(), "6D00", "9000"] {
            let mut script = Script::selected().on(METADATA, metadata);
            if metadata != named {
                for other in refused {
                    script = script.on(&format!("0087{other}9B04 7C028000 00"), "6A86");
                }
            }
            let mut piv = script
                .on(
                    &format!("0087{identifier}9B04 7C028000 00"),
                    &format!("7C{:02X}80{size:02X}{witness}9000", size + 2),
                )
                .compute(&format!("0087{identifier}9B"), false, prove::<C>(hex, &witness))
                .open_with(OnEnd::ResetCard);
            assert_eq!(piv.authenticate_management(&key(hex), CHALLENGE), Ok(algorithm));
        }
    }
    case::<des::TdesEde3>(ManagementAlgorithm::TripleDes, "03", DEFAULT_KEY, 8, &[]);
    case::<aes::Aes128>(ManagementAlgorithm::Aes128, "08", &"0F".repeat(16), 16, &[]);
    // A key of 24 bytes may be either: triple DES is tried first.
    case::<aes::Aes192>(ManagementAlgorithm::Aes192, "0A", DEFAULT_KEY, 16, &["03"]);
    case::<aes::Aes256>(ManagementAlgorithm::Aes256, "0C", &"F0".repeat(32), 16, &[]);
}

#[test]
fn a_wrong_key_is_told_from_an_unknown_kind() {
    let witness = "5C".repeat(8);
    for word in ["6982", "6A80", "6300", "6983"] {
        let mut piv = Script::selected()
            .on(METADATA, "6D00")
            .on("0087039B04 7C028000 00", &format!("7C0A 8008 {witness} 9000"))
            .compute("0087039B", false, move |_| Ok(hex(word)))
            .open();
        assert_eq!(code(piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE)), "CS-5040", "{word}");
    }
    for word in ["6A80", "6A81", "6A86", "6A88", "6985"] {
        let mut piv = Script::selected()
            .on(METADATA, "6D00")
            .on("0087039B04 7C028000 00", word)
            .on("00870A9B04 7C028000 00", word)
            .open();
        assert_eq!(code(piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE)), "CS-5041", "{word}");
    }
    let mut piv = Script::selected().on(METADATA, "010111 9000").open();
    assert_eq!(code(piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE)), "CS-5041");
    let mut piv = Script::selected().on(METADATA, "01010C 9000").open();
    let outcome = piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE);
    let algorithm = ManagementAlgorithm::Aes256;
    assert_eq!(outcome, Err(Error::ManagementKeyLength { algorithm, length: 24 }));
    assert_eq!(code(outcome), "CS-5043");
}

#[test]
fn a_card_that_only_says_yes_is_not_believed() {
    let start = || {
        Script::selected().on(METADATA, "010103 9000").on("0087039B04 7C028000 00", "7C0A 8008 5C5C5C5C5C5C5C5C 9000")
    };
    let mut piv =
        start().compute("0087039B", false, |_| Ok(hex("7C0A 8208 0000000000000000 9000"))).open_with(OnEnd::ResetCard);
    assert_eq!(code(piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE)), "CS-5045");
    let mut piv = start().compute("0087039B", false, |_| Ok(hex("9000"))).open_with(OnEnd::ResetCard);
    assert_eq!(piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE).map_err(|error| error.code()), Err("CS-5030"));
    for garbled in
        ["9000", "7C00 9000", "7C09 8007 5C5C5C5C5C5C5C 9000", "7C12 8010 00000000000000000000000000000000 9000"]
    {
        let mut piv = Script::selected().on(METADATA, "010103 9000").on("0087039B04 7C028000 00", garbled).open();
        assert_eq!(
            piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE).map_err(|error| error.code()),
            Err("CS-5030")
        );
    }
}

#[test]
fn management_authentication_is_withheld_from_the_trace() {
    let (options, events) = recording();
    let script = Script::selected()
        .on(METADATA, "010103 9000")
        .on("0087039B04 7C028000 00", "7C0A 8008 5C5C5C5C5C5C5C5C 9000")
        .compute("0087039B", false, prove::<des::TdesEde3>(DEFAULT_KEY, "5C5C5C5C5C5C5C5C"))
        .end(OnEnd::ResetCard);
    let mut piv = Piv::select(script, options).expect("selected");
    piv.authenticate_management(&key(DEFAULT_KEY), CHALLENGE).expect("authenticated");
    let heard: Vec<_> = events.lock().expect("no panic").iter().skip(1).map(|event| event.text.clone()).collect();
    assert_eq!(heard, ["00 F7 00 9B", "00 87 03 9B [4 bytes withheld]", "00 87 03 9B [22 bytes withheld]"]);
}

#[test]
fn keys_are_generated() {
    let point = format!("04{}", "A1".repeat(64));
    let mut piv = Script::selected().on("0047009C05 AC03800111 00", &format!("7F49438641{point}9000")).open();
    let public = piv.generate_key(Slot::Signature, Algorithm::P256).expect("a key");
    assert_eq!(public.algorithm(), Algorithm::P256);
    assert!(public.spki_der().ends_with(&hex(&point)));

    let modulus = "C5".repeat(384);
    let reply = format!("7F4982018981820180{modulus}8203010001");
    let reply = hex(&reply);
    let mut piv = Script::selected()
        .on("0047009A05 AC03800105 00", &(show(&reply[..256]) + "618E"))
        .on("00C000008E", &(show(&reply[256..]) + "9000"))
        .open();
    let public = piv.generate_key(Slot::Authentication, Algorithm::Rsa3072).expect("a key");
    assert_eq!(public.spki_der().len(), 422);
}

#[test]
fn generation_and_storage_are_refused_for_reasons() {
    const GENERATE: &str = "0047009C05 AC03800107 00";
    let generate =
        |reply: &str| Script::selected().on(GENERATE, reply).open().generate_key(Slot::Signature, Algorithm::Rsa2048);
    assert_eq!(code(generate("6982")), "CS-5044");
    let (slot, algorithm, status) = (Slot::Signature, Algorithm::Rsa2048, StatusWord(0x6A80));
    assert_eq!(generate("6A80"), Err(Error::KeyRefused { slot, algorithm, status }));
    let refused = Error::Refused { command: "GENERATE ASYMMETRIC KEY PAIR", status: StatusWord(0x6F00) };
    assert_eq!(generate("6F00"), Err(refused));
    for garbled in ["9000", "7F4900 9000", "7F4903 810100 9000", "7F49068101C1820103 9000", "7F 9000"] {
        assert_eq!(generate(garbled).map_err(|error| error.code()), Err("CS-5030"), "{garbled}");
    }
    let mut piv = Script::selected().fault(GENERATE, TransportError::CardReset).open_with(OnEnd::ResetCard);
    let outcome = piv.generate_key(slot, algorithm);
    assert_eq!(outcome, Err(Error::Transport(TransportError::CardReset)), "not sent twice");

    let certificate = certificate(100, 7);
    let data = [&[0x5C, 3, 0x5F, 0xC1, 0x05], &certificate_object(&certificate)[..]].concat();
    // Lengths below 128 are written short.
    let object = hex(&format!("5C035FC105 536B 7064{}710100FE00", show(&certificate)));
    assert_ne!(data, object);
    let put = |word: &str| {
        let command = format!("00DB3FFF{:02X}{}", object.len(), show(&object));
        Script::selected().on(&command, word).open().put_certificate(Slot::Authentication, &certificate)
    };
    assert_eq!(put("9000"), Ok(()));
    assert_eq!(code(put("6982")), "CS-5044");
    assert_eq!(put("6A84"), Err(Error::Refused { command: "PUT DATA", status: StatusWord(0x6A84) }));
    for length in [0, 8193] {
        let outcome = Script::selected().open().put_certificate(Slot::Authentication, &vec![0; length]);
        assert_eq!(outcome, Err(Error::InputLength { length, expected: 8192 }));
    }
}
