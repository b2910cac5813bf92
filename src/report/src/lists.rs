//! What travels beside tokens and records: token lists, certificate revocation lists, anchors updates, bundles.

use crate::{
    json::{certificate, hex, members},
    text::Line,
};
use countersign_common::{
    Certificate, Demands, SignedObject, Token,
    anchors_update::AnchorsUpdate,
    bundle::{Bundle, PartKind},
    oid,
    token_list::TokenList,
};
use countersign_pki::display_name;
use der::{Decode, Encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_cert::{
    certificate::Rfc5280,
    crl::CertificateList,
    ext::{Extension, pkix::CrlReason},
};

/// How many members of a list a person is shown.
const SHOWN: usize = 20;

/// A token list in plain words.
pub fn token_list_lines(list: &TokenList) -> Vec<Line> {
    let mut lines = vec![
        ("number", list.number.to_string()),
        ("issued", format!("{}, next by {}", list.this_update.0, list.next_update.0)),
    ];
    let revoked = list.revoked.as_deref().unwrap_or_default();
    lines.push(("revoked tokens", revoked.len().to_string()));
    lines.extend(revoked.iter().take(SHOWN).map(|token| {
        let reason = token.reason.reason().name();
        ("", format!("  {} version {} and before, since {}: {reason}", token.id, token.revision, token.date.0))
    }));
    lines.extend(more(revoked.len()));
    let count = |list: &Option<Vec<_>>| list.as_ref().map_or(0, Vec::len).to_string();
    lines.push(("standing tokens", count(&list.standing)));
    lines.push(("received records", count(&list.received)));
    lines.extend(list.replaced().map(|name| ("replaces lists of", display_name(&name))));
    lines
}

/// A token list.
pub fn token_list(list: &TokenList) -> Value {
    let digests = |digests: &Option<Vec<countersign_common::Digest32>>| {
        digests.iter().flatten().map(ToString::to_string).collect::<Value>()
    };
    let revoked = list.revoked.iter().flatten().map(|token| {
        members([
            ("id", token.id.to_string().into()),
            ("revision", token.revision.into()),
            ("date", token.date.0.to_string().into()),
            ("reason", token.reason.reason().name().into()),
            ("digest", token.digest.map_or(Value::Null, |digest| digest.to_string().into())),
        ])
    });
    json!({
        "version": list.version,
        "number": list.number,
        "this_update": list.this_update.0.to_string(),
        "next_update": list.next_update.0.to_string(),
        "revoked": revoked.collect::<Value>(),
        "standing": digests(&list.standing),
        "received": digests(&list.received),
        "replaces": list.replaced().map(|name| display_name(&name)).collect::<Value>(),
    })
}

/// An anchors update in plain words.
pub fn anchors_update_lines(update: &AnchorsUpdate<'_>) -> Vec<Line> {
    let mut lines = vec![("number", update.number.to_string()), ("issued", update.issued.0.to_string())];
    for anchor in &update.anchors {
        let der = anchor.certificate.as_bytes();
        let subject = Certificate::from_der(der).map_or_else(|error| error.to_string(), |anchor| anchor.subject_text());
        let end = anchor.not_after.map(|end| format!(", machines are activated under it until {}", end.0));
        lines.push(("anchor", format!("{subject}{}", end.unwrap_or_default())));
        lines.push(("", format!("  SHA-256 {}", hex(&Sha256::digest(der)))));
    }
    lines.push(("next update", format!("signed by {} of {} keys", update.threshold, update.signers.len())));
    lines.extend(update.signers.iter().map(|signer| ("", format!("  SHA-256 {signer}"))));
    lines.extend(demands_lines(update.demands.unwrap_or_default()));
    lines
}

/// What anchors demand of tokens, in plain words; nothing where they demand nothing.
pub fn demands_lines(demands: Demands) -> Vec<Line> {
    let approvals = (demands.approvals > 0).then(|| format!("the approval of {} persons", demands.approvals));
    let proof = demands.inclusion_proof.then(|| "the proof that they are in the ledger".to_owned());
    approvals.into_iter().chain(proof).map(|what| ("tokens need", what)).collect()
}

/// An anchors update.
pub fn anchors_update(update: &AnchorsUpdate<'_>) -> Value {
    let anchors = update.anchors.iter().map(|anchor| {
        let der = anchor.certificate.as_bytes();
        members([
            ("certificate", Certificate::from_der(der).map_or_else(|_| hex(der).into(), |anchor| certificate(&anchor))),
            ("not_after", anchor.not_after.map_or(Value::Null, |end| end.0.to_string().into())),
        ])
    });
    let demands = update
        .demands
        .map(|demands| json!({ "inclusion_proof": demands.inclusion_proof, "approvals": demands.approvals }));
    members([
        ("version", update.version.into()),
        ("number", update.number.into()),
        ("issued", update.issued.0.to_string().into()),
        ("anchors", anchors.collect()),
        ("signers", update.signers.iter().map(ToString::to_string).collect()),
        ("threshold", update.threshold.into()),
        ("demands", demands.into()),
    ])
}

/// A certificate revocation list in plain words; nothing where it is none.
pub fn certificate_list_lines(der: &[u8]) -> Option<Vec<Line>> {
    let view = CertificateListView::read(der)?;
    let mut lines = vec![
        ("issuer", view.issuer),
        ("number", view.number.unwrap_or_else(|| "none".to_owned())),
        (
            "issued",
            view.next_update.map_or(view.this_update.clone(), |next| format!("{}, next by {next}", view.this_update)),
        ),
    ];
    lines.extend(view.base.map(|base| ("changes since", format!("number {base}"))));
    lines.push(("revoked", view.entries.len().to_string()));
    let count = view.entries.len();
    lines.extend(view.entries.into_iter().take(SHOWN).map(|entry| {
        let invalid = entry.invalid_since.map(|date| format!(", not to be relied on since {date}"));
        ("", format!("  {} since {}: {}{}", entry.serial, entry.date, entry.reason, invalid.unwrap_or_default()))
    }));
    lines.extend(more(count));
    Some(lines)
}

/// A certificate revocation list; nothing where it is none.
pub fn certificate_list(der: &[u8]) -> Option<Value> {
    let view = CertificateListView::read(der)?;
    let entries = view.entries.into_iter().map(|entry| {
        members([
            ("serial", entry.serial.into()),
            ("date", entry.date.into()),
            ("reason", entry.reason.into()),
            ("invalid_since", entry.invalid_since.map_or(Value::Null, Value::from)),
        ])
    });
    Some(members([
        ("type", "certificate-list".into()),
        ("digest", hex(&Sha256::digest(der)).into()),
        ("issuer", view.issuer.into()),
        ("number", view.number.map_or(Value::Null, Value::from)),
        ("base", view.base.map_or(Value::Null, Value::from)),
        ("this_update", view.this_update.into()),
        ("next_update", view.next_update.map_or(Value::Null, Value::from)),
        ("revoked", entries.collect()),
    ]))
}

/// A bundle in plain words: each part with its size.
pub fn bundle_lines(bundle: &Bundle<'_>) -> Vec<Line> {
    let manifest = bundle.manifest();
    let mut lines = vec![
        ("bundle", manifest.id.to_string()),
        ("label", manifest.label.clone()),
        ("made", manifest.created.0.to_string()),
        ("signer", bundle.object().signer().subject_text()),
    ];
    lines.extend(
        parts(bundle).map(|(kind, part)| (kind.name(), format!("{} octets: {}", part.len(), describe(kind, part)))),
    );
    lines
}

/// A bundle.
pub fn bundle(bundle: &Bundle<'_>) -> Value {
    let manifest = bundle.manifest();
    let parts = parts(bundle).map(|(kind, part)| {
        json!({
            "kind": kind.name(),
            "octets": part.len(),
            "sha256": hex(&Sha256::digest(part)),
            "description": describe(kind, part),
        })
    });
    json!({
        "type": "bundle",
        "id": manifest.id.to_string(),
        "label": manifest.label,
        "created": manifest.created.0.to_string(),
        "signer_subject": bundle.object().signer().subject_text(),
        "parts": parts.collect::<Value>(),
    })
}

/// The parts in their order.
fn parts<'a>(bundle: &'a Bundle<'_>) -> impl Iterator<Item = (PartKind, &'a [u8])> {
    let kinds = [
        PartKind::AnchorsUpdate,
        PartKind::Certificate,
        PartKind::CertificateList,
        PartKind::TokenList,
        PartKind::Token,
    ];
    kinds.into_iter().flat_map(|kind| bundle.parts(kind).map(move |part| (kind, part)))
}

