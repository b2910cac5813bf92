//! Tokens that officers approve before they are issued: no one person, and no one key, is enough.

use crate::support::{Desk, PASSPHRASE, expect_said, plain_token};
use countersign_common::{Anchors, Demands, NO_LISTS, SignedObject, VerifiedToken, decode_certificates, decode_object};
use countersign_testkit::{Output, Run, SoftHsm};
use serde_json::Value;

/// Of each officer's key file.
const OFFICER: &str = "an officer of my own";

/// An authority whose anchors demand the approval of two persons.
fn founded() -> Desk {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&["anchors", "update", "--approvals", "2", "--out", "anchors-1.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "anchors-1.pem"]).expect_code(0);
    desk
}

/// The command with the passphrase of the authority, and that of the officer.
fn enrolling(desk: &Desk, args: &[&str]) -> Run {
    let descriptors = ["--passphrase-fd", "3", "--officer-passphrase-fd", "4"];
    desk.command(&[&["officer", "enroll"][..], args, &descriptors].concat()).file(3, PASSPHRASE).file(4, OFFICER)
}

/// Officers with their keys in files of their names.
fn enroll(desk: &Desk, names: &[&str]) {
    for name in names {
        let (subject, out, key) = (format!("CN={name}"), format!("{name}.pem"), format!("{name}.key.pem"));
        enrolling(desk, &["--subject", &subject, "--out", &out, "--out-key", &key]).output().expect_code(0);
    }
}

/// A request for a plain token.
fn request(desk: &Desk, out: &str) -> Output {
    let plain = plain_token(&["--out", out]);
    desk.run(&[&["request", "make"], &plain[1..]].concat())
}

fn approve(desk: &Desk, file: &str, name: &str) -> Output {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key.pem"));
    let args = ["--home", "nowhere", "request", "approve", file, "--certificate", &certificate, "--key", &key];
    desk.command(&args).args(["--passphrase-fd", "3"]).file(3, OFFICER).output()
}

/// The code for a token under the founding anchor that demands two approvals.
fn judged(desk: &Desk, file: &str) -> String {
    let anchors = decode_certificates(&desk.read("authority/anchors.pem")).expect("anchors");
    let anchors = Anchors::new(anchors.iter().map(Vec::as_slice)).expect("anchors");
    let anchors = anchors.demanding(Demands { inclusion_proof: false, approvals: 2 });
    let text = desk.read(file);
    let der = decode_object(&text).expect("an object");
    let object = SignedObject::from_der(&der).expect("a token");
    VerifiedToken::verify(object, &anchors, &NO_LISTS).map_or_else(|reason| reason.code(), |_| "CS-0001").to_owned()
}

fn issue(desk: &Desk, files: &[&str], out: &str) -> Output {
    desk.with_passphrase(&[&["request", "issue"], files, &["--out", out]].concat())
}

/// Refused before a secret is asked for, and nothing is left behind.
#[track_caller]
fn refused(desk: &Desk, files: &[&str], words: &[&str]) {
    let before = desk.snapshot();
    let output = desk.run(&[&["request", "issue"], files, &["--out", "no.pem"]].concat()).expect_code(1);
    expect_said(&output, words);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn a_token_takes_two_officers() {
    let desk = founded();
    enroll(&desk, &["ada", "grace"]);
    // Alone.
    let before = desk.snapshot();
    let alone = desk.run(&plain_token(&["--out", "alone.pem"])).expect_code(1);
    expect_said(&alone, &["CS-7076", "approval of 2 persons", "request make"]);
    assert_eq!(desk.snapshot(), before);
    expect_said(&desk.run(&plain_token(&["--dry-run"])).expect_code(0), &["approval of 2 persons"]);
    // A request: no secret, and an entry.
    let entries = desk.entries();
    expect_said(&request(&desk, "r.pem").expect_code(0), &["Asked for a token", "0 of 2", "2 more"]);
    assert_eq!(desk.entries(), entries + 1);
    refused(&desk, &["r.pem"], &["CS-3013", "request approve"]);
    let done = approve(&desk, "r.pem", "ada").expect_code(0);
    expect_said(&done, &["may use control-room", "Approved r.pem as CN=ada", "1 more"]);
    refused(&desk, &["r.pem"], &["CS-3013"]);
    // The same person once more, in this file or in a copy of it.
    let before = desk.snapshot();
    expect_said(&approve(&desk, "r.pem", "ada").expect_code(1), &["CS-7072", "CN=ada"]);
    assert_eq!(desk.snapshot(), before);
    desk.write("copy.pem", desk.read("r.pem"));
    refused(&desk, &["r.pem", "copy.pem"], &["CS-3013"]);
    // The second officer.
    approve(&desk, "r.pem", "grace").expect_code(0);
    let shown = desk.run(&["--home", "nowhere", "request", "show", "r.pem"]).expect_code(0);
    expect_said(&shown, &["2 of 2", "CN=ada", "CN=grace", "request issue"]);
    let entries = desk.entries();
    expect_said(&issue(&desk, &["r.pem"], "token.pem").expect_code(0), &["Issued token.pem", "approved by"]);
    assert_eq!(desk.entries(), entries + 3);
    assert_eq!(judged(&desk, "token.pem"), "CS-0001");
    let verify = ["cms", "-verify", "-purpose", "any", "-inform", "PEM", "-in", "token.pem", "-binary"];
    desk.openssl(&[&verify[..], &["-CAfile", "authority/anchors.pem", "-out", "body.der"]].concat()).expect_code(0);
    // Once.
    refused(&desk, &["r.pem"], &["CS-7075"]);
    // The ledger says who.
    let list = desk.run(&["ledger", "list"]).expect_code(0);
    expect_said(
        &list,
        &["officer enrolled", "token requested", "approvals needed: 2", "token approved", "by CN=grace"],
    );
    let json = desk.run(&["--json", "inspect", "token.pem"]).expect_code(0).stdout_text();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let id = json["object"]["body"]["id"].as_str().unwrap_or_else(|| panic!("an id: {json:#}")).to_owned();
    expect_said(&desk.run(&["ledger", "show", &id[..12]]).expect_code(0), &["token issued"]);
    desk.run(&["ledger", "verify"]).expect_code(0);
    let list = list.stdout_text();
    let approval =
        list.lines().find(|line| line.contains("token approved")).and_then(|line| line.split_whitespace().next());
    let approval = approval.expect("the number of an approval");
    desk.run(&["ledger", "show", approval, "--export", "approval.pem"]).expect_code(0);
    expect_said(&desk.run(&["inspect", "approval.pem"]).expect_code(0), &["approval"]);
    // What was refused stands there, too, each attempt, but no dry run.
    let attempts = [
        "issue [CS-7076]: acme".to_owned(),
        format!("request issue [CS-3013]: {id}"),
        format!("request issue [CS-3013]: {id}"),
        format!("request issue [CS-3013]: {id}"),
        format!("request issue [CS-7075]: {id}"),
    ];
    assert_eq!(desk.refusals(), attempts);
}

#[test]
fn officers_approve_copies() {
    let desk = founded();
    enroll(&desk, &["ada", "grace"]);
    request(&desk, "a.pem").expect_code(0);
    desk.write("b.pem", desk.read("a.pem"));
    approve(&desk, "a.pem", "ada").expect_code(0);
    approve(&desk, "b.pem", "grace").expect_code(0);
    request(&desk, "other.pem").expect_code(0);
    refused(&desk, &["a.pem", "other.pem"], &["CS-7077", "another token"]);
    issue(&desk, &["a.pem", "b.pem"], "token.pem").expect_code(0);
    assert_eq!(judged(&desk, "token.pem"), "CS-0001");
    // For a new customer only one of two requests comes through: the other one has another salt.
    approve(&desk, "other.pem", "ada").expect_code(0);
    approve(&desk, "other.pem", "grace").expect_code(0);
    refused(&desk, &["other.pem"], &["CS-7079", "salt"]);
    // The next version, from its own request, and not behind it.
    let id = desk.run(&["--json", "request", "show", "a.pem"]).expect_code(0).stdout_text();
    let id: Value = serde_json::from_str(&id).expect("JSON");
    let id = id["request"]["token"]["body"]["id"].as_str().expect("an id").to_owned();
    let plain = plain_token(&["--supersedes", &id, "--out", "second.pem"]);
    desk.run(&[&["request", "make"], &plain[1..]].concat()).expect_code(0);
    approve(&desk, "second.pem", "ada").expect_code(0);
    approve(&desk, "second.pem", "grace").expect_code(0);
    issue(&desk, &["second.pem"], "token-2.pem").expect_code(0);
    refused(&desk, &["a.pem", "b.pem"], &["CS-7075"]);
}

#[test]
fn what_was_not_requested_here_as_it_stands_is_not_issued() {
    let desk = founded();
    enroll(&desk, &["ada", "grace"]);
    request(&desk, "r.pem").expect_code(0);
    request(&desk, "other.pem").expect_code(0);
    let bare = desk.read("r.pem");
    approve(&desk, "r.pem", "ada").expect_code(0);
    approve(&desk, "r.pem", "grace").expect_code(0);
    // Altered by an octet, everywhere in turn.
    let text = String::from_utf8(desk.read("r.pem")).expect("text");
    let places: Vec<_> = text.char_indices().step_by(97).map(|(place, _)| place).collect();
    for place in places {
        let mut altered = text.clone().into_bytes();
        altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
        if altered == text.as_bytes() {
            continue;
        }
        desk.write("altered.pem", altered);
        desk.run(&["request", "issue", "altered.pem", "--out", "no.pem"]).expect_failure();
        assert!(!desk.path("no.pem").exists());
    }
    // In a form that this program does not write.
    desk.write("altered.pem", text.clone() + "\n");
    refused(&desk, &["altered.pem"], &["CS-7077"]);
    desk.write("altered.pem", "a note");
    refused(&desk, &["altered.pem"], &["CS-7077"]);
    // The approvals of another request.
    let pem = |text: &[u8]| der::Document::from_pem(std::str::from_utf8(text).expect("text")).expect("PEM").1;
    let (approved, other, unapproved) = (pem(text.as_bytes()), pem(&desk.read("other.pem")), pem(&bare));
    // What stands inside the outer SEQUENCE; a request without approvals ends with an empty one.
    let head = |der: &[u8]| if der[1] == 0x82 { 4 } else { 3 };
    let inner = |der: &[u8]| der[head(der)..].to_vec();
    let (approved, other, unapproved) =
        (inner(approved.as_bytes()), inner(other.as_bytes()), inner(unapproved.as_bytes()));
    let approvals = &approved[unapproved.len() - 2..];
    let content = [&other[..other.len() - 2], approvals].concat();
    let length = u16::try_from(content.len()).expect("a short request").to_be_bytes();
    let pasted = der::Document::try_from([&[0x30, 0x82], &length[..], &content].concat()).expect("DER");
    desk.write("pasted.pem", pasted.to_pem("COUNTERSIGN TOKEN REQUEST", der::pem::LineEnding::LF).expect("PEM"));
    refused(&desk, &["pasted.pem"], &["CS-3014", "another token"]);
    // The request of an authority that issues in the same way.
    let second = founded();
    second.write("r.pem", &text);
    refused(&second, &["r.pem"], &["CS-7074", "request make"]);
    // Approved by officers of another authority.
    enroll(&second, &["ada", "grace"]);
    desk.write("foreign.pem", &bare);
    for name in ["ada", "grace"] {
        for end in ["pem", "key.pem"] {
            desk.write(&format!("foreign-{name}.{end}"), second.read(&format!("{name}.{end}")));
        }
        approve(&desk, "foreign.pem", &format!("foreign-{name}")).expect_code(0);
    }
    refused(&desk, &["foreign.pem"], &["CS-2006", "approval by CN=ada"]);
    // It was the request after all.
    issue(&desk, &["r.pem"], "token.pem").expect_code(0);
}

#[test]
fn a_revoked_approver_does_not_count_and_others_do_not_approve() {
    let desk = founded();
    enroll(&desk, &["ada", "grace", "joan"]);
    request(&desk, "r.pem").expect_code(0);
    approve(&desk, "r.pem", "ada").expect_code(0);
    desk.write("with-joan.pem", desk.read("r.pem"));
    approve(&desk, "r.pem", "grace").expect_code(0);
    desk.run(&["revoke", "certificate", "grace.pem", "--reason", "keyCompromise"]).expect_code(0);
    refused(&desk, &["r.pem"], &["CS-7078", "CN=grace"]);
    desk.with_passphrase(&["crl", "--out", "."]).expect_code(0);
    // The token signer and the wrong key do not approve.
    let wrong = |certificate: &str, key: &str| {
        let args = ["request", "approve", "with-joan.pem", "--certificate", certificate, "--key", key];
        desk.command(&args).args(["--passphrase-fd", "3"]).file(3, OFFICER).output()
    };
    let signer = wrong("authority/token-signer.pem", "authority/keys/token-signer.key.pem").expect_code(3);
    expect_said(&signer, &["CS-7011", "not for approving"]);
    expect_said(&wrong("joan.pem", "ada.key.pem").expect_code(3), &["CS-7026"]);
    approve(&desk, "with-joan.pem", "joan").expect_code(0);
    issue(&desk, &["with-joan.pem"], "token.pem").expect_code(0);
    assert_eq!(judged(&desk, "token.pem"), "CS-0001");
}

#[test]
fn the_token_signers_key_alone_makes_no_token_that_counts() {
    let desk = Desk::founded("p256");
    // Before anybody demanded approvals, or by somebody who has the key: the token carries none.
    desk.with_passphrase(&plain_token(&["--out", "alone.pem"])).expect_code(0);
    assert_eq!(judged(&desk, "alone.pem"), "CS-3013");
    // Without a demand a request needs nobody.
    request(&desk, "r.pem").expect_code(0);
    issue(&desk, &["r.pem"], "token.pem").expect_code(0);
    assert_eq!(judged(&desk, "token.pem"), "CS-3013");
    // One that was asked for before the anchors demanded two needs them too.
    request(&desk, "early.pem").expect_code(0);
    desk.with_passphrase(&["anchors", "update", "--approvals", "2", "--out", "anchors-1.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "anchors-1.pem"]).expect_code(0);
    refused(&desk, &["early.pem"], &["CS-3013"]);
}

#[test]
fn nothing_is_lost_where_a_file_is_in_the_way() {
    let desk = founded();
    enroll(&desk, &["ada"]);
    let before = desk.snapshot();
    expect_said(&request(&desk, "ada.pem").expect_code(1), &["CS-7006"]);
    let again = enrolling(&desk, &["--subject", "CN=x", "--out", "x.pem", "--out-key", "ada.key.pem"]).output();
    expect_said(&again.expect_code(1), &["CS-7006"]);
    let again = enrolling(&desk, &["--subject", "CN=x", "--out", "ada.pem", "--out-key", "x.key.pem"]).output();
    expect_said(&again.expect_code(1), &["CS-7006"]);
    let unsaid = enrolling(&desk, &["--subject", "CN=x", "--out", "x.pem"]).output().expect_code(2);
    expect_said(&unsaid, &["--out-key"]);
    // The officer's passphrase is not that of the authority.
    let same = desk
        .command(&["officer", "enroll", "--subject", "CN=x", "--out", "x.pem", "--out-key", "x.key.pem"])
        .args(["--passphrase-fd", "3", "--officer-passphrase-fd", "4"])
        .file(3, PASSPHRASE)
        .file(4, PASSPHRASE)
        .output();
    expect_said(&same.expect_code(1), &["CS-7027"]);
    let late =
        enrolling(&desk, &["--subject", "CN=x", "--out", "x.pem", "--out-key", "x.key.pem", "--validity", "90y"]);
    expect_said(&late.output().expect_code(2), &["shorten --validity"]);
    assert_eq!(desk.snapshot(), before);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |name: &str| std::fs::metadata(desk.path(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode("ada.key.pem"), mode("ada.pem")), (0o600, 0o644));
}

#[test]
fn an_officer_has_the_key_in_hardware() {
    let (desk, hsm) = (founded(), SoftHsm::with_token("Officer"));
    enroll(&desk, &["ada"]);
    let place = SoftHsm::uri("Officer", "");
    let enrolled = desk
        .command(&["--json", "officer", "enroll", "--subject", "CN=grace", "--key", &place, "--out", "grace.pem"])
        .soft_hsm(&hsm)
        .args(["--passphrase-fd", "3", "--key-pin-fd", "4"])
        .file(3, PASSPHRASE)
        .file(4, SoftHsm::PIN)
        .output()
        .expect_code(0);
    let json: Value = serde_json::from_str(&enrolled.stdout_text()).expect("JSON");
    let key = json["officer"]["key_uri"].as_str().expect("a URI").to_owned();
    request(&desk, "r.pem").expect_code(0);
    approve(&desk, "r.pem", "ada").expect_code(0);
    let args = ["request", "approve", "r.pem", "--certificate", "grace.pem", "--key", &key];
    desk.command(&args).soft_hsm(&hsm).args(["--key-pin-fd", "4"]).file(4, SoftHsm::PIN).output().expect_code(0);
    issue(&desk, &["r.pem"], "token.pem").expect_code(0);
    assert_eq!(judged(&desk, "token.pem"), "CS-0001");
    // Where the authority has keys, its PIN would open the officer's.
    let there = |args: &[&str]| {
        let run = desk.command(args).soft_hsm(&hsm).args(["--passphrase-fd", "3", "--key-pin-fd", "4"]);
        run.file(3, PASSPHRASE).file(4, SoftHsm::PIN).output()
    };
    there(&["renew", "list-signer", "--key", &place]).expect_code(0);
    let joan = there(&["officer", "enroll", "--subject", "CN=joan", "--key", &place, "--out", "joan.pem"]);
    expect_said(&joan.expect_code(1), &["CS-7027"]);
    assert!(!desk.path("joan.pem").exists());
}

#[test]
fn what_changes_while_the_secret_is_typed_counts() {
    let desk = founded();
    enroll(&desk, &["ada", "grace"]);
    let approved = |file: &str| {
        request(&desk, file).expect_code(0);
        approve(&desk, file, "ada").expect_code(0);
        approve(&desk, file, "grace").expect_code(0);
    };
    approved("r.pem");
    // Another program takes the name: the entry is there before the file, and gives the token back.
    let mut terminal = desk.command(&["request", "issue", "r.pem", "--out", "token.pem"]).on_terminal();
    terminal.expect_secret("Passphrase");
    desk.write("token.pem", "mine");
    terminal.send_line(PASSPHRASE);
    let output = terminal.finish().expect_code(1);
    assert!(output.terminal.contains("CS-7006"), "{output}");
    assert_eq!(desk.read("token.pem"), b"mine");
    refused(&desk, &["r.pem"], &["CS-7075", "ledger show"]);
    desk.run(&["ledger", "show", &desk.entries().to_string(), "--export", "again.pem"]).expect_code(0);
    assert_eq!(judged(&desk, "again.pem"), "CS-0001");
    // An officer is revoked.
    approved("t.pem");
    let mut terminal = desk.command(&["request", "issue", "t.pem", "--out", "no.pem"]).on_terminal();
    terminal.expect_secret("Passphrase");
    desk.run(&["revoke", "certificate", "ada.pem", "--reason", "cessationOfOperation"]).expect_code(0);
    let entries = desk.entries();
    terminal.send_line(PASSPHRASE);
    let output = terminal.finish().expect_code(1);
    assert!(output.terminal.contains("CS-7078"), "{output}");
    assert_eq!((desk.entries(), desk.path("no.pem").exists()), (entries, false));
}

#[test]
fn profiles_and_limits_ask_for_approvals() {
    let desk = Desk::founded("p256");
    enroll(&desk, &["ada", "grace"]);
    let limits = |text: &str| desk.write("authority/limits.toml", text);
    let alone = |args: &[&str], persons: &str| {
        let said = desk.run(&plain_token(&[args, &["--out", "no.pem"]].concat())).expect_code(1);
        expect_said(&said, &["CS-7076", persons]);
    };
    desk.write("two.toml", "approvals = 2\n");
    alone(&["--profile", "two.toml"], "of 2 persons");
    limits("[limits]\napprovals = 1\n");
    alone(&[], "of 1 person");
    alone(&["--profile", "two.toml"], "of 2 persons");
    limits("[limits]\napprovals = 3\n[customers.acme]\napprovals = 1\n");
    alone(&[], "of 1 person");
    let officer = desk.run(&[&["--json"], &plain_token(&["--dry-run"])[..]].concat()).expect_code(0).stdout_text();
    let officer: Value = serde_json::from_str(&officer).expect("JSON");
    assert_eq!(officer["approvals_needed"], 1);
    let officer = officer["officer"].as_str().expect("a name");
    limits(&format!("[limits]\napprovals = 3\n[customers.acme]\napprovals = 1\n[officers.{officer}]\napprovals = 2\n"));
    alone(&[], "of 2 persons");
    // What was asked for under other limits needs what they say by now.
    limits("[customers.acme]\napprovals = 0\n");
    request(&desk, "r.pem").expect_code(0);
    limits("[limits]\napprovals = 1\n");
    refused(&desk, &["r.pem"], &["CS-3013"]);
    approve(&desk, "r.pem", "ada").expect_code(0);
    limits("[limits]\nvalidity = \"30d\"\n");
    refused(&desk, &["r.pem"], &["CS-7107"]);
    limits("");
    issue(&desk, &["r.pem"], "token.pem").expect_code(0);
    expect_said(&desk.run(&["inspect", "token.pem"]).expect_code(0), &["approved by", "CN=ada"]);
    limits("[limits]\napprovals = 9\n");
    expect_said(&desk.run(&plain_token(&["--out", "no.pem"])), &["CS-7015", "0 to 8"]);
}
