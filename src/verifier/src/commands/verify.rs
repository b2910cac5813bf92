//! `verify`: an object in a file, by the anchors given and nothing else; the store is not touched.

use super::tokens::window;
use crate::{
    advice,
    brought::Brought,
    context::{Context, certificates, clock, own_product, parse_anchors},
    error::{Error, Exit},
    output::{Page, Report},
    plan::Verify,
    signers::check_list,
};
use countersign::{Machine, MachineFacts, Product, Time};
use countersign_common::{
    Anchors, Certificate, Facts, Lists, NO_LISTS, PathError, Reason, RevocationList, SignedObject, TreeHead,
    VerifiedRecord, VerifiedToken, VerifiedTokenList,
    bundle::{Bundle, PartKind},
    display_name, oid,
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

impl Finding {
    fn new(kind: &'static str, lines: Vec<Line>, view: Value, judged: Result<Vec<Line>, Reason>) -> Self {
        match judged {
            Ok(remarks) => Self { kind, lines, view, refusal: None, remarks },
            Err(reason) => Self { kind, lines, view, refusal: Some(reason), remarks: Vec::new() },
        }
    }
}

pub(super) fn run(plan: &Verify, context: &Context<'_>) -> Result<Report, Error> {
    let roots = certificates(&plan.anchors)?;
    let anchors = parse_anchors(&roots)?.demanding(plan.demands);
    anchors.certificates()?;
    let content = Brought::read(&plan.file)?;
    let at = plan.at.map_or_else(clock, Ok)?;
    let judge = Judge { anchors: &anchors, lists: &NO_LISTS, at, plan, machine: context.machine };
    let findings = match &content {
        Brought::Bundle(der) => judge.bundle(&Bundle::from_der(der)?),
        Brought::CertificateList(der) => vec![judge.certificate_list(der)],
        Brought::Certificates(ders) => judge.certificates(ders),
        Brought::Objects(ders) => match ders.as_slice() {
            [first, ..] => vec![judge.object(first, ders)?],
            [] => Vec::new(),
        },
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
                    "type": type_name(finding.kind),
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

fn article(kind: &str) -> String {
    if kind.starts_with('a') { format!("an {kind}") } else { format!("a {kind}") }
}

/// As JSON has it.
fn type_name(kind: &str) -> String {
    if kind == "certificate revocation list" { "certificate-list".to_owned() } else { kind.replace(' ', "-") }
}

fn page_of(page: Page, finding: &Finding, plan: &Verify, at: Time) -> Page {
    let file = plan.file.display();
    let page = match &finding.refusal {
        None => page.line(&format!("{file}: a valid {}, judged at {at} (UTC)", finding.kind)),
        Some(reason) => page
            .line(&format!("{file}: {} that is refused: {reason} [{}]", article(finding.kind), reason.code()))
            .next(advice::of(reason.code())),
    };
    page.lines(&[finding.lines.as_slice(), &finding.remarks].concat())
}

/// What everything in the file is judged by.
#[derive(Clone, Copy)]
struct Judge<'j> {
    anchors: &'j Anchors<'j>,
    /// Those of the bundle, where the object is part of one.
    lists: &'j Lists<'j>,
    at: Time,
    plan: &'j Verify,
    machine: &'j dyn Machine,
}

impl Judge<'_> {
    /// A signed object; of an anchors update all its signatures.
    fn object(&self, der: &[u8], signatures: &[Vec<u8>]) -> Result<Finding, Reason> {
        let object = SignedObject::from_der(der)?;
        let (lines, view) = (report::object_lines(&object), report::object(&object));
        let (kind, judged) = match object.content_type() {
            oid::CONTENT_ANCHORS => ("anchors update", self.anchors_update(signatures)),
            oid::CONTENT_TOKEN => ("token", self.token(object)),
            oid::CONTENT_TOKEN_LIST => ("token list", self.token_list(object)),
            oid::CONTENT_TREE_HEAD => {
                ("tree head", TreeHead::verify(&object, self.anchors, self.lists).map(|_| Vec::new()))
            }
            _ => ("record", self.record(object)),
        };
        Ok(Finding::new(kind, lines, view, judged))
    }

    fn token(&self, object: SignedObject<'_>) -> Result<Vec<Line>, Reason> {
        let token = VerifiedToken::verify(object, self.anchors, self.lists)?;
        let product = wanted_product(&token, self.plan)?;
        self.lists.check_token(&token, self.at)?;
        let words = match window(&token, Some(self.at)) {
            "open" => "open",
            "closed" => "closed",
            _ => "not open yet",
        };
        let mut remarks = vec![("window", words.to_owned()), ("anchor", token.evidence().anchor)];
        remarks.extend(self.ledger(&token));
        if self.plan.machine_check {
            let machine = self.machine.facts();
            token.check_activation(&self.facts(product, &machine))?;
            remarks.push(("this machine", "may be activated with it".to_owned()));
        }
        Ok(remarks)
    }

    /// Whether the ledger's proof holds that a token carries. Where none is demanded, a bad one takes nothing away.
    fn ledger(&self, token: &VerifiedToken<'_>) -> Option<Line> {
        let words = match token.ledger_place(self.anchors, self.lists).transpose()? {
            Ok(place) => format!("proven: entry {} of {}, signed {}", place.entry, place.size, place.signed),
            Err(reason) => format!("not proven: {reason} [{}]", reason.code()),
        };
        Some(("ledger", words))
    }

    fn record(&self, object: SignedObject<'_>) -> Result<Vec<Line>, Reason> {
        let record = VerifiedRecord::verify(object, self.anchors, self.lists)?;
        let product = wanted_product(record.token(), self.plan)?;
        record.check_time(Some(self.at), None)?;
        let end = record.valid_until().map_or_else(|| "without end".to_owned(), |end| end.to_string());
        let holder = record.holder();
        let mut remarks = vec![
            ("holder", format!("{} under {}", holder.subject, holder.anchor)),
            ("valid until", end),
            ("anchor", record.token().evidence().anchor),
        ];
        remarks.extend(self.ledger(record.token()));
        if self.plan.machine_check {
            let machine = self.machine.facts();
            let verdict = record.assess(&self.facts(product, &machine));
            if !verdict.state.is_activated() {
                return Err(verdict.reason);
            }
            remarks.push(("this machine", "activated by it".to_owned()));
        }
        Ok(remarks)
    }

    fn facts<'f>(&'f self, product: Product<'f>, machine: &'f MachineFacts) -> Facts<'f> {
        let (anchors, lists) = (self.anchors, self.lists);
        Facts { now: Some(self.at), newest_time_seen: None, product, machine, anchors, lists }
    }

    fn token_list(&self, object: SignedObject<'_>) -> Result<Vec<Line>, Reason> {
        let list = VerifiedTokenList::verify(object, self.anchors, self.lists.certificate_lists())?;
        Ok(vec![("due", due(list.body().next_update.0, self.at).to_owned())])
    }

    /// An update that may follow the anchors given.
    fn anchors_update(&self, signatures: &[Vec<u8>]) -> Result<Vec<Line>, Reason> {
        let after = self.anchors.clone().follow(signatures)?;
        let signers = signatures.iter().filter_map(|der| SignedObject::from_der(der).ok());
        let mut remarks: Vec<Line> = signers.map(|object| ("signed by", object.signer().subject_text())).collect();
        remarks.push(("after it", format!("{} anchors", after.certificates()?.len())));
        Ok(remarks)
    }

    /// By the anchors themselves: whoever else may sign lists, a path tells.
    fn certificate_list(&self, der: &[u8]) -> Finding {
        let lines = report::certificate_list_lines(der).unwrap_or_default();
        let view = report::certificate_list(der).unwrap_or(Value::Null);
        let refused = |kind, subject| Reason::List(PathError { kind, subject });
        let judged = || {
            let list = RevocationList::from_der(der).map_err(|kind| refused(kind, String::new()))?;
            let roots = self.anchors.certificates()?;
            check_list(&list, roots).map_err(|kind| refused(kind, display_name(list.issuer())))?;
            Ok(vec![("due", due(list.next_update(), self.at).to_owned())])
        };
        Finding::new("certificate revocation list", lines, view, judged())
    }

    fn certificates(&self, ders: &[Vec<u8>]) -> Vec<Finding> {
        let parsed: Vec<_> = ders.iter().map(|der| Certificate::from_der(der)).collect();
        let others: Vec<_> = parsed.iter().flatten().cloned().collect();
        let judged = parsed.iter().map(|certificate| match certificate {
            Ok(certificate) => judge_certificate(certificate, &others, self.anchors, self.at),
            Err(error) => Finding::new("certificate", Vec::new(), Value::Null, Err(Reason::Signer(error.clone()))),
        });
        judged.collect()
    }

    /// A bundle and then its parts: under the anchors after the updates in it, with the lists in it.
    fn bundle(&self, bundle: &Bundle<'_>) -> Vec<Finding> {
        let (lines, view) = (report::bundle_lines(bundle), report::bundle(bundle));
        let finding = |judged| Finding::new("bundle", lines.clone(), view.clone(), judged);
        let updates: Vec<Vec<u8>> = bundle.parts(PartKind::AnchorsUpdate).map(<[u8]>::to_vec).collect();
        let anchors = match self.anchors.clone().follow(&updates) {
            Ok(anchors) => anchors,
            Err(reason) => return vec![finding(Err(reason))],
        };
        let read = bundle.parts(PartKind::CertificateList).map(RevocationList::from_der);
        let certificate_lists: Vec<_> = match read.collect::<Result<_, _>>() {
            Ok(lists) => lists,
            Err(kind) => return vec![finding(Err(Reason::List(PathError { kind, subject: String::new() })))],
        };
        let token_lists = bundle
            .parts(PartKind::TokenList)
            .map(|der| VerifiedTokenList::verify(SignedObject::from_der(der)?, &anchors, &certificate_lists));
        let token_lists: Vec<_> = token_lists.filter_map(Result::ok).collect();
        let lists = Lists::new(token_lists, certificate_lists);
        let judge = Judge { anchors: &anchors, lists: &lists, at: self.at, plan: self.plan, machine: self.machine };
        let maker = || vec![("made by", bundle.object().signer().subject_text())];
        let mut findings = vec![finding(bundle.verify(&anchors, &lists).map(|()| maker()))];
        for kind in [PartKind::TokenList, PartKind::Token] {
            findings.extend(bundle.parts(kind).map(|der| {
                let unreadable = |reason| Finding::new(kind.name(), Vec::new(), Value::Null, Err(reason));
                judge.object(der, &[]).unwrap_or_else(unreadable)
            }));
        }
        findings
    }
}

fn due(next_update: Time, at: Time) -> &'static str {
    if next_update < at { "the next one is due" } else { "the next one is not due yet" }
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
    } else if has(oid::EKU_LEDGER_SIGNING) {
        "signs heads of the authority's ledger"
    } else if has(oid::EKU_TOKEN_APPROVAL) {
        "approves activation tokens"
    } else if has(oid::EKU_PIV_CARD_AUTH) {
        "card authentication, never a holder's"
    } else {
        "may be a holder's"
    }
}
