//! The report for a terminal.

use super::{
    AheadPeriod, CustomerRow, ExpiryRow, Figures, FindingRow, Period, RefusalRow, RequestRow, RevocationRow,
    period::date,
};
use countersign_report::visible;
use std::fmt::Write as _;

/// How many rows of a table are shown; the other forms have all of them.
const ROWS: usize = 20;
/// How long bars are, in characters.
const BAR: usize = 24;

/// The report in lines of a terminal.
pub(crate) fn text(figures: &Figures) -> String {
    let mut out = String::new();
    head(&mut out, figures);
    over_time(&mut out, figures);
    section(&mut out, "Seats taken, of those granted", "no token was issued", &seats_first(figures), seats);
    ahead(&mut out, figures);
    let title = "Ending next, and overdue";
    section(&mut out, title, "nothing ends within that time", &refs(&figures.expiries), expiry);
    let mut refusals = refs(&figures.refusals);
    refusals.sort_by_key(|row| core::cmp::Reverse(row.count));
    section(&mut out, "Refusals by code", "nothing was refused", &refusals, |row| refusal(row, &figures.refusals));
    section(
        &mut out,
        "Findings in records that came back",
        "nothing that cannot be right",
        &refs(&figures.findings),
        finding,
    );
    section(&mut out, "Requests and approvals", "none", &refs(&figures.requests), request);
    section(&mut out, "Revocations", "none", &refs(&figures.revocations), revocation);
    out
}

fn head(out: &mut String, figures: &Figures) {
    let Figures { ledger, totals, .. } = figures;
    line(out, &format!("{}: report as of {}", figures.organization, figures.as_of));
    if !figures.customers_only.is_empty() {
        let customers: Vec<_> = figures.customers_only.iter().map(String::as_str).collect();
        line(out, &format!("only of: {}", customers.join(", ")));
    }
    if let Some(since) = figures.since {
        line(out, &format!("what happened since {since}; seats, expiries and findings as they stand"));
    }
    let head = ledger.head.as_ref().map_or_else(
        || "no head was signed yet".to_owned(),
        |head| format!("head {} over {} entries signed {}", head.number, head.size, head.signed),
    );
    line(out, &format!("ledger: {} entries, {head}, {} not covered", ledger.size, ledger.unsigned));
    line(
        out,
        &format!(
            "{} activations, {} tokens issued, {} customers, {} machines, {} of {} seats taken",
            totals.activations,
            totals.tokens_issued,
            totals.customers,
            totals.machines,
            totals.seats_taken,
            totals.seats_granted
        ),
    );
    let batches = match totals.batch_rows_refused {
        0 => String::new(),
        rows => format!(" ({rows} rows of batches, with those that nobody could read)"),
    };
    line(
        out,
        &format!(
            "{} refusals{batches}, {} findings, {} requests, {} revocations, {} overdue",
            totals.refusals, totals.findings, totals.requests, totals.revocations, totals.overdue
        ),
    );
}

fn over_time(out: &mut String, figures: &Figures) {
    title(out, &format!("Activations and tokens by {}", figures.step.name()));
    let most = |of: fn(&Period) -> u64| figures.over_time.iter().map(of).max().unwrap_or_default();
    let (activations, tokens) = (most(|period| period.activations), most(|period| period.tokens_issued));
    // What the last steps were like is what a person looks for first; a page has room for more.
    let skipped = figures.over_time.len().saturating_sub(2 * ROWS);
    if skipped > 0 {
        let before = figures.over_time.iter().take(skipped);
        let (activations, tokens) =
            before.fold((0, 0), |(one, other), period| (one + period.activations, other + period.tokens_issued));
        line(out, &format!("  {skipped} steps before: {activations} activations, {tokens} tokens"));
    }
    for period in figures.over_time.iter().skip(skipped) {
        line(
            out,
            &format!(
                "  {:<10} {:>7} {:<BAR$}  {:>7} {}",
                period.period,
                period.activations,
                bar(period.activations, activations, BAR),
                period.tokens_issued,
                bar(period.tokens_issued, tokens, BAR)
            ),
        );
    }
    if figures.totals.activations_dated_elsewhere > 0 {
        let elsewhere = figures.totals.activations_dated_elsewhere;
        line(out, &format!("  {elsewhere} activations are dated outside of this by the clocks of their machines"));
    }
}

/// Those with the most seats taken beyond what was granted first, then by how full they are.
fn seats_first(figures: &Figures) -> Vec<&CustomerRow> {
    let mut rows = refs(&figures.customers);
    rows.sort_by(|one, other| {
        // Fractions compared without dividing.
        let full = |row: &CustomerRow, of: &CustomerRow| row.seats_taken as u64 * of.seats_granted;
        (other.over, full(other, one)).cmp(&(one.over, full(one, other)))
    });
    rows
}

fn seats(row: &CustomerRow) -> Vec<String> {
    let mut told = match (row.seats_granted, row.tokens_unlimited) {
        (0, 1..) => format!("{:>7} of any number", row.seats_taken_unlimited),
        (granted, _) => {
            let full = bar(row.seats_taken as u64, granted.max(row.seats_taken as u64), BAR);
            format!("{:>7} of {granted:<7} {full:<BAR$}", row.seats_taken)
        }
    };
    if row.over > 0 {
        let _ = write!(told, "  {} too many", row.over);
    }
    if row.seats_granted > 0 && row.tokens_unlimited > 0 {
        let _ =
            write!(told, "  and {} under {} tokens without a number", row.seats_taken_unlimited, row.tokens_unlimited);
    }
    vec![format!("{told}  {} ({}), {} tokens, {} machines", row.name, row.customer, row.tokens, row.machines)]
}

