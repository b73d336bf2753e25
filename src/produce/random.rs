//! Numbers that look random and are the same on every machine.

/// The number at `index` of the sequence that `seed` begins. Numbers do not depend on the ones
/// before them, so that a sequence can be taken up anywhere.
#[inline]
pub(super) fn number(seed: u64, index: u64) -> u64 {
    // A counter in steps of the golden ratio, mixed until every bit depends on every other: what
    // is known as SplitMix64.
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// A number below `bound` made of random `bits`, each about as often as any other; 0 for a bound
/// of 0.
#[inline]
pub(super) fn below(bits: u64, bound: u64) -> u64 {
    let product = u128::from(bits) * u128::from(bound);
    u64::try_from(product >> 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers that the published algorithm gives for these seeds.
    #[test]
    fn the_sequence_is_the_published_one() {
        let first = |seed| [number(seed, 0), number(seed, 1), number(seed, 2)];
        let of_0 = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!(first(0), of_0);
        let of_1234567 =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(first(1_234_567), of_1234567);
    }

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let mut counts = [0_u32; 7];
        for index in 0..70_000 {
            counts[usize::try_from(below(number(5, index), 7)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(below(u64::MAX, 7), 6);
        assert_eq!(below(u64::MAX, 0), 0);
    }
}
