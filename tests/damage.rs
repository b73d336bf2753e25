//! Damage, each kind made on purpose in a copy of a real file: what `seg dump` calls it, where it
//! says it is, how it ends, and that everything around it is still dumped.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod common;

use common::batches::{
    BatchV2, Frame, attributes, count_v2, frames, message, record_v2, seal_legacy, seal_v2,
};
use common::{Run, files_ending, in_parallel, partitions_called, seg, seg_with_input};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A healthy log under its own name, for damaging.
#[derive(Clone)]
struct Log {
    /// Of the file, which says its base offset.
    name: String,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// What a dump has to find: code, first byte, byte behind the last.
type Found = (&'static str, usize, usize);

impl Log {
    /// A real log of a partition that is called `partition`: the one with most batches that are
    /// `wanted` by magic and attributes, and the number of one of them with batches around it.
    fn real(partition: &str, wanted: impl Fn(u8, u16) -> bool) -> (Self, usize) {
        let mut best: Option<(Self, Vec<usize>)> = None;
        for directory in partitions_called(partition) {
            for path in files_ending(&directory, ".log") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let log = Self::new(&name, fs::read(&path).unwrap());
                let is_wanted = |at: &usize| {
                    let frame = log.frames[*at];
                    wanted(frame.magic, attributes(&log.bytes, frame))
                        && (frame.magic < 2
                            || attributes(&log.bytes, frame) & 0x20 != 0
                            || count_v2(&log.bytes, frame) > 1)
                };
                let inner = 1..log.frames.len().saturating_sub(1);
                let found: Vec<usize> = inner.filter(is_wanted).collect();
                if best.as_ref().is_none_or(|(_, known)| found.len() > known.len()) {
                    best = Some((log, found));
                }
            }
        }
        let (log, found) = best.unwrap();
        assert!(!found.is_empty(), "{partition} has no such batch between others");
        let at = found[found.len() / 2];
        (log, at)
    }

    fn new(name: &str, mut bytes: Vec<u8>) -> Self {
        let frames = frames(&bytes);
        bytes.truncate(frames.last().map_or(0, Frame::end));
        Self { name: name.to_owned(), bytes, frames }
    }

    fn plain() -> (Self, usize) {
        Self::real("codec-none-0", |magic, attributes| magic == 2 && attributes & 0x27 == 0)
    }

    /// Changes the bytes of batch number `at`, and makes its checksum right again.
    fn resealed(&self, at: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let frame = self.frames[at];
        let mut bytes = self.bytes.clone();
        let batch = &mut bytes[frame.position..frame.end()];
        change(batch);
        if frame.magic == 2 {
            seal_v2(batch)
        } else {
            seal_legacy(batch)
        }
        bytes
    }

    /// Changes the bytes of batch number `at` and nothing else.
    fn changed(&self, at: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let frame = self.frames[at];
        let mut bytes = self.bytes.clone();
        change(&mut bytes[frame.position..frame.end()]);
        bytes
    }

    fn whole(&self, code: &'static str, at: usize) -> Found {
        (code, self.frames[at].position, self.frames[at].end())
    }

    /// Dumps `bytes` in place of this log, and compares what is said about them with `found` and
    /// `status`. The records of the batches `lost` may be missing or wrong, all others have to
    /// be there, and none that the healthy log has not.
    fn check(&self, bytes: &[u8], found: &[Found], status: i32, lost: &[usize]) {
        let what = format!("{} with {found:?}", self.name);
        let directory = Directory::with(&self.name, &self.bytes);
        let healthy = directory.dump(&["-r", "--format", "json", "-v"]);
        assert_eq!((healthy.status, findings(&healthy)), (0, vec![]), "{what}: before the damage");
        directory.write(&self.name, bytes);
        let run = directory.dump(&["-r", "--format", "json"]);
        assert_eq!(findings(&run), owned(found), "{what}");
        assert_eq!((run.status, run.stderr.as_str()), (status, ""), "{what}");

        let lost: BTreeSet<usize> = lost.iter().map(|&at| self.frames[at].position).collect();
        let (before, after) = (records(&healthy), records(&run));
        let kept: Vec<_> = before.iter().filter(|row| !lost.contains(&row.position)).collect();
        for row in kept {
            assert!(after.iter().any(|r| r.says == row.says), "{what}: missing {}", row.says);
        }
        for row in after.iter().filter(|row| !lost.contains(&row.position)) {
            assert!(before.iter().any(|r| r.says == row.says), "{what}: invented {}", row.says);
        }
        self.check_text(&directory, found, status, &what);
    }

    /// The same for people, records or batches: findings on stderr, one after the other.
    fn check_text(&self, directory: &Directory, found: &[Found], status: i32, what: &str) {
        let run = directory.dump(&["-r"]);
        assert_eq!(run.status, status, "{what}: {}", run.stderr);
        let mut rest = run.stderr.as_str();
        for (code, from, _) in found {
            let says = format!("  {code}  at {from}, ");
            let at = rest.find(&says).unwrap_or_else(|| panic!("{what}: no {says:?} in {rest}"));
            rest = &rest[at + says.len()..];
        }
    }
}

/// A partition directory of its own.
struct Directory {
    root: tempfile::TempDir,
}

impl Directory {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("orders-0")).unwrap();
        Self { root }
    }

    fn with(name: &str, bytes: &[u8]) -> Self {
        let directory = Self::new();
        directory.write(name, bytes);
        directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("orders-0").join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn dump(&self, arguments: &[&str]) -> Run {
        seg(self.root.path(), &[&["dump", "orders-0"], arguments].concat())
    }

    fn dump_file(&self, name: &str, arguments: &[&str]) -> Run {
        let path = format!("orders-0/{name}");
        seg(self.root.path(), &[&["dump", path.as_str()], arguments].concat())
    }
}

