//! `issue`: plan, lint, sign, distrust, record, and only then write.

use super::{Answer, Context};
use crate::{
    args::Issue,
    clock,
    cms::{self, sign_object},
    error::Error,
    files::NewFile,
    home::{Home, Role},
    ledger::{Body, CustomerRow, Writing},
    limits::Limits,
    lint::{Circumstances, Finding, lint},
    plan::{Identity, IssuePlan},
    profile::Profile,
    random,
    words::{digest, to_hex},
};
use countersign_common::{
    Certificate, NO_LISTS, Octets, Reason, SignedObject, Time, Token, VerifiedToken, encode_object, oid,
};
use der::Encode;
use serde_json::json;
use std::path::PathBuf;

pub(super) fn run(arguments: Issue, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let now = clock::now()?;
    let certificates = Certificates::read(&home)?;
    let limits = Limits::read(home.path())?;
    let profile = arguments.profile.as_deref().map_or_else(|| Ok(Profile::default()), Profile::read)?;
    let plan = IssuePlan::new(profile, arguments, limits.defaults(), now, &certificates.holder_root)?;
    let new_id = Octets(random::octets()?);
    let new_salt = Octets(random::octets()?);
    let mut ledger = home.ledger()?;

    // Everything but the signature, so that nobody types a secret in vain.
    let writing = ledger.begin()?;
    let identity = identify(&plan, &writing, new_id, new_salt)?;
    if writing.is_revoked(&digest(&certificates.token_signer))? {
        return Err(Error::SignerRevoked(Role::TokenSigner.slug()));
    }
    let draft = plan.body(&identity);
    let findings = check(&draft, &plan, &certificates, &limits, &writing, now)?;
    drop(writing);
    if plan.dry_run {
        return Ok(dry_run(&draft, limits.officer(), findings));
    }
    let path = plan.out.clone().unwrap_or_else(|| default_path(&plan, &identity));
    let file = NewFile::reserve(&path)?;
    let signer = home.signer(Role::TokenSigner, &mut context.keyring)?;
    // Typing took its time.
    let now = clock::now()?;

    // From here on nobody else writes to the ledger: revision and salt cannot change any more.
    let writing = ledger.begin()?;
    let identity = identify(&plan, &writing, new_id, new_salt)?;
    let body = plan.body(&identity);
    let findings = check(&body, &plan, &certificates, &limits, &writing, now)?;
    let object = sign_object(oid::CONTENT_TOKEN, &body.to_der()?, &signer, now)?;
    verify(&object, &body, &plan, &certificates.anchors)?;
    let sequence = record(&writing, &body, &object, &certificates, now)?;
    writing.commit()?;
    file.finish(encode_object(&object).as_bytes())?;

    Ok(answer(&path, &body, &object, sequence, findings))
}

/// DER of the authority's certificates.
pub(super) struct Certificates {
    anchors: Vec<Vec<u8>>,
    holder_roots: Vec<Vec<u8>>,
    pub(super) holder_root: Vec<u8>,
    token_signer: Vec<u8>,
}

impl Certificates {
    pub(super) fn read(home: &Home) -> Result<Self, Error> {
        Ok(Self {
            anchors: home.anchors()?,
            holder_roots: home.holder_roots()?,
            holder_root: home.certificate(Role::HolderRoot)?,
            token_signer: home.certificate(Role::TokenSigner)?,
        })
    }
}

/// Who the customer is and which token this is: from the ledger, or new.
fn identify(
    plan: &IssuePlan,
    ledger: &Writing<'_>,
    new_id: Octets<16>,
    new_salt: Octets<32>,
) -> Result<Identity, Error> {
    let known = ledger.customer(&plan.customer)?;
    let customer_name = plan
        .customer_name
        .clone()
        .or_else(|| known.as_ref().map(|row| row.name.clone()))
        .ok_or_else(|| Error::CustomerName(plan.customer.clone()))?;
    let salt = known.map_or(new_salt, |row| row.salt);
    let Some(id) = plan.supersedes else {
        return Ok(Identity { id: new_id, revision: 1, customer_name, salt });
    };
    let earlier = ledger.latest_token(&id.to_string())?.ok_or_else(|| Error::NoEntry(id.to_string()))?;
    let Body::TokenIssued { revision, customer, product, .. } = earlier.body else {
        return Err(Error::NoEntry(id.to_string()));
    };
    if customer != plan.customer {
        return Err(Error::OtherToken("customer"));
    }
    if product != plan.product() {
        return Err(Error::OtherToken("product"));
    }
    let revision = revision.checked_add(1).ok_or(Error::OtherToken("number of versions than fits"))?;
    Ok(Identity { id, revision, customer_name, salt })
}

