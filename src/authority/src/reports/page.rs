//! The report as one page that needs nothing else: no network, no scripts, no fonts.
//!
//! Whatever comes from the ledger goes through [`shown`] and the escaping of the templates. Should one of them fail, the
//! page's own policy still keeps a browser from running or fetching anything: it admits one style sheet, by its hash.

use super::{
    AheadPeriod, CustomerRow, Figures, TokenRow,
    period::date,
    plot::{Columns, bar},
    sections::{findings, ledger, refusals, requests, revocations},
};
use base64ct::{Base64, Encoding};
use countersign_common::{Time, sha256};
use countersign_report::visible;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// How many rows of a table the page shows; CSV and JSON have all of them.
pub(super) const ROWS: usize = 200;
/// How many days ahead something that ends calls for attention.
const SOON: i64 = 30;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(figures: &Figures) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        Base64::encode_string(&sha256(STYLE.as_bytes()))
    );
    let organization = shown(&figures.organization);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Activation report, " (organization) ", " (date(figures.as_of)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(figures, &organization))
                main {
                    (tiles(figures))
                    (attention(figures))
                    (over_time(figures))
                    (seats(figures))
                    (ending(figures))
                    (refusals(figures))
                    (findings(figures))
                    (requests(figures))
                    (revocations(figures))
                    (ledger(figures))
                }
                footer {
                    p {
                        "Made by countersign-authority " (env!("CARGO_PKG_VERSION")) " from the ledger alone. Activations are \
                        dated by the clocks of their machines, all else by that of the authority. All times are UTC. What no \
                        record that came back tells of is not counted."
                    }
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// What somebody wrote, so that it shows as it is: characters that control or mislead come out as `\u{202e}`.
pub(super) fn shown(text: &str) -> String {
    visible(text)
}

fn header(figures: &Figures, organization: &str) -> Markup {
    let customers: Vec<_> = figures.customers_only.iter().map(String::as_str).collect();
    html! {
        header {
            p class="kind" { "Activation report" }
            h1 { (organization) }
            p class="scope" {
                "As of " (moment(figures.as_of)) " UTC."
                @if let Some(since) = figures.since {
                    " What happened since " (moment(since)) "; seats, endings and findings as they stand."
                }
                @if !customers.is_empty() { " Only of " (shown(&customers.join(", "))) "." }
            }
            nav aria-label="Parts of the report" {
                @for (id, name) in [
                    ("over-time", "Over time"), ("seats", "Seats"), ("ending", "Ending"), ("refusals", "Refusals"),
                    ("findings", "Findings"), ("requests", "Approvals"), ("revocations", "Revocations"), ("ledger", "Ledger"),
                ] {
                    a href={ "#" (id) } { (name) }
                }
            }
        }
    }
}

fn tiles(figures: &Figures) -> Markup {
    let totals = &figures.totals;
    let seats = html! {
        (number(totals.seats_taken as u64)) " " small { "of " (number(totals.seats_granted)) }
        @if totals.tokens_over_seats > 0 {
            small { ", " (counted(totals.tokens_over_seats, "token", "tokens")) " over" }
        }
    };
    let refusals = html! {
        (number(totals.refusals))
        @if totals.batch_rows_refused > 0 { " " small { (number(totals.batch_rows_refused)) " rows of batches" } }
    };
    let plain = |value: usize| html! { (number(value as u64)) };
    html! {
        dl class="tiles" {
            (tile("Activations", false, &html! { (number(totals.activations)) }))
            (tile("Tokens issued", false, &html! { (number(totals.tokens_issued)) }))
            (tile("Customers", false, &plain(totals.customers)))
            (tile("Machines", false, &plain(totals.machines)))
            (tile("Seats taken", totals.tokens_over_seats > 0, &seats))
            (tile("Refusals", false, &refusals))
            (tile("Findings", totals.findings > 0, &plain(totals.findings)))
            (tile("Overdue", totals.overdue > 0, &plain(totals.overdue)))
        }
    }
}

fn tile(name: &str, bad: bool, value: &Markup) -> Markup {
    html! { div class=[bad.then_some("bad")] { dt { (name) } dd { (value) } } }
}

/// What somebody has to do something about.
fn attention(figures: &Figures) -> Markup {
    let (totals, ledger) = (&figures.totals, &figures.ledger);
    let mut lines = Vec::new();
    for row in figures.expiries.iter().filter(|row| row.days < 0) {
        lines.push(html! { strong { (shown(&row.what)) } " is overdue since " (day(row.date)) "." });
    }
    let soon = figures.expiries.iter().filter(|row| (0..SOON).contains(&row.days));
    for row in soon.filter(|row| row.customer.is_none()) {
        lines.push(html! { (shown(&row.what)) " ends on " (day(row.date)) ", " (in_days(row.days)) "." });
    }
    if totals.tokens_over_seats > 0 {
        let tokens = counted(totals.tokens_over_seats, "token has", "tokens have");
        lines.push(html! { a href="#seats" { (tokens) " more machines than seats" } "." });
    }
    if totals.findings > 0 {
        let findings = counted(totals.findings, "finding", "findings");
        lines.push(html! { a href="#findings" { (findings) } " in the records that came back." });
    }
    let waiting = figures.requests.iter().filter(|row| row.issued.is_none()).count();
    if waiting > 0 {
        let requests = counted(waiting, "token that was asked for is", "tokens that were asked for are");
        lines.push(html! { a href="#requests" { (requests) } " not issued." });
    }
    if ledger.head.is_none() {
        lines.push(html! { "No head of the ledger's tree was signed yet: " code class="code" { "ledger sign" } "." });
    }
    lines.truncate(12);
    html! {
        section class={ "attention" @if lines.is_empty() { " calm" } } aria-labelledby="attention" {
            h2 id="attention" { "To be looked at" }
            @if lines.is_empty() {
                p { "Nothing is overdue, ends within " (SOON) " days or has to be explained." }
            } @else {
                ul { @for line in &lines { li { (line) } } }
            }
        }
    }
}

fn over_time(figures: &Figures) -> Markup {
    let step = figures.step.name();
    let column = |of: fn(&super::Period) -> u64| -> Vec<(&str, Vec<u64>)> {
        figures.over_time.iter().map(|period| (period.period.as_str(), vec![of(period)])).collect()
    };
    let plot = |id, title: &str, description: &str, columns: &[(&str, Vec<u64>)]| {
        Columns { id, title, description, wide: false, parts: &["number"], columns }.markup()
    };
    let (activations, tokens) = (column(|period| period.activations), column(|period| period.tokens_issued));
    let elsewhere = figures.totals.activations_dated_elsewhere;
    html! {
        section aria-labelledby="over-time" {
            h2 id="over-time" { "Over time, by " (step) }
            div class="pair" {
                div {
                    h3 { "Activations" }
                    (plot("activations", "Activations over time", "Records that came back, by the clocks of the machines. The \
                        table has the numbers.", &activations))
                }
                div {
                    h3 { "Tokens issued" }
                    (plot("tokens", "Tokens issued over time", "Each version of a token counts. The table has the numbers.",
                        &tokens))
                }
            }
            @if elsewhere > 0 {
                p class="note" {
                    (counted(elsewhere as usize, "activation is", "activations are")) " dated outside of this time by the clocks of \
                    their machines."
                }
            }
            details {
                summary { "The numbers" }
                div class="scroll" tabindex="0" {
                    table {
                        caption { "By " (step) }
                        thead { tr {
                            th scope="col" { "From" }
                            th scope="col" class="n" { "Activations" }
                            th scope="col" class="n" { "Tokens issued" }
                            th scope="col" class="n" { "Records received" }
                            th scope="col" class="n" { "Refusals" }
                        } }
                        tbody { @for row in &figures.over_time { tr {
                            th scope="row" class="d" { (row.period) }
                            td class="n" { (number(row.activations)) }
                            td class="n" { (number(row.tokens_issued)) }
                            td class="n" { (number(row.records_received)) }
                            td class="n" { (number(row.refusals)) }
                        } } }
                    }
                }
            }
        }
    }
}

fn seats(figures: &Figures) -> Markup {
    let mut customers: Vec<&CustomerRow> = figures.customers.iter().collect();
    // Fractions compared without dividing.
    let full = |row: &CustomerRow, of: &CustomerRow| row.seats_taken as u64 * of.seats_granted;
    customers.sort_by(|one, other| (other.over, full(other, one)).cmp(&(one.over, full(one, other))));
    let most = customers.iter().map(|row| row.seats_granted.max(row.seats_taken as u64)).max().unwrap_or_default();
    let mut tokens: Vec<&TokenRow> = figures.tokens.iter().collect();
    let over = |row: &TokenRow| row.seats.map_or(0, |seats| (row.machines as u64).saturating_sub(seats.into()));
    tokens.sort_by_key(|row| (core::cmp::Reverse(over(row)), core::cmp::Reverse(row.machines)));
    let widest = tokens.iter().map(|row| u64::from(row.seats.unwrap_or_default())).max().unwrap_or_default();
    html! {
        section aria-labelledby="seats" {
            h2 id="seats" { "Seats taken, of those granted" }
            p class="note" {
                "A machine takes one seat under each token. Seats are counted from the records that came back, and bind nobody \
                offline. Bars are drawn to one scale; red is beyond what was granted."
            }
            (table("Customers", customers.len(), &html! {
                th scope="col" { "Customer" }
                th scope="col" class="n" { "Tokens" }
                th scope="col" class="n" { "Machines" }
                th scope="col" class="n" { "Seats" }
                th scope="col" { "Taken" }
            }, &html! { @for row in customers.iter().take(ROWS) { tr {
                th scope="row" { (shown(&row.name)) small { (shown(&row.customer)) } }
                td class="n" { (number(row.tokens as u64)) }
                td class="n" { (number(row.machines as u64)) }
                td class="n" { (customer_seats(row)) }
                td class="b" {
                    @if row.seats_granted > 0 || row.seats_taken > 0 {
                        (bar(row.seats_taken as u64, row.seats_granted, most, &format!("{} of {} seats", row.seats_taken, row.seats_granted)))
                    }
                }
            } } }))
            (table("Tokens, those with the most machines first", tokens.len(), &html! {
                th scope="col" { "Token" }
                th scope="col" { "Customer" }
                th scope="col" { "Activation" }
                th scope="col" class="n" { "Seats" }
                th scope="col" { "Taken" }
            }, &html! { @for row in tokens.iter().take(ROWS) { tr {
                th scope="row" {
                    (shown(&row.product)) @if let Some(edition) = &row.edition { ", " (shown(edition)) }
                    small class="code" title=(shown(&row.token)) { (short(&row.token)) ", version " (row.revision) }
                }
                td { (shown(&row.customer)) }
                td {
                    (row.state.name()) small { (day(row.activate_from)) " to " (day(row.activate_until)) }
                }
                td class="n" {
                    (number(row.machines as u64)) " of " (row.seats.map_or("any".to_owned(), |seats| number(seats.into())))
                    @if over(row) > 0 { small class="bad" { (number(over(row))) " too many" } }
                }
                td class="b" {
                    @if let Some(granted) = row.seats {
                        (bar(row.machines as u64, granted.into(), widest, &format!("{} of {granted} seats", row.machines)))
                    }
                }
            } } }))
        }
    }
}

fn customer_seats(row: &CustomerRow) -> Markup {
    html! {
        @if row.seats_granted > 0 || row.tokens_unlimited == 0 {
            (number(row.seats_taken as u64)) " of " (number(row.seats_granted))
        }
        @if row.over > 0 { small class="bad" { (number(row.over)) " too many" } }
        @if row.tokens_unlimited > 0 { small { (number(row.seats_taken_unlimited as u64)) " of any number" } }
    }
}

fn ending(figures: &Figures) -> Markup {
    let parts = ["activations", "windows of tokens", "entitlements", "certificates", "lists"];
    let column = |row: &AheadPeriod| vec![row.activations, row.windows, row.entitlements, row.certificates, row.lists];
    let columns: Vec<_> = figures.ahead.iter().map(|row| (row.period.as_str(), column(row))).collect();
    html! {
        section aria-labelledby="ending" {
            h2 id="ending" { "Ending, by " (figures.ahead_step.name()) }
            p class="note" {
                "Activations: machines whose last record runs out, unless a later one comes back. Windows: tokens under which no \
                further machine can be activated."
            }
            (Columns {
                id: "ahead",
                title: "What ends, over the time ahead",
                description: "Activations, windows of tokens, entitlements, certificates and lists. The table below has each of them.",
                wide: true,
                parts: &parts,
                columns: &columns,
            }.markup())
            (table("By date", figures.expiries.len(), &html! {
                th scope="col" { "Date" }
                th scope="col" { "When" }
                th scope="col" { "What" }
                th scope="col" { "Customer" }
            }, &html! { @for row in figures.expiries.iter().take(ROWS) { tr {
                th scope="row" class="d" { (date(row.date)) }
                td class="d" {
                    @if row.days < 0 { span class="mark" { "overdue" } } @else { (in_days(row.days)) }
                }
                td class="w" { (shown(&row.what)) small { (row.kind.name()) @if !row.id.is_empty() { " " span class="code" title=(shown(&row.id)) { (short(&row.id)) } } } }
                td { @if let Some(customer) = &row.customer { (shown(customer)) } }
            } } }))
        }
    }
}

/// A table within the limit of rows, and how many there are besides.
pub(super) fn table(caption: &str, rows: usize, head: &Markup, body: &Markup) -> Markup {
    html! {
        @if rows == 0 {
            p { "None." }
        } @else {
            div class="scroll" tabindex="0" {
                table { caption { (caption) } thead { tr { (head) } } tbody { (body) } }
            }
            @if rows > ROWS {
                p class="note" { (number((rows - ROWS) as u64)) " more rows are in the forms csv and json." }
            }
        }
    }
}

/// `12 345`, with a space that does not break.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{} {}", number(count as u64), if count == 1 { one } else { several })
}

fn in_days(days: i64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

/// `2026-11-28`.
fn day(time: Time) -> Markup {
    html! { time datetime=(time) { (date(time)) } }
}

/// `2026-11-28 09:30`.
pub(super) fn moment(time: Time) -> Markup {
    let [.., hour, minute, _] = time.civil();
    html! { time datetime=(time) { (date(time)) " " (format!("{hour:02}:{minute:02}")) } }
}

/// As much of an id or a digest as tells it from others.
pub(super) fn short(id: &str) -> String {
    shown(id.get(..16).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_groups() {
        for (value, expected) in
            [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (12_345_678, "12\u{202f}345\u{202f}678")]
        {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn the_style_sheet_names_nothing_elsewhere() {
        for word in ["url(", "@import", "http", "<"] {
            assert!(!STYLE.contains(word), "{word}");
        }
    }
}
