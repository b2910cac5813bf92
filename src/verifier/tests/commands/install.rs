//! `install` with lists, anchors updates, certificates and bundles: all of it or nothing, and never backwards.

use crate::support::{
    Site,
    pki::{Cast, Identity, Key},
};
use countersign_common::{
    Demands, Octets, SignedObject, Time, anchors_update::AnchorsUpdate, bundle::PartKind, encode_object,
    token_list::TokenRevocation,
};
use countersign_testpki::{
    certificates::Identity as Lent,
    crls::List,
    trust::{ProofParts, anchors_signatures, anchors_update, bundle, empty_list, revoked, token_list, with_proof},
};
use countersign_verifier::Exit;
use der::Encode;
use serde_json::Value;

const LISTED: &str = "2024-06-01T00:00:00Z";
const LATER: &str = "2024-07-01T00:00:00Z";
const SIGNER: &str = "Test List Signer";

fn install(site: &mut Site, content: &[u8]) -> (Exit, Value) {
    let file = site.file("brought", content);
    let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
    (exit, said["files"][0].clone())
}

/// The outcome, or the code of the refusal after which the store is as it was.
fn outcome(site: &mut Site, content: &[u8]) -> String {
    let before = site.stored();
    let (exit, said) = install(site, content);
    let outcome = said["outcome"].as_str().unwrap().to_owned();
    if outcome == "refused" {
        assert_ne!(exit, Exit::Done);
        assert_eq!(site.stored(), before);
        return said["error"]["code"].as_str().unwrap().to_owned();
    }
    if outcome == "already-installed" {
        assert_eq!(site.stored(), before);
    }
    outcome
}

fn list(cast: &Cast, number: u64, date: &str) -> Vec<u8> {
    token_list(&cast.list_signer(SIGNER), &empty_list(number, date))
}

/// A list that revokes the token of [`Cast::token`] for good.
fn revoking(cast: &Cast, number: u64) -> Vec<u8> {
    let mut body = empty_list(number, LISTED);
    body.revoked = Some(vec![revoked(Octets([0x3f; 16]), TokenRevocation::PrivilegeWithdrawn, LISTED)]);
    token_list(&cast.list_signer(SIGNER), &body)
}

fn crl(issuer: &Lent, number: u64, date: &str) -> List {
    List::new(issuer).number(number).dates(date, "2049-01-01T00:00:00Z")
}

fn days_ago(days: u64) -> Time {
    countersign::now().unwrap().minus(days * 86_400)
}

/// A record that holds and is due for renewal.
fn activated(site: &Site, token: &[u8]) {
    let record = site.cast.record(token, &site.machine(), days_ago(280));
    let keep = |locked: countersign::LockedStore| {
        locked.keep_record("control-room", &Octets([0x3f; 16]), encode_object(&record).as_bytes())
    };
    keep(site.store().lock().unwrap()).unwrap();
}

