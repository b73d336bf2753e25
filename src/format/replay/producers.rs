//! The state that a broker keeps of every producer id of a partition, replayed from its batches.
//!
//! ```text
//!   batch of producer 7, epoch 2
//!     data, sequences 40..=44   epoch, last batch, timestamp; in a transaction: open from here on
//!     marker, epoch 2           timestamp, coordinator epoch; the transaction is over
//!     marker, epoch 3           the same, and the last batch is forgotten: sequences begin at 0
//! ```
//!
//! # Behind damage
//!
//! A damaged range may have held the end of a transaction, the beginning of one, or sequences. What
//! the replay says about a producer is sure again from that producer's next batch on, and what it
//! says of a transaction from the first batch of it behind the last damage.
//!
//! Offsets that no batch has are as bad where they are not the cleaner's: which of both they are is
//! known only at the end, so that it is kept apart what goes on across such a gap.
//!
//! Memory is bounded by the number of producers.

use super::{BatchFacts, Marker};
use crate::format::producer_snapshot::{LastBatch, ProducerEntry};
use crate::format::txn_index::{AbortedTxn, VERSION};
use crate::format::{Offset, Position};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// How far ahead of the one that was due a sequence number is a gap, and not a repeat.
const HALF_OF_ALL_SEQUENCES: u32 = 1 << 30;

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    start: Offset,
    by_id: HashMap<i64, Producer>,
    /// The transactions that are open, by their first offset and producer id.
    open: BTreeSet<(Offset, i64)>,
    /// Those of them that are open for sure, by the first batch behind the last damage.
    sure: BTreeSet<(Offset, i64)>,
    damages: u32,
    /// Where the last damage ends is known from the next batch on.
    in_damage: bool,
    unsure_below: Offset,
    gaps: u32,
    /// The offset behind the last batch.
    next_offset: Option<Offset>,
}

/// What is known of one producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// As a snapshot would hold it.
    pub entry: ProducerEntry,
    /// The last offset of its last batch, marker or data, that was replayed; `None` when all that
    /// is known of it is from the snapshot that the replay began with.
    pub updated_at: Option<Offset>,
    /// The offset of its last marker that was replayed.
    pub last_end: Option<Offset>,
    /// The offset of the first marker behind its last data batch, or behind where the replay began.
    pub first_end_since_data: Option<Offset>,
    /// The timestamp of its last data batch that was replayed.
    pub data_timestamp: Option<i64>,
    /// In its open transaction: the first batch behind the last damage.
    pub sure_since: Option<Offset>,
    /// In its open transaction: the first batch behind the last damage that has records.
    pub first_records: Option<FirstRecords>,
    /// In its open transaction: the first batch behind the last damage or gap that has records.
    pub first_since_gap: Option<Offset>,
    /// How many damages there were before its last batch or marker.
    damages: u32,
    /// How many gaps there were before that.
    gaps: u32,
    /// How many damages there were before its last data batch: that tells the sequence that is
    /// due.
    damages_before_data: u32,
}

/// The first batch of a transaction that has records.
#[derive(Clone, Debug, Copy, PartialEq, Eq)]
pub struct FirstRecords {
    /// Its base offset.
    pub offset: Offset,
    /// Where it begins in its file.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

impl FirstRecords {
    /// Its bytes.
    #[must_use]
    pub fn range(&self) -> Range<Position> {
        self.start..self.end
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// It begins a transaction.
    pub begins: bool,
    /// Its first sequence number is not the one that was due.
    pub sequence_break: Option<SequenceBreak>,
    /// It is a marker.
    pub ended: Option<EndedTransaction>,
}

/// A sequence number that was not due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceBreak {
    /// The one that was due.
    pub expected: i32,
    /// The one of the batch.
    pub found: i32,
    /// True for one that came before, false for one that is further on.
    pub repeats: bool,
}

/// What a transaction marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedTransaction {
    /// Whose transaction.
    pub producer_id: i64,
    /// True for an ABORT, false for a COMMIT.
    pub is_abort: bool,
    /// The first offset of the transaction's data; `None` when the log holds none of it.
    pub first_offset: Option<Offset>,
    /// The base offset of a batch with records that is part of the transaction for sure: its
    /// first, unless there is damage.
    pub first_records: Option<Offset>,
    /// The same behind the last gap.
    pub first_since_gap: Option<Offset>,
    /// The marker's offset.
    pub last_offset: Offset,
    /// The producer's marker before this one: no transaction goes on across it.
    pub previous_end: Option<Offset>,
    /// The last stable offset after the marker.
    pub last_stable_offset: Offset,
    /// The same, of those transactions alone that are open for sure: without damage it is equal.
    pub sure_last_stable_offset: Offset,
    /// Offsets below this one may belong to batches that were not replayed: those below the start,
    /// and those up to the end of the last damage.
    pub unsure_below: Offset,
}

