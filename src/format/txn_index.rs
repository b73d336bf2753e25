//! The transaction index (`.txnindex`): one entry of 34 bytes, big endian, for every aborted
//! transaction whose abort marker stands in the segment. Never preallocated; empty when there is
//! none.
//!
//! ```text
//!   0    1    2             10             18            26                   34
//!   | i8 | -- | i64         | i64          | i64         | i64                |
//!   | 0  |    | producer id | first offset | last offset | last stable offset |
//!     version                 of the first   of the abort  right behind the
//!                             data batch     marker        abort, mostly
//! ```
//!
//! The version is written as 16 bits, yet Kafka reads only the first byte of it.

use super::{FormatError, FormatErrorKind, Offset, Position, Result};
use zerocopy::byteorder::big_endian::I64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = 34;
/// The only version there is.
pub const VERSION: i8 = 0;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Slot {
    version: i8,
    never_read: u8,
    producer_id: I64,
    first_offset: I64,
    last_offset: I64,
    last_stable_offset: I64,
}

const _: () = assert!(size_of::<Slot>() == ENTRY_BYTES);

/// One entry: an aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Which entry of the index, counted from 0.
    pub index: usize,
    /// 0. Kafka also takes the negative ones, which it never writes.
    pub version: i8,
    /// Whose transaction it was.
    pub producer_id: i64,
    /// The transaction's first data offset, which may lie in an earlier segment.
    pub first_offset: Offset,
    /// The offset of the abort marker.
    pub last_offset: Offset,
    /// The last stable offset after the abort; on some replicas a higher one than that.
    pub last_stable_offset: Offset,
}

impl AbortedTxn {
    /// Where the entry stands in the `.txnindex`.
    #[must_use]
    pub fn entry_position(&self) -> Position {
        entry_position(self.index)
    }

    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let slot = Slot {
            version: self.version,
            never_read: 0,
            producer_id: self.producer_id.into(),
            first_offset: self.first_offset.0.into(),
            last_offset: self.last_offset.0.into(),
            last_stable_offset: self.last_stable_offset.0.into(),
        };
        out.extend_from_slice(slot.as_bytes());
    }
}

/// The bytes of a whole `.txnindex`.
#[derive(Clone, Copy, Debug)]
pub struct TxnIndex<'a> {
    slots: &'a [Slot],
    bytes_left: usize,
}

impl<'a> TxnIndex<'a> {
    /// Views `bytes`, a whole file.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let bytes_left = bytes.len() % ENTRY_BYTES;
        let whole = bytes.get(..bytes.len() - bytes_left).unwrap_or_default();
        Self { slots: <[Slot]>::ref_from_bytes(whole).unwrap_or_default(), bytes_left }
    }

    /// How many whole entries there are.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of an entry that was cut short at the end of the file. Kafka does not look at them.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    /// The entry number `index`; an error when its version is above 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<AbortedTxn>> {
        self.slots.get(index).map(|slot| entry(index, slot))
    }

    /// The entries in the order of the file. Ends after the first error.
    pub fn iter(&self) -> impl Iterator<Item = Result<AbortedTxn>> + Clone + use<'a> {
        let mut failed = false;
        self.slots.iter().enumerate().map_while(move |(index, slot)| {
            let item = (!failed).then(|| entry(index, slot))?;
            failed = item.is_err();
            Some(item)
        })
    }
}

fn entry_position(index: usize) -> Position {
    Position((index as u64).saturating_mul(ENTRY_BYTES as u64))
}

fn entry(index: usize, slot: &Slot) -> Result<AbortedTxn> {
    if slot.version > VERSION {
        let kind = FormatErrorKind::Version(i64::from(slot.version));
        return Err(FormatError::new(entry_position(index), kind));
    }
    Ok(AbortedTxn {
        index,
        version: slot.version,
        producer_id: slot.producer_id.get(),
        first_offset: Offset(slot.first_offset.get()),
        last_offset: Offset(slot.last_offset.get()),
        last_stable_offset: Offset(slot.last_stable_offset.get()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: [u8; 34] = [
        0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0x14,
        0, 0, 0, 0, 0, 0, 0, 0x15,
    ];

    fn vector(index: usize) -> AbortedTxn {
        AbortedTxn {
            index,
            version: 0,
            producer_id: 4000,
            first_offset: Offset(10),
            last_offset: Offset(20),
            last_stable_offset: Offset(21),
        }
    }

    #[test]
    fn the_vector_of_the_format_notes() {
        let mut bytes = Vec::new();
        vector(0).encode(&mut bytes);
        assert_eq!(bytes, VECTOR);
        let twice = [VECTOR, VECTOR].concat();
        let index = TxnIndex::new(&twice);
        assert_eq!(index.iter().collect::<Vec<_>>(), [Ok(vector(0)), Ok(vector(1))]);
        assert_eq!(vector(1).entry_position(), Position(34));
    }

    #[test]
    fn only_the_first_byte_is_the_version() {
        for (byte, bytes_0_and_1) in [(0, [0, 0xff]), (-1, [0xff, 0])] {
            let mut bytes = VECTOR;
            bytes[..2].copy_from_slice(&bytes_0_and_1);
            let entry = TxnIndex::new(&bytes).get(0).unwrap().unwrap();
            assert_eq!(entry, AbortedTxn { version: byte, ..vector(0) });
        }
        let mut bytes = [VECTOR; 3].concat();
        bytes[34] = 1;
        let index = TxnIndex::new(&bytes);
        let error = FormatError::new(Position(34), FormatErrorKind::Version(1));
        assert_eq!(index.iter().collect::<Vec<_>>(), [Ok(vector(0)), Err(error)]);
        assert_eq!(index.get(2), Some(Ok(vector(2))));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit() {
        let bytes = [VECTOR; 3].concat();
        for end in 0..=bytes.len() {
            let index = TxnIndex::new(&bytes[..end]);
            assert_eq!((index.entries(), index.bytes_left()), (end / 34, end % 34));
            assert_eq!(index.iter().count(), end / 34);
            assert_eq!(index.get(end / 34), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (entry, byte) = (bit / 8 / 34, bit / 8 % 34);
            let index = TxnIndex::new(&flipped);
            match index.get(entry).unwrap() {
                Err(error) => {
                    assert_eq!((byte, error.position.0), (0, entry as u64 * 34));
                    assert_eq!(index.iter().count(), entry + 1);
                }
                Ok(read) => assert_eq!(read == vector(entry), byte == 1),
            }
        }
    }
}
