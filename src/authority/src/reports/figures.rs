//! From what was gathered to the figures.

use super::{
    Collector, CustomerRow, Figures, FindingRow, HeadState, LedgerState, Period, RefusalRow, RequestRow, TokenRow,
    TokenState, Totals,
    collect::{Counts, Terms},
    meaning,
    period::Steps,
};
use crate::{
    error::Error,
    receipts::{Report, TokenCount},
};
use countersign_common::{SignedObject, Time, TreeHead};
use std::collections::BTreeMap;

impl Collector {
    /// The figures; given are the heads of the tree that were signed, as the ledger keeps them.
    pub(crate) fn figures(mut self, heads: &[Vec<u8>]) -> Result<Figures, Error> {
        let none = || Error::Usage("nothing was entered into the ledger by then".to_owned());
        let steps = self.steps.take().ok_or_else(none)?;
        let counted = self.facts.report();
        let tokens = self.token_rows(&counted);
        let customers = self.customer_rows(&tokens, &counted);
        let ahead = self.ahead(&counted)?;
        let (over_time, activations, elsewhere) = self.over_time(&steps);
        let refusals: Vec<_> = std::mem::take(&mut self.refusals)
            .into_iter()
            .map(|(code, of)| {
                let meaning = meaning(&code);
                RefusalRow { code, meaning, count: of.count, last: of.last, commands: of.commands }
            })
            .collect();
        let findings = self.finding_rows(&counted);
        let requests = std::mem::take(&mut self.requests).into_iter().map(|of| RequestRow {
            requested: of.time,
            token: of.token,
            revision: of.revision,
            customer: of.customer,
            product: of.product,
            officer: of.officer,
            needed: of.needed,
            approvers: of.approvers,
            issued: of.issued,
        });
        let requests: Vec<_> = requests.collect();
        let mut revocations = std::mem::take(&mut self.revocations);
        revocations.retain(|row| self.scope.since(row.entered));
        let over = |token: &&TokenRow| token.seats.is_some_and(|seats| token.machines > seats as usize);
        let totals = Totals {
            customers: customers.len(),
            tokens_issued: self.total.tokens_issued,
            activations,
            activations_dated_elsewhere: elsewhere,
            records_received: self.total.records_received,
            machines: customers.iter().map(|customer| customer.machines).sum(),
            seats_taken: customers.iter().map(|customer| customer.seats_taken).sum(),
            seats_granted: customers.iter().map(|customer| customer.seats_granted).sum(),
            tokens_over_seats: tokens.iter().filter(over).count(),
            refusals: self.total.refusals,
            batch_rows_refused: self.batch_rows_refused,
            findings: findings.len(),
            requests: requests.len(),
            revocations: revocations.len(),
            overdue: ahead.rows.iter().filter(|row| row.days < 0).count(),
        };
        Ok(Figures {
            as_of: self.scope.now,
            since: self.scope.since,
            ledger: self.ledger_state(heads),
            totals,
            step: steps.step,
            over_time,
            customers,
            tokens,
            ahead_step: ahead.step(),
            ahead: ahead.periods,
            expiries: ahead.rows,
            refusals,
            findings,
            requests,
            revocations,
            organization: self.organization,
            customers_only: self.scope.customers,
        })
    }

    fn ledger_state(&self, heads: &[Vec<u8>]) -> LedgerState {
        let read = |der: &Vec<u8>| TreeHead::from_der(SignedObject::from_der(der).ok()?.content()).ok();
        let head = (1..).zip(heads).filter_map(|(number, der)| {
            let head = read(der).filter(|head| self.scope.until.is_none_or(|until| head.time.0 <= until))?;
            Some(HeadState { number, size: head.size, root: head.root.to_string(), signed: head.time.0 })
        });
        let head = head.last();
        let unsigned = self.size.saturating_sub(head.as_ref().map_or(0, |head| head.size));
        LedgerState { size: self.size, first: self.first, last: self.last, head, unsigned }
    }

    /// What happened in each step, how many activations there were, and how many of them by their dates in no step.
    fn over_time(&self, steps: &Steps) -> (Vec<Period>, u64, u64) {
        let period = |(start, counts): (&Time, &Counts)| Period {
            period: steps.step.label(*start),
            from: *start,
            activations: 0,
            tokens_issued: counts.tokens_issued,
            records_received: counts.records_received,
            refusals: counts.refusals,
        };
        let mut periods: Vec<_> = steps.starts.iter().zip(&self.counts).map(period).collect();
        let (mut all, mut elsewhere) = (0, 0);
        for receipt in self.facts.receipts.iter().filter(|receipt| self.scope.since(receipt.activated)) {
            all += 1;
            // A clock that ran ahead belongs to no step, not to the last one.
            let place = steps.place(receipt.activated).filter(|_| receipt.activated <= self.scope.now);
            match place.and_then(|place| periods.get_mut(place)) {
                Some(period) => period.activations += 1,
                None => elsewhere += 1,
            }
        }
        (periods, all, elsewhere)
    }

