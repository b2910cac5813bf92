//! `receipts`: records that came back are entered, and what they come to is told.

use crate::support::{Desk, Holder, expect_said, plain_token};
use countersign_common::{
    Admission, Anchors, Certificate, ComponentFact, ComponentKind, MachineFacts, NO_LISTS, Octets, SignatureAlgorithm,
    SignedObject, SigningRequest, Slot, Time, VerifiedToken, decode_certificates, decode_object, encode_object, oid,
    sha256,
};
use countersign_testkit::Output;
use der::Encode;
use serde_json::{Value, json};
use signature::hazmat::PrehashSigner;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The findings: each code with the records that prove it.
fn findings(document: &Value) -> BTreeSet<(String, BTreeSet<String>)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let records = |finding: &Value| {
        finding["records"].as_array().expect("records").iter().map(|record| text(&record["sha256"])).collect()
    };
    let list = document["findings"].as_array().expect("findings");
    list.iter().map(|finding| (text(&finding["code"]), records(finding))).collect()
}

fn digest(record: &[u8]) -> String {
    sha256(record).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn issue(desk: &Desk, file: &str, more: &[&str]) -> String {
    let arguments = [&["--out", file, "--json"][..], more].concat();
    let issued = document(&desk.with_passphrase(&plain_token(&arguments)).expect_code(0));
    issued["token"]["body"]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn records_are_imported_from_files_and_folders_once() {
    Desk::founded_each("p256").into_iter().for_each(records_are_imported_from_files_and_folders_once_on);
}

fn records_are_imported_from_files_and_folders_once_on(desk: Desk) {
    let id = issue(&desk, "token.pem", &["--seats", "2"]);
    let ada = Holder::of(&desk, "ada");
    let records: Vec<_> = ["m1", "m2", "m3"].map(|machine| ada.record(&desk, "token.pem", machine)).into();
    fs::create_dir_all(desk.path("returned/north")).expect("folders");
    desk.write("returned/both.pem", encode_object(&records[0]) + &encode_object(&records[1]));
    desk.write("returned/north/one.der", &records[1]);
    desk.write("again.pem", encode_object(&records[0]));

    let output = desk.run(&["receipts", "import", "returned", "again.pem", "--json"]).expect_code(0);
    let imported = document(&output);
    assert_eq!(imported["imported"], json!({ "files": 3, "new": 2, "known": 2 }));
    assert_eq!((imported["refused"].clone(), imported["findings"].clone()), (json!([]), json!([])));
    let token = json!({ "token": id, "product": "control-room", "seats": 2, "machines": 2, "records": 2 });
    let customer = json!({
        "customer": "acme", "name": "Acme Power", "machines": 2, "seats": 2, "seats_taken": 2, "tokens": [token],
    });
    assert_eq!(imported["customers"], json!([customer]));
    assert_eq!(desk.entries(), 4);
    expect_said(
        &desk.run(&["receipts", "import", "returned"]).expect_code(0),
        &["Imported 0 new records; 3 were known already, 0 refused.", "Nothing was found"],
    );
    assert_eq!(desk.entries(), 4);

    desk.write("third.pem", encode_object(&records[2]));
    let output = desk.run(&["receipts", "import", "third.pem"]).expect_code(1);
    let words = [
        "Acme Power (acme): 3 machines, 3 of 2 seats taken",
        "control-room: 3 of 2 seats taken, 3 records",
        "CS-7132",
        "grants 2 seats, and 3 machines",
        "entry 5, third.pem",
    ];
    expect_said(&output, &words);
    for record in &records {
        expect_said(&output, &[&digest(record)]);
    }
    // The same from the ledger alone, with a token that says nothing of seats beside it.
    issue(&desk, "open.pem", &[]);
    let open = ada.write_record(&desk, "open.pem", "m3", "open-record.pem");
    desk.run(&["receipts", "import", "open-record.pem"]).expect_code(1);
    let checked = desk.run(&["receipts", "check"]).expect_code(1);
    expect_said(&checked, &["3 machines, 4 of any number of seats taken", "CS-7132"]);
    let checked = document(&desk.run(&["receipts", "check", "--json"]).expect_code(1));
    let all: BTreeSet<_> = records.iter().map(|record| digest(record)).collect();
    assert_eq!(findings(&checked), BTreeSet::from([("CS-7132".to_owned(), all)]));
    assert_eq!(checked["findings"][0]["records"][0]["file"], Value::Null);
    expect_said(&desk.run(&["receipts", "list"]).expect_code(0), &[&id, "control-room for acme", "by CN=ada"]);
    let listed = document(&desk.run(&["receipts", "list", "--json"]).expect_code(0));
    assert_eq!(listed["receipts"][3]["sha256"], digest(&open));
    let shown = document(&desk.run(&["ledger", "show", &digest(&open), "--json"]).expect_code(0));
    assert_eq!(shown["entry"]["machine"].as_object().expect("components").len(), 2);
}

#[test]
fn what_is_refused_keeps_nothing_else_back() {
    let desk = Desk::founded("p256");
    issue(&desk, "token.pem", &[]);
    let machine = r#"{"machine": {"components": [{"kind": "machine-id", "values": ["m1"]},
        {"kind": "disk-serial", "values": ["d"]}]}}"#;
    desk.write("machine.json", machine);
    let components = ["--component", "machine-id:mandatory", "--component", "disk-serial"];
    let listed = [&["--machine", "Press 7=machine.json"][..], &components].concat();
    issue(&desk, "listed.pem", &listed);
    let ada = Holder::of(&desk, "ada");
    fs::create_dir(desk.path("returned")).expect("a folder");
    let good = ada.write_record(&desk, "token.pem", "m1", "returned/good.pem");
    let mut broken = good.clone();
    *broken.last_mut().expect("octets") ^= 1;
    ada.write_record(&desk, "listed.pem", "m1", "returned/known-machine.pem");
    let unknown = ada.record(&desk, "listed.pem", "m2");
    let second = ada.record(&desk, "token.pem", "m2");
    let several = [&broken, &second, &unknown].map(|record| encode_object(record)).concat();
    desk.write("returned/several.pem", several);
    desk.write("returned/token.pem", desk.read("token.pem"));
    desk.write("returned/notes.txt", "call back\n");
    desk.write("returned/large.pem", vec![b'-'; 2 << 20]);
    std::os::unix::fs::symlink("good.pem", desk.path("returned/link.pem")).expect("a link");
    // A token by the right key that the ledger does not have.
    let copied = countersign_testkit::Run::new("cp").args(["-a", "authority", "copy"]).directory(desk.path("."));
    copied.output().expect_code(0);
    desk.with_passphrase(&[&["--home", "copy"][..], &plain_token(&["--out", "forged.pem"])].concat()).expect_code(0);
    ada.write_record(&desk, "forged.pem", "m1", "returned/under-forged.pem");

    let output = desk.run(&["receipts", "import", "returned", "--json"]).expect_code(3);
    let imported = document(&output);
    assert_eq!(imported["imported"], json!({ "files": 7, "new": 3, "known": 0 }));
    let refused = imported["refused"].as_array().expect("a list").iter().map(|refused| {
        let text = |name: &str| refused[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty() && !text("next").is_empty(), "{refused}");
        (text("file"), refused["record"].as_u64().unwrap_or_default(), text("code"))
    });
    let refused: BTreeSet<_> = refused.collect();
    let refused: Vec<_> = refused.iter().map(|(file, record, code)| (file.as_str(), *record, code.as_str())).collect();
    let expected = [
        ("returned/large.pem", 0, "CS-7008"),
        ("returned/link.pem", 0, "CS-7007"),
        ("returned/notes.txt", 0, "CS-1002"),
        ("returned/several.pem", 1, "CS-1203"),
        ("returned/several.pem", 3, "CS-4002"),
        ("returned/token.pem", 1, "CS-1005"),
        ("returned/under-forged.pem", 1, "CS-7070"),
    ];
    assert_eq!(refused, expected);
    // What a rule refused is in the ledger, by its SHA-256, and once however often it comes back.
    let told = |code: &str, octets: &[u8]| format!("receipts import [{code}]: {}", Octets(sha256(octets)));
    let under_forged = decode_object(&desk.read("returned/under-forged.pem")).expect("a record").into_owned();
    let token = decode_object(&desk.read("token.pem")).expect("a token").into_owned();
    let entered = [
        told("CS-1002", &desk.read("returned/notes.txt")),
        told("CS-1203", &broken),
        told("CS-4002", &unknown),
        told("CS-1005", &token),
        told("CS-7070", &under_forged),
    ];
    assert_eq!(desk.refusals(), entered);
    // Without what cannot be read, a rule refused the rest.
    for name in ["large.pem", "link.pem"] {
        fs::remove_file(desk.path("returned").join(name)).expect("a file");
    }
    let again = desk.run(&["receipts", "import", "returned"]).expect_code(1);
    expect_said(&again, &["3 were known already, 5 refused", "several.pem: ", "(record 3 of the file) [CS-4002]"]);
    assert_eq!(desk.refusals(), entered);
    expect_said(&desk.run(&["receipts", "import", "nowhere"]).expect_code(3), &["CS-7007", "nowhere"]);
    expect_said(&desk.run(&["receipts", "import"]).expect_code(2), &["PATH"]);
}

