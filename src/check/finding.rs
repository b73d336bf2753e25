//! A finding: one problem in one place, what a broker would do with it, and what to do next.

use super::catalogue::Severity;
use super::problem::Problem;
use super::remedy;
use crate::format::{Offset, Position};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// One problem in one place, or as many as are said together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or directory it is in.
    pub file: Arc<Path>,
    /// The bytes that are affected; of several places, from the first to the last.
    pub range: Range<Position>,
    /// First and last offset that are affected, as far as known.
    pub offsets: Option<(Offset, Offset)>,
    /// First and last timestamp that are affected, in milliseconds, as far as known.
    pub timestamps: Option<(i64, i64)>,
    /// What is wrong; of several places, in the first of them.
    pub problem: Problem,
    /// How many places this stands for: 1, but more for notes, and for what is left of errors when
    /// enough of them were listed.
    pub places: u64,
    /// What a broker would do with it, where that is known.
    pub broker: Option<String>,
    /// The command to run next, or what else to do.
    pub next: Option<String>,
}

impl Finding {
    /// A finding in one place, about which nothing else is known yet.
    #[must_use]
    pub fn new(file: Arc<Path>, range: Range<Position>, problem: Problem) -> Self {
        let next = remedy::next(&problem, &file);
        let (offsets, timestamps, broker) = (None, None, None);
        Self { file, range, offsets, timestamps, problem, places: 1, broker, next }
    }

    /// With the offsets that are affected.
    #[must_use]
    pub fn at_offsets(mut self, offsets: Option<(Offset, Offset)>) -> Self {
        self.offsets = offsets;
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.problem.severity()
    }
}
