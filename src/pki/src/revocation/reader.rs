//! Strict DER, one value at a time: what walks over a million entries.

/// A value with its tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    /// Content octets.
    pub(super) content: &'a [u8],
    /// Header and content.
    pub(super) whole: &'a [u8],
}

/// The values of a constructed value, in order.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// Tag, length of the header and length of the content of the value that `octets` begins with; the content need not
/// be there. Tags of one octet and lengths of at most four, each as short as can be.
pub(super) fn header(octets: &[u8]) -> Option<(u8, usize, usize)> {
    let (&tag, rest) = octets.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    if first < 0x80 {
        return Some((tag, 2, first.into()));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let length = rest.get(..count)?.iter().fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
    let shortest = if count == 1 { length >= 0x80 } else { length >> (8 * (count - 1)) != 0 };
    shortest.then_some((tag, 2 + count, length))
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// How many octets were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.octets.len()
    }

    /// The next value; nothing at the end and where it is not DER.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Value<'a>> {
        let rest = self.octets.get(self.at..)?;
        let (tag, start, length) = header(rest)?;
        let whole = rest.get(..start.checked_add(length)?)?;
        self.at += whole.len();
        Some(Value { tag, content: whole.get(start..)?, whole })
    }

    /// The next value, which must have this tag.
    #[inline]
    pub(super) fn tagged(&mut self, tag: u8) -> Option<Value<'a>> {
        self.next().filter(|value| value.tag == tag)
    }

    /// The next value where it has this tag; otherwise nothing is read.
    pub(super) fn optional(&mut self, tag: u8) -> Option<Value<'a>> {
        let before = self.at;
        let found = self.tagged(tag);
        if found.is_none() {
            self.at = before;
        }
        found
    }
}

/// The content of the one value that these octets are.
pub(super) fn only(octets: &[u8], tag: u8) -> Option<&[u8]> {
    let mut reader = Reader::new(octets);
    let value = reader.tagged(tag)?;
    reader.is_empty().then_some(value.content)
}

/// Whether the content octets of an INTEGER are as short as can be.
#[inline]
pub(super) fn is_minimal(integer: &[u8]) -> bool {
    match integer {
        [] => false,
        [0, second, ..] => *second >= 0x80,
        [0xff, second, ..] => *second < 0x80,
        _ => true,
    }
}

/// The magnitude of a non-negative INTEGER given by its content octets: no leading zero, but at least one octet.
pub(super) fn magnitude(integer: &[u8]) -> Option<&[u8]> {
    if !is_minimal(integer) {
        return None;
    }
    match integer {
        [0, rest @ ..] if !rest.is_empty() => Some(rest),
        [first, ..] if *first >= 0x80 => None,
        _ => Some(integer),
    }
}

/// An extension of a list or an entry (RFC 5280 4.1): object identifier, whether critical, value.
pub(super) struct Extension<'a> {
    /// Content octets of the object identifier.
    pub(super) id: &'a [u8],
    pub(super) critical: bool,
    pub(super) value: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Reads one from the content of its SEQUENCE.
    pub(super) fn read(content: &'a [u8]) -> Option<Self> {
        let mut parts = Reader::new(content);
        let id = parts.tagged(OBJECT_IDENTIFIER)?.content;
        let critical = match parts.optional(BOOLEAN) {
            Some(value) if value.content == [0xff] => true,
            // FALSE is the default, which DER does not write.
            Some(_) => return None,
            None => false,
        };
        let value = parts.tagged(OCTET_STRING)?.content;
        parts.is_empty().then_some(Self { id, critical, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_can_be() {
        assert_eq!(header(&[0x30, 0x7f]), Some((0x30, 2, 127)));
        assert_eq!(header(&[0x30, 0x81, 0x80]), Some((0x30, 3, 128)));
        assert_eq!(header(&[0x30, 0x82, 0x01, 0x00]), Some((0x30, 4, 256)));
        for wrong in [
            &[0x30][..],
            &[0x30, 0x80],
            &[0x30, 0x81, 0x7f],
            &[0x30, 0x82, 0x00, 0xff],
            &[0x30, 0x85, 1, 0, 0, 0, 0],
            &[0x3f, 0x01],
            &[0x30, 0x82, 0x01],
        ] {
            assert_eq!(header(wrong), None, "{wrong:02x?}");
        }
    }

    #[test]
    fn integers_are_minimal_and_numbers_not_negative() {
        assert_eq!(magnitude(&[0]), Some(&[0][..]));
        assert_eq!(magnitude(&[0, 0x80]), Some(&[0x80][..]));
        assert_eq!(magnitude(&[0x7f, 1]), Some(&[0x7f, 1][..]));
        for wrong in [&[][..], &[0, 1], &[0x80], &[0xff, 0xff]] {
            assert_eq!(magnitude(wrong), None, "{wrong:02x?}");
        }
    }
}
