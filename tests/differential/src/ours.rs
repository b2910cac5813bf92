//! What countersign-pki says.

use crate::case::{AT, Case};
use countersign_pki::{
    Budget, Certificate, PathError, PathErrorKind, PathRules, PolicyRules, RevocationList, RevocationRules,
    validate_path,
};

/// id-kp-clientAuth (RFC 5280 4.2.1.12).
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// The outcome of a case. What cannot be read is left out, as a user of the crate would.
pub fn judge(case: &Case) -> Result<(), PathErrorKind> {
    decide(&case.leaf, &case.untrusted, case.lists.as_deref(), case).map_err(|error| error.kind)
}

/// The same case in another order and with repetitions.
pub fn judge_again(case: &Case, untrusted: &[Vec<u8>], lists: Option<&[Vec<u8>]>) -> Result<(), PathErrorKind> {
    decide(&case.leaf, untrusted, lists, case).map_err(|error| error.kind)
}

fn decide(leaf: &[u8], untrusted: &[Vec<u8>], lists: Option<&[Vec<u8>]>, case: &Case) -> Result<(), PathError> {
    let leaf = Certificate::from_der(leaf)?;
    let untrusted: Vec<_> = untrusted.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let anchors: Vec<_> = case.anchors.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let at = AT.parse().expect("a time");
    let lists: Option<Vec<_>> =
        lists.map(|lists| lists.iter().filter_map(|der| RevocationList::from_der(der).ok()).collect());
    let revocation =
        lists.as_ref().map(|lists| RevocationRules { lists, required: true, current_at: Some(at), dated: false });
    let policies = PolicyRules {
        initial: case.initial_policies.iter().map(|policy| policy.parse().expect("an identifier")).collect(),
        explicit: case.explicit_policy,
        inhibit_mapping: case.inhibit_mapping,
        inhibit_any: case.inhibit_any,
    };
    let extended_key_usage = case.client.then(|| CLIENT_AUTH.parse().expect("an identifier"));
    let rules = PathRules { extended_key_usage, policies, revocation, ..PathRules::at(at) };
    validate_path(&leaf, &untrusted, &anchors, &rules, &mut Budget::default()).map(drop)
}

/// The rule of RFC 5280's profile, or the part that is malformed, that the error names.
pub fn detail(kind: &PathErrorKind) -> &'static str {
    match kind {
        PathErrorKind::Malformed(part) | PathErrorKind::Profile(part) => part,
        PathErrorKind::NameExcluded(form) | PathErrorKind::NameNotComparable(form) => form,
        PathErrorKind::NameNotPermitted(form) => form,
        PathErrorKind::StatusUnknown(why) => why,
        _ => "",
    }
}

/// Whether the key of the leaf is one that can be read and is allowed.
pub fn reads_key_of_leaf(case: &Case) -> bool {
    Certificate::from_der(&case.leaf).is_ok_and(|leaf| leaf.public_key().is_ok())
}

/// Whether every certificate of the case can be read.
pub fn reads_every_certificate(case: &Case) -> bool {
    case.untrusted.iter().chain([&case.leaf]).all(|der| Certificate::from_der(der).is_ok())
}

/// Whether the leaf has policy mappings, as only a CA's certificate should.
pub fn maps_policies_in_leaf(case: &Case) -> bool {
    Certificate::from_der(&case.leaf).is_ok_and(|leaf| leaf.extension(countersign_pki::oid::POLICY_MAPPINGS).is_some())
}
