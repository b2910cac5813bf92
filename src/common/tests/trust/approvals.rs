//! Tokens that carry approvals, and anchors that demand them: the two-person rule where the authority could be bypassed.

use crate::{Site, code};
use countersign_common::{
    Anchors, Approval, Approved, Demands, Lists, NO_LISTS, Octets, RevocationList, SignedObject, VerifiedToken,
    VerifiedTokenList, anchors_update::AnchorsUpdate, sha256, validate,
};
use countersign_testpki::{
    Cms, Identity,
    crls::{List, reason},
    objects::CONTENT_TOKEN,
    trust::{
        APPROVED, CONTENT_APPROVAL, LISTED, anchors_signatures, anchors_signer, anchors_update, approval, approve,
        approver, empty_list, token_list,
    },
};
use der::Encode;

/// Anchors that demand two persons' approval.
const TWO: Demands = Demands { inclusion_proof: false, approvals: 2 };

/// A site with two approvers.
struct Office {
    site: Site,
    body: Vec<u8>,
    one: Identity,
    two: Identity,
}

impl Office {
    fn new() -> Self {
        let site = Site::new();
        let body = site.cast.token_body().to_der().unwrap();
        let one = approver("Approver One", &site.cast.token_root);
        let two = approver("Approver Two", &site.cast.token_root);
        Self { site, body, one, two }
    }

    fn demanding(&self) -> Anchors<'_> {
        self.site.anchors().demanding(TWO)
    }

    fn by(&self, signer: &Identity) -> Vec<u8> {
        approval(signer, &self.body)
    }

    /// The token with some approvals.
    fn token(&self, approvals: &[Vec<u8>]) -> Vec<u8> {
        let mut token = self.site.cast.token_cms(self.body.clone());
        if !approvals.is_empty() {
            approve(&mut token, approvals);
        }
        token.build()
    }

    fn approved(&self) -> Vec<u8> {
        self.token(&[self.by(&self.one), self.by(&self.two)])
    }
}

fn verify(token: &[u8], anchors: &Anchors<'_>, lists: &Lists<'_>) -> &'static str {
    code(SignedObject::from_der(token).and_then(|object| VerifiedToken::verify(object, anchors, lists)))
}

#[test]
fn an_officer_alone_activates_nothing() {
    let office = Office::new();
    let approved = office.approved();
    assert_eq!(verify(&approved, &office.demanding(), &NO_LISTS), "CS-0001");
    let alone = [
        ("CS-3013", office.token(&[])),
        ("CS-3013", office.token(&[office.by(&office.one)])),
        ("CS-3013", office.token(&[office.by(&office.one), office.by(&office.one)])),
        ("CS-2014", office.token(&[office.by(&office.one), office.by(&office.site.cast.token_signer)])),
        ("CS-3014", office.token(&[office.by(&office.one), approval(&office.two, b"another body")])),
    ];
    let cast = &office.site.cast;
    for (expected, token) in alone {
        assert_eq!(verify(&token, &office.demanding(), &NO_LISTS), expected);
        assert_eq!(verify(&token, &office.site.anchors(), &NO_LISTS), "CS-0001");
        let record = cast.record_cms(&cast.challenge(&token), &token, &cast.holder).build();
        let judge = |anchors: &Anchors<'_>| validate(&record, &office.site.facts(anchors, &NO_LISTS)).reason.code();
        assert_eq!(judge(&office.demanding()), expected);
        assert_eq!(judge(&office.site.anchors()), "CS-0001");
    }
}

#[test]
fn approvals_are_part_of_what_the_token_signer_signed() {
    let office = Office::new();
    let (approved, anchors) = (office.approved(), office.demanding());
    let object = SignedObject::from_der(&approved).unwrap();
    assert_eq!(object.digest(), sha256(&approved));
    let carried = Approval::carried_by(&object).unwrap();
    let subjects: Vec<_> = carried.iter().map(|approval| approval.signer().subject_text()).collect();
    assert_eq!(subjects, ["CN=Approver One,O=Example Organisation", "CN=Approver Two,O=Example Organisation"]);
    assert!(carried.iter().all(|approval| approval.signing_time().to_string() == APPROVED));
    let bare = office.token(&[]);
    assert!(Approval::carried_by(&SignedObject::from_der(&bare).unwrap()).unwrap().is_empty());
    let mut changed = approved.clone();
    for place in 0..approved.len() {
        changed[place] ^= 1;
        assert_ne!(verify(&changed, &anchors, &NO_LISTS), "CS-0001", "octet {place}");
        changed[place] = approved[place];
    }
}

