//! TLS to a server with the ledger: the server is always verified, by certificates that the officer names.

use crate::{error::Error, files};
use countersign_common::decode_certificates;
use percent_encoding::percent_decode_str;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_postgres_rustls_improved::MakeRustlsConnect;

/// The largest file with certificates or a key that is read, in octets.
const MAX_SIZE: usize = 64 * 1024;

/// The files of a connection by TLS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TlsFiles {
    /// Certificates of who may vouch for the server, and nobody else may.
    pub(super) roots: PathBuf,
    /// The certificate that this side shows, with those between it and its root, and its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Takes out of a URL what it says about TLS, with the names that PostgreSQL's own programs have for it, and gives the
    /// rest of the URL; or what is wrong. Of their modes there is only the one in which the server and its name are verified.
    pub(super) fn taken_from(url: &str) -> Result<(String, Option<Self>), &'static str> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let [mut mode, mut roots, mut certificate, mut key] = [const { None::<String> }; 4];
        let mut others = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "sslmode" => &mut mode,
                "sslrootcert" => &mut roots,
                "sslcert" => &mut certificate,
                "sslkey" => &mut key,
                _ => {
                    others.push(pair);
                    continue;
                }
            };
            let value = percent_decode_str(value).decode_utf8().map_err(|_| "it is not UTF-8")?;
            if place.replace(value.into_owned()).is_some() {
                return Err("it says something twice");
            }
        }
        let rest = if query.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        if mode.as_deref().is_some_and(|mode| mode != "verify-full") {
            return Err("sslmode can only be verify-full");
        }
        let Some(roots) = roots else {
            return match (mode, certificate, key) {
                (None, None, None) => Ok((rest, None)),
                _ => Err("TLS needs sslrootcert, the certificates that vouch for the server"),
            };
        };
        let own = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((whole(certificate)?, whole(key)?)),
            _ => return Err("sslcert and sslkey go together"),
        };
        Ok((rest, Some(Self { roots: whole(roots)?, own })))
    }

    /// Reads the files. Only TLS 1.3 is spoken, as every server that is new enough can.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, Error> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.roots)? {
            roots.add(root).map_err(|_| unfit(&self.roots, NO_CERTIFICATES))?;
        }
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(|fault| Error::LedgerUrl(fault.to_string()))?
            .with_root_certificates(roots);
        let client = match &self.own {
            None => client.with_no_client_auth(),
            Some((certificate, path)) => {
                let octets = files::read_private(path, MAX_SIZE)?;
                let key = PrivateKeyDer::from_pem_slice(&octets)
                    .map_err(|_| unfit(path, "has no key in PEM that is not encrypted"))?;
                client.with_client_auth_cert(certificates(certificate)?, key).map_err(|_| {
                    unfit(path, "has not the key of the certificate in sslcert, or none that TLS can use")
                })?
            }
        };
        Ok(MakeRustlsConnect::new(client))
    }
}

const NO_CERTIFICATES: &str = "has no certificates that TLS can use";

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = decode_certificates(&files::read(path, MAX_SIZE)?).map_err(|_| unfit(path, NO_CERTIFICATES))?;
    Ok(all.into_iter().map(CertificateDer::from).collect())
}

fn unfit(path: &Path, why: &str) -> Error {
    Error::LedgerUrl(format!("{} {why}", path.display()))
}

/// A path that means the same in each folder.
fn whole(path: String) -> Result<PathBuf, &'static str> {
    Some(PathBuf::from(path)).filter(|path| path.is_absolute()).ok_or("its files are named by their whole path")
}
