//! The limits of the format, and what this release can enforce (docs/token-format.md, sections 4 and 11).

use crate::{
    asn1::{Extension, read_body},
    machine::check_components,
    reason::Reason,
    token::{
        ClockRepair, Criterion, FORMAT_VERSION, Grant, KeyProtection, ListTerms, ListedMachine, MAX_INTERVAL,
        MAX_LISTED_MACHINES, MachineBinding, Token, TpmRule,
    },
};
use countersign_pki::is_misleading;
use der::asn1::ObjectIdentifier;

/// Whether a text may stand as an identifier: ASCII letters and digits, `.`, `_` and `-`, not beginning with `.` or
/// `-`, 1 to 64 of them. Such a text is safe as a file name.
pub fn is_identifier(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

impl Token {
    /// Reads the DER of a body and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let token: Self = read_body(der, FORMAT_VERSION, "token body")?;
        token.check()?;
        Ok(token)
    }

    /// Holds a body to the limits of the format. Terms that this release cannot enforce are another matter:
    /// [`Self::check_enforceable`].
    pub fn check(&self) -> Result<(), Reason> {
        self.violation().map_or(Ok(()), |field| Err(Reason::TokenField(field)))
    }

    /// The first member that is outside the limits of the format.
    fn violation(&self) -> Option<&'static str> {
        let text = |text: &str, longest| !text.is_empty() && text.len() <= longest && !text.contains(is_misleading);
        let interval = |interval: Option<u32>| interval.is_none_or(|seconds| (1..=MAX_INTERVAL).contains(&seconds));
        let product = &self.product;
        let range_is_empty = matches!((product.from, product.below), (Some(from), Some(below)) if from >= below);
        let entitlements = self.entitlements.as_deref();
        let checks = [
            ("version", self.version == FORMAT_VERSION),
            ("revision", self.revision > 0),
            ("customer.id", is_identifier(&self.customer.id)),
            ("customer.name", text(&self.customer.name, 256)),
            ("product.id", is_identifier(&product.id)),
            ("product.edition", product.edition.as_deref().is_none_or(is_identifier)),
            ("product.below", !range_is_empty),
            ("window", self.window.not_before <= self.window.not_after),
            ("grants", (1..=16).contains(&self.grants.len())),
            (
                "grants.number",
                ascending(self.grants.iter().map(|grant| grant.number))
                    && self.grants[..].first().is_none_or(|grant| grant.number > 0),
            ),
            ("grants.criteria", self.grants.iter().all(Grant::criteria_within_limits)),
            ("grants.persons", self.grants.iter().all(|grant| (1..=8).contains(&grant.persons))),
            ("terms.validity", interval(self.terms.validity)),
            (
                "terms.renewAfter",
                interval(self.terms.renew_after)
                    && self
                        .terms
                        .renew_after
                        .is_none_or(|after| self.terms.validity.is_none_or(|validity| after < validity)),
            ),
            ("terms.grace", interval(self.terms.grace)),
            ("terms.notification", interval(self.terms.notification)),
            (
                "entitlements",
                entitlements.is_none_or(|list| {
                    (1..=256).contains(&list.len())
                        && ascending(list.iter().map(|entitlement| entitlement.name.as_str()))
                }),
            ),
            (
                "entitlements.name",
                entitlements.is_none_or(|list| list.iter().all(|entitlement| is_identifier(&entitlement.name))),
            ),
            (
                "entitlements.value",
                entitlements.is_none_or(|list| list.iter().all(|entitlement| entitlement.value.len() <= 1_024)),
            ),
            ("terms.clockRepair", self.terms.clock_repair.as_ref().is_none_or(ClockRepair::is_within_limits)),
            ("lists", self.lists.as_ref().is_none_or(ListTerms::is_within_limits)),
            ("seats", self.seats != Some(0)),
            ("extensions", extensions_within_limits(self.extensions.as_deref())),
        ];
        checks.iter().find(|(_, holds)| !holds).map(|(field, _)| *field).or_else(|| self.binding.violation())
    }

    /// Refuses what this release cannot enforce: never ignored, so that nobody is licensed on terms that nobody
    /// keeps.
    pub fn check_enforceable(&self) -> Result<(), Reason> {
        let needs = |needed, term| if needed { Err(Reason::NeedsNewerVerifier(term)) } else { Ok(()) };
        needs(self.grants.iter().any(|grant| grant.persons > 1), "several holders")?;
        needs(self.grants.iter().any(|grant| grant.key_protection != KeyProtection::Any), "key attestation")?;
        needs(self.terms.grace.is_some(), "grace")?;
        needs(self.terms.notification.is_some(), "notification")?;
        needs(
            self.terms.clock_repair.as_ref().is_some_and(|repair| repair.two_holders),
            "clock repair by two holders",
        )?;
        needs(self.binding.tpm != TpmRule::None, "TPM binding")?;
        for grant in &self.grants {
            grant.anchor(&mut Vec::new())?;
        }
        critical_extension(self.extensions.as_deref())
    }
}