#[test]
fn a_refused_approval_is_told_with_the_name_of_its_signer() {
    let office = Office::new();
    let anchors = office.demanding();
    let two = office.by(&office.two);
    let mut broken = two.clone();
    *broken.last_mut().unwrap() ^= 1;
    let objects = [office.by(&office.one), broken];
    let objects: Vec<_> = objects.iter().map(|der| SignedObject::from_der(der).unwrap()).collect();
    let judge =
        |by: &[SignedObject<'_>], needed| Approved { body: &office.body, by, needed }.verify(&anchors, &NO_LISTS);
    let refusal = judge(&objects, 2).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the approval by CN=Approver Two,O=Example Organisation is refused: the signature does not verify"
    );
    assert_eq!(refusal.code(), "CS-1104");
    assert_eq!(judge(&objects[..1], 1), Ok(()));
    assert_eq!(judge(&[], 0), Ok(()));
    assert_eq!(
        judge(&objects[..1], 2).unwrap_err().to_string(),
        "approvals of 2 persons are needed, and it has those of 1"
    );
    let token = office.token(&[]);
    assert_eq!(code(judge(&[SignedObject::from_der(&token).unwrap()], 0)), "CS-1005");
}

#[test]
fn an_approver_whom_a_list_revokes_approves_no_longer_but_for_what_stands() {
    let office = Office::new();
    let approved = office.approved();
    let root = &office.site.cast.token_root;
    let revoked = |why: u8| List::new(root).entry(&office.two.serial, LISTED, &[reason(why)]).sign(&root.key);
    let (compromised, left) = (revoked(1), revoked(3));
    let lists = |list| Lists::new(Vec::new(), vec![RevocationList::from_der(list).unwrap()]);
    assert_eq!(verify(&approved, &office.demanding(), &lists(&compromised)), "CS-2035");
    assert_eq!(verify(&approved, &office.demanding(), &lists(&left)), "CS-0001", "he left after that");
    assert_eq!(verify(&approved, &office.site.anchors(), &lists(&compromised)), "CS-0001");
    let mut standing = empty_list(1, LISTED);
    standing.standing = Some(vec![Octets(sha256(&approved))]);
    let standing = token_list(&office.site.list_signer, &standing);
    let anchors = office.site.anchors();
    let standing = VerifiedTokenList::verify(SignedObject::from_der(&standing).unwrap(), &anchors, &[]).unwrap();
    let both = |list| Lists::new(vec![standing.clone()], vec![RevocationList::from_der(list).unwrap()]);
    assert_eq!(verify(&approved, &office.demanding(), &both(&compromised)), "CS-0001");
    // On hold is not revoked: it may be lifted.
    assert_eq!(verify(&approved, &office.demanding(), &both(&revoked(6))), "CS-2036");
}

#[test]
fn an_update_can_demand_more_approvals_and_never_fewer() {
    let office = Office::new();
    let root = &office.site.cast.token_root;
    let officer = anchors_signer("Officer", root);
    let plain = anchors_update(1, &[(&root.certificate, None)], &[&officer], 1, &[&officer]);
    let plain = SignedObject::from_der(&plain[0]).unwrap();
    let after = |approvals: u8, before: Demands| {
        let mut body = AnchorsUpdate::from_der(plain.content()).unwrap();
        body.demands = Some(Demands { inclusion_proof: false, approvals });
        let objects = anchors_signatures(&body.to_der().unwrap(), &[&officer]);
        let followed =
            office.site.anchors().demanding(before).follow(&objects).map(|anchors| anchors.demands().approvals);
        followed.map_err(|reason| reason.code())
    };
    assert_eq!(after(1, Demands::default()), Ok(1));
    assert_eq!(after(1, TWO), Ok(2));
    assert_eq!(after(3, TWO), Ok(3));
    assert_eq!(after(8, TWO), Ok(8));
    assert_eq!(after(9, TWO), Err("CS-1205"));
    assert_eq!(after(0, TWO), Err("CS-1205"), "an update that demands nothing does not say so");
}

#[test]
fn an_approval_is_no_token() {
    let office = Office::new();
    let approval = office.by(&office.one);
    assert_eq!(verify(&approval, &office.site.anchors(), &NO_LISTS), "CS-1005");
    // Nor does a token's content approve.
    let mut dressed = Cms::new(CONTENT_APPROVAL, office.body.clone(), &office.one, APPROVED);
    assert_eq!(verify(&office.token(&[dressed.build()]), &office.site.anchors(), &NO_LISTS), "CS-1003");
    dressed.content_type = CONTENT_TOKEN;
    assert_eq!(code(SignedObject::from_der(&dressed.build())), "CS-1101");
}
