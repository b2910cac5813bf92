//! Making revocation lists: certificate revocation lists (RFC 5280 5) and the token list.
//!
//! What is made is read again and held against what was meant before it goes anywhere.

use crate::{
    certs::{key_identifier, x509_time},
    cms::{self, sign_object},
    error::Error,
    keys::Signer,
    register::{IssuedList, Register, RevokedCertificate},
    role::Role,
    words::{RevocationWord, hex},
};
use countersign_common::{
    Certificate, GeneralizedTime, PathError, Reason, RevocationList, SignedObject, Time, VerifiedTokenList,
    decode_object, encode_object, oid,
    token::FORMAT_VERSION,
    token_list::{RevokedToken, TokenList},
};
use countersign_pki::oid as pkix;
use der::{
    Decode, Encode,
    asn1::{Any, BitString, ObjectIdentifier, OctetString, Uint},
};
use spki::SubjectPublicKeyInfoRef;
use std::collections::BTreeMap;
use x509_cert::{
    crl::{CertificateList, RevokedCert, TbsCertList},
    ext::{Extension, pkix::AuthorityKeyIdentifier},
    name::Name,
    serial_number::SerialNumber,
    spki::AlgorithmIdentifierOwned,
};

/// id-ce-cRLNumber (RFC 5280 5.2.3).
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
/// id-ce-cRLReasons (RFC 5280 5.3.1).
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
/// id-ce-invalidityDate (RFC 5280 5.3.2).
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
/// id-ce-deltaCRLIndicator (RFC 5280 5.2.4).
const DELTA_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
/// id-ce-expiredCertsOnCRL (X.509): certificates that expired stay on the list.
const EXPIRED_ON_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");
/// removeFromCRL (RFC 5280 5.3.1), in delta lists only.
const REMOVE_FROM_LIST: u8 = 8;

/// Number and dates of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edition {
    pub(crate) number: u64,
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
}

/// The token list as the register has it, signed, read again and verified under the authority's anchors.
pub(crate) fn token_list(
    register: &Register,
    edition: Edition,
    replaces_old_signer: bool,
    signer: &Signer,
    anchors: &[Vec<u8>],
) -> Result<Vec<u8>, Error> {
    let body = token_list_body(register, edition, replaces_old_signer, signer)?;
    body.check().map_err(Error::Verification)?;
    let object = sign_object(oid::CONTENT_TOKEN_LIST, &body.to_der()?, signer, edition.this_update)?;
    let anchors = cms::anchors(anchors)?;
    // By way of the file, whose size has a limit.
    let file = encode_object(&object);
    let der = decode_object(file.as_bytes()).map_err(Error::Verification)?;
    let verified = SignedObject::from_der(&der)
        .and_then(|object| VerifiedTokenList::verify(object, &anchors, &[]))
        .map_err(Error::Verification)?;
    if *verified.body() == body { Ok(object) } else { Err(Error::NotWhatWasMeant) }
}

fn token_list_body(
    register: &Register,
    edition: Edition,
    replaces_old_signer: bool,
    signer: &Signer,
) -> Result<TokenList, Error> {
    let damaged = || Error::LedgerDamaged("a digest, an id or a reason cannot be read".to_owned());
    let digests = |list: &mut dyn Iterator<Item = &str>| {
        let mut digests = list.map(hex).collect::<Result<Vec<_>, _>>().map_err(|_| damaged())?;
        digests.sort_unstable();
        digests.dedup();
        Ok::<_, Error>((!digests.is_empty()).then_some(digests))
    };
    let mut revoked = Vec::new();
    // The identifiers have one length, so that the order of their texts is that of their octets.
    for (id, token) in &register.revoked_tokens {
        revoked.push(RevokedToken {
            id: hex(id).map_err(|_| damaged())?,
            revision: token.revision,
            date: GeneralizedTime(token.date),
            reason: token.reason.of_token().ok_or_else(damaged)?,
            digest: token.digest.as_deref().map(hex).transpose().map_err(|_| damaged())?,
        });
    }
    let signer = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
    // Once it stands for them it goes on doing so: a machine may have missed the list between.
    let replaced_before = register.token_list.as_ref().and_then(|list| {
        let object = SignedObject::from_der(&list.der).ok().filter(|last| last.signer().der() == signer.der())?;
        TokenList::from_der(object.content()).ok()?.replaces
    });
    let mut replaces = replaced_before.unwrap_or_default();
    if replaces_old_signer {
        for earlier in register.of_role(Role::ListSigner).filter(|known| known.der != signer.der()) {
            let earlier = Certificate::from_der(&earlier.der).map_err(|_| damaged())?;
            let name = Any::from_der(earlier.subject())?;
            if !replaces.contains(&name) {
                replaces.push(name);
            }
        }
    }
    Ok(TokenList {
        version: FORMAT_VERSION,
        number: edition.number,
        this_update: GeneralizedTime(edition.this_update),
        next_update: GeneralizedTime(edition.next_update),
        revoked: (!revoked.is_empty()).then_some(revoked),
        standing: digests(&mut register.standing())?,
        received: digests(&mut register.received_in_time())?,
        replaces: (!replaces.is_empty()).then_some(replaces),
        extensions: None,
    })
}

