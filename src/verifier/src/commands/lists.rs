//! `lists`: the revocation lists of this machine, and removing one.

use crate::{
    advice,
    context::{Context, Objects, token_name},
    error::{Error, Exit},
    output::{Page, Report},
    plan::ListsRemove,
    ui,
};
use countersign::{Reason, StoredList, StoredListKind, Time, Trust};
use countersign_common::{
    Lists, MAX_LIST_SIZE, MAX_OBJECT_SIZE, NO_LISTS, RevocationList, SignedObject, VerifiedToken, decimal,
    display_name, token_list::TokenList,
};
use countersign_report as report;
use der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _, asn1::AnyRef};
use serde_json::{Value, json};

/// A list as it lies in the store.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: StoredListKind,
    pub(super) octets: u64,
    pub(super) indexed: bool,
    /// What it says of itself, or why it cannot be read.
    pub(super) says: Result<Says, Reason>,
}

pub(super) struct Says {
    pub(super) issuer: String,
    pub(super) number: String,
    pub(super) this_update: Time,
    pub(super) next_update: Time,
    revoked: usize,
    delta: bool,
    /// Whether the anchors in force lead to its signer; of a certificate revocation list that is told when it is asked.
    pub(super) counts: Option<bool>,
    /// The installed tokens for which it is not recent enough, by name.
    pub(super) stale_for: Vec<String>,
}

/// Every list of the store.
pub(super) fn listed<'s>(
    stored: &'s [StoredList],
    trust: &Trust<'_>,
    tokens: &[VerifiedToken<'_>],
    now: Option<Time>,
) -> Vec<(&'s StoredList, Listed)> {
    let describe = |(stored, kind): (&'s StoredList, StoredListKind)| {
        let says = match kind {
            StoredListKind::Tokens => token_list(stored, trust, tokens, now),
            StoredListKind::Certificates => certificate_list(stored),
        };
        let (name, octets, indexed) = (stored.name.clone(), stored.list.size(), stored.index.is_some());
        (stored, Listed { name, kind, octets, indexed, says })
    };
    stored.iter().filter_map(|stored| Some((stored, stored.kind()?))).map(describe).collect()
}

fn token_list(
    stored: &StoredList,
    trust: &Trust<'_>,
    tokens: &[VerifiedToken<'_>],
    now: Option<Time>,
) -> Result<Says, Reason> {
    let unreadable = |error: countersign::StoreError| Reason::StoreUnreadable(error.to_string());
    let der = stored.list.read(MAX_OBJECT_SIZE).map_err(unreadable)?;
    let object = SignedObject::from_der(&der)?;
    let body = TokenList::from_der(object.content())?;
    let counts = trust.lists.token_lists().iter().any(|list| list.object().digest() == object.digest());
    let stale = |token: &&VerifiedToken<'_>| {
        let terms = token.body().lists.as_ref();
        now.is_some_and(|now| {
            terms.is_some_and(|terms| !terms.accept(&body.number.to_be_bytes(), body.this_update.0, now))
        })
    };
    Ok(Says {
        issuer: object.signer().subject_text(),
        number: body.number.to_string(),
        this_update: body.this_update.0,
        next_update: body.next_update.0,
        revoked: body.revoked.as_ref().map_or(0, Vec::len),
        delta: false,
        counts: Some(counts),
        stale_for: tokens.iter().filter(stale).map(token_name).collect(),
    })
}

fn certificate_list(stored: &StoredList) -> Result<Says, Reason> {
    let unreadable = |error: countersign::StoreError| Reason::StoreUnreadable(error.to_string());
    let der = stored.list.read(MAX_LIST_SIZE).map_err(unreadable)?;
    let list = RevocationList::from_der(&der).map_err(|error| Reason::StoreUnreadable(error.to_string()))?;
    Ok(Says {
        issuer: display_name(list.issuer()),
        number: decimal(list.number()),
        this_update: list.this_update(),
        next_update: list.next_update(),
        revoked: entries(&der),
        delta: list.is_delta(),
        counts: None,
        stale_for: Vec::new(),
    })
}

/// How many entries a certificate revocation list has (RFC 5280 5.1): they stand after the two dates.
fn entries(der: &[u8]) -> usize {
    let counted = || -> der::Result<usize> {
        let mut list = SliceReader::new(AnyRef::from_der(der)?.value())?;
        let mut body = SliceReader::new(AnyRef::decode(&mut list)?.value())?;
        for _ in ["version", "signature", "issuer", "thisUpdate", "nextUpdate"] {
            AnyRef::decode(&mut body)?;
        }
        let next = AnyRef::decode(&mut body)?;
        if next.tag() != Tag::Sequence {
            return Ok(0);
        }
        let (mut entries, mut count) = (SliceReader::new(next.value())?, 0);
        while !entries.is_finished() {
            AnyRef::decode(&mut entries)?;
            count += 1;
        }
        Ok(count)
    };
    // The list was read before: it has these members.
    counted().unwrap_or_default()
}

