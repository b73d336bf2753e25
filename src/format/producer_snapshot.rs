//! A producer snapshot (`.snapshot`): the state of every producer id of the partition after all
//! records below the offset in the file's name. Big endian:
//!
//! ```text
//!    0 +---------------------+         one entry, 46 bytes:
//!      | i16 version = 1     |
//!    2 | u32 crc             |          0 +----------------------------+
//!    6 +---------------------+  CRC-32C   | i64 producer id            |
//!      | i32 n               |  of all  8 | i16 producer epoch         |
//!   10 | entry 0             |  from   10 | i32 last sequence          |  -1: none
//!   56 | entry 1             |  byte 6 14 | i64 last offset            |  -1: no batch known
//!      | ...                 |  on     22 | i32 offset delta           |
//!      | entry n-1           |         26 | i64 timestamp              |
//!      +---------------------+         34 | i32 coordinator epoch      |  -1: none
//!      | bytes_left, under   |         38 | i64 current txn            |  -1: none is open
//!      | the checksum too    |            |     first offset           |
//!      +---------------------+         46 +----------------------------+
//! ```
//!
//! The entries come in the order of a hash map: two sound snapshots of one state may differ.

use super::{FormatError, FormatErrorKind, Offset, Position, Result, crc};
use zerocopy::byteorder::big_endian::{I16, I32, I64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes before the first entry.
pub const HEADER_BYTES: usize = 10;
/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 46;
/// The only version there is.
pub const VERSION: i16 = 1;
const CHECKED_FROM: usize = 6;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Header {
    version: I16,
    crc: U32,
    entries: I32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Slot {
    producer_id: I64,
    producer_epoch: I16,
    last_sequence: I32,
    last_offset: I64,
    offset_delta: I32,
    timestamp: I64,
    coordinator_epoch: I32,
    current_txn_first_offset: I64,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES && size_of::<Slot>() == ENTRY_BYTES);

/// One entry: the state of one producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Which entry of the snapshot, counted from 0.
    pub index: usize,
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// The last data batch. `None` where the stored last offset is negative (Kafka writes -1):
    /// only a transaction marker of this producer is known.
    pub last_batch: Option<LastBatch>,
    /// The max timestamp of the last batch, or the timestamp of the last marker, whichever came
    /// later; in milliseconds since the epoch.
    pub timestamp: i64,
    /// The coordinator epoch of the last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Where the open transaction began. `None` where the stored offset is negative (Kafka writes
    /// -1): no transaction is open.
    pub current_txn_first_offset: Option<Offset>,
}

/// The last data batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastBatch {
    /// The sequence number of its last offset.
    pub last_sequence: i32,
    /// Its last offset.
    pub last_offset: Offset,
    /// The distance from its base offset to its last one.
    pub offset_delta: i32,
}

impl LastBatch {
    /// The sequence number of the first record, by Kafka's subtraction: `i32::MAX` precedes 0.
    #[must_use]
    pub fn first_sequence(&self) -> i32 {
        let (last, delta) = (self.last_sequence, self.offset_delta);
        if last < delta {
            i32::MAX.wrapping_sub(delta.wrapping_sub(last)).wrapping_add(1)
        } else {
            last.wrapping_sub(delta)
        }
    }
}

impl ProducerEntry {
    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let none = LastBatch { last_sequence: -1, last_offset: Offset(-1), offset_delta: 0 };
        let last_batch = self.last_batch.unwrap_or(none);
        let slot = Slot {
            producer_id: self.producer_id.into(),
            producer_epoch: self.producer_epoch.into(),
            last_sequence: last_batch.last_sequence.into(),
            last_offset: last_batch.last_offset.0.into(),
            offset_delta: last_batch.offset_delta.into(),
            timestamp: self.timestamp.into(),
            coordinator_epoch: self.coordinator_epoch.into(),
            current_txn_first_offset: self.current_txn_first_offset.map_or(-1, |o| o.0).into(),
        };
        out.extend_from_slice(slot.as_bytes());
    }
}

