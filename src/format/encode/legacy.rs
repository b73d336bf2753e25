//! Batches of magic 0 and 1, written: single messages, or a wrapper around a compressed run.
//!
//! ```text
//!   none     | message | message | ...                      each with its own offset
//!   a codec  | wrapper: null key, value | message | ... |   compressed together
//!
//!                         magic 0                   magic 1
//!   offsets inside        as they are               from 0 on, the first being 0
//!   wrapper's offset      that of the last          that of the last
//!   wrapper's timestamp   none                      the greatest inside, or the append's
//! ```

use super::{BatchSummary, Compressor, EncodeError, RecordToWrite, Result, fits};
use crate::format::batch::LOG_OVERHEAD;
use crate::format::crc::crc32;
use crate::format::{Codec, Offset};

const LOG_APPEND_TIME: u8 = 1 << 3;
/// Bytes of a message up to its magic, which is the first under the checksum.
const MAGIC_AT: usize = 16;
const NULL: i32 = -1;

/// What is the same for all messages of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyFields {
    /// 0 or 1.
    pub magic: i8,
    /// When a broker appends it that sets the timestamps: then all its messages have this one.
    /// `None` where the producer sets them (CreateTime), and ignored in magic 0, which has none.
    pub log_append_time: Option<i64>,
}

/// Encodes one batch after the other in the same memory. Without a codec each message is a batch by
/// itself, and what is called a batch here is a run of them.
pub struct LegacyEncoder {
    fields: LegacyFields,
    has_begun: bool,
    /// The messages, with their own offsets.
    buffer: Vec<u8>,
    records_count: i32,
    base_offset: Offset,
    last_offset: Offset,
    max_timestamp: i64,
}

impl Default for LegacyEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl LegacyEncoder {
    /// An encoder in which no batch has begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: LegacyFields { magic: 1, log_append_time: None },
            has_begun: false,
            buffer: Vec::new(),
            records_count: 0,
            base_offset: Offset(0),
            last_offset: Offset(-1),
            max_timestamp: -1,
        }
    }

    /// Begins a batch; one that was begun and not finished is forgotten.
    ///
    /// # Errors
    /// When the magic is neither 0 nor 1.
    pub fn begin(&mut self, fields: LegacyFields) -> Result<()> {
        if !(0..=1).contains(&fields.magic) {
            return Err(EncodeError::Magic(fields.magic));
        }
        let log_append_time = fields.log_append_time.filter(|_| fields.magic == 1);
        let buffer = std::mem::take(&mut self.buffer);
        *self = Self { buffer, ..Self::new() };
        self.buffer.clear();
        self.fields = LegacyFields { log_append_time, ..fields };
        self.has_begun = true;
        Ok(())
    }

    /// Adds a message. The timestamp is not looked at in magic 0.
    ///
    /// # Errors
    /// When its offset is not above the last one, it has headers, or the batch would become too
    /// large; then the batch is as it was.
    pub fn append(&mut self, record: &RecordToWrite<'_>) -> Result<()> {
        self.size_after(record)?;
        let (key, value) = (nullable(record.key)?, nullable(record.value)?);
        let timestamp = match self.fields {
            LegacyFields { magic: 0, .. } => -1,
            LegacyFields { log_append_time, .. } => log_append_time.unwrap_or(record.timestamp),
        };
        if self.records_count == 0 {
            self.base_offset = record.offset;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset = record.offset;
        self.records_count += 1;
        let start = self.buffer.len();
        self.put_front(record.offset, self.attributes(Codec::None), timestamp);
        for (length, bytes) in [(key, record.key), (value, record.value)] {
            self.buffer.extend_from_slice(&length.to_be_bytes());
            self.buffer.extend_from_slice(bytes.unwrap_or_default());
        }
        seal(self.buffer.get_mut(start..).unwrap_or_default());
        Ok(())
    }

    /// The bytes of the messages with `record` added, if they are not compressed.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn size_after(&self, record: &RecordToWrite<'_>) -> Result<usize> {
        if !self.has_begun {
            return Err(EncodeError::NotBegun);
        }
        if !record.headers.is_empty() {
            return Err(EncodeError::HeadersNotAllowed(self.fields.magic));
        }
        let (offset, least) = (record.offset, self.last_offset.plus(1));
        if offset < least || offset <= self.last_offset {
            return Err(EncodeError::OffsetGoesBack { offset, least });
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let message = length(record.key).saturating_add(length(record.value));
        let message = message.saturating_add(self.least_message());
        fits(self.buffer.len().saturating_add(message))
    }

    /// How many records the batch has so far.
    #[must_use]
    pub fn records_count(&self) -> i32 {
        self.records_count
    }

    /// Ends the batch and appends it to `out`.
    ///
    /// # Errors
    /// When the batch has no records, cannot be compressed, or is too large then; `out` is as it
    /// was, and the batch can be finished again.
    pub fn finish(
        &mut self,
        compressor: &mut Compressor,
        out: &mut Vec<u8>,
    ) -> Result<BatchSummary> {
        if !self.has_begun {
            return Err(EncodeError::NotBegun);
        }
        if self.records_count == 0 {
            return Err(EncodeError::NoRecords);
        }
        let (start, uncompressed_size) = (out.len(), self.buffer.len());
        if compressor.codec() == Codec::None {
            out.extend_from_slice(&self.buffer);
        } else {
            let wrapped = self.wrap(compressor, out);
            if let Err(error) = wrapped.and_then(|()| fits(out.len() - start)) {
                out.truncate(start);
                return Err(error);
            }
            seal(out.get_mut(start..).unwrap_or_default());
        }
        self.has_begun = false;
        let size = out.len() - start;
        let wrapper = if compressor.codec() == Codec::None { 0 } else { self.least_message() };
        Ok(BatchSummary {
            size,
            uncompressed_size,
            records_size: size.saturating_sub(wrapper),
            uncompressed_records_size: uncompressed_size,
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            max_timestamp: self.max_timestamp,
            records_count: self.records_count,
        })
    }

    /// Appends the wrapper, without its length and its checksum.
    fn wrap(&mut self, compressor: &mut Compressor, out: &mut Vec<u8>) -> Result<()> {
        let magic = self.fields.magic;
        let attributes = self.attributes(compressor.codec());
        put_front(out, magic, self.last_offset, attributes, self.max_timestamp);
        out.extend_from_slice(&NULL.to_be_bytes());
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        if magic == 1 {
            shift_offsets(&mut self.buffer, self.base_offset.0.wrapping_neg());
        }
        let compressed = compressor.compress(magic, &self.buffer, out);
        if magic == 1 {
            shift_offsets(&mut self.buffer, self.base_offset.0);
        }
        compressed?;
        let length = out.len().saturating_sub(length_at.saturating_add(4));
        put_i32(out.get_mut(length_at..).unwrap_or_default(), in_i32(fits(length)?));
        Ok(())
    }

    fn attributes(&self, codec: Codec) -> u8 {
        let time = if self.fields.log_append_time.is_some() { LOG_APPEND_TIME } else { 0 };
        codec.id() | time
    }

    fn put_front(&mut self, offset: Offset, attributes: u8, timestamp: i64) {
        put_front(&mut self.buffer, self.fields.magic, offset, attributes, timestamp);
    }

    /// Bytes of a message whose key and value are null.
    fn least_message(&self) -> usize {
        if self.fields.magic == 0 { 26 } else { 34 }
    }
}

