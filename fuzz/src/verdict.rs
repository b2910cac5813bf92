//! The whole verdict on a record, under facts that the input chooses.
//!
//! Input: nine octets of facts, one that says which form follows. In the first form it is a record, of which only what
//! the examples have may activate anything; in the second it is bodies, which [`crate::signed`] signs as their owners
//! would.

use crate::{draw::Draw, signed};
use countersign_common::{
    Anchors, ComponentFact, ComponentKind, Demands, Facts, Lists, MachineFacts, NO_LISTS, Octets, Product,
    RevocationList, SignedObject, State, Time, VerifiedRecord, VerifiedTokenList, decode_object, encode_object,
    is_misleading, sha256,
    token::ProductVersion,
    token_list::{RevokedToken, TokenRevocation},
    validate,
};
use countersign_testpki::{
    Cast, Identity, Key, Request,
    certificates::{ca, signer_extensions},
    crls::{self, List},
    objects::{ACTIVATED, CONTENT_TOKEN, Cms, ISSUED, example_machine, machine, other_machine},
    trust::{
        ProofParts, anchors_signer, anchors_update, approval, approve, approver, empty_list, ledger_signer,
        list_signer, revoked, token_list, with_proof,
    },
};
use der::Encode;
use std::sync::LazyLock;

/// Everybody who takes part, and what they signed.
pub struct World {
    /// Those of the examples.
    pub cast: Cast,
    /// Signs token lists.
    pub list_signer: Identity,
    /// Records that are as they should be, in DER.
    pub records: Vec<Vec<u8>>,
    lists: Vec<Vec<u8>>,
    certificate_lists: Vec<Vec<u8>>,
    update: Vec<Vec<u8>>,
    other_root: Identity,
}

/// Made once: a run costs signatures enough without it.
pub static WORLD: LazyLock<World> = LazyLock::new(World::new);
/// The place of the record whose token carries an inclusion proof and two approvals, and how many those are.
const PROVEN: usize = 3;
const APPROVALS: u8 = 2;
/// Places of token lists that exempt from what certificate lists say, and where the bits of the latter begin.
const STANDING: usize = 6;
const RECEIVED: usize = 7;
const FIRST_CERTIFICATE_LIST: usize = 8;

static CERTIFICATE_LISTS: LazyLock<Vec<RevocationList<'static>>> = LazyLock::new(|| {
    WORLD.certificate_lists.iter().map(|der| RevocationList::from_der(der).expect("a list")).collect()
});
/// The lists of [`WORLD`], verified.
static LISTS: LazyLock<Vec<VerifiedTokenList<'static>>> = LazyLock::new(|| {
    let anchors = Anchors::new([WORLD.cast.token_root.certificate.as_slice()]).expect("a root");
    let verify = |der: &'static Vec<u8>| {
        let object = SignedObject::from_der(der).expect("a list");
        VerifiedTokenList::verify(object, &anchors, &[]).expect("a good list")
    };
    WORLD.lists.iter().map(verify).collect()
});
/// The anchors that facts choose among.
static ANCHORS: LazyLock<[Anchors<'static>; 4]> = LazyLock::new(|| {
    let anchors = |root: &'static Identity| Anchors::new([root.certificate.as_slice()]).expect("a root");
    let root = anchors(&WORLD.cast.token_root);
    let updated = root.clone().follow(&WORLD.update).expect("a good update");
    [root, updated, anchors(&WORLD.other_root), Anchors::new([]).expect("none")]
});

impl World {
    fn new() -> Self {
        let cast = Cast::new();
        let list_signer = list_signer("Example List Signer", &cast.token_root);
        let other_root = Request::new("Other Root", Key::p256("countersign fuzz other root"), ca(None)).self_signed();
        let updater = anchors_signer("Example Anchors Signer", &cast.token_root);
        let entries: [(&[u8], Option<&str>); 2] =
            [(&cast.token_root.certificate, Some("2026-06-30T00:00:00Z")), (&other_root.certificate, None)];
        let update = anchors_update(1, &entries, &[&updater], 1, &[&updater]);
        let records = records(&cast);
        let lists = lists(&cast, &list_signer, &records[0]);
        let certificate_lists = certificate_lists(&cast);
        Self { cast, list_signer, records, lists, certificate_lists, update, other_root }
    }
}

