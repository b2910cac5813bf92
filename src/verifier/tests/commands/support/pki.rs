//! Keys, certificates, tokens and records for tests. Every key is computed from its name, so anybody can sign with it.

use countersign_common::{
    Admission, Anchors, Certificate, Digest32, HashAlgorithm, MachineFacts, NO_LISTS, Octets, SignatureAlgorithm,
    SignedObject, SigningRequest, Slot, Time, Token, VerifiedToken, encode_certificate, oid,
    token::{
        ActivationTerms, ComponentRule, Customer, Grant, KeyProtection, MachineBinding, ProductTerms, TpmRule, Window,
    },
};
use countersign_common::{ComponentKind, GeneralizedTime};
use der::Encode as _;
use rsa::BoxedUint;
use sha2::{Digest as _, Sha256, Sha384};
use signature::hazmat::PrehashSigner as _;

/// A private key.
pub(crate) enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Rsa(Box<rsa::PrivateKey>),
}

const P: &str = "C689D16D7D738CA4E1B8C2BBBC5DFA8855C92CB9208E01460ECE1E522376CD4C437860FED8E1C383887F1D9336C9AE091890607E\
     1B3EFE18447FB39D0B7DECF9AD624D863241F076211C5D253D975AE04645F101DA3A4175D7A02A3BD1AE4BA56E4C84DFAE992751\
     0B52FA8A667D6B0F8EA7437EFCE7259E1B33046CDFC20209";
const Q: &str = "FFD1568CCE28277DAA4F6FE2E72BF020ACB2FFE0C28D02CF0962AC053CC31EE3A21CFD635C638E97CFF9A9943A3729A12A3A2F98\
     274202721091F2E02718ADABC918550F692A98F873F0981178361BA84D13BBC7E8260C52AFAB59B5AB6CC9F4833641D2107D97A5\
     E44DFD6663A899CC92E0D234ECAFBBC3DF302006D2C67291";

