//! `ledger verify` and `ledger sign`: the tree over the ledger's entries, and its signed heads.

use super::{Answer, Context};
use crate::{
    clock,
    cms::{anchors, sign_object},
    error::Error,
    files::{self, NewFile},
    home::Home,
    ledger::{Audit, Ledger},
    role::Role,
    words::digest,
};
use countersign_common::{
    Anchors, GeneralizedTime, MAX_FILE_SIZE, NO_LISTS, Reason, SignedObject, TreeHead, decode_object, encode_object,
    oid, token::FORMAT_VERSION,
};
use countersign_report as report;
use der::Encode;
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) fn verify(head: Option<&Path>, context: &mut Context<'_>) -> Result<Answer, Error> {
    // Not Home::open: that asks the ledger, which may be wrong, and would be at a loss where this names the row.
    let ledger = Home::ledger_alone(&context.global.home)?;
    let mut heads = Head::kept(&ledger)?;
    let kept = heads.len();
    if let Some(path) = head {
        heads.push(Head::from_file(path)?);
    }
    let audit = check(&ledger, &heads, context)?;
    let signed = heads.iter().take(kept).filter_map(Head::parsed).map(|head| head.size).max();
    let mut lines = vec![
        ("ledger", audit.log.to_string()),
        ("size", audit.size.to_string()),
        ("root", audit.root.to_string()),
        ("heads", kept.to_string()),
    ];
    let unsigned = audit.size - signed.unwrap_or(0).min(audit.size);
    if let Some(path) = head {
        lines.push(("continues", path.display().to_string()));
    }
    lines.push(("not signed", format!("{unsigned} entries since the last head")));
    let text = format!("The ledger is as it was written:\n{}", report::render(&lines));
    let json = json!({
        "ledger": {
            "log": audit.log.to_string(),
            "size": audit.size,
            "root": audit.root.to_string(),
            "heads": kept,
            "unsigned": unsigned,
            "continues": head,
        }
    });
    Ok(Answer { text, json, warnings: Vec::new() })
}

pub(super) fn sign(out: &Path, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    let file = NewFile::reserve(out)?;
    let certificate = home.certificate(Role::LedgerSigner)?;
    if ledger.begin()?.is_revoked(&digest(&certificate))? {
        return Err(Error::SignerRevoked(Role::LedgerSigner.slug()));
    }
    let heads = Head::kept(&ledger)?;
    let audit = check(&ledger, &heads, context)?;
    let signer = home.signer(Role::LedgerSigner, &mut context.keyring)?;

    // Entries that were made meanwhile are for the next head.
    let now = clock::now()?;
    let head = TreeHead {
        version: FORMAT_VERSION,
        log: audit.log,
        size: audit.size,
        time: GeneralizedTime(now),
        root: audit.root,
        extensions: None,
    };
    let object = sign_object(oid::CONTENT_TREE_HEAD, &head.to_der()?, &signer, now)?;
    let roots = home.token_roots()?;
    let verified = verified(&object, &anchors(&roots)?).map_err(Error::Verification)?;
    if verified != head {
        return Err(Error::NotWhatWasMeant);
    }
    let writing = ledger.begin()?;
    let number = writing.keep_tree_head(&object)?;
    writing.commit()?;
    file.finish(encode_object(&object).as_bytes())?;
    let text = format!(
        "Signed the tree head {number}, {}:\n{}\nnext: give it to somebody who cannot write to this folder, to hold \
         the ledger against it later\n",
        out.display(),
        report::render(&report::tree_head_lines(&head))
    );
    let json = json!({ "tree_head": { "file": out, "number": number, "body": report::tree_head(&head) } });
    Ok(Answer { text, json, warnings: Vec::new() })
}

/// A tree head as it was found, and where.
pub(super) struct Head {
    place: Place,
    pub(super) object: Vec<u8>,
}

enum Place {
    File(PathBuf),
    Ledger { number: usize },
}

