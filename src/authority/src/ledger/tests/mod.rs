//! The same on both engines, and what each is apart in.

use super::*;
use crate::words::digest;
use countersign_common::Time;
use countersign_testkit::Postgres;
use std::{collections::BTreeSet, path::Path, thread};

fn token(id: &str, revision: u32) -> Body {
    Body::TokenIssued {
        id: id.to_owned(),
        revision,
        customer: "acme".to_owned(),
        customer_name: "Acme".to_owned(),
        salt: "07".repeat(32),
        product: "control-room".to_owned(),
        signer: "11".to_owned(),
        digest: digest(&[0x30, 0]),
        token: vec![0x30, 0],
    }
}

fn founding() -> Body {
    let certificate = "3000".to_owned();
    Body::AuthorityFounded {
        organization: "Example Works".to_owned(),
        token_root: certificate.clone(),
        holder_root: certificate.clone(),
        token_signer: certificate.clone(),
        list_signer: certificate.clone(),
        anchors_signer: certificate.clone(),
        ledger_signer: certificate,
    }
}

fn acme() -> CustomerRow {
    CustomerRow { name: "Acme".to_owned(), salt: Octets([7; 32]) }
}

fn time() -> Time {
    "2026-11-24".parse().unwrap()
}

/// Runs a test on a ledger that is to be in a file, and on one that is to be on a server.
fn on_both(test: impl Fn(&Place)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Place::File(folder.path().join("ledger.sqlite")));
    test(&on_server().0);
}

/// An empty database, and its name.
fn on_server() -> (Place, String) {
    let server = Postgres::shared();
    let database = server.database();
    (at(&server.url("owner", &database)), database)
}

fn at(url: &str) -> Place {
    Place::Server(url.parse().unwrap())
}

fn created(place: &Place, bodies: &[Body]) -> Ledger {
    let mut ledger = Ledger::create(place).unwrap();
    append(&mut ledger, bodies);
    ledger
}

fn entries(ledger: &Ledger) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    ledger.each(&mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn append(ledger: &mut Ledger, bodies: &[Body]) {
    let writing = ledger.begin().unwrap();
    for body in bodies {
        writing.append(time(), body).unwrap();
    }
    writing.commit().unwrap();
}

/// Runs statements as they are.
fn batch(ledger: &Ledger, statements: &str) -> Result<(), Error> {
    match &ledger.engine {
        Engine::Server(server) => server.batch(statements),
        Engine::Sqlite(file) => Ok(file.connection.execute_batch(statements)?),
    }
}

fn code(place: &Place) -> Option<&'static str> {
    Ledger::open(place).err().map(|error| error.code())
}

#[test]
fn entries_are_kept_in_order_and_found() {
    on_both(|place| {
        let mut ledger = created(place, &[token("aa01", 1), token("aa02", 1), token("aa01", 2)]);
        ledger.begin().unwrap().append(time(), &token("bb", 1)).unwrap();
        ledger.close().unwrap();
        if let Place::File(path) = place {
            let files = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
            assert_eq!(files, 1, "all is in one file");
        }

        let mut ledger = Ledger::open(place).unwrap();
        let entries = entries(&ledger).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 3]);
        let octets = serde_json::to_vec(&entries[0].body).unwrap();
        assert!(octets.starts_with(br#"{"kind":"token-issued","id":"aa01","revision":1,"#));
        assert_eq!(ledger.find("2").unwrap(), entries[1]);
        assert_eq!(ledger.find("AA01").unwrap(), entries[2]);
        for id in ["", "bb", "4", "%", "a_", "a'", "a\\"] {
            assert_eq!(ledger.find(id).unwrap_err().code(), "CS-7042", "{id}");
        }
        assert_eq!(ledger.entry(3).unwrap().unwrap(), entries[2]);
        assert_eq!(ledger.begin().unwrap().latest_token("aa01").unwrap().unwrap(), entries[2]);
        assert_eq!(ledger.issued_as("aa02", &digest(&[0x30, 0])).unwrap(), 2);
        assert_eq!(ledger.issued_as("aa02", &"01".repeat(32)).unwrap_err().code(), "CS-7042");
        let leaf = ledger.paths(&[2], 3).unwrap().remove(0).0.leaf_hash().unwrap();
        assert_eq!(leaf, entries[1].leaf);
        // Numbers go on where the transaction that was dropped began.
        assert_eq!(ledger.begin().unwrap().append(time(), &token("cc", 1)).unwrap(), 4);
    });
}

