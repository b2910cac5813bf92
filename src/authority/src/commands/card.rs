//! `card enroll`: a key made on the card, possession proved, certified, written, read back.

use super::{Answer, Context};
use crate::{
    args::{CardAlgorithm, Enroll},
    certs, clock,
    error::Error,
    home::{Home, Role},
    keys::Signer,
    ledger::{Body, Ledger},
    lint::Finding,
    prompt::Source,
    random,
    words::to_hex,
};
use countersign_card::{
    Algorithm, Error as CardError, LastTry, ManagementKey, Options, PcscTransport, Pin, PinStatus, Piv, Slot, Transport,
};
use countersign_common::{Certificate, HashAlgorithm, PublicKey, Reason, SignatureAlgorithm, Time};
use countersign_pki::{Budget, PathRules, validate_path};
use serde_json::json;
use x509_cert::name::Name;

/// What the card signs begins so, so that the proof is good for nothing else.
const PROOF_CONTEXT: &[u8] = b"countersign enrol";
/// The management key with which most cards are delivered.
const DEFAULT_MANAGEMENT_KEY: &str = "010203040506070801020304050607080102030405060708";

pub(super) fn enroll(arguments: &Enroll, context: &mut Context<'_>) -> Result<Answer, Error> {
    let subject = certs::parse_name(&arguments.subject)?;
    if let Some(email) = &arguments.email {
        check_email(email)?;
    }
    context.attempt("card enroll", &arguments.subject);
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    home.lifetime_under(Role::HolderRoot, arguments.validity, clock::now()?)?;

    let transport = PcscTransport::connect(arguments.reader.as_deref()).map_err(CardError::from)?;
    context.note(&format!("Reader: {}", transport.reader()));
    let mut piv = Piv::select(transport, Options::default())?;
    check_free(&mut piv, arguments.replace)?;
    let secrets = Secrets::ask(&mut piv, arguments, context)?;
    // The root's key too, before the card is changed; nothing is held while a person types.
    piv.release()?;
    let issuer = home.signer(Role::HolderRoot, &mut context.keyring)?;
    secrets.resume(&mut piv)?;

    let last_try = if arguments.use_last_try { LastTry::Spend } else { LastTry::Keep };
    // A wrong PIN must show before the key that is there is gone.
    piv.verify_pin(&secrets.pin, last_try)?;
    piv.authenticate_management(&secrets.management_key, random::octets()?)?;
    context.note("The card makes its key …");
    let (algorithm, signs_with) = match arguments.algorithm {
        CardAlgorithm::P256 => (Algorithm::P256, SignatureAlgorithm::EcdsaP256Sha256),
        CardAlgorithm::Rsa2048 => (Algorithm::Rsa2048, SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256)),
    };
    let key = piv.generate_key(Slot::Signature, algorithm)?;
    prove_possession(&mut piv, &secrets.pin, last_try, key.spki_der(), algorithm, signs_with)?;

    // Typing and making the key took their time.
    let now = clock::now()?;
    let lifetime = home.lifetime_under(Role::HolderRoot, arguments.validity, now)?;
    let role = certs::Role::Holder { email: arguments.email.clone() };
    let certificate = certs::issue(role, &subject, lifetime, key.spki_der(), &issuer)?;
    verify(&certificate, key.spki_der(), &issuer, now)?;
    // Never a certificate outside without its entry.
    let sequence = record(&mut ledger, &certificate, &subject, now)?;
    piv.put_certificate(Slot::Signature, &certificate)?;
    if piv.certificate(Slot::Signature)?.as_deref() != Some(&certificate[..]) {
        return Err(Error::CardReadBack);
    }
    answer(&certificate, sequence, secrets.findings)
}

/// The secrets that a card wants, and what was found on the way.
struct Secrets {
    pin: Pin,
    management_key: ManagementKey,
    findings: Vec<Finding>,
    chuid: Option<countersign_card::Chuid>,
}

