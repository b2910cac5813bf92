//! A path of three under a revocation list with a million entries, checked by other libraries: what
//! `src/pki/benches/million.rs` measures of Countersign, from the files that it made, in the same form. And paths through
//! meshes and ladders of CAs, beside Countersign.
//!
//! usage: alternatives certval FOLDER | alternatives openssl FOLDER | alternatives webpki FOLDER |
//! alternatives paths | alternatives certval-path SHAPE SIZE

mod paths;
#[path = "../../../src/pki/tests/scenes/mod.rs"]
mod scenes;

use certval::{
    CertFile, CertVector, CertificationPath, CertificationPathResults, CertificationPathSettings, MemoryCrlSource,
    PDVCertificate, PDVTrustAnchorChoice, PkiEnvironment, TaSource, TimeOfInterest, check_revocation_local,
};
use openssl::{
    error::ErrorStack,
    ssl::SslFiletype,
    stack::Stack,
    x509::{
        X509, X509StoreContext,
        store::{X509Lookup, X509StoreBuilder},
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256,
};

/// 2026-06-01T00:00:00Z.
const NOW: u64 = 1_780_272_000;
const ROUNDS: usize = 7;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["certval", folder] => certval(Path::new(folder)).expect("a path"),
        ["openssl", folder] => openssl(Path::new(folder)).expect("a path"),
        ["webpki", folder] => webpki(Path::new(folder)),
        ["paths"] => paths::all(),
        ["certval-path", shape, size] => paths::certval_alone(shape, size),
        _ => panic!("usage: see the head of main.rs"),
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("a file")
}

/// certval copies a list out of its source and parses it again for each check.
fn certval(folder: &Path) -> certval::Result<()> {
    let [root, authority, leaf, root_list, list] =
        ["root.der", "authority.der", "leaf.der", "root.crl", "authority.crl"].map(|name| read(folder, name));
    let start = Instant::now();
    let mut anchors = TaSource::new();
    anchors.push(CertFile { filename: "root".to_owned(), bytes: root.clone() });
    anchors.initialize()?;
    let lists = MemoryCrlSource::new();
    assert!(lists.add(&root_list) && lists.add(&list));
    let mut environment = PkiEnvironment::new();
    environment.populate_5280_pki_environment();
    environment.add_trust_anchor_source(Box::new(anchors));
    environment.add_crl_source(Box::new(lists));
    let mut settings = CertificationPathSettings::new();
    settings.set_time_of_interest(TimeOfInterest::from_unix_secs(NOW).expect("a time"));
    settings.set_check_revocation_status(true);
    settings.set_check_crls(true);
    let check = || {
        let anchor = PDVTrustAnchorChoice::try_from(root.as_slice()).expect("an anchor");
        let authority = PDVCertificate::try_from(authority.as_slice()).expect("a certificate");
        let leaf = PDVCertificate::try_from(leaf.as_slice()).expect("a certificate");
        let mut path = CertificationPath::new(anchor, vec![authority], leaf);
        let mut results = CertificationPathResults::new();
        environment.validate_path(&environment, &settings, &mut path, &mut results).expect("a path");
        check_revocation_local(&environment, &settings, &path, &mut results).expect("a status");
    };
    check();
    report(start.elapsed(), check);
    Ok(())
}

/// OpenSSL keeps a list parsed in its store, where it is loaded from the file.
fn openssl(folder: &Path) -> Result<(), ErrorStack> {
    let [root, authority, leaf] = ["root.der", "authority.der", "leaf.der"].map(|name| read(folder, name));
    let start = Instant::now();
    let [root, authority, leaf] = [X509::from_der(&root)?, X509::from_der(&authority)?, X509::from_der(&leaf)?];
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(root)?;
    let lookup = store.add_lookup(X509Lookup::file())?;
    for name in ["root.crl", "authority.crl"] {
        lookup.load_crl_file(folder.join(name), SslFiletype::ASN1)?;
    }
    let mut rules = X509VerifyParam::new()?;
    rules.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
    rules.set_time(NOW as i64);
    store.set_param(&rules)?;
    let store = store.build();
    let mut untrusted = Stack::new()?;
    untrusted.push(authority)?;
    let check = || {
        let mut context = X509StoreContext::new().expect("a context");
        let found = context.init(&store, &leaf, &untrusted, |context| {
            let found = context.verify_cert()?;
            assert!(found, "{}", context.error());
            Ok(found)
        });
        assert!(found.expect("a path"));
    };
    check();
    report(start.elapsed(), check);
    Ok(())
}

/// webpki reads a list where it lies and walks over it at each lookup.
fn webpki(folder: &Path) {
    let [root, authority, leaf, root_list, list] =
        ["root.der", "authority.der", "leaf.der", "root.crl", "authority.crl"].map(|name| read(folder, name));
    let start = Instant::now();
    let [root, authority, leaf] = [&root, &authority, &leaf].map(|der| CertificateDer::from(der.as_slice()));
    let lists: [CertRevocationList<'_>; 2] = [&root_list, &list]
        .map(|der| CertRevocationList::from(BorrowedCertRevocationList::from_der(der).expect("a list")));
    let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
    let anchors = [anchor_from_trusted_cert(&root).expect("an anchor")];
    let leaf = EndEntityCert::try_from(&leaf).expect("a certificate");
    let untrusted = [authority];
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let check = || {
        let revocation = RevocationOptionsBuilder::new(&lists)
            .expect("lists")
            .with_depth(RevocationCheckDepth::Chain)
            .with_status_policy(UnknownStatusPolicy::Deny)
            .build();
        let usage = KeyUsage::client_auth();
        let algorithms = &[ECDSA_P256_SHA256];
        leaf.verify_for_usage(algorithms, &anchors, &untrusted, now, usage, Some(revocation), None).expect("a path");
    };
    check();
    report(start.elapsed(), check);
}

/// Prints a line of JSON: milliseconds of the first check and of the next ones, and the most memory that was ever in
/// use, in KiB.
fn report(cold: Duration, check: impl Fn()) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            check();
            start.elapsed()
        })
        .collect();
    times.sort();
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{{\"cold\": {}, \"again\": {}, \"peak\": {peak}}}", milliseconds(cold), milliseconds(times[ROUNDS / 2]));
}
