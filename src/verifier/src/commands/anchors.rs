//! `anchors`: where the trust anchors come from, and setting the administrator's.

use super::check::{source_name, source_words};
use crate::{
    advice,
    context::{Context, certificates, parse_anchors},
    error::{Error, Exit},
    output::{Page, Report},
    rights::{self, Writers},
};
use countersign::AnchorSource;
use countersign_common::{Anchors, SignedObject, anchors_update::AnchorsUpdate, encode_certificate};
use countersign_report as report;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The administrator's file, as far as it can be seen.
pub(super) struct AnchorFile {
    pub(super) path: PathBuf,
    pub(super) writers: Option<Writers>,
}

/// Looks at the administrator's file; nothing where the anchors are compiled in.
pub(super) fn file(context: &Context<'_>) -> Option<AnchorFile> {
    if context.anchors.source() == AnchorSource::Compiled {
        return None;
    }
    let path = context.store.anchors_path();
    let writers = rights::writers(&path).ok().flatten();
    Some(AnchorFile { path, writers })
}

impl AnchorFile {
    /// Whether anybody but root may change the file or put another in its place.
    pub(super) fn others_may_write(&self) -> bool {
        self.writers.as_ref().is_some_and(|writers| !writers.only_root())
    }

    /// In one line: who owns it, who may write it.
    pub(super) fn words(&self) -> String {
        match &self.writers {
            Some(writers) => format!(
                "{}, owner {}, may be changed by {}",
                self.path.display(),
                rights::user_name(writers.owner),
                writers.names().join(", ")
            ),
            None => format!("{}, not there", self.path.display()),
        }
    }

    pub(super) fn view(&self) -> Value {
        self.writers.as_ref().map_or(Value::Null, |writers| {
            json!({
                "path": self.path.to_string_lossy(),
                "owner": rights::user_name(writers.owner),
                "mode": format!("{:04o}", writers.mode),
                "writers": writers.names(),
                "only_root": writers.only_root(),
            })
        })
    }
}

pub(super) fn show(context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let anchors = files.anchors()?;
    let update = files.updates()?.last().map(|der| SignedObject::from_der(der)).transpose()?;
    let update = update.as_ref().map(|update| AnchorsUpdate::from_der(update.content())).transpose()?;
    let file = file(context);
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            let page = Page::fact(&format!("trust anchors: {}", source_words(context.anchors.source())));
            described(page, &anchors, update.as_ref(), file.as_ref())
        },
        || json!({ "anchors": view(context, &anchors, update.as_ref(), file.as_ref()) }),
    ))
}

pub(super) fn set(path: &Path, context: &Context<'_>) -> Result<Report, Error> {
    if context.anchors.source() == AnchorSource::Compiled {
        return Err(Error::AnchorsCompiled);
    }
    let roots = certificates(path)?;
    let anchors = parse_anchors(&roots)?;
    for anchor in anchors.certificates()? {
        if !anchor.is_ca() {
            return Err(Error::NotAnAnchor(anchor.subject_text()));
        }
        anchor.public_key().map_err(countersign_common::Reason::Signer)?;
    }
    let pem: String = roots.iter().map(|der| encode_certificate(der)).collect();
    let before = context.store.snapshot()?.anchors()?;
    let written = before.as_deref() != Some(pem.as_bytes());
    let mut updates_removed = false;
    if written {
        let mut locked = context.store.lock()?;
        let mut change = locked.change()?;
        change.keep_anchors(pem.as_bytes())?;
        // An update would take the place of what the administrator says now.
        updates_removed = change.remove_anchors_updates()?;
        change.commit()?;
    }
    let file = file(context);
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            let did = match (written, before.is_some()) {
                (false, _) => "trust anchors: they were the same already",
                (true, false) => "trust anchors: set",
                (true, true) => "trust anchors: set in place of others; what those verified counts no longer",
            };
            let page = Page::fact(did);
            let page = if updates_removed { page.line("the updates of the last ones are removed") } else { page };
            described(page, &anchors, None, file.as_ref())
        },
        || json!({ "anchors": view(context, &anchors, None, file.as_ref()), "written": written }),
    ))
}

fn described(
    mut page: Page,
    anchors: &Anchors<'_>,
    update: Option<&AnchorsUpdate<'_>>,
    file: Option<&AnchorFile>,
) -> Page {
    let mut lines = Vec::new();
    for (place, anchor) in anchors.certificates().unwrap_or_default().iter().enumerate() {
        lines.extend(report::certificate_lines(anchor));
        lines.extend(anchors.end(place).map(|end| ("activates until", end.to_string())));
    }
    if let Some(update) = update {
        lines.push(("by update", format!("{} of {}", update.number, update.issued.0)));
        let who = format!("{} of the keys with these SHA-256", update.threshold);
        lines.push(("next update by", who));
        lines.extend(update.signers.iter().map(|signer| ("", signer.to_string())));
    }
    lines.extend(report::demands_lines(anchors.demands()));
    lines.extend(file.map(|file| ("file", file.words())));
    page = page.lines(&lines);
    if file.is_some_and(AnchorFile::others_may_write) { page.next(advice::of("CS-8030")) } else { page }
}

fn view(
    context: &Context<'_>,
    anchors: &Anchors<'_>,
    update: Option<&AnchorsUpdate<'_>>,
    file: Option<&AnchorFile>,
) -> Value {
    json!({
        "source": source_name(context.anchors.source()),
        "certificates": anchors.certificates().unwrap_or_default().iter().map(report::certificate).collect::<Value>(),
        "update": update.map_or(Value::Null, report::anchors_update),
        "file": file.map_or(Value::Null, AnchorFile::view),
    })
}
