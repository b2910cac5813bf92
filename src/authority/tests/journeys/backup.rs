//! Backups, and what comes back of them.

use crate::support::{Desk, PASSPHRASE, expect_said, plain_token};
use countersign_testkit::{Run, SoftHsm};
use std::{fs, os::unix::fs::PermissionsExt};

/// An authority with some history, and a head of its ledger in `head.pem`.
fn with_history() -> Desk {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "1.token.pem"])).expect_code(0);
    desk.write("authority/limits.toml", "[limits]\nproducts = [\"control-room\"]\n");
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    desk
}

fn restore<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--home", "restored", "restore", "a.backup"], more].concat()
}

#[test]
fn what_was_restored_issues_as_before() {
    let desk = with_history();
    desk.write("authority/notes of mine", "not an authority's");
    let made = desk.run(&["backup", "--out", "a.backup"]).expect_code(0);
    expect_said(&made, &["entries   2", "left out  notes of mine"]);
    assert_eq!(fs::metadata(desk.path("a.backup")).expect("a file").permissions().mode() & 0o777, 0o600);
    // Another program reads it.
    let listed = Run::new("tar").args(["-tf"]).arg(desk.path("a.backup")).output().expect_code(0).stdout_text();
    for name in ["MANIFEST.json", "anchors.pem", "limits.toml", "keys/token-root.key.pem", "ledger.sqlite"] {
        assert!(listed.lines().any(|line| line == name), "{name}: {listed}");
    }

    let restored = desk.with_passphrase(&restore(&["--head", "head.pem", "--open-keys"])).expect_code(0);
    expect_said(&restored, &["Restored the authority of Example Works", "held against  head.pem"]);
    assert_eq!(fs::metadata(desk.path("restored")).expect("a folder").permissions().mode() & 0o777, 0o700);
    for key in ["keys/token-root.key.pem", "ledger.sqlite"] {
        let mode = fs::metadata(desk.path(&format!("restored/{key}"))).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    desk.run(&["--home", "restored", "ledger", "verify", "--head", "head.pem"]).expect_code(0);
    desk.with_passphrase(&[&["--home", "restored"], &plain_token(&["--out", "2.token.pem"])[..]].concat())
        .expect_code(0);
    desk.with_passphrase(&["--home", "restored", "ledger", "sign", "--out", "2.head.pem"]).expect_code(0);

    // Nothing is overwritten by either.
    let before = desk.snapshot();
    expect_said(&desk.run(&["backup", "--out", "a.backup"]).expect_code(1), &["CS-7006"]);
    expect_said(&desk.run(&restore(&[])).expect_code(1), &["CS-7003"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn a_backup_is_of_one_moment_while_tokens_are_issued() {
    let desk = Desk::founded("p256");
    std::thread::scope(|scope| {
        let issuing = scope.spawn(|| {
            for number in 0..6 {
                let name = format!("{number}.token.pem");
                desk.with_passphrase(&plain_token(&["--out", &name])).expect_code(0);
            }
        });
        for number in 0..4 {
            let (file, home) = (format!("{number}.backup"), format!("restored-{number}"));
            desk.run(&["backup", "--out", &file]).expect_code(0);
            desk.run(&["--home", &home, "restore", &file]).expect_code(0);
        }
        issuing.join().expect("tokens");
    });
    assert_eq!(desk.entries(), 7);
    desk.run(&["ledger", "verify"]).expect_code(0);
}

#[test]
fn an_older_state_is_pointed_out() {
    let desk = with_history();
    desk.run(&["backup", "--out", "a.backup"]).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "2.token.pem"])).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "3.token.pem"])).expect_code(0);
    desk.with_passphrase(&["ledger", "sign", "--out", "later.pem"]).expect_code(0);
    let before = desk.snapshot();
    let refused = desk.run(&restore(&["--head", "later.pem"])).expect_code(1);
    expect_said(&refused, &["CS-7098", "has 2 entries", "signed over 4", "--accept-older"]);
    assert_eq!(desk.snapshot(), before);
    let accepted = desk.run(&restore(&["--head", "later.pem", "--accept-older"])).expect_code(0);
    expect_said(&accepted, &["CS-7099", "2 entries more", "are lost"]);
    let verify = desk.run(&["--home", "restored", "ledger", "verify", "--head", "later.pem"]).expect_code(1);
    expect_said(&verify, &["CS-7056"]);

    // A head of another ledger says nothing about this one.
    let other = Desk::founded("p256");
    other.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    desk.write("other.pem", other.read("head.pem"));
    fs::remove_dir_all(desk.path("restored")).expect("a folder");
    desk.run(&restore(&["--head", "other.pem"])).expect_code(1);
    assert!(!desk.path("restored").exists());
}

