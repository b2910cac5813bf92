//! Certificates for tests, and those who own them.

use crate::{
    der::{bits, boolean, explicit, header, integer, members, octets, oid, sequence, set, time, tlv, utf8},
    keys::Key,
};
use countersign_pki::SignatureAlgorithm;
use sha2::{Digest, Sha256};

/// subjectKeyIdentifier (RFC 5280 4.2.1.2).
pub const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
/// subjectAltName (RFC 5280 4.2.1.6).
pub const SUBJECT_ALT_NAME: &str = "2.5.29.17";
/// authorityKeyIdentifier (RFC 5280 4.2.1.1).
pub const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
/// basicConstraints (RFC 5280 4.2.1.9).
pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
/// nameConstraints (RFC 5280 4.2.1.10).
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// Extended key usage of a token signer.
pub const EKU_TOKEN_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.1";
/// Extended key usage of a list signer.
pub const EKU_LIST_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.2";
/// Extended key usage of an anchors signer.
pub const EKU_ANCHORS_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.3";
/// Extended key usage of a ledger signer.
pub const EKU_LEDGER_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.4";
/// Extended key usage of an approver of tokens.
pub const EKU_TOKEN_APPROVAL: &str = "1.3.6.1.4.1.32473.2026.3.5";
/// id-kp-clientAuth (RFC 5280 4.2.1.12).
pub const EKU_CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
/// id-PIV-cardAuth (FIPS 201): a key that signs without a PIN.
pub const EKU_CARD_AUTH: &str = "2.16.840.1.101.3.6.8";
/// id-pkix-pilot 1 of RFC 5280's examples: a policy of tests.
pub const POLICY: &str = "1.3.6.1.4.1.32473.7.1";

/// digitalSignature, as the octet of the BIT STRING.
pub const DIGITAL_SIGNATURE: u8 = 0x80;
/// contentCommitment, formerly nonRepudiation.
pub const CONTENT_COMMITMENT: u8 = 0x40;
/// keyEncipherment.
pub const KEY_ENCIPHERMENT: u8 = 0x20;
/// keyCertSign and cRLSign.
pub const CERT_SIGN: u8 = 0x06;

/// A certificate with the key that goes with it.
pub struct Identity {
    /// The key that goes with the certificate.
    pub key: Key,
    /// DER of the subject's name.
    pub name: Vec<u8>,
    /// DER of the serial number.
    pub serial: Vec<u8>,
    /// DER of the certificate.
    pub certificate: Vec<u8>,
}

/// What to certify.
pub struct Request<'a> {
    /// The subject's common name.
    pub name: &'a str,
    /// The key to certify.
    pub key: Key,
    /// First second of the validity, as `2026-01-01T00:00:00Z`.
    pub not_before: &'a str,
    /// Last second of the validity.
    pub not_after: &'a str,
    /// DER of the validity to state; that of the two dates where empty.
    pub validity: Vec<u8>,
    /// DER of each extension. Key identifiers are added where none stand here and `identifiers` does not forbid it.
    pub extensions: Vec<Vec<u8>>,
    /// Whether the key identifiers are added: the subject's always, the authority's where another key signs.
    pub identifiers: bool,
    /// DER of the subject's name; that of `name` where empty.
    pub subject: Vec<u8>,
    /// How the issuer signs; as its key does where nothing is said.
    pub signing: Option<SignatureAlgorithm>,
    /// DER of the signature algorithm to state; the one that signs where empty.
    pub algorithm: Vec<u8>,
}

impl<'a> Request<'a> {
    /// Ten years from 2026 on.
    pub fn new(name: &'a str, key: Key, extensions: Vec<Vec<u8>>) -> Self {
        let (not_before, not_after) = ("2026-01-01T00:00:00Z", "2035-12-31T23:59:59Z");
        let (identifiers, subject) = (true, Vec::new());
        Self {
            name,
            key,
            not_before,
            not_after,
            validity: Vec::new(),
            extensions,
            identifiers,
            subject,
            signing: None,
            algorithm: Vec::new(),
        }
    }

    /// Issued by itself.
    pub fn self_signed(self) -> Identity {
        let certificate = self.sign(&self.subject(), &self.key);
        self.finish(certificate)
    }