/// Token lists of one signer: nothing revoked, and the token of the examples revoked in each way.
fn lists(cast: &Cast, signer: &Identity, record: &[u8]) -> Vec<Vec<u8>> {
    let id = cast.token_body().id;
    let entries = [
        None,
        Some(revoked(id, TokenRevocation::Superseded, "2026-06-16T00:00:00Z")),
        Some(revoked(id, TokenRevocation::Superseded, "2026-03-01T00:00:00Z")),
        Some(revoked(id, TokenRevocation::PrivilegeWithdrawn, "2026-06-16T00:00:00Z")),
        Some(revoked(id, TokenRevocation::CertificateHold, "2026-06-16T00:00:00Z")),
        Some(RevokedToken {
            revision: 1,
            digest: Some(countersign_common::Octets([7; 32])),
            ..revoked(id, TokenRevocation::Superseded, "2026-06-16T00:00:00Z")
        }),
    ];
    let list = |(number, entry): (usize, Option<RevokedToken>)| {
        let mut body = empty_list(number as u64 + 1, &format!("2026-06-{:02}T00:00:00Z", number + 1));
        body.revoked = entry.map(|entry| vec![entry]);
        token_list(signer, &body)
    };
    let mut lists: Vec<_> = entries.into_iter().enumerate().map(list).collect();
    let token = SignedObject::from_der(record).expect("a record").unsigned_token().expect("a token");
    let mut standing = empty_list(STANDING as u64 + 1, "2026-06-07T00:00:00Z");
    standing.standing = Some(vec![Octets(sha256(token))]);
    let mut received = empty_list(RECEIVED as u64 + 1, "2026-06-08T00:00:00Z");
    received.received = Some(vec![Octets(sha256(record))]);
    lists.extend([standing, received].map(|body| token_list(signer, &body)));
    lists
}

/// Certificate lists of both roots, all of one number so that each is asked: nothing revoked, the token signer and the
/// holder compromised, on hold, and the holder superseded.
fn certificate_lists(cast: &Cast) -> Vec<Vec<u8>> {
    let list = |issuer: &Identity, revoked: &Identity, why: &[u8]| {
        let list = why.iter().fold(List::new(issuer), |list, why| {
            list.entry(&revoked.serial, "2026-06-01T00:00:00Z", &[crls::reason(*why)])
        });
        list.sign(&issuer.key)
    };
    let (signers, holders) = ((&cast.token_root, &cast.token_signer), (&cast.holder_root, &cast.holder));
    let all: [((&Identity, &Identity), &[u8]); 7] = [
        (signers, &[]),
        (signers, &[1]),
        (signers, &[6]),
        (holders, &[]),
        (holders, &[1]),
        (holders, &[6]),
        (holders, &[4]),
    ];
    all.map(|((issuer, revoked), why)| list(issuer, revoked, why)).to_vec()
}

/// The record of the examples; one with a grant by key digest; one whose token is signed by RSA-PSS through a CA; and
/// [`PROVEN`].
fn records(cast: &Cast) -> Vec<Vec<u8>> {
    let root = &cast.holder_root.certificate;
    let by_digest = cast.record(|_| {}, |challenge| challenge.grant = 2, |cms| cms.certificates.push(root.clone()));
    let issuer = Request::new("Example Issuing CA", Key::p256("countersign test issuing CA"), ca(None));
    let issuer = issuer.issued_by(&cast.token_root);
    let signer = Request::new("Example Token Signer", Key::rsa_2048(), signer_extensions()).issued_by(&issuer);
    let algorithm = countersign_common::SignatureAlgorithm::RsaPss(countersign_common::HashAlgorithm::Sha256);
    let body = cast.token_body().to_der().expect("a body");
    let mut token = Cms::with_algorithm(CONTENT_TOKEN, body, &signer, ISSUED, algorithm);
    token.certificates.push(issuer.certificate.clone());
    let token = token.build();
    let by_rsa = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
    let body = cast.token_body().to_der().expect("a body");
    let approvers = ["Example Approver", "Second Approver"].map(|name| approver(name, &cast.token_root));
    let mut token = Cms::new(CONTENT_TOKEN, body.clone(), &cast.token_signer, ISSUED);
    approve(&mut token, &approvers.map(|approver| approval(&approver, &body)));
    let token = token.build();
    let ledger_signer = ledger_signer("Example Ledger Signer", &cast.token_root);
    let token = with_proof(&token, &ProofParts::new(Octets(sha256(&token))).signed_by(&ledger_signer));
    let proven = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
    vec![cast.record(|_| {}, |_| {}, |_| {}), by_digest, by_rsa, proven]
}

