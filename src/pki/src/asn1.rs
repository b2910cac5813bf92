//! Reading DER by hand, where a borrowed value is wanted.

use der::{
    Decode, Reader, SliceReader, Tag, TagNumber, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};

/// A reader of the members of a constructed value that must have this tag.
pub(crate) fn members<'a>(value: AnyRef<'a>, tag: Tag) -> Option<SliceReader<'a>> {
    if value.tag() == tag { SliceReader::new(value.value()).ok() } else { None }
}

/// A reader of the members of a SEQUENCE that fills `der`.
pub(crate) fn sequence(der: &[u8]) -> Option<SliceReader<'_>> {
    members(AnyRef::from_der(der).ok()?, Tag::Sequence)
}

/// The next value; nothing at the end and for what is not DER.
pub(crate) fn next<'a>(reader: &mut SliceReader<'a>) -> Option<AnyRef<'a>> {
    AnyRef::decode(reader).ok()
}

/// All values up to the end; nothing where one is not DER.
pub(crate) fn all<'a>(mut reader: SliceReader<'a>) -> Option<Vec<AnyRef<'a>>> {
    let mut values = Vec::new();
    while !reader.is_finished() {
        values.push(next(&mut reader)?);
    }
    Some(values)
}

/// The next value where it has this context-specific tag.
pub(crate) fn optional<'a>(reader: &mut SliceReader<'a>, number: u32, constructed: bool) -> Option<AnyRef<'a>> {
    let wanted = Tag::ContextSpecific { number: TagNumber(number), constructed };
    if Tag::peek(reader).ok()? == wanted { next(reader) } else { None }
}

/// The number of a context-specific tag and whether it is constructed.
pub(crate) fn context(value: &AnyRef<'_>) -> Option<(u32, bool)> {
    match value.tag() {
        Tag::ContextSpecific { number, constructed } => Some((number.0, constructed)),
        _ => None,
    }
}

/// The next value, which must be an OBJECT IDENTIFIER.
pub(crate) fn object_identifier(reader: &mut SliceReader<'_>) -> Option<ObjectIdentifier> {
    ObjectIdentifier::decode(reader).ok()
}

/// A count from the content octets of an INTEGER (0..MAX): what is larger than a count can be stands for the largest.
pub(crate) fn count(octets: &[u8]) -> Option<u32> {
    let minimal = match octets {
        [] => false,
        [0, second, ..] => *second >= 0x80,
        [first, ..] => *first < 0x80,
    };
    let value = |value: u32, octet: &u8| value.saturating_mul(256).saturating_add(u32::from(*octet));
    minimal.then(|| octets.iter().fold(0, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_minimal_and_never_overflow() {
        for (octets, expected) in [
            (&[0_u8][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0, 0x80], Some(128)),
            (&[1, 0, 0, 0, 0], Some(u32::MAX)),
            (&[0x7f; 20], Some(u32::MAX)),
            (&[0x80], None),
            (&[], None),
            (&[0xff], None),
            (&[0, 1], None),
        ] {
            assert_eq!(count(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn members_are_read_to_the_end() {
        let reader = sequence(&[0x30, 5, 0x80, 1, 1, 5, 0]).unwrap();
        assert_eq!(all(reader).unwrap().len(), 2);
        assert!(all(sequence(&[0x30, 2, 0x80, 1]).unwrap()).is_none());
        assert!(sequence(&[0x31, 0]).is_none());
    }
}
