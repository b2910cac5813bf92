//! Keys in hardware: a SoftHSM2, and a PIV card behind OpenSC's module.

use crate::support::{Desk, LEDGER_PASSPHRASE, PASSPHRASE, expect_said, plain_token};
use countersign_common::{Anchors, NO_LISTS, SignedObject, VerifiedToken, decode_certificates, decode_object};
use countersign_testkit::{Algorithm, Card, CardOptions, Output, Run, SoftHsm, Stack, TestAuthority, opensc_module};

/// The name of the token in each SoftHSM2 here.
const TOKEN: &str = "Authority";

/// The command with the PIN in descriptor 4, and no passphrase anywhere.
fn with_pin(desk: &Desk, hsm: &SoftHsm, args: &[&str]) -> Run {
    desk.command(args).soft_hsm(hsm).args(["--key-pin-fd", "4"]).file(4, SoftHsm::PIN)
}

/// An authority with all keys of those who issue in a SoftHSM2.
fn founded(desk: &Desk, hsm: &SoftHsm, more: &[&str]) -> Output {
    let init = ["init", "--organization", "Example Works", "--key", &SoftHsm::uri(TOKEN, "")];
    with_ledger(with_pin(desk, hsm, &[&init[..], more].concat())).output()
}

/// With the passphrase of the ledger signer, whose key stays in a file unless something is said of it.
fn with_ledger(run: Run) -> Run {
    run.args(["--ledger-passphrase-fd", "5"]).file(5, LEDGER_PASSPHRASE)
}

/// Verifies a token by the rules of the product, and by OpenSSL.
#[track_caller]
pub(crate) fn accepted(desk: &Desk, file: &str, openssl: bool) {
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("certificates").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let text = desk.read(file);
    let der = decode_object(&text).expect("a token");
    VerifiedToken::verify(SignedObject::from_der(&der).expect("an object"), &anchors, &NO_LISTS).expect("a token");
    if openssl {
        let verify = ["cms", "-verify", "-binary", "-purpose", "any", "-inform", "PEM", "-in", file, "-out", "body"];
        desk.openssl(&[&verify[..], &["-CAfile", "authority/anchors.pem"]].concat()).expect_code(0);
    }
}

#[test]
fn an_authority_with_its_keys_in_an_hsm() {
    for (algorithm, padding) in
        [("p256", "pkcs1"), ("p384", "pkcs1"), ("ed25519", "pkcs1"), ("rsa-2048", "pkcs1"), ("rsa-3072", "pss")]
    {
        let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
        founded(&desk, &hsm, &["--algorithm", algorithm, "--rsa-padding", padding]).expect_code(0);
        let objects = hsm.objects(TOKEN);
        for role in ["token-root", "holder-root", "token-signer", "list-signer", "anchors-signer"] {
            assert!(objects.contains(&format!("Example Works {role}")), "{role}: {objects}");
            assert!(!desk.path(&format!("authority/keys/{role}.key.pem")).exists(), "{role}");
        }
        assert!(objects.contains("sensitive, always sensitive, never extractable"), "{objects}");

        with_pin(&desk, &hsm, &plain_token(&["--out", "token.pem"])).output().expect_code(0);
        accepted(&desk, "token.pem", algorithm != "ed25519");
        let signature = desk.openssl(&["x509", "-in", "authority/anchors.pem", "-noout", "-text"]).expect_code(0);
        assert_eq!(signature.stdout_text().contains("rsassaPss"), padding == "pss", "{signature}");
        desk.openssl(&["verify", "-x509_strict", "-CAfile", "authority/anchors.pem", "authority/token-signer.pem"])
            .expect_code(0);
        // Everything else that signs: lists by three keys with one PIN, a bundle, an anchors update.
        std::fs::create_dir(desk.path("lists")).expect("a folder");
        with_pin(&desk, &hsm, &["crl", "--out", "lists"]).output().expect_code(0);
        with_pin(&desk, &hsm, &["bundle", "--out", "bundle.pem"]).output().expect_code(0);
        with_pin(&desk, &hsm, &["anchors", "update", "--out", "update.pem"]).output().expect_code(0);
    }
}

