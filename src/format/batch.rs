//! A batch of any magic, and the walk from batch to batch.
//!
//! A `.log` file is batches laid end to end: no file header, no footer, no padding. All three
//! formats begin with the same 17 bytes, so that one walk serves them all:
//!
//! ```text
//!   0            8         12                  16      17
//!   | i64        | i32     | i32               | i8    |
//!   | offset     | length  | magic 2: epoch    | magic | ...
//!   |            |         | magic 0, 1: crc   |       |
//!   '------------'---------' length counts the bytes from here on
//! ```
//!
//! The offset field is the *base* offset in magic 2 and the *last* offset in magic 0 and 1.

use super::batch_v2::HeaderV2;
use super::legacy::LegacyMessage;
use super::record::Records;
use super::{Codec, FormatError, FormatErrorKind, Offset, Position, Result, Scratch};

/// Bytes of the offset and length fields, which the length does not count.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes that batches of every magic have in common.
pub const PREFIX_BYTES: usize = 17;
/// What Kafka's own scanner holds for the least possible length.
pub const MINIMUM_LENGTH: i32 = 14;

/// Where the timestamps of a batch come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Magic 0 has no timestamps.
    NoTimestampType,
    /// Set by the producer.
    CreateTime,
    /// Set by the broker when it appended the batch.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's own name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoTimestampType => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

/// A batch's attributes.
///
/// ```text
///   bit   7        6               5        4              3               2 1 0
///         unused   delete horizon  control  transactional  LogAppendTime   codec
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u16);

impl Attributes {
    /// The three bits that name the codec, known or not.
    #[must_use]
    pub fn codec_id(self) -> u8 {
        (self.0 & 0b111) as u8
    }

    /// True when the broker set the timestamps.
    #[must_use]
    pub fn is_log_append_time(self) -> bool {
        self.0 & 0b1000 != 0
    }

    /// True for a batch of a transaction (magic 2).
    #[must_use]
    pub fn is_transactional(self) -> bool {
        self.0 & 0b1_0000 != 0
    }

    /// True for a batch of control records (magic 2).
    #[must_use]
    pub fn is_control(self) -> bool {
        self.0 & 0b10_0000 != 0
    }

    /// True when the base timestamp field holds the delete horizon (magic 2).
    #[must_use]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & 0b100_0000 != 0
    }
}

