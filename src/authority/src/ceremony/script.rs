//! The script of a ceremony: a TOML file (docs/ceremony.md, The script).

use crate::{
    args::{KeyAlgorithm, RsaPadding},
    document::{self, Places},
    error::Error,
    files,
    key_uri::KeyPlace,
    lint::Finding,
    profile::optional,
    role::Role,
    words::{Interval, digest},
};
use clap::ValueEnum as _;
use core::str::FromStr;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};

/// The largest script that is read, in octets.
const MAX_SCRIPT: usize = 64 * 1024;
/// The most persons that a script names.
const MAX_PARTICIPANTS: usize = 32;
/// The longest text in a script, in characters.
const LONGEST: usize = 128;

/// What is to be done.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Found an authority.
    Found,
    /// New keys and certificates for roles.
    Renew,
    /// The same with a root among them, and certificates across between it and those before it.
    RollOver,
}

impl Kind {
    /// As the script has it.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Renew => "renew",
            Self::RollOver => "roll-over",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Document {
    ceremony: Option<Kind>,
    title: String,
    organization: Option<String>,
    place: Option<String>,
    participants: Vec<Participant>,
    keys: BTreeMap<String, KeyTable>,
}

/// Somebody who is there.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Participant {
    pub(crate) name: String,
    /// What the person is there for, such as "witness".
    pub(crate) part: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct KeyTable {
    #[serde(deserialize_with = "optional")]
    algorithm: Option<AlgorithmText>,
    #[serde(deserialize_with = "optional")]
    validity: Option<Interval>,
    #[serde(deserialize_with = "optional")]
    key: Option<KeyPlace>,
    rsa_padding: RsaPadding,
}

#[derive(Clone, Copy, Debug)]
struct AlgorithmText(KeyAlgorithm);

impl FromStr for AlgorithmText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        KeyAlgorithm::from_str(text, false).map(Self).map_err(|_| {
            let all: Vec<_> = KeyAlgorithm::value_variants().iter().map(|algorithm| algorithm.name()).collect();
            format!("{text:?} is no kind of key; expected one of {}", all.join(", "))
        })
    }
}

/// A key that is to be made, and its certificate.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) role: Role,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) padding: RsaPadding,
    pub(crate) place: KeyPlace,
    /// None where the script leaves it to what is usual for the role.
    pub(crate) validity: Option<Interval>,
}

/// A script without a fault.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) organization: Option<String>,
    pub(crate) place: Option<String>,
    pub(crate) participants: Vec<Participant>,
    /// In the order in which they are made: roots first.
    pub(crate) steps: Vec<Step>,
    /// SHA-256 of the file.
    pub(crate) digest: String,
    /// The file, for the transcript.
    pub(crate) text: String,
}

impl Script {
    /// Reads a script. Every fault is told with its line.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_text(path, MAX_SCRIPT)?;
        Self::parse(path, text).map_err(|faults| {
            let advice = "correct that line; docs/ceremony.md lists every key";
            let finding = |(place, fault)| Finding::error("CS-7093", fault, advice).at(place);
            Error::CeremonyScript(faults.into_iter().map(finding).collect())
        })
    }

    fn parse(path: &Path, text: String) -> Result<Self, Vec<document::Fault>> {
        let (document, places) = document::parse::<Document>(path, &text)?;
        let faults = document.faults(&places);
        let Some(kind) = document.ceremony.filter(|_| faults.is_empty()) else { return Err(faults) };
        let step = |role: Role| {
            let table = document.keys.get(role.slug()).cloned();
            let table = table.or_else(|| (kind == Kind::Found).then(KeyTable::default))?;
            Some(Step {
                role,
                algorithm: table.algorithm.map_or(KeyAlgorithm::P256, |algorithm| algorithm.0),
                padding: table.rsa_padding,
                place: table.key.unwrap_or(KeyPlace::File),
                validity: table.validity,
            })
        };
        Ok(Self {
            kind,
            steps: Role::ALL.into_iter().filter_map(step).collect(),
            digest: digest(text.as_bytes()),
            title: document.title,
            organization: document.organization,
            place: document.place,
            participants: document.participants,
            text,
        })
    }
}

