//! Command APDUs and status words (ISO/IEC 7816-4, 5.1 and 5.6; SP 800-73 part 2, 3).

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// Time limit of one command, from its first byte to the last of its answer.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(10);
/// Time limit of key generation: RSA keys take a card up to a minute.
pub(crate) const GENERATE_LIMIT: Duration = Duration::from_secs(120);
/// Data bytes of a short APDU.
const SHORT_DATA: usize = 255;

pub(crate) const VERIFY: u8 = 0x20;
pub(crate) const CHANGE_REFERENCE_DATA: u8 = 0x24;
pub(crate) const RESET_RETRY_COUNTER: u8 = 0x2C;
pub(crate) const GENERATE_ASYMMETRIC_KEY_PAIR: u8 = 0x47;
pub(crate) const GENERAL_AUTHENTICATE: u8 = 0x87;
pub(crate) const SELECT: u8 = 0xA4;
pub(crate) const GET_RESPONSE: u8 = 0xC0;
pub(crate) const GET_DATA: u8 = 0xCB;
pub(crate) const PUT_DATA: u8 = 0xDB;
/// Not in SP 800-73: offered by YubiKeys from version 5.3.
pub(crate) const GET_METADATA: u8 = 0xF7;
/// Not in SP 800-73: offered by YubiKeys from version 4.3.
pub(crate) const ATTEST: u8 = 0xF9;
/// Not in SP 800-73: a YubiKey's, taken over by others.
pub(crate) const SET_MANAGEMENT_KEY: u8 = 0xFF;

/// The two bytes with which a card ends every answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Successful execution.
    pub const SUCCESS: Self = Self(0x9000);
    /// Verification failed, without a count.
    pub const VERIFICATION_FAILED: Self = Self(0x6300);
    /// Security status not satisfied.
    pub const SECURITY_STATUS_NOT_SATISFIED: Self = Self(0x6982);
    /// Authentication method blocked.
    pub const AUTHENTICATION_METHOD_BLOCKED: Self = Self(0x6983);
    /// Reference data not usable.
    pub const REFERENCE_DATA_NOT_USABLE: Self = Self(0x6984);
    /// Conditions of use not satisfied.
    pub const CONDITIONS_OF_USE_NOT_SATISFIED: Self = Self(0x6985);
    /// Incorrect parameter in the command data field.
    pub const INCORRECT_DATA: Self = Self(0x6A80);
    /// Function not supported.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(0x6A81);
    /// Data object or application not found.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// Incorrect parameter in P1 or P2.
    pub const INCORRECT_P1_P2: Self = Self(0x6A86);
    /// Referenced data or reference data not found.
    pub const REFERENCE_DATA_NOT_FOUND: Self = Self(0x6A88);

    /// Whether the card does not know the command: by its instruction, its parameters or its function.
    pub(crate) fn is_unknown_command(self) -> bool {
        matches!(self.0, 0x6A81 | 0x6A86 | 0x6B00 | 0x6D00 | 0x6E00)
    }

    /// Tries left, from `63Cx`.
    pub fn tries_left(self) -> Option<u8> {
        (self.0 & 0xFFF0 == 0x63C0).then_some((self.0 & 0x0F) as u8)
    }

    /// What the standard says the word means.
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x9000 => "success",
            0x6100..=0x61FF => "more data available",
            0x6300 => "verification failed",
            0x63C0..=0x63CF => "verification failed, tries counted",
            0x6400 => "execution error",
            0x6581 => "memory failure",
            0x6700 => "wrong length",
            0x6881 => "logical channel not supported",
            0x6882 => "secure messaging not supported",
            0x6883 => "last command of the chain expected",
            0x6884 => "command chaining not supported",
            0x6982 => "security status not satisfied",
            0x6983 => "authentication method blocked",
            0x6984 => "reference data not usable",
            0x6985 => "conditions of use not satisfied",
            0x6987 => "secure messaging data missing",
            0x6988 => "secure messaging data incorrect",
            0x6A80 => "incorrect parameter in the data field",
            0x6A81 => "function not supported",
            0x6A82 => "data object or application not found",
            0x6A84 => "not enough memory",
            0x6A86 => "incorrect parameter in P1 or P2",
            0x6A88 => "reference data not found",
            0x6B00 => "wrong parameters",
            0x6C00..=0x6CFF => "wrong expected length",
            0x6D00 => "instruction not supported",
            0x6E00 => "class not supported",
            0x6F00 => "no precise diagnosis",
            _ => "not a word of the standard",
        }
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}, {}", self.0, self.meaning())
    }
}

/// A command before it is cut into APDUs. Its data may be secret and are printed only where they cannot be.
pub(crate) struct Command {
    instruction: u8,
    p1: u8,
    p2: u8,
    data: Zeroizing<Vec<u8>>,
    reply: bool,
    limit: Duration,
}

