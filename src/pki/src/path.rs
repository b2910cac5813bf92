//! Building and validating a certification path (RFC 5280 6.1).
//!
//! The search goes from the leaf towards the anchors, depth first. A signature is verified at most once for each
//! pair of certificate and issuer, and every step and signature is paid from a [`Budget`], so that a mesh of CAs
//! costs a bounded time whichever way it ends.

use crate::{
    certificate::Certificate,
    error::{PathError, PathErrorKind},
    name::names_match,
    oid,
    time::Time,
};
use der::asn1::ObjectIdentifier;

/// The most certificates in a path, leaf included and anchor not.
pub const MAX_PATH_LENGTH: usize = 8;
/// The most certificates that may be offered as untrusted ones.
const MAX_UNTRUSTED: usize = 64;

/// What a leaf must be good for, and when.
#[derive(Clone, Debug)]
pub struct PathRules {
    /// The time at which every certificate of the path must be valid.
    pub time: Time,
    /// An extended key usage that the leaf must state itself, and that a CA which states any must state too.
    pub extended_key_usage: Option<ObjectIdentifier>,
    /// Whether the leaf's key usage, where there is one, must permit signing: digitalSignature or
    /// contentCommitment.
    pub signing: bool,
}

impl PathRules {
    /// Rules that ask for nothing but a valid path at a time.
    pub fn at(time: Time) -> Self {
        Self { time, extended_key_usage: None, signing: false }
    }
}

/// What a search may spend. One budget can serve several searches of one decision.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Signatures that may still be verified.
    pub signatures: u32,
    /// Candidate issuers that may still be looked at.
    pub steps: u32,
}

/// 64 signatures and 4,096 steps: a path of two needs two of each.
impl Default for Budget {
    fn default() -> Self {
        Self { signatures: 64, steps: 4_096 }
    }
}

impl Budget {
    /// Pays for one signature verification.
    pub fn spend_signature(&mut self) -> Result<(), PathErrorKind> {
        self.signatures = self.signatures.checked_sub(1).ok_or(PathErrorKind::BudgetExhausted)?;
        Ok(())
    }

    fn spend_step(&mut self) -> Result<(), PathErrorKind> {
        self.steps = self.steps.checked_sub(1).ok_or(PathErrorKind::BudgetExhausted)?;
        Ok(())
    }
}

/// A path that was validated. Nothing but [`validate_path`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedPath {
    anchor: usize,
    intermediates: Vec<usize>,
    policies: Vec<ObjectIdentifier>,
}

impl ValidatedPath {
    /// Index of the trust anchor among those given.
    pub fn anchor(&self) -> usize {
        self.anchor
    }

    /// Indices into the untrusted certificates given, the leaf's issuer first; empty where the anchor issued it.
    pub fn intermediates(&self) -> &[usize] {
        &self.intermediates
    }

    /// Policies that every certificate of the path asserts, the leaf by name. Mappings do not occur, since a
    /// path that has one is refused.
    pub fn policies(&self) -> &[ObjectIdentifier] {
        &self.policies
    }
}

/// Finds a path from `leaf` through any of `untrusted`, in whatever order they come, to one of `anchors`, and
/// validates it by the rules.
///
/// An anchor contributes its name, its key and, where it states them, its basic constraints and key usage; its
/// own validity and signature are not judged, since it is trusted as it stands (RFC 5280 6.1.1 d).
///
/// # Errors
///
/// Of all the attempts the reason that tells a reader most.
pub fn validate_path(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules,
    budget: &mut Budget,
) -> Result<ValidatedPath, PathError> {
    if untrusted.len() > MAX_UNTRUSTED {
        return Err(leaf.error(PathErrorKind::BudgetExhausted));
    }
    check_leaf(leaf, rules)?;
    let mut search = Search {
        untrusted,
        anchors,
        rules,
        budget,
        path: vec![leaf],
        indices: Vec::new(),
        best: None,
        seen: Vec::new(),
    };
    match search.extend()? {
        Some(path) => Ok(path),
        None => Err(search.best.unwrap_or_else(|| leaf.error(PathErrorKind::NoPath))),
    }
}

struct Search<'s, 'a> {
    untrusted: &'s [Certificate<'a>],
    anchors: &'s [Certificate<'a>],
    rules: &'s PathRules,
    budget: &'s mut Budget,
    /// The leaf first.
    path: Vec<&'s Certificate<'a>>,
    /// Where in `untrusted` the path's certificates after the leaf stand.
    indices: Vec<usize>,
    best: Option<PathError>,
    /// Signatures verified: subject's place, issuer's place and the outcome.
    seen: Vec<(Place, Place, Result<(), PathErrorKind>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf,
    Untrusted(usize),
    Anchor(usize),
}

