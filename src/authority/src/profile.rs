//! A profile: the terms of a token in a TOML file (docs/profile.md).

use crate::{
    error::Error,
    files,
    words::{Anchor, Component, CriterionText, Interval, Tpm, last_second},
};
use core::{fmt::Display, str::FromStr};
use countersign_common::{Time, token::ProductVersion};
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
    pub(crate) customer: CustomerTable,
    pub(crate) product: ProductTable,
    pub(crate) window: WindowTable,
    pub(crate) terms: TermsTable,
    pub(crate) grants: Vec<GrantTable>,
    pub(crate) binding: BindingTable,
    pub(crate) entitlements: BTreeMap<String, EntitlementEntry>,
    pub(crate) lists: Option<ListsTable>,
    pub(crate) extensions: Vec<ExtensionTable>,
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
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) critical: bool,
    /// DER in hexadecimal.
    pub(crate) value: String,
}

impl Profile {
    /// Reads a profile. Files that it names are sought beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_text(path, MAX_PROFILE)?;
        let mut profile =
            Self::parse(&text).map_err(|(line, fault)| Error::Profile { path: path.to_owned(), line, fault })?;
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

    /// The profile, or the line and the fault.
    pub(crate) fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            (line, error.message().trim().replace('\n', " "))
        })
    }
}

fn text<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn optional<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    text(deserializer).map(Some)
}

fn optional_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    last_second(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn list<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_line() {
        for (text, line, word) in [
            ("[customer]\nid = \"acme\"\nnmae = \"Acme\"\n", 3, "nmae"),
            ("[window]\nfrom = \"tomorrow\"\n", 2, "2026-11-24"),
            ("[terms]\n\nvalidity = \"soon\"\n", 3, "duration"),
            ("[[grants]]\nanchor = \"sha256:12\"\n", 2, "hexadecimal"),
            ("[entitlements]\npoints = 5\n", 2, "quotes"),
            ("[customer\n", 1, ""),
            ("seats = -1\n", 1, ""),
        ] {
            let (found, fault) = Profile::parse(text).unwrap_err();
            assert_eq!(found, Some(line), "{text}: {fault}");
            assert!(fault.contains(word), "{text}: {fault}");
        }
    }

    #[test]
    fn the_documented_example_is_a_profile() {
        let page = include_str!("../../../docs/profile.md");
        let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let profile = Profile::parse(example).unwrap();
        assert!(profile.grants.len() > 1 && !profile.entitlements.is_empty() && profile.seats.is_some());
    }
}
