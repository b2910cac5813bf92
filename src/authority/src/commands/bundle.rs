//! `bundle`: the one file for the technician's stick.

use super::{
    Answer, Context,
    anchors::Signed,
    crl::{self, Keys, Terms},
    prove::{Issued, with_proofs},
};
use crate::{
    args::Bundle as Arguments,
    clock,
    cms::{self, sign_object},
    error::Error,
    files::{self, NewFile},
    home::Home,
    keys::Signer,
    ledger::{Body, Ledger},
    lint::Finding,
    pem::certificate_list,
    random,
    register::Register,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{
    Anchors, Certificate, GeneralizedTime, MAX_FILE_SIZE, NO_LISTS, Octets, Reason, RevocationList, SignedObject, Time,
    VerifiedToken,
    bundle::{Bundle, MAX_BUNDLE_SIZE, Manifest, PartEntry, PartKind},
    decode_certificates, decode_object, oid,
    token::FORMAT_VERSION,
};
use countersign_pki::MAX_LIST_SIZE;
use countersign_report as report;
use der::Encode;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// How long lists are valid that are issued for a bundle, in seconds: 30 days, as by `crl`.
const LIST_VALIDITY: u32 = 30 * 86_400;

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    let register = ledger.register()?;
    let label = arguments.label.clone().unwrap_or_else(|| home.organization().to_owned());
    context.attempt("bundle", &label);
    let mut warnings = Vec::new();
    let mut parts = Parts::default();
    parts.anchors(arguments, &register)?;
    parts.certificates(&arguments.certificate)?;
    // So that cards under one holder root activate under tokens that name another one.
    for der in home.across(Role::HolderRoot)? {
        parts.add(PartKind::Certificate, der);
    }
    parts.foreign_lists(&arguments.crl)?;
    parts.tokens(arguments, &home, &ledger, &register, &mut warnings)?;
    // The limits of the format, before a secret is asked for.
    if !parts.list.is_empty() {
        manifest(&label, &parts, Octets([0; 16]), Time::from_unix(0))?;
    } else if arguments.no_lists {
        return Err(Error::Usage("there is nothing to put into the bundle".to_owned()));
    }
    let file = NewFile::reserve(&arguments.out)?;
    let fresh = !arguments.no_lists && !lists_are_current(&register, clock::now()?);
    let keys = if fresh { Some(Keys::open(&home, &register, clock::now()?, context)?) } else { None };
    let own;
    let signer = match &keys {
        Some(keys) => keys.list_signer(),
        None => {
            own = home.signer(Role::ListSigner, &mut context.keyring)?;
            &own
        }
    };

    let writing = ledger.begin()?;
    if writing.is_revoked(&digest(signer.certificate()))? {
        return Err(Error::SignerRevoked(Role::ListSigner.slug()));
    }
    let register = writing.register()?;
    if let Some(keys) = &keys {
        context.note("The lists have run out, or something has changed since: issuing them anew …");
        let terms = Terms { validity: LIST_VALIDITY, delta: false, replaces_old_signer: false };
        for list in crl::issue(&home, &writing, &register, keys, &terms)? {
            let kind = if list.is_token_list { PartKind::TokenList } else { PartKind::CertificateList };
            parts.add(kind, list.der);
        }
        for list in keys.resting() {
            parts.add(PartKind::CertificateList, list.to_vec());
        }
    } else if !arguments.no_lists {
        parts.own_lists(&register);
    }
    let now = clock::now()?;
    let id = Octets(random::octets()?);
    let manifest = manifest(&label, &parts, id, now)?;
    let der = sign(&manifest, &parts, signer, now)?;
    verify(&der, &manifest, &parts, &home)?;
    let sequence = writing
        .append(now, &Body::BundleMade { id: id.to_string(), label, parts: parts.list.len(), digest: digest(&der) })?;
    writing.commit()?;
    file.finish(&der)?;
    answer(&der, arguments, sequence, fresh, warnings)
}

/// Whether every list is there, in force, and says what the ledger says.
fn lists_are_current(register: &Register, now: Time) -> bool {
    let current = |list: Option<&_>| list.is_some_and(|list| register.is_current(list, now));
    let live = |der: &[u8]| Certificate::from_der(der).is_ok_and(|root| now <= root.not_after());
    current(register.token_list.as_ref())
        && register
            .roots()
            .filter(|root| live(&root.der))
            .all(|root| current(register.certificate_lists.get(&root.digest)))
}