impl<'s, 'a> Search<'s, 'a> {
    /// Tries every issuer of the last certificate of the path. An error ends the search; `None` means that
    /// nothing was found this way and that `best` may say why.
    fn extend(&mut self) -> Result<Option<ValidatedPath>, PathError> {
        let last = self.path[self.path.len() - 1];
        for (index, anchor) in self.anchors.iter().enumerate() {
            if self.signed_by(last, anchor, Place::Anchor(index))? {
                match self.judge(anchor) {
                    Ok(policies) => {
                        return Ok(Some(ValidatedPath {
                            anchor: index,
                            intermediates: self.indices.clone(),
                            policies,
                        }));
                    }
                    Err(error) => self.note(error),
                }
            }
        }
        if self.path.len() == MAX_PATH_LENGTH {
            return Ok(None);
        }
        for (index, issuer) in self.untrusted.iter().enumerate() {
            let repeats =
                |earlier: &&Certificate<'_>| earlier.subject() == issuer.subject() && earlier.spki() == issuer.spki();
            if self.path.iter().any(repeats) {
                continue;
            }
            if let Err(error) = check_issuer(issuer, self.rules) {
                if names_match(last.issuer(), issuer.subject()) {
                    self.note(error);
                }
                continue;
            }
            if self.signed_by(last, issuer, Place::Untrusted(index))? {
                self.path.push(issuer);
                self.indices.push(index);
                let found = self.extend()?;
                self.path.pop();
                self.indices.pop();
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// Whether `issuer` signed `last`: by name, by key identifier, then by signature.
    fn signed_by(&mut self, last: &Certificate<'_>, issuer: &Certificate<'_>, place: Place) -> Result<bool, PathError> {
        self.budget.spend_step().map_err(|kind| last.error(kind))?;
        if !names_match(last.issuer(), issuer.subject()) || last.excludes_issuer(issuer) {
            return Ok(false);
        }
        let subject = self.indices.last().map_or(Place::Leaf, |index| Place::Untrusted(*index));
        let known = self.seen.iter().find(|(one, other, _)| (*one, *other) == (subject, place));
        let outcome = match known {
            Some((_, _, outcome)) => outcome.clone(),
            None => {
                self.budget.spend_signature().map_err(|kind| last.error(kind))?;
                let outcome = match issuer.public_key() {
                    Ok(key) => last.verify_signature(key).and(last.check_algorithm_at(key, self.rules.time)),
                    Err(error) => Err(error.kind),
                };
                self.seen.push((subject, place, outcome.clone()));
                outcome
            }
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(kind) => {
                self.note(last.error(kind));
                Ok(false)
            }
        }
    }

    /// Judges the whole path from the anchor down to the leaf (RFC 5280 6.1.3 to 6.1.5), signatures excepted.
    fn judge(&self, anchor: &Certificate<'_>) -> Result<Vec<ObjectIdentifier>, PathError> {
        if anchor.key_usage().is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(anchor.error(PathErrorKind::IssuerMayNotCertify));
        }
        let mut remaining = anchor.path_length().map_or(usize::MAX, usize::from);
        for issuer in self.path[1..].iter().rev() {
            if !issuer.is_self_issued() {
                remaining = remaining.checked_sub(1).ok_or_else(|| issuer.error(PathErrorKind::PathTooLong))?;
            }
            remaining = remaining.min(issuer.path_length().map_or(usize::MAX, usize::from));
        }
        let (leaf, issuers) = (self.path[0], &self.path[1..]);
        let asserted_by =
            |issuer: &Certificate<'_>, policy| issuer.policies().any(|own| own == policy || own == oid::ANY_POLICY);
        Ok(leaf
            .policies()
            .filter(|policy| *policy != oid::ANY_POLICY && issuers.iter().all(|issuer| asserted_by(issuer, *policy)))
            .collect())
    }

    fn note(&mut self, error: PathError) {
        if self.best.as_ref().is_none_or(|best| error.kind.rank() > best.kind.rank()) {
            self.best = Some(error);
        }
    }
}

/// What can be said of any certificate below the anchor by itself.
fn check_common(certificate: &Certificate<'_>, rules: &PathRules) -> Result<(), PathError> {
    let at = rules.time;
    if let Some(kind) = certificate.forbidden_extension() {
        return Err(certificate.error(kind));
    }
    if at < certificate.not_before() {
        return Err(certificate.error(PathErrorKind::NotYetValid { not_before: certificate.not_before(), at }));
    }
    if at > certificate.not_after() {
        return Err(certificate.error(PathErrorKind::Expired { not_after: certificate.not_after(), at }));
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate<'_>, rules: &PathRules) -> Result<(), PathError> {
    check_common(leaf, rules)?;
    let may_sign = leaf.key_usage().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation());
    if rules.signing && !may_sign {
        return Err(leaf.error(PathErrorKind::KeyUsageMissing));
    }
    if rules.signing {
        // Before anybody signs with it, or is asked for a PIN.
        leaf.public_key()?;
    }
    match rules.extended_key_usage {
        Some(wanted) if !leaf.extended_key_usages().is_some_and(|usages| usages.contains(&wanted)) => {
            Err(leaf.error(PathErrorKind::ExtendedKeyUsageMissing(wanted)))
        }
        _ => Ok(()),
    }
}

fn check_issuer(issuer: &Certificate<'_>, rules: &PathRules) -> Result<(), PathError> {
    check_common(issuer, rules)?;
    if !issuer.is_ca() {
        return Err(issuer.error(PathErrorKind::IssuerNotCa));
    }
    if issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(issuer.error(PathErrorKind::IssuerMayNotCertify));
    }
    if let (Some(wanted), Some(usages)) = (rules.extended_key_usage, issuer.extended_key_usages())
        && !usages.contains(&wanted)
    {
        return Err(issuer.error(PathErrorKind::ExtendedKeyUsageMissing(wanted)));
    }
    Ok(())
}
