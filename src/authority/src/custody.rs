//! The keys of an authority: where each one is, in its folder or on a medium in a safe, and what is undone where they could
//! not all be written.

use crate::{
    error::Error,
    files,
    home::Home,
    key_uri::KeyPlace,
    keys::{self, Custodian, InUse, Keyring, Signer, StoredKey},
    role::Role,
};
use countersign_common::{Certificate, MAX_FILE_SIZE};
use std::path::{Path, PathBuf};

/// What is kept of a key, found.
enum KeyFile {
    Encrypted(PathBuf),
    Reference(PathBuf),
}

impl KeyFile {
    fn path(&self) -> &Path {
        match self {
            Self::Encrypted(path) | Self::Reference(path) => path,
        }
    }
}

/// Files that were written for new keys. Unless they are kept, all is as it was before when this is dropped.
#[derive(Default)]
#[must_use]
pub(crate) struct Written {
    made: Vec<PathBuf>,
    /// With what they held before, if they were there.
    replaced: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Written {
    /// Writes what is kept of a key: to the medium where it is a root's and there is one.
    pub(crate) fn key(
        &mut self,
        folder: &Path,
        role: Role,
        place: usize,
        key: &StoredKey,
        offline: Option<&Path>,
    ) -> Result<(), Error> {
        let (file, text) = role.stored(place, key);
        let Some(medium) = offline.filter(|_| role.is_root()) else {
            return self.make(&folder.join(file), 0o600, text.as_bytes());
        };
        self.make(&medium.join(Path::new(&file).file_name().unwrap_or_default()), 0o600, text.as_bytes())?;
        files::sync_folder(medium)
    }

    /// Writes a file that is not there yet.
    pub(crate) fn make(&mut self, path: &Path, mode: u32, octets: &[u8]) -> Result<(), Error> {
        files::write_new(path, mode, octets)?;
        self.made.push(path.to_owned());
        Ok(())
    }

    /// Replaces a file as a whole, or makes it.
    pub(crate) fn replace(&mut self, path: &Path, octets: &[u8]) -> Result<(), Error> {
        let before = if path.exists() { Some(files::read(path, MAX_FILE_SIZE)?) } else { None };
        files::replace(path, octets)?;
        self.replaced.push((path.to_owned(), before));
        Ok(())
    }

    /// They stay. A key that nobody refers to does less harm than an entry of the ledger without its key: this comes before
    /// the commit.
    pub(crate) fn keep(&mut self) {
        self.made.clear();
        self.replaced.clear();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // What fails here leaves what the next renewal clears away, or is told of: nothing was entered.
        for path in &self.made {
            let _ = std::fs::remove_file(path);
        }
        for (path, before) in self.replaced.iter().rev() {
            let _ = match before {
                Some(octets) => files::replace(path, octets).is_ok(),
                None => std::fs::remove_file(path).is_ok(),
            };
        }
    }
}

impl Home {
    /// Opens the key in use, and holds it against its certificate.
    pub(crate) fn signer(&self, role: Role, keyring: &mut Keyring) -> Result<Signer, Error> {
        self.signer_at(role, self.place(role), keyring)
    }

    /// Opens a key that was in use, and holds it against its certificate.
    pub(crate) fn signer_at(&self, role: Role, place: usize, keyring: &mut Keyring) -> Result<Signer, Error> {
        let certificate = self.certificate_at(role, place)?;
        let key = match self.key_at(role, place, keyring.offline())? {
            KeyFile::Reference(path) => keyring.open_reference(&path, role.custodian(), &certificate)?,
            KeyFile::Encrypted(path) => keyring.open_file(&path, role.custodian())?,
        };
        let across = self.across_above(role, &certificate)?;
        Ok(Signer::new(certificate, key)?.with_across(across))
    }

