//! What can go wrong with readers and cards: each fault with words and a code of its own, and nothing written.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card};
use countersign_testkit::{CardOptions, Output, Stack};

const GENERAL_AUTHENTICATE: u8 = 0x87;

/// Tries to activate, expects exit code 4 and an untouched store, and returns the code of the refusal.
fn fault(site: &Site, activate: impl FnOnce() -> Output, exit: i32) -> String {
    let store = site.snapshot();
    let output = activate().expect_code(exit);
    assert_eq!(site.snapshot(), store, "nothing is written: {output}");
    site.verifier(&["check", PRODUCT]).output().expect_code(1);
    let told = output.stderr_text();
    let at = told.find("[CS-").unwrap_or_else(|| panic!("no code in {output}"));
    assert!(told.contains("next:"), "no advice in {output}");
    told[at + 1..at + 8].to_owned()
}

#[test]
fn each_fault_has_its_own_code() {
    let office = Office::found("p256");
    let token = office.issue("token.pem", &[]);
    let site = Site::with_token("press-7", &office, &token);
    let mut codes = Vec::new();

    // No service.
    let mut stopped = Stack::start(1).unwrap();
    stopped.stop();
    codes.push(("no service", fault(&site, || site.activate(&stopped, PIN, &[]), 4)));

    // No reader.
    let bare = Stack::start(0).unwrap();
    codes.push(("no reader", fault(&site, || site.activate(&bare, PIN, &[]), 4)));

    // No card.
    let stack = Stack::start(1).unwrap();
    codes.push(("no card", fault(&site, || site.activate(&stack, PIN, &[]), 4)));

    // A new card, without a certificate.
    let card = stack.insert(0, CardOptions::new().strict());
    codes.push(("no certificate", fault(&site, || site.activate(&stack, PIN, &[]), 4)));
    card.remove();

    // A card of another authority.
    let elsewhere = Office::found("p256");
    let (foreign, _card, _state) = enrolled_card(&elsewhere, CardOptions::new(), &[]);
    codes.push(("wrong card", fault(&site, || site.activate(&foreign, PIN, &[]), 1)));

    // Pulled while it signs.
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new().leave_on(GENERAL_AUTHENTICATE, 1), &[]);
    codes.push(("pulled", fault(&site, || site.activate(&stack, PIN, &[]), 4)));

    // Hangs while it signs.
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new().stall_on(GENERAL_AUTHENTICATE, 1), &[]);
    codes.push(("hangs", fault(&site, || site.activate(&stack, PIN, &[]), 4)));
    card.remove();

    // Refuses to sign.
    let (stack, _card, _state) =
        enrolled_card(&office, CardOptions::new().answer_on(GENERAL_AUTHENTICATE, 1, 0x6f00), &[]);
    codes.push(("refuses", fault(&site, || site.activate(&stack, PIN, &[]), 4)));

    for (index, (one, code)) in codes.iter().enumerate() {
        for (other, same) in &codes[index + 1..] {
            assert_ne!(code, same, "{one} and {other}");
        }
    }
}

#[test]
fn a_card_that_was_reset_by_another_program_is_taken_up_again() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let mut terminal = site.verifier(&["activate"]).stack(&stack).on_terminal();
    terminal.expect_secret("PIN");
    // Another program resets the card while the person types.
    countersign_testkit::Run::new("opensc-tool")
        .args(["--reader", stack.reader_name(0), "--reset"])
        .stack(&stack)
        .output()
        .expect_code(0);
    terminal.send_line(PIN);
    terminal.finish().expect_code(0);
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
}

#[test]
fn a_card_that_was_exchanged_while_the_person_typed_is_refused() {
    let office = Office::found("p256");
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let (other_stack, other_card, other_state) = enrolled_card(&office, CardOptions::new(), &[]);
    drop((other_card, other_stack));
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let mut terminal = site.verifier(&["activate"]).stack(&stack).on_terminal();
    terminal.expect_secret("PIN");
    card.remove();
    let second = stack.insert(0, CardOptions::new().strict().state(other_state.path()));
    terminal.send_line(PIN);
    let refused = terminal.finish().expect_code(4);
    assert!(refused.terminal.contains("[CS-"), "{refused}");
    let pins = second.log().iter().filter(|command| command.instruction == 0x20 && command.data_length > 0).count();
    assert_eq!(pins, 0, "the PIN goes to the card that the person saw");
    site.verifier(&["check", PRODUCT]).output().expect_code(1);
}
