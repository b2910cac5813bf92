//! Who runs the command, as far as the system knows.

use std::fs;

/// The name of the user who logged in (proc(5), loginuid), which `sudo` and `su` leave as it is: officers who share the
/// account that owns the authority's folder stay apart. Where the system keeps no such record, the user under whom the
/// command runs. The kernel tells both; an environment variable has no say. A user whom passwd(5) does not have, as
/// those of a directory service, is told by number.
pub(crate) fn name() -> String {
    let user = logged_in().unwrap_or_else(|| rustix::process::getuid().as_raw());
    name_in(&fs::read_to_string("/etc/passwd").unwrap_or_default(), user)
}

/// The user under whom the command runs, whoever logged in: what a server on this machine sees.
pub(crate) fn account() -> String {
    name_in(&fs::read_to_string("/etc/passwd").unwrap_or_default(), rustix::process::geteuid().as_raw())
}

/// The user of the login, unless there was none, as in a service or container.
fn logged_in() -> Option<u32> {
    let user = fs::read_to_string("/proc/self/loginuid").ok()?.trim().parse().ok()?;
    (user != u32::MAX).then_some(user)
}

fn name_in(users: &str, number: u32) -> String {
    let wanted = number.to_string();
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(wanted.as_str()));
    line.and_then(|line| line.split(':').next()).map_or(wanted, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_name_has_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!((name_in(users, 1000).as_str(), name_in(users, 100).as_str()), ("ada", "100"));
    }
}
