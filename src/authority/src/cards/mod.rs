//! What is known and demanded of smart cards, without any card: rules, secrets, attestations.

mod attestation;
mod card_key;
#[cfg(test)]
pub(crate) mod maker;
mod pins;
mod rules;

pub(crate) use attestation::{Attested, Roots};
pub(crate) use card_key::CardKey;
pub(crate) use pins::{PinRules, weakness};
pub(crate) use rules::CardRules;
