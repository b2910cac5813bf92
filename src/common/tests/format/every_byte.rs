//! Every single-bit change of the example token and of the example record is refused.

use crate::examples::make;
use countersign_common::{
    Anchors, Facts, HashAlgorithm, MachineFacts, NO_LISTS, Product, SignatureAlgorithm, SignedObject, VerifiedToken,
    decode_object, encode_object, validate,
};
use countersign_testpki::{
    Cast, Cms, Key, Request,
    certificates::{ca, signer_extensions},
    objects::{ACTIVATED, CONTENT_TOKEN, ISSUED, example_machine, machine},
};
use der::Encode;

struct Fixture {
    root: Vec<u8>,
    machine: MachineFacts,
}

impl Fixture {
    fn token_stands(&self, file: &[u8]) -> bool {
        let anchors = Anchors::new([self.root.as_slice()]).unwrap();
        let Ok(der) = decode_object(file) else { return false };
        SignedObject::from_der(&der).and_then(|object| VerifiedToken::verify(object, &anchors, &NO_LISTS)).is_ok()
    }

    fn record_stands(&self, file: &[u8]) -> bool {
        let anchors = Anchors::new([self.root.as_slice()]).unwrap();
        let version = Some("2.4.1".parse().unwrap());
        let product = Product { id: "control-room", edition: Some("standard"), version };
        let now = Some(ACTIVATED.parse().unwrap());
        let facts =
            Facts { now, newest_time_seen: None, product, machine: &self.machine, anchors: &anchors, lists: &NO_LISTS };
        validate(file, &facts).state.is_activated()
    }
}

/// Which bits of each octet are changed.
#[derive(Clone, Copy)]
enum Bits {
    All,
    /// One of each octet, not always the same.
    One,
}

/// Tries changes of one bit on all cores; returns how many were tried and which stood.
fn changed_bits(file: &[u8], bits: Bits, stands: &(impl Fn(&[u8]) -> bool + Sync)) -> (usize, Vec<(usize, u8)>) {
    assert!(stands(file), "the file stands unchanged");
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<(usize, Vec<(usize, u8)>)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let mut changed = file.to_vec();
                    let (mut tried, mut stood) = (0, Vec::new());
                    for at in (worker..file.len()).step_by(workers) {
                        let one = (at % 8) as u8;
                        for bit in if matches!(bits, Bits::All) { 0..8 } else { one..one + 1 } {
                            changed[at] ^= 1 << bit;
                            tried += 1;
                            if stands(&changed) {
                                stood.push((at, bit));
                            }
                            changed[at] ^= 1 << bit;
                        }
                    }
                    (tried, stood)
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    results.into_iter().fold((0, Vec::new()), |(tried, stood), (more, which)| (tried + more, [stood, which].concat()))
}

fn assert_all_refused(what: &str, file: &[u8], bits: Bits, stands: impl Fn(&[u8]) -> bool + Sync) {
    let (tried, stood) = changed_bits(file, bits, &stands);
    assert_eq!(tried, file.len() * if matches!(bits, Bits::All) { 8 } else { 1 });
    assert!(stood.is_empty(), "{what}: changes that stood, as (octet, bit): {stood:?}");
}

fn fixture() -> (Fixture, Vec<u8>, Vec<u8>) {
    let cast = Cast::new();
    let (token, record) = make(&cast);
    (Fixture { root: cast.token_root.certificate, machine: machine(&example_machine()) }, token, record)
}

#[test]
fn every_changed_bit_of_the_token_is_refused() {
    let (fixture, token, _) = fixture();
    assert_all_refused("token in DER", &token, Bits::All, |file| fixture.token_stands(file));
    assert_all_refused("token in PEM", encode_object(&token).as_bytes(), Bits::All, |file| fixture.token_stands(file));
}

#[test]
fn every_changed_bit_of_the_record_is_refused() {
    let (fixture, _, record) = fixture();
    assert_all_refused("record in DER", &record, Bits::All, |file| fixture.record_stands(file));
    assert_all_refused("record in PEM", encode_object(&record).as_bytes(), Bits::All, |file| {
        fixture.record_stands(file)
    });
}

/// Certificates below the anchor and the parameters of PSS are not signed by the signer: changes there fall as well.
#[test]
fn every_changed_bit_beside_the_signature_is_refused() {
    let (fixture, ..) = fixture();
    let cast = Cast::new();
    let body = cast.token_body().to_der().unwrap();
    let issuer = Request::new("Example Issuing CA", Key::p256("countersign test issuing CA"), ca(None));
    let issuer = issuer.issued_by(&cast.token_root);
    let signer = Request::new("Example Token Signer", Key::rsa_2048(), signer_extensions()).issued_by(&issuer);
    let algorithm = SignatureAlgorithm::RsaPss(HashAlgorithm::Sha384);
    let mut cms = Cms::with_algorithm(CONTENT_TOKEN, body, &signer, ISSUED, algorithm);
    cms.certificates.push(issuer.certificate.clone());
    assert_all_refused("token by RSA-PSS through a CA", &cms.build(), Bits::One, |file| fixture.token_stands(file));
}

#[test]
fn every_changed_octet_of_a_token_by_ed25519_is_refused() {
    let (fixture, ..) = fixture();
    let cast = Cast::new();
    let key = Key::ed25519("countersign test token signer");
    let signer = Request::new("Example Token Signer", key, signer_extensions()).issued_by(&cast.token_root);
    let cms = Cms::new(CONTENT_TOKEN, cast.token_body().to_der().unwrap(), &signer, ISSUED);
    assert_all_refused("token by Ed25519", &cms.build(), Bits::One, |file| fixture.token_stands(file));
}

/// A grant by key digest vouches for a key. The certificate that brings it is not signed by the holder, but by that key.
#[test]
fn every_changed_bit_beside_a_key_digest_anchor_is_refused() {
    let (fixture, ..) = fixture();
    let cast = Cast::new();
    let anchor = &cast.holder_root.certificate;
    let record = cast.record(|_| {}, |challenge| challenge.grant = 2, |cms| cms.certificates.push(anchor.clone()));
    assert_all_refused("record with the anchor of a key digest", &record, Bits::All, |file| {
        fixture.record_stands(file)
    });
}

#[test]
fn every_shorter_file_is_refused() {
    let (fixture, token, record) = fixture();
    for length in 0..record.len() {
        assert!(!fixture.record_stands(&record[..length]), "record cut to {length} octets");
    }
    for length in 0..token.len() {
        assert!(!fixture.token_stands(&token[..length]), "token cut to {length} octets");
    }
}