#[test]
fn keys_partly_in_files_and_partly_in_an_hsm() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    let both = |args: &[&str]| {
        with_ledger(with_pin(&desk, &hsm, args)).args(["--passphrase-fd", "3"]).file(3, PASSPHRASE).output()
    };
    let signer = format!("token-signer={}", SoftHsm::uri(TOKEN, ""));
    both(&["init", "--organization", "Example Works", "--key", &signer]).expect_code(0);
    assert!(desk.path("authority/keys/token-root.key.pem").exists());
    let reference = String::from_utf8(desk.read("authority/keys/token-signer.key.toml")).expect("text");
    assert!(reference.starts_with("uri = \"pkcs11:token=Authority;serial=") && !reference.contains(SoftHsm::PIN));
    // Issuing needs no passphrase any more, and lists no PIN.
    with_pin(&desk, &hsm, &plain_token(&["--out", "1.pem"])).output().expect_code(0);
    accepted(&desk, "1.pem", true);
    desk.with_passphrase(&["crl", "--out", "."]).expect_code(0);

    // From the file to the HSM and back, each time with what is needed and no more.
    both(&["renew", "list-signer", "--key", &SoftHsm::uri(TOKEN, "")]).expect_code(0);
    both(&["crl", "--out", "."]).expect_code(0);
    desk.with_passphrase(&["renew", "token-signer"]).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "2.pem"])).expect_code(0);
    accepted(&desk, "2.pem", true);
}

#[test]
fn the_passphrase_of_key_files_stays_one() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    founded(&desk, &hsm, &[]).expect_code(0);
    let renew = |role, passphrase: &str| {
        with_pin(&desk, &hsm, &["renew", role, "--passphrase-fd", "3"]).file(3, passphrase).output()
    };
    expect_said(&renew("token-signer", "short").expect_code(1), &["CS-7023"]);
    renew("token-signer", PASSPHRASE).expect_code(0);
    expect_said(&renew("list-signer", "another passphrase").expect_code(3), &["CS-7022"]);
    renew("list-signer", PASSPHRASE).expect_code(0);
}

#[test]
fn a_key_that_is_there_is_taken_by_its_uri() {
    let (desk, hsm) = (Desk::founded("p256"), SoftHsm::with_token(TOKEN));
    let uri = |more| SoftHsm::uri(TOKEN, more);
    let tool = |id: &str, label: &str, kind: &str| {
        let tool = Run::new("pkcs11-tool").soft_hsm(&hsm).arg("--module").arg("/usr/lib/softhsm/libsofthsm2.so");
        tool.args(["--token-label", TOKEN, "--login", "--pin", SoftHsm::PIN, "--keypairgen", "--key-type", kind])
            .args(["--id", id, "--label", label])
            .output()
            .expect_code(0);
    };
    tool("0a", "old", "EC:prime256v1");
    tool("0b", "old", "EC:prime256v1");
    tool("0c", "weak", "rsa:1024");
    let renew = |uri: &str| {
        with_pin(&desk, &hsm, &["renew", "token-signer", "--key", uri, "--passphrase-fd", "3"])
            .file(3, PASSPHRASE)
            .output()
    };
    let before = desk.snapshot();
    expect_said(&renew(&uri(";object=old")).expect_code(3), &["CS-7086", "add ;id="]);
    expect_said(&renew(&uri(";object=new")).expect_code(3), &["CS-7085", "next:"]);
    expect_said(&renew(&uri(";object=weak")).expect_code(3), &["CS-7089", "next:"]);
    assert_eq!(desk.snapshot(), before);
    renew(&uri(";object=old;id=%0b")).expect_code(0);
    with_pin(&desk, &hsm, &plain_token(&["--out", "token.pem"])).output().expect_code(0);
    accepted(&desk, "token.pem", true);

    // A URI that names a key is for one role; a PIN in it is for nobody.
    for (key, words) in [(uri(";object=old"), "ROLE=URI"), (format!("{}&pin-value=1", uri("")), "PIN")] {
        let refused = desk.run(&["init", "--organization", "A", "--key", &key]).expect_code(2);
        expect_said(&refused, &[words]);
    }
    for command in [&["init", "--organization", "A", "--home", "b"][..], &["renew", "token-signer"]] {
        let refused = desk.run(&[command, &["--algorithm", "rsa-2048", "--rsa-padding", "pss"]].concat());
        expect_said(&refused.expect_code(2), &["CS-7001", "--key"]);
    }
    let twice = desk.run(&["init", "--organization", "A", "--home", "b", "--key", "file", "--key", &uri("")]);
    expect_said(&twice.expect_code(2), &["CS-7001", "twice"]);
}

