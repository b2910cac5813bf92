//! Certificate revocation lists and their indices.
//!
//! [`run`] reads a list that the input brings; [`Recipe`] makes lists that a path search is then given.

use crate::{certificates::key, draw::Draw};
use countersign_pki::{Certificate, PathErrorKind, RevocationList, Revoked};
use countersign_testpki::{
    Identity,
    crls::{List, delta, entry, indirect, issuing_point, only_cas, only_reasons, only_users, reason},
    der::{header, members, tlv},
};
use std::{cell::RefCell, collections::HashMap};

/// The most lists, the most entries of one, and the most lookups in one.
const MOST: usize = 8;
const LOOKUPS: usize = 64;
const DATES: [&str; 3] = ["2026-06-01T00:00:00Z", "2026-06-15T09:30:00Z", "2026-07-01T00:00:00Z"];
const REASONS: [u8; 8] = [0, 1, 2, 4, 5, 6, 8, 9];

/// Looks for every entry of a list, in the list itself and by its index; then does damage, first to the index and then
/// to the list.
///
/// Input: what is damaged (eight times two octets for the place and one for how), length of a list, its DER, and one
/// more serial number to look for.
pub fn run(draw: &mut Draw<'_>) {
    let damage: [(u16, u8); 8] = core::array::from_fn(|_| (draw.short(), draw.octet()));
    let length = draw.short();
    let der = draw.octets(length.into()).to_vec();
    let Ok(list) = RevocationList::from_der(&der) else { return };
    let entries = entries(&der);
    let mut serials: Vec<_> = entries.iter().take(LOOKUPS).cloned().collect();
    serials.push(draw.rest().to_vec());
    let look_in = |list: &RevocationList<'_>| -> Vec<_> {
        serials.iter().map(|serial| list.find(list.issuer(), serial)).collect()
    };
    let found = look_in(&list);
    let Ok(index) = list.index() else {
        // A serial number is listed twice.
        assert!(found.iter().all(Result::is_err), "an answer of a list that has no index");
        return;
    };
    if !is_indirect(&der) {
        for (serial, found) in serials.iter().zip(&found) {
            assert!(*found != Ok(None) || !entries.contains(serial), "an entry is not found");
            assert!(!matches!(found, Ok(Some(_))) || entries.contains(serial), "what is found is no entry");
        }
    }
    let opened = RevocationList::open(&der, &index).expect("the index of this list");
    assert_eq!(look_in(&opened), found, "the index says another thing");
    assert_eq!(opened.index().as_ref(), Ok(&index));
    assert_eq!((opened.digest(), opened.scope(), opened.number()), (list.digest(), list.scope(), list.number()));

    let (of_index, of_list) = damage.split_at(4);
    let damaged_index = damaged(&index, of_index);
    if let Ok(opened) = RevocationList::open(&der, &damaged_index) {
        agree(&look_in(&opened), &found, |now, before| now == before);
    }
    let damaged_list = damaged(&der, of_list);
    for index in [&index, &damaged_index] {
        if let Ok(opened) = RevocationList::open(&damaged_list, index)
            && !is_indirect(&der)
        {
            // The date and the reason of an entry have no digest of their own; that there is an entry shows.
            agree(&look_in(&opened), &found, |now, before| now.is_some() == before.is_some());
        }
    }
    if damaged_list != der
        && let Ok(other) = RevocationList::from_der(&damaged_list)
    {
        let _ = look_in(&other);
    }
}

type Answer = Result<Option<Revoked>, PathErrorKind>;

/// Damage is an error, or changes nothing.
fn agree(now: &[Answer], before: &[Answer], alike: impl Fn(&Option<Revoked>, &Option<Revoked>) -> bool) {
    for (now, before) in now.iter().zip(before) {
        if let (Ok(now), Ok(before)) = (now, before) {
            assert!(alike(now, before), "damage changed an answer from {before:?} to {now:?}");
        }
    }
}

