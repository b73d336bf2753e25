//! What stands behind the entries of an index that was not trimmed.
//!
//! ```text
//!   | entry | entry | ... | entry | leftover | leftover | zeros: room for more |
//!                           last -'          first zeros '- end
//! ```
//!
//! A broker that truncates a log only moves its own count of entries back: those behind it stay
//! where they are until others are written over them. A file does not say how many there were. So
//! in the preallocated index of a segment that is written, the last entry that agrees with the log
//! is taken for the last. One behind the first zeros was never written there, and is no leftover.

use crate::check::FileFindings;
use crate::check::problem::IndexEntry;

/// Which entries may be leftovers, as far as the log was seen.
#[derive(Debug)]
pub(super) struct Leftovers {
    /// The last entry that agrees with the log.
    pub(super) last: Option<IndexEntry>,
    /// The slot of the first zeros behind it.
    pub(super) end: usize,
    /// What would be wrong with those in between, if they were entries.
    pub(super) findings: FileFindings,
}

impl Leftovers {
    /// No entry agrees yet. `findings` are none, of the index.
    pub(super) fn new(findings: FileFindings) -> Self {
        Self { last: None, end: 0, findings }
    }

    /// The slot behind the last entry.
    pub(super) fn start(&self) -> usize {
        let behind = self.last.map_or(0, |last| last.number.saturating_add(1));
        usize::try_from(behind).unwrap_or(usize::MAX)
    }

    /// True for an entry that is a leftover, as far as is known.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.last.is_none_or(|last| number > last.number) && number < self.end as u64
    }

    /// `entry` agrees, and lies behind the last that did. What is wrong with those before it.
    pub(super) fn agrees(&mut self, entry: IndexEntry) -> FileFindings {
        self.last = Some(entry);
        let none = FileFindings::new(self.findings.file().clone());
        std::mem::replace(&mut self.findings, none)
    }
}
