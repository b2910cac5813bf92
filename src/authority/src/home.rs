//! The authority's folder.
//!
//! ```text
//! authority.toml      layout version, organization, day of founding
//! anchors.pem         the token root: goes into the product
//! holder-roots.pem    the root of the holders enrolled here
//! token-signer.pem    the certificate that signs tokens
//! keys/*.key.pem      their keys, encrypted, 0600
//! ledger.sqlite       what was issued
//! ```

use crate::{
    error::Error,
    files,
    keys::{FileKey, Signer},
};
use countersign_common::{Certificate, MAX_FILE_SIZE, decode_certificates};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the folder's layout.
const FORMAT: u32 = 1;
/// The largest authority.toml that is read, in octets.
const MAX_SETTINGS: usize = 64 * 1024;

const SETTINGS: &str = "authority.toml";

/// What authority.toml says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    format: u32,
    /// Name of the organization.
    organization: String,
    /// When it was founded, as RFC 3339.
    founded: String,
}

impl Settings {
    /// Settings of a new authority.
    pub(crate) fn new(organization: &str, founded: countersign_common::Time) -> Self {
        Self { format: FORMAT, organization: organization.to_owned(), founded: founded.to_string() }
    }
}

/// One of the authority's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    TokenRoot,
    HolderRoot,
    TokenSigner,
}

impl Role {
    fn key_file(self) -> &'static str {
        match self {
            Self::TokenRoot => "keys/token-root.key.pem",
            Self::HolderRoot => "keys/holder-root.key.pem",
            Self::TokenSigner => "keys/token-signer.key.pem",
        }
    }

    fn certificate_file(self) -> &'static str {
        match self {
            Self::TokenRoot => "anchors.pem",
            Self::HolderRoot => "holder-roots.pem",
            Self::TokenSigner => "token-signer.pem",
        }
    }

    /// For questions, as in "Passphrase of the token signer".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokenRoot => "token root",
            Self::HolderRoot => "holder root",
            Self::TokenSigner => "token signer",
        }
    }
}

/// An authority's folder that was found to be one.
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// Opens the folder of an authority.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = path.join(SETTINGS);
        let text = files::read_text(&file, MAX_SETTINGS).map_err(|error| match error {
            Error::File { fault, .. }
                if matches!(fault.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                Error::NoAuthority(path.to_owned())
            }
            error => error,
        })?;
        // The version first: what else a later release writes is not known here.
        let table: toml::Table = toml::from_str(&text).map_err(|error| Error::damaged(&file, error.message()))?;
        match table.get("format").and_then(toml::Value::as_integer).map(u32::try_from) {
            Some(Ok(FORMAT)) => {}
            Some(Ok(format)) if format > FORMAT => return Err(Error::AuthorityNewer { format }),
            _ => return Err(Error::damaged(&file, "no version of the layout")),
        }
        let _: Settings = toml::from_str(&text).map_err(|error| Error::damaged(&file, error.message()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes a new authority into an empty folder: the settings, and each key with its certificate.
    pub(crate) fn write(folder: &Path, settings: &Settings, parts: &[(Role, &[u8], &str)]) -> Result<(), Error> {
        use std::os::unix::fs::DirBuilderExt;
        let keys = folder.join("keys");
        std::fs::DirBuilder::new().mode(0o700).create(&keys).map_err(|fault| Error::file(&keys, fault))?;
        for (role, certificate, key) in parts {
            let pem = countersign_common::encode_certificate(certificate);
            files::write_new(&folder.join(role.certificate_file()), 0o644, pem.as_bytes())?;
            files::write_new(&folder.join(role.key_file()), 0o600, key.as_bytes())?;
        }
        files::sync_folder(&keys)?;
        let text = toml::to_string(settings).map_err(|error| Error::damaged(folder, error))?;
        files::write_new(&folder.join(SETTINGS), 0o644, text.as_bytes())
    }

    /// The ledger's file in a folder.
    pub(crate) fn ledger_file(folder: &Path) -> PathBuf {
        folder.join("ledger.sqlite")
    }

    /// Where this authority is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// DER of a certificate.
    pub(crate) fn certificate(&self, role: Role) -> Result<Vec<u8>, Error> {
        let path = self.path.join(role.certificate_file());
        let file = files::read(&path, MAX_FILE_SIZE)?;
        let mut certificates = decode_certificates(&file).map_err(|reason| Error::damaged(&path, reason))?;
        match (certificates.pop(), certificates.is_empty()) {
            (Some(der), true) => {
                Certificate::from_der(&der).map_err(|error| Error::damaged(&path, error))?;
                Ok(der)
            }
            _ => Err(Error::damaged(&path, "not one certificate")),
        }
    }

    /// Opens a key, and holds it against its certificate.
    pub(crate) fn signer(&self, role: Role, passphrase: &str) -> Result<Signer, Error> {
        let certificate = self.certificate(role)?;
        let key = FileKey::open(&self.path.join(role.key_file()), passphrase)?;
        Signer::new(certificate, Box::new(key))
    }
}
