//! `backup`: everything of an authority in one file, as it is at one moment.

use super::{Answer, Context};
use crate::{
    archive::{self, LEDGER, LedgerState, MAX_FILE, Manifest},
    args::Backup,
    clock,
    error::Error,
    files::NewFile,
    home::Home,
    ledger::{Ledger, Place},
};
use countersign_report as report;
use serde_json::json;
use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

pub(super) fn run(arguments: &Backup, context: &mut Context<'_>) -> Result<Answer, Error> {
    let home = Home::open(&context.global.home)?;
    if let Place::Server(_) = home.ledger_place() {
        let fault = "the ledger is on a server: back it up there, with pg_dump, and copy the folder";
        return Err(Error::Usage(fault.to_owned()));
    }
    let mut file = NewFile::reserve(&arguments.out)?;
    let set_mode = |file: &std::fs::File| file.set_permissions(std::fs::Permissions::from_mode(0o600));
    set_mode(file.file()).map_err(|fault| Error::file(&arguments.out, fault))?;
    let beside = arguments.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let builder = || tempfile::Builder::new().prefix(crate::files::TEMPORARY).tempdir_in(beside);
    let temporary = builder().map_err(|fault| Error::file(beside, fault))?;

    // Nobody adds keys while the files are read: that goes by the ledger, which is held meanwhile.
    let mut ledger = home.ledger()?;
    let writing = ledger.begin()?;
    let copy = temporary.path().join(LEDGER);
    home.ledger()?.copy_to(&copy)?;
    let (names, left_out) = names(home.path())?;
    let mut kept = Vec::new();
    for name in &names {
        let (from, to) = (home.path().join(name), temporary.path().join(name.replace('/', "-of-")));
        let octets = crate::files::read(&from, usize::try_from(MAX_FILE).unwrap_or(usize::MAX))?;
        crate::files::write_new(&to, 0o600, &octets)?;
        kept.push(to);
    }
    drop(writing);

    context.note("Reading the entries …");
    let copied = Ledger::open(&Place::File(copy.clone()))?;
    let audit = copied.audit(&BTreeSet::new(), &mut |size| context.note(&format!("{size} entries …")))?;
    copied.close()?;
    let state = LedgerState { log: audit.log.to_string(), size: audit.size, root: audit.root.to_string() };
    let (mut entries, mut sources) = (Vec::new(), Vec::new());
    for (name, path) in names.iter().map(String::as_str).chain([LEDGER]).zip(kept.into_iter().chain([copy])) {
        entries.push(archive::measure(&path, name)?);
        sources.push(path);
    }
    let now = clock::now()?;
    let manifest = Manifest::new(home.organization(), now.to_string(), state, entries);
    let seconds = u64::try_from(now.unix()).unwrap_or_default();
    archive::write(file.file(), &manifest, &sources, seconds).map_err(|fault| Error::file(&arguments.out, fault))?;
    file.complete()?;
    Ok(answer(arguments, &manifest, &left_out))
}

/// The files of an authority that go in, by their names, and what else lies there.
fn names(home: &Path) -> Result<(Vec<String>, Vec<String>), Error> {
    let (mut names, mut left_out) = (Vec::new(), Vec::new());
    for (folder, prefix) in [(home.to_owned(), ""), (home.join("keys"), "keys/")] {
        let fault = |fault| Error::file(&folder, fault);
        for entry in std::fs::read_dir(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(fault)?;
            if name == LEDGER || name == "keys" || name.starts_with("ledger.sqlite-") {
                continue;
            }
            if kind.is_file() && archive::is_name(&name) { names.push(name) } else { left_out.push(name) }
        }
    }
    names.sort();
    left_out.sort();
    Ok((names, left_out))
}

fn answer(arguments: &Backup, manifest: &Manifest, left_out: &[String]) -> Answer {
    let path: &PathBuf = &arguments.out;
    let mut lines = vec![
        ("entries", manifest.ledger.size.to_string()),
        ("root", manifest.ledger.root.clone()),
        ("files", manifest.files.len().to_string()),
    ];
    if !left_out.is_empty() {
        lines.push(("left out", left_out.join(", ")));
    }
    let text = format!(
        "Backed up the authority of {} to {}:\n{}\nnext: keep it where this machine's end is not its own, and try it: \
         countersign-authority --home NEW restore {}\n",
        report::visible(&manifest.organization),
        path.display(),
        report::render(&lines),
        path.display()
    );
    let json = json!({
        "backup": {
            "file": path,
            "created": manifest.created,
            "ledger": { "log": manifest.ledger.log, "size": manifest.ledger.size, "root": manifest.ledger.root },
            "files": manifest.files.iter().map(|file| &file.path).collect::<Vec<_>>(),
            "left_out": left_out,
        }
    });
    Answer { text, json, warnings: Vec::new() }
}
