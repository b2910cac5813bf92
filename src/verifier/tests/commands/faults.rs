//! Files and folders that are not what they should be: one clear refusal each, and nothing half-written.

use crate::support::Site;
use countersign_common::{MAX_FILE_SIZE, encode_object};
use countersign_verifier::Exit;

#[test]
fn every_kind_of_wrong_file_has_its_code() {
    let mut site = Site::ready();
    let good = encode_object(&site.cast.token(|_| {}));
    let der = site.cast.token(|_| {});
    let newer = site.cast.token(|token| token.terms.grace = Some(1));
    let contents: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), "CS-1002"),
        ("text", b"hello".to_vec(), "CS-1002"),
        ("text-around", format!("note\n{good}").into_bytes(), "CS-1002"),
        ("two-blocks", good.repeat(2).into_bytes(), "CS-1002"),
        ("truncated", der[..der.len() / 2].to_vec(), "CS-1003"),
        ("trailing", [der.clone(), vec![0]].concat(), "CS-1003"),
        ("nested", [[0x30, 0x80].repeat(5_000), vec![0; 10_000]].concat(), "CS-1003"),
        ("not-der", vec![0x30, 0x81, 0x01, 0x00], "CS-1003"),
        ("certificate", site.cast.holder.certificate.clone(), "CS-1003"),
        ("certificate.pem", site.cast.holder.pem().into_bytes(), "CS-1002"),
        ("needs-newer", newer, "CS-1007"),
        ("oversized", vec![b'x'; MAX_FILE_SIZE + 1], "CS-8004"),
    ];
    let before = site.stored();
    for (name, content, code) in contents {
        let file = site.file(name, &content);
        let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
        let found = said["files"][0]["error"]["code"].as_str().unwrap_or("installed");
        assert!(found == code || (code == "CS-1003" && found.starts_with("CS-1")), "{name}: {found}");
        assert_ne!(exit, Exit::Done, "{name}");
        assert!(!said["files"][0]["error"]["next"].as_str().unwrap().is_empty());
    }
    assert_eq!(site.stored(), before);
}

#[test]
fn every_command_refuses_a_file_that_is_not_there() {
    let mut site = Site::ready();
    let anchors = site.path("anchors.pem");
    let anchors = anchors.to_str().unwrap().to_owned();
    let folder = site.path("machine");
    let folder = folder.to_str().unwrap().to_owned();
    for (file, code) in [("/nowhere/file", "CS-8002"), (folder.as_str(), "CS-8003")] {
        for words in [
            &["anchors", "set", file][..],
            &["certs", "--token", file],
            &["certs", "--issuers", file],
            &["activate", "--pin-fd", "0", "--issuers", file],
            &["machine", "--token", file],
            &["verify", file, "--anchors", &anchors],
            &["verify", &anchors, "--anchors", file],
        ] {
            assert_eq!(site.code(words), (Exit::System, code.to_owned()), "{words:?}");
        }
    }
    assert!(site.card.log().is_empty(), "a command that failed before its card used it");
}

#[test]
fn a_store_that_is_a_link_or_a_file_is_refused() {
    let mut site = Site::ready();
    let store = site.path("store");
    std::fs::rename(&store, site.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(site.path("elsewhere"), &store).unwrap();
    for words in [&["tokens"][..], &["status"], &["anchors", "show"], &["activate", "--pin-fd", "0"]] {
        assert_eq!(site.code(words), (Exit::System, "CS-6003".to_owned()), "{words:?}");
    }
    let token = site.path("to-install.pem");
    assert_eq!(site.code(&["install", token.to_str().unwrap()]).1, "CS-6003");
    assert_eq!(site.json(&["check", "control-room"]).0, Exit::CannotTell);
    std::fs::remove_file(&store).unwrap();
    std::fs::write(&store, "a file").unwrap();
    assert_eq!(site.code(&["tokens"]).1, "CS-6003");
}

#[test]
fn what_stands_in_the_way_in_the_store_is_told() {
    let mut site = Site::new();
    std::os::unix::fs::symlink("/tmp", site.path("store/tokens")).unwrap();
    let file = site.file("token.pem", encode_object(&site.cast.token(|_| {})).as_bytes());
    let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
    assert_eq!((exit, &said["files"][0]["error"]["code"]), (Exit::System, &"CS-6003".into()));

    let mut site = Site::ready();
    site.file("store/newest-time", b"tomorrow\n");
    let newer = site.cast.token(|token| token.revision = 2);
    let file = site.file("token.pem", encode_object(&newer).as_bytes());
    let before = site.stored();
    let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
    assert_eq!((exit, &said["files"][0]["error"]["code"]), (Exit::System, &"CS-6006".into()));
    assert_eq!(site.code(&["activate", "--pin-fd", "0"]).1, "CS-6006");
    assert_eq!(site.stored(), before);
}

#[test]
fn output_that_nobody_takes_is_not_success() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let site = Site::new();
    let world = countersign_verifier::World {
        output: &mut Closed,
        notes: &mut Closed,
        person: &mut crate::support::card::Answers::nobody(),
        cards: &site.card,
        anchors: countersign::Anchors::administrator_store(),
    };
    let words = ["countersign-verifier", "machine"].map(std::ffi::OsString::from);
    assert_eq!(countersign_verifier::run(words, world), Exit::System);
}
