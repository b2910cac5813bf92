//! Machines: named components, their digests under a token's salt, and how one machine is told from another.

use crate::{
    asn1::{Digest32, Octets},
    limits::ascending,
    token::MachineBinding,
};
use core::fmt;
use der::{Enumerated, Sequence};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The most digests that one component may have: adapters and disks come in numbers.
pub const MAX_DIGESTS: usize = 16;

/// A component that helps to recognise a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumerated)]
#[repr(u8)]
pub enum ComponentKind {
    /// UUID of the system (SMBIOS type 1).
    DmiUuid = 0,
    /// Serial number of the board (SMBIOS type 2).
    BoardSerial = 1,
    /// Serial numbers of fixed disks.
    DiskSerial = 2,
    /// The operating system's machine identifier.
    MachineId = 3,
    /// A key that cannot leave the TPM. Reserved: not read by this release.
    TpmKey = 4,
    /// Addresses of fixed network adapters.
    NetworkAddress = 5,
    /// Maker, family and model of the processor.
    Cpu = 6,
}

impl ComponentKind {
    /// All kinds, ascending.
    pub const ALL: [Self; 7] = [
        Self::DmiUuid,
        Self::BoardSerial,
        Self::DiskSerial,
        Self::MachineId,
        Self::TpmKey,
        Self::NetworkAddress,
        Self::Cpu,
    ];

    /// The name used in profiles, on the command line and in JSON, such as `disk-serial`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DmiUuid => "dmi-uuid",
            Self::BoardSerial => "board-serial",
            Self::DiskSerial => "disk-serial",
            Self::MachineId => "machine-id",
            Self::TpmKey => "tpm-key",
            Self::NetworkAddress => "network-address",
            Self::Cpu => "cpu",
        }
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::str::FromStr for ComponentKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or("expected dmi-uuid, board-serial, disk-serial, machine-id, tpm-key, network-address or cpu")
    }
}

/// Digests of one component under a salt.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct MachineComponent {
    /// Which component.
    pub kind: ComponentKind,
    /// HMAC-SHA256 of each of its values, 1 to [`MAX_DIGESTS`], ascending.
    pub digests: Vec<Digest32>,
}

/// Whether a list of components is within the limits of the format: ascending kinds, each with ascending digests.
pub(crate) fn check_components(components: &[MachineComponent]) -> bool {
    components.len() <= ComponentKind::ALL.len()
        && ascending(components.iter().map(|component| component.kind))
        && components.iter().all(|component| {
            (1..=MAX_DIGESTS).contains(&component.digests.len()) && ascending(component.digests.iter())
        })
}

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineFacts {
    /// What could be read, and of the rest why not.
    pub components: Vec<(ComponentKind, ComponentFact)>,
    /// What virtualises the machine, such as `kvm` or `docker`, where that was recognised.
    pub virtualization: Option<String>,
}

/// What a machine says of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentFact {
    /// Its values: trimmed text, ASCII letters as small ones.
    Values(Vec<String>),
    /// The machine has none.
    Absent,
    /// It could not be read, for example for want of rights.
    Unreadable(String),
}

impl MachineFacts {
    /// Digests, under a token's salt, of those components that the token counts and this machine offers.
    ///
    /// The digest of a value is HMAC-SHA256 with the salt as key over the octet of the kind's number and the value
    /// in UTF-8.
    pub fn digests(&self, binding: &MachineBinding) -> Vec<MachineComponent> {
        let counted = binding.components.iter().filter_map(|rule| {
            let values = self.values(rule.kind)?;
            let mut digests: Vec<_> = values.iter().map(|value| digest(&binding.salt, rule.kind, value)).collect();
            digests.sort_unstable();
            digests.dedup();
            digests.truncate(MAX_DIGESTS);
            Some(MachineComponent { kind: rule.kind, digests })
        });
        counted.collect()
    }

