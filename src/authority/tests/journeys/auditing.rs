//! `ledger verify` and `ledger sign`: whoever changes the ledger behind the commands' back is found out.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said, plain_token};
use countersign_common::{Digest32, LedgerEntry, Octets, merkle::Accumulator};
use rusqlite::Connection;
use serde_json::Value;

/// An authority with three tokens: entries 2, 3 and 4.
fn with_tokens() -> Desk {
    let desk = Desk::founded("p256");
    for file in ["1.pem", "2.pem", "3.pem"] {
        desk.with_passphrase(&plain_token(&["--out", file])).expect_code(0);
    }
    desk
}

fn connect(desk: &Desk) -> Connection {
    Connection::open(desk.path("authority/ledger.sqlite")).expect("the ledger")
}

/// Changes the ledger as somebody does who can write the file: without triggers, which are there again afterwards.
fn tamper(desk: &Desk, change: impl FnOnce(&Connection)) {
    let connection = connect(desk);
    let triggers: Vec<(String, String)> = {
        let mut query =
            connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").expect("a query");
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("triggers");
        rows.collect::<Result<_, _>>().expect("triggers")
    };
    assert!(triggers.len() >= 8);
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).expect("no trigger");
    }
    change(&connection);
    for (_, sql) in &triggers {
        connection.execute_batch(sql).expect("the trigger again");
    }
}

fn octets(digest: &str) -> Digest32 {
    let octets = (0..32).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).expect("digits"));
    Octets(octets.collect::<Vec<_>>().try_into().expect("32 octets"))
}

fn statements(statements: &str) -> impl FnOnce(&Connection) {
    move |connection| connection.execute_batch(statements).expect("the change")
}

/// Replaces a word in the body of an entry and gives it the hash that it has now.
fn rehash(number: u32, from: &str, to: &str) -> impl FnOnce(&Connection) {
    move |connection| {
        let row = "SELECT time, body FROM entries WHERE seq = ?1";
        let (time, body): (String, Vec<u8>) =
            connection.query_row(row, [number], |row| Ok((row.get(0)?, row.get(1)?))).expect("the entry");
        let body = String::from_utf8(body).expect("text").replace(from, to);
        let parsed: Value = serde_json::from_str(&body).expect("JSON");
        let token = parsed["digest"].as_str().filter(|_| parsed["kind"] == "token-issued");
        let token = token.map(octets);
        let leaf = LedgerEntry::new(number.into(), time.parse().expect("a time"), token, &body).leaf_hash();
        let update = "UPDATE entries SET body = ?1, leaf = ?2, subject = replace(subject, ?3, ?4) WHERE seq = ?5";
        let values = rusqlite::params![body.as_bytes(), leaf.expect("a hash").0, from, to, number];
        connection.execute(update, values).expect("the change");
    }
}

/// Does something to the ledger, sees what `ledger verify` says of it, and undoes it.
fn expect_found(desk: &Desk, change: impl FnOnce(&Connection), args: &[&str], words: &[&str]) {
    let kept = desk.ledger();
    tamper(desk, change);
    let found = desk.run(&[&["ledger", "verify"], args].concat()).expect_code(1);
    expect_said(&found, words);
    expect_said(&found, &["next:"]);
    desk.replace_ledger(&kept);
}

fn verified(desk: &Desk, args: &[&str]) -> Value {
    let output = desk.run(&[&["--json", "ledger", "verify"], args].concat()).expect_code(0);
    serde_json::from_str::<Value>(&output.stdout_text()).expect("JSON")["ledger"].clone()
}

#[test]
fn the_tree_is_that_over_the_entries() {
    let desk = with_tokens();
    let list = desk.run(&["--json", "ledger", "list"]).expect_code(0).stdout_text();
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let mut tree = Accumulator::default();
    let mut leaves = Vec::new();
    for entry in list["entries"].as_array().expect("entries") {
        let leaf = entry["leaf"].as_str().expect("a hash");
        let leaf = octets(leaf);
        leaves.push(leaf);
        tree.append(leaf);
    }
    let found = verified(&desk, &[]);
    assert_eq!(found["size"], 4);
    assert_eq!(found["root"], tree.root().to_string());
    assert_eq!(found["log"], leaves[0].to_string());
    assert_eq!((&found["heads"], &found["unsigned"]), (&Value::from(0), &Value::from(4)));
    let text = desk.run(&["ledger", "verify"]).expect_code(0);
    expect_said(&text, &["as it was written", &tree.root().to_string(), "4 entries since the last head"]);
}

