//! Makes cases: a chain, and a few oddities anywhere in it.

use crate::{
    case::{AT, Case},
    lists::{self, make_lists},
    mutation,
    random::Random,
};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        CERT_SIGN, CONTENT_COMMITMENT, DIGITAL_SIGNATURE, EKU_CLIENT_AUTH, EKU_TOKEN_SIGNING, KEY_ENCIPHERMENT,
        authority_key_identifier, basic_constraints, directory_name, distinguished_name, extended_key_usage, extension,
        inhibit_any_policy, key_identifier, key_usage, name_constraints, policies, policy_constraints, policy_mappings,
        subject_alt_names, text_name,
    },
    der::{integer, oid, sequence, set, tlv, utf8},
};
use std::collections::BTreeSet;

const ANY: &str = "2.5.29.32.0";
const POLICIES: [&str; 3] = ["1.3.6.1.4.1.32473.7.1", "1.3.6.1.4.1.32473.7.2", "1.3.6.1.4.1.32473.7.3"];
const ANY_EXTENDED_KEY_USAGE: &str = "2.5.29.37.0";

/// A key by its label; the kind is part of the label.
pub fn key(label: &str) -> Key {
    match label.split(' ').next() {
        Some("ed25519") => Key::ed25519(label),
        Some("p384") => Key::p384(label),
        Some("rsa") => Key::rsa_2048(),
        Some("rsa1024") => Key::rsa_1024(),
        _ => Key::p256(label),
    }
}

/// One certificate to be: everything that an oddity may change.
#[derive(Clone)]
pub struct Draft {
    pub subject: Vec<u8>,
    pub issuer: Vec<u8>,
    pub key: String,
    pub issuer_key: String,
    pub not_before: &'static str,
    pub not_after: &'static str,
    pub extensions: Vec<Vec<u8>>,
    /// Whether key identifiers are added.
    pub identifiers: bool,
}

impl Draft {
    fn new(subject: &str, issuer: &str, key: &str, issuer_key: &str, extensions: Vec<Vec<u8>>) -> Self {
        Self {
            subject: distinguished_name(subject),
            issuer: distinguished_name(issuer),
            key: key.to_owned(),
            issuer_key: issuer_key.to_owned(),
            not_before: "2026-01-01T00:00:00Z",
            not_after: "2035-12-31T23:59:59Z",
            extensions,
            identifiers: true,
        }
    }

    /// The certificate, with its key.
    pub fn sign(&self) -> Identity {
        let issuer = Identity {
            key: key(&self.issuer_key),
            name: self.issuer.clone(),
            serial: Vec::new(),
            certificate: Vec::new(),
        };
        let request = Request::new("", key(&self.key), self.extensions.clone());
        let request = Request {
            subject: self.subject.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            identifiers: self.identifiers,
            ..request
        };
        request.issued_by(&issuer)
    }

    /// Replaces the extension of the same type, or adds one.
    fn set(&mut self, new: Vec<u8>) {
        let id = countersign_testpki::der::members(&new)[0].clone();
        self.extensions.retain(|old| countersign_testpki::der::members(old)[0] != id);
        self.extensions.push(new);
    }

    fn remove(&mut self, id: &str) {
        let id = oid(id);
        self.extensions.retain(|old| countersign_testpki::der::members(old)[0] != id);
    }
}