fn number(row: &Value, name: &str) -> usize {
    usize::try_from(row[name].as_u64().unwrap()).unwrap()
}

fn findings(run: &Run) -> Vec<(String, usize, usize)> {
    let found = |row: &Value| {
        let (from, length) = (number(row, "position"), number(row, "length"));
        (row["code"].as_str().unwrap().to_owned(), from, from + length)
    };
    run.rows_of("finding").iter().map(found).collect()
}

fn owned(found: &[Found]) -> Vec<(String, usize, usize)> {
    found.iter().map(|(code, from, to)| ((*code).to_owned(), *from, *to)).collect()
}

/// A record row: the position of its batch, and everything else that is said, without positions.
struct Row {
    position: usize,
    says: String,
}

fn records(run: &Run) -> Vec<Row> {
    let row = |mut row: Value| {
        let position = number(&row, "position");
        row["position"] = Value::Null;
        Row { position, says: row.to_string() }
    };
    run.rows_of("record").into_iter().map(row).collect()
}

#[test]
fn batch_crc() {
    let (log, at) = Log::plain();
    let found = [log.whole("batch-crc", at)];
    log.check(&log.changed(at, |batch| batch[70] ^= 4), &found, 1, &[at]);
    log.check(&log.changed(at, |batch| batch[18] ^= 128), &found, 1, &[at]);
    let (log, at) = Log::real("magic1-none-0", |magic, _| magic == 1);
    let found = [log.whole("batch-crc", at)];
    log.check(&log.changed(at, |batch| *batch.last_mut().unwrap() ^= 1), &found, 1, &[at]);
}

#[test]
fn batch_crc_of_two_batches() {
    let (log, at) = Log::plain();
    let mut bytes = log.changed(at, |batch| batch[65] ^= 1);
    bytes[log.frames[0].position + 65] ^= 1;
    let found = [log.whole("batch-crc", 0), log.whole("batch-crc", at)];
    log.check(&bytes, &found, 1, &[0, at]);
}

#[test]
fn batch_length() {
    let (log, at) = Log::plain();
    let size = i32::try_from(log.frames[at].size).unwrap();
    let next = i32::try_from(log.frames[at + 1].size).unwrap();
    for length in [0, -1, 13, size - 11, size - 13, size - 12 + next, 1 << 20, i32::MAX] {
        let bytes = log.changed(at, |batch| batch[8..12].copy_from_slice(&length.to_be_bytes()));
        log.check(&bytes, &[log.whole("batch-length", at)], 1, &[at]);
    }
}

