//! Partitions that are written: as brokers wrote them, in any number of runs, to a disk that fails,
//! is full, or loses power.

mod brokers;
mod disk;
mod faults;
mod opening;
mod power;
mod reopened;
mod rolls;

use super::*;
use crate::check::report::{PartitionReport, Rebuilt, SegmentReport};
use crate::check::{Depth, Listener, PartitionScope, Scope, Severity, VerifyOptions, verify};
use crate::format::Codec;
use crate::format::encode::{
    BatchEncoder, BatchFields, Compressor, LegacyEncoder, LegacyFields, RecordToWrite,
    TransactionMarker,
};
use crate::log::lock::Guard;
use crate::log::{Access, PartitionDir};
use crate::progress::Silent;
use disk::TestDisk;
use std::collections::BTreeMap;
use std::fs;

const NOW: i64 = 1_700_000_000_000;
const INTERVAL: u64 = 400;

fn options() -> WriterOptions {
    WriterOptions {
        index_interval_bytes: INTERVAL,
        segment_bytes: 3000,
        segment_ms: i64::MAX,
        segment_index_bytes: 4096,
        flush_interval_messages: None,
        collected_bytes: 0,
        topic_id: None,
        log_start_offset: None,
        known_end: None,
        limits: Limits::STANDARD,
    }
}

/// A partition directory that is in no log dir.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("orders-0")).unwrap();
        Self { root }
    }

    fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let place = Self::new();
        for (name, bytes) in files {
            fs::write(place.path(name), bytes).unwrap();
        }
        place
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("orders-0")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files_in(&self.directory())
    }

    /// What comes of a run that appends `batches` one by one.
    fn write(&self, disk: &TestDisk, options: WriterOptions, batches: &[Vec<u8>]) -> Result<Ran> {
        let guard = Guard::of_partition_alone(&self.directory()).unwrap();
        let opened = PartitionWriter::open(&self.directory(), &guard, disk, options, NOW)?;
        let mut writer = match opened {
            Opened::Ready(writer) => writer,
            Opened::Damaged(damaged) => return Ok(Ran::Damaged(damaged)),
        };
        let mut failed = None;
        for batch in batches {
            failed = writer.append(batch, NOW).err();
            if failed.is_some() {
                break;
            }
        }
        let (written, closed) = writer.close();
        Ok(Ran::Wrote { written, failed: failed.map(|error| error.to_string()), closed })
    }

    /// The same, where nothing may go wrong.
    fn write_well(&self, options: WriterOptions, batches: &[Vec<u8>]) -> Written {
        match self.write(&TestDisk::default(), options, batches) {
            Ok(Ran::Wrote { written, failed: None, closed: Ok(()) }) => written,
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Debug)]
enum Ran {
    Wrote { written: Written, failed: Option<String>, closed: Result<()> },
    Damaged(Damaged),
}

