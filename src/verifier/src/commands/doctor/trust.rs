//! What verdicts rest on: anchors and their updates, revocation lists, tokens.

use super::Examination;
use crate::{
    commands::{
        anchors, check,
        install::INDEXED_FROM,
        lists::{self, Listed},
        tokens::window,
    },
    context::{Context, Objects, facts, own_product, token_name},
    error::Error,
    signers::{Known, check_list, holder_anchors, list_signers},
};
use countersign::{Snapshot, StoredList, StoredListKind, Trust, TrustFiles};
use countersign_common::{
    Anchors, Certificate, Lists, MAX_LIST_SIZE, NO_LISTS, PathErrorKind, RevocationList, VerifiedToken,
    decode_certificates,
};

/// How long before an overlap ends it is told of, in seconds: two visits of a courier.
const SOON: u64 = 60 * 86_400;

pub(super) fn examine(found: &mut Examination, context: &Context<'_>) {
    const ABOUT: &str = "anchors";
    if let Some(file) = anchors::file(context)
        && let Some(writers) = &file.writers
    {
        if writers.only_root() {
            found.good(ABOUT, file.words());
        } else {
            found.finding(ABOUT, file.words(), "CS-8030");
        }
    }
    if let Err(error) = examined(found, context) {
        found.failed(ABOUT, &error);
    }
}

fn examined(found: &mut Examination, context: &Context<'_>) -> Result<(), Error> {
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let anchors = files.anchors()?;
    examine_anchors(found, context, &snapshot, &files, &anchors)?;
    let objects = Objects::installed(&snapshot)?;
    // Each list is looked at by itself, so that a damaged one is told by its name.
    let trust = files.trust().unwrap_or(Trust { anchors: anchors.clone(), lists: Lists::default() });
    let tokens: Vec<_> = objects.tokens_under(&anchors, &NO_LISTS).into_iter().flatten().collect();
    let signers = Signers::new(&snapshot, &tokens)?;
    let signers = signers.parse(&anchors);
    for (stored, listed) in lists::listed(snapshot.lists()?, &trust, &tokens, countersign::now()) {
        examine_list(found, stored, &listed, &signers);
    }
    examine_tokens(found, context, &objects, &trust);
    Ok(())
}

fn examine_anchors(
    found: &mut Examination,
    context: &Context<'_>,
    snapshot: &Snapshot,
    files: &TrustFiles<'_>,
    anchors: &Anchors<'_>,
) -> Result<(), Error> {
    let source = check::source_words(context.anchors.source());
    let certificates = anchors.certificates()?;
    let number = anchors.number();
    let by = if number == 0 { String::new() } else { format!(", by update {number}") };
    found.good("anchors", format!("{} of them, {source}{by}", certificates.len()));
    if files.updates()?.is_empty() && snapshot.anchors_updates()?.is_some() {
        found.finding("anchors", "the updates in the store begin at other anchors and say nothing", "CS-8036");
    }
    for (place, anchor) in certificates.iter().enumerate() {
        let (Some(end), Some(now)) = (anchors.end(place), countersign::now()) else { continue };
        let subject = anchor.subject_text();
        if end < now {
            found.finding("anchors", format!("nothing is activated under {subject} since {end}"), "CS-8037");
        } else if end < now.plus(SOON) {
            found.finding("anchors", format!("nothing will be activated under {subject} after {end}"), "CS-8037");
        } else {
            found.good("anchors", format!("activated under {subject} until {end}"));
        }
    }
    Ok(())
}

/// Whoever may have signed certificate revocation lists.
struct Signers {
    tokens: Vec<Known>,
    holder_anchors: Vec<Vec<u8>>,
    issuers: Vec<Vec<u8>>,
}

