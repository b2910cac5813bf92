//! Certificates: the token signer's path, the holder's path, and the roles that must stay apart.

use super::Case;
use countersign_common::{
    HashAlgorithm, Octets, SignatureAlgorithm, Slot, Token,
    token::{AltNameForm, AltNamePattern, AttributePattern, Criterion, Grant},
};
use countersign_testpki::{
    Cast, Cms, Identity, Key, Request,
    certificates::{
        BASIC_CONSTRAINTS, CERT_SIGN, CONTENT_COMMITMENT, DIGITAL_SIGNATURE, EKU_ANCHORS_SIGNING, EKU_CARD_AUTH,
        EKU_CLIENT_AUTH, EKU_LIST_SIGNING, EKU_TOKEN_SIGNING, KEY_ENCIPHERMENT, POLICY, authority_key_identifier,
        basic_constraints, ca, directory_name, extended_key_usage, extension, holder_extensions, key_usage,
        name_constraints, policies, policy_constraints, signer_extensions,
    },
    der::{edit, explicit, integer, members, octets, oid, sequence, set, tlv, utf8},
    keys::{pss_identifier, pss_parameters},
    objects::{CONTENT_TOKEN, ISSUED, signing_certificate_attribute},
};
use der::Encode;
use sha2::{Digest, Sha256};

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = signers(cast);
    cases.extend(holders(cast));
    cases.extend(grants(cast));
    cases.extend(criteria(cast));
    cases
}

fn key(label: &str) -> Key {
    Key::p256(&format!("countersign test {label}"))
}

fn signed_by(cast: &Cast, signer: &Identity, issuers: &[&Identity]) -> Vec<u8> {
    let mut cms = Cms::new(CONTENT_TOKEN, cast.token_body().to_der().unwrap(), signer, ISSUED);
    cms.certificates.extend(issuers.iter().map(|issuer| issuer.certificate.clone()));
    cms.build()
}

