//! What the commands work with: the plan's surroundings and the world outside.

use crate::{cards::Cards, error::Error, files, output::Format, ui::Person};
use countersign::{
    AnchorSource, Machine, MachineFacts, Product, ProductVersion, Snapshot, Store, StoreError, Time, Trust, TrustFiles,
};
use countersign_common::{
    Anchors, Certificate, Facts, Lists, Reason, SignedObject, VerifiedRecord, VerifiedToken, decode_certificates,
    decode_object,
};
use std::path::Path;

/// Where a command runs.
pub(crate) struct Context<'w> {
    pub(crate) store: &'w Store,
    pub(crate) machine: &'w dyn Machine,
    pub(crate) anchors: &'w countersign::Anchors,
    pub(crate) cards: &'w dyn Cards,
    pub(crate) person: &'w mut dyn Person,
    pub(crate) format: Format,
}

impl Context<'_> {
    /// The trust anchors with their updates, and the revocation lists of this machine.
    pub(crate) fn trust<'s>(&self, snapshot: &'s Snapshot) -> Result<TrustFiles<'s>, Error> {
        // The store's own error tells more than the reason that a verdict would have.
        if self.anchors.source() == AnchorSource::AdministratorStore {
            snapshot.anchors()?;
        }
        snapshot.anchors_updates()?;
        snapshot.lists()?;
        Ok(TrustFiles::read(snapshot, self.anchors)?)
    }

    /// The time floor, where there are records even a missing one is an error.
    pub(crate) fn floor(&self) -> Result<Option<Time>, Error> {
        match self.store.newest_time_seen()? {
            Some(floor) => Ok(Some(floor)),
            None if self.has_records()? => Err(StoreError::FloorMissing.into()),
            None => Ok(None),
        }
    }

    fn has_records(&self) -> Result<bool, Error> {
        for product in self.store.products()? {
            if !self.store.records(&product)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The machine's clock.
pub(crate) fn clock() -> Result<Time, Error> {
    countersign::now().ok_or(Error::Reason(Reason::NoClock))
}

/// Parses trust anchors.
pub(crate) fn parse_anchors(roots: &[Vec<u8>]) -> Result<Anchors<'_>, Error> {
    Anchors::new(roots.iter().map(Vec::as_slice)).map_err(|error| Reason::Signer(error).into())
}

/// What is judged by: the anchors in force and the machine's lists.
pub(crate) fn facts<'f>(
    now: Option<Time>,
    newest_time_seen: Option<Time>,
    product: Product<'f>,
    machine: &'f MachineFacts,
    trust: &'f Trust<'f>,
) -> Facts<'f> {
    Facts { now, newest_time_seen, product, machine, anchors: &trust.anchors, lists: &trust.lists }
}

/// Certificates between holders and their anchors: those of a file that was named, and those that are installed.
pub(crate) struct Issuers(Vec<Vec<u8>>);

impl Issuers {
    pub(crate) fn read(file: Option<&Path>, snapshot: &Snapshot) -> Result<Self, Error> {
        let mut issuers = file.map(certificates).transpose()?.unwrap_or_default();
        for pem in snapshot.certificates()? {
            issuers.extend(decode_certificates(&pem)?);
        }
        Ok(Self(issuers))
    }

    pub(crate) fn parse(&self) -> Result<Vec<Certificate<'_>>, Error> {
        let parsed = self.0.iter().map(|der| Certificate::from_der(der));
        Ok(parsed.collect::<Result<_, _>>().map_err(Reason::Holder)?)
    }
}

/// The certificates in a file.
pub(crate) fn certificates(file: &Path) -> Result<Vec<Vec<u8>>, Error> {
    Ok(decode_certificates(&files::read(file)?)?)
}

/// Objects that were read, each as DER or with what is wrong with it.
pub(crate) struct Objects(Vec<Result<Vec<u8>, Reason>>);

impl Objects {
    /// The tokens that are installed.
    pub(crate) fn installed(snapshot: &Snapshot) -> Result<Self, Error> {
        Ok(Self::new(snapshot.tokens()?.iter().map(Vec::as_slice)))
    }

    /// Of files that are in memory.
    pub(crate) fn new<'f>(files: impl Iterator<Item = &'f [u8]>) -> Self {
        Self(files.map(|file| decode_object(file).map(std::borrow::Cow::into_owned)).collect())
    }

    /// Of one file.
    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        Ok(Self::new([files::read(path)?.as_slice()].into_iter()))
    }

    /// Each as a token that was verified, or why it is none.
    pub(crate) fn tokens<'a>(&'a self, trust: &Trust<'_>) -> Vec<Result<VerifiedToken<'a>, Reason>> {
        self.tokens_under(&trust.anchors, &trust.lists)
    }

    /// As [`Self::tokens`], under anchors and lists that are not in force.
    pub(crate) fn tokens_under<'a>(
        &'a self,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
    ) -> Vec<Result<VerifiedToken<'a>, Reason>> {
        let verify = |der: &'a Vec<u8>| VerifiedToken::verify(SignedObject::from_der(der)?, anchors, lists);
        self.0.iter().map(|object| object.as_ref().map_err(Clone::clone).and_then(verify)).collect()
    }

    /// Each as a record that was verified, or why it is none.
    pub(crate) fn records<'a>(&'a self, trust: &Trust<'_>) -> Vec<Result<VerifiedRecord<'a>, Reason>> {
        self.records_under(&trust.anchors, &trust.lists)
    }

    /// As [`Self::records`], under anchors and lists that are not in force.
    pub(crate) fn records_under<'a>(
        &'a self,
        anchors: &Anchors<'_>,
        lists: &Lists<'_>,
    ) -> Vec<Result<VerifiedRecord<'a>, Reason>> {
        let verify = |der: &'a Vec<u8>| VerifiedRecord::verify(SignedObject::from_der(der)?, anchors, lists);
        self.0.iter().map(|object| object.as_ref().map_err(Clone::clone).and_then(verify)).collect()
    }
}

/// A token's own product, in a version that the token covers: for judging everything else about the token.
pub(crate) fn own_product<'a>(token: &'a VerifiedToken<'_>) -> Product<'a> {
    let terms = &token.body().product;
    let lowest = ProductVersion { major: 0, minor: 0, patch: 0 };
    Product { id: &terms.id, edition: None, version: Some(terms.from.unwrap_or(lowest)) }
}

/// A token in a few words, for choosing and for errors.
pub(crate) fn token_name(token: &VerifiedToken<'_>) -> String {
    let body = token.body();
    format!("{} ({}, version {}, for {})", body.id, body.product.id, body.revision, body.customer.name)
}