/// Without that, finding one takes the longer the more there are.
#[test]
fn entries_are_found_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = created(&Place::File(folder.path().join("ledger.sqlite")), &[founding()]);
    let Engine::Sqlite(file) = &ledger.engine else { panic!("a file") };
    for (query, index) in [
        (format!("{COLUMNS} WHERE {ALIKE} ORDER BY seq DESC LIMIT 1"), "entries_by_subject"),
        (
            format!("{COLUMNS} WHERE {ALIKE} AND {ABOUT} AND kind = 'token-issued' ORDER BY seq DESC LIMIT 1"),
            "entries_by_subject",
        ),
        (format!("{COLUMNS} WHERE {RARE} AND kind = 'anchors-adopted' ORDER BY seq DESC LIMIT 1"), "entries_by_kind"),
    ] {
        let explain = format!("EXPLAIN QUERY PLAN {query}");
        let plan: Vec<String> = (file.connection.prepare(&explain).unwrap())
            .query_map(rusqlite::params_from_iter(query.matches("$1").take(1)), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
    }
}

#[test]
fn a_short_log_stays_beside_the_file_and_a_long_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (place, log) = (Place::File(folder.path().join("ledger.sqlite")), folder.path().join("ledger.sqlite-wal"));
    created(&place, &[founding()]).close().unwrap();
    assert!(!log.exists(), "closed as a whole");
    append(&mut Ledger::open(&place).unwrap(), &[token("aa", 1)]);
    assert!(log.exists());
    assert_eq!(entries(&Ledger::open(&place).unwrap()).unwrap().len(), 2);
    let long = |number: u32| {
        let mut body = token("bb", number);
        if let Body::TokenIssued { token, digest: of, .. } = &mut body {
            *token = vec![7; 100_000];
            *of = digest(token);
        }
        body
    };
    append(&mut Ledger::open(&place).unwrap(), &[long(1), long(2), long(3)]);
    assert!(!log.exists(), "written back");
    let ledger = Ledger::open(&place).unwrap();
    assert_eq!(entries(&ledger).unwrap().len(), 5);
    ledger.close().unwrap();
    assert!(!log.exists());
}

#[test]
fn nothing_is_changed() {
    on_both(|place| {
        let mut ledger = Ledger::create(place).unwrap();
        let row = acme();
        let writing = ledger.begin().unwrap();
        writing.append(time(), &token("aa", 1)).unwrap();
        writing.keep_customer("acme", &row).unwrap();
        writing.keep_customer("acme", &CustomerRow { name: "Acme Power".to_owned(), salt: Octets([8; 32]) }).unwrap();
        assert_eq!(writing.keep_tree_head(b"\x30\x00").unwrap(), 1);
        writing.commit().unwrap();
        let known = ledger.begin().unwrap().customer("acme").unwrap().unwrap();
        assert_eq!((known.name.as_str(), known.salt), ("Acme Power", row.salt));
        let (octets, only_there): (_, &[&str]) = match place {
            Place::File(_) => ("x'3000'", &[]),
            Place::Server(_) => {
                ("'\\x3000'::bytea", &["TRUNCATE entries", "TRUNCATE tree_heads", "TRUNCATE customers"])
            }
        };
        let statements = [
            "UPDATE entries SET time = '2020-01-01T00:00:00Z'",
            "DELETE FROM entries",
            "INSERT INTO entries SELECT seq + 5, time, kind, subject, leaf, body, token FROM entries",
            &format!("UPDATE customers SET salt = {octets}"),
            "UPDATE customers SET id = 'other'",
            "DELETE FROM customers",
            &format!("UPDATE tree_heads SET object = {octets}"),
            "DELETE FROM tree_heads",
            &format!("INSERT INTO tree_heads VALUES (3, {octets})"),
        ];
        for statement in statements.iter().chain(only_there) {
            let refused = batch(&ledger, statement).unwrap_err().to_string();
            let why = ["never changed", "in order", "is constant"].iter().any(|why| refused.contains(why));
            assert!(why, "{statement}: {refused}");
        }
        let changed = match place {
            Place::File(_) => "DROP TRIGGER entries_are_not_changed; UPDATE entries SET subject = 'ab'",
            Place::Server(_) => "DROP TRIGGER entries_are_not_changed ON entries; UPDATE entries SET subject = 'ab'",
        };
        batch(&ledger, changed).unwrap();
        assert_eq!(entries(&ledger).unwrap_err().code(), "CS-7041");
    });
}

