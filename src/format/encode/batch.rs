//! Batches of magic 2, written.
//!
//! ```text
//!   begin     | 61 bytes |
//!   append    | 61 bytes | record | record | ...       length, deltas and key length in one move
//!   finish    | header   | record | record | ...       changes places with an empty `out`
//!             | header   | one compressed block |      or is compressed into it
//! ```
//!
//! Deltas count from the base offset and from the timestamp of the first record, or from the delete
//! horizon where there is one. Offsets may have gaps: the last offset is that of the last record.

use super::fields::BatchFields;
use super::varint::{self, Packed, zigzag};
use super::{BATCH_BYTES_MAX, BatchSummary, Compressor, EncodeError, RecordToWrite, Result, fits};
use crate::format::batch_v2::HeaderV2;
use crate::format::crc::crc32c;
use crate::format::{Codec, Header, Offset};
use zerocopy::IntoBytes;

const MAGIC: i8 = 2;
const CRC_AT: usize = 17;
/// What null is instead of a length.
const NULL: u64 = 1;
/// Numbers below this have one byte or two.
const SHORT: u64 = 1 << 14;
/// With a value of no more bytes, and a key of no more than 63, a record's length has two.
const SHORT_VALUE: usize = 8000;

/// Encodes one batch after the other in the same memory.
pub struct BatchEncoder {
    fields: BatchFields,
    has_begun: bool,
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    records_count: i32,
    /// Of the last record; below the base offset where there is none.
    last_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// A record's fields as its batch has them.
struct Measured {
    /// Bytes behind the length.
    body: u64,
    timestamp_delta: u64,
    offset_delta: u64,
    /// The lengths of key and value, or what stands for null.
    key: u64,
    value: u64,
}

impl Measured {
    #[inline(always)]
    fn size(&self) -> u64 {
        let body = zigzag(self.body.cast_signed());
        self.body.saturating_add(varint::size(body) as u64)
    }
}

impl Default for BatchEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchEncoder {
    /// An encoder in which no batch has begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: BatchFields::at(Offset(0)),
            has_begun: false,
            buffer: Vec::new(),
            records_count: 0,
            last_offset: -1,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Begins a batch; one that was begun and not finished is forgotten.
    ///
    /// # Errors
    /// When the fields contradict each other, or the base offset is below 0.
    pub fn begin(&mut self, fields: BatchFields) -> Result<()> {
        fields.check()?;
        let offset = fields.base_offset;
        if offset < Offset(0) {
            return Err(EncodeError::OffsetGoesBack { offset, least: Offset(0) });
        }
        self.fields = fields;
        self.has_begun = true;
        self.buffer.clear();
        self.buffer.resize(HeaderV2::BYTES, 0);
        self.records_count = 0;
        self.last_offset = offset.0 - 1;
        self.base_timestamp = fields.delete_horizon.unwrap_or(-1);
        self.max_timestamp = -1;
        Ok(())
    }

    /// What is known only when the batch is appended: its leader epoch, and when, if that is what
    /// its records are to have for a timestamp.
    pub fn set_append(&mut self, partition_leader_epoch: i32, log_append_time: Option<i64>) {
        self.fields.partition_leader_epoch = partition_leader_epoch;
        self.fields.log_append_time = log_append_time;
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When its offset is not above the last one, or too far from the first, or the batch would
    /// become too large; then the batch is as it was.
    #[inline(always)]
    pub fn append(&mut self, record: &RecordToWrite<'_>) -> Result<()> {
        if self.append_short(record, BATCH_BYTES_MAX) {
            return Ok(());
        }
        self.append_any(record, usize::MAX).map(|_| ())
    }

    /// Adds a record, if the batch has no more than `most` bytes then, uncompressed, or no record
    /// yet; and says whether it did. It is [`size_after`](Self::size_after) and
    /// [`append`](Self::append) at the cost of one.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    #[inline]
    pub fn append_within(&mut self, record: &RecordToWrite<'_>, most: usize) -> Result<bool> {
        if self.append_short(record, most.min(BATCH_BYTES_MAX)) {
            return Ok(true);
        }
        self.append_any(record, most)
    }

    /// The bytes of the batch with `record` added, if it is not compressed.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn size_after(&self, record: &RecordToWrite<'_>) -> Result<usize> {
        let measured = self.measure(record)?;
        self.grown(&measured)
    }

