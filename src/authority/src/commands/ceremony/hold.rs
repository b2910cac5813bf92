//! What a ceremony makes, in one order for the rehearsal and for the performance: only whose hands sign differs.

use super::super::init::{self, Making};
use crate::{
    ceremony::{Kind, Step},
    certs::{self, Lifetime},
    error::Error,
    home::Home,
    keys::{Keyring, Signer, SigningKey, StoredKey, ThrowawayKey},
    role::Role,
};
use countersign_common::{Certificate, Reason, Time};
use countersign_pki::{Budget, PathRules, validate_path};
use der::Decode as _;
use x509_cert::name::Name;

/// A certificate that a ceremony makes.
pub(super) struct Certified {
    pub(super) what: What,
    pub(super) der: Vec<u8>,
    /// The new key with its certificate; nothing for a certificate across.
    pub(super) signer: Option<Signer>,
    /// What is kept of the key; nothing in a rehearsal.
    pub(super) stored: Option<StoredKey>,
}

/// Which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// That of a role, by its place among those of the role.
    Role(Role, usize),
    /// Of one root by another one, by their places.
    Across { role: Role, subject: usize, issuer: usize },
}

impl What {
    /// For people, as in "token root 2 by token root".
    pub(super) fn name(self) -> String {
        let root = |role: Role, place: usize| {
            if place == 1 { role.name() } else { format!("{} {place}", role.name()) }
        };
        match self {
            Self::Role(role, place) => root(role, place),
            Self::Across { role, subject, issuer } => format!("{} by {}", root(role, subject), root(role, issuer)),
        }
    }
}

/// Who certifies.
pub(super) enum Root {
    /// With its key.
    Key(Signer),
    /// Whose key is left alone: a throwaway key signs in its place.
    Certificate(Vec<u8>),
}

impl Root {
    fn certificate(&self) -> &[u8] {
        match self {
            Self::Key(signer) => signer.certificate(),
            Self::Certificate(der) => der,
        }
    }

    fn certify(&self, role: certs::Role, name: &Name, lifetime: Lifetime, spki: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Key(signer) => certs::issue(role, name, lifetime, spki, signer),
            Self::Certificate(der) => certs::rehearse(role, name, lifetime, spki, &parse(der)?),
        }
    }
}

/// Whose keys are used.
pub(super) trait Hands {
    /// A new key for a role, with what is to be kept of it.
    fn key(&mut self, role: Role, making: &Making<'_>) -> Result<(Box<dyn SigningKey>, Option<StoredKey>), Error>;

    /// A root that is there already.
    fn root(&mut self, home: &Home, role: Role, place: usize) -> Result<Root, Error>;

    /// Whether real keys sign, so that paths lead to the real roots.
    fn are_real(&self) -> bool;
}

/// Throwaway keys; no key of the authority is touched.
pub(super) struct Rehearsal;

impl Hands for Rehearsal {
    fn key(&mut self, role: Role, making: &Making<'_>) -> Result<(Box<dyn SigningKey>, Option<StoredKey>), Error> {
        // The key of a signer has to be another one than that of its root.
        let key = if role.is_root() {
            ThrowawayKey::new(making.algorithm, making.padding)?
        } else {
            ThrowawayKey::another(making.algorithm, making.padding)?
        };
        Ok((Box::new(key), None))
    }

    fn root(&mut self, home: &Home, role: Role, place: usize) -> Result<Root, Error> {
        Ok(Root::Certificate(home.certificate_at(role, place)?))
    }

    fn are_real(&self) -> bool {
        false
    }
}

/// The keys of the authority.
pub(super) struct Performance<'a>(pub(super) &'a mut Keyring);

