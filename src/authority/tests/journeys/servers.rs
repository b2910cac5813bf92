//! A ledger on a server of PostgreSQL, which several folders share.

use crate::support::{Desk, PASSPHRASE, expect_said, plain_token};
use countersign_testkit::{Postgres, Run, poll_until};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// The URL in authority.toml of a folder becomes another one.
fn point_to(desk: &Desk, home: &str, url: &str) {
    let file = format!("{home}/authority.toml");
    let text = String::from_utf8(desk.read(&file)).expect("text");
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with("ledger = ")).collect();
    desk.write(&file, format!("{}\nledger = \"{url}\"\n", kept.join("\n")));
}

/// Another officer's folder: what a copy brings.
fn copy_of_the_folder(desk: &Desk, name: &str) {
    let copy = Run::new("cp").arg("-a").arg(desk.path("authority")).arg(desk.path(name));
    copy.output().expect_code(0);
}

fn entries(desk: &Desk) -> Vec<Value> {
    let list = desk.run(&["--json", "ledger", "list"]).expect_code(0).stdout_text();
    let list: Value = serde_json::from_str(&list).expect("JSON");
    list["entries"].as_array().expect("entries").clone()
}

#[test]
fn an_authority_is_founded_in_an_empty_database() {
    let desk = Desk::founded_on_server("p256");
    assert!(!desk.path("authority/ledger.sqlite").exists());
    let settings = String::from_utf8(desk.read("authority/authority.toml")).expect("text");
    assert!(settings.contains(&format!("ledger = \"{}\"", desk.url("owner"))), "{settings}");
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written", "size", "2"]);

    // What is on the server is not in a backup of the folder.
    let backup = desk.run(&["backup", "--out", "all.backup"]).expect_code(2);
    expect_said(&backup, &["CS-7001", "on a server", "pg_dump"]);
    assert!(!desk.path("all.backup").exists());

    // A second authority finds the ledger there, and leaves nothing behind.
    let before = desk.snapshot();
    let url = desk.url("owner");
    let again = ["--home", "second", "init", "--organization", "Other", "--ledger", &url];
    expect_said(&desk.with_passphrase(&again).expect_code(1), &["CS-7067", "ledger already", "name another database"]);
    // Nor does one that cannot be let in, or whose URL is refused; that is not repeated.
    let nobody = desk.url("nobody");
    let refused = desk.with_passphrase(&["--home", "second", "init", "--organization", "Other", "--ledger", &nobody]);
    expect_said(&refused.expect_code(3), &["CS-7059", "no way to the server"]);
    let secret = "postgresql://owner:hunter2@/ledger";
    let refused = desk.with_passphrase(&["--home", "second", "init", "--organization", "Other", "--ledger", secret]);
    let refused = refused.expect_code(2);
    expect_said(&refused, &["CS-7058", "password", "next:"]);
    assert!(!refused.to_string().replace(secret, "").contains("hunter2"));
    let remote = "postgresql://owner@db.example.com/ledger";
    let refused = desk.with_passphrase(&["--home", "second", "init", "--organization", "Other", "--ledger", remote]);
    expect_said(&refused.expect_code(2), &["CS-7058", "another machine", "sslrootcert"]);
    assert_eq!(desk.snapshot(), before);

    // What somebody wrote into the file by hand is held to the same.
    point_to(&desk, "authority", secret);
    let refused = desk.run(&["ledger", "list"]).expect_code(2);
    expect_said(&refused, &["CS-7058"]);
    assert!(!refused.to_string().contains("hunter2"));
}

