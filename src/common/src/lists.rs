//! The revocation lists of a machine, and what they do to tokens and records (docs/token-format.md, section 14.2).

use crate::{
    anchors::Anchors,
    asn1::{Digest32, GeneralizedTime, Octets},
    challenge::{ListKind, ListUsed},
    cms::SignedObject,
    oid,
    reason::Reason,
    signer::{revocation, verify_signer},
    token::ListTerms,
    token_list::{MAX_NUMBER_STEP, TokenList},
    verdict::ListEvidence,
    verified_token::VerifiedToken,
};
use core::cmp::Ordering;
use countersign_pki::{Budget, RevocationList, RevocationReason, RevocationRules, Time, display_name, names_match};
use der::{Decode, asn1::Any, asn1::Uint};

/// A token list whose signature and signer were verified.
#[derive(Clone, Debug)]
pub struct VerifiedTokenList<'a> {
    object: SignedObject<'a>,
    body: TokenList,
}

impl<'a> VerifiedTokenList<'a> {
    /// Verifies a token list: the body, the signer's path at the signing time, the signature. `certificates` are lists
    /// that may say that the signer was revoked.
    pub fn verify(
        object: SignedObject<'a>,
        anchors: &Anchors<'_>,
        certificates: &[RevocationList<'_>],
    ) -> Result<Self, Reason> {
        if object.content_type() != oid::CONTENT_TOKEN_LIST {
            return Err(Reason::WrongObject { expected: "a token list" });
        }
        let body = TokenList::from_der(object.content())?;
        verify_signer(&object, oid::EKU_LIST_SIGNING, anchors, certificates, &mut Budget::default())?;
        object.verify_signature(object.signing_time())?;
        body.check_enforceable()?;
        Ok(Self { object, body })
    }

    /// The body.
    pub fn body(&self) -> &TokenList {
        &self.body
    }

    /// The signed object.
    pub fn object(&self) -> &SignedObject<'a> {
        &self.object
    }

