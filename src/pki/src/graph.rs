//! The certificates of a search, and what can be said of each, or of two of them, without a path.
//!
//! Names, keys and key identifiers become small numbers once, so that a search compares numbers however often a mesh
//! of CAs makes it come back. What was judged once, a signature above all, is remembered here for every search of one
//! decision.

use crate::{
    certificate::Certificate,
    error::PathErrorKind,
    general_name::GeneralName,
    name::canonical_name,
    name_constraints::Names,
    path::{Budget, Place},
    profile,
    time::Time,
};
use core::cell::OnceCell;
use std::collections::BTreeMap;

/// What a pair of certificate and issuer, or of certificate and constraints, was found to be.
type Finding = Result<(), PathErrorKind>;

/// A certificate of the search.
pub(crate) struct Node<'s, 'a> {
    pub(crate) certificate: &'s Certificate<'a>,
    pub(crate) place: Place,
    /// Number of the subject's name.
    pub(crate) subject: usize,
    /// Number of the issuer's name.
    pub(crate) issuer: usize,
    /// Number of the key.
    pub(crate) key: usize,
    /// Number of subject and key together: what a path does not pass twice.
    pub(crate) entity: usize,
    /// Number of the name constraints.
    pub(crate) constraints: Option<usize>,
    identifiers: Identifiers,
    fault: OnceCell<Option<PathErrorKind>>,
    names: OnceCell<Names<'a>>,
}

/// Numbers of the values by which a certificate names its issuer, and is named (RFC 5280 4.2.1.1 and 4.2.1.2).
struct Identifiers {
    own: Option<usize>,
    serial: usize,
    authority: Option<usize>,
    authority_serial: Option<usize>,
    authority_issuers: Vec<usize>,
}

impl Node<'_, '_> {
    /// Whether issuer and subject are the same name (RFC 5280 3.2).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// What refuses the certificate below an anchor at this time, whatever the path.
    pub(crate) fn fault(&self, at: Time) -> Option<&PathErrorKind> {
        self.fault.get_or_init(|| find_fault(self.certificate, at)).as_ref()
    }
}

/// What refuses a certificate below an anchor at this time, whatever the path.
fn find_fault(certificate: &Certificate<'_>, at: Time) -> Option<PathErrorKind> {
    if let Some(rule) = profile::broken_rule(certificate) {
        return Some(PathErrorKind::Profile(rule));
    }
    if let Some(id) = certificate.unknown_critical_extension() {
        return Some(PathErrorKind::UnknownCriticalExtension(id));
    }
    if at < certificate.not_before() {
        return Some(PathErrorKind::NotYetValid { not_before: certificate.not_before(), at });
    }
    if at > certificate.not_after() {
        return Some(PathErrorKind::Expired { not_after: certificate.not_after(), at });
    }
    (!certificate.has_allowed_algorithm()).then_some(PathErrorKind::AlgorithmNotAllowed)
}

/// Gives equal values equal numbers.
struct Numbers<K>(BTreeMap<K, usize>);

impl<K: Ord> Numbers<K> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn of(&mut self, value: K) -> usize {
        let next = self.0.len();
        *self.0.entry(value).or_insert(next)
    }
}

/// Gives names that match equal numbers. Most names occur more than once, octet by octet.
struct NameNumbers<'s> {
    known: BTreeMap<&'s [u8], usize>,
    canonical: Numbers<Vec<u8>>,
}

impl<'s> NameNumbers<'s> {
    fn new() -> Self {
        Self { known: BTreeMap::new(), canonical: Numbers::new() }
    }

    fn of(&mut self, name: &'s [u8]) -> usize {
        let canonical = &mut self.canonical;
        *self.known.entry(name).or_insert_with(|| canonical.of(canonical_name(name).unwrap_or_default()))
    }
}

/// All certificates of a search: the leaf, the untrusted ones without duplicates and in an order of their own, and
/// the anchors.
pub(crate) struct Graph<'s, 'a> {
    pub(crate) nodes: Vec<Node<'s, 'a>>,
    /// Which nodes have a subject, by its number.
    pub(crate) by_subject: Vec<Vec<usize>>,
    /// Which nodes name an issuer, by the number of its name; anchors do not.
    pub(crate) by_issuer: Vec<Vec<usize>>,
    /// How many entities there are.
    pub(crate) entities: usize,
    constrained: Vec<usize>,
    signatures: BTreeMap<(usize, usize), Finding>,
    within_constraints: BTreeMap<(usize, usize), Finding>,
}

