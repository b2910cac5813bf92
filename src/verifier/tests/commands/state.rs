//! `check`, `status`, `machine`, `doctor`, and what the command says of itself.

use crate::support::{Site, card::Slotted, pki::at};
use countersign_common::{Octets, encode_object, token::ListedMachine};
use countersign_verifier::Exit;

/// A site with a record made on a machine just now.
fn activated() -> Site {
    let site = Site::ready();
    keep_record(&site, &site.cast.token(|_| {}), countersign::now().unwrap());
    site
}

fn keep_record(site: &Site, token: &[u8], time: countersign::Time) {
    let record = site.cast.record(token, &site.machine(), time);
    site.store()
        .lock()
        .unwrap()
        .keep_record("control-room", &Octets([0x3f; 16]), encode_object(&record).as_bytes())
        .unwrap();
}

#[test]
fn check_tells_yes_no_and_cannot_tell_apart() {
    let mut site = Site::ready();
    let said = site.run(&["check", "control-room"]);
    assert_eq!(said.exit, Exit::Refused);
    assert_eq!(said.output.lines().count(), 1);
    assert!(
        said.output.starts_with("control-room: not activated") && said.output.contains("[CS-6001]"),
        "{}",
        said.output
    );
    assert!(said.notes.contains("next: activate this machine"), "{}", said.notes);

    let mut site = activated();
    let said = site.run(&["check", "control-room"]);
    assert_eq!(said.exit, Exit::Done);
    assert_eq!(said.output.lines().count(), 1);
    assert!(said.output.contains("activated, until 20") && said.output.contains("anchors: the administrator's"));
    assert_eq!(site.json(&["check", "other"]).0, Exit::Refused);

    // A component less than the token needs: neither yes nor no.
    std::fs::remove_file(site.path("machine/etc/machine-id")).unwrap();
    let (exit, said) = site.json(&["check", "control-room"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::CannotTell, &"CS-4003".into()));
    site.machine_file("etc/machine-id", "00112233445566778899aabbccddeeff\n");
    let (exit, said) = site.json(&["check", "control-room"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::Refused, &"CS-4001".into()));
}

#[test]
fn check_writes_nothing_and_uses_no_card() {
    let mut site = activated();
    let before = site.stored();
    site.card = site.card.with(|card| card.no_service = true);
    assert_eq!(site.run(&["check", "control-room"]).exit, Exit::Done);
    assert_eq!(site.stored(), before);
    assert!(site.card.log().is_empty());
}

