//! Every offset of every partition against a walk from the front, with indexes that are sound,
//! missing, empty, wrong in one entry or of another segment, and with damage anywhere.

use super::tests::{partition, replica, replicas, testdata};
use super::{Location, Partition, Replica, Slot, Wanted};
use crate::format::batch_header::BatchHeader;
use crate::format::offset_index::OffsetIndex;
use crate::format::{Offset, Position};
use crate::log::loaded::Hole;
use crate::log::partition::FileEntry;
use crate::serve::files::OpenFiles;
use std::path::Path;

const SIZES: [u64; 5] = [0, 1, 60, 4096, 1 << 20];

/// What a segment is made of, from its front on.
#[derive(Clone, Copy, Debug)]
enum Item {
    Batch(Position, BatchHeader),
    Hole(Position),
}

struct Walked {
    base: Offset,
    next_base: Offset,
    end: Position,
    items: Vec<Item>,
    index: Vec<(Offset, Position)>,
}

/// All of a partition by reading its files whole.
fn walk(partition: &Partition) -> Vec<Walked> {
    let mut all = Vec::new();
    for (place, segment) in partition.segments().iter().enumerate() {
        let bytes = std::fs::read(&segment.files.log.path).unwrap();
        let (mut at, mut items) = (Position(0), Vec::new());
        while at < segment.end {
            if let Some(hole) = segment.holes.iter().find(|hole| hole.start == at) {
                assert_eq!(hole.segment, place);
                items.push(Item::Hole(at));
                at = hole.end;
                continue;
            }
            let header = BatchHeader::parse(&bytes[usize::try_from(at.0).unwrap()..]).unwrap();
            items.push(Item::Batch(at, header));
            at = at.plus(header.size);
        }
        let index = segment.files.index.as_ref().map(|entry| std::fs::read(&entry.path).unwrap());
        let index = index.unwrap_or_default();
        let entries = OffsetIndex::new(&index, segment.base).iter();
        let index = entries.filter_map(|entry| Some((entry.offset, entry.log_position()?)));
        let (base, next_base, end) = (segment.base, segment.next_base, segment.end);
        all.push(Walked { base, next_base, end, items, index: index.collect() });
    }
    all
}

#[derive(Debug, PartialEq)]
enum Expected {
    OutOfRange,
    Nothing,
    Damaged(Position),
    /// Segment, start, end of the range.
    Bytes(usize, u64, u64),
}

fn expected(partition: &Partition, all: &[Walked], wanted: Wanted) -> Expected {
    let Wanted { from, below, max_bytes, at_least_one_batch } = wanted;
    if from < partition.log_start || from > partition.log_end {
        return Expected::OutOfRange;
    }
    if from >= below {
        return Expected::Nothing;
    }
    let first = all.iter().rposition(|segment| segment.base <= from).unwrap();
    for (place, segment) in all.iter().enumerate().skip(first) {
        if segment.base >= below {
            break;
        }
        for (number, item) in segment.items.iter().enumerate() {
            let (at, header) = match *item {
                Item::Batch(at, header) => (at, header),
                Item::Hole(start) if !partition.skip_damaged => {
                    let behind = segment.items[number + 1..].iter().find_map(|item| match item {
                        Item::Batch(_, header) => Some(header),
                        Item::Hole(..) => None,
                    });
                    let is_behind = behind.is_some_and(|header| match header.base_offset {
                        Some(base) => base <= from,
                        None => header.last_offset <= from,
                    });
                    if is_behind {
                        continue;
                    }
                    return Expected::Damaged(start);
                }
                Item::Hole(..) => continue,
            };
            if header.last_offset < from {
                continue;
            }
            let stop = segment.items[number..].iter().find_map(|item| match item {
                Item::Batch(at, header) => (header.last_offset >= below).then_some(*at),
                Item::Hole(start) => Some(*start),
            });
            let there = stop.unwrap_or(segment.end).0 - at.0;
            let length = match at_least_one_batch {
                _ if there == 0 => return Expected::Nothing,
                true => max_bytes.max(header.size).min(there),
                false if max_bytes < header.size => return Expected::Nothing,
                false => max_bytes.min(there),
            };
            return Expected::Bytes(place, at.0, at.0 + length);
        }
    }
    Expected::Nothing
}

