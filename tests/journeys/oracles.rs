//! Other people's programs agree: OpenSSL on tokens, records and chains, yubico-piv-tool and OpenSC on our cards, a
//! second implementation of the format on both.

use crate::office::{Office, PIN, PRODUCT, Site, enrolled_card, json, repository};
use countersign_testkit::{CardOptions, Run, Stack};
use std::path::Path;

fn openssl(args: &[&str]) -> Run {
    Run::new("openssl").args(args)
}

/// `openssl cms -verify`, whose exit code is what counts.
fn cms_verify(object: &Path, anchors: &Path) -> Run {
    openssl(&["cms", "-verify", "-purpose", "any", "-inform", "PEM", "-binary", "-out", "/dev/null"]).args([
        "-in",
        object.to_str().unwrap(),
        "-CAfile",
        anchors.to_str().unwrap(),
    ])
}

#[test]
fn openssl_accepts_token_record_and_chains() {
    for (roots, card_key) in [("p256", "p256"), ("rsa-2048", "rsa-2048")] {
        let office = Office::found(roots);
        let (stack, card, _state) = enrolled_card(&office, CardOptions::new(), &["--algorithm", card_key]);
        let token = office.issue("token.pem", &[]);
        let site = Site::with_token("press-7", &office, &token);
        site.activate(&stack, PIN, &[]).expect_code(0);
        let (anchors, holders) = (office.file("anchors.pem"), office.file("holder-roots.pem"));
        cms_verify(&token, &anchors).output().expect_code(0);
        cms_verify(&site.record(), &holders).output().expect_code(0);
        // Not the other way round: the roots are apart.
        cms_verify(&token, &holders).output().expect_failure();
        cms_verify(&site.record(), &anchors).output().expect_failure();
        for object in [&token, &site.record()] {
            let args = ["verify", object.to_str().unwrap(), "--anchors", anchors.to_str().unwrap()];
            site.verifier(&args).output().expect_code(0);
        }
        openssl(&["verify", "-CAfile", anchors.to_str().unwrap(), office.file("token-signer.pem").to_str().unwrap()])
            .output()
            .expect_code(0);
        drop(card);
    }
}

#[test]
fn opensc_and_yubico_read_and_use_a_card_that_we_enrolled() {
    let office = Office::found("p256");
    let state = tempfile::tempdir().unwrap();
    let stack = Stack::start(1).unwrap();
    let card = stack.insert(0, CardOptions::new().state(state.path()));
    office.enroll(&stack, &[]).expect_code(0);
    let certificate = office.out("card.pem");
    let read = card.yubico(&["--action", "read-certificate", "--slot", "9c"]).output().expect_code(0);
    std::fs::write(&certificate, &read.stdout).unwrap();
    let holders = office.file("holder-roots.pem");
    openssl(&["verify", "-CAfile", holders.to_str().unwrap(), certificate.to_str().unwrap()]).output().expect_code(0);
    let data = office.out("data");
    std::fs::write(&data, b"anything").unwrap();
    let signature = office.out("signature");
    let module = find_module();
    Run::new("pkcs11-tool")
        .args(["--module", &module, "--login", "--pin", PIN, "--sign", "--id", "02", "--mechanism", "ECDSA-SHA256"])
        .args(["--signature-format", "openssl", "--input-file", data.to_str().unwrap()])
        .args(["--output-file", signature.to_str().unwrap()])
        .stack(&stack)
        .output()
        .expect_code(0);
    let public = office.out("public.pem");
    openssl(&["x509", "-in", certificate.to_str().unwrap(), "-noout", "-pubkey", "-out", public.to_str().unwrap()])
        .output()
        .expect_code(0);
    openssl(&["dgst", "-sha256", "-verify", public.to_str().unwrap(), "-signature", signature.to_str().unwrap()])
        .arg(&data)
        .output()
        .expect_code(0);
    let listed = Run::new("pkcs15-tool").args(["--list-certificates"]).stack(&stack).output().expect_code(0);
    assert!(listed.stdout_text().contains("X.509 Certificate"), "{listed}");
}