fn check(site: &mut Site) -> String {
    site.json(&["check", "control-room"]).1["reason"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn token_lists_never_go_back() {
    let mut site = Site::new();
    let cast = Cast::new();
    assert_eq!(outcome(&mut site, encode_object(&list(&cast, 7, LISTED)).as_bytes()), "installed");
    assert_eq!(outcome(&mut site, &list(&cast, 7, LISTED)), "already-installed");
    assert_eq!(outcome(&mut site, &list(&cast, 8, LATER)), "replaced");
    assert_eq!(outcome(&mut site, &list(&cast, 7, LISTED)), "CS-3305");
    assert_eq!(outcome(&mut site, &revoking(&cast, 8)), "CS-3306");
    assert_eq!(outcome(&mut site, &list(&cast, 9, LISTED)), "CS-3306");
    assert_eq!(outcome(&mut site, &list(&cast, 8 + 65_537, LATER)), "CS-3307");
    let mut early = empty_list(9, &countersign::now().unwrap().plus(400 * 86_400).to_string());
    early.next_update = early.this_update;
    assert_eq!(outcome(&mut site, &token_list(&cast.list_signer(SIGNER), &early)), "CS-3202");
    let stranger = Identity::root("Another Root");
    let mut other = Cast::new();
    other.token_root = stranger;
    assert_eq!(outcome(&mut site, &list(&other, 9, LATER)), "CS-2006");
    // The order in which files are named does not matter.
    let files = [10, 9].map(|number| {
        let file = site.file(&format!("list-{number}"), &list(&cast, number, LATER));
        file.to_str().unwrap().to_owned()
    });
    let (exit, said) = site.json(&["install", &files[0], &files[1]]);
    assert_eq!((exit, &said["written"]), (Exit::Done, &true.into()));
    assert_eq!(said["files"][0]["earlier"], "9");
    assert_eq!(site.store().newest_time_seen().unwrap(), Some(LATER.parse::<Time>().unwrap()));
    assert_eq!(site.store().snapshot().unwrap().lists().unwrap().len(), 1);
}

#[test]
fn a_new_signer_replaces_the_old_one() {
    let mut site = Site::new();
    let cast = Cast::new();
    outcome(&mut site, &list(&cast, 7, LISTED));
    let mut body = empty_list(1, LATER);
    body.replaces = Some(vec![der::Decode::from_der(&cast.list_signer(SIGNER).name).unwrap()]);
    assert_eq!(outcome(&mut site, &token_list(&cast.list_signer("New Signer"), &body)), "installed");
    assert_eq!(site.store().snapshot().unwrap().lists().unwrap().len(), 1);
    // The numbers of the old one count no more, whoever has its key.
    let (_, said) = install(&mut site, &list(&cast, 60_000, LATER));
    assert_eq!(said["outcome"], "superseded");
    assert_eq!(site.store().snapshot().unwrap().lists().unwrap().len(), 1);
}

#[test]
fn what_a_list_revokes_is_told_and_falls() {
    let mut site = Site::ready();
    let token = site.cast.token(|_| {});
    activated(&site, &token);
    assert_eq!(check(&mut site), "CS-0002");
    let cast = Cast::new();
    let file = site.file("brought", &revoking(&cast, 7));
    let (exit, said) = site.json(&["install", file.to_str().unwrap()]);
    assert_eq!(exit, Exit::Done);
    assert_eq!(said["revoked"][0]["reason"]["code"], "CS-3301");
    assert_eq!(check(&mut site), "CS-3301");
    assert_eq!(site.json(&["tokens"]).1["tokens"][0]["revoked"]["code"], "CS-3301");
    assert!(site.run(&["tokens"]).output.contains("[CS-3301]"));
    assert_eq!(site.code(&["activate", "--pin-fd", "0"]), (Exit::Refused, "CS-3301".to_owned()));
    // It is not installed again, and neither is a bundle with it.
    let newer = site.cast.token(|token| token.revision = 2);
    assert_eq!(outcome(&mut site, &newer), "CS-3301");
    let parcel = bundle(&cast.list_signer(SIGNER), &[(PartKind::Token, &newer)]);
    assert_eq!(outcome(&mut site, &parcel), "CS-3301");
    let mut site = Site::new();
    let parts: [(PartKind, &[u8]); 2] = [(PartKind::TokenList, &revoking(&cast, 7)), (PartKind::Token, &token)];
    assert_eq!(outcome(&mut site, &bundle(&cast.list_signer(SIGNER), &parts)), "CS-3301");
}

#[test]
fn an_activation_names_its_lists_and_is_held_to_them() {
    let mut site = Site::ready();
    let cast = Cast::new();
    outcome(&mut site, &list(&cast, 7, LISTED));
    let holder_root = cast.holder_root.lent();
    outcome(&mut site, &crl(&holder_root, 3, LISTED).sign(&holder_root.key));
    let (_open, number) = site.pin_fd("123456");
    let (exit, said) = site.json(&["activate", "--pin-fd", &number]);
    assert_eq!(exit, Exit::Done, "{said}");
    let lists: Vec<_> =
        said["verdict"]["lists"].as_array().unwrap().iter().map(|list| list["number"].clone()).collect();
    assert_eq!(lists, ["7", "3"]);
    assert!(site.run(&["status"]).output.contains("number 7 of CN=Test List Signer"));
    let name = site.json(&["lists"]).1["lists"].as_array().unwrap()[1]["name"].as_str().unwrap().to_owned();
    assert_eq!(site.json(&["lists", "remove", &name, "--yes"]).0, Exit::Done);
    assert_eq!(site.json(&["check", "control-room"]).0, Exit::CannotTell);
    assert_eq!(check(&mut site), "CS-3303");
    outcome(&mut site, &list(&cast, 6, LISTED));
    assert_eq!(check(&mut site), "CS-3305");
    outcome(&mut site, &list(&cast, 8, LATER));
    assert_eq!(check(&mut site), "CS-0001");
}

#[test]
fn certificate_lists_are_taken_from_whom_the_machine_knows() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let root = cast.token_root.lent();
    let list = |number, date| crl(&root, number, date).sign(&root.key);
    assert_eq!(outcome(&mut site, &list(5, LISTED)), "installed");
    assert_eq!(outcome(&mut site, &list(5, LISTED)), "already-installed");
    assert_eq!(outcome(&mut site, &list(4, LISTED)), "CS-3305");
    assert_eq!(outcome(&mut site, &list(5, LATER)), "CS-3306");
    assert_eq!(outcome(&mut site, &list(6, "2023-01-01T00:00:00Z")), "CS-3306");
    assert_eq!(outcome(&mut site, &list(6, "2048-01-01T00:00:00Z")), "CS-3202");
    assert_eq!(outcome(&mut site, &crl(&root, 6, LATER).sign(&Key::p256("thief").lent())), "CS-2007");
    let text = pem("X509 CRL", &list(6, LATER));
    assert_eq!(outcome(&mut site, text.as_bytes()), "replaced");
    assert_eq!(outcome(&mut site, &[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x01]), "CS-2030");

    let stranger = Identity::root("Somebody").lent();
    let foreign = crl(&stranger, 1, LISTED).sign(&stranger.key);
    assert_eq!(outcome(&mut site, &foreign), "CS-2034");
    // In a bundle its manifest vouches for it.
    let parcel = bundle(&cast.list_signer(SIGNER), &[(PartKind::CertificateList, &foreign)]);
    assert_eq!(outcome(&mut site, &parcel), "installed");
    let (exit, said) = site.json(&["doctor"]);
    assert_eq!(exit, Exit::Refused);
    assert!(said["items"].as_array().unwrap().iter().any(|item| item["code"] == "CS-8038"), "{said}");
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    encode_object(der).replace("CMS", label)
}

#[test]
fn a_revoked_signer_takes_its_tokens_along() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let token = cast.token(|_| {});
    activated(&site, &token);
    let root = cast.token_root.lent();
    let list = crl(&root, 1, LISTED).entry(&cast.token_signer.lent().serial, LISTED, &[]).sign(&root.key);
    let file = site.file("brought", &list);
    let (_, said) = site.json(&["install", file.to_str().unwrap()]);
    assert_eq!(said["revoked"][0]["reason"]["code"], "CS-2035");
    assert_eq!(check(&mut site), "CS-2035");
    assert_eq!(outcome(&mut site, &token), "CS-2035");
}

