//! What an answer to reset says about extended length (ISO/IEC 7816-3, 8.2; 7816-4, 12.1.1).

/// Whether the card capabilities in the historical bytes offer extended length fields.
pub(crate) fn offers_extended_length(atr: &[u8]) -> bool {
    historical_bytes(atr).and_then(card_capabilities).is_some_and(|third| third & 0x40 != 0)
}

/// T0 counts the historical bytes and says which interface bytes stand before them.
fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let mut format = *atr.get(1)?;
    let count = usize::from(format & 0x0F);
    let mut at = 2;
    loop {
        let present = format >> 4;
        at += present.count_ones() as usize;
        if present & 0x08 == 0 {
            break;
        }
        format = *atr.get(at - 1)?;
    }
    atr.get(at..at + count)
}

/// Third software function table: tag 7, length 3, in compact-TLV after category indicator 00 or 80.
fn card_capabilities(historical: &[u8]) -> Option<u8> {
    let (&category, mut rest) = historical.split_first()?;
    if category == 0 {
        // The last three bytes are a status indicator.
        rest = rest.get(..rest.len().checked_sub(3)?)?;
    } else if category != 0x80 {
        return None;
    }
    while let Some((&head, after)) = rest.split_first() {
        let (value, next) = after.split_at_checked(usize::from(head & 0x0F))?;
        if head == 0x73 {
            return value.get(2).copied();
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_found() {
        // Both cards are on the market; the first offers extended length, the second does not.
        let offers = b"\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40";
        assert!(offers_extended_length(offers));
        let silent = b"\x3B\x95\x13\x81\x01\x80\x73\xFF\x01\x00\x0B";
        assert!(!offers_extended_length(silent));
        let category_zero = b"\x3B\x08\x00\x73\x00\x00\x40\x90\x00\x05";
        assert!(offers_extended_length(category_zero));
    }

    #[test]
    fn every_prefix_and_every_byte_is_survived() {
        let atr = b"\x3B\xFD\x13\x00\x00\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40";
        for end in 0..atr.len() {
            offers_extended_length(&atr[..end]);
            for value in 0..=255 {
                let mut changed = atr.to_vec();
                changed[end] = value;
                offers_extended_length(&changed);
            }
        }
    }
}
