//! `path`, on certificates that openssl made, with the verdicts of `openssl verify` beside it.

use crate::support::Site;
use countersign_verifier::Exit;
use serde_json::Value;
use std::process::Command;

/// A root, a CA below it with name constraints and a policy, and what it certified: a good leaf, one that is revoked, one
/// whose name is not permitted, one without the policy, and the CA's revocation list.
const SCRIPT: &str = r#"
set -eu
cat > ca.cnf <<'END'
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = issuing
[issuing]
database = index.txt
new_certs_dir = .
serial = serial
crlnumber = crlnumber
default_md = sha256
policy = any
default_days = 365
default_crl_days = 30
unique_subject = no
certificate = issuing.pem
private_key = issuing.key
crl_extensions = list
[any]
commonName = supplied
[list]
authorityKeyIdentifier = keyid
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing-ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;DNS:example.org
certificatePolicies = 1.3.6.1.4.1.32473.7.1
[leaf]
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 1.3.6.1.4.1.32473.7.1
subjectAltName = DNS:panel.example.org
[outside]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 1.3.6.1.4.1.32473.7.1
subjectAltName = DNS:panel.example.net
[without-policy]
keyUsage = critical,keyEncipherment
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:panel.example.org
END
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
key root; key issuing; key leaf
openssl req -x509 -new -config ca.cnf -extensions root -key root.key -days 3650 -subj "/CN=Path Root" -out root.pem
openssl req -new -config ca.cnf -key issuing.key -subj "/CN=Path Issuing" -out issuing.csr
openssl x509 -req -in issuing.csr -CA root.pem -CAkey root.key -days 1825 -extfile ca.cnf -extensions issuing-ca \
    -set_serial 4660 -out issuing.pem
: > index.txt; echo 1000 > serial; echo 07 > crlnumber
for name in leaf revoked outside without-policy; do
    section=$name; [ $name = revoked ] && section=leaf
    openssl req -new -config ca.cnf -key leaf.key -subj "/CN=Path $name" -out $name.csr
    openssl ca -batch -notext -config ca.cnf -extfile ca.cnf -extensions $section -in $name.csr -out $name.pem
done
openssl ca -config ca.cnf -revoke revoked.pem -crl_reason keyCompromise
openssl ca -config ca.cnf -gencrl -out issuing.crl
"#;

const POLICY: &str = "1.3.6.1.4.1.32473.7.1";
const OTHER_POLICY: &str = "1.3.6.1.4.1.32473.7.2";

fn site() -> Site {
    let site = Site::new();
    let output = Command::new("sh").args(["-c", SCRIPT]).current_dir(site.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site
}

fn line<'l>(leaf: &'l str, words: &[&'l str], root: &'l str, issuing: &'l str) -> Vec<&'l str> {
    [&["path", leaf, "--untrusted", issuing, "--anchors", root], words].concat()
}

/// What the command says of a leaf, as JSON.
fn path(site: &mut Site, leaf: &str, words: &[&str]) -> (Exit, Value) {
    let [leaf, root, issuing] =
        [leaf, "root.pem", "issuing.pem"].map(|name| site.path(name).to_str().unwrap().to_owned());
    let before = site.stored();
    let said = site.json(&line(&leaf, words, &root, &issuing));
    assert_eq!(site.stored(), before);
    said
}

/// Whether openssl finds the path valid.
fn openssl(site: &Site, leaf: &str, words: &[&str]) -> bool {
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuing.pem"]).args(words).arg(leaf);
    command.current_dir(site.path("")).output().unwrap().status.success()
}

/// A leaf, the words for the command, those for openssl, and the code where it is refused.
type Case<'c> = (&'c str, &'c [&'c str], &'c [&'c str], Option<&'c str>);

#[test]
fn verdicts_are_those_of_openssl() {
    let mut site = site();
    let crl = site.path("issuing.crl").to_str().unwrap().to_owned();
    let late = countersign::now().unwrap().plus(500 * 86_400);
    let (late_seconds, late) = (late.unix().to_string(), late.to_string());
    let early = "2020-01-01";
    let none: &[&str] = &[];
    let checked: &[&str] = &["--crl", &crl];
    let openssl_checked: &[&str] = &["-crl_check", "-CRLfile", "issuing.crl"];
    let cases: &[Case<'_>] = &[
        ("leaf.pem", none, none, None),
        ("leaf.pem", &["--at", &late], &["-attime", &late_seconds], Some("CS-2009")),
        ("leaf.pem", &["--at", early], &["-attime", "1577836800"], Some("CS-2008")),
        ("leaf.pem", checked, openssl_checked, None),
        ("revoked.pem", none, none, None),
        ("revoked.pem", checked, openssl_checked, Some("CS-2035")),
        ("outside.pem", none, none, Some("CS-2017")),
        ("without-policy.pem", none, none, None),
        ("without-policy.pem", &["--explicit-policy"], &["-policy_check", "-explicit_policy"], Some("CS-2020")),
        (
            "leaf.pem",
            &["--explicit-policy", "--policy", POLICY],
            &["-policy_check", "-explicit_policy", "-policy", POLICY],
            None,
        ),
        (
            "leaf.pem",
            &["--explicit-policy", "--policy", OTHER_POLICY],
            &["-policy_check", "-explicit_policy", "-policy", OTHER_POLICY],
            Some("CS-2020"),
        ),
    ];
    for (leaf, words, openssl_words, code) in cases {
        let (exit, said) = path(&mut site, leaf, words);
        assert_eq!(said["reason"]["code"].as_str(), *code, "{leaf} {words:?}: {said}");
        assert_eq!((exit == Exit::Done, said["valid"] == true), (code.is_none(), code.is_none()));
        assert_eq!(openssl(&site, leaf, openssl_words), code.is_none(), "openssl: {leaf} {openssl_words:?}");
        assert_eq!(said["reason"]["section"].is_string(), code.is_some());
        assert_eq!(said["attempts"].as_array().unwrap().is_empty(), code.is_none());
    }
}

