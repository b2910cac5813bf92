//! `request`: a token that officers approve before it is signed, from the request to the token.

use super::{
    Answer, Context,
    issue::{Asked, Certificates, Issuing, check, default_path, dry_run},
    own,
};
use crate::{
    args::{Issue, RequestApprove, RequestIssue},
    clock,
    cms::{self, sign_object},
    error::Error,
    files::{self, NewFile},
    home::Home,
    ledger::{Body, Writing},
    limits::Limits,
    lint::Finding,
    officer,
    request::Request,
    role::Role,
    words::digest,
};
use countersign_common::{Approval, Approved, Certificate, NO_LISTS, Reason, oid};
use countersign_report as report;
use der::Encode;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) fn make(arguments: Issue, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let asked = Asked::new(arguments, &home)?;
    if !asked.plan.dry_run {
        context.attempt("request make", &asked.plan.customer);
    }
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let draft = asked.draft(&writing)?;
    if asked.plan.dry_run {
        return Ok(dry_run(&draft, asked.limits.officer()));
    }
    let path = asked.plan.out.clone().unwrap_or_else(|| default_path(&draft.body, "request"));
    let file = NewFile::reserve(&path)?;
    let request = Request::new(draft.body, draft.needed)?;
    let sequence = writing.append(
        clock::now()?,
        &Body::TokenRequested {
            id: request.token.id.to_string(),
            revision: request.token.revision,
            customer: request.token.customer.id.clone(),
            product: request.token.product.id.clone(),
            needed: request.needed,
            body: digest(&request.body),
            officer: officer::name(),
        },
    )?;
    // Never a request outside without its entry.
    writing.commit()?;
    file.finish(request.pem()?.as_bytes())?;
    let mut answer = answer(&format!("Asked for a token (entry {sequence} of the ledger)"), &path, &request)?;
    answer.json["request"]["ledger_entry"] = json!(sequence);
    answer.warnings = draft.findings;
    Ok(answer)
}

pub(super) fn show(path: &Path) -> Result<Answer, Error> {
    answer("Token request", path, &Request::read(path)?)
}

pub(super) fn approve(arguments: &RequestApprove, context: &mut Context<'_>) -> Result<Answer, Error> {
    let path = &arguments.file;
    let mut request = Request::read(path)?;
    let certificate = own::certificate(&arguments.signer, oid::EKU_TOKEN_APPROVAL, "approving tokens")?;
    let parsed = Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?;
    let already = || Error::SignedAlready(parsed.subject_text());
    if request.has_approved(parsed.spki(), parsed.subject()).map_err(Error::Verification)? {
        return Err(already());
    }
    context.note(&words(&request)?);
    let signer = own::signer(&arguments.signer, &certificate, context)?;
    let approval = Approval::of(&request.body).to_der()?;
    let object = sign_object(oid::CONTENT_APPROVAL, &approval, &signer, clock::now()?)?;
    // It is read again and verified there.
    if !request.add(&object).map_err(Error::Verification)? {
        return Err(already());
    }
    files::replace(path, request.pem()?.as_bytes())?;
    let subject = report::visible(&parsed.subject_text());
    let text = format!("Approved {} as {subject}.\n{}", path.display(), next(&request));
    Ok(Answer { text, json: document(path, &request)?, warnings: Vec::new() })
}

pub(super) fn issue(arguments: &RequestIssue, context: &mut Context<'_>) -> Result<Answer, Error> {
    let request = Request::read_all(arguments.files.iter().map(PathBuf::as_path))?;
    context.attempt("request issue", request.token.id.to_string());
    let home = Home::open(&context.global.home)?;
    let approved = ToIssue {
        path: arguments.files.first().map_or(Path::new(""), PathBuf::as_path),
        request: &request,
        certificates: Certificates::read(&home)?,
        limits: Limits::read(home.path())?,
        for_newer_verifier: arguments.for_newer_verifier,
    };
    let mut ledger = home.ledger()?;

    // Everything but the signature, so that nobody types a secret in vain.
    approved.check(&ledger.begin()?)?;
    let path = arguments.out.clone().unwrap_or_else(|| default_path(&request.token, "token"));
    let file = NewFile::reserve(&path)?;
    let signer = home.signer(Role::TokenSigner, &mut context.keyring)?;

    // From here on nobody else writes to the ledger.
    let writing = ledger.begin()?;
    let (needed, findings) = approved.check(&writing)?;
    let issuing = Issuing {
        body: &request.token,
        approvals: &request.approvals,
        needed,
        certificates: &approved.certificates,
        for_newer_verifier: arguments.for_newer_verifier,
    };
    issuing.issue(writing, &signer, file, &path, findings)
}

