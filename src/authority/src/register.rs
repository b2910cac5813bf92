//! What the ledger's entries come to: what there is, what is revoked, and which lists were issued last.

use crate::{
    error::Error,
    ledger::{Body, Entry},
    role::Role,
    words::{RevocationWord, digest, hex_octets},
};
use countersign_common::{
    Demands, SignedObject, Time, anchors_update::AnchorsUpdate, merkle::Accumulator, token::Seconds,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the ledger's entries come to. Digests are SHA-256 in lower-case hexadecimal.
#[derive(Debug, Default)]
pub(crate) struct Register {
    /// What a root here issued, and the roots, in the order of the ledger.
    pub(crate) certificates: Vec<KnownCertificate>,
    /// All versions of all tokens, in the order of the ledger.
    pub(crate) tokens: Vec<KnownToken>,
    /// Revoked tokens by id.
    pub(crate) revoked_tokens: BTreeMap<String, RevokedToken>,
    /// Revoked certificates by digest.
    pub(crate) revoked_certificates: BTreeMap<String, RevokedCertificate>,
    /// Records that came back, by digest.
    pub(crate) received: BTreeMap<String, ReceivedRecord>,
    /// The newest token list.
    pub(crate) token_list: Option<IssuedList>,
    /// The newest complete list of each root, by the digest of its certificate.
    pub(crate) certificate_lists: BTreeMap<String, IssuedList>,
    /// The highest number of an anchors update that was issued or adopted.
    pub(crate) anchors_number: u64,
    /// DER of the anchors updates in force, in their order, one object for each signature.
    pub(crate) adopted: Vec<Vec<u8>>,
    /// The tree over the entries.
    pub(crate) tree: Accumulator,
    /// The last entry that changes what lists say.
    last_change: i64,
    /// The last entry that changes what a root's list of certificates says, by the digest of its certificate.
    certificate_changes: BTreeMap<String, i64>,
}

/// The certificates of the founding, in hexadecimal, each with its role; none of any other entry.
pub(crate) fn founding_certificates(entry: &Body) -> Vec<(Role, &str)> {
    let Body::AuthorityFounded {
        token_root,
        holder_root,
        token_signer,
        list_signer,
        anchors_signer,
        ledger_signer,
        ..
    } = entry
    else {
        return Vec::new();
    };
    vec![
        (Role::TokenRoot, token_root.as_str()),
        (Role::HolderRoot, holder_root),
        (Role::TokenSigner, token_signer),
        (Role::ListSigner, list_signer),
        (Role::AnchorsSigner, anchors_signer),
        (Role::LedgerSigner, ledger_signer),
    ]
}

/// A certificate that the ledger knows.
#[derive(Clone, Debug)]
pub(crate) struct KnownCertificate {
    pub(crate) digest: String,
    pub(crate) der: Vec<u8>,
    /// Its role and the place among those of the role, counted from 1; nothing for holders and approvers.
    pub(crate) role: Option<(Role, usize)>,
    /// Whether it was made for a card.
    pub(crate) is_holder: bool,
}

/// A version of a token.
#[derive(Clone, Debug)]
pub(crate) struct KnownToken {
    pub(crate) id: String,
    pub(crate) revision: u32,
    pub(crate) customer: String,
    pub(crate) digest: String,
    /// Digest of its signer's certificate.
    pub(crate) signer: String,
    sequence: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct RevokedToken {
    pub(crate) revision: u32,
    pub(crate) reason: RevocationWord,
    pub(crate) date: Time,
    pub(crate) digest: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct RevokedCertificate {
    pub(crate) issuer: String,
    pub(crate) der: Vec<u8>,
    pub(crate) reason: RevocationWord,
    /// Since when it is not to be relied on.
    pub(crate) date: Time,
    /// When that was entered.
    pub(crate) entered: Time,
    /// Whether the tokens that the ledger had of this signer stand.
    pub(crate) standing: bool,
    sequence: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct ReceivedRecord {
    sequence: i64,
    holder: String,
}

/// A list as it was issued.
#[derive(Clone, Debug)]
pub(crate) struct IssuedList {
    pub(crate) number: u64,
    pub(crate) issued: Time,
    pub(crate) next_update: Time,
    pub(crate) der: Vec<u8>,
    sequence: i64,
}

impl Register {
    /// Takes the next entry into account.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Error> {
        let sequence = entry.sequence;
        self.tree.append(entry.leaf);
        let damaged = || Error::LedgerDamaged(format!("entry {sequence}: what it holds cannot be read"));
        let octets = |text: &str| hex_octets(text).ok_or_else(damaged);
        let time = |text: &str| text.parse::<Time>().map_err(|_| damaged());
        let entered = time(&entry.time)?;
        match entry.body {
            Body::AnchorsAdopted { number, objects, .. } => {
                self.anchors_number = self.anchors_number.max(number);
                for object in &objects {
                    self.adopted.push(octets(object)?);
                }
            }
            Body::AnchorsUpdateIssued { number, .. } => self.anchors_number = self.anchors_number.max(number),
            founding @ Body::AuthorityFounded { .. } => {
                for (role, der) in founding_certificates(&founding) {
                    self.know(octets(der)?, Some(role));
                }
            }
            Body::BatchIssued { .. }
            | Body::BundleMade { .. }
            | Body::CeremonyHeld { .. }
            | Body::Refused { .. }
            | Body::TokenApproved { .. }
            | Body::TokenRequested { .. } => {}
            Body::CertificateListIssued { issuer, number, base: None, next_update, list, .. } => {
                let next_update = time(&next_update)?;
                let der = octets(&list)?;
                let list = IssuedList { number, issued: entered, next_update, der, sequence };
                self.certificate_lists.insert(issuer, list);
            }
            // It shares the number of the complete list that was issued with it.
            Body::CertificateListIssued { .. } => {}
            Body::CertificateReinstated { digest } => {
                if let Some(revoked) = self.revoked_certificates.remove(&digest) {
                    self.certificate_changes.insert(revoked.issuer, sequence);
                }
                self.last_change = sequence;
            }
            Body::CertificateRenewed { role, certificate, .. } => {
                let role = Role::from_name(&role).ok_or_else(damaged)?;
                self.know(octets(&certificate)?, Some(role));
                self.last_change = sequence;
            }
            Body::CertificateRevoked { digest, issuer, certificate, reason, date, standing } => {
                let (der, date) = (octets(&certificate)?, time(&date)?);
                self.certificate_changes.insert(issuer.clone(), sequence);
                let revoked = RevokedCertificate { issuer, der, reason, date, entered, sequence, standing };
                self.revoked_certificates.insert(digest, revoked);
                self.last_change = sequence;
            }
            Body::HolderEnrolled { certificate, .. } => {
                self.know(octets(&certificate)?, None);
                self.certificates.last_mut().into_iter().for_each(|known| known.is_holder = true);
            }
            Body::CrossCertified { certificate, .. } | Body::OfficerEnrolled { certificate, .. } => {
                self.know(octets(&certificate)?, None);
            }
            Body::RecordReceived { digest, holder, .. } => {
                self.note_received(digest, holder, sequence);
            }
            Body::TokenIssued { id, revision, customer, signer, digest, .. } => {
                self.tokens.push(KnownToken { id, revision, customer, digest, sequence, signer });
            }
            Body::TokenListIssued { number, next_update, list, .. } => {
                let next_update = time(&next_update)?;
                let der = octets(&list)?;
                self.token_list = Some(IssuedList { number, issued: entered, next_update, der, sequence });
            }
            Body::TokenReinstated { id } => {
                self.revoked_tokens.remove(&id);
                self.last_change = sequence;
            }
            Body::TokenRevoked { id, revision, reason, date, digest } => {
                self.revoked_tokens.insert(id, RevokedToken { revision, reason, date: time(&date)?, digest });
                self.last_change = sequence;
            }
        }
        Ok(())
    }

    /// Notes that a record came back.
    fn note_received(&mut self, digest: String, holder: String, sequence: i64) {
        self.received.entry(digest).or_insert(ReceivedRecord { sequence, holder });
        self.last_change = sequence;
    }

    fn know(&mut self, der: Vec<u8>, role: Option<Role>) {
        let place = |role| (role, 1 + self.of_role(role).count());
        let role = role.map(place);
        self.certificates.push(KnownCertificate { digest: digest(&der), der, role, is_holder: false });
    }

    /// Certificates that were made for cards here.
    pub(crate) fn holders(&self) -> impl Iterator<Item = &KnownCertificate> {
        self.certificates.iter().filter(|known| known.is_holder)
    }

    /// Those that are not revoked.
    pub(crate) fn holders_in_force(&self) -> impl Iterator<Item = &KnownCertificate> {
        self.holders().filter(|known| !self.revoked_certificates.contains_key(&known.digest))
    }

    /// How many records of a holder came back, by the digest of the certificate.
    pub(crate) fn received_of(&self, holder: &str) -> usize {
        self.received.values().filter(|record| record.holder == holder).count()
    }

    /// Whether a certificate, by its digest, was issued to a person and is not revoked.
    pub(crate) fn is_in_force(&self, digest: &str) -> bool {
        self.holders_in_force().any(|known| known.digest == digest)
    }

    /// What the anchors in force demand of tokens.
    pub(crate) fn demands(&self) -> Result<Demands, Error> {
        self.adopted.last().map_or_else(|| Ok(Demands::default()), |der| demands_of(der))
    }

    /// The certificates of a role, the first one first.
    pub(crate) fn of_role(&self, role: Role) -> impl Iterator<Item = &KnownCertificate> {
        self.certificates.iter().filter(move |known| known.role.is_some_and(|(of, _)| of == role))
    }

    /// The roots for tokens, then those for holders.
    pub(crate) fn roots(&self) -> impl Iterator<Item = &KnownCertificate> {
        self.of_role(Role::TokenRoot).chain(self.of_role(Role::HolderRoot))
    }

    /// The one token whose id begins so: all its versions, the latest last.
    pub(crate) fn token(&self, id: &str) -> Result<Vec<&KnownToken>, Error> {
        let wanted = id.to_ascii_lowercase();
        let versions: Vec<_> = self.tokens.iter().filter(|token| token.id.starts_with(&wanted)).collect();
        match versions.first() {
            Some(first) if versions.iter().any(|token| token.id != first.id) => Err(Error::Ambiguous(id.to_owned())),
            Some(_) if !wanted.is_empty() => Ok(versions),
            _ => Err(Error::NoEntry(id.to_owned())),
        }
    }

    /// The one certificate whose SHA-256 begins so.
    pub(crate) fn certificate(&self, digest: &str) -> Result<&KnownCertificate, Error> {
        let wanted = digest.to_ascii_lowercase();
        let mut fitting = self.certificates.iter().filter(|known| known.digest.starts_with(&wanted));
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => Err(Error::Ambiguous(digest.to_owned())),
            (Some(known), None) if !wanted.is_empty() => Ok(known),
            _ => Err(Error::NoEntry(digest.to_owned())),
        }
    }

    /// Digests of the tokens that stand although their signer was revoked: those that the ledger had by then.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| {
            let signer = self.revoked_certificates.get(&token.signer)?;
            (signer.standing && token.sequence < signer.sequence).then_some(token.digest.as_str())
        })
    }

    /// Digests of the records that stand although their holder was revoked: those that came back before. Of a holder
    /// enrolled here who is not revoked no record needs to be named; whether another one is, nobody here knows.
    pub(crate) fn received_in_time(&self) -> impl Iterator<Item = &str> {
        let enrolled: BTreeSet<&str> = self.certificates.iter().map(|known| known.digest.as_str()).collect();
        let revocable = move |record: &ReceivedRecord| {
            self.revoked_certificates.contains_key(&record.holder) || !enrolled.contains(record.holder.as_str())
        };
        let named = self.received.iter().filter(move |(_, record)| revocable(record) && self.in_time(record));
        named.map(|(digest, _)| digest.as_str())
    }

    /// Whether a record came back before its holder was revoked, if he was.
    pub(crate) fn was_received_in_time(&self, record: &str) -> bool {
        self.received.get(record).is_some_and(|record| self.in_time(record))
    }

    fn in_time(&self, record: &ReceivedRecord) -> bool {
        let revoked = self.revoked_certificates.get(&record.holder);
        revoked.is_none_or(|revoked| record.sequence < revoked.sequence)
    }

    /// The list of a root that goes on saying all that is to be said of what the root issued, and has not run out.
    pub(crate) fn list_in_force(&self, root: &str, now: Time) -> Option<&IssuedList> {
        let change = self.certificate_changes.get(root).copied().unwrap_or_default();
        self.certificate_lists.get(root).filter(|list| list.sequence > change && now <= list.next_update)
    }

    /// Whether a list still says what is to be said, and has not run out.
    pub(crate) fn is_current(&self, list: &IssuedList, now: Time) -> bool {
        list.sequence > self.last_change && now <= list.next_update
    }
}