impl Document {
    /// What is missing, and what contradicts itself.
    fn faults(&self, places: &Places) -> Vec<document::Fault> {
        let mut faults = Vec::new();
        let mut refuse = |wrong: bool, path: &[&str], fault: &str| {
            if wrong {
                faults.push((places.of(path), fault.to_owned()));
            }
        };
        let unsaid =
            |text: &str| text.trim().is_empty() || text.chars().count() > LONGEST || text.contains(char::is_control);
        let printable = "expected 1 to 128 printable characters";
        refuse(
            self.ceremony.is_none(),
            &["ceremony"],
            "nothing says which ceremony; expected ceremony = \"found\", \"renew\" or \"roll-over\"",
        );
        refuse(unsaid(&self.title), &["title"], &format!("the title: {printable}"));
        let founding = self.ceremony == Some(Kind::Found);
        let fault = "nothing says whose authority it is; expected organization = \"…\"";
        refuse(founding && self.organization.is_none(), &["organization"], fault);
        for (key, text) in [("organization", &self.organization), ("place", &self.place)] {
            refuse(text.as_deref().is_some_and(unsaid), &[key], &format!("{key}: {printable}"));
        }

        let persons = &self.participants;
        let fault =
            "a ceremony is held before others; expected two [[participants]] or more, each with a name and a part";
        refuse(persons.len() < 2, &["participants"], fault);
        refuse(persons.len() > MAX_PARTICIPANTS, &["participants"], "expected 32 participants or fewer");
        for (index, person) in persons.iter().enumerate() {
            let at = index.to_string();
            refuse(unsaid(&person.name), &["participants", &at, "name"], &format!("a name: {printable}"));
            refuse(unsaid(&person.part), &["participants", &at, "part"], &format!("a part: {printable}"));
            let twice = persons.iter().take(index).any(|earlier| earlier.name.trim() == person.name.trim());
            refuse(twice, &["participants", &at, "name"], "the same person stands there twice; expected each once");
        }

        let known = |name: &String| Role::from_name(name);
        for (name, table) in &self.keys {
            let fault = "no such role; expected token-root, holder-root, token-signer, list-signer, anchors-signer or ledger-signer";
            refuse(known(name).is_none(), &["keys", name], fault);
            let pss = table.rsa_padding == RsaPadding::Pss;
            let in_file = table.key.as_ref().is_none_or(|place| *place == KeyPlace::File);
            let fault = "PSS is for keys in hardware; expected key = \"pkcs11:…\" beside it";
            refuse(pss && in_file, &["keys", name, "rsa-padding"], fault);
            let rsa = table.algorithm.is_some_and(|algorithm| algorithm.0.name().starts_with("rsa"));
            refuse(
                pss && !in_file && !rsa,
                &["keys", name, "rsa-padding"],
                "PSS is for RSA keys; expected such an algorithm beside it",
            );
        }
        let renewing = matches!(self.ceremony, Some(Kind::Renew | Kind::RollOver));
        let fault = "nothing says which keys; expected a table such as [keys.token-signer]";
        refuse(renewing && self.keys.is_empty(), &["keys"], fault);
        let rolling = self.ceremony == Some(Kind::RollOver) && !self.keys.is_empty();
        let no_root = !self.keys.keys().filter_map(known).any(Role::is_root);
        let fault = "nothing rolls over; expected [keys.token-root] or [keys.holder-root]";
        refuse(rolling && no_root, &["keys"], fault);
        faults.extend(self.outliving(places));
        faults
    }

