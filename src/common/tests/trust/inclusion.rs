//! Tokens that prove to be in the ledger, and anchors that demand it.

use crate::{Site, code};
use countersign_common::{
    Anchors, Demands, Lists, NO_LISTS, Octets, RevocationList, SignedObject, VerifiedToken,
    anchors_update::AnchorsUpdate, sha256, validate,
};
use countersign_testpki::{
    Identity,
    crls::List,
    objects::{CONTENT_TOKEN, Cms, attribute},
    trust::{
        CONTENT_TREE_HEAD, LISTED, ProofParts, anchors_signatures, anchors_signer, anchors_update, ledger_signer,
        with_proof,
    },
};
use der::Encode;

const ATTRIBUTE_INCLUSION_PROOF: &str = "1.3.6.1.4.1.32473.2026.2.2";
const DEMAND: Demands = Demands { inclusion_proof: true, approvals: 0 };

/// A site with a ledger and a token.
struct Office {
    site: Site,
    ledger_signer: Identity,
    token: Vec<u8>,
}

impl Office {
    fn new() -> Self {
        let site = Site::new();
        let ledger_signer = ledger_signer("Ledger Signer", &site.cast.token_root);
        let token = site.cast.token(|_| {});
        Self { site, ledger_signer, token }
    }

    fn parts(&self) -> ProofParts {
        ProofParts::new(Octets(sha256(&self.token)))
    }

    fn proven(&self) -> Vec<u8> {
        with_proof(&self.token, &self.parts().signed_by(&self.ledger_signer))
    }

    fn demanding(&self) -> Anchors<'_> {
        self.site.anchors().demanding(DEMAND)
    }

    /// The code for the token with a proof that was changed.
    fn with(&self, change: impl FnOnce(&mut ProofParts)) -> &'static str {
        let mut parts = self.parts();
        change(&mut parts);
        verify(&with_proof(&self.token, &parts.signed_by(&self.ledger_signer)), &self.demanding(), &NO_LISTS)
    }
}

fn verify(token: &[u8], anchors: &Anchors<'_>, lists: &Lists<'_>) -> &'static str {
    code(SignedObject::from_der(token).and_then(|object| VerifiedToken::verify(object, anchors, lists)))
}

#[test]
fn a_token_that_was_issued_behind_the_ledgers_back_activates_nothing() {
    let office = Office::new();
    let (token, proven) = (&office.token, office.proven());
    assert_eq!(verify(&proven, &office.demanding(), &NO_LISTS), "CS-0001");
    assert_eq!(verify(token, &office.demanding(), &NO_LISTS), "CS-3011");
    assert_eq!(verify(token, &office.site.anchors(), &NO_LISTS), "CS-0001");
    // The same of what was activated under them.
    let cast = &office.site.cast;
    let record = |token: &[u8]| cast.record_cms(&cast.challenge(&office.token), token, &cast.holder).build();
    let judge = |token: &[u8], anchors: &Anchors<'_>| {
        validate(&record(token), &office.site.facts(anchors, &NO_LISTS)).reason.code()
    };
    assert_eq!(judge(&proven, &office.demanding()), "CS-0001");
    assert_eq!(judge(token, &office.demanding()), "CS-3011");
    assert_eq!(judge(&proven, &office.site.anchors()), "CS-0001");
}

