//! Trust anchors of the token authority.

use crate::reason::Reason;
use countersign_pki::{Certificate, PathError};

/// The roots under which tokens are signed, parsed once. They are compiled into the product or come from its
/// administrator; nothing that a token, a card or a user brings ever joins them.
#[derive(Clone, Debug)]
pub struct Anchors<'a> {
    certificates: Vec<Certificate<'a>>,
}

impl<'a> Anchors<'a> {
    /// Parses each certificate.
    pub fn new(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, PathError> {
        let certificates = certificates.into_iter().map(Certificate::from_der).collect::<Result<_, _>>()?;
        Ok(Self { certificates })
    }

    /// The certificates; an error where there are none.
    pub fn certificates(&self) -> Result<&[Certificate<'a>], Reason> {
        if self.certificates.is_empty() { Err(Reason::NoAnchors) } else { Ok(&self.certificates) }
    }

    /// Whether a certificate has the key of one of the anchors.
    pub(crate) fn have_key_of(&self, certificate: &Certificate<'_>) -> bool {
        self.certificates.iter().any(|anchor| anchor.spki() == certificate.spki())
    }
}
