//! `issue --stream`: a token for each order of a program that waits for its answer.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said};
use countersign_common::{Anchors, NO_LISTS, SignedObject, Token, VerifiedToken, decode_certificates, decode_object};
use countersign_testkit::{Dialogue, Run, SoftHsm};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const PROFILE: &str = "[product]\nid = \"control-room\"\n[window]\nwithin = \"30d\"\n";

fn desk() -> Desk {
    let desk = Desk::founded("p256");
    desk.write("orders.toml", PROFILE);
    desk
}

fn stream(desk: &Desk, more: &[&str]) -> Dialogue {
    let command = desk.command(&["issue", "--profile", "orders.toml", "--stream"]).args(more);
    command.args(["--passphrase-fd", "3"]).file(3, format!("{PASSPHRASE}\n")).on_pipes()
}

/// Gives an order and waits for its answer.
fn ask(stream: &mut Dialogue, order: &Value) -> Value {
    stream.say(&order.to_string());
    json_of(&stream.hear().expect("an answer"))
}

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{line}"))
}

fn order(reference: &str) -> Value {
    json!({ "reference": reference, "customer": "acme", "customer_name": "Acme Power", "seats": 3 })
}

/// The token of an answer, which verifies and is the one that the answer says.
fn token(desk: &Desk, answer: &Value) -> Token {
    assert_eq!(answer["outcome"], "issued", "{answer}");
    let der = decode_object(answer["pem"].as_str().expect("a token").as_bytes()).expect("a token");
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let object = SignedObject::from_der(&der).expect("a signed object");
    let token = VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token that verifies").body().clone();
    let digest: String = Sha256::digest(&der).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!((&answer["sha256"], &answer["token"]), (&json!(digest), &json!(token.id.to_string())));
    assert_eq!(answer["version"], token.revision);
    token
}

/// The tokens of the ledger: the number of each one's entry, with its SHA-256.
fn issued(desk: &Desk) -> BTreeMap<u64, String> {
    let list = json_of(&desk.run(&["ledger", "list", "--json"]).expect_code(0).stdout_text());
    let entries = list["entries"].as_array().expect("entries").iter();
    let tokens = entries.filter(|entry| entry["kind"] == "token-issued");
    tokens.map(|entry| (entry["sequence"].as_u64().expect("a number"), entry["sha256"].to_string())).collect()
}

fn is_entered(answer: &Value, entries: &BTreeMap<u64, String>) -> bool {
    answer["entry"].as_u64().and_then(|entry| entries.get(&entry)) == Some(&answer["sha256"].to_string())
}

/// One after the other: each order is answered before the next one is given, whichever engine the ledger has.
#[test]
fn each_order_is_answered_when_its_token_is_in_the_ledger() {
    for desk in Desk::founded_each("p256") {
        desk.write("orders.toml", PROFILE);
        let mut stream = stream(&desk, &[]);
        let first = ask(&mut stream, &order("first"));
        assert_eq!((&first["row"], &first["reference"]), (&json!(1), &json!("first")));
        let of_first = token(&desk, &first);
        assert_eq!((&of_first.customer.id[..], of_first.seats), ("acme", Some(3)));
        assert!(is_entered(&first, &issued(&desk)), "while the stream is open");

        // What another command has done meanwhile counts, and so does what the stream has done.
        let renamed = ["issue", "--profile", "orders.toml", "--customer", "acme", "--customer-name", "Acme Grid"];
        desk.with_passphrase(&[&renamed[..], &["--out", "alone.pem"]].concat()).expect_code(0);
        let second = ask(&mut stream, &json!({ "customer": "acme", "supersedes": first["token"] }));
        let of_second = token(&desk, &second);
        assert_eq!((&of_second.customer.name[..], of_second.revision), ("Acme Grid", 2));
        assert_eq!((of_second.id, of_second.binding.salt), (of_first.id, of_first.binding.salt));
        assert_eq!(second["entry"], json!(first["entry"].as_u64().expect("a number") + 2));

        // Nobody knows this customer's name.
        let unnamed = ask(&mut stream, &json!({ "reference": "unnamed", "customer": "globex" }));
        assert_eq!((&unnamed["outcome"], &unnamed["code"]), (&json!("refused"), &json!("CS-7043")), "{unnamed}");
        assert_eq!(unnamed["reference"], "unnamed");
        // Nothing that can be read.
        for line in ["{", "[]", "{\"seats\": \"ten\"}", "{\"dry_run\": true}", "{\"out\": \"x.pem\"}", "\u{0}"] {
            stream.say(line);
            let answer = json_of(&stream.hear().expect("an answer"));
            assert_eq!((&answer["outcome"], &answer["code"]), (&json!("refused"), &json!("CS-7018")), "{line}");
        }
        stream.say(&format!("{{\"reference\": \"{}\"}}", "x".repeat(100_000)));
        assert_eq!(json_of(&stream.hear().expect("an answer"))["code"], "CS-7018");
        assert_eq!(desk.refusals(), Vec::<String>::new(), "no rule refused anything");

        let third = ask(&mut stream, &order("third"));
        token(&desk, &third);
        assert_eq!(third["row"], 11);
        expect_said(&stream.finish().expect_code(1), &["Issued 3, refused 8."]);
        let entries = issued(&desk);
        assert_eq!(entries.len(), 4);
        assert!([first, second, third].iter().all(|answer| is_entered(answer, &entries)));
        desk.run(&["ledger", "verify"]).expect_code(0);
    }
}

