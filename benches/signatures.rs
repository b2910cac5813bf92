//! One verification by each algorithm, the key ready, by the provider of this build: `--features aws-lc-rs` for the
//! other one.

use countersign_common::PublicKey;
use countersign_pki::PROVIDER;
use countersign_testpki::Key;
use criterion::{Criterion, criterion_group, criterion_main};
use std::{hint::black_box, time::Duration};

fn signatures(criterion: &mut Criterion) {
    let keys = [
        ("ed25519", Key::ed25519("benchmark")),
        ("p256", Key::p256("benchmark")),
        ("p384", Key::p384("benchmark")),
        ("rsa2048", Key::rsa_2048()),
        ("rsa3072", Key::rsa_of_size("benchmark", 3_072)),
    ];
    let mut group = criterion.benchmark_group(PROVIDER);
    for (name, key) in keys {
        let algorithm = key.algorithm();
        let signature = key.sign(algorithm, b"message");
        let public = PublicKey::from_spki(&key.spki()).expect("a key");
        group.bench_function(name, |bencher| {
            bencher.iter(|| public.verify(algorithm, black_box(b"message"), &signature).expect("a signature"));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_secs(1));
    targets = signatures
}
criterion_main!(benches);