#[test]
fn batch_magic() {
    let (log, at) = Log::plain();
    for magic in [3, 9, 0x80, 0xff] {
        let bytes = log.changed(at, |batch| batch[16] = magic);
        log.check(&bytes, &[log.whole("batch-magic", at)], 1, &[at]);
    }
}

#[test]
fn unclaimed_bytes() {
    let (log, at) = Log::plain();
    let position = log.frames[at].position;
    let mut bytes = log.bytes.clone();
    bytes.splice(position..position, [0xee; 100]);
    log.check(&bytes, &[("unclaimed-bytes", position, position + 100)], 1, &[]);
}

#[test]
fn torn_tail_at_every_byte() {
    let (log, _) = Log::plain();
    let count = log.frames.iter().take(4).take_while(|frame| frame.end() < 1500).count().max(2);
    let log = Log::new(&log.name, log.bytes[..log.frames[count - 1].end()].to_vec());
    let whole = records(&Directory::with(&log.name, &log.bytes).dump(&["-r", "--format", "json"]));
    let lengths: Vec<usize> = (0..log.bytes.len()).collect();
    in_parallel(&lengths, |&length| {
        let directory = Directory::with(&log.name, &log.bytes[..length]);
        let run = directory.dump(&["-r", "--format", "json"]);
        let end = log.frames.iter().map(Frame::end).filter(|&end| end <= length).max();
        let end = end.unwrap_or(0);
        // The first bytes of an offset are zeros, as they are in a file made larger in advance.
        let is_torn = log.bytes[end..length].iter().any(|&byte| byte != 0);
        let torn = is_torn.then_some(("torn-tail".to_owned(), end, length));
        assert_eq!(run.status, i32::from(torn.is_some()), "{length} bytes");
        assert_eq!(findings(&run), torn.into_iter().collect::<Vec<_>>(), "{length} bytes");
        let wanted: Vec<&str> =
            whole.iter().filter(|row| row.position < end).map(|row| row.says.as_str()).collect();
        let got = records(&run);
        let got: Vec<&str> = got.iter().map(|row| row.says.as_str()).collect();
        assert_eq!(got, wanted, "{length} bytes");
    });
}

#[test]
fn preallocated_tail() {
    let (log, _) = Log::plain();
    let end = log.bytes.len();
    let bytes = [log.bytes.clone(), vec![0; 5000]].concat();
    let directory = Directory::with(&log.name, &bytes);
    // A note: not shown, and no reason to complain.
    let run = directory.dump(&["-r", "--format", "json"]);
    assert_eq!((run.status, findings(&run)), (0, vec![]));
    let run = directory.dump(&["-r", "--format", "json", "-v"]);
    let tail = ("preallocated-tail".to_owned(), end, end + 5000);
    assert_eq!((run.status, findings(&run)), (0, vec![tail.clone()]));
    // In the middle of a partition there should be no such thing.
    let later = format!("{:020}.log", i64::from(i32::MAX));
    directory.write(&later, &[]);
    let run = directory.dump(&["-r", "--format", "json"]);
    assert_eq!((run.status, findings(&run)), (1, vec![tail]));
}

/// Checksums agree from here on: only the records themselves tell.
#[test]
fn record_structure() {
    let (log, at) = Log::plain();
    let found = [log.whole("record-structure", at)];
    // The length of the first record: negative; longer than all that is there.
    log.check(&log.resealed(at, |batch| batch[61] = 0x01), &found, 1, &[at]);
    let bytes = log.resealed(at, |batch| batch[61..64].copy_from_slice(&[0xfe, 0xff, 0x7f]));
    log.check(&bytes, &found, 1, &[at]);
    // A record more than the header counts is bytes that nobody claims.
    let count = count_v2(&log.bytes, log.frames[at]) as u32;
    let with_count =
        |count: u32| log.resealed(at, |batch| batch[57..61].copy_from_slice(&count.to_be_bytes()));
    log.check(&with_count(count - 1), &found, 1, &[at]);
    log.check(&with_count(u32::MAX), &found, 1, &[at]);
}

#[test]
fn record_count() {
    let (log, at) = Log::plain();
    let count = count_v2(&log.bytes, log.frames[at]) as u32;
    for stored in [count + 1, count + 1000, 0x7fff_ffff] {
        let bytes = log.resealed(at, |batch| batch[57..61].copy_from_slice(&stored.to_be_bytes()));
        // Every record that is there is dumped.
        log.check(&bytes, &[log.whole("record-count", at)], 1, &[]);
    }
}

