//! Which batches and records of one file are wanted.

use super::Plan;
use crate::cli::Select;
use crate::select::TimeRange;
use segkit::format::replay::Transactions;
use segkit::format::{Batch, Record, Scratch};
use std::ops::Range;
use std::sync::Arc;

/// The selection of the command line, resolved for one partition.
#[derive(Clone)]
pub struct Filter {
    /// `None`: all of them.
    offsets: Option<Range<i64>>,
    time: TimeRange,
    select: Select,
    transactions: Option<Arc<Transactions>>,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It, or records in it, may be wanted.
    Look,
    /// Nothing in it is wanted.
    Skip,
    /// It is behind all that is wanted. A base offset is not under the checksum, so that one batch
    /// alone does not prove that the rest is, too.
    Behind,
}

impl Filter {
    /// Resolves the selection for a log that ends at `log_end`.
    pub fn new(plan: &Plan, log_end: i64, transactions: Option<Arc<Transactions>>) -> Self {
        let select = plan.select.clone();
        Self {
            offsets: select.offsets.map(|range| range.resolve(log_end)),
            time: select.time.unwrap_or(TimeRange { from: None, to: None }),
            select,
            transactions,
        }
    }

    /// What the header says about a batch.
    pub fn batch(&self, batch: &Batch<'_>) -> Verdict {
        let select = &self.select;
        if let (Some(base), Some(offsets)) = (batch.known_base_offset(), &self.offsets)
            && base.0 >= offsets.end
        {
            return Verdict::Behind;
        }
        let is_control = batch.attributes().is_control();
        let skip = self.offsets.as_ref().is_some_and(|range| batch.last_offset().0 < range.start)
            || self.time.from.is_some_and(|from| batch.max_timestamp() < from)
            || select.producer_id.is_some_and(|id| id != batch.producer_id())
            || select.leader_epoch.is_some_and(|epoch| epoch != batch.partition_leader_epoch())
            || select.codec.is_some_and(|codec| batch.codec() != Ok(codec))
            || (select.control && !is_control)
            || (select.committed && is_control)
            || self.is_uncommitted(batch);
        if skip { Verdict::Skip } else { Verdict::Look }
    }

    fn is_uncommitted(&self, batch: &Batch<'_>) -> bool {
        let Some(transactions) = &self.transactions else { return false };
        batch.attributes().is_transactional()
            && !transactions.is_committed(batch.producer_id(), batch.last_offset())
    }

    /// True when a record of a batch that passed [`Filter::batch`] is wanted.
    #[inline]
    pub fn record(&self, record: &Record<'_>) -> bool {
        self.offsets.as_ref().is_none_or(|range| range.contains(&record.offset.0))
            && self.time.from.is_none_or(|from| record.timestamp >= from)
            && self.time.to.is_none_or(|to| record.timestamp < to)
    }

    /// True when the whole batch is wanted because one of its records is. Only a range of times
    /// needs a look at them: a header knows the greatest timestamp, but not the least.
    pub fn has_wanted_record(&self, batch: &Batch<'_>, scratch: &mut Scratch) -> bool {
        let bounded = self.time.to.is_some() || self.time.from.is_some();
        let wrapped = batch.known_base_offset().is_none() && self.offsets.is_some();
        if !bounded && !wrapped {
            return true;
        }
        match batch.records(scratch) {
            // What cannot be read is shown rather than hidden.
            Err(_) => true,
            Ok(mut records) => {
                records.any(|record| record.map_or(true, |record| self.record(&record)))
            }
        }
    }

    /// The first offset that is wanted, for finding a place to start.
    pub fn first_offset(&self) -> i64 {
        self.offsets.as_ref().map_or(i64::MIN, |range| range.start)
    }

    /// The offset behind the last one that is wanted.
    pub fn end_offset(&self) -> i64 {
        self.offsets.as_ref().map_or(i64::MAX, |range| range.end)
    }
}