#[test]
fn a_row_that_is_altered_removed_or_moved_is_named() {
    // Each with what is to be said of it. The entries are the founding and three tokens.
    let changes = [
        ("UPDATE entries SET time = '2026-01-01T00:00:00Z' WHERE seq = 3", "entry 3: the hash"),
        ("UPDATE entries SET subject = 'aa09' WHERE seq = 2", "entry 2: kind or subject"),
        ("UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 3) WHERE seq = 2", "entry 2: the hash"),
        ("UPDATE entries SET token = leaf WHERE seq = 3", "entry 3: the token"),
        ("DELETE FROM entries WHERE seq = 3", "entry 3: is missing"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1: is missing"),
        (
            "UPDATE entries SET seq = 9 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3; \
             UPDATE entries SET seq = 3 WHERE seq = 9",
            "entry 2: the hash",
        ),
        ("UPDATE entries SET seq = 0 WHERE seq = 1", "entry 0: stands before the first"),
        ("UPDATE customers SET name = 'Other'", "customer acme: the name"),
        ("UPDATE customers SET id = 'other'", "customer other: no token"),
        ("DELETE FROM customers", "customer acme: is missing"),
    ];
    for (change, expected) in changes {
        on_both(|place| {
            let mut ledger = created(place, &[founding(), token("aa01", 1), token("aa02", 1), token("aa03", 1)]);
            let writing = ledger.begin().unwrap();
            writing.keep_customer("acme", &acme()).unwrap();
            writing.commit().unwrap();
            assert_eq!(ledger.audit(&BTreeSet::new(), &mut |_| {}).unwrap().size, 4);
            without_triggers(&ledger, change);
            let found = ledger.audit(&BTreeSet::new(), &mut |_| {}).err().unwrap();
            assert_eq!(found.code(), "CS-7055");
            assert!(found.to_string().contains(expected), "{change}: {found}");
        });
    }
}

/// Changes a ledger as its owner can: without triggers, which are there again afterwards.
fn without_triggers(ledger: &Ledger, change: &str) {
    match &ledger.engine {
        Engine::Server(_) => {
            let triggers = [
                ("entries", "entries_are_not_changed"),
                ("entries", "entries_follow_each_other"),
                ("tree_heads", "tree_heads_are_not_changed"),
                ("tree_heads", "tree_heads_follow_each_other"),
                ("customers", "salts_are_not_changed"),
            ];
            let each = |what: &str| {
                triggers.map(|(table, trigger)| format!("ALTER TABLE {table} {what} TRIGGER {trigger};")).concat()
            };
            batch(ledger, &format!("{} {change}; {}", each("DISABLE"), each("ENABLE ALWAYS"))).unwrap();
        }
        Engine::Sqlite(file) => {
            let mut query =
                file.connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
            let triggers = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            let triggers: Vec<(String, String)> = triggers.collect::<Result<_, _>>().unwrap();
            triggers.iter().for_each(|(name, _)| batch(ledger, &format!("DROP TRIGGER {name}")).unwrap());
            batch(ledger, change).unwrap();
            triggers.iter().for_each(|(_, sql)| batch(ledger, sql).unwrap());
        }
    }
}

#[test]
fn on_a_server_other_tables_and_triggers_are_found() {
    let changes = [
        "ALTER TABLE entries DISABLE TRIGGER entries_are_not_changed",
        "ALTER TABLE entries ENABLE TRIGGER entries_follow_each_other",
        "DROP TRIGGER salts_are_not_changed ON customers",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS \
         $$ BEGIN RETURN NULL; END $$",
        "CREATE OR REPLACE FUNCTION next_entry() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS \
         $$ BEGIN RETURN NEW; END $$",
        "ALTER FUNCTION refuse() RESET ALL",
        "DROP INDEX entries_by_subject",
        "CREATE TABLE more (n INT)",
        "CREATE TABLE child () INHERITS (entries)",
        "CREATE TABLE public.child () INHERITS (entries)",
        "CREATE RULE no_more AS ON INSERT TO entries DO ALSO NOTHING",
        "ALTER TABLE entries ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON entries USING (true)",
        "ALTER TABLE entries ADD more TEXT",
        "ALTER TABLE entries ALTER body DROP NOT NULL",
        "ALTER TABLE entries ALTER body SET DEFAULT 'x'",
        "ALTER TABLE entries DROP CONSTRAINT entries_leaf_check",
        "ALTER TABLE tree_heads DROP CONSTRAINT tree_heads_pkey",
        "ALTER TABLE customers SET UNLOGGED",
        "ALTER TABLE entries ALTER kind TYPE TEXT COLLATE \"default\"",
    ];
    let (place, _) = on_server();
    for change in changes {
        let ledger = created(&place, &[founding()]);
        assert_eq!(ledger.audit(&BTreeSet::new(), &mut |_| {}).unwrap().size, 1);
        batch(&ledger, change).unwrap();
        let found = Ledger::open(&place).unwrap().audit(&BTreeSet::new(), &mut |_| {});
        let found = found.err().unwrap_or_else(|| panic!("not found: {change}"));
        assert!(found.code() == "CS-7055" && found.to_string().contains("tables and triggers"), "{change}: {found}");
        Ledger::discard(&place).unwrap();
    }
}

#[test]
fn two_who_write_wait_for_each_other() {
    on_both(|place| {
        created(place, &[founding()]).close().unwrap();
        let write = |who: &str| {
            let mut ledger = Ledger::open(place).unwrap();
            for number in 0..20 {
                append(&mut ledger, &[token(&format!("{who}{number:02}"), 1), token(who, number)]);
            }
        };
        thread::scope(|scope| {
            for who in ["aa", "bb", "cc"] {
                scope.spawn(move || write(who));
            }
        });
        let ledger = Ledger::open(place).unwrap();
        let entries = entries(&ledger).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), (1..=121).collect::<Vec<_>>());
        // What is one transaction stands together, in its order.
        for pair in entries[1..].chunks(2) {
            assert!(pair[0].body.subject().starts_with(pair[1].body.subject()));
            assert_eq!(pair[1].body.subject().len(), 2);
        }
    });
}

