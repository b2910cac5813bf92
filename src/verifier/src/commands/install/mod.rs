//! `install`: what was brought into the store. All of it is verified before any of it is kept, and it is kept by one
//! change of the store or not at all.

mod judge;
mod lists;
mod report;

use crate::{
    brought::Brought,
    context::{Context, Objects, clock},
    error::Error,
    output::Report,
    plan::Install,
};
use countersign::{Change, LockedStore, StoreError, Time};
use countersign_common::{
    Digest32, Octets, Reason, SignedObject,
    bundle::{Bundle, PartKind},
    oid,
};
use judge::{Machine, judge};
pub(super) use lists::INDEXED_FROM;
use std::collections::BTreeSet;

/// One thing that was brought.
struct Part<'a> {
    /// Which of the files it came in.
    file: usize,
    /// Whether a bundle's manifest vouches for it.
    bundled: bool,
    kind: PartKind,
    der: &'a [u8],
}

/// A bundle that was taken apart.
struct Parcel<'a> {
    file: usize,
    bundle: Bundle<'a>,
}

/// Why a file is refused.
struct Refusal {
    file: usize,
    error: Error,
}

/// What came of everything that was brought.
struct Judgement {
    outcomes: Vec<Outcome>,
    steps: Vec<Step>,
    /// The latest time that these objects prove to have passed.
    newest: Option<Time>,
    /// Installed tokens that are revoked, by name, and why.
    revoked: Vec<(String, Reason)>,
}

/// What becomes of one part.
struct Outcome {
    file: usize,
    kind: PartKind,
    did: Did,
    /// What it is, in a few words.
    name: String,
    token: Option<TokenOutcome>,
    list: Option<ListOutcome>,
}

struct TokenOutcome {
    id: Octets<16>,
    revision: u32,
    product: String,
    /// Why it cannot be used now although it is good, where that is so.
    window: Option<String>,
}

struct ListOutcome {
    issuer: String,
    number: String,
    this_update: Time,
}

enum Did {
    /// It is there.
    Already,
    Installed,
    /// With the version or number of what was there before.
    Replaced(String),
    /// A list that another one replaces: it does not count.
    Superseded,
}

/// One step of the change of the store.
enum Step {
    AnchorsUpdates(String),
    Certificate(Digest32, String),
    List { name: String, octets: Vec<u8>, index: Option<Vec<u8>> },
    RemoveCertificate(Digest32),
    RemoveList(String),
    Token(Octets<16>, String),
}

impl Step {
    fn take(&self, change: &mut Change<'_>) -> Result<(), StoreError> {
        match self {
            Self::AnchorsUpdates(pem) => change.keep_anchors_updates(pem.as_bytes()),
            Self::Certificate(digest, pem) => change.keep_certificate(digest, pem.as_bytes()),
            Self::List { name, octets, index } => change.keep_list(name, octets, index.as_deref()),
            Self::RemoveCertificate(digest) => change.remove_certificate(digest).map(drop),
            Self::RemoveList(name) => change.remove_list(name).map(drop),
            Self::Token(id, pem) => change.keep_token(id, pem.as_bytes()),
        }
    }
}

pub(super) fn run(plan: &Install, context: &Context<'_>) -> Result<Report, Error> {
    let now = clock()?;
    // A damaged time floor makes all that could be installed useless.
    context.store.newest_time_seen()?;
    let (mut brought, mut refusals) = (Vec::new(), Vec::new());
    for (file, path) in plan.files.iter().enumerate() {
        match Brought::read(path) {
            Ok(content) => brought.push((file, content)),
            Err(error) => refusals.push(Refusal { file, error }),
        }
    }
    let (parts, parcels) = unpack(&brought, &mut refusals);
    if !refusals.is_empty() {
        return Ok(report::refused(plan, context, &refusals));
    }
    // Between the look at what is installed and the change of it no other command may come.
    let mut locked = if plan.dry_run { None } else { Some(context.store.lock()?) };
    let snapshot = context.store.snapshot()?;
    let files = context.trust(&snapshot)?;
    let installed = Objects::installed(&snapshot)?;
    let mut records = Vec::new();
    for product in products(&parts) {
        records.extend(context.store.records(&product)?);
    }
    let records = Objects::new(records.iter().map(Vec::as_slice));
    let certificates = snapshot.certificates()?;
    let machine = Machine {
        files: &files,
        installed: &installed,
        records: &records,
        certificates: &certificates,
        lists: snapshot.lists()?,
        now,
    };
    let judgement = match judge(&parts, &parcels, &machine) {
        Ok(judgement) => judgement,
        Err(refusals) => return Ok(report::refused(plan, context, &refusals)),
    };
    if let Some(locked) = &mut locked
        && !judgement.steps.is_empty()
    {
        keep(&judgement, locked)?;
    }
    Ok(report::done(plan, context, &judgement, &parcels))
}

fn keep(judgement: &Judgement, locked: &mut LockedStore) -> Result<(), Error> {
    let mut change = locked.change()?;
    for step in &judgement.steps {
        step.take(&mut change)?;
    }
    change.commit()?;
    if let Some(newest) = judgement.newest {
        locked.advance_time(newest)?;
    }
    Ok(())
}

/// Everything that was brought, part by part.
fn unpack<'a>(brought: &'a [(usize, Brought)], refusals: &mut Vec<Refusal>) -> (Vec<Part<'a>>, Vec<Parcel<'a>>) {
    let (mut parts, mut parcels) = (Vec::new(), Vec::new());
    for (file, content) in brought {
        let file = *file;
        let mut part = |kind, der| parts.push(Part { file, bundled: false, kind, der });
        match content {
            Brought::CertificateList(der) => part(PartKind::CertificateList, der),
            Brought::Certificates(ders) => ders.iter().for_each(|der| part(PartKind::Certificate, der)),
            Brought::Objects(ders) => {
                for der in ders {
                    match object_kind(der) {
                        Ok(kind) => part(kind, der),
                        Err(reason) => refusals.push(Refusal { file, error: reason.into() }),
                    }
                }
            }
            Brought::Bundle(der) => match Bundle::from_der(der) {
                Ok(bundle) => parcels.push(Parcel { file, bundle }),
                Err(reason) => refusals.push(Refusal { file, error: reason.into() }),
            },
        }
    }
    for Parcel { file, bundle } in &parcels {
        for kind in KINDS {
            parts.extend(bundle.parts(kind).map(|der| Part { file: *file, bundled: true, kind, der }));
        }
    }
    (parts, parcels)
}

const KINDS: [PartKind; 5] =
    [PartKind::AnchorsUpdate, PartKind::Certificate, PartKind::CertificateList, PartKind::TokenList, PartKind::Token];

fn object_kind(der: &[u8]) -> Result<PartKind, Reason> {
    match SignedObject::from_der(der)?.content_type() {
        oid::CONTENT_ANCHORS => Ok(PartKind::AnchorsUpdate),
        oid::CONTENT_TOKEN => Ok(PartKind::Token),
        oid::CONTENT_TOKEN_LIST => Ok(PartKind::TokenList),
        _ => Err(Reason::WrongObject { expected: "a token, a list, an anchors update, a certificate or a bundle" }),
    }
}

/// The products that the tokens among the parts are for.
fn products(parts: &[Part<'_>]) -> BTreeSet<String> {
    let tokens = parts.iter().filter(|part| part.kind == PartKind::Token);
    let body =
        |part: &Part<'_>| countersign_common::Token::from_der(SignedObject::from_der(part.der).ok()?.content()).ok();
    tokens.filter_map(body).map(|token| token.product.id).collect()
}