#[test]
fn every_step_is_told() {
    let mut site = site();
    let crl = site.path("issuing.crl").to_str().unwrap().to_owned();
    let words = ["--crl", &crl, "--signing", "--eku", "1.3.6.1.5.5.7.3.2", "--current-lists"];
    let (exit, said) = path(&mut site, "leaf.pem", &words);
    assert_eq!(exit, Exit::Done, "{said}");
    let subjects: Vec<_> =
        said["path"].as_array().unwrap().iter().map(|step| step["certificate"]["subject"].clone()).collect();
    assert_eq!(subjects, ["CN=Path Root", "CN=Path Issuing", "CN=Path leaf"]);
    assert_eq!(said["lists"][0]["number"], "7");
    assert_eq!(said["policies"]["named"][0], POLICY);

    let [leaf, root, issuing] =
        ["leaf.pem", "root.pem", "issuing.pem"].map(|name| site.path(name).to_str().unwrap().to_owned());
    let text = site.run(&line(&leaf, &words, &root, &issuing)).output;
    for said in [
        "a valid path of 2 certificates below the anchor",
        "1  CN=Path Issuing",
        "keyCertSign (6.1.4 n)",
        "policy 1.3.6.1.4.1.32473.7.1",
        "7 of CN=Path Issuing",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // A refusal tells the ways that were tried, from the anchor down.
    let outside = site.path("outside.pem").to_str().unwrap().to_owned();
    let said = site.run(&line(&outside, &[], &root, &issuing));
    assert!(said.output.contains("tried: CN=Path Root > CN=Path Issuing > CN=Path outside"), "{}", said.output);
    assert!(said.output.contains("[CS-2017, RFC 5280 section 6.1.3 (b)]"), "{}", said.output);
    assert!(said.notes.contains("next: "), "{}", said.notes);
}

#[test]
fn what_is_asked_for_is_held_to() {
    let mut site = site();
    let crl = site.path("issuing.crl").to_str().unwrap().to_owned();
    let code = |site: &mut Site, leaf: &str, words: &[&str]| {
        path(site, leaf, words).1["reason"]["code"].as_str().map(str::to_owned)
    };
    assert_eq!(code(&mut site, "leaf.pem", &["--require-revocation"]).as_deref(), Some("CS-2037"));
    // The list of the issuing CA says nothing of that CA itself.
    assert_eq!(code(&mut site, "leaf.pem", &["--require-revocation", "--crl", &crl]).as_deref(), Some("CS-2037"));
    assert_eq!(code(&mut site, "without-policy.pem", &["--signing"]).as_deref(), Some("CS-2013"));
    assert_eq!(code(&mut site, "leaf.pem", &["--eku", "1.3.6.1.5.5.7.3.1"]).as_deref(), Some("CS-2014"));
    let root = site.path("root.pem").to_str().unwrap().to_owned();
    let leaf = site.path("leaf.pem").to_str().unwrap().to_owned();
    let (_, said) = site.json(&["path", &leaf, "--anchors", &root]);
    assert_eq!(said["reason"]["code"], "CS-2006");
    // The chain may come in the leaf's own file, and everything as DER.
    let chain = ["leaf.pem", "issuing.pem"].map(|name| std::fs::read(site.path(name)).unwrap()).concat();
    let chain = site.file("chain.pem", &chain).to_str().unwrap().to_owned();
    assert_eq!(site.json(&["path", &chain, "--anchors", &root]).0, Exit::Done);
    // More certificates than a search takes on.
    let many = std::fs::read(site.path("issuing.pem")).unwrap().repeat(32);
    let many = site.file("many.pem", &many).to_str().unwrap().to_owned();
    let many: Vec<&str> = ["--untrusted", &many].repeat(17);
    assert_eq!(code(&mut site, "leaf.pem", &many).as_deref(), Some("CS-2015"));
    assert_eq!(site.code(&["path", "/nowhere", "--anchors", &root]), (Exit::System, "CS-8002".to_owned()));
    assert_eq!(site.code(&["path", &leaf, "--anchors", &root, "--crl", &leaf]).1, "CS-1002");
    assert_eq!(site.code(&["path", &leaf]).0, Exit::Usage);
}
