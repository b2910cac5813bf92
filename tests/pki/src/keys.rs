//! Keys for tests only: each is computed from a label or written here, so anybody can sign with them.

use crate::der::{bits, explicit, integer, oid, sequence, tlv};
use countersign_pki::{HashAlgorithm, SignatureAlgorithm};
use rsa::{BoxedUint, rand_core, traits::PublicKeyParts};
use sha2::{Digest, Sha256, Sha384, Sha512};
use signature::{Signer, hazmat::PrehashSigner};

/// A key pair, or a public key that must be refused.
pub enum Key {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On P-384.
    P384(p384::ecdsa::SigningKey),
    /// RSA, exponent 65,537.
    Rsa(Box<rsa::PrivateKey>),
    /// DER of a SubjectPublicKeyInfo that must be refused, with no private key.
    Public(Vec<u8>),
}

impl Key {
    /// Its private key is SHA-256 of the label.
    pub fn ed25519(label: &str) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&Sha256::digest(label).into())))
    }

    /// An Ed25519 key with the octets of its point as they are given.
    pub fn ed25519_public(point: &[u8]) -> Self {
        Self::Public(ed25519_spki(point))
    }

    /// Its private scalar is SHA-256 of the label.
    pub fn p256(label: &str) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&Sha256::digest(label)).unwrap())
    }

    /// Its private scalar is SHA-384 of the label.
    pub fn p384(label: &str) -> Self {
        Self::P384(p384::ecdsa::SigningKey::from_slice(&Sha384::digest(label)).unwrap())
    }

    /// RSA with 1,024 bits, which is too short.
    pub fn rsa_1024() -> Self {
        Self::rsa(
            "CFA3A7545B389B1730FE352340EBBCCFBF9151A132C11AA76AD89503DB063F38CE1F3C218C82115719FBED48DB7A3C1F80F8FAB9\
             1BFE92F4538B95CF6FC9EC9D",
            "E6BCA5DAE78E84D81DC96BB5C90735DABA7174C530AEEE4619EC60CACB0FCCC9AB669CC84D98BA74588664F932D3EF0491F8F658\
             85FDC64D184BD01423F35039",
        )
    }

    /// RSA with 2,048 bits, always the same.
    pub fn rsa_2048() -> Self {
        Self::rsa(
            "C689D16D7D738CA4E1B8C2BBBC5DFA8855C92CB9208E01460ECE1E522376CD4C437860FED8E1C383887F1D9336C9AE091890607E\
             1B3EFE18447FB39D0B7DECF9AD624D863241F076211C5D253D975AE04645F101DA3A4175D7A02A3BD1AE4BA56E4C84DFAE992751\
             0B52FA8A667D6B0F8EA7437EFCE7259E1B33046CDFC20209",
            "FFD1568CCE28277DAA4F6FE2E72BF020ACB2FFE0C28D02CF0962AC053CC31EE3A21CFD635C638E97CFF9A9943A3729A12A3A2F98\
             274202721091F2E02718ADABC918550F692A98F873F0981178361BA84D13BBC7E8260C52AFAB59B5AB6CC9F4833641D2107D97A5\
             E44DFD6663A899CC92E0D234ECAFBBC3DF302006D2C67291",
        )
    }

    fn rsa(p: &str, q: &str) -> Self {
        let prime = |text: &str| BoxedUint::from_be_slice_vartime(&crate::unhex(text));
        let key = rsa::PrivateKey::from_p_q(prime(p), prime(q), BoxedUint::from(65_537_u64)).unwrap();
        Self::Rsa(Box::new(key))
    }

    /// RSA with 2,048 bits, found from a label.
    pub fn rsa_from(label: &str) -> Self {
        Self::rsa_of_size(label, 2_048)
    }

    /// RSA with so many bits, found from a label.
    pub fn rsa_of_size(label: &str, bits: usize) -> Self {
        Self::Rsa(Box::new(rsa::PrivateKey::new(&mut Fixed::from_label(label), bits).unwrap()))
    }

    /// A public RSA key with a modulus of so many bits.
    pub fn rsa_public(bits: usize, exponent: u64) -> Self {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= modulus.len() * 8 - bits;
        Self::Public(rsa_spki(&modulus, exponent))
    }

    /// A P-256 key as a compressed point.
    pub fn p256_compressed(label: &str) -> Self {
        let Self::P256(key) = Self::p256(label) else { unreachable!() };
        Self::Public(ec_spki(SECP256R1, key.verifying_key().to_sec1_point(true).as_bytes()))
    }

    /// A key on P-521.
    pub fn p521() -> Self {
        Self::Public(ec_spki("1.3.132.0.35", &[&[4][..], &[1; 132]].concat()))
    }

    /// DER of the SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => ed25519_spki(key.verifying_key().as_bytes()),
            Self::P256(key) => ec_spki(SECP256R1, key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::P384(key) => ec_spki("1.3.132.0.34", key.verifying_key().to_sec1_point(false).as_bytes()),
            Self::Rsa(key) => rsa_spki(&key.n().to_be_bytes(), 65_537),
            Self::Public(spki) => spki.clone(),
        }
    }

    /// The algorithm it signs with unless told otherwise.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Self::P256(_) => SignatureAlgorithm::EcdsaP256Sha256,
            Self::P384(_) => SignatureAlgorithm::EcdsaP384Sha384,
            Self::Rsa(_) | Self::Public(_) => SignatureAlgorithm::RsaPkcs1(HashAlgorithm::Sha256),
        }
    }

    /// Signs a message; the same message always gets the same signature.
    pub fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Vec<u8> {
        let digest = algorithm.hash().digest(message);
        let digest = digest.as_ref();
        match (self, algorithm) {
            (Self::Ed25519(key), _) => key.sign(message).to_bytes().to_vec(),
            (Self::P256(key), _) => {
                let signature: p256::ecdsa::DerSignature = key.sign_prehash(digest).unwrap();
                signature.as_bytes().to_vec()
            }
            (Self::Public(_), _) => vec![1; 256],
            (Self::P384(key), _) => {
                let signature: p384::ecdsa::DerSignature = key.sign_prehash(digest).unwrap();
                signature.as_bytes().to_vec()
            }
            (Self::Rsa(key), SignatureAlgorithm::RsaPss(hash)) => match hash {
                HashAlgorithm::Sha256 => key.pss_sign_prehash_with_rng::<Sha256, _>(&mut Fixed::default(), digest),
                HashAlgorithm::Sha384 => key.pss_sign_prehash_with_rng::<Sha384, _>(&mut Fixed::default(), digest),
                HashAlgorithm::Sha512 => key.pss_sign_prehash_with_rng::<Sha512, _>(&mut Fixed::default(), digest),
            }
            .unwrap(),
            (Self::Rsa(key), _) => match algorithm.hash() {
                HashAlgorithm::Sha256 => key.pkcs1v15_sign_prehash::<Sha256>(digest),
                HashAlgorithm::Sha384 => key.pkcs1v15_sign_prehash::<Sha384>(digest),
                HashAlgorithm::Sha512 => key.pkcs1v15_sign_prehash::<Sha512>(digest),
            }
            .unwrap(),
        }
    }
}

