//! The approval of a token by an officer (docs/token-format.md, section 18).

use crate::{
    anchors::Anchors,
    asn1::{Digest32, Extension, Octets, read_body, sha256},
    cms::{SignedObject, members},
    limits::{critical_extension, extensions_within_limits},
    lists::Lists,
    oid,
    reason::Reason,
    signer::verify_signer_for_token,
    token::FORMAT_VERSION,
};
use countersign_pki::{Budget, RevocationList};
use der::{Sequence, Tag};

/// The most approvals that a token carries, and that anchors demand.
pub const MAX_APPROVALS: u8 = 8;

/// That an officer approves a token: the content of a signed object. It is made before the token is signed, so that it
/// names the token by what it says.
///
/// ```text
/// Approval ::= SEQUENCE {
///   version     INTEGER { v1(1) },
///   token       OCTET STRING (SIZE(32)),         -- SHA-256 of the DER of the ActivationToken
///   extensions  [0] SEQUENCE SIZE(1..16) OF Extension OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct Approval {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// SHA-256 of the body of the token.
    pub token: Digest32,
    /// Later additions.
    #[asn1(context_specific = "0", optional = "true")]
    pub extensions: Option<Vec<Extension>>,
}

impl Approval {
    /// The approval of a token with a body, given as DER.
    pub fn of(body: &[u8]) -> Self {
        Self { version: FORMAT_VERSION, token: Octets(sha256(body)), extensions: None }
    }

    /// Reads the content of a signed object and holds it to the limits of the format.
    pub fn from_object(object: &SignedObject<'_>) -> Result<Self, Reason> {
        if object.content_type() != oid::CONTENT_APPROVAL {
            return Err(Reason::WrongObject { expected: "the approval of a token" });
        }
        let approval: Self = read_body(object.content(), FORMAT_VERSION, "approval")?;
        let within = extensions_within_limits(approval.extensions.as_deref());
        if within { Ok(approval) } else { Err(Reason::ApprovalField("extensions")) }
    }

    /// The approvals that a token carries, each held to the limits of the format; empty where it carries none.
    pub fn carried_by<'a>(token: &SignedObject<'a>) -> Result<Vec<SignedObject<'a>>, Reason> {
        let mut approvals = Vec::new();
        let Some(attribute) = token.approvals() else { return Ok(approvals) };
        let mut rest = members(attribute, Tag::Sequence, "approvals attribute")?;
        while !rest.is_finished() {
            let object = SignedObject::from_der(rest.tlv("approvals attribute")?)?;
            Self::from_object(&object)?;
            approvals.push(object);
            if approvals.len() > usize::from(MAX_APPROVALS) {
                return Err(Reason::ApprovalField("their number"));
            }
        }
        if approvals.is_empty() { Err(Reason::ApprovalField("their number")) } else { Ok(approvals) }
    }
}

/// A token and those who approved it.
#[derive(Clone, Copy, Debug)]
pub struct Approved<'a> {
    /// DER of the token's body.
    pub body: &'a [u8],
    /// The approvals.
    pub by: &'a [SignedObject<'a>],
    /// How many persons must have approved it.
    pub needed: u8,
}

impl Approved<'_> {
    /// Verifies that enough persons approved.
    ///
    /// Each approval has to hold: its signer is certified for approving under the anchors, and not revoked; it is of this
    /// body; its signature verifies. Two by one key, or under one subject, are of one person.
    ///
    /// # Errors
    ///
    /// [`Reason::Approval`] for the first that does not hold, [`Reason::TooFewApprovals`].
    pub fn verify(&self, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<(), Reason> {
        self.verify_within(anchors, lists.certificate_lists(), &|| false, &mut Budget::default())
    }

    pub(crate) fn verify_within(
        &self,
        anchors: &Anchors<'_>,
        lists: &[RevocationList<'_>],
        stands: &dyn Fn() -> bool,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let expected = Approval::of(self.body).token;
        let mut persons = Vec::with_capacity(self.by.len());
        for object in self.by {
            let signer = object.signer();
            let refused = |reason| Reason::Approval { approver: signer.subject_text(), reason: Box::new(reason) };
            let approval = Approval::from_object(object).map_err(refused)?;
            if approval.token != expected {
                return Err(refused(Reason::ApprovalOfAnother));
            }
            verify_signer_for_token(object, oid::EKU_TOKEN_APPROVAL, anchors, lists, stands, budget)
                .and_then(|_| object.verify_signature(object.signing_time()))
                .and_then(|()| critical_extension(approval.extensions.as_deref()))
                .map_err(refused)?;
            if !persons.iter().any(|(key, subject)| *key == signer.spki() || *subject == signer.subject()) {
                persons.push((signer.spki(), signer.subject()));
            }
        }
        let (needed, found) = (self.needed, persons.len());
        if found >= usize::from(needed) { Ok(()) } else { Err(Reason::TooFewApprovals { needed, found }) }
    }
}
