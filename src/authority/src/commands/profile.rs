//! `profile`: what `issue` would make of a profile, and the JSON Schema of profiles.

use super::{
    Answer, Context,
    issue::{Certificates, check as check_body},
};
use crate::{
    args::Issue,
    clock,
    document::Place,
    error::Error,
    files,
    home::Home,
    ledger::Writing,
    limits::Limits,
    lint::{About, Finding},
    plan::{Identity, IssuePlan},
    profile::Profile,
    words::Interval,
};
use countersign_common::{Octets, Time};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// JSON Schema 2020-12 of profiles.
const SCHEMA: &str = include_str!("../profile.schema.json");
/// The same of the authority's limits.
const LIMITS_SCHEMA: &str = include_str!("../limits.schema.json");
/// Stands for the product that a profile leaves to a flag.
const TO_BE_STATED: &str = "to-be-stated";

pub(super) fn check(profiles: &[PathBuf], context: &Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let limits = Limits::read(home.path())?;
    let certificates = Certificates::read(&home)?;
    let now = clock::now()?;
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let checker = Checker { limits, certificates, now, writing };

    let (mut text, mut checked, mut findings, mut readable) = (String::new(), Vec::new(), Vec::new(), true);
    for path in profiles {
        match checker.check(path) {
            Ok((open, warnings)) => {
                let rest =
                    if open.is_empty() { String::new() } else { format!("; still to be said: {}", open.join(", ")) };
                text += &format!("{} is good{rest}\n", path.display());
                checked.push(json!({ "file": path, "open": open }));
                findings.extend(warnings);
            }
            Err(Error::Lint(refused)) => findings.extend(refused),
            Err(Error::Profile(faults)) => {
                readable = false;
                findings.extend(faults);
            }
            Err(error @ (Error::File { .. } | Error::FileTooLarge { .. })) => {
                readable = false;
                let place = Place { file: path.clone(), position: None };
                findings.push(
                    Finding::error(error.code(), "the profile cannot be read".to_owned(), error.advice()).at(place),
                );
            }
            Err(error) => return Err(error),
        }
    }
    if !readable {
        return Err(Error::Profile(findings));
    }
    if findings.iter().any(Finding::is_error) {
        return Err(Error::Lint(findings));
    }
    if profiles.is_empty() {
        text = "The limits are good.\n".to_owned();
    }
    let json = json!({ "officer": checker.limits.officer(), "profiles": checked });
    Ok(Answer { text, json, warnings: findings })
}

pub(super) fn schema(limits: bool, out: Option<&Path>) -> Result<Answer, Error> {
    let (schema, of) = if limits { (LIMITS_SCHEMA, "limits") } else { (SCHEMA, "profiles") };
    let document: Value = serde_json::from_str(schema).unwrap_or_default();
    let text = match out {
        Some(path) => {
            files::NewFile::reserve(path)?.finish(schema.as_bytes())?;
            format!("Wrote the JSON Schema of {of} into {}.\n", path.display())
        }
        None => schema.to_owned(),
    };
    let json = json!({ "file": out, "schema": document });
    Ok(Answer { text, json, warnings: Vec::new() })
}

/// What profiles are held to.
struct Checker<'a> {
    limits: Limits,
    certificates: Certificates,
    now: Time,
    writing: Writing<'a>,
}

impl Checker<'_> {
    /// The flags that `issue` would still need, and what is unwise.
    fn check(&self, path: &Path) -> Result<(Vec<&'static str>, Vec<Finding>), Error> {
        let profile = Profile::read(path)?;
        let faults = profile.file_faults();
        if !faults.is_empty() {
            return Err(Error::Profile(faults));
        }
        // What is left to flags gets a value that no rule minds.
        let (mut flags, mut open) = (Issue::default(), Vec::new());
        if profile.customer.id.is_none() {
            flags.customer = Some(TO_BE_STATED.to_owned());
            open.push("--customer");
        }
        if profile.product.id.is_none() {
            flags.product = Some(TO_BE_STATED.to_owned());
            open.push("--product");
        }
        if profile.window.until.is_none() && profile.window.within.is_none() && !self.limits.defaults().state_window() {
            flags.activate_within = Some(Interval(1));
            open.push("--activate-within");
        }
        let customer_name = profile.customer.name.clone().unwrap_or_else(|| TO_BE_STATED.to_owned());
        let of = profile.clone();
        let plan = IssuePlan::new(profile, flags, self.limits.defaults(), self.now, &self.certificates.holder_root)?;
        let identity = Identity { id: Octets([0; 16]), revision: 1, customer_name, salt: Octets([0; 32]) };
        let body = plan.body(&identity);
        let newest_list = self.writing.newest_token_list()?;
        let found = match check_body(&body, false, &self.certificates, &self.limits, newest_list, self.now) {
            Err(Error::Lint(findings)) => findings,
            found => found?,
        };
        let mut findings = Vec::new();
        for finding in found {
            match left_to_flag(&finding, &of) {
                Some(flag) if open.contains(&flag) => {}
                Some(flag) => open.push(flag),
                None => {
                    let place = of.place(&finding.about);
                    findings.push(finding.at(place));
                }
            }
        }
        if findings.iter().any(Finding::is_error) { Err(Error::Lint(findings)) } else { Ok((open, findings)) }
    }
}

/// The flag that can still say what a limit asks for, where the profile is silent.
fn left_to_flag(finding: &Finding, profile: &Profile) -> Option<&'static str> {
    let About::Key(path) = finding.about else { return None };
    if finding.code != Finding::LIMIT || profile.states(path) {
        return None;
    }
    match path {
        ["product", "id"] => Some("--product"),
        ["product", "edition"] => Some("--edition"),
        ["terms", "validity"] => Some("--validity"),
        ["seats"] => Some("--seats"),
        ["binding", "machines"] => Some("--machine"),
        ["binding", "virtual-machines"] => Some("--virtual-machines"),
        _ => None,
    }
}