    fn values(&self, kind: ComponentKind) -> Option<&[String]> {
        self.components.iter().find_map(|(own, fact)| match fact {
            ComponentFact::Values(values) if *own == kind && !values.is_empty() => Some(values.as_slice()),
            _ => None,
        })
    }
}

fn digest(salt: &Digest32, kind: ComponentKind, value: &str) -> Digest32 {
    // HMAC takes a key of any length, so this cannot fail; an all-zero digest would match nothing real.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&salt.0) else {
        return Octets([0; 32]);
    };
    mac.update(&[kind as u8]);
    mac.update(value.as_bytes());
    Octets(mac.finalize().into_bytes().into())
}

/// How one component compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentMatch {
    /// At least one digest is common to both.
    Matches,
    /// Both have digests and none is common.
    Differs,
    /// It was recorded, and the machine does not offer it now.
    Missing,
    /// It was not recorded, so it can never match.
    NotRecorded,
}

/// How a machine compares with a recorded one, by the rules of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineComparison {
    /// Each component that the token counts.
    pub components: Vec<(ComponentKind, ComponentMatch)>,
    /// How many must match.
    pub required: usize,
    /// What follows from it.
    pub outcome: ComparisonOutcome,
}

/// Whether it is the same machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOutcome {
    /// It is.
    Same,
    /// It is not.
    Other,
    /// Too few components can be compared to tell.
    CannotTell,
}

impl MachineComparison {
    /// Compares a machine with a recorded one by the rules of a token.
    ///
    /// It is the same machine when enough components match and every mandatory one does. It is another one when a
    /// mandatory component differs, or when so many differ that what is missing could not make up for them.
    /// Otherwise nobody can tell.
    pub fn new(binding: &MachineBinding, recorded: &[MachineComponent], present: &[MachineComponent]) -> Self {
        fn digests(list: &[MachineComponent], kind: ComponentKind) -> Option<&[Digest32]> {
            list.iter().find(|component| component.kind == kind).map(|component| component.digests.as_slice())
        }
        let mut compared = Vec::with_capacity(binding.components.len());
        let (mut matching, mut missing, mut differing) = (0, 0, 0);
        let (mut mandatory_differs, mut mandatory_matches) = (false, true);
        for rule in &binding.components {
            let found = match (digests(recorded, rule.kind), digests(present, rule.kind)) {
                (None, _) => ComponentMatch::NotRecorded,
                (Some(_), None) => ComponentMatch::Missing,
                (Some(recorded), Some(present)) if recorded.iter().any(|digest| present.contains(digest)) => {
                    ComponentMatch::Matches
                }
                (Some(_), Some(_)) => ComponentMatch::Differs,
            };
            matching += usize::from(found == ComponentMatch::Matches);
            missing += usize::from(found == ComponentMatch::Missing);
            differing += usize::from(found == ComponentMatch::Differs);
            mandatory_differs |= rule.mandatory && found == ComponentMatch::Differs;
            mandatory_matches &= !rule.mandatory || found == ComponentMatch::Matches;
            compared.push((rule.kind, found));
        }
        let required = usize::from(binding.required);
        let outcome = if mandatory_differs || (differing > 0 && matching + missing < required) {
            ComparisonOutcome::Other
        } else if mandatory_matches && matching >= required {
            ComparisonOutcome::Same
        } else {
            ComparisonOutcome::CannotTell
        };
        Self { components: compared, required, outcome }
    }

