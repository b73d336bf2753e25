//! Arithmetic on checksums: those of parts from those of the whole, and the one flipped bit.
//!
//! A CRC is the remainder of a polynomial division, so appending `n` zero bytes multiplies it by
//! x^8n. With `crc(a)` and `crc(ab)` known, `crc(b)` follows without reading a byte:
//!
//! ```text
//!   0            a                    b
//!   |============|====================|        crc(a..b) = crc(0..b) ^ shift(crc(0..a), b - a)
//! ```
//!
//! For the same reason every single flipped bit changes the checksum by a power of x. Those differ
//! for all bits of a message shorter than the polynomial's period, so a difference names its bit.

use super::crc;

/// Which of the two checksums of Kafka's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// CRC-32C (Castagnoli): magic 2 batches, producer snapshots.
    Crc32c,
    /// CRC-32 (IEEE, zlib): messages of magic 0 and 1.
    Crc32,
}

/// The one flipped bit that explains a wrong checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlippedBit {
    /// A bit of the covered bytes.
    Covered {
        /// Which byte, counted from the first one that the checksum covers.
        byte: u64,
        /// Which bit of it; 0 is worth 1, 7 is worth 128.
        bit: u8,
    },
    /// A bit of the stored checksum itself.
    Stored {
        /// Which bit of the number; 0 is worth 1.
        bit: u8,
    },
}

/// x^0: polynomials are reflected, the highest bit is the lowest power.
const ONE: u32 = 1 << 31;
const CRC32C: u32 = 0x82f6_3b78;
const CRC32: u32 = 0xedb8_8320;

/// `[row][digit]` is x^(8 * digit * 256^(3 - row)).
type Powers = [[u32; 256]; 4];
static CRC32C_POWERS: Powers = powers(CRC32C);
static CRC32_POWERS: Powers = powers(CRC32);

const fn times_x(polynomial: u32, value: u32) -> u32 {
    (value >> 1) ^ (polynomial & (value & 1).wrapping_neg())
}

const fn multiply(polynomial: u32, mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    while b != 0 {
        product ^= a & (b >> 31).wrapping_neg();
        a = times_x(polynomial, a);
        b <<= 1;
    }
    product
}

/// `[byte]` is the polynomial whose last eight coefficients are `byte`, times x^8.
type TimesX8 = [u32; 256];
static CRC32C_TIMES_X8: TimesX8 = times_x8(CRC32C);
static CRC32_TIMES_X8: TimesX8 = times_x8(CRC32);

// Evaluated by the compiler only: an index out of range would not compile.
#[expect(clippy::indexing_slicing)]
const fn times_x8(polynomial: u32) -> TimesX8 {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte as usize] = multiply(polynomial, byte, ONE >> 8);
        byte += 1;
    }
    table
}

// Evaluated by the compiler only: an index out of range would not compile.
#[expect(clippy::indexing_slicing)]
const fn powers(polynomial: u32) -> Powers {
    let mut table = [[ONE; 256]; 4];
    let mut step = ONE >> 8;
    let mut row = 4;
    while row > 0 {
        row -= 1;
        let mut digit = 1;
        while digit < 256 {
            table[row][digit] = multiply(polynomial, table[row][digit - 1], step);
            digit += 1;
        }
        step = multiply(polynomial, table[row][255], step);
    }
    table
}

#[inline]
fn product(polynomial: u32, table: &TimesX8, mut a: u32, b: u32) -> u32 {
    let (mut first, mut second, mut third, mut fourth) = (0, 0, 0, 0);
    for bit in (0..8).rev() {
        let masked = |from: u32| a & (b >> (from + bit) & 1).wrapping_neg();
        first ^= masked(24);
        second ^= masked(16);
        third ^= masked(8);
        fourth ^= masked(0);
        a = times_x(polynomial, a);
    }
    let times_x8 = |value: u32| {
        let [.., last] = value.to_be_bytes();
        (value >> 8) ^ table.get(usize::from(last)).copied().unwrap_or(0)
    };
    times_x8(times_x8(times_x8(fourth) ^ third) ^ second) ^ first
}

impl Checksum {
    fn polynomial(self) -> u32 {
        match self {
            Self::Crc32c => CRC32C,
            Self::Crc32 => CRC32,
        }
    }

    /// After how many bits the powers of x come round again.
    fn period(self) -> u64 {
        match self {
            Self::Crc32c => (1 << 31) - 1,
            Self::Crc32 => (1 << 32) - 1,
        }
    }

