//! `verify`: an object in a file, by the anchors given and nothing else; the store is not touched.

use super::tokens::window;
use crate::{
    advice,
    context::{Context, certificates, clock, own_product, parse_anchors},
    error::{Error, Exit},
    files,
    output::{Page, Report},
    plan::Verify,
};
use countersign::{Product, Time};
use countersign_common::{
    Anchors, CLOCK_TOLERANCE, Certificate, Facts, Reason, SignedObject, VerifiedRecord, VerifiedToken,
    decode_certificates, decode_object, oid,
};
use countersign_pki::{Budget, PathRules, validate_path};
use countersign_report::{self as report, Line};
use serde_json::{Value, json};

/// What was found out about an object.
struct Finding {
    kind: &'static str,
    /// What the object says, whether it is true or not.
    lines: Vec<Line>,
    view: Value,
    /// Why it is refused.
    refusal: Option<Reason>,
    /// What else there is to know of an object that is valid.
    remarks: Vec<Line>,
}

pub(super) fn run(plan: &Verify, context: &Context<'_>) -> Result<Report, Error> {
    let roots = certificates(&plan.anchors)?;
    let anchors = parse_anchors(&roots)?;
    anchors.certificates()?;
    let content = files::read(&plan.file)?;
    let at = plan.at.map_or_else(clock, Ok)?;
    let findings = if let Some(certificates) = read_certificates(&content) {
        let certificates = certificates?;
        let parsed: Vec<_> = certificates.iter().map(|der| Certificate::from_der(der)).collect();
        parsed
            .iter()
            .map(|certificate| match certificate {
                Ok(certificate) => {
                    let others: Vec<_> = parsed.iter().flatten().cloned().collect();
                    judge_certificate(certificate, &others, &anchors, at)
                }
                Err(error) => Finding {
                    kind: "certificate",
                    lines: Vec::new(),
                    view: Value::Null,
                    refusal: Some(Reason::Signer(error.clone())),
                    remarks: Vec::new(),
                },
            })
            .collect()
    } else {
        let der = decode_object(&content)?;
        vec![judge_object(SignedObject::from_der(&der)?, &anchors, at, plan, context)]
    };
    let exit = findings.iter().fold(Exit::Done, |exit, finding| {
        exit.worse(finding.refusal.as_ref().map_or(Exit::Done, |reason| Error::Reason(reason.clone()).exit()))
    });
    Ok(Report::new(
        context.format,
        exit,
        || findings.iter().fold(Page::default(), |page, finding| page_of(page, finding, plan, at)),
        || {
            json!({
                "file": plan.file.to_string_lossy(),
                "at": at.to_string(),
                "objects": findings.iter().map(|finding| json!({
                    "type": finding.kind,
                    "valid": finding.refusal.is_none(),
                    "reason": finding.refusal.as_ref().map_or(Value::Null, report::reason),
                    "remarks": finding.remarks.iter()
                        .map(|(label, value)| json!({ "about": label, "says": value })).collect::<Value>(),
                    "object": finding.view,
                })).collect::<Value>(),
            })
        },
    ))
}

fn page_of(page: Page, finding: &Finding, plan: &Verify, at: Time) -> Page {
    let file = plan.file.display();
    let page = match &finding.refusal {
        None => page.line(&format!("{file}: a valid {}, judged at {at} (UTC)", finding.kind)),
        Some(reason) => page
            .line(&format!("{file}: a {} that is refused: {reason} [{}]", finding.kind, reason.code()))
            .next(advice::of(reason.code())),
    };
    page.lines(&[finding.lines.as_slice(), &finding.remarks].concat())
}

/// The certificates of a file that holds such; nothing where it holds an object of ours, or neither.
fn read_certificates(content: &[u8]) -> Option<Result<Vec<Vec<u8>>, Reason>> {
    if content.starts_with(b"-----BEGIN CERTIFICATE-----") {
        return Some(decode_certificates(content));
    }
    let is_certificate = content.first() == Some(&0x30) && Certificate::from_der(content).is_ok();
    is_certificate.then(|| Ok(vec![content.to_vec()]))
}

fn judge_object(
    object: SignedObject<'_>,
    anchors: &Anchors<'_>,
    at: Time,
    plan: &Verify,
    context: &Context<'_>,
) -> Finding {
    let is_token = object.content_type() == oid::CONTENT_TOKEN;
    let (lines, view) = (report::object_lines(&object), report::object(&object));
    let judged = if is_token {
        judge_token(object, anchors, at, plan, context)
    } else {
        judge_record(object, anchors, at, plan, context)
    };
    let kind = if is_token { "token" } else { "record" };
    match judged {
        Ok(remarks) => Finding { kind, lines, view, refusal: None, remarks },
        Err(reason) => Finding { kind, lines, view, refusal: Some(reason), remarks: Vec::new() },
    }
}

