//! Writes the seed corpora: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`; with a folder, into that.
//!
//! Everything comes from the test objects, which come out the same each time, so a seed changes only where the format
//! or a target's reading of its input does.

#![allow(clippy::unwrap_used, reason = "a seed that cannot be made is a fault to be told at once")]

use countersign_common::{
    ListKind, ListUsed, Octets, TreeHead, bundle::PartKind, encode_certificate, encode_object, token_list,
};
use countersign_fuzz::{clock, signed, verdict::WORLD};
use countersign_testpki::{
    crls,
    objects::time,
    trust::{
        ProofParts, anchors_signer, anchors_update, bundle, empty_list, ledger_signer, manifest, revoked, token_list,
        with_proof,
    },
};
use der::{Decode, Encode, asn1::Any, asn1::Uint};
use flate2::{Compression, write::GzEncoder};
use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

fn main() {
    let folder =
        env::args_os().nth(1).map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), PathBuf::from);
    for (target, seeds) in [
        ("card", card()),
        ("certificates", certificates()),
        ("machine", machine()),
        ("objects", objects()),
        ("verdict", verdict()),
    ] {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).unwrap();
        for (name, seed) in &seeds {
            fs::write(folder.join(format!("seed-{name}")), seed).unwrap();
        }
        println!("{target}: {} seeds, {} octets", seeds.len(), seeds.iter().map(|(_, seed)| seed.len()).sum::<usize>());
    }
}

type Seeds = Vec<(String, Vec<u8>)>;

/// Numbered after what they are.
fn named(name: &str, seeds: impl IntoIterator<Item = Vec<u8>>) -> Seeds {
    seeds.into_iter().enumerate().map(|(at, seed)| (format!("{name}-{at:02}"), seed)).collect()
}

/// One octet that says what it is, then the thing.
fn objects() -> Seeds {
    let cast = &WORLD.cast;
    let record = &WORLD.records[0];
    let token = cast.token(|_| {});
    let body = cast.token_body();
    let listed = list();
    let signer = anchors_signer("Example Anchors Signer", &cast.token_root);
    let update = anchors_update(1, &[(&cast.token_root.certificate, None)], &[&signer], 1, &[&signer]);
    let list_object = token_list_object(&listed);
    let parts = [(PartKind::TokenList, &list_object[..]), (PartKind::Token, &token[..])];
    let root = &cast.token_root.certificate;
    let certificates = [root, &cast.holder.certificate].map(|der| encode_certificate(der)).concat();
    let update_body = countersign_common::SignedObject::from_der(&update[0]).unwrap().content().to_vec();
    let stamp = stamp_info();
    let ledger_signer = ledger_signer("Example Ledger Signer", &cast.token_root);
    let proof = ProofParts::new(Octets(countersign_common::sha256(&token))).signed_by(&ledger_signer);
    let listed_certificates = crls::List::new(&cast.token_root).entry(&cast.token_signer.serial, REVOKED, &[]);
    let all: [(u8, Vec<u8>); 30] = [
        (0, encode_object(&token).into_bytes()),
        (0, record.clone()),
        (1, token.clone()),
        (1, WORLD.records[2].clone()),
        (1, list_object.clone()),
        (2, body.to_der().unwrap()),
        (3, cast.challenge(&[]).to_der().unwrap()),
        (3, challenge_with_lists()),
        (4, listed.to_der().unwrap()),
        (5, update_body),
        (6, manifest(&parts).to_der().unwrap()),
        (7, bundle(&WORLD.list_signer, &parts)),
        (8, certificates.into_bytes()),
        (9, root.clone()),
        (9, cast.holder.certificate.clone()),
        (10, cast.holder.name.clone()),
        (10, [&cast.holder.name[..], &cast.token_root.name].concat()),
        (11, b"2.4.1".to_vec()),
        (11, b"2026-06-15T09:30:00Z".to_vec()),
        (12, time("2026-06-15T09:30:00Z").to_der().unwrap()),
        (13, [root.clone(), update[0].clone()].concat()),
        (0, [encode_object(&token), encode_object(&list_object)].concat().into_bytes()),
        (14, listed_certificates.sign(&cast.token_root.key)),
        (15, clock::REQUEST.to_der().unwrap()),
        (16, clock::stamped(&stamp)),
        (17, stamp),
        (18, tree_head().to_der().unwrap()),
        (19, proof.clone()),
        (1, with_proof(&token, &proof)),
        (1, countersign_testpki::trust::tree_head(&ledger_signer, &tree_head())),
    ];
    all.into_iter()
        .enumerate()
        .map(|(at, (kind, seed))| (format!("{kind:02}-{at:02}"), [&[kind], &seed[..]].concat()))
        .collect()
}

