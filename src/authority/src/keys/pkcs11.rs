//! Keys in a token of PKCS#11.
//!
//! A private key is made there as sensitive and not extractable, so that it never leaves the token. The token gets
//! digests (Ed25519: the message), and what it signs is verified outside, as every signature of the authority is.

use super::{HsmError, SigningKey, file::ED25519, hsm::Hsm};
use crate::{
    args::{KeyAlgorithm, RsaPadding},
    error::Error,
    key_uri::Pkcs11Uri,
    random,
};
use countersign_common::{HashAlgorithm, PublicKey, SignatureAlgorithm};
use countersign_pki::KeyKind;
use cryptoki::{
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
        rsa::{PkcsMgfType, PkcsPssParams},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::Session,
};
use der::{
    Decode, Encode,
    asn1::{Any, BitString, ObjectIdentifier, OctetString, UintRef},
};
use p256::{NistP256, elliptic_curve::ALGORITHM_OID as EC_PUBLIC_KEY};
use p384::NistP384;
use pkcs8::AssociatedOid;
use sha2::Sha256;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use std::{path::Path, sync::Arc};

/// 65,537.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// A private key in a token, with its public half.
pub(crate) struct Pkcs11Key {
    hsm: Arc<Hsm>,
    private: ObjectHandle,
    /// Whether it wants the PIN before each signature (CKA_ALWAYS_AUTHENTICATE), as PIV's slot 9C does.
    each_time: bool,
    spki: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl Pkcs11Key {
    /// Opens the key that a URI names; `spki` is that of its certificate.
    pub(super) fn open(hsm: Arc<Hsm>, uri: &Pkcs11Uri, spki: &[u8], padding: RsaPadding) -> Result<Self, Error> {
        let private = find(&hsm, ObjectClass::PRIVATE_KEY, uri)?;
        Self::new(hsm, private, spki.to_vec(), padding)
    }

    /// The key that a URI names, by what the token itself has of its public half.
    pub(super) fn existing(hsm: Arc<Hsm>, uri: &Pkcs11Uri, padding: RsaPadding) -> Result<Self, Error> {
        let private = find(&hsm, ObjectClass::PRIVATE_KEY, uri)?;
        let public = find(&hsm, ObjectClass::PUBLIC_KEY, uri)?;
        let spki = public_half(&hsm.session(), public)?;
        Self::new(hsm, private, spki, padding)
    }

    fn new(hsm: Arc<Hsm>, private: ObjectHandle, spki: Vec<u8>, padding: RsaPadding) -> Result<Self, Error> {
        let algorithm = algorithm_of(&spki, padding)?;
        let said = hsm.session().get_attributes(private, &[AttributeType::AlwaysAuthenticate])?;
        let each_time = said.contains(&Attribute::AlwaysAuthenticate(true));
        Ok(Self { hsm, private, each_time, spki, algorithm })
    }
}

impl SigningKey for Pkcs11Key {
    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign_input(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let sign =
            |mechanism: &Mechanism<'_>, data: &[u8]| self.hsm.sign(mechanism, self.private, self.each_time, data);
        match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => {
                let raw = sign(&Mechanism::Ecdsa, input)?;
                p256::ecdsa::Signature::from_slice(&raw).map(|signature| signature.to_der().as_bytes().to_vec())
            }
            SignatureAlgorithm::EcdsaP384Sha384 => {
                let raw = sign(&Mechanism::Ecdsa, input)?;
                p384::ecdsa::Signature::from_slice(&raw).map(|signature| signature.to_der().as_bytes().to_vec())
            }
            SignatureAlgorithm::Ed25519 => {
                Ok(sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)), input)?)
            }
            SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256) => {
                let prefix = rsa::Pkcs1v15Sign::new::<Sha256>().prefix;
                Ok(sign(&Mechanism::RsaPkcs, &[&prefix, input].concat())?)
            }
            SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256) => {
                let parameters =
                    PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() };
                Ok(sign(&Mechanism::RsaPkcsPss(parameters), input)?)
            }
            _ => return Err(Error::KeyMismatch),
        }
        .map_err(|_| Error::KeyMismatch)
    }
}

/// A key pair that was made just now. It goes again when it is dropped before [`MadePair::keep`].
pub(super) struct MadePair {
    hsm: Arc<Hsm>,
    public: ObjectHandle,
    private: ObjectHandle,
    kept: bool,
}

