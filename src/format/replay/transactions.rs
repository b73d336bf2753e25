//! Which transactions were aborted, and which never ended.
//!
//! ```text
//!   producer 7   T T . T C         committed: a COMMIT marker follows
//!   producer 8     T T   T A       aborted: first data offset to the ABORT marker
//!   producer 9         T   T       open to the end of the log
//! ```

use super::{BatchFacts, Marker};
use crate::format::{Batch, Offset, Scratch};
use std::collections::HashMap;

/// The transactions of one partition, replayed from its batches.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// First offset of each producer's transaction that has not ended.
    open: HashMap<i64, Offset>,
    /// Aborted ranges, both ends inside, of each producer, in the order of the log.
    aborted: HashMap<i64, Vec<(Offset, Offset)>>,
}

impl Transactions {
    /// Takes the next batch of the log. False when it is a marker that cannot be read.
    pub fn replay(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> bool {
        if batch.producer_id() < 0 {
            return true;
        }
        self.take(&BatchFacts::of(batch, scratch))
    }

    fn take(&mut self, batch: &BatchFacts) -> bool {
        match batch.marker {
            Marker::Unreadable => return false,
            Marker::End { is_abort, .. } => {
                let first = self.open.remove(&batch.producer_id);
                if let Some(first) = first.filter(|_| is_abort) {
                    let aborted = self.aborted.entry(batch.producer_id).or_default();
                    aborted.push((first, batch.last_offset));
                }
            }
            Marker::None if batch.attributes.is_control() => {}
            Marker::None if batch.attributes.is_transactional() => {
                let base = batch.base_offset.unwrap_or_default();
                self.open.entry(batch.producer_id).or_insert(base);
            }
            Marker::None => {}
        }
        true
    }

    /// True when a record of a transaction of this producer is part of a committed one.
    #[must_use]
    pub fn is_committed(&self, producer_id: i64, offset: Offset) -> bool {
        if self.open.get(&producer_id).is_some_and(|first| offset >= *first) {
            return false;
        }
        let Some(ranges) = self.aborted.get(&producer_id) else { return true };
        let index = ranges.partition_point(|(_, last)| *last < offset);
        ranges.get(index).is_none_or(|(first, _)| offset < *first)
    }
}
