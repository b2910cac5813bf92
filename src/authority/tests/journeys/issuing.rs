//! `issue` and `ledger`.

use crate::support::{Desk, expect_said, plain_token};
use countersign_common::{
    Anchors, ComponentKind, NO_LISTS, SignedObject, Token, VerifiedToken, decode_certificates, decode_object,
    encode_certificate, token::Criterion,
};
use countersign_testpki::der::members;
use std::fs;

/// The token in a file, verified under the authority's anchor.
fn verified(desk: &Desk, file: &str) -> Token {
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let file = desk.read(file);
    let der = decode_object(&file).expect("a token");
    let object = SignedObject::from_der(&der).expect("a signed object");
    VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token that verifies").body().clone()
}

#[test]
fn tokens_of_every_kind_of_key_verify_here_and_with_openssl() {
    for algorithm in ["p256", "p384", "rsa-2048"] {
        let desk = Desk::founded(algorithm);
        desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
        assert_eq!(verified(&desk, "token.pem").product.id, "control-room");
        let verify =
            ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-in", "token.pem", "-out", "body"];
        desk.openssl(&[&verify[..], &["-CAfile", "authority/anchors.pem"]].concat()).expect_code(0);
        Token::from_der(&desk.read("body")).expect("the body");
        desk.openssl(&[&verify[..], &["-CAfile", "authority/holder-roots.pem"]].concat()).expect_failure();
    }
}

/// OpenSSL 3.0 has no CMS for Ed25519, but it verifies the signature over the signed attributes.
#[test]
fn a_token_by_ed25519_verifies_here_and_its_signature_with_openssl() {
    let desk = Desk::founded("ed25519");
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    assert_eq!(verified(&desk, "token.pem").product.id, "control-room");
    let der = decode_object(&desk.read("token.pem")).expect("a token").into_owned();
    let signed_data = &members(&members(&der)[1])[0];
    let signer_info = members(&members(signed_data)[4]).remove(0);
    let [_, _, _, attributes, _, signature] = &members(&signer_info)[..] else { panic!("a SignerInfo") };
    // The signature is over the SET OF (RFC 5652 5.4).
    desk.write("attributes", [&[0x31], &attributes[1..]].concat());
    desk.write("signature", &signature[2..]);
    let public = desk.openssl(&["x509", "-in", "authority/token-signer.pem", "-noout", "-pubkey"]).expect_code(0);
    desk.write("signer.pub", public.stdout_text());
    let verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "signer.pub", "-rawin", "-sigfile", "signature", "-in"];
    desk.openssl(&[&verify[..], &["attributes"]].concat()).expect_code(0);
    desk.write("attributes", &attributes[..]);
    desk.openssl(&[&verify[..], &["attributes"]].concat()).expect_failure();
}

