//! The CMS object around a token or a record.

use super::Case;
use countersign_common::{HashAlgorithm, SignatureAlgorithm};
use countersign_testpki::{
    Cast, Cms, Identity, Key, Request,
    certificates::{ca, holder_extensions, signer_extensions},
    der::{explicit, integer, octets, oid, sequence, set, tlv},
    keys::{pss_identifier, pss_parameters},
    objects::{
        ATTRIBUTE_TOKEN, CONTENT_CHALLENGE, CONTENT_TOKEN, ISSUED, attribute, signing_certificate_attribute,
        signing_time_attribute,
    },
};
use der::Encode;

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = tokens(cast);
    cases.extend(algorithms(cast));
    cases.extend(records(cast));
    cases
}

fn tokens(cast: &Cast) -> Vec<Case> {
    let body = cast.token_body().to_der().unwrap();
    let token = |name, expect, defect, change: &dyn Fn(&mut Cms<'_>)| {
        let mut cms = cast.token_cms(body.clone());
        change(&mut cms);
        Case::token(name, expect, defect, cms.build())
    };
    let other_time = signing_time_attribute("2026-02-03T08:00:00Z");
    let unknown = attribute("1.2.840.113549.1.9.16.2.4", &[octets(b"hint")]);
    vec![
        token("cms-data", "CS-1101", "a ContentInfo of type data", &|_| {}).with(|case| {
            let der = sequence(&[&oid("1.2.840.113549.1.7.1"), &explicit(0, &octets(b"hello"))]);
            case.file = super::File::Object(der);
        }),
        token("cms-other-content-type", "CS-1004", "signed text, none of our content types", &|cms| {
            cms.content_type = "1.2.840.113549.1.7.1";
        }),
        token("cms-version-1", "CS-1101", "SignedData of version 1", &|cms| cms.version = 1),
        token("cms-info-version-3", "CS-1101", "SignerInfo of version 3", &|cms| cms.info_version = 3),
        token("cms-key-identifier", "CS-1101", "the signer is named by key identifier", &|cms| {
            cms.issuer_and_serial = tlv(0x80, &[&[1; 20]]);
        }),
        token("cms-other-serial", "CS-1101", "the signer is named by another serial number", &|cms| {
            cms.issuer_and_serial = sequence(&[&cast.token_root.name, &integer(1)]);
        }),
        token("cms-crls", "CS-1101", "the crls field is there, and empty", &|cms| cms.crls = tlv(0xa1, &[])),
        token("cms-no-certificates", "CS-1101", "no certificate", &|cms| cms.certificates.clear()),
        token("cms-two-signers", "CS-1007", "two signer infos", &|cms| cms.more_signers.push(cms.signer_info())),
        token("cms-two-digest-algorithms", "CS-1101", "digestAlgorithms has SHA-384 as well", &|cms| {
            cms.digest_algorithms = set(&[HashAlgorithm::Sha256.identifier(), HashAlgorithm::Sha384.identifier()]);
        }),
        token("cms-digest-null", "CS-1102", "the digest algorithm has NULL parameters", &|cms| {
            cms.digest_algorithm = sequence(&[&oid("2.16.840.1.101.3.4.2.1"), &[5, 0]]);
            cms.digest_algorithms = set(&[&cms.digest_algorithm]);
        }),
        token("cms-unsigned-attribute", "CS-1101", "a token with an unsigned attribute", &|cms| {
            cms.unsigned = vec![unknown.clone()];
        }),
        token("attributes-extra", "CS-1101", "a fifth signed attribute", &|cms| cms.attributes.push(unknown.clone())),
        token("attributes-no-time", "CS-1101", "no signing-time", &|cms| drop(cms.attributes.remove(1))),
        token("attributes-no-certificate", "CS-1101", "no signing-certificate-v2", &|cms| {
            cms.attributes.truncate(3);
        }),
        token("attributes-no-digest", "CS-1101", "no message-digest", &|cms| drop(cms.attributes.remove(2))),
        token("attributes-no-type", "CS-1101", "no content-type", &|cms| drop(cms.attributes.remove(0))),
        token("attributes-twice", "CS-1101", "two signing-time attributes", &|cms| {
            cms.attributes.push(other_time.clone());
        }),
        token("attributes-same-twice", "CS-1101", "the same signing-time attribute twice", &|cms| {
            cms.attributes.push(cms.attributes[1].clone());
        }),
        token("attributes-two-values", "CS-1101", "a signing-time attribute with two values", &|cms| {
            let value = |day: u8| tlv(0x17, &[format!("26020{day}080000Z").as_bytes()]);
            cms.attributes[1] = attribute("1.2.840.113549.1.9.5", &[value(2), value(3)]);
        }),
        token("attributes-unsorted", "CS-1101", "signed attributes not in the order of DER", &|cms| {
            cms.attributes.reverse();
            cms.sorted = false;
        }),
        token("attributes-type-differs", "CS-1101", "the content-type attribute names another type", &|cms| {
            cms.attributes[0] = attribute("1.2.840.113549.1.9.3", &[oid(CONTENT_CHALLENGE)]);
        }),
        token("attributes-time-generalized", "CS-1101", "signing-time before 2050 as GeneralizedTime", &|cms| {
            cms.attributes[1] = attribute("1.2.840.113549.1.9.5", &[tlv(0x18, &[b"20260202080000Z"])]);
        }),
        token("attributes-certificate-sha1", "CS-1101", "signing-certificate-v2 with a digest of 20 octets", &|cms| {
            let identifier = sequence(&[&octets(&[1; 20])]);
            let value = sequence(&[&sequence(&[&identifier])]);
            cms.attributes[3] = attribute("1.2.840.113549.1.9.16.2.47", &[value]);
        }),
        token(
            "attributes-certificate-other",
            "CS-1101",
            "signing-certificate-v2 names a certificate not there",
            &|cms| {
                cms.attributes[3] = signing_certificate_attribute(&cast.holder.certificate);
            },
        ),
        token("digest-mismatch", "CS-1103", "the content was changed after signing", &|cms| {
            let at = cms.content.windows(12).position(|window| window == b"Example Orga").unwrap();
            cms.content[at] ^= 0x20;
        }),
        token("signature-broken", "CS-1104", "the last bit of the signature differs", &|cms| {
            cms.broken_signature = true
        }),
        token("certificate-extra", "CS-1105", "a certificate that the path does not need", &|cms| {
            cms.certificates.push(cast.holder.certificate.clone());
        }),
        token("certificate-anchor", "CS-1105", "the trust anchor's certificate is there", &|cms| {
            cms.certificates.push(cast.token_root.certificate.clone());
        }),
        token("certificate-across", "CS-0001", "none: the trust anchor certified by another root is there", &|cms| {
            let other =
                Request::new("Another Root", Key::p256("countersign test another root"), ca(None)).self_signed();
            let key = Key::p256("countersign test token root");
            cms.certificates.push(Request::new("Example Token Root", key, ca(Some(0))).issued_by(&other).certificate);
        }),
        token(
            "certificate-across-other-key",
            "CS-1105",
            "the anchor's name with another key, by another root",
            &|cms| {
                let other =
                    Request::new("Another Root", Key::p256("countersign test another root"), ca(None)).self_signed();
                let key = Key::p256("countersign test a third root");
                cms.certificates
                    .push(Request::new("Example Token Root", key, ca(Some(0))).issued_by(&other).certificate);
            },
        ),
        token("certificates-nine", "CS-1101", "nine certificates", &|cms| {
            for number in 0..8 {
                let key = Key::p256(&format!("countersign test extra {number}"));
                cms.certificates.push(Request::new("Extra", key, ca(None)).self_signed().certificate);
            }
        }),
        token("certificate-twice", "CS-1101", "the signer's certificate twice", &|cms| {
            cms.certificates.push(cms.certificates[0].clone());
        }),
        token("certificate-attribute", "CS-2001", "an attribute certificate among the certificates", &|cms| {
            cms.certificates.push(tlv(0xa2, &[&integer(1)]));
        }),
        Case::token("token-time-1950", "CS-2008", "signing-time 2050 as UTCTime, which means 1950", {
            let mut cms = cast.token_cms(body.clone());
            cms.attributes[1] = attribute("1.2.840.113549.1.9.5", &[tlv(0x17, &[b"500202080000Z"])]);
            cms.build()
        }),
    ]
}