/// The case of a seed.
pub fn make(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let mut features = BTreeSet::new();
    let depth = random.below(5);
    let asks_policies = random.percent(30);
    let client = random.percent(30);

    // Names and keys from the anchor to the leaf.
    let names: Vec<String> = (0..depth).map(|level| format!("CA {level}")).collect();
    let mut keys: Vec<String> = Vec::new();
    for level in 0..depth + 2 {
        let kind = match random.below(20) {
            0 => "rsa",
            1..=3 => "p384",
            4 | 5 => "ed25519",
            _ => "p256",
        };
        keys.push(if keys.iter().any(|key| key.starts_with("rsa")) || kind != "rsa" {
            format!("{} {level}", if kind == "rsa" { "p256" } else { kind })
        } else {
            "rsa".to_owned()
        });
    }
    let mut anchor = Draft::new("Root", "Root", &keys[0], &keys[0], ca());
    let mut chain = Vec::new();
    for level in 0..depth {
        let issuer = if level == 0 { "Root" } else { &names[level - 1] };
        chain.push(Draft::new(&names[level], issuer, &keys[level + 1], &keys[level], ca()));
    }
    let issuer = names.last().map_or("Root", String::as_str);
    let mut leaf = vec![key_usage(DIGITAL_SIGNATURE)];
    if client {
        leaf.push(extended_key_usage(&[EKU_CLIENT_AUTH]));
    }
    chain.push(Draft::new("Leaf", issuer, &keys[depth + 1], &keys[depth], leaf));
    if random.percent(40) {
        add_names(&mut random, &mut chain[depth], &mut features);
    }
    if asks_policies {
        for draft in &mut chain {
            if random.percent(90) {
                let mut stated: Vec<&str> = POLICIES.iter().copied().filter(|_| random.percent(55)).collect();
                if random.percent(20) || stated.is_empty() {
                    stated.push(ANY);
                }
                draft.set(policies(&stated));
            }
        }
    }

    let mut extra = Vec::new();
    let mut lists = random.percent(30).then(BTreeSet::new);
    let count = random.pick(&[0, 1, 1, 1, 2, 2, 3]);
    for _ in 0..count {
        if let Some(oddities) = &mut lists
            && random.percent(60)
        {
            let oddity = random.pick(lists::ODDITIES);
            features.insert(oddity);
            oddities.insert(oddity);
        } else if asks_policies && random.percent(60) {
            policy_oddity(&mut random, &mut chain, &mut features);
        } else {
            oddity(&mut random, &mut anchor, &mut chain, &mut extra, &mut features);
        }
    }

    let mut signed: Vec<Vec<u8>> = Vec::new();
    let mutate = random.percent(20).then(|| random.below(chain.len()));
    let mut identities = vec![anchor.sign()];
    let revocation = lists.map(|oddities| make_lists(&mut random, &oddities, &mut chain));
    for (place, draft) in chain.iter().enumerate() {
        let mut identity = draft.sign();
        if mutate == Some(place) {
            identity.certificate =
                mutation::mutate(&mut random, &identity.certificate, &key(&draft.issuer_key), &mut features);
        }
        signed.push(identity.certificate.clone());
        identities.push(identity);
    }
    if random.percent(3) && signed.len() > 1 {
        features.insert("signatures exchanged");
        let place = random.below(signed.len() - 1);
        mutation::exchange(&mut signed, place, place + 1);
    }
    let leaf = signed.pop().expect("a leaf");
    let mut untrusted = signed;
    untrusted.extend(extra.iter().map(|draft: &Draft| draft.sign().certificate));
    if random.percent(5) && !untrusted.is_empty() {
        features.insert("certificate missing");
        untrusted.remove(random.below(untrusted.len()));
    }
    if random.percent(20) && !untrusted.is_empty() {
        untrusted.push(untrusted[random.below(untrusted.len())].clone());
    }
    random.shuffle(&mut untrusted);
    let mut initial_policies = Vec::new();
    if asks_policies && random.percent(50) {
        initial_policies.extend(POLICIES.iter().copied().filter(|_| random.percent(50)));
    }
    let mut flag = |percent| asks_policies && random.percent(percent);
    Case {
        leaf,
        untrusted,
        anchors: vec![identities.remove(0).certificate],
        lists: revocation,
        client,
        initial_policies,
        explicit_policy: flag(50),
        inhibit_mapping: flag(15),
        inhibit_any: flag(15),
        features,
    }
}

fn ca() -> Vec<Vec<u8>> {
    vec![basic_constraints(None), key_usage(CERT_SIGN)]
}

/// Alternative names of the leaf.
fn add_names(random: &mut Random, leaf: &mut Draft, features: &mut BTreeSet<&'static str>) {
    let mut names = Vec::new();
    for _ in 0..1 + random.below(2) {
        names.push(match random.below(7) {
            0 => text_name(1, random.pick(&["ann@example.com", "Ann@Host.Example.com", "bob@example.org"])),
            1 => text_name(2, random.pick(&["example.com", "host.example.com", "HOST.example.COM", "example.org"])),
            2 => text_name(
                6,
                random.pick(&["http://example.com/a", "https://host.example.com", "http://example.org:80/"]),
            ),
            3 => tlv(0x87, &[&random.pick(&[[192, 0, 2, 1], [192, 0, 2, 200], [198, 51, 100, 1]])]),
            4 => directory_name(&distinguished_name(random.pick(&["Leaf", "leaf", "Other"]))),
            5 => {
                features.insert("wildcard name");
                text_name(2, random.pick(&["*.example.com", "*.host.example.com", "*.example.org"]))
            }
            _ => {
                features.insert("other form of name");
                tlv(0x88, &[&[0x2a, 3, random.below(3) as u8]])
            }
        });
    }
    leaf.set(subject_alt_names(false, &names));
    if random.percent(15) {
        let attribute = |id: &str, value: &[u8]| set(&[&sequence(&[&oid(id), value])]);
        let mail = tlv(0x16, &[random.pick(&["ann@example.com", "bob@example.org"]).as_bytes()]);
        features.insert("mail in the subject");
        leaf.subject = sequence(&[&attribute("2.5.4.3", &utf8("Leaf")), &attribute("1.2.840.113549.1.9.1", &mail)]);
    }
}

