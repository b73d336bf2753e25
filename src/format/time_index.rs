//! The time index (`.timeindex`): sorted entries of 12 bytes, big endian.
//!
//! ```text
//!   0           8               12
//!   | i64       | i32           |   timestamp is the greatest of all records up to offset, and
//!   | timestamp | offset - base |   every record with a greater one comes behind offset
//! ```
//!
//! Where the entries of a file end, and what can be asked of them: see
//! [`sparse_index`](super::sparse_index). One thing is different here: 12 zero bytes *can* be an
//! entry (timestamp 0 at the base offset), if only as the first one. So a file of exactly one slot
//! holds an entry whatever its bytes, and where more zeros follow a first slot of zeros it is taken
//! for room, as a broker that crashed before it wrote an entry leaves it.

use super::Offset;
use super::sparse_index::{Floor, Slot, SparseIndex};
use zerocopy::byteorder::big_endian::{I32, I64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 12;

/// An entry as it stands in the file.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TimeSlot {
    timestamp: I64,
    relative_offset: I32,
}

const _: () = assert!(size_of::<TimeSlot>() == ENTRY_BYTES);

impl Slot for TimeSlot {
    type Entry = TimestampOffset;

    const ZEROS_MAY_BE_AN_ENTRY: bool = true;

    fn is_zero(&self) -> bool {
        self.timestamp.get() == 0 && self.relative_offset.get() == 0
    }

    fn entry(&self, base_offset: Offset, index: usize) -> TimestampOffset {
        let offset = base_offset.plus(i64::from(self.relative_offset.get()));
        TimestampOffset { index, timestamp: self.timestamp.get(), offset }
    }
}

/// One entry: up to which offset no record is younger than a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Which entry of the index, counted from 0.
    pub index: usize,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The offset; in most releases the last one of the first batch that reaches `timestamp`.
    pub offset: Offset,
}

impl TimestampOffset {
    /// Appends an entry's bytes to `out`.
    pub fn encode(timestamp: i64, relative_offset: i32, out: &mut Vec<u8>) {
        let slot =
            TimeSlot { timestamp: timestamp.into(), relative_offset: relative_offset.into() };
        out.extend_from_slice(slot.as_bytes());
    }
}

/// The bytes of a whole `.timeindex`.
pub type TimeIndex<'a> = SparseIndex<'a, TimeSlot>;

impl TimeIndex<'_> {
    /// The greatest entry with a timestamp of at most `timestamp`; of equal ones the last.
    #[must_use]
    pub fn floor(&self, timestamp: i64) -> Floor<TimestampOffset> {
        self.greatest(|entry| entry.timestamp <= timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn file(pairs: &[(i64, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(timestamp, relative_offset) in pairs {
            TimestampOffset::encode(timestamp, relative_offset, &mut bytes);
        }
        bytes
    }

    /// What must hold of any bytes.
    fn examine(bytes: &[u8]) {
        let index = TimeIndex::new(bytes, Offset(1000));
        assert_eq!(index.entries_as_kafka(), bytes.len() / 12);
        assert_eq!(index.bytes_left(), bytes.len() % 12);
        assert!(index.entries() <= index.entries_as_kafka());
        assert_eq!(index.entries() * 12 + index.tail().len(), bytes.len());
        assert_eq!(index.iter().len(), index.entries());
        assert_eq!(index.iter().last(), index.last());
        assert!(index.iter().enumerate().all(|(i, entry)| index.get(i) == Some(entry)));
        assert_eq!(index.get(index.entries_as_kafka()), None);
        for timestamp in [i64::MIN, -1, 0, 1, 5000, i64::MAX] {
            let floor = index.floor(timestamp);
            assert!(floor.steps <= 64);
            let fits = |e: TimestampOffset| e.index < index.entries() && e.timestamp <= timestamp;
            assert!(floor.entry.is_none_or(fits));
        }
    }

    #[test]
    fn the_bytes_of_an_entry() {
        let bytes = [
            [0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0, 0, 0, 3],
            [0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x0a, 0, 0, 1, 0],
        ]
        .concat();
        assert_eq!(file(&[(1_700_000_000_000, 3), (1_700_000_000_010, 256)]), bytes);
        let index = TimeIndex::new(&bytes, Offset(50));
        let last = index.last().unwrap();
        assert_eq!((last.timestamp, last.offset), (1_700_000_000_010, Offset(306)));
        assert_eq!(last.index, 1);
        assert_eq!(index.get(0).unwrap().offset, Offset(53));
    }

    #[test]
    fn zeros_of_every_length_behind_entries_of_every_number() {
        for entries in 0..20_i32 {
            let pairs = (1..=entries).map(|i| (i64::from(i) * 1000, i)).collect::<Vec<_>>();
            let sound = file(&pairs);
            for zeros in 0..70 {
                let bytes = [sound.as_slice(), &vec![0; zeros]].concat();
                examine(&bytes);
                if entries == 0 && (12..24).contains(&zeros) {
                    continue; // One slot: the next test.
                }
                let index = TimeIndex::new(&bytes, Offset(0));
                assert_eq!(index.entries(), entries.unsigned_abs() as usize, "{zeros} zeros");
                assert_eq!(index.tail(), vec![0; zeros]);
            }
        }
    }

    #[test]
    fn timestamp_zero_at_the_base_offset_is_an_entry_unless_more_zeros_follow() {
        assert_eq!(TimeIndex::new(&[0; 12], Offset(7)).entries(), 1);
        assert_eq!(TimeIndex::new(&[0; 24], Offset(7)).entries(), 0);
        assert_eq!(TimeIndex::new(&vec![0; 10_485_756], Offset(7)).entries(), 0);
        let bytes = file(&[(0, 0), (5, 9), (0, 0), (0, 0)]);
        let index = TimeIndex::new(&bytes, Offset(7));
        assert_eq!(index.entries(), 2);
        assert_eq!(index.floor(4).entry.unwrap().offset, Offset(7));
        assert_eq!(index.floor(-1).entry, None);
    }

    #[test]
    fn every_truncation_and_every_flipped_bit() {
        let sound = [file(&[(1_700_000_000_000, 3), (1_700_000_000_010, 256)]), vec![0; 31]];
        let sound = sound.concat();
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
            mut timestamps in vec(1_i64..60, 0..80),
            zeros in 0_usize..100,
        ) {
            prop_assume!(!timestamps.is_empty() || !(12..24).contains(&zeros));
            timestamps.sort_unstable();
            let pairs = timestamps.iter().copied().zip(0..).collect::<Vec<_>>();
            let mut bytes = file(&pairs);
            bytes.resize(bytes.len() + zeros, 0);
            let index = TimeIndex::new(&bytes, Offset(1000));
            prop_assert_eq!(index.entries(), timestamps.len());
            for target in -2..70 {
                let floor = index.floor(target);
                let scan = timestamps.iter().rposition(|&timestamp| timestamp <= target);
                prop_assert_eq!(floor.entry.map(|e| e.index), scan);
                prop_assert!(floor.steps <= 1 + timestamps.len().max(1).ilog2());
            }
        }

        #[test]
        fn any_bytes(bytes in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..200)) {
            examine(&bytes);
        }
    }
}
