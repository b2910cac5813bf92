//! Records: the challenge, its times, and the verdict for a product, a machine and a time.

use super::{Case, PADDED};
use countersign_common::{
    Challenge, ComponentKind, Extension, ListKind, ListUsed, MachineComponent, Octets, Token,
    token::{ComponentRule, ListTerms, ListedMachine},
};
use countersign_testpki::{
    Cast, Cms,
    der::{edit, explicit, integer, octets, oid, sequence, tlv},
    objects::{
        ATTRIBUTE_TOKEN, CONTENT_CHALLENGE, SIGNED, attribute, example_machine, machine, other_machine,
        signing_time_attribute, time,
    },
};
use der::{
    Decode, Encode,
    asn1::{Any, OctetString, Uint},
};

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = challenges(cast);
    cases.extend(times(cast));
    cases.extend(verdicts(cast));
    cases
}

fn challenges(cast: &Cast) -> Vec<Case> {
    let case = |name, expect, defect, change: &dyn Fn(&mut Challenge)| {
        Case::record(name, expect, defect, cast.record(|_| {}, |challenge| change(challenge), |_| {}))
    };
    let token = cast.token(|_| {});
    let body = cast.challenge(&token).to_der().unwrap();
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        // The places of the members: version 0, tokenDigest 1, grant 2, slot 3, time 4, nonce 5, machine 6, workOrder 7.
        let challenge = edit(&body, |members| change(members));
        let mut cms = Cms::new(CONTENT_CHALLENGE, challenge, &cast.holder, SIGNED);
        cms.unsigned = vec![attribute(ATTRIBUTE_TOKEN, std::slice::from_ref(&token))];
        cms.build()
    };
    let extension = |critical| {
        let value = OctetString::new([5, 0]).unwrap();
        Some(vec![Extension { id: "1.3.6.1.4.1.32473.7.2".parse().unwrap(), critical, value }])
    };
    let broken = |name, defect, change: &dyn Fn(&mut Challenge)| {
        let der = cast.record(|_| {}, |challenge| change(challenge), |cms| cms.broken_signature = true);
        Case::record(name, "CS-1104", defect, der)
    };
    let list = ListUsed {
        kind: ListKind::TokenList,
        issuer: Any::from_der(&cast.token_root.name).unwrap(),
        number: Uint::new(&[7]).unwrap(),
        this_update: time("2026-06-01T00:00:00Z"),
    };
    let lists = Some(vec![list.clone()]);
    // How recent the token wants a list to be, and what the challenge names.
    let recent = |name, expect, defect, terms: ListTerms, lists: Option<Vec<ListUsed>>| {
        let der = cast.record(|token| token.lists = Some(terms), |challenge| challenge.lists = lists, |_| {});
        Case::record(name, expect, defect, der)
    };
    let terms = |oldest_number, max_age| ListTerms { oldest_number, max_age };
    vec![
        case("record-good", "CS-0001", "none: the example record", &|_| {}),
        Case::record(
            "challenge-newer-version",
            "CS-1006",
            "a challenge of version 2",
            with(&|body| body[0] = integer(2)),
        ),
        Case::record("challenge-trailing-member", "CS-1003", "a member that version 1 does not have", {
            with(&|body| body.push(explicit(9, &integer(1))))
        }),
        Case::record("challenge-slot-9e", "CS-1003", "a slot that version 1 does not have", {
            with(&|body| body[3] = tlv(0x0a, &[&[2]]))
        }),
        Case::record("challenge-short-nonce", "CS-1003", "a nonce of 16 octets", {
            with(&|body| body[5] = octets(&[1; 16]))
        }),
        Case::record("challenge-default-critical", "CS-1003", "critical FALSE of an extension is spelt out", {
            let extension = sequence(&[&oid("1.3.6.1.4.1.32473.7.2"), &tlv(1, &[&[0]]), &octets(&[])]);
            with(&|body| body.push(explicit(3, &sequence(&[&extension]))))
        }),
        case("challenge-critical-extension", "CS-1008", "an unknown critical extension", &|challenge| {
            challenge.extensions = extension(true);
        }),
        case(
            "challenge-extension-ignored",
            "CS-0001",
            "none: an unknown extension that is not critical",
            &|challenge| {
                challenge.extensions = extension(false);
            },
        ),
        case("challenge-lists", "CS-0001", "none: a token list was used", &|challenge| {
            challenge.lists = lists.clone();
        }),
        case("challenge-lists-empty", "CS-1202", "no list where there must be one", &|challenge| {
            challenge.lists = Some(Vec::new());
        }),
        case("challenge-lists-too-many", "CS-1202", "65 lists", &|challenge| {
            challenge.lists = Some(vec![list.clone(); 65]);
        }),
        case("challenge-list-nameless", "CS-1202", "an issuer without a name", &|challenge| {
            let issuer = Any::new(der::Tag::Sequence, Vec::new()).unwrap();
            challenge.lists = Some(vec![ListUsed { issuer, ..list.clone() }]);
        }),
        case("challenge-list-long-number", "CS-1202", "a list number of 21 octets", &|challenge| {
            challenge.lists = Some(vec![ListUsed { number: Uint::new(&[1; 21]).unwrap(), ..list.clone() }]);
        }),
        recent("lists-none-named", "CS-3303", "the token asks for a token list", terms(Some(7), None), None),
        recent("lists-good", "CS-0001", "none: as recent as can be", terms(Some(7), Some(1_243_800)), lists.clone()),
        recent("lists-number-too-low", "CS-3304", "number 7 where 8 is asked for", terms(Some(8), None), lists.clone()),
        recent("lists-too-old", "CS-3304", "a second too old", terms(None, Some(1_243_799)), lists.clone()),
        recent(
            "lists-of-certificates",
            "CS-3303",
            "a certificate revocation list where a token list is asked for",
            terms(Some(7), None),
            Some(vec![ListUsed { kind: ListKind::CertificateList, ..list.clone() }]),
        ),
        broken(
            "challenge-lists-broken-signature",
            "revocation lists in a record whose signature is broken",
            &|challenge| {
                challenge.lists = lists.clone();
            },
        ),
        broken("challenge-critical-broken-signature", "a critical extension in such a record", &|challenge| {
            challenge.extensions = extension(true);
        }),
        Case::record("challenge-extension-padded", "CS-1202", "an extension's id has a needless octet", {
            let id = tlv(0x06, &[&PADDED]);
            with(&|body| body.push(explicit(3, &sequence(&[&sequence(&[&id, &octets(&[])])]))))
        }),
        case("challenge-grant-0", "CS-1202", "grant 0", &|challenge| challenge.grant = 0),
        case("challenge-no-machine", "CS-1202", "no machine component", &|challenge| challenge.machine.clear()),
        case("challenge-machine-order", "CS-1202", "machine components out of order", &|challenge| {
            challenge.machine.reverse();
        }),
        case("challenge-17-digests", "CS-1202", "17 digests of one component", &|challenge| {
            challenge.machine[0].digests = (0..17).map(|number| Octets([number; 32])).collect();
        }),
        case("challenge-work-order", "CS-1202", "a line end in the work order", &|challenge| {
            challenge.work_order = Some("A\nB".to_owned());
        }),
        case("challenge-work-order-empty", "CS-1202", "an empty work order", &|challenge| {
            challenge.work_order = Some(String::new());
        }),
        case("challenge-work-order-invisible", "CS-1202", "a zero width space in the work order", &|challenge| {
            challenge.work_order = Some("WO-1\u{200b}047".to_owned());
        }),
        case("challenge-virtualization-direction", "CS-1202", "virtualization turns the text around", &|challenge| {
            challenge.virtualization = Some("\u{202e}mvk".to_owned());
        }),
        Case::record("record-other-token", "CS-1203", "another token inside than the challenge names", {
            let other = cast.token(|token| token.revision = 2);
            let challenge = cast.challenge(&token);
            cast.record_cms(&challenge, &other, &cast.holder).build()
        }),
        Case::record("record-newer-term", "CS-1007", "the token inside states a grace", {
            cast.record(|token| token.terms.grace = Some(60), |_| {}, |_| {})
        }),
    ]
}

