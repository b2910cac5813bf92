//! Tokens: the file around them, the body, and whether they could activate a machine.

use super::{Case, File, PADDED};
use countersign_common::{
    ComponentKind, Extension, MachineComponent, Octets, Token, encode_object,
    token::{ClockRepair, ComponentRule, Grant, KeyProtection, ListTerms, ListedMachine, ProductVersion, TpmRule},
};
use countersign_testpki::{
    Cast,
    der::{boolean, edit, explicit, generalized_time, integer, octets, oid, sequence, tlv, utf8},
    objects::{Components, example_machine, machine, other_machine, time},
};
use der::{
    Decode, Encode,
    asn1::{Any, OctetString},
};

pub(super) fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = files(cast);
    cases.extend(encodings(cast));
    cases.extend(limits(cast));
    cases.extend(terms(cast));
    cases.extend(activations(cast));
    cases
}

fn files(cast: &Cast) -> Vec<Case> {
    let der = cast.token(|_| {});
    let pem = encode_object(&der);
    let text = |name, expect, defect, text: String| Case::new(name, "token", expect, defect, File::Text(text));
    let octets = |name, expect, defect, octets| Case::new(name, "token", expect, defect, File::Octets(octets));
    vec![
        text("token-good", "CS-0001", "none: the example token", pem.clone()),
        octets("token-good-der", "CS-0001", "none: DER instead of PEM", der.clone()),
        text("token-good-crlf", "CS-0001", "none: lines end with CR LF", pem.replace('\n', "\r\n")),
        octets("file-empty", "CS-1002", "an empty file", Vec::new()),
        text("pem-comment", "CS-1002", "text before the block", format!("token for you\n{pem}")),
        text("pem-trailing", "CS-1002", "text after the block", format!("{pem}x\n")),
        text("pem-two-blocks", "CS-1002", "two blocks", pem.repeat(2)),
        text("pem-label", "CS-1002", "another label", pem.replace("CMS", "PKCS7")),
        text("pem-header", "CS-1002", "a header inside the block", pem.replacen('\n', "\nProc-Type: 4\n\n", 1)),
        text("pem-one-line", "CS-1002", "base64 in one line", {
            let lines: Vec<_> = pem.lines().collect();
            let (first, last) = (lines[0], lines[lines.len() - 1]);
            format!("{first}\n{}\n{last}\n", lines[1..lines.len() - 1].concat())
        }),
        text("pem-no-final-newline", "CS-1002", "no line end after the block", pem.trim_end().to_owned()),
        octets("der-trailing", "CS-1003", "an octet after the object", [&der[..], &[0]].concat()),
        octets("der-truncated", "CS-1003", "the last octet is missing", der[..der.len() - 1].to_vec()),
        octets("der-long-length", "CS-1003", "a length with a needless octet", {
            [&[0x30, 0x83, 0x00], &der[2..]].concat()
        }),
        octets("der-indefinite-length", "CS-1003", "an indefinite length (BER)", {
            [&[0x30, 0x80], &der[4..], &[0, 0]].concat()
        }),
        octets("der-deep-nesting", "CS-1101", "10,000 SEQUENCEs inside each other", nested(10_000)),
    ]
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| tlv(0x30, &[&inner]))
}

