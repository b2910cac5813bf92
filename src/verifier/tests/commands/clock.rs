//! `clock`, `clock request` and `clock mend`, with a time-stamping authority of `openssl ts`.

use crate::support::Site;
use countersign_common::{Time, decode_certificates, encode_object, token::ClockRepair};
use countersign_verifier::Exit;
use der::{Decode as _, asn1::Any};
use std::{path::Path, process::Command};

/// A century ahead of any clock here.
const FLOOR: &str = "2126-11-24T09:30:00Z";

/// A site whose token trusts an authority in the folder `stamps`, and whose clock once stood in the future.
fn site() -> Site {
    let site = Site::new();
    stamps(&site, &[]);
    let root = decode_certificates(&std::fs::read(site.path("stamps/root.pem")).unwrap()).unwrap();
    let anchors = root.iter().map(|der| Any::from_der(der).unwrap()).collect();
    let repair = ClockRepair { timestamp_anchors: Some(anchors), two_holders: false };
    site.install(&site.cast.token(|token| token.terms.clock_repair = Some(repair)));
    site.store().lock().unwrap().set_time(FLOOR.parse().unwrap()).unwrap();
    site
}

/// The demonstration authority, without more words founded.
fn stamps(site: &Site, words: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../certs/timestamps.sh");
    let output = Command::new("sh").arg(script).arg(site.path("stamps")).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn stamp(site: &Site, query: &str, answer: &str) -> String {
    let [query, answer] = [query, answer].map(|name| site.path(name).to_str().unwrap().to_owned());
    stamps(site, &[&query, &answer]);
    answer
}

fn request(site: &mut Site, out: &str) -> (Exit, serde_json::Value) {
    let out = site.path(out).to_str().unwrap().to_owned();
    site.json(&["clock", "request", "--out", &out])
}

#[test]
fn a_clock_that_ran_ahead_is_mended_by_a_stamp() {
    let mut site = site();
    let (exit, said) = site.json(&["clock"]);
    let clock = &said["clock"];
    assert_eq!((exit, &clock["reason"]["code"]), (Exit::CannotTell, &"CS-3202".into()));
    assert_eq!(clock["floor"], FLOOR);
    assert_eq!(clock["set_by"], "this machine's clock, at an earlier look");
    assert_eq!(clock["request"], serde_json::Value::Null);
    let said = site.run(&["clock"]);
    assert!(said.output.starts_with("the clock says 20") && said.output.contains("[CS-3202]"), "{}", said.output);
    assert!(said.notes.contains("clock request --out FILE"), "{}", said.notes);

    let (exit, first) = request(&mut site, "clock.tsq");
    assert_eq!((exit, &first["clock"]["again"]), (Exit::Done, &false.into()));
    let query = std::fs::read(site.path("clock.tsq")).unwrap();
    // The one that waits is written again, as long as the floor is the same.
    let (_, again) = request(&mut site, "again.tsq");
    assert_eq!(again["clock"]["again"], true);
    let named = site.path("named.tsq").to_str().unwrap().to_owned();
    assert_eq!(site.json(&["clock", "request", "--token", "3f3f", "--out", &named]).1["clock"]["again"], true);
    assert_eq!(again["clock"]["request"], first["clock"]["request"]);
    assert_eq!(std::fs::read(site.path("again.tsq")).unwrap(), query);
    assert_eq!(site.json(&["clock"]).1["clock"]["request"], first["clock"]["request"]);

    let answer = stamp(&site, "clock.tsq", "clock.tsr");
    let before = countersign::now().unwrap().minus(60);
    let (exit, said) = site.json(&["clock", "mend", &answer]);
    assert_eq!(exit, Exit::Done, "{said}");
    let mended = &said["clock"];
    assert_eq!(mended["earlier_floor"], FLOOR);
    assert_eq!(mended["accuracy"], 1_000_000);
    assert!(mended["authority"].as_str().unwrap().contains("CN=Example Stamps"), "{mended}");
    assert!(mended["anchor"].as_str().unwrap().contains("CN=Example Stamps Root"), "{mended}");
    let floor: Time = mended["floor"].as_str().unwrap().parse().unwrap();
    assert_eq!(site.store().newest_time_seen().unwrap(), Some(floor));
    assert!(before < floor);
    let (exit, said) = site.json(&["clock"]);
    assert_eq!((exit, &said["clock"]["reason"]), (Exit::Done, &serde_json::Value::Null));
    assert!(site.run(&["clock"]).output.starts_with("the clock is not behind any time that has passed"));

    // The answer is used up, and there is nothing more to mend.
    assert_eq!(site.code(&["clock", "mend", &answer]), (Exit::Refused, "CS-8023".to_owned()));
    assert_eq!(request(&mut site, "more.tsq").1["error"]["code"], "CS-3502");
    assert!(!site.path("more.tsq").exists());
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut site = site();
    request(&mut site, "clock.tsq");
    let answer = stamp(&site, "clock.tsq", "clock.tsr");
    let before = site.stored();
    let garbage = site.file("garbage.tsr", b"not a stamp").to_str().unwrap().to_owned();
    assert_eq!(site.code(&["clock", "mend", &garbage]), (Exit::Refused, "CS-3505".to_owned()));
    // An answer to the request of another machine under the same token.
    let mut other = std::fs::read(site.path("clock.tsq")).unwrap();
    let imprint = other.windows(2).position(|window| window == [4, 32]).unwrap();
    other[imprint + 2] ^= 1;
    site.file("other.tsq", &other);
    let wrong = stamp(&site, "other.tsq", "other.tsr");
    assert_eq!(site.code(&["clock", "mend", &wrong]), (Exit::Refused, "CS-3506".to_owned()));
    assert_eq!(site.code(&["clock", "mend", "/no/such/file"]), (Exit::System, "CS-8002".to_owned()));
    assert_eq!(site.stored(), before);

    // Carried to another machine.
    site.machine_file("etc/machine-id", "00112233445566778899aabbccddeeff\n");
    assert_eq!(site.code(&["clock", "mend", &answer]).1, "CS-4001");
    site.machine_file("etc/machine-id", "5b3f0c1f8d6a4f0e9f0b6c2d1e3a4b5c\n");
    // The machine has gone on in between: the stamp is not to take it back.
    site.store().lock().unwrap().set_time("2126-11-24T09:30:01Z".parse().unwrap()).unwrap();
    assert_eq!(site.code(&["clock", "mend", &answer]), (Exit::Refused, "CS-3503".to_owned()));
    site.store().lock().unwrap().set_time(FLOOR.parse().unwrap()).unwrap();
    assert_eq!(site.stored(), before);
    std::fs::remove_dir_all(site.path("store/installed/tokens")).unwrap();
    assert_eq!(site.code(&["clock", "mend", &answer]), (Exit::Refused, "CS-3503".to_owned()));
    site.file("store/clock-request", b"damaged");
    assert_eq!(site.code(&["clock", "mend", &answer]), (Exit::Refused, "CS-8023".to_owned()));
    assert_eq!(site.json(&["clock"]).1["clock"]["request"], serde_json::Value::Null);
}

#[test]
fn of_several_tokens_one_is_named() {
    let mut site = site();
    let token = site.cast.token(|token| {
        token.id.0[0] = 0x40;
        token.terms.clock_repair = Some(ClockRepair { timestamp_anchors: Some(vec![Any::null()]), two_holders: false });
    });
    site.install(&token);
    assert_eq!(request(&mut site, "clock.tsq").1["error"]["code"], "CS-8012");
    let out = site.path("clock.tsq").to_str().unwrap().to_owned();
    assert_eq!(site.json(&["clock", "request", "--token", "3f3f", "--out", &out]).0, Exit::Done);
}

#[test]
fn a_token_without_clock_repair_does_not_mend() {
    let mut site = Site::new();
    assert_eq!(request(&mut site, "clock.tsq").1["error"]["code"], "CS-8011");
    let mut site = Site::ready();
    site.store().lock().unwrap().set_time(FLOOR.parse().unwrap()).unwrap();
    assert_eq!(request(&mut site, "clock.tsq").1["error"]["code"], "CS-3501");
    let out = site.path("clock.tsq").to_str().unwrap().to_owned();
    assert_eq!(
        site.code(&["clock", "request", "--token", "ffff", "--out", &out]),
        (Exit::Refused, "CS-8013".to_owned())
    );
    assert_eq!(site.code(&["clock", "request", "--token", "x", "--out", &out]), (Exit::Usage, "CS-8001".to_owned()));
    assert_eq!(site.store().clock_request().unwrap(), None);
    // Without anchors nothing verifies, and the clock is still told.
    std::fs::remove_file(site.path("store/installed/anchors.pem")).unwrap();
    let (exit, said) = site.json(&["clock"]);
    assert_eq!((exit, &said["clock"]["floor"]), (Exit::CannotTell, &FLOOR.into()));
}

#[test]
fn what_was_dated_by_the_wrong_clock_is_told() {
    let mut site = site();
    let token = std::fs::read(site.path("store/installed/tokens/3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f.pem")).unwrap();
    let token = countersign_common::decode_object(&token).unwrap().into_owned();
    // Activated a day ahead, within the window; the floor is that of the activation.
    let ahead = countersign::now().unwrap().plus(86_400);
    let record = site.cast.record(&token, &site.machine(), ahead);
    let id = countersign_common::Octets([0x3f; 16]);
    site.store().lock().unwrap().keep_record("control-room", &id, encode_object(&record).as_bytes()).unwrap();
    site.store().lock().unwrap().set_time(ahead).unwrap();
    let (_, said) = site.json(&["clock"]);
    assert_eq!(said["clock"]["set_by"], "the activation of control-room");
    assert_eq!(said["clock"]["dated_later"][0]["time"], ahead.to_string());
    request(&mut site, "clock.tsq");
    let answer = stamp(&site, "clock.tsq", "clock.tsr");
    let said = site.run(&["clock", "mend", &answer]);
    assert_eq!(said.exit, Exit::Done, "{}", said.notes);
    assert!(said.output.contains("the activation of control-room"), "{}", said.output);
    assert!(said.notes.contains("then activate again"), "{}", said.notes);
    let (exit, said) = site.json(&["check", "control-room"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::CannotTell, &"CS-3202".into()));
}