/// What goes into a bundle, in any order.
#[derive(Default)]
struct Parts {
    list: Vec<(PartKind, Vec<u8>)>,
}

impl Parts {
    /// Each part once; those of a kind stay in their order.
    fn add(&mut self, kind: PartKind, der: Vec<u8>) {
        if !self.list.iter().any(|(known, part)| *known == kind && *part == der) {
            self.list.push((kind, der));
            self.list.sort_by_key(|(kind, _)| *kind);
        }
    }

    /// The updates in force, all of them, since a machine may have missed any; and the one that is named.
    fn anchors(&mut self, arguments: &Arguments, register: &Register) -> Result<(), Error> {
        for object in &register.adopted {
            self.add(PartKind::AnchorsUpdate, object.clone());
        }
        if let Some(path) = &arguments.anchors {
            for object in Signed::read(path)?.objects {
                self.add(PartKind::AnchorsUpdate, object);
            }
        }
        Ok(())
    }

    fn certificates(&mut self, paths: &[std::path::PathBuf]) -> Result<(), Error> {
        for path in paths {
            let refused = |fault: String| Error::CertificateFile { path: path.clone(), fault };
            let file = files::read(path, MAX_FILE_SIZE)?;
            for der in decode_certificates(&file).map_err(|reason| refused(reason.to_string()))? {
                Certificate::from_der(&der).map_err(|error| refused(error.to_string()))?;
                self.add(PartKind::Certificate, der);
            }
        }
        Ok(())
    }

    fn foreign_lists(&mut self, paths: &[std::path::PathBuf]) -> Result<(), Error> {
        for path in paths {
            let refused = |fault: String| Error::ListFile { path: path.clone(), fault };
            // PEM is a third longer.
            let file = files::read(path, MAX_LIST_SIZE / 2 * 3)?;
            let der = certificate_list(&file).map_err(|fault| refused(fault.to_owned()))?;
            RevocationList::from_der(&der).map_err(|error| refused(error.to_string()))?;
            if report::certificate_list_lines(&der).is_none() {
                return Err(refused("not a certificate revocation list".to_owned()));
            }
            self.add(PartKind::CertificateList, der.into_owned());
        }
        Ok(())
    }

    fn own_lists(&mut self, register: &Register) {
        for list in register.roots().filter_map(|root| register.certificate_lists.get(&root.digest)) {
            self.add(PartKind::CertificateList, list.der.clone());
        }
        if let Some(list) = &register.token_list {
            self.add(PartKind::TokenList, list.der.clone());
        }
    }

    fn tokens(
        &mut self,
        arguments: &Arguments,
        home: &Home,
        ledger: &Ledger,
        register: &Register,
        warnings: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let anchors = home.anchors()?;
        let anchors = Anchors::new(anchors.iter().map(Vec::as_slice))
            .map_err(|error| Error::damaged(&home.path().join("anchors.pem"), error))?;
        let mut wanted: Vec<(String, Vec<u8>)> = Vec::new();
        for token in &arguments.token {
            let path = Path::new(token);
            if path.is_file() {
                let file = files::read(path, MAX_FILE_SIZE)?;
                let der = decode_object(&file).map_err(|reason| Error::Object { path: path.to_owned(), reason })?;
                wanted.push((token.clone(), der.into_owned()));
            } else {
                let versions = register.token(token)?;
                let latest = versions.last().ok_or_else(|| Error::NoEntry(token.clone()))?;
                wanted.push((token.clone(), from_ledger(ledger, &latest.id)?));
            }
        }
        if let Some(customer) = &arguments.all_tokens_of {
            let mut ids: Vec<_> =
                register.tokens.iter().filter(|token| token.customer == *customer).map(|token| &token.id).collect();
            ids.sort_unstable();
            ids.dedup();
            if ids.is_empty() {
                return Err(Error::NoEntry(format!("of a token for the customer {customer}")));
            }
            for id in ids.into_iter().filter(|id| !register.revoked_tokens.contains_key(*id)) {
                wanted.push((id.clone(), from_ledger(ledger, id)?));
            }
        }
        if arguments.with_proofs || register.demands()?.inclusion_proof {
            let (names, ders): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
            let issued = ders.into_iter().map(|der| Issued::of(der, ledger)).collect::<Result<_, _>>()?;
            wanted = names.into_iter().zip(with_proofs(issued, ledger, home)?).collect();
        }
        for (name, der) in wanted {
            let refused = |reason| Error::Object { path: (&name).into(), reason };
            let object = SignedObject::from_der(&der).map_err(refused)?;
            match VerifiedToken::verify(object.clone(), &anchors, &NO_LISTS) {
                Ok(token) => {
                    let (id, revision) = (token.body().id.to_string(), token.body().revision);
                    if register.revoked_tokens.get(&id).is_some_and(|revoked| revision <= revoked.revision) {
                        warnings.push(Finding::revoked_token(&id));
                    }
                }
                // For machines with a later release, as it was issued.
                Err(Reason::NeedsNewerVerifier(_) | Reason::UnknownCriticalExtension(_)) => {}
                Err(reason) => return Err(refused(reason)),
            }
            self.add(PartKind::Token, der);
        }
        Ok(())
    }
}

