//! A record of a magic 2 batch, and the iteration over records of any magic.
//!
//! ```text
//!   | varint | i8         | varlong   | varint | varint, key | varint, value | varint  |
//!   | length | attributes | timestamp | offset | -1: null    | -1: null      | headers | ...
//!   |        |            | delta     | delta  |             |               |         |
//!            '---- length counts from here to the end ------------------------------- ...
//!
//!   each header:  | varint, key (never null) | varint, value (-1: null) |
//! ```
//!
//! Timestamps: base + delta, except in a LogAppendTime batch, where every record has the batch's
//! max timestamp and the deltas are whatever the producer left there.

use super::batch::{Batch, add_sequence};
use super::compression::Decompressed;
use super::legacy::{LegacyMessage, LegacyRecords, wrapped_payload};
use super::{Codec, Cursor, FormatErrorKind, Offset, Position, Result, Scratch};

/// One record of any magic, with slices of the batch or of its decompressed payload.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Absolute offset.
    pub offset: Offset,
    /// Milliseconds since the epoch, -1 for none.
    pub timestamp: i64,
    /// The key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
    /// The headers; none in magic 0 and 1.
    pub headers: Headers<'a>,
    /// The sequence number, -1 for none.
    pub sequence: i32,
    /// The message that a record of magic 0 or 1 is.
    pub message: Option<LegacyMessage<'a>>,
}

/// A record's headers, decoded one by one.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key's bytes, UTF-8 in healthy records.
    pub key: &'a [u8],
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    pub(super) fn none() -> Self {
        Self { count: 0, bytes: &[] }
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    // Reads what `Record` parsed before, so it cannot fail; if it did, the headers would just end.
    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let mut cursor = Cursor::new(self.bytes, Position(0));
        let header = read_header(&mut cursor).ok();
        self.bytes = cursor.rest();
        header
    }
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Result<Header<'a>> {
    let length = cursor.varint()?;
    let Ok(length) = usize::try_from(length) else {
        let value = i64::from(length);
        return Err(cursor.error(FormatErrorKind::Record { what: "header key length", value }));
    };
    let key = cursor.take(length)?;
    Ok(Header { key, value: nullable(cursor)? })
}

#[inline]
fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>> {
    match usize::try_from(cursor.varint()?) {
        Ok(length) => cursor.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

/// The records of one batch. Ends after the first error, and says when there are fewer or more
/// records than the header counts.
#[derive(Clone, Debug)]
pub struct Records<'s> {
    inner: Inner<'s>,
    /// Bytes behind the end of the compressed stream, which Kafka does not look at.
    pub trailing_bytes: usize,
    /// True when the compressed stream's own checksum differs and Kafka does not look at it.
    pub ignored_checksum_differs: bool,
}

#[derive(Clone, Debug)]
enum Inner<'s> {
    V2(RecordsV2<'s>),
    Legacy(LegacyRecords<'s>),
}

impl<'s> Records<'s> {
    pub(super) fn new<'a: 's>(batch: &Batch<'a>, scratch: &'s mut Scratch) -> Result<Self> {
        let codec = batch.codec()?;
        if let Some(message) = batch.legacy() {
            if codec == Codec::None {
                return Ok(Self::plain(Inner::Legacy(LegacyRecords::single(message))));
            }
            let (codec, payload) = wrapped_payload(&message, codec)?;
            let inner = scratch.decompress(codec, batch.magic(), payload, batch.position())?;
            let records = LegacyRecords::wrapped(message, inner.bytes)?;
            return Ok(Self::decompressed(Inner::Legacy(records), &inner));
        }
        let payload = batch.payload().unwrap_or_default();
        let position = batch.position().plus((batch.size() - payload.len()) as u64);
        let plain = |payload| RecordsV2::new(batch, Cursor::new(payload, position));
        if codec == Codec::None {
            return plain(payload).map(|records| Self::plain(Inner::V2(records)));
        }
        if batch.records_count() == Some(0) {
            // Kafka does not look at the payload of an empty batch.
            return plain(&[]).map(|records| Self::plain(Inner::V2(records)));
        }
        let inner = scratch.decompress(codec, batch.magic(), payload, batch.position())?;
        let cursor = Cursor::decompressed(inner.bytes, batch.position());
        RecordsV2::new(batch, cursor).map(|records| Self::decompressed(Inner::V2(records), &inner))
    }

    fn plain(inner: Inner<'s>) -> Self {
        Self { inner, trailing_bytes: 0, ignored_checksum_differs: false }
    }

    fn decompressed(inner: Inner<'s>, payload: &Decompressed<'_>) -> Self {
        let &Decompressed { trailing: trailing_bytes, ignored_checksum_differs, .. } = payload;
        Self { inner, trailing_bytes, ignored_checksum_differs }
    }

    /// The next record if it is of the usual form, as nearly all are; where this gives `None`,
    /// [`next`](Self::next) says what there is. It is for loops that look at little of each record:
    /// it becomes part of them, and builds of a record only what they look at.
    #[inline]
    pub fn next_usual(&mut self) -> Option<Record<'s>> {
        match &mut self.inner {
            Inner::V2(records) if records.left > 0 => records.next_short(),
            _ => None,
        }
    }

    /// True when a varint was read that is longer than it need be.
    #[must_use]
    pub fn has_padded_varint(&self) -> bool {
        matches!(&self.inner, Inner::V2(records) if records.cursor.is_padded())
    }
}

impl<'s> Iterator for Records<'s> {
    type Item = Result<Record<'s>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.inner {
            Inner::V2(records) => records.next(),
            Inner::Legacy(records) => records.next(),
        }
    }
}