fn encodings(cast: &Cast) -> Vec<Case> {
    let body = cast.token_body().to_der().unwrap();
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| cast.token_cms(edit(&body, |members| change(members))).build();
    // The places of the members in the body: version 0, id 1, revision 2, ... grants 6, terms 7, binding 8, ...
    let grant = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        with(&|body| body[6] = edit(&body[6], |grants| grants[0] = edit(&grants[0], |members| change(members))))
    };
    let binding =
        |change: &dyn Fn(&mut Vec<Vec<u8>>)| with(&|body| body[8] = edit(&body[8], |members| change(members)));
    let token = |name, expect, defect, der| Case::token(name, expect, defect, der);
    vec![
        token("body-newer-version", "CS-1006", "version 2, with a member that version 1 does not have", {
            with(&|body| {
                body[0] = integer(2);
                body.push(explicit(7, &integer(1)));
            })
        }),
        token("body-version-0", "CS-1003", "version 0", with(&|body| body[0] = integer(0))),
        token("body-not-der", "CS-1003", "the content is no DER", cast.token_cms(b"hello".to_vec()).build()),
        token("body-trailing", "CS-1003", "an octet after the body", {
            cast.token_cms([&body[..], &[0]].concat()).build()
        }),
        token("body-trailing-member", "CS-1003", "a member that version 1 does not have", {
            with(&|body| body.push(explicit(7, &integer(1))))
        }),
        token("body-member-missing", "CS-1003", "no binding", with(&|body| drop(body.remove(8)))),
        token("body-members-swapped", "CS-1003", "seats before entitlements", with(&|body| body.swap(9, 10))),
        token("body-member-twice", "CS-1003", "seats twice", with(&|body| body.insert(11, body[10].clone()))),
        token("body-short-id", "CS-1003", "an id of 15 octets", with(&|body| body[1] = octets(&[7; 15]))),
        token("body-padded-integer", "CS-1003", "revision with a needless zero octet", {
            with(&|body| body[2] = vec![2, 2, 0, 1])
        }),
        token("body-wide-integer", "CS-1003", "revision 4294967296", with(&|body| body[2] = integer(1 << 32))),
        token("body-not-utf8", "CS-1003", "a customer name that is not UTF-8", {
            with(&|body| body[3] = edit(&body[3], |members| members[1] = tlv(0x0c, &[&[0xff, 0xfe]])))
        }),
        token("body-printable-string", "CS-1003", "PrintableString in place of UTF8String", {
            with(&|body| body[3] = edit(&body[3], |members| members[0][0] = 0x13))
        }),
        token("body-utc-time", "CS-1003", "UTCTime in place of GeneralizedTime", {
            with(&|body| body[5] = edit(&body[5], |members| members[0] = tlv(0x17, &[b"260201000000Z"])))
        }),
        token("body-fraction-of-second", "CS-1003", "a time with a fraction of a second", {
            with(&|body| body[5] = edit(&body[5], |members| members[0] = tlv(0x18, &[b"20260201000000.5Z"])))
        }),
        token("body-no-such-day", "CS-1003", "the 30th of February", {
            with(&|body| body[5] = edit(&body[5], |members| members[0] = tlv(0x18, &[b"20260230000000Z"])))
        }),
        token("body-implicit-tag", "CS-1003", "seats tagged IMPLICIT", with(&|body| body[10] = tlv(0x81, &[&[10]]))),
        token("default-direct-issuer", "CS-1003", "directIssuer FALSE is spelt out", {
            grant(&|members| members.insert(2, boolean(false)))
        }),
        token("default-slot", "CS-1003", "authenticationSlot FALSE is spelt out", {
            grant(&|members| members.push(explicit(1, &boolean(false))))
        }),
        token("default-key-protection", "CS-1003", "keyProtection any is spelt out", {
            grant(&|members| members.push(explicit(2, &tlv(0x0a, &[&[0]]))))
        }),
        token("default-persons", "CS-1003", "persons 1 is spelt out", {
            grant(&|members| members.push(explicit(3, &integer(1))))
        }),
        token("default-tpm", "CS-1003", "tpm none is spelt out", {
            binding(&|members| members.insert(3, explicit(1, &tlv(0x0a, &[&[0]]))))
        }),
        token("default-virtual-machines", "CS-1003", "virtualMachines TRUE is spelt out", {
            binding(&|members| members[3] = explicit(2, &boolean(true)))
        }),
        token("boolean-of-1", "CS-1003", "a BOOLEAN whose octet is 01", {
            binding(&|members| members[3] = explicit(2, &[1, 1, 1]))
        }),
        token("default-critical", "CS-1003", "critical FALSE of an extension is spelt out", {
            let extension = sequence(&[&oid("1.3.6.1.4.1.32473.7.2"), &boolean(false), &octets(&[5, 0])]);
            with(&|body| body[11] = explicit(3, &sequence(&[&extension])))
        }),
        token("unknown-component-kind", "CS-1003", "a component kind that version 1 does not have", {
            binding(&|members| members[2] = sequence(&[&sequence(&[&tlv(0x0a, &[&[9]])])]))
        }),
        token("unknown-criterion", "CS-1003", "a criterion that version 1 does not have", {
            grant(&|members| members[2] = explicit(0, &sequence(&[&tlv(0x85, &[&[1]])])))
        }),
        token("criterion-policy-padded", "CS-1201", "a policy has a needless octet", {
            grant(&|members| members[2] = explicit(0, &sequence(&[&tlv(0x80, &[&PADDED])])))
        }),
        token("criterion-usage-padded", "CS-1201", "an extended key usage has a needless octet", {
            grant(&|members| members[2] = explicit(0, &sequence(&[&tlv(0x81, &[&PADDED])])))
        }),
        token("criterion-subject-padded", "CS-1201", "an attribute's type has a needless octet", {
            let pattern = tlv(0xa2, &[&tlv(0x06, &[&PADDED]), &utf8("*")]);
            grant(&|members| members[2] = explicit(0, &sequence(&[&pattern])))
        }),
        token("extension-padded", "CS-1201", "an extension's id has a needless octet", {
            let extension = sequence(&[&tlv(0x06, &[&PADDED]), &octets(&[])]);
            with(&|body| body[11] = explicit(3, &sequence(&[&extension])))
        }),
        token("entitlement-time-is-text", "CS-1003", "an entitlement's end as UTF8String", {
            let entitlement = sequence(&[&utf8("a"), &utf8(""), &explicit(0, &utf8("2026"))]);
            with(&|body| body[9] = explicit(0, &sequence(&[&entitlement])))
        }),
        token("year-10000", "CS-1003", "a year of five digits", {
            with(&|body| body[5] = edit(&body[5], |members| members[1] = tlv(0x18, &[b"100000101000000Z"])))
        }),
        token("window-of-a-second", "CS-0001", "none: a window of one second", {
            let at = generalized_time("2026-06-15T09:30:00Z");
            with(&|body| body[5] = sequence(&[&at, &at]))
        }),
    ]
}

