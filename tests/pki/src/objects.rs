//! Tokens, challenges and records for tests, with a handle on every member of the CMS object around them.

use crate::{
    certificates::{Identity, Request, ca, holder_extensions, signer_extensions},
    der::{explicit, integer, octets, oid, sequence, set, set_of, tlv},
    keys::Key,
};
use ::der::{Encode, asn1::OctetString};
use countersign_common::{
    Challenge, ComponentFact, ComponentKind, Extension, GeneralizedTime, MachineFacts, Octets, SignatureAlgorithm,
    Slot, Token,
    token::{
        ActivationTerms, AttributePattern, ComponentRule, Criterion, Customer, Entitlement, Grant, KeyProtection,
        MachineBinding, ProductTerms, ProductVersion, TpmRule, Window,
    },
};
use sha2::{Digest, Sha256};

/// Content type of a token.
pub const CONTENT_TOKEN: &str = "1.3.6.1.4.1.32473.2026.1.1";
/// Content type of a challenge.
pub const CONTENT_CHALLENGE: &str = "1.3.6.1.4.1.32473.2026.1.2";
/// The unsigned attribute that holds the token of a record.
pub const ATTRIBUTE_TOKEN: &str = "1.3.6.1.4.1.32473.2026.2.1";
/// The example token's signing time.
pub const ISSUED: &str = "2026-02-02T08:00:00Z";
/// The example challenge's time.
pub const ACTIVATED: &str = "2026-06-15T09:30:00Z";
/// The example record's signing time.
pub const SIGNED: &str = "2026-06-15T09:30:20Z";

/// Everybody who takes part in the examples.
pub struct Cast {
    /// The token anchor.
    pub token_root: Identity,
    /// Signs tokens, certified by the token anchor.
    pub token_signer: Identity,
    /// The holder anchor.
    pub holder_root: Identity,
    /// Signs challenges, certified by the holder anchor.
    pub holder: Identity,
}

impl Cast {
    /// With P-256 keys, as in the worked examples of the format.
    pub fn new() -> Self {
        Self::with_keys(Key::p256)
    }

    /// With RSA keys of 2,048 bits, which takes a second or more to find.
    pub fn rsa() -> Self {
        Self::with_keys(Key::rsa_from)
    }

    fn with_keys(key: impl Fn(&str) -> Key) -> Self {
        let root = |name, label| Request::new(name, key(label), ca(None)).self_signed();
        let token_root = root("Example Token Root", "countersign test token root");
        let holder_root = root("Example Holder Root", "countersign test holder root");
        let token_signer =
            Request::new("Example Token Signer", key("countersign test token signer"), signer_extensions())
                .issued_by(&token_root);
        let holder =
            Request::new("Alex Example", key("countersign test holder"), holder_extensions()).issued_by(&holder_root);
        Self { token_root, token_signer, holder_root, holder }
    }

