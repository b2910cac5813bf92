//! What to do next, for everything that can go wrong.

use crate::error::Error;

impl Error {
    /// What to do next, in one line.
    pub fn advice(&self) -> String {
        match self {
            Self::Usage(_) => "see --help for the arguments and an example".to_owned(),
            Self::NoAuthority(_) => {
                "name its folder with --home, or found one: countersign-authority init --organization NAME".to_owned()
            }
            Self::AuthorityExists(_) => "an authority is never overwritten: name another folder with --home".to_owned(),
            Self::AuthorityNewer { .. } => "install the release that founded it, or a later one".to_owned(),
            Self::AuthorityOlder { .. } => {
                "work with the release that founded it, or found the authority anew with this one".to_owned()
            }
            Self::AuthorityDamaged { .. } | Self::KeyFile { .. } | Self::LedgerDamaged(_) => {
                "restore the authority's folder from its backup, and find out who changed it".to_owned()
            }
            Self::LedgerAltered(_) | Self::NotTheSignedTree { .. } | Self::KeptHead { .. } => {
                "issue nothing with it; compare the ledger with its backup, and find out who changed it".to_owned()
            }
            Self::NotSignedYet { .. } => {
                "have the ledger signer sign the tree first: countersign-authority ledger sign --out FILE".to_owned()
            }
            Self::SecretsSame => "choose another one, which nobody else knows; nothing was written".to_owned(),
            Self::BatchFile { .. } => {
                "correct the file; docs/fleets.md says what its rows look like, and --dry-run tries them".to_owned()
            }
            Self::BatchFolder { .. } => {
                "name another folder for a new batch; to go on with one, give the same rows and terms as before"
                    .to_owned()
            }
            Self::BatchRow(_) => "correct the row, and issue it in another batch".to_owned(),
            Self::FileExists(_) => "nothing is overwritten: name another file, or move this one away".to_owned(),
            Self::File { fault, .. } => match fault.kind() {
                std::io::ErrorKind::NotFound => "check the spelling, and that the folder exists".to_owned(),
                std::io::ErrorKind::PermissionDenied => "check who owns the file and its folder".to_owned(),
                std::io::ErrorKind::StorageFull => "make room on the disk and try again".to_owned(),
                _ => "mend the cause and try again".to_owned(),
            },
            Self::FileTooLarge { .. } => "check that it is the right file".to_owned(),
            Self::MachineFile { .. } => {
                "write it again on that machine: countersign-verifier machine --json > FILE".to_owned()
            }
            Self::CertificateFile { .. } => "give a CA certificate as PEM or DER, nothing else in the file".to_owned(),
            Self::ListFile { .. } => {
                "give certificate revocation lists as DER, or as PEM and nothing else in the file".to_owned()
            }
            Self::NoTerminal(option) => format!("run it on a terminal, or hand the secret over with {option} N"),
            Self::Descriptor { number, .. } => {
                format!("open it for the command, as in {number}< FILE or {number}<<< …")
            }
            Self::WrongPassphrase => {
                "type it again; it was given at init; the ledger signer and each officer have their own".to_owned()
            }
            Self::WeakPassphrase => "choose at least 8 characters; several random words do well".to_owned(),
            Self::PassphrasesDiffer => "start again; nothing was written".to_owned(),
            Self::KeyMismatch => {
                "do not use this authority before it is known why: compare its folder with the backup".to_owned()
            }
            Self::Random => "wait until the system has started fully, and try again".to_owned(),
            Self::Clock => "set the clock of this machine".to_owned(),
            Self::TooManySteps { .. } => {
                "choose longer steps with --by, or a shorter time with --since and --until".to_owned()
            }
            Self::Encoding(_) => "please report this with the arguments that were used".to_owned(),
            Self::Ledger(_) => {
                "check the rights and the room in the authority's folder or database, and that no other command hangs".to_owned()
            }
            Self::LedgerUrl(_) => {
                "write postgresql://USER@/DATABASE for a server on this machine, postgresql://USER@HOST/DATABASE?sslrootcert=FILE \
                 for another one, without a password (docs/ledger.md); change a password that was typed"
                    .to_owned()
            }
            Self::LedgerServer(_) => {
                "check that the server runs, that its URL in authority.toml is right, and that it lets this user in"
                    .to_owned()
            }
            Self::LedgerUnfit(_) => "have whoever runs the server change that, or name another database".to_owned(),
            Self::LedgerExists(_) => {
                "name another database; to work with that ledger, copy the folder of its authority".to_owned()
            }
            Self::OtherLedger(_) => {
                "correct the URL in authority.toml, or name the folder of that authority with --home".to_owned()
            }
            Self::FolderBehind { .. } => {
                "copy the file, with anchors.pem and holder-roots.pem, from the folder where that was done".to_owned()
            }
            Self::LedgerOutcome(_) => {
                "look whether the entry is there: countersign-authority ledger list; if it is, ledger show NUMBER \
                 --export FILE writes what was issued, and if not, do it again"
                    .to_owned()
            }
            Self::NoEntry(_) => "list what there is: countersign-authority ledger list".to_owned(),
            Self::Ambiguous(_) => "type more of it; countersign-authority ledger list shows all of it".to_owned(),
            Self::NotIssuedHere(_) => {
                "ask whoever issued it to revoke it; a root goes by anchors update --remove".to_owned()
            }
            Self::RevokedAlready(_) => {
                "nothing is left to do but to issue the lists: countersign-authority crl; only a hold can change"
                    .to_owned()
            }
            Self::NotOnHold(_) => "only what was revoked with certificateHold can be lifted".to_owned(),
            Self::SignerRevoked(role) => format!("make a new one: countersign-authority renew {role}"),
            Self::ClockBehindList { .. } => {
                "set the clock of this machine, or find out who dated a list ahead".to_owned()
            }
            Self::CustomerName(_) => "say it once: --customer-name NAME".to_owned(),
            Self::OtherToken(_) => {
                "supersede with the same customer and product, or issue a new token without --supersedes".to_owned()
            }
            Self::CeremonyScript(findings)
            | Self::CertificateLint(findings)
            | Self::Lint(findings)
            | Self::Limits(findings)
            | Self::Profile(findings) => findings
                .iter()
                .find(|finding| finding.is_error())
                .map_or_else(|| "correct what was found".to_owned(), |finding| finding.advice.clone().into_owned()),
            Self::NotAsRehearsed(_) => {
                "nothing was written; compare the keys with the script: one that is there already may be of another kind"
                    .to_owned()
            }
            Self::Transcript { .. } => {
                "give the transcript as ceremony run --perform wrote it; ledger show ID --export FILE writes it again"
                    .to_owned()
            }
            Self::BackupFile { .. } => "nothing was written; take another copy of the backup, or an earlier one".to_owned(),
            Self::BackupOlder { .. } => {
                "look for a later backup; restore this one with --accept-older if there is none: what was entered since is lost"
                    .to_owned()
            }
            Self::KeyAway { key, .. } => {
                format!("bring the medium with {key}.key.pem, and name its folder: --offline-keys DIR")
            }
            Self::Verification(_) | Self::NotWhatWasMeant => {
                "nothing was written; check the authority's certificates and its clock".to_owned()
            }
            Self::UnknownToken { .. } => {
                "find out who signed that token: if its signer is compromised, revoke it with --standing".to_owned()
            }
            Self::UpdatesDiffer(_) => "keep one file for each update".to_owned(),
            Self::SignedAlready(_) => "have another officer do it".to_owned(),
            Self::OwnRootMissing => "renew the token root first, so that the next one can take over".to_owned(),
            Self::NotRequestedHere(_) => {
                "make the request with this authority: countersign-authority request make".to_owned()
            }
            Self::IssuedAlready(_) => {
                "nothing is left to do: countersign-authority ledger show ID --export FILE writes the token".to_owned()
            }
            Self::NeedsApprovals(_) => {
                "ask for it with the same arguments, and have it approved: countersign-authority request make"
                    .to_owned()
            }
            Self::RequestFile { .. } => "get the file again from whoever made the request".to_owned(),
            Self::ApproverRevoked(_) | Self::RequestOvertaken(_) => {
                "ask for the token again, and have it approved anew: countersign-authority request make".to_owned()
            }
            Self::Object { reason: countersign_common::Reason::TooFewApprovals { .. }, .. } => {
                "have another officer approve it: countersign-authority request approve FILE".to_owned()
            }
            Self::Object { reason: countersign_common::Reason::Approval { .. }, .. } => {
                "ask for the token again, and have it approved by officers of this authority".to_owned()
            }
            Self::Object { reason, .. } => match reason.remedy() {
                countersign_common::Remedy::UpgradeVerifier => "install a later release of this program".to_owned(),
                _ => "get the file again from where it came; a token is issued anew in a moment".to_owned(),
            },
            Self::PrivateKey(_) => {
                "keep it secret, and do not carry it about: this command shows public objects".to_owned()
            }
            Self::Card(error) => card_advice(error).to_owned(),
            Self::Hsm(error) => error.advice().to_owned(),
            Self::Piv(error) => error.advice().to_owned(),
            Self::Attestation { .. } => {
                "do not certify this key: use another card, or the root certificates of the card's maker".to_owned()
            }
            Self::CardTaken { .. } => "take it out, and put in another card".to_owned(),
            Self::WeakPin { what: "PUK", .. } => {
                "choose eight digits that nobody would guess, and none of the PIN; or leave out --new-puk-fd".to_owned()
            }
            Self::WeakPin { .. } => "choose six to eight digits that nobody would guess".to_owned(),
            Self::SlotOccupied { .. } => {
                "use another card, or replace key and certificate for good with --replace".to_owned()
            }
            Self::NoPossession => "do not use this card: its key does not do what it says".to_owned(),
            Self::CardReadBack => "enrol the card again with --replace, or use another card".to_owned(),
        }
    }
}

