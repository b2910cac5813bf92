//! Hostile vectors: fixtures/format/vectors holds one file a case, which says what is wrong with it and what must
//! come of it. One test makes the files and compares them, the other reads nothing but the files.

mod algorithm_cases;
mod approval_cases;
mod certificate_cases;
mod cms_cases;
mod proof_cases;
mod record_cases;
mod token_cases;

use crate::support::{expect_file, repository, updating};
use countersign_common::{
    Anchors, ComponentFact, ComponentKind, Demands, Facts, MAX_TOKEN_SIZE, MachineFacts, NO_LISTS, Octets, Product,
    Reason, SignedObject, Time, VerifiedRecord, VerifiedToken, decode_certificates, decode_object, encode_object,
    token::{Entitlement, ListedMachine, MAX_LISTED_MACHINES},
    validate,
};
use countersign_testpki::{
    Cast, hex,
    objects::{ACTIVATED, Components, example_machine, machine},
    unhex,
};
use std::{collections::BTreeSet, fmt::Write as _};

/// How many vectors there are; whoever adds or loses one notices.
const COUNT: usize = 439;

/// Content octets of 1.3.6.1.4.1, with a needless octet before the last arc.
const PADDED: [u8; 6] = [0x2b, 0x06, 0x01, 0x04, 0x80, 0x01];

/// A case, with the facts of the example where it does not say otherwise.
pub(crate) struct Case {
    name: &'static str,
    defect: &'static str,
    object: &'static str,
    expect: &'static str,
    file: File,
    now: Option<&'static str>,
    seen: Option<&'static str>,
    product: &'static str,
    edition: Option<&'static str>,
    version: Option<&'static str>,
    virtualization: Option<&'static str>,
    machine: Components,
    anchors: bool,
    /// What the anchors demand.
    demand: Option<&'static str>,
}

pub(crate) enum File {
    /// An object that goes into the one PEM form.
    Object(Vec<u8>),
    /// The file as it is, in text.
    Text(String),
    /// The file as it is, in octets.
    Octets(Vec<u8>),
}

impl Case {
    fn new(name: &'static str, object: &'static str, expect: &'static str, defect: &'static str, file: File) -> Self {
        Self {
            name,
            defect,
            object,
            expect,
            file,
            now: Some(ACTIVATED),
            seen: None,
            product: "control-room",
            edition: Some("standard"),
            version: Some("2.4.1"),
            virtualization: None,
            machine: example_machine(),
            anchors: true,
            demand: None,
        }
    }

    /// A token to be verified; `CS-0001` where it stands.
    fn token(name: &'static str, expect: &'static str, defect: &'static str, der: Vec<u8>) -> Self {
        Self::new(name, "token", expect, defect, File::Object(der))
    }

    /// A token of which is asked whether it could activate this machine now.
    fn activation(name: &'static str, expect: &'static str, defect: &'static str, der: Vec<u8>) -> Self {
        Self::new(name, "activation", expect, defect, File::Object(der))
    }

    /// A record to be judged.
    fn record(name: &'static str, expect: &'static str, defect: &'static str, der: Vec<u8>) -> Self {
        Self::new(name, "record", expect, defect, File::Object(der))
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn write(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| writeln!(text, "{key}: {value}").unwrap();
        line("defect", self.defect);
        line("object", self.object);
        line("expect", self.expect);
        line("anchors", if self.anchors { "anchors.pem" } else { "none" });
        if let Some(demand) = self.demand {
            line("demand", demand);
        }
        if self.object != "token" {
            let facts = [
                ("now", self.now),
                ("seen", self.seen),
                ("product", Some(self.product)),
                ("edition", self.edition),
                ("version", self.version),
                ("virtualization", self.virtualization),
            ];
            for (key, value) in facts {
                if let Some(value) = value {
                    line(key, value);
                }
            }
            for (kind, values) in &self.machine {
                line("component", &format!("{kind} = {}", values.join(", ")));
            }
        }
        let (encoding, body) = match &self.file {
            File::Object(der) => ("text", encode_object(der)),
            File::Text(text) => ("text", text.clone()),
            File::Octets(octets) => {
                let digits = hex(octets);
                let lines: Vec<_> = digits.as_bytes().chunks(96).map(String::from_utf8_lossy).collect();
                ("hex", lines.join("\n") + "\n")
            }
        };
        line("encoding", encoding);
        text + "\n" + &body
    }
}

fn cases() -> Vec<Case> {
    let cast = Cast::new();
    let mut cases = token_cases::cases(&cast);
    cases.extend(cms_cases::cases(&cast));
    cases.extend(certificate_cases::cases(&cast));
    cases.extend(record_cases::cases(&cast));
    cases.extend(algorithm_cases::cases(&cast));
    cases.extend(proof_cases::cases(&cast));
    cases.extend(approval_cases::cases(&cast));
    cases
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| format!("{}.txt", case.name)).collect();
    assert_eq!(names.len(), cases.len(), "two vectors have the same name");
    let folder = repository("fixtures/format/vectors");
    if updating() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    for case in &cases {
        expect_file(&format!("fixtures/format/vectors/{}.txt", case.name), case.write().as_bytes());
    }
    let found: BTreeSet<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, names);
}

/// A vector as read from its file.
#[derive(Default)]
struct Vector {
    expect: String,
    object: String,
    anchors: bool,
    demands: Demands,
    now: Option<Time>,
    seen: Option<Time>,
    product: String,
    edition: Option<String>,
    version: Option<String>,
    machine: MachineFacts,
    file: Vec<u8>,
}

