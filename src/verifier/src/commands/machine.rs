//! `machine`: what this machine is recognised by.

use crate::{
    advice,
    context::{Context, Objects, facts, own_product, token_name},
    error::{Error, Exit},
    output::{Page, Report},
    plan::{TokenId, TokenSource},
};
use countersign::{ComponentFact, MachineFacts, Reason};
use countersign_common::{ComponentKind, VerifiedToken};
use countersign_report::{self as report, Line};
use serde_json::{Value, json};

pub(super) fn run(token: Option<&TokenSource>, context: &Context<'_>) -> Result<Report, Error> {
    let machine = context.machine.facts();
    let Some(source) = token else {
        return Ok(Report::new(
            context.format,
            Exit::Done,
            || page(&machine),
            || json!({ "machine": report::machine(&machine) }),
        ));
    };
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let trust = files.trust()?;
    let objects = match source {
        TokenSource::File(path) => Objects::file(path)?,
        TokenSource::Id(_) => Objects::installed(&snapshot)?,
    };
    let tokens = objects.tokens(&trust);
    let token = match source {
        TokenSource::File(_) => tokens.into_iter().next().unwrap_or(Err(Reason::NotActivated))?,
        TokenSource::Id(id) => find(tokens, id)?,
    };
    // The place alone is judged: a closed window is not the machine's doing.
    let body = token.body();
    let at = body.window.not_before.0.max(token.issued()).min(body.window.not_after.0);
    let facts = facts(Some(at), None, own_product(&token), &machine, &trust);
    let refusal = token.check_activation(&facts).err().filter(is_about_the_machine);
    let exit = match &refusal {
        None => Exit::Done,
        Some(reason) if reason.cannot_tell() => Exit::CannotTell,
        Some(_) => Exit::Refused,
    };
    Ok(Report::new(
        context.format,
        exit,
        || {
            let name = token_name(&token);
            let counted = counted(&token, &machine);
            match &refusal {
                None => page(&machine).line(&format!("this machine satisfies the token {name}")).lines(&counted),
                Some(reason) => page(&machine)
                    .line(&format!("this machine does not satisfy the token {name}: {reason} [{}]", reason.code()))
                    .lines(&counted)
                    .next(advice::of(reason.code())),
            }
        },
        || {
            json!({
                "machine": report::machine(&machine),
                "token": { "id": body.id.to_string(), "revision": body.revision, "product": body.product.id },
                "satisfied": refusal.is_none(),
                "reason": refusal.as_ref().map_or(Value::Null, report::reason),
            })
        },
    ))
}

fn is_about_the_machine(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::OtherMachine { .. }
            | Reason::MachineNotListed { .. }
            | Reason::TooFewComponents { .. }
            | Reason::VirtualMachine { .. }
    )
}

/// The one token that an id means.
pub(super) fn find<'a>(
    tokens: Vec<Result<VerifiedToken<'a>, Reason>>,
    id: &TokenId,
) -> Result<VerifiedToken<'a>, Error> {
    let mut meant: Vec<_> =
        tokens.into_iter().flatten().filter(|token| id.means(&token.body().id.to_string())).collect();
    match (meant.pop(), meant.is_empty()) {
        (Some(token), true) => Ok(token),
        (Some(token), false) => {
            meant.push(token);
            Err(Error::SeveralTokens(meant.iter().map(token_name).collect()))
        }
        (None, _) => Err(Error::TokenNotInstalled(id.text().to_owned())),
    }
}

fn counted(token: &VerifiedToken<'_>, machine: &MachineFacts) -> Vec<Line> {
    let binding = &token.body().binding;
    let present = machine.digests(binding);
    let mut lines = vec![("required", format!("{} of {}", binding.required, binding.components.len()))];
    for rule in &binding.components {
        let has = present.iter().any(|component| component.kind == rule.kind);
        let mandatory = if rule.mandatory { " (mandatory)" } else { "" };
        lines.push(("counts", format!("{}{mandatory}: {}", rule.kind, if has { "there" } else { "missing" })));
    }
    lines
}

fn page(machine: &MachineFacts) -> Page {
    let unreadable = machine.components.iter().any(|(_, fact)| matches!(fact, ComponentFact::Unreadable(_)));
    let page = Page::fact("this machine").lines(&lines(machine));
    if unreadable { page.next(advice::of("CS-8032")) } else { page }
}

/// The components in the clear, and what virtualises the machine.
pub(super) fn lines(machine: &MachineFacts) -> Vec<Line> {
    let mut lines = Vec::new();
    for (kind, fact) in &machine.components {
        match fact {
            ComponentFact::Values(values) => {
                lines.extend(
                    values
                        .iter()
                        .enumerate()
                        .map(|(index, value)| (if index == 0 { label(*kind) } else { "" }, value.clone())),
                );
            }
            ComponentFact::Absent => lines.push((label(*kind), "none".to_owned())),
            ComponentFact::Unreadable(why) => lines.push((label(*kind), format!("cannot be read: {why}"))),
        }
    }
    let virtualization = machine.virtualization.clone().unwrap_or_else(|| "none recognised".to_owned());
    lines.push(("virtual machine", virtualization));
    lines
}

fn label(kind: ComponentKind) -> &'static str {
    kind.name()
}
