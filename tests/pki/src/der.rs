//! DER by hand: a second encoder beside the one under test, which can also write what must be refused.

use countersign_pki::Time;

/// A value with its tag and length.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let mut out = vec![tag];
    match value.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long => {
            let octets: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
            out.push(0x80 | octets.len() as u8);
            out.extend(octets);
        }
    }
    out.extend(value);
    out
}

/// SEQUENCE.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// SET, members as they come.
pub fn set(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x31, parts)
}

/// A SET OF in the order of DER.
pub fn set_of(members: &[Vec<u8>]) -> Vec<u8> {
    let mut members = members.to_vec();
    members.sort();
    tlv(0x31, &[&members.concat()])
}

/// An EXPLICIT context-specific tag.
pub fn explicit(number: u8, value: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, &[value])
}

/// OCTET STRING.
pub fn octets(value: &[u8]) -> Vec<u8> {
    tlv(0x04, &[value])
}

/// UTF8String.
pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0c, &[text.as_bytes()])
}

/// BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[&[if value { 0xff } else { 0 }]])
}

/// INTEGER.
pub fn integer(value: u64) -> Vec<u8> {
    let mut octets: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
    if octets.first().is_none_or(|first| *first >= 0x80) {
        octets.insert(0, 0);
    }
    tlv(0x02, &[&octets])
}

/// OBJECT IDENTIFIER, from its dotted form.
pub fn oid(text: &str) -> Vec<u8> {
    let arcs: Vec<u64> = text.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [arcs[0] * 40 + arcs[1]].iter().chain(&arcs[2..]) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        content.extend(groups.iter().rev());
    }
    tlv(0x06, &[&content])
}

/// BIT STRING with so many unused bits.
pub fn bits(value: &[u8], unused: u8) -> Vec<u8> {
    tlv(0x03, &[&[unused], value])
}

/// A time such as `2026-01-01T00:00:00Z` in the form of certificates and signing-time: UTCTime through 2049,
/// GeneralizedTime from then on.
pub fn time(text: &str) -> Vec<u8> {
    if text < "2050" { utc_time(text) } else { generalized_time(text) }
}

/// UTCTime of a time such as `2026-01-01T00:00:00Z`.
pub fn utc_time(text: &str) -> Vec<u8> {
    tlv(0x17, &[&digits(text).as_bytes()[2..]])
}

/// GeneralizedTime of such a time.
pub fn generalized_time(text: &str) -> Vec<u8> {
    tlv(0x18, &[digits(text).as_bytes()])
}

fn digits(text: &str) -> String {
    let [year, month, day, hour, minute, second] = text.parse::<Time>().unwrap().civil();
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

/// The members of a constructed value, each with its header.
pub fn members(constructed: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, _) = header(constructed);
    let mut found = Vec::new();
    while at < constructed.len() {
        let (start, length) = header(&constructed[at..]);
        found.push(constructed[at..at + start + length].to_vec());
        at += start + length;
    }
    found
}

/// Lengths of header and content.
pub fn header(value: &[u8]) -> (usize, usize) {
    match value[1] {
        short @ 0..=0x7f => (2, short.into()),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, value[2..2 + count].iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))
        }
    }
}

/// A constructed value with its members changed.
pub fn edit(constructed: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut parts = members(constructed);
    change(&mut parts);
    tlv(constructed[0], &[&parts.concat()])
}

/// A listing of a DER value, one line for each header: offset, depth, tag and, where primitive, content.
pub fn listing(der: &[u8]) -> String {
    let mut out = String::new();
    list(der, 0, 0, &mut out);
    out
}

fn list(der: &[u8], base: usize, depth: usize, out: &mut String) {
    let mut at = 0;
    while at < der.len() {
        let (start, length) = header(&der[at..]);
        let tag = der[at];
        let name = match tag {
            0x01 => "BOOLEAN".to_owned(),
            0x02 => "INTEGER".to_owned(),
            0x03 => "BIT STRING".to_owned(),
            0x04 => "OCTET STRING".to_owned(),
            0x05 => "NULL".to_owned(),
            0x06 => "OID".to_owned(),
            0x0a => "ENUMERATED".to_owned(),
            0x0c => "UTF8String".to_owned(),
            0x17 => "UTCTime".to_owned(),
            0x18 => "GeneralizedTime".to_owned(),
            0x30 => "SEQUENCE".to_owned(),
            0x31 => "SET".to_owned(),
            other => format!("[{}]", other & 0x1f),
        };
        let content = &der[at + start..at + start + length];
        out.push_str(&format!("{:5} {}{name}", base + at, "  ".repeat(depth)));
        if tag & 0x20 != 0 {
            out.push_str(&format!(" ({length})\n"));
            list(content, base + at + start, depth + 1, out);
        } else {
            let shown = match tag {
                0x06 => dotted(content),
                0x0c | 0x17 | 0x18 => format!("{:?}", String::from_utf8_lossy(content)),
                _ if length > 40 => format!("{}... ({length} octets)", crate::hex(&content[..16])),
                _ => crate::hex(content),
            };
            out.push_str(&format!(" {shown}\n"));
        }
        at += start + length;
    }
}

fn dotted(content: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut value = 0_u64;
    for octet in content {
        value = value << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(value);
            value = 0;
        }
    }
    let first = (arcs[0] / 40).min(2);
    let rest = arcs[1..].iter().map(|arc| format!(".{arc}")).collect::<String>();
    format!("{first}.{}{rest}", arcs[0] - first * 40)
}
