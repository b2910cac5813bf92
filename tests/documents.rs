//! The commands that the documents show are run as they stand, and print what the documents say.
//!
//! In a `console` block a line after `$` is a command; the lines after it are part of what it prints, in order, where
//! `…` stands for anything. All blocks of one document run in one folder, one after another. What a person would type,
//! passphrase and PINs, comes from descriptors that stand-ins for the two programs add; the machine is a recorded one.

// A test that cannot go on ends.
#![allow(clippy::unwrap_used)]

use countersign_testkit::{CardOptions, Output, Run, SoftHsm, Stack};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Documents with commands, how many they have at least, so that none is lost unnoticed, and what they take for granted.
const DOCUMENTS: [(&str, usize, &str); 14] = [
    ("README.md", 12, "true"),
    ("docs/approvals.md", 9, APPROVALS_SETTING),
    ("docs/cards.md", 9, CARDS_SETTING),
    ("docs/ceremony.md", 30, CEREMONY_SETTING),
    ("docs/fleets.md", 8, FLEETS_SETTING),
    ("docs/guide.md", 25, GUIDE_SETTING),
    ("docs/keys.md", 14, "true"),
    ("docs/ledger.md", 10, LEDGER_SETTING),
    ("docs/officer-guide.md", 27, "true"),
    ("docs/path.md", 2, PATH_SETTING),
    ("docs/profile.md", 9, PROFILE_SETTING),
    ("docs/receipts.md", 4, RECEIPTS_SETTING),
    ("docs/reports.md", 4, REPORTS_SETTING),
    ("docs/revocation.md", 18, REVOCATION_SETTING),
];

/// An authority, and the CA of another organisation with the certificate of one of its cards.
const CARDS_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    "$ROOT/certs/organisation.sh" pki &&
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out their-card.key &&
    openssl pkey -in their-card.key -pubout -out their-card.pub &&
    "$ROOT/certs/organisation.sh" pki their-card.pub their-card.pem "Alex Example"
"#;

/// The demonstration certificates, as in the folder of the sources.
const GUIDE_SETTING: &str = r#"ln -s "$ROOT/certs" certs"#;

/// An authority with a token and a holder, and a second officer with an authority of his own.
const REVOCATION_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    countersign-authority issue --customer acme --customer-name "Acme Power" --product control-room \
        --activate-within 30d --out acme.token.pem &&
    countersign-authority card enroll --subject "CN=Robin Example,O=Example Works" &&
    countersign-authority ledger show 3 --export robin.pem &&
    countersign-authority --home second init --organization "Example Works"
"#;

/// An authority that has issued a token.
const LEDGER_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    countersign-authority issue --customer acme --customer-name "Acme Power" --product control-room \
        --activate-within 30d --out acme.token.pem
"#;

/// An authority.
const APPROVALS_SETTING: &str = r#"countersign-authority init --organization "Example Works""#;

/// An authority, a profile for many tokens and a file of rows.
const FLEETS_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    printf '[product]\nid = "control-room"\n[window]\nwithin = "30d"\n' > fleet.toml &&
    printf '%s\n' reference,customer,customer_name,seats,entitlement.points "press 7,acme,Acme Power,10,5000" \
        "press 8,acme,,ten," "boiler 1,globex,Globex,2,200" > spring.csv &&
    printf '%s\n' '{"reference": "order 71", "customer": "acme", "seats": 12}' \
        '{"reference": "order 72", "customer": "acme", "seats": "ten"}' > orders.jsonl
"#;

/// The script of the document.
const CEREMONY_SETTING: &str = r#"
    awk '/^```/ { inside = /toml/; next } inside' "$ROOT/docs/ceremony.md" > founding.toml
"#;

/// The demonstration PKI with one certificate.
const PATH_SETTING: &str = r#"
    "$ROOT/certs/organisation.sh" pki &&
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out robin.key &&
    openssl pkey -in robin.key -pubout -out robin.pub &&
    "$ROOT/certs/organisation.sh" pki robin.pub robin.pem "Robin Example"
"#;

