//! Making certificates (RFC 5280): the two roots, the signers, the approvers and the holders.
//!
//! There is one way through: the certificate is assembled and signed with a throwaway key, the lint reads that, and only
//! then a [`SigningKey`], wherever it may live, signs the same octets. What comes out is read and linted once more.

use crate::{
    certificate_lint::{self, Expected},
    error::Error,
    keys::{self, Signer, SigningKey, ThrowawayKey},
    random,
};
use countersign_common::{Certificate, SignatureAlgorithm, Time, oid};
use countersign_pki::{attributes, oid as pkix};
use der::{
    Decode, Encode,
    asn1::{Any, BitString, Ia5String, ObjectIdentifier, OctetString},
};
use sha2::{Digest as _, Sha256};
use spki::{
    AlgorithmIdentifierOwned, Document, DynSignatureAlgorithmIdentifier, EncodePublicKey, SubjectPublicKeyInfoOwned,
    SubjectPublicKeyInfoRef,
};
use std::str::FromStr;
use x509_cert::{
    TbsCertificate,
    builder::{Builder, CertificateBuilder, profile::BuilderProfile},
    ext::{
        Extension, ToExtension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage, KeyUsages,
            SubjectAltName, SubjectKeyIdentifier, certpolicy::PolicyInformation, name::GeneralName,
        },
    },
    name::Name,
    serial_number::SerialNumber,
    time::Validity,
};

/// First and last second of a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) not_before: Time,
    pub(crate) not_after: Time,
}

/// What a certificate is for; decides its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A root of tokens, with room for one CA between it and a signer.
    TokenRoot,
    /// A root of holders, with room for the root that follows it, cross-certified.
    HolderRoot,
    /// A root that another root certifies, so that what leads to the one leads to the other.
    CrossRoot,
    /// Signs tokens.
    TokenSigner,
    /// Signs token lists, and the manifests of bundles.
    ListSigner,
    /// Signs updates of the token anchors.
    AnchorsSigner,
    /// Signs heads of the ledger's tree.
    LedgerSigner,
    /// Approves tokens.
    Approver,
    /// Signs activation challenges, with an e-mail address where one was given and the policies that are asserted.
    Holder { email: Option<String>, policies: Vec<ObjectIdentifier> },
}

impl Role {
    /// What a signer of the authority may sign.
    pub(crate) const fn extended_key_usage(&self) -> Option<ObjectIdentifier> {
        match self {
            Self::TokenSigner => Some(oid::EKU_TOKEN_SIGNING),
            Self::ListSigner => Some(oid::EKU_LIST_SIGNING),
            Self::AnchorsSigner => Some(oid::EKU_ANCHORS_SIGNING),
            Self::LedgerSigner => Some(oid::EKU_LEDGER_SIGNING),
            Self::Approver => Some(oid::EKU_TOKEN_APPROVAL),
            Self::TokenRoot | Self::HolderRoot | Self::CrossRoot | Self::Holder { .. } => None,
        }
    }
}

/// A name of the authority's own: common name and organization.
pub(crate) fn own_name(common_name: &str, organization: &str) -> Result<Name, Error> {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |text, character| {
            // RFC 4514 2.4: a backslash before what would have a meaning.
            let special = matches!(character, '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' | ' ');
            text + if special { "\\" } else { "" } + character.encode_utf8(&mut [0; 4])
        })
    };
    parse_name(&format!("CN={},O={}", escape(common_name), escape(organization)))
}

/// Reads a subject as a person types it, such as `CN=Ada Lovelace,O=Example Works`.
pub(crate) fn parse_name(text: &str) -> Result<Name, Error> {
    let name = Name::from_str(text).map_err(|_| {
        Error::Usage(format!("{text:?} is not a name; expected one such as \"CN=Ada Lovelace,O=Example Works\""))
    })?;
    let mut has_common_name = false;
    for attribute in attributes(&name.to_der()?).unwrap_or_default() {
        let value = attribute.text().unwrap_or_default();
        if value.is_empty() || value.chars().count() > 64 || value.contains(char::is_control) {
            return Err(Error::Usage(format!("each part of the name {text:?} needs 1 to 64 printable characters")));
        }
        has_common_name |= attribute.kind == COMMON_NAME;
    }
    if has_common_name {
        Ok(name)
    } else {
        Err(Error::Usage(format!("the name {text:?} has no CN, the person's name")))
    }
}