    /// The bytes of the batch so far, if it is not compressed; 0 where none has begun.
    #[must_use]
    pub fn size(&self) -> usize {
        if self.has_begun { self.buffer.len() } else { 0 }
    }

    /// How many records the batch has so far.
    #[must_use]
    pub fn records_count(&self) -> i32 {
        self.records_count
    }

    /// Ends the batch and appends it to `out`. Where nothing is in `out` and nothing is compressed,
    /// `out` and the encoder change memory, and not a byte is copied.
    ///
    /// # Errors
    /// When the batch has no records, cannot be compressed, or is too large then; `out` and the
    /// batch are as they were.
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
        if compressor.codec() != Codec::None {
            let records = self.buffer.get(HeaderV2::BYTES..).unwrap_or_default();
            out.resize(start.saturating_add(HeaderV2::BYTES), 0);
            let compressed = compressor.compress(MAGIC, records, out);
            if let Err(error) = compressed.and_then(|()| fits(out.len() - start)) {
                out.truncate(start);
                return Err(error);
            }
        } else if out.is_empty() {
            std::mem::swap(&mut self.buffer, out);
        } else {
            out.extend_from_slice(&self.buffer);
        }
        self.has_begun = false;
        let batch = out.get_mut(start..).unwrap_or_default();
        self.seal(compressor.codec(), batch);
        let records_count = std::mem::take(&mut self.records_count);
        Ok(BatchSummary {
            size: batch.len(),
            uncompressed_size,
            records_size: batch.len() - HeaderV2::BYTES,
            uncompressed_records_size: uncompressed_size - HeaderV2::BYTES,
            base_offset: self.fields.base_offset,
            last_offset: Offset(self.last_offset),
            max_timestamp: self.stored_max_timestamp(),
            records_count,
        })
    }

    fn stored_max_timestamp(&self) -> i64 {
        self.fields.log_append_time.unwrap_or(self.max_timestamp)
    }

    /// Writes the header of `batch`, whose records are in it.
    fn seal(&self, codec: Codec, batch: &mut [u8]) {
        let fields = &self.fields;
        // Offsets and sizes were held to these bounds when the records came.
        let in_bounds = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        let length = batch.len().saturating_sub(crate::format::batch::LOG_OVERHEAD);
        let header = HeaderV2 {
            base_offset: fields.base_offset.0.into(),
            length: i32::try_from(length).unwrap_or(i32::MAX).into(),
            partition_leader_epoch: fields.partition_leader_epoch.into(),
            magic: MAGIC,
            crc: 0.into(),
            attributes: fields.attributes(codec).into(),
            last_offset_delta: in_bounds(self.last_offset - fields.base_offset.0).into(),
            base_timestamp: self.base_timestamp.into(),
            max_timestamp: self.stored_max_timestamp().into(),
            producer_id: fields.producer_id.into(),
            producer_epoch: fields.producer_epoch.into(),
            base_sequence: fields.base_sequence.into(),
            records_count: self.records_count.into(),
        };
        if let Some(front) = batch.first_chunk_mut::<{ HeaderV2::BYTES }>() {
            front.copy_from_slice(header.as_bytes());
        }
        let crc = crc32c(batch.get(HeaderV2::CHECKED_FROM..).unwrap_or_default());
        if let Some(stored) = batch.get_mut(CRC_AT..HeaderV2::CHECKED_FROM) {
            stored.copy_from_slice(&crc.to_be_bytes());
        }
    }