/// A request whose token is to be issued, and what it is held against.
struct ToIssue<'a> {
    path: &'a Path,
    request: &'a Request,
    certificates: Certificates,
    limits: Limits,
    for_newer_verifier: bool,
}

impl ToIssue<'_> {
    /// Whether the token may be issued now: how many approvals it takes, and what is unwise.
    fn check(&self, writing: &Writing<'_>) -> Result<(u8, Vec<Finding>), Error> {
        let (request, token) = (self.request, &self.request.token);
        let id = token.id.to_string();
        let requested = writing.requested(&id, &digest(&request.body))?;
        let requested = requested.ok_or_else(|| Error::NotRequestedHere(id.clone()))?;
        let before = match writing.latest_token(&id)?.map(|entry| entry.body) {
            Some(Body::TokenIssued { revision, .. }) => revision,
            _ => 0,
        };
        if before >= token.revision {
            return Err(Error::IssuedAlready(id));
        }
        if before.checked_add(1) != Some(token.revision) {
            return Err(Error::RequestOvertaken("version"));
        }
        // Another request for the same new customer may have come before.
        if writing.customer(&token.customer.id)?.is_some_and(|known| known.salt != token.binding.salt) {
            return Err(Error::RequestOvertaken("salt of the customer"));
        }
        self.certificates.check_signer(writing)?;
        let (certificates, now) = (&self.certificates, clock::now()?);
        let newest_list = writing.newest_token_list()?;
        let findings = check(token, self.for_newer_verifier, certificates, &self.limits, newest_list, now)?;
        let needed = requested.max(self.limits.approvals(token)).max(writing.approvals_demanded()?);
        let refused = |reason| Error::Object { path: self.path.to_owned(), reason };
        let by = request.objects().map_err(refused)?;
        for approval in &by {
            if writing.is_revoked(&digest(approval.signer().der()))? {
                return Err(Error::ApproverRevoked(approval.signer().subject_text()));
            }
        }
        let approved = Approved { body: &request.body, by: &by, needed };
        approved.verify(&cms::anchors(&certificates.anchors)?, &NO_LISTS).map_err(refused)?;
        Ok((needed, findings))
    }
}

/// What a request asks for and who has approved it, for people.
fn words(request: &Request) -> Result<String, Error> {
    let mut text = report::sentences(&report::token_words(&request.token));
    let mut lines = report::token_lines(&request.token);
    lines.extend(report::approver_lines(&request.objects().map_err(Error::Verification)?));
    let (has, needs) = (request.approvals.len(), request.needed);
    lines.push(("approvals", format!("{has} of {needs} needed")));
    text += &format!("\nIn full:\n{}", report::render(&lines));
    Ok(text)
}

fn next(request: &Request) -> String {
    match request.missing() {
        0 => "next: countersign-authority request issue FILE\n".to_owned(),
        missing => format!(
            "next: {missing} more to approve it: countersign-authority request approve FILE --key … --certificate …\n"
        ),
    }
}

fn answer(headline: &str, path: &Path, request: &Request) -> Result<Answer, Error> {
    let text = format!("{headline}, {}:\n{}\n{}", path.display(), words(request)?, next(request));
    Ok(Answer { text, json: document(path, request)?, warnings: Vec::new() })
}

fn document(path: &Path, request: &Request) -> Result<Value, Error> {
    let approvals: Result<Value, Reason> = request.objects().map(|all| all.iter().map(report::object).collect());
    Ok(json!({
        "request": {
            "file": path,
            "needed": request.needed,
            "missing": request.missing(),
            "approvals": approvals.map_err(Error::Verification)?,
            "words": report::token_words(&request.token),
            "token": { "body": report::token(&request.token) },
        }
    }))
}
