//! What is done to a card, in an order that lets the same command go on after the card was pulled.
//!
//! First the identity, from which the management key follows; then the management key, the PUK and the PIN, so that the PIN
//! is the last of them; then each key with its certificate, which is in the ledger before it is on the card. A slot with a
//! certificate is done; a key without one is made anew.

use super::{
    guid_text,
    secrets::{NewSecrets, PinInForce, Secrets},
    survey::{Person, Survey, Terms},
};
use crate::{
    cards::{Attested, CardKey},
    certs::{self, Lifetime},
    clock,
    error::Error,
    home::lifetime_under,
    keys::Signer,
    ledger::{Body, Ledger},
    random,
    role::Role,
    words::{digest, to_hex},
};
use countersign_card::{
    Error as CardError, LastTry, ManagementAlgorithm, Pin, Piv, PublicKey as CardPublicKey, Slot, StatusWord, Transport,
};
use countersign_common::{Certificate, PublicKey, Reason, Time, oid};
use countersign_pki::{Budget, PathRules, validate_path};

/// What the card signs begins so, so that the proof is good for nothing else.
const PROOF_CONTEXT: &[u8] = b"countersign enrol";

/// What is needed at the authority.
pub(super) struct Desk<'a> {
    pub(super) issuer: &'a Signer,
    pub(super) card_key: Option<&'a CardKey>,
    pub(super) terms: &'a Terms,
}

/// A certificate that is on a card now.
#[derive(Debug)]
pub(super) struct Certified {
    pub(super) slot: Slot,
    pub(super) certificate: Vec<u8>,
    pub(super) entry: i64,
    pub(super) attested: Option<Attested>,
}

/// What was done to a card.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) guid: [u8; 16],
    pub(super) certified: Vec<Certified>,
}

impl Done {
    /// DER of all certificates that the card has by now.
    pub(super) fn current(&self, survey: &Survey) -> Vec<Vec<u8>> {
        let kept = survey.done.iter().map(|(_, der)| der.clone());
        self.certified.iter().map(|one| one.certificate.clone()).chain(kept).collect()
    }
}