/// The base of a subtree.
fn base(random: &mut Random, features: &mut BTreeSet<&'static str>) -> Vec<u8> {
    match random.below(7) {
        0 => text_name(1, random.pick(&["ann@example.com", "example.com", ".example.com", "EXAMPLE.com"])),
        1 => text_name(2, random.pick(&["example.com", "host.example.com", "com", "example.org"])),
        2 => {
            features.insert("constraint with a period before a dNSName");
            text_name(2, ".example.com")
        }
        3 => text_name(6, random.pick(&["example.com", ".example.com", "host.example.com"])),
        4 => {
            tlv(0x87, &[&random.pick(&[[192, 0, 2, 0, 255, 255, 255, 0], [192, 0, 2, 0, 255, 255, 255, 128], [0; 8]])])
        }
        5 => {
            let organisation = set(&[&sequence(&[&oid("2.5.4.10"), &utf8("EXAMPLE organisation")])]);
            let other = set(&[&sequence(&[&oid("2.5.4.10"), &utf8("Other")])]);
            directory_name(&match random.below(4) {
                0 => sequence(&[&organisation]),
                1 => sequence(&[&other]),
                2 => distinguished_name("Leaf"),
                _ => sequence(&[]),
            })
        }
        _ => {
            features.insert("constraint on another form");
            tlv(0x88, &[&[0x2a, 3, random.below(3) as u8]])
        }
    }
}

fn policy_oddity(random: &mut Random, chain: &mut [Draft], features: &mut BTreeSet<&'static str>) {
    let place = random.below(chain.len());
    let draft = &mut chain[place];
    match random.below(5) {
        0 => {
            features.insert("policy mapping");
            let mut mapping = || (random.pick(&POLICIES), random.pick(&POLICIES));
            let mappings = [mapping(), mapping()];
            draft.set(policy_mappings(&mappings[..1 + random.below(2)]));
        }
        1 => {
            features.insert("policy constraints");
            let mut number = || random.pick(&[None, Some(0), Some(1), Some(2)]);
            let (explicit, mapping) = (number(), number());
            draft.set(policy_constraints(explicit, mapping));
        }
        2 => {
            features.insert("anyPolicy inhibited");
            draft.set(inhibit_any_policy(random.below(3) as u64));
        }
        3 => {
            features.insert("mapping with anyPolicy");
            let pair = if random.percent(50) { (ANY, POLICIES[0]) } else { (POLICIES[0], ANY) };
            draft.set(policy_mappings(&[pair]));
        }
        _ => {
            features.insert("no policies");
            draft.remove("2.5.29.32");
        }
    }
}

