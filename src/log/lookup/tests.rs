//! Searches against the list of records that a partition was made of, for every offset and every
//! timestamp, with indexes sound, missing, cut off at every byte, and wrong in every way.

use super::*;
use crate::format::crc;
use crate::format::offset_index::OffsetPosition;
use crate::format::time_index::TimestampOffset;
use std::fs;
use std::path::{Path, PathBuf};

/// A batch of magic 2: offsets and timestamps of its records, and the last offset it spans.
pub(super) fn batch_v2(base: i64, last: i64, records: &[(i64, i64)], append_time: bool) -> Vec<u8> {
    let mut body = Vec::new();
    let attributes: i16 = if append_time { 8 } else { 0 };
    let max = records.iter().map(|r| r.1).max().unwrap_or(77);
    let base_timestamp = records.first().map_or(-1, |r| r.1);
    body.extend(attributes.to_be_bytes());
    body.extend(i32::try_from(last - base).unwrap().to_be_bytes());
    body.extend(base_timestamp.to_be_bytes());
    body.extend(max.to_be_bytes());
    body.extend((-1i64).to_be_bytes());
    body.extend((-1i16).to_be_bytes());
    body.extend((-1i32).to_be_bytes());
    body.extend(i32::try_from(records.len()).unwrap().to_be_bytes());
    for &(offset, timestamp) in records {
        let mut record = vec![0u8];
        // In a LogAppendTime batch the deltas are not looked at.
        zigzag(if append_time { 0 } else { timestamp - base_timestamp }, &mut record);
        zigzag(offset - base, &mut record);
        record.extend([1, 10]);
        record.extend(b"value");
        record.push(0);
        zigzag(record.len() as i64, &mut body);
        body.extend(record);
    }
    let mut bytes = base.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(body.len() + 9).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, 5, 2]);
    bytes.extend(crc::crc32c(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        out.push(low_byte(raw) | 0x80);
        raw >>= 7;
    }
    out.push(low_byte(raw));
}

fn low_byte(number: u64) -> u8 {
    let [.., low] = number.to_be_bytes();
    low
}

