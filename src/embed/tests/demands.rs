//! What a product demands of tokens when it is built.
#![allow(clippy::unwrap_used)]

use countersign::{Anchors, Demands, Machine, MachineFacts, Product, Store, assess};
use countersign_common::{Octets, encode_certificate, encode_object, sha256};
use countersign_testpki::{
    Cast,
    objects::{ACTIVATED, example_machine, machine},
    trust::{ProofParts, ledger_signer, with_proof},
};

struct Example;

impl Machine for Example {
    fn facts(&self) -> MachineFacts {
        machine(&example_machine())
    }
}

#[test]
fn a_product_that_demands_the_proof_of_the_ledger_is_activated_by_no_other_token() {
    let cast = Cast::new();
    let root: &'static [u8] = encode_certificate(&cast.token_root.certificate).into_bytes().leak();
    let token = cast.token(|token| {
        (token.terms.validity, token.terms.renew_after) = (None, None);
        (token.product.from, token.product.below) = (None, None);
    });
    let proof = ProofParts::new(Octets(sha256(&token))).signed_by(&ledger_signer("Ledger Signer", &cast.token_root));
    for (carried, demanded) in [(token.clone(), "CS-3011"), (with_proof(&token, &proof), "CS-0001")] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path());
        let record = cast.record_cms(&cast.challenge(&token), &carried, &cast.holder).build();
        let locked = store.lock().unwrap();
        locked.advance_time(ACTIVATED.parse().unwrap()).unwrap();
        locked.keep_record("control-room", &Octets([7; 16]), encode_object(&record).as_bytes()).unwrap();
        let judge = |anchors: &Anchors| assess(&store, &Product::new("control-room"), anchors, &Example).reason.code();
        let anchors = Anchors::compiled(root);
        assert_eq!(judge(&anchors), "CS-0001");
        assert_eq!(judge(&anchors.demanding(Demands { inclusion_proof: true, approvals: 0 })), demanded);
    }
}
