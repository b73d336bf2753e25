//! Copies of real partitions that can be changed, and what `seg verify` has to say about them.

use crate::common::batches::{Frame, frames, seal_legacy, seal_v2};
use crate::common::{Run, copy_files, entries, seg, testdata};
use serde_json::Value;
use std::cell::Cell;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const E: &str = "error";
pub const W: &str = "warning";
pub const N: &str = "note";

/// Sealed segments and a last one, never compacted, nothing odd in them.
pub const PLAIN: (&str, &str) = ("kafka-4.3.1", "lookup-0");

/// What has to be found: code, severity, file, first byte, number of bytes.
pub type Found = (&'static str, &'static str, String, usize, usize);

/// A finding of a range.
pub fn found(code: &'static str, severity: &'static str, file: &str, range: Range<usize>) -> Found {
    (code, severity, file.to_owned(), range.start, range.len())
}

/// A copy of a partition.
pub struct Place {
    _temp: TempDir,
    /// Where `seg` is run.
    pub root: PathBuf,
    /// The directory of the partition.
    pub partition: PathBuf,
    /// What `seg` is told to look at.
    pub target: String,
}

impl Place {
    /// The partition alone, in no log dir.
    pub fn of((log_dir, partition): (&str, &str)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let to = temp.path().join(partition);
        copy_files(&testdata().join(log_dir).join(partition), &to);
        let root = temp.path().to_owned();
        Self { _temp: temp, root, partition: to, target: partition.to_owned() }
    }

    /// The partition in a copy of its log dir, without the other partitions.
    pub fn in_log_dir((log_dir, partition): (&str, &str)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().to_owned();
        copy_files(&testdata().join(log_dir), &root.join("data"));
        let to = root.join("data").join(partition);
        copy_files(&testdata().join(log_dir).join(partition), &to);
        Self { _temp: temp, root, partition: to, target: "data".to_owned() }
    }

    pub fn plain() -> Self {
        Self::of(PLAIN)
    }

    /// As findings name a file of the partition.
    pub fn name(&self, file: &str) -> String {
        let partition = self.partition.strip_prefix(&self.root).unwrap();
        partition.join(file).to_str().unwrap().to_owned()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.partition.join(file)
    }

    pub fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    pub fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path(file), bytes).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    pub fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(file);
        let before = bytes.clone();
        change(&mut bytes);
        assert_ne!(before, bytes, "{file} was not changed");
        self.write(file, &bytes);
    }

    /// The names of the files that end so, in their order.
    pub fn files(&self, end: &str) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = entries(&self.partition).iter().map(name).collect();
        names.retain(|name| name.ends_with(end));
        names
    }

    /// The `.log` of segment number `number`.
    pub fn log(&self, number: usize) -> Log {
        let file = self.files(".log")[number].clone();
        let bytes = self.read(&file);
        let frames = frames(&bytes);
        let stem = file.trim_end_matches(".log").to_owned();
        Log { base: stem.parse().unwrap(), stem, file, bytes, frames }
    }

    pub fn last_log(&self) -> Log {
        self.log(self.files(".log").len() - 1)
    }

    pub fn save(&self, log: &Log) {
        assert_ne!(self.read(&log.file), log.bytes, "{} was not changed", log.file);
        self.write(&log.file, &log.bytes);
    }

    pub fn verify(&self, more: &[&str]) -> Run {
        let arguments = ["verify", "--format", "json", "-v", &self.target];
        seg(&self.root, &[&arguments[..], more].concat())
    }
}

/// A healthy `.log`, to be spoilt.
pub struct Log {
    pub base: usize,
    /// The name without its ending.
    pub stem: String,
    pub file: String,
    pub bytes: Vec<u8>,
    /// Of the bytes as they were.
    pub frames: Vec<Frame>,
}

impl Log {
    pub fn range(&self, batch: usize) -> Range<usize> {
        self.frames[batch].position..self.frames[batch].end()
    }

    pub fn batch(&mut self, batch: usize) -> &mut [u8] {
        let range = self.range(batch);
        &mut self.bytes[range]
    }

    /// Changes a batch and makes its checksum right again.
    pub fn reseal(&mut self, batch: usize, change: impl FnOnce(&mut [u8])) {
        let magic = self.frames[batch].magic;
        let bytes = self.batch(batch);
        change(bytes);
        if magic == 2 { seal_v2(bytes) } else { seal_legacy(bytes) }
    }

    /// Puts other bytes in the place of the last batch, with length and checksum made right.
    pub fn replace_last(&mut self, change: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let range = self.range(self.frames.len() - 1);
        let mut batch = self.bytes.split_off(range.start);
        change(&mut batch);
        let length = i32::try_from(batch.len() - 12).unwrap();
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        if batch[16] == 2 {
            seal_v2(&mut batch)
        } else {
            seal_legacy(&mut batch)
        }
        self.bytes.extend_from_slice(&batch);
        range.start..self.bytes.len()
    }

    pub fn base_offset(&self, batch: usize) -> i64 {
        read_i64(&self.bytes, self.frames[batch].position)
    }

    pub fn last_offset(&self, batch: usize) -> i64 {
        let delta = read_i32(&self.bytes, self.frames[batch].position + 23);
        self.base_offset(batch) + i64::from(delta)
    }

