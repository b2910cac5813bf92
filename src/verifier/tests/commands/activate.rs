//! `activate`: what is sent to the card, what is asked, and what is kept, in good and in bad cases.

use crate::support::{
    Site,
    card::{Answers, Slotted},
    pki::{Cast, Identity, Key, at, digest_of_key},
};
use countersign_card::TransportError;
use countersign_common::{Octets, Token, token::Grant};
use countersign_verifier::Exit;
use std::rc::Rc;

const SCRIPTED: [&str; 5] = ["SELECT", "GET DATA", "PIN STATUS", "VERIFY", "GENERAL AUTHENTICATE"];

/// Activates with a PIN on a descriptor; the code of the failure, if it is one.
fn scripted(site: &mut Site, pin: &str, words: &[&str]) -> (Exit, String) {
    let (_open, number) = site.pin_fd(pin);
    let (exit, said) = site.json(&[&["activate", "--pin-fd", &number], words].concat());
    let code = said["error"]["code"].as_str().or(said["verdict"]["reason"]["code"].as_str()).unwrap();
    (exit, code.to_owned())
}

/// The same, and nothing of the store has changed.
fn scripted_in_vain(site: &mut Site, pin: &str, words: &[&str]) -> (Exit, String) {
    let before = site.stored();
    let said = scripted(site, pin, words);
    assert_eq!(site.stored(), before);
    said
}

fn site_with(change: impl FnOnce(&mut Token)) -> Site {
    let site = Site::new();
    site.install(&site.cast.token(change));
    site
}

#[test]
fn scripted_it_takes_five_commands() {
    for (key, other) in
        [(Key::p256("one"), Key::p256("one")), (Key::p384("two"), Key::p384("two")), (Key::rsa(), Key::rsa())]
    {
        let mut site = Site::with(Cast::with_holder(key), Cast::with_holder(other).holder);
        site.install(&site.cast.token(|_| {}));
        assert_eq!(scripted(&mut site, "123456", &["--work-order", "WO-1047"]), (Exit::Done, "CS-0001".to_owned()));
        assert_eq!(site.card.log(), SCRIPTED);
        assert!(!site.card.0.borrow().taken);
        let (exit, said) = site.json(&["check", "control-room"]);
        assert_eq!((exit, &said["holder"]["work_order"]), (Exit::Done, &"WO-1047".into()));
        assert_eq!(said["holder"]["slot"]["name"], "9C");
    }
}

#[test]
fn a_machine_that_is_activated_is_left_alone() {
    let mut site = Site::ready();
    scripted(&mut site, "123456", &[]);
    let before = site.stored();
    site.card = Slotted(site.card.0).with(|card| card.log.clear());
    // Neither a PIN nor a terminal is there, and none is needed.
    let (exit, said) = site.json(&["activate"]);
    assert_eq!((exit, &said["outcome"], &said["written"]), (Exit::Done, &"already-activated".into(), &false.into()));
    assert_eq!(site.stored(), before);
    assert!(site.card.log().is_empty());
    assert_eq!(scripted(&mut site, "123456", &["--again"]).0, Exit::Done);
    assert_ne!(site.stored(), before);

    // Due for renewal: the card is used again.
    let mut site = site_with(|token| token.terms.renew_after = Some(1));
    scripted(&mut site, "123456", &[]);
    let token = site.cast.token(|token| token.terms.renew_after = Some(1));
    let earlier = countersign::now().unwrap().minus(3_600);
    let record = site.cast.record(&token, &site.machine(), earlier);
    let pem = countersign_common::encode_object(&record);
    site.store().lock().unwrap().keep_record("control-room", &Octets([0x3f; 16]), pem.as_bytes()).unwrap();
    assert_eq!(site.json(&["check", "control-room"]).1["state"], "renewal-due");
    site.card = Slotted(site.card.0).with(|card| card.log.clear());
    assert_eq!(scripted(&mut site, "123456", &[]).0, Exit::Done);
    assert_eq!(site.card.log(), SCRIPTED);
}