    /// The body of the example token: every member that version 1 enforces occurs.
    pub fn token_body(&self) -> Token {
        Token {
            version: 1,
            id: Octets(seed("countersign test token id")[..16].try_into().unwrap()),
            revision: 1,
            customer: Customer { id: "example-org".to_owned(), name: "Example Organisation".to_owned() },
            product: ProductTerms {
                id: "control-room".to_owned(),
                edition: Some("standard".to_owned()),
                from: Some(ProductVersion { major: 2, minor: 0, patch: 0 }),
                below: Some(ProductVersion { major: 3, minor: 0, patch: 0 }),
            },
            window: Window { not_before: time("2026-02-01T00:00:00Z"), not_after: time("2026-12-31T23:59:59Z") },
            grants: vec![
                Grant {
                    number: 1,
                    anchor: Grant::certificate_anchor(&self.holder_root.certificate).unwrap(),
                    direct_issuer: false,
                    criteria: Some(vec![Criterion::Subject(AttributePattern {
                        attribute: "2.5.4.3".parse().unwrap(),
                        pattern: "Alex *".to_owned(),
                    })]),
                    authentication_slot: false,
                    key_protection: KeyProtection::Any,
                    persons: 1,
                },
                Grant {
                    number: 2,
                    anchor: Grant::key_digest_anchor(Octets(Sha256::digest(self.holder_root.key.spki()).into()))
                        .unwrap(),
                    direct_issuer: true,
                    criteria: None,
                    authentication_slot: true,
                    key_protection: KeyProtection::Any,
                    persons: 1,
                },
            ],
            terms: ActivationTerms {
                validity: Some(31_536_000),
                renew_after: Some(23_328_000),
                ..ActivationTerms::default()
            },
            binding: MachineBinding {
                salt: Octets(seed("countersign test salt")),
                required: 2,
                components: vec![
                    ComponentRule { kind: ComponentKind::DiskSerial, mandatory: false },
                    ComponentRule { kind: ComponentKind::MachineId, mandatory: true },
                    ComponentRule { kind: ComponentKind::NetworkAddress, mandatory: false },
                ],
                machines: None,
                tpm: TpmRule::None,
                virtual_machines: false,
            },
            entitlements: Some(vec![
                Entitlement { name: "operators".to_owned(), value: "25".to_owned(), not_after: None },
                Entitlement {
                    name: "trends".to_owned(),
                    value: "on".to_owned(),
                    not_after: Some(time("2026-09-30T23:59:59Z")),
                },
            ]),
            seats: Some(10),
            lists: None,
            extensions: Some(vec![Extension {
                id: "1.3.6.1.4.1.32473.7.2".parse().unwrap(),
                critical: false,
                value: OctetString::new([5, 0]).unwrap(),
            }]),
        }
    }

    /// A token with a body of any octets, open to change.
    pub fn token_cms(&self, body: Vec<u8>) -> Cms<'_> {
        Cms::new(CONTENT_TOKEN, body, &self.token_signer, ISSUED)
    }

    /// The example token with changes.
    pub fn token(&self, change: impl FnOnce(&mut Token)) -> Vec<u8> {
        let mut body = self.token_body();
        change(&mut body);
        self.token_cms(body.to_der().unwrap()).build()
    }

    /// The challenge of the example record for a token.
    pub fn challenge(&self, token: &[u8]) -> Challenge {
        Challenge {
            version: 1,
            token_digest: Octets(Sha256::digest(token).into()),
            grant: 1,
            slot: Slot::Signature,
            time: time(ACTIVATED),
            nonce: Octets(seed("countersign test nonce")),
            machine: machine(&example_machine()).digests(&self.token_body().binding),
            virtualization: None,
            lists: None,
            work_order: Some("WO-1047".to_owned()),
            extensions: None,
        }
    }

    /// A record, open to change.
    pub fn record_cms<'a>(&self, challenge: &Challenge, token: &[u8], holder: &'a Identity) -> Cms<'a> {
        let mut cms = Cms::new(CONTENT_CHALLENGE, challenge.to_der().unwrap(), holder, SIGNED);
        cms.unsigned = vec![attribute(ATTRIBUTE_TOKEN, &[token.to_vec()])];
        cms
    }

    /// A record for the token of this cast with changes.
    pub fn record(
        &self,
        change_token: impl FnOnce(&mut Token),
        change_challenge: impl FnOnce(&mut Challenge),
        change_cms: impl FnOnce(&mut Cms<'_>),
    ) -> Vec<u8> {
        let token = self.token(change_token);
        let mut challenge = self.challenge(&token);
        change_challenge(&mut challenge);
        let mut cms = self.record_cms(&challenge, &token, &self.holder);
        change_cms(&mut cms);
        cms.build()
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}

/// A SignedData with every member open to change. What [`Cms::new`] makes follows the profile.
pub struct Cms<'a> {
    /// eContentType.
    pub content_type: &'a str,
    /// The content octets of eContent.
    pub content: Vec<u8>,
    /// Signs.
    pub key: &'a Key,
    /// How it signs, whatever is stated.
    pub algorithm: SignatureAlgorithm,
    /// SignedData.version.
    pub version: u64,
    /// SignerInfo.version.
    pub info_version: u64,
    /// DER of SignerInfo.sid.
    pub issuer_and_serial: Vec<u8>,
    /// DER of each certificate, in any order.
    pub certificates: Vec<Vec<u8>>,
    /// DER of the crls field, nothing where empty.
    pub crls: Vec<u8>,
    /// DER of SignerInfo.digestAlgorithm.
    pub digest_algorithm: Vec<u8>,
    /// DER of SignedData.digestAlgorithms.
    pub digest_algorithms: Vec<u8>,
    /// DER of SignerInfo.signatureAlgorithm.
    pub signature_algorithm: Vec<u8>,
    /// DER of each signed attribute: content type, signing time, message digest, signing certificate.
    pub attributes: Vec<Vec<u8>>,
    /// Whether the attributes are put in the order of DER.
    pub sorted: bool,
    /// DER of each unsigned attribute.
    pub unsigned: Vec<Vec<u8>>,
    /// DER of each further SignerInfo.
    pub more_signers: Vec<Vec<u8>>,
    /// Flips a bit of the signature's last octet.
    pub broken_signature: bool,
}

