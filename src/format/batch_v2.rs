//! The header of a magic 2 batch, 61 bytes, big endian:
//!
//! ```text
//!    0 +------------------------+
//!      | i64 base offset        |
//!    8 | i32 length             |  bytes behind this field
//!   12 | i32 leader epoch       |
//!   16 | i8  magic = 2          |
//!   17 | u32 crc                |
//!   21 +------------------------+  the checksum covers everything from here on, so that a leader
//!      | i16 attributes         |  can assign offsets and epochs without computing it again
//!   23 | i32 last offset delta  |
//!   27 | i64 base timestamp     |  or the delete horizon
//!   35 | i64 max timestamp      |
//!   43 | i64 producer id        |
//!   51 | i16 producer epoch     |
//!   53 | i32 base sequence      |
//!   57 | i32 records count      |
//!   61 +------------------------+
//!      | records                |  one compressed block if there is a codec
//! ```

use super::crc;
use zerocopy::byteorder::big_endian::{I16, I32, I64, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The fields of the header as they stand in the file.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct HeaderV2 {
    pub base_offset: I64,
    pub length: I32,
    pub partition_leader_epoch: I32,
    pub magic: i8,
    pub crc: U32,
    pub attributes: U16,
    pub last_offset_delta: I32,
    pub base_timestamp: I64,
    pub max_timestamp: I64,
    pub producer_id: I64,
    pub producer_epoch: I16,
    pub base_sequence: I32,
    pub records_count: I32,
}

const _: () = assert!(size_of::<HeaderV2>() == HeaderV2::BYTES);

impl HeaderV2 {
    /// Bytes of the header.
    pub(super) const BYTES: usize = 61;
    /// The length field of a batch without a byte of records.
    pub(super) const MINIMUM_LENGTH: i32 = 49;
    /// Where the part under the checksum begins.
    pub(super) const CHECKED_FROM: usize = 21;

    pub(super) fn at_front(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }

    pub(super) fn compute_crc(batch: &[u8]) -> u32 {
        crc::crc32c(batch.get(Self::CHECKED_FROM..).unwrap_or_default())
    }
}