impl Grant {
    fn criteria_within_limits(&self) -> bool {
        let pattern = |pattern: &str| (1..=256).contains(&pattern.len());
        self.criteria.as_deref().is_none_or(|criteria| {
            (1..=16).contains(&criteria.len())
                && criteria.iter().all(|criterion| match criterion {
                    Criterion::Subject(subject) => is_der(&subject.attribute) && pattern(&subject.pattern),
                    Criterion::SubjectAltName(name) => pattern(&name.pattern),
                    Criterion::Policy(id) | Criterion::ExtendedKeyUsage(id) => is_der(id),
                    Criterion::Certificate(_) => true,
                })
        })
    }
}

impl ClockRepair {
    fn is_within_limits(&self) -> bool {
        match self.timestamp_anchors.as_deref() {
            Some(anchors) => (1..=8).contains(&anchors.len()),
            None => self.two_holders,
        }
    }
}

impl ListTerms {
    fn is_within_limits(&self) -> bool {
        let says_something = self.oldest_number.is_some() || self.max_age.is_some();
        says_something
            && self.oldest_number.is_none_or(|number| (1..=i64::MAX as u64).contains(&number))
            && self.max_age.is_none_or(|seconds| (1..=MAX_INTERVAL).contains(&seconds))
    }
}

impl MachineBinding {
    fn violation(&self) -> Option<&'static str> {
        let kinds = self.components.len();
        if !(1..=16).contains(&kinds) || !ascending(self.components.iter().map(|rule| rule.kind)) {
            return Some("binding.components");
        }
        if !(1..=kinds).contains(&usize::from(self.required)) {
            return Some("binding.required");
        }
        let listed = |machine: &ListedMachine| {
            (1..=64).contains(&machine.label.len())
                && !machine.label.contains(is_misleading)
                && !machine.components.is_empty()
                && check_components(&machine.components)
        };
        let machines = self.machines.as_deref();
        let within =
            machines.is_none_or(|list| (1..=MAX_LISTED_MACHINES).contains(&list.len()) && list.iter().all(listed));
        if within { None } else { Some("binding.machines") }
    }
}

/// Whether each item is greater than the one before.
pub(crate) fn ascending<T: PartialOrd>(items: impl Iterator<Item = T>) -> bool {
    let mut last = None;
    for item in items {
        if last.as_ref().is_some_and(|last| *last >= item) {
            return false;
        }
        last = Some(item);
    }
    true
}

/// Whether no arc of an object identifier is padded in front (X.690 8.19.2), which its type lets pass.
fn is_der(id: &ObjectIdentifier) -> bool {
    let mut begins = true;
    id.as_bytes().iter().all(|octet| {
        let padded = begins && *octet == 0x80;
        begins = *octet < 0x80;
        !padded
    })
}

pub(crate) fn extensions_within_limits(extensions: Option<&[Extension]>) -> bool {
    extensions.is_none_or(|list| {
        (1..=16).contains(&list.len())
            && ascending(list.iter().map(|extension| extension.id))
            && list.iter().all(|extension| is_der(&extension.id))
    })
}

/// Version 1 knows no extension, so a critical one is refused and any other ignored.
pub(crate) fn critical_extension(extensions: Option<&[Extension]>) -> Result<(), Reason> {
    let critical = extensions.unwrap_or_default().iter().find(|extension| extension.critical);
    critical.map_or(Ok(()), |extension| Err(Reason::UnknownCriticalExtension(extension.id)))
}
