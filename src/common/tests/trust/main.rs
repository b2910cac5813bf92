//! What the authority takes back, and how its anchors change: token lists, anchors updates, bundles.

#![allow(clippy::unwrap_used)]

mod anchors;
mod approvals;
mod bundles;
mod certificate_lists;
mod inclusion;
mod threats;
mod token_lists;
mod tokens;
mod tree_heads;

use countersign_common::{
    Anchors, Facts, Lists, MachineFacts, Product, Reason, SignedObject, Verdict, VerifiedTokenList,
    token::ProductVersion, validate,
};
use countersign_testpki::{
    Cast, Identity,
    objects::{ACTIVATED, example_machine, machine},
    trust::list_signer,
};

/// A site: the cast, its list signer and a machine.
pub(crate) struct Site {
    pub(crate) cast: Cast,
    pub(crate) list_signer: Identity,
    pub(crate) machine: MachineFacts,
}

impl Site {
    pub(crate) fn new() -> Self {
        let cast = Cast::new();
        let list_signer = list_signer("Example List Signer", &cast.token_root);
        Self { cast, list_signer, machine: machine(&example_machine()) }
    }

    pub(crate) fn anchors(&self) -> Anchors<'_> {
        Anchors::new([self.cast.token_root.certificate.as_slice()]).unwrap()
    }

    /// Token lists that must verify.
    pub(crate) fn lists<'a>(&self, objects: &'a [Vec<u8>]) -> Lists<'a> {
        let verify = |der: &'a Vec<u8>| {
            VerifiedTokenList::verify(SignedObject::from_der(der).unwrap(), &self.anchors(), &[]).unwrap()
        };
        Lists::new(objects.iter().map(verify).collect(), Vec::new())
    }

    /// The facts of the example, at the time of activating.
    pub(crate) fn facts<'a>(&'a self, anchors: &'a Anchors<'a>, lists: &'a Lists<'a>) -> Facts<'a> {
        Facts {
            now: Some(ACTIVATED.parse().unwrap()),
            newest_time_seen: None,
            product: Product {
                id: "control-room",
                edition: Some("standard"),
                version: Some(ProductVersion { major: 2, minor: 4, patch: 1 }),
            },
            machine: &self.machine,
            anchors,
            lists,
        }
    }

    /// The verdict on a record with these lists.
    pub(crate) fn judge(&self, record: &[u8], lists: &Lists<'_>) -> Verdict {
        let anchors = self.anchors();
        validate(record, &self.facts(&anchors, lists))
    }
}

/// The code of an outcome, `CS-0001` for a good one.
pub(crate) fn code<T>(outcome: Result<T, Reason>) -> &'static str {
    outcome.map_or_else(|reason| reason.code(), |_| "CS-0001")
}
