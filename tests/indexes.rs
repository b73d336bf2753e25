//! Offset and time indexes of real brokers against their logs: none is accused, and of every bit
//! flipped in one it is either said, or shown here, by searching as a broker does, that no lookup
//! has another answer for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::batches::{Frame, frames};
use common::{files_ending, in_parallel, partitions, testdata};
use segkit::check::indexes::{IndexContext, LogRead, OffsetIndexCheck, TimeIndexCheck};
use segkit::check::problem::{IndexKind, Problem};
use segkit::check::{Finding, Severity};
use segkit::format::replay::{BatchFacts, IndexBuilder, RebuiltIndexes};
use segkit::format::{Offset, Position, Scratch};
use segkit::limits::Limits;
use segkit::log::FileBytes;
use segkit::log::runs::{Bounds, DamageKind, Piece, Scanner};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A segment on disk, and what the library says of its batches.
struct Segment {
    log: PathBuf,
    base: i64,
    is_sealed: bool,
    batches: Vec<BatchFacts>,
    length: u64,
}

impl Segment {
    fn read(log: &Path, is_sealed: bool) -> Self {
        let base = log.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let bytes = FileBytes::owned(log, fs::read(log).unwrap());
        let mut scratch = Scratch::new(Limits::STANDARD.decompressed_bytes);
        let bounds =
            Bounds { last_proved: None, segment_base: Some(Offset(base)), next_segment_base: None };
        let mut scanner = Scanner::new(&bytes, 0..bytes.len(), bounds, Limits::STANDARD);
        let (mut batches, mut length) = (Vec::new(), bytes.len());
        while let Some(piece) = scanner.next().unwrap() {
            match piece {
                Piece::Proved(batch) => batches.push(BatchFacts::of(&batch, &mut scratch)),
                Piece::Damaged(damage) => {
                    assert_eq!(damage.kind, DamageKind::Zeros, "{}", log.display());
                    length = damage.range.start.0;
                }
            }
        }
        Self { log: log.to_owned(), base, is_sealed, batches, length }
    }

    fn file(&self, extension: &str) -> Option<Vec<u8>> {
        fs::read(self.log.with_extension(extension)).ok()
    }

    fn context(&self, bytes: &[u8]) -> IndexContext {
        let (base_offset, is_sealed, is_live) = (Offset(self.base), self.is_sealed, false);
        let (file, length) = (self.log.as_path().into(), bytes.len() as u64);
        IndexContext { file, length, read: length, base_offset, is_sealed, is_live }
    }

    fn judge_index(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut check = OffsetIndexCheck::new(self.context(bytes), bytes);
        self.batches.iter().for_each(|batch| check.take(batch));
        check.finish(self.log_read()).into_rows()
    }

    fn judge_time_index(&self, bytes: &[u8]) -> Vec<Finding> {
        let mut check = TimeIndexCheck::new(self.context(bytes), bytes);
        self.batches.iter().for_each(|batch| check.take(batch));
        check.finish(self.log_read()).into_rows()
    }

    fn log_read(&self) -> LogRead {
        LogRead { length: Position(self.length), is_complete: true }
    }

    fn rebuild(&self, interval: u64) -> RebuiltIndexes {
        let mut builder = IndexBuilder::new(Offset(self.base), interval);
        self.batches.iter().for_each(|batch| builder.take(batch));
        builder.finish()
    }
}

/// The segments of a partition directory.
fn segments_of(partition: &Path) -> Vec<Segment> {
    let logs = files_ending(partition, ".log");
    let sealed = logs.len().saturating_sub(1);
    logs.iter().enumerate().map(|(i, log)| Segment::read(log, i < sealed)).collect()
}

/// Judges every index below `root`; the codes of notes, and how many places there are of each.
fn no_index_is_accused(root: &Path) -> BTreeMap<&'static str, u64> {
    let notes = Mutex::new(BTreeMap::new());
    let judged = Mutex::new([0, 0]);
    in_parallel(&partitions(root), |partition| {
        for segment in segments_of(partition) {
            let index = segment.file("index");
            let time_index = segment.file("timeindex");
            let mut found = Vec::new();
            found.extend(index.iter().flat_map(|bytes| segment.judge_index(bytes)));
            found.extend(time_index.iter().flat_map(|bytes| segment.judge_time_index(bytes)));
            judged.lock().unwrap()[0] += index.map_or(0, |bytes| bytes.len() / 8);
            judged.lock().unwrap()[1] += time_index.map_or(0, |bytes| bytes.len() / 12);
            for finding in found {
                assert_eq!(finding.severity(), Severity::Note, "{finding:?}");
                let mut notes = notes.lock().unwrap();
                *notes.entry(finding.problem.code()).or_default() += finding.places;
            }
        }
    });
    assert!(judged.lock().unwrap().iter().all(|&entries| entries > 1000));
    notes.into_inner().unwrap()
}