#[test]
fn what_an_hsm_refuses_leaves_folder_and_hsm_as_they_were() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    let init = |pin: &str, key: &str| {
        let init = ["init", "--organization", "A", "--key-pin-fd", "4", "--key", key];
        with_ledger(desk.command(&init)).soft_hsm(&hsm).file(4, pin).output()
    };
    let uri = SoftHsm::uri(TOKEN, "");
    let wrong = init("111111", &uri).expect_code(3);
    expect_said(&wrong, &["CS-7083", "\"Authority\"", "next:"]);
    assert!(!wrong.stderr_text().contains("111111"), "{wrong}");
    let missing = init(SoftHsm::PIN, &SoftHsm::uri("Autority", "")).expect_code(3);
    expect_said(&missing, &["CS-7081", "there: \"Authority\" with serial number"]);
    let absent = init(SoftHsm::PIN, "pkcs11:token=Authority?module-path=/no/such/module.so").expect_code(3);
    expect_said(&absent, &["CS-7080", "/no/such/module.so", "next:"]);
    let serial = hsm.add_token(TOKEN);
    let ambiguous = init(SoftHsm::PIN, &uri).expect_code(3);
    expect_said(&ambiguous, &["CS-7082", &serial, "serial"]);
    assert_eq!(std::fs::read_dir(desk.path(".")).expect("a folder").count(), 0);

    // By its serial number it is found; where the founding fails half-way, the keys go again.
    let second = SoftHsm::uri(TOKEN, &format!(";serial={serial}"));
    let key = format!("anchors-signer={}", SoftHsm::uri(TOKEN, ";object=none"));
    let failed = desk
        .command(&[
            "init",
            "--organization",
            "A",
            "--key",
            &second,
            "--key",
            &key.replace("Authority;", &format!("Authority;serial={serial};")),
        ])
        .args(["--key-pin-fd", "4", "--ledger-passphrase-fd", "5"])
        .soft_hsm(&hsm)
        .file(4, SoftHsm::PIN)
        .file(5, LEDGER_PASSPHRASE)
        .output()
        .expect_code(3);
    expect_said(&failed, &["CS-7085"]);
    assert!(!desk.path("authority").exists());
    init(SoftHsm::PIN, &second).expect_code(0);
    let again = with_ledger(desk.command(&[
        "--home",
        "other",
        "init",
        "--organization",
        "A",
        "--key",
        &second,
        "--key-pin-fd",
        "4",
    ]))
    .soft_hsm(&hsm)
    .file(4, SoftHsm::PIN)
    .output();
    expect_said(&again.expect_code(3), &["CS-7087", "A token-root", "object=LABEL"]);
}

