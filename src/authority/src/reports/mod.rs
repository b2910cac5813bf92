//! What the ledger comes to in figures, for those who answer for it: gathered in one pass over the entries ([`collect`])
//! into [`Figures`], from which each form is made. Pure: the time comes in as a value.

mod ahead;
mod collect;
mod figures;
mod page;
mod period;
mod plot;
mod sections;
mod sheets;
mod text;

pub(crate) use collect::Collector;
pub(crate) use page::page;
pub(crate) use period::MAX_STEPS;
pub(crate) use sheets::sheets;
pub(crate) use text::text;

use crate::args::Step;
use countersign_common::{Time, token::Seconds};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Only these customers; all of them where it is empty.
    pub(crate) customers: BTreeSet<String>,
    /// What happened from then on.
    pub(crate) since: Option<Time>,
    /// Without what was entered after that.
    pub(crate) until: Option<Time>,
    /// The time of the report: what is open or overdue then.
    pub(crate) now: Time,
    pub(crate) step: Option<Step>,
    /// How far ahead expiries are told.
    pub(crate) ahead: Seconds,
}

impl Scope {
    fn wants(&self, customer: &str) -> bool {
        self.customers.is_empty() || self.customers.contains(customer)
    }

    fn since(&self, time: Time) -> bool {
        self.since.is_none_or(|since| time >= since)
    }
}

/// All of it. The members are those of `--json`, in this order.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) organization: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) as_of: Time,
    #[serde(serialize_with = "as_text_if")]
    pub(crate) since: Option<Time>,
    pub(crate) customers_only: BTreeSet<String>,
    pub(crate) ledger: LedgerState,
    pub(crate) totals: Totals,
    pub(crate) step: Step,
    pub(crate) over_time: Vec<Period>,
    pub(crate) customers: Vec<CustomerRow>,
    pub(crate) tokens: Vec<TokenRow>,
    pub(crate) ahead_step: Step,
    pub(crate) ahead: Vec<AheadPeriod>,
    pub(crate) expiries: Vec<ExpiryRow>,
    pub(crate) refusals: Vec<RefusalRow>,
    pub(crate) findings: Vec<FindingRow>,
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) revocations: Vec<RevocationRow>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LedgerState {
    /// Entries up to the time of the report.
    pub(crate) size: u64,
    #[serde(serialize_with = "as_text")]
    pub(crate) first: Time,
    #[serde(serialize_with = "as_text")]
    pub(crate) last: Time,
    pub(crate) head: Option<HeadState>,
    /// Entries that no signed head covers.
    pub(crate) unsigned: u64,
}

/// The last head of the tree that was signed, as the ledger keeps it; it is not verified here.
#[derive(Debug, Serialize)]
pub(crate) struct HeadState {
    pub(crate) number: usize,
    pub(crate) size: u64,
    pub(crate) root: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) signed: Time,
}

/// Sums. What has a time counts from `since` on, the rest as it stands.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Totals {
    pub(crate) customers: usize,
    pub(crate) tokens_issued: u64,
    pub(crate) activations: u64,
    /// By the clocks of their machines later than the report, or before its first step.
    pub(crate) activations_dated_elsewhere: u64,
    pub(crate) records_received: u64,
    /// Distinct machines, summed over the customers.
    pub(crate) machines: usize,
    pub(crate) seats_taken: usize,
    /// Of the tokens that say how many.
    pub(crate) seats_granted: u64,
    pub(crate) tokens_over_seats: usize,
    pub(crate) refusals: u64,
    /// Rows of batches that were refused; those that nobody could read are no entries of their own.
    pub(crate) batch_rows_refused: u64,
    pub(crate) findings: usize,
    pub(crate) requests: usize,
    pub(crate) revocations: usize,
    /// Lists, and certificates in use, that have run out.
    pub(crate) overdue: usize,
}

/// A step of time.
#[derive(Debug, Serialize)]
pub(crate) struct Period {
    pub(crate) period: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) from: Time,
    /// By the clocks of the machines.
    pub(crate) activations: u64,
    pub(crate) tokens_issued: u64,
    pub(crate) records_received: u64,
    pub(crate) refusals: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct CustomerRow {
    pub(crate) customer: String,
    pub(crate) name: String,
    pub(crate) tokens: usize,
    /// Distinct machines under all tokens together.
    pub(crate) machines: usize,
    /// Of the tokens that say how many.
    pub(crate) seats_granted: u64,
    /// Under those tokens.
    pub(crate) seats_taken: usize,
    /// Under the tokens that do not say.
    pub(crate) seats_taken_unlimited: usize,
    /// Tokens that say nothing of seats.
    pub(crate) tokens_unlimited: usize,
    /// Seats taken beyond what their token grants.
    pub(crate) over: u64,
}

