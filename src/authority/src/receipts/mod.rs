//! What the records that came back come to: machines against the seats that tokens grant, copied machines, and
//! activations that came too late. Pure: from the ledger's entries to counts and findings.

mod machines;

use crate::{
    error::Error,
    ledger::{Body, Entry},
    register::Register,
    words::{RevocationWord, hex},
};
use countersign_common::{
    ComponentKind, MachineComponent, SignedObject, Time, Token,
    token::{MachineBinding, Seconds},
};
use machines::{Conflict, Sighting, copies, tell_apart, turns};
use std::collections::{BTreeMap, BTreeSet};

/// Something about records that cannot be right, or has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptFinding {
    /// The stable code.
    pub code: &'static str,
    /// The fact in one line.
    pub fact: String,
    /// What to do about it.
    pub advice: &'static str,
    /// Id of the token.
    pub(crate) token: String,
    /// The records that prove it: places in [`Facts::receipts`].
    pub(crate) receipts: Vec<usize>,
}

impl ReceiptFinding {
    /// Every code of the findings about records with what it says, for docs/codes.md.
    pub const CODES: &'static [(&'static str, &'static str)] = &[
        ("CS-7130", "record received after its holder was revoked"),
        ("CS-7132", "more machines activated than seats"),
        ("CS-7133", "one identity in several machines"),
        ("CS-7134", "activated after the token was revoked"),
        ("CS-7135", "activated after the holder was revoked"),
        ("CS-7136", "activated under a version that was superseded"),
    ];

    fn new(code: &'static str, token: &str, receipts: Vec<usize>, fact: String) -> Self {
        let advice = match code {
            "CS-7130" => {
                "it is noted, but no list will vouch for it: have the machine activated again by somebody else"
            }
            "CS-7132" => "settle it with the customer; the next token can list the machines",
            "CS-7133" => "ask which of them the customer runs; a token with more components to match stops the others",
            "CS-7134" => "see that the lists reach the site, and find out who still has that token",
            "CS-7135" => "find out who has the card; have the machine activated again by somebody else",
            _ => "see that the newest token reaches those who activate",
        };
        Self { code, fact, advice, token: token.to_owned(), receipts }
    }
}

/// What the ledger has that bears on receipts.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Each record once, in the order of the ledger.
    pub(crate) receipts: Vec<Receipt>,
    versions: Vec<Version>,
    /// Places of the versions by id and number.
    places: BTreeMap<(String, u32), usize>,
    register: Register,
}

/// A record that came back. Digests are SHA-256 in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) digest: String,
    /// The entry in the ledger.
    pub(crate) sequence: i64,
    /// When it was entered.
    pub(crate) entered: String,
    /// Digest of the holder's certificate.
    pub(crate) holder: String,
    /// The holder's subject.
    pub(crate) subject: String,
    /// When the machine was activated, by its own clock.
    pub(crate) activated: Time,
    version: usize,
    machine: Vec<MachineComponent>,
}

/// A version of a token, as far as it bears on receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) revision: u32,
    pub(crate) customer: String,
    pub(crate) product: String,
    customer_name: String,
    seats: Option<u32>,
    /// Without the machines that it lists.
    rule: MachineBinding,
    issued: Time,
    /// How long an activation holds; nothing where it has no end.
    validity: Option<Seconds>,
}

/// What the records come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Customers by their identifiers, as far as there are records.
    pub(crate) customers: Vec<CustomerCount>,
    /// By code.
    pub(crate) findings: Vec<ReceiptFinding>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CustomerCount {
    pub(crate) id: String,
    /// The name in the last of the tokens.
    pub(crate) name: String,
    /// Distinct machines under all tokens together.
    pub(crate) machines: usize,
    /// By id.
    pub(crate) tokens: Vec<TokenCount>,
}

/// All versions of a token together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TokenCount {
    pub(crate) id: String,
    pub(crate) product: String,
    /// What the latest version grants; nothing where it does not say.
    pub(crate) seats: Option<u32>,
    /// Distinct machines.
    pub(crate) machines: usize,
    pub(crate) records: usize,
    /// The last record of each machine: places in [`Facts::receipts`].
    pub(crate) last: Vec<usize>,
}

impl CustomerCount {
    /// The seats of all its tokens; nothing where one does not say.
    pub(crate) fn seats(&self) -> Option<u64> {
        self.tokens.iter().map(|token| token.seats.map(u64::from)).sum()
    }