fn signers(cast: &Cast) -> Vec<Case> {
    let signer = |extensions| Request::new("Signer", key("signer"), extensions);
    let token = |name, expect, defect, request: Request<'_>| {
        Case::token(name, expect, defect, signed_by(cast, &request.issued_by(&cast.token_root), &[]))
    };
    let through = |name, expect, defect, issuer: Request<'_>| {
        let issuer = issuer.issued_by(&cast.token_root);
        let signer = signer(signer_extensions()).issued_by(&issuer);
        Case::token(name, expect, defect, signed_by(cast, &signer, &[&issuer]))
    };
    let issuer = |extensions| Request::new("Example Issuing CA", key("issuing CA"), extensions);
    let pss = |name, expect, defect, trailer: Option<Vec<u8>>| {
        let issuer = Request::new("Example Issuing CA", Key::rsa_2048(), ca(None)).issued_by(&cast.token_root);
        let [hash, mask, salt] = pss_parameters(false, false);
        let algorithm = pss_identifier(&[&hash, &mask, &salt, &trailer.unwrap_or_default()]);
        let signing = Some(SignatureAlgorithm::RsaPss(HashAlgorithm::Sha256));
        let signer = Request { signing, algorithm, ..signer(signer_extensions()) }.issued_by(&issuer);
        Case::token(name, expect, defect, signed_by(cast, &signer, &[&issuer]))
    };
    let dated = |not_before, not_after| Request { not_before, not_after, ..signer(signer_extensions()) };
    let critical = extension("1.3.6.1.4.1.32473.7.9", true, &[5, 0]);
    let with = |more: Vec<u8>| [signer_extensions(), vec![more]].concat();
    let impostor = Request::new("Example Token Root", key("impostor"), ca(None)).self_signed();
    let stranger = Request::new("Example Other Root", key("impostor"), ca(None)).self_signed();
    let by = |root: &Identity| signer(signer_extensions()).issued_by(root);
    // Who makes a root look like the anchor names the anchor's key.
    let forged = signer(with(authority_key_identifier(&cast.token_root.key))).issued_by(&impostor);
    let organisation = |name: &str| directory_name(&sequence(&[&set(&[&sequence(&[&oid("2.5.4.10"), &utf8(name)])])]));
    let first = issuer(ca(Some(0))).issued_by(&cast.token_root);
    let second = Request::new("Example Lower CA", key("lower CA"), ca(None)).issued_by(&first);
    vec![
        through("signer-through-ca", "CS-0001", "none: an issuing CA between signer and root", issuer(ca(Some(0)))),
        through("signer-through-ca-eku", "CS-0001", "none: the issuing CA states the extended key usage as well", {
            issuer([ca(None), vec![extended_key_usage(&[EKU_TOKEN_SIGNING])]].concat())
        }),
        through("signer-ca-other-eku", "CS-2014", "the issuing CA is limited to another extended key usage", {
            issuer([ca(None), vec![extended_key_usage(&[EKU_CLIENT_AUTH])]].concat())
        }),
        through("signer-not-by-ca", "CS-2010", "the issuer is no CA", issuer(vec![key_usage(CERT_SIGN)])),
        through("signer-ca-false", "CS-2010", "the issuer's basic constraints say that it is no CA", {
            issuer(vec![extension(BASIC_CONSTRAINTS, true, &sequence(&[])), key_usage(CERT_SIGN)])
        }),
        through("signer-ca-no-cert-sign", "CS-2011", "the issuer's key usage lacks keyCertSign", {
            issuer(vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)])
        }),
        through("signer-ca-expired", "CS-2009", "the issuing CA had expired", {
            Request { not_after: "2026-02-01T23:59:59Z", ..issuer(ca(None)) }
        }),
        through("signer-ca-name-constraints", "CS-2016", "the issuing CA has empty name constraints", {
            issuer([ca(None), vec![name_constraints(&[], &[])]].concat())
        }),
        through("signer-ca-permits", "CS-0001", "none: the issuing CA permits names of the organisation", {
            issuer([ca(None), vec![name_constraints(&[organisation("Example Organisation")], &[])]].concat())
        }),
        through("signer-ca-permits-others", "CS-2017", "the issuing CA permits names of another organisation alone", {
            issuer([ca(None), vec![name_constraints(&[organisation("Other Organisation")], &[])]].concat())
        }),
        through("signer-ca-excludes", "CS-2018", "the issuing CA excludes names of the organisation", {
            issuer([ca(None), vec![name_constraints(&[], &[organisation("Example Organisation")])]].concat())
        }),
        through("signer-ca-requires-policy", "CS-2020", "the issuing CA requires a policy, and there is none", {
            issuer([ca(None), vec![policy_constraints(Some(0), None)]].concat())
        }),
        token("signer-no-authority-key", "CS-2016", "no authority key identifier", {
            Request { identifiers: false, ..signer(signer_extensions()) }
        }),
        Case::token("signer-path-length", "CS-2012", "a CA below one that allows none", {
            let signer = signer(signer_extensions()).issued_by(&second);
            signed_by(cast, &signer, &[&first, &second])
        }),
        Case::token("signer-key-identifier", "CS-2006", "the key identifiers of signer and issuing CA differ", {
            let named = |octet| octets(&[octet; 20]);
            let issuer = issuer([ca(None), vec![extension("2.5.29.14", false, &named(1))]].concat());
            let issuer = issuer.issued_by(&cast.token_root);
            let wanted = sequence(&[&tlv(0x80, &[&[2; 20]])]);
            let signer = signer(with(extension("2.5.29.35", false, &wanted))).issued_by(&issuer);
            signed_by(cast, &signer, &[&issuer])
        }),
        Case::token("signer-issuer-missing", "CS-2006", "the issuing CA's certificate is missing", {
            let issuer = issuer(ca(None)).issued_by(&cast.token_root);
            signed_by(cast, &signer(signer_extensions()).issued_by(&issuer), &[])
        }),
        pss("signer-pss", "CS-0001", "none: certified with PSS", None),
        pss("signer-pss-trailer", "CS-2004", "certified with PSS, the trailer field spelt out", {
            Some(explicit(3, &integer(1)))
        }),
        token(
            "signer-signs-lists",
            "CS-3002",
            "a token signer with the extended key usage of a list signer as well",
            signer(vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_TOKEN_SIGNING, EKU_LIST_SIGNING])]),
        ),
        token("signer-signs-anchors", "CS-3002", "a token signer with that of an anchors signer as well", {
            signer(vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_ANCHORS_SIGNING, EKU_TOKEN_SIGNING])])
        }),
        token("signer-no-eku", "CS-2014", "no extended key usage", signer(vec![key_usage(DIGITAL_SIGNATURE)])),
        token("signer-wrong-eku", "CS-2014", "right chain, client authentication as extended key usage", {
            signer(vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_CLIENT_AUTH])])
        }),
        token("signer-list-eku", "CS-2014", "right chain, a list signer", {
            signer(vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&[EKU_LIST_SIGNING])])
        }),
        token("signer-any-eku", "CS-2014", "anyExtendedKeyUsage alone", {
            signer(vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(&["2.5.29.37.0"])])
        }),
        token("signer-key-usage", "CS-2013", "key usage keyEncipherment", {
            signer(vec![key_usage(KEY_ENCIPHERMENT), extended_key_usage(&[EKU_TOKEN_SIGNING])])
        }),
        token("signer-expired", "CS-2009", "expired a second before the token was signed", {
            dated("2026-01-01T00:00:00Z", "2026-02-02T07:59:59Z")
        }),
        token("signer-last-second", "CS-0001", "none: signed in the certificate's last second", {
            dated("2026-01-01T00:00:00Z", ISSUED)
        }),
        token("signer-not-yet-valid", "CS-2008", "valid a second after the token was signed", {
            dated("2026-02-02T08:00:01Z", "2035-12-31T23:59:59Z")
        }),
        token("signer-critical-extension", "CS-2002", "an unknown critical extension", signer(with(critical))),
        token("signer-extension-twice", "CS-2001", "key usage twice", signer(with(key_usage(DIGITAL_SIGNATURE)))),
        token("signer-sha1", "CS-2004", "certified with ecdsa-with-SHA1", {
            Request { algorithm: sequence(&[&oid("1.2.840.10045.4.1")]), ..signer(signer_extensions()) }
        }),
        Case::token("signer-not-der", "CS-2001", "a version 1 certificate", {
            let mut cms = cast.token_cms(cast.token_body().to_der().unwrap());
            let version_1 = edit(&cast.token_signer.certificate, |parts| {
                parts[0] = edit(&parts[0], |body| drop(body.remove(0)));
            });
            cms.attributes[3] = signing_certificate_attribute(&version_1);
            cms.certificates = vec![version_1];
            cms.build()
        }),
        Case::token("signer-certificate-altered", "CS-2007", "a bit of the signer's certificate differs", {
            let mut altered = Request::new("Signer", key("signer"), signer_extensions()).issued_by(&cast.token_root);
            *altered.certificate.last_mut().unwrap() ^= 1;
            signed_by(cast, &altered, &[])
        }),
        Case::token("signer-self-made-root", "CS-2007", "a root made to look like the anchor", {
            signed_by(cast, &forged, &[])
        }),
        Case::token("signer-self-made-root-inside", "CS-2007", "that root among the certificates", {
            signed_by(cast, &forged, &[&impostor])
        }),
        Case::token(
            "signer-stranger",
            "CS-2006",
            "a root of another name",
            signed_by(cast, &by(&stranger), &[&stranger]),
        ),
        Case::token("no-anchors", "CS-3001", "the product has no trust anchors", cast.token(|_| {}))
            .with(|case| case.anchors = false),
        Case::token("signer-is-holder", "CS-2014", "signed by a holder's certificate", {
            signed_by(cast, &cast.holder, &[])
        }),
        Case::token("signer-under-holder-root", "CS-2006", "a token signer whom the holder root certified", {
            signed_by(cast, &signer(signer_extensions()).issued_by(&cast.holder_root), &[])
        }),
    ]
}

