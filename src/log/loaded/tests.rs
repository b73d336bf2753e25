//! What real brokers answered, for every partition that they left; and ends that were cut and
//! flipped, against a walk through every batch.

use super::transactions::{Transactions, transactions};
use super::*;
use crate::format::control::ControlRecord;
use crate::format::txn_index::{AbortedTxn, TxnIndex};
use crate::format::{Batch, Scratch};
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const BROKERS: [&str; 5] =
    ["kafka-2.8.2", "kafka-3.9.2", "kafka-4.3.1", "kafka-4.3.1-killed", "kafka-4.4.0"];

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn tail(dir: &PartitionDir) -> Loaded {
    load(dir, None, TailCheck::Tail, Limits::STANDARD).unwrap()
}

fn lines(path: &Path) -> Option<Vec<serde_json::Value>> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Every partition whose records and offsets are known.
fn partitions() -> Vec<(&'static str, LogDirContext, PartitionDir, serde_json::Value)> {
    let mut found = Vec::new();
    for broker in BROKERS {
        let root = testdata().join(broker);
        let context = LogDirContext::read(&root);
        for line in lines(&testdata().join("expected").join(broker).join("offsets.jsonl")).unwrap()
        {
            let name = format!("{}-{}", line["topic"].as_str().unwrap(), line["partition"]);
            let dir = PartitionDir::open(&root.join(name)).unwrap();
            found.push((broker, context.clone(), dir, line));
        }
    }
    assert!(found.len() > 120, "{}", found.len());
    found
}

#[test]
fn the_ends_that_brokers_answered() {
    for (broker, context, dir, line) in partitions() {
        for check in [TailCheck::Tail, TailCheck::Unflushed] {
            let loaded = load(&dir, Some(&context), check, Limits::STANDARD).unwrap();
            let found = transactions(&dir, &loaded, Limits::STANDARD).unwrap();
            let what = format!("{broker} {} {check:?} {loaded:?}", dir.path().display());
            let answer = |key: &str| (line[key][0].as_i64(), line[key][2].as_i64());
            let epoch = Some(i64::from(loaded.leader_epoch)).filter(|epoch| *epoch >= 0);
            let first = loaded.epochs.entries().first();
            let first = first.filter(|entry| entry.start_offset <= loaded.log_start);
            let first = first.map(|entry| i64::from(entry.epoch));
            assert_eq!((Some(loaded.log_start.0), first), answer("earliest"), "{what}");
            // Behind magic 0 and 1 no file says it.
            let is_old = epoch.is_none() && checkpointed_epochs(&dir).is_empty();
            for (key, end) in [("highWatermark", loaded.log_end), ("lastStable", found.last_stable)]
            {
                let (answered, its_epoch) = answer(key);
                assert_eq!(Some(end.0), answered, "{what}");
                assert!(its_epoch == epoch || is_old && broker == "kafka-2.8.2", "{what}");
            }
            assert_eq!(loaded.holes, [], "{what}");
            let is_preallocated = dir.path().to_str().unwrap().contains("preallocated");
            let tail = if is_preallocated { LoadedTail::Zeros } else { LoadedTail::Clean };
            assert_eq!(loaded.tail, tail, "{what}");
        }
    }
}

/// A batch as the consumer below needs it.
struct Seen {
    base: Offset,
    last: Offset,
    producer_id: i64,
    is_transactional: bool,
    is_control: bool,
    is_abort: bool,
    records: Vec<Offset>,
}

fn batches(dir: &PartitionDir) -> Vec<Vec<Seen>> {
    let mut scratch = Scratch::new(1 << 24);
    let of_segment = |files: &SegmentFiles| {
        let bytes = fs::read(&files.log.path).unwrap();
        let (mut rest, mut found) = (&bytes[..], Vec::new());
        while let Ok(batch) = Batch::parse(rest, Position(0)) {
            let records: Vec<_> =
                batch.records(&mut scratch).unwrap().map(|record| record.unwrap().offset).collect();
            let mut is_abort = false;
            if batch.attributes().is_control() {
                let mut control = batch.records(&mut scratch).unwrap();
                is_abort = control.next().is_some_and(|record| {
                    let record = record.unwrap();
                    let parsed = ControlRecord::parse(record.key, record.value, Position(0));
                    matches!(parsed, Ok(ControlRecord::Abort { .. }))
                });
            }
            found.push(Seen {
                base: batch.base_offset(&mut scratch).unwrap(),
                last: batch.last_offset(),
                producer_id: batch.producer_id(),
                is_transactional: batch.attributes().is_transactional(),
                is_control: batch.attributes().is_control(),
                is_abort,
                records,
            });
            rest = &rest[batch.size()..];
        }
        found
    };
    dir.segments.iter().map(of_segment).collect()
}