fn find_module() -> String {
    let places = ["/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", "/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so"];
    places.into_iter().find(|place| Path::new(place).exists()).expect("OpenSC's PKCS#11 module").to_owned()
}

#[test]
fn an_occupied_slot_is_kept_unless_it_is_to_be_replaced() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let kept = office.enroll(&stack, &[]).expect_code(1);
    assert!(kept.stderr_text().contains("--replace"), "{kept}");
    office.enroll(&stack, &["--replace"]).expect_code(0);
}

#[test]
fn a_card_of_an_organisations_own_pki_activates_as_it_is() {
    let office = Office::found("p256");
    let stack = Stack::start(1).unwrap();
    let card = stack.insert(0, CardOptions::new());
    let public = office.out("card.pub");
    let pki = office.out("organisation");
    let script = repository("certs/organisation.sh");
    std::fs::write(&public, card.generate_key("9c", countersign_testkit::Algorithm::P256)).unwrap();
    Run::new(&script).arg(&pki).output().expect_code(0);
    let certificate = office.out("card.pem");
    Run::new(&script).arg(&pki).arg(&public).arg(&certificate).arg("Robin Example").output().expect_code(0);
    card.import_certificate("9c", &std::fs::read_to_string(&certificate).unwrap());

    let root = pki.join("root.pem");
    let issuers = pki.join("issuing.pem");
    let issuers = ["--issuers", issuers.to_str().unwrap()];
    let anchor = ["--holder-anchor", root.to_str().unwrap()];
    let admitting =
        [&anchor[..], &["--criterion", "policy:1.3.6.1.4.1.32473.7.1", "--criterion", "email:*@example.org"]];
    let token = office.issue("token.pem", &admitting.concat());
    let site = Site::with_token("press-7", &office, &token);
    let without = site.activate(&stack, PIN, &[]).expect_code(1);
    assert!(without.stderr_text().contains("CS-2006"), "{without}");
    site.activate(&stack, PIN, &issuers).expect_code(0);
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
    cms_verify(&site.record(), &root).output().expect_code(0);

    for (criterion, code) in [("subject:CN=Alex*", "CS-3004"), ("policy:1.3.6.1.4.1.32473.7.2", "CS-3004")] {
        let token =
            office.issue(&format!("{}.pem", criterion.len()), &[&anchor[..], &["--criterion", criterion]].concat());
        let site = Site::with_token("press-7", &office, &token);
        let refused = site.activate(&stack, PIN, &issuers).expect_code(1);
        assert!(refused.stderr_text().contains(code), "{refused}");
    }
}

/// The second implementation, written from docs/token-format.md alone.
fn python(args: &[&str]) -> Run {
    let python = std::env::var_os("COUNTERSIGN_PYTHON")
        .unwrap_or_else(|| repository("target/python-venv/bin/python").into_os_string());
    assert!(Path::new(&python).exists(), "no Python with the format's packages: run `make python`");
    Run::new(python).arg(repository("tests/python/countersign_py.py")).args(args)
}

#[test]
fn the_python_implementations_token_activates() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let pki = office.out("python");
    python(&["found", pki.to_str().unwrap()]).output().expect_code(0);
    // The body that the authority would issue, made and signed by the other implementation.
    let like = office.issue("like.pem", &[]);
    let inspected = json(&office.authority(&["--json", "inspect", like.to_str().unwrap()]).expect_code(0));
    let body = &inspected["object"]["body"];
    let (body_file, token) = (office.out("body.json"), office.out("python-token.pem"));
    std::fs::write(&body_file, serde_json::to_vec(body).unwrap()).unwrap();
    let args = ["issue", "--dir", pki.to_str().unwrap(), "--json", body_file.to_str().unwrap()];
    python(&args).args(["--out", token.to_str().unwrap()]).output().expect_code(0);

    let site = Site::new("press-7");
    site.verifier(&["anchors", "set", pki.join("anchors.pem").to_str().unwrap()]).output().expect_code(0);
    site.verifier(&["install", token.to_str().unwrap()]).output().expect_code(0);
    site.activate(&stack, PIN, &[]).expect_code(0);
    site.verifier(&["check", PRODUCT]).output().expect_code(0);
}

