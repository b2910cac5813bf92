//! What may be issued: `limits.toml` in the authority's folder (docs/profile.md, Limits).
//!
//! A guard against mistakes. Whoever can write to the folder can change the file.

use crate::{
    cards::CardRules,
    document::{self, Places},
    error::Error,
    files,
    lint::{About, Finding},
    officer,
    profile::{Profile, list, optional},
    words::Interval,
};
use core::{fmt, str::FromStr};
use countersign_common::{MAX_APPROVALS, Token, is_identifier};
use countersign_report::interval;
use serde::Deserialize;
use std::{collections::BTreeMap, io::ErrorKind, path::Path};

/// The largest file of limits that is read, in octets: it may list thousands of customers.
const MAX_LIMITS: usize = 1024 * 1024;

/// The name of the file in the authority's folder.
const FILE: &str = "limits.toml";

/// The limits of an authority, and whom they are held to.
#[derive(Debug)]
pub(crate) struct Limits {
    document: Document,
    places: Places,
    officer: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    defaults: Defaults,
    limits: Table,
    /// By the customer's identifier: instead of `limits`, key by key.
    customers: BTreeMap<String, Table>,
    /// By the officer's user name: besides the others.
    officers: BTreeMap<String, Table>,
    /// What is demanded of cards.
    cards: CardRules,
}

/// Terms for a profile that does not state them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Defaults {
    #[serde(deserialize_with = "optional")]
    within: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    validity: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    renew_after: Option<Interval>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Table {
    #[serde(deserialize_with = "some_list")]
    products: Option<Vec<ProductText>>,
    #[serde(deserialize_with = "optional")]
    window: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    validity: Option<Interval>,
    seats: Option<u32>,
    /// The least number of approvals, not the most.
    approvals: Option<u8>,
    any_machine: Option<bool>,
    virtual_machines: Option<bool>,
}

/// A product, `ID` or, where only one edition is meant, `ID/EDITION`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProductText {
    id: String,
    edition: Option<String>,
}

impl FromStr for ProductText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, edition) = text.split_once('/').map_or((text, None), |(id, edition)| (id, Some(edition)));
        if is_identifier(id) && edition.is_none_or(is_identifier) {
            Ok(Self { id: id.to_owned(), edition: edition.map(str::to_owned) })
        } else {
            Err(format!("{text:?} is no product; expected its identifier, or ID/EDITION"))
        }
    }
}

impl fmt::Display for ProductText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        self.edition.as_ref().map_or(Ok(()), |edition| write!(f, "/{edition}"))
    }
}

fn some_list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<ProductText>>, D::Error> {
    list(deserializer).map(Some)
}

/// How a token goes beyond a table.
struct Excess {
    /// The key of the table that sets the limit.
    key: &'static str,
    /// What the token says.
    value: String,
    /// What the table allows.
    allowed: String,
    about: About,
}

impl Limits {
    /// The limits in an authority's folder, held to whoever runs the command. Without the file there are none.
    pub(crate) fn read(home: &Path) -> Result<Self, Error> {
        let path = home.join(FILE);
        let text = match files::read_text(&path, MAX_LIMITS) {
            Err(Error::File { fault, .. }) if fault.kind() == ErrorKind::NotFound => String::new(),
            text => text?,
        };
        Self::parse(&path, &text, officer::name()).map_err(Error::Limits)
    }

    fn parse(path: &Path, text: &str, officer: String) -> Result<Self, Vec<Finding>> {
        let findings = |faults: Vec<document::Fault>| faults.into_iter().map(fault).collect::<Vec<_>>();
        let (document, places) = document::parse::<Document>(path, text).map_err(findings)?;
        let wrong = document.customers.keys().filter(|id| !is_identifier(id));
        let mut wrong: Vec<_> = wrong
            .map(|id| {
                let fault = format!("{id:?} is no customer; expected the identifier, not the name");
                (places.of(&["customers", id]), fault)
            })
            .collect();
        let tables = document.customers.iter().map(|(id, table)| (vec!["customers", id.as_str(), "approvals"], table));
        let officers =
            document.officers.iter().map(|(name, table)| (vec!["officers", name.as_str(), "approvals"], table));
        let all = core::iter::once((vec!["limits", "approvals"], &document.limits)).chain(tables).chain(officers);
        let too_many = all.filter(|(_, table)| table.approvals.is_some_and(|approvals| approvals > MAX_APPROVALS));
        let fault = format!("more approvals than a token carries; expected 0 to {MAX_APPROVALS}");
        wrong.extend(too_many.map(|(path, _)| (places.of(&path), fault.clone())));
        let cards = document.cards.fault();
        wrong.extend(cards.map(|(key, fault)| (places.of(&["cards", key]), fault.to_owned())));
        if wrong.is_empty() { Ok(Self { document, places, officer }) } else { Err(findings(wrong)) }
    }

