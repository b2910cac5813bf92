//! Signing as an officer, with a key that no authority's folder keeps.

use super::Context;
use crate::{args::OwnSigner, error::Error, keys::Signer, plan};
use countersign_common::Certificate;
use der::asn1::ObjectIdentifier;

/// DER of the officer's certificate, which has to be for `usage`; `purpose` names that, as in "signing anchors updates".
pub(super) fn certificate(own: &OwnSigner, usage: ObjectIdentifier, purpose: &str) -> Result<Vec<u8>, Error> {
    let der = plan::certificate(&own.certificate)?;
    let parsed = Certificate::from_der(&der).map_err(|_| Error::KeyMismatch)?;
    if parsed.extended_key_usages().unwrap_or_default().contains(&usage) {
        Ok(der)
    } else {
        Err(Error::CertificateFile { path: own.certificate.clone(), fault: format!("it is not for {purpose}") })
    }
}

/// Opens the key, for which the secret is asked, and holds it against the certificate.
pub(super) fn signer(own: &OwnSigner, certificate: &[u8], context: &mut Context<'_>) -> Result<Signer, Error> {
    let key = context.keyring.open_own(&own.key, certificate, own.rsa_padding)?;
    Signer::new(certificate.to_vec(), key)
}