#[test]
fn the_ledger_signer_has_a_token_of_its_own_or_none() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    let signer = |token: &str| format!("ledger-signer={}", SoftHsm::uri(token, ""));
    let refused = founded(&desk, &hsm, &["--key", &signer(TOKEN)]).expect_code(1);
    expect_said(&refused, &["CS-7027", "ledger signer", "next:"]);
    assert!(!desk.path("authority").exists());
    assert!(!hsm.objects(TOKEN).contains("Example Works"), "what was made is gone");

    hsm.add_token("Ledger");
    let init = ["init", "--organization", "Example Works", "--passphrase-fd", "3", "--key", &signer("Ledger")];
    with_pin(&desk, &hsm, &init).file(3, PASSPHRASE).output().expect_code(0);
    with_pin(&desk, &hsm, &["ledger", "sign", "--out", "head.pem"]).output().expect_code(0);
    desk.run(&["ledger", "verify", "--head", "head.pem"]).expect_code(0);

    // Nor does a key come into the other's token later, though no command opens both.
    let before = desk.snapshot();
    let renew = |role: &str, token: &str| {
        let renew = ["renew", role, "--passphrase-fd", "3", "--key", &SoftHsm::uri(token, "")];
        with_pin(&desk, &hsm, &renew).file(3, PASSPHRASE).output()
    };
    expect_said(&renew("token-signer", "Ledger").expect_code(1), &["CS-7027", "next:"]);
    assert_eq!(desk.snapshot(), before);
    renew("token-signer", TOKEN).expect_code(0);
    expect_said(&renew("ledger-signer", TOKEN).expect_code(1), &["CS-7027", "next:"]);
    renew("ledger-signer", "Ledger").expect_code(0);
    renew("list-signer", TOKEN).expect_code(0);
}

/// Whoever can write to the folder can lead the command elsewhere, but not to a signature that somebody accepts.
#[test]
fn a_reference_that_was_changed_signs_nothing() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    founded(&desk, &hsm, &[]).expect_code(0);
    let file = "authority/keys/token-signer.key.toml";
    let reference = String::from_utf8(desk.read(file)).expect("text");
    let other = String::from_utf8(desk.read("authority/keys/list-signer.key.toml")).expect("text");
    let issue = |reference: &str| {
        desk.write(file, reference);
        let before = desk.snapshot();
        let output = with_pin(&desk, &hsm, &plain_token(&["--out", "token.pem"])).output();
        assert_eq!(desk.snapshot() == before, output.code != Some(0), "no token, no entry\n{output}");
        output
    };
    expect_said(&issue(&other).expect_code(3), &["CS-7026", "next:"]);
    for (changed, code) in [
        (reference.replace("module-path=", "pin-value=1&module-path="), "CS-7005"),
        (reference.replace("module-path=", "module-path=relative"), "CS-7005"),
        (reference.replace("rsa_padding", "rsa_paddings"), "CS-7005"),
        (reference.replace("pkcs11:", "file:"), "CS-7005"),
        (String::new(), "CS-7005"),
        (format!("{reference}{}", "#".repeat(4_096)), "CS-7008"),
    ] {
        expect_said(&issue(&changed).expect_code(3), &[code, "token-signer.key.toml", "next:"]);
    }
    issue(&reference).expect_code(0);
}

