//! Records of a payload, one field after the other.

use super::{V2, number};

/// A record, copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub sequence: i32,
}

/// Where one reads.
struct At<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl At<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Seven bits a byte, the lowest first; `bits` of them are kept; `most` bytes.
    fn varint(&mut self, bits: u32, most: u32) -> Option<i64> {
        let mut value: u128 = 0;
        for index in 0..most {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                let raw = value % (1 << bits);
                let half = (raw / 2) as i128;
                return Some((if raw % 2 == 1 { -half - 1 } else { half }) as i64);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        self.varint(32, 5)
    }

    fn long(&mut self) -> Option<i64> {
        self.varint(64, 10)
    }

    fn take(&mut self, length: i64) -> Option<Vec<u8>> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let bytes = self.bytes.get(self.at..end)?.to_vec();
        self.at = end;
        Some(bytes)
    }

    /// Any length below 0 is null.
    fn nullable(&mut self) -> Option<Option<Vec<u8>>> {
        let length = self.int()?;
        if length < 0 { Some(None) } else { self.take(length).map(Some) }
    }
}

/// The records of a batch up to the first that is broken, and whether all is well to the end.
pub fn records_v2(base: i64, attributes: u16, header: &V2, content: &[u8]) -> (Vec<Record>, bool) {
    let mut records = Vec::new();
    if header.records_count < 0 {
        return (records, false);
    }
    let mut rest = At { bytes: content, at: 0 };
    for _ in 0..header.records_count {
        let Some(record) = record(&mut rest, base, attributes, header) else {
            return (records, false);
        };
        records.push(record);
    }
    let is_at_end = rest.at == content.len() || header.records_count == 0;
    (records, is_at_end)
}

fn record(rest: &mut At<'_>, base: i64, attributes: u16, header: &V2) -> Option<Record> {
    let length = rest.int()?;
    let body = rest.take(length)?;
    let mut body = At { bytes: &body, at: 0 };
    body.byte()?;
    let (timestamp_delta, offset_delta) = (body.long()?, body.int()?);
    let (key, value) = (body.nullable()?, body.nullable()?);
    let count = body.int()?;
    if count < 0 {
        return None;
    }
    let mut headers = Vec::new();
    for _ in 0..count {
        let length = body.int()?;
        headers.push((body.take(length)?, body.nullable()?));
    }
    if body.at != body.bytes.len() {
        return None;
    }
    let is_append_time = attributes & 8 != 0;
    Some(Record {
        offset: base.saturating_add(offset_delta),
        timestamp: match is_append_time {
            true => header.max_timestamp,
            false => header.base_timestamp.wrapping_add(timestamp_delta),
        },
        key,
        value,
        headers,
        sequence: match header.base_sequence {
            0.. => {
                let sum = i64::from(header.base_sequence) + offset_delta;
                // 0 follows the greatest.
                (if sum > i64::from(i32::MAX) { sum - (1 << 31) } else { sum }) as i32
            }
            _ => -1,
        },
    })
}

/// Null or bytes, both of them.
type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A message of magic 0 or 1.
#[derive(Debug)]
pub struct Message {
    pub offset: i64,
    pub attributes: u8,
    pub timestamp: i64,
    /// `None` where a length goes past the end.
    pub key_value: Option<KeyValue>,
}

impl Message {
    /// Of all bytes of one, with offset and length.
    pub fn read(bytes: &[u8]) -> Self {
        let has_timestamp = number(bytes, 16, 1) >= 1;
        let timestamp = match has_timestamp && bytes.len() >= 26 {
            true => number(bytes, 18, 8) as i64,
            false => -1,
        };
        let mut at = if has_timestamp { 26 } else { 18 };
        let mut field = || {
            bytes.get(at..at + 4)?;
            let length = number(bytes, at, 4);
            at += 4;
            if length < 0 {
                return Some(None);
            }
            let value = bytes.get(at..at + length as usize)?.to_vec();
            at += length as usize;
            Some(Some(value))
        };
        let key_value = match (field(), ()) {
            (Some(key), ()) => field().map(|value| (key, value)),
            (None, ()) => None,
        };
        Self { offset: number(bytes, 0, 8) as i64, attributes: bytes[17], timestamp, key_value }
    }
}

/// The messages inside a wrapper up to the first that is broken, and whether all is well.
fn inner_messages(content: &[u8]) -> (Vec<Message>, bool) {
    let (mut messages, mut at) = (Vec::new(), 0);
    while at < content.len() {
        let rest = &content[at..];
        if rest.len() < 12 {
            return (messages, false);
        }
        let length = number(rest, 8, 4);
        if length < 14 || length + 12 > rest.len() as i128 {
            return (messages, false);
        }
        let size = 12 + length as usize;
        messages.push(Message::read(&rest[..size]));
        at += size;
    }
    let is_sound = !messages.is_empty();
    (messages, is_sound)
}

/// The records of a wrapper of `magic` up to the first that is broken, and whether all is well.
pub fn message_records(magic: i8, wrapper: &Message, content: &[u8]) -> (Vec<Record>, bool) {
    let (messages, mut is_sound) = inner_messages(content);
    let last = messages.last().map_or(0, |last| last.offset);
    // Offsets inside magic 1 are relative, and the wrapper has that of the last of them; an old
    // client left it 0.
    let is_relative = magic == 1 && wrapper.offset != 0;
    if is_relative && wrapper.offset < last {
        return (Vec::new(), false);
    }
    let base = if is_relative { wrapper.offset.saturating_sub(last) } else { 0 };
    let mut records = Vec::new();
    for message in messages {
        let is_wrapper = message.attributes & 7 != 0;
        let Some((key, value)) = message.key_value.filter(|_| !is_wrapper) else {
            is_sound = false;
            break;
        };
        let is_append_time = magic == 1 && wrapper.attributes & 8 != 0;
        records.push(Record {
            offset: base.saturating_add(message.offset),
            timestamp: if is_append_time { wrapper.timestamp } else { message.timestamp },
            key,
            value,
            headers: Vec::new(),
            sequence: -1,
        });
    }
    (records, is_sound)
}
