//! GENERAL AUTHENTICATE: templates, refusals, and what is not a signature.

use countersign_card::{Algorithm, Error, OnEnd, Slot, StatusWord, TransportError};

use crate::script::{Script, code, hex, show};

const P256: &str = "0087119A26 7C24 8200 8120";

fn sign_p256(reply: &str) -> Result<Vec<u8>, Error> {
    let command = format!("{P256} {} 00", "11".repeat(32));
    Script::selected().on(&command, reply).open().sign(Slot::Authentication, Algorithm::P256, &[0x11; 32])
}

#[test]
fn rsa_blocks_are_chained() {
    for (algorithm, identifier, size) in
        [(Algorithm::Rsa2048, "07", 256), (Algorithm::Rsa3072, "05", 384), (Algorithm::Rsa4096, "16", 512)]
    {
        let block = vec![0x5A; size];
        let length = |n: usize| format!("82{n:04X}");
        let template = hex(&format!("7C{} 8200 81{} {}", length(size + 6), length(size), show(&block)));
        let mut script = Script::selected();
        let links: Vec<_> = template.chunks(255).collect();
        for (at, link) in links.iter().enumerate() {
            let last = at + 1 == links.len();
            let class = if last { "00" } else { "10" };
            let command = format!("{class}87{identifier}9C{:02X}{}", link.len(), show(link));
            let signature = format!("7C{} 82{} {}", length(size + 4), length(size), "C3".repeat(size));
            script =
                if last { script.on(&(command + "00"), &(signature + "9000")) } else { script.on(&command, "9000") };
        }
        assert_eq!(script.open().sign(Slot::Signature, algorithm, &block), Ok(vec![0xC3; size]));
    }
}

#[test]
fn the_pin_may_be_missed_at_the_first_link_or_at_the_last() {
    let template = hex(&format!("7C820106 8200 81820100 {}", "5A".repeat(256)));
    let first = format!("1087079CFF{}", show(&template[..255]));
    let last = format!("0087079C0B{}00", show(&template[255..]));
    let mut piv = Script::selected().on(&first, "6982").open();
    assert_eq!(piv.sign(Slot::Signature, Algorithm::Rsa2048, &[0x5A; 256]), Err(Error::PinRequired));
    let mut piv = Script::selected().on(&first, "9000").on(&last, "6982").open();
    assert_eq!(piv.sign(Slot::Signature, Algorithm::Rsa2048, &[0x5A; 256]), Err(Error::PinRequired));
}

#[test]
fn refusals_are_told_apart() {
    assert_eq!(code(sign_p256("6982")), "CS-5028");
    assert_eq!(code(sign_p256("6983")), "CS-5025");
    for word in [0x6984, 0x6985, 0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6A88] {
        let (slot, algorithm, status) = (Slot::Authentication, Algorithm::P256, StatusWord(word));
        let outcome = sign_p256(&format!("{word:04X}"));
        assert_eq!(outcome, Err(Error::KeyRefused { slot, algorithm, status }));
        assert_eq!(code(outcome), "CS-5029");
    }
    for word in [0x6700, 0x6883, 0x6884, 0x6581, 0x6B00, 0x6D00, 0x6E00, 0x6F00, 0x6281, 0x9001, 0x0000] {
        let refused = Error::Refused { command: "GENERAL AUTHENTICATE", status: StatusWord(word) };
        assert_eq!(sign_p256(&format!("{word:04X}")), Err(refused));
    }
}

#[test]
fn input_of_another_length_is_not_sent() {
    let mut piv = Script::selected().open();
    for (algorithm, length) in
        [(Algorithm::P256, 48), (Algorithm::P384, 32), (Algorithm::Rsa2048, 255), (Algorithm::P256, 0)]
    {
        let expected = algorithm.input_length();
        let outcome = piv.sign(Slot::Signature, algorithm, &vec![0; length]);
        assert_eq!(outcome, Err(Error::InputLength { length, expected }));
        assert_eq!(code(outcome), "CS-5034");
    }
}

#[test]
fn what_is_not_a_signature_is_refused() {
    let good = format!("3044 0220 {} 0220 {}", "11".repeat(32), "22".repeat(32));
    assert!(sign_p256(&format!("7C48 8246 {good} 9000")).is_ok());
    let high = format!("3045 0221 00{} 0220 {}", "FF".repeat(32), "22".repeat(32));
    assert!(sign_p256(&format!("7C49 8247 {high} 9000")).is_ok());

    for reply in [
        "9000",                                                  // no data
        "7C00 9000",                                             // empty template
        "7C02 8200 9000",                                        // empty signature
        "7D0A 8208 3006020101020101 9000",                       // other template
        "7C0A 8308 3006020101020101 9000",                       // other value
        "7C0B 8208 3006020101020101 9000",                       // cut short
        "7C0A 8208 3006020101020101 00 9000",                    // bytes after the template
        "7C14 8208 3006020101020101 8208 3006020101020101 9000", // two signatures
        "7C0A 8208 3007020101020101 9000",                       // inner length
        "7C0A 8208 3106020101020101 9000",                       // a SET
        "7C0A 8208 3006020100020101 9000",                       // zero
        "7C0A 8208 3006020181020101 9000",                       // negative
        "7C0B 8209 300702020001020101 9000",                     // not minimal
        "7C0D 820B 3009020101020101020101 9000",                 // three numbers
        "7C07 8205 3003020101 9000",                             // one number
        "7C09 8207 30050200 020101 9000",                        // no number
        "7C09 8207 300502 7F 020101 9000",                       // number cut short
    ] {
        let error = sign_p256(reply).expect_err(reply);
        assert_eq!(error.code(), "CS-5030", "{reply}");
    }
    let large = format!("3045 0221 01{} 0220 {}", "FF".repeat(32), "22".repeat(32));
    assert_eq!(sign_p256(&format!("7C49 8247 {large} 9000")).map_err(|error| error.code()), Err("CS-5030"));

    let template = hex(&format!("7C820106 8200 81820100 {}", "5A".repeat(256)));
    let short = format!("7C820103 828200FF {} 9000", "C3".repeat(255));
    let mut piv = Script::selected()
        .on(&format!("1087079CFF{}", show(&template[..255])), "9000")
        .on(&format!("0087079C0B{}00", show(&template[255..])), &short)
        .open();
    let outcome = piv.sign(Slot::Signature, Algorithm::Rsa2048, &[0x5A; 256]);
    assert_eq!(outcome.map_err(|error| error.code()), Err("CS-5030"));
}

#[test]
fn a_signature_is_never_asked_for_twice() {
    for error in [TransportError::CardReset, TransportError::CardRemoved] {
        let command = format!("{P256} {} 00", "11".repeat(32));
        let mut piv = Script::selected().fault(&command, error.clone()).open_with(OnEnd::ResetCard);
        let outcome = piv.sign(Slot::Authentication, Algorithm::P256, &[0x11; 32]);
        assert_eq!(outcome, Err(Error::Transport(error)));
    }
}
