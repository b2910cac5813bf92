//! A record of what was sent to the card, without secrets.

use std::fmt;

use crate::apdu::StatusWord;

/// Receives each command after it was answered.
pub type Recorder = Box<dyn FnMut(&TraceEvent) + Send>;

/// One command and how it ended. Chained parts and GET RESPONSE count with their command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The name of the command in SP 800-73, such as `GET DATA`.
    pub command: &'static str,
    /// Header and data in hexadecimal. Data are shown for commands known to carry no secret; otherwise only their
    /// length is.
    pub text: String,
    /// How many APDUs it took.
    pub apdus: u32,
    /// The final status word; `None` when the reader failed before there was one.
    pub status: Option<StatusWord>,
    /// Bytes of response data.
    pub reply_length: usize,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> ", self.command, self.text)?;
        match self.status {
            Some(status) => write!(f, "{:04X}", status.0)?,
            None => f.write_str("no answer")?,
        }
        write!(f, ", {} bytes, {} APDUs", self.reply_length, self.apdus)
    }
}