#[test]
fn a_proof_tells_where_the_token_is_and_leaves_it_what_it_is() {
    let office = Office::new();
    let proven = office.proven();
    let object = SignedObject::from_der(&proven).unwrap();
    assert_eq!(object.digest(), sha256(&office.token));
    assert_eq!(object.der(), proven);
    assert!(object.unsigned_token().is_none());
    // Another proof takes the place of the first.
    let other = office.parts().signed_by(&ledger_signer("Second Ledger Signer", &office.site.cast.token_root));
    let again = object.with_inclusion_proof(&other).unwrap();
    let again = SignedObject::from_der(&again).unwrap();
    assert_eq!((again.inclusion_proof(), again.digest()), (Some(&other[..]), object.digest()));
    let anchors = office.site.anchors();
    let token = VerifiedToken::verify(object, &anchors, &NO_LISTS).unwrap();
    let place = token.ledger_place(&anchors, &NO_LISTS).unwrap().unwrap();
    assert_eq!((place.entry, place.size, place.log), (3, 5, office.parts().head.log));
    assert_eq!(place.signed.to_string(), "2026-03-01T00:00:00Z");
    let bare = SignedObject::from_der(&office.token).unwrap();
    let bare = VerifiedToken::verify(bare, &anchors, &NO_LISTS).unwrap();
    assert_eq!(bare.ledger_place(&anchors, &NO_LISTS), Ok(None));
    let head = countersign_testpki::trust::tree_head(&office.ledger_signer, &office.parts().head);
    assert_eq!(code(SignedObject::from_der(&head).unwrap().with_inclusion_proof(&other)), "CS-1005");
}

#[test]
fn a_proof_that_does_not_lead_to_the_signed_root_is_refused() {
    let office = Office::new();
    assert_eq!(office.with(|_| {}), "CS-0001");
    assert_eq!(office.with(|parts| parts.entry.token = Some(Octets([1; 32]))), "CS-3012");
    assert_eq!(office.with(|parts| parts.entry.token = None), "CS-3012");
    assert_eq!(office.with(|parts| parts.entry.number = 4), "CS-3012");
    assert_eq!(office.with(|parts| parts.entry.time = parts.head.time), "CS-3012");
    assert_eq!(office.with(|parts| parts.path[1].0[0] ^= 1), "CS-3012");
    assert_eq!(office.with(|parts| parts.path.truncate(2)), "CS-3012");
    assert_eq!(office.with(|parts| parts.path.push(Octets([0; 32]))), "CS-3012");
    assert_eq!(office.with(|parts| parts.head.size = 9), "CS-3012");
    assert_eq!(office.with(|parts| parts.head.size = 2), "CS-3012");
    assert_eq!(office.with(|parts| parts.head.root.0[0] ^= 1), "CS-3012");
}

#[test]
fn a_proof_outside_its_limits_is_refused_also_where_none_is_demanded() {
    let office = Office::new();
    let both = |change: fn(&mut ProofParts)| {
        let mut parts = office.parts();
        change(&mut parts);
        let token = with_proof(&office.token, &parts.signed_by(&office.ledger_signer));
        let codes = [office.site.anchors(), office.demanding()].map(|anchors| verify(&token, &anchors, &NO_LISTS));
        assert_eq!(codes[0], codes[1]);
        codes[0]
    };
    assert_eq!(both(|parts| parts.entry.number = 0), "CS-1208");
    assert_eq!(both(|parts| parts.entry.number = 1 << 63), "CS-1208");
    assert_eq!(both(|parts| parts.entry.version = 2), "CS-1208");
    assert_eq!(both(|parts| parts.path = vec![Octets([0; 32]); 64]), "CS-1208");
    // As long as may be, and wrong.
    assert_eq!(office.with(|parts| parts.path = vec![Octets([0; 32]); 63]), "CS-3012");
    let proof = office.parts().signed_by(&office.ledger_signer);
    let changed = |place: usize, octet: u8| {
        let mut proof = proof.clone();
        proof[place] = octet;
        verify(&with_proof(&office.token, &proof), &office.site.anchors(), &NO_LISTS)
    };
    // The octets of `30 82 LL LL 02 01 01`.
    assert_eq!(changed(6, 2), "CS-1006");
    assert_eq!(changed(6, 0), "CS-1003");
    assert_eq!(changed(0, 0x31), "CS-1003");
}

