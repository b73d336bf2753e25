//! The findings of one file, kept few: notes of one code are one row, and of errors and warnings
//! of one code the first are listed and the rest are counted.

use super::{Finding, Problem, Severity};
use crate::format::{Offset, Position};
use crate::limits::FINDINGS_LISTED;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The findings of one file in the order in which they were added.
#[derive(Clone, Debug)]
pub struct FileFindings {
    file: Arc<Path>,
    rows: Vec<Finding>,
    groups: HashMap<(&'static str, Severity), Group>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    listed: usize,
    /// The row that stands for all that are not listed.
    rest: Option<usize>,
}

impl FileFindings {
    /// None yet, of `file`.
    #[must_use]
    pub fn new(file: Arc<Path>) -> Self {
        Self { file, rows: Vec::new(), groups: HashMap::new() }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Arc<Path> {
        &self.file
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One more, at `range`.
    pub fn add(
        &mut self,
        range: Range<Position>,
        offsets: Option<(Offset, Offset)>,
        problem: Problem,
    ) {
        let finding = Finding::new(Arc::clone(&self.file), range, problem);
        self.add_finding(finding.at_offsets(offsets));
    }

    /// One more, as it is.
    pub fn add_finding(&mut self, finding: Finding) {
        let severity = finding.severity();
        let listed = if severity == Severity::Note { 0 } else { FINDINGS_LISTED };
        let group = self.groups.entry((finding.problem.code(), severity)).or_default();
        if let Some(rest) = group.rest.and_then(|rest| self.rows.get_mut(rest)) {
            rest.merge(&finding);
            return;
        }
        if group.listed >= listed || finding.places > 1 {
            group.rest = Some(self.rows.len());
        }
        group.listed += 1;
        self.rows.push(finding);
    }

    /// Those of a later part of the same file.
    pub fn append(&mut self, later: Self) {
        for finding in later.rows {
            self.add_finding(finding);
        }
    }

    /// All of them.
    #[must_use]
    pub fn into_rows(self) -> Vec<Finding> {
        self.rows
    }
}

impl Finding {
    /// Lets this stand for `other` as well.
    fn merge(&mut self, other: &Self) {
        self.places = self.places.saturating_add(other.places);
        self.range.start = self.range.start.min(other.range.start);
        self.range.end = self.range.end.max(other.range.end);
        self.offsets = widest(self.offsets, other.offsets);
        self.timestamps = widest(self.timestamps, other.timestamps);
    }
}

fn widest<T: Ord + Copy>(a: Option<(T, T)>, b: Option<(T, T)>) -> Option<(T, T)> {
    match (a, b) {
        (Some((a0, a1)), Some((b0, b1))) => Some((a0.min(b0), a1.max(b1))),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(findings: &mut FileFindings, at: u64, problem: Problem) {
        let offset = Offset(at.cast_signed());
        findings.add(Position(at)..Position(at + 1), Some((offset, offset)), problem);
    }

    fn rows(findings: FileFindings) -> Vec<(&'static str, u64, u64, u64)> {
        let row = |f: Finding| (f.problem.code(), f.range.start.0, f.range.end.0, f.places);
        findings.into_rows().into_iter().map(row).collect()
    }

    #[test]
    fn notes_are_one_row_and_errors_are_listed_up_to_a_number() {
        let mut findings = FileFindings::new(Path::new("a").into());
        let most = FINDINGS_LISTED as u64;
        for at in 0..most + 5 {
            add(&mut findings, at, Problem::UnclaimedBytes);
            add(&mut findings, at, Problem::SegmentEmpty);
        }
        let rows = rows(findings);
        assert_eq!(rows.len(), FINDINGS_LISTED + 2);
        assert_eq!(rows[0], ("unclaimed-bytes", 0, 1, 1));
        assert_eq!(rows[1], ("segment-empty", 0, most + 5, most + 5));
        assert_eq!(rows[FINDINGS_LISTED + 1], ("unclaimed-bytes", most, most + 5, 5));
    }

    #[test]
    fn parts_that_are_joined_are_as_if_added_one_by_one() {
        let problem = |at: u64| match at % 3 {
            0 => Problem::UnclaimedBytes,
            1 => Problem::SegmentEmpty,
            _ => Problem::DeletePending,
        };
        for (cut, end) in [(0, 10), (10, 10), (200, 1000), (999, 1000), (310, 620)] {
            let mut whole = FileFindings::new(Path::new("a").into());
            let (mut first, mut second) = (whole.clone(), whole.clone());
            for at in 0..end {
                add(&mut whole, at, problem(at));
                add(if at < cut { &mut first } else { &mut second }, at, problem(at));
            }
            first.append(second);
            let total = |findings: &FileFindings| findings.rows.iter().map(|f| f.places).sum();
            let sums: [u64; 2] = [total(&whole), total(&first)];
            assert_eq!(sums, [end, end]);
            assert_eq!(rows(first), rows(whole), "{cut} of {end}");
        }
    }
}
