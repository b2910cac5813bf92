//! The ledger after a command was killed, when the disk is full, and when two commands write at once.

use crate::support::{Desk, PASSPHRASE, expect_said, plain_token};
use countersign_common::{Octets, SignedObject, decode_object};
use countersign_testkit::Output;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

/// How many times a command is killed, for each engine.
const KILLS: u32 = 30;

/// Digests of the tokens in the ledger, each with the number of its entry.
fn issued(desk: &Desk) -> BTreeMap<String, i64> {
    let list = desk.run(&["--json", "ledger", "list"]).expect_code(0).stdout_text();
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let mut issued = BTreeMap::new();
    for entry in list["entries"].as_array().expect("entries").iter().filter(|entry| entry["kind"] == "token-issued") {
        let digest = entry["sha256"].as_str().expect("a digest").to_owned();
        let twice = issued.insert(digest, entry["sequence"].as_i64().expect("a number"));
        assert_eq!(twice, None, "a token is entered once");
    }
    issued
}

/// The digest of a token in a file, which is whole.
fn digest_of(desk: &Desk, file: &str) -> String {
    let der = decode_object(&desk.read(file)).expect("a whole file").into_owned();
    Octets(SignedObject::from_der(&der).expect("a token").digest()).to_string()
}

fn token_files(desk: &Desk) -> Vec<String> {
    let names = fs::read_dir(desk.path("")).expect("a folder").flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".token.pem")).collect()
}

/// Starts the issuing of a token into a file.
fn start(desk: &Desk, file: &str) -> std::process::Child {
    let mut command = Command::new(Desk::program());
    command.args(plain_token(&["--out", file])).args(["--passphrase-fd", "0"]).current_dir(desk.path(""));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command");
    child.stdin.take().expect("its input").write_all(format!("{PASSPHRASE}\n").as_bytes()).expect("the passphrase");
    child
}

#[test]
fn killed_at_any_instant_no_entry_is_lost_and_no_token_is_without_one() {
    Desk::founded_each("p256").into_iter().for_each(killed_on);
}

fn killed_on(desk: Desk) {
    let begun = Instant::now();
    assert!(start(&desk, "first.token.pem").wait().expect("an end").success());
    let whole = begun.elapsed();
    let mut known = issued(&desk);
    // Always the same share of a whole run (a generator of Lehmer's), now and then more than one.
    let mut random: u64 = 20_261_128;
    let (mut cut_off, mut between) = (0, 0);
    for number in 0..KILLS {
        random = random * 48_271 % 0x7fff_ffff;
        let share = u32::try_from(random % 1_000).expect("a small number");
        let mut child = start(&desk, &format!("{number}.token.pem"));
        thread::sleep(whole.mul_f64(f64::from(share) / 800.0));
        child.kill().expect("a process");
        cut_off += u32::from(!child.wait().expect("an end").success());

        let now = issued(&desk);
        assert!(known.iter().all(|(digest, number)| now.get(digest) == Some(number)), "an entry is lost");
        let written: BTreeSet<_> = token_files(&desk).iter().map(|file| digest_of(&desk, file)).collect();
        assert!(written.iter().all(|digest| now.contains_key(digest)), "a token without its entry");
        between += u32::from(now.len() > known.len() && !desk.path(&format!("{number}.token.pem")).exists());
        known = now;
    }
    eprintln!("{cut_off} of {KILLS} were cut off, {between} of them between the entry and the file");
    assert!(cut_off > 0);
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);

    // What was entered and did not get its file is had again, and the next command works.
    let written: BTreeSet<_> = token_files(&desk).iter().map(|file| digest_of(&desk, file)).collect();
    for (digest, number) in known.iter().filter(|(digest, _)| !written.contains(*digest)) {
        let file = format!("again-{number}.token.pem");
        desk.run(&["ledger", "show", &number.to_string(), "--export", &file]).expect_code(0);
        assert_eq!(digest_of(&desk, &file), *digest);
    }
    assert!(start(&desk, "last.token.pem").wait().expect("an end").success());
    assert_eq!(issued(&desk).len(), known.len() + 1);
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);
}

/// Issues where a system call fails as on a full disk, from its nth use on.
fn issue_on_full_disk(desk: &Desk, calls: &str, nth: u32, file: &str) -> Output {
    let inject = format!("inject={calls}:error=ENOSPC:when={nth}+");
    let command = desk.command(&plain_token(&["--out", file])).args(["--passphrase-fd", "3"]);
    command
        .pipe(3, format!("{PASSPHRASE}\n"))
        .under("strace", &["-f", "-qq", "-o", "/dev/null", "-e", &inject])
        .output()
}

