//! The bare loops that `seg` is measured against: what a program does that knows the file to be
//! sound and does one thing only.

use segkit::format::{Batches, Position, Scratch};

const HEADER_BYTES: usize = 61;

/// Hops from length field to length field.
pub fn headers(bytes: &[u8]) -> u64 {
    let (mut at, mut batches) = (0, 0);
    while let Some(field) = bytes.get(at + 8..at + 12) {
        at += 12 + read_u32(field) as usize;
        batches += 1;
    }
    batches
}

/// CRC-32C of everything, in the pieces that the batches are.
pub fn checksums(bytes: &[u8]) -> u32 {
    let (mut at, mut sum) = (0, 0u32);
    while let Some(field) = bytes.get(at + 8..at + 12) {
        let end = at + 12 + read_u32(field) as usize;
        sum = sum.wrapping_add(crc32c::crc32c(&bytes[at + 21..end]));
        at = end;
    }
    sum
}

/// Decodes every varint of every record. Uncompressed logs only.
pub fn records(bytes: &[u8]) -> i64 {
    let (mut batch, mut sum) = (0, 0i64);
    while let Some(field) = bytes.get(batch + 8..batch + 12) {
        let end = batch + 12 + read_u32(field) as usize;
        let count = read_u32(&bytes[batch + 57..batch + 61]);
        let records = &bytes[batch + HEADER_BYTES..end];
        let mut at = 0;
        for _ in 0..count {
            let _length = varint(records, &mut at);
            at += 1;
            let timestamp_delta = varint(records, &mut at);
            let offset_delta = varint(records, &mut at);
            let key = varint(records, &mut at);
            at += usize::try_from(key).unwrap_or(0);
            let value = varint(records, &mut at);
            at += usize::try_from(value).unwrap_or(0);
            let headers = varint(records, &mut at);
            sum += timestamp_delta + offset_delta + key + value + headers;
        }
        batch = end;
    }
    sum
}

fn read_u32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> i64 {
    let (mut raw, mut shift) = (0u64, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed();
        }
        shift += 7;
    }
}

/// A record with all its numbers in memory.
pub struct Parsed<'a> {
    position: u64,
    offset: i64,
    timestamp: i64,
    sequence: i32,
    partition_leader_epoch: i32,
    producer_id: i64,
    producer_epoch: i16,
    is_transactional: bool,
    key: &'a [u8],
    value: &'a [u8],
}

/// All records of an uncompressed log.
pub fn parse(bytes: &[u8]) -> Vec<Parsed<'_>> {
    let mut parsed = Vec::new();
    for batch in Batches::new(bytes, Position(0)) {
        let batch = batch.unwrap();
        let mut scratch = Scratch::new(0);
        let rows = batch.records(&mut scratch).unwrap().map(|record| {
            let record = record.unwrap();
            (record.offset.0, record.timestamp, record.sequence, record.key, record.value)
        });
        // Offsets of slices rather than slices of the scratch: an uncompressed log needs none.
        for (offset, timestamp, sequence, key, value) in rows {
            parsed.push(Parsed {
                position: batch.position().0,
                offset,
                timestamp,
                sequence,
                partition_leader_epoch: batch.partition_leader_epoch(),
                producer_id: batch.producer_id(),
                producer_epoch: batch.producer_epoch(),
                is_transactional: batch.attributes().is_transactional(),
                key: within(bytes, key.unwrap()),
                value: within(bytes, value.unwrap()),
            });
        }
    }
    parsed
}

/// The same bytes, borrowed from `bytes` for as long as those live.
fn within<'a>(bytes: &'a [u8], part: &[u8]) -> &'a [u8] {
    let at = part.as_ptr() as usize - bytes.as_ptr() as usize;
    &bytes[at..at + part.len()]
}

/// Writes what `seg dump -r --format json` writes, handing over some 256 KiB at a time.
pub fn json(file: &str, records: &[Parsed<'_>], mut write: impl FnMut(&[u8])) {
    let mut out = Vec::with_capacity(300 << 10);
    for record in records {
        out.extend_from_slice(b"{\"type\":\"record\",\"file\":\"");
        out.extend_from_slice(file.as_bytes());
        out.extend_from_slice(b"\",\"position\":");
        number(&mut out, record.position.cast_signed());
        out.extend_from_slice(b",\"offset\":");
        number(&mut out, record.offset);
        out.extend_from_slice(b",\"timestamp\":");
        number(&mut out, record.timestamp);
        out.extend_from_slice(b",\"sequence\":");
        number(&mut out, record.sequence.into());
        out.extend_from_slice(b",\"keySize\":");
        number(&mut out, record.key.len() as i64);
        out.extend_from_slice(b",\"valueSize\":");
        number(&mut out, record.value.len() as i64);
        out.extend_from_slice(b",\"key\":\"");
        text(&mut out, record.key);
        out.extend_from_slice(b"\",\"value\":\"");
        text(&mut out, record.value);
        out.extend_from_slice(b"\",\"headers\":[],\"partitionLeaderEpoch\":");
        number(&mut out, record.partition_leader_epoch.into());
        out.extend_from_slice(b",\"producerId\":");
        number(&mut out, record.producer_id);
        out.extend_from_slice(b",\"producerEpoch\":");
        number(&mut out, record.producer_epoch.into());
        out.extend_from_slice(b",\"isTransactional\":");
        let flag: &[u8] = if record.is_transactional { b"true" } else { b"false" };
        out.extend_from_slice(flag);
        out.extend_from_slice(b"}\n");
        if out.len() > 256 << 10 {
            write(&out);
            out.clear();
        }
    }
    write(&out);
}

fn number(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Text that turns out to need no escapes.
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = bytes.iter().fold(true, |plain, &byte| {
        plain & (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
    });
    assert!(is_plain);
    out.extend_from_slice(bytes);
}
