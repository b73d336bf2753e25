//! What both checks remember of the part of a log that they have seen.

use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::ops::Range;

/// The part of a log that was seen, as far as entries are judged by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SoFar {
    /// The greatest last offset.
    greatest: Option<Offset>,
    /// Where the last piece ends.
    pub(super) end: Position,
    /// True when a batch's offsets went back: then it is not known which of them are wrong.
    pub(super) went_back: bool,
    /// True when there was damage.
    pub(super) has_damage: bool,
    /// True when the last piece was damage.
    pub(super) ends_damaged: bool,
}

impl SoFar {
    pub(super) fn new() -> Self {
        let (went_back, has_damage, ends_damaged) = (false, false, false);
        Self { greatest: None, end: Position(0), went_back, has_damage, ends_damaged }
    }

    /// True when the offsets of `batch`, the next one, cannot be behind all before.
    pub(super) fn goes_back(&self, batch: &BatchFacts) -> bool {
        let first = batch.first_known_offset();
        batch.last_offset < first || self.greatest.is_some_and(|greatest| first <= greatest)
    }

    pub(super) fn take(&mut self, batch: &BatchFacts) {
        self.went_back |= self.goes_back(batch);
        self.greatest = self.greatest.max(Some(batch.last_offset));
        self.end = batch.end();
        self.ends_damaged = false;
    }

    pub(super) fn damaged(&mut self, range: &Range<Position>) {
        self.end = range.end;
        self.has_damage = true;
        self.ends_damaged = true;
    }

    /// True for an offset behind all batches. The last one of all may be the greatest there is.
    pub(super) fn is_behind(&self, offset: Offset, base_offset: Offset) -> bool {
        self.greatest.map_or(offset >= base_offset, |greatest| offset > greatest)
    }

    /// The offset behind all batches, as findings say it.
    pub(super) fn log_end(&self, base_offset: Offset) -> Offset {
        self.greatest.map_or(base_offset, |greatest| greatest.plus(1))
    }
}

/// True for a batch whose records are all compacted away: nothing in it can be lost.
pub(super) fn is_empty(batch: &BatchFacts) -> bool {
    batch.records_count == Some(0)
}
