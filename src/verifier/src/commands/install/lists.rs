//! The lists among what was brought: verified, and put in place of those before them.

use super::{Did, ListOutcome, Part, Step, judge::Work};
use crate::{
    error::Error,
    signers::{check_list, refused_list},
};
use countersign::{StoredList, Time};
use countersign_common::{
    Anchors, CLOCK_TOLERANCE, Certificate, PathErrorKind, Reason, RevocationList, SignedObject, VerifiedTokenList,
    decimal, display_name, list_may_follow, names_match,
};
use countersign_pki::compare_numbers;

/// A list that is larger gets an index, so that a check need not read all of it.
pub(in crate::commands) const INDEXED_FROM: usize = 64 * 1024;

impl Work<'_> {
    /// Puts the lists in place of those before them.
    pub(super) fn certificate_lists<'a>(
        &mut self,
        parts: &[&Part<'a>],
        lists: &mut Vec<RevocationList<'a>>,
        signers: &[Certificate<'_>],
    ) {
        let mut brought = Vec::new();
        for part in parts {
            let read = RevocationList::from_der(part.der);
            let read = read.map_err(|kind| refused_list(kind, String::new()).into());
            brought.extend(self.refuse_if(part.file, read).map(|list| (*part, list)));
        }
        brought.sort_by(|(_, one), (_, other)| compare_numbers(one.number(), other.number()));
        for (part, list) in brought {
            let scope = list.scope();
            let place = lists.iter().position(|other| other.scope() == scope);
            let earlier = place.and_then(|place| lists.get(place));
            let may = check_date(list.this_update(), self.machine.now)
                .and_then(|()| check_signer(&list, signers, part.bundled))
                .and_then(|()| earlier.map_or(Ok(()), |earlier| list_may_follow(&list, earlier)));
            let did = match earlier {
                Some(earlier) if earlier.number() == list.number() => Did::Already,
                Some(earlier) => Did::Replaced(decimal(earlier.number())),
                None => Did::Installed,
            };
            if self.refuse_if(part.file, may.map_err(Error::from)).is_none() {
                continue;
            }
            let told = ListOutcome {
                issuer: display_name(list.issuer()),
                number: decimal(list.number()),
                this_update: list.this_update(),
            };
            let what =
                if list.is_delta() { "certificate revocation list (delta)" } else { "certificate revocation list" };
            let name = told.name(what);
            let large = part.der.len() > INDEXED_FROM;
            // The same list again brings an index that was lost back.
            let changes = !matches!(did, Did::Already) || large && !self.machine.is_indexed(scope);
            self.outcome(part.file, part.kind, did, name).list = Some(told);
            self.passed(list.this_update());
            if !changes {
                continue;
            }
            let index = if large { list.index().map(Some) } else { Ok(None) };
            let index = index.map_err(|kind| refused_list(kind, display_name(list.issuer())).into());
            let Some(index) = self.refuse_if(part.file, index) else { continue };
            let name = StoredList::name_of_certificates(scope);
            self.steps.push(Step::List { name, octets: part.der.to_vec(), index });
            match place.and_then(|place| lists.get_mut(place)) {
                Some(place) => *place = list,
                None => lists.push(list),
            }
        }
    }

    /// Puts the token lists in place of those before them.
    pub(super) fn token_lists<'a>(
        &mut self,
        parts: &[&Part<'a>],
        lists: &mut Vec<VerifiedTokenList<'a>>,
        anchors: &Anchors<'_>,
        certificate_lists: &[RevocationList<'_>],
    ) {
        let mut brought = Vec::new();
        for part in parts {
            let verified = SignedObject::from_der(part.der)
                .and_then(|object| VerifiedTokenList::verify(object, anchors, certificate_lists))
                .and_then(|list| check_date(list.body().this_update.0, self.machine.now).map(|()| list));
            brought.extend(self.refuse_if(part.file, verified.map_err(Error::from)).map(|list| (*part, list)));
        }
        brought.sort_by_key(|(_, list)| list.body().number);
        let all = lists.iter().chain(brought.iter().map(|(_, list)| list));
        let replaced: Vec<_> = all.flat_map(|list| list.body().replaced()).collect();
        for (part, list) in brought {
            let (issuer, body) = (list.issuer(), list.body());
            let told = ListOutcome {
                issuer: display_name(issuer),
                number: body.number.to_string(),
                this_update: body.this_update.0,
            };
            let name = told.name("token list");
            if replaced.iter().any(|other| names_match(other, issuer)) {
                self.outcome(part.file, part.kind, Did::Superseded, name).list = Some(told);
                continue;
            }
            let place = lists.iter().position(|other| names_match(other.issuer(), issuer));
            let earlier = place.and_then(|place| lists.get(place));
            let may = earlier.map_or(Ok(()), |earlier| list.may_follow(earlier));
            let did = match earlier {
                Some(earlier) if earlier.body().number == body.number => Did::Already,
                Some(earlier) => Did::Replaced(earlier.body().number.to_string()),
                None => Did::Installed,
            };
            if self.refuse_if(part.file, may.map_err(Error::from)).is_none() {
                continue;
            }
            let changes = !matches!(did, Did::Already);
            self.outcome(part.file, part.kind, did, name).list = Some(told);
            self.passed(body.this_update.0);
            if !changes {
                continue;
            }
            // One issuer has one list, however its name is spelled.
            let spelled = earlier.map(VerifiedTokenList::issuer).filter(|earlier| *earlier != issuer);
            let gone = body.replaced().chain(spelled.map(<[u8]>::to_vec));
            self.steps.extend(gone.map(|issuer| Step::RemoveList(StoredList::name_of_tokens(&issuer))));
            let name = StoredList::name_of_tokens(issuer);
            self.steps.push(Step::List { name, octets: part.der.to_vec(), index: None });
            match place.and_then(|place| lists.get_mut(place)) {
                Some(place) => *place = list,
                None => lists.push(list),
            }
        }
    }
}

impl ListOutcome {
    fn name(&self, what: &str) -> String {
        format!("{what} {} of {}, issued {}", self.number, self.issuer, self.this_update)
    }
}

/// Where nobody who is known could have signed a list, a bundle's manifest vouches for it, and it counts from when its
/// signer turns up.
fn check_signer(list: &RevocationList<'_>, signers: &[Certificate<'_>], bundled: bool) -> Result<(), Reason> {
    match check_list(list, signers) {
        Err(PathErrorKind::ListSignerRefused(_)) if bundled => Ok(()),
        checked => checked.map_err(|kind| refused_list(kind, display_name(list.issuer()))),
    }
}

/// A list from the future is one of a clock that is wrong, on this side or on the other.
fn check_date(this_update: Time, now: Time) -> Result<(), Reason> {
    if now.plus(CLOCK_TOLERANCE) < this_update { Err(Reason::ClockBehind { now, floor: this_update }) } else { Ok(()) }
}