fn limits(cast: &Cast) -> Vec<Case> {
    let case =
        |name, expect, defect, change: &dyn Fn(&mut Token)| Case::token(name, expect, defect, cast.token(change));
    let kind = |kind| ComponentRule { kind, mandatory: false };
    let name = |name, defect, character: &str| {
        let der = cast.token(|token| token.customer.name = format!("A{character}B"));
        Case::token(name, "CS-1201", defect, der)
    };
    vec![
        case("limit-revision-0", "CS-1201", "revision 0", &|token| token.revision = 0),
        case("limit-customer-id", "CS-1201", "a customer id with a slash", &|token| token.customer.id = "../a".into()),
        case("limit-customer-name", "CS-1201", "a line end in the customer's name", &|token| {
            token.customer.name = "A\nB".into();
        }),
        case("limit-long-name", "CS-1201", "a customer name of 257 octets", &|token| {
            token.customer.name = "x".repeat(257);
        }),
        name("limit-name-061c", "an Arabic letter mark (U+061C)", "\u{61c}"),
        name("limit-name-200b", "a zero width space (U+200B)", "\u{200b}"),
        name("limit-name-200f", "a right-to-left mark (U+200F)", "\u{200f}"),
        name("limit-name-2028", "a line separator (U+2028)", "\u{2028}"),
        name("limit-name-202e", "a right-to-left override (U+202E)", "\u{202e}"),
        name("limit-name-2060", "a word joiner (U+2060)", "\u{2060}"),
        name("limit-name-206f", "a format character (U+206F)", "\u{206f}"),
        name("limit-name-feff", "a byte order mark (U+FEFF)", "\u{feff}"),
        case(
            "limit-name-neighbours",
            "CS-0001",
            "none: a customer's name with the characters next to those",
            &|token| {
                token.customer.name = "A\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}\u{ff01}B".to_owned();
            },
        ),
        case("limit-product-id", "CS-1201", "a product id of 65 characters", &|token| {
            token.product.id = "p".repeat(65)
        }),
        case("limit-versions", "CS-1201", "an empty range of versions", &|token| {
            token.product.below = token.product.from
        }),
        case("limit-window", "CS-1201", "a window that ends before it begins", &|token| {
            token.window.not_after = time("2026-01-31T23:59:59Z");
        }),
        case("limit-no-grants", "CS-1201", "no grant", &|token| token.grants.clear()),
        case("limit-17-grants", "CS-1201", "17 grants", &|token| {
            let grant = token.grants[0].clone();
            token.grants = (1..=17).map(|number| Grant { number, ..grant.clone() }).collect();
        }),
        case("limit-grant-0", "CS-1201", "a grant with number 0", &|token| token.grants[0].number = 0),
        case("limit-grant-twice", "CS-1201", "two grants with number 2", &|token| token.grants[0].number = 2),
        case("limit-no-criteria", "CS-1201", "criteria present and empty", &|token| {
            token.grants[0].criteria = Some(Vec::new());
        }),
        case("limit-persons-9", "CS-1201", "nine persons", &|token| token.grants[0].persons = 9),
        case("limit-validity-0", "CS-1201", "validity 0", &|token| token.terms.validity = Some(0)),
        case("limit-validity", "CS-1201", "a validity of more than a century", &|token| {
            token.terms.validity = Some(3_155_760_001);
        }),
        case("limit-renew-after", "CS-1201", "a renewal due when the validity ends", &|token| {
            token.terms.renew_after = token.terms.validity;
        }),
        case("limit-required-4", "CS-1201", "four of three components required", &|token| token.binding.required = 4),
        case("limit-components", "CS-1201", "components out of order", &|token| {
            token.binding.components = vec![kind(ComponentKind::MachineId), kind(ComponentKind::DiskSerial)];
            token.binding.required = 1;
        }),
        case("limit-component-twice", "CS-1201", "a component kind twice", &|token| {
            token.binding.components = vec![kind(ComponentKind::MachineId); 2];
            token.binding.required = 1;
        }),
        case("limit-no-machines", "CS-1201", "machines present and empty", &|token| {
            token.binding.machines = Some(Vec::new());
        }),
        case("limit-machine-label", "CS-1201", "a listed machine without a label", &|token| {
            let components = machine(&example_machine()).digests(&token.binding);
            token.binding.machines = Some(vec![ListedMachine { label: String::new(), components }]);
        }),
        case("limit-machine-label-direction", "CS-1201", "a label that turns the text around", &|token| {
            let components = machine(&example_machine()).digests(&token.binding);
            token.binding.machines = Some(vec![ListedMachine { label: "a\u{2067}b".into(), components }]);
        }),
        case("limit-digests", "CS-1201", "a listed machine's digests out of order", &|token| {
            let mut components = machine(&example_machine()).digests(&token.binding);
            components[0].digests.reverse();
            token.binding.machines = Some(vec![ListedMachine { label: "m".into(), components }]);
        }),
        case("limit-entitlements", "CS-1201", "an entitlement twice", &|token| {
            let list = token.entitlements.as_mut().unwrap();
            list[1].name = list[0].name.clone();
        }),
        case("limit-entitlement-value", "CS-1201", "an entitlement value of 1,025 octets", &|token| {
            token.entitlements.as_mut().unwrap()[0].value = "x".repeat(1_025);
        }),
        case("limit-seats-0", "CS-1201", "no seats", &|token| token.seats = Some(0)),
        case("limit-extension-twice", "CS-1201", "an extension twice", &|token| {
            let list = token.extensions.as_mut().unwrap();
            list.push(list[0].clone());
        }),
    ]
}

