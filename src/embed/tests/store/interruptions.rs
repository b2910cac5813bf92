//! Other processes that change the store, and changes that come to no good end.

use crate::support::{ID, change, child, command, id, names, run, store, wrapped};
use countersign::{Change, Snapshot, Store, StoreError};
use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::{PermissionsExt as _, chown},
    process::Stdio,
    time::Duration,
};

const NOBODY: u32 = 65_534;
/// What another user's process is started with.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const TOKENS: usize = 5;

/// Everything that can be installed, in a state of its own for each number.
fn install(change: &mut Change<'_>, number: u64) {
    let octets = number.to_be_bytes();
    change.keep_anchors(&octets).unwrap();
    for token in 0..TOKENS {
        change.keep_token(&id(token), &octets).unwrap();
    }
    change.keep_anchors_updates(&octets).unwrap();
    // One list that comes and goes.
    if number.is_multiple_of(2) {
        change.keep_list("even", &octets, None).unwrap();
    } else {
        change.remove_list("even").unwrap();
    }
    change.keep_list("list", &octets.repeat(2_000), Some(&octets)).unwrap();
}

/// The number of the state that is installed, all of which must be there; 0 where there is none.
fn number(snapshot: &Snapshot) -> u64 {
    let Some(anchors) = snapshot.anchors().unwrap() else {
        assert!(snapshot.anchors_updates().unwrap().is_none() && snapshot.tokens().unwrap().is_empty());
        assert!(snapshot.lists().unwrap().is_empty());
        return 0;
    };
    assert_eq!(snapshot.anchors_updates().unwrap().unwrap(), anchors);
    assert_eq!(snapshot.tokens().unwrap(), vec![anchors.clone(); TOKENS]);
    let number = u64::from_be_bytes(anchors[..].try_into().unwrap());
    let lists = snapshot.lists().unwrap();
    assert_eq!(lists.len(), if number.is_multiple_of(2) { 2 } else { 1 });
    let list = lists.last().unwrap();
    assert_eq!(list.list.read(1 << 20).unwrap(), anchors.repeat(2_000));
    assert_eq!(list.index.as_ref().unwrap().read(8).unwrap(), anchors);
    number
}

fn installed(store: &Store) -> u64 {
    number(&store.snapshot().unwrap())
}

/// Installs one state after another, and tells each that is in force, until it is ended.
fn install_without_end(store: &Store) {
    loop {
        let next = installed(store) + 1;
        change(store, |change| install(change, next));
        println!("in force {next}");
    }
}

#[test]
fn a_process_killed_at_any_instant_leaves_the_old_state_or_the_new_one() {
    if let Some(store) = child() {
        install_without_end(&store);
    }
    let test = "interruptions::a_process_killed_at_any_instant_leaves_the_old_state_or_the_new_one";
    let (_folder, store) = store();
    let mut interrupted = 0;
    for round in 0..40_u64 {
        let mut process = command(test, &store).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("in force") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child ended");
        }
        // Over some changes, at other instants of them each time.
        std::thread::sleep(Duration::from_micros(round * 997 % 20_011));
        process.kill().unwrap();
        process.wait().unwrap();
        output.read_to_string(&mut line).unwrap();
        let told = line.lines().filter_map(|line| line.strip_prefix("in force ")).next_back().unwrap();
        let told: u64 = told.parse().unwrap();
        let found = installed(&store);
        assert!(found == told || found == told + 1, "{told} was told and {found} is found");
        interrupted += u32::from(store.root().join("installed.new").exists());
    }
    assert!(interrupted > 0, "no change was interrupted");
    let last = installed(&store) + 1;
    change(&store, |change| install(change, last));
    assert_eq!(installed(&store), last);
    assert!(names(&store).iter().all(|name| !name.contains("/.") && !name.contains("new")));
}

