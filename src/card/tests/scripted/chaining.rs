//! Long answers and long commands: GET RESPONSE, corrected lengths, extended length.

use countersign_card::{Error, ExtendedLength, OnEnd, Options, Piv, Slot};

use crate::script::{READ_9C, SELECT, SELECTED, Script, answer, certificate, certificate_object, show};

/// The answer in pieces, each announcing the next as the card does that sends `piece` bytes at a time.
fn in_pieces(mut script: Script, object: &[u8], piece: usize) -> Script {
    let pieces: Vec<_> = object.chunks(piece).collect();
    let mut command = READ_9C.to_owned();
    for (at, part) in pieces.iter().enumerate() {
        let left = object.len() - (at * piece + part.len());
        let announced = if left >= 256 { 0 } else { left };
        let word = if left == 0 { "9000".to_owned() } else { format!("61{:02X}", announced.min(piece)) };
        script = script.on(&command, &(show(part) + &word));
        command = format!("00C00000{:02X}", announced.min(piece));
    }
    script
}

#[test]
fn answers_in_pieces_are_put_together() {
    for piece in [256, 255, 128, 1] {
        for length in [241, 247, 248, 256, 499, 755, 2915] {
            let certificate = certificate(length, 7);
            let script = in_pieces(Script::selected(), &certificate_object(&certificate), piece);
            assert_eq!(script.open().certificate(Slot::Signature), Ok(Some(certificate)), "{length} by {piece}");
        }
    }
}

#[test]
fn an_answer_may_begin_with_its_announcement() {
    let certificate = certificate(100, 7);
    let object = certificate_object(&certificate);
    let script = Script::selected().on(READ_9C, "616D").on("00C000006D", &answer(&object));
    assert_eq!(script.open().certificate(Slot::Signature), Ok(Some(certificate)));
}

#[test]
fn lengths_are_corrected_once() {
    let certificate = certificate(100, 7);
    let object = certificate_object(&certificate);
    let mut piv = Script::selected()
        .on(READ_9C, "6C6D")
        .on("00CB3FFF05 5C035FC10A 6D", &answer(&object))
        .on(READ_9C, &(show(&object[..50]) + "6100"))
        .on("00C0000000", "6C3B")
        .on("00C000003B", &answer(&object[50..]))
        .on(READ_9C, "6C6D")
        .on("00CB3FFF05 5C035FC10A 6D", "6C6D")
        .open();
    assert_eq!(piv.certificate(Slot::Signature), Ok(Some(certificate.clone())));
    assert_eq!(piv.certificate(Slot::Signature), Ok(Some(certificate)));
    assert_eq!(piv.certificate(Slot::Signature).map_err(|error| error.code()), Err("CS-5032"));
}

#[test]
fn an_answer_that_ends_in_an_error_is_an_error() {
    let script = Script::selected().on(READ_9C, "AABB6105").on("00C0000005", "6F00");
    assert_eq!(script.open().certificate(Slot::Signature).map_err(|error| error.code()), Err("CS-5032"));
}

#[test]
fn answers_without_end_are_refused() {
    let mut script = Script::selected().on(READ_9C, &("00".repeat(256) + "6100"));
    for _ in 0..64 {
        script = script.on("00C0000000", &("00".repeat(256) + "6100"));
    }
    let outcome = script.open().certificate(Slot::Signature);
    assert_eq!(outcome, Err(Error::ReplyTooLarge { command: "GET DATA", limit: 16 * 1024 }));

    let silent = Script::selected().on(READ_9C, "6100").on("00C0000000", "6100").on("00C0000000", "6100");
    assert_eq!(silent.open().certificate(Slot::Signature).map_err(|error| error.code()), Err("CS-5030"));

    let long = Script::selected().on(READ_9C, &("00".repeat(16 * 1024 + 1) + "9000"));
    assert_eq!(long.open().certificate(Slot::Signature).map_err(|error| error.code()), Err("CS-5033"));
}

const READ_EXTENDED: &str = "00CB3FFF 000005 5C035FC10A 0000";
const SELECTED_EXTENDED: &str = "6108 4F06000010000100 7F66080202040002020400 9000";

#[test]
fn extended_length_is_used_where_card_and_reader_offer_it() {
    let certificate = certificate(1200, 7);
    let object = answer(&certificate_object(&certificate));
    let cases = [
        (ExtendedLength::Offered, SELECTED, READ_EXTENDED),
        (ExtendedLength::Unstated, SELECTED, READ_9C),
        (ExtendedLength::Unstated, SELECTED_EXTENDED, READ_EXTENDED),
        (ExtendedLength::Impossible, SELECTED_EXTENDED, READ_9C),
    ];
    for (offered, selected, command) in cases {
        let script = Script::empty().extended(offered).begin(Ok(())).on(SELECT, selected).on(command, &object);
        assert_eq!(script.open().certificate(Slot::Signature), Ok(Some(certificate.clone())));
    }

    let script = Script::selected().extended(ExtendedLength::Offered).on(READ_9C, &object).end(OnEnd::LeaveCard);
    let mut piv = Piv::select(script, Options { force_short: true, ..Options::default() }).expect("selected");
    assert_eq!(piv.certificate(Slot::Signature), Ok(Some(certificate)));
}

#[test]
fn long_commands_are_chained_where_they_exceed_what_the_card_takes() {
    // 1024 bytes with header and lengths: 1015 of data.
    for (length, links) in [(997, 1), (998, 4)] {
        let data = [&[0x5C, 3, 0x5F, 0xC1, 0x0A], &certificate_object(&certificate(length, 7))[..]].concat();
        let mut script = Script::empty().extended(ExtendedLength::Unstated).begin(Ok(())).on(SELECT, SELECTED_EXTENDED);
        if links == 1 {
            script = script.on(&format!("00DB3FFF00{:04X}{}", data.len(), show(&data)), "9000");
        } else {
            let parts: Vec<_> = data.chunks(255).collect();
            for (at, part) in parts.iter().enumerate() {
                let class = if at + 1 == parts.len() { "00" } else { "10" };
                script = script.on(&format!("{class}DB3FFF{:02X}{}", part.len(), show(part)), "9000");
            }
        }
        let outcome = script.open().put_certificate(Slot::Signature, &certificate(length, 7));
        assert_eq!(outcome, Ok(()), "{length}");
    }
}
