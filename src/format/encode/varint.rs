//! Kafka's varints, written: zigzag, then seven bits a byte, the lowest first.
//!
//! ```text
//!   value      ....... ggggggg fffffff eeeeeee ddddddd ccccccc bbbbbbb aaaaaaa
//!   spread     .ggggggg .fffffff .eeeeeee .ddddddd .ccccccc .bbbbbbb .aaaaaaa
//!   bytes      1 in the top bit of all but the last
//! ```

/// The most bits that [`spread`] takes.
const SPREAD_BITS: u32 = 56;

/// Small numbers of either sign to small numbers.
#[inline(always)]
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// Bytes of an unsigned varint.
#[inline(always)]
pub(super) fn size(raw: u64) -> usize {
    // As nearly all are, and those that are not come in rows: that is quicker than no branch.
    if raw < 0x80 {
        return 1;
    }
    let bits = u64::BITS - (raw | 1).leading_zeros();
    ((bits * 9 + 64) / 64) as usize
}

/// The bytes of an unsigned varint of one byte or two, the first the lowest, and how many bits they
/// have.
#[inline(always)]
pub(super) fn short(raw: u64) -> (u64, u32) {
    if raw < 0x80 { (raw, 8) } else { (raw & 0x7f | 0x80 | (raw >> 7) << 8, 16) }
}

/// Bytes up to eight that are put together in a register.
#[derive(Clone, Copy, Default)]
pub(super) struct Packed {
    bytes: u64,
    length: usize,
}

impl Packed {
    /// The bytes there is room for.
    pub(super) const MOST: usize = 8;

    /// Adds an unsigned varint of `size` bytes, for which there is room.
    #[inline(always)]
    pub(super) fn add(&mut self, raw: u64, size: usize) {
        debug_assert!(raw >> SPREAD_BITS == 0 && self.length + size <= Self::MOST);
        self.bytes |= spread(raw, size) << (self.length * 8);
        self.length += size;
    }

    /// Adds a byte of 0.
    #[inline(always)]
    pub(super) fn add_zero(&mut self) {
        self.length += 1;
    }

    /// Appends what was put together.
    #[inline(always)]
    #[allow(clippy::little_endian_bytes)]
    pub(super) fn append_to(self, out: &mut Vec<u8>) {
        let end = out.len() + self.length;
        // Always as many, so that it is one move.
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.truncate(end);
    }
}

/// The bytes of an unsigned varint of `size` bytes, eight at most, the first the lowest.
#[inline(always)]
fn spread(raw: u64, size: usize) -> u64 {
    if raw < 0x80 {
        return raw;
    }
    let more = 0x8080_8080_8080_8080 & ((1 << ((size - 1) * 8)) - 1);
    let halves = raw & 0x0fff_ffff | (raw & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1 | more
}

/// Appends an unsigned varint of any size.
#[inline(always)]
pub(super) fn append(raw: u64, out: &mut Vec<u8>) {
    let size = size(raw);
    if size > Packed::MOST {
        return append_slowly(raw, out);
    }
    let mut packed = Packed::default();
    packed.add(raw, size);
    packed.append_to(out);
}

#[cold]
fn append_slowly(mut raw: u64, out: &mut Vec<u8>) {
    while raw >= 0x80 {
        out.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    out.push((raw & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Cursor, Position};

    fn numbers() -> impl Iterator<Item = i64> {
        let near = |bits: u32| [-1, 0, 1].map(|by| 1_i64.wrapping_shl(bits).wrapping_add(by));
        (0..64).flat_map(near).flat_map(|number| [number, number.wrapping_neg()])
    }

    #[test]
    fn the_vectors_of_the_format() {
        for (number, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-2, &[0x03]),
            (63, &[0x7e]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (300, &[0xd8, 0x04]),
            (2_147_483_647, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (-2_147_483_648, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Vec::new();
            append(zigzag(number), &mut out);
            assert_eq!((&out[..], out.len()), (bytes, size(zigzag(number))), "{number}");
        }
    }

    #[test]
    #[allow(clippy::little_endian_bytes)]
    fn all_ways_write_the_same_and_it_reads_back() {
        for number in numbers() {
            let raw = zigzag(number);
            let (mut slow, mut any) = (Vec::new(), Vec::new());
            append_slowly(raw, &mut slow);
            append(raw, &mut any);
            assert_eq!(slow, any, "{number}");
            assert_eq!(slow.len(), size(raw), "{number}");
            let mut cursor = Cursor::new(&slow, Position(0));
            assert_eq!(cursor.varlong(), Ok(number));
            assert!(cursor.is_empty() && !cursor.is_padded());
            if size(raw) <= 2 {
                let (bytes, bits) = short(raw);
                assert_eq!(bytes.to_le_bytes()[..bits as usize / 8], slow, "{number}");
            }
            if size(raw) <= Packed::MOST - 3 {
                let mut packed = Packed::default();
                packed.add(5, 1);
                packed.add_zero();
                packed.add(raw, size(raw));
                packed.add(6, 1);
                let mut fast = vec![9];
                packed.append_to(&mut fast);
                assert_eq!(fast, [&[9, 5, 0], &slow[..], &[6]].concat(), "{number}");
            }
        }
    }
}
