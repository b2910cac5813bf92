//! The search for a path: meshes and ladders of CAs cost what they must and no more, whichever way they end, and
//! neither order nor repetition of the untrusted certificates changes the answer.

#![allow(clippy::unwrap_used)]

mod scenes;

use countersign_pki::{
    Attempt, Budget, Certificate, MAX_ATTEMPTS, MAX_PATH_LENGTH, MAX_UNTRUSTED, PathError, PathErrorKind, PathRules,
    Place, ValidatedPath, explain_path, validate_path,
};
use countersign_testpki::{
    Key, Request,
    certificates::{DIGITAL_SIGNATURE, authority_key_identifier, ca, key_usage},
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
        assert!(steps <= 3 + 30, "{size}: {steps}");
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
        let policies = countersign_testpki::certificates::policies(&[&format!("1.2.{number}")]);
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
fn the_anchor_may_be_the_leaf() {
    let root = root(Defect::None);
    let certificate = Certificate::from_der(&root.certificate).unwrap();
    let rules = PathRules::at("2026-06-01T00:00:00Z".parse().unwrap());
    let anchor = [certificate.clone()];
    let path = validate_path(&certificate, &[], &anchor, &rules, &mut Budget::default()).unwrap();
    assert!(path.intermediates().is_empty());
}