    /// What fills in for a silent profile.
    pub(crate) fn defaults(&self) -> &Defaults {
        &self.document.defaults
    }

    /// What is demanded of cards.
    pub(crate) fn cards(&self) -> &CardRules {
        &self.document.cards
    }

    /// Whose limits count besides.
    pub(crate) fn officer(&self) -> &str {
        &self.officer
    }

    /// How many officers have to approve a token at least.
    pub(crate) fn approvals(&self, token: &Token) -> u8 {
        let Document { limits, customers, officers, .. } = &self.document;
        let own = customers.get(&token.customer.id).and_then(|table| table.approvals);
        let general = own.or(limits.approvals).unwrap_or_default();
        let personal = officers.get(&self.officer).and_then(|table| table.approvals).unwrap_or_default();
        general.max(personal)
    }

    /// Where a token goes beyond what may be issued.
    pub(crate) fn findings(&self, token: &Token) -> Vec<Finding> {
        let Document { limits, customers, officers, .. } = &self.document;
        let customer = token.customer.id.as_str();
        let table = customers.get(customer).map_or_else(|| limits.clone(), |own| own.over(limits));
        let general = table.excesses(token).into_iter().map(|excess| {
            let own = ["customers", customer, excess.key];
            if self.places.has(&own) {
                self.finding(&own, excess)
            } else {
                self.finding(&["limits", excess.key], excess)
            }
        });
        let personal = officers.get(&self.officer).map_or_else(Vec::new, |table| table.excesses(token));
        let personal =
            personal.into_iter().map(|excess| self.finding(&["officers", &self.officer, excess.key], excess));
        general.chain(personal).collect()
    }

    fn finding(&self, path: &[&str], excess: Excess) -> Finding {
        let fact =
            format!("{}, and {} allows {} ({})", excess.value, self.places.of(path), excess.allowed, path.join("."));
        let advice = "stay within it, or have the limit changed by whoever keeps that file";
        Finding::error(Finding::LIMIT, fact, advice).about(excess.about)
    }
}

fn fault((place, fault): document::Fault) -> Finding {
    Finding::error("CS-7015", fault, "correct that line; docs/profile.md has the keys under Limits").at(place)
}

impl Defaults {
    /// Whether a window needs nothing else.
    pub(crate) fn state_window(&self) -> bool {
        self.within.is_some()
    }

    /// States what a profile and the flags left open. When a renewal is due goes with the validity.
    pub(crate) fn fill(&self, profile: &mut Profile) {
        if profile.window.until.is_none() && profile.window.within.is_none() {
            profile.window.within = self.within;
        }
        if profile.terms.validity.is_none() {
            profile.terms.validity = self.validity;
            profile.terms.renew_after = profile.terms.renew_after.or(self.renew_after);
        }
    }
}

impl Table {
    /// This table, and the other one where it is silent.
    fn over(&self, other: &Self) -> Self {
        Self {
            products: self.products.clone().or_else(|| other.products.clone()),
            window: self.window.or(other.window),
            validity: self.validity.or(other.validity),
            seats: self.seats.or(other.seats),
            approvals: self.approvals.or(other.approvals),
            any_machine: self.any_machine.or(other.any_machine),
            virtual_machines: self.virtual_machines.or(other.virtual_machines),
        }
    }

