//! Where a record is: from an offset or a timestamp to a segment, a batch, a record.
//!
//! ```text
//!   offset     --> base offsets --> .index --> batches of the .log --> records of one batch
//!   timestamp  --> .timeindex of each segment --> .index --> batches --> records
//! ```
//!
//! This is Kafka's own way, with one difference: an index is advice. What it says is confirmed
//! against the log before it is used, and where it is missing, short or wrong the search begins
//! earlier, at worst at the front of the segment. So an index makes an answer fast, never wrong.
//! [`Steps`] tells what was done for an answer and what was distrusted.
//!
//! Segments are opened when they are needed and stay open: repeated searches of mapped files make
//! no system call. Lengths are those at the time of opening.

mod index;
mod offset;
mod order;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
mod time;
mod walk;

pub use index::{Distrust, Distrusted, IndexSearch, Searched, TimeIndexSearch};
pub use offset::Edge;
pub use walk::Tail;

use super::file_bytes::{Access, Order as FileOrder};
use super::partition::PartitionDir;
use super::segment::Segment;
use crate::error::{Error, Result};
use crate::format::{self, Batch, FormatError, FormatErrorKind, Offset, Position, Record, Scratch};
use crate::limits::Limits;
use crate::log::runs::{Bounds, Piece, Scanner};
use order::Span;
use std::sync::OnceLock;
use walk::Walk;

/// Buffers that are used again from search to search. One for each thread.
pub struct Workspace {
    scratch: Scratch,
    window: Vec<u8>,
}

impl Workspace {
    /// Buffers within `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { scratch: Scratch::new(limits.decompressed_bytes), window: Vec::new() }
    }
}

/// A partition whose segments are opened as searches need them.
#[derive(Debug)]
pub struct OpenPartition {
    directory: PartitionDir,
    access: Access,
    limits: Limits,
    log_start: Offset,
    segments: Vec<OnceLock<Segment>>,
    log_end: OnceLock<LogEnd>,
    /// For each segment that was searched to its end: no timestamp in it is greater.
    timestamp_bounds: Vec<OnceLock<i64>>,
}

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which segment, counted from 0 in the order of base offsets.
    pub segment: usize,
    /// Where in its `.log`.
    pub position: Position,
}

/// The answer to a search, and how it was come by.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The answer.
    pub outcome: Outcome,
    /// What was done for it.
    pub steps: Steps,
}

/// The answer to a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is such a record.
    Hit(Hit),
    /// There is none.
    Miss(Miss),
    /// What was asked for may be in bytes that are damaged. The search can go on behind them with
    /// [`OpenPartition::offset_from`] or [`OpenPartition::time_from`].
    Damaged(Damage),
}

/// A record, and the batch it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where the batch begins.
    pub place: Place,
    /// Bytes of the batch.
    pub size: usize,
    /// The first offset of the batch.
    pub base_offset: Offset,
    /// The last offset of the batch.
    pub last_offset: Offset,
    /// The leader epoch of the batch, -1 for none.
    pub partition_leader_epoch: i32,
    /// The record's offset.
    pub offset: Offset,
    /// The record's timestamp, -1 for none.
    pub timestamp: i64,
}

/// Why there is no such record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Why.
    pub reason: MissReason,
    /// The first offset that may be asked for.
    pub log_start_offset: Offset,
    /// Where the log ends.
    pub log_end: LogEnd,
}

/// Why there is no such record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// The offset is below the log start offset.
    BelowLogStart,
    /// The offset is at or behind the log end offset.
    PastLogEnd,
    /// There is no record at this offset, but there are batches before and behind.
    Gap {
        /// The next record's offset; `None` when there is none, or none that can be read.
        next_offset: Option<Offset>,
        /// What ended the search for the next record.
        damage: Option<Damage>,
    },
    /// No record is as young as that.
    NoSuchTime,
}

/// Bytes that kept a search from its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the batch begins, or should.
    pub place: Place,
    /// What is wrong with it; its position may be further on.
    pub error: FormatError,
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// The offset behind the last batch that could be walked to.
    pub offset: Offset,
    /// Where that batch ends, in the last segment.
    pub position: Position,
    /// What is behind that batch. [`Tail::Damaged`] means that the log may go on.
    pub tail: Tail,
}

/// Where a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// As if the log ended here.
    pub log_end: LogEnd,
    /// The greatest timestamp of the batches behind the last index entry.
    pub max_timestamp: Option<i64>,
}

/// What was done for an answer.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// How many names of segments a binary search chose from.
    pub segments: usize,
    /// How many of them it looked at.
    pub segment_steps: u32,
    /// How many segments a search by time passed over, knowing that they hold nothing so young.
    pub segments_passed: usize,
    /// The search of the last segment's time index.
    pub time_index: Option<TimeIndexSearch>,
    /// The search of the last segment's offset index.
    pub index: Option<IndexSearch>,
    /// Where in the last segment the scan began.
    pub scan_from: Position,
    /// The scan, of all segments together.
    pub scan: Scan,
}