#[test]
fn anchors_follow_their_updates() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let (old, new) = (&cast.token_root.certificate, Identity::root("New Token Root"));
    let officer = cast.anchors_signer("Officer");
    let end = days_ago(100).to_string();
    let first = anchors_update(1, &[(old, Some(end.as_str())), (&new.certificate, None)], &[&officer], 1, &[&officer]);
    let second = anchors_update(2, &[(&new.certificate, None)], &[&officer], 1, &[&officer]);
    assert_eq!(outcome(&mut site, encode_object(&second[0]).as_bytes()), "installed");
    // Number 2 was followed without number 1, which now comes too late.
    assert_eq!(outcome(&mut site, &first[0]), "CS-3008");
    assert_eq!(site.json(&["tokens"]).1["tokens"][0]["reason"]["code"], "CS-2006");
    let file = site.path("anchors.pem");
    site.file("other.pem", new.pem().as_bytes());
    assert_eq!(site.json(&["anchors", "show"]).1["anchors"]["update"]["number"], 2);
    // The administrator begins anew.
    let other = site.path("other.pem");
    assert_eq!(site.json(&["anchors", "set", other.to_str().unwrap()]).0, Exit::Done);
    assert_eq!(site.json(&["anchors", "show"]).1["anchors"]["update"], Value::Null);
    site.json(&["anchors", "set", file.to_str().unwrap()]);

    assert_eq!(outcome(&mut site, &first[0]), "installed");
    assert_eq!(outcome(&mut site, &first[0]), "already-installed");
    let (_, said) = site.json(&["anchors", "show"]);
    assert_eq!(said["anchors"]["certificates"].as_array().unwrap().len(), 2);
    let text = site.run(&["anchors", "show"]).output;
    assert!(text.contains(&format!("activates until  {end}")) && text.contains("next update by"), "{text}");
    // What was activated within the overlap stands, nothing is activated after it.
    activated(&site, &cast.token(|_| {}));
    assert_eq!(check(&mut site), "CS-0002");
    assert_eq!(site.json(&["check", "control-room"]).1["anchors_update"], 1);
    assert_eq!(site.code(&["activate", "--pin-fd", "0", "--again"]).1, "CS-3010");
    let (_, said) = site.json(&["doctor"]);
    assert!(said["items"].as_array().unwrap().iter().any(|item| item["code"] == "CS-8037"), "{said}");
    let stranger = Identity::root("Nobody").lent();
    let forged = anchors_update(3, &[(&new.certificate, None)], &[&stranger], 1, &[&stranger]);
    assert_ne!(outcome(&mut site, &forged[0]), "installed");
}

