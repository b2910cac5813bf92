//! The daemon and its readers.

use std::{process::Command, time::Duration};

use countersign_testkit::{CardOptions, Run, Stack, poll_until, reader_states, tool};

/// The answer to reset that the virtual card gives.
const ATR: &str = "3b:95:13:81:01:80:73:ff:01:00:0b";

fn opensc(stack: &Stack, args: &[&str]) -> String {
    Run::new("opensc-tool").args(args).stack(stack).output().expect_code(0).stdout_text()
}

#[test]
fn two_readers_are_ready_and_empty() {
    let stack = Stack::start(2).expect("a stack");
    let listing = opensc(&stack, &["-l"]);
    assert!(listing.contains(stack.reader_name(0)), "{listing}");
    assert!(listing.contains(stack.reader_name(1)), "{listing}");
    assert!(!listing.contains("Yes"), "{listing}");
    assert_ne!(stack.reader_port(0), stack.reader_port(1));
}

#[test]
fn zero_and_many_readers() {
    let none = Stack::start(0).expect("a stack without readers");
    assert!(opensc(&none, &["-l"]).contains("No smart card readers found"));

    let four = Stack::start(4).expect("a stack with four readers");
    let states = reader_states(four.socket()).expect("the daemon's readers");
    assert_eq!(states.len(), 4);
    let last = four.insert(3, CardOptions::new());
    let states = reader_states(four.socket()).expect("the daemon's readers");
    let present: Vec<_> = states.iter().filter(|state| state.present).collect();
    assert_eq!(present.len(), 1);
    assert_eq!(present[0].name, last.reader_name());
}

#[test]
fn a_card_is_seen_in_and_out() {
    let stack = Stack::start(2).expect("a stack");
    let card = stack.insert(1, CardOptions::new());
    let atr = opensc(&stack, &["-a", "-r", stack.reader_name(1)]);
    assert_eq!(atr.trim(), ATR);
    assert!(opensc(&stack, &["-l"]).contains("Yes"));

    card.remove();
    assert!(!opensc(&stack, &["-l"]).contains("Yes"));

    let again = stack.insert(1, CardOptions::new().strict());
    assert!(opensc(&stack, &["-l"]).contains("Yes"));
    drop(again);
    let another = stack.insert(1, CardOptions::new());
    assert!(opensc(&stack, &["-l"]).contains("Yes"));
    drop(another);
}

#[test]
fn stacks_do_not_see_each_other() {
    let stacks: Vec<_> = (0..3).map(|_| Stack::start(2).expect("a stack")).collect();
    let card = stacks[1].insert(0, CardOptions::new());
    let present: Vec<_> = stacks.iter().map(|stack| opensc(stack, &["-l"]).contains("Yes")).collect();
    assert_eq!(present, [false, true, false]);
    drop(card);
}

#[test]
fn a_stopped_daemon_is_gone() {
    let mut stack = Stack::start(2).expect("a stack");
    let mut card = stack.insert(0, CardOptions::new());
    stack.stop();
    assert!(reader_states(stack.socket()).is_err());
    let mut command = Command::new(tool("opensc-tool"));
    let status = stack.env(&mut command).arg("-l").output().expect("opensc-tool");
    assert!(!status.status.success() || !String::from_utf8_lossy(&status.stdout).contains("Yes"));
    // A card ends by itself when its reader goes.
    assert!(poll_until(Duration::from_secs(5), || card.has_ended().then_some(())).is_some());
}

#[test]
fn nothing_is_left_behind() {
    let stack = Stack::start(2).expect("a stack");
    let folder = stack.folder().to_path_buf();
    let daemons = || {
        let all = Run::new("pgrep").args(["-f", folder.to_str().expect("a plain path")]).output();
        all.stdout_text().lines().count()
    };
    assert!(daemons() >= 2, "the daemon and its warden");
    drop(stack);
    // The daemon is reaped by its warden, and the warden by us, before drop returns.
    assert_eq!(daemons(), 0);
    assert!(!folder.exists());
}