/// A record by another holder than the example's.
fn record_by(cast: &Cast, holder: &Identity, issuers: &[&Identity], change: impl FnOnce(&mut Token)) -> Vec<u8> {
    let token = cast.token(change);
    let mut cms = cast.record_cms(&cast.challenge(&token), &token, holder);
    cms.certificates.extend(issuers.iter().map(|issuer| issuer.certificate.clone()));
    cms.build()
}

fn holders(cast: &Cast) -> Vec<Case> {
    let holder = |extensions| Request::new("Alex Example", key("other holder"), extensions);
    let usages = |usages: &[&str]| vec![key_usage(DIGITAL_SIGNATURE), extended_key_usage(usages)];
    let record = |name, expect, defect, request: Request<'_>| {
        Case::record(name, expect, defect, record_by(cast, &request.issued_by(&cast.holder_root), &[], |_| {}))
    };
    let by_token_root = holder(usages(&[EKU_CLIENT_AUTH])).issued_by(&cast.token_root);
    let issuing = |extensions| {
        let request = Request::new("Example Staff CA", key("staff CA"), extensions);
        request.issued_by(&cast.holder_root)
    };
    let through = |name, expect, defect, issuing: Identity| {
        let holder = holder(holder_extensions()).issued_by(&issuing);
        Case::record(name, expect, defect, record_by(cast, &holder, &[&issuing], |_| {}))
    };
    let signer_key = || key("token signer");
    let root_key = || key("token root");
    let keyed = |name, defect, key| {
        let holder = Request::new("Alex Example", key, holder_extensions()).issued_by(&cast.holder_root);
        Case::record(name, "CS-3002", defect, record_by(cast, &holder, &[], |_| {}))
    };
    let keyed_ca = |name, defect, key| {
        through(name, "CS-3002", defect, Request::new("Example Staff CA", key, ca(None)).issued_by(&cast.holder_root))
    };
    let keyed_anchor = |name, defect, key| {
        let root = Request::new("Example Other Root", key, ca(None)).self_signed();
        let holder = holder(holder_extensions()).issued_by(&root);
        Case::record(name, "CS-3002", defect, {
            record_by(cast, &holder, &[], |token| {
                token.grants[0].anchor = Grant::certificate_anchor(&root.certificate).unwrap();
            })
        })
    };
    let token_ca = Request::new("Example Issuing CA", key("issuing CA"), ca(None)).issued_by(&cast.token_root);
    let token_signer = Request::new("Signer", key("signer"), signer_extensions()).issued_by(&token_ca);
    let through_ca = signed_by(cast, &token_signer, &[&token_ca]);
    vec![
        record("holder-bare", "CS-0001", "none: a certificate without key usage and extended key usage", {
            holder(vec![extension("2.5.29.19", true, &sequence(&[]))])
        }),
        record("holder-content-commitment", "CS-0001", "none: key usage contentCommitment alone", {
            holder(vec![key_usage(CONTENT_COMMITMENT)])
        }),
        record("holder-key-usage", "CS-2013", "key usage keyEncipherment", holder(vec![key_usage(KEY_ENCIPHERMENT)])),
        record("holder-expired", "CS-2009", "expired a second before the activation", {
            Request { not_after: "2026-06-15T09:29:59Z", ..holder(holder_extensions()) }
        }),
        record("holder-not-yet-valid", "CS-2008", "valid a second after the activation", {
            Request { not_before: "2026-06-15T09:30:01Z", ..holder(holder_extensions()) }
        }),
        record("holder-card-auth", "CS-3002", "a key that signs without a PIN", holder(usages(&[EKU_CARD_AUTH]))),
        record("holder-token-eku", "CS-3002", "a holder with the extended key usage of a token signer", {
            holder(usages(&[EKU_CLIENT_AUTH, EKU_TOKEN_SIGNING]))
        }),
        record("holder-list-eku", "CS-3002", "a holder with the extended key usage of a list signer", {
            holder(usages(&[EKU_LIST_SIGNING]))
        }),
        record("holder-anchors-eku", "CS-3002", "a holder with the extended key usage of an anchors signer", {
            holder(usages(&[EKU_ANCHORS_SIGNING]))
        }),
        Case::record("holder-is-token-signer", "CS-3002", "signed by the token signer's certificate", {
            record_by(cast, &cast.token_signer, &[], |_| {})
        }),
        Case::record(
            "holder-anchor-is-token-anchor",
            "CS-3002",
            "the grant names the token anchor as holder anchor",
            {
                record_by(cast, &by_token_root, &[], |token| {
                    token.grants[0].anchor = Grant::certificate_anchor(&cast.token_root.certificate).unwrap();
                })
            },
        ),
        keyed("holder-key-of-token-signer", "the holder root certified the token signer's key", signer_key()),
        keyed("holder-key-of-token-anchor", "the holder root certified the token anchor's key", root_key()),
        keyed_ca(
            "holder-ca-key-of-token-signer",
            "a CA below the holder root with the token signer's key",
            signer_key(),
        ),
        keyed_ca("holder-ca-key-of-token-anchor", "a CA below the holder root with the token anchor's key", root_key()),
        keyed_anchor(
            "holder-anchor-key-of-token-signer",
            "the grant's anchor has the token signer's key",
            signer_key(),
        ),
        keyed_anchor("holder-anchor-key-of-token-anchor", "the grant's anchor has the token anchor's key", root_key()),
        Case::record("holder-of-token-ca", "CS-0001", "none: the token came through a CA", {
            cast.record_cms(&cast.challenge(&through_ca), &through_ca, &cast.holder).build()
        }),
        Case::record("holder-key-of-token-ca", "CS-3002", "the holder root certified the key of a CA in the token", {
            let holder = Request::new("Alex Example", key("issuing CA"), holder_extensions());
            cast.record_cms(&cast.challenge(&through_ca), &through_ca, &holder.issued_by(&cast.holder_root)).build()
        }),
        Case::record("holder-stranger", "CS-2006", "a holder of another root", {
            let root = Request::new("Example Other Root", key("impostor"), ca(None)).self_signed();
            record_by(cast, &holder(holder_extensions()).issued_by(&root), &[&root], |_| {})
        }),
        Case::record("holder-self-made-root", "CS-2007", "a root made to look like the holder anchor", {
            let root = Request::new("Example Holder Root", key("impostor"), ca(None)).self_signed();
            let named = [holder_extensions(), vec![authority_key_identifier(&cast.holder_root.key)]].concat();
            record_by(cast, &holder(named).issued_by(&root), &[], |_| {})
        }),
        through("holder-through-ca", "CS-0001", "none: a CA between holder and root", issuing(ca(None))),
        through("holder-ca-token-eku", "CS-3002", "a CA with the extended key usage of a token signer", {
            issuing([ca(None), vec![extended_key_usage(&[EKU_TOKEN_SIGNING])]].concat())
        }),
        through("holder-ca-rsa-1024", "CS-2005", "the CA's key is RSA 1024", {
            Request::new("Example Staff CA", Key::rsa_1024(), ca(None)).issued_by(&cast.holder_root)
        }),
        through("holder-ca-constrains-principal", "CS-2019", "the CA constrains user principal names", {
            let principal = tlv(0xa0, &[&oid("1.3.6.1.4.1.311.20.2.3"), &explicit(0, &utf8("alex@example.org"))]);
            issuing([ca(None), vec![name_constraints(&[], &[principal])]].concat())
        }),
        through("holder-ca-no-ca", "CS-2010", "another holder in the place of a CA", issuing(holder_extensions())),
    ]
}

