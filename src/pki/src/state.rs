//! What a path carries from its anchor down to the next certificate (RFC 5280 6.1.2, the state variables).
//!
//! Every variable only tightens from one certificate to the next, but for the policies, which a mapping renames.

use crate::{
    certificate::Certificate,
    error::PathErrorKind,
    policy::{Policies, PolicyRules, PolicySet},
};

/// A counter or a length that nothing limits.
const UNLIMITED: u32 = u32::MAX;

/// The state in which the next certificate is judged. Equal states judge alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    /// max_path_length: CA certificates that may still follow, self-issued ones aside.
    remaining: u32,
    /// explicit_policy: certificates until a valid policy is required.
    explicit: u32,
    /// policy_mapping: certificates until mappings are ignored.
    mapping: u32,
    /// inhibit_anyPolicy: certificates until anyPolicy is ignored.
    any: u32,
    /// permitted_subtrees and excluded_subtrees: which name constraints apply, in ascending order. What several
    /// permit is what each of them permits, so they need not be merged.
    constraints: Vec<usize>,
    /// valid_policy_tree, its lowest level.
    policies: Policies,
}

impl State {
    /// The state below an anchor, with what its certificate states (RFC 5937 3.2): `constraints` is the number of its
    /// name constraints.
    pub(crate) fn below_anchor(anchor: &Certificate<'_>, constraints: Option<usize>, rules: &PolicyRules) -> Self {
        let counter = |inhibited| if inhibited { 0 } else { UNLIMITED };
        Self {
            remaining: anchor.path_length().unwrap_or(UNLIMITED),
            explicit: counter(rules.explicit),
            mapping: counter(rules.inhibit_mapping),
            any: counter(rules.inhibit_any),
            constraints: constraints.into_iter().collect(),
            policies: Policies::initial(),
        }
    }

    /// The numbers of the name constraints that apply.
    pub(crate) fn constraints(&self) -> &[usize] {
        &self.constraints
    }

    /// How many policies a step has to look at, at most.
    pub(crate) fn policy_cost(&self, certificate: &Certificate<'_>) -> usize {
        self.policies.cost(certificate.extensions())
    }

    /// The state below a CA certificate, its names excepted (RFC 5280 6.1.3 d to f, 6.1.4): `constraints` is the
    /// number of its own name constraints.
    pub(crate) fn below(
        &self,
        issuer: &Certificate<'_>,
        self_issued: bool,
        constraints: Option<usize>,
    ) -> Result<Self, PathErrorKind> {
        let extensions = issuer.extensions();
        let mut next = self.clone();
        next.policies = self.policies_after(issuer, self_issued)?;
        if !extensions.policy_mappings.is_empty() {
            next.policies = next.policies.after_mappings(&extensions.policy_mappings, self.mapping == 0);
        }
        if let Some(number) = constraints
            && let Err(place) = next.constraints.binary_search(&number)
        {
            next.constraints.insert(place, number);
        }
        if !self_issued {
            next.remaining = match self.remaining {
                0 => return Err(PathErrorKind::PathTooLong),
                remaining => count_down(remaining),
            };
            next.explicit = count_down(self.explicit);
            next.mapping = count_down(self.mapping);
            next.any = count_down(self.any);
        }
        let tighten = |counter: &mut u32, limit: Option<u32>| *counter = (*counter).min(limit.unwrap_or(UNLIMITED));
        tighten(&mut next.remaining, issuer.path_length());
        tighten(&mut next.explicit, extensions.policy_constraints.and_then(|limits| limits.require_explicit_policy));
        tighten(&mut next.mapping, extensions.policy_constraints.and_then(|limits| limits.inhibit_policy_mapping));
        tighten(&mut next.any, extensions.inhibit_any_policy);
        Ok(next)
    }

    /// The policies of the whole path with its leaf (RFC 5280 6.1.3 d to f, 6.1.5).
    pub(crate) fn end(&self, leaf: &Certificate<'_>, rules: &PolicyRules) -> Result<PolicySet, PathErrorKind> {
        let policies = self.policies_after(leaf, false)?.constrained_by(&rules.initial);
        let limits = leaf.extensions().policy_constraints;
        let required_here = limits.is_some_and(|limits| limits.require_explicit_policy == Some(0));
        if policies.is_empty() && (required_here || count_down(self.explicit) == 0) {
            return Err(PathErrorKind::PolicyMissing);
        }
        Ok(policies)
    }

    fn policies_after(&self, certificate: &Certificate<'_>, exempt: bool) -> Result<Policies, PathErrorKind> {
        let stated = certificate.extensions().policies.as_deref();
        let policies = self.policies.after_certificate(stated, self.any > 0 || exempt);
        if self.explicit == 0 && policies.is_empty() { Err(PathErrorKind::PolicyMissing) } else { Ok(policies) }
    }
}

fn count_down(counter: u32) -> u32 {
    if counter == UNLIMITED { UNLIMITED } else { counter.saturating_sub(1) }
}