/// What a consumer with `read_committed` takes from one answer, as the Java client does: it knows
/// only what the answer holds.
fn take_committed(answer: &[Seen], mut aborted: Vec<AbortedTxn>, position: Offset) -> Vec<i64> {
    aborted.sort_by_key(|entry| entry.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let (mut dropping, mut taken) = (HashSet::new(), Vec::new());
    for batch in answer {
        while let Some(begun) = aborted.next_if(|entry| entry.first_offset <= batch.last) {
            dropping.insert(begun.producer_id);
        }
        if batch.is_abort {
            dropping.remove(&batch.producer_id);
        }
        let is_dropped = batch.is_transactional && dropping.contains(&batch.producer_id);
        if !batch.is_control && !is_dropped {
            taken.extend(batch.records.iter().filter(|at| **at >= position).map(|at| at.0));
        }
    }
    taken
}

/// Answers of so many batches, from segment to segment, below the last stable offset.
fn consume(
    segments: &[Vec<Seen>],
    loaded: &Loaded,
    found: &Transactions,
    at_once: usize,
) -> Vec<i64> {
    let (mut position, mut taken) = (loaded.log_start, Vec::new());
    for batches in segments {
        let mut rest = &batches[..];
        while let Some(skip) = rest.iter().position(|batch| batch.last >= position) {
            rest = &rest[skip..];
            let below = rest.iter().take_while(|batch| batch.base < found.last_stable).count();
            let (answer, behind) = rest.split_at(below.min(at_once));
            let Some(last) = answer.last() else { break };
            let upper = last.last.plus(1).min(found.last_stable);
            let aborted = found.aborted_between(position, upper);
            taken.extend(take_committed(answer, aborted, position));
            (position, rest) = (last.last.plus(1), behind);
        }
    }
    taken
}

#[test]
fn the_records_that_a_consumer_got_of_committed_transactions() {
    let mut differ = 0;
    for (broker, _, dir, _) in partitions() {
        let name = dir.path().file_name().unwrap().to_str().unwrap();
        let expected = |isolation: &str| {
            let file = format!("{name}.{isolation}.jsonl");
            let records = lines(&testdata().join("expected").join(broker).join(file))?;
            Some(records.iter().map(|r| r["offset"].as_i64().unwrap()).collect::<Vec<_>>())
        };
        let Some(uncommitted) = expected("uncommitted") else { continue };
        let committed = expected("committed");
        differ += usize::from(committed.is_some());
        let committed = committed.unwrap_or(uncommitted);
        let context = LogDirContext::read(dir.path().parent().unwrap());
        let loaded = load(&dir, Some(&context), TailCheck::Tail, Limits::STANDARD).unwrap();
        let found = transactions(&dir, &loaded, Limits::STANDARD).unwrap();
        let segments = batches(&dir);
        for at_once in [1, 2, 7, usize::MAX] {
            assert_eq!(consume(&segments, &loaded, &found, at_once), committed, "{broker} {name}");
        }
    }
    assert!(differ >= 12, "{differ}");
}

/// Segment by segment and entry by entry, as a broker collects them.
fn collected(dir: &PartitionDir, from: Offset, upper: Offset) -> Vec<(i64, Offset, Offset)> {
    let floor = dir.segments.iter().rposition(|files| files.base_offset <= from).unwrap_or(0);
    let mut found = Vec::new();
    for files in &dir.segments[floor..] {
        let Some(index) = &files.txn_index else { continue };
        let bytes = fs::read(&index.path).unwrap();
        for entry in TxnIndex::new(&bytes).iter().map(std::result::Result::unwrap) {
            if entry.last_offset >= from && entry.first_offset < upper {
                found.push((entry.producer_id, entry.first_offset, entry.last_offset));
            }
            if entry.last_stable_offset >= upper {
                return found;
            }
        }
    }
    found
}

#[test]
fn the_aborted_transactions_that_a_broker_collects() {
    let mut several = 0;
    for (broker, context, dir, _) in partitions() {
        let name = dir.path().file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("txn") && !name.starts_with("rdkafka-txn") {
            continue;
        }
        let loaded = load(&dir, Some(&context), TailCheck::Tail, Limits::STANDARD).unwrap();
        let found = transactions(&dir, &loaded, Limits::STANDARD).unwrap();
        for from in (loaded.log_start.0..=loaded.log_end.0).step_by(3).map(Offset) {
            for upper in (from.0 + 1..=loaded.log_end.0).step_by(7).map(Offset) {
                let ours = found.aborted_between(from, upper).into_iter();
                let ours: Vec<_> =
                    ours.map(|e| (e.producer_id, e.first_offset, e.last_offset)).collect();
                assert_eq!(ours, collected(&dir, from, upper), "{broker} {name} {from} {upper}");
                several += usize::from(ours.len() > 1);
            }
        }
    }
    assert!(several > 1000, "{several}");
}

/// A copy that may be changed.
fn copy_of(from: &Path) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let to = root.path().join(from.file_name().unwrap());
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::write(to.join(path.file_name().unwrap()), fs::read(&path).unwrap()).unwrap();
    }
    (root, to)
}

