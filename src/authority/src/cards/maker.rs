//! A maker of cards, for tests: a root, the key in slot F9 with its certificate, and what that key says of others.

use countersign_testpki::{
    Identity, Key, Request,
    certificates::{ca, extension},
    der::{integer, oid, sequence, set, utf8},
};

/// The arc of what YubiKeys say in attestations.
const ARC: &str = "1.3.6.1.4.1.41482.3";

/// A maker, and one of its devices.
pub(crate) struct Maker {
    pub(crate) root: Identity,
    pub(crate) device: Identity,
}

/// What a device says of a key.
pub(crate) struct Statement {
    pub(crate) subject: String,
    pub(crate) firmware: Vec<u8>,
    /// The extension with the policies of PIN and touch, where there is one.
    pub(crate) policies: Option<Vec<u8>>,
    pub(crate) serial: Vec<u8>,
}

impl Statement {
    pub(crate) fn new(slot: &str, pin_policy: u8) -> Self {
        Self {
            subject: format!("YubiKey PIV Attestation {}", slot.to_lowercase()),
            firmware: vec![5, 4, 3],
            policies: Some(vec![pin_policy, 1]),
            serial: integer(12_345_678),
        }
    }
}

impl Maker {
    pub(crate) fn new(label: &str) -> Self {
        let root = Request::new("Example Cards Root", Key::p256(&format!("{label} root")), ca(None)).self_signed();
        let extensions = [ca(Some(0)), vec![extension(&format!("{ARC}.3"), false, &[5, 4, 3])]].concat();
        let device = Request::new("Example Card Attestation", Key::p256(&format!("{label} device")), extensions);
        // As those of YubiKeys, without key identifiers.
        Self { device: Request { identifiers: false, ..device }.issued_by(&root), root }
    }

    /// The certificate for a key, signed by `signer`.
    pub(crate) fn attest(&self, spki: &[u8], statement: &Statement) -> Vec<u8> {
        attest_by(&self.device, spki, statement)
    }
}

/// The certificate for a key, signed by any key.
pub(crate) fn attest_by(signer: &Identity, spki: &[u8], statement: &Statement) -> Vec<u8> {
    let id = |last: u8| format!("{ARC}.{last}");
    let mut extensions =
        vec![extension(&id(3), false, &statement.firmware), extension(&id(7), false, &statement.serial)];
    extensions.extend(statement.policies.as_ref().map(|policies| extension(&id(8), false, policies)));
    extensions.push(extension(&id(9), false, &[1]));
    let subject = sequence(&[&set(&[&sequence(&[&oid("2.5.4.3"), &utf8(&statement.subject)])])]);
    let request = Request::new("", Key::Public(spki.to_vec()), extensions);
    Request { subject, identifiers: false, ..request }.issued_by(signer).certificate
}
