//! What a verdict rests on, as a snapshot of the store has it: the trust anchors, their updates, the revocation lists.

use crate::{
    anchors::Anchors,
    snapshot::{Snapshot, StoredFile, StoredList},
    store::StoreError,
};
use countersign_common::{
    Demands, Lists, MAX_OBJECT_SIZE, Octets, PathErrorKind, Reason, RevocationList, SignedObject, Source, SourceError,
    VerifiedTokenList, decode_objects, sha256,
};

/// How the name of a token list's file begins; the SHA-256 of its issuer's name follows.
const TOKEN_LIST_PREFIX: &str = "tokens-";
/// How the name of a certificate revocation list's file begins; [`RevocationList::scope`] follows.
const CERTIFICATE_LIST_PREFIX: &str = "certificates-";

/// The octets that trust rests on.
#[derive(Debug)]
pub struct TrustFiles<'s> {
    roots: Vec<Vec<u8>>,
    demands: Demands,
    updates: Vec<Vec<u8>>,
    token_lists: Vec<Vec<u8>>,
    certificate_lists: Vec<ListFile<'s>>,
}

/// Parsed: whom a product trusts, and what was taken back.
#[derive(Clone, Debug)]
pub struct Trust<'a> {
    /// The trust anchors in force.
    pub anchors: countersign_common::Anchors<'a>,
    /// The revocation lists of the machine that count under them.
    pub lists: Lists<'a>,
}

/// What a list in the store is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredListKind {
    /// A certificate revocation list.
    Certificates,
    /// A token list.
    Tokens,
}

#[derive(Debug)]
enum ListFile<'s> {
    /// Looked up by its index, a page at a time.
    Indexed(&'s StoredFile, &'s StoredFile),
    Whole(Vec<u8>),
}

impl ListFile<'_> {
    fn parse(&self) -> Result<RevocationList<'_>, PathErrorKind> {
        match self {
            Self::Indexed(list, index) => RevocationList::open(*list, *index),
            Self::Whole(octets) => RevocationList::from_der(octets),
        }
    }
}

impl StoredList {
    /// The name under which a token list is kept, by the DER of its issuer's name.
    pub fn name_of_tokens(issuer: &[u8]) -> String {
        format!("{TOKEN_LIST_PREFIX}{}", Octets(sha256(issuer)))
    }

    /// The name under which a certificate revocation list is kept, by [`RevocationList::scope`].
    pub fn name_of_certificates(scope: [u8; 32]) -> String {
        format!("{CERTIFICATE_LIST_PREFIX}{}", Octets(scope))
    }

    /// What it is; nothing for a name that no list of ours bears, which then does not count.
    pub fn kind(&self) -> Option<StoredListKind> {
        if self.name.starts_with(TOKEN_LIST_PREFIX) {
            Some(StoredListKind::Tokens)
        } else if self.name.starts_with(CERTIFICATE_LIST_PREFIX) {
            Some(StoredListKind::Certificates)
        } else {
            None
        }
    }
}

impl<'s> TrustFiles<'s> {
    /// Reads the anchors and every list but those that have an index.
    ///
    /// # Errors
    ///
    /// [`Reason::NoAnchors`] where there are none, [`Reason::StoreUnreadable`] for what cannot be read.
    pub fn read(snapshot: &'s Snapshot, anchors: &Anchors) -> Result<Self, Reason> {
        let roots = anchors.certificates(snapshot)?;
        let updates = match snapshot.anchors_updates().map_err(unreadable)? {
            Some(file) => decode_objects(&file)?,
            None => Vec::new(),
        };
        let (mut token_lists, mut certificate_lists) = (Vec::new(), Vec::new());
        for stored in snapshot.lists().map_err(unreadable)? {
            match (stored.kind(), &stored.index) {
                (Some(StoredListKind::Tokens), _) => {
                    token_lists.push(stored.list.read(MAX_OBJECT_SIZE).map_err(unreadable)?);
                }
                (Some(StoredListKind::Certificates), Some(index)) => {
                    certificate_lists.push(ListFile::Indexed(&stored.list, index));
                }
                (Some(StoredListKind::Certificates), None) => {
                    certificate_lists
                        .push(ListFile::Whole(stored.list.read(crate::MAX_LIST_SIZE).map_err(unreadable)?));
                }
                (None, _) => {}
            }
        }
        Ok(Self { roots, demands: anchors.demands(), updates, token_lists, certificate_lists })
    }