#[derive(Clone, Debug)]
struct RecordsV2<'s> {
    cursor: Cursor<'s>,
    left: i32,
    stored: i32,
    base_offset: Offset,
    base_sequence: i32,
    base_timestamp: i64,
    /// Set in a LogAppendTime batch: the timestamp of all its records.
    append_timestamp: Option<i64>,
}

impl<'s> RecordsV2<'s> {
    fn new(batch: &Batch<'_>, cursor: Cursor<'s>) -> Result<Self> {
        let stored = batch.records_count().unwrap_or(0);
        if stored < 0 {
            let value = i64::from(stored);
            return Err(cursor.error(FormatErrorKind::Record { what: "record count", value }));
        }
        Ok(Self {
            cursor,
            left: stored,
            stored,
            base_offset: batch.known_base_offset().unwrap_or_default(),
            base_sequence: batch.base_sequence(),
            base_timestamp: batch.base_timestamp().or(batch.delete_horizon()).unwrap_or(-1),
            append_timestamp: batch
                .attributes()
                .is_log_append_time()
                .then(|| batch.max_timestamp()),
        })
    }

    #[inline]
    fn next(&mut self) -> Option<Result<Record<'s>>> {
        if self.left <= 0 {
            return self.check_end();
        }
        if self.cursor.is_empty() {
            let found = i64::from(self.stored - self.left);
            self.left = 0;
            let stored = self.stored;
            return Some(Err(self.cursor.error(FormatErrorKind::RecordCount { stored, found })));
        }
        if let Some(record) = self.next_short() {
            return Some(Ok(record));
        }
        let record = self.read();
        self.left = if record.is_ok() { self.left - 1 } else { -1 };
        Some(record)
    }

    /// Bytes behind the last record are an error, said once. In a batch of no records Kafka does
    /// not look at them.
    #[cold]
    fn check_end(&mut self) -> Option<Result<Record<'s>>> {
        if self.left < 0 || self.stored == 0 || self.cursor.is_empty() {
            return None;
        }
        self.left = -1;
        let bytes = self.cursor.remaining() as u64;
        Some(Err(self.cursor.error(FormatErrorKind::BytesLeft { bytes })))
    }

    /// A record whose numbers have one byte or two, as nearly all are: nothing is kept to say where
    /// an error is. `None` for any other, and for one that is broken: [`read`](Self::read) says
    /// what is wrong.
    #[inline(always)]
    fn next_short(&mut self) -> Option<Record<'s>> {
        let mut rest = self.cursor.rest();
        let size = usize::try_from(short_varint(&mut rest)?).ok()?;
        let (body, rest) = rest.split_at_checked(size)?;
        let (_attributes, mut body) = body.split_first()?;
        let timestamp_delta = short_varint(&mut body)?;
        let offset_delta = short_varint(&mut body)?;
        let key = short_nullable(&mut body)?;
        let value = short_nullable(&mut body)?;
        let headers = if body == [0] { Headers::none() } else { sound_headers(body)? };
        self.cursor.go_on_at(rest);
        self.left -= 1;
        Some(self.record(timestamp_delta.into(), offset_delta, key, value, headers))
    }

    #[inline]
    fn read(&mut self) -> Result<Record<'s>> {
        let length = self.cursor.varint()?;
        let Ok(size) = usize::try_from(length) else {
            return Err(self.cursor.error(FormatErrorKind::Record {
                what: "record length",
                value: i64::from(length),
            }));
        };
        let mut body = self.cursor.split(size)?;
        let _attributes = body.i8()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = nullable(&mut body)?;
        let value = nullable(&mut body)?;
        let headers = read_headers(&mut body)?;
        if !body.is_empty() {
            return Err(body.error(FormatErrorKind::Record {
                what: "bytes of the record that no field claims",
                value: i64::try_from(body.remaining()).unwrap_or(i64::MAX),
            }));
        }
        self.cursor.note_padding(&body);
        Ok(self.record(timestamp_delta, offset_delta, key, value, headers))
    }

    #[inline]
    fn record(
        &self,
        timestamp_delta: i64,
        offset_delta: i32,
        key: Option<&'s [u8]>,
        value: Option<&'s [u8]>,
        headers: Headers<'s>,
    ) -> Record<'s> {
        Record {
            offset: self.base_offset.plus(i64::from(offset_delta)),
            timestamp: self
                .append_timestamp
                .unwrap_or_else(|| self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers,
            sequence: match self.base_sequence {
                base if base >= 0 => add_sequence(base, offset_delta),
                _ => -1,
            },
            message: None,
        }
    }
}