/// A head over some entries.
fn tree_head() -> TreeHead {
    let (log, root) = (Octets([1; 32]), Octets([2; 32]));
    TreeHead { version: 1, log, size: 300, time: time("2026-06-15T09:30:00Z"), root, extensions: None }
}

/// When what is revoked in seeds was.
const REVOKED: &str = "2026-06-01T00:00:00Z";

/// A TSTInfo over the request of the target.
fn stamp_info() -> Vec<u8> {
    use countersign_testpki::der::{explicit, integer, octets, oid, sequence, tlv};
    let imprint = countersign_common::sha256(&clock::REQUEST.to_der().unwrap());
    let mut nonce = clock::REQUEST.nonce.0[..8].to_vec();
    nonce[0] = nonce[0] & 0x3f | 0x40;
    let algorithm = sequence(&[&oid("2.16.840.1.101.3.4.2.1")]);
    let tsa = explicit(0, &explicit(4, &countersign_testpki::certificates::distinguished_name("Stamper")));
    sequence(&[
        &integer(1),
        &oid("1.3.6.1.4.1.32473.9.1"),
        &sequence(&[&algorithm, &octets(&imprint)]),
        &integer(7),
        &tlv(0x18, &[b"20260620115959.5Z"]),
        &sequence(&[&integer(1), &tlv(0x80, &[&[5]])]),
        &tlv(0x02, &[&nonce]),
        &tsa,
    ])
}

/// A token list with each member.
fn list() -> token_list::TokenList {
    let mut list = empty_list(7, "2026-06-01T00:00:00Z");
    let entry = revoked(Octets([1; 16]), token_list::TokenRevocation::Superseded, "2026-06-01T00:00:00Z");
    list.revoked = Some(vec![token_list::RevokedToken { digest: Some(Octets([2; 32])), ..entry }]);
    list.standing = Some(vec![Octets([3; 32])]);
    list.received = Some(vec![Octets([4; 32])]);
    list.replaces = Some(vec![Any::from_der(&WORLD.cast.holder.name).unwrap()]);
    list
}

fn token_list_object(list: &token_list::TokenList) -> Vec<u8> {
    token_list(&WORLD.list_signer, list)
}

fn challenge_with_lists() -> Vec<u8> {
    let mut challenge = WORLD.cast.challenge(&[]);
    challenge.token_digest = Octets(signed::DIGEST);
    challenge.lists = Some(vec![ListUsed {
        kind: ListKind::TokenList,
        issuer: Any::from_der(&WORLD.list_signer.name).unwrap(),
        number: Uint::new(&[1]).unwrap(),
        this_update: time("2026-06-01T00:00:00Z"),
    }]);
    challenge.to_der().unwrap()
}

/// Facts, form, then a record or two bodies.
fn verdict() -> Seeds {
    // Clock and floor at the activation, product as in the token, the same machine, no lists.
    let facts = [0, 60, 0, 0, 0b0101, 0, 0, 0, 0];
    let with_lists = [0, 60, 0, 0, 0b0101, 0, 1, 0, 0b0000_0011];
    let whole = WORLD.records.iter().map(|record| [&facts[..], &[0], record].concat());
    let mut seeds = named("whole", whole);
    // A proof and two approvals demanded, of a token that carries them and of one that does not.
    let demanding = [0, 60, 0, 0, 0b0101, 0, 0b1_0100, 0, 0];
    let demanded = [&WORLD.records[0], &WORLD.records[3]].map(|record| [&demanding[..], &[0], record].concat());
    seeds.extend(named("demanded", demanded));
    let mut cases: Vec<Vec<u8>> = Vec::new();
    let mut case =
        |facts: &[u8], flags: u8, grant: u16, change: &dyn Fn(&mut countersign_common::Token), lists: bool| {
            let mut body = WORLD.cast.token_body();
            change(&mut body);
            let body = body.to_der().unwrap();
            let mut challenge = countersign_common::Challenge::from_der(&challenge_with_lists()).unwrap();
            challenge.grant = grant;
            if !lists {
                challenge.lists = None;
            }
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            cases.push([facts, &[1, flags], &length, &body, &challenge.to_der().unwrap()].concat());
        };
    case(&facts, 2, 1, &|_| {}, false);
    case(&facts, 3, 2, &|_| {}, false);
    case(&with_lists, 2, 1, &|body| body.lists = Some(terms()), true);
    // A signer compromised and a holder, with the exemptions from both.
    let exempted = [0, 60, 0, 0, 0b0101, 0, 0, 0b0010_0101, 0b1000_0001];
    case(&exempted, 2, 1, &|_| {}, false);
    case(&facts, 2, 1, &|body| body.terms.validity = None, false);
    case(&facts, 2, 1, &|body| body.binding.virtual_machines = true, false);
    seeds.extend(named("signed", cases));
    seeds.push(("exempted".to_owned(), [&exempted[..], &[0], &WORLD.records[0]].concat()));
    seeds
}