#[test]
fn a_profile_and_flags_become_what_they_say() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    fs::create_dir(desk.path("terms")).expect("a folder");
    desk.write("terms/ca.pem", other.read("authority/holder-roots.pem"));
    desk.write(
        "terms/press.json",
        r#"{"format": 1, "machine": {"components": [
            {"kind": "machine-id", "values": ["0123abcd"]}, {"kind": "disk-serial", "values": ["s1", "s2"]},
            {"kind": "dmi-uuid", "unreadable": "permission denied"}, {"kind": "flux-capacitor", "values": ["x"]}],
            "virtualization": null}}"#,
    );
    desk.write(
        "terms/profile.toml",
        r#"
            seats = 40
            [customer]
            id = "acme"
            name = "Acme Power"
            [product]
            id = "control-room"
            edition = "pro"
            from = "2.0"
            below = "3"
            [window]
            until = "2099-01-31"
            [terms]
            validity = "365d"
            renew-after = "330d"
            [[grants]]
            number = 7
            anchor = "ca.pem"
            direct-issuer = true
            criteria = ["subject:OU=Field *", "email:*@acme.example"]
            [[grants]]
            number = 3
            [binding]
            required = 2
            components = ["machine-id:mandatory", "disk-serial"]
            virtual-machines = false
            [[binding.machines]]
            label = "Press 7"
            file = "press.json"
            [entitlements]
            points = "5000"
            historian = { value = "on", until = "2098-06-30" }
        "#,
    );
    let args = ["issue", "--profile", "terms/profile.toml", "--out", "token.pem", "--edition", "lite"];
    let more = ["--entitlement", "points=9", "--entitlement", "alarms=a=b@2098-01-01", "--validity", "400d"];
    let output = desk.with_passphrase(&[&args[..], &more].concat()).expect_code(0);
    expect_said(&output, &["CS-7122", "Acme Power", "Press 7"]);

    let token = verified(&desk, "token.pem");
    assert_eq!((token.customer.name.as_str(), token.product.edition.as_deref()), ("Acme Power", Some("lite")));
    assert_eq!(token.product.below.map(|version| version.to_string()), Some("3.0.0".to_owned()));
    assert_eq!(token.window.not_after.0.to_string(), "2099-01-31T23:59:59Z");
    assert_eq!((token.terms.validity, token.terms.renew_after), (Some(400 * 86_400), Some(330 * 86_400)));
    assert_eq!(token.grants.iter().map(|grant| grant.number).collect::<Vec<_>>(), [3, 7]);
    assert!(token.grants[1].direct_issuer && token.grants[0].anchor != token.grants[1].anchor);
    assert!(matches!(token.grants[1].criteria.as_deref(), Some([Criterion::Subject(_), Criterion::SubjectAltName(_)])));
    let machines = token.binding.machines.expect("machines");
    assert_eq!(machines[0].label, "Press 7");
    let kinds: Vec<_> = machines[0].components.iter().map(|component| component.kind).collect();
    assert_eq!(kinds, [ComponentKind::DiskSerial, ComponentKind::MachineId]);
    assert!(token.binding.components[1].mandatory && !token.binding.virtual_machines);
    let entitlements: Vec<_> =
        token.entitlements.iter().flatten().map(|one| (one.name.as_str(), one.value.as_str())).collect();
    assert_eq!(entitlements, [("alarms", "a=b"), ("historian", "on"), ("points", "9")]);
    assert_eq!(token.seats, Some(40));
}

#[test]
fn list_terms_and_roots_of_time_stamps_go_into_the_token() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    desk.write("tsa.pem", other.read("authority/holder-root.pem"));
    let terms = ["--oldest-list", "1", "--list-max-age", "30d", "--clock-repair-anchor", "tsa.pem"];
    desk.with_passphrase(&["crl"]).expect_code(0);
    let output = desk.with_passphrase(&plain_token(&[&terms[..], &["--out", "token.pem"]].concat())).expect_code(0);
    assert_eq!(output.stderr_text(), "", "{output}");
    let token = verified(&desk, "token.pem");
    let lists = token.lists.expect("list terms");
    assert_eq!((lists.oldest_number, lists.max_age), (Some(1), Some(30 * 86_400)));
    let repair = token.terms.clock_repair.expect("terms of clock repair");
    assert_eq!((repair.timestamp_anchors.map(|anchors| anchors.len()), repair.two_holders), (Some(1), false));
}

#[test]
fn a_customers_salt_is_constant_and_a_new_version_keeps_the_id() {
    Desk::founded_each("p256").into_iter().for_each(a_customers_salt_is_constant_and_a_new_version_keeps_the_id_on);
}

fn a_customers_salt_is_constant_and_a_new_version_keeps_the_id_on(desk: Desk) {
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    // The name is known by now.
    let again = ["issue", "--customer", "acme", "--product", "control-room", "--activate-within", "30d"];
    desk.with_passphrase(&[&again[..], &["--out", "2.pem"]].concat()).expect_code(0);
    let other = ["issue", "--customer", "other", "--product", "control-room", "--activate-within", "30d"];
    let unnamed = desk.with_passphrase(&[&other[..], &["--out", "3.pem"]].concat()).expect_code(2);
    expect_said(&unnamed, &["CS-7043", "--customer-name"]);
    desk.with_passphrase(&[&other[..], &["--customer-name", "Other", "--out", "3.pem"]].concat()).expect_code(0);
    let (one, two, three) = (verified(&desk, "1.pem"), verified(&desk, "2.pem"), verified(&desk, "3.pem"));
    assert_eq!(one.binding.salt, two.binding.salt);
    assert_ne!(one.binding.salt, three.binding.salt);
    assert_ne!(one.id, two.id);

    let id = one.id.to_string();
    desk.with_passphrase(&[&again[..], &["--supersedes", &id]].concat()).expect_code(0);
    let four = verified(&desk, &format!("control-room-{}-2.token.pem", &id[..8]));
    assert_eq!((four.id, four.revision), (one.id, 2));
    let refused = desk.with_passphrase(&[&other[..], &["--supersedes", &id]].concat()).expect_code(1);
    expect_said(&refused, &["CS-7044", "customer"]);
    let refused = desk.with_passphrase(&[&again[..], &["--supersedes", &"0".repeat(32)]].concat()).expect_code(3);
    expect_said(&refused, &["CS-7042"]);
    assert_eq!(desk.entries(), 5);
}

