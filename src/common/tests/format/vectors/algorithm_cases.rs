//! Ed25519, the dates from which algorithms are refused, and a second signature by another algorithm.

use super::Case;
use countersign_testpki::{
    Cast, Cms, Identity, Key, Request,
    certificates::{ca, holder_extensions, signer_extensions},
    der::{integer, octets, oid, sequence, set_of},
    keys::ed25519_order_one,
    objects::{CONTENT_TOKEN, ISSUED, signing_time_attribute, time as time_of},
};
use der::Encode;

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = ed25519(cast);
    cases.extend(dates(cast));
    cases.extend(second_signatures(cast));
    cases
}

fn signer(cast: &Cast, key: Key) -> Identity {
    Request::new("Example Token Signer", key, signer_extensions()).issued_by(&cast.token_root)
}

fn token<'a>(cast: &Cast, signer: &'a Identity, time: &str) -> Cms<'a> {
    Cms::new(CONTENT_TOKEN, cast.token_body().to_der().unwrap(), signer, time)
}

fn key(label: &str) -> Key {
    Key::ed25519(&format!("countersign test {label}"))
}

fn ed25519(cast: &Cast) -> Vec<Case> {
    let own = &signer(cast, key("token signer"));
    let changed = |name, expect, defect, change: &dyn Fn(&mut Cms<'_>)| {
        let mut cms = token(cast, own, ISSUED);
        change(&mut cms);
        Case::token(name, expect, defect, cms.build())
    };
    let refused =
        |name, defect, key| Case::token(name, "CS-2005", defect, token(cast, &signer(cast, key), ISSUED).build());
    let mut second_spelling = [0xff; 32];
    (second_spelling[0], second_spelling[31]) = (0xf0, 0x7f);
    let issuer = Request::new("Example Issuing CA", key("issuing CA"), ca(None)).issued_by(&cast.token_root);
    let through = |broken: bool| {
        let key = Key::p256("countersign test signer");
        let mut signer = Request::new("Signer", key, signer_extensions()).issued_by(&issuer);
        *signer.certificate.last_mut().unwrap() ^= u8::from(broken);
        let mut cms = token(cast, &signer, ISSUED);
        cms.certificates.push(issuer.certificate.clone());
        cms.build()
    };
    let holder = Request::new("Alex Example", key("holder"), holder_extensions()).issued_by(&cast.holder_root);
    let plain = cast.token(|_| {});
    vec![
        changed("ed25519-token", "CS-0001", "none: Ed25519", &|_| {}),
        changed("ed25519-broken", "CS-1104", "the last bit of an Ed25519 signature differs", &|cms| {
            cms.broken_signature = true;
        }),
        changed("ed25519-null", "CS-1102", "Ed25519 with NULL parameters", &|cms| {
            cms.signature_algorithm = sequence(&[&oid("1.3.101.112"), &[5, 0]]);
        }),
        changed("ed25519-as-ed448", "CS-1102", "an Ed25519 signature under the name of Ed448", &|cms| {
            cms.signature_algorithm = sequence(&[&oid("1.3.101.113")]);
        }),
        refused("ed25519-key-small-order", "an Ed25519 key of small order", Key::ed25519_public(&ed25519_order_one())),
        refused("ed25519-key-second-spelling", "an Ed25519 key whose y exceeds the prime", {
            Key::ed25519_public(&second_spelling)
        }),
        refused("ed25519-key-short", "an Ed25519 key of 31 octets", Key::ed25519_public(&[7; 31])),
        Case::token("ed25519-issuer", "CS-0001", "none: certified by a CA with an Ed25519 key", through(false)),
        Case::token("ed25519-issuer-broken", "CS-2007", "a CA's Ed25519 signature is broken", through(true)),
        Case::record("ed25519-record", "CS-1102", "a record signed by Ed25519, which no PIV slot has", {
            cast.record_cms(&cast.challenge(&plain), &plain, &holder).build()
        }),
    ]
}