fn terms() -> countersign_common::token::ListTerms {
    countersign_common::token::ListTerms { oldest_number: Some(1), max_age: Some(31_536_000) }
}

/// Rules, time, form; then recipes of six octets, or DER.
fn certificates() -> Seeds {
    // Subject, issuer, kind, extensions, length of the value.
    const CA: u16 = 0b101;
    const LIMITED: u16 = 0b110;
    const LEAF: u16 = 0b1_1000;
    let recipe = |subject: u8, issuer: u8, kind: u8, extensions: u16| {
        let [high, low] = extensions.to_be_bytes();
        [subject, issuer, kind, high, low, 0]
    };
    let root = recipe(0x00, 0x00, 1, CA);
    let chains = [
        vec![recipe(0x66, 0x00, 0, LEAF), root],
        vec![recipe(0x66, 0x22, 0, LEAF), recipe(0x22, 0x00, 0, CA), root],
        vec![recipe(0x66, 0x22, 0, LEAF), recipe(0x22, 0x33, 0, LIMITED), recipe(0x33, 0x00, 8, LIMITED), root],
        // A mesh: each CA certified by each other one, also under a second key and a name in another case.
        [vec![recipe(0x66, 0x22, 0, LEAF)], mesh(&recipe), vec![root]].concat(),
        // Constraints that others have to keep.
        vec![recipe(0x66, 0x22, 0, LEAF | 0x140), recipe(0x22, 0x00, 0, CA | 0x240), root],
        vec![recipe(0x66, 0x22, 0, LEAF | 0x140), recipe(0x22, 0x00, 0, CA | 0x2c40), root],
    ];
    let mut seeds = named("made", chains.map(|chain| [&[0, 0, 0][..], &chain.concat()].concat()));
    // Policies asked for; a list of the root about the leaf, and one of the CA; a delta list and one for users only.
    let chain = [recipe(0x66, 0x22, 0, LEAF | 0x40), recipe(0x22, 0x00, 0, CA | 0x40), root].concat();
    let lists = [&[2, 0x22, 0, 1, 1, 0, 1, 0, 0x00, 0, 1, 1, 1, 6, 1][..], &[2, 0x22, 0, 1, 0, 0x22, 3, 6, 1, 0, 6, 0]];
    for (name, rules, lists) in [("lists-00", 0x38, lists[0]), ("lists-01", 0x10, lists[1])] {
        let policies: &[u8] = if rules & 8 == 8 { &[9] } else { &[] };
        let head = [&[rules, 0, 0][..], policies, &[lists.len() as u8], lists].concat();
        seeds.push((name.to_owned(), [head, chain.clone()].concat()));
    }
    // A list with its index, and damage to either.
    let made = crls::List { entries: crls::entries(12), ..crls::List::new(&WORLD.cast.token_root) };
    let direct = made.clone().entry(&WORLD.cast.token_signer.serial, REVOKED, &[crls::reason(6)]);
    let named = crls::certificate_issuer(&WORLD.cast.holder_root.name);
    let indirect = made.extension(crls::issuing_point(&[crls::indirect()])).entry(&[2, 1, 9], REVOKED, &[named]);
    for (name, list) in [("index-00", direct), ("index-01", indirect)] {
        let der = list.sign(&WORLD.cast.token_root.key);
        let damage = [[0x01, 0x20, 0x01], [0, 0, 0]].concat().repeat(4);
        let length = (der.len() as u16).to_be_bytes();
        seeds.push((name.to_owned(), [&[0xc0, 0, 0][..], &damage, &length, &der, &[9]].concat()));
    }
    seeds.push(("rules".to_owned(), [&[3, 0, 0][..], &recipe(0x66, 0x00, 0, LEAF), &root].concat()));
    let cast = &WORLD.cast;
    let der =
        [&cast.token_signer.certificate[..], &cast.token_root.certificate, &cast.holder_root.certificate].concat();
    seeds.push(("der".to_owned(), [&[3, 0, 0b101], &der[..]].concat()));
    seeds
}

