//! NIST PKITS, the field's conformance suite for RFC 5280: every case, each for its own reason.
//!
//! cases.tsv states for each of the 249 cases (224 tests, some with several policy inputs) what is expected: `valid`
//! with the policies of the user-constrained set, or the code of the refusal. The certificates and lists are those of the
//! PyPI package `cryptography_vectors`, which `make test` fetches.

#![allow(clippy::unwrap_used)]

use countersign_pki::{
    Budget, Certificate, PathError, PathRules, PolicyRules, PolicySet, RevocationList, RevocationRules, Time,
    validate_path,
};
use der::asn1::ObjectIdentifier;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

const CASES: &str = include_str!("cases.tsv");
/// A time at which the suite's certificates and lists are current.
const AT: &str = "2011-04-15T00:00:00Z";
const ANY_POLICY: &str = "2.5.29.32.0";
/// Valid but for their algorithm: DSA, which is not allowed here.
const DSA: [&str; 2] = ["4.1.4", "4.1.5"];

struct Case<'t> {
    id: &'t str,
    expect: &'t str,
    policies: &'t str,
    initial: &'t str,
    inputs: &'t str,
    certificates: Vec<&'t str>,
    lists: Vec<&'t str>,
}

/// The folder of the suite.
fn folder() -> PathBuf {
    let within = "cryptography_vectors/x509/PKITS_data";
    let stated = std::env::var_os("COUNTERSIGN_PKITS").filter(|stated| !stated.is_empty()).map(PathBuf::from);
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python-venv/lib");
    let usual = || {
        let versions = fs::read_dir(&library).into_iter().flatten().flatten();
        versions.map(|version| version.path().join("site-packages").join(within)).find(|folder| folder.is_dir())
    };
    let folder = stated.or_else(usual).filter(|folder| folder.join("certs").is_dir());
    folder.expect("no PKITS: run tests/python/venv.sh, or set COUNTERSIGN_PKITS to the folder PKITS_data")
}

/// The suite's test policies 1 to 10, `any` for anyPolicy, `-` for none.
fn policies(text: &str) -> Vec<ObjectIdentifier> {
    let policy = |name: &str| match name {
        "any" => ANY_POLICY.parse().unwrap(),
        number => format!("2.16.840.1.101.3.2.1.48.{number}").parse().unwrap(),
    };
    text.split(' ').filter(|name| *name != "-").map(policy).collect()
}

fn cases() -> Vec<Case<'static>> {
    let read = |line: &'static str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [id, expect, policies, initial, inputs, certificates, lists] = fields[..] else { panic!("{line}") };
        let names = |text: &'static str| text.split(' ').collect();
        Case { id, expect, policies, initial, inputs, certificates: names(certificates), lists: names(lists) }
    };
    CASES.lines().filter(|line| !line.starts_with('#')).map(read).collect()
}

fn judge(case: &Case<'_>, folder: &Path) -> Result<PolicySet, PathError> {
    let read = |name: &&str| fs::read(folder.join("certs").join(format!("{name}.crt"))).unwrap();
    let anchor = read(&"TrustAnchorRootCertificate");
    let certificates: Vec<Vec<u8>> = case.certificates.iter().map(read).collect();
    let mut parsed: Vec<_> = certificates.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>()?;
    let leaf = parsed.pop().unwrap();
    let anchors = [Certificate::from_der(&anchor)?];
    let at: Time = AT.parse().unwrap();
    let lists: Vec<Vec<u8>> =
        case.lists.iter().map(|name| fs::read(folder.join("crls").join(format!("{name}.crl"))).unwrap()).collect();
    // A list that cannot be read in full must not be used; the others still count.
    let lists: Vec<_> = lists.iter().filter_map(|der| RevocationList::from_der(der).ok()).collect();
    let rules = PathRules {
        policies: PolicyRules {
            initial: policies(case.initial),
            explicit: case.inputs.contains("explicit"),
            inhibit_mapping: case.inputs.contains("inhibit-mapping"),
            inhibit_any: case.inputs.contains("inhibit-any"),
        },
        revocation: Some(RevocationRules { lists: &lists, required: true, current_at: Some(at), dated: false }),
        ..PathRules::at(at)
    };
    let path = validate_path(&leaf, &parsed, &anchors, &rules, &mut Budget::default())?;
    Ok(path.policies().clone())
}

/// What is wrong with the outcome of a case.
fn fault(case: &Case<'_>, outcome: &Result<PolicySet, PathError>) -> Option<String> {
    match outcome {
        Ok(set) => {
            let mut named = set.named().to_vec();
            named.extend(set.any().then(|| ANY_POLICY.parse::<ObjectIdentifier>().unwrap()));
            let expected = policies(case.policies);
            (case.expect != "valid" || named != expected).then(|| format!("accepted with {named:?}"))
        }
        Err(error) => {
            (case.expect != error.kind.code()).then(|| format!("refused with {}: {error}", error.kind.code()))
        }
    }
}

#[test]
fn all_249_cases() {
    let folder = folder();
    let cases = cases();
    assert_eq!(cases.len(), 249);
    let lost: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let fault = fault(case, &judge(case, &folder))?;
            Some(format!("{} expects {}, {fault}", case.id, case.expect))
        })
        .collect();
    let kept = cases.len() - lost.len();
    // Past the harness, which keeps what a passing test prints.
    let mut err = std::io::stderr();
    writeln!(
        err,
        "PKITS: {kept} of {} cases as expected ({} valid but for DSA, which is not allowed: {})",
        cases.len(),
        DSA.len(),
        DSA.join(", ")
    )
    .unwrap();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
