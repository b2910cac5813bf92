//! The report as tables for spreadsheets: CSV (RFC 4180) in UTF-8.

use super::{Figures, TokenRow};
use csv::{QuoteStyle, Writer, WriterBuilder};
use std::io::Error;

/// The file of each table with its content.
pub(crate) fn sheets(figures: &Figures) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut customers = Sheet::new(&[
        "customer",
        "name",
        "tokens",
        "machines",
        "seats_granted",
        "seats_taken",
        "over",
        "tokens_unlimited",
        "seats_taken_unlimited",
    ])?;
    for row in &figures.customers {
        customers.row(&[
            text(&row.customer),
            text(&row.name),
            row.tokens.to_string(),
            row.machines.to_string(),
            row.seats_granted.to_string(),
            row.seats_taken.to_string(),
            row.over.to_string(),
            row.tokens_unlimited.to_string(),
            row.seats_taken_unlimited.to_string(),
        ])?;
    }
    let mut expiries = Sheet::new(&["date", "days", "kind", "what", "id", "customer", "count"])?;
    for row in &figures.expiries {
        expiries.row(&[
            row.date.to_string(),
            row.days.to_string(),
            row.kind.name().to_owned(),
            text(&row.what),
            row.id.clone(),
            text(row.customer.as_deref().unwrap_or_default()),
            row.count.to_string(),
        ])?;
    }
    let mut findings = Sheet::new(&["code", "meaning", "token", "customer", "message", "next", "ledger_entries"])?;
    for row in &figures.findings {
        let entries: Vec<_> = row.ledger_entries.iter().map(ToString::to_string).collect();
        findings.row(&[
            row.code.to_owned(),
            row.meaning.to_owned(),
            row.token.clone(),
            text(&row.customer),
            text(&row.message),
            row.next.to_owned(),
            entries.join(" "),
        ])?;
    }
    let mut over_time =
        Sheet::new(&["period", "from", "activations", "tokens_issued", "records_received", "refusals"])?;
    for row in &figures.over_time {
        over_time.row(&[
            row.period.clone(),
            row.from.to_string(),
            row.activations.to_string(),
            row.tokens_issued.to_string(),
            row.records_received.to_string(),
            row.refusals.to_string(),
        ])?;
    }
    let mut ahead = Sheet::new(&["period", "from", "activations", "windows", "entitlements", "certificates", "lists"])?;
    for row in &figures.ahead {
        ahead.row(&[
            row.period.clone(),
            row.from.to_string(),
            row.activations.to_string(),
            row.windows.to_string(),
            row.entitlements.to_string(),
            row.certificates.to_string(),
            row.lists.to_string(),
        ])?;
    }
    let mut refusals = Sheet::new(&["code", "meaning", "count", "last", "commands"])?;
    for row in &figures.refusals {
        let commands: Vec<_> = row.commands.iter().map(String::as_str).collect();
        let (count, last) = (row.count.to_string(), row.last.to_string());
        refusals.row(&[text(&row.code), row.meaning.to_owned(), count, last, text(&commands.join("; "))])?;
    }
    let mut requests = Sheet::new(&[
        "requested",
        "token",
        "revision",
        "customer",
        "product",
        "officer",
        "needed",
        "approvers",
        "issued",
    ])?;
    for row in &figures.requests {
        requests.row(&[
            row.requested.to_string(),
            row.token.clone(),
            row.revision.to_string(),
            text(&row.customer),
            text(&row.product),
            text(&row.officer),
            row.needed.to_string(),
            text(&row.approvers.join("; ")),
            row.issued.map(|time| time.to_string()).unwrap_or_default(),
        ])?;
    }
    let mut revocations = Sheet::new(&["entered", "what", "id", "subject", "customer", "reason", "since", "lifted"])?;
    for row in &figures.revocations {
        revocations.row(&[
            row.entered.to_string(),
            row.what.name().to_owned(),
            row.id.clone(),
            text(&row.subject),
            text(row.customer.as_deref().unwrap_or_default()),
            row.reason.to_owned(),
            row.since.to_string(),
            row.lifted.map(|time| time.to_string()).unwrap_or_default(),
        ])?;
    }
    let (tokens, entitlements) = tokens(figures)?;
    Ok(vec![
        ("customers.csv", customers.finish()?),
        ("ending.csv", ahead.finish()?),
        ("entitlements.csv", entitlements.finish()?),
        ("expiries.csv", expiries.finish()?),
        ("findings.csv", findings.finish()?),
        ("over-time.csv", over_time.finish()?),
        ("refusals.csv", refusals.finish()?),
        ("requests.csv", requests.finish()?),
        ("revocations.csv", revocations.finish()?),
        ("tokens.csv", tokens.finish()?),
    ])
}

/// The tokens, and what each entitles to.
fn tokens(figures: &Figures) -> Result<(Sheet, Sheet), Error> {
    let mut tokens = Sheet::new(&[
        "token",
        "revision",
        "customer",
        "product",
        "edition",
        "product_from",
        "product_below",
        "issued",
        "state",
        "activate_from",
        "activate_until",
        "validity_seconds",
        "seats",
        "machines",
        "records",
        "machines_run_out",
    ])?;
    let mut entitlements = Sheet::new(&["token", "revision", "customer", "product", "name", "value", "until"])?;
    for row in &figures.tokens {
        let TokenRow { token, revision, customer, product, .. } = row;
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        tokens.row(&[
            token.clone(),
            revision.to_string(),
            text(customer),
            text(product),
            text(row.edition.as_deref().unwrap_or_default()),
            row.product_from.clone().unwrap_or_default(),
            row.product_below.clone().unwrap_or_default(),
            row.issued.to_string(),
            row.state.name().to_owned(),
            row.activate_from.to_string(),
            row.activate_until.to_string(),
            number(row.validity),
            number(row.seats),
            row.machines.to_string(),
            row.records.to_string(),
            row.machines_run_out.to_string(),
        ])?;
        for entitlement in &row.entitlements {
            entitlements.row(&[
                token.clone(),
                revision.to_string(),
                text(customer),
                text(product),
                text(&entitlement.name),
                text(&entitlement.value),
                entitlement.until.map(|time| time.to_string()).unwrap_or_default(),
            ])?;
        }
    }
    Ok((tokens, entitlements))
}

/// A table that is being written.
struct Sheet(Writer<Vec<u8>>);

impl Sheet {
    fn new(columns: &[&str]) -> Result<Self, Error> {
        let mut writer = WriterBuilder::new().quote_style(QuoteStyle::NonNumeric).from_writer(Vec::new());
        writer.write_record(columns)?;
        Ok(Self(writer))
    }

    fn row(&mut self, cells: &[String]) -> Result<(), Error> {
        Ok(self.0.write_record(cells)?)
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        self.0.into_inner().map_err(|failed| failed.into_error())
    }
}

/// What somebody wrote, as a cell that no spreadsheet takes for a formula: an apostrophe goes before one that begins as a
/// formula does, also in the wide forms that some programs take for the same.
fn text(value: &str) -> String {
    let formula = |first: char| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠');
    if value.trim_start_matches(' ').starts_with(formula) { format!("'{value}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for value in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠SUM(A1)"] {
            assert_eq!(text(value), format!("'{value}"));
        }
        for value in ["Acme", "Acme =1", "", "4-2", "'=1"] {
            assert_eq!(text(value), value);
        }
    }
}
