//! Machines behind records: which records are of one machine, which machines are copies, and which take turns.
//!
//! The rule of the token decides what is one machine, as on the machine itself ([`MachineComparison`]). In doubt it is
//! one: no machine is counted that may not be there.

use countersign_common::{
    ComparisonOutcome, ComponentKind, ComponentMatch, Digest32, MachineComparison, MachineComponent,
    token::MachineBinding,
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// A machine as one record has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting<'a> {
    /// Which version of which token it was activated under.
    pub(super) version: usize,
    /// How that token tells machines apart.
    pub(super) rule: &'a MachineBinding,
    pub(super) machine: &'a [MachineComponent],
}

/// Sightings that cannot be of one machine, and the components that say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) kinds: Vec<ComponentKind>,
    /// Places of the sightings, ascending.
    pub(super) sightings: Vec<usize>,
}

/// The machine of each sighting, numbered from 0 in the order of their first sightings.
///
/// Two sightings are of one machine where the token of either takes them for the same, where a third one links them, or
/// where nobody can tell and they have something in common.
pub(super) fn tell_apart(sightings: &[Sighting<'_>]) -> Vec<usize> {
    let mut machines = Partition::new(sightings.len());
    // Most machines are seen with the same components each time: those are compared once.
    let (mut first, mut distinct) = (BTreeMap::new(), Vec::new());
    for (place, sighting) in sightings.iter().enumerate() {
        match first.entry((sighting.version, values(sighting.machine).collect::<Vec<_>>())) {
            Entry::Occupied(seen) => machines.join(*seen.get(), place),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                distinct.push((place, sighting));
            }
        }
    }
    // What has no value in common is never the same, so that only those are compared that have one.
    let counts = |sighting: &Sighting<'_>, kind| kind != ComponentKind::Cpu || sighting.rule.required == 1;
    for alike in by_value(&distinct, counts).values() {
        for (one, other) in pairs(alike) {
            if machines.find(one.0) != machines.find(other.0) && may_be_one(one.1, other.1) {
                machines.join(other.0, one.0);
            }
        }
    }
    let mut numbers = BTreeMap::new();
    (0..sightings.len())
        .map(|place| {
            let next = numbers.len();
            *numbers.entry(machines.find(place)).or_insert(next)
        })
        .collect()
}

