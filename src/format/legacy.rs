//! Magic 0 and 1: messages, and wrapper messages that hold a compressed set of them.
//!
//! ```text
//!            magic 0                      magic 1
//!    0 +---------------------+      0 +---------------------+
//!      | i64 offset          |        | i64 offset          |
//!    8 | i32 length          |      8 | i32 length          |  bytes behind this field
//!   12 | u32 crc             |     12 | u32 crc             |  CRC-32 from the magic on
//!   16 | i8  magic = 0       |     16 | i8  magic = 1       |
//!   17 | i8  attributes      |     17 | i8  attributes      |  bits 0-2 codec, 3 LogAppendTime
//!      |                     |     18 | i64 timestamp       |
//!   18 | i32 key length, key |     26 | i32 key length, key |  a negative length is null
//!      | i32 value length,   |        | i32 value length,   |
//!      |     value           |        |     value           |
//!      +---------------------+        +---------------------+
//! ```
//!
//! A message with a codec is a wrapper: its value is a compressed run of whole messages. Its offset
//! is that of the *last* message inside. Inside magic 0 offsets are absolute; inside magic 1 they
//! are relative, and the last one is anchored at the wrapper's.

use super::batch::{LOG_OVERHEAD, MINIMUM_LENGTH};
use super::crc;
use super::record::{Headers, Record};
use super::{Codec, Cursor, FormatError, FormatErrorKind, Offset, Position, Result};

const MAGIC_AT: usize = 16;
const ATTRIBUTES_AT: usize = MAGIC_AT + 1;
const BODY_AT: usize = ATTRIBUTES_AT + 1;
const CODEC_BITS: u8 = 0b111;

/// One message of magic 0 or 1 with its offset and length fields.
#[derive(Clone, Copy, Debug)]
pub struct LegacyMessage<'a> {
    position: Position,
    bytes: &'a [u8],
    offset: i64,
    crc: u32,
    magic: i8,
    attributes: u8,
    inside_file: bool,
}

/// Key and value of a message, as slices of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValue<'a> {
    /// The key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// The value, `None` for null.
    pub value: Option<&'a [u8]>,
    /// Bytes behind the value that no field claims. Kafka does not look at them.
    pub bytes_left: usize,
}

impl<'a> LegacyMessage<'a> {
    /// The length field of a magic 1 message with null key and value.
    pub(super) const MINIMUM_LENGTH_V1: i32 = 22;

    /// `bytes` are the whole message; `None` when they are too few for its fixed fields.
    pub(super) fn new(bytes: &'a [u8], position: Position) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let [magic, attributes, ..] = *rest else { return None };
        Some(Self {
            position,
            bytes,
            offset: i64::from_be_bytes(*offset),
            crc: u32::from_be_bytes(*crc),
            magic: magic.cast_signed(),
            attributes,
            inside_file: true,
        })
    }

    /// The offset field: for a wrapper that of the last message inside, and inside a wrapper of
    /// magic 1 a relative one.
    #[must_use]
    pub fn offset(&self) -> Offset {
        Offset(self.offset)
    }

    /// 0 or 1.
    #[must_use]
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// The attribute byte.
    #[must_use]
    pub fn attributes(&self) -> u8 {
        self.attributes
    }

    /// True when the value holds compressed messages.
    #[must_use]
    pub fn is_wrapper(&self) -> bool {
        self.attributes & CODEC_BITS != 0
    }

    /// The stored checksum.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// CRC-32 from the magic byte on.
    #[must_use]
    pub fn compute_crc(&self) -> u32 {
        crc::crc32(self.bytes.get(MAGIC_AT..).unwrap_or_default())
    }

    /// The timestamp in milliseconds since the epoch; -1 for none, as always in magic 0.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        match self.bytes.get(BODY_AT..).and_then(<[u8]>::first_chunk::<8>) {
            Some(timestamp) if self.magic >= 1 => i64::from_be_bytes(*timestamp),
            _ => -1,
        }
    }

    /// Key and value.
    ///
    /// # Errors
    /// When a length goes past the end of the message.
    pub fn key_value(&self) -> Result<KeyValue<'a>> {
        let body_at = if self.magic >= 1 { BODY_AT + 8 } else { BODY_AT };
        let body = self.bytes.get(body_at..).unwrap_or_default();
        let mut cursor = if self.inside_file {
            Cursor::new(body, self.position.plus(body_at as u64))
        } else {
            Cursor::decompressed(body, self.position)
        };
        let key = nullable(&mut cursor)?;
        let value = nullable(&mut cursor)?;
        Ok(KeyValue { key, value, bytes_left: cursor.remaining() })
    }

    fn record(&self, offset: Offset, timestamp: i64) -> Result<Record<'a>> {
        let KeyValue { key, value, .. } = self.key_value()?;
        Ok(Record {
            offset,
            timestamp,
            key,
            value,
            headers: Headers::none(),
            sequence: -1,
            message: Some(*self),
        })
    }
}

fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>> {
    match usize::try_from(cursor.i32()?) {
        Ok(length) => cursor.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

/// The records of a batch of magic 0 or 1: one message, or what its wrapper holds.
#[derive(Clone, Debug)]
pub(super) struct LegacyRecords<'s> {
    wrapper: LegacyMessage<'s>,
    state: State<'s>,
}

#[derive(Clone, Debug)]
enum State<'s> {
    Single,
    Inner { rest: Cursor<'s>, base: i64 },
    Done,
}

impl<'s> LegacyRecords<'s> {
    /// The one record of a message that is not compressed.
    pub(super) fn single(message: LegacyMessage<'s>) -> Self {
        Self { wrapper: message, state: State::Single }
    }

    /// The records of a wrapper whose value was decompressed to `inner`.
    ///
    /// # Errors
    /// When there is no whole message inside, or the wrapper's offset is below the last relative
    /// one.
    pub(super) fn wrapped(wrapper: LegacyMessage<'s>, inner: &'s [u8]) -> Result<Self> {
        let rest = Cursor::decompressed(inner, wrapper.position);
        let base = if wrapper.magic >= 1 { base_of_relative(&wrapper, rest)? } else { 0 };
        Ok(Self { wrapper, state: State::Inner { rest, base } })
    }

    fn inner_record(&self, message: LegacyMessage<'s>, base: i64) -> Result<Record<'s>> {
        if message.is_wrapper() {
            return Err(self.error("a message inside is compressed itself"));
        }
        let log_append_time = self.wrapper.magic >= 1 && self.wrapper.attributes & 0b1000 != 0;
        let timestamp =
            if log_append_time { self.wrapper.timestamp() } else { message.timestamp() };
        message.record(Offset(base.saturating_add(message.offset)), timestamp)
    }

    fn error(&self, why: &'static str) -> FormatError {
        FormatError::new(self.wrapper.position, FormatErrorKind::Wrapper(why))
    }
}

/// Offsets inside a wrapper of magic 1 are relative to what makes the last of them the wrapper's.
/// A wrapper offset of 0 comes from an old client that left it unset: then nothing is added.
fn base_of_relative(wrapper: &LegacyMessage<'_>, mut rest: Cursor<'_>) -> Result<i64> {
    let fail = |why| Err(FormatError::new(wrapper.position, FormatErrorKind::Wrapper(why)));
    let mut last = None;
    while let Some(message) = next_inner(&mut rest)? {
        last = Some(message.offset);
    }
    match last {
        None => fail("no whole message inside"),
        Some(_) if wrapper.offset == 0 => Ok(0),
        Some(last) if wrapper.offset < last => fail("its offset is below the last one inside"),
        Some(last) => Ok(wrapper.offset.saturating_sub(last)),
    }
}

/// The next whole message; `None` at the end and, as in Kafka, where the last one is cut off.
fn next_inner<'s>(rest: &mut Cursor<'s>) -> Result<Option<LegacyMessage<'s>>> {
    let bytes = rest.rest();
    let Some((_, after_offset)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let Some(length) = after_offset.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    if length < MINIMUM_LENGTH {
        return Err(rest.error(FormatErrorKind::BatchLength { length, minimum: MINIMUM_LENGTH }));
    }
    let size = LOG_OVERHEAD + length.unsigned_abs() as usize;
    if size > bytes.len() {
        return Ok(None);
    }
    let position = rest.position();
    let message = LegacyMessage::new(rest.take(size)?, position);
    Ok(message.map(|message| LegacyMessage { inside_file: false, ..message }))
}

impl<'s> Iterator for LegacyRecords<'s> {
    type Item = Result<Record<'s>>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match &mut self.state {
            State::Done => return None,
            State::Single => {
                let wrapper = self.wrapper;
                self.state = State::Done;
                return Some(wrapper.record(wrapper.offset(), wrapper.timestamp()));
            }
            State::Inner { rest, base } => {
                let (first, base) = (rest.consumed() == 0, *base);
                match next_inner(rest) {
                    Ok(Some(message)) => self.inner_record(message, base),
                    Ok(None) if first => Err(self.error("no whole message inside")),
                    Ok(None) if rest.is_empty() => return None,
                    Ok(None) => Err(self.error("its last message is cut off")),
                    Err(error) => Err(error),
                }
            }
        };
        if item.is_err() {
            self.state = State::Done;
        }
        Some(item)
    }
}

/// The codec of a wrapper and the compressed bytes it holds.
pub(super) fn wrapped_payload<'a>(
    message: &LegacyMessage<'a>,
    codec: Codec,
) -> Result<(Codec, &'a [u8])> {
    match message.key_value()?.value {
        Some(value) => Ok((codec, value)),
        None => {
            let kind = FormatErrorKind::Wrapper("its value is null");
            Err(FormatError::new(message.position, kind))
        }
    }
}
