//! A token that verified, and what it asks of machine, product, holder and time.

use crate::{
    anchors::Anchors,
    approval::{Approval, Approved},
    armor,
    asn1::{GeneralizedTime, Octets},
    challenge::{Challenge, Slot},
    cms::SignedObject,
    holder::{Admission, Holder, admit, check_key},
    inclusion::{InclusionProof, LedgerPlace},
    lists::{Lists, check_terms},
    machine::{ComparisonOutcome, MachineComparison, MachineComponent, MachineFacts},
    oid,
    reason::Reason,
    rules::{check_clock, first_refusal, match_machine},
    signer::verify_signer_for_token,
    token::{FORMAT_VERSION, Token},
    verdict::{Facts, Product, TokenEvidence},
};
use countersign_pki::{Budget, Certificate, Time};

/// A token whose signature, signer and terms were verified.
#[derive(Clone, Debug)]
pub struct VerifiedToken<'a> {
    object: SignedObject<'a>,
    body: Token,
    anchor_subject: String,
    anchor_end: Option<Time>,
}

impl<'a> VerifiedToken<'a> {
    /// Verifies a token: the body, the signer's path at the signing time, the signature. A signer whom `lists` revoke
    /// takes its tokens with it, but for those that the token list names as standing.
    pub fn verify(object: SignedObject<'a>, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<Self, Reason> {
        Self::verify_within(object, anchors, lists, &mut Budget::default())
    }

    pub(crate) fn verify_within(
        object: SignedObject<'a>,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
        budget: &mut Budget,
    ) -> Result<Self, Reason> {
        if object.content_type() != oid::CONTENT_TOKEN {
            return Err(Reason::WrongObject { expected: "an activation token" });
        }
        if object.der().len() > armor::MAX_TOKEN_SIZE {
            return Err(Reason::TooLarge { limit: armor::MAX_TOKEN_SIZE });
        }
        let body = Token::from_der(object.content())?;
        let proof = object.inclusion_proof().map(InclusionProof::from_der).transpose()?;
        let approvals = Approval::carried_by(&object)?;
        let (certificate_lists, stands) = (lists.certificate_lists(), || lists.stands(object.digest()));
        let role = oid::EKU_TOKEN_SIGNING;
        let path = verify_signer_for_token(&object, role, anchors, certificate_lists, &stands, budget)?;
        object.verify_signature(object.signing_time())?;
        let demands = anchors.demands();
        if demands.approvals > 0 {
            let approved = Approved { body: object.content(), by: &approvals, needed: demands.approvals };
            approved.verify_within(anchors, certificate_lists, &stands, budget)?;
        }
        if demands.inclusion_proof {
            let proof = proof.as_ref().ok_or(Reason::NoInclusionProof)?;
            proof.verify(&Octets(object.digest()), anchors, lists, budget)?;
        }
        // After the signature: the advice to get a newer verifier must not come from a forger.
        body.check_enforceable()?;
        Ok(Self {
            object,
            body,
            anchor_subject: subject_of(anchors, path.anchor()),
            anchor_end: anchors.end(path.anchor()),
        })
    }

    /// The body.
    pub fn body(&self) -> &Token {
        &self.body
    }