fn found(partition: &Partition, files: &OpenFiles, wanted: Wanted) -> (Expected, Option<Offset>) {
    match partition.locate(files, wanted).unwrap() {
        Location::OutOfRange => (Expected::OutOfRange, None),
        Location::Nothing => (Expected::Nothing, None),
        Location::Damaged(hole) => (Expected::Damaged(hole.start), None),
        Location::Busy => panic!("all descriptors are in use"),
        Location::Bytes(located) => {
            let range = located.range;
            assert_eq!(range.warm_to, range.at);
            let is_it = |id| partition.segments().iter().position(|segment| segment.id == id);
            let place = is_it(range.file.id).unwrap();
            let bytes = Expected::Bytes(place, range.at, range.end);
            (bytes, Some(located.upper_bound))
        }
    }
}

/// No batch that begins in the range may hold the bound or anything behind it.
fn is_bound(segment: &Walked, start: u64, end: u64, bound: Offset) -> bool {
    bound <= segment.next_base
        && segment.items.iter().all(|item| match item {
            Item::Batch(at, header) if at.0 >= start && at.0 < end => header.last_offset < bound,
            _ => true,
        })
}

fn whole(from: i64, below: Offset, max_bytes: u64, at_least_one_batch: bool) -> Wanted {
    Wanted { from: Offset(from), below, max_bytes, at_least_one_batch }
}

