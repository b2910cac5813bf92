//! What an entry of the ledger says.

use crate::words::RevocationWord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an entry says. The body is this as JSON without white space, members in the order written here, octets in
/// hexadecimal. A token stands beside it, as it is: it is most of a large ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Body {
    AnchorsAdopted {
        number: u64,
        /// SHA-256 of the body.
        digest: String,
        /// DER of the objects, one for each signature.
        objects: Vec<String>,
    },
    AnchorsUpdateIssued {
        number: u64,
        /// SHA-256 of the body.
        digest: String,
        /// DER of the object with the authority's own signature.
        object: String,
    },
    AuthorityFounded {
        organization: String,
        /// DER of the certificates.
        token_root: String,
        holder_root: String,
        token_signer: String,
        list_signer: String,
        anchors_signer: String,
        ledger_signer: String,
    },
    BatchIssued {
        /// The batch's id.
        batch: String,
        /// SHA-256 of its file.
        input: String,
        /// The rows that are done with this, the first and the last one, counted from 1. Tokens of theirs are the entries
        /// just before.
        first: u64,
        last: u64,
        issued: u64,
        refused: u64,
        /// The user who asked for it.
        officer: String,
    },
    BundleMade {
        id: String,
        label: String,
        parts: usize,
        /// SHA-256 of the bundle.
        digest: String,
    },
    CeremonyHeld {
        /// `found`, `renew` or `roll-over`.
        ceremony: String,
        title: String,
        /// Who was there, each as name and part.
        participants: Vec<String>,
        /// SHA-256 of the script.
        script: String,
        /// SHA-256 of the transcript.
        digest: String,
        transcript: String,
    },
    CertificateListIssued {
        /// SHA-256 of the root's certificate.
        issuer: String,
        number: u64,
        /// The number of the complete list that it goes with, for a delta list.
        base: Option<u64>,
        next_update: String,
        /// SHA-256 of the list.
        digest: String,
        /// DER of the list.
        list: String,
    },
    CertificateReinstated {
        /// SHA-256 of the certificate.
        digest: String,
    },
    CertificateRenewed {
        role: String,
        /// SHA-256 of the certificate.
        digest: String,
        /// DER of the certificate.
        certificate: String,
    },
    CertificateRevoked {
        /// SHA-256 of the certificate.
        digest: String,
        /// SHA-256 of the certificate of the root that issued it.
        issuer: String,
        /// DER of the certificate.
        certificate: String,
        reason: RevocationWord,
        /// Since when, as RFC 3339.
        date: String,
        /// Whether the tokens that the ledger has of this signer stand.
        standing: bool,
    },
    CrossCertified {
        /// Of the roots.
        role: String,
        /// SHA-256 of the certificate.
        digest: String,
        /// DER of the certificate.
        certificate: String,
    },
    HolderEnrolled {
        subject: String,
        /// SHA-256 of the certificate.
        digest: String,
        /// DER of the certificate.
        certificate: String,
        /// The card's GUID, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        card: Option<String>,
        /// DER of the attestation of the key and of the certificate that signed it, where it was verified.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attestation: Option<[String; 2]>,
    },
    OfficerEnrolled {
        subject: String,
        /// SHA-256 of the certificate.
        digest: String,
        /// DER of the certificate.
        certificate: String,
    },
    RecordReceived {
        /// SHA-256 of the record.
        digest: String,
        /// The token's id and version.
        token: String,
        revision: u32,
        /// SHA-256 of the holder's certificate.
        holder: String,
        /// The holder's subject.
        subject: String,
        /// When the machine was activated, by its own clock.
        activated: String,
        /// Digests of the machine's components, each kind by its name.
        machine: BTreeMap<String, Vec<String>>,
    },
    Refused {
        /// The command, such as `issue`.
        command: String,
        /// The code of the refusal.
        code: String,
        /// What it was about: a customer, a token's id, a person, a role, the SHA-256 of a record.
        about: String,
        /// The user who asked for it.
        officer: String,
    },
    TokenApproved {
        id: String,
        revision: u32,
        /// The approver's subject.
        approver: String,
        /// SHA-256 of the approver's certificate.
        certificate: String,
        /// DER of the approval.
        approval: String,
    },
    TokenIssued {
        id: String,
        revision: u32,
        customer: String,
        /// The customer's name and salt in the token.
        customer_name: String,
        salt: String,
        product: String,
        /// SHA-256 of the signer's certificate.
        signer: String,
        /// SHA-256 of the token.
        digest: String,
        /// DER of the token, which is not part of the body.
        #[serde(skip)]
        token: Vec<u8>,
    },
    TokenListIssued {
        /// SHA-256 of the list signer's certificate.
        signer: String,
        number: u64,
        next_update: String,
        /// SHA-256 of the list.
        digest: String,
        /// DER of the list.
        list: String,
    },
    TokenReinstated {
        id: String,
    },
    TokenRequested {
        id: String,
        revision: u32,
        customer: String,
        product: String,
        /// How many approvals it takes.
        needed: u8,
        /// SHA-256 of the token's body.
        body: String,
        /// The user who asked for it.
        officer: String,
    },
    TokenRevoked {
        id: String,
        /// This version and all before it.
        revision: u32,
        reason: RevocationWord,
        /// Since when, as RFC 3339.
        date: String,
        /// SHA-256 of the token of that version, where the list is to name it.
        digest: Option<String>,
    },
}

