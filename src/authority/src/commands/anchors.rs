//! `anchors`: updates of the token anchors, from the first signature to their adoption.

use super::{Answer, Context, own};
use crate::{
    args::{AnchorsSign, AnchorsUpdate as Update, Need},
    clock,
    cms::sign_object,
    error::Error,
    files::{self, NewFile},
    home::Home,
    ledger::Body,
    plan,
    register::Register,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{
    Anchors, Certificate, Demands, Digest32, GeneralizedTime, MAX_FILE_SIZE, Octets, Reason, SignedObject, Time,
    anchors_update::{AnchorEntry, AnchorsUpdate},
    decode_objects, encode_object, oid,
    token::FORMAT_VERSION,
};
use countersign_report as report;
use der::{Encode, asn1::OctetStringRef};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;

pub(super) fn update(arguments: &Update, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("anchors update", file_name(&arguments.out));
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    let plan = Plan::new(arguments, &home, &ledger.register()?)?;
    let file = NewFile::reserve(&arguments.out)?;
    let signer = home.signer(Role::AnchorsSigner, &mut context.keyring)?;

    // From here on nobody else writes to the ledger: the number cannot change any more.
    let writing = ledger.begin()?;
    if writing.is_revoked(&digest(signer.certificate()))? {
        return Err(Error::SignerRevoked(Role::AnchorsSigner.slug()));
    }
    let now = clock::now()?;
    let register = writing.register()?;
    let number = register.anchors_number + 1;
    let content = plan.body(number, now)?;
    let object = sign_object(oid::CONTENT_ANCHORS, &content, &signer, now)?;
    let signed = Signed::new(vec![object.clone()]).map_err(Error::Verification)?;
    if signed.content()? != content {
        return Err(Error::NotWhatWasMeant);
    }
    let missing = signed.missing(&register)?;
    let sequence = writing
        .append(now, &Body::AnchorsUpdateIssued { number, digest: digest(&content), object: to_hex(&object) })?;
    writing.commit()?;
    file.finish(encode_object(&object).as_bytes())?;
    let headline = format!("Made {} (entry {sequence} of the ledger):", arguments.out.display());
    signed.answer(&headline, &arguments.out, missing)
}

pub(super) fn sign(arguments: &AnchorsSign, context: &mut Context<'_>) -> Result<Answer, Error> {
    let path = &arguments.file;
    let mut signed = Signed::read(path)?;
    let certificate = own::certificate(&arguments.signer, oid::EKU_ANCHORS_SIGNING, "signing anchors updates")?;
    let parsed = Certificate::from_der(&certificate).map_err(|_| Error::KeyMismatch)?;
    if signed.signers()?.iter().any(|key| *key == key_digest(&parsed)) {
        return Err(Error::SignedAlready(parsed.subject_text()));
    }
    context.note(&report::render(&signed.lines()?));
    let signer = own::signer(&arguments.signer, &certificate, context)?;
    let object = sign_object(oid::CONTENT_ANCHORS, &signed.content()?, &signer, clock::now()?)?;
    signed.objects.push(object);
    let signed = Signed::new(signed.objects).map_err(Error::Verification)?;
    files::replace(path, signed.file().as_bytes())?;
    let text = format!("Signed {} as {}.\n", path.display(), report::visible(&parsed.subject_text()));
    Ok(Answer { text, json: signed.json(path)?, warnings: Vec::new() })
}

pub(super) fn show(path: &Path, context: &Context<'_>) -> Result<Answer, Error> {
    let register = Home::open(&context.global.home)?.ledger()?.register()?;
    let signed = Signed::read(path)?;
    let missing = signed.missing(&register)?;
    signed.answer(&format!("Anchors update {}:", path.display()), path, missing)
}

pub(super) fn adopt(path: &Path, context: &mut Context<'_>) -> Result<Answer, Error> {
    context.attempt("anchors adopt", file_name(path));
    let home = Home::open(&context.global.home)?;
    let signed = Signed::read(path)?;
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let register = writing.register()?;
    signed.follow(&register).map_err(|reason| Error::Object { path: path.to_owned(), reason })?;
    let content = signed.content()?;
    let body = AnchorsUpdate::from_der(&content).map_err(Error::Verification)?;
    let anchors: Vec<_> = body.anchors.iter().map(|anchor| anchor.certificate.as_bytes().to_vec()).collect();
    if !anchors.contains(&home.certificate(Role::TokenRoot)?) {
        return Err(Error::OwnRootMissing);
    }
    let now = clock::now()?;
    let sequence = writing.append(
        now,
        &Body::AnchorsAdopted {
            number: body.number,
            digest: digest(&content),
            objects: signed.objects.iter().map(|object| to_hex(object)).collect(),
        },
    )?;
    // Before the ledger says so: cut off between, the adoption is simply done again.
    home.replace_anchors(&anchors)?;
    writing.commit()?;
    let text = format!(
        "Adopted the update {} (entry {sequence} of the ledger); anchors.pem has its {} anchors.\n\
         next: build anchors.pem into new releases, and bring the update to the machines: countersign-authority bundle\n",
        body.number,
        anchors.len()
    );
    let mut json = signed.json(path)?;
    json["ledger_entry"] = json!(sequence);
    Ok(Answer { text, json, warnings: Vec::new() })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// An update that is to be made, but for its number and date.
struct Plan {
    anchors: Vec<(Vec<u8>, Option<Time>)>,
    signers: Vec<Digest32>,
    threshold: u8,
    demands: Demands,
}

impl Plan {
    /// The last update's anchors and the own roots, changed as was typed.
    fn new(arguments: &Update, home: &Home, register: &Register) -> Result<Self, Error> {
        let last = register.adopted.last().map(|der| SignedObject::from_der(der)).transpose();
        let last = last.map_err(Error::Verification)?;
        let last = last.as_ref().map(|object| AnchorsUpdate::from_der(object.content())).transpose();
        let last = last.map_err(Error::Verification)?;
        let mut anchors: Vec<_> = last
            .iter()
            .flat_map(|update| &update.anchors)
            .map(|anchor| (anchor.certificate.as_bytes().to_vec(), anchor.not_after.map(|end| end.0)))
            .collect();
        let added = arguments.add.iter().map(|path| plan::certificate(path)).collect::<Result<Vec<_>, _>>()?;
        let kept = home.anchors()?;
        // What another folder's update removed would come back.
        let own = |der: &Vec<u8>| register.of_role(Role::TokenRoot).any(|root| root.der == *der);
        if last.is_some() && kept.iter().any(|der| !own(der) && !anchors.iter().any(|(known, _)| known == der)) {
            return Err(Error::FolderBehind { path: home.anchors_file() });
        }
        for der in kept.into_iter().chain(added) {
            if !anchors.iter().any(|(known, _)| *known == der) {
                anchors.push((der, None));
            }
        }
        for retirement in &arguments.retire {
            let place = find(&anchors, &retirement.anchor)?;
            if let Some((_, end)) = anchors.get_mut(place) {
                *end = Some(retirement.end);
            }
        }
        for anchor in &arguments.remove {
            let place = find(&anchors, anchor)?;
            anchors.remove(place);
        }
        let own = home.certificate(Role::TokenRoot)?;
        if !anchors.iter().any(|(der, _)| *der == own) {
            return Err(Error::OwnRootMissing);
        }
        let mut signers = Vec::new();
        for path in &arguments.signer {
            let der = plan::certificate(path)?;
            signers.push(key_digest(&Certificate::from_der(&der).map_err(|_| Error::KeyMismatch)?));
        }
        if signers.is_empty() {
            signers = match &last {
                Some(update) => update.signers.clone(),
                None => {
                    let own = home.certificate(Role::AnchorsSigner)?;
                    vec![key_digest(&Certificate::from_der(&own).map_err(|_| Error::KeyMismatch)?)]
                }
            };
        }
        signers.sort_unstable();
        signers.dedup();
        let threshold = arguments.threshold.or(last.as_ref().map(|update| update.threshold)).unwrap_or(1);
        let before = last.as_ref().and_then(|update| update.demands).unwrap_or_default();
        let inclusion_proof = arguments.inclusion_proof.map_or(before.inclusion_proof, |need| need == Need::Required);
        let approvals = arguments.approvals.unwrap_or(before.approvals);
        let plan = Self { anchors, signers, threshold, demands: Demands { inclusion_proof, approvals } };
        // The limits of the format, before a secret is asked for.
        plan.body(register.anchors_number + 1, Time::from_unix(0))?;
        Ok(plan)
    }

    fn body(&self, number: u64, issued: Time) -> Result<Vec<u8>, Error> {
        let anchors = self.anchors.iter().map(|(der, end)| {
            Ok(AnchorEntry { certificate: OctetStringRef::new(der)?, not_after: end.map(GeneralizedTime) })
        });
        let body = AnchorsUpdate {
            version: FORMAT_VERSION,
            number,
            issued: GeneralizedTime(issued),
            anchors: anchors.collect::<Result<_, der::Error>>()?,
            signers: self.signers.clone(),
            threshold: self.threshold,
            extensions: None,
            demands: Some(self.demands).filter(|demands| *demands != Demands::default()),
        };
        body.check().map_err(|reason| Error::Usage(reason.to_string()))?;
        Ok(body.to_der()?)
    }
}

/// The place of the one anchor whose SHA-256 begins so.
fn find(anchors: &[(Vec<u8>, Option<Time>)], wanted: &str) -> Result<usize, Error> {
    let prefix = wanted.to_ascii_lowercase();
    let fits = |(_, (der, _)): &(usize, &(Vec<u8>, Option<Time>))| digest(der).starts_with(&prefix);
    let mut fitting = anchors.iter().enumerate().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(_), Some(_)) => Err(Error::Ambiguous(wanted.to_owned())),
        (Some((place, _)), None) if !wanted.is_empty() => Ok(place),
        _ => Err(Error::Usage(format!("no anchor has a SHA-256 that begins with {wanted:?}"))),
    }
}

