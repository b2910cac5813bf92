//! What a courier carries: a token is revoked, a hold is lifted, the token root is replaced.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card, json};
use countersign_testkit::CardOptions;
use std::path::PathBuf;

/// A bundle with all that the officer has for the customer.
fn bundle(office: &Office, name: &str) -> PathBuf {
    let out = office.out(name);
    let args = ["bundle", "--all-tokens-of", "acme", "--label", "Acme, north plant", "--out", out.to_str().unwrap()];
    office.authority(&args).expect_code(0);
    out
}

fn install(site: &Site, file: &std::path::Path) -> serde_json::Value {
    json(&site.verifier(&["--json", "install", file.to_str().unwrap()]).output().expect_code(0))
}

fn code(site: &Site) -> String {
    let verdict = json(&site.verifier(&["--json", "check", PRODUCT]).output());
    verdict["reason"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn revocation_and_rotation_reach_a_machine_by_courier() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let token = office.issue("token.pem", &[]);
    let site = Site::new("press-7");
    site.verifier(&["anchors", "set", office.file("anchors.pem").to_str().unwrap()]).output().expect_code(0);

    // The first visit brings token and lists in one file.
    let first = bundle(&office, "first.bundle");
    assert_eq!(install(&site, &first)["files"][0]["outcome"], "installed");
    site.activate(&stack, PIN, &[]).expect_code(0);
    let verdict = json(&site.verifier(&["--json", "check", PRODUCT]).output().expect_code(0));
    assert!(verdict["lists"].as_array().unwrap().iter().any(|list| list["kind"] == "token-list"), "{verdict}");

    // The token is suspended, and the hold is lifted.
    office.authority(&["revoke", "token", token.to_str().unwrap(), "--reason", "certificateHold"]).expect_code(0);
    let held = bundle_of_lists(&office, "held.bundle");
    assert_eq!(install(&site, &held)["revoked"][0]["reason"]["code"], "CS-3302");
    assert_eq!(code(&site), "CS-3302");
    office.authority(&["revoke", "lift", "token", token.to_str().unwrap()]).expect_code(0);
    install(&site, &bundle(&office, "lifted.bundle"));
    assert_eq!(code(&site), "CS-0001");
    // Going back to the time before is refused, whole.
    let before = site.snapshot();
    let refused = site.verifier(&["--json", "install", held.to_str().unwrap()]).output().expect_code(1);
    assert_eq!(json(&refused)["files"][0]["error"]["code"], "CS-3305");
    assert_eq!(site.snapshot(), before);

    // The root is replaced, with an overlap.
    let signer = office.file("anchors-signer.pem");
    let update = |name: &str, extra: &[&str]| {
        let out = office.out(name);
        let args = [&["anchors", "update", "--out", out.to_str().unwrap()], extra].concat();
        office.authority(&args).expect_code(0);
        office.authority(&["anchors", "adopt", out.to_str().unwrap()]).expect_code(0);
    };
    update("anchors-1.pem", &["--signer", signer.to_str().unwrap(), "--threshold", "1"]);
    office.authority(&["renew", "token-root"]).expect_code(0);
    office.authority(&["renew", "token-signer"]).expect_code(0);
    update("anchors-2.pem", &[]);
    let renewed = office.issue("token-2.pem", &[]);
    // The token alone is under a root that the machine does not know yet.
    let refused = site.verifier(&["--json", "install", renewed.to_str().unwrap()]).output().expect_code(1);
    assert_eq!(json(&refused)["files"][0]["error"]["code"], "CS-2006");
    install(&site, &bundle(&office, "rotated.bundle"));
    let shown = json(&site.verifier(&["--json", "anchors", "show"]).output().expect_code(0));
    assert_eq!(shown["anchors"]["update"]["number"], 2);
    assert_eq!(shown["anchors"]["certificates"].as_array().unwrap().len(), 2);
    assert_eq!(code(&site), "CS-0001");
    let tokens = json(&site.verifier(&["--json", "tokens"]).output().expect_code(0));
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 2);

    // In the end the first token is taken back for good.
    office.authority(&["revoke", "token", token.to_str().unwrap(), "--reason", "privilegeWithdrawn"]).expect_code(0);
    install(&site, &bundle_of_lists(&office, "last.bundle"));
    assert_eq!(code(&site), "CS-3301");
    // The second one activates the machine again.
    site.activate(&stack, PIN, &[]).expect_code(0);
    assert_eq!(code(&site), "CS-0001");
}

/// A bundle without tokens.
fn bundle_of_lists(office: &Office, name: &str) -> PathBuf {
    let out = office.out(name);
    office.authority(&["bundle", "--label", "Lists", "--out", out.to_str().unwrap()]).expect_code(0);
    out
}