/// Offsets at which something may go wrong: the edges of batches and segments.
fn edges(partition: &Partition, all: &[Walked]) -> Vec<i64> {
    let mut edges = vec![partition.log_start.0 - 1, partition.log_end.0, partition.log_end.0 + 1];
    for segment in all {
        edges.extend([segment.base.0, segment.next_base.0 - 1]);
        for item in &segment.items {
            if let Item::Batch(_, header) = item {
                let (first, last) = (header.first_known_offset().0, header.last_offset.0);
                edges.extend([first - 1, first, i64::midpoint(first, last), last]);
            }
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Compares at the edges; `files` keep what they have learned.
fn compare(partition: &Partition, all: &[Walked], files: &OpenFiles, case: &str) {
    for from in edges(partition, all) {
        for (max_bytes, at_least_one) in [(0, true), (700, false), (1 << 20, true)] {
            let wanted = whole(from, partition.log_end, max_bytes, at_least_one);
            let (found, bound) = found(partition, files, wanted);
            let expected = expected(partition, all, wanted);
            assert_eq!(found, expected, "{case}: {wanted:?} of {}", partition.topic);
            if let Expected::Bytes(place, start, end) = found {
                assert!(is_bound(&all[place], start, end, bound.unwrap()), "{case}: {wanted:?}");
            }
        }
    }
}

#[test]
fn every_offset_of_every_partition() {
    let (mut compared, mut partial) = (0, 0);
    for replica in replicas() {
        let partition = partition(replica);
        let (all, files) = (walk(&partition), OpenFiles::new(8, 1 << 20));
        for from in partition.log_start.0 - 1..=partition.log_end.0 + 1 {
            for max_bytes in SIZES {
                for at_least_one in [true, false] {
                    let wanted = whole(from, partition.log_end, max_bytes, at_least_one);
                    let (found, bound) = found(&partition, &files, wanted);
                    assert_eq!(found, expected(&partition, &all, wanted), "{wanted:?}");
                    compared += 1;
                    let Expected::Bytes(place, start, end) = found else { continue };
                    let segment = &all[place];
                    assert!(is_bound(segment, start, end, bound.unwrap()));
                    // As a broker says it.
                    let entry = segment.index.iter().find(|(_, position)| position.0 >= end);
                    let entry = entry.filter(|(_, position)| *position < segment.end);
                    assert_eq!(bound, Some(entry.map_or(segment.next_base, |entry| entry.0)));
                    partial += usize::from(end < segment.end.0);
                }
            }
        }
        let snapshot = files.snapshot();
        assert_eq!(snapshot.indexes_distrusted, 0, "{:?}", partition.dir().path());
    }
    assert!(compared > 100_000 && partial > 10_000, "{compared} {partial}");
}

/// Below any offset, as below a last stable offset: it is cut where a batch begins.
#[test]
fn nothing_at_or_behind_the_end_that_is_asked_for() {
    for name in ["kafka-4.3.1/txn-open-0", "kafka-4.3.1/lookup-0", "kafka-2.8.2/txn-0"] {
        let path = testdata().join(name);
        let all = walk(&partition(replica(&path)));
        let edges = edges(&partition(replica(&path)), &all);
        for &below in edges.iter().step_by(7) {
            let partition = partition(replica(&path));
            let (below, files) = (Offset(below), OpenFiles::new(8, 1 << 20));
            for &from in edges.iter().step_by(3) {
                let below = below.min(partition.log_end);
                let wanted = whole(from, below, 1 << 20, true);
                let (found, _) = found(&partition, &files, wanted);
                assert_eq!(found, expected(&partition, &all, wanted), "{wanted:?}");
            }
        }
    }
}

/// From a segment's number and all indexes to its own.
type Change = dyn Fn(usize, &[Vec<u8>]) -> Option<Vec<u8>>;

/// Replicas whose indexes `change` has changed; those that it gives none are without.
fn with_indexes(root: &Path, mut replica: Replica, change: &Change) -> Replica {
    let read = |entry: &Option<FileEntry>| {
        entry.as_ref().map(|entry| std::fs::read(&entry.path).unwrap()).unwrap_or_default()
    };
    let before: Vec<_> = replica.dir.segments.iter().map(|files| read(&files.index)).collect();
    for (place, files) in replica.dir.segments.iter_mut().enumerate() {
        files.index = change(place, &before).map(|bytes| {
            let path = root.join(format!("{place}.index"));
            std::fs::write(&path, &bytes).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            FileEntry { path, size: metadata.len(), modified: metadata.modified().ok() }
        });
    }
    replica
}

const INDEXED: [&str; 5] = [
    "kafka-4.3.1/lookup-0",
    "kafka-3.9.2/lookup-0",
    "kafka-4.3.1/compact-txn-0",
    "kafka-2.8.2/magic1-gzip-0",
    "kafka-4.3.1-killed/shapes-0",
];

#[test]
fn an_index_that_is_missing_empty_or_of_another_segment() {
    let root = tempfile::tempdir().unwrap();
    let changes: [(&str, &Change); 5] = [
        ("missing", &|_, _| None),
        ("empty", &|_, _| Some(Vec::new())),
        ("zeroed", &|place, all| Some(vec![0; all[place].len()])),
        ("another's", &|place, all| all.get(place + 1).or(all.first()).cloned()),
        ("of one byte too few", &|place, all| all[place].split_last().map(|(_, b)| b.to_vec())),
    ];
    for name in INDEXED {
        for (case, change) in &changes {
            let replica = with_indexes(root.path(), replica(&testdata().join(name)), change);
            let partition = partition(replica);
            let files = OpenFiles::new(8, 1 << 20);
            compare(&partition, &walk(&partition), &files, case);
        }
    }
}

#[test]
fn one_wrong_entry() {
    let root = tempfile::tempdir().unwrap();
    let mut distrusted = 0;
    for name in INDEXED {
        // Offset and position, made smaller and larger, by a little and by much.
        for (at, delta) in [(3, 1), (3, -1), (3, 7), (7, 1), (7, -1), (6, 1), (6, -1), (2, 1)] {
            for number in [0, 1, 5] {
                let change = move |place: usize, all: &[Vec<u8>]| {
                    let mut bytes = all[place].clone();
                    if let Some(byte) = bytes.get_mut(number * 8 + at) {
                        *byte = byte.wrapping_add_signed(delta);
                    }
                    Some(bytes)
                };
                let replica = with_indexes(root.path(), replica(&testdata().join(name)), &change);
                let partition = partition(replica);
                let files = OpenFiles::new(8, 1 << 20);
                compare(&partition, &walk(&partition), &files, &format!("{number} {at} {delta}"));
                distrusted += files.snapshot().indexes_distrusted;
            }
        }
    }
    assert!(distrusted > 50, "{distrusted}");
}

#[test]
fn a_hole_at_each_batch() {
    let mut holes = 0;
    for name in ["kafka-4.3.1/codec-none-0", "kafka-2.8.2/magic0-gzip-0", "kafka-4.3.1/txn-0"] {
        let path = testdata().join(name);
        let whole = walk(&partition(replica(&path)));
        for (segment, walked) in whole.iter().enumerate() {
            for (number, item) in walked.items.iter().enumerate() {
                let Item::Batch(start, header) = *item else { panic!("{item:?}") };
                // The log does not end with damage: its end is that of the last batch.
                if segment + 1 == whole.len() && number + 1 == walked.items.len() {
                    continue;
                }
                for skip_damaged in [false, true] {
                    let mut replica = replica(&path);
                    let end = start.plus(header.size);
                    replica.loaded.holes = vec![Hole { segment, start, end }];
                    replica.skip_damaged = skip_damaged;
                    let partition = partition(replica);
                    let files = OpenFiles::new(8, 1 << 20);
                    let case = format!("{segment} {start} {skip_damaged}");
                    compare(&partition, &walk(&partition), &files, &case);
                    holes += 1;
                }
            }
        }
    }
    assert!(holes > 100, "{holes}");
}

/// A segment that is a link, or nothing at all, between others or before all of them.
#[test]
fn a_segment_that_cannot_be_read() {
    let path = testdata().join("kafka-4.3.1/lookup-0");
    let sound = partition(replica(&path));
    for removed in [0, 3] {
        for skip_damaged in [false, true] {
            let mut replica = replica(&path);
            replica.dir.segments.remove(removed);
            let (start, end) = (Position(0), Position(0));
            replica.loaded.holes = vec![Hole { segment: removed, start, end }];
            replica.skip_damaged = skip_damaged;
            let (partition, files) = (partition(replica), OpenFiles::new(8, 1 << 20));
            let (gone, next) = (&sound.segments()[removed], &sound.segments()[removed + 1]);
            for from in [gone.base, next.base.plus(-1), next.base, next.base.plus(9)] {
                let wanted = whole(from.0, sound.log_end, 0, true);
                let (found, _) = found(&partition, &files, wanted);
                match found {
                    Expected::Damaged(at) => {
                        assert!(at == start && from < next.base && !skip_damaged);
                    }
                    Expected::Bytes(place, at, ..) => {
                        assert!(place == removed && (from >= next.base || skip_damaged));
                        assert!(at == 0 || from > next.base);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// Damage that nobody knew of is found by the search that comes upon it.
#[test]
fn damage_that_was_not_known() {
    let root = tempfile::tempdir().unwrap();
    let path = testdata().join("kafka-4.3.1/codec-none-0");
    let sound = partition(replica(&path));
    let (all, mut damages) = (walk(&sound), 0);
    for (place, walked) in all.iter().enumerate() {
        let files = &sound.segments()[place].files;
        let bytes = std::fs::read(&files.log.path).unwrap();
        for (number, item) in walked.items.iter().enumerate() {
            let Item::Batch(start, header) = *item else { panic!("{item:?}") };
            if place + 1 == all.len() && number + 1 == walked.items.len() {
                continue;
            }
            // The magic, the length, and the offset, which no checksum covers.
            for (at, skip_damaged) in [(16, false), (16, true), (9, false), (9, true), (2, false)] {
                let mut damaged = bytes.clone();
                damaged[usize::try_from(start.0).unwrap() + at] ^= 0x20;
                let log = root.path().join("damaged.log");
                std::fs::write(&log, &damaged).unwrap();
                let mut replica = replica(&path);
                let entry = &mut replica.dir.segments[place].log;
                *entry = FileEntry { path: log, size: entry.size, modified: None };
                replica.skip_damaged = skip_damaged;
                let mut known = super::tests::replica(&path);
                let end = start.plus(header.size);
                known.loaded.holes = vec![Hole { segment: place, start, end }];
                known.skip_damaged = skip_damaged;
                let (known, partition) = (partition(known), partition(replica));
                let (all, files) = (walk(&known), OpenFiles::new(8, 1 << 20));
                for from in edges(&known, &all) {
                    let wanted = whole(from, known.log_end, 0, true);
                    let (found, _) = found(&partition, &files, wanted);
                    assert_eq!(found, expected(&known, &all, wanted), "{start} {at} {wanted:?}");
                }
                damages += 1;
            }
        }
    }
    assert!(damages > 50, "{damages}");
}

#[test]
fn what_cannot_be_read_later_is_stepped_over() {
    let from = testdata().join("kafka-4.3.1/codec-none-0");
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("codec-none-0");
    std::fs::create_dir(&path).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let file = entry.unwrap().path();
        std::fs::write(path.join(file.file_name().unwrap()), std::fs::read(&file).unwrap())
            .unwrap();
    }
    let mut replica = replica(&path);
    replica.skip_damaged = true;
    let (partition, files) = (partition(replica), OpenFiles::new(8, 1 << 20));
    let walked = walk(&partition);
    let [Item::Batch(start, lost), Item::Batch(next, _), ..] = walked[0].items[..] else {
        panic!()
    };
    let segment = &partition.segments()[0];
    let mut bytes = std::fs::read(&segment.files.log.path).unwrap();
    bytes[usize::try_from(start.0).unwrap() + 25] ^= 1;
    let log = std::fs::OpenOptions::new().write(true).open(&segment.files.log.path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&log, &bytes, 0).unwrap();
    // As a disk does that fails: the file is not written to.
    log.set_modified(segment.files.log.modified.unwrap()).unwrap();
    let wanted = whole(lost.base_offset.unwrap().0, partition.log_end, 1, true);
    let at = |location| match location {
        Location::Bytes(located) => located.range.at,
        other => panic!("{other:?}"),
    };
    // Headers alone do not tell.
    assert_eq!(at(partition.locate(&files, wanted).unwrap()), start.0);
    assert_eq!(at(partition.locate_anew(&files, wanted, segment.id).unwrap()), next.0);
    assert_eq!(at(partition.locate(&files, wanted).unwrap()), next.0);
}

#[test]
fn a_file_that_became_shorter_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("codec-none-0");
    std::fs::create_dir(&dir).unwrap();
    for entry in std::fs::read_dir(testdata().join("kafka-4.3.1/codec-none-0")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let partition = partition(replica(&dir));
    let files = OpenFiles::new(8, 1 << 20);
    let last = partition.segments().iter().rfind(|segment| segment.end > Position(0)).unwrap();
    let wanted = whole(partition.log_end.0 - 1, partition.log_end, 1, true);
    assert!(matches!(found(&partition, &files, wanted).0, Expected::Bytes(..)));
    let log = std::fs::File::options().write(true).open(&last.files.log.path).unwrap();
    log.set_len(10).unwrap();
    for _ in 0..2 {
        partition.locate(&files, wanted).unwrap_err();
    }
    assert_eq!(files.snapshot().segments_failed, [1, 0, 0, 0]);
    let first = whole(partition.log_start.0, partition.log_end, 1, true);
    assert!(matches!(found(&partition, &files, first).0, Expected::Bytes(..)));
}

#[test]
fn with_every_descriptor_in_use_it_is_busy() {
    let partition = partition(replica(&testdata().join("kafka-4.3.1/lookup-0")));
    let files = OpenFiles::new(1, 1 << 20);
    let first = partition.locate(&files, whole(0, partition.log_end, 1, true)).unwrap();
    assert!(matches!(first, Location::Bytes(_)));
    let other = whole(partition.log_end.0 - 1, partition.log_end, 1, true);
    assert!(matches!(partition.locate(&files, other).unwrap(), Location::Busy));
    drop(first);
    assert!(matches!(partition.locate(&files, other).unwrap(), Location::Bytes(_)));
    let catalog = super::tests::catalog(vec![replica(&testdata().join("kafka-4.3.1/lookup-0"))]);
    assert!(matches!(catalog.topics()[0].partition(1), None | Some(Slot::Missing)));
}