#[test]
fn a_changed_row_is_named() {
    let desk = with_tokens();
    let changed = |change: &'static str, words: &[&str]| {
        expect_found(&desk, statements(change), &[], &[&["CS-7055"], words].concat());
    };
    let octet = "UPDATE entries SET body = CAST(replace(body, 'revision\":1', 'revision\":2') AS BLOB) \
                 WHERE seq = 3";
    changed(octet, &["entry 3:", "hash"]);
    changed("UPDATE entries SET body = x'ff' WHERE seq = 4", &["entry 4:"]);
    changed("UPDATE entries SET time = '2026-01-01T00:00:00Z' WHERE seq = 2", &["entry 2:", "hash"]);
    changed("UPDATE entries SET time = substr(time, 1, 10) WHERE seq = 2", &["entry 2:", "time"]);
    changed("UPDATE entries SET leaf = zeroblob(32) WHERE seq = 1", &["entry 1:", "hash"]);
    changed("UPDATE entries SET subject = 'ab' WHERE seq = 3", &["entry 3:", "subject"]);
    let other_kind = "UPDATE entries SET kind = 'token-revoked', token = NULL WHERE seq = 3";
    changed(other_kind, &["entry 3:", "the token"]);
    changed("UPDATE entries SET kind = 'token-revoked' WHERE seq = 1", &["entry 1:", "kind"]);
    changed("UPDATE entries SET token = x'3000' WHERE seq = 3", &["entry 3:", "the token"]);
    let lent = "UPDATE entries SET token = (SELECT token FROM entries WHERE seq = 4) WHERE seq = 3";
    changed(lent, &["entry 3:", "the token"]);
    changed("DELETE FROM entries WHERE seq = 3", &["entry 3:", "missing"]);
    changed("DELETE FROM entries WHERE seq = 1", &["entry 1:", "missing"]);
    changed("DELETE FROM entries", &["entry 1:", "missing"]);
    // Removed, and what follows moved up.
    changed("DELETE FROM entries WHERE seq = 3; UPDATE entries SET seq = 3 WHERE seq = 4", &["entry 3:", "hash"]);
    let exchanged = "UPDATE entries SET seq = 9 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3; \
                     UPDATE entries SET seq = 3 WHERE seq = 9";
    changed(exchanged, &["entry 2:", "hash"]);
    let copy = "SELECT seq + 2, time, kind, subject, leaf, body, token FROM entries WHERE seq = 3";
    changed(&*format!("INSERT INTO entries {copy}").leak(), &["entry 5:", "hash"]);
    changed(
        "INSERT INTO entries SELECT 0, time, kind, subject, leaf, body, token FROM entries WHERE seq = 1",
        &["entry 0:", "before the first"],
    );
    // A renewal tells which keys are in use: it is named all the same.
    desk.with_passphrase(&["renew", "ledger-signer"]).expect_code(0);
    let renewal = "UPDATE entries SET time = '2026-01-01T00:00:00Z' WHERE seq = 5";
    expect_found(&desk, statements(renewal), &[], &["CS-7055", "entry 5:"]);
    assert_eq!(verified(&desk, &[])["size"], 5);
}