#[test]
fn a_writer_that_does_not_end_is_told() {
    let (place, _) = on_server();
    let mut first = created(&place, &[founding()]);
    let mut second = Ledger::open(&place).unwrap();
    batch(&second, "SET lock_timeout = '50ms'").unwrap();
    let writing = first.begin().unwrap();
    let refused = second.begin().err().unwrap();
    assert_eq!(refused.code(), "CS-7040");
    assert!(refused.to_string().contains("another command is writing"), "{refused}");
    drop(writing);
    append(&mut second, &[token("aa", 1)]);
}

#[test]
fn after_a_fault_nothing_is_committed() {
    let mut ledger = created(&on_server().0, &[founding()]);
    let writing = ledger.begin().unwrap();
    writing.append(time(), &token("aa", 1)).unwrap();
    assert!(writing.latest_token("aa").unwrap().is_some());
    // PostgreSQL would answer a COMMIT with a rollback, and without an error.
    assert!(writing.keep_customer("\0", &acme()).is_err());
    assert_eq!(writing.commit().unwrap_err().code(), "CS-7041");
    assert_eq!(entries(&ledger).unwrap().len(), 1);
    // An entry that the server refuses, and is told so late.
    let writing = ledger.begin().unwrap();
    writing.append(time(), &token("a\0", 1)).unwrap();
    assert_eq!(writing.latest_token("aa").unwrap_err().code(), "CS-7040");
    assert_eq!(writing.commit().unwrap_err().code(), "CS-7040");
    assert_eq!(entries(&ledger).unwrap().len(), 1);
    append(&mut ledger, &[token("aa", 1)]);
}

