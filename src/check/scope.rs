//! What is to be judged, and how.

use super::broker::BrokerView;
use super::run::Depth;
use crate::format::Offset;
use crate::limits::Limits;
use crate::log::image::LogImage;
use crate::log::names::{OffsetCheckpoint, PartitionDirSuffix};
use crate::log::{
    Access, FileBytes, FileKind, FileName, LogDirContext, PartitionDir, SegmentFiles,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is to be judged.
#[derive(Debug, Default)]
pub struct Scope {
    /// Partitions, in the order in which they are reported.
    pub partitions: Vec<PartitionScope>,
    /// Log dirs whose own files are judged, behind the partitions.
    pub log_dirs: Vec<LogDirScope>,
}

/// A log dir whose own files are to be judged.
#[derive(Debug)]
pub struct LogDirScope {
    /// What it says about its partitions.
    pub context: Arc<LogDirContext>,
    /// When not all of its own files are asked for: those that are.
    pub only: Option<BTreeSet<PathBuf>>,
}

/// A partition that is to be judged.
#[derive(Debug)]
pub struct PartitionScope {
    /// What is in its directory.
    pub dir: PartitionDir,
    /// The log dir it is in, if it is in one.
    pub log_dir: Option<Arc<LogDirContext>>,
    /// When not the whole partition is asked for: the files that are.
    pub only: Option<BTreeSet<PathBuf>>,
    /// Bytes that are a `.log` and in no directory, as those of a pipe.
    pub stream: Mutex<Option<FileBytes>>,
    /// Logs that are looked at as they are going to be, by their paths.
    pub images: BTreeMap<PathBuf, LogImage>,
}

/// How to judge.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How deep to look.
    pub depth: Depth,
    /// How the bytes of logs are come by where no broker is at work.
    pub access: Access,
    /// How many threads to use.
    pub threads: usize,
    /// The bounds on untrusted input.
    pub limits: Limits,
    /// After how long the caller's progress says to stop; only for what is said then.
    pub max_duration: Option<Duration>,
    /// Whether to build what the indexes of every segment should be, and with which interval.
    pub rebuild_with_interval: Option<u64>,
    /// Whether to tell what stands in every `.log`, for who plans a repair.
    pub collects_stretches: bool,
}

impl PartitionScope {
    /// A whole partition.
    #[must_use]
    pub fn new(dir: PartitionDir, log_dir: Option<Arc<LogDirContext>>) -> Self {
        Self { dir, log_dir, only: None, stream: Mutex::new(None), images: BTreeMap::new() }
    }

    /// True when a broker is known to be at work on it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.log_dir.as_ref().is_some_and(|log_dir| log_dir.is_live())
    }

    /// What a checkpoint of the log dir says about this partition. A copy that waits for its
    /// deletion, or is on its way, is not what the log dir speaks of.
    #[must_use]
    pub fn checkpoint(&self, which: OffsetCheckpoint) -> Option<Offset> {
        let name = self.dir.name.as_ref()?;
        if matches!(name.suffix, Some(PartitionDirSuffix::Delete | PartitionDirSuffix::Future)) {
            return None;
        }
        self.log_dir.as_ref()?.offset(which, &name.topic_partition)
    }

    /// True when a broker that starts takes the end of the log in this segment as it is, because
    /// the last one stopped cleanly. One without an `.index` it reads in any case.
    pub(super) fn is_end_trusted(&self, files: &SegmentFiles) -> bool {
        let last = self.dir.segments.last().map(|last| last.base_offset);
        let name = self.dir.name.as_ref().filter(|name| {
            // What becomes of those that wait for their deletion, or are nobody's, was not tried.
            !matches!(name.suffix, Some(PartitionDirSuffix::Delete | PartitionDirSuffix::Stray))
        });
        let Some(name) = name.filter(|_| files.index.is_some()) else { return false };
        let log_dir = self.log_dir.as_deref();
        let view = BrokerView::new(log_dir, Some(&name.topic_partition), &[]);
        last == Some(files.base_offset) && view.is_clean_shutdown == Some(true)
    }

    /// True when this segment has to be read for what is asked.
    pub(super) fn wants_segment(&self, files: &SegmentFiles) -> bool {
        let Some(only) = &self.only else { return true };
        // Any other file of the partition is judged by all of its segments.
        only.iter().any(|path| segment_of(path).is_none_or(|base| base == files.base_offset))
    }

    /// True when findings about this file are asked for.
    pub(super) fn wants_file(&self, path: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(path))
    }
}

/// The base offset of the one segment by which a file is judged.
fn segment_of(path: &Path) -> Option<Offset> {
    let name = FileName::parse(path.file_name()?.to_str()?).filter(|name| name.suffix.is_none())?;
    let is_alone = matches!(name.kind, FileKind::Log | FileKind::OffsetIndex | FileKind::TimeIndex);
    name.offset.filter(|_| is_alone)
}
