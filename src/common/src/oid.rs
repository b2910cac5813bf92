//! The object identifiers of Countersign, all under one arc.
//!
//! **The arc is not registered**: 1.3.6.1.4.1.32473 is the enterprise number that RFC 5612 keeps for
//! documentation, which nobody else is ever given. The owner of a product replaces [`ARC`] in this one place by an
//! arc of their own before shipping.

use der::asn1::ObjectIdentifier;

/// The arc that all the others stand under.
pub const ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.2026");

/// Evaluated while compiling: an arc that does not fit is no panic of the program.
const fn under_arc(group: u32, member: u32) -> ObjectIdentifier {
    match ARC.push_arc(group) {
        Ok(group) => match group.push_arc(member) {
            Ok(oid) => oid,
            Err(_) => panic!("the arc is too long"),
        },
        Err(_) => panic!("the arc is too long"),
    }
}

/// Content type of an activation token.
pub const CONTENT_TOKEN: ObjectIdentifier = under_arc(1, 1);
/// Content type of an activation record: its content is the challenge.
pub const CONTENT_CHALLENGE: ObjectIdentifier = under_arc(1, 2);
/// Content type of a token list: which tokens are revoked, and what stands nevertheless.
pub const CONTENT_TOKEN_LIST: ObjectIdentifier = under_arc(1, 3);
/// Content type of an update of the trust anchors.
pub const CONTENT_ANCHORS: ObjectIdentifier = under_arc(1, 4);
/// Content type of the manifest of a bundle.
pub const CONTENT_MANIFEST: ObjectIdentifier = under_arc(1, 5);
/// Content type of the head of the ledger's tree.
pub const CONTENT_TREE_HEAD: ObjectIdentifier = under_arc(1, 6);
/// Content type of the approval of a token by an officer.
pub const CONTENT_APPROVAL: ObjectIdentifier = under_arc(1, 7);
/// The unsigned attribute of a record that holds the token.
pub const ATTRIBUTE_TOKEN: ObjectIdentifier = under_arc(2, 1);
/// The unsigned attribute of a token that proves it to be in the ledger.
pub const ATTRIBUTE_INCLUSION_PROOF: ObjectIdentifier = under_arc(2, 2);
/// The signed attribute of a token that holds its approvals.
pub const ATTRIBUTE_APPROVALS: ObjectIdentifier = under_arc(2, 3);
/// Extended key usage: signs activation tokens.
pub const EKU_TOKEN_SIGNING: ObjectIdentifier = under_arc(3, 1);
/// Extended key usage: signs token lists, and the manifests of bundles.
pub const EKU_LIST_SIGNING: ObjectIdentifier = under_arc(3, 2);
/// Extended key usage: signs updates of trust anchors.
pub const EKU_ANCHORS_SIGNING: ObjectIdentifier = under_arc(3, 3);
/// Extended key usage: signs heads of the ledger's tree.
pub const EKU_LEDGER_SIGNING: ObjectIdentifier = under_arc(3, 4);
/// Extended key usage: signs approvals of tokens.
pub const EKU_TOKEN_APPROVAL: ObjectIdentifier = under_arc(3, 5);

/// Certificate policy: the holder's key was made in the card that has it, which signs nothing without the PIN; the card has
/// attested that to the issuer.
pub const POLICY_ATTESTED: ObjectIdentifier = under_arc(4, 1);
/// Certificate policy, besides [`POLICY_ATTESTED`]: the key is in slot 9C, and the PIN goes before every signature.
pub const POLICY_ATTESTED_SIGNATURE_SLOT: ObjectIdentifier = under_arc(4, 2);

/// id-signedData (RFC 5652 5.1).
pub const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// id-contentType (RFC 5652 11.1).
pub const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// id-messageDigest (RFC 5652 11.2).
pub const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// id-signingTime (RFC 5652 11.3).
pub const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
/// id-aa-signingCertificateV2 (RFC 5035 3).
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// id-ct-TSTInfo (RFC 3161 2.4.2).
pub const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// id-kp-timeStamping (RFC 3161 2.3).
pub const EKU_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// id-PIV-cardAuth (FIPS 201-3): a key that signs without a PIN, never a holder's.
pub const EKU_PIV_CARD_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.8");
/// The user principal name, an otherName of Microsoft's that many cards carry.
pub const USER_PRINCIPAL_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");
