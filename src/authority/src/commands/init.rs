//! `init`: founds an authority.

use super::{Answer, Context};
use crate::{
    args::{Init, KeyAlgorithm},
    certs::{self, Lifetime},
    clock,
    error::Error,
    files::NewFolder,
    home::{Home, Role, Settings},
    keys::{FileKey, Signer, SigningKey},
    ledger::{Body, Ledger},
    prompt::Secret,
    words::{Interval, to_hex},
};
use countersign_common::{Certificate, Reason, Time};
use countersign_pki::{Budget, PathRules, validate_path};
use serde_json::json;
use x509_cert::name::Name;
use zeroize::Zeroizing;

pub(super) fn run(arguments: Init, context: &mut Context<'_>) -> Result<Answer, Error> {
    let now = clock::now()?;
    let home = &context.global.home;
    // What may fail without a secret fails before one is asked for.
    let name = |role: Role| certs::own_name(&role.common_name(1), &arguments.organization);
    for role in Role::ALL {
        name(role)?;
    }
    for (option, validity) in [
        ("--signer-validity", arguments.signer_validity),
        ("--list-signer-validity", arguments.list_signer_validity),
        ("--anchors-signer-validity", arguments.anchors_signer_validity),
        ("--ledger-signer-validity", arguments.ledger_signer_validity),
    ] {
        if validity.0 > arguments.root_validity.0 {
            return Err(Error::Usage(format!("a signer would outlive its root: shorten {option}")));
        }
    }
    let folder = NewFolder::reserve(home)?;
    let passphrase = context.passphrase().read_new_passphrase("Passphrase for the authority's keys: ")?;
    let ledger_passphrase = ledger_passphrase(context, &passphrase)?;

    context.note("Making the keys …");
    let lifetime = |validity: Interval| Lifetime { not_before: now, not_after: now.plus(validity.0.into()) };
    let signer_algorithm = arguments.signer_algorithm.unwrap_or(arguments.algorithm);
    let roots = lifetime(arguments.root_validity);
    let root = |role| found_root(role, &name(role)?, roots, arguments.algorithm, &passphrase);
    let (token_root, token_root_key) = root(Role::TokenRoot)?;
    let (holder_root, holder_root_key) = root(Role::HolderRoot)?;
    let of_role = |role| if role == Role::LedgerSigner { &ledger_passphrase } else { &passphrase };
    let signer = |role, validity| {
        certify_signer(role, &name(role)?, lifetime(validity), signer_algorithm, &token_root, of_role(role))
    };
    let (token_signer, token_signer_key) = signer(Role::TokenSigner, arguments.signer_validity)?;
    let (list_signer, list_signer_key) = signer(Role::ListSigner, arguments.list_signer_validity)?;
    let (anchors_signer, anchors_signer_key) = signer(Role::AnchorsSigner, arguments.anchors_signer_validity)?;
    let (ledger_signer, ledger_signer_key) = signer(Role::LedgerSigner, arguments.ledger_signer_validity)?;
    for (role, signer) in [
        (Role::TokenSigner, &token_signer),
        (Role::ListSigner, &list_signer),
        (Role::AnchorsSigner, &anchors_signer),
        (Role::LedgerSigner, &ledger_signer),
    ] {
        verify_signer(role, signer.certificate(), token_root.certificate(), now)?;
    }
    verify_roots(&token_root, &holder_root, &token_signer, now)?;

    context.note("Writing the folder …");
    let settings = Settings::new(&arguments.organization, now);
    let parts = [
        (Role::TokenRoot, &token_root, token_root_key),
        (Role::HolderRoot, &holder_root, holder_root_key),
        (Role::TokenSigner, &token_signer, token_signer_key),
        (Role::ListSigner, &list_signer, list_signer_key),
        (Role::AnchorsSigner, &anchors_signer, anchors_signer_key),
        (Role::LedgerSigner, &ledger_signer, ledger_signer_key),
    ];
    let files: Vec<_> = parts.iter().map(|(role, signer, key)| (*role, signer.certificate(), key.as_str())).collect();
    Home::write(folder.path(), &settings, &files)?;
    let mut ledger = Ledger::create(&Home::ledger_file(folder.path()))?;
    let writing = ledger.begin()?;
    writing.append(
        now,
        &Body::AuthorityFounded {
            organization: arguments.organization.clone(),
            token_root: to_hex(token_root.certificate()),
            holder_root: to_hex(holder_root.certificate()),
            token_signer: to_hex(token_signer.certificate()),
            list_signer: to_hex(list_signer.certificate()),
            anchors_signer: to_hex(anchors_signer.certificate()),
            ledger_signer: to_hex(ledger_signer.certificate()),
        },
    )?;
    writing.commit()?;
    ledger.close()?;
    let signers: Vec<_> = parts.iter().map(|(role, signer, _)| (*role, *signer)).collect();
    read_back(folder.path(), &of_role, &signers)?;
    folder.finish()?;
    answer(home, &arguments.organization, &signers)
}