/// SHA-256 of the SubjectPublicKeyInfo.
fn key_digest(certificate: &Certificate<'_>) -> Digest32 {
    Octets(Sha256::digest(certificate.spki()).into())
}

/// An update with its signatures, each of which verifies over the one body.
pub(super) struct Signed {
    pub(super) objects: Vec<Vec<u8>>,
}

impl Signed {
    /// Reads a file with one PEM block for each signature.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let refused = |reason| match reason {
            Reason::WrongObject { expected } if expected == DIFFERENT => Error::UpdatesDiffer(path.to_owned()),
            reason => Error::Object { path: path.to_owned(), reason },
        };
        let objects = decode_objects(&files::read(path, MAX_FILE_SIZE)?).map_err(refused)?;
        Self::new(objects).map_err(refused)
    }

    fn new(objects: Vec<Vec<u8>>) -> Result<Self, Reason> {
        let mut content: Option<Vec<u8>> = None;
        for der in &objects {
            let object = SignedObject::from_der(der)?;
            if object.content_type() != oid::CONTENT_ANCHORS {
                return Err(Reason::WrongObject { expected: "an anchors update" });
            }
            object.verify_signature(object.signing_time())?;
            AnchorsUpdate::from_der(object.content())?;
            if content.as_ref().is_some_and(|first| first != object.content()) {
                return Err(Reason::WrongObject { expected: DIFFERENT });
            }
            content.get_or_insert_with(|| object.content().to_vec());
        }
        Ok(Self { objects })
    }

    /// DER of the body.
    fn content(&self) -> Result<Vec<u8>, Error> {
        let first = self.objects.first().ok_or(Error::NotWhatWasMeant)?;
        Ok(SignedObject::from_der(first).map_err(Error::Verification)?.content().to_vec())
    }

    /// SHA-256 of the keys that have signed.
    fn signers(&self) -> Result<Vec<Digest32>, Error> {
        let signer = |der: &Vec<u8>| SignedObject::from_der(der).map(|object| key_digest(object.signer()));
        self.objects.iter().map(signer).collect::<Result<_, _>>().map_err(Error::Verification)
    }

    fn file(&self) -> String {
        self.objects.iter().map(|der| encode_object(der)).collect()
    }

    /// Whether a machine follows it that was built with the founding anchor and has followed all updates since.
    fn follow(&self, register: &Register) -> Result<(), Reason> {
        // The same update once more would be taken for further signatures over it.
        if let (Some(last), Some(first)) = (register.adopted.last(), self.objects.first()) {
            let (last, first) = (SignedObject::from_der(last)?, SignedObject::from_der(first)?);
            if last.content() == first.content() {
                let number = AnchorsUpdate::from_der(first.content())?.number;
                return Err(Reason::AnchorsNotNewer { number, current: number });
            }
        }
        let founding = register.of_role(Role::TokenRoot).next().map(|known| known.der.as_slice());
        let all = [&register.adopted[..], &self.objects].concat();
        Anchors::new(founding).map_err(Reason::Signer)?.follow(&all).map(|_| ())
    }

    /// What it lacks to be followed: further signatures. Anything else is an error.
    fn missing(&self, register: &Register) -> Result<Option<Reason>, Error> {
        match self.follow(register) {
            Ok(()) => Ok(None),
            // Adopted already, or overtaken.
            Err(reason @ (Reason::AnchorsThreshold { .. } | Reason::AnchorsNotNewer { .. })) => Ok(Some(reason)),
            Err(reason) => Err(Error::Verification(reason)),
        }
    }

    fn lines(&self) -> Result<Vec<report::Line>, Error> {
        let content = self.content()?;
        let mut lines = report::anchors_update_lines(&AnchorsUpdate::from_der(&content).map_err(Error::Verification)?);
        for der in &self.objects {
            let object = SignedObject::from_der(der).map_err(Error::Verification)?;
            lines.push(("signed by", format!("{}, {}", object.signer().subject_text(), object.signing_time())));
        }
        Ok(lines)
    }

    fn json(&self, path: &Path) -> Result<Value, Error> {
        let objects = self.objects.iter().map(|der| SignedObject::from_der(der).map(|object| report::object(&object)));
        let objects = objects.collect::<Result<Value, _>>().map_err(Error::Verification)?;
        Ok(json!({ "anchors_update": { "file": path, "signatures": objects } }))
    }

    fn answer(&self, headline: &str, path: &Path, missing: Option<Reason>) -> Result<Answer, Error> {
        let state = match &missing {
            None => "Enough have signed.\nnext: countersign-authority anchors adopt FILE\n".to_owned(),
            Some(reason @ Reason::AnchorsThreshold { .. }) => {
                format!(
                    "Not in force: {reason}.\nnext: countersign-authority anchors sign FILE --key … --certificate …\n"
                )
            }
            Some(reason) => format!("Not to be adopted: {reason}.\n"),
        };
        let text = format!("{headline}\n{}\n{state}", report::render(&self.lines()?));
        let mut json = self.json(path)?;
        json["anchors_update"]["complete"] = json!(missing.is_none());
        json["anchors_update"]["missing"] = missing.map_or(Value::Null, |reason| report::reason(&reason));
        Ok(Answer { text, json, warnings: Vec::new() })
    }
}

const DIFFERENT: &str = "signatures over one anchors update";