impl Key {
    pub(crate) fn p256(name: &str) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&Sha256::digest(name)).unwrap())
    }

    pub(crate) fn p384(name: &str) -> Self {
        Self::P384(p384::ecdsa::SigningKey::from_slice(&Sha384::digest(name)).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        let prime = |text: &str| BoxedUint::from_be_slice_vartime(&unhex(text));
        Self::Rsa(Box::new(rsa::PrivateKey::from_p_q(prime(P), prime(Q), BoxedUint::from(65_537_u64)).unwrap()))
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::P256(_) => SignatureAlgorithm::EcdsaP256Sha256,
            Self::P384(_) => SignatureAlgorithm::EcdsaP384Sha384,
            Self::Rsa(_) => SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
        }
    }

    pub(crate) fn sign(&self, digest: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign_prehash(digest).unwrap();
                signature.as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.sign_prehash(digest).unwrap();
                signature.as_bytes().to_vec()
            }
            Self::Rsa(key) => key.pkcs1v15_sign_prehash::<Sha256>(digest).unwrap(),
        }
    }

    /// The same key for the makers of lists and bundles.
    pub(crate) fn lent(&self) -> countersign_testpki::keys::Key {
        match self {
            Self::P256(key) => countersign_testpki::keys::Key::P256(key.clone()),
            Self::P384(key) => countersign_testpki::keys::Key::P384(key.clone()),
            Self::Rsa(key) => countersign_testpki::keys::Key::Rsa(key.clone()),
        }
    }

    fn spki(&self) -> Vec<u8> {
        let ec = |curve: &str, point: &[u8]| {
            sequence(&[&sequence(&[&identifier("1.2.840.10045.2.1"), &identifier(curve)]), &bits(point)])
        };
        match self {
            Self::P256(key) => ec("1.2.840.10045.3.1.7", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::P384(key) => ec("1.3.132.0.34", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::Rsa(key) => {
                let modulus = rsa::traits::PublicKeyParts::n(&**key).to_be_bytes();
                let key = sequence(&[&tlv(0x02, &[&[0], &modulus]), &tlv(0x02, &[&[1, 0, 1]])]);
                sequence(&[&sequence(&[&identifier("1.2.840.113549.1.1.1"), &[5, 0]]), &bits(&key)])
            }
        }
    }
}

/// A certificate and the key that goes with it.
pub(crate) struct Identity {
    pub(crate) key: Key,
    name: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

impl Identity {
    pub(crate) fn root(name: &str) -> Self {
        Self::new(name, Key::p256(name), None, true, None)
    }

    /// The extended key usage is stated where there is one.
    pub(crate) fn issued(name: &str, key: Key, issuer: &Self, usage: Option<&str>) -> Self {
        Self::new(name, key, Some(issuer), false, usage)
    }

    pub(crate) fn ca(name: &str, issuer: &Self) -> Self {
        Self::new(name, Key::p256(name), Some(issuer), true, None)
    }

    fn new(name: &str, key: Key, issuer: Option<&Self>, ca: bool, usage: Option<&str>) -> Self {
        let subject = sequence(&[&tlv(0x31, &[&sequence(&[&identifier("2.5.4.3"), &tlv(0x0c, &[name.as_bytes()])])])]);
        let extension = |id: &str, value: &[u8]| sequence(&[&identifier(id), &[1, 1, 0xff], &tlv(0x04, &[value])]);
        let mut extensions = Vec::new();
        if ca {
            extensions.extend(extension("2.5.29.19", &sequence(&[&[1, 1, 0xff]])));
            extensions.extend(extension("2.5.29.15", &[3, 2, 1, 6]));
        } else {
            extensions.extend(extension("2.5.29.15", &[3, 2, 7, 0x80]));
        }
        extensions
            .extend(usage.map(|usage| extension("2.5.29.37", &sequence(&[&identifier(usage)]))).unwrap_or_default());
        let signing_key = issuer.map_or(&key, |issuer| &issuer.key);
        // The key identifiers of RFC 5280 4.2.1.1 and 4.2.1.2, which are not critical.
        let plain = |id: &str, value: &[u8]| sequence(&[&identifier(id), &tlv(0x04, &[value])]);
        let key_identifier = |key: &Key| countersign_testpki::certificates::key_identifier(&key.lent());
        extensions.extend(plain("2.5.29.14", &tlv(0x04, &[&key_identifier(&key)])));
        extensions.extend(plain("2.5.29.35", &sequence(&[&tlv(0x80, &[&key_identifier(signing_key)])])));
        let algorithm = signing_key.algorithm();
        let serial = [&[0x40], &Sha256::digest([name.as_bytes(), &key.spki()].concat())[..7]].concat();
        let body = sequence(&[
            &tlv(0xa0, &[&[2, 1, 2]]),
            &tlv(0x02, &[&serial]),
            &algorithm.identifier(),
            issuer.map_or(&subject, |issuer| &issuer.name),
            &sequence(&[&tlv(0x17, &[b"200101000000Z"]), &tlv(0x18, &[b"20991231235959Z"])]),
            &subject,
            &key.spki(),
            &tlv(0xa3, &[&sequence(&[&extensions])]),
        ]);
        let signature = signing_key.sign(algorithm.hash().digest(&body).as_ref());
        let certificate = sequence(&[&body, &algorithm.identifier(), &bits(&signature)]);
        Self { key, name: subject, certificate }
    }

    /// The same person for the makers of lists and bundles.
    pub(crate) fn lent(&self) -> countersign_testpki::certificates::Identity {
        let body = &countersign_testpki::der::members(&self.certificate)[0];
        countersign_testpki::certificates::Identity {
            key: self.key.lent(),
            name: self.name.clone(),
            serial: countersign_testpki::der::members(body)[1].clone(),
            certificate: self.certificate.clone(),
        }
    }

    pub(crate) fn pem(&self) -> String {
        encode_certificate(&self.certificate)
    }
}

/// Everybody who takes part.
pub(crate) struct Cast {
    pub(crate) token_root: Identity,
    pub(crate) token_signer: Identity,
    pub(crate) holder_root: Identity,
    pub(crate) holder: Identity,
}

pub(crate) const TOKEN_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.1";
const LIST_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.2";
const ANCHORS_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.3";
const LEDGER_SIGNING: &str = "1.3.6.1.4.1.32473.2026.3.4";

impl Cast {
    pub(crate) fn new() -> Self {
        Self::with_holder(Key::p256("holder"))
    }

    pub(crate) fn with_holder(key: Key) -> Self {
        let token_root = Identity::root("Test Token Root");
        let holder_root = Identity::root("Test Holder Root");
        let token_signer = Identity::issued("Test Token Signer", Key::p256("signer"), &token_root, Some(TOKEN_SIGNING));
        let holder = Identity::issued("Alex Example", key, &holder_root, None);
        Self { token_root, token_signer, holder_root, holder }
    }

    /// Signs lists and bundles under the token root.
    pub(crate) fn list_signer(&self, name: &str) -> countersign_testpki::certificates::Identity {
        Identity::issued(name, Key::p256(name), &self.token_root, Some(LIST_SIGNING)).lent()
    }

    /// Signs heads of the ledger under the token root.
    pub(crate) fn ledger_signer(&self, name: &str) -> countersign_testpki::certificates::Identity {
        Identity::issued(name, Key::p256(name), &self.token_root, Some(LEDGER_SIGNING)).lent()
    }

    /// Signs anchors updates under the token root.
    pub(crate) fn anchors_signer(&self, name: &str) -> countersign_testpki::certificates::Identity {
        Identity::issued(name, Key::p256(name), &self.token_root, Some(ANCHORS_SIGNING)).lent()
    }

    /// A token for `control-room` that anybody's machine with two components may be activated with, now.
    pub(crate) fn body(&self) -> Token {
        Token {
            version: 1,
            id: Octets([0x3f; 16]),
            revision: 1,
            customer: Customer { id: "example-org".to_owned(), name: "Example Organisation".to_owned() },
            product: ProductTerms { id: "control-room".to_owned(), edition: None, from: None, below: None },
            window: Window { not_before: at("2020-01-01"), not_after: at("2099-12-31") },
            grants: vec![Grant {
                number: 1,
                anchor: Grant::certificate_anchor(&self.holder_root.certificate).unwrap(),
                direct_issuer: false,
                criteria: None,
                authentication_slot: false,
                key_protection: KeyProtection::Any,
                persons: 1,
            }],
            terms: ActivationTerms { validity: Some(31_536_000), renew_after: Some(23_328_000), ..Default::default() },
            binding: MachineBinding {
                salt: Octets([7; 32]),
                required: 2,
                components: [ComponentKind::DiskSerial, ComponentKind::MachineId]
                    .map(|kind| ComponentRule { kind, mandatory: false })
                    .to_vec(),
                machines: None,
                tpm: TpmRule::None,
                virtual_machines: true,
            },
            entitlements: None,
            seats: None,
            lists: None,
            extensions: None,
        }
    }

    /// DER of a token, issued at the start of 2020.
    pub(crate) fn token(&self, change: impl FnOnce(&mut Token)) -> Vec<u8> {
        self.token_issued("2020-02-02T00:00:00Z", change)
    }

    pub(crate) fn token_issued(&self, issued: &str, change: impl FnOnce(&mut Token)) -> Vec<u8> {
        let mut body = self.body();
        change(&mut body);
        let content = body.to_der().unwrap();
        let signer = Certificate::from_der(&self.token_signer.certificate).unwrap();
        let algorithm = self.token_signer.key.algorithm();
        let request =
            SigningRequest::new(oid::CONTENT_TOKEN, &content, &signer, algorithm, issued.parse().unwrap()).unwrap();
        let signature = self.token_signer.key.sign(&algorithm.signer_input(request.message()));
        request.finish(&signature, &[], None).unwrap()
    }

    /// DER of a record for a token, made on a machine at a time.
    pub(crate) fn record(&self, token: &[u8], machine: &MachineFacts, time: Time) -> Vec<u8> {
        let anchors = Anchors::new([self.token_root.certificate.as_slice()]).unwrap();
        let verified = VerifiedToken::verify(SignedObject::from_der(token).unwrap(), &anchors, &NO_LISTS).unwrap();
        let admission = Admission {
            grant: 1,
            slot: Slot::Signature,
            slot_proven: false,
            issuers: Vec::new(),
            lists: Vec::new(),
            anchor_subject: String::new(),
        };
        let challenge = verified.challenge(&admission, time, [5; 32], machine, &NO_LISTS, None);
        let challenge = challenge.to_der().unwrap();
        let holder = Certificate::from_der(&self.holder.certificate).unwrap();
        let algorithm = self.holder.key.algorithm();
        let request = SigningRequest::new(oid::CONTENT_CHALLENGE, &challenge, &holder, algorithm, time).unwrap();
        let signature = self.holder.key.sign(&algorithm.signer_input(request.message()));
        request.finish(&signature, &[], Some(token)).unwrap()
    }
}

pub(crate) fn at(text: &str) -> GeneralizedTime {
    GeneralizedTime(text.parse().unwrap())
}

pub(crate) fn digest_of_key(identity: &Identity) -> Digest32 {
    Octets(Sha256::digest(identity.key.spki()).into())
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = match value.len() {
        short @ 0..=0x7f => vec![short as u8],
        one @ 0x80..=0xff => vec![0x81, one as u8],
        two => vec![0x82, (two >> 8) as u8, two as u8],
    };
    [vec![tag], length, value].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn bits(value: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], value])
}

fn identifier(text: &str) -> Vec<u8> {
    text.parse::<der::asn1::ObjectIdentifier>().unwrap().to_der().unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter_map(|byte| char::from(byte).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
