//! Certificate policies along a path (RFC 5280 6.1.2 to 6.1.5), in the bounded form that RFC 9618 gives them.
//!
//! RFC 5280 keeps a tree of which only two things are asked in the end: which policies of the anchor's domain are
//! valid, and whether anyPolicy is. So only the lowest level is kept: each policy that the next certificate may state,
//! with the policies of the anchor's domain that lead to it. That is at most one entry for each policy that one
//! certificate names, however long the path is, where the tree doubles at each step.

use crate::{extensions::Extensions, oid};
use der::asn1::ObjectIdentifier;
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// What is asked of the policies of a path (RFC 5280 6.1.1). The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRules {
    /// user-initial-policy-set: the policies, of the anchor's domain, that are acceptable. Empty for any.
    pub initial: Vec<ObjectIdentifier>,
    /// initial-explicit-policy: whether the path must be valid for at least one acceptable policy.
    pub explicit: bool,
    /// initial-policy-mapping-inhibit: whether mappings are ignored.
    pub inhibit_mapping: bool,
    /// initial-any-policy-inhibit: whether anyPolicy in a certificate is ignored.
    pub inhibit_any: bool,
}

/// The policies for which a path is valid: the user-constrained-policy-set of RFC 5280 6.1.6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    named: Vec<ObjectIdentifier>,
    any: bool,
}

impl PolicySet {
    /// The policies that are valid by name, in the anchor's domain, in ascending order.
    pub fn named(&self) -> &[ObjectIdentifier] {
        &self.named
    }

    /// Whether the whole path states anyPolicy, so that it is valid for every acceptable policy. The rules' initial
    /// policies are then among the named ones, since the path is valid for each of them.
    pub fn any(&self) -> bool {
        self.any
    }

    /// Whether the path is valid for a policy by name. That it is valid for any policy does not count.
    pub fn contains(&self, policy: ObjectIdentifier) -> bool {
        self.named.binary_search(&policy).is_ok()
    }

    /// Whether the path is valid for no policy.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && !self.any
    }
}

/// The lowest level of the policy graph; empty and without anyPolicy where RFC 5280 says NULL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Policies {
    /// Each policy that a next certificate may state, with the policies of the anchor's domain that it stands for.
    expected: BTreeMap<ObjectIdentifier, Domain>,
    /// Whether every certificate so far states anyPolicy.
    any: bool,
}

type Domain = Rc<BTreeSet<ObjectIdentifier>>;

fn only(policy: ObjectIdentifier) -> Domain {
    Rc::new(BTreeSet::from([policy]))
}

impl Policies {
    /// Above the first certificate: anyPolicy alone.
    pub(crate) fn initial() -> Self {
        Self { expected: BTreeMap::new(), any: true }
    }

    /// Whether no policy is valid.
    pub(crate) fn is_empty(&self) -> bool {
        self.expected.is_empty() && !self.any
    }

    /// How many entries a step has to look at, at most.
    pub(crate) fn cost(&self, extensions: &Extensions<'_>) -> usize {
        let held = self.expected.values().map(|domain| domain.len()).sum::<usize>();
        held + extensions.policies.as_ref().map_or(0, Vec::len) + extensions.policy_mappings.len()
    }

    /// What one certificate leaves (RFC 5280 6.1.3 d and e). `any_counts` tells whether its anyPolicy counts.
    pub(crate) fn after_certificate(&self, stated: Option<&[ObjectIdentifier]>, any_counts: bool) -> Self {
        let Some(stated) = stated else {
            return Self { expected: BTreeMap::new(), any: false };
        };
        if any_counts && stated.contains(&oid::ANY_POLICY) {
            // Every expected policy goes on, and those that anyPolicy above allows come in.
            let mut expected = self.expected.clone();
            if self.any {
                for policy in stated.iter().filter(|policy| **policy != oid::ANY_POLICY) {
                    expected.entry(*policy).or_insert_with(|| only(*policy));
                }
            }
            return Self { expected, any: self.any };
        }
        let named = stated.iter().filter(|policy| **policy != oid::ANY_POLICY);
        let expected = named.filter_map(|policy| match self.expected.get(policy) {
            Some(domain) => Some((*policy, Rc::clone(domain))),
            None => self.any.then(|| (*policy, only(*policy))),
        });
        Self { expected: expected.collect(), any: false }
    }

