//! PINs: told, never wasted, never shown.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card};
use countersign_testkit::CardOptions;

const VERIFY: u8 = 0x20;

#[test]
fn tries_are_told_and_the_last_one_is_kept() {
    let office = Office::found("p256");
    let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let store = site.snapshot();
    let pins_sent =
        || card.log().iter().filter(|command| command.instruction == VERIFY && command.data_length > 0).count();

    // What cannot be a PIN is not tried.
    for malformed in ["12345", "12345a", "123456789", ""] {
        let refused = site.activate(&stack, malformed, &[]).expect_code(4);
        assert!(refused.stderr_text().contains("CS-5027"), "{refused}");
        assert_eq!(pins_sent(), 0, "{malformed:?}");
    }
    for (sent, left) in [(1, "2 tries"), (2, "1 try")] {
        let wrong = site.activate(&stack, "654321", &[]).expect_code(4);
        assert!(wrong.stderr_text().contains("CS-5024"), "{wrong}");
        assert!(wrong.stderr_text().contains(left), "{wrong}");
        assert!(!wrong.stderr_text().contains("654321") && !wrong.stdout_text().contains("654321"));
        assert_eq!(pins_sent(), sent);
    }
    // One try is left: not even the right PIN is sent unless that is asked for.
    let kept = site.activate(&stack, PIN, &[]).expect_code(4);
    assert!(kept.stderr_text().contains("CS-5026"), "{kept}");
    assert_eq!(pins_sent(), 2);
    site.activate(&stack, "654321", &["--use-last-try"]).expect_code(4);
    assert_eq!(pins_sent(), 3);
    let blocked = site.activate(&stack, PIN, &["--use-last-try"]).expect_code(4);
    assert!(blocked.stderr_text().contains("CS-5025"), "{blocked}");
    assert_eq!(pins_sent(), 3);
    assert_eq!(site.snapshot(), store, "nothing was written");
    site.verifier(&["check", PRODUCT]).output().expect_code(1);
}

#[test]
fn the_last_try_works_when_it_is_asked_for() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    for _ in 0..2 {
        site.activate(&stack, "654321", &[]).expect_code(4);
    }
    site.activate(&stack, PIN, &["--use-last-try"]).expect_code(0);
}

#[test]
fn a_trace_holds_no_pin() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let trace = office.out("trace");
    site.activate(&stack, PIN, &["--trace", trace.to_str().unwrap()]).expect_code(0);
    let trace = std::fs::read_to_string(trace).unwrap();
    assert_eq!(trace.lines().count(), 5, "{trace}");
    let in_hex: String = PIN.bytes().map(|byte| format!("{byte:02x}")).collect();
    let plain = trace.to_lowercase().replace(' ', "");
    assert!(!plain.contains(&in_hex) && !plain.contains(PIN), "{trace}");
}