fn oddity(
    random: &mut Random,
    anchor: &mut Draft,
    chain: &mut Vec<Draft>,
    extra: &mut Vec<Draft>,
    features: &mut BTreeSet<&'static str>,
) {
    let last = chain.len() - 1;
    let place = random.below(chain.len());
    // Where only a CA makes sense, the lowest one; where there is none, the leaf.
    let above = if last == 0 { 0 } else { random.below(last) };
    let is_ca = last > 0;
    let feature = match random.below(28) {
        0 | 1 if is_ca => {
            chain[above].set(basic_constraints(Some(random.below(3) as u64)));
            "path length"
        }
        2 => {
            anchor.set(basic_constraints(Some(random.below(3) as u64)));
            "path length of the anchor"
        }
        3 if is_ca => {
            chain[above].remove("2.5.29.19");
            "no basic constraints"
        }
        4 => {
            let not_ca = random.percent(50);
            let value = if not_ca { sequence(&[]) } else { sequence(&[&integer(0)]) };
            chain[place].set(extension("2.5.29.19", true, &value));
            if not_ca { "basic constraints without cA" } else { "path length without cA" }
        }
        5 if is_ca => {
            chain[above].set(key_usage(random.pick(&[DIGITAL_SIGNATURE, 0x02])));
            "key usage without keyCertSign"
        }
        6 => {
            chain[last].set(key_usage(random.pick(&[KEY_ENCIPHERMENT, CONTENT_COMMITMENT, CERT_SIGN | 0x80])));
            "key usage of the leaf"
        }
        7 => {
            chain[place].remove("2.5.29.15");
            "no key usage"
        }
        8 | 9 => {
            let usages: &[&str] = random.pick(&[
                &[EKU_CLIENT_AUTH] as &[&str],
                &[EKU_TOKEN_SIGNING],
                &[ANY_EXTENDED_KEY_USAGE],
                &[EKU_TOKEN_SIGNING, EKU_CLIENT_AUTH],
            ]);
            chain[place].set(extended_key_usage(usages));
            "extended key usage"
        }
        10 => {
            chain[last].remove("2.5.29.37");
            "leaf without extended key usage"
        }
        11..=14 => {
            let mut bases = |percent| if random.percent(percent) { vec![base(random, features)] } else { Vec::new() };
            let (permitted, mut excluded) = (bases(60), bases(45));
            if permitted.is_empty() && excluded.is_empty() {
                excluded.push(base(random, features));
            }
            let constraints = name_constraints(&permitted, &excluded);
            if is_ca && random.percent(80) {
                chain[above].set(constraints);
                "name constraints"
            } else if random.percent(70) {
                anchor.set(constraints);
                "name constraints of the anchor"
            } else {
                chain[last].set(constraints);
                "name constraints of the leaf"
            }
        }
        15 => {
            chain[place].not_before = random.pick(&["2026-05-31T23:59:59Z", AT, "2026-06-01T00:00:01Z"]);
            "start at the boundary"
        }
        16 => {
            chain[place].not_after = random.pick(&["2026-05-31T23:59:59Z", AT, "2026-06-01T00:00:01Z"]);
            "end at the boundary"
        }
        17 => {
            let critical = random.percent(70);
            chain[place].extensions.push(extension("1.3.6.1.4.1.32473.9", critical, &[5, 0]));
            if critical { "unknown critical extension" } else { "unknown extension" }
        }
        18 => {
            chain[place].identifiers = false;
            "no key identifiers"
        }
        19 => {
            let wrong = authority_key_identifier(&key("p256 somebody else"));
            chain[place].set(wrong);
            "wrong authority key identifier"
        }
        20 => {
            let identifier = key_identifier(&key(&chain[place].issuer_key));
            let value = sequence(&[&tlv(0x80, &[&identifier])]);
            chain[place].set(extension("2.5.29.35", true, &value));
            "critical authority key identifier"
        }
        21 if is_ca => {
            // Another root certifies one of the CAs as well.
            let mut cross = chain[above].clone();
            cross.issuer = distinguished_name("Other root");
            cross.issuer_key = "p256 other root".to_owned();
            extra.push(cross);
            if random.percent(50) {
                extra.push(Draft::new("Other root", "Other root", "p256 other root", "p256 other root", ca()));
            }
            "cross certificate"
        }
        22 if is_ca => {
            // The CA has a new key, certified by the old one under the same name.
            let old = chain[above].clone();
            let new = format!("p256 new {above}");
            let mut rollover = old.clone();
            rollover.issuer = old.subject.clone();
            rollover.issuer_key = old.key.clone();
            rollover.key = new.clone();
            chain[above + 1].issuer_key = new;
            chain.insert(above + 1, rollover);
            "rollover"
        }
        23 if is_ca => {
            let mut decoy = chain[above].clone();
            decoy.key = "p384 decoy".to_owned();
            extra.push(decoy);
            "another key of the same name"
        }
        24 if is_ca => {
            let mut twin = chain[above].clone();
            twin.not_after = "2026-02-01T00:00:00Z";
            extra.push(twin);
            "expired twin"
        }
        25 => {
            let wrong = "p256 impostor".to_owned();
            let identifiers = authority_key_identifier(&key(&chain[place].issuer_key));
            chain[place].set(identifiers);
            chain[place].issuer_key = wrong;
            "signed by another key"
        }
        26 => {
            chain[place].issuer = if random.percent(60) {
                chain[place].issuer.to_ascii_lowercase()
            } else {
                distinguished_name("Nobody")
            };
            "issuer name changed"
        }
        27 if is_ca => {
            chain[above].key = "rsa1024".to_owned();
            chain[above + 1].issuer_key = "rsa1024".to_owned();
            "short key"
        }
        _ => {
            let subject = if random.percent(50) { sequence(&[]) } else { chain[last].subject.clone() };
            chain[last].subject = subject;
            let names = sequence(&[&text_name(2, "example.com")]);
            chain[last].set(extension("2.5.29.17", random.percent(50), &names));
            "empty subject"
        }
    };
    features.insert(feature);
}
