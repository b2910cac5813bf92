//! What a virtual card saw.

/// A command that reached the card. Data is not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedCommand {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// Length of the command's data in bytes.
    pub data_length: usize,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with this status word.
    Status(u16),
    /// The card left instead of answering.
    Left,
    /// The card does not answer.
    Stalled,
}

impl LoggedCommand {
    /// Reads a line such as `00 87 11 9C lc=38 sw=9000`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let mut byte = || u8::from_str_radix(fields.next()?, 16).ok();
        let (class, instruction, p1, p2) = (byte()?, byte()?, byte()?, byte()?);
        let data_length = fields.next()?.strip_prefix("lc=")?.parse().ok()?;
        let outcome = match fields.next()?.strip_prefix("sw=")? {
            "left" => Outcome::Left,
            "stalled" => Outcome::Stalled,
            status => Outcome::Status(u16::from_str_radix(status, 16).ok()?),
        };
        Some(Self { class, instruction, p1, p2, data_length, outcome })
    }
}

/// The commands of a log, without its remarks on power and resets.
pub(crate) fn commands(log: &str) -> Vec<LoggedCommand> {
    complete_lines(log)
        .filter(|line| !line.starts_with('#'))
        .map(|line| LoggedCommand::parse(line).unwrap_or_else(|| panic!("not a line of a card's log: {line}")))
        .collect()
}

/// How often the card forgot PIN and selection: resets and losses of power.
pub(crate) fn resets(log: &str) -> usize {
    complete_lines(log).filter(|line| matches!(*line, "# reset" | "# power-off" | "# fault: reset")).count()
}

fn complete_lines(log: &str) -> impl Iterator<Item = &str> {
    log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_log() {
        let log = "# power-on\n00 20 00 80 lc=8 sw=63C2\n10 87 07 9A lc=255 sw=left\n# reset\n00 A4";
        let commands = commands(log);
        assert_eq!(commands.len(), 2);
        assert_eq!(commands[0].outcome, Outcome::Status(0x63C2));
        assert_eq!(commands[1].data_length, 255);
        assert_eq!(commands[1].outcome, Outcome::Left);
        assert_eq!(resets(log), 1);
    }
}
