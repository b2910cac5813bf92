//! A time-stamping authority: CA, certificate and answers by the `openssl` command.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;

/// An authority in a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
    /// DER of its root.
    pub(crate) anchor: Vec<u8>,
}

impl Authority {
    /// With keys that `openssl req -newkey` knows by these words, one CA between the root and the authority.
    pub(crate) fn new(new_key: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("req.cnf", "[req]\ndistinguished_name = dn\n[dn]\n");
        let ca = "basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n";
        write("ca.cnf", ca);
        let stamping = "keyUsage = critical,digitalSignature\nextendedKeyUsage = critical,timeStamping\n";
        write("tsa.cnf", &format!("{stamping}subjectAltName = DNS:stamp.example.org\n"));
        let run = |arguments: &[&str]| openssl(folder.path(), arguments);
        for name in ["root", "ca", "tsa"] {
            let subject = format!("/O=Example Stamps/CN={name}");
            let common = ["req", "-new", "-config", "req.cnf", "-nodes", "-subj", &subject];
            let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
            run(&[&common[..], &["-keyout", &key, "-out", &csr], new_key].concat());
        }
        run(&["x509", "-req", "-in", "root.csr", "-key", "root.key", "-extfile", "ca.cnf", "-out", "root.pem"]);
        let issue = |name: &str, issuer: &str, extensions: &str| {
            let [csr, pem, ca, key] = [(name, "csr"), (name, "pem"), (issuer, "pem"), (issuer, "key")]
                .map(|(name, end)| format!("{name}.{end}"));
            let common = ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &key, "-set_serial", "4242"];
            run(&[&common[..], &["-extfile", extensions, "-out", &pem]].concat());
        };
        issue("ca", "root", "ca.cnf");
        issue("tsa", "ca", "tsa.cnf");
        run(&["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"]);
        let anchor = fs::read(folder.path().join("root.der")).unwrap();
        Self { folder, anchor }
    }

    /// With keys on P-256.
    pub(crate) fn p256() -> Self {
        Self::new(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// Answers a query as [`Self::configured`] says, with nothing changed.
    pub(crate) fn answer(&self, query: &[u8]) -> Vec<u8> {
        self.configured(query, |_| {}, &[])
    }

    /// Answers a query: the lines of the configuration may be changed, and arguments added.
    pub(crate) fn configured(
        &self,
        query: &[u8],
        change: impl FnOnce(&mut Vec<(&'static str, &'static str)>),
        more: &[&str],
    ) -> Vec<u8> {
        let mut lines = vec![
            ("serial", "serial"),
            ("signer_cert", "tsa.pem"),
            ("signer_key", "tsa.key"),
            ("certs", "ca.pem"),
            ("signer_digest", "sha256"),
            ("default_policy", "1.3.6.1.4.1.32473.9.1"),
            ("digests", "sha256"),
            ("accuracy", "secs:1, millisecs:500, microsecs:100"),
            ("clock_precision_digits", "6"),
            ("ordering", "yes"),
            ("tsa_name", "yes"),
            ("ess_cert_id_chain", "yes"),
            ("ess_cert_id_alg", "sha256"),
        ];
        change(&mut lines);
        let lines: String = lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        self.write("ts.cnf", format!("[tsa]\ndefault_tsa = stamp\n[stamp]\n{lines}").as_bytes());
        self.write("query.tsq", query);
        let arguments = ["ts", "-reply", "-config", "ts.cnf", "-queryfile", "query.tsq", "-out", "answer.tsr"];
        openssl(self.folder.path(), &[&arguments[..], more].concat());
        fs::read(self.folder.path().join("answer.tsr")).unwrap()
    }

    /// What `openssl ts -query` makes of a query in words.
    pub(crate) fn read_query(&self, query: &[u8]) -> String {
        self.write("query.tsq", query);
        let output = openssl(self.folder.path(), &["ts", "-query", "-in", "query.tsq", "-text"]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether `openssl ts -verify` accepts an answer to a query.
    pub(crate) fn verifies(&self, query: &[u8], answer: &[u8]) -> bool {
        self.write("query.tsq", query);
        self.write("answer.tsr", answer);
        let arguments = ["ts", "-verify", "-queryfile", "query.tsq", "-in", "answer.tsr", "-CAfile", "root.pem"];
        command(self.folder.path(), &[&arguments[..], &["-untrusted", "ca.pem"]].concat()).status.success()
    }

    fn write(&self, name: &str, octets: &[u8]) {
        fs::write(self.folder.path().join(name), octets).unwrap();
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    let output = command(folder, arguments);
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    // The system's own configuration must not speak into this one.
    let mut openssl = Command::new("openssl");
    openssl.args(arguments).current_dir(folder).env("OPENSSL_CONF", "/dev/null").output().unwrap()
}