    fn excesses(&self, token: &Token) -> Vec<Excess> {
        let mut excesses = Vec::new();
        let mut refuse = |key, about, value: String, allowed: String| {
            excesses.push(Excess { key, value, allowed, about: About::Key(about) });
        };
        if let Some(products) = &self.products {
            let (id, edition) = (&token.product.id, &token.product.edition);
            let listed = |product: &ProductText| {
                product.id == *id && product.edition.as_ref().is_none_or(|one| Some(one) == edition.as_ref())
            };
            if !products.iter().any(listed) {
                let of_edition = match edition {
                    Some(edition) => format!(", edition {edition}"),
                    None => ", no edition of it".to_owned(),
                };
                let names: Vec<_> = products.iter().map(ToString::to_string).collect();
                let allowed = if names.is_empty() { "no product".to_owned() } else { names.join(", ") };
                let other_edition = products.iter().any(|product| product.id == *id);
                let about: &[_] = if other_edition { &["product", "edition"] } else { &["product", "id"] };
                refuse("products", about, format!("the product is {id}{of_edition}"), allowed);
            }
        }
        if let Some(limit) = self.window {
            let length = token.window.not_after.0.unix().saturating_sub(token.window.not_before.0.unix());
            if length > limit.0.into() {
                let length = u32::try_from(length).map_or_else(|_| "centuries".to_owned(), rounded);
                let value = format!("machines may be activated for {length}");
                refuse("window", &["window"], value, interval(limit.0));
            }
        }
        if let Some(limit) = self.validity {
            let terms = &token.terms;
            let parts = [terms.validity, terms.grace, terms.notification];
            let whole = parts.into_iter().flatten().fold(0_u32, u32::saturating_add);
            if terms.validity.is_none() || whole > limit.0 {
                let holds = terms.validity.map_or("without end".to_owned(), |_| format!("for {}", interval(whole)));
                refuse("validity", &["terms", "validity"], format!("an activation holds {holds}"), interval(limit.0));
            }
        }
        if let Some(limit) = self.seats {
            let listed = token.binding.machines.as_ref().map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX));
            let seats = token.seats.max(listed);
            if seats.is_none_or(|seats| seats > limit) {
                let value = match seats {
                    Some(seats) if token.seats == Some(seats) => format!("it is for {seats} seats"),
                    Some(seats) => format!("{seats} machines are listed"),
                    None => "it is for any number of seats".to_owned(),
                };
                refuse("seats", &["seats"], value, limit.to_string());
            }
        }
        if self.any_machine == Some(false) && token.binding.machines.is_none() {
            let (value, allowed) = ("it is for any machine", "listed machines only");
            refuse("any-machine", &["binding", "machines"], value.to_owned(), allowed.to_owned());
        }
        if self.virtual_machines == Some(false) && token.binding.virtual_machines {
            let (value, allowed) = ("it is for virtual machines too", "none");
            refuse("virtual-machines", &["binding", "virtual-machines"], value.to_owned(), allowed.to_owned());
        }
        excesses
    }
}