/// The bytes of a whole `.snapshot` of version 1 whose entries are all there.
#[derive(Clone, Copy, Debug)]
pub struct ProducerSnapshot<'a> {
    bytes: &'a [u8],
    crc: u32,
    slots: &'a [Slot],
    bytes_left: usize,
}

impl<'a> ProducerSnapshot<'a> {
    /// Views `bytes`, a whole file. Does not look at the checksum.
    ///
    /// # Errors
    /// When the version is not 1, the number of entries is negative, or the file ends before its
    /// last entry does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let fail = |at: usize, kind| Err(FormatError::new(Position(at as u64), kind));
        let have = bytes.len() as u64;
        if let Some(version) = bytes.first_chunk().map(|chunk| i16::from_be_bytes(*chunk))
            && version != VERSION
        {
            return fail(0, FormatErrorKind::Version(i64::from(version)));
        }
        let Ok((header, rest)) = Header::ref_from_prefix(bytes) else {
            return fail(0, FormatErrorKind::Truncated { needed: HEADER_BYTES as u64, have });
        };
        let value = i64::from(header.entries.get());
        let Ok(entries) = u64::try_from(value) else {
            let what = "number of producers";
            return fail(CHECKED_FROM, FormatErrorKind::Record { what, value });
        };
        let needed = entries * ENTRY_BYTES as u64;
        let split = usize::try_from(needed).ok().and_then(|needed| rest.split_at_checked(needed));
        let Some((entries, left)) = split else {
            let have = rest.len() as u64;
            return fail(HEADER_BYTES, FormatErrorKind::Truncated { needed, have });
        };
        let slots = <[Slot]>::ref_from_bytes(entries).unwrap_or_default();
        Ok(Self { bytes, crc: header.crc.get(), slots, bytes_left: left.len() })
    }

    /// The stored checksum.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The checksum of the bytes: CRC-32C from byte 6 to the end of the file.
    #[must_use]
    pub fn compute_crc(&self) -> u32 {
        crc::crc32c(self.bytes.get(CHECKED_FROM..).unwrap_or_default())
    }

    /// How many entries there are.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.slots.len()
    }

    /// Bytes behind the last entry. Kafka checksums them and does not look at them.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// The entries in the order of the file.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = ProducerEntry> + ExactSizeIterator + Clone + use<'a> {
        self.slots.iter().enumerate().map(|(index, slot)| entry(index, slot))
    }
}

fn entry(index: usize, slot: &Slot) -> ProducerEntry {
    let offset = |stored: I64| (stored.get() >= 0).then_some(Offset(stored.get()));
    ProducerEntry {
        index,
        producer_id: slot.producer_id.get(),
        producer_epoch: slot.producer_epoch.get(),
        last_batch: offset(slot.last_offset).map(|last_offset| LastBatch {
            last_sequence: slot.last_sequence.get(),
            last_offset,
            offset_delta: slot.offset_delta.get(),
        }),
        timestamp: slot.timestamp.get(),
        coordinator_epoch: slot.coordinator_epoch.get(),
        current_txn_first_offset: offset(slot.current_txn_first_offset),
    }
}