impl Desk<'_> {
    /// Does all of it. `note` tells a person how it is going.
    pub(super) fn personalize<T: Transport>(
        &self,
        piv: &mut Piv<T>,
        person: &Person,
        survey: &Survey,
        secrets: &Secrets,
        ledger: &mut Ledger,
        note: &mut dyn FnMut(&str),
    ) -> Result<Done, Error> {
        let terms = self.terms;
        // A wrong PIN must show before anything is changed.
        let in_force = secrets.verify_pin(piv, terms.last_try)?;
        let kind = piv.authenticate_management(&secrets.management_key, random::octets()?)?;
        if terms.roots.is_some() && piv.attestation_certificate()?.is_none() {
            let slot = survey.missing.first().copied().unwrap_or(Slot::Signature);
            return Err(CardError::CannotAttest { slot, status: StatusWord::NOT_FOUND }.into());
        }
        let lifetime = lifetime_under(self.issuer.certificate(), Role::HolderRoot, terms.validity, clock::now()?)?;
        let guid = self.identify(piv, survey, secrets.ours, &lifetime)?;
        let pin = match &secrets.new {
            Some(new) => {
                note("The card gets new secrets …");
                self.replace_secrets(piv, secrets, new, in_force, kind, &guid)?;
                &new.pin
            }
            None => &secrets.pin,
        };
        let mut certified = Vec::new();
        for slot in &survey.missing {
            note(&format!("The card makes its key in slot {slot} …"));
            certified.push(self.certify(piv, *slot, pin, person, &guid, ledger)?);
        }
        Ok(Done { guid, certified })
    }

    /// Gives the card an identity where it has none, or is to have another one. One from which its management key follows
    /// stays.
    fn identify<T: Transport>(
        &self,
        piv: &mut Piv<T>,
        survey: &Survey,
        ours: bool,
        lifetime: &Lifetime,
    ) -> Result<[u8; 16], Error> {
        if let Some(chuid) = &survey.chuid
            && (ours || !self.terms.new_chuid)
        {
            return Ok(chuid.guid);
        }
        // RFC 9562 5.4: a random UUID.
        let mut guid = random::octets::<16>()?;
        guid[6] = guid[6] & 0x0f | 0x40;
        guid[8] = guid[8] & 0x3f | 0x80;
        let until: String = lifetime.not_after.to_string().chars().filter(char::is_ascii_digit).take(8).collect();
        piv.put_chuid(&guid, &until)?;
        match piv.chuid()? {
            Some(chuid) if chuid.guid == guid => Ok(guid),
            _ => Err(Error::CardReadBack),
        }
    }

    fn replace_secrets<T: Transport>(
        &self,
        piv: &mut Piv<T>,
        secrets: &Secrets,
        new: &NewSecrets,
        in_force: PinInForce,
        kind: ManagementAlgorithm,
        guid: &[u8; 16],
    ) -> Result<(), Error> {
        let card_key = self.card_key.ok_or(Error::KeyMismatch)?;
        if !secrets.ours {
            let key = card_key.management_key(guid, kind)?;
            piv.set_management_key(kind, &key)?;
            piv.authenticate_management(&key, random::octets()?)?;
        }
        // The PIN comes after the PUK: where it is new, so is the PUK.
        if in_force == PinInForce::New {
            return Ok(());
        }
        let derived;
        let puk = match &new.puk {
            Some(puk) => puk,
            None => {
                derived = card_key.puk(guid)?;
                &derived
            }
        };
        match piv.change_puk(&new.old_puk, puk) {
            // A run that was cut off has changed it already.
            Err(CardError::WrongPuk { tries_left }) if secrets.ours && tries_left != Some(1) => {
                piv.change_puk(puk, puk)?
            }
            outcome => outcome?,
        }
        piv.change_pin(&secrets.pin, &new.pin, self.terms.last_try)?;
        Ok(())
    }

    /// Makes a key, has the card prove that it has it, and certifies it.
    fn certify<T: Transport>(
        &self,
        piv: &mut Piv<T>,
        slot: Slot,
        pin: &Pin,
        person: &Person,
        guid: &[u8; 16],
        ledger: &mut Ledger,
    ) -> Result<Certified, Error> {
        let terms = self.terms;
        let key = piv.generate_key(slot, terms.algorithm)?;
        prove_possession(piv, slot, pin, terms, &key)?;
        // Typing and making the key took their time.
        let now = clock::now()?;
        let attested = match &terms.roots {
            Some(roots) => {
                let statement = piv.attest(slot)?;
                let missing = CardError::CannotAttest { slot, status: StatusWord::NOT_FOUND };
                let signer = piv.attestation_certificate()?.ok_or(missing)?;
                Some(roots.verify(statement, signer, slot, key.spki_der(), terms.algorithm, now)?)
            }
            None => None,
        };
        let policies = match (&attested, slot) {
            (None, _) => Vec::new(),
            (Some(_), Slot::Signature) => vec![oid::POLICY_ATTESTED, oid::POLICY_ATTESTED_SIGNATURE_SLOT],
            (Some(_), Slot::Authentication) => vec![oid::POLICY_ATTESTED],
        };
        let lifetime = lifetime_under(self.issuer.certificate(), Role::HolderRoot, terms.validity, now)?;
        let role = certs::Role::Holder { email: person.email.clone(), policies };
        let certificate = certs::issue(role, &person.name, lifetime, key.spki_der(), self.issuer)?;
        verify(&certificate, key.spki_der(), self.issuer, now)?;
        // Never a certificate outside without its entry.
        let entry = record(ledger, &certificate, person, guid, attested.as_ref(), now)?;
        piv.put_certificate(slot, &certificate)?;
        if piv.certificate(slot)?.as_deref() != Some(&certificate[..]) {
            return Err(Error::CardReadBack);
        }
        Ok(Certified { slot, certificate, entry, attested })
    }
}

