//! The bare loops that `seg` is measured against: what a program does that knows the file to be
//! sound and does one thing only.

use crate::HEADER_BYTES;
use segkit::format::{Batches, Position, Scratch};

/// Reads everything once, as fast as memory is.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, _rest) = bytes.as_chunks::<8>();
    words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

/// Hops from length field to length field.
pub fn headers(bytes: &[u8]) -> u64 {
    let (mut at, mut batches) = (0, 0);
    while let Some(size) = bytes.get(at..).and_then(size) {
        at += size;
        batches += 1;
    }
    batches
}

/// CRC-32C of everything, in the pieces that the batches are.
pub fn checksums(bytes: &[u8]) -> u32 {
    let (mut at, mut sum) = (0, 0u32);
    while let Some(size) = bytes.get(at..).and_then(size) {
        sum = sum.wrapping_add(checksum(&bytes[at..at + size]));
        at += size;
    }
    sum
}

/// Decodes every varint of every record. Uncompressed logs only.
pub fn records(bytes: &[u8]) -> i64 {
    let (mut at, mut sum) = (0, 0i64);
    while let Some(size) = bytes.get(at..).and_then(size) {
        sum += varints(&bytes[at..at + size]);
        at += size;
    }
    sum
}

/// Decompresses every batch.
pub fn unpack(bytes: &[u8], buffers: &mut Buffers, work: fn(&mut Buffers, &[u8]) -> i64) -> i64 {
    let (mut at, mut sum) = (0, 0i64);
    while let Some(size) = bytes.get(at..).and_then(size) {
        sum = sum.wrapping_add(work(buffers, &bytes[at..at + size]));
        at += size;
    }
    sum
}

/// The size of the batch that `bytes` begin with.
#[inline]
pub fn size(bytes: &[u8]) -> Option<usize> {
    Some(12 + read_u32(bytes.get(8..12)?) as usize)
}

/// CRC-32C of a batch.
#[inline]
pub fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[21..])
}

/// Decodes every varint of every record of an uncompressed batch.
pub fn varints(batch: &[u8]) -> i64 {
    let count = read_u32(&batch[57..HEADER_BYTES]);
    let records = &batch[HEADER_BYTES..];
    let (mut at, mut sum) = (0, 0i64);
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
    sum
}

/// What decompressors are given to work with, again and again.
pub struct Buffers {
    out: Vec<u8>,
    inflate: flate2::Decompress,
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Default for Buffers {
    fn default() -> Self {
        let zstd = zstd::bulk::Decompressor::new().unwrap();
        Self { out: vec![0; 8 << 20], inflate: flate2::Decompress::new(false), zstd }
    }
}

/// Every one of them knows how its payload is framed, and does not look.
impl Buffers {
    /// Blocks with their lengths, behind a header of seven bytes.
    pub fn lz4(&mut self, batch: &[u8]) -> i64 {
        const UNCOMPRESSED: u32 = 1 << 31;
        let (mut rest, mut filled) = (&batch[HEADER_BYTES + 7..], 0);
        while let Some((mark, behind)) = rest.split_first_chunk::<4>() {
            let mark = u32::from_le_bytes(*mark);
            if mark == 0 {
                break;
            }
            let (block, behind) = behind.split_at((mark & !UNCOMPRESSED) as usize);
            filled += if mark & UNCOMPRESSED == 0 {
                lz4_flex::block::decompress_into(block, &mut self.out[filled..]).unwrap()
            } else {
                self.out[filled..filled + block.len()].copy_from_slice(block);
                block.len()
            };
            rest = behind;
        }
        filled as i64
    }

    /// Raw blocks with their lengths, behind a header of sixteen bytes.
    pub fn snappy(&mut self, batch: &[u8]) -> i64 {
        let (mut rest, mut filled) = (&batch[HEADER_BYTES + 16..], 0);
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let (block, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            let mut decoder = snap::raw::Decoder::new();
            filled += decoder.decompress(block, &mut self.out[filled..]).unwrap();
            rest = behind;
        }
        filled as i64
    }

    /// A deflate stream behind a header of ten bytes; its checksum is part of the format.
    pub fn gzip(&mut self, batch: &[u8]) -> i64 {
        self.inflate.reset(false);
        let finish = flate2::FlushDecompress::None;
        let stream = &batch[HEADER_BYTES + 10..];
        let status = self.inflate.decompress(stream, &mut self.out, finish).unwrap();
        assert_eq!(status, flate2::Status::StreamEnd);
        let filled = self.inflate.total_out() as usize;
        filled as i64 + i64::from(crc32fast::hash(&self.out[..filled]))
    }

    /// A frame.
    pub fn zstd(&mut self, batch: &[u8]) -> i64 {
        let frame = &batch[HEADER_BYTES..];
        self.zstd.decompress_to_buffer(frame, &mut self.out[..]).unwrap() as i64
    }
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

/// Printable ASCII, in which quotes and backslashes are escaped: room is made for the worst, and no
/// byte is a branch.
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut end = out.len();
    out.resize(end + 2 * bytes.len(), 0);
    for &byte in bytes {
        out[end] = b'\\';
        end += usize::from(byte == b'"' || byte == b'\\');
        out[end] = byte;
        end += 1;
    }
    out.truncate(end);
}