    /// DER of the anchors before any update.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// The updates that are kept, one object for each signature; none where they do not begin at these anchors.
    ///
    /// # Errors
    ///
    /// What is wrong with an anchor or an update.
    pub fn updates(&self) -> Result<&[Vec<u8>], Reason> {
        Ok(if self.anchors()?.number() == 0 { &[] } else { &self.updates })
    }

    /// Parses the anchors and follows their updates.
    ///
    /// Updates that begin at other anchors than these say nothing: a product that was built anew with later anchors
    /// need not know the way to them.
    ///
    /// # Errors
    ///
    /// What is wrong with an anchor or an update.
    pub fn anchors(&self) -> Result<countersign_common::Anchors<'_>, Reason> {
        let roots = countersign_common::Anchors::new(self.roots.iter().map(Vec::as_slice)).map_err(Reason::Signer)?;
        let roots = roots.demanding(self.demands);
        match roots.clone().follow(&self.updates) {
            // Only the first update is judged by a path; the others are by the keys that the one before names.
            Err(Reason::Signer(error)) if error.kind == PathErrorKind::NoPath => Ok(roots),
            anchors => anchors,
        }
    }

    /// Parses the certificate revocation lists.
    ///
    /// # Errors
    ///
    /// [`Reason::StoreUnreadable`] for a damaged list: what is not understood cannot be left out.
    pub fn certificate_lists(&self) -> Result<Vec<RevocationList<'_>>, Reason> {
        let lists = self.certificate_lists.iter().map(ListFile::parse);
        lists.collect::<Result<_, _>>().map_err(|error| Reason::StoreUnreadable(error.to_string()))
    }

    /// Parses and verifies the token lists. One by a signer whom the anchors do not lead to, or who was revoked, does not
    /// count.
    ///
    /// # Errors
    ///
    /// As of [`Self::certificate_lists`].
    pub fn token_lists(
        &self,
        anchors: &countersign_common::Anchors<'_>,
        certificate_lists: &[RevocationList<'_>],
    ) -> Result<Vec<VerifiedTokenList<'_>>, Reason> {
        let mut token_lists = Vec::new();
        for der in &self.token_lists {
            let object = SignedObject::from_der(der);
            match object.and_then(|object| VerifiedTokenList::verify(object, anchors, certificate_lists)) {
                Ok(list) => token_lists.push(list),
                Err(Reason::Signer(_)) => {}
                Err(reason) => return Err(Reason::StoreUnreadable(format!("token list: {reason}"))),
            }
        }
        Ok(token_lists)
    }

    /// Parses and verifies all of it; certificate revocation lists are verified when they are asked.
    ///
    /// # Errors
    ///
    /// Those of [`Self::anchors`] and [`Self::certificate_lists`].
    pub fn trust(&self) -> Result<Trust<'_>, Reason> {
        let anchors = self.anchors()?;
        let certificate_lists = self.certificate_lists()?;
        let token_lists = self.token_lists(&anchors, &certificate_lists)?;
        Ok(Trust { anchors, lists: Lists::new(token_lists, certificate_lists) })
    }
}

fn unreadable(error: StoreError) -> Reason {
    Reason::StoreUnreadable(error.to_string())
}

impl Source for StoredFile {
    fn size(&self) -> u64 {
        StoredFile::size(self)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), SourceError> {
        StoredFile::read_at(self, offset, into).map_err(|_| SourceError)
    }
}