#[test]
fn no_index_of_a_broker_is_accused() {
    let notes = no_index_is_accused(&testdata());
    let codes: Vec<_> = notes.keys().copied().collect();
    // Uncompressed messages of old brokers, many to an append; brokers that were killed.
    assert_eq!(codes, ["index-coarse", "index-zero-tail", "time-index-zero-tail"]);
}

#[test]
#[ignore = "needs SEG_CONFORMANCE_DIR, a directory such as testdata"]
fn no_index_of_a_fresh_broker_is_accused() {
    let root = std::env::var_os("SEG_CONFORMANCE_DIR").expect("SEG_CONFORMANCE_DIR is not set");
    println!("{:?}", no_index_is_accused(Path::new(&root)));
}

/// Written from empty, batch by batch, without a restart, or by a cleaner that wrote as a recovery
/// would: there a broker's own indexes are those of a recovery with the same interval.
const AS_A_RECOVERY_WRITES_THEM: [(&str, u64); 10] = [
    ("kafka-4.3.1/lookup-0", 512),
    ("kafka-4.3.1/times-0", 1024),
    ("kafka-4.3.1/recompress-0", 1024),
    ("kafka-4.3.1/recompress-append-time-0", 1024),
    ("kafka-4.3.1/rdkafka-none-0", 1024),
    ("kafka-4.3.1/txn-0", 1024),
    ("kafka-4.3.1/compact-txn-0", 256),
    ("kafka-4.4.0/txn-0", 1024),
    ("kafka-3.9.2/lookup-0", 512),
    ("kafka-3.9.2/compact-tombstones-0", 256),
];

#[test]
fn rebuilt_indexes_are_those_that_brokers_wrote() {
    let (mut entries, mut times) = (0, 0);
    for (partition, interval) in AS_A_RECOVERY_WRITES_THEM {
        for segment in segments_of(&testdata().join(partition)) {
            let built = segment.rebuild(interval);
            assert!(built.index == segment.file("index").unwrap(), "{}", segment.log.display());
            let time_index = segment.file("timeindex").unwrap();
            assert!(built.time_index == time_index, "{}", segment.log.display());
            entries += built.index.len() / 8;
            times += time_index.len() / 12;
        }
    }
    assert!(entries > 300 && times > 300, "{entries} and {times} entries");
}

#[test]
fn rebuilt_indexes_are_beyond_reproach() {
    in_parallel(&partitions(&testdata()), |partition| {
        for segment in segments_of(partition) {
            for interval in [0, 256, 4096] {
                let built = segment.rebuild(interval);
                let found = segment.judge_index(&built.index);
                assert!(found.is_empty(), "{found:?}");
                let found = segment.judge_time_index(&built.time_index);
                assert!(found.is_empty(), "{found:?}");
            }
        }
    });
}

/// A batch as its header's bytes say, without the library.
#[derive(Clone, Copy)]
struct Header {
    position: i64,
    last_offset: i64,
    max_timestamp: i64,
    /// Compaction took all its records: no lookup ends there.
    is_empty: bool,
}

fn headers(log: &[u8]) -> Vec<Header> {
    let i64_at = |at: usize| i64::from_be_bytes(log[at..at + 8].try_into().unwrap());
    let delta = |at: usize| i32::from_be_bytes(log[at + 23..at + 27].try_into().unwrap());
    let header = |frame: &Frame| {
        let at = frame.position;
        let (last_offset, max_timestamp) = match frame.magic {
            2 => (i64_at(at) + i64::from(delta(at)), i64_at(at + 35)),
            1 => (i64_at(at), i64_at(at + 18)),
            _ => (i64_at(at), -1),
        };
        let is_empty = frame.magic == 2 && log[at + 57..at + 61] == [0; 4];
        Header { position: at as i64, last_offset, max_timestamp, is_empty }
    };
    frames(log).iter().map(header).collect()
}

