//! Whether a grant admits a holder: the path to its anchor, the roles, the slot and the criteria.

use crate::{
    asn1::{Digest32, Octets},
    challenge::Slot,
    oid,
    reason::{Reason, role_of},
    token::{AltNameForm, Criterion, Grant, HolderAnchor},
};
use countersign_pki::{
    Budget, Certificate, GeneralName, KeyKind, PathError, PathRules, RevocationRules, Time, ValidatedPath, attributes,
    validate_path,
};
use der::{Tag, Tagged};
use sha2::{Digest as _, Sha256};

/// A holder whom a grant admits, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Number of the grant.
    pub grant: u16,
    /// The slot whose key it admits.
    pub slot: Slot,
    /// Whether the path asserts that the key is in slot 9C, and that is the slot named: its issuer has seen an attestation.
    pub slot_proven: bool,
    /// Indices into the issuers given, of those that belong into the record: all between the holder and the anchor,
    /// and the anchor itself where the grant names it by key digest.
    pub issuers: Vec<usize>,
    /// Indices into the certificate lists given, of those that spoke of the holder or of an issuer.
    pub lists: Vec<usize>,
    /// The anchor's subject, for a person to read.
    pub anchor_subject: String,
}

/// Who signs, or would.
#[derive(Clone)]
pub(crate) struct Holder<'h, 'a> {
    pub(crate) certificate: &'h Certificate<'a>,
    /// Certificates between the holder's and the anchor's, in any order.
    pub(crate) issuers: &'h [Certificate<'a>],
    pub(crate) slot: Slot,
    /// When.
    pub(crate) at: Time,
    /// Where revocation is looked up.
    pub(crate) revocation: Option<RevocationRules<'h>>,
}

