//! Indexes and logs made by hand, one for every rule and one for every exception to it; and
//! indexes as brokers of all releases may write them, none of which is accused.

#![allow(clippy::cast_possible_truncation)]

use super::*;
use crate::check::Severity;
use crate::check::problem::{IndexEntry, IndexKind};
use crate::check::{Finding, Problem};
use crate::format::offset_index::OffsetPosition;
use crate::format::replay::{BatchFacts, INDEX_INTERVAL_BYTES, IndexBuilder, Marker};
use crate::format::time_index::TimestampOffset;
use crate::format::{Attributes, Position};
use proptest::prelude::*;
use std::ops::Range;

const BASE: i64 = 1000;
/// Every batch of [`log`] is so long.
const SIZE: u64 = 100;

/// A batch of one record for every offset.
fn batch(position: u64, offsets: (i64, i64), max_timestamp: i64) -> BatchFacts {
    BatchFacts {
        position: Position(position),
        size: SIZE,
        base_offset: Some(Offset(offsets.0)),
        last_offset: Offset(offsets.1),
        magic: 2,
        attributes: Attributes(0),
        partition_leader_epoch: 0,
        max_timestamp,
        records_count: Some((offsets.1 - offsets.0 + 1) as i32),
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        last_sequence: -1,
        marker: Marker::None,
    }
}

/// Ten batches of ten offsets, the first at 1000, with timestamps 5000, 5010, ...
fn log() -> Vec<BatchFacts> {
    let batch_at = |i: i64| {
        let first = BASE + i * 10;
        batch(i.unsigned_abs() * SIZE, (first, first + 9), 5000 + i * 10)
    };
    (0..10).map(batch_at).collect()
}

/// The index that belongs to [`log`]: an entry for every other batch.
const INDEX: [(i32, i32); 4] = [(29, 200), (49, 400), (69, 600), (89, 800)];
const TIMES: [(i64, i32); 5] = [(5020, 29), (5040, 49), (5060, 69), (5080, 89), (5090, 99)];

