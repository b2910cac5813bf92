//! The profile of RFC 5280 section 4: what a conforming CA never issues, whatever the path.
//!
//! These rules hold below the anchor, which is trusted as it was given. Three of the profile's rules are not held,
//! because the field's conformance suite (NIST PKITS 4.6.4, 4.8.6, 4.2.4) requires that such paths are accepted:
//! basicConstraints of a CA and policyConstraints may be non-critical, and a GeneralizedTime may stand before 2050.
//! Each constrains no less for it.

use crate::{
    certificate::Certificate,
    extensions::Extension,
    general_name::GeneralName,
    name::attributes,
    name_constraints::{is_host, is_local_part},
    oid,
};
use core::net::Ipv4Addr;
use der::asn1::ObjectIdentifier;
use std::collections::BTreeSet;

/// Extensions that must not be critical, and what to say where one is.
const NEVER_CRITICAL: [(ObjectIdentifier, &str); 6] = [
    (oid::AUTHORITY_INFO_ACCESS, "authorityInfoAccess is critical (4.2.2.1)"),
    (oid::AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier is critical (4.2.1.1)"),
    (oid::FRESHEST_CRL, "freshestCRL is critical (4.2.1.15)"),
    (oid::SUBJECT_DIRECTORY_ATTRIBUTES, "subjectDirectoryAttributes is critical (4.2.1.8)"),
    (oid::SUBJECT_INFO_ACCESS, "subjectInfoAccess is critical (4.2.2.2)"),
    (oid::SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier is critical (4.2.1.2)"),
];

/// Extensions that must be critical.
const ALWAYS_CRITICAL: [(ObjectIdentifier, &str); 2] = [
    (oid::INHIBIT_ANY_POLICY, "inhibitAnyPolicy is not critical (4.2.1.14)"),
    (oid::NAME_CONSTRAINTS, "nameConstraints is not critical (4.2.1.10)"),
];

/// The first rule that a certificate breaks by itself, with the section that states it.
pub(crate) fn broken_rule(certificate: &Certificate<'_>) -> Option<&'static str> {
    let rules = [criticality, authority, names, usages, policies];
    rules.into_iter().find_map(|rule| rule(certificate))
}

fn criticality(certificate: &Certificate<'_>) -> Option<&'static str> {
    let find = |table: &[(ObjectIdentifier, &'static str)], id, critical| {
        table.iter().find(|(own, _)| *own == id && critical).map(|(_, rule)| *rule)
    };
    certificate.extensions().all.iter().find_map(|Extension { id, critical, .. }| {
        find(&NEVER_CRITICAL, *id, *critical).or_else(|| find(&ALWAYS_CRITICAL, *id, !critical))
    })
}

/// What only a CA may state, and what a CA must.
fn authority(certificate: &Certificate<'_>) -> Option<&'static str> {
    let extensions = certificate.extensions();
    let authority = extensions.authority_key_identifier.as_ref();
    // A self-issued certificate without it is a self-signed one, which needs none.
    if authority.and_then(|authority| authority.key_identifier).is_none() && !certificate.is_self_issued() {
        return Some("no authority key identifier (4.2.1.1)");
    }
    if authority.is_some_and(|authority| authority.issuer.is_some() != authority.serial.is_some()) {
        return Some("authorityKeyIdentifier names an issuer or a serial number alone (4.2.1.1)");
    }
    let signs = extensions.key_usage.as_ref().map(|usage| usage.key_cert_sign());
    if certificate.is_ca() {
        if extensions.subject_key_identifier.is_none() {
            return Some("CA without subject key identifier (4.2.1.2)");
        }
        if certificate.path_length().is_some() && signs == Some(false) {
            return Some("pathLenConstraint without keyCertSign (4.2.1.9)");
        }
        return match &extensions.name_constraints {
            Some(constraints) if constraints.is_empty() => Some("nameConstraints is empty (4.2.1.10)"),
            _ => None,
        };
    }
    if extensions.name_constraints.is_some() {
        Some("nameConstraints in a certificate that is not a CA's (4.2.1.10)")
    } else if certificate.path_length().is_some() {
        Some("pathLenConstraint without cA (4.2.1.9)")
    } else if signs == Some(true) {
        Some("keyCertSign without cA (4.2.1.9)")
    } else {
        None
    }
}

fn names(certificate: &Certificate<'_>) -> Option<&'static str> {
    let is_empty = |name| attributes(name).is_none_or(|attributes| attributes.is_empty());
    if is_empty(certificate.issuer()) {
        return Some("issuer is empty (4.1.2.4)");
    }
    let alternative = certificate.extension(oid::SUBJECT_ALT_NAME);
    if is_empty(certificate.subject()) {
        if certificate.is_ca() {
            return Some("subject of a CA is empty (4.1.2.6)");
        }
        if !alternative.is_some_and(|extension| extension.critical) {
            return Some("subject is empty and subjectAltName not critical (4.1.2.6)");
        }
    }
    if alternative.is_some() && certificate.subject_alt_names().is_empty() {
        return Some("subjectAltName is empty (4.2.1.6)");
    }
    certificate.subject_alt_names().iter().find_map(|name| match name {
        GeneralName::Rfc822Name(text) if !is_mailbox(text) => Some("rfc822Name is not a mailbox (4.2.1.6)"),
        GeneralName::DnsName(text) if !is_dns_name(text) => Some("dNSName is not a host name (4.2.1.6)"),
        GeneralName::Uri(text) if !is_absolute_uri(text) => Some("uniformResourceIdentifier is not absolute (4.2.1.6)"),
        GeneralName::IpAddress(octets) if !matches!(octets.len(), 4 | 16) => {
            Some("iPAddress is not of 4 or 16 octets (4.2.1.6)")
        }
        _ => None,
    })
}

fn usages(certificate: &Certificate<'_>) -> Option<&'static str> {
    let usage = certificate.key_usage()?;
    usage.0.is_empty().then_some("keyUsage without any bit (4.2.1.3)")
}

fn policies(certificate: &Certificate<'_>) -> Option<&'static str> {
    let extensions = certificate.extensions();
    if let Some(policies) = &extensions.policies {
        if policies.is_empty() {
            return Some("certificatePolicies is empty (4.2.1.4)");
        }
        if policies.iter().collect::<BTreeSet<_>>().len() != policies.len() {
            return Some("policy stated twice (4.2.1.4)");
        }
    }
    let mappings = &extensions.policy_mappings;
    if mappings.is_empty() && certificate.extension(oid::POLICY_MAPPINGS).is_some() {
        return Some("policyMappings is empty (4.2.1.5)");
    }
    if mappings.iter().any(|(issuer, subject)| [*issuer, *subject].contains(&oid::ANY_POLICY)) {
        return Some("mapping from or to anyPolicy (4.2.1.5)");
    }
    let constraints = extensions.policy_constraints?;
    let empty = constraints.require_explicit_policy.is_none() && constraints.inhibit_policy_mapping.is_none();
    empty.then_some("policyConstraints is empty (4.2.1.11)")
}

/// `local@host` in ASCII (RFC 5321 4.1.2).
fn is_mailbox(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, host)| {
        let literal = host.starts_with('[') && host.ends_with(']');
        is_local_part(local) && (literal || is_host(host))
    })
}

/// A host name, or a wildcard for one label before it. An IPv4 address has a form of its own.
fn is_dns_name(text: &str) -> bool {
    is_host(text.strip_prefix("*.").unwrap_or(text)) && text.parse::<Ipv4Addr>().is_err()
}

/// A scheme, and something behind it, all printable ASCII (RFC 3986 3).
fn is_absolute_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let in_scheme = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(in_scheme)
            && !rest.is_empty()
            && rest.bytes().all(|octet| octet.is_ascii_graphic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_alternative_names() {
        for (text, expected) in [
            ("ann@example.com", true),
            ("\"ann b\"@example.com", true),
            ("ann@[192.0.2.1]", true),
            ("ann@[192.0.2.1", false),
            ("ann@192.0.2.1]", false),
            ("\"ann@b\"@example.com", true),
            ("ann b@example.com", false),
            ("ann@b@example.com", false),
            ("ann\"@example.com", false),
            ("ann..b@example.com", false),
            ("\"ann\"b\"@example.com", false),
            ("\"ann\\\"@example.com", false),
            ("Ann <ann@example.com>", false),
            ("ann@", false),
            ("@example.com", false),
            ("ann", false),
            ("änn@example.com", false),
        ] {
            assert_eq!(is_mailbox(text), expected, "{text}");
        }
        for (text, expected) in [
            ("example.com", true),
            ("*.example.com", true),
            ("192.0.2.example", true),
            ("192.0.2.1", false),
            ("example..com", false),
            ("a*.example.com", false),
        ] {
            assert_eq!(is_dns_name(text), expected, "{text}");
        }
        for (text, expected) in [
            ("http://example.com", true),
            ("urn:example:a", true),
            ("ldap://example.com/cn=A%20B", true),
            ("example.com/a", false),
            ("//example.com", false),
            ("http:", false),
            ("1a:b", false),
            ("http://a b", false),
            ("http://ä", false),
        ] {
            assert_eq!(is_absolute_uri(text), expected, "{text}");
        }
    }
}