#[test]
fn an_officer_signs_an_anchors_update_with_a_key_in_hardware() {
    for (algorithm, padding) in [("p256", "pkcs1"), ("rsa-3072", "pss")] {
        let desk = Desk::founded("p256");
        // The second officer has an authority of his own, whose keys are in his HSM.
        let (other, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
        founded(&other, &hsm, &["--algorithm", algorithm, "--rsa-padding", padding]).expect_code(0);
        desk.write("officer.pem", other.read("authority/anchors-signer.pem"));
        let signers = ["--signer", "authority/anchors-signer.pem", "--signer", "officer.pem"];
        desk.with_passphrase(&[&["anchors", "update", "--out", "first.pem"][..], &signers].concat()).expect_code(0);
        desk.run(&["anchors", "adopt", "first.pem"]).expect_code(0);
        let file = "second.pem";
        desk.with_passphrase(&["anchors", "update", "--threshold", "2", "--out", file]).expect_code(0);
        let sign = |object: &str, pin: &str| {
            let key = SoftHsm::uri(TOKEN, &format!(";object={object}"));
            let key = ["--key", &key, "--certificate", "officer.pem", "--rsa-padding", padding];
            let run = desk.command(&[&["anchors", "sign", file][..], &key].concat());
            run.soft_hsm(&hsm).args(["--key-pin-fd", "4"]).file(4, pin).output()
        };
        let before = desk.snapshot();
        let anchors_signer = "Example%20Works%20anchors-signer";
        expect_said(&sign(anchors_signer, "0000").expect_code(3), &["CS-7083"]);
        expect_said(&sign("nothing", SoftHsm::PIN).expect_code(3), &["CS-7085"]);
        expect_said(&sign("Example%20Works%20list-signer", SoftHsm::PIN).expect_failure(), &["CS-7026"]);
        assert_eq!(desk.snapshot(), before);
        sign(anchors_signer, SoftHsm::PIN).expect_code(0);
        expect_said(&desk.run(&["anchors", "show", file]).expect_code(0), &["Enough have signed"]);
        expect_said(&sign(anchors_signer, SoftHsm::PIN).expect_code(1), &["CS-7072"]);
    }
}

#[test]
fn an_hsm_that_goes_while_the_pin_is_typed() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    founded(&desk, &hsm, &[]).expect_code(0);
    let before = desk.snapshot();
    let mut terminal = desk.command(&plain_token(&["--out", "token.pem"])).soft_hsm(&hsm).on_terminal();
    terminal.expect_secret("PIN of the token \"Authority\"");
    hsm.plug(false);
    terminal.send_line(SoftHsm::PIN);
    let output = terminal.finish().expect_code(3);
    assert!(output.terminal.contains("CS-7088") && !output.terminal.contains(SoftHsm::PIN), "{output}");
    assert_eq!(desk.snapshot(), before, "no token, no entry");
    hsm.plug(true);
    with_pin(&desk, &hsm, &plain_token(&["--out", "token.pem"])).output().expect_code(0);
}

/// Rows of two workers, which sign at the same time where the token lets them.
#[test]
fn a_batch_signs_in_several_sessions() {
    let (desk, hsm) = (Desk::new(), SoftHsm::with_token(TOKEN));
    founded(&desk, &hsm, &["--algorithm", "rsa-2048"]).expect_code(0);
    desk.write("rows.csv", (1..=80).fold("reference\n".to_owned(), |rows, row| format!("{rows}row-{row}\n")));
    with_pin(&desk, &hsm, &plain_token(&["--batch", "rows.csv", "--out", "out"])).output().expect_code(0);
    let results = String::from_utf8(desk.read("out/results.csv")).expect("text");
    let files = results.lines().filter_map(|line| line.split(',').find(|cell| cell.ends_with(".token.pem")));
    let tokens: Vec<_> = files.map(|file| format!("out/{file}")).collect();
    tokens.iter().for_each(|file| accepted(&desk, file, false));
    assert_eq!(tokens.len(), 80, "{results}");

    // A token that was set up anew has the same name, and no key.
    hsm.set_up_again(TOKEN);
    let before = desk.snapshot();
    let gone = with_pin(&desk, &hsm, &plain_token(&["--out", "token.pem"])).output().expect_code(3);
    expect_said(&gone, &["CS-7085", "next:"]);
    assert_eq!(desk.snapshot(), before);
}

/// The PIN of the virtual card.
pub(crate) const CARD_PIN: &str = "123456";

