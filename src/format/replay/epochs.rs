//! The leader epochs that a log shows, and the `leader-epoch-checkpoint` that goes with it.
//!
//! ```text
//!   batches       0 0 0 | 2 2 2 2 | 6 6       epoch of each
//!   the log says  (0, 0)  (2, 30)   (6, 70)
//!   checkpoint    (0, 0)  (2, 30) (4, 65) (6, 70)     4 had no batch: nothing is said against it
//! ```
//!
//! A checkpoint counts from its first entry's offset on: earlier batches may be deleted already.

use super::BatchFacts;
use crate::format::Offset;
use crate::format::checkpoint::{self, EpochEntry, leader_epoch_checkpoint};

/// The leader epochs of a partition, replayed from its batches.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    judged_from: Option<Offset>,
    spans: Vec<EpochSpan>,
    /// Behind the last batch of magic 0 or 1.
    anew_from: Option<Offset>,
}

/// The batches of one epoch.
#[derive(Clone, Copy, Debug)]
struct EpochSpan {
    epoch: i32,
    /// The base offset of the first of them.
    first: Offset,
    /// The base offset of the last of them.
    last: Offset,
    /// The base offset of the first of them that the checkpoint speaks of.
    first_judged: Option<Offset>,
}

impl Epochs {
    /// No batch yet, beside a checkpoint of these bytes.
    #[must_use]
    pub fn beside(existing: Option<&[u8]>) -> Self {
        let entries = existing.and_then(|bytes| leader_epoch_checkpoint(bytes).ok());
        let first = entries.and_then(|entries| entries.first().map(|e| e.value.start_offset));
        Self { judged_from: first, ..Self::default() }
    }

    /// Takes the next batch.
    #[inline]
    pub fn take(&mut self, batch: &BatchFacts) {
        let (epoch, offset) = (batch.partition_leader_epoch, batch.first_known_offset());
        if batch.magic < 2 {
            self.spans.clear();
            self.anew_from = Some(batch.last_offset.plus(1));
            return;
        }
        let is_judged = self.judged_from.is_none_or(|from| offset >= from);
        match self.spans.last_mut() {
            Some(span) if span.epoch == epoch => {
                span.last = span.last.max(offset);
                if is_judged && span.first_judged.is_none() {
                    span.first_judged = Some(offset);
                }
            }
            last => {
                if epoch >= 0 && last.is_none_or(|span| span.epoch < epoch) {
                    let first_judged = is_judged.then_some(offset);
                    let span = EpochSpan { epoch, first: offset, last: offset, first_judged };
                    self.spans.push(span);
                }
            }
        }
    }

    /// The entries that the log alone gives.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Vec<EpochEntry> {
        let entry = |span: &EpochSpan| EpochEntry { epoch: span.epoch, start_offset: span.first };
        self.spans.iter().map(entry).collect()
    }

    /// The bytes of the `leader-epoch-checkpoint` for a log that ends at `log_end`; `existing` is
    /// what the replay began beside. `None` when that is right as it is: an empty one is, and so
    /// is a missing one where no batch has an epoch.
    #[must_use]
    pub fn rebuilt(&self, existing: Option<&[u8]>, log_end: Offset) -> Option<Vec<u8>> {
        let stored = existing.map(leader_epoch_checkpoint);
        let stored: Vec<EpochEntry> = match stored {
            None if self.spans.is_empty() => return None,
            None | Some(Err(_)) => Vec::new(),
            Some(Ok(entries)) if entries.is_empty() => return None,
            Some(Ok(entries)) => {
                let stored: Vec<_> = entries.iter().map(|entry| entry.value).collect();
                if self.agrees(&stored, log_end) {
                    return None;
                }
                stored
            }
        };
        Some(checkpoint::encode(&self.merged(&stored, log_end)).into_bytes())
    }

    /// True when entries rise, none starts above the log end, and every batch from the first
    /// entry's offset on has the epoch that they give it.
    fn agrees(&self, stored: &[EpochEntry], log_end: Offset) -> bool {
        let is_inside = stored
            .iter()
            .all(|e| e.epoch >= 0 && e.start_offset.0 >= 0 && e.start_offset <= log_end);
        let all_known = self.spans.iter().all(|span| {
            span.first_judged.is_none()
                || stored.binary_search_by_key(&span.epoch, |entry| entry.epoch).is_ok()
        });
        rises(stored)
            && is_inside
            && all_known
            && stored.iter().all(|e| self.allows(*e, Speaks::Judged))
    }

    /// True when no batch that `speaks` contradicts the entry.
    fn allows(&self, entry: EpochEntry, speaks: Speaks) -> bool {
        let at = self.spans.partition_point(|span| span.epoch < entry.epoch);
        let (lower, higher) = self.spans.split_at_checked(at).unwrap_or_default();
        let is_above = lower
            .last()
            .is_none_or(|span| span.first_of(speaks).is_none() || span.last < entry.start_offset);
        let higher = higher.iter().find_map(|span| span.first_of(speaks));
        is_above && higher.is_none_or(|first| first >= entry.start_offset)
    }

    /// The entries of the log, and those stored ones that it does not contradict.
    fn merged(&self, stored: &[EpochEntry], log_end: Offset) -> Vec<EpochEntry> {
        let from = self.anew_from.unwrap_or(Offset(0));
        let is_inside =
            |e: &EpochEntry| e.epoch >= 0 && e.start_offset >= from && e.start_offset <= log_end;
        let is_kept = |e: &EpochEntry, speaks| is_inside(e) && self.allows(*e, speaks);
        // As long as the first entry stands, nothing before it is spoken of.
        let keeps_first =
            rises(stored) && stored.first().is_some_and(|e| is_kept(e, Speaks::Judged));
        let speaks = if keeps_first { Speaks::Judged } else { Speaks::All };
        let mut kept: Vec<_> = stored.iter().copied().filter(|e| is_kept(e, speaks)).collect();
        kept.extend(self.spans.iter().filter_map(|span| {
            let start_offset = span.first_of(speaks)?;
            Some(EpochEntry { epoch: span.epoch, start_offset })
        }));
        // Where both name one epoch, the stored entry starts no later.
        kept.sort_by_key(|entry| (entry.epoch, entry.start_offset));
        kept.dedup_by_key(|entry| entry.epoch);
        let mut merged: Vec<EpochEntry> = Vec::new();
        for entry in kept {
            // As Kafka assigns: a new epoch takes the place of what starts at or behind it.
            while merged.pop_if(|last| last.start_offset >= entry.start_offset).is_some() {}
            merged.push(entry);
        }
        merged
    }
}

fn rises(entries: &[EpochEntry]) -> bool {
    entries.is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset)
}

/// Which batches count.
#[derive(Clone, Copy)]
enum Speaks {
    /// Those from the first stored entry's offset on.
    Judged,
    All,
}

impl EpochSpan {
    fn first_of(&self, speaks: Speaks) -> Option<Offset> {
        match speaks {
            Speaks::Judged => self.first_judged,
            Speaks::All => Some(self.first),
        }
    }
}
