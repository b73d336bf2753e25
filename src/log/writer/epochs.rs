//! The leader epochs of a partition that is appended to, as a broker keeps them.
//!
//! ```text
//!   entries          (0, 0) (2, 30)
//!   batch of 2       nothing new
//!   batch of 5       (0, 0) (2, 30) (5, 70)      written before the batch is
//!   magic 0 or 1     none: such batches have no epoch, and nothing is known of those before
//! ```

use crate::format::Offset;
use crate::format::checkpoint::{self, EpochEntry, leader_epoch_checkpoint};
use crate::format::replay::BatchFacts;
use std::collections::BTreeMap;

/// The entries of a `leader-epoch-checkpoint`.
#[derive(Clone, Debug, Default)]
pub(super) struct EpochCache {
    entries: Vec<EpochEntry>,
    is_changed: bool,
}

impl EpochCache {
    /// As the file of these bytes says; `None` when a broker could not read it.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let entries = leader_epoch_checkpoint(bytes).ok()?;
        // Of two entries for one epoch the later counts.
        let by_epoch = entries.iter().map(|entry| (entry.value.epoch, entry.value));
        let by_epoch: BTreeMap<i32, EpochEntry> = by_epoch.collect();
        Some(Self { entries: by_epoch.into_values().collect(), is_changed: false })
    }

    /// The latest epoch.
    pub(super) fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The log ends at `end`: what begins behind it never was.
    pub(super) fn truncate_from_end(&mut self, end: Offset) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end);
        self.is_changed |= self.entries.len() != before;
    }

    /// A batch that is in the log already: a recovery only ever adds higher epochs.
    pub(super) fn recover(&mut self, batch: &BatchFacts) {
        let epoch = batch.partition_leader_epoch;
        if batch.magic >= 2 && epoch >= 0 && self.latest().is_none_or(|latest| epoch > latest) {
            self.assign(epoch, batch.first_known_offset());
        }
    }

    /// A batch that is going to be appended.
    pub(super) fn append(&mut self, batch: &BatchFacts) {
        if batch.magic < 2 {
            self.is_changed |= !self.entries.is_empty();
            self.entries.clear();
        } else if batch.partition_leader_epoch >= 0 {
            self.assign(batch.partition_leader_epoch, batch.first_known_offset());
        }
    }

    fn assign(&mut self, epoch: i32, start_offset: Offset) {
        let is_known = |last: &EpochEntry| last.epoch == epoch && start_offset >= last.start_offset;
        if self.entries.last().is_some_and(is_known) {
            return;
        }
        let is_behind =
            |last: &mut EpochEntry| last.epoch >= epoch || last.start_offset >= start_offset;
        while self.entries.pop_if(is_behind).is_some() {}
        self.entries.push(EpochEntry { epoch, start_offset });
        self.is_changed = true;
    }

    /// The file is not known to hold the entries.
    pub(super) fn set_changed(&mut self) {
        self.is_changed = true;
    }

    /// True when the file does not hold the entries.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The bytes of the file, when they are not those that were written last.
    pub(super) fn take_change(&mut self) -> Option<Vec<u8>> {
        let is_changed = std::mem::take(&mut self.is_changed);
        is_changed.then(|| checkpoint::encode(&self.entries).into_bytes())
    }
}