fn terms(cast: &Cast) -> Vec<Case> {
    let case = |name, defect, change: &dyn Fn(&mut Token)| Case::token(name, "CS-1007", defect, cast.token(change));
    let body = cast.token_body().to_der().unwrap();
    let anchor = |number: u8| {
        let body = edit(&body, |members| {
            members[6] = edit(&members[6], |grants| {
                grants[1] = edit(&grants[1], |grant| grant[1] = explicit(number, &sequence(&[])));
            });
        });
        cast.token_cms(body).build()
    };
    vec![
        case("term-persons", "two persons must sign", &|token| token.grants[1].persons = 2),
        case("term-attested", "the key must be attested", &|token| {
            token.grants[0].key_protection = KeyProtection::Attested;
        }),
        case("term-grace", "a grace", &|token| token.terms.grace = Some(86_400)),
        case("term-notification", "a notification period", &|token| token.terms.notification = Some(86_400)),
        Case::token("term-clock-repair", "CS-0001", "none: a time-stamping authority may mend the clock", {
            let anchor = Any::from_der(&cast.holder_root.certificate).unwrap();
            let repair = ClockRepair { timestamp_anchors: Some(vec![anchor]), two_holders: false };
            cast.token(|token| token.terms.clock_repair = Some(repair))
        }),
        Case::token("term-clock-repair-empty", "CS-1201", "a way to mend the clock that is none", {
            let repair = ClockRepair { timestamp_anchors: None, two_holders: false };
            cast.token(|token| token.terms.clock_repair = Some(repair))
        }),
        case("term-clock-repair-holders", "two holders may mend the clock", &|token| {
            token.terms.clock_repair = Some(ClockRepair { timestamp_anchors: None, two_holders: true });
        }),
        case("term-tpm-preferred", "a TPM takes part where there is one", &|token| {
            token.binding.tpm = TpmRule::Preferred
        }),
        case("term-tpm-required", "a TPM is required", &|token| token.binding.tpm = TpmRule::Required),
        Case::token("term-lists", "CS-0001", "none: the oldest token list", {
            cast.token(|token| token.lists = Some(ListTerms { oldest_number: Some(7), max_age: Some(86_400) }))
        }),
        Case::token("term-lists-empty", "CS-1201", "terms of lists that say nothing", {
            cast.token(|token| token.lists = Some(ListTerms { oldest_number: None, max_age: None }))
        }),
        Case::token("term-lists-number", "CS-1201", "the oldest token list has number 0", {
            cast.token(|token| token.lists = Some(ListTerms { oldest_number: Some(0), max_age: None }))
        }),
        Case::token("term-anchor-tbs", "CS-1007", "a holder anchor as tbsCert", anchor(1)),
        Case::token("term-anchor-info", "CS-1007", "a holder anchor as taInfo", anchor(2)),
        Case::token("anchor-unknown-form", "CS-1201", "a holder anchor of a form that nobody knows", anchor(4)),
        Case::token("critical-extension", "CS-1008", "an unknown critical extension", {
            cast.token(|token| token.extensions.as_mut().unwrap()[0].critical = true)
        }),
        Case::token("extension-ignored", "CS-0001", "none: two unknown extensions that are not critical", {
            cast.token(|token| {
                let value = OctetString::new([5, 0]).unwrap();
                let id = "1.3.6.1.4.1.32473.7.3".parse().unwrap();
                token.extensions.as_mut().unwrap().push(Extension { id, critical: false, value });
            })
        }),
        Case::token("term-beside-broken-signature", "CS-1104", "a newer term in a token whose signature is broken", {
            let mut body = cast.token_body();
            body.terms.grace = Some(1);
            let mut cms = cast.token_cms(body.to_der().unwrap());
            cms.broken_signature = true;
            cms.build()
        }),
    ]
}

