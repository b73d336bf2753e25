//! The `.txnindex` of one segment beside the replay of its batches: which entries the log
//! contradicts, which are missing, and what the index has to be.
//!
//! ```text
//!   .log        | T7 T7 | T8 | A7 | ... gap ... | A8 |      A7: producer 7 aborts
//!                            |                    |
//!   .txnindex             entry 0   entry 1    entry 2      entry 1: its marker was compacted
//!                                                           away, the log says nothing against it
//! ```

use super::{BatchFacts, EndedTransaction, Marker, Step};
use crate::format::txn_index::{AbortedTxn, ENTRY_BYTES, TxnIndex};
use crate::format::{FormatError, Offset};
use std::collections::BTreeMap;

/// The entries of one segment's `.txnindex`, judged while its batches are replayed.
#[derive(Debug, Default)]
pub struct AbortedIndex {
    is_there: bool,
    /// Ordered by their last offset.
    entries: Vec<AbortedTxn>,
    /// The first entry that was not come to.
    next: usize,
    has_unreadable: bool,
    /// Behind the last entry of a segment that is being written, entries may be on their way.
    is_growing: bool,
    /// Entries whose last stable offset is right if a transaction begins there, by that offset,
    /// with what the replay gives.
    waiting: BTreeMap<Offset, Vec<(AbortedTxn, Offset)>>,
    is_damaged_at_end: bool,
    found: Vec<Verdict>,
    is_wrong: bool,
    is_wrong_unless_compacted: bool,
    is_wrong_if_compacted: bool,
    rebuilt: Option<Rebuilt>,
}

#[derive(Debug, Default)]
struct Rebuilt {
    entries: Vec<AbortedTxn>,
    /// Last stable offsets in a partition that was never compacted, by the last offset.
    last_stable_offsets: BTreeMap<Offset, Offset>,
}

/// What the log says against a `.txnindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An entry of a version that is not known.
    Unreadable(FormatError),
    /// An entry that is not above the one before it.
    Order {
        /// The entry.
        entry: AbortedTxn,
        /// The last offset of the one before it.
        previous: Offset,
    },
    /// No abort marker of this producer stands at the entry's last offset, but something else
    /// does, or the offset is not the segment's.
    NoMarker(AbortedTxn),
    /// The transaction cannot have begun there.
    FirstOffset {
        /// The entry.
        entry: AbortedTxn,
        /// Where it begins in the log.
        computed: Option<Offset>,
        /// True when it says nothing in a partition that was never compacted: there, what ended
        /// the transaction may be missing from the log.
        across_gap: bool,
    },
    /// Not what the replay gives. Says nothing in a partition that was ever compacted.
    LastStableOffset {
        /// The entry.
        entry: AbortedTxn,
        /// As the replay gives.
        computed: Offset,
    },
    /// The batch that was just taken is an abort marker without an entry, and records of the
    /// transaction are in the log before it.
    Missing {
        /// As it has to be.
        entry: AbortedTxn,
        /// As above.
        across_gap: bool,
    },
}