#[test]
fn decompression() {
    for (codec, partition) in
        [(1, "codec-gzip-0"), (2, "codec-snappy-0"), (3, "codec-lz4-0"), (4, "codec-zstd-0")]
    {
        let (log, at) = Log::real(partition, |_, attributes| attributes & 0x27 == codec);
        let bytes = log.resealed(at, |batch| batch[61..65].fill(0xff));
        log.check(&bytes, &[log.whole("decompression", at)], 1, &[at]);
        // Cut short, and all the rest of it zeros.
        let bytes = log.resealed(at, |batch| {
            let middle = 61 + (batch.len() - 61) / 2;
            batch[middle..].fill(0);
        });
        let run = Directory::with(&log.name, &bytes).dump(&["-r", "--format", "json"]);
        let found = findings(&run);
        assert_eq!((run.status, found.len()), (1, 1), "{partition}: {found:?}");
        let (code, from, to) = log.whole("decompression", at);
        assert_eq!((found[0].1, found[0].2), (from, to), "{partition}: not {code}");
    }
}

#[test]
fn unknown_codec() {
    let (log, at) = Log::plain();
    for codec in [5, 6, 7] {
        let bytes = log.resealed(at, |batch| batch[22] |= codec);
        // Damage, and bytes that could not be looked at.
        log.check(&bytes, &[log.whole("unknown-codec", at)], 3, &[at]);
    }
    // A codec that messages of this magic cannot have.
    let (log, at) = Log::real("magic1-none-0", |magic, _| magic == 1);
    let bytes = log.resealed(at, |message| message[17] |= 4);
    log.check(&bytes, &[log.whole("unknown-codec", at)], 3, &[at]);
}

#[test]
fn wrapper_message() {
    let (log, at) = Log::real("magic1-none-0", |magic, _| magic == 1);
    let frame = log.frames[at];
    let offset: [u8; 8] = log.bytes[frame.position..frame.position + 8].try_into().unwrap();
    let wrapper = message(1, i64::from_be_bytes(offset), 1, 5, None);
    let mut bytes = log.bytes.clone();
    let end = frame.position + wrapper.len();
    bytes.splice(frame.position..frame.end(), wrapper);
    log.check(&bytes, &[("wrapper-message", frame.position, end)], 1, &[at]);
}

#[test]
fn control_record() {
    let (log, at) = Log::real("txn-0", |_, attributes| attributes & 0x20 != 0);
    // Length, attributes, two deltas and the length of the key are a byte each.
    let bytes = log.resealed(at, |batch| {
        assert_eq!(batch[65], 8, "a key of four bytes");
        batch[66..68].fill(0xff);
    });
    log.check(&bytes, &[log.whole("control-record", at)], 1, &[at]);
}

/// Damages a file of another kind: what is found, and where.
fn check_small(partition: &str, end: &str, damage: impl Fn(&mut Vec<u8>) -> Found) {
    let mut files: Vec<PathBuf> =
        partitions_called(partition).iter().flat_map(|path| files_ending(path, end)).collect();
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    let path = files.first().unwrap_or_else(|| panic!("{partition} has no {end}"));
    check_small_file(path, damage);
}

fn check_small_file(path: &Path, damage: impl Fn(&mut Vec<u8>) -> Found) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let directory = Directory::with(name, &bytes);
    let healthy = directory.dump_file(name, &["--format", "json"]);
    let what = path.display();
    assert_eq!((healthy.status, findings(&healthy)), (0, vec![]), "{what}: before the damage");
    assert!(!healthy.rows().is_empty(), "{what}: nothing in it");
    let found = damage(&mut bytes);
    directory.write(name, &bytes);
    let run = directory.dump_file(name, &["--format", "json"]);
    assert_eq!(findings(&run), owned(&[found]), "{what}");
    assert_eq!((run.status, run.stderr.as_str()), (1, ""), "{what}");
    let run = directory.dump_file(name, &[]);
    assert_eq!(run.status, 1, "{what}");
    let says = format!("  {}  at {}, ", found.0, found.1);
    assert!(run.stderr.contains(&says), "{what}: no {says:?} in {}", run.stderr);
}