#[test]
fn a_wrong_pin_costs_one_try_and_the_last_is_kept() {
    let mut site = Site::ready();
    assert_eq!(scripted_in_vain(&mut site, "654321", &[]), (Exit::Card, "CS-5024".to_owned()));
    assert_eq!(site.card.tries(), 2);
    assert_eq!(site.card.log(), SCRIPTED[..4]);
    scripted_in_vain(&mut site, "654321", &[]);
    site.card = Slotted(site.card.0).with(|card| card.log.clear());
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-5026".to_owned()));
    assert_eq!((site.card.tries(), &site.card.log()[..]), (1, &SCRIPTED[..3]));
    assert_eq!(scripted(&mut site, "123456", &["--use-last-try"]).0, Exit::Done);

    let mut site = Site::ready();
    site.card = Slotted(site.card.0).with(|card| card.tries = 1);
    assert_eq!(scripted_in_vain(&mut site, "654321", &["--use-last-try"]), (Exit::Card, "CS-5025".to_owned()));
    site.card = Slotted(site.card.0).with(|card| card.log.clear());
    assert_eq!(scripted_in_vain(&mut site, "123456", &["--use-last-try"]), (Exit::Card, "CS-5025".to_owned()));
    assert_eq!(site.card.log(), SCRIPTED[..3], "a blocked PIN is not tried");
}

#[test]
fn what_is_no_pin_never_reaches_the_card() {
    let mut site = Site::ready();
    for pin in ["", "12345", "123456789", "12345a", "secret"] {
        assert_eq!(scripted_in_vain(&mut site, pin, &[]), (Exit::Card, "CS-5027".to_owned()));
    }
    assert_eq!(site.code(&["activate", "--pin-fd", "999999"]), (Exit::Card, "CS-8015".to_owned()));
    assert_eq!(site.code(&["activate"]), (Exit::Usage, "CS-8014".to_owned()));
    assert!(site.card.log().is_empty());
}

#[test]
fn what_needs_no_card_is_decided_before_it() {
    let closed: fn(&mut Token) = |token| token.window.not_after = at("2021-01-01");
    let early: fn(&mut Token) = |token| token.window.not_before = at("2098-01-01");
    let components: fn(&mut Token) = |token| {
        token.binding.components = vec![countersign_common::token::ComponentRule {
            kind: countersign_common::ComponentKind::DmiUuid,
            mandatory: true,
        }];
        token.binding.required = 1;
    };
    let versions: fn(&mut Token) = |token| token.product.from = Some("2".parse().unwrap());
    for (change, words, expected) in [
        (closed, &[][..], (Exit::Refused, "CS-3206")),
        (early, &[], (Exit::Refused, "CS-3205")),
        (components, &[], (Exit::CannotTell, "CS-4003")),
        (versions, &[], (Exit::CannotTell, "CS-3104")),
        (versions, &["--product-version", "1.9"], (Exit::Refused, "CS-3103")),
        (versions, &["--product", "other"], (Exit::Refused, "CS-8011")),
        (versions, &["--token", "abcd"], (Exit::Refused, "CS-8013")),
    ] {
        let mut site = site_with(change);
        assert_eq!(scripted_in_vain(&mut site, "123456", words), (expected.0, expected.1.to_owned()));
        assert!(site.card.log().is_empty());
    }
    let mut site = Site::ready();
    site.store().lock().unwrap().advance_time("2099-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::CannotTell, "CS-3202".to_owned()));
    let mut site = Site::new();
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Refused, "CS-8011".to_owned()));
    assert!(site.card.log().is_empty());
}

#[test]
fn a_floor_that_was_taken_away_is_not_forgiven() {
    let mut site = Site::ready();
    scripted(&mut site, "123456", &[]);
    std::fs::remove_file(site.path("store/newest-time")).unwrap();
    assert_eq!(scripted_in_vain(&mut site, "123456", &["--again"]), (Exit::System, "CS-6007".to_owned()));
}