fn algorithms(cast: &Cast) -> Vec<Case> {
    let body = cast.token_body().to_der().unwrap();
    let signer = |key| Request::new("Example Token Signer", key, signer_extensions()).issued_by(&cast.token_root);
    let by = |signer: &Identity, algorithm, change: &dyn Fn(&mut Cms<'_>)| {
        let mut cms = Cms::with_algorithm(CONTENT_TOKEN, body.clone(), signer, ISSUED, algorithm);
        change(&mut cms);
        cms.build()
    };
    let own = |signer: &Identity, change: &dyn Fn(&mut Cms<'_>)| by(signer, signer.key.algorithm(), change);
    let (p256, p384) = (&cast.token_signer, &signer(Key::p384("countersign test token signer")));
    let (rsa, small) = (&signer(Key::rsa_2048()), &signer(Key::rsa_1024()));
    let pkcs1 = SignatureAlgorithm::RsaPkcs1;
    let pss = SignatureAlgorithm::RsaPss;
    let [hash, mask, salt] = pss_parameters(false, false);
    let pss_trailer = pss_identifier(&[&hash, &mask, &salt, &explicit(3, &integer(1))]);
    let sha1 = sequence(&[&oid("1.3.14.3.2.26")]);
    vec![
        Case::token("algorithm-p384", "CS-0001", "none: P-384 with SHA-384", own(p384, &|_| {})),
        Case::token("algorithm-rsa", "CS-0001", "none: RSA 2048, PKCS#1 v1.5, SHA-256", own(rsa, &|_| {})),
        Case::token("algorithm-rsa-512", "CS-0001", "none: RSA 2048, PKCS#1 v1.5, SHA-512", {
            by(rsa, pkcs1(HashAlgorithm::Sha512), &|_| {})
        }),
        Case::token("algorithm-rsa-pss", "CS-0001", "none: RSA 2048, PSS, SHA-256", {
            by(rsa, pss(HashAlgorithm::Sha256), &|_| {})
        }),
        Case::token("algorithm-rsa-pss-384", "CS-0001", "none: RSA 2048, PSS, SHA-384", {
            by(rsa, pss(HashAlgorithm::Sha384), &|_| {})
        }),
        Case::token("algorithm-rsa-encryption", "CS-0001", "none: rsaEncryption as signature algorithm", {
            own(rsa, &|cms| cms.signature_algorithm = sequence(&[&oid("1.2.840.113549.1.1.1"), &[5, 0]]))
        }),
        Case::token("algorithm-rsa-no-null", "CS-1102", "sha256WithRSAEncryption without NULL", {
            own(rsa, &|cms| cms.signature_algorithm = sequence(&[&oid("1.2.840.113549.1.1.11")]))
        }),
        Case::token("algorithm-pss-salt", "CS-1102", "PSS with a salt of 20 octets stated", {
            by(rsa, pss(HashAlgorithm::Sha256), &|cms| *cms.signature_algorithm.last_mut().unwrap() = 20)
        }),
        Case::token(
            "algorithm-pss-mixed",
            "CS-0001",
            "none: PSS, NULL beside the hash and nothing beside that of the mask",
            {
                by(rsa, pss(HashAlgorithm::Sha256), &|cms| {
                    let [hash, mask, salt] = pss_parameters(true, false);
                    cms.signature_algorithm = pss_identifier(&[&hash, &mask, &salt]);
                })
            },
        ),
        Case::token("algorithm-pss-trailer", "CS-1102", "PSS with the trailer field spelt out", {
            by(rsa, pss(HashAlgorithm::Sha256), &|cms| cms.signature_algorithm = pss_trailer.clone())
        }),
        Case::token("algorithm-pss-order", "CS-1102", "PSS with its parameters out of order", {
            by(rsa, pss(HashAlgorithm::Sha256), &|cms| {
                let [hash, mask, salt] = pss_parameters(false, false);
                cms.signature_algorithm = pss_identifier(&[&hash, &salt, &mask]);
            })
        }),
        Case::token("algorithm-rsa-1024", "CS-2005", "an RSA key of 1,024 bits", own(small, &|_| {})),
        Case::token("algorithm-rsa-4097", "CS-2005", "an RSA key of 4,097 bits", {
            own(&signer(Key::rsa_public(4_097, 65_537)), &|_| {})
        }),
        Case::token("algorithm-rsa-exponent-3", "CS-2005", "an RSA key with exponent 3", {
            own(&signer(Key::rsa_public(2_048, 3)), &|_| {})
        }),
        Case::token("algorithm-rsa-exponent-even", "CS-2005", "an RSA key with exponent 65,538", {
            own(&signer(Key::rsa_public(2_048, 65_538)), &|_| {})
        }),
        Case::token("algorithm-p256-compressed", "CS-2005", "a P-256 key as a compressed point", {
            own(&signer(Key::p256_compressed("countersign test token signer")), &|_| {})
        }),
        Case::token("algorithm-p521", "CS-2005", "a key on P-521", own(&signer(Key::p521()), &|_| {})),
        Case::token("algorithm-sha1", "CS-1102", "SHA-1 as digest algorithm", {
            own(rsa, &|cms| {
                cms.digest_algorithm.clone_from(&sha1);
                cms.digest_algorithms = set(&[&sha1]);
            })
        }),
        Case::token("algorithm-sha1-signature", "CS-1102", "sha1WithRSAEncryption as signature algorithm", {
            own(rsa, &|cms| cms.signature_algorithm = sequence(&[&oid("1.2.840.113549.1.1.5"), &[5, 0]]))
        }),
        Case::token("algorithm-pair", "CS-1102", "digest SHA-256 beside ecdsa-with-SHA384", {
            own(p256, &|cms| cms.signature_algorithm = SignatureAlgorithm::EcdsaP384Sha384.identifier())
        }),
        Case::token(
            "algorithm-rsa-pair",
            "CS-1102",
            "digest SHA-256 beside sha512WithRSAEncryption, rightly signed",
            {
                own(rsa, &|cms| {
                    cms.algorithm = pkcs1(HashAlgorithm::Sha512);
                    cms.signature_algorithm = cms.algorithm.identifier();
                })
            },
        ),
        Case::token("algorithm-p256-sha384", "CS-1102", "P-256 with SHA-384", {
            by(p256, SignatureAlgorithm::EcdsaP384Sha384, &|_| {})
        }),
        Case::token("algorithm-other-key", "CS-1102", "an RSA algorithm for a P-256 key", {
            own(p256, &|cms| cms.signature_algorithm = pkcs1(HashAlgorithm::Sha256).identifier())
        }),
        Case::token("algorithm-ed25519", "CS-1102", "Ed25519 as signature algorithm", {
            own(p256, &|cms| cms.signature_algorithm = sequence(&[&oid("1.3.101.112")]))
        }),
    ]
}

fn records(cast: &Cast) -> Vec<Case> {
    let record = |name, expect, defect, change: &dyn Fn(&mut Cms<'_>)| {
        Case::record(name, expect, defect, cast.record(|_| {}, |_| {}, |cms| change(cms)))
    };
    let token = cast.token(|_| {});
    let by = |key: Key| {
        let holder = Request::new("Alex Example", key, holder_extensions()).issued_by(&cast.holder_root);
        cast.record_cms(&cast.challenge(&token), &token, &holder).build()
    };
    vec![
        Case::record("record-rsa", "CS-0001", "none: the holder's key is RSA 2048", by(Key::rsa_2048())),
        Case::record(
            "record-p384",
            "CS-0001",
            "none: the holder's key is P-384",
            by(Key::p384("countersign test holder")),
        ),
        Case::record("record-rsa-1024", "CS-2005", "the holder's key is RSA 1024", by(Key::rsa_1024())),
        record("record-no-token", "CS-1101", "no token inside", &|cms| cms.unsigned.clear()),
        record("record-token-twice", "CS-1101", "the token attribute twice", &|cms| {
            cms.unsigned.push(cms.unsigned[0].clone());
        }),
        record("record-two-tokens", "CS-1101", "two tokens in the attribute", &|cms| {
            let other = cast.token(|token| token.revision = 2);
            cms.unsigned = vec![attribute(ATTRIBUTE_TOKEN, &[token.clone(), other])];
        }),
        record("record-extra-unsigned", "CS-1101", "an unsigned attribute beside the token", &|cms| {
            cms.unsigned.push(attribute("1.2.840.113549.1.9.16.2.4", &[octets(b"hint")]));
        }),
        record("record-unsigned-other", "CS-1101", "another unsigned attribute in the token's place", &|cms| {
            cms.unsigned = vec![attribute("1.2.840.113549.1.9.16.2.14", std::slice::from_ref(&token))];
        }),
        record("record-in-record", "CS-1005", "a record in the token's place", &|_| {}).with(|case| {
            let inner = cast.record(|_| {}, |_| {}, |_| {});
            let challenge = cast.challenge(&inner);
            case.file = super::File::Object(cast.record_cms(&challenge, &inner, &cast.holder).build());
        }),
        Case::record("record-is-token", "CS-1005", "a token where a record is needed", token.clone()),
        Case::token("token-is-record", "CS-1005", "a record where a token is needed", {
            cast.record(|_| {}, |_| {}, |_| {})
        }),
        record("record-two-holders", "CS-1007", "two signer infos", &|cms| cms.more_signers.push(cms.signer_info())),
        record("record-signature-broken", "CS-1104", "the last bit of the signature differs", &|cms| {
            cms.broken_signature = true;
        }),
        record("record-digest-mismatch", "CS-1103", "the challenge was changed after signing", &|cms| {
            *cms.content.last_mut().unwrap() ^= 1;
        }),
        Case::record("record-signed-by-another", "CS-1104", "signed with another key than the certificate's", {
            let mut cms = cast.record_cms(&cast.challenge(&token), &token, &cast.holder);
            cms.key = &cast.token_signer.key;
            cms.build()
        }),
        Case::record("record-token-broken", "CS-1104", "the signature of the token inside is broken", {
            let mut cms = cast.token_cms(cast.token_body().to_der().unwrap());
            cms.broken_signature = true;
            let broken = cms.build();
            cast.record_cms(&cast.challenge(&broken), &broken, &cast.holder).build()
        }),
        Case::record("record-certificate-extra", "CS-1105", "a certificate that the holder's path does not need", {
            cast.record(|_| {}, |_| {}, |cms| cms.certificates.push(cast.holder_root.certificate.clone()))
        }),
        Case::record("record-signing-time-utc", "CS-1101", "signing-time before 2050 as GeneralizedTime", {
            cast.record(
                |_| {},
                |_| {},
                |cms| cms.attributes[1] = attribute("1.2.840.113549.1.9.5", &[tlv(0x18, &[b"20260615093020Z"])]),
            )
        }),
    ]
}