fn judge_token(
    object: SignedObject<'_>,
    anchors: &Anchors<'_>,
    at: Time,
    plan: &Verify,
    context: &Context<'_>,
) -> Result<Vec<Line>, Reason> {
    let token = VerifiedToken::verify(object, anchors)?;
    let product = wanted_product(&token, plan)?;
    let words = match window(&token, Some(at)) {
        "open" => "open",
        "closed" => "closed",
        _ => "not open yet",
    };
    let mut remarks = vec![("window", words.to_owned()), ("anchor", token.evidence().anchor)];
    if plan.machine_check {
        let machine = context.machine.facts();
        token.check_activation(&Facts {
            now: Some(at),
            newest_time_seen: None,
            product,
            machine: &machine,
            anchors,
        })?;
        remarks.push(("this machine", "may be activated with it".to_owned()));
    }
    Ok(remarks)
}

fn judge_record(
    object: SignedObject<'_>,
    anchors: &Anchors<'_>,
    at: Time,
    plan: &Verify,
    context: &Context<'_>,
) -> Result<Vec<Line>, Reason> {
    let record = VerifiedRecord::verify(object, anchors)?;
    let product = wanted_product(record.token(), plan)?;
    if let Some(valid_until) = record.valid_until().filter(|valid_until| at > *valid_until) {
        return Err(Reason::Expired { valid_until, now: at });
    }
    // As when a machine's clock lies behind what it knows to have passed.
    let passed = record.activated().max(record.token().issued());
    if at.plus(CLOCK_TOLERANCE) < passed {
        return Err(Reason::ClockBehind { now: at, floor: passed });
    }
    let end = record.valid_until().map_or_else(|| "without end".to_owned(), |end| end.to_string());
    let holder = record.holder();
    let mut remarks = vec![
        ("holder", format!("{} under {}", holder.subject, holder.anchor)),
        ("valid until", end),
        ("anchor", record.token().evidence().anchor),
    ];
    if plan.machine_check {
        let machine = context.machine.facts();
        let facts = Facts { now: Some(at), newest_time_seen: None, product, machine: &machine, anchors };
        let verdict = record.assess(&facts);
        if !verdict.state.is_activated() {
            return Err(verdict.reason);
        }
        remarks.push(("this machine", "activated by it".to_owned()));
    }
    Ok(remarks)
}

/// The product to judge by: the one that is asked for, which the token must name, else the token's own, in a version
/// that it covers.
fn wanted_product<'a>(token: &'a VerifiedToken<'_>, plan: &Verify) -> Result<Product<'a>, Reason> {
    let terms = &token.body().product;
    if plan.product.as_ref().is_some_and(|wanted| *wanted != terms.id) {
        return Err(Reason::OtherProduct { token: terms.id.clone() });
    }
    Ok(own_product(token))
}

fn judge_certificate(
    certificate: &Certificate<'_>,
    others: &[Certificate<'_>],
    anchors: &Anchors<'_>,
    at: Time,
) -> Finding {
    let roots = anchors.certificates().unwrap_or_default();
    let mut remarks = vec![("role", role(certificate).to_owned())];
    let refusal = if roots.iter().any(|root| root.der() == certificate.der()) {
        remarks.push(("anchor", "it is one of the anchors itself".to_owned()));
        None
    } else {
        match validate_path(certificate, others, roots, &PathRules::at(at), &mut Budget::default()) {
            Ok(path) => {
                remarks.push(("anchor", roots.get(path.anchor()).map(Certificate::subject_text).unwrap_or_default()));
                None
            }
            Err(error) => Some(Reason::Signer(error)),
        }
    };
    let (lines, view) = (report::certificate_lines(certificate), report::certificate(certificate));
    Finding { kind: "certificate", lines, view, refusal, remarks }
}

fn role(certificate: &Certificate<'_>) -> &'static str {
    let has = |usage| certificate.extended_key_usages().unwrap_or_default().contains(&usage);
    if certificate.is_ca() {
        "certificate authority"
    } else if has(oid::EKU_TOKEN_SIGNING) {
        "signs activation tokens"
    } else if has(oid::EKU_LIST_SIGNING) {
        "signs lists of revoked tokens"
    } else if has(oid::EKU_ANCHORS_SIGNING) {
        "signs updates of trust anchors"
    } else if has(oid::EKU_PIV_CARD_AUTH) {
        "card authentication, never a holder's"
    } else {
        "may be a holder's"
    }
}
