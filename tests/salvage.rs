//! One batch of a thousand is destroyed, each in turn and in every way there is: the other 999 are
//! found where they stand then, and nothing else is taken for a batch.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::batches::{BatchV2, Frame, frames, message};
use common::{Random, files_ending, in_parallel, partitions_called};
use segkit::format::Offset;
use segkit::limits::Limits;
use segkit::log::FileBytes;
use segkit::log::runs::{Bounds, Piece, Scanner};
use std::fs;
use std::ops::Range;
use std::path::Path;

const BATCHES: usize = 1_000;
/// After every so many batches that are destroyed the whole file is walked; otherwise only from a
/// little before the damage to a little behind it. The rest is bytes that are as they were.
const WHOLE_WALKS: usize = 50;
/// In how many of the ways each batch is destroyed, other ones than the batch before it.
const WAYS_EACH: usize = 4;
/// How many batches before and behind the damage are walked.
const AROUND: usize = 6;
const SECTOR: usize = 512;

/// Batches end to end, with offsets that rise, and where each stands.
struct Log {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
    offsets: Vec<i64>,
}

impl Log {
    /// `BATCHES` of these, over and over, each with offsets behind those of the one before.
    fn of(batches: &[Vec<u8>]) -> Self {
        let mut log = Self { bytes: Vec::new(), ranges: Vec::new(), offsets: Vec::new() };
        let mut offset = 0_i64;
        for batch in batches.iter().cycle().take(BATCHES) {
            let start = log.bytes.len();
            log.bytes.extend(batch);
            // The first offset in magic 2, the last one before. Neither is under the checksum.
            let span = match batch[16] {
                2 => i64::from(i32::from_be_bytes(batch[23..27].try_into().unwrap())) + 1,
                _ => 50,
            };
            let stored = if batch[16] == 2 { offset } else { offset + span - 1 };
            log.bytes[start..start + 8].copy_from_slice(&stored.to_be_bytes());
            log.ranges.push(start..log.bytes.len());
            log.offsets.push(offset);
            offset += span;
        }
        log
    }

    /// The batches of real partitions.
    fn real(partitions: &[&str]) -> Self {
        let mut batches = Vec::new();
        for directory in partitions.iter().flat_map(|name| partitions_called(name)) {
            for path in files_ending(&directory, ".log") {
                let bytes = fs::read(path).unwrap();
                let of = |frame: &Frame| bytes[frame.position..frame.end()].to_vec();
                batches.extend(frames(&bytes).iter().map(of));
            }
        }
        assert!(batches.len() > 50);
        Self::of(&batches)
    }

    /// Where batches prove themselves in `bytes`, walked from `range.start`, where one begins.
    fn proved(&self, bytes: &[u8], range: Range<usize>, last_proved: Option<i64>) -> Vec<usize> {
        let file = FileBytes::owned(Path::new("log"), bytes.to_vec());
        let bounds = Bounds {
            last_proved: last_proved.map(Offset),
            segment_base: Some(Offset(0)),
            next_segment_base: None,
        };
        let range = range.start as u64..range.end as u64;
        let mut scanner = Scanner::new(&file, range, bounds, Limits::STANDARD);
        let mut found = Vec::new();
        while let Some(piece) = scanner.next().unwrap() {
            if let Piece::Proved(batch) = piece {
                found.push(batch.position().0 as usize);
            }
        }
        found
    }

    /// Checks that all batches but `lost` are found, and nothing else, when what was destroyed made
    /// the file `grown` bytes longer behind the beginning of batch `at`.
    fn check(
        &self,
        bytes: &[u8],
        at: usize,
        lost: &[usize],
        grown: isize,
        whole: bool,
        what: &str,
    ) {
        let (from, to) = match whole {
            true => (0, BATCHES),
            false => (at.saturating_sub(AROUND), (at + AROUND).min(BATCHES)),
        };
        let begin = |number: usize| match self.ranges.get(number) {
            Some(range) if number <= at => range.start,
            Some(range) => range.start.saturating_add_signed(grown),
            None => bytes.len(),
        };
        // What has another offset or epoch may be found or not: its checksum agrees.
        let is_free = |number: &usize| {
            let range = &self.ranges[*number];
            grown == 0
                && !lost.contains(number)
                && bytes[range.clone()] != self.bytes[range.clone()]
        };
        let free: Vec<usize> = (from..to).filter(is_free).collect();
        let kept = (from..to).filter(|number| !lost.contains(number) && !free.contains(number));
        let expected: Vec<usize> = kept.map(begin).collect();
        let last_proved = self.offsets.get(from).filter(|_| from > 0).map(|offset| offset - 1);
        let mut found = self.proved(bytes, begin(from)..begin(to), last_proved);
        found.retain(|start| !free.iter().any(|number| self.ranges[*number].start == *start));
        assert_eq!(found, expected, "{what} at batch {at} of bytes {:?}", self.ranges[at]);
    }
}

/// What is done to the batch at `range`, and by how much the file grows; `None` where the batch is
/// too small for it.
type Destroy = fn(&mut Vec<u8>, Range<usize>, &mut Random) -> Option<isize>;