fn times(cast: &Cast) -> Vec<Case> {
    const BEFORE: &str = "2026-02-02T07:55:00Z";
    let signed_at = |name, expect, defect, text| {
        let der = cast.record(|_| {}, |_| {}, |cms| cms.attributes[1] = signing_time_attribute(text));
        Case::record(name, expect, defect, der)
    };
    let activated_at = |name, expect, defect, text| {
        let der = cast.record(
            |token| token.window.not_before = time("2026-01-01T00:00:00Z"),
            |challenge| challenge.time = time(text),
            |cms| cms.attributes[1] = signing_time_attribute(text),
        );
        Case::record(name, expect, defect, der)
    };
    let window = |name, expect, defect, change: &dyn Fn(&mut Token)| {
        Case::record(name, expect, defect, cast.record(|token| change(token), |_| {}, |_| {}))
    };
    vec![
        signed_at("times-300-apart", "CS-0001", "none: signed 300 seconds after the challenge", "2026-06-15T09:35:00Z"),
        signed_at("times-301-apart", "CS-3203", "signed 301 seconds after the challenge", "2026-06-15T09:35:01Z"),
        signed_at("times-301-before", "CS-3203", "signed 301 seconds before the challenge", "2026-06-15T09:24:59Z"),
        activated_at("times-300-before-token", "CS-0001", "none: 300 seconds before the token", BEFORE),
        activated_at("times-301-before-token", "CS-3204", "301 seconds before the token", "2026-02-02T07:54:59Z"),
        activated_at(
            "record-clock-behind-token",
            "CS-3202",
            "the clock is 301 seconds behind the token's time",
            BEFORE,
        )
        .with(|case| case.now = Some("2026-02-02T07:54:59Z")),
        window("record-window-last-second", "CS-0001", "none: activated in the window's last second", &|token| {
            token.window.not_after = time("2026-06-15T09:30:00Z");
        }),
        window("record-window-closed", "CS-3206", "activated a second after the window closed", &|token| {
            token.window.not_after = time("2026-06-15T09:29:59Z");
        }),
        window("record-window-not-open", "CS-3205", "activated a second before the window opened", &|token| {
            token.window.not_before = time("2026-06-15T09:30:01Z");
        }),
    ]
}

