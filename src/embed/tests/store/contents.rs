//! What is kept and found again, and what is refused.

use crate::support::{ID, change, id, names, store};
use countersign::{
    MAX_INDEX_SIZE, MAX_LIST_SIZE, MAX_LISTS, MAX_PRODUCTS, MAX_RECORDS, MAX_TOKENS, Store, StoreError, Time,
};
use countersign_common::MAX_FILE_SIZE;
use std::{fs, os::unix::fs::symlink, path::Path};

const AT: fn(i64) -> Time = Time::from_unix;

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn what_is_kept_is_found_and_nothing_else_is() {
    let (_folder, store) = store();
    let empty = store.snapshot().unwrap();
    assert!(empty.tokens().unwrap().is_empty() && empty.lists().unwrap().is_empty());
    assert_eq!((empty.anchors().unwrap(), empty.anchors_updates().unwrap()), (None, None));
    assert!(store.records("p").unwrap().is_empty() && store.products().unwrap().is_empty());
    assert_eq!(store.newest_time_seen().unwrap(), None);
    assert!(!store.root().exists(), "reading creates nothing");

    let mut locked = store.lock().unwrap();
    locked.keep_record("p", &ID, b"one").unwrap();
    locked.keep_record("p", &ID, b"two").unwrap();
    let mut change = locked.change().unwrap();
    change.keep_token(&id(2), b"second").unwrap();
    change.keep_token(&id(1), b"old").unwrap();
    change.keep_token(&id(1), b"first").unwrap();
    change.keep_anchors(b"anchors").unwrap();
    change.keep_anchors_updates(b"updates").unwrap();
    change.keep_list("b", b"list b", None).unwrap();
    change.keep_list("a-1", b"list a", Some(b"index a")).unwrap();
    assert!(store.snapshot().unwrap().tokens().unwrap().is_empty());
    change.commit().unwrap();
    assert!(locked.remove_record("p", &ID).unwrap());
    assert!(!locked.remove_record("p", &ID).unwrap() && !locked.remove_record("q", &ID).unwrap());
    locked.keep_record("p", &ID, b"three").unwrap();

    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tokens().unwrap(), [&b"first"[..], b"second"]);
    assert_eq!(snapshot.anchors().unwrap().unwrap(), b"anchors");
    assert_eq!(snapshot.anchors_updates().unwrap().unwrap(), b"updates");
    let [a, b] = snapshot.lists().unwrap() else { panic!("{snapshot:?}") };
    assert_eq!((a.name.as_str(), b.name.as_str()), ("a-1", "b"));
    assert_eq!(a.list.read(6).unwrap(), b"list a");
    assert!(matches!(a.list.read(5), Err(StoreError::TooLarge(_))));
    let index = a.index.as_ref().unwrap();
    assert_eq!((index.size(), index.read(7).unwrap()), (7, b"index a".to_vec()));
    let mut part = [0; 4];
    index.read_at(3, &mut part).unwrap();
    assert_eq!(&part, b"ex a");
    for past in [4, 7, u64::MAX] {
        assert!(matches!(index.read_at(past, &mut part), Err(StoreError::Io(..))));
    }
    assert!(b.index.is_none());
    assert_eq!(store.records("p").unwrap(), [b"three"]);
    assert!(store.records("q").unwrap().is_empty());
    assert_eq!(store.products().unwrap(), ["p"]);
}

#[test]
fn what_a_change_does_not_name_stays() {
    let (_folder, store) = store();
    change(&store, |change| {
        change.keep_token(&id(1), b"first").unwrap();
        change.keep_token(&id(2), b"second").unwrap();
        change.keep_anchors(b"anchors").unwrap();
        change.keep_list("a", b"list a", Some(b"index a")).unwrap();
        change.keep_list("b", b"list b", Some(b"index b")).unwrap();
    });
    change(&store, |change| {
        assert!(change.remove_token(&id(1)).unwrap() && !change.remove_token(&id(1)).unwrap());
        assert!(change.remove_list("a").unwrap() && !change.remove_list("a").unwrap());
        change.keep_list("b", b"list b again", None).unwrap();
    });
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tokens().unwrap(), [b"second"]);
    assert_eq!(snapshot.anchors().unwrap().unwrap(), b"anchors");
    let found = "installed installed/anchors.pem installed/lists installed/lists/b.list installed/tokens \
                 installed/tokens/00000000000000020000000000000000.pem lock";
    assert_eq!(names(&store).join(" "), found);
}

#[test]
fn a_change_that_is_dropped_was_none() {
    let (_folder, store) = store();
    change(&store, |change| change.keep_token(&ID, b"one").unwrap());
    let before = names(&store);
    let mut locked = store.lock().unwrap();
    let mut dropped = locked.change().unwrap();
    dropped.keep_token(&ID, b"two").unwrap();
    dropped.keep_list("a", b"list", None).unwrap();
    drop(dropped);
    drop(locked);
    assert_eq!(names(&store), before);
    assert_eq!(store.snapshot().unwrap().tokens().unwrap(), [b"one"]);
}