/// What was put in or taken out must not leave the batch whole beside it.
fn spliced(bytes: &mut Vec<u8>, at: Range<usize>, with: &[u8]) -> isize {
    let grown = with.len() as isize - at.len() as isize;
    bytes.splice(at, with.iter().copied());
    grown
}

const WAYS: [(&str, Destroy); 12] = [
    ("header of noise", |bytes, range, random| {
        let header = range.start..range.end.min(range.start + 61);
        bytes[header.clone()].copy_from_slice(&random.bytes(header.len()));
        Some(0)
    }),
    ("header of zeros", |bytes, range, _| {
        bytes[range.start..range.end.min(range.start + 61)].fill(0);
        Some(0)
    }),
    ("length", |bytes, range, random| {
        bytes[range.start + 8..range.start + 12].copy_from_slice(&random.bytes(4));
        Some(0)
    }),
    ("length that leads to another batch", |bytes, range, random| {
        // Batches are all alike to someone who hops from length to length.
        let ends = frames(&bytes[range.start..]);
        if ends.len() == 1 {
            return None;
        }
        let end = ends[random.below(ends.len() - 1).min(300) + 1].end();
        bytes[range.start + 8..range.start + 12].copy_from_slice(&(end as i32 - 12).to_be_bytes());
        (end != range.len()).then_some(0)
    }),
    ("payload", |bytes, range, random| {
        let from = range.start + 24 + random.below(range.len() - 25);
        let count = 1 + random.below(range.end - from - 1);
        bytes[from..from + count].copy_from_slice(&random.bytes(count));
        Some(0)
    }),
    ("one bit", |bytes, range, random| {
        let framing = if bytes[range.start + 16] == 2 { 16 } else { 12 };
        let bit = random.below(8 * (range.len() - framing));
        bytes[range.start + framing + bit / 8] ^= 1 << (bit % 8);
        Some(0)
    }),
    ("zeroed sector", |bytes, range, random| {
        let sector = (range.start + random.below(range.len())) / SECTOR * SECTOR;
        let end = (sector + SECTOR).min(bytes.len());
        bytes[sector..end].fill(0);
        Some(0)
    }),
    ("swapped sectors", |bytes, range, random| {
        let first = range.start.next_multiple_of(SECTOR);
        let count = (range.end.saturating_sub(first)) / SECTOR;
        let (one, two) = (random.below(count), random.below(count));
        let (one, two) = (first + one.min(two) * SECTOR, first + one.max(two) * SECTOR);
        if one == two {
            return None;
        }
        let (front, back) = bytes.split_at_mut(two);
        front[one..one + SECTOR].swap_with_slice(&mut back[..SECTOR]);
        Some(0)
    }),
    ("cut", |bytes, range, random| {
        let from = range.start + 1 + random.below(range.len() - 2);
        let count = 1 + random.below(range.end - from - 1);
        Some(spliced(bytes, from..from + count, &[]))
    }),
    ("cut of a byte", |bytes, range, random| {
        let from = range.start + random.below(range.len());
        Some(spliced(bytes, from..from + 1, &[]))
    }),
    ("bytes put in", |bytes, range, random| {
        let from = range.start + 1 + random.below(range.len() - 1);
        let count = 1 + random.below(700);
        Some(spliced(bytes, from..from, &random.bytes(count)))
    }),
    ("a byte put in", |bytes, range, random| {
        let from = range.start + 1 + random.below(range.len() - 1);
        Some(spliced(bytes, from..from, &random.bytes(1)))
    }),
];

/// Destroys every batch in turn in so many of the ways. Only the batch that is hit is lost, and
/// those beside it that share its sector.
fn destroy_each(log: &Log, name: &str, ways: usize, whole_walks: usize) {
    let numbers: Vec<usize> = (0..BATCHES).collect();
    let all: Vec<usize> = log.ranges.iter().map(|range| range.start).collect();
    assert_eq!(log.proved(&log.bytes, 0..log.bytes.len(), None), all, "{name}");
    in_parallel(&numbers, |&at| {
        let range = log.ranges[at].clone();
        for way in (at * ways..at * ways + ways).map(|way| way % WAYS.len()) {
            let (what, destroy) = &WAYS[way];
            let mut random = Random::new((at * WAYS.len() + way) as u64);
            let mut bytes = log.bytes.clone();
            let Some(grown) = destroy(&mut bytes, range.clone(), &mut random) else { continue };
            let whole = &log.bytes[range.clone()];
            let shifted = range.start.saturating_add_signed(grown);
            let is_whole = |at: usize| bytes[at..].starts_with(whole);
            if bytes == log.bytes || is_whole(range.start) || is_whole(shifted) {
                continue;
            }
            let touched = |number: &usize| {
                if grown != 0 {
                    return *number == at;
                }
                let range = log.ranges[*number].clone();
                let (new, old) = (&bytes[range.clone()], &log.bytes[range]);
                // The epoch of magic 2 and the offset are not under the checksum.
                let free = if old[16] == 2 { 12..16 } else { 0..8 };
                let is_free = |byte: usize| byte < 8 || free.contains(&byte);
                (0..old.len()).any(|byte| !is_free(byte) && new[byte] != old[byte])
            };
            let near = at.saturating_sub(20)..(at + 20).min(BATCHES);
            let lost: Vec<usize> = near.filter(touched).collect();
            if !lost.contains(&at) {
                continue;
            }
            assert!(lost.len() == 1 || *what == "zeroed sector");
            let what = format!("{name}: {what}");
            let is_due = (at + way).is_multiple_of(whole_walks);
            log.check(&bytes, at, &lost, grown, is_due, &what);
        }
    });
}

