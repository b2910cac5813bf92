//! What `limits.toml` demands of cards.

use super::PinRules;
use serde::Deserialize;
use std::path::PathBuf;

/// `[cards]` of the limits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct CardRules {
    /// Keys must be attested.
    pub(crate) attested: bool,
    /// Files with the roots of attestations, beside the limits.
    pub(crate) attestation_roots: Vec<PathBuf>,
    /// No card keeps the PIN, PUK and management key that it was delivered with.
    pub(crate) new_secrets: bool,
    /// The fewest digits of a PIN, 6 to 8.
    pub(crate) pin_length: Option<u8>,
}

impl CardRules {
    /// The rules of new PINs.
    pub(crate) fn pins(&self) -> PinRules {
        PinRules { length: self.pin_length.unwrap_or_default().max(PinRules::default().length) }
    }

    /// What is wrong with them, and the key where it stands.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.pin_length.is_some_and(|length| !(6..=8).contains(&length)) {
            Some(("pin-length", "a PIN has 6 to 8 digits"))
        } else if self.attested && self.attestation_roots.is_empty() {
            Some(("attested", "say with attestation-roots which roots the attestations must lead to"))
        } else {
            None
        }
    }
}