impl Body {
    /// The kind as the table names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::AnchorsAdopted { .. } => "anchors-adopted",
            Self::AnchorsUpdateIssued { .. } => "anchors-update-issued",
            Self::AuthorityFounded { .. } => "authority-founded",
            Self::BatchIssued { .. } => "batch-issued",
            Self::BundleMade { .. } => "bundle-made",
            Self::CeremonyHeld { .. } => "ceremony-held",
            Self::CertificateListIssued { .. } => "certificate-list-issued",
            Self::CertificateReinstated { .. } => "certificate-reinstated",
            Self::CertificateRenewed { .. } => "certificate-renewed",
            Self::CertificateRevoked { .. } => "certificate-revoked",
            Self::CrossCertified { .. } => "cross-certified",
            Self::HolderEnrolled { .. } => "holder-enrolled",
            Self::OfficerEnrolled { .. } => "officer-enrolled",
            Self::RecordReceived { .. } => "record-received",
            Self::Refused { .. } => "refused",
            Self::TokenApproved { .. } => "token-approved",
            Self::TokenIssued { .. } => "token-issued",
            Self::TokenListIssued { .. } => "token-list-issued",
            Self::TokenReinstated { .. } => "token-reinstated",
            Self::TokenRequested { .. } => "token-requested",
            Self::TokenRevoked { .. } => "token-revoked",
        }
    }

    /// The digest of the token that it issues.
    pub(super) fn issues(&self) -> Option<&str> {
        match self {
            Self::TokenIssued { digest, .. } => Some(digest),
            _ => None,
        }
    }

    /// DER of the token that it issues.
    pub(super) fn token(&self) -> Option<&[u8]> {
        match self {
            Self::TokenIssued { token, .. } => Some(token),
            _ => None,
        }
    }

    /// By what it is found: a token's id, the digest of a certificate, list or update, a batch, the organization's name, what was
    /// refused.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::AuthorityFounded { organization, .. } => organization,
            Self::Refused { about, .. } => about,
            Self::BatchIssued { batch, .. } => batch,
            Self::BundleMade { id, .. }
            | Self::TokenApproved { id, .. }
            | Self::TokenIssued { id, .. }
            | Self::TokenReinstated { id }
            | Self::TokenRequested { id, .. }
            | Self::TokenRevoked { id, .. } => id,
            Self::AnchorsAdopted { digest, .. }
            | Self::AnchorsUpdateIssued { digest, .. }
            | Self::CeremonyHeld { digest, .. }
            | Self::CertificateListIssued { digest, .. }
            | Self::CertificateReinstated { digest }
            | Self::CertificateRenewed { digest, .. }
            | Self::CertificateRevoked { digest, .. }
            | Self::CrossCertified { digest, .. }
            | Self::HolderEnrolled { digest, .. }
            | Self::OfficerEnrolled { digest, .. }
            | Self::RecordReceived { digest, .. }
            | Self::TokenListIssued { digest, .. } => digest,
        }
    }
}
