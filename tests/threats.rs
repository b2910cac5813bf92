//! docs/threat-model.md names tests that exist, and a threat that is best seen from outside.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The rows that the document has at least, so that none is lost unnoticed.
const ROWS: usize = 35;

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/threat-model.md")).expect("docs/threat-model.md");
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        collect(&root.join(folder), &mut tests);
    }
    assert!(tests.contains("every_test_that_the_threat_model_names_exists"), "the search finds this test");
    assert!(!tests.contains("collect"), "and nothing that is no test");
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| threat") && !line.starts_with("| ---"))
        .collect();
    assert!(rows.len() >= ROWS, "{} rows", rows.len());
    for row in rows {
        let named: Vec<&str> = names(row.rsplit(" | ").next().expect("a last column")).collect();
        assert!(!named.is_empty(), "no test: {row}");
    }
    let missing: Vec<&str> = names(&document).filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

/// What stands in backquotes and looks like the name of a test: small letters and digits with at least two `_`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2
            && word.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_')
    };
    text.split('`').skip(1).step_by(2).filter(is_name)
}

/// The functions under `#[test]` in a folder.
fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        if path.is_dir() {
            // What is built is no source.
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, tests);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file");
            let mut marked = false;
            for line in source.lines().map(str::trim) {
                match line.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()) {
                    Some(name) if marked => {
                        tests.insert(name.to_owned());
                        marked = false;
                    }
                    _ => marked = line == "#[test]" || (marked && line.starts_with("#[")),
                }
            }
        }
    }
}

/// Anchors from a file would let whoever types a command decide what this machine trusts.
#[test]
fn only_commands_without_a_store_take_anchors_from_a_file() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign-verifier")).args(arguments).arg("--help").output();
        String::from_utf8(output.expect("the verifier runs").stdout).expect("text")
    };
    let commands: Vec<String> = help(&[])
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    let with_anchors: Vec<&str> =
        commands.iter().map(String::as_str).filter(|command| help(&[command]).contains("--anchors ")).collect();
    assert_eq!(with_anchors, ["verify", "path"]);
}
