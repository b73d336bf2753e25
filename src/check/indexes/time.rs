//! The time index against the log.
//!
//! An entry *(T, O)* says that *T* is the greatest timestamp up to the batch of *O*, and that no
//! batch before that one reaches it: whoever looks for *T* or something later may begin there. In
//! most releases *O* is the last offset of that batch, in some the record's own. It may be a batch
//! of no records, which compaction keeps for its producer.

use super::entries::{Affected, Entries};
use super::so_far::{SoFar, is_empty};
use super::{IndexContext, LogRead};
use crate::check::FileFindings;
use crate::check::problem::{IndexEntry, IndexKind, Problem};
use crate::format::replay::BatchFacts;
use crate::format::time_index::TimeSlot;
use crate::format::{Offset, Position};
use std::ops::Range;

/// Judges a `.timeindex` while the batches of its segment come by.
#[derive(Debug)]
pub struct TimeIndexCheck<B> {
    entries: Entries<B, TimeSlot>,
    log: SoFar,
    /// The greatest timestamp of a batch with records whose offsets are behind all before, and the
    /// first and last offset of the first one that has it.
    greatest: Option<(i64, (Offset, Offset))>,
    /// The greatest timestamp of batches with records.
    greatest_of_records: i64,
    /// The greatest timestamp of all batches.
    greatest_of_all: i64,
    /// True when the last entry is not the greatest timestamp of the batch that its offset is in.
    last_is_off: bool,
    /// Entries up to this offset were judged, or are out of order.
    passed: i64,
}

impl<B: AsRef<[u8]>> TimeIndexCheck<B> {
    /// Begins with the bytes of a whole `.timeindex`.
    #[must_use]
    pub fn new(context: IndexContext, bytes: B) -> Self {
        Self {
            entries: Entries::new(context, bytes),
            log: SoFar::new(),
            greatest: None,
            greatest_of_records: -1,
            greatest_of_all: -1,
            last_is_off: false,
            passed: i64::MIN,
        }
    }

    /// Takes the next batch that proves itself.
    pub fn take(&mut self, batch: &BatchFacts) {
        let timestamp = batch.max_timestamp;
        self.greatest_of_all = self.greatest_of_all.max(timestamp);
        if !is_empty(batch) {
            self.greatest_of_records = self.greatest_of_records.max(timestamp);
        }
        if !self.log.goes_back(batch) {
            self.judge_up_to(batch);
            let is_greater = self.greatest.is_none_or(|(greatest, _)| timestamp > greatest);
            if timestamp >= 0 && is_greater && !is_empty(batch) {
                let offsets = (batch.first_known_offset(), batch.last_offset);
                self.greatest = Some((timestamp, offsets));
            }
        }
        self.log.take(batch);
    }

    /// Takes the next bytes that no batch proves.
    pub fn damaged(&mut self, range: Range<Position>) {
        self.log.damaged(&range);
    }

    /// What is wrong, once the log was seen.
    #[must_use]
    pub fn finish(mut self, log: LogRead) -> FileFindings {
        let is_growing = self.entries.is_growing();
        let is_known = log.is_complete && !self.log.has_damage;
        self.entries.settle(log.is_complete && !self.log.ends_damaged);
        let is_end_known = log.is_complete && !self.log.ends_damaged && !self.log.went_back;
        if is_end_known && !is_growing {
            self.entries.judge_end(&self.log, |_| true);
        }
        if self.is_last_wrong(is_known, is_end_known) {
            let last = self.entries.last();
            let (stored, computed) = (last.map(|last| last.key), self.greatest_of_all);
            let range = last.map_or_else(|| self.entries.whole(), |last| self.entries.range(&last));
            let offsets = last.map(|last| (last.offset, last.offset));
            let problem = Problem::TimeIndexLast { stored, computed };
            self.entries.findings.add(range, offsets, problem);
        }
        self.entries.findings
    }

    /// A broker takes the last entry for the greatest timestamp. While a segment is written it
    /// lags, but it is never ahead, and never another one than its own batch has.
    fn is_last_wrong(&self, is_known: bool, is_end_known: bool) -> bool {
        if !self.entries.is_whole() {
            return false;
        }
        let (all, of_records) = (self.greatest_of_all, self.greatest_of_records);
        let Some(last) = self.entries.last() else {
            return self.entries.context.is_sealed && all >= 0;
        };
        let lags = last.key < all && last.key != of_records;
        // One behind the end of the log was told of already.
        let base_offset = self.entries.context.base_offset;
        let is_behind_end = is_end_known && self.log.is_behind(last.offset, base_offset);
        let is_ahead = last.key > all && is_known && !is_behind_end && !self.entries.is_growing();
        is_ahead || (lags && (self.entries.context.is_sealed || self.last_is_off))
    }

    /// The entries that a lookup begins at `batch` for: it is the first to reach their offset.
    fn judge_up_to(&mut self, batch: &BatchFacts) {
        let last = batch.last_offset.0;
        while let Some(entry) = self.entries.next().filter(|entry| entry.offset.0 <= last) {
            if entry.offset.0 >= self.passed && !self.entries.is_being_written(&entry) {
                self.judge(entry, batch);
                self.passed = entry.offset.0;
            }
            self.entries.advance();
        }
    }

    fn judge(&mut self, entry: IndexEntry, batch: &BatchFacts) {
        let index = IndexKind::Time;
        if let Some((greatest, offsets)) = self.greatest.filter(|(time, _)| *time >= entry.key) {
            let lost = offsets.1;
            let more = Affected { offsets, timestamps: Some((entry.key, greatest)) };
            self.entries.add_with(&entry, Problem::IndexUnsafe { index, entry, lost }, more);
            return;
        }
        let is_inside = batch.base_offset.is_none_or(|first| entry.offset >= first);
        let is_unknown = !is_inside && (self.log.ends_damaged || self.log.went_back);
        let is_exact = is_inside && entry.key == batch.max_timestamp;
        if is_exact {
            self.entries.agrees(&entry);
        } else if !is_unknown {
            self.last_is_off |= is_inside && self.entries.last() == Some(entry);
            self.entries.add(&entry, Problem::IndexCoarse { index });
        }
    }
}
