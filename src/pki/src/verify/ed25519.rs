//! Which encoded points of Ed25519 are sound, whatever the provider thinks of them.
//!
//! RFC 8032 leaves room in verification, and implementations use it differently. Here a point of a key or of a
//! signature has its one encoding (5.1.3, step 1) and is not of small order: with such a key one signature verifies
//! for many messages. What is left, both providers judge alike.

/// The y-coordinates of the eight points of small order that are below 2^255 - 19, little-endian: 0, 1, -1, and those
/// of order eight.
const SMALL_ORDER: [[u8; 32]; 5] = [
    first_and_rest(0, 0, 0),
    first_and_rest(1, 0, 0),
    first_and_rest(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn first_and_rest(first: u8, rest: u8, last: u8) -> [u8; 32] {
    let mut octets = [rest; 32];
    octets[0] = first;
    octets[31] = last;
    octets
}

/// Whether an encoding is the one of its point, and the point not of small order. Whether it is on the curve is for
/// the provider to find out.
pub(super) fn is_sound(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    let canonical = y[0] < 0xed || y[31] != 0x7f || y[1..31].iter().any(|octet| *octet != 0xff);
    canonical && !SMALL_ORDER.contains(&y)
}

/// The same of the point R, the first half of a signature.
pub(super) fn has_sound_point(signature: &[u8; 64]) -> bool {
    signature.first_chunk().is_some_and(is_sound)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ed25519_dalek::VerifyingKey;

    #[test]
    fn points_of_small_order_and_second_spellings_are_not_sound() {
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                assert!(!is_sound(&point));
                if let Ok(key) = VerifyingKey::from_bytes(&point) {
                    assert!(key.is_weak(), "{point:?}");
                }
            }
        }
        // 2^255 - 19 to 2^255 - 1 stand for 0 to 18.
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                assert!(!is_sound(&first_and_rest(first, 0xff, last)));
            }
        }
        assert!(is_sound(&first_and_rest(0xeb, 0xff, 0x7f)));
        assert!(is_sound(&first_and_rest(0xff, 0xff, 0x7e)));
        assert!(is_sound(&first_and_rest(2, 0, 0)));
    }

    #[test]
    fn every_weak_key_is_found_among_the_encodings() {
        let orders = SMALL_ORDER.iter().filter(|y| VerifyingKey::from_bytes(y).is_ok()).count();
        assert_eq!(orders, SMALL_ORDER.len(), "each is the y-coordinate of a point");
    }
}