    /// The certificates of the token root that issued a signer by roots before it: who knows those only is led to it. Each root
    /// has a name of its own.
    fn across_above(&self, role: Role, certificate: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let mut all = if role.is_root() { Vec::new() } else { self.across(Role::TokenRoot)? };
        if all.is_empty() {
            return Ok(all);
        }
        let parse = |der| Certificate::from_der(der).map_err(|_| Error::KeyMismatch);
        let signer = Certificate::from_der(certificate).map_err(|_| Error::KeyMismatch)?;
        let roots = self.token_roots()?;
        let roots: Vec<_> = roots.iter().map(|der| parse(der)).collect::<Result<_, _>>()?;
        let before = roots.iter().take_while(|root| root.subject() != signer.issuer());
        let before: Vec<_> = before.map(Certificate::subject).collect();
        all.retain(|der| {
            Certificate::from_der(der)
                .is_ok_and(|across| across.subject() == signer.issuer() && before.contains(&across.issuer()))
        });
        Ok(all)
    }

    /// Whether what is kept of a key can be read, as far as that shows without a secret.
    pub(crate) fn check_stored(&self, role: Role, place: usize, keyring: &Keyring) -> Result<(), Error> {
        match self.key_at(role, place, keyring.offline())? {
            KeyFile::Reference(path) => keys::check_reference(&path),
            KeyFile::Encrypted(path) => keys::check_file(&path),
        }
    }

    /// Whether what is kept of a key is here.
    pub(crate) fn has_key(&self, role: Role, place: usize, keyring: &Keyring) -> bool {
        self.key_at(role, place, keyring.offline()).is_ok()
    }

    /// Where a key is that was in use: in the folder or, of a root, on the medium.
    fn key_at(&self, role: Role, place: usize, offline: Option<&Path>) -> Result<KeyFile, Error> {
        let (reference, key) = (role.reference_file(place), role.key_file(place));
        let offline = offline.filter(|_| role.is_root());
        let on_medium = |file: &str| offline.zip(Path::new(file).file_name()).map(|(folder, name)| folder.join(name));
        let candidates = [
            Some(KeyFile::Reference(self.path().join(&reference))),
            Some(KeyFile::Encrypted(self.path().join(&key))),
            on_medium(&reference).map(KeyFile::Reference),
            on_medium(&key).map(KeyFile::Encrypted),
        ];
        match candidates.into_iter().flatten().find(|file| file.path().exists()) {
            Some(found) => Ok(found),
            None if role.is_root() => {
                Err(Error::KeyAway { key: role.file_name(place), offline: offline.map(Path::to_owned) })
            }
            None => Ok(KeyFile::Encrypted(self.path().join(key))),
        }
    }

    /// Refuses to put a key of a custodian where another one has keys in use: one PIN would open both.
    pub(crate) fn check_custody(&self, of: Custodian, at: &KeyPlace, keyring: &mut Keyring) -> Result<(), Error> {
        let mut others = Vec::new();
        for other in Role::ALL.into_iter().filter(|other| other.custodian() != of) {
            let reference = self.path().join(other.reference_file(self.place(other)));
            others.push(InUse { reference: Some(reference).filter(|file| file.exists()), spki: self.spki(other)? });
        }
        keyring.check_alone(at, &others)
    }

    /// DER of the SubjectPublicKeyInfo of the certificate in use.
    fn spki(&self, role: Role) -> Result<Vec<u8>, Error> {
        let certificate = self.certificate(role)?;
        Ok(Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?.spki().to_vec())
    }

    /// Refuses a key for a role, or for somebody with none of them, that another role has: the roles never mix.
    pub(crate) fn check_unused(&self, by: Option<Role>, spki: &[u8]) -> Result<(), Error> {
        for role in Role::ALL.into_iter().filter(|role| Some(*role) != by) {
            if self.spki(role)? == spki {
                return Err(Error::Usage(format!("the {} has that key: each role has its own", role.name())));
            }
        }
        Ok(())
    }

    /// Has the passphrase typed that the issuer's key files have, and makes sure of it by one of them. Where there is no
    /// such file yet, a new one is chosen.
    pub(crate) fn open_passphrase(&self, keyring: &mut Keyring) -> Result<(), Error> {
        let roles = Role::ALL.into_iter().filter(|role| role.custodian() == Custodian::Issuer);
        let mut files = roles.filter_map(|role| match self.key_at(role, self.place(role), keyring.offline()) {
            Ok(KeyFile::Encrypted(path)) => Some(path).filter(|path| path.exists()),
            _ => None,
        });
        match files.next() {
            Some(file) => keyring.open_file(&file, Custodian::Issuer).map(drop),
            None => keyring.choose_passphrase(Custodian::Issuer),
        }
    }
}
