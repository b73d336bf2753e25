//! What a look came to.

use super::coverage::Coverage;
pub use super::derived::DerivedFile;
use super::stretches::Stretch;
use super::{Finding, Severity};
use crate::format::Offset;
use crate::log::FileKind;
use crate::log::file_facts::FileIdentity;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the look at one partition came to.
#[derive(Clone, Debug)]
pub struct PartitionReport {
    /// Its directory; a log dir when its own files were judged.
    pub path: PathBuf,
    /// In the order of segments, files and positions.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub totals: Totals,
    /// True when every byte of every log is in a batch that proves itself, but for the unfinished
    /// or preallocated end of the last segment.
    pub is_sound: bool,
    /// The files of the partition besides indexes, built anew, where that was asked for.
    pub rebuilt: Vec<Rebuilt>,
}

/// A derived file, built anew from the log.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// Where it is, or belongs.
    pub path: Arc<Path>,
    /// What it is.
    pub kind: FileKind,
    /// As it is; `None` when it is not there, or cannot be read.
    pub before: Option<DerivedFile>,
    /// As it should be; `None` when it is right as it is.
    pub after: Option<Vec<u8>>,
    /// False for what a broker writes only when it stops in good order.
    pub is_due: bool,
}

/// What the look at one segment came to.
#[derive(Clone, Debug)]
pub struct SegmentReport {
    /// Its `.log`.
    pub log: Arc<Path>,
    /// The offset in its name.
    pub base_offset: Offset,
    /// True when every byte of its `.log` is in a batch that proves itself, but for the unfinished
    /// or preallocated end of the last segment.
    pub is_sound: bool,
    /// Its indexes, built anew, where that was asked for.
    pub rebuilt: Vec<Rebuilt>,
    /// Which file its `.log` was, before it was read, where that was asked for.
    pub identity: Option<FileIdentity>,
    /// What stands in its `.log`, where that was asked for.
    pub stretches: Vec<Stretch>,
    /// What is wrong with the `.log` and both indexes.
    pub findings: Vec<Finding>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Partition directories.
    pub partitions: u64,
    /// Segments, by their `.log`.
    pub segments: u64,
    /// Files of any kind.
    pub files: u64,
    /// Batches.
    pub batches: u64,
    /// Records; those of wrapper messages only where they were unpacked.
    pub records: u64,
    /// Every byte of every `.log`.
    pub coverage: Coverage,
}

impl Totals {
    /// One more `.log`.
    pub(super) fn add_log(
        &mut self,
        coverage: &Coverage,
        batches: u64,
        records: u64,
        is_segment: bool,
    ) {
        self.segments += u64::from(is_segment);
        self.files += 1;
        self.batches += batches;
        self.records = self.records.saturating_add(records);
        self.coverage.add(coverage);
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.partitions += other.partitions;
        self.segments += other.segments;
        self.files += other.files;
        self.batches += other.batches;
        self.records = self.records.saturating_add(other.records);
        self.coverage.add(&other.coverage);
    }
}

/// How many findings of each severity there are: errors and warnings by places, notes by rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: u64,
    /// Warnings.
    pub warnings: u64,
    /// Notes.
    pub notes: u64,
}

impl Counts {
    /// One more finding.
    pub fn add(&mut self, finding: &Finding) {
        match finding.severity() {
            Severity::Error => self.errors = self.errors.saturating_add(finding.places),
            Severity::Warning => self.warnings = self.warnings.saturating_add(finding.places),
            Severity::Note => self.notes += 1,
        }
    }
}
