//! What a card says of its keys.

use countersign_card::{Error, Slot, StatusWord};

use crate::script::{Script, certificate, certificate_object, code, show};

const ATTEST_9C: &str = "00F99C0000";
const READ_F9: &str = "00CB3FFF05 5C035FFF01 00";

#[test]
fn a_card_attests_a_key() {
    let statement = certificate(200, 7);
    let mut piv = Script::selected().on(ATTEST_9C, &(show(&statement) + "9000")).open();
    assert_eq!(piv.attest(Slot::Signature), Ok(statement));
    let signer = certificate(240, 9);
    let object = certificate_object(&signer);
    let mut piv = Script::selected().on(READ_F9, &(show(&object) + "9000")).on(READ_F9, "6A82").open();
    assert_eq!(piv.attestation_certificate(), Ok(Some(signer)));
    assert_eq!(piv.attestation_certificate(), Ok(None));
}

#[test]
fn most_cards_cannot() {
    // No such command, in the words of several cards; then a key that was imported, and a slot without one.
    for word in ["6D00", "6A81", "6A86", "6B00", "6E00", "6A80", "6A88", "6985", "6A82"] {
        let outcome = Script::selected().on(ATTEST_9C, word).open().attest(Slot::Signature);
        assert_eq!(code(outcome), "CS-5039", "{word}");
    }
    let refused = Error::Refused { command: "ATTEST", status: StatusWord(0x6F00) };
    assert_eq!(Script::selected().on(ATTEST_9C, "6F00").open().attest(Slot::Signature), Err(refused));
}

#[test]
fn what_is_no_certificate_is_refused() {
    for reply in ["9000", "30 9000", "3101AA 9000", "3001AA00 9000"] {
        assert_eq!(code(Script::selected().on(ATTEST_9C, reply).open().attest(Slot::Signature)), "CS-5030", "{reply}");
    }
    for reply in ["5303700130 9000", "5406 700130710104 9000"] {
        assert_eq!(code(Script::selected().on(READ_F9, reply).open().attestation_certificate()), "CS-5022", "{reply}");
    }
}