/// What was written down of transactions, and what a replay of every batch gives, are the same.
#[test]
fn without_indexes_or_snapshots_the_replay_gives_the_same() {
    for (broker, name) in
        [("kafka-4.3.1", "txn-0"), ("kafka-3.9.2", "txn-open-0"), ("kafka-2.8.2", "txn-0")]
    {
        let (_root, path) = copy_of(&testdata().join(broker).join(name));
        let find = || {
            let dir = PartitionDir::open(&path).unwrap();
            let found = transactions(&dir, &tail(&dir), Limits::STANDARD).unwrap();
            let aborted = found.aborted.iter();
            let aborted: Vec<_> = aborted
                .map(|entry| (entry.producer_id, entry.first_offset, entry.last_offset))
                .collect();
            (found.last_stable, aborted, found.producers.len())
        };
        let sound = find();
        let of_kind = |extension: &str| {
            let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<_> =
                files.filter(|path| path.extension().is_some_and(|it| it == extension)).collect();
            files.sort();
            files
        };
        // Without any index, with the snapshots: of the last segment, of the last two, of all.
        let indexes = [of_kind("index"), of_kind("txnindex")].concat();
        let bytes: Vec<_> = indexes.iter().map(|path| fs::read(path).unwrap()).collect();
        for files in PartitionDir::open(&path).unwrap().segments.iter().rev() {
            for index in files.index.iter().chain(&files.txn_index) {
                fs::remove_file(&index.path).unwrap();
            }
            assert_eq!(find(), sound, "{broker} {name}");
        }
        for (path, bytes) in indexes.iter().zip(bytes) {
            fs::write(path, bytes).unwrap();
        }
        // Half an entry at the end, a version that is not known, an entry twice.
        for index in of_kind("txnindex") {
            let bytes = fs::read(&index).unwrap();
            let Some(entry) = bytes.get(..34) else { continue };
            let mut unknown = bytes.clone();
            unknown[0] = 1;
            for damaged in [bytes[..bytes.len() - 1].to_vec(), unknown, [entry, &bytes].concat()] {
                fs::write(&index, damaged).unwrap();
                assert_eq!(find(), sound, "{broker} {name}");
            }
            fs::write(&index, bytes).unwrap();
        }
        // Newest first, so that each time an older one is taken; at last there is none.
        for snapshot in of_kind("snapshot").iter().rev() {
            let mut bytes = fs::read(snapshot).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(snapshot, &bytes).unwrap();
            assert_eq!(find(), sound, "{broker} {name}");
        }
        for snapshot in of_kind("snapshot") {
            fs::remove_file(snapshot).unwrap();
        }
        assert_eq!(find(), sound, "{broker} {name}");
        for index in of_kind("index") {
            fs::remove_file(index).unwrap();
        }
        assert_eq!(find(), sound, "{broker} {name}");
    }
}