    /// Signers that would outlive the root that certifies them, as far as the script has both.
    fn outliving(&self, places: &Places) -> Vec<document::Fault> {
        let founding = self.ceremony == Some(Kind::Found);
        if !founding && !self.keys.contains_key(Role::TokenRoot.slug()) {
            return Vec::new();
        }
        let validity = |role: Role| {
            let stated = self.keys.get(role.slug()).and_then(|table| table.validity);
            stated.map_or(role.usual_validity(), |validity| u64::from(validity.0))
        };
        let signers = Role::ALL.into_iter().filter(|role| !role.is_root());
        let signers = signers.filter(|role| founding || self.keys.contains_key(role.slug()));
        let outlive = signers.filter(|role| validity(*role) > validity(Role::TokenRoot));
        let fault = |role: Role| {
            let fault = format!("the {} would outlive the token root; expected a shorter validity", role.name());
            (places.of(&["keys", role.slug(), "validity"]), fault)
        };
        outlive.map(fault).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEAD: &str = "ceremony = \"found\"\ntitle = \"T\"\norganization = \"O\"\n\
        participants = [{ name = \"A\", part = \"officer\" }, { name = \"B\", part = \"witness\" }]\n";

    fn faults(text: &str) -> Vec<(Option<usize>, String)> {
        let faults = Script::parse(Path::new("s.toml"), text.to_owned()).map(|_| ()).unwrap_err();
        faults.into_iter().map(|(place, fault)| (place.position.map(|(line, _)| line), fault)).collect()
    }

    #[test]
    fn a_founding_names_all_roles_and_a_renewal_those_that_are_meant() {
        let script = Script::parse(Path::new("s.toml"), HEAD.to_owned()).unwrap();
        assert_eq!((script.kind, script.steps.len(), script.participants.len()), (Kind::Found, 6, 2));
        assert!(script.steps[0].role == Role::TokenRoot && script.steps[0].place == KeyPlace::File);
        let renew = HEAD.replace("found", "renew") + "[keys.list-signer]\nalgorithm = \"p384\"\nvalidity = \"1y\"\n";
        let script = Script::parse(Path::new("s.toml"), renew).unwrap();
        assert_eq!(script.steps.len(), 1);
        assert_eq!((script.steps[0].role, script.steps[0].algorithm), (Role::ListSigner, KeyAlgorithm::P384));
    }

    #[test]
    fn faults_name_their_line() {
        let with = |more: &str| format!("{HEAD}{more}");
        for (text, line, word) in [
            (with("[keys.root]\n"), Some(5), "no such role"),
            (with("[keys.token-root]\nalgorithm = \"dsa\"\n"), Some(6), "rsa-2048"),
            (with("[keys.token-root]\nvalidity = \"soon\"\n"), Some(6), "duration"),
            (with("[keys.token-root]\nkey = \"usb\"\n"), Some(6), "pkcs11"),
            (with("[keys.token-root]\nsecret = \"x\"\n"), Some(6), "secret"),
            (with("[keys.token-root]\nrsa-padding = \"pss\"\n"), Some(6), "hardware"),
            (
                with("[keys.token-root]\nrsa-padding = \"pss\"\nkey = \"pkcs11:token=A?module-path=/m.so\"\n"),
                Some(6),
                "RSA keys",
            ),
            (with("[keys.token-root]\nvalidity = \"2y\"\n"), Some(5), "outlive"),
            (with("[keys.token-signer]\nvalidity = \"30y\"\n"), Some(6), "outlive"),
            (HEAD.replace("\"found\"", "\"celebrate\""), Some(1), "celebrate"),
            (HEAD.replace("ceremony", "ceremonie"), Some(1), "ceremonie"),
            (HEAD.replace("\"T\"", "\" \""), Some(2), "title"),
            (HEAD.replace("organization = \"O\"", ""), None, "whose authority"),
            (HEAD.replace("\"O\"", "\"a\\u0007b\""), Some(3), "printable"),
            (HEAD.replace("\"B\"", "\"A\""), Some(4), "twice"),
            (HEAD.replace(", { name = \"B\", part = \"witness\" }", ""), Some(4), "before others"),
            (HEAD.replace("found", "renew"), None, "which keys"),
            (HEAD.replace("found", "roll-over") + "[keys.token-signer]\n", Some(5), "nothing rolls over"),
        ] {
            let faults = faults(&text);
            assert!(faults.iter().any(|(at, fault)| *at == line && fault.contains(word)), "{text}: {faults:?}");
        }
        assert!(faults("").len() >= 3, "one fault does not hide the next");
    }
}
