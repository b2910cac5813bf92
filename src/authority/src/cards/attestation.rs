//! The attestation of a key by its card: where it was made, and when it asks for the PIN.
//!
//! The shape is that of YubiKeys from version 4.3 on: a certificate for the key, subject `CN=YubiKey PIV Attestation 9c`,
//! signed by the key in slot F9, whose certificate leads to a root of the maker. Extensions under 1.3.6.1.4.1.41482.3 tell
//! more. A card makes such a certificate only for a key that it made itself. Tried with generated chains of that shape, not
//! on hardware.

use crate::{error::Error, files};
use countersign_card::{Algorithm, Slot};
use countersign_common::{Certificate, MAX_FILE_SIZE, Time, decode_certificates};
use countersign_pki::{PathError, PathErrorKind, attributes};
use der::{Decode as _, asn1::ObjectIdentifier};
use std::path::Path;

/// Three octets: the version of the firmware.
const FIRMWARE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.3");
/// An INTEGER: the serial number of the device.
const SERIAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.7");
/// Two octets: when the PIN is asked for, and when a touch.
const POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.8");
/// id-at-commonName.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// The words before the slot in the subject.
const SUBJECT: &str = "YubiKey PIV Attestation ";
/// RSA keys made by firmware from 4.2.6 until this can be factored (CVE-2017-15361).
const SOUND_RSA: [u8; 3] = [4, 3, 5];

/// To which roots an attestation must lead.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    roots: Vec<Vec<u8>>,
    between: Vec<Vec<u8>>,
}

/// What a verified attestation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attested {
    /// DER of the attestation, then of the certificate in slot F9.
    pub(crate) chain: [Vec<u8>; 2],
    /// Serial number of the device in decimal, where it is stated.
    pub(crate) device: Option<String>,
    firmware: [u8; 3],
}

impl Attested {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let [major, minor, patch] = self.firmware;
        let device = self.device.as_deref().map_or(String::new(), |serial| format!("{serial}, "));
        format!("made on the device {device}firmware {major}.{minor}.{patch}")
    }
}

impl Roots {
    /// Reads files of CA certificates: those that signed themselves are trusted, others may lie between.
    pub(crate) fn read<'p>(paths: impl Iterator<Item = &'p Path>) -> Result<Self, Error> {
        let mut all = Self::default();
        for path in paths {
            let refused = |fault: String| Error::CertificateFile { path: path.to_owned(), fault };
            let file = files::read(path, MAX_FILE_SIZE)?;
            for der in decode_certificates(&file).map_err(|reason| refused(reason.to_string()))? {
                let own = Certificate::from_der(&der).map_err(|error| refused(error.to_string()))?.is_self_issued();
                if own { all.roots.push(der) } else { all.between.push(der) }
            }
        }
        if all.roots.is_empty() {
            return Err(Error::Usage(
                "an attestation must lead to a root: name the maker's with --attestation-root".to_owned(),
            ));
        }
        Ok(all)
    }

    /// Verifies what a card says of the key in a slot, whose public half it announced as `spki`.
    pub(crate) fn verify(
        &self,
        attestation: Vec<u8>,
        signer: Vec<u8>,
        slot: Slot,
        spki: &[u8],
        algorithm: Algorithm,
        now: Time,
    ) -> Result<Attested, Error> {
        let refused = |fault: String| Error::Attestation { slot: slot.to_string(), fault };
        let parse = |der| Certificate::from_der(der).map_err(|error| refused(error.to_string()));
        let statement = parse(&attestation)?;
        let mut between = vec![parse(&signer)?];
        for der in &self.between {
            between.push(parse(der)?);
        }
        let anchors = self.roots.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
        statement.verify_step(&between[0], now).map_err(|error| refused(format!("{error} (by the key in slot F9)")))?;
        verify_device(&between, &anchors, now).map_err(|error| refused(error.to_string()))?;
        let (firmware, device) = read(&statement, slot, spki).map_err(|fault| refused(fault.to_owned()))?;
        let rsa = matches!(algorithm, Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096);
        if rsa && firmware < SOUND_RSA {
            let fault = "RSA keys of such an old firmware can be computed from their public half (CVE-2017-15361)";
            return Err(refused(fault.to_owned()));
        }
        drop((statement, between));
        Ok(Attested { chain: [attestation, signer], device, firmware })
    }
}

/// Verifies the way from the certificate of slot F9, the first one, to a root. The maker's certificates are not held to all
/// of RFC 5280: those of slot F9 have no key identifiers.
fn verify_device(certificates: &[Certificate<'_>], roots: &[Certificate<'_>], now: Time) -> Result<(), PathError> {
    let mut current = &certificates[0];
    for above in 0..certificates.len() {
        let may_have = |issuer: &&Certificate<'_>| issuer.path_length().is_none_or(|most| most as usize > above);
        if roots.iter().filter(may_have).any(|root| current.verify_step(root, now).is_ok()) {
            return Ok(());
        }
        // Of those that did not fit, the last one tells why.
        let mut refusal = no_path(current);
        let next = certificates[1..].iter().filter(may_have).find(|issuer| match current.verify_step(issuer, now) {
            Ok(()) => true,
            Err(error) => {
                if issuer.subject() == current.issuer() {
                    refusal = error;
                }
                false
            }
        });
        current = next.ok_or(refusal)?;
    }
    Err(no_path(current))
}

