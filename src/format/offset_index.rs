//! The offset index (`.index`): sorted entries of 8 bytes, big endian, for one batch in a few.
//!
//! ```text
//!   0               4          8
//!   | i32           | i32      |   a batch begins at position in the .log, and every batch before
//!   | offset - base | position |   it ends below offset
//!
//!   the file:
//!   | entry 0 | entry 1 | ... | entry n-1 | zeros: room for more entries | 0 to 7 bytes  |
//!   '--------- entries() -----------------'------------- tail() -------------------------'
//!   '--------- entries_as_kafka() ---------------------------------------'- bytes_left() -'
//! ```
//!
//! # Where the entries end
//!
//! A broker makes the index of its active segment 10 MiB long, all zeros, and cuts it to its
//! entries only when the segment is rolled or closed. After a crash the file does not say how many
//! entries it has. No entry but the first can be all zeros, so in a sound file "all zeros" is false
//! for every entry and true behind them, and where it turns is found by bisection: a search touches
//! some twenty pages, and a file whose last slot is in use only that one.
//!
//! In a damaged file bisection finds *one* place where an entry is followed by a zero slot, not
//! always the first. Nothing may lean on the answer alone: a reader confirms every position against
//! the log, and a check looks whether [`OffsetIndex::tail`] is nothing but zeros and whether the
//! entries rise. All searches end after at most 64 steps on any bytes.

use super::{Offset, Position};
use zerocopy::byteorder::big_endian::I32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 8;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Slot {
    relative_offset: I32,
    position: I32,
}

const _: () = assert!(size_of::<Slot>() == ENTRY_BYTES);

impl Slot {
    fn is_zero(self) -> bool {
        self.relative_offset.get() == 0 && self.position.get() == 0
    }
}

/// One entry: from where in the `.log` to look for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    /// Which entry of the index, counted from 0.
    pub index: usize,
    /// The offset; the last one of the batch at `position` where an entry is written per batch.
    pub offset: Offset,
    /// A byte position in the `.log` as it is stored. Negative only in a damaged index.
    pub position: i32,
}

impl OffsetPosition {
    /// Where the entry stands in the `.index`.
    #[must_use]
    pub fn entry_position(&self) -> Position {
        Position((self.index as u64).saturating_mul(ENTRY_BYTES as u64))
    }

    /// The position in the `.log`; `None` when a negative one is stored.
    #[must_use]
    pub fn log_position(&self) -> Option<Position> {
        u64::try_from(self.position).ok().map(Position)
    }

    /// Appends an entry's bytes to `out`.
    pub fn encode(relative_offset: i32, position: i32, out: &mut Vec<u8>) {
        let slot = Slot { relative_offset: relative_offset.into(), position: position.into() };
        out.extend_from_slice(slot.as_bytes());
    }
}

/// What a binary search for the greatest entry at or below a target found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor<Entry> {
    /// The entry; `None` when all entries lie above the target.
    pub entry: Option<Entry>,
    /// How many entries were looked at.
    pub steps: u32,
}

/// The bytes of a whole `.index`.
#[derive(Clone, Copy, Debug)]
pub struct OffsetIndex<'a> {
    slots: &'a [Slot],
    entries: usize,
    tail: &'a [u8],
    bytes_left: usize,
    base_offset: Offset,
}

impl<'a> OffsetIndex<'a> {
    /// Views `bytes`, a whole file of the segment that begins with `base_offset`, and finds the
    /// end of its entries.
    #[must_use]
    pub fn new(bytes: &'a [u8], base_offset: Offset) -> Self {
        let bytes_left = bytes.len() % ENTRY_BYTES;
        let whole = bytes.get(..bytes.len() - bytes_left).unwrap_or_default();
        let slots = <[Slot]>::ref_from_bytes(whole).unwrap_or_default();
        let entries = entries_before_zeros(slots, |slot| slot.is_zero());
        let tail = bytes.get(entries * ENTRY_BYTES..).unwrap_or_default();
        Self { slots, entries, tail, bytes_left, base_offset }
    }

    /// How many entries there are before the zeros. See the head of this module.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many entries Kafka counts when it opens the file: all that fit its length, zeros too.
    #[must_use]
    pub fn entries_as_kafka(&self) -> usize {
        self.slots.len()
    }

