//! From an offset to a range of bytes, by headers alone: no record is read.
//!
//! ```text
//!   .index            .log   | batch | batch | batch | damage |  batch | batch |
//!   floor(from) ------------>'-hop-->'-hop-->|                           |
//!                                            '-- range --------'  or to  '-- below
//! ```
//!
//! An index is advice. Where it leads, there must be headers whose offsets rise, stay in their
//! segment, and contain the offset that the index promised. Where they do not, the index is made
//! anew from the log, once, and that also finds the damage if it was not the index that was wrong.

use super::{Located, Location, Partition, ServedSegment, Wanted};
use crate::error::{Error, Result};
use crate::format::batch_header::BatchHeader;
use crate::format::{Offset, Position};
use crate::log::header_at::header_at;
use crate::log::loaded::Hole;
use crate::serve::files::{OpenFiles, OpenSegment, SegmentId, SegmentIndex};
use crate::serve::outgoing::FileChunk;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

/// How many batches on from where an index leads its offset has to come. Some brokers and the
/// cleaner write one entry for several batches: the position of the first, the offset of the last.
const CONFIRM_WITHIN: usize = 64;

/// How many batches are gone over with an index that knows nothing closer, before a better one is
/// made: else each answer from a log with an empty index would go over all of it.
const MOST_HOPS: usize = 1024;

/// What there is at an offset in a segment.
enum Sought {
    Found { position: Position, header: BatchHeader },
    Nothing,
    Damaged(Range<Position>),
    Distrusted,
}

/// A place that is no batch's, or no batch's that can be where it is.
enum Ground {
    Batch(BatchHeader),
    Damage(Range<Position>),
    Distrusted,
}

/// A segment while it is searched.
struct Search<'a> {
    segment: &'a ServedSegment,
    file: &'a OpenSegment,
    index: &'a SegmentIndex,
    skip_damaged: bool,
    end: Position,
}

impl Partition {
    /// Finds the bytes for a Fetch.
    ///
    /// # Errors
    /// When a segment is not what it was, or cannot be read.
    pub fn locate(&self, files: &OpenFiles, wanted: Wanted) -> Result<Location> {
        if wanted.from < self.log_start || wanted.from > self.log_end {
            return Ok(Location::OutOfRange);
        }
        let wanted = Wanted { below: wanted.below.min(self.log_end), ..wanted };
        if wanted.from >= wanted.below {
            return Ok(Location::Nothing);
        }
        let above = self.segments.partition_point(|segment| segment.base <= wanted.from);
        let first = above.saturating_sub(1);
        for (index, segment) in self.segments.iter().enumerate().skip(first) {
            if segment.base > wanted.from {
                if let Some(hole) = missing_before(segment).filter(|_| !self.skip_damaged) {
                    return Ok(Location::Damaged(hole));
                }
                if segment.base >= wanted.below {
                    break;
                }
            }
            // The cleaner leaves empty segments, and one that nobody wrote to is empty as well.
            if segment.end == Position(0) {
                continue;
            }
            if let Some(location) = self.locate_in(index, segment, files, wanted)? {
                return Ok(location);
            }
        }
        Ok(Location::Nothing)
    }

    /// The same, once something that was found in a segment cannot be read: all of that segment is
    /// read to find out what can, and what cannot is damage from now on.
    ///
    /// # Errors
    /// As [`Partition::locate`].
    pub fn locate_anew(
        &self,
        files: &OpenFiles,
        wanted: Wanted,
        unreadable: SegmentId,
    ) -> Result<Location> {
        if let Some(segment) = self.segments.iter().find(|segment| segment.id == unreadable) {
            files.distrust(segment)?;
        }
        self.locate(files, wanted)
    }

