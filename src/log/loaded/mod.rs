//! What a broker would know of a partition once it has loaded it, found without writing.
//!
//! ```text
//!   names and sizes        log-start-offset-checkpoint     leader-epoch-checkpoint
//!        |                       |                              |
//!        v                       v                              v
//!   the last segment         log start                     leader epochs
//!        |                                                      ^
//!        v                                                      |
//!   from its last index entry to the end, with checksums --> log end, holes
//! ```
//!
//! Segments before the last are not opened, unless their batches may never have come to the disk
//! ([`TailCheck::Unflushed`]): damage in them shows when they are read.

mod epochs;
mod tail;
#[cfg(test)]
mod tests;
pub mod transactions;

use crate::error::Result;
use crate::format::checkpoint::{EpochEntry, LeaderEpochs, leader_epoch_checkpoint};
use crate::format::{Offset, Position};
use crate::limits::Limits;
use crate::log::LogDirContext;
use crate::log::file_bytes::{open_regular, read_small};
use crate::log::index_bytes::last_timestamp;
use crate::log::names::OffsetCheckpoint;
use crate::log::partition::PartitionDir;
use crate::log::segment::SegmentFiles;
use tail::{From, Walked};

/// How much of a partition is looked at before its end is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailCheck {
    /// From the last index entry to the end.
    Tail,
    /// From the recovery point to the end if the broker did not stop in good order.
    Unflushed,
    /// Everything.
    All,
}

/// Bytes of a `.log` that no answer may touch.
///
/// One of no bytes at the front of a segment says that the segment before it cannot be read: the
/// offsets between the two are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Which segment, by its place in [`PartitionDir::segments`].
    pub segment: usize,
    /// The first damaged byte.
    pub start: Position,
    /// The first byte behind the damage.
    pub end: Position,
}

/// What stands behind the last batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadedTail {
    /// Nothing.
    Clean,
    /// Zeros, as a preallocated file has.
    Zeros,
    /// The beginning of a batch, as a crash leaves it.
    Torn,
    /// Bytes that are no batch, or a segment that cannot be read.
    Damaged,
}

/// A partition as it would be served.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The first offset that may be read.
    pub log_start: Offset,
    /// The offset behind the last record that may be read.
    pub log_end: Offset,
    /// Where the last segment's last batch ends.
    pub valid_end: Position,
    /// What is behind it.
    pub tail: LoadedTail,
    /// The leader epochs, those of the log's end included.
    pub epochs: LeaderEpochs,
    /// The latest epoch; -1 when there is none.
    pub leader_epoch: i32,
    /// Damage that was found, in the order of segments and positions.
    pub holes: Vec<Hole>,
    /// The largest timestamp of the last segment.
    pub max_timestamp: Option<i64>,
    /// From which offset on files that are derived from the log are not to be believed: where a
    /// broker would make them anew. `None` after a good stop.
    pub recovery_point: Option<Offset>,
}

impl Loaded {
    /// True when no answer may hold the byte at `position` of a segment.
    #[must_use]
    pub fn is_in_hole(&self, segment: usize, position: Position) -> bool {
        let before = |hole: &Hole| (hole.segment, hole.end) <= (segment, position);
        let next = self.holes.get(self.holes.partition_point(before));
        next.is_some_and(|hole| hole.segment == segment && hole.start <= position)
    }

    /// True when the segment before this one cannot be read.
    #[must_use]
    pub fn is_missing_before(&self, segment: usize) -> bool {
        let first = self.holes.partition_point(|hole| hole.segment < segment);
        let hole = Hole { segment, start: Position(0), end: Position(0) };
        self.holes.get(first) == Some(&hole)
    }
}

/// A bound on what is kept of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedLimit {
    /// Of what.
    pub name: &'static str,
    /// How many.
    pub allowed: u64,
}

