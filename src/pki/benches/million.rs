//! A path of three under a revocation list with a million entries, P-256: what the first check costs, what the next
//! ones cost and how much memory the process takes. `scripts/bench.py` runs it beside the programs of
//! `benches/alternatives`, each check in a process of its own.
//!
//! usage: million make FOLDER [COUNT] | million borrowed FOLDER | million indexed FOLDER

use countersign_pki::{
    Budget, Certificate, PathRules, RevocationList, RevocationRules, Source, SourceError, validate_path,
};
use countersign_testpki::{
    Key, List, Request,
    certificates::{DIGITAL_SIGNATURE, ca, key_usage},
    crls::entries,
};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

const ROUNDS: usize = 21;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["make", folder] => make(Path::new(folder), 1_000_000),
        ["make", folder, count] => make(Path::new(folder), count.parse().expect("a number")),
        ["borrowed", folder] => borrowed(Path::new(folder)),
        ["indexed", folder] => indexed(Path::new(folder)),
        _ => panic!("usage: million make FOLDER [COUNT] | million borrowed FOLDER | million indexed FOLDER"),
    }
}

fn make(folder: &Path, count: u64) {
    let root = Request::new("Root", Key::p256("root"), ca(None)).self_signed();
    let authority = Request::new("Authority", Key::p256("authority"), ca(None)).issued_by(&root);
    let leaf = Request::new("Leaf", Key::p256("leaf"), vec![key_usage(DIGITAL_SIGNATURE)]).issued_by(&authority);
    let mut list = List::new(&authority);
    list.entries = entries(count);
    let list = list.sign(&authority.key);
    let index = RevocationList::from_der(&list).and_then(|list| list.index()).expect("an index");
    let root_list = List::new(&root).sign(&root.key);
    fs::create_dir_all(folder).expect("a folder");
    for (name, octets) in [
        ("root.der", &root.certificate),
        ("authority.der", &authority.certificate),
        ("leaf.der", &leaf.certificate),
        ("root.crl", &root_list),
        ("authority.crl", &list),
        ("authority.index", &index),
    ] {
        fs::write(folder.join(name), octets).expect("a file");
    }
}

/// The list in memory, as one that was just received.
fn borrowed(folder: &Path) {
    let octets = fs::read(folder.join("authority.crl")).expect("a list");
    measure(folder, || RevocationList::from_der(&octets).expect("a list"));
}

/// The list as one that was installed before, read only where it is needed.
fn indexed(folder: &Path) {
    let open = |name: &str| Opened::new(&folder.join(name));
    let (list, index) = (open("authority.crl"), open("authority.index"));
    measure(folder, || RevocationList::open(&list, &index).expect("a list"));
}

#[derive(Debug)]
struct Opened(File, u64);

impl Opened {
    fn new(path: &Path) -> Self {
        let file = File::open(path).expect("a file");
        let size = file.metadata().expect("its size").len();
        Self(file, size)
    }
}

impl Source for Opened {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        self.0.read_exact_at(into, offset).map_err(|_| SourceError)
    }
}

/// Prints a line of JSON: milliseconds of the first check, of the next ones, of one of them without the lists, of one
/// bare verification, and the most memory that was ever in use, in KiB.
fn measure<'l>(folder: &Path, list: impl FnOnce() -> RevocationList<'l>) {
    let [root, authority, leaf, root_list] =
        ["root.der", "authority.der", "leaf.der", "root.crl"].map(|name| fs::read(folder.join(name)).expect("a file"));
    let now = "2026-06-01T00:00:00Z".parse().expect("a time");
    let start = Instant::now();
    let [root, authority, leaf] =
        [&root, &authority, &leaf].map(|der| Certificate::from_der(der).expect("a certificate"));
    let lists = [RevocationList::from_der(&root_list).expect("a list"), list()];
    let revocation = RevocationRules { lists: &lists, required: true, current_at: Some(now), dated: false };
    let with_lists = PathRules { revocation: Some(revocation), ..PathRules::at(now) };
    let (untrusted, anchors) = ([authority], [root]);
    let check = |rules: &PathRules<'_>| {
        let path = validate_path(&leaf, &untrusted, &anchors, rules, &mut Budget::default()).expect("a path");
        path.lists().len()
    };
    assert_eq!(check(&with_lists), 2, "both lists were asked");
    let cold = start.elapsed();
    let again = median(|| check(&with_lists));
    let without = median(|| check(&PathRules::at(now)));
    let key = untrusted[0].public_key().expect("a key");
    let (algorithm, signature) = (Key::p256("leaf").algorithm(), Key::p256("authority"));
    let signature = signature.sign(algorithm, b"message");
    let bare = median(|| key.verify(algorithm, b"message", &signature).expect("a signature"));
    println!(
        "{{\"cold\": {}, \"again\": {}, \"without\": {}, \"bare\": {}, \"peak\": {}}}",
        milliseconds(cold),
        milliseconds(again),
        milliseconds(without),
        milliseconds(bare),
        peak()
    );
}

fn median<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The most memory that the process ever had in use, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