    /// Everything behind the entries: zeros, and the bytes that are no whole entry.
    #[must_use]
    pub fn tail(&self) -> &'a [u8] {
        self.tail
    }

    /// Bytes at the end of the file that are no whole entry. Kafka does not look at them.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// The entry number `index` of [`OffsetIndex::entries_as_kafka`], in the zeros too.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<OffsetPosition> {
        self.slots.get(index).map(|slot| entry(self.base_offset, index, slot))
    }

    /// The last entry before the zeros.
    #[must_use]
    pub fn last(&self) -> Option<OffsetPosition> {
        self.get(self.entries.checked_sub(1)?)
    }

    /// The entries before the zeros, in the order of the file.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = OffsetPosition> + ExactSizeIterator + Clone + use<'a> {
        let base_offset = self.base_offset;
        let slots = self.slots.get(..self.entries).unwrap_or_default();
        slots.iter().enumerate().map(move |(index, slot)| entry(base_offset, index, slot))
    }

    /// The greatest entry with an offset of at most `target`; of equal ones the last.
    #[must_use]
    pub fn floor(&self, target: Offset) -> Floor<OffsetPosition> {
        let (above, steps) = first_not(0, self.entries, |index| {
            self.get(index).is_some_and(|entry| entry.offset <= target)
        });
        Floor { entry: above.checked_sub(1).and_then(|index| self.get(index)), steps }
    }
}

fn entry(base_offset: Offset, index: usize, slot: &Slot) -> OffsetPosition {
    let offset = base_offset.plus(i64::from(slot.relative_offset.get()));
    OffsetPosition { index, offset, position: slot.position.get() }
}

/// How many of `slots` are entries, if those are followed by zeros only. The first slot may be all
/// zeros and yet an entry, when an entry follows.
pub(super) fn entries_before_zeros<Slot: Copy>(
    slots: &[Slot],
    is_zero: impl Fn(Slot) -> bool,
) -> usize {
    let in_use = |index: usize| slots.get(index).is_some_and(|slot| !is_zero(*slot));
    match slots.len() {
        0 => 0,
        count if in_use(count - 1) => count,
        count => match first_not(1, count, in_use) {
            (1, _) => usize::from(in_use(0)),
            (entries, _) => entries,
        },
    }
}

