//! The search for a path: meshes and ladders of CAs cost what they must and no more, whichever way they end, and
//! neither order nor repetition of the untrusted certificates changes the answer.

#![allow(clippy::unwrap_used)]

mod scenes;

use countersign_pki::{
    Attempt, Budget, Certificate, MAX_ATTEMPTS, MAX_PATH_LENGTH, MAX_UNTRUSTED, PathError, PathErrorKind, PathRules,
    Place, ValidatedPath, explain_path, validate_path,
};
use countersign_testpki::{
    Identity, Key, Request,
    certificates::{
        DIGITAL_SIGNATURE, authority_key_identifier, ca, directory_name, distinguished_name, extension, key_identifier,
        key_usage, policies, subject_key_identifier,
    },
    der::{sequence, tlv},
};
use scenes::{DEFECTS, Defect, Scene, ladder, mesh, root};

trait Judge {
    fn judge(&self, budget: &mut Budget) -> (Result<ValidatedPath, PathError>, Vec<Attempt>);

    /// The outcome, and the signatures and steps that it took.
    fn spend(&self) -> (Result<ValidatedPath, PathErrorKind>, u32, u32);
}

impl Judge for Scene {
    fn judge(&self, budget: &mut Budget) -> (Result<ValidatedPath, PathError>, Vec<Attempt>) {
        let untrusted: Vec<_> = self.untrusted.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
        let (leaf, anchor) = (Certificate::from_der(&self.leaf).unwrap(), Certificate::from_der(&self.anchor).unwrap());
        explain_path(&leaf, &untrusted, &[anchor], &self.rules(), budget)
    }

    fn spend(&self) -> (Result<ValidatedPath, PathErrorKind>, u32, u32) {
        let mut budget = Budget::default();
        let outcome = self.judge(&mut budget).0.map_err(|error| error.kind);
        let full = Budget::default();
        (outcome, full.signatures - budget.signatures, full.steps - budget.steps)
    }
}

#[test]
fn a_mesh_costs_its_shortest_way() {
    for size in [8, 10, 20] {
        let (outcome, signatures, steps) = mesh(size, Defect::None).spend();
        assert_eq!(outcome.unwrap().intermediates().len(), 2, "{size}");
        assert_eq!(signatures, 3, "{size}");
        // Each of the three, and a step for each 256 pairs that are looked at.
        let pairs = size as u32 * (size as u32 - 1).pow(2);
        assert_eq!(steps, 3 + pairs / 256, "{size}");
    }
}

#[test]
fn a_ladder_costs_its_length() {
    for levels in [11, 30] {
        let (outcome, signatures, steps) = ladder(levels, Defect::None).spend();
        assert_eq!(outcome.unwrap().intermediates().len(), levels);
        assert_eq!((signatures, steps), (levels as u32 + 1, levels as u32 + 1));
    }
}

#[test]
fn what_is_wrong_with_the_leaf_is_told_at_little_cost() {
    for (name, size, make) in [
        ("mesh", 8, mesh as fn(usize, Defect) -> Scene),
        ("mesh", 20, mesh),
        ("ladder", 11, ladder),
        ("ladder", 30, ladder),
    ] {
        for defect in DEFECTS {
            let scene = make(size, defect);
            let (outcome, signatures, steps) = scene.spend();
            let context = format!("{name} {size} {defect:?}: {signatures} signatures, {steps} steps");
            let kind = outcome.unwrap_err();
            let (certificates, levels) = (scene.untrusted.len() as u32, size as u32);
            // A mesh of 20 takes 28 steps to be measured, 7,240 pairs at 256 to a step.
            let (code, most_signatures, most_steps) = match defect {
                Defect::None => ("", 0, 0),
                Defect::Excluded => ("CS-2018", 0, 30),
                Defect::Expired => ("CS-2009", 0, 0),
                Defect::NoAnchor => ("CS-2006", 0, 30),
                Defect::NoPolicy => ("CS-2020", 0, certificates + 60),
                Defect::Signature => ("CS-2007", 1, levels + 90),
            };
            assert_eq!(kind.code(), code, "{context}");
            assert!(signatures <= most_signatures && steps <= most_steps, "{context}");
        }
    }
}

