//! A token in sentences, for officers who decide whether it goes out.

use crate::text::{interval, visible};
use countersign_common::{
    Certificate, ComponentKind, Time, Token,
    token::{
        AltNameForm, ClockRepair, Criterion, Grant, HolderAnchor, KeyProtection, MachineBinding, ProductVersion,
        Seconds, TpmRule,
    },
};

/// How many listed machines are named; a token may have thousands.
const NAMED_MACHINES: usize = 12;

/// What a token allows: for whom and what, where, when, by whom, for how long, and what follows. One sentence or a few
/// that belong together in each text. Nothing is said twice, and nothing that the token says is left out but its id, its
/// salt, the digests, and the values of additions; names and values stand as they are, see [`sentences`].
pub fn token_words(token: &Token) -> Vec<String> {
    let mut words = vec![customer(token)];
    words.extend(token.entitlements.iter().flatten().map(|entitlement| {
        let end = entitlement.not_after.map(|end| format!(", until {}", moment(end.0))).unwrap_or_default();
        format!("The product is told that {} is {}{end}.", entitlement.name, quoted(&entitlement.value))
    }));
    words.push(machines(&token.binding));
    words.push(recognition(&token.binding));
    words.extend(token.seats.map(|seats| {
        format!(
            "{} paid for. That number is counted from what comes back; no machine checks it.",
            count(seats, "seat is", "seats are")
        )
    }));
    words.push(window(token));
    words.extend(token.lists.as_ref().map(|lists| {
        let number = lists.oldest_number.map(|number| format!("numbered {number} or higher"));
        let age = lists.max_age.map(|age| format!("at most {} old", interval(age)));
        let which: Vec<_> = number.into_iter().chain(age).collect();
        format!("The machine needs a list of revoked tokens then, {}.", which.join(" and "))
    }));
    words.push(who(&token.grants));
    words.extend(end(token));
    words.extend(token.terms.clock_repair.as_ref().map(clock_repair));
    words.extend(token.extensions.iter().flatten().map(|extension| {
        let fate = if extension.critical {
            "a verifier that does not know it refuses the token"
        } else {
            "older verifiers ignore it"
        };
        format!("It has an addition of a later release, {}; {fate}.", extension.id)
    }));
    if token.revision > 1 {
        words.push(format!(
            "This is version {} of the token; on a machine it takes the place of the earlier versions.",
            token.revision
        ));
    }
    words
}

/// Sentences as a list for a terminal, without characters that control or mislead.
pub fn sentences(words: &[String]) -> String {
    words.iter().map(|sentence| format!("  - {}\n", visible(sentence))).collect()
}

fn customer(token: &Token) -> String {
    let product = &token.product;
    let edition = product.edition.as_ref().map(|edition| format!(" in the edition {edition}")).unwrap_or_default();
    let versions = match (product.from, product.below) {
        (None, None) => "every version".to_owned(),
        (Some(from), None) => format!("version {} and later", short(from)),
        (None, Some(below)) => format!("every version before {}", short(below)),
        (Some(from), Some(below)) => format!("version {} and later, before {}", short(from), short(below)),
    };
    let customer = &token.customer;
    format!("{} (customer {}) may use {}{edition}, {versions}.", quoted(&customer.name), customer.id, product.id)
}

fn machines(binding: &MachineBinding) -> String {
    let virtual_machines = match (binding.virtual_machines, &binding.machines) {
        (true, None) => " Virtual machines and containers count as machines.",
        (true, Some(_)) => "",
        (false, _) => " Virtual machines and containers are excluded.",
    };
    let where_to = match &binding.machines {
        None => "It can be activated on any machine, and on any number of them: nothing but the time below ends that."
            .to_owned(),
        Some(machines) => {
            let names: Vec<_> = machines.iter().take(NAMED_MACHINES).map(|machine| quoted(&machine.label)).collect();
            let more = machines.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let which = if machines.len() == 1 {
                "this machine".to_owned()
            } else {
                format!("these {} machines", machines.len())
            };
            format!("It can be activated on {which} only: {}{more}.", names.join(", "))
        }
    };
    format!("{where_to}{virtual_machines}")
}