#[test]
fn two_folders_share_one_ledger() {
    let desk = Desk::founded_on_server("p256");
    copy_of_the_folder(&desk, "second");
    let issue =
        |home: &str, out: &str| desk.with_passphrase(&[&["--home", home][..], &plain_token(&["--out", out])].concat());
    issue("authority", "1.pem").expect_code(0);
    issue("second", "2.pem").expect_code(0);
    issue("authority", "3.pem").expect_code(0);
    let numbers: Vec<_> = entries(&desk).iter().map(|entry| entry["sequence"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);

    // A key that was renewed in one folder: the other one works again when it has the certificate.
    desk.with_passphrase(&["renew", "token-signer"]).expect_code(0);
    let before = desk.snapshot();
    let refused = issue("second", "4.pem").expect_code(3);
    expect_said(&refused, &["CS-7065", "second/token-signer-2.pem", "another folder", "copy the file"]);
    assert_eq!(desk.snapshot(), before);
    for file in ["token-signer-2.pem", "keys/token-signer-2.key.pem"] {
        desk.write(&format!("second/{file}"), desk.read(&format!("authority/{file}")));
    }
    issue("second", "4.pem").expect_code(0);
    // With a root the collection has to come as well.
    desk.with_passphrase(&["renew", "holder-root"]).expect_code(0);
    desk.write("second/holder-root-2.pem", desk.read("authority/holder-root-2.pem"));
    expect_said(&issue("second", "5.pem").expect_code(3), &["CS-7065", "second/holder-roots.pem"]);
    desk.write("second/holder-roots.pem", desk.read("authority/holder-roots.pem"));
    issue("second", "5.pem").expect_code(0);

    // What an update removed in one folder does not come back from the other.
    let other = Desk::founded_on_server("p256");
    desk.write("other.pem", other.read("authority/token-root.pem"));
    desk.with_passphrase(&["anchors", "update", "--add", "other.pem", "--out", "u1.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "u1.pem"]).expect_code(0);
    desk.write("second/anchors.pem", desk.read("authority/anchors.pem"));
    let digest = desk.openssl(&["x509", "-in", "other.pem", "-noout", "-fingerprint", "-sha256"]).expect_code(0);
    let digest = digest.stdout_text().trim_end().rsplit('=').next().expect("digits").replace(':', "").to_lowercase();
    desk.with_passphrase(&["anchors", "update", "--remove", &digest, "--out", "u2.pem"]).expect_code(0);
    desk.run(&["anchors", "adopt", "u2.pem"]).expect_code(0);
    let update = |out: &str| desk.with_passphrase(&["--home", "second", "anchors", "update", "--out", out]);
    expect_said(&update("u3.pem").expect_code(3), &["CS-7065", "second/anchors.pem", "out of date"]);
    assert!(!desk.path("u3.pem").exists());
    desk.write("second/anchors.pem", desk.read("authority/anchors.pem"));
    update("u3.pem").expect_code(0);

    // The ledger of others is not written to.
    point_to(&desk, "second", &other.url("owner"));
    let before = entries(&other);
    expect_said(&issue("second", "6.pem").expect_code(1), &["CS-7066", "second/token-root.pem", "authority.toml"]);
    assert_eq!(entries(&other), before);
    assert!(!desk.path("6.pem").exists());
}

#[test]
fn officers_may_append_and_nothing_else() {
    let desk = Desk::founded_on_server("p256");
    copy_of_the_folder(&desk, "second");
    point_to(&desk, "second", &desk.url("officer"));
    let run = |args: &[&str]| desk.with_passphrase(&[&["--home", "second"], args].concat());
    expect_said(&run(&["ledger", "list"]).expect_code(3), &["CS-7040", "no rights", "or database"]);
    let server = Postgres::shared();
    // As docs/ledger.md has it.
    server.sql(
        desk.database(),
        "GRANT USAGE ON SCHEMA countersign TO officer; \
         GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA countersign TO officer; \
         GRANT UPDATE (name) ON countersign.customers TO officer",
    );
    run(&plain_token(&["--out", "1.pem"])).expect_code(0);
    run(&plain_token(&["--customer-name", "Acme Power and Light", "--out", "2.pem"])).expect_code(2);
    let renamed = ["issue", "--customer", "acme", "--customer-name", "Acme Light", "--product", "control-room"];
    run(&[&renamed[..], &["--activate-within", "30d", "--out", "2.pem"]].concat()).expect_code(0);
    run(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    expect_said(&run(&["ledger", "verify", "--head", "head.pem"]).expect_code(0), &["as it was written"]);
    for statement in [
        "DELETE FROM countersign.entries",
        "UPDATE countersign.entries SET time = time",
        "TRUNCATE countersign.entries",
        "ALTER TABLE countersign.entries DISABLE TRIGGER ALL",
        "DROP TABLE countersign.customers",
        "UPDATE countersign.customers SET salt = salt",
    ] {
        let caught = format!(
            "SET ROLE officer; DO $$ BEGIN {statement}; RAISE WARNING 'it was done'; \
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$; SELECT current_user"
        );
        assert_eq!(server.sql(desk.database(), &caught), "officer", "{statement}");
    }
    assert_eq!(entries(&desk).len(), 3);
    desk.run(&["ledger", "verify"]).expect_code(0);
}

#[test]
fn a_password_comes_from_the_users_own_file() {
    let desk = Desk::founded_on_server("p256");
    let grant = "GRANT USAGE ON SCHEMA countersign TO with_password; \
                 GRANT SELECT ON ALL TABLES IN SCHEMA countersign TO with_password";
    Postgres::shared().sql(desk.database(), grant);
    point_to(&desk, "authority", &desk.url("with_password"));
    let file = desk.path("passwords");
    let list = || desk.command(&["ledger", "list"]).env("PGPASSFILE", &file).output();
    let write = |password: &str, mode: u32| {
        desk.write("passwords", format!("# of the ledger\nelsewhere:*:*:*:other\n*:*:*:with_password:{password}\n"));
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
    };
    expect_said(&list().expect_code(3), &["CS-7059"]);
    write("wrong", 0o600);
    expect_said(&list().expect_code(3), &["CS-7059", "password authentication failed"]);
    let password = Postgres::PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    write(&password, 0o644);
    expect_said(&list().expect_code(3), &["CS-7007", "chmod 600"]);
    write(&password, 0o600);
    expect_said(&list().expect_code(0), &["authority founded"]);
    // In the home of the user, without a variable that names it.
    fs::rename(&file, desk.path(".pgpass")).expect("a file");
    desk.command(&["ledger", "list"]).env("HOME", desk.path("")).env_remove("PGPASSFILE").output().expect_code(0);
}

#[test]
fn a_row_that_the_owner_changed_is_named() {
    let desk = Desk::founded_on_server("p256");
    for out in ["1.pem", "2.pem"] {
        desk.with_passphrase(&plain_token(&["--out", out])).expect_code(0);
    }
    desk.with_passphrase(&["ledger", "sign", "--out", "head.pem"]).expect_code(0);
    let change = |statement: &str| {
        let trigger = "TRIGGER entries_are_not_changed";
        let table = "ALTER TABLE countersign.entries";
        let statements = format!("{table} DISABLE {trigger}; {statement}; {table} ENABLE ALWAYS {trigger}");
        Postgres::shared().sql(desk.database(), &statements);
    };
    let rows = "countersign.entries";
    // What is gone from the end, only a head tells.
    change(&format!("DELETE FROM {rows} WHERE seq = 3"));
    let cut = desk.run(&["ledger", "verify", "--head", "head.pem"]).expect_code(1);
    expect_said(&cut, &["CS-7056", "tree head 1", "3 entries were signed, and 2 are left"]);
    change(&format!("UPDATE {rows} SET time = '2026-01-01T00:00:00Z' WHERE seq = 2"));
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(1), &["CS-7055", "entry 2:", "hash", "next:"]);
    change(&format!("UPDATE {rows} SET seq = 3 WHERE seq = 2"));
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(1), &["CS-7055", "entry 2:", "missing"]);
    Postgres::shared().sql(desk.database(), "DROP TRIGGER entries_follow_each_other ON countersign.entries");
    change(&format!("DELETE FROM {rows} WHERE seq > 1"));
    expect_said(&desk.run(&["ledger", "verify"]).expect_code(1), &["CS-7055", "customer acme"]);
}

/// A way to the server that breaks at the first commit: before the server hears of it, or before its answer comes back.
fn breaking_way(folder: &Path, after: bool) {
    let listener = UnixListener::bind(folder.join(Postgres::SOCKET)).expect("a socket");
    let armed = Arc::new(AtomicBool::new(true));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(Postgres::shared().socket()).expect("the server");
            let armed = Arc::clone(&armed);
            thread::spawn(move || hand_on(client, server, &armed, after));
        }
    });
}