/// The steps of a small generator (Knuth's MMIX constants): tests have no random numbers.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for at in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(at, (state >> 33) as usize % (at + 1));
    }
}

#[test]
fn order_and_repetition_change_nothing() {
    for defect in [Defect::None].into_iter().chain(DEFECTS) {
        for mut scene in [mesh(4, defect), ladder(3, defect)] {
            let path = |scene: &Scene, outcome: Result<ValidatedPath, PathError>| {
                outcome.map(|path| {
                    path.intermediates().iter().map(|index| scene.untrusted[*index].clone()).collect::<Vec<_>>()
                })
            };
            let mut budget = Budget::default();
            let expected = path(&scene, scene.judge(&mut budget).0);
            for seed in 1..12 {
                let repeated = scene.untrusted[seed as usize % scene.untrusted.len()].clone();
                scene.untrusted.push(repeated);
                shuffle(&mut scene.untrusted, seed);
                let mut again = Budget::default();
                assert_eq!(path(&scene, scene.judge(&mut again).0), expected, "{defect:?} {seed}");
                assert_eq!((again.signatures, again.steps), (budget.signatures, budget.steps), "{defect:?} {seed}");
            }
        }
    }
}

#[test]
fn a_bad_signature_in_the_middle_is_gone_around() {
    let mut scene = ladder(4, Defect::None);
    // Level 2, left, by level 1, left and right: the shorter ways by both must be given up.
    for index in [6, 7] {
        *scene.untrusted[index].last_mut().unwrap() ^= 1;
    }
    let mut budget = Budget::default();
    let (outcome, attempts) = scene.judge(&mut budget);
    assert!(!outcome.unwrap().intermediates().iter().any(|index| [6, 7].contains(index)));
    assert!(attempts.iter().all(|attempt| attempt.error.kind == PathErrorKind::BadSignature), "{attempts:?}");
    for index in [8, 9] {
        *scene.untrusted[index].last_mut().unwrap() ^= 1;
    }
    let (outcome, attempts) = scene.judge(&mut budget);
    assert_eq!(outcome.unwrap_err().kind, PathErrorKind::BadSignature);
    assert_eq!(attempts.len(), 4);
    assert_eq!(attempts[0].certificates[0], Place::Anchor(0));
    assert_eq!(attempts[0].certificates.len(), 4);

    // Nothing below a damaged link is tried again under it.
    let mut scene = ladder(11, Defect::None);
    *scene.untrusted[0].last_mut().unwrap() ^= 1;
    let (outcome, signatures, steps) = scene.spend();
    assert!(outcome.is_ok() && signatures <= 2 + 12 && steps <= 2 * 12, "{signatures} {steps}");
}

/// The intermediates of the path that is found, nothing being wrong.
fn found(leaf: &Identity, untrusted: &[Vec<u8>], root: &Identity) -> Vec<usize> {
    let (leaf, anchor) = (leaf.certificate.clone(), root.certificate.clone());
    let scene = Scene { leaf, untrusted: untrusted.to_vec(), anchor, defect: Defect::None };
    scene.judge(&mut Budget::default()).0.unwrap().intermediates().to_vec()
}

#[test]
fn of_two_keys_of_an_issuer_either_may_have_signed() {
    let root = root(Defect::None);
    // Two that claim one key identifier.
    let claimed = Key::p256("claimed");
    let make = |name: &str, key: &str, issuer: &Identity, identifier: &Key| {
        let own = subject_key_identifier(if name == "CA" { &claimed } else { &issuer.key });
        let extensions = [ca(None), vec![own, authority_key_identifier(identifier)]].concat();
        Request { identifiers: false, ..Request::new(name, Key::p256(key), extensions) }.issued_by(issuer)
    };
    let issuers = ["one", "other"].map(|key| make("CA", key, &root, &root.key));
    let untrusted = issuers.each_ref().map(|issuer| issuer.certificate.clone()).to_vec();
    for (place, issuer) in issuers.iter().enumerate() {
        assert_eq!(found(&make("Leaf", "search leaf", issuer, &claimed), &untrusted, &root), [place]);
    }
}