#[test]
fn many_entries_and_customers_at_once() {
    on_both(|place| {
        let mut ledger = created(place, &[founding()]);
        let writing = ledger.begin().unwrap();
        for number in 1..=150 {
            let sequence = writing.append(time(), &token(&format!("a{number}"), 1)).unwrap();
            assert_eq!(sequence, number + 1);
        }
        // What is asked for is there, also before it is committed.
        assert_eq!(writing.latest_token("a150").unwrap().unwrap().sequence, 151);
        for id in ["acme", "b1", "b2"] {
            writing.keep_customer(id, &acme()).unwrap();
        }
        let all: Vec<_> = (0..150).map(|number| format!("b{number}")).collect();
        writing.read_customers(&all.iter().map(String::as_str).chain(["acme"]).collect()).unwrap();
        let known = ["acme", "b0", "b1", "b149"].map(|id| writing.customer(id).unwrap().is_some());
        assert_eq!(known, [true, false, true, false]);
        writing.keep_customer("b1", &CustomerRow { name: "Acme Power".to_owned(), ..acme() }).unwrap();
        assert_eq!(writing.customer("b1").unwrap().unwrap().name, "Acme Power");
        writing.append(time(), &token("bb", 1)).unwrap();
        writing.commit().unwrap();
        let numbers: Vec<_> = entries(&ledger).unwrap().iter().map(|entry| entry.sequence).collect();
        assert_eq!(numbers, (1..=152).collect::<Vec<_>>());
    });
}

#[test]
fn other_files_are_not_ledgers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let place = Place::File(path.clone());
    assert_eq!(code(&place), Some("CS-7040"));
    assert!(!Path::new(&path).exists());
    std::fs::write(&path, "text").unwrap();
    assert_eq!(code(&place), Some("CS-7040"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(code(&place), Some("CS-7041"));
    // Of a release whose entries had other leaves, and of one that is not there yet.
    std::fs::remove_file(&path).unwrap();
    let ledger = Ledger::create(&place).unwrap();
    for (version, expected) in [(engine::VERSION - 1, "CS-7014"), (engine::VERSION + 1, "CS-7004")] {
        batch(&ledger, &format!("PRAGMA user_version = {version}")).unwrap();
        assert_eq!(code(&place), Some(expected));
    }
}

#[test]
fn other_databases_are_not_ledgers() {
    let server = Postgres::shared();
    let (place, database) = on_server();
    // Without a first entry nothing is there.
    drop(Ledger::create(&place).unwrap());
    assert_eq!(code(&place), Some("CS-7041"));
    let ledger = created(&place, &[founding()]);
    assert_eq!(Ledger::create(&place).err().map(|error| error.code()), Some("CS-7067"));
    let newer = engine::VERSION + 1;
    for (comment, expected) in [
        ("Countersign ledger, version 2", "CS-7014"),
        (&format!("Countersign ledger, version {newer}"), "CS-7004"),
        ("Countersign ledger, version 0", "CS-7041"),
        ("Countersign ledger", "CS-7041"),
        ("", "CS-7041"),
    ] {
        batch(&ledger, &format!("COMMENT ON SCHEMA countersign IS '{comment}'")).unwrap();
        assert_eq!(code(&place), Some(expected), "{comment}");
    }
    assert_eq!(code(&at(&server.url("owner", "nothing"))), Some("CS-7059"));
    assert_eq!(code(&at(&server.url("nobody", &database))), Some("CS-7059"));
    assert_eq!(code(&at("postgresql:///ledger?host=/nowhere")), Some("CS-7059"));
    server.sql("postgres", "CREATE DATABASE octets OWNER owner ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    assert_eq!(code(&at(&server.url("owner", "octets"))), Some("CS-7069"));
    Ledger::discard(&place).unwrap_err();
    batch(&ledger, &format!("COMMENT ON SCHEMA countersign IS 'Countersign ledger, version {}'", engine::VERSION))
        .unwrap();
    Ledger::discard(&place).unwrap();
    assert_eq!(code(&place), Some("CS-7041"));
}

#[test]
fn not_even_a_superuser_as_a_replica_changes_rows_in_passing() {
    let server = Postgres::shared();
    let (place, database) = on_server();
    let ledger = created(&place, &[founding()]);
    let refused = server.sql(
        &database,
        "DO $$ BEGIN SET session_replication_role = replica; DELETE FROM countersign.entries; \
         EXCEPTION WHEN raise_exception THEN RAISE NOTICE 'refused'; END $$; SELECT count(*) FROM countersign.entries",
    );
    assert_eq!(refused, "1");
    assert_eq!(entries(&ledger).unwrap().len(), 1);
}
