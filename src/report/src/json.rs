//! The JSON views.

use crate::{ledger, lists};
use countersign_common::{
    Approval, Certificate, Challenge, ComparisonOutcome, ComponentFact, ComponentMatch, Extension, ListEvidence,
    ListKind, MachineComparison, MachineComponent, MachineFacts, Reason, Remedy, SignedObject, Slot, Token, TreeHead,
    Verdict,
    anchors_update::AnchorsUpdate,
    oid,
    token::{
        AltNameForm, Criterion, Entitlement, Grant, HolderAnchor, KeyProtection, MachineBinding, ProductVersion,
        TpmRule,
    },
    token_list::TokenList,
};
use der::{Encode, asn1::Any};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// An object without its absent members.
pub(crate) fn members<const N: usize>(members: [(&str, Value); N]) -> Value {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(present.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn shown<T: ToString>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |value| Value::String(value.to_string()))
}

fn list<T>(items: Option<&[T]>, view: fn(&T) -> Value) -> Value {
    items.map_or(Value::Null, |items| items.iter().map(view).collect())
}

/// The body of a token.
pub fn token(token: &Token) -> Value {
    let version = |version: Option<ProductVersion>| {
        version.map_or(
            Value::Null,
            |version| json!({ "major": version.major, "minor": version.minor, "patch": version.patch }),
        )
    };
    members([
        ("version", token.version.into()),
        ("id", token.id.to_string().into()),
        ("revision", token.revision.into()),
        ("customer", json!({ "id": token.customer.id, "name": token.customer.name })),
        (
            "product",
            members([
                ("id", token.product.id.as_str().into()),
                ("edition", shown(token.product.edition.as_ref())),
                ("from", version(token.product.from)),
                ("below", version(token.product.below)),
            ]),
        ),
        (
            "window",
            json!({
                "not_before": token.window.not_before.0.to_string(),
                "not_after": token.window.not_after.0.to_string(),
            }),
        ),
        ("grants", token.grants.iter().map(grant).collect()),
        (
            "terms",
            members([
                ("validity", token.terms.validity.into()),
                ("renew_after", token.terms.renew_after.into()),
                ("grace", token.terms.grace.into()),
                ("notification", token.terms.notification.into()),
                (
                    "clock_repair",
                    token.terms.clock_repair.as_ref().map_or(Value::Null, |repair| {
                        json!({
                            "timestamp_anchors": repair.timestamp_anchors.iter().flatten().map(encoded).collect::<Value>(),
                            "two_holders": repair.two_holders,
                        })
                    }),
                ),
            ]),
        ),
        ("binding", binding(&token.binding)),
        ("entitlements", list(token.entitlements.as_deref(), entitlement)),
        ("seats", token.seats.into()),
        (
            "lists",
            token.lists.as_ref().map_or(Value::Null, |lists| {
                members([("oldest_number", lists.oldest_number.into()), ("max_age", lists.max_age.into())])
            }),
        ),
        ("extensions", list(token.extensions.as_deref(), extension)),
    ])
}

fn grant(grant: &Grant) -> Value {
    let mut buffer = Vec::new();
    let anchor = match grant.anchor(&mut buffer) {
        Ok(HolderAnchor::Certificate(der)) => json!({ "certificate": hex(der) }),
        Ok(HolderAnchor::KeyDigest(digest)) => json!({ "key_digest": digest.to_string() }),
        Err(reason) => json!({ "unreadable": reason.to_string() }),
    };
    members([
        ("number", grant.number.into()),
        ("anchor", anchor),
        ("direct_issuer", grant.direct_issuer.into()),
        ("criteria", list(grant.criteria.as_deref(), criterion)),
        ("authentication_slot", grant.authentication_slot.into()),
        (
            "key_protection",
            match grant.key_protection {
                KeyProtection::Any => "any",
                KeyProtection::Attested => "attested",
            }
            .into(),
        ),
        ("persons", grant.persons.into()),
    ])
}

fn criterion(criterion: &Criterion) -> Value {
    match criterion {
        Criterion::Policy(policy) => json!({ "policy": policy.to_string() }),
        Criterion::ExtendedKeyUsage(usage) => json!({ "extended_key_usage": usage.to_string() }),
        Criterion::Subject(subject) => {
            json!({ "subject": { "attribute": subject.attribute.to_string(), "pattern": subject.pattern } })
        }
        Criterion::SubjectAltName(name) => {
            let form = match name.form {
                AltNameForm::UserPrincipalName => "user-principal-name",
                AltNameForm::Rfc822Name => "rfc822-name",
                AltNameForm::DnsName => "dns-name",
                AltNameForm::Uri => "uri",
            };
            json!({ "subject_alt_name": { "form": form, "pattern": name.pattern } })
        }
        Criterion::Certificate(digest) => json!({ "certificate": digest.to_string() }),
    }
}

