//! `renew`: a new key and certificate for a role, beside those that it has had.

use super::{Answer, Context, init};
use crate::{
    args::{Renew, RoleName},
    certificate_lint,
    certs::{self, Lifetime},
    clock,
    custody::Written,
    error::Error,
    home::Home,
    key_uri::KeyPlace,
    keys::Custodian,
    ledger::Body,
    role::Role,
    words::{digest, to_hex},
};
use countersign_common::{Certificate, Time};
use serde_json::json;

pub(super) fn run(arguments: &Renew, context: &mut Context<'_>) -> Result<Answer, Error> {
    let new = &arguments.key;
    init::check_padding(new.rsa_padding, core::iter::once(&new.key))?;
    let role = role(arguments.role);
    context.attempt("renew", role.slug());
    let home = Home::open(&context.global.home)?;
    let mut ledger = home.ledger()?;
    let place = home.place(role) + 1;
    let name = certs::own_name(&role.common_name(place), home.organization())?;
    lifetime(&home, role, arguments, clock::now()?)?;
    home.check_custody(role.custodian(), &new.key, &mut context.keyring)?;
    let issuing_role = if role.collection().is_some() { role } else { Role::TokenRoot };
    let issuer = home.signer(issuing_role, &mut context.keyring)?;
    match role.custodian() {
        _ if new.key != KeyPlace::File => {}
        Custodian::Issuer => home.open_passphrase(&mut context.keyring)?,
        other => context.keyring.choose_passphrase(other)?,
    }

    context.note("Making the key …");
    // Typing took its time.
    let now = clock::now()?;
    let lifetime = lifetime(&home, role, arguments, now)?;
    let making = init::Making {
        place: &new.key,
        label: init::key_label(home.organization(), role, place),
        algorithm: new.algorithm,
        padding: new.rsa_padding,
    };
    let (signer, key) = if role.collection().is_some() {
        let (signer, key) = init::found_root(role, &name, lifetime, &making, &mut context.keyring)?;
        init::verify_root(signer.certificate(), now)?;
        (signer, key)
    } else {
        let made = init::certify_signer(role, &name, lifetime, &making, &issuer, &mut context.keyring)?;
        init::verify_signer(&role.certified_as(), made.0.certificate(), issuer.certificate(), now)?;
        made
    };

    home.check_unused(Some(role), signer.key().spki())?;

    // The ledger is last: with the entry the new key is the one in use.
    let writing = ledger.begin()?;
    if writing.register()?.of_role(role).count() + 1 != place {
        return Err(Error::FileExists(home.path().join(format!("{}.pem", role.file_name(place)))));
    }
    context.keyring.certify(&[signer.certificate()])?;
    let offline = context.keyring.offline().map(std::path::Path::to_owned);
    let mut written = Written::default();
    home.add(role, place, signer.certificate(), &key, offline.as_deref(), &mut written)?;
    let sequence = writing.append(
        now,
        &Body::CertificateRenewed {
            role: role.slug().to_owned(),
            digest: digest(signer.certificate()),
            certificate: to_hex(signer.certificate()),
        },
    )?;
    // A key that nobody refers to does less harm than an entry without its key.
    context.keyring.keep();
    written.keep();
    writing.commit()?;
    let mut answer = answer(role, signer.certificate(), sequence)?;
    answer.warnings = context.keyring.warnings();
    answer.warnings.extend(certificate_lint::longevity(&role.certified_as(), lifetime));
    Ok(answer)
}

pub(super) fn role(name: RoleName) -> Role {
    match name {
        RoleName::TokenSigner => Role::TokenSigner,
        RoleName::ListSigner => Role::ListSigner,
        RoleName::AnchorsSigner => Role::AnchorsSigner,
        RoleName::LedgerSigner => Role::LedgerSigner,
        RoleName::TokenRoot => Role::TokenRoot,
        RoleName::HolderRoot => Role::HolderRoot,
    }
}

/// From now on. A signer ends with its root: asked to outlive it is refused, and otherwise the end is the root's.
fn lifetime(home: &Home, role: Role, arguments: &Renew, now: Time) -> Result<Lifetime, Error> {
    let not_after = now.plus(arguments.validity.map_or(role.usual_validity(), |validity| validity.0.into()));
    if role.collection().is_some() {
        return Ok(Lifetime { not_before: now, not_after });
    }
    let root = home.certificate(Role::TokenRoot)?;
    let root = Certificate::from_der(&root).map_err(|_| Error::KeyMismatch)?;
    if (arguments.validity.is_some() && not_after > root.not_after()) || now >= root.not_after() {
        let fault = format!("the token root ends {}: shorten --validity, or renew token-root first", root.not_after());
        return Err(Error::Usage(fault));
    }
    Ok(Lifetime { not_before: now, not_after: not_after.min(root.not_after()) })
}

fn answer(role: Role, der: &[u8], sequence: i64) -> Result<Answer, Error> {
    let certificate = Certificate::from_der(der).map_err(|_| Error::KeyMismatch)?;
    let next = match role {
        Role::TokenRoot => {
            "renew token-signer and list-signer, build anchors.pem into new releases of the product, and bring the new \
             root to machines with countersign-authority anchors update"
        }
        Role::HolderRoot => {
            "new cards are enrolled under it; tokens for cards under the one before name its file with --holder-anchor"
        }
        Role::TokenSigner => "tokens by the one before stay valid; revoke it if its key may be known to others",
        Role::ListSigner => {
            "issue the lists: countersign-authority crl, with --replaces-old-signer if those of the one before may be \
             forged"
        }
        Role::AnchorsSigner => "name it in the next update: countersign-authority anchors update --signer",
        Role::LedgerSigner => "sign the ledger with it: countersign-authority ledger sign",
    };
    let text = format!(
        "Renewed the {} (entry {sequence} of the ledger):\n{}\nnext: {next}\n",
        role.name(),
        countersign_report::render(&countersign_report::certificate_lines(&certificate))
    );
    let json = json!({
        "renewed": {
            "role": role.slug(),
            "ledger_entry": sequence,
            "certificate": countersign_report::certificate(&certificate),
        }
    });
    Ok(Answer { text, json, warnings: Vec::new() })
}