fn recognition(binding: &MachineBinding) -> String {
    let part = |kind| match kind {
        ComponentKind::DmiUuid => "the number its maker gave the system",
        ComponentKind::BoardSerial => "the serial number of the main board",
        ComponentKind::DiskSerial => "the serial number of a disk",
        ComponentKind::MachineId => "the number that its operating system was installed with",
        ComponentKind::TpmKey => "the key in its TPM",
        ComponentKind::NetworkAddress => "the address of a network adapter",
        ComponentKind::Cpu => "the model of the processor",
    };
    let all: Vec<_> = binding.components.iter().map(|rule| part(rule.kind)).collect();
    let mandatory: Vec<_> =
        binding.components.iter().filter(|rule| rule.mandatory).map(|rule| part(rule.kind)).collect();
    let required = usize::from(binding.required);
    let how_many = match (required == all.len(), all.len()) {
        (_, 1) => format!("while this is as it was: {}", all.join("")),
        (true, _) => format!("while all of these are as they were: {}", all.join("; ")),
        (false, _) => format!("while at least {required} of these are as they were: {}", all.join("; ")),
    };
    let mandatory = if mandatory.is_empty() || required == all.len() {
        String::new()
    } else {
        format!(". Among them must be {}", mandatory.join(" and "))
    };
    let tpm = match binding.tpm {
        TpmRule::None => "",
        TpmRule::Preferred => " A TPM takes part where the machine has one.",
        TpmRule::Required => " A machine without a TPM is refused.",
    };
    format!("A machine counts as the same {how_many}{mandatory}.{tpm}")
}

fn window(token: &Token) -> String {
    let (opens, closes) = (token.window.not_before.0, token.window.not_after.0);
    // The last second is part of it.
    let days = (closes.unix().saturating_sub(opens.unix()) + 1) / 86_400;
    let length = if days > 1 { format!(", {days} days") } else { String::new() };
    format!(
        "It can be activated from {} until {}{length}. After that nothing new can be activated; what is \
         activated already is not touched.",
        moment(opens),
        moment(closes)
    )
}

fn who(grants: &[Grant]) -> String {
    let ways: Vec<_> = grants.iter().map(grant).collect();
    match ways.as_slice() {
        [way] => format!("Activating takes {way}."),
        ways => {
            let numbered = ways.iter().zip(grants).map(|(way, grant)| format!("({}) {way}", grant.number));
            format!("Activating takes one of these: {}.", numbered.collect::<Vec<_>>().join("; "))
        }
    }
}

fn grant(grant: &Grant) -> String {
    let mut buffer = Vec::new();
    let anchor = match grant.anchor(&mut buffer) {
        Ok(HolderAnchor::Certificate(der)) => Certificate::from_der(der).map_or_else(
            |error| format!("a certificate that cannot be read ({error})"),
            |anchor| anchor.subject_text(),
        ),
        Ok(HolderAnchor::KeyDigest(digest)) => format!("the authority whose public key has the SHA-256 {digest}"),
        Err(reason) => format!("an authority that cannot be read ({reason})"),
    };
    let cards = match grant.persons {
        0 | 1 => "a smart card,".to_owned(),
        persons => format!("the smart cards of {persons} persons together, each"),
    };
    let signing = if grant.authentication_slot {
        "with its key for signing or the one for logging in"
    } else {
        "with its key for signing"
    };
    let relation = if grant.direct_issuer { "itself" } else { "or an authority below it" };
    let criteria: Vec<_> = grant.criteria.iter().flatten().map(criterion).collect();
    let criteria = if criteria.is_empty() {
        ", whoever the holder is".to_owned()
    } else {
        format!(", if the certificate has {}", criteria.join(" and "))
    };
    let protection = match grant.key_protection {
        KeyProtection::Any => "",
        KeyProtection::Attested => ", and it is attested that the key was made in hardware",
    };
    format!("{cards} {signing}, certified by {anchor} {relation}{criteria}{protection}")
}

fn criterion(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Certificate(digest) => format!("the SHA-256 {digest}"),
        Criterion::ExtendedKeyUsage(usage) => format!("the extended key usage {usage}"),
        Criterion::Policy(policy) => format!("the policy {policy}"),
        Criterion::Subject(wanted) => {
            let attribute = wanted.attribute.to_string();
            let attribute = match attribute.as_str() {
                "2.5.4.3" => "common name",
                "2.5.4.5" => "serial number",
                "2.5.4.6" => "country",
                "2.5.4.7" => "place",
                "2.5.4.8" => "state",
                "2.5.4.10" => "organization",
                "2.5.4.11" => "organizational unit",
                "0.9.2342.19200300.100.1.1" => "user",
                other => other,
            };
            format!("{} as {attribute}", pattern(&wanted.pattern))
        }
        Criterion::SubjectAltName(wanted) => {
            let form = match wanted.form {
                AltNameForm::UserPrincipalName => "user principal name",
                AltNameForm::Rfc822Name => "e-mail address",
                AltNameForm::DnsName => "DNS name",
                AltNameForm::Uri => "URI",
            };
            format!("{} as {form}", pattern(&wanted.pattern))
        }
    }
}