#[test]
fn customers_and_tables_are_those_of_the_entries() {
    let desk = with_tokens();
    let changed = |change: &'static str, words: &[&str]| {
        expect_found(&desk, statements(change), &[], &[&["CS-7055"], words].concat());
    };
    changed("UPDATE customers SET name = 'Evil Power'", &["customer acme:", "name"]);
    changed("UPDATE customers SET salt = zeroblob(32)", &["customer acme:", "salt"]);
    changed("DELETE FROM customers", &["customer acme:", "missing"]);
    changed("INSERT INTO customers VALUES ('evil', 'Evil', zeroblob(32))", &["customer evil:"]);
    // The last token of a customer gone from the end, but not the customer.
    changed("DELETE FROM entries WHERE seq > 1", &["customer acme:", "missing"]);
    changed("CREATE TRIGGER own AFTER INSERT ON entries BEGIN DELETE FROM customers; END", &["tables and triggers"]);
    expect_found(&desk, rehash(3, "token-issued", "token-reissued"), &[], &["CS-7055", "entry 3:"]);
    let founded = "UPDATE entries SET seq = 9 WHERE seq = 1; UPDATE entries SET seq = 1 WHERE seq = 2";
    expect_found(
        &desk,
        |connection| {
            statements(founded)(connection);
            rehash(1, "", "")(connection);
        },
        &[],
        &["CS-7055", "entry 1:", "founding"],
    );
    connect(&desk).execute_batch("DROP TRIGGER entries_are_not_deleted").expect("no trigger");
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(1), &["CS-7055", "tables and triggers"]);
}

