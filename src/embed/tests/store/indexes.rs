//! An index counts only for the list that it was kept with.

use crate::support::{ID, change, store};
use countersign::Store;
use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
};

type Edit<'a> = &'a dyn Fn(&Path);

fn has_index(store: &Store) -> bool {
    store.snapshot().unwrap().lists().unwrap()[0].index.is_some()
}

#[test]
fn a_list_that_changed_has_lost_its_index() {
    let set_back = |path: &Path, write: fn(&File)| {
        let file = File::options().write(true).open(path).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        write(&file);
        file.set_modified(modified).unwrap();
    };
    let changes: [(&str, Edit<'_>); 9] = [
        ("written to at once", &|path| {
            File::options().write(true).open(path).unwrap().write_at(b"L", 0).map(drop).unwrap();
        }),
        ("appended to", &|path| File::options().append(true).open(path).unwrap().write_all(b"x").unwrap()),
        ("appended to and set back", &|path| set_back(path, |mut file| file.write_all(b"list and more").unwrap())),
        ("cut off and set back", &|path| set_back(path, |file| file.set_len(1).unwrap())),
        ("another file with the same content", &|path| {
            let copy = path.with_extension("copy");
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            fs::copy(path, &copy).unwrap();
            File::options().write(true).open(&copy).unwrap().set_modified(modified).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
        ("writable for a group", &|path| fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap()),
        ("an index that is writable for all", &|path| {
            fs::set_permissions(path.with_extension("index"), Permissions::from_mode(0o646)).unwrap();
        }),
        ("an index that is cut off", &|path| fs::write(path.with_extension("index"), b"x").unwrap()),
        ("an index of something else", &|path| fs::write(path.with_extension("index"), [b'x'; 99]).unwrap()),
    ];
    for (what, edit) in changes {
        let (_folder, store) = store();
        change(&store, |change| change.keep_list("a", b"list", Some(b"index")).unwrap());
        assert!(has_index(&store), "{what}");
        edit(&store.root().join("installed/lists/a.list"));
        assert!(!has_index(&store), "{what}");
        change(&store, |change| change.keep_list("a", b"list", Some(b"index")).unwrap());
        assert!(has_index(&store), "{what}");
    }
}

#[test]
fn changes_of_other_files_leave_it_as_it_is() {
    let (_folder, store) = store();
    change(&store, |change| change.keep_list("a", b"list", Some(b"index")).unwrap());
    for number in 0..3 {
        change(&store, |change| change.keep_token(&ID, &[number]).unwrap());
        assert!(has_index(&store));
    }
    // Also where the change is not made, and where a list takes the place of one without.
    let mut locked = store.lock().unwrap();
    drop(locked.change().unwrap());
    assert!(has_index(&store));
    let mut change = locked.change().unwrap();
    change.keep_list("a", b"list", None).unwrap();
    change.keep_list("a", b"list", Some(b"")).unwrap();
    change.commit().unwrap();
    assert!(has_index(&store));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.lists().unwrap()[0].index.as_ref().unwrap().size(), 0);
}