fn pattern(pattern: &str) -> String {
    let anything = if pattern.contains('*') { " (* is anything)" } else { "" };
    format!("{}{anything}", quoted(pattern))
}

/// How long an activation holds, and what happens then.
fn end(token: &Token) -> Vec<String> {
    let terms = &token.terms;
    let renewal = terms.renew_after.map(|after| {
        format!(
            "After {} a renewal is due: the product goes on working and says so. Renewing is activating again.",
            interval(after)
        )
    });
    let holds = match terms.validity {
        None => "An activation has no end.".to_owned(),
        Some(validity) => format!("An activation holds for {} from its own time on.", interval(validity)),
    };
    let after = terms.validity.map(|_| {
        let then =
            |seconds: Option<Seconds>, what: &str| seconds.map(|seconds| format!("{} of {what}", interval(seconds)));
        let stages: Vec<_> =
            then(terms.grace, "grace").into_iter().chain(then(terms.notification, "notification")).collect();
        match stages.as_slice() {
            [] => "When it ends, the product is no longer activated on that machine, until it is activated again."
                .to_owned(),
            stages => format!(
                "When it ends, there is {}; after that the product is no longer activated on that machine.",
                stages.join(" and ")
            ),
        }
    });
    [Some(holds), renewal, after].into_iter().flatten().collect()
}

fn clock_repair(repair: &ClockRepair) -> String {
    let anchors = repair.timestamp_anchors.as_ref().map_or(0, Vec::len);
    let stamps = (anchors > 0).then(|| {
        format!(
            "by a time stamp of {}",
            if anchors == 1 { "the one authority that it names" } else { "one of the authorities that it names" }
        )
    });
    let holders = repair.two_holders.then(|| "by two holders together".to_owned());
    let ways: Vec<_> = stamps.into_iter().chain(holders).collect();
    format!("A machine whose clock ran ahead may be mended {}.", ways.join(" or "))
}

/// `31 January 2027 (to the end of the day)`, `1 December 2026, 08:00`; times are UTC and say so.
fn moment(time: Time) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let text = time.to_string();
    let parts = (|| {
        let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
        let mut numbers = date.split('-');
        let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        let clock = match clock {
            "00:00:00" => "the beginning of the day".to_owned(),
            "23:59:59" => "the end of the day".to_owned(),
            clock => clock.strip_suffix(":00").unwrap_or(clock).to_owned(),
        };
        Some(format!("{} {month} {year}, {clock} (UTC)", day.trim_start_matches('0')))
    })();
    parts.unwrap_or(text)
}

fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `2.0.0` as `2.0`.
fn short(version: ProductVersion) -> String {
    if version.patch == 0 { format!("{}.{}", version.major, version.minor) } else { version.to_string() }
}