    /// The seats that are taken: one for each machine under each token.
    pub(crate) fn taken(&self) -> usize {
        self.tokens.iter().map(|token| token.machines).sum()
    }
}

impl Facts {
    /// Takes the next entry into account.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Error> {
        let sequence = entry.sequence;
        let damaged = || Error::LedgerDamaged(format!("entry {sequence}: what it holds cannot be read"));
        match &entry.body {
            Body::TokenIssued { token, .. } => {
                let token = read_token(token).ok_or_else(damaged)?;
                return self.add_token(entry, &token);
            }
            Body::RecordReceived { digest, token, revision, holder, subject, activated, machine }
                if !self.register.received.contains_key(digest) =>
            {
                let version = *self.places.get(&(token.clone(), *revision)).ok_or_else(damaged)?;
                self.receipts.push(Receipt {
                    digest: digest.clone(),
                    sequence,
                    entered: entry.time.clone(),
                    holder: holder.clone(),
                    subject: subject.clone(),
                    activated: activated.parse().map_err(|_| damaged())?,
                    version,
                    machine: components(machine).ok_or_else(damaged)?,
                });
            }
            _ => {}
        }
        self.register.add(entry)
    }

    /// The same for the entry of a token that was read already.
    pub(crate) fn add_token(&mut self, entry: Entry, token: &Token) -> Result<(), Error> {
        let sequence = entry.sequence;
        if let Body::TokenIssued { id, revision, .. } = &entry.body {
            let damaged = |_| Error::LedgerDamaged(format!("entry {sequence}: what it holds cannot be read"));
            let issued = entry.time.parse().map_err(damaged)?;
            self.places.insert((id.clone(), *revision), self.versions.len());
            self.versions.push(Version::of(token, issued));
        }
        self.register.add(entry)
    }

    /// Whether a version of a token was taken into account.
    pub(crate) fn has_version(&self, id: &str, revision: u32) -> bool {
        self.places.contains_key(&(id.to_owned(), revision))
    }

    /// The version that a record was activated under.
    pub(crate) fn version(&self, receipt: &Receipt) -> &Version {
        &self.versions[receipt.version]
    }

    /// The records that prove a finding.
    pub(crate) fn proof<'a>(&'a self, finding: &'a ReceiptFinding) -> impl Iterator<Item = &'a Receipt> {
        finding.receipts.iter().filter_map(|place| self.receipts.get(*place))
    }

    /// When an activation runs out; nothing where it has no end.
    pub(crate) fn end(&self, receipt: &Receipt) -> Option<Time> {
        self.version(receipt).validity.map(|validity| receipt.activated.plus(validity.into()))
    }

    /// Counts the machines and looks for what cannot be right.
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        let names = self.versions.iter().map(|version| (version.customer.as_str(), version.customer_name.as_str()));
        let names: BTreeMap<_, _> = names.collect();
        let mut customers: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (place, receipt) in self.receipts.iter().enumerate() {
            let version = self.version(receipt);
            customers.entry(&version.customer).or_default().entry(&version.id).or_default().push(place);
        }
        for (customer, tokens) in customers {
            let mut all = Vec::new();
            let mut counts = Vec::new();
            for (id, mut places) in tokens {
                places
                    .sort_by_key(|place| self.receipts.get(*place).map(|receipt| (receipt.activated, &receipt.digest)));
                counts.push(self.token(id, &places, &mut report.findings));
                all.extend(places);
            }
            let machines = distinct(&tell_apart(&self.sightings(&all)));
            let name = names.get(customer).copied().unwrap_or_default().to_owned();
            report.customers.push(CustomerCount { id: customer.to_owned(), name, machines, tokens: counts });
        }
        for (place, receipt) in self.receipts.iter().enumerate() {
            report.findings.extend(self.late(place, receipt));
        }
        report.findings.sort_by_key(|finding| finding.code);
        report
    }

    /// The versions of a token from a number on, ascending.
    fn versions_from(&self, id: &str, revision: u32) -> impl Iterator<Item = &Version> {
        let range = (id.to_owned(), revision)..=(id.to_owned(), u32::MAX);
        self.places.range(range).filter_map(|(_, place)| self.versions.get(*place))
    }

    fn sightings(&self, places: &[usize]) -> Vec<Sighting<'_>> {
        let receipts = places.iter().filter_map(|place| self.receipts.get(*place));
        receipts
            .map(|receipt| Sighting {
                version: receipt.version,
                rule: &self.version(receipt).rule,
                machine: &receipt.machine,
            })
            .collect()
    }

    /// What the records under one token come to, given in the order of their times.
    fn token(&self, id: &str, places: &[usize], findings: &mut Vec<ReceiptFinding>) -> TokenCount {
        let sightings = self.sightings(places);
        let machines = tell_apart(&sightings);
        let latest = self.versions_from(id, 0).last();
        let (seats, product) = latest.map(|latest| (latest.seats, latest.product.clone())).unwrap_or_default();
        let count = distinct(&machines);
        if let Some(seats) = seats.filter(|seats| usize::try_from(*seats).is_ok_and(|seats| count > seats)) {
            // The first record of each machine.
            let mut seen = BTreeSet::new();
            let first = machines.iter().zip(places).filter(|(machine, _)| seen.insert(**machine));
            let first = first.map(|(_, place)| *place).collect();
            let fact = format!("the token {id} grants {seats} seats, and {count} machines were activated under it");
            findings.push(ReceiptFinding::new("CS-7132", id, first, fact));
        }
        let mut conflict = |conflict: Conflict, fact: String| {
            let receipts = conflict.sightings.iter().filter_map(|place| places.get(*place)).copied().collect();
            findings.push(ReceiptFinding::new("CS-7133", id, receipts, fact));
        };
        for found in copies(&sightings, &machines) {
            let of: BTreeSet<_> = found.sightings.iter().filter_map(|place| machines.get(*place)).collect();
            let (kinds, count) = (names(&found.kinds), of.len());
            conflict(found, format!("{count} machines that the token {id} tells apart have the same {kinds}"));
        }
        for found in turns(&sightings, &machines) {
            let kinds = names(&found.kinds);
            conflict(
                found,
                format!("a machine under the token {id} had another {kinds}, and then the earlier one again"),
            );
        }
        let last: BTreeMap<_, _> = machines.iter().zip(places.iter().copied()).collect();
        let last = last.into_values().collect();
        TokenCount { id: id.to_owned(), product, seats, machines: count, records: places.len(), last }
    }

    /// What came too late about a record: after its token or its holder was revoked, or after a later version of the
    /// token was issued.
    fn late(&self, place: usize, receipt: &Receipt) -> Vec<ReceiptFinding> {
        let Version { id, revision, .. } = self.version(receipt);
        let (at, subject) = (receipt.activated, &receipt.subject);
        let mut found = Vec::new();
        let mut find = |code, fact| found.push(ReceiptFinding::new(code, id, vec![place], fact));
        let revoked = self.register.revoked_tokens.get(id).filter(|revoked| *revision <= revoked.revision);
        if let Some(revoked) = revoked.filter(|revoked| at >= revoked.date) {
            let (date, reason) = (revoked.date, revoked.reason.name());
            find(
                "CS-7134",
                format!("activated {at} under the token {id} version {revision}, revoked since {date}: {reason}"),
            );
        }
        match self.register.revoked_certificates.get(&receipt.holder) {
            Some(revoked) if at >= revoked.date => {
                let (date, reason) = (revoked.date, revoked.reason.name());
                find("CS-7135", format!("activated {at} by {subject}, revoked since {date}: {reason}"));
            }
            // The date may be a thief's: only what was received before stands. A hold takes nothing away for good.
            Some(revoked)
                if !revoked.reason.spares_what_was_before()
                    && revoked.reason != RevocationWord::CertificateHold
                    && !self.register.was_received_in_time(&receipt.digest) =>
            {
                find("CS-7130", format!("{subject} was revoked before it came back: {}", revoked.reason.name()));
            }
            _ => {}
        }
        let later = self.versions_from(id, revision.saturating_add(1)).filter(|later| later.revision > *revision);
        if let Some(next) = later.min_by_key(|version| version.issued).filter(|next| at >= next.issued) {
            let (number, issued) = (next.revision, next.issued);
            let fact = format!(
                "activated {at} under version {revision} of the token {id}; version {number} superseded it {issued}"
            );
            find("CS-7136", fact);
        }
        found
    }
}