/// The card signs something fresh with the key that it announced.
fn prove_possession<T: Transport>(
    piv: &mut Piv<T>,
    slot: Slot,
    pin: &Pin,
    terms: &Terms,
    key: &CardPublicKey,
) -> Result<(), Error> {
    let spki = key.spki_der();
    let message = [PROOF_CONTEXT, &random::octets::<32>()?, spki].concat();
    // 9C wants the PIN immediately before each signature. It was accepted before, so no try is at stake.
    piv.verify_pin(pin, LastTry::Spend)?;
    let prepared = terms.algorithm.prepare(&terms.signs_with.signer_input(&message));
    let signature = piv.sign(slot, terms.algorithm, &prepared)?;
    PublicKey::from_spki(spki)
        .and_then(|key| key.verify(terms.signs_with, &message, &signature))
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

fn record(
    ledger: &mut Ledger,
    certificate: &[u8],
    person: &Person,
    guid: &[u8; 16],
    attested: Option<&Attested>,
    now: Time,
) -> Result<i64, Error> {
    let writing = ledger.begin()?;
    let sequence = writing.append(
        now,
        &Body::HolderEnrolled {
            subject: person.subject(),
            digest: digest(certificate),
            certificate: to_hex(certificate),
            card: Some(guid_text(guid)),
            attestation: attested.map(|attested| attested.chain.each_ref().map(|der| to_hex(der))),
        },
    )?;
    writing.commit()?;
    Ok(sequence)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        super::soft_card::{Leaves, Memory, SoftCard, insert},
        *,
    };
    use crate::{
        args::KeyAlgorithm,
        cards::{PinRules, Roots, maker::Maker},
        keys::{FileKey, SigningKey as _},
        ledger::Place,
        words::Interval,
    };
    use countersign_card::{Algorithm, ManagementKey, Puk};
    use countersign_common::SignatureAlgorithm;
    use std::{cell::RefCell, rc::Rc};

    const NEW_PIN: &str = "864201";

    /// An authority that enrols cards with new secrets.
    struct Office {
        folder: tempfile::TempDir,
        root: Signer,
        card_key: CardKey,
        terms: Terms,
        person: Person,
    }

    impl Office {
        fn new(slots: &[Slot], roots: Option<&Maker>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let key = FileKey::generate(KeyAlgorithm::P256).unwrap();
            let now = clock::now().unwrap();
            let lifetime = Lifetime { not_before: now.minus(60), not_after: now.plus(10 * 31_557_600) };
            let name = certs::parse_name("CN=Root").unwrap();
            let der = certs::root(certs::Role::HolderRoot, &name, lifetime, &key).unwrap();
            let roots = roots.map(|maker| {
                let file = folder.path().join("roots.pem");
                std::fs::write(&file, countersign_common::encode_certificate(&maker.root.certificate)).unwrap();
                Roots::read([file.as_path()].into_iter()).unwrap()
            });
            let terms = Terms {
                slots: slots.to_vec(),
                algorithm: Algorithm::P256,
                signs_with: SignatureAlgorithm::EcdsaP256Sha256,
                validity: Interval(86_400),
                replace: false,
                new_chuid: false,
                new_secrets: true,
                last_try: LastTry::Keep,
                pins: PinRules::default(),
                roots,
            };
            Ledger::create(&Place::File(folder.path().join("ledger.sqlite"))).unwrap();
            let person = Person::parse("CN=Ada Lovelace", None).unwrap();
            Self { folder, root: Signer::new(der, Box::new(key)).unwrap(), card_key: CardKey::fixed(), terms, person }
        }

        fn ledger(&self) -> Ledger {
            Ledger::open(&Place::File(self.folder.path().join("ledger.sqlite"))).unwrap()
        }

        /// What the same command does each time: the management key that the card has is found, all else is as typed.
        fn enroll(&self, mut piv: Piv<SoftCard>) -> Result<Done, Error> {
            let mut ledger = self.ledger();
            let survey = Survey::take(&mut piv, &self.terms, &self.person, &ledger.register()?)?;
            survey.check_something_missing()?;
            let default = ManagementKey::from_hex(&"0102030405060708".repeat(3))?;
            let own = match &survey.chuid {
                Some(chuid) => super::super::secrets::own_key(&mut piv, &self.card_key, &chuid.guid)?,
                None => None,
            };
            let new = NewSecrets { pin: Pin::new(NEW_PIN)?, old_puk: Puk::new("12345678")?, puk: None };
            let ours = own.is_some();
            let (management_key, findings) = (own.unwrap_or(default), Vec::new());
            let secrets = Secrets { pin: Pin::new("123456")?, management_key, ours, new: Some(new), findings };
            let desk = Desk { issuer: &self.root, card_key: Some(&self.card_key), terms: &self.terms };
            desk.personalize(&mut piv, &self.person, &survey, &secrets, &mut ledger, &mut |_| ())
        }

        /// Digests of the certificates that the ledger has.
        fn enrolled(&self) -> Vec<String> {
            self.ledger().register().unwrap().holders().map(|known| known.digest.clone()).collect()
        }

        /// Nothing of what the card was delivered with is left, and its certificates are in the ledger.
        fn check_whole(&self, memory: &Rc<RefCell<Memory>>) {
            let enrolled = self.enrolled();
            let mut piv = insert(memory, None);
            for slot in &self.terms.slots {
                let certificate = piv.certificate(*slot).unwrap().unwrap();
                assert!(enrolled.contains(&digest(&certificate)), "a certificate without an entry");
            }
            piv.verify_pin(&Pin::new(NEW_PIN).unwrap(), LastTry::Keep).unwrap();
            let guid = piv.chuid().unwrap().unwrap().guid;
            let puk = self.card_key.puk(&guid).unwrap();
            piv.change_puk(&puk, &puk).unwrap();
            assert!(super::super::secrets::own_key(&mut piv, &self.card_key, &guid).unwrap().is_some());
        }
    }

    #[test]
    fn a_card_that_leaves_at_any_command_is_enrolled_by_the_same_command() {
        let slots = [Slot::Signature, Slot::Authentication];
        let mut interrupted = 0;
        for after in [false, true] {
            for at in 1.. {
                let (office, memory) = (Office::new(&slots, None), Memory::new());
                match office.enroll(insert(&memory, Some(Leaves { at, after }))) {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.code(), "CS-5006"),
                }
                interrupted += 1;
                // Whatever the card holds by then is in the ledger.
                let mut piv = insert(&memory, None);
                for slot in slots {
                    let held = piv.certificate(slot).unwrap().map(|der| digest(&der));
                    assert!(held.is_none_or(|digest| office.enrolled().contains(&digest)));
                }
                drop(piv);
                match office.enroll(insert(&memory, None)) {
                    Ok(_) => {}
                    // It left after everything was done.
                    Err(error) => assert_eq!((error.code(), office.enrolled().len()), ("CS-7060", 2), "{at} {after}"),
                }
                office.check_whole(&memory);
            }
        }
        assert!(interrupted > 50, "{interrupted}");
    }

    #[test]
    fn an_attested_key_has_a_certificate_that_says_so() {
        let maker = Maker::new("maker");
        let office = Office::new(&[Slot::Signature, Slot::Authentication], Some(&maker));
        let memory = Memory::attesting(maker);
        let done = office.enroll(insert(&memory, None)).unwrap();
        office.check_whole(&memory);
        for (one, policies) in done
            .certified
            .iter()
            .zip([&[oid::POLICY_ATTESTED, oid::POLICY_ATTESTED_SIGNATURE_SLOT][..], &[oid::POLICY_ATTESTED]])
        {
            let certificate = Certificate::from_der(&one.certificate).unwrap();
            assert_eq!(certificate.policies(), policies);
            assert_eq!(one.attested.as_ref().unwrap().device.as_deref(), Some("12345678"));
        }
        let entry = office.ledger().find(&done.certified[0].entry.to_string()).unwrap();
        assert!(matches!(entry.body, Body::HolderEnrolled { attestation: Some(_), card: Some(_), .. }));
    }

    #[test]
    fn without_a_good_attestation_nothing_is_certified() {
        let (maker, other) = (Maker::new("maker"), Maker::new("another maker"));
        let office = Office::new(&[Slot::Signature], Some(&maker));
        // A card that cannot attest is found out before it is changed.
        let memory = Memory::new();
        assert_eq!(office.enroll(insert(&memory, None)).unwrap_err().code(), "CS-5039");
        assert!(memory.borrow().objects.is_empty() && memory.borrow().pin == *b"123456\xff\xff");
        let stranger = Memory::attesting(other);
        assert_eq!(office.enroll(insert(&stranger, None)).unwrap_err().code(), "CS-7064");
        let careless = Memory::attesting(Maker::new("maker"));
        careless.borrow_mut().pin_policy = 1;
        assert_eq!(office.enroll(insert(&careless, None)).unwrap_err().code(), "CS-7064");
        assert!(office.enrolled().is_empty());
    }

    #[test]
    fn a_card_that_signs_with_another_key_has_not_proved_possession() {
        let (office, memory) = (Office::new(&[Slot::Signature], None), Memory::new());
        memory.borrow_mut().forges = true;
        assert_eq!(office.enroll(insert(&memory, None)).unwrap_err().code(), "CS-7061");
        assert!(office.enrolled().is_empty());
        memory.borrow_mut().forges = false;
        office.enroll(insert(&memory, None)).unwrap();
        office.check_whole(&memory);
    }

    #[test]
    fn a_certificate_for_another_key_does_not_go_out() {
        let office = Office::new(&[Slot::Signature], None);
        let [holder, other] = [(); 2].map(|()| FileKey::generate(KeyAlgorithm::P256).unwrap());
        let now = clock::now().unwrap();
        let lifetime = Lifetime { not_before: now, not_after: now.plus(86_400) };
        let role = certs::Role::Holder { email: None, policies: Vec::new() };
        let certificate = certs::issue(role, &office.person.name, lifetime, holder.spki(), &office.root).unwrap();
        verify(&certificate, holder.spki(), &office.root, now).unwrap();
        assert_eq!(verify(&certificate, other.spki(), &office.root, now).unwrap_err().code(), "CS-7052");
        let late = verify(&certificate, holder.spki(), &office.root, now.plus(86_401));
        assert_eq!(late.unwrap_err().code(), "CS-7051");
    }
}