    /// The checksum of `bytes`.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> u32 {
        self.append(0, bytes)
    }

    /// The checksum of what was checksummed to `crc` so far followed by `bytes`.
    #[must_use]
    pub fn append(self, crc: u32, bytes: &[u8]) -> u32 {
        match self {
            Self::Crc32c => crc::crc32c_append(crc, bytes),
            Self::Crc32 => crc::crc32_append(crc, bytes),
        }
    }

    /// `crc` times x^(8 * `zero_bytes`): what a difference becomes when so many bytes follow it.
    /// At most four multiplications, however many bytes.
    #[must_use]
    pub fn shift(self, crc: u32, zero_bytes: u64) -> u32 {
        let table = match self {
            Self::Crc32c => &CRC32C_POWERS,
            Self::Crc32 => &CRC32_POWERS,
        };
        // The period is odd, so the powers of x^8 come round after as many steps.
        let digits = u32::try_from(zero_bytes % self.period()).unwrap_or_default().to_be_bytes();
        digits.into_iter().zip(table).fold(crc, |crc, (digit, row)| {
            match row.get(usize::from(digit)) {
                Some(&power) if digit != 0 => self.product(crc, power),
                _ => crc,
            }
        })
    }

    /// [`multiply`] in a quarter of the steps: the four bytes of `b` at once, and their products
    /// shifted together at the end.
    fn product(self, a: u32, b: u32) -> u32 {
        match self {
            Self::Crc32c => product(CRC32C, &CRC32C_TIMES_X8, a, b),
            Self::Crc32 => product(CRC32, &CRC32_TIMES_X8, a, b),
        }
    }

    /// The checksum of `ab` from those of `a` and of `b`, which has `b_bytes` bytes.
    #[must_use]
    pub fn joined(self, crc_a: u32, crc_b: u32, b_bytes: u64) -> u32 {
        self.shift(crc_a, b_bytes) ^ crc_b
    }

    /// The checksum of `b` from those of `a` and of `ab`, where `b` has `b_bytes` bytes.
    #[must_use]
    pub fn of_end(self, crc_a: u32, crc_ab: u32, b_bytes: u64) -> u32 {
        self.shift(crc_a, b_bytes) ^ crc_ab
    }

    /// The one bit whose flip explains `difference`, the stored checksum XOR the computed one of
    /// `length` covered bytes. `None` when no single bit does, and for more bytes than have an
    /// unambiguous answer (256 MiB for CRC-32C, 512 MiB for CRC-32).
    ///
    /// Takes time and memory in proportion to the square root of the length.
    #[must_use]
    pub fn flipped_bit(self, difference: u32, length: u64) -> Option<FlippedBit> {
        let bits = length.checked_mul(8).filter(|bits| bits + 32 <= self.period())?;
        if difference.is_power_of_two() {
            let bit = u8::try_from(difference.trailing_zeros()).ok()?;
            return Some(FlippedBit::Stored { bit });
        }
        let from_end = self.power_between(difference, bits)?;
        let byte = length.checked_sub(1 + from_end / 8)?;
        let bit = u8::try_from(7 - from_end % 8).ok()?;
        Some(FlippedBit::Covered { byte, bit })
    }

    /// The `k` below `bits` for which the flip of the last bit but `k` gives `difference`. That of
    /// the last bit gives the polynomial itself, and each bit further ahead x times as much.
    ///
    /// Every `k` is `i * stride - j` with `j < stride`: all `difference * x^j` are kept, and the
    /// multiples of `x^stride` are looked up among them.
    fn power_between(self, difference: u32, bits: u64) -> Option<u64> {
        if difference == 0 {
            return None;
        }
        let polynomial = self.polynomial();
        let stride = bits.isqrt() + 1;
        let mut ahead = Vec::new();
        let (mut value, mut x_to_stride) = (difference, ONE);
        for j in 0..stride {
            ahead.push((value, j));
            value = times_x(polynomial, value);
            x_to_stride = times_x(polynomial, x_to_stride);
        }
        ahead.sort_unstable();
        let mut value = polynomial;
        for i in 0..=bits.div_ceil(stride) {
            let found = ahead.binary_search_by_key(&value, |&(value, _)| value);
            let j = found.ok().and_then(|index| ahead.get(index)).map(|&(_, j)| j);
            // Below 0 it is a power of the period before.
            let k = j.and_then(|j| (i * stride).checked_sub(j));
            if let Some(k) = k.filter(|&k| k < bits) {
                return Some(k);
            }
            value = multiply(polynomial, value, x_to_stride);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Checksum; 2] = [Checksum::Crc32c, Checksum::Crc32];

    fn noise(length: usize, mut state: u64) -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            state.to_be_bytes()[0]
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn parts_follow_from_the_whole() {
        let bytes = noise(70_000, 1);
        for checksum in BOTH {
            for (a, b) in [(0, 0), (0, 9), (1, 1), (7, 300), (255, 65_792), (4_096, 70_000)] {
                let (front, whole) = (checksum.of(&bytes[..a]), checksum.of(&bytes[..b]));
                let part = checksum.of(&bytes[a..b]);
                assert_eq!(checksum.of_end(front, whole, (b - a) as u64), part);
                assert_eq!(checksum.joined(front, part, (b - a) as u64), whole);
            }
        }
    }

    #[test]
    fn the_standard_check_value_splits() {
        for (checksum, expected) in [(BOTH[0], 0xe306_9283), (BOTH[1], 0xcbf4_3926)] {
            let parts = (checksum.of(b"12345"), checksum.of(b"6789"));
            assert_eq!(checksum.joined(parts.0, parts.1, 4), expected);
        }
    }

    /// Steps over zero bytes one bit after the other.
    fn slow_shift(checksum: Checksum, crc: u32, zero_bytes: u64) -> u32 {
        let step = |crc: u32, _| {
            if crc & 1 == 1 { (crc >> 1) ^ checksum.polynomial() } else { crc >> 1 }
        };
        (0..8 * zero_bytes).fold(crc, step)
    }

    #[test]
    fn shift_agrees_with_steps_over_single_bits() {
        for checksum in BOTH {
            for zeros in [0, 1, 2, 255, 256, 257, 65_535, 65_536, 70_001, 1 << 20] {
                let crc = 0x1234_5678;
                assert_eq!(checksum.shift(crc, zeros), slow_shift(checksum, crc, zeros), "{zeros}");
            }
            let third = u64::from(u32::MAX) / 3;
            let halves = checksum.shift(checksum.shift(7, third), third + 5);
            assert_eq!(checksum.shift(7, 2 * third + 5), halves);
        }
    }

    #[test]
    fn a_product_of_bytes_is_that_of_bits() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for checksum in BOTH {
            for bit in 0..32 {
                let product = checksum.product(0xdead_beef, 1 << bit);
                assert_eq!(product, multiply(checksum.polynomial(), 0xdead_beef, 1 << bit));
            }
            for _ in 0..1_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let [a, b] = [32, 31].map(|by| u32::try_from(state >> by & 0xffff_ffff).unwrap());
                assert_eq!(checksum.product(a, b), multiply(checksum.polynomial(), a, b));
            }
        }
    }

    #[test]
    fn the_period_is_what_it_says() {
        for checksum in BOTH {
            assert_eq!(checksum.shift(ONE, checksum.period()), ONE);
            // No shorter one: the powers at the period's prime cofactors are not 1.
            let primes: &[u64] =
                if checksum == Checksum::Crc32c { &[] } else { &[3, 5, 17, 257, 65_537] };
            for prime in primes {
                assert_ne!(checksum.shift(ONE, checksum.period() / prime), ONE);
            }
            assert_ne!(checksum.shift(ONE, 1), ONE);
            assert_eq!(
                checksum.shift(5, u64::MAX),
                checksum.shift(5, u64::MAX % checksum.period())
            );
        }
    }

    #[test]
    fn every_single_flip_is_named() {
        for checksum in BOTH {
            for length in [1_usize, 2, 8, 61, 300] {
                let mut bytes = noise(length, 3);
                let good = checksum.of(&bytes);
                for byte in 0..length {
                    for bit in 0..8 {
                        bytes[byte] ^= 1 << bit;
                        let difference = good ^ checksum.of(&bytes);
                        bytes[byte] ^= 1 << bit;
                        let expected = FlippedBit::Covered { byte: byte as u64, bit };
                        let found = checksum.flipped_bit(difference, length as u64);
                        assert_eq!(found, Some(expected));
                        // With the first bytes gone, the bit is no longer one of them.
                        let behind = (length - byte - 1) as u64;
                        assert_eq!(checksum.flipped_bit(difference, behind), None);
                    }
                }
            }
        }
    }

    #[test]
    fn a_flip_in_a_large_message_is_named() {
        let mut bytes = noise(3 << 20, 4);
        for checksum in BOTH {
            let good = checksum.of(&bytes);
            for (byte, bit) in [(0, 0), (0, 7), (1 << 20, 3), ((3 << 20) - 1, 7)] {
                bytes[byte] ^= 1 << bit;
                let difference = good ^ checksum.of(&bytes);
                bytes[byte] ^= 1 << bit;
                let found = checksum.flipped_bit(difference, bytes.len() as u64);
                assert_eq!(found, Some(FlippedBit::Covered { byte: byte as u64, bit }));
            }
            let length = 256 * 1024 * 1024 - 8;
            let difference = checksum.shift(checksum.polynomial(), length - 1);
            let first = FlippedBit::Covered { byte: 0, bit: 7 };
            assert_eq!(checksum.flipped_bit(difference, length), Some(first));
        }
        assert_eq!(Checksum::Crc32c.flipped_bit(1, 256 * 1024 * 1024), None);
    }

    #[test]
    fn a_flip_of_the_stored_checksum_is_named() {
        for checksum in BOTH {
            for bit in 0..32 {
                let found = checksum.flipped_bit(1 << bit, 1_000_000);
                assert_eq!(found, Some(FlippedBit::Stored { bit }));
            }
        }
    }

    #[test]
    fn other_differences_have_no_bit() {
        for checksum in BOTH {
            assert_eq!(checksum.flipped_bit(0, 1_000), None);
            let mut bytes = noise(1_000, 5);
            let good = checksum.of(&bytes);
            bytes[10] ^= 1;
            bytes[500] ^= 4;
            assert_eq!(checksum.flipped_bit(good ^ checksum.of(&bytes), 1_000), None);
            assert_eq!(checksum.flipped_bit(checksum.of(b"x"), 0), None);
        }
    }
}