    /// Adds a record whose numbers have one byte or two, as nearly all are, if the batch has no
    /// more than `most` bytes then; for any other, and for the first, `append_any` decides.
    /// One move for all that is in front of the key, and no size is looked up.
    #[inline(always)]
    #[allow(clippy::little_endian_bytes)]
    fn append_short(&mut self, record: &RecordToWrite<'_>, most: usize) -> bool {
        let offset_delta = zigzag(record.offset.0.wrapping_sub(self.fields.base_offset.0));
        let timestamp_delta = zigzag(record.timestamp.wrapping_sub(self.base_timestamp));
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let key_raw = record.key.map_or(NULL, |key| (key.len() as u64) << 1);
        let value_raw = record.value.map_or(NULL, |value| (value.len() as u64) << 1);
        let is_short = (offset_delta | timestamp_delta) < SHORT && key_raw < 0x80;
        let follows = record.offset.0 > self.last_offset && self.records_count > 0;
        if !is_short || !follows || value.len() > SHORT_VALUE || !record.headers.is_empty() {
            return false;
        }
        let (timestamp_delta, timestamp_bits) = varint::short(timestamp_delta);
        let (offset_delta, offset_bits) = varint::short(offset_delta);
        let (value_raw, value_bits) = varint::short(value_raw);
        // With the bytes of attributes, key length and number of headers.
        let numbers = (timestamp_bits + offset_bits + value_bits) / 8 + 3;
        let body = numbers as usize + key.len() + value.len();
        let (length, length_bits) = varint::short((body as u64) << 1);
        if self.buffer.len() + body + (length_bits / 8) as usize > most {
            return false;
        }
        // From the last to the first: eight bytes at most.
        let mut front = key_raw;
        front = front << offset_bits | offset_delta;
        front = front << timestamp_bits | timestamp_delta;
        front <<= 8;
        front = front << length_bits | length;
        let front_bits = length_bits + 8 + timestamp_bits + offset_bits + 8;
        let buffer = &mut self.buffer;
        let end = buffer.len() + (front_bits / 8) as usize;
        buffer.extend_from_slice(&front.to_le_bytes());
        buffer.truncate(end);
        if !key.is_empty() {
            buffer.extend_from_slice(key);
        }
        let end = buffer.len() + (value_bits / 8) as usize;
        buffer.extend_from_slice(&((value_raw & 0xffff) as u16).to_le_bytes());
        buffer.truncate(end);
        buffer.extend_from_slice(value);
        buffer.push(0);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.last_offset = record.offset.0;
        self.records_count += 1;
        true
    }

    #[inline(never)]
    fn append_any(&mut self, record: &RecordToWrite<'_>, most: usize) -> Result<bool> {
        let measured = self.measure(record)?;
        if self.grown(&measured)? > most && self.records_count > 0 {
            return Ok(false);
        }
        self.add(record, &measured);
        Ok(true)
    }

    #[inline(always)]
    fn measure(&self, record: &RecordToWrite<'_>) -> Result<Measured> {
        let offset_delta = self.offset_delta(record.offset)?;
        // The first record is the base, unless that is the delete horizon.
        let base = match (self.records_count, self.fields.delete_horizon) {
            (0, None) => record.timestamp,
            _ => self.base_timestamp,
        };
        // As a reader adds it: around the ends of `i64`, where there are such timestamps.
        let timestamp_delta = zigzag(record.timestamp.wrapping_sub(base));
        let (key, key_bytes) = measure_nullable(record.key);
        let (value, value_bytes) = measure_nullable(record.value);
        let headers = match record.headers {
            [] => 1,
            headers => measure_headers(headers),
        };
        let numbers = 1 + varint::size(timestamp_delta) + varint::size(offset_delta);
        let body = headers.saturating_add(key_bytes).saturating_add(value_bytes);
        let body = body.saturating_add(numbers as u64);
        Ok(Measured { body, timestamp_delta, offset_delta, key, value })
    }

    #[inline(always)]
    fn offset_delta(&self, offset: Offset) -> Result<u64> {
        let base = self.fields.base_offset;
        if offset.0 <= self.last_offset || !self.has_begun {
            return Err(self.goes_back(offset));
        }
        // Both are 0 or more.
        let delta = offset.0.wrapping_sub(base.0);
        if delta > i64::from(i32::MAX) {
            return Err(EncodeError::OffsetTooFar { offset, base });
        }
        Ok(zigzag(delta))
    }

