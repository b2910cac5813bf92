//! PEM of certificate revocation lists; that of our own objects is the format's.

use der::SecretDocument;
use std::borrow::Cow;

/// The label of certificate revocation lists (RFC 7468 6).
const LABEL: &str = "X509 CRL";

/// DER of a list that came as DER or as one PEM block.
pub(crate) fn certificate_list(file: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    if file.first() == Some(&0x30) {
        return Ok(Cow::Borrowed(file));
    }
    let text = str::from_utf8(file).map_err(|_| "neither DER nor PEM")?;
    let (label, document) = SecretDocument::from_pem(text).map_err(|_| "neither DER nor one PEM block")?;
    if label == LABEL { Ok(Cow::Owned(document.as_bytes().to_vec())) } else { Err("a PEM block with another label") }
}
