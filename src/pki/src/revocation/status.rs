//! What the given lists say of one certificate (RFC 5280 6.3.3).

use super::{
    RevocationReason, Revoked,
    list::{RevocationList, compare_numbers},
    scope::{ALL_REASONS, DistributionPoint, Reasons},
};
use crate::{certificate::Certificate, error::PathErrorKind, path::Budget, time::Time};
use core::cmp::Ordering;
use der::asn1::ObjectIdentifier;

/// Which lists to ask, and what their answers mean.
#[derive(Clone, Copy, Debug)]
pub struct RevocationRules<'r> {
    /// The lists, in whatever order. Those that cover no certificate of the path do no harm.
    pub lists: &'r [RevocationList<'r>],
    /// Whether a certificate is refused of which the lists do not say that it is not revoked.
    pub required: bool,
    /// A time at which a list must be in force, from thisUpdate to nextUpdate, to be asked at all; where there is
    /// none, lists of any date are.
    pub current_at: Option<Time>,
    /// Whether a revocation that [spares what was before](RevocationReason::spares_what_was_before) refuses only what
    /// is judged at its date or later. Every other one refuses whatever the date.
    pub dated: bool,
}

/// How the path search finds and judges those who sign lists.
pub(crate) trait SignerPaths<'p> {
    /// The certificates with this subject that may belong to a list's signer: the untrusted ones, and the anchor of
    /// the path under judgement where the name is its own.
    fn candidates(&self, name: &[u8]) -> Vec<&'p Certificate<'p>>;

    /// Whether a valid path, revocation included, leads from a signer to the anchor of the path under judgement. An
    /// exhausted budget ends everything; after any other error the signer does not count.
    fn validate(&mut self, signer: &Certificate<'_>, budget: &mut Budget) -> Result<(), PathErrorKind>;
}

const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");

/// Judges the status of `target`, whose `issuer` was already found valid, at a time. Comes back with the indices,
/// ascending, of the lists that say it is not revoked.
///
/// Of lists with the same issuer, scope and key the newest usable one is asked, together with the newest delta list
/// that builds on it; lists with other scopes or keys add to that, and the gravest answer counts. So the order of the
/// lists does not matter.
///
/// # Errors
///
/// [`PathErrorKind::Revoked`], [`PathErrorKind::OnHold`], [`PathErrorKind::StatusUnknown`] where the rules require a
/// status, and those of [`RevocationList::find`].
pub(crate) fn check<'p>(
    target: &Certificate<'_>,
    issuer: &Certificate<'_>,
    rules: &RevocationRules<'_>,
    time: Time,
    signers: &mut dyn SignerPaths<'p>,
    budget: &mut Budget,
) -> Result<Vec<usize>, PathErrorKind> {
    let points = distribution_points(target)?;
    let mut question = Question { target, issuer, rules: *rules, time, points, why: Why::NoList };
    let mut lists = question.covering_lists();
    lists.sort_by(|(one, _), (other, _)| {
        let (one, other) = (question.list(*one), question.list(*other));
        kin(one).cmp(&kin(other)).then_with(|| compare_numbers(other.number(), one.number()))
    });

    let (mut covered, mut said, mut gravest) = (0, Vec::new(), None);
    let given = rules.lists;
    for kindred in lists.chunk_by(|(one, _), (other, _)| kin(&given[*one]) == kin(&given[*other])) {
        let mut newest: Option<&[u8]> = None;
        for (index, reasons) in kindred {
            let list = question.list(*index);
            if newest.is_some_and(|newest| newest != list.number()) {
                break;
            }
            match question.ask(*index, signers, budget)? {
                Answer::None => continue,
                Answer::Revoked(revoked) => gravest = Some(revoked.graver(gravest)),
                Answer::NotRevoked(lists) => {
                    covered |= reasons;
                    said.extend(lists);
                }
            }
            newest = Some(list.number());
        }
    }
    match gravest {
        Some(Revoked { reason: RevocationReason::CertificateHold, date, .. }) => Err(PathErrorKind::OnHold { date }),
        Some(Revoked { reason, date, .. }) => Err(PathErrorKind::Revoked { reason, date }),
        None if rules.required && covered == 0 => Err(PathErrorKind::StatusUnknown(question.why.text())),
        None if rules.required && covered != ALL_REASONS => {
            Err(PathErrorKind::StatusUnknown("the lists cover only some reasons"))
        }
        None => {
            said.sort_unstable();
            said.dedup();
            Ok(said)
        }
    }
}

