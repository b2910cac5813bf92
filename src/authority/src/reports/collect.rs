//! The pass over the ledger: each entry is looked at once, and what figures need of it is kept.

use super::{EntitlementRow, Revocable, RevocationRow, Scope, period::Steps};
use crate::{
    args::Step,
    error::Error,
    ledger::{Body, Entry},
    receipts::{Facts, read_token},
    register::founding_certificates,
    role::Role,
    words::{digest, hex_octets},
};
use countersign_common::{Certificate, Time, Token};
use std::collections::{BTreeMap, BTreeSet};

/// What was gathered so far. What it keeps grows with the tokens, records and certificates that the report has rows or
/// counts of, not with what else the ledger holds.
pub(crate) struct Collector {
    pub(super) scope: Scope,
    pub(super) facts: Facts,
    pub(super) organization: String,
    pub(super) size: u64,
    pub(super) first: Time,
    pub(super) last: Time,
    /// The steps of time; known with the first entry.
    pub(super) steps: Option<Steps>,
    /// For each step.
    pub(super) counts: Vec<Counts>,
    /// For all time that is asked for.
    pub(super) total: Counts,
    /// By id.
    pub(super) tokens: BTreeMap<String, Terms>,
    pub(super) certificates: Vec<Certified>,
    /// Digests of those that stand revoked.
    pub(super) revoked: BTreeSet<String>,
    /// The newest list of each issuer.
    pub(super) lists: BTreeMap<ListOf, (u64, Time)>,
    pub(super) refusals: BTreeMap<String, Refusals>,
    pub(super) batch_rows_refused: u64,
    pub(super) requests: Vec<Requested>,
    /// Place of the last request for each version of a token.
    request_places: BTreeMap<(String, u32), usize>,
    pub(super) revocations: Vec<RevocationRow>,
}

/// What happened in a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) tokens_issued: u64,
    pub(super) records_received: u64,
    pub(super) refusals: u64,
}

/// The latest version of a token.
pub(super) struct Terms {
    pub(super) issued: Time,
    pub(super) latest: Token,
    /// The highest version that is revoked.
    pub(super) revoked: Option<u32>,
}

/// A certificate that the ledger has.
pub(super) struct Certified {
    pub(super) digest: String,
    pub(super) subject: String,
    pub(super) end: Time,
    pub(super) of: Whose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Authority(Role),
    Holder,
    Officer,
}

/// Whose list it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListOf {
    /// Of certificates by the root with this SHA-256.
    Root(String),
    /// Of tokens, with the SHA-256 of its signer.
    Tokens,
}

/// Refusals with one code.
pub(super) struct Refusals {
    pub(super) count: u64,
    pub(super) last: Time,
    pub(super) commands: BTreeSet<String>,
}

pub(super) struct Requested {
    pub(super) time: Time,
    pub(super) token: String,
    pub(super) revision: u32,
    pub(super) customer: String,
    pub(super) product: String,
    pub(super) officer: String,
    pub(super) needed: u8,
    pub(super) approvers: Vec<String>,
    pub(super) issued: Option<Time>,
}

impl Collector {
    pub(crate) fn new(scope: Scope) -> Self {
        let now = scope.now;
        Self {
            scope,
            facts: Facts::default(),
            organization: String::new(),
            size: 0,
            first: now,
            last: now,
            steps: None,
            counts: Vec::new(),
            total: Counts::default(),
            tokens: BTreeMap::new(),
            certificates: Vec::new(),
            revoked: BTreeSet::new(),
            lists: BTreeMap::new(),
            refusals: BTreeMap::new(),
            batch_rows_refused: 0,
            requests: Vec::new(),
            request_places: BTreeMap::new(),
            revocations: Vec::new(),
        }
    }

