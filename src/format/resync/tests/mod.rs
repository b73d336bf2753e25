//! Logs built by hand, damaged, and searched; the builder knows where its batches begin.

#![allow(clippy::cast_possible_truncation)]

mod damages;
mod hostile;

use super::*;
use crate::format::batch::Batch;
use crate::format::{Offset, crc};

const START: u64 = 1_000_000;

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24).to_be_bytes()[7]
    };
    (0..length).map(next).collect()
}

fn varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn record(offset_delta: i64, value: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    varint(&mut body, 0);
    varint(&mut body, offset_delta);
    varint(&mut body, 3);
    body.extend(b"key");
    varint(&mut body, value.len() as i64);
    body.extend(value);
    varint(&mut body, 0);
    let mut record = Vec::new();
    varint(&mut record, body.len() as i64);
    record.extend(body);
    record
}

/// A batch of magic 2; with a codec the payload is what the caller says.
fn batch_of(base: i64, codec: u8, count: usize, payload: &[u8]) -> Vec<u8> {
    let mut checked = vec![0, codec];
    checked.extend((count as i32 - 1).max(0).to_be_bytes());
    checked.extend(1_700_000_000_000_i64.to_be_bytes());
    checked.extend(1_700_000_000_000_i64.to_be_bytes());
    checked.extend([0xff; 14]);
    checked.extend((count as i32).to_be_bytes());
    checked.extend(payload);
    let mut batch = base.to_be_bytes().to_vec();
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend([0, 0, 0, 0, 2]);
    batch.extend(crc::crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

fn batch(base: i64, values: &[Vec<u8>]) -> Vec<u8> {
    let payload: Vec<u8> =
        values.iter().enumerate().flat_map(|(i, value)| record(i as i64, value)).collect();
    batch_of(base, 0, values.len(), &payload)
}

/// A message of magic 0 or 1 with a null key.
fn message(offset: i64, magic: u8, attributes: u8, value: &[u8]) -> Vec<u8> {
    let mut checked = vec![magic, attributes];
    if magic == 1 {
        checked.extend(1_700_000_000_000_i64.to_be_bytes());
    }
    checked.extend((-1_i32).to_be_bytes());
    checked.extend((value.len() as i32).to_be_bytes());
    checked.extend(value);
    let mut message = offset.to_be_bytes().to_vec();
    message.extend((checked.len() as i32 + 4).to_be_bytes());
    message.extend(crc::crc32(&checked).to_be_bytes());
    message.extend(checked);
    message
}

struct Log {
    bytes: Vec<u8>,
    /// Where each batch begins, and where the last one ends.
    starts: Vec<usize>,
}

impl Log {
    fn of(batches: &[Vec<u8>]) -> Self {
        let mut log = Self { bytes: Vec::new(), starts: vec![0] };
        for batch in batches {
            log.bytes.extend(batch);
            log.starts.push(log.bytes.len());
        }
        log
    }

    fn batches(&self) -> usize {
        self.starts.len() - 1
    }

    fn range(&self, index: usize) -> Range<usize> {
        self.starts[index]..self.starts[index + 1]
    }

    fn positions(&self, from: usize, to: usize) -> Range<Position> {
        let at = |index: usize| Position(START + self.starts[index] as u64);
        at(from)..at(to)
    }

    fn all(&self) -> Vec<Range<usize>> {
        (0..self.batches()).map(|index| self.range(index)).collect()
    }

    fn without(&self, damaged: &[usize]) -> Vec<Range<usize>> {
        let kept = (0..self.batches()).filter(|index| !damaged.contains(index));
        kept.map(|index| self.range(index)).collect()
    }
}

const BOUNDS: Bounds =
    Bounds { last_proved: None, segment_base: Some(Offset(0)), next_segment_base: None };

/// What a walk over a whole file gives.
#[derive(Debug)]
struct Salvage {
    proved: Vec<Range<usize>>,
    damages: Vec<Damage>,
    work: Work,
}

/// The walk of a caller: batches that prove themselves, and a search wherever one does not.
fn salvage(bytes: &[u8]) -> Salvage {
    let mut resync = Resync::new(bytes, Position(START), true);
    let (mut proved, mut damages) = (Vec::new(), Vec::new());
    let (mut at, mut bounds) = (0, BOUNDS);
    while at < bytes.len() {
        let position = Position(START + at as u64);
        match Batch::parse(&bytes[at..], position) {
            Ok(batch) if batch.crc() == batch.compute_crc() => {
                proved.push(at..at + batch.size());
                bounds.last_proved = Some(batch.last_offset());
                at += batch.size();
            }
            _ => {
                let damage = resync.damage_at(position, &bounds);
                assert_eq!(damage.damaged.start, position);
                assert!(damage.damaged.end > position, "{damage:?}");
                assert_ne!(damage.next, Next::NeedMore);
                at = usize::try_from(damage.damaged.end.0 - START).unwrap();
                let proves = Batch::parse(&bytes[at..], damage.damaged.end)
                    .is_ok_and(|batch| batch.crc() == batch.compute_crc());
                assert_eq!(damage.next == Next::Proved, proves, "{damage:?}");
                assert_eq!(damage.next == Next::EndOfFile, at == bytes.len());
                damages.push(damage);
            }
        }
    }
    Salvage { proved, damages, work: resync.work() }
}

/// `count` batches of 1 to 4 records of noise; contiguous offsets.
fn plain_batches(count: usize) -> Vec<Vec<u8>> {
    let mut base = 0;
    let mut batches = Vec::new();
    for index in 0..count {
        let values: Vec<Vec<u8>> = (0..=index % 4)
            .map(|i| noise(10 + (index * 37 + i * 11) % 200, index as u64))
            .collect();
        batches.push(batch(base, &values));
        base += values.len() as i64;
    }
    batches
}

/// Three whole batches one behind the other, as an archived segment has them.
fn archive(base: i64) -> Vec<u8> {
    (0..3).flat_map(|i| batch(base + i, &[noise(40, i.cast_unsigned())])).collect()
}

/// Batches with archives inside of values. Every batch takes 10 offsets so that the archive's lie
/// between those of its neighbours, beyond its own batch's last one.
fn archiving_batches(count: usize, tail: &[u8], records_behind: usize) -> Vec<Vec<u8>> {
    (0..count as i64)
        .map(|index| {
            let mut values = vec![noise(30, index.cast_unsigned())];
            values.push([archive(10 * index + 5), tail.to_vec()].concat());
            values.extend((0..records_behind).map(|i| noise(25, i as u64)));
            batch(10 * index, &values)
        })
        .collect()
}

fn legacy_batches(count: usize) -> Vec<Vec<u8>> {
    let of = |index: usize| {
        let (offset, value) = (3 * index as i64 + 2, noise(20 + index % 50, index as u64));
        message(offset, (index % 2) as u8, u8::from(index.is_multiple_of(5)), &value)
    };
    (0..count).map(of).collect()
}
