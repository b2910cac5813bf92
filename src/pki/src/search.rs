//! The search: depth first from the anchors down to the leaf.
//!
//! Going down is the order of RFC 5280 6.1, so each certificate is judged once for each state that leads to it, and
//! what a path has in common with another is not judged again. Before that, distances by names alone tell which
//! certificates can reach the leaf at all, and shorter ways are tried first. Signatures come last: only of a path that
//! fulfils every other rule, the leaf's first, so that a leaf that nobody signed ends the search with one signature
//! for each key that might have. The lists are asked last, from the anchor down.
//!
//! **What failed is remembered**: a certificate below which no way led to the leaf in some state is not entered again
//! in that state. That is sound because the rest of a path depends on the certificate and the state alone, with two
//! exceptions. A way may have been cut off by [`MAX_PATH_LENGTH`]; then the depth is remembered too, and a shorter way
//! down is tried. And a way may have been cut off because it came back to an entity, a subject with its key, that the
//! path had passed. Then that entity itself leads on without the detour, and in a state that is no tighter, since
//! every variable only tightens; that way is tried from there. The one thing that does not only tighten are policies
//! under mappings, and the one thing that differs between certificates of an entity are their key identifiers: a path
//! that needs a detour through the same entity for the sake of these may not be found. It is refused, never accepted.

use crate::{
    certificate::Certificate,
    error::{PathError, PathErrorKind},
    graph::Graph,
    path::{Attempt, Budget, MAX_ATTEMPTS, MAX_PATH_LENGTH, PathRules, Place, ValidatedPath},
    policy::PolicySet,
    revocation,
    signers::Signers,
    state::State,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A distance from which there is no way.
const UNREACHABLE: usize = usize::MAX;

pub(crate) struct Search<'g, 's, 'a> {
    graph: &'g mut Graph<'s, 'a>,
    untrusted: &'s [Certificate<'a>],
    rules: &'g PathRules<'g>,
    budget: &'g mut Budget,
    attempts: Option<&'g mut Vec<Attempt>>,
    /// DER of the list signers whose paths are being judged already.
    above: &'g [&'g [u8]],
    /// The node to find a path to.
    target: usize,
    /// For each node the fewest steps down to the target.
    distances: Vec<usize>,
    /// For each name the nodes issued under it that reach the target, nearest first.
    children: Vec<Rc<[usize]>>,
    /// The anchor and the certificates below it on the way that is being tried.
    path: Vec<usize>,
    /// Which entities the path has passed.
    passed: Vec<bool>,
    /// Numbers of the states that occurred.
    states: BTreeMap<State, usize>,
    /// Nodes and states that led nowhere, with the depth where that was for want of depth.
    failed: BTreeMap<(usize, usize), Option<usize>>,
    /// Pairs of certificate and issuer's key that were refused.
    refused: BTreeSet<(usize, usize)>,
    /// What the lists said of a certificate below an issuer, under this anchor: which say that it is not revoked, and
    /// nothing where it is refused.
    status: BTreeMap<(usize, usize), Option<Vec<usize>>>,
    best: Option<PathError>,
}

/// How a part of the search ended.
enum Outcome {
    Found(ValidatedPath),
    /// No way on, `cut` where for want of depth.
    Nowhere {
        cut: bool,
    },
    /// The certificate at this place of the path is not its issuer's: go back to the issuer.
    Refused(usize),
}