fn binding(binding: &MachineBinding) -> Value {
    members([
        ("salt", binding.salt.to_string().into()),
        ("required", binding.required.into()),
        (
            "components",
            binding
                .components
                .iter()
                .map(|rule| json!({ "kind": rule.kind.name(), "mandatory": rule.mandatory }))
                .collect(),
        ),
        (
            "machines",
            list(binding.machines.as_deref(), |machine| {
                json!({
                    "label": machine.label,
                    "components": machine.components.iter().map(component).collect::<Value>(),
                })
            }),
        ),
        (
            "tpm",
            match binding.tpm {
                TpmRule::None => "none",
                TpmRule::Preferred => "preferred",
                TpmRule::Required => "required",
            }
            .into(),
        ),
        ("virtual_machines", binding.virtual_machines.into()),
    ])
}

/// A value that is kept as it came, in hexadecimal.
fn encoded(value: &Any) -> Value {
    value.to_der().map_or(Value::Null, |der| hex(&der).into())
}

fn component(component: &MachineComponent) -> Value {
    json!({
        "kind": component.kind.name(),
        "digests": component.digests.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn entitlement(entitlement: &Entitlement) -> Value {
    members([
        ("name", entitlement.name.as_str().into()),
        ("value", entitlement.value.as_str().into()),
        ("not_after", shown(entitlement.not_after.map(|end| end.0))),
    ])
}

fn extension(extension: &Extension) -> Value {
    json!({
        "id": extension.id.to_string(),
        "critical": extension.critical,
        "value": hex(extension.value.as_bytes()),
    })
}

/// The content of a record.
pub fn challenge(challenge: &Challenge) -> Value {
    members([
        ("version", challenge.version.into()),
        ("token_digest", challenge.token_digest.to_string().into()),
        ("grant", challenge.grant.into()),
        (
            "slot",
            match challenge.slot {
                Slot::Authentication => "authentication",
                Slot::Signature => "signature",
            }
            .into(),
        ),
        ("time", challenge.time.0.to_string().into()),
        ("nonce", challenge.nonce.to_string().into()),
        ("machine", challenge.machine.iter().map(component).collect()),
        ("virtualization", shown(challenge.virtualization.as_ref())),
        ("work_order", shown(challenge.work_order.as_ref())),
        ("extensions", list(challenge.extensions.as_deref(), extension)),
    ])
}

/// A certificate.
pub fn certificate(certificate: &Certificate<'_>) -> Value {
    members([
        ("subject", certificate.subject_text().into()),
        ("serial", hex(certificate.serial()).into()),
        ("not_before", certificate.not_before().to_string().into()),
        ("not_after", certificate.not_after().to_string().into()),
        ("key", certificate.public_key().map_or(Value::Null, |key| key.kind().to_string().into())),
        ("sha256", hex(&certificate.digest()).into()),
    ])
}

/// A token, record, token list, anchors update, tree head or approval as it stands, without any claim that it is true. A
/// record holds its token, a token its approvals. Beside the members of
/// docs/token-format.md, section 12, there is the signer's subject.
pub fn object(object: &SignedObject<'_>) -> Value {
    let content = object.content();
    let (kind, body) = match object.content_type() {
        oid::CONTENT_ANCHORS => {
            ("anchors-update", AnchorsUpdate::from_der(content).map(|body| lists::anchors_update(&body)))
        }
        oid::CONTENT_TOKEN => ("activation-token", Token::from_der(content).map(|body| token(&body))),
        oid::CONTENT_TOKEN_LIST => ("token-list", TokenList::from_der(content).map(|body| lists::token_list(&body))),
        oid::CONTENT_CHALLENGE => ("activation-record", Challenge::from_der(content).map(|body| challenge(&body))),
        oid::CONTENT_TREE_HEAD => ("tree-head", TreeHead::from_der(content).map(|body| ledger::tree_head(&body))),
        oid::CONTENT_APPROVAL => ("approval", Approval::from_object(object).map(|body| approval(&body))),
        _ => ("object", Err(Reason::WrongObject { expected: "a token, record, list, update, head or approval" })),
    };
    let inner = object
        .unsigned_token()
        .map_or(Value::Null, |der| SignedObject::from_der(der).map_or_else(unreadable, |inner| self::object(&inner)));
    members([
        ("type", kind.into()),
        ("digest", hex(&object.digest()).into()),
        ("signing_time", object.signing_time().to_string().into()),
        ("algorithm", object.algorithm().name().into()),
        ("signer", hex(&object.signer().digest()).into()),
        ("signer_subject", object.signer().subject_text().into()),
        ("certificates", object.other_certificates().iter().map(|other| hex(&other.digest())).collect()),
        ("body", body.unwrap_or_else(unreadable)),
        ("approvals", approvals(object)),
        ("inclusion_proof", object.inclusion_proof().map_or(Value::Null, ledger::proof)),
        ("token", inner),
    ])
}

/// The approvals that a token carries, each as such an object; null where there are none.
fn approvals(token: &SignedObject<'_>) -> Value {
    match Approval::carried_by(token) {
        Ok(approvals) if approvals.is_empty() => Value::Null,
        Ok(approvals) => approvals.iter().map(object).collect(),
        Err(reason) => unreadable(reason),
    }
}

fn approval(body: &Approval) -> Value {
    json!({ "version": body.version, "token": body.token.to_string() })
}

/// In place of what cannot be read.
pub(crate) fn unreadable(reason: Reason) -> Value {
    json!({ "unreadable": reason.to_string(), "code": reason.code() })
}

/// A reason.
pub fn reason(reason: &Reason) -> Value {
    json!({ "code": reason.code(), "message": reason.to_string(), "remedy": remedy(reason.remedy()) })
}

fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Activate => "activate",
        Remedy::AskAuthority => "ask-authority",
        Remedy::GetFileAgain => "get-file-again",
        Remedy::GrantAccess => "grant-access",
        Remedy::InstallLists => "install-lists",
        Remedy::Nothing => "nothing",
        Remedy::Renew => "renew",
        Remedy::SetClock => "set-clock",
        Remedy::UpgradeVerifier => "upgrade-verifier",
        Remedy::UseAnotherCard => "use-another-card",
        _ => "unknown",
    }
}

/// A verdict.
pub fn verdict(verdict: &Verdict) -> Value {
    let evidence = &verdict.evidence;
    members([
        ("state", verdict.state.name().into()),
        ("activated", verdict.state.is_activated().into()),
        ("reason", reason(&verdict.reason)),
        ("activated_at", shown(verdict.activated)),
        ("renewal_due", shown(verdict.renewal_due)),
        ("valid_until", shown(verdict.valid_until)),
        (
            "token",
            evidence.token.as_ref().map_or(Value::Null, |token| {
                members([
                    ("id", token.id.to_string().into()),
                    ("revision", token.revision.into()),
                    ("sha256", token.digest.to_string().into()),
                    ("issued", token.issued.to_string().into()),
                    ("customer", json!({ "id": token.customer.id, "name": token.customer.name })),
                    ("product", token.product.as_str().into()),
                    ("edition", shown(token.edition.as_ref())),
                    ("signer", token.signer.as_str().into()),
                    ("anchor", token.anchor.as_str().into()),
                ])
            }),
        ),
        (
            "holder",
            evidence.holder.as_ref().map_or(Value::Null, |holder| {
                members([
                    ("subject", holder.subject.as_str().into()),
                    ("certificate_sha256", holder.certificate.to_string().into()),
                    ("anchor", holder.anchor.as_str().into()),
                    ("grant", holder.grant.into()),
                    ("slot", slot(holder.claimed_slot, holder.slot_proven)),
                    ("work_order", shown(holder.work_order.as_ref())),
                ])
            }),
        ),
        ("machine", evidence.machine.as_ref().map_or(Value::Null, comparison)),
        ("virtualization", shown(evidence.virtualization.as_ref())),
        ("lists", evidence.lists.iter().map(list_evidence).collect()),
        ("anchors_update", Some(evidence.anchors_update).filter(|number| *number > 0).into()),
        ("entitlements", verdict.entitlements.iter().map(entitlement).collect()),
    ])
}

fn list_evidence(list: &ListEvidence) -> Value {
    json!({
        "kind": match list.kind {
            ListKind::CertificateList => "certificate-list",
            ListKind::TokenList => "token-list",
        },
        "issuer": list.issuer,
        "number": list.number,
        "this_update": list.this_update.to_string(),
    })
}

/// The slot and what it rests on: the verifier's claim, or a certificate policy of an attested key.
fn slot(claimed: Slot, proven: bool) -> Value {
    json!({ "name": claimed.to_string(), "basis": if proven { "proven" } else { "claimed" } })
}

fn comparison(comparison: &MachineComparison) -> Value {
    let outcome = match comparison.outcome {
        ComparisonOutcome::Same => "same",
        ComparisonOutcome::Other => "other",
        ComparisonOutcome::CannotTell => "cannot-tell",
    };
    let found = |found| match found {
        ComponentMatch::Matches => "matches",
        ComponentMatch::Differs => "differs",
        ComponentMatch::Missing => "missing",
        ComponentMatch::NotRecorded => "not-recorded",
    };
    json!({
        "outcome": outcome,
        "required": comparison.required,
        "components": comparison
            .components
            .iter()
            .map(|(kind, result)| json!({ "kind": kind.name(), "result": found(*result) }))
            .collect::<Value>(),
    })
}

/// A machine's components in the clear, as an authority needs them to list the machine in a token.
pub fn machine(facts: &MachineFacts) -> Value {
    let components = facts.components.iter().map(|(kind, fact)| match fact {
        ComponentFact::Values(values) => json!({ "kind": kind.name(), "values": values }),
        ComponentFact::Absent => json!({ "kind": kind.name(), "absent": true }),
        ComponentFact::Unreadable(why) => json!({ "kind": kind.name(), "unreadable": why }),
    });
    json!({ "components": components.collect::<Value>(), "virtualization": facts.virtualization })
}
