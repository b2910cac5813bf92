//! `report`: the figures are those of a ledger in which they were planted, in every form; the page is opened in Chromium.

use crate::support::{Desk, Holder, LEDGER_PASSPHRASE, PASSPHRASE, expect_said, plain_token};
use countersign_common::{
    Anchors, Certificate, ComponentFact, ComponentKind, MachineFacts, NO_LISTS, SignatureAlgorithm, SignedObject,
    SigningRequest, Slot, Time, VerifiedToken, decode_certificates, decode_object, encode_object, oid, sha256,
};
use countersign_testkit::{Output, Run, View, visit};
use der::Encode;
use pkcs8::DecodePrivateKey;
use serde_json::{Value, json};
use signature::hazmat::PrehashSigner;
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

/// A name that would be a script and a formula, if somebody let it. One that runs backwards is in no token.
const HOSTILE: &str = "=HYPERLINK(\"http://evil.example\") <script>alert(1)</script> &amp; 'quoted'";

/// As long as a name may be, with a word that fits into no column.
fn long_name() -> String {
    let name = format!("Cygnus Wasser & Söhne, {}", "Donaudampfschifffahrtsgesellschaft".repeat(7));
    name.chars().take(255).collect()
}

/// Of each officer's key file.
const OFFICER: &str = "an officer of my own";

/// Somewhere else in time.
fn at(desk: &Desk, time: &str, args: &[&str]) -> Output {
    command_at(desk, time, args).output()
}

