//! `path`: a certificate path from files by RFC 5280, explained step by step; the store is not touched.

use crate::{
    advice,
    context::{Context, certificates, clock},
    error::{Error, Exit},
    files,
    output::{Page, Report},
    plan::PathPlan,
};
use countersign_common::{
    Certificate, MAX_LIST_SIZE, PathError, PathErrorKind, Reason, RevocationList, Time, decimal,
    decode_certificate_list, display_name,
};
use countersign_pki::{Attempt, Budget, PathRules, Place, PolicySet, RevocationRules, ValidatedPath, explain_path};
use countersign_report as report;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What a search may spend: the certificates come from whoever asks, who can wait.
const BUDGET: Budget = Budget { signatures: 1_024, steps: 65_536 };

/// Certificates as they were read, and where from.
struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut all = Vec::new();
        for path in paths {
            all.extend(certificates(path)?.into_iter().map(|der| (path.clone(), der)));
        }
        Ok(Self(all))
    }

    fn parse(&self) -> Result<Vec<Certificate<'_>>, Error> {
        let parsed = self.0.iter().map(|(_, der)| Certificate::from_der(der));
        Ok(parsed.collect::<Result<_, _>>().map_err(Reason::Signer)?)
    }
}

/// Everything that takes part, for telling of it.
struct Scene<'s> {
    plan: &'s PathPlan,
    at: Time,
    leaf: &'s Certificate<'s>,
    untrusted: &'s [Certificate<'s>],
    untrusted_files: &'s [PathBuf],
    anchors: &'s [Certificate<'s>],
    anchor_files: &'s [PathBuf],
    lists: &'s [RevocationList<'s>],
}

/// One certificate of the path that was found.
struct Step<'s> {
    certificate: &'s Certificate<'s>,
    file: &'s Path,
    checked: Vec<String>,
}

pub(super) fn run(plan: &PathPlan, context: &Context<'_>) -> Result<Report, Error> {
    let at = plan.at.map_or_else(clock, Ok)?;
    let mut leaf = Files::read(std::slice::from_ref(&plan.leaf))?;
    let mut untrusted = Files::read(&plan.untrusted)?;
    // What stands behind the leaf in its file is untrusted as well.
    untrusted.0.extend(leaf.0.drain(1..));
    let anchors = Files::read(&plan.anchors)?;
    let lists = lists(&plan.lists)?;
    let parsed_lists: Vec<_> = lists
        .iter()
        .map(|der| RevocationList::from_der(der))
        .collect::<Result<_, _>>()
        .map_err(|kind| Reason::List(PathError { kind, subject: String::new() }))?;
    let (leaves, others, roots) = (leaf.parse()?, untrusted.parse()?, anchors.parse()?);
    let [leaf] = leaves.as_slice() else { return Err(Reason::NotPem("no PEM block").into()) };
    let files = |files: &Files| files.0.iter().map(|(file, _)| file.clone()).collect::<Vec<_>>();
    let scene = Scene {
        plan,
        at,
        leaf,
        untrusted: &others,
        untrusted_files: &files(&untrusted),
        anchors: &roots,
        anchor_files: &files(&anchors),
        lists: &parsed_lists,
    };
    let asked = !scene.lists.is_empty() || plan.require_revocation;
    let revocation = asked.then(|| RevocationRules {
        lists: scene.lists,
        required: plan.require_revocation,
        current_at: plan.current_lists.then_some(at),
        dated: false,
    });
    let rules = PathRules {
        time: at,
        extended_key_usage: plan.extended_key_usage,
        signing: plan.signing,
        policies: plan.policies.clone(),
        revocation,
    };
    let (found, attempts) = explain_path(leaf, &others, &roots, &rules, &mut BUDGET.clone());
    let exit = if found.is_ok() { Exit::Done } else { Exit::Refused };
    Ok(Report::new(context.format, exit, || page(&scene, &found, &attempts), || view(&scene, &found, &attempts)))
}