impl MadePair {
    /// Makes a key pair under a label that no private key of the token has. What it is found by afterwards comes with
    /// it.
    pub(super) fn make(
        hsm: Arc<Hsm>,
        module: &Path,
        label: &str,
        algorithm: KeyAlgorithm,
    ) -> Result<(Self, Pkcs11Uri), Error> {
        let uri = Pkcs11Uri {
            token: Some(hsm.label.clone()),
            serial: Some(hsm.serial.clone()),
            object: Some(label.to_owned()),
            id: Some(random::octets::<16>()?.to_vec()),
            module: module.to_owned(),
            ..Pkcs11Uri::default()
        };
        let same = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.as_bytes().to_vec())];
        if !hsm.session().find_objects(&same)?.is_empty() {
            return Err(HsmError::KeyExists { token: hsm.label.clone(), key: label.to_owned() }.into());
        }
        let curve = |oid: ObjectIdentifier| Ok::<_, Error>(vec![Attribute::EcParams(oid.to_der()?)]);
        let modulus =
            |bits: u64| vec![Attribute::ModulusBits(bits.into()), Attribute::PublicExponent(EXPONENT.to_vec())];
        let (mechanism, kind) = match algorithm {
            KeyAlgorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, curve(ED25519)?),
            KeyAlgorithm::P256 => (Mechanism::EccKeyPairGen, curve(NistP256::OID)?),
            KeyAlgorithm::P384 => (Mechanism::EccKeyPairGen, curve(NistP384::OID)?),
            KeyAlgorithm::Rsa2048 => (Mechanism::RsaPkcsKeyPairGen, modulus(2048)),
            KeyAlgorithm::Rsa3072 => (Mechanism::RsaPkcsKeyPairGen, modulus(3072)),
            KeyAlgorithm::Rsa4096 => (Mechanism::RsaPkcsKeyPairGen, modulus(4096)),
        };
        let both = [vec![Attribute::Token(true)], known_by(&uri)].concat();
        let public = [both.clone(), vec![Attribute::Verify(true)], kind].concat();
        let private = vec![
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let (public, private) = hsm.session().generate_key_pair(&mechanism, &public, &[both, private].concat())?;
        Ok((Self { hsm, public, private, kept: false }, uri))
    }

    /// The key to sign with. What the token says of it counts, not what was asked for.
    pub(super) fn key(&self, padding: RsaPadding) -> Result<Pkcs11Key, Error> {
        let spki = public_half(&self.hsm.session(), self.public)?;
        Pkcs11Key::new(Arc::clone(&self.hsm), self.private, spki, padding)
    }

    /// From now on it stays.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for MadePair {
    fn drop(&mut self) {
        if !self.kept {
            // Whoever made it is told why it was in vain; where the token is gone, there is nothing left to try.
            let _ = self.hsm.session().destroy_object(self.private);
            let _ = self.hsm.session().destroy_object(self.public);
        }
    }
}

/// The attributes by which a URI names a key.
fn known_by(uri: &Pkcs11Uri) -> Vec<Attribute> {
    let label = uri.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec()));
    label.into_iter().chain(uri.id.clone().map(Attribute::Id)).collect()
}

/// The one object of a class that a URI names.
fn find(hsm: &Hsm, class: ObjectClass, uri: &Pkcs11Uri) -> Result<ObjectHandle, Error> {
    let wanted = [vec![Attribute::Class(class)], known_by(uri)].concat();
    let found = hsm.session().find_objects(&wanted)?;
    match found[..] {
        [key] => Ok(key),
        [] => Err(HsmError::KeyMissing { token: hsm.label.clone() }.into()),
        _ => Err(HsmError::AmbiguousKey { token: hsm.label.clone() }.into()),
    }
}

/// How a key signs: SHA-256, with P-384 SHA-384.
fn algorithm_of(spki: &[u8], padding: RsaPadding) -> Result<SignatureAlgorithm, Error> {
    let key = PublicKey::from_spki(spki).map_err(|_| HsmError::NotOffered("a key of an allowed kind"))?;
    Ok(match key.kind() {
        KeyKind::Ed25519 => SignatureAlgorithm::Ed25519,
        KeyKind::P256 => SignatureAlgorithm::EcdsaP256Sha256,
        KeyKind::P384 => SignatureAlgorithm::EcdsaP384Sha384,
        KeyKind::Rsa(_) => match padding {
            RsaPadding::Pkcs1 => SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
            RsaPadding::Pss => SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256),
        },
    })
}

/// DER of the SubjectPublicKeyInfo of a public key in a token.
pub(super) fn public_half(session: &Session, public: ObjectHandle) -> Result<Vec<u8>, Error> {
    let strange = || Error::from(HsmError::NotOffered("a key of an allowed kind"));
    let read = |what: &[AttributeType]| session.get_attributes(public, what);
    let [Attribute::KeyType(kind)] = read(&[AttributeType::KeyType])?[..] else { return Err(strange()) };
    let (oid, parameters, key) = if kind == KeyType::RSA {
        let [Attribute::Modulus(modulus), Attribute::PublicExponent(exponent)] =
            &read(&[AttributeType::Modulus, AttributeType::PublicExponent])?[..]
        else {
            return Err(strange());
        };
        let key =
            rsa::pkcs1::RsaPublicKey { modulus: UintRef::new(modulus)?, public_exponent: UintRef::new(exponent)? };
        (rsa::pkcs1::ALGORITHM_OID, Some(Any::null()), key.to_der()?)
    } else {
        let [Attribute::EcParams(curve), Attribute::EcPoint(point)] =
            &read(&[AttributeType::EcParams, AttributeType::EcPoint])?[..]
        else {
            return Err(strange());
        };
        // An OCTET STRING around the point (PKCS#11 2.40, 2.3.3); some modules leave it out.
        let point = OctetString::from_der(point).map_or_else(|_| point.clone(), |octets| octets.as_bytes().to_vec());
        if kind == KeyType::EC { (EC_PUBLIC_KEY, Some(Any::from_der(curve)?), point) } else { (ED25519, None, point) }
    };
    let info = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned { oid, parameters },
        subject_public_key: BitString::from_bytes(&key)?,
    };
    Ok(info.to_der()?)
}
