//! What follows from a reason: how much it tells among several, and what to do next.

use crate::reason::Reason;
use countersign_pki::PathErrorKind;

/// What to do next. The wording is the program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Activate this machine with a token and a card.
    Activate,
    /// Ask the authority for another token.
    AskAuthority,
    /// Get the file again: it is damaged or not what it should be.
    GetFileAgain,
    /// Grant the rights that reading the machine or the store needs.
    GrantAccess,
    /// Install the newest bundle of the authority.
    InstallLists,
    /// Nothing needs to be done.
    Nothing,
    /// Activate again before the activation runs out.
    Renew,
    /// Set the machine's clock.
    SetClock,
    /// Install a later release of the verifier.
    UpgradeVerifier,
    /// Use the card of a person whom the token admits.
    UseAnotherCard,
}

impl Reason {
    /// How much this reason tells when several records, tokens or grants were tried: the highest is reported. The
    /// further an attempt came, the more its failure says.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Licensed => 100,
            Self::RenewalDue { .. } => 99,
            // Everything else was right, and somebody took it back.
            Self::TokenRevoked { .. } | Self::TokenOnHold { .. } | Self::ListsContradict { .. } => 85,
            Self::ListMissing { .. } | Self::ListStale { .. } | Self::ListRollback { .. } | Self::ListAhead { .. } => {
                78
            }
            // Everything but the calendar or the place was right.
            Self::Expired { .. } => 80,
            Self::TooFewComponents { .. } | Self::NoClock | Self::ClockBehind { .. } => 75,
            Self::OtherMachine { .. } | Self::MachineNotListed { .. } | Self::VirtualMachine { .. } => 70,
            Self::VersionNotCovered { .. } | Self::VersionNotStated | Self::OtherEdition { .. } => 65,
            Self::TimesDisagree { .. }
            | Self::BeforeToken { .. }
            | Self::WindowNotOpen { .. }
            | Self::AnchorRetired { .. }
            | Self::WindowClosed { .. } => 60,
            // The right anchor, but not the right person.
            Self::Criterion { .. } | Self::NotDirectlyIssued { .. } | Self::SlotNotAllowed { .. } => 55,
            Self::RoleMixed(_)
            | Self::NoInclusionProof
            | Self::NotInLedger(_)
            | Self::Approval { .. }
            | Self::ApprovalOfAnother
            | Self::TooFewApprovals { .. } => 50,
            Self::Holder(error) | Self::Signer(error) | Self::List(error) | Self::TimeStamper(error) => {
                match error.kind {
                    PathErrorKind::NoPath => 30,
                    _ => 45,
                }
            }
            Self::NoSuchGrant { .. } | Self::AnchorNotPresent { .. } | Self::AnotherToken => 40,
            Self::NeedsNewerVerifier(_) | Self::NewerVersion { .. } | Self::UnknownCriticalExtension(_) => 35,
            Self::StoreUnreadable(_) | Self::NoAnchors => 25,
            Self::OtherProduct { .. } => 10,
            Self::NotActivated => 0,
            _ => 20,
        }
    }

    /// What to do next.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Licensed | Self::NothingToMend { .. } => Remedy::Nothing,
            Self::RenewalDue { .. } => Remedy::Renew,
            Self::TooLarge { .. }
            | Self::NotPem(_)
            | Self::NotDer { .. }
            | Self::UnknownObject(_)
            | Self::WrongObject { .. }
            | Self::Cms(_)
            | Self::AlgorithmNotAllowed
            | Self::DigestMismatch
            | Self::BadSignature
            | Self::UnneededCertificate
            | Self::TokenField(_)
            | Self::ChallengeField(_)
            | Self::List(_)
            | Self::ListField(_)
            | Self::AnchorsField(_)
            | Self::ManifestField(_)
            | Self::BundlePart { .. }
            | Self::LedgerField(_)
            | Self::ApprovalField(_)
            | Self::AnchorsThreshold { .. }
            | Self::StampRefused { .. }
            | Self::Timestamp(_)
            | Self::StampOfAnother(_)
            | Self::TimeStamper(_)
            | Self::StamperUsage { .. }
            | Self::StampedTooEarly { .. }
            | Self::AnotherToken => Remedy::GetFileAgain,
            Self::NewerVersion { .. } | Self::NeedsNewerVerifier(_) | Self::UnknownCriticalExtension(_) => {
                Remedy::UpgradeVerifier
            }
            Self::Signer(_)
            | Self::AlgorithmRefused { .. }
            | Self::ClockRepairNotPermitted
            | Self::ClockRequestVoid(_)
            | Self::NoAnchors
            | Self::AnchorRetired { .. }
            | Self::NoInclusionProof
            | Self::NotInLedger(_)
            | Self::Approval { .. }
            | Self::ApprovalOfAnother
            | Self::TooFewApprovals { .. }
            | Self::TokenRevoked { .. }
            | Self::TokenOnHold { .. }
            | Self::ListsContradict { .. }
            | Self::ListAhead { .. }
            | Self::OtherEdition { .. }
            | Self::VersionNotCovered { .. }
            | Self::VersionNotStated
            | Self::WindowClosed { .. }
            | Self::WindowNotOpen { .. }
            | Self::MachineNotListed { .. }
            | Self::VirtualMachine { .. } => Remedy::AskAuthority,
            Self::Holder(_)
            | Self::RoleMixed(_)
            | Self::NoSuchGrant { .. }
            | Self::Criterion { .. }
            | Self::AnchorNotPresent { .. }
            | Self::NotDirectlyIssued { .. }
            | Self::SlotNotAllowed { .. } => Remedy::UseAnotherCard,
            Self::NoClock
            | Self::ClockBehind { .. }
            | Self::TimesDisagree { .. }
            | Self::BeforeToken { .. }
            | Self::ClockNotNearStamp { .. } => Remedy::SetClock,
            Self::AnchorsNotNewer { .. }
            | Self::ListMissing { .. }
            | Self::ListStale { .. }
            | Self::ListRollback { .. } => Remedy::InstallLists,
            Self::OtherProduct { .. } | Self::Expired { .. } | Self::OtherMachine { .. } | Self::NotActivated => {
                Remedy::Activate
            }
            Self::TooFewComponents { .. } | Self::StoreUnreadable(_) => Remedy::GrantAccess,
        }
    }

    /// Whether this reason means "neither yes nor no".
    pub const fn cannot_tell(&self) -> bool {
        matches!(
            self,
            Self::NoClock
                | Self::ClockBehind { .. }
                | Self::TooFewComponents { .. }
                | Self::ListMissing { .. }
                | Self::StoreUnreadable(_)
                | Self::VersionNotStated
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::ProductVersion;
    use countersign_pki::{PathError, Time};

    #[test]
    fn the_further_an_attempt_came_the_more_its_failure_tells() {
        let at = Time::from_unix(0);
        let version = ProductVersion { major: 1, minor: 0, patch: 0 };
        let path = |kind| PathError { kind, subject: String::new() };
        let text = String::new;
        let ranks = [
            vec![Reason::Licensed],
            vec![Reason::RenewalDue { since: at }],
            vec![Reason::TokenOnHold { date: at }, Reason::ListsContradict { issuer: text(), what: "" }],
            vec![Reason::Expired { valid_until: at, now: at }],
            vec![
                Reason::ListMissing { issuer: text() },
                Reason::ListRollback { issuer: text(), number: 1, newest: 2 },
                Reason::ListAhead { issuer: text(), number: 2, newest: 1 },
            ],
            vec![
                Reason::NoClock,
                Reason::ClockBehind { now: at, floor: at },
                Reason::TooFewComponents { required: 2, missing: Vec::new() },
            ],
            vec![
                Reason::OtherMachine { differing: Vec::new() },
                Reason::MachineNotListed { listed: 1 },
                Reason::VirtualMachine { virtualization: text() },
            ],
            vec![
                Reason::VersionNotCovered { version },
                Reason::VersionNotStated,
                Reason::OtherEdition { token: text() },
            ],
            vec![
                Reason::TimesDisagree { challenge: at, signature: at },
                Reason::BeforeToken { activated: at, issued: at },
                Reason::WindowNotOpen { not_before: at, at },
                Reason::AnchorRetired { anchor: text(), end: at, at },
                Reason::WindowClosed { not_after: at, at },
            ],
            vec![
                Reason::Criterion { grant: 1, criterion: text() },
                Reason::NotDirectlyIssued { grant: 1 },
                Reason::SlotNotAllowed { grant: 1, slot: crate::Slot::Signature },
            ],
            vec![
                Reason::RoleMixed(""),
                Reason::NoInclusionProof,
                Reason::NotInLedger(""),
                Reason::ApprovalOfAnother,
                Reason::TooFewApprovals { needed: 2, found: 1 },
            ],
            vec![
                Reason::Holder(path(PathErrorKind::Expired { at, not_after: at })),
                Reason::Signer(path(PathErrorKind::Expired { at, not_after: at })),
            ],
            vec![Reason::NoSuchGrant { grant: 1 }, Reason::AnotherToken],
            vec![
                Reason::NeedsNewerVerifier(""),
                Reason::NewerVersion { version: 2 },
                Reason::UnknownCriticalExtension(crate::oid::ARC),
            ],
            vec![Reason::Holder(path(PathErrorKind::NoPath)), Reason::List(path(PathErrorKind::NoPath))],
            vec![Reason::StoreUnreadable(text()), Reason::NoAnchors],
            vec![Reason::BadSignature, Reason::DigestMismatch],
            vec![Reason::OtherProduct { token: text() }],
            vec![Reason::NotActivated],
        ];
        let ranks: Vec<Vec<u8>> = ranks.iter().map(|group| group.iter().map(Reason::rank).collect()).collect();
        for group in &ranks {
            assert!(group.iter().all(|rank| Some(rank) == group.first()), "{ranks:?}");
        }
        assert!(ranks.is_sorted_by(|more, less| more.first() > less.first()), "{ranks:?}");
    }
}