#[test]
fn bytes_behind_the_last_entry_of_an_index() {
    let ends = [
        ("lookup-0", ".index", "index-length"),
        ("lookup-0", ".timeindex", "time-index-length"),
        ("txn-0", ".txnindex", "txn-index-length"),
    ];
    for (partition, end, code) in ends {
        for left_over in [1, 5, 7] {
            check_small(partition, end, |bytes| {
                let from = bytes.len();
                bytes.extend(vec![7; left_over]);
                (code, from, from + left_over)
            });
        }
    }
}

#[test]
fn txn_index_entry() {
    check_small("txn-0", ".txnindex", |bytes| {
        bytes[0] = 1;
        ("txn-index-entry", 0, 34)
    });
    let entries = |path: &PathBuf| fs::metadata(path).unwrap().len() / 34;
    let mut files: Vec<PathBuf> = partitions_called("txn-0")
        .iter()
        .flat_map(|path| files_ending(path, ".txnindex"))
        .collect();
    files.sort_by_key(entries);
    let path = files.last().unwrap();
    let (name, count) = (path.file_name().unwrap().to_str().unwrap(), entries(path) as usize);
    assert!(count > 2, "no .txnindex with an entry between others");
    let mut bytes = fs::read(path).unwrap();
    bytes[34] = 1;
    let run = Directory::with(name, &bytes).dump_file(name, &["--format", "json"]);
    assert_eq!(findings(&run), owned(&[("txn-index-entry", 34, 68)]));
    assert_eq!(run.rows_of("txnIndexEntry").len(), count - 1, "entries behind the broken one");
}

#[test]
fn snapshot_damaged() {
    for at in [0, 2, 20] {
        check_small("epochs-0", ".snapshot", |bytes| {
            bytes[at] ^= 1;
            ("snapshot-damaged", 0, bytes.len())
        });
    }
    check_small("epochs-0", ".snapshot", |bytes| {
        bytes.truncate(bytes.len() - 1);
        ("snapshot-damaged", 0, bytes.len())
    });
}

/// What is wrong in a text file is said by code and line; how long the range is, is not promised.
#[test]
fn text_files() {
    let mut epochs = partitions_called("epochs-0");
    epochs.retain(|path| path.join("partition.metadata").exists());
    let epochs = epochs.remove(0);
    let log_dir = epochs.parent().unwrap().to_owned();
    let files: [(PathBuf, &str); 4] = [
        (epochs.join("leader-epoch-checkpoint"), "leader-epoch-checkpoint"),
        (log_dir.join("recovery-point-offset-checkpoint"), "checkpoint"),
        (epochs.join("partition.metadata"), "partition-metadata"),
        (log_dir.join("meta.properties"), "meta-properties"),
    ];
    for (path, code) in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        let directory = Directory::with(name, &bytes);
        let healthy = directory.dump_file(name, &["--format", "json"]);
        assert_eq!((healthy.status, findings(&healthy)), (0, vec![]), "{name}");
        assert!(!healthy.rows().is_empty(), "{name}: nothing in it");
        let text = String::from_utf8(bytes).unwrap();
        let version = text.replace("version=", "version=x").replace("version: ", "version: x");
        let broken = if version == text { format!("x{text}") } else { version };
        directory.write(name, broken.as_bytes());
        let run = directory.dump_file(name, &["--format", "json"]);
        let codes: Vec<String> = findings(&run).into_iter().map(|(code, ..)| code).collect();
        assert_eq!((run.status, codes), (1, vec![code.to_owned()]), "{name}");
        let run = directory.dump_file(name, &[]);
        assert!(run.status == 1 && run.stderr.contains(&format!("  {code}  at ")), "{name}");
    }
}

