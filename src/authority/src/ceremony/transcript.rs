//! The transcript of a ceremony: a text for people, the same for the same ceremony, to be signed and filed.

use super::{Kind, Script};
use crate::{error::Error, words::digest};
use core::fmt::Write as _;
use countersign_common::{Certificate, Time, encode_certificate};
use countersign_report::{certificate_lines, render, visible};

/// The first line of every transcript.
pub(crate) const HEADING: &str = "Transcript of a key ceremony";
/// The line that only the transcript of a ceremony has that was performed.
pub(crate) const MADE: &str = "PERFORMED: the real keys were made, and signed what stands below.";
const REHEARSED: &str = "REHEARSAL: throwaway keys signed what stands below. No certificate in it is of any use.";

/// What happened.
pub(crate) struct Transcript<'a> {
    pub(crate) script: &'a Script,
    pub(crate) organization: &'a str,
    pub(crate) performed: bool,
    pub(crate) begun: Time,
    /// What was done, in order, with its outcome.
    pub(crate) steps: Vec<String>,
    /// What is unwise about it.
    pub(crate) warnings: Vec<String>,
    pub(crate) certificates: Vec<TranscriptCertificate>,
    /// Lines about the ledger, once it has been written to.
    pub(crate) ledger: Vec<(&'static str, String)>,
}

/// A certificate that was made.
pub(crate) struct TranscriptCertificate {
    /// Such as `token root`.
    pub(crate) what: String,
    pub(crate) der: Vec<u8>,
    /// Where its key is; nothing for a certificate across.
    pub(crate) key: Option<String>,
    /// The number of its entry in the ledger.
    pub(crate) entry: Option<i64>,
}

impl Transcript<'_> {
    /// The whole text. It ends in a line for each participant's hand.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let Script { kind, title, place, participants, digest: script, text, .. } = self.script;
        let mut all = format!("{HEADING}\n{}\n\n", "=".repeat(HEADING.len()));
        all += if self.performed { MADE } else { REHEARSED };
        let purpose = match kind {
            Kind::Found => "found an authority",
            Kind::Renew => "renew keys",
            Kind::RollOver => "roll over to a new root, with certificates across",
        };
        let mut head = vec![
            ("title", visible(title)),
            ("ceremony", format!("{}: {purpose}", kind.slug())),
            ("organization", visible(self.organization)),
        ];
        head.extend(place.iter().map(|place| ("place", visible(place))));
        head.push(("begun", self.begun.to_string()));
        head.push(("program", format!("countersign-authority {}", env!("CARGO_PKG_VERSION"))));
        head.push(("script", format!("SHA-256 {script}")));
        all += &format!("\n\n{}", render(&head));

        all += "\nParticipants\n------------\n";
        for person in participants {
            all += &format!("  {}, {}\n", visible(&person.name), visible(&person.part));
        }
        all += "\nThe script\n----------\n";
        for line in text.lines() {
            all += format!("  | {}", visible(line)).trim_end();
            all.push('\n');
        }
        all += "\nWhat was done\n-------------\n";
        for (number, step) in (1..).zip(&self.steps) {
            all += &format!("{number:>4}. {}\n", visible(step));
        }
        all += "\nWhat is unwise about it\n-----------------------\n";
        if self.warnings.is_empty() {
            all += "  nothing\n";
        }
        for warning in &self.warnings {
            all += &format!("  {}\n", visible(warning));
        }
        all += "\nCertificates\n------------\n";
        for certificate in &self.certificates {
            all += &certificate.text()?;
        }
        if !self.ledger.is_empty() {
            all += &format!("\nLedger\n------\n{}", render(&self.ledger));
        }
        all += "\nSignatures\n----------\nWe were there, and what stands above is what happened.\n";
        for person in participants {
            let who = format!("{}, {}", visible(&person.name), visible(&person.part));
            // To a String nothing fails.
            let _ = write!(all, "\n\n  {}  {}\n  {who}\n", "_".repeat(40), "_".repeat(12));
        }
        Ok(all)
    }
}

impl TranscriptCertificate {
    fn text(&self) -> Result<String, Error> {
        let parsed = Certificate::from_der(&self.der).map_err(|_| Error::KeyMismatch)?;
        let mut lines = certificate_lines(&parsed);
        lines.push(("serial", crate::words::to_hex(parsed.serial())));
        lines.push(("key's SHA-256", digest(parsed.spki())));
        lines.extend(self.key.iter().map(|key| ("key kept", visible(key))));
        lines.extend(self.entry.map(|entry| ("ledger", format!("entry {entry}"))));
        Ok(format!("\n{}\n{}{}", self.what, render(&lines), encode_certificate(&self.der)))
    }
}