/// Numbers from a seed, the same each time (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
            mixed = (mixed ^ (mixed >> shift)).wrapping_mul(factor);
        }
        (mixed ^ (mixed >> 31)) % limit
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).expect("a place");
            list.swap(at, other);
        }
    }
}

/// The values of a machine's components, in the order of [`KINDS`].
type Hardware = [String; 5];

const KINDS: [ComponentKind; 5] = [
    ComponentKind::DmiUuid,
    ComponentKind::BoardSerial,
    ComponentKind::DiskSerial,
    ComponentKind::MachineId,
    ComponentKind::NetworkAddress,
];
/// The parts that a copy does not take along.
const PARTS: [usize; 3] = [1, 2, 4];

/// A machine as it is activated again and again.
#[derive(Clone)]
struct Series {
    holder: usize,
    /// Whether the first record is dated before anything is revoked.
    early: bool,
    /// Whether the records come back before anything is revoked.
    in_time: bool,
    hardware: Vec<Hardware>,
    /// The original, of which this is a copy or which it is itself.
    family: Option<usize>,
    /// Which of its records show that two machines take turns.
    turns: Vec<usize>,
}

impl Series {
    fn of(hardware: Vec<Hardware>) -> Self {
        Self { holder: ADA, early: false, in_time: false, hardware, family: None, turns: Vec::new() }
    }
}

