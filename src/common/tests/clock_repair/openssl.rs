//! Answers of `openssl ts`: accepted as they are, and refused for each thing that is wrong.

use crate::{FLOOR, Site, authority::Authority, code, time};
use countersign_common::{
    Anchors, COURIER_TIME, ClockRequest, Facts, MachineFacts, NO_LISTS, Reason, SignedObject, Time, VerifiedToken,
    mend, token::ClockRepair,
};
use countersign_testpki::{
    Cast,
    der::{header, members},
    objects::{machine, other_machine},
};
use der::Encode;
use sha2::{Digest, Sha256};

/// The stamp of an answer, judged at the stamped time itself.
fn stamped_time(site: &Site, answer: &[u8]) -> Time {
    let stamped = time_in(answer);
    let timestamp = site.mend(answer, &site.request(), &stamped.to_string()).unwrap();
    assert_eq!(timestamp.time, stamped);
    stamped
}

/// One line of the configuration, changed.
fn setting(name: &'static str, value: &'static str) -> impl FnOnce(&mut Vec<(&'static str, &'static str)>) {
    move |lines| lines.iter_mut().filter(|line| line.0 == name).for_each(|line| line.1 = value)
}

/// genTime as it stands in an answer, found by its tag and length.
fn time_in(answer: &[u8]) -> Time {
    let is_time = |window: &&[u8]| window[0] == 0x18 && window[1] >= 15 && window[2..16].iter().all(u8::is_ascii_digit);
    let found = answer.windows(16).find(is_time).unwrap();
    let digits = core::str::from_utf8(&found[2..]).unwrap();
    let part = |range: core::ops::Range<usize>| &digits[range];
    let text =
        [part(0..4), "-", part(4..6), "-", part(6..8), "T", part(8..10), ":", part(10..12), ":", part(12..14), "Z"];
    time(&text.concat())
}

#[test]
fn an_authority_understands_the_query_and_its_answer_mends_the_clock() {
    let rsa = ["-newkey", "rsa:2048"];
    for authority in [Authority::p256(), Authority::new(&rsa)] {
        let site = Site::new(&[&authority.anchor]);
        let request = site.request();
        let query = request.query().unwrap();
        let text = authority.read_query(&query);
        for line in ["Version: 1", "Hash Algorithm: sha256", "Nonce: 0x67A7A7A7A7A7A7A7", "Certificate required: yes"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert_eq!(members(&members(&query)[1])[1][2..], *Sha256::digest(request.to_der().unwrap()));
        let answer = authority.answer(&query);
        assert!(authority.verifies(&query, &answer));
        let stamped = stamped_time(&site, &answer);
        let timestamp = site.mend(&answer, &request, &stamped.plus(86_400).to_string()).unwrap();
        assert_eq!(timestamp.time, stamped);
        assert_eq!(timestamp.accuracy, Some(1_500_100));
        assert!(timestamp.authority.contains("CN=tsa"), "{}", timestamp.authority);
        assert!(timestamp.anchor.contains("CN=root"), "{}", timestamp.anchor);
        // The token alone, as it comes out of the answer.
        assert_eq!(site.mend(&members(&answer)[1], &request, &stamped.to_string()), Ok(timestamp));
    }
}

#[test]
fn what_authorities_do_differently_is_read() {
    let authority = Authority::p256();
    let site = Site::new(&[&authority.anchor]);
    let query = site.request().query().unwrap();
    let without = |names: &'static [&'static str]| {
        move |lines: &mut Vec<(&str, &str)>| lines.retain(|(name, _)| !names.contains(name))
    };
    let bare =
        authority.configured(&query, without(&["accuracy", "ordering", "tsa_name", "clock_precision_digits"]), &[]);
    stamped_time(&site, &bare);
    for hash in ["sha384", "sha512"] {
        let other = setting("ess_cert_id_alg", hash);
        stamped_time(&site, &authority.configured(&query, other, &[]));
    }
    // Without the CA in between the path cannot be found.
    let answer = authority.configured(&query, without(&["certs"]), &[]);
    assert_eq!(code(site.mend(&answer, &site.request(), &time_in(&answer).to_string())), "CS-2006");
    // A hash that does not go with the curve.
    let sha512 = setting("signer_digest", "sha512");
    let answer = authority.configured(&query, sha512, &[]);
    assert_eq!(code(site.mend(&answer, &site.request(), &time_in(&answer).to_string())), "CS-1102");
}

