//! Paths through meshes and ladders of CAs (`src/pki/tests/scenes`), found and refused, by Countersign and others in
//! one process: what reading the certificates and judging them takes.

use crate::scenes::{DEFECTS, Defect, Scene, ladder, mesh};
use certval::{
    CertFile, CertSource, CertVector, CertificationPathResults, CertificationPathSettings, PDVCertificate,
    PkiEnvironment, TaSource, TimeOfInterest,
};
use countersign_pki::{Budget, Certificate, validate_path};
use openssl::{
    stack::Stack,
    x509::{
        X509, X509StoreContext,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::{Duration, Instant};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256};

type Make = fn(usize, Defect) -> Scene;

const SHAPES: [(&str, usize, Make); 5] =
    [("mesh", 8, mesh), ("mesh", 10, mesh), ("mesh", 20, mesh), ("ladder", 11, ladder), ("ladder", 30, ladder)];

/// Prints a line of JSON for each scene: the milliseconds of each, and whether webpki, which takes short paths only and
/// knows no policies, comes to the right end.
pub(crate) fn all() {
    for (shape, size, make) in SHAPES {
        for defect in [Defect::None].into_iter().chain(DEFECTS) {
            let scene = make(size, defect);
            let valid = defect == Defect::None;
            assert_eq!((countersign(&scene), openssl(&scene)), (valid, valid), "{shape} of {size}, {defect:?}");
            let right = webpki(&scene) == valid;
            let [own, openssl, webpki] = [countersign, openssl, webpki].map(|judge| milliseconds(judge, &scene));
            println!(
                "{{\"scene\": \"{shape} of {size}\", \"defect\": \"{defect:?}\", \"own\": {own}, \"OpenSSL\": {openssl}, \
                 \"webpki\": {webpki}, \"webpki is right\": {right}}}"
            );
        }
    }
}

/// Prints the milliseconds of certval for a shape without a defect. It has no budget: the caller sets a limit.
pub(crate) fn certval_alone(shape: &str, size: &str) {
    let found = SHAPES.into_iter().find(|(name, number, _)| *name == shape && number.to_string() == size);
    let (_, size, make) = found.expect("a shape and size that are measured");
    let scene = make(size, Defect::None);
    let start = Instant::now();
    assert!(certval(&scene), "a path");
    println!("{}", start.elapsed().as_secs_f64() * 1000.0);
}

/// The median of some rounds.
fn milliseconds(judge: fn(&Scene) -> bool, scene: &Scene) -> f64 {
    let begin = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < 3 || times.len() < 31 && begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        std::hint::black_box(judge(scene));
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn countersign(scene: &Scene) -> bool {
    let read = |der| Certificate::from_der(der).expect("a certificate");
    let untrusted: Vec<_> = scene.untrusted.iter().map(|der| read(der)).collect();
    let anchors = [read(&scene.anchor)];
    validate_path(&read(&scene.leaf), &untrusted, &anchors, &scene.rules(), &mut Budget::default()).is_ok()
}

fn openssl(scene: &Scene) -> bool {
    let read = |der: &[u8]| X509::from_der(der).expect("a certificate");
    let mut store = X509StoreBuilder::new().expect("a store");
    store.add_cert(read(&scene.anchor)).expect("an anchor");
    let mut rules = X509VerifyParam::new().expect("rules");
    rules.set_time(crate::NOW as i64);
    if scene.defect == Defect::NoPolicy {
        rules.set_flags(X509VerifyFlags::POLICY_CHECK | X509VerifyFlags::EXPLICIT_POLICY).expect("flags");
    }
    store.set_param(&rules).expect("rules");
    let mut untrusted = Stack::new().expect("a stack");
    for der in &scene.untrusted {
        untrusted.push(read(der)).expect("a certificate more");
    }
    let mut context = X509StoreContext::new().expect("a context");
    context.init(&store.build(), &read(&scene.leaf), &untrusted, |context| context.verify_cert()).expect("an answer")
}

fn webpki(scene: &Scene) -> bool {
    let anchor = CertificateDer::from(scene.anchor.as_slice());
    let anchors = [anchor_from_trusted_cert(&anchor).expect("an anchor")];
    let leaf = CertificateDer::from(scene.leaf.as_slice());
    let leaf = EndEntityCert::try_from(&leaf).expect("a certificate");
    let untrusted: Vec<_> = scene.untrusted.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(crate::NOW));
    let (algorithms, usage) = (&[ECDSA_P256_SHA256], KeyUsage::client_auth());
    leaf.verify_for_usage(algorithms, &anchors, &untrusted, now, usage, None, None).is_ok()
}

fn certval(scene: &Scene) -> bool {
    let file = |der: &Vec<u8>| CertFile { filename: String::new(), bytes: der.clone() };
    let now = TimeOfInterest::from_unix_secs(crate::NOW).expect("a time");
    let mut settings = CertificationPathSettings::new();
    settings.set_time_of_interest(now);
    settings.set_check_revocation_status(false);
    let mut environment = PkiEnvironment::new();
    environment.populate_5280_pki_environment();
    let mut anchors = TaSource::new();
    anchors.push(file(&scene.anchor));
    anchors.initialize().expect("anchors");
    environment.add_trust_anchor_source(Box::new(anchors));
    let mut untrusted = CertSource::new();
    scene.untrusted.iter().map(file).for_each(|certificate| untrusted.push(certificate));
    untrusted.initialize(&settings).expect("certificates");
    untrusted.find_all_partial_paths(&environment, &settings);
    environment.add_certificate_source(Box::new(untrusted));
    let leaf = PDVCertificate::try_from(scene.leaf.as_slice()).expect("a certificate");
    let mut paths = Vec::new();
    environment.get_paths_for_target(&leaf, &mut paths, 0, now).expect("paths");
    paths.iter_mut().any(|path| {
        let mut results = CertificationPathResults::new();
        environment.validate_path(&environment, &settings, path, &mut results).is_ok()
    })
}
