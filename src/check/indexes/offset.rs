//! The offset index against the log.
//!
//! An entry *(O, P)* is safe when a batch begins at *P* and every batch before it ends below *O*:
//! whoever looks for *O* or something behind it may begin at *P*. It is exact when the batch at *P*
//! ends at *O*. Legal without being exact are entries of an append of many batches, whose *O* is
//! the last offset of the last one, of a cleaner, whose *O* is the last record it kept, and of very
//! old brokers, whose *O* is the first offset of the batch.

use super::entries::{Affected, Entries};
use super::so_far::{SoFar, is_empty};
use super::{IndexContext, LogRead};
use crate::check::FileFindings;
use crate::check::problem::{IndexEntry, IndexKind, Problem};
use crate::format::offset_index::OffsetSlot;
use crate::format::replay::{BatchFacts, INDEX_INTERVAL_BYTES, IndexInterval};
use crate::format::{Offset, Position};
use std::ops::Range;

/// An index has far fewer entries than usual when it has less than one of this many.
const SPARSE_FACTOR: u64 = 10;
/// What is said of an index only when so many entries would be usual.
const SPARSE_EXPECTED: u64 = 50;

/// Judges an `.index` while the batches of its segment come by.
#[derive(Debug)]
pub struct OffsetIndexCheck<B> {
    entries: Entries<B, OffsetSlot>,
    log: SoFar,
    /// First and last offset of the batch with records that ends highest.
    highest: Option<(Offset, Offset)>,
    /// An entry of many batches, whose offset none of them was seen to end with yet.
    awaited: Option<IndexEntry>,
    /// Entries that point to here or before it were judged, or are out of order.
    passed: i64,
    interval: IndexInterval,
    /// How many entries the usual interval would give.
    expected: u64,
}

impl<B: AsRef<[u8]>> OffsetIndexCheck<B> {
    /// Begins with the bytes of a whole `.index`.
    #[must_use]
    pub fn new(context: IndexContext, bytes: B) -> Self {
        Self {
            entries: Entries::new(context, bytes),
            log: SoFar::new(),
            highest: None,
            awaited: None,
            passed: i64::MIN,
            interval: IndexInterval::new(INDEX_INTERVAL_BYTES, Position(0)),
            expected: 0,
        }
    }

    /// Takes the next batch that proves itself.
    pub fn take(&mut self, batch: &BatchFacts) {
        let position = signed(batch.position);
        self.pass_inside(position);
        let goes_back = self.log.goes_back(batch);
        while let Some(entry) = self.entries.next().filter(|entry| entry.key <= position) {
            if entry.key > self.passed && !goes_back {
                self.judge(&entry, batch);
            }
            self.entries.advance();
        }
        self.passed = position;
        if let Some(entry) = self.awaited.filter(|entry| batch.last_offset >= entry.offset) {
            self.awaited = None;
            if entry.offset == batch.last_offset {
                self.entries.agrees(&entry);
            }
        }
        self.log.take(batch);
        if self.interval.is_due(batch.position) {
            self.interval.indexed(batch.position);
            self.expected = self.expected.saturating_add(1);
        }
        let last = batch.last_offset;
        if !is_empty(batch) && self.highest.is_none_or(|(_, highest)| last > highest) {
            self.highest = Some((batch.first_known_offset(), last));
        }
    }

    /// Takes the next bytes that no batch proves. What points into them cannot be judged.
    pub fn damaged(&mut self, range: Range<Position>) {
        self.pass_inside(signed(range.start));
        while self.entries.next().is_some_and(|entry| entry.key < signed(range.end)) {
            self.entries.advance();
        }
        self.passed = signed(range.end).saturating_sub(1);
        self.log.damaged(&range);
    }

    /// What is wrong, once the log was seen.
    #[must_use]
    pub fn finish(mut self, log: LogRead) -> FileFindings {
        let length = signed(log.length);
        self.pass_inside(signed(self.log.end));
        self.entries.settle(log.is_complete && !self.log.ends_damaged);
        if log.is_complete {
            self.finish_complete(length);
        }
        self.entries.findings
    }

    fn finish_complete(&mut self, length: i64) {
        let (log, base_offset) = (self.log, self.entries.context.base_offset);
        let is_growing = self.entries.is_growing();
        // Where the last offset is not known, only a position can be too far.
        let is_unknown = self.log.ends_damaged || self.log.went_back;
        while let Some(entry) = self.entries.next().filter(|_| !is_growing) {
            if entry.key > self.passed
                && entry.key >= length
                && !log.is_behind(entry.offset, base_offset)
            {
                self.entries.add(&entry, Problem::IndexPosition { entry });
            }
            self.entries.advance();
        }
        if !is_growing {
            self.entries.judge_end(&log, |entry| !is_unknown || entry.key >= length);
        }
        let entries = self.entries.count();
        let is_whole = self.entries.is_whole();
        if is_whole && self.expected >= SPARSE_EXPECTED && entries < self.expected / SPARSE_FACTOR {
            let (index, expected) = (IndexKind::Offset, self.expected);
            let whole = self.entries.whole();
            let problem = Problem::IndexSparse { index, entries, expected };
            self.entries.findings.add(whole, None, problem);
        }
    }

    /// Entries that point before `position` point into the last piece, where nothing begins.
    fn pass_inside(&mut self, position: i64) {
        while let Some(entry) = self.entries.next().filter(|entry| entry.key < position) {
            self.awaited = None;
            if entry.key > self.passed && !self.entries.is_being_written(&entry) {
                self.entries.add(&entry, Problem::IndexPosition { entry });
            }
            self.entries.advance();
        }
    }

    /// `entry` points to where `batch` begins.
    fn judge(&mut self, entry: &IndexEntry, batch: &BatchFacts) {
        let index = IndexKind::Offset;
        let entry = *entry;
        self.awaited = None;
        if self.entries.is_being_written(&entry) {
            return;
        }
        if let Some((first, last)) = self.highest.filter(|(_, last)| *last >= entry.offset) {
            let lost = first.max(entry.offset);
            let more = Affected { offsets: (lost, last), timestamps: None };
            self.entries.add_with(&entry, Problem::IndexUnsafe { index, entry, lost }, more);
        } else if entry.offset == batch.last_offset {
            self.entries.agrees(&entry);
        } else {
            self.entries.add(&entry, Problem::IndexCoarse { index });
            if batch.base_offset == Some(entry.offset) {
                self.entries.agrees(&entry);
            } else {
                self.awaited = Some(entry);
            }
        }
    }
}

/// As the signed positions of an index are compared with.
fn signed(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
