//! `issue`: plan, lint, sign, distrust, record, and only then give the file its name.

use super::{Answer, Context};
use crate::{
    args::Issue,
    clock,
    cms::{self, sign_token},
    error::Error,
    files::NewFile,
    home::Home,
    keys::Signer,
    ledger::{Body, CustomerRow, Entry, Writing},
    limits::Limits,
    lint::{Circumstances, Finding, lint},
    plan::{Identity, IssuePlan},
    profile::Profile,
    random,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{
    Approval, Certificate, Demands, NO_LISTS, Octets, Reason, SignedObject, Time, Token, VerifiedToken, encode_object,
};
use der::Encode;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: Issue, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let asked = Asked::new(arguments, &home)?;
    if !asked.plan.dry_run {
        context.attempt("issue", &asked.plan.customer);
    }
    let mut ledger = home.ledger()?;

    // Everything but the signature, so that nobody types a secret in vain.
    let draft = asked.draft(&ledger.begin()?)?;
    if asked.plan.dry_run {
        return Ok(dry_run(&draft, asked.limits.officer()));
    }
    draft.without_approvals()?;
    let path = asked.plan.out.clone().unwrap_or_else(|| default_path(&draft.body, "token"));
    let file = NewFile::reserve(&path)?;
    let signer = home.signer(Role::TokenSigner, &mut context.keyring)?;

    // From here on nobody else writes to the ledger: revision and salt cannot change any more.
    let writing = ledger.begin()?;
    let draft = asked.draft(&writing)?;
    draft.without_approvals()?;
    let issuing = Issuing {
        body: &draft.body,
        approvals: &[],
        needed: 0,
        certificates: &asked.certificates,
        for_newer_verifier: asked.plan.for_newer_verifier,
    };
    issuing.issue(writing, &signer, file, &path, draft.findings)
}

/// What was asked for, with all that it is held against but the ledger.
pub(super) struct Asked {
    pub(super) plan: IssuePlan,
    pub(super) limits: Limits,
    certificates: Certificates,
    new: New,
}

/// What a token gets that the ledger does not know yet.
#[derive(Clone, Copy)]
pub(super) struct New {
    /// The id, unless it follows another one.
    pub(super) id: Octets<16>,
    /// The customer's salt, unless the customer has one.
    pub(super) salt: Octets<32>,
}

/// What the ledger knows of a token that is to be issued.
pub(super) struct Known {
    pub(super) customer: Option<CustomerRow>,
    /// The token that it follows.
    pub(super) earlier: Option<Entry>,
}

/// A token that may be signed, as far as lint and limits go.
pub(super) struct Draft {
    pub(super) body: Token,
    pub(super) findings: Vec<Finding>,
    /// How many persons have to approve it.
    pub(super) needed: u8,
}

impl Asked {
    pub(super) fn new(arguments: Issue, home: &Home) -> Result<Self, Error> {
        let now = clock::now()?;
        let certificates = Certificates::read(home)?;
        let limits = Limits::read(home.path())?;
        let profile = arguments.profile.as_deref().map_or_else(|| Ok(Profile::default()), Profile::read)?;
        let plan = IssuePlan::new(profile, arguments, limits.defaults(), now, &certificates.holder_root)?;
        let new = New { id: Octets(random::octets()?), salt: Octets(random::octets()?) };
        Ok(Self { plan, limits, certificates, new })
    }

    /// The token as the ledger has it now.
    pub(super) fn draft(&self, writing: &Writing<'_>) -> Result<Draft, Error> {
        self.certificates.check_signer(writing)?;
        let held_against = HeldAgainst {
            limits: &self.limits,
            certificates: &self.certificates,
            newest_list: writing.newest_token_list()?,
            approvals_demanded: writing.approvals_demanded()?,
        };
        Draft::new(&self.plan, Known::read(&self.plan, writing)?, self.new, &held_against)
    }
}

impl Known {
    pub(super) fn read(plan: &IssuePlan, writing: &Writing<'_>) -> Result<Self, Error> {
        let earlier = plan.supersedes.map(|id| writing.latest_token(&id.to_string())).transpose()?.flatten();
        Ok(Self { customer: writing.customer(&plan.customer)?, earlier })
    }
}

/// What each token is held against.
pub(super) struct HeldAgainst<'a> {
    pub(super) limits: &'a Limits,
    pub(super) certificates: &'a Certificates,
    /// The number of the newest token list.
    pub(super) newest_list: Option<u64>,
    /// How many approvals the anchors in force demand.
    pub(super) approvals_demanded: u8,
}

