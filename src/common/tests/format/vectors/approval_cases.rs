//! Tokens that carry approvals, under anchors that demand two and under others.

use super::Case;
use countersign_common::{Approval, sha256};
use countersign_testpki::{
    Cast, Cms, Identity, Key, Request,
    certificates::{DIGITAL_SIGNATURE, EKU_TOKEN_APPROVAL, extended_key_usage, key_usage},
    der::{explicit, oid, sequence, tlv},
    objects::attribute,
    trust::{APPROVED, ATTRIBUTE_APPROVALS, CONTENT_APPROVAL, approval, approve, approver, list_signer},
};
use der::Encode;

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let body = cast.token_body().to_der().unwrap();
    let first = approver("Approver One", &cast.token_root);
    let second = approver("Approver Two", &cast.token_root);
    let by = |signer: &Identity| approval(signer, &body);
    let carrying = |approvals: &[Vec<u8>]| {
        let mut token = cast.token_cms(body.clone());
        approve(&mut token, approvals);
        token.build()
    };
    let with_attributes = |attributes: &[Vec<u8>]| {
        let mut token = cast.token_cms(body.clone());
        token.attributes.extend_from_slice(attributes);
        token.build()
    };
    let of = |content: &[u8]| Cms::new(CONTENT_APPROVAL, content.to_vec(), &first, APPROVED).build();
    // The same person with a second key, and the same key under a second name.
    let renewed = |name, key| {
        let extensions = vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_TOKEN_APPROVAL])];
        Request::new(name, key, extensions).issued_by(&cast.token_root)
    };
    let same_person = renewed("Approver One", Key::p256("a second key of one"));
    let same_key = renewed("Approver Three", Key::p256("Approver One"));
    let mut broken = Cms::new(CONTENT_APPROVAL, Approval::of(&body).to_der().unwrap(), &second, APPROVED);
    broken.broken_signature = true;
    let other_body = {
        let mut body = cast.token_body();
        body.seats = Some(11);
        body.to_der().unwrap()
    };
    let digest = tlv(4, &[&sha256(&body)]);
    let version = |number: u8| sequence(&[&[2, 1, number], &digest]);
    let two = carrying(&[by(&first), by(&second)]);
    let good = vec![by(&first), by(&second)];
    let list = |approvals: &[Vec<u8>]| {
        let objects: Vec<_> = approvals.iter().map(Vec::as_slice).collect();
        sequence(&objects)
    };
    let mut not_a_token = cast.record_cms(&cast.challenge(&two), &two, &cast.holder);
    not_a_token.attributes.push(attribute(ATTRIBUTE_APPROVALS, &[list(&good)]));
    let demanding = |name, expect, defect, token: Vec<u8>| {
        Case::token(name, expect, defect, token).with(|case| case.demand = Some("approvals 2"))
    };
    let record = |token: &[u8]| cast.record_cms(&cast.challenge(token), token, &cast.holder).build();
    let critical = explicit(0, &sequence(&[&sequence(&[&oid("1.3.6.1.4.1.32473.7.3"), &[1, 1, 0xff], &[4, 2, 5, 0]])]));
    vec![
        demanding("approvals-demanded", "CS-0001", "nothing: the two approvals that are demanded", two.clone()),
        Case::token("approvals-not-demanded", "CS-0001", "nothing: approvals that nobody asks for", two.clone()),
        demanding("approvals-missing", "CS-3013", "no approvals where two are demanded", cast.token(|_| {})),
        demanding("approvals-too-few", "CS-3013", "one approval where two are demanded", carrying(&[by(&first)])),
        demanding("approvals-same-twice", "CS-3013", "the same approval twice", carrying(&[by(&first), by(&first)])),
        demanding(
            "approvals-same-person",
            "CS-3013",
            "two approvals by one person with two keys",
            carrying(&[by(&first), by(&same_person)]),
        ),
        demanding(
            "approvals-same-key",
            "CS-3013",
            "two approvals by one key under two names",
            carrying(&[by(&first), by(&same_key)]),
        ),
        demanding(
            "approval-of-another-token",
            "CS-3014",
            "an approval that was given to another token",
            carrying(&[by(&first), approval(&second, &other_body)]),
        ),
        Case::token(
            "approval-of-another-token-not-demanded",
            "CS-0001",
            "nothing: such an approval is not looked at",
            carrying(&[approval(&second, &other_body)]),
        ),
        demanding(
            "approval-signature",
            "CS-1104",
            "an approval whose signature does not verify",
            carrying(&[by(&first), broken.build()]),
        ),
        demanding(
            "approval-spare-signature",
            "CS-1104",
            "a third approval whose signature does not verify",
            carrying(&[by(&first), by(&same_person), broken.build()]),
        ),
        demanding(
            "approval-by-list-signer",
            "CS-2014",
            "an approval signed by a list signer",
            carrying(&[by(&first), by(&list_signer("Example List Signer", &cast.token_root))]),
        ),
        demanding(
            "approval-by-token-signer",
            "CS-2014",
            "an approval signed by the token signer",
            carrying(&[by(&first), by(&cast.token_signer)]),
        ),
        demanding(
            "approval-under-holder-root",
            "CS-2006",
            "an approval by somebody certified by the holder root",
            carrying(&[by(&first), by(&approver("Approver Two", &cast.holder_root))]),
        ),
        demanding(
            "approval-critical-extension",
            "CS-1008",
            "an approval with an unknown critical extension",
            carrying(&[of(&sequence(&[&[2, 1, 1], &digest, &critical])), by(&second)]),
        ),
        Case::token("approval-newer", "CS-1006", "an approval of version 2", carrying(&[of(&version(2))])),
        Case::token("approval-version-zero", "CS-1003", "an approval of version 0", carrying(&[of(&version(0))])),
        Case::token(
            "approval-extensions-empty",
            "CS-1209",
            "an approval with an empty list of extensions",
            carrying(&[of(&sequence(&[&[2, 1, 1], &digest, &explicit(0, &sequence(&[]))]))]),
        ),
        Case::token("approval-not-one", "CS-1005", "a token in place of an approval", carrying(&[cast.token(|_| {})])),
        Case::token("approval-not-cms", "CS-1004", "an approval of an unknown content type", {
            let content = version(1);
            carrying(&[Cms::new("1.2.840.113549.1.7.1", content, &first, APPROVED).build()])
        }),
        Case::token("approvals-none", "CS-1209", "an attribute without an approval", carrying(&[])),
        Case::token("approvals-nine", "CS-1209", "nine approvals", carrying(&vec![by(&first); 9])),
        Case::token("approvals-eight", "CS-0001", "nothing: eight approvals", carrying(&vec![by(&first); 8])),
        Case::token("approvals-attribute-twice", "CS-1101", "two attributes with approvals", {
            let one = |object: Vec<u8>| attribute(ATTRIBUTE_APPROVALS, &[list(&[object])]);
            with_attributes(&[one(by(&first)), one(by(&second))])
        }),
        Case::token("approvals-two-values", "CS-1101", "an attribute with two values", {
            with_attributes(&[attribute(ATTRIBUTE_APPROVALS, &[list(&[by(&first)]), list(&[by(&second)])])])
        }),
        Case::record("approvals-in-record", "CS-1101", "approvals in a record", not_a_token.build()),
        Case::record("approvals-record", "CS-0001", "nothing: a record of an approved token", record(&two))
            .with(|case| case.demand = Some("approvals 2")),
        Case::record(
            "approvals-record-missing",
            "CS-3013",
            "a record of a token without the approvals that are demanded",
            record(&cast.token(|_| {})),
        )
        .with(|case| case.demand = Some("approvals 2")),
    ]
}
