//! `lists`, what `doctor` says of them, and what `verify` does without a store.

use crate::{
    install::pem,
    support::{Site, card::Answers, pki::Cast},
};
use countersign_common::{GeneralizedTime, Octets, TreeHead, token::ListTerms};
use countersign_testpki::{
    crls::{List, entries},
    trust::{empty_list, ledger_signer, token_list, tree_head},
};
use countersign_verifier::Exit;
use serde_json::Value;

const LISTED: &str = "2024-06-01T00:00:00Z";

fn install(site: &mut Site, content: &[u8]) -> Value {
    let file = site.file("brought", content);
    let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
    assert_eq!(exit, Exit::Done, "{said}");
    said
}

fn findings(site: &mut Site) -> Vec<String> {
    let (_, said) = site.json(&["doctor"]);
    let items = said["items"].as_array().unwrap().iter();
    items.filter_map(|item| item["code"].as_str().map(str::to_owned)).collect()
}

/// More than 64 KiB, so that it gets an index.
fn large(cast: &Cast) -> Vec<u8> {
    let root = cast.token_root.lent();
    let mut list = List::new(&root).dates(LISTED, "2049-01-01T00:00:00Z");
    list.entries = entries(4_000);
    list.sign(&root.key)
}

fn index(site: &Site) -> std::path::PathBuf {
    let folder = site.path("store/installed/lists");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|ending| ending == "index")).last().unwrap()
}

#[test]
fn lists_are_shown_with_what_they_are_good_for() {
    let mut site = Site::new();
    assert!(site.run(&["lists"]).output.contains("no revocation list"));
    let cast = Cast::new();
    site.install(&cast.token(|token| token.lists = Some(ListTerms { oldest_number: Some(9), max_age: None })));
    install(&mut site, &token_list(&cast.list_signer("Test List Signer"), &empty_list(8, LISTED)));
    install(&mut site, &large(&cast));
    let (exit, said) = site.json(&["lists"]);
    assert_eq!(exit, Exit::Done);
    let [certificates, tokens] = said["lists"].as_array().unwrap().as_slice() else { panic!("{said}") };
    assert_eq!((&certificates["indexed"], &certificates["revoked"]), (&true.into(), &4_000.into()));
    assert_eq!((&tokens["counts"], &tokens["number"]), (&true.into(), &"8".into()));
    assert_eq!(tokens["stale_for"].as_array().unwrap().len(), 1);
    let text = site.run(&["lists"]).output;
    assert!(text.contains("too old for") && text.contains("octets, indexed"), "{text}");
    assert!(findings(&mut site).contains(&"CS-3304".to_owned()));
    assert_eq!(site.code(&["activate", "--pin-fd", "0"]).1, "CS-3304");
}

#[test]
fn an_index_is_made_again_by_the_same_list() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let list = large(&cast);
    install(&mut site, &list);
    assert!(!findings(&mut site).iter().any(|code| code.starts_with("CS-80")), "{:?}", findings(&mut site));
    std::fs::remove_file(index(&site)).unwrap();
    assert!(findings(&mut site).contains(&"CS-8039".to_owned()));
    assert_eq!(site.run(&["tokens"]).exit, Exit::Done);
    let said = install(&mut site, &list);
    assert_eq!((&said["files"][0]["outcome"], &said["written"]), (&"already-installed".into(), &true.into()));
    assert!(!findings(&mut site).contains(&"CS-8039".to_owned()));
    // An index that says something else.
    let path = index(&site);
    let mut octets = std::fs::read(&path).unwrap();
    let last = octets.len() - 1;
    octets[last] ^= 1;
    std::fs::write(&path, octets).unwrap();
    assert!(findings(&mut site).contains(&"CS-2032".to_owned()), "{:?}", findings(&mut site));
    let name = site.json(&["lists"]).1["lists"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(site.json(&["lists", "remove", &name, "--yes"]).0, Exit::Done);
    install(&mut site, &list);
    assert!(!findings(&mut site).contains(&"CS-2032".to_owned()));
}

#[test]
fn a_list_past_its_next_update_is_told() {
    let mut site = Site::ready();
    let root = Cast::new().token_root.lent();
    install(&mut site, &List::new(&root).dates(LISTED, "2024-07-01T00:00:00Z").sign(&root.key));
    assert!(findings(&mut site).contains(&"CS-8040".to_owned()));
}

