//! The rules, pure: from octets and [`Facts`] to a [`Verdict`].
//!
//! ```text
//! file ── armor ──▶ DER ── cms ──▶ SignedObject ── rules ──▶ VerifiedToken / VerifiedRecord ── Facts ──▶ Verdict
//! ```
//!
//! A [`VerifiedToken`] and a [`VerifiedRecord`] are made here and nowhere else: whoever holds one need not ask again.

use crate::{
    anchors::Anchors,
    armor,
    asn1::{Digest32, GeneralizedTime, Octets},
    challenge::{Challenge, Slot},
    cms::SignedObject,
    holder::{Admission, admit, check_key},
    machine::{ComparisonOutcome, ComponentMatch, MachineComparison, MachineComponent, MachineFacts},
    oid,
    reason::Reason,
    token::{FORMAT_VERSION, Token},
    verdict::{Facts, HolderEvidence, Product, TokenEvidence, Verdict},
};
use countersign_pki::{Budget, Certificate, PathRules, Time, validate_path};

/// By how much clocks may disagree before that means something, in seconds.
pub const CLOCK_TOLERANCE: u64 = 300;

/// The verdict on an activation record, given as PEM or DER.
pub fn validate(file: &[u8], facts: &Facts<'_>) -> Verdict {
    let der = match armor::decode_object(file) {
        Ok(der) => der,
        Err(reason) => return Verdict::new(reason),
    };
    match SignedObject::from_der(&der).and_then(|object| VerifiedRecord::verify(object, facts.anchors)) {
        Ok(record) => record.assess(facts),
        Err(reason) => Verdict::new(reason),
    }
}

/// A token whose signature, signer and terms were verified.
#[derive(Clone, Debug)]
pub struct VerifiedToken<'a> {
    object: SignedObject<'a>,
    body: Token,
    anchor_subject: String,
}

impl<'a> VerifiedToken<'a> {
    /// Verifies a token: the body, the signer's path at the signing time, the signature.
    pub fn verify(object: SignedObject<'a>, anchors: &Anchors<'_>) -> Result<Self, Reason> {
        Self::verify_within(object, anchors, &mut Budget::default())
    }

    fn verify_within(object: SignedObject<'a>, anchors: &Anchors<'_>, budget: &mut Budget) -> Result<Self, Reason> {
        if object.content_type() != oid::CONTENT_TOKEN {
            return Err(Reason::WrongObject { expected: "an activation token" });
        }
        if object.der().len() > armor::MAX_TOKEN_SIZE {
            return Err(Reason::TooLarge { limit: armor::MAX_TOKEN_SIZE });
        }
        let body = Token::from_der(object.content())?;
        let rules = PathRules {
            extended_key_usage: Some(oid::EKU_TOKEN_SIGNING),
            signing: true,
            ..PathRules::at(object.signing_time())
        };
        let roots = anchors.certificates()?;
        let path = validate_path(object.signer(), object.other_certificates(), roots, &rules, budget)
            .map_err(Reason::Signer)?;
        if path.intermediates().len() != object.other_certificates().len() {
            return Err(Reason::UnneededCertificate);
        }
        let usages = object.signer().extended_key_usages().unwrap_or_default();
        if usages.contains(&oid::EKU_LIST_SIGNING) || usages.contains(&oid::EKU_ANCHORS_SIGNING) {
            return Err(Reason::RoleMixed("a token signer that signs lists or anchors as well"));
        }
        budget
            .spend_signature()
            .map_err(|kind| Reason::Signer(countersign_pki::PathError { kind, subject: String::new() }))?;
        object.verify_signature(object.signing_time())?;
        // After the signature: the advice to get a newer verifier must not come from a forger.
        body.check_enforceable()?;
        let anchor_subject = roots[path.anchor()].subject_text();
        Ok(Self { object, body, anchor_subject })
    }

    /// The body.
    pub fn body(&self) -> &Token {
        &self.body
    }

