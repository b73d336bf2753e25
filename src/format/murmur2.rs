//! The hash by which Kafka's producers choose the partition of a key: 32 bits of Murmur2, with a
//! seed of their own.
//!
//! ```text
//!   key  | 4 bytes | 4 bytes | ... | 0 to 3 bytes |     each 4 bytes a little-endian number
//!
//!   partition = (hash without its top bit) modulo the number of partitions
//! ```

use std::num::NonZeroU32;

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// The hash of `bytes`, a Java `int`.
#[must_use]
#[allow(clippy::little_endian_bytes)]
pub fn murmur2(bytes: &[u8]) -> i32 {
    // Java's lengths have 32 bits.
    let mut hash = SEED ^ (bytes.len() as u64 & 0xffff_ffff) as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed = (mixed ^ mixed >> 24).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed;
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    (hash ^ hash >> 15).cast_signed()
}

/// Kafka's way to a number that is not negative: the top bit is dropped, so that -1 becomes
/// `i32::MAX` and not 1.
#[must_use]
pub fn to_positive(number: i32) -> u32 {
    number.cast_unsigned() & 0x7fff_ffff
}

/// The partition of `key` among `partitions`, as the Java client chooses it.
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: NonZeroU32) -> u32 {
    to_positive(murmur2(key)) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Byte by byte and in 64 bits, as the definition goes.
    fn slow(bytes: &[u8]) -> i32 {
        let times = |a: u64| a * 0x5bd1_e995 % (1 << 32);
        let mut hash = 0x9747_b28c ^ bytes.len() as u64;
        let mut at = 0;
        while at + 4 <= bytes.len() {
            let mut word = 0;
            for byte in 0..4 {
                word += u64::from(bytes[at + byte]) * (1 << (8 * byte));
            }
            word = times(word);
            word = times(word ^ (word / (1 << 24)));
            hash = times(hash) ^ word;
            at += 4;
        }
        let left = bytes.len() - at;
        for byte in 0..left {
            hash ^= u64::from(bytes[at + byte]) * (1 << (8 * byte));
        }
        if left > 0 {
            hash = times(hash);
        }
        hash = times(hash ^ (hash / (1 << 13)));
        i32::from_be_bytes(u32::try_from(hash ^ (hash / (1 << 15))).unwrap().to_be_bytes())
    }

    #[test]
    fn the_vectors_of_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!((murmur2(key.as_bytes()), slow(key.as_bytes())), (hash, hash), "{key}");
        }
    }

    #[test]
    fn a_partition_is_never_negative() {
        assert_eq!(
            [0, 1, -1, i32::MAX, i32::MIN].map(to_positive),
            [0, 1, 0x7fff_ffff, 0x7fff_ffff, 0]
        );
        let six = NonZeroU32::new(6).unwrap();
        // 2147483648 - 973932308 = 1173551340
        assert_eq!(partition_for_key(b"21", six), 1_173_551_340 % 6);
        assert_eq!(partition_for_key(b"abc", six), 479_470_107 % 6);
    }

    proptest! {
        #[test]
        fn the_slow_way_gives_the_same(key in proptest::collection::vec(any::<u8>(), 0..70)) {
            prop_assert_eq!(murmur2(&key), slow(&key));
        }
    }
}