/// Appends a message up to its key, without its length and its checksum.
fn put_front(out: &mut Vec<u8>, magic: i8, offset: Offset, attributes: u8, timestamp: i64) {
    out.extend_from_slice(&offset.0.to_be_bytes());
    out.extend_from_slice(&[0; MAGIC_AT - 8]);
    out.extend_from_slice(&[magic.cast_unsigned(), attributes]);
    if magic == 1 {
        out.extend_from_slice(&timestamp.to_be_bytes());
    }
}

/// Writes the length and the checksum of a message.
fn seal(message: &mut [u8]) {
    let crc = crc32(message.get(MAGIC_AT..).unwrap_or_default());
    let length = message.len().saturating_sub(LOG_OVERHEAD);
    put_i32(message.get_mut(8..).unwrap_or_default(), in_i32(length));
    put_i32(message.get_mut(12..).unwrap_or_default(), crc.cast_signed());
}

/// Adds `by` to the offset of each message; no checksum covers it.
fn shift_offsets(messages: &mut [u8], by: i64) {
    let mut rest = messages;
    while let Some((front, _)) = rest.split_first_chunk_mut::<LOG_OVERHEAD>() {
        let [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = *front;
        let offset = i64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        if let Some(stored) = front.first_chunk_mut::<8>() {
            *stored = offset.wrapping_add(by).to_be_bytes();
        }
        let size = LOG_OVERHEAD.saturating_add(length.unsigned_abs() as usize);
        rest = rest.get_mut(size..).unwrap_or_default();
    }
}

fn put_i32(to: &mut [u8], number: i32) {
    if let Some(stored) = to.first_chunk_mut::<4>() {
        *stored = number.to_be_bytes();
    }
}

/// A length of which is known that it fits.
fn in_i32(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// The length field of a key or a value.
fn nullable(bytes: Option<&[u8]>) -> Result<i32> {
    match bytes {
        Some(bytes) => fits(bytes.len()).map(in_i32),
        None => Ok(NULL),
    }
}