#[test]
fn a_signed_head_shows_what_the_rows_cannot() {
    let desk = with_tokens();
    let cut = || statements("DELETE FROM entries WHERE seq = 4");
    let forged = || rehash(3, "\"revision\":1", "\"revision\":2");
    // Rows that fit each other show neither.
    for change in [Box::new(cut()) as Box<dyn FnOnce(&Connection)>, Box::new(forged())] {
        let kept = desk.ledger();
        tamper(&desk, change);
        verified(&desk, &[]);
        desk.replace_ledger(&kept);
    }

    let signed = desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    expect_said(&signed, &["Signed the tree head 1", "head.pem", "next:"]);
    desk.with_passphrase(&plain_token(&["--out", "4.pem"])).expect_code(0);
    let found = verified(&desk, &["--head", "head.pem"]);
    assert_eq!(
        (&found["heads"], &found["unsigned"], &found["continues"]),
        (&Value::from(1), &Value::from(1), &Value::from("head.pem"))
    );
    let root = found["root"].clone();
    let json = desk.with_passphrase(&["--json", "ledger", "sign", "--out", "head-2.pem"]).expect_code(0).stdout_text();
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["tree_head"]["number"], &json["tree_head"]["body"]["root"]), (&Value::from(2), &root));

    let cut = || statements("DELETE FROM entries WHERE seq > 3");
    expect_found(&desk, cut(), &[], &["CS-7056", "tree head 1", "4 entries were signed, and 3 are left"]);
    expect_found(&desk, forged(), &[], &["CS-7056", "tree head 1", "up to number 4"]);
    expect_found(&desk, rehash(5, "\"revision\":1", "\"revision\":2"), &[], &["CS-7056", "tree head 2"]);
    expect_found(&desk, rehash(1, "Example Works", "Examplo Works"), &[], &["CS-7056", "another ledger"]);
    // Whoever takes the heads away as well is found by the one that was given away.
    let both = |connection: &Connection| {
        cut()(connection);
        connection.execute_batch("DELETE FROM tree_heads").expect("the change");
    };
    expect_found(&desk, both, &["--head", "head.pem"], &["CS-7056", "head.pem", "4 entries were signed"]);
    let kept = desk.ledger();
    tamper(&desk, both);
    verified(&desk, &[]);
    desk.replace_ledger(&kept);

    // The heads that the ledger keeps are held to their signatures.
    let flip = |connection: &Connection| {
        let (read, write) =
            ("SELECT object FROM tree_heads WHERE number = 2", "UPDATE tree_heads SET object = ?1 WHERE number = 2");
        let mut object: Vec<u8> = connection.query_row(read, [], |row| row.get(0)).expect("a head");
        *object.last_mut().expect("octets") ^= 1;
        connection.execute(write, [object]).expect("the change");
    };
    expect_found(&desk, flip, &[], &["tree head 2 of the ledger", "CS-1104"]);
    expect_found(&desk, statements("UPDATE tree_heads SET object = x'3000' WHERE number = 1"), &[], &["CS-1"]);
    expect_found(&desk, statements("DELETE FROM tree_heads WHERE number = 1"), &[], &["CS-7055", "tree head 1"]);

    // Nothing is signed over a ledger that does not continue its heads.
    tamper(&desk, forged());
    let before = desk.snapshot();
    let refused = desk.with_passphrase(&["ledger", "sign", "--out", "head-3.pem"]).expect_code(1);
    expect_said(&refused, &["CS-7056"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn heads_are_the_ledger_signers_alone() {
    let desk = Desk::founded("p256");
    let before = desk.snapshot();
    let sign = |passphrase: &str| {
        let sign = desk.command(&["ledger", "sign", "--out", "head.pem", "--ledger-passphrase-fd", "4"]);
        sign.file(4, passphrase).output()
    };
    expect_said(&sign(PASSPHRASE).expect_code(3), &["CS-7022"]);
    assert_eq!(desk.snapshot(), before);
    sign(LEDGER_PASSPHRASE).expect_code(0);
    expect_said(&sign(LEDGER_PASSPHRASE).expect_code(1), &["CS-7006"]);
    expect_said(&desk.run(&["inspect", "head.pem"]).expect_code(0), &["Tree head", "Activation Ledger Signer"]);
    desk.openssl(&["cms", "-verify", "-purpose", "any", "-inform", "PEM", "-in", "head.pem"]).expect_failure();
    let path = ["-CAfile", "authority/anchors.pem", "-binary", "-out", "body.der"];
    let verify = ["cms", "-verify", "-purpose", "any", "-inform", "PEM", "-in", "head.pem"];
    desk.openssl(&[&verify[..], &path].concat()).expect_code(0);

    // A head of somebody else, and a file that is no head.
    let other = Desk::founded("p256");
    other.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    desk.write("other.pem", other.read("head.pem"));
    let refused = desk.run(&["ledger", "verify", "--head", "other.pem"]).expect_code(1);
    expect_said(&refused, &["other.pem", "CS-2"]);
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    let refused = desk.run(&["ledger", "verify", "--head", "token.pem"]).expect_code(1);
    expect_said(&refused, &["token.pem", "CS-1005", "a tree head"]);
    desk.run(&["ledger", "verify", "--head", "nowhere.pem"]).expect_code(3);

    // A renewed key has the passphrase that it was given then; heads by the one before still count.
    let renew = |ledger: &str| {
        let renew = desk.command(&["renew", "ledger-signer", "--passphrase-fd", "3", "--ledger-passphrase-fd", "4"]);
        renew.file(3, PASSPHRASE).file(4, ledger).output()
    };
    expect_said(&renew(PASSPHRASE).expect_code(1), &["CS-7027"]);
    expect_said(&renew("a third one, longer").expect_code(0), &["Renewed the ledger signer", "ledger sign"]);
    let again = |passphrase: &str| {
        let sign = desk.command(&["ledger", "sign", "--out", "again.pem", "--ledger-passphrase-fd", "4"]);
        sign.file(4, passphrase).output()
    };
    expect_said(&again(LEDGER_PASSPHRASE).expect_code(3), &["CS-7022"]);
    again("a third one, longer").expect_code(0);
    assert_eq!(verified(&desk, &["--head", "head.pem"])["heads"], 2);
    // One that is revoked signs no more.
    let digest = desk.openssl(&["x509", "-in", "authority/ledger-signer-2.pem", "-noout", "-fingerprint", "-sha256"]);
    let digest = digest.expect_code(0).stdout_text().trim_end().rsplit('=').next().expect("digits").replace(':', "");
    desk.run(&["revoke", "certificate", &digest.to_lowercase(), "--reason", "superseded"]).expect_code(0);
    let revoked = desk.with_passphrase(&["ledger", "sign", "--out", "late.pem"]).expect_code(1);
    expect_said(&revoked, &["CS-7053", "renew ledger-signer"]);
}
