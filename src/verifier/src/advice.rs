//! For every code what the person does next. The libraries tell facts; the wording of advice is here.

/// What to do next; nothing where there is nothing to do.
pub fn of(code: &str) -> &'static str {
    ADVICE.iter().find(|(known, _)| *known == code).map_or("", |(_, advice)| *advice)
}

const GET_FILE_AGAIN: &str = "the file is damaged or not what it should be: copy it again from where it came from, and if that \
     does not help, ask the authority for a new one";
const GET_TOKEN_AGAIN: &str = "the authority has to make this object anew: send it the code";
const UPGRADE: &str = "install a later release of this verifier";
const SIGNER: &str = "check with `countersign-verifier anchors show` that the trust anchors are those of the authority; if they \
     are, ask the authority for a new token";
const NAME: &str = "use a certificate whose names its issuers allow, or have their constraints changed";
const CERTIFICATE: &str = "whoever issued the certificate has to renew it; see which certificate it is with \
     `countersign-verifier certs` for a card or `countersign-verifier verify` for a file";
const LISTS: &str = "install the newest bundle of the authority: `countersign-verifier install FILE`; `countersign-verifier \
     lists` shows what is here";
const LIST_AGAIN: &str = "whoever issued the list has to issue it anew; `openssl crl -in FILE -inform DER -text -noout` shows what \
     a file holds";
const ANOTHER_CARD: &str = "use the card of a person whom the token admits: `countersign-verifier certs` tells for each \
     certificate on a card why it could or could not activate";
const SET_CLOCK: &str =
    "set the machine's clock (UTC), for example `sudo date --utc --set '2026-11-24 09:30'`, and try again";
const STAMP_AGAIN: &str = "have the request stamped again, by an authority whose anchor is in the token, and bring the \
     answer unchanged: `openssl ts -reply -text -in FILE` shows what a file holds";
const AUTHORITY_TERMS: &str = "ask the authority for a token that covers this";
const STORE_RIGHTS: &str = "run the command as the user who owns the store, often with sudo, or name another one with --store; \
     `countersign-verifier doctor` tells the owner";
const CARD_AGAIN: &str =
    "take the card out, put it in again and repeat the command; if that does not help, try another reader";
const ISSUER: &str = "the card's issuer can tell more: give them the code and the card's maker and type";
const MANAGEMENT: &str =
    "this is about managing a card, which is not needed to activate: see countersign-authority card";