    /// Issued by another one.
    pub fn issued_by(self, issuer: &Identity) -> Identity {
        let certificate = self.sign(&issuer.name, &issuer.key);
        self.finish(certificate)
    }

    fn finish(self, certificate: Vec<u8>) -> Identity {
        Identity { name: self.subject(), serial: self.serial(), key: self.key, certificate }
    }

    fn subject(&self) -> Vec<u8> {
        if self.subject.is_empty() { distinguished_name(self.name) } else { self.subject.clone() }
    }

    fn all_extensions(&self, issuer_key: &Key) -> Vec<u8> {
        let mut all = self.extensions.clone();
        let stated = |id: &str| {
            let id = oid(id);
            self.extensions.iter().any(|extension| members(extension).first() == Some(&id))
        };
        if self.identifiers && !stated(SUBJECT_KEY_IDENTIFIER) {
            all.push(subject_key_identifier(&self.key));
        }
        if self.identifiers && !stated(AUTHORITY_KEY_IDENTIFIER) && issuer_key.spki() != self.key.spki() {
            all.push(authority_key_identifier(issuer_key));
        }
        all.concat()
    }

    /// DER of the serial number: 8 octets from name and key.
    fn serial(&self) -> Vec<u8> {
        let digest = Sha256::digest([self.name.as_bytes(), &self.key.spki()].concat());
        let mut octets = digest[..8].to_vec();
        octets[0] = octets[0] & 0x3f | 0x40;
        tlv(0x02, &[&octets])
    }

    fn sign(&self, issuer: &[u8], issuer_key: &Key) -> Vec<u8> {
        let signing = self.signing.unwrap_or_else(|| issuer_key.algorithm());
        let algorithm = if self.algorithm.is_empty() { signing.identifier() } else { self.algorithm.clone() };
        let validity = if self.validity.is_empty() {
            sequence(&[&time(self.not_before), &time(self.not_after)])
        } else {
            self.validity.clone()
        };
        let body = sequence(&[
            &explicit(0, &integer(2)),
            &self.serial(),
            &algorithm,
            issuer,
            &validity,
            &self.subject(),
            &self.key.spki(),
            &explicit(3, &sequence(&[&self.all_extensions(issuer_key)])),
        ]);
        let signature = issuer_key.sign(signing, &body);
        sequence(&[&body, &algorithm, &bits(&signature, 0)])
    }
}

/// `O=Example Organisation, CN=...`.
pub fn distinguished_name(common_name: &str) -> Vec<u8> {
    let attribute = |id: &str, text: &str| set(&[&sequence(&[&oid(id), &utf8(text)])]);
    sequence(&[&attribute("2.5.4.10", "Example Organisation"), &attribute("2.5.4.3", common_name)])
}

/// An extension with the DER of its value.
pub fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { boolean(true) } else { Vec::new() };
    sequence(&[&oid(id), &critical, &octets(value)])
}

/// Subject key identifier.
pub fn subject_key_identifier(key: &Key) -> Vec<u8> {
    extension(SUBJECT_KEY_IDENTIFIER, false, &octets(&key_identifier(key)))
}

/// Authority key identifier with the issuer's key identifier alone.
pub fn authority_key_identifier(issuer: &Key) -> Vec<u8> {
    extension(AUTHORITY_KEY_IDENTIFIER, false, &sequence(&[&tlv(0x80, &[&key_identifier(issuer)])]))
}

/// The leftmost 160 bits of SHA-256 of the key's BIT STRING (RFC 7093 2, method 1).
pub fn key_identifier(key: &Key) -> Vec<u8> {
    let parts = members(&key.spki());
    let (start, _) = header(&parts[1]);
    // Behind the octet that counts unused bits.
    Sha256::digest(&parts[1][start + 1..])[..20].to_vec()
}

/// Basic constraints of a CA.
pub fn basic_constraints(path_length: Option<u64>) -> Vec<u8> {
    let length = path_length.map(integer).unwrap_or_default();
    extension(BASIC_CONSTRAINTS, true, &sequence(&[&boolean(true), &length]))
}

