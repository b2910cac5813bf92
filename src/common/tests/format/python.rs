//! What the second implementation under tests/python makes is accepted here.

use crate::support::repository;
use countersign_common::{Anchors, NO_LISTS, SignedObject, VerifiedToken, decode_certificates, decode_object};
use std::{path::Path, process::Command};

/// The interpreter of tests/python/venv.sh.
fn interpreter() -> Option<std::ffi::OsString> {
    if std::env::var_os("COUNTERSIGN_SKIP_PYTHON").is_some_and(|value| value == "1") {
        eprintln!("SKIPPED: the second implementation in Python was not run, since COUNTERSIGN_SKIP_PYTHON=1");
        return None;
    }
    Some(std::env::var_os("COUNTERSIGN_PYTHON").expect(
        "COUNTERSIGN_PYTHON must name the interpreter that tests/python/venv.sh prints; \
         COUNTERSIGN_SKIP_PYTHON=1 leaves these tests out",
    ))
}

fn run(python: &std::ffi::OsStr, arguments: &[&dyn AsRef<std::ffi::OsStr>]) {
    let output = Command::new(python)
        .arg(repository("tests/python/countersign_py.py"))
        .args(arguments)
        .output()
        .expect("COUNTERSIGN_PYTHON runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn verify(token: &Path, anchors: &Path) {
    let file = std::fs::read(token).unwrap();
    let der = decode_object(&file).unwrap();
    let roots = decode_certificates(&std::fs::read(anchors).unwrap()).unwrap();
    let anchors = Anchors::new(roots.iter().map(Vec::as_slice)).unwrap();
    let token = VerifiedToken::verify(SignedObject::from_der(&der).unwrap(), &anchors, &NO_LISTS).unwrap();
    assert_eq!(token.body().product.id, "control-room");
    assert_eq!(token.body().grants.len(), 2);
}

#[test]
fn tokens_made_in_python_are_accepted() {
    let Some(python) = interpreter() else { return };
    let directory = std::env::temp_dir().join(format!("countersign-python-{}", std::process::id()));
    run(&python, &[&"found", &directory]);
    let body = repository("fixtures/format/token-body.json");
    for signer in ["ed25519", "p256", "p384", "rsa", "rsa-pss"] {
        let out = directory.join(format!("token-{signer}.pem"));
        run(&python, &[&"issue", &"--dir", &directory, &"--signer", &signer, &"--json", &body, &"--out", &out]);
        verify(&out, &directory.join("anchors.pem"));
    }
    std::fs::remove_dir_all(directory).unwrap();
}
