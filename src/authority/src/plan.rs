//! From what was typed to what will be done: every file read, every term decided, nothing signed yet.

use crate::{
    args::Issue,
    error::Error,
    files,
    limits::Defaults,
    profile::{EntitlementEntry, EntitlementTable, ExtensionTable, GrantTable, ListsTable, MachineTable, Profile},
    words::{Anchor, Component, hex, last_second},
};
use countersign_common::{
    Certificate, ComponentFact, ComponentKind, Digest32, Extension, GeneralizedTime, MAX_FILE_SIZE, MachineFacts,
    Octets, Time, decode_certificates,
    token::{
        ActivationTerms, ClockRepair, ComponentRule, Customer, Entitlement, FORMAT_VERSION, Grant, KeyProtection,
        ListTerms, ListedMachine, MachineBinding, ProductTerms, Token, TpmRule, Window,
    },
};
use der::{
    Decode,
    asn1::{Any, OctetString},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The components that count unless others are stated: what tells machines apart by itself. The processor does not.
pub(crate) const COMPONENTS: [ComponentKind; 5] = [
    ComponentKind::DmiUuid,
    ComponentKind::BoardSerial,
    ComponentKind::DiskSerial,
    ComponentKind::MachineId,
    ComponentKind::NetworkAddress,
];
/// How many must match unless stated otherwise: a virtual machine may offer no more.
const REQUIRED: u8 = 2;
/// The largest description of a machine that is read, in octets.
const MAX_MACHINE_FILE: usize = 256 * 1024;

/// A token that is to be issued, but for what only the ledger knows.
#[derive(Debug)]
pub(crate) struct IssuePlan {
    pub(crate) customer: String,
    /// Needed where the ledger does not know the customer.
    pub(crate) customer_name: Option<String>,
    /// The token of which this is a new version.
    pub(crate) supersedes: Option<Octets<16>>,
    pub(crate) out: Option<PathBuf>,
    pub(crate) dry_run: bool,
    pub(crate) for_newer_verifier: bool,
    /// How many officers have to approve it, as the profile says.
    pub(crate) approvals: u8,
    product: ProductTerms,
    window: Window,
    grants: Vec<Grant>,
    terms: ActivationTerms,
    binding: Binding,
    entitlements: Vec<Entitlement>,
    seats: Option<u32>,
    lists: Option<ListTerms>,
    extensions: Vec<Extension>,
}

#[derive(Debug)]
struct Binding {
    required: u8,
    components: Vec<ComponentRule>,
    machines: Vec<(String, MachineFacts)>,
    tpm: TpmRule,
    virtual_machines: bool,
}

/// What only the ledger knows, or chance decides.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) id: Octets<16>,
    pub(crate) revision: u32,
    pub(crate) customer_name: String,
    pub(crate) salt: Digest32,
}

impl IssuePlan {
    /// Decides every term: what was typed goes before the profile, and the defaults come last. `holder_root` is the DER
    /// of the authority's own one.
    pub(crate) fn new(
        mut profile: Profile,
        arguments: Issue,
        defaults: &Defaults,
        now: Time,
        holder_root: &[u8],
    ) -> Result<Self, Error> {
        let supersedes =
            arguments.supersedes.as_deref().map(hex).transpose().map_err(|fault| {
                Error::Usage(format!("--supersedes: {fault}; `ledger list` shows the ids of tokens"))
            })?;
        let (out, dry_run, for_newer_verifier) =
            (arguments.out.clone(), arguments.dry_run, arguments.for_newer_verifier);
        override_by_flags(&mut profile, arguments)?;
        defaults.fill(&mut profile);
        let needed = |value: Option<String>, what| value.ok_or_else(|| Error::Usage(format!("{what} is not stated")));
        let product = ProductTerms {
            id: needed(profile.product.id.take(), "the product (--product, or id under [product])")?,
            edition: profile.product.edition.take(),
            from: profile.product.from,
            below: profile.product.below,
        };
        Ok(Self {
            customer: needed(profile.customer.id.take(), "the customer (--customer, or id under [customer])")?,
            customer_name: profile.customer.name.take(),
            supersedes,
            out,
            dry_run,
            for_newer_verifier,
            approvals: profile.approvals.unwrap_or_default(),
            product,
            window: window(&profile, now)?,
            grants: grants(&profile, holder_root)?,
            terms: terms(&profile)?,
            entitlements: entitlements(&profile),
            seats: profile.seats,
            lists: profile.lists.as_ref().map(|lists| ListTerms {
                oldest_number: lists.oldest_number,
                max_age: lists.max_age.map(|interval| interval.0),
            }),
            extensions: extensions(&profile.extensions)?,
            binding: binding(profile)?,
        })
    }