/// Killed just between the two. A file without a name gets one by linkat, one that has another by renameat2.
#[test]
fn killed_between_entry_and_file_the_token_is_had_from_the_ledger() {
    for desk in Desk::founded_each("p256") {
        let command = desk.command(&plain_token(&["--out", "1.token.pem"])).args(["--passphrase-fd", "3"]);
        let trace = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=linkat,renameat2:signal=KILL"];
        let killed = command.pipe(3, format!("{PASSPHRASE}\n")).under("strace", &trace).output();
        assert!(killed.code != Some(0) && !killed.timed_out, "{killed}");
        assert_eq!(token_files(&desk), Vec::<String>::new());
        let entries = issued(&desk);
        assert_eq!(entries.len(), 1, "{killed}");
        for (digest, number) in entries {
            desk.run(&["ledger", "show", &number.to_string(), "--export", "1.token.pem"]).expect_code(0);
            assert_eq!(digest_of(&desk, "1.token.pem"), digest);
        }
        expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);
    }
}

/// SQLite writes by pwrite64, the token gets its name by linkat or renameat2, and all of it goes to the disk by fsync and
/// fdatasync. Each time one more call succeeds, until all do.
#[test]
fn on_a_full_disk_nothing_is_half_written() {
    let desk = Desk::founded("p256");
    for calls in ["pwrite64", "fsync,fdatasync", "linkat,renameat2", "ftruncate,fallocate"] {
        let mut nth = 1;
        loop {
            let (before, files) = (issued(&desk), token_files(&desk));
            let file = format!("{}-{nth}.token.pem", calls.replace(',', "-"));
            let output = issue_on_full_disk(&desk, calls, nth, &file);
            let after = issued(&desk);
            assert!(
                before.iter().all(|(digest, number)| after.get(digest) == Some(number)),
                "an entry is lost\n{output}"
            );
            let written: Vec<_> = token_files(&desk).into_iter().filter(|file| !files.contains(file)).collect();
            if output.code == Some(0) {
                assert_eq!(written, [file]);
                assert!(after.contains_key(&digest_of(&desk, &written[0])));
                break;
            }
            let said = output.stderr_text();
            assert!(output.code == Some(3) && (said.contains("CS-7040") || said.contains("CS-7007")), "{output}");
            expect_said(&output, &["next:"]);
            assert!(written.iter().all(|file| after.contains_key(&digest_of(&desk, file))), "{output}");
            let left = fs::read_dir(desk.path("")).expect("a folder").flatten();
            let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).collect();
            assert!(left.is_empty(), "something is left behind: {left:?}");
            nth += 1;
            assert!(nth < 60, "it never succeeds\n{output}");
        }
        expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);
    }
}

/// The same with a limit on the size of files, which every user may set: the ledger cannot grow.
#[test]
fn a_ledger_that_cannot_grow_goes_on_when_there_is_room() {
    let desk = Desk::founded("p256");
    desk.with_passphrase(&plain_token(&["--out", "first.token.pem"])).expect_code(0);
    let size = fs::metadata(desk.path("authority/ledger.sqlite")).expect("the ledger").len();
    let limited = |file: &str| {
        // A signal that is ignored stays so: the call fails instead.
        let shell = ["-c", "trap '' XFSZ; exec \"$@\"", "sh"];
        let limit = format!("--fsize={size}");
        let command = desk.command(&plain_token(&["--out", file])).args(["--passphrase-fd", "3"]);
        command.pipe(3, format!("{PASSPHRASE}\n")).under("sh", &shell).under("prlimit", &[&limit, "--"]).output()
    };
    // Nothing but limited commands in between: another one would tidy up.
    let refused = (0..20).map(|number| limited(&format!("{number}.token.pem"))).find(|output| output.code != Some(0));
    let refused = refused.unwrap_or_else(|| panic!("the ledger never reaches {size} octets"));
    expect_said(&refused.expect_code(3), &["CS-7040", "next:", "room"]);
    // What was said to be issued is, and nothing else.
    let written: BTreeSet<_> = token_files(&desk).iter().map(|file| digest_of(&desk, file)).collect();
    assert_eq!(written, issued(&desk).into_keys().collect());
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);
    let before = issued(&desk).len();
    desk.with_passphrase(&plain_token(&["--out", "last.token.pem"])).expect_code(0);
    assert_eq!(issued(&desk).len(), before + 1);
}

#[test]
fn commands_that_write_at_once_enter_everything_once_and_in_order() {
    for desk in Desk::founded_each("p256") {
        let files: Vec<_> = (0..4).map(|who| (0..5).map(move |number| format!("{who}-{number}.token.pem"))).collect();
        thread::scope(|scope| {
            for files in files {
                let desk = &desk;
                scope.spawn(move || {
                    for file in files {
                        desk.with_passphrase(&plain_token(&["--out", &file])).expect_code(0);
                    }
                });
            }
        });
        let entered = issued(&desk);
        let written: BTreeSet<_> = token_files(&desk).iter().map(|file| digest_of(&desk, file)).collect();
        assert_eq!(written, entered.keys().cloned().collect());
        assert_eq!(entered.values().copied().collect::<BTreeSet<_>>(), (2..=21).collect());
        expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written", "21"]);
    }
}