/// Each octet, counted round, is changed by what an input says.
fn damaged(octets: &[u8], damage: &[(u16, u8)]) -> Vec<u8> {
    let mut damaged = octets.to_vec();
    for (place, how) in damage {
        let place = usize::from(*place) % damaged.len();
        damaged[place] ^= how;
    }
    damaged
}

/// Content octets of the serial numbers on a list that was read.
fn entries(der: &[u8]) -> Vec<Vec<u8>> {
    let body = members(der).swap_remove(0);
    // Version, algorithm, issuer and two dates come before.
    let entries = members(&body).into_iter().nth(5).filter(|member| member[0] == 0x30);
    let serial = |entry: &Vec<u8>| {
        let serial = members(entry).swap_remove(0);
        serial[header(&serial).0..].to_vec()
    };
    entries.map(|entries| members(&entries).iter().map(serial).collect()).unwrap_or_default()
}

/// Whether a list may be one about certificates of others; also where this only seems so.
fn is_indirect(der: &[u8]) -> bool {
    der.windows(3).any(|window| window == [0x55, 0x1d, 0x1c])
}

/// How to make a list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipe {
    issuer: u8,
    kind: u8,
    number: u8,
    entries: Vec<u8>,
}

thread_local! {
    /// What was made before.
    static MADE: RefCell<HashMap<Recipe, Vec<u8>>> = RefCell::default();
}

impl Recipe {
    /// Up to eight: how many, then for each issuer (key in the upper half, name in the lower), kind, number, how many
    /// entries, and three octets an entry: the place of a certificate among `certificates`, reason and date.
    pub fn draw(draw: &mut Draw<'_>, certificates: &[Option<Certificate<'_>>]) -> Vec<Self> {
        let count = usize::from(draw.octet()) % (MOST + 1);
        let recipe = |draw: &mut Draw<'_>| {
            let (issuer, kind, number, entries) = (draw.octet(), draw.octet(), draw.octet(), draw.octet());
            let mut recipe = Self { issuer, kind, number, entries: Vec::new() };
            for _ in 0..usize::from(entries) % MOST {
                let (place, why, date) = (draw.octet(), *draw.choice(&REASONS), *draw.choice(&DATES));
                let place = usize::from(place) % certificates.len().max(1);
                if let Some(Some(certificate)) = certificates.get(place) {
                    let serial = tlv(0x02, &[certificate.serial()]);
                    let why: &[_] = if why == 0 { &[] } else { &[reason(why)] };
                    recipe.entries.extend(entry(&serial, date, why));
                }
            }
            recipe
        };
        (0..count).map(|_| recipe(draw)).collect()
    }

    /// DER of the list.
    pub fn list(&self) -> Vec<u8> {
        MADE.with_borrow_mut(|made| {
            if made.len() > 1_024 {
                made.clear();
            }
            made.entry(self.clone()).or_insert_with(|| self.make()).clone()
        })
    }

    fn make(&self) -> Vec<u8> {
        let name = crate::certificates::name(self.issuer);
        let key = key(self.issuer);
        let issuer = Identity { key, name, serial: Vec::new(), certificate: Vec::new() };
        let mut list = List::new(&issuer).number((self.number & 3).into());
        list.entries.clone_from(&self.entries);
        if self.kind & 1 == 1 {
            list = list.extension(delta((self.number >> 2 & 3).into()));
        }
        let scope = [Vec::new(), only_users(), only_cas(), only_reasons(&[1, 2]), indirect()];
        if let Some(scope) = scope.get(usize::from(self.kind >> 1 & 7)).filter(|scope| !scope.is_empty()) {
            list = list.extension(issuing_point(std::slice::from_ref(scope)));
        }
        if self.kind & 0x10 != 0 {
            list = list.dates("2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z");
        }
        list.sign(&issuer.key)
    }
}
