//! Checksums that are combined, and the bit that explains a wrong one, against computing them.

use super::memory::{SMALL, within};
use super::picks::Picks;
use super::slow;
use segkit::format::crc_math::{Checksum, FlippedBit};

/// A cut, a bit, and the bytes.
pub fn run(data: &[u8]) {
    let mut picks = Picks::new(data);
    let (cut, bit) = (usize::from(picks.u16()), usize::from(picks.u16()));
    let bytes = picks.rest();
    within(SMALL + 64 * bytes.len(), || {
        for (checksum, obvious) in
            [(Checksum::Crc32c, slow::crc32c as fn(&[u8]) -> u32), (Checksum::Crc32, slow::crc32)]
        {
            check(checksum, obvious, cut, bit, bytes);
        }
    });
}

fn check(checksum: Checksum, obvious: fn(&[u8]) -> u32, cut: usize, bit: usize, bytes: &[u8]) {
    let (front, back) = bytes.split_at(cut % (bytes.len() + 1));
    let [crc_a, crc_b, crc_ab] = [front, back, bytes].map(obvious);
    let length = back.len() as u64;
    assert_eq!(checksum.of(bytes), crc_ab);
    assert_eq!(checksum.append(crc_a, back), crc_ab);
    assert_eq!(checksum.joined(crc_a, crc_b, length), crc_ab);
    assert_eq!(checksum.of_end(crc_a, crc_ab, length), crc_b);
    if bytes.is_empty() {
        return;
    }
    let bit = bit % (8 * bytes.len());
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    let difference = crc_ab ^ obvious(&flipped);
    let found = checksum.flipped_bit(difference, bytes.len() as u64);
    let expected = FlippedBit::Covered { byte: (bit / 8) as u64, bit: (bit % 8) as u8 };
    assert_eq!(found, Some(expected));
    // Two changes are no flipped bit, or another one that explains them as well.
    flipped[0] ^= 0x5a;
    let _ = checksum.flipped_bit(crc_ab ^ obvious(&flipped), bytes.len() as u64);
}
