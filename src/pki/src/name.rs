//! Distinguished names: their attributes, comparison (RFC 5280 7.1) and text (RFC 4514).

use crate::asn1::members;
use core::fmt::Write as _;
use der::{
    Decode, Encode, Reader, Tag, Tagged,
    asn1::{AnyRef, ObjectIdentifier},
};
use std::borrow::Cow;

/// An attribute of a distinguished name.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Which relative distinguished name it belongs to, counted from 0 in the order of the encoding.
    pub rdn: usize,
    /// Its type, such as 2.5.4.3 for the common name.
    pub kind: ObjectIdentifier,
    /// Its value.
    pub value: AnyRef<'a>,
}

/// The attributes of a name given as DER, in the order of the encoding; nothing where it is not a Name.
///
/// ```text
/// RDNSequence ::= SEQUENCE OF SET SIZE (1..MAX) OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
/// ```
pub fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut attributes = Vec::new();
    let mut rdns = members(AnyRef::from_der(name).ok()?, Tag::Sequence)?;
    let mut rdn = 0;
    while !rdns.is_finished() {
        let mut set = members(AnyRef::decode(&mut rdns).ok()?, Tag::Set)?;
        if set.is_finished() {
            return None;
        }
        while !set.is_finished() {
            let mut pair = members(AnyRef::decode(&mut set).ok()?, Tag::Sequence)?;
            let kind = ObjectIdentifier::decode(&mut pair).ok()?;
            let value = AnyRef::decode(&mut pair).ok()?;
            pair.finish().ok()?;
            attributes.push(Attribute { rdn, kind, value });
        }
        rdn += 1;
    }
    Some(attributes)
}

impl<'a> Attribute<'a> {
    /// The text of a value that is a DirectoryString or IA5String; nothing for another type.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        let octets = self.value.value();
        match self.value.tag() {
            Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => str::from_utf8(octets).ok().map(Cow::Borrowed),
            Tag::TeletexString => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
            Tag::BmpString => {
                let (units, rest) = octets.as_chunks::<2>();
                let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
                let text: Option<String> = char::decode_utf16(units).map(Result::ok).collect();
                text.filter(|_| rest.is_empty()).map(Cow::Owned)
            }
            _ => None,
        }
    }

    fn push_canonical(&self, target: &mut Vec<u8>) {
        push_counted(target, |target| target.extend(self.kind.as_bytes()));
        let text = self.text();
        target.push(text.is_some().into());
        push_counted(target, |target| match text {
            Some(text) => push_folded(target, &text),
            None => target.extend(self.value.to_der().unwrap_or_default()),
        });
    }
}

