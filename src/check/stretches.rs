//! What stands in a `.log`, told in as few words as it can be: batches that follow each other
//! without anything unusual are one stretch, and so are bytes that no batch proves. Who plans a
//! repair needs no more, and a healthy log is one stretch for each leader epoch.
//!
//! ```text
//!   | 0-9 | 10-19 | 20-29 |??damaged??| 40-49 | 30-39 | 50-59 | 60-69 |
//!   '----- Batches -------'- Damage --'-------'-------'---------------'
//! ```

use super::Problem;
use super::coverage::Class;
use crate::format::replay::BatchFacts;
use crate::format::{Offset, Position};
use std::ops::Range;

/// What stands in a range of a `.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Batches that prove themselves, of one magic and leader epoch, their offsets rising.
    Batches(Box<BatchStretch>),
    /// Bytes that no batch proves, or that were not read.
    Damage(DamageStretch),
}

/// Batches that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStretch {
    /// From the beginning of the first to the end of the last.
    pub range: Range<Position>,
    /// How many.
    pub batches: u64,
    /// The records that their headers count, and one for each message of magic 0 and 1.
    pub records: u64,
    /// The first.
    pub first: BatchFacts,
    /// The one behind it, unless it is alone.
    pub second: Option<BatchFacts>,
    /// The one before the last, unless that is the first of all.
    pub before_last: Option<BatchFacts>,
    /// The last.
    pub last: BatchFacts,
}

/// Bytes that no batch proves, or that were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamageStretch {
    /// Where they are.
    pub range: Range<Position>,
    /// How they count in the account of the file.
    pub class: Class,
    /// The offsets that the header of the damaged batch names, where it is whole.
    pub offsets: Option<(Offset, Offset)>,
    /// What was found.
    pub problem: Problem,
}

impl Stretch {
    /// Where it is.
    #[must_use]
    pub fn range(&self) -> Range<Position> {
        match self {
            Self::Batches(batches) => batches.range.clone(),
            Self::Damage(damage) => damage.range.clone(),
        }
    }
}

/// Collects the stretches of one `.log`.
#[derive(Debug, Default)]
pub(super) struct Stretches(Vec<Stretch>);

impl Stretches {
    /// The next batch.
    pub(super) fn batch(&mut self, batch: &BatchFacts) {
        if let Some(Stretch::Batches(batches)) = self.0.last_mut()
            && batches.goes_on_with(batch)
        {
            batches.add(batch);
            return;
        }
        self.0.push(Stretch::Batches(Box::new(BatchStretch::of(batch))));
    }

    /// The next bytes that no batch proves.
    pub(super) fn damage(&mut self, damage: DamageStretch) {
        self.0.push(Stretch::Damage(damage));
    }

    /// All of them, in the order of positions.
    pub(super) fn into_inner(self) -> Vec<Stretch> {
        self.0
    }
}

/// The records of a batch as its header counts them.
fn records(batch: &BatchFacts) -> u64 {
    batch.records_count.map_or(1, |count| u64::try_from(count).unwrap_or(0))
}

impl BatchStretch {
    /// One batch alone.
    #[must_use]
    pub fn of(batch: &BatchFacts) -> Self {
        Self {
            range: batch.position..batch.end(),
            batches: 1,
            records: records(batch),
            first: *batch,
            second: None,
            before_last: None,
            last: *batch,
        }
    }

    fn goes_on_with(&self, batch: &BatchFacts) -> bool {
        self.range.end == batch.position
            && batch.first_known_offset() > self.last.last_offset
            && batch.last_offset >= batch.first_known_offset()
            && self.last.last_offset >= self.last.first_known_offset()
            && batch.magic == self.last.magic
            && batch.partition_leader_epoch == self.last.partition_leader_epoch
    }

    fn add(&mut self, batch: &BatchFacts) {
        self.range.end = batch.end();
        self.batches += 1;
        self.records = self.records.saturating_add(records(batch));
        self.second = self.second.or(Some(*batch));
        self.before_last = Some(self.last);
        self.last = *batch;
    }
}