#[test]
fn the_floor_rises_or_is_set_and_fails_closed() {
    let (_folder, store) = store();
    let locked = store.lock().unwrap();
    locked.advance_time(AT(2_000)).unwrap();
    locked.advance_time(AT(1_000)).unwrap();
    assert_eq!(store.newest_time_seen().unwrap(), Some(AT(2_000)));
    locked.set_time(AT(1_500)).unwrap();
    assert_eq!(store.newest_time_seen().unwrap(), Some(AT(1_500)));
    let floor = store.root().join("newest-time");
    for damaged in ["", "yesterday\n", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n\n"] {
        fs::write(&floor, damaged).unwrap();
        assert!(matches!(store.newest_time_seen(), Err(StoreError::FloorDamaged(_))), "{damaged:?}");
        assert!(matches!(locked.advance_time(AT(3_000)), Err(StoreError::FloorDamaged(_))));
    }
    fs::write(&floor, vec![b' '; 65]).unwrap();
    assert!(matches!(store.newest_time_seen(), Err(StoreError::TooLarge(_))));
    locked.set_time(AT(1_000)).unwrap();
    assert_eq!(store.newest_time_seen().unwrap(), Some(AT(1_000)));
}

#[test]
fn links_and_pipes_and_names_that_lead_out_are_refused() {
    let (folder, store) = store();
    change(&store, |change| change.keep_list("a", b"list", Some(b"index")).unwrap());
    let locked = store.lock().unwrap();
    locked.keep_record("p", &ID, b"one").unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("x.pem"), b"x").unwrap();
    let at = |name: &str| store.root().join(name);
    symlink(elsewhere.join("x.pem"), at("records/p/link.pem")).unwrap();
    assert!(matches!(store.records("p"), Err(StoreError::NotRegular(_))));
    symlink(&elsewhere, at("records/q")).unwrap();
    assert!(matches!(store.records("q"), Err(StoreError::NotRegular(_))));
    assert!(matches!(locked.keep_record("q", &ID, b"two"), Err(StoreError::NotRegular(_))));
    fs::create_dir(at("records/r")).unwrap();
    pipe(&at("records/r/pipe.pem"));
    assert!(matches!(store.records("r"), Err(StoreError::NotRegular(_))));
    for name in ["", "..", ".", "a/b", "a\0b", "-a", &"a".repeat(65)] {
        assert!(matches!(store.records(name), Err(StoreError::BadProduct)), "{name:?}");
        assert!(matches!(locked.keep_record(name, &ID, b""), Err(StoreError::BadProduct)), "{name:?}");
        assert!(matches!(locked.remove_record(name, &ID), Err(StoreError::BadProduct)), "{name:?}");
    }
    drop(locked);
    change(&store, |change| {
        for name in ["", "..", "a/b", "a.b", "A", "\u{e4}", "a\0", &"a".repeat(81)] {
            assert_eq!(change.keep_list(name, b"", None).unwrap_err().code(), "CS-6011", "{name:?}");
            assert_eq!(change.remove_list(name).unwrap_err().code(), "CS-6011", "{name:?}");
        }
        change.keep_list(&"a".repeat(80), b"", None).unwrap();
    });
    let linked = Store::at(folder.path().join("linked"));
    symlink(store.root(), linked.root()).unwrap();
    assert!(matches!(linked.snapshot(), Err(StoreError::NotRegular(_))));
    assert!(matches!(linked.lock(), Err(StoreError::NotRegular(_))));
}

