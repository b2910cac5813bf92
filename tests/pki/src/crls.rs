//! Certificate revocation lists for tests, with a handle on every member.

use crate::{
    certificates::{Identity, authority_key_identifier, extension},
    der::{bits, boolean, explicit, generalized_time, integer, oid, sequence, set, tlv, utc_time, utf8},
    keys::Key,
};

/// A list to be made: each member is the DER that goes into it.
#[derive(Clone)]
pub struct List {
    /// The version, nothing where empty.
    pub version: Vec<u8>,
    /// The signature algorithm inside; the one outside where empty.
    pub inner_algorithm: Vec<u8>,
    /// Name of the issuer.
    pub issuer: Vec<u8>,
    /// When it was issued.
    pub this_update: Vec<u8>,
    /// When the next one is due, nothing where empty.
    pub next_update: Vec<u8>,
    /// The entries, one after the other.
    pub entries: Vec<u8>,
    /// Whether the SEQUENCE of entries is written even if there are none.
    pub empty_entries: bool,
    /// The extensions; no field where there are none.
    pub extensions: Vec<Vec<u8>>,
    /// Octets that follow the signature, inside the list.
    pub trailing: Vec<u8>,
}

impl List {
    /// The first list of an issuer, in force through 2026.
    pub fn new(issuer: &Identity) -> Self {
        Self {
            version: integer(1),
            inner_algorithm: Vec::new(),
            issuer: issuer.name.clone(),
            this_update: utc_time("2026-01-01T00:00:00Z"),
            next_update: utc_time("2026-12-31T23:59:59Z"),
            entries: Vec::new(),
            empty_entries: false,
            extensions: vec![number(1), authority_key_identifier(&issuer.key)],
            trailing: Vec::new(),
        }
    }

    /// The list with another number.
    pub fn number(mut self, value: u64) -> Self {
        self.extensions[0] = number(value);
        self
    }

    /// The list with an entry more.
    pub fn entry(mut self, serial: &[u8], date: &str, extensions: &[Vec<u8>]) -> Self {
        self.entries.extend(entry(serial, date, extensions));
        self
    }

    /// The list with an extension more.
    pub fn extension(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The list with other dates, such as `2026-01-01T00:00:00Z`.
    pub fn dates(mut self, this_update: &str, next_update: &str) -> Self {
        (self.this_update, self.next_update) = (utc_time(this_update), utc_time(next_update));
        self
    }

    /// DER of the list, signed by a key.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let algorithm = key.algorithm().identifier();
        let inner = if self.inner_algorithm.is_empty() { &algorithm } else { &self.inner_algorithm };
        let entries =
            if self.entries.is_empty() && !self.empty_entries { Vec::new() } else { sequence(&[&self.entries]) };
        let extensions =
            if self.extensions.is_empty() { Vec::new() } else { explicit(0, &sequence(&[&self.extensions.concat()])) };
        let body = sequence(&[
            &self.version,
            inner,
            &self.issuer,
            &self.this_update,
            &self.next_update,
            &entries,
            &extensions,
        ]);
        let signature = key.sign(key.algorithm(), &body);
        sequence(&[&body, &algorithm, &bits(&signature, 0), &self.trailing])
    }
}

/// An entry with the DER of its serial number.
pub fn entry(serial: &[u8], date: &str, extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = if extensions.is_empty() { Vec::new() } else { sequence(&[&extensions.concat()]) };
    sequence(&[serial, &utc_time(date), &extensions])
}

/// So many entries of 35 octets with the serial numbers of [`nth_serial`].
pub fn entries(count: u64) -> Vec<u8> {
    let first = entry(&nth_serial(0), "2026-01-02T00:00:00Z", &[]);
    let mut all = Vec::with_capacity(first.len() * count as usize);
    for number in 0..count {
        let at = all.len();
        all.extend_from_slice(&first);
        let serial = nth_serial(number);
        all[at + 2..][..serial.len()].copy_from_slice(&serial);
    }
    all
}