#[test]
fn an_answer_to_something_else_is_refused() {
    let (authority, stranger) = (Authority::p256(), Authority::p256());
    let site = Site::new(&[&authority.anchor]);
    let request = site.request();
    let query = request.query().unwrap();
    let judged = |answer: &[u8]| code(site.mend(answer, &request, &time_in(answer).to_string()));
    assert_eq!(judged(&authority.answer(&query)), "");

    let mut other = query.clone();
    let nonce = other.windows(10).position(|window| window[..3] == [2, 8, 0x67]).unwrap();
    other[nonce + 9] ^= 1;
    assert_eq!(judged(&authority.answer(&other)), "CS-3506");
    let mut other = query.clone();
    let imprint = other.windows(2).position(|window| window == [4, 32]).unwrap();
    other[imprint + 2] ^= 1;
    assert_eq!(judged(&authority.answer(&other)), "CS-3506");
    // Under another anchor of the same name, and without certificates.
    assert_eq!(judged(&stranger.answer(&query)), "CS-2006");
    let mut other = query.clone();
    other.truncate(query.len() - 3);
    other[1] -= 3;
    assert_eq!(judged(&authority.answer(&other)), "CS-3505");
    // The certificate named by SHA-1.
    let sha1 = setting("ess_cert_id_alg", "sha1");
    assert_eq!(judged(&authority.configured(&query, sha1, &[])), "CS-3505");
    // The authority does not stamp what comes by a hash that it does not take.
    let refusing = setting("digests", "sha512");
    let refusal = authority.configured(&query, refusing, &[]);
    let refused = site.mend(&refusal, &request, "2026-12-01T00:00:00Z");
    assert_eq!(refused, Err(Reason::StampRefused { status: 2 }));
    assert_eq!(code(refused), "CS-3504");
}

#[test]
fn a_changed_answer_is_refused_or_says_the_same() {
    let authority = Authority::p256();
    let site = Site::new(&[&authority.anchor]);
    let request = site.request();
    let answer = authority.answer(&request.query().unwrap());
    let now = time_in(&answer).to_string();
    let good = site.mend(&answer, &request, &now).unwrap();
    site.at(&now, |token, facts| {
        let mut accepted = 0;
        for at in 0..answer.len() {
            for mask in [0x01, 0x80] {
                let mut changed = answer.clone();
                changed[at] ^= mask;
                match mend(&changed, &request, token, facts) {
                    Ok(timestamp) => {
                        assert_eq!(timestamp, good, "octet {at}");
                        accepted += 1;
                    }
                    Err(reason) => assert!(!reason.to_string().is_empty()),
                }
            }
            assert!(mend(&answer[..at], &request, token, facts).is_err(), "cut at {at}");
        }
        // What is not signed: granted with modifications, the digest algorithms beside the signer's.
        assert!((1..100).contains(&accepted), "{accepted}");
        assert!(mend(&[&answer[..], &[0]].concat(), &request, token, facts).is_err());
        let large = vec![0x30; countersign_common::MAX_TIMESTAMP_SIZE + 1];
        assert_eq!(code(mend(&large, &request, token, facts)), "CS-1001");
    });
}

