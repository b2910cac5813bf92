//! What OpenSSL says, with its strict checks, its policy tree and extended lists switched on.

use crate::case::{AT_SECONDS, Case};
use foreign_types::ForeignType;
use openssl::{
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509Crl, X509PurposeId, X509StoreContext,
        store::{X509Store, X509StoreBuilder},
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use std::ffi::{CString, c_char, c_int};

// Two functions that the crate does not wrap.
unsafe extern "C" {
    fn X509_STORE_add_crl(store: *mut openssl_sys::X509_STORE, list: *mut openssl_sys::X509_CRL) -> c_int;
    fn X509_VERIFY_PARAM_add0_policy(
        parameters: *mut openssl_sys::X509_VERIFY_PARAM,
        policy: *mut openssl_sys::ASN1_OBJECT,
    ) -> c_int;
    fn OBJ_txt2obj(text: *const c_char, no_name: c_int) -> *mut openssl_sys::ASN1_OBJECT;
}

const ANY_POLICY: &str = "2.5.29.32.0";

/// The outcome of a case: the error in words where it is refused.
pub fn judge(case: &Case) -> Result<(), String> {
    let refused = |error: ErrorStack| {
        let told = error.errors().first().and_then(|error| error.reason()).unwrap_or("unreadable");
        format!("parse: {told}")
    };
    let leaf = X509::from_der(&case.leaf).map_err(refused)?;
    let store = store(case).map_err(refused)?;
    let mut untrusted = Stack::new().map_err(refused)?;
    for der in &case.untrusted {
        if let Ok(certificate) = X509::from_der(der) {
            untrusted.push(certificate).map_err(refused)?;
        }
    }
    let mut context = X509StoreContext::new().map_err(refused)?;
    let outcome = context.init(&store, &leaf, &untrusted, |context| Ok((context.verify_cert()?, context.error())));
    match outcome {
        Ok((true, _)) => Ok(()),
        Ok((false, error)) => Err(error.error_string().to_owned()),
        Err(error) => Err(refused(error)),
    }
}

fn store(case: &Case) -> Result<X509Store, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for der in &case.anchors {
        store.add_cert(X509::from_der(der)?)?;
    }
    let mut flags = X509VerifyFlags::X509_STRICT | X509VerifyFlags::POLICY_CHECK;
    for (asked, flag) in [
        (case.explicit_policy, X509VerifyFlags::EXPLICIT_POLICY),
        (case.inhibit_mapping, X509VerifyFlags::INHIBIT_MAP),
        (case.inhibit_any, X509VerifyFlags::INHIBIT_ANY),
    ] {
        if asked {
            flags |= flag;
        }
    }
    if let Some(lists) = &case.lists {
        flags |= X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
        flags |= X509VerifyFlags::EXTENDED_CRL_SUPPORT | X509VerifyFlags::USE_DELTAS;
        for der in lists {
            let list = X509Crl::from_der(der)?;
            // SAFETY: both are live objects of OpenSSL; the store takes a reference of its own.
            unsafe { X509_STORE_add_crl(store.as_ptr(), list.as_ptr()) };
        }
    }
    let mut rules = X509VerifyParam::new()?;
    rules.set_flags(flags)?;
    rules.set_time(AT_SECONDS as i64);
    if case.client {
        rules.set_purpose(X509PurposeId::SSL_CLIENT)?;
    }
    // Without a set OpenSSL takes none for acceptable where a policy is required; RFC 5280 6.1.1 (c) says any-policy.
    let any = [ANY_POLICY];
    for policy in if case.initial_policies.is_empty() { &any[..] } else { &case.initial_policies } {
        let text = CString::new(*policy).expect("no zero octet");
        // SAFETY: the text ends with a zero octet; the parameters own the object from here on.
        unsafe { X509_VERIFY_PARAM_add0_policy(rules.as_ptr(), OBJ_txt2obj(text.as_ptr(), 1)) };
    }
    store.set_param(&rules)?;
    Ok(store.build())
}

/// The version of the library.
pub fn version() -> &'static str {
    openssl::version::version()
}