/// Cards' faults by what a person at the authority can do about them.
fn card_advice(error: &countersign_card::Error) -> &'static str {
    match error.code() {
        "CS-5001" => "start the PC/SC service: systemctl start pcscd.socket",
        "CS-5002" | "CS-5003" => "connect the reader, and check its name",
        "CS-5004" => "name the reader with --reader",
        "CS-5005" | "CS-5006" | "CS-5011" => "put the card in, contacts first, and leave it there",
        "CS-5007" | "CS-5008" => "end the other program that uses the card, and try again",
        "CS-5024" => "check the PIN before you try again: too many wrong ones block the card",
        "CS-5025" => "set a new PIN with the PUK: countersign-authority card unblock; or ask whoever issued the card",
        "CS-5021" => "put a certificate into the slot, of any issuer: the card tells of its key by it",
        "CS-5026" => {
            "make sure of the PIN, then spend the last try: --use-last-try, for a key of the authority --key-last-try"
        }
        "CS-5027" => "type the PIN as digits",
        "CS-5029" => "the card cannot make or use such a key: try another --algorithm",
        "CS-5031" => "leave one card in the reader from beginning to end",
        "CS-5035" => "make sure of the PUK before you try again: when it is blocked too, the card has to be reset",
        "CS-5036" => "reset the card with the tool of its maker, which takes its keys along, and enrol it anew",
        "CS-5037" => "type the PUK as digits",
        "CS-5038" => "choose another one: the card has rules of its own",
        "CS-5039" => "use a card that attests keys which it made itself, such as a YubiKey from version 4.3 on",
        "CS-5046" => "enrol it without --new-secrets, and change its management key with the tool of its maker",
        "CS-5040" | "CS-5041" | "CS-5042" | "CS-5043" | "CS-5044" => {
            "ask whoever issued the card for its management key, and give it at the prompt or by a descriptor"
        }
        _ => "take the card out, put it in again and try once more; if it stays so, use another card",
    }
}
