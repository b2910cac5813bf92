//! Certification paths through meshes and ladders of CAs, found and refused.
//! `cargo bench -p countersign-pki --bench paths`

#![allow(clippy::unwrap_used)]

#[path = "../tests/scenes/mod.rs"]
mod scenes;

use countersign_pki::{Budget, Certificate, validate_path};
use criterion::{Criterion, criterion_group, criterion_main};
use scenes::{DEFECTS, Defect, Scene, ladder, mesh};
use std::hint::black_box;

fn paths(criterion: &mut Criterion) {
    for (name, size, make) in [
        ("mesh", 8, mesh as fn(usize, Defect) -> Scene),
        ("mesh", 10, mesh),
        ("mesh", 20, mesh),
        ("ladder", 11, ladder),
        ("ladder", 30, ladder),
    ] {
        let mut group = criterion.benchmark_group(format!("{name} of {size}"));
        group.sample_size(10);
        for defect in [Defect::None].into_iter().chain(DEFECTS) {
            let scene = make(size, defect);
            let rules = scene.rules();
            group.bench_function(format!("{defect:?}"), |bencher| {
                bencher.iter(|| {
                    let untrusted: Vec<_> =
                        scene.untrusted.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
                    let leaf = Certificate::from_der(&scene.leaf).unwrap();
                    let anchors = [Certificate::from_der(&scene.anchor).unwrap()];
                    let outcome = validate_path(&leaf, &untrusted, &anchors, &rules, &mut Budget::default());
                    assert_eq!(outcome.is_ok(), defect == Defect::None);
                    black_box(outcome).is_ok()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