fn no_path(certificate: &Certificate<'_>) -> PathError {
    PathError { kind: PathErrorKind::NoPath, subject: certificate.subject_text() }
}

/// A serial number in decimal; older firmware states none.
fn serial_number(value: &[u8]) -> Result<String, &'static str> {
    u64::from_der(value).map(|number| number.to_string()).map_err(|_| "its serial number of the device is malformed")
}

/// What the certificate of a key says, if it is what is asked for.
fn read(statement: &Certificate<'_>, slot: Slot, spki: &[u8]) -> Result<([u8; 3], Option<String>), &'static str> {
    if statement.spki() != spki {
        return Err("it is for another key than the one that the card announced");
    }
    let names: Vec<_> = attributes(statement.subject()).into_iter().flatten().collect();
    let mut names = names.iter().filter(|name| name.kind == COMMON_NAME).filter_map(|name| name.text());
    let named = names.next().ok_or("its subject has no common name")?;
    match named.strip_prefix(SUBJECT) {
        Some(named) if named.eq_ignore_ascii_case(&slot.to_string()) => {}
        Some(_) => return Err("it is for another slot"),
        None => return Err("its subject is not that of an attestation"),
    }
    let value = |id| statement.extension(id).map(|extension| extension.value);
    let Some(Ok(firmware)) = value(FIRMWARE).map(<[u8; 3]>::try_from) else {
        return Err("it does not say which firmware the device has");
    };
    let device = value(SERIAL).map(serial_number).transpose()?;
    let Some(&[pin, _touch]) = value(POLICIES) else {
        return Err("it does not say when the key asks for the PIN");
    };
    // 1 never, 2 once a session, 3 always; 4 and 5 are a fingerprint in the place of the PIN, once and always.
    match (slot, pin) {
        (Slot::Signature, 3 | 5) | (Slot::Authentication, 2..=5) => {}
        (_, 1) => return Err("the key signs without the PIN"),
        (Slot::Signature, 2 | 4) => return Err("the key does not ask for the PIN before every signature"),
        _ => return Err("it says of the PIN what is not known here"),
    }
    Ok((firmware, device))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cards::maker::{Maker, Statement, attest_by};
    use countersign_common::encode_certificate;
    use countersign_testpki::{
        Identity, Key, Request,
        certificates::ca,
        der::{integer, members},
    };

    const KEY: &str = "a key of the card";

    fn roots(of: &Maker) -> Roots {
        Roots { roots: vec![of.root.certificate.clone()], between: Vec::new() }
    }

    fn judge(roots: &Roots, statement: Vec<u8>, signer: &[u8], slot: Slot) -> Result<Attested, String> {
        let now = "2027-01-01".parse().unwrap();
        let spki = Key::p256(KEY).spki();
        roots.verify(statement, signer.to_vec(), slot, &spki, Algorithm::P256, now).map_err(|error| {
            assert_eq!(error.code(), "CS-7064");
            error.to_string()
        })
    }

    #[test]
    fn a_key_made_on_the_card_is_told_from_all_others() {
        let (maker, stranger) = (Maker::new("maker"), Maker::new("stranger"));
        let spki = Key::p256(KEY).spki();
        let (slot, device) = (Slot::Signature, maker.device.certificate.as_slice());
        let good = maker.attest(&spki, &Statement::new("9C", 3));
        let attested = judge(&roots(&maker), good.clone(), device, slot).unwrap();
        assert_eq!(attested.words(), "made on the device 12345678, firmware 5.4.3");
        assert_eq!(attested.chain, [good.clone(), device.to_vec()]);

        let refused = |statement: Vec<u8>, fault: &str| {
            let said = judge(&roots(&maker), statement, device, slot).unwrap_err();
            assert!(said.contains(fault), "{said:?} instead of {fault:?}");
        };
        let edited = |edit: fn(&mut Statement)| {
            let mut statement = Statement::new("9C", 3);
            edit(&mut statement);
            maker.attest(&spki, &statement)
        };
        refused(maker.attest(&Key::p256("another").spki(), &Statement::new("9C", 3)), "another key");
        refused(maker.attest(&spki, &Statement::new("9A", 3)), "another slot");
        refused(maker.attest(&spki, &Statement::new("9C", 1)), "without the PIN");
        refused(maker.attest(&spki, &Statement::new("9C", 2)), "before every signature");
        refused(maker.attest(&spki, &Statement::new("9C", 9)), "not known here");
        refused(edited(|statement| statement.policies = None), "when the key asks for the PIN");
        refused(edited(|statement| statement.policies = Some(vec![3])), "when the key asks for the PIN");
        refused(edited(|statement| statement.firmware = vec![5]), "which firmware");
        refused(edited(|statement| statement.serial = vec![2, 0]), "serial number");
        refused(edited(|statement| statement.subject = "Somebody".to_owned()), "not that of an attestation");
        refused(attest_by(&maker.root, &spki, &Statement::new("9C", 3)), "slot F9");
        // Another key of the card, which signs whatever it is given, in the place of the one in F9.
        let slot_key = Key::p256("in 9A");
        let of_slot = maker.attest(&slot_key.spki(), &Statement::new("9A", 3));
        let subject = members(&members(&of_slot)[0])[5].clone();
        let slot_key = Identity { key: slot_key, name: subject, serial: Vec::new(), certificate: of_slot.clone() };
        let forged = attest_by(&slot_key, &spki, &Statement::new("9C", 3));
        let said = judge(&roots(&maker), forged, &of_slot, slot).unwrap_err();
        assert!(said.contains("not a CA"), "{said}");
        refused(stranger.attest(&spki, &Statement::new("9C", 3)), "");
        refused(good[..good.len() - 1].to_vec(), "");
        refused(Vec::new(), "");
        let mut forged = good.clone();
        *forged.last_mut().unwrap() ^= 1;
        refused(forged, "");
        // Another maker's root, and no certificate in F9.
        judge(&roots(&stranger), good.clone(), device, slot).unwrap_err();
        judge(&roots(&maker), good.clone(), &stranger.device.certificate, slot).unwrap_err();
        judge(&roots(&maker), good, b"", slot).unwrap_err();
    }

    #[test]
    fn slot_9a_asks_for_the_pin_once_or_more() {
        let maker = Maker::new("maker");
        let spki = Key::p256(KEY).spki();
        for (policy, good) in [(0, false), (1, false), (2, true), (3, true), (4, true), (5, true), (6, false)] {
            let statement = maker.attest(&spki, &Statement::new("9A", policy));
            let outcome = judge(&roots(&maker), statement, &maker.device.certificate, Slot::Authentication);
            assert_eq!(outcome.is_ok(), good, "{policy}");
        }
    }

    #[test]
    fn a_device_below_another_ca_and_one_that_ended() {
        let maker = Maker::new("maker");
        let between = Request::new("Between", Key::p256("between"), ca(None)).issued_by(&maker.root);
        let device = Request::new("Device", Key::p256("device"), ca(Some(0))).issued_by(&between);
        let spki = Key::p256(KEY).spki();
        let statement = attest_by(&device, &spki, &Statement::new("9C", 3));
        judge(&roots(&maker), statement.clone(), &device.certificate, Slot::Signature).unwrap_err();
        let with = Roots { between: vec![between.certificate], ..roots(&maker) };
        judge(&with, statement.clone(), &device.certificate, Slot::Signature).unwrap();
        let late = "2036-01-01".parse().unwrap();
        // A maker that allows nothing below it.
        let last = Request::new("Between", Key::p256("between"), ca(Some(0))).issued_by(&maker.root);
        let short = Roots { between: vec![last.certificate], ..roots(&maker) };
        judge(&short, statement.clone(), &device.certificate, Slot::Signature).unwrap_err();
        let ended = with.verify(statement, device.certificate, Slot::Signature, &spki, Algorithm::P256, late);
        assert_eq!(ended.unwrap_err().code(), "CS-7064");
    }

    #[test]
    fn rsa_keys_of_firmware_that_makes_weak_ones_are_refused() {
        let maker = Maker::new("maker");
        let spki = Key::rsa_2048().spki();
        let now = "2027-01-01".parse().unwrap();
        for (firmware, good) in [([4, 3, 4], false), ([4, 3, 5], true), ([5, 0, 0], true)] {
            let statement = Statement { firmware: firmware.to_vec(), ..Statement::new("9C", 3) };
            let statement = maker.attest(&spki, &statement);
            let signer = maker.device.certificate.clone();
            let outcome = roots(&maker).verify(statement, signer, Slot::Signature, &spki, Algorithm::Rsa2048, now);
            assert_eq!(outcome.is_ok(), good, "{firmware:?}");
        }
    }

    #[test]
    fn roots_come_from_files_and_at_least_one_is_a_root() {
        let maker = Maker::new("maker");
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, ders: &[&[u8]]| {
            let path = folder.path().join(name);
            std::fs::write(&path, ders.iter().map(|der| encode_certificate(der)).collect::<String>()).unwrap();
            path
        };
        let (root, device) = (maker.root.certificate.as_slice(), maker.device.certificate.as_slice());
        let both = file("both.pem", &[device, root]);
        let read = Roots::read([both.as_path()].into_iter()).unwrap();
        assert_eq!((read.roots.len(), read.between.len()), (1, 1));
        let none = Roots::read([file("none.pem", &[device]).as_path()].into_iter()).unwrap_err();
        assert_eq!(none.code(), "CS-7001");
        assert_eq!(Roots::read(core::iter::empty()).unwrap_err().code(), "CS-7001");
        std::fs::write(&both, integer(1)).unwrap();
        assert_eq!(Roots::read([both.as_path()].into_iter()).unwrap_err().code(), "CS-7011");
    }
}