#[test]
fn readers_see_one_state_while_another_process_changes_it() {
    if let Some(store) = child() {
        install_without_end(&store);
    }
    let (_folder, store) = store();
    change(&store, |change| install(change, 1));
    let test = "interruptions::readers_see_one_state_while_another_process_changes_it";
    let mut process = command(test, &store).stdout(Stdio::null()).spawn().unwrap();
    let mut last = 1;
    // The file system decides how many looks that takes.
    while last < 30 {
        let now = installed(&store);
        assert!(now >= last);
        last = now;
    }
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_reader_reads_the_old_state_to_its_end() {
    let (_folder, store) = store();
    change(&store, |change| install(change, 1));
    let before = store.snapshot().unwrap();
    change(&store, |change| install(change, 2));
    change(&store, |change| install(change, 3));
    assert_eq!((number(&before), installed(&store)), (1, 3));
    fs::remove_dir_all(store.root()).unwrap();
    assert_eq!((number(&before), installed(&store)), (1, 0));
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_old_state() {
    if let Some(store) = child() {
        let mut locked = store.lock().unwrap();
        let mut change = locked.change().unwrap();
        change.keep_token(&ID, b"fits").unwrap();
        let full = |error: StoreError| assert_eq!(error.code(), "CS-6005", "{error}");
        full(change.keep_anchors(&[b'x'; 5_000]).unwrap_err());
        full(change.keep_list("list", &[b'x'; 5_000], None).unwrap_err());
        full(change.keep_list("list", b"x", Some(&[b'x'; 5_000])).unwrap_err());
        drop(change);
        full(locked.keep_record("p", &ID, &[b'x'; 5_000]).unwrap_err());
        return;
    }
    let (_folder, store) = store();
    change(&store, |change| install(change, 1));
    store.lock().unwrap().keep_record("p", &ID, b"record").unwrap();
    let before = names(&store);
    // No file larger than 4 or 8 blocks of 512 octets, as the shell counts: what a full disk does.
    let script = r#"trap '' XFSZ; ulimit -f 4; exec "$@""#;
    let test = "interruptions::a_disk_that_takes_no_more_leaves_the_old_state";
    run(wrapped(&["sh", "-c", script, "sh"], std::env::current_exe().unwrap(), test, &store));
    assert_eq!((installed(&store), names(&store)), (1, before));
    assert_eq!(store.records("p").unwrap(), [b"record"]);
    // What failed within a change is not in it, and the rest can still be put in force.
    change(&store, |change| {
        assert!(change.keep_list("list", &vec![0; (64 << 20) + 1], None).is_err());
        change.keep_token(&id(0), &1_u64.to_be_bytes()).unwrap();
    });
    assert_eq!(installed(&store), 1);
}

#[test]
fn a_second_command_waits_or_is_refused() {
    if let Some(store) = child() {
        let _locked = store.lock().unwrap();
        println!("held");
        // Until the parent lets go.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let (_folder, store) = store();
    change(&store, |change| install(change, 1));
    let test = "interruptions::a_second_command_waits_or_is_refused";
    let mut process = command(test, &store).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    assert!(output.by_ref().lines().any(|line| line.unwrap().ends_with("held")));
    let refused = store.lock().unwrap_err();
    assert_eq!(refused.code(), "CS-6009", "{refused}");
    assert_eq!(installed(&store), 1, "reading needs no lock");
    // One that lets go in time is waited for.
    let stdin = process.stdin.take();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(stdin);
    });
    change(&store, |change| install(change, 2));
    other.join().unwrap();
    assert!(process.wait().unwrap().success());
    assert_eq!(installed(&store), 2);
}

#[test]
fn of_commands_at_once_none_undoes_the_other() {
    const EACH: usize = 5;
    const NUMBER: &str = "COUNTERSIGN_TEST_NUMBER";
    if let Some(store) = child() {
        let first: usize = std::env::var(NUMBER).unwrap().parse().unwrap();
        for token in first..first + EACH {
            let mut locked = loop {
                match store.lock() {
                    Err(StoreError::Busy(_)) => {}
                    locked => break locked.unwrap(),
                }
            };
            let mut change = locked.change().unwrap();
            change.keep_token(&id(token), b"token").unwrap();
            change.commit().unwrap();
        }
        return;
    }
    let (_folder, store) = store();
    let test = "interruptions::of_commands_at_once_none_undoes_the_other";
    let start =
        |first: usize| command(test, &store).env(NUMBER, first.to_string()).stdout(Stdio::null()).spawn().unwrap();
    let processes: Vec<_> = (0..3).map(|first| start(first * EACH)).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(store.snapshot().unwrap().tokens().unwrap().len(), 3 * EACH);
}

/// As root another user is tried, else the own user without the right to write.
#[test]
fn reading_takes_no_right_to_write() {
    if let Some(store) = child() {
        if std::env::var_os("COUNTERSIGN_TEST_WRITER").is_some() {
            change(&store, |change| install(change, 1));
            return;
        }
        assert_eq!(installed(&store), 1);
        assert!(matches!(store.lock().and_then(|mut locked| locked.change().map(drop)), Err(StoreError::Io(..))));
        return;
    }
    let test = "interruptions::reading_takes_no_right_to_write";
    let (folder, store) = store();
    let set = |path: &std::path::Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::create_dir(store.root()).unwrap();
    // Whoever changes the store with a strict mask does not shut the products out.
    let mut writer = wrapped(&["sh", "-c", r#"umask 077; exec "$@""#, "sh"], program.clone(), test, &store);
    writer.env("COUNTERSIGN_TEST_WRITER", "1");
    run(writer);
    for path in [folder.path(), store.root(), &program] {
        set(path, 0o755);
    }
    if is_root() {
        run(wrapped(&AS_NOBODY, program, test, &store));
        // A lock that others could open they could hold for ever.
        assert_eq!(fs::metadata(store.root().join("lock")).unwrap().permissions().mode() & 0o777, 0o600);
    } else {
        set(store.root(), 0o555);
        run(wrapped(&[], program, test, &store));
        set(store.root(), 0o755);
    }
}

/// The system does not let everybody link the files of others; where it does there is nothing to refuse. Only root can
/// make such files.
#[test]
fn files_of_another_user_are_not_taken_for_a_broken_store() {
    if let Some(store) = child() {
        let mut locked = store.lock().unwrap();
        let refused = locked.change().unwrap_err();
        assert_eq!(refused.code(), "CS-6010", "{refused}");
        return;
    }
    let protected = fs::read_to_string("/proc/sys/fs/protected_hardlinks").is_ok_and(|text| text.trim() == "1");
    if !(is_root() && protected) {
        return;
    }
    let test = "interruptions::files_of_another_user_are_not_taken_for_a_broken_store";
    let (folder, store) = store();
    change(&store, |change| install(change, 1));
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [folder.path(), &program] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["", "lock", "installed", "installed/tokens", "installed/lists"] {
        chown(store.root().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    run(wrapped(&AS_NOBODY, program, test, &store));
    assert_eq!(installed(&store), 1);
    assert!(!store.root().join("installed.new").exists());
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