/// Every code, in order.
const ADVICE: &[(&str, &str)] = &[
    ("CS-0001", ""),
    ("CS-0002", "activate again before it runs out: `countersign-verifier activate`"),
    ("CS-1001", GET_FILE_AGAIN),
    ("CS-1002", GET_FILE_AGAIN),
    ("CS-1003", GET_FILE_AGAIN),
    ("CS-1004", GET_FILE_AGAIN),
    ("CS-1005", "name the other file: `countersign-verifier verify` tells what a file holds"),
    ("CS-1006", UPGRADE),
    ("CS-1007", UPGRADE),
    ("CS-1008", UPGRADE),
    ("CS-1101", GET_FILE_AGAIN),
    ("CS-1102", GET_TOKEN_AGAIN),
    ("CS-1103", GET_FILE_AGAIN),
    ("CS-1104", GET_FILE_AGAIN),
    ("CS-1105", GET_TOKEN_AGAIN),
    (
        "CS-1106",
        "check the machine's clock; if it is right, the signer needs a key of a stronger kind: for a token ask the \
         authority, for a card its issuer",
    ),
    ("CS-1201", GET_TOKEN_AGAIN),
    ("CS-1202", "activate again; a work order is at most 64 octets of text"),
    ("CS-1203", GET_FILE_AGAIN),
    ("CS-1204", GET_TOKEN_AGAIN),
    ("CS-1205", GET_TOKEN_AGAIN),
    ("CS-1206", GET_TOKEN_AGAIN),
    ("CS-1207", GET_FILE_AGAIN),
    ("CS-1208", GET_FILE_AGAIN),
    ("CS-1209", GET_FILE_AGAIN),
    ("CS-2001", CERTIFICATE),
    ("CS-2002", UPGRADE),
    ("CS-2004", CERTIFICATE),
    ("CS-2005", CERTIFICATE),
    (
        "CS-2006",
        "for a token: check `countersign-verifier anchors show`; for a card: use one that the token admits, and where \
         its issuer is not in the token give the certificates in between with --issuers FILE",
    ),
    ("CS-2007", CERTIFICATE),
    ("CS-2008", "check the machine's clock; if it is right, wait until the certificate is valid"),
    ("CS-2009", "check the machine's clock; if it is right, the certificate has to be renewed"),
    ("CS-2010", CERTIFICATE),
    ("CS-2011", CERTIFICATE),
    ("CS-2012", CERTIFICATE),
    ("CS-2013", "use a certificate whose key usage has digitalSignature or nonRepudiation"),
    ("CS-2014", SIGNER),
    ("CS-2015", "give fewer certificates with --issuers"),
    ("CS-2016", CERTIFICATE),
    ("CS-2017", NAME),
    ("CS-2018", NAME),
    ("CS-2019", NAME),
    ("CS-2020", "use a certificate with a policy that its issuers allow"),
    ("CS-2030", LIST_AGAIN),
    ("CS-2031", "use a list without such extensions, or a later release of this verifier"),
    (
        "CS-2032",
        "remove the list and install it again: `countersign-verifier lists` shows its name, `countersign-verifier lists \
         remove NAME` removes it",
    ),
    ("CS-2033", "check the medium that the list is on; in the store, install the list again"),
    (
        "CS-2034",
        "install the certificate of the list's issuer with it, or a bundle of the authority that brings both; if the issuer is \
         known here, the list is not by it",
    ),
    (
        "CS-2035",
        "the certificate does not count any more: for a token ask the authority for one by its new signer, for a card use \
         another one",
    ),
    ("CS-2036", "the certificate is suspended: ask its issuer, and install a later list when the hold is lifted"),
    ("CS-2037", LISTS),
    (
        "CS-2040",
        "check the machine's clock; if it is right, whoever issued the certificate has to issue it anew with a key of \
         a stronger kind",
    ),
    ("CS-3001", "put the authority's anchors in place: `sudo countersign-verifier anchors set anchors.pem`"),
    ("CS-3002", ANOTHER_CARD),
    ("CS-3003", ANOTHER_CARD),
    ("CS-3004", ANOTHER_CARD),
    ("CS-3005", "give the certificate of the holder's root with --issuers FILE"),
    ("CS-3006", ANOTHER_CARD),
    ("CS-3007", "use the certificate in slot 9C, or ask the authority for a token that admits 9A"),
    (
        "CS-3008",
        "nothing, where the one in force is the authority's: `countersign-verifier anchors show`; otherwise ask the authority for \
         the newest bundle",
    ),
    (
        "CS-3009",
        "ask the authority for the update with all its signatures; where updates before it are missing, for a bundle, which \
         brings all of them",
    ),
    (
        "CS-3010",
        "ask the authority for a token under its new anchor: `countersign-verifier anchors show` tells which are in force",
    ),
    (
        "CS-3011",
        "ask the authority for the token with its proof (`countersign-authority ledger prove`), and activate again under it",
    ),
    ("CS-3012", "do not use the token: ask the authority for it again, and tell its auditor"),
    ("CS-3013", "ask the authority for a token that enough of its officers have approved, and activate again under it"),
    ("CS-3014", "do not use the token: ask the authority for it again, and tell its auditor"),
    (
        "CS-3101",
        "install the token for this product: `countersign-verifier install FILE`; `countersign-verifier tokens` lists \
         those installed",
    ),
    ("CS-3102", AUTHORITY_TERMS),
    ("CS-3103", AUTHORITY_TERMS),
    ("CS-3104", "state the product's version: --product-version 2.4.1"),
    ("CS-3201", SET_CLOCK),
    (
        "CS-3202",
        "if the clock is wrong, set it (UTC), for example `sudo date --utc --set '2026-11-24 09:30'`; if it is right, \
         the machine has seen a wrong later time: `countersign-verifier clock` tells more",
    ),
    ("CS-3203", SET_CLOCK),
    ("CS-3204", SET_CLOCK),
    ("CS-3205", "check the machine's clock; if it is right, activate when the window opens"),
    ("CS-3206", "check the machine's clock; if it is right, ask the authority for a token with a later window"),
    ("CS-3207", "activate again: `countersign-verifier activate`"),
    ("CS-3301", "ask the authority why, and for another token; what else is installed: `countersign-verifier tokens`"),
    ("CS-3302", "ask the authority; when the hold is lifted, install its newest bundle"),
    ("CS-3303", LISTS),
    ("CS-3304", LISTS),
    (
        "CS-3305",
        "install the newest bundle of the authority: an earlier list than the one here never counts; `countersign-verifier \
         lists` shows what is here",
    ),
    (
        "CS-3306",
        "send both files to the authority with the code: one of them may not be its own. Nothing was taken from either",
    ),
    ("CS-3307", "send the file to the authority with the code: the key that signs its lists may be in other hands"),
    (
        "CS-3501",
        "ask the authority for a token with terms.clock-repair; or make sure of the clock, remove the store's file \
         newest-time, then `countersign-verifier remove TOKEN_ID --record` and activate again",
    ),
    ("CS-3502", "set the machine's clock first, where it is wrong; where it is right, nothing has to be mended"),
    ("CS-3503", "ask again: `sudo countersign-verifier clock request --out FILE`, and have that stamped"),
    ("CS-3504", "see why with `openssl ts -reply -text -in FILE`; have the request stamped by another authority"),
    ("CS-3505", STAMP_AGAIN),
    ("CS-3506", STAMP_AGAIN),
    ("CS-3507", STAMP_AGAIN),
    ("CS-3508", "the time-stamping authority's clock is wrong: have the request stamped by another one"),
    (
        "CS-3509",
        "set the machine's clock (UTC), for example `sudo date --utc --set '2026-11-24 09:30'`, and try again; after more \
         than 30 days have the request stamped again",
    ),
    (
        "CS-4001",
        "activate this machine itself: `countersign-verifier activate`; where parts were exchanged, that does it too",
    ),
    (
        "CS-4002",
        "send the authority what `countersign-verifier machine --json` prints, so that it lists this machine in a \
         new token",
    ),
    (
        "CS-4003",
        "see with `countersign-verifier machine` which components are missing; those without rights can be read with \
         sudo; else ask the authority for a token that needs fewer",
    ),
    ("CS-4004", "activate a physical machine, or ask the authority for a token that allows virtual ones"),
    (
        "CS-5001",
        "start the PC/SC service and try again:\n\
         \x20 Debian, Ubuntu   sudo apt-get install pcscd && sudo systemctl enable --now pcscd.socket\n\
         \x20 Fedora, RHEL     sudo dnf install pcsc-lite pcsc-lite-ccid && sudo systemctl enable --now pcscd.socket\n\
         \x20 openSUSE, SLES   sudo zypper install pcsc-lite pcsc-ccid && sudo systemctl enable --now pcscd.socket\n\
         \x20 Arch             sudo pacman -S pcsclite ccid && sudo systemctl enable --now pcscd.socket\n\
         \x20 Alpine           sudo apk add pcsc-lite ccid && sudo rc-service pcscd start\n\
         \x20 FreeBSD          sudo pkg install pcsc-lite ccid && sudo service pcscd onestart\n\
         If it runs, this user may not be allowed to use it: sudo tells",
    ),
    (
        "CS-5002",
        "connect a card reader; `countersign-verifier readers` lists those that the PC/SC service sees. A reader that is \
         connected and missing there needs its driver, most often the package libccid or ccid",
    ),
    ("CS-5003", "see the names with `countersign-verifier readers`; a part of a name is enough"),
    ("CS-5004", "leave only one card in, or name the reader with --reader; a part of its name is enough"),
    ("CS-5005", "insert the card; --wait waits for it"),
    ("CS-5006", "insert the card again, leave it in until the command ends, and repeat the command"),
    ("CS-5007", "another program uses the card: close it, and repeat the command"),
    (
        "CS-5008",
        "close the other program that uses the card (a browser, a VPN or mail program, gpg with scdaemon), and repeat \
         the command",
    ),
    ("CS-5009", CARD_AGAIN),
    ("CS-5010", "repeat the command with the card inserted"),
    (
        "CS-5011",
        "insert the card the right way round, the contacts first and clean; if that does not help, try another reader",
    ),
    ("CS-5012", CARD_AGAIN),
    ("CS-5020", "use a PIV card; `countersign-verifier readers` tells which cards are"),
    (
        "CS-5021",
        "use a card that was enrolled, or another slot: `countersign-verifier certs` shows what is in 9C and 9A",
    ),
    ("CS-5022", ISSUER),
    ("CS-5023", ISSUER),
    ("CS-5024", "check the PIN and try again; `countersign-verifier activate` tells the tries left before it asks"),
    (
        "CS-5025",
        "the card's issuer can unblock the PIN, or with the PUK: ykman piv access unblock-pin, or your card's own tool",
    ),
    ("CS-5026", "make sure of the PIN first: a wrong one blocks the card. Then repeat the command with --use-last-try"),
    ("CS-5027", "a PIV PIN is six to eight digits; nothing was sent to the card"),
    ("CS-5028", "repeat the command: the card wants the PIN again"),
    (
        "CS-5029",
        "the key in this slot does not go with its certificate: enrol the card again, or use another slot or card",
    ),
    ("CS-5030", ISSUER),
    ("CS-5031", "leave the same card in until the command ends, and repeat the command"),
    ("CS-5032", CARD_AGAIN),
    ("CS-5033", ISSUER),
    ("CS-5034", "this is a fault of the program: please report it with the code"),
    ("CS-5035", MANAGEMENT),
    ("CS-5036", MANAGEMENT),
    ("CS-5037", MANAGEMENT),
    ("CS-5038", MANAGEMENT),
    ("CS-5039", MANAGEMENT),
    ("CS-5040", MANAGEMENT),
    ("CS-5041", MANAGEMENT),
    ("CS-5042", MANAGEMENT),
    ("CS-5043", MANAGEMENT),
    ("CS-5044", MANAGEMENT),
    ("CS-5045", MANAGEMENT),
    ("CS-5046", MANAGEMENT),
    ("CS-5050", "type the PIN at the terminal"),
    ("CS-5051", "repeat the command and enter the PIN at the reader"),
    ("CS-5052", "repeat the command and enter the PIN at the reader within a minute"),
    (
        "CS-6001",
        "activate this machine: `countersign-verifier activate`; without a token: `countersign-verifier install FILE` \
         first",
    ),
    ("CS-6002", "`countersign-verifier doctor` tells what is wrong with the store and how to mend it"),
    (
        "CS-6003",
        "take away what stands there if you do not know it, and activate again: the store has plain files and folders \
         only",
    ),
    ("CS-6004", "take away what does not belong there; `countersign-verifier remove` removes tokens and records"),
    ("CS-6005", STORE_RIGHTS),
    (
        "CS-6006",
        "make sure of the clock, remove the damaged file, then `countersign-verifier remove TOKEN_ID --record` and activate \
         again",
    ),
    (
        "CS-6007",
        "somebody took the file away: make sure of the clock, then `countersign-verifier remove TOKEN_ID --record` and \
         activate again",
    ),
    (
        "CS-6008",
        "a product identifier is 1 to 64 letters, digits, '.', '_' and '-'; `countersign-verifier status` lists them",
    ),
    ("CS-6009", "wait until the other command has ended, and repeat this one"),
    (
        "CS-6010",
        "have all files of the store owned by one user, who changes it: sudo chown -R; and keep it on ext4, XFS, Btrfs or \
         tmpfs, in a container on a volume",
    ),
    ("CS-6011", "this is a fault of the program: please report it with the code"),
    ("CS-8001", "`countersign-verifier help` and `countersign-verifier help COMMAND` explain, with examples"),
    ("CS-8002", "check the name; on a stick, that it is mounted"),
    ("CS-8003", "name a file in it"),
    ("CS-8004", "check that it is the right file: tokens, records and certificates are much smaller"),
    ("CS-8005", "run the command as a user who may read the file"),
    ("CS-8006", "check the medium that the file is on"),
    ("CS-8007", "choose a place where this user may write, with room left"),
    (
        "CS-8008",
        "the owner of this verifier chose its anchors when it was built; a verifier built without \
         COUNTERSIGN_ANCHORS_PEM uses the administrator's",
    ),
    (
        "CS-8009",
        "keep the newer one that is installed; to go back nevertheless, `countersign-verifier remove TOKEN_ID` first",
    ),
    ("CS-8010", "ask the authority which of the two is right: no two should bear the same version"),
    ("CS-8011", "install one: `countersign-verifier install FILE`"),
    ("CS-8012", "say which: --token ID or --product PRODUCT; `countersign-verifier tokens` lists them"),
    ("CS-8013", "`countersign-verifier tokens` lists those that are"),
    (
        "CS-8014",
        "run the command on a terminal, or say all on the command line: --pin-fd N for the PIN, --yes for removing",
    ),
    (
        "CS-8015",
        "open the descriptor for the command, for example: countersign-verifier activate --pin-fd 3 3<pin-file",
    ),
    ("CS-8016", "repeat the command when you are ready"),
    ("CS-8017", "the system's random number generator has to work first: see the system's log"),
    ("CS-8018", "use a card with a P-256, P-384, RSA-2048, RSA-3072 or RSA-4096 key"),
    ("CS-8019", "enrol the card again: the certificate in this slot belongs to another key"),
    ("CS-8020", "use the file anchors.pem that the authority made: it holds root certificates"),
    ("CS-8022", STORE_RIGHTS),
    ("CS-8023", "make one: `sudo countersign-verifier clock request --out FILE`, and have that stamped"),
    ("CS-8024", "`countersign-verifier lists` shows those that are"),
    ("CS-8025", "say more of the name: `countersign-verifier lists` shows them"),
    (
        "CS-8030",
        "whoever can write there decides which tokens count: sudo chown root:root and chmod go-w the folders and the file",
    ),
    ("CS-8031", "whoever can write there can remove activations: chmod go-w the folder"),
    ("CS-8032", "run the verifier with sudo where tokens count this component; the product needs the same rights"),
    ("CS-8033", "ask the authority for tokens that count what this machine has"),
    ("CS-8034", "nothing: it is made by `anchors set`, `install` or `activate`"),
    (
        "CS-8036",
        "install the newest bundle of the authority; where the product's own anchors are the newest there is nothing to do",
    ),
    (
        "CS-8037",
        "ask the authority for tokens under its new anchor, and activate with them; what was activated before stands",
    ),
    (
        "CS-8038",
        "install the newest bundle of the authority; a list that will not be needed again can be removed: \
         `countersign-verifier lists remove NAME`",
    ),
    ("CS-8039", "install the list, or the bundle that brought it, again: its index is made then"),
    ("CS-8040", "nothing is refused by it, but ask the authority for the newest bundle"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_common::Reason;

    #[test]
    fn every_code_of_every_crate_has_advice() {
        let tables = [
            Reason::CODES,
            countersign_pki::PathErrorKind::CODES,
            countersign::StoreError::CODES,
            countersign_card::Error::CODES,
            crate::Error::CODES,
        ];
        let codes: Vec<&str> = tables.into_iter().flatten().map(|(code, _)| *code).collect();
        for code in &codes {
            assert!(ADVICE.iter().any(|(known, _)| known == code), "{code} has no advice");
            assert!(*code == "CS-0001" || !of(code).is_empty(), "{code} has empty advice");
        }
        assert_eq!(ADVICE.len(), codes.len(), "advice for a code that is no more, or twice");
        assert!(ADVICE.is_sorted_by_key(|(code, _)| *code));
    }
}