impl Draft {
    /// The body of a token, linted.
    pub(super) fn new(plan: &IssuePlan, known: Known, new: New, against: &HeldAgainst<'_>) -> Result<Self, Error> {
        let body = plan.body(&identify(plan, known, new)?);
        let HeldAgainst { limits, certificates, newest_list, approvals_demanded } = *against;
        let findings = check(&body, plan.for_newer_verifier, certificates, limits, newest_list, clock::now()?)?;
        let needed = plan.approvals.max(limits.approvals(&body)).max(approvals_demanded);
        Ok(Self { body, findings, needed })
    }

    pub(super) fn without_approvals(&self) -> Result<(), Error> {
        if self.needed == 0 { Ok(()) } else { Err(Error::NeedsApprovals(self.needed)) }
    }
}

/// A token that is to be signed and entered into the ledger.
pub(super) struct Issuing<'a> {
    pub(super) body: &'a Token,
    /// DER of the approvals, which verify.
    pub(super) approvals: &'a [Vec<u8>],
    /// How many persons have to have approved it.
    pub(super) needed: u8,
    pub(super) certificates: &'a Certificates,
    pub(super) for_newer_verifier: bool,
}

impl Issuing<'_> {
    /// Signs, distrusts, records, and only then gives the file its name.
    pub(super) fn issue(
        &self,
        writing: Writing<'_>,
        signer: &Signer,
        file: NewFile,
        path: &Path,
        findings: Vec<Finding>,
    ) -> Result<Answer, Error> {
        let now = clock::now()?;
        let object = self.sign(signer, now)?;
        let sequence = file.finish_after(encode_object(&object).as_bytes(), || {
            self.verify(&object)?;
            let sequence = self.record(&writing, &object, now)?;
            writing.commit()?;
            Ok(sequence)
        })?;
        answer(path, self.body, &object, sequence, findings)
    }

    /// Signs. The signature has been verified then, and the token says what was meant, by the signer's certificate and no
    /// other one but those across.
    pub(super) fn sign(&self, signer: &Signer, now: Time) -> Result<Vec<u8>, Error> {
        let object = sign_token(&self.body.to_der()?, self.approvals, signer, now)?;
        let parsed = SignedObject::from_der(&object).map_err(Error::Verification)?;
        let others = parsed.other_certificates();
        let across = signer.across().iter().all(|der| others.iter().any(|other| other.der() == der));
        let alone =
            parsed.signer().der() == self.certificates.token_signer && across && others.len() == signer.across().len();
        let carried = Approval::carried_by(&parsed).map_err(Error::Verification)?.len();
        let body = Token::from_der(parsed.content()).map_err(Error::Verification)?;
        if alone && body == *self.body && carried == self.approvals.len() {
            Ok(object)
        } else {
            Err(Error::NotWhatWasMeant)
        }
    }

    /// Distrusts what was signed: it must verify under the own anchor.
    pub(super) fn verify(&self, object: &[u8]) -> Result<(), Error> {
        let demands = Demands { inclusion_proof: false, approvals: self.needed };
        let anchors = cms::anchors(&self.certificates.anchors)?.demanding(demands);
        let parsed = SignedObject::from_der(object).map_err(Error::Verification)?;
        match VerifiedToken::verify(parsed, &anchors, &NO_LISTS) {
            Ok(_) => Ok(()),
            // These two come after path and signature, and were allowed on purpose.
            Err(Reason::NeedsNewerVerifier(_) | Reason::UnknownCriticalExtension(_)) if self.for_newer_verifier => {
                Ok(())
            }
            Err(reason) => Err(Error::Verification(reason)),
        }
    }

    fn record(&self, writing: &Writing<'_>, object: &[u8], now: Time) -> Result<i64, Error> {
        let body = self.body;
        for der in self.approvals {
            let approval = SignedObject::from_der(der).map_err(Error::Verification)?;
            let approver = approval.signer();
            writing.append(
                now,
                &Body::TokenApproved {
                    id: body.id.to_string(),
                    revision: body.revision,
                    approver: approver.subject_text(),
                    certificate: digest(approver.der()),
                    approval: to_hex(der),
                },
            )?;
        }
        let row = CustomerRow { name: body.customer.name.clone(), salt: body.binding.salt };
        writing.keep_customer(&body.customer.id, &row)?;
        writing.append(now, &self.entry(object.to_vec()))
    }

    /// The entry of the token.
    pub(super) fn entry(&self, object: Vec<u8>) -> Body {
        let body = self.body;
        Body::TokenIssued {
            id: body.id.to_string(),
            revision: body.revision,
            customer: body.customer.id.clone(),
            customer_name: body.customer.name.clone(),
            salt: body.binding.salt.to_string(),
            product: body.product.id.clone(),
            signer: digest(&self.certificates.token_signer),
            digest: digest(&object),
            token: object,
        }
    }
}