impl<'s, 'a> Graph<'s, 'a> {
    /// The leaf is node 0, the anchors are the last nodes.
    pub(crate) fn new(
        leaf: &'s Certificate<'a>,
        untrusted: &'s [Certificate<'a>],
        anchors: &'s [Certificate<'a>],
    ) -> Self {
        // Sorted by their octets and without duplicates, so that neither can change a verdict.
        let mut sorted: Vec<usize> = (0..untrusted.len()).collect();
        sorted.sort_by_key(|index| untrusted.get(*index).map(Certificate::der));
        sorted.dedup_by_key(|index| untrusted.get(*index).map(Certificate::der));
        sorted.retain(|index| untrusted.get(*index).is_some_and(|certificate| certificate.der() != leaf.der()));
        let untrusted = sorted.into_iter().filter_map(|index| Some((untrusted.get(index)?, Place::Untrusted(index))));
        let anchors = anchors.iter().enumerate().map(|(index, anchor)| (anchor, Place::Anchor(index)));
        let all = core::iter::once((leaf, Place::Leaf)).chain(untrusted).chain(anchors);

        let (mut names, mut keys, mut entities) = (NameNumbers::new(), Numbers::new(), Numbers::new());
        let (mut identifiers, mut constraints) = (Numbers::new(), Numbers::new());
        let mut nodes = Vec::new();
        let mut constrained = Vec::new();
        for (certificate, place) in all {
            let extensions = certificate.extensions();
            let subject = names.of(certificate.subject());
            let issuer = names.of(certificate.issuer());
            let key = keys.of(certificate.spki());
            let own_constraints = certificate.extension(crate::oid::NAME_CONSTRAINTS);
            let own_constraints = own_constraints.map(|extension| constraints.of(extension.value));
            if own_constraints == Some(constrained.len()) {
                constrained.push(nodes.len());
            }
            let authority = extensions.authority_key_identifier.as_ref();
            let authority_issuers = authority.and_then(|authority| authority.issuer.as_ref()).into_iter().flatten();
            let authority_issuers = authority_issuers.filter_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(names.of(name)),
                _ => None,
            });
            let identifiers = Identifiers {
                own: extensions.subject_key_identifier.map(|own| identifiers.of(own)),
                serial: identifiers.of(certificate.serial()),
                authority: authority.and_then(|named| named.key_identifier).map(|named| identifiers.of(named)),
                authority_serial: authority.and_then(|named| named.serial).map(|named| identifiers.of(named)),
                authority_issuers: authority_issuers.collect(),
            };
            nodes.push(Node {
                certificate,
                place,
                subject,
                issuer,
                key,
                entity: entities.of((subject, key)),
                constraints: own_constraints,
                identifiers,
                fault: OnceCell::new(),
                names: OnceCell::new(),
            });
        }
        let mut by_subject = vec![Vec::new(); names.canonical.0.len()];
        let mut by_issuer = vec![Vec::new(); names.canonical.0.len()];
        for (index, node) in nodes.iter().enumerate() {
            by_subject[node.subject].push(index);
            if !matches!(node.place, Place::Anchor(_)) {
                by_issuer[node.issuer].push(index);
            }
        }
        Self {
            nodes,
            by_subject,
            by_issuer,
            entities: entities.0.len(),
            constrained,
            signatures: BTreeMap::new(),
            within_constraints: BTreeMap::new(),
        }
    }

    /// Whether `issuer` may have issued `child` by its name and by the authority key identifier: the key identifier
    /// where both state one, issuer and serial number of the issuer's certificate where those are stated. What is
    /// self-issued and names no key has signed itself.
    pub(crate) fn may_have_issued(&self, issuer: usize, child: usize) -> bool {
        let (issuer, child) = (&self.nodes[issuer], &self.nodes[child]);
        let (named, own) = (&child.identifiers, &issuer.identifiers);
        child.issuer == issuer.subject
            && (!child.is_self_issued() || named.authority.is_some() || child.key == issuer.key)
            && (named.authority.is_none() || own.own.is_none() || named.authority == own.own)
            && named.authority_serial.is_none_or(|serial| serial == own.serial)
            && (named.authority_issuers.is_empty() || named.authority_issuers.contains(&issuer.issuer))
    }

    /// Whether the key of `issuer` signed `child`, verified once for each pair of certificate and key.
    pub(crate) fn signature(
        &mut self,
        issuer: usize,
        child: usize,
        at: Time,
        budget: &mut Budget,
    ) -> Result<Finding, PathErrorKind> {
        let pair = (child, self.nodes[issuer].key);
        if let Some(known) = self.signatures.get(&pair) {
            return Ok(known.clone());
        }
        budget.spend_signature()?;
        let finding = match self.nodes[issuer].certificate.public_key() {
            Ok(key) => {
                let child = self.nodes[child].certificate;
                child.verify_signature(key).and_then(|()| child.check_algorithm_at(key, at))
            }
            Err(error) => Err(error.kind),
        };
        self.signatures.insert(pair, finding.clone());
        Ok(finding)
    }

    /// Whether the names of a certificate are within the constraints of this number, judged once for each pair.
    pub(crate) fn names_within(
        &mut self,
        node: usize,
        constraints: usize,
        budget: &mut Budget,
    ) -> Result<Finding, PathErrorKind> {
        if let Some(known) = self.within_constraints.get(&(node, constraints)) {
            return Ok(known.clone());
        }
        let certificate = self.nodes[node].certificate;
        let names =
            self.nodes[node].names.get_or_init(|| Names::of(certificate.subject(), certificate.subject_alt_names()));
        let source = self
            .constrained
            .get(constraints)
            .map(|index| &self.nodes[*index].certificate.extensions().name_constraints);
        let finding = match source {
            Some(Some(constraints)) => {
                budget.spend_comparisons(constraints.cost(names))?;
                constraints.check(names)
            }
            _ => Ok(()),
        };
        self.within_constraints.insert((node, constraints), finding.clone());
        Ok(finding)
    }
}