fn grants(cast: &Cast) -> Vec<Case> {
    let issuing = Request::new("Example Staff CA", key("staff CA"), ca(None)).issued_by(&cast.holder_root);
    let staff = Request::new("Alex Example", key("other holder"), holder_extensions()).issued_by(&issuing);
    let digest =
        |identity: &Identity| Grant::key_digest_anchor(Octets(Sha256::digest(identity.key.spki()).into())).unwrap();
    let under_grant_2 = |slot, with_anchor: bool| {
        cast.record(
            |_| {},
            |challenge| (challenge.grant, challenge.slot) = (2, slot),
            |cms| {
                if with_anchor {
                    cms.certificates.push(cast.holder_root.certificate.clone());
                }
            },
        )
    };
    let root = |limit| Request::new("Example Holder Root", key("holder root"), ca(limit)).self_signed().certificate;
    let (limited, unlimited) = (root(Some(0)), root(None));
    let impostor = Request::new("Example Holder Root", key("impostor"), ca(None)).self_signed();
    // Through a CA, so that the anchor's limit would count.
    let by_digest = |name, expect, defect, anchor: Vec<u8>| {
        let token = cast.token(|token| token.grants[1].direct_issuer = false);
        let mut challenge = cast.challenge(&token);
        challenge.grant = 2;
        let mut cms = cast.record_cms(&challenge, &token, &staff);
        cms.certificates.extend([issuing.certificate.clone(), anchor]);
        Case::record(name, expect, defect, cms.build())
    };
    vec![
        Case::record("grant-unknown", "CS-3003", "the challenge names grant 7", {
            cast.record(|_| {}, |challenge| challenge.grant = 7, |_| {})
        }),
        Case::record("grant-slot-9a", "CS-3007", "slot 9A where the grant asks for 9C", {
            cast.record(|_| {}, |challenge| challenge.slot = Slot::Authentication, |_| {})
        }),
        Case::record("grant-slot-9a-allowed", "CS-0001", "none: slot 9A where the grant allows it", {
            under_grant_2(Slot::Authentication, true)
        }),
        Case::record("grant-key-digest", "CS-0001", "none: an anchor by key digest, its certificate in the record", {
            under_grant_2(Slot::Signature, true)
        }),
        Case::record("grant-key-digest-absent", "CS-3005", "an anchor by key digest, its certificate missing", {
            under_grant_2(Slot::Signature, false)
        }),
        Case::record("grant-key-digest-other", "CS-3005", "an anchor by the digest of another key", {
            cast.record(
                |token| token.grants[1].anchor = digest(&cast.token_root),
                |challenge| challenge.grant = 2,
                |cms| cms.certificates.push(cast.holder_root.certificate.clone()),
            )
        }),
        by_digest(
            "grant-key-digest-limit",
            "CS-2012",
            "a CA below an anchor by key digest that allows none",
            limited.clone(),
        ),
        by_digest("grant-key-digest-altered", "CS-3005", "that limit removed from the anchor's certificate", {
            edit(&limited, |parts| parts[0] = members(&unlimited)[0].clone())
        }),
        by_digest("grant-key-digest-resigned", "CS-3005", "the anchor's name and key, signed with another key", {
            Request::new("Example Holder Root", key("holder root"), ca(None)).issued_by(&impostor).certificate
        }),
        by_digest("grant-key-digest-cross", "CS-3005", "the anchor's key, certified by another root", {
            Request::new("Example Holder Root", key("holder root"), ca(None)).issued_by(&cast.token_root).certificate
        }),
        by_digest("grant-key-digest-other-issuer", "CS-3005", "signed by the anchor's key under another name", {
            let other = Request::new("Example Other Root", key("holder root"), ca(None)).self_signed();
            Request::new("Example Holder Root", key("holder root"), ca(None)).issued_by(&other).certificate
        }),
        Case::record(
            "grant-key-digest-second",
            "CS-1105",
            "two certificates with the anchor's key, one rightly signed",
            {
                let both = [cast.holder_root.certificate.clone(), limited.clone()];
                cast.record(|_| {}, |challenge| challenge.grant = 2, |cms| cms.certificates.extend(both))
            },
        ),
        Case::record("grant-key-digest-token-anchor", "CS-3002", "the key digest is that of the token anchor", {
            cast.record(
                |token| token.grants[1].anchor = digest(&cast.token_root),
                |challenge| challenge.grant = 2,
                |cms| cms.certificates.push(cast.token_root.certificate.clone()),
            )
        }),
        Case::record("grant-direct-issuer", "CS-3006", "a CA stands between holder and anchor", {
            record_by(cast, &staff, &[&issuing], |token| token.grants[0].direct_issuer = true)
        }),
        Case::record("grant-direct-issuer-met", "CS-0001", "none: the anchor issued the holder's certificate", {
            cast.record(|token| token.grants[0].direct_issuer = true, |_| {}, |_| {})
        }),
        Case::record(
            "grant-anchor-no-cert-sign",
            "CS-2011",
            "the key usage of the grant's anchor lacks keyCertSign",
            {
                let extensions = vec![basic_constraints(None), key_usage(DIGITAL_SIGNATURE)];
                let root = Request::new("Example Holder Root", key("another root"), extensions).self_signed();
                let holder = Request::new("Alex Example", key("other holder"), holder_extensions()).issued_by(&root);
                record_by(cast, &holder, &[], |token| {
                    token.grants[0].anchor = Grant::certificate_anchor(&root.certificate).unwrap();
                })
            },
        ),
        Case::record("grant-anchor-malformed", "CS-2001", "the grant's anchor is no certificate", {
            cast.record(
                |token| token.grants[0].anchor = Grant::certificate_anchor(&sequence(&[&sequence(&[])])).unwrap(),
                |_| {},
                |_| {},
            )
        }),
        Case::record(
            "grant-anchor-deep-nesting",
            "CS-2001",
            "the grant's anchor is 2,000 SEQUENCEs inside each other",
            {
                let nested = (0..2_000).fold(Vec::new(), |inner, _| sequence(&[&inner]));
                cast.record(
                    |token| token.grants[0].anchor = Grant::certificate_anchor(&nested).unwrap(),
                    |_| {},
                    |_| {},
                )
            },
        ),
    ]
}