/// Judges a record.
pub fn run(input: &[u8]) {
    let mut draw = Draw::new(input);
    let setting = Setting::draw(&mut draw);
    if draw.flag() {
        let der = signed::record(draw.rest());
        setting.with_facts(|facts| {
            if let Some(record) = judge(&der, &der, facts) {
                signed::check(&record, facts);
                setting.check_demands(&record);
                setting.check_lists(&record);
            }
        });
    } else {
        let file = draw.rest();
        let der = decode_object(file).unwrap_or_default();
        setting.with_facts(|facts| {
            if let Some(record) = judge(file, &der, facts) {
                assert!(WORLD.records.iter().any(|known| is_twin(record.object(), known)), "a forged record stands");
                setting.check_demands(&record);
                setting.check_lists(&record);
            }
        });
    }
}

/// What the rules are given.
pub struct Setting {
    now: Option<Time>,
    newest_time_seen: Option<Time>,
    edition: u8,
    version: u8,
    machine: MachineFacts,
    anchors: usize,
    demands: Demands,
    lists: u16,
    of_machine: bool,
}

impl Setting {
    /// Clock (two octets), floor (two), product, machine, anchors with what they demand, lists (two).
    pub fn draw(draw: &mut Draw<'_>) -> Self {
        let (now, newest_time_seen) = (time(draw), time(draw));
        let (product, machine, anchors, lists) = (draw.octet(), draw.octet(), draw.octet(), draw.short());
        Self {
            now,
            newest_time_seen,
            edition: product & 3,
            version: product >> 2 & 3,
            machine: machine_of(machine),
            anchors: usize::from(anchors & 3),
            demands: Demands { inclusion_proof: anchors >> 2 & 1 == 1, approvals: anchors >> 3 & 3 },
            lists: lists >> 1,
            of_machine: lists & 1 == 1,
        }
    }

    /// Calls with these facts.
    pub fn with_facts(&self, call: impl FnOnce(&Facts<'_>)) {
        let chosen = LISTS.iter().enumerate().filter(|(at, _)| self.lists >> at & 1 == 1).map(|(_, list)| list.clone());
        let certificates = CERTIFICATE_LISTS.iter().enumerate().filter(|(at, _)| self.has_certificate_list(*at));
        let certificates = certificates.map(|(_, list)| list.clone()).collect();
        let of_machine = self.of_machine.then(|| Lists::new(chosen.collect(), certificates));
        let product = Product {
            id: if self.edition == 3 { "other" } else { "control-room" },
            edition: [None, Some("standard"), Some("large"), None][usize::from(self.edition)],
            version: [None, Some((2, 4)), Some((3, 0)), Some((1, 9))][usize::from(self.version)]
                .map(|(major, minor)| ProductVersion { major, minor, patch: 0 }),
        };
        let anchors = ANCHORS[self.anchors].clone().demanding(self.demands);
        call(&Facts {
            now: self.now,
            newest_time_seen: self.newest_time_seen,
            product,
            machine: &self.machine,
            anchors: &anchors,
            lists: of_machine.as_ref().unwrap_or(&NO_LISTS),
        });
    }
}

impl Setting {
    fn has_certificate_list(&self, at: usize) -> bool {
        self.of_machine && self.lists >> (FIRST_CERTIFICATE_LIST + at) & 1 == 1
    }

    fn has_token_list(&self, at: usize) -> bool {
        self.of_machine && self.lists >> at & 1 == 1
    }

    /// A record that activates has what the anchors demand.
    fn check_demands(&self, record: &VerifiedRecord<'_>) {
        let is_approved = is_twin(record.object(), &WORLD.records[PROVEN]);
        let is_proven = is_approved && record.token().object().inclusion_proof().is_some();
        assert!(is_proven || !self.demands.inclusion_proof, "without a proof");
        assert!(self.demands.approvals <= if is_approved { APPROVALS } else { 0 }, "without its approvals");
    }