/// What makes lists each other's predecessors: issuer, scope and key.
fn kin<'l>(list: &'l RevocationList<'_>) -> (&'l [u8], Option<&'l [u8]>, &'l [u8]) {
    (list.issuer(), list.header().scope_value.as_deref(), &list.header().authority_key)
}

/// The points that the certificate names, and the one that RFC 5280 6.3.3 has us assume.
fn distribution_points(target: &Certificate<'_>) -> Result<Vec<DistributionPoint>, PathErrorKind> {
    let mut points = match target.extension_value(CRL_DISTRIBUTION_POINTS) {
        Some(value) => {
            DistributionPoint::list(value, target.issuer()).ok_or(PathErrorKind::Malformed("cRLDistributionPoints"))?
        }
        None => Vec::new(),
    };
    points.push(DistributionPoint::assumed(target.issuer(), target.extension_value(ISSUER_ALT_NAME)));
    Ok(points)
}

/// Why nothing is known, the further a list came the later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    NoList,
    NotCurrent,
    NoSigner,
    Expired,
}

impl Why {
    const fn text(self) -> &'static str {
        match self {
            Self::NoList => "no list covers the certificate",
            Self::NotCurrent => "no list is in force at the time",
            Self::NoSigner => "no list is signed by one who may",
            Self::Expired => "the certificate expired before the list, which does not keep expired ones",
        }
    }
}

/// What a list, with its delta list, says.
enum Answer {
    None,
    Revoked(Revoked),
    /// With the indices of the lists that say so.
    NotRevoked(Vec<usize>),
}

struct Question<'q, 'r> {
    target: &'q Certificate<'q>,
    issuer: &'q Certificate<'q>,
    rules: RevocationRules<'r>,
    time: Time,
    points: Vec<DistributionPoint>,
    why: Why,
}