/// DER of the authority's certificates.
pub(super) struct Certificates {
    pub(super) anchors: Vec<Vec<u8>>,
    /// SubjectPublicKeyInfo of each of the anchors.
    anchor_keys: Vec<Vec<u8>>,
    /// SubjectPublicKeyInfo of each holder root.
    holder_root_keys: Vec<Vec<u8>>,
    pub(super) holder_root: Vec<u8>,
    token_signer: Vec<u8>,
}

impl Certificates {
    pub(super) fn read(home: &Home) -> Result<Self, Error> {
        let parse = |der: &Vec<u8>| Certificate::from_der(der).map(|parsed| parsed.spki().to_vec());
        let keys =
            |list: &[Vec<u8>]| list.iter().map(parse).collect::<Result<Vec<_>, _>>().map_err(|_| Error::KeyMismatch);
        let anchors = home.anchors()?;
        Ok(Self {
            anchor_keys: keys(&anchors)?,
            anchors,
            holder_root_keys: keys(&home.holder_roots()?)?,
            holder_root: home.certificate(Role::HolderRoot)?,
            token_signer: home.certificate(Role::TokenSigner)?,
        })
    }

    /// Refuses where the token signer in use is revoked.
    pub(super) fn check_signer(&self, writing: &Writing<'_>) -> Result<(), Error> {
        let revoked = writing.is_revoked(&digest(&self.token_signer))?;
        if revoked { Err(Error::SignerRevoked(Role::TokenSigner.slug())) } else { Ok(()) }
    }
}

/// Who the customer is and which token this is: from the ledger, or new.
fn identify(plan: &IssuePlan, known: Known, new: New) -> Result<Identity, Error> {
    let Known { customer: known, earlier } = known;
    let customer_name = plan
        .customer_name
        .clone()
        .or_else(|| known.as_ref().map(|row| row.name.clone()))
        .ok_or_else(|| Error::CustomerName(plan.customer.clone()))?;
    let salt = known.map_or(new.salt, |row| row.salt);
    let Some(id) = plan.supersedes else {
        return Ok(Identity { id: new.id, revision: 1, customer_name, salt });
    };
    let Some(Body::TokenIssued { revision, customer, product, .. }) = earlier.map(|entry| entry.body) else {
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
    for_newer_verifier: bool,
    certificates: &Certificates,
    limits: &Limits,
    newest_list: Option<u64>,
    now: Time,
) -> Result<Vec<Finding>, Error> {
    let mut findings = limits.findings(body);
    findings.extend(lint(
        body,
        &Circumstances {
            now,
            anchor_keys: &certificates.anchor_keys,
            holder_root_keys: &certificates.holder_root_keys,
            token_signer: &Certificate::from_der(&certificates.token_signer).map_err(|_| Error::KeyMismatch)?,
            newest_list,
            for_newer_verifier,
        },
    ));
    if findings.iter().any(Finding::is_error) { Err(Error::Lint(findings)) } else { Ok(findings) }
}

/// `<product>-<short id>.<kind>.pem`, with the version behind the id from the second on.
pub(super) fn default_path(body: &Token, kind: &str) -> PathBuf {
    let id = body.id.to_string();
    let version = if body.revision > 1 { format!("-{}", body.revision) } else { String::new() };
    PathBuf::from(format!("{}-{}{version}.{kind}.pem", body.product.id, &id[..8]))
}

pub(super) fn dry_run(draft: &Draft, officer: &str) -> Answer {
    let body = &draft.body;
    let words = countersign_report::token_words(body);
    let approvals = match draft.needed {
        0 => String::new(),
        needed => format!("\nIt needs the approval of {needed} persons: countersign-authority request make\n"),
    };
    let text = format!(
        "Would issue (nothing was signed or written):\n{}\nIn full:\n{}{approvals}",
        countersign_report::sentences(&words),
        countersign_report::render(&countersign_report::token_lines(body))
    );
    let json = json!({
        "dry_run": true,
        "officer": officer,
        "approvals_needed": draft.needed,
        "words": words,
        "token": { "body": countersign_report::token(body) },
    });
    Answer { text, json, warnings: draft.findings.clone() }
}

fn answer(path: &Path, body: &Token, object: &[u8], sequence: i64, warnings: Vec<Finding>) -> Result<Answer, Error> {
    let parsed = SignedObject::from_der(object).map_err(Error::Verification)?;
    let mut lines = countersign_report::token_lines(body);
    let approvals = Approval::carried_by(&parsed).map_err(Error::Verification)?;
    lines.extend(countersign_report::approver_lines(&approvals));
    let text =
        format!("Issued {} (entry {sequence} of the ledger):\n{}", path.display(), countersign_report::render(&lines));
    let json = json!({
        "token": {
            "file": path,
            "sha256": digest(object),
            "ledger_entry": sequence,
            "approvals": countersign_report::object(&parsed)["approvals"],
            "body": countersign_report::token(body),
        }
    });
    Ok(Answer { text, json, warnings })
}