/// What an anchors update demands of tokens; given is the DER of one of its objects.
pub(crate) fn demands_of(der: &[u8]) -> Result<Demands, Error> {
    let object = SignedObject::from_der(der).map_err(Error::Verification)?;
    let update = AnchorsUpdate::from_der(object.content()).map_err(Error::Verification)?;
    Ok(update.demands.unwrap_or_default())
}

/// The number and date of what follows a list. The clock must not have fallen behind it: number and date rise together.
pub(crate) fn following(last: Option<&IssuedList>, now: Time) -> Result<u64, Error> {
    match last {
        Some(last) if now < last.issued => Err(Error::ClockBehindList { now, issued: last.issued }),
        Some(last) => last.number.checked_add(1).ok_or(Error::NotWhatWasMeant),
        None => Ok(1),
    }
}

/// By when the next list will be issued.
pub(crate) fn next_update(now: Time, validity: Seconds) -> Time {
    now.plus(validity.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn list(number: u64) -> IssuedList {
        let issued: Time = "2026-11-24".parse().unwrap();
        let next_update = issued.plus(86_400);
        IssuedList { number, issued, next_update, der: Vec::new(), sequence: 5 }
    }

    #[test]
    fn number_and_date_rise_together() {
        let last = list(7);
        assert_eq!(following(None, last.issued).unwrap(), 1);
        assert_eq!(following(Some(&last), last.issued).unwrap(), 8);
        let refused = following(Some(&last), last.issued.minus(1)).unwrap_err();
        assert_eq!(refused.code(), "CS-7054");
        assert!(refused.to_string().contains("2026-11-24T00:00:00Z") && !refused.advice().is_empty());
        assert!(following(Some(&list(u64::MAX)), last.issued).is_err());
    }

    #[test]
    fn a_list_is_current_until_it_runs_out_or_something_changes() {
        let list = list(1);
        let mut register = Register::default();
        assert!(register.is_current(&list, list.next_update));
        assert!(!register.is_current(&list, list.next_update.plus(1)));
        register.note_received("aa".to_owned(), "bb".to_owned(), 6);
        assert!(!register.is_current(&list, list.issued));
    }

    #[test]
    fn records_are_named_whose_holder_is_revoked_or_not_known_here() {
        let mut register = Register::default();
        for holder in [b"ada", b"bob", b"eve"] {
            register.know(holder.to_vec(), None);
        }
        let revoked = |sequence| RevokedCertificate {
            issuer: String::new(),
            der: Vec::new(),
            reason: RevocationWord::KeyCompromise,
            date: Time::from_unix(0),
            entered: Time::from_unix(0),
            standing: false,
            sequence,
        };
        for (holder, sequence) in [(b"bob", 7), (b"eve", 5)] {
            register.revoked_certificates.insert(digest(holder), revoked(sequence));
        }
        for (record, holder) in [("of ada", b"ada"), ("of bob", b"bob"), ("of eve", b"eve"), ("of a stranger", b"tom")]
        {
            register.note_received(record.to_owned(), digest(holder), 6);
        }
        assert_eq!(register.received_in_time().collect::<Vec<_>>(), ["of a stranger", "of bob"]);
    }

    #[test]
    fn what_several_things_begin_with_names_none() {
        let token = |id: &str, revision| KnownToken {
            id: id.to_owned(),
            revision,
            customer: String::new(),
            digest: String::new(),
            signer: String::new(),
            sequence: 1,
        };
        let tokens = vec![token("aa01", 1), token("aa02", 1), token("aa01", 2)];
        let register = Register { tokens, ..Default::default() };
        assert_eq!(register.token("AA01").unwrap().last().unwrap().revision, 2);
        assert!(matches!(register.token("aa"), Err(Error::Ambiguous(_))));
        for id in ["", "ab", "aa011"] {
            assert!(matches!(register.token(id), Err(Error::Ambiguous(_) | Error::NoEntry(_))), "{id}");
        }
    }
}
