//! Who signs revocation lists: found among the certificates of a path search and judged by searches of their own.

use crate::{
    certificate::Certificate,
    error::PathErrorKind,
    name::names_match,
    path::{Budget, PathRules, find_path},
    policy::PolicyRules,
    revocation::SignerPaths,
};
use core::slice;

/// How many signers' paths may stand on each other: that of a list's signer, of the signer of the list that tells
/// about him, and so on.
const MAX_NESTING: usize = 4;

/// The signers below one anchor.
pub(crate) struct Signers<'p> {
    pub(crate) untrusted: &'p [Certificate<'p>],
    pub(crate) anchor: &'p Certificate<'p>,
    pub(crate) rules: &'p PathRules<'p>,
    /// DER of the signers whose paths are being judged already.
    pub(crate) above: &'p [&'p [u8]],
}

impl<'p> SignerPaths<'p> for Signers<'p> {
    fn candidates(&self, name: &[u8]) -> Vec<&'p Certificate<'p>> {
        let all = core::iter::once(self.anchor).chain(self.untrusted);
        all.filter(|certificate| names_match(certificate.subject(), name)).collect()
    }

    fn validate(&mut self, signer: &Certificate<'_>, budget: &mut Budget) -> Result<(), PathErrorKind> {
        if signer.der() == self.anchor.der() {
            return Ok(());
        }
        if self.above.len() == MAX_NESTING || self.above.contains(&signer.der()) {
            return Err(PathErrorKind::StatusUnknown("lists depend on each other"));
        }
        let above = [self.above, &[signer.der()]].concat();
        let policies = PolicyRules::default();
        let rules = PathRules { extended_key_usage: None, signing: false, policies, ..self.rules.clone() };
        find_path(signer, self.untrusted, slice::from_ref(self.anchor), &rules, budget, None, &above)
            .map(|_| ())
            .map_err(|error| error.kind)
    }
}