#[test]
fn the_wrong_card_is_refused_before_the_pin() {
    let stranger = Identity::issued("Stranger", Key::p256("stranger"), &Identity::root("Another Root"), None);
    let mut site = Site::with(Cast::new(), stranger);
    site.install(&site.cast.token(|_| {}));
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Refused, "CS-2006".to_owned()));
    assert_eq!(site.card.log(), SCRIPTED[..2]);

    let mut site = Site::ready();
    site.card = Slotted(site.card.0).with(|card| card.signature = None);
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-5021".to_owned()));
    site.card = Slotted(site.card.0).with(|card| card.piv = false);
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-5020".to_owned()));
    site.card = Slotted(site.card.0).with(|card| card.present = false);
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-5005".to_owned()));
    assert_eq!(scripted_in_vain(&mut site, "123456", &["--reader", "Acme"]), (Exit::Card, "CS-5003".to_owned()));
    site.card = Slotted(site.card.0).with(|card| card.no_service = true);
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-5001".to_owned()));
}

#[test]
fn a_key_that_is_not_the_certificates_is_found_out() {
    let mut site = Site::ready();
    let other = Rc::new(Cast::with_holder(Key::p256("other")).holder);
    site.card = Slotted(site.card.0).with(|card| card.other_key = Some(other));
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, "CS-8019".to_owned()));
}

#[test]
fn a_card_that_goes_or_hangs_has_its_own_words() {
    for (place, error, code) in [
        ("SELECT", TransportError::CardRemoved, "CS-5006"),
        ("GET DATA", TransportError::CardRemoved, "CS-5006"),
        ("PIN STATUS", TransportError::CardRemoved, "CS-5006"),
        ("VERIFY", TransportError::CardRemoved, "CS-5006"),
        ("VERIFY", TransportError::CardReset, "CS-5007"),
        ("GENERAL AUTHENTICATE", TransportError::CardRemoved, "CS-5006"),
        ("GENERAL AUTHENTICATE", TransportError::CardReset, "CS-5007"),
        ("GENERAL AUTHENTICATE", TransportError::SharingViolation { holders: Vec::new() }, "CS-5008"),
        (
            "GENERAL AUTHENTICATE",
            TransportError::CardUnresponsive { limit: std::time::Duration::from_secs(10) },
            "CS-5009",
        ),
    ] {
        let mut site = Site::ready();
        site.card = Slotted(site.card.0).with(|card| card.fault = Some((place, error)));
        assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Card, code.to_owned()), "{place}");
        let count = |name| site.card.log().iter().filter(|command| **command == name).count();
        assert!(count("VERIFY") <= 1 && count("GENERAL AUTHENTICATE") <= 1, "{place}: never sent twice");
    }
    // Text says that nothing came of it.
    let mut site = Site::ready();
    site.card =
        Slotted(site.card.0).with(|card| card.fault = Some(("GENERAL AUTHENTICATE", TransportError::CardRemoved)));
    let (_open, number) = site.pin_fd("123456");
    let said = site.run(&["activate", "--pin-fd", &number]);
    assert!(
        said.notes.contains("the card was removed while in use [CS-5006]\nnothing was written\nnext: insert"),
        "{}",
        said.notes
    );
    assert!(said.output.is_empty());
}

#[test]
fn guided_it_shows_everything_before_it_asks() {
    let mut site = Site::ready();
    site.person = Answers::with(&["123456"]);
    let card = site.card.clone();
    site.person.meanwhile = Some(Box::new(move || assert!(!card.0.borrow().taken, "held while a person types")));
    let said = site.run(&["activate"]);
    assert_eq!(said.exit, Exit::Done, "{}", said.notes);
    let heard = &site.person.heard;
    let question = heard.find("PIN (3 tries left").unwrap_or_else(|| panic!("{heard}"));
    for text in [
        "control-room",
        "Example Organisation",
        "365 days",
        "s3z8nb0k123456",
        "virtual machine",
        "(UTC)",
        "Alex Example",
    ] {
        assert!(heard.find(text).is_some_and(|place| place < question), "{text} in {heard}");
    }
    assert!(
        said.output.contains("control-room: activated, until") && said.output.contains("[CS-0001]"),
        "{}",
        said.output
    );
    assert_eq!(
        site.card.log(),
        [&SCRIPTED[..3], &["SELECT", "GET DATA", "PIN STATUS", "VERIFY", "GENERAL AUTHENTICATE"]].concat()
    );
}