    /// The signed object.
    pub fn object(&self) -> &SignedObject<'a> {
        &self.object
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
    ) -> Result<Admission, Reason> {
        let mut budget = Budget::default();
        let mut refusal = Reason::NoSuchGrant { grant: 0 };
        for grant in &self.body.grants {
            let of_authority = |certificate: &Certificate<'_>| self.is_authority_key(certificate, anchors);
            match admit(grant, holder, issuers, slot, at, of_authority, &mut budget) {
                Ok(admission) => return check_key(holder, at).map(|()| admission),
                Err(reason) if reason.rank() >= refusal.rank() || matches!(refusal, Reason::NoSuchGrant { .. }) => {
                    refusal = reason;
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Whether this machine may be activated now: product, clock, window and machine, everything but the holder.
    pub fn check_activation(&self, facts: &Facts<'_>) -> Result<(), Reason> {
        let window = || {
            let now = facts.now.ok_or(Reason::NoClock)?;
            self.check_window(now)
        };
        let present = facts.machine.digests(&self.body.binding);
        first_refusal([
            self.check_product(&facts.product).err(),
            check_clock(facts, self.issued()).err(),
            window().err(),
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
        slot: Slot,
        time: Time,
        nonce: [u8; 32],
        machine: &MachineFacts,
        work_order: Option<String>,
    ) -> Challenge {
        Challenge {
            version: FORMAT_VERSION,
            token_digest: Octets(self.object.digest()),
            grant: admission.grant,
            slot,
            time: GeneralizedTime(time),
            nonce: Octets(nonce),
            machine: machine.digests(&self.body.binding),
            virtualization: machine.virtualization.clone(),
            lists: None,
            work_order,
            extensions: None,
        }
    }

    fn check_product(&self, product: &Product<'_>) -> Result<(), Reason> {
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

    fn check_window(&self, at: Time) -> Result<(), Reason> {
        let (not_before, not_after) = (self.body.window.not_before.0, self.body.window.not_after.0);
        if at < not_before {
            Err(Reason::WindowNotOpen { not_before, at })
        } else if at > not_after {
            Err(Reason::WindowClosed { not_after, at })
        } else {
            Ok(())
        }
    }

    /// Whether a certificate has the key of the token's signer, of a CA above it, or of any token anchor.
    fn is_authority_key(&self, certificate: &Certificate<'_>, anchors: &Anchors<'_>) -> bool {
        let mut signers = self.object.other_certificates().iter().chain([self.object.signer()]);
        anchors.have_key_of(certificate) || signers.any(|signer| signer.spki() == certificate.spki())
    }

    fn check_virtualization(&self, virtualization: Option<&String>) -> Result<(), Reason> {
        match virtualization {
            Some(virtualization) if !self.body.binding.virtual_machines => {
                Err(Reason::VirtualMachine { virtualization: virtualization.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether a machine with these components could ever be recognised again.
    fn check_enough_components(&self, present: &[MachineComponent]) -> Result<(), Reason> {
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

    fn check_listed(&self, present: &[MachineComponent]) -> Result<(), Reason> {
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

/// A record whose token, holder, signature and times were verified: who activated which machine under which token.
/// Whether that machine is this one, and whether it still holds, is what [`Self::assess`] tells.
#[derive(Clone, Debug)]
pub struct VerifiedRecord<'a> {
    object: SignedObject<'a>,
    challenge: Challenge,
    token: VerifiedToken<'a>,
    admission: Admission,
}

impl<'a> VerifiedRecord<'a> {
    /// Verifies a record. With the anchors, this one object decides.
    pub fn verify(object: SignedObject<'a>, anchors: &Anchors<'_>) -> Result<Self, Reason> {
        let token = match object.unsigned_token() {
            Some(token) if object.content_type() == oid::CONTENT_CHALLENGE => token,
            _ => return Err(Reason::WrongObject { expected: "an activation record" }),
        };
        let challenge = Challenge::from_der(object.content())?;
        let budget = &mut Budget::default();
        let token = SignedObject::from_der(token)?;
        if token.digest() != challenge.token_digest.0 {
            return Err(Reason::AnotherToken);
        }
        let token = VerifiedToken::verify_within(token, anchors, budget)?;
        let number = challenge.grant;
        let grant = token.body.grants.iter().find(|grant| grant.number == number);
        let grant = grant.ok_or(Reason::NoSuchGrant { grant: number })?;
        let others = object.other_certificates();
        let at = challenge.time.0;
        let of_authority = |certificate: &Certificate<'_>| token.is_authority_key(certificate, anchors);
        let admission = admit(grant, object.signer(), others, challenge.slot, at, of_authority, budget)?;
        if admission.issuers.len() != others.len() {
            return Err(Reason::UnneededCertificate);
        }
        budget
            .spend_signature()
            .map_err(|kind| Reason::Holder(countersign_pki::PathError { kind, subject: String::new() }))?;
        object.verify_signature(at)?;
        challenge.check_enforceable()?;
        check_times(at, object.signing_time(), token.issued())?;
        token.check_window(at)?;
        token.check_listed(&challenge.machine)?;
        token.check_virtualization(challenge.virtualization.as_ref())?;
        Ok(Self { object, challenge, token, admission })
    }

    /// The signed object.
    pub fn object(&self) -> &SignedObject<'a> {
        &self.object
    }

    /// What the card signed.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The token under which the machine was activated.
    pub fn token(&self) -> &VerifiedToken<'a> {
        &self.token
    }

    /// When the machine was activated, by its own clock.
    pub fn activated(&self) -> Time {
        self.challenge.time.0
    }

    /// Last second of the activation; nothing where it has no end.
    pub fn valid_until(&self) -> Option<Time> {
        self.token.body.terms.validity.map(|seconds| self.activated().plus(seconds.into()))
    }

    /// What a verdict tells of the holder.
    pub fn holder(&self) -> HolderEvidence {
        HolderEvidence {
            subject: self.object.signer().subject_text(),
            certificate: Octets(self.object.signer().digest()),
            anchor: self.admission.anchor_subject.clone(),
            grant: self.challenge.grant,
            claimed_slot: self.challenge.slot,
            work_order: self.challenge.work_order.clone(),
        }
    }

    /// SHA-256 of the record.
    pub fn digest(&self) -> Digest32 {
        Octets(self.object.digest())
    }

    /// The verdict on this record for a product, a machine and a time.
    pub fn assess(&self, facts: &Facts<'_>) -> Verdict {
        let token = &self.token;
        let present = facts.machine.digests(&token.body.binding);
        let comparison = MachineComparison::new(&token.body.binding, &self.challenge.machine, &present);
        let floor = self.activated().max(token.issued());
        let renewal_due = token.body.terms.renew_after.map(|seconds| self.activated().plus(seconds.into()));
        let valid_until = self.valid_until();
        let expired = || match (valid_until, facts.now) {
            (Some(valid_until), Some(now)) if now > valid_until => Some(Reason::Expired { valid_until, now }),
            _ => None,
        };
        let refusal = first_refusal([
            token.check_product(&facts.product).err(),
            match_machine(&comparison).err(),
            token.check_virtualization(facts.machine.virtualization.as_ref()).err(),
            check_clock(facts, floor).err(),
            expired(),
        ]);
        let reason = refusal.unwrap_or_else(|| match (renewal_due, facts.now) {
            (Some(since), Some(now)) if now >= since => Reason::RenewalDue { since },
            _ => Reason::Licensed,
        });
        let mut verdict = Verdict::new(reason);
        verdict.evidence.token = Some(token.evidence());
        verdict.evidence.holder = Some(self.holder());
        verdict.evidence.machine = Some(comparison);
        verdict.evidence.virtualization.clone_from(&facts.machine.virtualization);
        verdict.activated = Some(self.activated());
        verdict.renewal_due = renewal_due;
        verdict.valid_until = valid_until;
        if let (true, Some(now)) = (verdict.state.is_activated(), facts.now) {
            let entitlements = token.body.entitlements.iter().flatten();
            let current = entitlements.filter(|entitlement| entitlement.not_after.is_none_or(|end| now <= end.0));
            verdict.entitlements = current.cloned().collect();
        }
        verdict
    }
}

/// Of several refusals the one that tells most; a certain no before a "cannot tell".
fn first_refusal<const N: usize>(refusals: [Option<Reason>; N]) -> Option<Reason> {
    refusals.into_iter().flatten().max_by_key(|reason| (!reason.cannot_tell(), reason.rank()))
}

fn match_machine(comparison: &MachineComparison) -> Result<(), Reason> {
    match comparison.outcome {
        ComparisonOutcome::Same => Ok(()),
        ComparisonOutcome::Other => Err(Reason::OtherMachine { differing: comparison.those(ComponentMatch::Differs) }),
        ComparisonOutcome::CannotTell => Err(Reason::TooFewComponents {
            required: comparison.required,
            missing: [ComponentMatch::Missing, ComponentMatch::NotRecorded]
                .map(|result| comparison.those(result))
                .concat(),
        }),
    }
}

/// The clock must not lie behind a time that has certainly passed.
fn check_clock(facts: &Facts<'_>, passed: Time) -> Result<(), Reason> {
    let now = facts.now.ok_or(Reason::NoClock)?;
    let floor = facts.newest_time_seen.map_or(passed, |seen| seen.max(passed));
    if now.plus(CLOCK_TOLERANCE) < floor { Err(Reason::ClockBehind { now, floor }) } else { Ok(()) }
}

/// The two times that a record states, and the token's, must fit together.
fn check_times(challenge: Time, signature: Time, issued: Time) -> Result<(), Reason> {
    if challenge.unix().abs_diff(signature.unix()) > CLOCK_TOLERANCE {
        return Err(Reason::TimesDisagree { challenge, signature });
    }
    if challenge.plus(CLOCK_TOLERANCE) < issued {
        return Err(Reason::BeforeToken { activated: challenge, issued });
    }
    Ok(())
}