/// A varint of one byte or two, and not longer than it need be.
#[inline(always)]
fn short_varint(bytes: &mut &[u8]) -> Option<i32> {
    let (raw, rest) = match **bytes {
        [byte, ref rest @ ..] if byte < 0x80 => (i32::from(byte), rest),
        [low, high, ref rest @ ..] if high.cast_signed() > 0 => {
            (i32::from(low & 0x7f) | i32::from(high) << 7, rest)
        }
        _ => return None,
    };
    *bytes = rest;
    Some(raw >> 1 ^ -(raw & 1))
}

#[inline(always)]
fn short_nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match usize::try_from(short_varint(bytes)?) {
        Ok(length) => bytes.split_off(..length).map(Some),
        Err(_) => Some(None),
    }
}

/// The headers that are all of `bytes`, if nothing is to be said about them.
#[inline(never)]
fn sound_headers(bytes: &[u8]) -> Option<Headers<'_>> {
    let mut cursor = Cursor::new(bytes, Position(0));
    let headers = read_headers(&mut cursor).ok()?;
    (cursor.is_empty() && !cursor.is_padded()).then_some(headers)
}

/// Walks the headers once, so that iterating them later cannot fail.
#[inline]
fn read_headers<'a>(body: &mut Cursor<'a>) -> Result<Headers<'a>> {
    let count = body.varint()?;
    if count == 0 {
        return Ok(Headers::none());
    }
    // A header takes two bytes at least.
    let possible = u32::try_from(count).ok().filter(|&n| n as usize <= body.remaining() / 2);
    let Some(count) = possible else {
        let value = i64::from(count);
        return Err(body.error(FormatErrorKind::Record { what: "number of headers", value }));
    };
    let headers = Headers { count, bytes: body.rest() };
    for _ in 0..count {
        read_header(body)?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Records of a batch that begins at offset 7, and whose first sequence is 3.
    fn records(bytes: &[u8]) -> RecordsV2<'_> {
        RecordsV2 {
            cursor: Cursor::new(bytes, Position(61)),
            left: 1,
            stored: 1,
            base_offset: Offset(7),
            base_sequence: 3,
            base_timestamp: 1000,
            append_timestamp: None,
        }
    }

    #[test]
    fn a_usual_record_is_short() {
        // length, attributes, deltas 1 and 2, `k`, null, no headers
        let bytes = [14, 0, 2, 4, 2, b'k', 1, 0, 0xff];
        let mut records = records(&bytes);
        let record = records.next_short().unwrap();
        assert_eq!((record.offset, record.timestamp, record.sequence), (Offset(9), 1001, 5));
        assert_eq!((record.key, record.value), (Some(&b"k"[..]), None));
        assert_eq!(records.cursor.rest(), [0xff]);
        // The same with a header, `h` without a value.
        let bytes = [20, 0, 2, 4, 2, b'k', 1, 2, 2, b'h', 1];
        let record = self::records(&bytes).next_short().unwrap();
        assert_eq!(record.headers.collect::<Vec<_>>(), [Header { key: b"h", value: None }]);
    }

    /// Bytes as they stand in records, and any others.
    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => 0_u8..12, 2 => 0x7e_u8..0x84, 1 => any::<u8>()];
        let body = proptest::collection::vec(byte, 4..40);
        (body, any::<bool>(), 0_usize..4).prop_map(|(body, is_framed, behind)| {
            let length = body.len().saturating_sub(behind);
            let prefix = u8::try_from(length * 2).ok().filter(|_| is_framed);
            prefix.into_iter().chain(body).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_read_the_short_way_is_read_the_same_the_other_way(bytes in any_bytes()) {
            let (mut short, mut long) = (records(&bytes), records(&bytes));
            if let Some(record) = short.next_short() {
                let other = long.read().unwrap();
                prop_assert_eq!(format!("{record:?}"), format!("{other:?}"));
                prop_assert!(!long.cursor.is_padded());
                prop_assert_eq!(short.cursor.rest(), long.cursor.rest());
            } else {
                prop_assert_eq!(short.cursor.rest(), &bytes[..]);
            }
        }
    }
}