/// Loads a partition.
///
/// # Errors
/// When its last segment, or one that has to be looked at, cannot be opened or read, and when a
/// limit is hit. Damaged bytes are no error.
pub fn load(
    dir: &PartitionDir,
    log_dir: Option<&LogDirContext>,
    check: TailCheck,
    limits: Limits,
) -> Result<Loaded> {
    let checkpoint = checkpointed(dir, log_dir, OffsetCheckpoint::LogStart);
    let log_start = dir.log_start_offset(checkpoint).unwrap_or_default().max(Offset(0));
    let mut holes = missing_segments(dir);
    let mut end: Option<(Offset, Walked)> = None;
    let mut walked_epochs = Vec::new();
    let recovery_point = recovery_point(dir, log_dir);
    let from = match check {
        TailCheck::Tail => None,
        TailCheck::Unflushed => recovery_point,
        TailCheck::All => Some(Offset(i64::MIN)),
    };
    for (segment, files) in dir.segments.iter().enumerate() {
        let next_base = dir.segments.get(segment + 1).map(|next| next.base_offset);
        let from = match from {
            Some(from) if next_base.is_none_or(|next| next > from) => From::Offset(from),
            _ if next_base.is_none() => From::LastEntry,
            _ => continue,
        };
        let walked = match tail::walk(files, next_base, from, limits) {
            Ok(walked) => walked,
            // Whoever asks for what the system does not give is told so; the rest can be read.
            Err(error) if next_base.is_some() && error.source.raw_os_error().is_some() => {
                let (start, end) = (Position(0), Position(files.log.size));
                holes.push(Hole { segment, start, end });
                continue;
            }
            Err(error) => return Err(error),
        };
        let behind = walked.behind.clone().filter(|_| next_base.is_some());
        holes.extend(walked.holes.iter().cloned().chain(behind).map(|range| Hole {
            segment,
            start: range.start,
            end: range.end,
        }));
        walked_epochs.extend(walked.epochs.iter().copied());
        end = Some((files.base_offset, walked));
    }
    holes.sort_by_key(|hole| (hole.segment, hole.start));
    let (base, walked) = end.unzip();
    if walked.as_ref().is_some_and(|walked| walked.next_offset.is_none()) {
        walked_epochs.splice(0..0, epochs_before_last(dir, limits)?);
    }
    let log_end = walked.as_ref().and_then(|walked| walked.next_offset).or(base);
    // A broker that finds its log below the log start begins anew there.
    let log_end = log_end.unwrap_or(log_start).max(log_start);
    let epochs = epochs::of_log(&checkpointed_epochs(dir), &walked_epochs, log_start, log_end);
    let last_timestamp = dir.segments.last().and_then(|files| indexed_timestamp(files, limits));
    let max_timestamp = walked.as_ref().and_then(|walked| walked.max_timestamp);
    let tail = walked.as_ref().map_or(LoadedTail::Clean, |walked| walked.tail);
    Ok(Loaded {
        log_start,
        log_end,
        valid_end: walked.map_or(Position(0), |walked| walked.valid_end),
        tail: if goes_on_unreadable(dir) { LoadedTail::Damaged } else { tail },
        leader_epoch: epochs.latest().map_or(-1, |entry| entry.epoch),
        epochs,
        holes,
        max_timestamp: max_timestamp.max(last_timestamp),
        recovery_point,
    })
}

/// What a checkpoint of the log dir says about the partition.
fn checkpointed(
    dir: &PartitionDir,
    log_dir: Option<&LogDirContext>,
    which: OffsetCheckpoint,
) -> Option<Offset> {
    log_dir?.offset(which, &dir.name.as_ref()?.topic_partition)
}

/// From which offset on a broker would read the log anew and derive all else from it, since the
/// last one did not stop in good order. Batches from there on may never have come to the disk.
fn recovery_point(dir: &PartitionDir, log_dir: Option<&LogDirContext>) -> Option<Offset> {
    let is_clean = log_dir.is_some_and(|it| it.is_clean_shutdown == Some(true));
    let recovery_point = checkpointed(dir, log_dir, OffsetCheckpoint::RecoveryPoint);
    (!is_clean).then(|| recovery_point.unwrap_or_default())
}

/// The segments behind one that is no regular file.
fn missing_segments(dir: &PartitionDir) -> Vec<Hole> {
    let bases = dir.unreadable.iter().filter_map(|named| named.name.offset);
    let mut behind: Vec<usize> = bases
        .map(|base| dir.segments.partition_point(|files| files.base_offset <= base))
        .filter(|segment| *segment < dir.segments.len())
        .collect();
    behind.dedup();
    let (start, end) = (Position(0), Position(0));
    behind.into_iter().map(|segment| Hole { segment, start, end }).collect()
}

/// True when the log goes on in a segment that is no regular file.
fn goes_on_unreadable(dir: &PartitionDir) -> bool {
    let last = dir.segments.last().map(|files| files.base_offset);
    let unreadable = dir.unreadable.last().and_then(|named| named.name.offset);
    unreadable.is_some_and(|base| last.is_none_or(|last| base > last))
}

/// The epochs of the last batches, where the last segment has none.
fn epochs_before_last(dir: &PartitionDir, limits: Limits) -> Result<Vec<EpochEntry>> {
    let Some((last, before)) = dir.segments.split_last() else { return Ok(Vec::new()) };
    let Some(files) = before.iter().rev().find(|files| files.log.size > 0) else {
        return Ok(Vec::new());
    };
    Ok(tail::walk(files, Some(last.base_offset), From::LastEntry, limits)?.epochs)
}

/// The entries of the `leader-epoch-checkpoint`. One that cannot be read says nothing.
fn checkpointed_epochs(dir: &PartitionDir) -> Vec<EpochEntry> {
    let file = dir.leader_epoch_checkpoint.as_ref();
    let bytes = file.and_then(|file| read_small(&file.path).ok());
    let entries = bytes.and_then(|bytes| leader_epoch_checkpoint(&bytes).ok());
    entries.unwrap_or_default().into_iter().map(|entry| entry.value).collect()
}

/// The last timestamp of the segment's time index.
fn indexed_timestamp(files: &SegmentFiles, limits: Limits) -> Option<i64> {
    let file = open_regular(&files.time_index.as_ref()?.path).ok()?;
    let entry = last_timestamp(&file, files.base_offset, limits).ok().flatten()?;
    Some(entry.timestamp).filter(|timestamp| *timestamp >= 0)
}