#[test]
fn a_store_that_was_tampered_with_is_cannot_tell() {
    let mut site = activated();
    std::fs::remove_file(site.path("store/newest-time")).unwrap();
    let (exit, said) = site.json(&["check", "control-room"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::CannotTell, &"CS-6002".into()));
    site.store().lock().unwrap().advance_time("2099-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let (exit, said) = site.json(&["check", "control-room"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::CannotTell, &"CS-3202".into()));
}

#[test]
fn versions_that_a_token_covers() {
    let mut site = Site::ready();
    let token = site.cast.token(|token| {
        token.product.from = Some("2".parse().unwrap());
        token.product.below = Some("3".parse().unwrap());
    });
    keep_record(&site, &token, countersign::now().unwrap());
    let code = |site: &mut Site, words: &[&str]| {
        let (exit, said) = site.json(&[&["check", "control-room"], words].concat());
        (exit, said["reason"]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(code(&mut site, &[]), (Exit::CannotTell, "CS-3104".to_owned()));
    assert_eq!(code(&mut site, &["--product-version", "2.4.1"]), (Exit::Done, "CS-0001".to_owned()));
    assert_eq!(code(&mut site, &["--product-version", "3"]), (Exit::Refused, "CS-3103".to_owned()));
}

#[test]
fn status_shows_what_is_activated_and_what_waits() {
    let mut site = activated();
    site.install(&site.cast.token(|token| {
        token.id = Octets([1; 16]);
        token.product.id = "trend-viewer".to_owned();
    }));
    let (exit, said) = site.json(&["status"]);
    assert_eq!(exit, Exit::Refused);
    let products: Vec<_> =
        said["products"].as_array().unwrap().iter().map(|product| product["product"].clone()).collect();
    assert_eq!(products, ["control-room", "trend-viewer"]);
    assert_eq!(said["waiting"][0]["body"]["product"]["id"], "trend-viewer");
    assert_eq!(said["waiting"].as_array().unwrap().len(), 1);
    assert_eq!(site.json(&["status", "--product", "control-room"]).0, Exit::Done);
    let text = site.run(&["status"]).output;
    assert!(text.contains("control-room: activated, until") && text.contains("waiting: token 0101"), "{text}");
    assert!(text.contains("(UTC)"), "{text}");
    assert_eq!(Site::new().json(&["status"]).0, Exit::Refused);
}

#[test]
fn a_machine_is_described_and_compared() {
    let mut site = Site::new();
    let (exit, said) = site.json(&["machine"]);
    assert_eq!(exit, Exit::Done);
    let components = said["machine"]["components"].as_array().unwrap();
    assert!(components.iter().any(|one| one["kind"] == "disk-serial" && one["values"][0] == "s3z8nb0k123456"));
    let said = site.run(&["machine"]);
    assert!(said.output.contains("disk-serial") && said.notes.contains("--dangerous-machine-root"), "{}", said.notes);

    let own = site.machine().digests(&site.cast.body().binding);
    let mut other = own.clone();
    other.iter_mut().for_each(|component| component.digests = vec![Octets([1; 32])]);
    for (machine, exit, satisfied) in [(own, Exit::Done, true), (other, Exit::Refused, false)] {
        let token = site.cast.token(|token| {
            token.binding.machines = Some(vec![ListedMachine { label: "one".to_owned(), components: machine }]);
            // A closed window says nothing about the machine.
            token.window.not_after = at("2021-01-01");
        });
        let file = site.file("listed.pem", encode_object(&token).as_bytes());
        let (said_exit, said) = site.json(&["machine", "--token", file.to_str().unwrap()]);
        assert_eq!((said_exit, &said["satisfied"]), (exit, &satisfied.into()));
    }
    site.install(&site.cast.token(|token| token.binding.virtual_machines = false));
    assert_eq!(site.json(&["machine", "--token", "3f3f"]).1["satisfied"], true);
    site.machine_file("sys/class/dmi/id/sys_vendor", "QEMU\n");
    let (exit, said) = site.json(&["machine", "--token", "3f3f"]);
    assert_eq!((exit, &said["reason"]["code"]), (Exit::Refused, &"CS-4004".into()));
    assert_eq!(site.code(&["machine", "--token", "abcd"]).1, "CS-8013");
    assert_eq!(site.code(&["machine", "--token", "/nowhere"]).1, "CS-8002");
}

fn codes(said: &serde_json::Value) -> Vec<String> {
    let items = said["items"].as_array().unwrap();
    items.iter().filter_map(|item| item["code"].as_str()).map(str::to_owned).collect()
}

#[test]
fn doctor_names_a_mend_for_every_finding() {
    let mut site = Site::ready();
    // A temporary folder of an ordinary user is writable by that user, which is a finding of its own there.
    let mut found = codes(&site.json(&["doctor"]).1);
    found.retain(|code| code != "CS-8030");
    assert!(found.is_empty(), "{found:?}");

    let mut site = activated();
    site.card = Slotted(site.card.0).with(|card| card.present = false);
    std::fs::remove_file(site.path("store/newest-time")).unwrap();
    // A folder in the file's place fails like a file without rights, also for root.
    std::fs::remove_file(site.path("machine/etc/machine-id")).unwrap();
    site.machine_file("etc/machine-id/x", "");
    let (exit, said) = site.json(&["doctor"]);
    assert_eq!(exit, Exit::Refused);
    for code in ["CS-5005", "CS-6007", "CS-8032", "CS-8033", "CS-4003"] {
        assert!(codes(&said).contains(&code.to_owned()), "{code} in {said:#}");
    }
    for item in said["items"].as_array().unwrap() {
        assert_eq!(item["well"], item["code"].is_null());
        assert!(item["well"] == true || item["next"].as_str().is_some_and(|next| !next.is_empty()), "{item}");
    }
    let text = site.run(&["doctor"]).output;
    assert!(text.contains("!!  time floor") && text.contains("      next: "), "{text}");

    site.card = Slotted(site.card.0).with(|card| card.no_service = true);
    assert!(codes(&site.json(&["doctor"]).1).contains(&"CS-5001".to_owned()));
    assert!(site.run(&["doctor"]).output.contains("systemctl enable --now pcscd.socket"));
}

#[test]
fn doctor_sees_who_may_write_and_what_is_odd() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::ready();
    std::fs::set_permissions(site.path("store"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let found = codes(&site.json(&["doctor"]).1);
    assert!(found.contains(&"CS-8030".to_owned()) && found.contains(&"CS-8031".to_owned()), "{found:?}");

    let mut site = activated();
    std::os::unix::fs::symlink("/etc/passwd", site.path("store/records/control-room/x.pem")).unwrap();
    assert!(codes(&site.json(&["doctor"]).1).contains(&"CS-6003".to_owned()));
    let mut site = Site::ready();
    site.store().lock().unwrap().advance_time("2099-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert!(codes(&site.json(&["doctor"]).1).contains(&"CS-3202".to_owned()));
    let mut site = Site::new();
    std::fs::remove_dir_all(site.path("store")).unwrap();
    let found = codes(&site.json(&["doctor"]).1);
    assert!(found.contains(&"CS-8034".to_owned()) && found.contains(&"CS-3001".to_owned()), "{found:?}");
}

#[test]
fn the_command_explains_itself() {
    let mut site = Site::new();
    let help = site.run(&["--help"]);
    assert_eq!(help.exit, Exit::Done);
    for text in ["Exit codes:", "doctor", "--pin-fd", "--dangerous-machine-root"] {
        assert!(help.output.contains(text), "{text}");
    }
    let said = site.run(&["nonsense"]);
    assert_eq!(said.exit, Exit::Usage);
    assert!(said.notes.contains("[CS-8001]\nnext: "), "{}", said.notes);
    assert_eq!(site.code(&["nonsense"]), (Exit::Usage, "CS-8001".to_owned()));
    assert_eq!(site.code(&["check", "../x"]), (Exit::Usage, "CS-6008".to_owned()));
    let (_, said) = site.json(&["completions", "bash"]);
    assert!(said["script"].as_str().unwrap().contains("countersign-verifier"));
    let folder = site.path("man");
    assert_eq!(site.code(&["man", folder.to_str().unwrap()]), (Exit::System, "CS-8007".to_owned()));
    std::fs::create_dir(&folder).unwrap();
    let (_, said) = site.json(&["man", folder.to_str().unwrap()]);
    assert!(said["files"].as_array().unwrap().len() > 14, "{said}");
    assert!(folder.join("countersign-verifier-activate.1").is_file());
}
