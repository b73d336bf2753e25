//! Devices that fail and files that shrink under a walk.

use super::*;
use crate::format::crc::crc32c;
use crate::format::offset_index::OffsetIndex;
use crate::log::feed::{Fed, Feed, LogFile, Opening, WalkEnd};
use std::path::Path;

/// Batches of one record each, `size` bytes of value, of offsets from 0 on.
fn log(batches: i64, size: usize) -> Vec<u8> {
    (0..batches).flat_map(|offset| batch(offset, &vec![0x55; size])).collect()
}

/// A batch of one record that is `value`.
fn batch(offset: i64, value: &[u8]) -> Vec<u8> {
    let mut log = Vec::new();
    let mut body = vec![0, 0]; // attributes
    body.extend_from_slice(&0i32.to_be_bytes()); // last offset delta
    body.extend_from_slice(&[0; 16]); // timestamps
    body.extend_from_slice(&[0xff; 14]); // no producer
    body.extend_from_slice(&1i32.to_be_bytes());
    body.extend_from_slice(value);
    let length = i32::try_from(body.len() + 9).unwrap();
    log.extend_from_slice(&offset.to_be_bytes());
    log.extend_from_slice(&length.to_be_bytes());
    log.extend_from_slice(&0i32.to_be_bytes());
    log.push(2);
    log.extend_from_slice(&crc32c(&body).to_be_bytes());
    log.extend_from_slice(&body);
    log
}

/// Proved offsets, and the ranges of everything else.
fn walk(file: &FileBytes) -> (Vec<i64>, Vec<(Range<u64>, DamageKind)>) {
    let bounds = Bounds { segment_base: None, next_segment_base: None, last_proved: None };
    let mut scanner = Scanner::new(file, 0..file.len(), bounds, Limits::STANDARD);
    let (mut proved, mut damaged, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(piece) = scanner.next().unwrap() {
        let range = match piece {
            Piece::Proved(batch) => {
                proved.push(batch.last_offset().0);
                batch.position().0..batch.end().0
            }
            Piece::Damaged(damage) => {
                let range = damage.range.start.0..damage.range.end.0;
                damaged.push((range.clone(), damage.kind));
                range
            }
        };
        assert_eq!(range.start, at, "every byte is in one piece");
        at = range.end;
    }
    assert_eq!(at, file.len());
    (proved, damaged)
}

#[test]
fn a_device_that_fails_costs_the_batches_it_is_in() {
    let (count, size) = (400, 4000);
    let bytes = log(count, size);
    let batch = bytes.len() as u64 / count.unsigned_abs();
    let length = bytes.len() as u64;
    for first in [0, 4096, 40_960, 524_288, 1_228_800] {
        for pages in [1, 3, 100] {
            let bad = first..(first + pages * 4096).min(length);
            let file = FileBytes::failing(bytes.clone(), bad.clone(), length);
            let (proved, damaged) = walk(&file);
            let lost = |offset: &i64| {
                let start = offset.unsigned_abs() * batch;
                start < bad.end && start + batch > bad.start
            };
            let expected: Vec<i64> = (0..count).filter(|offset| !lost(offset)).collect();
            assert_eq!(proved, expected, "{bad:?}");
            let (range, kind) = &damaged[0];
            assert_eq!((range.start, range.end), (bad.start / batch * batch, bad.end));
            let why = "Input/output error".to_owned();
            assert_eq!(*kind, DamageKind::Unreadable { why });
            assert!(damaged.len() <= 2, "{damaged:?}");
        }
    }
}

#[test]
fn a_file_that_shrank_is_gone_from_there_on() {
    let bytes = log(300, 4000);
    let length = bytes.len() as u64;
    for left in [0, 1, 5000, 524_288, bytes.len() - 1] {
        let file = FileBytes::failing(bytes[..left].to_vec(), u64::MAX..u64::MAX, length);
        let (proved, damaged) = walk(&file);
        let whole = left / (bytes.len() / 300);
        assert_eq!(proved.len(), whole);
        assert_eq!(damaged, [((whole * bytes.len() / 300) as u64..length, DamageKind::Gone)]);
    }
}

struct Log(FileBytes);

impl LogFile for Log {
    fn bytes(&self) -> &FileBytes {
        &self.0
    }

    fn bounds(&self) -> Bounds {
        Bounds::default()
    }
}

/// Where runs begin that are cut without an index, and the offsets that they prove, each once.
fn runs_without_index(bytes: Vec<u8>) -> (Vec<u64>, Vec<i64>) {
    let length = bytes.len() as u64;
    let mut file = Some(Log(FileBytes::owned(Path::new("log"), bytes)));
    let (mut feed, mut at) = (Feed::default(), 0);
    let (mut starts, mut proved) = (Vec::new(), Vec::new());
    let index = || Cutter::by_index(&OffsetIndex::new(&[], Offset(0)), true);
    while let Some(fed) = feed.next(|_| match file.take() {
        Some(file) => Opening::<Log, ()>::File(file, index()),
        None => Opening::End,
    }) {
        let Fed::Run(run) = fed else { panic!("nothing fails") };
        assert_eq!(run.cut.range.start, at);
        starts.push(at);
        let range = run.cut.range.clone();
        let mut scanner = Scanner::new(&run.file.0, range, run.bounds, Limits::STANDARD);
        while let Some(piece) = scanner.next().unwrap() {
            let Piece::Proved(batch) = piece else { panic!("{piece:?}") };
            proved.push(batch.last_offset().0);
        }
        at = scanner.position();
        let bounds = scanner.bounds();
        feed.finish(&run, &WalkEnd { end: at, bounds, last: None, is_stopped: false });
    }
    assert_eq!(at, length);
    (starts, proved)
}

#[test]
fn without_an_index_runs_begin_where_batches_do() {
    let bytes = log(900, 16_000);
    let size = bytes.len() as u64 / 900;
    let (starts, proved) = runs_without_index(bytes);
    assert_eq!(proved, (0..900).collect::<Vec<_>>());
    // The first batch at or behind every 4 MiB from the start of the run before.
    let first = RUN_BYTES.div_ceil(size) * size;
    assert_eq!(starts, [0, first, 2 * first, 3 * first]);
}

#[test]
fn a_batch_in_a_record_is_no_batch_of_the_log() {
    let inner = log(400, 16_000);
    let outer: Vec<u8> = (0..4).flat_map(|offset| batch(offset, &inner)).collect();
    let size = outer.len() as u64 / 4;
    let (starts, proved) = runs_without_index(outer);
    assert_eq!(proved, [0, 1, 2, 3]);
    assert_eq!(starts, [0, size, 2 * size, 3 * size]);
}
