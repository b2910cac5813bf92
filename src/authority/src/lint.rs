//! The lint: what is wrong or unwise about a token that is about to be signed.
//!
//! An error stops the issue. A warning is told and recorded in the answer; it never stops anything.

use crate::document::Place;
use core::fmt;
use countersign_common::{
    Certificate, ComparisonOutcome, MachineComparison, Reason, Time,
    token::{HolderAnchor, ListedMachine, MachineBinding, Token},
};
use std::borrow::Cow;

/// A window longer than this is not short, in seconds: 90 days.
const SHORT_WINDOW: i64 = 90 * 86_400;

const WINDOW: About = About::Key(&["window"]);

/// Something that the lint found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable code.
    pub code: &'static str,
    /// The fact in one line.
    pub fact: String,
    /// What to do about it.
    pub advice: Cow<'static, str>,
    /// Where it stands in a profile, as far as a profile was looked at.
    pub place: Option<Place>,
    pub(crate) about: About,
    severity: Severity,
}

/// The part of a token that a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum About {
    /// The entitlement of this name.
    Entitlement(String),
    /// The grant of this number.
    Grant(u16),
    /// A key of the profile, by the keys that lead there.
    Key(&'static [&'static str]),
    /// The listed machine of this label.
    Machine(String),
    /// Nothing that a profile could say.
    #[default]
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

impl Finding {
    /// Every code of the lint with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7092", "certificate valid for long"),
        ("CS-7099", "authority restored as it was before"),
        ("CS-7101", "member of the token outside its limits"),
        ("CS-7102", "term that the verifiers of this release refuse"),
        ("CS-7103", "window for activating over already"),
        ("CS-7104", "holder anchor that no verifier accepts"),
        ("CS-7105", "listed machine that could never be activated"),
        ("CS-7106", "token signer's certificate not valid now"),
        ("CS-7107", "beyond a limit that the authority sets"),
        ("CS-7121", "any machine, and the window is not short"),
        ("CS-7122", "window longer than the token signer's certificate"),
        ("CS-7123", "entitlement that ends before the window opens"),
        ("CS-7124", "grant that admits everybody under a foreign anchor"),
        ("CS-7125", "machine recognised by a single component"),
        ("CS-7126", "two listed machines that cannot be told apart"),
        ("CS-7127", "term that the verifiers of this release refuse, allowed"),
        ("CS-7128", "card with the management key it was delivered with"),
        ("CS-7129", "token that needs a list which was not issued yet"),
        ("CS-7131", "revoked token in the bundle"),
        ("CS-7137", "card with a PIN that anybody would try"),
        ("CS-7138", "person with other certificates in force"),
    ];

    /// The code of what goes beyond a limit.
    pub(crate) const LIMIT: &'static str = "CS-7107";

    /// Something that stops the issue.
    pub(crate) fn error(code: &'static str, fact: String, advice: impl Into<Cow<'static, str>>) -> Self {
        let (place, about) = (None, About::Nothing);
        Self { code, fact, advice: advice.into(), place, about, severity: Severity::Error }
    }

    fn warning(code: &'static str, fact: String, advice: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, fact, advice) }
    }

    /// The same, at a place.
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same, about a part of the token.
    pub(crate) fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// A card that everybody can manage.
    pub(crate) fn default_management_key() -> Self {
        Self::warning(
            "CS-7128",
            "the card has the management key it was delivered with, which everybody knows".to_owned(),
            "enrol cards with --new-secrets, or anybody who holds the card can replace its key",
        )
    }

    /// A card that anybody can use who finds it.
    pub(crate) fn weak_pin() -> Self {
        Self::warning(
            "CS-7137",
            "the card has a PIN that anybody would try".to_owned(),
            "have its holder change it: countersign-authority card change-pin; or enrol cards with --new-secrets",
        )
    }

    /// A person who has another card as well.
    pub(crate) fn other_certificates(subject: &str, number: usize) -> Self {
        Self::warning(
            "CS-7138",
            format!("{subject} has {number} other certificates that are in force"),
            "revoke those that the person does not use any more: card enroll --supersede, card lost or revoke certificate",
        )
    }

    /// A token that nobody can use.
    pub(crate) fn revoked_token(id: &str) -> Self {
        Self::warning(
            "CS-7131",
            format!("the token {id} is revoked, and the lists say so"),
            "leave it out, unless it is there for the machines that it activated before",
        )
    }

    /// A certificate whose key has to be kept safe for longer than is wise.
    pub(crate) fn long_lived(who: &str, not_after: Time, years: i64) -> Self {
        Self::warning(
            "CS-7092",
            format!("the certificate of {who} is valid until {not_after}, which is more than {years} years"),
            "shorten it: a key is renewed in minutes, and what it signed stays valid",
        )
    }

    /// A ledger that lacks what was entered after its backup.
    pub(crate) fn older_restored(entries: u64) -> Self {
        Self::warning(
            "CS-7099",
            format!("the head has {entries} entries more than what was restored: they are lost"),
            "find out from files and records outside what was issued and revoked since, and revoke again what was revoked",
        )
    }

    /// Whether it stops the issue.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The fact behind its place.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.as_ref().map_or(Ok(()), |place| write!(f, "{place}: "))?;
        f.write_str(&self.fact)
    }
}