    /// The components with a given result.
    pub fn those(&self, result: ComponentMatch) -> Vec<ComponentKind> {
        self.components.iter().filter(|(_, found)| *found == result).map(|(kind, _)| *kind).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::token::{ComponentRule, TpmRule};

    fn binding(required: u8, mandatory: Option<ComponentKind>) -> MachineBinding {
        let kinds = [ComponentKind::DiskSerial, ComponentKind::MachineId, ComponentKind::NetworkAddress];
        MachineBinding {
            salt: Octets([7; 32]),
            required,
            components: kinds.map(|kind| ComponentRule { kind, mandatory: Some(kind) == mandatory }).to_vec(),
            machines: None,
            tpm: TpmRule::None,
            virtual_machines: true,
        }
    }

    fn machine(disk: &[&str], id: &[&str], network: &[&str]) -> MachineFacts {
        let fact = |values: &[&str]| match values {
            [] => ComponentFact::Absent,
            values => ComponentFact::Values(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        MachineFacts {
            components: vec![
                (ComponentKind::DiskSerial, fact(disk)),
                (ComponentKind::MachineId, fact(id)),
                (ComponentKind::NetworkAddress, fact(network)),
            ],
            virtualization: None,
        }
    }

    #[test]
    fn k_of_n_with_drift() {
        use ComparisonOutcome::{CannotTell, Other, Same};
        let recorded = machine(&["d1", "d2"], &["m"], &["n1"]);
        for (required, mandatory, present, expected) in [
            (3, None, machine(&["d1", "d2"], &["m"], &["n1"]), Same),
            (3, None, machine(&["d2", "d9"], &["m"], &["n1"]), Same),
            (3, None, machine(&["d9"], &["m"], &["n1"]), Other),
            (2, None, machine(&["d9"], &["m"], &["n1"]), Same),
            (2, Some(ComponentKind::DiskSerial), machine(&["d9"], &["m"], &["n1"]), Other),
            (2, None, machine(&["d9"], &["m"], &[]), CannotTell),
            (2, None, machine(&[], &["m"], &["n1"]), Same),
            (2, Some(ComponentKind::DiskSerial), machine(&[], &["m"], &["n1"]), CannotTell),
            (2, None, machine(&["d9"], &["m9"], &[]), Other),
            (1, None, machine(&[], &[], &[]), CannotTell),
        ] {
            let binding = binding(required, mandatory);
            let comparison = MachineComparison::new(&binding, &recorded.digests(&binding), &present.digests(&binding));
            assert_eq!(comparison.outcome, expected, "{required} {mandatory:?} {present:?}");
        }
        // What was not recorded cannot speak for another machine.
        let poor = machine(&[], &["m"], &["n1"]);
        for (required, present, expected) in [
            (2, machine(&["d1"], &["m"], &["n1"]), Same),
            (2, machine(&["d1"], &["m9"], &["n9"]), Other),
            (2, machine(&["d1"], &["m"], &["n9"]), Other),
            (3, machine(&["d1"], &["m"], &["n1"]), CannotTell),
        ] {
            let binding = binding(required, None);
            let comparison = MachineComparison::new(&binding, &poor.digests(&binding), &present.digests(&binding));
            assert_eq!(comparison.outcome, expected, "{required} {present:?}");
        }
    }

    #[test]
    fn a_comparison_names_the_components_with_each_result() {
        let binding = binding(2, None);
        let recorded = machine(&["d1"], &["m"], &["n1"]).digests(&binding);
        let present = machine(&["d9"], &["m"], &[]).digests(&binding);
        let comparison = MachineComparison::new(&binding, &recorded, &present);
        for (result, kind) in [
            (ComponentMatch::Differs, ComponentKind::DiskSerial),
            (ComponentMatch::Matches, ComponentKind::MachineId),
            (ComponentMatch::Missing, ComponentKind::NetworkAddress),
        ] {
            assert_eq!(comparison.those(result), [kind]);
        }
    }

    #[test]
    fn a_digest_depends_on_salt_kind_and_value() {
        let salts = [Octets([1; 32]), Octets([2; 32])];
        let one = digest(&salts[0], ComponentKind::Cpu, "x");
        assert_ne!(one, digest(&salts[1], ComponentKind::Cpu, "x"));
        assert_ne!(one, digest(&salts[0], ComponentKind::MachineId, "x"));
        assert_ne!(one, digest(&salts[0], ComponentKind::Cpu, "y"));
    }
}
