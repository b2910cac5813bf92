//! Name constraints (RFC 5280 4.2.1.10): which names a CA's certificates may bear.
//!
//! Names are compared in the forms rfc822Name, dNSName, directoryName, uniformResourceIdentifier and iPAddress. A
//! constraint that cannot be compared, because its form has no comparison in RFC 5280, its base is malformed, or it
//! states a minimum or maximum, refuses every name of its form: closed, not open.

use crate::{
    asn1::{all, context, members, next, optional},
    error::PathErrorKind,
    general_name::GeneralName,
    name::{attributes, canonical_name},
    oid,
};
use core::net::Ipv4Addr;
use der::{Reader, SliceReader, Tag, asn1::AnyRef};

/// Permitted and excluded subtrees of one certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameConstraints<'a> {
    permitted: Vec<Subtree<'a>>,
    excluded: Vec<Subtree<'a>>,
}

/// `SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }`
#[derive(Clone, Debug)]
struct Subtree<'a> {
    base: GeneralName<'a>,
    /// The canonical form of a directoryName.
    directory: Vec<u8>,
    /// Whether a minimum or maximum is stated, which RFC 5280 gives no meaning.
    bounded: bool,
}

/// The names of a certificate that constraints are about.
#[derive(Clone, Debug)]
pub(crate) struct Names<'c> {
    names: Vec<Name<'c>>,
}

#[derive(Clone, Debug)]
enum Name<'c> {
    Directory(Vec<u8>),
    /// The value of an emailAddress attribute, which may be text of any kind.
    Mail(String),
    Other(GeneralName<'c>),
}

impl<'a> NameConstraints<'a> {
    /// Reads the DER of the extension's value.
    pub(crate) fn read(der: &'a [u8]) -> Option<Self> {
        let mut parts = crate::asn1::sequence(der)?;
        let mut subtrees = |number| match optional(&mut parts, number, true) {
            Some(list) => all(SliceReader::new(list.value()).ok()?)?.into_iter().map(Subtree::read).collect(),
            None => Some(Vec::new()),
        };
        let read = Self { permitted: subtrees(0)?, excluded: subtrees(1)? };
        parts.finish().ok()?;
        Some(read)
    }

    /// Whether it constrains nothing, which RFC 5280 does not allow.
    pub(crate) fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// How many comparisons a check against these names takes at most.
    pub(crate) fn cost(&self, names: &Names<'_>) -> usize {
        names.names.len().saturating_mul(self.permitted.len().saturating_add(self.excluded.len()))
    }

    /// Whether every name is within a permitted subtree of its form, where there are any, and within no excluded one.
    pub(crate) fn check(&self, names: &Names<'_>) -> Result<(), PathErrorKind> {
        names.names.iter().try_for_each(|name| self.check_name(name))
    }

    fn check_name(&self, name: &Name<'_>) -> Result<(), PathErrorKind> {
        let form = name.form();
        let of_form = |subtree: &&Subtree<'_>| subtree.base.form() == form;
        for subtree in self.excluded.iter().filter(of_form) {
            if subtree.contains(name, Side::Excluded).ok_or(PathErrorKind::NameNotComparable(form))? {
                return Err(PathErrorKind::NameExcluded(form));
            }
        }
        let (mut constrained, mut permitted) = (false, false);
        for subtree in self.permitted.iter().filter(of_form) {
            constrained = true;
            permitted |= subtree.contains(name, Side::Permitted).ok_or(PathErrorKind::NameNotComparable(form))?;
        }
        if constrained && !permitted { Err(PathErrorKind::NameNotPermitted(form)) } else { Ok(()) }
    }
}