impl EndedTransaction {
    /// The entry that a broker adds to the `.txnindex` for it.
    #[must_use]
    pub fn entry(&self) -> Option<AbortedTxn> {
        let first_offset = self.first_offset.filter(|_| self.is_abort)?;
        Some(AbortedTxn {
            index: 0,
            version: VERSION,
            producer_id: self.producer_id,
            first_offset,
            last_offset: self.last_offset,
            last_stable_offset: self.last_stable_offset,
        })
    }
}

impl Producers {
    /// No producer is known before `start`, the first offset of the log.
    #[must_use]
    pub fn new(start: Offset) -> Self {
        Self { start, unsure_below: start, ..Self::default() }
    }

    /// As a snapshot at `start` says.
    #[must_use]
    pub fn starting_from(start: Offset, entries: impl Iterator<Item = ProducerEntry>) -> Self {
        let mut producers = Self::new(start);
        for entry in entries {
            let known = Producer::of(entry, 0, 0);
            if producers.by_id.insert(entry.producer_id, known).is_some() {
                continue;
            }
            if let Some(first) = entry.current_txn_first_offset {
                producers.open.insert((first, entry.producer_id));
                producers.sure.insert((first, entry.producer_id));
            }
        }
        producers
    }

    /// Where the replay began.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.start
    }

    /// True when bytes were damaged that may have held anything.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damages > 0
    }

    /// True when there are offsets between the batches that no batch has.
    #[must_use]
    pub fn has_gaps(&self) -> bool {
        self.gaps > 0
    }

    /// What is known of a producer id.
    #[must_use]
    pub fn get(&self, producer_id: i64) -> Option<&Producer> {
        self.by_id.get(&producer_id)
    }

    /// Everything that is known, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Producer> {
        self.by_id.values()
    }

    /// The open transactions, by their first offset.
    pub fn open_transactions(&self) -> impl Iterator<Item = &Producer> {
        self.open.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The entries of a snapshot, ordered by producer id.
    #[must_use]
    pub fn entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<_> = self.by_id.values().map(|known| known.entry).collect();
        entries.sort_by_key(|entry| entry.producer_id);
        for (index, entry) in entries.iter_mut().enumerate() {
            entry.index = index;
        }
        entries
    }

    /// The first offset of the oldest open transaction, or `log_end`.
    #[must_use]
    pub fn last_stable_offset(&self, log_end: Offset) -> Offset {
        self.open.first().map_or(log_end, |(first, _)| *first)
    }

    /// Takes the next batch of the log.
    #[inline]
    pub fn take(&mut self, batch: &BatchFacts) -> Step {
        let first = batch.first_known_offset();
        let is_gap = self.next_offset.is_some_and(|next| next < first) && batch.magic >= 2;
        if is_gap && !self.in_damage {
            self.gaps = self.gaps.saturating_add(1);
            self.sure.clear();
        }
        if is_gap || self.in_damage {
            self.in_damage = false;
            self.unsure_below = self.unsure_below.max(first);
        }
        self.next_offset = Some(batch.last_offset.plus(1));
        if batch.producer_id < 0 || batch.magic < 2 { Step::default() } else { self.replay(batch) }
    }

    /// Bytes that no batch proves stand behind the last batch: what they held is unknown.
    pub fn damaged(&mut self) {
        self.damages = self.damages.saturating_add(1);
        self.sure.clear();
        self.in_damage = true;
    }

    fn replay(&mut self, batch: &BatchFacts) -> Step {
        match batch.marker {
            Marker::End { is_abort, coordinator_epoch, timestamp } => {
                let ended = self.end(batch, is_abort, coordinator_epoch, timestamp);
                Step { ended: Some(ended), ..Step::default() }
            }
            Marker::Unreadable => {
                self.damaged();
                Step::default()
            }
            Marker::None if batch.attributes.is_control() => Step::default(),
            Marker::None => self.data(batch),
        }
    }

    fn data(&mut self, batch: &BatchFacts) -> Step {
        let (id, damages, gaps) = (batch.producer_id, self.damages, self.gaps);
        let base = batch.first_known_offset();
        let known =
            self.by_id.entry(id).or_insert_with(|| Producer::first_seen(batch, damages, gaps));
        let sequence_break = known.sequence_break(batch, damages);
        known.see(batch, damages, gaps);
        known.damages_before_data = damages;
        known.first_end_since_data = None;
        known.data_timestamp = Some(batch.max_timestamp);
        let entry = &mut known.entry;
        entry.last_batch = Some(LastBatch {
            last_sequence: batch.last_sequence,
            last_offset: batch.last_offset,
            offset_delta: i32::try_from(batch.last_offset.0.saturating_sub(base.0)).unwrap_or(0),
        });
        entry.timestamp = batch.max_timestamp;
        let mut begins = false;
        if batch.attributes.is_transactional() {
            if entry.current_txn_first_offset.is_none() {
                entry.current_txn_first_offset = Some(base);
                self.open.insert((base, id));
                begins = true;
            }
            if known.sure_since.is_none() {
                known.sure_since = Some(base);
                let first = known.entry.current_txn_first_offset.unwrap_or(base);
                // One that a snapshot says is open is in there already.
                let sure = if damages == 0 && gaps == 0 { first } else { base };
                self.sure.insert((sure, id));
            }
            // Compaction leaves batches of no records.
            if batch.records_count != Some(0) {
                let (start, end) = (batch.position, batch.end());
                known.first_records.get_or_insert(FirstRecords { offset: base, start, end });
                known.first_since_gap.get_or_insert(base);
            }
        }
        Step { begins, sequence_break, ended: None }
    }

    fn end(
        &mut self,
        batch: &BatchFacts,
        is_abort: bool,
        coordinator_epoch: i32,
        timestamp: i64,
    ) -> EndedTransaction {
        let (id, damages, gaps) = (batch.producer_id, self.damages, self.gaps);
        let known =
            self.by_id.entry(id).or_insert_with(|| Producer::first_seen(batch, damages, gaps));
        known.see(batch, damages, gaps);
        let previous_end = known.last_end.replace(batch.last_offset);
        known.first_end_since_data.get_or_insert(batch.last_offset);
        let first_offset = known.entry.current_txn_first_offset.take();
        let sure_since = known.sure_since.take();
        let first_records = known.first_records.take().map(|first| first.offset);
        let first_since_gap = known.first_since_gap.take();
        known.entry.timestamp = timestamp;
        known.entry.coordinator_epoch = coordinator_epoch;
        if let Some(first) = first_offset {
            self.open.remove(&(first, id));
            self.sure.remove(&(first, id));
        }
        if let Some(since) = sure_since {
            self.sure.remove(&(since, id));
        }
        let behind = batch.last_offset.plus(1);
        let first_of = |set: &BTreeSet<(Offset, i64)>| set.first().map_or(behind, |(at, _)| *at);
        EndedTransaction {
            producer_id: id,
            is_abort,
            first_offset,
            first_records,
            first_since_gap,
            last_offset: batch.last_offset,
            previous_end,
            last_stable_offset: first_of(&self.open),
            sure_last_stable_offset: first_of(&self.sure),
            unsure_below: self.unsure_below,
        }
    }
}

