//! Key ceremonies: rehearsed, performed, entered into the ledger, signed.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said, plain_token};
use countersign_testkit::{Output, SoftHsm};
use std::fs;

/// The head of every script here.
const HEAD: &str = "title = \"Founding\"\norganization = \"Example Works\"\nplace = \"Room 4\"\n\n\
    [[participants]]\nname = \"Ada Lovelace\"\npart = \"security officer\"\n\n\
    [[participants]]\nname = \"Robin Example\"\npart = \"witness\"\n\n";

pub(crate) fn script(kind: &str, keys: &str) -> String {
    format!("ceremony = \"{kind}\"\n{HEAD}{keys}")
}

/// SHA-256 of a file by OpenSSL.
fn sha256(desk: &Desk, file: &str) -> String {
    let said = desk.openssl(&["dgst", "-sha256", "-r", file]).expect_code(0).stdout_text();
    said.split_whitespace().next().expect("a digest").to_owned()
}

/// The certificates of a transcript as files `made-1.pem` and so on; how many there are.
fn certificates(desk: &Desk, transcript: &str) -> usize {
    let text = String::from_utf8(desk.read(transcript)).expect("text");
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks
        .enumerate()
        .map(|(index, rest)| {
            let (body, _) = rest.split_once("-----END CERTIFICATE-----").expect("the end of a block");
            let pem = format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----\n");
            desk.write(&format!("made-{}.pem", index + 1), pem);
        })
        .count()
}

#[track_caller]
fn perform(desk: &Desk, script: &str, transcript: &str) -> Output {
    desk.with_passphrase(&["ceremony", "run", script, "--perform", "--transcript", transcript])
}