/// An interval in days where it has more than ten of them, so that nobody has to divide seconds.
fn rounded(seconds: u32) -> String {
    const DAY: u32 = 86_400;
    if seconds > 10 * DAY && !seconds.is_multiple_of(DAY) {
        format!("more than {}", interval(seconds - seconds % DAY))
    } else {
        interval(seconds)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::profile::tests::keys;
    use countersign_testkit::Schema;
    use std::collections::BTreeSet;

    #[test]
    fn the_documented_example_is_a_file_of_limits() {
        let page = include_str!("../../../docs/profile.md");
        let example = page.split("```toml\n").nth(2).unwrap().split("```").next().unwrap();
        let limits = Limits::parse(Path::new("limits.toml"), example, "ada".to_owned()).unwrap();
        let Document { defaults, limits, customers, officers, .. } = limits.document;
        assert!(defaults.within.is_some() && defaults.validity.is_some() && defaults.renew_after.is_some());
        let acme = customers["acme"].over(&limits);
        assert_eq!((acme.seats, acme.any_machine), (Some(40), Some(false)));
        assert_eq!(officers["ada"].window, Some(Interval(14 * 86_400)));
    }

    fn schema() -> Schema {
        Schema::parse(include_str!("limits.schema.json"))
    }

    #[test]
    fn the_schema_has_every_key_and_no_other() {
        let schema = schema();
        let document = schema.document();
        let keys_of = |definition: &serde_json::Value| -> BTreeSet<String> {
            assert_eq!(definition["additionalProperties"], false);
            definition["properties"].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys_of(document), keys::<Document>());
        assert_eq!(keys_of(&document["$defs"]["defaults"]), keys::<Defaults>());
        assert_eq!(keys_of(&document["$defs"]["cards"]), keys::<CardRules>());
        assert_eq!(keys_of(&document["$defs"]["table"]), keys::<Table>());
        for name in document["$defs"].as_object().unwrap().keys() {
            assert!(document.to_string().contains(&format!("\"#/$defs/{name}\"")), "nothing leads to {name}");
        }
    }

    /// What the schema and the program make of a file.
    fn judged(text: &str) -> (bool, bool) {
        let table: toml::Table = toml::from_str(text).unwrap();
        let by_schema = schema().validate(&serde_json::to_value(table).unwrap());
        let by_program = Limits::parse(Path::new("limits.toml"), text, "ada".to_owned());
        (by_schema.is_ok(), by_program.is_ok())
    }

    #[test]
    fn the_schema_takes_what_are_limits_and_nothing_else() {
        let page = include_str!("../../../docs/profile.md");
        let example = page.split("```toml\n").nth(2).unwrap().split("```").next().unwrap();
        for text in [
            example,
            "",
            "[limits]\nproducts = []\nseats = 0\napprovals = 8\nvirtual-machines = true\n",
            "[limits]\nproducts = [\"a/b\"]\nvalidity = \"1y 6months\"\nwindow = \"90min\"\n",
            "[customers.acme]\n[officers.\"Ada Lovelace\"]\napprovals = 2\n",
            "[cards]\n",
            "[cards]\nattested = false\nnew-secrets = true\npin-length = 8\n",
            "[cards]\nattested = true\nattestation-roots = [\"maker.pem\"]\n",
        ] {
            assert_eq!(judged(text), (true, true), "{text}");
        }
        for text in [
            "seats = 5",
            "limits = 5",
            "[defaults]\nseats = 5",
            "[defaults]\nwithin = 30",
            "[limits]\nseets = 5",
            "[limits]\nseats = -1",
            "[limits]\nseats = 4294967296",
            "[limits]\nseats = \"5\"",
            "[limits]\napprovals = 9",
            "[limits]\nproducts = \"a\"",
            "[limits]\nproducts = [\"a/b/c\"]",
            "[limits]\nproducts = [\"/b\"]",
            "[limits]\nwindow = \"soon\"",
            "[limits]\nany-machine = \"no\"",
            "[customers.\"Acme Power\"]\nseats = 5",
            "[customers.acme]\nsets = 5",
            "[officers.ada]\nvalidity = 5",
            "[cards]\npin-length = 9",
            "[cards]\nattested = true",
            "[cards]\nattested = true\nattestation-roots = []",
            "[cards]\nattestation-roots = \"maker.pem\"",
            "[cards]\nnew-secret = true",
        ] {
            assert_eq!(judged(text), (false, false), "{text}");
        }
    }

    #[test]
    fn no_more_approvals_than_a_token_carries() {
        let parse = |text: &str| Limits::parse(Path::new("limits.toml"), text, "ada".to_owned());
        for (text, line) in [
            ("[limits]\napprovals = 9\n", 2),
            ("[limits]\napprovals = 8\n[customers.acme]\napprovals = 9\n", 4),
            ("[officers.ada]\napprovals = 10\n", 2),
        ] {
            let findings = parse(text).unwrap_err();
            let place = findings[0].place.as_ref().and_then(|place| place.position);
            assert_eq!(place.map(|(line, _)| line), Some(line), "{text}");
        }
    }

    #[test]
    fn rules_of_cards() {
        let parse = |text: &str| Limits::parse(Path::new("limits.toml"), text, "ada".to_owned());
        let limits = parse("[cards]\nnew-secrets = true\npin-length = 8\n").unwrap();
        assert!(limits.cards().new_secrets && !limits.cards().attested);
        for (text, line) in [
            ("[cards]\npin-length = 9\n", 2),
            ("[cards]\nnew-secrets = true\nattested = true\n", 3),
            ("[cards]\nattested = true\nattestation-roots = []\n", 2),
        ] {
            let findings = parse(text).unwrap_err();
            assert_eq!(findings[0].code, "CS-7015");
            let place = findings[0].place.as_ref().and_then(|place| place.position);
            assert_eq!(place.map(|(line, _)| line), Some(line), "{text}");
        }
        assert!(parse("[cards]\npin = 6\n").is_err());
    }

    #[test]
    fn products_and_editions() {
        for text in ["control-room", "historian/pro"] {
            assert_eq!(text.parse::<ProductText>().unwrap().to_string(), text);
        }
        for text in ["", "/", "a/", "/a", "a/b/c", "a b"] {
            assert!(text.parse::<ProductText>().unwrap_err().contains("expected"), "{text}");
        }
    }

    #[test]
    fn lengths_without_fractions_of_days() {
        assert_eq!(rounded(60 * 86_400), "60 days");
        assert_eq!(rounded(60 * 86_400 + 1), "more than 60 days");
        assert_eq!(rounded(86_401), "86401 seconds");
    }
}