impl<'r> Question<'_, 'r> {
    fn list(&self, index: usize) -> &'r RevocationList<'r> {
        &self.rules.lists[index]
    }

    fn note(&mut self, why: Why) {
        self.why = self.why.max(why);
    }

    fn covered_by(&self, list: &RevocationList<'_>, point: &DistributionPoint) -> Reasons {
        let scope = list.header().scope.as_ref();
        point.covered_by(list.issuer(), scope, self.target.issuer(), self.target.is_ca())
    }

    /// The complete lists whose issuer and scope fit, and the reasons for which they do.
    fn covering_lists(&self) -> Vec<(usize, Reasons)> {
        let complete = self.rules.lists.iter().enumerate().filter(|(_, list)| !list.is_delta());
        complete
            .map(|(index, list)| {
                (index, self.points.iter().fold(0, |reasons, point| reasons | self.covered_by(list, point)))
            })
            .filter(|(_, reasons)| *reasons != 0)
            .collect()
    }

    /// Whether a list is in force at the time that the rules may name.
    fn is_current(&self, list: &RevocationList<'_>) -> bool {
        self.rules.current_at.is_none_or(|at| (list.this_update()..=list.next_update()).contains(&at))
    }

    /// Whether a list would still name the certificate if it was revoked: one that has expired may be left out.
    fn would_tell(&self, list: &RevocationList<'_>) -> bool {
        let expired = self.target.not_after();
        expired >= list.this_update() || list.header().expired_since.is_some_and(|since| expired >= since)
    }

    fn ask<'p>(
        &mut self,
        index: usize,
        signers: &mut dyn SignerPaths<'p>,
        budget: &mut Budget,
    ) -> Result<Answer, PathErrorKind> {
        let list = self.list(index);
        if !self.is_current(list) {
            self.note(Why::NotCurrent);
            return Ok(Answer::None);
        }
        let candidates = signers.candidates(list.issuer());
        let own = core::iter::once(self.issuer);
        let mut signer = None;
        for candidate in own.chain(candidates.into_iter().filter(|other| other.der() != self.issuer.der())) {
            if self.is_signer(list, candidate, signers, budget)? {
                signer = Some(candidate);
                break;
            }
        }
        let Some(signer) = signer else {
            self.note(Why::NoSigner);
            return Ok(Answer::None);
        };

        let mut asked = vec![index];
        let mut found = None;
        let mut removed = false;
        for delta in self.newest_deltas(list, signer, budget)? {
            asked.push(delta);
            let delta = self.list(delta);
            match delta.find(self.target.issuer(), self.target.serial())? {
                // An expired certificate is taken off as well, which does not mean that it was never revoked.
                Some(Revoked { reason: RevocationReason::RemoveFromCrl, .. }) => removed |= self.would_tell(delta),
                Some(revoked) => found = Some(revoked.graver(found)),
                None => {}
            }
        }
        if found.is_none() && !removed {
            found = list.find(self.target.issuer(), self.target.serial())?;
        }
        Ok(match found {
            Some(revoked) if !self.is_spared(&revoked) => Answer::Revoked(revoked),
            None if !self.would_tell(list) => {
                self.note(Why::Expired);
                Answer::None
            }
            _ => Answer::NotRevoked(asked),
        })
    }

    /// Whether what is judged lies before a revocation that lets it stand.
    fn is_spared(&self, revoked: &Revoked) -> bool {
        self.rules.dated && revoked.reason.spares_what_was_before() && self.time < revoked.date
    }

    /// Whether the holder of a certificate signed the list and may (RFC 5280 6.3.3 f and g).
    fn is_signer<'p>(
        &self,
        list: &RevocationList<'_>,
        candidate: &Certificate<'_>,
        signers: &mut dyn SignerPaths<'p>,
        budget: &mut Budget,
    ) -> Result<bool, PathErrorKind> {
        if list.check_signer(candidate).is_err() {
            return Ok(false);
        }
        // Nobody vouches for himself, unless his issuer named him as the one who tells.
        let is_target = candidate.der() == self.target.der();
        let is_named =
            || self.points.iter().any(|point| point.names_issuer(list.issuer()) && self.covered_by(list, point) != 0);
        if is_target && !is_named() || !self.is_signed(list, candidate, budget)? {
            return Ok(false);
        }
        if is_target || candidate.der() == self.issuer.der() {
            return Ok(true);
        }
        match signers.validate(candidate, budget) {
            Ok(()) => Ok(true),
            Err(PathErrorKind::BudgetExhausted) => Err(PathErrorKind::BudgetExhausted),
            Err(_) => Ok(false),
        }
    }

    fn is_signed(
        &self,
        list: &RevocationList<'_>,
        signer: &Certificate<'_>,
        budget: &mut Budget,
    ) -> Result<bool, PathErrorKind> {
        if !list.is_verified(signer) {
            budget.spend_signature()?;
        }
        match list.verify_signature(signer).and_then(|()| list.check_algorithm_at(signer, self.time)) {
            Ok(()) => Ok(true),
            Err(error @ (PathErrorKind::IndexRefused(_) | PathErrorKind::ListUnreadable)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The newest usable delta list that builds on a list (RFC 5280 5.2.4 and 6.3.3 c and h), or those with the same
    /// number.
    fn newest_deltas(
        &self,
        list: &RevocationList<'_>,
        signer: &Certificate<'_>,
        budget: &mut Budget,
    ) -> Result<Vec<usize>, PathErrorKind> {
        let builds_on_list = |delta: &RevocationList<'_>| {
            let base = delta.header().base.as_deref();
            base.is_some_and(|base| compare_numbers(base, list.number()) != Ordering::Greater)
                && compare_numbers(list.number(), delta.number()) == Ordering::Less
                && kin(delta) == kin(list)
        };
        let all = self.rules.lists.iter().enumerate();
        let mut deltas: Vec<_> = all.filter(|(_, one)| builds_on_list(one) && self.is_current(one)).collect();
        deltas.sort_by(|(_, one), (_, other)| compare_numbers(other.number(), one.number()));
        let mut newest: Vec<(usize, &RevocationList<'_>)> = Vec::new();
        for (index, delta) in deltas {
            if newest.first().is_some_and(|(_, first)| first.number() != delta.number()) {
                break;
            }
            if self.is_signed(delta, signer, budget)? {
                newest.push((index, delta));
            }
        }
        Ok(newest.into_iter().map(|(index, _)| index).collect())
    }
}