/// A token with the proof that it is in the ledger.
fn proven(cast: &Cast, token: &[u8]) -> Vec<u8> {
    let digest = Octets(SignedObject::from_der(token).unwrap().digest());
    with_proof(token, &ProofParts::new(digest).signed_by(&cast.ledger_signer("Test Ledger Signer")))
}

#[test]
fn what_was_activated_without_a_proof_falls_once_an_update_demands_one() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let token = cast.token(|_| {});
    activated(&site, &token);
    let officer = cast.anchors_signer("Officer");
    let update = {
        let plain = anchors_update(1, &[(&cast.token_root.certificate, None)], &[&officer], 1, &[&officer]);
        let object = SignedObject::from_der(&plain[0]).unwrap();
        let body = AnchorsUpdate::from_der(object.content()).unwrap();
        let body = AnchorsUpdate { demands: Some(Demands { inclusion_proof: true, approvals: 0 }), ..body };
        anchors_signatures(&body.to_der().unwrap(), &[&officer]).remove(0)
    };
    assert_eq!(check(&mut site), "CS-0002");
    assert_eq!(outcome(&mut site, &update), "installed");
    assert_eq!(check(&mut site), "CS-3011");
    assert_eq!(outcome(&mut site, &token), "CS-3011");
    let lent = with_proof(
        &token,
        SignedObject::from_der(&proven(&cast, &cast.token(|token| token.revision = 9)))
            .unwrap()
            .inclusion_proof()
            .unwrap(),
    );
    assert_eq!(outcome(&mut site, &lent), "CS-3012");
    assert!(site.run(&["anchors", "show"]).output.contains("tokens need"));
    // The same token with its proof, and the machine is activated again under it.
    assert_ne!(outcome(&mut site, &proven(&cast, &token)), "CS-3011");
    activated(&site, &proven(&cast, &token));
    assert_eq!(check(&mut site), "CS-0002");
}

#[test]
fn a_proof_is_taken_for_a_token_that_is_there_without_one() {
    let mut site = Site::new();
    let cast = Cast::new();
    let token = cast.token(|_| {});
    assert_eq!(outcome(&mut site, &token), "installed");
    assert_eq!(outcome(&mut site, &proven(&cast, &token)), "replaced");
    assert_eq!(outcome(&mut site, &proven(&cast, &token)), "already-installed");
    assert_eq!(outcome(&mut site, &token), "already-installed");
}

#[test]
fn updates_of_other_anchors_say_nothing() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let officer = cast.anchors_signer("Officer");
    let update = anchors_update(1, &[(&Identity::root("Gone").certificate, None)], &[&officer], 1, &[&officer]);
    assert_eq!(outcome(&mut site, &update[0]), "installed");
    // A later build of the product, with another root compiled in.
    site.compiled = Some(Box::leak(Identity::root("Newest Root").pem().into_boxed_str()));
    assert_eq!(site.json(&["anchors", "show"]).1["anchors"]["certificates"][0]["subject"], "CN=Newest Root");
    let (_, said) = site.json(&["doctor"]);
    assert!(said["items"].as_array().unwrap().iter().any(|item| item["code"] == "CS-8036"), "{said}");
}