#[test]
fn a_certificate_may_name_that_of_its_issuer_by_serial_number() {
    let root = root(Defect::None);
    let twins = ["One", "Other"].map(|label| {
        let request = Request::new(label, Key::p256("twin"), ca(None));
        Request { subject: distinguished_name("CA"), ..request }.issued_by(&root)
    });
    assert_ne!(twins[0].serial, twins[1].serial);
    let untrusted = twins.each_ref().map(|twin| twin.certificate.clone()).to_vec();
    for (place, twin) in twins.iter().enumerate() {
        let issuer = tlv(0xa1, &[&directory_name(&root.name)]);
        let named = [tlv(0x80, &[&key_identifier(&twin.key)]), issuer, tlv(0x82, &[&twin.serial[2..]])].concat();
        let extensions = vec![key_usage(DIGITAL_SIGNATURE), extension("2.5.29.35", false, &sequence(&[&named]))];
        let leaf = Request::new("Leaf", Key::p256("search leaf"), extensions);
        let leaf = Request { identifiers: false, ..leaf }.issued_by(twin);
        assert_eq!(found(&leaf, &untrusted, &root), [place]);
    }
}

#[test]
fn of_two_certificates_of_an_issuer_either_may_be_damaged() {
    let root = root(Defect::None);
    let above = Request::new("Above", Key::p256("above"), ca(None)).issued_by(&root);
    let twins = [None, Some(7)].map(|length| Request::new("CA", Key::p256("twin"), ca(length)).issued_by(&above));
    let leaf = Request::new("Leaf", Key::p256("search leaf"), vec![key_usage(DIGITAL_SIGNATURE)]).issued_by(&twins[0]);
    for damaged in [1, 2] {
        let mut untrusted = vec![above.certificate.clone()];
        untrusted.extend(twins.each_ref().map(|twin| twin.certificate.clone()));
        *untrusted[damaged].last_mut().unwrap() ^= 1;
        assert_eq!(found(&leaf, &untrusted, &root), [3 - damaged, 0]);
    }
}

/// CAs that state a policy, which is asked for, and one that states another: no path goes through it, but that is not
/// known from names.
struct Policied {
    certificates: Vec<Vec<u8>>,
}

impl Policied {
    const POLICY: &str = "1.3.6.1.4.1.32473.7.1";

    fn certify(&mut self, issuer: &Identity, name: &str) -> Identity {
        self.certify_for(issuer, name, Self::POLICY)
    }

    fn certify_for(&mut self, issuer: &Identity, name: &str, policy: &str) -> Identity {
        let extensions = [ca(None), vec![policies(&[policy])]].concat();
        let made = Request::new(name, Key::p256(name), extensions).issued_by(issuer);
        self.certificates.push(made.certificate.clone());
        made
    }

    fn leaf(issuer: &Identity) -> Vec<u8> {
        let extensions = vec![key_usage(DIGITAL_SIGNATURE), policies(&[Self::POLICY])];
        Request::new("Leaf", Key::p256("search leaf"), extensions).issued_by(issuer).certificate
    }

    /// A shorter way to the leaf, and a closed one.
    fn close(&mut self, issuer: &Identity, leaf_issuer: &str) {
        self.certify_for(issuer, leaf_issuer, "1.3.6.1.4.1.32473.7.2");
    }

    fn scene(self, leaf: Vec<u8>, root: &Identity) -> Scene {
        let anchor = root.certificate.clone();
        Scene { leaf, untrusted: self.certificates, anchor, defect: Defect::NoPolicy }
    }
}

#[test]
fn what_was_too_deep_is_tried_again_from_a_shorter_way() {
    let root = root(Defect::None);
    let mut made = Policied { certificates: Vec::new() };
    // What everybody seems to reach in two steps.
    let mut long = made.certify(&root, "Long");
    made.close(&long, "Tail 19");
    for number in 0..18 {
        long = made.certify(&long, &format!("Long {number}"));
    }
    let short = made.certify(&root, "Short");
    let gate = made.certify(&long, "Gate");
    made.certify(&short, "Gate");
    let between = made.certify(&gate, "Between");
    let mut tail = made.certify(&between, "Fork");
    made.close(&tail, "Tail 19");
    for number in 0..20 {
        tail = made.certify(&tail, &format!("Tail {number}"));
    }
    let (outcome, _, steps) = made.scene(Policied::leaf(&tail), &root).spend();
    assert_eq!(outcome.unwrap().intermediates().len(), 24);
    // The leaf, all 46 CAs, with Between and Fork once more, and no closed way twice.
    assert!(steps <= 1 + 46 + 2, "{steps}");
}