/// What was answered is in the ledger whenever the process is killed, and at most one token beside that, which the ledger
/// gives again.
#[test]
fn a_stream_killed_at_any_instant_answered_only_what_was_entered() {
    let desk = desk();
    let mut answered = 0;
    let mut unanswered = 0;
    for round in 0..30 {
        let before = issued(&desk);
        let mut stream = stream(&desk, &[]);
        (0..200).for_each(|number| stream.say(&order(&number.to_string()).to_string()));
        // Killed somewhere behind this many answers.
        let mut answers: Vec<_> = (0..=round).map(|_| stream.hear().expect("an answer")).collect();
        answers.extend(stream.kill());
        let answers: Vec<_> = answers.iter().map(|line| json_of(line)).collect();
        let after = issued(&desk);
        for answer in &answers {
            token(&desk, answer);
            assert!(is_entered(answer, &after), "answered and not entered: {answer}");
        }
        let new = after.len() - before.len();
        assert!(new == answers.len() || new == answers.len() + 1, "{new} tokens, {} answers", answers.len());
        unanswered += new - answers.len();
        answered += answers.len();
        let last = after.last_key_value().expect("an entry").0.to_string();
        let again = format!("again-{round}.pem");
        desk.run(&["ledger", "show", &last, "--export", &again]).expect_code(0);
        if new == answers.len() {
            assert_eq!(desk.read(&again), answers[answers.len() - 1]["pem"].as_str().expect("a token").as_bytes());
        }
    }
    assert_eq!(issued(&desk).len(), answered + unanswered, "each once");
    desk.run(&["ledger", "verify"]).expect_code(0);
}

/// What is wrong with the authority and not with an order ends the stream, on a line for the program.
#[test]
fn a_revoked_signer_ends_the_stream() {
    let desk = desk();
    let mut stream = stream(&desk, &["--json"]);
    token(&desk, &ask(&mut stream, &order("before")));
    desk.run(&["revoke", "certificate", "authority/token-signer.pem", "--reason", "superseded"]).expect_code(0);
    let error = ask(&mut stream, &order("after"));
    assert_eq!(error["error"]["code"], "CS-7053", "{error}");
    assert_eq!(stream.hear(), None);
    let _ = stream.finish().expect_code(1);
    assert_eq!(issued(&desk).len(), 1);
    assert_eq!(desk.refusals(), ["issue [CS-7053]: rows of standard input"]);

    // One that begins with it.
    let late = self::stream(&desk, &["--json"]).finish().expect_code(1);
    assert_eq!(json_of(&late.stdout_text())["error"]["code"], "CS-7053");
}