/// The batches of the last segment.
fn spans(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut found) = (0, Vec::new());
    while let Ok(batch) = Batch::parse(&bytes[at..], Position(at as u64)) {
        found.push(at..at + batch.size());
        at += batch.size();
    }
    found
}

#[test]
fn cut_at_every_place() {
    for (broker, name) in [
        ("kafka-4.3.1", "txn-0"),
        ("kafka-4.3.1", "codec-none-0"),
        ("kafka-2.8.2", "magic0-gzip-0"),
        ("kafka-2.8.2", "magic1-none-0"),
    ] {
        let (_root, path) = copy_of(&testdata().join(broker).join(name));
        let dir = PartitionDir::open(&path).unwrap();
        let files = dir.segments.last().unwrap();
        let bytes = fs::read(&files.log.path).unwrap();
        let spans = spans(&bytes);
        assert_eq!(spans.last().unwrap().end, bytes.len());
        let file = fs::File::options().write(true).open(&files.log.path).unwrap();
        let step = if bytes.len() > 4000 { 5 } else { 1 };
        for cut in (0..bytes.len()).rev().step_by(step).chain(spans.iter().map(|s| s.start)) {
            file.set_len(cut as u64).unwrap();
            file.write_all_at(&bytes[..cut], 0).unwrap();
            let last = spans.iter().rev().find(|span| span.end <= cut);
            let end = last.map_or(files.base_offset, |span| {
                Batch::parse(&bytes[span.clone()], Position(0)).unwrap().next_offset()
            });
            let valid_end = last.map_or(0, |span| span.end);
            let loaded = tail(&dir);
            assert_eq!((loaded.log_end, loaded.valid_end.0), (end, valid_end as u64), "{cut}");
            let expected = match &bytes[valid_end..cut] {
                [] => LoadedTail::Clean,
                // Of its offset alone.
                behind if behind.iter().all(|byte| *byte == 0) => LoadedTail::Zeros,
                _ => LoadedTail::Torn,
            };
            assert_eq!((loaded.tail, loaded.holes), (expected, vec![]), "{name} {cut}");
            assert!(loaded.epochs.entries().iter().all(|entry| entry.start_offset <= end));
        }
    }
}

/// The ends of the longest chains of batches whose offsets rise, by trying them all.
fn longest_chains(batches: &[(i64, i64)], base: Offset) -> BTreeSet<i64> {
    let most = base.0.saturating_add(i32::MAX.into());
    let is_inside = |(first, last): &(i64, i64)| *first >= base.0 && last >= first && *last <= most;
    let mut lengths: Vec<(usize, i64)> = Vec::new();
    for (at, batch) in batches.iter().enumerate() {
        let before = lengths.iter().zip(batches).take(at);
        let before = before.filter(|((length, _), other)| *length > 0 && other.1 < batch.0);
        let before = before.map(|((length, _), _)| *length).max().unwrap_or(0);
        lengths.push(if is_inside(batch) { (before + 1, batch.1 + 1) } else { (0, 0) });
    }
    let longest = lengths.iter().map(|(length, _)| *length).max().unwrap_or(0);
    lengths.iter().filter(|(length, _)| *length == longest).map(|(_, end)| *end).collect()
}

