//! Cards of others as they are, and cards of one's own that lack what a token demands.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card, json, repository};
use countersign_testkit::{Algorithm, CardOptions, Run, Stack};

#[test]
fn the_grant_that_is_shown_for_a_card_admits_it() {
    let office = Office::found("p256");
    let stack = Stack::start(1).unwrap();
    let card = stack.insert(0, CardOptions::new());
    let (script, pki) = (repository("certs/organisation.sh"), office.out("pki"));
    let (public, certificate) = (office.out("card.pub"), office.out("card.pem"));
    std::fs::write(&public, card.generate_key("9c", Algorithm::P256)).unwrap();
    Run::new(&script).arg(&pki).output().expect_code(0);
    Run::new(&script).arg(&pki).arg(&public).arg(&certificate).arg("Robin Example").output().expect_code(0);
    card.import_certificate("9c", &std::fs::read_to_string(&certificate).unwrap());
    let before = card.log().len();

    let issuing = pki.join("issuing.pem");
    let show = ["card", "show", "--issuer", issuing.to_str().unwrap(), "--grant"];
    let grant = office.authority_with_cards(&stack, &show).expect_code(0).stdout_text();
    let profile = pki.join("robin.toml");
    std::fs::write(&profile, grant).unwrap();
    let token = office.issue("token.pem", &["--profile", profile.to_str().unwrap()]);
    let shown = ["card", "show", "--json", "--token", token.to_str().unwrap()];
    let shown = json(&office.authority_with_cards(&stack, &shown).expect_code(0));
    assert_eq!(shown["card"]["slots"][0]["tokens"][0]["grant"], 1);
    assert_eq!(shown["card"]["slots"][0]["standing"], "of another PKI");

    let site = Site::with_token("press-7", &office, &token);
    site.activate(&stack, PIN, &[]).expect_code(0);
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
    // Nothing was written to it: PUT DATA, GENERATE, CHANGE REFERENCE DATA, RESET RETRY COUNTER, management key.
    let writes = [0xdb, 0x47, 0x24, 0x2c, 0xff];
    assert!(card.log()[before..].iter().all(|command| !writes.contains(&command.instruction)), "{}", card.log_text());
}

#[test]
fn a_token_that_demands_an_attested_key_refuses_one_that_was_not() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let token = office.issue("token.pem", &["--criterion", "policy:1.3.6.1.4.1.32473.2026.4.2"]);
    let site = Site::with_token("press-7", &office, &token);
    let refused = site.activate(&stack, PIN, &[]).expect_code(1);
    assert!(refused.stderr_text().contains("CS-3004"), "{refused}");
}