const NEWEST: [&str; 8] = [
    "codec-none-0",
    "codec-gzip-0",
    "codec-snappy-0",
    "codec-lz4-0",
    "codec-zstd-0",
    "txn-0",
    "shapes-0",
    "rdkafka-none-0",
];
const OLDER: [&str; 8] = [
    "magic0-none-0",
    "magic0-gzip-0",
    "magic0-snappy-0",
    "magic0-lz4-0",
    "magic1-none-0",
    "magic1-gzip-0",
    "magic1-snappy-0",
    "magic1-lz4-0",
];

/// Every value is a whole archived segment, with offsets that may come next, and so may its sizes.
fn archiving() -> Log {
    let archive = |at: i64| -> Vec<u8> {
        let inner = |i: i64| BatchV2::of_values(10 * at + i, &[b"archived", b"twice"]).bytes();
        (0..6).flat_map(inner).collect()
    };
    let batch = |at: i64| {
        let value = archive(at);
        let values: [&[u8]; 3] = [b"first", &value, b"a value behind it"];
        BatchV2::of_values(0, &values).bytes()
    };
    Log::of(&(0..BATCHES as i64).map(batch).collect::<Vec<_>>())
}

/// Batches of the same size, so that what is wrong by one is wrong by all of them.
fn equal() -> Log {
    Log::of(&[BatchV2::of_values(0, &[&[b'v'; 62]]).bytes()])
}

#[test]
fn one_of_a_thousand_costs_one_magic_2() {
    destroy_each(&Log::real(&NEWEST), "magic 2", WAYS_EACH, WHOLE_WALKS);
}

#[test]
fn one_of_a_thousand_costs_one_magic_0_and_1() {
    destroy_each(&Log::real(&OLDER), "magic 0 and 1", WAYS_EACH, WHOLE_WALKS);
}

#[test]
fn one_of_a_thousand_costs_one_of_equal_size() {
    destroy_each(&equal(), "equal", WAYS_EACH, WHOLE_WALKS);
    let small = message(1, 0, 0, 1_700_000_000_000, Some(b"value"));
    destroy_each(&Log::of(&[small]), "equal messages", WAYS_EACH, WHOLE_WALKS);
}

#[test]
fn one_of_a_thousand_costs_one_with_archives_inside() {
    destroy_each(&archiving(), "archives", WAYS_EACH, WHOLE_WALKS);
}

/// The same with every walk over the whole file: takes minutes.
#[test]
#[ignore = "minutes; the other tests walk the file around the damage"]
fn one_of_a_thousand_costs_one_on_whole_walks() {
    destroy_each(&Log::real(&NEWEST), "magic 2", WAYS.len(), 1);
    destroy_each(&Log::real(&OLDER), "magic 0 and 1", WAYS.len(), 1);
    destroy_each(&equal(), "equal", WAYS.len(), 1);
    destroy_each(&archiving(), "archives", WAYS.len(), 1);
}

/// What stands behind the last whole batch takes nothing away from those before it.
#[test]
fn a_tail_costs_nothing_before_it() {
    let real = Log::real(&NEWEST);
    let logs = [real, equal()];
    let noise = Random::new(7).bytes(30);
    let tails = [&b""[..], &[0], &[0; 5], &[0; 17], &[0; 600], &noise];
    for log in &logs {
        let (first, count) = (BATCHES - 41, BATCHES - 1);
        let of = |number: usize| log.bytes[log.ranges[number].clone()].to_vec();
        // The numbers of batches in the order they stand, the first of them damaged.
        for order in [vec![1], vec![2, 1], vec![3, 2, 1]] {
            for header in [false, true] {
                if header && order.len() > 1 {
                    continue;
                }
                for (which, tail) in tails.iter().copied().chain([&of(count)[..50]]).enumerate() {
                    let order = order.iter().map(|number| first + number);
                    let order: Vec<usize> = [first].into_iter().chain(order).collect();
                    let behind = first + order.len()..count;
                    let order: Vec<usize> = order.into_iter().chain(behind).collect();
                    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
                    for (place, number) in order.iter().enumerate() {
                        let (mut batch, start) = (of(*number), bytes.len());
                        match (place == 1, header) {
                            (true, true) => batch[..21].fill(0xa7),
                            (true, false) => batch[45] ^= 2,
                            _ => expected.push(start),
                        }
                        bytes.extend(batch);
                    }
                    bytes.extend(tail);
                    let found = log.proved(&bytes, 0..bytes.len(), None);
                    let what = format!("tail {which} header {header} order {:?}", &order[..4]);
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}