/// The value of a record is a whole batch, with the very offset that might come next; the batch
/// around it is damaged in ways that lead a reader right into the value.
#[test]
fn a_batch_inside_a_value_fools_nobody() {
    let inner = BatchV2::of_values(2, &[b"never sent"]).bytes();
    let value = [b"before".as_slice(), &inner, b"behind"].concat();
    let outer = BatchV2::of_values(1, &[&value]);
    let first = BatchV2::of_values(0, &[b"one"]).bytes();
    let last = BatchV2::of_values(2, &[b"three", b"four"]).bytes();
    let log = [first.clone(), outer.bytes(), last].concat();
    let log = Log::new("00000000000000000000.log", log);
    assert_eq!(log.frames.len(), 3);
    let from = log.frames[1].position;
    let inside = log.bytes.windows(inner.len()).position(|window| window == inner).unwrap();
    let length_to = |end: usize| i32::try_from(end - from - 12).unwrap().to_be_bytes();

    for end in [inside, inside + inner.len()] {
        let bytes = log.changed(1, |batch| batch[8..12].copy_from_slice(&length_to(end)));
        log.check(&bytes, &[log.whole("batch-length", 1)], 1, &[1]);
    }
    let bytes = log.changed(1, |batch| batch[25] ^= 1);
    log.check(&bytes, &[log.whole("batch-crc", 1)], 1, &[1]);
    let bytes = log.changed(1, |batch| batch[16] = 77);
    log.check(&bytes, &[log.whole("batch-magic", 1)], 1, &[1]);
    // The same at the end of the file, where nothing comes behind: cut off right behind the value's
    // batch, its last bytes are a batch that proves itself, inside one that was never finished.
    let cut = log.bytes[..inside + inner.len()].to_vec();
    log.check(&cut, &[("torn-tail", from, cut.len())], 1, &[1, 2]);
}

#[test]
fn many_batches_inside_a_value_fool_nobody() {
    let inner: Vec<u8> =
        (0..50).flat_map(|at| BatchV2::of_values(3 + at, &[b"never sent"]).bytes()).collect();
    let payload = [record_v2(0, 0, Some(b"key"), Some(&inner)), record_v2(1, 1, None, None)];
    let outer = BatchV2 {
        base_offset: 1,
        attributes: 0,
        count: 2,
        producer_id: -1,
        payload: payload.concat(),
    };
    let first = BatchV2::of_values(0, &[b"one"]).bytes();
    let last = BatchV2::of_values(3, &[b"three"]).bytes();
    let behind = BatchV2::of_values(4, &[b"four"]).bytes();
    let log = [first, outer.bytes(), last, behind].concat();
    let log = Log::new("00000000000000000000.log", log);
    let inner_size = inner.len() / 50;
    let start = log.bytes.windows(inner.len()).position(|window| window == inner).unwrap();
    for number in [0, 1, 25, 49, 50] {
        let length = i32::try_from(start + number * inner_size - log.frames[1].position - 12);
        let length = length.unwrap().to_be_bytes();
        let bytes = log.changed(1, |batch| batch[8..12].copy_from_slice(&length));
        log.check(&bytes, &[log.whole("batch-length", 1)], 1, &[1]);
    }
    let bytes = log.changed(1, |batch| batch[17] ^= 1);
    log.check(&bytes, &[log.whole("batch-crc", 1)], 1, &[1]);
}

/// More than 16 MiB in several runs, damaged in every way in every part of it.
fn large_damaged_log() -> Vec<u8> {
    let value = vec![b'v'; 60_000];
    let template = BatchV2::of_values(0, &[&value, b"small"]).bytes();
    let mut log = Vec::new();
    for number in 0..290_i64 {
        let at = log.len();
        log.extend_from_slice(&template);
        // Neither is under the checksum.
        log[at..at + 8].copy_from_slice(&(number * 2).to_be_bytes());
        match number % 23 {
            3 => log[at + 100] ^= 1,
            9 => log[at + 8..at + 12].copy_from_slice(&(number as i32 * 7).to_be_bytes()),
            15 => log[at + 16] = 9,
            21 => log.extend([0xee; 333]),
            _ => {}
        }
    }
    log.truncate(log.len() - 1000);
    assert!(log.len() > 16 << 20);
    log
}

