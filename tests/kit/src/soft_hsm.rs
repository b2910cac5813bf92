//! SoftHSM2: a PKCS#11 module that nobody here wrote, with tokens in a folder of its own.

use crate::{run::Run, tools::soft_hsm_module};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A SoftHSM2 of its own: programs that are to use it run with [`Run::soft_hsm`].
#[derive(Debug)]
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// The PIN of every token.
    pub const PIN: &'static str = "482915";

    /// One without tokens.
    ///
    /// # Panics
    /// If SoftHSM2 is not installed.
    #[must_use]
    pub fn new() -> Self {
        let hsm = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir(hsm.tokens()).expect("a folder");
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", hsm.tokens().display());
        fs::write(hsm.configuration(), text).expect("a file");
        hsm
    }

    /// With one token of this label.
    ///
    /// # Panics
    /// If SoftHSM2 is not installed.
    #[must_use]
    pub fn with_token(label: &str) -> Self {
        let hsm = Self::new();
        hsm.add_token(label);
        hsm
    }

    /// Adds a token; there may be one of the same label. Returns its serial number.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn add_token(&self, label: &str) -> String {
        Run::new("softhsm2-util")
            .soft_hsm(self)
            .args(["--init-token", "--free", "--label", label, "--so-pin", "11223344", "--pin", Self::PIN])
            .output()
            .expect_code(0);
        let slots = Run::new("softhsm2-util").soft_hsm(self).arg("--show-slots").output().expect_code(0).stdout_text();
        let serials = slots.lines().filter_map(|line| line.trim().strip_prefix("Serial number:"));
        // The slot behind the last token is always one that is not initialized yet.
        let serials: Vec<_> = serials.map(str::trim).filter(|serial| !serial.is_empty()).collect();
        (*serials.last().expect("a token")).to_owned()
    }

    /// Sets a token up anew, as its security officer can: its keys are gone.
    ///
    /// # Panics
    /// If that fails.
    pub fn set_up_again(&self, label: &str) {
        Run::new("softhsm2-util")
            .soft_hsm(self)
            .args(["--init-token", "--token", label, "--label", label, "--so-pin", "11223344", "--pin", Self::PIN])
            .output()
            .expect_code(0);
    }

    /// The URI of a token, and of a key where one is named.
    #[must_use]
    pub fn uri(token: &str, more: &str) -> String {
        format!("pkcs11:token={token}{more}?module-path={}", soft_hsm_module().display())
    }

    /// Takes all tokens away, or puts them back: an HSM that was unplugged.
    ///
    /// # Panics
    /// If the folder cannot be renamed.
    pub fn plug(&self, plugged: bool) {
        let away = self.folder.path().join("away");
        let (from, to) = if plugged { (away, self.tokens()) } else { (self.tokens(), away) };
        fs::rename(from, to).expect("a folder");
    }

    /// What `pkcs11-tool` says of a token's objects to somebody who has the PIN.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn objects(&self, token: &str) -> String {
        let tool = Run::new("pkcs11-tool").soft_hsm(self).arg("--module").arg(soft_hsm_module());
        tool.args(["--token-label", token, "--login", "--pin", Self::PIN, "--list-objects"])
            .output()
            .expect_code(0)
            .stdout_text()
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }
}

impl Default for SoftHsm {
    fn default() -> Self {
        Self::new()
    }
}
