//! What a product demands of tokens when it is built.
#![allow(clippy::unwrap_used)]

use countersign::{Anchors, Demands, Machine, MachineFacts, Product, Store, assess};
use countersign_common::{Octets, SignedObject, Token, encode_certificate, encode_object, sha256};
use countersign_testpki::{
    Cast,
    objects::{ACTIVATED, example_machine, machine},
    trust::{ProofParts, approval, approve, approver, ledger_signer, with_proof},
};

struct Example;

impl Machine for Example {
    fn facts(&self) -> MachineFacts {
        machine(&example_machine())
    }
}

/// The code of a product whose anchors demand nothing, and of one that demands more, with a record under a token.
fn judged(cast: &Cast, record: &[u8], demands: Demands) -> [&'static str; 2] {
    let root: &'static [u8] = encode_certificate(&cast.token_root.certificate).into_bytes().leak();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let locked = store.lock().unwrap();
    locked.advance_time(ACTIVATED.parse().unwrap()).unwrap();
    locked.keep_record("control-room", &Octets([7; 16]), encode_object(record).as_bytes()).unwrap();
    let judge = |anchors: &Anchors| assess(&store, &Product::new("control-room"), anchors, &Example).reason.code();
    let anchors = Anchors::compiled(root);
    [judge(&anchors), judge(&anchors.demanding(demands))]
}

/// A token that holds without end, for any version.
fn plain(cast: &Cast) -> Token {
    let mut token = cast.token_body();
    (token.terms.validity, token.terms.renew_after) = (None, None);
    (token.product.from, token.product.below) = (None, None);
    token
}

#[test]
fn a_product_that_demands_approvals_is_activated_by_no_token_of_one_officer() {
    let cast = Cast::new();
    let body = cast.token(|token| *token = plain(&cast));
    let body = SignedObject::from_der(&body).unwrap().content().to_vec();
    let [one, two] = ["Approver One", "Approver Two"].map(|name| approval(&approver(name, &cast.token_root), &body));
    for (approvals, demanded) in [(vec![], "CS-3013"), (vec![one.clone()], "CS-3013"), (vec![one, two], "CS-0001")] {
        let mut token = cast.token_cms(body.clone());
        if !approvals.is_empty() {
            approve(&mut token, &approvals);
        }
        let token = token.build();
        let record = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
        let demands = Demands { approvals: 2, ..Demands::default() };
        assert_eq!(judged(&cast, &record, demands), ["CS-0001", demanded]);
    }
}

#[test]
fn a_product_that_demands_the_proof_of_the_ledger_is_activated_by_no_other_token() {
    let cast = Cast::new();
    let token = cast.token(|token| *token = plain(&cast));
    let proof = ProofParts::new(Octets(sha256(&token))).signed_by(&ledger_signer("Ledger Signer", &cast.token_root));
    for (carried, demanded) in [(token.clone(), "CS-3011"), (with_proof(&token, &proof), "CS-0001")] {
        let record = cast.record_cms(&cast.challenge(&token), &carried, &cast.holder).build();
        let demands = Demands { inclusion_proof: true, ..Demands::default() };
        assert_eq!(judged(&cast, &record, demands), ["CS-0001", demanded]);
    }
}
