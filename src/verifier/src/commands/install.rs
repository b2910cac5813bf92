//! `install`: tokens into the store, each after it verified, never an older one over a newer one.

use crate::{
    advice,
    context::{Context, Objects, parse_anchors, token_name},
    error::{Error, Exit},
    files,
    output::{Page, Report, error_json},
};
use countersign_common::{Anchors, SignedObject, Time, VerifiedToken, decode_object, encode_object};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// What became of one file.
struct Outcome {
    file: PathBuf,
    result: Result<Installed, Error>,
}

struct Installed {
    what: What,
    name: String,
    id: String,
    revision: u32,
    product: String,
    /// Why it cannot be used now although it is good, where that is so.
    window: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Already,
    Installed,
    Replaced { earlier: u32 },
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Already => "already-installed",
            Self::Installed => "installed",
            Self::Replaced { .. } => "replaced",
        }
    }
}

pub(super) fn run(files: &[PathBuf], context: &Context<'_>) -> Result<Report, Error> {
    let roots = context.roots().map_err(Error::unwritten)?;
    let anchors = parse_anchors(&roots).map_err(Error::unwritten)?;
    let outcomes: Vec<Outcome> =
        files.iter().map(|file| Outcome { file: file.clone(), result: install(file, &anchors, context) }).collect();
    let exit = outcomes
        .iter()
        .fold(Exit::Done, |exit, outcome| exit.worse(outcome.result.as_ref().map_or_else(Error::exit, |_| Exit::Done)));
    Ok(Report::new(context.format, exit, || page(&outcomes), || view(&outcomes)))
}

fn install(file: &Path, anchors: &Anchors<'_>, context: &Context<'_>) -> Result<Installed, Error> {
    let content = files::read(file)?;
    let der = decode_object(&content)?;
    let token = VerifiedToken::verify(SignedObject::from_der(&der)?, anchors)?;
    let body = token.body();
    let id = body.id.to_string();
    let mut what = What::Installed;
    // What is installed counts where it verifies, and so does the token that a record holds: a token that was removed
    // must not make room for an older one.
    let earlier = Objects::installed(context.store)?;
    let mut seen: Vec<(u32, [u8; 32], bool)> = Vec::new();
    for other in earlier.tokens(anchors).into_iter().flatten() {
        if other.body().id == body.id {
            seen.push((other.body().revision, other.object().digest(), true));
        }
    }
    let records = Objects::new(context.store.records(&body.product.id)?.iter().map(Vec::as_slice));
    for other in records.records(anchors).into_iter().flatten().map(|record| record.token().evidence()) {
        if other.id == body.id {
            seen.push((other.revision, other.digest.0, false));
        }
    }
    for (revision, digest, installed) in seen {
        if revision > body.revision {
            return Err(Error::OlderRevision { id, revision: body.revision, installed: revision });
        }
        if revision == body.revision && digest != token.object().digest() {
            return Err(Error::OtherContent { id, revision });
        }
        if installed {
            what = if revision == body.revision { What::Already } else { What::Replaced { earlier: revision } };
        }
    }
    if what != What::Already {
        // The time first: it may only rise, and a token in a store whose floor is damaged is of no use.
        context.store.advance_time(token.issued())?;
        context.store.keep_token(&body.id, encode_object(&der).as_bytes())?;
    }
    Ok(Installed {
        what,
        name: token_name(&token),
        id,
        revision: body.revision,
        product: body.product.id.clone(),
        window: countersign::now().and_then(|now| window(&token, now)),
    })
}

fn window(token: &VerifiedToken<'_>, now: Time) -> Option<String> {
    let window = token.body().window;
    if now > window.not_after.0 {
        Some(format!("its window closed {}", window.not_after.0))
    } else if now < window.not_before.0 {
        Some(format!("its window opens {}", window.not_before.0))
    } else {
        None
    }
}

fn page(outcomes: &[Outcome]) -> Page {
    let mut page = Page::default();
    for Outcome { file, result } in outcomes {
        let file = file.display();
        page = match result {
            Ok(installed) => {
                let did = match installed.what {
                    What::Already => "is installed already".to_owned(),
                    What::Installed => "is installed".to_owned(),
                    What::Replaced { earlier } => format!("is installed in place of version {earlier}"),
                };
                let window = installed.window.as_ref().map(|window| format!("; {window}")).unwrap_or_default();
                let next = if installed.window.is_none() { "activate: `countersign-verifier activate`" } else { "" };
                page.line(&format!("{file}: token {} {did}{window}", installed.name)).next(next)
            }
            Err(error) => page
                .failed(&format!("{file}: not installed: {error} [{}]", error.code()))
                .next(advice::of(error.code())),
        };
    }
    page
}

fn view(outcomes: &[Outcome]) -> Value {
    let files = outcomes.iter().map(|Outcome { file, result }| match result {
        Ok(installed) => json!({
            "file": file.to_string_lossy(),
            "outcome": installed.what.name(),
            "token": { "id": installed.id, "revision": installed.revision, "product": installed.product },
        }),
        Err(error) => json!({
            "file": file.to_string_lossy(),
            "outcome": "refused",
            "error": error_json(error),
        }),
    });
    json!({ "files": files.collect::<Value>() })
}
