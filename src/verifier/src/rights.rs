//! Who may write where: the owner of a file, and everybody who could put another in its place.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Who may write to something, or exchange it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writers {
    /// Number of the owner.
    pub(crate) owner: u32,
    /// The permission bits.
    pub(crate) mode: u32,
    /// Every user who owns it or a folder on the way to it.
    pub(crate) users: BTreeSet<u32>,
    /// Every group that may write to it or to a folder on the way.
    pub(crate) groups: BTreeSet<u32>,
    /// Where everybody may write, if anywhere.
    pub(crate) everyone: Option<PathBuf>,
}

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
/// In such a folder only the owner of a file may exchange it.
const STICKY: u32 = 0o1000;

/// Who may write to a path; `None` where there is nothing.
pub(crate) fn writers(path: &Path) -> std::io::Result<Option<Writers>> {
    let status = match fs::symlink_metadata(path) {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut found = Writers { owner: status.uid(), mode: status.mode() & 0o7777, ..Writers::default() };
    let whole = std::path::absolute(path)?;
    for part in whole.ancestors() {
        let status = fs::symlink_metadata(part)?;
        found.users.insert(status.uid());
        // A sticky folder on the way keeps what is in it from everybody but the owners.
        if status.mode() & STICKY != 0 && part != whole {
            continue;
        }
        if status.mode() & GROUP_WRITE != 0 {
            found.groups.insert(status.gid());
        }
        if status.mode() & OTHER_WRITE != 0 && found.everyone.is_none() {
            found.everyone = Some(part.to_owned());
        }
    }
    Ok(Some(found))
}

impl Writers {
    /// Whether nobody but root may write.
    pub(crate) fn only_root(&self) -> bool {
        self.users.iter().all(|user| *user == 0)
            && self.groups.iter().all(|group| *group == 0)
            && self.everyone.is_none()
    }

    /// In words: `root, group adm, everyone`.
    pub(crate) fn names(&self) -> Vec<String> {
        let users = self.users.iter().map(|user| user_name(*user));
        let groups = self.groups.iter().map(|group| format!("group {}", name_in("/etc/group", *group)));
        users.chain(groups).chain(self.everyone.iter().map(|_| "everyone".to_owned())).collect()
    }
}

/// A user's name, or the number where there is none.
pub(crate) fn user_name(user: u32) -> String {
    name_in("/etc/passwd", user)
}

/// The first field of the line whose third is the number (passwd(5), group(5)). Users of a directory service stay
/// numbers.
fn name_in(file: &str, number: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let wanted = number.to_string();
    let line = text.lines().find(|line| line.split(':').nth(2) == Some(wanted.as_str()));
    line.and_then(|line| line.split(':').next()).map_or(wanted.clone(), str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_on_the_way_counts_as_much_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("file");
        assert_eq!(writers(&file).unwrap(), None);
        fs::write(&file, "").unwrap();
        set(&file, 0o644);
        set(&inner, 0o755);
        assert_eq!(writers(&file).unwrap().unwrap().everyone, None);
        set(&inner, 0o777);
        let found = writers(&file).unwrap().unwrap();
        assert_eq!(found.everyone, Some(inner.clone()));
        assert!(!found.only_root() && found.names().contains(&"everyone".to_owned()));
        set(&inner, 0o1777);
        assert_eq!(writers(&file).unwrap().unwrap().everyone, None);
        set(&file, 0o664);
        assert_eq!(writers(&file).unwrap().unwrap().groups.len(), 1);
    }

    #[test]
    fn numbers_have_names() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_000), "4000000000");
    }
}