impl<'g, 's, 'a> Search<'g, 's, 'a> {
    pub(crate) fn new(
        graph: &'g mut Graph<'s, 'a>,
        untrusted: &'s [Certificate<'a>],
        rules: &'g PathRules<'g>,
        budget: &'g mut Budget,
        attempts: Option<&'g mut Vec<Attempt>>,
        above: &'g [&'g [u8]],
    ) -> Self {
        let passed = vec![false; graph.entities];
        Self {
            graph,
            untrusted,
            rules,
            budget,
            attempts,
            above,
            target: 0,
            distances: Vec::new(),
            children: Vec::new(),
            path: Vec::new(),
            passed,
            states: BTreeMap::new(),
            failed: BTreeMap::new(),
            refused: BTreeSet::new(),
            status: BTreeMap::new(),
            best: None,
        }
    }

    pub(crate) fn run(mut self) -> Result<ValidatedPath, PathError> {
        if let Some(kind) = self.leaf_fault() {
            self.note(self.target, kind);
        } else {
            self.measure(true)?;
            if let Some(found) = self.start()? {
                return Ok(found);
            }
        }
        let target = self.certificate(self.target);
        Err(self.best.unwrap_or_else(|| target.error(PathErrorKind::NoPath)))
    }

    fn certificate(&self, node: usize) -> &'s Certificate<'a> {
        self.graph.nodes[node].certificate
    }

    fn error(&self, node: usize, kind: PathErrorKind) -> PathError {
        self.certificate(node).error(kind)
    }

    /// What refuses the leaf, whatever the path.
    fn leaf_fault(&self) -> Option<PathErrorKind> {
        let leaf = self.certificate(self.target);
        if let Some(kind) = self.graph.nodes[self.target].fault(self.rules.time) {
            return Some(kind.clone());
        }
        if self.rules.signing {
            let usage = leaf.key_usage();
            if usage.is_some_and(|usage| !usage.digital_signature() && !usage.non_repudiation()) {
                return Some(PathErrorKind::KeyUsageMissing);
            }
            // Before anybody signs with it, or is asked for a PIN.
            if let Err(error) = leaf.public_key() {
                return Some(error.kind);
            }
        }
        let wanted = self.rules.extended_key_usage?;
        let stated = leaf.extended_key_usages().is_some_and(|usages| usages.contains(&wanted));
        (!stated).then_some(PathErrorKind::ExtendedKeyUsageMissing(wanted))
    }

    /// What refuses a certificate as an issuer, whatever the path.
    fn issuer_fault(&self, node: usize) -> Option<PathErrorKind> {
        let issuer = self.certificate(node);
        if matches!(self.graph.nodes[node].place, Place::Anchor(_)) {
            let not_ca = issuer.extensions().basic_constraints.is_some() && !issuer.is_ca();
            return not_ca.then_some(PathErrorKind::IssuerNotCa).or_else(|| may_not_certify(issuer));
        }
        if !issuer.is_ca() {
            return Some(PathErrorKind::IssuerNotCa);
        }
        if let Some(kind) = may_not_certify(issuer) {
            return Some(kind);
        }
        if let Some(kind) = self.graph.nodes[node].fault(self.rules.time) {
            return Some(kind.clone());
        }
        let wanted = self.rules.extended_key_usage?;
        let lacking = issuer.extended_key_usages().is_some_and(|usages| !usages.contains(&wanted));
        lacking.then_some(PathErrorKind::ExtendedKeyUsageMissing(wanted))
    }

    /// Measures how far each node is from the target by names and key identifiers, past what was refused. The first
    /// time it tells what refuses issuers of their own.
    fn measure(&mut self, first: bool) -> Result<(), PathError> {
        self.distances = vec![UNREACHABLE; self.graph.nodes.len()];
        self.distances[self.target] = 0;
        let mut next = vec![self.target];
        let mut reached = 0;
        let mut pairs = 0;
        while let Some(&node) = next.get(reached) {
            reached += 1;
            let distance = self.distances[node] + 1;
            for at in 0..self.graph.by_subject[self.graph.nodes[node].issuer].len() {
                let issuer = self.graph.by_subject[self.graph.nodes[node].issuer][at];
                pairs += 1;
                let known = self.distances[issuer] != UNREACHABLE;
                if known || !self.graph.may_have_issued(issuer, node) || self.is_refused(issuer, node) {
                    continue;
                }
                if let Some(kind) = self.issuer_fault(issuer) {
                    if first {
                        self.note(issuer, kind);
                    }
                    continue;
                }
                self.distances[issuer] = distance;
                if !matches!(self.graph.nodes[issuer].place, Place::Anchor(_)) {
                    next.push(issuer);
                }
            }
        }
        self.budget.spend_comparisons(pairs).map_err(|kind| self.error(self.target, kind))?;
        let nearest = |nodes: &Vec<usize>| {
            let mut near: Vec<usize> =
                nodes.iter().copied().filter(|node| self.distances[*node] != UNREACHABLE).collect();
            near.sort_by_key(|node| self.distances[*node]);
            Rc::from(near)
        };
        self.children = self.graph.by_issuer.iter().map(nearest).collect();
        Ok(())
    }

    fn is_refused(&self, issuer: usize, child: usize) -> bool {
        self.refused.contains(&(child, self.graph.nodes[issuer].key))
            || self.status.get(&(child, issuer)).is_some_and(Option::is_none)
    }

    /// Starts from each anchor that reaches the target.
    fn start(&mut self) -> Result<Option<ValidatedPath>, PathError> {
        let is_anchor = |node: &usize| matches!(self.graph.nodes[*node].place, Place::Anchor(_));
        let mut anchors: Vec<usize> = (0..self.graph.nodes.len()).filter(is_anchor).collect();
        anchors.sort_by_key(|anchor| self.distances[*anchor]);
        for anchor in anchors {
            if self.distances[anchor] == UNREACHABLE {
                continue;
            }
            let constraints = self.graph.nodes[anchor].constraints;
            let state = State::below_anchor(self.certificate(anchor), constraints, &self.rules.policies);
            self.path.push(anchor);
            if self.check_target_names(state.constraints())? {
                let outcome = self.descend(&state)?;
                if let Outcome::Found(found) = outcome {
                    return Ok(Some(found));
                }
            }
            self.path.clear();
            self.failed.clear();
            self.passed.fill(false);
            if !self.status.is_empty() {
                // Who may sign lists is another matter under another anchor.
                self.status.clear();
                self.measure(false)?;
            }
        }
        Ok(None)
    }

    /// Goes on from the last certificate of the path, which leaves this state.
    fn descend(&mut self, state: &State) -> Result<Outcome, PathError> {
        let depth = self.path.len();
        let Some(&issuer) = self.path.last() else {
            return Ok(Outcome::Nowhere { cut: false });
        };
        let next = self.states.len();
        let number = *self.states.entry(state.clone()).or_insert(next);
        let entity = self.graph.nodes[issuer].entity;
        self.passed[entity] = true;
        let children = Rc::clone(&self.children[self.graph.nodes[issuer].subject]);
        let mut cut = false;
        for &child in &*children {
            // Distances may have grown since the list was made.
            let distance = self.distances[child];
            let possible = distance != UNREACHABLE && self.graph.may_have_issued(issuer, child);
            if !possible || self.is_refused(issuer, child) {
                continue;
            }
            if child == self.target {
                match self.arrive(state)? {
                    None => continue,
                    Some(Outcome::Refused(place)) if place == depth => continue,
                    Some(outcome) => {
                        self.passed[entity] = false;
                        return Ok(outcome);
                    }
                }
            }
            if depth + distance > MAX_PATH_LENGTH {
                cut = true;
                continue;
            }
            let entity_below = self.graph.nodes[child].entity;
            if self.passed[entity_below] || entity_below == self.graph.nodes[self.target].entity {
                continue;
            }
            match self.failed.get(&(child, number)) {
                Some(None) => continue,
                Some(Some(at)) if *at <= depth => {
                    cut = true;
                    continue;
                }
                _ => {}
            }
            self.budget.spend_step().map_err(|kind| self.error(child, kind))?;
            let below = match self.enter(state, child)? {
                Ok(below) => below,
                Err(kind) => {
                    self.refuse(child, kind);
                    self.failed.insert((child, number), None);
                    continue;
                }
            };
            self.path.push(child);
            let outcome = if self.check_target_names(below.constraints())? {
                self.descend(&below)?
            } else {
                Outcome::Nowhere { cut: false }
            };
            self.path.pop();
            match outcome {
                Outcome::Nowhere { cut: for_want_of_depth } => {
                    cut |= for_want_of_depth;
                    self.failed.insert((child, number), for_want_of_depth.then_some(depth));
                }
                Outcome::Refused(place) if place == depth => {}
                outcome => {
                    self.passed[entity] = false;
                    return Ok(outcome);
                }
            }
        }
        self.passed[entity] = false;
        Ok(Outcome::Nowhere { cut })
    }

    /// Judges a CA certificate in a state: the state that it leaves.
    fn enter(&mut self, state: &State, child: usize) -> Result<Result<State, PathErrorKind>, PathError> {
        let self_issued = self.graph.nodes[child].is_self_issued();
        if !self_issued && let Err(kind) = self.check_names(child, state.constraints())? {
            return Ok(Err(kind));
        }
        let certificate = self.certificate(child);
        self.budget.spend_comparisons(state.policy_cost(certificate)).map_err(|kind| certificate.error(kind))?;
        Ok(state.below(certificate, self_issued, self.graph.nodes[child].constraints))
    }

    /// Judges the target below the path. Nothing where it is refused there.
    fn arrive(&mut self, state: &State) -> Result<Option<Outcome>, PathError> {
        let target = self.certificate(self.target);
        self.budget.spend_step().map_err(|kind| target.error(kind))?;
        if let Err(kind) = self.check_names(self.target, state.constraints())? {
            self.refuse(self.target, kind);
            return Ok(None);
        }
        self.budget.spend_comparisons(state.policy_cost(target)).map_err(|kind| target.error(kind))?;
        let policies = match state.end(target, &self.rules.policies) {
            Ok(policies) => policies,
            Err(kind) => {
                self.refuse(self.target, kind);
                return Ok(None);
            }
        };
        self.path.push(self.target);
        let refused = match self.verify_path() {
            Ok(None) => self.check_status(),
            other => other,
        };
        let found = self.found(policies);
        self.path.pop();
        match refused? {
            Some(place) => {
                self.measure(false)?;
                Ok(Some(Outcome::Refused(place)))
            }
            None => Ok(Some(Outcome::Found(found))),
        }
    }

    fn found(&self, policies: PolicySet) -> ValidatedPath {
        let places = || self.path.iter().map(|node| self.graph.nodes[*node].place);
        let anchor = places().find_map(|place| if let Place::Anchor(index) = place { Some(index) } else { None });
        let untrusted = places().rev().filter_map(|place| match place {
            Place::Untrusted(index) => Some(index),
            _ => None,
        });
        let said = self.path.windows(2).filter_map(|pair| self.status.get(&(pair[1], pair[0]))?.as_deref());
        let lists: BTreeSet<usize> = said.flatten().copied().collect();
        let intermediates = untrusted.collect();
        let lists = lists.into_iter().collect();
        ValidatedPath { anchor: anchor.unwrap_or_default(), intermediates, policies, lists }
    }

    /// Verifies the signatures of a whole path, the target's first and then from the anchor down. The place of the
    /// first certificate that its issuer did not sign.
    fn verify_path(&mut self) -> Result<Option<usize>, PathError> {
        let last = self.path.len() - 1;
        for place in core::iter::once(last).chain(1..last) {
            let (issuer, child) = (self.path[place - 1], self.path[place]);
            let finding = self
                .graph
                .signature(issuer, child, self.rules.time, self.budget)
                .map_err(|kind| self.error(child, kind))?;
            if let Err(kind) = finding {
                self.refused.insert((child, self.graph.nodes[issuer].key));
                self.refuse_at(place, kind);
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Asks the lists about every certificate of a whole path whose signatures verified, from the anchor down. The
    /// place of the first that is refused.
    fn check_status(&mut self) -> Result<Option<usize>, PathError> {
        let Some(rules) = &self.rules.revocation else { return Ok(None) };
        let anchor = self.certificate(self.path[0]);
        let mut signers = Signers { untrusted: self.untrusted, anchor, rules: self.rules, above: self.above };
        for place in 1..self.path.len() {
            let (issuer, child) = (self.path[place - 1], self.path[place]);
            if self.status.contains_key(&(child, issuer)) {
                continue;
            }
            let (target, by) = (self.certificate(child), self.certificate(issuer));
            match revocation::check(target, by, rules, self.rules.time, &mut signers, self.budget) {
                Ok(lists) => {
                    self.status.insert((child, issuer), Some(lists));
                }
                Err(PathErrorKind::BudgetExhausted) => return Err(target.error(PathErrorKind::BudgetExhausted)),
                Err(kind) => {
                    self.status.insert((child, issuer), None);
                    self.refuse_at(place, kind);
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }

    /// Notes that the certificate at this place of the path was refused there.
    fn refuse_at(&mut self, place: usize, kind: PathErrorKind) {
        let below = self.path.split_off(place);
        if let Some(child) = below.first() {
            self.refuse(*child, kind);
        }
        self.path.extend(below);
    }

    /// Whether the target's names are within these constraints. They would be judged at the end of every way; so a
    /// way that the constraints close is not gone.
    fn check_target_names(&mut self, constraints: &[usize]) -> Result<bool, PathError> {
        let finding = self.check_names(self.target, constraints)?;
        if let Err(kind) = &finding {
            self.refuse(self.target, kind.clone());
        }
        Ok(finding.is_ok())
    }

    fn check_names(&mut self, node: usize, constraints: &[usize]) -> Result<Result<(), PathErrorKind>, PathError> {
        for number in constraints {
            let finding = self.graph.names_within(node, *number, self.budget);
            let finding = finding.map_err(|kind| self.error(node, kind))?;
            if finding.is_err() {
                return Ok(finding);
            }
        }
        Ok(Ok(()))
    }

    /// Notes that a certificate was refused below the path.
    fn refuse(&mut self, node: usize, kind: PathErrorKind) {
        let mut places: Vec<Place> = Vec::new();
        if self.attempts.is_some() {
            places.extend(self.path.iter().chain([&node]).map(|node| self.graph.nodes[*node].place));
        }
        self.record(places, self.error(node, kind));
    }

    /// Notes that a certificate was refused without a path.
    fn note(&mut self, node: usize, kind: PathErrorKind) {
        self.record(vec![self.graph.nodes[node].place], self.error(node, kind));
    }

    fn record(&mut self, certificates: Vec<Place>, error: PathError) {
        if let Some(attempts) = &mut self.attempts
            && attempts.len() < MAX_ATTEMPTS
        {
            attempts.push(Attempt { certificates, error: error.clone() });
        }
        if self.best.as_ref().is_none_or(|best| error.kind.rank() > best.kind.rank()) {
            self.best = Some(error);
        }
    }
}

fn may_not_certify(issuer: &Certificate<'_>) -> Option<PathErrorKind> {
    issuer.key_usage().is_some_and(|usage| !usage.key_cert_sign()).then_some(PathErrorKind::IssuerMayNotCertify)
}