#[test]
fn removing_a_list_is_asked_about() {
    let mut site = Site::ready();
    let cast = Cast::new();
    for name in ["One", "Two"] {
        install(&mut site, &token_list(&cast.list_signer(name), &empty_list(1, LISTED)));
    }
    assert_eq!(site.code(&["lists", "remove", "tokens-", "--yes"]), (Exit::Usage, "CS-8025".to_owned()));
    assert_eq!(site.code(&["lists", "remove", "nothing", "--yes"]), (Exit::Refused, "CS-8024".to_owned()));
    let name = site.json(&["lists"]).1["lists"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(site.code(&["lists", "remove", &name]), (Exit::Usage, "CS-8014".to_owned()));
    site.person = Answers::with(&["n"]);
    assert_eq!(site.code(&["lists", "remove", &name]).1, "CS-8016");
    assert!(site.person.heard.contains("would count again"), "{}", site.person.heard);
    site.person = Answers::with(&["y"]);
    let said = site.run(&["lists", "remove", &name]);
    assert!(said.output.contains("no longer revoked on this machine"), "{}", said.output);
    // A damaged one is told by its name, and can be removed.
    let left = site.json(&["lists"]).1["lists"][0]["name"].as_str().unwrap().to_owned();
    site.file(&format!("store/installed/lists/{left}.list"), b"junk");
    let (exit, said) = site.json(&["lists"]);
    assert_eq!((exit, &said["lists"][0]["reason"]["code"]), (Exit::Refused, &"CS-1003".into()));
    assert_eq!(site.code(&["tokens"]), (Exit::System, "CS-6002".to_owned()));
    assert!(findings(&mut site).contains(&"CS-1003".to_owned()));
    assert_eq!(site.json(&["lists", "remove", &left, "--yes"]).0, Exit::Done);
    assert_eq!(site.run(&["tokens"]).exit, Exit::Done);
}

#[test]
fn verify_takes_lists_and_updates() {
    let mut site = Site::new();
    let cast = Cast::new();
    let root = cast.token_root.lent();
    let officer = cast.anchors_signer("Officer");
    let update = countersign_testpki::trust::anchors_update(
        1,
        &[(&cast.token_root.certificate, None)],
        &[&officer],
        1,
        &[&officer],
    );
    let crl = List::new(&root).dates(LISTED, "2049-01-01T00:00:00Z").sign(&root.key);
    let thief = List::new(&root).sign(&cast.holder_root.lent().key);
    let tokens = token_list(&cast.list_signer("Test List Signer"), &empty_list(8, LISTED));
    let head = TreeHead {
        version: 1,
        log: Octets([1; 32]),
        size: 7,
        time: GeneralizedTime("2026-06-03T00:00:00Z".parse().unwrap()),
        root: Octets([2; 32]),
        extensions: None,
    };
    let head = |root| tree_head(&ledger_signer("Ledger Signer", root), &head);
    let anchors = site.path("anchors.pem").to_str().unwrap().to_owned();
    for (content, kind, code) in [
        (head(&root), "tree-head", None),
        (head(&cast.holder_root.lent()), "tree-head", Some("CS-2006")),
        (crl.clone(), "certificate-list", None),
        (pem("X509 CRL", &crl).into_bytes(), "certificate-list", None),
        (thief, "certificate-list", Some("CS-2007")),
        (tokens, "token-list", None),
        (update[0].clone(), "anchors-update", None),
    ] {
        let file = site.file("object", &content);
        let (exit, said) = site.json(&["verify", file.to_str().unwrap(), "--anchors", &anchors]);
        assert_eq!(said["objects"][0]["type"], kind);
        assert_eq!(said["objects"][0]["reason"]["code"].as_str(), code, "{kind}");
        assert_eq!(exit == Exit::Done, code.is_none());
        let said = site.run(&["verify", file.to_str().unwrap(), "--anchors", &anchors]);
        assert!(
            said.output.contains(&kind.replace('-', " ").replace("certificate list", "revocation list")),
            "{}",
            said.output
        );
    }
}