/// id-at-commonName.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A root, signed by its own key.
pub(crate) fn root(role: Role, subject: &Name, lifetime: Lifetime, key: &dyn SigningKey) -> Result<Vec<u8>, Error> {
    let issuer = Issuer { certificate: None, spki: key.spki(), algorithm: key.algorithm(), key: Some(key) };
    build(role, subject, lifetime, key.spki(), &issuer)
}

/// A certificate under a root.
pub(crate) fn issue(
    role: Role,
    subject: &Name,
    lifetime: Lifetime,
    spki: &[u8],
    issuer: &Signer,
) -> Result<Vec<u8>, Error> {
    let parsed = Certificate::from_der(issuer.certificate()).map_err(|_| Error::KeyMismatch)?;
    build(role, subject, lifetime, spki, &Issuer::of(&parsed, issuer.algorithm(), Some(issuer.key())))
}

/// The same, as it would be: signed with a throwaway key in place of the root's, whose certificate alone is at hand.
pub(crate) fn rehearse(
    role: Role,
    subject: &Name,
    lifetime: Lifetime,
    spki: &[u8],
    issuer: &Certificate<'_>,
) -> Result<Vec<u8>, Error> {
    build(role, subject, lifetime, spki, &Issuer::of(issuer, own_algorithm(issuer)?, None))
}

/// How the key of a root signs, by the signature that it put under its own certificate.
fn own_algorithm(root: &Certificate<'_>) -> Result<SignatureAlgorithm, Error> {
    let parsed = x509_cert::Certificate::from_der(root.der())?;
    SignatureAlgorithm::from_identifier(&parsed.signature_algorithm().to_der()?).ok_or(Error::KeyMismatch)
}

/// Who certifies.
struct Issuer<'a> {
    /// None where the certificate is a root's own.
    certificate: Option<&'a Certificate<'a>>,
    spki: &'a [u8],
    algorithm: SignatureAlgorithm,
    /// None in a rehearsal.
    key: Option<&'a dyn SigningKey>,
}

impl<'a> Issuer<'a> {
    fn of(certificate: &'a Certificate<'a>, algorithm: SignatureAlgorithm, key: Option<&'a dyn SigningKey>) -> Self {
        Self { certificate: Some(certificate), spki: certificate.spki(), algorithm, key }
    }
}

/// The one way to a certificate: try it out with a throwaway key, lint that, sign the same octets, lint again.
fn build(role: Role, subject: &Name, lifetime: Lifetime, spki: &[u8], issuer: &Issuer<'_>) -> Result<Vec<u8>, Error> {
    let validity = Validity::new(x509_time(lifetime.not_before)?, x509_time(lifetime.not_after)?);
    let identifier = issuer.algorithm.identifier();
    let outside =
        Outside { spki: Spki(issuer.spki.to_vec()), algorithm: AlgorithmIdentifierOwned::from_der(&identifier)? };
    let issuer_name = match issuer.certificate {
        Some(certificate) => Name::from_der(certificate.subject())?,
        None => subject.clone(),
    };
    let profile = Profile { role: role.clone(), issuer: issuer_name, subject: subject.clone() };
    let owned = SubjectPublicKeyInfoOwned::from_der(spki)?;
    let mut builder = CertificateBuilder::new(profile, serial()?, validity, owned).map_err(encoding)?;
    let tbs = builder.finalize(&outside).map_err(encoding)?;

    let expected = Expected { role: &role, subject, lifetime, spki, issuer: issuer.certificate };
    let sign_with = |key: &dyn SigningKey| {
        if key.algorithm() != issuer.algorithm {
            return Err(Error::KeyMismatch);
        }
        let certificate = assemble(&tbs, &identifier, &keys::sign(key, &tbs)?)?;
        certificate_lint::check(&certificate, &expected, key.spki(), issuer.algorithm)?;
        // Nothing but the signature may tell the one from the other.
        if certificate_lint::signed_part(&certificate) == Some(&tbs[..]) {
            Ok(certificate)
        } else {
            Err(Error::NotWhatWasMeant)
        }
    };
    let tried = sign_with(&ThrowawayKey::signing_by(issuer.algorithm)?)?;
    issuer.key.map_or(Ok(tried), sign_with)
}

