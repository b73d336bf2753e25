//! Answers about single positions, kept for the next search.
//!
//! ```text
//!   damage 1 |..| batch |..| batch |..| batch |..| batch |..     looks at all of them
//!                  damage 2 |..| batch |..| batch |..| batch |..  at nearly the same ones
//! ```
//!
//! What a search asks about a position has the same answer in every search of the window. Behind a
//! damage up to a megabyte is looked at, so that without a memory every batch would be proved anew
//! for each of the damages before it.

/// Of how many positions an answer is kept in a window of `bytes`: about as many as one search
/// asks about.
fn slots(bytes: usize) -> usize {
    (bytes / 64).next_power_of_two().clamp(1 << 12, 1 << 15)
}

/// Answers by position. A newer one takes the place of an older one that has the same slot, which
/// is then found out again if it is asked for: answers are never different for that.
pub(super) struct Memo<T> {
    slots: Vec<Option<(usize, T)>>,
    bytes: usize,
}

impl<T: Copy> Memo<T> {
    /// For a window of `bytes`; memory is taken with the first answer.
    pub(super) fn for_window(bytes: usize) -> Self {
        Self { slots: Vec::new(), bytes }
    }

    /// The answer kept for `position`.
    pub(super) fn get(&self, position: usize) -> Option<T> {
        let (kept_for, answer) = self.slots.get(self.slot(position)).copied().flatten()?;
        (kept_for == position).then_some(answer)
    }

    /// Keeps the answer for `position`.
    pub(super) fn put(&mut self, position: usize, answer: T) {
        if self.slots.is_empty() {
            self.slots = vec![None; slots(self.bytes)];
        }
        let slot = self.slot(position);
        if let Some(kept) = self.slots.get_mut(slot) {
            *kept = Some((position, answer));
        }
    }

    /// Forgets all answers.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
    }

    /// Neighbours in distance of a power of two, as batches often are, have different slots.
    fn slot(&self, position: usize) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = (position as u64).wrapping_mul(GOLDEN) >> 32;
        usize::try_from(mixed).unwrap_or(0) & self.slots.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn gives_back_what_was_put_last_or_nothing() {
        let mut memo = Memo::for_window(10_000);
        let mut all = HashMap::new();
        assert_eq!(memo.get(0), None);
        for step in 0..5_000_usize {
            let position = step * step % 10_007;
            memo.put(position, step);
            all.insert(position, step);
            assert_eq!(memo.get(position), Some(step));
            let other = step * 7 % 10_007;
            assert!(memo.get(other).is_none_or(|kept| all.get(&other) == Some(&kept)));
        }
        memo.clear();
        assert!(all.keys().all(|&position| memo.get(position).is_none()));
    }

    #[test]
    fn batches_in_a_row_hardly_take_each_others_slots() {
        for size in [61, 70, 71, 1_000, 1_024, 4_096, 16_384, 65_537] {
            let mut memo = Memo::for_window(8 << 20);
            let positions: Vec<usize> = (0..(1 << 20) / size).map(|index| index * size).collect();
            positions.iter().for_each(|&position| memo.put(position, ()));
            let kept = positions.iter().filter(|&&position| memo.get(position).is_some()).count();
            assert!(kept * 4 >= positions.len() * 3, "{size}: {kept} of {}", positions.len());
        }
    }
}
