//! Judges the offsets of one partition's batches, in and across its files, and notes every sign of
//! compaction on the way: what is a gap in a log that was never compacted is usual in one that was.

use super::batches::offset_problem;
use super::{FileFindings, Finding, Problem};
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use crate::log::runs::Bounds;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Gaps at more than one batch in so many are a sign of compaction.
const BATCHES_PER_GAP: u64 = 20;

/// Judges the order of one partition.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// What the names of this file and the next say; dropped once it is contradicted.
    bounds: Bounds,
    /// The last offset of the batch before.
    previous: Option<Offset>,
    /// The highest last offset so far.
    highest: Option<Offset>,
    is_behind_damage: bool,
    has_compaction_sign: bool,
    batches: u64,
    gaps: u64,
    /// The gaps of this file and those before it, as if nothing had been compacted.
    found_gaps: Vec<FileFindings>,
}

impl Order {
    /// Of a partition that its log dir says the cleaner has been over, or does not.
    pub(super) fn new(is_cleaned: bool) -> Self {
        Self { has_compaction_sign: is_cleaned, ..Self::default() }
    }

    /// Begins the next file. One that was not judged is as good as damage.
    pub(super) fn segment(&mut self, file: Arc<Path>, bounds: Bounds) {
        self.bounds = bounds;
        self.found_gaps.push(FileFindings::new(file));
    }

    /// A file, or the rest of one, was not read.
    pub(super) fn unread(&mut self) {
        self.is_behind_damage = true;
    }

    /// An empty file that is not the last of its partition: the cleaner leaves them.
    pub(super) fn empty_sealed_segment(&mut self) {
        self.has_compaction_sign = true;
    }

    /// Bytes that no batch proves. A batch whose frame is known says which offsets it had.
    pub(super) fn damaged(&mut self, offsets: Option<(Offset, Offset)>) {
        self.is_behind_damage = true;
        let plausible = offsets.filter(|(first, last)| {
            self.previous.is_none_or(|previous| *first > previous)
                && offset_problem(&self.bounds, None, *first, *last).is_none()
        });
        if let Some((_, last)) = plausible {
            self.highest = self.highest.max(Some(last));
        }
    }

    /// The next batch. False when its offsets cannot be where it stands.
    pub(super) fn batch(&mut self, batch: &BatchFacts, findings: &mut FileFindings) -> bool {
        let (first, last) = (batch.first_known_offset(), batch.last_offset);
        self.note_compaction(batch);
        let problem = offset_problem(&self.bounds, self.previous, first, last);
        match &problem {
            Some(Problem::OffsetBelowSegment { .. }) => self.bounds.segment_base = None,
            Some(Problem::OffsetBeyondNextSegment { .. }) => self.bounds.next_segment_base = None,
            _ => {}
        }
        let range = batch.position..batch.end();
        // One that cannot be indexed says nothing about those behind it.
        let is_far = matches!(problem, Some(Problem::OffsetOverflow { .. }));
        let is_in_order = problem.is_none();
        if let Some(problem) = problem {
            findings.add(range, Some((first, last)), problem);
        } else if batch.base_offset.is_some() {
            self.gap_before(first, range);
        }
        if !is_far {
            self.previous = Some(last);
            self.highest = self.highest.max(self.previous);
            self.is_behind_damage = false;
        }
        is_in_order
    }

    fn gap_before(&mut self, first: Offset, range: Range<Position>) {
        // The first batch of all is the one that its file is called after.
        let begin = self.bounds.segment_base.map(|base| base.plus(-1));
        let previous = self.previous.or(begin).filter(|_| !self.is_behind_damage);
        let Some(previous) = previous else { return };
        // Behind a batch that stands in the wrong place offsets go on where they had got to.
        let goes_on = [Some(previous), self.highest].contains(&Some(first.plus(-1)));
        if goes_on {
            return;
        }
        self.gaps += 1;
        let expected = previous.plus(1);
        let problem = Problem::OffsetGap { expected, found: first, compacted: false };
        if let Some(gaps) = self.found_gaps.last_mut() {
            gaps.add(range, Some((expected, first.plus(-1))), problem);
        }
    }

    fn note_compaction(&mut self, batch: &BatchFacts) {
        self.batches += 1;
        let Some(count) = batch.records_count.filter(|_| !self.has_compaction_sign) else { return };
        let span = batch.last_offset.0.saturating_sub(batch.first_known_offset().0);
        self.has_compaction_sign =
            i64::from(count) <= span || batch.attributes.has_delete_horizon();
    }

    /// The offset behind the highest batch that may have been believed.
    pub(super) fn log_end(&self) -> Option<Offset> {
        self.highest.map(|highest| highest.plus(1))
    }

    /// True when the partition shows any sign of compaction.
    pub(super) fn is_compacted(&self) -> bool {
        self.has_compaction_sign || self.gaps.saturating_mul(BATCHES_PER_GAP) > self.batches
    }

    /// The gaps of every file, judged by what is known now.
    pub(super) fn into_gaps(self) -> Vec<FileFindings> {
        let compacted = self.is_compacted();
        if !compacted {
            return self.found_gaps;
        }
        let notes = |gaps: FileFindings| {
            let mut notes = FileFindings::new(Arc::clone(gaps.file()));
            for gap in gaps.into_rows() {
                notes.add_finding(Finding { problem: compacted_gap(gap.problem), ..gap });
            }
            notes
        };
        self.found_gaps.into_iter().map(notes).collect()
    }
}

fn compacted_gap(problem: Problem) -> Problem {
    match problem {
        Problem::OffsetGap { expected, found, .. } => {
            Problem::OffsetGap { expected, found, compacted: true }
        }
        other => other,
    }
}