#[test]
fn the_head_of_a_proof_is_signed_by_the_ledger_signer_whom_no_list_revokes() {
    let office = Office::new();
    let cast = &office.site.cast;
    for other in [
        &ledger_signer("Ledger Signer", &cast.holder_root),
        &anchors_signer("Officer", &cast.token_root),
        &office.site.list_signer,
        &cast.token_signer,
    ] {
        let token = with_proof(&office.token, &office.parts().signed_by(other));
        assert_ne!(verify(&token, &office.demanding(), &NO_LISTS), "CS-0001");
        assert_eq!(verify(&token, &office.site.anchors(), &NO_LISTS), "CS-0001");
    }
    let list = List::new(&cast.token_root).entry(&office.ledger_signer.serial, LISTED, &[]).sign(&cast.token_root.key);
    let lists = Lists::new(Vec::new(), vec![RevocationList::from_der(&list).unwrap()]);
    assert_eq!(verify(&office.proven(), &office.demanding(), &lists), "CS-2035");
    assert_eq!(verify(&office.proven(), &office.site.anchors(), &lists), "CS-0001");
}

#[test]
fn a_token_carries_one_proof_and_nothing_else_does() {
    let office = Office::new();
    let cast = &office.site.cast;
    let proof = office.parts().signed_by(&office.ledger_signer);
    let carry = |content_type: &str, content: Vec<u8>, signer: &Identity, unsigned: &[Vec<u8>]| {
        let mut cms = Cms::new(content_type, content, signer, "2026-03-01T00:00:00Z");
        cms.unsigned = unsigned.to_vec();
        code(SignedObject::from_der(&cms.build()))
    };
    let one = attribute(ATTRIBUTE_INCLUSION_PROOF, std::slice::from_ref(&proof));
    let two_values = attribute(ATTRIBUTE_INCLUSION_PROOF, &[proof.clone(), proof.clone()]);
    let body = cast.token_body().to_der().unwrap();
    let token = |unsigned: &[Vec<u8>]| carry(CONTENT_TOKEN, body.clone(), &cast.token_signer, unsigned);
    assert_eq!(token(std::slice::from_ref(&one)), "CS-0001");
    assert_eq!(token(&[one.clone(), one.clone()]), "CS-1101");
    assert_eq!(token(&[two_values]), "CS-1101");
    assert_eq!(token(&[attribute(ATTRIBUTE_INCLUSION_PROOF, &[])]), "CS-1101");
    let head = office.parts().head.to_der().unwrap();
    let head = |unsigned: &[Vec<u8>]| carry(CONTENT_TREE_HEAD, head.clone(), &office.ledger_signer, unsigned);
    assert_eq!([head(&[]), head(&[one])], ["CS-0001", "CS-1101"]);
}

#[test]
fn a_proven_token_with_any_octet_changed_is_refused() {
    let office = Office::new();
    let (proven, anchors) = (office.proven(), office.demanding());
    let mut changed = proven.clone();
    for place in 0..proven.len() {
        changed[place] ^= 1;
        assert_ne!(verify(&changed, &anchors, &NO_LISTS), "CS-0001", "octet {place}");
        changed[place] = proven[place];
    }
}

#[test]
fn an_update_may_demand_proofs_and_never_drops_what_the_product_demands() {
    let office = Office::new();
    let officer = anchors_signer("Officer", &office.site.cast.token_root);
    let roots = [(&office.site.cast.token_root.certificate[..], None)];
    let update = |number, demands| {
        let plain = anchors_update(number, &roots, &[&officer], 1, &[&officer]);
        let object = SignedObject::from_der(&plain[0]).unwrap();
        let body = AnchorsUpdate { demands, ..AnchorsUpdate::from_der(object.content()).unwrap() };
        anchors_signatures(&body.to_der().unwrap(), &[&officer])
    };
    let (first, second) = (update(1, Some(DEMAND)), update(2, None));
    let both = [first.clone(), second].concat();
    let judge = |anchors: Anchors<'_>, updates: &[Vec<u8>]| {
        let updates = updates.to_vec();
        anchors
            .follow(&updates)
            .map_or_else(|reason| reason.code(), |anchors| verify(&office.token, &anchors, &NO_LISTS))
    };
    assert_eq!(judge(office.site.anchors(), &first), "CS-3011");
    assert_eq!(judge(office.site.anchors(), &both), "CS-0001");
    assert_eq!(judge(office.demanding(), &both), "CS-3011");
    // Present, and demanding nothing.
    assert_eq!(judge(office.site.anchors(), &update(1, Some(Demands::default()))), "CS-1205");
}