fn activations(cast: &Cast) -> Vec<Case> {
    let good = || cast.token(|_| {});
    let activation = |name, expect, defect| Case::activation(name, expect, defect, good());
    let listed = |components: &Components| {
        cast.token(|token| {
            let components = machine(components).digests(&token.binding);
            token.binding.machines = Some(vec![
                ListedMachine {
                    label: "spare".into(),
                    components: vec![MachineComponent {
                        kind: ComponentKind::MachineId,
                        digests: vec![Octets([1; 32])],
                    }],
                },
                ListedMachine { label: "one".into(), components },
            ]);
        })
    };
    let version = ProductVersion { major: 9, minor: 0, patch: 0 };
    vec![
        activation("activation-good", "CS-0001", "none: the example machine on a day inside the window"),
        activation("activation-other-product", "CS-3101", "another product asks")
            .with(|case| case.product = "historian"),
        activation("activation-other-edition", "CS-3102", "another edition asks")
            .with(|case| case.edition = Some("lite")),
        activation("activation-old-version", "CS-3103", "version 1.9.9 asks").with(|case| case.version = Some("1.9.9")),
        activation("activation-new-version", "CS-3103", "version 3.0.0 asks").with(|case| case.version = Some("3.0.0")),
        activation("activation-no-version", "CS-3104", "the product states no version")
            .with(|case| case.version = None),
        activation("activation-no-clock", "CS-3201", "the machine has no clock").with(|case| case.now = None),
        activation("activation-clock-behind", "CS-3202", "the clock is behind a time seen before")
            .with(|case| case.seen = Some("2026-06-15T09:35:01Z")),
        activation("activation-clock-tolerated", "CS-0001", "none: the clock is 300 seconds behind a time seen before")
            .with(|case| case.seen = Some("2026-06-15T09:35:00Z")),
        Case::activation("activation-window-not-open", "CS-3205", "the window has not opened", {
            cast.token(|token| token.window.not_before = time("2026-06-15T09:30:01Z"))
        }),
        Case::activation("activation-window-closed", "CS-3206", "the window has closed", {
            cast.token(|token| token.window.not_after = time("2026-06-15T09:29:59Z"))
        }),
        activation("activation-virtual", "CS-4004", "a virtual machine where none is allowed")
            .with(|case| case.virtualization = Some("kvm")),
        activation("activation-few-components", "CS-4003", "the machine offers one component and two must match")
            .with(|case| case.machine.retain(|(kind, _)| *kind == ComponentKind::MachineId)),
        activation("activation-no-mandatory", "CS-4003", "the machine lacks the mandatory component")
            .with(|case| case.machine.retain(|(kind, _)| *kind != ComponentKind::MachineId)),
        Case::activation("activation-listed", "CS-0001", "none: the machine is listed", listed(&example_machine())),
        Case::activation(
            "activation-not-listed",
            "CS-4002",
            "the token lists other machines",
            listed(&other_machine()),
        ),
        Case::activation(
            "activation-listed-poor",
            "CS-4003",
            "of the machine that is listed too little was recorded",
            {
                cast.token(|token| {
                    let mut components = machine(&example_machine()).digests(&token.binding);
                    components.truncate(1);
                    token.binding.machines = Some(vec![ListedMachine { label: "one".into(), components }]);
                })
            },
        ),
        Case::activation("activation-any-version", "CS-0001", "none: the token covers all versions from 2", {
            cast.token(|token| token.product.below = Some(version))
        }),
    ]
}