#[test]
fn bits_flipped_in_the_tail() {
    for (broker, name, stride) in [
        ("kafka-4.3.1", "txn-0", 3),
        ("kafka-2.8.2", "magic1-none-0", 1),
        ("kafka-3.9.2", "grouped-0", 1),
    ] {
        let (_root, path) = copy_of(&testdata().join(broker).join(name));
        let dir = PartitionDir::open(&path).unwrap();
        let files = dir.segments.last().unwrap();
        let sound = tail(&dir);
        let bytes = fs::read(&files.log.path).unwrap();
        let spans = spans(&bytes);
        // Behind the last entry of the index, and the batch at it.
        let from = spans.len().saturating_sub(6);
        let index = files.index.as_ref().and_then(|index| fs::read(&index.path).ok());
        let entries = index.as_deref().unwrap_or_default().chunks(8);
        let walked = entries.last().map_or(0, |entry| {
            usize::try_from(u32::from_be_bytes(entry[4..8].try_into().unwrap())).unwrap()
        });
        let from = spans[from].start.max(walked);
        let file = fs::File::options().write(true).open(&files.log.path).unwrap();
        for bit in (from * 8..bytes.len() * 8).step_by(stride) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            file.write_all_at(&flipped, 0).unwrap();
            let proved: Vec<_> = spans
                .iter()
                .filter_map(|span| {
                    let batch = Batch::parse(&flipped[span.clone()], Position(0)).ok()?;
                    let is_sound = batch.size() == span.len() && batch.crc() == batch.compute_crc();
                    let first = batch.known_base_offset().unwrap_or(batch.last_offset());
                    is_sound.then_some((first.0, batch.last_offset().0))
                })
                .collect();
            let ends = longest_chains(&proved, files.base_offset);
            let what = format!("{name}: bit {bit} of {}", bytes.len() * 8);
            let loaded = tail(&dir);
            let end = loaded.log_end.0;
            assert!(ends.contains(&end) || ends.is_empty() && end == files.base_offset.0, "{what}");
            let hit = spans.iter().find(|span| span.contains(&(bit / 8))).unwrap();
            let is_last = hit.end == bytes.len();
            if proved.len() == spans.len() {
                continue;
            }
            if is_last {
                assert!(
                    loaded.holes.is_empty() && loaded.valid_end.0 == hit.start as u64,
                    "{what}"
                );
                assert!([LoadedTail::Damaged, LoadedTail::Torn].contains(&loaded.tail), "{what}");
            } else {
                let (start, end) = (Position(hit.start as u64), Position(hit.end as u64));
                let segment = dir.segments.len() - 1;
                assert_eq!(loaded.holes, [Hole { segment, start, end }], "{what}");
                assert_eq!((loaded.log_end, loaded.tail), (sound.log_end, sound.tail), "{what}");
                assert!(loaded.is_in_hole(segment, start) && !loaded.is_in_hole(segment, end));
            }
        }
    }
}

const LOG: &str = "00000000000000000000.log";

/// A batch of magic 2 of one record's bytes, with leader epoch 3.
fn batch(base: i64, last: i64, size: usize) -> Vec<u8> {
    let mut body = vec![0; 2];
    body.extend(i32::try_from(last - base).unwrap().to_be_bytes());
    body.extend([1_000_i64 + base, 1_000 + last, -1].map(i64::to_be_bytes).concat());
    body.extend([0xff; 6]);
    body.extend(1_i32.to_be_bytes());
    body.extend((0..=250_u8).cycle().take(size - 61));
    let mut bytes = base.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(size - 12).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, 3, 2]);
    bytes.extend(crate::format::crc::crc32c(&body).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn made(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PartitionDir) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("orders-0");
    fs::create_dir(&path).unwrap();
    for (name, bytes) in files {
        fs::write(path.join(name), bytes).unwrap();
    }
    let dir = PartitionDir::open(&path).unwrap();
    (root, dir)
}

