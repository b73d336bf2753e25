//! Lookup by offset and by timestamp against a list of all records, for every partition that a
//! real broker wrote, with indexes as they are, missing, cut off at every length, full of garbage,
//! all zeros, and with their entries in another order. An index makes an answer fast, never wrong.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::{Random, files_ending, in_parallel, log_start_checkpoint, partitions, testdata};
use segkit::format::{Batches, Offset, Position, Scratch};
use segkit::limits::Limits;
use segkit::log::lookup::{Hit, MissReason, Outcome};
use segkit::log::{Access, OpenPartition, PartitionDir, Workspace};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A record and where it is.
#[derive(Clone, Copy, Debug)]
struct Known {
    offset: i64,
    timestamp: i64,
    segment: usize,
    position: u64,
}

/// All records of a partition, gone through from front to back: the oracle.
struct Oracle {
    records: Vec<Known>,
    log_start: i64,
    log_end: i64,
}

/// What the oracle says about an offset.
#[derive(Debug)]
enum Answer {
    BelowLogStart,
    PastLogEnd,
    Gap { next_offset: Option<i64> },
    At(Known),
}

impl Oracle {
    fn new(directory: &Path, log_start: Option<i64>) -> Self {
        let mut scratch = Scratch::new(Limits::STANDARD.decompressed_bytes);
        let mut records = Vec::new();
        let (mut first_base, mut log_end) = (None, 0);
        for (segment, log) in files_ending(directory, ".log").iter().enumerate() {
            let base: i64 = log.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            first_base = first_base.or(Some(base));
            log_end = base;
            let bytes = fs::read(log).unwrap();
            // A healthy log: batches, then nothing or zeros.
            for batch in Batches::new(&bytes, Position(0)).map_while(Result::ok) {
                let position = batch.position().0;
                for record in batch.records(&mut scratch).unwrap() {
                    let record = record.unwrap();
                    let (offset, timestamp) = (record.offset.0, record.timestamp);
                    records.push(Known { offset, timestamp, segment, position });
                }
                log_end = batch.last_offset().0 + 1;
            }
        }
        Self { records, log_start: log_start.max(first_base).unwrap(), log_end }
    }

    fn offset(&self, target: i64) -> Answer {
        if target < self.log_start {
            return Answer::BelowLogStart;
        }
        match self.records.iter().find(|record| record.offset >= target) {
            Some(record) if record.offset == target => Answer::At(*record),
            _ if target >= self.log_end => Answer::PastLogEnd,
            next => Answer::Gap { next_offset: next.map(|record| record.offset) },
        }
    }

    fn time(&self, target: i64) -> Option<Known> {
        // -1 stands for no timestamp, and is never found.
        let wanted =
            |record: &&Known| record.timestamp >= target.max(0) && record.offset >= self.log_start;
        self.records.iter().find(wanted).copied()
    }

    /// Every offset from before the log start to behind the end.
    fn offsets(&self) -> Vec<i64> {
        let first = self.records.first().map_or(self.log_start, |record| record.offset);
        (first.min(self.log_start) - 2..=self.log_end + 2).collect()
    }

    /// Every timestamp there is, the one before and the one behind.
    fn timestamps(&self) -> Vec<i64> {
        let around = |record: &Known| record.timestamp - 1..=record.timestamp + 1;
        let mut timestamps: Vec<i64> = self.records.iter().flat_map(around).collect();
        timestamps.extend([i64::MIN, -1, 0, 1, i64::MAX]);
        timestamps.sort_unstable();
        timestamps.dedup();
        timestamps
    }
}

/// A copy of a partition whose indexes can be spoilt.
struct Copy {
    directory: tempfile::TempDir,
    name: String,
    oracle: Oracle,
    log_start: Option<i64>,
    /// Path and bytes of each index and time index, as the broker wrote them.
    indexes: Vec<(std::path::PathBuf, Vec<u8>)>,
}

