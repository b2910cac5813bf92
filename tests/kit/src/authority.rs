//! Certificates for keys on cards, made by OpenSSL.

use std::fs;

use tempfile::TempDir;

use crate::run::Run;

/// A throw-away certification authority. Its certificates come from OpenSSL, so none of our code agrees with itself.
#[derive(Debug)]
pub struct TestAuthority {
    folder: TempDir,
}

impl TestAuthority {
    /// Makes a key on P-256 and a self-signed certificate; the subject is in OpenSSL's form, such as `/CN=Test CA`.
    ///
    /// # Panics
    /// If OpenSSL fails.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        let authority = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        authority
            .openssl(&["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-sha256", "-subj", subject])
            .output()
            .expect_code(0);
        authority
    }

    /// Its own certificate in PEM.
    ///
    /// # Panics
    /// If the file is gone.
    #[must_use]
    pub fn certificate(&self) -> String {
        fs::read_to_string(self.folder.path().join("ca.pem")).expect("the authority's certificate")
    }

    /// Certifies a public key (PEM) for two years. `extensions` are lines of an OpenSSL extension section, such as
    /// `keyUsage=critical,digitalSignature`; empty for none.
    ///
    /// # Panics
    /// If OpenSSL fails.
    #[must_use]
    pub fn certify(&self, public_key: &str, subject: &str, extensions: &str) -> String {
        let work = tempfile::tempdir_in(self.folder.path()).expect("a temporary folder");
        let file = |name: &str| work.path().join(name).display().to_string();
        fs::write(file("key.pem"), public_key).expect("a file");
        fs::write(file("extensions"), extensions).expect("a file");
        // A request has to be signed by its key, and that one is on a card: request for another key, then replace it.
        self.openssl(&["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-keyout", "/dev/null", "-out", &file("request"), "-subj", subject])
            .output()
            .expect_code(0);
        let output = self
            .openssl(&["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "730", "-sha256"])
            .args(["-set_serial", &serial(), "-in", &file("request"), "-extfile", &file("extensions")])
            .args(["-force_pubkey", &file("key.pem")])
            .output();
        output.expect_code(0).stdout_text()
    }

    fn openssl(&self, args: &[&str]) -> Run {
        Run::new("openssl").args(args).directory(self.folder.path())
    }
}

/// A random positive serial number; a counter would need a lock.
fn serial() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:#x}", (random >> 1) | 1)
}