/// Whether two names, given as DER, are the same by RFC 5280 7.1: attribute by attribute, strings without regard
/// to ASCII case and to runs of white space. Names that are not DER match nothing but themselves.
pub fn names_match(one: &[u8], other: &[u8]) -> bool {
    one == other
        || match (canonical_name(one), canonical_name(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
}

/// The name in a form that is the same, octet by octet, for names that match. The form of a name begins with that
/// of each name above it in the directory, so that subtrees are told by their start.
pub(crate) fn canonical_name(name: &[u8]) -> Option<Vec<u8>> {
    let mut canonical = Vec::with_capacity(name.len());
    let attributes = attributes(name)?;
    for rdn in attributes.chunk_by(|one, other| one.rdn == other.rdn) {
        push_counted(&mut canonical, |canonical| match rdn {
            [attribute] => attribute.push_canonical(canonical),
            several => {
                // A set: its order in the encoding says nothing.
                let mut members = vec![Vec::new(); several.len()];
                members.iter_mut().zip(several).for_each(|(member, attribute)| attribute.push_canonical(member));
                members.sort_unstable();
                canonical.extend(members.concat());
            }
        });
    }
    Some(canonical)
}

/// Octets behind their length, so that what follows cannot be taken for a part of them.
fn push_counted(target: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) {
    let start = target.len();
    target.extend([0; 8]);
    push(target);
    let length = target.len() - start - 8;
    target[start..start + 8].copy_from_slice(&(length as u64).to_be_bytes());
}

/// The words, each behind one space, ASCII letters as small ones.
fn push_folded(target: &mut Vec<u8>, text: &str) {
    for word in text.split_whitespace() {
        target.push(b' ');
        target.extend(word.bytes().map(|octet| octet.to_ascii_lowercase()));
    }
}

/// A name, given as DER, for a person to read: the string of RFC 4514, most specific attribute first, with control
/// characters made visible, so that it never breaks a line. `(unreadable name)` where it is not a Name.
pub fn display_name(name: &[u8]) -> String {
    let Some(attributes) = attributes(name) else {
        return "(unreadable name)".to_owned();
    };
    let mut text = String::with_capacity(name.len());
    let mut last = None;
    for attribute in attributes.iter().rev() {
        match last.replace(attribute.rdn) {
            Some(rdn) if rdn == attribute.rdn => text.push('+'),
            Some(_) => text.push(','),
            None => {}
        }
        // Writing to a String cannot fail.
        let _ = match short_name(attribute.kind) {
            Some(name) => write!(text, "{name}="),
            None => write!(text, "{}=", attribute.kind),
        };
        match attribute.text() {
            Some(value) => push_escaped(&mut text, &value),
            None => {
                text.push('#');
                attribute.value.to_der().unwrap_or_default().iter().for_each(|octet| {
                    let _ = write!(text, "{octet:02x}");
                });
            }
        }
    }
    text
}

/// The names of RFC 4514 3, and the two others that people know.
fn short_name(kind: ObjectIdentifier) -> Option<&'static str> {
    const NAMES: [(ObjectIdentifier, &str); 11] = [
        (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
        (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
        (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
        (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
        (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
        (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
        (ObjectIdentifier::new_unwrap("2.5.4.9"), "STREET"),
        (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"), "DC"),
        (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
        (ObjectIdentifier::new_unwrap("2.5.4.5"), "serialNumber"),
        (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "emailAddress"),
    ];
    NAMES.iter().find(|(own, _)| *own == kind).map(|(_, name)| *name)
}

/// Whether a character does something else than show itself: it controls, is invisible or turns the text around.
pub fn is_misleading(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// RFC 4514 2.4, with misleading characters as `\u{..}`.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, character) in value.char_indices() {
        match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', character]),
            '#' | ' ' if at == 0 => text.extend(['\\', character]),
            ' ' if at == last => text.extend(['\\', ' ']),
            character if is_misleading(character) => text.extend(character.escape_unicode()),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use core::str::FromStr;
    use der::Encode;
    use x509_cert::name::Name;

    fn name(text: &str) -> Vec<u8> {
        Name::from_str(text).unwrap().to_der().unwrap()
    }

    #[test]
    fn case_and_white_space_do_not_matter_order_does() {
        assert!(names_match(&name("CN=Good  CA ,O=Test"), &name("CN=good ca,O=TEST")));
        assert!(!names_match(&name("CN=Good CA,O=Test"), &name("O=Test,CN=Good CA")));
        assert!(!names_match(&name("CN=GoodCA"), &name("CN=Good CA")));
        assert!(!names_match(&name("CN=A"), &name("CN=A,O=B")));
        assert!(!names_match(&name("CN=A,O=B"), &name("CN=A+O=B")));
        assert!(names_match(&name("CN=A+O=B"), &name("O=b+CN=a")));
        assert!(!names_match(b"junk", &name("CN=A")));
    }

    /// A name of one common name of this type.
    fn named(tag: u8, text: &[u8]) -> Vec<u8> {
        let pair = [&[6, 3, 0x55, 4, 3, tag, text.len() as u8], text].concat();
        let value = [&[0x30, pair.len() as u8], &pair[..]].concat();
        let set = [&[0x31, value.len() as u8], &value[..]].concat();
        [&[0x30, set.len() as u8], &set[..]].concat()
    }

    #[test]
    fn what_is_counted_has_its_length_before_it() {
        let mut target = b"x".to_vec();
        push_counted(&mut target, |target| target.extend(b"two"));
        assert_eq!(target, b"x\0\0\0\0\0\0\0\x03two");
    }

    #[test]
    fn strings_of_every_type_match() {
        let wide: Vec<u8> = "Good CA".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let names = [
            named(12, b"good ca"),
            named(19, b"GOOD CA"),
            named(20, b"Good ca"),
            named(22, b"Good CA"),
            named(30, &wide),
        ];
        for name in &names {
            assert!(names.iter().all(|other| names_match(name, other)), "{name:02x?}");
        }
        // Half a character, half a pair of them, and an integer: no text, and the same as themselves alone.
        for odd in [named(30, &wide[1..]), named(30, &[0xd8, 0]), named(2, b"x"), named(12, &[0xff])] {
            assert!(names_match(&odd, &odd) && !names_match(&odd, &names[0]));
            assert!(!names_match(&odd, &named(12, b"")));
        }
        assert_eq!(display_name(&named(20, b"M\xfcller")), "CN=M\u{fc}ller");
        assert_eq!(display_name(&named(12, b" x y ")), "CN=\\ x y\\ ");
    }

    #[test]
    fn text_is_that_of_rfc_4514() {
        for text in ["CN=Alex Example,O=Example\\, Inc.,C=DE", "UID=jsmith,DC=example,DC=net", "CN=\\#1 \\+ \\\"q\\\""]
        {
            assert_eq!(display_name(&name(text)), text);
        }
        // The attributes of one RDN in the reverse order of DER, which sorts a set.
        assert_eq!(display_name(&name("OU=Sales+CN=J.  Smith,O=A")), "CN=J.  Smith+OU=Sales,O=A");
        assert_eq!(display_name(&name("2.5.4.99=x")), "2.5.4.99=x");
        assert_eq!(display_name(b"junk"), "(unreadable name)");
    }

    #[test]
    fn a_name_cannot_break_the_line_or_turn_it_around() {
        let shown = display_name(&name("CN=evil\\0Dname\u{202e}gnp.exe"));
        assert_eq!(shown, "CN=evil\\u{d}name\\u{202e}gnp.exe");
    }
}