    /// The signed object.
    pub fn object(&self) -> &SignedObject<'a> {
        &self.object
    }

    /// Where the proof that it carries shows it to be in the ledger; nothing where it carries none. Anchors that
    /// demand a proof have had it verified already.
    pub fn ledger_place(&self, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<Option<LedgerPlace>, Reason> {
        let Some(proof) = self.object.inclusion_proof() else { return Ok(None) };
        let digest = Octets(self.object.digest());
        InclusionProof::from_der(proof)?.verify(&digest, anchors, lists, &mut Budget::default()).map(Some)
    }

    /// The signer's word for when it was issued.
    pub fn issued(&self) -> Time {
        self.object.signing_time()
    }

    /// What a verdict tells of the token.
    pub fn evidence(&self) -> TokenEvidence {
        TokenEvidence {
            id: self.body.id,
            revision: self.body.revision,
            digest: Octets(self.object.digest()),
            issued: self.issued(),
            customer: self.body.customer.clone(),
            product: self.body.product.id.clone(),
            edition: self.body.product.edition.clone(),
            signer: self.object.signer().subject_text(),
            anchor: self.anchor_subject.clone(),
        }
    }

    /// Whether any grant admits a holder's certificate, with `issuers` in any order; the first that does. The holder's
    /// key must be one that may sign a record at that time.
    ///
    /// # Errors
    ///
    /// Of the grants' refusals the one that tells most.
    pub fn admit(
        &self,
        holder: &Certificate<'_>,
        issuers: &[Certificate<'_>],
        slot: Slot,
        at: Time,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
    ) -> Result<Admission, Reason> {
        let holder = Holder { certificate: holder, issuers, slot, at, revocation: lists.revocation() };
        let mut budget = Budget::default();
        let mut refusal = Reason::NoSuchGrant { grant: 0 };
        for grant in &self.body.grants {
            let of_authority = |certificate: &Certificate<'_>| self.is_authority_key(certificate, anchors);
            match admit(grant, &holder, of_authority, &mut budget) {
                Ok(admission) => return check_key(holder.certificate, at).map(|()| admission),
                Err(reason) if reason.rank() >= refusal.rank() || matches!(refusal, Reason::NoSuchGrant { .. }) => {
                    refusal = reason;
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Whether this machine may be activated now: product, clock, window, lists and machine, everything but the holder.
    pub fn check_activation(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let dated = || {
            let now = facts.now.ok_or(Reason::NoClock)?;
            self.check_window(now)?;
            self.check_anchor(now)?;
            facts.lists.check_token(self, now)?;
            check_terms(self.body.lists.as_ref(), &facts.lists.used(&[]).unwrap_or_default(), now)
        };
        let clock = || {
            let passed = facts.newest_time_seen.max(facts.lists.newest()).max(Some(self.issued()));
            check_clock(facts.now.ok_or(Reason::NoClock)?, passed)
        };
        let present = facts.machine.digests(&self.body.binding);
        first_refusal([
            self.check_product(&facts.product).err(),
            clock().err(),
            dated().err(),
            self.check_virtualization(facts.machine.virtualization.as_ref()).err(),
            self.check_enough_components(&present).err(),
            self.check_listed(&present).err(),
        ])
        .map_or(Ok(()), Err)
    }

    /// The challenge for this machine, once a holder was admitted.
    pub fn challenge(
        &self,
        admission: &Admission,
        time: Time,
        nonce: [u8; 32],
        machine: &MachineFacts,
        lists: &Lists<'_>,
        work_order: Option<String>,
    ) -> Challenge {
        Challenge {
            version: FORMAT_VERSION,
            token_digest: Octets(self.object.digest()),
            grant: admission.grant,
            slot: admission.slot,
            time: GeneralizedTime(time),
            nonce: Octets(nonce),
            machine: machine.digests(&self.body.binding),
            virtualization: machine.virtualization.clone(),
            lists: lists.used(&admission.lists),
            work_order,
            extensions: None,
        }
    }

    pub(crate) fn check_product(&self, product: &Product<'_>) -> Result<(), Reason> {
        let terms = &self.body.product;
        if terms.id != product.id {
            return Err(Reason::OtherProduct { token: terms.id.clone() });
        }
        if let (Some(wanted), Some(stated)) = (&terms.edition, product.edition)
            && wanted != stated
        {
            return Err(Reason::OtherEdition { token: wanted.clone() });
        }
        if terms.from.is_none() && terms.below.is_none() {
            return Ok(());
        }
        let version = product.version.ok_or(Reason::VersionNotStated)?;
        if terms.from.is_some_and(|from| version < from) || terms.below.is_some_and(|below| version >= below) {
            return Err(Reason::VersionNotCovered { version });
        }
        Ok(())
    }

    pub(crate) fn check_window(&self, at: Time) -> Result<(), Reason> {
        let (not_before, not_after) = (self.body.window.not_before.0, self.body.window.not_after.0);
        if at < not_before {
            Err(Reason::WindowNotOpen { not_before, at })
        } else if at > not_after {
            Err(Reason::WindowClosed { not_after, at })
        } else {
            Ok(())
        }
    }

    /// Whether machines may still be activated under the token's anchor (docs/token-format.md, section 15).
    pub(crate) fn check_anchor(&self, at: Time) -> Result<(), Reason> {
        match self.anchor_end {
            Some(end) if at > end => Err(Reason::AnchorRetired { anchor: self.anchor_subject.clone(), end, at }),
            _ => Ok(()),
        }
    }

    /// Whether a certificate has the key of the token's signer, of a CA above it, or of any token anchor.
    pub(crate) fn is_authority_key(&self, certificate: &Certificate<'_>, anchors: &Anchors<'_>) -> bool {
        let mut signers = self.object.other_certificates().iter().chain([self.object.signer()]);
        anchors.have_key_of(certificate) || signers.any(|signer| signer.spki() == certificate.spki())
    }

    pub(crate) fn check_virtualization(&self, virtualization: Option<&String>) -> Result<(), Reason> {
        match virtualization {
            Some(virtualization) if !self.body.binding.virtual_machines => {
                Err(Reason::VirtualMachine { virtualization: virtualization.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a machine with these components could ever be recognised again.
    pub(crate) fn check_enough_components(&self, present: &[MachineComponent]) -> Result<(), Reason> {
        let binding = &self.body.binding;
        let missing = |kind| !present.iter().any(|component| component.kind == kind);
        let mandatory_missing = binding.components.iter().any(|rule| rule.mandatory && missing(rule.kind));
        let required = usize::from(binding.required);
        if present.len() >= required && !mandatory_missing {
            return Ok(());
        }
        let missing = binding.components.iter().map(|rule| rule.kind).filter(|kind| missing(*kind)).collect();
        Err(Reason::TooFewComponents { required, missing })
    }

    pub(crate) fn check_listed(&self, present: &[MachineComponent]) -> Result<(), Reason> {
        let Some(machines) = &self.body.binding.machines else {
            return Ok(());
        };
        let mut refusal = Reason::MachineNotListed { listed: machines.len() };
        for machine in machines {
            let comparison = MachineComparison::new(&self.body.binding, &machine.components, present);
            match comparison.outcome {
                ComparisonOutcome::Same => return Ok(()),
                ComparisonOutcome::CannotTell => {
                    // At least one listed machine could be this one.
                    if let Err(reason) = match_machine(&comparison) {
                        refusal = reason;
                    }
                }
                ComparisonOutcome::Other => {}
            }
        }
        Err(refusal)
    }
}

fn subject_of(anchors: &Anchors<'_>, index: usize) -> String {
    let roots = anchors.certificates().unwrap_or_default();
    roots.get(index).map(Certificate::subject_text).unwrap_or_default()
}
