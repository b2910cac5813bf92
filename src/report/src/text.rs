//! The views for people: lines of a label and a value.

use crate::{ledger, lists};
use countersign_common::{
    Approval, Certificate, Challenge, ComponentMatch, ListKind, Reason, SignedObject, Token, TreeHead, Verdict,
    anchors_update::AnchorsUpdate,
    is_misleading, oid,
    token::{HolderAnchor, KeyProtection, Seconds, TpmRule},
    token_list::TokenList,
};
use countersign_pki::display_name;
use der::Encode;
use std::fmt::Write as _;

/// A label and what it says; an empty label continues the line before.
pub type Line = (&'static str, String);

/// Lines with the values in one column. Characters that control or mislead come out as `\u{1b}`, so that no object can write to a
/// terminal what it likes.
pub fn render(lines: &[Line]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut text, (label, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:width$}  {}", visible(value));
        text
    })
}

/// A text with characters that control or mislead as `\u{1b}`.
pub fn visible(value: &str) -> String {
    let escape = |character: char| {
        if is_misleading(character) { character.escape_unicode().to_string() } else { character.to_string() }
    };
    value.chars().map(escape).collect()
}

/// An interval in the largest unit that divides it: `90 days`, `36 hours`.
pub fn interval(seconds: Seconds) -> String {
    let (count, unit) = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")]
        .into_iter()
        .find(|(length, _)| seconds.is_multiple_of(*length))
        .map_or((seconds, "second"), |(length, unit)| (seconds / length, unit));
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// The body of a token in plain words.
pub fn token_lines(token: &Token) -> Vec<Line> {
    let mut lines = vec![
        ("token", format!("{} version {}", token.id, token.revision)),
        ("customer", format!("{} ({})", token.customer.name, token.customer.id)),
        ("product", product(token)),
        ("may be activated", format!("{} to {}", token.window.not_before.0, token.window.not_after.0)),
    ];
    let validity = token.terms.validity.map_or_else(|| "without end".to_owned(), interval);
    lines.push(("an activation holds", validity));
    lines.extend(token.terms.renew_after.map(|after| ("renewal due after", interval(after))));
    lines.extend(token.terms.grace.map(|grace| ("grace", interval(grace))));
    lines.extend(token.terms.notification.map(|notification| ("notification", interval(notification))));
    if let Some(repair) = &token.terms.clock_repair {
        let stamps =
            repair.timestamp_anchors.as_ref().map(|anchors| format!("time stamps under {} roots", anchors.len()));
        let holders = repair.two_holders.then(|| "two holders together".to_owned());
        lines.push(("clock repair", stamps.into_iter().chain(holders).collect::<Vec<_>>().join(", or ")));
    }
    if let Some(lists) = &token.lists {
        let number = lists.oldest_number.map(|number| format!("number {number} or later"));
        let age = lists.max_age.map(|age| format!("at most {} old", interval(age)));
        lines.push(("revocation lists", number.into_iter().chain(age).collect::<Vec<_>>().join(", ")));
    }
    for grant in &token.grants {
        let mut buffer = Vec::new();
        let anchor = match grant.anchor(&mut buffer) {
            Ok(HolderAnchor::Certificate(der)) => {
                Certificate::from_der(der).map_or_else(|error| error.to_string(), |anchor| anchor.subject_text())
            }
            Ok(HolderAnchor::KeyDigest(digest)) => format!("the key with SHA-256 {digest}"),
            Err(reason) => reason.to_string(),
        };
        let relation = if grant.direct_issuer { "certified directly by" } else { "certified under" };
        let slots = if grant.authentication_slot { "slot 9C or 9A" } else { "slot 9C" };
        lines.push(("who may activate", format!("grant {}: {slots}, {relation} {anchor}", grant.number)));
        lines.extend(grant.criteria.iter().flatten().map(|criterion| ("", format!("  with {criterion}"))));
        if grant.persons > 1 {
            lines.push(("", format!("  {} distinct persons together", grant.persons)));
        }
        if grant.key_protection == KeyProtection::Attested {
            lines.push(("", "  with a key attested to have been made in hardware".to_owned()));
        }
    }
    let binding = &token.binding;
    let components: Vec<_> = binding
        .components
        .iter()
        .map(|rule| format!("{}{}", rule.kind, if rule.mandatory { " (mandatory)" } else { "" }))
        .collect();
    lines.push(("machine", format!("{} of {} must match", binding.required, components.join(", "))));
    match &binding.machines {
        Some(machines) => {
            lines.extend(machines.iter().map(|machine| ("on machine", machine.label.clone())));
        }
        None => lines.push(("on machine", "any".to_owned())),
    }
    if !binding.virtual_machines {
        lines.push(("", "no virtual machines or containers".to_owned()));
    }
    match binding.tpm {
        TpmRule::None => {}
        TpmRule::Preferred => lines.push(("", "a TPM takes part where there is one".to_owned())),
        TpmRule::Required => lines.push(("", "a TPM is required".to_owned())),
    }
    lines.extend(token.seats.map(|seats| ("seats", seats.to_string())));
    for entitlement in token.entitlements.iter().flatten() {
        let end = entitlement.not_after.map(|end| format!(" until {}", end.0)).unwrap_or_default();
        lines.push(("entitlement", format!("{} = {}{end}", entitlement.name, entitlement.value)));
    }
    lines
}

fn product(token: &Token) -> String {
    let mut text = token.product.id.clone();
    if let Some(edition) = &token.product.edition {
        text = format!("{text}, edition {edition}");
    }
    if let Some(from) = token.product.from {
        text = format!("{text}, from version {from}");
    }
    if let Some(below) = token.product.below {
        text = format!("{text}, below version {below}");
    }
    text
}

/// A certificate.
pub fn certificate_lines(certificate: &Certificate<'_>) -> Vec<Line> {
    let key = certificate.public_key().map_or_else(|error| error.to_string(), |key| key.kind().to_string());
    vec![
        ("subject", certificate.subject_text()),
        ("valid", format!("{} to {}", certificate.not_before(), certificate.not_after())),
        ("key", key),
        ("SHA-256", certificate.digest().iter().map(|octet| format!("{octet:02x}")).collect()),
    ]
}

/// A token, record, token list, anchors update or tree head as it stands, without any claim that it is true.
pub fn object_lines(object: &SignedObject<'_>) -> Vec<Line> {
    let content = object.content();
    let (what, body) = match object.content_type() {
        oid::CONTENT_ANCHORS => {
            ("anchors update", AnchorsUpdate::from_der(content).map(|update| lists::anchors_update_lines(&update)))
        }
        oid::CONTENT_TOKEN => ("activation token", Token::from_der(content).map(|token| token_lines(&token))),
        oid::CONTENT_TOKEN_LIST => {
            ("token list", TokenList::from_der(content).map(|list| lists::token_list_lines(&list)))
        }
        oid::CONTENT_CHALLENGE => ("activation record", Challenge::from_der(content).map(challenge_lines)),
        oid::CONTENT_TREE_HEAD => ("tree head", TreeHead::from_der(content).map(|head| ledger::tree_head_lines(&head))),
        oid::CONTENT_APPROVAL => (
            "approval",
            Approval::from_object(object)
                .map(|approval| vec![("of the token whose body has", format!("SHA-256 {}", approval.token))]),
        ),
        _ => ("object", Err(Reason::WrongObject { expected: "a token, record, list, update, head or approval" })),
    };
    let mut lines = vec![("object", what.to_owned())];
    lines.extend(body.unwrap_or_else(|reason| vec![("unreadable", format!("{reason} [{}]", reason.code()))]));
    lines.push(("signed", format!("{}, {}", object.signing_time(), object.algorithm().name())));
    lines.push(("signer", object.signer().subject_text()));
    lines.extend(object.other_certificates().iter().map(|issuer| ("with issuer", issuer.subject_text())));
    match Approval::carried_by(object) {
        Ok(approvals) => lines.extend(approver_lines(&approvals)),
        Err(reason) => lines.push(("approved by", format!("unreadable: {reason} [{}]", reason.code()))),
    }
    if let Some(der) = object.inclusion_proof() {
        lines.extend(ledger::proof_lines(der));
    }
    if let Some(der) = object.unsigned_token() {
        match countersign_common::SignedObject::from_der(der) {
            Ok(token) => lines.extend(object_lines(&token)),
            Err(reason) => lines.push(("unreadable", format!("{reason} [{}]", reason.code()))),
        }
    }
    lines
}

/// Who signed approvals and when, whether rightly or not.
pub fn approver_lines(approvals: &[SignedObject<'_>]) -> Vec<Line> {
    let line = |approval: &SignedObject<'_>| {
        ("approved by", format!("{}, {}", approval.signer().subject_text(), approval.signing_time()))
    };
    approvals.iter().map(line).collect()
}

fn challenge_lines(challenge: Challenge) -> Vec<Line> {
    let kinds: Vec<_> = challenge.machine.iter().map(|component| component.kind.name()).collect();
    let mut lines = vec![("activated", challenge.time.0.to_string()), ("machine", kinds.join(", "))];
    lines.extend(challenge.virtualization.map(|virtualization| ("virtual machine", virtualization)));
    lines.push(("under", format!("grant {}, slot {} (claimed)", challenge.grant, challenge.slot)));
    lines.extend(challenge.work_order.map(|order| ("work order", order)));
    for list in challenge.lists.iter().flatten() {
        let issuer = display_name(&list.issuer.to_der().unwrap_or_default());
        lines.push(("with list", format!("of {issuer}, issued {}", list.this_update.0)));
    }
    lines
}

/// What a verdict rests on; the verdict itself is the program's headline.
pub fn verdict_lines(verdict: &Verdict) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(token) = &verdict.evidence.token {
        let edition = token.edition.as_ref().map(|edition| format!(", edition {edition}")).unwrap_or_default();
        lines.push(("product", format!("{}{edition}", token.product)));
        lines.push(("customer", format!("{} ({})", token.customer.name, token.customer.id)));
        lines.push(("token", format!("{} version {}, issued {}", token.id, token.revision, token.issued)));
        lines.push(("signed by", format!("{} under {}", token.signer, token.anchor)));
    }
    if let Some(holder) = &verdict.evidence.holder {
        lines.push(("activated by", format!("{} under {}", holder.subject, holder.anchor)));
        let basis = if holder.slot_proven { "proven" } else { "claimed" };
        lines.push(("with", format!("slot {} ({basis}), grant {}", holder.claimed_slot, holder.grant)));
        lines.extend(holder.work_order.iter().map(|order| ("work order", order.clone())));
    }
    lines.extend(verdict.activated.map(|time| ("activated", time.to_string())));
    lines.extend(verdict.renewal_due.map(|time| ("renewal due", time.to_string())));
    if verdict.activated.is_some() {
        lines.push((
            "valid until",
            verdict.valid_until.map_or_else(|| "without end".to_owned(), |time| time.to_string()),
        ));
    }
    if let Some(machine) = &verdict.evidence.machine {
        for (result, words) in [
            (ComponentMatch::Matches, "matching"),
            (ComponentMatch::Differs, "differing"),
            (ComponentMatch::Missing, "missing"),
            (ComponentMatch::NotRecorded, "not recorded"),
        ] {
            let kinds: Vec<_> = machine.those(result).iter().map(|kind| kind.name()).collect();
            if !kinds.is_empty() {
                lines.push(("machine", format!("{words}: {}", kinds.join(", "))));
            }
        }
    }
    lines.extend(verdict.evidence.virtualization.iter().map(|name| ("virtual machine", name.clone())));
    for list in &verdict.evidence.lists {
        let kind = match list.kind {
            ListKind::CertificateList => "certificates",
            ListKind::TokenList => "tokens",
        };
        let says = format!("{kind}, number {} of {}, issued {}", list.number, list.issuer, list.this_update);
        lines.push(("revocation list", says));
    }
    if verdict.evidence.anchors_update > 0 {
        lines.push(("anchors update", verdict.evidence.anchors_update.to_string()));
    }
    for entitlement in &verdict.entitlements {
        lines.push(("entitlement", format!("{} = {}", entitlement.name, entitlement.value)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_in_the_largest_unit_that_divides_them() {
        for (seconds, words) in [(86_400, "1 day"), (7_776_000, "90 days"), (129_600, "36 hours"), (61, "61 seconds")] {
            assert_eq!(interval(seconds), words);
        }
    }

    #[test]
    fn values_stand_in_one_column() {
        assert_eq!(
            render(&[("a", "x".to_owned()), ("label", "y\u{1b}".to_owned())]),
            "  a      x\n  label  y\\u{1b}\n"
        );
    }
}