#[test]
fn a_rehearsal_asks_for_nothing_and_leaves_no_trace() {
    let desk = Desk::new();
    desk.write("found.toml", script("found", "[keys.token-root]\nalgorithm = \"p384\"\n"));
    let before = desk.snapshot();
    let rehearsed = desk.run(&["ceremony", "run", "found.toml"]).expect_code(0);
    expect_said(
        &rehearsed,
        &[
            "REHEARSAL: throwaway keys",
            "token root: rehearsed with throwaway keys",
            "P-384",
            "Ada Lovelace, security officer",
            "nothing was written",
        ],
    );
    assert_eq!(desk.snapshot(), before);
    // The same with a transcript, and nothing but that; in it no certificate of use.
    desk.run(&["ceremony", "run", "found.toml", "--transcript", "rehearsal.txt"]).expect_code(0);
    assert_eq!(desk.snapshot().len(), before.len() + 1);
    assert_eq!(certificates(&desk, "rehearsal.txt"), 6);
    desk.openssl(&["verify", "-CAfile", "made-1.pem", "made-3.pem"]).expect_code(0);

    // In a house that stands: what it would renew, without the keys.
    let desk = Desk::founded("rsa-2048");
    desk.write("renew.toml", script("renew", "[keys.token-signer]\n[keys.list-signer]\nvalidity = \"4y\"\n"));
    let before = desk.snapshot();
    let rehearsed = desk.run(&["ceremony", "run", "renew.toml"]).expect_code(0);
    expect_said(&rehearsed, &["Activation Token Signer 2", "Activation List Signer 2", "CS-7092", "more than 3 years"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn a_founding_is_performed_as_it_was_rehearsed() {
    let desk = Desk::new();
    fs::create_dir(desk.path("safe")).expect("a folder");
    desk.write(
        "found.toml",
        script("found", "[keys.token-root]\nalgorithm = \"p384\"\n[keys.token-signer]\nvalidity = \"1y\"\n"),
    );
    let run = ["--offline-keys", "safe", "ceremony", "run", "found.toml", "--perform", "--transcript", "founding.txt"];
    let held = desk.with_passphrase(&run).expect_code(0);
    expect_said(
        &held,
        &["PERFORMED: the real keys", "signed with the real key, linted again", "entry 2 of the ledger"],
    );
    assert!(desk.path("safe/token-root.key.pem").exists());

    // The transcript is the one in the ledger, has every certificate, and tells the tree before its own entry.
    let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
    assert!(list.contains("authority founded") && list.contains("ceremony held      found: Founding"), "{list}");
    desk.run(&["ledger", "show", "2", "--export", "again.txt"]).expect_code(0);
    assert_eq!(desk.read("again.txt"), desk.read("founding.txt"));
    let shown = desk.run(&["--json", "ledger", "show", &sha256(&desk, "founding.txt")]).expect_code(0).stdout_text();
    assert!(shown.contains("\"Robin Example, witness\"") && shown.contains(&sha256(&desk, "found.toml")), "{shown}");
    assert_eq!(certificates(&desk, "founding.txt"), 6);
    for signer in 3..=6 {
        let file = format!("made-{signer}.pem");
        desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/anchors.pem", &file]).expect_code(0);
    }
    let first = desk.run(&["--json", "ledger", "show", "1"]).expect_code(0).stdout_text();
    let leaf = first.lines().find(|line| line.contains("\"leaf\"")).expect("a leaf");
    let leaf = leaf.split('"').nth(3).expect("a hash");
    let text = String::from_utf8(desk.read("founding.txt")).expect("text");
    assert!(text.contains(leaf), "the root of a tree of one entry is its leaf");
    assert!(!text.contains(PASSPHRASE) && !text.contains(LEDGER_PASSPHRASE));

    // It is an authority as any other.
    desk.run(&["ledger", "verify"]).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "1.token.pem"])).expect_code(0);
    // Nothing is held twice, nor over another transcript.
    let before = desk.snapshot();
    expect_said(&perform(&desk, "found.toml", "2.txt").expect_code(1), &["CS-7003"]);
    desk.write("renew.toml", script("renew", "[keys.token-signer]\n"));
    expect_said(&perform(&desk, "renew.toml", "founding.txt").expect_code(1), &["CS-7006"]);
    expect_said(&perform(&desk, "renew.toml", "2.txt").expect_code(3), &["CS-7096"]);
    desk.run(&["ceremony", "run", "renew.toml", "--perform"]).expect_code(2);
    fs::remove_file(desk.path("renew.toml")).expect("a file");
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn keys_in_hardware_and_in_files_are_renewed_in_one_ceremony() {
    let (desk, hsm) = (Desk::founded("p256"), SoftHsm::with_token("Authority"));
    let uri = SoftHsm::uri("Authority", "");
    let keys = format!(
        "[keys.token-signer]\nkey = \"{uri}\"\nalgorithm = \"rsa-2048\"\nrsa-padding = \"pss\"\n\
         [keys.list-signer]\n[keys.ledger-signer]\nvalidity = \"1y\"\n"
    );
    desk.write("renew.toml", script("renew", &keys));
    desk.run(&["ceremony", "run", "renew.toml"]).expect_code(0);
    let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4", "--key-pin-fd", "5"];
    let run = |script: &str, transcript: &str| {
        let run = desk.command(&["ceremony", "run", script, "--perform", "--transcript", transcript]).args(descriptors);
        run.soft_hsm(&hsm).file(3, PASSPHRASE).file(4, LEDGER_PASSPHRASE).file(5, SoftHsm::PIN).output()
    };
    let held = run("renew.toml", "renewal.txt").expect_code(0);
    expect_said(&held, &["pkcs11:token=Authority;serial=", "in an encrypted file", "entries          1 to 4"]);
    let token = desk.command(&plain_token(&["--out", "1.token.pem", "--key-pin-fd", "5"])).soft_hsm(&hsm);
    token.file(5, SoftHsm::PIN).output().expect_code(0);
    let signed = desk.openssl(&["cms", "-cmsout", "-print", "-inform", "PEM", "-in", "1.token.pem"]).expect_code(0);
    assert!(signed.stdout_text().contains("Activation Token Signer 2"));
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);

    // A key that is there already, of another kind than the script says: the rehearsal could not know.
    let keys = format!(
        "[keys.token-signer]\nkey = \"{}\"\nalgorithm = \"p384\"\n",
        SoftHsm::uri("Authority", ";object=Example%20Works%20token-signer-2")
    );
    desk.write("wrong.toml", script("renew", &keys));
    desk.run(&["ceremony", "run", "wrong.toml"]).expect_code(0);
    let before = desk.snapshot();
    expect_said(&run("wrong.toml", "wrong.txt").expect_code(1), &["CS-7094", "another key", "nothing was written"]);
    assert_eq!(desk.snapshot(), before);
    assert_eq!(desk.refusals(), ["ceremony run [CS-7094]: Founding"]);
}