impl Secrets {
    fn ask<T: Transport>(piv: &mut Piv<T>, arguments: &Enroll, context: &mut Context<'_>) -> Result<Self, Error> {
        let chuid = piv.chuid()?;
        match piv.pin_status()? {
            PinStatus::Blocked => return Err(CardError::PinBlocked.into()),
            PinStatus::TriesLeft(1) if !arguments.use_last_try => return Err(CardError::LastTryKept.into()),
            PinStatus::TriesLeft(tries) => context.note(&format!("PIN tries left: {tries}")),
            PinStatus::Verified => {}
        }
        let mut findings = Vec::new();
        let default = match arguments.management_key_fd {
            Some(_) => None,
            None => default_key(piv)?,
        };
        // Nothing is held while a person types.
        piv.release()?;
        let management_key = match default {
            Some(key) => key,
            None => {
                let source = Source { descriptor: arguments.management_key_fd, option: "--management-key-fd" };
                ManagementKey::from_hex(source.read("Management key of the card, in hexadecimal: ")?.trim())?
            }
        };
        if management_key.is_default() {
            findings.push(Finding::default_management_key());
        }
        let source = Source { descriptor: arguments.pin_fd, option: "--pin-fd" };
        let pin = Pin::new(&source.read("PIN of the card: ")?)?;
        let secrets = Self { pin, management_key, findings, chuid };
        secrets.resume(piv)?;
        Ok(secrets)
    }

    /// Takes the card again; another one in its place is refused. A new card has no certificate to be known by, so its
    /// CHUID is compared as well.
    fn resume<T: Transport>(&self, piv: &mut Piv<T>) -> Result<(), Error> {
        piv.resume()?;
        if piv.chuid()? == self.chuid { Ok(()) } else { Err(CardError::CardExchanged.into()) }
    }
}