/// A message of magic 0 (no timestamp) or 1.
fn message(offset: i64, timestamp: Option<i64>) -> Vec<u8> {
    let mut body = vec![u8::from(timestamp.is_some()), 0];
    body.extend(timestamp.map(i64::to_be_bytes).into_iter().flatten());
    body.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, b'h', b'i']);
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(crc::crc32(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        self.0 >> 33
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.next().cast_signed() % bound
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Times {
    Rising,
    Jumping,
}

/// A partition in a directory, and what was put into it.
struct Made {
    root: tempfile::TempDir,
    /// Offset, and timestamp or -1, of every record.
    records: Vec<(i64, i64)>,
    end: i64,
    bases: Vec<i64>,
}

impl Made {
    fn path(&self, segment: usize, extension: &str) -> PathBuf {
        self.root.path().join(format!("{:020}.{extension}", self.bases[segment]))
    }

    fn open(&self, access: Access, log_start: Option<i64>) -> OpenPartition {
        let directory = PartitionDir::open(self.root.path()).unwrap();
        OpenPartition::new(directory, log_start.map(Offset), access, Limits::STANDARD)
    }
}

const INDEX_INTERVAL: usize = 400;

fn write_segment(root: &Path, base: i64, batches: &[(i64, i64, Vec<u8>)]) {
    let (mut log, mut index, mut time_index) = (Vec::new(), Vec::new(), Vec::new());
    let (mut since, mut max, mut stored) = (0, (-1, base), -1);
    let relative = |offset: i64| i32::try_from(offset - base).unwrap();
    for (last, timestamp, bytes) in batches {
        if *timestamp > max.0 {
            max = (*timestamp, *last);
        }
        if since > INDEX_INTERVAL {
            OffsetPosition::encode(relative(*last), i32::try_from(log.len()).unwrap(), &mut index);
            if max.0 > stored {
                TimestampOffset::encode(max.0, relative(max.1), &mut time_index);
                stored = max.0;
            }
            since = 0;
        }
        since += bytes.len();
        log.extend(bytes);
    }
    if max.0 > stored {
        TimestampOffset::encode(max.0, relative(max.1), &mut time_index);
    }
    let write = |extension, bytes: &[u8]| {
        fs::write(root.join(format!("{base:020}.{extension}")), bytes).unwrap();
    };
    write("log", &log);
    write("index", &index);
    write("timeindex", &time_index);
}

/// Four segments, the second of 0 bytes, with batches of every kind, gaps and empty batches.
fn make(seed: u64, times: Times) -> Made {
    let mut random = Random(seed);
    let root = tempfile::tempdir().unwrap();
    let mut made = Made { root, records: Vec::new(), end: 0, bases: Vec::new() };
    let (mut offset, mut now) = (5, 1_000_000);
    for segment in 0..4 {
        made.bases.push(offset);
        let base = offset;
        let mut batches = Vec::new();
        let count = if segment == 1 { 0 } else { 40 };
        // A removed batch leaves a gap, at the front of a segment too.
        offset += random.below(4);
        for _ in 0..count {
            let size = 1 + random.below(5);
            let last = offset + size - 1;
            let mut timestamp = |random: &mut Random| match times {
                Times::Rising => {
                    now += random.below(3).max(1) - 1;
                    now
                }
                Times::Jumping => 1_000_000 + random.below(150),
            };
            let mut kept = Vec::new();
            for at in offset..=last {
                if random.below(4) > 0 {
                    kept.push((at, timestamp(&mut random)));
                }
            }
            let kind = if segment == 3 { 0 } else { random.below(8) };
            match kind {
                6 | 7 => {
                    for record in &mut kept {
                        record.1 = if kind == 6 { -1 } else { record.1 };
                        let time = Some(record.1).filter(|&t| t >= 0);
                        batches.push((record.0, record.1, message(record.0, time)));
                    }
                }
                5 => {
                    let time = timestamp(&mut random);
                    kept.iter_mut().for_each(|record| record.1 = time);
                    let bytes = batch_v2(offset, last, &kept, true);
                    batches.push((last, kept.first().map_or(77, |r| r.1), bytes));
                }
                _ => {
                    let max = kept.iter().map(|r| r.1).max().unwrap_or(77);
                    batches.push((last, max, batch_v2(offset, last, &kept, false)));
                }
            }
            made.records.extend(kept);
            offset = last + 1 + if random.below(5) == 0 { random.below(6) } else { 0 };
            // Legacy messages have no batch that spans what is missing at the end.
            made.end = batches.last().map_or(base, |b: &(i64, i64, Vec<u8>)| b.0 + 1);
        }
        write_segment(made.root.path(), base, &batches);
        offset += 1 + random.below(3);
    }
    made
}

/// Every answer of a partition, compared with the records it was made of.
fn examine(made: &Made, open: &OpenPartition, log_start: i64, what: &str) {
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    for target in log_start - 3..made.end + 3 {
        examine_offset(made, open, log_start, target, workspace, what);
    }
    let visible = || made.records.iter().filter(|record| record.0 >= log_start);
    let timestamps = visible().map(|r| r.1).flat_map(|t| [t, t + 1]).collect::<Vec<_>>();
    for target in timestamps.into_iter().chain([-5, 0, 77, 999_999, i64::MAX]) {
        let found = open.time(target, workspace).unwrap();
        match (visible().find(|record| record.1 >= target.max(0)), found.outcome) {
            (Some(&(offset, timestamp)), Outcome::Hit(hit)) => {
                let answer = (hit.offset.0, hit.timestamp);
                assert_eq!(answer, (offset, timestamp), "{what}: {target} {found:?}");
                assert!((hit.base_offset..=hit.last_offset).contains(&hit.offset));
            }
            (None, Outcome::Miss(miss)) => assert_eq!(miss.reason, MissReason::NoSuchTime),
            (expected, _) => panic!("{what}: time {target}: {expected:?}, got {found:?}"),
        }
    }
}

fn examine_offset(
    made: &Made,
    open: &OpenPartition,
    log_start: i64,
    target: i64,
    workspace: &mut Workspace,
    what: &str,
) {
    let found = open.offset(Offset(target), workspace).unwrap();
    let next = made.records.iter().find(|record| record.0 >= target).map(|record| Offset(record.0));
    let miss = match found.outcome {
        Outcome::Hit(hit) => {
            assert!(target >= log_start, "{what}: {target} {found:?}");
            let timestamp = made.records.iter().find(|r| r.0 == target).map(|r| r.1);
            assert_eq!(timestamp, Some(hit.timestamp), "{what}: {target} {found:?}");
            assert_eq!(hit.offset, Offset(target));
            let mut buffer = Vec::new();
            let batch = open.batch_at(hit.place, &mut buffer).unwrap().unwrap();
            assert_eq!((batch.size(), batch.last_offset()), (hit.size, hit.last_offset));
            return;
        }
        Outcome::Miss(miss) => miss,
        Outcome::Damaged(_) => panic!("{what}: {target} {found:?}"),
    };
    let expected = if target < log_start {
        MissReason::BelowLogStart
    } else if target >= made.end {
        MissReason::PastLogEnd
    } else {
        assert_ne!(next, Some(Offset(target)), "{what}: {found:?}");
        MissReason::Gap { next_offset: next, damage: None }
    };
    assert_eq!(miss.reason, expected, "{what}: {target} {found:?}");
    assert_eq!(miss.log_start_offset, Offset(log_start));
    assert_eq!(miss.log_end.offset, Offset(made.end), "{what}");
}

#[test]
fn sound_and_missing_indexes_however_the_bytes_are_come_by() {
    for seed in 0..6 {
        for times in [Times::Rising, Times::Jumping] {
            let made = make(seed, times);
            for access in [Access::Map, Access::Read] {
                let first = made.bases[0];
                let open = made.open(access, None);
                examine(&made, &open, first, "sound");
                for log_start in [first + 7, made.bases[2] + 20, made.end - 1] {
                    examine(&made, &made.open(access, Some(log_start)), log_start, "log start");
                }
            }
            for extension in ["index", "timeindex"] {
                for segment in 0..4 {
                    fs::remove_file(made.path(segment, extension)).unwrap();
                }
                examine(&made, &made.open(Access::Map, None), made.bases[0], "missing");
            }
        }
    }
}

#[test]
fn a_sound_index_is_used_and_not_distrusted() {
    let made = make(3, Times::Rising);
    let open = made.open(Access::Map, None);
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    let last = made.records.iter().rfind(|record| record.0 < made.bases[1]).unwrap();
    let by_offset = open.offset(Offset(last.0), workspace).unwrap().steps;
    let index = by_offset.index.unwrap();
    assert!(index.entry.is_some() && index.distrusted.is_empty());
    assert!(by_offset.scan.bytes < 3 * INDEX_INTERVAL as u64, "{:?}", by_offset.scan);
    assert_eq!(by_offset.segments, 4);
    assert!((1..=3).contains(&by_offset.segment_steps));
    let by_time = open.time(last.1, workspace).unwrap().steps;
    let time_index = by_time.time_index.unwrap();
    assert!(time_index.entry.is_some() && time_index.distrusted.is_empty());
    assert_eq!(open.time(i64::MAX, workspace).unwrap().steps.segments_passed, 4);
    // Now that the greatest timestamps are known, no segment is looked into again.
    assert_eq!(open.time(i64::MAX, workspace).unwrap().steps.scan, Scan::default());
}

#[test]
fn indexes_cut_off_at_every_byte_and_grown_by_zeros() {
    for times in [Times::Rising, Times::Jumping] {
        let made = make(7, times);
        for (segment, extension) in [(0, "index"), (0, "timeindex"), (3, "timeindex")] {
            let path = made.path(segment, extension);
            let sound = fs::read(&path).unwrap();
            assert!(sound.len() > 24, "{}", sound.len());
            for length in 0..sound.len() {
                fs::write(&path, &sound[..length]).unwrap();
                let open = made.open(Access::Map, None);
                examine(&made, &open, made.bases[0], &format!("{extension} of {length} bytes"));
            }
            for zeros in [1, 8, 12, 24, 100, 5000] {
                fs::write(&path, [&sound[..], &vec![0; zeros]].concat()).unwrap();
                let open = made.open(Access::Map, None);
                examine(&made, &open, made.bases[0], &format!("{extension}, {zeros} zeros"));
            }
            fs::write(&path, vec![0; 1200]).unwrap();
            examine(&made, &made.open(Access::Map, None), made.bases[0], "all zeros");
            fs::write(&path, &sound).unwrap();
        }
    }
}

#[test]
fn indexes_of_garbage_of_another_segment_and_out_of_order() {
    for times in [Times::Rising, Times::Jumping] {
        let made = make(11, times);
        for extension in ["index", "timeindex"] {
            let sound = fs::read(made.path(0, extension)).unwrap();
            let other = fs::read(made.path(2, extension)).unwrap();
            let entry = if extension == "index" { 8 } else { 12 };
            let mut wrong = vec![other];
            wrong.push(sound.chunks(entry).rev().flatten().copied().collect());
            wrong.push(sound[entry / 2..].to_vec());
            for seed in 0..15 {
                let mut random = Random(seed);
                wrong.push(sound.iter().map(|_| low_byte(random.next())).collect());
                // Small numbers: offsets and positions that could be right.
                let small = sound.iter().enumerate().map(|(at, _)| match at % 4 {
                    0 | 1 => 0,
                    2 => low_byte(random.next() % 8),
                    _ => low_byte(random.next()),
                });
                wrong.push(small.collect());
            }
            for (number, bytes) in wrong.iter().enumerate() {
                fs::write(made.path(0, extension), bytes).unwrap();
                let what = format!("{extension}, wrong way {number}");
                examine(&made, &made.open(Access::Map, None), made.bases[0], &what);
            }
            fs::write(made.path(0, extension), &sound).unwrap();
        }
    }
}

#[test]
fn indexes_with_any_one_bit_flipped() {
    let made = make(5, Times::Rising);
    for extension in ["index", "timeindex"] {
        let path = made.path(2, extension);
        let sound = fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let what = format!("{extension}, bit {bit}");
            examine(&made, &made.open(Access::Map, None), made.bases[0], &what);
        }
        fs::write(&path, &sound).unwrap();
    }
}

#[test]
fn a_tail_that_is_not_finished_is_no_damage() {
    let made = make(2, Times::Rising);
    let path = made.path(3, "log");
    let sound = fs::read(&path).unwrap();
    let torn = &batch_v2(made.end, made.end, &[(made.end, 2_000_000)], false)[..40];
    for tail in [torn, &torn[..5], &[0; 3], &[0; 100_000]] {
        fs::write(&path, [&sound, tail].concat()).unwrap();
        for access in [Access::Map, Access::Read] {
            let open = made.open(access, None);
            examine(&made, &open, made.bases[0], "tail");
            let end = open.log_end(&mut Workspace::new(&Limits::STANDARD)).unwrap();
            assert_eq!(end.position, Position(sound.len() as u64));
            assert_eq!(end.tail == Tail::Zeros, tail.iter().all(|&byte| byte == 0));
        }
    }
}

#[test]
fn damage_is_said_and_can_be_gone_behind() {
    let made = make(2, Times::Rising);
    let path = made.path(3, "log");
    let sound = fs::read(&path).unwrap();
    let batches = format::Batches::new(&sound, Position(0)).map(format::Result::unwrap);
    let batches = batches.map(|batch| {
        let base = batch.known_base_offset().unwrap();
        (base, batch.position().0, batch.last_offset(), batch.size())
    });
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    for (base, position, last, size) in batches {
        let at = usize::try_from(position).unwrap();
        for byte in [at + 10, at + 16, at + size - 1] {
            let mut damaged = sound.clone();
            damaged[byte] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            let open = made.open(Access::Map, None);
            let place = Place { segment: 3, position: Position(position) };
            let inside = |record: &&(i64, i64)| (base.0..=last.0).contains(&record.0);
            for record in made.records.iter().filter(inside) {
                let target = Offset(record.0);
                let found = open.offset(target, workspace).unwrap();
                let Outcome::Damaged(damage) = found.outcome else {
                    // A length that reaches behind the end looks like a batch being written.
                    assert_eq!(byte, at + 10, "{found:?}");
                    continue;
                };
                if byte != at + 10 {
                    assert_eq!(damage.place, place);
                }
                let behind = Place { segment: 3, position: Position(position + size as u64) };
                let next = open.offset_from(last.plus(1), behind, workspace).unwrap().outcome;
                let expected = made.records.iter().find(|r| r.0 > last.0).map(|r| Offset(r.0));
                match next {
                    Outcome::Hit(hit) => assert_eq!(Some(hit.offset), expected),
                    Outcome::Miss(Miss { reason: MissReason::Gap { next_offset, .. }, .. }) => {
                        assert_eq!(next_offset, expected);
                    }
                    _ => assert_eq!(expected, None),
                }
            }
        }
    }
}

#[test]
fn ranges_of_offsets_become_ranges_of_bytes() {
    let made = make(9, Times::Rising);
    let open = made.open(Access::Map, None);
    let workspace = &mut Workspace::new(&Limits::STANDARD);
    for segment in 0..4 {
        let log = fs::read(made.path(segment, "log")).unwrap();
        let batches = || format::Batches::new(&log, Position(0)).map(format::Result::unwrap);
        for offset in made.bases[segment] - 1..made.end + 2 {
            let start = batches().find(|batch| batch.last_offset().0 >= offset);
            let start = start.map_or(log.len() as u64, |batch| batch.position().0);
            let edge = open.position_of(segment, Offset(offset), workspace).unwrap();
            assert_eq!((edge.position.0, edge.damage), (start, None), "{segment} {offset}");
        }
    }
}

#[test]
fn a_partition_without_segments_and_one_without_a_batch() {
    let made = Made { root: tempfile::tempdir().unwrap(), records: vec![], end: 0, bases: vec![] };
    examine(&made, &made.open(Access::Map, None), 0, "no segment");
    fs::write(made.root.path().join("00000000000000000042.log"), b"").unwrap();
    let made = Made { end: 42, ..made };
    examine(&made, &made.open(Access::Map, None), 42, "no batch");
}

#[test]
fn a_batch_above_the_limit_is_no_damage() {
    let root = tempfile::tempdir().unwrap();
    let records = (0..10_000).map(|offset| (offset, 1_000_000)).collect::<Vec<_>>();
    let bytes = batch_v2(0, 9_999, &records, false);
    let size = bytes.len();
    write_segment(root.path(), 0, &[(9_999, 1_000_000, bytes)]);
    let made = Made { root, records, end: 10_000, bases: vec![0] };
    let look = |batch_bytes, access| {
        let directory = PartitionDir::open(made.root.path()).unwrap();
        let limits = Limits { batch_bytes, ..Limits::STANDARD };
        let open = OpenPartition::new(directory, None, access, limits);
        open.offset(Offset(9_999), &mut Workspace::new(&limits))
    };
    assert!(matches!(look(size, Access::Read).unwrap().outcome, Outcome::Hit(_)));
    assert!(matches!(look(1, Access::Map).unwrap().outcome, Outcome::Hit(_)));
    let error = look(size - 1, Access::Read).unwrap_err().to_string();
    assert!(error.contains("above the limit batch_bytes"), "{error}");
}