/// Each part tells of its own files; another change takes along what it does not know, and a whole state mends it.
#[test]
fn each_part_of_what_is_installed_is_refused_by_itself() {
    let (folder, store) = store();
    fs::write(folder.path().join("outside"), b"outside").unwrap();
    for (name, make) in [
        ("link", (|path: &Path, outside: &Path| symlink(outside, path).unwrap()) as fn(&Path, &Path)),
        ("pipe", |path, _| pipe(path)),
        ("folder", |path, _| fs::create_dir(path).unwrap()),
        ("large", |path, _| fs::File::create(path).unwrap().set_len(65 << 20).unwrap()),
    ] {
        for (part, fails) in [
            ("anchors.pem", [true, false, false, false]),
            ("anchors-updates.pem", [false, true, false, false]),
            ("tokens/x.pem", [false, false, true, false]),
            ("lists/x.list", [false, false, false, true]),
            ("lists/a.index", [false, false, false, true]),
        ] {
            fs::remove_dir_all(store.root()).ok();
            change(&store, |change| {
                change.keep_token(&ID, b"token").unwrap();
                change.keep_list("a", b"list", None).unwrap();
            });
            make(&store.root().join("installed").join(part), &folder.path().join("outside"));
            if name != "folder" || !part.contains('/') {
                change(&store, |change| change.keep_token(&id(2), b"token").unwrap());
            }
            let snapshot = store.snapshot().unwrap();
            let errors = [
                snapshot.anchors().err(),
                snapshot.anchors_updates().err(),
                snapshot.tokens().err(),
                snapshot.lists().err(),
            ];
            assert_eq!(errors.each_ref().map(Option::is_some), fails, "{name} {part}");
            let expected = if name == "large" { "CS-6004" } else { "CS-6003" };
            let error = errors.into_iter().flatten().next().unwrap();
            assert_eq!(error.code(), expected, "{name} {part}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn links_in_place_of_folders_and_of_the_lock_are_refused() {
    let (folder, store) = store();
    for name in ["installed", "installed/tokens", "installed/lists", "lock"] {
        fs::remove_dir_all(store.root()).ok();
        change(&store, |change| change.keep_anchors(b"anchors").unwrap());
        let path = store.root().join(name);
        fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)).ok();
        symlink(folder.path(), &path).unwrap();
        let written = || {
            let mut locked = store.lock()?;
            let mut change = locked.change()?;
            change.keep_token(&ID, b"token")?;
            change.keep_list("a", b"list", None)?;
            change.commit()
        };
        assert!(matches!(written(), Err(StoreError::NotRegular(_))), "{name}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name}");
    }
    // What stands where the next state is built is not followed, but removed.
    fs::remove_dir_all(store.root()).unwrap();
    change(&store, |change| change.keep_anchors(b"anchors").unwrap());
    symlink(folder.path(), store.root().join("installed.new")).unwrap();
    change(&store, |change| change.keep_token(&ID, b"token").unwrap());
    assert_eq!(store.snapshot().unwrap().tokens().unwrap(), [b"token"]);
    assert!(folder.path().join("store").exists());
}

#[test]
fn too_many_or_too_large_is_refused_and_nothing_is_left_behind() {
    let (_folder, store) = store();
    let mut locked = store.lock().unwrap();
    let too_large = |result: Result<(), StoreError>| matches!(result, Err(StoreError::TooLarge(_)));
    for number in 0..MAX_RECORDS {
        locked.keep_record("p", &id(number), b"one").unwrap();
    }
    assert!(too_large(locked.keep_record("p", &id(MAX_RECORDS), b"one")));
    locked.keep_record("p", &id(0), b"again").unwrap();
    assert_eq!(store.records("p").unwrap().len(), MAX_RECORDS);
    let large = vec![b'x'; MAX_FILE_SIZE + 1];
    assert!(too_large(locked.keep_record("q", &ID, &large)));
    locked.keep_record("q", &ID, &large[1..]).unwrap();
    for product in 2..MAX_PRODUCTS {
        fs::create_dir(store.root().join(format!("records/{product}"))).unwrap();
    }
    assert!(too_large(locked.keep_record("r", &ID, b"one")));
    assert_eq!(store.products().unwrap().len(), MAX_PRODUCTS);

    let mut change = locked.change().unwrap();
    assert!(too_large(change.keep_token(&ID, &large)));
    assert!(too_large(change.keep_anchors(&large)));
    assert!(too_large(change.keep_anchors_updates(&large)));
    assert!(too_large(change.keep_list("a", &vec![0; MAX_LIST_SIZE + 1], None)));
    assert!(too_large(change.keep_list("a", b"", Some(&vec![0; MAX_INDEX_SIZE + 1]))));
    change.keep_list("a", &vec![0; MAX_LIST_SIZE], Some(&vec![0; MAX_INDEX_SIZE])).unwrap();
    for number in 0..MAX_TOKENS {
        change.keep_token(&id(number), b"one").unwrap();
    }
    assert!(too_large(change.keep_token(&id(MAX_TOKENS), b"one")));
    for number in 1..MAX_LISTS {
        change.keep_list(&format!("list-{number}"), b"list", None).unwrap();
    }
    assert!(too_large(change.keep_list("b", b"list", None)));
    change.keep_list("list-1", b"again", None).unwrap();
    change.commit().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!((snapshot.tokens().unwrap().len(), snapshot.lists().unwrap().len()), (MAX_TOKENS, MAX_LISTS));
    let index = snapshot.lists().unwrap()[0].index.as_ref().unwrap();
    assert_eq!(index.size(), MAX_INDEX_SIZE as u64);
    assert!(names(&store).iter().all(|name| !name.contains("/.") && !name.contains("new")));

    // Put there by other means.
    fs::write(store.root().join("installed/tokens/x.pem"), b"x").unwrap();
    fs::write(store.root().join("installed/lists/x.list"), b"x").unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(matches!(snapshot.tokens(), Err(StoreError::TooLarge(_))));
    assert!(matches!(snapshot.lists(), Err(StoreError::TooLarge(_))));
    drop(locked);
}

#[test]
fn one_clock_request_is_kept_and_its_answer_may_lower_the_floor() {
    let (_folder, store) = store();
    assert_eq!(store.clock_request().unwrap(), None);
    let locked = store.lock().unwrap();
    assert!(!locked.remove_clock_request().unwrap());
    locked.keep_clock_request(b"one").unwrap();
    locked.keep_clock_request(b"two").unwrap();
    assert_eq!(store.clock_request().unwrap(), Some(b"two".to_vec()));
    assert!(locked.remove_clock_request().unwrap());
    assert_eq!(store.clock_request().unwrap(), None);
    assert!(matches!(locked.keep_clock_request(&[0; 16 * 1024 + 1]), Err(StoreError::TooLarge(_))));
}