/// What the anchors in force demand holds from the next order on.
#[test]
fn approvals_that_are_demanded_meanwhile_hold_for_the_next_order() {
    let desk = desk();
    let mut stream = stream(&desk, &[]);
    token(&desk, &ask(&mut stream, &order("before")));
    desk.with_passphrase(&["anchors", "update", "--approvals", "2", "--out", "anchors-1.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "anchors-1.pem"]).expect_code(0);
    assert_eq!(ask(&mut stream, &order("after"))["code"], "CS-7076");
    let _ = stream.finish().expect_code(1);
    assert_eq!(issued(&desk).len(), 1);
}

/// Approvals are needed as for single tokens.
#[test]
fn an_order_needs_what_each_token_needs() {
    let desk = desk();
    desk.write("orders.toml", format!("approvals = 2\n{PROFILE}"));
    let mut stream = stream(&desk, &[]);
    assert_eq!(ask(&mut stream, &order("two"))["code"], "CS-7076");
    let _ = stream.finish().expect_code(1);
    assert_eq!(issued(&desk).len(), 0);
    assert_eq!(desk.refusals(), ["issue [CS-7076]: acme"]);
}

/// Where nobody reads the answers, it ends; what it has entered stays.
#[test]
fn a_stream_that_nobody_reads_ends() {
    let desk = desk();
    let orders: String = (0..2_000).map(|number| format!("{}\n", order(&number.to_string()))).collect();
    desk.write("orders.jsonl", orders);
    let script = "\"$0\" issue --profile orders.toml --stream --passphrase-fd 3 < orders.jsonl | head --lines 1; \
                  exit \"${PIPESTATUS[0]}\"";
    let program = Desk::program();
    let run = Run::new("bash").args(["-c", script]).arg(program).directory(desk.path("."));
    let output = run.file(3, format!("{PASSPHRASE}\n")).output();
    expect_said(&output.clone().expect_code(3), &["standard output"]);
    let first = json_of(&output.stdout_text());
    token(&desk, &first);
    let entries = issued(&desk);
    assert!(is_entered(&first, &entries) && entries.len() < 2_000, "{}", entries.len());
    desk.run(&["ledger", "verify"]).expect_code(0);
}

#[test]
fn a_stream_without_orders_or_with_the_terms_of_a_file_does_nothing() {
    let desk = desk();
    expect_said(&stream(&desk, &[]).finish().expect_code(0), &["Issued 0, refused 0."]);
    for more in [&["--out", "x.pem"][..], &["--dry-run"], &["--batch", "x.csv"], &["--supersedes", "00"]] {
        let output = stream(&desk, more).finish().expect_code(2);
        assert_eq!(output.stdout_text(), "", "{more:?}");
    }
    let wrong = desk.command(&["issue", "--profile", "orders.toml", "--stream", "--passphrase-fd", "3"]);
    let mut wrong = wrong.file(3, "another passphrase\n").on_pipes();
    wrong.say(&order("x").to_string());
    expect_said(&wrong.finish().expect_code(3), &["CS-7022"]);
    assert_eq!(issued(&desk).len(), 0);
}

/// A key in hardware is opened once, with one PIN.
#[test]
fn a_token_of_pkcs11_answers_order_after_order() {
    let hsm = SoftHsm::with_token("officer");
    let desk = Desk::new();
    desk.write("orders.toml", PROFILE);
    let signer = format!("token-signer={}", SoftHsm::uri("officer", ""));
    let init = ["init", "--organization", "Example Works", "--key", &signer, "--key-pin-fd", "5"];
    let secrets = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
    let init = desk.command(&init).args(secrets).file(3, PASSPHRASE).file(4, LEDGER_PASSPHRASE);
    init.file(5, SoftHsm::PIN).soft_hsm(&hsm).output().expect_code(0);

    let command = desk.command(&["issue", "--profile", "orders.toml", "--stream", "--key-pin-fd", "5"]);
    let mut stream = command.file(5, SoftHsm::PIN).soft_hsm(&hsm).on_pipes();
    for number in 0..5 {
        token(&desk, &ask(&mut stream, &order(&number.to_string())));
    }
    let _ = stream.finish().expect_code(0);
    assert_eq!(issued(&desk).len(), 5);
}