#[test]
fn output_is_the_same_for_any_number_of_threads_and_from_stdin() {
    let bytes = large_damaged_log();
    let directory = Directory::with("00000000000000000000.log", &bytes);
    let forms: [&[&str]; 5] = [
        &[],
        &["-r", "--value-as", "none"],
        &["--format", "json"],
        &["-r", "--format", "json", "--value-as", "none"],
        &["--format", "kafka"],
    ];
    for form in forms {
        let with = |threads| directory.dump(&[form, &["--threads", threads]].concat());
        let (one, four) = (with("1"), with("4"));
        assert_eq!((one.status, four.status), (1, 1), "{form:?}");
        assert!(one.stdout == four.stdout, "{form:?}: stdout differs");
        assert_eq!(one.stderr, four.stderr, "{form:?}");
        if form == ["--format", "json"] {
            assert!(findings(&one).len() > 40, "{:?}", findings(&one));
        }
    }
    let form = ["-r", "--format", "json", "--value-as", "none"];
    let file = directory.dump(&form);
    let piped = seg_with_input(Path::new("."), &[&["dump", "-"], &form[..]].concat(), &bytes);
    let without_file = |run: &Run| -> Vec<Value> {
        let mut rows = run.rows();
        for row in &mut rows {
            // What to do next names the file's directory.
            row["file"] = Value::Null;
            row["next"] = Value::Null;
        }
        rows
    };
    assert_eq!(piped.status, 1);
    let (file, piped) = (without_file(&file), without_file(&piped));
    for (file, piped) in file.iter().zip(&piped) {
        assert_eq!(file, piped);
    }
    assert_eq!(file.len(), piped.len());
}

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let bytes: Vec<u8> =
        (0..40_000).flat_map(|at| BatchV2::of_values(at, &[b"value"]).bytes()).collect();
    let directory = Directory::with("00000000000000000000.log", &bytes);
    for form in [&["-r"][..], &["--format", "json"], &["-r", "--format", "kafka"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_seg"))
            .args([&["dump", "orders-0"], form].concat())
            .current_dir(directory.root.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 100];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{form:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{form:?}");
    }
}

/// One line on stderr, nothing on stdout, exit status 2.
fn assert_refused(directory: &Path, path: &str, says: &str) {
    // `ls` lists directories only.
    let commands = if path.ends_with(".log") { &["dump"][..] } else { &["dump", "ls"] };
    for command in commands {
        let run = seg(directory, &[*command, path]);
        assert_eq!(run.status, 2, "{command} {path}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{command} {path}");
        assert_eq!(run.stderr.lines().count(), 1, "{command} {path}: {}", run.stderr);
        assert!(run.stderr.starts_with("seg: ") && run.stderr.contains(path), "{}", run.stderr);
        assert!(run.stderr.contains(says), "{command} {path}: no {says:?} in {}", run.stderr);
    }
}

#[test]
fn what_cannot_be_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at("holiday")).unwrap();
    fs::write(at("holiday/beach.jpg"), b"sand").unwrap();
    let log = "00000000000000000000.log";
    fs::write(at(log), BatchV2::of_values(0, &[b"value"]).bytes()).unwrap();
    std::os::unix::fs::symlink(at(log), at("00000000000000000001.log")).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    let pipe = at("00000000000000000002.log");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();

    assert_eq!(seg(root.path(), &["dump", log]).status, 0);
    assert_refused(root.path(), "00000000000000000009.log", "No such file or directory");
    assert_refused(root.path(), "empty", "empty");
    assert_refused(root.path(), "holiday", "no partition directory and no log dir");
    assert_refused(root.path(), "00000000000000000001.log", "symbolic link");
    assert_refused(root.path(), "00000000000000000002.log", "named pipe");
    // Root may read everything, so only others can see this.
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::write(at("00000000000000000003.log"), b"").unwrap();
        let none = fs::Permissions::from_mode(0o000);
        fs::set_permissions(at("00000000000000000003.log"), none).unwrap();
        assert_refused(root.path(), "00000000000000000003.log", "Permission denied");
    }
}

/// What can be looked at is, when something beside it cannot.
#[test]
fn the_rest_is_dumped_beside_what_cannot_be_looked_at() {
    let directory =
        Directory::with("00000000000000000000.log", &BatchV2::of_values(0, &[b"value"]).bytes());
    let arguments = ["dump", "-r", "--format", "json", "missing.log", "orders-0"];
    let run = seg(directory.root.path(), &arguments);
    assert_eq!((run.status, run.rows_of("record").len()), (2, 1), "{}", run.stderr);
}
