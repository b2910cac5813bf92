//! Failures on order: at which command the card does what a broken or withdrawn card does.

/// What happens at the command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Answer with this status word; the applet never sees the command.
    Answer(u16),
    /// The process ends before answering: a card pulled out.
    Leave,
    /// PIN and selection are lost, then the command is executed: a card that lost power for a moment.
    Reset,
    /// No answer ever comes: a card that hangs.
    Stall,
}

/// One failure, at the Nth command with an instruction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    kind: Kind,
    instruction: u8,
    remaining: u32,
}

impl Fault {
    /// `nth` counts from 1.
    pub(crate) fn new(kind: Kind, instruction: u8, nth: u32) -> Self {
        Self { kind, instruction, remaining: nth }
    }
}

/// Counts a command against all faults and says which one it sets off.
pub(crate) fn due(faults: &mut [Fault], instruction: u8) -> Option<Kind> {
    let mut due = None;
    for fault in faults.iter_mut().filter(|fault| fault.instruction == instruction && fault.remaining > 0) {
        fault.remaining -= 1;
        if fault.remaining == 0 {
            due = due.or(Some(fault.kind));
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_off_once_at_the_nth_of_its_kind() {
        let mut faults = [Fault::new(Kind::Stall, 0x87, 2)];
        let seen = [0x87, 0x20, 0x87, 0x87].map(|instruction| due(&mut faults, instruction));
        assert_eq!(seen, [None, None, Some(Kind::Stall), None]);
    }
}