/// The management key that cards are delivered with, if it opens this one. It has no counter of tries.
fn default_key<T: Transport>(piv: &mut Piv<T>) -> Result<Option<ManagementKey>, Error> {
    let key = ManagementKey::from_hex(DEFAULT_MANAGEMENT_KEY)?;
    match piv.authenticate_management(&key, random::octets()?) {
        Ok(_) => Ok(Some(key)),
        Err(
            CardError::ManagementKeyWrong
            | CardError::ManagementKeyLength { .. }
            | CardError::ManagementAlgorithmUnknown,
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An occupied slot is kept unless it is to be replaced. What cannot be read is not free.
fn check_free<T: Transport>(piv: &mut Piv<T>, replace: bool) -> Result<(), Error> {
    let subject = match piv.certificate(Slot::Signature) {
        Ok(None) => return Ok(()),
        Ok(Some(der)) => {
            Certificate::from_der(&der).map_or_else(|error| error.to_string(), |certificate| certificate.subject_text())
        }
        Err(error @ (CardError::MalformedObject { .. } | CardError::CertificateCompression { .. })) => {
            error.to_string()
        }
        Err(error) => return Err(error.into()),
    };
    if replace { Ok(()) } else { Err(Error::SlotOccupied { subject }) }
}

/// The card signs something fresh with the key that it announced.
fn prove_possession<T: Transport>(
    piv: &mut Piv<T>,
    pin: &Pin,
    last_try: LastTry,
    spki: &[u8],
    algorithm: Algorithm,
    signs_with: SignatureAlgorithm,
) -> Result<(), Error> {
    let message = [PROOF_CONTEXT, &random::octets::<32>()?, spki].concat();
    // 9C wants the PIN immediately before each signature.
    piv.verify_pin(pin, last_try)?;
    let signature = piv.sign(Slot::Signature, algorithm, &algorithm.prepare(&signs_with.signer_input(&message)))?;
    PublicKey::from_spki(spki)
        .and_then(|key| key.verify(signs_with, &message, &signature))
        .map_err(|_| Error::NoPossession)
}

/// What a verifier will ask of the certificate, asked before it goes out.
fn verify(certificate: &[u8], spki: &[u8], issuer: &Signer, now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Holder(error));
    let leaf = Certificate::from_der(certificate).map_err(refused)?;
    let anchor = [Certificate::from_der(issuer.certificate()).map_err(refused)?];
    let rules = PathRules { signing: true, ..PathRules::at(now) };
    validate_path(&leaf, &[], &anchor, &rules, &mut Budget::default()).map_err(refused)?;
    if leaf.spki() == spki { Ok(()) } else { Err(Error::NotWhatWasMeant) }
}

fn record(ledger: &mut Ledger, certificate: &[u8], subject: &Name, now: Time) -> Result<i64, Error> {
    let writing = ledger.begin()?;
    let sequence = writing.append(
        now,
        &Body::HolderEnrolled {
            subject: subject.to_string(),
            digest: to_hex(HashAlgorithm::Sha256.digest(certificate).as_ref()),
            certificate: to_hex(certificate),
        },
    )?;
    writing.commit()?;
    Ok(sequence)
}

/// RFC 5280 4.2.1.6 has a mailbox without anything around it; more than this only the mail itself can tell.
fn check_email(email: &str) -> Result<(), Error> {
    let plain = email.len() <= 254 && email.bytes().all(|octet| octet.is_ascii_graphic());
    match email.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => Ok(()),
        _ => Err(Error::Usage(format!("{email:?} is not an e-mail address such as ada@example.com"))),
    }
}

fn answer(certificate: &[u8], sequence: i64, warnings: Vec<Finding>) -> Result<Answer, Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| Error::CardReadBack)?;
    let text = format!(
        "Enrolled the card (entry {sequence} of the ledger); slot 9C holds\n{}",
        countersign_report::render(&countersign_report::certificate_lines(&parsed))
    );
    let json = json!({
        "card": {
            "slot": "9C",
            "ledger_entry": sequence,
            "certificate": countersign_report::certificate(&parsed),
            "pem": countersign_common::encode_certificate(certificate),
        }
    });
    Ok(Answer { text, json, warnings })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::certs::Lifetime;
    use crate::{
        args::KeyAlgorithm,
        keys::{FileKey, SigningKey as _},
    };
    use countersign_card::{ExtendedLength, OnEnd, TransportError};
    use std::time::Duration;

    /// A card that says yes to everything, and signs with another key than the one that it announced.
    struct Forger(FileKey);

    impl Transport for Forger {
        fn transmit(&mut self, command: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
            let data = match command[1] {
                0xa4 => b"\x61\x11\x4f\x06\x00\x00\x10\x00\x01\x00\x79\x07\x4f\x05\xa0\x00\x00\x03\x08".to_vec(),
                // The digest stands at the end, before the length of the answer.
                0x87 => {
                    let digest = &command[command.len() - 33..command.len() - 1];
                    let signature = self.0.sign_input(digest).unwrap();
                    let length = u8::try_from(signature.len()).unwrap();
                    [&[0x7c, length + 2, 0x82, length], &signature[..]].concat()
                }
                _ => Vec::new(),
            };
            Ok([data, vec![0x90, 0x00]].concat())
        }

        fn control(&mut self, _: u32, _: &[u8], _: Duration) -> Result<Vec<u8>, TransportError> {
            Ok(Vec::new())
        }

        fn begin(&mut self) -> Result<(), TransportError> {
            Ok(())
        }

        fn end(&mut self, _: OnEnd) -> Result<(), TransportError> {
            Ok(())
        }

        fn extended_length(&self) -> ExtendedLength {
            ExtendedLength::Impossible
        }
    }

    #[test]
    fn a_card_that_signs_with_another_key_has_not_proved_possession() {
        let key = FileKey::generate(KeyAlgorithm::P256).unwrap();
        let prove = |key: FileKey, spki: &[u8]| {
            let mut piv = Piv::select(Forger(key), Options::default())?;
            let pin = Pin::new("123456")?;
            let signs_with = SignatureAlgorithm::EcdsaP256Sha256;
            prove_possession(&mut piv, &pin, LastTry::Keep, spki, Algorithm::P256, signs_with)
        };
        let other = FileKey::generate(KeyAlgorithm::P256).unwrap();
        assert_eq!(prove(other, key.spki()).unwrap_err().code(), "CS-7061");
        let announced = key.spki().to_vec();
        prove(key, &announced).unwrap();
    }

    #[test]
    fn a_certificate_for_another_key_does_not_go_out() {
        let now: Time = "2026-11-24".parse().unwrap();
        let lifetime = || Lifetime { not_before: now, not_after: now.plus(86_400) };
        let [root, holder, other] = [(); 3].map(|()| FileKey::generate(KeyAlgorithm::P256).unwrap());
        let name = certs::parse_name("CN=Ada Lovelace").unwrap();
        let der = certs::root(certs::Role::HolderRoot, &name, lifetime(), &root).unwrap();
        let root = Signer::new(der, Box::new(root)).unwrap();
        let role = certs::Role::Holder { email: None };
        let certificate = certs::issue(role, &name, lifetime(), holder.spki(), &root).unwrap();
        verify(&certificate, holder.spki(), &root, now).unwrap();
        assert_eq!(verify(&certificate, other.spki(), &root, now).unwrap_err().code(), "CS-7052");
        let late = verify(&certificate, holder.spki(), &root, now.plus(86_401));
        assert_eq!(late.unwrap_err().code(), "CS-7051");
    }

    #[test]
    fn addresses() {
        assert!(check_email("ada@example.com").is_ok());
        for email in ["", "ada", "@example.com", "ada@", "a@b@c", "ada lovelace@example.com", "ada@exämple.com"] {
            assert_eq!(check_email(email).unwrap_err().code(), "CS-7001", "{email}");
        }
    }
}