/// Key usage, as the octet of the BIT STRING.
pub fn key_usage(usage: u8) -> Vec<u8> {
    extension("2.5.29.15", true, &bits(&[usage], usage.trailing_zeros() as u8))
}

/// Extended key usages.
pub fn extended_key_usage(usages: &[&str]) -> Vec<u8> {
    let usages: Vec<u8> = usages.iter().flat_map(|usage| oid(usage)).collect();
    extension("2.5.29.37", false, &sequence(&[&usages]))
}

/// Certificate policies.
pub fn policies(policies: &[&str]) -> Vec<u8> {
    let policies: Vec<u8> = policies.iter().flat_map(|policy| sequence(&[&oid(policy)])).collect();
    extension("2.5.29.32", false, &sequence(&[&policies]))
}

/// Policy mappings, each from the issuer's domain to the subject's.
pub fn policy_mappings(mappings: &[(&str, &str)]) -> Vec<u8> {
    let mappings: Vec<u8> =
        mappings.iter().flat_map(|(issuer, subject)| sequence(&[&oid(issuer), &oid(subject)])).collect();
    extension("2.5.29.33", true, &sequence(&[&mappings]))
}

/// Policy constraints: requireExplicitPolicy and inhibitPolicyMapping.
pub fn policy_constraints(explicit: Option<u8>, mapping: Option<u8>) -> Vec<u8> {
    let field = |tag, value: Option<u8>| value.map(|value| tlv(tag, &[&[value]])).unwrap_or_default();
    extension("2.5.29.36", true, &sequence(&[&field(0x80, explicit), &field(0x81, mapping)]))
}

/// inhibitAnyPolicy after so many certificates.
pub fn inhibit_any_policy(skip: u64) -> Vec<u8> {
    extension("2.5.29.54", true, &integer(skip))
}

/// Name constraints: the permitted and the excluded bases, each the DER of a general name.
pub fn name_constraints(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Vec<u8> {
    let field = |tag, bases: &[Vec<u8>]| {
        let subtrees: Vec<Vec<u8>> = bases.iter().map(|base| sequence(&[base])).collect();
        if bases.is_empty() { Vec::new() } else { tlv(tag, &[&subtrees.concat()]) }
    };
    extension(NAME_CONSTRAINTS, true, &sequence(&[&field(0xa0, permitted), &field(0xa1, excluded)]))
}

/// Subject alternative names, each the DER of a general name.
pub fn subject_alt_names(critical: bool, names: &[Vec<u8>]) -> Vec<u8> {
    extension(SUBJECT_ALT_NAME, critical, &sequence(&[&names.concat()]))
}

/// A general name that is a text: rfc822Name 1, dNSName 2, uniformResourceIdentifier 6.
pub fn text_name(number: u8, text: &str) -> Vec<u8> {
    tlv(0x80 | number, &[text.as_bytes()])
}

/// A directoryName.
pub fn directory_name(name: &[u8]) -> Vec<u8> {
    explicit(4, name)
}

/// An e-mail address, a DNS name, a URI and a user principal name.
pub fn alternative_names(mail: &str, dns: &str, uri: &str, principal: &str) -> Vec<u8> {
    let other = tlv(0xa0, &[&oid("1.3.6.1.4.1.311.20.2.3"), &explicit(0, &utf8(principal))]);
    let names = [text_name(1, mail), text_name(2, dns), text_name(6, uri), other];
    subject_alt_names(false, &names)
}

/// The extensions of a CA.
pub fn ca(path_length: Option<u64>) -> Vec<Vec<u8>> {
    vec![basic_constraints(path_length), key_usage(CERT_SIGN)]
}

/// The extensions of a token signer.
pub fn signer_extensions() -> Vec<Vec<u8>> {
    vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_TOKEN_SIGNING])]
}

/// The extensions of a holder, with a name of each form and a policy.
pub fn holder_extensions() -> Vec<Vec<u8>> {
    vec![
        key_usage(DIGITAL_SIGNATURE | CONTENT_COMMITMENT),
        extended_key_usage(&[EKU_CLIENT_AUTH]),
        policies(&[POLICY]),
        alternative_names("Alex@example.org", "alex.example.org", "https://example.org/alex", "alex@example.org"),
    ]
}