    /// The identifier of the product, for the name of the file.
    pub(crate) fn product(&self) -> &str {
        &self.product.id
    }

    /// The body. The same plan and identity give the same body.
    pub(crate) fn body(&self, identity: &Identity) -> Token {
        let mut binding = MachineBinding {
            salt: identity.salt,
            required: self.binding.required,
            components: self.binding.components.clone(),
            machines: None,
            tpm: self.binding.tpm,
            virtual_machines: self.binding.virtual_machines,
        };
        let machines: Vec<_> = self
            .binding
            .machines
            .iter()
            .map(|(label, facts)| ListedMachine { label: label.clone(), components: facts.digests(&binding) })
            .collect();
        binding.machines = some(machines);
        Token {
            version: FORMAT_VERSION,
            id: identity.id,
            revision: identity.revision,
            customer: Customer { id: self.customer.clone(), name: identity.customer_name.clone() },
            product: self.product.clone(),
            window: self.window,
            grants: self.grants.clone(),
            terms: self.terms.clone(),
            binding,
            entitlements: some(self.entitlements.clone()),
            seats: self.seats,
            lists: self.lists.clone(),
            extensions: some(self.extensions.clone()),
        }
    }
}

/// A list that is absent where it is empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

/// Flags go before the profile. Those about holders and machines replace what the profile says of them as a whole.
pub(crate) fn override_by_flags(profile: &mut Profile, flags: Issue) -> Result<(), Error> {
    fn set<T>(place: &mut Option<T>, flag: Option<T>) {
        if flag.is_some() {
            *place = flag;
        }
    }
    set(&mut profile.customer.id, flags.customer);
    set(&mut profile.customer.name, flags.customer_name);
    set(&mut profile.product.id, flags.product);
    set(&mut profile.product.edition, flags.edition);
    set(&mut profile.product.from, flags.product_from);
    set(&mut profile.product.below, flags.product_below);
    set(&mut profile.seats, flags.seats);
    for entitlement in flags.entitlement {
        let table = EntitlementTable { value: entitlement.value, until: entitlement.until };
        profile.entitlements.insert(entitlement.name, EntitlementEntry::Table(table));
    }

    set(&mut profile.window.from, flags.activate_from);
    if let Some(until) = &flags.activate_until {
        profile.window.within = None;
        profile.window.until =
            Some(last_second(until).map_err(|fault| Error::Usage(format!("--activate-until {until}: {fault}")))?);
    }
    if flags.activate_within.is_some() {
        profile.window.until = None;
        profile.window.within = flags.activate_within;
    }
    set(&mut profile.terms.validity, flags.validity);
    set(&mut profile.terms.renew_after, flags.renew_after);
    set(&mut profile.terms.grace, flags.grace);
    set(&mut profile.terms.notification, flags.notification);
    if !flags.clock_repair_anchor.is_empty() {
        profile.terms.clock_repair.get_or_insert_default().timestamp_anchors = flags.clock_repair_anchor;
    }

    if !flags.holder_anchor.is_empty() {
        profile.grants.clear();
    }
    let anchors =
        flags.holder_anchor.into_iter().map(|anchor| GrantTable { anchor: Some(anchor), ..Default::default() });
    profile.grants.extend(anchors);
    if profile.grants.is_empty() {
        profile.grants.push(GrantTable { anchor: Some(Anchor::Own), ..Default::default() });
    }
    for grant in &mut profile.grants {
        grant.criteria.extend(flags.criterion.iter().cloned());
        grant.direct_issuer |= flags.direct_issuer;
        grant.authentication_slot |= flags.authentication_slot;
        grant.attested |= flags.attested;
        set(&mut grant.persons, flags.persons);
    }

    set(&mut profile.binding.required, flags.require);
    if !flags.component.is_empty() {
        profile.binding.components = flags.component;
    }
    if !flags.machine.is_empty() {
        profile.binding.machines = flags
            .machine
            .into_iter()
            .map(|machine| MachineTable { label: Some(machine.label), file: machine.file })
            .collect();
    }
    set(&mut profile.binding.virtual_machines, flags.virtual_machines);
    set(&mut profile.binding.tpm, flags.tpm);
    if flags.oldest_list.is_some() || flags.list_max_age.is_some() {
        let lists = profile.lists.get_or_insert_with(ListsTable::default);
        set(&mut lists.oldest_number, flags.oldest_list);
        set(&mut lists.max_age, flags.list_max_age);
    }
    Ok(())
}