impl Copy {
    fn new(partition: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut indexes = Vec::new();
        for end in [".log", ".index", ".timeindex"] {
            for file in files_ending(partition, end) {
                let (bytes, path) = (fs::read(&file).unwrap(), file.file_name().unwrap());
                let path = directory.path().join(path);
                fs::write(&path, &bytes).unwrap();
                if end != ".log" {
                    indexes.push((path, bytes));
                }
            }
        }
        let log_start = log_start_checkpoint(partition);
        let oracle = Oracle::new(directory.path(), log_start);
        let name = partition.display().to_string();
        Self { directory, name, oracle, log_start, indexes }
    }

    /// Writes every index anew, as `spoil` makes it of the broker's; `None` takes it away.
    fn spoil(&self, mut spoil: impl FnMut(&[u8], usize) -> Option<Vec<u8>>) {
        for (path, bytes) in &self.indexes {
            let entry_bytes = if path.extension().unwrap() == "index" { 8 } else { 12 };
            match spoil(bytes, entry_bytes) {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
    }

    fn open(&self, access: Access) -> OpenPartition {
        let directory = PartitionDir::open(self.directory.path()).unwrap();
        OpenPartition::new(directory, self.log_start.map(Offset), access, Limits::STANDARD)
    }

    /// Asks for `offsets` and `timestamps`, and compares every answer.
    fn check(&self, how: &str, access: Access, offsets: &[i64], timestamps: &[i64]) -> usize {
        let open = self.open(access);
        let mut workspace = Workspace::new(&Limits::STANDARD);
        for &target in offsets {
            let outcome = open.offset(Offset(target), &mut workspace).unwrap().outcome;
            let wanted = self.oracle.offset(target);
            let is_same = match (&wanted, &outcome) {
                (Answer::At(known), Outcome::Hit(hit)) => is_at(known, hit),
                (Answer::BelowLogStart, Outcome::Miss(miss)) => {
                    miss.reason == MissReason::BelowLogStart
                }
                (Answer::PastLogEnd, Outcome::Miss(miss)) => miss.reason == MissReason::PastLogEnd,
                (Answer::Gap { next_offset }, Outcome::Miss(miss)) => {
                    let next_offset = next_offset.map(Offset);
                    miss.reason == MissReason::Gap { next_offset, damage: None }
                }
                _ => false,
            };
            let what = format!("{} with {how}: offset {target}", self.name);
            assert!(is_same, "{what}: {wanted:?} is wanted, not {outcome:?}");
            self.check_ends(&what, &outcome);
        }
        for &target in timestamps {
            let outcome = open.time(target, &mut workspace).unwrap().outcome;
            let wanted = self.oracle.time(target);
            let is_same = match (&wanted, &outcome) {
                (Some(known), Outcome::Hit(hit)) => is_at(known, hit),
                (None, Outcome::Miss(miss)) => miss.reason == MissReason::NoSuchTime,
                _ => false,
            };
            let what = format!("{} with {how}: time {target}", self.name);
            assert!(is_same, "{what}: {wanted:?} is wanted, not {outcome:?}");
            self.check_ends(&what, &outcome);
        }
        offsets.len() + timestamps.len()
    }

    fn check_ends(&self, what: &str, outcome: &Outcome) {
        let Outcome::Miss(miss) = outcome else { return };
        let ends = (miss.log_start_offset.0, miss.log_end.offset.0);
        assert_eq!(ends, (self.oracle.log_start, self.oracle.log_end), "{what}: start and end");
    }

    /// At most `count` of the offsets and as many of the timestamps, others each time.
    fn check_some(&self, how: &str, random: &mut Random, count: usize) -> usize {
        let some = |all: Vec<i64>, random: &mut Random| -> Vec<i64> {
            if all.len() <= count {
                return all;
            }
            (0..count).map(|_| all[random.below(all.len())]).collect()
        };
        let offsets = some(self.oracle.offsets(), random);
        let timestamps = some(self.oracle.timestamps(), random);
        let access = if random.below(4) == 0 { Access::Read } else { Access::Map };
        self.check(how, access, &offsets, &timestamps)
    }
}

fn is_at(known: &Known, hit: &Hit) -> bool {
    (known.offset, known.timestamp) == (hit.offset.0, hit.timestamp)
        && (known.segment, known.position) == (hit.place.segment, hit.place.position.0)
        && hit.base_offset <= hit.offset
        && hit.offset <= hit.last_offset
}

/// Runs `check` on a copy of every partition, and sees to it that it asked at least `least` times.
fn for_every_partition(least: usize, check: impl Fn(&Copy) -> usize + Sync) {
    let asked = AtomicUsize::new(0);
    in_parallel(&partitions(&testdata()), |partition| {
        asked.fetch_add(check(&Copy::new(partition)), Ordering::Relaxed);
    });
    let asked = asked.into_inner();
    assert!(asked >= least, "only {asked} questions were asked");
}

#[test]
fn every_offset_and_time_with_indexes_as_they_are() {
    for_every_partition(10_000, |copy| {
        let (offsets, timestamps) = (copy.oracle.offsets(), copy.oracle.timestamps());
        copy.check("its indexes", Access::Map, &offsets, &timestamps)
            + copy.check("its indexes, read", Access::Read, &offsets, &timestamps)
    });
}

#[test]
fn every_offset_and_time_without_indexes() {
    for_every_partition(10_000, |copy| {
        copy.spoil(|_, _| None);
        let (offsets, timestamps) = (copy.oracle.offsets(), copy.oracle.timestamps());
        copy.check("no index", Access::Map, &offsets, &timestamps)
    });
}

/// Both kinds of index in every segment cut off at the same length, for every length there is; in
/// the zeros of a preallocated index two entries are enough.
#[test]
fn indexes_cut_off_at_every_length() {
    for_every_partition(10_000, |copy| {
        let mut random = Random::new(copy.oracle.log_end.unsigned_abs());
        let entries = |bytes: &[u8]| bytes.len() - trailing_zeros(bytes);
        let longest = copy.indexes.iter().map(|(_, bytes)| entries(bytes)).max().unwrap_or(0);
        let questions = 4000 / (longest + 24) + 4;
        let cut = |length: usize| {
            for (path, _) in copy.indexes.iter().filter(|(_, bytes)| bytes.len() > length) {
                let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(length as u64).unwrap();
            }
            copy.check_some(&format!("indexes cut off at {length}"), &mut random, questions)
        };
        // From long to short, so that what was cut off before is cut off further.
        (0..=longest + 24).rev().map(cut).sum()
    });
}

fn trailing_zeros(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|&&byte| byte == 0).count()
}

#[test]
fn indexes_full_of_garbage() {
    for_every_partition(10_000, |copy| {
        let garbage = |seed: u64| {
            let mut random = Random::new(seed);
            copy.spoil(|bytes, entry_bytes| {
                let longest = bytes.len().min(2000).max(4 * entry_bytes);
                let length = random.below(longest) + 1;
                Some(random.bytes(length))
            });
            let asked = copy.check_some(&format!("garbage {seed}"), &mut random, 25);
            // Garbage that looks like entries: numbers as small as true ones, in rising order.
            copy.spoil(|bytes, entry_bytes| Some(likely(bytes, entry_bytes, &mut random)));
            asked + copy.check_some(&format!("likely garbage {seed}"), &mut random, 25)
        };
        (1..=6).map(garbage).sum()
    });
}

/// Entries with fields of the broker's entries and near them, mixed, in rising order.
fn likely(bytes: &[u8], entry_bytes: usize, random: &mut Random) -> Vec<u8> {
    let near = |at: &[u8], random: &mut Random| {
        let value = u32::from_be_bytes(at.try_into().unwrap());
        (value.wrapping_add(random.below(200) as u32)).wrapping_sub(100) & 0x7fff_ffff
    };
    let count = bytes.len() / entry_bytes;
    let mut entries: Vec<Vec<u8>> = (0..count.min(60))
        .map(|_| {
            let of = |random: &mut Random| {
                let at = random.below(count) * entry_bytes;
                &bytes[at..at + entry_bytes]
            };
            let (one, other) = (of(random), of(random));
            let mut entry = one.to_vec();
            let half = entry_bytes - 4;
            entry[half..].copy_from_slice(&near(&other[half..], random).to_be_bytes());
            entry[half - 4..half]
                .copy_from_slice(&near(&one[half - 4..half], random).to_be_bytes());
            entry
        })
        .collect();
    entries.sort();
    entries.concat()
}

#[test]
fn indexes_of_zeros() {
    for_every_partition(5_000, |copy| {
        let mut random = Random::new(7);
        let mut asked = 0;
        for entries in [1, 2, 3, 341] {
            copy.spoil(|_, entry_bytes| Some(vec![0; entries * entry_bytes]));
            asked += copy.check_some(&format!("{entries} zero entries"), &mut random, 40);
        }
        asked
    });
}

#[test]
fn indexes_with_entries_in_another_order() {
    for_every_partition(10_000, |copy| {
        let swapped = |seed: u64| {
            let mut random = Random::new(seed);
            copy.spoil(|bytes, entry_bytes| {
                let mut entries: Vec<&[u8]> = bytes.chunks_exact(entry_bytes).collect();
                match seed {
                    1 => entries.reverse(),
                    2 => entries.iter_mut().for_each(|entry| *entry = &bytes[..entry_bytes]),
                    _ => {
                        let filled =
                            (bytes.len() - trailing_zeros(bytes)).div_ceil(entry_bytes).max(1);
                        for _ in 0..seed {
                            let (a, b) = (random.below(filled), random.below(filled));
                            if a.max(b) < entries.len() {
                                entries.swap(a, b);
                            }
                        }
                    }
                }
                Some(entries.concat())
            });
            copy.check_some(&format!("entries swapped {seed}"), &mut random, 40)
        };
        (1..=6).map(swapped).sum()
    });
}

/// The index of another segment, whose entries are sound but speak of another log.
#[test]
fn indexes_of_other_segments() {
    for_every_partition(2_000, |copy| {
        let others: Vec<Vec<u8>> = copy.indexes.iter().map(|(_, bytes)| bytes.clone()).collect();
        let mut random = Random::new(11);
        let mut asked = 0;
        for shift in 1..others.len().min(5) {
            let mut at = 0;
            copy.spoil(|_, _| {
                at += 1;
                Some(others[(at - 1 + shift) % others.len()].clone())
            });
            asked += copy.check_some(&format!("indexes shifted {shift}"), &mut random, 60);
        }
        asked
    });
}

/// A time index with one entry, which names the greatest timestamp of a batch, but not the greatest
/// up to there.
#[test]
fn a_time_index_that_names_the_wrong_batch() {
    for_every_partition(1000, |copy| {
        let mut random = Random::new(5);
        let ends = copy.oracle.records.chunk_by(|a, b| a.position == b.position);
        let lies: Vec<(i64, i64)> = ends
            .map(|batch| {
                let greatest = batch.iter().map(|record| record.timestamp).max().unwrap();
                (greatest, batch.last().unwrap().offset)
            })
            .collect();
        let mut asked = 0;
        for (timestamp, offset) in lies.iter().take(40) {
            for (path, _) in &copy.indexes {
                let base: i64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                let is_time = path.extension().unwrap() == "timeindex";
                if is_time && let Ok(relative) = u32::try_from(offset - base) {
                    let entry = [&timestamp.to_be_bytes()[..], &relative.to_be_bytes()].concat();
                    fs::write(path, entry).unwrap();
                }
            }
            asked += copy.check_some(&format!("a lie about {timestamp}"), &mut random, 100);
        }
        asked
    });
}