/// SEQUENCE of what is signed, how, and the signature (RFC 5280 4.1).
fn assemble(tbs: &[u8], identifier: &[u8], signature: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = BitString::from_bytes(signature)?.to_der()?;
    Ok(Any::new(der::Tag::Sequence, [tbs, identifier, &signature].concat())?.to_der()?)
}

/// 16 random octets, positive and without a leading zero (RFC 5280 4.1.2.2).
fn serial() -> Result<SerialNumber, Error> {
    let mut octets = random::octets::<16>()?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::new(&octets)?)
}

/// A time as certificates and lists have it (RFC 5280 4.1.2.5).
pub(crate) fn x509_time(time: Time) -> Result<x509_cert::time::Time, Error> {
    Ok(x509_cert::time::Time::from_str(&time.to_string())?)
}

fn encoding(error: x509_cert::builder::Error) -> Error {
    match error {
        x509_cert::builder::Error::Asn1(error) => Error::Encoding(error),
        _ => Error::Encoding(der::ErrorKind::Failed.into()),
    }
}

struct Profile {
    role: Role,
    issuer: Name,
    subject: Name,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        own: SubjectPublicKeyInfoRef<'_>,
        issuer: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Extensions(Vec::new());
        let usages = match self.role {
            Role::TokenRoot | Role::HolderRoot | Role::CrossRoot => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            Role::TokenSigner | Role::ListSigner | Role::AnchorsSigner | Role::LedgerSigner | Role::Approver => {
                KeyUsages::DigitalSignature.into()
            }
            Role::Holder { .. } => KeyUsages::DigitalSignature | KeyUsages::NonRepudiation,
        };
        let depth = match self.role {
            Role::TokenRoot | Role::HolderRoot => Some(1),
            Role::CrossRoot => Some(0),
            _ => None,
        };
        if let Some(depth) = depth {
            let constraints = BasicConstraints { ca: true, path_len_constraint: Some(depth) };
            extensions.add(pkix::BASIC_CONSTRAINTS, true, &constraints)?;
        }
        extensions.add(pkix::KEY_USAGE, true, &KeyUsage(usages))?;
        if let Some(usage) = self.role.extended_key_usage() {
            extensions.add(pkix::EXTENDED_KEY_USAGE, false, &ExtendedKeyUsage(vec![usage]))?;
        }
        let identifier = SubjectKeyIdentifier(key_identifier(&own)?);
        extensions.add(pkix::SUBJECT_KEY_IDENTIFIER, false, &identifier)?;
        if !matches!(self.role, Role::TokenRoot | Role::HolderRoot) {
            let key_identifier = Some(key_identifier(&issuer)?);
            let identifier = AuthorityKeyIdentifier { key_identifier, ..Default::default() };
            extensions.add(pkix::AUTHORITY_KEY_IDENTIFIER, false, &identifier)?;
        }
        if let Role::Holder { policies, .. } = &self.role
            && !policies.is_empty()
        {
            let information =
                policies.iter().map(|id| PolicyInformation { policy_identifier: *id, policy_qualifiers: None });
            extensions.add(pkix::CERTIFICATE_POLICIES, false, &CertificatePolicies(information.collect()))?;
        }
        if let Role::Holder { email: Some(email), .. } = &self.role {
            let names = SubjectAltName(vec![GeneralName::Rfc822Name(Ia5String::new(email)?)]);
            extensions.add(pkix::SUBJECT_ALT_NAME, false, &names)?;
        }
        Ok(extensions.0)
    }
}

struct Extensions(Vec<Extension>);

impl Extensions {
    fn add(&mut self, id: ObjectIdentifier, critical: bool, value: &impl Encode) -> der::Result<()> {
        self.0.push((id, critical, value).to_extension(&Name::default(), &[])?);
        Ok(())
    }
}

/// The leftmost 160 bits of SHA-256 of the key's BIT STRING (RFC 7093 2, method 1).
pub(crate) fn key_identifier(spki: &SubjectPublicKeyInfoRef<'_>) -> der::Result<OctetString> {
    let digest = Sha256::digest(spki.subject_public_key.raw_bytes());
    OctetString::new(&digest[..20])
}

