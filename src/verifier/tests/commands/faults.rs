//! Files and folders that are not what they should be: one clear refusal each, and nothing half-written.

use crate::support::Site;
use countersign_common::{MAX_FILE_SIZE, encode_object};
use countersign_testkit::Run;
use countersign_verifier::Exit;
use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::Path};

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
        ("certificate", site.cast.holder.certificate.clone(), "CS-2010"),
        ("certificate.pem", site.cast.holder.pem().into_bytes(), "CS-2010"),
        ("needs-newer", newer, "CS-1007"),
        ("oversized", vec![b'x'; MAX_FILE_SIZE + 1], "CS-1001"),
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
fn what_a_user_may_not_read_or_write_is_told() {
    const TEST: &str = "faults::what_a_user_may_not_read_or_write_is_told";
    const CHILD: &str = "COUNTERSIGN_TEST_OF_RIGHTS";
    if std::env::var_os(CHILD).is_none() {
        // Root may do everything: this test once more, without that.
        let test = Run::new(std::env::current_exe().unwrap()).args(["--exact", TEST]).env(CHILD, "");
        let output = test.without_root_rights().output().expect_code(0);
        assert!(output.stdout_text().contains("1 passed"), "{output}");
        return;
    }
    let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let mut site = Site::ready();
    let token = site.file("token.pem", encode_object(&site.cast.token(|_| {})).as_bytes());
    set(&token, 0o200);
    for words in [&["certs", "--token"][..], &["machine", "--token"], &["anchors", "set"]] {
        let words = [words, &[token.to_str().unwrap()]].concat();
        assert_eq!(site.code(&words), (Exit::System, "CS-8005".to_owned()), "{words:?}");
    }
    set(&token, 0o400);

    let store = site.path("store");
    set(&store, 0o500);
    let before = site.stored();
    let (_open, number) = site.pin_fd("123456");
    assert_eq!(site.code(&["activate", "--pin-fd", &number]), (Exit::System, "CS-8022".to_owned()));
    assert!(site.card.log().is_empty(), "the card was used in vain");
    assert_eq!(site.code(&["remove", "3f3f", "--yes"]), (Exit::System, "CS-6005".to_owned()));
    assert_eq!(site.stored(), before);
    set(&store, 0o000);
    assert_eq!(site.code(&["tokens"]), (Exit::System, "CS-6005".to_owned()));
    set(&store, 0o700);
}

#[test]
fn a_store_with_more_than_it_may_have_is_refused() {
    let mut site = Site::ready();
    site.file(&format!("store/installed/tokens/{}.pem", "00".repeat(16)), &vec![b'x'; MAX_FILE_SIZE + 1]);
    assert_eq!(site.code(&["tokens"]), (Exit::System, "CS-6004".to_owned()));
    let mut site = Site::ready();
    for number in 0..=countersign::MAX_RECORDS {
        site.file(&format!("store/records/control-room/{number:032x}.pem"), b"junk");
    }
    assert_eq!(site.json(&["check", "control-room"]).1["reason"]["code"], "CS-6002");
    let found = site.json(&["doctor"]).1;
    assert!(found["items"].as_array().unwrap().iter().any(|item| item["code"] == "CS-6004"), "{found:#}");
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
    std::os::unix::fs::symlink("/tmp", site.path("store/installed/tokens")).unwrap();
    let file = site.file("token.pem", encode_object(&site.cast.token(|_| {})).as_bytes());
    assert_eq!(site.code(&["install", file.to_str().unwrap()]), (Exit::System, "CS-6003".to_owned()));

    let mut site = Site::ready();
    site.file("store/newest-time", b"tomorrow\n");
    let newer = site.cast.token(|token| token.revision = 2);
    let file = site.file("token.pem", encode_object(&newer).as_bytes());
    let before = site.stored();
    assert_eq!(site.code(&["install", file.to_str().unwrap()]), (Exit::System, "CS-6006".to_owned()));
    assert_eq!(site.code(&["activate", "--pin-fd", "0"]).1, "CS-6006");
    assert_eq!(site.stored(), before);
}

#[test]
fn while_another_command_changes_the_store_it_can_only_be_read() {
    let mut site = Site::ready();
    let newer = site.cast.token(|token| token.revision = 2);
    let file = site.file("token.pem", encode_object(&newer).as_bytes());
    let other = site.file("other.pem", crate::support::pki::Identity::root("Another Root").pem().as_bytes());
    let before = site.stored();
    let locked = site.store().lock().unwrap();
    let busy = (Exit::System, "CS-6009".to_owned());
    assert_eq!(site.code(&["install", file.to_str().unwrap()]), busy);
    assert_eq!(site.code(&["anchors", "set", other.to_str().unwrap()]), busy);
    assert_eq!(site.code(&["remove", "3f3f", "--yes"]), busy);
    assert_eq!(site.code(&["activate", "--pin-fd", "0"]), busy);
    assert!(site.card.log().is_empty(), "a command that could keep nothing used the card");
    assert_eq!(site.run(&["tokens"]).exit, Exit::Done);
    assert_eq!(site.stored(), before);
    drop(locked);
    assert_eq!(site.json(&["install", file.to_str().unwrap()]).1["files"][0]["outcome"], "replaced");
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
