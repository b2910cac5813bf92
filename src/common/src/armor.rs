//! PEM (RFC 7468), read strictly: one spelling for each object.

use crate::reason::Reason;
use countersign_pki::MAX_LIST_SIZE;
use pem::{EncodeConfig, LineEnding, Pem};
use std::borrow::Cow;

/// The largest object, in octets of DER.
pub const MAX_OBJECT_SIZE: usize = 1024 * 1024;
/// The largest token, in octets of DER: a record holds one beside its own signature and certificates.
pub const MAX_TOKEN_SIZE: usize = MAX_OBJECT_SIZE - 128 * 1024;
/// The largest file that is read: an object in PEM, or a handful of certificates.
pub const MAX_FILE_SIZE: usize = 1536 * 1024;
/// The most certificates in one file.
const MAX_CERTIFICATES: usize = 32;

/// The label of tokens and records, the one that CMS tools expect.
const CMS_LABEL: &str = "CMS";
/// The label of certificates.
const CERTIFICATE_LABEL: &str = "CERTIFICATE";
/// The label of certificate revocation lists (RFC 7468 7).
const CERTIFICATE_LIST_LABEL: &str = "X509 CRL";

/// The DER of a token or record that came as PEM or DER.
///
/// PEM is one `CMS` block of canonical base64 in lines of 64, with `\n` or `\r\n` throughout, and nothing around it.
pub fn decode_object(file: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    if file.len() > MAX_FILE_SIZE {
        return Err(Reason::TooLarge { limit: MAX_FILE_SIZE });
    }
    // A SEQUENCE: every object of ours in DER begins so, and no PEM text does.
    let der = if file.first() == Some(&0x30) {
        Cow::Borrowed(file)
    } else {
        let mut blocks = decode(file, CMS_LABEL)?;
        match (blocks.pop(), blocks.is_empty()) {
            (Some(der), true) => Cow::Owned(der),
            _ => return Err(Reason::NotPem("expected one CMS block")),
        }
    };
    if der.len() > MAX_OBJECT_SIZE { Err(Reason::TooLarge { limit: MAX_OBJECT_SIZE }) } else { Ok(der) }
}

/// The DER of each object in a file: one in DER, or PEM blocks one after the other, each as [`decode_object`] reads one.
/// So is an update of trust anchors given, one block a signature.
pub fn decode_objects(file: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    if file.len() > MAX_FILE_SIZE {
        return Err(Reason::TooLarge { limit: MAX_FILE_SIZE });
    }
    let objects = if file.first() == Some(&0x30) { vec![file.to_vec()] } else { decode(file, CMS_LABEL)? };
    let too_large = objects.iter().any(|der| der.len() > MAX_OBJECT_SIZE);
    if too_large { Err(Reason::TooLarge { limit: MAX_OBJECT_SIZE }) } else { Ok(objects) }
}

/// The DER of a certificate revocation list that came as PEM or DER, at most 64 MiB of it.
pub fn decode_certificate_list(file: &[u8]) -> Result<Cow<'_, [u8]>, Reason> {
    // Base64 and its line breaks make a third more, and a little.
    const LIMIT: usize = MAX_LIST_SIZE / 8 * 11;
    if file.len() > LIMIT {
        return Err(Reason::TooLarge { limit: LIMIT });
    }
    let der = if file.first() == Some(&0x30) {
        Cow::Borrowed(file)
    } else {
        let mut blocks = decode(file, CERTIFICATE_LIST_LABEL)?;
        match (blocks.pop(), blocks.is_empty()) {
            (Some(der), true) => Cow::Owned(der),
            _ => return Err(Reason::NotPem("expected one X509 CRL block")),
        }
    };
    if der.len() > MAX_LIST_SIZE { Err(Reason::TooLarge { limit: MAX_LIST_SIZE }) } else { Ok(der) }
}

/// PEM of a token or record.
pub fn encode_object(der: &[u8]) -> String {
    encode(CMS_LABEL, der)
}

/// The DER of each certificate in a PEM file, or of the one in a DER file.
///
/// Text outside the blocks is refused here as well: a comment that says other than the certificate misleads. The last
/// line break may be missing, as it is after a shell's `$(cat file)`.
pub fn decode_certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, Reason> {
    if file.len() > MAX_FILE_SIZE {
        return Err(Reason::TooLarge { limit: MAX_FILE_SIZE });
    }
    if file.first() == Some(&0x30) {
        return Ok(vec![file.to_vec()]);
    }
    let blocks = if file.ends_with(b"\n") {
        decode(file, CERTIFICATE_LABEL)?
    } else {
        decode(&[file, b"\n"].concat(), CERTIFICATE_LABEL)?
    };
    if blocks.len() > MAX_CERTIFICATES { Err(Reason::NotPem("more than 32 certificates")) } else { Ok(blocks) }
}

/// PEM of a certificate.
pub fn encode_certificate(der: &[u8]) -> String {
    encode(CERTIFICATE_LABEL, der)
}

