//! `readers` and `certs`.

use crate::support::{
    Site,
    card::Slotted,
    pki::{Cast, Identity, Key, at},
};
use countersign_card::TransportError;
use countersign_common::encode_object;
use countersign_verifier::Exit;
use std::rc::Rc;

#[test]
fn readers_tell_what_is_in_them() {
    let mut site = Site::new();
    let (exit, said) = site.json(&["readers"]);
    assert_eq!(exit, Exit::Done);
    assert_eq!((&said["readers"][0]["kind"], &said["readers"][0]["atr"]), (&"piv".into(), &"3b80".into()));
    site.card = Slotted(site.card.0).with(|card| card.piv = false);
    assert_eq!(site.json(&["readers"]).1["readers"][0]["kind"], "other");
    site.card = Slotted(site.card.0).with(|card| card.fault = Some(("SELECT", TransportError::CardMute)));
    assert_eq!(site.json(&["readers"]).1["readers"][0]["error"]["code"], "CS-5011");
    site.card = Slotted(site.card.0).with(|card| card.present = false);
    assert_eq!(site.json(&["readers"]).1["readers"][0]["state"], "empty");
    site.card = Slotted(site.card.0).with(|card| card.no_service = true);
    assert_eq!(site.code(&["readers"]), (Exit::Card, "CS-5001".to_owned()));
}

#[test]
fn certs_say_for_each_token_whether_and_why_not() {
    let mut site = Site::ready();
    let (exit, said) = site.json(&["certs"]);
    assert_eq!((exit, &said["could_activate"]), (Exit::Done, &true.into()));
    assert_eq!(said["slots"][0]["certificate"]["subject"], "CN=Alex Example");
    assert_eq!(said["slots"][0]["tokens"][0]["grant"], 1);
    assert!(said["slots"][1].get("certificate").is_none());
    assert_eq!(site.card.log(), ["SELECT", "GET DATA", "GET DATA"]);

    // The same certificate in 9A, which the token does not admit.
    let holder = Rc::new(Cast::new().holder);
    site.card = Slotted(site.card.0).with(|card| {
        card.signature = None;
        card.authentication = Some(holder);
    });
    let (exit, said) = site.json(&["certs"]);
    assert_eq!((exit, &said["slots"][1]["tokens"][0]["reason"]["code"]), (Exit::Refused, &"CS-3007".into()));

    // A token from a file whose window is closed.
    let closed = site.cast.token(|token| {
        token.grants[0].authentication_slot = true;
        token.window.not_after = at("2021-01-01");
    });
    let file = site.file("closed.pem", encode_object(&closed).as_bytes());
    let (exit, said) = site.json(&["certs", "--token", file.to_str().unwrap()]);
    assert_eq!((exit, &said["slots"][1]["tokens"][0]["reason"]["code"]), (Exit::Refused, &"CS-3206".into()));
    let text = site.run(&["certs", "--token", file.to_str().unwrap()]);
    assert!(text.output.contains("admitted by grant 1, but not here and now"), "{}", text.output);
}

#[test]
fn strangers_and_signers_are_told_apart() {
    let stranger = Identity::issued("Stranger", Key::p256("stranger"), &Identity::root("Another Root"), None);
    let mut site = Site::with(Cast::new(), stranger);
    site.install(&site.cast.token(|_| {}));
    let reason = |site: &mut Site| site.json(&["certs"]).1["slots"][0]["tokens"][0]["reason"]["code"].clone();
    assert_eq!(reason(&mut site), "CS-2006");
    site.card = Slotted::holding(Cast::new().token_signer);
    assert_eq!(reason(&mut site), "CS-3002");
    assert!(site.run(&["certs"]).notes.contains("next: use the card of a person"));
}

#[test]
fn an_empty_card_and_no_token_are_no_errors() {
    let mut site = Site::new();
    site.card = Slotted(site.card.0).with(|card| card.signature = None);
    let said = site.run(&["certs"]);
    assert_eq!(said.exit, Exit::Done);
    assert!(said.output.contains("slot 9C: no certificate") && said.output.contains("no token is installed"));
    site.card = Slotted(site.card.0).with(|card| card.piv = false);
    assert_eq!(site.code(&["certs"]), (Exit::Card, "CS-5020".to_owned()));
    site.card = Slotted(site.card.0).with(|card| card.present = false);
    assert_eq!(site.code(&["certs"]), (Exit::Card, "CS-5005".to_owned()));
    assert_eq!(site.code(&["certs", "--reader", "Acme"]), (Exit::Card, "CS-5003".to_owned()));
}