/// The command with all secrets that it might ask for.
fn command_at(desk: &Desk, time: &str, args: &[&str]) -> Run {
    let descriptors: &[&str] = match args {
        ["officer", ..] => &["--passphrase-fd", "3", "--officer-passphrase-fd", "5"],
        ["request", "approve", ..] => &["--passphrase-fd", "5"],
        _ => &["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"],
    };
    let run = desk.command(args).args(descriptors).file(3, PASSPHRASE).file(4, LEDGER_PASSPHRASE).file(5, OFFICER);
    run.env("TZ", "UTC").under("faketime", &[time])
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

/// Somebody certified by the holder root, from 2026-03-01 on.
fn holder(desk: &Desk, name: &str) -> Holder {
    let openssl = |args: &[&str]| {
        let run = Run::new("openssl").args(args).directory(desk.path("."));
        run.env("TZ", "UTC").under("faketime", &["2026-03-03 00:00:00"]).output().expect_code(0)
    };
    let (key, request, certificate, subject) =
        (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"), format!("/CN={name}"));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject];
    openssl(&[&["req", "-new", "-keyout", &key, "-out", &request][..], &curve].concat());
    desk.write("extensions", "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n");
    let password = format!("pass:{PASSPHRASE}");
    let root = ["-sha256", "-CA", "authority/holder-root.pem", "-CAkey", "authority/keys/holder-root.key.pem"];
    let rest = ["-passin", &password, "-extfile", "extensions", "-days", "700", "-out", &certificate];
    openssl(&[&["x509", "-req", "-in", &request][..], &root, &rest].concat());
    Holder {
        certificate: decode_certificates(&desk.read(&certificate)).expect("a certificate").remove(0),
        key: p256::ecdsa::SigningKey::from_pkcs8_pem(&String::from_utf8(desk.read(&key)).expect("text"))
            .expect("a key"),
    }
}

/// Puts the record of a machine, activated at a time by its own clock, among those that come back.
fn activate(desk: &Desk, holder: &Holder, token: &str, machine: &str, time: &str) {
    let signer = Certificate::from_der(&holder.certificate).expect("a certificate");
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("an anchor").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let token = desk.read(token);
    let token = decode_object(&token).expect("a token");
    let verified = VerifiedToken::verify(SignedObject::from_der(&token).expect("a token"), &anchors, &NO_LISTS);
    let (verified, time) = (verified.expect("a token"), time.parse::<Time>().expect("a time"));
    let fact = |kind, value: &str| (kind, ComponentFact::Values(vec![format!("{value}-{machine}")]));
    let components = vec![fact(ComponentKind::MachineId, "m"), fact(ComponentKind::DiskSerial, "d")];
    let machine = MachineFacts { components, virtualization: None };
    let admission = verified.admit(&signer, &[], Slot::Signature, time, &anchors, &NO_LISTS).expect("admitted");
    let nonce = sha256(time.to_string().as_bytes());
    let content = verified.challenge(&admission, time, nonce, &machine, &NO_LISTS, None).to_der().expect("DER");
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let request = SigningRequest::new(oid::CONTENT_CHALLENGE, &content, &signer, algorithm, time).expect("a request");
    let signature: p256::ecdsa::DerSignature =
        holder.key.sign_prehash(&algorithm.signer_input(request.message())).expect("a signature");
    let record = request.finish(signature.as_bytes(), &[], Some(&token)).expect("a record");
    fs::create_dir_all(desk.path("returned")).expect("a folder");
    let count = fs::read_dir(desk.path("returned")).expect("a folder").count();
    desk.write(&format!("returned/{count}.pem"), encode_object(&record));
}

/// An authority with nine months behind it. Each command costs some tenths of a second, so there is one of everything.
struct Planted {
    desk: Desk,
    /// Ids of tokens by their files.
    ids: BTreeMap<&'static str, String>,
}

fn planted() -> Planted {
    let desk = Desk::new();
    let mut ids = BTreeMap::new();
    at(&desk, "2026-03-02 09:00:00", &["init", "--organization", "Example Works"]).expect_code(0);
    let mut issue = |time: &str, file: &'static str, more: &[&str]| {
        let output = at(&desk, time, &[&["issue", "--json", "--out", file][..], more].concat()).expect_code(0);
        ids.insert(file, document(&output)["token"]["body"]["id"].as_str().expect("an id").to_owned());
    };
    let acme = ["--customer", "acme", "--customer-name", "Acme Power", "--product", "control-room"];
    let more = ["--activate-within", "300d", "--validity", "200d", "--seats", "2", "--edition", "site"];
    let points = ["--entitlement", "points=5000@2026-12-31", "--product-from", "4.0", "--product-below", "5.0"];
    issue("2026-03-09 10:00:00", "acme.pem", &[&acme[..], &more, &points].concat());
    let other = ["--customer", "borealis", "--customer-name", HOSTILE, "--product", "historian", "--seats", "5"];
    issue("2026-04-06 10:00:00", "borealis.pem", &[&other[..], &["--activate-within", "200d"]].concat());
    let long = long_name();
    let cygnus = ["--customer", "cygnus", "--customer-name", &long, "--product", "historian"];
    issue("2026-05-04 10:00:00", "cygnus.pem", &[&cygnus[..], &["--activate-within", "200d"]].concat());
    let lost = ["--customer", "acme", "--product", "archive", "--activate-within", "200d", "--seats", "4"];
    issue("2026-05-05 10:00:00", "lost.pem", &lost);

    // Over-use under one token; one machine a second time; a clock that runs ahead.
    let ada = holder(&desk, "ada");
    for (token, machine, time) in [
        ("acme.pem", "1", "2026-03-20T08:00:00Z"),
        ("acme.pem", "2", "2026-04-10T08:00:00Z"),
        ("acme.pem", "3", "2026-04-11T08:00:00Z"),
        ("acme.pem", "1", "2026-05-05T08:00:00Z"),
        ("borealis.pem", "4", "2026-05-06T08:00:00Z"),
        ("borealis.pem", "5", "2026-06-01T08:00:00Z"),
        ("cygnus.pem", "6", "2026-09-30T08:00:00Z"),
    ] {
        activate(&desk, &ada, token, machine, time);
    }
    desk.write("returned/notes.txt", "call back\n");
    at(&desk, "2026-06-15 10:00:00", &["receipts", "import", "returned"]).expect_code(1);

    // An officer, and two tokens that need approval, of which one is issued.
    let enroll = ["officer", "enroll", "--subject", "CN=Grace", "--out", "grace.pem", "--out-key", "grace.key.pem"];
    at(&desk, "2026-06-16 10:00:00", &enroll).expect_code(0);
    desk.write("one.toml", "approvals = 1\n");
    let wanted = ["--profile", "one.toml", "--customer", "cygnus", "--product", "archive", "--activate-within", "60d"];
    for file in ["waiting.pem", "approved.pem"] {
        at(&desk, "2026-06-17 10:00:00", &[&["request", "make", "--out", file], &wanted[..]].concat()).expect_code(0);
    }
    let approve = ["request", "approve", "approved.pem", "--certificate", "grace.pem", "--key", "grace.key.pem"];
    at(&desk, "2026-06-18 10:00:00", &approve).expect_code(0);
    let issue = ["request", "issue", "approved.pem", "--out", "approved.token.pem"];
    at(&desk, "2026-06-19 10:00:00", &issue).expect_code(0);

    // A token that is revoked, twice, and what the lint refuses.
    let id = ids["lost.pem"].clone();
    let revoke = ["revoke", "token", &id, "--reason", "affiliationChanged"];
    at(&desk, "2026-07-06 10:00:00", &revoke).expect_code(0);
    at(&desk, "2026-07-07 10:00:00", &revoke).expect_code(1);
    for customer in ["acme", "acme", "cygnus"] {
        let late = ["issue", "--customer", customer, "--product", "archive", "--activate-until", "2026-03-01"];
        at(&desk, "2026-07-08 10:00:00", &late).expect_code(1);
    }
    at(&desk, "2026-07-20 10:00:00", &["crl"]).expect_code(0);
    at(&desk, "2026-07-25 10:00:00", &["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    // After the time that most reports are asked for.
    let late = ["issue", "--customer", "acme", "--product", "late", "--activate-within", "90d", "--out", "late.pem"];
    at(&desk, "2026-10-05 10:00:00", &late).expect_code(0);
    Planted { desk, ids }
}

/// The report as of the end of August.
fn report(desk: &Desk, more: &[&str]) -> Value {
    let args = [&["--json", "report", "--until", "2026-08-31"][..], more].concat();
    document(&desk.run(&args).expect_code(0))["report"].clone()
}

/// Some members of each row.
fn picked(rows: &Value, members: &[&str]) -> Value {
    let row = |row: &Value| members.iter().map(|member| row[*member].clone()).collect::<Value>();
    rows.as_array().expect("rows").iter().map(row).collect()
}

#[test]
fn what_was_planted_is_what_the_report_says_in_every_form() {
    let Planted { desk, ids } = planted();
    let before = desk.snapshot();
    let all = report(&desk, &[]);
    assert_eq!((&all["organization"], &all["as_of"]), (&json!("Example Works"), &json!("2026-08-31T23:59:59Z")));
    let totals = json!({
        "customers": 3, "tokens_issued": 5, "activations": 7, "activations_dated_elsewhere": 1, "records_received": 7,
        "machines": 6, "seats_taken": 5, "seats_granted": 11, "tokens_over_seats": 1, "refusals": 5,
        "batch_rows_refused": 0, "findings": 1, "requests": 2, "revocations": 1, "overdue": 3,
    });
    assert_eq!(all["totals"], totals);
    assert_eq!(all["step"], "week");
    let months = report(&desk, &["--by", "month"]);
    let members = ["period", "activations", "tokens_issued", "records_received", "refusals"];
    let expected = json!([
        ["2026-03", 1, 1, 0, 0],
        ["2026-04", 2, 1, 0, 0],
        ["2026-05", 2, 2, 0, 0],
        ["2026-06", 1, 1, 7, 1],
        ["2026-07", 0, 0, 0, 4],
        ["2026-08", 0, 0, 0, 0],
    ]);
    assert_eq!(picked(&months["over_time"], &members), expected);
    let sum = |member: &str| {
        all["over_time"].as_array().expect("weeks").iter().filter_map(|week| week[member].as_u64()).sum::<u64>()
    };
    assert_eq!((sum("activations"), sum("tokens_issued"), sum("refusals")), (6, 5, 5));

    let members =
        ["customer", "name", "tokens", "machines", "seats_granted", "seats_taken", "over", "tokens_unlimited"];
    let expected = json!([
        ["acme", "Acme Power", 2, 3, 6, 3, 1, 0],
        ["borealis", HOSTILE, 1, 2, 5, 2, 0, 0],
        ["cygnus", long_name(), 2, 1, 0, 0, 0, 2],
    ]);
    assert_eq!(picked(&all["customers"], &members), expected);
    let members = ["token", "state", "seats", "machines", "records", "machines_run_out", "edition", "product_from"];
    let tokens = picked(&all["tokens"], &members);
    assert_eq!(tokens[0], json!([ids["acme.pem"], "open", 2, 3, 4, 0, "site", "4.0.0"]));
    assert_eq!(tokens[1], json!([ids["lost.pem"], "revoked", 4, 0, 0, 0, null, null]));
    assert_eq!(tokens.as_array().expect("tokens").len(), 5);
    let points = json!([{ "name": "points", "value": "5000", "until": "2026-12-31T23:59:59Z" }]);
    assert_eq!(all["tokens"][0]["entitlements"], points);

    // What ends: the lists are overdue, each machine's last record counts, and what is revoked ends no more.
    let kinds = |report: &Value, kind: &str| -> Vec<Value> {
        let rows = report["expiries"].as_array().expect("rows").iter().filter(|row| row["kind"] == kind);
        rows.map(|row| json!([row["date"], row["days"], row["count"]])).collect()
    };
    let overdue = json!(["2026-08-19T10:00:00Z", -13, 1]);
    let lists = kinds(&all, "list");
    assert!(lists.len() == 3 && lists.iter().all(|row| row[1] == overdue[1]), "{lists:?}");
    let first = json!(["2026-10-27T08:00:00Z", 56, 3]);
    assert_eq!(kinds(&all, "activations"), [first]);
    assert_eq!(kinds(&all, "window").len(), 3, "of acme, borealis and cygnus; the approved one is closed");
    assert_eq!(kinds(&all, "entitlement"), [json!(["2026-12-31T23:59:59Z", 122, 1])]);
    let ahead = picked(&all["ahead"], &["period", "activations", "windows"]);
    assert_eq!((&ahead[1], &ahead[2]), (&json!(["2026-09", 0, 0]), &json!(["2026-10", 2, 1])));
    assert_eq!(ahead[3], json!(["2026-11", 1, 1]), "machine 1 was activated again in May");
    assert_eq!(kinds(&all, "certificate"), Vec::<Value>::new());
    assert!(kinds(&report(&desk, &["--ahead", "40y"]), "certificate").len() >= 7, "six of the authority, an officer");

    let members = ["code", "count", "commands"];
    let expected =
        json!([["CS-1002", 1, ["receipts import"]], ["CS-7047", 1, ["revoke token"]], ["CS-7050", 3, ["issue"]],]);
    assert_eq!(picked(&all["refusals"], &members), expected);
    assert_eq!(all["refusals"][2]["meaning"], "refused by the lint");
    let finding = &all["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["token"], &finding["customer"]),
        (&json!("CS-7132"), &json!(ids["acme.pem"]), &json!("acme"))
    );
    assert_eq!(finding["ledger_entries"].as_array().expect("entries").len(), 3);
    let members = ["product", "customer", "needed", "approvers", "issued"];
    let expected = json!([["archive", "cygnus", 1, [], null], ["archive", "cygnus", 1, ["CN=Grace"], "2026-06-19"],]);
    let mut requests = picked(&all["requests"], &members);
    requests[1][4] = requests[1][4].as_str().expect("a time")[..10].into();
    assert_eq!(requests, expected);
    let revocation = &all["revocations"][0];
    assert_eq!(
        (&revocation["what"], &revocation["id"], &revocation["reason"]),
        (&json!("token"), &json!(ids["lost.pem"]), &json!("affiliationChanged"))
    );
    let ledger = &all["ledger"];
    assert_eq!((&ledger["head"]["number"], &ledger["unsigned"]), (&json!(1), &json!(0)));
    assert_eq!(ledger["size"], ledger["head"]["size"]);

    // The whole ledger has one more token, which the head does not cover.
    let whole = document(&desk.run(&["report", "--json"]).expect_code(0))["report"].clone();
    assert_eq!((&whole["totals"]["tokens_issued"], &whole["ledger"]["unsigned"]), (&json!(6), &json!(1)));
    assert_eq!(whole["totals"]["activations_dated_elsewhere"], 0, "by now that clock is no longer ahead");
    // The same again, to the octet.
    assert_eq!(
        desk.run(&["report", "--until", "2026-08-31"]).stdout,
        desk.run(&["report", "--until", "2026-08-31"]).stdout
    );
    assert_eq!(desk.snapshot(), before, "a report enters nothing");

    filters(&desk, &ids);
    text_and_tables(&desk);
    in_chromium(&desk);
    refused(&desk);
}

fn filters(desk: &Desk, ids: &BTreeMap<&str, String>) {
    let one = report(desk, &["--customer", "acme"]);
    assert_eq!((&one["totals"]["tokens_issued"], &one["totals"]["machines"]), (&json!(2), &json!(3)));
    assert_eq!(picked(&one["refusals"], &["code", "count"]), json!([["CS-7047", 1], ["CS-7050", 2]]));
    let text = one.to_string();
    for other in ["borealis", "cygnus", "Grace", ids["borealis.pem"].as_str(), "list\""] {
        assert!(!text.contains(&format!("\"{other}")), "{other} is told");
    }
    let two = report(desk, &["--customer", "acme", "--customer", "cygnus"]);
    assert_eq!((two["customers"].as_array().expect("rows").len(), &two["totals"]["findings"]), (2, &json!(1)));
    let none = report(desk, &["--customer", "borealis"]);
    assert_eq!((&none["totals"]["findings"], &none["totals"]["revocations"]), (&json!(0), &json!(0)));

    // What happened since; what stands, stands.
    let since = report(desk, &["--since", "2026-05-05", "--by", "month"]);
    let members = ["period", "activations", "tokens_issued", "records_received"];
    let expected = json!([["2026-05", 2, 1, 0], ["2026-06", 1, 1, 7], ["2026-07", 0, 0, 0], ["2026-08", 0, 0, 0]]);
    assert_eq!(picked(&since["over_time"], &members), expected);
    assert_eq!((&since["totals"]["activations"], &since["totals"]["tokens_issued"]), (&json!(4), &json!(2)));
    assert_eq!((&since["totals"]["findings"], &since["totals"]["seats_granted"]), (&json!(1), &json!(11)));
    let later = report(desk, &["--since", "2026-07-08"]);
    assert_eq!((&later["totals"]["refusals"], &later["totals"]["revocations"]), (&json!(3), &json!(0)));
    // As it stood earlier.
    let args = ["--json", "report", "--until", "2026-04-06T10:30:00Z"];
    let early = document(&desk.run(&args).expect_code(0))["report"].clone();
    assert_eq!((&early["totals"]["tokens_issued"], &early["totals"]["activations"]), (&json!(2), &json!(0)));
    assert_eq!((&early["ledger"]["size"], &early["ledger"]["head"]), (&json!(3), &Value::Null));
}

fn text_and_tables(desk: &Desk) {
    let text = desk.run(&["report", "--until", "2026-08-31", "--by", "month"]).expect_code(0);
    let words = [
        "Example Works: report as of 2026-08-31T23:59:59Z",
        "7 activations, 5 tokens issued, 3 customers, 6 machines, 5 of 11 seats taken",
        "  2026-04          2 ████████████████████████        1 ████████████",
        "1 activations are dated outside of this",
        "3 of 6       ████████████              1 too many  Acme Power (acme), 2 tokens, 3 machines",
        "2026-08-19       overdue  list",
        "CS-7050       3 ████████████████████████  refused by the lint; last 2026-07-08, issue",
        "CS-7132: the token",
        "approved by CN=Grace",
        "not issued",
        "token",
        HOSTILE,
    ];
    expect_said(&text, &words);

    // Files of each form; nothing is overwritten.
    let told = desk.run(&["report", "--until", "2026-08-31", "--format", "csv", "--out", "tables"]).expect_code(0);
    expect_said(&told, &["Written to tables: 10 tables."]);
    let table = |name: &str| -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(desk.path("tables").join(name)).expect("a table");
        reader.deserialize().map(|row| row.expect("a row")).collect()
    };
    let names: Vec<_> = table("customers.csv").iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["Acme Power".to_owned(), format!("'{HOSTILE}"), long_name()]);
    let json = report(desk, &[]);
    for (name, member) in [
        ("customers", "customers"),
        ("ending", "ahead"),
        ("expiries", "expiries"),
        ("findings", "findings"),
        ("over-time", "over_time"),
        ("refusals", "refusals"),
        ("requests", "requests"),
        ("revocations", "revocations"),
        ("tokens", "tokens"),
    ] {
        let (rows, expected) = (table(&format!("{name}.csv")), json[member].as_array().expect("rows"));
        assert_eq!(rows.len(), expected.len(), "{name}");
        // Columns that JSON has under the same name and as a number or a text say the same.
        for (row, expected) in rows.iter().zip(expected) {
            for (column, cell) in row {
                match &expected[column] {
                    Value::Number(number) => assert_eq!(*cell, number.to_string(), "{name} {column}"),
                    Value::String(text) if !cell.starts_with('\'') => {
                        assert_eq!(cell.replace(' ', "-"), text.replace(' ', "-"), "{name} {column}");
                    }
                    _ => {}
                }
            }
        }
    }
    let entitlements = table("entitlements.csv");
    assert_eq!((entitlements.len(), entitlements[0]["value"].as_str()), (1, "5000"));
    for (form, file) in [("text", "r.txt"), ("json", "r.json"), ("html", "r.html")] {
        let args = ["report", "--until", "2026-08-31", "--format", form, "--out", file];
        expect_said(&desk.run(&args).expect_code(0), &["Written to ", file]);
        expect_said(&desk.run(&args).expect_code(1), &["CS-7006", file]);
    }
    let file: Value = serde_json::from_slice(&desk.read("r.json")).expect("JSON");
    assert_eq!(file["report"], json);
    let printed = desk.run(&["report", "--until", "2026-08-31", "--format", "json"]).expect_code(0);
    assert_eq!(document(&printed)["report"], json);
    expect_said(&desk.run(&["report", "--format", "csv", "--out", "tables"]).expect_code(1), &["CS-7006", "tables"]);
    expect_said(&desk.run(&["report", "--format", "html", "--out", "no/r.html"]).expect_code(3), &["CS-7007"]);
}

fn refused(desk: &Desk) {
    let before = desk.snapshot();
    for (args, code, words) in [
        (&["--by", "day", "--until", "2027-08-31"][..], 2, &["CS-7033", "more than 400 steps of a day", "--by"][..]),
        (&["--customer", "nobody"], 3, &["CS-7042", "nobody"]),
        (&["--since", "2026-09-01", "--until", "2026-08-31"], 2, &["CS-7001", "--since"]),
        (&["--until", "2026-01-15"], 2, &["CS-7001", "by then"]),
        (&["--until", "yesterday"], 2, &["CS-7001", "--until yesterday"]),
        (&["--format", "html"], 2, &["CS-7001", "--out FILE"]),
        (&["--format", "csv"], 2, &["CS-7001", "--out FOLDER"]),
    ] {
        let output = desk.run(&[&["report"], args].concat()).expect_code(code);
        expect_said(&output, words);
    }
    // A report that is refused when its file is reserved already leaves none behind.
    let args = ["report", "--until", "2026-01-15", "--format", "html", "--out", "none.html"];
    desk.run(&args).expect_code(2);
    assert_eq!(desk.snapshot(), before);
}

/// Where pictures go, for people to look at.
fn pictures() -> PathBuf {
    let folder = Desk::program().ancestors().nth(3).expect("the folder of builds").join("report-pictures");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

const WIDE: View = View { width: 1280, height: 4200, dark: false };

/// The page asks the network for nothing, and says nothing on the console.
fn in_chromium(desk: &Desk) {
    let args = ["report", "--until", "2026-08-31", "--by", "month", "--format", "html", "--out", "report.html"];
    desk.run(&args).expect_code(0);
    let page = String::from_utf8(desk.read("report.html")).expect("text");
    for word in ["<script", "http://evil.example\"", " style=", "src=", "@import", "url(", "<link", "<iframe"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(
        page.contains(
            "=HYPERLINK(&quot;http://evil.example&quot;) &lt;script&gt;alert(1)&lt;/script&gt; &amp;amp; 'quoted'"
        ),
        "the name is told as it is"
    );
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"), "a policy");
    let (pictures, file) = (pictures(), desk.path("report.html"));
    fs::copy(&file, pictures.join("report.html")).expect("the page beside its pictures");
    for (name, view) in [
        ("light", WIDE),
        ("dark", View { dark: true, ..WIDE }),
        ("narrow", View { width: 500, height: 7000, dark: false }),
    ] {
        let picture = pictures.join(format!("{name}.png"));
        let visit = visit(&file, view, &picture);
        assert_eq!((&visit.requests, &visit.console), (&Vec::new(), &Vec::new()), "{}", visit.output);
        assert_shows_something(&picture);
    }
    // Were a name not escaped, the page's policy would still keep it from doing anything, and that would show.
    let planted = page.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>");
    let planted = planted.replace("</footer>", "<img src=\"http://127.0.0.1:9/x.png\"></footer>");
    desk.write("planted.html", planted);
    let visit = visit(&desk.path("planted.html"), WIDE, &desk.path("planted.png"));
    assert_eq!(visit.requests, Vec::<String>::new(), "{}", visit.output);
    let blocked =
        |what: &str| visit.console.iter().any(|line| line.contains("Content Security Policy") && line.contains(what));
    assert!(blocked("script") && blocked("127.0.0.1:9/x.png"), "{:?}", visit.console);
}

/// Not one colour all over: compressed, that would be a few kilobytes.
fn assert_shows_something(picture: &Path) {
    let octets = fs::read(picture).expect("a picture");
    assert!(octets.starts_with(b"\x89PNG") && octets.len() > 60_000, "{} octets", octets.len());
}

#[test]
fn a_page_that_asks_the_network_or_fails_is_found_out() {
    let desk = Desk::new();
    // Somebody who listens, so that the request is a real one.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let page = format!(
        "<!doctype html><title>x</title><img src=\"http://{address}/x.png\">\
         <script>console.error('planted'); throw new Error('thrown')</script>"
    );
    desk.write("x.html", page);
    let answering = std::thread::spawn(move || drop(listener.accept().expect("a visitor")));
    let visit = visit(&desk.path("x.html"), View { width: 400, height: 300, dark: false }, &desk.path("x.png"));
    answering.join().expect("somebody came");
    assert!(visit.requests.contains(&format!("http://{address}/x.png")), "{:?}", visit.requests);
    for word in ["planted", "thrown"] {
        assert!(visit.console.iter().any(|line| line.contains(word)), "{:?}", visit.console);
    }
}

#[test]
fn an_authority_with_nothing_to_tell_tells_that() {
    let desk = Desk::founded("p256");
    let text = desk.run(&["report"]).expect_code(0);
    expect_said(&text, &["0 activations, 0 tokens issued", "no token was issued", "nothing was refused"]);
    desk.run(&["report", "--format", "html", "--out", "r.html"]).expect_code(0);
    desk.run(&["report", "--format", "csv", "--out", "r"]).expect_code(0);
    assert_eq!(fs::read_to_string(desk.path("r/tokens.csv")).expect("a table").lines().count(), 1);
    desk.with_passphrase(&plain_token(&["--seats", "1"])).expect_code(0);
    let told = document(&desk.run(&["report", "--json"]).expect_code(0));
    assert_eq!(told["report"]["totals"]["tokens_issued"], 1);
}