/// The lint and the limits: errors refuse, warnings come back.
pub(super) fn check(
    body: &Token,
    plan: &IssuePlan,
    certificates: &Certificates,
    limits: &Limits,
    writing: &Writing<'_>,
    now: Time,
) -> Result<Vec<Finding>, Error> {
    let parse = |der: &Vec<u8>| Certificate::from_der(der).map(|parsed| parsed.spki().to_vec());
    let keys = |list: &[Vec<u8>]| list.iter().map(parse).collect::<Result<Vec<_>, _>>().map_err(|_| Error::KeyMismatch);
    let mut findings = limits.findings(body);
    findings.extend(lint(
        body,
        &Circumstances {
            now,
            anchor_keys: &keys(&certificates.anchors)?,
            holder_root_keys: &keys(&certificates.holder_roots)?,
            token_signer: &Certificate::from_der(&certificates.token_signer).map_err(|_| Error::KeyMismatch)?,
            newest_list: writing.newest_token_list()?,
            for_newer_verifier: plan.for_newer_verifier,
        },
    ));
    if findings.iter().any(Finding::is_error) { Err(Error::Lint(findings)) } else { Ok(findings) }
}

/// Distrusts what was signed: it must read again, verify under the own anchor, and say what was meant.
fn verify(object: &[u8], body: &Token, plan: &IssuePlan, anchors: &[Vec<u8>]) -> Result<(), Error> {
    let anchors = cms::anchors(anchors)?;
    let parsed = SignedObject::from_der(object).map_err(Error::Verification)?;
    match VerifiedToken::verify(parsed.clone(), &anchors, &NO_LISTS) {
        Ok(_) => {}
        // These two come after path and signature, and were allowed on purpose.
        Err(Reason::NeedsNewerVerifier(_) | Reason::UnknownCriticalExtension(_)) if plan.for_newer_verifier => {}
        Err(reason) => return Err(Error::Verification(reason)),
    }
    if Token::from_der(parsed.content()).map_err(Error::Verification)? == *body {
        Ok(())
    } else {
        Err(Error::NotWhatWasMeant)
    }
}

fn record(
    writing: &Writing<'_>,
    body: &Token,
    object: &[u8],
    certificates: &Certificates,
    now: Time,
) -> Result<i64, Error> {
    let row = CustomerRow { name: body.customer.name.clone(), salt: body.binding.salt };
    writing.keep_customer(&body.customer.id, &row)?;
    writing.append(
        now,
        &Body::TokenIssued {
            id: body.id.to_string(),
            revision: body.revision,
            customer: body.customer.id.clone(),
            customer_name: body.customer.name.clone(),
            salt: body.binding.salt.to_string(),
            product: body.product.id.clone(),
            signer: digest(&certificates.token_signer),
            digest: digest(object),
            token: to_hex(object),
        },
    )
}

/// `<product>-<short id>.token.pem`, with the version behind the id from the second on.
fn default_path(plan: &IssuePlan, identity: &Identity) -> PathBuf {
    let id = identity.id.to_string();
    let version = if identity.revision > 1 { format!("-{}", identity.revision) } else { String::new() };
    PathBuf::from(format!("{}-{}{version}.token.pem", plan.product(), &id[..8]))
}

fn dry_run(body: &Token, officer: &str, warnings: Vec<Finding>) -> Answer {
    let words = countersign_report::token_words(body);
    let text = format!(
        "Would issue (nothing was signed or written):\n{}\nIn full:\n{}",
        countersign_report::sentences(&words),
        countersign_report::render(&countersign_report::token_lines(body))
    );
    let json = json!({
        "dry_run": true,
        "officer": officer,
        "words": words,
        "token": { "body": countersign_report::token(body) },
    });
    Answer { text, json, warnings }
}

fn answer(path: &std::path::Path, body: &Token, object: &[u8], sequence: i64, warnings: Vec<Finding>) -> Answer {
    let text = format!(
        "Issued {} (entry {sequence} of the ledger):\n{}",
        path.display(),
        countersign_report::render(&countersign_report::token_lines(body))
    );
    let json = json!({
        "token": {
            "file": path,
            "sha256": digest(object),
            "ledger_entry": sequence,
            "body": countersign_report::token(body),
        }
    });
    Answer { text, json, warnings }
}
