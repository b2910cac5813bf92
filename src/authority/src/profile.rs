//! A profile: the terms of a token in a TOML file (docs/profile.md).

use crate::{
    document::{self, Place, Places},
    error::Error,
    files,
    lint::{About, Finding},
    plan::{COMPONENTS, certificate, machine_facts},
    words::{Anchor, Component, CriterionText, DerText, Interval, OidText, Tpm, last_second},
};
use core::{fmt::Display, str::FromStr};
use countersign_common::{MAX_APPROVALS, Time, token::ProductVersion};
use serde::{Deserialize, Deserializer, de};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The largest profile that is read, in octets: it may list thousands of machines.
const MAX_PROFILE: usize = 1024 * 1024;

/// What a profile says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Profile {
    pub(crate) seats: Option<u32>,
    pub(crate) approvals: Option<u8>,
    pub(crate) customer: CustomerTable,
    pub(crate) product: ProductTable,
    pub(crate) window: WindowTable,
    pub(crate) terms: TermsTable,
    pub(crate) grants: Vec<GrantTable>,
    pub(crate) binding: BindingTable,
    pub(crate) entitlements: BTreeMap<String, EntitlementEntry>,
    pub(crate) lists: Option<ListsTable>,
    pub(crate) extensions: Vec<ExtensionTable>,
    #[serde(skip)]
    places: Places,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct CustomerTable {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ProductTable {
    pub(crate) id: Option<String>,
    pub(crate) edition: Option<String>,
    #[serde(deserialize_with = "optional")]
    pub(crate) from: Option<ProductVersion>,
    #[serde(deserialize_with = "optional")]
    pub(crate) below: Option<ProductVersion>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct WindowTable {
    #[serde(deserialize_with = "optional")]
    pub(crate) from: Option<Time>,
    #[serde(deserialize_with = "optional_end")]
    pub(crate) until: Option<Time>,
    #[serde(deserialize_with = "optional")]
    pub(crate) within: Option<Interval>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct TermsTable {
    #[serde(deserialize_with = "optional")]
    pub(crate) validity: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    pub(crate) renew_after: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    pub(crate) grace: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    pub(crate) notification: Option<Interval>,
    pub(crate) clock_repair: Option<ClockRepairTable>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ClockRepairTable {
    pub(crate) timestamp_anchors: Vec<PathBuf>,
    pub(crate) two_holders: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct GrantTable {
    pub(crate) number: Option<u16>,
    #[serde(deserialize_with = "optional")]
    pub(crate) anchor: Option<Anchor>,
    pub(crate) direct_issuer: bool,
    #[serde(deserialize_with = "list")]
    pub(crate) criteria: Vec<CriterionText>,
    pub(crate) authentication_slot: bool,
    pub(crate) attested: bool,
    pub(crate) persons: Option<u8>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct BindingTable {
    pub(crate) required: Option<u8>,
    #[serde(deserialize_with = "list")]
    pub(crate) components: Vec<Component>,
    pub(crate) machines: Vec<MachineTable>,
    pub(crate) virtual_machines: Option<bool>,
    #[serde(deserialize_with = "optional")]
    pub(crate) tpm: Option<Tpm>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct MachineTable {
    pub(crate) label: Option<String>,
    pub(crate) file: PathBuf,
}

/// `name = "value"`, or a table with a date beside the value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text in quotes, or { value = \"…\", until = \"DATE\" }")]
pub(crate) enum EntitlementEntry {
    Value(String),
    Table(EntitlementTable),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EntitlementTable {
    pub(crate) value: String,
    #[serde(default, deserialize_with = "optional_end")]
    pub(crate) until: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct ListsTable {
    pub(crate) oldest_number: Option<u64>,
    #[serde(deserialize_with = "optional")]
    pub(crate) max_age: Option<Interval>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExtensionTable {
    #[serde(deserialize_with = "text")]
    pub(crate) id: OidText,
    #[serde(default)]
    pub(crate) critical: bool,
    #[serde(deserialize_with = "text")]
    pub(crate) value: DerText,
}

impl Profile {
    /// Reads a profile. Files that it names are sought beside it. A profile that contradicts itself is refused, also
    /// where a flag would override it.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_text(path, MAX_PROFILE)?;
        let mut profile = Self::parse(path, &text).map_err(Error::Profile)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let beside = |file: &mut PathBuf| *file = folder.join(&*file);
        profile.binding.machines.iter_mut().for_each(|machine| {
            machine.label.get_or_insert_with(|| {
                machine.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
            });
            beside(&mut machine.file);
        });
        for grant in &mut profile.grants {
            if let Some(Anchor::File(file)) = &mut grant.anchor {
                beside(file);
            }
        }
        if let Some(repair) = &mut profile.terms.clock_repair {
            repair.timestamp_anchors.iter_mut().for_each(beside);
        }
        Ok(profile)
    }

    /// The profile, or everything that is wrong with it.
    fn parse(path: &Path, text: &str) -> Result<Self, Vec<Finding>> {
        let findings = |faults: Vec<document::Fault>| faults.into_iter().map(Self::fault).collect::<Vec<_>>();
        let (mut profile, places) = document::parse::<Self>(path, text).map_err(findings)?;
        profile.places = places;
        let contradictions = profile.contradictions();
        if contradictions.is_empty() { Ok(profile) } else { Err(findings(contradictions)) }
    }

    fn fault((place, fault): document::Fault) -> Finding {
        Finding::error("CS-7009", fault, "correct that line; docs/profile.md lists every key").at(place)
    }

    /// What no other term or file could make right.
    fn contradictions(&self) -> Vec<document::Fault> {
        let mut faults = Vec::new();
        let mut refuse = |wrong: bool, path: &[&str], fault: String| {
            if wrong {
                faults.push((self.places.of(path), fault));
            }
        };
        let window = &self.window;
        let both = window.until.is_some() && window.within.is_some();
        let fault = "the window has both an end and a length; expected until or within, not both";
        refuse(both, &["window", "within"], fault.to_owned());
        if let (Some(from), Some(until)) = (window.from, window.until) {
            let fault =
                format!("the window ends {until}, before it begins {from}; expected an end after its beginning");
            refuse(until < from, &["window", "until"], fault);
        }
        if let (Some(from), Some(below)) = (self.product.from, self.product.below) {
            let fault = format!("no version is from {from} on and below {below}; expected one above {from}");
            refuse(below <= from, &["product", "below"], fault);
        }
        if let (Some(validity), Some(renewal)) = (self.terms.validity, self.terms.renew_after) {
            let fault = "the renewal would be due after the activation has ended; expected less than the validity";
            refuse(renewal.0 >= validity.0, &["terms", "renew-after"], fault.to_owned());
        }
        refuse(self.seats == Some(0), &["seats"], "no seats at all; expected 1 or more, or no such key".to_owned());
        let too_many = self.approvals.is_some_and(|approvals| approvals > MAX_APPROVALS);
        refuse(too_many, &["approvals"], format!("more approvals than a token carries; expected 0 to {MAX_APPROVALS}"));
        for (index, grant) in self.grants.iter().enumerate() {
            let number = self.grant_number(index);
            let twice = (0..index).any(|earlier| self.grant_number(earlier) == number);
            let fault = format!("there is a grant {number} already; expected a number of its own");
            refuse(twice || grant.number == Some(0), &["grants", &index.to_string(), "number"], fault);
        }
        let (listed, required) = (&self.binding.components, self.binding.required);
        for (index, component) in listed.iter().enumerate() {
            let twice = listed.iter().take(index).any(|earlier| earlier.0.kind == component.0.kind);
            let fault = format!("{} stands there twice; expected each component once", component.0.kind);
            refuse(twice, &["binding", "components", &index.to_string()], fault);
        }
        let count = if listed.is_empty() { COMPONENTS.len() } else { listed.len() };
        let fault =
            format!("{} of {count} components cannot match; expected 1 to {count}", required.unwrap_or_default());
        let possible = required.is_none_or(|required| (1..=count).contains(&usize::from(required)));
        refuse(!possible, &["binding", "required"], fault);
        if let Some(lists) = &self.lists {
            let silent = lists.oldest_number.is_none() && lists.max_age.is_none();
            refuse(silent, &["lists"], "nothing is said of lists; expected oldest-number or max-age".to_owned());
        }
        if let Some(repair) = &self.terms.clock_repair {
            let silent = repair.timestamp_anchors.is_empty() && !repair.two_holders;
            refuse(silent, &["terms", "clock-repair"], "no way of repair; expected timestamp-anchors".to_owned());
        }
        faults
    }

    /// What is wrong with the files that it names.
    pub(crate) fn file_faults(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut note = |path: &[&str], outcome: Result<(), Error>| {
            if let Err(error) = outcome {
                findings.push(Finding::error(error.code(), error.to_string(), error.advice()).at(self.places.of(path)));
            }
        };
        for (index, grant) in self.grants.iter().enumerate() {
            if let Some(Anchor::File(file)) = &grant.anchor {
                note(&["grants", &index.to_string(), "anchor"], certificate(file).map(drop));
            }
        }
        for (index, machine) in self.binding.machines.iter().enumerate() {
            note(&["binding", "machines", &index.to_string(), "file"], machine_facts(&machine.file).map(drop));
        }
        for (index, file) in self.terms.clock_repair.iter().flat_map(|repair| &repair.timestamp_anchors).enumerate() {
            let path = ["terms", "clock-repair", "timestamp-anchors", &index.to_string()];
            note(&path, certificate(file).map(drop));
        }
        findings
    }

    /// The number of the grant at a place in the list.
    pub(crate) fn grant_number(&self, index: usize) -> u16 {
        let place = u16::try_from(index + 1).unwrap_or(u16::MAX);
        self.grants.get(index).and_then(|grant| grant.number).unwrap_or(place)
    }

    /// Whether it says anything under a key.
    pub(crate) fn states(&self, path: &[&str]) -> bool {
        self.places.has(path)
    }

    /// Where it says what a finding is about.
    pub(crate) fn place(&self, about: &About) -> Place {
        match about {
            About::Entitlement(name) => self.places.of(&["entitlements", name]),
            About::Grant(number) => {
                let index = (0..self.grants.len()).find(|index| self.grant_number(*index) == *number);
                let index = index.unwrap_or_default().to_string();
                self.places.of(&["grants", &index, "anchor"])
            }
            // Its end, however it is stated.
            About::Key(["window"]) if self.states(&["window", "until"]) => self.places.of(&["window", "until"]),
            About::Key(["window"]) => self.places.of(&["window", "within"]),
            About::Key(path) => self.places.of(path),
            About::Machine(label) => {
                let mut machines = self.binding.machines.iter();
                let index = machines.position(|machine| machine.label.as_ref() == Some(label));
                self.places.of(&["binding", "machines", &index.unwrap_or_default().to_string(), "file"])
            }
            About::Nothing => self.places.of(&[]),
        }
    }
}

fn text<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

pub(crate) fn optional<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    text(deserializer).map(Some)
}

fn optional_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    last_second(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

pub(crate) fn list<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use countersign_testkit::Schema;
    use std::collections::BTreeSet;

    #[test]
    fn faults_name_their_line() {
        for (text, line, word) in [
            ("[customer]\nid = \"acme\"\nnmae = \"Acme\"\n", 3, "nmae"),
            ("[window]\nfrom = \"tomorrow\"\n", 2, "2026-11-24"),
            ("[terms]\n\nvalidity = \"soon\"\n", 3, "duration"),
            ("[[grants]]\nanchor = \"sha256:12\"\n", 2, "hexadecimal"),
            ("[entitlements]\npoints = 5\n", 2, "quotes"),
            ("[extensions]\n", 1, "sequence"),
            ("[[extensions]]\nid = \"1.2.840\"\nvalue = \"05\"\n", 3, "DER"),
            ("[[extensions]]\nid = \"first\"\nvalue = \"0500\"\n", 2, "first"),
            ("[customer\n", 1, ""),
            ("seats = -1\n", 1, ""),
            ("[window]\nuntil = \"2026-12-01\"\nwithin = \"30d\"\n", 3, "not both"),
            ("[window]\nfrom = \"2026-12-02\"\nuntil = \"2026-12-01\"\n", 3, "before it begins"),
            ("[product]\nbelow = \"2\"\nfrom = \"2.0\"\n", 2, "below 2.0.0"),
            ("[terms]\nrenew-after = \"30d\"\nvalidity = \"30d\"\n", 2, "less than the validity"),
            ("seats = 0\n", 1, "1 or more"),
            ("\napprovals = 9\n", 2, "0 to 8"),
            ("[[grants]]\n[[grants]]\nnumber = 1\n", 3, "grant 1 already"),
            ("[binding]\ncomponents = [\n  \"cpu\",\n  \"cpu:mandatory\",\n]\n", 4, "cpu"),
            ("[binding]\nrequired = 3\ncomponents = [\"cpu\", \"disk-serial\"]\n", 2, "1 to 2"),
            ("[binding]\nrequired = 6\n", 2, "1 to 5"),
            ("seats = 1\n[lists]\n", 2, "max-age"),
            ("[terms]\n\nclock-repair = {}\n", 3, "timestamp-anchors"),
        ] {
            let findings = Profile::parse(Path::new("x.toml"), text).unwrap_err();
            let [finding] = &findings[..] else { panic!("{text}: {findings:?}") };
            let found = finding.place.as_ref().and_then(|place| place.position);
            assert_eq!(found.map(|(line, _)| line), Some(line), "{text}: {}", finding.fact);
            assert!(finding.fact.contains(word) && finding.fact.contains("xpected"), "{text}: {}", finding.fact);
        }
    }

    /// The example of a profile in the documentation.
    fn example() -> &'static str {
        let page = include_str!("../../../docs/profile.md");
        page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
    }

    #[test]
    fn the_documented_example_is_a_profile() {
        let profile = Profile::parse(Path::new("x.toml"), example()).unwrap();
        assert!(profile.grants.len() > 1 && !profile.entitlements.is_empty() && profile.seats.is_some());
    }

    /// Notes the keys of the table that something is to be read from.
    struct Keys<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Keys<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("no table"))
        }

        fn deserialize_struct<V: de::Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            self.0.extend(fields);
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    /// The keys of the table from which a type is read.
    pub(crate) fn keys<T: for<'de> Deserialize<'de>>() -> BTreeSet<String> {
        let mut keys = Vec::new();
        assert!(T::deserialize(Keys(&mut keys)).is_err());
        keys.into_iter().map(str::to_owned).collect()
    }

    fn schema() -> Schema {
        Schema::parse(include_str!("profile.schema.json"))
    }

    #[test]
    fn the_schema_has_every_key_and_no_other() {
        let schema = schema();
        let keys_of = |definition: &serde_json::Value| -> BTreeSet<String> {
            assert_eq!(definition["additionalProperties"], false);
            definition["properties"].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys_of(schema.document()), keys::<Profile>());
        let tables = BTreeMap::from([
            ("binding", keys::<BindingTable>()),
            ("clockRepair", keys::<ClockRepairTable>()),
            ("customer", keys::<CustomerTable>()),
            ("entitlement", keys::<EntitlementTable>()),
            ("extension", keys::<ExtensionTable>()),
            ("grant", keys::<GrantTable>()),
            ("lists", keys::<ListsTable>()),
            ("machine", keys::<MachineTable>()),
            ("product", keys::<ProductTable>()),
            ("terms", keys::<TermsTable>()),
            ("window", keys::<WindowTable>()),
        ]);
        let definitions = schema.document()["$defs"].as_object().unwrap();
        let of_tables = definitions.iter().filter(|(_, definition)| definition.get("properties").is_some());
        let of_tables: BTreeMap<_, _> = of_tables.map(|(name, table)| (name.as_str(), keys_of(table))).collect();
        assert_eq!(of_tables, tables);
        // A table that nothing leads to would say nothing.
        for name in definitions.keys() {
            let reference = format!("\"#/$defs/{name}\"");
            assert!(schema.document().to_string().contains(&reference), "{name}");
        }
    }

    /// Whether the schema takes a profile.
    fn fits(text: &str) -> Result<(), String> {
        let table: toml::Table = toml::from_str(text).unwrap();
        schema().validate(&serde_json::to_value(table).unwrap())
    }

    #[test]
    fn the_schema_takes_what_is_a_profile() {
        for text in [
            example(),
            "",
            "approvals = 2",
            "[terms]\ngrace = \"1y 6months\"\nnotification = \"90min\"\n\
             clock-repair = { timestamp-anchors = [\"tsa.pem\"], two-holders = true }\n",
            "[window]\nfrom = \"2026-12-01T08:00:00Z\"\nuntil = \"2026-12-31\"\n",
            "[[grants]]\nnumber = 3\nanchor = \"own\"\nauthentication-slot = true\nattested = true\npersons = 2\n\
             criteria = [\"policy:1.2.3\", \"upn:*@example.com\", \"subject:CN=*\"]\n",
            "[binding]\nrequired = 1\ncomponents = [\"cpu\", \"tpm-key:mandatory\"]\ntpm = \"preferred\"\n\
             machines = [{ file = \"x.json\" }]\n",
            "[lists]\noldest-number = 7\nmax-age = \"30d\"\n",
            "[[extensions]]\nid = \"1.2.840\"\ncritical = true\nvalue = \"0500\"\n",
        ] {
            assert!(Profile::parse(Path::new("x.toml"), text).is_ok(), "{text}");
            assert_eq!(fits(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_none() {
        for text in [
            "seats = 0",
            "seats = \"5\"",
            "approvals = 9",
            "sets = 5",
            "customer = \"acme\"",
            "[customer]\nnmae = \"x\"",
            "[product]\nfrom = \"two\"",
            "[window]\nuntil = \"tomorrow\"",
            "[window]\nwithin = \"soon\"",
            "[window]\nwithin = 30",
            "grants = [{ anchor = \"\" }]",
            "grants = [{ number = 0 }]",
            "grants = [{ criteria = [\"colour:red\"] }]",
            "grants = [{ persons = 300 }]",
            "[binding]\ncomponents = [\"flux-capacitor\"]",
            "[binding]\nmachines = [{ label = \"x\" }]",
            "[binding]\ntpm = \"perhaps\"",
            "[entitlements]\npoints = 5",
            "[entitlements]\npoints = { until = \"2026-12-01\" }",
            "lists = {}",
            "extensions = [{ id = \"1.2.840\" }]",
            "extensions = [{ value = \"0500\" }]",
            "extensions = [{ id = \"one\", value = \"0500\" }]",
            "extensions = [{ id = \"1.2.840\", value = \"050\" }]",
        ] {
            assert!(Profile::parse(Path::new("x.toml"), text).is_err(), "{text}");
            assert!(fits(text).is_err(), "{text}");
        }
    }
}