impl<'a> Cms<'a> {
    /// By the profile, with the key's own algorithm.
    pub fn new(content_type: &'a str, content: Vec<u8>, signer: &'a Identity, signing_time: &str) -> Self {
        Self::with_algorithm(content_type, content, signer, signing_time, signer.key.algorithm())
    }

    /// By the profile, with a given algorithm.
    pub fn with_algorithm(
        content_type: &'a str,
        content: Vec<u8>,
        signer: &'a Identity,
        signing_time: &str,
        algorithm: SignatureAlgorithm,
    ) -> Self {
        let digest_algorithm = algorithm.hash().identifier().to_vec();
        let issuer = &crate::der::members(&crate::der::members(&signer.certificate)[0])[3];
        Self {
            content_type,
            key: &signer.key,
            algorithm,
            version: 3,
            info_version: 1,
            issuer_and_serial: sequence(&[issuer, &signer.serial]),
            certificates: vec![signer.certificate.clone()],
            crls: Vec::new(),
            digest_algorithms: set(&[&digest_algorithm]),
            digest_algorithm,
            signature_algorithm: algorithm.identifier(),
            attributes: vec![
                attribute("1.2.840.113549.1.9.3", &[oid(content_type)]),
                signing_time_attribute(signing_time),
                attribute("1.2.840.113549.1.9.4", &[octets(algorithm.hash().digest(&content).as_ref())]),
                signing_certificate_attribute(&signer.certificate),
            ],
            content,
            sorted: true,
            unsigned: Vec::new(),
            more_signers: Vec::new(),
            broken_signature: false,
        }
    }

    /// Signs and encodes the SignerInfo.
    pub fn signer_info(&self) -> Vec<u8> {
        let attributes = if self.sorted { set_of(&self.attributes) } else { tlv(0x31, &[&self.attributes.concat()]) };
        let mut signature = self.key.sign(self.algorithm, &attributes);
        if self.broken_signature {
            *signature.last_mut().unwrap() ^= 1;
        }
        let in_place = [&[0xa0], &attributes[1..]].concat();
        let unsigned = if self.unsigned.is_empty() { Vec::new() } else { explicit(1, &self.unsigned.concat()) };
        sequence(&[
            &integer(self.info_version),
            &self.issuer_and_serial,
            &self.digest_algorithm,
            &in_place,
            &self.signature_algorithm,
            &octets(&signature),
            &unsigned,
        ])
    }