/// Stands for a key that signs elsewhere: the builder asks only for its public half and its algorithm.
struct Outside {
    spki: Spki,
    algorithm: AlgorithmIdentifierOwned,
}

#[derive(Clone)]
struct Spki(Vec<u8>);

impl signature::Keypair for Outside {
    type VerifyingKey = Spki;

    fn verifying_key(&self) -> Spki {
        self.spki.clone()
    }
}

impl DynSignatureAlgorithmIdentifier for Outside {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(self.algorithm.clone())
    }
}

impl EncodePublicKey for Spki {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.as_slice())?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{args::KeyAlgorithm, keys::FileKey};
    use countersign_pki::{Budget, PathRules, display_name, validate_path};

    fn lifetime(years: u64) -> Lifetime {
        let not_before: Time = "2026-11-24".parse().unwrap();
        Lifetime { not_before, not_after: not_before.plus(years * 31_557_600) }
    }

    fn key(algorithm: KeyAlgorithm) -> Box<FileKey> {
        Box::new(FileKey::generate(algorithm).unwrap())
    }

    #[test]
    fn a_signer_and_a_holder_have_their_own_paths() {
        let name = own_name("Activation Token Root", "A, B + \"C\" <D>; #1").unwrap();
        assert!(display_name(&name.to_der().unwrap()).starts_with("CN=Activation Token Root,O=A\\, B"));
        let root_key = key(KeyAlgorithm::P384);
        let der = root(Role::TokenRoot, &name, lifetime(40), &*root_key).unwrap();
        let root = Signer::new(der, root_key).unwrap();
        let anchor = [Certificate::from_der(root.certificate()).unwrap()];
        assert!(anchor[0].is_ca() && anchor[0].is_self_issued());
        assert_eq!(anchor[0].serial().len(), 16);
        assert_eq!(anchor[0].not_after().to_string(), "2066-11-24T00:00:00Z");

        let signer_key = key(KeyAlgorithm::Rsa2048);
        let subject = parse_name("CN=Signer,O=Test").unwrap();
        let signer = issue(Role::TokenSigner, &subject, lifetime(3), signer_key.spki(), &root).unwrap();
        let signer = Certificate::from_der(&signer).unwrap();
        let time = "2027-01-01".parse().unwrap();
        let usage = Some(oid::EKU_TOKEN_SIGNING);
        let rules = PathRules { extended_key_usage: usage, signing: true, ..PathRules::at(time) };
        validate_path(&signer, &[], &anchor, &rules, &mut Budget::default()).unwrap();
        assert!(!signer.is_ca());

        let email = Some("ada@example.com".to_owned());
        let holder =
            issue(Role::Holder { email, policies: Vec::new() }, &subject, lifetime(3), signer_key.spki(), &root)
                .unwrap();
        let holder = Certificate::from_der(&holder).unwrap();
        assert!(holder.key_usage().unwrap().non_repudiation());
        assert_eq!(holder.subject_alt_names().len(), 1);
        assert!(validate_path(&holder, &[], &anchor, &rules, &mut Budget::default()).is_err(), "no EKU");
        let rules = PathRules { extended_key_usage: None, ..rules };
        validate_path(&holder, &[], &anchor, &rules, &mut Budget::default()).unwrap();
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        for text in ["", "Ada", "CN=", "O=Example", "CN=a\\0Ab", "CN=\\FF", &format!("CN={}", "x".repeat(65))] {
            assert_eq!(parse_name(text).unwrap_err().code(), "CS-7001", "{text:?}");
        }
    }

    #[test]
    fn what_is_not_a_public_key_is_not_certified() {
        let (name, key) = (parse_name("CN=Root").unwrap(), key(KeyAlgorithm::P256));
        let root = Signer::new(root(Role::HolderRoot, &name, lifetime(40), &*key).unwrap(), key).unwrap();
        for spki in [&b""[..], b"\x30\x00", &root.key().spki()[1..]] {
            let refused = issue(Role::Holder { email: None, policies: Vec::new() }, &name, lifetime(3), spki, &root);
            assert_eq!(refused.unwrap_err().code(), "CS-7032");
        }
    }
}