    /// DER of the issuer's name: the subject of the list signer.
    pub fn issuer(&self) -> &'a [u8] {
        self.object.signer().subject()
    }

    /// Whether this list may take the place of an earlier one by the same issuer.
    ///
    /// # Errors
    ///
    /// [`Reason::ListRollback`] for an earlier list, [`Reason::ListAhead`] for a number too far ahead, and
    /// [`Reason::ListsContradict`] where number and date do not rise together or one number has two bodies.
    pub fn may_follow(&self, earlier: &Self) -> Result<(), Reason> {
        let (new, old) = (&self.body, &earlier.body);
        let issuer = || display_name(self.issuer());
        if new.number == old.number && self.object.content() != earlier.object.content() {
            return Err(Reason::ListsContradict { issuer: issuer(), what: "one number, two lists" });
        }
        match (new.number.cmp(&old.number), new.this_update.cmp(&old.this_update)) {
            (Ordering::Less, Ordering::Greater) | (Ordering::Greater, Ordering::Less) => {
                Err(Reason::ListsContradict { issuer: issuer(), what: "the number rose and the date fell" })
            }
            (Ordering::Less, _) => {
                Err(Reason::ListRollback { issuer: issuer(), number: new.number, newest: old.number })
            }
            (Ordering::Greater, _) if new.number - old.number > MAX_NUMBER_STEP => {
                Err(Reason::ListAhead { issuer: issuer(), number: new.number, newest: old.number })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a certificate revocation list may take the place of an earlier one with the same
/// [scope](RevocationList::scope).
///
/// # Errors
///
/// [`Reason::ListRollback`] for an earlier list, and [`Reason::ListsContradict`] where number and date do not rise together
/// or one number has two lists.
pub fn list_may_follow(new: &RevocationList<'_>, old: &RevocationList<'_>) -> Result<(), Reason> {
    let issuer = || display_name(new.issuer());
    match (compare(new.number(), old.number()), new.this_update().cmp(&old.this_update())) {
        (Ordering::Equal, _) if new.digest() != old.digest() => {
            Err(Reason::ListsContradict { issuer: issuer(), what: "one number, two lists" })
        }
        (Ordering::Less, Ordering::Greater) | (Ordering::Greater, Ordering::Less) => {
            Err(Reason::ListsContradict { issuer: issuer(), what: "the number rose and the date fell" })
        }
        (Ordering::Less, _) => {
            Err(Reason::ListRollback { issuer: issuer(), number: low(new.number()), newest: low(old.number()) })
        }
        _ => Ok(()),
    }
}

/// The lists that a verdict takes into account.
#[derive(Clone, Debug, Default)]
pub struct Lists<'a> {
    /// Whether a machine's lists are meant: then a list that a record names has to be among them.
    of_machine: bool,
    tokens: Vec<VerifiedTokenList<'a>>,
    certificates: Vec<RevocationList<'a>>,
}

/// No lists, as for an object judged by itself: nothing is revoked, and no list is missed.
pub static NO_LISTS: Lists<'static> = Lists { of_machine: false, tokens: Vec::new(), certificates: Vec::new() };

impl<'a> Lists<'a> {
    /// The lists of a machine. A token list that another one replaces drops out.
    pub fn new(tokens: Vec<VerifiedTokenList<'a>>, certificates: Vec<RevocationList<'a>>) -> Self {
        let replaced: Vec<_> = tokens.iter().flat_map(|list| list.body.replaced()).collect();
        let stays = |list: &VerifiedTokenList<'_>| !replaced.iter().any(|name| names_match(name, list.issuer()));
        let tokens = tokens.into_iter().filter(stays).collect();
        Self { of_machine: true, tokens, certificates }
    }

    /// The token lists.
    pub fn token_lists(&self) -> &[VerifiedTokenList<'a>] {
        &self.tokens
    }

    /// The certificate revocation lists.
    pub fn certificate_lists(&self) -> &[RevocationList<'a>] {
        &self.certificates
    }

    /// The latest date of a token list; it has certainly passed.
    pub fn newest(&self) -> Option<Time> {
        self.tokens.iter().map(|list| list.body.this_update.0).max()
    }

    /// How certificates are looked up in these lists.
    pub(crate) fn revocation(&self) -> Option<RevocationRules<'_>> {
        revocation(&self.certificates)
    }

    /// Whether a token stands although its signer was revoked.
    pub(crate) fn stands(&self, token: [u8; 32]) -> bool {
        self.tokens.iter().any(|list| list.body.stands(&Octets(token)))
    }

    /// Whether a record was received before its holder was revoked.
    pub(crate) fn received(&self, record: [u8; 32]) -> bool {
        self.tokens.iter().any(|list| list.body.received(&Octets(record)))
    }

    /// Refuses a token that a list revokes, for what was or is to be activated at a time.
    pub fn check_token(&self, token: &VerifiedToken<'_>, activated: Time) -> Result<(), Reason> {
        let (id, revision) = (token.body().id, token.body().revision);
        for list in &self.tokens {
            let Some(entry) = list.body.revoked(&id).filter(|entry| entry.covers(revision)) else {
                continue;
            };
            let digest: Digest32 = Octets(token.object().digest());
            if revision == entry.revision && entry.digest.is_some_and(|issued| issued != digest) {
                let issuer = display_name(list.issuer());
                return Err(Reason::ListsContradict {
                    issuer,
                    what: "another token was issued under this id and version",
                });
            }
            let (reason, date) = (entry.reason.reason(), entry.date.0);
            if reason == RevocationReason::CertificateHold {
                return Err(Reason::TokenOnHold { date });
            }
            if entry.falls(activated) {
                return Err(Reason::TokenRevoked { reason, date });
            }
        }
        Ok(())
    }

    /// The lists for the challenge of an activation: every token list, and the certificate lists at the given places.
    pub(crate) fn used(&self, certificates: &[usize]) -> Option<Vec<ListUsed>> {
        let of_tokens = self.tokens.iter().filter_map(|list| {
            Some(ListUsed {
                kind: ListKind::TokenList,
                issuer: Any::from_der(list.issuer()).ok()?,
                number: Uint::new(&list.body.number.to_be_bytes()).ok()?,
                this_update: list.body.this_update,
            })
        });
        let of_certificates = certificates.iter().filter_map(|place| {
            let list = self.certificates.get(*place)?;
            Some(ListUsed {
                kind: ListKind::CertificateList,
                issuer: Any::from_der(list.issuer()).ok()?,
                number: Uint::new(list.number()).ok()?,
                this_update: GeneralizedTime(list.this_update()),
            })
        });
        let lists: Vec<_> = of_tokens.chain(of_certificates).collect();
        (!lists.is_empty()).then_some(lists)
    }

    /// What a verdict tells of the lists that [`Self::used`] names.
    pub(crate) fn evidence(&self, certificates: &[usize]) -> Vec<ListEvidence> {
        let used = self.used(certificates).unwrap_or_default();
        let view = |list: &ListUsed| ListEvidence {
            kind: list.kind,
            issuer: display_name(&list.issuer_der()),
            number: decimal(list.number.as_bytes()),
            this_update: list.this_update.0,
        };
        used.iter().map(view).collect()
    }

    /// The machine must have every list that was used, or a later one: else somebody took it back.
    pub(crate) fn check_used(&self, used: &[ListUsed]) -> Result<(), Reason> {
        if !self.of_machine {
            return Ok(());
        }
        used.iter().try_for_each(|list| self.check_one_used(list))
    }

    fn check_one_used(&self, used: &ListUsed) -> Result<(), Reason> {
        let issuer = used.issuer_der();
        let (wanted, dated) = (used.number.as_bytes(), used.this_update.0);
        let mut own: Vec<(Vec<u8>, Time)> = Vec::new();
        match used.kind {
            ListKind::TokenList => {
                for list in &self.tokens {
                    let (number, date) = (list.body.number.to_be_bytes().to_vec(), list.body.this_update.0);
                    if names_match(list.issuer(), &issuer) {
                        own.push((number, date));
                    } else if date >= dated && list.body.replaced().any(|name| names_match(&name, &issuer)) {
                        // Another signer's numbers say nothing here: its date does.
                        own.push((wanted.to_vec(), dated));
                    }
                }
            }
            ListKind::CertificateList => {
                let lists = self.certificates.iter().filter(|list| names_match(list.issuer(), &issuer));
                own.extend(lists.map(|list| (list.number().to_vec(), list.this_update())));
            }
        }
        let issuer = display_name(&issuer);
        let Some((number, date)) = own.into_iter().max_by(|(one, _), (other, _)| compare(one, other)) else {
            return Err(Reason::ListMissing { issuer });
        };
        match (compare(&number, wanted), date.cmp(&dated)) {
            (Ordering::Less, Ordering::Greater) | (Ordering::Greater, Ordering::Less) => {
                Err(Reason::ListsContradict { issuer, what: "the number rose and the date fell" })
            }
            (Ordering::Equal, Ordering::Less | Ordering::Greater) => {
                Err(Reason::ListsContradict { issuer, what: "one number, two lists" })
            }
            (Ordering::Less, _) => Err(Reason::ListRollback { issuer, number: low(&number), newest: low(wanted) }),
            _ => Ok(()),
        }
    }
}

/// Whether the token lists among those used are as recent as a token's terms ask for.
pub(crate) fn check_terms(terms: Option<&ListTerms>, used: &[ListUsed], at: Time) -> Result<(), Reason> {
    let Some(terms) = terms else {
        return Ok(());
    };
    let of_tokens = || used.iter().filter(|list| list.kind == ListKind::TokenList);
    if of_tokens().any(|list| terms.accept(list.number.as_bytes(), list.this_update.0, at)) {
        return Ok(());
    }
    match of_tokens().max_by_key(|list| list.this_update) {
        None => Err(Reason::ListMissing { issuer: String::new() }),
        Some(newest) => Err(Reason::ListStale {
            number: low(newest.number.as_bytes()),
            this_update: newest.this_update.0,
            oldest_number: terms.oldest_number,
            max_age: terms.max_age,
        }),
    }
}

impl ListTerms {
    /// Whether a token list with a number, as big-endian octets, and a date is recent enough at a time.
    pub fn accept(&self, number: &[u8], this_update: Time, at: Time) -> bool {
        self.max_age.is_none_or(|age| this_update.plus(age.into()) >= at)
            && self.oldest_number.is_none_or(|oldest| compare(number, &oldest.to_be_bytes()).is_ge())
    }
}

/// A list's number, given as big-endian octets, for a person to read: in decimal, beyond 128 bits in hexadecimal.
pub fn decimal(number: &[u8]) -> String {
    let number = strip(number);
    if number.len() > 16 {
        return number.iter().fold("0x".to_owned(), |text, octet| format!("{text}{octet:02x}"));
    }
    number.iter().fold(0_u128, |value, octet| value << 8 | u128::from(*octet)).to_string()
}

fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Big-endian numbers of any length.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (strip(one), strip(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// The last 64 bits of a number, for a person to read.
fn low(number: &[u8]) -> u64 {
    number.iter().fold(0, |value, octet| value << 8 | u64::from(*octet))
}