    /// A record that activates: whoever's certificate was compromised is exempted by a list, and nobody is on hold.
    fn check_lists(&self, record: &VerifiedRecord<'_>) {
        let token = record.token().object();
        if token.signer().der() == WORLD.cast.token_signer.certificate {
            let compromised = self.has_certificate_list(1);
            assert!(!compromised || self.has_token_list(STANDING) && is_example_token(token), "by a revoked signer");
            assert!(compromised || !self.has_certificate_list(2), "by a signer on hold");
        }
        if is_twin(record.object(), &WORLD.records[0]) {
            let compromised = self.has_certificate_list(4);
            let received = self.has_token_list(RECEIVED) && record.object().der() == WORLD.records[0];
            assert!(!compromised || received, "by a revoked holder");
            assert!(compromised || !self.has_certificate_list(5), "by a holder on hold");
        }
    }
}

fn is_example_token(token: &SignedObject<'_>) -> bool {
    SignedObject::from_der(&WORLD.records[0]).expect("a record").unsigned_token() == Some(token.der())
}

/// None, or the time of the example's activation and up to four years before or after, in steps that meet every edge.
fn time(draw: &mut Draw<'_>) -> Option<Time> {
    let offset = draw.short() as i16;
    let activated: Time = ACTIVATED.parse().expect("a time");
    let seconds = match offset {
        -512..512 => i64::from(offset),
        _ => i64::from(offset) * 3_600,
    };
    (offset != i16::MIN).then(|| Time::from_unix(activated.unix() + seconds))
}

/// The machine of the examples, another, one with parts of both, and what virtualises it.
fn machine_of(octet: u8) -> MachineFacts {
    let (this, other) = (example_machine(), other_machine());
    let mix = this.iter().zip(&other).enumerate().map(
        |(at, (this, other))| {
            if octet >> at & 1 == 0 { this.clone() } else { other.clone() }
        },
    );
    let mut facts = machine(&mix.collect());
    match octet >> 3 & 3 {
        1 => drop(facts.components.pop()),
        2 => facts.components[0].1 = ComponentFact::Unreadable("permission denied".to_owned()),
        3 => facts.components.retain(|(kind, _)| *kind != ComponentKind::MachineId),
        _ => {}
    }
    facts.virtualization = (octet >> 5 == 1).then(|| "qemu".to_owned());
    facts
}

/// What holds for every record, given as a file and in DER, and for all facts. Returns the record where it activates the
/// product.
fn judge<'a>(file: &[u8], der: &'a [u8], facts: &Facts<'_>) -> Option<VerifiedRecord<'a>> {
    let verdict = validate(file, facts);
    let text = verdict.reason.to_string();
    assert!(!text.is_empty() && !text.contains(is_misleading), "{text:?}");
    assert_eq!(verdict.state.is_activated(), matches!(verdict.reason.code(), "CS-0001" | "CS-0002"));
    assert_eq!(verdict.state == State::CannotTell, verdict.reason.cannot_tell());
    if !verdict.state.is_activated() {
        assert!(verdict.entitlements.is_empty());
    }
    verdict.evidence.token.as_ref()?;
    let record = VerifiedRecord::verify(SignedObject::from_der(der).ok()?, facts.anchors, facts.lists).ok()?;
    assert_eq!(record.assess(facts), verdict, "the same facts, another verdict");
    assert_eq!(validate(encode_object(der).as_bytes(), facts), verdict, "PEM says another thing");
    if verdict.state.is_activated() {
        let alone = Facts { lists: &NO_LISTS, ..facts.clone() };
        assert!(validate(der, &alone).state.is_activated(), "a list made a refused record pass");
    }
    check_clocks(&record, facts);
    verdict.state.is_activated().then_some(record)
}

/// A clock set back does not help once a later time is known, and no clock at all never does.
fn check_clocks(record: &VerifiedRecord<'_>, facts: &Facts<'_>) {
    let activated =
        |now, newest_time_seen| record.assess(&Facts { now, newest_time_seen, ..facts.clone() }).state.is_activated();
    assert!(!activated(None, facts.newest_time_seen), "activated without a clock");
    let Some(now) = facts.now else { return };
    let seen = facts.newest_time_seen.max(Some(now));
    for back in [301, 86_400, u64::MAX] {
        let older = now.minus(back);
        if older.plus(300) < now {
            assert!(!activated(Some(older), seen), "the clock was set back");
        }
        let before = record.activated().minus(back);
        if before.plus(300) < record.activated() {
            assert!(!activated(Some(before), None), "before it was activated");
        }
    }
    // What ran out stays so.
    if record.valid_until().is_some_and(|end| now > end) {
        let later = [1, 86_400, u64::MAX].map(|ahead| now.plus(ahead));
        assert!(!later.into_iter().any(|later| activated(Some(later), None)), "what ran out came back");
    }
}

/// Whether a record says what a known one does, signed by the same holder: all but the spelling of the signature, which
/// nothing signs (docs/token-format.md, section 9), and the proof that its token may carry.
fn is_twin(record: &SignedObject<'_>, known: &[u8]) -> bool {
    let Ok(known) = SignedObject::from_der(known) else { return false };
    let certificates = |object: &SignedObject<'_>| {
        object.other_certificates().iter().map(|other| other.der().to_vec()).collect::<Vec<_>>()
    };
    record.content() == known.content()
        && record.signing_time() == known.signing_time()
        && record.signer().der() == known.signer().der()
        && certificates(record) == certificates(&known)
        && token_digest(record) == token_digest(&known)
}

/// What names the token of a record, with or without an inclusion proof in it.
fn token_digest(record: &SignedObject<'_>) -> Option<[u8; 32]> {
    let token = record.unsigned_token()?;
    SignedObject::from_der(token).ok().map(|token| token.digest())
}