#[test]
fn the_clock_and_the_machine_have_to_be_those_of_the_request() {
    let authority = Authority::p256();
    let site = Site::new(&[&authority.anchor]);
    let request = site.request();
    let answer = authority.answer(&request.query().unwrap());
    let stamped = time_in(&answer);
    for (now, expected) in [
        (stamped.minus(301), "CS-3509"),
        (stamped.minus(300), ""),
        (stamped.plus(COURIER_TIME), ""),
        (stamped.plus(COURIER_TIME + 1), "CS-3509"),
    ] {
        assert_eq!(code(site.mend(&answer, &request, &now.to_string())), expected, "{now}");
    }
    let now = &stamped.to_string();
    let with = |change: &dyn Fn(&mut Facts<'_>)| {
        site.at(now, |token, facts| {
            let mut facts = facts.clone();
            change(&mut facts);
            code(mend(&answer, &request, token, &facts))
        })
    };
    assert_eq!(with(&|_| {}), "");
    assert_eq!(with(&|facts| facts.now = None), "CS-3201");
    assert_eq!(with(&|facts| facts.newest_time_seen = Some(time(FLOOR).plus(1))), "CS-3503");
    assert_eq!(with(&|facts| facts.newest_time_seen = None), "CS-3503");
    let other = machine(&other_machine());
    let nothing = MachineFacts::default();
    let of_machine = |machine| {
        site.at(now, |token, facts| code(mend(&answer, &request, token, &Facts { machine, ..facts.clone() })))
    };
    assert_eq!(of_machine(&other), "CS-4001");
    assert_eq!(of_machine(&nothing), "CS-4003");
    // Another token, though it trusts the same authority.
    let repair = || ClockRepair {
        timestamp_anchors: Some(vec![der::Decode::from_der(&authority.anchor).unwrap()]),
        two_holders: false,
    };
    let mut elsewhere = Site::new(&[&authority.anchor]);
    elsewhere.token = elsewhere.cast.token(|token| {
        token.revision += 1;
        token.terms.clock_repair = Some(repair());
    });
    assert_eq!(code(elsewhere.mend(&answer, &request, now)), "CS-3503");
    // A token dated after the stamp, by more than the second answer can be later than the first.
    let later = stamped.plus(3_600).to_string();
    let mut token = elsewhere.cast.token_body();
    token.terms.clock_repair = Some(repair());
    let mut cms = elsewhere.cast.token_cms(token.to_der().unwrap());
    cms.attributes[1] = countersign_testpki::objects::signing_time_attribute(&later);
    elsewhere.token = cms.build();
    let request = elsewhere.request();
    let answer = authority.answer(&request.query().unwrap());
    assert_eq!(code(elsewhere.mend(&answer, &request, &later)), "CS-3508");
}

#[test]
fn a_request_is_made_only_where_something_is_to_be_mended() {
    let cast = Cast::new();
    let site = Site::new(&[&cast.holder_root.certificate]);
    let ask = |now: &str| site.at(now, |token, facts| ClockRequest::new(token, [1; 32], facts));
    let floor = time(FLOOR);
    assert_eq!(code(ask(&floor.minus(301).to_string())), "");
    assert_eq!(code(ask(&floor.minus(300).to_string())), "CS-3502");
    assert_eq!(code(ask(&floor.plus(1).to_string())), "CS-3502");
    let with = |change: &dyn Fn(&mut Facts<'_>)| {
        site.at("2026-06-01T00:00:00Z", |token, facts| {
            let mut facts = facts.clone();
            change(&mut facts);
            code(ClockRequest::new(token, [1; 32], &facts))
        })
    };
    assert_eq!(with(&|facts| facts.now = None), "CS-3201");
    assert_eq!(with(&|facts| facts.newest_time_seen = None), "CS-3502");
    let nothing = MachineFacts::default();
    let refused = site.at("2026-06-01T00:00:00Z", |token, facts| {
        ClockRequest::new(token, [1; 32], &Facts { machine: &nothing, ..facts.clone() })
    });
    assert_eq!(code(refused), "CS-4003");

    let mut silent = Site::new(&[]);
    silent.token = cast.token(|_| {});
    let refused = silent.at("2026-06-01T00:00:00Z", |token, facts| ClockRequest::new(token, [1; 32], facts));
    assert_eq!(code(refused), "CS-3501");
    // Two holders are for a later release, whatever stands beside.
    let two = ClockRepair { timestamp_anchors: None, two_holders: true };
    let token = cast.token(|token| token.terms.clock_repair = Some(two));
    let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
    assert_eq!(code(VerifiedToken::verify(SignedObject::from_der(&token).unwrap(), &anchors, &NO_LISTS)), "CS-1007");
}

#[test]
fn a_request_reads_back_and_nothing_else_does() {
    let site = Site::new(&[&Cast::new().holder_root.certificate]);
    let request = site.request();
    let der = request.to_der().unwrap();
    assert_eq!(ClockRequest::from_der(&der), Ok(request.clone()));
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        // A changed digest is another request, with another imprint; anything else is none.
        if let Ok(other) = ClockRequest::from_der(&changed) {
            assert_ne!(other.query(), request.query(), "octet {at}");
        }
        assert!(ClockRequest::from_der(&der[..at]).is_err());
    }
    let mut newer = der.clone();
    newer[header(&der).0 + 2] = 2;
    assert_eq!(code(ClockRequest::from_der(&newer)), "CS-1006");
    let mut empty = request;
    empty.machine.clear();
    assert_eq!(code(ClockRequest::from_der(&empty.to_der().unwrap())), "CS-3503");
}