/// The neutral element of Ed25519, a point with which anything verifies.
pub fn ed25519_order_one() -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = 1;
    point
}

/// DER of the AlgorithmIdentifier of RSASSA-PSS with the octets of each parameter as they are given (RFC 4055 3.1).
pub fn pss_identifier(parameters: &[&[u8]]) -> Vec<u8> {
    sequence(&[&oid("1.2.840.113549.1.1.10"), &sequence(parameters)])
}

/// The parameters of RSASSA-PSS that state the hash, the mask and the salt for SHA-256, in this order, with NULL where
/// asked for as parameters of the hash and of the hash in the mask.
pub fn pss_parameters(null: bool, null_in_mask: bool) -> [Vec<u8>; 3] {
    let hash = |null| sequence(&[&oid("2.16.840.1.101.3.4.2.1"), if null { &[5, 0][..] } else { &[] }]);
    let mask = sequence(&[&oid("1.2.840.113549.1.1.8"), &hash(null_in_mask)]);
    [explicit(0, &hash(null)), explicit(1, &mask), explicit(2, &integer(32))]
}

const SECP256R1: &str = "1.2.840.10045.3.1.7";

fn ec_spki(curve: &str, point: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&oid("1.2.840.10045.2.1"), &oid(curve)]), &bits(point, 0)])
}

fn ed25519_spki(point: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(&[&oid("1.3.101.112")]), &bits(point, 0)])
}

fn rsa_spki(modulus: &[u8], exponent: u64) -> Vec<u8> {
    let sign: &[u8] = if modulus[0] >= 0x80 { &[0] } else { &[] };
    let key = sequence(&[&tlv(0x02, &[sign, modulus]), &integer(exponent)]);
    sequence(&[&sequence(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]), &bits(&key, 0)])
}

/// SHA-256 of a label and a counter in place of random octets: for blinding, for the salt of PSS and to find primes.
#[derive(Default)]
struct Fixed {
    label: Vec<u8>,
    counter: u64,
    octets: Vec<u8>,
}

impl Fixed {
    fn from_label(label: &str) -> Self {
        Self { label: label.as_bytes().to_vec(), ..Self::default() }
    }
}

impl rand_core::TryRng for Fixed {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets).map(|()| u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets).map(|()| u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), Self::Error> {
        for octet in wanted {
            if self.octets.is_empty() {
                self.counter += 1;
                self.octets = Sha256::digest([&self.label[..], &self.counter.to_be_bytes()].concat()).to_vec();
            }
            *octet = self.octets.pop().unwrap_or_default();
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}
