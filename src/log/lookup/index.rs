//! Where a scan of a segment may begin: what its indexes say, confirmed against the log.

use super::walk::{Step, Tail};
use super::{OpenPartition, Scan, Workspace, check_crc};
use crate::error::Result;
use crate::format::offset_index::OffsetPosition;
use crate::format::time_index::{TimeIndex, TimestampOffset};
use crate::format::{Offset, Position, Scratch};
use crate::log::segment::Segment;

/// How many entries of an index are tried before a segment is scanned from its front.
const TRIES: usize = 4;

/// The search of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Searched<Entry> {
    /// How many entries it has.
    pub entries: usize,
    /// How many of them the binary search looked at.
    pub steps: u32,
    /// The entry that the scan began at, or behind in a time index; `None` when it began at the
    /// front.
    pub entry: Option<Entry>,
    /// Where the scan began.
    pub start: Position,
    /// Entries that were tried and do not agree with the log.
    pub distrusted: Vec<Distrusted>,
    /// Why there is no index to search.
    pub unavailable: Option<String>,
}

/// The search of an offset index.
pub type IndexSearch = Searched<OffsetPosition>;

/// The search of a time index.
pub type TimeIndexSearch = Searched<TimestampOffset>;

impl<Entry> Default for Searched<Entry> {
    fn default() -> Self {
        Self {
            entries: 0,
            steps: 0,
            entry: None,
            start: Position(0),
            distrusted: Vec::new(),
            unavailable: None,
        }
    }
}

/// An entry of an index that does not agree with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distrusted {
    /// Which entry, counted from 0.
    pub index: usize,
    /// What does not agree.
    pub why: Distrust,
}

/// Why an entry of an index is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Its position is negative, or no whole batch begins there.
    #[error("no batch begins where it points to")]
    NoBatch,
    /// The batch's checksum differs, or its offsets cannot be read.
    #[error("the batch it points to is damaged")]
    DamagedBatch,
    /// The batch begins below the segment, above the entry, or above what was asked for.
    #[error("the batch it points to begins with offset {0}")]
    Offset(Offset),
    /// No batch holds the offset of a time index entry.
    #[error("no batch holds its offset")]
    NoOffset,
    /// The batch's greatest timestamp is not the entry's.
    #[error("the batch it points to has a greatest timestamp of {0}")]
    Timestamp(i64),
    /// A batch before the one it points to is younger.
    #[error("a batch before the one it points to has a greatest timestamp of {0}")]
    Younger(i64),
    /// The entries beside it are not below and above it.
    #[error("the entries are not in order")]
    Unsorted,
}

impl OpenPartition {
    /// Where to begin a scan of `segment` for `target`: no batch before that reaches it.
    pub(super) fn search_index(
        &self,
        segment: &Segment,
        target: Offset,
        workspace: &mut Workspace,
    ) -> Result<IndexSearch> {
        let mut search = IndexSearch::default();
        let index = match segment.offset_index() {
            Ok(index) => index,
            Err(why) => return Ok(IndexSearch { unavailable: Some(why.to_string()), ..search }),
        };
        let floor = index.floor(target);
        (search.entries, search.steps) = (index.entries(), floor.steps);
        let mut next = floor.entry;
        while let Some(entry) = next.filter(|_| search.distrusted.len() < TRIES) {
            match self.confirm(segment, entry, target, workspace)? {
                Ok(start) => {
                    (search.entry, search.start) = (Some(entry), start);
                    break;
                }
                Err(why) => search.distrusted.push(Distrusted { index: entry.index, why }),
            }
            next = entry.index.checked_sub(1).and_then(|before| index.get(before));
        }
        Ok(search)
    }

    /// An entry is used when a sound batch begins at its position, and with an offset of at most
    /// `target`: offsets rise, so that all batches before it are below the target. That the offset
    /// is also at most the entry's own, and not below the segment's, shows that both speak of the
    /// same log.
    fn confirm(
        &self,
        segment: &Segment,
        entry: OffsetPosition,
        target: Offset,
        workspace: &mut Workspace,
    ) -> Result<std::result::Result<Position, Distrust>> {
        let in_log = |position: &Position| position.0 < segment.log.len();
        let Some(position) = entry.log_position().filter(in_log) else {
            return Ok(Err(Distrust::NoBatch));
        };
        // The length is no more proved than the entry: what exceeds a limit is no batch.
        let Workspace { scratch, window } = workspace;
        let limit = self.limits.batch_bytes;
        let Ok(read) = super::walk::read_batch(&segment.log, position, limit, window) else {
            return Ok(Err(Distrust::NoBatch));
        };
        let Ok(batch) = read else { return Ok(Err(Distrust::NoBatch)) };
        if check_crc(&batch).is_err() {
            return Ok(Err(Distrust::DamagedBatch));
        }
        let Some(base) = base_for_comparison(&batch, entry.offset, scratch) else {
            return Ok(Err(Distrust::DamagedBatch));
        };
        let highest = target.min(entry.offset);
        if base < segment.base_offset || base > highest {
            return Ok(Err(Distrust::Offset(base)));
        }
        Ok(Ok(position))
    }

