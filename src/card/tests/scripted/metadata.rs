//! What a card tells of the key in a slot.

use countersign_card::{Algorithm, Error, Slot, SlotKey};

use crate::script::{Script, code};

/// GET METADATA for 9C.
const METADATA_9C: &str = "00F7009C00";

fn told(reply: &str) -> Result<Option<SlotKey>, Error> {
    Script::selected().on(METADATA_9C, reply).open().slot_key(Slot::Signature)
}

#[test]
fn a_card_tells_of_its_key() {
    let point = format!("8641 04{}", "09".repeat(64));
    let reply = format!("010111 02020301 030101 0443{point} 9000");
    let key = told(&reply).expect("metadata").expect("a key").public.expect("a known kind");
    assert_eq!(key.algorithm(), Algorithm::P256);
    assert!(key.spki_der().ends_with(&[9; 64]));
    // Of a kind that cannot sign here: a key all the same.
    let other = told("0101E0 02020301 0402 8600 9000").expect("metadata").expect("a key");
    assert_eq!(other.public, None);
}

#[test]
fn most_cards_tell_nothing() {
    for reply in ["6D00", "6A88", "9000", "6A81"] {
        assert_eq!(told(reply), Ok(None), "{reply}");
    }
}

#[test]
fn metadata_of_another_form_are_refused() {
    for reply in ["010111 0402 9000", "010111 04038601 04 9000", "010111 010111 9000"] {
        assert_eq!(code(told(reply)), "CS-5030", "{reply}");
    }
}
