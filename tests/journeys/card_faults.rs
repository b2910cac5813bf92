//! What can go wrong with readers and cards: each fault with words and a code of its own, and nothing written.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card};
use countersign_testkit::{CardOptions, Output, Stack};

const GENERAL_AUTHENTICATE: u8 = 0x87;

/// Tries to activate, expects an exit code and an untouched store, and returns the code of the refusal.
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

    // No service.
    let mut stopped = Stack::start(1).unwrap();
    stopped.stop();
    assert_eq!(fault(&site, || site.activate(&stopped, PIN, &[]), 4), "CS-5001");

    // No reader.
    let bare = Stack::start(0).unwrap();
    assert_eq!(fault(&site, || site.activate(&bare, PIN, &[]), 4), "CS-5002");

    // No card.
    let stack = Stack::start(1).unwrap();
    assert_eq!(fault(&site, || site.activate(&stack, PIN, &[]), 4), "CS-5005");

    // A new card, without a certificate.
    let card = stack.insert(0, CardOptions::new().strict());
    assert_eq!(fault(&site, || site.activate(&stack, PIN, &[]), 4), "CS-5021");
    card.remove();

    // A card of another authority.
    let elsewhere = Office::found("p256");
    let (foreign, _card, _state) = enrolled_card(&elsewhere, CardOptions::new(), &[]);
    assert_eq!(fault(&site, || site.activate(&foreign, PIN, &[]), 1), "CS-2006");

    // Pulled while it signs.
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new().leave_on(GENERAL_AUTHENTICATE, 1), &[]);
    assert_eq!(fault(&site, || site.activate(&stack, PIN, &[]), 4), "CS-5006");

    // Hangs while it signs.
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new().stall_on(GENERAL_AUTHENTICATE, 1), &[]);
    assert_eq!(fault(&site, || site.activate(&stack, PIN, &[]), 4), "CS-5009");
    card.remove();

    // Refuses to sign.
    let (stack, _card, _state) =
        enrolled_card(&office, CardOptions::new().answer_on(GENERAL_AUTHENTICATE, 1, 0x6f00), &[]);
    assert_eq!(fault(&site, || site.activate(&stack, PIN, &[]), 4), "CS-5032");

    // No random numbers for the challenge.
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let activate = site.verifier(&["activate", "--pin-fd", "4"]).stack(&stack).file(4, format!("{PIN}\n"));
    assert_eq!(fault(&site, || activate.without_random_numbers().output(), 5), "CS-8017");
    assert!(card.log().iter().all(|command| command.instruction != GENERAL_AUTHENTICATE), "{}", card.log_text());
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
    assert!(refused.terminal.contains("[CS-5031]"), "{refused}");
    let pins = second.log().iter().filter(|command| command.instruction == 0x20 && command.data_length > 0).count();
    assert_eq!(pins, 0, "the PIN goes to the card that the person saw");
    site.verifier(&["check", PRODUCT]).output().expect_code(1);
}
