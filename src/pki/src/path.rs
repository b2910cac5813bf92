//! Building and validating a certification path (RFC 5280 6.1): what is asked, what it may cost, what is found.

use crate::{
    certificate::Certificate,
    error::{PathError, PathErrorKind},
    graph::Graph,
    policy::{PolicyRules, PolicySet},
    revocation::RevocationRules,
    search::Search,
    time::Time,
};
use der::asn1::ObjectIdentifier;

/// The most certificates in a path, leaf included and anchor not.
pub const MAX_PATH_LENGTH: usize = 40;
/// The most certificates that may be offered as untrusted ones.
pub const MAX_UNTRUSTED: usize = 512;
/// The most attempts that [`explain_path`] lists.
pub const MAX_ATTEMPTS: usize = 64;

/// What a leaf must be good for, and when.
#[derive(Clone, Debug)]
pub struct PathRules<'r> {
    /// The time at which every certificate of the path must be valid.
    pub time: Time,
    /// An extended key usage that the leaf must state itself, and that a CA which states any must state too.
    pub extended_key_usage: Option<ObjectIdentifier>,
    /// Whether the leaf's key usage, where there is one, must permit signing: digitalSignature or
    /// contentCommitment.
    pub signing: bool,
    /// What is asked of the path's policies.
    pub policies: PolicyRules,
    /// Which revocation lists to ask; none are where it is absent.
    pub revocation: Option<RevocationRules<'r>>,
}

impl PathRules<'_> {
    /// Rules that ask for nothing but a valid path at a time.
    pub fn at(time: Time) -> Self {
        Self { time, extended_key_usage: None, signing: false, policies: PolicyRules::default(), revocation: None }
    }
}

/// What a search may spend. One budget can serve several searches of one decision.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Signatures that may still be verified.
    pub signatures: u32,
    /// Certificates that may still be judged on the way down. A comparison of many names or policies, and a look at
    /// many pairs of certificates, costs a step for each 256 of them.
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

    pub(crate) fn spend_step(&mut self) -> Result<(), PathErrorKind> {
        self.steps = self.steps.checked_sub(1).ok_or(PathErrorKind::BudgetExhausted)?;
        Ok(())
    }

    /// Pays for many small comparisons; fewer than 256 come with the step that makes them.
    pub(crate) fn spend_comparisons(&mut self, comparisons: usize) -> Result<(), PathErrorKind> {
        let steps = u32::try_from(comparisons / 256).unwrap_or(u32::MAX);
        self.steps = self.steps.checked_sub(steps).ok_or(PathErrorKind::BudgetExhausted)?;
        Ok(())
    }
}

/// A path that was validated. Nothing but [`validate_path`] and [`explain_path`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedPath {
    pub(crate) anchor: usize,
    pub(crate) intermediates: Vec<usize>,
    pub(crate) policies: PolicySet,
    pub(crate) lists: Vec<usize>,
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

    /// Indices of the revocation lists that said of a certificate of the path that it is not revoked.
    pub fn lists(&self) -> &[usize] {
        &self.lists
    }

    /// The policies for which the path is valid, in the anchor's domain.
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }
}

/// Where a certificate of a search came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One of the trust anchors, by its index.
    Anchor(usize),
    /// The leaf.
    Leaf,
    /// One of the untrusted certificates, by its index; the first of equal ones.
    Untrusted(usize),
}

/// A way that a search tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From the anchor down to the certificate that was refused; that one alone where no path was needed to refuse it.
    pub certificates: Vec<Place>,
    /// The rule that refused it.
    pub error: PathError,
}

/// Finds a path from `leaf` through any of `untrusted`, in whatever order they come, to one of `anchors`, and
/// validates it by the rules. Neither the order of the untrusted certificates nor that some come twice changes the
/// answer.
///
/// An anchor contributes its name, its key and, where its certificate states them, its basic constraints, key usage
/// and name constraints (RFC 5937); its own validity, profile and signature are not judged, since it is trusted as it
/// stands (RFC 5280 6.1.1 d).
///
/// # Errors
///
/// Of all the attempts the reason that tells a reader most.
pub fn validate_path(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    budget: &mut Budget,
) -> Result<ValidatedPath, PathError> {
    find_path(leaf, untrusted, anchors, rules, budget, None, &[])
}

/// As [`validate_path`], and lists the ways that were tried in vain, in the order in which they were: at most
/// [`MAX_ATTEMPTS`]. A path that was found in the end may stand behind several that were not.
pub fn explain_path(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    budget: &mut Budget,
) -> (Result<ValidatedPath, PathError>, Vec<Attempt>) {
    let mut attempts = Vec::new();
    let result = find_path(leaf, untrusted, anchors, rules, budget, Some(&mut attempts), &[]);
    (result, attempts)
}

/// As [`explain_path`], for the path of a list's signer below those, in DER, whose paths are being judged already.
pub(crate) fn find_path(
    leaf: &Certificate<'_>,
    untrusted: &[Certificate<'_>],
    anchors: &[Certificate<'_>],
    rules: &PathRules<'_>,
    budget: &mut Budget,
    attempts: Option<&mut Vec<Attempt>>,
    above: &[&[u8]],
) -> Result<ValidatedPath, PathError> {
    if untrusted.len() > MAX_UNTRUSTED {
        return Err(leaf.error(PathErrorKind::BudgetExhausted));
    }
    let mut graph = Graph::new(leaf, untrusted, anchors);
    Search::new(&mut graph, untrusted, rules, budget, attempts, above).run()
}
