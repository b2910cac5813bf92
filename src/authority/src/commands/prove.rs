//! `ledger prove`: a token with the proof that it is in the ledger.

use super::{Answer, Context, tree::Head};
use crate::{
    cms::anchors,
    error::Error,
    files::{self, NewFile},
    home::Home,
    ledger::{Body, Ledger},
    words::to_hex,
};
use countersign_common::{
    Demands, InclusionProof, MAX_FILE_SIZE, NO_LISTS, Reason, SignedObject, Token, VerifiedToken, decode_object,
    encode_object, token::FORMAT_VERSION,
};
use countersign_report as report;
use der::{Encode, asn1::OctetStringRef};
use serde_json::json;
use std::path::Path;

pub(super) fn run(token: &str, out: &Path, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    let ledger = home.ledger()?;
    let token = Issued::find(token, &ledger)?;
    let file = NewFile::reserve(out)?;
    let proven = with_proofs(vec![token], &ledger, &home)?.pop().ok_or(Error::NotWhatWasMeant)?;
    file.finish(encode_object(&proven).as_bytes())?;
    let object = SignedObject::from_der(&proven).map_err(Error::Verification)?;
    let text = format!("Wrote {}:\n{}", out.display(), report::render(&report::object_lines(&object)));
    let json = json!({ "token": { "file": out, "object": report::object(&object) } });
    Ok(Answer { text, json, warnings: Vec::new() })
}

/// A token, and the entry that issued it.
pub(super) struct Issued {
    pub(super) entry: u64,
    pub(super) der: Vec<u8>,
}

impl Issued {
    /// By its file, or by what `ledger show` knows it by.
    fn find(token: &str, ledger: &Ledger) -> Result<Self, Error> {
        let path = Path::new(token);
        if path.is_file() {
            let refused = |reason| Error::Object { path: path.to_owned(), reason };
            let der = decode_object(&files::read(path, MAX_FILE_SIZE)?).map_err(refused)?.into_owned();
            return Self::of(der, ledger).map_err(|error| match error {
                Error::Verification(reason) => refused(reason),
                error => error,
            });
        }
        let entry = ledger.find(token)?;
        let Body::TokenIssued { token: der, .. } = entry.body else { return Err(Error::NoEntry(token.to_owned())) };
        Ok(Self { entry: entry.sequence.unsigned_abs(), der })
    }

    /// The entry that issued this very token.
    pub(super) fn of(der: Vec<u8>, ledger: &Ledger) -> Result<Self, Error> {
        let object = SignedObject::from_der(&der).map_err(Error::Verification)?;
        let body = Token::from_der(object.content()).map_err(Error::Verification)?;
        let entry = ledger.issued_as(&body.id.to_string(), &to_hex(&object.digest()))?;
        Ok(Self { entry, der })
    }
}

/// DER of the tokens, each with its proof under the last head that was signed.
pub(super) fn with_proofs(tokens: Vec<Issued>, ledger: &Ledger, home: &Home) -> Result<Vec<Vec<u8>>, Error> {
    let heads = Head::kept(ledger)?;
    let head = heads.last();
    let size = head.and_then(Head::parsed).map_or(0, |head| head.size);
    if let Some(token) = tokens.iter().find(|token| token.entry > size) {
        return Err(Error::NotSignedYet { entry: token.entry, size });
    }
    let Some(head) = head else { return Ok(Vec::new()) };
    let head = OctetStringRef::new(&head.object)?;
    let roots = home.token_roots()?;
    let anchors = anchors(&roots)?.demanding(Demands { inclusion_proof: true, approvals: 0 });
    let numbers: Vec<_> = tokens.iter().map(|token| token.entry).collect();
    let paths = ledger.paths(&numbers, size)?;
    let prove = |(token, (entry, path)): (&Issued, _)| {
        let proof = InclusionProof { version: FORMAT_VERSION, entry, path, head };
        let object = SignedObject::from_der(&token.der).map_err(Error::Verification)?;
        let proven = object.with_inclusion_proof(&proof.to_der()?).map_err(Error::Verification)?;
        let again = SignedObject::from_der(&proven).map_err(Error::Verification)?;
        match VerifiedToken::verify(again, &anchors, &NO_LISTS) {
            Ok(_) => {}
            // These come after the proof, and were allowed when the token was issued.
            Err(Reason::NeedsNewerVerifier(_) | Reason::UnknownCriticalExtension(_)) => {}
            Err(reason) => return Err(Error::Verification(reason)),
        }
        Ok(proven)
    };
    tokens.iter().zip(paths).map(prove).collect()
}
