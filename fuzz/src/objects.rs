//! What is read from files: PEM, signed objects, their bodies, certificates, texts. What is read is written again, to
//! the same octets.
//!
//! Input: one octet that says what the rest is.

use crate::{clock, draw::Draw};
use core::fmt::Debug;
use countersign_common::{
    Anchors, Approval, Certificate, Challenge, ClockRequest, GeneralizedTime, InclusionProof, RevocationList,
    SignatureAlgorithm, SignedObject, SigningRequest, Time, Token, TreeHead,
    anchors_update::AnchorsUpdate,
    bundle::{Bundle, Manifest, PartKind},
    decimal, decode_certificate_list, decode_certificates, decode_object, decode_objects, encode_certificate,
    encode_object, is_identifier, is_misleading, sha256,
    token::ProductVersion,
    token_list::TokenList,
};
use countersign_pki::{attributes, display_name, names_match};
use countersign_testpki::der::{header, members};
use der::{Decode, Encode, Reader, SliceReader};

/// Reads one thing and writes it again.
pub fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let which = draw.octet();
    let octets = draw.rest();
    match which % 20 {
        0 => object_file(octets),
        1 => signed_object(octets),
        2 => body(octets, Token::from_der, |token| drop(token.check_enforceable())),
        3 => body(octets, Challenge::from_der, challenge),
        4 => body(octets, TokenList::from_der, token_list),
        5 => body(octets, AnchorsUpdate::from_der, |_| {}),
        6 => body(octets, Manifest::from_der, |_| {}),
        7 => bundle(octets),
        8 => certificates_file(octets),
        9 => certificate(octets),
        10 => name(octets),
        11 => text(octets),
        12 => time(octets),
        13 => anchors(octets),
        14 => revocation_list(octets),
        15 => body(octets, ClockRequest::from_der, |request| drop(request.query())),
        16 => clock::mend_by(octets),
        17 => clock::mend_by(&clock::stamped(octets)),
        18 => body(octets, TreeHead::from_der, |_| {}),
        _ => body(octets, InclusionProof::from_der, |_| {}),
    }
}

/// A body that is read is the DER of itself, and is read again as the same.
fn body<'a, T, E>(octets: &'a [u8], read: impl Fn(&'a [u8]) -> Result<T, E>, look: impl Fn(&T))
where
    T: Debug + Encode + PartialEq,
    E: Debug,
{
    if let Ok(value) = read(octets) {
        assert_eq!(value.to_der().expect("what was read can be written"), octets);
        assert_eq!(read(octets).expect("it was read before"), value);
        look(&value);
        let _ = format!("{value:?}");
    }
}

/// The lists that a challenge names are of the form of the format.
fn challenge(challenge: &Challenge) {
    for list in challenge.lists.iter().flatten() {
        let shown = decimal(list.number.as_bytes());
        assert!(!shown.is_empty() && shown.len() <= 42 && list.number.as_bytes().len() <= 20, "{shown:?}");
    }
}

/// What a list names is found in it.
fn token_list(list: &TokenList) {
    for token in list.revoked.iter().flatten() {
        assert_eq!(list.revoked(&token.id), Some(token));
        assert!(token.covers(token.revision) && token.falls(token.date.0));
    }
    assert!(list.standing.iter().flatten().all(|digest| list.stands(digest)));
    assert!(list.received.iter().flatten().all(|digest| list.received(digest)));
    let _ = list.replaced().count();
}

/// PEM has one spelling for each line ending, and DER one.
fn object_file(octets: &[u8]) {
    if let Ok(der) = decode_object(octets) {
        let pem = encode_object(&der);
        assert!(octets == &der[..] || octets == pem.as_bytes() || octets == pem.replace('\n', "\r\n").as_bytes());
        if der.first() == Some(&0x30) {
            assert_eq!(decode_object(pem.as_bytes()).as_deref(), Ok(&der[..]));
        }
        signed_object(&der);
    }
    if let Ok(objects) = decode_objects(octets) {
        assert!(!objects.is_empty());
        if octets.first() != Some(&0x30) && objects.iter().all(|der| der.first() == Some(&0x30)) {
            let again: String = objects.iter().map(|der| encode_object(der)).collect();
            assert_eq!(decode_objects(again.as_bytes()).as_ref(), Ok(&objects));
        }
        if let [one] = &objects[..] {
            assert_eq!(decode_object(octets).as_deref(), Ok(&one[..]));
        }
    }
}

/// An object is what a signer who has its parts would make of them.
fn signed_object(octets: &[u8]) {
    let Ok(object) = SignedObject::from_der(octets) else { return };
    let signature_holds = object.verify_signature(object.signing_time()).is_ok();
    let (signer, algorithm) = (object.signer(), object.algorithm());
    let mut request =
        SigningRequest::new(object.content_type(), object.content(), signer, algorithm, object.signing_time())
            .expect("what was read can be written");
    // An attribute whose content is none of ours is carried all the same.
    let Ok(approvals) = Approval::carried_by(&object) else { return };
    if !approvals.is_empty() {
        let approvals: Vec<_> = approvals.iter().map(SignedObject::der).collect();
        request = request.approved(&approvals).expect("what was read can be written");
    }
    let issuers: Vec<_> = object.other_certificates().iter().map(Certificate::der).collect();
    let again = request.finish(&signature_in(octets), &issuers, object.unsigned_token());
    let mut again = again.expect("what was read can be written");
    if let Some(proof) = object.inclusion_proof() {
        // The token is what it is without its proof.
        assert!(object.digest() == sha256(&again));
        let bare = SignedObject::from_der(&again).expect("what was written can be read");
        again = bare.with_inclusion_proof(proof).expect("a token takes a proof");
    }
    // RSA has several spellings of its algorithms (docs/token-format.md, section 9).
    if !matches!(algorithm, SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_)) {
        assert!(again == octets, "another spelling of the same object");
    }
    let same = SignedObject::from_der(&again).expect("what was written can be read");
    assert_eq!(same.verify_signature(same.signing_time()).is_ok(), signature_holds);
}

