//! Files of the repository that these tests read and write.

use std::path::PathBuf;

/// A path inside the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compares a file of the repository with what it should hold, or writes it where `UPDATE=1`.
pub(crate) fn expect_file(path: &str, expected: &[u8]) {
    let file = repository(path);
    if updating() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        return std::fs::write(file, expected).unwrap();
    }
    let found = std::fs::read(&file).unwrap_or_default();
    assert!(found == expected, "{path} differs; `UPDATE=1 cargo test -p countersign-common` writes it anew");
}

pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}