    /// Where to begin a scan of `segment` for records of `timestamp` or younger: all records before
    /// that are older. With the entry's timestamp, which none of those exceeds.
    pub(super) fn search_time_index(
        &self,
        segment: &Segment,
        timestamp: i64,
        scan: &mut Scan,
        workspace: &mut Workspace,
    ) -> Result<(TimeIndexSearch, Option<IndexSearch>)> {
        let mut search = TimeIndexSearch::default();
        let index = match segment.time_index() {
            Ok(index) => index,
            Err(why) => {
                search.unavailable = Some(why.to_string());
                return Ok((search, None));
            }
        };
        // Strictly older: an entry that has been moved to another batch of the very same timestamp
        // then still stands before all that is wanted, as long as timestamps rise.
        let floor = index.floor(timestamp.saturating_sub(1));
        (search.entries, search.steps) = (index.entries(), floor.steps);
        let mut next = floor.entry;
        while let Some(entry) = next.filter(|_| search.distrusted.len() < TRIES) {
            // Going back in an index that does not rise may lead to anything.
            let why = if entry.timestamp < timestamp && is_in_order(&index, entry) {
                let before = entry.index.checked_sub(1).and_then(|before| index.get(before));
                match self.confirm_timestamp(segment, before, entry, scan, workspace)? {
                    (Ok(start), offset_search) => {
                        (search.entry, search.start) = (Some(entry), start);
                        return Ok((search, Some(offset_search)));
                    }
                    (Err(why), _) => why,
                }
            } else {
                Distrust::Unsorted
            };
            search.distrusted.push(Distrusted { index: entry.index, why });
            next = entry.index.checked_sub(1).and_then(|before| index.get(before));
        }
        Ok((search, None))
    }

    /// An entry is used when the batch that holds its offset is sound, its greatest timestamp is
    /// the entry's, and no batch is younger from the entry `before` on. The scan begins behind it.
    ///
    /// A younger batch further to the front would make `before`, or an entry before that, name a
    /// timestamp above this one's: then they would not be in order.
    fn confirm_timestamp(
        &self,
        segment: &Segment,
        before: Option<TimestampOffset>,
        entry: TimestampOffset,
        scan: &mut Scan,
        workspace: &mut Workspace,
    ) -> Result<(std::result::Result<Position, Distrust>, IndexSearch)> {
        if entry.offset < segment.base_offset {
            return Ok((Err(Distrust::Offset(entry.offset)), IndexSearch::default()));
        }
        let search = self.search_index(segment, entry.offset, workspace)?;
        let from = match before {
            Some(before) => self.search_index(segment, before.offset, workspace)?.start,
            None => Position(0),
        };
        let mut walk = self.walk(segment, from.min(search.start), workspace);
        let mut greatest = entry.timestamp;
        let end: Option<Tail> = walk.until(|batch| {
            let is_it = batch.last_offset() >= entry.offset;
            if !is_it {
                greatest = greatest.max(batch.max_timestamp());
            }
            is_it
        })?;
        let confirmed = match walk.peek()? {
            Step::End(_) => Err(Distrust::NoOffset),
            Step::Batch(_) if end.is_some() => Err(Distrust::NoOffset),
            Step::Batch(batch) => {
                if batch.known_base_offset().is_some_and(|base| base > entry.offset) {
                    Err(Distrust::NoOffset)
                } else if batch.max_timestamp() != entry.timestamp {
                    Err(Distrust::Timestamp(batch.max_timestamp()))
                } else if greatest > entry.timestamp {
                    Err(Distrust::Younger(greatest))
                } else if check_crc(&batch).is_err() {
                    Err(Distrust::DamagedBatch)
                } else {
                    Ok(batch.end())
                }
            }
        };
        scan.batches += walk.scan.batches;
        scan.bytes += walk.scan.bytes;
        Ok((confirmed, search))
    }
}

/// A batch's base offset, or, for a wrapper message that ends at or below `bound`, any offset
/// between the two: it need not be decompressed.
fn base_for_comparison(
    batch: &crate::format::Batch<'_>,
    bound: Offset,
    scratch: &mut Scratch,
) -> Option<Offset> {
    match batch.known_base_offset() {
        Some(base) => Some(base),
        None if batch.last_offset() <= bound => Some(batch.last_offset()),
        None => batch.base_offset(scratch).ok(),
    }
}

/// True when the entries beside `entry` are below and above it.
fn is_in_order(index: &TimeIndex<'_>, entry: TimestampOffset) -> bool {
    let rises = |low: TimestampOffset, high: TimestampOffset| {
        low.timestamp < high.timestamp && low.offset <= high.offset
    };
    let before = entry.index.checked_sub(1).and_then(|at| index.get(at));
    let behind = Some(entry.index + 1).filter(|&at| at < index.entries());
    before.is_none_or(|before| rises(before, entry))
        && behind.and_then(|at| index.get(at)).is_none_or(|behind| rises(entry, behind))
}