fn lists(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Error> {
    let read = |path: &PathBuf| {
        let file = files::read_up_to(path, MAX_LIST_SIZE / 8 * 11)?;
        Ok(decode_certificate_list(&file)?.into_owned())
    };
    paths.iter().map(read).collect()
}

impl<'s> Scene<'s> {
    /// From the anchor down to the leaf.
    fn steps(&self, path: &ValidatedPath) -> Vec<Step<'s>> {
        let mut steps = Vec::new();
        if let (Some(certificate), Some(file)) = (self.anchors.get(path.anchor()), self.anchor_files.get(path.anchor()))
        {
            steps.push(Step { certificate, file, checked: vec!["trusted as it stands (6.1.1 d)".to_owned()] });
        }
        for place in path.intermediates().iter().rev() {
            if let (Some(certificate), Some(file)) = (self.untrusted.get(*place), self.untrusted_files.get(*place)) {
                let mut checked = self.checked_of_all();
                checked.push("CA and path length (6.1.4 k to m)".to_owned());
                checked.push("keyCertSign (6.1.4 n)".to_owned());
                steps.push(Step { certificate, file, checked });
            }
        }
        let mut checked = self.checked_of_all();
        if self.plan.signing {
            checked.push("key usage for signing (4.2.1.3)".to_owned());
        }
        checked.extend(self.plan.extended_key_usage.map(|usage| format!("extended key usage {usage} (4.2.1.12)")));
        steps.push(Step { certificate: self.leaf, file: &self.plan.leaf, checked });
        steps
    }

    fn checked_of_all(&self) -> Vec<String> {
        let mut checked = vec![
            "signature of its issuer (6.1.3 a 1)".to_owned(),
            format!("valid at {} (6.1.3 a 2)", self.at),
            "names within all constraints (6.1.3 b, c)".to_owned(),
            "policies (6.1.3 d to f)".to_owned(),
            "extensions and profile (4)".to_owned(),
        ];
        if self.plan.require_revocation {
            checked.push("not revoked, as a list says (6.3)".to_owned());
        } else if !self.lists.is_empty() {
            checked.push("no list says that it is revoked (6.3)".to_owned());
        }
        checked
    }

    fn subject(&self, place: Place) -> String {
        let certificate = match place {
            Place::Anchor(place) => self.anchors.get(place),
            Place::Leaf => Some(self.leaf),
            Place::Untrusted(place) => self.untrusted.get(place),
        };
        certificate.map(Certificate::subject_text).unwrap_or_default()
    }

    fn way(&self, attempt: &Attempt) -> Vec<String> {
        attempt.certificates.iter().map(|place| self.subject(*place)).collect()
    }
}

/// The section of RFC 5280 that a rule stands in; nothing for rules of our own.
fn section(kind: &PathErrorKind) -> Option<&'static str> {
    Some(match kind.code() {
        "CS-2001" => "4.1",
        "CS-2002" => "4.2",
        "CS-2004" => "4.1.1.2",
        "CS-2005" => "4.1.2.7",
        "CS-2006" => "6.1",
        "CS-2007" => "6.1.3 (a) (1)",
        "CS-2008" | "CS-2009" => "6.1.3 (a) (2)",
        "CS-2010" => "6.1.4 (k)",
        "CS-2011" => "6.1.4 (n)",
        "CS-2012" => "6.1.4 (l) and (m)",
        "CS-2013" => "4.2.1.3",
        "CS-2014" => "4.2.1.12",
        "CS-2016" => "4",
        "CS-2017" => "6.1.3 (b)",
        "CS-2018" => "6.1.3 (c)",
        "CS-2019" => "4.2.1.10",
        "CS-2020" => "6.1.3 (f) and 6.1.5 (g)",
        "CS-2030" | "CS-2031" => "5",
        "CS-2034" => "6.3.3 (f) and (g)",
        "CS-2035" | "CS-2036" => "6.1.3 (a) (3) and 6.3.3",
        "CS-2037" => "6.3.3",
        _ => return None,
    })
}

/// The rule in words, with its code and section.
fn ruled(error: &PathError) -> String {
    let section = section(&error.kind).map(|section| format!(", RFC 5280 section {section}")).unwrap_or_default();
    format!("{error} [{}{section}]", error.kind.code())
}

