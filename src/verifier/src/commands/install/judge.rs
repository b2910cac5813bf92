//! Verifying what was brought, in the order in which one thing rests on another: anchors updates, certificates, lists,
//! manifests, tokens.

use super::{Did, Judgement, Outcome, Parcel, Part, Refusal, Step, TokenOutcome};
use crate::{
    context::{Objects, token_name},
    error::Error,
    signers::{Known, holder_anchors, list_signers, may_be_issuer},
};
use countersign::{StoredList, Time, TrustFiles};
use countersign_common::{
    Anchors, CLOCK_TOLERANCE, Certificate, Lists, NO_LISTS, Octets, Reason, SignedObject, VerifiedToken,
    anchors_update::AnchorsUpdate, bundle::PartKind, decode_certificates, encode_certificate, encode_object,
    token::Token,
};
use countersign_pki::{Budget, PathRules, validate_path};

/// What is on this machine.
pub(super) struct Machine<'m> {
    pub(super) files: &'m TrustFiles<'m>,
    pub(super) installed: &'m Objects,
    /// The records for the products of the tokens that were brought.
    pub(super) records: &'m Objects,
    /// PEM of the certificates between holders and their anchors.
    pub(super) certificates: &'m [Vec<u8>],
    pub(super) lists: &'m [StoredList],
    pub(super) now: Time,
}

impl Machine<'_> {
    /// Whether the certificate revocation list with a scope has its index.
    pub(super) fn is_indexed(&self, scope: [u8; 32]) -> bool {
        let name = StoredList::name_of_certificates(scope);
        self.lists.iter().any(|list| list.name == name && list.index.is_some())
    }
}

/// The work so far. The first stage in which something is refused is the last one: what comes after it rests on it.
pub(super) struct Work<'m> {
    pub(super) machine: &'m Machine<'m>,
    outcomes: Vec<Outcome>,
    pub(super) steps: Vec<Step>,
    newest: Option<Time>,
    refusals: Vec<Refusal>,
}