    pub fn count(&self, batch: usize) -> i32 {
        read_i32(&self.bytes, self.frames[batch].position + 57)
    }

    /// The batch whose base offset this is.
    pub fn batch_of(&self, offset: i64) -> Option<usize> {
        (0..self.frames.len()).find(|batch| self.base_offset(*batch) == offset)
    }

    /// A batch between others that is `wanted` by its bytes.
    pub fn inner(&self, wanted: impl Fn(&[u8]) -> bool) -> usize {
        let mut inner = 2..self.frames.len() - 2;
        inner.find(|batch| wanted(&self.bytes[self.range(*batch)])).unwrap()
    }

    /// One between others of at least four records.
    pub fn of_many(&self) -> usize {
        self.inner(|batch| batch[16] == 2 && read_i32(batch, 57) > 3)
    }
}

pub fn read_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

pub fn read_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn write_i64(bytes: &mut [u8], at: usize, value: i64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

pub fn write_i32(bytes: &mut [u8], at: usize, value: i32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Where the records of an uncompressed batch of magic 2 begin and end.
pub fn records(batch: &[u8]) -> Vec<Range<usize>> {
    let mut at = 61;
    let mut records = Vec::new();
    while at < batch.len() {
        let (start, mut length, mut shift) = (at, 0usize, 0);
        loop {
            let byte = batch[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        at += length / 2;
        records.push(start..at);
    }
    records
}

/// A code that is to be proved.
pub struct Case {
    pub code: &'static str,
    tripped: Cell<usize>,
    spared: Cell<usize>,
}

impl Case {
    pub fn new(code: &'static str) -> Self {
        Self { code, tripped: Cell::new(0), spared: Cell::new(0) }
    }

    pub fn is_proved(&self) {
        assert!(self.tripped.get() > 0, "{}: nothing trips it", self.code);
        assert!(self.spared.get() > 0, "{}: nothing close to it was tried", self.code);
    }

    /// Findings of this code, and all errors and warnings, are `expected`; the first is of it.
    pub fn trips(&self, place: &Place, more: &[&str], status: i32, expected: &[Found]) -> Run {
        let run = place.verify(more);
        self.tripped_by(&run, status, expected);
        run
    }

    pub fn tripped_by(&self, run: &Run, status: i32, expected: &[Found]) {
        assert_eq!(expected[0].0, self.code);
        let mut expected = expected.to_vec();
        let is_wanted = |row: &Value| row["severity"] != N || row["code"] == self.code;
        let mut rows = found_by(run, is_wanted);
        expected.sort();
        rows.sort();
        assert_eq!(rows, expected, "{}\n{}", self.code, run.stderr);
        assert_eq!(run.status, status, "{}: exit status; {}", self.code, run.stderr);
        self.tripped.set(self.tripped.get() + 1);
    }

    /// One of the ways in which a code can be proved when it cannot be tripped through the program.
    pub fn proved_elsewhere(&self) {
        self.tripped.set(self.tripped.get() + 1);
        self.spared.set(self.spared.get() + 1);
    }

    /// There is no finding of this code, whatever else there is.
    pub fn spares(&self, place: &Place, status: i32) {
        let run = place.verify(&[]);
        let rows = found_by(&run, |row| row["code"] == self.code);
        assert_eq!(rows, [], "{}: not here", self.code);
        let all = found_by(&run, |row| row["severity"] != N);
        assert_eq!(run.status, status, "{}: exit status: {all:?} {}", self.code, run.stderr);
        self.spared.set(self.spared.get() + 1);
    }

    /// The same of a partition as its broker left it.
    pub fn spares_healthy(&self, partition: (&str, &str)) {
        self.spares(&Place::of(partition), 0);
    }
}

fn found_by(run: &Run, wanted: impl Fn(&Value) -> bool) -> Vec<Found> {
    let rows = run.rows_of("finding");
    let row = |row: &Value| {
        let code = segkit::check::CODES.iter().find(|code| row["code"] == **code).unwrap();
        let severity = [E, W, N].into_iter().find(|name| row["severity"] == *name).unwrap();
        let file = row["file"].as_str().unwrap().to_owned();
        let number = |name: &str| row[name].as_u64().unwrap() as usize;
        (*code, severity, file, number("position"), number("length"))
    };
    rows.iter().filter(|row| wanted(row)).map(row).collect()
}

/// The evidence of the one finding of `code`.
pub fn evidence(run: &Run, code: &str) -> Value {
    let rows = run.rows_of("finding");
    let mut rows = rows.iter().filter(|row| row["code"] == code);
    let row = rows.next().unwrap();
    assert!(rows.next().is_none(), "more than one {code}");
    row["evidence"].clone()
}

/// What the first finding of `code` says that a broker does.
pub fn broker(run: &Run, code: &str) -> String {
    let rows = run.rows_of("finding");
    let row = rows.iter().find(|row| row["code"] == code).unwrap();
    row["broker"].as_str().unwrap_or_default().to_owned()
}

/// Copies a file.
pub fn copy(from: &Path, to: &Path) {
    fs::write(to, fs::read(from).unwrap()).unwrap();
}