impl<'c> Names<'c> {
    /// Subject, its emailAddress attributes, and subject alternative names.
    pub(crate) fn of(subject: &[u8], alternative: &[GeneralName<'c>]) -> Self {
        let mut names = Vec::with_capacity(alternative.len() + 1);
        let subject_attributes = attributes(subject).unwrap_or_default();
        if !subject_attributes.is_empty() {
            names.push(Name::Directory(canonical_name(subject).unwrap_or_default()));
        }
        for attribute in subject_attributes.iter().filter(|attribute| attribute.kind == oid::EMAIL_ADDRESS) {
            // What is no text is no address: it is within no permitted subtree, and cannot be told from an excluded.
            names.push(Name::Mail(attribute.text().map(|text| text.into_owned()).unwrap_or_default()));
        }
        names.extend(alternative.iter().map(|name| match name {
            GeneralName::DirectoryName(der) => Name::Directory(canonical_name(der).unwrap_or_default()),
            other => Name::Other(*other),
        }));
        Self { names }
    }
}

impl Name<'_> {
    fn form(&self) -> &'static str {
        match self {
            Self::Directory(_) => "directoryName",
            Self::Mail(_) => "rfc822Name",
            Self::Other(name) => name.form(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Excluded,
    Permitted,
}

impl<'a> Subtree<'a> {
    fn read(value: AnyRef<'a>) -> Option<Self> {
        let mut parts = members(value, Tag::Sequence)?;
        let base = GeneralName::read(next(&mut parts)?)?;
        let rest = all(parts)?;
        let numbers: Option<Vec<_>> = rest.iter().map(context).collect();
        let bounded = match numbers?.as_slice() {
            [] => false,
            [(0 | 1, false)] | [(0, false), (1, false)] => true,
            _ => return None,
        };
        let directory = match base {
            GeneralName::DirectoryName(der) => canonical_name(der)?,
            _ => Vec::new(),
        };
        Some(Self { base, directory, bounded })
    }

    /// Whether a name of the same form lies within; nothing where that cannot be told.
    fn contains(&self, name: &Name<'_>, side: Side) -> Option<bool> {
        if self.bounded {
            return None;
        }
        match (name, self.base) {
            (Name::Directory(name), _) => Some(name.starts_with(&self.directory)),
            (Name::Mail(name), GeneralName::Rfc822Name(base)) => mail_within(name, base),
            (Name::Other(GeneralName::Rfc822Name(name)), GeneralName::Rfc822Name(base)) => mail_within(name, base),
            (Name::Other(GeneralName::DnsName(name)), GeneralName::DnsName(base)) => dns_within(name, base, side),
            (Name::Other(GeneralName::Uri(name)), GeneralName::Uri(base)) => uri_within(name, base),
            (Name::Other(GeneralName::IpAddress(name)), GeneralName::IpAddress(base)) => ip_within(name, base),
            _ => None,
        }
    }
}

/// A base is a mailbox, a host, or a domain with a period before it. The part before the `@` counts letter by letter,
/// the host without regard to case (RFC 5280 7.5).
fn mail_within(name: &str, base: &str) -> Option<bool> {
    let (local, host) = name.rsplit_once('@').filter(|(local, _)| is_local_part(local))?;
    if !is_host(host) {
        return None;
    }
    if let Some((base_local, base_host)) = base.rsplit_once('@') {
        return is_host(base_host).then(|| local == base_local && host.eq_ignore_ascii_case(base_host));
    }
    host_within(host, base)
}

/// A base with a period before it stands for what is below, one without for the host itself.
fn host_within(host: &str, base: &str) -> Option<bool> {
    match base.strip_prefix('.') {
        Some(domain) => is_host(domain).then(|| is_below(host, domain)),
        None => is_host(base).then(|| host.eq_ignore_ascii_case(base)),
    }
}

/// A base stands for itself and for what is below. A period before it, which RFC 5280 does not provide for, takes the
/// name itself away from what is permitted and not from what is excluded. A wildcard is within what is permitted where
/// all that it can stand for is, and within what is excluded where any of it may be.
fn dns_within(name: &str, base: &str, side: Side) -> Option<bool> {
    let (wildcard, host) = match name.strip_prefix("*.") {
        Some(parent) => (true, parent),
        None => (false, name),
    };
    let (strict, domain) = match base.strip_prefix('.') {
        Some(domain) => (side == Side::Permitted, domain),
        None => (false, base),
    };
    if !is_host(host) || !(base.is_empty() || is_host(domain)) {
        return None;
    }
    let below = base.is_empty() || is_below(host, domain);
    let same = host.eq_ignore_ascii_case(domain);
    let reaches = side == Side::Excluded && wildcard && is_below(domain, host);
    Some(below || same && (!strict || wildcard) || reaches)
}

/// Only the host counts; a URI without a host, or with an address in its place, cannot be told (RFC 5280 4.2.1.10).
fn uri_within(name: &str, base: &str) -> Option<bool> {
    let host = uri_host(name)?;
    if !is_host(host) || host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    host_within(host, base)
}

/// The host of a URI's authority (RFC 3986 3.2), an address in brackets included; nothing where it has none.
pub(crate) fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once(':')?;
    let authority = rest.strip_prefix("//")?;
    let authority = authority.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return host.split_once(']').map(|(address, _)| address);
    }
    Some(host.split_once(':').map_or(host, |(host, _)| host))
}

/// A base is an address and a mask of the same length; one of four octets says nothing of an address of sixteen.
fn ip_within(name: &[u8], base: &[u8]) -> Option<bool> {
    if !matches!(name.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return None;
    }
    let (address, mask) = base.split_at(base.len() / 2);
    // A mask is ones, then zeros (RFC 4632 3.1).
    let ones = mask.iter().take_while(|octet| **octet == 0xff).count();
    let rest = mask.get(ones..).unwrap_or_default();
    let boundary = rest.first().is_none_or(|octet| octet.leading_ones() + octet.trailing_zeros() == 8);
    if !boundary || rest.iter().skip(1).any(|octet| *octet != 0) {
        return None;
    }
    let masked = |octets: &[u8]| -> Vec<u8> { octets.iter().zip(mask).map(|(octet, mask)| octet & mask).collect() };
    Some(name.len() == address.len() && masked(name) == masked(address))
}

/// Whether `host` is a name below `domain`, in whole labels.
fn is_below(host: &str, domain: &str) -> bool {
    let split = host.len().checked_sub(domain.len() + 1).and_then(|at| host.split_at_checked(at));
    split.is_some_and(|(_, tail)| tail.strip_prefix('.').is_some_and(|tail| tail.eq_ignore_ascii_case(domain)))
}

