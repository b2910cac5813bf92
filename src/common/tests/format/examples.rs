//! The worked examples of docs/token-format.md.

use crate::support::{expect_file, repository, updating};
use countersign_common::{
    Anchors, Certificate, Facts, NO_LISTS, PathErrorKind, Product, Reason, SignatureAlgorithm, SignedObject,
    SigningRequest, Slot, State, Time, VerifiedToken, decode_object, encode_certificate, encode_object, oid, validate,
};
use countersign_testpki::{
    Cast, Key,
    der::listing,
    objects::{ACTIVATED, ISSUED, SIGNED, example_machine, machine, seed},
};
use der::Encode;
use std::collections::BTreeSet;

/// Token and record of the examples, made by the crate itself.
pub(crate) fn make(cast: &Cast) -> (Vec<u8>, Vec<u8>) {
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let body = cast.token_body().to_der().unwrap();
    let signer = Certificate::from_der(&cast.token_signer.certificate).unwrap();
    let issued: Time = ISSUED.parse().unwrap();
    let request = SigningRequest::new(oid::CONTENT_TOKEN, &body, &signer, algorithm, issued).unwrap();
    let signature = sign_digest(&cast.token_signer.key, &algorithm.signer_input(request.message()));
    let token = request.finish(&signature, &[], None).unwrap();

    let root = cast.token_root.certificate.as_slice();
    let anchors = Anchors::new([root]).unwrap();
    let verified = VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS).unwrap();
    let holder = Certificate::from_der(&cast.holder.certificate).unwrap();
    let slot = Slot::Signature;
    let activated: Time = ACTIVATED.parse().unwrap();
    let admission = verified.admit(&holder, &[], slot, activated, &anchors, &NO_LISTS).unwrap();
    let nonce = seed("countersign test nonce");
    let facts = machine(&example_machine());
    let challenge = verified.challenge(&admission, activated, nonce, &facts, &NO_LISTS, Some("WO-1047".to_owned()));
    let challenge = challenge.to_der().unwrap();
    let signed = SIGNED.parse().unwrap();
    let request = SigningRequest::new(oid::CONTENT_CHALLENGE, &challenge, &holder, algorithm, signed).unwrap();
    let signature = sign_digest(&cast.holder.key, &algorithm.signer_input(request.message()));
    let record = request.finish(&signature, &[], Some(&token)).unwrap();
    (token, record)
}

fn sign_digest(key: &Key, digest: &[u8]) -> Vec<u8> {
    let Key::P256(key) = key else { panic!("the examples are signed with P-256") };
    let signature: p256::ecdsa::DerSignature = signature::hazmat::PrehashSigner::sign_prehash(key, digest).unwrap();
    signature.as_bytes().to_vec()
}

#[test]
fn the_examples_are_what_the_crate_makes() {
    let cast = Cast::new();
    let (token, record) = make(&cast);
    assert_eq!(token, cast.token(|_| {}), "the second encoder disagrees about the token");
    assert_eq!(record, cast.record(|_| {}, |_| {}, |_| {}), "the second encoder disagrees about the record");
    let challenge = cast.challenge(&token).to_der().unwrap();
    let certificate = |der: &[u8]| encode_certificate(der).into_bytes();
    expect_file("fixtures/format/token.pem", encode_object(&token).as_bytes());
    expect_file("fixtures/format/record.pem", encode_object(&record).as_bytes());
    expect_file("fixtures/format/challenge.der", &challenge);
    expect_file("fixtures/format/anchors.pem", &certificate(&cast.token_root.certificate));
    expect_file("fixtures/format/token-signer.pem", &certificate(&cast.token_signer.certificate));
    expect_file("fixtures/format/holder-roots.pem", &certificate(&cast.holder_root.certificate));
    expect_file("fixtures/format/holder.pem", &certificate(&cast.holder.certificate));

    expect_listing("token", &listing(&token));
    expect_listing("token-body", &listing(&cast.token_body().to_der().unwrap()));
    expect_listing("challenge", &listing(&challenge));
    let at = record.windows(token.len()).position(|window| window == token).unwrap();
    let whole = listing(&record);
    let line = whole.find(&format!("{at:5} ")).unwrap();
    expect_listing("record", &format!("{}{at:5}             (the token, as above)\n", &whole[..line]));
    let digests: String = cast
        .challenge(&token)
        .machine
        .iter()
        .flat_map(|component| {
            component.digests.iter().map(move |digest| format!("{:16} {digest}\n", component.kind.name()))
        })
        .collect();
    expect_listing("digests", &digests);
    expect_module();
}

