//! How large records and batches are, and are taken to be.

use super::Batching;
use crate::format::Header;
use crate::produce::input::InputRecord;

/// The header of a batch of magic 2.
const BATCH_OVERHEAD: u64 = 61;
/// The most that the lengths and deltas of a record take besides its key, value and headers.
const MAX_RECORD_OVERHEAD: u64 = 21;
/// Offset and size, which stand in front of a message of magic 0 and 1.
const LOG_OVERHEAD: u64 = 12;

/// What the records of a batch may come to, and what they have come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    header: u64,
    uncompressed: u64,
    /// How large the batch is thought to be, which is asked often.
    estimate: u64,
    most_uncompressed: u64,
    limit: u64,
    ratio: Option<Ratio>,
}

impl Fill {
    /// For a batch whose first record alone comes to `first` bytes at most, header included.
    pub(super) fn new(batching: &Batching, ratio: Ratio, first: u64) -> Self {
        let header = match batching.magic {
            2 => BATCH_OVERHEAD,
            magic if batching.is_compressed => LOG_OVERHEAD + message_overhead(magic),
            _ => 0,
        };
        let ratio = batching.is_compressed.then_some(ratio);
        let most_uncompressed = batching.uncompressed_size;
        let limit = batching.batch_size.max(1).max(first);
        Self { header, uncompressed: 0, estimate: header, most_uncompressed, limit, ratio }
    }

    /// A record of this size came. Returns by how much the batch is thought to have grown.
    #[inline(always)]
    pub(super) fn add(&mut self, record: u64) -> u64 {
        self.uncompressed += record;
        let content = self.ratio.map_or(self.uncompressed, |ratio| ratio.of(self.uncompressed));
        let before = std::mem::replace(&mut self.estimate, self.header + content);
        self.estimate - before
    }

    /// How large the batch is thought to be.
    #[inline]
    pub(super) fn estimate(&self) -> u64 {
        self.estimate
    }

    /// True when the batch takes nothing more.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.limit <= self.estimate()
    }

    /// True when a record of this size may come. What it would be compressed to is not considered.
    #[inline(always)]
    pub(super) fn has_room_for(&self, record: u64) -> bool {
        !self.is_full()
            && self.limit >= self.estimate() + record
            && self.most_uncompressed >= self.uncompressed + record
    }
}

/// How much of their bytes compressed batches keep, by experience: the producer's estimate, which
/// grows fast and falls slowly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio(f32);

impl Default for Ratio {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Ratio {
    const IMPROVING_STEP: f32 = 0.005;
    const DETERIORATE_STEP: f32 = 0.05;
    const ESTIMATION_FACTOR: f32 = 1.05;

    /// What `bytes` are thought to come to. Numbers of 32 bits, as the producer has them: the point
    /// at which a batch closes depends on how they are rounded.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    #[allow(clippy::cast_precision_loss)]
    fn of(self, bytes: u64) -> u64 {
        (bytes as f32 * self.0 * Self::ESTIMATION_FACTOR) as u64
    }

    /// A batch of `uncompressed` bytes came to `compressed`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(super) fn observe(&mut self, compressed: u64, uncompressed: u64) {
        let observed = (compressed as f64 / uncompressed.max(1) as f64) as f32;
        if observed > self.0 {
            self.0 = (self.0 + Self::DETERIORATE_STEP).max(observed);
        } else if observed < self.0 {
            self.0 = (self.0 - Self::IMPROVING_STEP).max(observed);
        }
    }
}

/// The size in its batch of a record of this `content`.
#[inline(always)]
pub(super) fn record(magic: i8, content: u64, timestamp_delta: i64, offset_delta: i64) -> u64 {
    if magic < 2 {
        return LOG_OVERHEAD + message_overhead(magic) + content;
    }
    let attributes = 1;
    let body = attributes + varint(timestamp_delta) + varint(offset_delta) + content;
    body + varint(body.cast_signed())
}

/// The size of a batch that has a record of this `content` alone, at most, as the producer puts
/// it.
#[inline(always)]
pub(super) fn upper_bound(batching: &Batching, content: u64) -> u64 {
    match batching.magic {
        2 => BATCH_OVERHEAD + MAX_RECORD_OVERHEAD + content,
        magic if batching.is_compressed => LOG_OVERHEAD + 2 * message_overhead(magic) + content,
        magic => LOG_OVERHEAD + message_overhead(magic) + content,
    }
}

/// Key, value and headers with their lengths; in magic 0 and 1 key and value without.
#[inline(always)]
pub(super) fn content(magic: i8, record: &InputRecord<'_>) -> u64 {
    if magic < 2 {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
        return length(record.key) + length(record.value);
    }
    let headers = match record.headers.len() {
        0 => 1,
        count => headers(count, record),
    };
    nullable(record.key) + nullable(record.value) + headers
}

fn headers(count: usize, record: &InputRecord<'_>) -> u64 {
    let header = |header: Header<'_>| nullable(Some(header.key)) + nullable(header.value);
    varint(signed(count)) + record.headers.map(header).sum::<u64>()
}

#[inline(always)]
fn nullable(bytes: Option<&[u8]>) -> u64 {
    bytes.map_or(1, |bytes| varint(signed(bytes.len())) + bytes.len() as u64)
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The bytes of a varint.
#[inline(always)]
fn varint(value: i64) -> u64 {
    let raw = (value << 1 ^ value >> 63).cast_unsigned();
    // Nearly all have one byte, or two.
    match raw {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => u64::from((u64::BITS - raw.leading_zeros()).div_ceil(7)),
    }
}

/// The checksum of a message, its magic, attributes, timestamp (magic 1), and the lengths of key
/// and value.
fn message_overhead(magic: i8) -> u64 {
    let timestamp = if magic == 0 { 0 } else { 8 };
    4 + 1 + 1 + timestamp + 4 + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_as_long_as_they_are_written() {
        let written = |value: i64| {
            let mut raw = (value << 1 ^ value >> 63).cast_unsigned();
            let mut length = 1;
            while raw >= 0x80 {
                (raw, length) = (raw >> 7, length + 1);
            }
            length
        };
        for bits in 0..64 {
            for by in [-1, 0, 1] {
                let value = 1_i64.wrapping_shl(bits).wrapping_add(by);
                assert_eq!(varint(value), written(value), "{value}");
                assert_eq!(varint(value.wrapping_neg()), written(value.wrapping_neg()));
            }
        }
    }

    /// The four cases that the producer's own test has.
    #[test]
    fn the_ratio_grows_fast_and_falls_slowly() {
        for (before, observed, after) in
            [(0.8, 84, 0.85), (0.6, 70, 0.7), (0.6, 40, 0.595), (0.004, 0, 0.0)]
        {
            let mut ratio = Ratio(before);
            ratio.observe(observed, 100);
            assert!((ratio.0 - after).abs() < 1e-6, "{before} {observed}: {}", ratio.0);
        }
    }
}
