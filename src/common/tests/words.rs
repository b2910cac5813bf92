//! What is said to people and programs: short texts that others compare or read aloud.

#![allow(clippy::unwrap_used)]

use countersign_common::{ComponentKind, Octets, Reason, Slot, State, bundle::PartKind, token::ProductVersion};

#[test]
fn reasons_say_what_they_are_about() {
    let list = |issuer: &str| Reason::ListMissing { issuer: issuer.to_owned() }.to_string();
    assert_eq!(list(""), "the token asks for a token list, and there is none");
    assert_eq!(
        list("CN=Lists"),
        "this machine was activated with a revocation list of CN=Lists, which is not there any more"
    );
    let kinds = vec![ComponentKind::DiskSerial, ComponentKind::MachineId];
    assert_eq!(
        Reason::OtherMachine { differing: kinds.clone() }.to_string(),
        "the record is of another machine; these components differ: disk-serial, machine-id"
    );
    assert_eq!(
        Reason::TooFewComponents { required: 2, missing: kinds }.to_string(),
        "2 machine components must match, and these are missing: disk-serial, machine-id"
    );
    let part = |kind| Reason::BundlePart { number: 3, kind }.to_string();
    let kinds = [
        (PartKind::AnchorsUpdate, "anchors update"),
        (PartKind::Certificate, "certificate"),
        (PartKind::CertificateList, "certificate revocation list"),
        (PartKind::TokenList, "token list"),
        (PartKind::Token, "token"),
    ];
    for (kind, name) in kinds {
        assert_eq!(kind.name(), name);
        assert_eq!(part(kind), format!("part 3 of the bundle is not the {name} that the manifest names"));
    }
}

#[test]
fn names_that_programs_compare() {
    let states = [State::Licensed, State::RenewalDue, State::Unlicensed, State::CannotTell];
    assert_eq!(states.map(State::name), ["licensed", "renewal-due", "unlicensed", "cannot-tell"]);
    assert_eq!([Slot::Authentication, Slot::Signature].map(|slot| slot.to_string()), ["9A", "9C"]);
    assert_eq!(format!("{:?}", Octets([0, 0xab])), "00ab");
}

#[test]
fn versions_have_up_to_three_numbers() {
    for (text, shown) in [("2", "2.0.0"), ("2.4", "2.4.0"), ("2.4.1", "2.4.1")] {
        assert_eq!(text.parse::<ProductVersion>().unwrap().to_string(), shown);
    }
    for text in ["", "2.", "2.4.1.0", "2.4.1.0.0", "2.x", "4294967296"] {
        assert!(text.parse::<ProductVersion>().is_err(), "{text}");
    }
}
