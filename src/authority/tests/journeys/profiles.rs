//! `profile`, and the limits of what may be issued.

use crate::support::{Desk, expect_said, plain_token};
use countersign_testkit::{Output, Schema};
use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{output}"))
}

/// Code, file and line of each finding.
fn findings(list: &Value) -> Vec<(&str, &str, u64)> {
    let of = |finding| -> Option<_> {
        let finding: &Value = finding;
        Some((finding["code"].as_str()?, finding["file"].as_str()?, finding["line"].as_u64().unwrap_or_default()))
    };
    list.as_array().expect("findings").iter().map(|finding| of(finding).expect("a finding with its place")).collect()
}

#[test]
fn every_fault_is_explained_with_file_and_line() {
    let desk = Desk::founded("p256");
    desk.write("good.toml", "[product]\nid = \"control-room\"\n[window]\nwithin = \"30d\"\n");
    desk.write("typed.toml", "[customer]\nnmae = \"Acme\"\n\n[window]\nwithin = \"soon\"\n\n[[grants]]\nanchor = 5\n");
    desk.write(
        "thought.toml",
        "[window]\nfrom = \"2027-02-01\"\nuntil = \"2027-01-31\"\n[binding]\nrequired = 3\ncomponents = [\"cpu\"]\n",
    );
    desk.write("syntax.toml", "[customer\nid = \"acme\"\n");
    let before = desk.snapshot();
    let files = ["good.toml", "typed.toml", "thought.toml", "syntax.toml", "none.toml"];
    let args = [&["profile", "check"][..], &files].concat();
    let told = desk.run(&args).expect_code(2);
    expect_said(&told, &["typed.toml, line 2, column 1: unknown field `nmae`, expected `id` or `name` [CS-7009]"]);
    expect_said(&told, &["typed.toml, line 5, column 10: \"soon\" is no duration; expected one such as 30d"]);
    expect_said(&told, &["thought.toml, line 3, column 1: the window ends", "3 of 1 components", "next: "]);

    let refused = desk.run(&[&args[..], &["--json"]].concat()).expect_code(2);
    let document = json(&refused);
    assert_eq!(document["error"]["code"], "CS-7009");
    assert_eq!(
        findings(&document["error"]["findings"]),
        [
            ("CS-7009", "typed.toml", 2),
            ("CS-7009", "typed.toml", 5),
            ("CS-7009", "typed.toml", 8),
            ("CS-7009", "thought.toml", 3),
            ("CS-7009", "thought.toml", 5),
            ("CS-7009", "syntax.toml", 1),
            ("CS-7007", "none.toml", 0),
        ]
    );
    // `issue` says the same.
    let refused = desk.with_passphrase(&plain_token(&["--profile", "thought.toml"])).expect_code(2);
    expect_said(&refused, &["thought.toml, line 3", "thought.toml, line 5", "Nothing was signed or written [CS-7009]"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn files_that_a_profile_names_and_what_the_lint_says_have_lines() {
    let desk = Desk::founded("p256");
    desk.write("empty.json", "{\"machine\": {\"components\": []}}");
    desk.write(
        "files.toml",
        "[terms]\nclock-repair = { timestamp-anchors = [\n  \"files.toml\",\n] }\n[[grants]]\nanchor = \"none.pem\"\n\
         [[binding.machines]]\nfile = \"empty.json\"\n",
    );
    let refused = desk.run(&["profile", "check", "files.toml", "--json"]).expect_code(2);
    let lines = [("CS-7007", "files.toml", 6), ("CS-7010", "files.toml", 8), ("CS-7011", "files.toml", 3)];
    assert_eq!(findings(&json(&refused)["error"]["findings"]), lines);

    desk.write("over.toml", "[window]\nuntil = \"2020-01-31\"\n");
    let refused = desk.run(&["profile", "check", "over.toml", "--json"]).expect_code(1);
    let document = json(&refused);
    assert_eq!(document["error"]["code"], "CS-7050");
    let lines = findings(&document["error"]["findings"]);
    assert_eq!(lines, [("CS-7103", "over.toml", 2)]);

    desk.write(
        "over.toml",
        "[window]\nfrom = \"2020-01-01\"\nuntil = \"2020-01-31\"\n\n[[grants]]\n\n[[grants]]\n\
         anchor = \"authority/anchors.pem\"\n",
    );
    let refused = desk.run(&["profile", "check", "over.toml", "--json"]).expect_code(1);
    let document = json(&refused);
    let lines = findings(&document["error"]["findings"]);
    assert_eq!(lines, [("CS-7103", "over.toml", 3), ("CS-7104", "over.toml", 8), ("CS-7124", "over.toml", 8)]);

    desk.write(
        "wise.toml",
        "[window]\nfrom = \"2098-01-01\"\nuntil = \"2098-01-31\"\n[entitlements]\na = \"1\"\n\
         b = { value = \"2\", until = \"2097-12-31\" }\n[terms]\nvalidity = \"1y\"\n",
    );
    let told = desk.run(&["profile", "check", "wise.toml", "--json"]).expect_code(0);
    let document = json(&told);
    assert_eq!(document["profiles"][0]["open"], serde_json::json!(["--customer", "--product"]));
    assert!(findings(&document["warnings"]).contains(&("CS-7123", "wise.toml", 6)), "{told}");
    desk.write("later.toml", "[window]\nwithin = \"1d\"\n[terms]\nvalidity = \"1d\"\n\ngrace = \"1d\"\n");
    let refused = desk.run(&["profile", "check", "later.toml", "--json"]).expect_code(1);
    assert_eq!(findings(&json(&refused)["error"]["findings"]), [("CS-7102", "later.toml", 6)]);
}

const LIMITS: &str = r#"
[limits]
products = ["control-room", "historian/pro"]
window = "60d"
validity = "400d"
seats = 500

[customers.acme]
seats = 40
products = ["control-room"]
"#;

#[test]
fn nothing_is_issued_beyond_the_limits() {
    let desk = Desk::founded("p256");
    desk.write("authority/limits.toml", LIMITS);
    let before = desk.snapshot();
    for (more, line, words) in [
        (&["--seats", "41", "--validity", "1d"][..], 9, "it is for 41 seats, and authority/limits.toml, line 9"),
        (&["--validity", "1d"], 9, "any number of seats"),
        (&["--seats", "40"], 5, "without end"),
        (&["--seats", "40", "--validity", "401d"], 5, "401 days, and authority/limits.toml, line 5"),
        (
            &["--seats", "40", "--validity", "1d", "--product", "historian"],
            10,
            "allows control-room (customers.acme.products)",
        ),
        (&["--seats", "400", "--validity", "1d", "--customer", "other", "--product", "historian"], 3, "historian/pro"),
        (&["--seats", "501", "--validity", "1d", "--customer", "other"], 6, "allows 500 (limits.seats)"),
        (&["--seats", "1", "--validity", "1d", "--activate-within", "61d"], 4, "61 days"),
    ] {
        // The last one of an option that is typed twice would be refused by itself.
        let mut args = plain_token(&[]);
        for pair in more.chunks(2) {
            match args.iter().position(|arg| *arg == pair[0]) {
                Some(at) => args[at + 1] = pair[1],
                None => args.extend(pair),
            }
        }
        let refused = desk.with_passphrase(&args).expect_code(1);
        expect_said(&refused, &["CS-7107", "next: stay within it", words, "Nothing was signed or written [CS-7050]"]);
        let line = format!("limits.toml, line {line}");
        expect_said(&desk.run(&[&args[..], &["--dry-run"]].concat()).expect_code(1), &["CS-7107", words, &line]);
    }
    assert_eq!(desk.snapshot(), before);
    let within = ["--seats", "40", "--validity", "400d", "--out", "token.pem"];
    desk.with_passphrase(&plain_token(&within)).expect_code(0);

    desk.write("authority/limits.toml", "[limits]\nany-machine = false\nvirtual-machines = false\n");
    let refused = desk.with_passphrase(&plain_token(&[])).expect_code(1);
    expect_said(&refused, &["limits.toml, line 2, column 1 allows listed machines only", "limits.toml, line 3"]);
}

#[test]
fn an_officer_has_limits_besides() {
    let desk = Desk::founded("p256");
    let told = desk.run(&plain_token(&["--dry-run", "--json"])).expect_code(0);
    let officer = json(&told)["officer"].as_str().expect("a name").to_owned();
    desk.write(
        "authority/limits.toml",
        format!(
            "[customers.acme]\nwindow = \"60d\"\n[officers.{officer:?}]\nwindow = \"7d\"\n\
             [officers.nobody-else]\nseats = 1\n"
        ),
    );
    let refused = desk.with_passphrase(&plain_token(&[])).expect_code(1);
    expect_said(&refused, &["CS-7107", "activated for 30 days", "line 4", &format!("(officers.{officer}.window)")]);
    let mut args = plain_token(&["--out", "token.pem"]);
    let at = args.iter().position(|arg| *arg == "30d").expect("a window");
    args[at] = "7d";
    desk.with_passphrase(&args).expect_code(0);
}

#[test]
fn a_silent_profile_has_the_authority_s_defaults() {
    let desk = Desk::founded("p256");
    desk.write(
        "authority/limits.toml",
        "[defaults]\nwithin = \"14d\"\nvalidity = \"365d\"\nrenew-after = \"330d\"\n[limits]\nseats = 5\n",
    );
    desk.write("profile.toml", "[product]\nid = \"control-room\"\n");
    let told = desk.run(&["profile", "check", "profile.toml"]).expect_code(0);
    expect_said(&told, &["profile.toml is good; still to be said: --customer, --seats"]);
    let args = ["issue", "--profile", "profile.toml", "--customer", "acme", "--customer-name", "A", "--seats", "5"];
    let dry_run = |more: &[&str]| json(&desk.run(&[&args[..], more, &["--dry-run", "--json"]].concat()).expect_code(0));
    let body = &dry_run(&[])["token"]["body"];
    assert_eq!(body["terms"], serde_json::json!({"validity": 365 * 86_400, "renew_after": 330 * 86_400}));
    let body = &dry_run(&["--validity", "30d", "--activate-until", "2098-01-01"])["token"]["body"];
    assert_eq!(body["terms"], serde_json::json!({"validity": 30 * 86_400}));
    assert_eq!(body["window"]["not_after"], "2098-01-01T23:59:59Z");
}

#[test]
fn limits_that_cannot_be_read_refuse_everything() {
    let desk = Desk::founded("p256");
    expect_said(&desk.run(&["profile", "check"]).expect_code(0), &["The limits are good"]);
    desk.write(
        "authority/limits.toml",
        "[limits]\nseets = 5\nproducts = [\"a/b/c\"]\n[customers.\"Acme Power\"]\nseats = 5\n",
    );
    let refused = desk.run(&["profile", "check", "--json"]).expect_code(3);
    let document = json(&refused);
    assert_eq!(document["error"]["code"], "CS-7015");
    let file = "authority/limits.toml";
    assert_eq!(findings(&document["error"]["findings"]), [("CS-7015", file, 2), ("CS-7015", file, 3)]);
    expect_said(&desk.with_passphrase(&plain_token(&[])).expect_code(3), &["CS-7015", "line 2", "seets"]);
    desk.write(file, "[customers.\"Acme Power\"]\nseats = 5\n");
    expect_said(&desk.run(&["profile", "check"]).expect_code(3), &["line 1", "expected the identifier, not the name"]);
    desk.write(file, [0xff]);
    expect_said(&desk.with_passphrase(&plain_token(&[])).expect_code(3), &["CS-7007", "limits.toml"]);
}

#[test]
fn the_schema_is_printed_and_written() {
    let desk = Desk::new();
    let printed = desk.run(&["profile", "schema"]).expect_code(0).stdout_text();
    desk.run(&["profile", "schema", "--out", "profile.schema.json"]).expect_code(0);
    assert_eq!(desk.read("profile.schema.json"), printed.as_bytes());
    expect_said(&desk.run(&["profile", "schema", "--out", "profile.schema.json"]).expect_code(1), &["CS-7006"]);
    let document = json(&desk.run(&["profile", "schema", "--json"]).expect_code(0));
    assert_eq!(&document["schema"], Schema::parse(&printed).document());
    let limits = desk.run(&["profile", "schema", "--limits"]).expect_code(0).stdout_text();
    assert_eq!(Schema::parse(&limits).document()["title"], "Limits of Countersign");
    desk.run(&["profile", "schema", "--limits", "--out", "limits.schema.json"]).expect_code(0);
    assert_eq!(desk.read("limits.schema.json"), limits.as_bytes());
}

#[test]
fn a_dry_run_says_in_plain_words_what_a_token_allows() {
    let desk = Desk::founded("p256");
    let told = desk.run(&plain_token(&["--dry-run", "--validity", "365d", "--seats", "40"])).expect_code(0);
    let text = told.stdout_text();
    for words in [
        "- “Acme Power” (customer acme) may use control-room, every version.",
        "on any machine, and on any number of them",
        "40 seats are paid for",
        ", 30 days. After that nothing new can be activated",
        "a smart card, with its key for signing, certified by",
        "An activation holds for 365 days from its own time on.",
        "When it ends, the product is no longer activated on that machine",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(
        text.find("may use") < text.find("In full:") && text.find("In full:") < text.find("may be activated"),
        "{text}"
    );
    let document = json(&desk.run(&plain_token(&["--dry-run", "--json"])).expect_code(0));
    assert!(document["words"][0].as_str().is_some_and(|words| words.contains("may use control-room")), "{document}");
}