/// What a part is, in a few words.
fn describe(kind: PartKind, part: &[u8]) -> String {
    let unreadable = || "cannot be read".to_owned();
    match kind {
        PartKind::Certificate => Certificate::from_der(part).map_or_else(|_| unreadable(), |part| part.subject_text()),
        PartKind::CertificateList => CertificateListView::read(part).map_or_else(unreadable, |view| {
            let number = view.number.map(|number| format!(" number {number}")).unwrap_or_default();
            format!("of {}{number}, {} revoked", view.issuer, view.entries.len())
        }),
        _ => SignedObject::from_der(part).map_or_else(|_| unreadable(), |object| describe_object(&object)),
    }
}

fn describe_object(object: &SignedObject<'_>) -> String {
    let body = object.content();
    let words = match object.content_type() {
        oid::CONTENT_TOKEN => Token::from_der(body).map(|token| {
            format!("{} for {}, {} version {}", token.product.id, token.customer.name, token.id, token.revision)
        }),
        oid::CONTENT_TOKEN_LIST => TokenList::from_der(body).map(|list| {
            let revoked = list.revoked.as_ref().map_or(0, Vec::len);
            format!("number {} by {}, {revoked} revoked", list.number, object.signer().subject_text())
        }),
        oid::CONTENT_ANCHORS => AnchorsUpdate::from_der(body)
            .map(|update| format!("number {}, signed by {}", update.number, object.signer().subject_text())),
        other => Ok(format!("an object of the type {other}")),
    };
    words.unwrap_or_else(|reason| reason.to_string())
}

