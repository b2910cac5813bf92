//! `check`: one line and an exit code, as fast as the signatures can be verified.

use super::{
    anchors::{self, AnchorFile},
    exit_of,
};
use crate::{
    advice,
    context::Context,
    output::{Page, Report},
    plan::ProductPlan,
};
use countersign::{AnchorSource, Verdict, assess};
use countersign_report as report;
use serde_json::{Value, json};

pub(super) fn run(plan: &ProductPlan, context: &Context<'_>) -> Report {
    let verdict = assess(context.store, &plan.facts.of(&plan.id), context.anchors, context.machine);
    let source = context.anchors.source();
    let file = anchors::file(context);
    Report::new(
        context.format,
        exit_of(verdict.state),
        || {
            let line = format!("{}; anchors: {}", headline(&plan.id, &verdict), source_words(source));
            let page = Page::fact(&line).next(advice::of(verdict.reason.code()));
            // Names are looked up only where there is something to tell.
            match file.as_ref().filter(|file| file.others_may_write()) {
                Some(file) => page.failed(&format!("trust anchors: {}", file.words())),
                None => page,
            }
        },
        || {
            let mut view = report::verdict(&verdict);
            view["product"] = json!(plan.id);
            view["anchors"] = json!({
                "source": source_name(source),
                "file": file.as_ref().map_or(Value::Null, AnchorFile::view),
            });
            view["next"] = json!(advice::of(verdict.reason.code()));
            view
        },
    )
}

/// `control-room: activated until 2027-11-24T09:30:00Z (UTC) [CS-0001]`
pub(super) fn headline(product: &str, verdict: &Verdict) -> String {
    let until = match (verdict.state.is_activated(), verdict.valid_until) {
        (true, Some(end)) => format!(", until {end} (UTC)"),
        (true, None) => ", without end".to_owned(),
        (false, _) => String::new(),
    };
    format!("{product}: {}{until} [{}]", verdict.reason, verdict.reason.code())
}

pub(super) fn source_name(source: AnchorSource) -> &'static str {
    match source {
        AnchorSource::Compiled => "compiled",
        AnchorSource::AdministratorStore => "administrator-store",
    }
}

pub(super) fn source_words(source: AnchorSource) -> &'static str {
    match source {
        AnchorSource::Compiled => "compiled in",
        AnchorSource::AdministratorStore => "the administrator's",
    }
}