/// What the lint needs to know beside the token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) now: Time,
    /// SubjectPublicKeyInfo of each token anchor.
    pub(crate) anchor_keys: &'a [Vec<u8>],
    /// SubjectPublicKeyInfo of each holder root of this authority.
    pub(crate) holder_root_keys: &'a [Vec<u8>],
    pub(crate) token_signer: &'a Certificate<'a>,
    /// The number of the newest token list.
    pub(crate) newest_list: Option<u64>,
    pub(crate) for_newer_verifier: bool,
}

/// Everything there is to say about a token, errors first.
pub(crate) fn lint(token: &Token, circumstances: &Circumstances<'_>) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    machines(&token.binding, &mut findings);
    if let Err(reason) = token.check() {
        // A machine that offers nothing is outside the limits too, and better told by its name.
        if !findings.0.iter().any(Finding::is_error) {
            findings.error(
                member(&reason),
                "CS-7101",
                reason.to_string(),
                "docs/token-format.md states the limits of each member",
            );
        }
        // The rest is written for what is within limits.
        return findings.0;
    }
    enforceable(token, circumstances, &mut findings);
    times(token, circumstances, &mut findings);
    grants(token, circumstances, &mut findings);
    findings.0.sort_by_key(|finding| !finding.is_error());
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, about: About, code: &'static str, fact: String, advice: &'static str) {
        self.0.push(Finding::error(code, fact, advice).about(about));
    }

    fn warning(&mut self, about: About, code: &'static str, fact: String, advice: &'static str) {
        self.0.push(Finding::warning(code, fact, advice).about(about));
    }
}

fn enforceable(token: &Token, circumstances: &Circumstances<'_>, findings: &mut Findings) {
    let (term, fact) = match token.check_enforceable() {
        Ok(()) => return,
        Err(reason @ Reason::NeedsNewerVerifier(term)) => {
            (member(&reason), format!("verifiers of this release refuse {term}"))
        }
        Err(reason @ Reason::UnknownCriticalExtension(id)) => {
            (member(&reason), format!("verifiers of this release refuse the extension {id}"))
        }
        Err(reason) => {
            findings.error(
                member(&reason),
                "CS-7101",
                reason.to_string(),
                "docs/token-format.md states the limits of each member",
            );
            return;
        }
    };
    if circumstances.for_newer_verifier {
        findings.warning(term, "CS-7127", fact, "make sure that the machines have a later release before it goes out");
    } else {
        findings.error(
            term,
            "CS-7102",
            fact,
            "leave the term out, or issue with --for-newer-verifier for machines that have a later release",
        );
    }
}