/// A new passphrase for the ledger signer. Whoever issues must not be able to sign for the ledger.
pub(super) fn ledger_passphrase(context: &Context<'_>, other: &str) -> Result<Secret, Error> {
    let question = "Passphrase for the ledger signer's key, another one: ";
    let passphrase = context.ledger_passphrase().read_new_passphrase(question)?;
    if *passphrase == *other { Err(Error::PassphrasesSame) } else { Ok(passphrase) }
}

/// A root with its encrypted key.
pub(super) fn found_root(
    role: Role,
    name: &Name,
    lifetime: Lifetime,
    algorithm: KeyAlgorithm,
    passphrase: &str,
) -> Result<(Signer, Zeroizing<String>), Error> {
    let key = FileKey::generate(algorithm)?;
    let encrypted = key.encrypt(passphrase)?;
    let certificate = certs::root(role.certified_as(), name, lifetime, &key)?;
    Ok((Signer::new(certificate, Box::new(key))?, encrypted))
}

/// A signer under a root, with its encrypted key.
pub(super) fn certify_signer(
    role: Role,
    name: &Name,
    lifetime: Lifetime,
    algorithm: KeyAlgorithm,
    root: &Signer,
    passphrase: &str,
) -> Result<(Signer, Zeroizing<String>), Error> {
    let key = FileKey::generate(algorithm)?;
    let encrypted = key.encrypt(passphrase)?;
    let certificate = certs::issue(role.certified_as(), name, lifetime, SigningKey::spki(&key), root)?;
    Ok((Signer::new(certificate, Box::new(key))?, encrypted))
}

/// What the verifiers will ask of a signer's certificate, asked now.
pub(super) fn verify_signer(role: Role, certificate: &[u8], root: &[u8], now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Signer(error));
    let root = [Certificate::from_der(root).map_err(refused)?];
    let signer = Certificate::from_der(certificate).map_err(refused)?;
    let usage = role.certified_as().extended_key_usage();
    let rules = PathRules { extended_key_usage: usage, signing: true, ..PathRules::at(now) };
    validate_path(&signer, &[], &root, &rules, &mut Budget::default()).map_err(refused)?;
    Ok(())
}

/// Each root under itself, and neither under the other: the roles never mix.
fn verify_roots(token_root: &Signer, holder_root: &Signer, signer: &Signer, now: Time) -> Result<(), Error> {
    for root in [token_root, holder_root] {
        verify_root(root.certificate(), now)?;
    }
    match verify_signer(Role::TokenSigner, signer.certificate(), holder_root.certificate(), now) {
        Ok(()) => Err(Error::NotWhatWasMeant),
        Err(_) => Ok(()),
    }
}

/// A root leads to itself.
pub(super) fn verify_root(der: &[u8], now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(Reason::Signer(error));
    let root = Certificate::from_der(der).map_err(refused)?;
    let anchor = [root.clone()];
    validate_path(&root, &[], &anchor, &PathRules::at(now), &mut Budget::default()).map_err(refused)?;
    Ok(())
}

/// Distrusts the disk: every key must open again and fit its certificate.
fn read_back<'p>(
    folder: &std::path::Path,
    passphrase: &dyn Fn(Role) -> &'p Secret,
    signers: &[(Role, &Signer)],
) -> Result<(), Error> {
    let home = Home::open(folder)?;
    for (role, signer) in signers {
        if home.signer(*role, passphrase(*role))?.certificate() != signer.certificate() {
            return Err(Error::NotWhatWasMeant);
        }
    }
    home.ledger()?.close()
}

fn answer(home: &std::path::Path, organization: &str, signers: &[(Role, &Signer)]) -> Result<Answer, Error> {
    let mut text = format!("Founded the authority of {organization} in {}.\n", home.display());
    let mut document = json!({ "home": home, "organization": organization });
    for (role, signer) in signers {
        let certificate = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
        text += &format!("\n{}\n", role.name());
        text += &countersign_report::render(&countersign_report::certificate_lines(&certificate));
        document[role.slug().replace('-', "_")] = countersign_report::certificate(&certificate);
    }
    text += &format!(
        "\nnext: build {} into the product; keep a backup of the folder, and the passphrases elsewhere\n",
        home.join("anchors.pem").display()
    );
    Ok(Answer { text, json: json!({ "authority": document }), warnings: Vec::new() })
}
