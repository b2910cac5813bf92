//! The parts of the page that are tables alone, and the state of the ledger.

use super::{
    Figures, FindingRow, RefusalRow,
    page::{ROWS, counted, moment, number, short, shown, table},
    period::date,
    plot::bar,
};
use maud::{Markup, html};

pub(super) fn refusals(figures: &Figures) -> Markup {
    let mut rows: Vec<&RefusalRow> = figures.refusals.iter().collect();
    rows.sort_by_key(|row| core::cmp::Reverse(row.count));
    let most = rows.iter().map(|row| row.count).max().unwrap_or_default();
    html! {
        section aria-labelledby="refusals" {
            h2 id="refusals" { "Refusals by code" }
            (table("Codes, those that came up most first", rows.len(), &html! {
                th scope="col" { "Code" }
                th scope="col" { "Meaning" }
                th scope="col" class="n" { "Number" }
                th scope="col" { "Share" }
                th scope="col" { "Last" }
            }, &html! { @for row in rows.iter().take(ROWS) { tr {
                th scope="row" class="code" { (shown(&row.code)) }
                td class="w" { (row.meaning) small { (shown(&row.commands.iter().map(String::as_str).collect::<Vec<_>>().join(", "))) } }
                td class="n" { (number(row.count)) }
                td class="b" { (bar(row.count, row.count, most, &format!("{} times", row.count))) }
                td class="d" { (date(row.last)) }
            } } }))
            @if figures.totals.batch_rows_refused > 0 {
                p class="note" {
                    (counted(figures.totals.batch_rows_refused as usize, "row of a batch was", "rows of batches were"))
                    " refused. Those that a rule refused are among these; those that nobody could read stand in the results of the batches only."
                }
            }
        }
    }
}

pub(super) fn findings(figures: &Figures) -> Markup {
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "Findings in records that came back" }
            (table("As receipts check has them", figures.findings.len(), &html! {
                th scope="col" { "Code" }
                th scope="col" { "What was found" }
                th scope="col" { "Customer" }
                th scope="col" { "Entries" }
            }, &html! { @for row in figures.findings.iter().take(ROWS) { tr {
                th scope="row" class="code" { (row.code) }
                td class="w" { (shown(&row.message)) small { (row.meaning) ". Next: " (row.next) "." } }
                td { (shown(&row.customer)) }
                td { (entries(row)) }
            } } }))
        }
    }
}

fn entries(row: &FindingRow) -> String {
    let shown: Vec<_> = row.ledger_entries.iter().take(6).map(ToString::to_string).collect();
    let more = row.ledger_entries.len() - shown.len();
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

pub(super) fn requests(figures: &Figures) -> Markup {
    html! {
        section aria-labelledby="requests" {
            h2 id="requests" { "Requests and approvals" }
            (table("Tokens that needed approvals", figures.requests.len(), &html! {
                th scope="col" { "Asked for" }
                th scope="col" { "Token" }
                th scope="col" { "By" }
                th scope="col" class="n" { "Needed" }
                th scope="col" { "Approved by" }
                th scope="col" { "Issued" }
            }, &html! { @for row in figures.requests.iter().take(ROWS) { tr {
                th scope="row" class="d" { (date(row.requested)) }
                td {
                    (shown(&row.product)) " for " (shown(&row.customer))
                    small class="code" title=(shown(&row.token)) { (short(&row.token)) ", version " (row.revision) }
                }
                td { (shown(&row.officer)) }
                td class="n" { (row.needed) }
                td { @for approver in &row.approvers { div { (shown(approver)) } } }
                td class="d" { (row.issued.map_or("not issued".to_owned(), date)) }
            } } }))
        }
    }
}

pub(super) fn revocations(figures: &Figures) -> Markup {
    html! {
        section aria-labelledby="revocations" {
            h2 id="revocations" { "Revocations" }
            (table("By entry", figures.revocations.len(), &html! {
                th scope="col" { "Entered" }
                th scope="col" { "What" }
                th scope="col" { "Reason" }
                th scope="col" { "Since" }
                th scope="col" { "Lifted" }
            }, &html! { @for row in figures.revocations.iter().take(ROWS) { tr {
                th scope="row" class="d" { (date(row.entered)) }
                td {
                    (row.what.name()) ", " (shown(&row.subject))
                    @if let Some(customer) = &row.customer { ", of " (shown(customer)) }
                    small class="code" title=(shown(&row.id)) { (short(&row.id)) }
                }
                td { (row.reason) }
                td class="d" { (date(row.since)) }
                td class="d" { (row.lifted.map_or(String::new(), date)) }
            } } }))
        }
    }
}

pub(super) fn ledger(figures: &Figures) -> Markup {
    let ledger = &figures.ledger;
    html! {
        section aria-labelledby="ledger" {
            h2 id="ledger" { "State of the ledger" }
            dl class="facts" {
                dt { "Entries" } dd { (number(ledger.size)) ", from " (moment(ledger.first)) " to " (moment(ledger.last)) }
                dt { "Last signed head" }
                @if let Some(head) = &ledger.head {
                    dd { "number " (head.number) " over " (number(head.size)) " entries, " (moment(head.signed)) }
                    dt { "Root of that tree" } dd class="hash" { (head.root) }
                } @else {
                    dd { "none yet" }
                }
                dt { "Not covered by it" } dd { (counted(ledger.unsigned as usize, "entry", "entries")) }
            }
            p class="note" { "Whether the ledger is as it was written is for " code class="code" { "ledger verify" } " to say." }
        }
    }
}
