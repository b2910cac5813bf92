//! `init`: founds an authority.

use super::{Answer, Context};
use crate::{
    args::Init,
    certs::{self, Lifetime},
    clock,
    error::Error,
    files::NewFolder,
    home::{Home, Role, Settings},
    keys::{FileKey, Signer},
    ledger::{Body, Ledger},
    words::to_hex,
};
use countersign_common::{Certificate, Time, oid};
use countersign_pki::{Budget, PathRules, validate_path};
use serde_json::json;
use x509_cert::name::Name;
use zeroize::Zeroizing;

pub(super) fn run(arguments: Init, context: &mut Context<'_>) -> Result<Answer, Error> {
    let now = clock::now()?;
    let home = &context.global.home;
    // What may fail without a secret fails before one is asked for.
    let token_root_name = certs::own_name("Activation Token Root", &arguments.organization)?;
    let holder_root_name = certs::own_name("Activation Holder Root", &arguments.organization)?;
    let signer_name = certs::own_name("Activation Token Signer", &arguments.organization)?;
    if arguments.signer_validity.0 > arguments.root_validity.0 {
        return Err(Error::Usage("the token signer would outlive its root: shorten --signer-validity".to_owned()));
    }
    let folder = NewFolder::reserve(home)?;
    let passphrase = context.passphrase().read_new_passphrase("Passphrase for the authority's keys: ")?;

    context.note("Making the keys …");
    let roots = Lifetime { not_before: now, not_after: now.plus(arguments.root_validity.0.into()) };
    let signing = Lifetime { not_before: now, not_after: now.plus(arguments.signer_validity.0.into()) };
    let (token_root, token_root_key) =
        found_root(certs::Role::TokenRoot, &token_root_name, roots, &arguments, &passphrase)?;
    let (holder_root, holder_root_key) =
        found_root(certs::Role::HolderRoot, &holder_root_name, roots, &arguments, &passphrase)?;
    let key = FileKey::generate(arguments.signer_algorithm.unwrap_or(arguments.algorithm))?;
    let signer_key = key.encrypt(&passphrase)?;
    let spki = crate::keys::SigningKey::spki(&key).to_vec();
    let signer = certs::issue(certs::Role::TokenSigner, &signer_name, signing, &spki, &token_root)?;
    let signer = Signer::new(signer, Box::new(key))?;
    verify(&token_root, &holder_root, &signer, now)?;

    context.note("Writing the folder …");
    let settings = Settings::new(&arguments.organization, now);
    Home::write(
        folder.path(),
        &settings,
        &[
            (Role::TokenRoot, token_root.certificate(), &token_root_key),
            (Role::HolderRoot, holder_root.certificate(), &holder_root_key),
            (Role::TokenSigner, signer.certificate(), &signer_key),
        ],
    )?;
    let mut ledger = Ledger::create(&Home::ledger_file(folder.path()))?;
    let writing = ledger.begin()?;
    writing.append(
        now,
        &Body::AuthorityFounded {
            organization: arguments.organization.clone(),
            token_root: to_hex(token_root.certificate()),
            holder_root: to_hex(holder_root.certificate()),
            token_signer: to_hex(signer.certificate()),
        },
    )?;
    writing.commit()?;
    ledger.close()?;
    read_back(folder.path(), &passphrase, [&token_root, &holder_root, &signer])?;
    folder.finish()?;
    answer(home, &arguments.organization, [&token_root, &holder_root, &signer])
}

/// A root with its encrypted key.
fn found_root(
    role: certs::Role,
    name: &Name,
    lifetime: Lifetime,
    arguments: &Init,
    passphrase: &str,
) -> Result<(Signer, Zeroizing<String>), Error> {
    let key = FileKey::generate(arguments.algorithm)?;
    let encrypted = key.encrypt(passphrase)?;
    let certificate = certs::root(role, name, lifetime, &key)?;
    Ok((Signer::new(certificate, Box::new(key))?, encrypted))
}

/// What the verifiers will ask of these certificates, asked now.
fn verify(token_root: &Signer, holder_root: &Signer, signer: &Signer, now: Time) -> Result<(), Error> {
    let refused = |error| Error::Verification(countersign_common::Reason::Signer(error));
    let token_root = Certificate::from_der(token_root.certificate()).map_err(refused)?;
    let holder_root = Certificate::from_der(holder_root.certificate()).map_err(refused)?;
    let signer = Certificate::from_der(signer.certificate()).map_err(refused)?;
    let rules = PathRules { extended_key_usage: Some(oid::EKU_TOKEN_SIGNING), signing: true, ..PathRules::at(now) };
    validate_path(&signer, &[], core::slice::from_ref(&token_root), &rules, &mut Budget::default()).map_err(refused)?;
    // Each root under itself, and neither under the other: the roles never mix.
    for root in [&token_root, &holder_root] {
        let anchor = [root.clone()];
        validate_path(root, &[], &anchor, &PathRules::at(now), &mut Budget::default()).map_err(refused)?;
    }
    if validate_path(&signer, &[], &[holder_root], &rules, &mut Budget::default()).is_ok() {
        return Err(Error::NotWhatWasMeant);
    }
    Ok(())
}

/// Distrusts the disk: every key must open again and fit its certificate.
fn read_back(folder: &std::path::Path, passphrase: &str, signers: [&Signer; 3]) -> Result<(), Error> {
    let home = Home::open(folder)?;
    for (role, signer) in [Role::TokenRoot, Role::HolderRoot, Role::TokenSigner].into_iter().zip(signers) {
        if home.signer(role, passphrase)?.certificate() != signer.certificate() {
            return Err(Error::NotWhatWasMeant);
        }
    }
    Ok(())
}

fn answer(home: &std::path::Path, organization: &str, signers: [&Signer; 3]) -> Result<Answer, Error> {
    let mut text = format!("Founded the authority of {organization} in {}.\n", home.display());
    let mut document = json!({ "home": home, "organization": organization });
    for (role, signer) in [Role::TokenRoot, Role::HolderRoot, Role::TokenSigner].into_iter().zip(signers) {
        let certificate = Certificate::from_der(signer.certificate()).map_err(|_| Error::KeyMismatch)?;
        text += &format!("\n{}\n", role.name());
        text += &countersign_report::render(&countersign_report::certificate_lines(&certificate));
        document[role.name().replace(' ', "_")] = countersign_report::certificate(&certificate);
    }
    text += &format!(
        "\nnext: build {} into the product; keep a backup of the folder, and the passphrase apart from it\n",
        home.join("anchors.pem").display()
    );
    Ok(Answer { text, json: json!({ "authority": document }), warnings: Vec::new() })
}