/// Judges a holder by one grant. `of_authority` tells whether a certificate has a key of the token authority, which
/// none here may have.
pub(crate) fn admit(
    grant: &Grant,
    holder: &Holder<'_, '_>,
    of_authority: impl Fn(&Certificate<'_>) -> bool,
    budget: &mut Budget,
) -> Result<Admission, Reason> {
    let Holder { certificate, issuers, slot, at, .. } = *holder;
    if slot == Slot::Authentication && !grant.authentication_slot {
        return Err(Reason::SlotNotAllowed { grant: grant.number, slot });
    }
    for certificate in issuers.iter().chain([certificate]) {
        if let Some(role) =
            certificate.extended_key_usages().unwrap_or_default().iter().find_map(|usage| role_of(*usage))
        {
            return Err(Reason::RoleMixed(role));
        }
    }
    let mut buffer = Vec::new();
    let (anchor, among_issuers) = match grant.anchor(&mut buffer)? {
        HolderAnchor::Certificate(der) => (Certificate::from_der(der).map_err(Reason::Holder)?, None),
        HolderAnchor::KeyDigest(key_digest) => {
            let place = find_by_key(issuers, key_digest, budget)?.ok_or(Reason::AnchorNotPresent { key_digest })?;
            (issuers[place].clone(), Some(place))
        }
    };
    let anchor = core::array::from_ref(&anchor);
    if issuers.iter().chain(anchor).any(&of_authority) {
        return Err(Reason::RoleMixed("a key of the token authority as holder anchor"));
    }
    if of_authority(certificate) {
        return Err(Reason::RoleMixed("a key of the token authority as holder"));
    }
    let rules = PathRules { signing: true, revocation: holder.revocation, ..PathRules::at(at) };
    let path = validate_path(certificate, issuers, anchor, &rules, budget).map_err(Reason::Holder)?;
    if grant.direct_issuer && !path.intermediates().is_empty() {
        return Err(Reason::NotDirectlyIssued { grant: grant.number });
    }
    for criterion in grant.criteria.as_deref().unwrap_or_default() {
        if !meets(criterion, certificate, &path) {
            return Err(Reason::Criterion { grant: grant.number, criterion: criterion.to_string() });
        }
    }
    let needed = path.intermediates().iter().copied().chain(among_issuers).collect();
    let [anchor] = anchor;
    Ok(Admission {
        grant: grant.number,
        slot,
        slot_proven: slot == Slot::Signature && path.policies().contains(oid::POLICY_ATTESTED_SIGNATURE_SLOT),
        issuers: needed,
        lists: path.lists().to_vec(),
        anchor_subject: anchor.subject_text(),
    })
}

/// Whether a holder's key may sign a record at a time, which is asked before a PIN is.
pub(crate) fn check_key(holder: &Certificate<'_>, at: Time) -> Result<(), Reason> {
    let kind = holder.public_key().map_err(Reason::Holder)?.kind();
    match kind.refused_from() {
        _ if kind == KeyKind::Ed25519 => Err(Reason::AlgorithmNotAllowed),
        Some(since) if at >= since => Err(Reason::AlgorithmRefused { since, at }),
        _ => Ok(()),
    }
}

/// The certificate with a given key that its owner signed. The digest vouches for the key alone; what else the
/// certificate says, its limits above all, only the key's own signature does.
fn find_by_key(
    issuers: &[Certificate<'_>],
    key_digest: Digest32,
    budget: &mut Budget,
) -> Result<Option<usize>, Reason> {
    for (place, issuer) in issuers.iter().enumerate() {
        if Octets(Sha256::digest(issuer.spki()).into()) == key_digest {
            budget
                .spend_signature()
                .map_err(|kind| Reason::Holder(PathError { kind, subject: issuer.subject_text() }))?;
            if issuer.verify_self_signed().is_ok() {
                return Ok(Some(place));
            }
        }
    }
    Ok(None)
}

fn meets(criterion: &Criterion, holder: &Certificate<'_>, path: &ValidatedPath) -> bool {
    match criterion {
        Criterion::Policy(policy) => path.policies().contains(*policy),
        Criterion::ExtendedKeyUsage(usage) => holder.extended_key_usages().is_some_and(|usages| usages.contains(usage)),
        Criterion::Subject(wanted) => attributes(holder.subject()).into_iter().flatten().any(|attribute| {
            attribute.kind == wanted.attribute && attribute.text().is_some_and(|text| matches(&wanted.pattern, &text))
        }),
        Criterion::SubjectAltName(wanted) => {
            let pattern = wanted.pattern.to_ascii_lowercase();
            holder
                .subject_alt_names()
                .iter()
                .filter_map(|name| alt_name_text(name, wanted.form))
                .any(|text| matches(&pattern, &text.to_ascii_lowercase()))
        }
        Criterion::Certificate(digest) => holder.digest() == digest.0,
    }
}

fn alt_name_text(name: &GeneralName<'_>, form: AltNameForm) -> Option<String> {
    match (form, name) {
        (AltNameForm::Rfc822Name, GeneralName::Rfc822Name(text))
        | (AltNameForm::DnsName, GeneralName::DnsName(text))
        | (AltNameForm::Uri, GeneralName::Uri(text)) => Some((*text).to_owned()),
        (AltNameForm::UserPrincipalName, GeneralName::OtherName { kind, value })
            if *kind == oid::USER_PRINCIPAL_NAME && value.tag() == Tag::Utf8String =>
        {
            core::str::from_utf8(value.value()).ok().map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether a text matches a pattern in which `*` stands for any run of characters. The runs are taken as short as
/// possible from the left, which needs no going back.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The criterion in words, as a verdict tells it.
impl core::fmt::Display for Criterion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Policy(policy) => write!(f, "certificate policy {policy}"),
            Self::ExtendedKeyUsage(usage) => write!(f, "extended key usage {usage}"),
            Self::Subject(wanted) => write!(f, "subject attribute {} like {:?}", wanted.attribute, wanted.pattern),
            Self::SubjectAltName(wanted) => {
                let form = match wanted.form {
                    AltNameForm::UserPrincipalName => "user principal name",
                    AltNameForm::Rfc822Name => "e-mail address",
                    AltNameForm::DnsName => "DNS name",
                    AltNameForm::Uri => "URI",
                };
                write!(f, "{form} like {:?}", wanted.pattern)
            }
            Self::Certificate(digest) => write!(f, "the certificate with SHA-256 {digest}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        asn1::Octets,
        token::{AltNamePattern, AttributePattern},
    };
    use der::asn1::{AnyRef, ObjectIdentifier};

    #[test]
    fn a_user_principal_name_is_a_text_under_its_own_type() {
        let other_type = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.4");
        let text = |kind, tag, form| {
            let value = AnyRef::new(tag, b"ada@example.com").unwrap();
            alt_name_text(&GeneralName::OtherName { kind, value }, form)
        };
        let (upn, utf8) = (oid::USER_PRINCIPAL_NAME, Tag::Utf8String);
        let ada = Some("ada@example.com".to_owned());
        assert_eq!(text(upn, utf8, AltNameForm::UserPrincipalName), ada);
        assert_eq!(text(upn, Tag::Ia5String, AltNameForm::UserPrincipalName), None);
        assert_eq!(text(other_type, utf8, AltNameForm::UserPrincipalName), None);
        assert_eq!(text(upn, utf8, AltNameForm::Rfc822Name), None);
        let address = GeneralName::Rfc822Name("ada@example.com");
        assert_eq!(alt_name_text(&address, AltNameForm::Rfc822Name), ada);
        assert_eq!(alt_name_text(&address, AltNameForm::DnsName), None);
    }

    #[test]
    fn criteria_in_words() {
        let name =
            |form| Criterion::SubjectAltName(AltNamePattern { form, pattern: "*@example.com".to_owned() }).to_string();
        let common_name = AttributePattern { attribute: "2.5.4.3".parse().unwrap(), pattern: "Ada *".to_owned() };
        let usage = "1.3.6.1.5.5.7.3.2".parse().unwrap();
        let words = [
            Criterion::Policy("2.16.840.1.101.3.2.1.48.11".parse().unwrap()).to_string(),
            Criterion::ExtendedKeyUsage(usage).to_string(),
            Criterion::Subject(common_name).to_string(),
            name(AltNameForm::Rfc822Name),
            Criterion::Certificate(Octets([0xab; 32])).to_string(),
        ];
        assert_eq!(
            words,
            [
                "certificate policy 2.16.840.1.101.3.2.1.48.11".to_owned(),
                "extended key usage 1.3.6.1.5.5.7.3.2".to_owned(),
                "subject attribute 2.5.4.3 like \"Ada *\"".to_owned(),
                "e-mail address like \"*@example.com\"".to_owned(),
                format!("the certificate with SHA-256 {}", "ab".repeat(32)),
            ]
        );
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*bc*c", "abc", false),
            ("a*bc*c", "a-bc-c", true),
            ("a*bc*bc*c", "a-bc-c", false),
            ("**", "x", true),
            ("*é*", "café au lait", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }
}
