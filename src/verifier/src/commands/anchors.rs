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
use countersign_common::{Anchors, encode_certificate};
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
    let path = context.store.root().join("anchors.pem");
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
    let roots = context.roots()?;
    let anchors = parse_anchors(&roots)?;
    let file = file(context);
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            let page = Page::fact(&format!("trust anchors: {}", source_words(context.anchors.source())));
            described(page, &anchors, file.as_ref())
        },
        || json!({ "anchors": view(context, &anchors, file.as_ref()) }),
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
    let before = context.store.anchors()?;
    let written = before.as_deref() != Some(pem.as_bytes());
    if written {
        context.store.keep_anchors(pem.as_bytes())?;
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
            described(Page::fact(did), &anchors, file.as_ref())
        },
        || json!({ "anchors": view(context, &anchors, file.as_ref()), "written": written }),
    ))
}

fn described(mut page: Page, anchors: &Anchors<'_>, file: Option<&AnchorFile>) -> Page {
    let mut lines: Vec<_> =
        anchors.certificates().unwrap_or_default().iter().flat_map(report::certificate_lines).collect();
    lines.extend(file.map(|file| ("file", file.words())));
    page = page.lines(&lines);
    if file.is_some_and(AnchorFile::others_may_write) { page.next(advice::of("CS-8030")) } else { page }
}

fn view(context: &Context<'_>, anchors: &Anchors<'_>, file: Option<&AnchorFile>) -> Value {
    json!({
        "source": source_name(context.anchors.source()),
        "certificates": anchors.certificates().unwrap_or_default().iter().map(report::certificate).collect::<Value>(),
        "file": file.map_or(Value::Null, AnchorFile::view),
    })
}
