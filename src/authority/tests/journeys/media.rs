//! The same `issue`, wherever the key is and of whichever kind: a file, an HSM, a card by itself, a card behind a module.

use crate::{
    hardware::{CARD_PIN, accepted, opensc_uri},
    support::{Desk, PASSPHRASE, expect_said, plain_token},
};
use countersign_testkit::{CardOptions, Output, SoftHsm, Stack};

/// The name of the token in the HSM.
const TOKEN: &str = "Authority";

/// A kind of key with the way it signs, and what OpenSSL says of them: of the key, of the signature.
type Kind = (&'static str, &'static str, &'static str, &'static str);

const P256: Kind = ("p256", "pkcs1", "ASN1 OID: prime256v1", "ecdsa-with-SHA256");
const P384: Kind = ("p384", "pkcs1", "ASN1 OID: secp384r1", "ecdsa-with-SHA384");
const ED25519: Kind = ("ed25519", "pkcs1", "ED25519 Public-Key", "ED25519");
const RSA_2048: Kind = ("rsa-2048", "pkcs1", "Public-Key: (2048 bit)", "algorithm: rsaEncryption");
const RSA_2048_PSS: Kind = ("rsa-2048", "pss", "Public-Key: (2048 bit)", "algorithm: rsassaPss");
const RSA_3072: Kind = ("rsa-3072", "pkcs1", "Public-Key: (3072 bit)", "algorithm: rsaEncryption");
const RSA_3072_PSS: Kind = ("rsa-3072", "pss", "Public-Key: (3072 bit)", "algorithm: rsassaPss");

/// An authority with an HSM, and a reader for cards.
struct Office {
    desk: Desk,
    hsm: SoftHsm,
    stack: Stack,
    renewed: usize,
}

impl Office {
    fn run(&self, args: &[&str], pin: &str) -> Output {
        let run = self.desk.command(args).soft_hsm(&self.hsm).stack(&self.stack);
        run.args(["--passphrase-fd", "3", "--key-pin-fd", "4"]).file(3, PASSPHRASE).file(4, pin).output()
    }

    fn renew(&self, place: &str, (algorithm, padding, ..): Kind, pin: &str) -> Output {
        let kind = ["--algorithm", algorithm, "--rsa-padding", padding];
        self.run(&[&["renew", "token-signer", "--key", place][..], &kind].concat(), pin)
    }

    /// The key goes into use, and a token of it is what it should be.
    #[track_caller]
    fn issues(&mut self, place: &str, kind: Kind, pin: &str) {
        self.renew(place, kind, pin).expect_code(0);
        self.renewed += 1;
        let (certificate, token) =
            (format!("authority/token-signer-{}.pem", self.renewed + 1), format!("{}.pem", self.renewed));
        self.run(&plain_token(&["--out", &token]), pin).expect_code(0);
        // Ed25519 is more than OpenSSL 3.0 knows of CMS.
        accepted(&self.desk, &token, kind != ED25519);
        let key = self.desk.openssl(&["x509", "-in", &certificate, "-noout", "-text"]).expect_code(0);
        let signature =
            self.desk.openssl(&["cms", "-cmsout", "-print", "-inform", "PEM", "-in", &token]).expect_code(0);
        for (output, words) in [(key, kind.2), (signature, kind.3)] {
            assert!(output.stdout_text().contains(words), "{place}: {words}\n{output}");
        }
    }

    /// What a medium cannot do is refused, and nothing is left behind.
    #[track_caller]
    fn refuses(&self, place: &str, kind: Kind, pin: &str, exit: i32, code: &str) {
        let before = self.desk.snapshot();
        expect_said(&self.renew(place, kind, pin).expect_code(exit), &[code, "next:"]);
        assert_eq!(self.desk.snapshot(), before);
    }
}

#[test]
fn the_same_issue_with_every_kind_of_key_in_every_medium() {
    let (desk, hsm) = (Desk::founded("p256"), SoftHsm::with_token(TOKEN));
    let mut office = Office { desk, hsm, stack: Stack::start(1).expect("a stack"), renewed: 0 };

    for kind in [P256, P384, ED25519, RSA_2048, RSA_3072] {
        office.issues("file", kind, "no PIN is read");
    }
    for kind in [RSA_2048_PSS, RSA_3072_PSS] {
        office.refuses("file", kind, "", 2, "CS-7001");
    }

    let hsm = SoftHsm::uri(TOKEN, "");
    for kind in [P256, P384, ED25519, RSA_2048, RSA_2048_PSS, RSA_3072, RSA_3072_PSS] {
        office.issues(&hsm, kind, SoftHsm::PIN);
    }

    // What the card makes by itself is then used in both ways.
    for (slot, kinds) in
        [("9c", &[P256][..]), ("9a", &[P384]), ("9c", &[RSA_2048, RSA_2048_PSS]), ("9a", &[RSA_3072, RSA_3072_PSS])]
    {
        let card = office.stack.insert(0, CardOptions::new());
        let new = format!("piv:slot={slot};key=new");
        office.refuses(&new, ED25519, CARD_PIN, 3, "CS-7039");
        office.issues(&new, kinds[0], CARD_PIN);
        office.refuses(&new, kinds[0], CARD_PIN, 3, "CS-7038");
        for kind in &kinds[1..] {
            office.issues(&format!("piv:slot={slot}"), *kind, CARD_PIN);
        }
        let uri = opensc_uri(&office.stack, slot);
        for kind in kinds {
            office.issues(&uri, *kind, CARD_PIN);
        }
        card.remove();
    }
}
