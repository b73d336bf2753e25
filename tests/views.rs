//! Every truncation and every flipped bit of small real files, through every view: nothing panics
//! or takes long, every byte of a log is in exactly one piece, and what a checksum covers is found
//! damaged where it is damaged, and nowhere else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::batches::{Frame, attributes, frames};
use common::{files_ending, in_parallel, log_dirs, partitions, testdata};
use segkit::format::checkpoint::{self, MetaProperties, PartitionMetadata, json, properties};
use segkit::format::control::ControlRecord;
use segkit::format::offset_index::OffsetIndex;
use segkit::format::producer_snapshot::ProducerSnapshot;
use segkit::format::time_index::TimeIndex;
use segkit::format::txn_index::TxnIndex;
use segkit::format::{
    Batch, Batches, Offset, Position, Scratch, consumer_offsets, transaction_state,
};
use segkit::limits::Limits;
use segkit::log::FileBytes;
use segkit::log::runs::{Bounds, DamageKind, Piece, Scanner};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No view of a file of a few KiB may take longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Files of other kinds than `.log` that are larger than this are left to other tests.
const SMALL: u64 = 4 << 10;

/// How many bytes of each log are flipped: a few whole batches from its front.
const LOG_BYTES: usize = 1500;

/// Payloads of a damaged batch may be asked to grow; this is enough for what is in the files.
const LIMITS: Limits =
    Limits { decompressed_bytes: 1 << 20, batch_bytes: 1 << 20, ..Limits::STANDARD };

