//! The signatures of Wycheproof, every one of them for the algorithms that are allowed: what is valid is accepted, what
//! is not is refused, and where Wycheproof leaves the choice, it is made here.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    HashAlgorithm::{self, Sha256, Sha384, Sha512},
    KeyKind, PROVIDER, PublicKey, SignatureAlgorithm,
};
use countersign_testpki::der::{bits, oid, sequence};
use std::io::Write;
use wycheproof::{HashFunction, Mgf, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// How many signatures were accepted and refused, and how many of those refused Wycheproof calls acceptable, or valid
/// with a key or parameters that are not allowed here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    accepted: u32,
    refused: u32,
    acceptable: u32,
    outside: u32,
}

impl Counts {
    /// Judges one signature. `outside` says why a valid one has to be refused all the same.
    fn judge(
        &mut self,
        key: Option<&PublicKey>,
        algorithm: SignatureAlgorithm,
        (message, signature): (&[u8], &[u8]),
        result: TestResult,
        outside: bool,
        told: &dyn std::fmt::Debug,
    ) {
        let accepted = key.is_some_and(|key| key.verify(algorithm, message, signature).is_ok());
        assert_eq!(accepted, result == TestResult::Valid && !outside, "{told:?}");
        if let Some(key) = key.filter(|key| key.kind() == KeyKind::P256) {
            let for_many = key.clone().for_many();
            assert_eq!(for_many.verify(algorithm, message, signature).is_ok(), accepted, "{told:?}");
        }
        match (result, accepted) {
            (_, true) => self.accepted += 1,
            (TestResult::Valid, false) => self.outside += 1,
            (TestResult::Acceptable, false) => self.acceptable += 1,
            (TestResult::Invalid, false) => self.refused += 1,
        }
    }

    fn all(&self) -> u32 {
        self.accepted + self.refused + self.acceptable + self.outside
    }
}

fn hash(function: HashFunction) -> Option<HashAlgorithm> {
    match function {
        HashFunction::Sha2_256 => Some(Sha256),
        HashFunction::Sha2_384 => Some(Sha384),
        HashFunction::Sha2_512 => Some(Sha512),
        _ => None,
    }
}

/// A SubjectPublicKeyInfo by rsaEncryption, the only form that is read; Wycheproof has id-RSASSA-PSS as well.
fn rsa_key(key: &[u8]) -> Option<PublicKey> {
    let algorithm = sequence(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]);
    PublicKey::from_spki(&sequence(&[&algorithm, &bits(key, 0)])).ok()
}

/// Acceptable are a DigestInfo without NULL (flag MissingNull), which RFC 8017 9.2 has readers tolerate: refused, since
/// RFC 8017 A.2.4 has it written, and a second spelling proves nothing that the first does not.
fn pkcs1() -> Counts {
    let mut counts = Counts::default();
    for set in rsa_pkcs1_verify::TestName::all() {
        let set = rsa_pkcs1_verify::TestSet::load(set).unwrap();
        for group in &set.test_groups {
            let Some(hash) = hash(group.hash).filter(|_| group.key_size <= 4096) else { continue };
            let key = rsa_key(&group.asn_key);
            for test in &group.tests {
                let choice = test.result == TestResult::Acceptable;
                assert!(!choice || test.flags == [rsa_pkcs1_verify::TestFlag::MissingNull], "{test:?}");
                let signed = (&test.msg[..], &test.sig[..]);
                counts.judge(
                    key.as_ref(),
                    SignatureAlgorithm::RsaPkcs1(hash),
                    signed,
                    test.result,
                    key.is_none(),
                    test,
                );
            }
        }
    }
    counts
}

/// Parameters that are not allowed are outside: another salt length, MGF1 with another hash.
fn pss() -> Counts {
    let mut counts = Counts::default();
    for set in rsa_pss_verify::TestName::all() {
        let set = rsa_pss_verify::TestSet::load(set).unwrap();
        for group in &set.test_groups {
            let Some(hash) = hash(group.hash).filter(|_| group.key_size <= 4096) else { continue };
            let key = rsa_key(&group.asn_key);
            assert!(key.is_some());
            let same = group.mgf == Mgf::Mgf1 && group.mgf_hash == Some(group.hash);
            let allowed = same && group.salt_size == hash.output_size();
            // Among those that are invalid with other parameters are some that are valid with ours.
            for test in group.tests.iter().filter(|test| allowed || test.result == TestResult::Valid) {
                let signed = (&test.msg[..], &test.sig[..]);
                counts.judge(key.as_ref(), SignatureAlgorithm::RsaPss(hash), signed, test.result, !allowed, test);
            }
        }
    }
    counts
}

fn ecdsa(name: ecdsa::TestName, algorithm: SignatureAlgorithm) -> Counts {
    let mut counts = Counts::default();
    for group in &ecdsa::TestSet::load(name).unwrap().test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in &group.tests {
            counts.judge(Some(&key), algorithm, (&test.msg, &test.sig), test.result, false, test);
        }
    }
    counts
}

fn ed25519() -> Counts {
    let mut counts = Counts::default();
    for group in &eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = PublicKey::from_spki(&group.der).ok();
        for test in &group.tests {
            let signed = (&test.msg[..], &test.sig[..]);
            counts.judge(key.as_ref(), SignatureAlgorithm::Ed25519, signed, test.result, false, test);
        }
    }
    counts
}

#[test]
fn every_signature_of_wycheproof_comes_out_as_expected() {
    let counted = [
        ("PKCS#1", pkcs1()),
        ("PSS", pss()),
        ("P-256", ecdsa(ecdsa::TestName::EcdsaSecp256r1Sha256, SignatureAlgorithm::EcdsaP256Sha256)),
        ("P-384", ecdsa(ecdsa::TestName::EcdsaSecp384r1Sha384, SignatureAlgorithm::EcdsaP384Sha384)),
        ("Ed25519", ed25519()),
    ];
    let expected = [
        Counts { accepted: 63, refused: 2253, acceptable: 9, outside: 5 },
        Counts { accepted: 775, refused: 411, acceptable: 0, outside: 755 },
        Counts { accepted: 174, refused: 310, acceptable: 0, outside: 0 },
        Counts { accepted: 194, refused: 310, acceptable: 0, outside: 0 },
        Counts { accepted: 88, refused: 63, acceptable: 0, outside: 0 },
    ];
    let told: Vec<_> = counted.iter().map(|(name, counts)| format!("{name} {}", counts.all())).collect();
    assert_eq!(counted.map(|(_, counts)| counts), expected);
    // Past the harness, which keeps the output of tests that pass.
    writeln!(std::io::stderr(), "Wycheproof by {PROVIDER}: {}, all as expected", told.join(", ")).unwrap();
}