/// Batches that were gone through, by their headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// How many.
    pub batches: u64,
    /// Their bytes, of which a search touches only headers, save for the batch it ends in.
    pub bytes: u64,
}

/// What going through one segment came to.
enum Sought {
    /// With the header that stands behind the batch.
    Found {
        hit: Hit,
        behind: Option<Span>,
    },
    Damaged(Damage),
    /// No record is wanted. `candidates` batches might have had one.
    Nothing {
        end: Place,
        tail: Tail,
        candidates: u64,
    },
}

impl OpenPartition {
    /// Takes a listed partition; opens nothing yet. `log_start_checkpoint` is the partition's entry
    /// in its log dir's `log-start-offset-checkpoint`.
    #[must_use]
    pub fn new(
        directory: PartitionDir,
        log_start_checkpoint: Option<Offset>,
        access: Access,
        limits: Limits,
    ) -> Self {
        let count = directory.segments.len();
        Self {
            log_start: directory.log_start_offset(log_start_checkpoint).unwrap_or_default(),
            directory,
            access,
            limits,
            segments: (0..count).map(|_| OnceLock::new()).collect(),
            log_end: OnceLock::new(),
            timestamp_bounds: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The listing.
    #[must_use]
    pub fn directory(&self) -> &PartitionDir {
        &self.directory
    }

    /// How its files are read.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// The first offset that may be asked for.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.log_start
    }

    /// The segment number `index`, opened if it is not yet.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub fn segment(&self, index: usize) -> Result<&Segment> {
        let (Some(files), Some(slot)) =
            (self.directory.segments.get(index), self.segments.get(index))
        else {
            return Err(Error::other("opening", self.directory.path(), "no such segment"));
        };
        if let Some(segment) = slot.get() {
            return Ok(segment);
        }
        let opened = Segment::open(files, self.access)?;
        // Searches jump: what is around their batch is not read.
        opened.log.expect(FileOrder::Random);
        Ok(slot.get_or_init(|| opened))
    }