/// The entries of an index as pairs of numbers, without the zeros behind them.
fn pairs(bytes: &[u8], size: usize) -> Vec<(i64, i64)> {
    let number = |bytes: &[u8]| match bytes.len() {
        4 => i64::from(i32::from_be_bytes(bytes.try_into().unwrap())),
        _ => i64::from_be_bytes(bytes.try_into().unwrap()),
    };
    let pair = |slot: &[u8]| (number(&slot[..size - 4]), number(&slot[size - 4..]));
    let mut pairs: Vec<_> = bytes.chunks_exact(size).map(pair).collect();
    while pairs.last() == Some(&(0, 0)) && (size == 8 || pairs.len() > 1) {
        pairs.pop();
    }
    pairs
}

/// The last entry that is not above the target: what a search of rising entries finds.
fn floor(pairs: &[(i64, i64)], target: i64) -> Option<(i64, i64)> {
    assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0), "said to be in order");
    pairs.iter().rev().find(|pair| pair.0 <= target).copied()
}

/// The batch that a broker finds for an offset through the index.
fn find_offset(index: &[(i64, i64)], base: i64, headers: &[Header], target: i64) -> Option<i64> {
    let start = floor(index, target - base).map_or(0, |(_, position)| position);
    let from = headers.iter().position(|batch| batch.position == start).unwrap_or(headers.len());
    let reaches = |batch: &&Header| !batch.is_empty && batch.last_offset >= target;
    headers[from..].iter().find(reaches).map(|batch| batch.position)
}

/// The batch that a broker finds for a timestamp through the index.
fn find_time(index: &[(i64, i64)], base: i64, headers: &[Header], target: i64) -> Option<i64> {
    let start = floor(index, target).map_or(base, |(_, offset)| base + offset);
    let reaches = |batch: &&Header| !batch.is_empty && batch.max_timestamp >= target;
    let mut from = headers.iter().filter(|batch| batch.last_offset >= start);
    from.find(reaches).map(|batch| batch.position)
}

/// What is found for every offset.
fn offset_answers(index: &[u8], base: i64, headers: &[Header]) -> Vec<Option<i64>> {
    let index = pairs(index, 8);
    let end = headers.last().map_or(base, |last| last.last_offset + 1);
    (base..end).map(|target| find_offset(&index, base, headers, target)).collect()
}

/// What is found for every timestamp that makes a difference, what a broker takes for the greatest
/// timestamp, and where it finds that.
fn time_answers(index: &[u8], base: i64, headers: &[Header]) -> Vec<Option<i64>> {
    let index = pairs(index, 12);
    let times = headers.iter().map(|batch| batch.max_timestamp);
    let around = times.flat_map(|time| [time - 1, time, time + 1]);
    let answers = around.map(|target| find_time(&index, base, headers, target));
    let (greatest, offset) = index.last().copied().unwrap_or((-1, 0));
    let mut from = headers.iter().filter(|batch| batch.last_offset >= base + offset);
    let of_greatest = from.find(|batch| batch.max_timestamp == greatest);
    answers.chain([Some(greatest), of_greatest.map(|batch| batch.position)]).collect()
}

/// What is said to be lost to a lookup must be lost: where the entries still rise, it finds
/// something behind what a scan from the front finds.
fn expect_lost(finding: &Finding, bytes: &[u8], base: i64, headers: &[Header]) {
    match &finding.problem {
        Problem::IndexUnsafe { index: IndexKind::Offset, lost, .. } => {
            let found = find_offset(&pairs(bytes, 8), base, headers, lost.0);
            assert_ne!(found, find_offset(&[], base, headers, lost.0), "{finding:?}");
        }
        Problem::IndexUnsafe { entry, lost, .. } => {
            let found = find_time(&pairs(bytes, 12), base, headers, entry.key);
            assert_ne!(found, find_time(&[], base, headers, entry.key), "{finding:?}");
            let holds = |batch: &&Header| batch.last_offset == lost.0;
            let batch = headers.iter().find(holds).unwrap();
            assert!(batch.max_timestamp >= entry.key && found.is_none_or(|p| p > batch.position));
        }
        _ => {}
    }
}

