//! Two kindnesses without which yubico-piv-tool 2.2.0 cannot use this applet. Off with `--strict`.

use std::borrow::Cow;

const SELECT_BY_NAME: [u8; 4] = [0x00, 0xA4, 0x04, 0x00];
/// Registered application provider NIST: the tool selects with these five bytes and nothing more.
const PROVIDER: [u8; 5] = [0xA0, 0x00, 0x00, 0x03, 0x08];
/// The PIV application without its version: the shortest name that the applet answers to.
const PIV: [u8; 9] = [0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];
const CHAINED: u8 = 0x10;

/// Completes a shortened PIV name in SELECT, and asks for the whole answer (Le) where a short command with data left
/// Le out: the applet would answer such a command with 61xx, which the tool does not follow up.
pub(crate) fn complete(command: &[u8]) -> Cow<'_, [u8]> {
    let [class, _, _, _, length, data @ ..] = command else {
        return Cow::Borrowed(command);
    };
    if *length == 0 || data.len() != usize::from(*length) || class & CHAINED != 0 {
        return Cow::Borrowed(command);
    }
    let mut completed = command.to_vec();
    if command.starts_with(&SELECT_BY_NAME) && data == PROVIDER {
        completed.truncate(4);
        completed.push(PIV.len() as u8);
        completed.extend_from_slice(&PIV);
    }
    completed.push(0);
    Cow::Owned(completed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_select_and_le() {
        let select = [0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08];
        let expected = [&[0x00, 0xA4, 0x04, 0x00, 0x09][..], &PIV, &[0x00]].concat();
        assert_eq!(complete(&select), expected);
        let get_data = [0x00, 0xCB, 0x3F, 0xFF, 0x01, 0x7E];
        assert_eq!(complete(&get_data), [&get_data[..], &[0x00]].concat());
    }

    #[test]
    fn leaves_the_rest_alone() {
        for command in [
            &[0x00, 0x20, 0x00, 0x80][..],
            &[0x00, 0xC0, 0x00, 0x00, 0x10],
            &[0x10, 0x87, 0x07, 0x9A, 0x01, 0x7C],
            &[0x00, 0xCB, 0x3F, 0xFF, 0x01, 0x7E, 0x00],
            &[0x00, 0xCB, 0x3F, 0xFF, 0x00, 0x00, 0x01, 0x7E],
        ] {
            assert_eq!(complete(command), command);
        }
    }
}
