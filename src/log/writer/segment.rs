//! The segment that is appended to: what its indexes have come to, and when the next one begins.
//!
//! ```text
//!   the segment ends before a batch                          Kafka's name
//!     that would make its .log larger than                   segment.bytes
//!     that is later than its first by more than              segment.ms
//!     for which an index has no room                         segment.index.bytes
//!     whose last offset is 2^31 or more above its base offset
//! ```

use super::WriterOptions;
use crate::format::replay::{BatchFacts, IndexBuilder, RebuiltIndexes, Step};
use crate::format::{Offset, offset_index, time_index};

/// How far above the base offset of its segment an offset may be.
pub(super) const LAST_RELATIVE_OFFSET: i64 = i32::MAX as i64;

/// What is known of a segment besides its batches.
#[derive(Clone, Debug)]
pub(super) struct SegmentState {
    /// The offset in its name.
    pub(super) base_offset: Offset,
    /// Bytes of whole batches.
    pub(super) length: u64,
    /// Bytes of the `.log` when it was opened, zeros behind its batches included; `None` while
    /// there is no such file.
    pub(super) file_length: Option<u64>,
    indexes: IndexBuilder,
    /// The bytes of the `.txnindex`.
    pub(super) txn_index: Vec<u8>,
    /// True once an entry was added to them.
    pub(super) is_txn_index_changed: bool,
    /// The greatest timestamp of its first batch, where it has one.
    rolls_from: Option<i64>,
    /// When it was opened.
    opened_at: i64,
}

/// A batch, or several, that are appended at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) size: u64,
    pub(super) max_timestamp: i64,
    pub(super) first_offset: Offset,
    pub(super) last_offset: Offset,
    /// The latest leader epoch, -1 for none.
    pub(super) leader_epoch: i32,
}

impl SegmentState {
    /// An empty segment, opened at `now`.
    pub(super) fn new(base_offset: Offset, options: &WriterOptions, now: i64) -> Self {
        Self {
            base_offset,
            length: 0,
            file_length: None,
            indexes: IndexBuilder::new(base_offset, options.index_interval_bytes),
            txn_index: Vec::new(),
            is_txn_index_changed: false,
            rolls_from: None,
            opened_at: now,
        }
    }

    /// The next batch of its log, and what it did to the producers.
    pub(super) fn take(&mut self, batch: &BatchFacts, step: &Step) {
        if self.length == 0 {
            self.first(batch.max_timestamp);
        }
        self.indexes.take(batch);
        self.length = batch.end().0;
        if let Some(entry) = step.ended.as_ref().and_then(|ended| ended.entry()) {
            entry.encode(&mut self.txn_index);
            self.is_txn_index_changed = true;
        }
    }

    /// The first batch is on its way to the log.
    pub(super) fn first(&mut self, max_timestamp: i64) {
        self.rolls_from = Some(max_timestamp).filter(|&timestamp| timestamp >= 0);
    }

    /// True when `next` begins another segment. `buffered` bytes are on their way to this one.
    pub(super) fn ends_before(
        &self,
        next: &Next,
        buffered: u64,
        options: &WriterOptions,
        now: i64,
    ) -> bool {
        let length = self.length.saturating_add(buffered);
        if length == 0 {
            return !self.holds(next.last_offset);
        }
        let waited = match self.rolls_from {
            Some(first) => next.max_timestamp.saturating_sub(first),
            None => now.saturating_sub(self.opened_at),
        };
        length.saturating_add(next.size) > options.segment_bytes
            || waited > options.segment_ms
            || self.is_index_full(0, options)
            || !self.holds(next.last_offset)
    }

    fn holds(&self, offset: Offset) -> bool {
        let relative = offset.0.checked_sub(self.base_offset.0);
        relative.is_some_and(|relative| (0..=LAST_RELATIVE_OFFSET).contains(&relative))
    }

    /// True when an index has no room for one more batch behind `batches` that are on their way,
    /// should each of them take an entry. The time index keeps a place for the last one.
    pub(super) fn is_index_full(&self, batches: usize, options: &WriterOptions) -> bool {
        let places = |size: usize| {
            let places = options.segment_index_bytes / size as u64;
            usize::try_from(places).unwrap_or(usize::MAX)
        };
        let entries = |bytes: usize, size: usize| (bytes / size).saturating_add(batches);
        let RebuiltIndexes { index, time_index } = self.indexes.so_far();
        entries(index.len(), offset_index::ENTRY_BYTES) >= places(offset_index::ENTRY_BYTES)
            || entries(time_index.len(), time_index::ENTRY_BYTES).saturating_add(1)
                >= places(time_index::ENTRY_BYTES)
    }

    /// About how many bytes the files beside the log have.
    pub(super) fn derived_bytes(&self) -> u64 {
        let RebuiltIndexes { index, time_index } = self.indexes.so_far();
        let last_time = time_index::ENTRY_BYTES;
        (index.len() + time_index.len() + last_time + self.txn_index.len()) as u64
    }

    /// Its indexes, as they are when nothing more is appended to it.
    pub(super) fn indexes(&self) -> RebuiltIndexes {
        self.indexes.clone().finish()
    }
}