#[test]
fn backups_that_were_changed_are_refused_and_leave_nothing() {
    let desk = with_history();
    desk.run(&["backup", "--out", "good.backup"]).expect_code(0);
    let good = desk.read("good.backup");
    let tar = |args: &[&str]| {
        Run::new("tar").arg("-C").arg(desk.path(".")).args(args.iter().copied()).output().expect_code(0)
    };
    fs::create_dir(desk.path("open")).expect("a folder");
    tar(&["-xf", &desk.path("good.backup").to_string_lossy(), "-C", &desk.path("open").to_string_lossy()]);
    let manifest = String::from_utf8(desk.read("open/MANIFEST.json")).expect("text");

    // Somebody puts another file in, and names its digest: the ledger has another certificate.
    let pack = |change: &dyn Fn()| {
        change();
        let names: Vec<_> = manifest.lines().filter_map(|line| line.trim().strip_prefix("\"path\": \"")).collect();
        let names: Vec<_> = names.iter().map(|name| name.trim_end_matches("\",").to_owned()).collect();
        let mut text = manifest.clone();
        for name in &names {
            let said = desk.openssl(&["dgst", "-sha256", "-r", &format!("open/{name}")]).expect_code(0).stdout_text();
            let (digest, size) = (
                said.split_whitespace().next().expect("a digest").to_owned(),
                desk.read(&format!("open/{name}")).len(),
            );
            let (head, rest) = text.split_once(&format!("\"path\": \"{name}\"")).expect("the file");
            let (_, rest) = rest.split_once('}').expect("its end");
            text = format!("{head}\"path\": \"{name}\", \"size\": {size}, \"sha256\": \"{digest}\" }}{rest}");
        }
        desk.write("open/MANIFEST.json", text);
        let archive = desk.path("a.backup");
        let mut args = vec!["--format=ustar", "-cf"];
        let (archive, open) =
            (archive.to_string_lossy().into_owned(), desk.path("open").to_string_lossy().into_owned());
        args.extend([archive.as_str(), "-C", open.as_str(), "MANIFEST.json"]);
        args.extend(names.iter().map(String::as_str));
        tar(&args);
    };
    #[track_caller]
    fn refused(desk: &Desk, words: &[&str]) {
        let before = desk.snapshot();
        expect_said(&desk.run(&restore(&[])).expect_code(1), words);
        assert_eq!(desk.snapshot(), before);
    }
    pack(&|| ());
    desk.run(&restore(&[])).expect_code(0);
    fs::remove_dir_all(desk.path("restored")).expect("a folder");

    let other = Desk::founded("p256");
    let (own, key) = (desk.read("open/token-signer.pem"), desk.read("open/keys/token-signer.key.pem"));
    pack(&|| desk.write("open/token-signer.pem", other.read("authority/token-signer.pem")));
    refused(&desk, &["CS-7097", "token-signer.pem", "not the certificate that the ledger has"]);
    pack(&|| {
        desk.write("open/token-signer.pem", &own);
        desk.write("open/keys/token-signer.key.pem", "no key");
    });
    refused(&desk, &["CS-7097", "not a PEM file"]);
    // Whose key it is shows when it is opened.
    pack(&|| desk.write("open/keys/token-signer.key.pem", other.read("authority/keys/list-signer.key.pem")));
    let opened = desk.with_passphrase(&restore(&["--open-keys"])).expect_code(3);
    expect_said(&opened, &["CS-7026"]);
    assert!(!desk.path("restored").exists());
    let before = desk.read("open/ledger.sqlite");
    pack(&|| {
        desk.write("open/keys/token-signer.key.pem", &key);
        desk.write("open/ledger.sqlite", other.ledger());
    });
    refused(&desk, &["CS-7097", "not the one that the manifest names"]);
    pack(&|| desk.write("open/ledger.sqlite", b"SQLite format 3\0 and nothing of it"));
    desk.run(&restore(&[])).expect_failure();
    assert!(!desk.path("restored").exists());
    desk.write("open/ledger.sqlite", before);

    // A bit that falls over anywhere in a file.
    for at in [700, good.len() / 2, good.len() - 3000] {
        let mut octets = good.clone();
        octets[at] ^= 1;
        desk.write("a.backup", octets);
        let code = desk.run(&restore(&[])).expect_failure();
        assert!(!desk.path("restored").exists(), "{at}: {code}");
    }
    desk.write("a.backup", &good[..good.len() / 2]);
    refused(&desk, &["CS-7097"]);
    let refused = desk.run(&["--home", "restored", "restore", "nothing.backup"]).expect_code(3);
    expect_said(&refused, &["CS-7007"]);
}

#[test]
fn keys_that_are_elsewhere_stay_there() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token("Authority"));
    fs::create_dir(desk.path("safe")).expect("a folder");
    let signer = format!("token-signer={}", SoftHsm::uri("Authority", ""));
    let init =
        ["--offline-keys", "safe", "init", "--organization", "Example Works", "--key", &signer, "--key-pin-fd", "5"];
    let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
    let run = desk.command(&init).args(descriptors).soft_hsm(&hsm);
    run.file(3, PASSPHRASE).file(4, crate::support::LEDGER_PASSPHRASE).file(5, SoftHsm::PIN).output().expect_code(0);
    desk.run(&["backup", "--out", "a.backup"]).expect_code(0);
    let restored = desk.run(&restore(&[])).expect_code(0);
    expect_said(&restored, &["keys elsewhere  token-root, holder-root"]);
    let issue = [&["--home", "restored"], &plain_token(&["--out", "1.token.pem", "--key-pin-fd", "5"])[..]].concat();
    desk.command(&issue).soft_hsm(&hsm).file(5, SoftHsm::PIN).output().expect_code(0);
}