impl AbortedIndex {
    /// The index of the segment that begins with `base_offset`; `bytes` is the whole file, `None`
    /// when there is none. `is_growing` when a broker may be writing it.
    #[must_use]
    pub fn new(base_offset: Offset, bytes: Option<&[u8]>, is_growing: bool) -> Self {
        let mut this = Self { is_there: bytes.is_some(), is_growing, ..Self::default() };
        let index = TxnIndex::new(bytes.unwrap_or_default());
        this.is_wrong = index.bytes_left() > 0 && !is_growing;
        let mut previous: Option<Offset> = None;
        for entry in (0..index.entries()).filter_map(|number| index.get(number)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    this.has_unreadable = true;
                    this.find(Verdict::Unreadable(error));
                    continue;
                }
            };
            if let Some(previous) = previous.filter(|previous| entry.last_offset <= *previous) {
                this.find(Verdict::Order { entry, previous });
            }
            previous = Some(entry.last_offset);
            if entry.last_offset < base_offset {
                this.find(Verdict::NoMarker(entry));
            } else {
                this.entries.push(entry);
            }
        }
        this.entries.sort_by_key(place);
        this
    }

    /// Also keeps what the index has to be, for [`AbortedIndex::rebuilt`].
    #[must_use]
    pub fn rebuilding(mut self) -> Self {
        self.rebuilt = Some(Rebuilt::default());
        self
    }

    /// What was found since the last call.
    pub fn found(&mut self) -> std::vec::Drain<'_, Verdict> {
        self.found.drain(..)
    }

    /// Takes the next batch of the segment, and what it did.
    #[inline]
    pub fn batch(&mut self, batch: &BatchFacts, step: &Step) {
        self.is_damaged_at_end = false;
        while let Some(entry) = self.entries.get(self.next).copied()
            && entry.last_offset <= batch.last_offset
        {
            self.next += 1;
            if entry.last_offset < batch.first_known_offset() {
                // In a gap.
                self.rebuild(entry);
            } else {
                self.judge(entry, batch, step);
            }
        }
        if step.begins {
            self.waiting.remove(&batch.first_known_offset());
        }
        if let Some(ended) = step.ended.filter(|ended| ended.is_abort) {
            self.expect(&ended);
        }
    }

    /// Bytes that no batch proves stand behind the last batch.
    pub fn damaged(&mut self) {
        self.is_damaged_at_end = true;
        self.waiting.clear();
    }

    /// The segment ends; `next_base` is the offset in the next one's name.
    pub fn end(&mut self, next_base: Option<Offset>) {
        let is_open_ended = next_base.is_none() && (self.is_growing || self.is_damaged_at_end);
        for entry in self.entries.split_off(self.next.min(self.entries.len())) {
            if is_open_ended || next_base.is_some_and(|next| entry.last_offset < next) {
                self.rebuild(entry);
            } else {
                self.find(Verdict::NoMarker(entry));
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        if self.is_growing {
            waiting.clear();
        }
        for (entry, computed) in waiting.into_values().flatten() {
            self.find_last_stable_offset(entry, computed);
        }
    }

    /// The bytes that the `.txnindex` has to hold; `None` when it is right as it is. Entries that
    /// the log does not contradict are in it as they were.
    #[must_use]
    pub fn rebuilt(&self, compacted: bool) -> Option<Vec<u8>> {
        let here =
            if compacted { self.is_wrong_if_compacted } else { self.is_wrong_unless_compacted };
        let rebuilt = self.rebuilt.as_ref()?;
        // Where there is none, a recovery also writes what nobody needs any more.
        let is_missing = !self.is_there && !rebuilt.entries.is_empty();
        if !(self.is_wrong || here || is_missing) {
            return None;
        }
        let mut entries = rebuilt.entries.clone();
        entries.sort_by_key(|entry| entry.last_offset);
        entries.dedup_by_key(|entry| entry.last_offset);
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
        for entry in entries {
            let computed = rebuilt.last_stable_offsets.get(&entry.last_offset);
            let computed = computed.filter(|_| !compacted).copied();
            let last_stable_offset = computed.unwrap_or(entry.last_stable_offset);
            AbortedTxn { last_stable_offset, ..entry }.encode(&mut bytes);
        }
        (self.is_there || !bytes.is_empty()).then_some(bytes)
    }

    /// An entry whose last offset is in `batch`.
    fn judge(&mut self, entry: AbortedTxn, batch: &BatchFacts, step: &Step) {
        let is_its = batch.producer_id == entry.producer_id
            && batch.last_offset == entry.last_offset
            && batch.attributes.is_control();
        match step.ended {
            Some(ended) if is_its && ended.is_abort => self.judge_fields(entry, &ended),
            // A marker that compaction emptied, or one that cannot be read.
            None if is_its && batch.records_count == Some(0) => self.rebuild(entry),
            _ if batch.marker == Marker::Unreadable => self.rebuild(entry),
            _ => self.find(Verdict::NoMarker(entry)),
        }
    }

    fn judge_fields(&mut self, entry: AbortedTxn, ended: &EndedTransaction) {
        let first = entry.first_offset;
        let is_above = |records: Offset| first > records;
        let is_wrong = ended.first_since_gap.is_some_and(is_above)
            || ended.previous_end.is_some_and(|previous| first <= previous)
            || first > entry.last_offset
            || first.0 < 0;
        if is_wrong || ended.first_records.is_some_and(is_above) {
            let computed = ended.first_records.or(ended.first_offset);
            self.find(Verdict::FirstOffset { entry, computed, across_gap: !is_wrong });
            if let Some(entry) = ended.entry() {
                self.rebuild(entry);
            }
            return;
        }
        self.rebuild(entry);
        self.judge_last_stable_offset(entry, ended);
    }

    fn judge_last_stable_offset(&mut self, entry: AbortedTxn, ended: &EndedTransaction) {
        let stored = entry.last_stable_offset;
        let (least, most) = (ended.last_stable_offset, ended.sure_last_stable_offset);
        let unsure = Offset(0)..ended.unsure_below;
        if (least..=most).contains(&stored) || (stored < least && unsure.contains(&stored)) {
            return;
        }
        if stored > most && stored > entry.last_offset {
            // A follower writes the first offset of a transaction that begins in the same fetch.
            self.waiting.entry(stored).or_default().push((entry, least));
        } else {
            self.find_last_stable_offset(entry, least);
        }
    }

    /// Looks for the entry of an abort marker.
    fn expect(&mut self, ended: &EndedTransaction) {
        let wanted = (ended.last_offset, ended.producer_id);
        let is_there = self.entries.binary_search_by_key(&wanted, place).is_ok();
        let is_behind = self.entries.last().is_none_or(|e| e.last_offset < ended.last_offset);
        let Some(entry) = ended.entry() else { return };
        if is_there || (self.is_growing && is_behind) {
            return;
        }
        self.rebuild(entry);
        if !self.has_unreadable
            && let Some(first_offset) = ended.first_records
        {
            let entry = AbortedTxn { first_offset, ..entry };
            let across_gap = ended.first_since_gap.is_none();
            self.find(Verdict::Missing { entry, across_gap });
        }
    }

    fn rebuild(&mut self, entry: AbortedTxn) {
        if let Some(rebuilt) = &mut self.rebuilt {
            rebuilt.entries.push(entry);
        }
    }

    fn find(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::FirstOffset { across_gap: true, .. }
            | Verdict::Missing { across_gap: true, .. } => self.is_wrong_if_compacted = true,
            _ => self.is_wrong = true,
        }
        self.found.push(verdict);
    }

    fn find_last_stable_offset(&mut self, entry: AbortedTxn, computed: Offset) {
        self.is_wrong_unless_compacted = true;
        if let Some(rebuilt) = &mut self.rebuilt {
            rebuilt.last_stable_offsets.insert(entry.last_offset, computed);
        }
        self.found.push(Verdict::LastStableOffset { entry, computed });
    }
}

fn place(entry: &AbortedTxn) -> (Offset, i64) {
    (entry.last_offset, entry.producer_id)
}