/// An authority, and the record of a machine that was activated under a token.
const RECEIPTS_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    countersign-authority card enroll --subject "CN=Robin Example,O=Example Works" &&
    countersign-authority issue --customer acme --customer-name "Acme Power" --product control-room --seats 10 \
        --activate-within 30d --out acme.token.pem &&
    countersign-verifier --store store anchors set authority/anchors.pem &&
    countersign-verifier --store store install acme.token.pem &&
    countersign-verifier --store store activate &&
    mkdir returned && cp store/records/control-room/*.pem returned
"#;

/// An authority, and a record that came back.
const REPORTS_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    countersign-authority card enroll --subject "CN=Robin Example,O=Example Works" &&
    countersign-authority issue --customer acme --customer-name "Acme Power" --product control-room --seats 10 \
        --activate-within 30d --validity 365d --out acme.token.pem &&
    countersign-verifier --store store anchors set authority/anchors.pem &&
    countersign-verifier --store store install acme.token.pem &&
    countersign-verifier --store store activate &&
    countersign-authority receipts import store/records/control-room
"#;

/// An authority, and the files that the example of a profile names.
const PROFILE_SETTING: &str = r#"
    countersign-authority init --organization "Example Works" &&
    "$ROOT/certs/organisation.sh" pki && cp pki/issuing.pem acme-issuing-ca.pem &&
    countersign-verifier --json machine > press-7.json &&
    block() {
        awk -v wanted="$1" '/^```/ { inside = /toml/; n += inside; next } inside && n == wanted' "$ROOT/docs/profile.md"
    } &&
    block 1 > control-room.toml && block 2 > limits.toml
"#;

#[test]
fn commands_in_the_documents_do_what_they_say() {
    for (document, expected, setting) in DOCUMENTS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
        let commands = commands(&text);
        assert!(commands.len() >= expected, "{document} has {} commands", commands.len());
        let folder = tempfile::tempdir().unwrap();
        let programs = stand_ins(folder.path());
        let stack = Stack::start(1).unwrap();
        let hsm = SoftHsm::with_token("Authority");
        let _card = stack.insert(0, CardOptions::new().strict());
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let run = |command: &str| {
            let run = Run::new("sh").args(["-c", command]).env("PATH", &path).env("ROOT", env!("CARGO_MANIFEST_DIR"));
            run.directory(folder.path()).stack(&stack).soft_hsm(&hsm).output().expect_code(0)
        };
        run(setting);
        for (command, printed) in commands {
            compare(&command, &printed, &run(&command));
        }
    }
}

/// Each command with the lines that follow it.
fn commands(document: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => commands.push((command.to_owned(), Vec::new())),
                None => commands.last_mut().expect("a command before its output").1.push(line.to_owned()),
            },
            _ => {}
        }
    }
    commands
}

fn compare(command: &str, printed: &[String], output: &Output) {
    let text = output.stdout_text();
    let mut lines = text.lines();
    for expected in printed {
        assert!(lines.any(|line| matches(expected, line)), "`{command}` does not print {expected:?}:\n{output}");
    }
}

/// Whether a line is as the document has it, `…` standing for anything.
fn matches(expected: &str, line: &str) -> bool {
    let mut pieces = expected.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let pieces: Vec<_> = pieces.collect();
    for (index, piece) in pieces.iter().enumerate() {
        let found = if index + 1 == pieces.len() { rest.rfind(piece) } else { rest.find(piece) };
        match found {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// The two programs, with the descriptors that replace typing.
fn stand_ins(folder: &Path) -> PathBuf {
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let [passphrase, pin, key_pin, ledger, officer] =
        ["passphrase", "pin", "key-pin", "ledger-passphrase", "officer-passphrase"].map(|name| programs.join(name));
    // What a holder chooses first and later, and the PUK that cards are delivered with.
    let [chosen, later, puk] = ["chosen-pin", "later-pin", "puk"].map(|name| programs.join(name));
    fs::write(&chosen, "864201\n").unwrap();
    fs::write(&later, "975310\n").unwrap();
    fs::write(&puk, "12345678\n").unwrap();
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    fs::write(&ledger, "another one for the ledger\n").unwrap();
    fs::write(&officer, "one of an officer's own\n").unwrap();
    fs::write(&pin, "123456\n").unwrap();
    fs::write(&key_pin, SoftHsm::PIN).unwrap();
    let script = |real: &str, global: &str| {
        format!(
            "#!/bin/sh\nmain=7\nfourth='{puk}'\ncase \" $* \" in\n\
             *' card enroll '*' --new-secrets '*) set -- \"$@\" --pin-fd 8 --new-pin-fd 3 --puk-fd 4;;\n\
             *' card change-pin '*) set -- \"$@\" --pin-fd 3 --new-pin-fd 4; fourth='{later}';;\n\
             *' card unblock '*) set -- \"$@\" --new-pin-fd 3;;\n\
             *' card enroll '*|*' activate '*) set -- \"$@\" --pin-fd 8;;\n\
             *' officer enroll '*) set -- \"$@\" --officer-passphrase-fd 5;;\n\
             *' request approve '*|*' ceremony sign '*) main=5;;\nesac\n\
             # A card's PIN is not that of the HSM.\n\
             pins=9\ncase \" $* \" in *piv:*|*' carded '*) pins=8;; esac\n\
             exec '{real}' {global} \"$@\" 7<'{}' 8<'{}' 9<'{}' 6<'{}' 5<'{}' 3<'{chosen}' 4<\"$fourth\"\n",
            passphrase.display(),
            pin.display(),
            key_pin.display(),
            ledger.display(),
            officer.display(),
            chosen = chosen.display(),
            later = later.display(),
            puk = puk.display()
        )
    };
    // A recorded machine, since the one that runs the tests may have nothing to be recognised by.
    let machine = format!("--dangerous-machine-root '{}/fixtures/machines/press-7'", env!("CARGO_MANIFEST_DIR"));
    for (name, content) in [
        (
            "countersign-authority",
            script(
                env!("CARGO_BIN_EXE_countersign-authority"),
                "--passphrase-fd $main --key-pin-fd $pins --ledger-passphrase-fd 6",
            ),
        ),
        ("countersign-verifier", script(env!("CARGO_BIN_EXE_countersign-verifier"), &machine)),
    ] {
        let path = programs.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    programs
}