#[test]
fn certificates_between_holders_and_their_anchor() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let issuing = Identity::ca("Issuing CA", &cast.holder_root);
    assert_eq!(outcome(&mut site, issuing.pem().as_bytes()), "installed");
    assert_eq!(outcome(&mut site, &issuing.certificate), "already-installed");
    assert_eq!(outcome(&mut site, cast.token_root.pem().as_bytes()), "already-installed");
    assert_eq!(outcome(&mut site, &Identity::ca("Stranger", &Identity::root("Nobody")).certificate), "CS-2006");
    assert_eq!(
        outcome(&mut site, &Identity::issued("Leaf", Key::p256("x"), &cast.holder_root, None).certificate),
        "CS-2010"
    );
    let mixed = Identity::issued("Mixed", Key::p256("y"), &cast.holder_root, Some(crate::support::pki::TOKEN_SIGNING));
    assert_eq!(outcome(&mut site, &mixed.certificate), "CS-3002");
    // A card below it needs no --issuers.
    let holder = Identity::issued("Alex Example", Key::p256("holder"), &issuing, None);
    site.card = crate::support::card::Slotted::holding(holder);
    let (_open, number) = site.pin_fd("123456");
    assert_eq!(site.json(&["activate", "--pin-fd", &number]).0, Exit::Done);
    assert_eq!(check(&mut site), "CS-0001");
}

/// A bundle with a part of each kind.
struct Delivery {
    cast: Cast,
    parts: Vec<(PartKind, Vec<u8>)>,
}

impl Delivery {
    fn new() -> Self {
        let cast = Cast::new();
        let officer = cast.anchors_signer("Officer");
        let update = anchors_update(1, &[(&cast.token_root.certificate, None)], &[&officer], 1, &[&officer]);
        let root = cast.token_root.lent();
        let parts = vec![
            (PartKind::AnchorsUpdate, update[0].clone()),
            (PartKind::Certificate, Identity::ca("Issuing CA", &cast.holder_root).certificate),
            (PartKind::CertificateList, crl(&root, 1, LISTED).sign(&root.key)),
            (PartKind::TokenList, list(&cast, 1, LISTED)),
            (PartKind::Token, cast.token(|_| {})),
        ];
        Self { cast, parts }
    }

    fn bundle(&self) -> Vec<u8> {
        let parts: Vec<_> = self.parts.iter().map(|(kind, part)| (*kind, part.as_slice())).collect();
        bundle(&self.cast.list_signer(SIGNER), &parts)
    }
}