#[test]
fn a_ladder_that_is_too_long_costs_its_length() {
    let root = root(Defect::None);
    let mut made = Policied { certificates: Vec::new() };
    let mut above = ["Level 0 left", "Level 0 right"].map(|name| made.certify(&root, name));
    for level in 1..MAX_PATH_LENGTH + 2 {
        above = ["left", "right"].map(|side| {
            let name = format!("Level {level} {side}");
            let [twin, _] = above.each_ref().map(|issuer| made.certify(issuer, &name));
            made.close(&twin, "Last");
            twin
        });
    }
    let last = made.certify(&above[0], "Last");
    let count = made.certificates.len() as u32;
    let (outcome, signatures, steps) = made.scene(Policied::leaf(&last), &root).spend();
    assert_eq!(outcome.unwrap_err(), PathErrorKind::PolicyMissing);
    assert!(signatures == 0 && steps <= count, "{signatures} {steps} {count}");
}

#[test]
fn a_path_passes_an_entity_once() {
    let root = root(Defect::None);
    let make = |name: &str, key: &str, issuer: &Identity, identifiers: [Vec<u8>; 2]| {
        let extensions = [ca(None), identifiers.to_vec()].concat();
        Request { identifiers: false, ..Request::new(name, Key::p256(key), extensions) }.issued_by(issuer)
    };
    let [one, other] = ["one", "other"].map(Key::p256);
    let own = subject_key_identifier;
    let entity = make("Entity", "entity", &root, [own(&one), authority_key_identifier(&root.key)]);
    let between = make("Between", "between", &entity, [own(&Key::p256("between")), authority_key_identifier(&one)]);
    // The entity's second certificate, which alone has the identifier that the leaf names.
    let second =
        |issuer: &Identity| make("Entity", "entity", issuer, [own(&other), authority_key_identifier(&issuer.key)]);
    let leaf = make("Leaf", "search leaf", &entity, [own(&Key::p256("search leaf")), authority_key_identifier(&other)]);
    for (issuer, outcome) in [(&root, Ok(())), (&between, Err(PathErrorKind::NoPath))] {
        let untrusted = [&entity, &between, &second(issuer)].map(|identity| identity.certificate.clone()).to_vec();
        let (leaf, anchor) = (leaf.certificate.clone(), root.certificate.clone());
        let scene = Scene { leaf, untrusted, anchor, defect: Defect::None };
        assert_eq!(scene.spend().0.map(|_| ()), outcome);
    }
}

#[test]
fn the_limits_are_where_they_say() {
    let longest = ladder(MAX_PATH_LENGTH - 1, Defect::None);
    assert_eq!(longest.spend().0.unwrap().intermediates().len(), MAX_PATH_LENGTH - 1);
    assert_eq!(ladder(MAX_PATH_LENGTH, Defect::None).spend().0.unwrap_err(), PathErrorKind::NoPath);

    let mut many = ladder(1, Defect::None);
    many.untrusted.resize(MAX_UNTRUSTED, many.untrusted[0].clone());
    assert!(many.spend().0.is_ok());
    many.untrusted.push(many.untrusted[0].clone());
    assert_eq!(many.spend().0.unwrap_err(), PathErrorKind::BudgetExhausted);

    let scene = ladder(3, Defect::None);
    for (signatures, steps, enough) in [(4, 4, true), (3, 4, false), (4, 3, false)] {
        let outcome = scene.judge(&mut Budget { signatures, steps }).0;
        assert_eq!(outcome.map_err(|error| error.kind).is_ok(), enough);
    }
}

