//! Signed objects by one of the authority's keys.

use crate::{error::Error, keys::Signer};
use countersign_common::{Certificate, SigningRequest, Time};
use der::asn1::ObjectIdentifier;

/// DER of a signed object. The root itself issued the signer: no certificate lies between.
pub(crate) fn sign_object(
    content_type: ObjectIdentifier,
    content: &[u8],
    signer: &Signer,
    now: Time,
) -> Result<Vec<u8>, Error> {
    let certificate = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
    let request = SigningRequest::new(content_type, content, &certificate, signer.algorithm(), now)?;
    let signature = signer.sign(request.message())?;
    Ok(request.finish(&signature, &[], None)?)
}
