//! `restore`: an authority from its backup, in a new folder that appears when all of it was checked.

use super::{Answer, Context, tree};
use crate::{
    archive, args::Restore, custody::Written, error::Error, files::NewFolder, home::Home, keys::Keyring, ledger::Audit,
    lint::Finding, role::Role, words::digest,
};
use countersign_common::Certificate;
use countersign_report as report;
use serde_json::json;

pub(super) fn run(arguments: &Restore, context: &mut Context<'_>) -> Result<Answer, Error> {
    let path = &context.global.home.clone();
    let refused = |fault: String| Error::BackupFile { path: arguments.file.clone(), fault };
    let folder = NewFolder::reserve(path)?;
    let manifest = archive::read(&arguments.file, folder.path())?;
    // What is wrong in it is told as a fault of the backup, whose files will be gone.
    let inside = |error: Error| match error {
        Error::AuthorityDamaged { .. } | Error::File { .. } | Error::KeyFile { .. } | Error::NoAuthority(_) => {
            refused(format!("what is in it does not fit together: {error}"))
        }
        error => error,
    };
    let home = Home::open(folder.path()).map_err(inside)?;
    let (audit, shorter_by) = tree::check_restored(folder.path(), arguments.head.as_deref(), context)?;
    let said = &manifest.ledger;
    if (audit.log.to_string(), audit.size, audit.root.to_string()) != (said.log.clone(), said.size, said.root.clone()) {
        return Err(refused("the ledger is not the one that the manifest names".to_owned()));
    }
    if home.organization() != manifest.organization {
        return Err(refused("the organization is not the one that the manifest names".to_owned()));
    }
    let away = check_keys(&home, &mut context.keyring, arguments.open_keys).map_err(inside)?;
    let mut warnings = Vec::new();
    if shorter_by > 0 {
        if !arguments.accept_older {
            return Err(Error::BackupOlder { head: audit.size + shorter_by, size: audit.size });
        }
        warnings.push(Finding::older_restored(shorter_by));
    }
    folder.finish()?;
    Ok(answer(arguments, &home, path, &audit, &away, warnings))
}

/// Each certificate has to be the one of the ledger, and its key to be there; of roots it may be in the safe. Which those are
/// is returned.
fn check_keys(home: &Home, keyring: &mut Keyring, open: bool) -> Result<Vec<String>, Error> {
    let register = home.ledger()?.register()?;
    let mut away = Vec::new();
    for role in Role::ALL {
        for (place, known) in (1..).zip(register.of_role(role)) {
            let der = home.certificate_at(role, place)?;
            Certificate::from_der(&der).map_err(|_| Error::KeyMismatch)?;
            if digest(&der) != known.digest {
                let file = format!("{}.pem", role.file_name(place));
                return Err(Error::damaged(&home.path().join(file), "not the certificate that the ledger has"));
            }
            if !home.has_key(role, place, keyring) {
                away.push(role.file_name(place));
                continue;
            }
            home.check_stored(role, place, keyring)?;
            if open {
                home.signer_at(role, place, keyring)?;
            }
        }
    }
    // What a ceremony that was cut off had written, and the ledger does not have, stays behind.
    for role in [Role::TokenRoot, Role::HolderRoot] {
        let mut all = home.across(role)?;
        let found = all.len();
        all.retain(|der| register.certificate(&digest(der)).is_ok());
        if all.len() < found {
            let mut written = Written::default();
            home.replace_across(role, &all, &mut written)?;
            written.keep();
        }
    }
    Ok(away)
}

fn answer(
    arguments: &Restore,
    home: &Home,
    path: &std::path::Path,
    audit: &Audit,
    away: &[String],
    warnings: Vec<Finding>,
) -> Answer {
    let mut lines = vec![("entries", audit.size.to_string()), ("root", audit.root.to_string())];
    if let Some(head) = &arguments.head {
        lines.push(("held against", head.display().to_string()));
    }
    if !away.is_empty() {
        lines.push(("keys elsewhere", away.join(", ")));
    }
    let text = format!(
        "Restored the authority of {} in {}:\n{}\nnext: make sure that the one that it replaces issues nothing any more\n",
        report::visible(home.organization()),
        path.display(),
        report::render(&lines)
    );
    let json = json!({
        "restored": {
            "home": path,
            "organization": home.organization(),
            "ledger": {
                "log": audit.log.to_string(),
                "size": audit.size,
                "root": audit.root.to_string(),
            },
            "head": arguments.head,
            "keys_elsewhere": away,
        }
    });
    Answer { text, json, warnings }
}