#[test]
fn the_example_activates_its_machine() {
    let cast = Cast::new();
    let root = cast.token_root.certificate.as_slice();
    let anchors = Anchors::new([root]).unwrap();
    let facts = machine(&example_machine());
    let version = "2.4.1".parse().unwrap();
    let product = Product { id: "control-room", edition: Some("standard"), version: Some(version) };
    let file = std::fs::read(repository("fixtures/format/record.pem")).unwrap();
    let at = |now: &str| {
        let now = Some(now.parse().unwrap());
        validate(
            &file,
            &Facts { now, newest_time_seen: None, product, machine: &facts, anchors: &anchors, lists: &NO_LISTS },
        )
    };
    assert_eq!(at(ACTIVATED).state, State::Licensed);
    assert_eq!(at(ACTIVATED).entitlements.len(), 2);
    assert_eq!(at("2026-10-01T00:00:00Z").entitlements.len(), 1);
    assert_eq!(at("2027-03-12T09:30:00Z").state, State::RenewalDue);
    assert_eq!(at("2027-06-15T09:30:00Z").state, State::RenewalDue);
    assert_eq!(at("2027-06-15T09:30:01Z").state, State::Unlicensed);
    assert_eq!(decode_object(&file).unwrap(), make(&cast).1);
}

/// Section 10 of the document lists every code that the rules tell, and each has a vector or says that it has none.
#[test]
fn every_code_is_listed_and_has_a_vector() {
    if updating() {
        // Other tests are writing the document and the vectors.
        return;
    }
    let text = std::fs::read_to_string(repository("docs/token-format.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | CS-"));
    let (mut listed, mut without_vector) = (BTreeSet::new(), BTreeSet::new());
    for (refuse, code) in rows {
        let code = format!("CS-{code}");
        if refuse.ends_with('*') {
            without_vector.insert(code.clone());
        }
        assert!(listed.insert(code.clone()), "{code} is listed twice");
    }
    let all = Reason::CODES.iter().chain(PathErrorKind::CODES).map(|(code, _)| (*code).to_owned());
    // 0: activated. 6: the store, which is no matter of the format.
    let refusals: BTreeSet<_> = all.filter(|code| !code.starts_with("CS-0") && !code.starts_with("CS-6")).collect();
    assert_eq!(listed, refusals);
    let mut expected = BTreeSet::new();
    for entry in std::fs::read_dir(repository("fixtures/format/vectors")).unwrap() {
        let vector = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let code = vector.lines().find_map(|line| line.strip_prefix("expect: ")).unwrap();
        expected.insert(code.to_owned());
    }
    let with_vector: BTreeSet<_> = listed.difference(&without_vector).cloned().collect();
    expected.retain(|code| !code.starts_with("CS-0"));
    assert_eq!(expected, with_vector);
}

/// The module of the document's appendix is a file of its own as well.
fn expect_module() {
    let text = std::fs::read_to_string(repository("docs/token-format.md")).unwrap();
    let (_, rest) = text.split_once("```asn1\n").unwrap();
    let (module, _) = rest.split_once("```").unwrap();
    expect_file("docs/token-format.asn1", module.as_bytes());
}

/// Compares the block `<!-- example: NAME -->` of the document with a listing, or writes it.
fn expect_listing(name: &str, expected: &str) {
    const DOCUMENT: &str = "docs/token-format.md";
    // The examples run in one test, so that no other one writes the document meanwhile.
    let text = std::fs::read_to_string(repository(DOCUMENT)).unwrap();
    let mark = format!("<!-- example: {name} -->\n```text\n");
    let start = text.find(&mark).unwrap_or_else(|| panic!("{DOCUMENT} has no example {name}")) + mark.len();
    let length = text[start..].find("```").unwrap();
    if updating() {
        let anew = [&text[..start], expected, &text[start + length..]].concat();
        return std::fs::write(repository(DOCUMENT), anew).unwrap();
    }
    assert!(&text[start..start + length] == expected, "the example {name} in {DOCUMENT} is out of date: UPDATE=1");
}
