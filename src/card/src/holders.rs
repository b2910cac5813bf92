//! Which processes may hold a card: those that have the PC/SC client library loaded.

use std::{fmt, fs};

/// A running process, as far as it may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process number.
    pub id: u32,
    /// Name of the program.
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

/// Processes other than this one that use PC/SC. Those of other users, and all of them on systems without `/proc`,
/// stay unseen: a hint, not a proof.
pub(crate) fn possible_holders() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut holders: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let maps = fs::read_to_string(entry.path().join("maps")).ok()?;
            if id == std::process::id() || !maps.contains("/libpcsclite.so") {
                return None;
            }
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            Some(Process { id, name: name.trim_end().to_owned() })
        })
        .collect();
    holders.sort_by_key(|process| process.id);
    holders
}