/// Judges all parts as one.
pub(super) fn judge(
    parts: &[Part<'_>],
    parcels: &[Parcel<'_>],
    machine: &Machine<'_>,
) -> Result<Judgement, Vec<Refusal>> {
    let whole = |error: Error| vec![Refusal { file: 0, error }];
    let mut work = Work { machine, outcomes: Vec::new(), steps: Vec::new(), newest: None, refusals: Vec::new() };
    let of = |kind| parts.iter().filter(move |part| part.kind == kind).collect::<Vec<_>>();

    let before = machine.files.anchors().map_err(|reason| whole(reason.into()))?;
    let updates = work.new_updates(&of(PartKind::AnchorsUpdate));
    work.stage()?;
    let anchors = work.follow(before, &updates);
    work.stage()?;

    let tokens = work.known_tokens(&of(PartKind::Token), &anchors);
    work.stage()?;
    let mut issuers: Vec<Vec<u8>> = Vec::new();
    for pem in machine.certificates {
        issuers.extend(decode_certificates(pem).map_err(|reason| whole(reason.into()))?);
    }
    let kept = issuers.len();
    issuers.extend(of(PartKind::Certificate).iter().map(|part| part.der.to_vec()));
    let holder_anchors = holder_anchors(&tokens, &issuers);
    work.certificates(&of(PartKind::Certificate), &issuers, kept, &holder_anchors, &anchors);
    work.stage()?;

    let signers = list_signers(&tokens, &anchors, &holder_anchors, &issuers);
    let mut certificate_lists = machine.files.certificate_lists().map_err(|reason| whole(reason.into()))?;
    work.certificate_lists(&of(PartKind::CertificateList), &mut certificate_lists, &signers);
    work.stage()?;
    let installed = machine.files.token_lists(&anchors, &certificate_lists);
    let mut token_lists = installed.map_err(|reason| whole(reason.into()))?;
    work.token_lists(&of(PartKind::TokenList), &mut token_lists, &anchors, &certificate_lists);
    work.stage()?;

    let lists = Lists::new(token_lists, certificate_lists);
    for Parcel { file, bundle } in parcels {
        let verified = bundle.verify(&anchors, &lists);
        work.refuse_if(*file, verified.map_err(Error::from));
    }
    work.stage()?;
    work.tokens(&of(PartKind::Token), &anchors, &lists);
    work.stage()?;
    if !work.steps.is_empty() {
        work.drop_expired_certificates(issuers.get(..kept).unwrap_or_default());
    }
    let revoked = revoked(machine, &anchors, &lists);
    Ok(Judgement { outcomes: work.outcomes, steps: work.steps, newest: work.newest, revoked })
}

/// An anchors update, given once for each signature.
struct Update {
    file: usize,
    number: u64,
    objects: Vec<Vec<u8>>,
}

impl Work<'_> {
    fn stage(&mut self) -> Result<(), Vec<Refusal>> {
        if self.refusals.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.refusals)) }
    }

    pub(super) fn refuse_if<T>(&mut self, file: usize, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.refusals.push(Refusal { file, error })).ok()
    }

    pub(super) fn outcome(&mut self, file: usize, kind: PartKind, did: Did, name: String) -> &mut Outcome {
        self.outcomes.push(Outcome { file, kind, did, name, token: None, list: None });
        let last = self.outcomes.len() - 1;
        &mut self.outcomes[last]
    }

    /// A date that verified has passed, unless the clock is behind it: then the clock is asked about first.
    pub(super) fn passed(&mut self, time: Time) {
        if time <= self.machine.now.plus(CLOCK_TOLERANCE) {
            self.newest = self.newest.max(Some(time));
        }
    }

    /// The updates that are not kept yet, by their numbers.
    fn new_updates(&mut self, parts: &[&Part<'_>]) -> Vec<Update> {
        let kept: Vec<_> = self.machine.files.updates().unwrap_or_default().iter().map(Vec::as_slice).collect();
        let kept: Vec<_> = kept.iter().filter_map(|der| SignedObject::from_der(der).ok()).collect();
        let mut updates: Vec<(Vec<u8>, Update)> = Vec::new();
        for part in parts {
            let file = part.file;
            let read = SignedObject::from_der(part.der).map_err(Error::from);
            let Some(object) = self.refuse_if(file, read) else { continue };
            let body = AnchorsUpdate::from_der(object.content()).map(|body| body.number);
            let Some(number) = self.refuse_if(file, body.map_err(Error::from)) else { continue };
            let name = format!("anchors update {number}");
            if kept.iter().any(|kept| kept.content() == object.content()) {
                let told = |other: &Outcome| other.file == file && other.name == name;
                if !self.outcomes.iter().any(told) {
                    self.outcome(file, PartKind::AnchorsUpdate, Did::Already, name);
                }
                continue;
            }
            match updates.iter_mut().find(|(content, _)| content == object.content()) {
                Some((_, update)) if !update.objects.iter().any(|der| der == part.der) => {
                    update.objects.push(part.der.to_vec());
                }
                Some(_) => {}
                None => {
                    let update = Update { file, number, objects: vec![part.der.to_vec()] };
                    updates.push((object.content().to_vec(), update));
                }
            }
        }
        let mut updates: Vec<_> = updates.into_iter().map(|(_, update)| update).collect();
        updates.sort_by_key(|update| update.number);
        updates
    }

    fn follow<'a>(&mut self, mut anchors: Anchors<'a>, updates: &'a [Update]) -> Anchors<'a> {
        for update in updates {
            let next = anchors.clone().follow(&update.objects).map_err(Error::from);
            let Some(next) = self.refuse_if(update.file, next) else { return anchors };
            let name = format!("anchors update {}", update.number);
            self.outcome(update.file, PartKind::AnchorsUpdate, Did::Installed, name);
            anchors = next;
        }
        if !updates.is_empty() {
            let kept = self.machine.files.updates().unwrap_or_default();
            let chain = kept.iter().chain(updates.iter().flat_map(|update| &update.objects));
            self.steps.push(Step::AnchorsUpdates(chain.map(|der| encode_object(der)).collect()));
        }
        anchors
    }

    /// The tokens that were brought and those that are installed, whether they are revoked or not.
    fn known_tokens(&mut self, parts: &[&Part<'_>], anchors: &Anchors<'_>) -> Vec<Known> {
        let mut known: Vec<Known> = Vec::new();
        for token in self.machine.installed.tokens_under(anchors, &NO_LISTS).into_iter().flatten() {
            known.push(Known::new(&token));
        }
        for part in parts {
            let verified =
                SignedObject::from_der(part.der).and_then(|it| VerifiedToken::verify(it, anchors, &NO_LISTS));
            let verified = self.refuse_if(part.file, verified.map_err(Error::from));
            known.extend(verified.iter().map(Known::new));
        }
        known
    }

    fn certificates(
        &mut self,
        parts: &[&Part<'_>],
        issuers: &[Vec<u8>],
        kept: usize,
        holder_anchors: &[Vec<u8>],
        anchors: &Anchors<'_>,
    ) {
        let all: Vec<_> = issuers.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        let roots: Vec<_> = holder_anchors.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        for (place, part) in parts.iter().enumerate() {
            let read = Certificate::from_der(part.der).map_err(|error| Reason::Holder(error).into());
            let Some(certificate) = self.refuse_if(part.file, read) else { continue };
            let name = format!("certificate of {}", certificate.subject_text());
            let here = issuers.get(..kept + place).unwrap_or_default().iter().any(|der| der == part.der);
            let token_anchors = anchors.certificates().unwrap_or_default();
            let is_anchor = token_anchors.iter().chain(&roots).any(|root| root.der() == part.der);
            if here || is_anchor && !part.bundled {
                self.outcome(part.file, PartKind::Certificate, Did::Already, name);
                continue;
            }
            let may = may_be_issuer(&certificate, anchors).and_then(|()| {
                if part.bundled {
                    return Ok(());
                }
                let rules = PathRules::at(self.machine.now);
                let path = validate_path(&certificate, &all, &roots, &rules, &mut Budget::default());
                path.map(drop).map_err(Reason::Holder)
            });
            if self.refuse_if(part.file, may.map_err(Error::from)).is_some() {
                self.outcome(part.file, PartKind::Certificate, Did::Installed, name);
                let digest = Octets(certificate.digest());
                self.steps.push(Step::Certificate(digest, encode_certificate(part.der)));
            }
        }
    }

    fn tokens(&mut self, parts: &[&Part<'_>], anchors: &Anchors<'_>, lists: &Lists<'_>) {
        let now = self.machine.now;
        let mut seen = Vec::new();
        for token in self.machine.installed.tokens_under(anchors, lists).into_iter().flatten() {
            seen.push(Seen::new(&token, true));
        }
        // A token that was removed must not make room for an older one.
        for record in self.machine.records.records_under(anchors, lists).into_iter().flatten() {
            seen.push(Seen::new(record.token(), false));
        }
        let mut brought = Vec::new();
        for part in parts {
            let verified = SignedObject::from_der(part.der)
                .and_then(|object| VerifiedToken::verify(object, anchors, lists))
                .and_then(|token| lists.check_token(&token, now).map(|()| token));
            brought.extend(self.refuse_if(part.file, verified.map_err(Error::from)).map(|token| (*part, token)));
        }
        brought.sort_by_key(|(_, token)| token.body().revision);
        for (part, token) in brought {
            let did = newer_than_seen(&token, &seen);
            let Some(did) = self.refuse_if(part.file, did) else { continue };
            let body = token.body();
            seen.push(Seen::new(&token, true));
            if !matches!(did, Did::Already) {
                self.steps.push(Step::Token(body.id, encode_object(part.der)));
            }
            let told = TokenOutcome {
                id: body.id,
                revision: body.revision,
                product: body.product.id.clone(),
                window: window(body, now),
            };
            self.outcome(part.file, part.kind, did, format!("token {}", token_name(&token))).token = Some(told);
            self.passed(token.issued());
        }
    }

    /// Expired certificates serve no activation, and there is room for so many only.
    fn drop_expired_certificates(&mut self, installed: &[Vec<u8>]) {
        for certificate in installed.iter().filter_map(|der| Certificate::from_der(der).ok()) {
            if certificate.not_after() < self.machine.now {
                self.steps.push(Step::RemoveCertificate(Octets(certificate.digest())));
            }
        }
    }
}

/// A token that is here.
struct Seen {
    id: Octets<16>,
    revision: u32,
    digest: [u8; 32],
    proven: bool,
    /// Or else within a record.
    installed: bool,
}

impl Seen {
    fn new(token: &VerifiedToken<'_>, installed: bool) -> Self {
        let (body, object) = (token.body(), token.object());
        let proven = object.inclusion_proof().is_some();
        Self { id: body.id, revision: body.revision, digest: object.digest(), proven, installed }
    }
}

fn newer_than_seen(token: &VerifiedToken<'_>, seen: &[Seen]) -> Result<Did, Error> {
    let (body, id) = (token.body(), token.body().id.to_string());
    let brings_proof = token.object().inclusion_proof().is_some();
    let mut did = Did::Installed;
    for earlier in seen.iter().filter(|earlier| earlier.id == body.id) {
        let revision = earlier.revision;
        if revision > body.revision {
            return Err(Error::OlderRevision { id, revision: body.revision, installed: revision });
        }
        if revision == body.revision && earlier.digest != token.object().digest() {
            return Err(Error::OtherContent { id, revision });
        }
        if earlier.installed {
            let same = revision == body.revision && (earlier.proven || !brings_proof);
            did = if same { Did::Already } else { Did::Replaced(revision.to_string()) };
        }
    }
    Ok(did)
}

fn window(body: &Token, now: Time) -> Option<String> {
    let window = body.window;
    if now > window.not_after.0 {
        Some(format!("its window closed {}", window.not_after.0))
    } else if now < window.not_before.0 {
        Some(format!("its window opens {}", window.not_before.0))
    } else {
        None
    }
}

/// The installed tokens under which nothing can be activated any more, because the lists say so.
fn revoked(machine: &Machine<'_>, anchors: &Anchors<'_>, lists: &Lists<'_>) -> Vec<(String, Reason)> {
    let mut revoked = Vec::new();
    for token in machine.installed.tokens_under(anchors, &NO_LISTS).into_iter().flatten() {
        let judged = VerifiedToken::verify(token.object().clone(), anchors, lists);
        if let Err(reason) = judged.and_then(|judged| lists.check_token(&judged, machine.now)) {
            revoked.push((token_name(&token), reason));
        }
    }
    revoked
}
