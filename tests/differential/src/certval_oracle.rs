//! What certval says: its builder makes every path, and one that validates is enough.

use crate::case::{AT_SECONDS, Case};
use certval::{
    CertFile, CertSource, CertVector, CertificationPath, CertificationPathResults, CertificationPathSettings, Error,
    MemoryCrlSource, PDVCertificate, PathValidationStatus, PkiEnvironment, TaSource, TimeOfInterest,
    check_revocation_local,
};
use der::{Encode, asn1::BitString};
use openssl::{hash::MessageDigest, pkey::PKey, sign::Verifier};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const SHA256_WITH_RSA: &str = "1.2.840.113549.1.1.11";

/// The outcome of a case: the error in words where it is refused.
pub fn judge(case: &Case) -> Result<(), String> {
    let told = |error: Error| format!("{error:?}");
    let leaf = PDVCertificate::try_from(case.leaf.as_slice()).map_err(|error| format!("parse: {error}"))?;
    let at = TimeOfInterest::from_unix_secs(AT_SECONDS).map_err(|error| format!("{error:?}"))?;
    let mut settings = CertificationPathSettings::new();
    settings.set_time_of_interest(at);
    settings.set_enforce_trust_anchor_constraints(true);
    settings.set_enforce_trust_anchor_validity(false);
    settings.set_initial_explicit_policy_indicator(case.explicit_policy);
    settings.set_initial_policy_mapping_inhibit_indicator(case.inhibit_mapping);
    settings.set_initial_inhibit_any_policy_indicator(case.inhibit_any);
    if !case.initial_policies.is_empty() {
        settings.set_initial_policy_set(case.initial_policies.iter().map(|policy| (*policy).to_owned()).collect());
    }
    if case.client {
        settings.set_extended_key_usage(vec![CLIENT_AUTH.to_owned()]);
        settings.set_extended_key_usage_path(true);
    }
    settings.set_check_revocation_status(case.lists.is_some());
    settings.set_check_crls(true);
    settings.set_check_crldp_http(false);
    settings.set_check_ocsp_from_aia(false);

    let mut environment = PkiEnvironment::new();
    environment.add_verify_signature_message_callback(verify_rsa);
    environment.populate_5280_pki_environment();
    let file = |(number, der): (usize, &Vec<u8>)| CertFile { filename: number.to_string(), bytes: der.clone() };
    let mut anchors = TaSource::new();
    case.anchors.iter().enumerate().map(file).for_each(|anchor| anchors.push(anchor));
    anchors.initialize().map_err(told)?;
    environment.add_trust_anchor_source(Box::new(anchors));
    let mut untrusted = CertSource::new();
    case.untrusted.iter().enumerate().map(file).for_each(|certificate| untrusted.push(certificate));
    untrusted.initialize(&settings).map_err(told)?;
    untrusted.find_all_partial_paths(&environment, &settings);
    environment.add_certificate_source(Box::new(untrusted));
    if let Some(lists) = &case.lists {
        let source = MemoryCrlSource::new();
        for list in lists {
            source.add(list);
        }
        environment.add_crl_source(Box::new(source));
    }

    let mut paths: Vec<CertificationPath> = Vec::new();
    environment.get_paths_for_target(&leaf, &mut paths, 0, at).map_err(told)?;
    let mut refused = "no path".to_owned();
    for path in paths {
        let mut results = CertificationPathResults::new();
        let outcome =
            environment.validate_path(&environment, &settings, &path, &mut results).and_then(|()| match case.lists {
                Some(_) => check_revocation_local(&environment, &settings, &path, &mut results),
                None => Ok(()),
            });
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) => refused = told(error),
        }
    }
    Err(refused)
}

/// certval asks for another version of the crate `rsa` than countersign-pki does, so its RSA is done by OpenSSL.
fn verify_rsa(
    _: &PkiEnvironment,
    message: &[u8],
    signature: &BitString,
    algorithm: &AlgorithmIdentifierOwned,
    key: &SubjectPublicKeyInfoOwned,
) -> certval::Result<()> {
    if algorithm.oid.to_string() != SHA256_WITH_RSA {
        return Err(Error::Unrecognized);
    }
    let refused = || Error::PathValidation(PathValidationStatus::SignatureVerificationFailure);
    let der = key.to_der().map_err(|_| refused())?;
    let key = PKey::public_key_from_der(&der).map_err(|_| refused())?;
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).map_err(|_| refused())?;
    match verifier.verify_oneshot(signature.raw_bytes(), message) {
        Ok(true) => Ok(()),
        _ => Err(refused()),
    }
}