/// Valid for long, signed in the last second that is allowed and in the first that is not.
fn dates(cast: &Cast) -> Vec<Case> {
    let root = &cast.token_root;
    let long =
        |name, key, extensions| Request { not_after: "2045-12-31T23:59:59Z", ..Request::new(name, key, extensions) };
    let rsa = &long("Example Token Signer", Key::rsa_2048(), signer_extensions()).issued_by(root);
    let issuer = &long("Example Issuing CA", Key::rsa_2048(), ca(None)).issued_by(root);
    let below = &long("Signer", key("signer"), signer_extensions()).issued_by(issuer);
    let p256 = &long("Signer", Key::p256("countersign test signer"), signer_extensions()).issued_by(root);
    let through = |time| {
        let mut cms = token(cast, below, time);
        cms.certificates.push(issuer.certificate.clone());
        cms.build()
    };
    let holder = &long("Alex Example", Key::rsa_2048(), holder_extensions()).issued_by(&cast.holder_root);
    let record = |time: &str| {
        let open = cast.token(|token| token.window.not_after = time_of("2045-12-31T23:59:59Z"));
        let mut challenge = cast.challenge(&open);
        challenge.time = time_of(time);
        let mut cms = cast.record_cms(&challenge, &open, holder);
        cms.attributes[1] = signing_time_attribute(time);
        cms.build()
    };
    let (in_2030, in_2031) = ("2030-12-31T23:59:59Z", "2031-01-01T00:00:00Z");
    let at = |case: &mut Case, now| case.now = Some(now);
    vec![
        Case::token("date-rsa-2048", "CS-0001", "none: RSA 2048 in its last second", token(cast, rsa, in_2030).build()),
        Case::token("date-rsa-2048-over", "CS-1106", "a token by RSA 2048 in 2031", token(cast, rsa, in_2031).build()),
        Case::token("date-issuer", "CS-0001", "none: a CA with RSA 2048 in its last second", through(in_2030)),
        Case::token("date-issuer-over", "CS-2040", "certified by a CA with RSA 2048, in 2031", through(in_2031)),
        Case::token("date-p256", "CS-0001", "none: P-256 has no last second", token(cast, p256, in_2031).build()),
        Case::record("date-record", "CS-0001", "none: a record by RSA 2048 in its last second", record(in_2030))
            .with(|case| at(case, in_2030)),
        Case::record("date-record-over", "CS-1106", "a record by RSA 2048 in 2031", record(in_2031))
            .with(|case| at(case, in_2031)),
    ]
}

/// What a later version may place beside the one signature of version 1 (section 3.4).
fn second_signatures(cast: &Cast) -> Vec<Case> {
    let own = &signer(cast, key("token signer"));
    let second = token(cast, own, ISSUED);
    let with = |more: &[u8], digest_algorithm: &[u8], certificate: &[u8]| {
        let mut cms = token(cast, &cast.token_signer, ISSUED);
        cms.digest_algorithms = set_of(&[cms.digest_algorithm.clone(), digest_algorithm.to_vec()]);
        cms.certificates.push(certificate.to_vec());
        cms.more_signers.push(more.to_vec());
        cms.build()
    };
    // ML-DSA-65 (RFC 9882), with a signature of its length.
    let unknown = sequence(&[
        &integer(1),
        &second.issuer_and_serial,
        &second.digest_algorithm,
        &[&[0xa0], &set_of(&second.attributes)[1..]].concat(),
        &sequence(&[&oid("2.16.840.1.101.3.4.3.18")]),
        &octets(&[1; 3_309]),
    ]);
    let by_two = with(&second.signer_info(), &second.digest_algorithm, &own.certificate);
    let record = cast.record_cms(&cast.challenge(&by_two), &by_two, &cast.holder).build();
    vec![
        Case::token("second-unknown", "CS-1007", "a second signature, by ML-DSA-65", {
            with(&unknown, &second.digest_algorithm, &own.certificate)
        }),
        Case::record("second-in-record", "CS-1007", "the token inside has a second signature, by Ed25519", record),
        Case::token("second-ed25519", "CS-1007", "a second signature, by Ed25519", by_two),
    ]
}