fn files_in(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

/// What stands in the `.log` files, one behind the other.
fn log_of(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    files.iter().filter(|(name, _)| name.ends_with(".log")).flat_map(|it| it.1.clone()).collect()
}

/// What `seg verify` finds, notes left out, and what a rebuild would change.
#[derive(Debug, Default)]
struct Verdict {
    errors: Vec<String>,
    warnings: Vec<String>,
    rebuilt: Vec<String>,
}

impl Verdict {
    fn of(directory: &Path, interval: u64) -> Self {
        let dir = PartitionDir::open(directory).unwrap();
        let scope =
            Scope { partitions: vec![PartitionScope::new(dir, None)], log_dirs: Vec::new() };
        let options = VerifyOptions {
            depth: Depth::Records,
            access: Access::Read,
            threads: 1,
            limits: Limits::STANDARD,
            max_duration: None,
            rebuild_with_interval: Some(interval),
            collects_stretches: false,
        };
        let mut verdict = Self::default();
        verify(&scope, &options, &Silent, &mut verdict);
        verdict
    }

    fn rebuilt(&mut self, files: Vec<Rebuilt>) {
        for file in files {
            if let Some(after) = file.after.filter(|_| file.is_due) {
                let before = file.before.map(|before| before.bytes.len());
                self.rebuilt.push(format!("{:?} {before:?} {}", file.path, after.len()));
            }
        }
    }

    #[track_caller]
    fn is_clean(&self, context: &str) {
        let all = [&self.errors, &self.warnings, &self.rebuilt];
        assert!(all.iter().all(|it| it.is_empty()), "{context}: {self:#?}");
    }
}

impl Listener for Verdict {
    fn segment(&mut self, report: SegmentReport) {
        // An index that is right is rebuilt as it is.
        let is_other =
            |it: &Rebuilt| it.before.as_ref().map(|file| &*file.bytes) != it.after.as_deref();
        let files = report.rebuilt.into_iter().filter(|it| it.after.is_some() && is_other(it));
        self.rebuilt(files.collect());
    }

    fn partition(&mut self, report: PartitionReport) -> bool {
        for finding in &report.findings {
            let said = format!("{} {:?}", finding.problem.code(), finding.file.file_name());
            match finding.severity() {
                Severity::Error => self.errors.push(said),
                Severity::Warning => self.warnings.push(said),
                Severity::Note => {}
            }
        }
        self.rebuilt(report.rebuilt);
        true
    }
}

/// A batch that is to be made.
#[derive(Clone, Copy, Debug)]
struct Plain {
    base: i64,
    records: i64,
    value_bytes: usize,
    timestamp: i64,
    epoch: i32,
    producer: Option<(i64, i32)>,
    in_transaction: bool,
}

impl Plain {
    fn at(base: i64) -> Self {
        let (producer, in_transaction) = (None, false);
        let (records, value_bytes, timestamp) = (3, 50, NOW + base);
        Self { base, records, value_bytes, timestamp, epoch: 0, producer, in_transaction }
    }

    fn bytes(self) -> Vec<u8> {
        let (mut encoder, mut out) = (BatchEncoder::new(), Vec::new());
        let (producer_id, base_sequence) = self.producer.unwrap_or((-1, -1));
        let fields = BatchFields {
            partition_leader_epoch: self.epoch,
            producer_id,
            base_sequence,
            producer_epoch: if producer_id < 0 { -1 } else { 0 },
            is_transactional: self.in_transaction,
            ..BatchFields::at(Offset(self.base))
        };
        encoder.begin(fields).unwrap();
        let value = vec![b'v'; self.value_bytes];
        for number in 0..self.records {
            let record = record(self.base + number, self.timestamp, &value);
            encoder.append(&record).unwrap();
        }
        encoder.finish(&mut Compressor::none(), &mut out).unwrap();
        out
    }
}

fn record(offset: i64, timestamp: i64, value: &[u8]) -> RecordToWrite<'_> {
    RecordToWrite { offset: Offset(offset), timestamp, key: None, value: Some(value), headers: &[] }
}

fn marker(offset: i64, producer_id: i64, epoch: i32, is_abort: bool) -> Vec<u8> {
    let marker = TransactionMarker {
        is_abort,
        coordinator_epoch: 0,
        producer_id,
        producer_epoch: 0,
        offset: Offset(offset),
        timestamp: NOW + offset,
        partition_leader_epoch: epoch,
    };
    let mut out = Vec::new();
    marker.append_to(&mut BatchEncoder::new(), &mut out).unwrap();
    out
}

/// A run of messages, or a wrapper around them.
fn legacy(magic: i8, codec: Codec, base: i64, records: i64) -> Vec<u8> {
    let (mut encoder, mut out) = (LegacyEncoder::new(), Vec::new());
    encoder.begin(LegacyFields { magic, log_append_time: None }).unwrap();
    for offset in base..base + records {
        let timestamp = if magic == 0 { -1 } else { NOW + offset };
        encoder.append(&record(offset, timestamp, b"an old value")).unwrap();
    }
    encoder.finish(&mut Compressor::new(codec, None).unwrap(), &mut out).unwrap();
    out
}

/// Plain batches, transactions of two producers that go on across segments, three leader epochs.
fn mixed(batches: i64) -> Vec<Vec<u8>> {
    let (mut made, mut offset) = (Vec::new(), 0);
    let mut sequences = [0_i32, 0];
    for number in 0..batches {
        let epoch = i32::try_from(number * 3 / batches).unwrap() * 2;
        let which = usize::try_from(number % 2).unwrap();
        let id = 4000 + number % 2;
        if number % 7 >= 5 && sequences[which] > 0 {
            made.push(marker(offset, id, epoch, number % 3 > 0));
            offset += 1;
            continue;
        }
        let mut batch = Plain { epoch, ..Plain::at(offset) };
        batch.value_bytes = usize::try_from(number * 37 % 90).unwrap();
        if number % 7 > 1 {
            batch.producer = Some((id, sequences[which]));
            batch.in_transaction = true;
            sequences[which] += 3;
        }
        made.push(batch.bytes());
        offset += 3;
    }
    made
}

/// Batches end to end, by their lengths alone.
fn frames(log: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut found) = (log, Vec::new());
    while let Some(length) = rest.get(8..12) {
        let size = u32::from_be_bytes(length.try_into().unwrap()) as usize + 12;
        if size < 26 {
            break;
        }
        let Some((batch, behind)) = rest.split_at_checked(size) else { break };
        found.push(batch);
        rest = behind;
    }
    found
}

/// Seeded, so that a failure can be had again.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