/// One record that is to be made.
struct Planned {
    token: usize,
    series: usize,
    holder: usize,
    hardware: Hardware,
    /// Seconds after the earliest time; 0 is before what is revoked.
    offset: u64,
    /// Whether it comes back before anything is revoked.
    in_time: bool,
}

const ADA: usize = 0;
const LEFT: usize = 1;
const STOLEN: usize = 2;
const LIFTED: usize = 3;
const HELD: usize = 4;
/// Under this token all parts of a machine may change at once; the next ones are superseded, revoked and withdrawn.
const LAX: usize = 8;
const RENEWED: usize = 9;
const RENEWAL: usize = 10;
const REPLACED: usize = 11;
const WITHDRAWN: usize = 12;
const RECORDS: usize = 10_000;
const DAY: u64 = 86_400;

fn new_machine(name: &str) -> Hardware {
    ["u", "b", "d", "m", "n"].map(|kind| format!("{kind}-{name}"))
}

/// The machines under one of the ordinary tokens: those of its own, some that change a part each time, and copies.
fn ordinary(token: usize, random: &mut Random) -> Vec<Series> {
    let mut all: Vec<Series> = (0..450 + random.below(150))
        .map(|number| {
            let mut hardware = vec![new_machine(&format!("{token}-{number}"))];
            for again in 1..=random.below(3) {
                let mut next = hardware.last().expect("the one before").clone();
                if random.below(3) == 0 {
                    // A new part each time: the last may have little in common with the first.
                    next[PARTS[random.below(3) as usize]] += &format!("+{again}");
                }
                hardware.push(next);
            }
            Series::of(hardware)
        })
        .collect();
    for number in 0..random.below(8) {
        let original = 100 + number as usize * 3;
        all[original].family = Some(original);
        for copy in 0..=random.below(2) {
            let mut hardware = all[original].hardware[0].clone();
            PARTS.iter().for_each(|part| hardware[*part] += &format!("-copy-{copy}"));
            let hardware = vec![hardware; 1 + random.below(2) as usize];
            all.push(Series { family: Some(original), ..Series::of(hardware) });
        }
    }
    all
}

