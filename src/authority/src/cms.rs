//! Signed objects by one of the authority's keys, and the anchors that they are verified under before they leave.

use crate::{error::Error, keys::Signer};
use countersign_common::{Anchors, Certificate, Reason, SigningRequest, Time, oid};
use der::asn1::ObjectIdentifier;

/// DER of a signed object. The root itself issued the signer: no certificate lies between, but those across go with it.
pub(crate) fn sign_object(
    content_type: ObjectIdentifier,
    content: &[u8],
    signer: &Signer,
    now: Time,
) -> Result<Vec<u8>, Error> {
    sign_with_approvals(content_type, content, &[], signer, now)
}

/// DER of a token with its approvals, each the DER of a signed object.
pub(crate) fn sign_token(body: &[u8], approvals: &[Vec<u8>], signer: &Signer, now: Time) -> Result<Vec<u8>, Error> {
    sign_with_approvals(oid::CONTENT_TOKEN, body, approvals, signer, now)
}

fn sign_with_approvals(
    content_type: ObjectIdentifier,
    content: &[u8],
    approvals: &[Vec<u8>],
    signer: &Signer,
    now: Time,
) -> Result<Vec<u8>, Error> {
    let certificate = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
    let mut request = SigningRequest::new(content_type, content, &certificate, signer.algorithm(), now)?;
    if !approvals.is_empty() {
        request = request.approved(&approvals.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }
    let signature = signer.sign(request.message())?;
    let across: Vec<_> = signer.across().iter().map(Vec::as_slice).collect();
    Ok(request.finish(&signature, &across, None)?)
}

/// The anchors of these roots, in DER.
pub(crate) fn anchors(roots: &[Vec<u8>]) -> Result<Anchors<'_>, Error> {
    Anchors::new(roots.iter().map(Vec::as_slice)).map_err(|error| Error::Verification(Reason::Signer(error)))
}
