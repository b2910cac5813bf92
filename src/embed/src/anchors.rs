//! Where a product's trust anchors come from.

use crate::{snapshot::Snapshot, store::StoreError};
use countersign_common::{Demands, Reason, decode_certificates};
use std::borrow::Cow;

/// The roots of the token authority that a product trusts.
///
/// Which of the two sources it is, the owner decides when the product is built. There is no falling back from one to
/// the other, and nothing else is ever a source: not the environment, not a token, not a file that a user names.
#[derive(Clone, Debug)]
pub struct Anchors {
    source: AnchorSource,
    pem: Cow<'static, [u8]>,
    demands: Demands,
}

const NO_DEMANDS: Demands = Demands { inclusion_proof: false, approvals: 0 };

/// Where trust anchors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorSource {
    /// Compiled into the program.
    Compiled,
    /// The administrator's file in the store: right only where the product's owner and the machine's administrator
    /// are one organisation.
    AdministratorStore,
}

impl Anchors {
    /// Anchors that are part of the program, as PEM or as the DER of one certificate.
    pub const fn compiled(pem: &'static [u8]) -> Self {
        Self { source: AnchorSource::Compiled, pem: Cow::Borrowed(pem), demands: NO_DEMANDS }
    }

    /// The anchors that the administrator placed in the store. Whoever can write that file decides what is trusted.
    pub const fn administrator_store() -> Self {
        Self { source: AnchorSource::AdministratorStore, pem: Cow::Borrowed(&[]), demands: NO_DEMANDS }
    }

    /// The same anchors, under which a token needs more than the signature of a token signer. An update of the anchors
    /// may demand more, and never less.
    #[must_use]
    pub const fn demanding(mut self, demands: Demands) -> Self {
        self.demands = demands;
        self
    }

    /// What a token needs beyond its signature.
    pub const fn demands(&self) -> Demands {
        self.demands
    }

    /// Where these anchors come from.
    pub const fn source(&self) -> AnchorSource {
        self.source
    }

    /// DER of each certificate.
    ///
    /// # Errors
    ///
    /// [`Reason::NoAnchors`] where there are none, [`Reason::StoreUnreadable`] where the administrator's file cannot be
    /// read, else what is wrong with the PEM.
    pub fn certificates(&self, snapshot: &Snapshot) -> Result<Vec<Vec<u8>>, Reason> {
        let unreadable = |error: StoreError| Reason::StoreUnreadable(error.to_string());
        let pem = match self.source {
            AnchorSource::Compiled => Cow::Borrowed(&*self.pem),
            AnchorSource::AdministratorStore => Cow::Owned(snapshot.anchors().map_err(unreadable)?.unwrap_or_default()),
        };
        if pem.is_empty() { Err(Reason::NoAnchors) } else { decode_certificates(&pem) }
    }
}