    /// The same in one segment; `None` when there is nothing so far behind in it.
    fn locate_in(
        &self,
        number: usize,
        segment: &ServedSegment,
        files: &OpenFiles,
        wanted: Wanted,
    ) -> Result<Option<Location>> {
        let Some(file) = files.open(segment)? else { return Ok(Some(Location::Busy)) };
        let mut index = files.index(segment)?;
        loop {
            let end = index.end().unwrap_or(segment.end);
            let skip_damaged = self.skip_damaged;
            let search = Search { segment, file: &file, index: &index, skip_damaged, end };
            let is_last_chance = index.is_rebuilt();
            match search.seek(wanted.from)? {
                Sought::Distrusted if is_last_chance => return Ok(None),
                Sought::Distrusted => index = files.distrust(segment)?,
                Sought::Nothing => return Ok(None),
                Sought::Damaged(range) => {
                    let hole = Hole { segment: number, start: range.start, end: range.end };
                    return Ok(Some(Location::Damaged(hole)));
                }
                Sought::Found { position, header } => {
                    let Some(stop) = self.stop(&search, position, wanted.below)? else {
                        index = files.distrust(segment)?;
                        continue;
                    };
                    let Some(length) = length(position, stop, &header, &wanted) else {
                        return Ok(Some(Location::Nothing));
                    };
                    let upper_bound = search.upper_bound(position.plus(length))?;
                    let at = position.0;
                    let file = Arc::clone(&file);
                    let range = FileChunk { file, at, end: at + length, warm_to: at };
                    return Ok(Some(Location::Bytes(Located { range, upper_bound })));
                }
            }
        }
    }

    /// Where a range that begins at `position` has to end; `None` when the index is distrusted.
    fn stop(
        &self,
        search: &Search<'_>,
        position: Position,
        below: Offset,
    ) -> Result<Option<Position>> {
        let stop = search.next_hole(position).min(search.end);
        if below >= search.segment.next_base || below >= self.log_end {
            return Ok(Some(stop));
        }
        // Only the last stable offset is asked for, and that is always the same.
        if let Some((_, place)) = self.below.get().filter(|known| known.0 == below) {
            return Ok(Some(stop.min(*place)));
        }
        let place = match search.seek(below)? {
            Sought::Distrusted if search.index.is_rebuilt() => return Ok(Some(position)),
            Sought::Distrusted => return Ok(None),
            Sought::Found { position, .. } => position,
            Sought::Nothing => search.end,
            Sought::Damaged(range) => range.start,
        };
        self.below.get_or_init(|| (below, place));
        Ok(Some(stop.min(place)))
    }
}

/// The mark of a segment before this one that is there and cannot be read: a hole of no bytes.
fn missing_before(segment: &ServedSegment) -> Option<Hole> {
    segment.holes.first().filter(|hole| hole.end == Position(0)).copied()
}

/// How many bytes of what there is are wanted; `None` for none.
fn length(
    position: Position,
    stop: Position,
    header: &BatchHeader,
    wanted: &Wanted,
) -> Option<u64> {
    let there = stop.0.checked_sub(position.0)?;
    if header.size > there {
        return None;
    }
    let most = match wanted.at_least_one_batch {
        true => wanted.max_bytes.max(header.size),
        false if wanted.max_bytes < header.size => return None,
        false => wanted.max_bytes,
    };
    Some(most.min(there))
}