/// The key of a profile that states what a reason is about.
fn member(reason: &Reason) -> About {
    About::Key(match reason {
        Reason::NeedsNewerVerifier("grace") => &["terms", "grace"],
        Reason::NeedsNewerVerifier("notification") => &["terms", "notification"],
        Reason::NeedsNewerVerifier("clock repair by two holders") => &["terms", "clock-repair", "two-holders"],
        Reason::NeedsNewerVerifier("TPM binding") => &["binding", "tpm"],
        Reason::NeedsNewerVerifier(_) => &["grants"],
        Reason::TokenField("customer.id") => &["customer", "id"],
        Reason::TokenField("customer.name") => &["customer", "name"],
        Reason::TokenField("product.id") => &["product", "id"],
        Reason::TokenField("product.edition") => &["product", "edition"],
        Reason::TokenField("product.below") => &["product", "below"],
        Reason::TokenField("window") => &["window"],
        Reason::TokenField("terms.validity") => &["terms", "validity"],
        Reason::TokenField("terms.renewAfter") => &["terms", "renew-after"],
        Reason::TokenField("terms.clockRepair") => &["terms", "clock-repair"],
        Reason::TokenField("seats") => &["seats"],
        Reason::TokenField("lists") => &["lists"],
        Reason::TokenField("binding.components") => &["binding", "components"],
        Reason::TokenField("binding.required") => &["binding", "required"],
        Reason::TokenField("binding.machines") => &["binding", "machines"],
        Reason::TokenField(field) if field.starts_with("grants") => &["grants"],
        Reason::TokenField(field) if field.starts_with("entitlements") => &["entitlements"],
        Reason::TokenField("extensions") | Reason::UnknownCriticalExtension(_) => &["extensions"],
        _ => return About::Nothing,
    })
}

fn times(token: &Token, circumstances: &Circumstances<'_>, findings: &mut Findings) {
    let Circumstances { now, token_signer, .. } = *circumstances;
    let (opens, closes) = (token.window.not_before.0, token.window.not_after.0);
    if closes < now {
        let fact = format!("the window for activating closed {closes}, and it is {now}");
        findings.error(WINDOW, "CS-7103", fact, "state a later end with --activate-until or --activate-within");
    }
    if now < token_signer.not_before() || now > token_signer.not_after() {
        let fact = format!(
            "the token signer's certificate is valid from {} to {}, and it is {now}",
            token_signer.not_before(),
            token_signer.not_after()
        );
        findings.error(
            About::Nothing,
            "CS-7106",
            fact,
            "set the clock if it is wrong; otherwise: countersign-authority renew token-signer",
        );
    } else if closes > token_signer.not_after() {
        let fact = format!(
            "machines may be activated until {closes}, the token signer's certificate ends {}",
            token_signer.not_after()
        );
        findings.warning(
            WINDOW,
            "CS-7122",
            fact,
            "a token stays good beyond its signer's certificate; tools that judge by today's date will refuse it",
        );
    }
    if token.binding.machines.is_none() && closes.unix() - opens.unix().max(now.unix()) > SHORT_WINDOW {
        findings.warning(
            WINDOW,
            "CS-7121",
            format!("any number of machines may be activated until {closes}"),
            "list the machines with --machine, or keep the window below 90 days: nothing else bounds it offline",
        );
    }
    if let Some(lists) = &token.lists {
        let needed = lists.oldest_number.unwrap_or(1);
        if circumstances.newest_list.is_none_or(|newest| newest < needed) {
            let newest = circumstances.newest_list.map_or("none".to_owned(), |number| number.to_string());
            findings.warning(
                About::Key(&["lists"]),
                "CS-7129",
                format!("machines need the token list {needed} or a later one, and the newest issued is {newest}"),
                "issue it with countersign-authority crl, or nobody can activate; it travels in a bundle",
            );
        }
    }
    for entitlement in token.entitlements.iter().flatten() {
        if let Some(end) = entitlement.not_after.filter(|end| end.0 < opens) {
            let fact = format!("the entitlement {} ends {}, before the window opens", entitlement.name, end.0);
            findings.warning(
                About::Entitlement(entitlement.name.clone()),
                "CS-7123",
                fact,
                "nobody will ever have it: state a later end, or leave it out",
            );
        }
    }
}

