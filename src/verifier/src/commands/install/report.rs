//! What `install` says.

use super::{Did, Judgement, Outcome, Parcel, Refusal};
use crate::{
    advice,
    context::Context,
    error::{Error, Exit},
    output::{Page, Report, error_json},
    plan::Install,
};
use countersign_common::{Certificate, bundle::PartKind};
use countersign_report as report;
use serde_json::{Value, json};

impl Did {
    const fn name(&self) -> &'static str {
        match self {
            Self::Already => "already-installed",
            Self::Installed => "installed",
            Self::Replaced(_) => "replaced",
            Self::Superseded => "superseded",
        }
    }

    fn words(&self, kind: PartKind, dry_run: bool) -> String {
        let is = if dry_run { "would be" } else { "is" };
        match self {
            Self::Already => "is installed already".to_owned(),
            Self::Installed => format!("{is} installed"),
            Self::Replaced(earlier) if kind == PartKind::Token => {
                format!("{is} installed in place of version {earlier}")
            }
            Self::Replaced(earlier) => format!("{is} installed in place of number {earlier}"),
            Self::Superseded => "does not count: a list that replaces it is here".to_owned(),
        }
    }
}

/// Everything verified.
pub(super) fn done(plan: &Install, context: &Context<'_>, judgement: &Judgement, parcels: &[Parcel<'_>]) -> Report {
    Report::new(
        context.format,
        Exit::Done,
        || page(plan, judgement, parcels),
        || {
            json!({
                "written": !plan.dry_run && !judgement.steps.is_empty(),
                "dry_run": plan.dry_run,
                "files": view(plan, judgement, parcels),
                "revoked": judgement.revoked.iter().map(|(token, reason)| json!({
                    "token": token,
                    "reason": report::reason(reason),
                })).collect::<Value>(),
            })
        },
    )
}

/// Something was refused, and so nothing was kept.
pub(super) fn refused(plan: &Install, context: &Context<'_>, refusals: &[Refusal]) -> Report {
    let exit = refusals.iter().fold(Exit::Done, |exit, refusal| exit.worse(refusal.error.exit()));
    let of = |file: usize| refusals.iter().filter(move |refusal| refusal.file == file);
    Report::new(
        context.format,
        exit,
        || {
            let mut page = Page::default();
            for (file, path) in plan.files.iter().enumerate() {
                let path = path.display();
                for Refusal { error, .. } in of(file) {
                    let line = format!("{path}: not installed: {error} [{}]", error.code());
                    page = page.failed(&line).next(next(error));
                }
                if of(file).next().is_none() {
                    page = page.failed(&format!("{path}: not installed, since not all of it can be"));
                }
            }
            page.line("nothing was written")
        },
        || {
            let files = plan.files.iter().enumerate().map(|(file, path)| {
                let mut view = json!({ "file": path.to_string_lossy(), "outcome": "held-back" });
                if let Some(refusal) = of(file).next() {
                    view["outcome"] = json!("refused");
                    view["error"] = error_json(&refusal.error);
                }
                view
            });
            json!({ "written": false, "dry_run": plan.dry_run, "files": files.collect::<Value>(), "revoked": [] })
        },
    )
}

fn next(error: &Error) -> &'static str {
    advice::of(error.code())
}

fn page(plan: &Install, judgement: &Judgement, parcels: &[Parcel<'_>]) -> Page {
    let mut page = Page::default();
    for (file, path) in plan.files.iter().enumerate() {
        let path = path.display();
        let parcel = parcels.iter().find(|parcel| parcel.file == file);
        if let Some(Parcel { bundle, .. }) = parcel {
            let (label, created) = (&bundle.manifest().label, bundle.created());
            let maker = bundle.object().signer().subject_text();
            page = page.line(&format!("{path}: bundle {label:?}, made {created} by {maker}"));
        }
        for outcome in judgement.outcomes.iter().filter(|outcome| outcome.file == file) {
            let words = words(outcome, plan.dry_run);
            page = match parcel {
                Some(_) => page.line(&format!("  {words}")),
                None => page.line(&format!("{path}: {words}")),
            };
            let usable = outcome.token.as_ref().is_some_and(|token| token.window.is_none());
            page = page.next(if usable { "activate: `countersign-verifier activate`" } else { "" });
        }
    }
    for (token, reason) in &judgement.revoked {
        page =
            page.line(&format!("revoked: token {token}: {reason} [{}]", reason.code())).next(advice::of(reason.code()));
    }
    if plan.dry_run { page.line("nothing was written: --dry-run") } else { page }
}

fn words(outcome: &Outcome, dry_run: bool) -> String {
    let window = outcome.token.as_ref().and_then(|token| token.window.as_ref());
    let window = window.map(|window| format!("; {window}")).unwrap_or_default();
    format!("{} {}{window}", outcome.name, outcome.did.words(outcome.kind, dry_run))
}

fn view(plan: &Install, judgement: &Judgement, parcels: &[Parcel<'_>]) -> Value {
    let files = plan.files.iter().enumerate().map(|(file, path)| {
        let parts: Vec<&Outcome> = judgement.outcomes.iter().filter(|outcome| outcome.file == file).collect();
        let mut view = json!({ "file": path.to_string_lossy() });
        let members = match parcels.iter().find(|parcel| parcel.file == file) {
            Some(parcel) => {
                let manifest = parcel.bundle.manifest();
                let mut bundle = json!({
                    "id": manifest.id.to_string(),
                    "label": manifest.label,
                    "created": parcel.bundle.created().to_string(),
                    "signer": Certificate::subject_text(parcel.bundle.object().signer()),
                });
                bundle["parts"] = parts.iter().map(|part| part_view(part)).collect();
                let changes = parts.iter().any(|part| matches!(part.did, Did::Installed | Did::Replaced(_)));
                let outcome = if changes { Did::Installed.name() } else { Did::Already.name() };
                json!({ "kind": "bundle", "outcome": outcome, "bundle": bundle })
            }
            None => match parts.as_slice() {
                [part] => part_view(part),
                // A file of several certificates.
                parts => json!({
                    "kind": "certificates",
                    "outcome": parts.iter().find(|part| !matches!(part.did, Did::Already)).map_or("already-installed", |_| "installed"),
                    "parts": parts.iter().map(|part| part_view(part)).collect::<Value>(),
                }),
            },
        };
        for (name, value) in members.as_object().into_iter().flatten() {
            view[name] = value.clone();
        }
        view
    });
    files.collect()
}

fn part_view(part: &Outcome) -> Value {
    let mut view = json!({ "kind": kind_name(part.kind), "outcome": part.did.name(), "name": part.name });
    if let Did::Replaced(earlier) = &part.did {
        view["earlier"] = json!(earlier);
    }
    if let Some(token) = &part.token {
        view["token"] = json!({ "id": token.id.to_string(), "revision": token.revision, "product": token.product });
    }
    if let Some(list) = &part.list {
        view["list"] = json!({
            "issuer": list.issuer,
            "number": list.number,
            "this_update": list.this_update.to_string(),
        });
    }
    view
}

const fn kind_name(kind: PartKind) -> &'static str {
    match kind {
        PartKind::AnchorsUpdate => "anchors-update",
        PartKind::Certificate => "certificate",
        PartKind::CertificateList => "certificate-list",
        PartKind::TokenList => "token-list",
        PartKind::Token => "token",
    }
}