/// A text of somebody's choice, marked off from the sentence.
fn quoted(text: &str) -> String {
    format!("\u{201c}{text}\u{201d}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use countersign_common::{
        GeneralizedTime, Octets,
        token::{
            ActivationTerms, AttributePattern, ComponentRule, Customer, Entitlement, FORMAT_VERSION, ListTerms,
            ListedMachine, ProductTerms, Window,
        },
    };
    use der::asn1::ObjectIdentifier;

    fn time(text: &str) -> GeneralizedTime {
        GeneralizedTime(text.parse().unwrap())
    }

    fn token() -> Token {
        Token {
            version: FORMAT_VERSION,
            id: Octets([7; 16]),
            revision: 1,
            customer: Customer { id: "acme".to_owned(), name: "Acme Power".to_owned() },
            product: ProductTerms { id: "control-room".to_owned(), edition: None, from: None, below: None },
            window: Window { not_before: time("2026-12-01T08:00:00Z"), not_after: time("2027-01-30T23:59:59Z") },
            grants: vec![Grant {
                number: 1,
                anchor: Grant::key_digest_anchor(Octets([0xab; 32])).unwrap(),
                direct_issuer: false,
                criteria: None,
                authentication_slot: false,
                key_protection: KeyProtection::Any,
                persons: 1,
            }],
            terms: ActivationTerms::default(),
            binding: MachineBinding {
                salt: Octets([0; 32]),
                required: 1,
                components: vec![ComponentRule { kind: ComponentKind::MachineId, mandatory: false }],
                machines: None,
                tpm: TpmRule::None,
                virtual_machines: true,
            },
            entitlements: None,
            seats: None,
            lists: None,
            extensions: None,
        }
    }

    #[test]
    fn a_plain_token() {
        let key = "ab".repeat(32);
        assert_eq!(
            token_words(&token()),
            [
                "“Acme Power” (customer acme) may use control-room, every version.".to_owned(),
                "It can be activated on any machine, and on any number of them: nothing but the time below ends that. \
                 Virtual machines and containers count as machines."
                    .to_owned(),
                "A machine counts as the same while this is as it was: the number that its operating system was \
                 installed with."
                    .to_owned(),
                "It can be activated from 1 December 2026, 08:00 (UTC) until 30 January 2027, the end of the day \
                 (UTC), 60 days. After that nothing new can be activated; what is activated already is not touched."
                    .to_owned(),
                format!(
                    "Activating takes a smart card, with its key for signing, certified by the authority whose public \
                     key has the SHA-256 {key} or an authority below it, whoever the holder is."
                ),
                "An activation has no end.".to_owned(),
            ]
        );
    }

    #[test]
    fn a_token_that_says_much() {
        let mut token = token();
        let version = |major| Some(ProductVersion { major, minor: 0, patch: 0 });
        token.revision = 3;
        token.product =
            ProductTerms { edition: Some("pro".to_owned()), from: version(2), below: version(3), ..token.product };
        token.seats = Some(1);
        token.terms = ActivationTerms {
            validity: Some(365 * 86_400),
            renew_after: Some(330 * 86_400),
            grace: Some(86_400),
            notification: None,
            clock_repair: Some(ClockRepair { timestamp_anchors: None, two_holders: true }),
        };
        token.lists = Some(ListTerms { oldest_number: Some(7), max_age: Some(30 * 86_400) });
        token.entitlements = Some(vec![Entitlement {
            name: "historian".to_owned(),
            value: "on\u{202e}".to_owned(),
            not_after: Some(time("2035-06-30T00:00:00Z")),
        }]);
        let machine = |number: usize| ListedMachine { label: format!("Press {number}"), components: Vec::new() };
        token.binding.machines = Some((1..=14).map(machine).collect());
        token.binding.virtual_machines = false;
        token.binding.tpm = TpmRule::Required;
        token.binding.required = 2;
        token.binding.components =
            [(ComponentKind::DiskSerial, false), (ComponentKind::MachineId, true), (ComponentKind::Cpu, false)]
                .map(|(kind, mandatory)| ComponentRule { kind, mandatory })
                .to_vec();
        let mut grant = token.grants[0].clone();
        grant.number = 4;
        grant.persons = 2;
        grant.authentication_slot = true;
        grant.direct_issuer = true;
        grant.key_protection = KeyProtection::Attested;
        let attribute = ObjectIdentifier::new_unwrap("2.5.4.11");
        grant.criteria = Some(vec![
            Criterion::Subject(AttributePattern { attribute, pattern: "Field *".to_owned() }),
            Criterion::Policy(ObjectIdentifier::new_unwrap("2.16.840")),
        ]);
        token.grants.push(grant);
        let words = token_words(&token);
        let text = sentences(&words);
        for said in [
            "may use control-room in the edition pro, version 2.0 and later, before 3.0.",
            "The product is told that historian is “on\\u{202e}”, until 30 June 2035, the beginning of",
            "on these 14 machines only: “Press 1”,",
            "“Press 12” and 2 more. Virtual machines and containers are excluded.",
            "while at least 2 of these are as they were: the serial number of a disk; the number",
            "Among them must be the number that its operating system was installed with. A machine without a TPM",
            "1 seat is paid for.",
            "a list of revoked tokens then, numbered 7 or higher and at most 30 days old.",
            "Activating takes one of these: (1) a smart card,",
            "(4) the smart cards of 2 persons together, each with its key for signing or the one for logging in,",
            "itself, if the certificate has “Field *” (* is anything) as organizational unit and the policy 2.16.840, \
             and it is attested that the key was made in hardware.",
            "An activation holds for 365 days from its own time on.",
            "After 330 days a renewal is due",
            "When it ends, there is 1 day of grace; after that",
            "may be mended by two holders together.",
            "This is version 3 of the token",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
        assert_eq!(text.lines().count(), words.len());
    }
}