fn ahead(out: &mut String, figures: &Figures) {
    title(out, &format!("Ending, by {}", figures.ahead_step.name()));
    let sum = |period: &AheadPeriod| {
        period.activations + period.windows + period.entitlements + period.certificates + period.lists
    };
    let most = figures.ahead.iter().map(sum).max().unwrap_or_default();
    for period in &figures.ahead {
        let parts = [
            (period.activations, "activations"),
            (period.windows, "windows"),
            (period.entitlements, "entitlements"),
            (period.certificates, "certificates"),
            (period.lists, "lists"),
        ];
        let parts: Vec<_> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, of)| format!("{count} {of}")).collect();
        let total = sum(period);
        line(out, &format!("  {:<10} {total:>7} {:<BAR$}  {}", period.period, bar(total, most, BAR), parts.join(", ")));
    }
}

fn expiry(row: &ExpiryRow) -> Vec<String> {
    let days = match row.days {
        i64::MIN..=-1 => "overdue".to_owned(),
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    let of = row.customer.as_ref().map(|customer| format!(", {customer}")).unwrap_or_default();
    vec![format!("{}  {days:>12}  {:<11}  {}{of}", date(row.date), row.kind.name(), row.what)]
}

fn refusal(row: &RefusalRow, all: &[RefusalRow]) -> Vec<String> {
    let most = all.iter().map(|row| row.count).max().unwrap_or_default();
    let commands: Vec<_> = row.commands.iter().map(String::as_str).collect();
    let full = bar(row.count, most, BAR);
    let (code, count, last) = (&row.code, row.count, date(row.last));
    vec![format!("{code} {count:>7} {full:<BAR$}  {}; last {last}, {}", row.meaning, commands.join(", "))]
}

fn finding(row: &FindingRow) -> Vec<String> {
    let shown: Vec<_> = row.ledger_entries.iter().take(5).map(ToString::to_string).collect();
    let more = if row.ledger_entries.len() > shown.len() { ", …" } else { "" };
    vec![
        format!("{}: {} ({})", row.code, row.message, row.customer),
        format!("        next: {}; entries {}{more}", row.next, shown.join(", ")),
    ]
}

fn request(row: &RequestRow) -> Vec<String> {
    let came = match row.issued {
        Some(issued) => format!("issued {}, approved by {}", date(issued), row.approvers.join("; ")),
        None => "not issued".to_owned(),
    };
    vec![format!(
        "{}  {} for {}, by {}, {} approvals needed: {came}",
        date(row.requested),
        row.product,
        row.customer,
        row.officer,
        row.needed
    )]
}

fn revocation(row: &RevocationRow) -> Vec<String> {
    let short = row.id.get(..16).unwrap_or(&row.id);
    let lifted = row.lifted.map(|time| format!(", lifted {}", date(time))).unwrap_or_default();
    let what = row.what.name();
    vec![format!(
        "{}  {what} {short} {}: {} since {}{lifted}",
        date(row.entered),
        row.subject,
        row.reason,
        date(row.since)
    )]
}

fn section<T>(out: &mut String, name: &str, empty: &str, rows: &[&T], tell: impl Fn(&T) -> Vec<String>) {
    title(out, name);
    if rows.is_empty() {
        line(out, &format!("  {empty}"));
    }
    for text in rows.iter().take(ROWS).flat_map(|row| tell(row)) {
        line(out, &format!("  {text}"));
    }
    if rows.len() > ROWS {
        line(out, &format!("  and {} more: --json, --format csv", rows.len() - ROWS));
    }
}

fn title(out: &mut String, text: &str) {
    out.push('\n');
    line(out, text);
}

/// Whatever stands in it shows as it is, and moves no terminal.
fn line(out: &mut String, text: &str) {
    out.push_str(visible(text).trim_end());
    out.push('\n');
}

fn refs<T>(rows: &[T]) -> Vec<&T> {
    rows.iter().collect()
}

/// A bar of eighths of a character; anything at all shows.
fn bar(value: u64, most: u64, length: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if value == 0 || most == 0 {
        return String::new();
    }
    let eighths = (u128::from(value) * length as u128 * 8 / u128::from(most)).max(1);
    let eighths = usize::try_from(eighths).unwrap_or(length * 8).min(length * 8);
    "█".repeat(eighths / 8) + EIGHTHS.get(eighths % 8).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_what_they_stand_for() {
        assert_eq!(bar(8, 8, 3), "███");
        assert_eq!(bar(1, 2, 3), "█▌");
        assert_eq!(bar(1, 1_000_000, 3), "▏", "not nothing");
        assert_eq!((bar(0, 8, 3), bar(0, 0, 3)), (String::new(), String::new()));
        assert_eq!(bar(u64::MAX, u64::MAX, 3), "███");
        assert_eq!(bar(9, 8, 3), "███", "never longer");
    }
}