fn encode(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

fn decode(file: &[u8], label: &str) -> Result<Vec<Vec<u8>>, Reason> {
    let blocks = pem::parse_many(file).map_err(|_| Reason::NotPem("not PEM text"))?;
    if blocks.is_empty() {
        return Err(Reason::NotPem("no PEM block"));
    }
    if blocks.iter().any(|block| block.tag() != label) {
        return Err(Reason::NotPem("a block with another label"));
    }
    // What encodes to the same octets has no second spelling: no headers, no other base64, nothing outside.
    let same = |ending| {
        let config = EncodeConfig::new().set_line_ending(ending);
        let mut rest = Some(file);
        for block in &blocks {
            let text = pem::encode_config(&Pem::new(label, block.contents()), config);
            rest = rest.and_then(|rest| rest.strip_prefix(text.as_bytes()));
        }
        rest.is_some_and(<[u8]>::is_empty)
    };
    if !same(LineEnding::LF) && !same(LineEnding::CRLF) {
        return Err(Reason::NotPem("not in canonical form: base64 in lines of 64, nothing outside the blocks"));
    }
    Ok(blocks.into_iter().map(Pem::into_contents).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let text = encode_object(&[0x30; 100]);
        assert_eq!(decode_object(text.as_bytes()).unwrap(), &[0x30; 100][..]);
        assert_eq!(decode_object(text.replace('\n', "\r\n").as_bytes()).unwrap(), &[0x30; 100][..]);
        let bad = [
            String::new(),
            "x".to_owned(),
            format!("a comment\n{text}"),
            format!("{text}trailing"),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            text.replacen('\n', "\r\n", 1),
            text.replacen('\n', "\nKey: value\n\n", 1),
            text.replace("CMS", "PKCS7"),
            text.replace("MDAw", "MDAw "),
            text.repeat(2),
            text.replace("\nMDAw", "\n\nMDAw"),
        ];
        for text in bad {
            assert!(matches!(decode_object(text.as_bytes()), Err(Reason::NotPem(_))), "{text}");
        }
        // 100 octets leave 4 unused bits in the last base64 digit: only zero ones are canonical.
        let last = text.rfind("MA==").unwrap();
        let mut other = text.clone();
        other.replace_range(last..last + 2, "MB");
        assert!(decode_object(other.as_bytes()).is_err());
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            assert!(decode_object(&changed).ok().as_deref() != Some(&[0x30; 100][..]), "octet {at}");
        }
    }

    #[test]
    fn several_objects_are_read_as_strictly_as_one() {
        let (one, two) = (encode_object(&[0x30; 100]), encode_object(&[0x31; 60]));
        let both = one.clone() + &two;
        assert_eq!(decode_objects(both.as_bytes()).unwrap(), [vec![0x30; 100], vec![0x31; 60]]);
        assert_eq!(decode_objects(&[0x30; 20]).unwrap(), [vec![0x30; 20]]);
        for text in [String::new(), format!("{one}\n{two}"), format!("{one}x\n{two}"), format!("{both}x")] {
            assert!(decode_objects(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn each_limit_is_the_largest_size_that_is_read() {
        const LIST_FILE: usize = MAX_LIST_SIZE / 8 * 11;
        let too_large = |limit| Some(Reason::TooLarge { limit });
        let object = |size| decode_object(&vec![0x30; size]).err();
        let objects = |size| decode_objects(&vec![0x30; size]).err();
        let certificates = |size| decode_certificates(&vec![0x30; size]).err();
        let list = |size| decode_certificate_list(&vec![0x30; size]).err();
        for more in [1, 2] {
            for read in [object, objects] {
                assert_eq!(read(MAX_OBJECT_SIZE), None);
                assert_eq!(read(MAX_OBJECT_SIZE + more), too_large(MAX_OBJECT_SIZE));
                assert_eq!(read(MAX_FILE_SIZE), too_large(MAX_OBJECT_SIZE));
                assert_eq!(read(MAX_FILE_SIZE + more), too_large(MAX_FILE_SIZE));
            }
            assert_eq!(certificates(MAX_FILE_SIZE), None);
            assert_eq!(certificates(MAX_FILE_SIZE + more), too_large(MAX_FILE_SIZE));
            assert_eq!(list(MAX_LIST_SIZE), None);
            assert_eq!(list(MAX_LIST_SIZE + more), too_large(MAX_LIST_SIZE));
            assert_eq!(list(LIST_FILE), too_large(MAX_LIST_SIZE));
            assert_eq!(list(LIST_FILE + more), too_large(LIST_FILE));
        }
        let several = |count: usize| decode_certificates(encode_certificate(&[0x30, 0]).repeat(count).as_bytes());
        assert_eq!(several(MAX_CERTIFICATES).map(|list| list.len()), Ok(MAX_CERTIFICATES));
        for count in [MAX_CERTIFICATES + 1, MAX_CERTIFICATES + 2] {
            assert_eq!(several(count), Err(Reason::NotPem("more than 32 certificates")));
        }
    }

    #[test]
    fn lists_have_a_label_of_their_own() {
        let text = encode(CERTIFICATE_LIST_LABEL, &[0x30; 100]);
        assert_eq!(decode_certificate_list(text.as_bytes()).unwrap(), &[0x30; 100][..]);
        for text in [text.repeat(2), text.replace("X509 CRL", "CRL"), format!("Issuer: nobody\n{text}")] {
            assert!(matches!(decode_certificate_list(text.as_bytes()), Err(Reason::NotPem(_))), "{text}");
        }
    }
}