/// Machines that are told apart and yet have the same identity, one finding for all that hang together.
pub(super) fn copies(sightings: &[Sighting<'_>], machines: &[usize]) -> Vec<Conflict> {
    let all: Vec<_> = sightings.iter().enumerate().collect();
    let mut families = Partition::new(machines.len());
    let mut edges = Vec::new();
    let identity = |_: &Sighting<'_>, kind| matches!(kind, ComponentKind::DmiUuid | ComponentKind::MachineId);
    for alike in by_value(&all, identity).values() {
        // One sighting of each machine and each set of components is enough.
        let mut seen = BTreeSet::new();
        let machine = |place: usize| machines.get(place).copied().unwrap_or_default();
        let fresh = |(place, sighting): &&(usize, &Sighting<'_>)| {
            seen.insert((machine(*place), values(sighting.machine).collect::<Vec<_>>()))
        };
        let alike: Vec<_> = alike.iter().filter(fresh).copied().collect();
        for (one, other) in pairs(&alike) {
            let (first, second) = (machine(one.0), machine(other.0));
            if families.find(first) != families.find(second) && is_copy(one.1.machine, other.1.machine) {
                families.join(first, second);
                edges.push((first, one, other));
            }
        }
    }
    let mut found: BTreeMap<usize, (BTreeSet<ComponentKind>, BTreeSet<usize>)> = BTreeMap::new();
    for (machine, one, other) in edges {
        let (kinds, places) = found.entry(families.find(machine)).or_default();
        places.extend([one.0, other.0]);
        let same = |kind: &ComponentKind| agree(one.1.machine, other.1.machine, *kind) == Some(true);
        kinds.extend([ComponentKind::DmiUuid, ComponentKind::MachineId].into_iter().filter(same));
    }
    found.into_values().map(Conflict::new).collect()
}

/// Machines that went back to what they had left, in two components at once: two of them under one identity that take
/// turns. A single part may have been put back. Sightings are in the order of time.
pub(super) fn turns(sightings: &[Sighting<'_>], machines: &[usize]) -> Vec<Conflict> {
    #[derive(Default)]
    struct Past<'a> {
        /// What each component was last, and in which sighting.
        now: BTreeMap<ComponentKind, (&'a [Digest32], usize)>,
        /// What components were before, and in which sighting last.
        left: BTreeMap<(ComponentKind, Digest32), usize>,
        found: bool,
    }
    let mut found = Vec::new();
    let mut pasts: BTreeMap<usize, Past<'_>> = BTreeMap::new();
    for ((place, sighting), machine) in sightings.iter().enumerate().zip(machines) {
        let past = pasts.entry(*machine).or_default();
        let (mut kinds, mut places) = (BTreeSet::new(), BTreeSet::from([place]));
        for MachineComponent { kind, digests } in sighting.machine {
            let before = past.now.insert(*kind, (digests, place));
            let Some((gone, last)) = before.filter(|(gone, _)| !gone.iter().any(|value| digests.contains(value)))
            else {
                continue;
            };
            past.left.extend(gone.iter().map(|value| ((*kind, *value), last)));
            if let Some(earlier) = digests.iter().find_map(|value| past.left.get(&(*kind, *value)))
                && *kind != ComponentKind::Cpu
            {
                kinds.insert(*kind);
                places.extend([*earlier, last]);
            }
        }
        if kinds.len() > 1 && !past.found {
            past.found = true;
            found.push(Conflict::new((kinds, places)));
        }
    }
    found
}

impl Conflict {
    fn new((kinds, sightings): (BTreeSet<ComponentKind>, BTreeSet<usize>)) -> Self {
        Self { kinds: kinds.into_iter().collect(), sightings: sightings.into_iter().collect() }
    }
}

/// Whether two sightings are of one machine by the rule of either token, or nobody can tell and a component agrees that
/// is not the same in all machines of a model.
fn may_be_one(one: &Sighting<'_>, other: &Sighting<'_>) -> bool {
    let own = |(kind, found): &(ComponentKind, ComponentMatch)| {
        *found == ComponentMatch::Matches && *kind != ComponentKind::Cpu
    };
    let by = |rule: &MachineBinding| {
        // What one of them did not record is missing in the one direction only.
        [(one, other), (other, one)].into_iter().any(|(recorded, present)| {
            let comparison = MachineComparison::new(rule, recorded.machine, present.machine);
            match comparison.outcome {
                ComparisonOutcome::Same => true,
                ComparisonOutcome::CannotTell => comparison.components.iter().any(own),
                ComparisonOutcome::Other => false,
            }
        })
    };
    by(one.rule) || (one.version != other.version && by(other.rule))
}

/// Whether an installation or a virtual machine was copied: its identity agrees, and what a copy does not take along
/// differs. A machine with a new system has another machine-id on the board that it had, and is no copy.
fn is_copy(one: &[MachineComponent], other: &[MachineComponent]) -> bool {
    use ComponentKind::{BoardSerial, DiskSerial, DmiUuid, MachineId, NetworkAddress};
    let same = |kind| agree(one, other, kind) == Some(true);
    let differs = |kinds: &[ComponentKind]| kinds.iter().any(|kind| agree(one, other, *kind) == Some(false));
    (same(MachineId) && differs(&[DmiUuid, BoardSerial, DiskSerial, NetworkAddress]))
        || (same(DmiUuid) && differs(&[BoardSerial, NetworkAddress]))
}

/// Whether a component has a value in common; nothing where one of the two does not have it.
fn agree(one: &[MachineComponent], other: &[MachineComponent], kind: ComponentKind) -> Option<bool> {
    let of = |list: &[MachineComponent]| list.iter().position(|component| component.kind == kind);
    let (one, other) = (one.get(of(one)?)?, other.get(of(other)?)?);
    Some(one.digests.iter().any(|value| other.digests.contains(value)))
}

fn values(machine: &[MachineComponent]) -> impl Iterator<Item = (ComponentKind, Digest32)> + '_ {
    machine.iter().flat_map(|component| component.digests.iter().map(|digest| (component.kind, *digest)))
}

type Place<'s, 'a> = (usize, &'s Sighting<'a>);

/// The sightings with each value of those components that count.
fn by_value<'s, 'a>(
    sightings: &[Place<'s, 'a>],
    counts: impl Fn(&Sighting<'a>, ComponentKind) -> bool,
) -> BTreeMap<(ComponentKind, Digest32), Vec<Place<'s, 'a>>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (place, sighting) in sightings {
        for (kind, value) in values(sighting.machine).filter(|(kind, _)| counts(sighting, *kind)) {
            found.entry((kind, value)).or_default().push((*place, *sighting));
        }
    }
    found
}

/// Each two of a list, the earlier one first.
fn pairs<T: Copy>(list: &[T]) -> impl Iterator<Item = (T, T)> + '_ {
    list.iter().enumerate().flat_map(|(at, one)| list.iter().skip(at + 1).map(|other| (*one, *other)))
}

