//! What was refused is entered as what was done is.

use crate::{clock, error::Error, home::Home, ledger::Body, officer};
use std::path::Path;

/// How much of what somebody typed is entered, in characters.
const MAX_ABOUT: usize = 200;

/// What was asked for.
pub(super) struct Attempt {
    /// The command, such as `issue`.
    pub(super) command: &'static str,
    /// A customer, a token, a person or a role.
    pub(super) about: String,
}

impl Attempt {
    /// Enters that it was refused.
    pub(super) fn enter(&self, error: &Error, home: &Path) -> Result<(), Error> {
        let mut ledger = Home::open(home)?.ledger()?;
        let writing = ledger.begin()?;
        writing.append(clock::now()?, &self.refused(error))?;
        writing.commit()
    }

    /// The entry.
    pub(super) fn refused(&self, error: &Error) -> Body {
        Body::Refused {
            command: self.command.to_owned(),
            code: error.code().to_owned(),
            about: self.about.chars().take(MAX_ABOUT).collect(),
            officer: officer::name(),
        }
    }
}