/// Machines with one or two records each, by a holder of whom something becomes known later.
fn suspects(name: &str, holder: usize, random: &mut Random) -> Vec<Series> {
    let count = 20 + random.below(20);
    let series = |number| {
        let hardware = vec![new_machine(&format!("{name}-{number}")); 1 + random.below(2) as usize];
        Series { holder, early: random.below(2) == 0, in_time: random.below(2) == 0, ..Series::of(hardware) }
    };
    (0..count).map(series).collect()
}

/// The records under a token in the order of their times, which mixes the machines.
fn in_order(token: usize, series: &[Series], random: &mut Random) -> Vec<Planned> {
    let mut waiting: Vec<VecDeque<_>> = series.iter().map(|series| series.hardware.iter().cloned().collect()).collect();
    let mut turns: Vec<_> = (0..series.len()).flat_map(|at| vec![at; series[at].hardware.len()]).collect();
    random.shuffle(&mut turns);
    let mut offset = DAY;
    let planned = turns.into_iter().map(|at| {
        let Series { holder, early, in_time, .. } = series[at];
        let first = waiting[at].len() == series[at].hardware.len();
        let hardware = waiting[at].pop_front().expect("one for each turn");
        offset += 1 + random.below(200);
        let offset = if early && first { 0 } else { offset };
        let in_time = in_time || (holder == ADA && random.below(10) < 3);
        Planned { token, series: at, holder, hardware, offset, in_time }
    });
    let mut planned: Vec<_> = planned.collect();
    planned.sort_by_key(|planned| planned.offset);
    planned
}

/// Machines under the token that lets all their parts change: they do, once; one part changes back; all of them do.
fn lax(random: &mut Random) -> Vec<Series> {
    let mut all = Vec::new();
    for number in 0..60 {
        let one = new_machine(&format!("lax-{number}"));
        let mut other = one.clone();
        let changed = if number % 3 == 1 { &PARTS[..1] } else { &PARTS[..] };
        changed.iter().for_each(|part| other[*part] += "-other");
        let (before, between) = (1 + random.below(3) as usize, 1 + random.below(3) as usize);
        let mut hardware = [vec![one.clone(); before], vec![other; between]].concat();
        if number % 3 > 0 {
            hardware.push(one);
        }
        let turns = if number % 3 == 2 { vec![before - 1, before + between - 1, before + between] } else { Vec::new() };
        all.push(Series { turns, ..Series::of(hardware) });
    }
    all
}

/// Somebody who signs records under tokens.
struct Signer<'a> {
    holder: &'a Holder,
    certificate: Certificate<'a>,
}

/// A token that was issued.
struct Token<'a> {
    der: &'a [u8],
    verified: VerifiedToken<'a>,
}