fn more(count: usize) -> Option<Line> {
    (count > SHOWN).then(|| ("", format!("  and {} more", count - SHOWN)))
}

struct CertificateListView {
    issuer: String,
    number: Option<String>,
    /// The number of the complete list that a delta list goes with.
    base: Option<String>,
    this_update: String,
    next_update: Option<String>,
    entries: Vec<EntryView>,
}

struct EntryView {
    serial: String,
    date: String,
    reason: String,
    invalid_since: Option<String>,
}

impl CertificateListView {
    fn read(der: &[u8]) -> Option<Self> {
        let list = CertificateList::<Rfc5280>::from_der(der).ok()?.tbs_cert_list;
        let extensions = list.crl_extensions.unwrap_or_default();
        let number = |id: &str| value(&extensions, id).map(|value| integer(&value));
        Some(Self {
            issuer: display_name(&list.issuer.to_der().ok()?),
            number: number("2.5.29.20"),
            base: number("2.5.29.27"),
            this_update: time(&list.this_update),
            next_update: list.next_update.as_ref().map(time),
            entries: list
                .revoked_certificates
                .unwrap_or_default()
                .into_iter()
                .map(|entry| {
                    let extensions = entry.crl_entry_extensions.unwrap_or_default();
                    let reason = value(&extensions, "2.5.29.21").map(|value| CrlReason::from_der(&value));
                    EntryView {
                        serial: hex(entry.serial_number.as_bytes()),
                        date: time(&entry.revocation_date),
                        reason: reason_name(reason),
                        invalid_since: value(&extensions, "2.5.29.24").and_then(|value| {
                            countersign_common::GeneralizedTime::from_der(&value).ok().map(|date| date.0.to_string())
                        }),
                    }
                })
                .collect(),
        })
    }
}

fn value(extensions: &[Extension], id: &str) -> Option<Vec<u8>> {
    let found = extensions.iter().find(|extension| extension.extn_id.to_string() == id)?;
    Some(found.extn_value.as_bytes().to_vec())
}

/// A number that fits 128 bits in decimal, any other in hexadecimal.
fn integer(der: &[u8]) -> String {
    u128::from_der(der).map_or_else(|_| hex(der), |number| number.to_string())
}

fn time(time: &x509_cert::time::Time) -> String {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    countersign_common::Time::from_unix(seconds).to_string()
}

/// The spelling of RFC 5280 5.3.1.
fn reason_name(reason: Option<der::Result<CrlReason>>) -> String {
    let name = match reason {
        None | Some(Ok(CrlReason::Unspecified)) => "unspecified",
        Some(Ok(CrlReason::KeyCompromise)) => "keyCompromise",
        Some(Ok(CrlReason::CaCompromise)) => "cACompromise",
        Some(Ok(CrlReason::AffiliationChanged)) => "affiliationChanged",
        Some(Ok(CrlReason::Superseded)) => "superseded",
        Some(Ok(CrlReason::CessationOfOperation)) => "cessationOfOperation",
        Some(Ok(CrlReason::CertificateHold)) => "certificateHold",
        Some(Ok(CrlReason::RemoveFromCRL)) => "removeFromCRL",
        Some(Ok(CrlReason::PrivilegeWithdrawn)) => "privilegeWithdrawn",
        Some(Ok(CrlReason::AaCompromise)) => "aACompromise",
        Some(Err(_)) => "unreadable",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_common::{
        GeneralizedTime, Octets, Time,
        token_list::{RevokedToken, TokenRevocation},
    };

    fn list_of(revoked: u8) -> TokenList {
        let date = GeneralizedTime(Time::from_unix(1_795_478_400));
        let token = |id| RevokedToken {
            id: Octets([id; 16]),
            revision: 3,
            date,
            reason: TokenRevocation::Superseded,
            digest: Some(Octets([7; 32])),
        };
        TokenList {
            version: 1,
            number: 9,
            this_update: date,
            next_update: date,
            revoked: Some((1..=revoked).map(token).collect()),
            standing: Some(vec![Octets([1; 32])]),
            received: None,
            replaces: None,
            extensions: None,
        }
    }

    #[test]
    fn a_long_list_is_shown_in_part_and_written_whole() {
        let list = list_of(25);
        let lines = token_list_lines(&list);
        assert!(
            lines.contains(&("revoked tokens", "25".to_owned()))
                && lines.contains(&("standing tokens", "1".to_owned()))
        );
        assert!(lines.contains(&("", "  and 5 more".to_owned())));
        let document = token_list(&list);
        assert_eq!(document["revoked"].as_array().map(Vec::len), Some(25));
        assert_eq!(document["revoked"][0]["digest"], "07".repeat(32));
        assert_eq!((&document["number"], &document["received"]), (&9.into(), &json!([])));
    }

    #[test]
    fn what_is_no_list_of_certificates_has_no_view() {
        for der in [&b""[..], b"text", &[0x30, 0x00], &[0x30, 0x80, 0x30, 0x80]] {
            assert!(certificate_list_lines(der).is_none() && certificate_list(der).is_none());
        }
    }
}