fn grants(token: &Token, circumstances: &Circumstances<'_>, findings: &mut Findings) {
    const ADVICE: &str = "name the certificate of the CA that issues the holders' certificates";
    for grant in &token.grants {
        let number = grant.number;
        let mut buffer = Vec::new();
        let everybody = match grant.anchor(&mut buffer) {
            Ok(HolderAnchor::Certificate(der)) => match Certificate::from_der(der) {
                Ok(anchor) => {
                    let subject = anchor.subject_text();
                    let signs = anchor.key_usage().is_none_or(|usage| usage.key_cert_sign());
                    if circumstances.anchor_keys.iter().any(|key| key == anchor.spki()) {
                        let fact = format!("grant {number} names a token root as holder anchor");
                        findings.error(About::Grant(number), "CS-7104", fact, ADVICE);
                    } else if !anchor.is_ca() || !signs || anchor.public_key().is_err() {
                        let fact = format!("grant {number}: {subject} is no CA that a verifier accepts");
                        findings.error(About::Grant(number), "CS-7104", fact, ADVICE);
                    }
                    let own = circumstances.holder_root_keys.iter().any(|key| key == anchor.spki());
                    (!own).then_some(subject)
                }
                Err(error) => {
                    findings.error(About::Grant(number), "CS-7104", format!("grant {number}: {error}"), ADVICE);
                    None
                }
            },
            Ok(HolderAnchor::KeyDigest(digest)) => Some(format!("the CA with the key {digest}")),
            Err(_) => None,
        };
        if let Some(subject) = everybody.filter(|_| grant.criteria.is_none()) {
            findings.warning(
                About::Grant(number),
                "CS-7124",
                format!("grant {number} admits every holder under {subject}"),
                "narrow it with criteria, such as subject:CN=…, unless that CA issues for this purpose only",
            );
        }
    }
}

fn machines(binding: &MachineBinding, findings: &mut Findings) {
    if binding.required == 1 && binding.components.len() > 1 && !binding.components.iter().any(|rule| rule.mandatory) {
        findings.warning(
            About::Key(&["binding", "required"]),
            "CS-7125",
            "one matching component is enough for a machine to be the same".to_owned(),
            "require two or more with --require, or make one component mandatory",
        );
    }
    let listed = binding.machines.as_deref().unwrap_or_default();
    for (index, machine) in listed.iter().enumerate() {
        let own = MachineComparison::new(binding, &machine.components, &machine.components);
        if own.outcome != ComparisonOutcome::Same {
            let fact = format!(
                "the machine {} offers {} of the components that count, and {} must match",
                machine.label,
                machine.components.len(),
                binding.required
            );
            let advice = "describe it again with more rights, or count other components with --component and --require";
            findings.error(About::Machine(machine.label.clone()), "CS-7105", fact, advice);
        }
        let like = |other: &&ListedMachine| {
            MachineComparison::new(binding, &machine.components, &other.components).outcome == ComparisonOutcome::Same
        };
        if let Some(other) = listed[..index].iter().find(like) {
            let fact = format!("the machines {} and {} cannot be told apart", other.label, machine.label);
            findings.warning(
                About::Machine(machine.label.clone()),
                "CS-7126",
                fact,
                "check that the two files are of different machines",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_in_order_and_apart_from_the_errors() {
        assert!(Finding::CODES.is_sorted_by(|one, other| one.0 < other.0));
        assert!(Finding::CODES.iter().any(|(code, _)| *code == Finding::default_management_key().code));
        let taken = |code: &str| crate::Error::CODES.iter().any(|(other, _)| *other == code);
        assert!(!Finding::CODES.iter().any(|(code, _)| taken(code)));
    }
}
