//! A case: what every implementation is asked.

use std::collections::BTreeSet;

/// The time that every case is judged at.
pub const AT: &str = "2026-06-01T00:00:00Z";
/// The same in seconds since 1970.
pub const AT_SECONDS: u64 = 1_780_272_000;

pub struct Case {
    pub leaf: Vec<u8>,
    pub untrusted: Vec<Vec<u8>>,
    pub anchors: Vec<Vec<u8>>,
    /// Revocation lists; nothing is asked of them where there is none at all.
    pub lists: Option<Vec<Vec<u8>>>,
    /// Whether the extended key usage id-kp-clientAuth is asked for.
    pub client: bool,
    pub initial_policies: Vec<&'static str>,
    pub explicit_policy: bool,
    pub inhibit_mapping: bool,
    pub inhibit_any: bool,
    /// What was done to it.
    pub features: BTreeSet<&'static str>,
}