/// A whole batch of magic 0, 1 or 2: a view that decodes a field when asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    position: Position,
    bytes: &'a [u8],
    layout: Layout<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Layout<'a> {
    V2(&'a HeaderV2),
    Legacy(LegacyMessage<'a>),
}

impl<'a> Batch<'a> {
    /// The batch at the front of `bytes`, which stand at `position` in their file.
    ///
    /// # Errors
    /// When the magic is none of 0, 1, 2, when the length is below its format's minimum, or when
    /// the batch goes on behind the end of `bytes`. Checked in this order: length below Kafka's
    /// minimum of 14, magic, length below the format's own minimum, end of bytes.
    #[inline]
    pub fn parse(bytes: &'a [u8], position: Position) -> Result<Self> {
        let fail = |at: u64, kind| Err(FormatError::new(position.plus(at), kind));
        let have = bytes.len() as u64;
        let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
            return fail(0, FormatErrorKind::Truncated { needed: PREFIX_BYTES as u64, have });
        };
        let [.., l0, l1, l2, l3, _, _, _, _, magic] = *prefix;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let magic = magic.cast_signed();
        if length < MINIMUM_LENGTH {
            return fail(8, FormatErrorKind::BatchLength { length, minimum: MINIMUM_LENGTH });
        }
        let minimum = match magic {
            2 => HeaderV2::MINIMUM_LENGTH,
            1 => LegacyMessage::MINIMUM_LENGTH_V1,
            0 => MINIMUM_LENGTH,
            _ => return fail(16, FormatErrorKind::BatchMagic { magic }),
        };
        if length < minimum {
            return fail(8, FormatErrorKind::BatchLength { length, minimum });
        }
        let size = LOG_OVERHEAD + length.unsigned_abs() as usize;
        let Some(bytes) = bytes.get(..size) else {
            return fail(0, FormatErrorKind::Truncated { needed: size as u64, have });
        };
        let layout = match magic {
            2 => HeaderV2::at_front(bytes).map(Layout::V2),
            _ => LegacyMessage::new(bytes, position).map(Layout::Legacy),
        };
        match layout {
            Some(layout) => Ok(Self { position, bytes, layout }),
            None => fail(8, FormatErrorKind::BatchLength { length, minimum }),
        }
    }

    /// Where the batch begins in its file.
    #[inline]
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Where the next batch begins.
    #[inline]
    #[must_use]
    pub fn end(&self) -> Position {
        self.position.plus(self.bytes.len() as u64)
    }

    /// All bytes of the batch, with offset and length fields.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of the batch in the file: 12 more than the length field.
    #[inline]
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// 0, 1 or 2.
    #[inline]
    #[must_use]
    pub fn magic(&self) -> i8 {
        match &self.layout {
            Layout::V2(_) => 2,
            Layout::Legacy(message) => message.magic(),
        }
    }

    /// The message that a batch of magic 0 or 1 is, `None` for magic 2.
    #[must_use]
    pub fn legacy(&self) -> Option<LegacyMessage<'a>> {
        match self.layout {
            Layout::V2(_) => None,
            Layout::Legacy(message) => Some(message),
        }
    }

    fn v2(&self) -> Option<&'a HeaderV2> {
        match self.layout {
            Layout::V2(header) => Some(header),
            Layout::Legacy(_) => None,
        }
    }

    /// The first offset of the batch where the header says it: always in magic 2, in magic 0 and 1
    /// only when the message is not compressed. See [`Batch::base_offset`] for the others.
    #[must_use]
    pub fn known_base_offset(&self) -> Option<Offset> {
        match &self.layout {
            Layout::V2(header) => Some(Offset(header.base_offset.get())),
            Layout::Legacy(message) if message.is_wrapper() => None,
            Layout::Legacy(message) => Some(message.offset()),
        }
    }

    /// The first offset of the batch; decompresses a wrapper message of magic 0 or 1.
    ///
    /// # Errors
    /// When the wrapper message cannot be read.
    pub fn base_offset(&self, scratch: &mut Scratch) -> Result<Offset> {
        if let Some(offset) = self.known_base_offset() {
            return Ok(offset);
        }
        match self.records(scratch)?.next() {
            Some(first) => first.map(|record| record.offset),
            None => Ok(self.last_offset()),
        }
    }

    /// The offset of the last record, present or compacted away.
    #[inline]
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        match &self.layout {
            Layout::V2(header) => {
                Offset(header.base_offset.get()).plus(i64::from(header.last_offset_delta.get()))
            }
            Layout::Legacy(message) => message.offset(),
        }
    }

    /// The offset behind the batch.
    #[inline]
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// The last offset's distance from the base offset as the header says it; `None` for magic 0
    /// and 1. A damaged batch may hold a negative one.
    #[must_use]
    pub fn last_offset_delta(&self) -> Option<i32> {
        self.v2().map(|header| header.last_offset_delta.get())
    }

    /// The stored checksum.
    #[inline]
    #[must_use]
    pub fn crc(&self) -> u32 {
        match &self.layout {
            Layout::V2(header) => header.crc.get(),
            Layout::Legacy(message) => message.crc(),
        }
    }

    /// The checksum of the bytes: CRC-32C for magic 2, CRC-32 for magic 0 and 1. The checksum of
    /// messages inside a wrapper is not looked at.
    #[inline]
    #[must_use]
    pub fn compute_crc(&self) -> u32 {
        match &self.layout {
            Layout::V2(_) => HeaderV2::compute_crc(self.bytes),
            Layout::Legacy(message) => message.compute_crc(),
        }
    }

    /// The attribute bits; magic 0 and 1 have eight of them.
    #[inline]
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        match &self.layout {
            Layout::V2(header) => Attributes(header.attributes.get()),
            Layout::Legacy(message) => Attributes(u16::from(message.attributes())),
        }
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// When the compression id is unknown, or zstd stands in magic 0 or 1.
    pub fn codec(&self) -> Result<Codec> {
        let (id, magic) = (self.attributes().codec_id(), self.magic());
        let at = if magic == 2 { 22 } else { 17 };
        let fail = |kind| Err(FormatError::new(self.position.plus(at), kind));
        match Codec::from_id(id) {
            None => fail(FormatErrorKind::UnknownCodec { id }),
            Some(Codec::Zstd) if magic < 2 => {
                fail(FormatErrorKind::CodecNotAllowed { codec: Codec::Zstd, magic })
            }
            Some(codec) => Ok(codec),
        }
    }

    /// Where the timestamps come from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic() == 0 {
            TimestampType::NoTimestampType
        } else if self.attributes().is_log_append_time() {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// The base timestamp, in milliseconds since the epoch; `None` for magic 0 and 1, and where
    /// the field holds the delete horizon.
    #[must_use]
    pub fn base_timestamp(&self) -> Option<i64> {
        let header = self.v2()?;
        (!self.attributes().has_delete_horizon()).then(|| header.base_timestamp.get())
    }

    /// From when on the cleaner may remove the batch's tombstones, in milliseconds since the
    /// epoch.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<i64> {
        let header = self.v2()?;
        self.attributes().has_delete_horizon().then(|| header.base_timestamp.get())
    }

    /// The greatest timestamp in milliseconds since the epoch, -1 for none.
    #[inline]
    #[must_use]
    pub fn max_timestamp(&self) -> i64 {
        match &self.layout {
            Layout::V2(header) => header.max_timestamp.get(),
            Layout::Legacy(message) => message.timestamp(),
        }
    }

    /// The leader epoch under which the batch was appended, -1 for none.
    #[inline]
    #[must_use]
    pub fn partition_leader_epoch(&self) -> i32 {
        self.v2().map_or(-1, |header| header.partition_leader_epoch.get())
    }

    /// The producer id, -1 for none.
    #[inline]
    #[must_use]
    pub fn producer_id(&self) -> i64 {
        self.v2().map_or(-1, |header| header.producer_id.get())
    }

    /// The producer epoch, -1 for none.
    #[must_use]
    pub fn producer_epoch(&self) -> i16 {
        self.v2().map_or(-1, |header| header.producer_epoch.get())
    }

    /// The sequence number of the first record, -1 for none.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        self.v2().map_or(-1, |header| header.base_sequence.get())
    }

    /// The sequence number of the last offset, -1 for none; goes from `i32::MAX` on to 0.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            -1 => -1,
            base => add_sequence(base, self.last_offset_delta().unwrap_or(0)),
        }
    }

    /// How many records the header says there are, which compaction may have made fewer than the
    /// offsets the batch spans; `None` for a wrapper message, which does not say.
    #[must_use]
    pub fn records_count(&self) -> Option<i32> {
        match &self.layout {
            Layout::V2(header) => Some(header.records_count.get()),
            Layout::Legacy(message) if message.is_wrapper() => None,
            Layout::Legacy(_) => Some(1),
        }
    }

    /// The payload of a magic 2 batch: its records as they are stored, one compressed block if
    /// there is a codec. `None` for magic 0 and 1.
    #[must_use]
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.v2().and_then(|_| self.bytes.get(HeaderV2::BYTES..))
    }

    /// The records, decompressed into `scratch` if need be.
    ///
    /// # Errors
    /// When the codec is unknown or not allowed, the payload does not decompress, or a wrapper
    /// message breaks a rule of its own.
    pub fn records<'s>(&self, scratch: &'s mut Scratch) -> Result<Records<'s>>
    where
        'a: 's,
    {
        Records::new(self, scratch)
    }
}

/// Kafka's addition of sequence numbers, in which 0 follows `i32::MAX`. With a delta below 0, which
/// only damage has, it is as wrong as Kafka's.
#[must_use]
pub fn add_sequence(sequence: i32, delta: i32) -> i32 {
    if sequence > i32::MAX.wrapping_sub(delta) {
        return delta.wrapping_sub(i32::MAX.wrapping_sub(sequence)).wrapping_sub(1);
    }
    sequence.wrapping_add(delta)
}

/// The batches of a slice from front to back. Ends after the first error; see
/// [`Batches::remaining`] for what it did not get to.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    position: Position,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Walks `bytes`, which stand at `position` in their file and begin with a batch.
    #[must_use]
    pub fn new(bytes: &'a [u8], position: Position) -> Self {
        Self { rest: bytes, position, failed: false }
    }

    /// The bytes behind the last batch that was returned.
    #[must_use]
    pub fn remaining(&self) -> &'a [u8] {
        self.rest
    }

    /// Where [`Batches::remaining`] begins in the file.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        match Batch::parse(self.rest, self.position) {
            Ok(batch) => {
                self.rest = self.rest.get(batch.size()..).unwrap_or_default();
                self.position = batch.end();
                Some(Ok(batch))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