    /// Signs and encodes.
    pub fn build(&self) -> Vec<u8> {
        let infos = [self.more_signers.as_slice(), &[self.signer_info()]].concat();
        let certificates = set_of(&self.certificates);
        let data = sequence(&[
            &integer(self.version),
            &self.digest_algorithms,
            &sequence(&[&oid(self.content_type), &explicit(0, &octets(&self.content))]),
            &[&[0xa0], &certificates[1..]].concat(),
            &self.crls,
            &set_of(&infos),
        ]);
        sequence(&[&oid("1.2.840.113549.1.7.2"), &explicit(0, &data)])
    }
}

/// An attribute with the DER of its values.
pub fn attribute(id: &str, values: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[&oid(id), &set_of(values)])
}

/// The signing-time attribute of a time such as `2026-01-01T00:00:00Z`.
pub fn signing_time_attribute(text: &str) -> Vec<u8> {
    attribute("1.2.840.113549.1.9.5", &[crate::der::time(text)])
}

/// The signing-certificate-v2 attribute of the DER of a certificate.
pub fn signing_certificate_attribute(certificate: &[u8]) -> Vec<u8> {
    let identifier = sequence(&[&octets(&Sha256::digest(certificate))]);
    attribute("1.2.840.113549.1.9.16.2.47", &[sequence(&[&sequence(&[&identifier])])])
}

/// SHA-256 of a label, in place of random octets.
pub fn seed(label: &str) -> [u8; 32] {
    Sha256::digest(label).into()
}

/// A time such as `2026-01-01T00:00:00Z`.
pub fn time(text: &str) -> GeneralizedTime {
    GeneralizedTime(text.parse().unwrap())
}

/// Components of a machine with their values.
pub type Components = Vec<(ComponentKind, Vec<String>)>;

fn components(list: &[(ComponentKind, &[&str])]) -> Components {
    list.iter().map(|(kind, values)| (*kind, values.iter().map(|value| (*value).to_owned()).collect())).collect()
}

/// The machine of the examples.
pub fn example_machine() -> Components {
    components(&[
        (ComponentKind::DiskSerial, &["wd-wx11a1234567", "s3z8nb0k123456"]),
        (ComponentKind::MachineId, &["5b3f0c1f8d6a4f0e9f0b6c2d1e3a4b5c"]),
        (ComponentKind::NetworkAddress, &["02:00:5e:10:00:01"]),
    ])
}

/// Another one.
pub fn other_machine() -> Components {
    components(&[
        (ComponentKind::DiskSerial, &["k9-000000000001"]),
        (ComponentKind::MachineId, &["00112233445566778899aabbccddeeff"]),
        (ComponentKind::NetworkAddress, &["02:00:5e:10:00:02"]),
    ])
}

/// A machine with these components, not virtual.
pub fn machine(components: &Components) -> MachineFacts {
    let components = components.iter().map(|(kind, values)| (*kind, ComponentFact::Values(values.clone()))).collect();
    MachineFacts { components, virtualization: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_common::{Anchors, NO_LISTS, SignedObject, VerifiedRecord};
    use std::collections::BTreeSet;

    #[test]
    fn casts_come_out_the_same_and_no_two_have_a_key_in_common() {
        for make in [Cast::new, Cast::rsa] {
            let (cast, again) = (make(), make());
            let identities = |cast: Cast| [cast.token_root, cast.token_signer, cast.holder_root, cast.holder];
            let record = cast.record(|_| {}, |_| {}, |_| {});
            assert_eq!(record, again.record(|_| {}, |_| {}, |_| {}));
            let anchors = Anchors::new([again.token_root.certificate.as_slice()]).unwrap();
            assert!(VerifiedRecord::verify(SignedObject::from_der(&record).unwrap(), &anchors, &NO_LISTS).is_ok());
            let keys: BTreeSet<_> = identities(cast).iter().map(|identity| identity.key.spki()).collect();
            assert_eq!(keys.len(), 4);
        }
    }
}