/// A few batches of a real log.
struct Log {
    path: PathBuf,
    base: i64,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// One log of every kind there is: by magic, codec, and whether it is control or transactional.
/// At least two batches of each where there are that many, beginning with one of that kind.
fn logs() -> Vec<Log> {
    let mut kinds: BTreeMap<(u8, u16), Log> = BTreeMap::new();
    for partition in partitions(&testdata()) {
        for path in files_ending(&partition, ".log") {
            let base = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            let whole = fs::read(&path).unwrap();
            let all = frames(&whole);
            for (at, &first) in all.iter().enumerate() {
                let kind = (first.magic, attributes(&whole, first) & 0b111_1111);
                let end = all[at..]
                    .iter()
                    .take_while(|frame| frame.end() - first.position <= LOG_BYTES)
                    .take(4)
                    .last();
                let Some(end) = end.map(Frame::end) else { continue };
                let bytes = whole[first.position..end].to_vec();
                let frames = frames(&bytes);
                let known = kinds.get(&kind).map_or(0, |log: &Log| log.frames.len());
                if frames.len() > known {
                    kinds.insert(kind, Log { path: path.clone(), base, bytes, frames });
                }
            }
        }
    }
    let magics: Vec<u8> = kinds.keys().map(|(magic, _)| *magic).collect();
    assert!([0, 1, 2].iter().all(|magic| magics.contains(magic)), "a magic is missing");
    assert!(kinds.len() >= 15, "{:?}", kinds.keys());
    kinds.into_values().collect()
}

/// What a scan of some bytes came to: pieces, as range and proof.
struct Scan {
    proved: Vec<(u64, u64)>,
    damaged: Vec<(u64, u64, DamageKind)>,
}

/// Walks `bytes` with the scanner, looks at everything in them, and asserts that every byte is in
/// exactly one piece.
fn scan(log: &Log, bytes: Vec<u8>, scratch: &mut Scratch, how: &str) -> Scan {
    let what = || format!("{} with {how}", log.path.display());
    let started = Instant::now();
    look_at_batches(&bytes, scratch);
    let length = bytes.len() as u64;
    let file = FileBytes::owned(&log.path, bytes);
    let bounds =
        Bounds { last_proved: None, segment_base: Some(Offset(log.base)), next_segment_base: None };
    let mut scanner = Scanner::new(&file, 0..u64::MAX, bounds, LIMITS);
    let mut scan = Scan { proved: Vec::new(), damaged: Vec::new() };
    let mut end = 0;
    while let Some(piece) = scanner.next().unwrap() {
        let range = match &piece {
            Piece::Proved(batch) => {
                look_at(batch, scratch);
                let range = batch.position()..batch.end();
                scan.proved.push((range.start.0, range.end.0));
                range
            }
            Piece::Damaged(damage) => {
                if let Some(batch) = &damage.batch {
                    look_at(batch, scratch);
                }
                let range = damage.range.clone();
                scan.damaged.push((range.start.0, range.end.0, damage.kind.clone()));
                range
            }
        };
        assert_eq!(range.start.0, end, "{}: a piece does not begin where the last ends", what());
        assert!(range.end > range.start, "{}: an empty piece", what());
        end = range.end.0;
    }
    assert_eq!(end, length, "{}: the pieces do not cover the file", what());
    assert!(started.elapsed() < PATIENCE, "{}: it took {:?}", what(), started.elapsed());
    scan
}

/// Without a scanner, as far as batches parse.
fn look_at_batches(bytes: &[u8], scratch: &mut Scratch) {
    let mut batches = Batches::new(bytes, Position(0));
    while let Some(Ok(batch)) = batches.next() {
        look_at(&batch, scratch);
    }
    assert!(batches.remaining().len() <= bytes.len());
    assert!(batches.next().is_none(), "it goes on after an error");
}

/// Every view of one batch, whether its checksum agrees or not.
fn look_at(batch: &Batch<'_>, scratch: &mut Scratch) {
    let attributes = batch.attributes();
    let _ = (batch.crc() == batch.compute_crc(), batch.codec(), batch.timestamp_type());
    let _ = (batch.base_timestamp(), batch.delete_horizon(), batch.last_sequence());
    let _ = (batch.next_offset(), batch.last_offset_delta(), batch.base_offset(scratch));
    let Ok(records) = batch.records(scratch) else { return };
    let mut text = Vec::new();
    for record in records.map_while(Result::ok) {
        assert_eq!(record.headers.len(), record.headers.count(), "headers end too early");
        if attributes.is_control()
            && let Ok(control) = ControlRecord::parse(record.key, record.value, batch.position())
        {
            control.kafka_text(&mut text);
        }
        let key = record.key.unwrap_or_default();
        for decode in [consumer_offsets::decode, transaction_state::decode] {
            let decoded = decode(key, record.value);
            decoded.kafka_key_text(record.offset, &mut text);
            decoded.kafka_value_text(&mut text);
        }
        text.clear();
    }
}

/// Where batches stand, as a scan says it.
fn ranges(frames: &[Frame]) -> Vec<(u64, u64)> {
    frames.iter().map(|frame| (frame.position as u64, frame.end() as u64)).collect()
}

#[test]
fn a_log_cut_off_at_every_byte() {
    in_parallel(&logs(), |log| {
        let mut scratch = Scratch::new(LIMITS.decompressed_bytes);
        for length in 0..=log.bytes.len() {
            let how = format!("only {length} bytes");
            let found = scan(log, log.bytes[..length].to_vec(), &mut scratch, &how);
            let whole: Vec<Frame> =
                log.frames.iter().copied().filter(|frame| frame.end() <= length).collect();
            let what = format!("{} with {how}", log.path.display());
            assert_eq!(found.proved, ranges(&whole), "{what}");
            let end = whole.last().map_or(0, Frame::end);
            let torn = (end < length).then_some((end as u64, length as u64));
            let damaged: Vec<_> = found.damaged.iter().map(|(from, to, _)| (*from, *to)).collect();
            assert_eq!(damaged, torn.into_iter().collect::<Vec<_>>(), "{what}");
        }
    });
}

#[test]
fn a_log_with_every_bit_flipped() {
    let counts = Mutex::new([0_usize; 3]);
    in_parallel(&logs(), |log| {
        let mut scratch = Scratch::new(LIMITS.decompressed_bytes);
        let mut seen = [0; 3];
        let healthy = scan(log, log.bytes.clone(), &mut scratch, "no damage");
        assert_eq!((healthy.proved, healthy.damaged.len()), (ranges(&log.frames), 0));
        for bit in 0..log.bytes.len() * 8 {
            let mut bytes = log.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = scan(log, bytes, &mut scratch, &format!("bit {bit} flipped"));
            seen[judge(log, bit / 8, &found) as usize] += 1;
        }
        let mut counts = counts.lock().unwrap();
        (0..3).for_each(|at| counts[at] += seen[at]);
    });
    let counts = counts.into_inner().unwrap();
    assert!(counts.iter().all(|&count| count > 1000), "flips of a kind are missing: {counts:?}");
}

/// Where a flipped bit was.
#[derive(Clone, Copy)]
enum Flipped {
    Unsealed,
    Frame,
    Sealed,
}

/// The checksum covers neither base offset nor leader epoch; a wrong length or magic damages the
/// frame of one batch; everything else is found by the checksum of exactly that batch.
fn judge(log: &Log, byte: usize, found: &Scan) -> Flipped {
    let frame = *log.frames.iter().find(|frame| byte < frame.end()).unwrap();
    let others: Vec<Frame> = log.frames.iter().copied().filter(|other| *other != frame).collect();
    let what = format!("{}: a bit of byte {byte} flipped", log.path.display());
    let at = byte - frame.position;
    let is_unsealed = at < 8 || (frame.magic == 2 && (12..16).contains(&at));
    if is_unsealed {
        assert_eq!(found.proved, ranges(&log.frames), "{what}");
        return Flipped::Unsealed;
    }
    assert_eq!(found.proved, ranges(&others), "{what}: the other batches");
    let (from, to) = (frame.position as u64, frame.end() as u64);
    if (8..12).contains(&at) || at == 16 {
        let covered: u64 = found.damaged.iter().map(|(from, to, _)| to - from).sum();
        assert_eq!(covered, to - from, "{what}");
        return Flipped::Frame;
    }
    match found.damaged[..] {
        [(start, end, DamageKind::Checksum { stored, computed })] => {
            assert_eq!((start, end), (from, to), "{what}");
            assert_ne!(stored, computed, "{what}");
        }
        _ => panic!("{what}: not one damaged batch but {:?}", found.damaged),
    }
    Flipped::Sealed
}

/// All small files below the log dirs whose names end with one of `ends`; the shortest, the longest
/// and one in the middle of each kind.
fn small_files(ends: &[&str]) -> Vec<PathBuf> {
    let mut chosen = Vec::new();
    for end in ends {
        let mut found = Vec::new();
        for log_dir in log_dirs(&testdata()) {
            found.extend(files_ending(&log_dir, end));
            for directory in common::entries(&log_dir).iter().filter(|path| path.is_dir()) {
                found.extend(files_ending(directory, end));
            }
        }
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        found.retain(|path| (1..=SMALL).contains(&size(path)));
        found.sort_by_key(size);
        assert!(!found.is_empty(), "no small file that ends with {end}");
        let last = found.len() - 1;
        let mut picks = vec![0, last / 2, last];
        picks.dedup();
        chosen.extend(picks.into_iter().map(|pick| found[pick].clone()));
    }
    chosen
}

/// Calls `look` for a file as it is, for every truncation and for every flipped bit of it.
fn mutate(path: &Path, look: impl Fn(&[u8])) -> usize {
    let bytes = fs::read(path).unwrap();
    let bounded = |mutated: &[u8]| {
        let started = Instant::now();
        look(mutated);
        assert!(started.elapsed() < PATIENCE, "{}: it took long", path.display());
    };
    for length in 0..=bytes.len() {
        bounded(&bytes[..length]);
    }
    let mut mutated = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        mutated[bit / 8] ^= 1 << (bit % 8);
        bounded(&mutated);
        mutated[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(mutated, bytes);
    bytes.len() * 9 + 1
}

fn mutate_all(ends: &[&str], look: impl Fn(&[u8]) + Sync) {
    in_parallel(&small_files(ends), |path| assert!(mutate(path, &look) > 9));
}

#[test]
fn indexes() {
    mutate_all(&[".index"], |bytes| {
        let index = OffsetIndex::new(bytes, Offset(5));
        assert_eq!(index.iter().count(), index.entries());
        assert_eq!(index.entries() * 8 + index.tail().len(), bytes.len());
        assert_eq!(index.bytes_left(), bytes.len() % 8);
        for target in [i64::MIN, 0, 5, 6, 100, i64::MAX] {
            let floor = index.floor(Offset(target));
            assert!(floor.entry.is_none_or(|entry| entry.offset.0 <= target));
            assert!(floor.steps <= 12);
        }
    });
    mutate_all(&[".timeindex"], |bytes| {
        let index = TimeIndex::new(bytes, Offset(5));
        assert_eq!(index.iter().count(), index.entries());
        assert_eq!(index.entries() * 12 + index.tail().len(), bytes.len());
        assert_eq!(index.bytes_left(), bytes.len() % 12);
        for target in [i64::MIN, 0, 1_600_000_000_000, i64::MAX] {
            let floor = index.floor(target);
            assert!(floor.entry.is_none_or(|entry| entry.timestamp <= target));
            assert!(floor.steps <= 12);
        }
    });
    mutate_all(&[".txnindex"], |bytes| {
        let index = TxnIndex::new(bytes);
        assert_eq!(index.entries() * 34 + index.bytes_left(), bytes.len());
        let entries: Vec<bool> = index.iter().map(|entry| entry.is_ok()).collect();
        let is_cut_short = entries.last() == Some(&false);
        assert!(entries.len() == index.entries() || is_cut_short, "{entries:?}");
    });
}

/// The checksum of a snapshot covers everything behind it, so no flip goes unnoticed.
#[test]
fn snapshots() {
    in_parallel(&small_files(&[".snapshot"]), |path| {
        let whole = fs::read(path).unwrap();
        mutate(path, |bytes| {
            let sound = ProducerSnapshot::parse(bytes).is_ok_and(|snapshot| {
                assert_eq!(snapshot.iter().count(), snapshot.entries());
                snapshot.crc() == snapshot.compute_crc()
            });
            assert_eq!(sound, bytes == whole, "{}", path.display());
        });
    });
}

/// What a name ends with, a broken file of that kind, and whether one is sound.
type TextKind = (&'static str, &'static [u8], fn(&[u8]) -> bool);

#[test]
fn text_files() {
    let kinds: [TextKind; 6] = [
        ("leader-epoch-checkpoint", b"0\n1\n", |bytes| {
            checkpoint::leader_epoch_checkpoint(bytes).is_ok()
        }),
        ("-offset-checkpoint", b"0\nx\n", |bytes| checkpoint::offset_checkpoint(bytes).is_ok()),
        ("partition.metadata", b"version: 0\n", |bytes| PartitionMetadata::parse(bytes).is_ok()),
        ("meta.properties", b"version=x\n", |bytes| {
            properties::properties(bytes).is_ok() & MetaProperties::parse(bytes).is_ok()
        }),
        (".kafka_cleanshutdown", b"{}", |bytes| json::broker_epoch(bytes).is_some()),
        ("quorum-state", b"\xff", |bytes| json::quorum_state(bytes).is_ok()),
    ];
    for (end, broken, is_sound) in kinds {
        assert!(!is_sound(broken), "{end}: what nobody should take for sound");
        in_parallel(&small_files(&[end]), |path| {
            let whole = fs::read(path).unwrap();
            assert!(is_sound(&whole), "{}", path.display());
            assert!(
                mutate(path, |bytes| {
                    is_sound(bytes);
                }) > 9
            );
        });
    }
}

/// Keys and values of internal topics, damaged behind their checksums.
#[test]
fn records_of_internal_topics() {
    let mut scratch = Scratch::new(LIMITS.decompressed_bytes);
    let mut seen = BTreeMap::new();
    for partition in partitions(&testdata()) {
        let name = partition.file_name().unwrap().to_string_lossy().into_owned();
        let decode = match name.rsplit_once('-').unwrap().0 {
            "__consumer_offsets" => consumer_offsets::decode,
            "__transaction_state" => transaction_state::decode,
            _ => continue,
        };
        for log in files_ending(&partition, ".log") {
            let bytes = fs::read(log).unwrap();
            for batch in Batches::new(&bytes, Position(0)).map_while(Result::ok) {
                for record in batch.records(&mut scratch).unwrap().map_while(Result::ok) {
                    let (Some(key), Some(value)) = (record.key, record.value) else { continue };
                    // One of each shape: the type of the key, the version of the value, lengths.
                    let shape = (name.clone(), key[..2].to_vec(), value[..2].to_vec(), value.len());
                    seen.entry(shape).or_insert((decode, key.to_vec(), value.to_vec()));
                }
            }
        }
    }
    assert!(seen.len() > 10, "{:?}", seen.keys());
    for (decode, key, value) in seen.values() {
        let look = |key: &[u8], value: &[u8]| {
            let mut text = Vec::new();
            let decoded = decode(key, Some(value));
            decoded.kafka_key_text(Offset(1), &mut text);
            decoded.kafka_value_text(&mut text);
            let most = 4000 + 40 * (key.len() + value.len());
            assert!(text.len() < most, "{} bytes of text", text.len());
        };
        for bit in 0..key.len() * 8 {
            let mut key = key.clone();
            key[bit / 8] ^= 1 << (bit % 8);
            look(&key, value);
        }
        for bit in 0..value.len() * 8 {
            let mut value = value.clone();
            value[bit / 8] ^= 1 << (bit % 8);
            look(key, &value);
        }
        (0..key.len()).for_each(|length| look(&key[..length], value));
        (0..value.len()).for_each(|length| look(key, &value[..length]));
    }
}