impl Version {
    fn of(token: &Token, issued: Time) -> Self {
        let binding = &token.binding;
        Self {
            id: token.id.to_string(),
            revision: token.revision,
            customer: token.customer.id.clone(),
            customer_name: token.customer.name.clone(),
            product: token.product.id.clone(),
            seats: token.seats,
            rule: MachineBinding {
                salt: binding.salt,
                required: binding.required,
                components: binding.components.clone(),
                machines: None,
                tpm: binding.tpm,
                virtual_machines: binding.virtual_machines,
            },
            issued,
            validity: token.terms.validity,
        }
    }
}

/// A token, from the DER of its object.
pub(crate) fn read_token(der: &[u8]) -> Option<Token> {
    Token::from_der(SignedObject::from_der(der).ok()?.content()).ok()
}

/// A machine's components as the ledger has them.
fn components(machine: &BTreeMap<String, Vec<String>>) -> Option<Vec<MachineComponent>> {
    let component = |(name, digests): (&String, &Vec<String>)| {
        let kind: ComponentKind = name.parse().ok()?;
        Some(MachineComponent { kind, digests: digests.iter().map(|text| hex(text).ok()).collect::<Option<_>>()? })
    };
    let mut components = machine.iter().map(component).collect::<Option<Vec<_>>>()?;
    components.sort_by_key(|component| component.kind);
    Some(components)
}