/// Bisects `low..high` for the first index that `holds` is false for, `high` if there is none;
/// with the number of indexes that were looked at. On unsorted input it is some such index, or
/// `high`.
pub(super) fn first_not(
    mut low: usize,
    mut high: usize,
    holds: impl Fn(usize) -> bool,
) -> (usize, u32) {
    let mut steps = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        steps += 1;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (low, steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn file(pairs: &[(i32, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(relative_offset, position) in pairs {
            OffsetPosition::encode(relative_offset, position, &mut bytes);
        }
        bytes
    }

    /// The obvious way: strip what is all zeros from the end.
    fn entries_by_scan(bytes: &[u8]) -> usize {
        let slots = bytes.chunks_exact(8).collect::<Vec<_>>();
        slots.iter().rposition(|slot| slot.iter().any(|&b| b != 0)).map_or(0, |last| last + 1)
    }

    fn floor_by_scan(index: &OffsetIndex<'_>, target: i64) -> Option<usize> {
        (0..index.entries()).rev().find(|&i| index.get(i).unwrap().offset.0 <= target)
    }

    /// What must hold of any bytes.
    fn examine(bytes: &[u8]) {
        let index = OffsetIndex::new(bytes, Offset(1000));
        assert_eq!(index.entries_as_kafka(), bytes.len() / 8);
        assert_eq!(index.bytes_left(), bytes.len() % 8);
        assert!(index.entries() <= index.entries_as_kafka());
        assert_eq!(index.entries() * 8 + index.tail().len(), bytes.len());
        assert_eq!(index.iter().len(), index.entries());
        assert_eq!(index.iter().last(), index.last());
        assert!(index.iter().enumerate().all(|(i, entry)| index.get(i) == Some(entry)));
        assert_eq!(index.get(index.entries_as_kafka()), None);
        for target in [i64::MIN, -1, 999, 1000, 1001, 5000, i64::MAX] {
            let floor = index.floor(Offset(target));
            assert!(floor.steps <= 64);
            assert!(floor.entry.is_none_or(|e| e.index < index.entries() && e.offset.0 <= target));
        }
    }

    #[test]
    fn the_bytes_of_an_entry() {
        // The worked example of 1500-byte batches of one record each: b3, b6 and b9.
        let bytes = [
            [0, 0, 0, 3, 0, 0, 0x11, 0x94],
            [0, 0, 0, 6, 0, 0, 0x23, 0x28],
            [0, 0, 0, 9, 0, 0, 0x34, 0xbc],
        ]
        .concat();
        assert_eq!(file(&[(3, 4500), (6, 9000), (9, 13500)]), bytes);
        let index = OffsetIndex::new(&bytes, Offset(1 << 40));
        let entries = index.iter().map(|e| (e.offset.0 - (1 << 40), e.position));
        assert_eq!(entries.collect::<Vec<_>>(), [(3, 4500), (6, 9000), (9, 13500)]);
        let last = index.last().unwrap();
        assert_eq!((last.index, last.entry_position()), (2, Position(16)));
        assert_eq!(last.log_position(), Some(Position(13500)));
    }

    #[test]
    fn a_negative_position_is_shown_but_leads_nowhere() {
        let bytes = file(&[(-5, -1)]);
        let entry = OffsetIndex::new(&bytes, Offset(100)).get(0).unwrap();
        assert_eq!((entry.offset, entry.position, entry.log_position()), (Offset(95), -1, None));
    }

    #[test]
    fn zeros_of_every_length_behind_entries_of_every_number() {
        for entries in 0..20_i32 {
            let sound = file(&(1..=entries).map(|i| (i, i * 100)).collect::<Vec<_>>());
            for zeros in 0..70 {
                let bytes = [sound.as_slice(), &vec![0; zeros]].concat();
                let index = OffsetIndex::new(&bytes, Offset(0));
                assert_eq!(index.entries(), entries.unsigned_abs() as usize, "{zeros} zeros");
                assert_eq!(index.tail(), vec![0; zeros]);
                examine(&bytes);
            }
        }
    }

    #[test]
    fn a_file_of_zeros_is_empty_and_a_first_entry_of_zeros_counts_when_one_follows() {
        assert_eq!(OffsetIndex::new(&[0; 8], Offset(7)).entries(), 0);
        let all = vec![0; 10 << 20];
        let index = OffsetIndex::new(&all, Offset(7));
        assert_eq!((index.entries(), index.entries_as_kafka()), (0, 1_310_720));
        assert_eq!(index.floor(Offset(i64::MAX)), Floor { entry: None, steps: 0 });
        let bytes = file(&[(0, 0), (4, 40), (0, 0), (0, 0)]);
        assert_eq!(OffsetIndex::new(&bytes, Offset(7)).entries(), 2);
    }

    #[test]
    fn zeros_between_entries_show_in_the_tail_or_among_the_entries() {
        let mut pairs = (1..=100).map(|i| (i, i * 10)).collect::<Vec<_>>();
        pairs[30..40].fill((0, 0));
        pairs.extend([(0, 0); 50]);
        let bytes = file(&pairs);
        let index = OffsetIndex::new(&bytes, Offset(0));
        let tail_is_zero = index.tail().iter().all(|&byte| byte == 0);
        let rises = index.iter().zip(index.iter().skip(1)).all(|(a, b)| a.offset < b.offset);
        assert!(!tail_is_zero || !rises);
        examine(&bytes);
    }

    #[test]
    fn base_offset_at_the_end_of_the_numbers() {
        let bytes = file(&[(i32::MAX, i32::MAX)]);
        let index = OffsetIndex::new(&bytes, Offset(i64::MAX));
        assert_eq!(index.last().unwrap().offset, Offset(i64::MAX));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit() {
        let sound = [file(&[(3, 4500), (6, 9000), (9, 13500)]), vec![0; 21]].concat();
        for end in 0..=sound.len() {
            examine(&sound[..end]);
        }
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            examine(&bytes);
        }
    }

    proptest! {
        #[test]
        fn floor_is_what_a_scan_finds(
            mut offsets in vec(1_i32..60, 0..80),
            zeros in 0_usize..100,
        ) {
            offsets.sort_unstable();
            let mut bytes = file(&offsets.iter().map(|&o| (o, o * 7)).collect::<Vec<_>>());
            bytes.resize(bytes.len() + zeros, 0);
            let index = OffsetIndex::new(&bytes, Offset(1000));
            prop_assert_eq!(index.entries(), offsets.len());
            for target in 990..1070 {
                let floor = index.floor(Offset(target));
                prop_assert_eq!(floor.entry.map(|e| e.index), floor_by_scan(&index, target));
                prop_assert!(floor.steps <= 1 + offsets.len().max(1).ilog2());
            }
        }

        #[test]
        fn any_bytes(bytes in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200)) {
            examine(&bytes);
            prop_assert!(OffsetIndex::new(&bytes, Offset(0)).entries() <= entries_by_scan(&bytes));
        }
    }
}