fn mesh(recipe: &impl Fn(u8, u8, u8, u16) -> [u8; 6]) -> Vec<[u8; 6]> {
    let parties = [0x22, 0x33, 0x44, 0x25];
    let pairs = parties.into_iter().flat_map(|subject| parties.map(|issuer| (subject, issuer)));
    let crossed = pairs.filter(|(subject, issuer)| subject != issuer);
    crossed.chain([(0x44, 0x00)]).map(|(subject, issuer)| recipe(subject, issuer, 0, 0b101)).collect()
}

/// Which file, then its content.
fn machine() -> Seeds {
    let contents: [(u8, &[u8]); 9] = [
        (0, b"3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
        (1, b"lxc"),
        (2, b"S4EVNX0R123456   \n"),
        (3, b"\0\x01\0\x08WD-WX12A"),
        (6, b"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n"),
        (7, b"QEMU\n"),
        (9, b"B4:45:06:12:34:56\n"),
        (10, b"cpu:type:x86,ven0002:feature:,0000,009F,00C0\n"),
        (12, b"2026-06-15T09:30:00Z\n"),
    ];
    named("file", contents.map(|(file, content)| [&[file], content].concat()))
}

/// A setting, seven calls, then replies with their lengths.
fn card() -> Seeds {
    let selected: &[u8] = b"\x61\x11\x4F\x06\x00\x00\x10\x00\x01\x00\x79\x07\x4F\x05\xA0\x00\x00\x03\x08\x90\x00";
    let extended: &[u8] = b"\x61\x03\x4F\x01\x00\x7F\x66\x08\x02\x02\x08\x00\x02\x02\x10\x00\x90\x00";
    let chuid: &[u8] =
        b"\x53\x1c\x34\x10\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x35\x0820300101\x90\x00";
    let discovery: &[u8] = b"\x7E\x12\x4F\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x5F\x2F\x02\x60\x20\x90\x00";
    let features: &[u8] = b"\x06\x04\x42\x33\x00\x06\x12\x04\x42\x33\x00\x12";
    let signature: &[u8] = b"\x7c\x0a\x82\x08\x30\x06\x02\x01\x01\x02\x01\x01\x90\x00";
    let point = [&b"\x7F\x49\x43\x86\x41\x04"[..], &[0x11; 64], &[0x90, 0]].concat();
    let witness = [&[0x7c, 10, 0x80, 8][..], &[0x5c; 8], &[0x90, 0]].concat();
    let plain = certificate_object(&WORLD.cast.holder.certificate, 0);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&WORLD.cast.holder.certificate).unwrap();
    let packed = certificate_object(&encoder.finish().unwrap(), 1);
    let (first, second) = plain.split_at(plain.len() / 2);
    let announced = [first, &[0x61, 0x80]].concat();
    let ok: &[u8] = &[0x90, 0];
    let session = |setting: u8, calls: &[u8], replies: &[&[u8]]| {
        let mut seed = [&[setting], calls, &vec![4; 7 - calls.len()]].concat();
        for reply in replies {
            match reply.len() {
                short @ 0..=0xef => seed.push(short as u8),
                long => seed.extend([0xff, (long >> 8) as u8, long as u8]),
            }
            seed.extend_from_slice(reply);
        }
        seed
    };
    let tries: &[u8] = &[0x63, 0xc3];
    named(
        "session",
        [
            session(0, &[0, 4, 5, 9], &[selected, &plain, tries, ok, signature]),
            session(2, &[0x10, 5, 9], &[extended, &packed, tries, &[0x63, 0xc2], &[0x69, 0x82]]),
            session(0, &[0], &[selected, &announced, second]),
            session(0, &[0], &[selected, &[0x6c, 0x20], &plain]),
            session(0, &[2, 3, 4], &[selected, chuid, discovery, &[0x6a, 0x88], discovery, tries]),
            session(0, &[7, 8, 14, 15], &[selected, features, features, tries, ok, selected]),
            session(0, &[5, 15], &[selected, tries, ok, selected, tries]),
            session(0, &[11, 12, 13], &[selected, &[0x6d, 0], &witness, &[0x69, 0x82], &point, ok]),
            session(0, &[5, 5, 5], &[selected, tries, &[0x63, 0xc1], &[0x63, 0xc0], &[0x69, 0x83]]),
        ],
    )
}

fn certificate_object(certificate: &[u8], information: u8) -> Vec<u8> {
    use countersign_testpki::der::tlv;
    let object = tlv(0x53, &[&tlv(0x70, &[certificate]), &[0x71, 1, information, 0xfe, 0]]);
    [&object[..], &[0x90, 0]].concat()
}
