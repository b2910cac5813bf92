//! docs/codes.md lists every code of every crate, each once, and nothing else.

use std::{collections::BTreeMap, path::Path};

type Codes = &'static [(&'static str, &'static str)];

/// Each crate's codes; a code belongs to one crate.
fn tables() -> Vec<(&'static str, Codes)> {
    vec![
        ("countersign-common", countersign_common::Reason::CODES),
        ("countersign-pki", countersign_common::PathErrorKind::CODES),
        ("countersign", countersign::StoreError::CODES),
        ("countersign-card", countersign_card::Error::CODES),
        ("countersign-authority", countersign_authority::Error::CODES),
        ("countersign-authority", countersign_authority::Finding::CODES),
        ("countersign-verifier", countersign_verifier::Error::CODES),
    ]
}

#[test]
fn the_document_lists_every_code_once() {
    let mut codes = BTreeMap::new();
    for (package, table) in tables() {
        for (code, meaning) in table {
            let well_formed =
                code.len() == 7 && code.starts_with("CS-") && code[3..].bytes().all(|b| b.is_ascii_digit());
            assert!(well_formed, "{code}");
            let earlier = codes.insert(*code, (*meaning, package));
            assert_eq!(earlier, None, "{code} stands twice");
        }
    }
    let rows: String =
        codes.iter().map(|(code, (meaning, package))| format!("| {code} | {meaning} | `{package}` |\n")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes.md");
    let document = std::fs::read_to_string(&path).expect("docs/codes.md");
    let head = document.find("| CS-").unwrap_or(document.len());
    let expected = format!("{}{rows}", &document[..head]);
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(&path, &expected).expect("docs/codes.md can be written");
    }
    assert!(document == expected, "docs/codes.md is not up to date; run `UPDATE=1 cargo test --test codes` and review");
}