/// One of the two indexes of a segment, and the ways to ask it.
struct Flipped<'a> {
    segment: &'a Segment,
    headers: &'a [Header],
    kind: IndexKind,
    index: Vec<u8>,
}

/// How many flipped bits were told as an error or a warning, as a note, and not at all.
type Told = [usize; 3];

impl Flipped<'_> {
    fn judge(&self, bytes: &[u8]) -> Vec<Finding> {
        match self.kind {
            IndexKind::Offset => self.segment.judge_index(bytes),
            _ => self.segment.judge_time_index(bytes),
        }
    }

    fn answers(&self, bytes: &[u8]) -> Vec<Option<i64>> {
        match self.kind {
            IndexKind::Offset => offset_answers(bytes, self.segment.base, self.headers),
            _ => time_answers(bytes, self.segment.base, self.headers),
        }
    }

    /// The batches that a time index names.
    fn named(&self, bytes: &[u8]) -> Vec<(i64, Option<i64>)> {
        let base = self.segment.base;
        let named = |&(time, offset): &(i64, i64)| {
            let batch = self.headers.iter().find(|batch| batch.last_offset >= base + offset);
            (time, batch.map(|batch| batch.position))
        };
        pairs(bytes, 12).iter().map(named).collect()
    }

    /// Flips the bits. Where no more is told than of the sound file, or only a note, all answers
    /// must be as before; and where nothing is told, it must be known why.
    fn flip_bits(&self) -> Told {
        let sound = self.judge(&self.index);
        let before = self.answers(&self.index);
        let mut told = Told::default();
        for bit in flipped_bytes(self.index.len()).flat_map(|byte| byte * 8..byte * 8 + 8) {
            let mut bytes = self.index.clone();
            bytes[bit / 8] ^= 0x80 >> (bit % 8);
            let found = self.judge(&bytes);
            // In an index that was not trimmed, what is behind the last entry that agrees may be
            // what a truncation left there: a broker that starts writes such an index anew.
            let may_be_left = |finding: &Finding| {
                matches!(finding.problem, Problem::IndexZeroTail { sealed: false, .. })
            };
            let may_be_left = found.iter().any(may_be_left);
            let falls = found.iter().any(|f| matches!(f.problem, Problem::IndexOrder { .. }));
            let rises = !falls && !may_be_left;
            for finding in found.iter().filter(|_| rises) {
                expect_lost(finding, &bytes, self.segment.base, self.headers);
            }
            if found.iter().any(|finding| finding.severity() > Severity::Note) {
                told[0] += 1;
                continue;
            }
            let place = format!("byte {}, bit {}: {found:?}", bit / 8, bit % 8);
            assert!(may_be_left || self.answers(&bytes) == before, "{place}");
            told[if found == sound { 2 } else { 1 }] += 1;
            if found == sound {
                // The file has that note already, or another offset of the same batch is named, as
                // old brokers do.
                let is_same_batch = || self.named(&bytes) == self.named(&self.index);
                let is_known = !sound.is_empty() || self.kind == IndexKind::Time && is_same_batch();
                assert!(is_known, "{place}");
            }
        }
        told
    }
}

/// Which bytes are flipped of an index of this many: of the zeros behind the entries of brokers
/// that were killed, some.
fn flipped_bytes(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |&byte| byte < 600 || byte % 97 == 0 || byte + 30 > length)
}

#[test]
fn every_flipped_bit_is_told_or_makes_no_difference() {
    let totals = Mutex::new([Told::default(); 2]);
    in_parallel(&partitions(&testdata()), |partition| {
        for segment in segments_of(partition) {
            let headers = headers(&fs::read(&segment.log).unwrap());
            let kinds = [("index", IndexKind::Offset), ("timeindex", IndexKind::Time)];
            for (at, (extension, kind)) in kinds.into_iter().enumerate() {
                let Some(index) = segment.file(extension) else { continue };
                let flipped = Flipped { segment: &segment, headers: &headers, kind, index };
                let told = flipped.flip_bits();
                for (total, told) in totals.lock().unwrap()[at].iter_mut().zip(told) {
                    *total += told;
                }
            }
        }
    });
    let [index, time_index] = totals.into_inner().unwrap();
    println!("told, as a note, not: offset indexes {index:?}, time indexes {time_index:?}");
    assert!(index[0] > 10_000 && time_index[0] > 10_000);
}