#[test]
fn the_python_implementation_reads_every_field_of_our_token_and_record() {
    let office = Office::found("p256");
    let (stack, _card, _state) = enrolled_card(&office, CardOptions::new(), &[]);
    let full = [
        "--edition",
        "standard",
        "--renew-after",
        "300d",
        "--seats",
        "12",
        "--entitlement",
        "trends=on@2030-01-01",
        "--criterion",
        "subject:CN=Robin*",
        "--component",
        "machine-id:mandatory",
        "--component",
        "disk-serial",
        "--virtual-machines",
        "false",
    ];
    let token = office.issue("token.pem", &full);
    let site = Site::with_token("press-7", &office, &token);
    site.activate(&stack, PIN, &["--work-order", "WO-1047"]).expect_code(0);
    let anchors = office.file("anchors.pem");
    for (command, object) in [(&["read"][..], token), (&["record", "read"][..], site.record())] {
        let ours = json(&office.authority(&["--json", "inspect", object.to_str().unwrap()]).expect_code(0));
        let args = [object.to_str().unwrap(), "--anchors", anchors.to_str().unwrap(), "--json"];
        let theirs = json(&python(&[command, &args].concat()).output().expect_code(0));
        for member in ["type", "digest", "signing_time", "algorithm", "signer", "certificates", "body"] {
            assert_eq!(ours["object"][member], theirs[member], "{member}");
        }
    }
}

#[test]
fn fewer_commands_than_other_clients() {
    let office = Office::found("p256");
    let stack = Stack::start(1).unwrap();
    let card = stack.insert(0, CardOptions::new());
    office.enroll(&stack, &[]).expect_code(0);
    let site = Site::with_token("press-7", &office, &office.issue("token.pem", &[]));
    let data = office.out("data");
    std::fs::write(&data, b"anything").unwrap();
    let signature = office.out("signature");
    let module = find_module();
    let commands = |work: &dyn Fn()| {
        let is_command =
            |sent: &&countersign_testkit::LoggedCommand| sent.instruction != 0xc0 && sent.class & 0x10 == 0;
        let before = card.log().iter().filter(is_command).count();
        work();
        card.log().iter().filter(is_command).count() - before
    };
    let ours = commands(&|| drop(site.activate(&stack, PIN, &[]).expect_code(0)));
    let opensc = commands(&|| {
        let sign = ["--login", "--pin", PIN, "--sign", "--id", "02", "--mechanism", "ECDSA-SHA256"];
        Run::new("pkcs11-tool")
            .args(["--module", &module])
            .args(sign)
            .args(["--input-file", data.to_str().unwrap(), "--output-file", signature.to_str().unwrap()])
            .stack(&stack)
            .output()
            .expect_code(0);
    });
    let yubico = commands(&|| {
        let sign = ["--action", "verify-pin", "--pin", PIN, "--sign", "--slot", "9c", "--algorithm", "ECCP256"];
        let files = ["--input", data.to_str().unwrap(), "--output", signature.to_str().unwrap()];
        card.yubico(&[&sign[..], &files].concat()).output().expect_code(0);
    });
    println!("commands: countersign-verifier activate {ours}, pkcs11-tool {opensc}, yubico-piv-tool {yubico}");
    // The other two read no certificate; yubico-piv-tool does not look how many tries are left either.
    assert_eq!(ours, 5);
    assert!(opensc > ours && yubico + 2 > ours, "{opensc} {yubico}");
}