/// DER of a serial number of 16 octets that looks like a random one.
pub fn nth_serial(number: u64) -> Vec<u8> {
    let mixed = |number: u64| (number ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let first = mixed(number) >> 2 | 1 << 62;
    tlv(0x02, &[&first.to_be_bytes(), &mixed(first).to_be_bytes()])
}

/// The CRL number.
pub fn number(value: u64) -> Vec<u8> {
    extension("2.5.29.20", false, &integer(value))
}

/// The indicator of a delta list that builds on the list with this number.
pub fn delta(base: u64) -> Vec<u8> {
    extension("2.5.29.27", true, &integer(base))
}

/// Since when expired certificates stay on the list.
pub fn expired_certificates(since: &str) -> Vec<u8> {
    extension("2.5.29.60", false, &generalized_time(since))
}

/// The reason code of an entry.
pub fn reason(code: u8) -> Vec<u8> {
    extension("2.5.29.21", false, &tlv(0x0a, &[&[code]]))
}

/// The invalidity date of an entry.
pub fn invalidity_date(date: &str) -> Vec<u8> {
    extension("2.5.29.24", false, &generalized_time(date))
}

/// The certificate issuer of an entry, given the DER of its name.
pub fn certificate_issuer(name: &[u8]) -> Vec<u8> {
    extension("2.5.29.29", true, &sequence(&[&directory_name(name)]))
}

/// A GeneralName that is a directory name.
pub fn directory_name(name: &[u8]) -> Vec<u8> {
    explicit(4, name)
}

/// A GeneralName that is a URI.
pub fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, &[text.as_bytes()])
}

/// The DistributionPointName field with full names, GeneralName each.
pub fn full_name(names: &[Vec<u8>]) -> Vec<u8> {
    explicit(0, &tlv(0xa0, &[&names.concat()]))
}

/// The DistributionPointName field with a common name relative to the list's issuer.
pub fn relative_name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&oid("2.5.4.3"), &utf8(common_name)]);
    explicit(0, &tlv(0xa1, &[&attribute]))
}

/// A name under another one, as [`relative_name`] means it.
pub fn name_under(issuer: &[u8], common_name: &str) -> Vec<u8> {
    let mut parts = crate::der::members(issuer);
    parts.push(set(&[&sequence(&[&oid("2.5.4.3"), &utf8(common_name)])]));
    sequence(&[&parts.concat()])
}

/// ReasonFlags under the tag of a field, with these bits.
pub fn reason_flags(tag: u8, flags: &[u8]) -> Vec<u8> {
    let set = flags.iter().fold(0_u16, |set, bit| set | 0x8000 >> bit);
    let octets = &set.to_be_bytes()[..if set & 0xff == 0 { 1 } else { 2 }];
    tlv(tag, &[&[(set.trailing_zeros() % 8) as u8], octets])
}

/// The reasons field of a distribution point.
pub fn point_reasons(flags: &[u8]) -> Vec<u8> {
    reason_flags(0x81, flags)
}

/// The cRLIssuer field of a distribution point, given the DER of a name.
pub fn point_issuer(name: &[u8]) -> Vec<u8> {
    tlv(0xa2, &[&directory_name(name)])
}

/// The distribution points of a certificate, each the fields of one.
pub fn distribution_points(points: &[&[Vec<u8>]]) -> Vec<u8> {
    let points: Vec<u8> = points.iter().flat_map(|fields| sequence(&[&fields.concat()])).collect();
    extension("2.5.29.31", false, &sequence(&[&points]))
}

/// The issuing distribution point of a list with these fields.
pub fn issuing_point(fields: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.28", true, &sequence(&[&fields.concat()]))
}

/// The field onlyContainsUserCerts.
pub fn only_users() -> Vec<u8> {
    flag(1)
}

/// The field onlyContainsCACerts.
pub fn only_cas() -> Vec<u8> {
    flag(2)
}

/// The field onlySomeReasons.
pub fn only_reasons(flags: &[u8]) -> Vec<u8> {
    reason_flags(0x83, flags)
}

/// The field indirectCRL.
pub fn indirect() -> Vec<u8> {
    flag(4)
}

/// The field onlyContainsAttributeCerts.
pub fn only_attributes() -> Vec<u8> {
    flag(5)
}

fn flag(number: u8) -> Vec<u8> {
    let value = boolean(true);
    tlv(0x80 | number, &[&value[2..]])
}