impl Vector {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").expect("an empty line after the head");
        let mut vector = Self::default();
        for line in head.lines() {
            let (key, value) = line.split_once(": ").expect("key and value");
            let owned = value.to_owned();
            match key {
                "defect" => {}
                "object" => vector.object = owned,
                "expect" => vector.expect = owned,
                "anchors" => vector.anchors = value != "none",
                "demand" if value == "inclusion-proof" => vector.demands.inclusion_proof = true,
                "demand" => {
                    vector.demands.approvals = value.strip_prefix("approvals ").unwrap().parse().unwrap();
                }
                "now" => vector.now = Some(value.parse().unwrap()),
                "seen" => vector.seen = Some(value.parse().unwrap()),
                "product" => vector.product = owned,
                "edition" => vector.edition = Some(owned),
                "version" => vector.version = Some(owned),
                "virtualization" => vector.machine.virtualization = Some(owned),
                "component" => {
                    let (kind, values) = value.split_once(" = ").expect("kind and values");
                    let values = values.split(", ").map(str::to_owned).collect();
                    let kind: ComponentKind = kind.parse().unwrap();
                    vector.machine.components.push((kind, ComponentFact::Values(values)));
                }
                "encoding" if value == "hex" => vector.file = unhex(&body.replace('\n', "")),
                "encoding" => vector.file = body.as_bytes().to_vec(),
                other => panic!("unknown key {other}"),
            }
        }
        vector
    }

    fn judge(&self, roots: &[Vec<u8>]) -> Reason {
        let anchors = Anchors::new(roots.iter().filter(|_| self.anchors).map(Vec::as_slice)).unwrap();
        let anchors = anchors.demanding(self.demands);
        let version = self.version.as_deref().map(|version| version.parse().unwrap());
        let product = Product { id: &self.product, edition: self.edition.as_deref(), version };
        let (now, machine) = (self.now, &self.machine);
        let facts = Facts { now, newest_time_seen: self.seen, product, machine, anchors: &anchors, lists: &NO_LISTS };
        if self.object == "record" {
            return validate(&self.file, &facts).reason;
        }
        let judge = || {
            let der = decode_object(&self.file)?;
            let token = VerifiedToken::verify(SignedObject::from_der(&der)?, &anchors, &NO_LISTS)?;
            if self.object == "activation" { token.check_activation(&facts) } else { Ok(()) }
        };
        judge().err().unwrap_or(Reason::Licensed)
    }
}

#[test]
fn every_vector_gets_the_code_it_names() {
    if updating() {
        // The other test is writing the files.
        return;
    }
    let roots = decode_certificates(&std::fs::read(repository("fixtures/format/anchors.pem")).unwrap()).unwrap();
    let (mut count, mut wrong) = (0, String::new());
    for entry in std::fs::read_dir(repository("fixtures/format/vectors")).unwrap() {
        let path = entry.unwrap().path();
        let vector = Vector::read(&std::fs::read_to_string(&path).unwrap());
        let reason = vector.judge(&roots);
        if reason.code() != vector.expect {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            writeln!(wrong, "{name}: expected {}, got {} ({reason})", vector.expect, reason.code()).unwrap();
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(count, COUNT);
}

/// Tokens around the limit (docs/token-format.md, section 2.3), which are too large to be files of this repository.
#[test]
fn oversize_tokens_are_refused() {
    let cast = Cast::new();
    let padded = |padding: usize, id: u8| {
        cast.token(|token| {
            token.id = Octets([id; 16]);
            let components = machine(&example_machine()).digests(&token.binding);
            token.binding.machines =
                Some(vec![ListedMachine { label: "m".repeat(58), components }; MAX_LISTED_MACHINES]);
            let values = (0..4).map(|place| "x".repeat(padding / 4 + usize::from(place < padding % 4)));
            let named = values.zip('a'..).map(|(value, name)| (name.to_string(), value));
            token.entitlements =
                Some(named.map(|(name, value)| Entitlement { name, value, not_after: None }).collect());
        })
    };
    let padding = MAX_TOKEN_SIZE - padded(2_000, 0).len() + 2_000;
    let anchors = Anchors::new([cast.token_root.certificate.as_slice()]).unwrap();
    for (size, expected) in [(MAX_TOKEN_SIZE, None), (MAX_TOKEN_SIZE + 1, Some("CS-1001"))] {
        let padding = padding + size - MAX_TOKEN_SIZE;
        // A signature is an octet or two longer than another, so one of the right length is looked for.
        let token = (0..=u8::MAX).map(|id| padded(padding, id)).find(|token| token.len() == size).unwrap();
        let judged = SignedObject::from_der(&token).and_then(|token| VerifiedToken::verify(token, &anchors, &NO_LISTS));
        assert_eq!(judged.err().map(|reason| reason.code()), expected, "a token of {size} octets");
        let record = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
        let judged =
            SignedObject::from_der(&record).and_then(|record| VerifiedRecord::verify(record, &anchors, &NO_LISTS));
        assert_eq!(judged.err().map(|reason| reason.code()), expected, "a record with a token of {size} octets");
    }
}

#[test]
fn oversize_files_are_refused() {
    let too_large = |octets: &[u8]| decode_object(octets).err().map(|reason| reason.code());
    for size in [1024 * 1024 + 1, 1536 * 1024 + 1, 8 * 1024 * 1024] {
        assert_eq!(too_large(&vec![0x30; size]), Some("CS-1001"));
    }
    assert_eq!(too_large(encode_object(&vec![0x30; 1024 * 1024 + 1]).as_bytes()), Some("CS-1001"));
    assert_eq!(too_large(&vec![b'-'; 1536 * 1024 + 1]), Some("CS-1001"));
}