#[test]
fn scripts_with_faults_are_refused_with_the_line() {
    let desk = Desk::new();
    desk.write("wrong.toml", script("found", "[keys.token-root]\nvalidity = \"1y\"\nsecret = \"x\"\n[keys.rot]\n"));
    let refused = desk.run(&["ceremony", "run", "wrong.toml"]).expect_code(2);
    expect_said(&refused, &["CS-7093", "wrong.toml, line 16", "secret", "next:"]);
    desk.write("wrong.toml", script("found", "[keys.token-root]\nvalidity = \"1y\"\n[keys.rot]\n"));
    let refused = desk.run(&["ceremony", "run", "wrong.toml", "--json"]).expect_code(2).stdout_text();
    assert!(refused.contains("no such role") && refused.contains("the token signer would outlive"), "{refused}");
    desk.write("wrong.toml", [0xff; 8]);
    expect_said(&desk.run(&["ceremony", "run", "wrong.toml"]).expect_code(3), &["CS-7007"]);
    desk.write("wrong.toml", vec![b'#'; 65 * 1024]);
    expect_said(&desk.run(&["ceremony", "run", "wrong.toml"]).expect_code(3), &["CS-7008"]);

    let desk = Desk::founded("p256");
    desk.write("renew.toml", script("renew", "[keys.token-signer]\nvalidity = \"30y\"\n"));
    expect_said(&desk.run(&["ceremony", "run", "renew.toml"]).expect_code(2), &["CS-7001", "outlive"]);
    desk.write("renew.toml", script("renew", "[keys.token-signer]\n").replace("Example Works", "Others"));
    expect_said(&desk.run(&["ceremony", "run", "renew.toml"]).expect_code(2), &["CS-7001", "is for Others"]);
}

#[test]
fn what_fails_in_the_middle_leaves_nothing() {
    let desk = Desk::founded("p256");
    desk.write("renew.toml", script("renew", "[keys.token-signer]\n[keys.ledger-signer]\n"));
    let before = desk.snapshot();
    let run = |passphrase: &str, ledger: &str| {
        let run = desk.command(&["ceremony", "run", "renew.toml", "--perform", "--transcript", "t.txt"]);
        let run = run.args(["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"]);
        run.file(3, passphrase).file(4, ledger).output()
    };
    expect_said(&run("not the passphrase", LEDGER_PASSPHRASE).expect_code(3), &["CS-7022"]);
    expect_said(&run(PASSPHRASE, PASSPHRASE).expect_code(1), &["CS-7027"]);
    expect_said(&run(PASSPHRASE, "short").expect_code(1), &["CS-7023"]);
    assert_eq!(desk.snapshot(), before);
    // With the right ones the same script goes through.
    run(PASSPHRASE, LEDGER_PASSPHRASE).expect_code(0);
    desk.run(&["ledger", "verify"]).expect_code(0);
}