fn criteria(cast: &Cast) -> Vec<Case> {
    let case = |name, expect, defect, criterion: Criterion| {
        let der = cast.record(|token| token.grants[0].criteria = Some(vec![criterion]), |_| {}, |_| {});
        Case::record(name, expect, defect, der)
    };
    let subject = |attribute: &str, pattern: &str| {
        Criterion::Subject(AttributePattern { attribute: attribute.parse().unwrap(), pattern: pattern.to_owned() })
    };
    let name = |form, pattern: &str| Criterion::SubjectAltName(AltNamePattern { form, pattern: pattern.to_owned() });
    let certificate =
        |identity: &Identity| Criterion::Certificate(Octets(Sha256::digest(&identity.certificate).into()));
    let usage = |usage: &str| Criterion::ExtendedKeyUsage(usage.parse().unwrap());
    let policy = |policy: &str| Criterion::Policy(policy.parse().unwrap());
    let issuing = |policy: &str| {
        Request::new("Example Staff CA", key("staff CA"), [ca(None), vec![policies(&[policy])]].concat())
            .issued_by(&cast.holder_root)
    };
    let by_policy = |name, expect, defect, asserted: &str| {
        let issuing = issuing(asserted);
        let holder = Request::new("Alex Example", key("other holder"), holder_extensions()).issued_by(&issuing);
        let der = record_by(cast, &holder, &[&issuing], |token| token.grants[0].criteria = Some(vec![policy(POLICY)]));
        Case::record(name, expect, defect, der)
    };
    vec![
        case("criterion-policy-met", "CS-0001", "none: the policy is asserted", policy(POLICY)),
        case("criterion-policy", "CS-3004", "the policy is not asserted", policy("1.3.6.1.4.1.32473.7.8")),
        by_policy("criterion-policy-by-any", "CS-0001", "none: the CA asserts anyPolicy", "2.5.29.32.0"),
        by_policy("criterion-policy-not-by-ca", "CS-3004", "the CA asserts another policy", "1.3.6.1.4.1.32473.7.8"),
        case("criterion-usage-met", "CS-0001", "none: the extended key usage is stated", usage(EKU_CLIENT_AUTH)),
        case("criterion-usage", "CS-3004", "the extended key usage is not stated", usage("1.3.6.1.5.5.7.3.4")),
        case("criterion-subject", "CS-3004", "the common name does not match", subject("2.5.4.3", "Sam *")),
        case("criterion-subject-case", "CS-3004", "the common name differs in case", subject("2.5.4.3", "alex *")),
        case("criterion-subject-attribute", "CS-3004", "the subject lacks the attribute", subject("2.5.4.11", "*")),
        case("criterion-subject-stars", "CS-0001", "none: a pattern with two stars", subject("2.5.4.3", "*x E*")),
        case("criterion-subject-whole", "CS-3004", "the pattern covers only a part", subject("2.5.4.3", "Alex")),
        case("criterion-mail-met", "CS-0001", "none: the e-mail address matches whatever its case", {
            name(AltNameForm::Rfc822Name, "alex@*.ORG")
        }),
        case("criterion-mail", "CS-3004", "the e-mail address does not match", {
            name(AltNameForm::Rfc822Name, "*@example.com")
        }),
        case("criterion-dns", "CS-3004", "the DNS name does not match", name(AltNameForm::DnsName, "sam.*")),
        case("criterion-uri", "CS-3004", "the URI does not match", name(AltNameForm::Uri, "http://*")),
        case("criterion-principal-met", "CS-0001", "none: the user principal name matches", {
            name(AltNameForm::UserPrincipalName, "alex@example.org")
        }),
        case("criterion-principal", "CS-3004", "the user principal name does not match", {
            name(AltNameForm::UserPrincipalName, "sam@*")
        }),
        case("criterion-certificate-met", "CS-0001", "none: that very certificate", certificate(&cast.holder)),
        case("criterion-certificate", "CS-3004", "another certificate", certificate(&cast.token_signer)),
        Case::record("criterion-second-fails", "CS-3004", "the first of two criteria is met, the second is not", {
            cast.record(
                |token| token.grants[0].criteria = Some(vec![usage(EKU_CLIENT_AUTH), subject("2.5.4.3", "Sam *")]),
                |_| {},
                |_| {},
            )
        }),
    ]
}
