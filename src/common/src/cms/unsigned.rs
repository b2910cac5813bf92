//! What an object carries that its signature does not cover: a record the token, a token the proof that it is in the
//! ledger. One attribute with one value (docs/token-format.md, section 3.3).

use super::{
    members,
    read::{CONTEXT_0, CONTEXT_1, Members},
    sequence,
    write::{attribute, tlv},
};
use crate::reason::Reason;
use der::{Tag, asn1::ObjectIdentifier};

const UNSIGNED: &str = "unsignedAttrs";

/// The value of the one attribute, given the content of unsignedAttrs.
pub(super) fn value(attributes: &[u8], id: ObjectIdentifier) -> Result<&[u8], Reason> {
    let mut attributes = Members::new(attributes, UNSIGNED)?;
    let mut attribute = attributes.members(Tag::Sequence, UNSIGNED)?;
    attributes.finish(UNSIGNED)?;
    if attribute.take::<ObjectIdentifier>(UNSIGNED)? != id {
        return Err(Reason::Cms(UNSIGNED));
    }
    let mut values = attribute.members(Tag::Set, UNSIGNED)?;
    attribute.finish(UNSIGNED)?;
    let value = values.tlv(UNSIGNED)?;
    values.finish(UNSIGNED)?;
    Ok(value)
}

/// unsignedAttrs with one attribute of one value.
pub(super) fn attributes(id: ObjectIdentifier, value: &[u8]) -> Result<Vec<u8>, Reason> {
    attribute(id, value).and_then(|attribute| tlv(CONTEXT_1, &[&attribute])).map_err(|_| Reason::Cms(UNSIGNED))
}

/// An object that was read before, with other unsignedAttrs: none where they are empty.
pub(super) fn replaced(der: &[u8], unsigned: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut outer = members(der, Tag::Sequence, "ContentInfo")?;
    let content_type = outer.tlv("contentType")?;
    let mut data = members(outer.value(CONTEXT_0, "content")?, Tag::Sequence, "SignedData")?;
    // version, digestAlgorithms, encapContentInfo, certificates
    let kept = [(); 4].map(|()| data.tlv("SignedData")).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut info = data.members(Tag::Set, "signerInfos")?.members(Tag::Sequence, "SignerInfo")?;
    let mut signed = Vec::new();
    while !info.is_finished() && !info.next_is(CONTEXT_1) {
        signed.push(info.tlv("SignerInfo")?);
    }
    signed.push(unsigned);
    let assembled = || {
        let infos = tlv(Tag::Set, &[&sequence(&signed)?])?;
        let data = sequence(&[&kept[..], &[&infos]].concat())?;
        sequence(&[content_type, &tlv(CONTEXT_0, &[&data])?])
    };
    assembled().map_err(|_: der::Error| Reason::Cms("SignedData"))
}