fn index(entries: &[(i32, i32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|(offset, at)| OffsetPosition::encode(*offset, *at, &mut bytes));
    bytes
}

fn time_index(entries: &[(i64, i32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|(time, offset)| TimestampOffset::encode(*time, *offset, &mut bytes));
    bytes
}

/// What is judged, and how much of it is known.
#[derive(Clone)]
struct Case {
    batches: Vec<BatchFacts>,
    /// Handed on as damage, in the place of the batches in it.
    damaged: Range<u64>,
    is_sealed: bool,
    is_live: bool,
    is_complete: bool,
}

impl Case {
    fn of(batches: Vec<BatchFacts>) -> Self {
        Self { batches, damaged: 0..0, is_sealed: true, is_live: false, is_complete: true }
    }

    fn context(&self, bytes: &[u8]) -> IndexContext {
        let (is_sealed, is_live) = (self.is_sealed, self.is_live);
        let (file, base_offset) = (Path::new("i").into(), Offset(BASE));
        let length = bytes.len() as u64;
        IndexContext { file, length, read: length, base_offset, is_sealed, is_live }
    }

    fn walk(&self, mut take: impl FnMut(Result<&BatchFacts, Range<Position>>)) -> LogRead {
        let mut is_told = self.damaged.is_empty();
        let mut length = 0;
        for batch in &self.batches {
            length = batch.end().0;
            if !self.damaged.contains(&batch.position.0) {
                take(Ok(batch));
            } else if !is_told {
                take(Err(Position(self.damaged.start)..Position(self.damaged.end)));
                is_told = true;
            }
        }
        let length = Position(length.max(self.damaged.end));
        LogRead { length, is_complete: self.is_complete }
    }

    fn index(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut check = OffsetIndexCheck::new(self.context(bytes), bytes);
        let read = self.walk(|piece| match piece {
            Ok(batch) => check.take(batch),
            Err(range) => check.damaged(range),
        });
        check.finish(read).into_rows()
    }

    fn times(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut check = TimeIndexCheck::new(self.context(bytes), bytes);
        let read = self.walk(|piece| match piece {
            Ok(batch) => check.take(batch),
            Err(range) => check.damaged(range),
        });
        check.finish(read).into_rows()
    }
}

/// Code, first and last byte, and how many places.
type Row = (&'static str, u64, u64, u64);

fn rows(findings: &[Finding]) -> Vec<Row> {
    let row = |f: &Finding| (f.problem.code(), f.range.start.0, f.range.end.0, f.places);
    findings.iter().map(row).collect()
}

fn index_rows(entries: &[(i32, i32)]) -> Vec<Row> {
    rows(&Case::of(log()).index(&index(entries)))
}

fn time_rows(entries: &[(i64, i32)]) -> Vec<Row> {
    rows(&Case::of(log()).times(&time_index(entries)))
}

/// [`INDEX`] with one entry changed.
fn index_with(number: usize, entry: (i32, i32)) -> Vec<(i32, i32)> {
    let mut entries = INDEX.to_vec();
    entries[number] = entry;
    entries
}

fn times_with(number: usize, entry: (i64, i32)) -> Vec<(i64, i32)> {
    let mut entries = TIMES.to_vec();
    entries[number] = entry;
    entries
}

#[test]
fn sound_indexes_and_empty_ones() {
    assert_eq!(index_rows(&INDEX), []);
    assert_eq!(index_rows(&[]), []);
    assert_eq!(time_rows(&TIMES), []);
    let empty = Case::of(Vec::new());
    assert_eq!(rows(&empty.index(&[])), []);
    assert_eq!(rows(&empty.times(&[])), []);
    let no_times: Vec<_> =
        log().iter().map(|batch| BatchFacts { max_timestamp: -1, ..*batch }).collect();
    assert_eq!(rows(&Case::of(no_times).times(&[])), []);
}

#[test]
fn an_entry_that_starts_too_late() {
    // Offset 1045 is in the batch at 400; the entry leads to the one at 500.
    let found = Case::of(log()).index(&index(&index_with(1, (45, 500))));
    let entry = IndexEntry { number: 1, key: 500, offset: Offset(1045) };
    let lost = Offset(1045);
    let problem = Problem::IndexUnsafe { index: IndexKind::Offset, entry, lost };
    assert_eq!(rows(&found), [("index-unsafe", 8, 16, 1)]);
    assert_eq!(found[0].problem, problem);
    assert_eq!(found[0].offsets, Some((Offset(1045), Offset(1049))));
    // Far below: the first offset of the batch that is jumped over.
    let found = Case::of(log()).index(&index(&index_with(1, (30, 500))));
    assert!(matches!(found[0].problem, Problem::IndexUnsafe { lost: Offset(1040), .. }));
    // Nothing is lost with a batch that has no records.
    let mut batches = log();
    batches[4].records_count = Some(0);
    let found = Case::of(batches).index(&index(&index_with(1, (45, 500))));
    assert_eq!(rows(&found), [("index-coarse", 8, 16, 1)]);
}

#[test]
fn an_entry_that_leads_nowhere() {
    assert_eq!(index_rows(&index_with(1, (49, 401))), [("index-position", 8, 16, 1)]);
    assert_eq!(index_rows(&index_with(0, (29, -5))), [("index-position", 0, 8, 1)]);
    assert_eq!(index_rows(&index_with(3, (89, 950))), [("index-position", 24, 32, 1)]);
    assert_eq!(index_rows(&index_with(3, (89, 1000))), [("index-position", 24, 32, 1)]);
    assert_eq!(index_rows(&index_with(3, (89, i32::MAX))), [("index-position", 24, 32, 1)]);
}

#[test]
fn an_entry_behind_the_end_of_the_log() {
    let found = Case::of(log()).index(&index(&index_with(3, (100, 800))));
    assert_eq!(rows(&found), [("index-coarse", 24, 32, 1), ("index-stale", 24, 32, 1)]);
    assert!(matches!(found[1].problem, Problem::IndexStale { log_end: Offset(1100), .. }));
    assert_eq!(index_rows(&index_with(3, (150, 1500))), [("index-stale", 24, 32, 1)]);
    assert_eq!(time_rows(&times_with(4, (5090, 99)))[..], []);
    let found = time_rows(&[TIMES[0], (9000, 5000)]);
    assert_eq!(found, [("time-index-stale", 12, 24, 1)]);
    let none = Case::of(Vec::new());
    assert_eq!(rows(&none.index(&index(&[(0, 100)]))), [("index-stale", 0, 8, 1)]);
    assert_eq!(rows(&none.times(&time_index(&[(77, 0)]))), [("time-index-stale", 0, 12, 1)]);
}

#[test]
fn the_greatest_offset_there_is_is_not_behind_the_end() {
    let base = i64::MAX - 9;
    let context = |length| IndexContext {
        file: Path::new("i").into(),
        length,
        read: length,
        base_offset: Offset(base),
        is_sealed: true,
        is_live: false,
    };
    let last = batch(0, (base, i64::MAX), 5000);
    let log = LogRead { length: last.end(), is_complete: true };
    let times = time_index(&[(5000, 9)]);
    let mut check = TimeIndexCheck::new(context(12), times);
    check.take(&last);
    assert_eq!(rows(&check.finish(log).into_rows()), []);
    let mut check = OffsetIndexCheck::new(context(8), index(&[(9, 0)]));
    check.take(&last);
    assert_eq!(rows(&check.finish(log).into_rows()), []);
}

#[test]
fn entries_that_are_safe_without_being_exact_are_one_note() {
    // The last offset of an append of three batches; the last record that a cleaner kept; the first
    // offset of the batch.
    let entries = [(49, 200), (57, 500), (60, 600), (89, 800)];
    assert_eq!(index_rows(&entries), [("index-coarse", 0, 24, 3)]);
    // A negative offset at the front is no harm either: there is nothing before it.
    assert_eq!(index_rows(&[(-4, 0)]), [("index-coarse", 0, 8, 1)]);
    let wrapper = |batch: &BatchFacts| BatchFacts { base_offset: None, magic: 1, ..*batch };
    let legacy = Case::of(log().iter().map(wrapper).collect());
    assert_eq!(rows(&legacy.index(&index(&entries))), [("index-coarse", 0, 24, 3)]);
    assert_eq!(rows(&legacy.index(&index(&INDEX))), []);
    assert_eq!(rows(&legacy.times(&time_index(&TIMES))), []);
}

#[test]
fn entries_out_of_order() {
    // One too high: the entry behind it is not above it, and only that is said.
    let high = index_with(1, (49, i32::MAX));
    assert_eq!(index_rows(&high), [("index-order", 16, 24, 1)]);
    assert_eq!(index_rows(&index_with(0, (29, i32::MAX))), [("index-order", 8, 16, 1)]);
    // One too low; where it leads to is safe.
    let low = index_rows(&index_with(2, (69, 300)));
    assert_eq!(low, [("index-order", 16, 24, 1), ("index-coarse", 16, 24, 1)]);
    let low = Case::of(log()).index(&index(&index_with(2, (9, 600))));
    assert_eq!(rows(&low), [("index-order", 16, 24, 1), ("index-unsafe", 16, 24, 1)]);
    let previous = IndexEntry { number: 1, key: 400, offset: Offset(1049) };
    let entry = IndexEntry { number: 2, key: 600, offset: Offset(1009) };
    let index = IndexKind::Offset;
    assert_eq!(low[0].problem, Problem::IndexOrder { index, entry, previous });
    // The same twice, and what follows is judged all the same.
    let twice = [INDEX[0], INDEX[1], INDEX[1], (69, 601), INDEX[3]];
    assert_eq!(index_rows(&twice), [("index-order", 16, 24, 1), ("index-position", 24, 32, 1)]);
    assert_eq!(
        time_rows(&[TIMES[0], TIMES[1], TIMES[1], TIMES[3], TIMES[4]]),
        [("time-index-order", 24, 36, 1)]
    );
    assert_eq!(time_rows(&times_with(2, (5060, 40)))[0], ("time-index-order", 24, 36, 1));
    assert_eq!(time_rows(&times_with(2, (5060, 9000)))[0], ("time-index-order", 36, 48, 1));
}

#[test]
fn zeros_among_entries_are_said_once() {
    let lost = [INDEX[0], (0, 0), (0, 0), (0, 0), INDEX[2], INDEX[3]];
    assert_eq!(index_rows(&lost), [("index-order", 8, 32, 1)]);
    let lost = [TIMES[0], (0, 0), (0, 0), TIMES[3], TIMES[4]];
    assert_eq!(time_rows(&lost), [("time-index-order", 12, 36, 1)]);
}

#[test]
fn zeros_and_odd_bytes_at_the_end() {
    let mut bytes = index(&INDEX);
    bytes.extend([0; 26]);
    let mut case = Case::of(log());
    let tail = [("index-zero-tail", 32, 56, 1), ("index-length", 56, 58, 1)];
    let found = case.index(&bytes);
    assert_eq!(
        (rows(&found)[..].to_vec(), found[0].severity()),
        (tail.to_vec(), Severity::Warning)
    );
    case.is_sealed = false;
    assert_eq!(case.index(&bytes)[0].severity(), Severity::Note);
    assert_eq!(rows(&case.index(&[0; 4096])), [("index-zero-tail", 0, 4096, 1)]);
    assert_eq!(rows(&case.times(&[0; 4092])), [("time-index-zero-tail", 0, 4092, 1)]);
    // Timestamp 0 at the base offset.
    let zero = Case::of(vec![batch(0, (BASE, BASE), 0)]);
    assert_eq!(rows(&zero.times(&[0; 12])), []);
    assert_eq!(rows(&zero.index(&[0; 8])), [("index-zero-tail", 0, 8, 1)]);
    assert_eq!(rows(&zero.index(&[7; 3])), [("index-length", 0, 3, 1)]);
}

/// `entries`, and room for three more.
fn untrimmed<T: Copy>(entries: &[T], encode: fn(&[T]) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = encode(entries);
    bytes.extend(vec![0; bytes.len() / entries.len() * 3]);
    bytes
}

#[test]
fn what_a_truncation_left_behind_the_entries_is_no_error() {
    let active = Case { is_sealed: false, ..Case::of(log()) };
    let rows_of = |case: &Case, entries: &[(i32, i32)]| {
        let bytes = untrimmed(entries, index);
        (rows(&case.index(&bytes)), bytes.len() as u64)
    };
    let back = [&INDEX[..], &[(61, 510), (80, 700)]].concat();
    let (found, end) = rows_of(&active, &back);
    assert_eq!(found, [("index-zero-tail", 32, end, 1)]);
    // They may rise, and reach behind the end of the log.
    let rising = [INDEX[0], INDEX[1], (63, 530), (77, 777), (200, 1700)];
    let (found, end) = rows_of(&active, &rising);
    assert_eq!(found, [("index-zero-tail", 16, end, 1)]);
    let (found, end) = rows_of(&active, &[(5, 3), (9, 17)]);
    assert_eq!(found, [("index-zero-tail", 0, end, 1)]);
    // A broker that is at work may have more of the log than was seen.
    let live = Case { is_live: true, ..active.clone() };
    let (found, end) = rows_of(&live, &rising);
    assert_eq!(found, [("index-zero-tail", 40, end, 1)]);
    // In a sealed segment, and where nothing was preallocated, there are none.
    assert_eq!(rows_of(&Case::of(log()), &back).0[1..], rows(&active.index(&index(&back))));
    assert_eq!(rows(&active.index(&index(&rising))).len(), 3);

    let times = [&TIMES[..3], &[(5030, 69), (5040, 80), (6000, 200)]].concat();
    let bytes = untrimmed(&times, time_index);
    let found = [("time-index-zero-tail", 36, bytes.len() as u64, 1)];
    assert_eq!(rows(&active.times(&bytes)), found);
    assert!(rows(&active.times(&time_index(&times))).len() > 1);
}

#[test]
fn an_entry_before_one_that_agrees_is_no_leftover() {
    let active = Case { is_sealed: false, ..Case::of(log()) };
    let errors = |found: Vec<Finding>| {
        let mut rows = rows(&found);
        rows.retain(|(code, ..)| !code.ends_with("-zero-tail"));
        rows
    };
    let found = |entries: &[(i32, i32)]| errors(active.index(&untrimmed(entries, index)));
    let changes = [(49, 401), (45, 500), (49, i32::MAX), (9, 400), (49, 1)];
    for (number, entry) in (0..3).flat_map(|number| changes.map(|change| (number, change))) {
        let entries = index_with(number, entry);
        let mut trimmed = errors(active.index(&index(&entries)));
        let mut untrimmed = found(&entries);
        trimmed.sort_unstable();
        untrimmed.sort_unstable();
        assert_eq!(untrimmed, trimmed, "{number}: {entry:?}");
    }
    // Of appends of many batches, as a follower's.
    let follower = [(29, 100), (59, 401), (89, 700)];
    let coarse = ("index-coarse", 0, 24, 2);
    assert_eq!(found(&follower), [coarse, ("index-position", 8, 16, 1)]);
    // Nothing is written behind zeros.
    let torn = [INDEX[0], INDEX[1], (0, 0), (0, 0), (3, 333)];
    assert!(found(&torn).contains(&("index-order", 16, 32, 1)));
    let times = untrimmed(&times_with(2, (5050, 69)), time_index);
    assert_eq!(errors(active.times(&times)), [("time-index-unsafe", 24, 36, 1)]);
    let times = untrimmed(&times_with(2, (5060, 9000)), time_index);
    let found = errors(active.times(&times));
    assert_eq!(found, [("time-index-order", 36, 48, 1), ("time-index-stale", 24, 36, 1)]);
}

#[test]
fn a_time_entry_that_starts_too_late() {
    // Nothing before the batch of 1060 to 1069 may have 5055 or more; the one before it has 5050.
    assert_eq!(time_rows(&times_with(2, (5055, 69))), [("index-coarse", 24, 36, 1)]);
    let found = Case::of(log()).times(&time_index(&times_with(2, (5050, 69))));
    assert_eq!(rows(&found), [("time-index-unsafe", 24, 36, 1)]);
    assert!(matches!(found[0].problem, Problem::IndexUnsafe { lost: Offset(1059), .. }));
    assert_eq!(found[0].timestamps, Some((5050, 5050)));
    assert_eq!(found[0].offsets, Some((Offset(1050), Offset(1059))));
    assert_eq!(time_rows(&times_with(2, (5060, 70))), [("time-index-unsafe", 24, 36, 1)]);
    // Batches without records do not count, and may be named.
    let mut batches = log();
    batches[5].records_count = Some(0);
    let case = Case::of(batches.clone());
    assert_eq!(rows(&case.times(&time_index(&TIMES))), []);
    batches[6].records_count = Some(0);
    assert_eq!(rows(&Case::of(batches).times(&time_index(&TIMES))), []);
}

#[test]
fn a_time_entry_may_name_the_record_itself() {
    assert_eq!(time_rows(&times_with(2, (5060, 63))), []);
    assert_eq!(time_rows(&times_with(2, (5060, 59))), [("index-coarse", 24, 36, 1)]);
}

#[test]
fn the_last_time_entry() {
    let last = |count: usize| rows(&Case::of(log()).times(&time_index(&TIMES[..count])));
    assert_eq!(last(4), [("time-index-last", 36, 48, 1)]);
    assert_eq!(last(0), [("time-index-last", 0, 0, 1)]);
    assert_eq!(time_rows(&times_with(4, (6000, 99)))[1], ("time-index-last", 48, 60, 1));
    let active = Case { is_sealed: false, ..Case::of(log()) };
    assert_eq!(rows(&active.times(&time_index(&TIMES[..4]))), [], "it lags");
    assert_eq!(rows(&active.times(&[])), []);
    let wrong = [("index-coarse", 36, 48, 1), ("time-index-last", 36, 48, 1)];
    for timestamp in [5071, 5085, 6000] {
        let entries = [TIMES[0], TIMES[1], TIMES[2], (timestamp, 89)];
        assert_eq!(rows(&active.times(&time_index(&entries))), wrong, "{timestamp}");
    }
    // With a batch of no records at the end, either may be the greatest.
    let mut batches = log();
    batches[9].records_count = Some(0);
    let kept = Case::of(batches);
    assert_eq!(rows(&kept.times(&time_index(&TIMES))), []);
    assert_eq!(rows(&kept.times(&time_index(&TIMES[..4]))), []);
    assert_eq!(rows(&kept.times(&time_index(&TIMES[..3]))).len(), 1);
}

#[test]
fn what_points_into_damage_is_not_judged() {
    let hurt = |damaged| Case { damaged, ..Case::of(log()) };
    let inside = [(29, 200), (49, 400), (52, 433), (69, 600), (89, 800)];
    assert_eq!(rows(&hurt(400..500).index(&index(&inside))), []);
    assert_eq!(rows(&hurt(0..1000).index(&index(&inside))), []);
    let found = hurt(500..600).index(&index(&inside));
    assert_eq!(rows(&found), [("index-position", 16, 24, 1)]);
    // Behind it all is known again.
    let found = hurt(400..500).index(&index(&index_with(3, (89, 801))));
    assert_eq!(rows(&found), [("index-position", 24, 32, 1)]);
    // At the end, nobody knows which offsets there were.
    let tail = hurt(800..1000);
    assert_eq!(rows(&tail.index(&index(&INDEX))), []);
    assert_eq!(rows(&tail.index(&index(&index_with(2, (75, 600))))), [("index-coarse", 16, 24, 1)]);
    let beyond = rows(&tail.index(&index(&index_with(3, (200, 2000)))));
    assert_eq!(beyond, [("index-stale", 24, 32, 1)]);
    assert_eq!(rows(&tail.times(&time_index(&TIMES))), []);
    let lags = rows(&tail.times(&time_index(&TIMES[..2])));
    assert_eq!(lags, [("time-index-last", 12, 24, 1)]);
    assert_eq!(rows(&hurt(600..700).times(&time_index(&TIMES))), []);
}

#[test]
fn what_was_not_read_is_not_judged() {
    let half = Case { is_complete: false, ..Case::of(log()[..5].to_vec()) };
    assert_eq!(rows(&half.index(&index(&INDEX))), []);
    assert_eq!(rows(&half.times(&time_index(&TIMES))), []);
    let wrong = index_with(1, (49, 433));
    assert_eq!(rows(&half.index(&index(&wrong))), [("index-position", 8, 16, 1)]);
    assert_eq!(rows(&half.index(&index(&index_with(2, (69, 533))))), []);
    assert_eq!(rows(&half.times(&time_index(&TIMES[..1]))), [("time-index-last", 0, 12, 1)]);
}

#[test]
fn an_index_that_grows_may_be_ahead_and_half_written() {
    let live = Case { is_sealed: false, is_live: true, ..Case::of(log()[..5].to_vec()) };
    assert_eq!(rows(&live.index(&index(&INDEX))), []);
    assert_eq!(rows(&live.times(&time_index(&TIMES))), []);
    let torn = [INDEX[0], (49, 0)];
    assert_eq!(rows(&live.index(&index(&torn))), []);
    assert_eq!(rows(&live.times(&time_index(&[TIMES[0], (5040, 0)]))), []);
    let wrong = [INDEX[0], (49, 433), INDEX[2]];
    assert_eq!(rows(&live.index(&index(&wrong))), [("index-position", 8, 16, 1)]);
    let sealed = Case { is_sealed: true, ..live };
    assert_eq!(rows(&sealed.index(&index(&torn)))[0], ("index-order", 8, 16, 1));
}

#[test]
fn what_the_log_did_wrong_is_not_the_index_s_fault() {
    let moved = |number: usize, by: i64| {
        let mut batches = log();
        let batch = &mut batches[number];
        batch.base_offset = batch.base_offset.map(|first| first.plus(by));
        batch.last_offset = batch.last_offset.plus(by);
        Case::of(batches)
    };
    for number in 0..10 {
        for by in [-64, -32, -16, -8, 8, 16, 32, 64, 1 << 20] {
            let case = moved(number, by);
            let mut found = case.index(&index(&INDEX));
            found.extend(case.times(&time_index(&TIMES)));
            found.retain(|finding| finding.severity() > Severity::Note);
            // Moved where it is behind all before it and below all behind it, or at the end, it is
            // as good a log as any: then one of the two is accused.
            let batches = &case.batches;
            let rises =
                batches.windows(2).all(|two| two[0].last_offset < two[1].base_offset.unwrap());
            assert!(found.is_empty() || rises && found.len() <= 2, "{number} by {by}: {found:?}");
        }
    }
}

#[test]
fn far_fewer_entries_than_usual() {
    let batches = |count: i64| -> Vec<_> {
        let at = |i: i64| BatchFacts {
            size: 5000,
            ..batch(i.unsigned_abs() * 5000, (BASE + i, BASE + i), i)
        };
        (0..count).map(at).collect()
    };
    let few: Vec<_> = (1..=5).map(|i| (i * 10, i * 50_000)).collect();
    let sparse = rows(&Case::of(batches(100)).index(&index(&few)));
    assert_eq!(sparse, [("index-sparse", 0, 40, 1)]);
    let enough: Vec<_> = (1..=9).map(|i| (i * 10, i * 50_000)).collect();
    assert_eq!(rows(&Case::of(batches(91)).index(&index(&enough))), []);
    assert_eq!(rows(&Case::of(batches(50)).index(&[])), []);
    assert_eq!(rows(&Case::of(batches(51)).index(&[])), [("index-sparse", 0, 0, 1)]);
    // Large batches have few entries.
    let large: Vec<_> = (0..40)
        .map(|i| BatchFacts {
            size: 1 << 20,
            ..batch(i << 20, (BASE + i as i64, BASE + i as i64), 1)
        })
        .collect();
    assert_eq!(rows(&Case::of(large).index(&[])), []);
}

/// Writes both indexes as a broker may: by the batch or by the append, with restarts in between,
/// and with the record's own offset in the time index.
fn as_a_broker(
    batches: &[BatchFacts],
    appends: &[usize],
    interval: u64,
    by_record: bool,
) -> (Vec<u8>, Vec<u8>) {
    let mut entries: Vec<(i32, i32)> = Vec::new();
    let mut times: Vec<(i64, i32)> = Vec::new();
    let (mut counted, mut greatest, mut rest) = (0, (-1, 0), batches);
    for &count in appends.iter().cycle() {
        let (append, behind) = rest.split_at(count.min(rest.len()));
        let (Some(first), Some(last)) = (append.first(), append.last()) else { break };
        for batch in append {
            let shift = if by_record { batch.records_count.unwrap_or(1) / 2 } else { 0 };
            if batch.max_timestamp > greatest.0 {
                greatest = (batch.max_timestamp, (batch.last_offset.0 - BASE) as i32 - shift);
            }
        }
        if counted > interval {
            entries.push(((last.last_offset.0 - BASE) as i32, first.position.0 as i32));
            if greatest.0 > times.last().map_or(-1, |(time, _)| *time) {
                times.push(greatest);
            }
            counted = 0;
        }
        counted += append.iter().map(|batch| batch.size).sum::<u64>();
        // A restart forgets how many bytes were counted.
        counted *= u64::from(counted % 7 != 3);
        rest = behind;
    }
    if greatest.0 > times.last().map_or(-1, |(time, _)| *time) {
        times.push(greatest);
    }
    (index(&entries), time_index(&times))
}

proptest! {
    #[test]
    fn no_broker_is_accused(
        shapes in prop::collection::vec((60_u64..300, 1_i64..9, 0_i64..5, -1_i64..60), 0..80),
        appends in prop::collection::vec(1_usize..6, 1..9),
        interval in 0_u64..800,
        by_record in any::<bool>(),
    ) {
        let (mut position, mut offset) = (0, BASE);
        let batches: Vec<_> = shapes.into_iter().map(|(size, count, gap, time)| {
            let first = offset + gap;
            offset = first + count;
            position += size;
            // Of eight, compaction took all but the header.
            let records_count = Some(if count == 8 { 0 } else { count as i32 });
            let at = position - size;
            BatchFacts { size, records_count, ..batch(at, (first, offset - 1), time) }
        }).collect();
        let (bytes, times) = as_a_broker(&batches, &appends, interval, by_record);
        let case = Case::of(batches.clone());
        let mut found = case.index(&bytes);
        found.extend(case.times(&times));
        found.retain(|finding| finding.problem.code() != "index-coarse");
        prop_assert!(found.is_empty(), "{:?}", found);
        // What is rebuilt is beyond even a note.
        let mut builder = IndexBuilder::new(Offset(BASE), INDEX_INTERVAL_BYTES.min(interval));
        batches.iter().for_each(|batch| builder.take(batch));
        let built = builder.finish();
        prop_assert_eq!(rows(&case.index(&built.index)), []);
        prop_assert_eq!(rows(&case.times(&built.time_index)), []);
    }

    #[test]
    fn any_bytes_and_any_batches(
        bytes in prop::collection::vec(prop_oneof![2 => Just(0_u8), 1 => any::<u8>()], 0..200),
        shapes in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>()), 0..9),
        flags in any::<[bool; 4]>(),
    ) {
        let at = |(i, (first, last, time))| batch(i * SIZE, (first, last), time);
        let batches = (0_u64..).zip(shapes).map(|(i, (first, last, time))| {
            BatchFacts { records_count: None, ..at((i, (first / 2, last / 2, time))) }
        });
        let damaged = if flags[3] { 100..250 } else { 0..0 };
        let [is_sealed, is_live, is_complete, _] = flags;
        let batches = batches.collect();
        let case = Case { batches, damaged, is_sealed, is_live, is_complete };
        for finding in case.index(&bytes).into_iter().chain(case.times(&bytes)) {
            prop_assert!(finding.range.end.0 <= bytes.len() as u64);
            prop_assert!(finding.range.start <= finding.range.end);
        }
    }
}