    fn token_rows(&self, counted: &Report) -> Vec<TokenRow> {
        let counts: BTreeMap<&str, &TokenCount> = counted
            .customers
            .iter()
            .flat_map(|customer| &customer.tokens)
            .map(|token| (token.id.as_str(), token))
            .collect();
        let row = |(id, terms): (&String, &Terms)| {
            let (latest, count) = (&terms.latest, counts.get(id.as_str()));
            TokenRow {
                token: id.clone(),
                revision: latest.revision,
                customer: latest.customer.id.clone(),
                product: latest.product.id.clone(),
                edition: latest.product.edition.clone(),
                product_from: latest.product.from.map(|version| version.to_string()),
                product_below: latest.product.below.map(|version| version.to_string()),
                issued: terms.issued,
                state: terms.state(self.scope.now),
                activate_from: latest.window.not_before.0,
                activate_until: latest.window.not_after.0,
                validity: latest.terms.validity,
                seats: latest.seats,
                machines: count.map_or(0, |count| count.machines),
                records: count.map_or(0, |count| count.records),
                machines_run_out: count.map_or(0, |count| self.ends(count).filter(|end| *end < self.scope.now).count()),
                entitlements: terms.entitlements(),
            }
        };
        let mut rows: Vec<_> = self.tokens.iter().map(row).collect();
        rows.sort_by(|one, other| {
            (&one.customer, one.issued, &one.token).cmp(&(&other.customer, other.issued, &other.token))
        });
        rows
    }

    /// When the last records of the machines under a token run out.
    pub(super) fn ends(&self, count: &TokenCount) -> impl Iterator<Item = Time> {
        count.last.iter().filter_map(|place| self.facts.end(self.facts.receipts.get(*place)?))
    }

    fn customer_rows(&self, tokens: &[TokenRow], counted: &Report) -> Vec<CustomerRow> {
        let machines: BTreeMap<&str, usize> =
            counted.customers.iter().map(|customer| (customer.id.as_str(), customer.machines)).collect();
        let mut names: BTreeMap<&str, (Time, &str)> = BTreeMap::new();
        for terms in self.tokens.values() {
            let Terms { issued, latest, .. } = terms;
            let name = names.entry(&latest.customer.id).or_insert((*issued, &latest.customer.name));
            *name = (*name).max((*issued, &latest.customer.name));
        }
        let mut rows: BTreeMap<&str, CustomerRow> = BTreeMap::new();
        for token in tokens {
            let new = || CustomerRow {
                customer: token.customer.clone(),
                name: names.get(token.customer.as_str()).map_or_else(String::new, |(_, name)| (*name).to_owned()),
                tokens: 0,
                machines: machines.get(token.customer.as_str()).copied().unwrap_or_default(),
                seats_granted: 0,
                seats_taken: 0,
                seats_taken_unlimited: 0,
                tokens_unlimited: 0,
                over: 0,
            };
            let row = rows.entry(&token.customer).or_insert_with(new);
            row.tokens += 1;
            match token.seats.map(u64::from) {
                Some(seats) => {
                    row.seats_granted += seats;
                    row.seats_taken += token.machines;
                    row.over += (token.machines as u64).saturating_sub(seats);
                }
                None => {
                    row.tokens_unlimited += 1;
                    row.seats_taken_unlimited += token.machines;
                }
            }
        }
        rows.into_values().collect()
    }

    fn finding_rows(&self, counted: &Report) -> Vec<FindingRow> {
        let row = |finding: &crate::ReceiptFinding| FindingRow {
            code: finding.code,
            meaning: meaning(finding.code),
            token: finding.token.clone(),
            customer: self.tokens.get(&finding.token).map_or_else(String::new, |of| of.latest.customer.id.clone()),
            message: finding.fact.clone(),
            next: finding.advice,
            ledger_entries: self.facts.proof(finding).map(|receipt| receipt.sequence).collect(),
        };
        counted.findings.iter().map(row).collect()
    }
}

impl Terms {
    /// What the token's window says at a time, and whether it is revoked.
    pub(super) fn state(&self, now: Time) -> TokenState {
        let window = &self.latest.window;
        if self.revoked.is_some_and(|revoked| self.latest.revision <= revoked) {
            TokenState::Revoked
        } else if now < window.not_before.0 {
            TokenState::NotYetOpen
        } else if now > window.not_after.0 {
            TokenState::Closed
        } else {
            TokenState::Open
        }
    }
}