/// Things that were joined, each set known by one of its members.
struct Partition(Vec<usize>);

impl Partition {
    fn new(size: usize) -> Self {
        Self((0..size).collect())
    }

    fn find(&mut self, mut member: usize) -> usize {
        while let Some(parent) = self.0.get(member).copied().filter(|parent| *parent != member) {
            // Half of the way is kept short for the next time.
            let above = self.0.get(parent).copied().unwrap_or(parent);
            if let Some(place) = self.0.get_mut(member) {
                *place = above;
            }
            member = above;
        }
        member
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        if let Some(place) = self.0.get_mut(one.max(other)) {
            *place = one.min(other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ComponentKind::{BoardSerial, Cpu, DiskSerial, DmiUuid, MachineId, NetworkAddress};
    use countersign_common::{
        Octets, sha256,
        token::{ComponentRule, TpmRule},
    };

    fn rule(required: u8, kinds: &[ComponentKind], mandatory: Option<ComponentKind>) -> MachineBinding {
        let rule = |kind: &ComponentKind| ComponentRule { kind: *kind, mandatory: Some(*kind) == mandatory };
        let components = kinds.iter().map(rule).collect();
        let (salt, tpm) = (Octets([7; 32]), TpmRule::None);
        MachineBinding { salt, required, components, machines: None, tpm, virtual_machines: true }
    }

    /// Components from words such as `m1` or `d1+d2`, whose first letter names the kind.
    fn machine(words: &str) -> Vec<MachineComponent> {
        let component = |word: &str| {
            let kind = match &word[..1] {
                "u" => DmiUuid,
                "b" => BoardSerial,
                "d" => DiskSerial,
                "m" => MachineId,
                "n" => NetworkAddress,
                _ => Cpu,
            };
            let mut digests: Vec<_> = word.split('+').map(|value| Octets(sha256(value.as_bytes()))).collect();
            digests.sort_unstable();
            MachineComponent { kind, digests }
        };
        words.split(' ').map(component).collect()
    }

    struct Seen {
        machines: Vec<usize>,
        copies: Vec<(Vec<ComponentKind>, Vec<usize>)>,
        turns: Vec<(Vec<ComponentKind>, Vec<usize>)>,
    }

    /// What comes of machines that are seen one after the other, each under the rule with its number.
    fn see(rules: &[MachineBinding], seen: &[(usize, &str)]) -> Seen {
        let machines: Vec<_> = seen.iter().map(|(version, words)| (*version, machine(words))).collect();
        let sightings: Vec<_> = machines
            .iter()
            .map(|(version, machine)| Sighting { version: *version, rule: &rules[*version], machine })
            .collect();
        let machines = tell_apart(&sightings);
        let plain =
            |found: Vec<Conflict>| found.into_iter().map(|conflict| (conflict.kinds, conflict.sightings)).collect();
        Seen { copies: plain(copies(&sightings, &machines)), turns: plain(turns(&sightings, &machines)), machines }
    }

    const FIVE: [ComponentKind; 5] = [DmiUuid, BoardSerial, DiskSerial, MachineId, NetworkAddress];

    #[test]
    fn a_machine_is_one_as_far_as_its_token_lets_it_drift() {
        for (required, seen, expected) in [
            // The same again, a part exchanged, and then another, so that the last has too little of the first.
            (3, &["u1 b1 d1 m1 n1", "u1 b1 d1 m1 n1", "u1 b1 d2 m1 n1", "u1 b1 d2 m2 n2"][..], &[0, 0, 0, 0][..]),
            (3, &["u1 b1 d1 m1 n1", "u1 b1 d2 m2 n2"], &[0, 1]),
            (3, &["u1 b1 d1 m1 n1", "u2 b2 d2 m2 n2", "u1 b1 d1 m1 n9"], &[0, 1, 0]),
            // One of several disks is enough.
            (5, &["u1 b1 d1+d2 m1 n1", "u1 b1 d2+d3 m1 n1"], &[0, 0]),
            // Nobody can tell: counted as one where anything agrees.
            (2, &["d1 m1", "m1 n1"], &[0, 0]),
            (2, &["d1 m1", "b1 n1"], &[0, 1]),
            (3, &["u1 b1 d1 m1", "u1 b2 m1 n1"], &[0, 0]),
            // Later records that link two machines make them one.
            (2, &["d1 m1 n1", "d2 m2 n2", "d1 m2 n1+n2"], &[0, 0, 0]),
        ] {
            let seen: Vec<_> = seen.iter().map(|words| (0, *words)).collect();
            assert_eq!(see(&[rule(required, &FIVE, None)], &seen).machines, expected, "{required} {seen:?}");
        }
        // The processor alone makes one machine only where the token says so.
        let kinds = [MachineId, Cpu];
        for (required, expected) in [(1, [0, 0]), (2, [0, 1])] {
            assert_eq!(see(&[rule(required, &kinds, None)], &[(0, "m1 c1"), (0, "m2 c1")]).machines, expected);
        }
        // Of two versions that differ, the one that lets more drift counts.
        let rules = [rule(2, &FIVE, None), rule(5, &FIVE, None)];
        let seen = |first, second| see(&rules, &[(first, "u1 b1 d1 m1 n1"), (second, "u1 b1 d2 m2 n2")]).machines;
        assert_eq!([seen(0, 0), seen(0, 1), seen(1, 0), seen(1, 1)], [[0, 0], [0, 0], [0, 0], [0, 1]]);
    }

    #[test]
    fn a_copy_has_the_identity_of_another_machine_and_none_of_its_parts() {
        let both = || vec![DmiUuid, MachineId];
        for (seen, expected) in [
            (&["u1 b1 d1 m1 n1", "u1 b2 d2 m1 n2"][..], &[(both(), vec![0, 1])][..]),
            (&["u1 b1 d1 m1 n1", "u2 b2 d1 m1 n2"], &[(vec![MachineId], vec![0, 1])]),
            (&["u1 b1 d1 m1 n1", "u1 b2 d2 m2 n2"], &[(vec![DmiUuid], vec![0, 1])]),
            // Three of a kind are one finding, another pair is another one.
            (
                &["u1 b1 d1 m1 n1", "u1 b2 d2 m1 n2", "u1 b3 d3 m1 n3", "u4 b4 d4 m4 n4", "u5 b5 d5 m4 n5"],
                &[(both(), vec![0, 1, 2]), (vec![MachineId], vec![3, 4])],
            ),
            // The original is seen again and again.
            (&["u1 b1 d1 m1 n1", "u1 b1 d1 m1 n1", "u1 b2 d2 m1 n2", "u1 b2 d2 m1 n2"], &[(both(), vec![0, 2])]),
            // No copies: the same machine, drift, a new system and disk on the old board, a part that moved, one model.
            (&["u1 b1 d1 m1 n1", "u1 b1 d1 m1 n1"], &[]),
            (&["u1 b1 d1 m1 n1", "u1 b1 d2 m1 n1", "u1 b1 d2 m1 n2"], &[]),
            (&["u1 b1 d1 m1 n1", "u1 b1 d2 m2 n1"], &[]),
            (&["u1 b1 d1 m1 n1", "u2 b2 d1 m2 n1"], &[]),
            (&["u1 b1 d1 m1 n1", "u2 b2 d2 m2 n2"], &[]),
        ] {
            let seen: Vec<_> = seen.iter().map(|words| (0, *words)).collect();
            let found = see(&[rule(4, &FIVE, None)], &seen);
            assert_eq!(found.copies, expected, "{seen:?}");
            assert_eq!(found.turns, [], "{seen:?}");
        }
        // A mandatory component that differs makes another machine, but a new system makes no copy.
        let new_system = see(&[rule(2, &FIVE, Some(MachineId))], &[(0, "u1 b1 d1 m1 n1"), (0, "u1 b1 d1 m2 n1")]);
        assert_eq!((new_system.machines, new_system.copies), (vec![0, 1], vec![]));
        let other_disk = see(&[rule(2, &FIVE, Some(DiskSerial))], &[(0, "d1 m1 n1"), (0, "d2 m1 n1")]);
        assert_eq!(other_disk.copies, [(vec![MachineId], vec![0, 1])]);
    }

    #[test]
    fn copies_within_the_drift_are_found_once_they_take_turns() {
        for (seen, expected) in [
            (
                &["u1 d1 m1 n1", "u1 d2 m1 n2", "u1 d1 m1 n1"][..],
                &[(vec![DiskSerial, NetworkAddress], vec![0, 1, 2])][..],
            ),
            // Once for a machine, however often.
            (
                &["u1 d1 m1 n1", "u1 d1 m1 n1", "u1 d2 m1 n2", "u1 d1 m1 n1", "u1 d2 m1 n2"],
                &[(vec![DiskSerial, NetworkAddress], vec![1, 2, 3])],
            ),
            (&["u1 d1 m1 n1", "u1 d2 m1 n2"], &[]),
            (&["u1 d1 m1 n1", "u1 d2 m1 n2", "u1 d2 m1 n2", "u1 d3 m1 n3"], &[]),
            // One part was put back, or is one of several that come and go.
            (&["u1 d1 m1 n1", "u1 d2 m1 n1", "u1 d1 m1 n1"], &[]),
            (&["u1 d1 m1 n1", "u1 d1+d2 m1 n1+n2", "u1 d1 m1 n1"], &[]),
            // A virtual machine that came back to an earlier host.
            (&["u1 d1 m1 n1 c1", "u1 d1 m1 n2 c2", "u1 d1 m1 n1 c1"], &[]),
        ] {
            let seen: Vec<_> = seen.iter().map(|words| (0, *words)).collect();
            let found = see(&[rule(2, &[DmiUuid, DiskSerial, MachineId, NetworkAddress, Cpu], None)], &seen);
            assert_eq!(found.turns, expected, "{seen:?}");
            assert!(found.machines.iter().all(|machine| *machine == 0) && found.copies.is_empty(), "{seen:?}");
        }
    }

    #[test]
    fn many_records_that_have_a_value_in_common_are_told_apart() {
        // A disk whose maker numbers none, in two thousand machines.
        let words: Vec<_> = (0..2_000).map(|number| format!("u{number} d1 m{number} n{number}")).collect();
        let seen: Vec<_> = words.iter().map(|words| (0, words.as_str())).collect();
        let found = see(&[rule(3, &FIVE, None)], &seen);
        assert_eq!(found.machines, (0..2_000).collect::<Vec<_>>());
        assert!(found.copies.is_empty() && found.turns.is_empty());
    }
}