impl Signers {
    fn new(snapshot: &Snapshot, tokens: &[VerifiedToken<'_>]) -> Result<Self, Error> {
        let mut issuers = Vec::new();
        for pem in snapshot.certificates()? {
            issuers.extend(decode_certificates(&pem)?);
        }
        let tokens: Vec<_> = tokens.iter().map(Known::new).collect();
        Ok(Self { holder_anchors: holder_anchors(&tokens, &issuers), tokens, issuers })
    }

    fn parse<'s>(&'s self, anchors: &'s Anchors<'_>) -> Vec<Certificate<'s>> {
        list_signers(&self.tokens, anchors, &self.holder_anchors, &self.issuers)
    }
}

fn examine_list(found: &mut Examination, stored: &StoredList, listed: &Listed, signers: &[Certificate<'_>]) {
    const ABOUT: &str = "lists";
    let says = match &listed.says {
        Ok(says) => says,
        Err(reason) => return found.finding(ABOUT, format!("{}: {reason}", listed.name), reason.code()),
    };
    let name = format!("{} {} of {}", lists::kind_words(listed.kind), says.number, says.issuer);
    let before = found.findings();
    match listed.kind {
        StoredListKind::Tokens => {
            if says.counts == Some(false) {
                found.finding(ABOUT, format!("{name} does not count: its signer is not under the anchors"), "CS-8038");
            }
        }
        StoredListKind::Certificates => match whole(stored, signers) {
            Ok(()) if listed.octets > INDEXED_FROM as u64 && !listed.indexed => {
                found.finding(ABOUT, format!("{name} has no index"), "CS-8039");
            }
            Ok(()) => {}
            Err(PathErrorKind::ListSignerRefused(_)) => {
                found.finding(ABOUT, format!("{name} does not count: nobody here signed it"), "CS-8038");
            }
            Err(kind) => found.finding(ABOUT, format!("{name}: {kind}"), kind.code()),
        },
    }
    if countersign::now().is_some_and(|now| says.next_update < now) {
        found.finding(ABOUT, format!("{name}: the next one was due {}", says.next_update), "CS-8040");
    }
    if found.findings() == before {
        found.good(ABOUT, format!("{name}, issued {}", says.this_update));
    }
}

/// Verifies a certificate revocation list octet by octet, and that its index is the one that is made of it.
fn whole(stored: &StoredList, signers: &[Certificate<'_>]) -> Result<(), PathErrorKind> {
    let der = stored.list.read(MAX_LIST_SIZE).map_err(|_| PathErrorKind::ListUnreadable)?;
    let list = RevocationList::from_der(&der)?;
    if let Some(index) = &stored.index {
        let index = index.read(countersign::MAX_INDEX_SIZE).map_err(|_| PathErrorKind::ListUnreadable)?;
        if index != list.index()? {
            return Err(PathErrorKind::IndexRefused("not the one that is made of the list"));
        }
    }
    check_list(&list, signers)
}

fn examine_tokens(found: &mut Examination, context: &Context<'_>, objects: &Objects, trust: &Trust<'_>) {
    const ABOUT: &str = "tokens";
    let tokens = objects.tokens(trust);
    if tokens.is_empty() {
        // A record holds its token, so a machine that is activated needs none beside it.
        return match context.store.products() {
            Ok(products) if !products.is_empty() => found.good(ABOUT, "none is installed beside the records"),
            _ => found.finding(ABOUT, "none is installed", "CS-8011"),
        };
    }
    let machine = context.machine.facts();
    let newest_time_seen = context.store.newest_time_seen().ok().flatten();
    let now = countersign::now();
    for token in &tokens {
        match token {
            Err(reason) => found.finding(ABOUT, format!("one is refused: {reason}"), reason.code()),
            Ok(token) => {
                let name = token_name(token);
                match token.check_activation(&facts(now, newest_time_seen, own_product(token), &machine, trust)) {
                    Ok(()) => found.good(ABOUT, format!("{name}, window {}", window(token, now))),
                    Err(reason) => found.finding(ABOUT, format!("{name}: {reason}"), reason.code()),
                }
            }
        }
    }
}
