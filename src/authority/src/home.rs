//! The authority's folder.
//!
//! ```text
//! authority.toml      layout version, organization, day of founding; the ledger's URL, where it is on a server
//! anchors.pem         the token anchors: go into the product
//! holder-roots.pem    the roots of the holders enrolled here
//! *-across.pem        certificates of roots by other roots, after a root was rolled over
//! ROLE.pem            the first certificate of each role; ROLE-2.pem the second, and so on
//! keys/ROLE.key.pem   their keys, encrypted, 0600
//! keys/ROLE.key.toml  instead of it, where a key in hardware is
//! ledger.sqlite       what was issued and revoked, unless that is on a server; ledger.sqlite-wal belongs to it
//! ```
//!
//! The keys of the roots may lie on a medium in a safe instead, in one folder and under the same names.
//! Several folders may have one ledger on a server. Each is held against it when it is opened.
//!
//! The last certificate of a role that the ledger has is the one in use. Those before stay: a root goes on signing the
//! list of what it issued.

use crate::{
    certs::Lifetime,
    custody::Written,
    error::Error,
    files,
    keys::StoredKey,
    ledger::{Ledger, Place, ServerUrl},
    register::founding_certificates,
    role::{ANCHORS, Role},
    words::{Interval, hex_octets},
};
use countersign_common::{CLOCK_TOLERANCE, Certificate, MAX_FILE_SIZE, Time, decode_certificates, encode_certificate};
use serde::{Deserialize, Serialize};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

/// The version of the folder's layout.
const FORMAT: u32 = 3;
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
    /// The URL of the ledger, where it is on a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
}

impl Settings {
    /// Settings of a new authority.
    pub(crate) fn new(organization: &str, founded: Time, ledger: Option<&ServerUrl>) -> Self {
        Self {
            format: FORMAT,
            organization: organization.to_owned(),
            founded: founded.to_string(),
            ledger: ledger.map(ToString::to_string),
        }
    }

    /// Where the ledger of the authority in a folder is.
    pub(crate) fn ledger(&self, folder: &Path) -> Result<Place, Error> {
        match &self.ledger {
            Some(url) => Ok(Place::Server(url.parse()?)),
            None => Ok(Place::File(folder.join("ledger.sqlite"))),
        }
    }
}

/// An authority's folder that was found to be one.
pub(crate) struct Home {
    path: PathBuf,
    organization: String,
    ledger: Place,
    /// The ledger as it was opened with the folder, until somebody asks for it.
    opened: Cell<Option<Ledger>>,
    /// How many certificates each role has had, in the order of [`Role::ALL`]; the last one is in use.
    places: [usize; 6],
}