#[test]
fn participants_sign_and_openssl_verifies() {
    let desk = Desk::founded("p256");
    let enroll = [
        "officer",
        "enroll",
        "--subject",
        "CN=Ada Lovelace",
        "--out",
        "ada.pem",
        "--out-key",
        "ada.key.pem",
        "--officer-passphrase-fd",
        "5",
    ];
    let descriptors = ["--passphrase-fd", "3"];
    desk.command(&enroll).args(descriptors).file(3, PASSPHRASE).file(5, "words of ada's own").output().expect_code(0);
    desk.write("renew.toml", script("renew", "[keys.list-signer]\n"));
    perform(&desk, "renew.toml", "renewal.txt").expect_code(0);

    let sign = |transcript: &str, certificate: &str, key: &str, passphrase: &str, out: &str| {
        let run =
            desk.command(&["ceremony", "sign", transcript, "--certificate", certificate, "--key", key, "--out", out]);
        run.args(["--passphrase-fd", "3"]).file(3, passphrase).output()
    };
    sign("renewal.txt", "ada.pem", "ada.key.pem", "words of ada's own", "by-ada.pem").expect_code(0);
    let ledger_key = "authority/keys/ledger-signer.key.pem";
    sign("renewal.txt", "authority/ledger-signer.pem", ledger_key, LEDGER_PASSPHRASE, "by-ledger.pem").expect_code(0);
    for signed in ["by-ada.pem", "by-ledger.pem"] {
        let verify =
            ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-in", signed, "-out", "said.txt"];
        desk.openssl(&[&verify[..], &["-CAfile", "authority/anchors.pem"]].concat()).expect_code(0);
        assert_eq!(desk.read("said.txt"), desk.read("renewal.txt"));
        let altered = String::from_utf8(desk.read(signed)).expect("text");
        let middle = altered.len() / 2;
        let swapped = if altered.as_bytes()[middle] == b'A' { "B" } else { "A" };
        desk.write("altered.pem", format!("{}{swapped}{}", &altered[..middle], &altered[middle + 1..]));
        let verify =
            ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-in", "altered.pem", "-out", "no.txt"];
        desk.openssl(&[&verify[..], &["-CAfile", "authority/anchors.pem"]].concat()).expect_failure();
    }

    // Nobody vouches for a rehearsal, nor for any other file.
    desk.write("next.toml", script("renew", "[keys.token-signer]\n"));
    desk.run(&["ceremony", "run", "next.toml", "--transcript", "rehearsal.txt"]).expect_code(0);
    desk.write("other.txt", "I owe you nothing\n");
    desk.write("binary.txt", [0xff; 10]);
    for (file, words) in [("rehearsal.txt", "rehearsal"), ("other.txt", "does not begin"), ("binary.txt", "not text")] {
        let refused = sign(file, "ada.pem", "ada.key.pem", "words of ada's own", "no.pem").expect_code(1);
        expect_said(&refused, &["CS-7095", words]);
    }
    expect_said(&sign("renewal.txt", "ada.pem", ledger_key, LEDGER_PASSPHRASE, "no.pem").expect_code(3), &["CS-7026"]);
    assert!(!desk.path("no.pem").exists());
}

#[test]
fn killed_at_any_instant_it_was_held_or_it_was_not() {
    let desk = Desk::founded("p256");
    desk.write("rollover.toml", script("roll-over", "[keys.token-root]\n[keys.token-signer]\n[keys.list-signer]\n"));
    let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
    for (number, instant) in ["0.02", "0.3", "0.6", "0.9", "1.2", "1.8"].into_iter().enumerate() {
        let transcript = format!("{number}.txt");
        let run = ["ceremony", "run", "rollover.toml", "--perform", "--transcript", &transcript];
        let run = desk.command(&run).args(descriptors).under("timeout", &["-s", "KILL", instant]);
        let _killed = run.file(3, PASSPHRASE).file(4, LEDGER_PASSPHRASE).output();
        // Whatever was in use, or is, has its key; and where the ceremony was held its transcript is not lost.
        desk.run(&["ledger", "verify"]).expect_code(0);
        desk.with_passphrase(&plain_token(&["--out", &format!("{number}.token.pem")])).expect_code(0);
        let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
        let held = list.lines().rfind(|line| line.contains("ceremony held"));
        if let Some(entry) = held.and_then(|line| line.split_whitespace().next()) {
            desk.run(&["ledger", "show", entry, "--export", &format!("{number}.again.txt")]).expect_code(0);
        }
    }
    let held = perform(&desk, "rollover.toml", "last.txt").expect_code(0);
    expect_said(&held, &["Held the ceremony"]);
    desk.with_passphrase(&plain_token(&["--out", "last.token.pem"])).expect_code(0);
    let anchors = String::from_utf8(desk.read("authority/anchors.pem")).expect("text");
    let list = desk.run(&["ledger", "list"]).expect_code(0).stdout_text();
    let roots = 1 + list.lines().filter(|line| line.contains("key renewed") && line.ends_with("token-root")).count();
    assert_eq!(anchors.matches("BEGIN CERTIFICATE").count(), roots, "no root that the ledger does not have");
    desk.run(&["backup", "--out", "a.backup"]).expect_code(0);
    desk.run(&["--home", "restored", "restore", "a.backup"]).expect_code(0);
}