#[test]
fn the_lint_refuses_before_a_passphrase_is_asked_for() {
    let desk = Desk::founded("p256");
    desk.write("root.pem", desk.read("authority/anchors.pem"));
    desk.write("signer.pem", desk.read("authority/token-signer.pem"));
    let empty = r#"{"machine": {"components": [{"kind": "cpu", "values": ["x"]}]}}"#;
    desk.write("empty.json", empty);
    let before = desk.snapshot();
    for (more, words) in [
        (&["--grace", "5d"][..], &["CS-7102", "grace", "--for-newer-verifier"][..]),
        (&["--tpm", "required"], &["CS-7102", "TPM"]),
        (&["--persons", "2"], &["CS-7102", "several holders"]),
        (&["--attested"], &["CS-7102", "attestation"]),
        (&["--activate-from", "2020-01-01"], &["CS-7103", "closed 2020-01-31"]),
        (&["--holder-anchor", "root.pem"], &["CS-7104", "token root"]),
        (&["--holder-anchor", "signer.pem"], &["CS-7104", "no CA"]),
        (&["--machine", "empty.json"], &["CS-7105", "offers 0 of the components"]),
        (&["--edition", "../x"], &["CS-7101", "product.edition"]),
        (&["--seats", "0"], &["CS-7101", "seats"]),
        (&["--require", "6"], &["CS-7101", "binding.required"]),
        (&["--component", "cpu", "--component", "cpu"], &["CS-7101", "binding.components"]),
        (&["--validity", "5d", "--renew-after", "5d"], &["CS-7101", "terms.renewAfter"]),
        (&["--entitlement", "a b=c"], &["CS-7101", "entitlements.name"]),
    ] {
        // Neither a terminal nor a descriptor: whoever asks for a passphrase fails otherwise.
        let refused = desk.run(&plain_token(&[&["--out", "token.pem"], more].concat())).expect_code(1);
        expect_said(&refused, words);
        expect_said(&refused, &["next:", "CS-7050"]);
    }
    assert_eq!(desk.snapshot(), before);
    assert_eq!(desk.entries(), 1);
}

#[test]
fn warnings_are_told_and_stop_nothing() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    desk.write("ca.pem", other.read("authority/holder-roots.pem"));
    let machine = r#"{"machine": {"components": [{"kind": "machine-id", "values": ["m"]}]}}"#;
    desk.write("a.json", machine);
    desk.write("b.json", machine);
    for (more, words) in [
        (&["--activate-within", "91d"][..], &["CS-7121", "any number of machines"][..]),
        (&["--activate-within", "4y", "--machine", "a.json", "--require", "1"], &["CS-7122"]),
        (&["--entitlement", "a=b@2020-01-01"], &["CS-7123"]),
        (&["--holder-anchor", "ca.pem"], &["CS-7124", "Activation Holder Root"]),
        (&["--require", "1"], &["CS-7125"]),
        (&["--require", "1", "--machine", "a.json", "--machine", "b.json"], &["CS-7126", "a and b"]),
        (&["--grace", "5d", "--for-newer-verifier"], &["CS-7127"]),
        (&["--oldest-list", "3"], &["CS-7129", "token list 3", "none"]),
        (&["--list-max-age", "30d"], &["CS-7129", "token list 1"]),
    ] {
        let plain = plain_token(&[]);
        let plain = if more[0] == "--activate-within" { &plain[..7] } else { &plain[..] };
        let output = desk.with_passphrase(&[plain, more].concat()).expect_code(0);
        expect_said(&output, words);
        expect_said(&output, &["warning:", "Issued"]);
    }
    let quiet = desk.with_passphrase(&plain_token(&[])).expect_code(0);
    assert_eq!(quiet.stderr_text(), "", "{quiet}");
    let json = desk.with_passphrase(&plain_token(&["--json", "--require", "1"])).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["warnings"][0]["code"], "CS-7125");
    assert_eq!(document["token"]["body"]["customer"]["id"], "acme");
}