/// The content of SignerInfo.signature, of an object that was read.
fn signature_in(octets: &[u8]) -> Vec<u8> {
    let inside = |tlv: &[u8], place: usize| members(tlv).into_iter().nth(place).expect("what was read has it");
    let signed_data = inside(&inside(octets, 1), 0);
    let infos = members(&signed_data).pop().expect("what was read has it");
    let signature = inside(&inside(&infos, 0), 5);
    signature[header(&signature).0..].to_vec()
}

/// A bundle is made of its manifest and its parts.
fn bundle(octets: &[u8]) {
    if let Ok(bundle) = Bundle::from_der(octets) {
        let kinds = [
            PartKind::AnchorsUpdate,
            PartKind::Certificate,
            PartKind::CertificateList,
            PartKind::TokenList,
            PartKind::Token,
        ];
        let parts: Vec<_> = kinds.iter().flat_map(|kind| bundle.parts(*kind)).collect();
        assert_eq!(parts.len(), bundle.manifest().parts.len());
        let again = Bundle::encode(bundle.object().der(), &parts).expect("what was read can be written");
        assert!(again == octets, "another spelling of the same bundle");
    }
}

fn certificates_file(octets: &[u8]) {
    if let Ok(certificates) = decode_certificates(octets) {
        assert!((1..=32).contains(&certificates.len()));
        let pem: String = certificates.iter().map(|der| encode_certificate(der)).collect();
        assert_eq!(decode_certificates(pem.as_bytes()), Ok(certificates.clone()));
        certificates.iter().for_each(|der| certificate(der));
    }
}

fn certificate(octets: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(octets) {
        assert_eq!(certificate.der(), octets);
        name(certificate.issuer());
        name(certificate.subject());
        let _ = (certificate.public_key().map(|key| key.kind()), certificate.verify_self_signed());
        let _ = (certificate.subject_alt_names(), certificate.policies().len());
        assert!(certificate.is_self_issued() == names_match(certificate.subject(), certificate.issuer()));
    }
}

fn revocation_list(octets: &[u8]) {
    let der = decode_certificate_list(octets).unwrap_or_default();
    if let Ok(list) = RevocationList::from_der(&der) {
        name(list.issuer());
        assert!(list.number().len() <= 20 && list.this_update() <= list.next_update());
    }
}

/// A name is itself, and can be shown in a line.
fn name(octets: &[u8]) {
    let shown = display_name(octets);
    assert!(!shown.contains(is_misleading), "{shown:?}");
    if attributes(octets).is_some() {
        assert!(names_match(octets, octets));
    }
    if let [one, other, ..] = &objects_in(octets)[..] {
        assert_eq!(names_match(one, other), names_match(other, one));
    }
}

fn text(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else { return };
    if let Ok(version) = text.parse::<ProductVersion>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    if let Ok(time) = text.parse::<Time>() {
        let shown = time.to_string();
        assert!(shown == text || shown == format!("{text}T00:00:00Z"), "{shown}");
        assert_eq!(shown.parse(), Ok(time));
    }
    if is_identifier(text) {
        assert!(!text.contains(['/', '\\', '\0']) && text != "." && text != "..");
    }
}

/// A time is what its own encoding says, and its civil date leads back to it.
fn time(octets: &[u8]) {
    if let Ok(time) = GeneralizedTime::from_der(octets) {
        assert_eq!(time.to_der().as_deref(), Ok(octets));
        assert_eq!(time.0.to_string().parse(), Ok(time.0));
    }
    let seconds: [u8; 8] = core::array::from_fn(|at| octets.get(at).copied().unwrap_or_default());
    let time = Time::from_unix(i64::from_be_bytes(seconds));
    assert_eq!(time.to_string().parse(), Ok(time));
    assert!(time.plus(u64::MAX) >= time && time.minus(u64::MAX) <= time);
}

/// Updates are followed or refused; whatever comes, the number does not fall.
fn anchors(octets: &[u8]) {
    let objects: Vec<Vec<u8>> = objects_in(octets);
    let Some((root, updates)) = objects.split_first() else { return };
    if let Ok(anchors) = Anchors::new([root.as_slice()])
        && let Ok(followed) = anchors.follow(updates)
    {
        assert_eq!(followed.number() > 0, !updates.is_empty());
    }
}

/// The values that stand one after another, as far as they are DER.
pub(crate) fn objects_in(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut objects = Vec::new();
    if let Ok(mut reader) = SliceReader::new(octets) {
        while let Ok(object) = reader.tlv_bytes() {
            objects.push(object.to_vec());
        }
    }
    objects
}
