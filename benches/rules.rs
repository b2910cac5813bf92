//! What the rules cost beside the signature verifications that they must make, in one run.
//!
//! `validate` gets octets and facts in memory. The four verifications beside it are made with keys that are ready,
//! which is more than any verdict can have: a record brings three keys that nobody has seen before.

use countersign::{LocalMachine, Machine as _};
use countersign_common::{
    Anchors, Certificate, Facts, NO_LISTS, Product, PublicKey, SignatureAlgorithm, SignedObject, SigningRequest, Time,
    VerifiedToken, oid, validate,
};
use countersign_testpki::{
    Cast, Identity,
    objects::{example_machine, machine},
};
use criterion::{Criterion, criterion_group, criterion_main};
use der::Encode as _;
use std::{hint::black_box, time::Duration};

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

fn rules(criterion: &mut Criterion) {
    for (name, cast) in [("p256", Cast::new()), ("rsa2048", Cast::rsa())] {
        verdicts(criterion, name, &cast);
        issuing(criterion, name, &cast);
    }
    criterion.bench_function("machine/identity", |bencher| bencher.iter(|| LocalMachine.facts()));
}

fn verdicts(criterion: &mut Criterion, name: &str, cast: &Cast) {
    let record = cast.record(|_| {}, |_| {}, |_| {});
    let machine = machine(&example_machine());
    let anchors = Anchors::new([&cast.token_root.certificate[..]]).expect("anchors");
    let product = Product { version: "2.1".parse().ok(), ..Product::new("control-room") };
    let now = Some(time("2026-07-01T00:00:00Z"));
    let facts = Facts { now, newest_time_seen: None, product, machine: &machine, anchors: &anchors, lists: &NO_LISTS };
    assert!(validate(&record, &facts).state.is_activated());

    let signed = [&cast.token_root, &cast.token_signer, &cast.holder_root, &cast.holder].map(ready);
    let mut group = criterion.benchmark_group(name);
    group.bench_function("four verifications", |bencher| {
        bencher.iter(|| signed.iter().for_each(verify));
    });
    group.bench_function("validate", |bencher| bencher.iter(|| validate(black_box(&record), &facts)));
    group.finish();
}

/// A key that is ready, how it signs, and its signature.
fn ready(identity: &Identity) -> (PublicKey, SignatureAlgorithm, Vec<u8>) {
    let algorithm = identity.key.algorithm();
    let key = PublicKey::from_spki(&identity.key.spki()).expect("a key");
    (key, algorithm, identity.key.sign(algorithm, b"message"))
}

fn verify((key, algorithm, signature): &(PublicKey, SignatureAlgorithm, Vec<u8>)) {
    key.verify(*algorithm, b"message", signature).expect("a signature");
}

/// Issuing a token: encode, sign, read again, verify, beside one signature and the two verifications.
fn issuing(criterion: &mut Criterion, name: &str, cast: &Cast) {
    let body = cast.token_body();
    let signer = Certificate::from_der(&cast.token_signer.certificate).expect("a certificate");
    let anchors = Anchors::new([&cast.token_root.certificate[..]]).expect("anchors");
    let algorithm = cast.token_signer.key.algorithm();
    let checks = [&cast.token_root, &cast.token_signer].map(ready);
    let mut group = criterion.benchmark_group(format!("{name}-issue"));
    group.bench_function("sign and verify", |bencher| {
        bencher.iter(|| {
            black_box(cast.token_signer.key.sign(algorithm, b"message"));
            checks.iter().for_each(verify);
        });
    });
    group.bench_function("issue", |bencher| {
        bencher.iter(|| {
            let content = body.to_der().expect("a body");
            let issued = time("2026-02-02T08:00:00Z");
            let request =
                SigningRequest::new(oid::CONTENT_TOKEN, &content, &signer, algorithm, issued).expect("a request");
            let signature = cast.token_signer.key.sign(algorithm, request.message());
            let token = request.finish(&signature, &[], None).expect("a token");
            let object = SignedObject::from_der(&token).expect("an object");
            VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token that verifies").body().revision
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(40).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = rules
}
criterion_main!(benches);
