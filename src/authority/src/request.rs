//! A request for a token: the token as it is to be signed, and the approvals that it has so far.

use crate::{error::Error, files};
use countersign_common::{Approval, MAX_APPROVALS, MAX_FILE_SIZE, Reason, SignedObject, Token, token::FORMAT_VERSION};
use der::{Decode, Document, Encode, Sequence, asn1::OctetString, pem::LineEnding};
use std::path::Path;

const LABEL: &str = "COUNTERSIGN TOKEN REQUEST";

/// ```text
/// TokenRequest ::= SEQUENCE {
///   version    INTEGER { v1(1) },
///   needed     INTEGER (0..8),                            -- how many approvals it takes
///   token      OCTET STRING,                              -- DER of the ActivationToken
///   approvals  SEQUENCE SIZE(0..8) OF OCTET STRING }      -- DER of each signed object
/// ```
#[derive(Sequence)]
struct TokenRequest {
    version: u8,
    needed: u8,
    token: OctetString,
    approvals: Vec<OctetString>,
}

/// A request that was read or made. Its approvals are of its token, and by distinct persons; whether these may approve
/// only the authority can tell.
#[derive(Debug)]
pub(crate) struct Request {
    /// How many approvals it takes, as far as the file says.
    pub(crate) needed: u8,
    /// DER of the token's body.
    pub(crate) body: Vec<u8>,
    /// The body, read.
    pub(crate) token: Token,
    /// DER of the approvals.
    pub(crate) approvals: Vec<Vec<u8>>,
}

impl Request {
    /// One that nobody has approved yet.
    pub(crate) fn new(token: Token, needed: u8) -> Result<Self, Error> {
        Ok(Self { needed, body: token.to_der()?, token, approvals: Vec::new() })
    }