    /// What the mappings of a CA leave (RFC 5280 6.1.4 b). Where mappings are inhibited a mapped policy ends.
    pub(crate) fn after_mappings(&self, mappings: &[(ObjectIdentifier, ObjectIdentifier)], inhibited: bool) -> Self {
        let mut expected = self.expected.clone();
        for (issuer, _) in mappings {
            expected.remove(issuer);
        }
        if !inhibited {
            for (issuer, subject) in mappings {
                let domain = self.expected.get(issuer).cloned().or_else(|| self.any.then(|| only(*issuer)));
                let Some(domain) = domain else { continue };
                match expected.get_mut(subject) {
                    Some(held) if Rc::ptr_eq(held, &domain) => {}
                    Some(held) => Rc::make_mut(held).extend(domain.iter().copied()),
                    None => {
                        expected.insert(*subject, domain);
                    }
                }
            }
        }
        Self { expected, any: self.any }
    }

    /// The user-constrained-policy-set (RFC 5280 6.1.5 g).
    pub(crate) fn constrained_by(&self, initial: &[ObjectIdentifier]) -> PolicySet {
        let domain: BTreeSet<_> = self.expected.values().flat_map(|domain| domain.iter().copied()).collect();
        if initial.is_empty() || initial.contains(&oid::ANY_POLICY) {
            return PolicySet { named: domain.into_iter().collect(), any: self.any };
        }
        let acceptable: BTreeSet<_> = initial.iter().copied().collect();
        let named = acceptable.into_iter().filter(|policy| self.any || domain.contains(policy)).collect();
        PolicySet { named, any: false }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn policy(number: u32) -> ObjectIdentifier {
        format!("1.3.6.1.4.1.32473.7.{number}").parse().unwrap()
    }

    fn named(policies: &Policies) -> Vec<ObjectIdentifier> {
        policies.constrained_by(&[]).named
    }

    const ANY: ObjectIdentifier = oid::ANY_POLICY;

    #[test]
    fn a_policy_goes_on_by_name_or_by_any() {
        let [a, b] = [1, 2].map(policy);
        let first = Policies::initial().after_certificate(Some(&[a, b]), true);
        assert_eq!(named(&first), [a, b]);
        assert_eq!(named(&first.after_certificate(Some(&[b]), true)), [b]);
        assert_eq!(named(&first.after_certificate(Some(&[ANY]), true)), [a, b]);
        assert!(first.after_certificate(Some(&[ANY]), false).is_empty());
        assert!(first.after_certificate(Some(&[policy(3)]), true).is_empty());
        assert!(first.after_certificate(None, true).is_empty());
        let any = Policies::initial().after_certificate(Some(&[ANY, a]), true);
        assert_eq!(any.constrained_by(&[]), PolicySet { named: vec![a], any: true });
        assert_eq!(any.constrained_by(&[b]), PolicySet { named: vec![b], any: false });
        assert_eq!(named(&any.after_certificate(Some(&[b]), true)), [b]);
    }

    #[test]
    fn mappings_lead_back_to_the_domain_of_the_anchor() {
        let [a, b, c, d] = [1, 2, 3, 4].map(policy);
        let first = Policies::initial().after_certificate(Some(&[a, b]), true);
        let mapped = first.after_mappings(&[(a, c), (b, c), (a, d)], false);
        assert_eq!(named(&mapped.after_certificate(Some(&[c]), true)), [a, b]);
        assert_eq!(named(&mapped.after_certificate(Some(&[d]), true)), [a]);
        assert!(mapped.after_certificate(Some(&[a]), true).is_empty());
        assert!(mapped.constrained_by(&[c]).is_empty());
        let inhibited = first.after_mappings(&[(a, c)], true);
        assert_eq!(named(&inhibited), [b]);
        let any = Policies::initial().after_certificate(Some(&[ANY]), true).after_mappings(&[(a, c)], false);
        assert_eq!(named(&any.after_certificate(Some(&[c]), true)), [a]);
        // A swap is one step, not two.
        let swapped = first.after_mappings(&[(a, b), (b, a)], false);
        assert_eq!(named(&swapped.after_certificate(Some(&[a]), true)), [b]);
    }

    #[test]
    fn a_step_costs_the_policies_that_it_looks_at() {
        let [a, b, c] = [1, 2, 3].map(policy);
        let two = Policies::initial().after_certificate(Some(&[a, b]), true);
        let mapped = two.after_mappings(&[(a, c), (b, c)], false);
        let stated =
            Extensions { policies: Some(vec![a, b, c]), policy_mappings: vec![(a, b)], ..Extensions::default() };
        assert_eq!([two.cost(&stated), mapped.cost(&stated)], [6, 6]);
        assert_eq!([two.cost(&Extensions::default()), Policies::initial().cost(&stated)], [2, 4]);
    }
}
