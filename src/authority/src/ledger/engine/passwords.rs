//! Passwords for servers, from the file that PostgreSQL's own programs read: `.pgpass` in the user's home, or the one that
//! PGPASSFILE names. Lines are `host:port:database:user:password`; `*` stands for anything, `\` before `:` and `\`.

use crate::{error::Error, files};
use std::{env, io, path::PathBuf};
use zeroize::Zeroizing;

/// The largest such file that is read, in octets.
const MAX_SIZE: usize = 64 * 1024;

/// The password for a host, port, database and user, if there is one.
pub(super) fn kept_for(wanted: [&str; 4]) -> Result<Option<Zeroizing<String>>, Error> {
    let named = env::var_os("PGPASSFILE").map(PathBuf::from);
    let Some(path) = named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pgpass"))) else {
        return Ok(None);
    };
    if !path.exists() {
        return Ok(None);
    }
    let octets = files::read_private(&path, MAX_SIZE)?;
    let text = str::from_utf8(&octets)
        .map_err(|_| Error::file(&path, io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text")))?;
    Ok(text.lines().find_map(|line| password_in(line, wanted)))
}

/// The password in a line that fits.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<Zeroizing<String>> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for value in wanted {
        let (field, more) = field(rest)?;
        if rest.get(..2) != Some("*:") && *field != *value {
            return None;
        }
        rest = more;
    }
    let (password, _) = field(rest).unwrap_or_else(|| (unescaped(rest), ""));
    Some(password)
}

/// A field as it is meant, and what follows its colon.
fn field(text: &str) -> Option<(Zeroizing<String>, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((unescaped(&text[..end]), &text[end + 1..]))
}

fn unescaped(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.extend(characters.next()),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let wanted = ["/run/pg", "5432", "led:ger", "ada"];
        let password = |line: &str| password_in(line, wanted).map(|password| password.to_string());
        for (line, expected) in [
            (r"/run/pg:5432:led\:ger:ada:one", Some("one")),
            (r"*:*:*:ada:two\:three", Some("two:three")),
            (r"*:*:*:*:a\\b", Some(r"a\b")),
            ("*:*:*:ada:with:more", Some("with")),
            ("*:*:*:ada:", Some("")),
            ("*:*:*:bob:one", None),
            ("localhost:*:*:*:one", None),
            ("/run/pg:5433:*:*:one", None),
            ("/run/pg:5432:led:ger:ada:one", None),
            ("#*:*:*:*:one", None),
            ("*:*:*:*", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(password(line).as_deref(), expected, "{line}");
        }
    }
}