fn window(profile: &Profile, now: Time) -> Result<Window, Error> {
    // A window that is over is told as such by the lint, not as one that ends before it begins.
    let opens_by = profile.window.until.map_or(now, |until| until.min(now));
    let not_before = profile.window.from.unwrap_or(opens_by);
    let not_after = match (profile.window.until, profile.window.within) {
        (Some(until), _) => until,
        (None, Some(within)) => not_before.plus(within.0.into()),
        (None, None) => {
            return Err(Error::Usage(
                "until when may machines be activated? state --activate-until or --activate-within".to_owned(),
            ));
        }
    };
    Ok(Window { not_before: GeneralizedTime(not_before), not_after: GeneralizedTime(not_after) })
}

fn terms(profile: &Profile) -> Result<ActivationTerms, Error> {
    let terms = &profile.terms;
    let repair = |table: &crate::profile::ClockRepairTable| {
        let anchors = table.timestamp_anchors.iter().map(|path| Ok(Any::from_der(&certificate(path)?)?));
        let anchors = anchors.collect::<Result<Vec<_>, Error>>()?;
        Ok::<_, Error>(ClockRepair { timestamp_anchors: some(anchors), two_holders: table.two_holders })
    };
    Ok(ActivationTerms {
        validity: terms.validity.map(|interval| interval.0),
        renew_after: terms.renew_after.map(|interval| interval.0),
        grace: terms.grace.map(|interval| interval.0),
        notification: terms.notification.map(|interval| interval.0),
        clock_repair: terms.clock_repair.as_ref().map(repair).transpose()?,
    })
}

fn grants(profile: &Profile, holder_root: &[u8]) -> Result<Vec<Grant>, Error> {
    let mut grants = Vec::with_capacity(profile.grants.len());
    for (index, table) in profile.grants.iter().enumerate() {
        let anchor = match table.anchor.as_ref().unwrap_or(&Anchor::Own) {
            Anchor::Own => Grant::certificate_anchor(holder_root)?,
            Anchor::KeyDigest(digest) => Grant::key_digest_anchor(*digest)?,
            Anchor::File(path) => Grant::certificate_anchor(&certificate(path)?)?,
        };
        grants.push(Grant {
            number: profile.grant_number(index),
            anchor,
            direct_issuer: table.direct_issuer,
            criteria: some(table.criteria.iter().map(|text| text.0.clone()).collect()),
            authentication_slot: table.authentication_slot,
            key_protection: if table.attested { KeyProtection::Attested } else { KeyProtection::Any },
            persons: table.persons.unwrap_or(1),
        });
    }
    grants.sort_by_key(|grant| grant.number);
    Ok(grants)
}

