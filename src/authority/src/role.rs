//! The authority's keys, and which files of its folder each of them has.

use crate::{
    certs,
    keys::{Custodian, StoredKey},
};

/// A year of 365.25 days, in seconds, as `1y` on the command line.
const YEAR: u64 = 31_557_600;

/// The file of the token anchors.
pub(crate) const ANCHORS: &str = "anchors.pem";

/// One of the authority's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    TokenRoot,
    HolderRoot,
    TokenSigner,
    ListSigner,
    AnchorsSigner,
    LedgerSigner,
}

impl Role {
    pub(crate) const ALL: [Self; 6] = [
        Self::TokenRoot,
        Self::HolderRoot,
        Self::TokenSigner,
        Self::ListSigner,
        Self::AnchorsSigner,
        Self::LedgerSigner,
    ];

    /// As the command line, the ledger and the files have it.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::TokenRoot => "token-root",
            Self::HolderRoot => "holder-root",
            Self::TokenSigner => "token-signer",
            Self::ListSigner => "list-signer",
            Self::AnchorsSigner => "anchors-signer",
            Self::LedgerSigner => "ledger-signer",
        }
    }

    /// The role of a name that [`Self::slug`] gives.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.slug() == name)
    }

    /// Whether it certifies others, and its key may lie in a safe.
    pub(crate) const fn is_root(self) -> bool {
        self.collection().is_some()
    }

    /// For people, as in "the token signer".
    pub(crate) fn name(self) -> String {
        self.slug().replace('-', " ")
    }

    /// Who has the secret that opens its key.
    pub(crate) const fn custodian(self) -> Custodian {
        match self {
            Self::LedgerSigner => Custodian::LedgerKeeper,
            _ => Custodian::Issuer,
        }
    }

    /// What its certificate is for.
    pub(crate) const fn certified_as(self) -> certs::Role {
        match self {
            Self::TokenRoot => certs::Role::TokenRoot,
            Self::HolderRoot => certs::Role::HolderRoot,
            Self::TokenSigner => certs::Role::TokenSigner,
            Self::ListSigner => certs::Role::ListSigner,
            Self::AnchorsSigner => certs::Role::AnchorsSigner,
            Self::LedgerSigner => certs::Role::LedgerSigner,
        }
    }

    /// How long its certificate is valid where nothing else is said, in seconds.
    pub(crate) const fn usual_validity(self) -> u64 {
        match self {
            Self::TokenRoot | Self::HolderRoot => 20 * YEAR,
            Self::TokenSigner | Self::ListSigner | Self::LedgerSigner => 3 * YEAR,
            // It has to outlast the tokens.
            Self::AnchorsSigner => 15 * YEAR,
        }
    }

    /// The common name of its certificate by the place among those of the role. Each has its own: lists are told apart
    /// by the names of those who sign them.
    pub(crate) fn common_name(self, place: usize) -> String {
        let words = match self {
            Self::TokenRoot => "Activation Token Root",
            Self::HolderRoot => "Activation Holder Root",
            Self::TokenSigner => "Activation Token Signer",
            Self::ListSigner => "Activation List Signer",
            Self::AnchorsSigner => "Activation Anchors Signer",
            Self::LedgerSigner => "Activation Ledger Signer",
        };
        if place == 1 { words.to_owned() } else { format!("{words} {place}") }
    }

    /// The file of all certificates of the role that are relied on, where there may be several.
    pub(crate) const fn collection(self) -> Option<&'static str> {
        match self {
            Self::TokenRoot => Some(ANCHORS),
            Self::HolderRoot => Some("holder-roots.pem"),
            _ => None,
        }
    }

    /// The name of the files of the certificate at a place.
    pub(crate) fn file_name(self, place: usize) -> String {
        if place == 1 { self.slug().to_owned() } else { format!("{}-{place}", self.slug()) }
    }

    /// The file of its encrypted key.
    pub(crate) fn key_file(self, place: usize) -> String {
        format!("keys/{}.key.pem", self.file_name(place))
    }

    /// The file that says where its key in hardware is.
    pub(crate) fn reference_file(self, place: usize) -> String {
        format!("keys/{}.key.toml", self.file_name(place))
    }

    /// The file of what is kept of a key, and its content.
    pub(crate) fn stored(self, place: usize, key: &StoredKey) -> (String, &str) {
        match key {
            StoredKey::Encrypted(pem) => (self.key_file(place), pem),
            StoredKey::Reference(toml) => (self.reference_file(place), toml),
        }
    }

    /// The file of the certificate at a place.
    pub(crate) fn certificate_file(self, place: usize) -> String {
        format!("{}.pem", self.file_name(place))
    }
}