impl Command {
    /// A command that answers with a status word alone.
    pub(crate) fn new(instruction: u8, p1: u8, p2: u8, data: impl Into<Vec<u8>>) -> Self {
        Self { instruction, p1, p2, data: Zeroizing::new(data.into()), reply: false, limit: COMMAND_LIMIT }
    }

    /// A command that answers with data.
    pub(crate) fn with_reply(instruction: u8, p1: u8, p2: u8, data: impl Into<Vec<u8>>) -> Self {
        Self { reply: true, ..Self::new(instruction, p1, p2, data) }
    }

    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The name that the standard gives the command.
    pub(crate) fn name(&self) -> &'static str {
        match self.instruction {
            VERIFY => "VERIFY",
            CHANGE_REFERENCE_DATA => "CHANGE REFERENCE DATA",
            RESET_RETRY_COUNTER => "RESET RETRY COUNTER",
            ATTEST => "ATTEST",
            SET_MANAGEMENT_KEY => "SET MANAGEMENT KEY",
            GENERATE_ASYMMETRIC_KEY_PAIR => "GENERATE ASYMMETRIC KEY PAIR",
            GENERAL_AUTHENTICATE => "GENERAL AUTHENTICATE",
            SELECT => "SELECT",
            GET_DATA => "GET DATA",
            PUT_DATA => "PUT DATA",
            GET_METADATA => "GET METADATA",
            _ => "command",
        }
    }

    /// Whether the data are known to carry no secret. What is not on this list is withheld.
    fn is_public(&self) -> bool {
        match self.instruction {
            SELECT | GET_DATA | PUT_DATA | GET_METADATA | GENERATE_ASYMMETRIC_KEY_PAIR => true,
            GENERAL_AUTHENTICATE => matches!(self.p2, 0x9A | 0x9C),
            _ => false,
        }
    }

    /// The APDUs to send, one after another. With `extended`, the most data bytes of an extended APDU, a command that
    /// fits goes in one; otherwise it is chained (ISO/IEC 7816-4, 5.3.3).
    pub(crate) fn apdus(&self, extended: Option<usize>) -> Vec<Apdu> {
        // SELECT and VERIFY are short with every card.
        let fits = extended.is_some_and(|most| self.data.len() <= most.min(usize::from(u16::MAX)));
        if fits && self.reply && self.instruction != SELECT || fits && self.data.len() > SHORT_DATA {
            return vec![self.extended_apdu()];
        }
        let links = self.data.len().div_ceil(SHORT_DATA).max(1);
        (0..links)
            .map(|link| {
                let start = link * SHORT_DATA;
                let part = &self.data[start..self.data.len().min(start + SHORT_DATA)];
                self.short_apdu(part, link + 1 == links)
            })
            .collect()
    }

    fn extended_apdu(&self) -> Apdu {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.data.len() + 9));
        bytes.extend([0, self.instruction, self.p1, self.p2, 0]);
        if !self.data.is_empty() {
            bytes.extend((self.data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&self.data);
        }
        if self.reply {
            bytes.extend([0, 0]);
        }
        Apdu { bytes, expected: if self.reply { 2 } else { 0 } }
    }

    fn short_apdu(&self, part: &[u8], last: bool) -> Apdu {
        let class = if last { 0x00 } else { 0x10 };
        let mut bytes = Zeroizing::new(Vec::with_capacity(part.len() + 6));
        bytes.extend([class, self.instruction, self.p1, self.p2]);
        if !part.is_empty() {
            bytes.push(part.len() as u8);
            bytes.extend_from_slice(part);
        }
        let reply = last && self.reply;
        if reply {
            bytes.push(0);
        }
        Apdu { bytes, expected: usize::from(reply) }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00 {:02X} {:02X} {:02X}", self.instruction, self.p1, self.p2)?;
        if self.data.is_empty() {
            return Ok(());
        }
        if !self.is_public() {
            return write!(f, " [{} bytes withheld]", self.data.len());
        }
        f.write_str(" [")?;
        for (at, byte) in self.data.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { " " })?;
        }
        f.write_str("]")
    }
}

/// The bytes of one APDU, and how many of the last are the expected length (Le).
pub(crate) struct Apdu {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    expected: usize,
}

impl Apdu {
    pub(crate) fn get_response(length: u8) -> Self {
        Self { bytes: Zeroizing::new(vec![0, GET_RESPONSE, 0, 0, length]), expected: 1 }
    }

