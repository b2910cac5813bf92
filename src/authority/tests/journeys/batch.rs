//! `issue --batch`: a token for each row of a file.

use crate::support::{Desk, expect_said};
use countersign_common::{Anchors, NO_LISTS, SignedObject, Token, VerifiedToken, decode_certificates, decode_object};
use countersign_testkit::{Output, Run};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    time::Duration,
};

/// A row of results.csv by the names of its columns.
type Line = BTreeMap<String, String>;

fn results(desk: &Desk, folder: &str) -> Vec<Line> {
    let mut reader = csv::Reader::from_path(desk.path(folder).join("results.csv")).expect("results");
    reader.deserialize().map(|line| line.expect("a result")).collect()
}

/// With an authority and a profile.
fn desk(algorithm: &str) -> Desk {
    let desk = Desk::founded(algorithm);
    desk.write("fleet.toml", profile());
    desk
}

fn profile() -> &'static str {
    "[product]\nid = \"control-room\"\n[window]\nwithin = \"30d\"\n[terms]\nvalidity = \"365d\"\n"
}

fn batch<'a>(file: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["issue", "--profile", "fleet.toml", "--batch", file, "--out", out][..], more].concat()
}

fn entitlements(token: &Token) -> Vec<&str> {
    token.entitlements.iter().flatten().map(|entitlement| &entitlement.name[..]).collect()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout_text()).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

/// The tokens of the ledger: the SHA-256 of each with its entry.
fn issued(desk: &Desk) -> Vec<(String, u64)> {
    let list = json_of(&desk.run(&["ledger", "list", "--json"]).expect_code(0));
    let entries = list["entries"].as_array().expect("entries").iter();
    let of_tokens = entries.filter(|entry| entry["kind"] == "token-issued");
    of_tokens
        .map(|entry| {
            (entry["sha256"].as_str().expect("a digest").to_owned(), entry["sequence"].as_u64().expect("a number"))
        })
        .collect()
}

/// Each issued row of a folder has its token, which verifies and is the one of its entry; there is no other file. Returns
/// the digests.
fn check_folder(desk: &Desk, folder: &str, entries: &BTreeMap<String, u64>) -> Vec<(Line, Token)> {
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let mut files: BTreeSet<String> = BTreeSet::from(["batch.toml".to_owned(), "results.csv".to_owned()]);
    let mut tokens = Vec::new();
    for line in results(desk, folder) {
        if line["outcome"] != "issued" {
            assert_eq!((&line["outcome"][..], &line["file"][..]), ("refused", ""), "{line:?}");
            continue;
        }
        let pem = desk.read(&format!("{folder}/{}", line["file"]));
        let der = decode_object(&pem).expect("a token");
        let object = SignedObject::from_der(&der).expect("a signed object");
        let token = VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token that verifies").body().clone();
        let digest: String = Sha256::digest(&der).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(line["sha256"], digest);
        assert_eq!(entries.get(&digest), line["entry"].parse().ok().as_ref(), "{line:?}");
        assert_eq!(line["token"], token.id.to_string());
        assert!(files.insert(line["file"].clone()), "{line:?}");
        tokens.push((line, token));
    }
    assert_eq!(files_below(desk, folder), files);
    tokens
}

fn files_below(desk: &Desk, folder: &str) -> BTreeSet<String> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![desk.path(folder)]);
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(desk.path(folder)).expect("a file below");
                files.insert(name.to_str().expect("text").to_owned());
            }
        }
    }
    files
}