/// DER of the one certificate in a file.
pub(crate) fn certificate(path: &Path) -> Result<Vec<u8>, Error> {
    let refused = |fault: String| Error::CertificateFile { path: path.to_owned(), fault };
    let file = files::read(path, MAX_FILE_SIZE)?;
    let mut certificates = decode_certificates(&file).map_err(|reason| refused(reason.to_string()))?;
    let der = certificates.pop().filter(|_| certificates.is_empty());
    let der = der.ok_or_else(|| refused("expected one certificate".to_owned()))?;
    Certificate::from_der(&der).map_err(|error| refused(error.to_string()))?;
    Ok(der)
}

fn entitlements(profile: &Profile) -> Vec<Entitlement> {
    let mut list: Vec<_> = profile
        .entitlements
        .iter()
        .map(|(name, entry)| {
            let (value, until) = match entry {
                EntitlementEntry::Value(value) => (value, None),
                EntitlementEntry::Table(table) => (&table.value, table.until),
            };
            Entitlement { name: name.clone(), value: value.clone(), not_after: until.map(GeneralizedTime) }
        })
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

fn extensions(tables: &[ExtensionTable]) -> Result<Vec<Extension>, Error> {
    let read = |table: &ExtensionTable| {
        Ok(Extension { id: table.id.0, critical: table.critical, value: OctetString::new(table.value.0.as_slice())? })
    };
    let mut list = tables.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    list.sort_by_key(|extension| extension.id);
    Ok(list)
}

fn binding(profile: Profile) -> Result<Binding, Error> {
    let table = profile.binding;
    let mut components: Vec<_> = table.components.iter().map(|Component(rule)| *rule).collect();
    if components.is_empty() {
        components = COMPONENTS.map(|kind| ComponentRule { kind, mandatory: false }).to_vec();
    }
    components.sort_by_key(|rule| rule.kind);
    let machines = table
        .machines
        .into_iter()
        .map(|machine| Ok((machine.label.unwrap_or_default(), machine_facts(&machine.file)?)))
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Binding {
        required: table.required.unwrap_or_else(|| REQUIRED.min(u8::try_from(components.len()).unwrap_or(REQUIRED))),
        components,
        machines,
        tpm: table.tpm.map_or(TpmRule::None, |tpm| tpm.0),
        virtual_machines: table.virtual_machines.unwrap_or(true),
    })
}

/// What `countersign-verifier machine --json` writes, as far as it is needed here.
#[derive(Deserialize)]
struct MachineDocument {
    machine: MachineDescription,
}

#[derive(Deserialize)]
struct MachineDescription {
    components: Vec<ComponentDescription>,
    #[serde(default)]
    virtualization: Option<String>,
}

#[derive(Deserialize)]
struct ComponentDescription {
    kind: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    unreadable: Option<String>,
}

/// The machine that a file describes.
pub(crate) fn machine_facts(path: &Path) -> Result<MachineFacts, Error> {
    let refused = |fault: String| Error::MachineFile { path: path.to_owned(), fault };
    let file = files::read(path, MAX_MACHINE_FILE)?;
    let document: MachineDocument = serde_json::from_slice(&file).map_err(|error| refused(error.to_string()))?;
    let mut facts = MachineFacts { components: Vec::new(), virtualization: document.machine.virtualization };
    for component in document.machine.components {
        // A later verifier may tell of more kinds than can be counted today.
        let Ok(kind) = component.kind.parse::<ComponentKind>() else { continue };
        if facts.components.iter().any(|(known, _)| *known == kind) {
            return Err(refused(format!("{kind} stands there twice")));
        }
        let fact = match (component.values.is_empty(), component.unreadable) {
            (false, _) => ComponentFact::Values(component.values),
            (true, Some(why)) => ComponentFact::Unreadable(why),
            (true, None) => ComponentFact::Absent,
        };
        facts.components.push((kind, fact));
    }
    if facts.components.is_empty() {
        return Err(refused("it names no component".to_owned()));
    }
    Ok(facts)
}