/// Hands on what both sides say, up to the first commit of all.
fn hand_on(mut client: UnixStream, mut server: UnixStream, armed: &AtomicBool, after: bool) {
    let silent = Arc::new(AtomicBool::new(false));
    let answering = {
        let (mut server, mut client) = (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
        let silent = Arc::clone(&silent);
        thread::spawn(move || {
            let mut octets = [0; 64 * 1024];
            while let Ok(read @ 1..) = server.read(&mut octets) {
                if !silent.load(Ordering::SeqCst) && client.write_all(&octets[..read]).is_err() {
                    break;
                }
            }
        })
    };
    let mut octets = [0; 64 * 1024];
    while let Ok(read @ 1..) = client.read(&mut octets) {
        let said = &octets[..read];
        if said.windows(7).any(|word| word == b"COMMIT\0") && armed.swap(false, Ordering::SeqCst) {
            silent.store(true, Ordering::SeqCst);
            if after {
                // The last thing that the server hears is that the connection ends; then it has committed.
                server.write_all(&[said, b"X\0\0\0\x04"].concat()).expect("the server");
            }
            break;
        }
        if server.write_all(said).is_err() {
            break;
        }
    }
    if !silent.load(Ordering::SeqCst) || !after {
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = answering.join();
    let _ = client.shutdown(Shutdown::Both);
}

#[test]
fn a_connection_that_breaks_at_the_commit_leaves_nothing_half_done() {
    for after in [false, true] {
        let desk = Desk::founded_on_server("p256");
        let folder = tempfile::tempdir().expect("a folder");
        breaking_way(folder.path(), after);
        let direct = desk.url("owner");
        point_to(&desk, "authority", &Postgres::url_at(folder.path(), "owner", desk.database()));
        let broken = desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(3);
        expect_said(&broken, &["CS-7068", "broke", "ledger show NUMBER --export FILE"]);
        assert!(!desk.path("1.pem").exists(), "no token leaves before its entry is known to be there");

        // The way is there again: the entry is there as a whole or not at all.
        desk.run(&["ledger", "verify"]).expect_code(0);
        point_to(&desk, "authority", &direct);
        let found = entries(&desk);
        assert_eq!(found.len(), if after { 2 } else { 1 });
        if after {
            desk.run(&["ledger", "show", "2", "--export", "1.pem"]).expect_code(0);
        }
        desk.with_passphrase(&plain_token(&["--out", "2.pem"])).expect_code(0);
        assert_eq!(entries(&desk).len(), found.len() + 1);
        expect_said(&desk.run(&["ledger", "verify"]).expect_code(0), &["as it was written"]);
        assert!(!broken.to_string().contains(PASSPHRASE));
    }
}

#[test]
fn a_full_disk_of_the_server_leaves_nothing_half_done() {
    let desk = Desk::new();
    let server = Postgres::start();
    let database = server.database();
    let url = server.url("owner", &database);
    let init = ["init", "--organization", "Example Works", "--algorithm", "p256", "--ledger", &url];
    desk.with_passphrase(&init).expect_code(0);
    desk.with_passphrase(&plain_token(&["--out", "1.pem"])).expect_code(0);

    let mut terminal = desk.command(&plain_token(&["--out", "2.pem"])).on_terminal();
    terminal.expect_secret("Passphrase");
    server.fill_disk_for(&database);
    terminal.send_line(PASSPHRASE);
    // The server cannot write its log at the commit, ends all connections and starts anew.
    let broken = terminal.finish().expect_code(3);
    assert!(broken.terminal.contains("CS-7068"), "{broken}");
    assert!(!desk.path("2.pem").exists());

    let verified = || Some(desk.run(&["ledger", "verify"])).filter(|output| output.code == Some(0));
    let verified = poll_until(Duration::from_secs(60), verified).expect("the server is there again");
    expect_said(&verified, &["as it was written"]);
    assert_eq!(entries(&desk).len(), 2);
    desk.with_passphrase(&plain_token(&["--out", "2.pem"])).expect_code(0);
    assert_eq!(entries(&desk).len(), 3);
}