/// The list of what a root issued and is revoked, complete or as the difference from an earlier complete one; signed,
/// read again and verified with the root's key.
pub(crate) fn certificate_list(
    register: &Register,
    root_digest: &str,
    edition: Edition,
    base: Option<&IssuedList>,
    root: &Signer,
) -> Result<Vec<u8>, Error> {
    let certificate = Certificate::from_der(root.certificate()).map_err(|_| Error::KeyMismatch)?;
    let mut entries = Vec::new();
    for revoked in register.revoked_certificates.values().filter(|revoked| revoked.issuer == root_digest) {
        entries.push(entry(revoked)?);
    }
    entries.sort_by(|one, other| one.serial_number.as_bytes().cmp(other.serial_number.as_bytes()));
    let mut extensions = vec![
        extension(pkix::AUTHORITY_KEY_IDENTIFIER, false, &authority_key_identifier(&certificate)?)?,
        extension(CRL_NUMBER, false, &Uint::new(&edition.number.to_be_bytes())?)?,
    ];
    match base {
        Some(base) => {
            let number = Uint::new(&base.number.to_be_bytes())?;
            extensions.push(extension(DELTA_INDICATOR, true, &number)?);
            entries = difference(&base.der, entries)?;
        }
        None => {
            extensions.push(extension(EXPIRED_ON_LIST, false, &GeneralizedTime(certificate.not_before()))?);
        }
    }
    let algorithm = AlgorithmIdentifierOwned::from_der(&root.algorithm().identifier())?;
    let tbs_cert_list = TbsCertList {
        version: x509_cert::Version::V2,
        signature: algorithm.clone(),
        issuer: Name::from_der(certificate.subject())?,
        this_update: x509_time(edition.this_update)?,
        next_update: Some(x509_time(edition.next_update)?),
        revoked_certificates: (!entries.is_empty()).then_some(entries),
        crl_extensions: Some(extensions),
    };
    let signature = root.sign(&tbs_cert_list.to_der()?)?;
    let list = CertificateList {
        tbs_cert_list,
        signature_algorithm: algorithm,
        signature: BitString::from_bytes(&signature)?,
    };
    let der = list.to_der()?;
    verify(&der, &list, &certificate)?;
    Ok(der)
}

/// How many entries a list of certificates has.
pub(crate) fn entries(der: &[u8]) -> Result<usize, Error> {
    let list: CertificateList = CertificateList::from_der(der)?;
    Ok(list.tbs_cert_list.revoked_certificates.map_or(0, |entries| entries.len()))
}

/// Distrusts what was signed: it must read again, say what was meant, and verify with the root's key.
fn verify(der: &[u8], meant: &CertificateList, root: &Certificate<'_>) -> Result<(), Error> {
    let refused = |kind| Error::Verification(Reason::Signer(PathError { kind, subject: root.subject_text() }));
    RevocationList::from_der(der).and_then(|list| list.signed_by(root)).map_err(refused)?;
    let read: CertificateList = CertificateList::from_der(der)?;
    if read == *meant { Ok(()) } else { Err(Error::NotWhatWasMeant) }
}

fn entry(revoked: &RevokedCertificate) -> Result<RevokedCert, Error> {
    let certificate = Certificate::from_der(&revoked.der).map_err(|_| Error::KeyMismatch)?;
    let mut extensions = Vec::new();
    // RFC 5280 5.3.1: absent rather than unspecified.
    if revoked.reason != RevocationWord::Unspecified {
        extensions.push(reason(revoked.reason.number())?);
    }
    if revoked.date < revoked.entered {
        extensions.push(extension(INVALIDITY_DATE, false, &GeneralizedTime(revoked.date))?);
    }
    Ok(RevokedCert {
        serial_number: SerialNumber::new(certificate.serial())?,
        // What records are held against, hence since when it counts and not when it was entered.
        revocation_date: x509_time(revoked.date)?,
        crl_entry_extensions: (!extensions.is_empty()).then_some(extensions),
    })
}

/// What is new or was changed since a complete list, and what is on it no longer.
fn difference(base: &[u8], now: Vec<RevokedCert>) -> Result<Vec<RevokedCert>, Error> {
    let base: CertificateList = CertificateList::from_der(base)?;
    let mut before: BTreeMap<Vec<u8>, RevokedCert> = base
        .tbs_cert_list
        .revoked_certificates
        .into_iter()
        .flatten()
        .map(|entry| (entry.serial_number.as_bytes().to_vec(), entry))
        .collect();
    let mut entries: Vec<_> =
        now.into_iter().filter(|entry| before.remove(entry.serial_number.as_bytes()).as_ref() != Some(entry)).collect();
    for mut lifted in before.into_values() {
        lifted.crl_entry_extensions = Some(vec![reason(REMOVE_FROM_LIST)?]);
        entries.push(lifted);
    }
    Ok(entries)
}

fn reason(number: u8) -> Result<Extension, Error> {
    extension(REASON_CODE, false, &Any::new(der::Tag::Enumerated, [number])?)
}

fn authority_key_identifier(root: &Certificate<'_>) -> Result<AuthorityKeyIdentifier, Error> {
    let key = SubjectPublicKeyInfoRef::from_der(root.spki())?;
    Ok(AuthorityKeyIdentifier { key_identifier: Some(key_identifier(&key)?), ..Default::default() })
}

fn extension(extn_id: ObjectIdentifier, critical: bool, value: &impl Encode) -> Result<Extension, Error> {
    Ok(Extension { extn_id, critical, extn_value: OctetString::new(value.to_der()?)? })
}
