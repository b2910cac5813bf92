//! Certification paths of countersign-pki beside OpenSSL and certval, on cases that a seed makes.
//!
//! usage: differential [CASES [FIRST SEED]] | differential show SEED FOLDER
//!
//! `show` writes the certificates and lists of a case into a folder.
//! Every difference must be of a known class (`classes.rs`), or the run fails. Our own verdict and code must not depend
//! on the order and the repetition of the untrusted certificates and the lists.

mod case;
mod certval_oracle;
mod classes;
mod generator;
mod lists;
mod mutation;
mod openssl_oracle;
mod ours;
mod random;

use case::Case;
use classes::{CLASSES, Difference};
use random::Random;
use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

const CASES: u64 = 6_000;

#[derive(Default)]
struct Counts {
    agreed: u64,
    explained: BTreeMap<usize, u64>,
    unexplained: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [show, seed, folder] = arguments.as_slice()
        && show == "show"
    {
        write(&generator::make(seed.parse().expect("a number")), Path::new(folder));
        return ExitCode::SUCCESS;
    }
    let mut numbers = arguments.iter().map(|text| text.parse::<u64>().expect("a number"));
    let (cases, first) = (numbers.next().unwrap_or(CASES), numbers.next().unwrap_or(1));
    let mut counts = BTreeMap::from([("OpenSSL", Counts::default()), ("certval", Counts::default())]);
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut dependent = 0;
    for seed in first..first + cases {
        let case = generator::make(seed);
        let ours = ours::judge(&case);
        *codes.entry(ours.as_ref().map_or_else(|kind| kind.code(), |()| "valid")).or_default() += 1;
        let (mut untrusted, mut lists) = (case.untrusted.clone(), case.lists.clone());
        let mut random = Random::new(!seed);
        repeat_and_shuffle(&mut random, &mut untrusted);
        lists.iter_mut().for_each(|lists| repeat_and_shuffle(&mut random, lists));
        let again = ours::judge_again(&case, &untrusted, lists.as_deref());
        if again != ours {
            dependent += 1;
            println!("seed {seed} {:?}: {ours:?}, in another order {again:?}", case.features);
        }
        let (openssl, certval) = (openssl_oracle::judge(&case), certval_oracle::judge(&case));
        for (oracle, theirs, other) in [("OpenSSL", &openssl, &certval), ("certval", &certval, &openssl)] {
            let counts = counts.entry(oracle).or_default();
            if ours.is_ok() == theirs.is_ok() {
                counts.agreed += 1;
                continue;
            }
            let told = ours.as_ref().err().map(|kind| (kind.code(), ours::detail(kind)));
            let difference = Difference {
                case: &case,
                ours: told,
                theirs: theirs.as_ref().err().map(String::as_str),
                alone: other.is_ok() == ours.is_ok(),
            };
            let class = CLASSES.iter().position(|class| class.oracle == oracle && (class.explains)(&difference));
            match class {
                Some(class) => *counts.explained.entry(class).or_default() += 1,
                None => {
                    counts.unexplained += 1;
                    println!("seed {seed} {:?}: {ours:?}, {oracle} {theirs:?}", case.features);
                }
            }
        }
    }
    println!("{cases} cases from seed {first} on, {}", openssl_oracle::version());
    println!("our outcomes: {codes:?}");
    println!("outcomes that depend on the order: {dependent}");
    let mut failed = dependent > 0;
    for (oracle, counts) in counts {
        println!("{oracle}: {} agree, {} differ without an explanation", counts.agreed, counts.unexplained);
        for (class, count) in counts.explained {
            println!("{count:>7} {}", CLASSES[class].reason);
        }
        failed |= counts.unexplained > 0;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn repeat_and_shuffle(random: &mut Random, items: &mut Vec<Vec<u8>>) {
    for _ in 0..if items.is_empty() { 0 } else { 2 } {
        items.push(items[random.below(items.len())].clone());
    }
    random.shuffle(items);
}

fn write(case: &Case, folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let put = |name: String, der: &[u8]| fs::write(folder.join(name), der).expect("a file");
    put("leaf.cer".to_owned(), &case.leaf);
    let lists = case.lists.as_deref().unwrap_or_default();
    for (kind, end, all) in
        [("untrusted", "cer", &case.untrusted[..]), ("anchor", "cer", &case.anchors), ("list", "crl", lists)]
    {
        for (number, der) in all.iter().enumerate() {
            put(format!("{kind}-{number}.{end}"), der);
        }
    }
    for der in case.untrusted.iter().chain([&case.leaf]) {
        if let Err(error) = countersign_pki::Certificate::from_der(der) {
            println!("{error}");
        }
    }
    println!(
        "{:?}; clientAuth asked for: {}; initial policies {:?}",
        case.features, case.client, case.initial_policies
    );
    let flags = (case.explicit_policy, case.inhibit_mapping, case.inhibit_any);
    println!("(explicit policy, mapping inhibited, anyPolicy inhibited): {flags:?}");
}