#[test]
fn each_row_becomes_a_token_or_is_told_why_not() {
    let desk = desk("p256");
    desk.write("authority/limits.toml", "[limits]\nseats = 40\n");
    desk.write(
        "spring.csv",
        "\u{feff}reference,customer,customer_name,seats,entitlement.points,edition,virtual_machines\r\n\
         press 7,acme,Acme Power,10,5000,pro,\r\n\
         press 8,acme,,1,,,true\r\n\
         \"a \"\"quoted\"\", name\",globex,\"Globex, Inc.\",5,,,\r\n\
         too many,acme,,41,,,\r\n\
         no number,acme,,many,,,\r\n\
         nobody,hooli,,1,,,\r\n\
         short,acme\r\n\
         neither,acme,,1,,,maybe\r\n\
         last,globex,,1,7@2031-01-01,,false\r\n",
    );
    let output = desk.with_passphrase(&batch("spring.csv", "spring", &["--json"])).expect_code(1);
    let answer = json_of(&output);
    assert_eq!(answer["batch"]["rows"], 9);
    assert_eq!(answer["batch"]["issued"], 4);
    assert_eq!(answer["batch"]["refused"], 5);
    assert_eq!(answer["batch"]["refused_by_code"], json!({ "CS-7018": 3, "CS-7043": 1, "CS-7050": 1 }));

    let entries = issued(&desk).into_iter().collect();
    let tokens = check_folder(&desk, "spring", &entries);
    let [(_, first), (_, second), (_, third), (_, last)] = &tokens[..] else { panic!("four tokens: {tokens:?}") };
    assert_eq!(
        (first.seats, first.product.edition.as_deref(), &first.customer.name[..]),
        (Some(10), Some("pro"), "Acme Power")
    );
    assert_eq!(entitlements(first), ["points"]);
    assert_eq!((&second.customer.name[..], second.seats, entitlements(second).len()), ("Acme Power", Some(1), 0));
    assert_eq!(first.binding.salt, second.binding.salt, "the salt is the customer's");
    assert_eq!((&third.customer.name[..], third.product.id.as_str()), ("Globex, Inc.", "control-room"));
    assert_ne!(first.binding.salt, third.binding.salt);
    assert_eq!((third.binding.salt, entitlements(last).len()), (last.binding.salt, 1));

    let lines = results(&desk, "spring");
    let references: Vec<_> = lines.iter().map(|line| &line["reference"][..]).collect();
    let expected =
        ["press 7", "press 8", "a \"quoted\", name", "too many", "no number", "nobody", "", "neither", "last"];
    assert_eq!(references, expected);
    let numbers: Vec<_> = lines.iter().map(|line| line["row"].parse::<usize>().expect("a number")).collect();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    let codes: Vec<_> = lines.iter().map(|line| &line["code"][..]).collect();
    assert_eq!(codes, ["", "", "", "CS-7050", "CS-7018", "CS-7043", "CS-7018", "CS-7018", ""]);
    assert!(lines[3]["message"].contains("40"), "{:?}", lines[3]);
    assert_eq!(lines[6]["message"], "the row cannot be read: 2 cells where there are 7 columns");
    // What a rule refused is an entry; what nobody could read is not.
    assert_eq!(desk.refusals(), ["issue [CS-7050]: acme"]);
    let list = desk.run(&["ledger", "list"]).expect_code(0);
    assert!(list.stdout_text().contains("rows 1 to 9: 4 issued, 5 refused, by "), "{list}");
    desk.run(&["ledger", "verify"]).expect_code(0);

    // The same command once more has nothing left to do.
    let before = desk.snapshot();
    let again = desk.with_passphrase(&batch("spring.csv", "spring", &[])).expect_code(1);
    expect_said(&again, &["Going on after row 9 of 9", "4 of 9 rows, 5 refused", "row 4 (too many)", "[CS-7050]"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn lines_of_json_say_what_cells_do() {
    let desk = desk("p256");
    let rows = [
        r#"{"reference": 7, "customer": "acme", "customer_name": "Acme Power", "entitlement": {"points": 5000, "hall": "b"}}"#,
        "",
        r#"{"customer": "acme", "component": ["dmi-uuid", "disk-serial", "machine-id"], "require": 2, "edition": null}"#,
        r#"{"customer": "acme", "seats": {"of": 1}}"#,
        r#"{"customer": "acme", "customer": "globex"}"#,
        r#"{"customer": "acme", "flux_capacitor": 1}"#,
        r#"["acme"]"#,
        r#"{"customer": "acme""#,
        r#"{"customer": "acme", "out": "/etc/passwd"}"#,
    ];
    let long = format!(r#"{{"customer": "acme", "customer_name": "{}"}}"#, "x".repeat(70_000));
    desk.write("rows.jsonl", rows.join("\n") + "\n" + &long + "\n\u{0}\n{\"customer\": \"acme\"}");
    desk.with_passphrase(&batch("rows.jsonl", "out", &[])).expect_code(1);
    let entries = issued(&desk).into_iter().collect();
    let tokens = check_folder(&desk, "out", &entries);
    let numbers: Vec<_> = tokens.iter().map(|(line, _)| &line["row"][..]).collect();
    assert_eq!(numbers, ["1", "2", "11"]);
    assert_eq!((&tokens[0].0["reference"][..], entitlements(&tokens[0].1).len()), ("7", 2));
    assert_eq!(tokens[1].1.binding.components.len(), 3);
    let refused: Vec<_> = results(&desk, "out")
        .into_iter()
        .filter(|line| line["outcome"] == "refused")
        .map(|line| line["code"].clone())
        .collect();
    assert_eq!(refused, ["CS-7018"; 8]);
}

/// What a row asks for is known to its token only when the rows before are entered.
#[test]
fn rows_that_stand_on_others_are_made_in_their_order() {
    let desk = desk("p256");
    desk.write("one.csv", "customer,customer_name\nacme,Acme Power\n");
    desk.with_passphrase(&batch("one.csv", "one", &[])).expect_code(0);
    let id = results(&desk, "one").remove(0)["token"].clone();
    let mut rows = "customer,customer_name,supersedes\n".to_owned();
    for number in 0..100 {
        writeln!(
            rows,
            "{}",
            ["acme,,", "globex,,", "globex,Globex,"][number % 3].to_owned() + [&id, "", ""][number % 3]
        )
        .expect("text");
    }
    desk.write("two.csv", rows);
    // The second row is about a customer whose name the third one says.
    desk.with_passphrase(&batch("two.csv", "two", &[])).expect_code(1);
    let lines = results(&desk, "two");
    let versions: Vec<u32> = lines
        .iter()
        .filter(|line| line["token"] == id)
        .map(|line| line["version"].parse().expect("a number"))
        .collect();
    assert_eq!(versions, (2..=35).collect::<Vec<_>>());
    let refused: Vec<_> =
        lines.iter().filter(|line| line["outcome"] == "refused").map(|line| &line["row"][..]).collect();
    assert_eq!(refused, ["2"]);
    let tokens = check_folder(&desk, "two", &issued(&desk).into_iter().collect());
    let salts: BTreeSet<_> = tokens.iter().map(|(_, token)| (token.customer.id.clone(), token.binding.salt)).collect();
    assert_eq!(salts.len(), 2, "each customer has one salt");
}

#[test]
fn a_folder_that_a_killed_command_began_is_taken() {
    let desk = desk("p256");
    desk.write("rows.csv", "customer,customer_name\nacme,Acme Power\n");
    fs::create_dir(desk.path("out")).expect("a folder");
    desk.write("out/.countersign-1", "half of batch.toml");
    desk.with_passphrase(&batch("rows.csv", "out", &[])).expect_code(0);
    fs::remove_file(desk.path("out/.countersign-1")).expect("a file");
    assert_eq!(check_folder(&desk, "out", &issued(&desk).into_iter().collect()).len(), 1);
}

#[test]
fn what_cannot_be_a_batch_is_refused_before_a_secret_is_asked_for() {
    let desk = desk("p256");
    desk.write("rows.csv", "customer,customer_name\nacme,Acme Power\n");
    desk.write("rows.txt", "customer\nacme\n");
    desk.write("column.csv", "customer,colour\nacme,red\n");
    desk.write("flag.csv", "customer,dry_run\nacme,true\n");
    desk.write("empty.csv", "");
    desk.write("binary.csv", b"customer\xff\nacme\n");
    fs::create_dir(desk.path("other")).expect("a folder");
    desk.write("other/file", "somebody's");
    let before = desk.snapshot();
    let no_secret = |args: &[&str], code, words: &[&str]| {
        let output = desk.run(args).expect_code(code);
        expect_said(&output, words);
        assert_eq!(desk.snapshot(), before, "{args:?}");
    };
    for file in ["rows.txt", "column.csv", "flag.csv", "empty.csv", "binary.csv"] {
        no_secret(&batch(file, "out", &[]), 2, &["CS-7016", "docs/fleets.md"]);
    }
    no_secret(&batch("column.csv", "out", &[]), 2, &["\"colour\"", "customer_name", "entitlement.NAME"]);
    no_secret(&batch("none.csv", "out", &[]), 3, &["CS-7007"]);
    no_secret(&batch("rows.csv", "other", &[]), 1, &["CS-7017", "no batch.toml"]);
    no_secret(&["issue", "--batch", "rows.csv"], 2, &["CS-7001", "--out FOLDER"]);
    no_secret(&batch("rows.csv", "out", &["--supersedes", &"0".repeat(32)]), 2, &["CS-7001", "by its row"]);

    // A dry run tells of each row and leaves nothing.
    let dry = desk.run(&batch("rows.csv", "out", &["--dry-run"])).expect_code(0);
    expect_said(&dry, &["Would issue: 1 of 1 rows, 0 refused."]);
    desk.run(&["issue", "--batch", "rows.csv", "--product", "control-room", "--dry-run", "--activate-within", "30d"])
        .expect_code(0);
    assert_eq!(desk.snapshot(), before);

    // A folder belongs to one batch.
    desk.with_passphrase(&batch("rows.csv", "out", &[])).expect_code(0);
    desk.write("more.csv", "customer,customer_name\nacme,Acme Power\nacme,\n");
    let before = desk.snapshot();
    for (args, words) in
        [(batch("more.csv", "out", &[]), "other rows"), (batch("rows.csv", "out", &["--seats", "3"]), "other terms")]
    {
        expect_said(&desk.run(&args).expect_code(1), &["CS-7017", words]);
    }
    assert_eq!(desk.snapshot(), before);
    for (state, words) in [("format = 2", "batch.toml"), ("", "batch.toml"), (&"#".repeat(5_000), "larger")] {
        let kept = desk.read("out/batch.toml");
        desk.write("out/batch.toml", state);
        expect_said(&desk.run(&batch("rows.csv", "out", &[])).expect_failure(), &[words]);
        desk.write("out/batch.toml", kept);
    }
    // Results that somebody changed are not gone on with.
    let (kept, digest) = (desk.read("out/results.csv"), results(&desk, "out").remove(0)["sha256"].clone());
    let text = String::from_utf8(kept.clone()).expect("text");
    for changed in
        [text.replace(&digest, &"0".repeat(64)), text.replace("\n1,", "\n2,"), text.replace(".token.pem", "/../../x")]
    {
        assert_ne!(changed, text);
        desk.write("out/results.csv", changed);
        expect_said(&desk.with_passphrase(&batch("rows.csv", "out", &[])).expect_code(1), &["CS-7017"]);
    }
    desk.write("out/results.csv", kept);
    let line = results(&desk, "out").remove(0);
    fs::remove_file(desk.path("out").join(&line["file"])).expect("the token");
    desk.with_passphrase(&batch("rows.csv", "out", &[])).expect_code(0);
    check_folder(&desk, "out", &issued(&desk).into_iter().collect());
}

#[test]
fn a_batch_needs_what_each_token_needs() {
    let desk = desk("p256");
    desk.write("rows.csv", "customer,customer_name\nacme,Acme Power\n");
    desk.write("two.toml", format!("approvals = 2\n{}", profile()));
    let two = ["issue", "--profile", "two.toml", "--batch", "rows.csv", "--out", "two"];
    desk.with_passphrase(&two).expect_code(1);
    assert_eq!(results(&desk, "two")[0]["code"], "CS-7076");
    assert_eq!(issued(&desk), []);

    let wrong =
        desk.command(&batch("rows.csv", "out", &[])).args(["--passphrase-fd", "3"]).pipe(3, "another passphrase\n");
    expect_said(&wrong.output().expect_failure(), &["CS-7022"]);
    assert_eq!(issued(&desk), []);

    // The key in use is revoked: that is not the rows' fault.
    desk.run(&["revoke", "certificate", "authority/token-signer.pem", "--reason", "superseded"]);
    expect_said(&desk.with_passphrase(&batch("rows.csv", "late", &[])).expect_code(1), &["CS-7053"]);
    assert_eq!(issued(&desk), []);
    assert!(!desk.path("late").exists());
}

/// A file of so many rows, some of them at fault.
fn many_rows(count: usize) -> String {
    let mut rows = "reference,customer,customer_name,seats\n".to_owned();
    for number in 1..=count {
        let seats = if number % 97 == 0 { "many" } else { "3" };
        writeln!(rows, "press {number},customer-{},Customer {0},{seats}", number % 11).expect("text");
    }
    rows
}

/// The rows of a batch, each once and in order, with a token for each that can have one, and each token once in the ledger.
fn check_whole(desk: &Desk, folder: &str, rows: usize, entries: &BTreeMap<String, u64>) -> usize {
    let lines = results(desk, folder);
    assert_eq!(lines.len(), rows);
    for (number, line) in (1..).zip(&lines) {
        assert_eq!((&line["row"], &line["reference"]), (&number.to_string(), &format!("press {number}")));
        assert_eq!(line["outcome"], if number % 97 == 0 { "refused" } else { "issued" });
    }
    check_folder(desk, folder, entries).len()
}

/// Killed at a hundred instants, at any of them between two results or in the middle of writing, and each time gone on with.
#[test]
fn a_batch_killed_at_a_hundred_instants_issues_each_token_once() {
    const ROWS: usize = 600;
    let desk = desk("p256");
    desk.write("rows.csv", many_rows(ROWS));
    // A key that opens at once, so that a batch and not the passphrase is what is cut off.
    let key = "authority/keys/token-signer.key.pem";
    let password = format!("pass:{}", crate::support::PASSPHRASE);
    let cheap = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "1", "-in", key];
    desk.openssl(&[&cheap[..], &["-passin", &password, "-passout", &password, "-out", "cheap"]].concat())
        .expect_code(0);
    fs::rename(desk.path("cheap"), desk.path(key)).expect("the key");
    let run = |folder: &str, limit: Duration| {
        let descriptors = ["--passphrase-fd", "3"];
        let command = desk.command(&batch("rows.csv", folder, &[])).args(descriptors);
        command.file(3, format!("{}\n", crate::support::PASSPHRASE)).limit(limit).output()
    };
    // Where the instants are differs with the machine; that they are spread over all of a batch does not.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut kills, mut folders) = (0, 0);
    while kills < 100 {
        folders += 1;
        let folder = format!("batch-{folders}");
        let mut longest = 300;
        loop {
            let output = run(&folder, Duration::from_millis(random(longest)));
            if !output.timed_out {
                expect_said(&output.expect_code(1), &["Issued in"]);
                break;
            }
            kills += 1;
            // One that is killed too early each time would not come to an end.
            longest += 10;
        }
    }
    let all = issued(&desk);
    let entries: BTreeMap<_, _> = all.iter().cloned().collect();
    assert_eq!(entries.len(), all.len(), "each token once");
    let mut tokens = 0;
    for folder in 1..=folders {
        tokens += check_whole(&desk, &format!("batch-{folder}"), ROWS, &entries);
    }
    assert_eq!(tokens, all.len(), "each entry has its token");
    desk.run(&["ledger", "verify"]).expect_code(0);

    // The ledger proves them.
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    for line in results(&desk, "batch-1").iter().filter(|line| line["outcome"] == "issued").step_by(150) {
        let out = format!("proven-{}.pem", line["row"]);
        desk.run(&["ledger", "prove", &format!("batch-1/{}", line["file"]), "--out", &out]).expect_code(0);
    }
}

/// Two batches and a single token on one ledger: each waits for the others' entries, and none is lost.
#[test]
fn batches_side_by_side_share_the_ledger() {
    let desk = desk("p256");
    desk.write("rows.csv", many_rows(700));
    std::thread::scope(|scope| {
        for folder in ["one", "two"] {
            let desk = &desk;
            scope.spawn(move || desk.with_passphrase(&batch("rows.csv", folder, &[])).expect_code(1));
        }
        let single = ["issue", "--profile", "fleet.toml", "--customer", "customer-1", "--customer-name", "Customer 1"];
        desk.with_passphrase(&[&single[..], &["--out", "single.pem"]].concat()).expect_code(0);
    });
    let entries: BTreeMap<_, _> = issued(&desk).into_iter().collect();
    let tokens = check_whole(&desk, "one", 700, &entries) + check_whole(&desk, "two", 700, &entries);
    assert_eq!(tokens + 1, entries.len());
    desk.run(&["ledger", "verify"]).expect_code(0);
}

/// The disk is full on the way: nothing is half there, and with more room the batch goes on.
#[test]
fn a_batch_on_a_full_disk_goes_on_when_there_is_room() {
    let desk = desk("p256");
    desk.write("rows.csv", many_rows(1_200));
    desk.write("passphrase", crate::support::PASSPHRASE);
    fs::create_dir(desk.path("small")).expect("a folder");
    // A file system of its own that only this script sees.
    let script = format!(
        "mount -t tmpfs -o size=2m none small || exit 90\n\
         batch() {{ '{}' {} --passphrase-fd 3 3<passphrase; }}\n\
         batch; test $? = 3 || exit 91\n\
         cp -r small/out cut-off\n\
         mount -o remount,size=64m small || exit 92\n\
         batch; test $? = 1 || exit 93\n\
         cp -r small/out whole\n",
        Desk::program().display(),
        batch("rows.csv", "small/out", &[]).join(" ")
    );
    let args = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    let output = Run::new("unshare").args(args).directory(desk.path(".")).output().expect_code(0);
    expect_said(&output, &["CS-7007", "No space left", "Going on after row "]);
    let entries: BTreeMap<_, _> = issued(&desk).into_iter().collect();
    assert_eq!(check_whole(&desk, "whole", 1_200, &entries), entries.len());
    desk.run(&["ledger", "verify"]).expect_code(0);
}