#[test]
fn guided_a_wrong_pin_is_asked_for_again_but_not_the_last_time() {
    let mut site = Site::ready();
    site.person = Answers::with(&["12", "654321", "123456"]);
    assert_eq!(site.run(&["activate"]).exit, Exit::Done);
    let heard = &site.person.heard;
    assert!(heard.contains("six to eight digits; nothing was sent"), "{heard}");
    assert!(heard.contains("Wrong PIN.\nPIN (2 tries left"), "{heard}");

    let mut site = Site::ready();
    site.person = Answers::with(&["654321", "654321", "654321"]);
    let before = site.stored();
    assert_eq!(site.code(&["activate"]), (Exit::Card, "CS-5024".to_owned()));
    assert_eq!((site.card.tries(), site.person.answers.len()), (1, 1));
    assert_eq!(site.code(&["activate"]), (Exit::Card, "CS-5026".to_owned()));
    assert_eq!(site.person.answers.len(), 1, "not even asked for");
    assert_eq!(site.stored(), before);
    site.person = Answers::with(&["123456"]);
    assert_eq!(site.run(&["activate", "--use-last-try"]).exit, Exit::Done);
    assert!(site.person.heard.contains("the last try: a wrong PIN blocks the card"));
}

#[test]
fn guided_leaving_changes_nothing() {
    for answers in [&[""][..], &[]] {
        let mut site = Site::ready();
        site.person = Answers::with(answers);
        let before = site.stored();
        assert_eq!(site.code(&["activate"]), (Exit::Refused, "CS-8016".to_owned()));
        assert_eq!(site.stored(), before);
        assert_eq!(site.card.tries(), 3);
    }
}

#[test]
fn guided_another_card_while_typing_is_noticed() {
    let mut site = Site::ready();
    site.person = Answers::with(&["123456"]);
    let card = site.card.clone();
    let other = Identity::issued("Other", Key::p256("other"), &site.cast.holder_root, None);
    site.person.meanwhile = Some(Box::new(move || card.0.borrow_mut().signature = Some(Rc::new(other))));
    assert_eq!(site.code(&["activate"]), (Exit::Card, "CS-5031".to_owned()));
    assert!(!site.card.log().contains(&"VERIFY"), "the other card must not be shown the PIN");

    let mut site = Site::ready();
    site.person = Answers::with(&["123456"]);
    let card = site.card.clone();
    site.person.meanwhile = Some(Box::new(move || card.0.borrow_mut().present = false));
    assert_eq!(site.code(&["activate"]), (Exit::Card, "CS-5006".to_owned()));
}

#[test]
fn guided_it_waits_for_the_card_and_lets_the_person_choose() {
    let mut site = Site::ready();
    site.install(&site.cast.token(|token| {
        token.id = Octets([1; 16]);
        token.product.id = "trend-viewer".to_owned();
    }));
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Usage, "CS-8012".to_owned()));
    site.card = Slotted(site.card.0).with(|card| {
        card.present = false;
        card.late = 1;
    });
    site.person = Answers::with(&["7", "1", "123456"]);
    let (exit, said) = site.json(&["activate"]);
    assert_eq!((exit, &said["product"]), (Exit::Done, &"trend-viewer".into()), "{}", site.person.heard);
    assert!(site.person.heard.contains("Insert your card; waiting 120 seconds"));

    site.card = Slotted(site.card.0).with(|card| card.present = false);
    assert_eq!(scripted(&mut site, "123456", &["--product", "control-room", "--wait"]).0, Exit::Done);
}

#[test]
fn slot_9a_where_the_token_admits_it() {
    let change = |token: &mut Token| token.grants[0].authentication_slot = true;
    for words in [&["--slot", "9a"][..], &[]] {
        let mut site = site_with(change);
        let holder = Rc::new(Cast::new().holder);
        site.card = Slotted(site.card.0).with(|card| {
            card.signature = None;
            card.authentication = Some(holder);
        });
        assert_eq!(scripted(&mut site, "123456", words).0, Exit::Done);
        assert_eq!(site.json(&["check", "control-room"]).1["holder"]["slot"]["name"], "9A");
    }
    let mut site = Site::ready();
    assert_eq!(scripted_in_vain(&mut site, "123456", &["--slot", "9a"]), (Exit::Card, "CS-5021".to_owned()));
}