/// A card with a key and a certificate in a slot, and the URI by which OpenSC's module knows the key.
pub(crate) fn card_with_key(stack: &Stack, options: CardOptions, slot: &str, algorithm: Algorithm) -> (Card, String) {
    let card = stack.insert(0, options);
    let key = card.generate_key(slot, algorithm);
    let certificate = TestAuthority::new("/CN=Elsewhere").certify(&key, "/CN=Signer", "keyUsage=digitalSignature\n");
    card.import_certificate(slot, &certificate);
    (card, opensc_uri(stack, slot))
}

/// The URI by which OpenSC's module knows the key in a slot of the card in the reader.
pub(crate) fn opensc_uri(stack: &Stack, slot: &str) -> String {
    let module = opensc_module();
    let list = Run::new("pkcs11-tool").stack(stack).arg("--module").arg(&module).arg("--list-token-slots");
    let list = list.output().expect_code(0).stdout_text();
    let serial = list.lines().find_map(|line| line.trim().strip_prefix("serial num")).expect("a token");
    let serial = serial.trim_start_matches([' ', ':']);
    let id = if slot == "9a" { "%01" } else { "%02" };
    format!("pkcs11:serial={serial};id={id}?module-path={}", module.display())
}

/// `renew token-signer` and `issue` with a key on a card.
pub(crate) fn with_card(desk: &Desk, stack: &Stack, pin: &str, args: &[&str]) -> Run {
    desk.command(args).stack(stack).args(["--key-pin-fd", "4", "--passphrase-fd", "3"]).file(4, pin).file(3, PASSPHRASE)
}

#[test]
fn a_piv_card_signs_tokens_through_its_pkcs11_module() {
    for (slot, algorithm) in
        [("9a", Algorithm::Rsa2048), ("9a", Algorithm::P256), ("9c", Algorithm::P256), ("9c", Algorithm::Rsa2048)]
    {
        let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
        let (_card, uri) = card_with_key(&stack, CardOptions::new(), slot, algorithm);
        with_card(&desk, &stack, CARD_PIN, &["renew", "token-signer", "--key", &uri]).output().expect_code(0);
        let issued = with_card(&desk, &stack, CARD_PIN, &plain_token(&["--out", "token.pem"])).output();
        issued.expect_code(0);
        accepted(&desk, "token.pem", true);
    }
}

#[test]
fn a_card_that_leaves_while_it_signs() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let folder = tempfile::tempdir().expect("a folder");
    let options = || CardOptions::new().state(folder.path());
    let (card, uri) = card_with_key(&stack, options(), "9a", Algorithm::P256);
    with_card(&desk, &stack, CARD_PIN, &["renew", "token-signer", "--key", &uri]).output().expect_code(0);
    card.remove();
    let before = desk.snapshot();
    let issue = || with_card(&desk, &stack, CARD_PIN, &plain_token(&["--out", "token.pem"])).output();
    expect_said(&issue().expect_code(3), &["CS-7081", "next:"]);
    let mut card = stack.insert(0, options().leave_on(0x87, 1));
    expect_said(&issue().expect_code(3), &["CS-7088", "nothing was written"]);
    card.wait_until_left();
    assert_eq!(desk.snapshot(), before, "no token, no entry");
    let _card = stack.insert(0, options());
    issue().expect_code(0);
}

#[test]
fn a_pin_that_is_locked() {
    let (desk, stack) = (Desk::founded("p256"), Stack::start(1).expect("a stack"));
    let (_card, uri) = card_with_key(&stack, CardOptions::new(), "9a", Algorithm::P256);
    let renew = |pin| with_card(&desk, &stack, pin, &["renew", "token-signer", "--key", &uri]).output().expect_code(3);
    let before = desk.snapshot();
    for _ in 0..2 {
        expect_said(&renew("654321"), &["CS-7083", "next:"]);
    }
    expect_said(&renew("654321"), &["CS-7084", "locked"]);
    expect_said(&renew(CARD_PIN), &["CS-7084", "next:"]);
    assert_eq!(desk.snapshot(), before);
}
