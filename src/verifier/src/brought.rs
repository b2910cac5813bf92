//! What a file holds, told apart by its content: names on a stick mean nothing.

use crate::{error::Error, files};
use countersign_common::{
    MAX_OBJECT_SIZE, Reason, SignedObject, bundle::MAX_BUNDLE_SIZE, decode_certificate_list, decode_certificates,
    decode_object, decode_objects, oid,
};
use std::{borrow::Cow, path::Path};

/// The content of a file, in DER. Nothing in it is verified.
pub(crate) enum Brought {
    Bundle(Vec<u8>),
    CertificateList(Vec<u8>),
    Certificates(Vec<Vec<u8>>),
    /// A signed object; of an anchors update one for each signature.
    Objects(Vec<Vec<u8>>),
}

const SEQUENCE: u8 = 0x30;

impl Brought {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self::new(files::read_up_to(path, MAX_BUNDLE_SIZE)?)?)
    }

    fn new(content: Vec<u8>) -> Result<Self, Reason> {
        if content.first() != Some(&SEQUENCE) {
            return if content.starts_with(b"-----BEGIN CERTIFICATE-----") {
                decode_certificates(&content).map(Self::Certificates)
            } else if content.starts_with(b"-----BEGIN X509 CRL-----") {
                decode_certificate_list(&content).map(Cow::into_owned).map(Self::CertificateList)
            } else {
                objects(&content).map(Self::Objects)
            };
        }
        match kind(&content) {
            Kind::Bundle => Ok(Self::Bundle(content)),
            Kind::Certificate => decode_certificates(&content).map(Self::Certificates),
            Kind::CertificateList => decode_certificate_list(&content).map(Cow::into_owned).map(Self::CertificateList),
            Kind::Object => decode_object(&content).map(|der| Self::Objects(vec![der.into_owned()])),
        }
    }
}

/// One signed object, or the signatures of an anchors update one after the other.
fn objects(content: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    if content.windows(10).filter(|window| window == b"-----BEGIN").nth(1).is_none() {
        return decode_object(content).map(|der| vec![der.into_owned()]);
    }
    let objects = decode_objects(content)?;
    for der in &objects {
        if der.len() > MAX_OBJECT_SIZE {
            return Err(Reason::TooLarge { limit: MAX_OBJECT_SIZE });
        }
        if SignedObject::from_der(der)?.content_type() != oid::CONTENT_ANCHORS {
            return Err(Reason::NotPem("expected one CMS block"));
        }
    }
    Ok(objects)
}

enum Kind {
    Bundle,
    Certificate,
    CertificateList,
    Object,
}

/// What a SEQUENCE begins with: a ContentInfo with an identifier, a bundle with a ContentInfo, a certificate with a body that
/// states its version in a tag of its own, a list with one that states it plainly.
fn kind(der: &[u8]) -> Kind {
    let outer = inside(der);
    if outer.first() != Some(&SEQUENCE) {
        return Kind::Object;
    }
    match inside(outer).first() {
        Some(0x06) => Kind::Bundle,
        Some(0xa0) => Kind::Certificate,
        Some(0x02) => Kind::CertificateList,
        _ => Kind::Object,
    }
}

/// What follows the tag and the length of a value; empty where there is nothing.
fn inside(der: &[u8]) -> &[u8] {
    let long = |first: &u8| if first & 0x80 == 0 { 0 } else { usize::from(first & 0x7f) };
    der.get(1).map(long).and_then(|more| der.get(2 + more..)).unwrap_or_default()
}