pub(super) fn show(context: &Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let anchors = files.anchors()?;
    let objects = Objects::installed(&snapshot)?;
    let tokens: Vec<_> = objects.tokens_under(&anchors, &NO_LISTS).into_iter().flatten().collect();
    // A damaged list is told by its name.
    let trust = files.trust().unwrap_or(Trust { anchors: anchors.clone(), lists: Lists::default() });
    let lists = listed(snapshot.lists()?, &trust, &tokens, countersign::now());
    let lists: Vec<Listed> = lists.into_iter().map(|(_, listed)| listed).collect();
    let damaged = lists.iter().any(|list| list.says.is_err());
    let exit = if damaged { Exit::Refused } else { Exit::Done };
    Ok(Report::new(
        context.format,
        exit,
        || {
            if lists.is_empty() {
                return Page::fact("no revocation list is installed");
            }
            lists.iter().fold(Page::default(), described)
        },
        || json!({ "lists": lists.iter().map(view).collect::<Value>() }),
    ))
}

fn described(page: Page, list: &Listed) -> Page {
    let what = kind_words(list.kind);
    let says = match &list.says {
        Ok(says) => says,
        Err(reason) => {
            let line = format!("{what}, damaged: {reason} [{}]", reason.code());
            return page.line(&line).lines(&[("name", list.name.clone())]).next(advice::of(reason.code()));
        }
    };
    let delta = if says.delta { ", delta" } else { "" };
    let mut lines = vec![
        ("issued", format!("{}, next by {}", says.this_update, says.next_update)),
        ("revoked", says.revoked.to_string()),
    ];
    if says.counts == Some(false) {
        lines.push((
            "counts",
            "no: the anchors in force do not lead to its signer, or another list replaces it".to_owned(),
        ));
    }
    lines.extend(says.stale_for.iter().map(|token| ("too old for", format!("token {token}"))));
    let index = if list.indexed { ", indexed" } else { "" };
    lines.push(("size", format!("{} octets{index}", list.octets)));
    lines.push(("name", list.name.clone()));
    let page = page.line(&format!("{what}{delta} {} of {}", says.number, says.issuer)).lines(&lines);
    page.next(if says.stale_for.is_empty() { "" } else { advice::of("CS-3304") })
}

pub(super) fn kind_words(kind: StoredListKind) -> &'static str {
    match kind {
        StoredListKind::Certificates => "certificate revocation list",
        StoredListKind::Tokens => "token list",
    }
}

fn view(list: &Listed) -> Value {
    let kind = match list.kind {
        StoredListKind::Certificates => "certificate-list",
        StoredListKind::Tokens => "token-list",
    };
    let mut view = json!({ "name": list.name, "kind": kind, "octets": list.octets, "indexed": list.indexed });
    match &list.says {
        Ok(says) => {
            let members = json!({
                "issuer": says.issuer,
                "number": says.number,
                "this_update": says.this_update.to_string(),
                "next_update": says.next_update.to_string(),
                "revoked": says.revoked,
                "delta": says.delta,
                "counts": says.counts,
                "stale_for": says.stale_for,
            });
            for (name, value) in members.as_object().into_iter().flatten() {
                view[name] = value.clone();
            }
        }
        Err(reason) => view["reason"] = report::reason(reason),
    }
    view
}

/// `lists remove`. What cannot be read can be removed as well: a name is all that is needed.
pub(super) fn remove(plan: &ListsRemove, context: &mut Context<'_>) -> Result<Report, Error> {
    let snapshot = context.store.snapshot()?;
    let mut meant: Vec<_> =
        snapshot.lists()?.iter().map(|list| list.name.clone()).filter(|name| name.starts_with(&plan.name)).collect();
    let name = match (meant.pop(), meant.is_empty()) {
        (Some(name), true) => name,
        (Some(name), false) => {
            meant.push(name);
            return Err(Error::SeveralLists(meant));
        }
        (None, _) => return Err(Error::ListNotInstalled(plan.name.clone())),
    };
    if plan.ask {
        if !context.person.is_there() {
            return Err(Error::NoTerminal("a confirmation"));
        }
        let question = format!(
            "What the list {name} revokes would count again on this machine, and what was activated with it would be refused. \
             Remove it?"
        );
        ui::confirm(context.person, &question)?;
    }
    let mut locked = context.store.lock()?;
    let mut change = locked.change()?;
    if !change.remove_list(&name)? {
        return Err(Error::ListNotInstalled(name));
    }
    change.commit()?;
    Ok(Report::new(
        context.format,
        Exit::Done,
        || {
            Page::fact(&format!("the list {name} is removed"))
                .line("what it revoked is no longer revoked on this machine")
                .line("what was activated with it is refused until that list or a later one is back")
                .next("install the newest bundle of the authority: `countersign-verifier install FILE`")
        },
        || json!({ "removed": name }),
    ))
}
