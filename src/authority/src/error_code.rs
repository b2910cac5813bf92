//! The stable code of each error.

use crate::error::Error;

impl Error {
    /// Every code of this crate with what it says, for docs/codes.md. Findings of the lint are
    /// [`Finding::CODES`](crate::Finding::CODES), keys in hardware [`HsmError::CODES`](crate::HsmError::CODES) and
    /// [`PivError::CODES`](crate::PivError::CODES); objects and cards keep the codes of their own crates.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7001", "arguments contradict each other or cannot be read"),
        ("CS-7002", "not an authority's folder"),
        ("CS-7003", "there is something where the authority was to be founded"),
        ("CS-7004", "authority founded by a later release"),
        ("CS-7005", "file of the authority damaged"),
        ("CS-7006", "file exists already"),
        ("CS-7007", "file cannot be read or written"),
        ("CS-7008", "file too large to be read"),
        ("CS-7009", "profile cannot be read, or contradicts itself"),
        ("CS-7010", "description of a machine cannot be read"),
        ("CS-7011", "certificate file cannot be used"),
        ("CS-7012", "private key where an object was expected"),
        ("CS-7013", "file of revocation lists cannot be used"),
        ("CS-7014", "authority founded by an earlier release"),
        ("CS-7015", "limits of the authority cannot be read"),
        ("CS-7016", "file with the rows of a batch that cannot be used"),
        ("CS-7017", "folder in which this batch cannot be issued"),
        ("CS-7018", "row of a batch that cannot be read"),
        ("CS-7020", "secret needed and no terminal"),
        ("CS-7021", "descriptor of a secret cannot be read"),
        ("CS-7022", "wrong passphrase"),
        ("CS-7023", "passphrase too short"),
        ("CS-7024", "passphrases differ"),
        ("CS-7025", "key file damaged"),
        ("CS-7026", "key and certificate do not belong together"),
        ("CS-7027", "key opened by the secret of somebody else's keys"),
        ("CS-7030", "no random numbers"),
        ("CS-7031", "clock cannot be right"),
        ("CS-7032", "cannot be encoded"),
        ("CS-7033", "report in too many steps of time"),
        ("CS-7040", "ledger cannot be read or written"),
        ("CS-7041", "ledger damaged"),
        ("CS-7042", "no such entry in the ledger"),
        ("CS-7043", "name of a new customer missing"),
        ("CS-7044", "token to supersede is another's"),
        ("CS-7045", "several things begin so"),
        ("CS-7046", "no root of this authority issued the certificate"),
        ("CS-7047", "revoked already"),
        ("CS-7048", "nothing on hold"),
        ("CS-7050", "refused by the lint"),
        ("CS-7051", "what was signed does not verify"),
        ("CS-7052", "what was signed is not what was meant"),
        ("CS-7053", "key in use revoked"),
        ("CS-7054", "clock behind the last list"),
        ("CS-7055", "ledger altered"),
        ("CS-7056", "ledger is not the one that a tree head was signed over"),
        ("CS-7057", "no signed tree head covers the entry"),
        ("CS-7060", "slot of the card occupied"),
        ("CS-7061", "card did not prove possession of the key"),
        ("CS-7062", "card gave back another certificate"),
        ("CS-7070", "record under a token that the ledger does not have"),
        ("CS-7071", "signatures over different anchors updates"),
        ("CS-7072", "signed by this person already"),
        ("CS-7073", "anchors update without the authority's own root"),
        ("CS-7074", "token was not requested here"),
        ("CS-7075", "token of the request issued already"),
        ("CS-7076", "token needs approvals"),
        ("CS-7077", "token request cannot be used"),
        ("CS-7078", "approver revoked"),
        ("CS-7079", "token request overtaken by the ledger"),
    ];

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "CS-7001",
            Self::NoAuthority(_) => "CS-7002",
            Self::AuthorityExists(_) => "CS-7003",
            Self::AuthorityNewer { .. } => "CS-7004",
            Self::AuthorityDamaged { .. } => "CS-7005",
            Self::FileExists(_) => "CS-7006",
            Self::BatchFile { .. } => "CS-7016",
            Self::BatchFolder { .. } => "CS-7017",
            Self::BatchRow(_) => "CS-7018",
            Self::File { .. } => "CS-7007",
            Self::FileTooLarge { .. } => "CS-7008",
            Self::Profile(_) => "CS-7009",
            Self::MachineFile { .. } => "CS-7010",
            Self::CertificateFile { .. } => "CS-7011",
            Self::PrivateKey(_) => "CS-7012",
            Self::ListFile { .. } => "CS-7013",
            Self::AuthorityOlder { .. } => "CS-7014",
            Self::Limits(_) => "CS-7015",
            Self::NoTerminal(_) => "CS-7020",
            Self::Descriptor { .. } => "CS-7021",
            Self::WrongPassphrase => "CS-7022",
            Self::WeakPassphrase => "CS-7023",
            Self::PassphrasesDiffer => "CS-7024",
            Self::KeyFile { .. } => "CS-7025",
            Self::KeyMismatch => "CS-7026",
            Self::SecretsSame => "CS-7027",
            Self::Random => "CS-7030",
            Self::Clock => "CS-7031",
            Self::Encoding(_) => "CS-7032",
            Self::TooManySteps { .. } => "CS-7033",
            Self::Ledger(_) => "CS-7040",
            Self::LedgerDamaged(_) => "CS-7041",
            Self::NoEntry(_) => "CS-7042",
            Self::CustomerName(_) => "CS-7043",
            Self::OtherToken(_) => "CS-7044",
            Self::Ambiguous(_) => "CS-7045",
            Self::NotIssuedHere(_) => "CS-7046",
            Self::RevokedAlready(_) => "CS-7047",
            Self::NotOnHold(_) => "CS-7048",
            Self::Lint(_) => "CS-7050",
            Self::Verification(_) => "CS-7051",
            Self::NotWhatWasMeant => "CS-7052",
            Self::SignerRevoked(_) => "CS-7053",
            Self::ClockBehindList { .. } => "CS-7054",
            Self::LedgerAltered(_) => "CS-7055",
            Self::NotTheSignedTree { .. } => "CS-7056",
            Self::NotSignedYet { .. } => "CS-7057",
            Self::KeptHead { reason, .. } | Self::Object { reason, .. } => reason.code(),
            Self::Card(error) => error.code(),
            Self::Hsm(error) => error.code(),
            Self::Piv(error) => error.code(),
            Self::SlotOccupied { .. } => "CS-7060",
            Self::NoPossession => "CS-7061",
            Self::CardReadBack => "CS-7062",
            Self::UnknownToken { .. } => "CS-7070",
            Self::UpdatesDiffer(_) => "CS-7071",
            Self::SignedAlready(_) => "CS-7072",
            Self::OwnRootMissing => "CS-7073",
            Self::NotRequestedHere(_) => "CS-7074",
            Self::IssuedAlready(_) => "CS-7075",
            Self::NeedsApprovals(_) => "CS-7076",
            Self::RequestFile { .. } => "CS-7077",
            Self::ApproverRevoked(_) => "CS-7078",
            Self::RequestOvertaken(_) => "CS-7079",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table_once_and_in_order() {
        assert!(Error::CODES.is_sorted_by(|one, other| one.0 < other.0));
        for error in [Error::Usage(String::new()), Error::WrongPassphrase, Error::CardReadBack, Error::Random] {
            assert!(Error::CODES.iter().any(|(code, _)| *code == error.code()), "{error}");
        }
    }
}