    /// Reads a file, and accepts none that this program would not write.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refused = |fault: &str| Error::RequestFile { path: path.to_owned(), fault: fault.to_owned() };
        let text = files::read_text(path, MAX_FILE_SIZE)?;
        let (label, document) = Document::from_pem(&text).map_err(|_| refused("not one PEM block"))?;
        if label != LABEL {
            return Err(refused("a PEM block with another label"));
        }
        let read = TokenRequest::from_der(document.as_bytes()).map_err(|_| refused("not the DER of a request"))?;
        if read.version != FORMAT_VERSION {
            return Err(refused("of another version"));
        }
        if read.needed > MAX_APPROVALS || read.approvals.len() > usize::from(MAX_APPROVALS) {
            return Err(refused("more than 8 approvals"));
        }
        let body = read.token.as_bytes().to_vec();
        let object = |reason| Error::Object { path: path.to_owned(), reason };
        let token = Token::from_der(&body).map_err(object)?;
        let mut request = Self { needed: read.needed, body, token, approvals: Vec::new() };
        for approval in &read.approvals {
            if !request.add(approval.as_bytes()).map_err(object)? {
                return Err(refused("two approvals by one person"));
            }
        }
        if request.pem()? == text && request.token.to_der()? == request.body {
            Ok(request)
        } else {
            Err(refused("not as this program writes it"))
        }
    }

    /// Reads copies of one request, and puts their approvals together.
    pub(crate) fn read_all<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self, Error> {
        let mut all: Option<Self> = None;
        for path in paths {
            let refused = |fault: &str| Error::RequestFile { path: path.to_owned(), fault: fault.to_owned() };
            let next = Self::read(path)?;
            let Some(first) = &mut all else {
                all = Some(next);
                continue;
            };
            if first.body != next.body {
                return Err(refused("it asks for another token than the file before"));
            }
            for approval in &next.approvals {
                first.add(approval).map_err(|reason| Error::Object { path: path.to_owned(), reason })?;
            }
            if first.approvals.len() > usize::from(MAX_APPROVALS) {
                return Err(refused("more than 8 approvals with the files before"));
            }
        }
        all.ok_or_else(|| Error::Usage("no request is named".to_owned()))
    }

    /// Adds an approval of this token whose signature verifies; says no where the person has approved already.
    pub(crate) fn add(&mut self, der: &[u8]) -> Result<bool, Reason> {
        let object = SignedObject::from_der(der)?;
        let refused = |reason| Reason::Approval { approver: object.signer().subject_text(), reason: Box::new(reason) };
        if Approval::from_object(&object).map_err(refused)?.token != Approval::of(&self.body).token {
            return Err(refused(Reason::ApprovalOfAnother));
        }
        object.verify_signature(object.signing_time()).map_err(refused)?;
        let signer = object.signer();
        let new = !self.has_approved(signer.spki(), signer.subject())?;
        if new {
            self.approvals.push(der.to_vec());
        }
        Ok(new)
    }

    /// Whether somebody with this key or under this name has approved it.
    pub(crate) fn has_approved(&self, spki: &[u8], subject: &[u8]) -> Result<bool, Reason> {
        let objects = self.objects()?;
        Ok(objects.iter().any(|object| object.signer().spki() == spki || object.signer().subject() == subject))
    }

    /// The approvals.
    pub(crate) fn objects(&self) -> Result<Vec<SignedObject<'_>>, Reason> {
        self.approvals.iter().map(|der| SignedObject::from_der(der)).collect()
    }

    /// How many approvals are missing, as far as the file says.
    pub(crate) fn missing(&self) -> usize {
        usize::from(self.needed).saturating_sub(self.approvals.len())
    }

    /// The file.
    pub(crate) fn pem(&self) -> Result<String, Error> {
        let approvals = self.approvals.iter().map(|der| OctetString::new(der.as_slice()));
        let request = TokenRequest {
            version: FORMAT_VERSION,
            needed: self.needed,
            token: OctetString::new(self.body.as_slice())?,
            approvals: approvals.collect::<Result<_, _>>()?,
        };
        Ok(Document::encode_msg(&request)?.to_pem(LABEL, LineEnding::LF)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use countersign_testpki::{
        Cast,
        trust::{approval, approver},
    };

    /// What is said of a request with these approvals.
    fn read(needed: u8, approvals: &[Vec<u8>]) -> Result<Request, Error> {
        let body = Cast::new().token_body().to_der().unwrap();
        let approvals = approvals.iter().map(|der| OctetString::new(der.as_slice()).unwrap()).collect();
        let request =
            TokenRequest { version: FORMAT_VERSION, needed, token: OctetString::new(body).unwrap(), approvals };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("request.pem");
        let text = Document::encode_msg(&request).unwrap().to_pem(LABEL, LineEnding::LF).unwrap();
        std::fs::write(&path, text).unwrap();
        Request::read(&path)
    }

    #[test]
    fn a_request_is_held_to_its_limits() {
        let cast = Cast::new();
        let body = cast.token_body().to_der().unwrap();
        let by = |name: &str| approval(&approver(name, &cast.token_root), &body);
        let nine: Vec<_> = (1..=9).map(|number| by(&format!("Approver {number}"))).collect();
        assert_eq!(read(8, &nine[..8]).unwrap().missing(), 0);
        let refused = |needed, approvals: &[Vec<u8>]| read(needed, approvals).unwrap_err().to_string();
        assert!(refused(8, &nine).contains("more than 8 approvals"));
        assert!(refused(9, &nine[..1]).contains("more than 8 approvals"));
        assert!(refused(2, &[by("Ada"), by("Ada")]).contains("two approvals by one person"));
        // A token is no approval, nor is an approval of something else.
        let other = approval(&approver("Ada", &cast.token_root), b"another body");
        assert_eq!(read(2, &[other]).unwrap_err().code(), "CS-3014");
        assert_eq!(read(2, &[cast.token(|_| {})]).unwrap_err().code(), "CS-1005");
        let mut broken = by("Ada");
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(read(2, &[broken]).unwrap_err().code(), "CS-1104");
    }

    #[test]
    fn copies_together_have_no_more_approvals_than_a_token() {
        let cast = Cast::new();
        let body = cast.token_body().to_der().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = |names: core::ops::Range<u8>| {
            let mut request = Request::new(cast.token_body(), 2).unwrap();
            for name in names.clone() {
                let signer = approver(&format!("Approver {name}"), &cast.token_root);
                assert!(request.add(&approval(&signer, &body)).unwrap());
            }
            let path = folder.path().join(format!("{}.pem", names.start));
            std::fs::write(&path, request.pem().unwrap()).unwrap();
            path
        };
        let (five, three, four) = (copy(0..5), copy(5..8), copy(6..10));
        let all = |paths: [&Path; 2]| Request::read_all(paths).map(|request| request.approvals.len());
        assert_eq!(all([&five, &three]).unwrap(), 8);
        assert_eq!(all([&five, &five]).unwrap(), 5);
        assert!(all([&five, &four]).unwrap_err().to_string().contains("more than 8 approvals with the files before"));
    }
}
