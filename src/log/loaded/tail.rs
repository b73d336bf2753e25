//! The end of one `.log`: which of its last batches prove themselves, and what is behind them.
//!
//! ```text
//!   .index   ... (118, 8192)      the last entry that the log confirms
//!                      |
//!   .log     |...|b110|b118|b121|##|b130|b1..      ##: a hole      b1..: torn
//!                      '--- looked at ------>'
//!                                       '- valid end: the log goes on at offset 131
//! ```
//!
//! A batch counts when its checksum is right and its offsets are where they can be: in the segment,
//! and behind the batch before it. Offsets are under no checksum, and a consumer that is led back
//! by one would read for ever.

use super::{LoadedTail, NamedLimit};
use crate::error::{Error, Result};
use crate::format::batch_header::BatchHeader;
use crate::format::checkpoint::EpochEntry;
use crate::format::{Batch, Offset, Position};
use crate::limits::Limits;
use crate::log::FileBytes;
use crate::log::file_bytes::{Access, open_regular};
use crate::log::index_bytes::{IndexBytes, last_entries};
use crate::log::runs::{Bounds, DamageKind, Piece, Scanner};
use crate::log::segment::SegmentFiles;
use std::ops::Range;
use std::path::Path;

/// Damages of one segment: more are not kept.
const HOLES: NamedLimit = NamedLimit { name: "damages of a segment", allowed: 100_000 };

/// From where a segment is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From the last entry of its index.
    LastEntry,
    /// From the batch with this offset, or before it.
    Offset(Offset),
}

/// What a walk to the end of a segment found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// The end of the last batch; 0 without one.
    pub valid_end: Position,
    /// The offset behind it.
    pub next_offset: Option<Offset>,
    /// What is behind it.
    pub tail: LoadedTail,
    /// Damage before it.
    pub holes: Vec<Range<Position>>,
    /// Damage behind it, with zeros and what is torn.
    pub behind: Option<Range<Position>>,
    /// The greatest timestamp of the batches.
    pub max_timestamp: Option<i64>,
    /// Leader epochs that rise, with the first offset of each.
    pub epochs: Vec<EpochEntry>,
}

/// Walks to the end of a segment; `next_base` is the offset in the name of the next one.
pub(super) fn walk(
    files: &SegmentFiles,
    next_base: Option<Offset>,
    from: From,
    limits: Limits,
) -> Result<Walked> {
    let base_offset = files.base_offset;
    let log = FileBytes::open(&files.log.path, Access::Read)?;
    let start = start(files, &log, from, limits);
    let length = log.len();
    // Room that was made in advance is not read.
    let log = log.without_hole_at_end(start.0);
    let bounds =
        Bounds { last_proved: None, segment_base: Some(base_offset), next_segment_base: next_base };
    let mut scanner = Scanner::new(&log, start.0..log.len(), bounds, limits);
    let mut batches = Batches::new(base_offset, next_base);
    while let Some(piece) = scanner.next()? {
        match piece {
            Piece::Proved(batch) => batches.take(Span::of(&batch)),
            Piece::Damaged(damage) => {
                if let DamageKind::Limit { limit: "batch_bytes", allowed } = damage.kind {
                    let limit = NamedLimit { name: "batch_bytes", allowed };
                    return Err(limit.exceeded("loading", &files.log.path));
                }
                batches.lose(damage.range, LoadedTail::of(&damage.kind));
            }
        }
        if batches.lost.len() as u64 > HOLES.allowed {
            return Err(HOLES.exceeded("loading", &files.log.path));
        }
    }
    if log.len() < length {
        batches.lose(Position(log.len())..Position(length), LoadedTail::Zeros);
    }
    Ok(batches.finish())
}

/// Where to begin: at an entry of the index at which a sound batch begins that both speak of. All
/// that is before it was written and confirmed long ago, or is looked at when it is asked for.
fn start(files: &SegmentFiles, log: &FileBytes, from: From, limits: Limits) -> Position {
    let Some(entry) = &files.index else { return Position(0) };
    let Ok(file) = open_regular(&entry.path) else { return Position(0) };
    let base = files.base_offset;
    let candidates: Vec<(Offset, Position)> = match from {
        From::LastEntry => {
            let entries = last_entries(&file, base, limits.index_bytes).unwrap_or_default();
            let places = entries.iter().rev().filter_map(|e| Some((e.offset, e.log_position()?)));
            places.collect()
        }
        From::Offset(offset) if offset <= base => Vec::new(),
        From::Offset(offset) => {
            let end = Position(log.len());
            let index = IndexBytes::read(&file, base, end, limits).ok().flatten();
            index.and_then(|index| index.floor(offset)).into_iter().collect()
        }
    };
    let mut buffer = Vec::new();
    let mut confirmed = candidates.into_iter().filter(|(offset, position)| {
        is_confirmed(log, base, *offset, *position, limits, &mut buffer)
    });
    confirmed.next().map_or(Position(0), |(_, position)| position)
}

