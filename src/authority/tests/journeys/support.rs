//! An authority in a folder of its own, and the command that works with it.

use countersign_common::{
    Anchors, Certificate, ComponentFact, ComponentKind, MachineFacts, NO_LISTS, SignatureAlgorithm, SignedObject,
    SigningRequest, Slot, VerifiedToken, decode_certificates, decode_object, encode_object, oid,
};
use countersign_testkit::{Output, Postgres, Run};
use der::Encode;
use pkcs8::DecodePrivateKey;
use signature::hazmat::PrehashSigner;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse battery";
/// Of the ledger signer.
pub(crate) const LEDGER_PASSPHRASE: &str = "quite another staple";

/// A folder to work in; the authority in it is called `authority`.
pub(crate) struct Desk {
    folder: TempDir,
    /// The database with the ledger, where that is on a server.
    database: Option<String>,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), database: None }
    }

    /// With an authority, all its keys of one kind.
    pub(crate) fn founded(algorithm: &str) -> Self {
        let desk = Self::new();
        desk.with_passphrase(&["init", "--organization", "Example Works", "--algorithm", algorithm]).expect_code(0);
        desk
    }

    /// With an authority whose ledger is on a server.
    pub(crate) fn founded_on_server(algorithm: &str) -> Self {
        let server = Postgres::shared();
        let desk = Self { database: Some(server.database()), ..Self::new() };
        let url = desk.url("owner");
        let init = ["init", "--organization", "Example Works", "--algorithm", algorithm, "--ledger", &url];
        desk.with_passphrase(&init).expect_code(0);
        desk
    }

    /// One whose ledger is in a file, and one whose ledger is on a server.
    pub(crate) fn founded_each(algorithm: &str) -> [Self; 2] {
        [Self::founded(algorithm), Self::founded_on_server(algorithm)]
    }

    /// The database with the ledger.
    pub(crate) fn database(&self) -> &str {
        self.database.as_deref().expect("a ledger on a server")
    }

    /// The URL of that database for a role.
    pub(crate) fn url(&self, role: &str) -> String {
        Postgres::shared().url(role, self.database())
    }

    /// The command, built beside this test as an example.
    pub(crate) fn program() -> PathBuf {
        let test = std::env::current_exe().expect("this test's file");
        let built = test.parent().and_then(Path::parent).expect("the folder of builds").join("examples/authority");
        assert!(built.is_file(), "no {}: run the tests with cargo test, which builds examples", built.display());
        built
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// The ledger's file, with all that was entered.
    pub(crate) fn ledger(&self) -> Vec<u8> {
        // Whoever closes it last writes the log back into the file.
        let connection = rusqlite::Connection::open(self.path("authority/ledger.sqlite")).expect("the ledger");
        connection.query_row("SELECT count(*) FROM entries", [], |_| Ok(())).expect("entries");
        connection.close().expect("no statement");
        assert!(!self.path("authority/ledger.sqlite-wal").exists());
        self.read("authority/ledger.sqlite")
    }

    /// Puts another file in the place of the ledger's.
    pub(crate) fn replace_ledger(&self, octets: &[u8]) {
        self.ledger();
        self.write("authority/ledger.sqlite", octets);
    }

    /// The command in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Run {
        Run::new(Self::program()).args(args).directory(self.folder.path())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output()
    }

    /// With the right passphrase in descriptor 3, and that of the ledger signer in 4.
    pub(crate) fn with_passphrase(&self, args: &[&str]) -> Output {
        let descriptors = ["--passphrase-fd", "3", "--ledger-passphrase-fd", "4"];
        self.command(args).args(descriptors).pipe(3, format!("{PASSPHRASE}\n")).file(4, LEDGER_PASSPHRASE).output()
    }

    pub(crate) fn openssl(&self, args: &[&str]) -> Output {
        Run::new("openssl").args(args).directory(self.folder.path()).output()
    }

    /// Everything in the folder with its content; of the ledger what was done, without what was refused.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        if self.database.is_some() && self.path("authority").exists() {
            files.insert(self.path("the ledger"), self.entries_of("authority", false).join("\n").into_bytes());
        }
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.ends_with("ledger.sqlite") {
                    let home = path.parent().and_then(Path::to_str).expect("a folder");
                    files.insert(path.clone(), self.entries_of(home, false).join("\n").into_bytes());
                } else if !path.to_string_lossy().contains("ledger.sqlite-") {
                    files.insert(path.clone(), fs::read(&path).expect("a file"));
                }
            }
        }
        files
    }

    /// How many entries the ledger has of what was done.
    pub(crate) fn entries(&self) -> usize {
        self.entries_of("authority", false).len()
    }

    /// What the ledger says was refused, and why: command, code and about what.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let said = |line: &String| {
            Some(line.split_once("  refused            ")?.1.split_once(", asked for by ")?.0.to_owned())
        };
        self.entries_of("authority", true).iter().map(|line| said(line).expect("a refusal")).collect()
    }

    /// The ledger's lines, either of what was refused or of all else.
    fn entries_of(&self, home: &str, refused: bool) -> Vec<String> {
        let list = self.run(&["--home", home, "ledger", "list"]);
        let of_kind = |line: &&str| line.contains("Z  refused  ") == refused;
        list.stdout_text().lines().filter(of_kind).map(str::to_owned).collect()
    }
}