#[test]
fn every_kind_of_end() {
    let three = [batch(0, 4, 100), batch(5, 9, 200), batch(10, 10, 150)];
    let [a, b, c] = &three;
    let mut bad = b.clone();
    bad[80] ^= 1;
    let torn = batch(11, 20, 300)[..200].to_vec();
    let hole = |start, end| Hole { segment: 0, start: Position(start), end: Position(end) };
    let cases = [
        (vec![a, b, c], 11, 450, LoadedTail::Clean, vec![]),
        (vec![a, b, c, &torn], 11, 450, LoadedTail::Torn, vec![]),
        (vec![a, b, c, &bad], 11, 450, LoadedTail::Damaged, vec![]),
        (vec![a, &bad, c], 11, 450, LoadedTail::Clean, vec![hole(100, 300)]),
        (vec![a, &bad, &bad, c, &torn], 11, 650, LoadedTail::Torn, vec![hole(100, 500)]),
        (vec![&bad, c], 11, 350, LoadedTail::Clean, vec![hole(0, 200)]),
        (vec![&bad], 0, 0, LoadedTail::Damaged, vec![]),
        (vec![&torn], 0, 0, LoadedTail::Torn, vec![]),
        (vec![], 0, 0, LoadedTail::Clean, vec![]),
        // Offsets that were there already.
        (vec![a, b, c, a], 11, 450, LoadedTail::Damaged, vec![]),
        (vec![a, c, b], 10, 450, LoadedTail::Clean, vec![hole(100, 250)]),
        (vec![a, b, a, c], 11, 550, LoadedTail::Clean, vec![hole(300, 400)]),
    ];
    for (number, (parts, end, valid_end, kind, holes)) in cases.into_iter().enumerate() {
        let bytes = parts.into_iter().flatten().copied().collect::<Vec<u8>>();
        let (_root, dir) = made(&[(LOG, bytes.clone())]);
        let loaded = tail(&dir);
        let found = (loaded.log_end.0, loaded.valid_end.0, loaded.tail, loaded.holes.clone());
        assert_eq!(found, (end, valid_end, kind, holes.clone()), "case {number}");
        assert_eq!(loaded.leader_epoch, if valid_end > 0 { 3 } else { -1 }, "case {number}");
        assert_eq!(loaded.max_timestamp, (valid_end > 0).then(|| 999 + end), "case {number}");

        // With room behind it that was made in advance, written or not.
        let expected = match kind {
            LoadedTail::Clean => LoadedTail::Zeros,
            kind => kind,
        };
        let path = dir.path().join(LOG);
        for is_written in [false, true] {
            if is_written {
                fs::write(&path, [&bytes[..], &[0; 5000]].concat()).unwrap();
            } else {
                fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
            }
            let loaded = tail(&dir);
            assert_eq!((loaded.log_end.0, loaded.valid_end.0), (end, valid_end), "case {number}");
            let is_one_of = [expected, LoadedTail::Damaged].contains(&loaded.tail);
            assert!(is_one_of && loaded.holes == holes, "case {number}: {loaded:?}");
        }
    }
}

#[test]
fn no_segments_empty_segments_and_links() {
    let (_root, dir) = made(&[("leader-epoch-checkpoint", b"0\n1\n5 0\n".to_vec())]);
    let loaded = tail(&dir);
    assert_eq!((loaded.log_start, loaded.log_end, loaded.leader_epoch), (Offset(0), Offset(0), 5));
    assert_eq!(transactions(&dir, &loaded, Limits::STANDARD).unwrap().last_stable, Offset(0));

    // The last segment is empty: the epoch is that of the batches before it.
    let first = [batch(0, 4, 100), batch(5, 9, 200)].concat();
    let second = "00000000000000000010.log";
    let (_root, dir) = made(&[(LOG, first.clone()), (second, Vec::new())]);
    let loaded = tail(&dir);
    assert_eq!((loaded.log_end, loaded.valid_end), (Offset(10), Position(0)));
    assert_eq!((loaded.leader_epoch, loaded.max_timestamp), (3, None));

    // Links: behind the last segment, and between two.
    let link = |dir: &PartitionDir, name: &str| {
        std::os::unix::fs::symlink("elsewhere", dir.path().join(name)).unwrap();
        tail(&PartitionDir::open(dir.path()).unwrap())
    };
    let (_root, dir) = made(&[(LOG, first.clone())]);
    let loaded = link(&dir, second);
    assert_eq!((loaded.log_end, loaded.tail), (Offset(10), LoadedTail::Damaged));
    let third = "00000000000000000020.log";
    let (_root, dir) = made(&[(LOG, first), (third, batch(20, 24, 100))]);
    let loaded = link(&dir, second);
    let hole = Hole { segment: 1, start: Position(0), end: Position(0) };
    assert_eq!((loaded.log_end, &loaded.holes[..]), (Offset(25), &[hole][..]));
    assert!(loaded.is_missing_before(1) && !loaded.is_missing_before(0));
    assert!(!loaded.is_in_hole(1, Position(0)));
    let (_root, dir) = made(&[(third, batch(20, 24, 100))]);
    let loaded = link(&dir, second);
    assert_eq!((loaded.log_start, loaded.is_missing_before(0)), (Offset(10), true));
    let (_root, dir) = made(&[]);
    let loaded = link(&dir, second);
    assert_eq!((loaded.log_end, loaded.tail), (Offset(10), LoadedTail::Damaged));
}

