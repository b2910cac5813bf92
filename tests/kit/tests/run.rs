//! Runners: outputs, descriptors, terminals. No daemon is needed.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use countersign_testkit::{Run, tool};

fn shell(script: &str) -> Run {
    Run::new("sh").args(["-c", script])
}

#[test]
fn tells_what_happened() {
    let output = shell("cat; echo bad >&2; exit 3").stdin("good").output();
    assert_eq!(output.stdout_text(), "good");
    assert_eq!(output.stderr_text(), "bad\n");
    let output = output.expect_code(3).expect_failure();
    let text = output.to_string();
    assert!(text.contains("exit code 3") && text.contains("good") && text.contains("bad"), "{text}");
}

#[test]
fn standard_input_is_empty_unless_given() {
    assert_eq!(shell("cat").output().expect_code(0).stdout_text(), "");
}

#[test]
fn hands_over_descriptors() {
    let output = shell("cat <&3; cat <&5; cat").pipe(3, "123456\n").file(5, "a file\n").output().expect_code(0);
    assert_eq!(output.stdout_text(), "123456\na file\n");
}

#[test]
fn takes_away_what_a_command_may_rely_on() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o000)).expect("its owner");
    let read = || Run::new("cat").arg(file.path()).without_root_rights().output();
    assert!(read().expect_failure().stderr_text().contains("Permission denied"));
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o400)).expect("its owner");
    read().expect_code(0);

    let told = shell("echo $1").args(["sh", "last"]).under("env", &["--"]).output().expect_code(0);
    assert_eq!(told.stdout_text(), "last\n");
    shell("exit 3").without_random_numbers().output().expect_code(3);
}

#[test]
fn nothing_secret_is_in_the_arguments() {
    let output = shell("tr '\\0' ' ' </proc/$$/cmdline").pipe(3, "123456").output();
    assert!(!output.expect_code(0).stdout_text().contains("123456"));
}

#[test]
fn does_not_wait_longer_than_allowed() {
    let output = shell("exec sleep 60").limit(Duration::from_millis(200)).output();
    assert!(output.timed_out);
    assert_eq!(output.code, None);
}

#[test]
#[should_panic(expected = "no-such-tool is not installed: apt-get install no-such-tool")]
fn a_missing_tool_panics() {
    let _ = tool("no-such-tool");
}

#[test]
fn talks_on_a_terminal() {
    let mut terminal = shell("printf 'Name: '; read -r name; echo \"Hello $name\"; tty -s").on_terminal();
    terminal.expect("Name: ");
    terminal.send_line("Ada");
    terminal.expect("Hello Ada");
    let output = terminal.finish().expect_code(0);
    assert_eq!(output.terminal, "Name: Ada\nHello Ada\n");
}

#[test]
fn asks_for_a_secret_on_the_controlling_terminal() {
    let script = "exec 4<>/dev/tty; stty -echo <&4; printf 'PIN: ' >&4; read -r pin <&4; stty echo <&4; \
                  echo >&4; echo \"got $pin\"";
    let mut terminal = shell(script).on_terminal_with_stdout();
    terminal.expect_secret("PIN: ");
    terminal.send_line("123456");
    let output = terminal.finish().expect_code(0);
    assert_eq!(output.stdout_text(), "got 123456\n");
    assert_eq!(output.terminal, "PIN: \n");
}

#[test]
fn a_terminal_hands_over_files_and_interrupts() {
    let mut terminal = shell("cat <&3; exec sleep 60").file(3, "inherited\n").on_terminal();
    terminal.expect("inherited");
    terminal.send(b"\x03");
    let output = terminal.finish();
    assert_eq!((output.code, output.timed_out), (None, false));
}

#[test]
#[should_panic(expected = "ended without showing \"never\"")]
fn a_prompt_that_never_comes_fails_at_once() {
    shell("echo something else").on_terminal().expect("never");
}
