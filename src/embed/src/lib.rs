//! Is this product activated on this machine?
//!
//! ```no_run
//! use countersign::{Anchors, Product, check};
//!
//! // The roots of the owner's token authority, compiled in: nobody on the machine can exchange them.
//! # const ROOTS: &[u8] = b"";
//! // const ROOTS: &[u8] = include_bytes!("anchors.pem");
//! let verdict = check(&Product::new("control-room"), &Anchors::compiled(ROOTS));
//! if !verdict.state.is_activated() {
//!     eprintln!("{} [{}]", verdict.reason, verdict.reason.code());
//! }
//! ```
//!
//! [`check`] reads the activation records in the machine's store, verifies every signature from the token authority's
//! root down to the card's, compares the machine with the recorded one and returns a reasoned [`Verdict`]. It writes
//! nothing, needs no card, no network and no secret, and trusts no stored result. It reports; what the product does
//! about it is the product's own decision.

mod anchors;
mod change;
mod clock;
mod file;
mod machine;
mod snapshot;
mod store;
mod trust;

pub use anchors::{AnchorSource, Anchors};
pub use change::{Change, LockedStore};
pub use clock::now;
pub use countersign_common::{
    ComparisonOutcome, ComponentFact, ComponentKind, ComponentMatch, Demands, Evidence, MachineComparison,
    MachineFacts, Product, Reason, Remedy, State, Time, Verdict,
    token::{Entitlement, ProductVersion},
};
pub use machine::{LocalMachine, Machine, RecordedMachine};
pub use snapshot::{Snapshot, StoredFile, StoredList};
pub use store::{
    MAX_CERTIFICATES, MAX_INDEX_SIZE, MAX_LIST_SIZE, MAX_LISTS, MAX_PRODUCTS, MAX_RECORDS, MAX_TOKENS, Store,
    StoreError,
};
pub use trust::{StoredListKind, Trust, TrustFiles};

use countersign_common::{Facts, validate};

/// Whether a product is activated on this machine, from the system's store.
///
/// Takes about as long as the signature verifications it makes, four for a token signer and a holder that their roots
/// certified directly: a millisecond with P-256.
pub fn check(product: &Product<'_>, anchors: &Anchors) -> Verdict {
    assess(&Store::system(), product, anchors, &LocalMachine)
}

/// As [`check`], with a store and a machine of the caller's choice: for a product that keeps its store elsewhere, and
/// for the verifier.
///
/// Of several records the one that activates is told of, else the refusal that says most.
pub fn assess(store: &Store, product: &Product<'_>, anchors: &Anchors, machine: &dyn Machine) -> Verdict {
    assess_all(store, product, anchors, machine).unwrap_or_else(Verdict::new)
}

fn assess_all(
    store: &Store,
    product: &Product<'_>,
    anchors: &Anchors,
    machine: &dyn Machine,
) -> Result<Verdict, Reason> {
    let unreadable = |error: StoreError| Reason::StoreUnreadable(error.to_string());
    let snapshot = store.snapshot().map_err(unreadable)?;
    let files = TrustFiles::read(&snapshot, anchors)?;
    let records = store.records(product.id).map_err(unreadable)?;
    if records.is_empty() {
        return Err(Reason::NotActivated);
    }
    // The verifier writes the floor before the first record: without it somebody took it away.
    let floor = store.newest_time_seen().and_then(|floor| floor.ok_or(StoreError::FloorMissing)).map_err(unreadable)?;
    let Trust { anchors, lists } = files.trust()?;
    let facts = Facts {
        now: now(),
        newest_time_seen: Some(floor),
        product: *product,
        machine: &machine.facts(),
        anchors: &anchors,
        lists: &lists,
    };
    let verdicts = records.iter().map(|record| validate(record, &facts));
    verdicts.reduce(|best, next| if telling(&next) > telling(&best) { next } else { best }).ok_or(Reason::NotActivated)
}

/// What orders verdicts: the reason's rank, then the token version, then the time of activation.
fn telling(verdict: &Verdict) -> (u8, u32, Option<Time>) {
    let revision = verdict.evidence.token.as_ref().map_or(0, |token| token.revision);
    (verdict.reason.rank(), revision, verdict.activated)
}