impl Producer {
    fn first_seen(batch: &BatchFacts, damages: u32, gaps: u32) -> Self {
        let entry = ProducerEntry {
            index: 0,
            producer_id: batch.producer_id,
            producer_epoch: batch.producer_epoch,
            last_batch: None,
            timestamp: -1,
            coordinator_epoch: -1,
            current_txn_first_offset: None,
        };
        Self::of(entry, damages, gaps)
    }

    fn of(entry: ProducerEntry, damages: u32, gaps: u32) -> Self {
        Self {
            entry,
            updated_at: None,
            last_end: None,
            first_end_since_data: None,
            data_timestamp: None,
            sure_since: None,
            first_records: None,
            first_since_gap: None,
            damages,
            gaps,
            damages_before_data: damages,
        }
    }

    /// What every batch does. Another epoch, a lower one too, begins new sequences.
    fn see(&mut self, batch: &BatchFacts, damages: u32, gaps: u32) {
        if self.damages != damages {
            self.damages = damages;
            self.first_records = None;
            (self.sure_since, self.first_since_gap) = (None, None);
        }
        if self.gaps != gaps {
            self.gaps = gaps;
            (self.sure_since, self.first_since_gap) = (None, None);
        }
        if self.entry.producer_epoch != batch.producer_epoch {
            self.entry.producer_epoch = batch.producer_epoch;
            self.entry.last_batch = None;
        }
        self.updated_at = Some(batch.last_offset);
    }

    fn sequence_break(&self, batch: &BatchFacts, damages: u32) -> Option<SequenceBreak> {
        let last = self.entry.last_batch?.last_sequence;
        let is_new = self.entry.producer_epoch != batch.producer_epoch
            || self.damages_before_data != damages;
        // Group coordinators write batches of a producer without a sequence.
        if is_new || last < 0 || batch.base_sequence < 0 {
            return None;
        }
        let (expected, found) = (last.checked_add(1).unwrap_or(0), batch.base_sequence);
        // Up to 3.9 they began at 0 with every batch.
        let began = self.entry.last_batch.map_or(-1, |last| last.first_sequence());
        if batch.attributes.is_transactional() && (found, began) == (0, 0) {
            return None;
        }
        let ahead = found.wrapping_sub(expected).cast_unsigned() & i32::MAX.cast_unsigned();
        let repeats = ahead >= HALF_OF_ALL_SEQUENCES;
        (ahead != 0).then_some(SequenceBreak { expected, found, repeats })
    }

    /// True when no damage is behind its last batch, which may have held the end of its
    /// transaction, and no gap either unless `compacted`.
    #[must_use]
    pub fn is_sure(&self, producers: &Producers, compacted: bool) -> bool {
        self.damages == producers.damages && (compacted || self.gaps == producers.gaps)
    }
}