#[test]
fn a_bundle_is_installed_as_a_whole() {
    let mut site = Site::new();
    let parcel = Delivery::new().bundle();
    let file = site.file("brought", &parcel);
    let before = site.stored();
    let (exit, said) = site.json(&["install", "--dry-run", file.to_str().unwrap()]);
    assert_eq!((exit, &said["written"], &said["dry_run"]), (Exit::Done, &false.into(), &true.into()));
    assert_eq!(said["files"][0]["outcome"], "installed");
    assert_eq!(site.stored(), before);
    let text = site.run(&["install", "--dry-run", file.to_str().unwrap()]).output;
    assert!(text.contains("would be installed") && text.ends_with("nothing was written: --dry-run\n"), "{text}");

    let text = site.run(&["install", file.to_str().unwrap()]).output;
    assert!(text.contains("bundle \"Press hall 7\", made ") && text.contains("  token list 1 of "), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
    assert_eq!(outcome(&mut site, &parcel), "already-installed");
    let (_, said) = site.json(&["lists"]);
    assert_eq!(said["lists"].as_array().unwrap().len(), 2);
    assert_eq!(
        site.json(&["verify", file.to_str().unwrap(), "--anchors", site.path("anchors.pem").to_str().unwrap()]).0,
        Exit::Done
    );
}

#[test]
fn a_bundle_that_is_cut_changes_nothing() {
    let mut site = Site::new();
    let parcel = Delivery::new().bundle();
    for length in 0..parcel.len() {
        assert!(countersign_common::bundle::Bundle::from_der(&parcel[..length]).is_err(), "{length}");
    }
    for length in (0..parcel.len()).step_by(parcel.len() / 40).chain([1, 2, 3, 4, 5, parcel.len() - 1]) {
        assert!(outcome(&mut site, &parcel[..length]).starts_with("CS-"), "{length}");
    }
    assert!(outcome(&mut site, &[parcel.as_slice(), b"\n"].concat()).starts_with("CS-"));
}

#[test]
fn a_bundle_with_a_part_exchanged_changes_nothing() {
    let mut site = Site::new();
    let delivery = Delivery::new();
    let parts: Vec<&[u8]> = delivery.parts.iter().map(|(_, part)| part.as_slice()).collect();
    let parcel = delivery.bundle();
    let manifest = countersign_common::bundle::Bundle::from_der(&parcel).unwrap().object().der().to_vec();
    let encode = |parts: &[&[u8]]| countersign_common::bundle::Bundle::encode(&manifest, parts).unwrap();
    let other = delivery.cast.token(|token| token.revision = 9);
    for place in 0..parts.len() {
        let mut exchanged = parts.clone();
        exchanged[place] = &other;
        assert_eq!(outcome(&mut site, &encode(&exchanged)), "CS-1207", "{place}");
        let mut changed = parts[place].to_vec();
        *changed.last_mut().unwrap() ^= 1;
        exchanged[place] = &changed;
        assert_eq!(outcome(&mut site, &encode(&exchanged)), "CS-1207", "{place}");
        exchanged.remove(place);
        assert!(outcome(&mut site, &encode(&exchanged)).starts_with("CS-1"), "{place}");
    }
    // A manifest by somebody else, over parts that are each in order.
    let thief = Identity::root("Thief").lent();
    let stolen: Vec<_> = delivery.parts.iter().map(|(kind, part)| (*kind, part.as_slice())).collect();
    assert_eq!(outcome(&mut site, &bundle(&thief, &stolen)), "CS-2013");
    // Each part broken and named so by the manifest: one is enough to refuse all.
    for place in 0..delivery.parts.len() {
        let mut broken = Delivery::new();
        *broken.parts[place].1.last_mut().unwrap() ^= 1;
        let found = outcome(&mut site, &broken.bundle());
        // A certificate is believed as the manifest has it; that its signature is broken shows when it is used.
        assert!(place == 1 || found.starts_with("CS-"), "{place}: {found}");
        if place == 1 {
            site = Site::new();
        }
    }
    assert_eq!(outcome(&mut site, &parcel), "installed");
}

#[test]
fn rotation_under_the_anchors_after_the_update() {
    let mut site = Site::ready();
    let cast = Cast::new();
    let mut after = Cast::new();
    after.token_root = Identity::root("New Token Root");
    after.token_signer = Identity::issued(
        "New Token Signer",
        Key::p256("new signer"),
        &after.token_root,
        Some(crate::support::pki::TOKEN_SIGNING),
    );
    let officer = cast.anchors_signer("Officer");
    let both = [(cast.token_root.certificate.as_slice(), None), (after.token_root.certificate.as_slice(), None)];
    let update = anchors_update(1, &both, &[&officer], 1, &[&officer]);
    let token = after.token(|token| token.id = Octets([0x40; 16]));
    let parts: [(PartKind, &[u8]); 3] = [
        (PartKind::AnchorsUpdate, &update[0]),
        (PartKind::TokenList, &list(&after, 1, LISTED)),
        (PartKind::Token, &token),
    ];
    // Without the update the new root is nobody's.
    assert_eq!(outcome(&mut site, &bundle(&after.list_signer(SIGNER), &parts[1..])), "CS-2006");
    assert_eq!(outcome(&mut site, &bundle(&after.list_signer(SIGNER), &parts)), "installed");
    let tokens = site.json(&["tokens"]).1["tokens"].as_array().unwrap().clone();
    assert_eq!(tokens.iter().filter(|token| token["valid"] == true).count(), 2);
}

#[test]
fn a_record_is_nothing_to_install() {
    let mut site = Site::ready();
    let record = site.cast.record(&site.cast.token(|_| {}), &site.machine(), "2024-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(outcome(&mut site, &record), "CS-1005");
    let token = encode_object(&site.cast.token(|_| {}));
    assert_eq!(outcome(&mut site, token.repeat(2).as_bytes()), "CS-1002");
}
