//! What ends: activations, windows of tokens, entitlements, certificates and lists.

use super::{
    AheadPeriod, Collector, ExpiryKind, ExpiryRow, TokenState,
    collect::{Certified, ListOf, Terms, Whose},
    period::{Steps, date, days},
};
use crate::{
    args::Step,
    error::Error,
    receipts::{Report, TokenCount},
};
use countersign_common::Time;
use std::collections::BTreeMap;

/// What ends within the time that is looked at, and what is overdue.
pub(super) struct Ahead {
    now: Time,
    until: Time,
    steps: Steps,
    /// How much in each step.
    pub(super) periods: Vec<AheadPeriod>,
    /// By date.
    pub(super) rows: Vec<ExpiryRow>,
}

impl Ahead {
    fn new(now: Time, until: Time) -> Result<Self, Error> {
        let steps = Steps::between(Step::fitting(now, until), now, until)?;
        let period = |start: &Time| AheadPeriod {
            period: steps.step.label(*start),
            from: *start,
            activations: 0,
            windows: 0,
            entitlements: 0,
            certificates: 0,
            lists: 0,
        };
        let periods = steps.starts.iter().map(period).collect();
        Ok(Self { now, until, steps, periods, rows: Vec::new() })
    }

    pub(super) fn step(&self) -> Step {
        self.steps.step
    }

    fn has(&self, end: Time) -> bool {
        (self.now..=self.until).contains(&end)
    }

    fn count(&mut self, kind: ExpiryKind, end: Time) {
        let place = self.steps.place(end).filter(|_| self.has(end));
        if let Some(period) = place.and_then(|place| self.periods.get_mut(place)) {
            *match kind {
                ExpiryKind::Activations => &mut period.activations,
                ExpiryKind::Certificate => &mut period.certificates,
                ExpiryKind::Entitlement => &mut period.entitlements,
                ExpiryKind::List => &mut period.lists,
                ExpiryKind::Window => &mut period.windows,
            } += 1;
        }
    }

    fn tell(&mut self, kind: ExpiryKind, end: Time, count: u64, what: String, id: &str, customer: Option<&str>) {
        let (id, customer) = (id.to_owned(), customer.map(str::to_owned));
        self.rows.push(ExpiryRow { date: end, days: days(self.now, end), kind, what, id, customer, count });
    }

    /// What a token ends with: its window and single entitlements.
    fn token(&mut self, id: &str, terms: &Terms) {
        let (product, customer) = (&terms.latest.product.id, Some(terms.latest.customer.id.as_str()));
        let window = terms.latest.window.not_after.0;
        if self.has(window) {
            self.count(ExpiryKind::Window, window);
            let what = format!("{product}: the last day to activate a machine");
            self.tell(ExpiryKind::Window, window, 1, what, id, customer);
        }
        for entitlement in terms.entitlements() {
            if let Some(end) = entitlement.until.filter(|end| self.has(*end)) {
                self.count(ExpiryKind::Entitlement, end);
                let what = format!("{product}: {} = {}", entitlement.name, entitlement.value);
                self.tell(ExpiryKind::Entitlement, end, 1, what, id, customer);
            }
        }
    }

    /// When the last records of machines run out under a token.
    fn machines(&mut self, id: &str, terms: &Terms, ends: impl Iterator<Item = Time>) {
        let mut ends: Vec<_> = ends.filter(|end| self.has(*end)).collect();
        ends.sort_unstable();
        let (Some(first), Some(last)) = (ends.first().copied(), ends.last().copied()) else { return };
        ends.iter().for_each(|end| self.count(ExpiryKind::Activations, *end));
        let machines = if ends.len() == 1 { "1 machine".to_owned() } else { format!("{} machines", ends.len()) };
        let last = if first == last { String::new() } else { format!(", the last on {}", date(last)) };
        let what = format!("{}: activation of {machines}{last}", terms.latest.product.id);
        let customer = Some(terms.latest.customer.id.as_str());
        self.tell(ExpiryKind::Activations, first, ends.len() as u64, what, id, customer);
    }

    /// A certificate or list, also one that is over.
    fn own(&mut self, kind: ExpiryKind, end: Time, what: String, id: &str) {
        self.count(kind, end);
        if end <= self.until {
            self.tell(kind, end, 1, what, id, None);
        }
    }
}

impl Collector {
    pub(super) fn ahead(&self, counted: &Report) -> Result<Ahead, Error> {
        let now = self.scope.now;
        let mut ahead = Ahead::new(now, now.plus(self.scope.ahead.into()))?;
        let stands = |terms: &Terms| terms.state(now) != TokenState::Revoked;
        for (id, terms) in self.tokens.iter().filter(|(_, terms)| stands(terms)) {
            ahead.token(id, terms);
        }
        let tokens = counted.customers.iter().flat_map(|customer| &customer.tokens);
        for count in tokens {
            let TokenCount { id, .. } = count;
            if let Some(terms) = self.tokens.get(id).filter(|terms| stands(terms)) {
                ahead.machines(id, terms, self.ends(count));
            }
        }
        if self.scope.customers.is_empty() {
            self.own(&mut ahead);
        }
        ahead.rows.sort_by(|one, other| {
            (one.date, one.kind, &one.id, &one.what).cmp(&(other.date, other.kind, &other.id, &other.what))
        });
        Ok(ahead)
    }

    /// Certificates and lists. Of the authority's certificates those in use, even if they have run out, and earlier ones
    /// until they do; of people's those that are neither revoked nor over.
    fn own(&self, ahead: &mut Ahead) {
        let mut in_use: BTreeMap<&str, &str> = BTreeMap::new();
        for certified in &self.certificates {
            if let Whose::Authority(role) = certified.of {
                in_use.insert(role.slug(), &certified.digest);
            }
        }
        for Certified { digest, subject, end, of } in &self.certificates {
            let stands = *end >= self.scope.now && !self.revoked.contains(digest);
            let (whose, used) = match of {
                Whose::Authority(role) => (role.name(), in_use.get(role.slug()).is_some_and(|used| used == digest)),
                Whose::Holder => ("holder".to_owned(), false),
                Whose::Officer => ("officer".to_owned(), false),
            };
            if used || stands {
                ahead.own(ExpiryKind::Certificate, *end, format!("{whose}: {subject}"), digest);
            }
        }
        for (of, (number, next)) in &self.lists {
            let (what, id) = match of {
                ListOf::Tokens => (format!("List {number} of tokens"), ""),
                ListOf::Root(digest) => {
                    let root = self.certificates.iter().find(|certified| certified.digest == *digest);
                    let root = root.map_or("a root", |root| root.subject.as_str());
                    (format!("List {number} of certificates by {root}"), digest.as_str())
                }
            };
            ahead.own(ExpiryKind::List, *next, what, id);
        }
    }
}
