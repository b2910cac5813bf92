//! Objects as the programs made them, and what becomes of them when they are changed or laid out as traps.

use crate::office::{Office, PIN, PRODUCT, Site, VERIFIER, enrolled_card};
use countersign_common::{
    Anchors, Facts, NO_LISTS, Product, SignedObject, VerifiedToken, decode_certificates, decode_object, encode_object,
    validate,
};
use countersign_testkit::{CardOptions, Run};
use std::{os::unix::fs::symlink, path::Path};

/// Changes each octet of an object, as DER and as PEM, one bit at a time, and expects that nothing is left of it.
fn no_change_is_accepted(pem: &[u8], accepted: impl Fn(&[u8]) -> bool + Sync) -> usize {
    assert!(accepted(pem));
    let der = decode_object(pem).unwrap().into_owned();
    assert!(accepted(&der));
    let halves: Vec<(&[u8], usize)> = vec![(pem, 0), (pem, 1), (&der, 0), (&der, 1)];
    std::thread::scope(|scope| {
        let threads: Vec<_> = halves
            .into_iter()
            .map(|(original, half)| {
                let accepted = &accepted;
                scope.spawn(move || {
                    let mut changes = 0;
                    for place in (half..original.len()).step_by(2) {
                        let mut changed = original.to_vec();
                        changed[place] ^= 1 << (place % 8);
                        assert!(!accepted(&changed), "octet {place} of {}", original.len());
                        changes += 1;
                    }
                    changes
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn no_octet_of_what_issue_and_activate_made_can_be_changed() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let token = office.issue("token.pem", &[]);
    let site = Site::with_token("press-7", &office, &token);
    site.activate(&stack, PIN, &[]).expect_code(0);
    let roots = decode_certificates(&std::fs::read(office.file("anchors.pem")).unwrap()).unwrap();
    let machine = countersign::Machine::facts(&countersign::RecordedMachine(crate::office::repository(
        "fixtures/machines/press-7",
    )));
    let token = std::fs::read(token).unwrap();
    let record = std::fs::read(site.record()).unwrap();
    let token_accepted = |file: &[u8]| {
        let anchors = Anchors::new(roots.iter().map(Vec::as_slice)).unwrap();
        decode_object(file)
            .and_then(|der| {
                SignedObject::from_der(&der)
                    .and_then(|object| VerifiedToken::verify(object, &anchors, &NO_LISTS).map(|_| ()))
            })
            .is_ok()
    };
    let record_accepted = |file: &[u8]| {
        let anchors = Anchors::new(roots.iter().map(Vec::as_slice)).unwrap();
        let product = Product::new(PRODUCT);
        let facts = Facts {
            now: countersign::now(),
            newest_time_seen: None,
            product,
            machine: &machine,
            anchors: &anchors,
            lists: &NO_LISTS,
        };
        validate(file, &facts).state.is_activated()
    };
    let changes = no_change_is_accepted(&token, token_accepted) + no_change_is_accepted(&record, record_accepted);
    let octets = |pem: &[u8]| pem.len() + decode_object(pem).unwrap().len();
    assert_eq!(changes, octets(&token) + octets(&record));
}

#[test]
fn a_file_that_is_no_object_is_refused_with_a_code_and_a_next_step() {
    let office = Office::found("p256");
    let token = office.issue("token.pem", &[]);
    let site = Site::with_token("press-7", &office, &token);
    let store = site.snapshot();
    let pem = std::fs::read_to_string(&token).unwrap();
    let der = decode_object(pem.as_bytes()).unwrap().into_owned();
    let nested = [0x30, 0x80].repeat(20_000);
    let of_nested: Vec<u8> = (0..400).fold(Vec::new(), |inner, _| {
        let length = u32::try_from(inner.len()).unwrap().to_be_bytes();
        [&[0x30, 0x84][..], &length, &inner].concat()
    });
    let certificate = std::fs::read(office.file("anchors.pem")).unwrap();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("truncated", der[..der.len() / 2].to_vec()),
        ("one-octet-short", der[..der.len() - 1].to_vec()),
        ("trailing", [&der[..], &[0]].concat()),
        ("text-around", format!("a note\n{pem}").into_bytes()),
        ("twice", pem.repeat(2).into_bytes()),
        ("other-label", pem.replace("CMS", "PKCS7").into_bytes()),
        ("oversized", vec![b'A'; 2_000_000]),
        ("indefinite", nested),
        ("deep", of_nested),
        ("half-a-certificate", certificate[..certificate.len() / 2].to_vec()),
        ("binary", (0..=255).collect()),
        ("not-utf8", vec![0xff; 100]),
    ];
    for (name, content) in files {
        let file = office.out(name);
        std::fs::write(&file, content).unwrap();
        let refused = site.verifier(&["install", file.to_str().unwrap()]).output();
        assert!(matches!(refused.code, Some(1 | 5)), "{name}: {refused}");
        let told = refused.stderr_text();
        assert!(told.contains("[CS-") && told.contains("next:") && !told.contains("panicked"), "{name}: {refused}");
        assert_eq!(site.snapshot(), store, "{name}");
    }
    for path in ["/nonexistent/token.pem", "/", "/dev/null"] {
        let refused = site.verifier(&["install", path]).output();
        assert!(matches!(refused.code, Some(1 | 5)), "{path}: {refused}");
        assert!(refused.stderr_text().contains("[CS-"), "{path}: {refused}");
    }
    // Both spellings of the good one are taken.
    let as_der = office.out("token.der");
    std::fs::write(&as_der, &der).unwrap();
    site.verifier(&["install", as_der.to_str().unwrap()]).output().expect_code(0);
    assert_eq!(encode_object(&der), pem);
}

#[test]
fn traps_in_the_store_fail_closed() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    site.activate(&stack, PIN, &[]).expect_code(0);
    let record = site.record();
    let good = std::fs::read(&record).unwrap();

    // A symbolic link in place of the record, even to the record itself.
    let moved = office.out("moved.pem");
    std::fs::rename(&record, &moved).unwrap();
    symlink(&moved, &record).unwrap();
    let check = site.verifier(&["check", PRODUCT]).output().expect_code(3);
    assert!(format!("{check}").contains("CS-6002"), "{check}");
    std::fs::remove_file(&record).unwrap();
    std::fs::rename(&moved, &record).unwrap();
    site.verifier(&["check", PRODUCT]).output().expect_code(0);

    // A time floor that is damaged or gone.
    let floor = site.store().join("newest-time");
    let line = std::fs::read(&floor).unwrap();
    std::fs::write(&floor, "not a time\n").unwrap();
    site.verifier(&["check", PRODUCT]).output().expect_code(3);
    std::fs::remove_file(&floor).unwrap();
    site.verifier(&["check", PRODUCT]).output().expect_code(3);
    // A clock behind it.
    std::fs::write(&floor, "2099-01-01T00:00:00Z\n").unwrap();
    let behind = site.verifier(&["check", PRODUCT]).output().expect_code(3);
    assert!(format!("{behind}").contains("CS-3202"), "{behind}");
    std::fs::write(&floor, line).unwrap();

    // A damaged record beside a good one does no harm, alone it activates nothing.
    let beside = record.with_file_name("00000000000000000000000000000000.pem");
    std::fs::write(&beside, &good[..good.len() / 2]).unwrap();
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
    std::fs::remove_file(&record).unwrap();
    site.verifier(&["check", PRODUCT]).output().expect_code(1);
    assert!(site.verifier(&["check", "../control-room"]).output().code != Some(0));
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_store_as_it_was() {
    let office = Office::found("p256");
    let token = office.issue("token.pem", &[]);
    let site = Site::new("press-7");
    site.verifier(&["anchors", "set", office.file("anchors.pem").to_str().unwrap()]).output().expect_code(0);
    let store = site.snapshot();
    // No file may grow: what a full disk does, for root as well.
    let store_folder = site.store();
    let script = r#"trap '' XFSZ; ulimit -f 0; exec "$@""#;
    let run = |args: &[&str]| {
        Run::new("sh")
            .args(["-c", script, "sh", VERIFIER, "--store", store_folder.to_str().unwrap()])
            .args(args)
            .output()
    };
    let refused = run(&["install", token.to_str().unwrap()]).expect_code(5);
    assert!(refused.stderr_text().contains("[CS-6005]"), "{refused}");
    assert_eq!(site.snapshot(), store);
    // And a place where nobody may write.
    let nowhere = Run::new(VERIFIER)
        .args(["--store", "/sys/countersign", "anchors", "set", office.file("anchors.pem").to_str().unwrap()])
        .output()
        .expect_code(5);
    assert!(nowhere.stderr_text().contains("[CS-6005]"), "{nowhere}");
    assert!(!Path::new("/sys/countersign").exists());
}