/// True when a sound batch begins at `position` whose first offset is not above `offset`.
pub(super) fn is_confirmed(
    log: &FileBytes,
    base_offset: Offset,
    offset: Offset,
    position: Position,
    limits: Limits,
    buffer: &mut Vec<u8>,
) -> bool {
    let there = log.len().saturating_sub(position.0);
    let Ok(front) = log.read(position.0, BatchHeader::BYTES, buffer) else { return false };
    let Some(header) = BatchHeader::parse(front) else { return false };
    let is_its = header.first_known_offset() >= base_offset
        && header.base_offset.is_none_or(|first| first <= offset);
    let size = usize::try_from(header.size).unwrap_or(usize::MAX);
    if !is_its || header.size > there || size > limits.batch_bytes {
        return false;
    }
    let Ok(bytes) = log.read(position.0, size, buffer) else { return false };
    Batch::parse(bytes, position).is_ok_and(|batch| batch.crc() == batch.compute_crc())
}

/// A batch that proves itself.
#[derive(Clone, Debug)]
struct Span {
    first: Offset,
    last: Offset,
    range: Range<Position>,
    epoch: Option<i32>,
    max_timestamp: i64,
}

impl Span {
    fn of(batch: &Batch<'_>) -> Self {
        let epoch = Some(batch.partition_leader_epoch());
        Self {
            first: batch.known_base_offset().unwrap_or(batch.last_offset()),
            last: batch.last_offset(),
            range: batch.position()..batch.end(),
            epoch: epoch.filter(|epoch| batch.magic() >= 2 && *epoch >= 0),
            max_timestamp: batch.max_timestamp(),
        }
    }
}

/// The batches of a walk.
struct Batches {
    base_offset: Offset,
    next_base: Option<Offset>,
    /// The last offset of the batches that count.
    last: Option<Offset>,
    /// The last batch, while none behind it says that its offset is too high.
    pending: Option<Span>,
    lost: Vec<(Range<Position>, LoadedTail)>,
    walked: Walked,
}

impl Batches {
    fn new(base_offset: Offset, next_base: Option<Offset>) -> Self {
        let walked = Walked {
            valid_end: Position(0),
            next_offset: None,
            tail: LoadedTail::Clean,
            holes: Vec::new(),
            behind: None,
            max_timestamp: None,
            epochs: Vec::new(),
        };
        Self { base_offset, next_base, last: None, pending: None, lost: Vec::new(), walked }
    }

    /// Of two batches of which the second is not behind the first, the first is the wrong one,
    /// unless the second is not behind those before that either: what an offset that is too high
    /// costs is one batch, not all behind it.
    fn take(&mut self, batch: Span) {
        let highest = self.base_offset.plus(i32::MAX.into());
        let is_possible = (self.base_offset..=highest).contains(&batch.first)
            && (batch.first..=highest).contains(&batch.last)
            && self.next_base.is_none_or(|next| batch.last < next)
            && self.last.is_none_or(|last| batch.first > last);
        if !is_possible {
            return self.lose(batch.range, LoadedTail::Damaged);
        }
        if let Some(pending) = self.pending.take() {
            if batch.first > pending.last {
                self.keep(pending);
            } else {
                self.lose(pending.range, LoadedTail::Damaged);
            }
        }
        self.pending = Some(batch);
    }

    fn keep(&mut self, batch: Span) {
        self.last = Some(batch.last);
        let walked = &mut self.walked;
        (walked.valid_end, walked.next_offset) = (batch.range.end, Some(batch.last.plus(1)));
        let timestamp = Some(batch.max_timestamp).filter(|timestamp| *timestamp >= 0);
        walked.max_timestamp = walked.max_timestamp.max(timestamp);
        let latest = walked.epochs.last().map(|entry| entry.epoch);
        if let Some(epoch) = batch.epoch.filter(|epoch| Some(*epoch) > latest) {
            walked.epochs.push(EpochEntry { epoch, start_offset: batch.first });
        }
    }

    fn lose(&mut self, range: Range<Position>, kind: LoadedTail) {
        self.lost.push((range, kind));
    }

    fn finish(mut self) -> Walked {
        if let Some(pending) = self.pending.take() {
            self.keep(pending);
        }
        let Self { mut lost, mut walked, .. } = self;
        // A batch is lost later than what stands behind it.
        lost.sort_by_key(|(range, _)| range.start);
        for (range, kind) in lost {
            if range.start >= walked.valid_end {
                let behind = walked.behind.get_or_insert(range.clone());
                behind.end = range.end;
                walked.tail = walked.tail.and(kind);
                continue;
            }
            match walked.holes.last_mut().filter(|hole| hole.end == range.start) {
                Some(hole) => hole.end = range.end,
                None => walked.holes.push(range),
            }
        }
        walked
    }
}

impl LoadedTail {
    fn of(kind: &DamageKind) -> Self {
        match kind {
            DamageKind::Zeros => Self::Zeros,
            DamageKind::CutOff { .. } => Self::Torn,
            _ => Self::Damaged,
        }
    }

    /// Of two pieces behind the last batch together.
    fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::Clean, kind) | (kind, Self::Clean) => kind,
            (Self::Damaged, _) | (_, Self::Damaged) => Self::Damaged,
            (Self::Torn, _) | (_, Self::Torn) => Self::Torn,
            (Self::Zeros, Self::Zeros) => Self::Zeros,
        }
    }
}

impl NamedLimit {
    pub(super) fn exceeded(self, doing: &'static str, path: &Path) -> Error {
        let Self { name, allowed } = self;
        Error::other(doing, path, format!("more than the limit {name} of {allowed}"))
    }
}
