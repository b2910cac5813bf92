//! Who may certify holders and sign certificate revocation lists, as far as a machine knows.

use countersign_common::{
    Anchors, Certificate, PathError, PathErrorKind, Reason, RevocationList, VerifiedToken, oid, sha256,
    token::{HolderAnchor, Token},
};

/// What a token says about others: whom it admits, and who signed it.
pub(crate) struct Known {
    body: Token,
    above_signer: Vec<Vec<u8>>,
}

impl Known {
    pub(crate) fn new(token: &VerifiedToken<'_>) -> Self {
        let above_signer = token.object().other_certificates().iter().map(|other| other.der().to_vec()).collect();
        Self { body: token.body().clone(), above_signer }
    }
}

/// DER of the anchors of holders whom tokens name. One that is named by its key is known by a certificate that it signed
/// itself.
pub(crate) fn holder_anchors(tokens: &[Known], certificates: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut anchors: Vec<Vec<u8>> = Vec::new();
    for grant in tokens.iter().flat_map(|token| &token.body.grants) {
        let mut buffer = Vec::new();
        match grant.anchor(&mut buffer) {
            Ok(HolderAnchor::Certificate(der)) => anchors.push(der.to_vec()),
            Ok(HolderAnchor::KeyDigest(digest)) => {
                let has_key = |der: &&Vec<u8>| {
                    Certificate::from_der(der).is_ok_and(|certificate| {
                        sha256(certificate.spki()) == digest.0 && certificate.verify_self_signed().is_ok()
                    })
                };
                anchors.extend(certificates.iter().find(has_key).cloned());
            }
            // A token whose grants cannot be understood did not verify.
            Err(_) => {}
        }
    }
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}

/// Whoever may have signed a certificate revocation list, as far as this machine knows.
pub(crate) fn list_signers<'s>(
    tokens: &'s [Known],
    anchors: &'s Anchors<'_>,
    holder_anchors: &'s [Vec<u8>],
    issuers: &'s [Vec<u8>],
) -> Vec<Certificate<'s>> {
    let roots = anchors.certificates().unwrap_or_default().iter().map(Certificate::der);
    let above = tokens.iter().flat_map(|token| &token.above_signer);
    let others = above.chain(holder_anchors).chain(issuers).map(Vec::as_slice);
    roots.chain(others).filter_map(|der| Certificate::from_der(der).ok()).collect()
}

/// Whether one of these signed a list; else the reason that tells most.
pub(crate) fn check_list(list: &RevocationList<'_>, signers: &[Certificate<'_>]) -> Result<(), PathErrorKind> {
    let mut refusal = PathErrorKind::ListSignerRefused("nobody whom this machine knows signed it");
    for signer in signers {
        match list.signed_by(signer) {
            Ok(()) => return Ok(()),
            Err(PathErrorKind::ListSignerRefused(_)) => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

pub(crate) fn refused_list(kind: PathErrorKind, issuer: String) -> Reason {
    Reason::List(PathError { kind, subject: issuer })
}

/// Whether a certificate may stand between holders and their anchor: it is a CA's, and has no part in the token authority.
pub(crate) fn may_be_issuer(certificate: &Certificate<'_>, anchors: &Anchors<'_>) -> Result<(), Reason> {
    let roles = [
        oid::EKU_ANCHORS_SIGNING,
        oid::EKU_LEDGER_SIGNING,
        oid::EKU_LIST_SIGNING,
        oid::EKU_PIV_CARD_AUTH,
        oid::EKU_TOKEN_APPROVAL,
        oid::EKU_TOKEN_SIGNING,
    ];
    let has_role = certificate.extended_key_usages().unwrap_or_default().iter().any(|usage| roles.contains(usage));
    let token_anchors = anchors.certificates().unwrap_or_default();
    if has_role || token_anchors.iter().any(|anchor| anchor.spki() == certificate.spki()) {
        return Err(Reason::RoleMixed(
            "a certificate of the token authority, or of a card, between holders and their anchor",
        ));
    }
    if certificate.is_ca() {
        return Ok(());
    }
    Err(Reason::Holder(PathError { kind: PathErrorKind::IssuerNotCa, subject: certificate.subject_text() }))
}