/// All versions of a token together, with the terms of the latest.
#[derive(Debug, Serialize)]
pub(crate) struct TokenRow {
    pub(crate) token: String,
    pub(crate) revision: u32,
    pub(crate) customer: String,
    pub(crate) product: String,
    pub(crate) edition: Option<String>,
    /// The lowest version of the product that it covers, and the lowest that it no longer covers.
    pub(crate) product_from: Option<String>,
    pub(crate) product_below: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub(crate) issued: Time,
    pub(crate) state: TokenState,
    #[serde(serialize_with = "as_text")]
    pub(crate) activate_from: Time,
    #[serde(serialize_with = "as_text")]
    pub(crate) activate_until: Time,
    /// How long an activation holds, in seconds; nothing where it has no end.
    pub(crate) validity: Option<Seconds>,
    pub(crate) seats: Option<u32>,
    pub(crate) machines: usize,
    pub(crate) records: usize,
    /// Machines whose last record that came back has run out.
    pub(crate) machines_run_out: usize,
    pub(crate) entitlements: Vec<EntitlementRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenState {
    /// Machines may be activated.
    Open,
    /// Not yet.
    NotYetOpen,
    /// No longer.
    Closed,
    Revoked,
}

impl TokenState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NotYetOpen => "not yet open",
            Self::Closed => "closed",
            Self::Revoked => "revoked",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct EntitlementRow {
    pub(crate) name: String,
    pub(crate) value: String,
    #[serde(serialize_with = "as_text_if")]
    pub(crate) until: Option<Time>,
}

/// What ends in a step of the time ahead.
#[derive(Debug, Serialize)]
pub(crate) struct AheadPeriod {
    pub(crate) period: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) from: Time,
    /// Machines whose last record runs out.
    pub(crate) activations: u64,
    /// Tokens under which no machine can be activated any more.
    pub(crate) windows: u64,
    /// Single entitlements of tokens.
    pub(crate) entitlements: u64,
    /// Of the authority, of officers and of holders.
    pub(crate) certificates: u64,
    pub(crate) lists: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ExpiryRow {
    #[serde(serialize_with = "as_text")]
    pub(crate) date: Time,
    /// Whole days from the time of the report on; negative where it is over.
    pub(crate) days: i64,
    pub(crate) kind: ExpiryKind,
    /// What ends, in words.
    pub(crate) what: String,
    /// The token's id, or the SHA-256 of the certificate or of the certificate of a list's root.
    pub(crate) id: String,
    pub(crate) customer: Option<String>,
    /// How many: machines, or 1.
    pub(crate) count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExpiryKind {
    /// Activations of machines under a token.
    Activations,
    /// A certificate of the authority, an officer or a holder.
    Certificate,
    Entitlement,
    List,
    /// The window of a token for activating.
    Window,
}

impl ExpiryKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::Certificate => "certificate",
            Self::Entitlement => "entitlement",
            Self::List => "list",
            Self::Window => "window",
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct RefusalRow {
    pub(crate) code: String,
    pub(crate) meaning: &'static str,
    pub(crate) count: u64,
    #[serde(serialize_with = "as_text")]
    pub(crate) last: Time,
    pub(crate) commands: BTreeSet<String>,
}

/// What `receipts check` finds.
#[derive(Debug, Serialize)]
pub(crate) struct FindingRow {
    pub(crate) code: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) token: String,
    pub(crate) customer: String,
    pub(crate) message: String,
    pub(crate) next: &'static str,
    /// The entries of the records that prove it.
    pub(crate) ledger_entries: Vec<i64>,
}

/// A token that was asked for and needs approvals.
#[derive(Debug, Serialize)]
pub(crate) struct RequestRow {
    #[serde(serialize_with = "as_text")]
    pub(crate) requested: Time,
    pub(crate) token: String,
    pub(crate) revision: u32,
    pub(crate) customer: String,
    pub(crate) product: String,
    pub(crate) officer: String,
    pub(crate) needed: u8,
    /// Subjects of those whose approvals the issued token carries.
    pub(crate) approvers: Vec<String>,
    #[serde(serialize_with = "as_text_if")]
    pub(crate) issued: Option<Time>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RevocationRow {
    #[serde(serialize_with = "as_text")]
    pub(crate) entered: Time,
    pub(crate) what: Revocable,
    /// The token's id, or the SHA-256 of the certificate.
    pub(crate) id: String,
    /// The certificate's subject, or the version of the token.
    pub(crate) subject: String,
    pub(crate) customer: Option<String>,
    pub(crate) reason: &'static str,
    /// Since when it is not to be relied on.
    #[serde(serialize_with = "as_text")]
    pub(crate) since: Time,
    /// When a hold was lifted.
    #[serde(serialize_with = "as_text_if")]
    pub(crate) lifted: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Revocable {
    Certificate,
    Token,
}

impl Revocable {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

fn as_text<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn as_text_if<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

/// What a code means, whichever part of the product it is of.
fn meaning(code: &str) -> &'static str {
    let tables = [
        crate::Error::CODES,
        crate::Finding::CODES,
        crate::HsmError::CODES,
        crate::ReceiptFinding::CODES,
        countersign_common::Reason::CODES,
        countersign_common::PathErrorKind::CODES,
        countersign_card::Error::CODES,
    ];
    let found = tables.into_iter().flatten().find(|(of, _)| *of == code);
    found.map_or("not a code of this release", |(_, meaning)| meaning)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What somebody might have put wherever words of others go.
    const HOSTILE: &str =
        "</td></title></style><script>alert(1)</script><img src=x onerror=\"alert(1)\">\u{202e}\u{7}\u{1b}[2J";

    fn figures() -> Figures {
        let (time, words) = ("2026-11-28T09:30:00Z".parse::<Time>().unwrap(), || HOSTILE.to_owned());
        Figures {
            organization: words(),
            as_of: time,
            since: Some(time),
            customers_only: BTreeSet::from([words()]),
            ledger: LedgerState { size: 1, first: time, last: time, head: None, unsigned: 1 },
            totals: Totals { overdue: 1, findings: 1, ..Totals::default() },
            step: Step::Month,
            over_time: vec![Period {
                period: "2026-11".to_owned(),
                from: time,
                activations: 1,
                tokens_issued: 2,
                records_received: 3,
                refusals: 4,
            }],
            customers: vec![CustomerRow {
                customer: words(),
                name: words(),
                tokens: 1,
                machines: 2,
                seats_granted: 1,
                seats_taken: 2,
                seats_taken_unlimited: 0,
                tokens_unlimited: 0,
                over: 1,
            }],
            tokens: vec![TokenRow {
                token: words(),
                revision: 1,
                customer: words(),
                product: words(),
                edition: Some(words()),
                product_from: None,
                product_below: None,
                issued: time,
                state: TokenState::Open,
                activate_from: time,
                activate_until: time,
                validity: None,
                seats: Some(1),
                machines: 2,
                records: 2,
                machines_run_out: 0,
                entitlements: vec![EntitlementRow { name: words(), value: words(), until: None }],
            }],
            ahead_step: Step::Month,
            ahead: Vec::new(),
            expiries: vec![ExpiryRow {
                date: time,
                days: -1,
                kind: ExpiryKind::Certificate,
                what: words(),
                id: words(),
                customer: Some(words()),
                count: 1,
            }],
            refusals: vec![RefusalRow {
                code: words(),
                meaning: "",
                count: 1,
                last: time,
                commands: BTreeSet::from([words()]),
            }],
            findings: vec![FindingRow {
                code: "CS-7132",
                meaning: "",
                token: words(),
                customer: words(),
                message: words(),
                next: "",
                ledger_entries: vec![1],
            }],
            requests: vec![RequestRow {
                requested: time,
                token: words(),
                revision: 1,
                customer: words(),
                product: words(),
                officer: words(),
                needed: 1,
                approvers: vec![words()],
                issued: Some(time),
            }],
            revocations: vec![RevocationRow {
                entered: time,
                what: Revocable::Certificate,
                id: words(),
                subject: words(),
                customer: Some(words()),
                reason: "",
                since: time,
                lifted: None,
            }],
        }
    }

    #[test]
    fn words_of_others_stay_words() {
        let figures = figures();
        let page = page(&figures);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert_eq!(
            (page.matches("</title>").count(), page.matches("</td>").count()),
            (page.matches("<title").count(), page.matches("<td").count())
        );
        assert_eq!(page.matches("</style>").count(), 1);
        for (form, text) in [("page", &page), ("text", &text(&figures))] {
            let control = |character: char| character == '\u{202e}' || (character.is_control() && character != '\n');
            assert!(!text.contains(control), "{form}");
            assert!(text.contains("\\u{202e}\\u{7}\\u{1b}[2J"), "{form}");
        }
        // Tables are for programs: words are theirs, within the quotes of a cell.
        for (name, content) in sheets(&figures).unwrap() {
            let mut reader = csv::Reader::from_reader(content.as_slice());
            let columns = reader.headers().unwrap().len();
            assert!(reader.records().all(|row| row.unwrap().len() == columns), "{name}");
        }
    }

    #[test]
    fn a_table_is_as_long_as_a_person_can_bear_and_says_so() {
        let mut figures = figures();
        let row = || ExpiryRow {
            date: figures.as_of,
            days: 3,
            kind: ExpiryKind::Window,
            what: "a window".to_owned(),
            id: String::new(),
            customer: Some("acme".to_owned()),
            count: 1,
        };
        figures.expiries = (0..10_000).map(|_| row()).collect();
        let (page, text) = (page(&figures), text(&figures));
        assert!(page.contains("9\u{202f}800 more rows") && page.matches("a window").count() == 200);
        assert!(text.contains("and 9980 more") && text.matches("a window").count() == 20);
        assert!(page.len() < 200_000, "{}", page.len());
    }

    #[test]
    fn every_code_has_a_meaning() {
        let (own, card) = (crate::Error::CODES, countersign_card::Error::CODES);
        for (code, expected) in own.iter().chain(countersign_common::Reason::CODES).chain(card) {
            assert_eq!(meaning(code), *expected);
        }
        assert_eq!(meaning("of tomorrow"), "not a code of this release");
    }
}
