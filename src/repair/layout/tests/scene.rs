//! Partitions made by hand, looked at as a repair looks at them, and laid out.

use super::super::{Bytes, Layout, SegmentLook, Terms, layout};
use crate::check::report::{PartitionReport, SegmentReport};
use crate::check::{Depth, Listener, PartitionScope, Scope, VerifyOptions, verify};
use crate::error::Error;
use crate::format::checkpoint::LeaderEpochs;
use crate::format::crc::{crc32, crc32c};
use crate::format::replay::BatchFacts;
use crate::format::{Batches, Offset, Position, Scratch};
use crate::limits::Limits;
use crate::log::image::LogImage;
use crate::log::{Access, PartitionDir};
use crate::progress::Silent;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A batch as it is made, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub base: i64,
    pub count: i64,
    pub bytes: Vec<u8>,
}

impl Made {
    pub fn last(&self) -> i64 {
        self.base + self.count - 1
    }

    /// Gives a batch of magic 2 another greatest timestamp.
    pub fn stamp(&mut self, timestamp: i64) {
        self.bytes[35..43].copy_from_slice(&timestamp.to_be_bytes());
        let crc = crc32c(&self.bytes[21..]);
        self.bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}

/// A segment: the offset in its name, its batches' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub base: i64,
    pub bytes: Vec<u8>,
}

/// The logs of a partition.
pub type Partition = Vec<Segment>;

/// xorshift64*: the same numbers from the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 8).unwrap() % bound.max(1)
    }
}

/// A batch of magic 2 of `count` records in `span` offsets; `seed` makes its values its own.
pub fn batch(base: i64, span: i64, count: i64, epoch: i32, seed: u64) -> Made {
    let mut records = Vec::new();
    for delta in 0..count {
        let value = format!("{seed:x}:{}", base + delta);
        let mut body = vec![0, 0, u8::try_from(delta * 2).unwrap(), 1];
        body.push(u8::try_from(value.len() * 2).unwrap());
        body.extend(value.as_bytes());
        body.push(0);
        records.push(u8::try_from(body.len() * 2).unwrap());
        records.extend(body);
    }
    let mut checked = vec![0, 0];
    checked.extend(i32::try_from(span - 1).unwrap().to_be_bytes());
    checked.extend(1_700_000_000_000_i64.to_be_bytes());
    checked.extend(1_700_000_000_000_i64.to_be_bytes());
    checked.extend([0xff; 14]);
    checked.extend(i32::try_from(count).unwrap().to_be_bytes());
    checked.extend(records);
    let mut bytes = base.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(checked.len() + 9).unwrap().to_be_bytes());
    bytes.extend(epoch.to_be_bytes());
    bytes.push(2);
    bytes.extend(crc32c(&checked).to_be_bytes());
    bytes.extend(checked);
    Made { base, count: span, bytes }
}

/// A message of magic 1, a batch of its own.
pub fn message(offset: i64, seed: u64) -> Made {
    let value = format!("{seed:x}:{offset}");
    let mut checked = vec![1, 0];
    checked.extend(1_700_000_000_000_i64.to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
    checked.extend(value.as_bytes());
    let mut bytes = offset.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(checked.len() + 4).unwrap().to_be_bytes());
    bytes.extend(crc32(&checked).to_be_bytes());
    bytes.extend(checked);
    Made { base: offset, count: 1, bytes }
}

/// Batches in segments, their bytes one behind the other.
pub fn partition(segments: &[Vec<Made>]) -> Partition {
    let segment = |batches: &Vec<Made>| Segment {
        base: batches.first().unwrap().base,
        bytes: batches.iter().flat_map(|batch| batch.bytes.clone()).collect(),
    };
    segments.iter().map(segment).collect()
}

/// Logs in memory, beside files that hold the same for the look.
pub struct Scene {
    root: tempfile::TempDir,
    logs: BTreeMap<PathBuf, Vec<u8>>,
}

#[derive(Default)]
struct Seen(Vec<SegmentReport>);

impl Listener for Seen {
    fn segment(&mut self, report: SegmentReport) {
        self.0.push(report);
    }

    fn partition(&mut self, _report: PartitionReport) -> bool {
        true
    }
}

impl Scene {
    pub fn of(partition: &Partition) -> Self {
        let root = tempfile::Builder::new().prefix("t-0-").tempdir().unwrap();
        let mut logs = BTreeMap::new();
        for segment in partition {
            let path = root.path().join(format!("{:020}.log", segment.base));
            std::fs::write(&path, &segment.bytes).unwrap();
            logs.insert(path, segment.bytes.clone());
        }
        Self { root, logs }
    }

    /// What a look shows.
    pub fn looks(&self) -> Vec<SegmentLook> {
        let scope = Scope {
            partitions: vec![PartitionScope::new(
                PartitionDir::open(self.root.path()).unwrap(),
                None,
            )],
            log_dirs: Vec::new(),
        };
        let options = VerifyOptions {
            depth: Depth::Records,
            access: Access::Map,
            threads: 1,
            limits: Limits::STANDARD,
            max_duration: None,
            rebuild_with_interval: Some(4096),
            collects_stretches: true,
        };
        let mut seen = Seen::default();
        verify(&scope, &options, &Silent, &mut seen);
        let look = |report: SegmentReport| SegmentLook {
            base_offset: report.base_offset,
            length: self.logs[&*report.log].len() as u64,
            log: report.log,
            stretches: report.stretches,
            is_readable: true,
            has_index: true,
        };
        seen.0.into_iter().map(look).collect()
    }

    pub fn terms(&self, epochs: Option<&LeaderEpochs>) -> Terms {
        Terms {
            is_clean_shutdown: false,
            accepts_single_bit: false,
            limits: Limits::STANDARD,
            epochs: epochs.cloned(),
            log_start: Offset(0),
            known_end: None,
            is_cleaned: false,
        }
    }

    pub fn layout(&self, epochs: Option<&LeaderEpochs>) -> Layout {
        layout(&self.looks(), self, &self.terms(epochs)).unwrap()
    }

    /// The bytes of an image.
    pub fn bytes_of(&self, image: &LogImage) -> Vec<u8> {
        let mut all = Vec::new();
        for part in &image.parts {
            let range = usize::try_from(part.range.start).unwrap()
                ..usize::try_from(part.range.end).unwrap();
            let mut bytes = self.logs[&part.file][range].to_vec();
            part.patch(part.range.start, &mut bytes);
            all.extend(bytes);
        }
        all
    }

    /// The partition that a layout makes.
    pub fn after(&self, layout: &Layout) -> Partition {
        let segment = |segment: &super::super::SegmentLayout| Segment {
            base: segment.base_offset.0,
            bytes: self.bytes_of(&segment.log),
        };
        layout.segments.iter().map(segment).collect()
    }
}

impl Bytes for Scene {
    fn read(&self, log: &Path, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        Ok(self.logs[log][range].to_vec())
    }

    fn batches(&self, log: &Path, range: Range<Position>) -> Result<Vec<BatchFacts>, Error> {
        let mut scratch = Scratch::new(1 << 20);
        let bytes = self.read(log, range.start.0..range.end.0)?;
        let batches = Batches::new(&bytes, range.start);
        Ok(batches.map(|batch| BatchFacts::of(&batch.unwrap(), &mut scratch)).collect())
    }
}
