//! Trust anchors of the token authority, and how they are updated.

use crate::{
    anchors_update::{AnchorsUpdate, MAX_ANCHORS_SIGNERS},
    asn1::{Digest32, Octets},
    cms::SignedObject,
    oid,
    reason::Reason,
    signer::{check_role, verify_signer},
};
use countersign_pki::{Budget, Certificate, PathError, Time};
use der::Sequence;
use sha2::{Digest as _, Sha256};

/// The roots under which tokens, token lists and bundles are signed, parsed once. They are compiled into the product or
/// come from its administrator, and an update signed under those in force may take their place; nothing else that a
/// token, a card or a user brings ever joins them.
#[derive(Clone, Debug)]
pub struct Anchors<'a> {
    certificates: Vec<Certificate<'a>>,
    /// The end of each one's overlap, in the same order.
    ends: Vec<Option<Time>>,
    /// What they demand of tokens from the beginning.
    demands: Demands,
    update: Option<UpdateRule>,
}

/// What anchors demand of a token beyond the signature of a token signer, who could have used another tool than the
/// authority's.
///
/// ```text
/// Demands ::= SEQUENCE {
///   inclusionProof  BOOLEAN,
///   approvals       INTEGER (0..8) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Sequence)]
pub struct Demands {
    /// The proof that it is in the ledger.
    pub inclusion_proof: bool,
    /// How many persons must have approved it; 0 to [`MAX_APPROVALS`](crate::MAX_APPROVALS).
    pub approvals: u8,
}

/// Who may sign the update after the one in force.
#[derive(Clone, Debug)]
struct UpdateRule {
    number: u64,
    signers: Vec<Digest32>,
    threshold: usize,
    demands: Demands,
}

impl<'a> Anchors<'a> {
    /// Parses each certificate.
    pub fn new(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, PathError> {
        let certificates: Vec<_> =
            certificates.into_iter().map(Certificate::from_der).collect::<Result<_, PathError>>()?;
        let ends = vec![None; certificates.len()];
        Ok(Self { certificates, ends, demands: Demands::default(), update: None })
    }

    /// The same anchors, which demand more of a token than its signature. No update takes that back.
    #[must_use]
    pub fn demanding(mut self, demands: Demands) -> Self {
        self.demands = demands;
        self
    }

    /// The anchors after a row of updates, the oldest first. Each object is an update with one signature; those with
    /// the same body belong together.
    ///
    /// # Errors
    ///
    /// [`Reason::AnchorsNotNewer`] where a number does not rise, [`Reason::AnchorsThreshold`] where too few have
    /// signed, and what any signed object is refused for.
    pub fn follow(mut self, objects: &'a [Vec<u8>]) -> Result<Self, Reason> {
        let objects: Vec<_> = objects.iter().map(|der| SignedObject::from_der(der)).collect::<Result<_, _>>()?;
        for update in objects.chunk_by(|one, next| one.content() == next.content()) {
            self = self.replaced_by(update)?;
        }
        Ok(self)
    }

    /// The anchors after one update, given once for each signature.
    fn replaced_by(self, signatures: &[SignedObject<'a>]) -> Result<Self, Reason> {
        let first = signatures.first().ok_or(Reason::WrongObject { expected: "an anchors update" })?;
        if signatures.iter().any(|object| object.content_type() != oid::CONTENT_ANCHORS) {
            return Err(Reason::WrongObject { expected: "an anchors update" });
        }
        if signatures.len() > MAX_ANCHORS_SIGNERS {
            return Err(Reason::AnchorsField("signatures"));
        }
        let body = AnchorsUpdate::from_der(first.content())?;
        if body.number <= self.number() {
            return Err(Reason::AnchorsNotNewer { number: body.number, current: self.number() });
        }
        let (mut by_predecessor, mut by_itself) = (Vec::new(), Vec::new());
        for object in signatures {
            let key = Octets(Sha256::digest(object.signer().spki()).into());
            match &self.update {
                Some(rule) if rule.signers.contains(&key) => by_predecessor.push(key),
                // The first update, whose predecessor names nobody: whom an anchor certified for it.
                None => {
                    let budget = &mut Budget::default();
                    verify_signer(object, oid::EKU_ANCHORS_SIGNING, &self, &[], budget)?;
                    by_predecessor.push(key);
                }
                Some(_) => {}
            }
            if body.signers.contains(&key) {
                by_itself.push(key);
            }
            check_role(object.signer(), oid::EKU_ANCHORS_SIGNING)?;
            object.verify_signature(object.signing_time())?;
        }
        // After the signatures: the advice to get a newer verifier must not come from a forger.
        let needed = self.update.as_ref().map_or(1, |rule| rule.threshold);
        enough(by_predecessor, needed, "whom the anchors in force name")?;
        enough(by_itself, usize::from(body.threshold), "whom the update names")?;
        body.check_enforceable()?;
        let certificates = body.anchors.iter().map(|anchor| Certificate::from_der(anchor.certificate.as_bytes()));
        Ok(Self {
            certificates: certificates.collect::<Result<_, _>>().map_err(Reason::Signer)?,
            ends: body.anchors.iter().map(|anchor| anchor.not_after.map(|end| end.0)).collect(),
            demands: self.demands,
            update: Some(UpdateRule {
                number: body.number,
                threshold: usize::from(body.threshold),
                demands: body.demands.unwrap_or_default(),
                signers: body.signers,
            }),
        })
    }

    /// The certificates; an error where there are none.
    pub fn certificates(&self) -> Result<&[Certificate<'a>], Reason> {
        if self.certificates.is_empty() { Err(Reason::NoAnchors) } else { Ok(&self.certificates) }
    }

    /// The number of the update in force; 0 where there was none.
    pub fn number(&self) -> u64 {
        self.update.as_ref().map_or(0, |rule| rule.number)
    }

    /// What they demand of a token beyond its signature.
    pub fn demands(&self) -> Demands {
        let later = self.update.as_ref().map(|rule| rule.demands).unwrap_or_default();
        Demands {
            inclusion_proof: self.demands.inclusion_proof || later.inclusion_proof,
            approvals: self.demands.approvals.max(later.approvals),
        }
    }

    /// The last second at which machines may be activated under an anchor, by its index; nothing where that has no end.
    pub fn end(&self, index: usize) -> Option<Time> {
        self.ends.get(index).copied().flatten()
    }

    /// Whether a certificate has the key of one of the anchors.
    pub(crate) fn have_key_of(&self, certificate: &Certificate<'_>) -> bool {
        self.certificates.iter().any(|anchor| anchor.spki() == certificate.spki())
    }
}

/// Two signatures by one key count once.
fn enough(mut keys: Vec<Digest32>, needed: usize, whom: &'static str) -> Result<(), Reason> {
    keys.sort_unstable();
    keys.dedup();
    if keys.len() >= needed { Ok(()) } else { Err(Reason::AnchorsThreshold { needed, found: keys.len(), whom }) }
}
