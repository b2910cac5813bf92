//! BER-TLV (ISO/IEC 7816-4, 5.2.2), as cards write it: definite lengths, not always the shortest.

/// More objects than this side by side are refused; SP 800-73 needs fewer than a dozen.
const MAX_OBJECTS: usize = 32;

/// What is wrong with a structure, in a few words.
pub(crate) type Fault = &'static str;

/// Splits the first object off: its tag, its value and what follows.
fn split(input: &[u8]) -> Result<(u32, &[u8], &[u8]), Fault> {
    let (tag, rest) = split_tag(input)?;
    let (&first, rest) = rest.split_first().ok_or("length missing")?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F)).ok_or("length cut short")?;
            (octets.iter().fold(0, |length, &octet| length << 8 | usize::from(octet)), rest)
        }
        _ => return Err("length form not allowed"),
    };
    let (value, rest) = rest.split_at_checked(length).ok_or("value cut short")?;
    Ok((tag, value, rest))
}

/// A tag of one, two or three bytes, as the number that they form.
fn split_tag(input: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let (&first, mut rest) = input.split_first().ok_or("tag missing")?;
    let mut tag = u32::from(first);
    if first & 0x1F == 0x1F {
        loop {
            let (&next, after) = rest.split_first().ok_or("tag cut short")?;
            if tag > 0xFFFF {
                return Err("tag too long");
            }
            tag = tag << 8 | u32::from(next);
            rest = after;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    Ok((tag, rest))
}

/// The value of the one object that fills the input.
pub(crate) fn only(input: &[u8], tag: u32) -> Result<&[u8], Fault> {
    let (found, value, rest) = split(input)?;
    if found != tag {
        Err("unexpected tag")
    } else if !rest.is_empty() {
        Err("bytes after the end")
    } else {
        Ok(value)
    }
}

/// Objects side by side, each tag at most once.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(u32, &'a [u8])>);

impl<'a> Fields<'a> {
    pub(crate) fn parse(mut input: &'a [u8]) -> Result<Self, Fault> {
        let mut fields = Vec::new();
        while !input.is_empty() {
            let (tag, value, rest) = split(input)?;
            if fields.iter().any(|&(known, _)| known == tag) {
                return Err("tag occurs twice");
            }
            if fields.len() == MAX_OBJECTS {
                return Err("too many tags");
            }
            fields.push((tag, value));
            input = rest;
        }
        Ok(Self(fields))
    }

    pub(crate) fn optional(&self, tag: u32) -> Option<&'a [u8]> {
        self.0.iter().find(|&&(known, _)| known == tag).map(|&(_, value)| value)
    }

    pub(crate) fn required(&self, tag: u32) -> Result<&'a [u8], Fault> {
        self.optional(tag).ok_or("a required tag is missing")
    }
}

/// One object with the shortest length form. Values here are below 64 KiB.
pub(crate) fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|&octet| octet == 0).collect();
    let octets = value.len().to_be_bytes();
    let octets: Vec<u8> = octets.into_iter().skip_while(|&octet| octet == 0).collect();
    match value.len() {
        0 => out.push(0),
        1..=0x7F => out.extend(octets),
        _ => {
            out.push(0x80 | octets.len() as u8);
            out.extend(octets);
        }
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_written_are_read_again() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 70_000] {
            for tag in [0x53, 0x7F49, 0x5F_C1_0A] {
                let value = vec![0xA5; length];
                assert_eq!(only(&object(tag, &value), tag), Ok(&value[..]), "{tag:X} {length}");
            }
        }
    }

    #[test]
    fn lengths_longer_than_needed_are_read() {
        assert_eq!(only(&[0x53, 0x82, 0, 1, 7], 0x53), Ok(&[7][..]));
        assert_eq!(only(&[0x53, 0x83, 0, 0, 1, 7], 0x53), Ok(&[7][..]));
    }

    #[test]
    fn damaged_structures_are_refused() {
        let cases: [(&[u8], Fault); 9] = [
            (&[], "tag missing"),
            (&[0x53], "length missing"),
            (&[0x7F], "tag cut short"),
            (&[0x7F, 0x80, 0x80, 0x80, 1], "tag too long"),
            (&[0x53, 0x82, 1], "length cut short"),
            (&[0x53, 0x80, 0, 0], "length form not allowed"),
            (&[0x53, 0x84, 0, 0, 0, 1, 1], "length form not allowed"),
            (&[0x53, 2, 1], "value cut short"),
            (&[0x53, 1, 1, 0], "bytes after the end"),
        ];
        for (input, fault) in cases {
            assert_eq!(only(input, 0x53), Err(fault), "{input:02X?}");
        }
        assert_eq!(only(&[0x54, 0], 0x53), Err("unexpected tag"));
        assert_eq!(Fields::parse(&[0x70, 0, 0x70, 0]).err(), Some("tag occurs twice"));
        let crowd: Vec<u8> = (0x80..0x80 + 33).filter(|tag| tag & 0x1F != 0x1F).flat_map(|tag| [tag, 0]).collect();
        assert!(Fields::parse(&crowd).is_ok());
        let crowd: Vec<u8> = (1..=33u8).flat_map(|n| [0x5F, n, 0]).collect();
        assert_eq!(Fields::parse(&crowd).err(), Some("too many tags"));
    }
}
