//! EMSA-PSS with SHA-256 (RFC 8017 9.1.1), for cards, which apply the key to a block that is made outside.

use sha2::{Digest as _, Sha256};

/// Octets of a digest, and of the salt, which is as long.
const HASH: usize = 32;

/// The block for a key of `length` octets whose modulus has its highest bit set; `None` where it has no room.
pub(super) fn encode(digest: &[u8], salt: [u8; HASH], length: usize) -> Option<Vec<u8>> {
    // H, and before it the data block: zeros, 01, the salt; behind it BC.
    let masked = length.checked_sub(HASH + 1)?;
    let filler = masked.checked_sub(HASH + 1)?;
    let hash = Sha256::new().chain_update([0; 8]).chain_update(digest).chain_update(salt).finalize();
    let mut block = [&vec![0; filler][..], &[1], &salt].concat();
    for (counter, chunk) in (0_u32..).zip(block.chunks_mut(HASH)) {
        let mask = Sha256::new().chain_update(hash).chain_update(counter.to_be_bytes()).finalize();
        chunk.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
    }
    // The number has to be below the modulus.
    if let Some(first) = block.first_mut() {
        *first &= 0x7f;
    }
    block.extend(hash);
    block.push(0xbc);
    Some(block)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// That the block is right OpenSSL and the card say in tests of the whole command.
    #[test]
    fn the_block_has_its_form() {
        assert_eq!(encode(&[0; HASH], [0; HASH], 65), None, "no room");
        for length in [66, 256, 384, 512] {
            let block = encode(&[7; HASH], [9; HASH], length).unwrap();
            assert_eq!((block.len(), block[0] & 0x80, block[length - 1]), (length, 0, 0xbc));
        }
    }
}
