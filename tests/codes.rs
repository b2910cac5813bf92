//! docs/codes.md lists every code of every crate, each once, and nothing else; and a test provokes each of them.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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
        ("countersign-authority", countersign_authority::HsmError::CODES),
        ("countersign-authority", countersign_authority::PivError::CODES),
        ("countersign-authority", countersign_authority::ReceiptFinding::CODES),
        ("countersign-verifier", countersign_verifier::Error::CODES),
    ]
}

#[test]
fn the_document_lists_every_code_once() {
    let mut codes = BTreeMap::new();
    for (package, table) in tables() {
        for (code, meaning) in table {
            assert!(is_code(code), "{code}");
            let earlier = codes.insert(*code, (*meaning, package));
            assert_eq!(earlier, None, "{code} stands twice");
        }
    }
    let rows: String =
        codes.iter().map(|(code, (meaning, package))| format!("| {code} | {meaning} | `{package}` |\n")).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes.md");
    let document = fs::read_to_string(&path).expect("docs/codes.md");
    let head = document.find("| CS-").unwrap_or(document.len());
    let expected = format!("{}{rows}", &document[..head]);
    if std::env::var_os("UPDATE").is_some() {
        return fs::write(&path, &expected).expect("docs/codes.md can be written");
    }
    assert!(document == expected, "docs/codes.md is not up to date; run `UPDATE=1 cargo test --test codes` and review");
}

#[test]
fn every_code_is_reached_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut expected, mut named) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["src", "tests"] {
        for file in files(&root.join(folder), "rs") {
            // This one lists codes to try the search itself.
            if file != root.join("tests/codes.rs") {
                let source = fs::read_to_string(&file).expect("a source file");
                expected.extend(expected_in_source(&source, is_test(&file)));
                named.extend(expected_in_source(&source, true));
            }
        }
    }
    for file in files(&root.join("fixtures/format/vectors"), "txt") {
        expected.extend(expected_in_vector(&fs::read_to_string(file).expect("a vector")));
    }
    let codes: BTreeSet<_> = tables().into_iter().flat_map(|(_, table)| table).map(|(code, _)| *code).collect();
    let missing: Vec<_> = codes.iter().filter(|code| !expected.contains(**code)).collect();
    assert!(
        missing.is_empty(),
        "no test expects {missing:?}: provoke each and expect it as a string of its own, such as \"CS-1001\""
    );
    let unknown: Vec<_> = named.iter().filter(|code| !codes.contains(code.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?} stand in no table of codes");
}

fn is_code(text: &str) -> bool {
    text.len() == 7 && text.strip_prefix("CS-").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether all of a file is test code: it lies in a `tests` folder, not in the `src` of a package in there.
fn is_test(file: &Path) -> bool {
    file.iter().rev().find(|part| *part == "src" || *part == "tests").is_some_and(|part| part == "tests")
}

/// The codes that stand as whole strings in test code: in all of a test file, in the `mod` under `#[cfg(test)]` of
/// another one. Comments are no tokens. What follows `!=` is a code that does not come.
fn expected_in_source(source: &str, is_test: bool) -> BTreeSet<String> {
    let mut expected = BTreeSet::new();
    let tokens: Vec<_> = source.parse::<TokenStream>().expect("Rust").into_iter().collect();
    if is_test {
        collect(tokens, &mut expected);
        return expected;
    }
    let marker = "#[cfg(test)]".parse::<TokenStream>().expect("Rust").to_string();
    let marked = |at: &usize| tokens[*at..].iter().take(2).cloned().collect::<TokenStream>().to_string() == marker;
    for at in (0..tokens.len()).filter(marked) {
        // Other attributes may follow, then `mod tests` and its content; any other item is not looked into.
        let mut rest = tokens[at + 2..].iter().skip_while(|token| match token {
            TokenTree::Punct(punct) => punct.as_char() == '#',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Bracket,
            _ => false,
        });
        if let (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(_)), Some(TokenTree::Group(content))) =
            (rest.next(), rest.next(), rest.next())
            && word == "mod"
        {
            collect(content.stream(), &mut expected);
        }
    }
    expected
}

fn collect(tokens: impl IntoIterator<Item = TokenTree>, expected: &mut BTreeSet<String>) {
    let mut before = [None, None];
    for token in tokens {
        let mark = match &token {
            TokenTree::Group(group) => {
                collect(group.stream(), expected);
                None
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let code = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                if let Some(code) = code.filter(|code| is_code(code) && before != [Some('!'), Some('=')]) {
                    expected.insert(code.to_owned());
                }
                None
            }
            TokenTree::Punct(punct) => Some(punct.as_char()),
            TokenTree::Ident(_) => None,
        };
        before = [before[1], mark];
    }
}

/// The code that a vector expects: it stands in the lines before the object.
fn expected_in_vector(vector: &str) -> Option<String> {
    let lines = vector.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.strip_prefix("expect: ")).next().map(str::to_owned)
}

/// Every file in a folder and the folders in it, but for what was built.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|other| other == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn only_what_a_test_expects_counts() {
    const SOURCE: &str = r#"
        //! "CS-0001"
        /// "CS-0002"
        const CODES: [&str; 1] = ["CS-0003"];
        #[cfg(test)]
        const OTHER: &str = "CS-0004";
        #[cfg(test)]
        #[allow(clippy::unwrap_used)]
        mod tests {
            // assert_eq!(code, "CS-0005");
            /* "CS-0006" */
            #[test]
            fn codes() {
                assert_eq!(code(), "CS-1000", "not CS-0007, {}", "in CS-0008");
                let table = [(1, "CS-1001")];
                codes.retain(|code| code != "CS-0009");
            }
        }
        fn after() -> &'static str {
            "CS-0010"
        }
    "#;
    let expected = |source, is_test| expected_in_source(source, is_test).into_iter().collect::<Vec<_>>();
    assert_eq!(expected(SOURCE, false), ["CS-1000", "CS-1001"]);
    assert_eq!(expected("fn code() { assert_eq!(code(), \"CS-1002\") } // \"CS-0001\"", true), ["CS-1002"]);
    assert_eq!(expected("#[cfg(test)] mod tests; const CODE: &str = \"CS-0001\";", false), [""; 0]);

    assert!(
        is_test(Path::new("/house/src/card/tests/scripted/pin.rs")) && is_test(Path::new("tests/journeys/pins.rs"))
    );
    assert!(!is_test(Path::new("/tests/src/card/src/pin.rs")) && !is_test(Path::new("/house/tests/kit/src/run.rs")));

    assert_eq!(expected_in_vector("defect: x\nexpect: CS-1003\n\nMII=\n").as_deref(), Some("CS-1003"));
    assert_eq!(expected_in_vector("defect: expect: CS-1003\n\nexpect: CS-1003\n"), None);
}