#[test]
fn what_was_not_flushed_is_looked_at() {
    let mut damaged = [batch(0, 4, 100), batch(5, 9, 200), batch(10, 19, 100)].concat();
    damaged[150] ^= 1;
    let mut torn = batch(20, 29, 500);
    torn.truncate(400);
    let last = [batch(30, 34, 100), batch(35, 39, 100)].concat();
    let (root, dir) = made(&[
        (LOG, damaged),
        ("00000000000000000020.log", torn),
        ("00000000000000000030.log", last),
    ]);
    let hole = |segment, start, end| Hole { segment, start: Position(start), end: Position(end) };
    let (in_first, in_second) = (hole(0, 100, 300), hole(1, 0, 400));
    let look = |recovery_point: Option<i64>, is_clean: bool| {
        let marker = root.path().join(".kafka_cleanshutdown");
        drop(fs::remove_file(&marker));
        if is_clean {
            fs::write(&marker, b"").unwrap();
        }
        let entry = recovery_point.map(|point| format!("orders 0 {point}\n"));
        let count = usize::from(entry.is_some());
        let text = format!("0\n{count}\n{}", entry.unwrap_or_default());
        fs::write(root.path().join("recovery-point-offset-checkpoint"), text).unwrap();
        let context = LogDirContext::read(root.path());
        let loaded = load(&dir, Some(&context), TailCheck::Unflushed, Limits::STANDARD).unwrap();
        assert_eq!((loaded.log_end, loaded.leader_epoch), (Offset(40), 3));
        loaded.holes
    };
    assert_eq!(look(None, false), [in_first, in_second]);
    assert_eq!(look(Some(19), false), [in_first, in_second]);
    assert_eq!(look(Some(20), false), [in_second]);
    assert_eq!(look(Some(33), false), []);
    assert_eq!(look(None, true), []);
    assert_eq!(tail(&dir).holes, []);
}

/// Start-up, timed: a thousand partitions of ten segments, as a killed broker leaves them.
#[test]
#[ignore = "makes 10,000 segments"]
fn ten_thousand_segments() {
    let root = tempfile::tempdir().unwrap();
    let segment = |base: i64| {
        let mut log = Vec::new();
        for number in 0..10 {
            log.extend(batch(base + number * 10, base + number * 10 + 9, 1500));
        }
        log
    };
    for partition in 0..1000 {
        let path = root.path().join(format!("orders-{partition}"));
        fs::create_dir(&path).unwrap();
        for base in (0..10).map(|number| number * 100) {
            let log = segment(base);
            let file = path.join(format!("{base:020}.log"));
            fs::write(&file, &log).unwrap();
            let built = crate::log::index_bytes::IndexBytes::rebuilt(
                &crate::log::FileBytes::owned(&file, log),
                Offset(base),
                Position(u64::MAX),
                Limits::STANDARD,
            );
            let index = file.with_extension("index");
            fs::write(&index, built.unwrap().index.as_bytes()).unwrap();
            let times = file.with_extension("timeindex");
            let mut entry = (1_000 + base + 99_i64).to_be_bytes().to_vec();
            entry.extend(99_i32.to_be_bytes());
            fs::write(&times, entry).unwrap();
            if base == 900 {
                for path in [index, times] {
                    let file = fs::File::options().write(true).open(path).unwrap();
                    file.set_len(10_485_760).unwrap();
                }
            }
        }
        fs::write(path.join("leader-epoch-checkpoint"), b"0\n1\n3 0\n").unwrap();
    }
    // Of the processor, not of the clock on the wall: other programs may be at work.
    let spent = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::try_from(time).unwrap()
    };
    let (begun, start) = (std::time::Instant::now(), spent());
    for number in 0..1000 {
        let path = root.path().join(format!("orders-{number}"));
        let loaded = tail(&PartitionDir::open(&path).unwrap());
        assert_eq!((loaded.log_end, loaded.max_timestamp), (Offset(1000), Some(1999)));
    }
    let spent = spent() - start;
    println!("listed and loaded in {:?}, {spent:?} of one processor", begun.elapsed());
    assert!(spent.as_millis() < 1000);
}