impl Signer<'_> {
    fn admission(&self, token: &Token<'_>, at: Time, anchors: &Anchors<'_>) -> Admission {
        let admission = token.verified.admit(&self.certificate, &[], Slot::Signature, at, anchors, &NO_LISTS);
        admission.expect("an admitted holder")
    }

    fn sign(&self, token: &Token<'_>, admission: &Admission, planned: &Planned, time: Time, number: usize) -> Vec<u8> {
        let values = planned.hardware.iter().map(|value| ComponentFact::Values(vec![value.clone()]));
        let machine = MachineFacts { components: KINDS.into_iter().zip(values).collect(), virtualization: None };
        let nonce = sha256(&number.to_be_bytes());
        let challenge = token.verified.challenge(admission, time, nonce, &machine, &NO_LISTS, None);
        let content = challenge.to_der().expect("DER");
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        let request = SigningRequest::new(oid::CONTENT_CHALLENGE, &content, &self.certificate, algorithm, time);
        let request = request.expect("a request");
        let signature: p256::ecdsa::DerSignature =
            self.holder.key.sign_prehash(&algorithm.signer_input(request.message())).expect("a signature");
        request.finish(signature.as_bytes(), &[], Some(token.der)).expect("a record")
    }
}

/// Puts records into a folder with folders in it: alone as DER or PEM, or several in one file. Tells where each is.
fn put(desk: &Desk, folder: &str, mut records: Vec<&[u8]>, random: &mut Random) -> BTreeMap<String, String> {
    random.shuffle(&mut records);
    let mut places = BTreeMap::new();
    let mut rest = records.as_slice();
    for number in 0.. {
        let kind = random.below(10);
        let count = if kind < 8 { 1 } else { 2 + random.below(20) as usize };
        let (these, those) = rest.split_at(count.min(rest.len()));
        let [first, ..] = these else { break };
        let path = format!("{folder}/{}/{number}", random.below(7));
        fs::create_dir_all(desk.path(&path).parent().expect("a folder")).expect("a folder");
        let content = if kind < 4 {
            first.to_vec()
        } else {
            these.iter().map(|der| encode_object(der)).collect::<String>().into()
        };
        desk.write(&path, content);
        places.extend(these.iter().map(|record| (digest(record), path.clone())));
        rest = those;
    }
    places
}