    /// How many entries were taken into account.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next entry into account, unless it was made after the time that is asked for.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Error> {
        let sequence = entry.sequence;
        let damaged = move || Error::LedgerDamaged(format!("entry {sequence}: what it holds cannot be read"));
        let time: Time = entry.time.parse().map_err(|_| damaged())?;
        if self.scope.until.is_some_and(|until| time > until) {
            return Ok(());
        }
        self.begin(time)?;
        self.size += 1;
        self.last = time;
        let happened = self.scope.since(time);
        match &entry.body {
            founding @ Body::AuthorityFounded { organization, .. } => {
                self.organization.clone_from(organization);
                for (role, certificate) in founding_certificates(founding) {
                    self.know(certificate, Whose::Authority(role)).ok_or_else(damaged)?;
                }
            }
            Body::CertificateRenewed { role, certificate, .. } => {
                let role = Role::from_name(role).ok_or_else(damaged)?;
                self.know(certificate, Whose::Authority(role)).ok_or_else(damaged)?;
            }
            Body::HolderEnrolled { certificate, .. } => {
                self.know(certificate, Whose::Holder).ok_or_else(damaged)?;
            }
            Body::OfficerEnrolled { certificate, .. } => {
                self.know(certificate, Whose::Officer).ok_or_else(damaged)?;
            }
            Body::CertificateListIssued { issuer, number, base: None, next_update, .. } => {
                let next = next_update.parse().map_err(|_| damaged())?;
                self.lists.insert(ListOf::Root(issuer.clone()), (*number, next));
            }
            Body::TokenListIssued { number, next_update, .. } => {
                let next = next_update.parse().map_err(|_| damaged())?;
                self.lists.insert(ListOf::Tokens, (*number, next));
            }
            Body::TokenIssued { id, revision, customer, token, .. } if self.scope.wants(customer) => {
                let latest = read_token(token).ok_or_else(damaged)?;
                self.count(time, |counts| counts.tokens_issued += 1);
                if let Some(request) = self.request(id, *revision) {
                    request.issued = Some(time);
                }
                return self.add_token(id.clone(), time, latest, entry);
            }
            // Of a token that is not asked for, or was issued later by a clock that was ahead.
            Body::RecordReceived { token, revision, .. } if !self.facts.has_version(token, *revision) => return Ok(()),
            Body::RecordReceived { .. } => self.count(time, |counts| counts.records_received += 1),
            Body::TokenRequested { id, revision, customer, product, needed, officer, .. }
                if self.scope.wants(customer) && happened =>
            {
                self.request_places.insert((id.clone(), *revision), self.requests.len());
                self.requests.push(Requested {
                    time,
                    token: id.clone(),
                    revision: *revision,
                    customer: customer.clone(),
                    product: product.clone(),
                    officer: officer.clone(),
                    needed: *needed,
                    approvers: Vec::new(),
                    issued: None,
                });
            }
            Body::TokenApproved { id, revision, approver, .. } => {
                if let Some(request) = self.request(id, *revision) {
                    request.approvers.push(approver.clone());
                }
            }
            Body::Refused { command, code, about, .. } if happened && self.concerns(about) => {
                let commands = BTreeSet::new();
                let of_code = self.refusals.entry(code.clone()).or_insert(Refusals { count: 0, last: time, commands });
                of_code.count += 1;
                of_code.last = time;
                of_code.commands.insert(command.clone());
                self.count(time, |counts| counts.refusals += 1);
            }
            Body::BatchIssued { refused, .. } if happened && self.scope.customers.is_empty() => {
                self.batch_rows_refused += refused;
            }
            Body::TokenRevoked { id, revision, reason, date, .. } => {
                let since = date.parse().map_err(|_| damaged())?;
                self.revoke_token(id, *revision, reason.name(), since, time);
            }
            Body::TokenReinstated { id } => {
                if let Some(terms) = self.tokens.get_mut(id) {
                    terms.revoked = None;
                }
                self.lift(Revocable::Token, id, time);
            }
            Body::CertificateRevoked { digest, certificate, reason, date, .. } => {
                let since = date.parse().map_err(|_| damaged())?;
                self.revoked.insert(digest.clone());
                if self.scope.customers.is_empty() {
                    let (subject, _) = certified(certificate).ok_or_else(damaged)?;
                    self.revocations.push(RevocationRow {
                        entered: time,
                        what: Revocable::Certificate,
                        id: digest.clone(),
                        subject,
                        customer: None,
                        reason: reason.name(),
                        since,
                        lifted: None,
                    });
                }
            }
            Body::CertificateReinstated { digest } => {
                self.revoked.remove(digest);
                self.lift(Revocable::Certificate, digest, time);
            }
            _ => {}
        }
        match entry.body {
            Body::RecordReceived { .. }
            | Body::TokenRevoked { .. }
            | Body::TokenReinstated { .. }
            | Body::CertificateRevoked { .. }
            | Body::CertificateReinstated { .. } => self.facts.add(entry),
            _ => Ok(()),
        }
    }

    /// Keeps the terms of a token, which is read but once.
    fn add_token(&mut self, id: String, issued: Time, mut latest: Token, entry: Entry) -> Result<(), Error> {
        self.facts.add_token(entry, &latest)?;
        // What no row shows, and may be large.
        latest.binding.machines = None;
        latest.extensions = None;
        latest.grants = Vec::new();
        let revoked = self.tokens.get(&id).and_then(|terms| terms.revoked);
        self.tokens.insert(id, Terms { issued, latest, revoked });
        Ok(())
    }

    /// The steps of time begin with the first entry, or with what is asked for.
    fn begin(&mut self, time: Time) -> Result<(), Error> {
        if self.size > 0 {
            return Ok(());
        }
        self.first = time;
        let from = self.scope.since.map_or(time, |since| since.max(time)).min(self.scope.now);
        let step = self.scope.step.unwrap_or_else(|| Step::fitting(from, self.scope.now));
        let steps = Steps::between(step, from, self.scope.now)?;
        self.counts = vec![Counts::default(); steps.starts.len()];
        self.steps = Some(steps);
        Ok(())
    }

    fn count(&mut self, time: Time, count: impl Fn(&mut Counts)) {
        if !self.scope.since(time) {
            return;
        }
        count(&mut self.total);
        let place = self.steps.as_ref().and_then(|steps| steps.place(time));
        if let Some(counts) = place.and_then(|place| self.counts.get_mut(place)) {
            count(counts);
        }
    }

    /// Takes note of a certificate in hexadecimal.
    fn know(&mut self, certificate: &str, of: Whose) -> Option<()> {
        let der = hex_octets(certificate)?;
        let (subject, end) = certified(certificate)?;
        self.certificates.push(Certified { digest: digest(&der), subject, end, of });
        Some(())
    }

    fn request(&mut self, id: &str, revision: u32) -> Option<&mut Requested> {
        let place = self.request_places.get(&(id.to_owned(), revision))?;
        self.requests.get_mut(*place)
    }

    /// Whether a refusal is one that is asked for, by what it was about.
    fn concerns(&self, about: &str) -> bool {
        self.scope.wants(about) || self.tokens.contains_key(about)
    }

    fn revoke_token(&mut self, id: &str, revision: u32, reason: &'static str, since: Time, entered: Time) {
        let Some(terms) = self.tokens.get_mut(id) else { return };
        terms.revoked = Some(revision);
        let customer = Some(terms.latest.customer.id.clone());
        self.revocations.push(RevocationRow {
            entered,
            what: Revocable::Token,
            id: id.to_owned(),
            subject: format!("version {revision} and before"),
            customer,
            reason,
            since,
            lifted: None,
        });
    }

    fn lift(&mut self, what: Revocable, id: &str, time: Time) {
        let of = self.revocations.iter_mut().filter(|row| row.what == what && row.id == id && row.lifted.is_none());
        of.for_each(|row| row.lifted = Some(time));
    }
}

/// Subject and end of a certificate in hexadecimal.
fn certified(certificate: &str) -> Option<(String, Time)> {
    let der = hex_octets(certificate)?;
    let certificate = Certificate::from_der(&der).ok()?;
    Some((certificate.subject_text(), certificate.not_after()))
}

impl Terms {
    /// The entitlements of the token.
    pub(super) fn entitlements(&self) -> Vec<EntitlementRow> {
        let all = self.latest.entitlements.iter().flatten();
        all.map(|entitlement| EntitlementRow {
            name: entitlement.name.clone(),
            value: entitlement.value.clone(),
            until: entitlement.not_after.map(|time| time.0),
        })
        .collect()
    }
}