impl Hands for Performance<'_> {
    fn key(&mut self, role: Role, making: &Making<'_>) -> Result<(Box<dyn SigningKey>, Option<StoredKey>), Error> {
        let (key, stored) = making.make(role, self.0)?;
        Ok((key, Some(stored)))
    }

    fn root(&mut self, home: &Home, role: Role, place: usize) -> Result<Root, Error> {
        home.signer_at(role, place, self.0).map(Root::Key)
    }

    fn are_real(&self) -> bool {
        true
    }
}

/// What is to be made, with what there is already.
pub(super) struct Plan<'a> {
    pub(super) kind: Kind,
    pub(super) steps: &'a [Step],
    pub(super) organization: &'a str,
    /// None where an authority is founded.
    pub(super) home: Option<&'a Home>,
    /// When everything begins to be valid.
    pub(super) now: Time,
}

impl Plan<'_> {
    /// Which certificate of its role a step makes.
    pub(super) fn place(&self, role: Role) -> usize {
        self.home.map_or(1, |home| home.place(role) + 1)
    }

    /// How long the certificate of a step will be valid: as stated, or as usual and not beyond the root.
    pub(super) fn lifetime(&self, step: &Step) -> Result<Lifetime, Error> {
        let seconds = step.validity.map_or(step.role.usual_validity(), |validity| validity.0.into());
        let not_after = self.now.plus(seconds);
        let lifetime = |not_after| Ok(Lifetime { not_before: self.now, not_after });
        if step.role.is_root() {
            return lifetime(not_after);
        }
        let end = match self.steps.iter().find(|step| step.role == Role::TokenRoot) {
            Some(root) => self.lifetime(root)?.not_after,
            None => self.end_of(Role::TokenRoot)?,
        };
        match step.validity {
            Some(_) if not_after > end => Err(Error::Usage(format!(
                "the token root ends {end}, and the {} would outlive it: shorten its validity in the script",
                step.role.name()
            ))),
            _ => lifetime(not_after.min(end)),
        }
    }

    fn end_of(&self, root: Role) -> Result<Time, Error> {
        let der = self.home.map(|home| home.certificate(root)).transpose()?.unwrap_or_default();
        Ok(parse(&der)?.not_after())
    }

    /// Makes everything, roots first.
    pub(super) fn make(&self, hands: &mut dyn Hands) -> Result<Vec<Certified>, Error> {
        let mut all: Vec<Certified> = Vec::new();
        for step in self.steps {
            let (role, place) = (step.role, self.place(step.role));
            let name = certs::own_name(&role.common_name(place), self.organization)?;
            let lifetime = self.lifetime(step)?;
            let making = Making {
                place: &step.place,
                label: init::key_label(self.organization, role, place),
                algorithm: step.algorithm,
                padding: step.padding,
            };
            let (key, stored) = hands.key(role, &making)?;
            let der = if role.is_root() {
                let der = certs::root(role.certified_as(), &name, lifetime, &*key)?;
                init::verify_root(&der, self.now)?;
                der
            } else {
                self.certify_signer(role, &name, lifetime, key.spki(), &all, hands)?
            };
            let signer = Some(Signer::new(der.clone(), key)?);
            all.push(Certified { what: What::Role(role, place), der, signer, stored });
            if role.is_root() && self.kind == Kind::RollOver {
                self.across(role, place, &mut all, hands)?;
            }
        }
        Ok(all)
    }

    fn certify_signer(
        &self,
        role: Role,
        name: &Name,
        lifetime: Lifetime,
        spki: &[u8],
        made: &[Certified],
        hands: &mut dyn Hands,
    ) -> Result<Vec<u8>, Error> {
        let new = made.iter().find(|made| matches!(made.what, What::Role(Role::TokenRoot, _)));
        if let Some(root) = new.and_then(|made| made.signer.as_ref()) {
            let der = certs::issue(role.certified_as(), name, lifetime, spki, root)?;
            init::verify_signer(&role.certified_as(), &der, root.certificate(), self.now)?;
            if hands.are_real() {
                self.verify_from_before(role, &der, made)?;
            }
            return Ok(der);
        }
        let home = self.home.ok_or(Error::NotWhatWasMeant)?;
        let root = hands.root(home, Role::TokenRoot, home.place(Role::TokenRoot))?;
        let der = root.certify(role.certified_as(), name, lifetime, spki)?;
        if hands.are_real() {
            init::verify_signer(&role.certified_as(), &der, root.certificate(), self.now)?;
        }
        Ok(der)
    }

    /// A signer under a new root has to be accepted under each root before it, by way of the certificate across.
    fn verify_from_before(&self, role: Role, signer: &[u8], made: &[Certified]) -> Result<(), Error> {
        let refused = |error| Error::Verification(Reason::Signer(error));
        let leaf = Certificate::from_der(signer).map_err(refused)?;
        let usage = role.certified_as().extended_key_usage();
        for made in made {
            let What::Across { role: Role::TokenRoot, issuer, subject } = made.what else { continue };
            if issuer > subject {
                continue;
            }
            let old = self.home.ok_or(Error::NotWhatWasMeant)?.certificate_at(Role::TokenRoot, issuer)?;
            let across = [Certificate::from_der(&made.der).map_err(refused)?];
            let anchor = [Certificate::from_der(&old).map_err(refused)?];
            let rules = PathRules { extended_key_usage: usage, signing: true, ..PathRules::at(self.now) };
            validate_path(&leaf, &across, &anchor, &rules, &mut Budget::default()).map_err(refused)?;
        }
        Ok(())
    }

    /// The new root by each before it that is still valid, and each of those by the new one (RFC 4210 4.4).
    fn across(&self, role: Role, new: usize, all: &mut Vec<Certified>, hands: &mut dyn Hands) -> Result<(), Error> {
        let home = self.home.ok_or(Error::NotWhatWasMeant)?;
        let made = all.last().and_then(|made| made.signer.as_ref()).ok_or(Error::NotWhatWasMeant)?;
        let mut across = Vec::new();
        let new_root = parse(made.certificate())?;
        for place in 1..new {
            let der = home.certificate_at(role, place)?;
            let old_root = parse(&der)?;
            if old_root.not_after() <= self.now {
                continue;
            }
            if old_root.path_length() == Some(0) {
                return Err(Error::Usage(format!(
                    "the {} leaves no room for a certificate below it that leads to another root: renew it without \
                     certificates across (ceremony = \"renew\")",
                    What::Role(role, place).name()
                )));
            }
            let not_after = old_root.not_after().min(new_root.not_after());
            let lifetime = Lifetime { not_before: self.now, not_after };
            let old = hands.root(home, role, place)?;
            let name = Name::from_der(new_root.subject())?;
            let new_by_old = old.certify(certs::Role::CrossRoot, &name, lifetime, new_root.spki())?;
            let name = Name::from_der(old_root.subject())?;
            let old_by_new = certs::issue(certs::Role::CrossRoot, &name, lifetime, old_root.spki(), made)?;
            if hands.are_real() {
                leads_to(&new_by_old, &der, self.now)?;
            }
            leads_to(&old_by_new, made.certificate(), self.now)?;
            across.push((What::Across { role, subject: new, issuer: place }, new_by_old));
            across.push((What::Across { role, subject: place, issuer: new }, old_by_new));
        }
        all.extend(across.into_iter().map(|(what, der)| Certified { what, der, signer: None, stored: None }));
        Ok(())
    }
}

/// A certificate across has to lead to the root that issued it.
fn leads_to(across: &[u8], root: &[u8], now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Signer(error));
    let anchor = [Certificate::from_der(root).map_err(refused)?];
    let across = Certificate::from_der(across).map_err(refused)?;
    validate_path(&across, &[], &anchor, &PathRules::at(now), &mut Budget::default()).map_err(refused)?;
    Ok(())
}

fn parse(der: &[u8]) -> Result<Certificate<'_>, Error> {
    Certificate::from_der(der).map_err(|_| Error::KeyMismatch)
}