/// Ten thousand records of some five thousand machines, most of them as they should be, through the real command, which
/// is killed once on the way. Over-use, copies, turns, and activations under what was revoked or superseded are planted
/// by a seeded generator, which knows what is to be found: all of it, and nothing else.
#[test]
fn of_ten_thousand_receipts_every_planted_case_is_found_and_none_is_invented() {
    let random = &mut Random(20_261_124);
    let mut plan: Vec<Vec<Series>> = (0..LAX).map(|token| ordinary(token, random)).collect();
    // Machines that have another product as well.
    let shared: Vec<_> = plan[0][..40].iter().map(|series| Series::of(series.hardware[..1].to_vec())).collect();
    plan[1].extend(shared);
    for (name, holder) in [("left", LEFT), ("stolen", STOLEN), ("lifted", LIFTED), ("held", HELD)] {
        let token = random.below(LAX as u64) as usize;
        plan[token].extend(suspects(name, holder, random));
    }
    plan.push(lax(random));
    let renewed = suspects("renewed", ADA, random);
    let renewal = renewed.iter().map(|series| Series::of(series.hardware.clone())).collect();
    plan.extend([renewed, renewal, suspects("replaced", ADA, random), suspects("withdrawn", ADA, random)]);
    let planned: usize = plan.iter().flatten().map(|series| series.hardware.len()).sum();
    plan[7].extend((planned..RECORDS).map(|number| Series::of(vec![new_machine(&format!("fill-{number}"))])));
    // What each token is to come to: machines by what they were first.
    let machines = |token: usize| plan[token].iter().map(|series| &series.hardware[0]).collect::<BTreeSet<_>>().len();
    let seats: Vec<Option<u64>> = (0..plan.len())
        .map(|token| match (token, random.below(5)) {
            (LAX.., _) | (_, 0) => None,
            (_, 1 | 2) => Some(machines(token) as u64 - 1 - random.below(20)),
            _ => Some(machines(token) as u64 + random.below(20)),
        })
        .collect();
    assert!(seats.iter().enumerate().any(|(token, seats)| seats.is_some_and(|seats| seats < machines(token) as u64)));
    let mut planned: Vec<_> = (0..plan.len()).flat_map(|token| in_order(token, &plan[token], random)).collect();
    assert_eq!(planned.len(), RECORDS);
    // What is under the renewal comes after it is issued.
    planned.iter_mut().filter(|planned| planned.token == RENEWAL).for_each(|planned| planned.in_time = false);

    let desk = Desk::founded("p256");
    let customer = |token: usize| if token < 6 { "acme" } else { "borealis" };
    let issue = |token: usize, more: &[&str]| {
        let (file, product, count) =
            (format!("{token}.pem"), format!("product-{token}"), seats[token].map(|seats| seats.to_string()));
        let product = if token == RENEWAL { format!("product-{RENEWED}") } else { product };
        let mut arguments = vec!["issue", "--customer", customer(token), "--customer-name", customer(token)];
        arguments.extend(["--product", &product, "--activate-within", "30d", "--out", &file, "--json"]);
        arguments.extend(["--require", if token == LAX { "2" } else { "3" }]);
        arguments.extend(count.iter().flat_map(|count| ["--seats", count]));
        let issued = document(&desk.with_passphrase(&[&arguments[..], more].concat()).expect_code(0));
        issued["token"]["body"]["id"].as_str().expect("an id").to_owned()
    };
    let mut ids: Vec<_> =
        (0..plan.len()).map(|token| if token == RENEWAL { String::new() } else { issue(token, &[]) }).collect();
    let holders = ["ada", "left", "stolen", "lifted", "held"].map(|name| Holder::of(&desk, name));
    let signers = holders.each_ref().map(|holder| Signer {
        holder,
        certificate: Certificate::from_der(&holder.certificate).expect("a certificate"),
    });
    let anchor = decode_certificates(&desk.read("authority/anchors.pem")).expect("an anchor").remove(0);
    let anchors = Anchors::new([anchor.as_slice()]).expect("anchors");
    let read = |token: usize| decode_object(&desk.read(&format!("{token}.pem"))).expect("a token").into_owned();
    let verify = |der: &'_ [u8]| -> Time {
        let object = SignedObject::from_der(der).expect("a token");
        VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token").issued()
    };
    let issued = (0..plan.len()).filter(|token| *token != RENEWAL).map(|token| verify(&read(token)));
    let earliest = issued.chain(signers.iter().map(|signer| signer.certificate.not_before())).max().expect("a time");
    // The records, in the order of the plan.
    let mut records: Vec<Vec<u8>> = vec![Vec::new(); planned.len()];
    let sign = |in_time: bool, records: &mut Vec<Vec<u8>>| {
        let ders: Vec<_> = (0..plan.len())
            .map(|token| if in_time && token == RENEWAL { read(RENEWED) } else { read(token) })
            .collect();
        let tokens = ders.iter().map(|der| {
            let object = SignedObject::from_der(der).expect("a token");
            Token { der, verified: VerifiedToken::verify(object, &anchors, &NO_LISTS).expect("a token") }
        });
        let tokens: Vec<_> = tokens.collect();
        let mut admissions: BTreeMap<(usize, usize), Admission> = BTreeMap::new();
        for (number, planned) in planned.iter().enumerate().filter(|(_, planned)| planned.in_time == in_time) {
            let (token, signer) = (&tokens[planned.token], &signers[planned.holder]);
            let admission = admissions
                .entry((planned.token, planned.holder))
                .or_insert_with(|| signer.admission(token, earliest.plus(DAY), &anchors));
            records[number] = signer.sign(token, admission, planned, earliest.plus(planned.offset), number);
        }
    };
    sign(true, &mut records);
    let in_time: Vec<_> = records.iter().filter(|record| !record.is_empty()).map(Vec::as_slice).collect();
    let (early, again) = (in_time.len(), in_time.iter().step_by(97).map(|record| record.to_vec()).collect::<Vec<_>>());
    assert!(early > 2_000, "{early}");
    put(&desk, "first", in_time.clone(), random);
    drop(in_time);

    // Killed in the middle, whole entries stand, and the next import does the rest.
    let before = desk.entries();
    let mut child = Command::new(Desk::program())
        .args(["receipts", "import", "first"])
        .current_dir(desk.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command");
    let mut notes = BufReader::new(child.stderr.take().expect("its notes")).lines();
    let note = notes.next().expect("a note").expect("text");
    assert!(note.starts_with("500 of "), "{note}");
    child.kill().expect("a process");
    child.wait().expect("a process");
    desk.run(&["ledger", "verify"]).expect_code(0);
    let stand = desk.entries() - before;
    let import = |folder: &str, code| {
        let command = desk.command(&["receipts", "import", folder, "--json"]).limit(Duration::from_secs(1_200));
        document(&command.output().expect_code(code))
    };
    let first = import("first", 1);
    assert_eq!(first["imported"]["new"], early - stand);
    assert_eq!(first["imported"]["known"], stand);
    assert!(stand >= 500, "{stand}");

    // What happens meanwhile, one second after the earliest records at the earliest.
    let date = earliest.plus(1).to_string();
    let revoke = |what: &str, which: &str, reason: &str| {
        let command = ["revoke", what, which, "--reason", reason, "--date", &date];
        // Until that second has come.
        while desk.run(&command).code == Some(2) {
            std::thread::sleep(Duration::from_millis(100));
        }
        desk.run(&command).expect_code(1);
    };
    revoke("certificate", "left.pem", "cessationOfOperation");
    revoke("certificate", "stolen.pem", "keyCompromise");
    revoke("certificate", "lifted.pem", "certificateHold");
    desk.run(&["revoke", "lift", "certificate", "lifted.pem"]).expect_code(0);
    revoke("certificate", "held.pem", "certificateHold");
    revoke("token", &ids[REPLACED], "superseded");
    revoke("token", &ids[WITHDRAWN], "privilegeWithdrawn");
    ids[RENEWAL] = issue(RENEWAL, &["--supersedes", &ids[RENEWED]]);
    assert_eq!(ids[RENEWAL], ids[RENEWED]);

    sign(false, &mut records);
    let digests: Vec<_> = records.iter().map(|record| digest(record)).collect();
    let late: Vec<_> = records
        .iter()
        .zip(&planned)
        .filter(|(_, planned)| !planned.in_time)
        .map(|(record, _)| record.as_slice())
        .collect();
    // Some come back twice, some are known already, some are broken.
    let twice: Vec<_> = late.iter().step_by(89).copied().collect();
    let broken = late.iter().step_by(911).map(|record| {
        let mut broken = record.to_vec();
        *broken.last_mut().expect("octets") ^= 1;
        broken
    });
    let broken: Vec<_> = broken.collect();
    let more = twice.len() + again.len();
    let files =
        put(&desk, "second/good", late.iter().copied().chain(again.iter().map(Vec::as_slice)).collect(), random);
    put(&desk, "second/more", [&twice[..], &broken.iter().map(Vec::as_slice).collect::<Vec<_>>()[..]].concat(), random);
    let second = import("second", 1);
    assert_eq!((&second["imported"]["new"], &second["imported"]["known"]), (&json!(late.len()), &json!(more)));
    let refused = second["refused"].as_array().expect("a list");
    assert_eq!(refused.len(), broken.len());
    assert!(refused.iter().all(|refused| refused["code"] == "CS-1203"), "{refused:?}");

    // What is to be found.
    let mut expected: BTreeSet<(String, BTreeSet<String>)> = BTreeSet::new();
    let mut expect = |code: &str, records: &mut dyn Iterator<Item = usize>| {
        let records = records.map(|number| digests[number].clone()).collect();
        assert!(expected.insert((code.to_owned(), records)), "one of each");
    };
    for (number, planned) in planned.iter().enumerate() {
        let after = planned.offset > 0;
        match planned.holder {
            LEFT | HELD | STOLEN if after => expect("CS-7135", &mut [number].into_iter()),
            STOLEN if !planned.in_time => expect("CS-7130", &mut [number].into_iter()),
            _ => {}
        }
        match planned.token {
            RENEWED if after => expect("CS-7136", &mut [number].into_iter()),
            REPLACED | WITHDRAWN if after => expect("CS-7134", &mut [number].into_iter()),
            _ => {}
        }
    }
    let mut of_series: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (number, planned) in planned.iter().enumerate() {
        of_series.entry((planned.token, planned.series)).or_default().push(number);
    }
    for (token, series) in plan.iter().enumerate() {
        let first = |at: usize| of_series[&(token, at)][0];
        let mut families: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, series) in series.iter().enumerate() {
            if let Some(family) = series.family {
                families.entry(family).or_default().push(first(at));
            }
            if !series.turns.is_empty() {
                expect("CS-7133", &mut series.turns.iter().map(|turn| of_series[&(token, at)][*turn]));
            }
        }
        for family in families.into_values() {
            expect("CS-7133", &mut family.into_iter());
        }
        if seats[token].is_some_and(|seats| seats < machines(token) as u64) {
            expect("CS-7132", &mut (0..series.len()).map(first));
        }
    }
    let found = findings(&second);
    let codes = |list: &BTreeSet<(String, BTreeSet<String>)>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        list.iter().for_each(|(code, _)| *counts.entry(code.clone()).or_default() += 1);
        counts
    };
    assert_eq!(codes(&found), codes(&expected));
    assert!(found == expected, "other records than those that were planted");
    let known = ["CS-7130", "CS-7132", "CS-7133", "CS-7134", "CS-7135", "CS-7136"];
    assert!(codes(&found).keys().eq(known.iter()), "each kind was planted");
    for record in second["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .flat_map(|found| found["records"].as_array().expect("records"))
    {
        let file = files.get(record["sha256"].as_str().expect("a digest"));
        assert_eq!(record["file"].as_str(), file.map(String::as_str), "{record}");
    }
    // And what it comes to.
    for of in second["customers"].as_array().expect("customers") {
        let tokens: Vec<_> = (0..plan.len()).filter(|token| of["customer"] == customer(*token)).collect();
        let all: BTreeSet<_> =
            tokens.iter().flat_map(|token| &plan[*token]).map(|series| &series.hardware[0]).collect();
        assert_eq!(of["machines"], all.len());
        for token in tokens {
            let same = |other: usize| ids[other] == ids[token];
            let count = planned.iter().filter(|planned| same(planned.token)).count();
            let entry = of["tokens"].as_array().expect("tokens").iter().find(|entry| entry["token"] == ids[token]);
            let entry = entry.expect("the token");
            assert_eq!((&entry["seats"], &entry["records"]), (&json!(seats[token]), &json!(count)), "token {token}");
            assert_eq!(entry["machines"], machines(token), "token {token}");
        }
    }
    // The ledger alone says the same, and it is whole.
    let checked = document(
        &desk.command(&["receipts", "check", "--json"]).limit(Duration::from_secs(1_200)).output().expect_code(1),
    );
    assert_eq!((findings(&checked), &checked["customers"]), (expected, &second["customers"]));
    let listed = document(&desk.run(&["receipts", "list", "--json"]).expect_code(0));
    assert_eq!(listed["receipts"].as_array().expect("a list").len(), RECORDS);
    desk.run(&["ledger", "verify"]).expect_code(0);
}