    #[cold]
    fn goes_back(&self, offset: Offset) -> EncodeError {
        if !self.has_begun {
            return EncodeError::NotBegun;
        }
        EncodeError::OffsetGoesBack { offset, least: Offset(self.last_offset).plus(1) }
    }

    /// The bytes of the batch with a record that is `measured` so.
    #[inline(always)]
    fn grown(&self, measured: &Measured) -> Result<usize> {
        let bytes = measured.size().saturating_add(self.buffer.len() as u64);
        match usize::try_from(bytes).map(fits) {
            Ok(Ok(size)) => Ok(size),
            _ => Err(EncodeError::BatchTooLarge { bytes }),
        }
    }

    /// Adds a record of which is known that there is room for it.
    #[inline(always)]
    fn add(&mut self, record: &RecordToWrite<'_>, measured: &Measured) {
        if self.records_count == 0 {
            self.max_timestamp = record.timestamp;
            self.base_timestamp = self.fields.delete_horizon.unwrap_or(record.timestamp);
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.last_offset = record.offset.0;
        // Each has seven bytes at least, so there are fewer than bytes.
        self.records_count += 1;
        self.write_numbers(measured);
        let buffer = &mut self.buffer;
        if let Some(key) = record.key {
            buffer.extend_from_slice(key);
        }
        varint::append(measured.value, buffer);
        buffer.extend_from_slice(record.value.unwrap_or_default());
        match record.headers {
            [] => buffer.push(0),
            headers => append_headers(headers, buffer),
        }
    }

    /// What stands in front of the key.
    #[inline(always)]
    fn write_numbers(&mut self, measured: &Measured) {
        let length = zigzag(measured.body.cast_signed());
        let length_size = varint::size(length);
        let timestamp_size = varint::size(measured.timestamp_delta);
        let offset_size = varint::size(measured.offset_delta);
        let key_size = varint::size(measured.key);
        let size = length_size + 1 + timestamp_size + offset_size + key_size;
        if size > Packed::MOST {
            return self.write_large_numbers(measured);
        }
        let mut packed = Packed::default();
        packed.add(length, length_size);
        packed.add_zero();
        packed.add(measured.timestamp_delta, timestamp_size);
        packed.add(measured.offset_delta, offset_size);
        packed.add(measured.key, key_size);
        packed.append_to(&mut self.buffer);
    }

    #[inline(never)]
    fn write_large_numbers(&mut self, measured: &Measured) {
        let buffer = &mut self.buffer;
        varint::append(zigzag(measured.body.cast_signed()), buffer);
        buffer.push(0);
        varint::append(measured.timestamp_delta, buffer);
        varint::append(measured.offset_delta, buffer);
        varint::append(measured.key, buffer);
    }
}

/// A length or what stands for null, and how many bytes it is with its bytes.
#[inline(always)]
fn measure_nullable(bytes: Option<&[u8]>) -> (u64, u64) {
    let Some(bytes) = bytes else { return (NULL, 1) };
    // No slice is longer than `isize::MAX`.
    let raw = (bytes.len() as u64) << 1;
    (raw, varint::size(raw) as u64 + bytes.len() as u64)
}

#[inline(never)]
fn measure_headers(headers: &[Header<'_>]) -> u64 {
    let count = varint::size((headers.len() as u64) << 1) as u64;
    let sizes = headers.iter().map(|header| {
        let (_, key) = measure_nullable(Some(header.key));
        let (_, value) = measure_nullable(header.value);
        key.saturating_add(value)
    });
    sizes.fold(count, u64::saturating_add)
}

#[inline(never)]
fn append_headers(headers: &[Header<'_>], out: &mut Vec<u8>) {
    varint::append((headers.len() as u64) << 1, out);
    for header in headers {
        for bytes in [Some(header.key), header.value] {
            varint::append(measure_nullable(bytes).0, out);
            out.extend_from_slice(bytes.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Batch, Position, Scratch};
    use std::hint::black_box;
    use std::io::Write;
    use std::time::{Duration, Instant};

    const TIMESTAMP: i64 = 1_700_000_000_000;
    /// Two records: `k` and `v1`, and nulls with two headers, ten milliseconds later.
    const VECTOR: &str = "00000000 00000005 00000049 00000003 024096f0 15000000 00000100 00018bcf \
        e5680000 00018bcf e5680aff ffffffff ffffffff ffffffff ff000000 02120000 00026b04 7631001a \
        00140201 01040268 0278026e 01";

    fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b' ').collect();
        let pairs = digits.chunks_exact(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn record(offset: i64, value: &[u8]) -> RecordToWrite<'_> {
        let (timestamp, value) = (TIMESTAMP, Some(value));
        RecordToWrite { offset: Offset(offset), timestamp, key: None, value, headers: &[] }
    }

    fn vector_fields() -> BatchFields {
        BatchFields { partition_leader_epoch: 3, ..BatchFields::at(Offset(5)) }
    }

    /// Encodes the records of the vector after what `prepare` does.
    fn vector_with(prepare: impl Fn(&mut BatchEncoder)) -> Vec<u8> {
        let headers = [Header { key: b"h", value: Some(b"x") }, Header { key: b"n", value: None }];
        let mut encoder = BatchEncoder::new();
        encoder.begin(vector_fields()).unwrap();
        prepare(&mut encoder);
        let first = RecordToWrite { key: Some(b"k"), ..record(5, b"v1") };
        let timestamp = TIMESTAMP + 10;
        let second = RecordToWrite { timestamp, value: None, headers: &headers, ..record(6, b"") };
        let mut out = Vec::new();
        for record in [first, second] {
            let size = encoder.size_after(&record).unwrap();
            encoder.append(&record).unwrap();
            assert_eq!(encoder.size(), size);
        }
        let summary = encoder.finish(&mut Compressor::none(), &mut out).unwrap();
        assert_eq!((summary.size, summary.uncompressed_size), (out.len(), out.len()));
        out
    }

    #[test]
    fn the_vector_of_the_format() {
        assert_eq!(vector_with(|_| {}), hex(VECTOR));
    }

    #[test]
    fn the_time_of_the_append_is_a_bit_and_a_field() {
        let batch = vector_with(|encoder| encoder.set_append(9, Some(TIMESTAMP + 77)));
        let mut expected = hex(VECTOR);
        expected[15] = 9;
        expected[22] |= 8;
        expected[35..43].copy_from_slice(&(TIMESTAMP + 77).to_be_bytes());
        let crc = crc32c(&expected[21..]);
        expected[17..21].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(batch, expected);
    }

    #[test]
    fn what_is_in_out_stays_and_memory_goes_round() {
        let mut encoder = BatchEncoder::new();
        let mut none = Compressor::none();
        let mut out = b"before".to_vec();
        let mut one = |encoder: &mut BatchEncoder, out: &mut Vec<u8>| {
            encoder.begin(BatchFields::at(Offset(1))).unwrap();
            encoder.append(&record(1, b"value")).unwrap();
            encoder.finish(&mut none, out).unwrap()
        };
        let first = one(&mut encoder, &mut out);
        assert_eq!(out.len(), 6 + first.size);
        let mut alone = Vec::new();
        for _ in 0..3 {
            alone.clear();
            assert_eq!(one(&mut encoder, &mut alone), first);
            assert_eq!(alone, out[6..]);
        }
    }

    #[test]
    fn offsets_go_up_and_not_too_far() {
        let mut encoder = BatchEncoder::new();
        assert_eq!(encoder.append(&record(0, b"")), Err(EncodeError::NotBegun));
        let (offset, least) = (Offset(-1), Offset(0));
        let goes_back = Err(EncodeError::OffsetGoesBack { offset, least });
        assert_eq!(encoder.begin(BatchFields::at(offset)), goes_back);
        encoder.begin(BatchFields::at(Offset(7))).unwrap();
        let mut out = b"x".to_vec();
        let none = encoder.finish(&mut Compressor::none(), &mut out);
        assert_eq!(none, Err(EncodeError::NoRecords));
        let goes_back = |offset, least| {
            Err(EncodeError::OffsetGoesBack { offset: Offset(offset), least: Offset(least) })
        };
        assert_eq!(encoder.append(&record(6, b"")), goes_back(6, 7));
        encoder.append(&record(9, b"")).unwrap();
        assert_eq!(encoder.append(&record(9, b"")), goes_back(9, 10));
        assert_eq!(encoder.append(&record(i64::MIN, b"")), goes_back(i64::MIN, 10));
        for offset in [8 + (1 << 31), i64::MAX] {
            let (offset, base) = (Offset(offset), Offset(7));
            let too_far = Err(EncodeError::OffsetTooFar { offset, base });
            assert_eq!(encoder.append(&record(offset.0, b"")), too_far);
        }
        encoder.append(&record(6 + (1 << 31), b"")).unwrap();
        let summary = encoder.finish(&mut Compressor::none(), &mut out).unwrap();
        assert_eq!((summary.records_count, summary.last_offset), (2, Offset(6 + (1 << 31))));
        let batch = Batch::parse(&out[1..], Position(0)).unwrap();
        assert_eq!(batch.last_offset_delta(), Some(i32::MAX));
        assert_eq!((batch.crc(), batch.records_count()), (batch.compute_crc(), Some(2)));
        let again = encoder.finish(&mut Compressor::none(), &mut out);
        assert_eq!(again, Err(EncodeError::NotBegun));
        assert_eq!(encoder.append(&record(i64::MAX, b"")), Err(EncodeError::NotBegun));
    }

    #[test]
    fn producer_fields_that_contradict_each_other_are_refused() {
        let plain = BatchFields::at(Offset(0));
        let producer = BatchFields { producer_id: 1, producer_epoch: 0, ..plain };
        for (fields, is_sound) in [
            (producer, false),
            (BatchFields { base_sequence: 0, ..producer }, true),
            (BatchFields { base_sequence: 0, producer_epoch: -1, ..producer }, false),
            (BatchFields { is_transactional: true, ..plain }, false),
            (BatchFields { is_control: true, ..producer }, false),
            (BatchFields { is_control: true, is_transactional: true, ..producer }, true),
            // Control batches of the metadata log, and a coordinator's batches.
            (BatchFields { is_control: true, ..plain }, true),
            (BatchFields { base_sequence: 3, ..plain }, true),
        ] {
            assert_eq!(BatchEncoder::new().begin(fields).is_ok(), is_sound, "{fields:?}");
        }
    }

    #[test]
    fn a_batch_is_filled_up_to_its_size() {
        let mut encoder = BatchEncoder::new();
        encoder.begin(BatchFields::at(Offset(0))).unwrap();
        assert_eq!(encoder.append_within(&record(0, &[7; 100]), 10), Ok(true), "the first");
        let more = record(1, b"more");
        let size = encoder.size_after(&more).unwrap();
        assert_eq!(encoder.append_within(&more, size - 1), Ok(false));
        assert_eq!(encoder.append_within(&more, size), Ok(true));
        assert_eq!((encoder.size(), encoder.records_count()), (size, 2));
    }

    #[test]
    fn what_no_length_can_say_is_refused_before_it_is_copied() {
        // Memory of zeros that nobody looks at takes none.
        let huge = vec![0_u8; super::super::BATCH_BYTES_MAX + 1];
        let mut encoder = BatchEncoder::new();
        encoder.begin(BatchFields::at(Offset(0))).unwrap();
        encoder.append(&record(0, b"kept")).unwrap();
        let size = encoder.size();
        let too_large = |length: usize, more: usize| {
            Err(EncodeError::BatchTooLarge { bytes: (size + length + more) as u64 })
        };
        // Length, attributes, deltas, null key, length, and no headers.
        let numbers = 5 + 1 + 1 + 1 + 1 + 5 + 1;
        let length = huge.len();
        assert_eq!(encoder.append(&record(1, &huge)), too_large(length, numbers));
        let most = super::super::BATCH_BYTES_MAX - size - numbers;
        let at = |length: usize| encoder.size_after(&record(1, &huge[..length]));
        assert_eq!(at(most), Ok(super::super::BATCH_BYTES_MAX));
        assert_eq!(at(most + 1).map(|_| ()), too_large(most + 1, numbers));
        let header = [Header { key: &huge, value: Some(&huge) }];
        let headers = RecordToWrite { headers: &header, ..record(1, b"") };
        assert!(matches!(encoder.append(&headers), Err(EncodeError::BatchTooLarge { .. })));
        assert_eq!((encoder.size(), encoder.records_count()), (size, 1));
    }

    #[test]
    fn a_delete_horizon_is_the_base_of_all_timestamps() {
        let mut encoder = BatchEncoder::new();
        let horizon = TIMESTAMP + 1_000_000;
        let delete_horizon = Some(horizon);
        encoder.begin(BatchFields { delete_horizon, ..vector_fields() }).unwrap();
        encoder.append(&record(5, b"one")).unwrap();
        encoder.append(&RecordToWrite { timestamp: -1, ..record(8, b"two") }).unwrap();
        let mut out = Vec::new();
        encoder.finish(&mut Compressor::none(), &mut out).unwrap();
        let batch = Batch::parse(&out, Position(0)).unwrap();
        assert_eq!((batch.delete_horizon(), batch.max_timestamp()), (delete_horizon, TIMESTAMP));
        let mut scratch = Scratch::new(1 << 20);
        let records = batch.records(&mut scratch).unwrap();
        let timestamps: Vec<i64> = records.map(|record| record.unwrap().timestamp).collect();
        assert_eq!(timestamps, [TIMESTAMP, -1]);
    }

    /// The least time of several turns.
    fn least(mut turn: impl FnMut()) -> Duration {
        let turns = (0..15).map(|_| {
            let started = Instant::now();
            (0..200).for_each(|_| turn());
            started.elapsed()
        });
        turns.min().unwrap()
    }

    /// Prints how fast batches of 16 KiB are encoded, as a part of the speed of copying as many
    /// bytes into a batch and of taking their checksum. To be run alone, and optimised.
    #[test]
    #[ignore = "a measurement"]
    fn speed_beside_copying_and_checksumming() {
        let pool: Vec<u8> = (0..1 << 20).map(|at| (at * 31 % 251) as u8).collect();
        for (key, value) in [(0, 91), (10, 81), (0, 21), (0, 1000)] {
            let mut encoder = BatchEncoder::new();
            let (mut out, mut none) = (Vec::new(), Compressor::none());
            let mut at = 0;
            let mut size = 0;
            let encoding = least(|| {
                encoder.begin(vector_fields()).unwrap();
                for offset in 5.. {
                    at = (at + 100) & ((1 << 20) - 1);
                    let bytes = pool.get(at..at + key + value).unwrap_or(&pool[..key + value]);
                    let (key_bytes, value_bytes) = bytes.split_at(key);
                    let key = (key > 0).then_some(key_bytes);
                    let record = RecordToWrite { key, ..record(offset, value_bytes) };
                    if !encoder.append_within(black_box(&record), 16384).unwrap() {
                        break;
                    }
                }
                out.clear();
                size = encoder.finish(&mut none, &mut out).unwrap().size;
                black_box(&out);
            });
            let mut batch = Vec::with_capacity(1 << 20);
            let copying = least(|| {
                at = (at + size) & ((1 << 19) - 1);
                batch.clear();
                batch.extend_from_slice(black_box(&pool[at..at + size]));
                black_box(crc32c(black_box(&batch)));
            });
            let by_records = least(|| {
                batch.clear();
                for _ in 0..size / (key + value + 9) {
                    at = (at + 100) & ((1 << 19) - 1);
                    batch.extend_from_slice(black_box(&pool[at..at + key + value + 9]));
                }
                black_box(crc32c(black_box(&batch)));
            });
            let ratio = |other: Duration| other.as_secs_f64() / encoding.as_secs_f64();
            let per_second = (size * 200) as f64 / encoding.as_secs_f64() / 1e6;
            let (whole, pieces) = (ratio(copying), ratio(by_records));
            let line = format!(
                "key {key}, value {value}: {per_second:.0} MB/s, {whole:.2} of copying whole \
                 batches, {pieces:.2} of copying records\n"
            );
            std::io::stdout().write_all(line.as_bytes()).unwrap();
        }
    }
}
