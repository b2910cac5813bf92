//! A ledger on another machine, which is reached by TLS and by nothing else.

use crate::support::{Desk, expect_said, plain_token};
use countersign_testkit::{Output, Postgres, ServerTls};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    thread,
};

/// What the server's certificate says that it is.
const NAME: &str = "ledger.example.com";

/// A certificate authority: `NAME.pem` and `NAME.key`.
fn certificate_authority(desk: &Desk, name: &str) {
    let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject];
    desk.openssl(&[&["req", "-x509", "-days", "30", "-keyout", &key, "-out", &certificate][..], &curve].concat())
        .expect_code(0);
}

/// A certificate by one of them, beside its key.
fn certificate(desk: &Desk, name: &str, common_name: &str, authority: &str) {
    let (key, request, file) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let subject = format!("/CN={common_name}");
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject];
    desk.openssl(&[&["req", "-new", "-keyout", &key, "-out", &request][..], &curve].concat()).expect_code(0);
    desk.write("extensions", format!("subjectAltName=DNS:{common_name}\nextendedKeyUsage=serverAuth,clientAuth\n"));
    let (issuer, issuer_key) = (format!("{authority}.pem"), format!("{authority}.key"));
    let sign = ["x509", "-req", "-in", &request, "-CA", &issuer, "-CAkey", &issuer_key, "-CAcreateserial"];
    desk.openssl(&[&sign[..], &["-extfile", "extensions", "-days", "30", "-out", &file]].concat()).expect_code(0);
    fs::set_permissions(desk.path(&key), fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// A server with a database, and the folder with what speaks for it and for its clients.
struct Remote {
    desk: Desk,
    server: Postgres,
    database: String,
}

impl Remote {
    fn new() -> Self {
        let desk = Desk::new();
        certificate_authority(&desk, "ca");
        certificate(&desk, "server", NAME, "ca");
        for role in ["owner", "officer"] {
            certificate(&desk, role, role, "ca");
        }
        let server = Postgres::start_with_tls(&ServerTls {
            certificate: &desk.path("server.pem"),
            key: &desk.path("server.key"),
            client_roots: &desk.path("ca.pem"),
        });
        let database = server.database();
        Self { desk, server, database }
    }

    /// The URL for a role, by the name of a server, with more parameters.
    fn url(&self, role: &str, name: &str, more: &[(&str, &str)]) -> String {
        let (address, port) = (self.server.address().ip(), self.server.address().port());
        let file = |(parameter, file): &(&str, &str)| format!("&{parameter}={}", self.desk.path(file).display());
        let files: String = more.iter().map(file).collect();
        format!("postgresql://{role}@{name}:{port}/{}?hostaddr={address}{files}", self.database)
    }

    /// With a certificate of that role.
    fn url_of(&self, role: &str) -> String {
        let (certificate, key) = (format!("{role}.pem"), format!("{role}.key"));
        self.url(role, NAME, &[("sslrootcert", "ca.pem"), ("sslcert", &certificate), ("sslkey", &key)])
    }

    fn init(&self, url: &str) -> Output {
        self.desk.with_passphrase(&["init", "--organization", "Example Works", "--algorithm", "p256", "--ledger", url])
    }
}

#[test]
fn officers_work_with_a_ledger_on_another_machine() {
    let remote = Remote::new();
    let desk = &remote.desk;
    remote.init(&remote.url_of("owner")).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    let verify = desk.run(&["ledger", "verify", "--head", "head.pem"]).expect_code(0);
    expect_said(&verify, &["as it was written"]);

    // An officer with a password: it is bound to the server's certificate, so that nobody between the two can use it.
    let grant = "GRANT USAGE ON SCHEMA countersign TO with_password; \
                 GRANT SELECT ON ALL TABLES IN SCHEMA countersign TO with_password";
    remote.server.sql(&remote.database, grant);
    let url = remote.url("with_password", NAME, &[("sslrootcert", "ca.pem")]);
    let settings = String::from_utf8(desk.read("authority/authority.toml")).expect("text");
    let bound = format!("{url}&channel_binding=require&sslmode=verify-full");
    desk.write("authority/authority.toml", settings.replace(&remote.url_of("owner"), &bound));
    let password = Postgres::PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    desk.write("passwords", format!("{NAME}:*:*:with_password:{password}\n"));
    fs::set_permissions(desk.path("passwords"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let list = desk.command(&["ledger", "list"]).env("PGPASSFILE", desk.path("passwords")).output().expect_code(0);
    expect_said(&list, &["token issued"]);
}

#[test]
fn who_cannot_be_verified_is_not_spoken_to() {
    let remote = Remote::new();
    let desk = &remote.desk;
    certificate_authority(desk, "other");
    certificate(desk, "stranger", "owner", "other");
    fs::copy(desk.path("owner.key"), desk.path("open.key")).expect("a file");
    fs::set_permissions(desk.path("open.key"), fs::Permissions::from_mode(0o644)).expect("a mode");
    desk.write("words.pem", "no certificate");
    desk.openssl(&["pkcs8", "-topk8", "-in", "owner.key", "-out", "locked.key", "-passout", "pass:four words"])
        .expect_code(0);
    fs::set_permissions(desk.path("locked.key"), fs::Permissions::from_mode(0o600)).expect("a mode");

    let own = [("sslcert", "owner.pem"), ("sslkey", "owner.key")];
    let with = |roots, certificate, key| [("sslrootcert", roots), ("sslcert", certificate), ("sslkey", key)];
    let before = desk.snapshot();
    for (url, code, said) in [
        // The server is another one than the officer means.
        (remote.url("owner", NAME, &with("other.pem", "owner.pem", "owner.key")), 3, &["CS-7059", "certificate"]),
        (
            remote.url("owner", "ledger.example.org", &with("ca.pem", "owner.pem", "owner.key")),
            3,
            &["CS-7059", "certificate"],
        ),
        // The client is another one than the server lets in.
        (remote.url("owner", NAME, &with("ca.pem", "stranger.pem", "stranger.key")), 3, &["CS-7059", "server"]),
        (remote.url("owner", NAME, &with("ca.pem", "officer.pem", "officer.key")), 3, &["CS-7059", "certificate"]),
        (remote.url("owner", NAME, &[("sslrootcert", "ca.pem")]), 3, &["CS-7059", "certificate"]),
        // Files that are not what they are for.
        (remote.url("owner", NAME, &with("words.pem", "owner.pem", "owner.key")), 2, &["CS-7058", "words.pem"]),
        (remote.url("owner", NAME, &with("ca.pem", "words.pem", "owner.key")), 2, &["CS-7058", "words.pem"]),
        (remote.url("owner", NAME, &with("ca.pem", "owner.pem", "officer.key")), 2, &["CS-7058", "officer.key"]),
        (remote.url("owner", NAME, &with("ca.pem", "owner.pem", "locked.key")), 2, &["CS-7058", "not encrypted"]),
        (remote.url("owner", NAME, &with("ca.pem", "owner.pem", "open.key")), 3, &["CS-7007", "chmod 600"]),
        (remote.url("owner", NAME, &with("none.pem", "owner.pem", "owner.key")), 3, &["CS-7007", "none.pem"]),
        // Without certificates for the server.
        (remote.url("owner", NAME, &own), 2, &["CS-7058", "sslrootcert"]),
        (remote.url("owner", NAME, &[]), 2, &["CS-7058", "another machine"]),
    ] {
        let refused = remote.init(&url).expect_code(code);
        expect_said(&refused, said);
        assert!(!refused.to_string().contains("PRIVATE KEY"), "{refused}");
    }
    assert_eq!(desk.snapshot(), before);
    remote.init(&remote.url_of("owner")).expect_code(0);
}

#[test]
fn a_server_without_tls_is_told_nothing() {
    let desk = Desk::new();
    certificate_authority(&desk, "ca");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback address");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = [0; 8];
        stream.read_exact(&mut request).expect("a request");
        // "No TLS here."
        stream.write_all(b"N").expect("an answer");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("an end");
        (request, rest)
    });
    let roots = desk.path("ca.pem");
    let url = format!("postgresql://owner@localhost:{port}/ledger?hostaddr=127.0.0.1&sslrootcert={}", roots.display());
    let refused = desk.with_passphrase(&["init", "--organization", "Example Works", "--ledger", &url]);
    expect_said(&refused.expect_code(3), &["CS-7059", "TLS"]);
    let (request, rest) = server.join().expect("a thread");
    // The length, and the number by which PostgreSQL's protocol asks for TLS.
    assert_eq!((request, rest), ([0, 0, 0, 8, 4, 210, 22, 47], Vec::new()));
}