/// Whether a text is what stands before the `@` of a mailbox: words with periods between them, or anything printable in
/// quotation marks (RFC 5321 4.1.2). So no reader can take another `@` for the one before the host.
pub(crate) fn is_local_part(text: &str) -> bool {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    if let Some(quoted) = quoted {
        let mut escaped = false;
        let fits = quoted.bytes().all(|octet| {
            let fits = matches!(octet, b' '..=b'~') && (escaped || octet != b'"');
            escaped = !escaped && octet == b'\\';
            fits
        });
        return fits && !escaped && !quoted.is_empty();
    }
    let in_word = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet);
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(in_word))
}

/// Whether a text is a host name: labels of letters, digits, hyphens and underscores (RFC 1034 3.5, less strict).
pub(crate) fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use Side::{Excluded, Permitted};

    #[test]
    fn mail() {
        for (name, base, expected) in [
            ("ann@example.com", "ann@example.com", Some(true)),
            ("Ann@example.com", "ann@example.com", Some(false)),
            ("ann@EXAMPLE.com", "ann@example.COM", Some(true)),
            ("ann@example.com", "example.com", Some(true)),
            ("ann@host.example.com", "example.com", Some(false)),
            ("ann@host.example.com", ".example.com", Some(true)),
            ("ann@example.com", ".example.com", Some(false)),
            ("ann@myexample.com", ".example.com", Some(false)),
            ("\"a@b\"@example.com", "example.com", Some(true)),
            ("a@b@example.com", "example.com", None),
            ("@example.com", "example.com", None),
            ("ann", "example.com", None),
            ("ann@", "example.com", None),
            ("ann@example.com", "", None),
            ("ann@example.com", "exam ple.com", None),
        ] {
            assert_eq!(mail_within(name, base), expected, "{name} {base}");
        }
    }

    #[test]
    fn dns() {
        for (name, base, permitted, excluded) in [
            ("example.com", "example.com", Some(true), Some(true)),
            ("EXAMPLE.com", "example.COM", Some(true), Some(true)),
            ("a.b.example.com", "example.com", Some(true), Some(true)),
            ("myexample.com", "example.com", Some(false), Some(false)),
            ("com", "example.com", Some(false), Some(false)),
            ("example.com", ".example.com", Some(false), Some(true)),
            ("a.example.com", ".example.com", Some(true), Some(true)),
            ("*.example.com", ".example.com", Some(true), Some(true)),
            ("*.example.com", "example.com", Some(true), Some(true)),
            ("*.example.com", "host.example.com", Some(false), Some(true)),
            ("*.example.com", "deep.host.example.com", Some(false), Some(true)),
            ("*.example.com", "example.org", Some(false), Some(false)),
            ("example.com", "", Some(true), Some(true)),
            ("a..b", "example.com", None, None),
            ("a.*.example.com", "example.com", None, None),
            ("example.com", "a b", None, None),
        ] {
            let both = (dns_within(name, base, Permitted), dns_within(name, base, Excluded));
            assert_eq!(both, (permitted, excluded), "{name} {base}");
        }
    }

    #[test]
    fn uris() {
        for (name, base, expected) in [
            ("http://example.com/a", "example.com", Some(true)),
            ("http://user:x@EXAMPLE.com:80?q", "example.com", Some(true)),
            ("http://host.example.com", "example.com", Some(false)),
            ("http://host.example.com", ".example.com", Some(true)),
            ("http://example.com", ".example.com", Some(false)),
            ("http://evil.org#@example.com", "example.com", Some(false)),
            ("urn:example:a", "example.com", None),
            ("http://192.0.2.1/", "example.com", None),
            ("http://[2001:db8::1]/", "example.com", None),
            ("http://ex%61mple.com/", "example.com", None),
            ("http:///path", "example.com", None),
        ] {
            assert_eq!(uri_within(name, base), expected, "{name} {base}");
        }
    }

    #[test]
    fn addresses() {
        let v4 = [192, 0, 2, 0, 255, 255, 255, 0];
        let mut v6 = [0_u8; 32];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[16..18].copy_from_slice(&[0xff, 0xfe]);
        let mut inside = [7_u8; 16];
        inside[..2].copy_from_slice(&[0x20, 0x01]);
        for (name, base, expected) in [
            (&[192, 0, 2, 9][..], &v4[..], Some(true)),
            (&[192, 0, 3, 9], &v4, Some(false)),
            (&inside, &v6, Some(true)),
            (&inside, &v4, Some(false)),
            (&[192, 0, 2, 9], &v6, Some(false)),
            (&[192, 0, 2, 9], &[0; 8], Some(true)),
            (&[192, 0, 2, 9], &[192, 0, 2, 0, 255, 0, 255, 0], None),
            (&[192, 0, 2, 9], &[192, 0, 2, 0, 255, 0xfd, 0, 0], None),
            (&[192, 0, 2], &v4, None),
            (&[192, 0, 2, 9], &v4[..7], None),
        ] {
            assert_eq!(ip_within(name, base), expected, "{name:?} {base:?}");
        }
    }
}