impl Search<'_> {
    /// The first batch that ends with `target` or behind it.
    fn seek(&self, target: Offset) -> Result<Sought> {
        let (mut expected, mut at) = match self.start(target) {
            Some((offset, position)) => (Some(offset), position),
            None => (None, Position(0)),
        };
        if self.index.is_rebuilt() {
            expected = None;
        }
        let (mut last, mut hops) = (self.segment.base, 0);
        while at < self.end {
            let header = match self.ground(at, last)? {
                Ground::Batch(header) => header,
                Ground::Distrusted => return Ok(Sought::Distrusted),
                Ground::Damage(_) if expected.is_some() => return Ok(Sought::Distrusted),
                Ground::Damage(range) if self.may_hold(&range, target)? => {
                    return Ok(Sought::Damaged(range));
                }
                Ground::Damage(range) => {
                    at = range.end;
                    continue;
                }
            };
            if let Some(offset) = expected.filter(|&offset| header.last_offset >= offset) {
                // Where the first offset is not known, what stands before it tells, or the last.
                let contains = match header.base_offset {
                    Some(base) => base <= offset,
                    None => hops > 0 || header.last_offset == offset,
                };
                if !contains {
                    return Ok(Sought::Distrusted);
                }
                expected = None;
            }
            if header.last_offset >= target {
                return Ok(Sought::Found { position: at, header });
            }
            hops += 1;
            let most = if expected.is_some() { CONFIRM_WITHIN } else { MOST_HOPS };
            if hops >= most && !self.index.is_rebuilt() {
                return Ok(Sought::Distrusted);
            }
            (at, last) = (at.plus(header.size), header.last_offset);
        }
        let is_open = expected.is_some();
        Ok(if is_open { Sought::Distrusted } else { Sought::Nothing })
    }

    /// The greatest entry at or below `target` that does not lead into damage.
    fn start(&self, target: Offset) -> Option<(Offset, Position)> {
        let entries = self.index.entries();
        let mut entry = entries.floor(target)?;
        while let Some(hole) = self.hole_at(entry.1) {
            let (first_in_it, _) = entries.ceiling(hole.start)?;
            let before = entries.floor(first_in_it.plus(-1))?;
            if before.1 >= entry.1 {
                return None;
            }
            entry = before;
        }
        Some(entry)
    }

    /// What is at `at`, behind a batch that ended with `last`.
    fn ground(&self, at: Position, last: Offset) -> Result<Ground> {
        if let Some(hole) = self.hole_at(at) {
            return Ok(Ground::Damage(hole));
        }
        let header = self.header(at)?;
        let is_possible = |header: &BatchHeader| {
            header.first_known_offset() >= self.segment.base
                && header.last_offset >= last
                && header.last_offset < self.segment.next_base
        };
        Ok(match header {
            Some(header) if is_possible(&header) => Ground::Batch(header),
            _ if !self.index.is_rebuilt() => Ground::Distrusted,
            // Its checksum was right a while ago, but it cannot be where it is.
            Some(header) => Ground::Damage(at..at.plus(header.size)),
            None => Ground::Damage(at..self.next_hole(at).min(self.end)),
        })
    }

    /// The header at `at`; `None` where there is none, or where it cannot be read.
    fn header(&self, at: Position) -> Result<Option<BatchHeader>> {
        let end = self.next_hole(at).min(self.end);
        match header_at(&self.file.log, at, end) {
            Ok(header) => Ok(header),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.file.mark_broken();
                Err(Error::new("reading", &self.segment.files.log.path, error))
            }
            // What the device cannot read is damage, which whoever makes the index anew finds out.
            Err(_) => Ok(None),
        }
    }

    /// True when the record at `target` may have been in a damage that no batch before reaches.
    fn may_hold(&self, damage: &Range<Position>, target: Offset) -> Result<bool> {
        if self.skip_damaged {
            return Ok(false);
        }
        if damage.end >= self.end || self.hole_at(damage.end).is_some() {
            return Ok(damage.end >= self.end);
        }
        let Some(behind) = self.header(damage.end)? else { return Ok(true) };
        // Where the first offset is not known, at least the last is.
        Ok(behind.first_known_offset() > target)
    }

    /// The damage that is known at `at`.
    fn hole_at(&self, at: Position) -> Option<Range<Position>> {
        let holes = &self.segment.holes;
        let known = holes.get(holes.partition_point(|hole| hole.end <= at));
        let known = known.filter(|hole| hole.start <= at).map(|hole| hole.start..hole.end);
        let found = self.index.damaged();
        let found = found.get(found.partition_point(|range| range.end <= at)).cloned();
        known.or(found.filter(|range| range.start <= at))
    }

    /// Where the next damage begins that is known behind `at`; far away without one.
    fn next_hole(&self, at: Position) -> Position {
        let holes = &self.segment.holes;
        let known = holes.get(holes.partition_point(|hole| hole.start <= at));
        let found = self.index.damaged();
        let found = found.get(found.partition_point(|range| range.start <= at));
        let known = known.map_or(Position(u64::MAX), |hole| hole.start);
        found.map_or(known, |range| range.start.min(known))
    }

    /// An offset above all that a range holds that ends at `end`: that of the next batch in the
    /// index, if it is where the index says.
    fn upper_bound(&self, end: Position) -> Result<Offset> {
        let next_base = self.segment.next_base;
        let Some((offset, position)) = self.index.entries().ceiling(end) else {
            return Ok(next_base);
        };
        if self.index.is_rebuilt() {
            return Ok(offset);
        }
        let agrees = |header: &BatchHeader| offset >= header.first_known_offset();
        let header = if position < self.end { self.header(position)? } else { None };
        Ok(if header.as_ref().is_some_and(agrees) { offset } else { next_base })
    }
}