/// The arguments of a token without anything special.
pub(crate) fn plain_token<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let plain = ["issue", "--customer", "acme", "--customer-name", "Acme Power", "--product", "control-room"];
    [&plain[..], &["--activate-within", "30d"], more].concat()
}

#[track_caller]
pub(crate) fn expect_said(output: &Output, words: &[&str]) {
    let said = output.stderr_text() + &output.stdout_text();
    for word in words {
        assert!(said.contains(word), "expected {word:?}\n{output}");
    }
    let secret = [PASSPHRASE, LEDGER_PASSPHRASE].iter().any(|secret| said.contains(secret));
    assert!(!secret, "a passphrase is shown\n{output}");
}

impl Desk {
    /// As [`Desk::snapshot`], for a folder with a link that leads nowhere.
    pub(crate) fn snapshot_without_link(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let link = self.path("link.pem");
        fs::remove_file(&link).expect("the link, not replaced by a file");
        let snapshot = self.snapshot();
        std::os::unix::fs::symlink("nowhere", &link).expect("a link");
        snapshot
    }
}

/// Somebody with a certificate and its key.
pub(crate) struct Holder {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: p256::ecdsa::SigningKey,
}

impl Holder {
    /// Certified by the holder root of a desk, by OpenSSL, in the file `NAME.pem`.
    pub(crate) fn of(desk: &Desk, name: &str) -> Self {
        let (subject, password) = (format!("/CN={name}"), format!("pass:{PASSPHRASE}"));
        let file = |end: &str| format!("{name}.{end}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject];
        let (key, request, certificate) = (file("key"), file("csr"), file("pem"));
        desk.openssl(&[&["req", "-new", "-keyout", &key, "-out", &request][..], &curve].concat()).expect_code(0);
        desk.write("extensions", "keyUsage=critical,digitalSignature\nauthorityKeyIdentifier=keyid\n");
        let signed_with =
            decode_certificates(&desk.read("authority/holder-root.pem")).expect("a certificate").remove(0);
        let signed_with = Certificate::from_der(&signed_with).expect("a certificate");
        let kind = signed_with.public_key().expect("a key").kind().to_string();
        let hash = if kind.contains("384") { "-sha384" } else { "-sha256" };
        let root = [hash, "-CA", "authority/holder-root.pem", "-CAkey", "authority/keys/holder-root.key.pem"];
        let rest = ["-passin", &password, "-extfile", "extensions", "-days", "30", "-out", &certificate];
        desk.openssl(&[&["x509", "-req", "-in", &request][..], &root, &rest].concat()).expect_code(0);
        let key = String::from_utf8(desk.read(&key)).expect("text");
        Self {
            certificate: decode_certificates(&desk.read(&certificate)).expect("a certificate").remove(0),
            key: p256::ecdsa::SigningKey::from_pkcs8_pem(&key).expect("a key"),
        }
    }

    /// The record of a machine with this machine-id, activated as early as the token allows.
    pub(crate) fn record(&self, desk: &Desk, token: &str, machine_id: &str) -> Vec<u8> {
        let holder = Certificate::from_der(&self.certificate).expect("a certificate");
        let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("an anchor").remove(0);
        let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
        let token = desk.read(token);
        let token = decode_object(&token).expect("a token");
        let object = SignedObject::from_der(&token).expect("a token");
        let verified = VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token");
        let facts = |value: &str| ComponentFact::Values(vec![value.to_owned()]);
        let machine = MachineFacts {
            components: vec![(ComponentKind::MachineId, facts(machine_id)), (ComponentKind::DiskSerial, facts("d"))],
            virtualization: None,
        };
        let time = holder.not_before().max(verified.issued());
        let admission =
            verified.admit(&holder, &[], Slot::Signature, time, &anchors, &NO_LISTS).expect("an admitted holder");
        let challenge = verified.challenge(&admission, time, [9; 32], &machine, &NO_LISTS, None);
        let content = challenge.to_der().expect("DER");
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        let request =
            SigningRequest::new(oid::CONTENT_CHALLENGE, &content, &holder, algorithm, time).expect("a request");
        let signature: p256::ecdsa::DerSignature =
            self.key.sign_prehash(&algorithm.signer_input(request.message())).expect("a signature");
        request.finish(signature.as_bytes(), &[], Some(&token)).expect("a record")
    }

    /// The same, written to a file.
    pub(crate) fn write_record(&self, desk: &Desk, token: &str, machine_id: &str, file: &str) -> Vec<u8> {
        let record = self.record(desk, token, machine_id);
        desk.write(file, encode_object(&record));
        record
    }
}