    /// The same APDU with the expected length that the card named by `6Cxx`; `None` if it expects no data.
    pub(crate) fn expecting(&self, length: u8) -> Option<Self> {
        let kept = self.bytes.len() - self.expected;
        let mut bytes = Zeroizing::new(self.bytes[..kept].to_vec());
        match self.expected {
            0 => return None,
            1 => bytes.push(length),
            // Zero stands for 256 in a short field.
            _ => bytes.extend((if length == 0 { 256 } else { u16::from(length) }).to_be_bytes()),
        }
        Some(Self { bytes, expected: self.expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(command: &Command, extended: Option<usize>) -> Vec<Vec<u8>> {
        command.apdus(extended).iter().map(|apdu| apdu.bytes.to_vec()).collect()
    }

    #[test]
    fn the_four_cases_in_short_and_extended_form() {
        let nothing = Command::new(VERIFY, 0, 0x80, []);
        assert_eq!(bytes(&nothing, None), [[0, 0x20, 0, 0x80]]);
        assert_eq!(bytes(&nothing, Some(2048)), [[0, 0x20, 0, 0x80]]);

        let reply_only = Command::with_reply(GET_METADATA, 0, 0x9B, []);
        assert_eq!(bytes(&reply_only, None), [[0, 0xF7, 0, 0x9B, 0]]);
        assert_eq!(bytes(&reply_only, Some(2048)), [[0, 0xF7, 0, 0x9B, 0, 0, 0]]);

        let data_only = Command::new(PUT_DATA, 0x3F, 0xFF, [1, 2]);
        assert_eq!(bytes(&data_only, None), [[0, 0xDB, 0x3F, 0xFF, 2, 1, 2]]);
        assert_eq!(bytes(&data_only, Some(2048)), [[0, 0xDB, 0x3F, 0xFF, 2, 1, 2]]);

        let both = Command::with_reply(GET_DATA, 0x3F, 0xFF, [1, 2]);
        assert_eq!(bytes(&both, None), [[0, 0xCB, 0x3F, 0xFF, 2, 1, 2, 0]]);
        assert_eq!(bytes(&both, Some(2048)), [[0, 0xCB, 0x3F, 0xFF, 0, 0, 2, 1, 2, 0, 0]]);
    }

    #[test]
    fn long_data_are_chained_where_extended_length_does_not_reach() {
        let command = Command::with_reply(GENERAL_AUTHENTICATE, 7, 0x9C, vec![0xAA; 266]);
        let links = bytes(&command, None);
        assert_eq!(links.len(), 2);
        assert_eq!(links[0][..5], [0x10, 0x87, 7, 0x9C, 255]);
        assert_eq!(links[0].len(), 260, "no expected length but on the last");
        assert_eq!(links[1][..5], [0x00, 0x87, 7, 0x9C, 11]);
        assert_eq!(links[1].len(), 5 + 11 + 1);
        assert_eq!(bytes(&command, Some(265)), links);
        assert_eq!(bytes(&command, Some(266)).len(), 1);
        assert_eq!(bytes(&Command::new(PUT_DATA, 0x3F, 0xFF, vec![0; 510]), None).len(), 2);
    }

    #[test]
    fn select_stays_short() {
        assert_eq!(bytes(&Command::with_reply(SELECT, 4, 0, [9]), Some(2048)), [[0, 0xA4, 4, 0, 1, 9, 0]]);
    }

    #[test]
    fn the_expected_length_is_replaced() {
        let command = Command::with_reply(GET_DATA, 0x3F, 0xFF, [1]);
        let short = command.apdus(None)[0].expecting(0x20).map(|apdu| apdu.bytes.to_vec());
        assert_eq!(short, Some(vec![0, 0xCB, 0x3F, 0xFF, 1, 1, 0x20]));
        let extended = command.apdus(Some(2048))[0].expecting(0).map(|apdu| apdu.bytes.to_vec());
        assert_eq!(extended, Some(vec![0, 0xCB, 0x3F, 0xFF, 0, 0, 1, 1, 1, 0]));
        assert!(Command::new(VERIFY, 0, 0x80, []).apdus(None)[0].expecting(0).is_none());
    }

    #[test]
    fn secrets_are_withheld_from_debug() {
        let secret = [0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0xFF, 0xFF];
        // VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, management key, set management key, anything unknown.
        for (instruction, p2) in [(0x20, 0x80), (0x24, 0x80), (0x2C, 0x80), (0x87, 0x9B), (0xFF, 0xFF), (0x01, 0x9A)] {
            let shown = format!("{:?}", Command::new(instruction, 0, p2, secret));
            assert_eq!(shown, format!("00 {instruction:02X} 00 {p2:02X} [8 bytes withheld]"));
        }
        let shown = format!("{:?}", Command::with_reply(GET_DATA, 0x3F, 0xFF, [0x5C, 0x01, 0x7E]));
        assert_eq!(shown, "00 CB 3F FF [5C 01 7E]");
    }
}