fn page(scene: &Scene<'_>, found: &Result<ValidatedPath, PathError>, attempts: &[Attempt]) -> Page {
    let (file, at) = (scene.plan.leaf.display(), scene.at);
    match found {
        Ok(path) => {
            let steps = scene.steps(path);
            let mut page = Page::fact(&format!(
                "{file}: a valid path of {} certificates below the anchor, judged at {at} (UTC)",
                steps.len() - 1
            ));
            for (place, step) in steps.iter().enumerate() {
                page = described(page, place, step);
            }
            let mut lines = vec![("valid for", policies(path.policies()))];
            lines.extend(path.lists().iter().filter_map(|place| scene.lists.get(*place)).map(|list| {
                let (number, issuer) = (decimal(list.number()), display_name(list.issuer()));
                ("by the list", format!("{number} of {issuer}, {} to {}", list.this_update(), list.next_update()))
            }));
            page = page.lines(&lines);
            if attempts.is_empty() { page } else { tried(page, "tried before it", scene, attempts) }
        }
        Err(error) => {
            let page = Page::fact(&format!("{file}: refused, judged at {at} (UTC): {}", ruled(error)));
            let page = page.lines(&report::certificate_lines(scene.leaf));
            tried(page, "tried", scene, attempts).next(advice::of(error.kind.code()))
        }
    }
}

fn described(page: Page, place: usize, step: &Step<'_>) -> Page {
    let certificate = step.certificate;
    let mut lines = vec![
        ("issuer", display_name(certificate.issuer())),
        ("valid", format!("{} to {}", certificate.not_before(), certificate.not_after())),
        ("from", step.file.display().to_string()),
    ];
    let checked = step.checked.iter().enumerate();
    lines.extend(checked.map(|(line, words)| (if line == 0 { "checked" } else { "" }, words.clone())));
    page.line(&format!("{place}  {}", certificate.subject_text())).lines(&lines)
}

fn tried(page: Page, word: &str, scene: &Scene<'_>, attempts: &[Attempt]) -> Page {
    attempts.iter().fold(page, |page, attempt| {
        page.line(&format!("{word}: {}", scene.way(attempt).join(" > "))).line(&format!("  {}", ruled(&attempt.error)))
    })
}

fn policies(set: &PolicySet) -> String {
    let named: Vec<_> = set.named().iter().map(ToString::to_string).collect();
    match (named.is_empty(), set.any()) {
        (true, true) => "any policy".to_owned(),
        (true, false) => "no policy".to_owned(),
        (false, any) => format!("policy {}{}", named.join(", "), if any { ", and any other" } else { "" }),
    }
}

fn view(scene: &Scene<'_>, found: &Result<ValidatedPath, PathError>, attempts: &[Attempt]) -> Value {
    let error = found.as_ref().err();
    let path = found.as_ref().ok();
    let steps = path.map(|path| scene.steps(path)).unwrap_or_default();
    let lists = path.map(ValidatedPath::lists).unwrap_or_default();
    json!({
        "leaf": scene.plan.leaf.to_string_lossy(),
        "at": scene.at.to_string(),
        "valid": error.is_none(),
        "reason": error.map_or(Value::Null, reason),
        "next": error.map(|error| advice::of(error.kind.code())),
        "path": steps.iter().map(|step| json!({
            "certificate": report::certificate(step.certificate),
            "issuer": display_name(step.certificate.issuer()),
            "file": step.file.to_string_lossy(),
            "checked": step.checked,
        })).collect::<Value>(),
        "policies": path.map_or(Value::Null, |path| json!({
            "any": path.policies().any(),
            "named": path.policies().named().iter().map(ToString::to_string).collect::<Value>(),
        })),
        "lists": lists.iter().filter_map(|place| scene.lists.get(*place)).map(|list| json!({
            "issuer": display_name(list.issuer()),
            "number": decimal(list.number()),
            "this_update": list.this_update().to_string(),
            "next_update": list.next_update().to_string(),
        })).collect::<Value>(),
        "attempts": attempts.iter().map(|attempt| json!({
            "certificates": scene.way(attempt),
            "reason": reason(&attempt.error),
        })).collect::<Value>(),
    })
}

fn reason(error: &PathError) -> Value {
    json!({
        "code": error.kind.code(),
        "message": error.to_string(),
        "subject": error.subject,
        "section": section(&error.kind),
    })
}