fn verdicts(cast: &Cast) -> Vec<Case> {
    let good = cast.record(|_| {}, |_| {}, |_| {});
    let case = |name, expect, defect| Case::record(name, expect, defect, good.clone());
    let listed = |own: bool| {
        cast.record(
            |token| {
                let other = machine(&other_machine()).digests(&token.binding);
                let own =
                    machine(&example_machine()).digests(&token.binding).into_iter().filter(|_| own).collect::<Vec<_>>();
                let mut machines = vec![ListedMachine { label: "other".into(), components: other }];
                if !own.is_empty() {
                    machines.push(ListedMachine { label: "own".into(), components: own });
                }
                token.binding.machines = Some(machines);
            },
            |_| {},
            |_| {},
        )
    };
    let machine_id = ComponentKind::MachineId;
    vec![
        case("record-other-product", "CS-3101", "another product asks").with(|case| case.product = "historian"),
        case("record-other-edition", "CS-3102", "another edition asks").with(|case| case.edition = Some("lite")),
        case("record-no-edition", "CS-0001", "none: the product states no edition").with(|case| case.edition = None),
        case("record-version-not-covered", "CS-3103", "version 3.0.0 asks").with(|case| case.version = Some("3.0.0")),
        case("record-version-last", "CS-0001", "none: version 2.99.99 asks")
            .with(|case| case.version = Some("2.99.99")),
        case("record-version-not-stated", "CS-3104", "the product states no version").with(|case| case.version = None),
        case("record-no-clock", "CS-3201", "the machine has no clock").with(|case| case.now = None),
        case("record-clock-behind", "CS-3202", "the clock is 301 seconds behind the activation")
            .with(|case| case.now = Some("2026-06-15T09:24:59Z")),
        case("record-clock-tolerated", "CS-0001", "none: the clock is 300 seconds behind the activation")
            .with(|case| case.now = Some("2026-06-15T09:25:00Z")),
        case("record-clock-behind-seen", "CS-3202", "the clock is behind a time seen before")
            .with(|case| case.seen = Some("2026-06-16T00:00:00Z")),
        case("record-renewal-due", "CS-0002", "none: a renewal is due")
            .with(|case| case.now = Some("2027-03-12T09:30:00Z")),
        case("record-before-renewal", "CS-0001", "none: a second before a renewal is due")
            .with(|case| case.now = Some("2027-03-12T09:29:59Z")),
        case("record-last-second", "CS-0002", "none: the last second of the validity")
            .with(|case| case.now = Some("2027-06-15T09:30:00Z")),
        case("record-expired", "CS-3207", "a second after the validity")
            .with(|case| case.now = Some("2027-06-15T09:30:01Z")),
        Case::record("record-without-end", "CS-0001", "none: no validity, a century later", {
            cast.record(|token| (token.terms.validity, token.terms.renew_after) = (None, None), |_| {}, |_| {})
        })
        .with(|case| case.now = Some("2126-06-15T09:30:00Z")),
        case("record-other-machine", "CS-4001", "another machine").with(|case| case.machine = other_machine()),
        case("record-mandatory-differs", "CS-4001", "the mandatory component differs, the two others match")
            .with(|case| case.machine[1].1 = vec!["00".to_owned()]),
        case("record-drifted", "CS-0001", "none: one of three components differs, two must match")
            .with(|case| case.machine[2].1 = vec!["02:00:5e:10:00:09".to_owned()]),
        case("record-one-disk-of-two", "CS-0001", "none: a disk was replaced, the other one matches")
            .with(|case| case.machine[0].1[0] = "new-disk".to_owned()),
        case("record-no-mandatory", "CS-4003", "the machine lacks the mandatory component")
            .with(|case| case.machine.retain(|(kind, _)| *kind != machine_id)),
        case("record-few-components", "CS-4003", "the machine offers one component and two must match")
            .with(|case| case.machine.retain(|(kind, _)| *kind == machine_id)),
        case("record-no-components", "CS-4003", "the machine offers nothing").with(|case| case.machine.clear()),
        case("record-virtual", "CS-4004", "a virtual machine where none is allowed")
            .with(|case| case.virtualization = Some("kvm")),
        Case::record("record-virtual-then", "CS-4004", "activated on a virtual machine where none is allowed", {
            cast.record(|_| {}, |challenge| challenge.virtualization = Some("kvm".to_owned()), |_| {})
        }),
        Case::record(
            "record-virtual-allowed",
            "CS-0001",
            "none: a virtual machine, then and now, where one is allowed",
            {
                cast.record(
                    |token| token.binding.virtual_machines = true,
                    |challenge| challenge.virtualization = Some("kvm".to_owned()),
                    |_| {},
                )
            },
        )
        .with(|case| case.virtualization = Some("kvm")),
        Case::record("record-mandatory-not-recorded", "CS-4003", "the record lacks the mandatory component", {
            cast.record(|_| {}, |challenge| drop(challenge.machine.remove(1)), |_| {})
        }),
        case("record-missing-makes-up", "CS-4003", "one component differs, one is missing and could make up for it")
            .with(|case| {
                case.machine[0].1 = vec!["new-disk".to_owned()];
                case.machine.truncate(2);
            }),
        Case::record("record-few-recorded", "CS-4003", "the record itself holds too few components", {
            cast.record(|_| {}, |challenge| challenge.machine.truncate(1), |_| {})
        }),
        Case::record(
            "record-not-recorded",
            "CS-0001",
            "none: a component that the record lacks, the two others match",
            cast.record(|_| {}, |challenge| drop(challenge.machine.remove(0)), |_| {}),
        ),
        Case::record(
            "record-not-recorded-differs",
            "CS-4001",
            "one of two recorded components differs, both must match",
            cast.record(|_| {}, |challenge| drop(challenge.machine.remove(0)), |_| {}),
        )
        .with(|case| case.machine[2].1 = vec!["02:00:5e:10:00:09".to_owned()]),
        Case::record("record-uncounted-component", "CS-0001", "none: a component that the token does not count", {
            let cpu = MachineComponent { kind: ComponentKind::Cpu, digests: vec![Octets([9; 32])] };
            cast.record(|_| {}, |challenge| challenge.machine.push(cpu), |_| {})
        }),
        Case::record("record-listed", "CS-0001", "none: the machine is listed", listed(true)),
        Case::record("record-not-listed", "CS-4002", "the token lists another machine", listed(false)),
        Case::record("record-copied-salt", "CS-4001", "digests made under another salt", {
            cast.record(
                |token| {
                    token.binding.salt = Octets([7; 32]);
                    token.binding.components.push(ComponentRule { kind: ComponentKind::Cpu, mandatory: false });
                },
                |_| {},
                |_| {},
            )
        }),
    ]
}
