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
    asn1::{Digest32, Octets},
    challenge::Challenge,
    cms::SignedObject,
    holder::{Admission, Holder, admit},
    lists::{Lists, check_terms},
    machine::{ComparisonOutcome, ComponentMatch, MachineComparison},
    reason::Reason,
    verdict::{Facts, HolderEvidence, Verdict},
    verified_token::VerifiedToken,
};
use countersign_pki::{Budget, Certificate, PathError, PathErrorKind, Time};

/// By how much clocks may disagree before that means something, in seconds.
pub const CLOCK_TOLERANCE: u64 = 300;

/// The verdict on an activation record, given as PEM or DER.
pub fn validate(file: &[u8], facts: &Facts<'_>) -> Verdict {
    let der = match armor::decode_object(file) {
        Ok(der) => der,
        Err(reason) => return Verdict::new(reason),
    };
    match SignedObject::from_der(&der).and_then(|object| VerifiedRecord::verify(object, facts.anchors, facts.lists)) {
        Ok(record) => record.assess(facts),
        Err(reason) => Verdict::new(reason),
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
    /// Verifies a record. With the anchors, this one object decides; `lists` may take away what it says.
    pub fn verify(object: SignedObject<'a>, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Result<Self, Reason> {
        let token = object.unsigned_token().ok_or(Reason::WrongObject { expected: "an activation record" })?;
        let challenge = Challenge::from_der(object.content())?;
        let budget = &mut Budget::default();
        let token = SignedObject::from_der(token)?;
        if token.digest() != challenge.token_digest.0 {
            return Err(Reason::AnotherToken);
        }
        let token = VerifiedToken::verify_within(token, anchors, lists, budget)?;
        let at = challenge.time.0;
        let admission = admit_signer(&object, &challenge, &token, anchors, lists, budget)?;
        budget.spend_signature().map_err(|kind| Reason::Holder(PathError { kind, subject: String::new() }))?;
        object.verify_signature(at)?;
        challenge.check_enforceable()?;
        check_times(at, object.signing_time(), token.issued())?;
        token.check_window(at)?;
        token.check_anchor(at)?;
        token.check_listed(&challenge.machine)?;
        token.check_virtualization(challenge.virtualization.as_ref())?;
        let used = challenge.lists.as_deref().unwrap_or_default();
        check_terms(token.body().lists.as_ref(), used, at)?;
        lists.check_used(used)?;
        lists.check_token(&token, at)?;
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
        self.token.body().terms.validity.map(|seconds| self.activated().plus(seconds.into()))
    }

    /// What a verdict tells of the holder.
    pub fn holder(&self) -> HolderEvidence {
        HolderEvidence {
            subject: self.object.signer().subject_text(),
            certificate: Octets(self.object.signer().digest()),
            anchor: self.admission.anchor_subject.clone(),
            grant: self.challenge.grant,
            claimed_slot: self.challenge.slot,
            slot_proven: self.admission.slot_proven,
            work_order: self.challenge.work_order.clone(),
        }
    }

    /// SHA-256 of the record.
    pub fn digest(&self) -> Digest32 {
        Octets(self.object.digest())
    }

    /// Whether the activation still holds at a time, and that time is not before one that has certainly passed: that of the
    /// activation, the token's, or `seen`.
    ///
    /// # Errors
    ///
    /// [`Reason::Expired`], [`Reason::ClockBehind`]; [`Reason::NoClock`] where there is no time.
    pub fn check_time(&self, now: Option<Time>, seen: Option<Time>) -> Result<(), Reason> {
        let now = now.ok_or(Reason::NoClock)?;
        // A certain no before a "cannot tell".
        if let Some(valid_until) = self.valid_until().filter(|valid_until| now > *valid_until) {
            return Err(Reason::Expired { valid_until, now });
        }
        check_clock(now, seen.max(Some(self.activated().max(self.token.issued()))))
    }

    /// The verdict on this record for a product, a machine and a time.
    pub fn assess(&self, facts: &Facts<'_>) -> Verdict {
        let token = &self.token;
        let present = facts.machine.digests(&token.body().binding);
        let comparison = MachineComparison::new(&token.body().binding, &self.challenge.machine, &present);
        let renewal_due = token.body().terms.renew_after.map(|seconds| self.activated().plus(seconds.into()));
        let valid_until = self.valid_until();
        let refusal = first_refusal([
            token.check_product(&facts.product).err(),
            match_machine(&comparison).err(),
            token.check_virtualization(facts.machine.virtualization.as_ref()).err(),
            self.check_time(facts.now, facts.newest_time_seen.max(facts.lists.newest())).err(),
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
        verdict.evidence.lists = facts.lists.evidence(&self.admission.lists);
        verdict.evidence.anchors_update = facts.anchors.number();
        verdict.activated = Some(self.activated());
        verdict.renewal_due = renewal_due;
        verdict.valid_until = valid_until;
        if let (true, Some(now)) = (verdict.state.is_activated(), facts.now) {
            let entitlements = token.body().entitlements.iter().flatten();
            let current = entitlements.filter(|entitlement| entitlement.not_after.is_none_or(|end| now <= end.0));
            verdict.entitlements = current.cloned().collect();
        }
        verdict
    }
}

/// Whether the grant that a challenge names admits the signer of a record. A holder who was revoked takes his records
/// with him, but for those that the authority received before.
fn admit_signer(
    object: &SignedObject<'_>,
    challenge: &Challenge,
    token: &VerifiedToken<'_>,
    anchors: &Anchors<'_>,
    lists: &Lists<'_>,
    budget: &mut Budget,
) -> Result<Admission, Reason> {
    let number = challenge.grant;
    let grant = token.body().grants.iter().find(|grant| grant.number == number);
    let grant = grant.ok_or(Reason::NoSuchGrant { grant: number })?;
    let holder = Holder {
        certificate: object.signer(),
        issuers: object.other_certificates(),
        slot: challenge.slot,
        at: challenge.time.0,
        revocation: lists.revocation(),
    };
    let of_authority = |certificate: &Certificate<'_>| token.is_authority_key(certificate, anchors);
    let admission = match admit(grant, &holder, of_authority, budget) {
        Err(Reason::Holder(error))
            if matches!(error.kind, PathErrorKind::Revoked { .. }) && lists.received(object.digest()) =>
        {
            admit(grant, &Holder { revocation: None, ..holder }, of_authority, budget)?
        }
        admission => admission?,
    };
    if admission.issuers.len() == holder.issuers.len() { Ok(admission) } else { Err(Reason::UnneededCertificate) }
}

/// Of several refusals the one that tells most; a certain no before a "cannot tell".
pub(crate) fn first_refusal<const N: usize>(refusals: [Option<Reason>; N]) -> Option<Reason> {
    refusals.into_iter().flatten().max_by_key(|reason| (!reason.cannot_tell(), reason.rank()))
}

pub(crate) fn match_machine(comparison: &MachineComparison) -> Result<(), Reason> {
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
pub(crate) fn check_clock(now: Time, passed: Option<Time>) -> Result<(), Reason> {
    match passed {
        Some(floor) if now.plus(CLOCK_TOLERANCE) < floor => Err(Reason::ClockBehind { now, floor }),
        _ => Ok(()),
    }
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
