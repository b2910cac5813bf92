//! `anchors`, `install`, `tokens` and `remove`: what the store holds before and after.

use crate::support::{
    Site,
    card::Answers,
    pki::{Cast, Identity, Key, at},
};
use countersign_common::{Octets, encode_object};
use countersign_verifier::Exit;

fn install(site: &mut Site, token: &[u8]) -> (Exit, serde_json::Value) {
    let file = site.file("token.pem", encode_object(token).as_bytes());
    let (exit, value) = site.json(&["install", file.to_str().unwrap()]);
    (exit, value["files"][0].clone())
}

#[test]
fn a_token_is_installed_once_and_a_newer_one_takes_its_place() {
    let mut site = Site::new();
    let first = site.cast.token(|_| {});
    let second = site.cast.token(|token| token.revision = 2);
    let (exit, said) = install(&mut site, &first);
    assert_eq!((exit, &said["outcome"]), (Exit::Done, &"installed".into()));
    let before = site.stored();
    let (exit, said) = install(&mut site, &first);
    assert_eq!((exit, &said["outcome"]), (Exit::Done, &"already-installed".into()));
    assert_eq!(site.stored(), before);
    let (_, said) = install(&mut site, &second);
    assert_eq!(said["outcome"], "replaced");
    let after = site.stored();

    let (exit, said) = install(&mut site, &first);
    assert_eq!((exit, &said["error"]["code"]), (Exit::Refused, &"CS-8009".into()));
    let third = site.cast.token(|token| {
        token.revision = 2;
        token.seats = Some(1);
    });
    let (_, said) = install(&mut site, &third);
    assert_eq!(said["error"]["code"], "CS-8010");
    assert_eq!(site.stored(), after);
}

#[test]
fn a_token_that_was_removed_makes_no_room_for_an_older_one() {
    let mut site = Site::new();
    let second = site.cast.token(|token| token.revision = 2);
    site.install(&second);
    let record = site.cast.record(&second, &site.machine(), countersign::now().unwrap());
    site.store()
        .lock()
        .unwrap()
        .keep_record("control-room", &Octets([0x3f; 16]), encode_object(&record).as_bytes())
        .unwrap();
    assert_eq!(site.run(&["remove", "3f3f", "--token", "--yes"]).exit, Exit::Done);
    let first = site.cast.token(|_| {});
    assert_eq!(install(&mut site, &first).1["error"]["code"], "CS-8009");
    assert_eq!(install(&mut site, &second).1["outcome"], "installed");
}

#[test]
fn of_several_files_all_are_kept_or_none() {
    let mut site = Site::new();
    let good = site.file("good.pem", encode_object(&site.cast.token(|_| {})).as_bytes());
    let other = site.file("junk.pem", b"junk");
    let before = site.stored();
    let said = site.run(&["install", other.to_str().unwrap(), good.to_str().unwrap(), "/nowhere\u{1b}[2J"]);
    assert_eq!(said.exit, Exit::System);
    assert!(said.notes.contains("junk.pem: not installed: not a PEM file"), "{}", said.notes);
    assert!(said.notes.contains("good.pem: not installed, since not all of it can be"), "{}", said.notes);
    assert_eq!((said.output.as_str(), site.stored()), ("nothing was written\n", before));
    assert!(said.notes.contains("\\u{1b}[2J: not installed"), "{}", said.notes);
    assert!(said.notes.contains("next: "));
}

#[test]
fn tokens_of_others_are_refused() {
    let mut site = Site::new();
    let stranger = Identity::root("Another Root");
    let mut cast = Cast::new();
    cast.token_signer =
        Identity::issued("Thief", Key::p256("thief"), &stranger, Some(crate::support::pki::TOKEN_SIGNING));
    let before = site.stored();
    let (exit, said) = install(&mut site, &cast.token(|_| {}));
    assert_eq!((exit, &said["error"]["code"]), (Exit::Refused, &"CS-2006".into()));
    // The right root, but a certificate for another purpose.
    cast.token_signer = Identity::issued("Holder", Key::p256("holder"), &site.cast.token_root, None);
    assert_eq!(install(&mut site, &cast.token(|_| {})).1["error"]["code"], "CS-2014");
    assert_eq!(site.stored(), before);
}

#[test]
fn tokens_are_listed_with_their_window() {
    let mut site = Site::new();
    assert!(site.run(&["tokens"]).output.contains("no token"));
    for (first, from, to) in
        [(1, "2020-01-01", "2099-01-01"), (2, "2020-01-01", "2021-01-01"), (3, "2098-01-01", "2099-01-01")]
    {
        site.install(&site.cast.token(|token| {
            token.id = Octets([first; 16]);
            token.window.not_before = at(from);
            token.window.not_after = at(to);
        }));
    }
    let (exit, said) = site.json(&["tokens"]);
    assert_eq!(exit, Exit::Done);
    let windows: Vec<_> = said["tokens"].as_array().unwrap().iter().map(|token| token["window"].clone()).collect();
    assert_eq!(windows, ["open", "closed", "not-yet"]);
    let text = site.run(&["tokens"]).output;
    assert!(text.contains("control-room version 1, for Example Organisation (example-org)"), "{text}");

    site.file("store/installed/tokens/00.pem", b"junk");
    let (exit, said) = site.json(&["tokens"]);
    assert_eq!((exit, &said["tokens"][0]["reason"]["code"]), (Exit::Refused, &"CS-1002".into()));
}