/// DER of the latest version of a token.
fn from_ledger(ledger: &Ledger, id: &str) -> Result<Vec<u8>, Error> {
    match ledger.find(id)?.body {
        Body::TokenIssued { token, .. } => Ok(token),
        _ => Err(Error::NoEntry(id.to_owned())),
    }
}

fn manifest(label: &str, parts: &Parts, id: Octets<16>, now: Time) -> Result<Manifest, Error> {
    let entry =
        |(kind, der): &(PartKind, Vec<u8>)| PartEntry { kind: *kind, digest: Octets(Sha256::digest(der).into()) };
    let manifest = Manifest {
        version: FORMAT_VERSION,
        id,
        created: GeneralizedTime(now),
        label: label.to_owned(),
        parts: parts.list.iter().map(entry).collect(),
        extensions: None,
    };
    manifest.check().map_err(|reason| Error::Usage(reason.to_string()))?;
    Ok(manifest)
}

fn sign(manifest: &Manifest, parts: &Parts, signer: &Signer, now: Time) -> Result<Vec<u8>, Error> {
    let object = sign_object(oid::CONTENT_MANIFEST, &manifest.to_der()?, signer, now)?;
    let parts: Vec<_> = parts.list.iter().map(|(_, der)| der.as_slice()).collect();
    let der = Bundle::encode(&object, &parts)?;
    if der.len() > MAX_BUNDLE_SIZE {
        return Err(Error::Verification(Reason::TooLarge { limit: MAX_BUNDLE_SIZE }));
    }
    Ok(der)
}

/// Distrusts what was made: it must come apart again, verify under the own anchors, and hold what was meant.
fn verify(der: &[u8], manifest: &Manifest, parts: &Parts, home: &Home) -> Result<(), Error> {
    let anchors = home.anchors()?;
    let anchors = cms::anchors(&anchors)?;
    let bundle = Bundle::from_der(der).map_err(Error::Verification)?;
    bundle.verify(&anchors, &NO_LISTS).map_err(Error::Verification)?;
    let mut kinds: Vec<_> = parts.list.iter().map(|(kind, _)| *kind).collect();
    kinds.dedup();
    let same = kinds.into_iter().all(|kind| {
        let meant = parts.list.iter().filter(|(of, _)| *of == kind).map(|(_, part)| part.as_slice());
        bundle.parts(kind).eq(meant)
    });
    if same && bundle.manifest() == manifest { Ok(()) } else { Err(Error::NotWhatWasMeant) }
}

fn answer(
    der: &[u8],
    arguments: &Arguments,
    sequence: i64,
    fresh: bool,
    warnings: Vec<Finding>,
) -> Result<Answer, Error> {
    let bundle = Bundle::from_der(der).map_err(Error::Verification)?;
    let lists = if fresh { "The lists in it were issued just now.\n" } else { "" };
    let text = format!(
        "Made {} of {} octets (entry {sequence} of the ledger):\n{}{lists}",
        arguments.out.display(),
        der.len(),
        report::render(&report::bundle_lines(&bundle))
    );
    let json = json!({
        "bundle": {
            "file": arguments.out,
            "sha256": to_hex(&Sha256::digest(der)),
            "octets": der.len(),
            "ledger_entry": sequence,
            "lists_issued": fresh,
            "content": report::bundle(&bundle),
        }
    });
    Ok(Answer { text, json, warnings })
}
