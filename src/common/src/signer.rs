//! The signers of the token authority: one role each, under the anchors.

use crate::{anchors::Anchors, cms::SignedObject, oid, reason::Reason};
use countersign_pki::{
    Budget, Certificate, PathError, PathErrorKind, PathRules, RevocationList, RevocationRules, ValidatedPath,
    validate_path,
};
use der::asn1::ObjectIdentifier;

/// Validates the path of an object's signer, at its signing time, to an anchor of the authority. The signature itself
/// is not verified here.
pub(crate) fn verify_signer(
    object: &SignedObject<'_>,
    role: ObjectIdentifier,
    anchors: &Anchors<'_>,
    lists: &[RevocationList<'_>],
    budget: &mut Budget,
) -> Result<ValidatedPath, Reason> {
    let rules = PathRules {
        extended_key_usage: Some(role),
        signing: true,
        revocation: revocation(lists),
        ..PathRules::at(object.signing_time())
    };
    let others = object.other_certificates();
    let path =
        validate_path(object.signer(), others, anchors.certificates()?, &rules, budget).map_err(Reason::Signer)?;
    if !all_needed(&path, others, anchors.certificates()?) {
        return Err(Reason::UnneededCertificate);
    }
    check_role(object.signer(), role)?;
    budget.spend_signature().map_err(|kind| Reason::Signer(PathError { kind, subject: String::new() }))?;
    Ok(path)
}

/// Whether each certificate of an object leads to an anchor: here, or on a machine with other ones. The path needs it; or it
/// is a certificate across, which says of a name and key that the path has been through, or has ended in, that somebody else
/// vouches for them.
fn all_needed(path: &ValidatedPath, others: &[Certificate<'_>], anchors: &[Certificate<'_>]) -> bool {
    let through = path.intermediates().iter().filter_map(|place| others.get(*place));
    let passed: Vec<_> = through.chain(anchors.get(path.anchor())).collect();
    others.iter().enumerate().all(|(place, other)| {
        let across = || {
            let same = |one: &&Certificate<'_>| one.subject() == other.subject() && one.spki() == other.spki();
            !other.is_self_issued() && passed.iter().any(same)
        };
        path.intermediates().contains(&place) || across()
    })
}

/// As [`verify_signer`], for a signature that a token rests on: where a certificate of the path is revoked and the token
/// list names the token as standing, without the lists.
pub(crate) fn verify_signer_for_token(
    object: &SignedObject<'_>,
    role: ObjectIdentifier,
    anchors: &Anchors<'_>,
    lists: &[RevocationList<'_>],
    stands: &dyn Fn() -> bool,
    budget: &mut Budget,
) -> Result<ValidatedPath, Reason> {
    match verify_signer(object, role, anchors, lists, budget) {
        Err(Reason::Signer(error)) if matches!(error.kind, PathErrorKind::Revoked { .. }) && stands() => {
            verify_signer(object, role, anchors, &[], budget)
        }
        path => path,
    }
}

/// How the lists of a machine are used: what they say counts, a list of any age too, and nobody is refused because no
/// list speaks of him. Which lists a machine must have, and how old they may be, the token's terms say.
pub(crate) fn revocation<'r>(lists: &'r [RevocationList<'r>]) -> Option<RevocationRules<'r>> {
    if lists.is_empty() {
        return None;
    }
    Some(RevocationRules { lists, required: false, current_at: None, dated: true })
}

/// A signer has one role of ours and no other (I9).
pub(crate) fn check_role(signer: &Certificate<'_>, role: ObjectIdentifier) -> Result<(), Reason> {
    let usages = signer.extended_key_usages().unwrap_or_default();
    let others = [
        (oid::EKU_TOKEN_SIGNING, "a signer that signs tokens as well"),
        (oid::EKU_LIST_SIGNING, "a signer that signs lists as well"),
        (oid::EKU_ANCHORS_SIGNING, "a signer that signs anchors updates as well"),
        (oid::EKU_LEDGER_SIGNING, "a signer that signs heads of the ledger as well"),
        (oid::EKU_TOKEN_APPROVAL, "a signer that approves tokens as well"),
    ];
    if !usages.contains(&role) {
        return Err(Reason::RoleMixed("a signer without the role that the object needs"));
    }
    let mixed = others.iter().find(|(other, _)| *other != role && usages.contains(other));
    mixed.map_or(Ok(()), |(_, what)| Err(Reason::RoleMixed(what)))
}