#[test]
fn an_organisations_own_pki() {
    let cast = Cast::new();
    let intermediate = Identity::ca("Issuing Office", &cast.holder_root);
    let holder = Identity::issued("Kim Example", Key::p256("kim"), &intermediate, None);
    let issuers = intermediate.pem();
    let root = cast.holder_root.pem();
    let mut site = Site::with(cast, holder);
    site.install(&site.cast.token(|_| {}));
    let file = site.file("issuers.pem", issuers.as_bytes());
    assert_eq!(scripted_in_vain(&mut site, "123456", &[]), (Exit::Refused, "CS-2006".to_owned()));
    assert_eq!(scripted(&mut site, "123456", &["--issuers", file.to_str().unwrap()]).0, Exit::Done);
    assert_eq!(site.run(&["check", "control-room"]).exit, Exit::Done);

    // A grant that knows its anchor by the digest of its key alone.
    let digest = digest_of_key(&site.cast.holder_root);
    site.install(&site.cast.token(|token| {
        token.revision = 2;
        token.grants[0].anchor = Grant::key_digest_anchor(digest).unwrap();
    }));
    let with_root = site.file("with-root.pem", format!("{issuers}{root}").as_bytes());
    assert_eq!(scripted(&mut site, "123456", &["--issuers", file.to_str().unwrap()]).1, "CS-3005");
    assert_eq!(scripted(&mut site, "123456", &["--issuers", with_root.to_str().unwrap()]).0, Exit::Done);
}

#[test]
fn the_trace_has_every_command_and_no_pin() {
    let mut site = Site::ready();
    let trace = site.path("trace");
    assert_eq!(scripted(&mut site, "123456", &["--trace", trace.to_str().unwrap()]).0, Exit::Done);
    let text = std::fs::read_to_string(&trace).unwrap();
    let names: Vec<_> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["SELECT", "GET DATA", "VERIFY", "VERIFY", "GENERAL AUTHENTICATE"], "{text}");
    assert!(!text.contains("123456") && !text.replace(' ', "").contains("313233343536"), "{text}");
    let folder = site.path("machine");
    let said = scripted(&mut site, "123456", &["--again", "--trace", folder.to_str().unwrap()]);
    assert_eq!(said, (Exit::System, "CS-8007".to_owned()));
}

#[test]
fn a_record_that_cannot_be_kept_is_told() {
    let mut site = Site::ready();
    site.person = Answers::with(&["123456"]);
    let records = site.path("store/records");
    site.person.meanwhile = Some(Box::new(move || std::fs::write(records, "in the way").unwrap()));
    let said = site.run(&["activate"]);
    assert_eq!(said.exit, Exit::System);
    assert!(
        said.notes.contains("signed, but the record could not be kept") && !said.notes.contains("nothing was written"),
        "{}",
        said.notes
    );
    assert!(said.notes.contains("[CS-6003]"), "{}", said.notes);
}

#[test]
fn another_product_is_activated_beside_the_first() {
    let mut site = Site::ready();
    scripted(&mut site, "123456", &[]);
    let viewer = |token: &mut Token| {
        token.id = Octets([1; 16]);
        token.product.id = "trend-viewer".to_owned();
    };
    site.install(&site.cast.token(viewer));
    let (_open, number) = site.pin_fd("123456");
    let (_, said) = site.json(&["activate", "--pin-fd", &number]);
    assert_eq!((&said["product"], &said["outcome"]), (&"trend-viewer".into(), &"activated".into()));
    assert_eq!(site.json(&["activate"]).1["outcome"], "already-activated");
    // A token that cannot be used now does not make a machine that is activated less so.
    let mut site = Site::ready();
    scripted(&mut site, "123456", &[]);
    site.install(&site.cast.token(|token| {
        token.id = Octets([1; 16]);
        token.window.not_after = at("2021-01-01");
    }));
    assert_eq!(site.json(&["activate"]).1["outcome"], "already-activated");
    assert_eq!(site.code(&["activate", "--token", "0101"]), (Exit::Refused, "CS-3206".to_owned()));
}