fn distinct(machines: &[usize]) -> usize {
    machines.iter().collect::<BTreeSet<_>>().len()
}

/// `dmi-uuid and machine-id`.
fn names(kinds: &[ComponentKind]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use RevocationWord::{
        AffiliationChanged, CertificateHold, CessationOfOperation, KeyCompromise, PrivilegeWithdrawn, Superseded,
        Unspecified,
    };
    use countersign_common::{Octets, sha256};
    use countersign_testpki::{Cast, hex as to_hex};

    /// A ledger in which one thing happens after the other, each at a time of its own.
    #[derive(Default)]
    struct Story {
        facts: Facts,
        entries: i64,
    }

    impl Story {
        fn add(&mut self, time: &str, body: Body) -> Result<(), Error> {
            self.entries += 1;
            let leaf = Octets([0; 32]);
            self.facts.add(Entry { sequence: self.entries, time: time.to_owned(), leaf, body })
        }

        fn issue(&mut self, time: &str, revision: u32, seats: Option<u32>) -> String {
            let (cast, mut id) = (Cast::new(), String::new());
            let token = cast.token(|body| {
                (body.revision, body.seats) = (revision, seats);
                id = body.id.to_string();
            });
            let body = Body::TokenIssued {
                id: id.clone(),
                revision,
                customer: "example-org".to_owned(),
                customer_name: "Example Organisation".to_owned(),
                salt: "07".repeat(32),
                product: "control-room".to_owned(),
                signer: "11".to_owned(),
                digest: "22".to_owned(),
                token,
            };
            self.add(time, body).unwrap();
            id
        }

        /// A record with a digest, of a machine with a name.
        fn receive(&mut self, digest: &str, machine: &str, revision: u32, activated: &str) -> Result<(), Error> {
            let token = self.facts.versions[0].id.clone();
            let value = |kind: &str| (kind.to_owned(), vec![to_hex(&sha256(format!("{kind} {machine}").as_bytes()))]);
            let body = Body::RecordReceived {
                digest: digest.to_owned(),
                token,
                revision,
                holder: "33".to_owned(),
                subject: "CN=Alex".to_owned(),
                activated: activated.to_owned(),
                machine: ["machine-id", "disk-serial"].into_iter().map(value).collect(),
            };
            self.add("2026-08-01T00:00:00Z", body)
        }

        fn revoke_holder(&mut self, reason: RevocationWord) {
            let body = Body::CertificateRevoked {
                digest: "33".to_owned(),
                issuer: "44".to_owned(),
                certificate: "3000".to_owned(),
                reason,
                date: "2026-07-01T00:00:00Z".to_owned(),
                standing: false,
            };
            self.add("2026-07-10T00:00:00Z", body).unwrap();
        }

        fn revoke_token(&mut self, revision: u32, reason: RevocationWord) {
            let (id, digest, date) = (self.facts.versions[0].id.clone(), None, "2026-07-01T00:00:00Z".to_owned());
            self.add("2026-07-10T00:00:00Z", Body::TokenRevoked { id, revision, reason, date, digest }).unwrap();
        }

        /// The findings, each with the digests of its records.
        fn found(&self) -> Vec<(&'static str, Vec<String>)> {
            let report = self.facts.report();
            let digests =
                |found: &ReceiptFinding| self.facts.proof(found).map(|receipt| receipt.digest.clone()).collect();
            report.findings.iter().map(|found| (found.code, digests(found))).collect()
        }
    }

    const BEFORE: &str = "2026-06-30T23:59:59Z";
    const SINCE: &str = "2026-07-01T00:00:00Z";

    #[test]
    fn what_is_late_depends_on_why_the_holder_was_revoked() {
        for (reason, undated) in [
            (KeyCompromise, true),
            (Unspecified, true),
            (PrivilegeWithdrawn, true),
            (AffiliationChanged, false),
            (Superseded, false),
            (CessationOfOperation, false),
            (CertificateHold, false),
        ] {
            let mut story = Story::default();
            story.issue("2026-02-02T08:00:00Z", 1, None);
            story.receive("a1", "1", 1, BEFORE).unwrap();
            story.receive("a2", "2", 1, SINCE).unwrap();
            story.revoke_holder(reason);
            story.receive("b1", "3", 1, BEFORE).unwrap();
            story.receive("b2", "4", 1, SINCE).unwrap();
            let mut expected = vec![("CS-7135", vec!["a2".to_owned()]), ("CS-7135", vec!["b2".to_owned()])];
            if undated {
                expected.insert(0, ("CS-7130", vec!["b1".to_owned()]));
            }
            assert_eq!(story.found(), expected, "{reason:?}");
            let digest = "33".to_owned();
            story.add("2026-07-11T00:00:00Z", Body::CertificateReinstated { digest }).unwrap();
            assert_eq!(story.found(), []);
        }
    }

    #[test]
    fn what_is_late_under_a_token_depends_on_date_and_version() {
        for reason in [Unspecified, AffiliationChanged, Superseded, CertificateHold, PrivilegeWithdrawn] {
            let mut story = Story::default();
            story.issue("2026-02-02T08:00:00Z", 1, None);
            let id = story.issue(SINCE, 2, None);
            for (digest, revision, activated) in [("a", 1, BEFORE), ("b", 1, SINCE), ("c", 2, SINCE)] {
                story.receive(digest, digest, revision, activated).unwrap();
            }
            let superseded = ("CS-7136", vec!["b".to_owned()]);
            assert_eq!(story.found(), std::slice::from_ref(&superseded));
            let late = |digest: &str| ("CS-7134", vec![digest.to_owned()]);
            story.revoke_token(1, reason);
            assert_eq!(story.found(), [late("b"), superseded.clone()], "{reason:?}");
            story.revoke_token(2, reason);
            assert_eq!(story.found(), [late("b"), late("c"), superseded.clone()], "{reason:?}");
            story.add("2026-07-11T00:00:00Z", Body::TokenReinstated { id }).unwrap();
            assert_eq!(story.found(), [superseded]);
        }
    }

    #[test]
    fn machines_are_held_against_the_seats_of_the_latest_version() {
        let mut story = Story::default();
        story.issue("2026-02-02T08:00:00Z", 1, Some(2));
        for (digest, machine) in [("a", "1"), ("b", "2"), ("c", "1"), ("a", "1")] {
            story.receive(digest, machine, 1, BEFORE).unwrap();
        }
        assert_eq!(story.found(), []);
        story.receive("d", "3", 1, SINCE).unwrap();
        assert_eq!(story.found(), [("CS-7132", ["a", "b", "d"].map(str::to_owned).to_vec())]);
        let report = story.facts.report();
        let [customer] = report.customers.as_slice() else { panic!("one customer") };
        assert_eq!((customer.machines, customer.taken(), customer.seats()), (3, 3, Some(2)));
        assert_eq!((customer.tokens[0].records, customer.name.as_str()), (4, "Example Organisation"));
        // More seats settle it; a version that does not state any sets no limit.
        story.issue("2026-09-01T00:00:00Z", 2, Some(3));
        assert_eq!(story.found(), []);
        story.issue("2026-09-02T00:00:00Z", 3, Some(1));
        assert_eq!(story.found().len(), 1);
        story.issue("2026-09-03T00:00:00Z", 4, None);
        assert_eq!((story.found(), story.facts.report().customers[0].seats()), (vec![], None));
    }

    #[test]
    fn a_ledger_that_contradicts_itself_is_damaged() {
        let mut story = Story::default();
        story.issue("2026-02-02T08:00:00Z", 1, None);
        for (revision, activated) in [(2, BEFORE), (1, "yesterday")] {
            let refused = story.receive("a", "1", revision, activated).unwrap_err();
            assert_eq!(refused.code(), "CS-7041");
        }
        assert!(components(&BTreeMap::from([("colour".to_owned(), vec![])])).is_none());
        assert!(components(&BTreeMap::from([("cpu".to_owned(), vec!["00".to_owned()])])).is_none());
    }
}