#[test]
fn a_signer_that_has_expired_does_not_sign() {
    let desk = Desk::new();
    let init = ["init", "--organization", "Example Works", "--signer-validity", "1s"];
    desk.with_passphrase(&init).expect_code(0);
    let refused = countersign_testkit::poll_until(std::time::Duration::from_secs(10), || {
        let output = desk.run(&plain_token(&["--dry-run"]));
        (output.code != Some(0)).then_some(output)
    });
    expect_said(&refused.expect("a refusal").expect_code(1), &["CS-7106", "token signer's certificate"]);
}

#[test]
fn two_at_a_time_agree_on_the_salt_and_the_order() {
    Desk::founded_each("p256").into_iter().for_each(two_at_a_time_agree_on_the_salt_and_the_order_on);
}

fn two_at_a_time_agree_on_the_salt_and_the_order_on(desk: Desk) {
    std::thread::scope(|scope| {
        for file in ["1.pem", "2.pem", "3.pem", "4.pem"] {
            let desk = &desk;
            scope.spawn(move || desk.with_passphrase(&plain_token(&["--out", file])).expect_code(0));
        }
    });
    let salts = ["1.pem", "2.pem", "3.pem", "4.pem"].map(|file| verified(&desk, file).binding.salt);
    assert!(salts.iter().all(|salt| *salt == salts[0]));
    assert_eq!(desk.entries(), 5);
}

#[test]
fn what_fails_writes_nothing() {
    let desk = Desk::founded("p256");
    desk.write("taken.pem", "mine");
    desk.write("profile.toml", "[customer]\nid = \"acme\"\nnmae = \"Acme\"\n");
    desk.write("machine.json", "{\"machine\": {\"components\": []}}");
    desk.write("key.pem", desk.read("authority/keys/token-root.key.pem"));
    std::os::unix::fs::symlink("nowhere", desk.path("link.pem")).expect("a link");
    let before = desk.snapshot_without_link();
    for (more, code, words) in [
        (&["--out", "taken.pem"][..], 1, &["CS-7006", "taken.pem exists already"][..]),
        (&["--out", "link.pem"], 1, &["CS-7006"]),
        (&["--out", "no/where.pem"], 3, &["CS-7007", "next:"]),
        (&["--profile", "profile.toml"], 2, &["CS-7009", "profile.toml, line 3", "nmae"]),
        (&["--profile", "none.toml"], 3, &["CS-7007", "none.toml"]),
        (&["--machine", "machine.json"], 3, &["CS-7010", "countersign-verifier machine --json"]),
        (&["--machine", "taken.pem"], 3, &["CS-7010"]),
        (&["--holder-anchor", "key.pem"], 3, &["CS-7011"]),
        (&["--holder-anchor", "authority/ledger.sqlite"], 3, &["CS-7011"]),
        (&["--activate-until", "2099-01-01"], 2, &["cannot be used with"]),
        (&["--validity", "forever"], 2, &["forever"]),
        (&["--criterion", "colour:red"], 2, &["policy:OID"]),
    ] {
        let refused = desk.with_passphrase(&plain_token(more)).expect_code(code);
        expect_said(&refused, words);
    }
    let wrong = desk.command(&plain_token(&["--passphrase-fd", "3"])).pipe(3, "correct house battery\n").output();
    expect_said(&wrong.expect_code(3), &["CS-7022", "wrong passphrase", "next:"]);
    let no_terminal = desk.command(&plain_token(&[])).output().expect_code(3);
    expect_said(&no_terminal, &["CS-7020", "--passphrase-fd"]);
    let nobody = desk.with_passphrase(&["--home", "none", "issue", "--json"]).expect_code(3);
    let document: serde_json::Value = serde_json::from_slice(&nobody.stdout).expect("JSON");
    assert_eq!(document["error"]["code"], "CS-7002");
    assert!(document["error"]["next"].as_str().is_some_and(|next| next.contains("--home")));
    assert_eq!(desk.snapshot_without_link(), before);
    assert_eq!(desk.entries(), 1);
}

