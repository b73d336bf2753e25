//! The offset index (`.index`): sorted entries of 8 bytes, big endian, for one batch in a few.
//!
//! ```text
//!   0               4          8
//!   | i32           | i32      |   a batch begins at position in the .log, and every batch before
//!   | offset - base | position |   it ends below offset
//! ```
//!
//! Where the entries of a file end, and what can be asked of them: see
//! [`sparse_index`](super::sparse_index).

use super::sparse_index::{Floor, Slot, SparseIndex};
use super::{Offset, Position};

use zerocopy::byteorder::big_endian::I32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 8;

/// An entry as it stands in the file.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct OffsetSlot {
    relative_offset: I32,
    position: I32,
}

const _: () = assert!(size_of::<OffsetSlot>() == ENTRY_BYTES);

impl Slot for OffsetSlot {
    type Entry = OffsetPosition;

    // The first batch of a segment has no entry, so that no entry points to its beginning.
    const ZEROS_MAY_BE_AN_ENTRY: bool = false;

    fn is_zero(&self) -> bool {
        self.relative_offset.get() == 0 && self.position.get() == 0
    }

    fn entry(&self, base_offset: Offset, index: usize) -> OffsetPosition {
        let offset = base_offset.plus(i64::from(self.relative_offset.get()));
        OffsetPosition { index, offset, position: self.position.get() }
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
    /// The position in the `.log`; `None` when a negative one is stored.
    #[must_use]
    pub fn log_position(&self) -> Option<Position> {
        u64::try_from(self.position).ok().map(Position)
    }

    /// Appends an entry's bytes to `out`.
    pub fn encode(relative_offset: i32, position: i32, out: &mut Vec<u8>) {
        let slot =
            OffsetSlot { relative_offset: relative_offset.into(), position: position.into() };
        out.extend_from_slice(slot.as_bytes());
    }
}

/// The bytes of a whole `.index`.
pub type OffsetIndex<'a> = SparseIndex<'a, OffsetSlot>;

impl OffsetIndex<'_> {
    /// The greatest entry with an offset of at most `target`; of equal ones the last.
    #[must_use]
    pub fn floor(&self, target: Offset) -> Floor<OffsetPosition> {
        self.greatest(|entry| entry.offset <= target)
    }
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
        assert_eq!(last.index, 2);
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