impl Head {
    /// Those that the ledger keeps.
    pub(super) fn kept(ledger: &Ledger) -> Result<Vec<Self>, Error> {
        let heads = (1..).zip(ledger.tree_heads()?);
        Ok(heads.map(|(number, object)| Self { place: Place::Ledger { number }, object }).collect())
    }

    fn from_file(path: &Path) -> Result<Self, Error> {
        let file = files::read(path, MAX_FILE_SIZE)?;
        let object = decode_object(&file).map_err(|reason| Error::Object { path: path.to_owned(), reason })?;
        Ok(Self { place: Place::File(path.to_owned()), object: object.into_owned() })
    }

    /// What it says, whoever signed it.
    pub(super) fn parsed(&self) -> Option<TreeHead> {
        TreeHead::from_object(&SignedObject::from_der(&self.object).ok()?).ok()
    }

    fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Ledger { number } => format!("tree head {number}"),
        }
    }

    fn refused(&self, reason: Reason) -> Error {
        match &self.place {
            Place::File(path) => Error::Object { path: path.clone(), reason },
            Place::Ledger { number } => Error::KeptHead { number: *number, reason },
        }
    }

    /// Whether the ledger holds what was signed, and perhaps more.
    fn compare(&self, head: &TreeHead, audit: &Audit) -> Result<(), Error> {
        let differs = |fault| Err(Error::NotTheSignedTree { head: self.name(), fault });
        if head.log != audit.log {
            return differs("that one was signed over another ledger".to_owned());
        }
        match audit.earlier.get(&head.size) {
            None => differs(format!("{} entries were signed, and {} are left", head.size, audit.size)),
            Some(root) if *root != head.root => {
                differs(format!("an entry up to number {} is not the one that was signed", head.size))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Checks a ledger that came from a backup, and holds it against a head that was kept elsewhere. By how many entries it falls
/// short of that is returned as well: of those beyond its end nothing can be said.
pub(super) fn check_restored(
    home: &Path,
    head: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<(Audit, u64), Error> {
    let ledger = Home::ledger_alone(home)?;
    let mut heads = Head::kept(&ledger)?;
    heads.extend(head.map(Head::from_file).transpose()?);
    let sizes = heads.iter().filter_map(Head::parsed).map(|head| head.size).collect();
    let audit = ledger.audit(&sizes, &mut |size| context.note(&format!("{size} entries …")))?;
    let roots = Home::open(home)?.token_roots()?;
    let anchors = anchors(&roots)?;
    let mut shorter_by = 0;
    for head in heads {
        let outside = matches!(head.place, Place::File(_));
        let verified = verified(&head.object, &anchors).map_err(|reason| head.refused(reason))?;
        if outside && verified.log == audit.log && verified.size > audit.size {
            shorter_by = verified.size - audit.size;
        } else {
            head.compare(&verified, &audit)?;
        }
    }
    Ok((audit, shorter_by))
}

/// Checks all rows, then the signature of each head, then that the ledger continues each.
fn check(ledger: &Ledger, heads: &[Head], context: &mut Context<'_>) -> Result<Audit, Error> {
    let sizes = heads.iter().filter_map(Head::parsed).map(|head| head.size).collect();
    context.note("Reading the entries …");
    let audit = ledger.audit(&sizes, &mut |size| context.note(&format!("{size} entries …")))?;
    let roots = Home::open(&context.global.home)?.token_roots()?;
    let anchors = anchors(&roots)?;
    for head in heads {
        let verified = verified(&head.object, &anchors).map_err(|reason| head.refused(reason))?;
        head.compare(&verified, &audit)?;
    }
    Ok(audit)
}

fn verified(object: &[u8], anchors: &Anchors<'_>) -> Result<TreeHead, Reason> {
    TreeHead::verify(&SignedObject::from_der(object)?, anchors, &NO_LISTS)
}
