//! Meshes and ladders of CAs, for the tests and the bench.

use countersign_pki::{PathRules, PolicyRules};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{DIGITAL_SIGNATURE, ca, directory_name, distinguished_name, key_usage, name_constraints, policies},
};

/// What is wrong with the leaf, or with the way to it. Without a policy is the leaf alone, so that every way has to be
/// gone to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    Excluded,
    Expired,
    NoAnchor,
    NoPolicy,
    Signature,
}

pub(crate) const DEFECTS: [Defect; 5] =
    [Defect::Excluded, Defect::Expired, Defect::NoAnchor, Defect::NoPolicy, Defect::Signature];

pub(crate) struct Scene {
    pub(crate) leaf: Vec<u8>,
    pub(crate) untrusted: Vec<Vec<u8>>,
    pub(crate) anchor: Vec<u8>,
    pub(crate) defect: Defect,
}

pub(crate) fn root(defect: Defect) -> Identity {
    let mut extensions = ca(None);
    if defect == Defect::Excluded {
        extensions.push(name_constraints(&[], &[directory_name(&distinguished_name("Leaf"))]));
    }
    let name = if defect == Defect::NoAnchor { "Other root" } else { "Root" };
    Request::new(name, Key::p256(name), extensions).self_signed()
}

fn certifies(defect: Defect) -> Vec<Vec<u8>> {
    match defect {
        Defect::NoPolicy => [ca(None), vec![policies(&["2.5.29.32.0"])]].concat(),
        _ => ca(None),
    }
}

fn leaf(issuer: &Identity, defect: Defect) -> Vec<u8> {
    let not_after = if defect == Defect::Expired { "2026-02-01T00:00:00Z" } else { "2035-12-31T23:59:59Z" };
    let leaf = Request::new("Leaf", Key::p256("search leaf"), vec![key_usage(DIGITAL_SIGNATURE)]);
    let mut leaf = Request { not_after, ..leaf }.issued_by(issuer).certificate;
    if defect == Defect::Signature {
        *leaf.last_mut().unwrap() ^= 1;
    }
    leaf
}

/// So many CAs that all certify each other. The root certifies the last, the first issued the leaf.
pub(crate) fn mesh(size: usize, defect: Defect) -> Scene {
    let names: Vec<String> = (0..size).map(|number| format!("Mesh {number}")).collect();
    let request = |number: usize| Request::new(&names[number], Key::p256(&names[number]), certifies(defect));
    let owned: Vec<Identity> = (0..size).map(|number| request(number).self_signed()).collect();
    let (root, trusted) = (root(Defect::None), root(defect));
    let mut untrusted = vec![request(size - 1).issued_by(&root)];
    for subject in 0..size {
        for issuer in (0..size).filter(|issuer| *issuer != subject) {
            untrusted.push(request(subject).issued_by(&owned[issuer]));
        }
    }
    let untrusted = untrusted.into_iter().map(|identity| identity.certificate).collect();
    Scene { leaf: leaf(&owned[0], defect), untrusted, anchor: trusted.certificate, defect }
}

/// Two CAs at each level, each certified by both of the level above; the root certifies the first two.
pub(crate) fn ladder(levels: usize, defect: Defect) -> Scene {
    let (root, trusted) = (root(Defect::None), root(defect));
    let mut above = vec![root];
    let mut untrusted = Vec::new();
    for level in 0..levels {
        let mut own = Vec::new();
        for side in ["left", "right"] {
            let name = format!("Level {level} {side}");
            for issuer in &above {
                let identity = Request::new(&name, Key::p256(&name), certifies(defect)).issued_by(issuer);
                untrusted.push(identity.certificate.clone());
                own.push(identity);
            }
        }
        // One certificate of each side stands for its key.
        let mut own = own.into_iter().step_by(above.len());
        above = vec![own.next().unwrap(), own.next().unwrap()];
    }
    Scene { leaf: leaf(&above[0], defect), untrusted, anchor: trusted.certificate, defect }
}

impl Scene {
    pub(crate) fn rules(&self) -> PathRules<'static> {
        let policies = PolicyRules { explicit: self.defect == Defect::NoPolicy, ..PolicyRules::default() };
        PathRules { policies, ..PathRules::at("2026-06-01T00:00:00Z".parse().unwrap()) }
    }
}