/// The bytes of a snapshot with these entries.
#[must_use]
pub fn encode(entries: &[ProducerEntry]) -> Vec<u8> {
    let count = i32::try_from(entries.len()).unwrap_or(i32::MAX);
    let mut checked = count.to_be_bytes().to_vec();
    entries.iter().for_each(|entry| entry.encode(&mut checked));
    let crc = crc::crc32c(&checked).to_be_bytes();
    [&VERSION.to_be_bytes()[..], &crc, &checked].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: [u8; 56] = [
        0x00, 0x01, 0x2a, 0x73, 0x8b, 0x13, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x0f, 0xa0, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x0a, 0x00,
        0x00, 0x00, 0x09, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];

    fn vector() -> ProducerEntry {
        ProducerEntry {
            index: 0,
            producer_id: 4000,
            producer_epoch: 1,
            last_batch: Some(LastBatch {
                last_sequence: 1,
                last_offset: Offset(6),
                offset_delta: 1,
            }),
            timestamp: 1_700_000_000_010,
            coordinator_epoch: 9,
            current_txn_first_offset: None,
        }
    }

    #[test]
    fn the_vectors_of_the_format_notes() {
        let snapshot = ProducerSnapshot::parse(&VECTOR).unwrap();
        assert_eq!(snapshot.iter().collect::<Vec<_>>(), [vector()]);
        assert_eq!((snapshot.crc(), snapshot.compute_crc()), (0x2a73_8b13, 0x2a73_8b13));
        assert_eq!(encode(&[vector()]), VECTOR);
        let empty = [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0];
        assert_eq!(encode(&[]), empty);
        let snapshot = ProducerSnapshot::parse(&empty).unwrap();
        assert_eq!((snapshot.entries(), snapshot.compute_crc()), (0, 0x4867_4bc7));
    }

    #[test]
    fn a_producer_without_a_batch_and_with_an_open_transaction() {
        let entry = ProducerEntry {
            index: 1,
            last_batch: None,
            current_txn_first_offset: Some(Offset(0)),
            ..vector()
        };
        let bytes = encode(&[vector(), entry]);
        let tail = [
            "ffffffff",         // last sequence
            "ffffffffffffffff", // last offset
            "00000000",         // offset delta
            "0000018bcfe5680a", // timestamp
            "00000009",         // coordinator epoch
            "0000000000000000", // current transaction's first offset
        ];
        let hex = bytes[66..].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex, tail.concat());
        let snapshot = ProducerSnapshot::parse(&bytes).unwrap();
        assert_eq!(snapshot.iter().collect::<Vec<_>>(), [vector(), entry]);
    }

    #[test]
    fn the_first_sequence_wraps_below_zero() {
        let batch = |last_sequence, offset_delta| {
            LastBatch { last_sequence, last_offset: Offset(9), offset_delta }.first_sequence()
        };
        assert_eq!(batch(7, 3), 4);
        assert_eq!(batch(0, 0), 0);
        assert_eq!(batch(0, 1), i32::MAX);
        assert_eq!(batch(2, 5), i32::MAX - 2);
        batch(i32::MIN, i32::MAX);
        batch(i32::MAX, i32::MIN);
    }

    #[test]
    fn what_does_not_parse() {
        let kind = |bytes: &[u8]| {
            let error = ProducerSnapshot::parse(bytes).unwrap_err();
            (error.position.0, error.kind)
        };
        let mut bytes = VECTOR;
        bytes[1] = 2;
        assert_eq!(kind(&bytes), (0, FormatErrorKind::Version(2)));
        bytes = VECTOR;
        bytes[6] = 0x80;
        let value = i64::from(i32::MIN) + 1;
        let what = "number of producers";
        assert_eq!(kind(&bytes), (6, FormatErrorKind::Record { what, value }));
        bytes[6] = 0x7f;
        let needed = 46 * 0x7f00_0001;
        assert_eq!(kind(&bytes), (10, FormatErrorKind::Truncated { needed, have: 46 }));
        for end in 0..10 {
            let have = end as u64;
            let expected = (0, FormatErrorKind::Truncated { needed: 10, have });
            assert_eq!(kind(&VECTOR[..end]), expected);
        }
        for end in 10..56 {
            let have = end as u64 - 10;
            let expected = (10, FormatErrorKind::Truncated { needed: 46, have });
            assert_eq!(kind(&VECTOR[..end]), expected);
        }
    }

    #[test]
    fn bytes_behind_the_entries_are_under_the_checksum() {
        let longer = [&VECTOR[..], &[0; 5]].concat();
        let snapshot = ProducerSnapshot::parse(&longer).unwrap();
        assert_eq!((snapshot.entries(), snapshot.bytes_left()), (1, 5));
        assert_ne!(snapshot.crc(), snapshot.compute_crc());
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_a_wrong_checksum() {
        for bit in 0..VECTOR.len() * 8 {
            let mut bytes = VECTOR;
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(snapshot) = ProducerSnapshot::parse(&bytes) {
                assert_ne!(snapshot.crc(), snapshot.compute_crc(), "bit {bit}");
                assert!(snapshot.iter().len() <= 1);
            }
        }
    }
}