#[test]
fn remove_asks_and_tells_what_it_takes_away() {
    let mut site = Site::ready();
    assert_eq!(site.code(&["remove", "3f3f"]), (Exit::Usage, "CS-8014".to_owned()));
    assert_eq!(site.code(&["remove", "abcd", "--yes"]), (Exit::Refused, "CS-8013".to_owned()));
    site.person = Answers::with(&["n"]);
    let before = site.stored();
    assert_eq!(site.code(&["remove", "3f3f"]), (Exit::Refused, "CS-8016".to_owned()));
    assert_eq!(site.stored(), before);
    assert!(site.person.heard.contains("Remove the token 3f3f3f3f"), "{}", site.person.heard);

    let token = site.cast.token(|_| {});
    let record = site.cast.record(&token, &site.machine(), countersign::now().unwrap());
    site.store()
        .lock()
        .unwrap()
        .keep_record("control-room", &Octets([0x3f; 16]), encode_object(&record).as_bytes())
        .unwrap();
    assert_eq!(site.run(&["check", "control-room"]).exit, Exit::Done);
    site.person = Answers::with(&["y"]);
    let (exit, said) = site.json(&["remove", "3f3f", "--record"]);
    assert!(site.person.heard.contains("control-room"), "{}", site.person.heard);
    assert_eq!((exit, &said["removed"]["records"][0]), (Exit::Done, &"control-room".into()));
    assert_eq!(said["removed"]["token"], false);
    assert_eq!(site.run(&["check", "control-room"]).exit, Exit::Refused);
    let (_, said) = site.json(&["remove", "3f3f", "--yes"]);
    assert_eq!(said["removed"]["token"], true);
}

#[test]
fn what_can_no_longer_be_read_can_still_be_removed() {
    let mut site = Site::ready();
    let id = "3f".repeat(16);
    site.file(&format!("store/records/control-room/{id}.pem"), b"junk");
    site.file(&format!("store/installed/tokens/{id}.pem"), b"junk");
    assert_eq!(site.code(&["remove", "3f3f", "--yes"]).1, "CS-8013");
    let (exit, said) = site.json(&["remove", &id, "--yes"]);
    assert_eq!((exit, &said["removed"]["token"]), (Exit::Done, &true.into()));
    assert_eq!(said["removed"]["records"][0], "control-room");
}

#[test]
fn an_id_that_means_several_is_refused() {
    let mut site = Site::ready();
    site.install(
        &site.cast.token(|token| token.id = Octets([[0x3f; 15].as_slice(), &[1]].concat().try_into().unwrap())),
    );
    assert_eq!(site.code(&["remove", "3f3f", "--yes"]), (Exit::Usage, "CS-8012".to_owned()));
}

#[test]
fn anchors_are_set_and_shown() {
    let mut site = Site::new();
    let file = site.path("anchors.pem");
    let (exit, said) = site.json(&["anchors", "set", file.to_str().unwrap()]);
    assert_eq!((exit, &said["written"]), (Exit::Done, &false.into()));
    let other = site.file("other.pem", Identity::root("Another Root").pem().as_bytes());
    let (_, said) = site.json(&["anchors", "set", other.to_str().unwrap()]);
    assert_eq!(said["written"], true);
    let (_, said) = site.json(&["anchors", "show"]);
    assert_eq!(said["anchors"]["source"], "administrator-store");
    assert_eq!(said["anchors"]["certificates"][0]["subject"], "CN=Another Root");
    assert!(said["anchors"]["file"]["owner"].is_string());
    let text = site.run(&["anchors", "show"]).output;
    assert!(text.contains("the administrator's") && text.contains("may be changed by"), "{text}");
}

#[test]
fn only_roots_become_anchors() {
    let mut site = Site::new();
    let holder = site.file("holder.pem", site.cast.holder.pem().as_bytes());
    let before = site.stored();
    assert_eq!(site.code(&["anchors", "set", holder.to_str().unwrap()]), (Exit::Refused, "CS-8020".to_owned()));
    let token = site.file("token.pem", encode_object(&site.cast.token(|_| {})).as_bytes());
    assert_eq!(site.code(&["anchors", "set", token.to_str().unwrap()]).1, "CS-1002");
    assert_eq!(site.stored(), before);
}

#[test]
fn compiled_anchors_are_the_only_ones() {
    let mut site = Site::ready();
    // Another root than the administrator's: what that one signed counts no longer, and there is no falling back.
    let other = Identity::root("Another Root").pem();
    site.compiled = Some(Box::leak(other.into_boxed_str()));
    let file = site.path("anchors.pem");
    assert_eq!(site.code(&["anchors", "set", file.to_str().unwrap()]), (Exit::Refused, "CS-8008".to_owned()));
    let (_, said) = site.json(&["anchors", "show"]);
    assert_eq!((&said["anchors"]["source"], &said["anchors"]["file"]), (&"compiled".into(), &serde_json::Value::Null));
    assert_eq!(site.json(&["tokens"]).1["tokens"][0]["reason"]["code"], "CS-2006");
    assert_eq!(site.json(&["check", "control-room"]).1["anchors"]["source"], "compiled");
}

#[test]
fn without_anchors_nothing_counts() {
    let mut site = Site::ready();
    std::fs::remove_file(site.store().anchors_path()).unwrap();
    assert_eq!(site.code(&["tokens"]), (Exit::Refused, "CS-3001".to_owned()));
    let file = site.path("to-install.pem");
    assert_eq!(site.code(&["install", file.to_str().unwrap()]).1, "CS-3001");
    assert_eq!(site.json(&["check", "control-room"]).1["reason"]["code"], "CS-3001");
}