#[test]
fn attempts_tell_each_step_and_are_bounded() {
    // A hundred CAs of one name and another key each, and a leaf that none of them signed.
    let root = root(Defect::None);
    let name = "One name";
    let named = Request::new(name, Key::p256("named"), ca(None)).issued_by(&root);
    let untrusted: Vec<Vec<u8>> = (0..100)
        .map(|number| {
            Request::new(name, Key::p256(&format!("{number}")), ca(Some(number))).issued_by(&root).certificate
        })
        .collect();
    let mut request = Request::new("Leaf", Key::p256("search leaf"), vec![key_usage(DIGITAL_SIGNATURE)]);
    request.extensions.push(authority_key_identifier(&named.key));
    let other = request.issued_by(&named).certificate;
    let scene = Scene { leaf: other, untrusted, anchor: root.certificate.clone(), defect: Defect::None };
    // The key identifiers rule every one of them out.
    assert_eq!(scene.spend().0.unwrap_err(), PathErrorKind::NoPath);

    let request = Request::new("Leaf", Key::p256("search leaf"), vec![key_usage(DIGITAL_SIGNATURE)]);
    let no_identifier = Request { identifiers: false, ..request }.issued_by(&named).certificate;
    let (outcome, attempts) = Scene { leaf: no_identifier, ..scene }.judge(&mut Budget::default());
    assert_eq!(outcome.unwrap_err().kind.code(), "CS-2016");
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].certificates, [Place::Leaf]);

    let mut scene = ladder(2, Defect::NoPolicy);
    scene.untrusted.truncate(0);
    for number in 0..100 {
        let name = "Level 1 left";
        let policies = policies(&[&format!("1.2.{number}")]);
        let key = Key::p256("Level 1 left");
        let extensions = [ca(None), vec![policies]].concat();
        scene.untrusted.push(Request::new(name, key, extensions).issued_by(&root).certificate);
    }
    let (outcome, attempts) = scene.judge(&mut Budget::default());
    assert_eq!(outcome.unwrap_err().kind, PathErrorKind::PolicyMissing);
    assert_eq!(attempts.len(), MAX_ATTEMPTS);
    assert!(attempts.iter().all(|attempt| attempt.certificates.len() == 3));
}

#[test]
fn of_several_failures_the_first_that_says_most_is_told() {
    let root = root(Defect::None);
    let request = |extensions| Request::new("CA", Key::p256("failing"), extensions);
    let expired = Request { not_after: "2026-02-01T00:00:00Z", ..request(ca(None)) }.issued_by(&root);
    let no_ca = request(vec![key_usage(DIGITAL_SIGNATURE)]).issued_by(&root);
    let mut damaged = request(ca(None)).issued_by(&root).certificate;
    *damaged.last_mut().unwrap() ^= 1;
    let leaf = Request::new("Leaf", Key::p256("search leaf"), vec![key_usage(DIGITAL_SIGNATURE)]).issued_by(&expired);
    let untrusted = vec![expired.certificate, no_ca.certificate, damaged];
    let scene = Scene { leaf: leaf.certificate, untrusted, anchor: root.certificate, defect: Defect::None };
    let (outcome, attempts) = scene.judge(&mut Budget::default());
    let [first, second, last] = &attempts[..] else { panic!("{attempts:?}") };
    assert_ne!(first.error.kind, second.error.kind);
    assert_eq!(last.error.kind, PathErrorKind::BadSignature);
    assert_eq!(outcome.unwrap_err(), first.error);
}

#[test]
fn the_anchor_may_be_the_leaf() {
    let root = root(Defect::None);
    let certificate = Certificate::from_der(&root.certificate).unwrap();
    let rules = PathRules::at("2026-06-01T00:00:00Z".parse().unwrap());
    let anchor = [certificate.clone()];
    let path = validate_path(&certificate, &[], &anchor, &rules, &mut Budget::default()).unwrap();
    assert!(path.intermediates().is_empty());
    // Nor does it have to name its own key as its issuer's.
    let key = Key::p256("search root");
    let extensions = [ca(None), vec![subject_key_identifier(&key)]].concat();
    let bare = Request { identifiers: false, ..Request::new("Bare", key, extensions) }.self_signed();
    let certificate = Certificate::from_der(&bare.certificate).unwrap();
    let anchor = [certificate.clone()];
    assert!(validate_path(&certificate, &[], &anchor, &rules, &mut Budget::default()).is_ok());
}
