//! A key ceremony: the script that says what is to be done, and the transcript that says what was (docs/ceremony.md).

mod script;
mod transcript;

pub(crate) use script::{Kind, Script, Step};
pub(crate) use transcript::{HEADING, MADE, Transcript, TranscriptCertificate};