impl Home {
    /// Opens the folder of an authority.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let settings = Self::settings(path)?;
        let place = settings.ledger(path)?;
        let ledger = Ledger::open(&place)?;
        let mut home = Self {
            path: path.to_owned(),
            organization: settings.organization,
            ledger: place,
            opened: Cell::new(None),
            places: [1; 6],
        };
        let renewals = ledger.renewals()?;
        for (place, role) in home.places.iter_mut().zip(Role::ALL) {
            *place = 1 + renewals.iter().filter(|(of, _)| of == role.slug()).count();
        }
        if matches!(home.ledger, Place::Server(_)) {
            home.check_folder(&ledger, &renewals)?;
        }
        home.opened.set(Some(ledger));
        Ok(home)
    }

    /// Refuses a folder that is not of the authority whose ledger it is, or that lacks what was renewed from another folder.
    fn check_folder(&self, ledger: &Ledger, renewals: &[(String, String)]) -> Result<(), Error> {
        let founding = ledger.entry(1)?.map(|entry| entry.body);
        let founding = founding.iter().flat_map(founding_certificates);
        let renewed = renewals.iter().filter_map(|(role, der)| Some((Role::from_name(role)?, der.as_str())));
        let mut seen = Vec::new();
        for (role, der) in founding.chain(renewed) {
            seen.push(role);
            let place = seen.iter().filter(|of| **of == role).count();
            let file = self.path.join(role.certificate_file(place));
            if !file.exists() {
                return Err(Error::FolderBehind { path: file });
            }
            if Some(self.certificate_at(role, place)?) != hex_octets(der) {
                return Err(Error::OtherLedger(format!("it has another certificate than {}", file.display())));
            }
        }
        if seen.len() < Role::ALL.len() {
            return Err(Error::OtherLedger("it does not begin with the founding of an authority".to_owned()));
        }
        for role in [Role::TokenRoot, Role::HolderRoot] {
            let Some(collection) = role.collection() else { continue };
            if !self.collected(collection)?.contains(&self.certificate(role)?) {
                return Err(Error::FolderBehind { path: self.path.join(collection) });
            }
        }
        Ok(())
    }

    /// Opens the ledger in the folder of an authority, without asking it which keys are in use: it may be wrong.
    pub(crate) fn ledger_alone(path: &Path) -> Result<Ledger, Error> {
        Ledger::open(&Self::settings(path)?.ledger(path)?)
    }

    fn settings(path: &Path) -> Result<Settings, Error> {
        let file = path.join(SETTINGS);
        let text = files::read_text(&file, MAX_SETTINGS).map_err(|error| match error {
            Error::File { fault, .. }
                if matches!(fault.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                Error::NoAuthority(path.to_owned())
            }
            error => error,
        })?;
        // The version first: what else another release writes is not known here.
        let table: toml::Table = toml::from_str(&text).map_err(|error| Error::damaged(&file, error.message()))?;
        match table.get("format").and_then(toml::Value::as_integer).map(u32::try_from) {
            Some(Ok(FORMAT)) => {}
            Some(Ok(format)) if format > FORMAT => return Err(Error::AuthorityNewer { format }),
            Some(Ok(format)) => return Err(Error::AuthorityOlder { format }),
            _ => return Err(Error::damaged(&file, "no version of the layout")),
        }
        toml::from_str(&text).map_err(|error| Error::damaged(&file, error.message()))
    }

    /// Writes a new authority into an empty folder: the settings, and each key with its certificate. Keys of roots go to
    /// `offline` where that is stated; what was written there goes again unless it is kept.
    pub(crate) fn write(
        folder: &Path,
        settings: &Settings,
        parts: &[(Role, &[u8], &StoredKey)],
        offline: Option<&Path>,
    ) -> Result<Written, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let keys = folder.join("keys");
        std::fs::DirBuilder::new().mode(0o700).create(&keys).map_err(|fault| Error::file(&keys, fault))?;
        let mut written = Written::default();
        for (role, certificate, key) in parts {
            let pem = encode_certificate(certificate);
            files::write_new(&folder.join(role.certificate_file(1)), 0o644, pem.as_bytes())?;
            written.key(folder, *role, 1, key, offline)?;
            if let Some(collection) = role.collection() {
                files::write_new(&folder.join(collection), 0o644, pem.as_bytes())?;
            }
        }
        files::sync_folder(&keys)?;
        let text = toml::to_string(settings).map_err(|error| Error::damaged(folder, error))?;
        files::write_new(&folder.join(SETTINGS), 0o644, text.as_bytes())?;
        Ok(written)
    }

    /// Adds a key and its certificate beside those that the role has; they are in use once the ledger has the
    /// certificate. What a renewal that was cut off left at this place goes.
    pub(crate) fn add(
        &self,
        role: Role,
        place: usize,
        certificate: &[u8],
        key: &StoredKey,
        offline: Option<&Path>,
        written: &mut Written,
    ) -> Result<(), Error> {
        let certificate_file = self.path.join(role.certificate_file(place));
        if certificate_file.exists() {
            let left_behind = self.certificate_at(role, place)?;
            if let Some(collection) = role.collection() {
                let mut all = self.collected(collection)?;
                all.retain(|der| *der != left_behind);
                self.replace_collection(collection, &all)?;
            }
        }
        for file in [role.certificate_file(place), role.key_file(place), role.reference_file(place)] {
            let file = self.path.join(file);
            match std::fs::remove_file(&file) {
                Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(Error::file(&file, fault)),
                _ => {}
            }
        }
        written.key(&self.path, role, place, key, offline)?;
        written.make(&certificate_file, 0o644, encode_certificate(certificate).as_bytes())?;
        files::sync_folder(&self.path.join("keys"))?;
        files::sync_folder(&self.path)?;
        if let Some(collection) = role.collection() {
            let mut all = self.collected(collection)?;
            all.push(certificate.to_vec());
            written.replace(&self.path.join(collection), encoded(&all).as_bytes())?;
        }
        Ok(())
    }

    /// Where the ledger is.
    pub(crate) fn ledger_place(&self) -> &Place {
        &self.ledger
    }

    /// The ledger, open. Each time another one.
    pub(crate) fn ledger(&self) -> Result<Ledger, Error> {
        self.opened.take().map_or_else(|| Ledger::open(&self.ledger), Ok)
    }

    /// Makes these the certificates of roots of a role by other roots: what a ceremony that was cut off left there goes.
    pub(crate) fn replace_across(&self, role: Role, all: &[Vec<u8>], written: &mut Written) -> Result<(), Error> {
        written.replace(&self.path.join(Self::across_file(role)), encoded(all).as_bytes())
    }

    /// DER of the certificates of roots of a role by other ones.
    pub(crate) fn across(&self, role: Role) -> Result<Vec<Vec<u8>>, Error> {
        let file = Self::across_file(role);
        if self.path.join(file).exists() { self.collected(file) } else { Ok(Vec::new()) }
    }

    const fn across_file(role: Role) -> &'static str {
        match role {
            Role::HolderRoot => "holder-roots-across.pem",
            _ => "token-roots-across.pem",
        }
    }

    /// Where this authority is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the organization.
    pub(crate) fn organization(&self) -> &str {
        &self.organization
    }

    /// The place of the certificate in use among those of its role, counted from 1.
    pub(crate) fn place(&self, role: Role) -> usize {
        Role::ALL.into_iter().zip(self.places).find(|(of, _)| *of == role).map_or(1, |(_, place)| place)
    }

    /// DER of the certificate in use.
    pub(crate) fn certificate(&self, role: Role) -> Result<Vec<u8>, Error> {
        self.certificate_at(role, self.place(role))
    }

    /// DER of the certificate at a place among those of its role.
    pub(crate) fn certificate_at(&self, role: Role, place: usize) -> Result<Vec<u8>, Error> {
        let file = role.certificate_file(place);
        let mut certificates = self.collected(&file)?;
        match (certificates.pop(), certificates.is_empty()) {
            (Some(der), true) => Ok(der),
            _ => Err(Error::damaged(&self.path.join(file), "not one certificate")),
        }
    }

    /// DER of the own token roots, the first one first.
    pub(crate) fn token_roots(&self) -> Result<Vec<Vec<u8>>, Error> {
        (1..=self.place(Role::TokenRoot)).map(|place| self.certificate_at(Role::TokenRoot, place)).collect()
    }

    /// DER of the token anchors: what goes into the product.
    pub(crate) fn anchors(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.collected(ANCHORS)
    }

    /// The file with them.
    pub(crate) fn anchors_file(&self) -> PathBuf {
        self.path.join(ANCHORS)
    }

    /// DER of the roots of the holders enrolled here.
    pub(crate) fn holder_roots(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.collected("holder-roots.pem")
    }

    /// How long the certificate of a person is valid under a root in use. It begins a little before now, since the clock
    /// of a machine may lag behind the authority's, and ends with the root at the latest.
    pub(crate) fn lifetime_under(&self, root: Role, validity: Interval, now: Time) -> Result<Lifetime, Error> {
        lifetime_under(&self.certificate(root)?, root, validity, now)
    }

    /// Replaces the token anchors as a whole.
    pub(crate) fn replace_anchors(&self, all: &[Vec<u8>]) -> Result<(), Error> {
        self.replace_collection(ANCHORS, all)
    }

    fn collected(&self, file: &str) -> Result<Vec<Vec<u8>>, Error> {
        let path = self.path.join(file);
        let text = files::read(&path, MAX_FILE_SIZE)?;
        let certificates = decode_certificates(&text).map_err(|reason| Error::damaged(&path, reason))?;
        for der in &certificates {
            Certificate::from_der(der).map_err(|error| Error::damaged(&path, error))?;
        }
        Ok(certificates)
    }

    fn replace_collection(&self, file: &str, all: &[Vec<u8>]) -> Result<(), Error> {
        files::replace(&self.path.join(file), encoded(all).as_bytes())
    }
}

fn encoded(all: &[Vec<u8>]) -> String {
    all.iter().map(|der| encode_certificate(der)).collect()
}

/// As [`Home::lifetime_under`], by the DER of the root's certificate.
pub(crate) fn lifetime_under(certificate: &[u8], root: Role, validity: Interval, now: Time) -> Result<Lifetime, Error> {
    let end = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?.not_after();
    let not_after = now.plus(validity.0.into());
    if not_after > end {
        return Err(Error::Usage(format!("the {} ends {end}: shorten --validity", root.name())));
    }
    Ok(Lifetime { not_before: now.minus(CLOCK_TOLERANCE), not_after })
}