#[test]
fn a_dry_run_tells_and_signs_nothing() {
    let desk = Desk::founded("p256");
    let before = desk.snapshot();
    let told = desk.run(&plain_token(&["--dry-run", "--validity", "365d", "--entitlement", "points=5"])).expect_code(0);
    expect_said(&told, &["Would issue", "Acme Power", "365 days", "points = 5"]);
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn the_ledger_gives_back_what_was_issued() {
    Desk::founded_each("p256").into_iter().for_each(the_ledger_gives_back_what_was_issued_on);
}

fn the_ledger_gives_back_what_was_issued_on(desk: Desk) {
    desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(0);
    let token = verified(&desk, "token.pem");
    let id = token.id.to_string();
    let list = desk.run(&["ledger", "list", "--json"]).expect_code(0);
    let document: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert_eq!(document["entries"][0]["kind"], "authority-founded");
    assert_eq!(document["entries"][1]["id"], id.as_str());
    desk.run(&["ledger", "show", &id[..6], "--export", "again.pem"]).expect_code(0);
    assert_eq!(desk.read("again.pem"), desk.read("token.pem"));
    desk.run(&["ledger", "show", "2", "--export", "again.pem"]).expect_code(1);
    expect_said(&desk.run(&["ledger", "show", "1"]).expect_code(0), &["Activation Token Root"]);
    expect_said(&desk.run(&["ledger", "show", "999999999"]).expect_code(3), &["CS-7042", "ledger list"]);
}

#[test]
fn a_damaged_authority_does_not_sign() {
    let desk = Desk::founded("p256");
    let other = Desk::founded("p256");
    let certificate = decode_certificates(&other.read("authority/token-signer.pem")).expect("a certificate").remove(0);
    desk.write("authority/token-signer.pem", encode_certificate(&certificate));
    let mixed = desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(3);
    expect_said(&mixed, &["CS-7026"]);
    // The key fits again, but not the anchor.
    desk.write("authority/keys/token-signer.key.pem", other.read("authority/keys/token-signer.key.pem"));
    let mixed = desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(1);
    expect_said(&mixed, &["CS-7051", "no path"]);
    desk.write("authority/anchors.pem", "garbage");
    expect_said(&desk.with_passphrase(&plain_token(&[])).expect_code(3), &["CS-7005", "anchors.pem"]);
    desk.write("authority/authority.toml", "format = 4\nsomething = \"new\"\n");
    expect_said(&desk.with_passphrase(&plain_token(&[])).expect_code(3), &["CS-7004", "later release"]);
    desk.write("authority/authority.toml", "format = 2\norganization = \"A\"\nfounded = \"2026-01-01\"\n");
    expect_said(&desk.with_passphrase(&plain_token(&[])).expect_code(3), &["CS-7014", "earlier release"]);
    assert!(!desk.path("token.pem").exists());
}

#[test]
fn a_damaged_key_or_ledger_does_not_sign() {
    let desk = Desk::founded("p256");
    let issue = || desk.with_passphrase(&plain_token(&["--out", "token.pem"])).expect_code(3);
    let (key, ledger) = ("authority/keys/token-signer.key.pem", "authority/ledger.sqlite");
    let kept = desk.read(key);
    desk.write(key, "garbage");
    expect_said(&issue(), &["CS-7025", key, "next:"]);
    desk.write(key, kept);
    desk.write(ledger, "no database");
    expect_said(&issue(), &["CS-7040", "next:"]);
    desk.write(ledger, "");
    expect_said(&issue(), &["CS-7041", "next:"]);
    assert!(!desk.path("token.pem").exists());
}

#[test]
fn completions_and_manual_pages_are_made() {
    let desk = Desk::new();
    expect_said(&desk.run(&["completions", "bash"]).expect_code(0), &["countersign-authority"]);
    fs::create_dir(desk.path("man")).expect("a folder");
    desk.run(&["man", "man"]).expect_code(0);
    assert!(desk.path("man/countersign-authority-issue.1").exists());
    desk.run(&["man", "none"]).expect_code(3);
    expect_said(&desk.run(&["issue", "--help"]).expect_code(0), &["Example", "--profile"]);
    desk.run(&["isue"]).expect_code(2);
    let json = desk.run(&["issue", "--profil", "x", "--json"]).expect_code(2);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["error"]["code"], "CS-7001");
    desk.run(&[]).expect_code(2);
}