    /// The batch at `place`, such as that of a [`Hit`], in `buffer` where it has to be read.
    ///
    /// # Errors
    /// When reading fails, or the batch is larger than the limit and has to be read.
    pub fn batch_at<'b>(
        &'b self,
        place: Place,
        buffer: &'b mut Vec<u8>,
    ) -> Result<format::Result<Batch<'b>>> {
        let file = &self.segment(place.segment)?.log;
        walk::read_batch(file, place.position, self.limits.batch_bytes, buffer)
    }

    /// Where the log ends, found once and kept.
    ///
    /// # Errors
    /// When reading fails.
    pub fn log_end(&self, workspace: &mut Workspace) -> Result<LogEnd> {
        if let Some(end) = self.log_end.get() {
            return Ok(*end);
        }
        let last = self.segments.len().checked_sub(1);
        let mut end = match last {
            None => LogEnd { offset: self.log_start, position: Position(0), tail: Tail::Clean },
            Some(last) => self.segment_end(last, workspace)?.log_end,
        };
        if self.expect_readable(last, Offset(i64::MAX)).is_err() {
            let what = "the next segment is no regular file; the log goes on from";
            let kind = FormatErrorKind::Record { what, value: end.offset.0 };
            end.tail = Tail::Damaged(FormatError::new(end.position, kind));
        }
        Ok(*self.log_end.get_or_init(|| end))
    }

    /// Where segment number `index` ends, from the headers behind the last entry of its index.
    ///
    /// # Errors
    /// When reading fails.
    pub fn segment_end(&self, index: usize, workspace: &mut Workspace) -> Result<SegmentEnd> {
        let segment = self.segment(index)?;
        let search = self.search_index(segment, Offset(i64::MAX), workspace)?;
        let (mut offset, mut max_timestamp) = (segment.base_offset, None);
        let possible = self.possible_offsets(index);
        let mut walk = self.walk(segment, search.start, workspace);
        let tail = walk.until(|batch| {
            if possible.include(&Span::of(batch)) {
                offset = offset.max(batch.next_offset());
            }
            max_timestamp = max_timestamp.max(Some(batch.max_timestamp()).filter(|&max| max >= 0));
            false
        })?;
        let position = walk.position();
        let place = Place { segment: index, position };
        let tail = match tail.and_then(|tail| self.damage_at_end(place, tail)) {
            Some(damage) => Tail::Damaged(damage.error),
            None => tail.unwrap_or(Tail::Clean),
        };
        let log_end = LogEnd { offset, position, tail };
        Ok(SegmentEnd { log_end, max_timestamp })
    }

    fn walk<'w>(
        &self,
        segment: &'w Segment,
        from: Position,
        workspace: &'w mut Workspace,
    ) -> Walk<'w, 'w> {
        Walk::new(&segment.log, &mut workspace.window, self.limits.batch_bytes, from)
    }

    /// The segment with the greatest base offset of at most `target`, by binary search.
    fn floor_segment(&self, target: Offset, steps: &mut Steps) -> Option<usize> {
        let names = &self.directory.segments;
        steps.segments = names.len();
        let above = names.partition_point(|files| {
            steps.segment_steps += 1;
            files.base_offset <= target
        });
        above.checked_sub(1)
    }

    /// Goes through the rest of one segment: over headers to a batch that is a `candidate`, and
    /// through its records to one that is `wanted`. Only candidates are checked by their checksums.
    fn seek(
        &self,
        from: Place,
        mut candidate: impl FnMut(&Batch<'_>) -> bool,
        wanted: impl Fn(&Record<'_>) -> bool,
        scan: &mut Scan,
        workspace: &mut Workspace,
    ) -> Result<Sought> {
        let segment = self.segment(from.segment)?;
        let Workspace { scratch, window } = workspace;
        let mut walk = Walk::new(&segment.log, window, self.limits.batch_bytes, from.position);
        let mut candidates = 0;
        let sought = loop {
            if let Some(tail) = walk.until(&mut candidate)? {
                let end = Place { segment: from.segment, position: walk.position() };
                break Sought::Nothing { end, tail, candidates };
            }
            let place = Place { segment: from.segment, position: walk.position() };
            let read = walk.batch_at(place.position.0)?;
            let size = read.as_ref().map_or(0, Batch::size);
            let found = read.and_then(|batch| first_record(&batch, place, scratch, &wanted));
            walk.step_over(size);
            candidates += 1;
            match found {
                Ok(None) => {}
                Ok(Some(hit)) => {
                    // Nothing rests on it alone, so an error here is no reason not to answer.
                    let behind = walk.batch_at(walk.position().0).ok().and_then(format::Result::ok);
                    let behind = behind.as_ref().map(Span::of);
                    break Sought::Found { hit, behind };
                }
                Err(error) => break self.damaged(place, error)?,
            }
        };
        scan.batches += walk.scan.batches;
        scan.bytes += walk.scan.bytes;
        Ok(sought)
    }

    /// Hitting a limit is not damage.
    fn damaged(&self, place: Place, error: FormatError) -> Result<Sought> {
        if matches!(error.kind, FormatErrorKind::Limit { .. }) {
            let path = self.segment(place.segment)?.log.path();
            return Err(Error::other("reading", path, error.to_string()));
        }
        Ok(Sought::Damaged(Damage { place, error }))
    }

    /// The damage that a walk's end at `place` is, if it is one. Only the last segment may end in
    /// the middle of a batch.
    fn damage_at_end(&self, place: Place, tail: Tail) -> Option<Damage> {
        let error = match tail {
            Tail::Damaged(error) => error,
            Tail::Torn(error)
                if place.segment + 1 < self.segments.len() || !self.is_end_of_log(place) =>
            {
                error
            }
            Tail::Clean | Tail::Zeros | Tail::Torn(_) => return None,
        };
        Some(Damage { place, error })
    }

    /// A damaged length looks like a batch that is being written: no other may be behind it.
    fn is_end_of_log(&self, place: Place) -> bool {
        let Ok(segment) = self.segment(place.segment) else { return false };
        let segment_base = Some(segment.base_offset);
        let bounds = Bounds { last_proved: None, segment_base, next_segment_base: None };
        let range = place.position.0..u64::MAX;
        let mut scanner = Scanner::new(&segment.log, range, bounds, self.limits);
        matches!(scanner.next(), Ok(Some(Piece::Damaged(found))) if found.kind.is_end_of_file())
    }

    fn miss(&self, reason: MissReason, workspace: &mut Workspace) -> Result<Outcome> {
        let log_end = self.log_end(workspace)?;
        Ok(Outcome::Miss(Miss { reason, log_start_offset: self.log_start, log_end }))
    }
}

/// Compares the checksums.
fn check_crc(batch: &Batch<'_>) -> format::Result<()> {
    let (stored, computed) = (batch.crc(), batch.compute_crc());
    if stored == computed {
        return Ok(());
    }
    Err(FormatError::new(batch.position(), FormatErrorKind::Checksum { stored, computed }))
}

/// The first wanted record of a batch whose checksum is right.
fn first_record(
    batch: &Batch<'_>,
    place: Place,
    scratch: &mut Scratch,
    wanted: impl Fn(&Record<'_>) -> bool,
) -> format::Result<Option<Hit>> {
    check_crc(batch)?;
    let mut base_offset = batch.known_base_offset();
    for record in batch.records(scratch)? {
        let record = record?;
        let base_offset = *base_offset.get_or_insert(record.offset);
        if wanted(&record) {
            return Ok(Some(Hit {
                place,
                size: batch.size(),
                base_offset,
                last_offset: batch.last_offset(),
                partition_leader_epoch: batch.partition_leader_epoch(),
                offset: record.offset,
                timestamp: record.timestamp,
            }));
        }
    }
    Ok(None)
}
